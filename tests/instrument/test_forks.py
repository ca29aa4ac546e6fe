"""Off, forks and children: whole processes in which a fork or a child comes at any moment."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import ecoia
from ecoia.instrument import engine as engine_module
from ecoia.keeping.journal import Journal
from support.programs import recorded, run_python, spans_of
from support.quiet_engine import QuietEngine
from support.records import losses_of_ours

# --- off, forks, children: whole processes ------------------------------------------------------------------------------


def test_disabled_is_a_no_op(home: Path) -> None:
    program = """
import threading, ecoia
def f(): return 5
assert ecoia.track(service="a")(f) is f
with ecoia.track(service="a") as span:
    span.units(1); span.tokens("p", "m", 1, 1); span.quality("q", 1.0)
    assert ecoia.current().service is None
@ecoia.track(service="a", units=len)
async def g(): ...
assert threading.active_count() == 1
assert ecoia.flush(60) is True
try:
    ecoia.track(service="Not An Id")
except ecoia.UsageError:
    print("still told")
"""
    done = run_python(program, ECOIA_DISABLED="1")
    assert (done.stdout, done.stderr, done.returncode) == ("still told\n", "", 0)
    assert not home.exists()


def test_a_fork_in_the_middle_of_a_span(home: Path) -> None:
    """The child ends the parent's span without recording it, and records its own spans in a file of its own."""
    program = """
import os, sys, threading, ecoia
def items():
    for i in range(3):
        yield i
generator = ecoia.track(service="generator")(items)()
next(generator)
with ecoia.track(service="parent", phase="training"):
    pid = os.fork()
if pid == 0:
    list(generator)
    assert threading.active_count() == 1, "ending what the parent began starts nothing"
    with ecoia.track(service="child", phase="training") as span:
        assert span.parent is None
    sys.exit(0)
list(generator)
assert os.waitpid(pid, 0)[1] == 0
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home) == {"parent": 1, "child": 1, "generator": 1, None: 0}
    assert {record.service: record.outcome for record in recorded(home) if record.kind == "outcome"} == {
        "parent": "ok",
        "child": "ok",
    }
    files = {entry.file: entry.record.pid for entry in Journal(home).scan().entries}
    assert len(files) == len(set(files.values())) == 2
    assert not losses_of_ours(recorded(home))


FORKING_THREADS = """
import os, sys, threading
beside = lambda: engine.background is not None and engine.background._thread.is_alive()
seen = threading.local()
os.register_at_fork(before=lambda: setattr(seen, "beside", "engine" in globals() and beside()))  # the earliest is called last
import ecoia
from ecoia.instrument.engine import engine
block = ecoia.track(service="a")
with block: pass
assert ecoia.flush(60)
found = []
def fork():
    for _ in range(25):
        child = os.fork()
        if child == 0:
            os._exit(0)
        found.append(seen.beside)
        os.waitpid(child, 0)
threads = [threading.Thread(target=fork) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 100 and not any(found), sum(found)
with block: pass
assert ecoia.flush(60), "measuring goes on"
"""


def test_forks_of_several_threads_at_once_find_no_thread_of_ours(home: Path) -> None:
    done = run_python("import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n" + FORKING_THREADS)
    assert (done.returncode, done.stderr) == (0, "")
    assert spans_of(home)["a"] == 2


def test_a_forked_child_starts_without_what_its_parent_has_still_to_record(engine: QuietEngine) -> None:
    """Otherwise both would count it. The child may still report losses and tokens through a span of the parent."""
    with ecoia.track(service="a") as span:
        engine.lost.append("invalid-units")
        span.tokens("provider", "model", 1, 2)
        engine.reset()  # the hook of a fork, in the child
        assert (list(engine.lost), list(engine.events), engine.threads) == ([], [], [])
        span.units(-1)
        span.tokens("provider", "model", 3, 4)
    assert list(engine.lost) == ["invalid-units"]
    assert [event[2] for event in engine.events] == [("provider", "model", 3, 4, None, None, None)]


def test_a_fork_waits_for_another_threads_first_span(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the child would inherit the locked import lock of a module."""
    starting, go, forked = threading.Event(), threading.Event(), threading.Event()

    def start() -> None:
        starting.set()
        assert go.wait(30)

    monkeypatch.setattr(engine, "_start_background", start)
    monkeypatch.setattr("ecoia.instrument.engine.Engine.FORK_GRACE_SECONDS", 30)
    first = threading.Thread(target=ecoia.track(service="a", phase="training")(len), args=([],))
    first.start()
    assert starting.wait(30)
    forking = threading.Thread(target=lambda: (engine_module._before_fork(), forked.set()))
    forking.start()
    assert not forked.wait(0.05)
    go.set()
    assert forked.wait(30)
    first.join()
    forking.join()


def test_a_child_forked_at_once_can_import(home: Path) -> None:
    """A fork while the sampler's thread imports must not leave the child waiting for an import lock."""
    program = """
import os, time, ecoia
children = []
for delay in (0.0, 0.03, 0.03):
    with ecoia.track(service="a"):
        time.sleep(delay)
        pid = os.fork()
        if pid == 0:
            import psutil, requests, zoneinfo
            os._exit(0)
        children.append(pid)
end = time.monotonic() + 20
while children and time.monotonic() < end:
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid:
        assert status == 0
        children.remove(pid)
    time.sleep(0.01)
for pid in children:
    os.kill(pid, 9)
    print("stuck")
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_fork_waits_for_a_line_that_the_sampler_logs_through_a_logging_imported_later(home: Path) -> None:
    """``logging`` takes its lock before a fork. If that came first, the line could not end, and the fork would wait in vain."""
    program = """
import os, threading, ecoia
from ecoia.instrument.background import Background
from ecoia.instrument.engine import engine
Background.PARKING_GRACE_SECONDS = 20
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
import logging
forking, logging_now, ended = threading.Event(), threading.Event(), []
class Handler(logging.Handler):
    def emit(self, record):
        logging_now.set()
        forking.wait(60)
        logging.getLogger("another")  # takes the lock of logging
        ended.append(record.getMessage())
logging.getLogger("ecoia").addHandler(Handler())
recorder = engine.background.sampling._recorder
close_window = recorder.close_window
recorder.close_window = lambda: (engine.complain("hello"), close_window())[1]
engine.background.wake(close_window=True)
assert logging_now.wait(60)
os.register_at_fork(before=forking.set)  # registered last, so called first
pid = os.fork()
if pid == 0:
    os._exit(0 if ended else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), ended)
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("0 ['ecoia: hello']\n", "", 0)

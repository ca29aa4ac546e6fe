"""The sampler's thread: what a flush promises, with forks, many threads and a sampler that died."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ecoia.instrument.background import Background
from ecoia.instrument.engine import Engine
from support.programs import run_python, spans_of

# --- the sampler thread ------------------------------------------------------------------------------------------------


def test_flush_says_whether_it_is_in_the_journal(home: Path) -> None:
    program = """
import os, ecoia
with ecoia.track(service="a"): pass
assert ecoia.flush(60) is True
home = os.environ["ECOIA_HOME"]
os.rename(home, home + ".away")
open(home, "w").close()
with ecoia.track(service="a"): pass
print(ecoia.flush())
"""
    done = run_python("import ecoia; assert ecoia.flush(60) is True\n" + program)
    assert (done.stdout, done.returncode) == ("True\n", 0)  # its file is open, so renaming the folder changes nothing
    home.unlink()
    done = run_python("import ecoia\nwith ecoia.track(service='a'): pass\nprint(ecoia.flush())", ECOIA_HOME="/proc/ecoia")
    assert (done.stdout, done.returncode) == ("False\n", 0)


def test_flush_from_many_threads_returns_to_all(home: Path) -> None:
    program = """
import threading, ecoia
answers = []
def work():
    for _ in range(5):
        with ecoia.track(service="a"): pass
        answers.append(ecoia.flush(20))
threads = [threading.Thread(target=work) for _ in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]
assert answers == [True] * 30, answers
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 30


def test_a_fork_that_is_over_before_the_sampler_could_end_leaves_it_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampler saw the fork begin, and wrote to a slow disk until the fork was over."""
    monkeypatch.setattr(Background, "PARKING_GRACE_SECONDS", 0.01)
    engine = Engine()
    background = Background(engine._make_sampling, complain=engine.complain, lose=engine.lost.append)
    background.start()
    background.ready.wait(60)
    assert background.sampling is not None
    real, seen, go_on, again = background.sampling.run, threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        if seen.is_set():
            again.set()
        real()
        seen.set()
        go_on.wait(60)

    monkeypatch.setattr(background.sampling, "run", slow)
    background.park()
    background._thread.join(60)
    background.unpark()  # the new thread runs slowly
    background.park()
    assert seen.wait(60)
    background.unpark()
    go_on.set()
    assert again.wait(60), "measuring has stopped"
    background.stop()


def test_flush_does_not_wait_for_a_sampler_that_died(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("ecoia.measuring.sampler.Sampler", die)
    complaints: list[str] = []
    engine = Engine()
    monkeypatch.setattr(engine, "complain", complaints.append)
    background = Background(engine._make_sampling, complain=engine.complain, lose=engine.lost.append)
    background.start()
    assert background.flush(3600) is False  # if it waited, the test would time out
    words = ("measuring stopped", "nothing more is recorded")  # it begins again in this thread, in vain
    assert complaints == [f"{word}: RuntimeError: out of luck" for word in words]


def test_long_spans_are_soon_on_disk(home: Path) -> None:
    """A span of a second or more is written when it ends, not when the window does."""
    program = """
import os, sys, time, ecoia
with ecoia.track(service="a"):
    time.sleep(1.05)
end = time.monotonic() + 20
home = os.environ["ECOIA_HOME"]
from ecoia.keeping.journal import Journal
from ecoia.keeping.adoption import adopt
while not any(record.spans for record in Journal(home).scan().records):
    assert time.monotonic() < end
    time.sleep(0.01)
os._exit(0)
"""
    done = run_python(program, ECOIA_FLUSH_SECONDS="3600")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 1

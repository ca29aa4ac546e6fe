"""What is recorded where not everything can be: no meters, no thread, no descriptor, a fault of ecoia's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ecoia.keeping.adoption import adopt
from ecoia.keeping.journal import Journal
from ecoia.semconv import COMPONENTS, KIND_OVERHEAD, KIND_SPAN
from support.namespaces import in_namespaces, needs_namespaces
from support.programs import recorded, run_python, spans_of
from support.records import losses_of_ours

# --- what can be recorded where not everything can ---------------------------------------------------------------------

NO_METERS_YET = """
import sys, threading, time, ecoia, ecoia.meters
from ecoia.instrument.background import Background
Background.EXIT_GRACE_SECONDS = 0.01
found = threading.Event()
def detect(*_, **__):
    found.wait(60)  # a machine so busy that the search does not end before the program does
    return []
ecoia.meters.detect = detect
def work():
    with ecoia.track(service="a") as span:
        span.units(2)
thread = threading.Thread(target=work)
thread.start()
thread.join()
work()
"""


def test_a_program_that_ends_before_its_meters_are_found_leaves_all_but_its_energy(home: Path) -> None:
    done = run_python(NO_METERS_YET)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    assert [(each.spans, each.units_micro) for each in records if each.kind == KIND_SPAN] == [(2, 4_000_000)]
    assert all(each.energy_microjoules[component] is None for each in records for component in COMPONENTS)
    assert sum(each.cpu_ns for each in records) > 1_000_000
    assert losses_of_ours(records) == {"meters-not-found": 1}
    assert list((home / "open").iterdir()) == []


NO_THREADS = """
import sys, threading, ecoia
start = threading.Thread.start
def refused(self):
    raise RuntimeError("can't start new thread")
def work():
    with ecoia.track(service="a") as span: span.units(1)
threading.Thread.start = refused
work()
assert ecoia.flush(60)
work()
if sys.argv[1] == "threads again":
    threading.Thread.start = start
    assert ecoia.flush(60)
    work()
    assert ecoia.flush(60)
    work()
"""


@pytest.mark.parametrize("later", ["never", "threads again"])
def test_a_host_without_a_thread_left_is_recorded_without_energy(home: Path, later: str) -> None:
    done = run_python(NO_THREADS, later)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    spans = [each for each in records if each.kind == KIND_SPAN]
    assert (
        sum(each.spans for each in spans) == sum(each.units_micro or 0 for each in spans) / 1e6 == (2 if later == "never" else 4)
    )
    assert spans[0].energy_microjoules == dict.fromkeys(COMPONENTS)
    assert sum(each.lost.get("no-sampler", 0) for each in records) >= 1
    with_energy = [each for each in spans if any(each.energy_microjoules.values())]
    assert bool(with_energy) == (later == "threads again")
    assert list((home / "open").iterdir()) == []


def test_a_first_span_while_the_interpreter_ends_is_said_not_to_be_recorded(home: Path) -> None:
    """Python 3.12 and later start no thread for a function that ``atexit`` calls."""
    done = run_python(
        "import threading, ecoia\n"
        'def refused(self): raise RuntimeError("can\'t create new thread at interpreter shutdown")\n'
        "threading.Thread.start = refused\n"
        "for _ in range(2):\n    with ecoia.track(service='a'): pass\n"
    )
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ecoia: nothing is recorded until")


@pytest.mark.parametrize("flushes", [True, False])
def test_a_first_span_without_a_descriptor_left_harms_nothing_and_is_recorded_later(home: Path, flushes: bool) -> None:
    program = """
import os, resource, sys, ecoia
@ecoia.track(service="a", units=1)
def work(): return "answer"
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True: held.append(os.open(os.devnull, os.O_RDONLY))
except OSError: pass
print(work(), ecoia.flush())
for number in held: os.close(number)
if sys.argv[1] == "True": print(ecoia.flush(60))
"""
    done = run_python(program, str(flushes))
    assert (done.stdout, done.returncode) == ("answer False\n" + "True\n" * flushes, 0)
    assert "Too many open files" in done.stderr
    assert sum(each.units_micro or 0 for each in recorded(home)) == 1_000_000
    assert sum(each.lost.get("no-sampler", 0) for each in recorded(home)) >= 1


@pytest.mark.parametrize(
    "unlogged",
    [
        "sys.stderr.close()",
        "reader, writer = os.pipe(); os.dup2(writer, 2); os.close(reader)",
        "import logging; logging.getLogger('ecoia').addFilter(lambda record: 1 / 0)",
    ],
)
def test_a_problem_that_cannot_be_logged_harms_nothing(home: Path, unlogged: str) -> None:
    done = run_python(
        f"import os, sys\n{unlogged}\nimport ecoia\nfrom ecoia.integrating import complain\ncomplain('a problem')\n"
        "with ecoia.track(service='a'): pass\nprint(ecoia.flush(60), flush=True)\nos._exit(0)",
        ECOIA_FLUSH_SECONDS="soon",
    )
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert spans_of(home)["a"] == 1


def test_a_signal_handler_that_raises_while_measuring_starts_is_heard_and_costs_no_later_span(home: Path) -> None:
    program = """
import signal, ecoia
from ecoia.instrument import background
real = background.Background
class Interrupted(real):
    def __init__(self, *arguments, **options):
        background.Background = real
        signal.raise_signal(signal.SIGALRM)
background.Background = Interrupted
def ring(*_): raise TimeoutError("mine")
signal.signal(signal.SIGALRM, ring)
@ecoia.track(service="a")
def work(): pass
try: work()
except TimeoutError as error: print(error)
work()
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("mine\n", "", 0)
    assert spans_of(home)["a"] == 1


def test_a_fault_before_measuring_began_costs_the_energy_and_nothing_else(home: Path) -> None:
    """The code for measuring may fail to load for a moment, for want of a descriptor or memory."""
    done = run_python(
        "import ecoia, ecoia.measuring.sampler\nreal = ecoia.measuring.sampler.Sampler\n"
        "def fail(*_):\n    ecoia.measuring.sampler.Sampler = real\n    raise OSError('no luck')\n"
        "ecoia.measuring.sampler.Sampler = fail\n"
        "with ecoia.track(service='a') as span: span.units(1)\nprint(ecoia.flush(60))\n"
        "with ecoia.track(service='a') as span: span.units(1)\n"
    )
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert done.stderr == "ecoia: measuring stopped: OSError: no luck\n"
    records = recorded(home)
    assert sum(each.units_micro or 0 for each in records) == 2_000_000
    assert sum(each.lost.get("measuring-stopped", 0) for each in records) >= 1
    assert list((home / "open").iterdir()) == []


def test_a_signal_handler_that_flushes_during_a_flush_without_a_thread_does_not_hang(home: Path) -> None:
    program = """
import signal, threading, ecoia
from ecoia.measuring.recorder import Recorder
signal.alarm(60)
def refused(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refused
close = Recorder.close_window
def interrupted(self):
    signal.raise_signal(signal.SIGUSR1)
    return close(self)
Recorder.close_window = interrupted
signal.signal(signal.SIGUSR1, lambda *_: print(ecoia.flush(30)))
with ecoia.track(service="a"): pass
print(ecoia.flush(30))
Recorder.close_window = close
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("False\nTrue\n", "", 0)
    assert spans_of(home)["a"] == 1


@pytest.mark.parametrize(
    ("broken", "cause"),
    [("ecoia.meters.detect", "meters-failed"), ("ecoia.measuring.recorder.Recorder.step", "measuring-stopped")],
)
def test_a_fault_of_measuring_costs_the_energy_and_nothing_else(home: Path, broken: str, cause: str) -> None:
    done = run_python(
        "import ecoia, ecoia.meters, ecoia.measuring.recorder\n"
        f"def fail(*_, **__): raise OSError('no luck')\n{broken} = fail\n"
        "with ecoia.track(service='a') as span: span.units(1)\nprint(ecoia.flush(60))\n"
        "with ecoia.track(service='a') as span: span.units(1)\n"
    )
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert done.stderr.count("no luck") == 1
    records = recorded(home)
    assert sum(each.spans for each in records) == 2
    assert sum(each.units_micro or 0 for each in records) == 2_000_000
    assert sum(each.lost.get(cause, 0) for each in records) >= 1


def test_records_after_a_fault_of_measuring_begin_where_the_last_window_ended(home: Path) -> None:
    """Otherwise CPU time and units would be spread over the half-hours since the process began, delivered long ago."""
    done = run_python(
        "import ecoia, ecoia.measuring.recorder\n"
        "def fail(*_, **__): raise OSError('no luck')\n"
        "with ecoia.track(service='a'): pass\n"
        "assert ecoia.flush(60)\n"
        "ecoia.measuring.recorder.Recorder.step = fail\n"
        "with ecoia.track(service='b'): pass\n"
        "assert ecoia.flush(60)\n"
    )
    assert done.returncode == 0
    (before,), (after,) = ([each for each in recorded(home) if each.service == name] for name in ("a", "b"))
    assert after.start_utc_ns >= before.end_utc_ns


@needs_namespaces
@pytest.mark.parametrize("mount", ["mount -t tmpfs none /proc", "mount --bind /dev/null /proc/meminfo"])
def test_without_proc_or_the_size_of_memory_in_it_records_are_written(home: Path, mount: str) -> None:
    program = "import ecoia\nwith ecoia.track(service='a') as span: span.units(1)\nassert ecoia.flush(60)"
    done = in_namespaces("--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 1


def test_a_process_killed_before_its_first_reading_is_counted(home: Path) -> None:
    done = run_python(NO_METERS_YET + "import os, signal\nfrom ecoia.instrument.engine import engine\n"
                      "assert engine.background.begun.wait(60)\nos.kill(os.getpid(), signal.SIGKILL)")  # fmt: skip
    assert done.returncode == -9
    assert adopt(Journal(home)) == 1
    (word,) = recorded(home)
    assert (word.kind, word.lost) == (KIND_OVERHEAD, {"ended-suddenly": 1})

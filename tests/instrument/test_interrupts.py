"""Ctrl-C ends a measured program as it ends any other, whenever it comes: the exit code, and the program's own traceback."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.programs import recorded, run_python, spans_of

TRIES = int(os.environ.get("SOAK_INTERRUPTS", "60"))
AT_ONCE = 4

_SWALLOWED = "Exception ignored in: <function _get_module_lock"
"""Python itself loses an interrupt that comes in this function, at any import of any program."""

WORKING = """
import os, time
end = time.monotonic() + 10
os.write(1, b"begun")
import ecoia
@ecoia.track(service="vadore", phase="training")
def work():
    while time.monotonic() < end:
        sum(range(1000))
work()
"""


def interrupted_after(seconds: float, home: Path) -> tuple[int, str]:
    """Interrupt a program this long after it began, and return its exit code and what it wrote to standard error."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING],
        env={**os.environ, "ECOIA_HOME": str(home), "ECOIA_DELIVERY": "manual"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.read(5) == "begun"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def test_an_interrupt_in_the_first_second_ends_a_program_as_without_ecoia(home: Path) -> None:
    chance = random.Random(15)
    moments = [chance.random() for _ in range(TRIES)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(interrupted_after, moments, [home] * TRIES))
    wrong = [
        (moment, code, errors)
        for moment, (code, errors) in zip(moments, ends, strict=True)
        if _SWALLOWED not in errors
        and (code != -signal.SIGINT or not errors.endswith("KeyboardInterrupt\n") or "ignored" in errors or "During" in errors)
    ]
    assert not wrong
    recorded(home)  # no line is damaged


FORGETFUL = """
import collections, sys, time
import ecoia
from ecoia.instrument.engine import Engine

make = Engine.sampling_factory

def load(engine, background):
    while not hasattr(sys, "last_type"):
        time.sleep(0.001)
    collections.namedtuple("Point", "x y")  # CPython forgets the interrupt
    return make(engine, background)

Engine.sampling_factory = staticmethod(load)
with ecoia.track(service="vadore", phase="training"):
    pass
{end}
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("def deeper(): raise KeyboardInterrupt\ndeeper()", -signal.SIGINT),
        ("raise ValueError", 1),
        ("import code; code.InteractiveInterpreter().runcode('raise KeyboardInterrupt')", 0),  # a console lives on
        ("sys.ps1 = '> '; raise KeyboardInterrupt", 1),  # here it is the console's turn
    ],
)
def test_what_the_sampler_loads_changes_no_exit_code(home: Path, end: str, code: int) -> None:
    done = run_python(FORGETFUL.format(end=end))
    assert done.returncode == code, done.stderr
    assert "ecoia" not in done.stderr
    assert spans_of(home)["vadore"] == 1


STARTED_ONCE = """
import threading, time
import ecoia
from ecoia.instrument import background

class Thread(threading.Thread):
    left = 1

    def start(self):
        Thread.left -= 1
        if Thread.left == 0 and {before}:
            raise KeyboardInterrupt
        super().start()
        if Thread.left == 0:
            raise KeyboardInterrupt

background.Thread = Thread
try:
    with ecoia.track(service="interrupted"):
        pass
except KeyboardInterrupt as error:
    print("interrupted" if error.__context__ is None else "while something of ecoia was handled")
with ecoia.track(service="vadore"):
    pass
assert ecoia.flush(60)
print(sum(thread.name == "ecoia-sampler" for thread in threading.enumerate()))
"""


@pytest.mark.parametrize("before", [True, False])
def test_an_interrupt_while_the_sampler_is_started_leaves_one(home: Path, before: bool) -> None:
    done = run_python(STARTED_ONCE.format(before=before))
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n1\n", "", 0)
    assert spans_of(home)["vadore"] == 1

"""Run by test_kills: kill programs that measure all the time at random moments, eight at once, on one home.

Each program reports through a pipe how many units ``ecoia.flush`` has confirmed, and through shared memory how many it has
done. One in ten is a new interpreter, which may be killed while it starts; the others are forks of this one, so a thousand
take only minutes. Prints one JSON object for each kill.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import ecoia

THREADS = 3
AT_ONCE = 8
AFRESH = 10
"""One program in this many is a new interpreter."""

LIFE_SECONDS = 4.0
"""Longest life of a program."""


def measure(memory_file: str, pipe: int, flushes: bool) -> None:
    """Measure on some threads until killed. Without ``flushes``, records are written at the end of each window."""
    with Path(memory_file).open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)

    def work(number: int) -> None:
        done = 0
        while True:
            with ecoia.track(service="killed", endpoint=f"/{number}") as span:
                sum(range(2000))
                span.units(1)
            done += 1
            store(memory, number, done)
            time.sleep(0.004)

    store(memory, THREADS, time.time_ns())
    for number in range(THREADS):
        threading.Thread(target=work, args=(number,), daemon=True).start()
    parent = os.getppid()
    while os.getppid() == parent:  # end if the killer itself was killed
        before = units_in(memory)
        if flushes and ecoia.flush():
            os.write(pipe, b"%d\n" % before)
        time.sleep(0.02)
    os._exit(0)


def store(memory: mmap.mmap, place: int, number: int) -> None:
    """Store a number where it survives the process: each thread's units at its own place, then the time of the start."""
    memory[8 * place : 8 * place + 8] = number.to_bytes(8, "little")


def stored(memory: mmap.mmap | bytes, place: int) -> int:
    """Read the number stored at a place; 0 if there is none."""
    return int.from_bytes(memory[8 * place : 8 * place + 8], "little")


def units_in(memory: mmap.mmap | bytes) -> int:
    """Count the units done so far. A thread stores its own after the span has ended."""
    return sum(stored(memory, number) for number in range(THREADS))


@dataclass
class Program:
    """A running program, and when to kill it."""

    pid: int
    kill_at: float
    flushes: bool
    afresh: bool
    memory: Path
    pipe: int

    def kill(self) -> dict[str, int | bool]:
        """Kill it, and return what it had reported."""
        os.kill(self.pid, signal.SIGKILL)
        killed_utc_ns = time.time_ns()
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == -signal.SIGKILL, "it ended by itself"
        with os.fdopen(self.pipe, "rb") as pipe:
            confirmed = [int(line) for line in pipe if line.endswith(b"\n")]
        memory = self.memory.read_bytes()
        return {
            "pid": self.pid,
            "flushes": self.flushes,
            "afresh": self.afresh,
            "begin_utc_ns": stored(memory, THREADS),
            "killed_utc_ns": killed_utc_ns,
            "confirmed": confirmed[-1] if confirmed else 0,
            "done": units_in(memory),
        }


def start(number: int, folder: Path, chance: random.Random) -> Program:
    """Start the program of this number."""
    memory = folder / f"memory-{number}"
    memory.write_bytes(bytes(8 * (THREADS + 1)))
    read, write = os.pipe()
    os.set_inheritable(write, True)
    flushes, afresh = bool(number % 2), number % AFRESH == 0
    if afresh:
        arguments = [sys.executable, __file__, "measure", str(memory), str(write), str(int(flushes))]
        pid = os.posix_spawn(sys.executable, arguments, os.environ)
    else:
        pid = os.fork()
        if pid == 0:
            measure(str(memory), write, flushes)
    os.close(write)
    return Program(pid, time.monotonic() + chance.uniform(0, LIFE_SECONDS), flushes, afresh, memory, read)


def main(folder: str, kills: int, seed: int) -> None:
    """Keep some programs running until this many were killed."""
    with ecoia.track(service="killer"):  # load the meters' modules once, for all forks
        pass
    ecoia.flush()
    chance = random.Random(seed)
    running: list[Program] = []
    number = 0
    while number < kills or running:
        while number < kills and len(running) < AT_ONCE:
            running.append(start(number, Path(folder), chance))
            number += 1
        program = min(running, key=lambda program: program.kill_at)
        running.remove(program)
        time.sleep(max(program.kill_at - time.monotonic(), 0))  # no result depends on the exact moment
        print(json.dumps(program.kill()))


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1")
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

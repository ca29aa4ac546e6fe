"""Run real Python processes that are measured, and read the records that they wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ecoia.keeping.journal import Journal
from ecoia.records import Record

BURN = "import time\ndef burn(ms):\n    end = time.thread_time() + ms / 1000\n    while time.thread_time() < end: pass\n"
"""Source of ``burn(milliseconds)``, which uses this much CPU time of its thread, however fast the machine is."""


def run_python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program text to its end, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def recorded(home: Path) -> list[Record]:
    """Read all records of a home, and check that no line is damaged."""
    scan = Journal(home).scan()
    assert (scan.corrupt, scan.torn, scan.newer) == (0, 0, 0)
    return scan.records


def spans_of(home: Path) -> Counter[str | None]:
    """Count spans by service."""
    spans: Counter[str | None] = Counter()
    for record in recorded(home):
        spans[record.service] += record.spans
    return spans


def wait_until(condition: Callable[[], object], seconds: float = 600) -> None:
    """Wait until a condition holds; fails after a time that only a hanging program needs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)

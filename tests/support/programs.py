"""Real Python processes to measure, and what they left in the journal."""

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
"""Source of ``burn(milliseconds)``: so much CPU time of the thread, whatever the machine's speed."""


def run_python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program text to its end, warnings being errors in it too."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def recorded(home: Path) -> list[Record]:
    """Every record of a home in which no line is damaged."""
    scan = Journal(home).scan()
    assert (scan.corrupt, scan.torn, scan.newer) == (0, 0, 0)
    return scan.records


def spans_of(home: Path) -> Counter[str | None]:
    """Spans by service."""
    spans: Counter[str | None] = Counter()
    for record in recorded(home):
        spans[record.service] += record.spans
    return spans


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)

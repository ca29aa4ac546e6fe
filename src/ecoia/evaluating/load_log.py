"""The load of a host by minute, beside which a series of its power at the wall is read (``ecoia calibrate``).

The journal is not enough for that: it holds what measured processes claimed, not what the whole host did, and a program that
nobody measured would go into the power at rest. So ``ecoia calibrate --record`` keeps the busy hardware threads of each minute
(``/proc/stat``, whose times are sums, so no load between two readings is missed) and the mean power of the graphics cards.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ecoia.errors import UsageError
from ecoia.meters import hardware
from ecoia.meters.meter import Meter
from ecoia.meters.processor import is_guest

LINE_SECONDS = 60
"""Length of a line's mean."""

MOST_STEP_SECONDS = 2.0
"""If the wall clock and the monotonic clock differ by more than this over a line, the clock was set."""

_HEADER = ("start", "end", "seconds", "busy_threads", "gpu_watts", "instance", "threads", "gib", "cpu_model")


class Host(NamedTuple):
    """The host that a load was recorded on."""

    instance: str
    threads: int
    gib: float
    cpu_model: str


class LoadMean(NamedTuple):
    """One line: means over some time.

    Attributes:
        start: Its start, in epoch seconds of the wall clock.
        end: Its end.
        seconds: Its length on a clock that nobody sets.
        busy_threads: Hardware threads that were busy.
        gpu_watts: Power of the graphics cards, by their own meter; None: the host has none.
    """

    start: float
    end: float
    seconds: float
    busy_threads: float
    gpu_watts: float | None


class LoadLog(NamedTuple):
    """A recorded load, in order of time, and its host."""

    host: Host
    means: tuple[LoadMean, ...]


class LoadRecorder:
    """Appends a line a minute to a file.

    Args:
        path: The file; a new one gets a header.
        instance: Name of this instance.
        gpu: Meter of its graphics cards; None: it has none.
        root: Folder that holds ``/proc`` and ``/sys``.
        clocks: Returns (wall clock, monotonic clock) in seconds.

    Raises:
        UsageError: This machine is a guest, or the file belongs to another host.
    """

    def __init__(
        self,
        path: Path,
        instance: str,
        gpu: Meter | None,
        root: str | Path = hardware.ROOT,
        clocks: Callable[[], tuple[float, float]] = lambda: (time.time(), time.monotonic()),
    ) -> None:
        if is_guest(root):
            raise UsageError("this machine is a guest, and the series is its host's: record on the host, and use the result here")
        gib = round(hardware.host_memory_bytes() / 2**30, 1)
        self._host = Host(instance, hardware.cpu_count(), gib, hardware.cpu_model(root))
        self._path, self._gpu, self._root, self._clocks = path, gpu, root, clocks
        if path.exists() and path.stat().st_size:
            before = read_load(path).host
            if before != self._host:
                raise UsageError(
                    f"'{path}' holds the load of '{before.instance}' ({before.cpu_model}): give each host its own file"
                )
        else:
            self._write(_HEADER)
        if gpu is not None:
            gpu.read(0.0, 0.0)  # what was counted before now
        self._gpu_uj: int | None = None
        self._read_at = 0.0
        self._busy = hardware.BusyTime(0, 0)
        self._restart()

    def step(self) -> None:
        """Read; write a line once it is a minute long. Call it about once a second."""
        wall, monotonic = self._clocks()
        self._read_gpu(monotonic - self._read_at)
        self._read_at = monotonic
        seconds = monotonic - self._monotonic
        if seconds < LINE_SECONDS:
            return
        busy = hardware.host_busy_time(self._root)
        threads = (busy.busy_ns - self._busy.busy_ns) / 1e9 / seconds
        if self._gpu is None or self._gpu_uj is not None:
            gpu = "" if self._gpu_uj is None else f"{self._gpu_uj / 1e6 / seconds:.2f}"
            line = (f"{self._wall:.3f}", f"{wall:.3f}", f"{seconds:.3f}", f"{threads:.4f}", gpu)
            self._write((*line, *map(str, self._host)))
        self._restart()

    def _restart(self) -> None:
        self._wall, self._monotonic = self._clocks()
        self._read_at = self._monotonic
        self._busy = hardware.host_busy_time(self._root)
        self._gpu_uj = None if self._gpu is None else 0

    def _read_gpu(self, seconds: float) -> None:
        """Add the cards' energy. A reading that failed leaves the whole line out: half of it would be too little."""
        if self._gpu is None:
            return
        energy = self._gpu.read(seconds, 0.0)
        self._gpu_uj = None if energy is None or self._gpu_uj is None else self._gpu_uj + energy

    def _write(self, cells: tuple[str, ...]) -> None:
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(cells)
        except OSError as error:
            raise UsageError(f"'{self._path}' cannot be written ({error.strerror}): name a file in a folder of yours") from error


def read_load(path: Path) -> LoadLog:
    """Read what a ``LoadRecorder`` wrote. A last line without its newline is left out.

    Args:
        path: The file.

    Raises:
        UsageError: The file is another one, holds two hosts, or the clock was set meanwhile. Line and remedy are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{path}' cannot be read ({error}): name a file that 'ecoia calibrate --record' wrote") from error
    lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    if not lines or tuple(lines[0]) != _HEADER:
        raise UsageError(
            f"'{path}': the first line is not '{','.join(_HEADER)}': name a file that 'ecoia calibrate --record' wrote"
        )
    means: list[LoadMean] = []
    host: Host | None = None
    for number, cells in enumerate(lines[1:], 2):
        where = f"{path.name}:{number}"
        found, mean = _line(where, cells)
        if host not in (None, found):
            raise UsageError(f"{where}: the load of another host ('{found.instance}'): give each host its own file")
        step = mean.end - mean.start - mean.seconds
        if abs(step) > MOST_STEP_SECONDS or (means and mean.start < means[-1].end - MOST_STEP_SECONDS):
            raise UsageError(
                f"{where}: the clock was set meanwhile, so this load and the series do not belong together: "
                "keep the clock by NTP, remove the lines up to this one, or record again"
            )
        host = found
        means.append(mean)
    if host is None:
        raise UsageError(f"'{path}' holds no minute yet: leave 'ecoia calibrate --record' running")
    return LoadLog(host, tuple(means))


def _line(where: str, cells: list[str]) -> tuple[Host, LoadMean]:
    try:
        start, end, seconds, busy, gpu, instance, threads, gib, cpu_model = cells
        mean = LoadMean(float(start), float(end), float(seconds), float(busy), float(gpu) if gpu else None)
        host = Host(instance, int(threads), float(gib), cpu_model)
    except ValueError:
        raise UsageError(f"{where}: {','.join(cells)!r}: not a line that 'ecoia calibrate --record' wrote: remove it") from None
    numbers = [each for each in mean if each is not None]
    if (
        not all(map(math.isfinite, numbers))
        or min(numbers) < 0
        or mean.end <= mean.start
        or mean.busy_threads > host.threads * 1.05
    ):
        raise UsageError(f"{where}: {','.join(cells)!r}: no minute of a host with {threads} threads: remove it")
    return host, mean

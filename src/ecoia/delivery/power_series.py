"""Power over time on users' MLflow runs: ``system/ecoia_power_w``, from the windows in the journal.

A point is the mean power since the point before it; its timestamp is the end of a window. The longer a run goes on, the wider
apart its points stand, so that a run of months has less than a thousand of them and none is ever rewritten. A run's power
includes that of the runs below it, as its totals do.

``delivery/power.json`` keeps which windows are in no point yet. Losing it costs the points that they would have made: where the
series of a run ends is asked of the store.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.delivery.mlflow_runs import REFUSED, MlflowRuns, RunRefusedError
from ecoia.delivery.mlflow_store import NOT_THERE, MlflowStore
from ecoia.delivery.open_runs import process_of
from ecoia.delivery.result import STEP, Tell, tell_nobody
from ecoia.errors import EcoiaError
from ecoia.keeping.destinations import public_uri, write_atomically
from ecoia.keeping.journal import Entry, Journal
from ecoia.keeping.run_signs import is_work_of_user
from ecoia.periods import DAY_NS, covered_seconds, utc_day
from ecoia.units import NANOSECONDS_PER_SECOND

MOST_POINTS = 1000
"""Greatest number of points of a run: reached after half a year."""

_FILE = "power.json"
_NARROWEST_NS = 10 * NANOSECONDS_PER_SECOND
_NARROW_POINTS = 128
"""Points of the least width; then half as many of each width, which doubles each time."""

_OLDEST_NS = 2 * DAY_NS
"""Windows that ended before are in no series: without the file, a year's runs would be asked for."""

_SILENT_NS = 60 * NANOSECONDS_PER_SECOND
"""A process that wrote no window of a run for so long holds its series back no longer."""

_PIECES_PER_POINT = 8
_PARENT = "mlflow.parentRunId"
_OPEN = ("RUNNING", "SCHEDULED")
_NOT_TAKEN = (*NOT_THERE, *REFUSED, "INVALID_STATE")
"""MLflow's error codes of a run that takes no points, now or later."""


def width_ns(elapsed_ns: int) -> int:
    """Return how far apart two points stand, by the time since a run's first window, all in nanoseconds.

    Example:
        >>> [width_ns(seconds * 10**9) // 10**9 for seconds in (0, 1279, 1280, 2560, 86_400)]
        [10, 10, 20, 40, 1280]
    """
    return _NARROWEST_NS << (elapsed_ns // (_NARROWEST_NS * _NARROW_POINTS)).bit_length()


class Window(NamedTuple):
    """What one process claimed for a run in an interval. ``gpu_microjoules`` is None where no GPU was measured."""

    start_ns: int
    end_ns: int
    microjoules: int
    gpu_microjoules: int | None
    process: str

    def also(self, other: Window) -> Window:
        """Return this window with the energy of another one of its process, up to the later end."""
        gpu = [each for each in (self.gpu_microjoules, other.gpu_microjoules) if each is not None]
        return Window(
            self.start_ns,
            max(self.end_ns, other.end_ns),
            self.microjoules + other.microjoules,
            sum(gpu) if gpu else None,
            self.process,
        )


class PowerPoint(NamedTuple):
    """Mean power in watts from the point before to ``end_ns``; ``gpu_watts`` is None where no GPU was measured."""

    end_ns: int
    watts: float
    gpu_watts: float | None


@dataclass
class Series:
    """The series of one run, as far as it is in the store, and the windows that are in no point yet.

    Attributes:
        origin_ns: Start of its first window.
        until_ns: End of its last point; 0 before the first.
        count: How many points it has.
        sure: Whether ``until_ns`` and ``count`` are what the store has. Otherwise it is asked.
        windows: What is in no point yet.
    """

    origin_ns: int
    until_ns: int = 0
    count: int = 0
    sure: bool = False
    windows: list[Window] = field(default_factory=list)

    def add(self, window: Window) -> None:
        """Add a window. The coarser the points are by now, the longer the windows that are kept as one."""
        self.origin_ns = min(self.origin_ns, window.start_ns)  # windows of the runs below come in any order
        for number in reversed(range(len(self.windows))):
            last = self.windows[number]
            if last.process == window.process:
                inside = last.start_ns <= window.start_ns and window.end_ns <= last.end_ns
                short = window.end_ns - last.start_ns <= width_ns(window.end_ns - self.origin_ns) // _PIECES_PER_POINT
                if inside or (short and last.end_ns <= window.start_ns):
                    self.windows[number] = last.also(window)
                    return
                break
        self.windows.append(window)

    def points(self, *, whole: bool, start_ns: int = 0, end_ns: int | None = None) -> list[PowerPoint]:
        """Return the points that can be made now.

        Args:
            whole: The run is over, or no process measures it any more: the last point is as wide as what is left.
            start_ns: Start of the run: the window in which it began began before.
            end_ns: End of the run; ``None``: it goes on.
        """
        windows = []
        for each in self.windows:
            end = each.end_ns if end_ns is None else min(each.end_ns, end_ns)
            if max(each.start_ns, start_ns, self.until_ns) < end:
                windows.append(each._replace(start_ns=max(each.start_ns, start_ns), end_ns=end))
        begin_ns = max(self.until_ns, min((each.start_ns for each in windows), default=0))
        points = []
        for cut_ns in self._cuts(windows, begin_ns, whole=whole):
            points.append(_mean(windows, begin_ns, cut_ns))
            begin_ns = cut_ns
        return points[: max(MOST_POINTS - self.count, 0)]

    def _cuts(self, windows: Iterable[Window], begin_ns: int, *, whole: bool) -> list[int]:
        last: dict[str, int] = {}
        for each in windows:
            last[each.process] = max(last.get(each.process, 0), each.end_ns)
        newest_ns = max(last.values(), default=0)
        told_ns = newest_ns if whole else min((end for end in last.values() if end > newest_ns - _SILENT_NS), default=0)
        cuts: list[int] = []
        for end_ns in sorted({each.end_ns for each in windows if each.end_ns <= told_ns}):
            if 10 * (end_ns - begin_ns) >= 9 * width_ns(begin_ns - self.origin_ns):  # windows are a little longer or shorter
                cuts.append(end_ns)
                begin_ns = end_ns
        if whole and newest_ns > begin_ns:
            if cuts and 2 * (newest_ns - begin_ns) < width_ns(begin_ns - self.origin_ns):
                cuts.pop()  # the last point takes what is left of the run
            cuts.append(newest_ns)
        return cuts

    def take(self, points: Collection[PowerPoint]) -> None:
        """Note that some points are in the store."""
        for point in points:
            self.until_ns = point.end_ns
        self.count += len(points)
        self.windows = [each for each in self.windows if each.end_ns > self.until_ns]


def _mean(windows: Iterable[Window], begin_ns: int, end_ns: int) -> PowerPoint:
    """Return the mean power of an interval, over the time that its windows cover."""
    inside, energy, gpu = [], 0.0, []
    for each in windows:
        start, end = max(each.start_ns, begin_ns), min(each.end_ns, end_ns)
        if start < end:
            part = (end - start) / (each.end_ns - each.start_ns)
            inside.append((start, end))
            energy += each.microjoules * part
            if each.gpu_microjoules is not None:
                gpu.append(each.gpu_microjoules * part)
    seconds = covered_seconds(inside)
    return PowerPoint(end_ns, energy / 1e6 / seconds, sum(gpu) / 1e6 / seconds if gpu else None)


def _no_runs(run_id: str) -> Collection[str]:
    return ()


class PowerSeries:
    """The power over time of all runs of a journal, in every store.

    Args:
        journal: The journal. ``notice`` is to be called with each entry that a delivery reads of it.
        tell: Receives the progress.
    """

    def __init__(self, journal: Journal, tell: Tell = tell_nobody) -> None:
        self._journal = journal
        self._tell = tell
        self._path = journal.home / "delivery" / _FILE
        self._oldest_ns = time.time_ns() - _OLDEST_NS
        self._read: dict[str, int] = {}  # by file, the end of the last entry that was noticed
        self._fresh: dict[str, dict[str, Series]] = {}  # by target and run; the runs above these are not asked for yet
        self._series: dict[str, dict[str, Series]] = {}  # by store and run
        self._saved = ""
        try:
            self._saved = self._path.read_text(encoding="utf-8")
            kept = json.loads(self._saved)
            self._read = {str(name): int(offset) for name, offset in kept["read"].items()}
            self._fresh, self._series = _series_in(kept["fresh"]), _series_in(kept["series"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._read, self._fresh, self._series = {}, {}, {}

    def notice(self, entry: Entry) -> None:
        """Take a window of a user's run from the journal, once."""
        record, figures = entry.stream.constants, entry.figures
        if not is_work_of_user(record) or entry.end_offset <= self._read.get(entry.file, 0):
            return
        self._read[entry.file] = entry.end_offset
        energy = [value for value in (figures.cpu, figures.gpu, figures.ram) if value is not None]
        start_ns, end_ns = figures.start_utc_ns, figures.end_utc_ns
        if not energy or start_ns >= end_ns or end_ns < self._oldest_ns:
            return
        window = Window(start_ns, end_ns, sum(energy), figures.gpu, process_of(entry.file))
        fresh = self._fresh.setdefault(entry.stream.target, {})
        fresh.setdefault(str(record.run_id), Series(window.start_ns)).add(window)

    def noticed(self, name: str) -> int:
        """Return the offset in bytes up to which a journal file's windows were noticed, or are too old for any series."""
        return self._read.get(name, 0) if name >= utc_day(self._oldest_ns) else sys.maxsize

    def write(
        self,
        store: MlflowStore,
        targets: Collection[str],
        beside: Callable[[str], Collection[str]] = _no_runs,
        *,
        final: bool,
        begin_until: float,
    ) -> str:
        """Write the points that can be made now to the runs of a store.

        Args:
            store: The store.
            targets: The target ids that go to it.
            beside: Gives the runs of the store that the work of a group is shown with.
            final: No measured process lives.
            begin_until: Time of the monotonic clock in seconds, after which no run is begun.

        Returns:
            Why not everything was written; empty where it was. The next call goes on.

        Raises:
            OSError: the home cannot be written.
        """
        series = self._series.setdefault(public_uri(store.uri), {})
        self._tell(STEP, "at the power over time")
        runs = _Runs(store)
        problem = ""
        try:
            with store.reaching():
                self._sort(runs, series, targets, beside, begin_until)
                self._send(runs, series, final=final, begin_until=begin_until)
        except EcoiaError as error:
            problem = f"power over time was not written: {error}"
        self._save()
        return problem

    def _sort(
        self,
        runs: _Runs,
        series: dict[str, Series],
        targets: Collection[str],
        beside: Callable[[str], Collection[str]],
        begin_until: float,
    ) -> None:
        """Add new windows to the series of their runs, and of the runs above these."""
        for target, fresh in self._fresh.items():
            for run_id in sorted(fresh):
                if time.monotonic() > begin_until:
                    return
                if run_id.startswith(semconv.GROUP_RUN):
                    roots = {chain[-1] for each in beside(run_id) if (chain := list(runs.with_those_above(each)))}
                    above = sorted(roots) if len(roots) == 1 else []
                    if not above:
                        continue  # no member has begun a run of this store yet
                elif target in targets:
                    above = list(runs.with_those_above(run_id))
                else:
                    continue
                for each in above:
                    known = series.setdefault(each, Series(fresh[run_id].origin_ns))
                    for window in fresh[run_id].windows:
                        known.add(window)
                del fresh[run_id]  # of a run that is not there, too

    def _send(self, runs: _Runs, series: dict[str, Series], *, final: bool, begin_until: float) -> None:
        batches: dict[str, list[PowerPoint]] = {}
        ended: set[str] = set()
        for run_id in sorted(run_id for run_id, each in series.items() if each.windows):
            if time.monotonic() > begin_until:
                break
            each, run = series[run_id], runs.get(run_id)
            if run is None:
                del series[run_id]
                continue
            if not each.sure:
                each.until_ns, each.count = runs.end_of_series(run_id)
                each.sure = True
            over = run.info.status not in _OPEN
            whole = over or final or not self._any_alive({window.process for window in each.windows})
            end_ms = run.info.end_time if over else None
            points = each.points(
                whole=whole, start_ns=run.info.start_time * 1_000_000, end_ns=None if end_ms is None else end_ms * 1_000_000
            )
            if len(points) == 1 and whole and not each.count and _PARENT in run.data.tags:
                points = []  # a trial of one window: a search has thousands, and one point shows no course
            if points:
                batches[run_id] = points
                each.sure = False  # until it is noted that they are written
            if whole and not points:
                del series[run_id]
            elif whole:
                ended.add(run_id)
        if batches:
            self._save()
        for run_id, points in batches.items():
            taken = runs.log(run_id, points)
            series[run_id].take(points)
            series[run_id].sure = True
            if run_id in ended or not taken:
                del series[run_id]  # if it is resumed, the store knows where it ended

    def _any_alive(self, processes: Collection[str]) -> bool:
        return any(self._journal.is_alive(name) for name in self._read if process_of(name) in processes)

    def _save(self) -> None:
        oldest_day = utc_day(self._oldest_ns)
        self._read = {name: offset for name, offset in self._read.items() if name >= oldest_day}
        for runs in self._fresh.values():  # of a store that is down, or of a target that goes nowhere
            for run_id in [run_id for run_id, each in runs.items() if each.windows[-1].end_ns < self._oldest_ns]:
                del runs[run_id]
        kept = {"read": self._read, "fresh": _to_json(self._fresh), "series": _to_json(self._series)}
        text = json.dumps(kept, separators=(",", ":")) + "\n"
        if text != self._saved:
            write_atomically(self._path, text)
            self._saved = text


def _to_json(series: Mapping[str, Mapping[str, Series]]) -> dict[str, dict[str, Any]]:
    return {place: {run_id: asdict(each) for run_id, each in runs.items()} for place, runs in series.items() if runs}


def _series_in(kept: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Series]]:
    return {
        str(place): {
            str(run_id): Series(
                int(each["origin_ns"]),
                int(each["until_ns"]),
                int(each["count"]),
                bool(each["sure"]),
                [Window(*window) for window in each["windows"]],
            )
            for run_id, each in runs.items()
        }
        for place, runs in kept.items()
    }


class _Runs:
    """The runs of a store, each fetched once."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._runs = MlflowRuns(store)
        self._fetched: dict[str, Any] = {}

    def get(self, run_id: str) -> Any:
        """Return a run; None if it is not there, was deleted, or this account may not read it."""
        if run_id not in self._fetched:
            try:
                run = self._runs.find(run_id)
            except RunRefusedError:
                run = None
            self._fetched[run_id] = run if run is not None and run.info.lifecycle_stage == "active" else None
        return self._fetched[run_id]

    def with_those_above(self, run_id: str) -> Iterator[str]:
        """Give a run and those above it, as far as they are there."""
        seen: set[str] = set()
        while run_id and run_id not in seen and (run := self.get(run_id)) is not None:
            seen.add(run_id)
            yield run_id
            run_id = run.data.tags.get(_PARENT, "")

    def end_of_series(self, run_id: str) -> tuple[int, int]:
        """Return where the series of a run ends, in nanoseconds, and how many points it has; 0 and 0 before the first."""
        history = self._store.client.get_metric_history(run_id, semconv.POWER.name)
        return max((point.timestamp * 1_000_000 + 999_999 for point in history), default=0), len(history)

    def log(self, run_id: str, points: Iterable[PowerPoint]) -> bool:
        """Write points to a run, in one call. Returns False if it was deleted meanwhile, or this account may not write to it."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        start_ms = self.get(run_id).info.start_time
        metrics = []
        for point in points:
            end_ms = point.end_ns // 1_000_000
            step = max((end_ms - start_ms) // 1000, 0)
            metrics.append(Metric(semconv.POWER.name, point.watts, end_ms, step))
            if point.gpu_watts is not None:
                metrics.append(Metric(semconv.GPU_POWER.name, point.gpu_watts, end_ms, step))
        try:
            for first in range(0, len(metrics), 500):  # a batch of MLflow holds 1000
                self._store.client.log_batch(run_id, metrics=metrics[first : first + 500], synchronous=True)
        except MlflowException as error:
            if error.error_code not in _NOT_TAKEN:
                raise
            return False
        return True

"""Reading the ledger: list its runs, fetch each day file, check it, and name what is in no figure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

from ecoia import limits, semconv
from ecoia.delivery.day_file import DayFile, decode_day
from ecoia.delivery.ledger_cache import LedgerCache
from ecoia.delivery.ledger_run import LedgerRun
from ecoia.delivery.mlflow_store import MlflowStore, local_path
from ecoia.errors import DeliveryError
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.keeping.destinations import public_text
from ecoia.periods import utc_day
from ecoia.records import Row

MOST_REFUSED_TOLD = 20
"""Refused lines of a day that are told with field and value; the others are counted."""

_LOOKS = 4
_WRITTEN_AT_ONCE = 64  # days that others may be writing just now; beyond it, they are gone or altered
_FETCHES_AT_ONCE = 4
_FAILURES_IN_A_ROW = 8


class _Read(NamedTuple):
    """What one look at a day gave: its content, or the reason why there is none."""

    content: DayFile | None
    reason: str = ""
    why: str = ""
    may_change: bool = False  # a writer may be at work just now


@dataclass(frozen=True)
class LedgerDays:
    """What some ledger runs hold.

    Attributes:
        days: The rows of each day that was read.
        gaps: What could not be read, sorted.
    """

    days: list[list[Row]]
    gaps: tuple[LedgerGap, ...]


Progress = Callable[[int, int], None]
"""Receives how many day files were read, and of how many."""


def show_nothing(_done: int, _of: int) -> None:
    """Show no progress."""


def read_days(
    store: MlflowStore, runs: Iterable[LedgerRun], cache: LedgerCache | None = None, progress: Progress = show_nothing
) -> LedgerDays:
    """Read the days that the ledger's runs hold. Each content is compared with the digest that its run names.

    Args:
        store: The store that has the runs.
        runs: Every run of the time in question, deleted ones too.
        cache: Which day files passed their checks before; those of stores that are far away are kept there, too.
        progress: Called while they are read.

    Raises:
        DeliveryError: the artifact store does not answer.
    """
    chosen, gaps = choose(runs)
    read = _Reader(store, cache, progress).read(chosen)
    days, more = _join(read)
    gaps += more
    return LedgerDays(days, tuple(sorted(gaps, key=lambda gap: (gap.day, gap.instance, gap.run_id))))


def choose(runs: Iterable[LedgerRun]) -> tuple[list[LedgerRun], list[LedgerGap]]:
    """Choose the runs to read: those that stand. Returns them, and a gap for each day that only deleted runs hold.

    Example:
        >>> choose([])
        ([], [])
    """
    known = list({run.run_id: run for run in runs if run.is_day}.values())
    standing = [run for run in known if not run.deleted and run.kind != semconv.RUN_KIND_SUPERSEDED]
    whole = [run for run in standing if not run.is_begun]
    taken = {source for run in whole if not run.is_newer for source in run.sources}
    chosen = [run for run in whole if not run.is_newer and not (run.month and run.run_id in taken)]
    gaps = [run.gap(day, "newer") for run in whole if run.is_newer for day in run.days]
    found = {(run.instance, day) for run in whole for day in run.days}
    lacking: dict[tuple[str, str], list[LedgerRun]] = {}
    for run in known:
        for day in run.days if run.run_id not in taken else ():
            if (run.instance, day) not in found:
                lacking.setdefault((run.instance, day), []).append(run)
    for (_, day), held in lacking.items():
        begun = any(run in standing for run in held)
        gaps.append(max(held, key=lambda run: run.worth(day) or 0).gap(day, "unfinished" if begun else "deleted"))
    return chosen, gaps


def _join(read: Sequence[tuple[LedgerRun, _Read]]) -> tuple[list[list[Row]], list[LedgerGap]]:
    """Join what was read. Returns the rows, and the gaps of what could not be read.

    A month's rows stand for the runs that it took over, and a day that was written after the month was put together stands in
    place of the month's rows of that day.
    """
    months = [run for run, found in read if run.month and found.content]
    taken = {source for month in months for source in month.sources}
    single = [run for run, found in read if found.content and not run.month and run.run_id not in taken]
    over = {(run.over, run.day) for run in single if run.over}
    rows, gaps = [], []
    for run, found in read:
        if run.run_id in taken:
            continue
        if found.content is None:
            instead = {day.day for day in single if day.run_id in run.sources or day.over == run.run_id}
            gaps += [run.gap(day, found.reason, found.why) for day in run.days if day not in instead]
            continue
        days_over = {day for month, day in over if month == run.run_id}
        rows.append([row for row in found.content.rows if not days_over or utc_day(row["half_hour_utc_ns"]) not in days_over])
        gaps += _gaps_within(run, found.content)
    return rows, gaps


def _gaps_within(run: LedgerRun, content: DayFile) -> list[LedgerGap]:
    """List what is missing within a day, or a month, that was read. Of a month the first day stands for all."""
    gap = LedgerGap(run.day or min(run.days), run.instance, "", run.run_id)
    gaps = []
    if run.short_microjoules:
        gaps.append(replace(gap, reason="partly-restored", microjoules=run.short_microjoules))
    if content.refused:
        told = tuple(f"line {number}: {problem}" for number, problem in content.refused[:MOST_REFUSED_TOLD])
        rest = None if run.microjoules is None else max(run.microjoules - energy_of(content.rows), 0)
        gaps.append(replace(gap, reason="refused-rows", microjoules=rest, lines=len(content.refused), why=told))
    return gaps


def energy_of(rows: Iterable[Row]) -> int:
    """Return the energy of some rows' components in microjoules, missing ones left out.

    Example:
        >>> energy_of([{"energy_microjoules": {"cpu": 2, "gpu": None, "ram": 1}}])
        3
    """
    return sum(part for row in rows for part in row["energy_microjoules"].values() if part is not None)


def read_day(store: MlflowStore, run: LedgerRun) -> DayFile:
    """Read and check the day file of one run, once.

    Raises:
        FileNotFoundError: it is not there.
        DeliveryError: it is none, or not the one that was delivered.
        Exception: an error of MLflow or of a storage client.
    """
    return _checked(run, store.read_artifact(run.run_id, run.artifact_uri, run.artifact, limits.DAY.text_bytes))


class _AlteredError(DeliveryError):
    """A day file is not the one that was delivered."""


def _checked(run: LedgerRun, data: bytes, passed: Collection[str] = ()) -> DayFile:
    content = decode_day(data, passed)
    if content.digest not in run.digests:
        raise _AlteredError("its SHA-256 is not the one of the tag 'ecoia.digest'")
    return content


class _Reader:
    """Reads days of one store: from the cache, else from the artifact store, again where a writer may be at work."""

    def __init__(self, store: MlflowStore, cache: LedgerCache | None, progress: Progress) -> None:
        self._store = store
        self._cache = cache
        self._progress = progress
        self._passed = cache.passed() if cache else set()
        self._done, self._of = 0, 0
        self._failures = 0  # in a row, of fetches that the artifact store did not answer

    def read(self, runs: Sequence[LedgerRun]) -> list[tuple[LedgerRun, _Read]]:
        """Read every run's day."""
        self._of = len(runs)
        near = [run for run in runs if local_path(run.artifact_uri) is not None]
        far = [run for run in runs if local_path(run.artifact_uri) is None]
        found = {run.run_id: (run, self._look(run)) for run in near}  # threads gain nothing on files of this machine
        if far:
            found |= self._read_far(far)
        for look in range(1, _LOOKS):
            again = [run for run, read in found.values() if read.may_change]
            if not 0 < len(again) <= _WRITTEN_AT_ONCE:
                break
            time.sleep(0.1 * 2**look)  # another process may be writing it just now
            for run in again:
                fresh = self._store.get_run(run.run_id)
                now = run if fresh is None else LedgerRun.of(fresh)
                found[run.run_id] = now, self._look(now)
        if self._cache:
            whole = {read.content.digest for _, read in found.values() if read.content and not read.content.refused}
            self._cache.note_passed(whole - self._passed)
        return list(found.values())

    def _read_far(self, runs: Sequence[LedgerRun]) -> dict[str, tuple[LedgerRun, _Read]]:
        kept = self._cache.find({digest for run in runs for digest in run.digests}) if self._cache else {}
        found: dict[str, tuple[LedgerRun, _Read]] = {}
        for run in runs:
            for digest in run.digests & kept.keys():
                read = _attempt(lambda run=run, data=kept[digest]: _checked(run, data, self._passed))  # type: ignore[misc]
                if read.content is not None:
                    found[run.run_id] = run, read
        fetched: dict[str, bytes] = {}
        missing = [run for run in runs if run.run_id not in found]
        with ThreadPoolExecutor(max_workers=_FETCHES_AT_ONCE) as pool:
            reads = pool.map(lambda run: self._look(run, fetched), missing)
            found.update((run.run_id, (run, read)) for run, read in zip(missing, reads, strict=True))
        if self._cache:
            self._cache.keep({read.content.digest for _, read in found.values() if read.content} - fetched.keys(), fetched)
        return {run.run_id: found[run.run_id] for run in runs}

    def _look(self, run: LedgerRun, fetched: dict[str, bytes] | None = None) -> _Read:
        """Fetch and check one day, once."""

        def fetch() -> DayFile:
            data = self._store.read_artifact(run.run_id, run.artifact_uri, run.artifact, limits.DAY.text_bytes)
            content = _checked(run, data, self._passed)
            if fetched is not None:
                fetched[content.digest] = data
            return content

        self._done += 1
        self._progress(min(self._done, self._of), self._of)
        read = _attempt(fetch)
        if read.content is None and not run.digests:
            return _Read(None, "unfinished", may_change=True)
        self._failures = 0 if read.content is not None or read.may_change else self._failures + 1
        if self._failures > _FAILURES_IN_A_ROW:
            raise DeliveryError(
                f"the artifacts of the ledger at '{run.artifact_uri}' cannot be read ({read.why}): check that the artifact "
                "store answers and that this machine may read it"
            )
        return read


def _attempt(read: Callable[[], DayFile]) -> _Read:
    try:
        return _Read(read())
    except FileNotFoundError:
        return _Read(None, "missing", may_change=True)
    except _AlteredError as error:
        return _Read(None, "altered", str(error), may_change=True)
    except DeliveryError as error:
        return _Read(None, "unreadable", str(error), may_change=True)
    except Exception as error:  # noqa: BLE001 - errors of MLflow, requests or a storage client
        return _Read(None, "unreadable", public_text(" ".join(str(error).split()))[:300] or type(error).__name__)

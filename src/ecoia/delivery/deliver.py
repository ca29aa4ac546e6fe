"""Delivery: from the journal to the ledger and the views, by hand (``deliver``) or by the helper (``follow``).

What makes it safe to repeat is the ledger's upsert: records are known by id, so delivering twice, being killed at any
point, or reading lines in another order changes no total. Cursors (``delivery/cursors.json``) only spare work and say
what was delivered; correctness never depends on them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ecoia import semconv
from ecoia.delivery.mlflow_store import MlflowStore, View, keep_telemetry_off
from ecoia.delivery.run_views import build_day_view, build_view
from ecoia.errors import DeliveryError, EcoiaError
from ecoia.factors import default_factors, in_use
from ecoia.impact.parameters import AssessmentParameters
from ecoia.keeping.destinations import public_uri, read_targets, sqlite_file, with_credentials, write_atomically
from ecoia.keeping.helper import ALL_TARGETS, CURSORS, HELPER_LOCK, read_cursors_of, try_lock
from ecoia.keeping.journal import Entry, Journal, Scan
from ecoia.methods import NOT_MEASURED
from ecoia.periods import utc_datetime, utc_day, utc_ns
from ecoia.records import Record, Row, fold, merge_rows, split_by_half_hour
from ecoia.settings import Settings

_DELIVERY_LOCK = "lock"
_ROOTS = "roots.json"
_LOCK_WAIT_SECONDS = 60.0
_BATCH = 5000
_ABANDONED = uuid.UUID("6f0f6a52-3c1e-5d0b-9a77-6b6f0a0d7c11")
_OWN_RUN = "ecoia-"
_RUN_STATUS = {"ok": "FINISHED", "failed": "FAILED", "abandoned": "KILLED"}


@dataclass(frozen=True)
class DeliveryResult:
    """What a delivery did.

    ``delivered`` records are in the ledger since this call, ``pending`` ones still in the journal only. ``conflicts``
    are refused ledger days (another journal home owns them), ``problems`` everything else that somebody should know.
    ``targets`` are the stores that were reached, without credentials.
    """

    delivered: int
    pending: int
    conflicts: tuple[str, ...]
    problems: tuple[str, ...]
    targets: tuple[str, ...]


def deliver(journal: Journal, settings: Settings, *, tracking_uri: str | None = None) -> DeliveryResult:
    """Send everything that the journal holds, now. A server that does not answer costs seconds, and nothing is lost.

    Args:
        journal: The journal.
        settings: Gives zone and PUE for the views.
        tracking_uri: Where records go that were measured with no tracking URI set; ``None``: ``MLFLOW_TRACKING_URI``,
            else MLflow's own default.

    Raises:
        MissingExtraError: MLflow is not installed.
        DeliveryError: another delivery of this home does not come to its end.
    """
    close_abandoned(journal)
    with _pass_lock(journal.home):
        book = _Book(journal)
        book.read(_sizes(journal))
        book.mark_all_dirty()
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        plan = _plan(journal, {key.target for key in book.dirty}, uri, by_hand=True)
        return _Sender(journal, settings, book).send(plan, final=not _alive(journal, journal.files()))


def follow(
    journal: Journal,
    settings: Settings,
    *,
    poll_seconds: float = 1.0,
    flush_seconds: float = 60.0,
    give_up_seconds: float = 300.0,
) -> bool:
    """The helper: drain the journal until nothing is left and no measured process lives.

    Records that were measured with no tracking URI stay for ``deliver``. While processes live, a run's view gets at
    most one step every ``flush_seconds``.

    Args:
        journal: The journal.
        settings: Gives zone and PUE for the views.
        poll_seconds: How often to look at the journal.
        flush_seconds: Shortest time between two deliveries while a measured process lives.
        give_up_seconds: How long to try a store that does not answer once no measured process lives; the records stay,
            and the next helper sends them.

    Returns:
        False: another helper serves this home.
    """
    keep_telemetry_off()
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    helper = _Helper(journal, settings, poll_seconds, flush_seconds, give_up_seconds)
    served = False
    # Whoever met our lock held has written its record before: after letting go of it we look once more.
    while not served or helper.has_news():
        with try_lock(journal.home, HELPER_LOCK) as free:
            if not free:
                return served
            served = True
            helper.run()
    return True


def delivered_offsets(journal: Journal) -> dict[str, int]:
    """File -> offset up to which every record was delivered, to whatever store each was meant for."""
    return {name: cursor.get(ALL_TARGETS, 0) for name, cursor in read_cursors_of(journal.home).items()}


def is_delivered(entry: Entry, cursors: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether an entry was delivered, by ``read_cursors``: exact also where the records around it go elsewhere."""
    return entry.end_offset <= cursors.get(entry.file, {}).get(entry.record.target or "", 0)


def read_cursors(journal: Journal) -> dict[str, dict[str, int]]:
    """File -> target id ("" for none) -> offset up to which that target's records were delivered."""
    return read_cursors_of(journal.home)


def close_abandoned(journal: Journal) -> int:
    """Write the outcome ``abandoned`` for runs whose process died without one. Doing it again writes nothing.

    A killed process leaves its spans and no outcome. Whoever reads the journal next says so in it, with an id that
    follows from the run, so that several readers say one thing.

    Returns:
        How many outcomes were written.
    """
    known, found = _open_runs(journal, None)
    dead = {process for process in {key[0] for key in found} if not _alive(journal, _files_of(journal, process))}
    if not dead:
        return 0
    # A process may have ended well between the reading and the look at its lock: read again what the dead left. And it
    # may have been between two days' files at that moment: look again as well.
    names = [name for process in dead for name in _files_of(journal, process)]
    _, found = _open_runs(journal, names)
    outcomes = []
    for (process, run_id, service, phase), last in sorted(found.items()):
        record_id = str(uuid.uuid5(_ABANDONED, "/".join((journal.home_id, process, run_id, service, phase))))
        if record_id in known or _alive(journal, _files_of(journal, process)):
            continue
        outcomes.append(
            Record(
                record_id=record_id,
                kind=semconv.KIND_OUTCOME,
                service=service,
                phase=phase,
                instance=last.instance,
                pid=last.pid,
                start_utc_ns=last.end_utc_ns,
                end_utc_ns=last.end_utc_ns,
                energy_microjoules=dict.fromkeys(semconv.COMPONENTS),
                method=dict.fromkeys(semconv.COMPONENTS, NOT_MEASURED),
                run_id=run_id,
                scope=last.scope,
                zone=last.zone,
                outcome="abandoned",
                simulated=last.simulated,
                target=last.target,
            )
        )
    if outcomes:
        writer = journal.writer()
        try:
            writer.append(outcomes)
        finally:
            writer.close()
    return len(outcomes)


def _process_of(name: str) -> str:
    """A process writes one file a day, always of the same name."""
    return name.rpartition("/")[2]


def _files_of(journal: Journal, process: str) -> list[str]:
    return [name for name in journal.files() if _process_of(name) == process]


def _alive(journal: Journal, names: Iterable[str]) -> bool:
    return any(journal.is_alive(name) for name in names)


_RunKey = tuple[str, str, str, str]  # process, run, service, phase


def _open_runs(journal: Journal, names: list[str] | None) -> tuple[set[str], dict[_RunKey, Record]]:
    """Ids of the outcomes, and the last record of each run that its own process left without one; of some files or all."""
    outcomes: set[str] = set()
    closed: set[_RunKey] = set()
    last: dict[_RunKey, Record] = {}
    for entry in journal.stream(Scan(), names=names):
        record = entry.record
        if record.run_id is None or record.service is None or record.phase is None or record.phase == "inference":
            continue
        key = (_process_of(entry.file), record.run_id, record.service, record.phase)
        if record.kind == semconv.KIND_OUTCOME:
            outcomes.add(record.record_id)
            closed.add(key)
        elif record.kind == semconv.KIND_SPAN and (key not in last or record.end_utc_ns >= last[key].end_utc_ns):
            last[key] = record
    return outcomes, {key: record for key, record in last.items() if key not in closed}


@contextlib.contextmanager
def _pass_lock(home: Path) -> Iterator[None]:
    """One delivery of a home at a time, which makes one writer a ledger day."""
    until = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        with try_lock(home, _DELIVERY_LOCK) as free:
            if free:
                yield
                return
        if time.monotonic() > until:
            raise DeliveryError(f"another delivery of '{home}' has not ended for {_LOCK_WAIT_SECONDS:.0f} s: try again later")
        time.sleep(0.1)


def _sizes(journal: Journal, *, last_days: int | None = None) -> dict[str, int]:
    """Size of each journal file; of those of the last few days only when asked so."""
    sizes = {}
    with contextlib.suppress(FileNotFoundError):
        days = sorted(entry.name for entry in os.scandir(journal.folder) if entry.is_dir())
        for day in days if last_days is None else days[-last_days:]:
            with contextlib.suppress(FileNotFoundError):  # archived meanwhile
                for entry in sorted(os.scandir(journal.folder / day), key=lambda entry: entry.name):
                    if entry.name.endswith(".jsonl"):
                        sizes[f"{day}/{entry.name}"] = entry.stat().st_size
    return sizes


class _Mark(NamedTuple):
    """An entry that is not delivered yet: where it stands, and the ledger days that hold it."""

    file: str
    start_offset: int  # end of the entry before it
    target: str
    days: frozenset[tuple[str, str]]  # (instance, day)


class _DayKey(NamedTuple):
    target: str
    instance: str
    day: str


class _Book:
    """The journal folded into ledger rows, read on as it grows: memory holds rows, not records."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.cursors = read_cursors_of(journal.home)
        self._replaced: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        self.counts = Scan()
        self.days: dict[_DayKey, list[Row]] = {}
        self.dirty: set[_DayKey] = set()
        self.marks: list[_Mark] = []
        self.ends: dict[str, dict[str, int]] = {}
        self._offsets: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._seen: set[str] = set()

    def grown(self, sizes: Mapping[str, int]) -> list[str]:
        """Of these files, those that are not as they were read."""
        return [name for name, size in sizes.items() if size != self._sizes.get(name, 0)]

    def read(self, sizes: Mapping[str, int]) -> bool:
        """Read what these files have gained. Says whether there was anything."""
        names = self.grown(sizes)
        if not names:
            return False
        entries = self.journal.stream(self.counts, self._offsets, names=names)
        while batch := list(islice(entries, _BATCH)):
            replaced = {entry.record.replaces for entry in batch if entry.record.replaces} - self._replaced
            self._replaced |= replaced
            if replaced & self._seen:
                self._forget()  # a correction of what is folded already: sums cannot be undone, so fold again
                return self.read(_sizes(self.journal))
            self._add(batch)
        self._sizes.update({name: sizes[name] for name in names})
        return True

    def _add(self, batch: list[Entry]) -> None:
        fresh: dict[str, list[Record]] = {}
        for entry in batch:
            record, target = entry.record, entry.record.target or ""
            days = frozenset((record.instance, utc_day(part.start_utc_ns)) for part in split_by_half_hour(record))
            start = self._offsets.get(entry.file, 0)
            self._offsets[entry.file] = entry.end_offset
            self.ends.setdefault(entry.file, {})[target] = entry.end_offset
            if not is_delivered(entry, self.cursors):
                self.marks.append(_Mark(entry.file, start, target, days))
                self.dirty.update(_DayKey(target, *day) for day in days)
            if record.record_id in self._replaced:
                self.dirty.update(_DayKey(target, *day) for day in days)
            elif record.record_id not in self._seen:
                fresh.setdefault(target, []).append(record)
            self._seen.add(record.record_id)
        for target, records in fresh.items():
            added: dict[_DayKey, list[Row]] = {}
            for row in fold(records):
                added.setdefault(_DayKey(target, row["instance"], utc_day(row["half_hour_utc_ns"])), []).append(row)
            for key, rows in added.items():
                self.days[key] = merge_rows([*self.days[key], *rows]) if key in self.days else rows

    def mark_all_dirty(self) -> None:
        """Have every day looked at, delivered before or not."""
        self.dirty.update(self.days)

    def records_of(self, targets: set[str], instance: str) -> list[Record]:
        """The journal's records for some targets and an instance, read again."""
        entries = self.journal.stream(Scan())
        return [e.record for e in entries if (e.record.target or "") in targets and e.record.instance == instance]

    def settle(self, targets: set[str], refused: set[tuple[str, str]]) -> int:
        """Note what was delivered to these targets, all but the refused days, and keep it. Returns how many records."""
        left = [mark for mark in self.marks if mark.target not in targets or mark.days & refused]
        delivered = len(self.marks) - len(left)
        self.marks = left
        open_from: dict[tuple[str, str], int] = {}
        for mark in left:
            open_from.setdefault((mark.file, mark.target), mark.start_offset)
        for name, ends in self.ends.items():
            cursor = {target: open_from.get((name, target), end) for target, end in ends.items()}
            blocked = [open_from[name, target] for target in ends if (name, target) in open_from]
            cursor[ALL_TARGETS] = min(blocked, default=max(ends.values()))
            self.cursors[name] = cursor
        write_atomically(
            self.journal.home / "delivery" / CURSORS,
            json.dumps({"schema": semconv.SCHEMA_VERSION, "files": self.cursors}, separators=(",", ":")) + "\n",
        )
        return delivered


@dataclass
class _Plan:
    """Which target ids go to which store (``None``: MLflow's default), and why some go nowhere."""

    stores: dict[str | None, set[str]] = field(default_factory=dict)
    nowhere: dict[str, str] = field(default_factory=dict)


def _plan(journal: Journal, targets: Iterable[str], default: str | None, *, by_hand: bool) -> _Plan:
    """Where each target id goes. Records without one go to the default by hand, and wait otherwise."""
    plan = _Plan()
    known = read_targets(journal.home)
    for target in sorted(targets):
        uri = with_credentials(known[target]) if target in known else None
        if uri is not None and uri.startswith("sqlite") and sqlite_file(uri) is None:
            plan.nowhere[target] = "a SQLite database in memory lives in the program only: set MLFLOW_TRACKING_URI"
        elif uri is not None:
            plan.stores.setdefault(uri, set()).add(target)
        elif by_hand:
            plan.stores.setdefault(default, set()).add(target)
        else:
            plan.nowhere[target] = "measured with no tracking URI: 'ecoia deliver' sends them"
    return plan


def _knowledge(settings: Settings, folder: str | None) -> AssessmentParameters:
    """That of the report, so that a run's page and the report agree; with no catalogue, the settings are all there is."""
    timezone = ZoneInfo(settings.timezone)
    if folder is None:
        return AssessmentParameters(default_factors(timezone), settings.zone, settings.pue, timezone)
    from ecoia import catalogue  # costs pydantic, which the helper does without otherwise

    said = catalogue.load(folder)
    factors = in_use(said.factors, folder, timezone)
    return AssessmentParameters(
        factors, settings.zone, settings.pue, timezone, said.calibrations, said.sites, said.contracts, said.gsd
    )


class _Sender:
    """Sends what a book holds. Lives as long as the helper: views whose writing failed are tried again."""

    def __init__(self, journal: Journal, settings: Settings, book: _Book) -> None:
        self._journal = journal
        self._settings = settings
        self._book = book
        self._stores: dict[str | None, MlflowStore] = {}
        self._roots = _Roots(journal.home / "delivery" / _ROOTS)
        self._known: AssessmentParameters | None = None
        self._untold: list[str] = []
        self._changed: dict[str | None, set[_ViewKey]] = {}
        self._refused: set[tuple[str, str]] = set()  # (instance, day) that another home owns
        self._unfinished: dict[str | None, set[_ViewKey]] = {}  # shown, but their end is still to come
        self.failed = False
        """Whether a store did not answer in the last sending."""
        self.waiting = False
        """Whether a store waits for the end of measured processes."""

    def has_views_to_finish(self) -> bool:
        """Whether the end of measured processes leaves views to complete."""
        return any(self._changed.values()) or any(self._unfinished.values())

    def send(self, plan: _Plan, *, final: bool) -> DeliveryResult:
        """Deliver every dirty day of the plan's stores, then the views that changed.

        Args:
            plan: Where to.
            final: No measured process lives: views are completed, a missing SQLite database is made.
        """
        self.failed = self.waiting = False
        conflicts: list[str] = []
        problems = [f"{reason} (target {target or 'none'})" for target, reason in plan.nowhere.items()]
        reached: list[str] = []
        delivered = 0
        for uri, targets in plan.stores.items():
            if not any(key.target in targets for key in self._book.dirty) and not (final and self.has_views_to_finish()):
                continue
            try:
                store = self._stores.get(uri) or self._stores.setdefault(uri, MlflowStore(uri))
                if not final and not store.is_ready():
                    self.waiting = True
                    problems.append(
                        f"{public_uri(store.uri)}: its schema is not there yet, and is not made while a measured process lives"
                    )
                    continue
                store.prepare()
                refused = self._send_ledger(store, uri, targets)
                conflicts += [str(error) for error in refused.values()]
                problems += self._send_views(store, uri, targets, final=final)
                problems += self._untold
                self._untold = []
                delivered += self._book.settle(targets, set(refused))
                reached.append(public_uri(store.uri))
            except DeliveryError as error:
                self.failed = True
                problems.append(str(error))
        counts = self._book.counts
        for number, what in (
            (counts.corrupt, "corrupt"),
            (counts.newer, "of a newer schema: upgrade ecoia"),
            (counts.torn, "torn"),
        ):
            if number:
                problems.append(f"{number} journal line(s) not read: {what}")
        return DeliveryResult(delivered, len(self._book.marks), tuple(conflicts), tuple(problems), tuple(reached))

    def _send_ledger(self, store: MlflowStore, uri: str | None, targets: set[str]) -> dict[tuple[str, str], EcoiaError]:
        book = self._book
        refused: dict[tuple[str, str], EcoiaError] = {}
        dirty = {key for key in book.dirty if key.target in targets}
        for instance in sorted({key.instance for key in dirty}):
            days = {
                day: merge_rows(row for t in targets for row in book.days.get(_DayKey(t, instance, day), []))
                for day in {key.day for key in dirty if key.instance == instance}
            }

            def records(instance: str = instance) -> list[Record]:
                return book.records_of(targets, instance)

            for day, error in store.upsert_days(instance, self._journal.home_id, days, records).items():
                refused[instance, day] = error
        rows = (row for key in dirty for row in book.days.get(key, []))
        self._changed.setdefault(uri, set()).update(key for row in rows if (key := _view_key(row)) is not None)
        book.dirty -= dirty
        self._refused = (self._refused - {(key.instance, key.day) for key in dirty}) | refused.keys()
        return refused

    def _send_views(self, store: MlflowStore, uri: str | None, targets: set[str], *, final: bool) -> list[str]:
        """Write the views that changed. They are for people: a run that refuses costs no record, so it is told and left."""
        problems: list[str] = []
        by_key: dict[_ViewKey, list[Row]] = {}
        for day, rows in self._book.days.items():
            if day.target in targets and (day.instance, day.day) not in self._refused:  # no view of what the ledger refuses
                for row in rows:
                    view_key = _view_key(row)
                    if view_key is not None:
                        by_key.setdefault(view_key, []).append(row)
        changed, unfinished = self._changed.setdefault(uri, set()), self._unfinished.setdefault(uri, set())
        today = utc_day(time.time_ns())
        due = changed | {key for key in unfinished if final or (key.day and key.day < today)}
        due &= by_key.keys()
        shown: set[_ViewKey] = set()
        roots = {key.run_id: self._roots.of(store, key.run_id) for key in by_key if key.run_id} if due else {}
        for key in sorted(due):
            if key in shown:
                continue
            root = roots.get(key.run_id)
            together = {key} if root is None else {k for k in by_key if k.run_id and roots[k.run_id] == root}
            rows = [row for k in sorted(together) for row in by_key[k]]
            try:
                if root is not None:
                    problems += self._show_on_user_run(store, root, rows, {k.run_id for k in together & due}, final=final)
                elif key.run_id:
                    self._show_on_own_runs(store, key.run_id, rows, final=final)
                else:
                    self._show_day(store, key, rows, final=final or key.day < today)
            except EcoiaError as error:
                self.failed |= isinstance(error, DeliveryError)
                problems.append(f"the view of {key.run_id or key.service} was not written: {error}")
            else:
                shown |= together
        changed -= shown
        unfinished |= shown
        unfinished -= {key for key in shown if final or (key.day and key.day < today)}
        return problems

    def _knowledge(self) -> AssessmentParameters:
        """Read once. A catalogue that is wrong costs no view: it is told, and the settings have to do."""
        if self._known is None:
            try:
                self._known = _knowledge(self._settings, self._settings.catalogue)
            except (EcoiaError, OSError) as error:
                self._known = _knowledge(self._settings, None)  # a zone without a factor is refused here again
                self._untold.append(f"runs show CO2e by the settings and the default emission factors alone: {error}")
        return self._known

    def _view(self, rows: list[Row], outcomes: Iterable[str], **options: Any) -> View | None:
        spans = [row for row in rows if row["kind"] == semconv.KIND_SPAN]
        return build_view(spans, outcomes, known=self._knowledge(), **options) if spans else None

    def _show_on_user_run(self, store: MlflowStore, root: str, rows: list[Row], changed: set[str], *, final: bool) -> list[str]:
        ended = {row["run_id"] for row in rows if row["outcome"]}
        # How a run ended is its own affair: of a search's hundred children some may well have failed.
        outcomes = [row["outcome"] for row in rows if row["outcome"] and (root not in ended or row["run_id"] == root)]
        view = self._view(rows, outcomes, artifacts=final)
        if view is None:
            return []
        if not store.write_view(root, view):
            return [f"run {root} was deleted: its figures are in the ledger only"]
        for run_id in sorted(changed - {root}):
            store.mark_share(run_id, root)
        return []

    def _show_on_own_runs(self, store: MlflowStore, run_id: str, rows: list[Row], *, final: bool) -> None:
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row["service"], row["phase"]), []).append(row)
        for (service, phase), group in sorted(groups.items()):
            ended = [row["outcome"] for row in group if row["outcome"]]
            worst = next((outcome for outcome in reversed(semconv.OUTCOMES) if outcome in ended), None)
            status = _RUN_STATUS[worst] if worst else "FINISHED" if final else None
            view = self._view(group, ended, artifacts=final, status=status)
            if view is not None:
                identity = {semconv.TAG_RUN: run_id, semconv.TAG_SERVICE: service, semconv.TAG_PHASE: phase}
                start_ns = min(row["start_utc_ns"] for row in group)
                own = store.own_run(service, f"{phase} {utc_day(start_ns)}", start_ns, identity)
                store.write_view(own, view)

    def _show_day(self, store: MlflowStore, key: _ViewKey, rows: list[Row], *, final: bool) -> None:
        start_ns = min(row["start_utc_ns"] for row in rows)
        start_ns = utc_ns(utc_datetime(start_ns).replace(hour=0, minute=0, second=0, microsecond=0))
        view = build_day_view(
            rows,
            known=self._knowledge(),
            day_start_ns=start_ns,
            until_ns=None if final else time.time_ns(),
        )
        identity = {
            semconv.TAG_SERVICE: key.service,
            semconv.TAG_PHASE: "inference",
            semconv.TAG_INSTANCE: key.instance,
            semconv.TAG_DAY: key.day,
        }
        store.write_view(store.own_run(key.service, f"inference {key.instance} {key.day}", start_ns, identity), view)


class _ViewKey(NamedTuple):
    """What one view is about: a run, or the inference of a service's instance over a UTC day, its waiting included."""

    run_id: str
    service: str = ""
    instance: str = ""
    day: str = ""


def _view_key(row: Row) -> _ViewKey | None:
    if not row["service"] or row["declared_source"]:
        return None  # nobody watched what is declared, and a declared quarter would be a run for each of its days
    of_inference = row["kind"] == semconv.KIND_SPAN and row["phase"] == "inference"
    if of_inference or row["kind"] == semconv.KIND_IDLE:
        return _ViewKey("", row["service"], row["instance"], utc_day(row["half_hour_utc_ns"]))
    of_run = row["kind"] in (semconv.KIND_SPAN, semconv.KIND_OUTCOME) and row["phase"] and row["phase"] != "inference"
    return _ViewKey(row["run_id"]) if of_run and row["run_id"] else None


class _Roots:
    """The root run of each run, kept on disk: a parent never changes, and a journal knows many old runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def of(self, store: MlflowStore, run_id: str) -> str | None:
        """The root of a run in a store; ``None``: a session of ecoia's own, or a run that the store does not have."""
        if run_id.startswith(_OWN_RUN):
            return None
        known = self._known.setdefault(public_uri(store.uri), {})
        if run_id not in known:
            root = store.root_run(run_id)
            if root is None:
                return None
            known[run_id] = root
            write_atomically(self._path, json.dumps(self._known, separators=(",", ":")) + "\n")
        return known[run_id]


class _Helper:
    """The loop of ``follow``."""

    def __init__(
        self, journal: Journal, settings: Settings, poll_seconds: float, flush_seconds: float, give_up_seconds: float
    ) -> None:
        self._journal = journal
        self._poll_seconds = poll_seconds
        self._flush_seconds = flush_seconds
        self._give_up_seconds = give_up_seconds
        self._book = _Book(journal)
        self._sender = _Sender(journal, settings, self._book)
        self._live: set[str] = set()
        self._dead: dict[str, int] = {}  # with the size at which it was seen dead

    def has_news(self) -> bool:
        """Whether the journal has grown since it was read, or a measured process lives."""
        sizes = _sizes(self._journal)
        return bool(self._book.grown(sizes)) or self._some_alive(sizes)

    def run(self) -> None:
        """Until nothing is left that can be sent and no measured process lives."""
        next_send = next_full_look = 0.0
        failures = 0
        down_since: float | None = None
        unchecked = True  # the dead may have left runs without an outcome
        while True:
            now = time.monotonic()
            sizes = self._look(whole=now >= next_full_look)
            if now >= next_full_look:
                next_full_look = now + self._flush_seconds
            grown = self._book.read(sizes)
            alive = self._some_alive(sizes)
            unchecked |= grown or alive
            if not alive:
                sizes = self._look(whole=True)
                if unchecked:
                    close_abandoned(self._journal)
                    sizes = self._look(whole=True)
                    unchecked = False
                self._book.read(sizes)
                alive = self._some_alive(sizes)
            due = self._due(final=not alive)
            if due and (now >= next_send or (not alive and not failures)):
                failures = self._send(final=not alive, failures=failures)
                next_send = time.monotonic() + (min(2.0**failures, 300.0) if failures else self._flush_seconds)
                if self._sender.waiting:
                    next_send = min(next_send, time.monotonic() + 5)
                due = self._due(final=not alive)
            if alive:
                down_since = None
            elif not due:
                return
            elif failures:
                down_since = now if down_since is None else down_since
                if now - down_since >= self._give_up_seconds:
                    return
            time.sleep(self._poll_seconds)

    def _send(self, *, final: bool, failures: int) -> int:
        with _pass_lock(self._journal.home):
            result = self._sender.send(self._plan(), final=final)
        for problem in (*result.conflicts, *result.problems):
            print(f"{utc_datetime(time.time_ns()):%Y-%m-%dT%H:%M:%SZ} {problem}", flush=True)
        return failures + 1 if self._sender.failed else 0

    def _plan(self) -> _Plan:
        return _plan(self._journal, {key.target for key in self._book.days}, None, by_hand=False)

    def _due(self, *, final: bool) -> bool:
        sendable = {target for targets in self._plan().stores.values() for target in targets}
        return any(key.target in sendable for key in self._book.dirty) or (final and self._sender.has_views_to_finish())

    def _look(self, *, whole: bool) -> dict[str, int]:
        """Size of the journal's files. A whole look costs a year's files; in between, the last days and the living do."""
        sizes = _sizes(self._journal, last_days=None if whole else 2)
        for name in self._live - sizes.keys():
            with contextlib.suppress(FileNotFoundError):
                sizes[name] = (self._journal.folder / name).stat().st_size
        return sizes

    def _some_alive(self, sizes: Mapping[str, int]) -> bool:
        """Whether a measured process lives. A file whose process died stays so unless it grows."""
        for name, size in sizes.items():
            if self._dead.get(name) == size:
                continue
            if self._journal.is_alive(name):
                self._live.add(name)
                self._dead.pop(name, None)
            else:
                self._live.discard(name)
                self._dead[name] = size
        return bool(self._live)

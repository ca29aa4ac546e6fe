"""The ledger in an MLflow store: one run an instance and UTC day, with the day file as its artifact."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ecoia import semconv
from ecoia.delivery.day_file import DayFile, digest, encode_day, merge_day, union
from ecoia.delivery.ledger_cache import LedgerCache
from ecoia.delivery.ledger_list import LedgerList
from ecoia.delivery.ledger_month_files import MonthFiles, month_start
from ecoia.delivery.ledger_reader import Progress, energy_of, read_day, read_days, show_nothing
from ecoia.delivery.ledger_run import LedgerRun, start_ms
from ecoia.delivery.mlflow_store import MlflowStore, at_step
from ecoia.delivery.notes import LEDGER_NOTE, ledger_day_note
from ecoia.delivery.tags_and_metrics import (
    digest_tag,
    ledger_content_tags,
    ledger_day_tags,
    ledger_experiment_tags,
    ledger_metrics,
    next_digest_tag,
    note_tags,
    over_tag,
    schema_tag,
    short_tag,
    superseded_tags,
)
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.errors import DeliveryError, InstanceConflictError
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.keeping.destinations import public_text, public_uri
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import Record, Row
from ecoia.records.id_sets import NO_IDS, RecordIds
from ecoia.semconv import is_slug
from ecoia.units import kwh


class MlflowLedger:
    """The ledger in an MLflow store.

    Args:
        store: The store.
        cache: Where day files that were fetched from far away are kept; ``None``: nowhere.
        verified: Which closed days were read back after their delivery; ``None``: what was delivered is not read back.
        by_sql: Have SQL list the runs where the store is a database whose schema was tested (``ledger_sql``).
        progress: Called while the ledger is read.

    Attributes:
        gaps: What the last reading could not put into its rows.
        problems: What ``upsert_days`` found that somebody should read.

    Example::

        MlflowLedger(MlflowStore(None)).read_rows(0, time.time_ns())
    """

    def __init__(
        self,
        store: MlflowStore,
        cache: LedgerCache | None = None,
        verified: VerifiedDays | None = None,
        *,
        by_sql: bool = True,
        progress: Progress = show_nothing,
    ) -> None:
        self._store = store
        self._cache = cache
        self._verified = verified
        self._runs = LedgerList(store, by_sql=by_sql)
        self._progress = progress
        self.gaps: tuple[LedgerGap, ...] = ()
        self.problems: list[str] = []
        self._months = MonthFiles(store, verified, self.problems)
        self._described = False
        self._ahead: dict[str, set[str]] = {}
        self._known: dict[str, dict[str, list[LedgerRun]]] = {}

    @property
    def remark(self) -> str:
        """Why MLflow's API listed the runs of a database last; empty where nothing is to be said."""
        return self._runs.remark

    def read_rows(self, start_utc_ns: int, end_utc_ns: int) -> list[Row]:
        """Read the rows whose half-hour starts in ``[start_utc_ns, end_utc_ns)``, of every instance.

        Each record of an instance is in one row. Every row was checked, and comes from a day file with the digest that its run
        names; ``gaps`` lists what could not be read. Reading creates nothing in the store: without a database or a ledger there
        are no rows.

        Raises:
            DeliveryError: the store or its artifact store cannot be reached.
        """
        self.gaps = ()
        if end_utc_ns <= start_utc_ns or not self._store.is_there():
            return []
        with self._store.reaching():
            first_day = utc_day(start_utc_ns)
            runs = self._runs.all(start_ms(month_start(first_day)), start_ms(utc_day(end_utc_ns - 1)))
            runs = [run for run in runs if not run.day[:1].isdecimal() or run.day >= first_day]
            found = read_days(self._store, runs, self._cache, self._progress)
        self.gaps = found.gaps
        return [row for row in union(found.days) if start_utc_ns <= row["half_hour_utc_ns"] < end_utc_ns]

    def mark(self) -> str:
        """Return a text that changes whenever the ledger does: what its runs say of their days, which are not read.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        if not self._store.is_there():
            return ""
        with self._store.reaching():
            runs = self._runs.all()
        said = sorted((run.run_id, run.deleted, run.kind, sorted(run.digests), run.short_microjoules) for run in runs)
        return hashlib.sha256(repr(said).encode()).hexdigest()

    def upsert_days(
        self,
        instance: str,
        home_id: str,
        days: Mapping[str, Sequence[Row]],
        records: Callable[[], Iterable[Record]],
        *,
        place: str = "",
        replaced: Collection[str] = (),
        elsewhere: RecordIds = NO_IDS,
    ) -> dict[str, InstanceConflictError]:
        """Update ledger days to match what a journal holds. Repeating it, also after a kill at any point, changes nothing.

        Args:
            instance: The instance whose days they are.
            home_id: The journal home that delivers. One home owns an instance's day.
            days: By UTC day, all rows that the journal has of it.
            records: Gives the journal's records for this store; called only if the ledger holds more of a day than the journal.
            place: Where the rows were recorded (``ecoia.keeping.place``). Each place has runs of its own: copies of one home, as
                in containers of one image, deliver at once, and neither can see what the other does.
            replaced: Ids of all records that the journal corrects, in whatever place.
            elsewhere: Ids of the journal's records of these days that were recorded in other places. An ecoia without places
                wrote them into the run that has none.

        Returns:
            By day, the error of each day that another home owns. Nothing of these days was changed.

        Raises:
            DeliveryError: the store cannot be reached or refuses.
        """
        if not is_slug(instance):
            raise DeliveryError(f"instance '{instance}' cannot name a ledger run: use [a-z0-9._-] (setting 'instance')")
        conflicts: dict[str, InstanceConflictError] = {}
        with self._store.reaching():
            experiment = self._make_experiment()
            runs_by_day = self._runs_by_day(instance, days)
            for day, rows in sorted(days.items()):
                runs = runs_by_day.pop(day)
                # If two homes made the day at once there are two runs. Both stay, and the home of the first run keeps the day.
                owner = runs[0].tags.get(semconv.TAG_HOME) if runs else home_id
                if owner != home_id:
                    conflicts[day] = _conflict(instance, day, owner, home_id)
                    continue
                whose = (home_id, place)
                own = [run for run in runs if (run.tags.get(semconv.TAG_HOME), run.tags.get(semconv.TAG_PLACE, "")) == whose]
                if any(run.is_newer and run.digest != digest(rows) for run in own):
                    raise DeliveryError(f"ledger day {day} of '{instance}' was written by a newer ecoia: upgrade ecoia here")
                self._upsert_day(
                    experiment, ledger_day_tags(instance, day, home_id, place), rows, own, records, replaced, elsewhere
                )
        return conflicts

    def look_ahead(self, days: Iterable[tuple[str, str]]) -> None:
        """Say which instances and days will be updated, so that each instance's runs are listed once for all of them."""
        self._ahead = {}
        for instance, day in days:
            self._ahead.setdefault(instance, set()).add(day)

    def _make_experiment(self) -> str:
        tags = ledger_experiment_tags()
        experiment = self._store.make_experiment(semconv.LEDGER_EXPERIMENT, {**tags, **note_tags(LEDGER_NOTE)})
        if not self._described:
            self._described = True
            self._store.describe_experiment(experiment, tags, LEDGER_NOTE)
        return experiment

    def _runs_by_day(self, instance: str, days: Collection[str]) -> dict[str, list[LedgerRun]]:
        """Return an instance's ledger runs by day, each day's in order; of some days at least. What is updated is taken out."""
        known = self._known.setdefault(instance, {})
        if not known.keys() >= set(days):
            wanted = {*days, *self._ahead.pop(instance, ())}
            found: dict[str, list[LedgerRun]] = {day: [] for day in wanted}
            first_ms, last_ms = start_ms(month_start(min(wanted))), start_ms(max(wanted))
            runs = self._runs.of_instance(instance, first_ms, last_ms)
            taken = {source for run in runs if not run.is_begun for source in run.sources}
            for run in runs:
                if not run.is_begun and run.run_id not in taken:
                    for day in run.days:
                        found.get(day, []).append(run)
            known.update(found)
        return known

    def _upsert_day(
        self,
        experiment: str,
        tags: Mapping[str, str],
        rows: Sequence[Row],
        runs: Sequence[LedgerRun],
        records: Callable[[], Iterable[Record]],
        replaced: Collection[str],
        elsewhere: RecordIds,
    ) -> None:
        """Update one day to match what the journal holds, in the first of its runs; mark the others as superseded."""
        day = tags[semconv.TAG_DAY]
        month = next((run for run in runs if run.month), None)
        runs = [run for run in runs if not run.month]
        if month:
            tags = {**tags, **over_tag(month.run_id)}
            if not runs and month.days[day] == digest(rows) and self._months.reads_back(month):
                return
        if len(runs) == 1 and self._says(runs[0], tags, rows) and self._reads_back(runs[0]):
            return
        held = [(run, self._trusted(run)) for run in runs]
        if month and not any(run.over == month.run_id for run in runs):
            held.append((month, self._months.day_of(month, day)))
        merged = merge_day(union(each.rows for _, each in held if each), rows, records, replaced, elsewhere)
        content = digest(merged)
        is_held = len(held) == 1 and all(each and each.digest == content for _, each in held)
        if is_held and (not runs or self._says(runs[0], tags, merged)):
            return  # the ledger holds more than the journal
        tags = {**tags, **self._short(tags, held, merged)}
        if runs:
            run = runs[0]  # every later delivery finds the same one first
            present = held[0][1]
            announced = {**schema_tag(merged), **next_digest_tag(content), **(digest_tag(present.digest) if present else {})}
            self._store.log(run.run_id, [], announced)
        else:
            run = self._create(experiment, {**tags, **ledger_content_tags(merged), **next_digest_tag(content)})
        self._write_day(run, tags, merged)
        for duplicate in runs[1:]:
            self._store.log(duplicate.run_id, [], superseded_tags())

    def _create(self, experiment: str, tags: Mapping[str, str]) -> LedgerRun:
        whose = tags[semconv.TAG_INSTANCE], tags[semconv.TAG_DAY]
        made = self._store.client.create_run(
            experiment,
            start_time=start_ms(tags[semconv.TAG_DAY]),
            tags={**tags, **note_tags(ledger_day_note(*whose))},
            run_name=f"ledger of {whose[0]}, {whose[1]}",
        )
        return LedgerRun.of(made)

    def _says(self, run: LedgerRun, tags: Mapping[str, str], rows: Sequence[Row]) -> bool:
        """Return whether a run says that it holds these rows: by its digest, its tags and its metrics."""
        said, metrics = run.tags, run.metrics
        return bool(
            run.digest == digest(rows)
            and all(said.get(name) == value for name, value in {**tags, **schema_tag(rows)}.items())
            and all(math.isclose(metrics.get(name, math.nan), value) for name, value in ledger_metrics(rows).items())
        )

    def _reads_back(self, run: LedgerRun) -> bool:
        """Return whether a run's day file is the one that its digest names. A closed day is read once."""
        if self._verified is None or self._verified.has(run.run_id, run.digest):
            return True
        try:
            whole = bool(read_day(self._store, run).digest == run.digest)
        except (FileNotFoundError, DeliveryError):
            whole = False
        except Exception as error:  # noqa: BLE001 - MLflow's or a storage client's: who may write need not be allowed to read
            self._verified = None
            self.problems.append(f"what was delivered cannot be read back, and is taken as whole ({_reason(error)})")
            return True
        if whole:
            self._verified.note(run.run_id, run.day, run.digest)
        else:
            self.problems.append(f"ledger day {run.day} of '{run.instance}' was altered or gone: written again")
        return whole

    def _trusted(self, run: LedgerRun) -> DayFile | None:
        """Return the day file of a run if it is one that was delivered."""
        try:
            return read_day(self._store, run)
        except (FileNotFoundError, DeliveryError):
            return None

    def _short(
        self, tags: Mapping[str, str], held: Sequence[tuple[LedgerRun, DayFile | None]], rows: Sequence[Row]
    ) -> dict[str, str]:
        """Return the tag that says what of an altered day could not be restored; nothing where all of it could.

        Args:
            tags: Tags that identify the day.
            held: Its runs and their content of it, None where that is gone or altered.
            rows: The rows that are written.
        """
        day, content = tags[semconv.TAG_DAY], digest(rows)
        if any((run.days[day] if run.month else run.digest) == content for run, _ in held):
            return {}
        found, worth = energy_of(rows), 0
        for run, each in held:
            if each is None:
                worth = max(worth, run.worth(day) or 0)
            elif run.short_microjoules:
                worth = max(worth, energy_of(each.rows) + run.short_microjoules)
        if worth - found <= worth // 10**9:  # metrics are floats
            return {}
        self.problems.append(
            f"ledger day {tags[semconv.TAG_DAY]} of '{tags[semconv.TAG_INSTANCE]}' was altered or gone, and the journal holds "
            f"{kwh(found):.6g} of its {kwh(worth):.6g} kWh: reports name the rest as missing. Bring back the archived days of "
            "the journal, then deliver"
        )
        return short_tag(worth - found)

    def _write_day(self, run: LedgerRun, tags: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Write a ledger run whose next digest is announced already. Its digest comes last.

        Until the digest is there, the next delivery writes the day again. Whoever reads meanwhile, or after a kill, knows the old
        day file by the digest and the new one by the next digest.
        """
        self._upload(run, encode_day(rows))
        if not run.digest:  # with one, it was ended when the digest was written
            end_ms = start_ms(tags[semconv.TAG_DAY]) + DAY_NS // 1_000_000
            self._store.client.set_terminated(run.run_id, status="FINISHED", end_time=end_ms)
        cleared = short_tag(0) if semconv.TAG_SHORT in run.tags else {}
        described = {**cleared, **tags, **ledger_content_tags(rows), **digest_tag(digest(rows))}
        self._store.log(run.run_id, at_step(ledger_metrics(rows), 0), described)  # metrics first, then tags in their order

    def _upload(self, run: LedgerRun, data: bytes) -> None:
        """Upload a day file.

        Raises:
            DeliveryError: the server has its clients write artifacts to their own disks, and this one cannot.
        """
        uri = run.artifact_uri
        try:
            self._store.write_artifact(run.run_id, uri, semconv.LEDGER_ARTIFACT, data)
        except OSError as error:
            if not self._store.keeps_artifacts_here(uri):
                raise
            raise DeliveryError(_own_disk(self._store.uri, uri, f"and this machine cannot ({error.strerror})")) from error
        if self._store.keeps_artifacts_here(uri):
            warning = _own_disk(self._store.uri, uri, "so reports made on another machine lack these days")
            if warning not in self.problems:
                self.problems.append(warning)


def _own_disk(tracking_uri: str, artifact_uri: str, consequence: str) -> str:
    experiment = artifact_uri.rstrip("/").rsplit("/", 2)[0]  # without .../<run>/artifacts
    return (
        f"MLflow at '{public_uri(tracking_uri)}' has each client write artifacts to its own disk ('{experiment}'), "
        f"{consequence}: "
        "start the server with --serve-artifacts, or with a --default-artifact-root that every machine reaches, such as "
        "s3://bucket. An experiment keeps the place that it was made with: rename 'ecoia/ledger', and deliver"
    )


def _reason(error: Exception) -> str:
    return public_text(" ".join(str(error).split()))[:200] or type(error).__name__


def _conflict(instance: str, day: str, owner: str | None, home_id: str) -> InstanceConflictError:
    return InstanceConflictError(
        f"instance '{instance}' on {day} belongs to journal home {owner}, and home {home_id} claims it too: "
        "nothing was overwritten. Give one of the two another name for what it records from now on (setting "
        "'instance', ECOIA_INSTANCE); what is recorded stays in its journal, and '--from journal' reads it"
    )

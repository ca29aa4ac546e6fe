"""The ledger in an MLflow store: one run an instance and UTC day, with the day file as its artifact."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecoia import semconv
from ecoia.delivery.day_file import decode_day, digest, encode_day, merge_day, union
from ecoia.delivery.mlflow_store import MlflowStore, at_step
from ecoia.delivery.tags_and_metrics import digest_tag, energy_metrics, ledger_content_tags, ledger_day_tags, superseded_tags
from ecoia.errors import DeliveryError, InstanceConflictError
from ecoia.periods import DAY_NS, utc_day, utc_ns
from ecoia.records import Record, Row
from ecoia.settings import is_slug

_READ_ATTEMPTS = 4


class MlflowLedger:
    """The ledger in an MLflow store.

    Args:
        store: The store.

    Attributes:
        newer_days: How many ledger days the last reading left out because a newer ecoia wrote them.

    Example::

        MlflowLedger(MlflowStore(None)).read_rows(0, time.time_ns())
    """

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self.newer_days = 0

    def read_rows(self, start_utc_ns: int, end_utc_ns: int) -> list[Row]:
        """Read the rows whose half-hour starts in ``[start_utc_ns, end_utc_ns)``, of every instance.

        Each record of an instance is in one row. Reading creates nothing: without a database or a ledger there are no rows.

        Raises:
            DeliveryError: the store cannot be reached, or a day file cannot be read.
        """
        self.newer_days = 0
        if end_utc_ns <= start_utc_ns or not self._store.is_there():
            return []
        with self._store.reaching():
            experiment = self._store.find_experiment(semconv.LEDGER_EXPERIMENT)
            if experiment is None:
                return []
            runs = self._store.search(experiment, *_days_between(utc_day(start_utc_ns), utc_day(end_utc_ns - 1)))
            self.newer_days = sum(_is_newer(run) for run in runs)
            ids = [run.info.run_id for run in runs if not _is_newer(run)]
            with ThreadPoolExecutor(max_workers=8) as pool:
                days = list(pool.map(self._day_rows, ids))
        return [row for row in union(days) if start_utc_ns <= row["half_hour_utc_ns"] < end_utc_ns]

    def upsert_days(
        self,
        instance: str,
        home_id: str,
        days: Mapping[str, Sequence[Row]],
        records: Callable[[], Iterable[Record]],
        *,
        place: str = "",
        replaced: Collection[str] = (),
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

        Returns:
            By day, the error of each day that another home owns. Nothing of these days was changed.

        Raises:
            DeliveryError: the store cannot be reached or refuses.
        """
        if not is_slug(instance):
            raise DeliveryError(f"instance '{instance}' cannot name a ledger run: use [a-z0-9._-] (setting 'instance')")
        conflicts: dict[str, InstanceConflictError] = {}
        with self._store.reaching():
            experiment = self._store.make_experiment(semconv.LEDGER_EXPERIMENT)
            runs_by_day = self._runs_by_day(experiment, instance, min(days), max(days))
            for day, rows in sorted(days.items()):
                runs = runs_by_day.get(day, [])
                # If two homes made the day at once there are two runs. Both stay, and the home of the first run keeps the day.
                owner = runs[0].data.tags.get(semconv.TAG_HOME) if runs else home_id
                if owner != home_id:
                    conflicts[day] = _conflict(instance, day, owner, home_id)
                    continue
                whose = (home_id, place)
                own = [
                    run
                    for run in runs
                    if (run.data.tags.get(semconv.TAG_HOME), run.data.tags.get(semconv.TAG_PLACE, "")) == whose
                ]
                if any(_is_newer(run) for run in own):
                    raise DeliveryError(f"ledger day {day} of '{instance}' was written by a newer ecoia: upgrade ecoia here")
                self._upsert_day(experiment, ledger_day_tags(instance, day, home_id, place), rows, own, records, replaced)
        return conflicts

    def _runs_by_day(self, experiment: str, instance: str, first_day: str, last_day: str) -> dict[str, list[Any]]:
        """Return an instance's ledger runs by day, each day's in the order of their start time and id."""
        runs: dict[str, list[Any]] = {}
        of_instance = f"tags.`{semconv.TAG_INSTANCE}` = '{instance}'"
        for run in self._store.search(experiment, *_days_between(first_day, last_day), of_instance):
            runs.setdefault(run.data.tags.get(semconv.TAG_DAY, ""), []).append(run)
        return runs

    def _upsert_day(
        self,
        experiment: str,
        tags: Mapping[str, str],
        rows: Sequence[Row],
        runs: Sequence[Any],
        records: Callable[[], Iterable[Record]],
        replaced: Collection[str],
    ) -> None:
        """Update one day to match what the journal holds, in the first of its runs; mark the others as superseded."""
        existing: list[Row] = []
        if not runs:
            name = f"{tags[semconv.TAG_INSTANCE]} {tags[semconv.TAG_DAY]}"
            start_ms = _start_ms(tags[semconv.TAG_DAY])
            run = self._store.client.create_run(experiment, start_time=start_ms, tags=tags, run_name=name)
        else:
            run = runs[0]  # every later delivery finds the same one first
            if len(runs) == 1 and _holds(run, rows):
                return
            existing = union(self._day_rows(one.info.run_id) for one in runs)
        merged = merge_day(existing, rows, records, replaced)
        if len(runs) != 1 or not _holds(run, merged):
            self._write_day(run.info.run_id, tags, merged)
        for duplicate in runs[1:]:
            self._store.log(duplicate.info.run_id, [], superseded_tags())

    def _write_day(self, run_id: str, tags: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Write a ledger run. The digest comes last: until it is there, the next delivery writes the day again."""
        store = self._store
        with tempfile.TemporaryDirectory(prefix="ecoia-") as folder:
            path = Path(folder) / semconv.LEDGER_ARTIFACT
            path.write_bytes(encode_day(rows))
            store.client.log_artifact(run_id, str(path))
        store.log(run_id, at_step(energy_metrics(rows), 0), {**tags, **ledger_content_tags(rows)})
        end_ms = _start_ms(tags[semconv.TAG_DAY]) + DAY_NS // 1_000_000
        store.client.set_terminated(run_id, status="FINISHED", end_time=end_ms)
        store.log(run_id, [], digest_tag(digest(rows)))

    def _day_rows(self, run_id: str) -> list[Row]:
        """Read the rows of a ledger run; none if a kill came before its first upload."""
        client = self._store.client
        if not any(item.path == semconv.LEDGER_ARTIFACT for item in client.list_artifacts(run_id)):
            return []
        for attempt in range(_READ_ATTEMPTS):
            with tempfile.TemporaryDirectory(prefix="ecoia-") as folder:
                path = Path(client.download_artifacts(run_id, semconv.LEDGER_ARTIFACT, folder))
                try:
                    return decode_day(path.read_bytes())
                except DeliveryError as error:
                    if attempt == _READ_ATTEMPTS - 1:
                        raise DeliveryError(f"ledger run {run_id}: {error}") from error
            time.sleep(0.2 * 2**attempt)  # a local store copies in place, so another process may be writing it just now
        raise AssertionError


def _conflict(instance: str, day: str, owner: str | None, home_id: str) -> InstanceConflictError:
    return InstanceConflictError(
        f"instance '{instance}' on {day} belongs to journal home {owner}, and home {home_id} claims it too: "
        "nothing was overwritten. Give one of the two another name for what it records from now on (setting "
        "'instance', ECOIA_INSTANCE); what is recorded stays in its journal, and '--from journal' reads it"
    )


def _holds(run: Any, rows: Sequence[Row]) -> bool:
    """Return whether a ledger run holds exactly these rows."""
    return bool(run.data.tags.get(semconv.TAG_DIGEST) == digest(rows))


def _is_newer(run: Any) -> bool:
    """Return whether a newer ecoia wrote a ledger run."""
    schema = run.data.tags.get(semconv.TAG_SCHEMA, "")
    return not schema.isdecimal() or int(schema) > semconv.SCHEMA_VERSION


def _start_ms(day: str) -> int:
    """Return the start of a UTC day in milliseconds, the unit of MLflow's times."""
    return utc_ns(datetime.fromisoformat(day).replace(tzinfo=UTC)) // 1_000_000


def _days_between(first_day: str, last_day: str) -> list[str]:
    """Return search conditions for the ledger runs of some days. A ledger run starts when its day does."""
    return [  # by start time, as MLflow compares tags for equality only
        f"tags.`{semconv.TAG_KIND}` = '{semconv.RUN_KIND_LEDGER}'",
        f"attributes.start_time >= {_start_ms(first_day)}",
        f"attributes.start_time <= {_start_ms(last_day)}",
    ]

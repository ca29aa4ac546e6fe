"""A ledger of thousands of days in an MLflow store, made in seconds.

MLflow's API takes some 50 ms a run. So the first day is delivered by ecoia, and the others are copied from it in the database,
each with the values that ecoia would have written; ``check`` has ecoia deliver some of them again, and nothing may change.

Usage: python benchmarks/ledger_store.py FOLDER [DAYS]
"""

from __future__ import annotations

import sqlite3
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ledger_rows import rows

from ecoia import semconv
from ecoia.delivery.day_file import digest, encode_day
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.tags_and_metrics import ledger_content_tags, ledger_day_tags, ledger_metrics
from ecoia.periods import DAY_NS, Quarter, utc_day
from ecoia.records import merge_rows

HOME_ID = "0" * 32
_QUARTERS = [Quarter(2025, number) for number in (1, 2, 3, 4)]
_ROWS_A_DAY = 7.2

Days = dict[tuple[str, str], list[dict[str, Any]]]
"""Rows by UTC day and instance."""


def days(count: int) -> Days:
    """Return some ledger days of 14 instances in a year's order of time, with some seven rows each."""
    found: Days = {}
    for row in rows(round(count * _ROWS_A_DAY * 1.2), _QUARTERS, services=30, phases=2, instances=2):
        found.setdefault((utc_day(row["half_hour_utc_ns"]), row["instance"]), []).append(row)
    return {key: merge_rows(found[key]) for key in sorted(found)[:count]}


def build(folder: Path, made: Days) -> str:
    """Make a store that holds some ledger days. Returns its tracking URI."""
    store = MlflowStore(f"sqlite:///{folder.absolute()}/mlflow.db")
    store.prepare()
    (first_day, first_instance), *others = made
    MlflowLedger(store).upsert_days(first_instance, HOME_ID, {first_day: made[first_day, first_instance]}, list)
    with sqlite3.connect(folder / "mlflow.db") as database:
        (template,) = database.execute("SELECT run_uuid FROM runs").fetchone()
        tables = {name: _lines(database, name, template) for name in ("runs", "tags", "metrics", "latest_metrics")}
        for day, instance in others:
            _copy(database, tables, made[day, instance], day, instance)
    database.close()
    return store.uri


def _lines(database: sqlite3.Connection, table: str, run_id: str) -> list[dict[str, Any]]:
    found = database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608 - our own names
    names = [each[0] for each in found.description]
    return [dict(zip(names, line, strict=True)) for line in found]


def _copy(
    database: sqlite3.Connection,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    day_rows: Sequence[Mapping[str, Any]],
    day: str,
    instance: str,
) -> None:
    """Copy the template's run, with the values of another day."""
    run_id, (template,) = uuid.uuid4().hex, tables["runs"]
    start_ms = (date.fromisoformat(day) - date(1970, 1, 1)) // timedelta(milliseconds=1)
    artifact_uri = str(template["artifact_uri"]).replace(str(template["run_uuid"]), run_id)
    values = {"run_uuid": run_id, "start_time": start_ms, "end_time": start_ms + DAY_NS // 1_000_000}
    _insert(database, "runs", {**template, **values, "name": f"{instance} {day}", "artifact_uri": artifact_uri})
    content = digest(day_rows)
    tags = {
        **ledger_day_tags(instance, day, HOME_ID, place=""),
        **ledger_content_tags(day_rows),
        **{line["key"]: content for line in tables["tags"] if line["key"].startswith(semconv.TAG_DIGEST)},
        "mlflow.runName": f"{instance} {day}",
    }
    for line in tables["tags"]:
        _insert(database, "tags", {**line, "run_uuid": run_id, "value": tags.get(line["key"], line["value"])})
    template_metric = tables["metrics"][0]
    for name, value in ledger_metrics(day_rows).items():
        for table in ("metrics", "latest_metrics"):
            _insert(database, table, {**template_metric, "run_uuid": run_id, "key": name, "value": value})
    folder = Path(artifact_uri.removeprefix("file://"))
    folder.mkdir(parents=True)
    (folder / semconv.LEDGER_ARTIFACT).write_bytes(encode_day(day_rows))


def _insert(database: sqlite3.Connection, table: str, line: Mapping[str, Any]) -> None:
    marks = ", ".join("?" * len(line))
    database.execute(f"INSERT INTO {table} ({', '.join(line)}) VALUES ({marks})", tuple(line.values()))  # noqa: S608


def check(uri: str, made: Days) -> None:
    """Check that ecoia takes copied days for its own: delivering some of them again writes nothing."""
    store = MlflowStore(uri)
    for day, instance in [*made][:: max(len(made) // 5, 1)]:
        MlflowLedger(store).upsert_days(instance, HOME_ID, {day: made[day, instance]}, list)
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (len(made),)
        assert database.execute("SELECT count(DISTINCT timestamp) FROM metrics").fetchone() == (1,), "a day was written again"
    database.close()


if __name__ == "__main__":
    made_days = days(int(sys.argv[2]) if len(sys.argv) > 2 else 4_254)
    made_uri = build(Path(sys.argv[1]), made_days)
    check(made_uri, made_days)
    print(made_uri, len(made_days), "days", sum(map(len, made_days.values())), "rows")

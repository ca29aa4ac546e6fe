"""The ledger's runs by SQL: the same runs as by MLflow's API, or the API itself."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecoia.delivery import ledger_sql
from ecoia.delivery.ledger_run import LedgerRun
from ecoia.delivery.ledger_sql import NoSqlError, list_by_sql
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.errors import DeliveryError
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import fold
from support.deliveries import api
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server, old_mlflow
from support.records import NOON_NS, training

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

ALL_TIME = (0, 1 << 62)
END_MS = 1 << 53


def fill(uri: str) -> list[str]:
    """Deliver four days; one is deleted, one superseded, one loses its digest and its energy is no number. Returns their runs."""
    ledger = MlflowLedger(MlflowStore(uri))
    for number in range(4):
        rows = fold([training(at=number * DAY_NS // 10**9)])
        ledger.upsert_days("host-1", "home-a", {utc_day(NOON_NS + number * DAY_NS): rows}, list)
    client = api(uri)
    experiment = client.get_experiment_by_name("ecoia/ledger").experiment_id
    runs = [run.info.run_id for run in client.search_runs([experiment], order_by=["attributes.start_time ASC"])]
    client.delete_run(runs[1])
    client.set_tag(runs[2], "ecoia.kind", "ledger-superseded")
    client.delete_tag(runs[3], "ecoia.digest")
    client.log_metric(runs[3], "ecoia/ledger/energy_kwh", float("nan"), step=1)
    client.create_run(experiment, start_time=1)  # anybody may
    return runs


def listed_by_api(uri: str, start_ms: int = 0, end_ms: int = END_MS) -> list[LedgerRun]:
    store = MlflowStore(uri)
    experiment = store.find_experiment("ecoia/ledger")
    assert experiment is not None
    found = [run for run in store.each(experiment, deleted=True) if start_ms <= run.info.start_time <= end_ms]
    return sorted(map(LedgerRun.of, found))


def compare(uri: str) -> None:
    runs = fill(uri)
    by_sql = list_by_sql(uri, "ecoia/ledger", 0, END_MS)
    assert sorted(by_sql) == listed_by_api(uri)
    assert {run.run_id for run in by_sql} > set(runs)
    day_ms = (NOON_NS - NOON_NS % DAY_NS) // 1_000_000
    window = day_ms, day_ms + DAY_NS // 1_000_000
    assert sorted(list_by_sql(uri, "ecoia/ledger", *window)) == listed_by_api(uri, *window)
    readers = [MlflowLedger(MlflowStore(uri), by_sql=by_sql) for by_sql in (True, False)]
    rows, others = (reader.read_rows(*ALL_TIME) for reader in readers)
    assert rows == others != []
    assert readers[0].gaps == readers[1].gaps
    assert {gap.reason for gap in readers[0].gaps} == {"deleted"}
    assert readers[0].mark() == readers[1].mark()
    assert list_by_sql(uri, "ecoia/nothing", 0, END_MS) == []


def test_sql_lists_what_mlflow_lists_on_sqlite(tracking_uri: str) -> None:
    compare(tracking_uri)


def test_sql_lists_what_mlflow_lists_on_postgresql(postgresql: str) -> None:
    compare(postgresql)


def test_sql_lists_what_the_oldest_mlflow_wrote(tmp_path: Path, migrated_by_old: Path) -> None:
    backend = f"sqlite:///{tmp_path}/old.db"
    shutil.copy(migrated_by_old, tmp_path / "old.db")
    with mlflow_server(backend, free_port(), tmp_path / "artifacts", python=old_mlflow()) as uri:
        fill(uri)
        expected = listed_by_api(uri)
    assert sorted(list_by_sql(backend, "ecoia/ledger", 0, END_MS)) == expected != []


def test_every_schema_that_is_read_is_one_that_a_test_compares(migrated: Path) -> None:
    with sqlite3.connect(migrated) as database:
        (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    database.close()
    assert len(ledger_sql.TESTED_SCHEMAS) == 2, "this MLflow's, and the oldest one's"
    assert version in ledger_sql.TESTED_SCHEMAS


def change_schema(uri: str, version: str) -> None:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
    database.close()


def test_a_schema_that_was_not_tested_is_left_to_mlflow_and_said(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tracking_uri)
    expected = MlflowLedger(MlflowStore(tracking_uri)).read_rows(*ALL_TIME)
    monkeypatch.setattr(ledger_sql, "TESTED_SCHEMAS", {"another": ""})
    reader = MlflowLedger(MlflowStore(tracking_uri))
    assert reader.read_rows(*ALL_TIME) == expected
    assert "was not tested" in reader.remark
    reader = MlflowLedger(MlflowStore(tracking_uri), by_sql=False)
    assert (reader.read_rows(*ALL_TIME), reader.remark) == (expected, "")


@pytest.mark.parametrize("version", ["f5a4f2784254", "of another program"])
def test_an_older_or_foreign_schema_is_never_guessed(tracking_uri: str, version: str) -> None:
    fill(tracking_uri)
    change_schema(tracking_uri, version)
    with pytest.raises(NoSqlError, match="was not tested"):
        list_by_sql(tracking_uri, "ecoia/ledger", 0, END_MS)


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_a_file_that_is_no_database_is_left_to_mlflow(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.db").write_bytes(content)
    with pytest.raises(NoSqlError):
        list_by_sql(f"sqlite:///{tmp_path}/other.db", "ecoia/ledger", 0, END_MS)
    assert (tmp_path / "other.db").read_bytes() == content


def test_a_deleted_experiment_is_named_with_its_remedy(tracking_uri: str) -> None:
    fill(tracking_uri)
    client = api(tracking_uri)
    client.delete_experiment(client.get_experiment_by_name("ecoia/ledger").experiment_id)
    with pytest.raises(DeliveryError, match="experiments restore"):
        MlflowLedger(MlflowStore(tracking_uri)).read_rows(*ALL_TIME)


def test_reading_leaves_the_database_as_it_is_and_lets_others_write(tracking_uri: str) -> None:
    fill(tracking_uri)
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    before = path.read_bytes()
    runs = list_by_sql(tracking_uri, "ecoia/ledger", 0, END_MS)
    assert path.read_bytes() == before
    api(tracking_uri).set_tag(runs[0].run_id, "written", "while the list is held")


def test_a_database_that_goes_away_while_it_is_read_gives_an_error_not_a_part(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(tracking_uri)
    path = tmp_path / "never-opened.db"  # MLflow holds on to the other one
    shutil.copy(tracking_uri.removeprefix("sqlite:///"), path)
    true_list = ledger_sql._list

    def gone(query: ledger_sql.Query, *rest: Any) -> list[LedgerRun]:
        def cut(statement: str, values: Any) -> list[Any]:
            if "FROM runs" in statement:
                shutil.move(path, tmp_path / "moved.db")
                path.mkdir()
                raise sqlite3.OperationalError("disk I/O error")
            return query(statement, values)

        return true_list(cut, *rest)

    monkeypatch.setattr(ledger_sql, "_list", gone)
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)  # ten tries of MLflow's take a hundred seconds
    with pytest.raises(DeliveryError, match="cannot be used"):
        MlflowLedger(MlflowStore(f"sqlite:///{path}")).read_rows(*ALL_TIME)


def test_mlflow_is_not_loaded_to_read_a_ledger_in_a_database(tracking_uri: str) -> None:
    rows = fold([training()])
    MlflowLedger(MlflowStore(tracking_uri)).upsert_days("host-1", "home-a", {utc_day(NOON_NS): rows}, list)
    code = (
        "import sys; from ecoia.delivery.mlflow_ledger import MlflowLedger; from ecoia.delivery.mlflow_store import MlflowStore; "
        "print(len(MlflowLedger(MlflowStore(sys.argv[1])).read_rows(0, 1 << 62)), 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tracking_uri], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False"]

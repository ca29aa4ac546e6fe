"""The ledger as a reader finds it: checked against its digests, with every missing day named and valued, and repaired."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecoia.delivery import ledger_reader
from ecoia.delivery.day_file import decode_day, encode_day
from ecoia.delivery.deliver import deliver
from ecoia.delivery.ledger_cache import LedgerCache
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.errors import DeliveryError
from ecoia.keeping.journal import Journal
from ecoia.periods import DAY_NS
from ecoia.records import Row, fold
from support.deliveries import api, configured, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import DAY, NOON_NS, record, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

ALL_TIME = (0, 1 << 62)
MICROJOULES = 1_000_007
"""Energy of ``training()``."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_reader, "time", SimpleNamespace(sleep=lambda _: None))  # of this module alone: others wait


@pytest.fixture
def delivered(journal: Journal, target: str) -> list[Row]:
    """Two records of one day, delivered."""
    records = [training(target=target, run_id=None), training(target=target, run_id=None, at=60, endpoint="other")]
    write(journal, records)
    assert deliver(journal, configured()).problems == ()
    return fold(records)


def only_run(uri: str) -> Any:
    (run,) = api(uri).search_runs([api(uri).get_experiment_by_name("ecoia/ledger").experiment_id])
    return run


def day_file(uri: str) -> Path:
    return Path(only_run(uri).info.artifact_uri.removeprefix("file://"), "records.jsonl.gz")


def read(uri: str) -> tuple[list[Row], list[tuple[str, int | None]]]:
    """Read the ledger. Returns its rows, and of each gap the reason and the energy."""
    reader = MlflowLedger(MlflowStore(uri))
    rows = reader.read_rows(*ALL_TIME)
    assert all((gap.day, gap.instance, gap.run_id) == (DAY, "host-1", only_run(uri).info.run_id) for gap in reader.gaps)
    return rows, [(gap.reason, gap.microjoules) for gap in reader.gaps]


def thousandth(path: Path) -> None:
    rows = decode_day(path.read_bytes()).rows
    for row in rows:
        row["energy_microjoules"] = {name: None if it is None else it // 1000 for name, it in row["energy_microjoules"].items()}
    path.write_bytes(encode_day(rows))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "altered": (thousandth, "altered"),
    "emptied": (lambda path: path.write_bytes(encode_day([])), "altered"),
    "deleted": (lambda path: path.unlink(), "missing"),
    "folder deleted": (lambda path: shutil.rmtree(path.parent), "missing"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "unreadable"),
    "another page": (lambda path: path.write_bytes(b"<html>please log in</html>"), "unreadable"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "unreadable"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_day_is_named_with_its_worth_and_repaired(
    damage: str, journal: Journal, tracking_uri: str, delivered: list[Row]
) -> None:
    spoil, reason = DAMAGES[damage]
    assert read(tracking_uri) == (delivered, [])
    spoil(day_file(tracking_uri))
    assert read(tracking_uri) == ([], [(reason, 2 * MICROJOULES)])
    again = deliver(journal, configured(), verify=True)
    if reason == "unreadable" and damage == "a pipe":
        day_file(tracking_uri).unlink()
        again = deliver(journal, configured(), verify=True)
    assert any("written again" in problem for problem in again.problems)
    assert (again.pending, read(tracking_uri)) == (0, (delivered, []))


@pytest.mark.parametrize("tag", ["ecoia.digest", "ecoia.kind", "ecoia.day", "ecoia.instance", "ecoia.schema", "ecoia.services"])
def test_whatever_tag_another_altered_no_total_changes_unseen(
    tag: str, journal: Journal, tracking_uri: str, delivered: list[Row]
) -> None:
    run_id = only_run(tracking_uri).info.run_id
    good = only_run(tracking_uri).data.tags[tag]
    for value in ("x", "", "../../x"):
        api(tracking_uri).set_tag(run_id, tag, value)
        reader = MlflowLedger(MlflowStore(tracking_uri))
        assert reader.read_rows(*ALL_TIME) == delivered or reader.gaps
        deliver(journal, configured())
        assert ledger(tracking_uri) == delivered
    api(tracking_uri).set_tag(run_id, tag, good)
    deliver(journal, configured())
    assert ledger(tracking_uri) == delivered


def test_a_deleted_run_is_named_until_the_journal_writes_its_day_again(
    journal: Journal, tracking_uri: str, delivered: list[Row]
) -> None:
    run_id = only_run(tracking_uri).info.run_id
    api(tracking_uri).delete_run(run_id)
    reader = MlflowLedger(MlflowStore(tracking_uri))
    assert reader.read_rows(*ALL_TIME) == []
    assert [(gap.run_id, gap.reason, gap.microjoules) for gap in reader.gaps] == [(run_id, "deleted", 2 * MICROJOULES)]
    deliver(journal, configured())
    assert read(tracking_uri) == (delivered, [])
    api(tracking_uri).restore_run(run_id)
    assert ledger(tracking_uri) == delivered


def test_a_closed_day_is_read_back_once_and_again_on_request(journal: Journal, tracking_uri: str, delivered: list[Row]) -> None:
    deliver(journal, configured())  # reads it back
    thousandth(day_file(tracking_uri))
    assert deliver(journal, configured()).problems == ()
    assert read(tracking_uri)[1] == [("altered", 2 * MICROJOULES)]
    assert deliver(journal, configured(), verify=True).problems
    assert read(tracking_uri) == (delivered, [])


def test_bad_rows_are_refused_one_by_one_and_valued(tracking_uri: str, delivered: list[Row]) -> None:
    run = only_run(tracking_uri)
    good, bad = delivered
    path = day_file(tracking_uri)
    path.write_bytes(encode_day([good, {**bad, "cpu_ns": -1}]))
    api(tracking_uri).set_tag(run.info.run_id, "ecoia.digest", decode_day(path.read_bytes()).digest)
    reader = MlflowLedger(MlflowStore(tracking_uri))
    assert reader.read_rows(*ALL_TIME) == [good]
    (gap,) = reader.gaps
    assert (gap.run_id, gap.reason, gap.lines, gap.microjoules) == (run.info.run_id, "refused-rows", 1, MICROJOULES)
    assert gap.why == ("line 2: cpu_ns = -1 is not a count",)


def test_what_the_journal_no_longer_holds_stays_named_after_a_repair(
    journal: Journal, tracking_uri: str, target: str, delivered: list[Row], tmp_path: Path
) -> None:
    """The day is altered, and the journal's files of it were archived before a late record came."""
    thousandth(day_file(tracking_uri))
    shutil.move(journal.folder, tmp_path / "archive")
    late = training(target=target, run_id=None, at=120)
    write(journal, [late])
    assert any("the journal holds" in problem for problem in deliver(journal, configured()).problems)
    assert read(tracking_uri) == (fold([late]), [("partly-restored", MICROJOULES)])
    deliver(journal, configured(), verify=True)
    assert read(tracking_uri)[1] == [("partly-restored", MICROJOULES)]
    for path in (tmp_path / "archive").rglob("*.jsonl"):
        shutil.copy(path, journal.folder / path.relative_to(tmp_path / "archive"))
    deliver(journal, configured())
    assert read(tracking_uri)[1] == []
    assert sum(row["spans"] for row in ledger(tracking_uri)) == 3


def test_a_reader_between_two_steps_of_a_writer_sees_the_old_day_or_the_new_one(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the last step of a writer that is killed, no day is called altered, and its rows are the old or the new ones."""
    store = MlflowStore(tracking_uri)
    first, second = training(), training(at=60, endpoint="other")
    states = ([], fold([first]), fold([first, second]))
    for known in ([first], [first, second]):
        for steps in itertools.count():
            with limited_to(steps, monkeypatch) as was_cut, contextlib.suppress(KilledError):
                MlflowLedger(store).upsert_days("host-1", "home-a", {DAY: fold(known)}, lambda known=known: known)
            reader = MlflowLedger(MlflowStore(tracking_uri))
            rows = reader.read_rows(*ALL_TIME)
            assert rows in states
            assert {gap.reason for gap in reader.gaps} <= {"unfinished", "missing"}
            assert not reader.gaps or rows == []
            if not was_cut:
                break
        assert rows == fold(known)
        assert reader.gaps == ()


class KilledError(BaseException):
    """The writer was killed."""


@contextlib.contextmanager
def limited_to(steps: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Kill the writer at its call of MLflow that follows so many others. Yields a list that then holds the name of the call."""
    import mlflow

    left, cut = itertools.count(steps, -1), []

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if next(left) <= 0:
                cut.append(name)
                raise KilledError(name)
            return call(*arguments, **named)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(MlflowStore, "write_artifact", counting("write_artifact", MlflowStore.write_artifact))
        for name in ("create_run", "log_batch", "set_terminated"):
            patch.setattr(mlflow.MlflowClient, name, counting(name, getattr(mlflow.MlflowClient, name)))
        yield cut


# --- far away: fetched by URI, kept in a cache -------------------------------------------------------------------------------


class FarStore(MlflowStore):
    """A store whose artifacts count as far away; notes what is fetched."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.fetched: list[str] = []

    def read_artifact(self, run_id: str, artifact_uri: str, name: str, most_bytes: int) -> bytes:
        self.fetched.append(run_id)
        return super().read_artifact(run_id, artifact_uri, name, most_bytes)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_reader, "local_path", lambda uri: None)


def through_cache(uri: str, path: Path) -> tuple[int, int, int]:
    """Read the ledger. Returns how many rows, gaps and fetched day files there were."""
    store = FarStore(uri)
    reader = MlflowLedger(store, LedgerCache(path))
    return len(reader.read_rows(*ALL_TIME)), len(reader.gaps), len(store.fetched)


@pytest.mark.usefixtures("far")
def test_a_day_file_is_fetched_once_and_a_damaged_cache_costs_time_only(
    tracking_uri: str, delivered: list[Row], tmp_path: Path
) -> None:
    path = tmp_path / "cache" / "ledger.sqlite"
    count = len(delivered)
    assert through_cache(tracking_uri, path) == (count, 0, 1)
    assert through_cache(tracking_uri, path) == (count, 0, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    import sqlite3

    with sqlite3.connect(path) as database:
        database.execute("UPDATE day_files SET data = ?", (encode_day([]),))
    database.close()
    assert through_cache(tracking_uri, path) == (count, 0, 1), "a wrong content is fetched anew"
    assert through_cache(tracking_uri, path) == (count, 0, 0)
    path.write_bytes(b"no database" * 100)
    assert through_cache(tracking_uri, path) == (count, 0, 1)
    path.unlink()
    path.mkdir()
    assert through_cache(tracking_uri, path) == (count, 0, 1), "without a cache"


def test_the_cache_keeps_what_was_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(1)
    monkeypatch.setattr("ecoia.delivery.ledger_cache.time.time", lambda: next(now))
    cache = LedgerCache(tmp_path / "cache.sqlite", most_bytes=30)
    for name in ("a", "b", "c"):
        cache.keep([], {name: bytes(10)})
    cache.keep(["a"], {"d": bytes(10)})
    assert cache.find(["a", "b", "c", "d"]).keys() == {"a", "c", "d"}


@pytest.mark.usefixtures("far")
def test_an_artifact_store_that_does_not_answer_is_an_error_not_thousands_of_missing_days(
    journal: Journal, target: str, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, [training(target=target, run_id=None, at=day * DAY_NS // 10**9) for day in range(12)])
    deliver(journal, configured())

    def refuse(*_: object) -> bytes:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(FarStore, "read_artifact", refuse)
    with pytest.raises(DeliveryError, match="no route to host"):
        MlflowLedger(FarStore(tracking_uri)).read_rows(*ALL_TIME)


def test_a_server_whose_clients_keep_artifacts_on_their_own_disks_is_named_with_the_remedy(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``mlflow server --no-serve-artifacts --default-artifact-root /some/path`` does."""
    monkeypatch.setattr(MlflowStore, "keeps_artifacts_here", lambda store, uri: uri.startswith("file:"))
    write(journal, [training(target=target, run_id=None)])
    (problem,) = deliver(journal, configured()).problems
    assert "--serve-artifacts" in problem
    assert "own disk" in problem
    write(journal, [record(NOON_NS + DAY_NS, target=target)])

    def no_folder(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(MlflowStore, "write_artifact", no_folder)
    result = deliver(journal, configured())
    assert result.pending == 1
    (problem,) = result.problems
    assert "--serve-artifacts" in problem
    assert "MLFLOW_TRACKING_URI" not in problem


@pytest.mark.parametrize(
    ("tracking", "artifacts", "own_disk"),
    [
        ("http://mlflow.example", "file:///srv/artifacts/1", True),
        ("https://mlflow.example", "/srv/artifacts/1", True),
        ("http://mlflow.example", "mlflow-artifacts:/1", False),
        ("http://mlflow.example", "s3://bucket/1", False),
        ("sqlite:////srv/ml.db", "file:///srv/artifacts/1", False),
    ],
)
def test_where_artifacts_are_written_is_known_from_two_addresses(tracking: str, artifacts: str, own_disk: bool) -> None:
    assert MlflowStore(tracking).keeps_artifacts_here(artifacts) == own_disk

"""The ledger and the views, on a real MLflow store."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import socketserver
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import semconv
from ecoia.delivery.day_file import decode_day, encode_day, merge_day, union
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_runs import MlflowRuns
from ecoia.delivery.mlflow_store import ENVIRONMENT, MlflowStore
from ecoia.delivery.run_tree import RunTree
from ecoia.delivery.run_views import View
from ecoia.errors import DeliveryError
from ecoia.periods import DAY_NS, HALF_HOUR_NS, covered_seconds
from ecoia.records import Record, Row, fold
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import DAY, NOON_NS, SECOND_NS, training

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

ALL_TIME = (0, 1 << 62)


def client(store: MlflowStore) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=store.uri)


def upsert(store: MlflowStore, records: Iterable[Record], home: str = "home-a", instance: str = "host-1") -> dict[str, Any]:
    records = list(records)
    days: dict[str, list[Row]] = {DAY: fold(records)}
    return dict(MlflowLedger(store).upsert_days(instance, home, days, lambda: records))


def ledger_runs(store: MlflowStore) -> list[Any]:
    api = client(store)
    experiment = api.get_experiment_by_name("ecoia/ledger")
    return list(api.search_runs([experiment.experiment_id], filter_string="tags.`ecoia.kind` = 'ledger'"))


def test_the_ledger_gives_back_the_rows(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    records = [
        training(),
        training(at=1795, seconds=10, units_micro=2_500_000),
        training(service="smart-emploi", phase="inference"),
    ]
    assert upsert(store, records) == {}
    assert MlflowLedger(MlflowStore(tracking_uri)).read_rows(*ALL_TIME) == fold(records)
    (run,) = ledger_runs(store)
    assert run.data.tags["ecoia.instance"] == "host-1"
    assert run.data.tags["ecoia.day"] == DAY
    assert run.data.tags["ecoia.schema"] == "1"
    assert run.data.tags["ecoia.services"] == "smart-emploi,vadore"
    assert run.data.metrics["ecoia/ledger/energy_kwh"] == pytest.approx(3_000_021 / 3.6e12)
    assert run.data.metrics["ecoia/ledger/units"] == 2.5
    assert "ecoia/ledger/gpu_kwh" not in run.data.metrics  # missing is not zero
    assert not {"ecoia/energy_wh", "ecoia/co2e_g"} & run.data.metrics.keys()  # a sum over runs counts no joule twice
    assert run.info.run_name == f"ledger of host-1, {DAY}"
    assert "never add" in run.data.tags["mlflow.note.content"]
    experiment = client(store).get_experiment(run.info.experiment_id)
    assert experiment.tags["ecoia.kind"] == "ledger"
    assert "a run an instance and UTC day" in experiment.tags["mlflow.note.content"]
    assert run.info.status == "FINISHED"


def test_reading_is_cut_at_half_hours(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    first, second = training(), training(at=1800)
    upsert(store, [first, second])
    assert MlflowLedger(store).read_rows(NOON_NS, NOON_NS + HALF_HOUR_NS) == fold([first])
    assert MlflowLedger(store).read_rows(NOON_NS + HALF_HOUR_NS, NOON_NS + DAY_NS) == fold([second])
    assert MlflowLedger(store).read_rows(NOON_NS + DAY_NS, NOON_NS + 2 * DAY_NS) == []
    assert MlflowLedger(store).read_rows(NOON_NS, NOON_NS) == []


def test_a_day_is_written_once_and_only_grows(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    records = [training(), training(at=60)]
    upsert(store, records[:1])
    before = ledger_runs(store)[0]
    upsert(store, records[:1])
    assert ledger_runs(store)[0].data.tags == before.data.tags
    upsert(store, records)
    assert MlflowLedger(store).read_rows(*ALL_TIME) == fold(records)
    # The journal's old days were archived: what the ledger holds stays, and what is new comes to it.
    third = training(at=70)
    upsert(store, [records[1], third])
    rows = MlflowLedger(store).read_rows(*ALL_TIME)
    assert rows == fold([*records, third])
    assert len(ledger_runs(store)) == 1


def test_a_correction_replaces_what_it_names(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    wrong = training(cpu=5_000_000)
    upsert(store, [wrong])
    right = training(cpu=2_000_000, replaces=wrong.record_id)
    upsert(store, [wrong, right])
    assert MlflowLedger(store).read_rows(*ALL_TIME) == fold([right])


def test_two_homes_of_one_instance_are_refused(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    mine = training()
    upsert(store, [mine], home="home-a")
    conflicts = upsert(store, [training()], home="home-b")
    message = str(conflicts[DAY])
    assert "home-a" in message
    assert "home-b" in message
    assert "ECOIA_INSTANCE" in message
    assert MlflowLedger(store).read_rows(*ALL_TIME) == fold([mine])


@pytest.mark.parametrize("lost", ["digest", "metrics"])
def test_a_delivery_that_was_cut_short_is_completed(tracking_uri: str, lost: str) -> None:
    store = MlflowStore(tracking_uri)
    records = [training()]
    upsert(store, records)
    run = ledger_runs(store)[0]
    with sqlite3.connect(tracking_uri.removeprefix("sqlite:///")) as database:
        database.execute("DELETE FROM tags WHERE key = 'ecoia.digest'")
        if lost == "metrics":
            database.execute("DELETE FROM metrics")
            database.execute("DELETE FROM latest_metrics")
    database.close()
    upsert(MlflowStore(tracking_uri), records)
    again = ledger_runs(store)[0]
    assert again.data.metrics == run.data.metrics
    assert again.data.tags == run.data.tags


def test_two_runs_of_one_day_count_once_and_become_one(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    one, two = training(), training(at=60, endpoint="other")
    upsert(store, [one])
    first = ledger_runs(store)[0].info.run_id
    client(store).set_tag(first, "ecoia.day", "elsewhere")  # hide it, as a race would
    upsert(store, [one, two])
    client(store).set_tag(first, "ecoia.day", DAY)
    assert MlflowLedger(store).read_rows(*ALL_TIME) == fold([one, two])
    upsert(store, [one, two])
    assert len(ledger_runs(store)) == 1
    assert MlflowLedger(store).read_rows(*ALL_TIME) == fold([one, two])


def test_a_day_with_sequenced_ids_is_newer_to_an_ecoia_that_does_not_know_them(tracking_uri: str) -> None:
    """And a day of loose ids stays as it was, until such a record joins it."""
    store, old = MlflowStore(tracking_uri), training()
    later = [training(record_id=f"{'0' * 32}:1:{seq}") for seq in (7, 8)]
    for records, schema in (([old], "1"), ([old, *later], "3")):
        upsert(store, records)
        (run,) = ledger_runs(store)
        assert run.data.tags["ecoia.schema"] == schema
        assert MlflowLedger(store).read_rows(*ALL_TIME) == fold(records)


def test_a_newer_day_is_counted_not_guessed(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    upsert(store, [training()])
    client(store).set_tag(ledger_runs(store)[0].info.run_id, "ecoia.schema", "99")
    ledger = MlflowLedger(store)
    assert ledger.read_rows(*ALL_TIME) == []
    assert [(gap.day, gap.reason, gap.microjoules) for gap in ledger.gaps] == [(DAY, "newer", 1_000_007)]
    with pytest.raises(DeliveryError, match="newer ecoia"):
        upsert(store, [training()])


def test_reading_makes_nothing(tmp_path: Path) -> None:
    assert MlflowLedger(MlflowStore(f"sqlite:///{tmp_path}/none.db")).read_rows(*ALL_TIME) == []
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_ledger_names_the_remedy(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    upsert(store, [training()])
    client(store).delete_experiment(client(store).get_experiment_by_name("ecoia/ledger").experiment_id)
    with pytest.raises(DeliveryError, match="mlflow experiments restore"):
        upsert(MlflowStore(tracking_uri), [training()])


def test_a_server_that_is_not_there_is_named_without_its_credentials() -> None:
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:9") as caught:
        MlflowLedger(MlflowStore("http://someone:secret@127.0.0.1:9/ml?token=secret")).read_rows(*ALL_TIME)
    assert "secret" not in str(caught.value)


def test_a_folder_that_mlflow_refuses_is_named_with_both_remedies(tmp_path: Path) -> None:
    """MLflow refuses its file store since 3.13, in 600 characters with the remedy at their end."""
    import mlflow
    from packaging.version import Version

    uri = (tmp_path / "mlruns").as_uri()
    if Version(mlflow.__version__) < Version("3.13"):
        assert MlflowLedger(MlflowStore(uri)).read_rows(*ALL_TIME) == []
        return
    with pytest.raises(DeliveryError) as caught:
        MlflowLedger(MlflowStore(uri)).read_rows(*ALL_TIME)
    for told in (uri, "'mlflow migrate-filestore'", "MLFLOW_ALLOW_FILE_STORE=true", "stays in the journal"):
        assert told in str(caught.value)
    assert "check that it runs" not in str(caught.value)


def test_a_database_that_mlflow_skinny_does_not_read_is_named_with_the_remedy() -> None:
    """Its own message speaks of a model registry."""
    store = MlflowStore("sqlite:////srv/mlflow.db")
    with pytest.raises(DeliveryError, match="install mlflow, or name a tracking server"), store.reaching():
        raise ValueError("got unsupported URI 'sqlite:////srv/mlflow.db' for model registry data storage")


def test_the_cause_of_a_failure_is_not_cut_off() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with pytest.raises(DeliveryError, match="Connection refused"):
            MlflowLedger(MlflowStore(f"http://127.0.0.1:{unused.getsockname()[1]}")).read_rows(*ALL_TIME)


def test_a_server_that_does_not_answer_is_asked_twice_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With MLflow's defaults it would be asked eight times, which takes four minutes. The environment is as it was afterwards."""
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "77")
    asked: list[bytes] = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), hang_up(asked)) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with pytest.raises(DeliveryError, match=f"127\\.0\\.0\\.1:{server.server_address[1]}"):
                MlflowLedger(MlflowStore(f"http://127.0.0.1:{server.server_address[1]}")).read_rows(*ALL_TIME)
        finally:
            server.shutdown()
            serving.join()
    assert len(asked) == 2
    assert {name: os.environ.get(name) for name in ENVIRONMENT} == {
        **dict.fromkeys(ENVIRONMENT),
        "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "77",
    }


def hang_up(asked: list[bytes]) -> type[socketserver.BaseRequestHandler]:
    """A server that reads each request, notes it, and closes the connection without an answer."""

    class HangUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(self.request.recv(65536))

    return HangUp


def test_a_missing_database_is_not_ready_and_is_made_whole(tmp_path: Path, migrated: Path) -> None:
    store = MlflowStore(f"sqlite:///{tmp_path}/folder/mlflow.db")
    assert not store.is_ready()
    assert MlflowStore(f"sqlite:///{migrated}").is_ready()
    old = tmp_path / "old.db"
    shutil.copy(migrated, old)
    with sqlite3.connect(old) as database:
        database.execute("UPDATE alembic_version SET version_num = 'older'")
    database.close()
    assert not MlflowStore(f"sqlite:///{old}").is_ready()
    (tmp_path / "empty.db").touch()
    assert not MlflowStore(f"sqlite:///{tmp_path}/empty.db").is_ready()
    assert MlflowStore("http://127.0.0.1:9").is_ready()
    # Artifacts of the experiments that MLflow makes belong beside the database.
    assert client(MlflowStore(f"sqlite:///{migrated}")).get_experiment("0").artifact_location.startswith(str(migrated.parent))


def test_a_view_is_written_where_it_differs_and_corrected_downwards(tracking_uri: str) -> None:
    store = MlflowStore(tracking_uri)
    api = client(store)
    run_id = api.create_run("0").info.run_id
    hourly = {"ecoia/hourly/units": {9: 3.0, 10: 4.0}}
    view = View(
        {"ecoia/energy_wh": 2.0}, {"ecoia.service": "vadore"}, hourly=hourly, page="<p>", table='{"columns":[],"data":[]}'
    )
    for _ in range(2):
        assert MlflowRuns(store).write_view(run_id, view)
    assert len(api.get_metric_history(run_id, "ecoia/energy_wh")) == 1
    assert [point.step for point in api.get_metric_history(run_id, "ecoia/hourly/units")] == [9, 10]
    tags = api.get_run(run_id).data.tags
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "ecoia/breakdown.json", "type": "table"}]
    MlflowRuns(store).write_view(run_id, View({"ecoia/energy_wh": 1.0}, {}))
    assert api.get_run(run_id).data.metrics["ecoia/energy_wh"] == 1.0
    assert api.get_run(run_id).info.status == "RUNNING"  # the user's run is the user's


def test_totals_stand_at_step_0_and_the_last_correction_shows_whatever_the_clock_says(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MlflowStore(tracking_uri)
    run_id = client(store).create_run("0").info.run_id
    now_ns = time.time_ns()
    for energy_wh, after_ns in ((1.0, 0), (2.0, 0), (1.5, 0), (0.5, -3_600_000_000_000)):  # the clock is set back by an hour
        monkeypatch.setattr(time, "time_ns", lambda after_ns=after_ns: now_ns + after_ns)
        MlflowRuns(store).write_view(run_id, View({"ecoia/energy_wh": energy_wh}, {}))
        assert client(store).get_run(run_id).data.metrics["ecoia/energy_wh"] == energy_wh
    history = client(store).get_metric_history(run_id, "ecoia/energy_wh")
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (0, 2.0), (0, 1.5), (0, 0.5)]
    assert [point.timestamp - history[0].timestamp for point in history] == [0, 1, 2, 3]


def test_views_find_roots_and_leave_deleted_runs(tracking_uri: str, tmp_path: Path) -> None:
    store = MlflowStore(tracking_uri)
    api = client(store)
    root = api.create_run("0").info.run_id
    child = api.create_run("0", tags={"mlflow.parentRunId": root}).info.run_id
    leaf = api.create_run("0", tags={"mlflow.parentRunId": child}).info.run_id
    (tmp_path / "delivery").mkdir()
    tree = RunTree(tmp_path)
    assert tree.chain("s", MlflowRuns(store), leaf) == (leaf, child, root)
    assert tree.chain("s", MlflowRuns(store), "0" * 32) == ()
    assert tree.chain("s", MlflowRuns(store), "ecoia-session-1") == ()
    tree.save()
    api.delete_run(root)
    assert RunTree(tmp_path).chain("s", MlflowRuns(MlflowStore("http://127.0.0.1:9")), leaf) == (leaf, child, root)
    assert not MlflowRuns(store).write_view(root, View({"ecoia/energy_wh": 1.0}, {}))


def test_own_runs_are_found_again(tracking_uri: str) -> None:
    runs = MlflowRuns(MlflowStore(tracking_uri))
    identity = {"ecoia.run": "ecoia-1", "ecoia.phase": "training"}
    first = runs.own_run("vadore", "name", NOON_NS, identity)
    assert MlflowRuns(MlflowStore(tracking_uri)).own_run("vadore", "name", NOON_NS, identity) == first
    assert runs.own_run("vadore", "name", NOON_NS, identity | {"ecoia.run": "it's"}) != first


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_mlflow_would_falsify_are_refused(tracking_uri: str, value: float) -> None:
    store = MlflowStore(tracking_uri)
    run_id = client(store).create_run("0").info.run_id
    with pytest.raises(DeliveryError, match="refused"):
        MlflowRuns(store).write_view(run_id, View({"ecoia/energy_wh": value}, {}))


# ---------------------------------------------------------------- laws of the day file, without a store

RECORDS = st.lists(
    st.builds(
        training,
        at=st.integers(0, 5000),
        seconds=st.integers(0, 4000),
        cpu=st.one_of(st.none(), st.integers(0, 10**9)),
        phase=st.sampled_from(["training", "inference"]),
        units_micro=st.one_of(st.none(), st.integers(0, 10**9)),
    ),
    max_size=12,
)


@given(records=RECORDS, data=st.data())
def test_whatever_part_the_journal_still_has_the_day_becomes_whole(records: list[Record], data: st.DataObject) -> None:
    before = [r for r in records if data.draw(st.booleans())]
    now = [r for r in records if r not in before or data.draw(st.booleans())]
    merged = merge_day(fold(before), fold(now), lambda: now)
    assert merged == fold(records)
    assert merge_day(merged, fold(now), lambda: now) == merged


@given(records=RECORDS, data=st.data())
def test_a_union_counts_each_record_once(records: list[Record], data: st.DataObject) -> None:
    part = fold([r for r in records if data.draw(st.booleans())])
    whole = fold(records)
    assert union([part, whole]) == union([whole, part]) == union([whole]) == whole


@given(records=RECORDS)
def test_a_day_file_reads_back_and_is_the_same_every_time(records: list[Record]) -> None:
    rows = fold(records)
    assert decode_day(encode_day(rows)).rows == rows
    assert encode_day(rows) == encode_day(json.loads(json.dumps(rows)))
    assert gzip.decompress(encode_day(rows)).count(b"\n") == len(rows)


def test_covered_time_counts_each_instant_once() -> None:
    assert covered_seconds([]) == 0
    assert covered_seconds([(0, 4 * SECOND_NS), (2 * SECOND_NS, 3 * SECOND_NS), (8 * SECOND_NS, 9 * SECOND_NS)]) == 5


def test_every_name_that_is_written_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "mlflow.md").read_text(encoding="utf-8")
    tags = [value for name, value in vars(semconv).items() if name.startswith("TAG_")]
    missing = [name for name in (*(metric.name for metric in semconv.METRICS), *tags) if f"`{name}`" not in text]
    assert not missing

"""What a user's own runs show beyond their totals: how they ended, descriptions, models, and runs that cannot be written to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from ecoia.delivery.deliver import deliver
from ecoia.keeping.journal import Journal
from ecoia.records import fold
from support.deliveries import api, configured, ledger
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.records import ending, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

NOTE = "mlflow.note.content"


def everything(uri: str) -> dict[str, Any]:
    """All that the store shows: each run's metrics with their histories, tags, status, end, and the experiments' tags."""
    client = api(uri)
    found: dict[str, Any] = {}
    for experiment in client.search_experiments():
        found[experiment.name] = dict(experiment.tags)
        for run in client.search_runs([experiment.experiment_id]):
            points = {
                name: [(p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            }
            found[run.info.run_id] = (points, run.data.tags, run.info.status, run.info.end_time)
    return found


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        ("FINISHED", "abandoned", "ok"),  # MLflow's own end of the process comes after ours
        ("FINISHED", "failed", "ok"),  # a caught error
        ("FAILED", "ok", "failed"),
        ("KILLED", "ok", "abandoned"),
        ("RUNNING", "failed", "failed"),  # MLflow does not know that the process is gone
    ],
)
def test_a_run_ended_as_the_store_says(
    journal: Journal, tracking_uri: str, target: str, status: str, said: str, outcome: str
) -> None:
    run_id = api(tracking_uri).create_run("0").info.run_id
    if status != "RUNNING":
        api(tracking_uri).set_terminated(run_id, status)
    # Two labels in one run, one of which nobody ended.
    labels: list[dict[str, Any]] = [{"target": target, "run_id": run_id, "phase": phase} for phase in ("training", "evaluation")]
    write(journal, [training(at=20 * n, **label) for n, label in enumerate(labels)] + [ending(said, **label) for label in labels])
    deliver(journal, configured())
    assert api(tracking_uri).get_run(run_id).data.tags["ecoia.outcome"] == outcome


def test_a_run_that_ended_is_whole_while_its_process_lives_and_one_that_goes_on_says_nothing_of_its_end(
    journal: Journal, tracking_uri: str, target: str, host: Callable[..., Any]
) -> None:
    client = api(tracking_uri)
    done, open_ = (client.create_run("0").info.run_id for _ in range(2))
    client.set_terminated(done)
    worker = host(training(target=target, run_id=done), training(target=target, run_id=open_, at=30))
    deliver(journal, configured(), by_hand=False)
    assert NOTE in client.get_run(done).data.tags
    assert len(client.list_artifacts(done, "ecoia")) == 2
    going_on = client.get_run(open_)
    assert going_on.data.metrics["ecoia/energy_wh"] > 0
    assert not {NOTE, "ecoia.outcome"} & going_on.data.tags.keys()
    client.set_terminated(open_, "FAILED")
    worker.communicate()
    deliver(journal, configured(), by_hand=False)
    assert client.get_run(open_).data.tags["ecoia.outcome"] == "failed"
    assert "gave no result" in client.get_run(open_).data.tags[NOTE]
    assert "50 % of it in failed runs" in client.get_experiment("0").tags[NOTE], (
        "its experiment was looked at once more, at the end"
    )


@pytest.mark.parametrize("by", ["SQLite", "a server"])
def test_delivering_twice_changes_nothing(
    journal: Journal, tracking_uri: str, tmp_path: Path, by: str, request: pytest.FixtureRequest
) -> None:
    from ecoia.keeping.destinations import register_target

    uri = tracking_uri
    if by == "a server":
        server = mlflow_server(tracking_uri, free_port(), tmp_path / "artifacts")
        uri = server.__enter__()
        request.addfinalizer(lambda: server.__exit__(None, None, None))
    target, client = register_target(journal.home, uri), api(uri)
    root = client.create_run("0", run_name="root").info.run_id
    child = client.create_run("0", tags={"mlflow.parentRunId": root}).info.run_id
    model = client.create_logged_model("0", name="m", source_run_id=root)
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(root, [LoggedModelOutput(model.model_id, 0)])
    client.log_metric(root, "accuracy", 0.9)
    write(
        journal,
        [
            training(target=target, run_id=root, cpu=3_600_000_000, units_micro=1_000_000),
            training(target=target, run_id=child, at=20, cpu=3_600_000_000),
            training(target=target, at=50),
            training(target=target, at=90, phase="inference", run_id=None),
            *(ending(target=target, run_id=run_id, at=30) for run_id in (root, child, "ecoia-session-1")),
        ],
    )
    deliver(journal, configured(zone="FRA"))
    first = everything(uri)
    # A model shows the energy of the run that made it, so that models are sorted by it.
    (found,) = client.search_logged_models(["0"], order_by=[{"field_name": "metrics.ecoia/energy_wh", "ascending": False}])
    assert {m.key: m.value for m in found.metrics} == {
        "ecoia/energy_wh": pytest.approx(2, rel=1e-6),
        "ecoia/co2e_g": pytest.approx(2 * 0.04144, rel=1e-4),
    }
    assert first["Default"][NOTE].startswith("ecoia: 2.00 Wh, 83 mg CO2e in 1 run since ")
    assert {first[name]["ecoia.kind"] for name in ("ecoia/ledger", "ecoia/vadore")} == {"ledger", "view"}
    deliver(journal, configured(zone="FRA"))
    assert everything(uri) == first
    # What a sum over everything gives is the ledger.
    runs = [run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])]
    shown = sum(run.data.metrics.get("ecoia/energy_wh", 0) for run in runs if "ecoia.share_of" not in run.data.tags)
    kept = sum(sum(filter(None, row["energy_microjoules"].values())) for row in ledger(uri))
    assert shown == pytest.approx(kept / 3.6e9, rel=1e-9)


@pytest.mark.parametrize("tag_of", ["run", "experiment"])
def test_a_description_belongs_to_whoever_edited_it(journal: Journal, tracking_uri: str, target: str, tag_of: str) -> None:
    client = api(tracking_uri)
    mine, ours = (client.create_run("0").info.run_id for _ in range(2))

    def note(run_id: str) -> str:
        tags = client.get_run(run_id).data.tags if tag_of == "run" else client.get_experiment("0").tags
        return str(tags.get(NOTE, ""))

    def set_note(run_id: str, text: str) -> None:
        if tag_of == "run":
            client.set_tag(run_id, NOTE, text)
        else:
            client.set_experiment_tag("0", NOTE, text)

    set_note(mine, "baseline of Ada")
    write(journal, [training(target=target, run_id=run_id) for run_id in (mine, ours)])
    deliver(journal, configured())
    assert note(mine) == "baseline of Ada"
    if tag_of == "experiment":
        set_note(mine, "")
        deliver(journal, configured())
    assert note(ours).startswith("ecoia: ")
    write(journal, [training(target=target, run_id=ours, at=60, cpu=10_000_000)])
    before = note(ours)
    deliver(journal, configured())
    assert note(ours) != before, "ours follows the figures"
    set_note(ours, note(ours) + "\nmy remark")
    write(journal, [training(target=target, run_id=ours, at=120, cpu=10_000_000)])
    deliver(journal, configured())
    assert note(ours).endswith("my remark")


def test_a_run_that_is_deleted_while_it_is_written_stops_no_other(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    client = api(tracking_uri)
    going, kept = (client.create_run("0").info.run_id for _ in range(2))
    write(journal, [training(target=target, run_id=run_id) for run_id in (going, kept)])
    log_batch = mlflow.MlflowClient.log_batch

    def delete_first(self: Any, run_id: str, *args: Any, **kwargs: Any) -> Any:
        if run_id == going:
            client.delete_run(going)
        return log_batch(self, run_id, *args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", delete_first)
    result = deliver(journal, configured())
    assert [problem for problem in result.problems if going in problem] == [
        f"run {going} was deleted: its figures are in the ledger only"
    ]
    assert (result.pending, result.failed) == (0, False)
    assert api(tracking_uri).get_run(kept).data.metrics["ecoia/energy_wh"] > 0


@pytest.mark.parametrize("method", ["log_batch", "log_text"])
def test_a_run_that_this_account_may_not_write_to_is_named_and_not_tried_for_ever(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A server refuses artifacts with a status of HTTP, everything else with an error of MLflow."""
    import mlflow

    client = api(tracking_uri)
    refused, kept = (client.create_run("0").info.run_id for _ in range(2))
    write(journal, [training(target=target, run_id=run_id) for run_id in (refused, kept)])
    write_to = getattr(mlflow.MlflowClient, method)

    def refuse(self: Any, run_id: str, *args: Any, **kwargs: Any) -> Any:
        if run_id == refused and method == "log_batch":
            raise MlflowException("no permission", error_code=PERMISSION_DENIED)
        if run_id == refused:
            answer = requests.Response()
            answer.status_code = 403
            answer.raise_for_status()
        return write_to(self, run_id, *args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, method, refuse)
    result = deliver(journal, configured(), by_hand=False)
    (problem,) = result.problems
    assert refused in problem
    assert "may not write" in problem
    assert (result.pending, result.failed) == (0, False)
    assert api(tracking_uri).get_run(kept).data.metrics["ecoia/energy_wh"] > 0
    assert ledger(tracking_uri) == fold(journal.scan().records)
    assert deliver(journal, configured(), by_hand=False).problems == ()


def test_names_that_no_database_takes_are_written_as_far_as_they_can_be(journal: Journal, tracking_uri: str, target: str) -> None:
    client = api(tracking_uri)
    root = client.create_run("0", run_name="a\"b'c`d").info.run_id
    child = client.create_run("0", run_name="é|<x>", tags={"mlflow.parentRunId": root}).info.run_id
    write(journal, [training(target=target, run_id=run_id, model_version="m'`\"") for run_id in (root, child)])
    assert not deliver(journal, configured()).problems
    assert client.get_run(child).data.tags["ecoia.share_of"] == root
    digest = client.get_run(root).data.tags["ecoia.note"]
    assert digest == hashlib.sha256(client.get_run(root).data.tags[NOTE].encode()).hexdigest()[:16]

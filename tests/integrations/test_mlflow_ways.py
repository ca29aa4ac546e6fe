"""Runs made in every way that MLflow has, in its newest and its oldest version, on SQLite and on a server: whose energy it is.

One program (``support/mlflow_ways.py``) makes them all, in the newest version once on each kind of store. The tests read what it
recorded. The oldest version on a server is that of ``test_mlflow_views``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ecoia.records import Record, fold
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KIND_SPAN
from support.environment import clean_environment
from support.matrix import represented
from support.mlflow_stores import free_port, migrated, migrated_by_old, mlflow_server, old_mlflow
from support.programs import recorded
from support.records import losses_of_ours

__all__ = ["migrated", "migrated_by_old"]  # fixtures

pytestmark = pytest.mark.mlflow

WAYS = [
    "fluent", "nested", "failing", "two_threads", "resumed", "by_variable", "by_client", "by_client_updated", "sweep_by_client",
    "several_open", "told_afterwards", "ended_by_another_thread", "terminated_by_another_thread", "deleted",
    "in_a_store_that_goes_away", "forked", "disabled", "begun_in_a_span", "begun_in_a_coroutine", "awaited_in_a_request",
    "begun_in_a_request", "with_a_pool", "named", "autologged", "searched", "never_ended",
]  # fmt: skip
UNBOUNDED = {"autologged", "searched"}
"""Ways in which MLflow itself works for the run."""

CLOCKS_MS = 5
"""Most by which clocks of threads and of the process differ."""

EXIT_MS = 500
"""Most CPU time of what MLflow does at the exit, after the program has answered."""

OUTCOMES = {"FINISHED": "ok", "FAILED": "failed", "RUNNING": "ok"}
"""By status. One run is still running when the program asks, and MLflow ends it as finished."""


QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}


class Told(NamedTuple):
    """What the program said, what it recorded, and what it wrote to stderr."""

    ways: dict[str, dict[str, Any]]
    process_ms: float
    records: list[Record]
    errors: str


@pytest.fixture(scope="module", params=represented(["3-sqlite", "3-server", "2-sqlite"], by=["3-server", "2-sqlite"]))
def told(
    request: pytest.FixtureRequest, migrated: Path, migrated_by_old: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """The program's answer, in one version and with one kind of store."""
    version, _, kind = request.param.partition("-")
    python = Path(sys.executable) if version == "3" else old_mlflow()
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copy(migrated if version == "3" else migrated_by_old, folder / "mlflow.db")
    database = f"sqlite:///{folder / 'mlflow.db'}"
    if kind == "server":
        measured = {"ECOIA_AUTOLOG": "1", "ECOIA_HOME": str(folder / "home of the server")}
        with mlflow_server(database, free_port(), folder / "artifacts", python=python, **measured) as uri:
            yield run_ways(python, uri, folder)
        assert not (folder / "home of the server").exists()  # the runs are the clients', whose processes measure them
    else:
        yield run_ways(python, database, folder)


def run_ways(python: Path, uri: str, folder: Path) -> Told:
    answer = folder / "answer.json"
    program = Path(__file__).resolve().parents[1] / "support" / "mlflow_ways.py"
    done = subprocess.run(
        [python, program, uri, answer],
        cwd=folder, capture_output=True, text=True, timeout=600, check=False,
        env=clean_environment() | {"ECOIA_HOME": str(folder / "home"), "ECOIA_DELIVERY": "manual", **QUIET},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Told(**json.loads(answer.read_text(encoding="utf-8")), records=recorded(folder / "home"), errors=done.stderr)


def by_run(records: list[Record]) -> dict[str | None, float]:
    """CPU time of spans in milliseconds, by run."""
    sums: dict[str | None, float] = defaultdict(float)
    for record in records:
        if record.kind == KIND_SPAN:
            sums[record.run_id] += record.cpu_ns / 1e6
    return sums


def test_the_program_knows_every_way_of_the_table(told: Told) -> None:
    assert list(told.ways) == WAYS


@pytest.mark.parametrize("name", WAYS)
def test_a_run_has_the_work_that_was_done_in_it(told: Told, name: str) -> None:
    """And none of what was burned outside: on top come MLflow's own requests at most, however slow this machine is at them."""
    way, cpu_ms = told.ways[name], by_run(told.records)
    most_ms = way["spare"] + CLOCKS_MS + (EXIT_MS if name == "never_ended" else 0)
    for run_id, burned_ms in way["runs"].items():
        assert cpu_ms[run_id] >= burned_ms - 1, run_id
        assert cpu_ms[run_id] > 0
        assert name in UNBOUNDED or cpu_ms[run_id] <= burned_ms + most_ms
    for run_id in way["without"]:
        assert cpu_ms[run_id] <= most_ms  # MLflow's own request at the end of the last one that is open, at most


@pytest.mark.parametrize("name", WAYS)
def test_a_run_ends_as_mlflow_says(told: Told, name: str) -> None:
    """The last outcome of each label of a run is the run's status."""
    way = told.ways[name]
    if name in ("failing", "by_client_updated", "never_ended"):
        assert set(way["statuses"].values()) == {"RUNNING" if name == "never_ended" else "FAILED"}
    for run_id, status in way["statuses"].items():
        last = {(r.service, r.phase): r.outcome for r in told.records if r.kind == KIND_OUTCOME and r.run_id == run_id}
        assert last, run_id
        assert set(last.values()) == {OUTCOMES[status]}


def test_the_runs_and_the_rest_are_the_journal(told: Told) -> None:
    """Parting energy by run neither makes nor loses any: to the microjoule in rows of the ledger, by the clocks in CPU time."""
    runs = {run_id for way in told.ways.values() for run_id in way["runs"]}
    rows = fold(told.records)
    for component in COMPONENTS:
        of_runs = sum(row["energy_microjoules"][component] or 0 for row in rows if row["run_id"] in runs)
        rest = sum(row["energy_microjoules"][component] or 0 for row in rows if row["run_id"] not in runs)
        assert of_runs + rest == sum(record.energy_microjoules[component] or 0 for record in told.records)
        assert of_runs > 0 or component == "gpu"
    recorded_ms = sum(record.cpu_ns for record in told.records) / 1e6
    assert told.process_ms - 20 <= recorded_ms <= told.process_ms + EXIT_MS
    burned_ms = sum(sum(way["runs"].values()) + way["outside"] for way in told.ways.values())
    assert sum(by_run(told.records).values()) >= burned_ms


def test_work_outside_runs_stays_outside(told: Told) -> None:
    outside_ms = sum(way["outside"] for way in told.ways.values())
    session_ms = sum(ms for run_id, ms in by_run(told.records).items() if run_id is not None and run_id.startswith("ecoia-"))
    assert session_ms >= outside_ms - 1


def test_each_run_has_its_service_and_phase(told: Told) -> None:
    services: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for record in told.records:
        if record.kind == KIND_SPAN and record.run_id is not None:
            services[record.run_id].add((record.service, record.phase))
    (fluent,) = told.ways["fluent"]["runs"]
    assert services[fluent] == {("ways", "training")}
    for run_id in told.ways["begun_in_a_span"]["runs"]:
        assert services[run_id] == {("decorated", "training")}
    (in_a_request,) = told.ways["begun_in_a_request"]["runs"]
    assert services[in_a_request] == {("served", "training")}
    (awaited,) = told.ways["awaited_in_a_request"]["runs"]
    assert services[awaited] == {("served", "training")}
    (named,) = told.ways["named"]["runs"]
    assert services[named] == {("named", "evaluation")}


def test_what_could_not_be_told_is_counted_and_nothing_else(told: Told) -> None:
    lost = losses_of_ours(told.records)
    (first,) = told.ways["several_open"]["without"]
    (second,) = told.ways["several_open"]["runs"]
    assert set(lost) - {"meters-not-found"} == {f"several-runs-open:{run_id}" for run_id in (first, second)}
    assert told.errors.count("ecoia:") == 0

"""A store with runs as a data scientist makes them, measured by made-up records, for pictures of MLflow's pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from ecoia.delivery.deliver import deliver
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records import Record
from ecoia.units import split_integer
from support.deliveries import api, configured
from support.records import LOAD, NVML, RAPL, SECOND_NS, outcome, record, write

_TRIALS = (
    (10, 0.871, 9.2, "FINISHED"),
    (50, 0.903, 31.0, "FINISHED"),
    (100, 0.912, 58.4, "FINISHED"),
    (400, 0.9, 77.0, "FAILED"),
)
"""Of each trial: trees, accuracy, joules of the CPU in thousands, status."""


_WINDOW_SECONDS = 10


class Demo(NamedTuple):
    """The runs of the demo: a single training with its model, a search and one of its trials, their experiment."""

    experiment: str
    single: str
    search: str
    trial: str
    service_experiment: str
    ledger_experiment: str
    model: str | None


def make_demo(journal: Journal, uri: str) -> Demo:
    """Fill a store with runs, measure them and deliver.

    Args:
        journal: An empty journal.
        uri: The store.
    """
    client, target = api(uri), register_target(journal.home, uri)
    experiment = client.create_experiment("vadore-ranking")
    start_ns = time.time_ns() // (1800 * SECOND_NS) * 1800 * SECOND_NS - 3600 * SECOND_NS
    single = _run(client, experiment, "resnet-baseline", start_ns, 842, {"epochs": 8}, {"accuracy": 0.934, "loss": 0.21})
    _add_dataset(client, single, "offres-2026-09")
    model = _add_model(client, experiment, single)
    records: list[Record] = [*_trained(single, target, start_ns, 842, gpu=35_280, cpu=6_840, units=120_000)]
    search_ns = start_ns + 1000 * SECOND_NS
    search = _run(client, experiment, "search-trees", search_ns, 640, {}, {})
    trials = []
    for number, (trees, accuracy, kilojoules, status) in enumerate(_TRIALS):
        at_ns = search_ns + (20 + number * 150) * SECOND_NS
        parent = {"mlflow.parentRunId": search}
        run = _run(client, experiment, f"trial-{number}", at_ns, 140, {"trees": trees}, {"accuracy": accuracy}, status, parent)
        records += _trained(run, target, at_ns, 140, cpu=round(kilojoules * 100), status=status)
        trials.append(run)
    records += _trained(search, target, search_ns, 640, cpu=420)
    records += _served(target, start_ns)
    write(journal, records)
    result = deliver(journal, configured(zone="FRA"))
    assert not result.problems, result.problems
    found = {name: client.get_experiment_by_name(name).experiment_id for name in ("ecoia/vadore", "ecoia/ledger")}
    return Demo(experiment, single, search, trials[1], found["ecoia/vadore"], found["ecoia/ledger"], model)


def _run(
    client: Any,
    experiment: str,
    name: str,
    start_ns: int,
    seconds: int,
    params: dict[str, object],
    metrics: dict[str, float],
    status: str = "FINISHED",
    tags: dict[str, str] | None = None,
) -> str:
    tags = {"mlflow.user": "ada", "mlflow.source.name": "train.py", **(tags or {})}
    run_id = str(client.create_run(experiment, start_time=start_ns // 1_000_000, run_name=name, tags=tags).info.run_id)
    for key, value in params.items():
        client.log_param(run_id, key, value)
    for key, number in metrics.items():
        for step in range(8):
            client.log_metric(run_id, key, number * (1 - 0.5 ** (step + 1)), step=step)
    client.set_terminated(run_id, status, end_time=start_ns // 1_000_000 + seconds * 1000)
    return run_id


def _add_dataset(client: Any, run_id: str, name: str) -> None:
    from mlflow.entities import Dataset, DatasetInput

    client.log_inputs(run_id, [DatasetInput(Dataset(name, "d1", "local", "{}"))])


def _add_model(client: Any, experiment: str, run_id: str) -> str | None:
    if not hasattr(client, "create_logged_model"):  # MLflow 2
        return None
    from mlflow.entities import LoggedModelOutput

    model = client.create_logged_model(experiment, name="resnet", source_run_id=run_id)
    client.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0)])
    client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def _trained(
    run_id: str,
    target: str,
    start_ns: int,
    seconds: int,
    *,
    cpu: int,
    gpu: int | None = None,
    units: int | None = None,
    status: str = "FINISHED",
) -> Iterator[Record]:
    """Give the records of training, window by window: joules of CPU and GPU, measured. It warms up, and pauses to validate."""
    windows = max(seconds // _WINDOW_SECONDS, 1)
    effort = [200 if window < 2 or window % 20 == 19 else 1000 + window * 7 % 5 * 12 for window in range(windows)]
    energy = {
        name: split_integer(joules * 1_000_000, effort)
        for name, joules in (("gpu", gpu), ("cpu", cpu), ("ram", round(cpu * 0.37)))
        if joules is not None
    }
    for window in range(windows):
        yield record(
            start_ns + window * _WINDOW_SECONDS * SECOND_NS,
            **{name: parts[window] for name, parts in energy.items()},
            methods={"cpu": RAPL if gpu else LOAD, "gpu": NVML},
            end_utc_ns=start_ns + (seconds if window == windows - 1 else (window + 1) * _WINDOW_SECONDS) * SECOND_NS,
            phase="training",
            run_id=run_id,
            target=target,
            instance="gpu-1",
            units_micro=units * 1_000_000 if units and not window else None,
        )
    ended = "failed" if status == "FAILED" else "ok"
    yield outcome(start_ns + seconds * SECOND_NS, run_id, ended, target=target, instance="gpu-1")


def _served(target: str, start_ns: int) -> Iterator[Record]:
    for hour in range(3):
        for endpoint, joules in (("/predict", 9_000 + 4_000 * hour), ("/explain", 2_500)):
            yield record(
                start_ns - hour * 3600 * SECOND_NS,
                5,
                cpu=joules * 1_000_000,
                ram=joules * 200_000,
                endpoint=endpoint,
                model_version="models:/offres/3",
                spans=900,
                units_micro=900_000_000,
                target=target,
                instance="api-1",
            )

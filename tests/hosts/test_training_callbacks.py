"""Callbacks of training loops, with the real libraries: one span a training, the samples it trained on, and its end."""

from __future__ import annotations

import copy
import doctest
import importlib
import pickle
import runpy
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import lightgbm
import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import xgboost
from lightning.pytorch.loggers import MLFlowLogger
from sklearn.base import clone
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import ecoia
import ecoia_integrations.keras
import ecoia_integrations.lightgbm
import ecoia_integrations.lightning
import ecoia_integrations.transformers
import ecoia_integrations.xgboost
from ecoia.errors import UsageError
from support.programs import recorded
from support.quiet_engine import QuietEngine, burn

HOSTS = {
    name: importlib.import_module(f"ecoia_integrations.{name}").EcoiaCallback
    for name in ("transformers", "lightning", "keras", "xgboost")
}
ROWS = 10
"""Samples of the training data: batches of 4 leave a last one of 2."""


class BrokenTrainingError(Exception):
    """Raised by a training."""


def units(engine: QuietEngine, service: str = "vadore") -> float:
    return sum(counters.units_micro for counters in engine.every(service)) / 1_000_000


def ends(engine: QuietEngine, service: str = "vadore") -> list[bool]:
    """Return whether the last training of each run failed."""
    return [counters.last_failed for counters in engine.every(service) if counters.ended]


class Texts(torch.utils.data.Dataset):
    def __init__(self, rows: int = ROWS, broken_at: int | None = None) -> None:
        self.rows, self.broken_at = rows, broken_at

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == self.broken_at:
            raise BrokenTrainingError
        return {"input_ids": torch.tensor([1, 2, 3]), "attention_mask": torch.ones(3, dtype=torch.long), "labels": index % 2}


class Streamed(torch.utils.data.IterableDataset):
    def __iter__(self) -> Any:
        return (Texts()[index] for index in range(ROWS))


def trainer(callback: Any, data: Any = None, **arguments: Any) -> Trainer:
    config = BertConfig(
        vocab_size=10, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4, max_position_embeddings=4
    )
    more = arguments.pop("callbacks", [])
    arguments = {"num_train_epochs": 2, "save_strategy": "no", **arguments}
    arguments = {"report_to": [], **arguments}
    told = TrainingArguments(
        "out", use_cpu=True, disable_tqdm=True, per_device_train_batch_size=4, logging_strategy="no", **arguments
    )
    evaluated = Texts(2) if "eval_strategy" in arguments else None
    return Trainer(
        BertForSequenceClassification(config),
        told,
        train_dataset=data or Texts(),
        eval_dataset=evaluated,
        callbacks=[callback, *more],
    )


class Regression(pl.LightningModule):
    def __init__(self, broken_at: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.broken_at = broken_at

    def training_step(self, batch: Any, index: int) -> Any:
        if index == self.broken_at:
            raise BrokenTrainingError
        rows = batch["x"] if isinstance(batch, dict) else batch[0]
        return self.layer(rows).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit_lightning(callback: Any, model: Any = None, loader: Any = None, **arguments: Any) -> pl.Trainer:
    loader = loader or torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(ROWS, 2)), batch_size=4)
    made = pl.Trainer(
        **{"max_epochs": 2, "logger": False, **arguments}, callbacks=[callback], accelerator="cpu", enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    made.fit(model or Regression(), loader)
    return made


class Perceptron(keras.Model):
    """Counts the samples that it is trained on."""

    seen = 0

    def train_step(self, data: Any) -> Any:
        self.seen += len(data[0])
        return super().train_step(data)


def perceptron(**arguments: Any) -> Perceptron:
    given = keras.layers.Input((2,))
    model = Perceptron(given, keras.layers.Dense(1)(given))
    model.compile(optimizer="sgd", loss="mse", **arguments)
    return model


def fit_keras(callback: Any, model: Any = None, x: Any = None, **arguments: Any) -> None:
    if x is None:
        x, arguments["y"] = np.ones((ROWS, 2)), np.ones((ROWS, 1))
        arguments.setdefault("batch_size", 4)
    more = arguments.pop("callbacks", [])
    (model or perceptron()).fit(x, **{"epochs": 2, **arguments}, verbose=0, callbacks=[callback, *more])


def boosted_data() -> Any:
    return xgboost.DMatrix(np.arange(2.0 * ROWS).reshape(ROWS, 2), np.arange(ROWS) % 2)


def train_xgboost(callback: Any, **arguments: Any) -> Any:
    more = arguments.pop("callbacks", [])
    told = {"verbose_eval": False, **arguments}
    return xgboost.train({"nthread": 1}, boosted_data(), 2, callbacks=[*more, callback], **told)


TRAIN: dict[str, Callable[[Any], Any]] = {
    "transformers": lambda callback: trainer(callback).train(),
    "lightning": fit_lightning,
    "keras": fit_keras,
    "xgboost": train_xgboost,
}


def _raise(*_: Any, **__: Any) -> Any:
    raise BrokenTrainingError


class _BrokenForKeras(keras.callbacks.Callback):
    on_train_batch_end = _raise


class _PrunedForXgboost(xgboost.callback.TrainingCallback):
    after_iteration = _raise


BREAK: dict[str, Callable[[Any], Any]] = {
    "transformers": lambda callback: trainer(callback, Texts(broken_at=9)).train(),
    "lightning": lambda callback: fit_lightning(callback, Regression(broken_at=1)),
    "keras": lambda callback: fit_keras(callback, callbacks=[_BrokenForKeras()]),
    "xgboost": lambda callback: train_xgboost(callback, callbacks=[_PrunedForXgboost()]),
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_training_is_one_span_with_its_samples_and_callbacks_serve_again(engine: QuietEngine, host: str) -> None:
    callback = HOSTS[host](service="vadore")
    TRAIN[host](callback)
    assert (engine.spans("vadore"), units(engine), ends(engine)) == (1, 2 * ROWS, [False])
    TRAIN[host](callback)
    assert (engine.spans("vadore"), units(engine)) == (2, 4 * ROWS)
    engine.assert_settled()
    phases = {counters.label.phase for counters in engine.every("vadore")}
    assert phases == {"fine-tuning" if host == "transformers" else "training"}


@pytest.mark.parametrize("host", HOSTS)
def test_a_training_that_raises_has_failed_and_its_exception_arrives(engine: QuietEngine, host: str) -> None:
    callback = HOSTS[host](service="vadore")
    with pytest.raises(BrokenTrainingError) as raised:
        BREAK[host](callback)
    assert type(raised.value) is BrokenTrainingError
    engine.assert_settled()  # what comes after the training is not charged to it
    assert (engine.spans("vadore"), ends(engine)) == (1, [True])
    TRAIN[host](callback)
    assert (engine.spans("vadore"), ends(engine)) == (2, [False])


@pytest.mark.parametrize("host", HOSTS)
def test_copies_keep_the_arguments_and_no_open_span(engine: QuietEngine, host: str) -> None:
    callback = HOSTS[host]("vadore", "evaluation")
    callback._training.begin()
    copies = [copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))]  # noqa: S301
    for each in copies:
        each._training.count(lambda: 5)
        each._training.end()
    assert (engine.spans("vadore"), units(engine)) == (0, 0)
    callback._training.end()
    for each in copies:
        TRAIN[host](each)
    assert (engine.spans("vadore"), units(engine)) == (3, 4 * ROWS)
    assert {counters.label.phase for counters in engine.every("vadore")} == {"evaluation"}


@pytest.mark.parametrize("host", HOSTS)
def test_a_wrong_argument_stops_the_program_where_it_is_written(host: str) -> None:
    with pytest.raises(UsageError, match="Not an id"):
        HOSTS[host](service="Not an id")
    with pytest.raises(UsageError, match="learning"):
        HOSTS[host](phase="learning")


@pytest.mark.parametrize("host", HOSTS)
def test_inside_a_span_a_callback_without_a_service_takes_its_service(engine: QuietEngine, host: str) -> None:
    with ecoia.track(service="around", phase="training"):
        burn(20)
        TRAIN[host](HOSTS[host]())
    assert (engine.spans("around"), units(engine, "around")) == (2, 2 * ROWS)
    assert engine.every("vadore") == []


@pytest.mark.parametrize("host", HOSTS)
def test_switched_off_it_only_trains(engine: QuietEngine, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "disabled", True)
    TRAIN[host](HOSTS[host](service="vadore"))
    assert engine.threads == []


@pytest.mark.parametrize("host", HOSTS)
def test_examples_in_docstrings_run(host: str) -> None:
    assert doctest.testmod(importlib.import_module(f"ecoia_integrations.{host}")).failed == 0


# --- what each host counts


@pytest.mark.parametrize(
    ("arguments", "samples"),
    [
        ({"gradient_accumulation_steps": 2}, 2 * ROWS),  # steps of 8 and 2 samples
        ({"dataloader_drop_last": True}, 2 * 8),
        ({"max_steps": 4}, ROWS + 4),  # an epoch of three batches, and a batch
        ({"max_steps": 1, "gradient_accumulation_steps": 2}, 8),
    ],
)
def test_transformers_counts_the_samples_of_each_batch(engine: QuietEngine, arguments: dict[str, Any], samples: int) -> None:
    trainer(HOSTS["transformers"]("vadore"), **arguments).train()
    assert units(engine) == samples


def test_transformers_counts_a_stream_by_whole_batches(engine: QuietEngine) -> None:
    trainer(HOSTS["transformers"]("vadore"), Streamed(), max_steps=2).train()
    assert units(engine) == 8


def test_transformers_counts_what_a_resumed_training_adds(engine: QuietEngine) -> None:
    first = trainer(HOSTS["transformers"]("vadore"), max_steps=2, save_strategy="steps", save_steps=2)
    first.train()
    assert units(engine) == 8
    trainer(HOSTS["transformers"]("vadore"), max_steps=6).train(resume_from_checkpoint="out/checkpoint-2")
    assert units(engine) == 2 * ROWS
    assert engine.spans("vadore") == 2


def test_transformers_counts_up_to_an_early_stop(engine: QuietEngine) -> None:
    stopped = trainer(
        HOSTS["transformers"]("vadore"),
        num_train_epochs=5, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True,
        metric_for_best_model="eval_loss", learning_rate=0.0, callbacks=[EarlyStoppingCallback(1)],
    )  # fmt: skip
    stopped.train()
    assert units(engine) == 2 * ROWS
    assert ends(engine) == [False]


def test_transformers_takes_the_class_and_retries_with_smaller_batches(
    engine: QuietEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Trainer begins again after an error of memory, and tells its callbacks of a second start without an end."""
    monkeypatch.setenv("ECOIA_SERVICE", "vadore")
    made = trainer(HOSTS["transformers"], auto_find_batch_size=True)
    step, failed = made.training_step, []

    def training_step(*arguments: Any, **more: Any) -> Any:
        if not failed:
            failed.append(True)
            raise RuntimeError("CUDA out of memory.")
        return step(*arguments, **more)

    monkeypatch.setattr(made, "training_step", training_step)
    made.train()
    counters = [each for state in engine.threads for each in state.counters.values()]
    assert sum(each.spans for each in counters) == 2
    assert sum(each.units_micro for each in counters) == 2 * ROWS * 1_000_000
    engine.assert_settled()


def test_transformers_reports_to_all_without_codecarbon(monkeypatch: pytest.MonkeyPatch) -> None:
    """ecoia does not need codecarbon, so ``report_to="all"`` starts no second measurement where only ecoia is installed."""
    from importlib.metadata import requires

    from transformers.integrations import integration_utils

    assert not [line for line in requires("ecoia") or [] if "codecarbon" in line]
    find_spec = importlib.util.find_spec
    hidden = lambda name, *more: None if name == "codecarbon" else find_spec(name, *more)  # noqa: E731 - these tests' packages have it
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    names = integration_utils.get_available_reporting_integrations()
    assert "codecarbon" not in names
    assert not [name for name in integration_utils.INTEGRATION_TO_CALLBACK if "ecoia" in name]
    monkeypatch.undo()
    assert "codecarbon" in integration_utils.get_available_reporting_integrations(), "this test hides nothing"


@pytest.mark.parametrize(
    ("arguments", "samples"),
    [
        ({"accumulate_grad_batches": 2}, 2 * ROWS),
        ({"max_steps": 4}, ROWS + 4),
        ({"limit_train_batches": 2}, 2 * 8),
    ],
)
def test_lightning_counts_the_samples_of_each_batch(engine: QuietEngine, arguments: dict[str, Any], samples: int) -> None:
    fit_lightning(HOSTS["lightning"]("vadore"), **arguments)
    assert units(engine) == samples


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        (torch.ones(3, 2), 3),
        ([torch.ones(3, 2), torch.ones(3)], 3),
        ({"text": ["a", "b"], "x": torch.ones(2, 5)}, 2),
        (("a", "b", "c"), 3),
        ([["a", "b"], {"x": np.ones((2, 4))}], 2),
        (torch.tensor(1.0), 1),
        ([], None),
        (object(), None),
    ],
)
def test_lightning_finds_the_size_of_a_batch(batch: Any, samples: int | None) -> None:
    assert ecoia_integrations.lightning._samples(batch) == samples


def test_lightning_says_that_samples_are_unknown(engine: QuietEngine) -> None:
    class Opaque(Regression):
        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(torch.ones(1, 2)).sum()

    loader = torch.utils.data.DataLoader([1, 2, 3, 4], batch_size=2, collate_fn=lambda rows: object())
    fit_lightning(HOSTS["lightning"]("vadore"), Opaque(), loader, max_epochs=1)
    assert units(engine) == 0
    assert list(engine.lost) == ["missing-units"] * 2


def test_lightning_validates_outside(engine: QuietEngine) -> None:
    class Validated(Regression):
        def validation_step(self, batch: Any, index: int) -> None:
            self.layer(batch[0])

    made = fit_lightning(HOSTS["lightning"]("vadore"), Validated(), max_epochs=1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(ROWS, 2)), batch_size=4)
    made.validate(made.lightning_module, loader, verbose=False)
    assert (engine.spans("vadore"), units(engine)) == (1, ROWS)


class Rows(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return np.ones((4, 2)), np.ones((4, 1))


def torch_loader(**arguments: Any) -> Any:
    data = torch.utils.data.TensorDataset(torch.ones(ROWS, 2), torch.ones(ROWS, 1))
    return torch.utils.data.DataLoader(data, batch_size=4, **arguments)


@pytest.mark.parametrize(
    ("arguments", "samples"),
    [
        ({"validation_split": 0.3}, 2 * 7),
        ({"steps_per_epoch": 2, "epochs": 3}, 4 + 4 + 2 + 4 + 4),  # an epoch goes on where the last one stopped
        ({"x": torch_loader()}, 2 * ROWS),
        ({"x": torch_loader(drop_last=True)}, 2 * 8),
        ({"initial_epoch": 1, "epochs": 3}, 2 * ROWS),
        ({"batch_size": 64}, 2 * ROWS),
        ({"batch_size": None}, 2 * ROWS),
    ],
)
def test_keras_counts_the_samples_of_each_epoch(engine: QuietEngine, arguments: dict[str, Any], samples: int) -> None:
    model = perceptron()
    fit_keras(HOSTS["keras"]("vadore"), model, **arguments)
    assert units(engine) == samples == model.seen


def test_keras_counts_with_several_steps_at_once(engine: QuietEngine) -> None:
    """As TensorFlow and JAX can: the last call of an epoch tells of a batch beyond its end."""
    adapter = SimpleNamespace(batch_size=4, num_batches=3, partial_batch_size=2)
    samples = ecoia_integrations.keras._Samples(SimpleNamespace(data_adapter=adapter, steps_per_epoch=None), None)
    for _ in range(2):
        samples.begin_epoch()
        samples.batches = 4
        assert samples.of_epoch() == ROWS


def test_keras_counts_up_to_a_stop(engine: QuietEngine) -> None:
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = batch == 1

    fit_keras(HOSTS["keras"]("stopped"), epochs=5, callbacks=[Stop()])
    assert units(engine, "stopped") == 8


def test_keras_says_that_samples_are_unknown(engine: QuietEngine) -> None:
    fit_keras(HOSTS["keras"]("vadore"), x=Rows())
    assert units(engine) == 0
    assert list(engine.lost) == ["missing-units"] * 2
    assert ends(engine) == [False]


def test_xgboost_counts_rows_by_round(engine: QuietEngine) -> None:
    callback = HOSTS["xgboost"]("vadore")
    model = train_xgboost(callback)
    train_xgboost(callback, xgb_model=model)  # two rounds more
    assert units(engine) == 4 * ROWS
    stop = xgboost.callback.EarlyStopping(rounds=1, metric_name="rmse")  # before ours, which then misses the last round
    told = {"evals": [(boosted_data(), "train")], "custom_metric": None, "callbacks": [stop]}
    stopping = HOSTS["xgboost"]("stopped")
    xgboost.train(
        {"eta": 0.0, "nthread": 1}, boosted_data(), 9, evals=told["evals"], verbose_eval=False, callbacks=[stop, stopping]
    )
    assert units(engine, "stopped") == 2 * ROWS


def test_xgboost_counts_in_estimators_and_folds(engine: QuietEngine) -> None:
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, callbacks=[HOSTS["xgboost"]("vadore")])
    rows, labels = np.arange(2.0 * ROWS).reshape(ROWS, 2), np.arange(ROWS) % 2
    clone(model).fit(rows, labels)
    assert (engine.spans("vadore"), units(engine)) == (1, 3 * ROWS)
    xgboost.cv({"nthread": 1}, boosted_data(), 2, nfold=5, callbacks=[HOSTS["xgboost"]("folds")])
    assert (engine.spans("folds"), units(engine, "folds")) == (1, 2 * 5 * 8)
    with pytest.raises(ValueError, match="label"):
        clone(model).fit(rows, labels[:3])
    engine.assert_settled()


def test_lightgbm_counts_for_the_span_around(engine: QuietEngine) -> None:
    rows, labels = np.arange(200.0).reshape(100, 2), np.arange(100) % 2
    told = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "objective": "binary"}
    count = ecoia_integrations.lightgbm.count_units()
    with ecoia.track(service="vadore", phase="training"):
        lightgbm.train(told, lightgbm.Dataset(rows, labels), 3, callbacks=[count])
        model = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1, n_jobs=1)
        model.fit(rows, labels, callbacks=[pickle.loads(pickle.dumps(count))])  # noqa: S301
        data = lightgbm.Dataset(rows, labels)
        checked = lightgbm.Dataset(rows, labels, reference=data)
        stop = lightgbm.early_stopping(1, verbose=False, min_delta=10.0)  # after the second round
        lightgbm.train(told, data, 9, valid_sets=[checked], callbacks=[stop, count])
    assert engine.spans("vadore") == 1
    assert units(engine) == (3 + 2 + 2) * 100
    lightgbm.cv(told, lightgbm.Dataset(rows, labels), 1, nfold=4, callbacks=[count])
    assert list(engine.lost) == ["missing-units"]  # no span around
    with ecoia.track(service="folds", phase="training"):
        lightgbm.cv(told, lightgbm.Dataset(rows, labels), 1, nfold=4, callbacks=[count])
    assert units(engine, "folds") == 300


# --- ranks, MLflow, examples


def test_each_rank_of_a_distributed_training_records_its_own(home: Path) -> None:
    callback = HOSTS["lightning"]("vadore")
    fit_lightning(callback, strategy="ddp_fork", devices=2)
    spans = [record for record in recorded(home) if record.service == "vadore" and record.spans]
    assert len({record.pid for record in spans}) == 2
    assert [(record.spans, record.units_micro) for record in spans] == [(1, ROWS * 1_000_000)] * 2  # in each epoch, half of them


def test_an_mlflow_run_has_the_energy_of_a_callback_once(
    engine: QuietEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transformers ends its run before our callback ends: spans and runs interleave."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(str(tmp_path / "runs"))  # another test may have set one
    begin_ns = time.thread_time_ns()
    with ecoia.track(service="around", phase="training"):
        trainer(HOSTS["transformers"]("vadore"), report_to=["mlflow"]).train()
    used_ns = time.thread_time_ns() - begin_ns
    (run,) = mlflow.search_runs(output_format="list")
    inside = engine.every("vadore")
    assert {counters.run.run_id for counters in inside if counters.run and counters.spans} <= {run.info.run_id, None}
    assert run.info.run_id in {counters.run.run_id for counters in inside if counters.run}
    assert units(engine) == 2 * ROWS
    engine.assert_settled()
    (here,) = [state for state in engine.threads if state.tid == threading.get_native_id()]
    counted_ns = sum(counters.cpu_ns for counters in here.counters.values())
    assert 0.9 * used_ns <= counted_ns <= used_ns, "nothing is lost or counted twice"


def test_runs_that_the_libraries_begin_themselves_are_covered(
    engine: QuietEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transformers' callback, Lightning's logger and XGBoost's autologging, with nothing of ecoia but ``autolog``."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(str(tmp_path / "runs"))
    rows, labels = np.arange(2.0 * ROWS).reshape(ROWS, 2), np.arange(ROWS) % 2

    def fit_xgboost() -> None:
        mlflow.xgboost.autolog(log_models=False, log_datasets=False, silent=True)
        try:
            xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, labels), 2)
        finally:
            mlflow.xgboost.autolog(disable=True)

    ways: dict[str, Callable[[], object]] = {
        "transformers": lambda: trainer(TrainerCallback(), report_to=["mlflow"]).train(),
        "lightning": lambda: fit_lightning(pl.Callback(), logger=MLFlowLogger("ways", tracking_uri=str(tmp_path / "runs"))),
        "xgboost": fit_xgboost,
    }
    try:
        for service, train in ways.items():
            ecoia.autolog(service=service)
            known = {run.info.run_id for run in mlflow.search_runs(search_all_experiments=True, output_format="list")}
            train()
            mlflow.end_run()
            made = {run.info.run_id for run in mlflow.search_runs(search_all_experiments=True, output_format="list")} - known
            counted = {c.run.run_id: c.cpu_ns for c in engine.every(service) if c.run is not None}
            assert len(made) == 1
            assert counted.keys() == made, service
            assert all(counted.values())
    finally:
        ecoia.autolog(disable=True)
    engine.assert_settled()


@pytest.mark.parametrize(
    "example", sorted((Path(__file__).parents[2] / "examples/training").glob("*.py")), ids=lambda path: path.stem
)
def test_examples_run(engine: QuietEngine, example: Path) -> None:
    runpy.run_path(str(example), run_name="__main__")
    counters = [each for state in engine.threads for each in state.counters.values()]
    assert sum(each.spans for each in counters) == 1
    assert sum(each.units_micro for each in counters) > 0
    engine.assert_settled()

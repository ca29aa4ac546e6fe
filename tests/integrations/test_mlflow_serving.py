"""Models that MLflow loads and serves, measured without a change of code: real servers, real stores, killed and started again."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from inspect import signature
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import semconv
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.errors import UsageError
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.periods import utc_day
from ecoia.records.id_sets import ids_of
from ecoia_integrations.mlflow_models import measure, rows_of, version_of
from support.environment import clean_environment
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, migrated, mlflow_server, tracking_uri
from support.programs import recorded, wait_until
from support.quiet_engine import QuietEngine

__all__ = ["migrated", "tracking_uri"]  # fixtures

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

SERVICE = "controle-legalite-offres"
MODEL = "controle-offres"
LOG_MODEL = """
import sys
import mlflow, numpy
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri(sys.argv[1])
features = numpy.arange(20.0).reshape(10, 2)
model = LogisticRegression().fit(features, features[:, 0] > 9)
info = mlflow.sklearn.log_model(
    model, name="model", registered_model_name=sys.argv[2], pip_requirements=[], serialization_format="cloudpickle"
)
print(info.model_id)
"""


def run_program(source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that uses MLflow. MLflow itself causes warnings when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def program(source: str, *arguments: str, **environment: str) -> str:
    """Run it and return its output."""
    return run_program(source, *arguments, **environment).stdout


# --- any model ---------------------------------------------------------------------------------------------------------

PREDICT = """
import inspect, sys
import mlflow, ecoia, pandas

class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if "fail" in model_input:
            raise LookupError("as any model may")
        return model_input * 2

    def predict_stream(self, context, model_input, params=None):
        yield from ("a", "b", "c")

mlflow.pyfunc.save_model("doubler", python_model=Doubler(), pip_requirements=[])
model = mlflow.pyfunc.load_model("doubler")
batch = pandas.DataFrame({"a": [1, 2, 3]})
assert model.predict(batch).a.tolist() == [2, 4, 6]
assert model.predict(data=batch).a.tolist() == [2, 4, 6]
assert list(inspect.signature(model.predict).parameters) == ["data", "params"]
assert list(model.predict_stream("prompt")) == ["a", "b", "c"]
try:
    model.predict(batch.assign(fail=1))
except LookupError as error:
    print(type(error).__name__)
with ecoia.track(service="another", phase="evaluation"):
    mlflow.pyfunc.load_model("doubler").predict(batch)
print(model.metadata.model_uuid)
"""


def test_any_model_is_measured_where_a_service_is_said_and_nothing_else_measures(home: Path) -> None:
    error, uuid = program(PREDICT, ECOIA_SERVICE=SERVICE).split()
    assert error == "LookupError"  # the model's own error reaches the program
    spans: Counter[tuple[str | None, ...]] = Counter()
    units: Counter[tuple[str | None, ...]] = Counter()
    for record in recorded(home):
        if record.kind == semconv.KIND_SPAN:
            key = (record.service, record.phase, record.endpoint, record.model_version)
            spans[key] += record.spans
            units[key] += record.units_micro or 0
    # Two batches of three rows, a stream for one input, and a prediction that failed, which delivered no units.
    assert spans == {
        (SERVICE, "inference", semconv.MODEL_LOADING, None): 1,
        (SERVICE, "inference", None, uuid): 4,
        ("another", "evaluation", None, None): 1,
    }
    assert +units == {(SERVICE, "inference", None, uuid): 7_000_000}


UNTOUCHED = """
import sys, threading
import mlflow
assert not any(name.split(".")[0] == "ecoia" for name in sys.modules), "import mlflow loads nothing of ours but the hook"
import mlflow.pyfunc
from mlflow.pyfunc import scoring_server
for function in (mlflow.pyfunc.load_model, mlflow.pyfunc.PyFuncModel.predict, scoring_server.init):
    assert "ecoia" not in function.__code__.co_filename.split("/")[-2]
assert not [thread for thread in threading.enumerate() if "ecoia" in thread.name]
from ecoia_integrations import mlflow_plugin
assert sum(isinstance(finder, mlflow_plugin._AfterImport) for finder in sys.meta_path) == 1
print("untouched")
"""


@pytest.mark.parametrize("environment", [{}, {"ECOIA_SERVICE": SERVICE, "ECOIA_DISABLED": "1"}], ids=["no service", "disabled"])
def test_who_said_no_service_gets_mlflow_as_it_is(environment: dict[str, str], home: Path) -> None:
    assert program(UNTOUCHED, **environment).strip() == "untouched"
    assert not home.exists()


def test_a_service_that_cannot_be_one_is_told_and_nothing_is_measured(home: Path) -> None:
    source = "import mlflow.pyfunc; print(mlflow.pyfunc.PyFuncModel.predict.__code__.co_filename)"
    done = run_program(source, ECOIA_SERVICE="Contrôle\r\nX: 1")
    assert "ecoia_integrations" not in done.stdout
    (told,) = [line for line in done.stderr.splitlines() if "ecoia" in line]
    assert "not measured" in told
    assert "ECOIA_SERVICE" in told
    assert "lower-case" in told
    assert not home.exists()


@pytest.mark.parametrize(
    "broken",
    [
        "import ecoia_integrations; sys.modules['ecoia_integrations.mlflow_models'] = None",
        "import ecoia_integrations.mlflow_models as m; m._follow_models = m._follow_server = lambda *a: 1 / 0",
    ],
)
def test_whatever_breaks_in_us_mlflow_is_imported(broken: str) -> None:
    source = (
        f"import sys\n{broken}\nimport mlflow.pyfunc\nfrom mlflow.pyfunc import scoring_server\n"
        "import importlib; importlib.reload(mlflow.pyfunc); print(mlflow.pyfunc.PyFuncModel.predict.__name__)"
    )
    assert program(source, ECOIA_SERVICE=SERVICE).strip() == "predict"


# --- explicitly ----------------------------------------------------------------------------------------------------------


class Echo:
    """A model of no library."""

    def predict(self, data: Any, fail: bool = False) -> Any:
        if fail:
            raise LookupError
        return data


def test_a_model_that_is_wrapped_counts_its_rows(engine: QuietEngine) -> None:
    given_model = Echo()
    model = measure(given_model, service=SERVICE, model_version="v1")
    assert model is given_model
    assert signature(model.predict) == signature(Echo().predict)
    assert model.predict([1, 2, 3]) == [1, 2, 3]
    with pytest.raises(LookupError):
        model.predict([1, 2], fail=True)
    (counters,) = engine.every(SERVICE)
    assert (counters.spans, counters.units_micro, counters.label.model_version) == (2, 3_000_000, "v1")
    engine.assert_settled()


def test_what_cannot_predict_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"load_model"):
        measure(object(), service=SERVICE)


def test_names_of_models_cannot_inject_anything() -> None:
    own = SimpleNamespace(model_uuid="ab12")
    assert version_of(SimpleNamespace(model_id=None, metadata=own)) == "ab12"
    assert version_of(SimpleNamespace(model_id="m-1\r\nX-Injected: 1", metadata=own)) == "ab12"
    assert version_of(SimpleNamespace(model_id="m" * 200, metadata=SimpleNamespace(model_uuid="a\0b"))) is None
    assert version_of(object()) is None


@given(rows=st.integers(0, 50), columns=st.integers(1, 3))
def test_a_batch_has_as_many_rows_in_every_form(rows: int, columns: int) -> None:
    array = np.zeros((rows, columns))
    by_column = {f"c{n}": [0] * rows for n in range(columns)}
    for batch in (array, pd.DataFrame(array), array.tolist(), by_column, {k: np.array(v) for k, v in by_column.items()}):
        assert rows_of(batch) == rows


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ("a text", 1),
        (3, 1),
        (np.float64(3), 1),
        ({"messages": [{"role": "user"}, {"role": "system"}]}, 1),
        ({"question": "?"}, 1),
        ({"a": [1, 2], "b": [1]}, None),
        ({"a": [1, 2], "b": object()}, None),
        (iter([1, 2]), None),
        (None, None),
    ],
)
def test_what_is_one_input_and_what_cannot_be_told(data: Any, rows: int | None) -> None:
    assert rows_of(data) == rows


def test_a_server_without_middleware_serves(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecoia_integrations.mlflow_models import follow

    monkeypatch.setenv("ECOIA_SERVICE", SERVICE)
    module = ModuleType("mlflow.pyfunc.scoring_server")
    module.init = lambda model: f"a Flask application of {model}"  # type: ignore[attr-defined]
    follow(module)
    follow(module)
    assert module.init("it") == "a Flask application of it"
    assert signature(module.init) == signature(lambda model: ...)
    assert not hasattr(module.init.__wrapped__, "__wrapped__"), "followed twice is followed once"
    module.init = lambda model: "loaded again"  # type: ignore[attr-defined]
    follow(module)
    assert hasattr(module.init, "__wrapped__"), "a module that is reloaded is followed anew"


# --- mlflow models serve -------------------------------------------------------------------------------------------------


class ModelServer:
    """``mlflow models serve`` with two workers, on this machine's loopback interface."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self._log = (folder / "serve.log").open("a+b")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{MODEL}/1"),
                *("--port", str(self.port), "--workers", "2", "--env-manager", "local"),
            ],
            # MLflow starts uvicorn by its name.
            env=environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"},
            stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(self._answers)
        except BaseException:  # nobody else knows that it runs
            self.close()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            return self._ask("GET", "/ping", None) == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: str | None) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)) as connection:
            connection.request(method, path, body, {"Connection": "close", "Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def answered(self, requests: int) -> int:
        """Send requests of two rows each, four at a time, and return how many were answered."""
        body = json.dumps({"inputs": [[1.0, 2.0], [15.0, 16.0]]})
        with ThreadPoolExecutor(4) as pool:
            return Counter(pool.map(lambda _: self._ask("POST", "/invocations", body), range(requests)))[200]

    def refused(self) -> int:
        """Send a batch that the model rejects, and return the status."""
        return self._ask("POST", "/invocations", json.dumps({"inputs": [["x"]]}))

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def stop(self) -> None:
        """Stop it as a service manager does."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(60)
        assert "ecoia" not in self.log(), self.log()

    def close(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], ModelServer]]:
    started: list[ModelServer] = []

    def start(environment: dict[str, str]) -> ModelServer:
        started.append(ModelServer(tmp_path, environment))
        return started[-1]

    yield start
    for server in started:
        server.close()


def requests_in(home: Path) -> Counter[int]:
    """Requests by process that are in the journal by now."""
    spans: Counter[int] = Counter()
    for record in recorded(home) if home.exists() else []:
        if record.endpoint == "/invocations":
            spans[record.pid] += record.spans
    return +spans


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_served_model_is_one_run_a_day_over_workers_that_are_killed_and_a_restart(
    home: Path, tracking_uri: str, tmp_path: Path, serve: Callable[[dict[str, str]], ModelServer]
) -> None:
    with mlflow_server(tracking_uri, free_port(), tmp_path / "artifacts") as store:
        _serve_kill_and_serve_again(home, store, serve)


def _serve_kill_and_serve_again(home: Path, store: str, serve: Callable[[dict[str, str]], ModelServer]) -> None:
    import mlflow

    model_id = program(LOG_MODEL, store, MODEL).split()[-1]
    environment = clean_environment() | {
        "ECOIA_HOME": str(home),
        "ECOIA_SERVICE": SERVICE,
        "ECOIA_FLUSH_SECONDS": "0.2",
        "ECOIA_INSTANCE": "api-1",
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    client = mlflow.MlflowClient(tracking_uri=store)

    def runs() -> list[Any]:
        experiment = client.get_experiment_by_name(f"ecoia/{SERVICE}")
        return list(client.search_runs([experiment.experiment_id])) if experiment else []

    server = serve(environment)
    assert server.refused() == 400
    asked = 0
    while len(requests_in(home)) < 2:  # any free worker takes a request
        asked += server.answered(20)
    wait_until(lambda: requests_in(home).total() == asked + 1, 30)
    wait_until(lambda: "RUNNING" in [run.info.status for run in runs()], 60)  # the helper shows it while it serves
    os.kill(next(iter(requests_in(home))), signal.SIGKILL)
    server.stop()
    server = serve(environment)
    asked += server.answered(20)
    server.stop()  # a signal ends uvicorn, and the workers write their records before
    wait_until(lambda: requests_in(home).total() == asked + 1, 30)

    def delivered() -> bool:
        with try_lock(home, HELPER_LOCK) as free:
            return free and all(run.info.status == "FINISHED" for run in runs())

    wait_until(delivered, 120)
    records = recorded(home)
    rows = MlflowLedger(MlflowStore(store)).read_rows(0, 1 << 62)
    assert sum(row["spans"] for row in rows) == sum(record.spans for record in records)
    assert Counter(i for row in rows for i in ids_of(row)).keys() == {record.record_id for record in records}
    days = {utc_day(record.start_utc_ns) for record in records}
    assert sorted(run.data.tags["ecoia.day"] for run in runs()) == sorted(days)  # one run a day, so two around midnight
    totals: Counter[str] = Counter()
    for run in runs():
        totals.update(run.data.metrics)
        assert run.data.tags["ecoia.instance"] == "api-1"
        assert run.data.tags["ecoia.model_version"] == f"models:/{MODEL}/1"
        assert [model.model_id for model in client.get_run(run.info.run_id).inputs.model_inputs] == [model_id]
    assert totals["ecoia/requests"] == asked + 1
    assert totals["ecoia/units"] == 2 * asked  # the refused batch delivered nothing
    energy = sum(sum(filter(None, r.energy_microjoules.values())) for r in records if r.kind == semconv.KIND_SPAN)
    assert totals["ecoia/energy_wh"] == pytest.approx(energy / 3.6e9)
    assert totals["ecoia/hourly/requests"] <= totals["ecoia/requests"]
    assert 0 < totals["ecoia/start-up/energy_wh"] < totals["ecoia/energy_wh"]

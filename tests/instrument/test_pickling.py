"""What is decorated can be pickled by value wherever the plain function can: by cloudpickle, joblib and MLflow's models."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import ecoia
from ecoia.instrument.spans import Label
from ecoia_integrations.wsgi import ImpactMiddleware
from support.programs import run_python, spans_of
from support.quiet_engine import QuietEngine

NOTEBOOK = """
import asyncio
import functools
import types

@track
def function(number, *, times=2):
    return [number] * times

@track
def with_default(number=3):
    return number

@track
def failing(number):
    raise KeyError(number)

@track
async def coroutine(number):
    await asyncio.sleep(0)
    return number

@track
def generator(number):
    received = yield number
    try:
        yield received
    except ValueError:
        yield "caught"
    return "end"

@track
@types.coroutine
def old_coroutine(number):
    yield from asyncio.sleep(0).__await__()
    return number

@track
async def async_generator(number):
    received = yield number
    try:
        yield received
    except ValueError:
        yield "caught"

class Base:
    def method(self, number):
        return number

class Model(Base):
    def __init__(self, factor):
        self.factor = factor

    @track
    def method(self, number):
        return super().method(number) * self.factor

    @staticmethod
    @track
    def static(number):
        return number

    @track
    @classmethod
    def of_class(cls, number):
        return cls.__name__, number

    async def __call__(self, number):
        return number

def multiplier(factor):
    @track
    def multiply(number):
        return number * factor
    return multiply

@track
def factorial(number):
    return 1 if number < 2 else number * factorial(number - 1)

things = dict(
    function=function, with_default=with_default, failing=failing, coroutine=coroutine, generator=generator,
    old_coroutine=old_coroutine, async_generator=async_generator, Model=Model, model=Model(2), bound=Model(3).method,
    partial=functools.partial(function, 4), of_partial=track(functools.partial(function, 5)), of_callable=track(Model(6)),
    anonymous=track(lambda number: number + 1), closure=multiplier(7), recursive=factorial,
)
"""

EXERCISE = """
import asyncio, inspect

def exercise(things):
    get = things.__getitem__
    generator = get("generator")(1)
    seen = [next(generator), generator.send(2), generator.throw(ValueError), next(generator, "over")]

    async def asynchronous():
        steps = get("async_generator")(1)
        seen = [await steps.__anext__(), await steps.asend(2), await steps.athrow(ValueError), await anext(steps, "over")]
        left_open = get("async_generator")(1)
        seen.append(await left_open.__anext__())
        return seen, await get("coroutine")(3), await get("old_coroutine")(4), await get("of_callable")(5), left_open

    *seen_async, _ = asyncio.run(asynchronous())
    try:
        get("failing")(1)
    except KeyError as error:
        failure = repr(error), error.__context__
    return [
        seen, seen_async, failure, get("function")(1), get("with_default")(), get("Model").static(1), get("Model").of_class(2),
        get("model").method(3), get("bound")(4), get("partial")(times=1), get("of_partial")(), get("anonymous")(1),
        get("closure")(2), get("recursive")(5),
        [(str(inspect.signature(get(name))), inspect.iscoroutinefunction(get(name)), inspect.isgeneratorfunction(get(name)),
          inspect.isasyncgenfunction(get(name)), get(name).__name__, get(name).__module__, get(name).__defaults__,
          get(name).__kwdefaults__) for name in ("function", "with_default", "coroutine", "generator", "async_generator")],
    ]
"""

ELSEWHERE = (
    EXERCISE
    + """
import pickle, sys
def load(path):
    with open(path, "rb") as file:
        return pickle.load(file)

expected = exercise(load(sys.argv[1]))
sys.modules["ecoia"] = None  # as if it were not installed
assert exercise(load(sys.argv[2])) == expected
assert not any(name.startswith("ecoia.") for name in sys.modules)
del sys.modules["ecoia"]
measured = load(sys.argv[2])
assert exercise(measured) == expected
import ecoia
assert ecoia.flush(60)
"""
)


def of_notebook(decorator: Any) -> dict[str, Any]:
    """Return things as a notebook makes them: in a module that another process cannot import."""
    names = {"__name__": "a_notebook", "track": decorator}
    exec(NOTEBOOK, names)  # noqa: S102 - our own text
    return names["things"]  # type: ignore[return-value]


def test_what_is_pickled_by_value_works_elsewhere_as_if_it_were_plain_and_is_measured_there(tmp_path: Path) -> None:
    plain, decorated = tmp_path / "plain", tmp_path / "decorated"
    plain.write_bytes(cloudpickle.dumps(of_notebook(lambda function: function)))
    decorated.write_bytes(cloudpickle.dumps(of_notebook(ecoia.track(service="vadore", units=1))))
    home = tmp_path / "home"
    done = run_python(ELSEWHERE, str(plain), str(decorated), ECOIA_HOME=str(home), ECOIA_DELIVERY="manual")
    assert (done.returncode, done.stderr) == (0, "")
    calls = 23  # of the last exercise: the one with ecoia
    assert spans_of(home)["vadore"] == calls


def test_what_is_decorated_survives_pickling_in_its_own_process(engine: QuietEngine) -> None:
    things = pickle.loads(cloudpickle.dumps(of_notebook(ecoia.track(service="vadore", phase="training"))))  # noqa: S301 - our own bytes
    again = pickle.loads(cloudpickle.dumps(things))  # noqa: S301 - our own bytes
    assert things["closure"](2) == again["closure"](2) == 14
    assert engine.spans("vadore") == 2


def test_an_object_that_tracks_blocks_and_a_span_can_be_pickled_and_copied(engine: QuietEngine) -> None:
    tracker = ecoia.track("vadore", "training", units=3, endpoint="/cv", model_version="2")
    with tracker as span:
        for other in (copy.copy(span), copy.deepcopy(span), copy.deepcopy([span])[0]):
            assert other is span
        elsewhere = pickle.loads(pickle.dumps(span))  # noqa: S301 - our own bytes
    elsewhere.units(1)
    assert elsewhere.service is None
    assert copy.deepcopy(span.label) is span.label
    with pickle.loads(pickle.dumps(tracker)) as again:  # noqa: S301 - our own bytes
        pass
    assert isinstance(again.label, Label)
    assert again.label is span.label
    (counters,) = engine.every("vadore")
    assert (counters.spans, counters.units_micro) == (2, 6_000_000)


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"done"]


def test_a_middleware_measures_where_it_is_unpickled(engine: QuietEngine) -> None:
    middleware = pickle.loads(pickle.dumps(ImpactMiddleware(application, service="vadore")))  # noqa: S301 - our own bytes
    assert list(middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)) == [b"done"]
    assert engine.spans("vadore") == 1


SCRIPT = """
import ecoia

@ecoia.track(service="vadore", phase="training")
def square(number):
    return number * number

if __name__ == "__main__":
    from joblib.externals.loky import get_reusable_executor

    workers = get_reusable_executor(max_workers=1)
    assert list(workers.map(square, range(3))) == [0, 1, 4]
    workers.shutdown()
"""


def test_the_workers_of_joblib_run_and_measure_what_a_script_decorates(tmp_path: Path) -> None:
    script, home = tmp_path / "script.py", tmp_path / "home"
    script.write_text(SCRIPT, encoding="utf-8")
    program = "import sys, runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run_python(program, str(script), ECOIA_HOME=str(home), ECOIA_DELIVERY="manual")
    assert done.returncode == 0, done.stderr
    assert spans_of(home)["vadore"] == 3


@pytest.mark.mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_saves_a_model_of_a_notebook_with_a_decorated_method(tmp_path: Path, engine: QuietEngine) -> None:
    import mlflow.pyfunc

    names: dict[str, Any] = {"__name__": "a_notebook", "PythonModel": mlflow.pyfunc.PythonModel, "track": ecoia.track("vadore")}
    predict = "def predict(self, context, model_input, params=None):\n        return model_input"
    exec(f"class Model(PythonModel):\n    @track\n    {predict}\n", names)  # noqa: S102 - our own text
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=names["Model"](), pip_requirements=[])
    assert mlflow.pyfunc.load_model(str(tmp_path / "model")).predict([1]) == [1]
    assert engine.spans("vadore") >= 1  # saving may try the model, too

"""Measure models that MLflow loads: ``mlflow models serve`` and any ``pyfunc`` model, without a change of code.

It works where ecoia is installed beside MLflow and the setting ``service`` (``ECOIA_SERVICE``) names the service: MLflow loads
this through its own plug-in mechanism (``mlflow_plugin``). Without a service it touches nothing. In code::

    model = measure(mlflow.pyfunc.load_model(uri), service="controle-legalite-offres")

Without a change of code, it measures only predictions that nothing else measures: a prediction inside a span (a middleware's
request, an evaluation) belongs to that span, and no span is added.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import update_wrapper, wraps
from inspect import signature
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import ecoia
from ecoia.errors import UsageError
from ecoia.integrating import MODEL_LOADING, complain, innermost, is_disabled, is_name, load_settings, lose, losses
from ecoia_integrations.asgi import ImpactMiddleware

Model = TypeVar("Model")

_VERSION = "_ecoia_model_version"
_FOLLOWED = "_ecoia_followed"
_SINGLE = (str, bytes, Number)
_ONE_INPUT = ("messages", "prompt", "input")  # keys of a dictionary that MLflow takes as one call of a language model


def measure(model: Model, *, service: str | None = None, model_version: str | None = None) -> Model:
    """Measure each prediction of a model as a span of phase ``inference``, with the rows of its input as units.

    The prediction is a span of its own even inside another one. Do not use it where a middleware counts the requests already.

    Args:
        model: Result of ``mlflow.pyfunc.load_model``, or any object with ``predict(data, ...)``. Its ``predict`` (and
            ``predict_stream``, if any) is replaced on this object.
        service: Id of the service in the catalogue. None: the setting ``service``.
        model_version: Version of the model. None: ``version_of(model)``.

    Returns:
        The same object.

    Raises:
        UsageError: The object has no ``predict``.

    Example:
        >>> class Doubler:
        ...     def predict(self, data):
        ...         return [2 * number for number in data]
        >>> measure(Doubler(), service="analyse-cv").predict([1, 2])
        [2, 4]
    """
    predict = getattr(model, "predict", None)
    if not callable(predict):
        raise UsageError(f"model = {type(model).__name__}: it has no predict(data); give what mlflow.pyfunc.load_model returns")
    version = version_of(model) if model_version is None else model_version

    def measured(*args: Any, **kwargs: Any) -> Any:
        with ecoia.track(service=service, model_version=version) as span:
            return _counted(span, predict, args, kwargs)

    model.predict = _in_place_of(predict, measured)  # type: ignore[attr-defined]
    stream = getattr(model, "predict_stream", None)
    if callable(stream):
        model.predict_stream = _measured_stream(stream, service, version)  # type: ignore[attr-defined]
    return model


def version_of(model: Any) -> str | None:
    """Return the version of a model in the form of MLflow's URIs, or None where it has none.

    It is ``models:/<name>/<version>`` for a model that was loaded as a registered one, else ``models:/<model id>``, else its
    ``model_uuid``.

    Example:
        >>> version_of(object()) is None
        True
    """
    try:
        model_id = getattr(model, "model_id", None)
        named = (getattr(model, _VERSION, None), model_id and f"models:/{model_id}", model.metadata.model_uuid)
    except Exception:  # noqa: BLE001 - not a model of MLflow's
        return None
    return next((name for name in named if is_name(name)), None)


def rows_of(data: Any) -> int | None:
    """Return the number of inputs in a batch: the rows of a table, the first dimension of an array, the items of a list.

    A text or a number is one input, and so is a dictionary of texts and numbers, or one for a call of a language model. A
    dictionary of columns has as many inputs as its columns have rows. None where the number is unknown.

    Example:
        >>> rows_of(["first", "second"]), rows_of({"prompt": "first"}), rows_of(None)
        (2, 1, None)
    """
    try:
        shape = getattr(data, "shape", None)
        if isinstance(shape, tuple):
            return int(shape[0]) if shape else 1
        if isinstance(data, dict):
            if any(key in data for key in _ONE_INPUT) or all(isinstance(value, _SINGLE) for value in data.values()):
                return 1
            columns = {len(column) if isinstance(column, list) else int(column.shape[0]) for column in data.values()}
            return columns.pop() if len(columns) == 1 else None
        if isinstance(data, (list, tuple)):
            return len(data)
        return 1 if isinstance(data, _SINGLE) else None
    except Exception:  # noqa: BLE001 - no value that the host passes may break it
        return None


def _counted(span: ecoia.Span, predict: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Predict, and add as many units as the input has rows."""
    result = predict(*args, **kwargs)
    rows = rows_of(args[0] if args else kwargs.get("data"))
    if rows is not None:
        span.units(rows)
    return result


def _measured_stream(stream: Callable[..., Iterator[Any]], service: str | None, version: str | None) -> Callable[..., Any]:
    """Wrap a streaming prediction so that it is measured up to its last chunk. A stream always answers one input."""

    @ecoia.track(service=service, model_version=version, units=1)
    def steps(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from chunks

    def measured(*args: Any, **kwargs: Any) -> Iterator[Any]:
        return steps(stream(*args, **kwargs))

    return _in_place_of(stream, measured)


def _in_place_of(method: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the name and the signature of the bound method that it replaces: MLflow reads both."""
    update_wrapper(function, method)
    with suppress(ValueError, TypeError):  # a method that is not written in Python has no signature
        function.__signature__ = signature(method)  # type: ignore[attr-defined]
    return function


# --- without a change of code -----------------------------------------------------------------------------------------------


def follow(module: ModuleType) -> None:
    """Measure the work of ``mlflow.pyfunc`` or its scoring server, if ``service`` is set. A second call changes nothing.

    Args:
        module: ``mlflow.pyfunc`` or ``mlflow.pyfunc.scoring_server``, just imported.
    """
    entry, follow_it = _ENTRIES[module.__name__]
    if _is_below_watched_executor():
        return
    if is_disabled() or hasattr(getattr(module, entry), _FOLLOWED):
        return
    found = load_settings()
    for problem in found.problems:
        if problem.name == "service":
            complain(f"MLflow's models are not measured: {problem}" if found.service is None else str(problem))
    if found.service is None:
        return
    follow_it(module, found.service)
    setattr(getattr(module, entry), _FOLLOWED, True)


def _is_below_watched_executor() -> bool:
    """Return whether this is a worker of an executor that ``spark_daemon`` has watched: all that it does is measured already."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name == "ecoia_integrations.spark_daemon"


def _follow_models(pyfunc: Any, service: str) -> None:
    load, kind = pyfunc.load_model, pyfunc.PyFuncModel
    predict, stream = kind.predict, kind.predict_stream

    @wraps(load)
    def load_model(*args: Any, **kwargs: Any) -> Any:
        if innermost() is not None:
            model = load(*args, **kwargs)
        else:
            with ecoia.track(service=service, endpoint=MODEL_LOADING):
                model = load(*args, **kwargs)
        _remember_version(model, args[0] if args else kwargs.get("model_uri"))
        return model

    @wraps(predict)
    def measured(self: Any, *args: Any, **kwargs: Any) -> Any:
        if innermost() is not None:
            return predict(self, *args, **kwargs)
        with ecoia.track(service=service, model_version=version_of(self)) as span:
            return _counted(span, predict.__get__(self), args, kwargs)

    @wraps(stream)
    def measured_stream(self: Any, *args: Any, **kwargs: Any) -> Any:
        if innermost() is not None:
            return stream(self, *args, **kwargs)
        return _measured_stream(stream.__get__(self), service, version_of(self))(*args, **kwargs)

    pyfunc.load_model, kind.predict, kind.predict_stream = load_model, measured, measured_stream


def _follow_server(scoring_server: Any, service: str) -> None:
    """Make each request a span: reading the body, parsing and answering are work of the service, too."""
    init = scoring_server.init

    @wraps(init)
    def measured_init(model: Any, *args: Any, **kwargs: Any) -> Any:
        app = init(model, *args, **kwargs)
        try:
            if hasattr(app, "add_middleware"):  # otherwise a server of MLflow 2: only its predictions are measured
                app.add_middleware(ImpactMiddleware, service=service, model_version=version_of(model))
                _count_in_request(model)
        except Exception:  # noqa: BLE001 - the server must serve even if it is not measured
            lose(losses.MLFLOW_SERVER_UNMEASURED)
        return app

    scoring_server.init = measured_init


_ENTRIES = {"mlflow.pyfunc": ("load_model", _follow_models), "mlflow.pyfunc.scoring_server": ("init", _follow_server)}


def _count_in_request(model: Any) -> None:
    """Add the rows of each prediction of the server to the units of the request around it."""
    predict = model.predict

    def counted(*args: Any, **kwargs: Any) -> Any:
        return _counted(ecoia.current(), predict, args, kwargs)

    model.predict = _in_place_of(predict, counted)


def _remember_version(model: Any, uri: Any) -> None:
    """Keep the registered version that the URI names, or that MLflow noted beside the model that it downloaded."""
    try:
        if not isinstance(uri, str):
            return
        name, _, version = uri.removeprefix("models:/").rpartition("/")
        if not (uri.startswith("models:/") and version.isdecimal()):
            import yaml  # MLflow depends on it and has loaded it by now

            folder = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)
            noted = yaml.safe_load((folder / "registered_model_meta").read_text(encoding="utf-8"))
            name, version = noted["model_name"], noted["model_version"]
        setattr(model, _VERSION, f"models:/{name.strip('/')}/{version}")
    except Exception:  # noqa: BLE001, S110 - no registered version is known: the model has its own id
        pass

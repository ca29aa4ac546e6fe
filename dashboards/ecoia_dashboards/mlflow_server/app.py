"""Applications of MLflow's server (entry point ``mlflow.app``) that hold the dashboard under ``/ecoia``.

The pages are a Flask blueprint, so that MLflow's own checks of hosts and accounts come first. A native route of the server's
FastAPI application would be answered to anonymous callers where MLflow has accounts, so there is none.

Who may see what is what MLflow itself answers: with the credentials of the request, the server is asked, within the process and
by its public REST interface, which of ecoia's experiments the caller may read. Who may read the ledger sees everything; others
see the services whose experiment ``ecoia/<service>`` they may read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi import Request as AsgiRequest
from flask import Blueprint, Flask, Response, request
from mlflow.server import app as mlflow_flask_app
from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR
from starlette.exceptions import HTTPException

from ecoia import settings
from ecoia.exploring import Explorer
from ecoia.exploring.state import read_state
from ecoia.keeping.file_system import LockableFile
from ecoia.semconv import LEDGER_EXPERIMENT, VIEW_EXPERIMENT_PREFIX
from ecoia_dashboards.dashboard.access import Access
from ecoia_dashboards.dashboard.app import create_app as create_dashboard
from ecoia_dashboards.mlflow_server.bridge import Bridge

PATH = "/ecoia"
_READER = "ecoia.allowed"  # in the scope of a request: ids of the services that may be seen; None: everything
_SEARCH = "/api/2.0/mlflow/experiments/search"
_AT_ONCE = 1000
_CREDENTIALS = ("Authorization", "Cookie", "X-MLFLOW-WORKSPACE")
_UVICORN = "uvicorn"
_LOCK = "mlflow-accounts.lock"
_SEVERAL = "ecoia.ledgers"  # in the scope of a request: folders of ledgers, where there are several
_CONFLICT = 409


class SeveralLedgersError(HTTPException):
    """The home holds what is filled from several stores, and nothing says which of them is this server's.

    Args:
        folders: The folders, for a reader of everything; none for others.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(_CONFLICT, "cache/dashboard of ECOIA_HOME holds the ledgers of several stores; delete those of others")
        self.ledgers = [(str(folder), read_state(folder).state.source_uri) for folder in folders]


class ByExperiment(Access):
    """Lets callers see what MLflow lets them read; the blueprint has asked it already."""

    def allowed(self, request: AsgiRequest) -> frozenset[str] | None:
        """Return the ids of the services that the caller may see; None: everything.

        Raises:
            SeveralLedgersError: nothing says which ledger is this server's.
        """
        reader: frozenset[str] | None = request.scope[_READER]
        if several := request.scope[_SEVERAL]:
            raise SeveralLedgersError(several if reader is None else ())
        return reader


def create_app(app: Flask = mlflow_flask_app) -> Flask | FastAPI:
    """Make MLflow's server with the dashboard, for ``--app-name ecoia``.

    Args:
        app: MLflow's Flask application.

    Returns:
        What the server runs: uvicorn needs an ASGI application, gunicorn and waitress the Flask one.
    """
    add_dashboard(app)
    return _served(app)


def create_app_with_accounts(app: Flask = mlflow_flask_app) -> Flask | FastAPI:
    """Make MLflow's server with accounts and the dashboard, for ``--app-name ecoia-basic-auth``.

    Args:
        app: MLflow's Flask application.

    Returns:
        As ``create_app``.
    """
    from mlflow.server import auth

    prefix = add_dashboard(app)
    # MLflow refuses routes that it does not know to all but administrators. The blueprint asks MLflow what the caller may read.
    auth.BEFORE_REQUEST_VALIDATORS = _Validators(auth.BEFORE_REQUEST_VALIDATORS, prefix)
    # For an application of another name than its own, MLflow makes the accounts' tables and the administrator in each worker.
    with closing(LockableFile(Path(settings.load().home) / _LOCK, os.O_WRONLY | os.O_CREAT)) as turn:
        turn.lock(wait=True)
        found: Flask | FastAPI = auth.create_app(app)
    return found


class _Validators(dict[Any, Any]):
    """MLflow's checks by path and method, and one for all pages of the dashboard."""

    def __init__(self, known: dict[Any, Any], prefix: str) -> None:
        super().__init__(known)
        self._prefix = prefix

    def get(self, key: Any, default: Any = None) -> Any:
        path, method = key
        ours = path == self._prefix or path.startswith(f"{self._prefix}/")
        return (lambda: method in ("GET", "HEAD")) if ours else super().get(key, default)


def add_dashboard(app: Flask) -> str:
    """Add the dashboard's pages to MLflow's Flask application.

    Args:
        app: The application.

    Returns:
        The path of the pages, with the server's ``--static-prefix``.
    """
    prefix = os.environ.get(STATIC_PREFIX_ENV_VAR, "").rstrip("/") + PATH
    filled = Path(settings.load().home) / "cache" / "dashboard"
    bridge_to = cache(lambda folder: Bridge(create_dashboard(Explorer(folder), ByExperiment(), prefix)))
    pages = Blueprint("ecoia", __name__, url_prefix=prefix)

    @pages.get("/")
    @pages.get("/<path:path>")
    def answer(path: str = "") -> Response:
        found = readable(app)
        if isinstance(found, Response):
            return found
        # Looked for at each request: the first filling needs a server that runs already.
        ledgers = sorted(filled.glob("ledger-*"))
        folder, several = (ledgers[0], ()) if len(ledgers) == 1 else (filled / "ledger-", tuple(ledgers))
        status, headers, parts = bridge_to(folder).ask(_scope(prefix, path, found) | {_SEVERAL: several})
        return Response(parts, status, headers)

    app.register_blueprint(pages)
    return prefix


def readable(app: Flask) -> frozenset[str] | Response | None:
    """Ask MLflow which services the caller may see.

    Returns:
        Ids of services; None: everything; MLflow's refusal where it gives one.
    """
    names: set[str] = set()
    token = ""
    client = app.test_client(use_cookies=False)
    headers = {name: request.headers[name] for name in _CREDENTIALS if name in request.headers}
    while True:
        asked = {"filter": f"name LIKE '{VIEW_EXPERIMENT_PREFIX}%'", "max_results": _AT_ONCE} | (
            {"page_token": token} if token else {}
        )
        prefix = os.environ.get(STATIC_PREFIX_ENV_VAR, "").rstrip("/")
        answer = client.post(prefix + _SEARCH, json=asked, headers=headers | {"Host": request.host}, base_url=request.host_url)
        if answer.status_code != 200:
            return Response(answer.get_data(), answer.status_code, list(answer.headers))
        found = json.loads(answer.get_data())
        names |= {experiment["name"] for experiment in found.get("experiments", ())}
        token = found.get("next_page_token") or ""
        if not token:
            break
    if LEDGER_EXPERIMENT in names:
        return None
    return frozenset(name.removeprefix(VIEW_EXPERIMENT_PREFIX) for name in names)


def _scope(prefix: str, path: str, allowed: frozenset[str] | None) -> dict[str, Any]:
    """Describe the request as ASGI does."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": f"{prefix}/{path}",
        "raw_path": request.full_path.encode(),
        "root_path": prefix,
        "query_string": request.query_string,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers],
        "client": (request.remote_addr or "", 0),
        "server": (request.host, None),
        _READER: allowed,
    }


def _served(app: Flask) -> Flask | FastAPI:
    if os.environ.get("_MLFLOW_SGI_NAME") != _UVICORN:
        return app
    from mlflow.server.fastapi_app import create_fastapi_app

    wrap: Callable[[Flask], FastAPI] = create_fastapi_app
    return wrap(app)

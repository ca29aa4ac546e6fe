"""A migrated MLflow database, made once and copied: making one costs seconds."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import clean_environment

MLFLOW_WARNINGS = (
    # MLflow maps its models with a loader that SQLAlchemy 2.1 deprecates.
    "ignore:The ``noload`` loader strategy is deprecated",
)


@functools.cache
def _made(folder: Path) -> Path:
    from ecoia.stores.mlflow_store import MlflowStore

    path = folder / "migrated.db"
    MlflowStore(f"sqlite:///{path}").prepare()
    return path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's schema and nothing in it; one for all the modules that import this."""
    return _made(tmp_path_factory.getbasetemp())


@pytest.fixture
def tracking_uri(migrated: Path, tmp_path: Path) -> str:
    """The URI of a fresh store of this test."""
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated, path)
    return f"sqlite:///{path}"


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mlflow_server(backend_uri: str, port: int, artifacts: Path) -> Iterator[str]:
    """A real tracking server that answers on a port of the loopback interface; its URI."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", backend_uri, "--artifacts-destination", str(artifacts)),
        ],
        env=clean_environment()
        | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    uri = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 90
    try:
        while not _healthy(uri):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.05)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _healthy(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except OSError:
        return False

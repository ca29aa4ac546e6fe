"""A migrated MLflow database, made once and copied: making one costs some six seconds of CPU time."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.environment import clean_environment
from support.made_once import made_once
from support.warm_commands import warm_folder

MLFLOW_WARNINGS = (
    # MLflow maps its models with a loader that SQLAlchemy 2.1 deprecates.
    "ignore:The ``noload`` loader strategy is deprecated",
)


MIGRATED = "MIGRATED_DATABASE"
"""The variable that hands ``migrated`` on to a run of tests within a test."""


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's schema and nothing in it; one for all the workers of a run."""
    from ecoia.delivery.mlflow_store import MlflowStore

    if MIGRATED in os.environ:
        return Path(os.environ[MIGRATED])
    return made_once(tmp_path_factory, "migrated.db", lambda path: MlflowStore(f"sqlite:///{path}").prepare())


@pytest.fixture(scope="session")
def migrated_by_old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``migrated``, of the oldest MLflow."""
    prepare = "import sys; from ecoia.delivery.mlflow_store import MlflowStore; MlflowStore(f'sqlite:///{sys.argv[1]}').prepare()"

    def make(path: Path) -> None:
        subprocess.run([old_mlflow(), "-c", prepare, path], check=True, env=clean_environment(), capture_output=True)

    return made_once(tmp_path_factory, "migrated-by-old.db", make)


@pytest.fixture
def tracking_uri(migrated: Path, tmp_path: Path) -> str:
    """The URI of a fresh store of this test."""
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated, path)
    return f"sqlite:///{path}"


def old_mlflow() -> Path:
    """Return the interpreter with the oldest MLflow that ecoia works with."""
    python = Path(__file__).resolve().parents[2] / ".venv-mlflow2" / "bin" / "python"
    if not python.exists():
        if "CI" in os.environ:
            pytest.fail(f"{python} is not there: make .venv-mlflow2/.stamp")
        pytest.skip("make .venv-mlflow2/.stamp installs the oldest MLflow")
    return python


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mlflow_server(
    backend_uri: str,
    port: int,
    artifacts: Path,
    *options: str,
    python: str | Path = sys.executable,
    **environment: str,
) -> Iterator[str]:
    """Run a real tracking server on a port of the loopback interface, and yield its URI. ``python`` says of which MLflow.

    One with options or variables of its own, or of another MLflow, is started as an administrator starts it; others are forked
    from a process that has loaded MLflow. What it prints is kept in ``server.log``, beside the artifacts.
    """
    cold = options or environment or python != sys.executable
    command = (str(python), "-m", "mlflow") if cold else (str(warm_folder() / "mlflow"),)
    artifacts.parent.mkdir(parents=True, exist_ok=True)
    with (artifacts.parent / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [
                *(*command, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", backend_uri, "--artifacts-destination", str(artifacts)),
                *options,
            ],
            env=clean_environment()
            | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    uri = f"http://127.0.0.1:{port}"
    prefix = next((option.removeprefix("--static-prefix=") for option in options if option.startswith("--static-prefix=")), "")
    try:
        while not _healthy(uri + prefix):
            assert server.poll() is None, "the server ended"
            time.sleep(0.05)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:  # how it ends does not matter
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _healthy(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=10) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def _postgresql_programs() -> Path | None:
    """Return the folder of ``initdb`` and ``postgres``: Debian keeps them off the PATH."""
    known = shutil.which("initdb")
    return Path(known).resolve().parent if known else max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URI of an empty database of a real PostgreSQL server, of this test alone."""
    with postgresql_server() as uri:
        yield uri


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Run a real PostgreSQL server, and yield the URI of its empty database."""
    programs = _postgresql_programs()
    if programs is None or importlib.util.find_spec("psycopg") is None:
        reason = "PostgreSQL or psycopg is not here: make system, and the packages of requirements-dev.lock"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="ecoia-postgresql-"))
    whose = {"user": "postgres"} if os.geteuid() == 0 else {}  # it refuses to run as root
    if whose:
        shutil.chown(folder, "postgres")
    port = free_port()
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "ecoia", "--auth=trust", "--no-sync", "--encoding=UTF8"],
        check=True, capture_output=True, cwd=folder, **whose,
    )  # fmt: skip
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port), "-F"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **whose,
    )  # fmt: skip
    uri = f"postgresql://ecoia@127.0.0.1:{port}/postgres"
    try:
        while not _takes_connections(uri):
            assert server.poll() is None, "PostgreSQL ended"
            time.sleep(0.05)
        yield uri
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _takes_connections(uri: str) -> bool:
    import psycopg

    try:
        psycopg.connect(uri, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True

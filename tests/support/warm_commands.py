"""``ecoia`` commands, deliveries and MLflow's server as processes of their own, forked from one that has loaded what they need.

Most of the CPU time of a command is loading MLflow and its like, some 1.5 s each time, and 6 s for a server. A test that runs
them, but tests neither their start nor what they load, takes them from here. Each is a process: its arguments, environment,
folder, files, exit status and signals are its own.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecoia.delivery import timed_delivery
from ecoia.errors import MissingExtraError
from support.environment import clean_environment

LOADED = ("ecoia", "ecoia_dashboards")
ALSO_LOADED = (
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "pandas",
    "pyarrow.parquet",
    "matplotlib.pyplot",
    "weasyprint",
    "mlflow.cli",
    "mlflow.server.fastapi_app",
    "uvicorn.protocols.http.auto",
    "uvicorn.loops.auto",
)
COLD = ("run", "watch", "metrics", "baseline")
"""Commands that measure, so are started as a user starts them."""

DELIVERIES = ["-P", "-m", "ecoia.delivery.one_delivery"]
"""What Python is asked for to deliver."""

_CLIENT = """\
#!{python} -ISs
import json, os, signal, socket, sys
name, *words = sys.argv
name = os.path.basename(name)
if (name == "ecoia" and words and words[0] in {cold!r}) or (name == "python" and words != {deliveries!r}):
    real = os.path.join({real!r}, name)
    os.execv(real, [real, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
asked = json.dumps([name, words, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(asked).to_bytes(8, "big")], [0, 1, 2])
server.sendall(asked)
answers = server.makefile("r")
process = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(process, number))
status = int(answers.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@cache
def warm_folder() -> Path:
    """Return a folder to put first in ``PATH``: its programs are forked from a process that ends with the run of the tests.

    It has ``ecoia``, ``mlflow``, of which only ``mlflow server`` is tried, and ``python``, which carries out deliveries.

    The workers of a run share it; the first that asks starts it.
    """
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"ecoia-warm-{run}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ecoia").exists():
            _start(folder, run)
    return folder


def _start(folder: Path, run: int) -> None:
    address = folder / "socket"
    environment = clean_environment() | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    # It is nobody's child, so that no test meets it among those of the process that runs the tests.
    command = [sys.executable, "-m", "support.warm_commands", str(address), str(run)]
    started = subprocess.run(
        ["/bin/sh", "-c", '"$@" >/dev/null & echo $!', "sh", *command],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    pid = int(started.stdout)
    while not address.exists():
        assert is_alive(pid), "the process that forks commands ended"
        time.sleep(0.02)
    client = _CLIENT.format(
        python=sys.executable, cold=COLD, deliveries=DELIVERIES, real=str(Path(sys.executable).parent), address=str(address)
    )
    for name in ("python", "mlflow", "ecoia"):  # the last one says that all are there
        draft = folder / "draft"
        draft.write_text(client, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder / name)


class _Warm:
    """Stands for ``sys`` where a delivery is started."""

    @property
    def executable(self) -> str:
        """The program that is started as Python. The first delivery starts what it is forked from."""
        return str(warm_folder() / "python")


@pytest.fixture
def warm_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the processes of deliveries that this process starts, too."""
    monkeypatch.setattr(timed_delivery, "sys", _Warm())


def is_alive(pid: int) -> bool:
    """Return whether a process lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _serve(address: str, run: int) -> None:
    for name in LOADED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                with contextlib.suppress(ModuleNotFoundError, MissingExtraError):  # of an extra that is not here, as Spark
                    importlib.import_module(module.name)
    for name in ALSO_LOADED:
        importlib.import_module(name)
    sys.modules["sqlalchemy.orm"].configure_mappers()
    timed_delivery.sys = SimpleNamespace(executable=str(Path(address).with_name("python")))  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()  # a collection in a command would copy the pages of all that is loaded here
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    listener.settimeout(2)
    Path(f"{address}.new").rename(address)
    while is_alive(run):
        try:
            client, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _wait_for_command(client)
        client.close()
    shutil.rmtree(Path(address).parent, ignore_errors=True)


def _serve_mlflow() -> None:
    """Run ``mlflow server`` in this process, with the server that it would start as another one."""
    import mlflow.cli
    import mlflow.server

    def serve(command: list[str], extra_env: Mapping[str, str], **_: object) -> None:
        os.environ.update(extra_env)
        _, _, *sys.argv = command  # PYTHON -m uvicorn ...
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

    mlflow.server._exec_cmd = serve
    mlflow.cli.cli()


def _deliver() -> None:
    from ecoia.delivery import one_delivery

    os.setsid()  # it kills its group in the end
    one_delivery.main()


def _command() -> None:
    from ecoia.cli import main

    main()


PROGRAMS: dict[str, Callable[[], None]] = {"ecoia": _command, "mlflow": _serve_mlflow, "python": _deliver}


def _run(program: Callable[[], None]) -> None:
    """Run the program and end as the interpreter does, but for taking down what is loaded: it would copy all of it."""
    status: object = 0
    try:
        program()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter ends a program
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status if isinstance(status, int) else status is not None)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _wait_for_command(client: socket.socket) -> None:
    client.settimeout(None)
    size, files, _, _ = socket.recv_fds(client, 8, 3)
    name, arguments, folder, environment = json.loads(client.makefile("rb").read(int.from_bytes(size, "big")))
    process = os.fork()
    if process == 0:
        client.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - as at a start
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.argv = [name, *arguments]
        _run(PROGRAMS[name])
    for file in files:
        os.close(file)
    for number in range(3):
        os.close(number)  # who reads the command's output waits for its end alone
    client.sendall(f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell has a program in the background ignore it
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    _serve(sys.argv[1], int(sys.argv[2]))

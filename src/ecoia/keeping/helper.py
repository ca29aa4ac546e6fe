"""Starting the one helper process of a journal home, and the locks by which there is only one.

Stdlib only, and nothing here waits: measured processes call ``spawn_helper`` from their background thread. The helper
is ``ecoia deliver --follow`` (``ecoia.delivery.follow.follow``); MLflow is imported there, never here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from ecoia.errors import JournalError
from ecoia.semconv import SCHEMA_VERSION
from ecoia.settings import SETTINGS, Settings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HELPER_LOCK = "helper.lock"
CURSORS = "cursors.json"
ALL_TARGETS = "*"
_LOG_MAX_BYTES = 256 * 1024


@contextmanager
def try_lock(home: Path, name: str) -> Iterator[bool]:
    """Hold ``delivery/<name>`` while the block runs; yields whether it was free. Never waits. The kernel lets go of
    it when the process dies."""
    folder = home / "delivery"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / name).open("ab")
    except OSError as error:
        raise JournalError(f"'{folder}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    with opened as file:
        if fcntl is None:  # records are known by id, so two helpers change no total
            yield True
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def read_cursors_of(home: Path) -> dict[str, dict[str, int]]:
    """Journal file -> target id (``ALL_TARGETS`` for whichever) -> offset up to which its records were delivered."""
    try:
        data = json.loads((home / "delivery" / CURSORS).read_text(encoding="utf-8"))
        if data["schema"] == SCHEMA_VERSION:  # a newer ecoia reads lines that this one had to leave
            return {str(name): {str(k): int(v) for k, v in cursor.items()} for name, cursor in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}


def await_delivery(home: Path, file: str, size_bytes: int, seconds: float) -> bool:
    """Wait for the helper to have delivered a journal file up to a size. For a pod, whose disk goes with it.

    Returns:
        Whether it was delivered in time.
    """
    until = time.monotonic() + seconds
    while read_cursors_of(home).get(file, {}).get(ALL_TARGETS, 0) < size_bytes:
        if time.monotonic() >= until:
            return False
        time.sleep(0.1)
    return True


def spawn_helper(settings: Settings) -> bool:
    """Start the helper of ``settings.home`` unless it runs, is not wanted or could not work. Never raises for a
    missing program or a full disk: what it would have sent stays in the journal.

    Returns:
        Whether a process was started.
    """
    # In a frozen program, sys.executable is that program.
    if settings.delivery != "helper" or not sys.executable or getattr(sys, "frozen", False) or not _has_mlflow():
        return False
    home = Path(settings.home).absolute()
    try:
        with try_lock(home, HELPER_LOCK) as free:
            if not free:
                return False
        with _log(home) as log:
            _start_detached(
                [sys.executable, "-P", "-m", "ecoia", "deliver", "--follow", "--home", str(home)], settings, home, log
            )
    except OSError:
        return False
    return True


def _has_mlflow() -> bool:
    try:
        return importlib.util.find_spec("mlflow") is not None
    except (ImportError, ValueError):
        return False


@contextmanager
def _log(home: Path) -> Iterator[int]:
    path = home / "delivery" / "helper.log"
    too_long = path.exists() and path.stat().st_size > _LOG_MAX_BYTES
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if too_long else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def environment(settings: Settings) -> dict[str, str]:
    """The helper's environment: ours, with every setting made explicit since it works from another folder."""
    env = {name: value for name, value in os.environ.items() if name != "ECOIA_DISABLED"}
    for setting in SETTINGS:
        value = settings.values[setting.name].value
        if value is not None:
            env[setting.variable] = str(value)
    env["ECOIA_HOME"] = str(Path(settings.home).absolute())
    env["MLFLOW_DISABLE_TELEMETRY"] = "true"
    env["DO_NOT_TRACK"] = "true"
    return env


def _start_detached(command: list[str], settings: Settings, home: Path, log: int) -> None:
    shell = shutil.which("sh")
    if shell is not None:
        # The shell leaves at once and the helper is nobody's child: the host gets no zombie to reap, and a program that
        # measures its children does not count ours.
        command = [shell, "-c", '"$@" &', "sh", *command]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        cwd=home,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        close_fds=True,
        start_new_session=True,
    )
    # Without a shell the helper is our child: someone has to be there when it ends, and it is not the sampler.
    Thread(target=process.wait, name="ecoia-helper-reaper", daemon=True).start()

"""The *helper*: the one background process of a journal home that delivers its records.

The helper runs ``ecoia.delivery.helper_loop``, which starts a process for each delivery; MLflow is loaded there only. Measured
processes start the helper from their background thread (``spawn_helper``), so this module uses the standard library only.
Nothing in it waits, except ``await_delivery``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from ecoia.errors import JournalError
from ecoia.keeping.file_system import LockableFile
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.light.json import read_json_file
from ecoia.semconv import SCHEMA_VERSION
from ecoia.settings import SETTINGS, Settings

CURSORS = "cursors.json"
"""Name of the file that keeps how far each journal file was delivered."""

ALL_TARGETS = "*"
"""Key of a cursor that holds for every target."""

_LOG_MAX_BYTES = 256 * 1024


@contextmanager
def try_lock(home: Path, name: str) -> Iterator[bool]:
    """Hold the lock ``delivery/<name>`` while the block runs, if it is free. Never waits.

    The kernel releases the lock when the process ends. On Windows every lock is free: two helpers at once change no total, as
    records are known by id.

    Args:
        home: The journal's home.
        name: Name of the lock, e.g. ``HELPER_LOCK``.

    Yields:
        Whether the lock was free, and is held now.

    Raises:
        JournalError: the home cannot be written.

    Example:
        >>> import tempfile
        >>> with try_lock(Path(tempfile.mkdtemp()), HELPER_LOCK) as free:
        ...     free
        True
    """
    folder = home / "delivery"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = LockableFile(folder / name, os.O_WRONLY | os.O_CREAT)
    except OSError as error:
        raise JournalError(f"'{folder}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    try:
        yield file.lock()
    finally:
        file.close()


@contextmanager
def wait_for_lock(home: Path, name: str, *, seconds: float = 60.0) -> Iterator[bool]:
    """Hold such a lock while the block runs, and wait for it first.

    Args:
        home: The journal's home.
        name: Name of the lock.
        seconds: How long to wait at most.

    Yields:
        Whether it is held; False where another process did not give it back in time.

    Raises:
        JournalError: the home cannot be written.

    Example:
        >>> import tempfile
        >>> with wait_for_lock(Path(tempfile.mkdtemp()), "lock") as held:
        ...     held
        True
    """
    until = time.monotonic() + seconds
    while True:
        with try_lock(home, name) as free:
            if free or time.monotonic() > until:
                yield free
                return
        time.sleep(0.1)


def read_cursors_of(home: str | Path) -> dict[str, dict[str, int]]:
    """Return how far each journal file was delivered: file -> target's id -> offset in bytes.

    The key ``ALL_TARGETS`` gives the offset up to which a file was delivered to every target of its records. Cursors that
    cannot be read, or that another version wrote, count as empty: every record is then looked at again, which changes no total.

    Example:
        >>> read_cursors_of("no-such-home")
        {}
    """
    try:
        data = read_json_file(f"{home}/delivery/{CURSORS}")
        if data["schema"] == SCHEMA_VERSION:  # another version reads lines that this one leaves out, or the reverse
            return {str(name): {str(k): int(v) for k, v in cursor.items()} for name, cursor in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}


def await_delivery(home: str | Path, file: str, size_bytes: int, seconds: float) -> bool:
    """Wait until the helper has delivered a journal file up to a size. For a pod, whose disk is lost with it.

    Args:
        home: The journal's home.
        file: The file's path below ``journal/``.
        size_bytes: Size up to which its records must be delivered.
        seconds: Longest wait.

    Returns:
        Whether the records were delivered in time.

    Example:
        >>> await_delivery("no-such-home", "2026-11-23/1-abcdef.jsonl", size_bytes=1, seconds=0)
        False
    """
    until = time.monotonic() + seconds
    while read_cursors_of(home).get(file, {}).get(ALL_TARGETS, 0) < size_bytes:
        if time.monotonic() >= until:
            return False
        time.sleep(0.1)
    return True


def spawn_helper(settings: Settings) -> bool:
    """Start the helper of ``settings.home``, unless one runs, the setting ``delivery`` is ``manual``, or MLflow is missing.

    Never raises for a missing program or a full disk: the records stay in the journal for the next helper.

    Returns:
        Whether a process was started.

    Example:
        >>> from ecoia import settings
        >>> spawn_helper(settings.load({"delivery": "manual"}))
        False
    """
    # In a frozen program, sys.executable is that program, not an interpreter that could run the helper.
    if settings.delivery != "helper" or not sys.executable or getattr(sys, "frozen", False) or not _has_mlflow():
        return False
    home = Path(settings.home).absolute()
    try:
        with try_lock(home, HELPER_LOCK) as free:
            if not free:
                return False
        with _log(home) as log:
            _start_detached([sys.executable, "-P", "-m", "ecoia.delivery.helper_loop", "--home", str(home)], settings, home, log)
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


def explicit_environment(settings: Settings) -> dict[str, str]:
    """Return our environment with every setting made explicit, as ecoia's own processes work from another folder."""
    env = {name: value for name, value in os.environ.items() if name != "ECOIA_DISABLED"}
    for setting in SETTINGS:
        value = settings.values[setting.name].value
        if value is not None:
            env[setting.variable] = str(value)
    env["ECOIA_AUTOLOG"] = "false"  # deliveries use MLflow, and are no work of the program
    env["ECOIA_HOME"] = str(Path(settings.home).absolute())
    env["MLFLOW_DISABLE_TELEMETRY"] = "true"
    env["DO_NOT_TRACK"] = "true"
    return env


def _start_detached(command: list[str], settings: Settings, home: Path, log: int) -> None:
    import subprocess  # only where a helper is started: that is rare

    # ``shutil.which`` would load what unpacks archives.
    shell = next((path for folder in os.get_exec_path() if os.access(path := f"{folder}/sh", os.X_OK)), None)
    if shell is not None:
        # The shell ends at once, which detaches the helper: the program gets no zombie to reap, and if it measures its
        # own children it does not count ours.
        command = [shell, "-c", '"$@" &', "sh", *command]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        cwd=home,
        env=explicit_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        close_fds=True,
        start_new_session=True,
    )
    # Without a shell the helper is our child and must be reaped when it ends; the sampler's thread must not wait for it.
    Thread(target=process.wait, name="ecoia-helper-reaper", daemon=True).start()

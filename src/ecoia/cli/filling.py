"""Fill the folder that dashboards read: once, or again and again in a process of its own (``python -m ecoia.cli.filling``).

The process looks every ``_LEAST_REST_SECONDS`` whether anything changed, and fills again if so. It rests ten times as long as it
worked, so it takes a tenth of one processor at most. Where the store cannot be read, it says so in the state, and what was filled
last stays. It ends with the process that started it, whose end of the pipe is its standard input.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia.cli.common import FAILED, Source, existing_journal, load_settings, say
from ecoia.cli.reading import no_collection, read_inputs, source_name, store_here
from ecoia.errors import EcoiaError, UsageError
from ecoia.exploring.state import note
from ecoia.keeping.file_system import LockableFile
from ecoia.keeping.helper_start import explicit_environment
from ecoia.keeping.journal import journal_sizes
from ecoia.periods import Quarter, utc_datetime
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.delivery.mlflow_store import MlflowStore
    from ecoia.exploring.state import State

LOCK_FILE, LOG_FILE = "filling.lock", "filling.log"
READING = "reading"
"""The step before the quarters: rows are read."""

_LEAST_REST_SECONDS = 20.0
_REST_PER_CPU_SECOND = 10.0
_RESTART_SECONDS = 30.0
_ENDING_SECONDS = 10.0
_NICENESS = 10
_LOG_MAX_BYTES = 1 << 20
_EMPTY_BESIDE_JOURNAL = "empty-ledger-beside-journal"


def folder_of(settings: Settings, source: Source) -> Path:
    """Return the folder that is filled from a source: one for each journal and each store.

    Raises:
        UsageError: several stores could be meant.
    """
    name = source_name(settings, source)
    return Path(settings.home) / "cache" / "dashboard" / f"{source.value}-{sha256(name.encode()).hexdigest()[:12]}"


def fill_once(
    settings: Settings, source: Source, begin: Callable[[int, int, str], None], store: MlflowStore | None = None
) -> State:
    """Read the rows and fill the folder of their source; the caller holds its lock.

    Args:
        settings: The settings.
        source: Where the rows come from.
        begin: Called as each step begins, with steps done, steps in all, and its name.
        store: The store of the ledger, if it is open already.
    """
    from ecoia.exploring.filling import fill

    folder, name = folder_of(settings, source), source_name(settings, source)
    begin(0, 1, READING)
    note(folder, source=source.value, source_uri=name, timezone=settings.timezone, progress=(0, 1, READING))

    def give_up(why: str) -> None:
        _note_away(folder, why)
        say(why)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(FAILED)

    inputs = read_inputs(settings, source, store, give_up)
    beside = source is Source.LEDGER and not inputs.rows and (Path(settings.home) / "home.json").exists()
    hints = (_EMPTY_BESIDE_JOURNAL,) if beside else ()
    with no_collection():
        return fill(folder, inputs, settings, source=source.value, source_uri=name, hints=hints, begin=begin)


@contextmanager
def sole_filler(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a folder while the block runs, so that one process fills it at a time.

    Raises:
        UsageError: another process fills it, and we do not wait.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = LockableFile(folder / LOCK_FILE, os.O_WRONLY | os.O_CREAT)
    try:
        if not file.lock(wait=wait):
            raise UsageError(f"'{folder}' is being filled by another process: wait for it, or stop it")
        yield
    finally:
        file.close()


@contextmanager
def filling_beside(settings: Settings, source: Source) -> Iterator[None]:
    """Have the folder of a source filled by a process of its own while the block runs."""
    over = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def keep_running() -> None:
        while not over.is_set():
            with _start(settings, source) as process:
                started[:] = [process]
                process.wait()
            over.wait(_RESTART_SECONDS)  # it ends by itself where a store does not answer

    thread = threading.Thread(target=keep_running, name="ecoia-filling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        for process in started:
            process.terminate()
        thread.join(_ENDING_SECONDS)


def _start(settings: Settings, source: Source) -> subprocess.Popen[bytes]:
    folder = folder_of(settings, source)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / LOG_FILE
    too_long = path.exists() and path.stat().st_size > _LOG_MAX_BYTES
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if too_long else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "ecoia.cli.filling", "--from", source.value],
            env=explicit_environment(settings),
            stdin=subprocess.PIPE,
            stdout=descriptor,
            stderr=descriptor,
        )
    finally:
        os.close(descriptor)


class Filling:
    """Fills again whenever something changed.

    Args:
        settings: The settings.
        source: Where the rows come from.
    """

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings, self._source = settings, source
        self._folder = folder_of(settings, source)
        self._store: MlflowStore | None = None
        self._filled: tuple[str, ...] | None = None

    def look(self) -> bool:
        """Fill if something changed since the last time. Returns whether it did."""
        try:
            found = self._marks()
            if found == self._filled and (self._folder / "state.json").exists():
                note(self._folder, away=None, away_since_utc=None)
                return False
            fill_once(self._settings, self._source, lambda done, of, what: None, self._store)
            self._filled = found
        except (EcoiaError, OSError) as error:
            _note_away(self._folder, str(error))
            say(str(error))
            self._store = None
            return False
        return True

    def _marks(self) -> tuple[str, ...]:
        """Return texts of which one differs once anything changes that figures come from."""
        settings = self._settings
        now = str(Quarter.of_instant(time.time_ns(), ZoneInfo(settings.timezone)))
        folders = [path for path in (settings.catalogue, settings.publications) if path]
        return now, self._mark_of_source(), *(_mark_of_folder(Path(folder)) for folder in folders)

    def _mark_of_source(self) -> str:
        if self._source is Source.JOURNAL:
            found = existing_journal(self._settings)
            return "" if found is None else repr(sorted(journal_sizes(found).items()))
        from ecoia.delivery.mlflow_ledger import MlflowLedger
        from ecoia.delivery.timed_reading import reading_in_time
        from ecoia.keeping.destinations import public_uri

        self._store = self._store or store_here(self._settings)

        def give_up(why: str) -> None:
            _note_away(self._folder, why)
            os._exit(FAILED)

        with reading_in_time(public_uri(self._store.uri), self._settings.delivery_seconds, give_up):
            return MlflowLedger(self._store, by_sql=self._settings.ledger_sql).mark()


def _mark_of_folder(folder: Path) -> str:
    """Return a text that changes with the files of a folder, by their sizes and times."""
    if not folder.is_dir():
        return ""
    found = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()]
    return sha256(repr(found).encode()).hexdigest()


def _note_away(folder: Path, why: str) -> None:
    from ecoia.exploring.state import read_state

    since = read_state(folder).state.away_since_utc or utc_datetime(time.time_ns()).strftime("%Y-%m-%dT%H:%M:%SZ")
    with contextlib.suppress(OSError):
        note(folder, away=why, away_since_utc=since, progress=None)


def _end_with_parent() -> None:
    """End once standard input does: nobody holds its other end any more."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="ecoia-parent", daemon=True).start()


def main() -> None:
    """Fill again and again, until the process that started this one ends."""
    parser = argparse.ArgumentParser(description="Fill the folder that dashboards read.")
    parser.add_argument("--from", dest="source", type=Source, default=Source.LEDGER)
    source = parser.parse_args().source
    _end_with_parent()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    settings = load_settings()
    with sole_filler(folder_of(settings, source), wait=True):
        filling = Filling(settings, source)
        while True:
            began = time.process_time()
            filling.look()
            time.sleep(max(_LEAST_REST_SECONDS, (time.process_time() - began) * _REST_PER_CPU_SECOND))


if __name__ == "__main__":
    main()

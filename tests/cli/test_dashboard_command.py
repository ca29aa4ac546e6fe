"""``ecoia dashboard`` without its pages: what it fills, what it refuses, and the process that fills beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecoia import settings as configuration
from ecoia.cli import dashboard, filling
from ecoia.cli.common import Source
from ecoia.exploring import Explorer, Selection, drawers
from ecoia.keeping.journal import Journal
from ecoia.periods import Quarter
from support.command_line import ecoia
from support.records import kwh, record, write

WHOLE = Selection.of_quarter(Quarter(2026, 4))


def filled_folder(home: Path) -> Path:
    (found,) = (home / "cache" / "dashboard").iterdir()
    return found


def test_fill_only_fills_the_folder_of_the_journal(journal: Journal, home: Path) -> None:
    done = ecoia("dashboard", "--from", "journal", "--fill-only")
    assert done.exit_code == 0, done.output
    explorer = Explorer(filled_folder(home))
    state = explorer.state
    assert (state.source, state.source_uri, state.quarters) == ("journal", str(home), ("2026Q4",))
    assert state.progress is None
    assert explorer.selected(WHOLE).microjoules == kwh(1) + 1 + 5_000_000 + 7 + 11
    assert "2026Q4" in done.stdout


def test_an_empty_ledger_beside_a_journal_is_a_hint(
    journal: Journal, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert ecoia("dashboard", "--fill-only").exit_code == 0
    state = Explorer(filled_folder(home)).state
    assert (state.source, state.quarters, state.hints) == ("ledger", (), ("empty-ledger-beside-journal",))
    assert state.source_uri.endswith("mlflow.db")


def test_each_source_has_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configuration.load()
    found = {filling.folder_of(settings, Source.JOURNAL)}
    for uri in ("http://one:5000", "http://two:5000", "http://user:secret@two:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        found.add(filling.folder_of(settings, Source.LEDGER))
        assert "secret" not in filling.source_name(settings, Source.LEDGER)
    assert len(found) == 3


class Servers:
    """Entry points that give one server, or none."""

    def __init__(self, serve: Callable[..., None] | None, error: ImportError | None = None) -> None:
        self.name, self._serve, self._error = dashboard.NAME, serve, error

    def load(self) -> Callable[..., None] | None:
        if self._error:
            raise self._error
        return self._serve


def use_server(monkeypatch: pytest.MonkeyPatch, *servers: Servers) -> None:
    monkeypatch.setattr(drawers, "entry_points", lambda group: servers if group == "ecoia.dashboards" else ())


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for servers in ((), (Servers(None, ImportError("no", name="fastapi")),)):
        use_server(monkeypatch, *servers)
        done = ecoia("dashboard", "--from", "journal", "--no-browser")
        assert done.exit_code == 2
        assert "pip install 'ecoia[report]'" in done.stderr


def test_a_taken_port_is_refused_before_anything_is_filled(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    use_server(monkeypatch, Servers(lambda *a, **k: None))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = ecoia("dashboard", "--from", "journal", "--port", port)
    assert done.exit_code == 2
    assert f"--port {port}" in done.stderr
    assert not (home / "cache").exists()


def test_the_server_gets_what_is_filled_beside(journal: Journal, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    opened: list[str] = []

    def serve(explorer: Explorer, *, host: str, port: int, settings: Any, ready: Callable[[str], None], **_: Any) -> None:
        given.update(host=host, port=port, home=settings.home)
        ready(f"http://{host}:{port}/")
        until = time.monotonic() + 60
        while not explorer.state.quarters and time.monotonic() < until:
            time.sleep(0.05)
        given["found"] = explorer.selected(WHOLE).microjoules

    use_server(monkeypatch, Servers(serve))
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = ecoia("dashboard", "--from", "journal", "--port", port)
    assert done.exit_code == 0, done.output
    assert given == {"host": "127.0.0.1", "port": port, "home": str(home), "found": kwh(1) + 1 + 5_000_000 + 7 + 11}
    assert opened == [f"http://127.0.0.1:{port}/"]
    lock = filled_folder(home) / filling.LOCK_FILE
    with filling.sole_filler(lock.parent, wait=True):  # the process that filled has ended
        pass


def test_filling_looks_for_changes(journal: Journal, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    monkeypatch.setenv("ECOIA_CATALOGUE", str(catalogue))
    keeper = filling.Filling(configuration.load(), Source.JOURNAL)
    assert keeper.look()
    assert not keeper.look()
    explorer = Explorer(filled_folder(home))
    before = explorer.selected(WHOLE).microjoules
    write(journal, [record("2026-11-24T10:00", cpu=kwh(3))])
    assert keeper.look()
    assert explorer.selected(WHOLE).microjoules == before + kwh(3)
    (catalogue / "services.yaml").write_text("services:\n  - {id: vadore, name: VADORE, status: generalised}\n")
    assert keeper.look()
    assert [each.name for each in explorer.report("2026Q4").register][:1] == ["VADORE"]
    assert not keeper.look()


def test_a_mistake_leaves_what_was_filled_and_says_why(
    journal: Journal, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    monkeypatch.setenv("ECOIA_CATALOGUE", str(catalogue))
    keeper = filling.Filling(configuration.load(), Source.JOURNAL)
    assert keeper.look()
    explorer = Explorer(filled_folder(home))
    before = explorer.selected(WHOLE)
    (catalogue / "services.yaml").write_text("services: 3\n")
    assert not keeper.look()
    away, since = explorer.state.away, explorer.state.away_since_utc
    assert away is not None
    assert "services.yaml" in away
    assert since is not None
    assert explorer.state.progress is None
    assert explorer.selected(WHOLE) == before
    assert not keeper.look()
    assert explorer.state.away_since_utc == since  # the first time that it failed
    (catalogue / "services.yaml").unlink()
    keeper.look()
    mended = explorer.state
    assert (mended.away, mended.away_since_utc) == (None, None)


def test_a_store_that_is_away_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert not filling.Filling(configuration.load(), Source.LEDGER).look()
    state = Explorer(filled_folder(home)).state
    assert state.away is not None
    assert "127.0.0.1" in state.away


def test_the_process_ends_with_the_one_that_started_it(journal: Journal, home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ecoia.cli.filling", "--from", "journal"],
        env={**os.environ, "ECOIA_HOME": str(home)},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list((home / "cache").rglob("*.sqlite")):
            time.sleep(0.05)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
    state = json.loads((filled_folder(home) / "state.json").read_text())
    assert state["state"]["quarters"] in ([], ["2026Q4"])


def test_one_process_fills_at_a_time(journal: Journal, home: Path) -> None:
    folder = filling.folder_of(configuration.load(), Source.JOURNAL)
    with filling.sole_filler(folder, wait=False):
        done = ecoia("dashboard", "--from", "journal", "--fill-only")
    assert done.exit_code == 2
    assert "being filled by another process" in done.stderr

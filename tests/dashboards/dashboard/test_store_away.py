"""A tracking server that goes away and comes back: the dashboard shows what was read last, says so, and catches up."""

from __future__ import annotations

import html
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ecoia import settings as configuration
from ecoia.cli.common import Source
from ecoia.cli.filling import Filling
from ecoia.exploring import Explorer
from ecoia.exploring.places import folder_of
from ecoia_dashboards.dashboard.app import create_app
from support.command_line import ecoia, fill
from support.dashboard import ask
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, migrated, mlflow_server
from support.records import kwh, record
from support.warm_commands import warm_deliveries

pytestmark = [
    pytest.mark.mlflow,
    pytest.mark.usefixtures("warm_deliveries"),
    *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS),
]

__all__ = ["migrated", "warm_deliveries"]

AWAY = "Les données ne peuvent pas être relues depuis le"


@pytest.fixture
def start(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[str]]:
    """Start the tracking server on the same address and database each time."""
    shutil.copy(migrated, tmp_path / "mlflow.db")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    return lambda: mlflow_server(f"sqlite:///{tmp_path / 'mlflow.db'}", port, tmp_path / "artifacts")


def test_pages_stay_while_the_store_is_away_and_catch_up_afterwards(
    home: Path, start: Callable[[], AbstractContextManager[str]]
) -> None:
    settings = configuration.load()
    keeper = Filling(settings, Source.LEDGER)
    explorer = Explorer(folder_of(settings, Source.LEDGER))
    app = create_app(explorer)

    def page() -> str:
        answer = ask(app, "/")
        assert answer.status == 200, answer.text
        return html.unescape(answer.text).replace("\xa0", " ")

    with start():
        assert ask(app, "/").status == 503  # nothing was read yet
        fill(home, record("2026-11-23T10:00", cpu=kwh(1), ram=None))
        assert ecoia("deliver").exit_code == 0
        assert keeper.look()
        assert AWAY not in page()
        first = explorer.state
    assert not keeper.look()
    fill(home, record("2026-11-24T10:00", cpu=kwh(3), ram=None))
    away = explorer.state
    text = page()
    assert "1,00 kWh" in text
    assert AWAY in text
    filled = "Cette page montre celles du "
    assert filled in text
    assert (away.filled_utc, away.digest) == (first.filled_utc, first.digest)
    assert away.away_since_utc is not None
    assert not keeper.look()
    assert explorer.state.away_since_utc == away.away_since_utc  # since it went away, not since it was last asked
    with start():
        assert not keeper.look()  # the store is back, and as it was
        assert AWAY not in page()
        assert ecoia("deliver").exit_code == 0
        assert keeper.look()
        assert "4,00 kWh" in page()
    assert explorer.state.away is None

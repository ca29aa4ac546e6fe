"""``ecoia.show`` reads what is filled, fills it once where it is not there, and says what is wrong in place of a traceback."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

import ecoia
from ecoia import settings as configuration
from ecoia.cli.common import Source
from ecoia.cli.filling import sole_filler
from ecoia.errors import SettingError, UsageError
from ecoia.exploring import drawers
from ecoia.exploring.places import folder_of
from ecoia.keeping.destinations import register_target
from support.command_line import fill
from support.records import kwh, record, write


def said(card: object) -> str:
    return re.sub(r"\s+", " ", str(card))


def test_figures_are_computed_once_and_again_when_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    journal = fill(home, record("2026-11-23T10:00", cpu=kwh(2), service="cv"))
    shown = ecoia.show("cv", source="journal", lang="en")
    assert "2.00 kWh in Q4 2026" in said(shown)
    assert shown._repr_html_() is not None
    told = capsys.readouterr()
    assert told.out == ""
    assert not told.err or told.err.endswith("\r"), "the line that said how far it was is taken away"
    write(journal, [record("2026-11-24T10:00", cpu=kwh(3), service="cv")])
    assert said(ecoia.show("cv", source="journal", lang="en")) == said(shown)
    assert "ecoia.show('cv', source='journal', lang='en', refresh=True)" in said(shown)
    assert "5.00 kWh in Q4 2026" in said(ecoia.show("cv", source="journal", lang="en", refresh=True))
    assert "5.00 kWh" in said(ecoia.show("cv", "2026q4", source="journal", lang="en"))
    (home / "home.json").rename(home / "home.json.away")  # nothing can be read any more: the last figures stay
    monkeypatch.setenv("ECOIA_CATALOGUE", str(home / "home.json.away"))
    broken = said(ecoia.show("cv", source="journal", lang="en", refresh=True))
    assert "5.00 kWh" in broken
    assert "could not be brought up to date" in broken


def test_what_a_user_can_mend_is_on_the_card(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = ecoia.show("cv", source="journal", lang="en")
    assert "Nothing was measured yet." in said(nothing)
    assert "ecoia doctor" in said(nothing)
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    (catalogue / "services.yaml").write_text("services: 3\n")
    monkeypatch.setenv("ECOIA_CATALOGUE", str(catalogue))
    assert "services.yaml" in said(ecoia.show("cv", source="journal", lang="en"))
    monkeypatch.setenv("ECOIA_PUE", "0.2")
    assert "setting 'pue' = '0.2'" in said(ecoia.show("cv", source="journal", lang="en"))


def test_several_stores_are_named(home: Path) -> None:
    for port in (5000, 5001):
        register_target(home, f"http://mlflow.example:{port}")
    found = said(ecoia.show(lang="en"))
    assert "set MLFLOW_TRACKING_URI to one of http://mlflow.example:5000, http://mlflow.example:5001" in found


def test_a_store_that_is_away_ends_the_process_that_asked_it_and_not_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
    monkeypatch.setenv("ECOIA_DELIVERY_SECONDS", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert address in said(ecoia.show("cv", lang="en"))


def test_where_another_process_fills_for_the_first_time_the_card_says_wait(home: Path) -> None:
    folder = folder_of(configuration.load(), Source.JOURNAL)
    with sole_filler(folder, wait=False):
        found = said(ecoia.show("cv", source="journal", lang="en"))
    assert "The first figures are being computed." in found
    assert "ecoia.show('cv', source='journal', lang='en')" in found


def test_a_light_install_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawers, "entry_points", lambda group: ())
    found = ecoia.show("cv")
    assert "pip install 'ecoia[report]'" in str(found)
    assert found._repr_html_() is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"service": 3}, "service = 3: write the id of a service"),
        ({"service": " "}, "service = ' ': write the id of a service"),
        ({"quarter": 2026}, "quarter = 2026: write the year, Q and 1 to 4"),
        ({"quarter": "next"}, "quarter 'next' is not readable"),
        ({"source": "mlflow"}, "source = 'mlflow': choose one of ledger, journal"),
        ({"lang": "de"}, "lang = 'de': choose one of fr, en"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_computed(home: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        ecoia.show(**given)
    assert not (home / "cache").exists()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a:b@e.example", 'https://e.example/"onload="x', "ecoia"])
def test_no_card_links_to_what_is_no_address(address: str) -> None:
    with pytest.raises(SettingError, match="dashboard_url"):
        ecoia.show("cv", dashboard_url=address)

"""``ecoia digest``: what it writes and where, whom it names, and what it refuses. Its content: tests/dashboards."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from ecoia import settings as configuration
from ecoia.cli.common import Source
from ecoia.cli.filling import sole_filler
from ecoia.exploring import drawers
from ecoia.exploring.places import folder_of
from ecoia.keeping.journal import Journal
from support.command_line import ecoia

FROM = ("digest", "--from", "journal", "--lang", "en")


def test_the_mail_of_the_latest_quarter_is_written_and_sent_to_nobody(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    monkeypatch.setenv("ECOIA_DASHBOARD_URL", "https://ecoia.example.org/")
    file = tmp_path / "digest.eml"
    done = ecoia(*FROM, "--to", file)
    assert (done.exit_code, done.stdout.strip()) == (0, str(file)), done.output
    found = message_from_bytes(file.read_bytes(), policy=default)
    assert "Q4 2026" in found["Subject"]
    assert found["From"] is found["To"] is None
    text = ecoia(*FROM, "--format", "text", "--quarter", "2026q4")
    assert text.exit_code == 0
    assert "https://ecoia.example.org/?period=2026Q4" in text.stdout
    other = ecoia(*FROM, "--format", "text", "--dashboard-url", "https://other.example/team")
    assert "https://other.example/team/?period=2026Q4" in other.stdout
    html = ecoia(*FROM, "--format", "html")
    assert html.stdout.startswith("<!DOCTYPE html>")
    named = ecoia(*FROM, "--mail-from", "AI team <ia@example.org>", "--mail-to", "a@example.org", "--mail-to", "b@example.org")
    sent = message_from_bytes(named.stdout_bytes, policy=default)
    assert (sent["From"], sent["To"]) == ("AI team <ia@example.org>", "a@example.org, b@example.org")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mail-to", "a@example.org\nBcc: eve@example.org"), "--mail-to = 'a@example.org\\nBcc: eve@example.org': write one"),
        (("--mail-from", "a@example.org\r\n\r\nhello"), "--mail-from = "),
        (("--mail-to", "a@example.org, b@example.org"), "write one address"),
        (("--mail-to", "nobody"), "write one address"),
        (("--mail-to", "é@example.org"), "write one address"),
        (("--dashboard-url", "https://e.example/\nBcc: x"), "setting 'dashboard_url'"),
        (("--dashboard-url", "javascript:alert(1)"), "setting 'dashboard_url'"),
        (("--quarter", "next"), "quarter 'next' is not readable"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_filled(
    journal: Journal, home: Path, words: tuple[str, ...], message: str
) -> None:
    done = ecoia(*FROM, *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert not (home / "cache").exists()


def test_where_there_is_nothing_no_mail_is_written(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "digest.eml"
    done = ecoia(*FROM, "--to", file)
    assert done.exit_code == 2
    assert "nothing was measured yet" in done.stderr
    assert not file.exists()


def test_a_quarter_without_data_names_those_with_some(journal: Journal) -> None:
    done = ecoia(*FROM, "--quarter", "2020Q1")
    assert done.exit_code == 2
    assert "there is no data of quarter '2020Q1'; quarters with data: 2026Q4" in done.stderr


def test_beside_a_dashboard_that_fills_what_it_left_is_read(journal: Journal, tmp_path: Path) -> None:
    assert ecoia("dashboard", "--from", "journal", "--fill-only").exit_code == 0
    with sole_filler(folder_of(configuration.load(), Source.JOURNAL), wait=False):
        done = ecoia(*FROM, "--format", "text")
    assert done.exit_code == 0, done.output
    assert "Q4\N{NO-BREAK SPACE}2026" in done.stdout
    assert "another process keeps" in done.stderr


def test_a_file_that_cannot_be_written_is_named(journal: Journal, tmp_path: Path) -> None:
    done = ecoia(*FROM, "--to", tmp_path / "nowhere" / "digest.eml")
    assert done.exit_code == 1
    assert "choose another place with --to" in done.stderr


def test_a_light_install_says_what_to_install(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawers, "entry_points", lambda group: ())
    done = ecoia(*FROM)
    assert done.exit_code == 2
    assert "'ecoia digest' needs" in done.stderr

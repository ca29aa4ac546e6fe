"""What a new install is told to type can be typed: the start page and the card name commands and options that exist."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path

import typer

from ecoia.cli import app as command_line
from ecoia.exploring import Explorer
from ecoia.exploring.state import Filled, State, write_state
from ecoia_dashboards.card import draw
from ecoia_dashboards.dashboard.app import create_app
from support.dashboard import ask


def nothing_measured(folder: Path) -> Explorer:
    write_state(folder, Filled(State(source="ledger", filled_utc="2026-11-23T10:00:00Z")))
    return Explorer(folder)


def commands(text: str) -> list[str]:
    """The lines of a text that call ecoia."""
    return re.findall(r"^\s*(ecoia [a-z].*)$", text, re.MULTILINE)


def parsed(line: str) -> dict[str, object]:
    """Read a line as the command line does; a missing or an unknown option raises."""
    name, *words = shlex.split(line)[1:]
    group = typer.main.get_command(command_line)
    found = group.get_command(group.make_context("ecoia", [name], resilient_parsing=True), name)  # type: ignore[attr-defined]
    assert found is not None, line
    given: dict[str, object] = found.make_context(name, list(words)).params
    return given


def test_the_lines_of_the_start_page_and_of_the_card_can_be_typed(tmp_path: Path) -> None:
    explorer = nothing_measured(tmp_path)
    page = ask(create_app(explorer), "/")
    assert page.status == 404
    shown = html.unescape("\n".join(re.findall(r"<code>(.*?)</code>", page.text, re.DOTALL)))
    card = str(draw(explorer, "cv", None, source="ledger", lang="fr", dashboard_url=None, trouble=""))
    for text in (shown, card):
        lines = commands(text)
        assert len(lines) >= 3, text
        (run,) = [parsed(line) for line in lines if line.startswith("ecoia run ")]
        assert run["command"] == ["python", "entrainement.py"]
        assert all(parsed(line) is not None for line in lines)
    assert "ecoia.show('cv', source='journal')" in card

"""What a card says, in words: drawn as HTML and written as text."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.pieces.key_figures import NOTHING, KeyFigure
from ecoia_dashboards.dashboard.pieces.target_cards import TargetCard
from ecoia_dashboards.dashboard.view import View


@dataclass(frozen=True)
class Line:
    """A service of the organisation: what to ask for it by, its name, its energy with its interval, and how it is measured."""

    id: str
    name: str
    energy: str
    interval: str
    state: str


@dataclass(frozen=True)
class Step:
    """What to do: the words, and the line to type; empty: there is none."""

    words: str
    line: str = ""


@dataclass(frozen=True)
class Content:
    """What a card says.

    Attributes:
        over: Whose figures, of when.
        sentence: The answer, or what is wrong.
        lead: What stands below it.
        notices: What must be known before reading.
        keys: Key figures.
        facts: How the figures are known: each a term and what is to be said of it.
        figure: The course of the quarters, drawn.
        figure_title: What it shows.
        course: The same in words.
        targets_title: What is said of the targets as a whole.
        targets: Targets with their verdict.
        services_title: What is said of the services as a whole; as a heading of the list.
        services: Services, greatest first.
        steps: What to do.
        stamp: Draft or published, until when, by which method.
        link: Address of the same figures on the dashboard; empty: it is not known.
    """

    sentence: str
    over: str = ""
    lead: str = ""
    notices: tuple[str, ...] = ()
    keys: tuple[KeyFigure, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figure: Markup = NOTHING
    figure_title: str = ""
    course: str = ""
    targets_title: str = ""
    targets: tuple[TargetCard, ...] = ()
    services_title: str = ""
    services: tuple[Line, ...] = ()
    steps: tuple[Step, ...] = ()
    stamp: str = ""
    link: str = ""


def over(view: View) -> str:
    """Say whose figures these are, and of when."""
    return " · ".join(part for part in (clean(view.state.organisation), view.period) if part)

"""What the mail says, in words: the overview's sentence, figures, verdicts and points, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecoia_dashboards import svg
from ecoia_dashboards.card.content import over
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import NOTHING
from ecoia_dashboards.dashboard.page import Figure, Reading
from ecoia_dashboards.dashboard.pages import overview as page
from ecoia_dashboards.dashboard.pages.quality_findings import Finding, FindingWords, findings, words_of
from ecoia_dashboards.dashboard.pieces.attention_words import PointLine
from ecoia_dashboards.dashboard.pieces.key_figures import KeyFigure, overview_keys
from ecoia_dashboards.dashboard.pieces.target_cards import BudgetCard, TargetCard
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language

MOST_POINTS, MOST_GAPS = 3, 4
_WIDTH_PX = 592


@dataclass(frozen=True)
class Linked:
    """Something with the address that leads on from it; empty: the dashboard's address is not known."""

    title: str
    text: str
    link: str


@dataclass(frozen=True)
class Digest:
    """What the mail says.

    Attributes:
        subject: Its subject.
        over: Whose figures, of when.
        sentence: How much, whose, against which commitment.
        lead: What stands below it.
        notices: What must be known before reading.
        keys: Key figures.
        figure: The trajectory, or the trend; None: there is none.
        picture: The same as PNG; empty: there is none.
        budget: The budget of the year; None: there is none.
        targets_title: How many targets are kept.
        targets: The targets with verdict and probability.
        points: What to look at.
        more_points: How many more points there are, in words; empty: none.
        gaps: What is not known.
        more_gaps: How many more gaps there are, in words; empty: none.
        stamp: Draft or published, until when, by which method.
        link: Address of the overview, which shows the same later; empty: it is not known.
        targets_link: Address of the commitments.
        gaps_link: Address of the data's quality.
    """

    subject: str
    over: str
    sentence: str
    lead: str
    notices: tuple[str, ...]
    keys: tuple[KeyFigure, ...]
    figure: Figure | None
    picture: bytes
    budget: BudgetCard | None
    targets_title: str
    targets: tuple[TargetCard, ...]
    points: tuple[Linked, ...]
    more_points: str
    gaps: tuple[FindingWords, ...]
    more_gaps: str
    stamp: str
    link: str
    targets_link: str
    gaps_link: str


def digest_of(reading: Reading, url: str, language: Language) -> Digest:
    """Sum up a quarter.

    Args:
        reading: The data of a quarter, without filters.
        url: Address of the dashboard; empty: there are no links.
        language: Language of the mail.
    """
    content = page.PAGE.read(reading)
    shown = page.PAGE.show(content, reading, language)
    view = View(page.PAGE, {}, reading, language, shown, url)
    values, figure = shown.values, shown.figures.get("trajectory")
    found = [*_silent(content), *findings(reading)]
    points: list[PointLine] = values["points"]
    left = len(points) - len(points[:MOST_POINTS]) + content.whole.attention.left_out
    return Digest(
        subject=_subject(view),
        over=over(view),
        sentence=shown.sentence,
        lead=shown.lead,
        notices=tuple(view.notices),
        keys=overview_keys(content, view),
        figure=figure,
        picture=b"" if figure is None else svg.draw_png(figure.chart.figure, _WIDTH_PX),
        budget=values["budget"],
        targets_title=values["targets_title"],
        targets=tuple(values["targets"]),
        points=tuple(Linked(each.title, each.text, _pinned(view, each.path, each.service)) for each in points[:MOST_POINTS]),
        more_points=language.n("%(count)s autre point", "%(count)s autres points", left) if left else "",
        gaps=tuple(words_of(each, language, reading.names) for each in found[:MOST_GAPS]),
        more_gaps=_more_gaps(len(found) - MOST_GAPS, language),
        stamp=view.stamp,
        link=view.pinned if url else "",
        targets_link=_pinned(view, "/commitments"),
        gaps_link=_pinned(view, "/quality"),
    )


def _subject(view: View) -> str:
    """Write the subject, on one line whatever the organisation's name holds."""
    said = view.language.t("Énergie et CO₂e des services d’IA, %(period)s", period=view.period)
    organisation = clean(view.state.organisation)
    return " ".join((f"{organisation} · {said}" if organisation else said).split())


def _silent(content: page.Overview) -> Iterator[Finding]:
    """Give the services that run, by the register, and of which nothing is recorded: their energy is in no total."""
    names = tuple(line.id for line in content.services.lines if line.state == "silent")
    if names:
        yield Finding("silent", len(names), left_out=True, names=names)


def _more_gaps(left: int, language: Language) -> str:
    return language.n("%(count)s autre point", "%(count)s autres points", left) if left > 0 else ""


def _pinned(view: View, path: str, service: str = "") -> str:
    """Return the address of a page with what was looked at: its period, what it is compared with, and the data that were seen."""
    if not view.prefix:
        return ""
    reference = view.reading.reference
    return view.link(
        path,
        view.plain,
        period=view.reading.period,
        compare=NOTHING if reference is None else str(reference),
        service=(service,) if service else (),
        seen=view.state.digest[:12],
    )

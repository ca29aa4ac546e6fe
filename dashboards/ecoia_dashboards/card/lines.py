"""Write a card as text, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ecoia_dashboards.card.content import Content
from ecoia_dashboards.language import Language

_WIDTH = 100


def text_of(card: Content, language: Language) -> str:
    """Write a card as lines of text."""
    return "\n".join(_lines(card, language))


def _lines(card: Content, language: Language) -> Iterator[str]:
    yield from _wrapped(card.over)
    yield from _wrapped(card.sentence)
    yield from _wrapped(card.lead)
    for notice in card.notices:
        yield from _wrapped(f"! {notice}", later="  ")
    colon, semicolon = language.t(" : "), language.t(" ; ")
    widest = max((len(key.name) for key in card.keys), default=0)
    for key in card.keys:
        said = f"{key.amount} ({key.interval})" if key.interval else key.amount
        yield f"  {key.name:{widest}}  {semicolon.join(part for part in (said, key.change) if part)}"
        yield from _wrapped(key.note, "    ", "    ")
    for term, said in card.facts:
        yield from _wrapped(f"{term}{colon}{said}", "  ", "    ")
    yield from _wrapped(card.course, "  ", "    ")
    yield from _wrapped(card.targets_title)
    for target in card.targets:
        said = semicolon.join(part for part in (target.found, target.interval, target.why, target.chance) if part)
        words = f"{target.name}{colon}{target.verdict}. {said}"
        yield from _wrapped(words, "  ", "    ")
    if card.services:
        yield card.services_title
        widest = max(len(line.id) for line in card.services)
        for line in card.services:
            amount = f"{line.energy} ({line.interval})" if line.interval else line.energy
            yield f"  {line.id:{widest}}  {semicolon.join(part for part in (amount, line.state) if part)}"
    for step in card.steps:
        yield step.words
        if step.line:
            yield f"    {step.line}"
    yield from _wrapped(card.stamp)
    if card.link:
        yield card.link


def _wrapped(text: str, first: str = "", later: str = "") -> list[str]:
    """Break a text into lines; an id is never broken."""
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )

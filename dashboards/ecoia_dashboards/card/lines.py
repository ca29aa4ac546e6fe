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
    if card.over:
        yield card.over
    yield card.sentence
    yield from textwrap.wrap(card.lead, _WIDTH)
    for notice in card.notices:
        yield from textwrap.wrap(f"! {notice}", _WIDTH, subsequent_indent="  ")
    colon = language.t(" : ")
    widest = max((len(key.name) for key in card.keys), default=0)
    for key in card.keys:
        said = f"{key.amount} ({key.interval})" if key.interval else key.amount
        yield f"  {key.name:{widest}}  {' ; '.join(part for part in (said, key.change) if part)}"
        yield from textwrap.wrap(key.note, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    for term, said in card.facts:
        yield from textwrap.wrap(f"{term}{colon}{said}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
    yield from textwrap.wrap(card.course, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    yield from textwrap.wrap(card.targets_title, _WIDTH)
    for target in card.targets:
        said = " ; ".join(part for part in (target.found, target.interval, target.why, target.chance) if part)
        line = f"{target.name}{colon}{target.verdict}. {said}"
        yield from textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    if card.services:
        yield card.services_title
        widest = max(len(line.id) for line in card.services)
        for line in card.services:
            amount = f"{line.energy} ({line.interval})" if line.interval else line.energy
            yield f"  {line.id:{widest}}  {' ; '.join(part for part in (amount, line.state) if part)}"
    for step in card.steps:
        yield step.words
        if step.line:
            yield f"    {step.line}"
    yield from textwrap.wrap(card.stamp, _WIDTH)
    if card.link:
        yield card.link

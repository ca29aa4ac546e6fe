"""Write the mail as text, for readers whose mail shows no HTML: the same figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ecoia_dashboards.digest.content import Digest
from ecoia_dashboards.language import Language

_WIDTH = 76


def text_of(digest: Digest, language: Language) -> str:
    """Write the mail as text."""
    return "\n".join(_lines(digest, language)) + "\n"


def _lines(digest: Digest, language: Language) -> Iterator[str]:
    colon, semicolon = language.t(" : "), language.t(" ; ")
    yield from _wrapped(digest.over)
    yield ""
    yield from _wrapped(digest.sentence)
    if digest.lead:
        yield ""
        yield from _wrapped(digest.lead)
    for notice in digest.notices:
        yield from _wrapped(f"! {notice}", "  ")
    yield from _titled(language.t("Chiffres clés"))
    for key in digest.keys:
        interval = f" ({key.interval})" if key.interval else ""
        yield from _wrapped(f"- {key.name}{colon}{key.amount}{interval}", "  ")
        for said in (key.change, key.note):
            yield from _wrapped(f"  {said}" if said else "", "  ")
    if digest.figure is not None:
        yield from _titled(digest.figure.chart.title)
        yield from _wrapped(digest.figure.chart.alt)
    if digest.budget is not None:
        yield from _wrapped(f"{digest.budget.verdict}{colon}{digest.budget.used}. {digest.budget.expected}")
    yield from _titled(digest.targets_title)
    for target in digest.targets:
        name = f"{target.name} ({language.t('proposée')})" if target.proposed else target.name
        yield from _wrapped(f"- {name}{colon}{target.verdict}", "  ")
        said = semicolon.join(part for part in (target.found, target.interval, target.why, target.chance) if part)
        yield from _wrapped(f"  {said}", "  ")
    yield from _link(digest.targets_link)
    yield from _titled(language.t("À regarder ce trimestre"))
    for point in digest.points:
        yield from _wrapped(f"- {point.title}", "  ")
        yield from _wrapped(f"  {point.text}", "  ")
        yield from _link(point.link)
    yield from _wrapped(digest.more_points if digest.points else language.t("Rien d’établi, aucun trou connu."))
    yield from _titled(language.t("Ce qui n’est pas connu"))
    for gap in digest.gaps:
        said = semicolon.join(part for part in (gap.worth, gap.names) if part)
        yield from _wrapped(f"- {gap.title}", "  ")
        yield from _wrapped(f"  {said}" if said else "", "  ")
    yield from _wrapped(digest.more_gaps if digest.gaps else language.t("Aucun trou connu dans les données."))
    yield from _link(digest.gaps_link)
    yield ""
    yield from _wrapped(digest.stamp)
    if digest.link:
        yield ""
        yield language.t("Les mêmes chiffres, à explorer :")
        yield digest.link


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Break a text into lines; an address is never broken."""
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _titled(title: str) -> Iterator[str]:
    yield ""
    lines = _wrapped(title)
    yield from lines
    yield "-" * max(map(len, lines), default=0)


def _link(address: str) -> Iterator[str]:
    if address:
        yield f"  {address}"

"""``ecoia recalculate``: show what published quarters would amount to today."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import From, Home, Language, QuarterText, Source, load_settings, number, print_table, say
from ecoia.cli.publish import DOCUMENTS, Formats, Incomplete, Key, Lang, Publisher, Timestamp, publications_folder
from ecoia.cli.reading import build, chain_of, read
from ecoia.errors import PublicationError, UsageError
from ecoia.periods import Quarter
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.impact.inputs import Inputs
    from ecoia.impact.recalculation import Recalculation
    from ecoia.publishing.publication import Published


def recalculate(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    factor_set: Annotated[
        str | None, typer.Option("--factors", metavar="ID", help="Only try another factor set on the published inputs.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Publish the recalculated quarter beside the frozen one.")] = False,
    formats: Formats = DOCUMENTS,
    lang: Lang = Language.FR,
    key: Key = None,
    timestamp: Timestamp = None,
    incomplete: Incomplete = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list with an object a quarter.")] = False,
    home: Home = None,
) -> None:
    """Show what published quarters would amount to today.

    Splits the difference by cause: method, correction of records, boundary, emission factors. Without --quarter, shows every
    published quarter. A difference beyond the threshold of targets.yaml (5 %) calls for --keep.

    [dim]$ ecoia recalculate --quarter 2026Q1[/dim]

    [dim]$ ecoia recalculate --factors ademe-2027[/dim]
    """
    from ecoia.impact.recalculation import recalculate as compare

    settings = load_settings(home)
    publications_folder(settings)
    if factor_set is not None and keep:
        raise UsageError("--factors only tries a set: choose it with 'ecoia factors use', then --keep restates the quarter")
    latest = _latest(settings, quarter)
    today = None if factor_set else read(settings, None, source)[0]
    found: list[Recalculation] = []
    for each in latest:
        frozen = each.inputs()
        inputs = today or _with_factors(frozen, factor_set or "", settings)
        recalculation = compare(each.report(), frozen, inputs)
        found.append(recalculation)
        if keep and recalculation.changes_nothing:
            say(f"{each.quarter} amounts to what was published: nothing to restate")
        elif keep:
            restated = build(inputs, Quarter.parse(each.quarter), settings, incomplete)
            Publisher(settings, formats, lang, key, timestamp).publish(inputs, restated, recalculation)
    if as_json:
        typer.echo(json.dumps([json.loads(each.to_json()) for each in found], ensure_ascii=False, indent=2, sort_keys=True))
    else:
        _print(found)


def _latest(settings: Settings, quarter: str | None) -> list[Published]:
    """Return the latest publication of one quarter, or of each.

    Raises:
        PublicationError: there is none.
    """
    wanted = str(Quarter.parse(quarter)) if quarter else None
    latest = {each.quarter: each for each in chain_of(settings) if wanted in (None, each.quarter)}
    if not latest:
        root = publications_folder(settings)
        raise PublicationError(f"{wanted or 'nothing'} is not published in '{root}': 'ecoia publish' freezes a quarter")
    return list(latest.values())


def _with_factors(frozen: Inputs, set_id: str, settings: Settings) -> Inputs:
    """Return frozen inputs under another factor set, of the same scope and basis."""
    from ecoia import factors
    from ecoia.impact.recalculation import under

    chosen = frozen.catalogue.factors
    loaded = factors.load(set_id, settings.catalogue, ZoneInfo(frozen.settings.timezone))
    return under(frozen, loaded.choose(chosen.scope, chosen.basis, fill=chosen.fill))


def _print(found: list[Recalculation]) -> None:
    from ecoia.impact.recalculation import CAUSES

    columns = ("quarter", "published kg", "today kg", "change", *CAUSES, "")
    print_table("CO2e of published quarters, computed again", columns, map(_row, found), right=columns[1:8])
    for each in found:
        for names, what in ((each.parts_added, "known only now"), (each.parts_lost, "no longer known")):
            if names:
                say(f"{each.quarter}: {', '.join(names)} {what}, in no figure above")


def _row(each: Recalculation) -> tuple[str, ...]:
    from ecoia.impact.recalculation import CAUSES

    total = each.total
    percent = "" if each.relative is None else f"{each.relative:+.1%}"
    causes = [_kilograms(total.causes.get(cause, 0)) for cause in CAUSES]
    ends = (_kilograms(total.published_micrograms), _kilograms(total.recalculated_micrograms))
    if (each.parts_lost or each.parts_added) and not total.published_micrograms:  # neither end is known, so neither is zero
        ends, causes = ("–", "–"), ["–"] * len(CAUSES)
    standing = "restate" if each.needed else "unknown" if each.parts_lost else "stays"
    return (each.quarter, *ends, percent, *causes, standing)


def _kilograms(micrograms: int) -> str:
    from ecoia.impact.embodied import MICROGRAMS_PER_KG

    return "0" if not micrograms else ("-" if micrograms < 0 else "") + number(abs(micrograms) / MICROGRAMS_PER_KG)

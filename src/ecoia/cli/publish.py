"""Commands that freeze a quarter and check what was frozen: ``publish``, ``verify``, ``recalculate``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import FAILED, From, Home, Language, QuarterText, Source, load_settings, number, print_table, say
from ecoia.cli.formats import chosen_formats, write_formats
from ecoia.cli.reading import build, chain_of, read
from ecoia.errors import PublicationError, UsageError
from ecoia.periods import Quarter, utc_datetime
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.impact.inputs import Inputs
    from ecoia.impact.recalculation import Recalculation
    from ecoia.publishing.publication import Published
    from ecoia.report import QuarterlyReport

_PANEL = "Report"
_PASSPHRASE = "ECOIA_KEY_PASSPHRASE"  # noqa: S105 - the name of the variable
_DOCUMENTS = "html"

Key = Annotated[
    Path | None, typer.Option("--key", metavar="PEM", help=f"Ed25519 private key that signs; passphrase in {_PASSPHRASE}.")
]
Formats = Annotated[str, typer.Option("--format", metavar="NAMES", help="Which documents, e.g. html,pdf,xlsx.")]
Lang = Annotated[Language, typer.Option("--lang", help="Language of what people read.")]


def add_publishing(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("publish", rich_help_panel=_PANEL)(publish)
    app.command("verify", rich_help_panel=_PANEL)(verify)
    app.command("recalculate", rich_help_panel=_PANEL)(recalculate)


def publish(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    formats: Formats = _DOCUMENTS,
    lang: Lang = Language.FR,
    key: Key = None,
    home: Home = None,
) -> None:
    """Freeze a quarter: figures, inputs, seal.

    It goes to the folder of the setting 'publications', chained to the publication before. The head that is printed belongs in
    the committee's minutes: it is what the chain can be held against.

    [dim]$ ecoia publish --quarter 2026Q3 --format html,pdf --key ecoia.pem[/dim]
    """
    from ecoia.publishing import publication

    settings = load_settings(home)
    root, asked = _root(settings), chosen_formats(formats)
    signing = publication.read_key(key, os.environ.get(_PASSPHRASE)) if key else None
    inputs, found = read(settings, quarter, source)
    end_ns = found.bounds_ns(ZoneInfo(settings.timezone))[1]
    if time.time_ns() < end_ns:
        last_day = utc_datetime(end_ns - 1).astimezone(ZoneInfo(settings.timezone)).date()
        raise PublicationError(f"{found} lasts until {last_day}: publish it when it is over; 'ecoia report' writes the draft")
    frozen = publication.publish(
        root,
        inputs,
        build(inputs, found, settings),
        _documents(asked, lang),
        on=_today(settings),
        catalogue_folder=Path(settings.catalogue) if settings.catalogue else None,
        key=signing,
    )
    _tell(frozen)


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A publication, or the folder of all of them.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="PEM", help="The organisation's key, got from elsewhere.")
    ] = None,
    compute: Annotated[bool, typer.Option("--recompute", help="Also compute the figures again from the frozen inputs.")] = False,
) -> None:
    """Check that what was published is what it was.

    Needs the folder alone. The first thing that differs is named, and the exit code is 1.

    [dim]$ ecoia verify publications --public-key ecoia-public.pem[/dim]
    """
    from ecoia.publishing import publication

    given = publication.read_public_key(public_key) if public_key else None
    alone = (folder / publication.MANIFEST_FILE).exists()
    try:
        checked = [publication.verify(folder, given)] if alone else publication.verify_chain(folder, given)
    except PublicationError as error:
        say(str(error))
        raise typer.Exit(FAILED) from None
    differing = [each for each in checked if compute and not publication.recompute(each)]
    rows = [
        (
            each.name,
            each.published_on,
            each.head,
            _signed(each),
            *(("differs" if each in differing else "the same",) if compute else ()),
        )
        for each in checked
    ]
    print_table(
        "Verified", ("publication", "published on", "head", "signed with", *(("computed again",) if compute else ())), rows
    )
    if given is None:
        say("without --public-key, signatures are checked by the keys that came with them; compare the head with the minutes")
    if differing:
        say("this version of ecoia computes other figures from the same inputs: 'ecoia recalculate' tells the difference")
        raise typer.Exit(FAILED)


def _signed(published: Published) -> str:
    """By the beginning of the key, which tells two apart."""
    return f"{key[:12]}…" if (key := published.signed_with) else "no key"


def recalculate(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    factor_set: Annotated[
        str | None, typer.Option("--factors", metavar="ID", help="Only try another factor set, on what was published.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Publish the quarter as it is today, beside what was published.")] = False,
    formats: Formats = _DOCUMENTS,
    lang: Lang = Language.FR,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a quarter.")] = False,
    home: Home = None,
) -> None:
    """Tell what published quarters amount to today.

    The difference by cause: method, correction of records, boundary, emission factors; they add up. Without --quarter, every
    published quarter. A difference beyond the threshold of targets.yaml (5 %) calls for --keep.

    [dim]$ ecoia recalculate --quarter 2026Q1[/dim]

    [dim]$ ecoia recalculate --factors ademe-2027[/dim]
    """
    from ecoia.impact.recalculation import recalculate as compute
    from ecoia.publishing import publication

    settings = load_settings(home)
    root = _root(settings)
    if factor_set is not None and keep:
        raise UsageError("--factors only tries a set: choose it with 'ecoia factors use', then --keep restates the quarter")
    wanted = str(Quarter.parse(quarter)) if quarter else None
    latest = {each.quarter: each for each in chain_of(settings) if wanted in (None, each.quarter)}
    if not latest:
        raise PublicationError(f"{wanted or 'nothing'} is not published in '{root}': 'ecoia publish' freezes a quarter")
    now = None if factor_set else read(settings, None, source)[0]
    found: list[Recalculation] = []
    for each in latest.values():
        frozen = each.inputs()
        inputs = now or _with_factors(frozen, factor_set or "", settings)
        bridge = compute(each.report(), frozen, inputs)
        found.append(bridge)
        if keep and bridge.changes_nothing:
            say(f"{each.quarter} is what was published of it: nothing to restate")
        elif keep:
            again = build(inputs, Quarter.parse(each.quarter), settings)
            signing = publication.read_key(key, os.environ.get(_PASSPHRASE)) if key else None
            restated = publication.publish(
                root,
                inputs,
                again,
                _documents(chosen_formats(formats), lang),
                on=_today(settings),
                catalogue_folder=Path(settings.catalogue) if settings.catalogue else None,
                recalculation=bridge,
                key=signing,
            )
            _tell(restated)
    if as_json:
        typer.echo(json.dumps([json.loads(each.to_json()) for each in found], ensure_ascii=False, indent=2, sort_keys=True))
        return
    _print_bridges(found)


def _print_bridges(found: list[Recalculation]) -> None:
    from ecoia.impact.embodied import MICROGRAMS_PER_KG
    from ecoia.impact.recalculation import CAUSES

    def kilograms(micrograms: int) -> str:
        return "0" if not micrograms else ("-" if micrograms < 0 else "") + number(abs(micrograms) / MICROGRAMS_PER_KG)

    rows = []
    for each in found:
        total = each.total
        percent = "" if each.relative is None else f"{each.relative:+.1%}"
        causes = [kilograms(total.causes.get(cause, 0)) for cause in CAUSES]
        ends = (kilograms(total.published_micrograms), kilograms(total.recalculated_micrograms))
        if (each.parts_lost or each.parts_added) and not total.published_micrograms:  # neither end is known, and no zero is
            ends, causes = ("–", "–"), ["–"] * len(CAUSES)
        standing = "restate" if each.needed else "unknown" if each.parts_lost else "stays"
        rows.append((each.quarter, *ends, percent, *causes, standing))
    columns = ("quarter", "published kg", "today kg", "change", *CAUSES, "")
    print_table("CO2e of published quarters, computed again", columns, rows, right=columns[1:8])
    for each in found:
        for names, what in ((each.parts_added, "known only now"), (each.parts_lost, "no longer known")):
            if names:
                say(f"{each.quarter}: {', '.join(names)} {what}, in no figure above")


def _with_factors(frozen: Inputs, set_id: str, settings: Settings) -> Inputs:
    from ecoia import factors
    from ecoia.impact.recalculation import under

    chosen = frozen.catalogue.factors
    loaded = factors.load(set_id, settings.catalogue, ZoneInfo(frozen.settings.timezone))
    return under(frozen, loaded.choose(chosen.scope, chosen.basis, fill=chosen.fill))


def _documents(formats: tuple[str, ...], lang: Language) -> Callable[[QuarterlyReport, Path], None]:
    def write(report: QuarterlyReport, folder: Path) -> None:
        _, failed = write_formats(report, formats, lang.value, folder)
        if failed:
            raise PublicationError(
                f"{report.quarter} was not published, as not every document could be written: {', '.join(failed)}"
            )

    return write


def _root(settings: Settings) -> Path:
    if settings.publications is None:
        raise UsageError(
            "setting 'publications' says where frozen quarters stand: write publications = \"publications\" in ecoia.toml"
        )
    return Path(settings.publications)


def _today(settings: Settings) -> date:
    return utc_datetime(time.time_ns()).astimezone(ZoneInfo(settings.timezone)).date()


def _tell(published: Published) -> None:
    typer.echo(published.folder)
    typer.echo(f"{published.name}, head for the minutes: {published.head}")

"""``ecoia report``: write the quarter's report."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import (
    FAILED,
    INCOMPLETE,
    From,
    Home,
    Language,
    QuarterText,
    Source,
    load_settings,
    print_table,
    progress,
    say,
)
from ecoia.cli.formats import DEFAULT_FORMATS, chosen_formats, write_formats
from ecoia.cli.quantities import boundary_text, column_cells
from ecoia.cli.reading import chain_of, engine_for, read_and_build
from ecoia.readable.run_line import energy_text

if TYPE_CHECKING:
    from ecoia.report import QuarterlyReport


class EngineName(StrEnum):
    """What sums rows up."""

    PANDAS = "pandas"
    DUCKDB = "duckdb"
    SPARK = "spark"


_WIDEST = 100  # characters of a line of the table


def report(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the documents.")] = Language.FR,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="Formats to write, e.g. html,pdf,xlsx,csv,parquet,json,boamps,sci.")
    ] = DEFAULT_FORMATS,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write to.")] = Path(),
    engine: Annotated[
        EngineName | None,
        typer.Option(
            "--engine",
            help="What sums rows up. All give the same report.",
            show_default="of a dataset, by its size; else Python itself",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Write the quarter's report: a page and its data.

    Writes rapport-<quarter>.html, rapport-<quarter>.json and so on, by --format, and prints a short table. The exit code is 3 if
    days of the ledger could not be read: the report is written, and names them.

    [dim]$ ecoia report --quarter 2026Q4 --format html,pdf,xlsx,json --out reports[/dim]
    """
    settings = load_settings(home)
    chosen = chosen_formats(formats)
    with progress(2 + len(chosen)) as begin:
        built = read_and_build(settings, quarter, source, begin, engine_for(source, engine and engine.value))
        paths, failed = write_formats(built, chosen, lang.value, out, started=begin)
    _print_results(built)
    for each in (each for each in chain_of(settings) if each.quarter == built.quarter):
        say(f"{each.name} was published on {each.published_on} ('{each.folder}'): that is the report, this is a draft of today")
    for path in paths:
        typer.echo(path)
    if failed:
        raise typer.Exit(FAILED)
    if built.ledger_gaps:
        raise typer.Exit(INCOMPLETE)


def _print_results(built: QuarterlyReport) -> None:
    from ecoia.impact.hosted import METERED

    _print_services(built)
    if built.totals.co2e.value is None:
        remedy = " (name where the electricity is used: setting 'zone', e.g. ECOIA_ZONE=FRA)"
        say(f"CO2e not computed: {built.totals.co2e.reason}{remedy if built.totals.co2e.reason == 'no-zone' else ''}")
    refused = len(built.doubles) + sum(use.standing == METERED for use in built.tokens)
    if refused:
        many = f"{refused} claim{' was' if refused == 1 else 's were'}"
        say(f"{many} refused as counted already: 'doubles' and 'tokens' of the JSON, sections 6 and 7 of the page, list them")
    if built.ledger_gaps:
        from ecoia.impact.ledger_gaps import known_microjoules

        days = "1 ledger day is" if len(built.ledger_gaps) == 1 else f"{len(built.ledger_gaps)} ledger days are"
        missing = energy_text(known_microjoules(built.ledger_gaps))
        say(f"{days} in no figure, or in part: totals up to {built.quarter} lack {missing} or more (exit code {INCOMPLETE})")
    if built.lost:
        say("lost and counted: " + ", ".join(f"{cause} {count}" for cause, count in built.lost.items()))


def _print_services(built: QuarterlyReport) -> None:
    """Print a line for each service, the dearest first, and how the energy was counted."""
    from ecoia.report import Headline

    entries = sorted(built.register, key=lambda entry: (-(entry.energy.value or 0.0), entry.id))
    energy_unit, energies = column_cells([*(entry.energy for entry in entries), built.totals.energy])
    wholes = {each.service: each.headline for each in built.services}
    headlines = [*(wholes.get(entry.id, Headline()) for entry in entries), built.headline]
    co2e_unit, co2es = column_cells([each.co2e for each in headlines])
    co2es = [f"≥ {text}" if each.lacking and each.parts else text for each, text in zip(headlines, co2es, strict=True)]
    simulated = {result.service for result in built.results if result.simulated}
    names = [entry.id + (" (simulated)" if entry.id in simulated else "") for entry in entries]
    columns = (
        "service",
        f"energy {energy_unit} ({boundary_text(built.totals.boundary)})",
        co2e_unit,
        "counted by",
    )
    counted = [*(entry.counted_by or "–" for entry in entries), ""]
    rows = zip([*names, "everything, idle included"], energies, co2es, counted, strict=True)
    print_table(f"Report of {built.quarter}", columns, rows, right=columns[1:3], whole=columns[1:], widest=_WIDEST)
    shares = ", ".join(f"{share:.0%} {status}" for status, share in built.energy_by_status.items() if share > 0)
    if shares:
        typer.echo(
            f"The energy is {shares}. In brackets: 95 % intervals. CO2e of use, making and hosted models, ≥ where one lacks."
        )

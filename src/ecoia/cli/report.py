"""``ecoia report``: write the quarter's report."""

from __future__ import annotations

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
    number,
    print_table,
    progress,
    say,
)
from ecoia.cli.formats import DEFAULT_FORMATS, chosen_formats, write_formats
from ecoia.cli.quantities import boundary_text, measure_cells
from ecoia.cli.reading import chain_of, read_and_build
from ecoia.units import kwh

if TYPE_CHECKING:
    from ecoia.report import QuarterlyReport


def report(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the documents.")] = Language.FR,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="Formats to write, e.g. html,pdf,xlsx,csv,parquet,json,boamps,sci.")
    ] = DEFAULT_FORMATS,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write to.")] = Path(),
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
        built = read_and_build(settings, quarter, source, begin)
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

    rows = []
    for result in built.results:
        name = f"{result.service}{' (simulated)' if result.simulated else ''}"
        rows.append((name, result.phase, *measure_cells(result.measure)))
    rows.append(("everything", "idle and unattributed included", *measure_cells(built.totals)))
    columns = ("service", "phase", f"energy kWh ({boundary_text(built.totals.boundary)})", "95 %", "gCO2e", "95 %", "method")
    print_table(f"Report of {built.quarter}", columns, rows, right=columns[2:6])
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
        missing = number(kwh(known_microjoules(built.ledger_gaps)))
        say(f"{days} in no figure, or in part: totals up to {built.quarter} lack {missing} kWh or more (exit code {INCOMPLETE})")
    if built.lost:
        say("lost and counted: " + ", ".join(f"{cause} {count}" for cause, count in built.lost.items()))

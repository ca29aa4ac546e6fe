"""Commands that send and show: ``deliver``, ``report``, ``services``, ``project``, ``export``."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import (
    FAILED,
    From,
    Home,
    Language,
    QuarterText,
    Source,
    counted_records,
    existing_journal,
    journal_settings,
    load_settings,
    number,
    open_journal,
    print_table,
    progress,
    replace_file,
    say,
)
from ecoia.cli.formats import DEFAULT_FORMATS, chosen_formats, write_formats
from ecoia.cli.reading import build, chain_of, read, read_rows
from ecoia.errors import EcoiaError, UsageError
from ecoia.semconv import NOT_LACKING
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.report import Measure, Quantity, QuarterlyReport, ServiceEntry

_PANEL = "Report"
_ALL_TIME_NS = 1 << 62


def add_results(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("report", rich_help_panel=_PANEL)(report)
    app.command("services", rich_help_panel=_PANEL)(services)
    app.command("project", rich_help_panel=_PANEL)(project)
    app.command("deliver", rich_help_panel=_PANEL)(deliver)
    app.command("export", rich_help_panel=_PANEL)(export)


def report(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    lang: Annotated[Language, typer.Option("--lang", help="Language of what people read.")] = Language.FR,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="Which files, e.g. html,pdf,xlsx,csv,parquet,json,boamps,sci.")
    ] = DEFAULT_FORMATS,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")] = Path(),
    home: Home = None,
) -> None:
    """Write the quarter's report, a page and its data.

    The files are rapport-<quarter>.html, rapport-<quarter>.json and so on, by --format; a short table is printed.

    [dim]$ ecoia report --quarter 2026Q4 --format html,pdf,xlsx,json --out reports[/dim]
    """
    settings = load_settings(home)
    chosen = chosen_formats(formats)
    with progress(2 + len(chosen)) as begin:
        built = _build(settings, quarter, source, begin)
        paths, failed = write_formats(built, chosen, lang.value, out, started=begin)
    _print_results(built)
    for each in (each for each in chain_of(settings) if each.quarter == built.quarter):
        say(f"{each.name} was published on {each.published_on} ('{each.folder}'): that is the report, this is a draft of today")
    for path in paths:
        typer.echo(path)
    if failed:
        raise typer.Exit(FAILED)


def services(quarter: QuarterText = None, source: From = Source.JOURNAL, home: Home = None) -> None:
    """List the register with what was measured.

    Measured, declared and not measured stay apart; what runs without being registered is listed too.

    [dim]$ ecoia services --quarter 2026Q4[/dim]
    """
    built = _build(load_settings(home), quarter, source)
    rows = [
        (entry.id, entry.name, _standing(entry), *_amounts(entry.energy.value, entry.co2e.value), _why(entry))
        for entry in built.register
    ]
    columns = ("service", "name", "standing", f"energy kWh ({_boundary(built.totals)})", "gCO2e", "note")
    print_table(f"Services, {built.quarter}", columns, rows, right=columns[3:5])
    coverage = built.coverage
    unnamed = f"{'about ' if coverage.unnamed_approximate else ''}{coverage.unnamed} unnamed"
    typer.echo(f"{coverage.measured} measured of {coverage.named} named and {unnamed} services in scope")


def project(
    service: Annotated[str, typer.Option("--service", metavar="ID", help="Id of the service that was measured.")],
    units_per_year: Annotated[float, typer.Option("--units-per-year", metavar="N", help="Functional units planned a year.")],
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    home: Home = None,
) -> None:
    """Tell a year of general use from an experiment.

    Energy and CO2e of inference at a planned volume, with their interval. The experiment's idle energy is stated apart.

    [dim]$ ecoia project --service assistant --units-per-year 2000000 --quarter 2026Q4[/dim]
    """
    from ecoia.evaluating.projection import project as compute

    if not 0 < units_per_year < math.inf:
        raise UsageError(f"--units-per-year {units_per_year:g} is no volume: write a number above 0, e.g. 2000000")
    settings = load_settings(home)
    inputs, found_quarter = read(settings, quarter, source)
    found = compute(
        inputs.rows,
        service,
        units_per_year,
        found_quarter,
        settings=settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
    )
    if as_json:
        typer.echo(found.to_json(), nl=False)
        return
    unit, where = found.functional_unit or "unit", _BOUNDARIES.get(found.boundary, "IT only")
    rows = [
        (f"energy per {unit} ({where})", *_cells(found.energy_per_unit, "Wh")),
        (f"energy a year ({where})", *_cells(found.energy, "kWh")),
        ("CO2e of use a year", *_cells(found.co2e, "kg")),
        ("CO2e of calls to hosted models a year", *_cells(found.co2e_api, "kg", digits=2)),
        (f"idle of the experiment, in {found.quarter}, not projected", *_cells(found.idle, "kWh")),
    ]
    simulated = " (simulated)" if found.simulated else ""
    title = (
        f"{service}{simulated}: {number(units_per_year)} a year, from {number(found.units_measured)} measured in {found.quarter}"
    )
    print_table(title, ("", "value", "95 %", "unit"), rows, right=("value", "95 %"))
    say("the interval is that of the measurement: it does not say whether general use is like the experiment")


def deliver(
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until every measured process has ended (the background helper).")
    ] = False,
    home: Home = None,
) -> None:
    """Send what is pending to MLflow.

    Sending twice changes nothing. What cannot be sent stays in the journal, and the exit code is 1.

    [dim]$ MLFLOW_TRACKING_URI=https://mlflow.example.org ecoia deliver[/dim]
    """
    from ecoia.delivery.deliver import deliver as send
    from ecoia.delivery.follow import follow as serve
    from ecoia.delivery.mlflow_store import keep_telemetry_off

    keep_telemetry_off()
    settings = journal_settings(home)
    if follow:
        if not serve(open_journal(settings), settings):
            say(f"another helper serves '{settings.home}' already")
        return
    found = existing_journal(settings)
    if found is None:
        return
    result = send(found, settings)
    where = f" to {', '.join(result.targets)}" if result.targets else ""
    typer.echo(f"{counted_records(result.delivered)} delivered{where}, {result.pending} pending")
    for message in (*result.conflicts, *result.problems):
        say(message)
    if result.pending or result.conflicts:
        raise typer.Exit(FAILED)


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.")],
    source: From = Source.LEDGER,
    home: Home = None,
) -> None:
    """Write what was recorded as Parquet, for tools of your own.

    One file a quarter, quarter=2026Q4/rows.parquet, each replaced as a whole: pandas, DuckDB and Spark read the folder.

    [dim]$ ecoia export ledger-parquet[/dim]
    """
    from ecoia.publishing.ledger_export import partitions

    settings = load_settings(home)
    files = partitions(read_rows(settings, source), ZoneInfo(settings.timezone))
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            replace_file(folder / name, content)
    except OSError as error:
        raise EcoiaError(f"'{folder}' cannot be written ({error.strerror}): choose another folder") from error
    for name in files:  # once all is written, whoever may have stopped reading
        typer.echo(folder / name)
    others = {found.relative_to(folder).as_posix() for found in folder.glob("quarter=*/*.parquet")} - files.keys()
    if others:
        say(f"'{folder}' holds {', '.join(sorted(others))} from before, left as it is: who reads the folder reads it, too")


def _build(
    settings: Settings, quarter_text: str | None, source: Source, begin: Callable[[str], None] = lambda _: None
) -> QuarterlyReport:
    begin("reading")
    inputs, quarter = read(settings, quarter_text, source)
    begin("computing")
    return build(inputs, quarter, settings)


def _print_results(built: QuarterlyReport) -> None:
    from ecoia.impact.hosted import METERED

    rows = []
    for result in built.results:
        name = f"{result.service}{' (simulated)' if result.simulated else ''}"
        rows.append((name, result.phase, *_measure_cells(result.measure)))
    rows.append(("everything", "idle and unattributed included", *_measure_cells(built.totals)))
    columns = ("service", "phase", f"energy kWh ({_boundary(built.totals)})", "95 %", "gCO2e", "95 %", "method")
    print_table(f"Report of {built.quarter}", columns, rows, right=columns[2:6])
    if built.totals.co2e.value is None:
        remedy = " (name where the electricity is used: setting 'zone', e.g. ECOIA_ZONE=FRA)"
        say(f"CO2e not computed: {built.totals.co2e.reason}{remedy if built.totals.co2e.reason == 'no-zone' else ''}")
    refused = len(built.doubles) + sum(use.standing == METERED for use in built.tokens)
    if refused:
        many = f"{refused} claim{' was' if refused == 1 else 's were'}"
        say(f"{many} refused as counted already: 'doubles' and 'tokens' of the JSON, sections 6 and 7 of the page, list them")
    if built.lost:
        say("lost and counted: " + ", ".join(f"{cause} {count}" for cause, count in built.lost.items()))


def _measure_cells(measure: Measure) -> tuple[str, ...]:
    energy, co2e = measure.energy, measure.co2e
    factor = 1000.0  # kg to g
    return (
        number(energy.value),
        _interval(energy.low, energy.high),
        *(("–", "") if co2e.value is None else (number(co2e.value * factor), _interval(co2e.low, co2e.high, factor))),
        ", ".join(dict.fromkeys(f"{s.component} {s.status}" for s in measure.methods if s.name not in NOT_LACKING)),
    )


def _interval(low: float | None, high: float | None, factor: float = 1.0, digits: int = 3) -> str:
    return "" if low is None or high is None else f"{number(low * factor, digits)} to {number(high * factor, digits)}"


_BOUNDARIES = {"site": "site", "part": "site in part"}


def _boundary(measure: Measure) -> str:
    return _BOUNDARIES.get(measure.boundary, "IT only")


def _cells(quantity: Quantity, unit: str, digits: int = 3) -> tuple[str, str, str]:
    bounds = _interval(quantity.low, quantity.high, digits=digits)
    return number(quantity.value, digits), bounds, unit if quantity.reason is None else quantity.reason


def _standing(entry: ServiceEntry) -> str:
    if not entry.registered:
        return "unregistered"
    if entry.declared_only:
        return "declared"
    if entry.instance_days and not entry.measured:
        return f"part: {entry.covered or 0:.0%}"
    return "measured" if entry.measured else "not measured"


def _amounts(energy_kwh: float | None, co2e_kg: float | None) -> tuple[str, str]:
    return number(energy_kwh), number(None if co2e_kg is None else co2e_kg * 1000)


def _why(entry: ServiceEntry) -> str:
    notes = ["stand-in"] if entry.stand_in else []
    if entry.energy.value is not None and entry.co2e.value is None:
        notes.append(f"CO2e: {entry.co2e.reason}")
    return ", ".join(notes)

"""``ecoia services``: list the registered services and what was measured of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ecoia.cli.common import From, Home, QuarterText, Source, load_settings, print_table
from ecoia.cli.quantities import amount_cells, boundary_text
from ecoia.cli.reading import read_and_build

if TYPE_CHECKING:
    from ecoia.report import ServiceEntry


def services(quarter: QuarterText = None, source: From = Source.JOURNAL, home: Home = None) -> None:
    """List the registered services and what was measured of each.

    Measured, declared and not measured services stay apart. Services that were recorded and are not registered are listed, too.

    [dim]$ ecoia services --quarter 2026Q4[/dim]
    """
    built = read_and_build(load_settings(home), quarter, source)
    rows = [
        (entry.id, entry.name, _standing(entry), *amount_cells(entry.energy.value, entry.co2e.value), _why(entry))
        for entry in built.register
    ]
    columns = ("service", "name", "standing", f"energy kWh ({boundary_text(built.totals.boundary)})", "gCO2e", "note")
    print_table(f"Services, {built.quarter}", columns, rows, right=columns[3:5])
    coverage = built.coverage
    unnamed = f"{'about ' if coverage.unnamed_approximate else ''}{coverage.unnamed} unnamed"
    typer.echo(f"{coverage.measured} measured of {coverage.named} named and {unnamed} services in scope")


def _standing(entry: ServiceEntry) -> str:
    if not entry.registered:
        return "unregistered"
    if entry.declared_only:
        return "declared"
    if entry.instance_days and not entry.measured:
        return f"part: {entry.covered or 0:.0%}"
    return "measured" if entry.measured else "not measured"


def _why(entry: ServiceEntry) -> str:
    notes = ["stand-in"] if entry.stand_in else []
    if entry.energy.value is not None and entry.co2e.value is None:
        notes.append(f"CO2e: {entry.co2e.reason}")
    return ", ".join(notes)

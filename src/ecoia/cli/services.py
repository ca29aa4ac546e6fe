"""``ecoia services``: list the registered services and what was measured of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ecoia.cli.common import From, Home, QuarterText, Source, load_settings, print_table
from ecoia.cli.quantities import boundary_text, column_cells
from ecoia.cli.reading import read_and_build

if TYPE_CHECKING:
    from ecoia.report import ServiceEntry


def services(quarter: QuarterText = None, source: From = Source.JOURNAL, home: Home = None) -> None:
    """List the registered services and what was measured of each.

    Measured, declared and not measured services stay apart. Services that were recorded and are not registered are listed, too.

    [dim]$ ecoia services --quarter 2026Q4[/dim]
    """
    built = read_and_build(load_settings(home), quarter, source)
    energy_unit, energies = column_cells([entry.energy for entry in built.register], bounds=False)
    co2e_unit, co2es = column_cells([entry.co2e for entry in built.register], bounds=False)
    columns = (
        "service", "name", "standing", f"{energy_unit} ({boundary_text(built.totals.boundary)})", f"{co2e_unit} of use", "note"
    )  # fmt: skip
    rows = [
        (entry.id, entry.name, _standing(entry), energy, co2e, _why(entry))
        for entry, energy, co2e in zip(built.register, energies, co2es, strict=True)
    ]
    print_table(f"Services, {built.quarter}", columns, rows, right=columns[3:5], whole=columns[2:5])
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

"""``ecoia project``: project a year of general use from an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import From, Home, QuarterText, Source, load_settings, number, print_table, say
from ecoia.cli.quantities import boundary_text, check_units_per_year, quantity_cells
from ecoia.cli.reading import read

if TYPE_CHECKING:
    from ecoia.evaluating.projection import Projection


def project(
    service: Annotated[str, typer.Option("--service", metavar="ID", help="Id of the service that was measured.")],
    units_per_year: Annotated[float, typer.Option("--units-per-year", metavar="N", help="Functional units planned a year.")],
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    home: Home = None,
) -> None:
    """Project a year of general use from an experiment.

    Prints the energy and CO2e of inference at the planned volume, with their intervals. Shows the experiment's idle energy apart.

    [dim]$ ecoia project --service assistant --units-per-year 2000000 --quarter 2026Q4[/dim]
    """
    from ecoia.evaluating.projection import project as project_year

    check_units_per_year(units_per_year)
    settings = load_settings(home)
    inputs, found_quarter = read(settings, quarter, source)
    found = project_year(
        [*inputs.rows],
        service,
        units_per_year,
        found_quarter,
        settings=settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
    )
    if as_json:
        typer.echo(found.to_json(), nl=False)
    else:
        _print(found)


def _print(found: Projection) -> None:
    unit, where = found.functional_unit or "unit", boundary_text(found.boundary)
    rows = [
        (f"energy per {unit} ({where})", *quantity_cells(found.energy_per_unit)),
        (f"energy a year ({where})", *quantity_cells(found.energy)),
        ("CO2e of use a year", *quantity_cells(found.co2e)),
        ("CO2e of calls to hosted models a year", *quantity_cells(found.co2e_api, digits=2)),
        (f"idle of the experiment, in {found.quarter}, not projected", *quantity_cells(found.idle)),
    ]
    simulated = " (simulated)" if found.simulated else ""
    volume, measured = number(found.units_per_year), number(found.units_measured)
    title = f"{found.service}{simulated}: {volume} a year, from {measured} measured in {found.quarter}"
    print_table(title, ("", "value", "95 %", "unit"), rows, right=("value", "95 %"))
    say("the interval covers the measurement only: it does not say whether general use resembles the experiment")

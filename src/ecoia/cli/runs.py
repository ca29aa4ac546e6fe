"""``ecoia runs``: list MLflow's runs with their energy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia import semconv
from ecoia.cli.common import Home, load_settings, print_table, say
from ecoia.cli.quantities import column_texts
from ecoia.periods import utc_datetime

_COLUMNS = ("run", "name", "began", "service", "phase", "energy", "CO2e", "method", "status")


class Order(StrEnum):
    """Order of runs."""

    ENERGY = "energy"
    DATE = "date"


def runs(
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="MLflow experiment.", show_default="all")
    ] = None,
    sort: Annotated[Order, typer.Option("--sort", help="The dearest first, or the latest.")] = Order.DATE,
    children: Annotated[bool, typer.Option("--children", help="Also runs below others; their energy is part of theirs.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Number of runs.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    home: Home = None,
) -> None:
    """List MLflow's runs with their energy and CO2e.

    Reads the MLflow of MLFLOW_TRACKING_URI, or else the one where this machine's records go.

    [dim]$ ecoia runs --sort energy --experiment vadore --children[/dim]
    """
    import json

    from ecoia.cli.reading import store_here
    from ecoia.delivery.shown_runs import ShownRuns

    settings = load_settings(home, needed=("home", "timezone"))
    zone = ZoneInfo(settings.timezone)
    found = ShownRuns(store_here(settings)).find_all(experiment, by_energy=sort is Order.ENERGY, children=children, most=limit)
    energies = column_texts([run.energy_wh for run in found], "Wh")
    co2es = column_texts([run.co2e_g for run in found], "gCO2e")
    rows = []
    for run, energy, co2e in zip(found, energies, co2es, strict=True):
        tags = run.tags
        names = [tags.get(name, "") for name in (semconv.TAG_SERVICE, semconv.TAG_PHASE, semconv.TAG_METHOD)]
        began = utc_datetime(run.start_ms * 1_000_000)
        if as_json:
            told = {
                "run_id": run.run_id, "name": run.name, "start_utc": f"{began:%Y-%m-%dT%H:%M:%SZ}", "service": names[0],
                "phase": names[1], "energy_wh": run.energy_wh, "co2e_g": run.co2e_g, "method": names[2], "status": run.status,
                "share_of": tags.get(semconv.TAG_SHARE_OF), "metrics": run.metrics,
            }  # fmt: skip
            typer.echo(json.dumps(told, ensure_ascii=False))
            continue
        part = " (part of its parent's)" if semconv.TAG_SHARE_OF in tags else ""
        date = f"{began.astimezone(zone):%Y-%m-%d %H:%M}"
        rows.append((run.run_id, run.name, date, *names[:2], energy + part, co2e, names[2], run.status.lower()))
    if not found:
        say("no run shows energy there: measure with 'ecoia.track' or 'ecoia.autolog()', then 'ecoia deliver'")
    elif rows:
        print_table("Runs with energy", _COLUMNS, rows, right=("energy", "CO2e"))

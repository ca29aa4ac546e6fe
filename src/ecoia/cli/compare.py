"""``ecoia compare``: say which of two MLflow runs was dearer, and whether that is beyond noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import FAILED, Home, load_settings, number, print_table
from ecoia.cli.quantities import column_texts

if TYPE_CHECKING:
    from ecoia.evaluating.run_comparison import RunChange, RunEnergy

_MOST_METRICS = 20


def compare(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of an MLflow run.")],
    other: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run to compare it with.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    home: Home = None,
) -> None:
    """Say which of two MLflow runs used more energy, whether that is beyond noise, and their other metrics beside it.

    Errors of meters that both runs share cancel. A change whose 95 % interval holds zero is within noise.

    [dim]$ ecoia compare 4f0c1d2e9b7a4c55 9a1b2c3d4e5f6071[/dim]
    """
    import json

    from ecoia.cli.reading import store_here
    from ecoia.delivery.shown_runs import ShownRuns
    from ecoia.evaluating import run_comparison
    from ecoia.readable.run_line import duration_text

    shown = ShownRuns(store_here(load_settings(home, needed=("home",))))
    found = [shown.find(run), shown.find(other)]
    sides = [run_comparison.energy_of(shown, each) for each in found]
    change = run_comparison.compare(*sides)
    if as_json:
        told = None if change is None else {"verdict": change.verdict, **vars(change)}
        typer.echo(json.dumps({"runs": [_as_json(side) for side in sides], "change": told}, ensure_ascii=False))
        raise typer.Exit(FAILED if change is None else 0)
    energies = column_texts([side.total_wh or None for side in sides], "Wh")
    rows = [
        ("energy", *(text if side.total_wh else "not measured" for side, text in zip(sides, energies, strict=True))),
        ("CO2e", *column_texts([side.co2e_g for side in sides], "gCO2e")),
        ("measured", *(", ".join(sorted({" ".join(key[:2]).strip() for key in side.energy_wh})) or "–" for side in sides)),
    ]
    if any(side.units for side in sides):
        rows.append(("units", *(number(side.units) for side in sides)))
    times = [None if each.seconds is None else duration_text(each.seconds) for each in found]
    rows.insert(2, ("duration", *(text or "–" for text in times)))
    names = sorted({name for side in sides for name in side.quality})
    rows += [(name, *(number(side.quality.get(name), 4) for side in sides)) for name in names[:_MOST_METRICS]]
    labels = [f"{side.name or 'run'} ({side.run_id[:8]})" for side in sides]
    print_table("Two runs", ("", *labels), rows, right=labels)
    if len(names) > _MOST_METRICS:
        typer.echo(f"and {len(names) - _MOST_METRICS} more metrics: see MLflow's comparison")
    typer.echo(_verdict(change, labels))
    raise typer.Exit(FAILED if change is None else 0)


def _as_json(side: RunEnergy) -> dict[str, object]:
    return {
        "run_id": side.run_id,
        "name": side.name,
        "energy_wh": side.total_wh or None,
        "co2e_g": side.co2e_g,
        "units": side.units,
        "metrics": dict(side.quality),
    }


def _verdict(change: RunChange | None, labels: list[str]) -> str:
    from ecoia.evaluating.run_comparison import WITHIN_NOISE

    if change is None:
        return "Not comparable: one of them shows no energy. 'ecoia deliver' sends what is recorded."
    first, second = labels
    size = f"{_signed(change.change)} [{_signed(change.low)} ; {_signed(change.high)}]"
    text = f"{first} against {second}: {size} of energy"
    text += ", within noise" if change.verdict == WITHIN_NOISE else f", {change.verdict} beyond noise"
    if change.change_per_unit is not None:
        text += f"; {_signed(change.change_per_unit)} a unit"
    if not change.alike:
        text += ". They were measured on different hosts or in different ways, so the errors of their meters do not cancel"
    return text + "."


def _signed(share: float) -> str:
    return f"{'+' if share >= 0 else '−'}{number(abs(100 * share), 2)} %"

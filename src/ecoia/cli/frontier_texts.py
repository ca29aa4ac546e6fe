"""What ``ecoia frontier`` prints of a comparison: as text, as JSON, as CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from ecoia.cli.common import number, print_table
from ecoia.cli.quantities import column_cells, quantity_cells

if TYPE_CHECKING:
    from ecoia.exploring import Waste
    from ecoia.impact.quality_front import GoodEnough, QualityFront, Scored, Step
    from ecoia.impact.uncertainty import Estimate, Interval
    from ecoia.report import Quantity

_UNITS = {"energy": "kWh", "co2e": "kgCO2e"}
_STANDINGS = {"front": "on the front", "within-noise": "equalled by {} within noise", "dominated": "equalled by {} for less"}
_STEPS_TOLD = 3
_CSV = ("about", "metric", "better", "run", "name", "quality", "cost", "low", "high", "unit", "standing", "equalled_by")


class Comparison(NamedTuple):
    """Runs or models compared, wherever they were read.

    Attributes:
        about: What they are runs of.
        metric: The figure of quality.
        front: The comparison.
        names: A name for each id; the id itself where it has no other.
        waste: What came to nothing.
        left_out: How many are not compared, by why.
    """

    about: str
    metric: str
    front: QualityFront[str]
    names: Mapping[str, str]
    waste: Waste
    left_out: Mapping[str, int]


def print_text(found: Comparison, tolerance: float | None, by: str, *, first: bool) -> None:
    """Print it for people.

    Args:
        found: The comparison.
        tolerance: How much worse than the best is good enough; None: a point.
        by: ``energy`` or ``co2e``.
        first: Whether nothing was printed before.
    """
    front = found.front
    if not first:
        typer.echo()
    runs = sorted(front.scored, key=lambda run: (run.quality, -run.cost.value), reverse=front.better == "higher")
    unit, costs = column_cells([_quantity(run.cost, by) for run in runs])
    rows = [(_label(found, run), _plain(run.quality), cost, _standing(found, run)) for run, cost in zip(runs, costs, strict=True)]
    columns = ("run", found.metric, f"{by} ({unit})", "standing")
    title = f"{found.about}: {found.metric} ({front.better} is better) against {by}"
    print_table(title, columns, rows, right=columns[1:3], whole=columns[1:3])
    point = _point(front)
    typer.echo(_good_enough(found, point if tolerance is None else tolerance, by))
    for step in front.steps[-_STEPS_TOLD:]:
        typer.echo(_step(found, step, point, by))
    typer.echo(_waste(found.waste, by))
    if left_out := [f"{count} with {why}" for why, count in found.left_out.items() if count]:
        typer.echo(f"Not compared: {', '.join(left_out)}.")


def print_json(found: Comparison, tolerance: float | None, by: str, *, first: bool) -> None:
    """Print it as a JSON object on one line; the arguments are those of ``print_text``."""
    front, point = found.front, _point(found.front)
    enough = front.good_enough(point if tolerance is None else tolerance)
    told = {
        "about": found.about,
        "metric": found.metric,
        "better": front.better,
        "by": by,
        "unit": _UNITS[by],
        "point": point,
        "runs": [_as_json(found, run) for run in sorted(front.scored, key=lambda run: run.cost.value)],
        "good_enough": {
            "tolerance": point if tolerance is None else tolerance,
            "run": enough.run.key,
            "best": enough.best.key,
            "as_cheap": [run.key for run in enough.as_cheap],
            "spared": enough.spared,
            **_bounds(enough.bounds),
        },
        "steps": [
            {
                "from": step.worse.key,
                "to": step.better.key,
                "gained": step.gained,
                "cost": step.cost,
                **_bounds(step.bounds),
                "cost_per_point": step.cost / step.gained * point,
                "beyond_noise": step.beyond_noise,
            }
            for step in front.steps
        ],
        "waste": _waste_json(found.waste),
        "not_compared": {why: count for why, count in found.left_out.items() if count},
    }
    typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))


def print_csv(found: Comparison, tolerance: float | None, by: str, *, first: bool) -> None:
    """Print a line for each run, after a heading; the arguments are those of ``print_text``."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    if first:
        lines.writerow(_CSV)
    for run in sorted(found.front.scored, key=lambda run: run.cost.value):
        told = _as_json(found, run)
        lines.writerow(
            [found.about, found.metric, found.front.better, told["run"], told["name"], told["quality"], told["cost"],
             told["low"], told["high"], _UNITS[by], told["standing"], told["equalled_by"]]
        )  # fmt: skip


def _as_json(found: Comparison, run: Scored[str]) -> dict[str, Any]:
    by = found.front.equalled_by[run.key]
    return {
        "run": run.key,
        "name": found.names[run.key],
        "quality": run.quality,
        "cost": run.cost.value,
        **_bounds(run.cost.interval),
        "standing": found.front.standings[run.key],
        "equalled_by": None if by is run else by.key,
    }


def _waste_json(waste: Waste) -> dict[str, Any]:
    return {
        "failed": waste.failed,
        "abandoned": waste.abandoned,
        "cost": None if waste.cost is None else waste.cost.value,
        **_bounds(waste.cost.interval if waste.cost else None),
        "share": waste.share,
        "of_unknown_cost": waste.unknown,
    }


def _bounds(bounds: Interval | None) -> dict[str, float | None]:
    return {"low": bounds.low if bounds else None, "high": bounds.high if bounds else None}


def _point(front: QualityFront[str]) -> float:
    from ecoia.impact.quality_front import point_of

    return point_of(run.quality for run in front.scored)


def _plain(value: float) -> str:
    """Write a figure of quality without zeros at its end."""
    text = number(value, 4)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _label(found: Comparison, run: Scored[str]) -> str:
    name = found.names[run.key]
    return name if name in (run.key, "") else f"{name} ({run.key[:8]})"


def _standing(found: Comparison, run: Scored[str]) -> str:
    by = found.front.equalled_by[run.key]
    return _STANDINGS[found.front.standings[run.key]].format(_label(found, by))


def _quantity(estimate: Estimate, by: str) -> Quantity:
    from ecoia.report.quantities import quantity

    return quantity(estimate.value, _UNITS[by], estimate.interval, None)


def _amount(value: float, bounds: Interval | None, by: str, scale: float = 1.0) -> str:
    """Write an amount with its interval, in one unit."""
    from ecoia.report import Quantity

    low, high = (None, None) if bounds is None else (bounds.low * scale, bounds.high * scale)
    text, between, unit = quantity_cells(Quantity(value * scale, _UNITS[by], low, high))
    return f"{text} {unit} [{between}]" if between else f"{text} {unit}"


def _good_enough(found: Comparison, tolerance: float, by: str) -> str:
    enough: GoodEnough[str] = found.front.good_enough(tolerance)
    best = f"Best: {_label(found, enough.best)}, {found.metric} {_plain(enough.best.quality)}"
    within = f"within {_plain(tolerance)} of it"
    if enough.spared is None:
        return f"{best}; none {within} took less."
    share = f"{number(100 * enough.spared, 2)} % less {by}"
    if enough.bounds is not None:
        share += f" [{number(100 * enough.bounds.low, 2)} to {number(100 * enough.bounds.high, 2)} %]"
        share += "" if enough.bounds.low > 0 else ", within noise"
    text = f"{best}. Cheapest {within}: {_label(found, enough.run)}, {_plain(enough.run.quality)}, for {share}."
    if enough.as_cheap:
        text += f" As cheap within noise: {', '.join(_label(found, run) for run in enough.as_cheap[:3])}."
    return text


def _step(found: Comparison, step: Step[str], point: float, by: str) -> str:
    of_point = (
        f"{found.metric} +{_plain(point)}" if step.better.quality > step.worse.quality else f"{found.metric} -{_plain(point)}"
    )
    text = f"From {_label(found, step.worse)} to {_label(found, step.better)}: {_amount(step.cost, step.bounds, by)} more"
    text += f", {_amount(step.cost, step.bounds, by, point / step.gained)} for each {of_point}"
    return f"{text}." if step.beyond_noise else f"{text}; within noise."


def _waste(waste: Waste, by: str) -> str:
    if not waste.count:
        return "Waste: no run failed or was abandoned, by what is recorded."
    text = f"Waste: {waste.failed} failed, {waste.abandoned} abandoned"
    if waste.cost is None:
        return f"{text}; their {by} is not known."
    text += f": {_amount(waste.cost.value, waste.cost.interval, by)}, {number(100 * (waste.share or 0.0), 2)} % of all runs"
    return f"{text} ({waste.unknown} of unknown {by})." if waste.unknown else f"{text}."

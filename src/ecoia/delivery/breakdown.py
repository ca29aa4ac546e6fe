"""The table that a finished MLflow run shows: the whole, its components, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ecoia.delivery.tags_and_metrics import (
    active_rows,
    energy_by_component,
    idle_rows,
    methods_by_component,
    requests_of,
    seconds_of,
    shows_co2e,
    units_of,
    worst_method,
)
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.records import Row
from ecoia.units import wh

COLUMNS = (
    *("part", "name", "outcome", "energy_wh", "share_percent", "gpu_wh", "cpu_wh", "ram_wh"),
    *("co2e_g", "co2e_low_g", "co2e_high_g", "method", "duration_s", "requests", "units", "datasets", "run_id", "simulated"),
)

WHOLE, COMPONENT, WORK, HOST, CHILD, ENDPOINT, IDLE = "whole", "component", "work", "host", "child", "endpoint", "idle"
RANK, OUTSIDE = "rank", "outside"
"""Values of ``part``: what a line's figures are of. Lines of one part overlap with those of another. ``idle`` and ``outside`` are
beside the whole."""

Line = Mapping[str, Any]
_Key = TypeVar("_Key", str, tuple[str, str])


class ChildRun(NamedTuple):
    """A run below a root run, with the energy of itself and of the runs below it.

    Attributes:
        run_id: Its id.
        name: Its name.
        outcome: How it ended; None: not known.
        datasets: Names of the datasets that it logged.
        rows: Its rows and those of its descendants.
    """

    run_id: str
    name: str
    outcome: str | None
    datasets: Sequence[str]
    rows: Sequence[Row]


class Facts(NamedTuple):
    """Facts about a user's root run that its table shows beside its figures.

    Attributes:
        name: Its name.
        seconds: How long it took; None: as long as its rows.
        datasets: Names of the datasets that it logged.
        children: The runs below it that have figures.
        failed_microjoules: Energy of the runs below it that failed, each joule once.
        ranks: Rows by rank, where several ranks of a job worked for the run.
        outside: Rows of the session around it.
    """

    name: str = ""
    seconds: float | None = None
    datasets: Sequence[str] = ()
    children: Sequence[ChildRun] = ()
    failed_microjoules: int = 0
    ranks: Mapping[int, Sequence[Row]] = {}
    outside: Sequence[Row] = ()


def run_lines(rows: Sequence[Row], known: AssessmentParameters, outcome: str | None, facts: Facts) -> list[Line]:
    """Return the lines of a run: the whole, components, services and phases, hosts, children from the dearest down.

    Args:
        rows: Its rows and those of its children; at least one.
        known: Parameters that CO2e is computed with.
        outcome: How it ended.
        facts: What MLflow knows of it.
    """
    whole = _line(WHOLE, facts.name, rows, known) | {"outcome": outcome, "datasets": ", ".join(facts.datasets) or None}
    if facts.seconds is not None:
        whole["duration_s"] = facts.seconds
    lines = [whole, *_components(rows)]
    lines += _groups(WORK, rows, known, lambda row: ", ".join(filter(None, (row["service"], row["phase"]))))
    lines += _groups(HOST, rows, known, lambda row: row["instance"])
    children = [
        _line(CHILD, child.name, child.rows, known)
        | {"outcome": child.outcome, "datasets": ", ".join(child.datasets) or None, "run_id": child.run_id}
        for child in facts.children
    ]
    lines += [_line(RANK, str(rank), of_rank, known) for rank, of_rank in facts.ranks.items()]
    lines += sorted(children, key=lambda line: (-(line["energy_wh"] or 0), line["name"], line["run_id"]))
    return [*_shared(lines), *([_line(OUTSIDE, "", facts.outside, known)] if facts.outside else [])]


def day_lines(rows: Sequence[Row], known: AssessmentParameters) -> list[Line]:
    """Return the lines of a day of inference: the whole work, components, endpoints and models, reserved idle energy."""
    active, idle = active_rows(rows), idle_rows(rows)
    lines: list[dict[str, Any]] = []
    if active:
        lines = [_line(WHOLE, "", active, known) | {"requests": sum(map(requests_of, active))}, *_components(active)]
    for (endpoint, model), group in _by(active, lambda row: (row["endpoint"] or "", row["model_version"] or "")):
        line = _line(ENDPOINT, ", ".join(filter(None, (endpoint, model))), group, known)
        lines.append(line | {"requests": sum(map(requests_of, group))})
    return [*_shared(lines), *([_line(IDLE, "", idle, known)] if idle else [])]


def table(lines: Iterable[Line]) -> str:
    """Write lines as JSON, in the form of MLflow's ``log_table``."""
    data = {"columns": list(COLUMNS), "data": [[line.get(column) for column in COLUMNS] for line in lines]}
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _line(part: str, name: str, rows: Sequence[Row], known: AssessmentParameters) -> dict[str, Any]:
    impact = assess(rows, known)
    energy = energy_by_component(rows)
    parts = [component for component in energy.values() if component is not None]
    line: dict[str, Any] = {
        "part": part,
        "name": name,
        "energy_wh": wh(sum(parts)) if parts else None,
        **{f"{component}_wh": None if energy[component] is None else wh(energy[component] or 0) for component in energy},
        "method": worst_method(rows),
        "duration_s": round(seconds_of(rows), 3),
        "units": units_of(rows),
        "simulated": any(row["simulated"] for row in rows),
    }
    if impact.co2e_kg is not None and shows_co2e(rows, impact):
        line["co2e_g"] = impact.co2e_kg * 1000
        if impact.co2e_interval is not None:
            line |= {"co2e_low_g": impact.co2e_interval.low * 1000, "co2e_high_g": impact.co2e_interval.high * 1000}
    return line


def _components(rows: Sequence[Row]) -> list[dict[str, Any]]:
    methods = methods_by_component(rows)
    found = [(component, energy) for component, energy in energy_by_component(rows).items() if energy is not None]
    return [
        {
            "part": COMPONENT,
            "name": component.upper(),
            "energy_wh": wh(energy),
            "method": " ".join(methods[component]),
            "simulated": any(row["simulated"] for row in rows),
        }
        for component, energy in sorted(found, key=lambda each: -each[1])
    ]


def _groups(part: str, rows: Sequence[Row], known: AssessmentParameters, name_of: Callable[[Row], str]) -> list[dict[str, Any]]:
    """Return a line for each group of rows; none where there is one group only, which is the whole."""
    groups = _by(rows, name_of)
    return [_line(part, name, group, known) for name, group in groups] if len(groups) > 1 else []


def _by(rows: Iterable[Row], key_of: Callable[[Row], _Key]) -> list[tuple[_Key, list[Row]]]:
    groups: dict[_Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row)
    return sorted(groups.items())


def _shared(lines: Sequence[dict[str, Any]]) -> list[Line]:
    """Add each line's share of the first line's energy."""
    whole = lines[0]["energy_wh"] if lines else None
    return [
        line | {"share_percent": round(100 * line["energy_wh"] / whole, 2) if whole and line["energy_wh"] is not None else None}
        for line in lines
    ]

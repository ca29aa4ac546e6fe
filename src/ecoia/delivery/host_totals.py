"""The total of a run that several hosts work for, where each journal home knows its own part only.

MLflow cannot add to a metric. So once a second host shows figures on a run, each writes its own part
(``ecoia/host/<instance>/energy_wh``) and the sum of all parts as the total. Then it looks again: of two hosts that write at
once, the later one sees the part of the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_runs import MlflowRuns
from ecoia.delivery.run_views import TOTALS, View
from ecoia.delivery.tags_and_metrics import instances_in, instances_tag, run_metrics, units_of
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.readable.run_line import energy_text, mass_text
from ecoia.records import Row
from ecoia.units import MICROJOULES_PER_WH

_MOST_LOOKS = 3
_PARTS = (semconv.ENERGY.name, semconv.CO2E.name, semconv.UNITS.name)

Parts = dict[str, dict[str, float]]
"""By host, its part of each metric in ``_PARTS`` that it knows."""


def write_total(runs: MlflowRuns, run: Any, view: View, rows: Sequence[Row], known: AssessmentParameters) -> bool:
    """Write the view of a root run, whose total covers all hosts that work for it.

    Args:
        runs: The store's runs.
        run: The run as it was read just now.
        view: The view of this home's rows.
        rows: These rows.
        known: Parameters that CO2e is computed with.

    Returns:
        As ``MlflowRuns.write_view``.

    Raises:
        RunRefusedError: this account may not write to the run.
        DeliveryError: the store cannot be reached.
    """
    instances = {row["instance"] for row in rows}
    others = parts_of_others(run.data.metrics, run.data.tags, instances)
    for _ in range(_MOST_LOOKS):
        shown = with_others(view, own_parts(rows, known), others, run.data.tags) if others else view
        if not runs.write_view(run.info.run_id, shown, run):
            return False
        run = runs.find(run.info.run_id)
        if run is None:
            return False
        seen = parts_of_others(run.data.metrics, run.data.tags, instances)
        if seen == others:
            break
        others = seen
    return True


def own_parts(rows: Sequence[Row], known: AssessmentParameters) -> Parts:
    """Return the part of each instance of this home."""
    parts: Parts = {}
    for instance in sorted({row["instance"] for row in rows}):
        own = [row for row in rows if row["instance"] == instance]
        figures = run_metrics(own, assess(own, known))
        units = units_of(own)
        parts[instance] = {name: figures[name] for name in _PARTS if name in figures}
        if units is not None:
            parts[instance][semconv.UNITS.name] = units
    return parts


def parts_of_others(metrics: Mapping[str, float], tags: Mapping[str, str], instances: set[str]) -> Parts:
    """Return the parts of hosts that other homes deliver; none where this home is alone.

    The first host writes its total alone, so the total is its part when the second one comes.

    Args:
        metrics: Metrics of the run.
        tags: Its tags.
        instances: The instances of this home.

    Example:
        >>> parts_of_others({"ecoia/energy_wh": 2.0}, {"ecoia.instance": "node-1"}, {"node-2"})
        {'node-1': {'ecoia/energy_wh': 2.0}}
        >>> parts_of_others({"ecoia/energy_wh": 2.0}, {"ecoia.instance": "node-1"}, {"node-1"})
        {}
    """
    hosts = {host for name in metrics if (host := _host_in(name))}
    if hosts:
        found = {
            host: _present(metrics, {part: whole.name for part, whole in semconv.host_metrics(host).items()}) for host in hosts
        }
    else:
        before = instances_in(tags)
        if not before or not instances.isdisjoint(before):
            return {}
        found = {before[0]: _present(metrics, {name: name for name in _PARTS})}
        energy, rate = metrics.get(semconv.ENERGY.name), metrics.get(semconv.UNITS_PER_WH.name)
        if energy is not None and rate is not None and math.isfinite(energy * rate):
            found[before[0]][semconv.UNITS.name] = energy * rate
    return {host: parts for host, parts in sorted(found.items()) if host not in instances and semconv.ENERGY.name in parts}


def with_others(view: View, own: Parts, others: Parts, tags: Mapping[str, str]) -> View:
    """Return a view with the parts of all hosts, and their sum as the total.

    What is known of this home's rows alone (intervals) is left out. A CO2e that one host does not know makes the sum unknown, and
    so does an energy.

    Args:
        view: The view of this home's rows.
        own: The parts of this home.
        others: The parts of others.
        tags: The tags of the run.
    """
    parts = {**others, **own}
    totals = {
        name: sum(known[name] for known in parts.values())
        for name in (semconv.ENERGY.name, semconv.CO2E.name)
        if all(name in known for known in parts.values())
    }
    metrics = {name: value for name, value in view.metrics.items() if name not in (*_PARTS, semconv.UNITS_PER_WH.name)} | totals
    part_names = set()
    for host, known in parts.items():
        names = semconv.host_metrics(host)
        metrics |= {names[name].name: value for name, value in known.items()}
        part_names |= {names[name].name for name in _PARTS}
    units = [known[semconv.UNITS.name] for known in parts.values() if semconv.UNITS.name in known]
    if units and totals.get(semconv.ENERGY.name):
        metrics[semconv.UNITS_PER_WH.name] = sum(units) / totals[semconv.ENERGY.name]
    shown = {name: text for name, text in view.tags.items() if name not in (semconv.TAG_ENERGY_RANGE, semconv.TAG_CO2E_RANGE)}
    if semconv.CO2E.name not in totals:
        shown.pop(semconv.TAG_FACTOR, None)
    shown |= instances_tag([*instances_in(tags), *parts])
    return replace(
        view,
        metrics=metrics,
        tags=shown,
        unknown=(TOTALS | part_names) - metrics.keys(),
        note=view.note and _note(view.note, totals, parts),
    )


def _note(own: str, totals: Mapping[str, float], parts: Parts) -> str:
    """Return a description of the whole, before that of this home's part."""
    energy, mass = totals.get(semconv.ENERGY.name), totals.get(semconv.CO2E.name)
    whole = "energy unknown" if energy is None else energy_text(energy * MICROJOULES_PER_WH)
    without = ", ".join(sorted(host for host, known in parts.items() if semconv.CO2E.name not in known))
    co2e = f", CO2e unknown (of {without})" if mass is None else f", {mass_text(mass)} CO2e"
    lines = [
        f"| {host} | {energy_text(known[semconv.ENERGY.name] * MICROJOULES_PER_WH)} |"
        for host, known in sorted(parts.items())
        if semconv.ENERGY.name in known
    ]
    table = "\n".join(["| host | energy |", "|---|---:|", *lines])
    return f"ecoia: {whole}{co2e} on {len(parts)} hosts\n\n{table}\n\nThe host that delivered last: {own}"


def _present(metrics: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """Return the values that are known: what is not known any more has NaN as its last value."""
    return {part: metrics[name] for part, name in names.items() if math.isfinite(metrics.get(name, math.nan))}


def _host_in(metric: str) -> str:
    """Return the host that a metric names a part of; empty for any other metric."""
    return metric.removeprefix(semconv.HOST_PREFIX).rpartition("/")[0] if metric.startswith(semconv.HOST_PREFIX) else ""

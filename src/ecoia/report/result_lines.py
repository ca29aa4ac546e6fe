"""Results as lines of a table: one for each quarter and bearer, in the figures of the report, for tools that analyse them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.period_impact import PeriodImpact, intensity
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.model import Measure, Quantity
from ecoia.report.quantities import energy_by_status, measure, per_unit, shown
from ecoia.semconv import COMPONENTS, DECLARED, ESTIMATED, KIND_SPAN, MEASURED, MISSING, NOT_LACKING
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro

_INTERVALS = {
    "energy": "kWh",
    "co2e": "kgCO2e",
    "co2e_operational": "kgCO2e",
    "energy_per_unit": "Wh",
    "co2e_per_unit": "gCO2e",
}
_STATUSES = (MEASURED, ESTIMATED, DECLARED)
RESULT_UNITS = {
    **{f"{name}{end}": unit for name, unit in _INTERVALS.items() for end in ("", "_low", "_high")},
    "energy_components": "kWh",
    **{f"{status}_share": "1" for status in _STATUSES},
    "cpu_seconds": "s",
    "duration_seconds": "s",
}
"""Unit of each column that has one; ``units`` and ``accepted`` are in the line's ``functional_unit``."""

TEXT, NUMBER, COUNT, FLAG = "text", "number", "count", "flag"


def _with_interval(name: str) -> dict[str, str]:
    return {name: NUMBER, f"{name}_low": NUMBER, f"{name}_high": NUMBER, f"{name}_reason": TEXT}


RESULT_COLUMNS = {
    "quarter": TEXT,
    "service": TEXT,
    "phase": TEXT,
    **_with_interval("energy"),
    "boundary": TEXT,
    "energy_components": NUMBER,
    **_with_interval("co2e"),
    **_with_interval("co2e_operational"),
    **{f"{status}_share": NUMBER for status in _STATUSES},
    "missing": TEXT,
    "spans": COUNT,
    "cpu_seconds": NUMBER,
    "duration_seconds": NUMBER,
    "instances": COUNT,
    "units": NUMBER,
    "accepted": NUMBER,
    "functional_unit": TEXT,
    **_with_interval("energy_per_unit"),
    **_with_interval("co2e_per_unit"),
    "simulated": FLAG,
}
"""What each column holds, in their order."""


def result_lines(context: Context, quarters: Iterable[Quarter]) -> Iterator[dict[str, Any]]:
    """Give a line for each quarter and bearer: a service and phase, a service's reserved ``idle``, or no service and a kind.

    The energies of a quarter's lines add up to its total. ``<quantity>_low`` and ``_high`` are its 95 % interval, and
    ``<quantity>_reason`` is the code that says why it has no value.

    Args:
        context: Quarters until the last one wanted.
        quarters: Quarters wanted.
    """
    for quarter in quarters:
        period = context.period_of(quarter)
        for bearer in sorted({*period.bearers(lambda _: True), *period.sums.works}, key=lambda it: (it[0] or "", it[1])):
            yield {"quarter": str(quarter), "service": bearer[0], "phase": bearer[1]} | _line(context, period, bearer)


def _line(context: Context, period: PeriodImpact, bearer: Bearer) -> dict[str, Any]:
    strands = period.strands.get(bearer, [])
    impact = period.impacts.get(bearer) or period.assessment.impact(lambda each, _: each == bearer)
    found, split = measure(impact, strands), period.split([bearer])
    works = [strand for strand in strands if strand.kind == KIND_SPAN]
    units, accepted = (_count(getattr(strand, name) for strand in works) for name in ("units_micro", "accepted_micro"))
    entry = context.catalogue.service(bearer[0]) if bearer[0] is not None else None
    shares = energy_by_status(strands, _STATUSES)
    return {
        **_columns("energy", found.energy),
        "boundary": found.boundary,
        "energy_components": found.energy_components.value,
        **_columns("co2e", shown(split.total, "kgCO2e")),
        **_columns("co2e_operational", found.co2e),
        **{f"{status}_share": shares.get(status) for status in _STATUSES},
        "missing": ",".join(_missing(found)),
        "spans": sum(strand.spans for strand in works),
        "cpu_seconds": sum(strand.cpu_ns for strand in strands) / NANOSECONDS_PER_SECOND,
        "duration_seconds": 0.0 if bearer[0] is None else period.sums.seconds_of((bearer[0], bearer[1])),
        "instances": len({strand.instance for strand in strands}),
        "units": units,
        "accepted": accepted,
        "functional_unit": entry.functional_unit if entry else None,
        **_columns("energy_per_unit", per_unit(found.energy, units)),
        **_columns("co2e_per_unit", shown(intensity(split.total, units, "no-units"), "gCO2e")),
        "simulated": any(strand.simulated for strand in strands),
    }


def _columns(name: str, known: Quantity) -> dict[str, Any]:
    return {name: known.value, f"{name}_low": known.low, f"{name}_high": known.high, f"{name}_reason": known.reason}


def _count(micros: Iterable[int | None]) -> float | None:
    known = [micro for micro in micros if micro is not None]
    return float(from_micro(sum(known))) if known else None


def _missing(found: Measure) -> list[str]:
    """List the components of which some energy is not known."""
    lacking = {each.component for each in found.methods if each.status == MISSING and each.name not in NOT_LACKING}
    return [component for component in COMPONENTS if component in lacking]

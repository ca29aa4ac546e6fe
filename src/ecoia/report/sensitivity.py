"""Compute the quarter's CO2e of use again with one thing changed: the factors, the wall, the building, or the idle rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecoia.errors import FactorError
from ecoia.factors import BUILT_IN, DEFAULT, load
from ecoia.impact.assessment import Assessment
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.uncertainty import Estimate
from ecoia.report.context import Context
from ecoia.report.model import Sensitivity
from ecoia.report.quantities import shown
from ecoia.semconv import KIND_IDLE

_INDICATOR = "co2e_operational"
_NO_BIAS = 1e-9  # of the value: all of it is known at the wall


def sensitivities(context: Context) -> tuple[Sensitivity, ...]:
    """List the CO2e of use with each thing changed alone; none where there is no CO2e of use to compare with."""
    if context.period.whole.operational is None:
        return ()
    return tuple(_otherwise(context))


def _otherwise(context: Context) -> Iterator[Sensitivity]:
    known = context.known
    for name in BUILT_IN:
        if name in (DEFAULT, known.factors.id):
            continue
        try:
            other = load(name, None, context.timezone)
            yield _under(context, replace(known, factors=other.choose(*known.factors.pairs[0])), "factor-set", name)
        except FactorError:
            continue  # the other set lacks this scope or one of these zones
    known_part = context.period.whole.operational
    if known_part is not None and known_part.upper_mean > known_part.value * (1 + _NO_BIAS):
        yield Sensitivity("at-the-wall", _INDICATOR, None, shown(EstimateOrReason(_at_the_wall(known_part)), "kgCO2e"))
    if context.period.whole.boundary != "it":
        sites = tuple(site.model_copy(update={"pue": ()}) for site in known.sites)
        yield _under(context, replace(known, pue=None, sites=sites), "no-pue", None)
    period = context.period
    active = period.bearers(lambda bearer: bearer[1] != KIND_IDLE)
    if len(active) < len(period.strands):
        yield Sensitivity("idle-left-out", _INDICATOR, None, shown(period.operational(active, period.impacts), "kgCO2e"))


def _at_the_wall(co2e: Estimate) -> Estimate:
    """Raise an estimate by the published wall factor wherever no calibration is known: power supplies, fans and disks."""
    return replace(co2e.scaled(co2e.upper_mean / co2e.value), upper_mean=co2e.upper_mean)


def _under(context: Context, known: AssessmentParameters, kind: str, name: str | None) -> Sensitivity:
    impact = Assessment.of(context.activity, known).impact()
    return Sensitivity(kind, _INDICATOR, name, shown(EstimateOrReason(impact.operational, impact.reason), "kgCO2e"))

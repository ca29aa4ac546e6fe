"""Hold the inputs of every part of a report: the activity of each quarter, and the knowledge that assesses it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date
from functools import cache, cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia.factors import FactorSet, FactorsOfYear
from ecoia.impact.assessment import Assessment, Impact
from ecoia.impact.doublecounting import listed
from ecoia.impact.embodied import life_ends
from ecoia.impact.hosted import ESTIMATED as HOSTED_ESTIMATED
from ecoia.impact.ledger_sums import Bearer, LedgerSums, bearer_of
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import EstimateOrReason, PeriodImpact, Split
from ecoia.impact.recorded import sums_of
from ecoia.impact.run_impacts import RunImpacts
from ecoia.instances import host_of
from ecoia.periods import DAY_NS, Quarter, utc_datetime
from ecoia.records import Row
from ecoia.semconv import ABANDONED, DECLARED, DEVELOPMENT_PHASES, KIND_IDLE, KIND_SPAN, RUN_PHASES
from ecoia.settings import Surroundings
from ecoia.units import from_micro

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Catalogue

RecordedDays = dict[str, dict[str, dict[str, frozenset[date]]]]
"""Civil days by service, phase (as ``day_phase`` gives it) and instance."""

ABANDONED_AFTER_NS = 7 * DAY_NS
"""A run without an end was abandoned once it has had no record for this long."""


class Context:
    """The quarters up to the report's own.

    Args:
        rows: Ledger rows in any order.
        quarter: The report's quarter.
        settings: ``timezone``, ``zone`` and ``pue`` are used.
        catalogue: The organisation's catalogue.
        factors: Emission factors.
        known_until_ns: End of the last record of any quarter, UTC nanoseconds.
        over: Whether the quarter is over, whatever the time of its last record.
    """

    def __init__(
        self,
        rows: Collection[Row],
        quarter: Quarter,
        settings: Surroundings,
        catalogue: Catalogue,
        factors: FactorSet,
        known_until_ns: int,
        over: bool,
    ) -> None:
        self.quarter, self.catalogue = quarter, catalogue
        self.timezone = ZoneInfo(settings.timezone)
        self.known = AssessmentParameters(
            factors,
            settings.zone,
            settings.pue,
            self.timezone,
            catalogue.calibrations,
            catalogue.sites,
            catalogue.contracts,
            catalogue.gsd,
            catalogue.hosted_factors,
        )
        self.start_ns, self.end_ns = quarter.bounds_ns(self.timezone)
        self.last_ns = known_until_ns
        self._over = over
        self.partial = self.last_ns < self.end_ns
        recorded = sums_of(rows, self.end_ns, self.timezone, [self.last_ns, *life_ends(catalogue.equipment, self.timezone)])
        self.doubles = tuple(listed(one for one in recorded.refusals if one.half_hour_utc_ns >= self.start_ns))
        self._activities = recorded.by_quarter
        self._periods: dict[Quarter, PeriodImpact] = {}
        self._constant: dict[Quarter, Assessment] = {}
        self._recorded_days: dict[Quarter, RecordedDays] = {}
        baselines = [target.baseline for target in catalogue.targets.targets if target.baseline is not None]
        self.reference_year = Quarter.parse(baselines[0].quarters[0]).year if baselines else None

    @property
    def quarters(self) -> list[Quarter]:
        """Quarters with activity, in order."""
        return [quarter for quarter, activity in self._activities.items() if activity.strands]

    @property
    def assessed(self) -> list[PeriodImpact]:
        """Quarters that a figure was drawn from so far, latest first."""
        return [period for _, period in self.assessed_quarters]

    @property
    def assessed_quarters(self) -> list[tuple[Quarter, PeriodImpact]]:
        """The same, each with its quarter."""
        return sorted(self._periods.items(), reverse=True)

    @property
    def assessed_constant(self) -> list[tuple[Quarter, Assessment]]:
        """Quarters that were assessed at the grid factors of the reference year so far, latest first."""
        return sorted(self._constant.items(), reverse=True)

    @property
    def activity(self) -> LedgerSums:
        """LedgerSums of the report's quarter."""
        return self.activity_of(self.quarter)

    def activity_of(self, quarter: Quarter) -> LedgerSums:
        """Return the activity of a quarter; empty where it has none."""
        return self._activities.get(quarter) or LedgerSums()

    @property
    def until_ns(self) -> int:
        """End of the time in which equipment counts, UTC nanoseconds: the quarter's end, or the last record before it."""
        return self.end_ns if self._over else min(self.end_ns, self.last_ns)

    @property
    def period(self) -> PeriodImpact:
        """The report's quarter, assessed."""
        return self.period_of(self.quarter)

    @cached_property
    def run_impacts(self) -> RunImpacts:
        """What each run that makes a model took in the report's quarter."""
        return RunImpacts(self.activity, self.known, self.period.assessment.sharing)

    def period_of(self, quarter: Quarter) -> PeriodImpact:
        """Assess a quarter, once."""
        if quarter not in self._periods:
            start_ns, end_ns = quarter.bounds_ns(self.timezone)
            self._periods[quarter] = PeriodImpact(
                self.activity_of(quarter),
                start_ns,
                end_ns if quarter < self.quarter else self.until_ns,
                parameters=self.known,
                equipment=self.catalogue.equipment,
            )
        return self._periods[quarter]

    def constant(self, quarter: Quarter) -> Assessment | None:
        """Assess a quarter at the grid factors of the reference year; None where no target names a reference."""
        if self._reference is None:
            return None
        if quarter not in self._constant:
            self._constant[quarter] = self.period_of(quarter).under(self._reference)
        return self._constant[quarter]

    @cached_property
    def _reference(self) -> AssessmentParameters | None:
        """What is known, with the grid factors of the reference year: one for all quarters, which share what it looks up."""
        if self.reference_year is None:
            return None
        return replace(self.known, factors=FactorsOfYear(self.known.factors, self.reference_year))

    def at_constant_factor(self, quarter: Quarter, bearers: Sequence[Bearer], split: Split) -> EstimateOrReason:
        """Compute the CO2e of some bearers at the grid factors of the reference year; making and hosted models stay unchanged."""
        reference = self.constant(quarter)
        if reference is None:
            return EstimateOrReason(None, "no-reference")
        return EstimateOrReason.total(
            (self.period_of(quarter).operational(bearers, reference.by_bearer), split.embodied, split.api)
        )

    @cached_property
    def services(self) -> list[str]:
        """Ids of the services with a record in the quarter, sorted."""
        named = {bearer[0] for bearer in self.period.strands} | {service for service, _ in self.activity.works}
        return sorted(service for service in named if service is not None)

    @property
    def recorded_days(self) -> RecordedDays:
        """Recorded days of the report's quarter."""
        return self.recorded_days_of(self.quarter)

    def recorded_days_of(self, quarter: Quarter) -> RecordedDays:
        """Return the recorded days of a quarter: civil days at work or with capacity reserved.

        Homes of one host are one instance here, as ``instance_days`` declares on which machines the service runs. A day of calls
        to a hosted model that has an estimate is a day of the instance that called.

        Simulated or declared activity does not count as recorded, nor does activity without any known energy.
        """
        if quarter not in self._recorded_days:
            found = self._recorded_days[quarter] = {}
            for (service, phase, instance), instants in self._recorded_half_hours(quarter).items():
                days = frozenset(self._day_at(instant_ns) for instant_ns in instants)
                found.setdefault(service, {}).setdefault(phase, {})[instance] = days
        return self._recorded_days[quarter]

    def _recorded_half_hours(self, quarter: Quarter) -> dict[tuple[str, str, str], set[int]]:
        """Collect the recorded half-hours of each service, phase and instance."""
        half_hours: dict[tuple[str, str, str], set[int]] = {}
        activity = self.activity_of(quarter)
        for strand in activity.strands:
            service, phase = strand.bearer
            if strand.condensed or service is None or strand.kind not in (KIND_SPAN, KIND_IDLE) or strand.simulated:
                continue
            known = zip(strand.methods, strand.microjoules, strict=True)
            if any(energy is not None and status != DECLARED for (status, _), energy in known):
                key = service, day_phase(phase), host_of(strand.instance)
                half_hours.setdefault(key, set()).update(strand.half_hours_utc_ns)
        for (service, phase), instance, half_hour in activity.condensed.recorded_days() if activity.condensed else ():
            if service is not None:
                half_hours.setdefault((service, day_phase(phase), host_of(instance)), set()).add(half_hour)
        hosted = {use.bearer for use in self.period_of(quarter).uses if use.standing == HOSTED_ESTIMATED}
        for row in activity.token_rows:
            bearer = bearer_of(row)
            if bearer in hosted and bearer[0] is not None and not row["simulated"]:
                key = bearer[0], day_phase(bearer[1]), host_of(row["instance"])
                half_hours.setdefault(key, set()).add(row["half_hour_utc_ns"])
        return half_hours

    @property
    def days_elapsed(self) -> float:
        """Share of the quarter's civil days that have begun."""
        first, until = self.quarter.first_day(), self.quarter.shift(1).first_day()
        begun = (self._day(self.until_ns - 1) - first).days + 1
        return max(begun, 0) / (until - first).days

    def _day(self, instant_ns: int) -> date:
        return utc_datetime(instant_ns).astimezone(self.timezone).date()

    @cached_property
    def _day_at(self) -> Callable[[int], date]:
        """``_day``, each instant computed once: most instances share their half-hours."""
        return cache(self._day)

    @cached_property
    def outcomes(self) -> dict[tuple[str, str, str], str]:
        """End of each run of the quarter. A run without an end that fell silent in the quarter was abandoned.

        A run at work in the last days of the quarter has no end yet: it may continue in the next.
        """
        activity, until_ns = self.activity, min(self.end_ns, self.last_ns)
        silent = {
            run: ABANDONED
            for run, last_ns in activity.run_last_utc_ns.items()
            if run[1] in RUN_PHASES and run not in activity.outcomes and last_ns < until_ns - ABANDONED_AFTER_NS
        }
        return activity.outcomes | silent

    def impact_of(self, service: str) -> Impact:
        """Compute the impact of a service's work and reserved idle."""
        return self.period.assessment.impact(lambda bearer, _: bearer[0] == service)

    def count(self, bearers: Sequence[Bearer], column: str) -> float | None:
        """Count the units of some services and phases.

        Args:
            bearers: The services and phases.
            column: ``units_micro`` or ``accepted_micro``.

        Returns:
            The units; None where none was counted.
        """
        found = [
            number
            for bearer in bearers
            for strand in self.period.strands.get(bearer, ())
            if strand.kind == KIND_SPAN and (number := getattr(strand, column)) is not None
        ]
        return float(from_micro(sum(found))) if found else None


def day_phase(phase: str) -> str:
    """Return the phase that a day counts for.

    Days are declared of two: ``training``, all that makes models, and ``inference``, reserved idle included. A day of another
    phase counts for that phase alone: a day of monitoring does not show that the service was measured while it served.

    Example:
        >>> day_phase("fine-tuning"), day_phase("idle"), day_phase("monitoring")
        ('training', 'inference', 'monitoring')
    """
    if phase in DEVELOPMENT_PHASES:
        return "training"
    return phase if phase in RUN_PHASES else "inference"

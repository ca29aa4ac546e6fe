"""What trainings took: runs as a bearer of their own, beside everything else that was recorded.

The making of equipment is shared by energy among all that used a machine in a quarter, so the rest of the quarter's rows count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.inputs import Inputs
from ecoia.impact.ledger_sums import LedgerSums, Strand
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import EstimateOrReason, PeriodImpact
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, DEVELOPMENT_PHASES, KIND_SPAN
from ecoia.units import NANOSECONDS_PER_SECOND

_APART = "(runs)"
"""Service that the rows of the runs are given while they are summed up; no id of a service is written so."""

Method = tuple[str, str, str]
"""Component, status of the method, and its name."""


@dataclass(frozen=True)
class RunFootprint:
    """What some training runs took, together.

    Attributes:
        services: Services that they worked for, sorted.
        phases: Their phases, sorted; of those that make a model.
        energy_components: Energy of components in kWh, before any factor.
        energy: Energy at the wall in kWh, with the building where its PUE is known.
        boundary: How much of the energy has a PUE: all (``site``), some (``part``) or none (``it``).
        use: CO2e of use in kg.
        making: CO2e in kg of the part of the making of equipment that they bear.
        methods: Energy in microjoules by component and method.
        zones: Zones of the electricity, sorted; as far as they are known.
        instances: Where they ran, sorted.
        devices: Ids of the devices that they used, sorted.
        seconds: Time during which at least one of them worked.
        host_seconds: The same, added up over instances.
        device_seconds: The same, added up over devices.
        simulated: Whether any of it is simulated.
    """

    services: tuple[str, ...]
    phases: tuple[str, ...]
    energy_components: EstimateOrReason
    energy: EstimateOrReason
    boundary: str
    use: EstimateOrReason
    making: EstimateOrReason
    methods: Mapping[Method, int]
    zones: tuple[str, ...]
    instances: tuple[str, ...]
    devices: tuple[str, ...]
    seconds: float
    host_seconds: float
    device_seconds: float
    simulated: bool


def run_footprint(inputs: Inputs, is_of_runs: Callable[[str], bool], now_ns: int) -> RunFootprint | None:
    """Add up what some training runs took; None where nothing of them was recorded.

    Args:
        inputs: What figures are computed from; its rows are all rows of the organisation.
        is_of_runs: Whether a run id is one of theirs.
        now_ns: The present, UTC nanoseconds: of a quarter that is not over, equipment counts until the last record.
    """
    rows, _ = refuse_doubles(list(inputs.rows))
    theirs = [row for row in rows if _is_training(row) and is_of_runs(row["run_id"] or "")]
    if not theirs:
        return None
    timezone = ZoneInfo(inputs.settings.timezone)
    quarters = {Quarter.of_instant(row["half_hour_utc_ns"], timezone) for row in theirs}
    apart = {id(row) for row in theirs}
    by_quarter: dict[Quarter, list[Row]] = {quarter: [] for quarter in quarters}
    for row in rows:
        quarter = Quarter.of_instant(row["half_hour_utc_ns"], timezone)
        if quarter in by_quarter:
            by_quarter[quarter].append({**row, "service": _APART} if id(row) in apart else row)
    parts = [_Part(by_quarter[quarter], quarter, inputs, now_ns) for quarter in sorted(quarters)]
    boundaries = {part.boundary for part in parts}
    instances = {row["instance"] for row in theirs}
    devices = {device for row in theirs for device in row["devices"]}
    return RunFootprint(
        services=tuple(sorted({row["service"] or "" for row in theirs})),
        phases=tuple(sorted({row["phase"] for row in theirs})),
        energy_components=EstimateOrReason.total(part.period.energy_components(part.bearers) for part in parts),
        energy=EstimateOrReason.total(part.period.energy(part.bearers) for part in parts),
        boundary=boundaries.pop() if len(boundaries) == 1 else "part",
        use=EstimateOrReason.total(part.period.split(part.bearers).operational for part in parts),
        making=EstimateOrReason.total(part.period.split(part.bearers).embodied for part in parts),
        methods=_methods(strand for part in parts for strand in part.strands),
        zones=tuple(sorted({zone for part in parts for zone in part.zones})),
        instances=tuple(sorted(instances)),
        devices=tuple(sorted(devices)),
        seconds=_covered(theirs),
        host_seconds=sum(_covered([row for row in theirs if row["instance"] == each]) for each in instances),
        device_seconds=sum(_covered([row for row in theirs if each in row["devices"]]) for each in devices),
        simulated=any(row["simulated"] for row in theirs),
    )


class _Part:
    """The runs in one quarter, beside the rest of it."""

    def __init__(self, rows: Sequence[Row], quarter: Quarter, inputs: Inputs, now_ns: int) -> None:
        catalogue, settings = inputs.catalogue, inputs.settings
        timezone = ZoneInfo(settings.timezone)
        start_ns, end_ns = quarter.bounds_ns(timezone)
        self.known = AssessmentParameters(
            inputs.factors,
            settings.zone,
            settings.pue,
            timezone,
            catalogue.calibrations,
            catalogue.sites,
            catalogue.contracts,
            catalogue.gsd,
            catalogue.hosted_factors,
        )
        until_ns = end_ns if now_ns >= end_ns else min(end_ns, inputs.known_until_utc_ns)
        self.period = PeriodImpact(LedgerSums.of(rows), start_ns, until_ns, parameters=self.known, equipment=catalogue.equipment)
        self.bearers = self.period.bearers(lambda bearer: bearer[0] == _APART)
        self.boundary = self.period.assessment.impact(lambda bearer, _: bearer[0] == _APART).boundary
        self.strands = [strand for bearer in self.bearers for strand in self.period.strands.get(bearer, ())]

    @property
    def zones(self) -> set[str]:
        """Zones of the electricity that the runs used, as far as they are known."""
        found = set()
        for strand in self.strands:
            site = self.known.site_of(strand.instance)
            found.add(strand.zone or (site.zone if site else None) or self.known.zone)
        return {zone for zone in found if zone}


def _is_training(row: Row) -> bool:
    return row["kind"] == KIND_SPAN and row["phase"] in DEVELOPMENT_PHASES


def _methods(strands: Iterable[Strand]) -> dict[Method, int]:
    sums: dict[Method, int] = {}
    for strand in strands:
        for component, (status, name), energy in zip(COMPONENTS, strand.methods, strand.known_microjoules, strict=True):
            sums[component, status, name] = sums.get((component, status, name), 0) + (energy or 0)
    return dict(sorted(sums.items()))


def _covered(rows: Collection[Row]) -> float:
    """Return the seconds during which at least one of some rows had a record."""
    covered_ns = until_ns = 0
    for start_ns, end_ns in sorted((row["start_utc_ns"], row["end_utc_ns"]) for row in rows):
        covered_ns += max(0, end_ns - max(start_ns, until_ns))
        until_ns = max(until_ns, end_ns)
    return covered_ns / NANOSECONDS_PER_SECOND

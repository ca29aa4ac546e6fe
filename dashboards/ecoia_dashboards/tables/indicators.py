"""Tabulate every indicator in the long form: one line a figure, of everything, of a service, or of a service and phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ecoia.indicators import INDICATORS, Indicator, held_by
from ecoia.report import Measure, PhaseResult, Quantity, QuarterlyReport, ServiceEntry, ServiceFootprint
from ecoia.semconv import NOT_LACKING
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import (
    BOUNDARIES,
    CODES,
    FLAG,
    HIGH,
    INTEGER,
    LOW,
    NUMBER,
    REASON,
    UNITS,
    Column,
    Table,
    phase,
    service,
    table,
)
from ecoia_dashboards.wording import N_

_ACCEPTED = "accepted-outcome"


@dataclass(frozen=True)
class _Origin:
    """How the energy behind a figure is known."""

    statuses: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    boundary: str | None = None
    precision_class: int | None = None
    simulated: bool = False

    @staticmethod
    def of(measures: Sequence[Measure], *, simulated: bool) -> _Origin:
        """Gather the origin of some energy; only a single measure has a precision class."""
        shares = [share for measure in measures for share in measure.methods if share.name not in NOT_LACKING]
        boundaries = {measure.boundary for measure in measures}
        return _Origin(
            statuses=tuple(dict.fromkeys(share.status for share in shares)),
            methods=tuple(dict.fromkeys(share.name for share in shares)),
            boundary="part" if len(boundaries) > 1 else next(iter(boundaries), None),
            precision_class=measures[0].precision_class if len(measures) == 1 else None,
            simulated=simulated,
        )


@dataclass(frozen=True)
class _Figure:
    """A figure, its bearer, and the origin of its energy; a service of None: of everything."""

    indicator: Indicator
    quantity: Quantity
    origin: _Origin
    service: str | None = None
    phase: str | None = None
    per: str | None = None
    coverage: float | None = None

    @property
    def statuses(self) -> tuple[str, ...]:
        """Origins of the figure; none where it has no value."""
        if self.quantity.value is None:
            return ()
        if self.indicator.statuses:
            return self.indicator.statuses
        return tuple(dict.fromkeys((*self.origin.statuses, *self.indicator.further_statuses)))

    @property
    def is_of_energy(self) -> bool:
        """Whether the figure rests on energy whose methods are known."""
        return self.quantity.value is not None and not self.indicator.statuses and bool(self.origin.methods)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods by which its energy was obtained."""
        return self.origin.methods if self.is_of_energy else ()

    @property
    def precision_class(self) -> int | None:
        """Precision class of the figure, 1 (best) to 4."""
        return self.origin.precision_class if self.is_of_energy and self.indicator.has_precision else None

    @property
    def boundary(self) -> str | None:
        """Whether the building is in it: ``site``, ``part`` or ``it``."""
        if not self.is_of_energy:
            return None
        return "it" if self.indicator.boundary == "it" else self.origin.boundary


def indicators(report: QuarterlyReport) -> Table:
    """Tabulate every indicator, one line a figure."""
    columns: tuple[Column[_Figure], ...] = (
        Column("quarter", N_("Trimestre"), lambda it: report.quarter),
        Column("indicator", N_("Indicateur"), lambda it: it.indicator.id, words=wording.INDICATORS),
        service(report, lambda it: it.service),
        phase(lambda it: it.phase),
        Column("value", N_("Valeur"), lambda it: it.quantity.value, NUMBER, unit_column="unit"),
        Column("unit", N_("Unité"), lambda it: it.quantity.unit, words=UNITS),
        Column("per", N_("Par"), lambda it: it.per, words={_ACCEPTED: N_("résultat accepté"), **wording.PROVIDER_UNITS}),
        Column("low", N_("Valeur"), lambda it: it.quantity.low, NUMBER, unit_column="unit", form=LOW),
        Column("high", N_("Valeur"), lambda it: it.quantity.high, NUMBER, unit_column="unit", form=HIGH),
        Column("reason", N_("Valeur"), lambda it: it.quantity.reason, words=wording.REASONS, form=REASON),
        Column("status", N_("Comment l’énergie est connue"), lambda it: it.statuses, CODES, words=wording.STATUSES),
        Column("method", N_("Méthode"), lambda it: it.methods, CODES, words=wording.METHODS),
        Column("precision_class", N_("Précision"), lambda it: it.precision_class, INTEGER),
        Column("boundary", N_("Bâtiment"), lambda it: it.boundary, words=BOUNDARIES),
        Column("coverage", N_("Couverture des services"), lambda it: it.coverage, NUMBER, "1"),
        Column("simulated", N_("Simulé"), lambda it: it.origin.simulated, FLAG),
    )
    return table("indicators", N_("Indicateurs"), _figures(report), *columns)


def _figures(report: QuarterlyReport) -> Iterator[_Figure]:
    yield from _of_everything(report)
    footprints = {each.service: each for each in report.services}
    for entry in report.register:
        yield from _of_service(report, entry, footprints.get(entry.id))
    for result in report.results:
        yield from _of_phase(result)


def _of_everything(report: QuarterlyReport) -> Iterator[_Figure]:
    share = report.coverage.share
    covered = Quantity(share, "1", reason="no-data" if share is None else None)
    yield _Figure(INDICATORS["coverage_services"], covered, _Origin(simulated=report.simulated))
    origin = _Origin.of([report.totals], simulated=report.simulated)
    for indicator in held_by("measure"):
        if indicator.of_measure is not None:
            yield _Figure(indicator, indicator.of_measure(report.totals), origin, coverage=share)
    for id_, quantity in report.footprint.items():
        yield _Figure(INDICATORS[id_], quantity, origin, coverage=share)


def _of_service(report: QuarterlyReport, entry: ServiceEntry, found: ServiceFootprint | None) -> Iterator[_Figure]:
    results = [result for result in report.results if result.service == entry.id]
    origin = _Origin.of([result.measure for result in results], simulated=any(result.simulated for result in results))
    yield _Figure(INDICATORS["energy"], entry.energy, origin, entry.id)
    if found is None:
        yield _Figure(INDICATORS["co2e"], entry.co2e, origin, entry.id)
        return
    for id_, quantity in found.footprint.items():
        yield _Figure(INDICATORS[id_], quantity, origin, entry.id)
    for id_, quantity in found.intensities.items():
        figure = _Figure(INDICATORS[id_], quantity, origin, entry.id)
        yield replace(figure, per=_per(figure.indicator, found))


def _per(indicator: Indicator, found: ServiceFootprint) -> str | None:
    if indicator.per == "provider-unit":
        return found.provider.unit if found.provider else None
    return _ACCEPTED if indicator.per == _ACCEPTED else found.functional_unit


def _of_phase(result: PhaseResult) -> Iterator[_Figure]:
    origin = _Origin.of([result.measure], simulated=result.simulated)
    for indicator in INDICATORS.values():
        if indicator.of_measure is not None:
            yield _Figure(indicator, indicator.of_measure(result.measure), origin, result.service, result.phase)
    for indicator in INDICATORS.values():
        if indicator.of_phase is not None:
            quantity = indicator.of_phase(result)
            yield _Figure(indicator, quantity, origin, result.service, result.phase, per=result.functional_unit)

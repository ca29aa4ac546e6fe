"""Give the assessed parts that indicators are computed from: sums over one service, or over everything, in one quarter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.period_impact import EstimateOrReason, KnownPart, Split, intensity, sci
from ecoia.impact.sides import delivers, is_serving, is_training
from ecoia.impact.uncertainty import Estimate
from ecoia.indicators import Indicator
from ecoia.periods import Quarter
from ecoia.report.context import Context
from ecoia.report.making import Making, making_of
from ecoia.report.model import Coverage, Headline, Quantity
from ecoia.report.quantities import energy_by_status, headline, per_unit, shown
from ecoia.semconv import DEVELOPMENT_PHASES, KIND_IDLE, MEASURED

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Outcomes, ProviderUnit

_PRECISE = ("1", "2")  # classes of precision


class Parts:
    """The sums of one service, or of everything, in one quarter; each is computed when an indicator first asks for it.

    Rates, and counts of runs, are those of the report's own quarter.

    Args:
        context: The quarters.
        quarter: The quarter that is summed.
        service: Id of the service; None: everything.
        with_making: Whether the making of machines is in the sums.
        coverage: Coverage of the services; only ``coverage_services`` needs it.

    Example:
        >>> Parts(context, context.quarter).quantity(INDICATORS["co2e"])  # doctest: +SKIP
        Quantity(value=12.3, unit='kgCO2e', low=8.1, high=18.6, reason=None)
    """

    def __init__(
        self,
        context: Context,
        quarter: Quarter,
        service: str | None = None,
        *,
        with_making: bool = True,
        coverage: Coverage | None = None,
    ) -> None:
        self._context, self._quarter, self._service = context, quarter, service
        self._with_making, self._coverage = with_making, coverage
        self._period = context.period_of(quarter)

    def quantity(self, indicator: Indicator) -> Quantity:
        """Compute an indicator, with its interval, or the reason why it has no value.

        Raises:
            ValueError: the indicator has no computation of its own.
        """
        if indicator.compute is None:
            raise ValueError(f"indicator '{indicator.id}' has no 'compute': read it where the report holds it ({indicator.held})")
        found = indicator.compute(self)
        return found if isinstance(found, Quantity) else shown(found, indicator.unit)

    def level(self, indicator: Indicator) -> EstimateOrReason:
        """Compute an indicator that adds up, ready to be summed over quarters.

        Raises:
            ValueError: the indicator is a ratio.
        """
        found = indicator.compute(self) if indicator.compute is not None else None
        if found is None or isinstance(found, Quantity):
            raise ValueError(f"indicator '{indicator.id}' is a ratio: it does not add up over quarters")
        return found

    # --- sums ---

    @cached_property
    def bearers(self) -> list[Bearer]:
        """The bearers that are summed."""
        return self._period.bearers(lambda bearer: self._service in (None, bearer[0]))

    @cached_property
    def split(self) -> Split:
        """CO2e in kg by origin: use, making, hosted models."""
        split = self._period.split(self.bearers)
        return split if self._with_making else replace(split, embodied=EstimateOrReason(Estimate.total(())))

    @cached_property
    def headline(self) -> Headline:
        """The CO2e of everything that is known, with its parts, and why any of them is not known."""
        return headline(self.known)

    @cached_property
    def known(self) -> Mapping[str, KnownPart]:
        """The known amount of each part of the CO2e, by the id of its indicator."""
        return self._period.known_parts(self.bearers)

    @property
    def energy_components(self) -> EstimateOrReason:
        """Energy of components in kWh, before any factor."""
        return self._period.energy_components(self.bearers)

    @property
    def energy_it(self) -> EstimateOrReason:
        """Energy at the wall in kWh, before the building."""
        return self._period.energy_it(self.bearers)

    @property
    def energy(self) -> EstimateOrReason:
        """Energy at the wall in kWh, with the building where its PUE is known."""
        return self._period.energy(self.bearers)

    @property
    def co2e_operational_market(self) -> EstimateOrReason:
        """CO2e of use in kg, market-based; at the grid's factors in a quarter before the first contract or after the last."""
        impact = self._period.assessment.impact(lambda bearer, _: self._service in (None, bearer[0]))
        if impact.market_reason == "no-contract" and self._context.catalogue.contracts:
            return self.split.operational
        return EstimateOrReason(impact.market, impact.market_reason)

    @property
    def co2e_constant_factor(self) -> EstimateOrReason:
        """CO2e in kg at the grid factors of the reference year."""
        return self._context.at_constant_factor(self._quarter, self.bearers, self.split)

    @property
    def water_direct(self) -> EstimateOrReason:
        """Litres consumed on site."""
        return self._period.water(self.bearers, direct=True)

    @property
    def water_indirect(self) -> EstimateOrReason:
        """Litres consumed upstream, by the electricity."""
        return self._period.water(self.bearers, direct=False)

    # --- rates ---

    @staticmethod
    def rate(part: int | None, whole: int, unknown: str, nothing: str) -> Quantity:
        """Divide a sum by another, last.

        Args:
            part: The part; None: it is not known.
            whole: The whole, in the same unit.
            unknown: Reason (a code) where the part is not known.
            nothing: Reason (a code) where the whole is 0.

        Returns:
            The share, or the reason why there is none.
        """
        if part is None or not whole:
            return Quantity(None, "1", reason=unknown if whole else nothing)
        return Quantity(part / whole, "1")

    @property
    def energy_microjoules(self) -> int:
        """Exact energy of components."""
        return self._period.energy_microjoules(self.bearers)

    @property
    def idle_microjoules(self) -> int | None:
        """Exact energy of reserved capacity that stood idle; None where no idle energy is set apart."""
        idle = [bearer for bearer in self.bearers if bearer[1] == KIND_IDLE]
        return self._period.energy_microjoules(idle) if idle else None

    @property
    def training_microjoules(self) -> int:
        """Exact energy of the phases that make models."""
        return self._period.energy_microjoules(bearer for bearer in self.bearers if is_training(bearer))

    @property
    def lost_microjoules(self) -> int | None:
        """Exact energy of failed and abandoned training runs; None where no run has a known end."""
        ends = {
            run: end
            for run, end in self._context.outcomes.items()
            if self._service in (None, run[0]) and run[1] in DEVELOPMENT_PHASES
        }
        if not ends:
            return None
        return sum(self._context.activity.run_microjoules.get(run, 0) for run, end in ends.items() if end != "ok")

    # --- intensities of one service ---

    @cached_property
    def serving(self) -> Sequence[Bearer]:
        """The bearers that serve the model, its reserved idle and its monitoring among them."""
        return [bearer for bearer in self.bearers if is_serving(bearer)]

    @cached_property
    def training(self) -> Sequence[Bearer]:
        """The bearers that make a model."""
        return [bearer for bearer in self.bearers if is_training(bearer)]

    @cached_property
    def provided(self) -> Sequence[Bearer]:
        """The bearers of the provider's side: those that make a model, put it in service or withdraw it."""
        return [bearer for bearer in self.bearers if not is_serving(bearer)]

    @cached_property
    def serving_split(self) -> Split:
        """CO2e of serving in kg, by origin."""
        return self._period.split(self.serving)

    @cached_property
    def units(self) -> float | None:
        """Functional units delivered; None where none was counted."""
        return self._context.count([bearer for bearer in self.bearers if delivers(bearer)], "units_micro")

    @property
    def energy_per_unit(self) -> Quantity:
        """Energy of serving in Wh per functional unit, reserved idle included."""
        return per_unit(shown(self._period.energy(self.serving), "kWh"), self.units)

    @cached_property
    def latest_training(self) -> Quarter | None:
        """The latest quarter in which the model in service was trained; None: no training was ever recorded."""
        for quarter in reversed(self._context.quarters):
            strands = self._context.activity_of(quarter).strands
            if any(strand.bearer[0] == self._service and is_training(strand.bearer) for strand in strands):
                return quarter
        return None

    @cached_property
    def _sci(self) -> tuple[EstimateOrReason, EstimateOrReason]:
        quarter = self.latest_training
        trained = None
        if quarter is not None:
            period = self._context.period_of(quarter)
            made = period.bearers(lambda bearer: bearer[0] == self._service and is_training(bearer))
            trained = period.split(made).total
        entry = self._context.catalogue.service(self._service or "")
        return sci(self.serving_split.total, self.units, trained, entry.lifetime_units if entry else None)

    @property
    def sci(self) -> EstimateOrReason:
        """CO2e of serving a unit in g, with the training amortised over the life of the model: our own SCI."""
        return self._sci[0]

    @property
    def sci_training(self) -> EstimateOrReason:
        """The part of it that is training amortised."""
        return self._sci[1]

    @property
    def sci_consumer(self) -> EstimateOrReason:
        """The consumer's score of SCI for AI: CO2e of serving in g per functional unit."""
        return intensity(self.serving_split.total, self.units, "no-units")

    @property
    def sci_provider(self) -> EstimateOrReason:
        """The provider's score of SCI for AI: CO2e in g of making the model in service, per unit that the register declares."""
        if not self.making.quarters:
            return EstimateOrReason(None, "no-training")
        unit = self.provider_unit
        return intensity(self.making.split.total, unit.count if unit else None, "no-model-size")

    @cached_property
    def provider_unit(self) -> ProviderUnit | None:
        """What the provider's score is divided by; None where the register declares nothing of the model's size."""
        entry = self._context.catalogue.service(self._service or "")
        return entry.model.provider_unit if entry and entry.model else None

    @cached_property
    def making(self) -> Making:
        """The provider's phases of the model in service: since the quarter that the register names, else of its training."""
        entry = self._context.catalogue.service(self._service or "")
        first = entry.model.made_from if entry and entry.model else None
        if first is not None:
            quarters = [quarter for quarter in self._context.quarters if quarter >= Quarter.parse(first)]
        else:
            quarters = [] if self.latest_training is None else [self.latest_training]
        return making_of(self._context, self._service, quarters)

    @property
    def training_intensity(self) -> EstimateOrReason:
        """CO2e of the quarter's training in g per unit that training counted."""
        if not self.training:
            return EstimateOrReason(None, "no-training")
        units = self._context.count(self.training, "units_micro")
        return intensity(self._period.split(self.training).total, units, "no-units")

    @cached_property
    def stated(self) -> Outcomes | None:
        """The count of accepted outcomes that the organisation stated for the quarter, if any."""
        key = (self._service, str(self._quarter))
        return next((each for each in self._context.catalogue.outcomes if (each.service, each.quarter) == key), None)

    @cached_property
    def accepted(self) -> float | None:
        """Accepted outcomes, as stated, else as recorded with the work; None where none was counted."""
        if self.stated is not None:
            return self.stated.accepted
        return self._context.count([*self.serving, *self.provided], "accepted_micro")

    @property
    def co2e_per_accepted_outcome(self) -> EstimateOrReason:
        """CO2e of the service in g per accepted outcome."""
        whole = self._period.split([*self.serving, *self.provided]).total
        return intensity(whole, self.accepted, "no-accepted")

    # --- shares of what is known ---

    @property
    def coverage_services(self) -> Quantity:
        """Share of the services in scope that are measured."""
        return _share(self._coverage.share if self._coverage else None)

    @property
    def energy_by_meters(self) -> Quantity:
        """Share of the energy that meters counted."""
        strands = [each for each in self._context.activity.strands if self._service in (None, each.bearer[0])]
        return _share(energy_by_status(strands, (MEASURED,)).get(MEASURED))

    @property
    def precise_co2e(self) -> Quantity:
        """Share of the known CO2e that is of precision class 1 or 2."""
        shares = self._context.period.precision()
        first, second = (shares.get(rank, 0.0) for rank in _PRECISE)
        return _share(first + second if shares else None)


def _share(value: float | None) -> Quantity:
    return Quantity(value, "1", reason="no-data" if value is None else None)

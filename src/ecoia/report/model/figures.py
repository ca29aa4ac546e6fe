"""Figures: values with unit and interval, what they were measured by, and the parts of the impact."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Quantity:
    """A number with its unit and 95 % interval; without a value, the ``reason`` (a code) why.

    Example:
        >>> Quantity(12.3, "kgCO2e", 8.1, 18.6).value
        12.3
        >>> Quantity(None, "kgCO2e", reason="no-zone").reason
        'no-zone'
    """

    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    reason: str | None = None  # one of codes.REASONS

    @property
    def direction(self) -> Literal["rise", "fall", "unclear"] | None:
        """Say which way a change goes, by its whole interval; None where there is no value.

        Two levels must not be compared by their own intervals: errors that both share cancel in the change.

        Example:
            >>> Quantity(0.105, "1", 0.046, 0.167).direction
            'rise'
            >>> Quantity(0.02, "1", -0.01, 0.05).direction
            'unclear'
        """
        if self.value is None:
            return None
        low, high = (self.value if bound is None else bound for bound in (self.low, self.high))
        if low > 0:
            return "rise"
        return "fall" if high < 0 else "unclear"


@dataclass(frozen=True)
class MethodShare:
    """The part of some energy that one method gave. ``status``: measured | estimated | declared | missing (0 energy)."""

    component: str
    status: str
    name: str
    microjoules: int


@dataclass(frozen=True)
class Measure:
    """Energy and its CO2e, of a service and phase, of a service, or of everything.

    ``energy_components_microjoules`` is the exact sum of the journal's records, before any factor. ``energy`` is
    ``energy_components`` x wall factor x PUE. ``boundary`` says whether a PUE was applied: ``site`` (to all), ``part`` (to some),
    or ``it`` (to none: the building is left out). ``co2e`` is CO2e of use (``co2e_operational``); ``Footprint`` adds the making
    of machines and hosted models. ``energy_at_wall_microjoules`` is the part of the exact sum that is calibrated, or that its
    method gives at the wall; the rest leaves out power supplies, fans, disks and network.
    """

    energy_components_microjoules: int
    by_component_microjoules: dict[str, int | None]
    energy_components: Quantity
    energy: Quantity
    boundary: str
    co2e: Quantity
    methods: tuple[MethodShare, ...]
    precision_class: int | None  # 1 to 4, of co2e where computed, else of energy
    energy_at_wall_microjoules: int = 0
    co2e_operational_market: Quantity = Quantity(None, "kgCO2e", reason="no-contract")  # beside co2e, never in a total


@dataclass(frozen=True)
class PhaseResult:
    """Work of one service in one phase, and what it took."""

    service: str
    phase: str
    measure: Measure
    spans: int
    cpu_seconds: float
    duration_seconds: float
    units: float | None
    accepted: float | None
    energy_per_unit: Quantity  # Wh per functional unit
    functional_unit: str | None
    runs: dict[str, int]  # ok, failed, abandoned
    waste_microjoules: int  # energy of failed and abandoned runs
    quality: dict[str, float]
    simulated: bool


class Figures(dict[str, Quantity]):
    """Figures by the id of their indicator; ``figures.co2e`` is ``figures["co2e"]``.

    The ids are those of ``ecoia.indicators``, in its order.
    """

    def __getattr__(self, indicator: str) -> Quantity:
        try:
            return self[indicator]
        except KeyError:
            raise AttributeError(f"no figure '{indicator}' here; there are: {', '.join(self)}") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read and write it as the dictionary that it is."""
        from pydantic_core.core_schema import no_info_after_validator_function

        return no_info_after_validator_function(cls, handler.generate_schema(dict[str, Quantity]))


Footprint = Figures
"""Parts of the impact and their sum, of one service or of everything: the indicators held as ``footprint``. Water is consumption,
and its two parts are never added up."""


@dataclass(frozen=True)
class Headline:
    """The CO2e of everything that is known: use, making and hosted models.

    ``co2e`` adds up ``parts``, the indicators of which something is known; ``breakdown`` holds the known amount of each.
    ``lacking`` gives the reason (a code) why a part is not known, or not wholly: where it holds any, the sum is a lower bound
    ("au moins"). A part of which there was nothing to count (no call to a hosted model) is in neither.
    """

    co2e: Quantity = Quantity(None, "kgCO2e", reason="no-data")
    parts: tuple[str, ...] = ()
    lacking: dict[str, str] = field(default_factory=dict)
    breakdown: dict[str, Quantity] = field(default_factory=dict)

    @property
    def is_lower_bound(self) -> bool:
        """Whether something is not known, so that the whole is at least ``co2e``."""
        return self.co2e.value is not None and bool(self.lacking)


NO_HEADLINE = Headline()


@dataclass(frozen=True)
class Serving:
    """Energy and CO2e of serving, reserved idle and monitoring included, the provider's phases excluded: the parts of ``sci``."""

    energy: Quantity  # with the building where known
    co2e_operational: Quantity
    co2e_embodied: Quantity
    co2e_api: Quantity
    units: float | None
    co2e: Quantity = Quantity(None, "kgCO2e", reason="not-computed")  # their sum, which is unknown where a part is


@dataclass(frozen=True)
class ProviderWork:
    """CO2e of the provider's side of a service, in the quarters that made the model in service: the parts of ``sci_provider``.

    ``unit``, ``count`` and ``values`` are those of ``catalogue.ProviderUnit``, which the score is divided by; None where the
    register does not declare it. ``lacking`` names what their energy leaves out: components, ``building``,
    ``power-supply-and-fans``.
    """

    co2e_operational: Quantity
    co2e_embodied: Quantity
    co2e_api: Quantity
    co2e: Quantity
    quarters: tuple[str, ...]
    phases: tuple[str, ...]
    lacking: tuple[str, ...]
    unit: str | None
    count: float | None
    values: str | None
    flop_method: str | None
    made_from: str | None


@dataclass(frozen=True)
class ServiceFootprint:
    """Parts and intensities of a service. Intensities are each in the service's own unit, so services are not ranked by them.

    ``intensities`` are the indicators held as ``intensity``; ``found.sci`` is ``found.intensities["sci"]``. ``training_quarter``
    is the quarter of the training that ``sci_training`` amortises. ``accepted_source`` is None where the count was recorded with
    the work.
    """

    service: str
    footprint: Footprint
    functional_unit: str | None
    serving: Serving
    intensities: Figures
    training_quarter: str | None
    accepted: float | None
    accepted_source: str | None
    headline: Headline = NO_HEADLINE
    provider: ProviderWork | None = None  # None in a report that was read without it

    def __post_init__(self) -> None:
        # The JSON holds intensities beside the fields.
        taken = self.intensities.keys() & {each.name for each in fields(self)}
        if taken:
            raise ValueError(f"indicators named like a field of a service's footprint: {', '.join(sorted(taken))}; rename them")

    def __getattr__(self, indicator: str) -> Quantity:
        # A copy that is not filled in yet has no intensities.
        if indicator.startswith("__") or "intensities" not in vars(self):
            raise AttributeError(indicator)
        return getattr(self.intensities, indicator)  # type: ignore[no-any-return]

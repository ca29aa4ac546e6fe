"""Places and machines: sites, equipment, hosted models, and the organisation's inventory."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report.model.figures import Quantity


@dataclass(frozen=True)
class SiteResult:
    """Energy at a site; ``id`` None: outside every declared site. ``boundary`` as in ``Measure``."""

    id: str | None
    name: str | None
    zone: str | None
    energy_it: Quantity
    energy: Quantity
    boundary: str


@dataclass(frozen=True)
class FigureUsed:
    """A PUE, WUE or water factor that was applied. ``kind``: pue | wue | water_factor; water in L/kWh."""

    site: str
    kind: str
    value: float
    quality: str  # measured | declared | default
    from_day: str | None
    until_day: str | None
    source: str
    dated: str


@dataclass(frozen=True)
class EquipmentUsed:
    """A piece of equipment, and the part of its making that falls on the quarter."""

    id: str
    name: str | None
    co2e_kg: float
    life_years: float
    reserved_share: float
    instances: tuple[str, ...]
    devices: tuple[str, ...]
    from_day: str
    until_day: str | None
    source: str
    dated: str
    quarter_micrograms: int
    by_service_micrograms: dict[str, int]  # "": borne by no service


@dataclass(frozen=True)
class TokensUsed:
    """Tokens exchanged with a model.

    ``standing``: ``estimated``; ``metered``, on a device that is measured, so left out; or ``unmeasured``, for the ``reason``.
    ``requests`` are those of tokens whose calls were counted; those of ``uncounted_out`` were not, which makes the estimate a
    lower bound where a request takes something by itself. ``cached_in`` and ``reasoning`` are parts as far as they were told,
    beside the tokens of which they were not. Energy (``low_kwh``...) and water (``low_litres``...) are the provider's, and in no
    total of ours. ``input_factor`` is how much more ``central_kg`` would be if input counted: an upper bound, in no other figure.
    """

    service: str | None
    phase: str
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    rows: int
    standing: str
    reason: str | None
    low_kg: float | None
    central_kg: float | None
    high_kg: float | None
    record_ids: tuple[str, ...] = ()  # the first of the ``records`` that hold them
    records: int = 0
    requests: int = 0
    uncounted_out: int = 0
    cached_in: int = 0
    cached_untold_in: int = 0
    reasoning: int = 0
    reasoning_untold_out: int = 0
    is_lower_bound: bool = False
    making_kg: float | None = None
    low_kwh: float | None = None
    high_kwh: float | None = None
    low_litres: float | None = None
    high_litres: float | None = None
    input_factor: float | None = None


@dataclass(frozen=True)
class InventoryLine:
    """The place of a part of the total in an organisation's inventory.

    ``item`` is the item of the regulatory French inventory (BEGES): ``electricity``, ``capital-goods`` or ``services``.
    ``operated`` says who runs the sites of a line of electricity: ``own``, ``hosted``, or None where it is not declared.
    """

    part: str  # an indicator: co2e_operational | co2e_embodied | co2e_api
    operated: str | None
    co2e: Quantity
    ghg_scope: int
    ghg_category: int | None  # of scope 3
    item: str
    assumptions: tuple[str, ...] = ()  # of codes.ASSUMPTIONS

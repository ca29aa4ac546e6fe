"""Lines that lie behind a figure: recorded days, hours, uses of hosted models, runs, ledger rows, terms of the formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from ecoia.records import Row
from ecoia.report import Quantity

_NO_ENERGY, _NO_WATER = Quantity(None, "kWh", reason="no-calls"), Quantity(None, "L", reason="no-calls")


_NO_ENERGY, _NO_WATER = Quantity(None, "kWh", reason="no-calls"), Quantity(None, "L", reason="no-calls")


class RecordedDay(NamedTuple):
    """A civil day with a row. ``microjoules`` is None where no component gave energy; ``service`` is "" where none bears it."""

    service: str
    phase: str
    instance: str
    day: date
    microjoules: int | None


@dataclass(frozen=True)
class HourCell:
    """An hour of a civil day.

    Attributes:
        day: The civil day.
        hour: The hour of the day, 0 to 23. Where clocks are set back, it is two hours long.
        microjoules: Exact energy of components.
        micrograms: CO2e of its use, at the wall and with the building where these are known. None: some of it has no factor.
        grid_g_per_kwh: Emission factor of the hour, in the zones of the selection, by their parts of its energy. None: not known.
    """

    day: date
    hour: int
    microjoules: int
    micrograms: int | None
    grid_g_per_kwh: float | None


@dataclass(frozen=True)
class HostedUse:
    """Tokens exchanged with a model that others host, or that one's own metered devices ran.

    Attributes:
        provider: Provider as recorded, in lower case.
        model: Model as recorded.
        service: The service; "" where none bears them.
        phase: The phase.
        tokens_in: Input tokens.
        tokens_out: Output tokens.
        rows: How many rows they are on.
        co2e: Estimate in kg.
        standing: One of ``impact.hosted.STANDINGS``.
        why: One of ``impact.hosted.WHY_UNMEASURED`` where there is no estimate.
        kg_per_million: CO2e of a million output tokens, in kg. None: there is no estimate.
        kg_per_request: CO2e that a request takes before its first token, in kg. None: there is no estimate.
        kg_per_million_in: CO2e of a million input tokens, in kg, where a provider says so; EcoLogits counts none.
        requests: Calls, of tokens whose calls were counted.
        uncounted_out: Output tokens whose calls were not counted.
        cached_in: Input tokens read from a cache, as far as they were told.
        cached_untold_in: Input tokens of which that was not told.
        reasoning: Output tokens of reasoning, as far as they were told.
        reasoning_untold_out: Output tokens of which that was not told.
        is_lower_bound: Whether ``co2e`` lacks what requests take that were not counted.
        making_kg: The part of ``co2e`` that is the making of the provider's servers.
        energy: kWh at the provider, which is in no other figure; its interval is the range of EcoLogits' hypotheses.
        water: Litres at the provider and for its electricity; likewise.
        input_factor: How much more ``co2e`` would be if input counted: an upper bound, in no other figure.
    """

    provider: str
    model: str
    service: str
    phase: str
    tokens_in: int
    tokens_out: int
    rows: int
    co2e: Quantity
    standing: str
    why: str | None
    kg_per_million: float | None = None
    kg_per_request: float | None = None
    kg_per_million_in: float | None = None
    requests: int = 0
    uncounted_out: int = 0
    cached_in: int = 0
    cached_untold_in: int = 0
    reasoning: int = 0
    reasoning_untold_out: int = 0
    is_lower_bound: bool = False
    making_kg: float | None = None
    energy: Quantity = _NO_ENERGY
    water: Quantity = _NO_WATER
    input_factor: float | None = None


@dataclass(frozen=True)
class MakingPart:
    """What a selection bears of the making of one piece of equipment. The parts of a selection add up to its figure.

    Attributes:
        equipment: Id of the piece.
        whole_micrograms: CO2e of its making that falls in the selection's days, whoever bears it.
        micrograms: The part that the selection bears, in proportion to its energy on the piece.
    """

    equipment: str
    whole_micrograms: int
    micrograms: int


@dataclass(frozen=True)
class RunLine:
    """A run, as far as it is in the selection.

    Attributes:
        run_id: Its id: that of its MLflow run, where it has one.
        service: The service; "" where none bears it.
        phase: The phase.
        instances: Where it ran, sorted.
        start_utc: Start of its first record.
        end_utc: End of its last record.
        microjoules: Exact energy of components.
        energy: Its energy with the building, where its PUE is known.
        co2e: Its CO2e of use, at the factors of its own half-hours.
        outcome: How it ended: ``ok``, ``failed`` or ``abandoned``. None: not known, or not yet.
        quality: Latest figures of quality.
        simulated: Whether any of it is simulated.
    """

    run_id: str
    service: str
    phase: str
    instances: tuple[str, ...]
    start_utc: str
    end_utc: str
    microjoules: int
    energy: Quantity
    co2e: Quantity
    outcome: str | None
    quality: Mapping[str, float]
    simulated: bool


@dataclass(frozen=True)
class VersionUse:
    """What a version of a model did in one phase of a service. The energy of all of them is that of the selection.

    Attributes:
        version: Version as recorded; "" where none was.
        service: The service; "" where none bears it.
        phase: The phase.
        first_day: First civil day with a row of it.
        last_day: Last one.
        microjoules: Exact energy of components.
        energy: Its energy with the building, where its PUE is known.
        co2e: Its CO2e of use, at the factors of its own half-hours.
        units: Functional units. None: none were counted.
    """

    version: str
    service: str
    phase: str
    first_day: date
    last_day: date
    microjoules: int
    energy: Quantity
    co2e: Quantity
    units: float | None


@dataclass(frozen=True)
class RowLine:
    """A ledger row.

    Attributes:
        id: Its place; ``Explorer.rows`` goes on after it.
        microjoules: The part of its energy that the selection lets through. None: it has no energy there.
        row: The row as the ledger holds it, without what was refused as counted already.
    """

    id: str
    microjoules: int | None
    row: Row


@dataclass(frozen=True)
class RowsPage:
    """Some of the rows behind a figure, in order of time.

    Attributes:
        rows: The rows.
        next: Id to go on after. None: there are no more.
        count: How many rows there are in all.
        microjoules: Their energy: that of the selection, exactly. A region has its part of it, and all rows of its services.
    """

    rows: tuple[RowLine, ...]
    next: str | None
    count: int
    microjoules: int


@dataclass(frozen=True)
class FormulaTerm:
    """A term of the formula: energy x wall factor x PUE x emission factor. The terms of a selection add up to its figures.

    Attributes:
        component: ``cpu``, ``gpu`` or ``ram``.
        status: Status of the method.
        method: Name of the method.
        microjoules: Exact energy of components.
        wall_factor: Energy at the wall over energy of the component. None: no calibration is known, so 1.
        pue: PUE of the site. None: not known, so 1.
        site: Id of the site; "" in none.
        energy_kwh: Energy with the building, where its PUE is known.
        zone: Zone of the electricity; "" where it is not known.
        factor_g_per_kwh: Emission factor, the mean over the energy. None: there is none.
        factor_year: Year of the factor.
        factor_set: Id of the set that it is of.
        factor_source: Publisher that states it.
        kg: CO2e of use. None: there is no factor.
        wall_bias: Published factor by which the truth may be higher where no calibration is known; else 1.
        shared_microjoules: The part of ``microjoules`` of services that share hosts with what the selection leaves out.
    """

    component: str
    status: str
    method: str
    microjoules: int
    wall_factor: float | None
    pue: float | None
    site: str
    energy_kwh: float
    zone: str
    factor_g_per_kwh: float | None
    factor_year: int | None
    factor_set: str | None
    factor_source: str | None
    kg: float | None
    wall_bias: float
    shared_microjoules: int


@dataclass(frozen=True)
class Change:
    """The change from one selection to another.

    Attributes:
        energy: Relative change of the energy with the building, such as 0.1 for 10 % more; errors that both share cancel.
        energy_it: The same before the building, so that a PUE declared anew is not in it.
        co2e: Relative change of the CO2e, of the ``parts`` that both know.
        parts: Parts of the CO2e that are known of both: ``operational``, ``embodied``, ``api``.
        energy_absolute: Change of the energy, in kWh.
        co2e_absolute: Change of the CO2e, in kg.
        days_unequal: Services that were recorded on unequal shares of their days: what changed may be the recording.
        counted_otherwise: Services that meters, models or declarations counted on one side, and another of them on the other.
        simulated: Whether either side is simulated, in part or whole.
    """

    energy: Quantity
    energy_it: Quantity
    co2e: Quantity
    parts: tuple[str, ...]
    energy_absolute: Quantity
    co2e_absolute: Quantity
    days_unequal: tuple[str, ...]
    counted_otherwise: tuple[str, ...]
    simulated: bool

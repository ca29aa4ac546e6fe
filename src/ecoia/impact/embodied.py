"""Embodied impact: emissions of making equipment, spread over its life and shared among its users.

    co2e_embodied = sum over equipment of TE x (time reserved / expected life) x (share of the resource)

TE is the footprint of making one piece (ISO/IEC 21031). The time reserved is the part of the period in which the piece was in
use and not older than its expected life: over a whole life the parts add up to TE x share, never to more.

**Who bears it.** The amount of a piece over the period is split in proportion to the energy attributed on it (for a device: the
GPU energy of its users). Work of a phase and idle energy of reserved capacity count alike. The amount of an unused piece stays
unattributed and is in the total. Micrograms are integers, split by largest remainder: the parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import compress
from typing import TYPE_CHECKING

from ecoia.impact.ledger_sums import Bearer, Strand
from ecoia.periods import DAY_NS, utc_ns
from ecoia.semconv import COMPONENTS, KIND_UNATTRIBUTED
from ecoia.units import split_integer

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Equipment

YEAR_NS = DAY_NS * 1461 // 4
"""A year of 365.25 days."""
MICROGRAMS_PER_KG = 1_000_000_000


@dataclass(frozen=True)
class EmbodiedShare:
    """The share of one piece of equipment that one bearer bears, in micrograms of CO2e."""

    equipment: str
    bearer: Bearer
    micrograms: int


def in_use_ns(item: Equipment, start_ns: int, end_ns: int, timezone: tzinfo) -> tuple[int, int]:
    """Return the part of a period in which a piece was in use and not past its life.

    Args:
        item: The piece.
        start_ns: First instant of the period, UTC nanoseconds.
        end_ns: First instant after it.
        timezone: Civil time in which days of use begin.

    Returns:
        First instant, and first instant after; equal where the piece was not in use.
    """
    used_from = _midnight(item.start, timezone)
    used_until = used_from + round(item.life_years * YEAR_NS)
    if item.until is not None:
        used_until = min(used_until, _midnight(item.until, timezone))
    start = max(start_ns, used_from)
    return start, max(start, min(end_ns, used_until))


def life_ends(equipment: Iterable[Equipment], timezone: tzinfo) -> list[int]:
    """Return the instants at which pieces come into use or go out of it, UTC nanoseconds."""
    return [instant for item in equipment for instant in in_use_ns(item, 0, 1 << 62, timezone)]


def amortised_micrograms(item: Equipment, start_ns: int, end_ns: int, timezone: tzinfo) -> int:
    """Return TE x (time reserved / expected life) x share of a piece over a period, in micrograms.

    Args:
        item: The piece.
        start_ns: First instant of the period, UTC nanoseconds.
        end_ns: First instant after it.
        timezone: Civil time in which days of use begin.

    Example:
        >>> from datetime import UTC
        >>> from ecoia.catalogue import Equipment
        >>> fields = {"id": "server", "co2e_kg": 4, "life_years": 4, "reserved_share": 0.5, "instances": "*", "source": "maker"}
        >>> server = Equipment.model_validate({**fields, "from": "1970-01-01", "date": "1970-01-01"})
        >>> amortised_micrograms(server, 0, YEAR_NS, UTC)  # half of 4 kg, a quarter of its life
        500000000
    """
    start, end = in_use_ns(item, start_ns, end_ns, timezone)
    reserved = round(item.co2e_kg * item.reserved_share * MICROGRAMS_PER_KG)
    return reserved * (end - start) // round(item.life_years * YEAR_NS)


def embodied_shares(
    strands: Sequence[Strand], equipment: Iterable[Equipment], start_ns: int, end_ns: int, timezone: tzinfo
) -> list[EmbodiedShare]:
    """Share each piece of equipment among its users over a period.

    Args:
        strands: Recorded energy of the period.
        equipment: The pieces.
        start_ns: First instant of the period, UTC nanoseconds.
        end_ns: First instant after it.
        timezone: Civil time in which days of use begin.

    Returns:
        Shares in the order of ``equipment``, then of bearers. They add up to ``amortised_micrograms`` of each piece.
    """
    found = []
    for item in equipment:
        micrograms = amortised_micrograms(item, start_ns, end_ns, timezone)
        if micrograms == 0:
            continue
        window = in_use_ns(item, start_ns, end_ns, timezone)
        energy: dict[Bearer, int] = {}
        for strand in strands:
            if _uses(strand, item):
                energy[strand.bearer] = energy.get(strand.bearer, 0) + _energy(strand, item, window)
        used = {bearer: microjoules for bearer, microjoules in energy.items() if microjoules} or {(None, KIND_UNATTRIBUTED): 1}
        bearers = sorted(used, key=_order)
        shares = split_integer(micrograms, [used[bearer] for bearer in bearers])
        found += [EmbodiedShare(item.id, bearer, share) for bearer, share in zip(bearers, shares, strict=True)]
    return found


def without_equipment(
    strands: Iterable[Strand], equipment: Sequence[Equipment], start_ns: int, end_ns: int, timezone: tzinfo
) -> set[str]:
    """Return the instances with energy whose machine is not described at that time. Their embodied impact is unknown, not zero.

    Args:
        strands: Recorded energy of a period.
        equipment: The pieces that are described.
        start_ns: First instant of the period, UTC nanoseconds.
        end_ns: First instant after it.
        timezone: Civil time in which days of use begin.
    """
    machines = [(item, in_use_ns(item, start_ns, end_ns, timezone)) for item in equipment if not item.devices]
    lacking = set()
    for strand in strands:
        if strand.instance in lacking or all(energy is None for energy in strand.microjoules):
            continue
        described = [(item, *window) for item, window in machines if item.on(strand.instance)]
        if not all(any(_describes(*each, half_hour) for each in described) for half_hour in strand.half_hours_utc_ns):
            lacking.add(strand.instance)
    return lacking


def _describes(item: Equipment, start_ns: int, end_ns: int, half_hour_utc_ns: int) -> bool:
    """Return whether this piece is the machine of a half-hour: in use then, or past its life and with no last day of use."""
    return start_ns <= half_hour_utc_ns < end_ns or (half_hour_utc_ns >= end_ns and item.until is None)


def _uses(strand: Strand, item: Equipment) -> bool:
    return item.on(strand.instance) and (not item.devices or not set(item.devices).isdisjoint(strand.devices))


def _energy(strand: Strand, item: Equipment, window: tuple[int, int]) -> int:
    """Return the energy that a strand used on a piece, in microjoules, while the piece was in use."""
    counted = ("gpu",) if item.devices else COMPONENTS
    start, end = window
    inside = [start <= half_hour < end for half_hour in strand.half_hours_utc_ns]
    whole = all(inside)
    return sum(
        sum(energy if whole else compress(energy, inside))
        for component, energy in zip(COMPONENTS, strand.microjoules, strict=True)
        if component in counted and energy is not None
    )


def _order(bearer: Bearer) -> tuple[str, str]:
    return bearer[0] or "", bearer[1]


def _midnight(day: date, timezone: tzinfo) -> int:
    return utc_ns(datetime(day.year, day.month, day.day, tzinfo=timezone))

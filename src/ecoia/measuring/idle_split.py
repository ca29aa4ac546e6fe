"""Split idle energy: among the services that reserved capacity, and from active energy on a dedicated host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecoia.measuring.allocation import Allocation
from ecoia.measuring.subject import RecordKey
from ecoia.units import split_integer

_SCALE = 1_000_000
"""Shares are rounded to millionths, so that the split is exact in integers."""


def separate_waiting(allocation: Allocation, coverage: float) -> None:
    """On a dedicated host, count energy used while no span was in flight as idle: the host waited for the service.

    Changes components without a baseline at rest only; the others have their idle energy already.

    Args:
        allocation: Of one reading of the whole host; changed in place. Active plus idle energy stays the same.
        coverage: Share of the time, 0 to 1, during which at least one span was in flight.
    """
    covered_part = round(min(max(coverage, 0.0), 1.0) * _SCALE)
    for component, energy in allocation.active.items():
        if energy is not None and allocation.idle[component] is None:
            parts = split_integer(energy, [covered_part, _SCALE - covered_part])
            allocation.active[component], allocation.idle[component] = parts


def split_by_reserved_share(
    idle: Mapping[str, int | None], reserved: Mapping[RecordKey, float], *, whole_host: bool
) -> Iterator[tuple[RecordKey | None, dict[str, int | None]]]:
    """Split idle energy by reserved share. The parts add up to ``idle``, exactly.

    Args:
        idle: Microjoules by component.
        reserved: Share of the host, 0 to 1, reserved for each key. Shares that add up to more than 1 split what there is.
        whole_host: Whether ``idle`` is the energy of the whole host, so that the rest is not reserved.

    Yields:
        Each key that gets energy, and its microjoules by component. The key is None for energy of no key: the rest of a
        whole host, or everything if nothing is reserved.

    Example:
        >>> key = RecordKey("vadore", "inference")
        >>> [energy["cpu"] for _, energy in split_by_reserved_share({"cpu": 100}, {key: 0.25}, whole_host=True)]
        [25, 75]
    """
    weights = [round(share * _SCALE) for share in reserved.values()]
    rest = max(_SCALE - sum(weights), 0) if whole_host or not any(weights) else 0
    splits = {
        component: [None] * (len(weights) + 1) if energy is None else split_integer(energy, [*weights, rest])
        for component, energy in idle.items()
    }
    for index, key in enumerate((*reserved, None)):
        energy = {component: split[index] for component, split in splits.items()}
        if any(energy.values()):
            yield key, energy

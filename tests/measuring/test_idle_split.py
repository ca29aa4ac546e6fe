"""Check the laws of splitting idle energy: the parts add up, and each service gets its reserved share."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring.allocation import Allocation
from ecoia.measuring.idle_split import separate_waiting, split_by_reserved_share
from ecoia.measuring.subject import RecordKey
from ecoia.semconv import COMPONENTS

KEYS = [RecordKey(f"s{number}", "inference") for number in range(4)]
ENERGY = st.fixed_dictionaries({component: st.none() | st.integers(0, 10**12) for component in COMPONENTS})
RESERVED = st.dictionaries(st.sampled_from(KEYS), st.floats(0, 1))


def total(parts: list[dict[str, int | None]], component: str) -> int:
    return sum(part[component] or 0 for part in parts)


@given(ENERGY, RESERVED, st.booleans())
def test_the_parts_add_up_to_the_idle_energy(idle: dict[str, int | None], reserved: dict[RecordKey, float], whole: bool) -> None:
    parts = [energy for _, energy in split_by_reserved_share(idle, reserved, whole_host=whole)]
    for component in COMPONENTS:
        assert total(parts, component) == (idle[component] or 0)


@given(st.integers(0, 10**12), RESERVED, st.booleans())
def test_each_service_gets_its_reserved_share(microjoules: int, reserved: dict[RecordKey, float], whole: bool) -> None:
    parts = dict(split_by_reserved_share({"cpu": microjoules}, reserved, whole_host=whole))
    promised = sum(reserved.values())
    divisor = max(promised, 1.0) if whole else promised
    for key, share in reserved.items():
        got = parts[key]["cpu"] if key in parts else 0
        expected = microjoules * share / divisor if divisor else 0
        if min(reserved.values()) > 0.01:  # shares are rounded to millionths
            assert abs((got or 0) - expected) <= 1 + microjoules * 1e-3


@given(st.integers(1, 10**12), RESERVED)
def test_only_a_whole_host_leaves_a_rest_without_a_service(microjoules: int, reserved: dict[RecordKey, float]) -> None:
    rest = dict(split_by_reserved_share({"cpu": microjoules}, reserved, whole_host=False)).get(None)
    assert (rest is not None) == all(round(share * 1_000_000) == 0 for share in reserved.values())


@given(ENERGY, ENERGY, st.floats(-0.5, 1.5))
def test_waiting_is_separated_without_changing_the_sum(
    active: dict[str, int | None], idle: dict[str, int | None], coverage: float
) -> None:
    allocation = Allocation()
    allocation.active, allocation.idle = active, idle
    before = deepcopy(allocation)
    separate_waiting(allocation, coverage)
    for component in COMPONENTS:
        parts, parts_before = [(each.active[component], each.idle[component]) for each in (allocation, before)]
        if parts_before[0] is None or parts_before[1] is not None:
            assert parts == parts_before, "a component with a baseline at rest has its idle energy already"
        else:
            assert sum(part or 0 for part in parts) == parts_before[0]
            assert min(part or 0 for part in parts) >= 0


def test_energy_used_without_a_span_in_flight_is_idle() -> None:
    allocation = Allocation()
    allocation.active = {"cpu": 100, "gpu": 100, "ram": None}
    allocation.idle = {"cpu": None, "gpu": 7, "ram": None}
    separate_waiting(allocation, 0.25)
    assert allocation.active == {"cpu": 25, "gpu": 100, "ram": None}
    assert allocation.idle == {"cpu": 75, "gpu": 7, "ram": None}


def test_a_whole_host_that_is_reserved_more_than_once_leaves_no_rest() -> None:
    reserved = dict.fromkeys(KEYS[:2], 0.7)
    split = dict(split_by_reserved_share({"cpu": 14_000_000}, reserved, whole_host=True))
    assert split == {key: {"cpu": 7_000_000} for key in reserved}

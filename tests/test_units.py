"""Laws of the exact arithmetic: parts add up, and counts survive JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import units

COUNTS = st.integers(0, 10**18)
WEIGHTS = st.lists(st.integers(0, 10**15), max_size=12)


@given(COUNTS, WEIGHTS)
def test_parts_add_up_to_the_whole_or_nothing_is_attributed(total: int, weights: list[int]) -> None:
    parts = units.split_integer(total, weights)
    assert len(parts) == len(weights)
    assert sum(parts) == (total if sum(weights) else 0)


@given(COUNTS, WEIGHTS.filter(any))
def test_each_part_is_its_exact_share_to_the_unit(total: int, weights: list[int]) -> None:
    whole = sum(weights)
    for part, weight in zip(units.split_integer(total, weights), weights, strict=True):
        assert total * weight // whole <= part <= -(-total * weight // whole)


@given(COUNTS, WEIGHTS)
def test_a_greater_weight_never_gets_less_and_ties_go_to_the_first(total: int, weights: list[int]) -> None:
    parts = units.split_integer(total, weights)
    for i, heavy in enumerate(weights):
        for j, light in enumerate(weights):
            if heavy > light or (heavy == light and i < j):
                assert parts[i] >= parts[j]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (2, [1, 1, 1], [1, 1, 0]),
        (7, [0, 5, 0], [0, 7, 0]),
        (5, [0, 0], [0, 0]),
        (5, [], []),
        (100, [1, 2, 97], [1, 2, 97]),
    ],
)
def test_known_splits(total: int, weights: list[int], parts: list[int]) -> None:
    assert units.split_integer(total, weights) == parts


@given(st.integers(0, 2**51))
def test_a_count_in_millionths_survives_json(millionths: int) -> None:
    number = json.loads(json.dumps(units.from_micro(millionths)))
    assert units.micro(number) == millionths


@given(st.integers(0, 10**30))
def test_a_whole_count_of_any_size_survives_json_and_stays_an_integer(count: int) -> None:
    number = json.loads(json.dumps(units.from_micro(count * 1_000_000)))
    assert type(number) is int
    assert number == count
    assert units.micro(number) == count * 1_000_000


def test_one_kilowatt_hour_is_3_6_megajoules() -> None:
    assert units.kwh(3_600_000 * units.MICROJOULES_PER_JOULE) == 1.0
    assert units.microjoules_from_kwh(0.25) == 900_000 * units.MICROJOULES_PER_JOULE


@given(st.integers(0, 2**51))
def test_energy_survives_the_way_through_kilowatt_hours(microjoules: int) -> None:
    assert units.microjoules_from_kwh(units.kwh(microjoules)) == microjoules

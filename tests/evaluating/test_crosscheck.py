"""Records held against the wall: by hour, with what nobody claimed, gaps named, a double count found, a factor proposed."""

from __future__ import annotations

import random

import pytest

from ecoia.evaluating.crosscheck import Crosscheck, crosscheck
from ecoia.evaluating.wall_power import WallPower
from ecoia.meters.wattmeter import Sample
from ecoia.methods import RAM_MODEL, WATTMETER
from ecoia.records import Record
from support.records import instant, record

HOUR_NS = 3600 * 10**9
BEGIN_S = instant("2026-11-23T00:00") // 10**9


def window(hour: int, watts: float, share: float | None, pid: int = 1, **more: object) -> list[Record]:
    """The hour of one process that claims a share of a host, with half of it in a short span."""
    start = (BEGIN_S + 3600 * hour) * 10**9
    joules = watts * 3600 * (share or 1)
    common = {"pid": pid, "share_claimed": share, "ram": None, "instance": "host-1", **more}
    return [
        record(start + HOUR_NS // 2, 3, cpu=round(joules / 2 * 1e6), **common),
        record(start, 60, cpu=round(joules / 2 * 1e6), kind="overhead", service=None, phase=None, **common),
    ]


def series(*watts: float) -> WallPower:
    """Constant power in each hour, a sample a minute."""
    samples: list[Sample] = [
        ((BEGIN_S + 3600 * hour + 60 * minute) * 10**9, round(each * 1e6))
        for hour, each in enumerate([*watts, watts[-1]])
        for minute in range(60)
    ]
    return WallPower(samples)


def compared(records: list[Record], power: WallPower, hours: int) -> Crosscheck:
    return crosscheck(records, power, BEGIN_S, BEGIN_S + 3600 * hours)


def test_the_wall_is_over_what_the_meters_gave_claimed_or_not() -> None:
    found = compared([*window(0, 100, 0.25), *window(1, 200, 0.5)], series(142, 284), 2)
    assert [each.ratio for each in found.hours] == pytest.approx([1.42, 1.42], rel=1e-4)
    assert [each.claimed_kwh for each in found.hours] == pytest.approx([0.025, 0.1])
    assert [each.metered_kwh for each in found.hours] == pytest.approx([0.1, 0.2])
    assert not found.is_error


def test_processes_of_one_host_tell_the_same_whole_once() -> None:
    records = [*window(0, 100, 0.25), *window(0, 100, 0.5, pid=2)]
    (hour,) = compared(records, series(142), 1).hours
    assert (hour.claimed_kwh, hour.metered_kwh, hour.ratio) == pytest.approx((0.075, 0.1, 1.42), rel=1e-4)


def test_claims_beyond_the_wall_for_three_hours_are_an_error() -> None:
    """Two processes that each claim the whole of one host."""
    records = [each for hour in range(3) for pid in (1, 2) for each in window(hour, 100, 1.0, pid)]
    found = compared(records, series(142, 142, 142), 3)
    assert [each.ratio for each in found.hours] == pytest.approx([0.71] * 3, rel=1e-4)
    assert found.is_error
    assert found.proposal is None
    assert not compared(records[: 2 * 4], series(142, 142, 142), 3).is_error, "two hours may be a reading that is off"


def test_hours_that_cannot_be_compared_are_listed_with_their_reason() -> None:
    records = [*window(0, 100, 0.25), *window(2, 100, 0.25), *window(3, 100, None), *window(4, 100, 0.25)]
    found = compared(records, series(142, 142, 0, 142, 142), 5)
    assert [each.missing for each in found.hours] == [None, "records", "series", "meter", None]
    assert len(found.compared) == 2


def window_of(method: object) -> list[Record]:
    return [each for hour in range(24) for each in window(hour, 100, 0.25, methods={"cpu": method})]


def test_a_day_proposes_a_wall_factor_and_its_spread_but_not_for_energy_at_the_wall() -> None:
    chance = random.Random(1)
    power = series(*(142 * chance.gauss(1, 0.05) for _ in range(24)))
    proposal = compared([each for hour in range(24) for each in window(hour, 100, 0.25)], power, 24).proposal
    assert proposal is not None
    assert proposal.wall_factor == pytest.approx(1.42, rel=0.03)
    assert proposal.gsd == pytest.approx(1.05, abs=0.02)
    assert (proposal.components, proposal.hours) == (("cpu",), 24)
    assert compared(window_of(WATTMETER), power, 24).proposal is None
    assert compared(window_of(RAM_MODEL), power, 24).proposal is not None
    assert compared([each for hour in range(23) for each in window(hour, 100, 0.25)], power, 23).proposal is None

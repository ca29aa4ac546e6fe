"""Laws of time: in every zone, quarters partition it and half-hours cut it without a gap."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.errors import UsageError
from ecoia.periods import HALF_HOUR_NS, Quarter, half_hour_start, half_hours, utc_datetime, utc_day, utc_ns

# Summer time in both hemispheres, half-hour offsets, a half-hour summer time, a midnight that does not exist.
ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Asuncion",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "America/St_Johns",
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
quarters = st.builds(Quarter, st.integers(1980, 2100), st.integers(1, 4))
FIRST, LAST = utc_ns(datetime(1980, 1, 1, tzinfo=UTC)), utc_ns(datetime(2100, 1, 1, tzinfo=UTC))
instants = st.integers(FIRST, LAST)


@given(quarters, zones)
def test_a_quarter_ends_where_the_next_begins_on_a_half_hour(quarter: Quarter, zone: ZoneInfo) -> None:
    start, end = quarter.bounds_ns(zone)
    assert start < end == quarter.shift(1).bounds_ns(zone)[0]
    assert start % HALF_HOUR_NS == 0


@given(instants, zones)
def test_every_instant_is_in_exactly_one_quarter(instant: int, zone: ZoneInfo) -> None:
    quarter = Quarter.of_instant(instant, zone)
    inside = [q for q in (quarter.shift(-1), quarter, quarter.shift(1)) if q.bounds_ns(zone)[0] <= instant < q.bounds_ns(zone)[1]]
    assert inside == [quarter]


@given(quarters, zones)
def test_the_edges_of_a_quarter_are_on_the_right_side(quarter: Quarter, zone: ZoneInfo) -> None:
    start, end = quarter.bounds_ns(zone)
    assert Quarter.of_instant(start, zone) == quarter
    assert Quarter.of_instant(start - 1, zone) == quarter.shift(-1)
    assert Quarter.of_instant(end - 1, zone) == quarter
    assert Quarter.of_instant(end, zone) == quarter.shift(1)


def test_summer_time_makes_quarters_of_uneven_length() -> None:
    paris = ZoneInfo("Europe/Paris")
    hour = 2 * HALF_HOUR_NS
    lengths = {number: Quarter(2026, number).bounds_ns(paris) for number in (1, 2, 4)}
    assert lengths[1][1] - lengths[1][0] == 90 * 24 * hour - hour  # one hour is lost on 29 March
    assert lengths[2][1] - lengths[2][0] == 91 * 24 * hour
    assert lengths[4][1] - lengths[4][0] == 92 * 24 * hour + hour  # one comes back on 25 October
    assert lengths[4][0] == utc_ns(datetime(2026, 9, 30, 22, tzinfo=UTC))


def test_a_quarter_whose_first_midnight_does_not_exist_begins_after_the_gap() -> None:
    asuncion = ZoneInfo("America/Asuncion")  # clocks jumped from 00:00 to 01:00 on 1 October 2017
    start, _ = Quarter(2017, 4).bounds_ns(asuncion)
    assert utc_datetime(start).astimezone(asuncion).isoformat() == "2017-10-01T01:00:00-03:00"
    assert utc_datetime(start - 1000).astimezone(asuncion).isoformat().startswith("2017-09-30T23:59:59")


@given(instants, st.integers(0, 40 * HALF_HOUR_NS))
def test_half_hours_cover_an_interval_exactly(start: int, length: int) -> None:
    end = start + length
    pieces = list(half_hours(start, end))
    assert pieces[0][0] == start
    assert pieces[-1][1] == end
    assert all(left[1] == right[0] for left, right in pairwise(pieces))
    for piece_start, piece_end in pieces:
        assert half_hour_start(piece_start) <= piece_start <= piece_end <= half_hour_start(piece_start) + HALF_HOUR_NS
        assert piece_start < piece_end or length == 0
    assert sum(b - a for a, b in pieces) == length


@given(instants)
def test_instants_survive_datetimes_to_the_microsecond(instant: int) -> None:
    assert utc_ns(utc_datetime(instant)) == instant - instant % 1000
    assert half_hour_start(instant) <= instant < half_hour_start(instant) + HALF_HOUR_NS
    assert utc_day(instant) == (datetime(1970, 1, 1) + timedelta(seconds=instant // 10**9)).date().isoformat()


@given(quarters, st.integers(-500, 500))
def test_shifting_is_counting(quarter: Quarter, steps: int) -> None:
    assert quarter.shift(steps).shift(-steps) == quarter
    assert (quarter.shift(steps) > quarter) == (steps > 0)
    assert Quarter.parse(str(quarter)) == quarter
    assert Quarter.of_date(quarter.first_day()) == quarter


@pytest.mark.parametrize("text", ["2026Q5", "2026Q0", "26Q1", "2026-Q1", "T4 2026", "", "0000Q1", "9999Q4", "2026Q4 2027Q1"])
def test_an_unreadable_quarter_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Quarter.parse(text)
    assert json.dumps(text)[1:-1] in str(caught.value)
    assert "2026Q4" in str(caught.value)


def test_a_quarter_is_read_in_either_case() -> None:
    assert Quarter.parse(" 2026q4 ") == Quarter(2026, 4)

"""The probability that a figure is beyond a limit follows from its value and interval, and agrees with the interval."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ecoia.impact.uncertainty import Z95, interval
from ecoia.report import Quantity
from ecoia.report.likelihood import change_above, level_above, level_below, share_above

VALUES = st.floats(1e-6, 1e9)
SPREADS = st.floats(1e-3, 2.0)
BIASES = st.floats(1.0, 3.0)
LIMITS = st.floats(1e-7, 1e10)


def level(value: float, s: float, bias: float = 1.0) -> Quantity:
    """A level with the spread s of its logarithm, whose upper bound starts from ``bias`` times its mean."""
    return Quantity(value, "kWh", interval(value, s**2).low, interval(bias * value, s**2).high)


def change(ratio: float, s: float, bias: float = 1.0) -> Quantity:
    """A change with the spread s of the logarithm of its ratio; the ratio of the greatest means is ``bias`` times as large."""
    ends = (ratio, ratio * bias)
    return Quantity(ratio - 1, "1", min(ends) * math.exp(-Z95 * s) - 1, max(ends) * math.exp(Z95 * s) - 1)


@given(VALUES, SPREADS, BIASES, LIMITS, LIMITS)
def test_a_greater_limit_is_never_more_likely_passed(value: float, s: float, bias: float, one: float, other: float) -> None:
    figure = level(value, s, bias)
    low, high = sorted((one, other))
    at_low, at_high = level_above(figure, low), level_above(figure, high)
    assert at_low is not None
    assert at_high is not None
    assert 0 <= at_high <= at_low + 1e-9 <= 1 + 1e-9
    assert level_below(figure, low) == pytest.approx(1 - at_low)


@given(VALUES, SPREADS, BIASES, LIMITS)
def test_a_limit_outside_the_interval_is_passed_with_a_probability_of_at_most_a_fortieth(
    value: float, s: float, bias: float, limit: float
) -> None:
    figure = level(value, s, bias)
    assert figure.low is not None
    assert figure.high is not None
    found = level_above(figure, limit)
    if limit >= figure.high:
        assert found <= 0.0251
    if limit <= figure.low:
        assert found >= 0.9749


@given(st.floats(0.01, 100), st.floats(1e-3, 1), st.floats(0.3, 3), st.floats(-0.99, 99))
def test_a_change_agrees_with_its_interval(ratio: float, s: float, bias: float, limit: float) -> None:
    figure = change(ratio, s, bias)
    assert figure.low is not None
    assert figure.high is not None
    found = change_above(figure, limit)
    if limit >= figure.high:
        assert found <= 0.0251
    if limit <= figure.low:
        assert found >= 0.9749
    assert share_above(Quantity(figure.value + 1, "1", figure.low + 1, figure.high + 1), limit + 1) == pytest.approx(
        found, abs=1e-6
    )


@given(VALUES, SPREADS, st.floats(0.3, 3))
def test_without_a_bias_the_probability_is_that_of_the_lognormal(value: float, s: float, factor: float) -> None:
    expected = (1 + math.erf((-(s**2) / 2 - math.log(factor)) / s / math.sqrt(2))) / 2
    assert level_above(level(value, s), value * factor) == pytest.approx(expected, abs=1e-6)


def test_the_probability_is_how_often_the_figure_is_beyond_the_limit() -> None:
    draw, value, s, bias, limit = random.Random(1), 100.0, 0.2, 1.6, 120.0
    drawn = [value * bias ** draw.random() * math.exp(-(s**2) / 2 + s * draw.gauss(0, 1)) for _ in range(20_000)]
    assert level_above(level(value, s, bias), limit) == pytest.approx(sum(each > limit for each in drawn) / 20_000, abs=0.01)


@pytest.mark.parametrize(("value", "above", "below"), [(0.4, 0.0, 1.0), (0.5, 0.0, 0.0), (0.6, 1.0, 0.0)])
def test_a_share_without_an_interval_is_on_one_side_or_at_the_limit(value: float, above: float, below: float) -> None:
    share = Quantity(value, "1")
    assert (level_above(share, 0.5), level_below(share, 0.5)) == (above, below)
    assert change_above(share, 0.5) == above


def test_what_has_no_value_has_no_probability_and_nothing_passes_only_what_is_below_it() -> None:
    unknown = Quantity(None, "kWh", reason="no-data")
    assert (level_above(unknown, 1), level_below(unknown, 1), change_above(unknown, 1), share_above(unknown, 1)) == (None,) * 4
    assert (level_above(Quantity(0.0, "kWh"), 1), level_above(Quantity(1.0, "kWh", 0.5, 2), 0)) == (0, 1)


@given(VALUES, SPREADS)
def test_a_level_without_spread_to_spare_keeps_its_order(value: float, s: float) -> None:
    assume(s > 1e-3)
    figure = level(value, s)
    assert level_above(figure, value * 1e6) == pytest.approx(0, abs=1e-3)
    assert level_above(figure, value / 1e6) == pytest.approx(1, abs=1e-3)

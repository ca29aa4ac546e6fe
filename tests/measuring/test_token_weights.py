"""Check the arithmetic that shares a server's energy by tokens: its laws, and how wrong it and simpler rules are."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring.subject import RecordKey
from ecoia.measuring.token_weights import KAPPA, TokenCount, input_weight, split_by_weight, weight_of

ENERGY = st.integers(0, 10**13)
KEYS = st.builds(RecordKey, st.sampled_from(["chat", "rag"]), st.just("inference"), endpoint=st.none() | st.just("/a"))
WEIGHTS = st.dictionaries(KEYS, st.integers(0, 10**15), min_size=1).filter(lambda weights: any(weights.values()))
COUNTS = st.builds(TokenCount, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
IN_FLIGHT = st.floats(0.01, 1e4)


def key(service: object) -> RecordKey:
    return RecordKey(str(service), "inference")


@given(ENERGY, WEIGHTS)
def test_the_parts_add_up_to_the_microjoule_and_none_is_negative(energy: int, weights: dict[RecordKey, int]) -> None:
    parts = split_by_weight(energy, weights)
    assert sum(parts.values()) == energy
    assert min(parts.values()) >= 0
    whole = sum(weights.values())
    assert all(abs(part * whole - energy * weights[key]) < whole for key, part in parts.items()), "within one microjoule"
    assert all(parts[key] == 0 for key, weight in weights.items() if not weight)


@given(ENERGY, WEIGHTS, st.randoms(use_true_random=False))
def test_order_changes_nothing(energy: int, weights: dict[RecordKey, int], chance: Random) -> None:
    keys = list(weights)
    chance.shuffle(keys)
    assert split_by_weight(energy, {key: weights[key] for key in keys}) == split_by_weight(energy, weights)


@given(ENERGY, WEIGHTS)
def test_splitting_again_by_the_parts_gives_the_same_parts(energy: int, weights: dict[RecordKey, int]) -> None:
    parts = split_by_weight(energy, weights)
    if energy:
        assert split_by_weight(energy, parts) == parts


@given(ENERGY, COUNTS, IN_FLIGHT, st.integers(1, 9))
def test_equal_requests_get_equal_shares(energy: int, count: TokenCount, in_flight: float, requests: int) -> None:
    weight = weight_of(count, input_weight(in_flight))
    if weight:
        parts = split_by_weight(energy, {key(number): weight for number in range(requests)})
        assert max(parts.values()) - min(parts.values()) <= 1, "a microjoule cannot be split"


@given(st.lists(COUNTS, min_size=1, max_size=9), IN_FLIGHT)
def test_the_weight_of_a_sum_is_the_sum_of_the_weights(counts: list[TokenCount], in_flight: float) -> None:
    w = input_weight(in_flight)
    summed = TokenCount(*(sum(each) for each in zip(*counts, strict=True)))
    assert weight_of(summed, w) == sum(weight_of(each, w) for each in counts)


@given(COUNTS, IN_FLIGHT)
def test_a_cached_token_weighs_less_than_one_that_was_read_and_that_less_than_one_written(count: TokenCount, b: float) -> None:
    w = input_weight(b)
    assert 0 < w < 0.5
    assert weight_of(TokenCount(0, 0, 1000), w) <= weight_of(TokenCount(0, 1000, 0), w) <= weight_of(TokenCount(1000, 0, 0), w)
    assert weight_of(count, w) >= 0


@given(IN_FLIGHT, IN_FLIGHT)
def test_the_more_requests_share_a_step_the_more_input_weighs(one: float, other: float) -> None:
    assert (input_weight(one) <= input_weight(other)) == (one <= other) or math.isclose(input_weight(one), input_weight(other))


def test_without_any_weight_energy_is_never_dropped_in_silence() -> None:
    with pytest.raises(ValueError, match="no weight"):
        split_by_weight(1, {key("chat"): 0})
    assert split_by_weight(0, {key("chat"): 0}) == {key("chat"): 0}


# --- what the rule is worth: a roofline of continuous batching, four services ------------------------------------------------

SERVICES = {
    "chat": TokenCount(400, 300),
    "rag": TokenCount(200, 4000),
    "rag, cached": TokenCount(200, 500, 3500),
    "classification": TokenCount(5, 800),
}
STEP_JOULES, TOKEN_JOULES = 2.2, 0.021  # reading 16 GB of weights once; computing one token of 8 billion parameters


def true_joules(count: TokenCount, batch: float) -> float:
    """Return a request's energy: what its tokens compute, its context read at each step, and its part of the steps."""
    context = 0.5 * TOKEN_JOULES * count.out * 2  # as much again, at some 1,500 tokens
    cache = 0.1 * TOKEN_JOULES * count.cached
    return TOKEN_JOULES * (count.read + count.out) + context + cache + STEP_JOULES * count.out / batch


def gsd(batch: float, of_input: float, of_cached: float | None = None) -> float:
    """Return the geometric standard deviation, weighted by energy, of shares by weights at as many requests of each service."""
    cached = 0.1 * of_input if of_cached is None else of_cached
    weights = {name: each.out + of_input * each.read + cached * each.cached for name, each in SERVICES.items()}
    joules = {name: true_joules(each, batch) for name, each in SERVICES.items()}
    factor = sum(joules.values()) / sum(weights.values())
    logs = {name: math.log(weights[name] * factor / joules[name]) for name in SERVICES}
    return math.exp(math.sqrt(sum(joules[name] / sum(joules.values()) * logs[name] ** 2 for name in SERVICES)))


PUBLISHED = {  # of a simulation of continuous batching; at 1.4, 5.3 and 48 requests in flight
    "all tokens alike": ([3.79, 2.87, 1.70], lambda b: gsd(b, 1.0, 1.0)),
    "output alone": ([1.15, 1.45, 2.90], lambda b: gsd(b, 0.0)),
    "the ratio of prices": ([1.75, 1.43, 1.17], lambda b: gsd(b, 0.2)),
    "the rule": ([1.03, 1.03, 1.10], lambda b: gsd(b, input_weight(b))),
    "kappa wrong by 3": ([1.16, 1.25, 1.36], lambda b: max(gsd(b, input_weight(b, 33)), gsd(b, input_weight(b, 300)))),
}


@pytest.mark.parametrize("rule", PUBLISHED)
def test_the_errors_of_each_rule_are_those_of_a_simulated_server(rule: str) -> None:
    published, found = PUBLISHED[rule]
    assert [found(batch) for batch in (1.4, 5.3, 48.0)] == pytest.approx(published, rel=0.15)


def test_kappa_is_what_reading_the_weights_costs_beside_a_token() -> None:
    assert pytest.approx(KAPPA, rel=0.05) == STEP_JOULES / TOKEN_JOULES

"""Why a quarter is not like another: terms add up to the change, each says what changed, and a shared error cancels."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue import Service
from ecoia.catalogue.error_widths import GSD
from ecoia.impact.change import (
    TERMS,
    RelativeChange,
    ServiceFootprint,
    Use,
    change_interval,
    decompose,
    energy_per_unit_change,
    log_ratio_variance,
    successors,
    total,
)
from ecoia.impact.uncertainty import Cell, Estimate

OLD = Use(units_micro=4_000_000, energy_it_kwh=8.0, energy_kwh=12.0, micrograms=600_000, method=frozenset({"cpu measured rapl"}))

amounts = st.one_of(st.just(0), st.integers(1, 10**13))
uses = st.builds(
    Use,
    units_micro=st.one_of(st.none(), amounts),
    energy_it_kwh=st.floats(1e-6, 1e6),
    energy_kwh=st.floats(1e-6, 1e6),
    micrograms=amounts,
    method=st.sampled_from([frozenset({"measured"}), frozenset({"estimated"})]),
    covered=st.floats(0.01, 1.0),
)
quarters = st.dictionaries(
    st.sampled_from([None, "a", "b", "c"]),
    st.builds(
        ServiceFootprint,
        uses=st.dictionaries(st.sampled_from(["serving", "training"]), uses, max_size=2),
        embodied_micrograms=amounts,
        api_micrograms=amounts,
    ),
)


def serving(activity: Use) -> dict[str | None, ServiceFootprint]:
    return {"a": ServiceFootprint({"serving": activity})}


def terms(before: Use, now: Use) -> dict[str, int]:
    (explained,) = decompose(serving(before), serving(now))
    return dict(explained.terms)


@given(quarters, quarters)
def test_terms_add_up_to_the_change_of_each_service_and_of_all(before: Any, now: Any) -> None:
    services = decompose(before, now)
    for each in services:
        assert sum(each.terms.values()) == each.micrograms
    whole = total(services)
    assert sum(whole.terms.values()) == whole.micrograms
    assert whole.micrograms == sum(each.micrograms for each in now.values()) - sum(each.micrograms for each in before.values())
    assert set(whole.terms) <= set(TERMS)


@given(quarters, quarters)
def test_exchanging_the_quarters_flips_every_sign(before: Any, now: Any) -> None:
    forth, back = decompose(before, now, began=["a"], retired=["b"]), decompose(now, before, began=["b"], retired=["a"])
    other = {"entry": "exit", "exit": "entry"}
    for one, two in zip(forth, back, strict=True):
        assert one.service == two.service
        assert one.terms == {other.get(name, name): -part for name, part in two.terms.items()}


recorded = st.builds(
    Use,
    units_micro=st.integers(1, 10**13),
    energy_it_kwh=st.floats(1e-3, 1e6),
    energy_kwh=st.floats(1e-3, 1e6),
    micrograms=st.integers(1, 10**13),
)


@given(recorded, recorded)
def test_the_terms_of_one_activity_add_up_and_flip(before: Use, now: Use) -> None:
    forth = terms(before, now)
    assert sum(forth.values()) == now.micrograms - before.micrograms
    assert forth == {name: -part for name, part in terms(now, before).items()}
    assert forth.keys() <= {"volume", "intensity", "pue", "factor"}
    for name, more in (("volume", now.units_micro > before.units_micro), ("pue", _pue(now) > _pue(before))):
        if abs(forth.get(name, 0)) > 10:
            assert (forth[name] > 0) is more, name


def _pue(activity: Use) -> float:
    return activity.energy_kwh / activity.energy_it_kwh


@given(quarters, quarters, st.randoms())
def test_no_order_changes_anything(before: Any, now: Any, order: random.Random) -> None:
    def shuffled(quarter: Any) -> Any:
        names = list(quarter)
        order.shuffle(names)
        return {name: replace(quarter[name], uses=dict(reversed(quarter[name].uses.items()))) for name in names}

    assert decompose(shuffled(before), shuffled(now)) == decompose(before, now)


@given(st.integers(2, 10**6))
def test_a_single_change_is_the_only_term(times: int) -> None:
    more = {"energy_it_kwh": 8.0 * times, "energy_kwh": 12.0 * times, "micrograms": 600_000 * times}
    change = 600_000 * (times - 1)
    assert terms(OLD, replace(OLD, micrograms=600_000 * times)) == {"factor": change}
    assert terms(OLD, replace(OLD, units_micro=4_000_000 * times, **more)) == {"volume": change}
    assert terms(OLD, replace(OLD, **more)) == {"intensity": change}
    assert terms(OLD, replace(OLD, energy_kwh=12.0 * times, micrograms=600_000 * times)) == {"pue": change}
    uncounted = replace(OLD, units_micro=None)
    assert terms(uncounted, replace(uncounted, **more)) == {"energy": change}


def test_services_that_came_went_or_were_measured_another_way_are_differences() -> None:
    one, other = ServiceFootprint({"serving": OLD}, 1000, 100), ServiceFootprint({"serving": replace(OLD, micrograms=1_600_000)})
    assert decompose({}, {"a": one}, began=["a"])[0].terms == {"entry": 601_100}
    assert decompose({"a": one}, {}, retired=["a"])[0].terms == {"exit": -601_100}
    assert decompose({}, {"a": one}, retired=["a"])[0].terms == {"coverage": 601_100}, "it was there, and not measured"
    assert decompose({"a": one}, {}, began=["a"])[0].terms == {"coverage": -601_100}, "it is still there, and not measured"
    assert decompose({"a": one}, {"a": other})[0].terms == {"factor": 1_000_000, "embodied": -1000, "api": -100}
    assert terms(OLD, replace(OLD, micrograms=700_000, method=frozenset({"cpu estimated"}))) == {"method": 100_000}
    nobodys = decompose({}, {None: ServiceFootprint({"unattributed": OLD})})
    assert nobodys[0].terms == {"energy": 600_000}, "what no service bears neither comes nor goes"


@pytest.mark.parametrize(
    ("nothing", "expected"),
    [
        ({"units_micro": 0, "energy_it_kwh": 0.0, "energy_kwh": 0.0}, "volume"),
        ({"energy_it_kwh": 0.0, "energy_kwh": 0.0}, "intensity"),
        ({"units_micro": None, "energy_it_kwh": 0.0, "energy_kwh": 0.0}, "energy"),
        ({}, "factor"),
    ],
)
def test_a_change_from_nothing_is_of_what_there_was_none(nothing: dict[str, Any], expected: str) -> None:
    none = replace(OLD, micrograms=0, **nothing)
    assert terms(none, OLD) == {expected: 600_000}
    assert terms(OLD, none) == {expected: -600_000}
    assert terms(none, none) == {}


def test_energy_too_little_for_a_microgram_is_not_the_grids_doing() -> None:
    little = replace(OLD, energy_it_kwh=1e-9, energy_kwh=1e-9, micrograms=0)
    assert terms(little, OLD) == {"intensity": 600_000}


def test_a_correction_is_what_the_reference_no_longer_is() -> None:
    services = decompose(serving(OLD), serving(OLD))
    corrected = total(services, published_micrograms=590_000)
    assert corrected.terms == {"correction": 10_000}
    assert corrected.micrograms == 10_000


@given(recorded, st.floats(0.05, 1.0))
def test_days_that_were_not_recorded_are_neither_volume_nor_intensity(use: Use, covered: float) -> None:
    """The same work, recorded on a part of its days: everything that is less of it is coverage."""
    part = replace(
        use,
        units_micro=max(round(use.units_micro * covered), 1),
        energy_it_kwh=use.energy_it_kwh * covered,
        energy_kwh=use.energy_kwh * covered,
        micrograms=max(round(use.micrograms * covered), 1),
        covered=covered,
    )
    found = terms(use, part)
    assert sum(found.values()) == part.micrograms - use.micrograms
    slack = use.micrograms * (2 / part.units_micro + 2 / part.micrograms) + 10  # units and grams are whole
    assert found.get("coverage", 0) == pytest.approx(part.micrograms - use.micrograms, abs=slack)
    uncounted = terms(replace(use, units_micro=None), replace(part, units_micro=None))
    assert uncounted.get("coverage", 0) == pytest.approx(part.micrograms - use.micrograms, abs=slack)


def used(kwh: float, units: int | None, *, own: float = 1.0, covered: float = 1.0) -> Use:
    """A use of some energy, each quarter's with an error of its own."""
    estimate = Estimate((Cell(kwh, frozenset({"counters"}), "a"),), {**GSD, "own": own}, kwh)
    return replace(OLD, units_micro=units, energy_it_kwh=kwh, estimate=estimate, covered=covered)


@pytest.mark.parametrize(
    ("units", "energy", "expected"),
    [(10_000_000, 10.0, True), (10_000_000, 8.0, False), (4_000_000, 10.0, False), (None, 10.0, None)],
)
def test_a_gain_is_absorbed_when_a_unit_took_less_and_the_service_more(
    units: int | None, energy: float, expected: bool | None
) -> None:
    (explained,) = decompose(serving(used(8.0, 4_000_000)), serving(used(energy, units)))
    assert explained.absorbed_gain is expected


@pytest.mark.parametrize(
    ("units", "energy", "expected"),
    [(10, 12.0, True), (10, 8.5, False), (6, 11.9, False)],
    ids=["both beyond noise", "the energy within noise", "the unit within noise"],
)
def test_a_gain_within_noise_is_not_absorbed(units: int, energy: float, expected: bool) -> None:
    """With errors of their own of 5 %, a change is beyond noise from about 15 % on."""
    (explained,) = decompose(serving(used(8.0, 4_000_000, own=1.05)), serving(used(energy, units * 1_000_000, own=1.05)))
    assert explained.absorbed_gain is expected


def test_energy_that_was_only_recorded_on_more_days_absorbs_no_gain() -> None:
    (explained,) = decompose(serving(used(8.0, 4_000_000, covered=0.4)), serving(used(16.0, 12_000_000)))
    assert explained.absorbed_gain is False
    assert energy_per_unit_change(used(8.0, 4), used(16.0, 12)) == RelativeChange(*[pytest.approx(-1 / 3)] * 3)


def test_a_service_goes_on_under_its_new_name_where_both_count_the_same() -> None:
    def named(id_: str, unit: str | None = "answer", succeeds: str | tuple[str, ...] = ()) -> Service:
        said = {"id": id_, "name": id_, "status": "poc", "functional_unit": unit, "succeeds": succeeds}
        return Service.model_validate(said)

    chain = [named("one"), named("two", succeeds="one"), named("three", succeeds="two")]
    for order in itertools.permutations(chain):
        assert successors(order) == {"one": "three", "two": "three"}
    assert successors([named("one"), named("two", "page", succeeds="one")]) == {}
    assert successors([named("two", succeeds="gone")]) == {}
    merged = [named("one"), named("two"), named("both", succeeds=("one", "two")), named("other", "page")]
    assert successors(merged) == {"one": "both", "two": "both"}


cells = st.lists(
    st.builds(
        Cell,
        mean=st.floats(0.01, 100),
        shared=st.frozensets(st.sampled_from(["counters", "model", "grid", "declared"])),
        own=st.sampled_from(["a", "b"]),
    ),
    min_size=1,
    max_size=6,
)
NAMES = {**GSD, "grid": 1.3}


def estimate(parts: list[Cell]) -> Estimate:
    return Estimate(tuple(parts), NAMES, 1.3 * sum(cell.mean for cell in parts))


@given(cells, cells)
def test_the_variance_of_a_change_is_that_of_the_formula(now: list[Cell], before: list[Cell]) -> None:
    whole = [sum(cell.mean for cell in side) for side in (now, before)]
    listed = [(cell.mean / whole[0], cell, "now") for cell in now] + [(-cell.mean / whole[1], cell, "before") for cell in before]
    expected = 0.0
    for (w, one, when), (v, other, then) in itertools.product(listed, listed):
        shared = [math.exp(math.log(NAMES[name]) ** 2) for name in one.shared & other.shared]
        own = [math.exp(math.log(GSD["own"]) ** 2)] if (one.own, when) == (other.own, then) else []
        expected += w * v * (math.prod(shared + own) - 1)
    assert log_ratio_variance(estimate(now), estimate(before)) == pytest.approx(expected, abs=1e-12, rel=1e-9)


@given(cells, st.floats(0.1, 10))
def test_an_error_in_common_cancels_and_the_interval_of_the_reverse_is_the_reverse(parts: list[Cell], factor: float) -> None:
    now, before = estimate(parts).scaled(factor), estimate(parts)
    found, back = change_interval(now, before), change_interval(before, now)
    assert found is not None
    assert back is not None
    assert found.low <= factor - 1 + 1e-9
    assert found.high >= factor - 1 - 1e-9
    assert (1 + found.low) * (1 + back.high) == pytest.approx(1)
    common = estimate([cell._replace(shared=frozenset({"grid"}), own="a") for cell in parts])
    own_alone = math.sqrt(2 * math.exp(math.log(1.3) ** 2) * math.expm1(math.log(GSD["own"]) ** 2))
    assert math.sqrt(log_ratio_variance(common, common)) == pytest.approx(own_alone)


def test_a_change_from_or_to_nothing_has_no_interval() -> None:
    nothing = Estimate((), GSD, 0.0)
    assert change_interval(nothing, estimate([Cell(1.0, frozenset(), "a")])) is None

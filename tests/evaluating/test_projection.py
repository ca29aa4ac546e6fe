"""A year of general use from an experiment: linear in the volume, and nothing is guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import catalogue
from ecoia.errors import UsageError
from ecoia.evaluating.projection import Projection, project
from ecoia.factors import FactorSet
from ecoia.impact.hosted import Hypotheses, hypotheses
from ecoia.periods import Quarter
from ecoia.records import Record, Tokens, fold
from ecoia.units import micro
from support.factor_sets import factor
from support.records import kwh, record
from support.settings import make_settings

EXPERIMENT = record(cpu=kwh(2), ram=None, units_micro=micro(400))
IDLE = record("2026-11-23T11:00", cpu=kwh(1), ram=None, kind="idle", phase=None)
TRAINING = record("2026-11-23T12:00", cpu=kwh(50), ram=None, phase="training", units_micro=micro(3))


def projected(
    *records: Record, service: str = "vadore", a_year: float = 100_000, zone: str | None = "FRA", **values: Any
) -> Projection:
    return project(
        fold(records),
        service,
        a_year,
        Quarter(2026, 4),
        settings=make_settings(zone=zone, **values),
        catalogue=catalogue.load(None),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
    )


def test_a_unit_takes_what_it_took_and_a_year_has_so_many() -> None:
    found = projected(EXPERIMENT, pue=1.5)
    assert found.units_measured == 400
    assert found.energy_per_unit.value == pytest.approx(2 * 1.5 * 1000 / 400)
    assert found.energy.value == pytest.approx(750)
    assert found.co2e.value == pytest.approx(30)
    for quantity in (found.energy_per_unit, found.energy, found.co2e):
        assert quantity.low is not None
        assert quantity.low < quantity.value < quantity.high
    assert found.boundary == "site"


def test_idle_is_apart_training_and_others_are_not_in_it() -> None:
    other = record(cpu=kwh(9), ram=None, service="other", units_micro=micro(1))
    before = record("2026-05-23T10:00", cpu=kwh(9), ram=None, units_micro=micro(1))
    alone, beside = projected(EXPERIMENT), projected(before, TRAINING, IDLE, EXPERIMENT, other)
    assert beside.energy == alone.energy
    assert (alone.idle.value, alone.idle.reason) == (None, "idle-not-separated")
    assert beside.idle.value == 1


@given(st.floats(1, 1e9), st.floats(1.5, 100))
def test_twice_the_volume_is_twice_the_impact_with_its_interval(a_year: float, times: float) -> None:
    once, more = projected(EXPERIMENT, a_year=a_year), projected(EXPERIMENT, a_year=a_year * times)
    for one, other in ((once.energy, more.energy), (once.co2e, more.co2e)):
        assert [other.value, other.low, other.high] == pytest.approx([v * times for v in (one.value, one.low, one.high)])
    assert more.energy_per_unit == once.energy_per_unit


@pytest.mark.parametrize(
    ("records", "values", "said"),
    [
        ([EXPERIMENT], {"service": "unknown"}, "'unknown' has no inference recorded in 2026Q4.*--quarter"),
        ([TRAINING], {}, "no inference recorded"),
        ([record(cpu=kwh(2))], {}, "counted no units in 2026Q4: count them"),
        ([record(cpu=kwh(2), units_micro=0)], {}, "counted no units"),
        ([record(cpu=None, ram=None, units_micro=micro(3))], {}, "no energy was measured.*ecoia doctor"),
        ([EXPERIMENT], {"zone": None}, "no-zone.*ECOIA_ZONE=FRA"),
        ([record(cpu=kwh(1), units_micro=micro(1), zone="DEU")], {}, "no-factor.*ecoia factors use"),
    ],
)
def test_what_lacks_is_named_with_its_remedy(records: list[Record], values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        projected(*records, **values)


def test_calls_to_hosted_models_grow_with_the_volume_and_stand_beside() -> None:
    asked = record(cpu=kwh(2), ram=None, units_micro=micro(400), tokens=(Tokens("openai", "gpt-4o", 100, 1_000_000),))
    found = projected(asked)
    known = hypotheses("openai", "gpt-4o")
    assert isinstance(known, Hypotheses)
    assert found.co2e_api.value == pytest.approx(known.central_kg * 100_000 / 400)
    assert found.co2e.value == projected(EXPERIMENT).co2e.value
    assert projected(EXPERIMENT).co2e_api.reason == "no-calls"
    drifting = record(cpu=kwh(2), ram=None, units_micro=micro(400), tokens=(Tokens("openai", "gpt-latest", 100, 10),))
    assert projected(drifting).co2e_api.reason == "calls-unmeasured"


def test_what_was_claimed_twice_is_projected_once() -> None:
    shared: dict[str, Any] = {"cpu": None, "ram": None, "devices": ("GPU-0",), "shared_devices": ("GPU-0",)}
    both = [record(gpu=kwh(energy), pid=pid, units_micro=micro(100), **shared) for pid, energy in ((1, 2), (2, 1.5))]
    assert projected(*both).energy.value == pytest.approx(2 * 100_000 / 200)
    assert projected(EXPERIMENT, EXPERIMENT.copy_with(instance="copy")).energy == projected(EXPERIMENT).energy


def test_it_is_json() -> None:
    found = projected(EXPERIMENT)
    assert json.loads(found.to_json())["energy"]["value"] == found.energy.value

"""Phases of the lifecycle: one table, two sides written out, and no set that takes in what is added silently."""

from __future__ import annotations

import pytest

from ecoia.catalogue import BoAmps
from ecoia.impact.sides import delivers, is_serving, is_training
from ecoia.semconv import (
    BOAMPS_TASK_STAGE,
    CONSUMER_PHASES,
    DEVELOPMENT_PHASES,
    LIFECYCLE,
    PHASES,
    PROVIDER_PHASES,
    RUN_PHASES,
)


def test_each_phase_is_on_one_side_of_the_specification() -> None:
    provider = {"inception", "data-preparation", "training", "fine-tuning", "evaluation", "deployment", "retirement"}
    assert (provider, {"inference", "monitoring"}) == (PROVIDER_PHASES, CONSUMER_PHASES)
    assert len({each.name for each in LIFECYCLE}) == len(LIFECYCLE) == len(PROVIDER_PHASES) + len(CONSUMER_PHASES)


def test_the_phases_that_make_a_model_are_those_of_before() -> None:
    made = {"data-preparation", "training", "fine-tuning", "evaluation"}
    assert made == DEVELOPMENT_PHASES


def test_only_inference_belongs_to_no_run() -> None:
    assert set(PHASES) - set(RUN_PHASES) == {"inference"}


def test_no_two_phases_share_a_word_of_boamps() -> None:
    assert BOAMPS_TASK_STAGE.keys() == set(PHASES)
    assert len(set(BOAMPS_TASK_STAGE.values())) == len(PHASES)
    assert {BOAMPS_TASK_STAGE[name] for name in ("data-preparation", "training", "fine-tuning", "inference")} == {
        "preprocessing", "training", "finetuning", "inference",
    }  # fmt: skip


@pytest.mark.parametrize("name", PHASES)
def test_a_phase_is_described_for_boamps(name: str) -> None:
    assert BoAmps.model_validate({"phases": [{"phase": name, "description": "d"}]}).of(name).description == "d"


@pytest.mark.parametrize("phase", [*PHASES, "idle", "unspecified"])
def test_what_makes_a_model_does_not_serve_and_what_does_not_serve_delivers_nothing(phase: str) -> None:
    bearer = ("chat", phase)
    assert not (is_training(bearer) and is_serving(bearer))
    assert is_serving(bearer) or not delivers(bearer)
    assert delivers(bearer) == (phase in ("inference", "idle", "unspecified"))

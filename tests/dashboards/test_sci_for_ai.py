"""The two scores of SCI for AI: each phase on its side, sums first, the specification's items by name, and never conformity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecoia.catalogue import DescribedModel
from ecoia.factors import FactorSet
from ecoia.impact.period_impact import EstimateOrReason, intensity
from ecoia.impact.uncertainty import Cell, Estimate
from ecoia.periods import Quarter
from ecoia.records import Record, fold
from ecoia.report import QuarterlyReport, build_report
from ecoia.semconv import PHASES, PROVIDER_PHASES
from ecoia.units import micro
from ecoia_dashboards.csvs import render_csv
from ecoia_dashboards.pages import render_report
from ecoia_dashboards.sci import render_sci
from ecoia_dashboards.sci_for_ai import ALWAYS_EXCLUDED, CONSUMER_ITEMS, PROVIDER_ITEMS
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

EQUIPMENT = """\
equipment:
  - id: server
    co2e_kg: 1461
    life_years: 4
    reserved_share: 0.5
    instances: ["*"]
    from: 2026-01-01
    source: fabricant
    date: 2025-12-01
"""
TOKENS = "{training_tokens: 2000000, parameters_total_billion: 0.4}"
BASE = [record("2026-11-05T10:00", 20, cpu=kwh(8), ram=None, gpu=None, units_micro=micro(4000))]
OVER = record("2027-01-05T10:00", cpu=0, ram=None)

# Sections 6.1 and 6.2 of SPEC.md at 4b7c0f7c, as they are written there.
CONSUMER_NAMES = """\
API & Inference
Orchestration
Scaling
Observability & Monitoring
Data & Feature Management
Storage & Artifacts
UX & Client-side
Model Tool & Service Connectors""".splitlines()
PROVIDER_NAMES = """\
Project Scoping & Planning Systems
Data Collection Systems
Data Preprocessing & Cleaning Systems
Synthetic Data Generation
Model Development & Training Infrastructure
Feature Engineering Systems
Distributed Training Systems
Model Evaluation & Benchmarking
Optimization & Efficiency Analysis
System Integration & Orchestration
Testing & Validation Systems
Model Tool Systems""".splitlines()


def phase(name: str, energy: float, day: str = "2026-11-06", **fields: Any) -> Record:
    return record(f"{day}T10:00", 20, cpu=kwh(energy), ram=None, phase=name, **fields)


def report_of(folder: Path, *records: Record, model: str = TOKENS) -> QuarterlyReport:
    said = f", model: {model}" if model else ""
    service = f"{{id: vadore, name: V, status: poc, functional_unit: réponse, lifetime_units: 100000{said}}}"
    return build_report(
        fold([*BASE, *records, OVER]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, services=f"services: [{service}]\n", equipment=EQUIPMENT),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
    )


def scores_of(folder: Path, *records: Record, model: str = TOKENS) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_sci(report_of(folder, *records, model=model))["vadore.json"])["sci_for_ai"]
    return found


def extents(score: dict[str, Any]) -> dict[str, str]:
    return {each["item"]: each["extent"] for each in score["boundary"]}


def known(grams: float) -> EstimateOrReason:
    return EstimateOrReason(Estimate((Cell(grams / 1000, frozenset(), "a"),), {"own": 1.0}, grams / 1000))


# --- scores ---


@pytest.mark.parametrize("name", PHASES)
def test_each_phase_is_in_the_score_of_its_side_alone(tmp_path: Path, name: str) -> None:
    made = phase("training", 1)
    before, after = scores_of(tmp_path / "a", made), scores_of(tmp_path / "b", made, phase(name, 5))
    grown = {side: after[side]["O"]["value"] - before[side]["O"]["value"] for side in ("consumer", "provider")}
    own, other = ("provider", "consumer") if name in PROVIDER_PHASES else ("consumer", "provider")
    assert grown == {own: pytest.approx(200), other: pytest.approx(0)}


def test_sums_come_first_and_the_parts_give_the_score(tmp_path: Path) -> None:
    found = scores_of(tmp_path, phase("training", 3), phase("deployment", 2), phase("monitoring", 1, units_micro=micro(900)))
    for score in (found["consumer"], found["provider"]):
        parts = [score[name]["value"] or 0.0 for name in ("O", "M", "hosted")]
        assert score["C"]["value"] == pytest.approx(sum(parts))
        assert score["SCI"]["value"] == pytest.approx(score["C"]["value"] / score["R"]["value"])
        assert score["SCI"]["low"] < score["SCI"]["value"] < score["SCI"]["high"]
    assert found["consumer"]["R"]["value"] == 4000, "units of monitoring are no answers"
    assert (found["provider"]["R"]["value"], found["provider"]["R"]["unit"]) == (2000, "1,000 training tokens")
    assert found["consumer"]["C"]["value"] + found["provider"]["C"]["value"] == pytest.approx(14 * 40 + 46_000)


def test_new_phases_leave_the_amortised_figure_to_training_and_serving(tmp_path: Path) -> None:
    first = [phase("training", 3, "2026-08-06")]
    before = report_of(tmp_path / "a", *first).services[0]
    after = report_of(tmp_path / "b", *first, *(phase(name, 5) for name in ("inception", "deployment", "retirement"))).services[0]
    assert after.sci_training == before.sci_training
    assert after.training_quarter == "2026Q3", "a deployment does not pass for the training of the model in service"
    serving = after.sci_consumer.value or 0.0
    assert after.sci.value == pytest.approx(serving + (after.sci_training.value or 0.0))


def test_a_day_of_monitoring_is_no_day_of_serving(tmp_path: Path) -> None:
    entry = next(each for each in report_of(tmp_path, phase("monitoring", 1), phase("evaluation", 1)).register)
    assert {each.phase: each.recorded for each in entry.days_by_phase} == {"inference": 1, "monitoring": 1, "training": 1}


@pytest.mark.parametrize(
    ("model", "unit", "score", "values"),
    [
        ("{training_flop: 5.0e+15, flop_method: 6ND, training_tokens: 2000000}", "Per FLOP", 11_800 / 5, "gross"),
        (TOKENS, "Per Training Token", 5.9, "gross"),
        ("{training_tokens_effective: 1000000}", "Per Training Token", 11.8, "effective"),
        ("{parameters_total_billion: 0.4, parameters_active_billion: 0.1}", "Per Parameter", 29_500, "gross"),
        ("{parameters_active_billion: 0.1}", "Per Parameter", 118_000, "effective"),
    ],
)
def test_the_provider_s_unit_is_the_first_that_is_declared(
    tmp_path: Path, model: str, unit: str, score: float, values: str
) -> None:
    report = report_of(tmp_path, phase("training", 1), model=model)
    found = json.loads(render_sci(report)["vadore.json"])["sci_for_ai"]["provider"]
    per_gram = score / 11_800
    assert found["SCI"]["value"] == pytest.approx(found["C"]["value"] * per_gram)
    assert (found["functional_unit"], found["values"]) == (unit, values)
    assert found["functional_unit_rationale"]
    assert ("Operations: 6ND." in found["assumptions"]) == (unit == "Per FLOP")


@pytest.mark.parametrize(
    ("records", "model", "reason"),
    [
        ([phase("training", 1)], "", "no-model-size"),
        ([phase("training", 1)], "{made_from: 2026Q4}", "no-model-size"),
        ([], TOKENS, "no-training"),
        ([phase("training", 1)], "{training_tokens: 5, made_from: 2027Q1}", "no-training"),
    ],
)
def test_a_score_without_its_terms_is_null_with_the_reason(
    tmp_path: Path, records: list[Record], model: str, reason: str
) -> None:
    score = scores_of(tmp_path, *records, model=model)["provider"]["SCI"]
    assert (score["value"], score["reason"]) == (None, reason)


def test_a_model_made_over_quarters_counts_since_the_first_that_the_register_names(tmp_path: Path) -> None:
    made = [phase("inception", 1, "2026-02-06"), phase("training", 2, "2026-05-06"), phase("deployment", 4, "2026-11-06")]
    latest = scores_of(tmp_path / "a", *made)["provider"]
    assert (latest["of_quarters"], latest["O"]["value"]) == (["2026Q2"], pytest.approx(80))
    whole = scores_of(tmp_path / "b", *made, model="{training_tokens: 1000, made_from: 2026Q1}")["provider"]
    assert (whole["of_quarters"], whole["O"]["value"]) == (["2026Q1", "2026Q2", "2026Q4"], pytest.approx(280))
    later = scores_of(tmp_path / "c", *made, model="{training_tokens: 1000, made_from: 2026Q2}")["provider"]
    assert later["O"]["value"] == pytest.approx(240)


# --- the specification's own examples ---


@pytest.mark.parametrize(
    ("section", "kilograms", "count", "grams"),
    [
        ("9.1.1, per billion tokens", 6_500, 50, 130_000),
        ("9.1.1, per million tokens: 9.1.3 prints 0.13 g", 6_500, 50_000, 130),
        ("9.1.2, per 10^15 FLOP", 200_000, 5e22 / 1e15, 4),
        ("9.2.1, per inference", 3_200, 40e6, 0.08),
        ("9.2.2, per billion parameters: it prints 3000 kg, and 9.2.3 prints 30 kg", 75_000, 2.5, 30_000_000),
    ],
)
def test_the_specification_s_examples_give_what_their_arithmetic_does(
    section: str, kilograms: float, count: float, grams: float
) -> None:
    found = intensity(known(kilograms * 1000), count, "no-units").estimate
    assert found is not None
    assert found.value == pytest.approx(grams), section


def test_a_declared_model_is_divided_by_as_in_the_specification_s_examples() -> None:
    flop = DescribedModel(training_flop=5e22, flop_method="counted").provider_unit
    parameters = DescribedModel(parameters_total_billion=2.5).provider_unit
    assert flop is not None
    assert parameters is not None
    assert (200_000_000 / flop.count, 75_000_000 / parameters.count) == pytest.approx((4, 30_000_000))


# --- boundaries ---


def test_a_boundary_holds_exactly_the_items_of_the_specification(tmp_path: Path) -> None:
    found = scores_of(tmp_path, phase("training", 1))
    assert [each["item"] for each in found["consumer"]["boundary"]] == CONSUMER_NAMES
    assert [each["item"] for each in found["provider"]["boundary"]] == PROVIDER_NAMES
    assert all(each["reason"] for score in ("consumer", "provider") for each in found[score]["boundary"])


def test_an_item_is_counted_only_where_its_work_was_recorded(tmp_path: Path) -> None:
    bare = scores_of(tmp_path / "bare", model="")
    assert set(extents(bare["provider"]).values()) == {"excluded"}
    assert extents(bare["consumer"])["Observability & Monitoring"] == "excluded"
    whole = scores_of(tmp_path / "whole", *(phase(name, 1) for name in PHASES))
    assert extents(whole["provider"])["Project Scoping & Planning Systems"] != "excluded"
    assert extents(whole["consumer"])["Observability & Monitoring"] != "excluded"
    for name in ("Storage & Artifacts", "UX & Client-side"):
        assert extents(whole["consumer"])[name] == "excluded"


def test_a_component_without_energy_leaves_no_item_whole(tmp_path: Path) -> None:
    score = scores_of(tmp_path, phase("evaluation", 1))["provider"]
    item = next(each for each in score["boundary"] if each["item"] == "Model Evaluation & Benchmarking")
    assert item == {
        "item": "Model Evaluation & Benchmarking",
        "extent": "partial",
        "reason": "counted: evaluation; not counted: building (no-pue), gpu (not-measured), power-supply-and-fans "
        "(not-calibrated), ram (not-measured)",
    }


def test_every_part_that_no_figure_includes_is_named_by_an_item() -> None:
    said = " ".join(part for item in (*CONSUMER_ITEMS, *PROVIDER_ITEMS) for part in (*item.without, item.why))
    assert [part for part in ALWAYS_EXCLUDED if part not in said] == []


def test_a_score_is_said_to_be_partial_and_never_to_conform(tmp_path: Path) -> None:
    report = report_of(tmp_path, *(phase(name, 1) for name in PHASES))
    text = render_sci(report)["vadore.json"]
    found = json.loads(text)
    assert "conform" not in text.lower()
    assert found["score"] == "SCI with training amortised (ecoia)"
    for score in ("consumer", "provider"):
        assert found["sci_for_ai"][score]["statement"].startswith("partial: ")
    assert "Storage & Artifacts, UX & Client-side" in found["sci_for_ai"]["consumer"]["statement"]


# --- where people read them ---


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("fr", ("Score SCI du consommateur", "Score SCI du fournisseur", "millier de jetons d’entraînement", "valeur brute")),
        ("en", ("Consumer SCI score", "Provider SCI score", "thousand training tokens", "gross value")),
    ],
)
def test_the_page_shows_both_scores_where_the_register_declares_a_model(
    tmp_path: Path, lang: str, words: tuple[str, ...]
) -> None:
    page = render_report(report_of(tmp_path / "said", phase("training", 1)), lang)
    assert [word for word in words if word not in page] == []
    unsaid = render_report(report_of(tmp_path / "unsaid", phase("training", 1), model=""), lang)
    assert f'<th scope="col" class="num">{words[1]}</th>' not in unsaid
    assert words[0] in unsaid


def test_the_tables_give_each_score_what_it_is_per(tmp_path: Path) -> None:
    files = render_csv(report_of(tmp_path, phase("training", 1)))
    lines = files["international/indicators.csv"].splitlines()
    (provider,) = (line for line in lines if "sci_provider" in line)
    (consumer,) = (line for line in lines if "sci_consumer" in line)
    assert "training-token" in provider
    assert "réponse" in consumer

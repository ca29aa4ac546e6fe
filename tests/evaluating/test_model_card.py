"""A model card's emissions: one quantity, in grams, merged into a card without touching anything else in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue import Catalogue
from ecoia.errors import UsageError
from ecoia.evaluating.model_card import KEY, block_of, emissions_of, merged
from ecoia.evaluating.model_documentation import as_data, as_markdown, declared_model, documentation_of
from ecoia.factors import default_factors
from ecoia.impact.inputs import Inputs
from ecoia.impact.run_footprint import RunFootprint, run_footprint
from ecoia.periods import Quarter
from ecoia.records import Record, fold
from ecoia.report import build_report
from support.organisation import write_catalogue
from support.records import kwh, outcome, record
from support.settings import make_settings

SERVICES = "services:\n  - {id: vadore, name: VADORE, status: generalised}\n"
EQUIPMENT = """\
equipment:
  - id: server
    co2e_kg: 1461
    life_years: 4
    reserved_share: 1
    instances: ["*"]
    from: 2025-01-01
    source: maker
    date: 2025-01-03
"""
LATER = 4_000_000_000_000_000_000
"""An instant long after every quarter here, in nanoseconds."""


def training(run_id: str, energy: float, start: str = "2026-10-05T10:00", minutes: int = 30, **fields: Any) -> list[Record]:
    return [
        record(start, minutes, cpu=kwh(energy), ram=None, run_id=run_id, **{"phase": "training", **fields}),
        outcome(start[:-5] + "23:55", run_id, "ok"),
    ]


def records() -> list[Record]:
    return [
        *training("mine", 3.0),
        *training("mine", 1.0, "2027-02-05T10:00"),
        *training("other", 4.0, "2026-10-06T10:00"),
        record("2026-10-07T10:00", 30, cpu=kwh(3), ram=None),
        record("2027-02-07T10:00", 30, cpu=kwh(7), ram=None),
    ]


def catalogue(folder: Path, equipment: str | None = EQUIPMENT) -> Catalogue:
    return write_catalogue(folder, services=SERVICES, **({"equipment": equipment} if equipment else {}))


def inputs(folder: Path, found: list[Record], equipment: str | None = EQUIPMENT, **settings: Any) -> Inputs:
    known = {"zone": "FRA", "pue": 1.5, **settings}
    return Inputs.of(fold(found), catalogue(folder, equipment), default_factors(), make_settings(**known))


def footprint(folder: Path, found: list[Record] | None = None, run: str = "mine", **arguments: Any) -> RunFootprint:
    took = run_footprint(inputs(folder, found or records(), **arguments), run.__eq__, LATER)
    assert took is not None
    return took


def value(known: Any) -> float:
    assert known.estimate is not None, known.reason
    return float(known.estimate.value)


# --- what the training took ---


def test_all_runs_and_the_rest_are_the_report(tmp_path: Path) -> None:
    """The runs and what is beside them add up to the quarters' figures, use and making alike."""
    whole = 0.0
    for quarter in (Quarter(2026, 4), Quarter(2027, 1)):
        report = build_report(
            fold(records()), quarter, settings=make_settings(zone="FRA", pue=1.5), catalogue=catalogue(tmp_path),
            factors=default_factors(), known_until_ns=LATER, over=True,
        )  # fmt: skip
        (of_training,) = [each for each in report.results if each.phase == "training"]
        whole += of_training.measure.co2e.value or 0.0
        (service,) = [each for each in report.services if each.service == "vadore"]
        assert service.footprint.co2e_embodied.value is not None
    parts = [footprint(tmp_path, run=run) for run in ("mine", "other")]
    assert sum(value(each.use) for each in parts) == pytest.approx(whole)
    assert value(parts[0].energy_components) == pytest.approx(4)
    assert value(parts[0].energy) == pytest.approx(6)
    # A quarter of a year's making each: 1461 kg / 4 years; by energy 3 of 10 kWh, then 1 of 8.
    assert value(parts[0].making) == pytest.approx(365.25 * (92 / 365.25 * 3 / 10 + 90 / 365.25 * 1 / 8), rel=1e-3)


def test_time_is_counted_once_for_the_clock_and_once_for_each_machine(tmp_path: Path) -> None:
    found = [
        *training("mine", 1.0, instance="a", devices=("gpu-0", "gpu-1")),
        *training("mine", 1.0, "2026-10-05T10:10", 20, instance="b", devices=("gpu-2",)),
        *training("mine", 1.0, "2026-10-05T12:00", instance="a", phase="fine-tuning"),
    ]
    took = footprint(tmp_path, found)
    assert took.seconds == 3600
    assert took.host_seconds == 3600 + 1200
    assert took.device_seconds == 2 * 1800 + 1200
    assert took.phases == ("fine-tuning", "training")


def test_work_that_makes_no_model_is_not_in_it(tmp_path: Path) -> None:
    assert run_footprint(inputs(tmp_path, [record("2026-10-05T10:00", run_id="mine")]), "mine".__eq__, LATER) is None
    assert run_footprint(inputs(tmp_path, records()), "nobody".__eq__, LATER) is None


# --- the block ---


@given(energy=st.floats(0.001, 1e6))
def test_the_figure_is_in_grams_whatever_its_size(tmp_path_factory: pytest.TempPathFactory, energy: float) -> None:
    took = footprint(tmp_path_factory.mktemp("card"), training("mine", energy))
    block = block_of(took, None)
    assert block["emissions"] == pytest.approx(1000 * value(emissions_of(took)), rel=1e-3)
    low, high = map(float, block["source"].partition("interval ")[2].partition(" g")[0].split("-"))
    assert low < block["emissions"] < high


def test_the_block_says_what_it_counts(tmp_path: Path) -> None:
    took = footprint(tmp_path)
    block = block_of(took, None)
    assert block["emissions"] == pytest.approx(1000 * (value(took.use) + value(took.making)), rel=1e-3)
    assert block["training_type"] == "pre-training"
    assert block["geographical_location"] == "France"
    assert block["hardware_used"] == "CPU of 1 host"
    scope = block["source"].partition(" g, scope ")[2]
    assert scope == (
        "electricity of cpu with the building (PUE), by location, and making of equipment; a minimum: gpu, ram not measured"
    )
    without = block_of(footprint(tmp_path / "b", equipment=None, pue=None), "2 x A100")
    assert "without the building" in without["source"]
    assert "making of equipment not included (no-equipment)" in without["source"]
    assert without["hardware_used"] == "2 x A100"
    assert without["emissions"] < block["emissions"]


def test_a_training_of_two_kinds_has_no_type(tmp_path: Path) -> None:
    both = [*training("mine", 1.0), *training("mine", 1.0, "2026-10-06T10:00", phase="fine-tuning")]
    assert "training_type" not in block_of(footprint(tmp_path, both), None)
    tuned = training("mine", 1.0, phase="fine-tuning")
    assert block_of(footprint(tmp_path, tuned), None)["training_type"] == "fine-tuning"


def test_what_cannot_be_stated_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ECOIA_ZONE"):
        block_of(footprint(tmp_path, zone=None), None)
    with pytest.raises(UsageError, match="simulated"):
        block_of(footprint(tmp_path, training("mine", 1.0, simulated=True)), None)


# --- merging ---

BLOCK = {"emissions": 83.52, "source": "ecoia: 1 # 2", "training_type": "fine-tuning"}
YAML = "# ours\nlicense: mit   # said so\ntags:\n- a\n-   b\n"
OLD = "co2_eq_emissions:\n  emissions: 0.08352\n  source: codecarbon\nlanguage: fr\n"
README = f"---\n{YAML}---\n# Title\n\n---\ntext: not metadata\n"


@pytest.mark.parametrize(("text", "is_yaml"), [(YAML, True), (README, False), ("", True), ("# No metadata\n", False)])
def test_everything_else_in_a_card_stays(text: str, is_yaml: bool) -> None:
    found = merged(text, BLOCK, is_yaml=is_yaml, replace=False)
    assert (found.before, found.kept) == (None, False)
    metadata = found.text if is_yaml else found.text.split("---\n")[1]
    before = text if is_yaml else YAML if text == README else ""
    assert yaml.safe_load(metadata) == {**(yaml.safe_load(before) or {}), KEY: BLOCK}
    assert before in metadata
    assert found.text.endswith("" if is_yaml else text.removeprefix(f"---\n{YAML}---\n"))
    assert merged(found.text, BLOCK, is_yaml=is_yaml, replace=False).text == found.text


def test_another_figure_is_kept_unless_it_is_to_be_replaced() -> None:
    kept = merged(YAML + OLD, BLOCK, is_yaml=True, replace=False)
    assert kept == (YAML + OLD, 0.08352, True)
    found = merged(YAML + OLD, BLOCK, is_yaml=True, replace=True)
    assert yaml.safe_load(found.text) == {**yaml.safe_load(YAML), KEY: BLOCK, "language": "fr"}
    assert YAML in found.text
    assert merged("co2_eq_emissions: 12\n", BLOCK, is_yaml=True, replace=False).before == 12


@pytest.mark.parametrize("text", ["- a\n- b\n", "license: [\n", "a: !!python/object:os.system {}\n"])
def test_a_card_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="its metadata"):
        merged(text, BLOCK, is_yaml=True, replace=True)


# --- the documentation of the model ---


class _Declared:
    """A service as the register will have it: with a block of its model."""

    name = "VADORE"

    class model:  # noqa: N801 - a field of the register
        parameters_total_billion = 7.1
        training_tokens = 2_000_000
        training_flop = 8.4e19
        flop_method = "6 x parameters x tokens"


def test_the_form_has_two_boundaries_time_and_what_is_declared(tmp_path: Path) -> None:
    took = footprint(tmp_path)
    found = documentation_of(took, ["mine"], _Declared())  # type: ignore[arg-type]
    data = as_data(found)
    components, building = (data["training_energy_mwh"][each] for each in ("components", "with_building"))
    assert components["value"] == pytest.approx(0.004)
    assert building["value"] == pytest.approx(0.006)
    assert components["text"] == "0.00400"
    assert components["low"] < components["value"] < components["high"]
    assert data["training_computation_flop"] == {"value": 8.4e19}
    assert data["training_time"]["wall_clock_hours"] == 1
    assert data["conformity"] == "none is claimed"
    text = as_markdown(found)
    assert "0.00400 MWh (95 % interval" in text
    assert "8.40e+19 FLOP (declared)" in text
    assert "load-model" in text or "rapl" in text
    assert "geometric standard deviation" in text


def test_what_is_not_known_is_not_available_with_its_reason(tmp_path: Path) -> None:
    took = footprint(tmp_path, pue=None)
    found = documentation_of(took, ["mine"], None)
    data = as_data(found)
    assert data["training_energy_mwh"]["with_building"] == {"value": None, "reason": "no-pue"}
    assert data["training_computation_flop"] == {"value": None, "reason": "not-declared"}
    text = as_markdown(found)
    assert "| Energy used for training, with the building | N/A: the PUE" in text
    assert "| Computation used for training | N/A: not declared" in text
    assert declared_model(None) == {}


@given(megawatt_hours=st.floats(1e-9, 1e9))
def test_an_energy_has_two_significant_figures_at_least(megawatt_hours: float) -> None:
    from ecoia.evaluating.model_documentation import _figure

    written = _figure(megawatt_hours).replace(",", "")
    assert float(written) == pytest.approx(megawatt_hours, rel=0.05)
    assert len(written.replace(".", "").lstrip("0")) >= 2

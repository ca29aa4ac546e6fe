"""The SCI export: its parts give its score, and an unknown value is null with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ecoia.factors import FactorSet
from ecoia.methods import Method
from ecoia.periods import Quarter
from ecoia.records import Record, Tokens, fold
from ecoia.report import REASONS, build_report
from ecoia.units import micro
from ecoia_dashboards.sci import render_sci
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import kwh, record
from support.reports import sample_report
from support.settings import make_settings

FACTORS = FactorSet([factor("FRA", 2026, 40.0)])
SERVICE = "{id: vadore, name: VADORE, status: generalised, functional_unit: réponse, lifetime_units: 1000}"
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
SITES = """\
sites:
  - id: nord
    instances: ["*"]
    pue: [{value: 1.5, quality: measured, source: compteurs, date: 2026-01-02}]
"""
CALIBRATION = "calibrations:\n  - {component: cpu, wall_factor: 1.4, source: campagne, date: 2026-01-02}\n"
OVER = record("2027-01-05T10:00", cpu=0, ram=None)  # the quarter is over


def serving(cpu: float = 4, units: float | None = 200, **fields: Any) -> Record:
    counted = None if units is None else micro(units)
    return record("2026-11-05T10:00", 20, cpu=kwh(cpu), ram=None, units_micro=counted, **fields)


def exported(folder: Path, *records: Record, service: str = SERVICE, **files: str) -> dict[str, Any]:
    """The statement of the first service."""
    report = build_report(
        fold([*records, OVER]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, services=f"services: [{service}]\n", **files),
        factors=FACTORS,
    )
    statement: dict[str, Any] = json.loads(render_sci(report)["vadore.json"])
    return statement


def parts_per_unit(found: dict[str, Any]) -> float:
    """The score, computed from the exported parts."""
    parts = [found[name]["value"] or 0.0 for name in ("O", "M", "hosted")]
    return sum(parts) / found["R"]["value"] + (found["training"]["value"] or 0.0)


def what(found: dict[str, Any], side: str) -> dict[str, dict[str, Any]]:
    return {item["what"]: item for item in found["boundary"][side]}


@examples(max_examples=15, deadline=None)
@given(used=st.floats(0.1, 50), units=st.integers(1, 5000), trained=st.floats(0, 50), idle=st.floats(0, 5), here=st.booleans())
def test_its_parts_give_the_score(
    tmp_path_factory: pytest.TempPathFactory, used: float, units: int, trained: float, idle: float, here: bool
) -> None:
    records = [
        serving(used, units),
        record("2026-11-05T11:00", 20, cpu=kwh(idle), ram=None, kind="idle", phase=None, spans=0),
        record(
            "2026-11-05T12:00" if here else "2026-08-05T10:00", 20, cpu=kwh(trained), ram=None, phase="training", units_micro=1
        ),
    ]
    found = exported(tmp_path_factory.mktemp("catalogue"), *records, equipment=EQUIPMENT, sites=SITES)
    assert parts_per_unit(found) == pytest.approx(found["SCI"]["value"])
    assert found["E"]["value"] == pytest.approx((used + idle) * 1.5), "serving and its reserved idle, with the building"
    assert found["I"]["value"] == pytest.approx(40.0)
    assert found["O"]["value"] == pytest.approx(found["E"]["value"] * found["I"]["value"])
    assert found["R"]["value"] == units
    assert found["SCI"]["low"] < found["SCI"]["value"] < found["SCI"]["high"]


@pytest.mark.parametrize("trains", [False, True])
def test_each_part_has_its_interval_whether_the_service_trained_or_not(tmp_path: Path, trains: bool) -> None:
    trained = [record("2026-11-05T12:00", 20, cpu=kwh(3), ram=None, phase="training")]
    found = exported(tmp_path, serving(), *(trained if trains else ()), equipment=EQUIPMENT)
    for name in ("SCI", "E", "O", "M"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found["E"]["value"] == pytest.approx(4.0)
    assert found["training"]["of_quarter"] == ("2026Q4" if trains else None)


def test_hosted_models_of_training_are_not_those_of_serving(tmp_path: Path) -> None:
    tokens = (Tokens("openai", "gpt-4o", 500, 1_000_000),)
    one = exported(tmp_path, serving(tokens=tokens), equipment=EQUIPMENT)
    trained = record("2026-11-05T12:00", 20, cpu=kwh(3), ram=None, phase="training", tokens=tokens)
    both = exported(tmp_path, serving(tokens=tokens), trained, equipment=EQUIPMENT)
    assert both["hosted"]["value"] == pytest.approx(one["hosted"]["value"]) != 0
    assert parts_per_unit(both) == pytest.approx(both["SCI"]["value"])


@pytest.mark.parametrize(
    ("records", "service", "name", "reason"),
    [
        ([serving(units=None)], SERVICE, "SCI", "no-units"),
        ([serving(units=None)], SERVICE, "R", "no-units"),
        ([serving()], SERVICE, "M", "no-equipment"),
        ([serving()], SERVICE, "SCI", "no-equipment"),
        ([serving()], SERVICE, "hosted", "no-calls"),
        ([serving()], SERVICE, "training", "no-training"),
        ([serving(zone="XXX")], SERVICE, "O", "no-factor"),
        ([serving(zone="XXX")], SERVICE, "I", "no-factor"),
    ],
)
def test_what_is_not_known_is_null_with_its_reason(
    tmp_path: Path, records: list[Record], service: str, name: str, reason: str
) -> None:
    found = exported(tmp_path, *records, service=service)[name]
    assert (found["value"], found["reason"]) == (None, reason)


def test_the_boundary_says_what_is_in_the_score_and_what_is_not(tmp_path: Path) -> None:
    bare = exported(tmp_path / "bare", serving(methods={"cpu": Method("estimated", "load-model:tdp")}))
    assert what(bare, "included") == {
        "cpu": {"what": "cpu", "status": "estimated", "method": "load-model:tdp", "kwh": 4.0},
    }
    assert {name: item["reason"] for name, item in what(bare, "excluded").items()} == {
        "gpu": "not-measured",
        "ram": "not-measured",
        "reserved-idle": "idle-not-separated",
        "building": "no-pue",
        "power-supply-and-fans": "not-calibrated",
        "embodied": "no-equipment",
        "hosted-models": "no-calls",
        "training-amortised": "no-training",
        **dict.fromkeys(("network", "storage", "user-devices", "energy-of-no-service"), "not-counted"),
    }
    idle = record("2026-11-05T11:00", 20, cpu=kwh(1), ram=None, kind="idle", phase=None, spans=0)
    full = exported(
        tmp_path / "full",
        serving(),
        idle,
        record("2026-08-05T10:00", 20, cpu=kwh(3), ram=None, phase="training"),
        equipment=EQUIPMENT,
        sites=SITES,
        calibration=CALIBRATION,
    )
    assert what(full, "included").keys() == {
        "cpu", "reserved-idle", "building", "power-supply-and-fans", "embodied", "training-amortised",
    }  # fmt: skip


def test_a_site_of_which_one_part_has_no_pue_is_included_and_excluded_in_part(tmp_path: Path) -> None:
    batch = record("2026-11-05T11:00", 20, cpu=kwh(1), ram=None, phase="unspecified", instance="elsewhere")
    found = exported(tmp_path, serving(), batch, sites=SITES.replace('["*"]', "[host-1]"))
    assert what(found, "included")["building"] == {"what": "building", "extent": "part"}
    assert what(found, "excluded")["building"] == {"what": "building", "reason": "no-pue", "extent": "part"}


def test_every_service_is_there_and_every_reason_is_known(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    files = render_sci(report)
    assert files == render_sci(report, "en"), "codes and figures have no language"
    services = [json.loads(text) for text in files.values()]
    assert [each["service"] for each in services] == [each.service for each in report.services]
    for service in services:
        assert {factor["licence"] for factor in service["emission_factors"]} == {factor.licence for factor in report.factors}
        for name in ("SCI", "E", "I", "O", "M", "R", "hosted", "training"):
            assert (service[name]["value"] is None) == (service[name]["reason"] in REASONS), (service["service"], name)
        assert service["functional_unit"] or service["functional_unit_reason"] == "not-declared"


def test_a_hostile_service_names_no_other_file_and_reads_as_what_it_is(tmp_path: Path) -> None:
    hostile = "../../x\u202e\ud800\x00"
    report = build_report(
        fold([serving(service=hostile)]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(tmp_path, services="services: []\n"),
        factors=FACTORS,
    )
    ((name, text),) = render_sci(report).items()
    assert "/" not in name
    assert not set("\u202e\ud800\x00") & set(name + text)
    assert json.loads(text)["service"] == hostile

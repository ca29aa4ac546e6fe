"""``ecoia calibrate``: from a series and a recorded load to a model in the catalogue, and to the meter of a host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecoia import catalogue
from ecoia.meters import hardware
from support.command_line import ecoia
from support.host_loads import CPU_MODEL, SyntheticHost


@pytest.fixture
def calibrated(organisation: Path, tmp_path: Path) -> Path:
    bmc, load = SyntheticHost().write(tmp_path)
    told = ecoia("calibrate", "--bmc", bmc, "--load", load, "--instances", "node-*", "--source", "PV 12")
    assert told.exit_code == 0, told.output
    assert "the load explains" in told.stdout
    return organisation / "host-models.yaml"


def test_a_fit_goes_into_the_catalogue_with_its_error_and_its_source(calibrated: Path) -> None:
    (found,) = catalogue.load(calibrated.parent).host_models
    assert (found.cpu_model, found.threads, found.gib, found.instances) == (CPU_MODEL, 64, 256.0, ("node-*",))
    assert (found.idle_w, found.busy_w) == pytest.approx((120, 2.4), rel=0.03)
    assert 1.11 < found.gsd < 1.13, "the fit, the sensor, and the difference of twins"
    assert "PV 12 (series late by 60 s" in found.source
    assert catalogue.load(calibrated.parent).gsd["host-model"] == found.gsd


def test_a_host_measured_for_itself_alone_has_no_error_of_twins(organisation: Path, tmp_path: Path) -> None:
    bmc, load = SyntheticHost().write(tmp_path)
    assert ecoia("calibrate", "--bmc", bmc, "--load", load, "--source", "PV 12").exit_code == 0
    (found,) = catalogue.load(organisation).host_models
    assert found.instances == ("node-01",)
    assert 1.05 < found.gsd < 1.07


def test_the_same_calibration_twice_changes_nothing(calibrated: Path, tmp_path: Path) -> None:
    before = calibrated.read_bytes()
    again = ecoia(
        "calibrate", "--bmc", tmp_path / "bmc.csv", "--load", tmp_path / "load.csv", "--instances", "node-*", "--source", "PV 13"
    )
    assert again.exit_code == 2, again.output
    assert "end one with 'until' before the other's 'from'" in again.stderr
    assert calibrated.read_bytes() == before


def test_a_host_takes_its_model_into_use(calibrated: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_model", lambda root="/": CPU_MODEL)
    monkeypatch.setattr(hardware, "cpu_count", lambda: 64)
    monkeypatch.setenv("ECOIA_INSTANCE", "other-1")
    refused = ecoia("calibrate", "--use", calibrated)
    assert (refused.exit_code, "holds for the instance 'other-1'" in refused.stderr) == (2, True)
    monkeypatch.setenv("ECOIA_INSTANCE", "node-07")
    told = ecoia("calibrate", "--use", calibrated)
    assert told.exit_code == 0, told.output
    assert json.loads((home / "host-model.json").read_text(encoding="utf-8"))["threads"] == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing given: give exactly one of --record, --bmc and --use"),
        (("--record", "a", "--use", "b"), "--record and --use given"),
        (("--bmc", "a"), "--load is missing"),
        (("--bmc", "a", "--load", "b"), "--source is missing"),
        (("--use", "other.yaml"), "the file is named host-models.yaml"),
    ],
)
def test_wrong_usage_is_named(organisation: Path, words: tuple[str, ...], said: str) -> None:
    told = ecoia("calibrate", *words)
    assert (told.exit_code, said in told.stderr) == (2, True), told.stderr

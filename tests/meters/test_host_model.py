"""A calibrated host: whole on its own hardware, in parts that add up to it in guests and groups, at the wall, nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecoia import meters, methods
from ecoia.factors import FactorSet
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.meters import GROUP, HOST, Meter, hardware
from ecoia.meters.host_model import HostModel, store
from ecoia.records import fold
from ecoia.settings import load
from ecoia.testing import PowercapTree
from support.factor_sets import factor
from support.machines import EPYC_7763, X86, lay_out
from support.records import kwh, record

HOST_MODEL = HostModel(EPYC_7763.name, threads=128, idle_w=128.0, busy_w=2.0)
BARE = X86(EPYC_7763.name, 25, 1, guest=False)


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host has 128 threads; guests set their own."""
    monkeypatch.setattr(os, "cpu_count", lambda: 128)


def detect(home: Path, root: Path, group: hardware.ControlGroup | None = None, **settings: object) -> meters.Detected:
    return meters.detect(load({"home": str(home), **settings}), root=root, group=group)


def watts(found: meters.Detected, load: float) -> float:
    cpu: Meter = next(each for each in found if each.component == "cpu")
    assert cpu.method == methods.HOST_MODEL
    energy_uj = cpu.read(1_000.0, load)
    assert energy_uj is not None
    return energy_uj / 1e9


def test_the_host_itself_draws_what_was_measured_memory_included(tmp_path: Path) -> None:
    store(tmp_path / "home", HOST_MODEL)
    found = detect(tmp_path / "home", lay_out(tmp_path / "root", BARE, cpus=4))
    assert [each.component for each in found] == ["cpu"]
    assert found.absent["ram"].name == "undivided"
    assert (watts(found, 0.0), watts(found, 1.0)) == (128.0, 384.0)


def test_guests_of_a_host_add_up_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path / "home", HOST_MODEL)
    root = lay_out(tmp_path / "root", EPYC_7763)
    total = 0.0
    for vcpus, load_ in ((64, 0.25), (32, 0.0), (32, 1.0)):
        monkeypatch.setattr(os, "cpu_count", lambda count=vcpus: count)
        total += watts(detect(tmp_path / "home", root), load_)
    assert total == pytest.approx(128 + 2 * (16 + 32))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert watts(detect(tmp_path / "home", root, vcpu_threads=2), 0.5) == pytest.approx(
        2 * watts(detect(tmp_path / "home", root), 0.5)
    )


def test_a_quota_is_charged_as_so_many_threads(tmp_path: Path) -> None:
    store(tmp_path / "home", HOST_MODEL)
    found = detect(tmp_path / "home", lay_out(tmp_path / "root", BARE), hardware.ControlGroup(8.0, None, None))
    assert found[0].domain == GROUP
    assert watts(found, 0.5) == pytest.approx(8 + 2 * 4)


def test_counters_come_before_it(tmp_path: Path) -> None:
    store(tmp_path / "home", HOST_MODEL)
    root = lay_out(tmp_path / "root", BARE)
    PowercapTree(root).add("package-0")
    found = detect(tmp_path / "home", root)
    assert found[0].method == methods.RAPL
    assert found[0].domain == HOST


@pytest.mark.parametrize(
    ("model", "processor", "why"),
    [
        (
            HOST_MODEL._replace(cpu_model="AMD EPYC 9654"),
            BARE,
            "it is of a host with 128 threads of 'AMD EPYC 9654', and this one has",
        ),
        (HOST_MODEL._replace(threads=64), BARE, "it is of a host with 64 threads"),
        (HOST_MODEL._replace(threads=64), EPYC_7763, "this guest has 128 threads, more than the 64 of the calibrated host"),
        (HOST_MODEL._replace(until_s=1.0), BARE, "it has ended"),
    ],
)
def test_the_calibration_of_another_machine_is_not_used_and_doctor_says_why(
    tmp_path: Path, model: HostModel, processor: X86, why: str
) -> None:
    store(tmp_path / "home", model)
    root = lay_out(tmp_path / "root", processor)
    assert detect(tmp_path / "home", root)[0].method != methods.HOST_MODEL
    (cpu, *_) = meters.diagnose(load({"home": str(tmp_path / "home")}), root)
    assert f"the calibrated host model in the home is not used: {why}" in cpu.why


def test_a_host_with_cards_needs_a_calibration_with_cards(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "root", BARE)
    card = root / "sys/bus/pci/devices/0000:01:00.0"
    card.mkdir(parents=True)
    (card / "class").write_text("0x030200\n", encoding="ascii")
    (card / "vendor").write_text("0x10de\n", encoding="ascii")
    store(tmp_path / "home", HOST_MODEL)
    assert detect(tmp_path / "home", root)[0].method != methods.HOST_MODEL
    store(tmp_path / "home", HOST_MODEL._replace(gpu_factor=1.2))
    assert detect(tmp_path / "home", root)[0].method == methods.HOST_MODEL


@pytest.mark.parametrize("text", ["", "[]", '{"cpu_model": "x", "threads": 0, "idle_w": 1, "busy_w": 1}', '{"threads": true}'])
def test_a_damaged_file_is_told_and_the_next_method_measures(tmp_path: Path, text: str) -> None:
    (tmp_path / "host-model.json").write_text(text, encoding="utf-8")
    root = lay_out(tmp_path / "root", BARE)
    assert detect(tmp_path, root)[0].method == methods.LOAD_MODEL
    (cpu, *_) = meters.diagnose(load({"home": str(tmp_path)}), root)
    assert "host-model.json' cannot be used" in cpu.why
    assert "write it again with 'ecoia calibrate --use'" in cpu.why


def test_its_energy_is_at_the_wall_so_no_wall_factor_applies() -> None:
    from ecoia.catalogue import Calibration

    calibration = Calibration.model_validate({"component": "cpu", "wall_factor": 1.42, "source": "PV 12", "date": "2026-06-15"})
    parameters = AssessmentParameters(FactorSet([factor("FRA", 2026, 40.0)]), zone="FRA", calibrations=(calibration,))
    for method, wall_kwh in ((methods.HOST_MODEL, 5.0), (methods.LOAD_MODEL, 5.0 * 1.42)):
        impact = assess(fold([record(cpu=kwh(5), ram=None, methods={"cpu": method})]), parameters)
        assert impact.energy_kwh == pytest.approx(wall_kwh)
    high = assess(fold([record(cpu=kwh(5), ram=None, methods={"cpu": methods.HOST_MODEL})]), parameters).energy_interval
    assert high is not None
    assert high.high < 5 * 1.2**2.2, "its own error alone, without the published wall factor"

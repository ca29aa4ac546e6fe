"""What the host hands over is read as it is: from now on, with restarts told, and missing once the host has stopped writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecoia import meters, methods
from ecoia.meters.guest_share import FILE, GuestShareMeter
from ecoia.settings import load
from ecoia.testing import PowercapTree
from support.machines import EPYC_7763, lay_out


class Host:
    """The host's file, written on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written_ns = 1
        folder.mkdir(exist_ok=True)

    def write(self, energy_uj: int, **more: Any) -> None:
        self.written_ns += 10**9
        facts = {"energy_uj": energy_uj, "written_ns": self.written_ns, "wall": False, "host": "host-1", **more}
        (self.folder / FILE).write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path / "handed")
    found.write(5_000_000)
    return found


def test_energy_is_counted_from_the_beginning_on_and_adds_up(host: Host) -> None:
    meter = GuestShareMeter(str(host.folder))
    host.write(7_000_000)
    assert meter.read(1.0, 0.5) == 2_000_000
    assert meter.read(0.2, 0.5) == 0, "the host writes once a second"
    host.write(7_500_001)
    assert meter.read(1.0, 0.5) == 500_001
    assert not meter.lost()


def test_a_host_that_stops_writing_makes_it_missing_after_ten_seconds_and_nothing_is_lost(host: Host) -> None:
    meter = GuestShareMeter(str(host.folder))
    readings = [meter.read(1.0, 0.5) for _ in range(12)]
    assert readings == [0] * 10 + [None] * 2
    host.write(9_000_000)
    assert meter.read(1.0, 0.5) == 4_000_000
    (host.folder / FILE).unlink()
    assert meter.read(1.0, 0.5) is None


def test_a_migration_counts_from_zero_and_is_told(host: Host) -> None:
    meter = GuestShareMeter(str(host.folder))
    host.write(300_000, host="host-2")
    assert meter.read(1.0, 0.5) == 300_000
    assert meter.lost() == {"cpu-counter-reset": 1}
    host.write(100_000, host="host-2")
    assert meter.read(1.0, 0.5) == 100_000
    assert meter.lost() == {"cpu-counter-reset": 1}


def test_a_jump_that_no_guest_draws_is_no_energy(host: Host) -> None:
    meter = GuestShareMeter(str(host.folder))
    host.write(10**15)
    assert meter.read(1.0, 0.5) is None
    host.write(10**15 + 7)
    assert meter.read(1.0, 0.5) == 7


def test_a_host_that_measures_another_way_is_not_read_on(host: Host) -> None:
    meter = GuestShareMeter(str(host.folder))
    host.write(9_000_000, wall=True)
    assert meter.read(1.0, 0.5) is None, "its energy is at the wall now, and this meter's is not"


@pytest.mark.parametrize("wall", [False, True])
def test_it_measures_processor_and_memory_in_place_of_counters_and_models(host: Host, tmp_path: Path, wall: bool) -> None:
    host.write(9_000_000, wall=wall)
    root = lay_out(tmp_path / "root", EPYC_7763)
    PowercapTree(root).add("package-0")  # a counter that a hypervisor made up, of the same joules
    settings = load({"guest_energy": str(host.folder), "home": str(tmp_path / "home")})
    found = meters.detect(settings, root=root)
    assert [each.method for each in found] == [methods.GUEST_SHARE_AT_WALL if wall else methods.GUEST_SHARE]
    assert found.absent["ram"].name == "undivided"
    (cpu, *_) = meters.diagnose(settings, root)
    assert cpu.why == f"the host of this machine hands it its energy in '{host.folder}'"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"energy_uj": -1, "written_ns": 1, "wall": false, "host": "h"}', "5"])
def test_a_file_that_is_not_the_hosts_makes_the_energy_missing_and_nothing_takes_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    settings = load({"guest_energy": str(tmp_path)})
    found = meters.detect(settings, root=lay_out(tmp_path / "root", EPYC_7763))
    assert {component: found.absent[component].name for component in ("cpu", "ram")} == dict.fromkeys(
        ("cpu", "ram"), "guest-energy-unreadable"
    )
    (cpu, *_) = meters.diagnose(settings, tmp_path / "root")
    assert (cpu.status, "mount what 'ecoia watch --guests' writes" in str(cpu.remedy)) == ("missing", True)

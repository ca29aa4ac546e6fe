"""The idle baseline: measured only on a quiet host, kept with its machine and methods, used only while they are the same."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecoia import meters
from ecoia.cli import app
from ecoia.errors import EcoiaError, JournalError
from ecoia.meters import Meter, hardware, idle_power, rapl
from ecoia.testing import FixedMeter, StepMeter
from ecoia.testing.hardware import PowercapLoad, PowercapTree

TICK_SECONDS = 0.05


def proc_stat(busy: int, total: int) -> str:
    return f"cpu  {busy} 0 0 {total - busy} 0 0 0 0 0 0\n"


@contextmanager
def host_with_load(root: Path, load: float) -> Iterator[Path]:
    """Keep ``/proc/stat`` of a host with this load moving."""
    ended = threading.Event()
    stat = root / "proc/stat"
    stat.parent.mkdir(parents=True, exist_ok=True)

    def show(ticks: int) -> None:
        fresh = stat.with_suffix(".new")
        fresh.write_text(proc_stat(round(ticks * load * 100), ticks * 100))
        fresh.replace(stat)

    def run() -> None:
        ticks = 1
        while not ended.wait(TICK_SECONDS):
            ticks += 1
            show(ticks)

    (root / "proc/cpuinfo").write_text("model name\t: Test CPU 1234\n")
    show(1)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield root
    finally:
        ended.set()
        thread.join()


def test_power_at_rest_is_the_meters_energy_over_the_time(tmp_path: Path) -> None:
    with host_with_load(tmp_path, 0.02) as root:
        found = idle_power.measure([FixedMeter("cpu", 31.5), FixedMeter("ram", 4, status="estimated")], 2.2, root)
    cpu, ram = found.components["cpu"], found.components["ram"]
    assert (cpu.watts, cpu.min_watts, cpu.max_watts, cpu.gsd) == pytest.approx((31.5, 31.5, 31.5, 1.0), rel=1e-4)
    assert (cpu.status, cpu.method, ram.status) == ("measured", "fixed", "estimated")
    assert found.cpu_model == "Test CPU 1234"
    assert found.load == pytest.approx(0.02, abs=0.01)
    assert found.seconds >= 2.2


def test_live_counters_at_rest(tmp_path: Path) -> None:
    tree = PowercapTree(tmp_path)
    package = tree.add("package-0")
    package.set(7_000_000)
    with host_with_load(tmp_path, 0.0) as root, PowercapLoad({package: 40.0}) as load:
        package.advance(500_000_000)  # before the measurement: not counted
        meter = rapl.meter("cpu", root)
        assert meter is not None
        before = load.used_uj(package)
        found = idle_power.measure([meter], 2.0, root)
        used = load.used_uj(package) - before
    # The load also runs shortly before and after; watts and seconds are rounded.
    assert 0.8 * used <= found.components["cpu"].watts * found.seconds * 1e6 <= used * 1.001


def test_a_busy_host_is_refused_and_the_stored_baseline_stays(tmp_path: Path) -> None:
    with host_with_load(tmp_path, 0.4) as root, pytest.raises(EcoiaError, match=r"load 4\d\.\d%.*5%.*stop what runs"):
        idle_power.measure([FixedMeter("cpu", 31.5)], 2.0, root)


def test_a_component_that_could_not_be_read_all_the_time_is_left_out(tmp_path: Path) -> None:
    with host_with_load(tmp_path, 0.0) as root:
        found = idle_power.measure([FixedMeter("cpu", 31.5), StepMeter("ram", [0, 5, None])], 2.2, root)
        assert set(found.components) == {"cpu"}
        assert found.unread["ram"] >= 1
        with pytest.raises(EcoiaError, match="no meter could be read"):
            idle_power.measure([StepMeter("ram", [])], 2.0, root)


# --- kept ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("model name\t: Test CPU 1234\n")
    return tmp_path


def keep(home: Path, meter: Meter, root: Path) -> None:
    power = idle_power._power(meter, [(1.0, 30_000_000), (1.0, 32_000_000)])
    baseline = idle_power.IdleBaseline(
        {meter.component: power}, {}, 2.0, 0.01, "2026-11-25T10:00:00+00:00", hardware.cpu_model(root), idle_power._machine(root)
    )
    idle_power.store(home, baseline)
    assert idle_power.stored(home) == baseline


def test_a_stored_baseline_is_used_while_machine_and_method_are_the_same(home: Path, machine: Path) -> None:
    keep(home, FixedMeter("cpu", 1), machine)
    found = idle_power.load(home, [FixedMeter("cpu", 99), FixedMeter("ram", 5)], machine)
    assert found == {"cpu": 31.0}
    assert found.lost == Counter()


@pytest.mark.parametrize(
    "now",
    [
        [FixedMeter("cpu", 1, status="estimated")],
        [StepMeter("cpu", [])],
        [FixedMeter("cpu", 1, devices=["a"])],
    ],
)
def test_a_component_with_another_method_is_stale(home: Path, machine: Path, now: Sequence[Meter]) -> None:
    keep(home, FixedMeter("cpu", 1), machine)
    found = idle_power.load(home, now, machine)
    assert found == {}
    assert found.lost == Counter({"idle-baseline-stale": 1})


def test_another_machine_or_another_quota_makes_it_stale(home: Path, machine: Path) -> None:
    keep(home, FixedMeter("cpu", 1), machine)
    limit = machine / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("4096\n")
    assert idle_power.load(home, [FixedMeter("cpu", 1)], machine).lost == Counter({"idle-baseline-stale": 1})
    limit.unlink()
    assert idle_power.load(home, [FixedMeter("cpu", 1)], machine) == {"cpu": 31.0}
    (machine / "proc/cpuinfo").write_text("model name\t: Another\n")
    assert idle_power.load(home, [FixedMeter("cpu", 1)], machine).lost == Counter({"idle-baseline-stale": 1})


def test_no_baseline_is_no_loss(home: Path) -> None:
    found = idle_power.load(home, [FixedMeter("cpu", 1)])
    assert (found, found.lost) == ({}, Counter())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"components": {"cpu": {}}}', '{"components": {"cpu": 3}}'])
def test_a_damaged_file_is_counted_and_never_raises_into_measuring(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "idle.json").write_text(text)
    assert idle_power.load(home, [FixedMeter("cpu", 1)]).lost == Counter({"idle-baseline-unreadable": 1})
    with pytest.raises(JournalError, match="ecoia baseline"):
        idle_power.stored(home)


# --- on the command line -------------------------------------------------------------------------------------------


def ecoia(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_the_command_stores_it_and_the_doctor_shows_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "detect", lambda *_, **__: meters.Detected({"cpu": FixedMeter("cpu", 31.5)}))
    monkeypatch.setattr(hardware, "host_busy_time", lambda *_: hardware.BusyTime(0, 0))
    assert re.search(r"^note +idle +the machine's power at rest was not measured", ecoia("doctor").stdout, re.MULTILINE)
    result = ecoia("baseline", "--seconds", "2")
    assert result.exit_code == 0, result.output
    assert re.search(r"cpu +31\.5 .* measured: fixed", result.stdout)
    assert json.loads((home / "idle.json").read_text())["components"]["cpu"]["watts"] == pytest.approx(31.5)
    assert re.search(r"^ok +idle +cpu 31\.5 W \(measured: fixed", ecoia("doctor").stdout, re.MULTILINE)
    monkeypatch.setattr(meters, "detect", lambda *_, **__: meters.Detected({"cpu": StepMeter("cpu", [])}))
    assert re.search(r"^note +idle +cpu 31\.5 W .* another machine or method", ecoia("doctor").stdout, re.MULTILINE)


def test_the_command_on_a_busy_host_exits_1_and_stores_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = iter(range(0, 10_000_000_000, 10_000_000))
    monkeypatch.setattr(hardware, "host_busy_time", lambda *_: hardware.BusyTime(tick := next(busy), tick * 2))
    result = ecoia("baseline", "--seconds", "2")
    assert result.exit_code == 1
    assert "load 50.0%" in result.stderr
    assert not (home / "idle.json").exists()

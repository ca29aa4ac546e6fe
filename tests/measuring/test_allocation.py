"""Check which part of each reading is allocated to a process: together they stay at the meter, and idle energy has one owner."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring.allocation import Allocation, Allocator
from ecoia.meters import DEVICES, GROUP, HOST, Meter, hardware, idle_power
from ecoia.meters.hardware import BusyTime
from ecoia.meters.server_share import ServerShareMeter
from ecoia.methods import Method
from ecoia.records import Record
from ecoia.testing import FixedMeter, PowercapTree, PowercapZone, StepMeter
from support.programs import BURN, recorded
from support.settings import make_settings

pytestmark = pytest.mark.long

SECOND_NS = 1_000_000_000
CPUS = 8


class Machine:
    """A host as the kernel shows it, below a root: CPU time, control group, processor."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.busy_ns = self.stolen_ns = self.wall_ns = 0
        (root / "proc").mkdir(parents=True)
        (root / "proc/cpuinfo").write_text("model name\t: Test CPU 1234\n")
        self.write()

    def write(self) -> None:
        busy, stolen, total = (each // 10_000_000 for each in (self.busy_ns, self.stolen_ns, CPUS * self.wall_ns))
        (self.root / "proc/stat").write_text(f"cpu  {busy} 0 0 {total - busy - stolen} 0 0 0 {stolen} 0 0\n")

    def pass_time(self, seconds: float, busy_seconds: float, stolen_seconds: float = 0) -> None:
        self.wall_ns += round(seconds * SECOND_NS)
        self.busy_ns += round(busy_seconds * SECOND_NS)
        self.stolen_ns += round(stolen_seconds * SECOND_NS)
        self.write()

    def limit(self, cpus: float) -> Path:
        """Put the process into a control group with this quota; returns the file of its CPU time."""
        group = self.root / "sys/fs/cgroup"
        group.mkdir(parents=True)
        (group / "cgroup.controllers").write_text("cpu memory\n")
        (group / "cpu.max").write_text(f"{round(cpus * 100_000)} 100000\n")
        (group / "cpu.stat").write_text("usage_usec 0\n")
        return group / "cpu.stat"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path / "root")
    monkeypatch.setattr(os, "cpu_count", lambda: CPUS)
    read = hardware.host_busy_time
    monkeypatch.setattr(hardware, "host_busy_time", lambda: read(machine.root))
    return machine


def allocator(machine: Machine, meters: Sequence[Meter], **values: Any) -> Allocator:
    return Allocator(make_settings(**values), meters, (0, BusyTime(0, 0)), [].append, machine.root)


def at_rest(machine: Machine, home: Path, meters: Sequence[Meter], **watts: float) -> None:
    """Store the power of each component at rest, as ``ecoia baseline`` does."""
    powers = {
        meter.component: idle_power.IdlePower(
            watts[meter.component],
            meter.method.status,
            meter.method.name,
            meter.domain,
            meter.devices,
            watts[meter.component],
            watts[meter.component],
            1.0,
        )
        for meter in meters
        if meter.component in watts
    }
    facts = hardware.context(machine.root)
    names = ("cpu_count", "memory_bytes", "host_cpu_count", "host_memory_bytes", "os")
    known = {name: facts[name] for name in names}
    cpu_model = hardware.cpu_model(machine.root)
    idle_power.store(home, idle_power.IdleBaseline(powers, {}, 60.0, 0.01, "2026-11-25T00:00:00+00:00", cpu_model, known))


def joules(part: dict[str, int | None], component: str = "cpu") -> float | None:
    energy = part[component]
    return None if energy is None else energy / 1e6


# --- idle energy -------------------------------------------------------------------------------------------------------


def test_without_a_baseline_idle_is_not_separated(machine: Machine, tmp_path: Path) -> None:
    one = allocator(machine, [FixedMeter("cpu", 30)], home=str(tmp_path), reserved_share=0.5)
    machine.pass_time(1, 4)
    allocation = one.allocate(SECOND_NS, SECOND_NS)
    assert (joules(allocation.active), allocation.idle["cpu"]) == (7.5, None)
    assert not one.idle_separated


def test_idle_energy_is_allocated_by_reservation_and_active_energy_by_use(machine: Machine, tmp_path: Path) -> None:
    meters = [FixedMeter("cpu", 30)]
    at_rest(machine, tmp_path, meters, cpu=10)
    one = allocator(machine, meters, home=str(tmp_path), reserved_share=0.25)
    machine.pass_time(1, 4)
    allocation = one.allocate(SECOND_NS, SECOND_NS)
    assert (joules(allocation.active), joules(allocation.idle)) == (5.0, 2.5)
    assert one.idle_separated


def test_processes_of_one_home_reserve_once_and_the_next_takes_over(machine: Machine, tmp_path: Path) -> None:
    meters = [FixedMeter("cpu", 30)]
    at_rest(machine, tmp_path, meters, cpu=10)
    workers = [allocator(machine, [FixedMeter("cpu", 30)], home=str(tmp_path), reserved_share=0.25) for _ in range(3)]

    def idle_of_each(second: int) -> list[float | None]:
        machine.pass_time(1, 4)
        return [joules(worker.allocate(second * SECOND_NS, SECOND_NS).idle) for worker in workers]

    assert idle_of_each(1) == [2.5, 0, 0]
    workers.pop(0).let_go()
    assert idle_of_each(2) == [0, 0], "the worker that ended recorded a part of this second"
    assert idle_of_each(3) == [2.5, 0]
    workers[0].let_go()
    workers[1].let_go()


def test_the_quota_of_the_control_group_is_the_reserved_share(machine: Machine, tmp_path: Path) -> None:
    machine.limit(cpus=2)
    one = allocator(machine, [FixedMeter("cpu", 30)], home=str(tmp_path), reserved_share=0.9)
    assert one.reserved_share == 2 / CPUS


def test_on_a_dedicated_host_idle_energy_is_allocated_too(machine: Machine, tmp_path: Path) -> None:
    meters = [FixedMeter("cpu", 30), FixedMeter("gpu", 200, devices=["GPU-1"])]
    at_rest(machine, tmp_path, meters, cpu=10, gpu=50)
    one = allocator(machine, meters, home=str(tmp_path), scope="host")
    machine.pass_time(1, 4)
    allocation = one.allocate(SECOND_NS, SECOND_NS)
    assert (joules(allocation.active), joules(allocation.idle)) == (20, 10)
    assert (joules(allocation.active, "gpu"), joules(allocation.idle, "gpu")) == (150, 50)
    one.let_go()


def test_at_rest_a_meter_that_reads_less_than_the_baseline_gives_no_active_energy(machine: Machine, tmp_path: Path) -> None:
    meters = [FixedMeter("cpu", 8)]
    at_rest(machine, tmp_path, meters, cpu=10)
    one = allocator(machine, meters, home=str(tmp_path), scope="host")
    machine.pass_time(1, 0.1)
    allocation = one.allocate(SECOND_NS, SECOND_NS // 10)
    assert (joules(allocation.active), joules(allocation.idle)) == (0, 8)
    one.let_go()


def test_a_baseline_of_another_machine_is_counted_and_not_used(machine: Machine, tmp_path: Path) -> None:
    meters = [FixedMeter("cpu", 30)]
    at_rest(machine, tmp_path, meters, cpu=10)
    (machine.root / "proc/cpuinfo").write_text("model name\t: Another CPU\n")
    one = allocator(machine, meters, home=str(tmp_path), reserved_share=0.25)
    machine.pass_time(1, 4)
    allocation = one.allocate(SECOND_NS, SECOND_NS)
    assert (joules(allocation.active), allocation.idle["cpu"]) == (7.5, None)
    assert allocation.lost["idle-baseline-stale"] == 1


def test_the_reading_after_failed_ones_separates_the_idle_energy_of_all_that_time(machine: Machine, tmp_path: Path) -> None:
    """A counter goes on counting while it cannot be read, and the machine goes on drawing its power at rest."""
    meters = [StepMeter("cpu", [None, None, 90_000_000])]
    at_rest(machine, tmp_path, meters, cpu=10)
    one = allocator(machine, meters, home=str(tmp_path), reserved_share=0.5)
    for second in (1, 2, 3):
        machine.pass_time(1, 4)
        allocation = one.allocate(second * SECOND_NS, SECOND_NS)
    assert (joules(allocation.active), joules(allocation.idle)) == (15, 15)  # a quarter of 60 J, and half of 30 J
    one.let_go()


# --- the host's load ---------------------------------------------------------------------------------------------------


class LoadMeter(FixedMeter):
    """Remembers the loads that it was read with."""

    def __init__(self, component: str, watts: float, domain: str = HOST) -> None:
        super().__init__(component, watts, status="estimated")
        self.domain = domain
        self.loads: list[float] = []

    def read(self, seconds: float, load: float) -> int | None:
        self.loads.append(load)
        return super().read(seconds, load)


@pytest.mark.parametrize("readings_a_second", [1, 30, 1000])
def test_share_and_load_are_the_same_however_often_they_are_read(
    machine: Machine, tmp_path: Path, readings_a_second: int
) -> None:
    """A program that flushes after each request reads more often than the host's tick of 10 ms."""
    meter = LoadMeter("cpu", 80)
    one = allocator(machine, [meter], home=str(tmp_path))
    step_ns = SECOND_NS // readings_a_second
    allocated = 0
    for number in range(1, 10 * readings_a_second + 1):
        machine.pass_time(step_ns / 1e9, 4 * step_ns / 1e9)  # four CPUs of eight are busy, one of them with us
        allocated += one.allocate(number * step_ns, step_ns).active["cpu"] or 0
    assert allocated / 1e6 == pytest.approx(200, rel=0.02)
    assert sum(meter.loads) / len(meter.loads) == pytest.approx(0.5, rel=0.02)


def test_until_the_host_was_read_it_counts_as_fully_busy(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> BusyTime:
        raise OSError

    monkeypatch.setattr(hardware, "host_busy_time", unreadable)
    one = allocator(machine, [FixedMeter("cpu", 80)], home=str(tmp_path))
    allocation = one.allocate(SECOND_NS, SECOND_NS)
    assert joules(allocation.active) == 80 / CPUS
    assert allocation.lost == Counter({"host-load-unread": 1})


# --- time stolen by a hypervisor ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("counted_as_ours", [False, True])
@pytest.mark.parametrize("threads", [1, CPUS])
def test_stolen_time_is_no_load(machine: Machine, tmp_path: Path, threads: int, counted_as_ours: bool) -> None:
    """Half of what the machine wanted to do was stolen. Some kernels count that half as the process's CPU time, some do not."""
    meter, share = LoadMeter("cpu", 80), ServerShareMeter("zen3", CPUS)
    ours = [allocator(machine, [each], home=str(tmp_path)) for each in (meter, share)]
    machine.pass_time(1, threads / 2, threads / 2)
    allocations = [each.allocate(SECOND_NS, round(threads * SECOND_NS / (1 if counted_as_ours else 2))) for each in ours]
    half_busy = share.read(1.0, threads / CPUS / 2) or 0
    assert meter.loads == [pytest.approx(threads / CPUS / 2)]
    assert allocations[1].active["cpu"] == pytest.approx(half_busy, abs=1)
    assert allocations[0].stolen_part == pytest.approx(threads / CPUS / 2)


def test_stolen_time_is_no_load_of_a_group(machine: Machine, tmp_path: Path) -> None:
    usage = machine.limit(cpus=2)
    meter = LoadMeter("cpu", 80, GROUP)
    one = allocator(machine, [meter], home=str(tmp_path))
    machine.pass_time(1, 1, 1)
    usage.write_text("usage_usec 2000000\n")
    assert joules(one.allocate(SECOND_NS, 2 * SECOND_NS).active) == 80
    assert meter.loads == [0.5]


# --- control groups ----------------------------------------------------------------------------------------------------


def test_a_meter_of_the_group_is_allocated_by_the_share_of_the_group(machine: Machine, tmp_path: Path) -> None:
    """A container of 2 CPUs on a busy host of 8 gets the energy of its own memory, not an eighth of it."""
    usage = machine.limit(cpus=2)
    ram, cpu = LoadMeter("ram", 4, GROUP), FixedMeter("cpu", 80)
    one = allocator(machine, [cpu, ram], home=str(tmp_path))
    machine.pass_time(1, 8)
    usage.write_text("usage_usec 1000000\n")
    allocation = one.allocate(SECOND_NS, SECOND_NS // 2)
    assert joules(allocation.active, "ram") == 2  # half of what the group used
    assert joules(allocation.active, "cpu") == 5  # a sixteenth of what the host used
    assert ram.loads == [0.5]


# --- together at the meter ---------------------------------------------------------------------------------------------


@given(
    cpu_ms=st.lists(st.lists(st.integers(0, 2000), min_size=3, max_size=3), min_size=1, max_size=6),
    watts=st.floats(0.1, 500),
    idle_watts=st.none() | st.floats(0, 600),
)
def test_allocations_of_all_processes_never_exceed_the_meter(
    tmp_path_factory: pytest.TempPathFactory, cpu_ms: list[list[int]], watts: float, idle_watts: float | None
) -> None:
    """Three processes have a home each, and reserve a third of the host each: no joule is allocated twice."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(folder / "root")
        patch.setattr(os, "cpu_count", lambda: CPUS)
        read = hardware.host_busy_time
        patch.setattr(hardware, "host_busy_time", lambda: read(machine.root))
        meters = [FixedMeter("cpu", watts)]
        homes = [folder / str(number) for number in range(3)]
        if idle_watts is not None:
            for home in homes:
                at_rest(machine, home, meters, cpu=idle_watts)
        processes = [allocator(machine, meters, home=str(home), reserved_share=1 / 3) for home in homes]
        allocated = metered = 0
        for second, used_ms in enumerate(cpu_ms, start=1):
            machine.pass_time(1, sum(used_ms) / 1000 + 0.02)  # ticks round down
            metered += round(watts * 1e6)
            for one, used in zip(processes, used_ms, strict=True):
                allocation: Allocation = one.allocate(second * SECOND_NS, used * 1_000_000)
                allocated += (allocation.active["cpu"] or 0) + (allocation.idle["cpu"] or 0)
        for one in processes:
            one.let_go()
    assert allocated <= metered + 3 * len(cpu_ms)


SHARE = (
    """
import functools, sys, time
from pathlib import Path
import ecoia.meters
ecoia.meters.detect = functools.partial(ecoia.meters.detect, root=Path(sys.argv[1]))
import ecoia
"""
    + BURN
    + """
work, rest = float(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + 9
with ecoia.track(service="together", phase="training"):
    while time.monotonic() < end:
        burn(work)
        time.sleep(rest / 1000)
"""
)


@contextmanager
def steady(zone: PowercapZone, watts: float) -> Iterator[None]:
    """Let the counter follow the clock, however late its writer runs."""
    ended = threading.Event()

    def run() -> None:
        began, used_uj = time.perf_counter(), 0
        while not ended.wait(0.002):
            now_uj = round((time.perf_counter() - began) * watts * 1e6)
            zone.advance(now_uj - used_uj)
            used_uj = now_uj

    writer = threading.Thread(target=run)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


@pytest.mark.timing
def test_processes_on_one_host_together_stay_at_its_meter(tmp_path: Path) -> None:
    """Three processes run for 9 s. Over 6 s that they share, they record their part of the meter, within 1 %."""
    tree = PowercapTree(tmp_path / "root")
    package = tree.add("package-0")
    package.set(1_000_000_000)
    watts = 150.0
    looks: list[tuple[float, BusyTime]] = []
    with steady(package, watts):
        environment = {**os.environ, "ECOIA_FLUSH_SECONDS": "1", "ECOIA_DELIVERY": "manual"}
        arguments = [("20", "0"), ("10", "0"), ("5", "10")]
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", SHARE, str(tree.root), *each],
                env={**environment, "ECOIA_HOME": str(tmp_path / f"home-{number}")},
            )
            for number, each in enumerate(arguments)
        ]
        while any(program.poll() is None for program in programs):
            looks.append((time.time(), hardware.host_busy_time()))
            time.sleep(0.05)
    assert [program.returncode for program in programs] == [0, 0, 0]
    records: list[list[Record]] = [recorded(tmp_path / f"home-{number}") for number in range(3)]
    assert {record.method["cpu"] for each in records for record in each if record.energy_microjoules["cpu"]} == {
        Method("measured", "rapl")
    }
    begun = max(min(record.start_utc_ns for record in each) for each in records) / 1e9 + 1.5
    ended = begun + 6
    recorded_watts = cpu_rate = 0.0
    for each in records:
        inside = [r for r in each if begun <= r.start_utc_ns / 1e9 and r.end_utc_ns / 1e9 <= ended]
        windows = {(record.start_utc_ns, record.end_utc_ns) for record in inside}
        seconds = sum(end - start for start, end in windows) / 1e9
        assert seconds > 3
        recorded_watts += sum(record.energy_microjoules["cpu"] or 0 for record in inside) / 1e6 / seconds
        cpu_rate += sum(record.cpu_ns for record in inside) / 1e9 / seconds
    within = [look for look in looks if begun <= look[0] <= ended]
    (first, busy_first), (last, busy_last) = within[0], within[-1]
    host_rate = (busy_last.busy_ns - busy_first.busy_ns) / 1e9 / (last - first)
    assert recorded_watts <= 1.01 * watts
    assert abs(recorded_watts - watts * cpu_rate / host_rate) <= 0.01 * watts


# --- momentary power ---------------------------------------------------------------------------------------------------


class PowerMeter(StepMeter):
    """A GPU without a counter: each read returns the energy since the last one."""

    reading_seconds = 0.1


def test_momentary_power_is_sampled_between_readings_and_nothing_of_it_is_lost(machine: Machine, tmp_path: Path) -> None:
    gpu = PowerMeter("gpu", [1, 20, None, 300, 4000], devices=["GPU-1"])
    cpu = StepMeter("cpu", [7, 70])
    one = allocator(machine, [gpu, cpu], home=str(tmp_path))
    for _ in range(4):
        one.sample()
    allocation = one.allocate(SECOND_NS, SECOND_NS)
    assert allocation.active["gpu"] == 4321
    assert allocation.lost == Counter({"gpu-unread": 1})
    assert gpu.domain == DEVICES


# --- what a meter says beside its reading --------------------------------------------------------------------------------


def test_each_component_carries_its_own_fraction_of_a_microjoule(machine: Machine, tmp_path: Path) -> None:
    readings = 30
    meters = [StepMeter("cpu", [1] * readings), StepMeter("ram", [2] * readings)]
    allocating = allocator(machine, meters, home=str(tmp_path))
    sums: Counter[str] = Counter()
    for _ in range(readings):
        machine.pass_time(1, busy_seconds=3)
        for component, energy in allocating.allocate(machine.wall_ns, SECOND_NS).active.items():
            sums[component] += energy or 0
    assert sums["cpu"] == pytest.approx(readings / 3, abs=1)
    assert sums["ram"] == pytest.approx(readings * 2 / 3, abs=1)


def test_losses_and_users_that_a_meter_tells_are_those_of_the_reading(machine: Machine, tmp_path: Path) -> None:
    class Telling(StepMeter):
        def lost(self) -> Counter[str]:
            return Counter({"cpu-counter-reset": 2})

        def users(self) -> Counter[int]:
            return Counter({4242: 3})

    machine.pass_time(1, busy_seconds=1)
    allocation = allocator(machine, [Telling("cpu", [1])], home=str(tmp_path)).allocate(machine.wall_ns, SECOND_NS)
    assert allocation.lost["cpu-counter-reset"] == 2
    assert allocation.users == {4242: 3}

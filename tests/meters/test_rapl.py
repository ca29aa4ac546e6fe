"""RAPL on a fake: a powercap tree laid out like the kernel's, at rest or with a thread that uses energy.

docs/measurement.md lists what a real machine may do differently.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ecoia import meters
from ecoia.meters import Method, hardware, load_model
from ecoia.meters.rapl import MOST_WATTS, RaplMeter, select_zones
from ecoia.methods import RAPL
from ecoia.settings import load
from ecoia.testing.hardware import PowercapLoad, PowercapTree, PowercapZone

JOULE = 1_000_000


@pytest.fixture
def tree(tmp_path: Path) -> PowercapTree:
    return PowercapTree(tmp_path / "root")


def socket_with(tree: PowercapTree, number: int, start_joules: int, *nested: str) -> tuple[PowercapZone, ...]:
    """Add a package and its nested zones. Counters of real sockets never show the same joule."""
    package = tree.add(f"package-{number}")
    package.set(start_joules * JOULE)
    zones = [package]
    for place, name in enumerate(nested):
        zones.append(package.add(name))
        zones[-1].set((start_joules + 10_000 * (place + 1)) * JOULE)
    return tuple(zones)


def detect(tree: PowercapTree, early: dict[str, int] | None = None) -> dict[str, meters.Meter]:
    return {meter.component: meter for meter in meters.detect(load(), early, tree.root)}


def meter_of(*zones: PowercapZone) -> RaplMeter:
    return RaplMeter("cpu", RAPL, [zone.energy_file for zone in zones])


# --- which counters ------------------------------------------------------------------------------------------------


def test_a_steady_counter_is_read_to_the_microjoule(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1_000)
    cpu = detect(tree)["cpu"]
    assert cpu.method == Method("measured", "rapl")
    assert cpu.domain == "host"
    assert cpu.read(1.0, 0.5) == 0
    package.advance(65_432_101)
    assert cpu.read(1.0, 0.5) == 65_432_101
    assert cpu.read(1.0, 0.5) == 0


def test_two_sockets_add_up(tree: PowercapTree) -> None:
    (first,), (second,) = socket_with(tree, 0, 1_000), socket_with(tree, 1, 2_000)
    cpu = detect(tree)["cpu"]
    first.advance(30 * JOULE)
    second.advance(12 * JOULE)
    assert cpu.read(1.0, 0.5) == 42 * JOULE


def test_each_joule_is_counted_once(tree: PowercapTree) -> None:
    """psys includes the package, the package includes core and uncore, and MMIO shows the package again."""
    package, core, uncore = socket_with(tree, 0, 1_000, "core", "uncore")
    psys = tree.add("psys")
    mmio = tree.add("package-0", control_type="intel-rapl-mmio")
    psys.set(500_000 * JOULE)
    mmio.set(3_000 * JOULE)
    cpu = detect(tree)["cpu"]
    for zone, joules in ((package, 10), (core, 6), (uncore, 1), (psys, 30), (mmio, 9)):
        zone.advance(joules * JOULE)
    assert cpu.read(1.0, 0.5) == 10 * JOULE


def test_a_package_shown_by_mmio_only_is_measured(tree: PowercapTree) -> None:
    mmio = tree.add("package-0", control_type="intel-rapl-mmio")
    mmio.set(1_000 * JOULE)
    cpu = detect(tree)["cpu"]
    mmio.advance(JOULE)
    assert cpu.read(1.0, 0.5) == JOULE


def test_dies_that_mirror_one_counter_are_counted_once_and_others_each(tree: PowercapTree) -> None:
    zones = [tree.add(f"package-0-die-{die}") for die in range(4)]
    for zone in zones[:3]:
        zone.set(70_000 * JOULE)
    zones[3].set(90_000 * JOULE)
    cpu = detect(tree)["cpu"]
    for zone in zones:
        zone.advance(10 * JOULE)
    assert cpu.read(1.0, 0.5) == 20 * JOULE


def test_nested_dram_of_two_sockets_is_the_memory(tree: PowercapTree) -> None:
    first = socket_with(tree, 0, 1_000, "core", "dram")
    second = socket_with(tree, 1, 50_000, "dram")
    found = detect(tree)
    assert found["ram"].method == Method("measured", "rapl-dram")
    first[2].advance(4 * JOULE)
    second[1].advance(3 * JOULE)
    assert found["ram"].read(1.0, 0.5) == 7 * JOULE
    assert found["cpu"].read(1.0, 0.5) == 0


def test_sockets_that_were_booted_together_are_not_taken_for_mirrors(tree: PowercapTree) -> None:
    for number in range(2):
        package, _ = socket_with(tree, number, 1_000, "dram")
        package.advance(number * 1_000)
    packages, dram = select_zones(tree.root)
    assert (len(packages), len(dram)) == (2, 2)


def test_memory_shown_by_both_interfaces_is_counted_once(tree: PowercapTree) -> None:
    _, dram = socket_with(tree, 0, 1_000, "dram")
    mmio = tree.add("package-0", control_type="intel-rapl-mmio")
    mmio.add("dram")
    assert select_zones(tree.root)[1] == [str(dram.energy_file.resolve())]


def test_memory_with_an_unreadable_socket_is_modelled(tree: PowercapTree) -> None:
    socket_with(tree, 0, 1_000, "dram")
    _, dram = socket_with(tree, 1, 50_000, "dram")
    dram.lose()
    dram.energy_file.mkdir()
    assert detect(tree)["ram"].method == Method("estimated", "ram-model")


@pytest.mark.parametrize("with_memory", [(), (0,), (1,), (0, 2)])
def test_memory_is_modelled_unless_every_socket_shows_it(tree: PowercapTree, with_memory: tuple[int, ...]) -> None:
    """The memory of some sockets is not the memory of the host."""
    for number in range(3):
        socket_with(tree, number, 1_000 * (number + 1), "core", *(("dram",) if number in with_memory else ()))
    found = detect(tree)
    assert found["cpu"].method == Method("measured", "rapl")
    assert found["ram"].method == Method("estimated", "ram-model")


def test_dies_with_memory_of_their_own_are_the_memory(tree: PowercapTree) -> None:
    dies = [tree.add(f"package-{socket}-die-{die}") for socket in range(2) for die in range(2)]
    for number, die in enumerate(dies):
        die.set(1_000 * JOULE * (number + 1))
    *first, last = [die.add("dram") for die in dies]
    ram = detect(tree)["ram"]
    assert ram.method == Method("measured", "rapl-dram")
    for zone in (*first, last):
        zone.advance(JOULE)
    assert ram.read(1.0, 0.5) == 4 * JOULE
    last.lose()
    assert detect(tree)["ram"].method == Method("estimated", "ram-model")


def test_energy_used_during_detection_is_counted(tree: PowercapTree) -> None:
    package, dram = socket_with(tree, 0, 1_000, "dram")
    early = hardware.read_counters(tree.root)
    assert sorted(early.values()) == [1_000 * JOULE, 11_000 * JOULE]
    package.advance(11 * JOULE)
    dram.advance(2 * JOULE)
    found = detect(tree, early)
    package.advance(JOULE)
    assert found["cpu"].read(1.0, 0.5) == 12 * JOULE
    assert found["ram"].read(1.0, 0.5) == 2 * JOULE


def test_a_host_with_counters_loads_no_library(tree: PowercapTree) -> None:
    """Each would cost memory in every measured process."""
    socket_with(tree, 0, 1_000, "dram")
    (tree.root / "sys/bus/pci/devices").mkdir(parents=True)
    program = """
import sys
from pathlib import Path
from ecoia import meters
from ecoia.settings import load
found = meters.detect(load(), root=Path(sys.argv[1]))
print([meter.method.name for meter in found], found.absent["gpu"].name)
print([name for name in ("codecarbon", "psutil", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program, str(tree.root)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['rapl', 'rapl-dram'] no-device", "[]"]


def test_the_fake_tree_is_laid_out_as_the_kernels(tree: PowercapTree) -> None:
    _, core = socket_with(tree, 0, 1, "core")
    listed = tree.class_folder
    assert sorted(link.name for link in listed.iterdir()) == ["intel-rapl", "intel-rapl:0", "intel-rapl:0:0"]
    assert all(link.is_symlink() for link in listed.iterdir())
    assert (listed / "intel-rapl:0:0").resolve() == core.path.resolve()
    assert str((listed / "intel-rapl:0:0").readlink()) == "../../devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0"
    assert (listed / "intel-rapl:0:0/device/name").read_text() == "package-0\n"
    assert (listed / "intel-rapl/subsystem").resolve() == listed.resolve()
    # Many paths lead to each zone (its parent, subsystem), but it is one zone.
    assert hardware.energy_counter_files(tree.root) == sorted(
        str(path.resolve()) for path in (tree.devices_folder / "intel-rapl").rglob("energy_uj")
    )


# --- permissions ---------------------------------------------------------------------------------------------------


@contextmanager
def as_anyone() -> Iterator[None]:
    """Drop root's right to read everything, including the real id, which ``access`` checks."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_packages_that_this_user_may_not_read_are_not_half_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        tree = PowercapTree(folder / "root")
        (first,), (second,) = socket_with(tree, 0, 1_000), socket_with(tree, 1, 2_000)
        assert len(select_zones(tree.root)[0]) == 2
        second.energy_file.chmod(0o000)
        with as_anyone():
            assert select_zones(tree.root) == ([], [])
            assert list(hardware.read_counters(tree.root)) == [str(first.energy_file.resolve())]
            why, remedy = load_model.explain(Method("estimated", "load-model:tdp"), tree.root)
        assert "1 of 2" in why
        assert remedy is not None
        assert remedy.startswith(f"sudo chmod a+r {tree.root}/sys/class/powercap/*/energy_uj")


def test_a_package_that_cannot_be_read_leaves_the_load_model_and_the_doctor_says_what_to_do(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1_000)
    package.lose()
    package.energy_file.mkdir()  # looks readable, even to root, and fails
    diagnoses = {diagnosis.component: diagnosis for diagnosis in meters.diagnose(load(), tree.root)}
    assert list(diagnoses) == ["cpu", "gpu", "ram"]
    assert diagnoses["cpu"].status == "estimated"
    assert diagnoses["cpu"].name.startswith("load-model:")
    assert "cannot be read" in diagnoses["cpu"].why
    assert "chmod a+r" in (diagnoses["cpu"].remedy or "")
    assert (diagnoses["ram"].status, diagnoses["ram"].name) == ("estimated", "ram-model")


# --- round and round -----------------------------------------------------------------------------------------------


def test_a_wrap_is_corrected(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 0)
    package.set(package.range_uj - 3 * JOULE)
    cpu = meter_of(package)
    package.advance(10 * JOULE)
    assert package.energy_file.read_text() == f"{7 * JOULE}\n"
    assert cpu.read(1.0, 0.5) == 10 * JOULE
    assert cpu.lost() == Counter()


@given(
    start=st.integers(1, 262_143_328_849),
    steps=st.lists(st.tuples(st.integers(1, 12), st.floats(0, MOST_WATTS)), min_size=1, max_size=40),
)
def test_readings_add_up_to_what_was_used_wherever_it_wraps(start: int, steps: list[tuple[int, float]]) -> None:
    """At any possible power, with readings some seconds apart, the sum is exact and no reading is doubtful."""
    with tempfile.TemporaryDirectory() as folder:
        package = PowercapTree(Path(folder)).add("package-0")
        package.set(start)
        meter = meter_of(package)
        used = total = 0
        for seconds, watts in steps:
            energy = int(watts * seconds * JOULE)
            package.advance(energy)
            used += energy
            total += meter.read(float(seconds), 0.5) or 0
        assert total == used
        assert meter.lost() == Counter()


@given(watts=st.floats(20, 900), wraps=st.integers(2, 30), part=st.floats(0, 0.999))
@examples(max_examples=25, deadline=None)
def test_several_wraps_between_two_readings_are_inferred_from_the_power_before(watts: float, wraps: int, part: float) -> None:
    """The process was stopped. A steady load loses nothing, and the record says that wraps were inferred."""
    with tempfile.TemporaryDirectory() as folder:
        package = PowercapTree(Path(folder)).add("package-0")
        package.set(int(part * package.range_uj))
        meter = meter_of(package)
        for _ in range(10):
            package.advance(int(watts * JOULE))
            assert meter.read(1.0, 0.5) == int(watts * JOULE)
        energy = int(wraps * package.range_uj + part * package.range_uj)
        package.advance(energy)
        assert meter.read(energy / JOULE / watts, 0.5) == energy
        assert meter.lost() == Counter({"cpu-wraps-inferred": 1})
        package.advance(5 * JOULE)
        assert meter.read(1.0, 0.5) == 5 * JOULE
        assert meter.lost() == Counter()


def test_several_wraps_are_unknown_where_no_power_was_seen(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1_000)
    cpu = meter_of(package)
    package.advance(200_000 * JOULE)
    assert cpu.read(3_600.0, 0.5) is None
    assert cpu.lost() == Counter({"cpu-wraps-inferred": 1})
    package.advance(7 * JOULE)
    assert cpu.read(1.0, 0.5) == 7 * JOULE


def test_a_zones_power_limit_decides_when_wraps_are_certain(tree: PowercapTree) -> None:
    """At 65 W (boosting threefold) the counter can't wrap in half an hour; at 2 kW, for a zone without a limit, it can."""
    known, unknown = tree.add("package-0"), tree.add("package-1")
    known.constrain(65.0)
    known.constrain(0.0, name="short_term")
    for zone, doubts in ((known, 0), (unknown, 1)):
        zone.set(1_000 * JOULE)
        meter = meter_of(zone)
        zone.advance(1_000 * JOULE)
        assert meter.read(10.0, 0.5) == 1_000 * JOULE
        zone.advance(100_000 * JOULE)
        assert meter.read(1_000.0, 0.5) == 100_000 * JOULE
        assert meter.lost().total() == doubts


def test_a_counter_that_restarts_keeps_its_count_since(tree: PowercapTree) -> None:
    """If a driver reload counted as a wrap, it would charge 162 kJ to one second."""
    (package,) = socket_with(tree, 0, 100_000)
    cpu = meter_of(package)
    package.set(30 * JOULE)
    assert cpu.read(1.0, 0.5) == 30 * JOULE
    assert cpu.lost() == Counter({"cpu-counter-reset": 1})
    package.advance(20 * JOULE)
    assert cpu.read(1.0, 0.5) == 20 * JOULE
    assert cpu.lost() == Counter()


@pytest.mark.parametrize("joules", [9_000, 200_000])
def test_a_counter_that_jumps_further_than_is_possible_gives_nothing(tree: PowercapTree, joules: int) -> None:
    (package,) = socket_with(tree, 0, 100_000)
    cpu = meter_of(package)
    package.set(joules * JOULE)
    assert cpu.read(1.0, 0.5) is None
    assert cpu.lost() == Counter({"cpu-counter-reset": 1})
    package.advance(2 * JOULE)
    assert cpu.read(1.0, 0.5) == 2 * JOULE


def test_after_a_long_gap_a_lower_count_is_a_wrap_or_a_restart_by_the_power_before(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 200_000)
    cpu = meter_of(package)
    package.advance(100 * JOULE)
    assert cpu.read(1.0, 0.5) == 100 * JOULE
    package.set(2_000 * JOULE)  # 64 kJ if it wrapped: 1 kW in that minute, where it was 100 W
    assert cpu.read(60.0, 0.5) == 2_000 * JOULE
    assert cpu.lost() == Counter({"cpu-counter-reset": 1})
    package.set(package.range_uj - 4_000 * JOULE)
    cpu.read(1.0, 0.5)
    cpu.lost()
    package.advance(6_000 * JOULE)
    assert cpu.read(60.0, 0.5) == 6_000 * JOULE
    assert cpu.lost() == Counter({"cpu-wraps-inferred": 1})


@pytest.mark.parametrize("range_text", ["1000\n", "", None])
def test_a_range_that_is_wrong_or_absent_never_makes_a_wrap(tree: PowercapTree, range_text: str | None) -> None:
    (package,) = socket_with(tree, 0, 100_000)
    range_file = package.path / "max_energy_range_uj"
    range_file.unlink() if range_text is None else range_file.write_text(range_text)
    cpu = meter_of(package)
    package.set(5 * JOULE)
    assert cpu.read(1.0, 0.5) == 5 * JOULE
    assert cpu.lost() == Counter({"cpu-counter-reset": 1})


# --- lost and found ------------------------------------------------------------------------------------------------


def vanish(zone: PowercapZone) -> Callable[[], None]:
    zone.lose()
    return zone.find


def turn_to_folder(zone: PowercapZone) -> Callable[[], None]:
    zone.lose()
    zone.energy_file.mkdir()

    def back() -> None:
        zone.energy_file.rmdir()
        zone.find()

    return back


def turn_to_nonsense(zone: PowercapZone) -> Callable[[], None]:
    zone.lose()
    zone.energy_file.write_text("\n")
    return zone.find


@pytest.mark.parametrize("lose", [vanish, turn_to_folder, turn_to_nonsense])
def test_a_counter_lost_on_the_way_loses_no_energy(
    tree: PowercapTree, lose: Callable[[PowercapZone], Callable[[], None]]
) -> None:
    """The counter goes on meanwhile, and the other socket's energy is kept."""
    first, second = tree.add("package-0"), tree.add("package-1")
    second.set(second.range_uj - JOULE)
    cpu = meter_of(first, second)
    find = lose(second)
    first.advance(9 * JOULE)
    assert cpu.read(1.0, 0.5) is None, "one socket of two is not the host"
    second._counter_uj = 2 * JOULE  # it wraps meanwhile
    first.advance(JOULE)
    assert cpu.read(1.0, 0.5) is None
    find()
    assert cpu.read(1.0, 0.5) == (9 + 1 + 3) * JOULE
    assert cpu.lost() == Counter()
    first.advance(2 * JOULE)
    second.advance(3 * JOULE)
    assert cpu.read(1.0, 0.5) == 5 * JOULE


def test_a_zone_that_cannot_be_read_at_the_start_makes_no_meter(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1)
    package.lose()
    with pytest.raises(FileNotFoundError):
        meter_of(package)


def test_a_host_that_closes_every_descriptor_keeps_its_own(tree: PowercapTree, tmp_path: Path) -> None:
    """A program that becomes a daemon closes them; a file of the host program may then get our descriptor's number."""
    (package,) = socket_with(tree, 0, 1_000)
    cpu = meter_of(package)
    ours = cpu._zones[0]._open
    assert ours is not None
    os.close(ours.number)
    first = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    theirs = os.dup2(first, ours.number)
    package.advance(4 * JOULE)
    assert cpu.read(1.0, 0.5) == 4 * JOULE
    del cpu
    assert os.write(theirs, b"still open") == 10
    os.close(theirs)
    os.close(first)


def test_a_meter_leaves_no_descriptor_behind(tree: PowercapTree) -> None:
    socket_with(tree, 0, 1_000, "dram")
    descriptors = Path("/proc/self/fd")
    before = set(descriptors.iterdir())
    found = detect(tree)
    assert len(set(descriptors.iterdir()) - before) == 2
    found.clear()
    assert set(descriptors.iterdir()) <= before


# --- live ----------------------------------------------------------------------------------------------------------


class Reader:
    """Reads a meter every few milliseconds while its load runs, and once more after its end."""

    def __init__(self, meter: RaplMeter, load: PowercapLoad) -> None:
        self.meter, self.load = meter, load
        self.total = 0
        self._read_at = 0.0

    def __enter__(self) -> Reader:
        self.load.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.load.__exit__(*error)
        self.once()

    def once(self) -> None:
        seconds = self.load.seconds
        self.total += self.meter.read(seconds - self._read_at, 0.5) or 0
        self._read_at = seconds

    def until(self, reached: Callable[[], bool]) -> int:
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.002)
            self.once()
        return self.total

    def until_used(self, joules: float, *zones: PowercapZone) -> int:
        """Wait until the zones have used this much more."""
        end = self.load.used_uj(*zones) + joules * JOULE
        return self.until(lambda: self.load.used_uj(*zones) >= end)


def error_of(name: str, total: int, used: int) -> float:
    error = abs(total / used - 1)
    print(f"{name}: {used / JOULE:.1f} J used, {total / JOULE:.1f} J read, error {error:.2e}")
    return error


def test_live_steady_and_burst(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1_000)
    load = PowercapLoad({package: 90.0})
    with Reader(meter_of(package), load) as reader:
        reader.until_used(20, package)
        load.draw(package, 1_900.0)
        reader.until_used(300, package)
        load.draw(package, 20.0)
        reader.until_used(2, package)
    assert error_of("steady and burst", reader.total, load.used_uj(package)) <= 0.001
    assert reader.meter.lost() == Counter()


def test_live_wrap(tree: PowercapTree) -> None:
    package = tree.add("package-0", range_uj=200 * JOULE)
    package.constrain(100.0)
    package.set(190 * JOULE)
    load = PowercapLoad({package: 100.0})
    with Reader(meter_of(package), load) as reader:
        reader.until_used(30, package)
    assert package.counter_uj < 190 * JOULE
    assert error_of("wrap", reader.total, load.used_uj(package)) <= 0.001
    assert reader.meter.lost() == Counter()


@pytest.mark.parametrize("wraps", [2, 5])
def test_live_wraps_between_two_readings(tree: PowercapTree, wraps: int) -> None:
    """A counter of the usual range at 900 W and 1,000 times the speed isn't read for a while."""
    package = tree.add("package-0")
    package.set(200_000 * JOULE)
    load = PowercapLoad({package: 900.0}, speed=1000)
    reader = Reader(meter_of(package), load)

    def read_until(used_uj: float) -> None:
        while load.used_uj(package) < used_uj:
            time.sleep(0.002)
            with load.still():
                reader.once()

    with load:
        read_until(0.4 * package.range_uj)
        end = load.used_uj(package) + (wraps + 0.3) * package.range_uj
        while load.used_uj(package) < end:
            time.sleep(0.01)
        read_until(end + 0.2 * package.range_uj)
    reader.once()
    assert error_of(f"{wraps} wraps", reader.total, load.used_uj(package)) <= 0.001
    assert set(reader.meter.lost()) == {"cpu-wraps-inferred"}


def test_live_reset(tree: PowercapTree) -> None:
    """A reset loses the energy between the last reading and itself: of a thousand readings, a thousandth."""
    (package,) = socket_with(tree, 0, 100_000)
    load = PowercapLoad({package: 500.0})
    at_reset: list[int] = []
    reset = threading.Timer(0.313, lambda: at_reset.append(load.reset(package)))
    lost: Counter[str] = Counter()
    before = 0

    def was_reset() -> bool:
        nonlocal before
        lost.update(reader.meter.lost())
        if not lost:
            before = reader.total
        return bool(lost)

    with Reader(meter_of(package), load) as reader:
        reset.start()
        reader.until(was_reset)
        reset.join()
        unread = at_reset[0] - before
        reader.until(lambda: load.used_uj(package) > 1_100 * unread)
    assert lost == Counter({"cpu-counter-reset": 1})
    assert error_of("reset", reader.total, load.used_uj(package)) <= 0.001
    assert reader.total == load.used_uj(package) - unread, "nothing else is lost"


def test_live_unequal_sockets_mirrored_dies_and_nested_memory(tree: PowercapTree) -> None:
    dies = tuple(tree.add(f"package-0-die-{die}") for die in range(2))
    for die in dies:
        die.set(3_000 * JOULE)
    dram_of_dies = dies[0].add("dram")
    small, core, dram = socket_with(tree, 1, 50_000, "core", "dram")
    large, other_dram = socket_with(tree, 2, 90_000, "dram")
    psys = tree.add("psys")
    watts = {dies: 120.0, dram_of_dies: 5.0, small: 15.0, core: 9.0, dram: 3.0, large: 380.0, other_dram: 11.0, psys: 700.0}
    found = detect(tree)
    load = PowercapLoad(watts)
    totals = Counter[str]()
    with load:
        while load.seconds < 0.25:
            time.sleep(0.002)
            totals.update({name: found[name].read(0.002, 0.5) or 0 for name in ("cpu", "ram")})
    totals.update({name: found[name].read(0.002, 0.5) or 0 for name in ("cpu", "ram")})
    assert error_of("packages", totals["cpu"], load.used_uj(dies[0], small, large)) <= 0.001
    assert error_of("memory", totals["ram"], load.used_uj(dram_of_dies, dram, other_dram)) <= 0.001


def test_live_file_gone_and_back(tree: PowercapTree) -> None:
    (first,), (second,) = socket_with(tree, 0, 1_000), socket_with(tree, 1, 2_000)
    load = PowercapLoad({first: 90.0, second: 250.0})
    with Reader(meter_of(first, second), load) as reader:
        reader.until_used(20, first)
        second.lose()
        reader.once()
        alone = reader.total
        assert reader.until_used(20, first) == alone
        second.find()
        reader.until_used(20, first)
    assert error_of("file gone", reader.total, load.used_uj(first, second)) <= 0.001
    assert reader.meter.lost() == Counter()


_ANYONE = """
import encodings.ascii, json, os, sys, time  # before the interpreter's own files become unreadable
from pathlib import Path
from ecoia.meters.rapl import RaplMeter
from ecoia.methods import RAPL
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
meter = RaplMeter("cpu", RAPL, [Path(sys.argv[1])])
total, unread, before = 0, 0, time.perf_counter()
print("ready", flush=True)
for word in sys.stdin:
    while True:
        now = time.perf_counter()
        energy = meter.read(now - before, 0.5)
        before = now
        total += energy or 0
        unread += energy is None
        if (energy is None) == (word.strip() == "until forbidden"):
            break
        time.sleep(0.002)
    print(json.dumps([total, unread, dict(meter.lost())]), flush=True)
"""


def test_live_permission_lost_and_given_back() -> None:
    """A user other than root may not read the counters for a while."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        package = PowercapTree(Path(name) / "root").add("package-0")
        load = PowercapLoad({package: 150.0})
        program = subprocess.Popen(
            [sys.executable, "-c", _ANYONE, str(package.energy_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert program.stdin is not None
        assert program.stdout is not None

        def ask(word: str) -> tuple[int, int, dict[str, int]]:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(f"{word}\n")
            program.stdin.flush()
            total, unread, lost = json.loads(program.stdout.readline())
            return total, unread, lost

        with program:
            assert program.stdout.readline() == "ready\n"
            with load:
                ask("until read")
                package.forbid()
                shut_out, unread, _ = ask("until forbidden")
                assert unread > 0
                while load.used_uj(package) < shut_out + 30 * JOULE:
                    time.sleep(0.01)
                assert ask("until forbidden")[0] == shut_out
                package.allow()
            total, _, lost = ask("until read")
            program.stdin.close()
        assert program.returncode == 0
        assert error_of("permission lost", total, load.used_uj(package)) <= 0.001
        assert lost == {}


# --- codecarbon's readers, where they are right and where not -------------------------------------------------------


def theirs(zone: PowercapZone) -> Callable[[float], int]:
    """Read the same file with the real ``RAPLFile``, in microjoules (it counts in kWh, with its own constant)."""
    from codecarbon.core.rapl import RAPLFile
    from codecarbon.core.units import Energy, Time

    file = RAPLFile(name="package", path=str(zone.energy_file), max_path=str(zone.path / "max_energy_range_uj"))
    file.start()

    def read(seconds: float) -> int:
        file.delta(Time(seconds=seconds))
        return round(file.energy_delta.kWh / Energy.JOULES_TO_KWH * JOULE)

    return read


def test_our_readings_are_codecarbons_while_steady_and_over_one_wrap(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 0)
    package.set(package.range_uj - 1_000 * JOULE)
    ours, other = meter_of(package), theirs(package)
    for joules in (65, 0, 900, 120, 3):  # the fourth wraps
        package.advance(joules * JOULE)
        assert ours.read(1.0, 0.5) == other(1.0) == joules * JOULE


def test_codecarbon_loses_every_wrap_but_one(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1_000)
    ours, other = meter_of(package), theirs(package)
    package.advance(100 * JOULE)
    assert ours.read(1.0, 0.5) == other(1.0)
    energy = 2 * package.range_uj + 50_000 * JOULE
    package.advance(energy)
    assert ours.read(energy / JOULE / 100, 0.5) == energy
    assert other(energy / JOULE / 100) == 50_000 * JOULE


def test_codecarbon_takes_a_restart_for_a_wrap(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 100_000)
    ours, other = meter_of(package), theirs(package)
    package.set(30 * JOULE)
    assert ours.read(1.0, 0.5) == 30 * JOULE
    assert other(1.0) == package.range_uj - 99_970 * JOULE


def test_codecarbon_does_not_see_nested_memory(tree: PowercapTree) -> None:
    from codecarbon.core.cpu import IntelRAPL

    first = socket_with(tree, 0, 1_000, "dram")
    second = socket_with(tree, 1, 50_000, "dram")
    listed = IntelRAPL(rapl_dir=str(tree.class_folder / "intel-rapl/subsystem"), rapl_include_dram=True)._rapl_files
    counted = {Path(file.path).resolve() for file in listed}
    assert counted == {zone[0].energy_file.resolve() for zone in (first, second)}
    assert select_zones(tree.root)[1] == [str(zone[1].energy_file.resolve()) for zone in (first, second)]

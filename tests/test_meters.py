"""Meters on a powercap tree as the kernel's, and codecarbon's real classes. GPUs have a file of their own.

This machine need not have any of the hardware; what that leaves unchecked stands in docs/measurement.md.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from packaging.requirements import Requirement

from ecoia import meters
from ecoia.meters import Detected, Method, codecarbon_adapter, hardware, nvml
from ecoia.meters.codecarbon_adapter import LoadMeter, RamMeter, RaplMeter, select_zones, tdp_watts
from ecoia.settings import load
from ecoia.testing_hardware import PowercapTree, PowercapZone

JOULE = 1_000_000


@pytest.fixture
def tree(tmp_path: Path) -> PowercapTree:
    return PowercapTree(tmp_path / "root")


def socket_with(tree: PowercapTree, number: int, start_joules: int, *nested: str) -> tuple[PowercapZone, ...]:
    """A package and what is nested in it. Counters of real sockets never stand at the same joule."""
    package = tree.add(f"package-{number}")
    package.set(start_joules * JOULE)
    zones = [package]
    for place, name in enumerate(nested):
        zones.append(package.add(name))
        zones[-1].set((start_joules + 10_000 * (place + 1)) * JOULE)
    return tuple(zones)


def detect(tree: PowercapTree, early: dict[str, int] | None = None) -> dict[str, meters.Meter]:
    return {meter.component: meter for meter in codecarbon_adapter.detect(early or {}, tree.root)}


# --- RAPL ----------------------------------------------------------------------------------------------------------


def test_a_steady_counter_is_read_to_the_microjoule(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 1_000)
    cpu = detect(tree)["cpu"]
    assert cpu.method == Method("measured", "rapl")
    assert cpu.domain == "host"
    assert cpu.read(1.0, 0.5) == 0
    package.advance(65_432_101)
    assert cpu.read(1.0, 0.5) == 65_432_101
    assert cpu.read(1.0, 0.5) == 0


def test_a_wrap_is_corrected(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 0)
    package.set(package.range_uj - 3 * JOULE)
    cpu = detect(tree)["cpu"]
    package.advance(10 * JOULE)
    assert package.energy_file.read_text() == f"{7 * JOULE}\n"
    assert cpu.read(1.0, 0.5) == 10 * JOULE


@given(
    start=st.integers(1, 262_143_328_849),
    steps=st.lists(st.integers(0, 250_000 * JOULE), min_size=1, max_size=8),
)
@examples(max_examples=40, deadline=None)
def test_readings_add_up_to_what_was_used_however_often_it_wraps(start: int, steps: list[int]) -> None:
    """At most one wrap a reading: a minute at any plausible power."""
    with tempfile.TemporaryDirectory() as folder:
        tree = PowercapTree(Path(folder))
        package = tree.add("package-0")
        package.set(start)
        meter = RaplMeter("cpu", Method("measured", "rapl"), [package.energy_file], {})
        total = 0
        for step in steps:
            package.advance(step)
            reading = meter.read(60.0, 0.5)
            assert reading is not None
            total += reading
        assert total == sum(steps)


def test_a_counter_that_falls_further_than_its_range_is_unread_never_negative(tree: PowercapTree) -> None:
    (package,) = socket_with(tree, 0, 200_000)
    (package.path / "max_energy_range_uj").write_text("1000\n")
    cpu = detect(tree)["cpu"]
    package.set(5 * JOULE)
    assert cpu.read(1.0, 0.5) is None
    package.set(7 * JOULE)
    assert cpu.read(1.0, 0.5) == 2 * JOULE


def test_a_counter_that_begins_again_is_no_wrap(tree: PowercapTree) -> None:
    """Taken for a wrap, a reloaded driver would charge 162 kJ to one second."""
    (package,) = socket_with(tree, 0, 100_000)
    cpu = detect(tree)["cpu"]
    package.set(0)
    assert cpu.read(1.0, 0.5) is None
    package.advance(20 * JOULE)
    assert cpu.read(1.0, 0.5) == 20 * JOULE


def test_two_sockets_add_up(tree: PowercapTree) -> None:
    (first,), (second,) = socket_with(tree, 0, 1_000), socket_with(tree, 1, 2_000)
    cpu = detect(tree)["cpu"]
    first.advance(30 * JOULE)
    second.advance(12 * JOULE)
    assert cpu.read(1.0, 0.5) == 42 * JOULE


def test_each_joule_is_counted_once(tree: PowercapTree) -> None:
    """psys holds the package, the package holds core and uncore, and MMIO shows the package again."""
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


def test_memory_of_which_one_socket_cannot_be_read_is_modelled(tree: PowercapTree) -> None:
    socket_with(tree, 0, 1_000, "dram")
    _, dram = socket_with(tree, 1, 50_000, "dram")
    dram.lose()
    dram.energy_file.mkdir()
    assert detect(tree)["ram"].method == Method("estimated", "ram-model")


@pytest.mark.parametrize("by_folder", [False, True])
def test_a_counter_lost_on_the_way_is_unread_and_comes_back(tree: PowercapTree, by_folder: bool) -> None:
    (first,), (second,) = socket_with(tree, 0, 1_000), socket_with(tree, 1, 2_000)
    cpu = detect(tree)["cpu"]
    second.lose()
    if by_folder:
        second.energy_file.mkdir()
    first.advance(9 * JOULE)
    assert cpu.read(1.0, 0.5) is None, "one socket of two is not the host"
    if by_folder:
        second.energy_file.rmdir()
    second.find()
    assert cpu.read(1.0, 0.5) is None, "nothing to subtract from yet"
    first.advance(2 * JOULE)
    second.advance(3 * JOULE)
    assert cpu.read(1.0, 0.5) == 5 * JOULE


def test_what_was_used_while_detecting_is_counted(tree: PowercapTree) -> None:
    package, dram = socket_with(tree, 0, 1_000, "dram")
    early = hardware.read_counters(tree.root)
    assert sorted(early.values()) == [1_000 * JOULE, 11_000 * JOULE]
    package.advance(11 * JOULE)
    dram.advance(2 * JOULE)
    found = detect(tree, early)
    package.advance(JOULE)
    assert found["cpu"].read(1.0, 0.5) == 12 * JOULE
    assert found["ram"].read(1.0, 0.5) == 2 * JOULE


def test_a_live_counter_is_followed_within_a_thousandth(tree: PowercapTree) -> None:
    """Written by one thread, read by another, over several wraps; the writer is never half a range ahead."""
    step, steps = 50_000, 3_000
    package = tree.add("package-0", range_uj=60 * JOULE)
    package.set(50 * JOULE)
    cpu = detect(tree)["cpu"]
    permits = threading.Semaphore(500)

    def use() -> None:
        for _ in range(steps):
            permits.acquire()
            package.advance(step)

    writer = threading.Thread(target=use, daemon=True)
    writer.start()
    total = readings = 0
    while total < step * steps:
        reading = cpu.read(0.01, 0.5)
        assert reading is not None
        assert 0 <= reading <= 500 * step
        total += reading
        readings += 1
        if reading:
            permits.release(reading // step)
    writer.join()
    assert cpu.read(0.01, 0.5) == 0
    assert abs(total / (step * steps) - 1) <= 0.001
    assert readings > steps // 500


def test_the_fake_tree_is_laid_out_as_the_kernels(tree: PowercapTree) -> None:
    _, core = socket_with(tree, 0, 1, "core")
    listed = tree.class_folder
    assert sorted(link.name for link in listed.iterdir()) == ["intel-rapl", "intel-rapl:0", "intel-rapl:0:0"]
    assert all(link.is_symlink() for link in listed.iterdir())
    assert (listed / "intel-rapl:0:0").resolve() == core.path.resolve()
    assert str((listed / "intel-rapl:0:0").readlink()) == "../../devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0"
    assert (listed / "intel-rapl:0:0/device/name").read_text() == "package-0\n"
    assert (listed / "intel-rapl/subsystem").resolve() == listed.resolve()
    # Each zone can be reached by many paths (its parent, subsystem); it is one zone.
    assert hardware.energy_counter_files(tree.root) == sorted(
        path.resolve() for path in (tree.devices_folder / "intel-rapl").rglob("energy_uj")
    )


# --- permissions ---------------------------------------------------------------------------------------------------


@contextmanager
def as_anyone() -> Iterator[None]:
    """Without root's right to read everything. The real id too: it is the one that ``access`` looks at."""
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
            why, remedy = codecarbon_adapter.explain_cpu(Method("estimated", "load-model:tdp"), tree.root)
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


# --- models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "AMD Ryzen Threadripper 3970X 32-Core Processor"])
def test_the_load_model_is_codecarbons_own_from_rest_to_full_load(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """The same watts as its CPU class, unmodified, that reads the load of a host through psutil."""
    from codecarbon.external import hardware as theirs

    times = namedtuple("times", "user system idle iowait guest guest_nice")  # type: ignore[name-match]
    ours = LoadMeter(model, 205.0, known=True)
    for percent in range(0, 101, 5):
        reference = theirs.CPU(output_dir="", mode="cpu_load", model=model, tdp=205)
        busy_s = iter((0.0, float(percent)))
        seconds = iter((0.0, 100.0))

        def now(busy_s: Iterator[float] = busy_s, seconds: Iterator[float] = seconds) -> Any:
            busy = next(busy_s)
            return times(busy, 0.0, next(seconds) - busy, 0.0, 0.0, 0.0)

        monkeypatch.setattr(theirs.psutil, "cpu_times", now)
        reference.start()
        watts = reference.total_power().W
        assert ours.read(2.0, percent / 100) == pytest.approx(watts * 2 * JOULE, rel=1e-9)


def test_the_load_model_grows_with_the_load_from_a_tenth_to_the_whole() -> None:
    meter = LoadMeter("a model", 100.0, known=True)
    readings = [meter.read(1.0, load / 100) or 0 for load in range(101)]
    assert readings[0] == 10 * JOULE
    assert readings[-1] == 100 * JOULE
    assert all(less < more for less, more in pairwise(readings))


KNOWN = {
    "Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz": "Intel Core i7-8700K",
    "12th Gen Intel(R) Core(TM) i7-12700H": "Intel Core i7-12700H",
    "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz": "Intel Xeon Gold 6248",
    "Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz": "Intel Xeon Gold 6248R",
    "Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz": "Intel Xeon E5-2680",
    "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz": "Intel Xeon E5-2680 v3",
    "Intel(R) Core(TM) Ultra 7 155H": "Intel Core Ultra 7 155H",
    "Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz": "Intel Core 2 Duo E8400",
    "AMD EPYC 7763 64-Core Processor": "AMD EPYC 7763",
    "AMD Ryzen 9 5950X 16-Core Processor": "AMD Ryzen 9 5950X",
    "AMD Ryzen 7 PRO 4750U with Radeon Graphics": "AMD Ryzen 7 PRO 4750U",
    "AMD Ryzen Threadripper PRO 3995WX 64-Cores": "AMD Ryzen Threadripper PRO 3995WX",
    "Apple M2 Pro": "Apple M2 Pro",
    "Apple M1": "Apple M1",
}
UNKNOWN = (
    "Intel(R) Xeon(R) CPU @ 2.20GHz",
    "Intel(R) Xeon(R) Processor @ 2.50GHz",
    "Intel Xeon Processor (Skylake, IBRS)",
    "AMD EPYC",
    "AMD EPYC Processor (with IBPB)",
    "AMD EPYC 7B13",
    "Neoverse-N1",
    "Some Vendor 6220",  # "6220" alone is an entry, of another vendor's
    "QEMU Virtual CPU version 2.5+",
    "Intel(R) Celeron(R) CPU 1200MHz",
    "unknown",
    "",
    # In the table, but without a number that can be one: "27.29.5" and "0.0".
    "Intel Celeron 1000A",
    "Intel Quark Microcontroller D1000",
)


@pytest.mark.parametrize(("model", "entry"), KNOWN.items())
def test_a_known_cpu_has_the_power_of_its_entry(model: str, entry: str) -> None:
    spec = find_spec("codecarbon")
    assert spec is not None
    assert spec.origin is not None
    table = Path(spec.origin).parent / "data/hardware/cpu_power.csv"
    with table.open(encoding="utf-8", newline="") as file:
        watts = {row["Name"]: row["TDP"] for row in csv.DictReader(file)}
    assert tdp_watts(model) == float(watts[entry])


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_cpu_is_never_taken_for_another(model: str) -> None:
    assert tdp_watts(model) is None


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_an_unknown_cpu_gets_a_generic_power_that_says_so(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC\n")
    cpu = {meter.component: meter for meter in codecarbon_adapter.detect({}, tmp_path)}["cpu"]
    assert cpu.method == Method("estimated", "load-model:generic-tdp")
    assert cpu.read(1.0, 1.0) == 4 * hardware.cpu_count() * JOULE


@pytest.mark.parametrize("sockets", [1, 2])
def test_each_socket_has_the_power_of_the_model(tmp_path: Path, sockets: int) -> None:
    """The table gives watts per package, and a load is of the whole host."""
    write(tmp_path / "proc/cpuinfo", "model name\t: AMD EPYC 7763 64-Core Processor\n")
    for core in range(4):
        write(tmp_path / f"sys/devices/system/cpu/cpu{core}/topology/physical_package_id", f"{core % sockets}\n")
    cpu = {meter.component: meter for meter in codecarbon_adapter.detect({}, tmp_path)}["cpu"]
    assert cpu.method == Method("estimated", "load-model:tdp")
    assert cpu.read(1.0, 1.0) == 280 * sockets * JOULE


@pytest.mark.parametrize("gibibytes", [1, 4, 16, 32, 64, 96, 256, 512, 2048])
def test_the_memory_model_is_codecarbons_own(gibibytes: int) -> None:
    from codecarbon.external.ram import RAM

    watts = RAM()._calculate_ram_power(gibibytes)
    assert RamMeter(gibibytes * 2**30).read(3.0, 0.2) == round(watts * 3 * JOULE)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/memory.max": "1048576\n"}, 1_048_576),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n"}, 2_097_152),
        ({"sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/system.slice/job.service\n",
                "sys/fs/cgroup/system.slice/memory.max": "3145728\n",
                "sys/fs/cgroup/system.slice/job.service/memory.max": "max\n",
            },
            3_145_728,
        ),
        (
            {
                "proc/self/cgroup": "9:cpu,cpuacct:/other\n4:memory:/slurm/job_7\n0::/\n",
                "sys/fs/cgroup/memory/slurm/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes": "4194304\n",
                "sys/fs/cgroup/memory/other/memory.limit_in_bytes": "1\n",
            },
            4_194_304,
        ),
        ({}, None),
    ],
)
def test_memory_is_what_the_control_group_allows(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    import psutil

    for name, text in files.items():
        write(tmp_path / name, text)
    assert hardware.memory_bytes(tmp_path) == (limit or psutil.virtual_memory().total)


def test_guest_time_is_inside_user_time() -> None:
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    fields = {"user": 1000, "nice": 100, "system": 200, "idle": 5000, "iowait": 300, "irq": 20, "softirq": 30, "steal": 40}
    line = "cpu  " + " ".join(map(str, fields.values()))
    alone = hardware.parse_stat(f"{line} 0 0\n".encode())
    assert alone.busy_ns == 1350 * tick_ns
    assert alone.total_ns == sum(fields.values()) * tick_ns
    assert hardware.parse_stat(f"{line} 900 90\n".encode()) == alone
    assert hardware.parse_stat(b"cpu  1000 100 200 5000\n").total_ns == 6300 * tick_ns


# --- what one broken part costs ------------------------------------------------------------------------------------


def _raise(*_: object, **__: object) -> Any:
    raise RuntimeError("the driver is upside down")


def test_a_failing_gpu_layer_leaves_the_gpu_missing(monkeypatch: pytest.MonkeyPatch, tree: PowercapTree) -> None:
    socket_with(tree, 0, 1_000)
    monkeypatch.setattr(nvml, "detect_gpu", _raise)
    found = meters.detect(load(), root=tree.root)
    assert [meter.component for meter in found] == ["cpu", "ram"]
    assert meters.methods(found)["gpu"] == Method("missing", "failed:RuntimeError")
    gpu_diagnosis = meters.diagnose(load(), tree.root)[1]
    assert (gpu_diagnosis.status, gpu_diagnosis.name) == ("missing", "failed:RuntimeError")
    assert "upside down" in gpu_diagnosis.why


def test_a_failing_counter_reader_leaves_the_models(monkeypatch: pytest.MonkeyPatch, tree: PowercapTree) -> None:
    from codecarbon.core import rapl

    socket_with(tree, 0, 1_000, "dram")
    monkeypatch.setattr(rapl, "RAPLFile", _raise)
    found = {component: method.name for component, method in meters.methods(meters.detect(load(), root=tree.root)).items()}
    assert found["cpu"].startswith("load-model:")
    assert found["ram"] == "ram-model"


def test_a_component_with_no_way_left_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(codecarbon_adapter, "LoadMeter", _raise)
    found = codecarbon_adapter.detect({}, tmp_path)
    assert [meter.component for meter in found] == ["ram"]
    assert meters.methods(found)["cpu"] == Method("missing", "failed:RuntimeError")


def test_methods_of_a_plain_list_name_what_is_missing() -> None:
    ram = RamMeter(2**30)
    expected = {"cpu": Method("missing", "none"), "gpu": Method("missing", "none"), "ram": Method("estimated", "ram-model")}
    assert meters.methods([ram]) == expected
    assert meters.methods(Detected({"ram": ram})) == expected


# --- unnoticed by the host -----------------------------------------------------------------------------------------

_TRAP_PROGRAM = """
import json, logging, subprocess, sys, threading
watched = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system",
           "socket.__new__", "socket.connect", "socket.getaddrinfo")
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event in watched else None)
original = subprocess.check_output
host_handler = logging.StreamHandler(sys.stdout)
logger = logging.getLogger("codecarbon")
if sys.argv[1] == "own":
    logger.addHandler(host_handler); logger.setLevel(logging.ERROR); logger.propagate = False
before = (list(logger.handlers), logger.level, logger.propagate)

from ecoia import meters
from ecoia.settings import load
found = []
sampler = threading.Thread(target=lambda: found.extend(meters.detect(load())))
sampler.start(); sampler.join()
for meter in found:
    meter.read(1.0, 0.5)

told = {
    "components": sorted(meter.component for meter in found),
    "seen": list(seen),
    "loaded": [name for name in ("pandas", "numpy", "requests", "mlflow", "pydantic") if name in sys.modules],
    "logging": (list(logger.handlers), logger.level, logger.propagate) == before,
    "restored": subprocess.check_output is original,
    "threads": threading.active_count(),
}
from codecarbon.core import gpu_nvidia, gpu_amd
told["remembered"] = [gpu_nvidia.is_nvidia_system.cache_info().currsize, gpu_amd.is_rocm_system.cache_info().currsize]
subprocess.check_output([sys.executable, "-c", ""])
told["trap works"] = seen.count("subprocess.Popen") == len(told["seen"]) + 1
print(json.dumps(told))
"""


@pytest.mark.parametrize("logs", ["none", "own"])
def test_detection_starts_no_program_opens_no_socket_and_leaves_logging_alone(logs: str) -> None:
    """In a Slurm job, too: there codecarbon asks ``scontrol``, which asks a server."""
    done = subprocess.run(
        [sys.executable, "-c", _TRAP_PROGRAM, logs],
        env={**os.environ, "SLURM_JOB_ID": "4242"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert {"cpu", "ram"} <= set(told["components"])
    assert told["seen"] == []
    assert told["loaded"] == []
    assert told["logging"] is True
    assert told["restored"] is True
    assert told["threads"] == 1
    assert told["remembered"] == [0, 0], "what was never asked must not be remembered for the host"
    assert told["trap works"] is True


def test_the_hosts_own_programs_run_while_detection_does() -> None:
    """The wrapper answers the detecting thread only, and leaves when it is done."""
    original = subprocess.check_output
    answers: list[bytes] = []
    with codecarbon_adapter._unnoticed():
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.check_output([sys.executable, "-c", "print('ours')"])
        held = subprocess.check_output
        host = threading.Thread(target=lambda: answers.append(held([sys.executable, "-c", "print('host')"])))
        host.start()
        host.join()
    assert answers == [b"host\n"] or answers == [b"host\r\n"]
    assert subprocess.check_output is original
    assert held([sys.executable, "-c", "print('later')"]).strip() == b"later"


def test_what_codecarbon_tells_the_host_still_reaches_it(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("codecarbon")
    with codecarbon_adapter._unnoticed():
        logger.warning("to us")
    with caplog.at_level(logging.WARNING, logger="codecarbon"):
        logger.warning("to the host")
    assert [record.message for record in caplog.records] == ["to the host"]


# --- the pinned release --------------------------------------------------------------------------------------------


def test_the_installed_codecarbon_is_the_one_that_these_tests_speak_of() -> None:
    pinned = [
        requirement
        for requirement in map(Requirement, metadata.requires("ecoia") or [])
        if requirement.name == "codecarbon" and requirement.marker is None
    ]
    assert len(pinned) == 1
    assert metadata.version("codecarbon") in pinned[0].specifier
    assert "3.4.0" not in pinned[0].specifier, "a minor release may move anything below the tracker"


def test_what_is_used_of_codecarbon_exists(tmp_path: Path) -> None:
    """Most of it is private: an upgrade that renames something fails here, with the name."""
    from codecarbon.core import cpu, gpu, gpu_amd, gpu_device, gpu_nvidia, rapl, units
    from codecarbon.external import hardware as theirs
    from codecarbon.external import ram

    for module, names in {
        rapl: "RAPLFile find_mirrored_counters SEQUENTIAL_READ_TOLERANCE_KWH",
        units: "Energy Time",
        cpu: "DEFAULT_POWER_PER_CORE",
        gpu: "AllGPUDevices AMDGPUDevice is_gpu_details_available",
        gpu_nvidia: "clear_nvidia_system_cache is_nvidia_system",
        gpu_amd: "clear_rocm_system_cache is_rocm_system",
        gpu_device.GPUDevice: "start delta get_static_details last_energy _read_power_watts",
        theirs: "CPU",
        theirs.CPU: "start _get_power_from_cpu_load",
        ram.RAM: "_calculate_ram_power",
    }.items():
        for name in names.split():
            assert hasattr(module, name) or name in getattr(module, "__dataclass_fields__", {}), f"{module.__name__}.{name}"
    zone = tmp_path / "energy_uj"
    zone.write_text("5\n")
    file = rapl.RAPLFile(name="package-0", path=str(zone), max_path=str(zone))
    for name in ("start", "delta", "last_energy", "energy_delta", "sample_skipped"):
        assert hasattr(file, name), name
    assert units.Energy.from_ujoules(3.6e12).kWh == pytest.approx(1.0, rel=1e-5)
    assert set(Path(theirs.__file__).parents[1].glob("data/hardware/cpu_power.csv"))

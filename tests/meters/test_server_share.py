"""A virtual machine is charged its share of the server: detected on laid-out machines, in straight lines, nothing twice."""

from __future__ import annotations

import math
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import meters, methods
from ecoia.meters import GROUP, HOST, Meter, Method, hardware
from ecoia.meters.server_share import TABLE, ServerShareMeter, ServerShareRamMeter, thread_power
from ecoia.settings import load
from ecoia.testing import PowercapTree
from support.machines import EPYC_7763, X86, Arm, lay_out

JOULE = 1_000_000
GIB = 2**30
VCPUS = 2
SPR_FLAGS = "avx512f avx512_vnni avx512_vbmi2 amx_tile"


@pytest.fixture(autouse=True)
def small_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has 2 CPUs and 8 GiB."""
    monkeypatch.setattr(os, "cpu_count", lambda: VCPUS)
    monkeypatch.setattr(hardware, "host_memory_bytes", lambda: 8 * GIB)


def detect(root: Path, **settings: object) -> dict[str, Meter]:
    return {meter.component: meter for meter in meters.detect(load(settings), root=root)}


def watts(meter: Meter, load: float) -> float:
    energy_uj = meter.read(1_000.0, load)
    assert energy_uj is not None
    return energy_uj / JOULE / 1_000


# --- the fault: whole sockets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sockets", [1, 2])
def test_two_vcpus_of_a_large_server_draw_their_share_and_no_more(tmp_path: Path, sockets: int) -> None:
    """As whole sockets they drew 28 W at rest and 280 W at full load; with a virtual socket for each vCPU, twice that."""
    found = detect(lay_out(tmp_path / "root", EPYC_7763, cpus=VCPUS, sockets=sockets))
    cpu, ram = found["cpu"], found["ram"]
    assert cpu.method == Method("estimated", "server-share:zen3")
    assert ram.method == Method("estimated", "server-share-ram:zen3")
    assert (cpu.domain, ram.domain) == (HOST, HOST)
    assert watts(cpu, 0.0) == pytest.approx(2 * 0.44)
    assert watts(cpu, 1.0) == pytest.approx(2 * 1.95)
    assert watts(ram, 1.0) == pytest.approx(0.39 * 6)
    assert watts(cpu, 1.0) + watts(ram, 1.0) < 10


def test_the_memory_of_a_small_guest_is_no_floor(tmp_path: Path) -> None:
    """Modules of memory were modelled as 10 W for anything up to 16 GiB."""
    ram = detect(lay_out(tmp_path / "root", X86("AMD EPYC")))["ram"]
    assert 0 < watts(ram, 0.5) <= 0.5 * 8


def test_memory_within_the_share_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "host_memory_bytes", lambda: 2 * GIB)
    assert watts(detect(lay_out(tmp_path / "root", EPYC_7763))["ram"], 0.5) == 0


@pytest.mark.parametrize(
    ("row", "processor"),
    [
        ("amd", X86("AMD EPYC-Rome Processor", 23, 49, 0, "clwb")),
        ("intel", X86("Intel Xeon Processor (Skylake, IBRS)", 6, 85, 4, "avx512f", "GenuineIntel")),
        ("amd", X86("AMD EPYC 7763 64-Core Processor", 25, 17)),
        ("intel", X86("Intel(R) Xeon(R) Processor", 6, 167, 1, SPR_FLAGS, "GenuineIntel")),
        ("generic", X86("a processor", vendor="Unheard")),
    ],
)
def test_a_server_of_unknown_generation_is_its_makers_mean(tmp_path: Path, row: str, processor: X86) -> None:
    cpu = detect(lay_out(tmp_path / "root", processor))["cpu"]
    assert cpu.method == methods.SERVER_SHARE[row]
    assert watts(cpu, 1.0) == pytest.approx(VCPUS * thread_power(row).max_watts)


def test_arm_guests_share_too(tmp_path: Path) -> None:
    aws = {"sys_vendor": "Amazon EC2", "product_name": "m7g.large"}
    known = detect(lay_out(tmp_path / "n1", Arm("0x41", "0xd0c"), dmi=aws))["cpu"]
    other = detect(lay_out(tmp_path / "v1", Arm("0x41", "0xd40"), dmi=aws))["cpu"]
    assert [known.method.name, other.method.name] == ["server-share:neoverse-n1", "server-share:arm"]
    assert watts(known, 0.3) == watts(other, 0.3)
    assert methods.error_class("estimated", other.method.name) == "server-share-generic"


def test_a_physical_machine_is_modelled_as_before(tmp_path: Path) -> None:
    bare = X86(EPYC_7763.name, 25, 1, guest=False)
    for number, sockets in enumerate((1, 2)):
        found = detect(lay_out(tmp_path / str(number), bare, cpus=4, sockets=sockets))
        assert found["cpu"].method == Method("estimated", "load-model:tdp")
        assert found["ram"].method == Method("estimated", "ram-model")
        assert watts(found["cpu"], 1.0) == pytest.approx(280 * sockets)


def test_a_guest_is_never_charged_whole_sockets_even_if_its_share_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecoia.meters.server_share.TABLE", tmp_path / "gone.csv")
    found = meters.detect(load(), root=lay_out(tmp_path / "root", EPYC_7763))
    for component in ("cpu", "ram"):
        assert meters.methods(found)[component] == Method("missing", "failed:FileNotFoundError")


def test_counters_that_a_guest_can_read_come_first(tmp_path: Path) -> None:
    """Memory is then modelled whole: no share of a server includes a part of it."""
    tree = PowercapTree(tmp_path / "root")
    tree.add("package-0").set(JOULE)
    found = detect(lay_out(tree.root, EPYC_7763))
    assert (found["cpu"].method.name, found["ram"].method.name) == ("rapl", "ram-model")


# --- threads, groups, sums ------------------------------------------------------------------------------------------


def test_a_vcpu_that_is_a_whole_core_is_two_threads(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "root", EPYC_7763)
    one, two = detect(root), detect(root, vcpu_threads=2)
    assert watts(two["cpu"], 0.7) == pytest.approx(2 * watts(one["cpu"], 0.7))
    assert watts(two["ram"], 0.7) == pytest.approx(0.39 * (8 - 4))


@pytest.mark.parametrize(
    ("quota", "limit", "cpu_threads", "ram_threads", "gib"),
    [
        (None, None, 2, 2, 8),
        ("50000 100000", None, 0.5, 2, 8),
        ("50000 100000", 2 * GIB, 0.5, 0.5, 2),
        (None, 2 * GIB, 2, 0.5, 2),  # a quarter of the memory goes with a quarter of the machine's share
    ],
)
def test_a_control_group_has_its_part_of_the_share(
    tmp_path: Path, quota: str | None, limit: int | None, cpu_threads: float, ram_threads: float, gib: int
) -> None:
    root = lay_out(tmp_path / "root", EPYC_7763)
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu memory\n")
    if quota:
        (group / "cpu.max").write_text(quota)
    if limit:
        (group / "memory.max").write_text(str(limit))
    found = detect(root)
    assert (found["cpu"].domain, found["ram"].domain) == (GROUP if quota else HOST, GROUP if limit else HOST)
    assert watts(found["cpu"], 1.0) == pytest.approx(cpu_threads * 1.95)
    assert watts(found["ram"], 1.0) == pytest.approx(0.39 * (gib - ram_threads))


@given(
    row=st.sampled_from(sorted(methods.SERVER_SHARE)),
    guests=st.lists(st.tuples(st.integers(1, 64), st.floats(0, 1), st.integers(4, 16)), min_size=1, max_size=8),
    seconds=st.floats(0.01, 1e5),
)
def test_the_shares_of_all_guests_are_the_server(row: str, guests: list[tuple[int, float, int]], seconds: float) -> None:
    """Whatever their loads: the server's load is their mean by threads, and its power a straight line over it."""
    threads = sum(vcpus for vcpus, _, _ in guests)
    mean = sum(vcpus * share for vcpus, share, _ in guests) / threads
    gibibytes = sum(vcpus * per_cpu for vcpus, _, per_cpu in guests)
    cpu = sum(ServerShareMeter(row, vcpus).read(seconds, share) or 0 for vcpus, share, _ in guests)
    ram = sum(ServerShareRamMeter(row, vcpus, vcpus * each * GIB).read(seconds, 0.5) or 0 for vcpus, _, each in guests)
    assert cpu == pytest.approx(ServerShareMeter(row, threads).read(seconds, mean), rel=1e-9, abs=len(guests))
    assert ram == pytest.approx(ServerShareRamMeter(row, threads, gibibytes * GIB).read(seconds, 0.5), rel=1e-9, abs=len(guests))


@given(parts=st.lists(st.tuples(st.floats(0.001, 100), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_energy_is_the_same_however_often_it_is_read(parts: list[tuple[float, float]]) -> None:
    meter = ServerShareMeter("icelake", 8)
    seconds = math.fsum(each for each, _ in parts)
    mean = math.fsum(each * share for each, share in parts) / seconds
    assert sum(meter.read(each, share) or 0 for each, share in parts) == pytest.approx(meter.read(seconds, mean), abs=len(parts))


def test_more_load_is_more_power() -> None:
    readings = [ServerShareMeter("amd", 2).read(1.0, load / 100) or 0 for load in range(101)]
    assert all(less < more for less, more in pairwise(readings))


# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_has_the_rows_of_the_methods_and_names_its_source() -> None:
    lines = Path(TABLE).read_text(encoding="utf-8").splitlines()
    notice = " ".join(line for line in lines if line.startswith("#"))
    rows = [line.partition(",")[0] for line in lines if not line.startswith("#")][1:]
    assert sorted(rows) == sorted(methods.SERVER_SHARE) == sorted(methods.SERVER_SHARE_RAM)
    assert "SPECpower_ssj is a trademark of the Standard Performance Evaluation Corporation" in notice
    assert "www.spec.org as of 9 March 2026" in notice
    with pytest.raises(KeyError):
        thread_power("zen99")


# --- steal, doctor --------------------------------------------------------------------------------------------------


def test_stolen_time_is_not_busy(tmp_path: Path) -> None:
    """Half of the CPU time was stolen, and the machine ran all the rest: half busy, never full."""
    before, after = (hardware.parse_stat(line) for line in (b"cpu  0 0 0 0 0 0 0 0 0 0", b"cpu  100 0 0 0 0 0 0 100 0 0"))
    busy = (after.busy_ns - before.busy_ns) / (after.total_ns - before.total_ns)
    cpu = detect(lay_out(tmp_path / "root", EPYC_7763))["cpu"]
    assert watts(cpu, busy) == pytest.approx(2 * (0.44 + 1.95) / 2)
    assert after.stolen_ns * 2 == after.total_ns


def test_the_doctor_says_what_the_share_rests_on(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "root", EPYC_7763, stat="cpu  700 0 0 200 0 0 0 100 0 0")
    cpu, _, ram = meters.diagnose(load({"vcpu_threads": 2}), root)
    assert (cpu.name, ram.name) == ("server-share:zen3", "server-share-ram:zen3")
    assert "2 of its server's hardware threads" in cpu.why
    assert "the name 'AMD EPYC 7763 64-Core Processor' means zen3" in cpu.why
    assert "family 25, model 1, stepping 1 means zen3" in cpu.why
    assert "10% of the CPU time" in cpu.why
    assert "vcpu_threads" in (cpu.remedy or "")
    assert "2 GiB that each vCPU" in ram.why
    calm = lay_out(tmp_path / "calm", EPYC_7763, stat="cpu  700 0 0 290 0 0 0 10 0 0")
    assert "other guests" not in meters.diagnose(load(), calm)[0].why

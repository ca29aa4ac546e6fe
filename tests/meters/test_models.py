"""The CPU and RAM models: codecarbon's figures, in fixed steps, for the part of the host that a control group may use."""

from __future__ import annotations

import csv
import math
import os
import platform
import random
import re
import subprocess
import sys
import uuid
from collections import namedtuple
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecoia import meters
from ecoia.meters import GROUP, HOST, Meter, Method, hardware, tdp
from ecoia.meters.load_model import GENERIC_CPU_WATTS, LoadMeter
from ecoia.meters.ram_model import RamMeter, ram_watts
from ecoia.meters.tdp import tdp_watts, words
from ecoia.settings import load
from ecoia.testing.hardware import PowercapTree

JOULE = 1_000_000


def detect(root: Path) -> dict[str, Meter]:
    return {meter.component: meter for meter in meters.detect(load(), root=root)}


@pytest.mark.parametrize("model", ["Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "AMD Ryzen Threadripper 3970X 32-Core Processor"])
def test_the_load_model_is_codecarbons_own_from_rest_to_full_load(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """The watts equal those of its unmodified CPU class, which reads the load of a host through psutil."""
    from codecarbon.external import hardware as theirs

    times = namedtuple("times", "user system idle iowait guest guest_nice")  # type: ignore[name-match]
    ours = LoadMeter(205.0, known=True)
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
        assert ours.read(2.0, percent / 100) == pytest.approx(watts * 2 * JOULE, abs=2)


def test_the_load_model_grows_with_the_load_from_a_tenth_to_the_whole() -> None:
    meter = LoadMeter(100.0, known=True)
    readings = [meter.read(1.0, load / 100) or 0 for load in range(101)]
    assert readings[0] == 10 * JOULE
    assert readings[-1] == 100 * JOULE
    assert all(less < more for less, more in pairwise(readings))


# Greatest excess before a step ends: full load at its beginning, none after, read at the worst moment.
MOST_DEBT = 0.31
REST_STEPS = math.ceil(MOST_DEBT / 0.1)


@given(steps=st.lists(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 1)), min_size=1, max_size=6), min_size=1, max_size=6))
@example(steps=[[(610, 1.0), (390, 0.0)]])
def test_a_second_has_the_same_energy_however_it_is_read(steps: list[list[tuple[int, float]]]) -> None:
    """Readings within a step are provisional. Its end settles them, at the latest once an excess is used up."""
    split, whole = LoadMeter(100.0, known=True), LoadMeter(100.0, known=True)
    in_parts = at_once = 0
    for parts in steps:
        seconds, busy = 0.0, 0.0
        for milliseconds, share in parts:
            part = min(milliseconds / 1000, 1 - seconds)
            if part < 0.001:
                break
            part = round(part, 3)
            reading = split.read(part, share)
            assert reading is not None
            assert reading >= 0
            in_parts += reading
            seconds, busy = seconds + part, busy + part * share
        rest = round(1 - seconds, 3)
        in_parts += split.read(rest, 0.0) or 0
        at_once += whole.read(1.0, busy) or 0
        assert -2 <= in_parts - at_once <= MOST_DEBT * 100 * JOULE + 2
    for _ in range(REST_STEPS):
        in_parts += split.read(1.0, 0.0) or 0
        at_once += whole.read(1.0, 0.0) or 0
    assert in_parts == pytest.approx(at_once, abs=2)


@given(seconds=st.integers(1, 100_000), load_share=st.floats(0, 1), offset=st.integers(0, 999))
def test_a_late_reading_is_its_steps_at_the_mean_load(seconds: int, load_share: float, offset: int) -> None:
    """This includes a process that was stopped for a day, without a loop over the day."""
    late, punctual = LoadMeter(100.0, known=True), LoadMeter(100.0, known=True)
    begun = late.read(offset / 1000, load_share)
    assert begun is not None
    total = begun + (late.read(seconds - offset / 1000, load_share) or 0)
    one = punctual.read(1.0, load_share)
    assert one is not None
    assert total == pytest.approx(one * seconds, abs=seconds + 2)


def test_a_process_of_less_than_a_step_has_its_energy(tmp_path: Path) -> None:
    assert LoadMeter(100.0, known=True).read(0.25, 1.0) == 25 * JOULE


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
    "Some Vendor 6220",  # "6220" alone is the entry of another vendor
    "QEMU Virtual CPU version 2.5+",
    "Intel(R) Celeron(R) CPU 1200MHz",
    "unknown",
    "",
    # In the table, but without a usable number: "27.29.5" and "0.0".
    "Intel Celeron 1000A",
    "Intel Quark Microcontroller D1000",
)


@pytest.fixture(scope="module")
def entries() -> dict[str, str]:
    """The pinned release's table: name -> TDP as it is written."""
    spec = find_spec("codecarbon")
    assert spec is not None
    assert spec.origin is not None
    table = Path(spec.origin).parent / "data/hardware/cpu_power.csv"
    with table.open(encoding="utf-8", newline="") as file:
        return {row["Name"]: row["TDP"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(("model", "entry"), KNOWN.items())
def test_a_known_cpu_has_the_power_of_its_entry(entries: dict[str, str], model: str, entry: str) -> None:
    assert tdp_watts(model) == float(entries[entry])


def test_our_table_holds_every_usable_entry_of_codecarbons(entries: dict[str, str]) -> None:
    """An upgrade of codecarbon without a run of ``tools/codecarbon_tables.py`` fails here."""
    theirs: dict[frozenset[str], set[float]] = {}
    for name, text in entries.items():
        found = words(name)
        usable = re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0
        if usable and len(found) > 1 and any(char.isdigit() for char in "".join(found)):
            theirs.setdefault(found, set()).add(float(text))
    lines = [line for line in Path(tdp.__file__).with_suffix(".csv").read_text(encoding="ascii").splitlines() if line[0] != "#"]
    ours: dict[frozenset[str], set[float]] = {}
    for line in lines[1:]:
        entry, _, watts = line.partition(",")
        ours.setdefault(frozenset(entry.split()), set()).add(float(watts))
    assert len(theirs) > 4_000
    assert ours == theirs
    for found, watts in random.Random(13).sample(sorted(theirs.items(), key=lambda each: sorted(each[0])), 300):
        assert tdp_watts(" ".join(found)) == (next(iter(watts)) if len(watts) == 1 else None)


def test_a_name_is_never_another_processor_than_codecarbon_finds(entries: dict[str, str]) -> None:
    """codecarbon compares letters and sets of words; ours names more of what kernels write, and none differently."""
    import pandas
    from codecarbon.core.cpu import TDP

    theirs, frame = TDP.__new__(TDP), pandas.DataFrame(entries.items(), columns=["Name", "TDP"])
    compared = 0
    for model in (*KNOWN, *UNKNOWN):
        match = theirs._get_matching_cpu(model, frame) if model else None
        if match is not None and (ours := tdp_watts(model)) is not None:
            compared += 1
            assert ours == float(entries[match]), (model, match)
    assert compared >= 5


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_cpu_is_never_taken_for_another(model: str) -> None:
    assert tdp_watts(model) is None


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_an_unknown_cpu_gets_a_generic_power_that_says_so(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC\n")
    cpu = detect(tmp_path)["cpu"]
    assert cpu.method == Method("estimated", "load-model:generic-tdp")
    assert cpu.read(1.0, 1.0) == 4 * hardware.cpu_count() * JOULE


@pytest.mark.parametrize("sockets", [1, 2])
def test_each_socket_has_the_power_of_the_model(tmp_path: Path, sockets: int) -> None:
    """The table gives watts per package; the load is the whole host's."""
    write(tmp_path / "proc/cpuinfo", "model name\t: AMD EPYC 7763 64-Core Processor\n")
    for core in range(4):
        write(tmp_path / f"sys/devices/system/cpu/cpu{core}/topology/physical_package_id", f"{core % sockets}\n")
    cpu = detect(tmp_path)["cpu"]
    assert cpu.method == Method("estimated", "load-model:tdp")
    assert cpu.read(1.0, 1.0) == 280 * sockets * JOULE


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "armv7l"])
def test_the_memory_model_is_codecarbons_own_at_every_size(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    from codecarbon.external.ram import RAM

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    theirs = RAM()
    for gibibytes in (0.25, 1.9, 2, 2.1, *range(3, 140), *range(140, 4200, 7), 6144, 24576):
        assert ram_watts(round(gibibytes * 2**30), arm=machine != "x86_64") == theirs._calculate_ram_power(gibibytes), gibibytes
    assert RamMeter(32 * 2**30).read(3.0, 0.2) == round(theirs._calculate_ram_power(32) * 3 * JOULE)


def test_the_generic_power_is_codecarbons_own() -> None:
    from codecarbon.core.cpu import DEFAULT_POWER_PER_CORE

    assert GENERIC_CPU_WATTS == DEFAULT_POWER_PER_CORE


# --- control groups ------------------------------------------------------------------------------------------------

CPUS = hardware.cpu_count()
HALF, QUARTER = f"{CPUS * 50_000} 100000\n", f"{CPUS * 25_000} 100000\n"
V1_HALF = {"cpu.cfs_quota_us": f"{CPUS * 50_000}\n", "cpu.cfs_period_us": "100000\n"}
V1_QUARTER = {"cpu.cfs_quota_us": f"{CPUS * 25_000}\n", "cpu.cfs_period_us": "100000\n"}
V1_NONE = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}
STAT = "usage_usec {}\nuser_usec 1\nsystem_usec 1\n"


def lay_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write(root / name, text)
    return root


def in_folder(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


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
        # A group of version 2 that happens to be named memory and is not ours.
        ({"sys/fs/cgroup/cgroup.controllers": "cpu memory\n", "sys/fs/cgroup/memory/memory.max": "4096\n"}, None),
        ({}, None),
    ],
)
def test_memory_is_what_the_control_group_allows(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    lay_out(tmp_path, files)
    assert hardware.control_group(tmp_path).memory_bytes == limit
    assert hardware.context(tmp_path)["memory_bytes"] == (limit or psutil.virtual_memory().total)
    ram = detect(tmp_path)["ram"]
    assert ram.domain == (HOST if limit is None else GROUP)
    assert ram.read(1.0, 0.5) == RamMeter(limit or psutil.virtual_memory().total).read(1.0, 0.5)


@pytest.mark.parametrize(
    ("files", "share", "usage_ns"),
    [
        # A container of version 2 sees its own group as the top.
        (
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": HALF, "sys/fs/cgroup/cpu.stat": STAT.format(7)},
            0.5,
            7_000,
        ),
        # A service below a slice with the smaller quota: the slice's CPU time belongs to the quota.
        (
            {
                "proc/self/cgroup": "0::/a.slice/b.service\n",
                "sys/fs/cgroup/cgroup.controllers": "cpu\n",
                "sys/fs/cgroup/cpu.stat": STAT.format(100),
                "sys/fs/cgroup/a.slice/cpu.max": QUARTER,
                "sys/fs/cgroup/a.slice/cpu.stat": STAT.format(11),
                "sys/fs/cgroup/a.slice/b.service/cpu.max": HALF,
                "sys/fs/cgroup/a.slice/b.service/cpu.stat": STAT.format(5),
            },
            0.25,
            11_000,
        ),
        # Version 1 in a container without a namespace: the path is the host's, the mount is the group.
        (
            {
                "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
                **in_folder("sys/fs/cgroup/cpu", V1_HALF),
                "sys/fs/cgroup/cpuacct/cpuacct.usage": "4242\n",
                "sys/fs/cgroup/cpu/cpu.stat": "nr_periods 1\nnr_throttled 0\nthrottled_time 0\n",
            },
            0.5,
            4_242,
        ),
        # Version 1, nested, seen from the host.
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/slurm/job_7\n",
                **in_folder("sys/fs/cgroup/cpu", V1_NONE),
                **in_folder("sys/fs/cgroup/cpu/slurm", V1_NONE),
                **in_folder("sys/fs/cgroup/cpu/slurm/job_7", V1_QUARTER),
                "sys/fs/cgroup/cpuacct/cpuacct.usage": "90\n",
                "sys/fs/cgroup/cpuacct/slurm/job_7/cpuacct.usage": "40\n",
            },
            0.25,
            40,
        ),
        # Both versions: controllers of version 1, and version 2 for names only.
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/job\n0::/user.slice\n",
                "sys/fs/cgroup/unified/user.slice/cpu.stat": STAT.format(1),
                **in_folder("sys/fs/cgroup/cpu/job", V1_HALF),
                "sys/fs/cgroup/cpuacct/job/cpuacct.usage": "66\n",
            },
            0.5,
            66,
        ),
        # No quota: the outermost visible group.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/cpu.stat": STAT.format(100),
                "sys/fs/cgroup/a/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.stat": STAT.format(11),
            },
            None,
            100_000,
        ),
        # A limit above the host's memory is no limit; an unreadable limit is none either.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{(CPUS + 1) * 100_000} 100000\n"}, None, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "what\n"}, None, None),
        # A group outside of our namespace.
        (
            {"proc/self/cgroup": "0::/../x\n", "sys/fs/x/cpu.max": HALF, "sys/fs/cgroup/cpu.stat": STAT.format(3)},
            None,
            3_000,
        ),
        ({}, None, None),
    ],
)
def test_a_quota_is_found_with_the_time_of_the_group_that_carries_it(
    tmp_path: Path, files: dict[str, str], share: float | None, usage_ns: int | None
) -> None:
    group = hardware.control_group(lay_out(tmp_path, files))
    assert group.share == share
    assert group.cpus == (None if share is None else share * CPUS)
    assert group.cpu_usage_ns() == usage_ns


def test_another_process_and_a_path_have_groups_too(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/77/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.max": HALF,
            "sys/fs/cgroup/a/cpu.stat": STAT.format(2),
            "sys/fs/cgroup/a/b/memory.max": "4096\n",
        },
    )
    assert hardware.control_group(tmp_path).cpus is None
    other = hardware.control_group(tmp_path, pid=77)
    assert (other.cpus, other.memory_bytes, other.cpu_usage_ns()) == (CPUS / 2, 4096, 2_000)
    assert hardware.control_group(tmp_path, path="/a/b") == other
    assert hardware.control_group(tmp_path, path="/a").memory_bytes is None
    assert hardware.control_group(tmp_path, pid=78) == hardware.control_group(tmp_path)


@pytest.mark.parametrize("shown", ["0::/../app\n", "0::/kubepods/pod7/app\n"])
def test_the_limits_of_another_container_are_not_taken_from_our_own(tmp_path: Path, shown: str) -> None:
    """In a sidecar, the top is the sidecar's own group, with or without a cgroup namespace."""
    files = {"proc/self/cgroup": "0::/\n", "proc/77/cgroup": shown, "sys/fs/cgroup/cgroup.controllers": "cpu\n"}
    lay_out(tmp_path, {**files, "sys/fs/cgroup/cpu.max": QUARTER, "sys/fs/cgroup/cpu.stat": STAT.format(3)})
    assert hardware.control_group(tmp_path).share == 0.25
    assert hardware.control_group(tmp_path, pid=77) == hardware.ControlGroup(None, None, None)


def test_a_memory_limit_alone_makes_its_group_the_one_whose_time_counts(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/cpu.stat": STAT.format(9),
            "sys/fs/cgroup/a/b/memory.max": "4096\n",
            "sys/fs/cgroup/a/b/cpu.stat": STAT.format(2),
        },
    )
    assert hardware.control_group(tmp_path).cpu_usage_ns() == 2_000


@pytest.mark.parametrize(("model", "host_watts"), [("AMD EPYC 7763 64-Core Processor", 280.0), ("AMD EPYC", 4.0 * CPUS)])
def test_in_a_group_with_a_quota_its_part_of_the_host_is_modelled(tmp_path: Path, model: str, host_watts: float) -> None:
    write(tmp_path / "proc/cpuinfo", f"model name\t: {model}\n")
    host = detect(tmp_path)["cpu"]
    write(tmp_path / "sys/fs/cgroup/cpu.max", QUARTER)
    group = detect(tmp_path)["cpu"]
    assert (host.domain, group.domain) == (HOST, GROUP)
    assert host.method == group.method
    assert host.read(1.0, 1.0) == pytest.approx(host_watts * JOULE)
    assert group.read(1.0, 1.0) == pytest.approx(host_watts / 4 * JOULE)
    cpu = meters.diagnose(load(), tmp_path)[0]
    assert "25.0%" in cpu.why


def test_counters_are_of_the_host_whatever_the_group_may_use(tmp_path: Path) -> None:
    tree = PowercapTree(tmp_path / "root")
    tree.add("package-0").set(JOULE)
    write(tree.root / "sys/fs/cgroup/cpu.max", HALF)
    assert detect(tree.root)["cpu"].domain == HOST


def test_facts_hold_the_groups_part_beside_the_hosts(tmp_path: Path) -> None:
    lay_out(tmp_path, {"sys/fs/cgroup/cpu.max": HALF, "sys/fs/cgroup/memory.max": "1048576\n"})
    facts = hardware.context(tmp_path)
    assert (facts["cpu_count"], facts["host_cpu_count"]) == (CPUS / 2, CPUS)
    assert (facts["memory_bytes"], facts["host_memory_bytes"]) == (1_048_576, psutil.virtual_memory().total)


@pytest.fixture
def real_group() -> Iterator[str]:
    """Make a control group with a quota of half a CPU in this machine's kernel; return its path."""
    name = f"ecoia-test-{uuid.uuid4().hex[:8]}"
    mounted = Path("/sys/fs/cgroup")
    made = []
    try:
        if (mounted / "cgroup.controllers").exists():
            folders, quota = [mounted / name], {"cpu.max": "50000 100000"}
        else:
            folders, quota = [mounted / "cpu" / name, mounted / "cpuacct" / name], {"cpu.cfs_quota_us": "50000"}
        for folder in folders:
            if not folder.exists():  # cpu and cpuacct are one hierarchy on most machines
                folder.mkdir()
                made.append(folder)
        for file, text in quota.items():
            (folders[0] / file).write_text(text)
    except OSError as error:
        for folder in made:
            folder.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    yield f"/{name}"
    for folder in made:
        folder.rmdir()


def test_a_real_group_with_a_quota_is_seen_from_inside_and_outside(real_group: str) -> None:
    """A process in the group burns 0.2 s of CPU and prints what it reads from the kernel's files."""
    program = """
import sys, time
from ecoia.meters import hardware
sys.stdin.readline()
group = hardware.control_group()
before = group.cpu_usage_ns()
while time.process_time() < 0.2: pass
print(group.cpus, group.cpu_usage_ns() - before)
sys.stdout.flush(); sys.stdin.readline()
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for folder in Path("/sys/fs/cgroup").glob(f"*{real_group}"):
            (folder / "cgroup.procs").write_text(str(process.pid))
        if (Path("/sys/fs/cgroup") / real_group[1:]).is_dir():
            (Path("/sys/fs/cgroup") / real_group[1:] / "cgroup.procs").write_text(str(process.pid))
        process.stdin.write("go\n")
        process.stdin.flush()
        cpus, used_ns = process.stdout.readline().split()
        outside = hardware.control_group(pid=process.pid)
        assert outside == hardware.control_group(path=real_group)
        process.stdin.write("end\n")
    assert float(cpus) == outside.cpus == 0.5
    assert 0 < int(used_ns) <= (outside.cpu_usage_ns() or 0)
    assert int(used_ns) >= 0.05e9


def test_guest_time_is_inside_user_time() -> None:
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    fields = {"user": 1000, "nice": 100, "system": 200, "idle": 5000, "iowait": 300, "irq": 20, "softirq": 30, "steal": 40}
    line = "cpu  " + " ".join(map(str, fields.values()))
    alone = hardware.parse_stat(f"{line} 0 0\n".encode())
    assert alone.busy_ns == 1350 * tick_ns
    assert alone.total_ns == sum(fields.values()) * tick_ns
    assert hardware.parse_stat(f"{line} 900 90\n".encode()) == alone
    assert hardware.parse_stat(b"cpu  1000 100 200 5000\n").total_ns == 6300 * tick_ns

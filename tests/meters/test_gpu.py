"""GPUs on a compiled NVML library that pynvml loads like NVIDIA's; AMD's on a fake of its package.

Each program below runs in its own process, since a loaded library stays loaded. docs/measurement.md lists what this leaves
unchecked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecoia import meters
from ecoia.meters import gpu, hardware
from ecoia.meters.nvml import Gpu, Instance, UnclearError, visible_devices
from ecoia.testing.hardware import FakeNvml, add_pci_device, build_fake_nvml
from support.programs import recorded, run_python

pytestmark = pytest.mark.traced  # the fake GPU library is loaded by a program

JOULE = 1_000_000

# --- which devices -------------------------------------------------------------------------------------------------

A, B, C = Gpu("GPU-aaaa1111-0000"), Gpu("GPU-aaaa2222-0000"), Gpu("GPU-bbbb3333-0000")
FIRST, SECOND = Instance("MIG-11-aa", 3, 0), Instance("MIG-22-bb", 5, 1)
DIVIDED = Gpu("GPU-cccc4444-0000", True, (FIRST, SECOND))


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, [A, B, C]),
        ("", []),
        ("1", [B]),
        ("2, 0", [C, A]),
        ("GPU-bbbb3333-0000", [C]),
        ("GPU-bbbb", [C]),
        ("GPU-aaaa", []),  # two GPUs begin like this
        ("0,7,1", [A]),
        ("0,-1,1", [A]),
        ("1,GPU-cccc,0", [B]),
        ("1,1", [B]),
        ("MIG-GPU-bbbb3333-0000/1/0", []),  # not divided
    ],
)
def test_cuda_visible_devices(visible: str | None, chosen: list[Gpu]) -> None:
    assert visible_devices([A, B, C], visible) == [(gpu, None) for gpu in chosen]


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        ("MIG-22-bb", [(DIVIDED, SECOND)]),
        ("MIG-22", []),  # CUDA abbreviates GPUs only
        ("MIG-GPU-cccc4444-0000/5/1", [(DIVIDED, SECOND)]),
        ("MIG-GPU-cccc4444-0000/5/0", []),
        ("MIG-11-aa,MIG-22-bb", [(DIVIDED, FIRST)]),  # a process can use one
        ("MIG-99-zz,0", []),
        ("0,MIG-22-bb", [(A, None), (DIVIDED, SECOND)]),
    ],
)
def test_instances_of_a_divided_gpu_are_named_in_both_forms(visible: str, chosen: list[tuple[Gpu, Instance | None]]) -> None:
    assert visible_devices([A, DIVIDED], visible) == chosen


@pytest.mark.parametrize("visible", [None, "1", "GPU-cccc"])
def test_a_divided_gpu_named_as_a_whole_stands_for_its_only_instance(visible: str | None) -> None:
    with pytest.raises(UnclearError, match="GPU-cccc4444-0000 is divided into 2 instances"):
        visible_devices([Gpu("GPU-dddd", True), DIVIDED], visible)
    single = Gpu(DIVIDED.uuid, True, (SECOND,))
    assert visible_devices([Gpu("GPU-dddd", True), single], visible) == [(single, SECOND)]


@pytest.mark.parametrize(
    ("device_class", "vendor", "name"),
    [
        ("0x030200", "0x10de", "no-driver"),  # NVIDIA accelerator
        ("0x030000", "0x10de", "no-driver"),  # NVIDIA with a screen
        ("0x038000", "0x1002", "no-driver"),  # AMD Instinct MI200
        ("0x120000", "0x1002", "no-driver"),  # AMD Instinct MI300
        ("0x040300", "0x10de", "no-device"),  # the sound device of the card
        ("0x030000", "0x8086", "no-device"),  # graphics inside the CPU, which is part of the measured package
    ],
)
def test_a_gpu_without_a_driver_differs_from_no_gpu(tmp_path: Path, device_class: str, vendor: str, name: str) -> None:
    assert hardware.gpu_vendors(tmp_path) is None
    assert gpu.absence(None).name == "none"
    add_pci_device(tmp_path, "0000:00:01.0", device_class="0x060000", vendor="0x8086")
    assert hardware.gpu_vendors(tmp_path) == set()
    add_pci_device(tmp_path, "0000:00:05.0", device_class=device_class, vendor=vendor)
    on_bus = hardware.gpu_vendors(tmp_path)
    assert on_bus == (set() if device_class == "0x040300" else {vendor})
    absence = gpu.absence(on_bus)
    assert absence.name == name
    assert (absence.remedy is not None) is (name == "no-driver")


# --- on the fake driver --------------------------------------------------------------------------------------------

_PRELUDE = """
import json, os, sys, time
from pathlib import Path
from ecoia import meters
from ecoia.meters import gpu as gpus, nvml
from ecoia.settings import load
from ecoia.testing.hardware import FakeGpu, FakeInstance, FakeNvml, FakeProcess, FakeSample

fake, root = FakeNvml(Path(sys.argv[1])), Path(sys.argv[2])
ME, OTHER = os.getpid(), 4_000_001
A, B = "GPU-11111111-aaaa", "GPU-22222222-bbbb"
nvml.USERS_SECONDS = nvml.RENEWAL_SECONDS = 0  # ask at each reading, since readings follow at once here
told = {}

def gpu(pids=(ME,)):
    return gpus.meter(root, lambda: pids)

def counted(uuid, millijoules, **more):
    return FakeGpu(uuid, energy_millijoules=millijoules, **more)

def powered(uuid, milliwatts, **more):
    return FakeGpu(uuid, energy_millijoules=None, power_milliwatts=milliwatts, **more)

def read(meter):
    return meter.read(1.0, 0.5)
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeNvml:
    return build_fake_nvml(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def on_gpus(fake: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run a program on the fake driver, on a host where each process has one id; return what it puts into ``told``."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    root = tmp_path / "root"
    add_pci_device(root, "0000:01:00.0", device_class="0x030200", vendor=hardware.NVIDIA)
    namespace = root / "proc/self/ns/pid"
    namespace.parent.mkdir(parents=True)
    namespace.symlink_to("pid:[4026531836]")

    def run(program: str, **environment: str) -> dict[str, Any]:
        fake.show()
        library = {"LD_LIBRARY_PATH": str(fake.folder)}
        text = f"{_PRELUDE}\n{program}\nprint(json.dumps(told))"
        done = run_python(text, str(fake.folder), str(root), **library | environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr == "", "nothing is said to the host"
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return run


OnGpus = Callable[..., dict[str, Any]]


def test_two_gpus_are_read_by_their_counters_to_the_microjoule(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 5_000_000), counted(B, 100))
meter = gpu()
told["method"], told["devices"], told["domain"] = [meter.method.status, meter.method.name], meter.devices, meter.domain
told["seconds"] = meter.reading_seconds
fake.show(counted(A, 5_123_456), counted(B, 1_101))
told["read"] = [read(meter), read(meter)]
told["shared"], told["lost"] = meter.shared_devices, meter.lost()
""")
    assert told["method"] == ["measured", "nvml"]
    assert told["devices"] == ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]
    assert (told["domain"], told["seconds"]) == ("devices", 1.0)
    assert told["read"] == [(123_456 + 1_001) * 1_000, 0]
    assert (told["shared"], told["lost"]) == (["GPU-11111111-aaaa", "GPU-22222222-bbbb"], {}), "nobody holds them"


def test_a_live_gpu_is_followed_to_one_step_of_its_counter(on_gpus: OnGpus) -> None:
    """The GPU draws 300 W and updates its counter ten times a second; both clocks bound the energy."""
    told = on_gpus("""
fake.show(counted(A, 10_000, drift_milliwatts=300_000))
before = time.perf_counter(); meter = gpu(); begun = time.perf_counter()
readings = []
while time.perf_counter() < begun + 3:
    time.sleep(0.23)
    last = time.perf_counter()
    readings.append(read(meter))
told["seconds"] = [last - begun, time.perf_counter() - before]
told["readings"] = readings
""")
    step = 30 * JOULE
    least, most = told["seconds"]
    assert 300 * JOULE * least * 0.999 - step <= sum(told["readings"]) <= 300 * JOULE * most * 1.001 + step
    assert len(told["readings"]) > 5
    assert all(reading >= 0 and reading % step == 0 for reading in told["readings"]), "it moves in steps, like a real one"


def test_a_gpu_without_a_counter_is_integrated_from_its_power_and_labelled(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(powered(A, 100_000))
before = time.perf_counter(); meter = gpu(); begun = time.perf_counter()
fake.show(powered(A, 300_000))
time.sleep(0.3)
last = time.perf_counter(); told["used"] = read(meter); end = time.perf_counter()
told["bounds"] = [200e6 * (last - begun), 200e6 * (end - before)]
told["method"], told["seconds"] = meter.method.name, meter.reading_seconds
""")
    assert (told["method"], told["seconds"]) == ("nvml-power", 0.1)
    least, most = told["bounds"]
    assert least - 1 <= told["used"] <= most + 1, "a trapezoid between our own time stamps"


def test_each_device_is_read_in_its_own_way_and_the_weakest_method_names_the_sum(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 0), powered(B, 0))
meter = gpu()
told["method"], told["seconds"] = meter.method.name, meter.reading_seconds
fake.show(counted(A, 7), powered(B, 0))
told["read"] = read(meter)
""")
    assert (told["method"], told["seconds"], told["read"]) == ("nvml-power", 0.1, 7_000)


@pytest.mark.parametrize(
    ("visible", "devices", "microjoules"),
    [
        ("1", ["GPU-22222222-bbbb"], 10_000),
        ("GPU-22222222-bbbb", ["GPU-22222222-bbbb"], 10_000),
        ("GPU-2222", ["GPU-22222222-bbbb"], 10_000),
        ("0,9,1", ["GPU-11111111-aaaa"], 1_000),
        ("1,0", ["GPU-22222222-bbbb", "GPU-11111111-aaaa"], 11_000),
        ("", "hidden", None),
        ("9", "hidden", None),
        ("MIG-3f-9", "mig", None),
    ],
)
def test_only_gpus_that_the_process_can_use_are_read(
    on_gpus: OnGpus, visible: str, devices: list[str] | str, microjoules: int | None
) -> None:
    program = """
fake.show(counted(A, 0), counted(B, 0))
meter = gpu()
fake.show(counted(A, 1), counted(B, 10))
told["found"] = meter.name if isinstance(meter, meters.Absence) else meter.devices
told["read"] = None if isinstance(meter, meters.Absence) else read(meter)
"""
    assert on_gpus(program, CUDA_VISIBLE_DEVICES=visible) == {"found": devices, "read": microjoules}


def test_gpus_of_another_job_are_neither_read_nor_numbered(on_gpus: OnGpus) -> None:
    """A batch system lets a job open only its own GPUs; CUDA numbers them from 0."""
    told = on_gpus(
        """
fake.show(counted(A, 0, error=4), counted(B, 0))
meter = gpu()
told["devices"] = meter.devices
fake.show(counted(A, 9, error=4), counted(B, 2))
told["read"] = read(meter)
fake.show(counted(A, 9, error=4), counted(B, 2, error=4))
told["none"] = gpu().name
""",
        CUDA_VISIBLE_DEVICES="0",
    )
    assert told == {"devices": ["GPU-22222222-bbbb"], "read": 2_000, "none": "hidden"}


# --- devices that fail ---------------------------------------------------------------------------------------------


def test_a_gpu_that_does_not_answer_is_unread_not_zero_and_its_counter_fills_the_gap_later(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 100), counted(B, 0))
meter = gpu()
fake.show(counted(A, 100, error=15), counted(B, 5))
told["lost"] = [read(meter), read(meter)]
fake.show(counted(A, 107), counted(B, 6))
told["back"] = [read(meter), read(meter)]
told["resets"] = meter.lost()
""")
    assert told["lost"] == [None, None]
    assert told["back"] == [7_000 + 6_000, 0], "what the other GPU used meanwhile was kept"
    assert told["resets"] == {}


def test_a_gpu_without_a_counter_loses_the_time_without_an_answer(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(powered(A, 1_000_000), counted(B, 0))
meter = gpu()
fake.show(powered(A, None), counted(B, 3))
told["silent"] = read(meter)
time.sleep(0.2)
fake.show(powered(A, 0), counted(B, 4))
told["back"] = [read(meter), read(meter)]
""")
    assert told["silent"] is None
    assert told["back"] == [None, 4_000], "nothing to integrate from, then 0 W; the other GPU's counter catches up"


def test_a_counter_that_restarts_is_bridged_by_power_and_flagged(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 5_000_000), counted(B, 0))
before = time.perf_counter(); meter = gpu(); begun = time.perf_counter()
time.sleep(0.2)
fake.show(counted(A, 10, power_milliwatts=50_000), counted(B, 1_000))
last = time.perf_counter(); told["used"] = read(meter); end = time.perf_counter()
told["bounds"] = [50e6 * (last - begun) + 1e6, 50e6 * (end - before) + 1e6]
told["flags"] = [meter.lost(), meter.lost()]
fake.show(counted(A, 12), counted(B, 1_000))
told["next"] = read(meter)
fake.show(counted(A, 0, power_milliwatts=None), counted(B, 1_000))
told["without power"] = [read(meter), meter.lost(), read(meter)]
""")
    least, most = told["bounds"]
    assert least - 1 <= told["used"] <= most + 1
    assert told["flags"] == [{"gpu-counter-reset": 1}, {}]
    assert told["next"] == 2_000
    assert told["without power"] == [None, {"gpu-counter-reset": 1}, 0]


def test_reading_continues_after_a_driver_reload(on_gpus: OnGpus) -> None:
    """A reload makes handles and the initialisation void; a second user of NVML in the process keeps its own."""
    told = on_gpus("""
import pynvml
fake.show(counted(A, 5))
meter = gpu()
told["users"] = [pynvml._nvmlLib_refcount]
fake.show(error=9)
told["unloaded"] = [read(meter), read(meter)]
fake.show(counted(A, 8), generation=1)
told["loaded"] = [read(meter), read(meter)]
told["users"].append(pynvml._nvmlLib_refcount)
fake.show(counted(A, 9), generation=1)
told["on"] = read(meter)
""")
    assert told["unloaded"] == [None, None]
    assert told["loaded"] == [None, 3_000]
    assert told["on"] == 1_000
    assert told["users"] == [1, 1]


def test_a_driver_that_stays_away_is_asked_rarely(on_gpus: OnGpus) -> None:
    told = on_gpus("""
import pynvml
nvml.RENEWAL_SECONDS = 1.0
fake.show(counted(A, 5))
meter = gpu()
tries = []
real = pynvml.nvmlInit
def counted_init():
    tries.append(time.monotonic())
    real()
pynvml.nvmlInit = counted_init
fake.show(error=9)
while len(tries) < 3:
    assert read(meter) is None
told["pauses"] = [round(later - earlier, 2) for earlier, later in zip(tries, tries[1:])]
""")
    first, second = told["pauses"]
    assert first >= 0.9
    assert second >= 1.9


def test_the_hosts_own_use_of_nvml_and_ours_do_not_end_each_other(on_gpus: OnGpus) -> None:
    told = on_gpus("""
import pynvml
fake.show(counted(A, 5))
pynvml.nvmlInit()
meter = gpu()
pynvml.nvmlShutdown()
fake.show(counted(A, 6))
told["ours"] = read(meter)
pynvml.nvmlInit()
meter._renew()
told["theirs"] = pynvml.nvmlDeviceGetCount()
pynvml.nvmlShutdown()
told["after"] = read(meter)
# A host program that shuts NVML down too often ends our use too, once; then we initialise again.
pynvml.nvmlShutdown()
fake.show(counted(A, 8))
told["again"] = [read(meter), read(meter)]
""")
    assert told == {"ours": 1_000, "theirs": 1, "after": 0, "again": [None, 2_000]}


def test_a_gpu_lost_from_the_start_is_missing_only_for_its_users(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 0), counted(B, 0, error=15))
found = meters.detect(load(), root=root)
told["both"] = [sorted(meter.component for meter in found), found.absent["gpu"].name, found.absent["gpu"].why]
os.environ["CUDA_VISIBLE_DEVICES"] = "0"
meter = gpu()
fake.show(counted(A, 3), counted(B, 0, error=15))
told["first"] = [meter.devices, read(meter)]
os.environ["CUDA_VISIBLE_DEVICES"] = "1"
fake.show(counted(A, 3), powered(B, None))
told["mute"] = meters.detect(load(), root=root).absent["gpu"].name
""")
    components, name, why = told["both"]
    assert components == ["cpu", "ram"]
    assert name == "failed:NVMLError_GpuIsLost"
    assert "GPU is lost" in why
    assert told["first"] == [["GPU-11111111-aaaa"], 3_000]
    assert told["mute"] == "failed:NVMLError_NotSupported"


def test_a_forked_child_reads_for_itself(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 0))
meter = gpu()
fake.show(counted(A, 5))
receiver, sender = os.pipe()
if os.fork() == 0:
    child = gpu([os.getpid()])
    fake.show(counted(A, 7))
    os.write(sender, json.dumps([read(child), child.devices]).encode())
    os._exit(0)
os.wait()
told["child"] = json.loads(os.read(receiver, 1000))
told["parent"] = read(meter)
""")
    assert told == {"child": [2_000, ["GPU-11111111-aaaa"]], "parent": 7_000}


# --- shared with others --------------------------------------------------------------------------------------------


def test_the_claims_of_two_processes_add_up_to_the_counter(on_gpus: OnGpus) -> None:
    """Shares follow utilisation while either is busy, and numbers at rest: 300 readings lose nothing and count nothing twice."""
    told = on_gpus("""
import random
chance = random.Random(3)
nvml.SAMPLES_SECONDS = 0
holders = (FakeProcess(ME), FakeProcess(OTHER, graphics=True))
fake.show(counted(A, 0, processes=holders))
mine, theirs = gpu([ME]), gpu([OTHER])
claims, counter, now_us = [0, 0], 0, 1
told["worst"], told["marked"] = 0, False
for _ in range(300):
    counter += chance.randrange(1000)
    now_us += 1
    samples = tuple(FakeSample(pid, now_us, chance.randrange(101)) for pid in (ME, OTHER) if chance.random() < 0.7)
    fake.show(counted(A, counter, processes=holders, samples=samples))
    claims[0] += read(mine)
    claims[1] += read(theirs)
    told["worst"] = max(told["worst"], abs(sum(claims) - 1000 * counter))
    told["marked"] |= bool(mine.shared_devices or theirs.shared_devices)
told["each"] = [claim / (1000 * counter) for claim in claims]
""")
    assert told["worst"] <= 2, "each holds back less than a microjoule"
    assert told["marked"] is False
    assert all(0.3 < part < 0.7 for part in told["each"])


def test_our_share_follows_the_utilisation_and_lasts_until_the_next_sample(on_gpus: OnGpus) -> None:
    told = on_gpus("""
both = (FakeProcess(ME), FakeProcess(OTHER, graphics=True))
seen = (FakeSample(ME, 5, 100),)
fake.show(counted(A, 0, processes=both, samples=seen))
meter = gpu()
def use(millijoules, *samples):
    fake.show(counted(A, millijoules, processes=both, samples=seen + samples))
    return read(meter)
told["before any sample"] = use(100)
told["one to four"] = use(200, FakeSample(ME, 6, 20), FakeSample(OTHER, 6, 80))
told["no new sample"] = use(300, FakeSample(ME, 6, 20), FakeSample(OTHER, 6, 80))
told["noise"] = use(400, FakeSample(ME, 7, 10), FakeSample(OTHER, 7, 10), FakeSample(77, 7, 4_000_000), FakeSample(0, 7, 5))
told["alone"] = use(500, FakeSample(ME, 8, 10))
told["others only"] = use(600, FakeSample(OTHER, 9, 10))
nvml.SAMPLES_SECONDS = 0
told["at rest"] = use(700, FakeSample(OTHER, 9, 10))
""")
    assert told == {
        "before any sample": 50_000,
        "one to four": 20_000,
        "no new sample": 20_000,
        "noise": 50_000,
        "alone": 100_000,
        "others only": 0,
        "at rest": 50_000,
    }


def test_processes_that_ended_before_the_reading_keep_their_share(on_gpus: OnGpus) -> None:
    told = on_gpus("""
CHILD = 4_000_002
ours = [ME, CHILD]
fake.show(counted(A, 0, processes=(FakeProcess(ME), FakeProcess(CHILD))))
meter = gpu(ours)
read(meter)
ours.remove(CHILD)  # it and another user's process end; the driver's samples still hold them
fake.show(counted(A, 100, processes=(FakeProcess(ME),), samples=(FakeSample(CHILD, 5, 30), FakeSample(OTHER, 5, 10))))
told["used"], told["shared"] = read(meter), meter.shared_devices
""")
    assert told == {"used": 75_000, "shared": []}


def test_a_gpu_that_the_driver_cannot_split_is_claimed_whole_and_marked(on_gpus: OnGpus) -> None:
    told = on_gpus("""
both = (FakeProcess(ME), FakeProcess(OTHER))
fake.show(counted(A, 0), counted(B, 0))
meter = gpu()
def use(millijoules, **more):
    fake.show(counted(A, millijoules, **more), counted(B, 0, processes=(FakeProcess(ME),), samples=None))
    return [read(meter), meter.shared_devices]
told["no samples"] = use(1, processes=both, samples=None)
told["alone again"] = use(2, processes=(FakeProcess(ME),), samples=None)
told["no list"] = use(3, processes=None)
told["nobody"] = use(4)
told["kept"] = []
fake.show(counted(A, 5, processes=both, samples=None), counted(B, 0, error=15))
told["kept"].append([read(meter), meter.shared_devices])
told["kept"].append(use(6))
told["lost"] = meter.lost()
""")
    assert told["no samples"] == [1_000, ["GPU-11111111-aaaa"]]
    assert told["alone again"] == [1_000, []]
    assert told["no list"] == [1_000, ["GPU-11111111-aaaa"]]
    assert told["nobody"] == [1_000, ["GPU-11111111-aaaa"]], "eight such processes would claim it eight times"
    assert told["kept"] == [[None, []], [2_000, ["GPU-11111111-aaaa"]]], "the mark goes with the energy"
    assert told["lost"] == {}


def test_in_a_container_that_hides_process_ids_a_used_gpu_is_claimed_whole_and_marked(on_gpus: OnGpus) -> None:
    """On the host itself, a list without our ids means that others use the GPU."""
    told = on_gpus("""
others = dict(processes=(FakeProcess(OTHER),), samples=(FakeSample(OTHER, 5, 50),))
fake.show(counted(A, 0, **others))
host, container = gpu(), nvml.detect_gpu(root / "elsewhere", lambda: [ME])
fake.show(counted(A, 4, **others))
told["host"] = [read(host), host.shared_devices]
told["container"] = [read(container), container.shared_devices]
both = (FakeProcess(ME), FakeProcess(OTHER))
fake.show(counted(A, 8, processes=both, samples=(FakeSample(ME, 6, 10), FakeSample(OTHER, 6, 30))))
told["found"] = [read(container), container.shared_devices]
""")
    assert told["host"] == [0, []]
    assert told["container"] == [4_000, ["GPU-11111111-aaaa"]]
    assert told["found"] == [1_000, []]


def test_the_users_of_a_gpu_are_not_listed_at_every_reading(on_gpus: OnGpus) -> None:
    told = on_gpus("""
nvml.USERS_SECONDS = 3600
asked = []
fake.show(counted(A, 0, processes=(FakeProcess(ME), FakeProcess(OTHER))))
meter = gpus.meter(root, lambda: asked.append(1) or [ME])
read(meter)
for millijoules in range(2, 22, 2):
    fake.show(counted(A, millijoules, processes=(FakeProcess(ME),)))
    told.setdefault("read", []).append(read(meter))
told["asked"] = len(asked)
""")
    assert told == {"read": [1_000] * 10, "asked": 1}


# --- divided GPUs --------------------------------------------------------------------------------------------------

_DIVIDED = """
def divided(millijoules, *instances, **more):
    return counted(A, millijoules, most_instances=7, instances=instances, **more)
THREE = FakeInstance("MIG-33-aa", gpu_instance=2, compute_instance=0, compute_slices=3)
FOUR = FakeInstance("MIG-44-bb", gpu_instance=5, compute_instance=1, compute_slices=4)
def absence():
    found = gpu()
    return [found.name, found.why, found.remedy]
"""


def test_the_instances_of_a_divided_gpu_have_their_slices_of_its_energy(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(0, THREE, FOUR), counted(B, 0))
found = []
for visible in ("MIG-33-aa", "MIG-GPU-11111111-aaaa/5/1"):
    os.environ["CUDA_VISIBLE_DEVICES"] = visible
    found.append(gpu())
told["methods"] = [[meter.method.status, meter.method.name, meter.reading_seconds] for meter in found]
told["devices"] = [meter.devices for meter in found]
claims, millijoules = [0, 0], 0
for _ in range(100):
    millijoules += 10
    fake.show(divided(millijoules, THREE, FOUR), counted(B, 10))
    claims = [claim + read(meter) for claim, meter in zip(claims, found)]
told["claims"] = claims
told["why"] = gpus.explain(found[0].method)
"""
    )
    assert told["methods"] == [["estimated", "nvml-mig-share", 1.0]] * 2
    assert told["devices"] == [["MIG-33-aa"], ["MIG-44-bb"]]
    assert told["claims"] == [1_000_000 * 3 // 7, 1_000_000 * 4 // 7]
    assert "compute slices" in told["why"][0]


def test_an_instance_shared_by_processes_is_marked_by_its_own_id(on_gpus: OnGpus) -> None:
    """The driver gives no utilisation of instances; the users of the other instances play no part."""
    told = on_gpus(
        _DIVIDED
        + """
from dataclasses import replace
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-33-aa"
neighbour = replace(FOUR, processes=(FakeProcess(OTHER),))
fake.show(divided(0, replace(THREE, processes=(FakeProcess(ME),)), neighbour))
meter = gpu()
fake.show(divided(7, replace(THREE, processes=(FakeProcess(ME),)), neighbour))
told["alone"] = [read(meter), meter.shared_devices]
fake.show(divided(14, replace(THREE, processes=(FakeProcess(ME), FakeProcess(OTHER))), neighbour))
told["shared"] = [read(meter), meter.shared_devices]
"""
    )
    assert told == {"alone": [3_000, []], "shared": [3_000, ["MIG-33-aa"]]}


def test_an_instance_is_found_again_after_a_reload(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(0, THREE))
meter = gpu()
told["only one"] = meter.devices
fake.show(divided(7, THREE), generation=1)
told["reloaded"] = [read(meter), read(meter)]
"""
    )
    assert told == {"only one": ["MIG-33-aa"], "reloaded": [None, 3_000]}


def test_an_instance_of_a_gpu_without_a_counter_has_its_share_of_the_power(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(None, FOUR, power_milliwatts=700_000))
before = time.perf_counter(); meter = gpu(); begun = time.perf_counter()
time.sleep(0.1)
last = time.perf_counter(); told["used"] = read(meter); end = time.perf_counter()
told["bounds"] = [400e6 * (last - begun), 400e6 * (end - before)]
told["method"], told["seconds"] = meter.method.name, meter.reading_seconds
"""
    )
    assert (told["method"], told["seconds"]) == ("nvml-mig-share", 0.1)
    least, most = told["bounds"]
    assert least - 1 <= told["used"] <= most + 1


def test_a_divided_gpu_with_an_unknown_instance_is_missing_with_a_remedy(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(0, THREE, FOUR))
told["several"] = absence()
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-55-zz"
told["unknown"] = absence()
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-33-aa"
fake.show(divided(0, FakeInstance("MIG-33-aa", compute_slices=0)))
told["no slices"] = absence()
fake.show(divided(None, THREE, power_milliwatts=None))
told["no energy"] = absence()
del os.environ["CUDA_VISIBLE_DEVICES"]
fake.show(divided(0))
told["none"] = absence()
import pynvml
assert pynvml._nvmlLib_refcount == 0, "NVML is let go where there is nothing to read"
"""
    )
    assert {name for name, _, _ in told.values()} == {"mig"}
    assert all(remedy for _, _, remedy in told.values())
    assert "2 instances" in told["several"][1]
    assert "MIG-<uuid>" in told["several"][2]
    assert "MIG-55-zz" in told["unknown"][1]
    assert "no energy for MIG-33-aa" in told["no slices"][1]
    assert "no energy for MIG-33-aa" in told["no energy"][1]


# --- what it costs the host ----------------------------------------------------------------------------------------


def test_measuring_nvidia_loads_no_codecarbon_starts_no_program_and_logs_nothing(on_gpus: OnGpus) -> None:
    told = on_gpus("""
import logging, threading
logging.basicConfig(level=logging.DEBUG)
watched = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system", "socket.__new__")
told["seen"] = []
sys.addaudithook(lambda event, arguments: told["seen"].append(event) if event in watched else None)
fake.show(counted(A, 0), powered(B, 5))
meter = gpu()
fake.show(counted(A, 5, error=15), powered(B, 5))
read(meter)
told["loaded"] = [name for name in ("codecarbon", "pandas", "numpy", "psutil") if name in sys.modules]
told["threads"] = threading.active_count()
""")
    assert told == {"seen": [], "loaded": [], "threads": 1}


@pytest.mark.parametrize("driver", ["no library", "not loaded", "no gpu"])
def test_amd_is_asked_only_if_its_gpu_can_be_there(on_gpus: OnGpus, driver: str) -> None:
    told = on_gpus(
        """
if sys.argv[1] and os.environ["DRIVER"] == "not loaded":
    fake.show(error=9)
told["nvidia"] = nvml.detect_gpu(root, lambda: [ME]) if os.environ["DRIVER"] != "no library" else None
found = gpu()
told["absence"] = found.name
told["loaded"] = [name for name in ("codecarbon", "pynvml") if name in sys.modules]
""",
        DRIVER=driver,
        **({"LD_LIBRARY_PATH": ""} if driver == "no library" else {}),
    )
    assert told["nvidia"] is None
    assert told["absence"] == "no-driver"
    assert told["loaded"] == ([] if driver == "no library" else ["pynvml"])


# --- codecarbon ----------------------------------------------------------------------------------------------------


_THEIRS = """
import logging
logging.getLogger("codecarbon").addHandler(logging.NullHandler())
logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
from codecarbon.core.units import Energy, Time
def microjoules(theirs):
    readings = theirs.get_delta(Time(seconds=1))
    return round(sum(each["delta_energy_consumption"].kWh for each in readings) / Energy.JOULES_TO_KWH * 1e6)
"""


def test_codecarbon_reads_the_same_energy_from_the_same_counters(on_gpus: OnGpus) -> None:
    """Compare with the pinned release's own class: an upgrade that changes the meaning of a counter fails here."""
    told = on_gpus(
        _THEIRS
        + """
from codecarbon.core.gpu import AllGPUDevices
fake.show(counted(A, 5_000_000), counted(B, 100))
theirs = AllGPUDevices()
meter = gpu()
theirs.start()
told["theirs"], told["ours"] = [], []
for first, second in ((5_123_456, 1_101), (5_123_456, 1_101), (6_000_000, 900_000), (6_000_001, 900_000)):
    fake.show(counted(A, first), counted(B, second))
    told["theirs"].append(microjoules(theirs))
    told["ours"].append(read(meter))
told["ids"] = [[device.get_static_details()["uuid"] for device in theirs.devices], meter.devices]
"""
    )
    assert told["ours"] == told["theirs"] == [124_457_000, 0, 1_775_443_000, 1_000]
    assert told["ids"][0] == told["ids"][1]


_AMDSMI = """
from types import SimpleNamespace
class AmdSmiException(Exception): ret_code = 2
class AmdSmiLibraryException(AmdSmiException): pass
class NotInitialised(AmdSmiLibraryException): ret_code = 32
amdsmi_exception = SimpleNamespace(AmdSmiLibraryException=AmdSmiLibraryException)
counters, watts, begun = {0: 1_000_000, 1: 50}, {}, []
amdsmi_init = lambda: begun.append(1)
amdsmi_get_processor_handles = lambda: [0, 1]
amdsmi_get_gpu_device_bdf = amdsmi_get_gpu_device_uuid = lambda handle: f"amd-{handle}"
amdsmi_get_gpu_asic_info = lambda handle: {"market_name": "Radeon"}
amdsmi_get_gpu_vram_usage = lambda handle: {"vram_total": 64, "vram_used": 1}
amdsmi_get_power_cap_info = lambda handle: {"power_cap": 300_000_000}
amdsmi_get_gpu_metrics_info = lambda handle: {"energy_accumulator": counters[handle], "average_socket_power": "N/A"}
def amdsmi_get_energy_count(handle):
    if not begun: raise NotInitialised("not initialised")
    if counters[handle] is None: raise AmdSmiLibraryException("silent")
    return {"energy_accumulator": counters[handle], "counter_resolution": 1000.0}
def amdsmi_get_power_info(handle):
    if handle not in watts: raise AmdSmiLibraryException("silent")
    return {"average_socket_power": watts[handle]}
"""


@pytest.fixture
def on_amd(on_gpus: OnGpus, tmp_path: Path) -> OnGpus:
    """Run a program as ``on_gpus`` does, on a host with two AMD GPUs, no NVIDIA driver, and a stand-in for their package."""
    add_pci_device(tmp_path / "root", "0000:02:00.0", device_class="0x038000", vendor=hardware.AMD)
    package = tmp_path / "packages/amdsmi.py"
    package.parent.mkdir()
    package.write_text(_AMDSMI)
    path = f"{package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    def run(program: str, **environment: str) -> dict[str, Any]:
        return on_gpus(program, **{"PYTHONPATH": path, "LD_LIBRARY_PATH": ""} | environment)

    return run


@pytest.mark.parametrize(
    ("visible", "devices", "used"), [(None, ["amd-0", "amd-1"], 7_000), ("1", ["amd-1"], 4_000), ("", None, None)]
)
def test_amd_gpus_are_read_by_their_counters(
    on_amd: OnGpus, visible: str | None, devices: list[str] | None, used: int | None
) -> None:
    told = on_amd(
        """
import amdsmi
meter = gpu()
told["loaded"] = [name for name in ("codecarbon", "pandas", "numpy", "psutil") if name in sys.modules]
if isinstance(meter, meters.Absence):
    told.update(method=meter.name, devices=None, used=None, silent=None, caught_up=None, domain="devices")
else:
    amdsmi.counters.update({0: 1_000_003, 1: 54})
    told.update(method=meter.method.name, devices=meter.devices, used=read(meter), domain=meter.domain)
    amdsmi.counters.update({0: 1_000_013, 1: None})
    told["silent"] = read(meter)
    amdsmi.counters[1] = 59
    told["caught_up"] = read(meter)
""",
        **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}),
    )
    method = "hidden" if devices is None else "amdsmi"
    caught_up = None if devices is None else 5_000 if len(devices) == 1 else 15_000
    assert told == {
        "loaded": [], "method": method, "devices": devices, "used": used, "silent": None, "caught_up": caught_up,
        "domain": "devices",
    }  # fmt: skip


def test_an_amd_gpu_without_a_counter_is_power_times_time_and_a_restart_is_told(on_amd: OnGpus) -> None:
    told = on_amd(
        """
import amdsmi
amdsmi.counters[1] = 0
amdsmi.watts.update({0: 90, 1: 40})
meter = gpu()
amdsmi.counters[0] += 2
told["read"] = [read(meter), meter.lost()]
amdsmi.counters[0] = 5
told["restart"] = [read(meter), meter.lost(), meter.lost()]
amdsmi.counters[0] = 6
amdsmi.watts[1] = "N/A"
told["no power"] = read(meter)
amdsmi.begun.clear()
amdsmi.watts[1] = 0
told["again"] = [read(meter), len(amdsmi.begun)]
"""
    )
    assert told["read"] == [40_000_000 + 2_000, {}]
    assert told["restart"] == [130_000_000, {"gpu-counter-reset": 1}, {}]
    assert told["no power"] is None
    assert told["again"] == [1_000, 1], "another user had shut the library down"


def test_codecarbon_reads_the_same_energy_from_amds_counters(on_amd: OnGpus) -> None:
    told = on_amd(
        _THEIRS
        + """
from codecarbon.core.gpu import AllGPUDevices
import amdsmi
theirs = AllGPUDevices()
meter = gpu()
theirs.start()
told["theirs"], told["ours"] = [], []
for first, second in ((1_000_007, 52), (1_000_007, 52), (7_654_321, 98_765)):
    amdsmi.counters.update({0: first, 1: second})
    told["theirs"].append(microjoules(theirs))
    told["ours"].append(read(meter))
told["ids"] = [[device.get_static_details()["uuid"] for device in theirs.devices], meter.devices]
"""
    )
    assert told["ours"] == told["theirs"] == [9_000, 0, 6_654_314_000 + 98_713_000]
    assert told["ids"][0] == told["ids"][1]


@pytest.mark.parametrize("package", [None, "raise OSError('libamd_smi.so')"])
def test_an_amd_gpu_whose_package_is_missing_or_does_not_load_says_how_to_get_it(
    on_amd: OnGpus, tmp_path: Path, package: str | None
) -> None:
    file = tmp_path / "packages/amdsmi.py"
    file.unlink() if package is None else file.write_text(package)
    told = on_amd('found = gpu()\ntold["found"] = [found.name, found.why, found.remedy]')
    name, why, remedy = told["found"]
    assert name == "no-driver"
    assert ("is missing" if package is None else "libamd_smi.so") in why
    assert "pip install 'ecoia[amd]'" in remedy


def test_a_measured_process_has_the_energy_of_its_gpu_in_its_records(on_gpus: OnGpus, home: Path) -> None:
    told = on_gpus("""
import ecoia
fake.show(counted(A, 5, drift_milliwatts=200_000), counted(B, 5))
os.environ["CUDA_VISIBLE_DEVICES"] = "0"
begun = time.perf_counter()
with ecoia.track(service="vadore", phase="training"):
    while time.perf_counter() < begun + 2.5:
        sum(range(1000))
told["joules"] = 200 * (time.perf_counter() - begun)
""")
    records = [record for record in recorded(home) if record.energy_microjoules["gpu"]]
    assert {record.devices for record in records} == {("GPU-11111111-aaaa",)}
    assert {record.method["gpu"].name for record in records} == {"nvml"}
    used = sum(record.energy_microjoules["gpu"] or 0 for record in records) / JOULE
    # The counter moves every 100 ms, and is first read when the sampler's thread gets its first turn.
    assert told["joules"] - 0.6 * 200 < used < told["joules"] + 200


def test_a_driver_that_shows_no_gpu_while_the_bus_does_is_no_driver(on_gpus: OnGpus) -> None:
    told = on_gpus('told["gpu"] = meters.methods(meters.detect(load(), root=root))["gpu"].name')
    assert told["gpu"] == "no-driver"


def test_a_meter_is_read_once_a_second_by_default() -> None:
    assert meters.Meter.reading_seconds == 1.0

"""GPUs on a compiled NVML library that pynvml loads like NVIDIA's: which are chosen, and how they are read.

Each program below runs in its own process, since a loaded library stays loaded. docs/measurement.md lists what this leaves
unchecked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecoia import meters
from ecoia.meters import gpu, hardware
from ecoia.meters.nvml import Gpu, Instance, UnclearError, visible_devices
from ecoia.testing.hardware import add_pci_device
from support.codecarbon_gpus import CODECARBON_DEVICES
from support.programs import recorded

pytestmark = pytest.mark.traced  # the fake GPU library is loaded by a program

OnGpus = Callable[..., dict[str, Any]]

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


# --- codecarbon ----------------------------------------------------------------------------------------------------


def test_codecarbon_reads_the_same_energy_from_the_same_counters(on_gpus: OnGpus) -> None:
    """Compare with the pinned release's own class: an upgrade that changes the meaning of a counter fails here."""
    told = on_gpus(
        CODECARBON_DEVICES
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

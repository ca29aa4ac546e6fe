"""AMD's GPUs on a stand-in for the package of their driver."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecoia.meters import hardware
from ecoia.testing.hardware import add_pci_device
from support.codecarbon_gpus import CODECARBON_DEVICES

pytestmark = pytest.mark.traced  # the fake GPU library is loaded by a program

OnGpus = Callable[..., dict[str, Any]]


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
        CODECARBON_DEVICES
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

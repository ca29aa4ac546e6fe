"""Meters: components that are missing, and effects of detection on the host. RAPL, models and GPUs have their own files.

This machine needs none of the hardware; docs/measurement.md lists what this leaves unchecked.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from ecoia import meters
from ecoia.catalogue.error_widths import GSD
from ecoia.meters import Detected, Method, codecarbon_adapter, nvml, rapl, wattmeter
from ecoia.meters.codecarbon_adapter import RamMeter
from ecoia.methods import METHODS, error_class
from ecoia.settings import load
from ecoia.testing.hardware import PowercapTree

JOULE = 1_000_000


@pytest.fixture
def tree(tmp_path: Path) -> PowercapTree:
    """A machine with counters whose PCI bus is not visible."""
    tree = PowercapTree(tmp_path / "root")
    package = tree.add("package-0")
    package.set(1_000 * JOULE)
    package.add("dram").set(500 * JOULE)
    return tree


# --- methods ---------------------------------------------------------------------------------------------------------


def test_every_method_of_a_meter_is_declared_with_a_class_of_error() -> None:
    for module in (codecarbon_adapter, nvml, rapl, wattmeter):
        used = [value for value in vars(module).values() if isinstance(value, Method)]
        assert used
        assert all(method.name in METHODS and error_class(method.status, method.name) in GSD for method in used)
        assert module.__file__ is not None
        assert " Method(" not in Path(module.__file__).read_text(encoding="utf-8"), "declare a method in ecoia.methods"


# --- effects of one broken part -------------------------------------------------------------------------------------


def _raise(*_: object, **__: object) -> Any:
    raise RuntimeError("the driver is upside down")


def test_a_failing_gpu_layer_leaves_the_gpu_missing(monkeypatch: pytest.MonkeyPatch, tree: PowercapTree) -> None:
    tree.add("package-0").set(1_000_000_000)
    monkeypatch.setattr(nvml, "detect_gpu", _raise)
    found = meters.detect(load(), root=tree.root)
    assert [meter.component for meter in found] == ["cpu", "ram"]
    assert meters.methods(found)["gpu"] == Method("missing", "failed:RuntimeError")
    gpu_diagnosis = meters.diagnose(load(), tree.root)[1]
    assert (gpu_diagnosis.status, gpu_diagnosis.name) == ("missing", "failed:RuntimeError")
    assert "upside down" in gpu_diagnosis.why


def test_a_failing_counter_reader_leaves_the_models(monkeypatch: pytest.MonkeyPatch, tree: PowercapTree) -> None:
    monkeypatch.setattr(rapl, "RaplMeter", _raise)
    found = {component: method.name for component, method in meters.methods(meters.detect(load(), root=tree.root)).items()}
    assert found["cpu"].startswith("load-model:")
    assert found["ram"] == "ram-model"


def test_a_component_with_no_way_left_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(codecarbon_adapter, "LoadMeter", _raise)
    found = meters.detect(load(), root=tmp_path)
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
from pathlib import Path
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
sampler = threading.Thread(target=lambda: found.extend(meters.detect(load(), root=Path(sys.argv[2]))))
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
def test_detection_starts_no_program_opens_no_socket_and_leaves_logging_alone(logs: str, tmp_path: Path) -> None:
    """The machine shows nothing, so every way is tried; a Slurm job is included, where codecarbon calls ``scontrol``."""
    done = subprocess.run(
        [sys.executable, "-c", _TRAP_PROGRAM, logs, str(tmp_path)],
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
    """The wrapper answers only the detecting thread, and is removed afterwards."""
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


def test_codecarbons_lines_for_the_host_program_still_reach_it(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("codecarbon")
    with codecarbon_adapter._unnoticed():
        logger.warning("to us")
    with caplog.at_level(logging.WARNING, logger="codecarbon"):
        logger.warning("to the host")
    assert [record.message for record in caplog.records] == ["to the host"]


# --- the pinned release --------------------------------------------------------------------------------------------


def test_the_installed_codecarbon_is_the_tested_release() -> None:
    pinned = [
        requirement
        for requirement in map(Requirement, metadata.requires("ecoia") or [])
        if requirement.name == "codecarbon" and requirement.marker is None
    ]
    assert len(pinned) == 1
    assert metadata.version("codecarbon") in pinned[0].specifier
    assert "3.4.0" not in pinned[0].specifier, "a minor release may move anything below the tracker"


def test_the_used_parts_of_codecarbon_exist() -> None:
    """Most parts are private: an upgrade that renames one fails here and shows the name."""
    from codecarbon.core import cpu, gpu, gpu_amd, gpu_device, gpu_nvidia, units
    from codecarbon.external import hardware as theirs
    from codecarbon.external import ram

    for module, names in {
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
    for cache in (gpu_nvidia.is_nvidia_system, gpu_amd.is_rocm_system):
        assert hasattr(cache, "cache_clear")
    assert units.Energy.from_ujoules(3.6e12).kWh == pytest.approx(1.0, rel=1e-5)
    assert set(Path(theirs.__file__).parents[1].glob("data/hardware/cpu_power.csv"))

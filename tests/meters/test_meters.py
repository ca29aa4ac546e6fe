"""Meters: components that are missing, and effects of detection on the host. RAPL, models and GPUs have their own files.

This machine needs none of the hardware; docs/measurement.md lists what this leaves unchecked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ecoia import meters
from ecoia.catalogue.error_widths import GSD
from ecoia.meters import Detected, Method, amd, hardware, load_model, nvidia_driver, nvml, ram_model, rapl, wattmeter
from ecoia.meters.ram_model import RamMeter
from ecoia.methods import METHODS, error_class
from ecoia.semconv import CODECARBON_RELEASE
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
    for module in (amd, load_model, nvml, ram_model, rapl, wattmeter):
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
    monkeypatch.setattr(nvidia_driver, "in_sight", lambda: True)
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
    monkeypatch.setattr(load_model, "LoadMeter", _raise)
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
import json, subprocess, sys, threading
from pathlib import Path
watched = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system",
           "socket.__new__", "socket.connect", "socket.getaddrinfo")
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event in watched else None)

from ecoia import meters
from ecoia.settings import load
found = []
sampler = threading.Thread(target=lambda: found.extend(meters.detect(load(), root=Path(sys.argv[1]))))
sampler.start(); sampler.join()
for meter in found:
    meter.read(1.0, 0.5)

told = {
    "components": sorted(meter.component for meter in found),
    "seen": list(seen),
    "loaded": [name for name in ("codecarbon", "psutil", "pandas", "numpy", "requests", "mlflow", "pydantic", "pynvml")
               if name in sys.modules],
    "threads": threading.active_count(),
}
subprocess.check_output([sys.executable, "-c", ""])
told["trap works"] = seen.count("subprocess.Popen") == len(told["seen"]) + 1
print(json.dumps(told))
"""


def test_detection_starts_no_program_opens_no_socket_and_loads_no_library(tmp_path: Path) -> None:
    """The machine shows nothing, so every way is tried, in a Slurm job, too."""
    done = subprocess.run(
        [sys.executable, "-c", _TRAP_PROGRAM, str(tmp_path)],
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
    assert told["threads"] == 1
    assert told["trap works"] is True


# --- the release that tables and models are taken from ---------------------------------------------------------------


def test_the_installed_codecarbon_is_the_release_that_records_name() -> None:
    """The contract tests compare with it. ecoia does not require it, so installing ecoia switches on no callback of others."""
    assert metadata.version("codecarbon") == CODECARBON_RELEASE == hardware.context()["codecarbon"]
    assert [each for each in metadata.requires("ecoia") or [] if each.startswith("codecarbon")] == []

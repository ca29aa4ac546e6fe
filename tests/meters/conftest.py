"""A program on a compiled NVML library that pynvml loads like NVIDIA's, for all tests of GPUs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecoia.meters import hardware
from ecoia.testing.hardware import FakeNvml, add_pci_device, build_fake_nvml
from support.programs import run_python

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


@pytest.fixture(scope="session")
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

"""Machines below a root, as the kernel shows them: what ``/proc/cpuinfo``, DMI and the topology of processors say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

INTEL_FLAGS = "fpu vme msr apic sse4_2 avx2 rdrand"
AMD_FLAGS = "fpu vme msr apic sse4_2 avx2 rdrand sse4a svm"


@dataclass(frozen=True)
class X86:
    """A processor of Intel or AMD, as ``/proc/cpuinfo`` shows it. None: not shown."""

    name: str
    family: int | None = None
    model: int | None = None
    stepping: int | None = 1
    flags: str = ""
    vendor: str = "AuthenticAMD"
    guest: bool = True

    def block(self, number: int, socket: int) -> str:
        """Return the block of one logical processor."""
        common = AMD_FLAGS if self.vendor == "AuthenticAMD" else INTEL_FLAGS
        fields = {
            "processor": number,
            "vendor_id": self.vendor,
            "cpu family": self.family,
            "model": self.model,
            "model name": self.name,
            "stepping": self.stepping,
            "cpu MHz": "2445.404",
            "physical id": socket,
            "flags": " ".join([common, self.flags, *(["hypervisor"] if self.guest else [])]),
            "bogomips": "4890.80",
        }
        return "".join(f"{name}\t: {value}\n" for name, value in fields.items() if value is not None) + "power management:\n\n"


@dataclass(frozen=True)
class Arm:
    """A processor of ARM, which has no name and no flag of a hypervisor."""

    implementer: str
    part: str

    def block(self, number: int, socket: int) -> str:
        """Return the block of one logical processor."""
        fields = {
            "processor": number,
            "BogoMIPS": "243.75",
            "Features": "fp asimd evtstrm aes sha2 crc32 atomics",
            "CPU implementer": self.implementer,
            "CPU architecture": 8,
            "CPU variant": "0x3",
            "CPU part": self.part,
            "CPU revision": 1,
        }
        return "".join(f"{name}\t: {value}\n" for name, value in fields.items()) + "\n"


EPYC_7763 = X86("AMD EPYC 7763 64-Core Processor", 25, 1, flags="clwb vaes vpclmulqdq")


def lay_out(
    root: Path, processor: X86 | Arm, *, cpus: int = 2, sockets: int = 1, dmi: Mapping[str, str] | None = None, stat: str = ""
) -> Path:
    """Lay out a machine.

    Args:
        root: The folder; made where it doesn't exist.
        processor: Its processor.
        cpus: Number of logical processors.
        sockets: Number of sockets, which have the processors in turn.
        dmi: Files of ``/sys/class/dmi/id``; None: the machine has no such folder.
        stat: First line of ``/proc/stat``; empty: there is no such file.
    """
    (root / "proc").mkdir(parents=True)
    blocks = [processor.block(number, number % sockets) for number in range(cpus)]
    (root / "proc/cpuinfo").write_text("".join(blocks), encoding="utf-8")
    if stat:
        (root / "proc/stat").write_text(f"{stat}\nintr 0\n", encoding="ascii")
    for number in range(cpus):
        topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{number % sockets}\n", encoding="ascii")
    if dmi is not None:
        folder = root / "sys/class/dmi/id"
        folder.mkdir(parents=True)
        for name, text in dmi.items():
            (folder / name).write_text(f"{text}\n", encoding="ascii")
    return root

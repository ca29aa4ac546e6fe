"""Which server's processor this is, and whether this machine is a guest on that server: from files alone.

A guest sees what its hypervisor lets it see, which may be another processor than the server has. So three witnesses testify:
the model's name, the numbers of family, model and stepping, and the instruction sets (flags). A hypervisor hides instruction
sets and adds none, so these give the oldest generation possible. Only if no witness contradicts the name is the generation
taken from it. Otherwise the maker alone is known.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ecoia.light import TYPE_CHECKING, NamedTuple
from ecoia.meters import hardware

if TYPE_CHECKING:
    from pathlib import Path

INTEL, AMD, ARM, GENERIC = "intel", "amd", "arm", "generic"
"""Rows for processors of which only the maker, the instruction set, or nothing is known."""

_INTEL_GENERATIONS = (
    "haswell",
    "broadwell",
    "skylake",
    "cascadelake",
    "cooperlake",
    "icelake",
    "sapphirerapids",
    "emeraldrapids",
    "graniterapids",
)
_AMD_GENERATIONS = ("zen1", "zen2", "zen3", "zen4", "zen5")
_GENERATIONS = {INTEL: _INTEL_GENERATIONS, AMD: _AMD_GENERATIONS}
"""Generations of servers by maker, the oldest first."""

_WITHOUT_ROW = frozenset({"cooperlake"})
"""Generations that ``server_share.csv`` has no row for."""

_MAKERS = {"GenuineIntel": INTEL, "AuthenticAMD": AMD}

_NUMBERS = {
    (INTEL, 6, 63): "haswell",
    (INTEL, 6, 79): "broadwell",
    (INTEL, 6, 106): "icelake",
    (INTEL, 6, 108): "icelake",
    (INTEL, 6, 143): "sapphirerapids",
    (INTEL, 6, 207): "emeraldrapids",
    (INTEL, 6, 173): "graniterapids",
    (AMD, 23, 1): "zen1",
    (AMD, 23, 49): "zen2",
    (AMD, 25, 1): "zen3",
    (AMD, 25, 17): "zen4",
    (AMD, 25, 160): "zen4",
    (AMD, 26, 2): "zen5",
    (AMD, 26, 17): "zen5",
}
"""Generation by maker, family and model. Intel's 85 stands for three generations, told apart by stepping."""

_STEPPINGS_OF_85 = {
    **dict.fromkeys((0, 1, 2, 3, 4), "skylake"),
    **dict.fromkeys((5, 6, 7), "cascadelake"),
    **dict.fromkeys((10, 11), "cooperlake"),
}

_FLAGS = {
    INTEL: {"avx512f": "skylake", "avx512_vnni": "cascadelake", "avx512_vbmi2": "icelake", "amx_tile": "sapphirerapids"},
    AMD: {"clwb": "zen2", "vaes": "zen3", "avx512f": "zen4", "avx512_vp2intersect": "zen5"},
}
"""The oldest generation with an instruction set."""

_EPYC_GENERATIONS = {"71": "zen1", "72": "zen2", "73": "zen3", "84": "zen4", "94": "zen4", "95": "zen5"}
"""Generation by the first and the last digit of the number: 7R13, 9654P."""

_XEON_E_GENERATIONS = {"V3": "haswell", "V4": "broadwell"}
"""Generation by the word after the number: E5-2686 v4."""

_SCALABLE = frozenset(("PLATINUM", "GOLD", "SILVER", "BRONZE", "MAX"))
_XEON_SCALABLE_GENERATIONS = {
    "1": "skylake",
    "2": "cascadelake",
    "3": "icelake",
    "3H": "cooperlake",
    "4": "sapphirerapids",
    "4H": "sapphirerapids",
    "5": "emeraldrapids",
}
"""Generation by the second digit of the number, with the H of the large machines: 8370C, 8380H."""

_ARM_LIMITED = "0x41"
_NEOVERSE_N1 = "0xd0c"

_VIRTUAL = (
    "Amazon EC2",
    "Google Compute Engine",
    "OpenStack",
    "QEMU",
    "KVM",
    "KubeVirt",
    "Bochs",
    "VMware",
    "VMW",
    "Xen",
    "innotek GmbH",
    "VirtualBox",
    "Parallels",
    "BHYVE",
    "Hyper-V",
    "Apple Virtualization",
    "3DS Outscale VM",
    "Hetzner",
    "Exoscale",
)
"""Beginnings of what a hypervisor writes as maker or product of the machine."""

_BARE = ".metal"
"""In the product's name of a machine that EC2 rents out without a hypervisor."""

_MOST_BYTES = 16_384
"""More than one processor takes in ``/proc/cpuinfo``; with hundreds of them, the whole file takes milliseconds."""


class Identity(NamedTuple):
    """A row of ``server_share.csv``, and what speaks for it, in the words of ``ecoia doctor``."""

    row: str
    evidence: tuple[str, ...]


def is_guest(root: str | Path = hardware.ROOT) -> bool:
    """Return whether a hypervisor runs this machine.

    x86 says so in the processor's flags, also in a container. Elsewhere, the device tree or the maker of the machine says so.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.

    Example:
        >>> is_guest("/nonexistent")
        False
    """
    flags = _facts(root).get("flags")
    if flags is not None:
        return "hypervisor" in flags.split()
    if os.path.exists(f"{root}/proc/device-tree/hypervisor/compatible"):
        return True
    identity = {name: _text(f"{root}/sys/class/dmi/id/{name}") for name in ("product_name", "product_version", "sys_vendor")}
    return _BARE not in identity["product_name"] and any(text.startswith(_VIRTUAL) for text in identity.values())


def identify(root: str | Path = hardware.ROOT) -> Identity:
    """Find the row of ``server_share.csv`` that this machine's processor belongs to.

    Args:
        root: Folder that holds ``/proc``.

    Returns:
        The row of its generation where the name states it and nothing contradicts the name; else the row of its maker; of an
        unknown maker, ``generic``.

    Example:
        >>> identify("/nonexistent").row
        'generic'
    """
    facts = _facts(root)
    if "CPU implementer" in facts:
        return _arm(facts["CPU implementer"], facts.get("CPU part", ""))
    maker = _MAKERS.get(facts.get("vendor_id", ""), GENERIC)
    name = facts.get("model name", "unknown")
    named, numbered, oldest = _by_name(maker, name), _by_numbers(maker, facts), _by_flags(maker, facts)
    evidence = [f"the name '{name}' means {named}" if named else f"the name '{name}' states no generation"]
    numbers = "family {}, model {}, stepping {}".format(*(facts.get(each, "?") for each in ("cpu family", "model", "stepping")))
    if numbered is not None:
        evidence.append(f"{numbers} means {numbered}" if numbered else f"{numbers} is no server's that the table has")
    if oldest is not None:
        evidence.append(f"its instruction sets begin with {oldest}")
    generations = _GENERATIONS.get(maker, ())
    contradicted = (
        named not in generations
        or numbered not in (None, named)
        or (oldest is not None and generations.index(oldest) > generations.index(named))
    )
    return Identity(maker if named is None or contradicted or named in _WITHOUT_ROW else named, tuple(evidence))


def _arm(implementer: str, part: str) -> Identity:
    evidence = (f"implementer {implementer}, part {part}",)
    return Identity("neoverse-n1" if (implementer, part) == (_ARM_LIMITED, _NEOVERSE_N1) else ARM, evidence)


def _by_name(maker: str, name: str) -> str | None:
    """Return the generation that a name with a model's number states; None without such a number.

    QEMU's names (``EPYC-Rome``, ``Skylake, IBRS``) state what all servers of a cluster can do, so they state no generation.
    """
    words = name.upper().split(" ")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        generation = _by_words(maker, word, following)
        if generation is not None:
            return generation
    return None


def _by_words(maker: str, word: str, following: str) -> str | None:
    """Return the generation that two words of a name state, in capitals."""
    number, mark = following[:4], following[4:5]
    if maker == AMD:
        return _EPYC_GENERATIONS.get(number[:1] + number[3:]) if word == "EPYC" and number.isalnum() else None
    if maker != INTEL:
        return None
    if word in _SCALABLE and number.isdigit() and len(number) == 4:
        return _XEON_SCALABLE_GENERATIONS.get(number[1] + ("H" if mark == "H" else ""))
    if word[:3] in ("E5-", "E7-") and word[3:7].isdigit():
        return _XEON_E_GENERATIONS.get(following)
    is_xeon_6 = word in ("XEON", "XEON(R)") and number.isdigit() and number[0] == "6" and number[1:2] >= "5" and mark == "P"
    return "graniterapids" if is_xeon_6 else None


def _by_numbers(maker: str, facts: Mapping[str, str]) -> str | None:
    """Return the generation by family, model and stepping; empty if the table has no such server, None if they are not shown."""
    try:
        family, model = int(facts["cpu family"]), int(facts["model"])
        stepping = int(facts.get("stepping", ""))
    except (KeyError, ValueError):
        return None
    if (maker, family, model) == (INTEL, 6, 85):
        return _STEPPINGS_OF_85.get(stepping, "")
    return _NUMBERS.get((maker, family, model), "")


def _by_flags(maker: str, facts: Mapping[str, str]) -> str | None:
    """Return the oldest generation that has all instruction sets shown; None if they tell nothing."""
    shown = set(facts.get("flags", "").split())
    floors = [generation for flag, generation in _FLAGS.get(maker, {}).items() if flag in shown]
    return max(floors, key=_GENERATIONS.get(maker, ()).index, default=None)


def _facts(root: str | Path) -> dict[str, str]:
    """Return what ``/proc/cpuinfo`` says of the first processor."""
    try:
        descriptor = os.open(f"{root}/proc/cpuinfo", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        text = os.read(descriptor, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    finally:
        os.close(descriptor)
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, colon, value in lines if colon}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""

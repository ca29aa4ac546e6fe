"""Which server's processor it is, from files alone: three witnesses, and guests told from physical machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecoia.meters.processor import identify, is_guest
from ecoia.meters.server_share import thread_power
from support.machines import EPYC_7763, X86, Arm, lay_out

INTEL = "GenuineIntel"
SPR_FLAGS = "avx512f avx512_vnni avx512_vbmi2 amx_tile"

AGREED = {
    "haswell": X86("Intel(R) Xeon(R) CPU E5-2676 v3 @ 2.40GHz", 6, 63, 2, vendor=INTEL),
    "broadwell": X86("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", 6, 79, 1, vendor=INTEL),
    "skylake": X86("Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", 6, 85, 4, "avx512f", INTEL),
    "cascadelake": X86("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", 6, 85, 7, "avx512f avx512_vnni", INTEL),
    "icelake": X86("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", 6, 106, 6, "avx512f avx512_vnni avx512_vbmi2", INTEL),
    "sapphirerapids": X86("Intel(R) Xeon(R) Platinum 8488C", 6, 143, 8, SPR_FLAGS, INTEL),
    "emeraldrapids": X86("INTEL(R) XEON(R) Platinum 8573C", 6, 207, 2, SPR_FLAGS, INTEL),
    "graniterapids": X86("Intel(R) Xeon(R) 6975P-C", 6, 173, 1, SPR_FLAGS, INTEL),
    "zen1": X86("AMD EPYC 7571", 23, 1, 2),
    "zen2": X86("AMD EPYC 7R32", 23, 49, 0, "clwb"),
    "zen3": EPYC_7763,
    "zen4": X86("AMD EPYC 9R14", 25, 17, 1, "clwb vaes avx512f"),
    "zen5": X86("AMD EPYC 9B45", 26, 2, 1, "clwb vaes avx512f avx512_vp2intersect"),
}


@pytest.mark.parametrize(("row", "processor"), AGREED.items())
def test_witnesses_that_agree_give_the_generation(tmp_path: Path, row: str, processor: X86) -> None:
    found = identify(lay_out(tmp_path / "root", processor))
    assert found.row == row
    assert any(processor.name in each for each in found.evidence)


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("zen2", "AMD EPYC 7B12"),
        ("zen2", "AMD EPYC 7F72 24-Core Processor"),
        ("zen3", "AMD EPYC 7B13"),
        ("zen3", "AMD EPYC 74F3 24-Core Processor"),
        ("zen3", "AMD EPYC 7V73X 64-Core Processor"),
        ("zen4", "AMD EPYC 9V74 80-Core Processor"),
        ("zen4", "AMD EPYC 8324P 32-Core Processor"),
        ("zen5", "AMD EPYC 9755 128-Core Processor"),
        ("skylake", "Intel(R) Xeon(R) Gold 6138 CPU @ 2.00GHz"),
        ("cascadelake", "Intel(R) Xeon(R) Silver 4210R CPU @ 2.40GHz"),
        ("icelake", "Intel(R) Xeon(R) Gold 5318Y CPU @ 2.10GHz"),
        ("sapphirerapids", "Intel(R) Xeon(R) Gold 5415+"),
        ("sapphirerapids", "Intel(R) Xeon(R) CPU Max 9480"),
        ("sapphirerapids", "Intel(R) Xeon(R) Platinum 8490H"),
        ("emeraldrapids", "INTEL(R) XEON(R) GOLD 6530"),
        ("graniterapids", "Intel(R) Xeon(R) 6980P"),
    ],
)
def test_a_name_with_a_number_is_enough_if_nothing_contradicts_it(tmp_path: Path, row: str, name: str) -> None:
    vendor = "AuthenticAMD" if name.startswith("AMD") else INTEL
    assert identify(lay_out(tmp_path / "root", X86(name, vendor=vendor))).row == row


@pytest.mark.parametrize(
    ("row", "processor"),
    [
        # Names without a number, of clouds and of QEMU: the cluster's baseline, whatever the server is.
        ("amd", X86("AMD EPYC", 25, 17, 1, "clwb vaes avx512f")),
        ("amd", X86("AMD EPYC Processor (with IBPB)", 23, 1, 2)),
        ("amd", X86("AMD EPYC-Rome Processor", 23, 49, 0, "clwb")),
        ("amd", X86("AMD EPYC-Milan-v2 Processor", 25, 1, 1, "clwb vaes")),
        ("intel", X86("Intel(R) Xeon(R) CPU @ 2.20GHz", 6, 79, 0, vendor=INTEL)),
        ("intel", X86("Intel Xeon Processor (Skylake, IBRS)", 6, 85, 4, "avx512f", INTEL)),
        ("intel", X86("Intel Xeon Processor (Icelake)", 6, 106, 0, "avx512f avx512_vbmi2", INTEL)),
        ("intel", X86("QEMU Virtual CPU version 2.5+", 6, 13, 3, vendor=INTEL)),
        # A desktop's numbers, a generic name, and instruction sets that only later servers have.
        ("intel", X86("Intel(R) Xeon(R) Processor", 6, 167, 1, SPR_FLAGS, INTEL)),
        # The name against the numbers; against the instruction sets; against the maker.
        ("amd", X86("AMD EPYC 7763 64-Core Processor", 25, 17)),
        ("amd", X86("AMD EPYC 7763 64-Core Processor", 25, 99)),
        ("amd", X86("AMD EPYC 7R32", 23, 49, 0, "clwb vaes")),
        ("intel", X86("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", 6, 106, 6, SPR_FLAGS, INTEL)),
        ("intel", X86("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", 6, 85, 4, "avx512f", INTEL)),
        ("intel", X86("AMD EPYC 7763 64-Core Processor", 6, 106, 6, vendor=INTEL)),
        # Known, and in no row: Cooper Lake, Sierra Forest, workstations and desktops.
        ("intel", X86("Intel(R) Xeon(R) Platinum 8369HB CPU @ 3.30GHz", 6, 85, 11, "avx512f avx512_vnni", INTEL)),
        ("intel", X86("Intel(R) Xeon(R) 6780E", 6, 175, 3, vendor=INTEL)),
        ("intel", X86("Intel(R) Xeon(R) W-2295 CPU @ 3.00GHz", 6, 85, 7, "avx512f avx512_vnni", INTEL)),
        ("intel", X86("12th Gen Intel(R) Core(TM) i7-12700H", 6, 154, 3, vendor=INTEL)),
        ("generic", X86("Hygon C86 7185 32-core Processor", 24, 1, vendor="HygonGenuine")),
        # Numbers that are not shown, or are none.
        ("amd", X86("", None, None, None)),
    ],
)
def test_otherwise_the_maker_alone_is_known(tmp_path: Path, row: str, processor: X86) -> None:
    assert identify(lay_out(tmp_path / "root", processor)).row == row


@pytest.mark.parametrize(
    ("row", "implementer", "part"),
    [
        ("neoverse-n1", "0x41", "0xd0c"),
        ("arm", "0x41", "0xd40"),
        ("arm", "0x41", "0xd4f"),
        ("arm", "0xc0", "0xac3"),
        ("arm", "0x48", "0xd0c"),
    ],
)
def test_an_arm_server_is_known_by_its_part(tmp_path: Path, row: str, implementer: str, part: str) -> None:
    found = identify(lay_out(tmp_path / "root", Arm(implementer, part)))
    assert found.row == row
    assert part in found.evidence[0]


@pytest.mark.parametrize("text", [None, "", "\n\n", "garbage without a colon\n", "cpu family\t: x\nvendor_id\t: GenuineIntel\n"])
def test_files_that_are_missing_or_say_nothing_break_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_text(text)
    assert identify(tmp_path).row in ("generic", "intel")
    assert not is_guest(tmp_path)


def test_every_row_that_is_found_is_in_the_table(tmp_path: Path) -> None:
    for number, processor in enumerate(
        (*AGREED.values(), Arm("0x41", "0xd0c"), Arm("0x41", "0xd49"), X86("?"), X86("?", vendor="?"))
    ):
        power = thread_power(identify(lay_out(tmp_path / str(number), processor)).row)
        assert 0 < power.idle_watts < power.max_watts < 5
        assert 0 < power.gibibytes < 5


# --- guests ---------------------------------------------------------------------------------------------------------


def test_on_x86_the_flag_decides_whatever_the_machine_is_called(tmp_path: Path) -> None:
    aws, dell = {"sys_vendor": "Amazon EC2", "product_name": "m6a.large"}, {"sys_vendor": "Dell Inc.", "product_name": "R6525"}
    metal = {"sys_vendor": "Amazon EC2", "product_name": "m6a.metal"}
    bare = X86(EPYC_7763.name, 25, 1, guest=False)
    assert is_guest(lay_out(tmp_path / "firecracker", EPYC_7763))  # it has no DMI at all
    assert is_guest(lay_out(tmp_path / "aws", EPYC_7763, dmi=aws))
    assert is_guest(lay_out(tmp_path / "container", EPYC_7763, dmi=dell))
    assert not is_guest(lay_out(tmp_path / "metal", bare, dmi=metal))
    assert not is_guest(lay_out(tmp_path / "bare", bare, dmi=dell))
    assert not is_guest(lay_out(tmp_path / "bare-in-container", bare))


@pytest.mark.parametrize(
    ("dmi", "guest"),
    [
        ({"sys_vendor": "Amazon EC2", "product_name": "m7g.large"}, True),
        ({"sys_vendor": "Amazon EC2", "product_name": "m7g.metal"}, False),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, True),
        ({"sys_vendor": "OpenStack Foundation", "product_name": "OpenStack Nova"}, True),
        ({"sys_vendor": "QEMU", "product_name": "KVM Virtual Machine"}, True),
        ({"sys_vendor": "Microsoft Corporation", "product_version": "Hyper-V UEFI Release v4.1"}, True),
        ({"sys_vendor": "VMware, Inc.", "product_name": "VMware20,1"}, True),
        ({"sys_vendor": "Hetzner", "product_name": "vServer"}, True),
        ({"sys_vendor": "3DS Outscale", "product_name": "3DS Outscale VM"}, True),
        ({"sys_vendor": "WIWYNN", "product_name": "Mt.Jade Motherboard"}, False),
        (None, False),
    ],
)
def test_on_arm_the_maker_of_the_machine_decides(tmp_path: Path, dmi: dict[str, str] | None, guest: bool) -> None:
    assert is_guest(lay_out(tmp_path / "root", Arm("0x41", "0xd0c"), dmi=dmi)) is guest


def test_on_arm_the_device_tree_names_its_hypervisor(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "root", Arm("0x41", "0xd0c"))
    (root / "proc/device-tree/hypervisor").mkdir(parents=True)
    (root / "proc/device-tree/hypervisor/compatible").write_bytes(b"linux,kvm\0")
    assert is_guest(root)

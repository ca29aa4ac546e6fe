"""A host hands its virtual machines their energy: guests and the rest of the host add up to the counter, on one side each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ecoia import meters
from ecoia.instrument.start import StartReadings
from ecoia.keeping.journal import Journal
from ecoia.measuring.recorder import Recorder
from ecoia.meters import hardware
from ecoia.meters.guest_share import GuestShareMeter
from ecoia.methods import AT_WALL, error_class
from ecoia.records import Record
from ecoia.semconv import KIND_SPAN
from ecoia.testing import PowercapTree, PowercapZone
from ecoia.watching.control_groups import ServiceGroups
from ecoia.watching.guest_folders import GuestFolders, guest_name, vcpus
from ecoia.watching.watch import watch_by_rules
from support.control_groups import GroupTree
from support.settings import make_settings

VM_1 = r"/machine.slice/machine-qemu\x2d1\x2dvm1.scope"
VM_2 = r"/machine.slice/machine-qemu\x2d2\x2dvm2.scope"
RULES = """
[[rule]]
service = 'machines'
cgroup = '/machine.slice/machine-qemu*'
[[rule]]
service = 'search'
cgroup = '/system.slice/search.service'
"""


class Host:
    """A host with a processor's counter, two virtual machines and a service, measured by readings on demand."""

    def __init__(self, folder: Path) -> None:
        self.tree = GroupTree(folder / "root")
        for path in (VM_1, VM_2, "/system.slice/search.service"):
            self.tree.add(path)
        (folder / "rules.toml").write_text(RULES, encoding="utf-8")
        self.folder, self.guests = folder, folder / "guests"
        self.zone: PowercapZone = PowercapTree(self.tree.root).add("package-0")
        self.used_uj = 0
        self.now_ns = time.perf_counter_ns()

    def start(self) -> Recorder:
        """Start the agent."""
        settings = make_settings(home=str(self.folder / "home"), scope="host", flush_seconds=1e6, instance="host-1")
        start = StartReadings()
        groups = ServiceGroups(
            self.folder / "rules.toml", start, root=self.tree.root, whole_host=True, hand_over=True, tell=lambda text: None
        )
        found = meters.detect(settings, root=self.tree.root, group=hardware.ControlGroup(None, None, None))
        found = [each for each in found if each.component == "cpu"]
        self.now_ns = time.perf_counter_ns()
        return Recorder(
            settings,
            groups,
            found,
            pid=1,
            start=(time.time_ns(), self.now_ns, hardware.host_busy_time()),
            complain=print,
            group=hardware.ControlGroup(None, None, None),
            guests=GuestFolders(self.guests, found, settings.instance, print),
        )

    def second(self, recorder: Recorder, joules: float, **cpu_ms: int) -> None:
        """Let a second pass in which the host uses energy and the groups CPU time; then take a reading."""
        for name, used in cpu_ms.items():
            self.tree.burn({"vm1": VM_1, "vm2": VM_2, "search": "/system.slice/search.service"}[name], used)
        self.zone.advance(round(joules * 1e6))
        self.used_uj += round(joules * 1e6)
        self.now_ns += 10**9
        with mock.patch.object(time, "perf_counter_ns", return_value=self.now_ns):
            recorder.read()

    def end(self, recorder: Recorder) -> list[Record]:
        with mock.patch.object(time, "perf_counter_ns", return_value=self.now_ns):
            recorder.close_window()
        recorder.let_go()
        return Journal(self.folder / "home").scan().records

    def handed(self) -> dict[str, int]:
        return {each.parent.name: int(each.read_text(encoding="ascii")) for each in self.guests.glob("*/energy_uj")}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the groups of the tree use CPU time."""
    monkeypatch.setattr("ecoia.watching.control_groups._RestOfHost.advance", lambda self, followed_ns, own_ns: 7_000_000)
    return


def of_host(records: list[Record]) -> int:
    return sum(record.energy_microjoules["cpu"] or 0 for record in records)


def test_guests_and_the_rest_of_the_host_add_up_to_the_counter_to_the_microjoule(host: Host) -> None:
    recorder = host.start()
    for joules, vm1, vm2, search in ((50.000_001, 300, 100, 50), (73.333_337, 0, 777, 1), (12.000_003, 13, 0, 0)):
        host.second(recorder, joules, vm1=vm1, vm2=vm2, search=search)
    handed, records = host.handed(), host.end(recorder)
    assert sorted(handed) == ["vm1", "vm2"]
    assert all(handed.values())
    assert sum(handed.values()) + of_host(records) == host.used_uj
    spans = [record for record in records if record.kind == KIND_SPAN]
    assert {record.service: record.energy_microjoules["cpu"] is None for record in spans} == {"machines": True, "search": False}
    machines = [record for record in spans if record.service == "machines"]
    assert {record.method["cpu"].name for record in machines} == {"handed-to-guest"}
    assert sum(record.cpu_ns for record in machines) == (300 + 100 + 777 + 13) * 10**6, "what ran stays known on the host"
    claimed = of_host(records) / host.used_uj
    assert all(record.share_claimed == pytest.approx(claimed, abs=1e-6) for record in spans)


def test_without_a_folder_for_guests_the_host_keeps_their_energy(host: Host) -> None:
    recorder = host.start()
    recorder._guests = None
    recorder._subject._hand_over = False  # type: ignore[attr-defined]
    host.second(recorder, 50, vm1=300)
    records = host.end(recorder)
    assert host.handed() == {}
    assert of_host(records) == host.used_uj


def test_an_agent_that_was_killed_goes_on_from_its_file(host: Host) -> None:
    recorder = host.start()
    host.second(recorder, 50, vm1=300, vm2=100)
    before = host.handed()
    recorder.let_go()  # killed: no window is closed
    recorder = host.start()
    assert host.handed() == before
    host.second(recorder, 50, vm1=300)
    host.second(recorder, 50, vm1=300)
    after = host.handed()
    assert after["vm1"] > before["vm1"]
    assert after["vm2"] >= before["vm2"]
    recorder.let_go()


def test_a_reading_that_fails_leaves_the_files_old_and_the_next_one_hands_all_over(host: Host) -> None:
    recorder = host.start()
    host.second(recorder, 50, vm1=300)
    written = json.loads((host.guests / "vm1/ecoia.json").read_text(encoding="utf-8"))
    host.zone.lose()
    host.second(recorder, 40, vm1=300)
    assert json.loads((host.guests / "vm1/ecoia.json").read_text(encoding="utf-8")) == written
    host.zone.find()
    host.second(recorder, 30, vm1=300)
    assert sum(host.handed().values()) + of_host(host.end(recorder)) == host.used_uj


def test_the_guest_reads_what_the_host_hands_to_it(host: Host) -> None:
    recorder = host.start()
    host.second(recorder, 50, vm1=300)
    meter = GuestShareMeter(str(host.guests / "vm1"))
    begun = host.handed()["vm1"]
    host.second(recorder, 60, vm1=100, vm2=100)
    first = meter.read(1.0, 0.5)
    host.second(recorder, 70, vm1=100, vm2=100)
    second = meter.read(1.0, 0.5)
    assert first
    assert second
    assert first + second == host.handed()["vm1"] - begun
    assert meter.method.name == "guest-share:ecoia"
    recorder.let_go()


def test_idle_energy_is_reserved_by_vcpus(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_count", lambda: 8)
    for number in range(2):
        host.tree.add(f"{VM_1}/libvirt/vcpu{number}")
    recorder = host.start()
    reserved: Any = recorder._subject.look(time.perf_counter_ns()).reserved
    assert {key.guest: share for key, share in reserved.items()} == {"vm1": 0.25, "vm2": 0.0}
    recorder.let_go()


def test_the_watcher_of_a_host_writes_the_folders_of_the_machines_that_rules_match(host: Host) -> None:
    settings = make_settings(home=str(host.folder / "home"), instance="host-1")
    watch_by_rules(
        host.folder / "rules.toml",
        settings=settings,
        tell=lambda text: None,
        seconds=0.5,
        guests=host.guests,
        root=host.tree.root,
    )
    assert sorted(host.handed()) == ["vm1", "vm2"]
    facts = json.loads((host.guests / "vm1/ecoia.json").read_text(encoding="utf-8"))
    assert facts["host"] == "host-1"
    assert facts["wall"] == (error_class(facts["status"], facts["method"]) in AT_WALL)
    assert (host.guests / "vm1/name").read_text(encoding="ascii") == "package-0\n", "as powercap shows it"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (VM_1, "vm1"),
        (r"/machine.slice/machine-qemu\x2d12\x2dapi\x2dprod.emea.scope", "api-prod.emea"),
        ("/qemu.slice/100.scope", "100"),
        (r"/machine.slice/machine-qemu\x2d1\x2d..\x2f..\x2fetc.scope", ".._.._etc"),
        (r"/machine.slice/machine-qemu\x2d1\x2d...scope", None),
        (r"/machine.slice/machine-lxc\x2d1\x2dbox.scope", None),
        ("/system.slice/search.service", None),
        ("/system.slice/docker-3f1c.scope", None),
    ],
)
def test_a_machines_name_is_read_from_its_group_and_never_leaves_the_folder(path: str, name: str | None) -> None:
    assert guest_name(path) == name


def test_vcpus_that_cannot_be_seen_reserve_nothing(tmp_path: Path) -> None:
    assert vcpus(str(tmp_path / "gone")) == 0

"""Check control groups that rules map to services: which are followed, how they come and go, and that nothing counts twice."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from ecoia.errors import RulesError, UsageError
from ecoia.instrument.start import StartReadings
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.meters import hardware, idle_power
from ecoia.processes import notices
from ecoia.processes.families import ControlGroup
from ecoia.records import Record
from ecoia.semconv import KIND_IDLE, KIND_SPAN
from ecoia.testing import FixedMeter
from ecoia.watching.control_groups import ServiceGroups
from support.control_groups import CONTAINER, UID, GroupTree
from support.programs import recorded
from support.settings import make_settings

OTHER_UID = UID.replace("8f", "11")


class Watched:
    """The groups of a tree, followed by rules and read on demand."""

    def __init__(self, tree: GroupTree, rules: str, **options: Any) -> None:
        self.tree = tree
        self.file = tree.root / "rules.toml"
        self.file.write_text(rules)
        self.messages: list[str] = []
        self.groups = ServiceGroups(
            self.file, StartReadings(), pod_logs=tree.logs, root=tree.root, tell=self.messages.append, **options
        )

    def write(self, rules: str) -> None:
        draft = self.file.with_suffix(".new")
        draft.write_text(rules)
        draft.rename(self.file)
        self.messages.clear()

    def look(self) -> Look:
        return self.groups.look(time.perf_counter_ns())

    def cpu_ms(self) -> dict[str, float]:
        """CPU time by service since the last look."""
        return {f"{key.service}": delta.cpu_ns / 1e6 for key, delta in self.look().deltas.items()}


@pytest.fixture
def tree(tmp_path: Path) -> GroupTree:
    return GroupTree(tmp_path / "root")


def service_rule(service: str, **patterns: str) -> str:
    return f"[[rule]]\nservice = '{service}'\n" + "".join(f"{name} = '{text}'\n" for name, text in patterns.items())


API = service_rule("vadore", namespace="prod", pod="api-*")


# --- which groups are followed, and from when --------------------------------------------------------------------------


def test_cpu_time_from_before_measuring_began_is_not_counted(tree: GroupTree) -> None:
    pod = tree.pod("prod", "api-1", UID)
    tree.burn(pod, 5_000)
    watched = Watched(tree, API)
    assert watched.messages == ["rule 1 (vadore, inference): 1 control group"]
    tree.burn(pod, 30)
    assert watched.cpu_ms() == {"vadore": 30}
    assert watched.cpu_ms() == {"vadore": 0}


def test_a_new_pod_is_counted_from_its_start_and_a_removed_one_ends_its_span(tree: GroupTree) -> None:
    watched = Watched(tree, API)
    assert watched.messages == ["rule 1 (vadore, inference): no control group yet"]
    assert watched.cpu_ms() == {}
    pod = tree.pod("prod", "api-1", UID)
    tree.burn(f"{tree.add(f'{pod}/cri-containerd-{CONTAINER}.scope')}", 70)
    assert watched.cpu_ms() == {"vadore": 70}
    tree.remove(pod)
    (delta,) = watched.look().deltas.values()
    assert (delta.spans, delta.cpu_ns, delta.in_flight_ns) == (1, 0, 0)
    assert watched.cpu_ms() == {}


@pytest.mark.parametrize("cgroupfs", [False, True])
def test_replicas_of_a_service_are_summed_under_either_driver_of_the_kubelet(tree: GroupTree, cgroupfs: bool) -> None:
    pods = [tree.pod("prod", f"api-{uid[:2]}", uid, cgroupfs=cgroupfs) for uid in (UID, OTHER_UID)]
    watched = Watched(tree, API)
    for pod in pods:
        tree.burn(pod, 40)
    assert watched.cpu_ms() == {"vadore": 80}


def test_a_pod_without_a_name_is_not_matched_by_a_later_rule(tree: GroupTree) -> None:
    watched = Watched(tree, API + service_rule("others", pod_uid="*"))
    pod = tree.pod("prod", "api-1", UID, named=False)
    tree.burn(pod, 20)
    assert watched.cpu_ms() == {}
    tree.name_pod("prod", "api-1", UID)
    tree.burn(pod, 5)
    assert watched.cpu_ms() == {"vadore": 25}


def test_a_pod_that_never_gets_a_name_is_reported_once(tree: GroupTree) -> None:
    watched = Watched(tree, API)
    tree.pod("prod", "api-1", UID, named=False)
    watched.messages.clear()
    for _ in range(200):
        watched.look()
    assert watched.messages == [
        f"pod {UID} has no folder in '{tree.logs}', so its name is unknown and no rule can match: "
        "it is measured, from its start, once the kubelet creates that folder"
    ]


def test_rules_that_name_no_pod_need_no_folder_of_logs(tree: GroupTree) -> None:
    tree.logs.rmdir()
    pod = tree.pod("prod", "api-1", UID, named=False)
    watched = Watched(tree, service_rule("vadore", pod_uid=UID))
    tree.burn(pod, 9)
    assert watched.cpu_ms() == {"vadore": 9}
    with pytest.raises(RulesError, match=r", rule 1: it asks for names of pods, .*--pod-logs"):
        Watched(tree, API)


def test_a_host_without_visible_control_groups_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(API)
    with pytest.raises(UsageError, match=r"sys/fs/cgroup' shows no control groups: mount those of the host there"):
        ServiceGroups(tmp_path / "rules.toml", StartReadings(), root=tmp_path, tell=print)


# --- nested groups, groups that two rules match ------------------------------------------------------------------------


def test_the_first_of_two_matching_rules_decides(tree: GroupTree) -> None:
    group = tree.add("/system.slice/search.service")
    watched = Watched(tree, service_rule("search", unit="search") + service_rule("system", cgroup="/system.slice/*"))
    tree.burn(group, 30)
    assert watched.cpu_ms() == {"search": 30}


def test_the_outermost_of_nested_groups_is_followed_whole_and_that_is_reported(tree: GroupTree) -> None:
    inner = tree.add("/system.slice/search.service")
    watched = Watched(tree, service_rule("search", unit="search") + service_rule("system", cgroup="/system.slice"))
    tree.burn(inner, 30)
    tree.burn(tree.add("/system.slice/other.service"), 4)
    assert watched.cpu_ms() == {"system": 34}
    assert watched.messages == [
        "rule 1 (search, inference): no control group yet",
        "rule 2 (system, inference): 1 control group",
        "rule 1 matches '/system.slice/search.service', but rule 2 matches '/system.slice', which contains it and is measured as "
        "one group: narrow rule 2 to measure them apart",
    ]


def test_a_pod_is_followed_once_with_its_containers(tree: GroupTree) -> None:
    pod = tree.pod("prod", "api-1", UID)
    container = tree.add(f"{pod}/cri-containerd-{CONTAINER}.scope")
    watched = Watched(tree, API + service_rule("vadore", container_id="*"))
    tree.burn(container, 12)
    assert watched.cpu_ms() == {"vadore": 12}
    assert len(watched.messages) == 2  # nested rules of one service are not reported


def test_groups_that_no_rule_matches_are_not_measured(tree: GroupTree) -> None:
    watched = Watched(tree, API)
    tree.burn(tree.pod("test", "api-1", UID), 500)
    tree.burn(tree.add("/system.slice/sshd.service"), 500)
    assert watched.look().process_cpu_ns == 0


def test_on_a_whole_host_cpu_time_of_unmatched_groups_is_outside_every_service(
    tree: GroupTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_ms = 1_000
    monkeypatch.setattr(hardware, "host_busy_time", lambda: hardware.BusyTime(busy_ms * 1_000_000, 0))
    monkeypatch.setattr("ecoia.watching.control_groups.busy_time_at_start", lambda start: hardware.host_busy_time())
    monkeypatch.setattr(time, "process_time_ns", lambda: 0)
    start = StartReadings()
    start.process_cpu_ns = 0
    pod = tree.pod("prod", "api-1", UID)
    tree.root.joinpath("rules.toml").write_text(API)
    groups = ServiceGroups(
        tree.root / "rules.toml", start, pod_logs=tree.logs, root=tree.root, whole_host=True, tell=lambda text: None
    )
    outside = []
    for host, ours in ((100, 70), (10, 13), (100, 0)):  # the host is counted in ticks, so it may lag behind
        busy_ms += host
        tree.burn(pod, ours)
        look = groups.look(time.perf_counter_ns())
        outside.append(look.outside_cpu_ns // 1_000_000)
        assert look.process_cpu_ns == look.outside_cpu_ns + ours * 1_000_000
    assert outside == [30, 0, 97]


def test_a_group_that_another_watcher_has_is_refused_and_reported_once(tree: GroupTree) -> None:
    pod, free = tree.pod("prod", "api-1", UID), tree.pod("prod", "api-2", OTHER_UID)

    def refuse(group: ControlGroup) -> str | None:
        return "taken already" if group.folder.endswith(pod) else None

    watched = Watched(tree, API, refuse=refuse)
    tree.burn(pod, 10)
    tree.burn(free, 3)
    assert watched.cpu_ms() == {"vadore": 3}
    assert watched.messages == [
        "taken already (until then, these rules do not measure it; SIGHUP makes them check again)",
        "rule 1 (vadore, inference): 1 control group",
    ]


# --- rules that change -------------------------------------------------------------------------------------------------


def test_changed_rules_apply_from_the_next_reading_and_change_nothing_before(tree: GroupTree) -> None:
    api, search = tree.pod("prod", "api-1", UID), tree.add("/system.slice/search.service", cpu_ms=900)
    let_go: list[str] = []
    watched = Watched(tree, API, let_go=lambda group: let_go.append(group.folder))
    tree.burn(api, 10)
    watched.write(service_rule("chat", namespace="prod") + service_rule("search", unit="search"))
    tree.burn(search, 5)
    assert watched.cpu_ms() == {"vadore": 10}, "CPU time until now belongs to the rules before"
    assert watched.messages == ["rule 1 (chat, inference): 1 control group", "rule 2 (search, inference): 1 control group"]
    tree.burn(api, 20)
    tree.burn(search, 7)
    assert watched.cpu_ms() == {"chat": 20, "search": 7}
    watched.write(service_rule("search", unit="search"))
    tree.burn(api, 1)
    assert watched.cpu_ms() == {"chat": 1, "search": 0}
    tree.burn(api, 100)
    (delta,) = watched.look().deltas.values()
    assert (delta.cpu_ns, delta.spans) == (0, 0)
    assert let_go == [f"{tree.mount}{api}"]


@pytest.mark.parametrize("wrong", ["[[rule]]\nservice = 'A'\nunit = 'x'\n", "[[rule", ""])
def test_wrong_rules_leave_those_before_in_force_and_are_reported_once(tree: GroupTree, wrong: str) -> None:
    pod = tree.pod("prod", "api-1", UID)
    watched = Watched(tree, API)
    watched.write(wrong)
    for _ in range(3):
        tree.burn(pod, 2)
        assert watched.cpu_ms() == {"vadore": 2}
    (said,) = watched.messages
    assert said.startswith(f"'{watched.file}'")
    assert said.endswith("\nThe rules before it stay in force")
    watched.groups.reload = True  # SIGHUP reports it again
    watched.look()
    assert len(watched.messages) == 2
    watched.write(API)
    watched.look()
    assert watched.messages == ["rule 1 (vadore, inference): 1 control group"]


def test_rules_stay_in_force_while_their_file_is_missing(tree: GroupTree) -> None:
    pod = tree.pod("prod", "api-1", UID)
    watched = Watched(tree, API)
    watched.messages.clear()
    watched.file.unlink()
    tree.burn(pod, 2)
    assert (watched.cpu_ms(), watched.cpu_ms()) == ({"vadore": 2}, {"vadore": 0})
    assert [text.splitlines()[-1] for text in watched.messages] == ["The rules before it stay in force"]


# --- a law for any sequence of changes ---------------------------------------------------------------------------------

RULES = {
    "by unit": service_rule("a", unit="a*") + service_rule("b", unit="b*"),
    "by slice": service_rule("a", cgroup="/one.slice"),
    "all": service_rule("b", unit="b*") + service_rule("rest", cgroup="*"),
}


def owner(rules: str, path: str) -> str | None:
    """The service of a group's CPU time, computed in another way: from the groups above it, outermost first."""
    parts = path.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        outer, unit = "/" + "/".join(parts[:count]), parts[count - 1]
        if rules == "by unit" and unit.endswith(".service") and unit[0] in "ab":
            return unit[0]
        if rules == "by slice" and outer == "/one.slice":
            return "a"
        if rules == "all":
            return "b" if unit.startswith("b") and unit.endswith(".service") else "rest"
    return None


@pytest.mark.parametrize("steps", [30])
def test_each_millisecond_of_a_followed_group_counts_once_for_its_service(
    tmp_path_factory: pytest.TempPathFactory, steps: int
) -> None:
    class Life(RuleBasedStateMachine):
        groups = Bundle("groups")

        def __init__(self) -> None:
            super().__init__()
            self.tree = GroupTree(tmp_path_factory.mktemp("life"))
            self.number = 0
            self.rules = "by unit"
            self.watched = Watched(self.tree, RULES[self.rules])
            self.used: Counter[str] = Counter()
            self.counted: Counter[str] = Counter()

        @rule(
            target=groups,
            slice_=st.sampled_from(["/one.slice", "/two.slice", ""]),
            letter=st.sampled_from("abc"),
            ms=st.integers(0, 50),
        )
        def begin(self, slice_: str, letter: str, ms: int) -> str:
            self.number += 1
            path = self.tree.add(f"{slice_}/{letter}{self.number}.service")
            self.work(path, ms)
            return path

        @rule(path=groups, ms=st.integers(0, 50))
        def work(self, path: str, ms: int) -> None:
            self.tree.burn(path, ms)
            service = owner(self.rules, path)
            if service is not None:
                self.used[service] += ms

        @rule(path=consumes(groups))
        def end(self, path: str) -> None:
            self.look()  # CPU time of a group's last second is lost with it
            self.tree.remove(path)

        @rule(name=st.sampled_from(sorted(RULES)))
        def change(self, name: str) -> None:
            self.look()
            self.watched.write(RULES[name])
            self.look()
            self.rules = name

        @rule()
        def look(self) -> None:
            for service, ms in self.watched.cpu_ms().items():
                self.counted[service] += round(ms)

        @invariant()
        def no_more_is_counted_than_was_used(self) -> None:
            assert self.counted <= self.used

        def teardown(self) -> None:
            self.look()
            assert +self.counted == +self.used

    run_state_machine_as_test(Life, settings=settings(max_examples=25, stateful_step_count=steps, deadline=None))


# --- what is reserved --------------------------------------------------------------------------------------------------


def reserved(look: Look) -> dict[str | None, float]:
    assert look.reserved is not None
    return {key.service: share for key, share in look.reserved.items()}


def test_a_quota_is_reserved_for_its_service_and_groups_below_one_quota_split_it(
    tree: GroupTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    tree.add("/vadore.service", quota=2)
    tree.add("/pool.slice", quota=4)
    tree.add("/pool.slice/search.service")
    tree.add("/pool.slice/chat.service", quota=1)
    tree.add("/pool.slice/free.service")
    tree.add("/none.service")
    units = ("vadore", "search", "chat", "free", "none")
    watched = Watched(tree, "".join(service_rule(unit, unit=unit) for unit in units))
    assert reserved(watched.look()) == {"vadore": 0.25, "chat": 0.125, "search": 0.25, "free": 0.25}


def test_nothing_is_reserved_for_a_group_with_a_process_that_measures_itself(
    tree: GroupTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That process records the idle energy reserved for it."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(tree.root / "notices"))
    notices.OwnNotice(0)
    for name in ("itself", "plain"):
        tree.add(f"/{name}.service", quota=2)
    (tree.mount / "itself.service/cgroup.procs").write_text(str(os.getpid()))
    watched = Watched(tree, service_rule("itself", unit="itself") + service_rule("plain", unit="plain"))
    assert reserved(watched.look()) == {"plain": 0.25}


def test_a_quota_that_changes_is_noticed(tree: GroupTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    tree.add("/vadore.service", quota=2)
    watched = Watched(tree, service_rule("vadore", unit="vadore"))
    tree.add("/vadore.service", quota=4)
    assert 0.5 in [reserved(watched.look())["vadore"] for _ in range(61)]


class Reserving:
    """A subject with a reserved share and CPU time for each service."""

    def __init__(self, shares: Sequence[float], cpu_ms: Sequence[int]) -> None:
        keys = [RecordKey(f"s{number}", "inference") for number in range(len(shares))]
        self.reserved = dict(zip(keys, shares, strict=True))
        self.deltas = {key: Delta(cpu_ns=ms * 1_000_000) for key, ms in zip(keys, cpu_ms, strict=True)}

    def look(self, wall_ns: int) -> Look:
        used_ns = sum(delta.cpu_ns for delta in self.deltas.values())
        return Look(used_ns, 0, 0, 1.0, dict(self.deltas), reserved=self.reserved)

    def lost(self) -> Counter[str]:
        return Counter()


SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=5)


@given(shares=SHARES, cpu_ms=st.lists(st.integers(0, 100), min_size=5, max_size=5), scope=st.sampled_from(["process", "host"]))
def test_idle_energy_is_split_by_reserved_share_and_records_add_up_to_the_allocation(
    tmp_path_factory: pytest.TempPathFactory, shares: list[float], cpu_ms: list[int], scope: str
) -> None:
    home = tmp_path_factory.mktemp("home")
    meter = FixedMeter("cpu", watts=100)
    power = idle_power.IdlePower(60.0, meter.method.status, meter.method.name, meter.domain, (), 60, 60, 1.0)
    whole_host = hardware.ControlGroup(None, None, None)
    machine = idle_power._machine(hardware.ROOT, whole_host)
    idle_power.store(
        home, idle_power.IdleBaseline({"cpu": power}, {}, 60.0, 0.01, "2026-11-25T00:00:00+00:00", hardware.cpu_model(), machine)
    )
    subject = Reserving(shares, cpu_ms[: len(shares)])
    now_ns = time.perf_counter_ns()
    recorder = Recorder(
        make_settings(home=str(home), scope=scope),
        subject,
        [meter],
        pid=1,
        start=(time.time_ns(), now_ns, hardware.host_busy_time()),
        complain=print,
        group=whole_host,
    )
    allocations = []
    allocate = recorder._allocator.allocate
    recorder._allocator.allocate = lambda *a, **k: allocations.append(allocate(*a, **k)) or allocations[-1]  # type: ignore[method-assign]
    for second in (1, 11):  # idle energy is allocated from the reading after the one that found the quotas
        with mock.patch.object(time, "perf_counter_ns", lambda second=second: now_ns + second * 1_000_000_000):
            recorder.read()
    recorder.close_window()
    recorder.let_go()
    records = recorded(home)
    allocated = sum((each.active["cpu"] or 0) + (each.idle["cpu"] or 0) for each in allocations)
    assert sum(record.energy_microjoules["cpu"] or 0 for record in records) == allocated
    at_rest = {record.service: record for record in records if record.kind == KIND_IDLE}
    assert {record.phase for record in at_rest.values()} <= {None}
    metered = sum(each.metered_microjoules for each in allocations)
    assert allocated <= metered
    idle_uj = sum(energy_of(record) for record in at_rest.values())
    assert idle_uj <= 0.6 * metered + 1, "quotas that promise more than there is split what there is"
    assert idle_uj == sum(each.idle["cpu"] or 0 for each in allocations)
    for number, share in enumerate(shares):
        whole_host = scope == "host" and all(each.idle["cpu"] for each in allocations)
        expected_joules = share / max(sum(shares), 1.0) * 60.0 * (11 if whole_host else 10)
        got = energy_of(at_rest[f"s{number}"]) if f"s{number}" in at_rest else 0
        assert abs(got / 1e6 - expected_joules) <= 0.01 * 60, (number, shares)
    assert all(record.spans == 0 for record in records if record.kind == KIND_SPAN)


def energy_of(record: Record) -> int:
    return record.energy_microjoules["cpu"] or 0

"""The control groups of a host that work for services, by rules: found when they appear, followed until they disappear.

A group that a rule matches is followed whole, with all groups below it. Of nested groups that match, the outermost is
followed, so nothing counts twice. All groups are one subject of one recorder: the meters are read once, and the energy is
split by CPU time as always.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ecoia.errors import RulesError
from ecoia.instrument.engine import engine
from ecoia.measuring.host_share import busy_time_at_start
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.measuring.this_process import drain_lost
from ecoia.meters import hardware
from ecoia.processes.families import ControlGroup
from ecoia.processes.notices import notice_names
from ecoia.watching.group_rules import POD_LOGS, Rule
from ecoia.watching.group_tree import GroupIdentity, groups_below, groups_in, rules_hierarchy
from ecoia.watching.guest_folders import guest_name, vcpus
from ecoia.watching.rule_file import PodNames, RuleFile, lacks_name

if TYPE_CHECKING:
    from ecoia.instrument.start import StartReadings

_MEMBERS_EVERY = 10
"""Readings between two looks at the processes of a group, some of which may measure themselves; a hundred groups hold a
thousand processes. When our folder of notices changes, all groups are looked at; notices in containers' folders wait for the
next look."""

_LIMITS_EVERY = 60
"""Readings between two looks at the quota of a group, which seldom changes."""


class FollowedGroup(ControlGroup):
    """A group that works for a service. Its account is read at each reading, its processes only when that is due.

    Once one of them measures itself, all are read each time.

    Args:
        folder: Folder of the group.
        key: Key of its records.

    Attributes:
        members_due: Whether to read its processes at the next reading.
        owed_ns: CPU time to add at the next reading.
        limits: Its quota.
    """

    def __init__(self, folder: str, key: RecordKey) -> None:
        self.key = key
        self.members_due = True
        self.owed_ns = 0
        self.limits = hardware.ControlGroup(None, None, None)
        super().__init__(folder)

    def _unrecorded_ns(self) -> int:
        if self.members_due or self._notices:
            return super()._unrecorded_ns()
        return self._top_account_ns() - self._settled_ns


class ServiceGroups:
    """The groups that a file of rules maps to services. A subject of a recorder.

    Args:
        file: The rules, read again when the file changes. If it is wrong then, this is reported once and the previous rules
            stay in force.
        start: The clocks at which measuring began.
        pod_logs: Folder in which the kubelet keeps a folder of logs for each pod.
        whole_host: Whether the whole host is recorded: CPU time of groups that no rule matches is then unattributed.
        hand_over: Whether virtual machines get their energy themselves; each has a key of its own then.
        root: Folder that holds ``/proc`` and ``/sys``.
        refuse: Called before a group is followed; returns the reason why it must not be, or None.
        let_go: Called when a group is no longer followed.
        tell: Shows the user how many groups each rule matches, and errors in the rules.

    Attributes:
        reload: Set it to have the rules read again, and refused groups checked again, at the next look.

    Raises:
        RulesError: The file cannot be used, or asks for names of pods that cannot be read.
        UsageError: No control group can be seen.
    """

    def __init__(
        self,
        file: Path,
        start: StartReadings,
        *,
        pod_logs: Path = POD_LOGS,
        whole_host: bool = False,
        hand_over: bool = False,
        root: str | Path = hardware.ROOT,
        refuse: Callable[[ControlGroup], str | None] = lambda group: None,
        let_go: Callable[[ControlGroup], None] = lambda group: None,
        tell: Callable[[str], None],
    ) -> None:
        self.reload = False
        self._hand_over = hand_over
        self._root = root
        self._hierarchy = str(rules_hierarchy(Path(root, "sys/fs/cgroup")))
        self._refuse, self._let_go, self._tell = refuse, let_go, tell
        self._rest = _RestOfHost(start) if whole_host else None
        self._wall_ns = start.wall_ns
        self._own_ns = start.process_cpu_ns
        self._turn = 0
        self._notice_names = notice_names()
        self._pods = PodNames(pod_logs, tell)
        self._followed: dict[str, FollowedGroup] = {}
        self._kept: dict[str, FollowedGroup] = {}  # the groups followed before, while changed rules are applied
        self._unmatched: set[GroupIdentity] = set()  # groups that no rule matches, so they are not compared at each reading
        self._refused: set[GroupIdentity] = set()
        self._present_before: set[GroupIdentity] = set()  # older than the rules: CPU time used until then does not count
        self._file = RuleFile(file, self._pods)
        self._apply_rules()

    # as a subject

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        own_ns = time.process_time_ns()
        elapsed_ns, self._wall_ns = wall_ns - self._wall_ns, wall_ns
        own_since_ns, self._own_ns = own_ns - self._own_ns, own_ns
        ended = self._follow()
        deltas = self._advance(elapsed_ns)
        for group in ended:
            deltas.setdefault(group.key, Delta()).spans += 1
        followed_ns = sum(delta.cpu_ns for delta in deltas.values())
        outside_ns = self._rest.advance(followed_ns, own_ns) if self._rest is not None else 0
        look = Look(
            process_cpu_ns=followed_ns + outside_ns,
            own_cpu_ns=own_since_ns,
            outside_cpu_ns=outside_ns,
            coverage=1.0,
            deltas=deltas,
            owner_of=self._owner_of,
            reserved=self._reserved(),
        )
        self._reread_rules()
        return look

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        return drain_lost(engine.lost)

    def pids(self) -> set[int]:
        """Return the ids of the living processes whose CPU time counts, as of the last look at each."""
        return {pid for group in self._followed.values() for pid in group.pids()}

    def _advance(self, elapsed_ns: int) -> dict[RecordKey, Delta]:
        deltas: dict[RecordKey, Delta] = {}
        self._turn += 1
        names, self._notice_names = self._notice_names, notice_names()
        for number, group in enumerate(self._followed.values()):
            group.members_due = self._notice_names != names or (number + self._turn) % _MEMBERS_EVERY == 0
            if (number + self._turn) % _LIMITS_EVERY == 0:
                self._read_limits(group)
            delta = deltas.setdefault(group.key, Delta(in_flight_ns=elapsed_ns))
            delta.cpu_ns += group.advance() + group.owed_ns
            group.owed_ns = 0
        return deltas

    def _owner_of(self, pid: int) -> RecordKey | None:
        return next((group.key for group in self._followed.values() if pid in group.pids()), None)

    # what is reserved

    def _read_limits(self, group: FollowedGroup) -> None:
        group.limits = hardware.control_group(self._root, path=group.folder[len(self._hierarchy) :])

    def _reserved(self) -> dict[RecordKey, float]:
        """Return the share of the host that quotas reserve, by service. Groups below one quota split it evenly.

        A group with a member that measures itself gets nothing: that member records the idle energy reserved for it.
        """
        by_quota: dict[Path | str, list[FollowedGroup]] = {}
        for group in self._followed.values():
            if group.limits.cpus is not None:
                by_quota.setdefault(group.limits.usage_file or group.folder, []).append(group)
        reserved: dict[RecordKey, float] = {}
        for group in self._followed.values():
            if (
                group.key.guest is not None and group.limits.cpus is None
            ):  # a virtual machine has its vCPUs, whether they run or not
                reserved[group.key] = vcpus(group.folder) / hardware.cpu_count()
        for groups in by_quota.values():
            for group in groups:
                if not group.has_measuring_member:
                    reserved[group.key] = reserved.get(group.key, 0.0) + (group.limits.share or 0.0) / len(groups)
        return reserved

    # which groups

    def _follow(self) -> list[FollowedGroup]:
        """Let go of groups that ended, and follow new ones. Return the groups that ended."""
        gone = [path for path, group in self._followed.items() if not group.alive()]
        ended = [self._followed.pop(path) for path in gone]
        for group in ended:
            self._let_go(group)
        self._scan()
        return ended

    def _scan(self) -> None:
        seen: set[GroupIdentity] = set()
        self._pods.begin_scan()
        waiting = [""]
        while waiting:
            above = waiting.pop()
            for name, inode in groups_in(self._hierarchy + above):
                identity = (f"{above}/{name}", inode)
                seen.add(identity)
                if identity in self._unmatched or self._is_unmatched(identity):
                    waiting.append(identity[0])
        self._unmatched &= seen
        self._refused &= seen
        self._pods.end_scan(seen)

    def _is_unmatched(self, identity: GroupIdentity) -> bool:
        """Follow a group if a rule matches it. Returns whether none does, so that the groups below it are checked too."""
        path, inode = identity
        followed = self._followed.get(path)
        if identity in self._refused or (followed is not None and followed.inode == inode):
            return False
        asks = self._file.rules.ask_for_pods is not None
        names = self._pods.names_of(path, wanted=asks)
        if asks and lacks_name(names):
            self._pods.wait_for(identity, names["pod_uid"])
            return False
        rule = self._file.rules.match(names)
        if rule is None:
            self._unmatched.add(identity)
            return True
        self._begin_to_follow(identity, rule)
        return False

    def _begin_to_follow(self, identity: GroupIdentity, rule: Rule) -> None:
        path, inode = identity
        if path in self._followed:
            return  # created between two looks in place of one that ended; that one is closed first
        key = RecordKey(rule.service, rule.phase, guest=guest_name(path) if self._hand_over else None)
        group = self._kept.pop(path, None)
        if group is None or group.inode != inode:
            group = FollowedGroup(self._hierarchy + path, key)
            refusal = self._refuse(group)
            if refusal is not None:
                self._refused.add(identity)
                self._tell(f"{refusal} (until then, these rules do not measure it; SIGHUP makes them check again)")
                return
            if identity not in self._present_before:  # created since, so everything that it used counts
                group.owed_ns = group.total_ns
            self._read_limits(group)
        group.key = key
        self._followed[path] = group

    # which rules

    def _reread_rules(self) -> None:
        forced, self.reload = self.reload, False
        try:
            changed = self._file.reread(forced=forced)
        except RulesError as error:
            self._tell(f"{error}\nThe rules before it stay in force")
            return
        if changed:
            self._apply_rules()

    def _apply_rules(self) -> None:
        """Follow groups by the rules in force from now on. CPU time until now stays with the previous rules' services."""
        self._kept, self._followed = self._followed, {}
        self._unmatched = set()
        self._refused = set()
        self._present_before = set(groups_below(self._hierarchy, ""))
        self._scan()
        for group in self._kept.values():
            self._let_go(group)
        self._kept = {}
        counts = Counter(self._rule_of(path) for path in self._followed)
        for rule in self._file.rules:
            count = counts[rule]
            groups = f"{count} control group{'s' if count > 1 else ''}" if count else "no control group yet"
            self._tell(f"rule {rule.number} ({rule.service}, {rule.phase}): {groups}")
        self._tell_of_nested()

    def _rule_of(self, path: str) -> Rule | None:
        return self._file.rules.match(self._pods.names_of(path))

    def _tell_of_nested(self) -> None:
        """Report rules without effect, because they match groups inside a group of another service; once for each pair."""
        told: set[tuple[Rule, Rule]] = set()
        for path in self._followed:
            outer = self._rule_of(path)
            for below, _ in groups_below(self._hierarchy, path):
                inner = self._rule_of(below)
                if outer is None or inner is None or (inner.service, inner.phase) == (outer.service, outer.phase):
                    continue
                if (inner, outer) not in told:
                    told.add((inner, outer))
                    self._tell(
                        f"rule {inner.number} matches '{below}', but rule {outer.number} matches '{path}', which contains it and "
                        f"is measured as one group: narrow rule {outer.number} to measure them apart"
                    )


class _RestOfHost:
    """CPU time of a whole host that no rule maps to a service.

    Args:
        start: The clocks at which measuring began.
    """

    def __init__(self, start: StartReadings) -> None:
        self._host_began_ns = busy_time_at_start(start).busy_ns
        self._own_began_ns = start.process_cpu_ns
        self._followed_ns = 0
        self._rest_ns = 0

    def advance(self, followed_ns: int, own_ns: int) -> int:
        """Return the CPU time in ns since the last call.

        Args:
            followed_ns: CPU time of followed groups since the last call.
            own_ns: CPU time of this process, now.
        """
        self._followed_ns += followed_ns
        try:
            host_ns = hardware.host_busy_time().busy_ns - self._host_began_ns
        except OSError:
            return 0  # counted at the next reading
        before_ns = self._rest_ns
        self._rest_ns = max(host_ns - self._followed_ns - (own_ns - self._own_began_ns), before_ns)
        return self._rest_ns - before_ns

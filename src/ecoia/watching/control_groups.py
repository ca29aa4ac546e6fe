"""The control groups of a host that work for services, by rules: found as they come, followed, and left as they go.

A group that a rule means is taken whole, with all below it: of groups in each other the outermost is, so nothing counts
twice. All are one subject of one recorder: the meters are read once, and the claim is split by CPU time like any other.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ecoia.errors import RulesError, UsageError
from ecoia.instrument.start import StartReadings
from ecoia.measuring.recording import Delta, Key, Look, busy_time_at
from ecoia.meters import hardware
from ecoia.processes.families import ControlGroup, who_claims
from ecoia.watching.group_rules import POD_LOGS, Rule, Rules, names_of, pods_by_uid, read_rules
from ecoia.watching.run_command import lost_here

_LOOK_EVERY = 10
"""Readings between two looks at the processes of a group, some of which may measure themselves: a hundred groups hold a
thousand processes. One whose claim lies in our folder has all looked at in time; those of containers lie in theirs."""

_LIMITS_EVERY = 60
"""Readings between two looks at the quota of a group, which seldom changes."""

_UNNAMED_READINGS = 60
"""So long is waited for a pod's name before it is said: volumes may be mounted before the kubelet makes the folder."""

Place = tuple[str, int]
"""A control group: its path, and its inode, since a path is used again."""


class Taken(ControlGroup):
    """A group that works for a service. Its account is read at each reading, its processes only when that is due.

    Once one of them measures itself, all are looked at each time.
    """

    def __init__(self, folder: str, key: Key) -> None:
        self.key = key
        self.look_due = True
        self.owed_ns = 0
        self.limits = hardware.ControlGroup(None, None, None)
        super().__init__(folder)

    def _unclaimed_ns(self) -> int:
        if self.look_due or self._notices:
            return super()._unclaimed_ns()
        return self._gross_ns() - self._settled_ns


class Services:
    """What works for the services of a file of rules. A subject of a recorder.

    Args:
        file: The rules; read again when it changes. A file that is wrong then is told once, and the rules before it stay.
        baseline: The clocks at which measuring began.
        pod_logs: Where the kubelet keeps the logs of pods.
        whole_host: The whole host is claimed: the CPU time of what no rule means is told as nobody's.
        root: Where ``/proc`` and ``/sys`` are.
        refuse: Asked before a group is taken: why it must not be, or None.
        let_go: Told when a group that was taken is no longer measured.
        tell: Says something to the person.

    Raises:
        RulesError: the file cannot be used, or asks for names of pods that cannot be read here.
        UsageError: no control group can be seen.
    """

    def __init__(
        self,
        file: Path,
        baseline: StartReadings,
        *,
        pod_logs: Path = POD_LOGS,
        whole_host: bool = False,
        root: Path = hardware.ROOT,
        refuse: Callable[[ControlGroup], str | None] = lambda group: None,
        let_go: Callable[[ControlGroup], None] = lambda group: None,
        tell: Callable[[str], None],
    ) -> None:
        self.reload = False
        """Set to have the rules read again, and refused groups looked at again, at the next look."""

        self._file = file
        self._pod_logs = pod_logs
        self._root = root
        self._top = str(_accounting(root / "sys/fs/cgroup"))
        self._refuse, self._let_go, self._tell = refuse, let_go, tell
        self._host_began_ns = busy_time_at(baseline).busy_ns if whole_host else None
        self._wall_ns = baseline.wall_ns
        self._own_ns = self._own_began_ns = baseline.process_cpu_ns
        self._taken_ns = 0
        self._outside_ns = 0
        self._turn = 0
        self._claims = who_claims()
        self._pods: dict[str, tuple[str, str]] = {}
        self._unnamed: Counter[Place] = Counter()
        self._pods_asked = False
        self._taken: dict[str, Taken] = {}
        self._kept: dict[str, Taken] = {}
        """While other rules are applied: what was taken by those before."""

        self._strangers: set[Place] = set()
        """Groups that no rule means, so that they are not compared at each reading."""

        self._refused: set[Place] = set()
        self._before: set[Place] = set()
        """Groups that were there when the rules began: what they had used then is not counted."""

        self._stamp = _stamp(file)
        self._apply(self._read())

    # as a subject

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        own_ns = time.process_time_ns()
        elapsed_ns, self._wall_ns = wall_ns - self._wall_ns, wall_ns
        own_since_ns, self._own_ns = own_ns - self._own_ns, own_ns
        ended = self._follow()
        deltas: dict[Key, Delta] = {}
        self._turn += 1
        claims, self._claims = self._claims, who_claims()
        for number, group in enumerate(self._taken.values()):
            group.look_due = self._claims != claims or (number + self._turn) % _LOOK_EVERY == 0
            if (number + self._turn) % _LIMITS_EVERY == 0:
                self._read_limits(group)
            delta = deltas.setdefault(group.key, Delta(in_flight_ns=elapsed_ns))
            delta.cpu_ns += group.advance() + group.owed_ns
            group.owed_ns = 0
        for group in ended:
            deltas.setdefault(group.key, Delta()).spans += 1
        taken_ns = sum(delta.cpu_ns for delta in deltas.values())
        self._taken_ns += taken_ns
        outside_ns = self._outside()
        look = Look(
            process_cpu_ns=taken_ns + outside_ns,
            own_cpu_ns=own_since_ns,
            outside_cpu_ns=outside_ns,
            coverage=1.0,
            deltas=deltas,
            owner_of=self._owner_of,
            reserved=self._reserved(),
        )
        self._follow_rules()
        return look

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        return lost_here()

    def pids(self) -> set[int]:
        """The living processes for which we answer, as of the last look at each."""
        return {pid for group in self._taken.values() for pid in group.pids()}

    def _owner_of(self, pid: int) -> Key | None:
        return next((group.key for group in self._taken.values() if pid in group.pids()), None)

    def _outside(self) -> int:
        """On a host that is claimed whole: CPU time since the last call of what no rule means."""
        if self._host_began_ns is None:
            return 0
        try:
            host_ns = hardware.host_busy_time().busy_ns - self._host_began_ns
        except OSError:
            return 0  # told in the reading after
        before_ns = self._outside_ns
        self._outside_ns = max(host_ns - self._taken_ns - (self._own_ns - self._own_began_ns), before_ns)
        return self._outside_ns - before_ns

    # what is reserved

    def _read_limits(self, group: Taken) -> None:
        group.limits = hardware.control_group(self._root, path=group.folder[len(self._top) :])

    def _reserved(self) -> dict[Key, float]:
        """The part of the host that quotas reserve, by service. Groups below one quota share it.

        Who measures itself claims what is reserved for it itself.
        """
        below: dict[Path | str, list[Taken]] = {}
        for group in self._taken.values():
            if group.limits.cpus is not None:
                below.setdefault(group.limits.usage_file or group.folder, []).append(group)
        reserved: dict[Key, float] = {}
        for groups in below.values():
            for group in groups:
                if not group.claimed:
                    reserved[group.key] = reserved.get(group.key, 0.0) + (group.limits.share or 0.0) / len(groups)
        return reserved

    # which groups

    def _follow(self) -> list[Taken]:
        """Let go of what ended, which is returned, and take what came."""
        gone = [path for path, group in self._taken.items() if not group.alive()]
        ended = [self._taken.pop(path) for path in gone]
        for group in ended:
            self._let_go(group)
        self._scan()
        return ended

    def _scan(self) -> None:
        seen: set[Place] = set()
        self._pods_asked = False
        waiting = [""]
        while waiting:
            above = waiting.pop()
            for name, inode in _groups_in(self._top + above):
                place = (f"{above}/{name}", inode)
                seen.add(place)
                if place in self._strangers or self._settle(place):
                    waiting.append(place[0])
        self._strangers &= seen
        self._refused &= seen
        self._unnamed = Counter({place: count for place, count in self._unnamed.items() if place in seen})

    def _settle(self, place: Place) -> bool:
        """Take a group if a rule means it. Returns whether none does, so that those below it are to be looked at."""
        path, inode = place
        taken = self._taken.get(path)
        if place in self._refused or (taken is not None and taken.inode == inode):
            return False
        names = self._names(path)
        if self._rules.ask_for_pods and "pod_uid" in names and "pod" not in names:
            self._wait_for_name(place, names["pod_uid"])
            return False
        rule = self._rules.match(names)
        if rule is None:
            self._strangers.add(place)
            return True
        self._take(place, rule)
        return False

    def _take(self, place: Place, rule: Rule) -> None:
        path, inode = place
        if path in self._taken:
            return  # made between two looks, in the place of one that is to be closed first
        key = Key(rule.service, rule.phase, None, None, None, None)
        group = self._kept.pop(path, None)
        if group is None or group.inode != inode:
            group = Taken(self._top + path, key)
            why_not = self._refuse(group)
            if why_not is not None:
                self._refused.add(place)
                self._tell(f"{why_not}; until then it is left to it (SIGHUP has us look again)")
                return
            if place not in self._before:  # made since, so all that it used counts
                group.owed_ns = group.total_ns
            self._read_limits(group)
        group.key = key
        self._taken[path] = group

    def _names(self, path: str) -> dict[str, str]:
        names = names_of(path, self._pods)
        if self._rules.ask_for_pods and "pod_uid" in names and "pod" not in names and not self._pods_asked:
            self._pods_asked = True
            try:
                self._pods = pods_by_uid(self._pod_logs)
            except OSError:
                return names  # it was there at the start, and may come back
            names = names_of(path, self._pods)
        return names

    def _wait_for_name(self, place: Place, uid: str) -> None:
        """Whoever took it now might take it from an earlier rule. Its account keeps what it uses meanwhile."""
        self._unnamed[place] += 1
        if self._unnamed[place] == _UNNAMED_READINGS:
            self._tell(f"pod {uid} has no folder in '{self._pod_logs}', so no rule can be chosen: it is measured once it has")

    # which rules

    def _follow_rules(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._stamp and not self.reload:
            return
        self._stamp, self.reload = stamp, False
        try:
            rules = self._read()
        except RulesError as error:
            self._tell(f"{error}\nThe rules before it stay in force")
            return
        self._apply(rules)

    def _read(self) -> Rules:
        rules = read_rules(self._file)
        asking = rules.ask_for_pods
        if asking is not None:
            try:
                self._pods = pods_by_uid(self._pod_logs)
            except OSError as error:
                raise RulesError(
                    f"'{self._file}', rule {asking.number}: namespace and pod are told by the names in '{self._pod_logs}', which "
                    f"cannot be listed ({error.strerror}): show that folder of the host to us, and name it by --pod-logs"
                ) from error
        return rules

    def _apply(self, rules: Rules) -> None:
        """From now on: what other rules mean begins or ends here, and keeps until here what it was for."""
        self._rules = rules
        self._kept, self._taken = self._taken, {}
        self._strangers = set()
        self._refused = set()
        self._before = set(self._everything(""))
        self._scan()
        for group in self._kept.values():
            self._let_go(group)
        self._kept = {}
        counts = Counter(self._rule_of(path) for path in self._taken)
        for rule in rules:
            count = counts[rule]
            groups = f"{count} control group{'s' if count > 1 else ''}" if count else "no control group yet"
            self._tell(f"rule {rule.number} ({rule.service}, {rule.phase}): {groups}")
        self._tell_of_nested()

    def _rule_of(self, path: str) -> Rule | None:
        return self._rules.match(names_of(path, self._pods))

    def _everything(self, above: str) -> Iterator[Place]:
        for name, inode in _groups_in(self._top + above):
            yield f"{above}/{name}", inode
            yield from self._everything(f"{above}/{name}")

    def _tell_of_nested(self) -> None:
        """A rule that means what is inside of another's group has no effect there; once a pair of rules."""
        told: set[tuple[Rule, Rule]] = set()
        for path in self._taken:
            outer = self._rule_of(path)
            for below, _ in self._everything(path):
                inner = self._rule_of(below)
                if outer is None or inner is None or (inner.service, inner.phase) == (outer.service, outer.phase):
                    continue
                if (inner, outer) not in told:
                    told.add((inner, outer))
                    self._tell(
                        f"rule {inner.number} means '{below}', but rule {outer.number} takes '{path}' whole, with all in it: "
                        f"let rule {outer.number} mean less if they are to be told apart"
                    )


def _groups_in(folder: str) -> Iterator[tuple[str, int]]:
    try:
        if os.stat(folder).st_nlink == 2:  # noqa: PTH116 - most groups, most often: a folder without folders in it
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield entry.name, entry.inode()
    except OSError:
        return  # gone meanwhile


def _accounting(mount: Path) -> Path:
    """The hierarchy in which groups are looked for: version 2, or of version 1 the one that accounts for CPU time."""
    if (mount / "cgroup.controllers").exists():
        return mount
    for name in ("cpu,cpuacct", "cpuacct", "unified"):
        if (mount / name / "cgroup.procs").exists():
            return mount / name
    raise UsageError(f"'{mount}' shows no control groups: mount those of the host there (in a container: read-only, as a volume)")


def _stamp(file: Path) -> tuple[int, ...]:
    """What changes when a file does, also when it is a link that leads elsewhere (a ConfigMap)."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

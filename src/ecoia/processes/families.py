"""Add up the CPU time of a family of processes that nobody else records, so that every nanosecond is recorded once.

A measuring process answers for its own CPU time and for the CPU time of its descendants. A descendant that measures is the
exception: it answers for itself and for the processes below it, and announces that in a notice
(``ecoia.processes.notices``). While it measures, the processes above count nothing more of it. Once it has ended, for whatever
reason, they count all CPU time that it used, less the CPU time in its records.

Exact on Linux. Elsewhere, psutil reports what it can. Loaded in the measured program at its first span, so it imports next
to nothing.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping

from ecoia.processes import notices, proc
from ecoia.processes.notices import Notice, file_name, measuring_ancestor, notice_of, own_folder, read_notice
from ecoia.processes.proc import (
    ProcessIdentity,
    ProcessSnapshot,
    ancestors_of,
    children_of,
    control_group_cpu_ns,
    has_children,
    listed_pid,
    own_reaped_ns,
    read_file,
    read_process,
    read_trees,
)

_GRAIN_NS = 20_000_000
"""Two ticks of the kernel: it counts the CPU time of waited-for children in ticks, user and system time apart."""


_IMPLAUSIBLE_NS = 1_000_000_000
"""A claim that exceeds by more than this what a member can have used is no matter of late accounts."""


class _Member:
    """A process of a family, as of the last look.

    ``adopter`` is the nearest living member above it: its parent, or the next one above if the parent ended; 0 for none.
    ``lost_ns`` is CPU time of processes below it that ended without a member waiting for them.
    """

    __slots__ = ("adopter", "lost_ns", "pid", "snapshot")

    def __init__(self, pid: int, snapshot: ProcessSnapshot, adopter: int, lost_ns: int) -> None:
        self.pid = pid
        self.snapshot = snapshot
        self.adopter = adopter
        self.lost_ns = lost_ns

    @property
    def start(self) -> int:
        return self.snapshot.start

    @property
    def identity(self) -> ProcessIdentity:
        return self.pid, self.snapshot.start


class Family(ABC):
    """Processes that belong together, and the CPU time that none of them records itself.

    A process stays in the family when its parent ends. CPU time of a process's last second is missed if no member waits for it
    (orphans, ignored exits). Used by one thread.

    Attributes:
        total_ns: CPU time of the family that no member records itself. Only its differences mean anything; it never
            decreases.
        has_measuring_member: Whether a member measured itself, at the last look or between it and the look before.
        refused: How many members claimed after their end to have recorded far more than they can have used.
    """

    _keeps_orphans = True

    def __init__(self) -> None:
        self._members: dict[int, _Member] = {}
        self._notices: dict[ProcessIdentity, Notice] = {}
        self._unrelated: set[str] = set()  # names of notices of processes outside the family
        self._settled_ns = 0  # CPU time in records of members that ended
        self._lost_ns = 0  # CPU time of members that ended without a living member above them
        self._measuring: set[ProcessIdentity] = set()
        self._just_final: list[Notice] = []
        self._all_before_ns: int | None = None  # of the last look
        self._living_ns = 0  # CPU time that living members used since the last look
        self._ended = 0  # members that ended since then
        self.has_measuring_member = False
        self.refused = 0
        self.total_ns = 0
        self.total_ns = self._unrecorded_ns()
        self.has_measuring_member = bool(self._measuring)  # members that ended before the first look do not count

    def advance(self) -> int:
        """Return the CPU time in ns since the last call that no member records itself."""
        before_ns = self.total_ns
        self.total_ns = max(self._unrecorded_ns(), before_ns)
        return self.total_ns - before_ns

    def pids(self) -> set[int]:
        """Return the ids of the living members whose CPU time ``advance`` counts, as of the last look."""
        return {
            pid for pid, member in self._members.items() if member.snapshot.running and not self._is_recorded_elsewhere(member)
        }

    def members(self) -> set[int]:
        """Return the ids of all living members, as of the last look."""
        return set(self._members)

    # what differs by kind of family

    @abstractmethod
    def _read_members(self) -> dict[int, ProcessSnapshot]:
        """Read every process that can be reached from the top, by id."""

    @abstractmethod
    def _top_account_ns(self) -> int:
        """Return the CPU time that the kernel accounts for at the top, whether or not a member records it.

        Call it before ``_read_members``: CPU time used in between is then missed, not counted twice.
        """

    def _is_top(self, identity: ProcessIdentity) -> bool:
        """Return whether this process stands above all members, without being one."""
        return False

    # the arithmetic

    def _unrecorded_ns(self) -> int:
        top_account_ns = self._top_account_ns()
        was_measuring, known = bool(self._measuring), self._notices.keys() | ()
        self._refresh()
        self.has_measuring_member = was_measuring or bool(self._measuring or self._notices.keys() - known)
        below: dict[int, list[_Member]] = {}
        for member in self._members.values():
            below.setdefault(member.adopter, []).append(member)
        all_ns = self._all_ns(top_account_ns, below)
        self._limit_last_claims(all_ns)
        return all_ns - self._recorded_ns(below)

    def _limit_last_claims(self, all_ns: int) -> None:
        """Limit what ended members claim to have recorded since the last look to the CPU time that ended members used since then.

        A living process cannot claim more than the kernel counts for it. Once it has ended, the kernel counts it together with
        others, and its notice could state any number: the other members would seem to have used nothing.
        """
        room_ns = 0
        if self._all_before_ns is not None:
            room_ns = max(all_ns - self._all_before_ns - self._living_ns, 0) + _GRAIN_NS * (self._ended + len(self._just_final))
        for notice in sorted(self._just_final, key=lambda notice: notice.written_ns - notice.counted_ns):
            more_ns = min(max(notice.written_ns - notice.counted_ns, 0), room_ns)
            excess_ns = notice.written_ns - notice.counted_ns - more_ns
            # Members that ended before the first look are not counted, whatever they recorded.
            self.refused += excess_ns > _IMPLAUSIBLE_NS and self._all_before_ns is not None
            notice.written_ns -= max(excess_ns, 0)
            room_ns -= more_ns
        self._just_final = []
        self._all_before_ns = all_ns

    def _all_ns(self, top_account_ns: int, below: dict[int, list[_Member]]) -> int:
        return top_account_ns + self._lost_ns + sum(_tree_ns(top, below) for top in below.get(0, ()))

    def _recorded_ns(self, below: dict[int, list[_Member]]) -> int:
        """Return the CPU time in ``_all_ns`` that members record themselves, or recorded before they ended."""
        recorded_ns = self._settled_ns
        current = {member.identity for member in self._members.values()}
        for identity, notice in list(self._notices.items()):
            if identity in self._measuring:
                member = self._members[identity[0]]
                tree_ns = _tree_ns(member, below)
                notice.counted_ns = tree_ns - min(notice.since_ns, tree_ns)
                if not self._is_recorded_elsewhere(self._members.get(member.adopter)):
                    recorded_ns += notice.counted_ns
                continue
            if identity in current:  # it stopped measuring, and lives
                notice.written_ns = min(notice.written_ns, _tree_ns(self._members[identity[0]], below))
            notice.counted_ns = notice.written_ns
            if not notice.above.keys() & self._measuring:  # else it is in the sum of the member that measures above it
                recorded_ns += notice.written_ns
                if notice.final and not notice.above.keys() & current:
                    self._settled_ns += notice.written_ns
                    del self._notices[identity]
        return recorded_ns

    def _is_recorded_elsewhere(self, member: _Member | None) -> bool:
        """Return whether the member, or one above it, measures itself."""
        while member is not None:
            if member.identity in self._measuring:
                return True
            member = self._members.get(member.adopter)
        return False

    # the members

    def _refresh(self) -> None:
        before = self._members
        found = self._read_members()
        if self._keeps_orphans:
            self._find_orphans(found)
        self._read_notices_of_unseen(found)
        stayed = {pid for pid, member in before.items() if pid in found and found[pid].start == member.start}

        def nearest_that_stayed(pid: int) -> int:
            while pid and pid not in stayed:
                pid = before[pid].adopter
            return pid

        def has_ended_above(pid: int) -> bool:
            while pid := before[pid].adopter:
                if pid not in stayed:
                    return True
            return False

        self._members = {}
        for pid, snapshot in found.items():
            if pid in stayed:
                adopter, lost_ns = nearest_that_stayed(before[pid].adopter), before[pid].lost_ns
            else:
                adopter, lost_ns = self._adopter_of(pid, snapshot, found), 0
            self._members[pid] = _Member(pid, snapshot, adopter, lost_ns)
        self._ended = len(before) - len(stayed)
        self._living_ns = sum(
            member.snapshot.own_ns - (before[pid].snapshot.own_ns if pid in stayed else 0)
            for pid, member in self._members.items()
            if pid not in stayed or not has_ended_above(pid)
        )  # without members below one that ended, which may have recorded them
        self._keep_time_of_ended([member for pid, member in before.items() if pid not in stayed], before, nearest_that_stayed)
        self._read_notices_of_members()

    def _find_orphans(self, found: dict[int, ProcessSnapshot]) -> None:
        """Add members that live, but cannot be reached from the top any more."""
        for pid, member in self._members.items():
            if pid not in found:
                snapshot = read_process(pid)
                if snapshot is not None and snapshot.start == member.start:
                    found.update(read_trees([pid]))

    def _adopter_of(self, pid: int, snapshot: ProcessSnapshot, found: dict[int, ProcessSnapshot]) -> int:
        parent = found.get(snapshot.parent)
        if parent is not None and parent.start <= snapshot.start:  # else the parent's id was reused while we looked
            return snapshot.parent
        notice = self._notices.get((pid, snapshot.start))  # an orphan that was never seen below its parent
        return next((above[0] for above in notice.above if _holds(found, above)), 0) if notice else 0

    def _keep_time_of_ended(
        self, ended: list[_Member], before: dict[int, _Member], nearest_that_stayed: Callable[[int], int]
    ) -> None:
        """Keep the CPU time of ended members that no member waited for; waited-for time is in the waiting member's account."""
        lost_ns: Counter[int] = Counter()
        waited_ns: Counter[int] = Counter()
        for member in ended:
            lost_ns[nearest_that_stayed(member.adopter)] += member.lost_ns
            used_ns = member.snapshot.own_ns + member.snapshot.reaped_ns
            if member.snapshot.parent in before:
                waited_ns[member.snapshot.parent] += used_ns
            elif not self._top_waited_for(member):
                lost_ns[nearest_that_stayed(member.adopter)] += used_ns
        for pid, used_ns in waited_ns.items():
            if used_ns >= _GRAIN_NS and self._ignores_exits(before[pid]):
                lost_ns[pid] += used_ns
        for pid, more_ns in lost_ns.items():
            if pid:
                self._members[pid].lost_ns += more_ns
            else:
                self._lost_ns += more_ns

    def _ignores_exits(self, parent: _Member) -> bool:
        """Return whether a member's account of waited-for children has not grown since the last look, although a child ended."""
        now = read_process(parent.pid)  # read again: it may have waited since the look
        if now is None or now.start != parent.start or parent.pid not in self._members:
            return False
        return (proc.IS_LINUX or os.name == "nt") and now.reaped_ns == parent.snapshot.reaped_ns

    def _top_waited_for(self, ended: _Member) -> bool:
        """Return whether the process at the top waited for this member, so that ``_top_account_ns`` has its CPU time."""
        return False

    # the notices

    def _read_notices_of_unseen(self, found: dict[int, ProcessSnapshot]) -> None:
        """Read notices of members that were never seen: they ended since the last look, or were orphaned at once.

        Their notices name the processes above them.
        """
        folder = notices.own_folder()
        names = set(proc.names_in(folder))
        self._unrelated &= names
        for name in names - self._unrelated:
            try:
                identity = notices.identity_of(name)
            except ValueError:
                continue
            if identity in self._notices or _holds(found, identity) or self._is_top(identity):
                continue
            notice = read_notice(f"{folder}/{name}", None)
            if notice is None:
                continue
            if self._is_ours(identity, notice, found):
                self._take_unseen(identity, notice, found)
            else:
                self._unrelated.add(name)

    def _is_ours(self, identity: ProcessIdentity, notice: Notice, found: dict[int, ProcessSnapshot]) -> bool:
        return _holds(self._members, identity) or any(self._is_top(above) or _holds(found, above) for above in notice.above)

    def _take_unseen(self, identity: ProcessIdentity, notice: Notice, found: dict[int, ProcessSnapshot]) -> None:
        snapshot = read_process(identity[0])
        alive = snapshot is not None and snapshot.start == identity[1]
        if alive and not self._keeps_orphans:
            return
        self._notices[identity] = notice
        if alive:
            found.update(read_trees([identity[0]]))

    def _read_notices_of_members(self) -> None:
        self._measuring = set()
        for member in self._members.values():
            notice = notice_of(*member.identity)
            if notice is None:
                continue
            adopter = self._members.get(member.adopter)
            while adopter is not None:
                notice.above[adopter.identity] = None
                adopter = self._members.get(adopter.adopter)
            before = self._notices.get(member.identity)
            self._notices[member.identity] = notice
            if notice.measures(member.snapshot):
                self._measuring.add(member.identity)
            elif before is not None and before.complete:
                notice.written_ns, notice.complete = before.written_ns, True
            elif not notice.ended:  # killed, and not waited for yet, or another program by now
                notice.written_ns, notice.complete = notice.all_written_ns(), True
        for identity, notice in self._notices.items():
            if not notice.final and not _holds(self._members, identity):
                notice.final = True
                last = None if notice.complete else read_notice(notice.path, None)
                if last is not None:
                    notice.written_ns = last.all_written_ns()
                self._just_final.append(notice)
                self._unrelated.add(notices.file_name(*identity))


def _holds(processes: Mapping[int, ProcessSnapshot | _Member], identity: ProcessIdentity) -> bool:
    process = processes.get(identity[0])
    return process is not None and process.start == identity[1]


def _tree_ns(member: _Member, below: dict[int, list[_Member]]) -> int:
    """Return all CPU time of a member and of the processes that are or were below it."""
    total_ns = 0
    waiting = [member]
    while waiting:
        member = waiting.pop()
        total_ns += member.snapshot.own_ns + member.snapshot.reaped_ns + member.lost_ns
        waiting.extend(below.get(member.pid, ()))
    return total_ns


class Descendants(Family):
    """The processes that this process started, and their descendants. Without children, a look costs a microsecond.

    Example:
        >>> descendants = Descendants()
        >>> descendants.advance() >= 0
        True
        >>> os.getpid() in descendants.pids()
        True
    """

    def __init__(self) -> None:
        self._pid = listed_pid()
        process = read_process(self._pid)
        self._identity = (self._pid, process.start if process else 0)
        self._reaped_ns = 0
        self._reaped_before_ns = 0
        super().__init__()

    def _unrecorded_ns(self) -> int:
        if not self._members and own_reaped_ns() == self._reaped_ns and not has_children():
            self.has_measuring_member = False
            return self.total_ns
        return super()._unrecorded_ns()

    def pids(self) -> set[int]:
        """Return the ids of this process and of its living descendants that do not measure themselves, as of the last look."""
        return {os.getpid()} | super().pids()

    def _read_members(self) -> dict[int, ProcessSnapshot]:
        return read_trees(children_of(self._pid)) if has_children() else {}

    def _top_account_ns(self) -> int:
        self._reaped_before_ns, self._reaped_ns = self._reaped_ns, own_reaped_ns()
        return self._reaped_ns

    def _is_top(self, identity: ProcessIdentity) -> bool:
        return identity == self._identity

    def _top_waited_for(self, ended: _Member) -> bool:
        return ended.snapshot.parent == self._pid and own_reaped_ns() > self._reaped_before_ns


class ProcessTree(Family):
    """A process and all its descendants, measured from outside.

    Args:
        pid: Id of the process at the top, in ``/proc``.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        process = read_process(pid)
        self._start = process.start if process else None
        self._measured_above = False
        self._above: dict[ProcessIdentity, None] = {}  # every process that ever stood above, as an ordered set
        self._written_above_ns = self._recorded_above_ns()
        super().__init__()

    def advance(self) -> int:
        """See ``Family.advance``. Returns 0 while a process above measures, because it records the whole tree.

        A process above may have begun and ended since the last look. Then its notice, which outlives it, shows new records.
        """
        more_ns = super().advance()
        was_measured_above, self._measured_above = self._measured_above, measuring_ancestor(self.pid) is not None
        before_ns, self._written_above_ns = self._written_above_ns, self._recorded_above_ns()
        return 0 if was_measured_above or self._measured_above or self._written_above_ns > before_ns else more_ns

    def _recorded_above_ns(self) -> int:
        """Return the CPU time that this user's processes above have in records, ended ones included."""
        self._above.update(dict.fromkeys(ancestors_of(self.pid)))
        folder = own_folder()
        if folder is None:
            return 0
        found = (read_notice(f"{folder}/{file_name(*identity)}", None) for identity in self._above)
        return sum(notice.written_ns for notice in found if notice is not None)

    def alive(self) -> bool:
        """Return whether the process at the top still runs."""
        process = read_process(self.pid)
        return process is not None and process.running and process.start == self._start

    def _read_members(self) -> dict[int, ProcessSnapshot]:
        process = read_process(self.pid)
        return read_trees([self.pid]) if process is not None and process.start == self._start else {}

    def _top_account_ns(self) -> int:
        return 0


class ControlGroup(Family):
    """The processes of a control group and of the groups below it. The kernel accounts for all of them, ended ones included.

    Args:
        folder: Folder of the group in a hierarchy that accounts for CPU time.
    """

    _keeps_orphans = False  # an orphan stays in its group

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.inode = _inode(folder)
        self._usage_ns = 0
        super().__init__()

    def alive(self) -> bool:
        """Return whether the group still exists, and is not a new one of the same name."""
        return self.inode is not None and _inode(self.folder) == self.inode

    def _top_account_ns(self) -> int:
        self._usage_ns = max(control_group_cpu_ns(self.folder) or 0, self._usage_ns)
        return self._usage_ns

    def _all_ns(self, top_account_ns: int, below: dict[int, list[_Member]]) -> int:
        return top_account_ns

    def _read_members(self) -> dict[int, ProcessSnapshot]:
        found: dict[int, ProcessSnapshot] = {}
        for folder, _, files in os.walk(self.folder):
            if "cgroup.procs" in files:
                for pid in (read_file(f"{folder}/cgroup.procs") or b"").split():
                    snapshot = read_process(int(pid))
                    if snapshot is not None:
                        found[int(pid)] = snapshot
        return found


def _inode(folder: str) -> int | None:
    try:
        return os.stat(folder).st_ino
    except OSError:
        return None

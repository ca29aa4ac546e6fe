"""Whose CPU time is whose: families of processes, and what each measuring process claims, so that all is counted once.

A measuring process answers for its own CPU time and for that of its descendants, except where a descendant measures:
that one answers for itself and for what is below it. So each says, in a small file that every process of its host can
find (``Claim``), how much it leaves to those above, and how much is in written records. While it measures, what those
above count of it stands still; once it has ended, by whatever cause, it is all that it used less what it had written.

Linux tells everything exactly. Elsewhere psutil tells what it can.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

_LINUX = sys.platform == "linux"
_SWEEP_SECONDS = 600.0
_GRAIN_NS = 20_000_000
"""Two ticks of the kernel's accounts: what waited-for children used is told in ticks, user and system apart."""

Key = tuple[int, int]
"""A process: its id, and when it started, since ids are used again."""


# --- what the kernel says of one process ---------------------------------------------------------------------------------


class Facts:
    """One process at one moment. ``reaped_ns`` is the CPU time of the children that it waited for, and of theirs."""

    __slots__ = ("image", "own_ns", "parent", "reaped_ns", "running", "start")

    def __init__(self, start: int, parent: int, own_ns: int, reaped_ns: int, image: int, *, running: bool) -> None:
        self.start = start
        self.parent = parent
        self.own_ns = own_ns
        self.reaped_ns = reaped_ns
        self.image = image  # where its stack starts: another place after each exec; 0 where it is hidden
        self.running = running  # not a zombie


_ids = (0, 0)  # our process id, and the one in /proc


def listed_pid() -> int:
    """Our id in ``/proc``: another one than system calls know where it was mounted outside of our namespace; 0 for none.

    ``unshare --pid`` alone makes such a process, and some sandboxes do: there, ``/proc/1`` may be all of the host.
    """
    global _ids
    pid = os.getpid()
    if not _LINUX:
        return pid
    if _ids[0] != pid:
        try:
            _ids = (pid, int(os.readlink("/proc/self")))  # noqa: PTH115 - lean
        except (OSError, ValueError):
            _ids = (pid, 0)
    return _ids[1]


def read_process(pid: int) -> Facts | None:
    """What the kernel says of a process, or None where there is none, or it is hidden."""
    if not _LINUX:
        return _read_elsewhere(pid)
    text = _read_file(f"/proc/{pid}/stat")
    if text is None:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    try:
        # The CPU clock of the process with this id, if system calls know it by the same.
        own_ns = time.clock_gettime_ns((~pid << 3) | 2) if listed_pid() == os.getpid() else None
    except OSError:
        own_ns = None
    if own_ns is None:
        own_ns = (int(fields[11]) + int(fields[12])) * tick_ns
    return Facts(
        start=int(fields[19]),
        parent=int(fields[1]),
        own_ns=own_ns,
        reaped_ns=(int(fields[13]) + int(fields[14])) * tick_ns,
        image=int(fields[25]),
        running=fields[0] not in b"ZX",
    )


def _read_elsewhere(pid: int) -> Facts | None:
    import psutil

    try:
        process = psutil.Process(pid)
        cpu = process.cpu_times()
        running = process.status() != psutil.STATUS_ZOMBIE
        return Facts(
            round(process.create_time() * 1e3), process.ppid(), round((cpu.user + cpu.system) * 1e9), 0, 0, running=running
        )
    except psutil.Error:
        return None


def _read_file(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    text = b""
    try:
        while part := os.read(descriptor, 65536):  # the kernel gives a page at a time
            text += part
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return text or None


def _children(pid: int) -> list[int]:
    """Living and unwaited-for children. Those of each thread, since the kernel lists them so."""
    if not _LINUX:
        import psutil

        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []
    children: list[int] = []
    for thread in _names(f"/proc/{pid}/task"):
        text = _read_file(f"/proc/{pid}/task/{thread}/children")
        children.extend(int(child) for child in (text or b"").split())
    return children


def _parents_children() -> Callable[[int], list[int]]:
    """``_children`` for a kernel that lists none (CONFIG_PROC_CHILDREN): one pass over all processes."""
    by_parent: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - lean
        facts = read_process(int(name)) if name.isdigit() else None
        if facts is not None:
            by_parent.setdefault(facts.parent, []).append(int(name))
    return lambda pid: by_parent.get(pid, [])


def _below(pids: Iterable[int]) -> dict[int, Facts]:
    """These processes and all below them. A parent is read before its children: what ends meanwhile is missed, not doubled."""
    listed = not _LINUX or os.path.exists("/proc/thread-self/children")  # noqa: PTH110 - lean
    children_of = _children if listed else _parents_children()
    found: dict[int, Facts] = {}
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        facts = read_process(pid) if pid not in found else None
        if facts is not None:
            found[pid] = facts
            waiting.extend(children_of(pid))
    return found


def ancestors_of(pid: int) -> Iterator[Key]:
    """The processes above one, nearest first."""
    facts = read_process(pid)
    while facts is not None and facts.parent > 0:
        parent = facts.parent
        facts = read_process(parent)
        if facts is not None:
            yield parent, facts.start


# --- claims --------------------------------------------------------------------------------------------------------------


class Claim:
    """What this process says to those that measure it too, by being above it or from outside.

    Args:
        since_ns: CPU time, its own and its descendants', that it leaves to those above: used before it measured.
    """

    def __init__(self, since_ns: int) -> None:
        self._pid = os.getpid()
        facts = read_process(listed_pid())
        self._name = _name(self._pid, facts.start if facts else 0)
        above = ",".join(_name(*key) for key in ancestors_of(listed_pid()))
        self._said = f"{since_ns} {facts.image if facts else 0} {above or '-'}"
        self._written_ns = 0
        self._written_to = "- 0"
        self._journal = "- -"
        self._ended = False
        self._write()

    def writes_to(self, folder: str, name: str) -> None:
        """Say where records will be: a process that is killed while it writes leaves it to others to look."""
        self._journal = f"{os.fsencode(folder).hex()} {name}"
        self._write()

    def add(self, written_ns: int, day: str, size_bytes: int) -> bool:
        """Say that so much more is in written records, up to this size of this day's file.

        Returns:
            Whether others can read it.
        """
        self._written_ns += written_ns
        self._written_to = f"{day} {size_bytes}"
        return self._write()

    def end(self) -> None:
        """Say that this was all: what the process uses from now on is for those above."""
        if not self._ended:
            self._ended = True
            self._write()

    def _write(self) -> bool:
        folder = own_folder(make=True)
        if folder is None or os.getpid() != self._pid:
            return False
        path = f"{folder}/{self._name}"
        try:
            # Renamed into place: never read half-written.
            with open(f"{path}.new", "wb") as file:  # noqa: PTH123 - lean
                file.write(f"{self._written_ns} {int(self._ended)} {self._said} {self._written_to} {self._journal}\n".encode())
            os.replace(f"{path}.new", path)  # noqa: PTH105 - idem
        except OSError:
            return False
        return True


def sweep() -> None:
    """Delete the claims of processes that ended long ago: whoever is above them has read them."""
    folder = own_folder()
    for name in _names(folder):
        pid, _, start = name.removesuffix(".new").partition("-")
        try:
            if time.time() - os.stat(f"{folder}/{name}").st_mtime > _SWEEP_SECONDS:  # noqa: PTH116 - lean
                facts = read_process(int(pid))
                if facts is None or facts.start != int(start):
                    os.unlink(f"{folder}/{name}")  # noqa: PTH108 - idem
        except (OSError, ValueError):
            continue


def own_folder(*, make: bool = False) -> str | None:
    """The folder of this user's claims, the same for every process of the host; None where it is not ours alone."""
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    folder = _folder_of(uid)
    try:
        if make and not os.path.lexists(folder):
            os.mkdir(folder, 0o700)  # noqa: PTH102 - lean
    except OSError:
        pass  # another process was first, or nobody can
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    if os.name == "posix" and (found.st_uid != uid or found.st_mode & 0o170077 != 0o040000):
        return None  # somebody else's, a link, or open to others: what it says cannot be trusted
    return folder


def who_claims() -> frozenset[str]:
    """The names of the claims that this user's processes have made: another set as soon as one more measures."""
    return frozenset(name for name in _names(own_folder()) if not name.endswith(".new"))


def _folder_of(uid: int, root: str = "") -> str:
    if _LINUX and os.path.isdir(f"{root}/dev/shm"):  # noqa: PTH112, S108 - gone at reboot; see own_folder
        return f"{root}/dev/shm/ecoia-{uid}"  # noqa: S108 - idem
    if os.name == "posix":
        return f"{root}/tmp/ecoia-{uid}"  # not TMPDIR, which differs between processes that must meet  # noqa: S108
    import tempfile

    return f"{tempfile.gettempdir()}/ecoia-{uid}"


def _names(folder: str | None) -> list[str]:
    try:
        return os.listdir(folder) if folder else []  # noqa: PTH208 - lean
    except OSError:
        return []


def _name(pid: int, start: int) -> str:
    return f"{pid}-{start}"


class Notice:
    """Another process's claim, as read."""

    __slots__ = ("above", "day", "ended", "final", "folder", "image", "name", "path", "since_ns", "size_bytes", "written_ns")

    def __init__(self, path: str, text: str) -> None:
        written, ended, since, image, above, self.day, size_bytes, folder, self.name = text.split()
        self.size_bytes = int(size_bytes)
        self.folder = "" if folder == "-" else os.fsdecode(bytes.fromhex(folder))
        self.path = path  # where it was found
        self.written_ns = int(written)
        self.ended = ended != "0"
        self.since_ns = int(since)
        self.image = int(image)
        self.above: dict[Key, None] = {} if above == "-" else dict.fromkeys(_key(name) for name in above.split(","))
        self.final = False  # read since the process ended

    def measures(self, facts: Facts) -> bool:
        """Whether the process still measures: it is alive, and still the program that said so."""
        return facts.running and not self.ended and (not self.image or not facts.image or self.image == facts.image)

    def all_written_ns(self) -> int:
        """CPU time in written records, those included that it was killed too soon to tell of."""
        from pathlib import Path

        from ecoia.keeping.journal import Scan, stream_file

        written: dict[str, int] = {}
        for day in _names(self.folder):
            path = f"{self.folder}/{day}/{self.name}"
            if (self.day == "-" or day >= self.day) and os.path.exists(path):  # noqa: PTH110 - lean
                offset = self.size_bytes if day == self.day else 0
                try:
                    for entry in stream_file(Path(path), day, offset, Scan()):
                        written[entry.record.record_id] = entry.record.cpu_ns
                except OSError:
                    continue  # archived meanwhile, or not ours to read
        return self.written_ns + sum(written.values())


def _key(name: str) -> Key:
    pid, _, start = name.partition("-")
    return int(pid), int(start)


def _read_notice(path: str, uid: int | None) -> Notice | None:
    """A claim, or None where there is none, or somebody else than ``uid`` wrote it."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        if uid is not None and os.fstat(descriptor).st_uid != uid:
            return None
        return Notice(path, os.read(descriptor, 65536).decode())
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def notice_of(pid: int, start: int) -> Notice | None:
    """The claim of a living process, also one of another user or in a container, as far as we may look into it."""
    if not _LINUX:
        folder = own_folder()
        return None if folder is None else _read_notice(f"{folder}/{_name(pid, start)}", None)
    uid, inner_pid = None, pid
    for line in (_read_file(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"Uid:"):
            uid = int(line.split()[2])
        elif line.startswith(b"NSpid:"):
            inner_pid = int(line.split()[-1])
    if uid is None:
        return None
    root = "" if _sees_our_files(pid) else f"/proc/{pid}/root"
    return _read_notice(f"{_folder_of(uid, root)}/{_name(inner_pid, start)}", uid)


def _sees_our_files(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino == os.stat("/proc/self/ns/mnt").st_ino  # noqa: PTH116 - lean
    except OSError:
        return True  # hidden from us: then its files are too


def measuring_ancestor(pid: int) -> int | None:
    """The nearest process above this one that measures, and so answers for it already."""
    for key in ancestors_of(pid):
        facts, notice = read_process(key[0]), notice_of(*key)
        if facts is not None and notice is not None and notice.measures(facts):
            return key[0]
    return None


# --- families ------------------------------------------------------------------------------------------------------------


class _Member:
    __slots__ = ("adopter", "facts", "lost_ns", "pid")

    def __init__(self, pid: int, facts: Facts, adopter: int, lost_ns: int) -> None:
        self.pid = pid
        self.facts = facts
        self.adopter = adopter  # the nearest living process above it in the family, 0 for none: its parent, or who is left
        self.lost_ns = lost_ns  # of processes below it that ended and that nobody of the family waited for

    @property
    def start(self) -> int:
        return self.facts.start

    @property
    def key(self) -> Key:
        return self.pid, self.start


class Family(ABC):
    """Processes that belong together, and the CPU time that none of them claims.

    Who was once below stays in the family when its parent ends. What a process used in its last second is missed where
    nobody of the family waits for it (orphans, ends that are ignored). Used by one thread.
    """

    _keeps_orphans = True

    def __init__(self) -> None:
        self._members: dict[int, _Member] = {}
        self._notices: dict[Key, Notice] = {}
        self._strangers: set[str] = set()
        self._settled_ns = 0
        self._lost_ns = 0
        self._measuring: set[Key] = set()
        self.claimed = False
        """Whether a process of the family measured itself, as of the last look or since the one before."""
        self.total_ns = 0
        self.total_ns = self._unclaimed_ns()
        """CPU time of the family that nobody in it claims. Where it starts means nothing; it never goes backwards."""
        self.claimed = bool(self._measuring)  # who ended before is no matter

    def advance(self) -> int:
        """CPU time in ns since the last call that nobody in the family claims."""
        before_ns = self.total_ns
        self.total_ns = max(self._unclaimed_ns(), before_ns)
        return self.total_ns - before_ns

    def pids(self) -> set[int]:
        """The living processes for which the measuring one answers, as of the last look."""
        return {pid for pid, member in self._members.items() if member.facts.running and not self._is_claimed(member)}

    def members(self) -> set[int]:
        """All living processes of the family, as of the last look."""
        return set(self._members)

    # what differs by kind of family

    @abstractmethod
    def _look(self) -> dict[int, Facts]:
        """All that can be reached from the top, by process id."""

    @abstractmethod
    def _gross_ns(self) -> int:
        """CPU time of all, claimed or not. Asked before ``_look``: what comes in between is missed, not doubled."""

    def _is_top(self, key: Key) -> bool:
        """Whether this process, no member itself, stands above all of them."""
        return False

    # the arithmetic

    def _unclaimed_ns(self) -> int:
        gross_ns = self._gross_ns()
        measured, known = bool(self._measuring), self._notices.keys() | ()
        self._refresh()
        self.claimed = measured or bool(self._measuring or self._notices.keys() - known)
        below: dict[int, list[_Member]] = {}
        for member in self._members.values():
            below.setdefault(member.adopter, []).append(member)
        return self._all_ns(gross_ns, below) - self._claimed_ns(below)

    def _all_ns(self, gross_ns: int, below: dict[int, list[_Member]]) -> int:
        return gross_ns + self._lost_ns + sum(_sum_ns(top, below) for top in below.get(0, ()))

    def _claimed_ns(self, below: dict[int, list[_Member]]) -> int:
        claimed_ns = self._settled_ns
        current = {member.key for member in self._members.values()}
        for key, notice in list(self._notices.items()):
            if key in self._measuring:
                member = self._members[key[0]]
                if not self._is_claimed(self._members.get(member.adopter)):
                    claimed_ns += _sum_ns(member, below) - notice.since_ns
            elif not notice.above.keys() & self._measuring:  # else it is in the sum of who measures above it
                claimed_ns += notice.written_ns
                if notice.final and not notice.above.keys() & current:
                    self._settled_ns += notice.written_ns
                    del self._notices[key]
        return claimed_ns

    def _is_claimed(self, member: _Member | None) -> bool:
        while member is not None:
            if member.key in self._measuring:
                return True
            member = self._members.get(member.adopter)
        return False

    # who is in it

    def _refresh(self) -> None:
        before = self._members
        found = self._look()
        for pid, member in before.items() if self._keeps_orphans else ():
            if pid not in found:  # ended, or orphaned
                facts = read_process(pid)
                if facts is not None and facts.start == member.facts.start:
                    found.update(_below([pid]))
        self._read_new_notices(found)
        stayed = {pid for pid, member in before.items() if pid in found and found[pid].start == member.facts.start}

        def heir(pid: int) -> int:
            while pid and pid not in stayed:
                pid = before[pid].adopter
            return pid

        self._members = {}
        for pid, facts in found.items():
            if pid in stayed:
                adopter, lost_ns = heir(before[pid].adopter), before[pid].lost_ns
            else:
                adopter, lost_ns = self._adopter(pid, facts, found), 0
            self._members[pid] = _Member(pid, facts, adopter, lost_ns)
        self._keep_what_ended([member for pid, member in before.items() if pid not in stayed], before, heir)
        self._read_notices()

    def _adopter(self, pid: int, facts: Facts, found: dict[int, Facts]) -> int:
        parent = found.get(facts.parent)
        if parent is not None and parent.start <= facts.start:  # else its id was used again while we looked
            return facts.parent
        notice = self._notices.get((pid, facts.start))  # an orphan that was never seen below its parent
        return next((above[0] for above in notice.above if _holds(found, above)), 0) if notice else 0

    def _keep_what_ended(self, ended: list[_Member], before: dict[int, _Member], heir: Callable[[int], int]) -> None:
        lost_ns: Counter[int] = Counter()
        waited_ns: Counter[int] = Counter()
        for member in ended:
            lost_ns[heir(member.adopter)] += member.lost_ns
            used_ns = member.facts.own_ns + member.facts.reaped_ns
            if member.facts.parent in before:
                waited_ns[member.facts.parent] += used_ns
            elif not self._waits_for(member):
                lost_ns[heir(member.adopter)] += used_ns
        # The parent waited for it, unless what it waited for has not grown: then the ends of its children are ignored.
        for pid, used_ns in waited_ns.items():
            parent = before[pid]
            now = read_process(pid)  # again: it may have waited since it was looked at
            if now is None or now.start != parent.facts.start or pid not in self._members or not (_LINUX or os.name == "nt"):
                continue
            if used_ns >= _GRAIN_NS and now.reaped_ns == parent.facts.reaped_ns:
                lost_ns[pid] += used_ns
        for pid, more_ns in lost_ns.items():
            if pid:
                self._members[pid].lost_ns += more_ns
            else:
                self._lost_ns += more_ns

    def _waits_for(self, ended: _Member) -> bool:
        """Whether who is at the top waited for this member, and counts its CPU time."""
        return False

    # who claims

    def _read_new_notices(self, found: dict[int, Facts]) -> None:
        """Claims of processes that are not in sight: ended since the last look, or orphaned at once. They say who is above."""
        folder = own_folder()
        names = set(_names(folder))
        self._strangers &= names
        for name in names - self._strangers:
            try:
                key = _key(name)
            except ValueError:
                continue
            if key in self._notices or _holds(found, key) or self._is_top(key):
                continue
            notice = _read_notice(f"{folder}/{name}", None)
            if notice is None:
                continue
            if _holds(self._members, key) or any(self._is_top(above) or _holds(found, above) for above in notice.above):
                facts = read_process(key[0])
                alive = facts is not None and facts.start == key[1]
                if alive and not self._keeps_orphans:
                    continue
                self._notices[key] = notice
                if alive:
                    found.update(_below([key[0]]))
            else:
                self._strangers.add(name)

    def _read_notices(self) -> None:
        self._measuring = set()
        for member in self._members.values():
            notice = notice_of(*member.key)
            if notice is None:
                continue
            adopter = self._members.get(member.adopter)
            while adopter is not None:
                notice.above[adopter.key] = None
                adopter = self._members.get(adopter.adopter)
            self._notices[member.key] = notice
            if notice.measures(member.facts):
                self._measuring.add(member.key)
        for key, notice in self._notices.items():
            member_now = self._members.get(key[0])
            if not notice.final and (member_now is None or member_now.key != key):
                notice.final = True
                last = _read_notice(notice.path, None)
                if last is not None:
                    notice.written_ns = last.all_written_ns()
                self._strangers.add(_name(*key))


def _holds(processes: Mapping[int, Facts | _Member], key: Key) -> bool:
    process = processes.get(key[0])
    return process is not None and process.start == key[1]


def _sum_ns(member: _Member, below: dict[int, list[_Member]]) -> int:
    """All CPU time of a process, and of those that are or were below it."""
    total_ns = 0
    waiting = [member]
    while waiting:
        member = waiting.pop()
        total_ns += member.facts.own_ns + member.facts.reaped_ns + member.lost_ns
        waiting.extend(below.get(member.pid, ()))
    return total_ns


class Descendants(Family):
    """What this process started, and what those started. Without children, looking costs a microsecond."""

    def __init__(self) -> None:
        self._pid = listed_pid()
        facts = read_process(self._pid)
        self._key = (self._pid, facts.start if facts else 0)
        self._reaped_ns = 0
        self._reaped_before_ns = 0
        super().__init__()

    def _unclaimed_ns(self) -> int:
        if not self._members and _reaped_by_us() == self._reaped_ns and not _has_children():
            self.claimed = False
            return self.total_ns
        return super()._unclaimed_ns()

    def pids(self) -> set[int]:
        """This process and its living descendants that do not measure themselves, as of the last look."""
        return {os.getpid()} | super().pids()

    def _look(self) -> dict[int, Facts]:
        return _below(_children(self._pid)) if _has_children() else {}

    def _gross_ns(self) -> int:
        self._reaped_before_ns, self._reaped_ns = self._reaped_ns, _reaped_by_us()
        return self._reaped_ns

    def _is_top(self, key: Key) -> bool:
        return key == self._key

    def _waits_for(self, ended: _Member) -> bool:
        return ended.facts.parent == self._pid and _reaped_by_us() > self._reaped_before_ns


def _reaped_by_us() -> int:
    try:
        import resource
    except ImportError:  # Windows keeps no such account
        return 0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


def _has_children() -> bool:
    """Whether there is a child, without waiting for any: WNOWAIT leaves every end to the program."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except OSError:
        return True
    return True


class ProcessTree(Family):
    """A process and all below it, seen from outside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        facts = read_process(pid)
        self._start = facts.start if facts else None
        self._measured_above = False
        super().__init__()

    def advance(self) -> int:
        """See ``Family.advance``. Nothing while a process above measures: it answers for all of them."""
        more_ns = super().advance()
        before, self._measured_above = self._measured_above, measuring_ancestor(self.pid) is not None
        return 0 if before or self._measured_above else more_ns

    def alive(self) -> bool:
        """Whether the process at the top has not ended."""
        facts = read_process(self.pid)
        return facts is not None and facts.running and facts.start == self._start

    def _look(self) -> dict[int, Facts]:
        facts = read_process(self.pid)
        return _below([self.pid]) if facts is not None and facts.start == self._start else {}

    def _gross_ns(self) -> int:
        return 0


class ControlGroup(Family):
    """The processes of a control group and of those below it. The kernel keeps their account, also of those that ended.

    Args:
        folder: Of the group, in a hierarchy that accounts for CPU time.
    """

    _keeps_orphans = False  # they stay in their group, or left it

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.inode = _inode(folder)
        self._usage_ns = 0
        super().__init__()

    def alive(self) -> bool:
        """Whether the group exists, and is not another one of the same name."""
        return self.inode is not None and _inode(self.folder) == self.inode

    def _gross_ns(self) -> int:
        self._usage_ns = max(cpu_usage_ns(self.folder) or 0, self._usage_ns)
        return self._usage_ns

    def _all_ns(self, gross_ns: int, below: dict[int, list[_Member]]) -> int:
        return gross_ns

    def _look(self) -> dict[int, Facts]:
        found: dict[int, Facts] = {}
        for folder, _, files in os.walk(self.folder):
            if "cgroup.procs" in files:
                for pid in (_read_file(f"{folder}/cgroup.procs") or b"").split():
                    facts = read_process(int(pid))
                    if facts is not None:
                        found[int(pid)] = facts
        return found


def _inode(folder: str) -> int | None:
    try:
        return os.stat(folder).st_ino  # noqa: PTH116 - lean
    except OSError:
        return None


def cpu_usage_ns(folder: str) -> int | None:
    """CPU time of a control group since it was made (version 2, or 1 with cpuacct); None where it is not accounted for."""
    for line in (_read_file(f"{folder}/cpu.stat") or b"").splitlines():
        if line.startswith(b"usage_usec "):
            return int(line.split()[1]) * 1000
    usage = _read_file(f"{folder}/cpuacct.usage")
    return None if usage is None else int(usage)

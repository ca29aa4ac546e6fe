"""Read from the kernel what a process is, what it used and what is below it: ``/proc`` on Linux, psutil elsewhere.

Loaded in the measured program at its first span, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

IS_LINUX = sys.platform == "linux"

ProcessIdentity = tuple[int, int]
"""A process: its id, and when it started, because ids are reused."""


class ProcessSnapshot:
    """One process at one moment.

    Attributes:
        start: When it started, in the kernel's ticks since boot (elsewhere in milliseconds).
        parent: Id of its parent.
        own_ns: CPU time that it used itself.
        reaped_ns: CPU time of the children that it waited for, including the time of the children they waited for.
        image: Address of the start of its stack, which changes at each exec; 0 if hidden.
        running: Whether it has not ended; False for a zombie.
    """

    __slots__ = ("image", "own_ns", "parent", "reaped_ns", "running", "start")

    def __init__(self, start: int, parent: int, own_ns: int, reaped_ns: int, image: int, *, running: bool) -> None:
        self.start = start
        self.parent = parent
        self.own_ns = own_ns
        self.reaped_ns = reaped_ns
        self.image = image
        self.running = running


_ids = (0, 0)  # our process id, and the one in /proc


def listed_pid() -> int:
    """Return this process's id in ``/proc``, or 0 if it is not listed there.

    The id differs from ``os.getpid()`` if ``/proc`` was mounted outside of our namespace, as after ``unshare --pid`` without
    ``--mount-proc`` and in some sandboxes. There, ``/proc/1`` may be the first process of the host.

    Example:
        >>> read_process(listed_pid()).parent == os.getppid()
        True
    """
    global _ids
    pid = os.getpid()
    if not IS_LINUX:
        return pid
    if _ids[0] != pid:
        try:
            _ids = (pid, int(os.readlink("/proc/self")))
        except (OSError, ValueError):
            _ids = (pid, 0)
    return _ids[1]


def read_process(pid: int) -> ProcessSnapshot | None:
    """Read what the kernel reports of a process; None if there is no such process, or it is hidden.

    Args:
        pid: Its id in ``/proc``.

    Example:
        >>> read_process(listed_pid()).running
        True
    """
    if not IS_LINUX:
        return _read_with_psutil(pid)
    text = read_file(f"/proc/{pid}/stat")
    if text is None:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    try:
        # The CPU clock of the process with this id, if system calls use the same id as /proc.
        own_ns = time.clock_gettime_ns((~pid << 3) | 2) if listed_pid() == os.getpid() else None
    except OSError:
        own_ns = None
    if own_ns is None:
        own_ns = (int(fields[11]) + int(fields[12])) * tick_ns
    return ProcessSnapshot(
        start=int(fields[19]),
        parent=int(fields[1]),
        own_ns=own_ns,
        reaped_ns=(int(fields[13]) + int(fields[14])) * tick_ns,
        image=int(fields[25]),
        running=fields[0] not in b"ZX",
    )


def _read_with_psutil(pid: int) -> ProcessSnapshot | None:
    import psutil

    try:
        process = psutil.Process(pid)
        cpu = process.cpu_times()
        running = process.status() != psutil.STATUS_ZOMBIE
        return ProcessSnapshot(
            round(process.create_time() * 1e3), process.ppid(), round((cpu.user + cpu.system) * 1e9), 0, 0, running=running
        )
    except psutil.Error:
        return None


def read_file(path: str) -> bytes | None:
    """Read a whole file; None if it is empty or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    text = b""
    try:
        while part := os.read(descriptor, 65536):  # the kernel returns a page at a time
            text += part
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return text or None


def names_in(folder: str | None) -> list[str]:
    """List the names in a folder; none if there is no folder, or it cannot be listed."""
    try:
        return os.listdir(folder) if folder else []
    except OSError:
        return []


def children_of(pid: int) -> list[int]:
    """Return the ids of the children of a process that live or were not waited for yet."""
    if not IS_LINUX:
        import psutil

        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []
    children: list[int] = []
    for thread in names_in(f"/proc/{pid}/task"):  # the kernel lists the children of each thread apart
        text = read_file(f"/proc/{pid}/task/{thread}/children")
        children.extend(int(child) for child in (text or b"").split())
    return children


def _children_by_parent() -> Callable[[int], list[int]]:
    """``children_of`` for a kernel that does not list children (no CONFIG_PROC_CHILDREN): one pass over all processes."""
    by_parent: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        process = read_process(int(name)) if name.isdigit() else None
        if process is not None:
            by_parent.setdefault(process.parent, []).append(int(name))
    return lambda pid: by_parent.get(pid, [])


def read_trees(pids: Iterable[int]) -> dict[int, ProcessSnapshot]:
    """Read these processes and all their descendants, by id.

    A parent is read before its children, so a process that ends meanwhile is missed rather than counted twice.

    Example:
        >>> listed_pid() in read_trees([listed_pid()])
        True
    """
    children_listed = not IS_LINUX or os.path.exists("/proc/thread-self/children")
    find_children = children_of if children_listed else _children_by_parent()
    found: dict[int, ProcessSnapshot] = {}
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        process = read_process(pid) if pid not in found else None
        if process is not None:
            found[pid] = process
            waiting.extend(find_children(pid))
    return found


def ancestors_of(pid: int) -> Iterator[ProcessIdentity]:
    """Yield the processes above one, nearest first."""
    process = read_process(pid)
    while process is not None and process.parent > 0:
        parent = process.parent
        process = read_process(parent)
        if process is not None:
            yield parent, process.start


def own_reaped_ns() -> int:
    """Return the CPU time of the children that this process waited for; 0 on Windows, which keeps no such account."""
    try:
        import resource
    except ImportError:
        return 0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


def has_children() -> bool:
    """Return whether this process has a child. WNOWAIT leaves every exit status for the program to collect."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except OSError:
        return True
    return True


def control_group_cpu_ns(folder: str) -> int | None:
    """Return the CPU time of a control group since its creation (version 2, or 1 with cpuacct); None if not accounted for.

    Args:
        folder: Folder of the group in a hierarchy that accounts for CPU time.

    Example:
        >>> control_group_cpu_ns("/no/such/group") is None
        True
    """
    for line in (read_file(f"{folder}/cpu.stat") or b"").splitlines():
        if line.startswith(b"usage_usec "):
            return int(line.split()[1]) * 1000
    usage = read_file(f"{folder}/cpuacct.usage")
    return None if usage is None else int(usage)

"""Find the target of ``ecoia watch``: a process, a control group or a systemd unit. Refuse targets that are measured already."""

from __future__ import annotations

import os
from pathlib import Path

from ecoia.errors import UsageError
from ecoia.processes.families import ControlGroup, ProcessTree
from ecoia.processes.notices import measuring_ancestor, notice_of
from ecoia.processes.proc import ancestors_of, control_group_cpu_ns, listed_pid, read_process
from ecoia.watching.group_rules import UNIT_TYPES
from ecoia.watching.group_tree import hierarchies

# --- processes -------------------------------------------------------------------------------------------------------------


def find_process(pid: int) -> ProcessTree:
    """Return the tree of a process, with all its descendants.

    Args:
        pid: Its id in ``/proc``.

    Raises:
        UsageError: There is no such process, it is measured already, or its tree contains this process.

    Example:
        >>> find_process(0)
        Traceback (most recent call last):
        ecoia.errors.UsageError: pid = 0: no such process, or hidden from this user: list processes with 'ps -ef', or be root
    """
    process = read_process(pid) if pid > 0 else None
    if process is None or not process.running:
        raise UsageError(f"pid = {pid}: no such process, or hidden from this user: list processes with 'ps -ef', or be root")
    if Path("/proc/self").exists() and Path(f"/proc/{pid}") not in Path("/proc").iterdir():  # threads are found, but not listed
        raise UsageError(f"pid = {pid}: this is a thread: give the id of its process ('ps -eLf' shows both)")
    us = listed_pid()
    above_us = {above for above, _ in ancestors_of(us)}
    if pid == us or pid in above_us or us in {above for above, _ in ancestors_of(pid)}:
        raise UsageError(f"pid = {pid}: 'ecoia watch' would watch itself: start it from another shell, or use 'ecoia run'")
    notice = notice_of(pid, process.start)
    if notice is not None and notice.measures(process):
        raise UsageError(f"pid = {pid}: it measures itself and all its descendants: there is nothing to add, do not watch it")
    above = measuring_ancestor(pid)
    if above is not None:
        raise UsageError(f"pid = {pid}: process {above} above it measures it already: do not watch it, or watch {above}'s parent")
    return ProcessTree(pid)


# --- control groups --------------------------------------------------------------------------------------------------------


class Unit(ControlGroup):
    """The control group of a systemd unit. When the unit restarts, it is followed into its new group.

    Args:
        name: Name of the unit.
        mount: Where control groups are mounted.
        folder: Folder of its present group.
    """

    def __init__(self, name: str, mount: Path, folder: Path) -> None:
        self._name = name
        self._mount = mount
        super().__init__(str(folder))

    def alive(self) -> bool:
        """Return True always: a unit may start again."""
        return True

    def advance(self) -> int:
        """See ``Family.advance``."""
        more_ns = super().advance()
        if not super().alive():
            found = _unit_folders(self._name, self._mount)
            if found:  # created since the last look, so everything that it used counts
                super().__init__(str(found[0]))
                more_ns += self.total_ns
        return more_ns


def find_group(path: str, mount: Path) -> Path:
    """Return the folder of a control group in a hierarchy that accounts for CPU time.

    Args:
        path: The folder, or the path of the group below the mount.
        mount: Where control groups are mounted.

    Raises:
        UsageError: There is no such group, or its CPU time cannot be read.
    """
    below = path.strip("/")
    folders = [Path(path)] if Path(path).is_absolute() else []
    folders += [hierarchy / below for hierarchy in hierarchies(mount)]
    found = [folder for folder in folders if folder.is_dir()]
    for folder in found:
        if control_group_cpu_ns(str(folder)) is not None:
            return folder.resolve()
    if not [folder for folder in found if (folder / "cgroup.procs").exists()]:
        raise UsageError(
            f"cgroup = {path!r}: no such control group below '{mount}': read the path of a process's group in /proc/PID/cgroup"
        )
    raise UsageError(
        f"cgroup = {path!r}: its CPU time cannot be read: give its path in the cpuacct hierarchy, or be a user who may read it"
    )


def find_unit(name: str, mount: Path) -> Path:
    """Return the folder of a systemd unit's control group.

    Args:
        name: Name of the unit; without a type it is a ``.service``.
        mount: Where control groups are mounted.

    Raises:
        UsageError: No unit of this name runs, or several do.

    Example::

        find_unit("inference-api", CGROUP_MOUNT)  # /sys/fs/cgroup/system.slice/inference-api.service
    """
    found = _unit_folders(name, mount)
    if not found:
        raise UsageError(
            f"unit = {name!r}: no such unit runs here (no control group below '{mount}' has this name): "
            "list units with 'systemctl status'"
        )
    if len(found) > 1:
        raise UsageError(f"unit = {name!r}: several units of this name run: give one as --cgroup: {', '.join(map(str, found))}")
    return found[0].resolve()


def _unit_folders(name: str, mount: Path) -> list[Path]:
    """Return the folders of the control groups of this name: the system's unit and users' units, in slices at any depth."""
    wanted = name if name.endswith(UNIT_TYPES) else f"{name}.service"
    for hierarchy in hierarchies(mount):
        found = [
            Path(folder) / wanted
            for folder, below, _ in os.walk(hierarchy)
            if wanted in below and control_group_cpu_ns(f"{folder}/{wanted}") is not None
        ]
        if found:
            return sorted(found)
    return []


def why_measured_above(group: ControlGroup) -> str | None:
    """Return why a group must not be watched: a process above one of its members measures it. None if none does."""
    inside = group.members()
    for pid in group.pids():
        above = measuring_ancestor(pid)
        if above is not None and above not in inside:
            return (
                f"cgroup = '{group.folder}': its process {pid} is measured already, by process {above} above it: "
                "do not watch the group, or end that measuring first"
            )
    return None

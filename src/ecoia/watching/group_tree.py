"""The tree of control groups on this host: where it is mounted, and which groups it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ecoia.errors import UsageError

CGROUP_MOUNT = Path("/sys/fs/cgroup")

GroupIdentity = tuple[str, int]
"""A control group: its path below the hierarchy, and its inode, because paths are reused."""


def hierarchies(mount: Path) -> list[Path]:
    """List the hierarchies that may account for CPU time: version 2, alone or beside version 1, then those of version 1.

    Args:
        mount: Where control groups are mounted.

    Example:
        >>> hierarchies(Path("/no/such/mount"))
        []
    """
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [mount / name for name in ("unified", "cpu,cpuacct", "cpuacct") if (mount / name).is_dir()]


def rules_hierarchy(mount: Path) -> Path:
    """Find the hierarchy in which rules look for groups: version 2, or the one of version 1 that accounts for CPU time.

    Args:
        mount: Where control groups are mounted.

    Raises:
        UsageError: No control group can be seen there.
    """
    if (mount / "cgroup.controllers").exists():
        return mount
    for name in ("cpu,cpuacct", "cpuacct", "unified"):
        if (mount / name / "cgroup.procs").exists():
            return mount / name
    raise UsageError(f"'{mount}' shows no control groups: mount those of the host there (in a container: read-only, as a volume)")


def path_in_hierarchy(folder: Path, mount: Path) -> str:
    """Return the path of a group as the kernel writes it; it is the same in each hierarchy.

    Args:
        folder: Folder of the group.
        mount: Where control groups are mounted.
    """
    for hierarchy in hierarchies(mount):
        if folder.is_relative_to(hierarchy.resolve()):
            return f"/{folder.relative_to(hierarchy.resolve())}"
    return str(folder)


def groups_in(folder: str) -> Iterator[tuple[str, int]]:
    """Yield the (name, inode) of each group directly in a folder; nothing if the folder is gone."""
    try:
        if os.stat(folder).st_nlink == 2:  # noqa: PTH116 - most folders hold no other, and this is the cheapest way to know
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield entry.name, entry.inode()
    except OSError:
        return


def groups_below(hierarchy: str, path: str) -> Iterator[GroupIdentity]:
    """Yield every group below one, however deep.

    Args:
        hierarchy: Folder of the hierarchy.
        path: Path of the group in it; "" for the hierarchy itself.

    Example:
        >>> from tempfile import mkdtemp
        >>> hierarchy = mkdtemp()
        >>> Path(hierarchy, "system.slice/search.service").mkdir(parents=True)
        >>> [path for path, _ in groups_below(hierarchy, "")]
        ['/system.slice', '/system.slice/search.service']
    """
    for name, inode in groups_in(hierarchy + path):
        yield f"{path}/{name}", inode
        yield from groups_below(hierarchy, f"{path}/{name}")

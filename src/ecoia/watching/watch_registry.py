"""One watcher for each target: two that watch the same processes would record them twice.

Each ``ecoia watch`` holds a locked file in the folder of notices, with one line for each target that it watches.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ecoia.errors import UsageError
from ecoia.instrument.engine import engine
from ecoia.keeping.file_system import LockableFile, is_locked
from ecoia.processes.families import ControlGroup, ProcessTree
from ecoia.processes.notices import own_folder


class Registration:
    """The targets that this watcher watches, where other watchers look for them.

    Args:
        name: Name of the watcher. Of two with one name, the second is refused.

    Raises:
        UsageError: A watcher of this name runs already.

    Example::

        registration = Registration("rules of this host")
        refusal = registration.add(group)
    """

    def __init__(self, name: str) -> None:
        self._lines: list[str] = []
        self._file: Path | None = None
        folder = own_folder(make=True)
        if folder is None:
            engine.complain(f"the folder of notices cannot be used, so a second watcher of '{name}' would not be noticed")
            return
        self._file = Path(folder, f"watched+{hashlib.sha256(name.encode()).hexdigest()[:16]}")
        self._held = LockableFile(self._file, os.O_WRONLY | os.O_CREAT)
        if not self._held.lock():
            self._held.close()
            raise UsageError(f"'{name}' is watched already: end the other 'ecoia watch' first")

    def add(self, target: ProcessTree | ControlGroup) -> str | None:
        """Register a target.

        Returns:
            Why it must not be watched: another watcher has processes of it. None if it is registered now.
        """
        line = line_of(target)
        self._write([*self._lines, line])
        # Written first, then compared: of two watchers that begin together, at least one sees the other.
        for other in self._file.parent.glob("watched+*") if self._file is not None else ():
            if other != self._file and is_locked(other):
                for their_line in other.read_text(encoding="utf-8").splitlines():
                    if _shares_processes(target, their_line):
                        self._write([each for each in self._lines if each != line])
                        return (
                            f"'{line}' shares processes with '{their_line}', which is watched already: "
                            "end the other 'ecoia watch' first"
                        )
        return None

    def drop(self, target: ProcessTree | ControlGroup) -> None:
        """Unregister a target."""
        self._write([each for each in self._lines if each != line_of(target)])

    def _write(self, lines: list[str]) -> None:
        self._lines = lines
        if self._file is not None:
            self._file.write_text("\n".join(lines), encoding="utf-8")

    def end(self) -> None:
        """Let another watcher take this name and these targets."""
        if self._file is not None:
            self._held.close()


def line_of(target: ProcessTree | ControlGroup) -> str:
    """Name a target, as the registry and error messages write it.

    Example:
        >>> line_of(ControlGroup("/sys/fs/cgroup/system.slice"))
        'cgroup /sys/fs/cgroup/system.slice'
    """
    return f"cgroup {target.folder}" if isinstance(target, ControlGroup) else f"pid {target.pid}"


def _shares_processes(target: ProcessTree | ControlGroup, line: str) -> bool:
    """Return whether both may have a process in common: two trees or two groups, one inside the other."""
    kind, _, name = line.partition(" ")
    if kind == "pid":
        other: ProcessTree | ControlGroup = ProcessTree(int(name))
    else:
        other = ControlGroup(name)
        if isinstance(target, ControlGroup) and _are_nested(Path(target.folder), Path(name)):
            return True
    return bool(target.members() & other.members())


def _are_nested(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)

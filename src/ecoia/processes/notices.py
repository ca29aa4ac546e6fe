"""Notices: how each measuring process lets the others know what it records, so that no CPU time is recorded twice.

A measuring process writes one small file, its *notice*, into a folder that every process of its host can find. The notice
says how much CPU time it leaves to the processes above it, and how much is in records already. Processes that measure it
too, as its ancestors or from outside (``ecoia watch``), read the notice and leave that time out.

A notice is one line of nine fields: CPU time in records (ns), whether the process stopped measuring, CPU time left to
ancestors (ns), ``ProcessSnapshot.image``, ancestors, day and size of the last written journal file, folder of the journal
(in hexadecimal) and name of its files. Loaded in the measured program at its first span, so it imports next to nothing.
"""

from __future__ import annotations

import os
import stat
import time

from ecoia.processes import proc
from ecoia.processes.proc import ProcessIdentity, ProcessSnapshot, ancestors_of, listed_pid, names_in, read_file, read_process

_SWEEP_SECONDS = 60.0
"""Time after which the notice of a process that was found ended is deleted: by then, the processes above it have read it."""

_TOO_GREAT = 1 << 62
"""Above every CPU time in ns and size in bytes."""

_MOST_UNSTATED_BYTES = 64 << 20
"""Most bytes of journal that a process can have written without stating them in its notice: a window or two."""

_WRITABLE, _FOUND_ENDED = 0o200, 0o400
"""Permissions of a notice. Its process was found ended at the file's time if the file is not writable."""

_MOST_SWEPT = 200
"""Old notices that one process looks at, so that a full folder does not hold it up."""


class OwnNotice:
    """The notice of this process.

    Nothing is raised: a notice that cannot be written is reported by ``add``.

    Args:
        since_ns: CPU time of this process and its descendants from before it measured; it is left to the processes above.

    Example::

        notice = OwnNotice(time.process_time_ns())
        notice.add(written_ns=5_000_000, day="2026-11-25", size_bytes=812)
        notice.end()
    """

    def __init__(self, since_ns: int) -> None:
        self._pid = os.getpid()
        process = read_process(listed_pid())
        self._name = file_name(self._pid, process.start if process else 0)
        above = ",".join(file_name(*identity) for identity in ancestors_of(listed_pid()))
        self._written_ns = min(self._written_before_exec_ns(), since_ns)  # a forged notice may state any number
        since_ns -= self._written_ns
        self._fixed_fields = f"{since_ns} {process.image if process else 0} {above or '-'}"
        self._written_to = "- 0"
        self._journal = "- -"
        self._ended = False
        self._write()

    def _written_before_exec_ns(self) -> int:
        """Return the CPU time in records of the program that this process was before it became another one (``os.execv``)."""
        folder = own_folder()
        before = None if folder is None else read_notice(f"{folder}/{self._name}", None)
        return 0 if before is None else before.all_written_ns()

    def writes_to(self, folder: str, name: str) -> None:
        """State where records will be written, so that others can look there if this process is killed while it writes.

        Args:
            folder: Folder of the journal, which holds one folder a day.
            name: Name of this process's files in those folders.
        """
        self._journal = f"{os.fsencode(folder).hex()} {name}"
        self._write()

    def add(self, written_ns: int, day: str, size_bytes: int) -> bool:
        """State that more CPU time is in records now.

        Args:
            written_ns: CPU time of the records that were just written.
            day: Folder of the file that they were written to.
            size_bytes: Size of that file now.

        Returns:
            Whether other processes can read it.
        """
        self._written_ns += written_ns
        self._written_to = f"{day} {size_bytes}"
        return self._write()

    def end(self) -> None:
        """State that measuring ended: CPU time from now on belongs to the processes above."""
        if not self._ended:
            self._ended = True
            self._write()

    def _write(self) -> bool:
        folder = own_folder(make=True)
        if folder is None or os.getpid() != self._pid:
            return False
        path = f"{folder}/{self._name}"
        fields = f"{self._written_ns} {int(self._ended)} {self._fixed_fields} {self._written_to} {self._journal}\n"
        try:
            # Renamed into place, so that no process reads a half-written notice.
            with open(f"{path}.new", "wb") as file:
                file.write(fields.encode())
            os.replace(f"{path}.new", path)
        except OSError:
            return False
        return True


class Notice:
    """The notice of another process, as read.

    Attributes:
        path: Where it was read.
        written_ns: CPU time in records.
        ended: Whether the process stopped measuring.
        since_ns: CPU time that it leaves to the processes above it.
        image: See ``ProcessSnapshot.image``.
        above: The processes above it, as an ordered set.
        day: Folder of the last file that it wrote records to, "-" for none.
        size_bytes: Size of that file after the last write.
        folder: Folder of its journal, "" if it has not written yet.
        name: Name of its files in the journal.
        final: Whether it was read after the process ended.
        complete: Whether ``written_ns`` holds what the process could not state, too.
        counted_ns: CPU time that the reader took as recorded at its last look.

    Raises:
        ValueError: The text is no notice, or has a value that no process writes.

    Example:
        >>> notice = Notice("4242-1000", "5000000 0 70000000 0 4200-900 2026-11-25 812 - -")
        >>> notice.written_ns, notice.since_ns, list(notice.above)
        (5000000, 70000000, [(4200, 900)])
    """

    __slots__ = (
        "above",
        "complete",
        "counted_ns",
        "day",
        "ended",
        "final",
        "folder",
        "image",
        "name",
        "path",
        "since_ns",
        "size_bytes",
        "written_ns",
    )

    def __init__(self, path: str, text: str) -> None:
        written, ended, since, image, above, self.day, size_bytes, folder, self.name = text.split()
        self.size_bytes = _number(size_bytes)
        self.folder = "" if folder == "-" else os.fsdecode(bytes.fromhex(folder))
        self.path = path
        self.written_ns = _number(written)
        self.ended = ended != "0"
        self.since_ns = _number(since)
        self.image = _number(image)
        self.above: dict[ProcessIdentity, None] = (
            {} if above == "-" else dict.fromkeys(identity_of(name) for name in above.split(","))
        )
        self.final = self.complete = False
        self.counted_ns = 0
        if "/" in self.day + self.name or (self.folder and not os.path.isabs(self.folder)):
            raise ValueError("a file outside the journal")

    def measures(self, process: ProcessSnapshot) -> bool:
        """Return whether the process still measures: it lives, and it is still the program that wrote the notice."""
        return process.running and not self.ended and (not self.image or not process.image or self.image == process.image)

    def all_written_ns(self) -> int:
        """Return the CPU time in records, those included that a killed process had no time to state or to write.

        The window that it kept is read first: whoever adopts it meanwhile writes the same records to the journal.
        """
        from pathlib import Path

        from ecoia.keeping.adoption import kept_cpu_ns
        from ecoia.keeping.journal import Scan, stream_file

        written: dict[str, int] = kept_cpu_ns(self.folder, self.name) if self.folder else {}
        for day in names_in(self.folder):
            path = f"{self.folder}/{day}/{self.name}"
            offset = self.size_bytes if day == self.day else 0
            if (self.day == "-" or day >= self.day) and _is_readable(path, offset):
                try:
                    for entry in stream_file(Path(path), day, offset, Scan()):
                        written[entry.figures.record_id] = entry.figures.cpu_ns
                except OSError:
                    continue  # not this process's day, archived meanwhile, or not readable by this user
        return self.written_ns + sum(written.values())


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < _TOO_GREAT:
        raise ValueError("out of range")
    return number


def _is_readable(path: str, offset: int) -> bool:
    """Return whether a path is a file with a bounded rest: a notice may name anything."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and 0 <= found.st_size - offset <= _MOST_UNSTATED_BYTES


def file_name(pid: int, start: int) -> str:
    """Return the name of a process's notice: the id by which the process knows itself, and its start."""
    return f"{pid}-{start}"


def identity_of(name: str) -> ProcessIdentity:
    """Invert ``file_name``.

    Raises:
        ValueError: The name is no notice's.

    Example:
        >>> identity_of("4242-1000")
        (4242, 1000)
    """
    pid, _, start = name.partition("-")
    return int(pid), int(start)


# --- the folder of notices -------------------------------------------------------------------------------------------------


def own_folder(*, make: bool = False) -> str | None:
    """Return the folder of this user's notices, the same in every process; None if missing, open to others, or another user's.

    Args:
        make: Create it if it is missing.
    """
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    folder = _folder_of(uid)
    try:
        if make and not os.path.lexists(folder):
            os.mkdir(folder, 0o700)
    except OSError:
        pass  # another process was first, or the folder above is not writable
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    if os.name == "posix" and (found.st_uid != uid or found.st_mode & 0o170077 != 0o040000):
        return None  # another user's, a link, or open to others: its content cannot be trusted
    return folder


def _folder_of(uid: int, root: str = "") -> str:
    if proc.IS_LINUX and os.path.isdir(f"{root}/dev/shm"):  # noqa: S108 - emptied at reboot; see own_folder
        return _first_not_taken(uid, f"{root}/dev/shm/ecoia-{uid}", f"{root}/run/user/{uid}/ecoia")  # noqa: S108 - idem
    if os.name == "posix":
        return f"{root}/tmp/ecoia-{uid}"  # not TMPDIR, which may differ between processes that must meet  # noqa: S108
    import tempfile

    return f"{tempfile.gettempdir()}/ecoia-{uid}"


def _first_not_taken(uid: int, shared: str, own: str) -> str:
    """Return the folder where everybody may make one, unless another user took its name and the user has a place of its own."""
    try:
        taken = os.lstat(shared).st_uid != uid
    except OSError:
        return shared  # nobody has made it yet
    return own if taken and os.path.isdir(own.rpartition("/")[0]) else shared


def folder_problem() -> str | None:
    """Return why this user's notices cannot be written; None if they can.

    For ``ecoia doctor``: a process without a notice is counted by the processes that measure above it, too.
    """
    folder = _folder_of(os.geteuid() if hasattr(os, "geteuid") else 0)
    if own_folder() is not None or not os.path.lexists(folder):
        return None
    return f"'{folder}' belongs to another user or is open to others"


def damaged() -> list[str]:
    """Return the paths of this user's notices that no process wrote like that. They are ignored."""
    folder = own_folder()
    bad = []
    for name in notice_names():
        path = f"{folder}/{name}"
        try:
            identity_of(name)
        except ValueError:
            continue  # another thing of ecoia's
        if read_notice(path, None) is None and os.path.lexists(path):
            bad.append(path)
    return sorted(bad)


def notice_names() -> frozenset[str]:
    """Return the names of all notices of this user's processes. The set changes as soon as another process starts to measure."""
    return frozenset(name for name in names_in(own_folder()) if not name.endswith(".new"))


def sweep() -> None:
    """Delete the notices of processes that were found ended a while ago, and mark those that are found ended now."""
    folder = own_folder()
    names = names_in(folder)
    examined = 0
    first = os.getpid() % len(names) if names else 0  # where there are too many, each process takes others
    for name in names[first:] + names[:first]:
        path = f"{folder}/{name}"
        if examined >= _MOST_SWEPT:
            break
        try:
            pid, start = identity_of(name.removesuffix(".new"))
            found = os.stat(path)
            if time.time() - found.st_mtime <= _SWEEP_SECONDS:
                continue
            examined += 1
            process = read_process(pid)
            if process is not None and process.start == start:
                continue
            if found.st_mode & _WRITABLE:
                os.chmod(path, _FOUND_ENDED)
                os.utime(path)
                continue
            os.unlink(path)
        except (OSError, ValueError):
            continue


# --- notices of others -----------------------------------------------------------------------------------------------------


def read_notice(path: str, uid: int | None) -> Notice | None:
    """Read a notice; None if there is none, or it is damaged.

    Args:
        path: The file.
        uid: The user who must own it; None for any.
    """
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
    """Find the notice of a living process, including one of another user or in a container, as far as we may look into it.

    Args:
        pid: Its id in ``/proc``.
        start: Its start; see ``ProcessSnapshot``.
    """
    if not proc.IS_LINUX:
        folder = own_folder()
        return None if folder is None else read_notice(f"{folder}/{file_name(pid, start)}", None)
    uid, inner_pid = None, pid
    for line in (read_file(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"Uid:"):
            uid = int(line.split()[2])
        elif line.startswith(b"NSpid:"):
            inner_pid = int(line.split()[-1])
    if uid is None:
        return None
    root = "" if _shares_our_mounts(pid) else f"/proc/{pid}/root"
    return read_notice(f"{_folder_of(uid, root)}/{file_name(inner_pid, start)}", uid)


def _shares_our_mounts(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino == os.stat("/proc/self/ns/mnt").st_ino
    except OSError:
        return True  # hidden from us, and so are its files


def measuring_ancestor(pid: int) -> int | None:
    """Return the id of the nearest process above this one that measures, and so records its CPU time; None if none does."""
    for identity in ancestors_of(pid):
        process, notice = read_process(identity[0]), notice_of(*identity)
        if process is not None and notice is not None and notice.measures(process):
            return identity[0]
    return None

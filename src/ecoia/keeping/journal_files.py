"""The files of a journal: where they are, how long their text is, and their lines.

A *closed* file (its day is over, no process holds it) may be *packed*: ``4242-9f3c21.jsonl.gz`` holds the text of
``4242-9f3c21.jsonl`` byte for byte, and offsets count bytes of the text. A writer that comes back to that day opens the plain
file again, whose text then follows that of the packed one. Everything that reads a journal reads it through this module.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterator

from ecoia.errors import EcoiaError
from ecoia.keeping.journal_lines import lines_of
from ecoia.keeping.journal_size import PACKED, PLAIN
from ecoia.light import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_TRAILER_BYTES = 8  # CRC-32 and size of the text


def text_sizes(folder: str | Path, *, last_days: int | None = None, unread: dict[str, str] | None = None) -> dict[str, int]:
    """Return the bytes of text of each file, by its name below ``journal/``, oldest day first.

    Args:
        folder: The folder ``journal``.
        last_days: Look only at the folders of the last so many days; ``None``: at all of them.
        unread: Receives, by day, why its folder cannot be read: another account's, a failing disk, or a file in its place. The
            files of such a day are left out. Whoever passes nothing does not speak for all of the journal.

    Example:
        >>> text_sizes("no-such-folder")
        {}
    """
    sizes: dict[str, int] = {}
    days = day_folders(folder)
    for day in days if last_days is None else days[-last_days:]:
        path = os.path.join(folder, day)
        try:
            found = day_sizes(path)
            sizes |= {f"{day}/{name}": size for name, size in found.items()}
            if not found and os.path.islink(path):
                os.stat(path)  # a link that leads nowhere is no day that was archived meanwhile
        except OSError as error:
            if unread is not None:
                unread[day] = (
                    f"day '{path}' of the journal cannot be read ({error.strerror}), and nothing in it: make the folder readable "
                    "for this account, or move it away"
                )
    return sizes


def day_folders(folder: str | Path) -> list[str]:
    """Return the folders in a folder ``journal``, oldest day first, and what else has the name of a day.

    Example:
        >>> day_folders("no-such-folder")
        []
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _is_day(entry.name) or entry.is_dir())
    return []


def _is_day(name: str) -> bool:
    return len(name) == 10 and name[4] == name[7] == "-" and name.replace("-", "").isdecimal()


def day_sizes(folder: str | Path) -> dict[str, int]:
    """Return the bytes of text of each file of one day, by name, sorted. A day archived meanwhile gives what was there.

    Raises:
        OSError: the folder cannot be read, or is none.
    """
    sizes: dict[str, int] = {}
    packed = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(PLAIN):
                with contextlib.suppress(FileNotFoundError):  # packed meanwhile, or archived
                    sizes[entry.name] = entry.stat().st_size
            elif entry.name.endswith(PLAIN + PACKED):
                packed.append(entry.name.removesuffix(PACKED))
    for name in packed:
        with contextlib.suppress(FileNotFoundError):
            path = os.path.join(folder, name)
            try:
                sizes[name] = text_size(path)
            except PermissionError:  # another account's; whoever reads it says so
                sizes[name] = os.stat(f"{path}{PACKED}").st_size
    return dict(sorted(sizes.items()))


def text_size(path: str | Path) -> int:
    """Return the bytes of text of a file, by its path without ``.gz``.

    Raises:
        FileNotFoundError: it is there neither plain nor packed.
    """
    lines = Lines(path)
    lines.close()
    return lines.size


class DamagedFileError(EcoiaError):
    """The bytes of a packed file are not those that were written."""


class Lines:
    """The lines of a file's text, from an offset on. The last one may lack its newline.

    Args:
        path: The file, without ``.gz``.
        offset: Offset in bytes of the start of a line.

    Attributes:
        size: Bytes of the whole text.
        offset: Offset in bytes of the end of the line read last.
        packed: Whether that line is in the packed file.

    Raises:
        FileNotFoundError: the file is there neither plain nor packed.
        OSError: it cannot be read.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = f"{mkdtemp()}/1-abcdef.jsonl"
        >>> with open(path, "wb") as file:
        ...     _ = file.write(b"one\\ntwo\\n")
        >>> list(Lines(path, 4))
        [b'two\\n']
    """

    def __init__(self, path: str | Path, offset: int = 0) -> None:
        self._path = path
        self._parts = _open_parts(path)
        self.size = sum(part.size for part in self._parts)
        self.offset = offset
        self.packed = False
        self._read = 0
        self._read_from = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line.

        Raises:
            DamagedFileError: the packed file is damaged from here on. Iterate again for what follows it.
        """
        while self._parts:
            part = self._parts.pop(0)
            with part.file as file:
                if self.offset >= part.end and self._parts:
                    continue
                self.packed, self._read, self._read_from = part.packed, 0, max(self.offset - part.start, 0)
                try:
                    with _damage():
                        file.seek(self._read_from)
                        for line, size_bytes in lines_of(file):
                            self._read += 1
                            self.offset += size_bytes
                            yield line
                except DamagedFileError:
                    self.offset = max(self.offset, part.end)
                    raise

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole text in pieces, byte for byte.

        Raises:
            DamagedFileError: the packed file is damaged.
        """
        while self._parts:
            with self._parts.pop(0).file as file, _damage():
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk

    def close(self) -> None:
        """Close what was not read."""
        while self._parts:
            self._parts.pop().file.close()

    def number(self) -> int:
        """Return the number of the line read last, from 1, in its own file; 0 where the file was archived meanwhile."""
        before = 0
        if self._read_from:
            try:
                file = _open_text(self._path, packed=self.packed)
            except FileNotFoundError:
                return 0
            with file:
                before = _count_lines(file, self._read_from)
            self._read, self._read_from = self._read + before, 0
        return self._read


class _Part:
    """One of the files that a text is in: open, with the place of its text in the whole."""

    __slots__ = ("end", "file", "packed", "size", "start")

    def __init__(self, file: BinaryIO, start: int, size: int, *, packed: bool) -> None:
        self.file = file
        self.start = start
        self.size = size
        self.end = start + size
        self.packed = packed


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Raise ``DamagedFileError`` for what gzip finds wrong."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not gzip's
        raise DamagedFileError(f"the packed file is damaged from here on ({error})") from error


def _open_text(path: str | Path, *, packed: bool) -> BinaryIO:
    if not packed:
        return open(path, "rb")
    import gzip  # no measured process needs it

    return gzip.open(f"{path}{PACKED}")  # type: ignore[return-value]


def _open_parts(path: str | Path) -> list[_Part]:
    """Open the files that a text is in.

    The plain file is opened first: packing makes the packed one before it removes the plain one, so one of them is found.
    """
    parts: list[_Part] = []
    plain: BinaryIO | None = None
    try:
        plain = open(path, "rb")  # noqa: SIM115 - its ``_Part`` closes it
        size = os.fstat(plain.fileno()).st_size
    except FileNotFoundError:
        size = 0
    packed_path = f"{path}{PACKED}"
    try:
        crc, packed_size = trailer(packed_path)
    except FileNotFoundError:
        if plain is None:
            raise
        return [_Part(plain, 0, size, packed=False)]
    parts.append(_Part(_open_text(path, packed=True), 0, packed_size, packed=True))
    if plain is None:
        return parts
    if size == packed_size and text_crc(plain.read) == crc:  # a kill came before packing removed it
        plain.close()
        return parts
    plain.seek(0)
    return [*parts, _Part(plain, packed_size, size, packed=False)]


def trailer(packed: str | Path) -> tuple[int, int]:
    """Return the CRC-32 and the size in bytes of the text of a packed file, as its last bytes state them; zeros if it is cut.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with open(packed, "rb") as file:
        if os.fstat(file.fileno()).st_size < _TRAILER_BYTES:
            return 0, 0
        file.seek(-_TRAILER_BYTES, os.SEEK_END)
        data = file.read(_TRAILER_BYTES)
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little")


def text_crc(read: Callable[[int], bytes]) -> int:
    """Return the CRC-32 of all that ``read`` gives."""
    crc = 0
    while chunk := read(_CHUNK_BYTES):
        crc = zlib.crc32(chunk, crc)
    return crc


def _count_lines(file: BinaryIO, size_bytes: int) -> int:
    """Return the number of newlines in the first bytes of a file."""
    count = 0
    while size_bytes > 0 and (chunk := file.read(min(size_bytes, _CHUNK_BYTES))):
        count += chunk.count(b"\n")
        size_bytes -= len(chunk)
    return count

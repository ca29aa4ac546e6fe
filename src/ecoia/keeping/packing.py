"""Pack closed files of a journal with gzip, to a fifteenth of their size, so that its cap lasts for a year and not for weeks.

Packing keeps every byte of the text (``journal_files``), so it asks neither whether records were delivered nor whether lines are
whole: figures, offsets and refusals stay the same. The packed file is written beside, made durable, read back and renamed, and
the plain one is removed last. A kill at any point leaves one of them whole, or both, which readers tell from a file that goes on.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from ecoia.keeping.file_system import NO_LOCK, LockableFile, sync
from ecoia.keeping.journal_files import DamagedFileError, Lines, text_crc, trailer
from ecoia.keeping.journal_size import PACKED, PLAIN
from ecoia.periods import DAY_NS, utc_day

PACK_BYTES = 256 << 20
"""Bytes of text after which a call begins no further file: some seconds of one processor."""

_QUIET_SECONDS = 3600.0
"""How long a file must have been left alone. The last window of a day is written after midnight, or later by a full disk."""

_MOST_TEXT_BYTES = 1 << 31  # gzip states the size of its text in 32 bits
_LEVEL = 6
_DRAFT = f"{PLAIN}{PACKED}-"


def pack_closed(folder: Path, *, now_utc_ns: int | None = None, max_bytes: int = PACK_BYTES) -> int:
    """Pack the files of days that are over and that no process holds, oldest first. Never raises for a disk that refuses.

    Args:
        folder: The folder ``journal``.
        now_utc_ns: Now; ``None``: by the clock.
        max_bytes: Bytes of text after which no further file is begun. The next call goes on.

    Returns:
        The number of files that were packed.

    Example:
        >>> pack_closed(Path("no-such-folder"))
        0
    """
    packed = read_bytes = 0
    for plain in closed_files(folder, now_utc_ns=now_utc_ns):
        with contextlib.suppress(OSError, DamagedFileError):
            if read_bytes >= max_bytes:
                break
            read_bytes += plain.stat().st_size
            packed += _pack(plain)
    return packed


def closed_files(folder: Path, *, now_utc_ns: int | None = None) -> Iterator[Path]:
    """Yield the files that are to be packed, oldest day first, unless a process holds them. Drafts that a kill left are removed.

    Args:
        folder: The folder ``journal``.
        now_utc_ns: Now; ``None``: by the clock.

    Example:
        >>> list(closed_files(Path("no-such-folder")))
        []
    """
    now_utc_ns = time.time_ns() if now_utc_ns is None else now_utc_ns
    today = utc_day(now_utc_ns)
    for day in sorted(path for path in _listed(folder) if path.name < today):
        for plain in _listed(day):
            if _DRAFT in plain.name:
                _sweep(plain, now_utc_ns)
            if plain.name.endswith(PLAIN):
                with contextlib.suppress(OSError):
                    if plain.stat().st_mtime_ns <= now_utc_ns - _QUIET_SECONDS * 1e9:
                        yield plain


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _sweep(draft: Path, now_utc_ns: int) -> None:
    """Remove a draft that a kill left."""
    with contextlib.suppress(OSError):
        if draft.stat().st_mtime_ns < now_utc_ns - DAY_NS:
            draft.unlink()


def _pack(plain: Path) -> bool:
    """Pack one file, unless a process holds it.

    Raises:
        OSError: the disk refuses; nothing is lost.
        DamagedFileError: the file goes on from a packed one that is damaged, and so stays beside it.
    """
    held = LockableFile(plain, os.O_RDWR)
    try:
        if not held.lock() or held.locked_by == NO_LOCK:
            return False
        facts = os.fstat(held.number)
        if not facts.st_nlink:
            return False  # packed by another process meanwhile; what is there now is another file
        packed = Path(f"{plain}{PACKED}")
        with contextlib.closing(Lines(plain)) as text:  # with what was packed before, if the file goes on from it
            if text.size > _MOST_TEXT_BYTES:
                return False
            if not (packed.exists() and text.size == trailer(packed)[1]):
                _write(text, packed, mode=facts.st_mode & 0o777)
        if os.fstat(held.number).st_size != facts.st_size:
            return False  # a writer that does not see our lock; its lines are in the plain file, which stays
        plain.unlink()
        return True
    finally:
        held.close()


def _write(text: Lines, packed: Path, *, mode: int) -> None:
    """Write a text packed, durably, in place of what is there."""
    draft = packed.with_name(f".{packed.name}-{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w+b") as file:
            crc = 0
            with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as writer:
                for chunk in text.chunks():
                    crc = zlib.crc32(chunk, crc)
                    writer.write(chunk)
            file.flush()
            refused = sync(file.fileno())
            if refused is not None:
                raise refused  # a power cut could take the packed file and leave the plain one removed
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as written:
                if text_crc(written.read) != crc:
                    raise OSError(f"'{draft}' does not hold what was written to it")
        draft.replace(packed)
        _sync_folder(packed.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            sync(number)
        finally:
            os.close(number)

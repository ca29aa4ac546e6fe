"""Signs that measuring processes give the helper about the MLflow runs of users: one is open, one has ended.

The helper looks at sizes only, and loads nothing that could read a journal's lines cheaply. Two empty files in ``delivery/`` of
the home tell it when figures are wanted soon; the times of their last changes are the signs. Losing them costs freshness only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ecoia.light import TYPE_CHECKING
from ecoia.records import Record
from ecoia.semconv import GROUP_RUN, KIND_SPAN, OWN_RUN

if TYPE_CHECKING:
    from pathlib import Path

OPEN, ENDED = "run-open", "run-ended"
"""Names of the signs: work of a user's run was read just now; a user's run ended, and its records are written."""


def give(home: str | Path, sign: str) -> None:
    """Give a sign. Never raises: without it, figures come later.

    Example:
        >>> import tempfile
        >>> home = tempfile.mkdtemp()
        >>> give(home, ENDED)
        >>> seen(home, ENDED) > 0, seen(home, OPEN)
        (True, 0)
    """
    folder = os.path.join(home, "delivery")
    try:
        os.makedirs(folder, exist_ok=True)
        os.close(os.open(f"{folder}/{sign}", os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666))
        os.utime(f"{folder}/{sign}")
    except OSError:
        pass


def seen(home: str | Path, sign: str) -> int:
    """Return when a sign was given last, in nanoseconds by the clock of the file system; 0: never."""
    try:
        return os.stat(os.path.join(home, "delivery", sign)).st_mtime_ns
    except OSError:
        return 0


def any_of_user(records: Iterable[Record]) -> bool:
    """Return whether any of some records is work of a user's MLflow run, the answers of a service left out."""
    return any(is_work_of_user(record) for record in records)


def is_work_of_user(record: Record) -> bool:
    """Return whether a record is work of a user's MLflow run, and no answer of a service."""
    return record.kind == KIND_SPAN and record.phase != "inference" and record.run_id is not None and is_of_user(record.run_id)


def is_of_user(run_id: str) -> bool:
    """Return whether a run id is a user's MLflow run, or a group that belongs to one; a session of ecoia's own is not.

    Example:
        >>> is_of_user("0af7651916cd43dd8448eb211c80319c"), is_of_user("ecoia-0af76519")
        (True, False)
    """
    return not run_id.startswith(OWN_RUN) or run_id.startswith(GROUP_RUN)

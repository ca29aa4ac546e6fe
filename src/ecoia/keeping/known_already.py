"""What the first process of a home did and the next ones find done: the id of a tracking URI, and the helper that runs.

Making an id and starting the helper load modules that cost a short script more than all its measuring. This module finds both
without them; where it does not, ``ecoia.keeping.destinations`` and ``ecoia.keeping.helper_start`` do the work.
"""

from __future__ import annotations

from ecoia.keeping.file_system import is_locked
from ecoia.light import TYPE_CHECKING
from ecoia.light.json import read_json_file

if TYPE_CHECKING:
    from pathlib import Path

TARGETS_FILE = "targets.json"
"""Name of the file of targets in a home."""

HELPER_LOCK = "helper.lock"
"""Name of the lock that the helper holds while it lives."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-")
"""Characters of a URI that hides nothing: no user, no password, no parameter, nothing escaped."""


def known_target(home: str | Path, uri: str) -> str | None:
    """Return the id that this home gave to a tracking URI; None where it has to be asked of ``destinations.register_target``.

    Only a URI that is written in the file of targets as it stands is found here: then it is its own public form.

    Args:
        home: The journal's home.
        uri: The URI as the program set it.

    Example:
        >>> known_target("no-such-home", "https://mlflow.example") is None
        True
    """
    if "://" not in uri or not _PLAIN.issuperset(uri):
        return None
    try:
        targets = read_json_file(f"{home}/{TARGETS_FILE}")
    except (OSError, ValueError):
        return None
    known = targets.items() if isinstance(targets, dict) else ()
    return next((str(target) for target, stored in known if stored == uri), None)


def helper_runs(home: str | Path) -> bool:
    """Return whether the helper of a home runs. Where locks cannot be seen (Windows), it never seems to.

    Example:
        >>> helper_runs("no-such-home")
        False
    """
    return is_locked(f"{home}/delivery/{HELPER_LOCK}")

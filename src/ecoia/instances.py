"""Names of instances. By default: the host's name, and a mark of the home, so that two accounts on one host are two instances.

``gpu-01_home-3fa21c`` is home ``3fa21c...`` on the host ``gpu-01``. The mark is drawn by chance with the home's id, so it says
nothing about its user. A name that the setting ``instance`` gives is taken as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

HOME_FILE = "home.json"
"""File of a home with its identity: ``home_id``, and the ``mark`` in its instance's name, which older homes do not have."""

_MOST_CHARACTERS = 63
_MARK = re.compile(r"(.+)_home-[0-9a-f]{6}")


def home_mark(home_id: str) -> str:
    """Return what the default instance of a home has after the host's name.

    Example:
        >>> home_mark("3fa21c0b7d4e4b0f9f1c2f6a1d2e3f40")
        'home-3fa21c'
    """
    return f"home-{home_id[:6]}"


def instance_name(host: str, home: str | Path) -> str:
    """Return the name of an instance that the setting ``instance`` does not name.

    A home without a mark in its ``home.json`` recorded under the host's name alone, and keeps it: its ledger days bear it.

    Args:
        host: The host's name, as an id.
        home: The journal's home. If it does not exist yet, the host's name alone is returned.

    Example:
        >>> instance_name("gpu-01", "no-such-home")
        'gpu-01'
    """
    try:
        mark = json.loads((Path(home) / HOME_FILE).read_text(encoding="utf-8"))["mark"]
    except (OSError, ValueError, KeyError, TypeError):
        return host
    if not isinstance(mark, str) or _MARK.fullmatch(f"x_{mark}") is None:
        return host
    return f"{host[: _MOST_CHARACTERS - len(mark) - 1]}_{mark}"


@lru_cache(maxsize=4096)
def host_of(instance: str) -> str:
    """Return an instance's name without the mark of a home: homes on one host share its machine.

    Example:
        >>> host_of("gpu-01_home-3fa21c"), host_of("api-emploi-1")
        ('gpu-01', 'api-emploi-1')
    """
    found = _MARK.fullmatch(instance)
    return found[1] if found else instance


def fits(instance: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns (``*``, ``?``) names an instance, or the host that it is on.

    Example:
        >>> fits("gpu-01_home-3fa21c", ["gpu-01"]), fits("gpu-010", ["gpu-01"])
        (True, False)
    """
    host = host_of(instance)
    return any(fnmatchcase(instance, pattern) or fnmatchcase(host, pattern) for pattern in patterns)

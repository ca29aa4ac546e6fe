"""Names of instances. By default: the host's name, and a mark of the home, so that two accounts on one host are two instances.

``gpu-01_home-3fa21c`` is home ``3fa21c...`` on the host ``gpu-01``. The mark is drawn by chance with the home's id, so it says
nothing about its user. A name that the setting ``instance`` gives is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ecoia.light import TYPE_CHECKING
from ecoia.light.json import read_json_file

if TYPE_CHECKING:
    from pathlib import Path

HOME_FILE = "home.json"
"""File of a home with its identity: ``home_id``, and the ``mark`` in its instance's name, which older homes do not have."""

_MOST_CHARACTERS = 63
_MARK_CHARACTERS = 6
_HEXADECIMAL = frozenset("0123456789abcdef")


def home_mark(home_id: str) -> str:
    """Return what the default instance of a home has after the host's name.

    Example:
        >>> home_mark("3fa21c0b7d4e4b0f9f1c2f6a1d2e3f40")
        'home-3fa21c'
    """
    return f"home-{home_id[:_MARK_CHARACTERS]}"


def _is_mark(text: str) -> bool:
    start, hyphen, digits = text.partition("-")
    return (start, hyphen) == ("home", "-") and len(digits) == _MARK_CHARACTERS and _HEXADECIMAL.issuperset(digits)


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
        mark = read_json_file(f"{home}/{HOME_FILE}")["mark"]
    except (OSError, ValueError, KeyError, TypeError):
        return host
    if not isinstance(mark, str) or not _is_mark(mark):
        return host
    return f"{host[: _MOST_CHARACTERS - len(mark) - 1]}_{mark}"


@lru_cache(maxsize=4096)
def host_of(instance: str) -> str:
    """Return an instance's name without the mark of a home: homes on one host share its machine.

    Example:
        >>> host_of("gpu-01_home-3fa21c"), host_of("api-emploi-1")
        ('gpu-01', 'api-emploi-1')
    """
    host, _, mark = instance.rpartition("_")
    return host if host and _is_mark(mark) else instance


def instance_of_site(site: str) -> str:
    """Return the instance that stands for a site as a whole: activity that was declared for it.

    Example:
        >>> instance_of_site("lyon")
        'site.lyon'
    """
    return f"site.{site}"


def fits(instance: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns (``*``, ``?``) names an instance, or the host that it is on.

    Example:
        >>> fits("gpu-01_home-3fa21c", ["gpu-01"]), fits("gpu-010", ["gpu-01"])
        (True, False)
    """
    from fnmatch import fnmatchcase  # loads ``re``, and measured processes load this module

    host = host_of(instance)
    return any(fnmatchcase(instance, pattern) or fnmatchcase(host, pattern) for pattern in patterns)

"""Find what shows an ``Explorer``'s figures: other distributions offer it under the entry point group ``ecoia.dashboards``."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from ecoia.errors import MissingExtraError

GROUP = "ecoia.dashboards"


def load_drawer(name: str, what: str) -> Any:
    """Load what is offered under a name.

    Args:
        name: ``web`` (the server), ``card`` (of a notebook) or ``digest`` (the mail).
        what: The feature that needs it, for the message.

    Raises:
        MissingExtraError: it, or a package that it needs, is not installed.

    Example::

        load_drawer("web", "The dashboard")
    """
    found = next((each for each in entry_points(group=GROUP) if each.name == name), None)
    if found is None:
        raise MissingExtraError(what, "ecoia_dashboards")
    try:
        return found.load()
    except ImportError as error:
        raise MissingExtraError(what, error.name or "ecoia_dashboards") from error

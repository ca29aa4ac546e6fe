"""The identity of a home, ``home.json``: it tells two homes apart, also those of two accounts on one host."""

from __future__ import annotations

import os

from ecoia.errors import JournalError
from ecoia.instances import HOME_FILE, home_mark, instance_name
from ecoia.keeping.file_system import sync
from ecoia.light import TYPE_CHECKING
from ecoia.light.json import read_json_file

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.settings import Settings


def home_id(home: str | Path) -> str:
    """Return the id of a home that exists as a folder, and give it one where it has none.

    Raises:
        JournalError: ``home.json`` is there and gives no id.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> home = tempfile.mkdtemp()
        >>> home_id(home) == home_id(home)
        True
    """
    path = f"{home}/{HOME_FILE}"
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    import json  # a home is made once

    # Several processes may create the home at once: one link succeeds, and all of them read the file that it made.
    fresh = os.urandom(16).hex()
    draft = f"{home}/.home-{os.urandom(8).hex()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(json.dumps({"home_id": fresh, "mark": home_mark(fresh)}) + "\n")
        file.flush()
        sync(file.fileno())  # a power cut must not leave an empty home.json
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here
        if not os.path.exists(path):
            os.replace(draft, path)
            return _read(path)
    os.unlink(draft)
    return _read(path)


def _read(path: str) -> str:
    try:
        return str(read_json_file(path)["home_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"'{path}' does not give home_id ({error}): restore it, or move this home away") from error


def open_home(home: str | Path) -> str:
    """Make a journal's home usable: its folder ``journal``, and its identity. Return the home's id.

    Raises:
        JournalError: it cannot be made or written; the message gives the reason and the remedy.

    Example:
        >>> import tempfile
        >>> home = tempfile.mkdtemp()
        >>> open_home(home) == home_id(home)
        True
    """
    try:
        os.makedirs(f"{home}/journal", exist_ok=True)
        return home_id(home)
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(
            f"journal home '{home}' cannot be used ({error.strerror}): make it writable or set ECOIA_HOME"
        ) from error


def instance_of(settings: Settings) -> str:
    """Return the instance that records of a home bear: the setting, or the default, which depends on the home's identity.

    The home is made if it is missing. Where it cannot be made, nothing can be recorded either: the default is the host's name.

    Args:
        settings: ``instance`` and ``home``.
    """
    if settings.values["instance"].origin != "default":
        return str(settings.instance)
    home = settings.home
    try:
        os.makedirs(home, exist_ok=True)
        home_id(home)
    except (OSError, JournalError):
        pass
    from ecoia.settings import host_name

    return instance_name(host_name(), home)

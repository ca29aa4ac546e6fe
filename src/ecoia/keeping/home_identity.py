"""The identity of a home, ``home.json``: it tells two homes apart, also those of two accounts on one host."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from ecoia.errors import JournalError
from ecoia.instances import HOME_FILE, home_mark, instance_name
from ecoia.keeping.file_system import sync
from ecoia.typing_light import TYPE_CHECKING

if TYPE_CHECKING:
    from ecoia.settings import Settings


def home_id(home: Path) -> str:
    """Return the id of a home that exists as a folder, and give it one where it has none.

    Raises:
        JournalError: ``home.json`` is there and gives no id.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> home = Path(tempfile.mkdtemp())
        >>> home_id(home) == home_id(home)
        True
    """
    path = home / HOME_FILE
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    # Several processes may create the home at once: one link succeeds, and all of them read the file that it made.
    fresh = os.urandom(16).hex()
    draft = home / f".home-{os.urandom(8).hex()}"
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"home_id": fresh, "mark": home_mark(fresh)}) + "\n")
        file.flush()
        sync(file.fileno())  # a power cut must not leave an empty home.json
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here
        if not path.exists():
            draft.replace(path)
    draft.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["home_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"'{path}' does not give home_id ({error}): restore it, or move this home away") from error


def instance_of(settings: Settings) -> str:
    """Return the instance that records of a home bear: the setting, or the default, which depends on the home's identity.

    The home is made if it is missing. Where it cannot be made, nothing can be recorded either: the default is the host's name.

    Args:
        settings: ``instance`` and ``home``.
    """
    if settings.values["instance"].origin != "default":
        return str(settings.instance)
    home = Path(settings.home)
    with contextlib.suppress(OSError, JournalError):
        home.mkdir(parents=True, exist_ok=True)
        home_id(home)
    from ecoia.settings import host_name

    return instance_name(host_name(), home)

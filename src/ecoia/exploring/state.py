"""What a folder of filled quarters holds: one small file, replaced as a whole. Readers find the old one or the new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ecoia.exploring.tables import SCHEMA
from ecoia.keeping.destinations import write_atomically

STATE_FILE, QUARTERS_FOLDER = "state.json", "quarters"


@dataclass(frozen=True)
class State:
    """What was filled, from where, and until when.

    Attributes:
        source: ``ledger`` or ``journal``; empty where nothing was filled yet.
        source_uri: Public address of the store, or the folder of the journal.
        organisation: Name of the organisation, by its charter.
        timezone: Civil time of days and quarters.
        quarters: Quarters with data, ascending.
        filled_utc: When it was filled.
        data_until_utc: End of the last record. None: there is none.
        digest: Digest of everything that the figures come from.
        away: Why the store cannot be read just now. None: it was read.
        away_since_utc: Since when.
        progress: While it is being filled: steps done, steps in all, and the step at hand.
        gaps: Ledger days that are not, or not wholly, in the figures.
        hints: Codes of what may be amiss: ``empty-ledger-beside-journal``.
    """

    source: str = ""
    source_uri: str = ""
    organisation: str = ""
    timezone: str = "UTC"
    quarters: tuple[str, ...] = ()
    filled_utc: str | None = None
    data_until_utc: str | None = None
    digest: str = ""
    away: str | None = None
    away_since_utc: str | None = None
    progress: tuple[int, int, str] | None = None
    gaps: int = 0
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filled:
    """A state, and where what it names lies in the folder.

    Attributes:
        state: The state.
        files: Name of each quarter's file.
        catalogue: Name of the folder of the catalogue in use; empty: there is none.
        pue: PUE of instances in no site.
        factor: A factor of the set in use, which says what scope and basis it has.
    """

    state: State = field(default_factory=State)
    files: Mapping[str, str] = field(default_factory=dict)
    catalogue: str = ""
    pue: float | None = None
    factor: tuple[Any, ...] = ()


def note(folder: Path, **said: Any) -> None:
    """Say something beside what was filled last, such as ``progress`` or ``away``: fields of a ``State``."""
    filled = read_state(folder)
    state = replace(filled.state, **said)
    if state != filled.state:
        write_state(folder, replace(filled, state=state))


def write_state(folder: Path, filled: Filled) -> None:
    """Replace the state of a folder."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({"schema": SCHEMA, **asdict(filled)}, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    write_atomically(folder / STATE_FILE, text)


def read_state(folder: Path) -> Filled:
    """Read the state of a folder; an empty one where there is none, or one of another version."""
    try:
        data = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA:
            return Filled()
        said = data.pop("state")
        lists = {name: tuple(said[name]) for name in ("quarters", "progress", "hints") if said[name] is not None}
        known = {each.name for each in fields(State)}
        state = State(**{name: value for name, value in {**said, **lists}.items() if name in known})
        return Filled(state, **{**data, "factor": tuple(data["factor"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Filled()

"""Which MLflow store each record goes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ecoia.keeping.destinations import is_readable, read_targets, sqlite_file, with_credentials
from ecoia.keeping.journal import Journal

NO_URI = "measured with no tracking URI: 'ecoia deliver' sends them"
UNREADABLE_URI = (
    "measured with a tracking URI whose parts cannot be told apart: percent-encode the password in MLFLOW_TRACKING_URI; "
    "'ecoia deliver' sends them"
)
IN_MEMORY = "a SQLite database in memory lives in the program only: set MLFLOW_TRACKING_URI"


@dataclass
class Routes:
    """Target ids by store, and the reason for each target that goes nowhere.

    ``stores`` maps a tracking URI, with credentials, to target ids; ``None`` is MLflow's default store.
    """

    stores: dict[str | None, set[str]] = field(default_factory=dict)
    nowhere: dict[str, str] = field(default_factory=dict)


def find_routes(journal: Journal, targets: Iterable[str], default: str | None, *, by_hand: bool) -> Routes:
    """Find the store of each target.

    Args:
        journal: Its ``targets.json`` gives the URI of each target id.
        targets: Target ids of records; the empty one belongs to records measured with no tracking URI.
        default: Where records without a known URI go by hand; ``None`` is MLflow's default store.
        by_hand: ``True`` for ``ecoia deliver``. The helper leaves records without a known URI in the journal.
    """
    routes = Routes()
    known = read_targets(journal.home)
    for target in sorted(targets):
        public = known.get(target)
        uri = with_credentials(public) if public is not None and is_readable(public) else None
        if uri is not None and uri.startswith("sqlite") and sqlite_file(uri) is None:
            routes.nowhere[target] = IN_MEMORY
        elif uri is not None:
            routes.stores.setdefault(uri, set()).add(target)
        elif by_hand:
            routes.stores.setdefault(default, set()).add(target)
        else:
            routes.nowhere[target] = NO_URI if public is None else UNREADABLE_URI
    return routes

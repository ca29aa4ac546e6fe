"""Accounts of an MLflow server."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from werkzeug.security import generate_password_hash

Account = tuple[str, str]
"""Name and password."""


def hash_in_one_round(database: Path, *accounts: Account) -> None:
    """Store the passwords hashed in one round: the server checks one at each request, which else takes a tenth of a second.

    Args:
        database: The server's database of accounts.
        accounts: Accounts that it has.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        for name, password in accounts:
            hashed = generate_password_hash(password, "pbkdf2:sha256:1")
            changed = connection.execute("UPDATE users SET password_hash = ? WHERE username = ?", (hashed, name))
            assert changed.rowcount == 1

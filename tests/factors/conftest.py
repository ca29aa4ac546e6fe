"""Importing a text as a publisher's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecoia.factors.importers import GENERIC, Imported, read_as
from support.factor_files import PARIS, Read

GIVEN = {"id": "set-1", "retrieved_on": "2026-11-25"}
OF_GENERIC = {"source": "fournisseur", "licence": "CC0-1.0", "scope": "lifecycle", "basis": "production"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a text to a file, and import it as a publisher's."""

    def write_and_read(
        text: str, kind: str, *, name: str = "file.csv", encoding: str = "utf-8", as_encoding: str | None = None, **given: str
    ) -> Imported:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        details = {**GIVEN, **(OF_GENERIC if kind == GENERIC else {}), **given}
        return read_as(path, kind, details, PARIS, encoding=as_encoding)

    return write_and_read

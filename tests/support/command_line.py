"""The command line, in this process or as a program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from ecoia.cli import app
from ecoia.keeping.journal import Journal
from ecoia.records import Record
from support.records import write


def ecoia(*words: object) -> Any:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def program(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as a program of its own."""
    words = (sys.executable, "-m", "ecoia", *map(str, words))
    return subprocess.run(words, capture_output=True, text=True, **options)


def fill(home: Path, *records: Record) -> Journal:
    journal = Journal(home)
    write(journal, records)
    return journal

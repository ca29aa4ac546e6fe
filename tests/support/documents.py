"""Code blocks of the documents."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(path.read_text(encoding="utf-8")) if name == language]


def commands(path: Path) -> list[list[str]]:
    """Every line of every bash block, split as a shell does, comments left out."""
    lines = (line for block in blocks(path, "bash") for line in block.splitlines())
    return [words for line in lines if (words := shlex.split(line, comments=True))]

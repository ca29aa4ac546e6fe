"""Code blocks of the documents, and the comments before a block that the tests obey.

Two comments can stand before a block; a reader of the rendered page doesn't see them:

* ``<!-- given: ... -->`` holds lines that the page takes as known (an application, a model). The tests put them before the block.
* ``<!-- not run: reason -->`` says why the tests can't run the block.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"""
    (?:^[ ]*<!--[ ](?P<word>given|not[ ]run):(?P<said>.*?)-->\n\n?)?    # the comment before it
    ^(?P<indent>[ ]*)```(?P<language>\w+)\n
    (?P<text>.*?)
    ^(?P=indent)```[ ]*$
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_HERE_DOCUMENT = re.compile(r"<<-?'?(\w+)'?")


@dataclass(frozen=True)
class Block:
    """One code block of a document.

    Attributes:
        page: The document.
        line: The number of its opening line.
        language: The word after the fence.
        text: Its lines, without the indentation of a list.
        given: Lines that the tests put before it.
        reason: Why the tests can't run it; None where they do.
    """

    page: Path
    line: int
    language: str
    text: str
    given: str = ""
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line} ({self.language})"

    @property
    def shell(self) -> str:
        """The lines that a shell is given: all of ``bash``, those after a prompt of ``console``."""
        return self.text if self.language == "bash" else "\n".join(_typed(self.text.splitlines())) + "\n"

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command, without variables set for it; here-documents are left out."""
        found = []
        for line in _without_here_documents(self.shell.splitlines()):
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
            lexer.whitespace_split = True
            command: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("|&;"):
                    found.append(command)
                    command = []
                elif command or not re.match(r"\w+=", word):
                    command.append(word)
        return [command for command in found if command]


def documents(repository: Path) -> list[Path]:
    """Return the pages that people read, in the order of their names."""
    folders = [repository / name for name in ("docs", "benchmarks", "examples", "integrations")]
    pages = [repository / "README.md", repository / "CONTRIBUTING.md"]
    return pages + sorted(page for folder in folders for page in folder.rglob("*.md"))


def code_blocks(page: Path) -> list[Block]:
    """Return the blocks of a document that name a language, from top to bottom."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        said = textwrap.dedent(match["said"] or "").strip()
        found.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start("indent")) + 1,
                language=match["language"],
                text=textwrap.dedent(match["text"]),
                given=f"{said}\n" if match["word"] == "given" else "",
                reason=said if match["word"] == "not run" else None,
            )
        )
    return found


def blocks(page: Path, language: str) -> list[str]:
    """Return the texts of a document's blocks of one language."""
    return [block.text for block in code_blocks(page) if block.language == language]


def commands(page: Path) -> list[list[str]]:
    """Return the words of every command in a document's bash blocks."""
    return [command for block in code_blocks(page) if block.language == "bash" for command in block.commands]


def _typed(lines: list[str]) -> Iterator[str]:
    end: str | None = None
    for line in lines:
        if end is not None:
            yield line
            end = None if line == end else end
        elif line.startswith("$ "):
            yield line.removeprefix("$ ")
            opened = _HERE_DOCUMENT.search(line)
            end = opened[1] if opened else None


def _without_here_documents(lines: list[str]) -> Iterator[str]:
    end: str | None = None
    for line in lines:
        if end is not None:
            end = None if line == end else end
            continue
        opened = _HERE_DOCUMENT.search(line)
        end = opened[1] if opened else None
        yield line

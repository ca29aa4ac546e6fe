"""Code that commands share: options, showing errors, reading settings, opening the journal, drawing tables, writing files."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

from ecoia import settings as configuration
from ecoia.errors import (
    CatalogueError,
    EcoiaError,
    FactorError,
    FactorFileError,
    JournalError,
    MissingExtraError,
    SettingError,
    UsageError,
)
from ecoia.keeping.journal import Journal, Scan
from ecoia.readable.scales import decimals_for
from ecoia.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecoia.records import Record

FAILED, WRONG_USE, INCOMPLETE = 1, 2, 3
"""Exit codes beside 0: something could not be done; wrong usage or configuration; written, but days of the ledger are missing."""
_WRONG_USE_ERRORS = (UsageError, SettingError, CatalogueError, FactorError, FactorFileError, MissingExtraError)
_JOURNAL_SETTINGS = ("home", "journal_max_mb", "retention_days", "ecoia.toml")
_BY_HAND_LOCK = "by-hand.lock"
_PIPED_WIDTH = 200
_LATE_SECONDS, _NEXT_SECONDS = 2.0, 0.2
_shown_bars: list[Callable[[str], None]] = []
"""How to change the text of a bar that is shown just now."""

Home = Annotated[
    str | None, typer.Option("--home", metavar="FOLDER", help="Folder of the journal to use.", show_default="the setting 'home'")
]
QuarterText = Annotated[
    str | None, typer.Option("--quarter", metavar="YYYYQn", help="The quarter, e.g. 2026Q4.", show_default="the current one")
]


class Language(StrEnum):
    """Language of documents."""

    FR = "fr"
    EN = "en"


class Source(str):
    """Where rows are read from: ``ledger``, ``journal``, or ``parquet:`` and the address of a dataset."""

    __slots__ = ()

    LEDGER: ClassVar[Source]
    JOURNAL: ClassVar[Source]

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read what a user wrote.

        Raises:
            UsageError: it is none of the three.

        Example:
            >>> Source.parse("parquet:s3://bucket/ecoia").uri
            's3://bucket/ecoia'
        """
        known = {each.value: each for each in (cls.LEDGER, cls.JOURNAL)}
        found = known.get(text) or cls(text)
        if found.kind not in (*known, "parquet") or (found.kind == "parquet" and not found.uri):
            raise UsageError(
                f"'{text}' is no source of rows: choose ledger, journal, or parquet: and the folder or address of a dataset"
            )
        return found

    @property
    def value(self) -> str:
        """The text itself."""
        return str(self)

    @property
    def kind(self) -> str:
        """``ledger``, ``journal`` or ``parquet``."""
        return self.partition(":")[0]

    @property
    def uri(self) -> str:
        """Where a dataset lies; empty for the others."""
        return self.partition(":")[2]


Source.LEDGER, Source.JOURNAL = Source("ledger"), Source("journal")

From = Annotated[
    Source,
    typer.Option(
        "--from",
        metavar="SOURCE",
        parser=Source.parse,
        help="Read the organisation's ledger ('ledger'), this machine's journal ('journal'), or a dataset of 'ecoia export --to' "
        "('parquet:' and its folder or address).",
    ),
]


class Commands(TyperGroup):
    """A group of commands that shows an error as one message on stderr and an exit code, never as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Exit with 2 for wrong usage or configuration, and with 1 if something could not be done."""
        try:
            return super().invoke(ctx)
        except EcoiaError as error:
            say(str(error))
            raise typer.Exit(WRONG_USE if isinstance(error, _WRONG_USE_ERRORS) else FAILED) from error
        except BrokenPipeError:
            # The reader closed the pipe ('| head'). Flushing the rest of the buffer at exit must not fail either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None


def say(message: str) -> None:
    """Print a message for the reader on stderr, apart from the output."""
    typer.echo(f"ecoia: {message}", err=True)


def load_settings(home: str | None = None, *, needed: Collection[str] | None = None, **given: str | None) -> Settings:
    """Load the settings.

    Args:
        home: The option ``--home``; ``None``: the setting.
        needed: Names of the settings that the command depends on. An illegal value of another one is reported and ignored.
            ``None``: the command depends on all of them.
        given: Other settings that an option of the command gives; ``None``: the setting.

    Raises:
        SettingError: a needed setting has an illegal value, or ``ecoia.toml`` cannot be read.

    Example::

        load_settings(needed=("home",)).home  # '/var/lib/ecoia'
    """
    loaded = configuration.load({"home": home, **given})
    for problem in loaded.problems:
        if needed is None or problem.name in needed:
            raise problem
        say(f"{problem} (ignored here)")
    return loaded


def journal_settings(home: str | None) -> Settings:
    """Load the settings of a command that only reads or sends the journal."""
    return load_settings(home, needed=_JOURNAL_SETTINGS)


def open_journal(settings: Settings) -> Journal:
    """Open the journal of the settings, and create it if it is missing.

    Raises:
        JournalError: its folder cannot be used.
    """
    return Journal(settings.home, max_bytes=round(settings.journal_max_mb * 1e6))


@contextmanager
def changing_by_hand(journal: Journal) -> Iterator[None]:
    """Let one command at a time read what stands and write what takes its place: two corrections of one line would both count.

    Raises:
        JournalError: another such command has not ended for a minute, or the home cannot be written.
    """
    from ecoia.keeping.helper_start import wait_for_lock

    with wait_for_lock(journal.home, _BY_HAND_LOCK) as held:
        if not held:
            raise JournalError(f"another 'ecoia declare' or 'ecoia import' in '{journal.home}' has not ended: try again later")
        yield


def append(journal: Journal, records: Iterable[Record]) -> None:
    """Write records that were entered by hand to a journal.

    Raises:
        JournalError: it cannot be written.
    """
    writer = journal.writer()
    try:
        writer.append(records)
    finally:
        writer.close()


def readable(home: Path) -> bool:
    """Return whether a journal could be in a folder: we may enter it, or the nearest existing folder above it."""
    nearest = home
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    return nearest.is_dir() and os.access(nearest, os.R_OK | os.X_OK)


def existing_journal(settings: Settings) -> Journal | None:
    """Open the journal of the settings, without creating anything.

    Returns:
        The journal; ``None`` if nothing was recorded yet, which is reported.

    Raises:
        JournalError: its folder cannot be used.
    """
    home = Path(settings.home)
    if not readable(home) or (home / "home.json").exists():
        return open_journal(settings)
    say(f"no journal in '{settings.home}': nothing was recorded there yet ('ecoia doctor' shows what can be measured)")
    return None


def tell_lines_not_read(counts: Scan) -> None:
    """Report on stderr how many journal lines gave no record, and why."""
    for count, what in (
        (counts.torn, "torn (cut by a crash or a full disk; whole lines are kept)"),
        (counts.corrupt, "corrupt (checksum or content is wrong)"),
        (counts.newer, "of a newer schema (upgrade ecoia to read them)"),
    ):
        if count:
            say(f"{count} journal line{'s' if count > 1 else ''} not read: {what}")


def encoded(content: str | bytes) -> bytes:
    """Return content as bytes. Characters that UTF-8 cannot hold are written as escapes."""
    return content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")


def replace_file(path: Path, content: str | bytes) -> Path:
    """Write a file as a whole: a reader, or a crash, finds the old one or the new one. Returns its path."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        draft.write_bytes(encoded(content))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show a progress bar on stderr, if it is a terminal.

    Args:
        total: Number of steps.

    Yields:
        A function to call with the name of each step as it begins.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Not ``console.is_terminal``: a Jupyter kernel sets FORCE_COLOR, and then Rich takes every stream for a terminal.
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=total)
        begun = -1
        _shown_bars.append(lambda text: bar.update(task, description=text))

        def begin(step: str) -> None:
            nonlocal begun
            begun += 1
            bar.update(task, description=step, completed=begun)

        try:
            yield begin
        finally:
            _shown_bars.pop()


@contextmanager
def late_progress(work: str, parts: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far some work is once it takes longer than two seconds: on stderr, if that is a terminal.

    Args:
        work: What is done.
        parts: What is counted.

    Yields:
        A function to call with how many parts are done, and of how many.
    """
    shown_at = time.monotonic() + _LATE_SECONDS
    written = False

    def show(done: int, of: int) -> None:
        nonlocal shown_at, written
        if time.monotonic() < shown_at or not sys.stderr.isatty():
            return
        shown_at = time.monotonic() + _NEXT_SECONDS
        text = f"{work}: {done:,} of {of:,} {parts}"
        if _shown_bars:
            _shown_bars[-1](text)
        else:
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
            written = True

    try:
        yield show
    finally:
        if written:
            sys.stderr.write("\r\x1b[K")


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    whole: Collection[str] = (),
    widest: int = _PIPED_WIDTH,
) -> None:
    """Draw a table on stdout. In a pipe it is as wide as its content.

    Args:
        title: Shown above it.
        columns: Headings.
        rows: Cells, one sequence a row.
        right: Headings of the columns that are aligned to the right.
        whole: Headings of the columns whose cells are never broken into lines; the others give way.
        widest: Characters that no line exceeds.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as Text, so that a bracket in a name is not read as markup
    console = Console(highlight=False)
    width = min(console.width, widest) if console.is_terminal else widest
    Console(highlight=False, width=width).print(table)


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with some significant digits and without an exponent; a dash for ``None``.

    Example::

        number(1234.5), number(0.00123456)  # ('1,234', '0.00123')
    """
    if value is None:
        return "–"
    return f"{value:,.{min(decimals_for(value, digits), 15)}f}" if value else "0"


def counted_records(count: int) -> str:
    """Write a number of records: ``1 record``, ``2 records``."""
    return f"{count} record{'' if count == 1 else 's'}"

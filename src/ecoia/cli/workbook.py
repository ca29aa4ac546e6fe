"""``ecoia workbook``: write the catalogue as one XLSX workbook, and read it back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import Language, QuarterText, load_settings, say
from ecoia.cli.forms import catalogue_folder, load_form, write_new
from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.settings import Settings

_WORKBOOK = Path("ecoia-catalogue.xlsx")


def workbook(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file to write.", show_default=str(_WORKBOOK))
    ] = None,
    read: Annotated[Path | None, typer.Option("--read", metavar="FILE", help="Read a filled workbook back instead.")] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the workbook.")] = Language.FR,
    quarter: QuarterText = None,
) -> None:
    """Write the catalogue as a workbook to fill in, and read it back.

    The XLSX workbook has drop-downs, checks and help, so nobody has to write YAML. Mistakes in a filled one are listed by sheet
    and cell, all at once, and nothing is written then. An existing workbook is never overwritten.

    [dim]$ ecoia workbook --out register.xlsx[/dim]

    [dim]$ ecoia workbook --read register.xlsx[/dim]
    """
    settings = load_settings()
    folder = catalogue_folder(settings)
    form = load_form("workbook")
    if read is None:
        path = out or _WORKBOOK
        if path.suffix != _WORKBOOK.suffix:
            raise UsageError(
                f"--out '{path}': name a file that ends in .xlsx, which spreadsheets open and 'ecoia workbook' reads"
            )
        write_new(path, form.write_workbook(folder, _quarter(settings, quarter), lang.value))
        typer.echo(path)
        return
    if out is not None:
        raise UsageError("--out and --read exclude each other: write a workbook, or read one back")
    _print_changes(form.read_workbook(read, folder), folder)


def _quarter(settings: Settings, text: str | None) -> Quarter:
    return Quarter.parse(text) if text else Quarter.of_instant(time.time_ns(), ZoneInfo(settings.timezone))


def _print_changes(found: Any, folder: str) -> None:
    """Print what reading a workbook changed in each file of the catalogue."""
    for note in found.ignored:
        say(note)
    for change in found.changes:
        counts = [f"{count} {what}" for count, what in ((change.added, "added"), (change.changed, "changed")) if count]
        if change.removed:
            counts.append(f"{len(change.removed)} removed ({'; '.join(change.removed)})")
        typer.echo(f"{Path(folder) / change.file}: {', '.join(counts)}")
        if change.comments_lost:
            say(f"{change.file}: {change.comments_lost} lines of comments were lost with removed or rewritten entries")
    if not found.changes:
        typer.echo("nothing changed")

"""Commands for who fills in the catalogue without YAML: ``workbook``, ``evaluate``."""

from __future__ import annotations

import math
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import From, Home, Language, QuarterText, Source, load_settings, replace_file, say
from ecoia.cli.reading import read as read_inputs
from ecoia.errors import EcoiaError, MissingExtraError, UsageError
from ecoia.periods import Quarter
from ecoia.settings import Settings

_PANEL = "Report"
_FORMS = "ecoia.forms"
_WORKBOOK = Path("ecoia-catalogue.xlsx")


def add_forms(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("workbook", rich_help_panel=_PANEL)(workbook)
    app.command("evaluate", rich_help_panel=_PANEL)(evaluate)


def workbook(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here.", show_default=str(_WORKBOOK))] = None,
    read: Annotated[Path | None, typer.Option("--read", metavar="FILE", help="Read a filled one back instead.")] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the workbook.")] = Language.FR,
    quarter: QuarterText = None,
) -> None:
    """Fill in the catalogue without YAML, in one XLSX workbook.

    Written from the catalogue's folder, with drop-downs, checks and help; the filled one is read back into it. A mistake is named
    by sheet and cell, all at once, and nothing is written then. Never overwrites a workbook.

    [dim]$ ecoia workbook --out register.xlsx[/dim]

    [dim]$ ecoia workbook --read register.xlsx[/dim]
    """
    settings = load_settings()
    folder = _folder(settings)
    form = _form("workbook")
    if read is None:
        path = out or _WORKBOOK
        if path.suffix != _WORKBOOK.suffix:
            raise UsageError(
                f"--out '{path}': name a file that ends in .xlsx, which spreadsheets open and 'ecoia workbook' reads"
            )
        _write_new(path, form.write_workbook(folder, _quarter(settings, quarter), lang.value))
        typer.echo(path)
        return
    if out is not None:
        raise UsageError("--out and --read exclude each other: write a workbook, or read one back")
    found = form.read_workbook(read, folder)
    for note in found.ignored:
        say(note)
    for change in found.changes:
        counts = [f"{count} {what}" for count, what in ((change.added, "added"), (change.changed, "changed")) if count]
        if change.removed:
            counts.append(f"{len(change.removed)} removed ({'; '.join(change.removed)})")
        typer.echo(f"{Path(folder) / change.file}: {', '.join(counts)}")
        if change.comments_lost:
            say(f"{change.file}: {change.comments_lost} lines of comments went with what was removed or rewritten")
    if not found.changes:
        typer.echo("nothing changed")


def evaluate(
    service: Annotated[str, typer.Option("--service", metavar="ID", help="Id of the service, as registered.")],
    quarter: QuarterText = None,
    units_per_year: Annotated[
        float | None, typer.Option("--units-per-year", metavar="N", help="Functional units planned a year: projects general use.")
    ] = None,
    source: From = Source.LEDGER,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the dossier.")] = Language.FR,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")] = Path(),
    home: Home = None,
) -> None:
    """Let a project manager assess a service for commitment 7.

    Writes evaluation-<service>-<quarter>.xlsx, to fill in and to read back with 'ecoia workbook --read', and the dossier as a
    page: figures, answers, open questions, a year of general use. Works before the first measurement: figures then say so.

    [dim]$ ecoia evaluate --service assistant --units-per-year 2000000[/dim]
    """
    from ecoia.evaluating.dossier import evaluate as compute

    if units_per_year is not None and not 0 < units_per_year < math.inf:
        raise UsageError(f"--units-per-year {units_per_year:g} is no volume: write a number above 0, e.g. 2000000")
    settings = load_settings(home)
    folder = _folder(settings)
    inputs, asked = read_inputs(settings, quarter, source)
    found = compute(
        inputs.rows,
        service,
        asked,
        settings=settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
        units_per_year=units_per_year,
    )
    name = f"evaluation-{service}-{found.quarter}"
    page = _form("evaluation").render_evaluation(found, lang.value)
    sheet = _form("workbook").write_evaluation(folder, found, lang.value)
    try:
        out.mkdir(parents=True, exist_ok=True)
        typer.echo(replace_file(out / f"{name}.html", page))
    except OSError as error:
        raise EcoiaError(f"'{out}' cannot be written ({error.strerror}): choose another folder with --out") from error
    _write_new(out / f"{name}.xlsx", sheet)
    typer.echo(out / f"{name}.xlsx")


def _folder(settings: Settings) -> str:
    if settings.catalogue is None:
        raise UsageError("no catalogue is set: 'ecoia init' writes one to fill in, the setting 'catalogue' says where it is")
    return str(settings.catalogue)


def _quarter(settings: Settings, text: str | None) -> Quarter:
    return Quarter.parse(text) if text else Quarter.of_instant(time.time_ns(), ZoneInfo(settings.timezone))


def _form(name: str) -> Any:
    """The module that a distribution offers under a name."""
    found = next(iter(entry_points(group=_FORMS, name=name)), None)
    if found is None:
        raise EcoiaError(f"no '{name}' is installed with ecoia: install it again")
    try:
        return found.load()
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"'ecoia {name}'", str(error.name)) from error


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet: a filled workbook is never lost to a new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise EcoiaError(
            f"'{path}' exists and is not overwritten: read it back with 'ecoia workbook --read', or move it away"
        ) from None
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): choose another place with --out") from error

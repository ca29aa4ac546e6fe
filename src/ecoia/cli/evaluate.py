"""``ecoia evaluate``: write the sheet and the dossier to assess a service with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecoia.cli.common import From, Home, Language, QuarterText, Source, load_settings, replace_file
from ecoia.cli.forms import catalogue_folder, load_form, write_new
from ecoia.cli.quantities import check_units_per_year
from ecoia.cli.reading import read
from ecoia.errors import EcoiaError


def evaluate(
    service: Annotated[str, typer.Option("--service", metavar="ID", help="Id of the service, as registered.")],
    quarter: QuarterText = None,
    units_per_year: Annotated[
        float | None,
        typer.Option("--units-per-year", metavar="N", help="Functional units planned a year; projects general use."),
    ] = None,
    source: From = Source.LEDGER,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the dossier.")] = Language.FR,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write to.")] = Path(),
    home: Home = None,
) -> None:
    """Write what a project manager needs to assess a service for commitment 7.

    Writes a sheet, evaluation-<service>-<quarter>.xlsx, to fill in and read back with 'ecoia workbook --read', and beside it the
    dossier, a page with figures, answers, open questions and a year of general use. Works before the first measurement: the
    figures then say that they are not measured yet.

    [dim]$ ecoia evaluate --service assistant --units-per-year 2000000[/dim]
    """
    from ecoia.evaluating.dossier import evaluate as build_dossier

    if units_per_year is not None:
        check_units_per_year(units_per_year)
    settings = load_settings(home)
    folder = catalogue_folder(settings)
    inputs, asked = read(settings, quarter, source)
    found = build_dossier(
        [*inputs.rows],
        service,
        asked,
        settings=settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
        units_per_year=units_per_year,
    )
    name = f"evaluation-{service}-{found.quarter}"
    page = load_form("evaluation").render_evaluation(found, lang.value)
    sheet = load_form("workbook").write_evaluation(folder, found, lang.value)
    try:
        out.mkdir(parents=True, exist_ok=True)
        typer.echo(replace_file(out / f"{name}.html", page))
    except OSError as error:
        raise EcoiaError(f"'{out}' cannot be written ({error.strerror}): choose another folder with --out") from error
    write_new(out / f"{name}.xlsx", sheet)
    typer.echo(out / f"{name}.xlsx")

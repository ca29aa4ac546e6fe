"""``ecoia export``: write everything recorded as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import INCOMPLETE, From, Home, Source, load_settings, replace_file, say
from ecoia.cli.reading import read_rows
from ecoia.errors import EcoiaError


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write to.")],
    source: From = Source.LEDGER,
    home: Home = None,
) -> None:
    """Write everything recorded as Parquet, for tools of your own. The exit code is 3 if days of the ledger could not be read.

    Writes one file a quarter, quarter=2026Q4/rows.parquet, and replaces each as a whole. pandas, DuckDB and Spark read the
    folder.

    [dim]$ ecoia export ledger-parquet[/dim]
    """
    from ecoia.publishing.ledger_export import partitions

    settings = load_settings(home)
    rows, gaps = read_rows(settings, source)
    files = partitions(rows, ZoneInfo(settings.timezone))
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            replace_file(folder / name, content)
    except OSError as error:
        raise EcoiaError(f"'{folder}' cannot be written ({error.strerror}): choose another folder") from error
    for name in files:  # after all are written, as a reader may stop early ('| head')
        typer.echo(folder / name)
    others = {found.relative_to(folder).as_posix() for found in folder.glob("quarter=*/*.parquet")} - files.keys()
    if others:
        say(f"'{folder}' holds {', '.join(sorted(others))} from before, left as it is: tools that read the folder read it, too")
    if gaps:
        raise typer.Exit(INCOMPLETE)

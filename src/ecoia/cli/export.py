"""``ecoia export``: write everything recorded as Parquet, or the figures of a training for its model's documents."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ecoia.cli import model_card, model_documentation
from ecoia.cli.common import INCOMPLETE, Commands, From, Home, Source, load_settings, replace_file, say
from ecoia.cli.reading import mark_of, read_rows, store_here
from ecoia.errors import EcoiaError, UsageError
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.dataset import Manifest
    from ecoia.impact.ledger_gaps import LedgerGap


class _Exports(Commands):
    """``ecoia export FOLDER`` is ``ecoia export rows FOLDER``; ``./model-card`` is a folder of that name."""

    default = "rows"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first command in where none is named."""
        named = bool(args) and args[0] in {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if named else [self.default, *args])


group = typer.Typer(cls=_Exports, rich_markup_mode="rich")


@group.callback()
def export() -> None:
    """Write everything recorded as Parquet, or a model's documents.

    [dim]$ ecoia export ledger-parquet[/dim]

    [dim]$ ecoia export model-card --run 4f0c1d2e9b7a4c55a1b2c3d4e5f60718[/dim]
    """


@group.command("rows")
def rows(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The folder to write one file a quarter to.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URI", help="The dataset to bring up to date: a folder, s3://bucket/folder, gs://..."),
    ] = None,
    source: From = Source.LEDGER,
    home: Home = None,
) -> None:
    """Write everything recorded as Parquet, for tools of your own; 'rows' may be left out.

    The exit code is 3 if days of the ledger could not be read.

    With FOLDER, writes one file a quarter, quarter=2026Q4/rows.parquet, and replaces each as a whole. pandas, DuckDB and Spark
    read the folder.

    With --to, brings a dataset up to date: files by quarter and month, of which only those that changed are written, and a
    manifest. 'ecoia report --from parquet:URI' reads it.

    [dim]$ ecoia export ledger-parquet[/dim]

    [dim]$ ecoia export --to s3://bucket/ecoia[/dim]
    """
    settings = load_settings(home)
    if (folder is None) == (to is None):
        raise UsageError("name a FOLDER for one file a quarter, or a dataset with --to URI: one of the two")
    gaps = _one_file_a_quarter(settings, source, folder) if folder is not None else _dataset(settings, source, to or "")
    if gaps:
        raise typer.Exit(INCOMPLETE)


group.command("model-card")(model_card.model_card)
group.command("model-documentation")(model_documentation.model_documentation)


def _one_file_a_quarter(settings: Settings, source: Source, folder: Path) -> tuple[LedgerGap, ...]:
    from ecoia.publishing.ledger_export import partitions

    listed, gaps = read_rows(settings, source)
    files = partitions(listed, ZoneInfo(settings.timezone))
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
    return gaps


def _dataset(settings: Settings, source: Source, uri: str) -> tuple[LedgerGap, ...]:
    from ecoia import dataset
    from ecoia.exploring.places import source_name

    place = dataset.Place(uri)
    store = store_here(settings) if source is Source.LEDGER else None
    mark = mark_of(settings, source, store)  # before the rows: what changes meanwhile is exported the next time
    of = dataset.Source(f"{source.kind}-{_digest(source_name(settings, source))[:12]}", _digest(mark))
    found = dataset.is_up_to_date(place, of, settings.timezone)
    written: tuple[str, ...] = ()
    if found is None:
        listed, gaps = read_rows(settings, source, store)
        found, written = dataset.export(place, listed, gaps, timezone=settings.timezone, source=of)
    for name in written:
        typer.echo(f"{place.public}/{name}")
    say(_said(found, len(written)))
    return found.gaps


def _said(manifest: Manifest, written: int) -> str:
    new = f"{written} written now, the manifest among them" if written else "nothing was new"
    return f"{manifest.rows:,} rows in {len(manifest.files):,} files; {new}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()

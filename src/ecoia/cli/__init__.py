"""The command line, ``ecoia ...``: one module a group of commands. What costs time is imported by the command that needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ecoia.cli.check import add_checking
from ecoia.cli.common import Commands
from ecoia.cli.factors import add_factors
from ecoia.cli.forms import add_forms
from ecoia.cli.install import add_installation
from ecoia.cli.measure import add_measuring
from ecoia.cli.publish import add_publishing
from ecoia.cli.results import add_results

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Commands,
    name="ecoia",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings: ecoia.toml, \\[tool.ecoia] of pyproject.toml, or ECOIA_* (list them with 'ecoia config').",
)


def _version(wanted: bool) -> None:
    if wanted:
        from ecoia.semconv import VERSION

        typer.echo(f"ecoia {VERSION}")
        raise typer.Exit


@app.callback()
def _ecoia(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Measure what AI services cost the environment, quarter after quarter.

    [dim]$ ecoia run --service vadore --phase training -- python train.py[/dim]

    [dim]$ ecoia report --quarter 2026Q4[/dim]
    """


add_measuring(app)
add_results(app)
add_publishing(app)
add_checking(app)
add_factors(app)
add_forms(app)
add_installation(app)


def main() -> None:
    """Entry point of ``ecoia``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a sign is no reason to fail
    app(prog_name="ecoia", windows_expand_args=False)  # what follows '--' belongs to the command that is run

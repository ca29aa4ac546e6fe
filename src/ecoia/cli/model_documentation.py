"""``ecoia export model-documentation``: energy, time and computation of a training, for the Code of Practice's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ecoia.cli.common import From, Home, Source, load_settings, replace_file
from ecoia.cli.trainings import RunIds, read_training
from ecoia.errors import EcoiaError


def model_documentation(
    run: RunIds,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File to write.", show_default="stdout")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON object in place of Markdown.")] = False,
    source: From = Source.LEDGER,
    home: Home = None,
) -> None:
    """Write the figures of a training for the Model Documentation Form of the Code of Practice for general-purpose AI.

    Energy in MWh at both boundaries with the methods and their errors, training time, and computation where the register declares
    it. What is not known is N/A with its reason. No conformity is claimed.

    [dim]$ ecoia export model-documentation --run 4f0c1d2e9b7a4c55a1b2c3d4e5f60718[/dim]
    """
    from ecoia.evaluating.model_documentation import as_data, as_markdown, documentation_of

    training = read_training(load_settings(home), source, run)
    found = documentation_of(training.footprint, training.runs, training.service, training.inputs.catalogue.gsd)
    text = json.dumps(as_data(found), ensure_ascii=False, allow_nan=False, indent=2) + "\n" if as_json else as_markdown(found)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        typer.echo(replace_file(out, text))
    except OSError as error:
        raise EcoiaError(f"'{out}' cannot be written ({error.strerror}): choose another place with --out") from error

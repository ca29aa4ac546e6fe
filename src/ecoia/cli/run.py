"""``ecoia run``: measure a command and its children."""

from __future__ import annotations

from typing import Annotated

import typer

from ecoia.cli.common import Home, load_settings
from ecoia.semconv import PHASES


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="Program and arguments, passed on as they are.")],
    service: Annotated[str, typer.Option("--service", "-s", metavar="ID", help="Id of the AI service that it works for.")],
    phase: Annotated[str, typer.Option("--phase", "-p", metavar="PHASE", help=f"One of {', '.join(PHASES)}.")],
    home: Home = None,
) -> None:
    """Measure a command and its children, without changing it.

    The program may be in any language. It keeps its terminal and signals, and ecoia exits with its exit code.

    [dim]$ ecoia run --service vadore --phase training -- python train.py --epochs 3[/dim]
    """
    from ecoia.watching import run_command

    settings = load_settings(home, needed=("home",))

    def tell(measured: run_command.Measured) -> None:
        from ecoia.showing.end_of_run import show_command

        show_command(measured.rows, measured.seconds, settings, measured_itself=measured.measured_itself)

    raise typer.Exit(run_command.run(command, service=service, phase=phase, settings=settings, tell=tell))

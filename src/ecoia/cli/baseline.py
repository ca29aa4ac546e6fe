"""``ecoia baseline``: measure the machine's idle power."""

from __future__ import annotations

from typing import Annotated

import typer

from ecoia.cli.common import Home, load_settings, number, print_table, say


def baseline(
    seconds: Annotated[float, typer.Option("--seconds", metavar="N", min=2, help="How long to measure.")] = 60,
    home: Home = None,
) -> None:
    """Measure the machine's idle power and store it.

    Run nothing else meanwhile: if the mean load exceeds 5 %, nothing is stored and the exit code is 1.

    [dim]$ ecoia baseline --seconds 60[/dim]
    """
    from ecoia import meters
    from ecoia.meters import idle_power

    settings = load_settings(home, needed=("home", "ecoia.toml"))
    say(f"reading the meters for {seconds:.0f} s; leave the machine alone")
    found = idle_power.measure(meters.detect(settings), seconds)
    path = idle_power.store(settings.home, found)
    rows = [
        (
            component,
            number(power.watts),
            number(power.min_watts),
            number(power.max_watts),
            number(power.gsd),
            f"{power.status}: {power.method}",
        )
        for component, power in found.components.items()
    ]
    columns = ("component", "W", "least", "most", "GSD", "method")
    print_table(f"At rest, load {found.load:.1%}", columns, rows, right=("W", "least", "most", "GSD"))
    for component, count in found.unread.items():
        say(f"{component}: {count} reading{'s' if count > 1 else ''} failed, so nothing is stored of it")
    say(f"stored in {path}")

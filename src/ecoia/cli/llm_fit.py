"""``ecoia llm fit``: fit what the tokens of a language model cost on its own server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecoia.cli.common import Home, load_settings, say


def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Windows of the server, as CSV.")],
    home: Home = None,
) -> None:
    """Fit what tokens of a language model cost on your server, and share its energy accordingly.

    FILE has the columns seconds, joules, tokens_read, tokens_out and in_flight, one window a line, at several loads. Windows
    that are too few or too alike are refused, and nothing is stored.

    [dim]$ ecoia llm fit windows.csv[/dim]
    """
    from ecoia.evaluating import token_fit

    settings = load_settings(home, needed=("home",))
    found = token_fit.fit(token_fit.read_windows(file))
    path = token_fit.store(settings.home, found, file.name)
    typer.echo(
        f"kappa {found.kappa:.3g} (± {found.deviation:.0%}), a written token {found.written:.3g} times one read, "
        f"{found.watts_at_rest:.3g} W at rest; R² {found.r_squared:.3f}, {found.windows} windows"
    )
    say(f"stored in {path}")
    if settings.values["token_kappa"].origin != "default":
        say(f"the setting token_kappa = {settings.token_kappa:g} goes before it: remove it to use the fit")

"""``ecoia config``: show each setting, its value and where it came from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ecoia import settings as configuration
from ecoia.cli.common import Home, print_table, say
from ecoia.errors import EcoiaError
from ecoia.semconv import SESSION_VARIABLE
from ecoia.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from ecoia.factors import FactorSet

_OTHER_VARIABLES = ("ECOIA_DISABLED", SESSION_VARIABLE)


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    zones: Annotated[bool, typer.Option("--zones", help="List the zones that have an emission factor instead.")] = False,
    home: Home = None,
) -> None:
    """Show each setting, its value and where it came from.

    Names illegal values and unknown ECOIA_* variables, then the emission factors in use.

    [dim]$ ecoia config --json | jq .zone[/dim]
    """
    loaded = configuration.load({"home": home})
    if zones:
        known = factors_in_use(loaded).zones()
        typer.echo(json.dumps(known) if as_json else "\n".join(known))
        return
    if as_json:
        typer.echo(json.dumps(_as_dict(loaded), ensure_ascii=False, indent=2))
        return
    rows = []
    for setting in SETTINGS:
        value = loaded.values[setting.name]
        rows.append((setting.name, "–" if value.value is None else str(value.value), value.origin, setting.meaning))
    for pattern, service in loaded.experiments.items():
        rows.append((f"mlflow.experiments.{pattern}", service, "ecoia.toml", "service of the experiments with such a name"))
    print_table("Settings", ("name", "value", "from", "meaning"), rows)
    try:
        typer.echo(f"Emission factors in use: {factors_text(factors_in_use(loaded))}")
    except EcoiaError as error:
        say(str(error))
    for problem in loaded.problems:
        say(str(problem))
    for name, like in unknown_variables().items():
        say(f"{name} is set, and no setting has that name" + (f": {like}?" if like else ""))


def _as_dict(loaded: Settings) -> dict[str, Any]:
    settings = {
        setting.name: {
            "value": loaded.values[setting.name].value,
            "from": loaded.values[setting.name].origin,
            "variable": setting.variable,
            "meaning": setting.meaning,
        }
        for setting in SETTINGS
    }
    experiments = dict(loaded.experiments)
    problems = [{"name": p.name, "value": str(p.value), "from": p.origin, "remedy": p.remedy} for p in loaded.problems]
    return {**settings, "mlflow.experiments": experiments, "problems": problems}


def unknown_variables() -> dict[str, str | None]:
    """Return the ``ECOIA_*`` variables that nothing reads, each with the known one that it resembles most, if any."""
    import difflib

    known = [*(setting.variable for setting in SETTINGS), *_OTHER_VARIABLES]
    unknown = sorted(name for name in os.environ if name.startswith("ECOIA_") and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, 1)), None) for name in unknown}


def factors_in_use(settings: Settings) -> FactorSet:
    """Return the emission factors that figures are computed with: those chosen in the catalogue, else the default set.

    Raises:
        CatalogueError: ``factors.yaml`` of the catalogue is wrong.
        FactorError: the chosen set is not there or is wrong.
    """
    from ecoia import catalogue, factors

    choice = catalogue.factors_chosen(settings.catalogue)
    return factors.in_use(choice, settings.catalogue, ZoneInfo(settings.timezone))


def factors_text(factors: FactorSet) -> str:
    """Describe a factor set in one line: id, title, scope and basis, version, gaps."""
    gaps = "gaps are not filled" if factors.fill is None else f"gaps are filled: {factors.fill}"
    pair = ", ".join(factors.pairs[0]) if factors.pairs else "empty"
    return f"{factors.id} ({factors.title}; {pair}; version {factors.version}); {gaps}"

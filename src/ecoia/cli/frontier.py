"""``ecoia frontier``: what quality costs; ``frontier_texts`` beside it prints what is found here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecoia.cli import frontier_texts
from ecoia.cli.common import From, Home, Source, load_settings
from ecoia.cli.frontier_texts import Comparison
from ecoia.errors import UsageError
from ecoia.periods import Quarter

if TYPE_CHECKING:
    from ecoia.evaluating.experiment_front import Candidate
    from ecoia.settings import Settings


class Cost(StrEnum):
    """What quality is paid with."""

    ENERGY = "energy"
    CO2E = "co2e"


class Better(StrEnum):
    """Which way a figure of quality is better."""

    HIGHER = "higher"
    LOWER = "lower"


def frontier(
    service: Annotated[
        str | None, typer.Option("--service", metavar="ID", help="Trainings of a service, as recorded.", show_default=False)
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="Runs of an MLflow experiment.", show_default=False)
    ] = None,
    models: Annotated[bool, typer.Option("--models", help="Logged models of the experiment, in place of its runs.")] = False,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="Figure of quality.", show_default="the only one there is")
    ] = None,
    better: Annotated[
        Better | None, typer.Option("--better", help="Which way it is better.", show_default="as the register says")
    ] = None,
    by: Annotated[Cost, typer.Option("--by", help="What quality is paid with: energy, or CO2e of use.")] = Cost.ENERGY,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", metavar="X", help="How much worse than the best is good enough.", show_default="a point"),
    ] = None,
    quarter: Annotated[
        str | None,
        typer.Option("--quarter", metavar="YYYYQn", help="Trainings of a quarter.", show_default="all that is recorded"),
    ] = None,
    source: From = Source.LEDGER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a comparison, a line each.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one CSV line a run.")] = False,
    home: Home = None,
) -> None:
    """Say what quality costs, and what came to nothing.

    Runs that no other equals for less, the cheapest that is good enough, and the price of the last points. Runs that failed or
    were abandoned are waste. A point is 0.01 of a figure whose values are all from 0 to 1, else 1. A run is dominated only if
    another one is as good for less beyond noise.

    [dim]$ ecoia frontier --service vadore --tolerance 0.01[/dim]

    [dim]$ ecoia frontier --experiment vadore-ranking --metric accuracy --better higher[/dim]
    """
    if (service is None) == (experiment is None):
        raise UsageError("name a --service, or an MLflow --experiment: one of the two")
    if service is not None and (models or better is not None):
        raise UsageError(
            "--models and --better are of an --experiment: the register says which way a service's figures are better"
        )
    if experiment is not None and (quarter is not None or source is not Source.LEDGER):
        raise UsageError("--quarter and --from are of a --service: an experiment's runs are read from MLflow")
    if tolerance is not None and not 0 <= tolerance < math.inf:
        raise UsageError(
            f"--tolerance {tolerance:g} is no tolerance: write a number of 0 or more in the unit of the figure, e.g. 0.01"
        )
    settings = load_settings(home)
    if service is not None:
        found = list(_of_service(settings, source, service, quarter, metric, by))
    else:
        found = [_of_experiment(settings, experiment or "", metric, better, by, models=models)]
    show = frontier_texts.print_json if as_json else frontier_texts.print_csv if as_csv else frontier_texts.print_text
    for number, each in enumerate(found):
        show(each, tolerance, by.value, first=not number)


# --- where runs are read from ---


def _of_service(
    settings: Settings, source: Source, service: str, quarter: str | None, metric: str | None, by: Cost
) -> Iterator[Comparison]:
    from ecoia.cli.filling import up_to_date
    from ecoia.exploring import Selection

    explorer = up_to_date(settings, source)
    quarters = [Quarter.parse(each) for each in explorer.state.quarters]
    if not quarters:
        raise UsageError("nothing is recorded yet: 'ecoia doctor' shows what can be measured")
    first, last = (Quarter.parse(quarter),) * 2 if quarter else (min(quarters), max(quarters))
    selection = Selection(first.first_day(), last.shift(1).first_day(), services=(service,))
    every = explorer.compared_runs(selection, by.value)
    if not every:
        raise UsageError(_why_nothing(service, [each.quality for each in explorer.runs(selection)], explorer.catalogue()))
    found = [each for each in every if metric in (None, each.metric)]
    if not found:
        raise UsageError(f"--metric {metric}: choose one of {', '.join(sorted({each.metric for each in every}))}")
    for each in found:
        left_out = {"no recorded end": each.without_end, f"no {each.metric}": each.without_figure, f"no {by}": each.without_cost}
        names = {run.key: run.key for run in each.front.scored}
        yield Comparison(f"{each.service}, {each.phase}", each.metric, each.front, names, each.waste, left_out)


def _why_nothing(service: str, qualities: Sequence[Mapping[str, float]], catalogue: Any) -> str:
    entry = catalogue.service(service)
    if not qualities:
        return f"no training run of service '{service}' is recorded there: 'ecoia services' lists what is"
    named = sorted({name for each in qualities for name in each})
    if not named:
        return f"no run of service '{service}' has a figure of quality: record one with span.quality(\"accuracy\", 0.9)"
    if entry is None or not set(entry.quality) & set(named):
        return (
            f"the register does not say which way {', '.join(named)} is better: "
            f"write it in services.yaml, e.g. 'quality: {{{named[0]}: higher}}'"
        )
    return f"no run of service '{service}' with a figure of quality ended well"


def _of_experiment(
    settings: Settings, experiment: str, metric: str | None, better: Better | None, by: Cost, *, models: bool
) -> Comparison:
    from ecoia.cli.reading import store_here
    from ecoia.delivery.shown_runs import ShownRuns
    from ecoia.evaluating.experiment_front import compare_candidates, metrics_of, models_of, runs_of

    shown = ShownRuns(store_here(settings))
    candidates = (models_of if models else runs_of)(shown, experiment)
    what = "models" if models else "runs"
    known = metrics_of(candidates)
    if not known:
        raise UsageError(
            f"no two {what} of experiment '{experiment}' that show energy have a metric in common: nothing to compare"
        )
    if metric is None and len(known) == 1:
        metric = known[0]
    if metric not in known:
        given = "name the figure of quality with --metric" if metric is None else f"--metric {metric} is on no two {what}"
        raise UsageError(f"{given}: choose one of {', '.join(known)}")
    way = better.value if better else _registered(settings, candidates, metric)
    if way is None:
        raise UsageError(f"--better: say which way '{metric}' is better, higher or lower; the register does not")
    found = compare_candidates(candidates, metric, way, by.value)
    if found.front is None:
        raise UsageError(f"no finished {what[:-1]} of experiment '{experiment}' has {metric} and shows {by}")
    left_out = {"not ended": found.without_end, f"no {metric}": found.without_figure, f"no {by}": found.without_cost}
    names = {each.key: each.made_by.name for each in candidates}
    return Comparison(f"{experiment} ({what})", metric, found.front, names, found.waste, left_out)


def _registered(settings: Settings, candidates: Sequence[Candidate], metric: str) -> str | None:
    """Return which way a figure is better by the register, where all that are compared are of one service."""
    from ecoia import catalogue

    services = {each.service for each in candidates}
    entry = catalogue.load(settings.catalogue).service(next(iter(services)) or "") if len(services) == 1 else None
    return entry.quality.get(metric) if entry else None

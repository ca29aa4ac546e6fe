"""Runs: which cost most, which are matched for less, which came to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ecoia.exploring import RunLine
from ecoia.report import Frontier, Quantity, Saving
from ecoia.semconv import DEVELOPMENT_PHASES
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import BadAddressError
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages.runs import quality_bought
from ecoia_dashboards.dashboard.pages.runs.one_run import seconds_between
from ecoia_dashboards.dashboard.pages.runs.quality_bought import QualityBought
from ecoia_dashboards.dashboard.pieces.narrowing import check_names, folded
from ecoia_dashboards.sums import added

RUNS_ON_A_PAGE = 50
OUTCOMES = ("ok", "failed", "abandoned", "unknown")
"""What ``outcome`` chooses from: how a run ended, or that nothing says how."""
LOST = ("failed", "abandoned")
UNMATCHED, MATCHED = "unmatched", "matched"
"""Whether no other run equals a run for less energy, by some figure of quality; or another one does, by each."""
SORTS: dict[str, Callable[[RunLine], float | str]] = {
    "run": lambda it: it.run_id,
    "service": lambda it: (it.service + "/" + it.phase).casefold(),
    "start": lambda it: it.start_utc,
    "duration": lambda it: seconds_between(it.start_utc, it.end_utc),
    "energy": lambda it: it.microjoules,
    "co2e": lambda it: it.co2e.value or 0.0,
    "outcome": lambda it: it.outcome or "",
}


@dataclass(frozen=True)
class Listed:
    """A run of the list. ``standing``: ``UNMATCHED`` or ``MATCHED``; None where it was not compared."""

    line: RunLine
    standing: str | None


@dataclass(frozen=True)
class Runs:
    """The data of the page.

    Attributes:
        shown: The runs of this page of the list.
        count: How many runs there are in all.
        energy: Energy of all of them. Its interval takes their errors as shared.
        microjoules: The same, exact, of components.
        others: Energy of the runs on other pages of the list.
        lost: How many failed or were abandoned.
        lost_energy: Their energy.
        unknown: How many ended in a way that nothing says.
        outside_microjoules: Energy of training that was recorded outside every run; None where a filter of runs is in use.
        savings: What matched runs took beyond the least energy for their quality, by the quarter's report.
        frontiers: Runs compared by quality and energy, by the quarter's report.
        bought: The cost of quality among all runs of the period, and of the services and phases that are chosen.
        next: Key to go on after; None: there are no more.
        phases: Phases of runs that can be chosen.
        instances: Instances of runs that can be chosen.
    """

    shown: tuple[Listed, ...]
    count: int
    energy: Quantity
    microjoules: int
    others: Quantity
    lost: int
    lost_energy: Quantity
    unknown: int
    outside_microjoules: int | None
    savings: tuple[Saving, ...]
    frontiers: tuple[Frontier, ...]
    bought: tuple[QualityBought, ...]
    next: str | None
    phases: tuple[str, ...]
    instances: tuple[str, ...]


def read(reading: Reading) -> Runs:
    """Read the page's data.

    Raises:
        BadAddressError: an outcome, a column or a place in the list does not exist, or the tolerance is no number.
        NotFoundError: the address names a service or a site that does not exist.
    """
    address = reading.address
    check_names(reading)
    for each in address.outcome:
        if each not in OUTCOMES:
            raise BadAddressError("outcome", each, OUTCOMES)
    every = clean(tuple(reading.explorer.runs(reading.selection)))
    chosen = [each for each in every if _passes(each, reading)]
    page, following = _page(_sorted(chosen, address.sort), address.after)
    frontiers = tuple(each for each in reading.report.frontiers if _of_selection(each, reading))
    lost = [each for each in chosen if each.outcome in LOST]
    shown = {key(each) for each in page}
    return Runs(
        shown=tuple(Listed(each, standing(each, frontiers)) for each in page),
        count=len(chosen),
        energy=_energy(chosen),
        microjoules=sum(each.microjoules for each in chosen),
        others=_energy([each for each in chosen if key(each) not in shown]),
        lost=len(lost),
        lost_energy=_energy(lost),
        unknown=sum(each.outcome is None for each in chosen),
        outside_microjoules=_outside(every, reading),
        savings=tuple(each for each in reading.report.savings if each.kind == "dominated-runs" and _of_selection(each, reading)),
        frontiers=frontiers,
        bought=clean(quality_bought.read(reading)),
        next=following,
        phases=tuple(sorted({each.phase for each in every} | set(address.phase))),
        instances=tuple(sorted({instance for each in every for instance in each.instances} | set(address.instance))),
    )


def key(run: RunLine) -> str:
    """Return what names a run of the list: its id, and its service and phase, since a run may work for several."""
    return f"{run.service}/{run.phase}/{run.run_id}"


def _energy(runs: Iterable[RunLine]) -> Quantity:
    return added([each.energy for each in runs if each.energy.value is not None], "kWh")


def standing(run: RunLine, frontiers: Sequence[Frontier]) -> str | None:
    """Say whether a run is on a front; None where it was not compared, or the report does not list the whole front."""
    compared = [
        each
        for each in frontiers
        if (each.service, each.phase) == (run.service, run.phase) and each.metric in run.quality and run.outcome == "ok"
    ]
    if any(run.run_id in each.front for each in compared):
        return UNMATCHED
    listed = [each for each in compared if not each.left_out or len(each.front) < len(each.runs)]
    return MATCHED if listed and len(listed) == len(compared) else None


def _passes(run: RunLine, reading: Reading) -> bool:
    address = reading.address
    said = folded(" ".join((run.run_id, reading.names.get(run.service, run.service), run.phase, *run.instances)))
    return (not address.outcome or (run.outcome or "unknown") in address.outcome) and all(
        word in said for word in folded(address.q).split()
    )


def _sorted(runs: Sequence[RunLine], sort: str) -> list[RunLine]:
    column = SORTS.get(sort.lstrip("-") or "energy")
    if column is None:
        raise BadAddressError("sort", sort, SORTS)
    ordered = sorted(runs, key=lambda run: key(run))
    return sorted(ordered, key=column, reverse=sort.startswith("-") or not sort)


def _page(runs: list[RunLine], after: str) -> tuple[list[RunLine], str | None]:
    """Return a page of a list, and the key to go on after."""
    start = 0
    if after:
        start = next((place for place, each in enumerate(runs, 1) if key(each) == after), 0)
        if not start:
            raise BadAddressError("after", after, form="the key of a run in this list, as its page before gives it")
    page = runs[start : start + RUNS_ON_A_PAGE]
    return page, key(page[-1]) if start + RUNS_ON_A_PAGE < len(runs) else None


def _of_selection(found: Frontier | Saving, reading: Reading) -> bool:
    address = reading.address
    return (not address.service or found.service in address.service) and (not address.phase or found.phase in address.phase)


def _outside(every: Sequence[RunLine], reading: Reading) -> int | None:
    """Return the energy of training outside every run."""
    if reading.address.outcome or reading.address.q or reading.address.region:
        return None
    training = reading.explorer.selected(reading.selection).training_microjoules
    return training - sum(each.microjoules for each in every if each.phase in DEVELOPMENT_PHASES)

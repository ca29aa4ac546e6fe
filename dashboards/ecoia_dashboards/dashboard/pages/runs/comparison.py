"""Runs side by side: what each took, and whether the difference is beyond noise."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.evaluating.run_comparison import compare
from ecoia.report import Quantity
from ecoia_dashboards.dashboard.address import BadAddressError
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages.runs import one_run
from ecoia_dashboards.dashboard.pages.runs.one_run import OneRun
from ecoia_dashboards.sums import added

MOST_COMPARED = 8
_FEWEST = 2


@dataclass(frozen=True)
class RunSide:
    """A run beside others.

    Attributes:
        run: The run.
        energy: Its energy, with the building where that is known.
        co2e: Its CO2e of use.
        change: Its energy relative to the first run's, errors that both share cancelled; None for the first run.
        alike: Whether both were measured the same way on the same hosts.
        change_per_unit: The change of the energy per functional unit; None where one of them counts none.
    """

    run: OneRun
    energy: Quantity
    co2e: Quantity
    change: Quantity | None
    alike: bool
    change_per_unit: float | None


@dataclass(frozen=True)
class Comparison:
    """The data of the page.

    Attributes:
        sides: The runs; the first is what the others are compared with.
        same_work: Whether all worked for the same services and phases.
        metrics: Figures of quality that all have.
        better: By metric, ``higher`` or ``lower`` where the register of the first run's service says so.
    """

    sides: tuple[RunSide, ...]
    same_work: bool
    metrics: tuple[str, ...]
    better: dict[str, str]


def read(reading: Reading) -> Comparison:
    """Read the page's data.

    Raises:
        BadAddressError: there are too many runs.
        NotFoundError: the reader sees no run of an id.
    """
    ids = reading.address.runs
    if len(ids) > MOST_COMPARED:
        raise BadAddressError("runs", ",".join(ids), form=f"{MOST_COMPARED} ids at most")
    runs = [one_run.read(reading, each) for each in ids]
    if len(runs) < _FEWEST:
        return Comparison(tuple(_side(each, each) for each in runs), True, (), {})
    metrics = sorted(set.intersection(*(set(each.quality) for each in runs)))
    services = {service for each in runs for service, _ in each.work}
    entries = [reading.catalogue.service(each) for each in sorted(services)]
    better = {name: way for entry in entries if entry for name, way in entry.quality.items()} if len(services) == 1 else {}
    sides = tuple(_side(each, runs[0]) for each in runs)
    return Comparison(sides, len({each.work for each in runs}) == 1, tuple(metrics), dict(better))


def _side(run: OneRun, first: OneRun) -> RunSide:
    found = compare(run.compared(), first.compared()) if run is not first else None
    change = None
    if run is not first:
        change = Quantity(found.change, "1", found.low, found.high) if found else Quantity(None, "1", reason="not-measured")
    return RunSide(
        run,
        added([each.energy for each in run.lines], "kWh"),
        added([each.co2e for each in run.lines], "kgCO2e"),
        change,
        alike=found is not None and found.alike,
        change_per_unit=found.change_per_unit if found else None,
    )

"""Savings and training runs: where less would do, and how runs compare."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report.model.figures import Quantity


@dataclass(frozen=True)
class RunUsed:
    """A training run and its energy. ``outcome`` is None where its end is not recorded."""

    service: str
    phase: str
    run_id: str
    outcome: str | None
    energy: Quantity
    quality: dict[str, float]


@dataclass(frozen=True)
class Saving:
    """Energy that could be spared, by the quarter's data. ``microjoules`` of components are exact; ``energy`` is at the site.

    ``kind`` is one of ``codes.SAVINGS``. ``may_harm`` are numbers of commitments of the charter. For ``dominated-runs``,
    ``metric`` is the figure of quality compared, and ``front`` the runs that no other run equals for less energy.
    """

    kind: str
    service: str
    phase: str | None
    microjoules: int
    energy: Quantity
    co2e: Quantity
    role: str | None  # the role that can act, by the register
    may_harm: tuple[int, ...]
    runs: tuple[str, ...] = ()
    metric: str | None = None
    front: tuple[str, ...] = ()
    hours_later: int | None = None


@dataclass(frozen=True)
class Unsupported:
    """A kind of saving that is not in the report, and why: of ``services`` alone, or of all where none is named."""

    kind: str  # one of codes.SAVINGS
    reason: str  # one of codes.UNSUPPORTED
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frontier:
    """Finished runs of a service and phase, compared by energy and a figure of quality; the register says which way is better.

    ``front`` are the runs that no other run equals for less energy. ``left_out`` counts the runs that are not listed: they are
    neither on the front nor among the costliest.
    """

    service: str
    phase: str
    metric: str
    better: str  # higher | lower
    runs: tuple[RunUsed, ...]
    front: tuple[str, ...]
    left_out: int = 0

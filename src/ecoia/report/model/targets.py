"""Targets: verdicts, the budget of the year, and additions to baselines."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report.model.figures import Quantity

_TOO_FEW_QUARTERS = Quantity(None, "1", reason="too-few-quarters")


@dataclass(frozen=True)
class BudgetState:
    """The budget of a year on a trajectory, in the target's unit but the shares. A quarter of ``budget`` is due each quarter.

    ``spent`` was used to date, and ``consumed`` is its share of the budget, with the interval of a change: the budget has the
    baseline's errors. ``spent_probability`` is the probability that this share is above 1 already. ``distance`` is ``spent`` less
    the budget due by now: negative is under the path. ``expected`` is the end of the year if the quarters ahead are like the last
    four, and ``overrun_probability`` the probability that it exceeds the budget.
    """

    year: int
    budget: Quantity
    spent: Quantity
    consumed: Quantity
    distance: Quantity
    overrun_probability: Quantity
    expected: Quantity = _TOO_FEW_QUARTERS
    spent_probability: float | None = None


@dataclass(frozen=True)
class BaselineAddition:
    """An estimate added to a baseline, for a service that existed in one of its quarters and was not recorded yet.

    The estimate is the service's level in ``taken_from``, its first quarter with a record, times ``share``, the part of the
    quarter's days on which it existed.
    """

    service: str
    quarter: str
    taken_from: str
    share: float
    quantity: Quantity


@dataclass(frozen=True)
class CoursePoint:
    """A quarter of a trajectory: the level of its indicator, and ``due``, what the path allows it, in the same unit.

    In a quarter of the baseline or before its end, ``due`` is the baseline's mean. It is None where the baseline is not known.
    """

    quarter: str
    level: Quantity
    due: float | None


@dataclass(frozen=True)
class TargetVerdict:
    """A target and its verdict, with the figures that it rests on.

    ``miss_probability`` is the probability that the target is missed: that the level is on the wrong side of its value, that the
    reduction is not reached, or (before the horizon) that the year ends over its budget. It is of what is known: what is missing
    is in the ``reason``. ``trajectory`` is the id of the trajectory whose budget a target on ``budget`` is of.
    """

    id: str
    indicator: str
    op: str | None
    value: float | None
    unit: str
    deadline: str | None
    status: str  # proposed | adopted
    verdict: str  # one of codes.VERDICTS
    reason: str | None  # one of codes.VERDICT_REASONS; None when met
    observed: Quantity
    reduction: float | None = None  # of a trajectory: 0.35 is 35 % less than the baseline ...
    baseline_quarters: tuple[str, ...] = ()
    horizon: int | None = None  # ... in this year
    decision_body: str | None = None  # that adopted it
    decision_date: str | None = None
    service: str | None = None  # of one service only
    budget: BudgetState | None = None  # of a trajectory whose baseline is known
    additions: tuple[BaselineAddition, ...] = ()  # estimates in its baseline
    miss_probability: float | None = None
    trajectory: str | None = None
    course: tuple[CoursePoint, ...] = ()  # of a trajectory, from the first quarter of its baseline on

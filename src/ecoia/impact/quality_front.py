"""The cost of quality: runs that no other equals for less, the cheapest that is good enough, the price of the last points.

A run is *equalled* by one that is at least as good and took less. The *front* are the runs that none equals in the figures
themselves: each is better than the one before, and dearer. A run that is equalled by less than noise is on no front and is not
dominated either. It is compared with the cheapest run that is as good, and errors that both share cancel
(``change.change_interval``).

    price of the points between two neighbours of the front = (C2 - C1) / (Q2 - Q1)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from ecoia.impact.change import change_interval, difference_interval
from ecoia.impact.uncertainty import Cell, Estimate, Interval

HIGHER, LOWER = "higher", "lower"
"""Which way a figure of quality is better."""

FRONT, WITHIN_NOISE, DOMINATED = "front", "within-noise", "dominated"
"""How a run stands: none equals it; one equals it for less, which may be noise; one equals it for less, beyond noise."""

_HUNDREDTH, _ONE = 0.01, 1.0

K = TypeVar("K", bound=Hashable)


class Scored(NamedTuple, Generic[K]):
    """A run, or a model: what it is worth and what it took.

    Attributes:
        key: Names it.
        quality: Its figure of quality, as recorded; it has no interval.
        cost: What it took, in one unit for all.
    """

    key: K
    quality: float
    cost: Estimate


class Step(NamedTuple, Generic[K]):
    """The cost of quality between two neighbours of the front.

    Attributes:
        worse: The cheaper of the two.
        better: The dearer.
        gained: Quality gained, above 0 whichever way is better.
        cost: What it took more.
        bounds: Its 95 % interval, with the errors that both share; None where there is none.
    """

    worse: Scored[K]
    better: Scored[K]
    gained: float
    cost: float
    bounds: Interval | None

    @property
    def beyond_noise(self) -> bool:
        """Whether the better one took more beyond noise."""
        return is_dearer(self.better.cost, self.worse.cost)


class GoodEnough(NamedTuple, Generic[K]):
    """The cheapest of those that are as good as the best, within a tolerance.

    Attributes:
        run: The cheapest.
        best: The best; the cheapest of several.
        as_cheap: Others within the tolerance that are not dearer than it beyond noise, the cheapest first.
        spared: What it took less than the best, as a share: 0.4 is 40 % less. None: they are one.
        bounds: Its 95 % interval.
    """

    run: Scored[K]
    best: Scored[K]
    as_cheap: tuple[Scored[K], ...]
    spared: float | None
    bounds: Interval | None


@dataclass(frozen=True)
class QualityFront(Generic[K]):
    """Runs or models compared by one figure of quality and by what they took. There is one at least.

    Attributes:
        scored: All of them.
        better: ``HIGHER`` or ``LOWER``.

    Example:
        >>> from ecoia.catalogue.error_widths import GSD
        >>> from ecoia.impact.uncertainty import Cell
        >>> took = lambda kwh: Estimate((Cell(kwh, frozenset(), ""),), GSD, kwh)
        >>> found = QualityFront((Scored("a", 0.8, took(1.0)), Scored("b", 0.9, took(3.0)), Scored("c", 0.8, took(2.0))), HIGHER)
        >>> found.standings
        {'a': 'front', 'b': 'front', 'c': 'dominated'}
        >>> found.good_enough(0.2).run.key
        'a'
    """

    scored: Sequence[Scored[K]]
    better: str

    @cached_property
    def _best_first(self) -> list[Scored[K]]:
        return sorted(self.scored, key=lambda run: (-self._worth(run), run.cost.value))

    @cached_property
    def equalled_by(self) -> Mapping[K, Scored[K]]:
        """By key, the cheapest that is at least as good: itself, where no other is cheaper."""
        found: dict[K, Scored[K]] = {}
        least: Scored[K] | None = None
        for run in self._best_first:
            least = run if least is None or run.cost.value < least.cost.value else least
            found[run.key] = least
        return found

    @cached_property
    def front(self) -> tuple[Scored[K], ...]:
        """Those that none equals, from the cheapest to the best."""
        found = [run for run in self._best_first if self.equalled_by[run.key] is run]
        return tuple(reversed(found))

    @cached_property
    def standings(self) -> dict[K, str]:
        """How each stands, by key: ``FRONT``, ``WITHIN_NOISE`` or ``DOMINATED``."""
        return {run.key: self._standing(run) for run in self.scored}

    def _standing(self, run: Scored[K]) -> str:
        by = self.equalled_by[run.key]
        return FRONT if by is run else DOMINATED if is_dearer(run.cost, by.cost) else WITHIN_NOISE

    @cached_property
    def steps(self) -> tuple[Step[K], ...]:
        """What the points cost, from the cheapest of the front to the best."""
        return tuple(self._step(*pair) for pair in zip(self.front, self.front[1:], strict=False))

    def _step(self, worse: Scored[K], better: Scored[K]) -> Step[K]:
        gained, more = abs(better.quality - worse.quality), better.cost.value - worse.cost.value
        return Step(worse, better, gained, more, difference_interval(better.cost, worse.cost))

    def good_enough(self, tolerance: float) -> GoodEnough[K]:
        """Return the cheapest within a tolerance of the best.

        Args:
            tolerance: How much worse than the best it may be, in the unit of the figure; 0 or more.
        """
        best = self.front[-1]
        enough = [run for run in self.scored if self._worth(run) >= self._worth(best) - tolerance * (1 + 1e-9)]
        run, *others = sorted(enough, key=lambda each: each.cost.value)
        as_cheap = tuple(each for each in others if not is_dearer(each.cost, run.cost))
        if run is best or not best.cost.value:
            return GoodEnough(run, best, as_cheap, None, None)
        change = change_interval(run.cost, best.cost)
        bounds = None if change is None else Interval(-change.high, -change.low)
        return GoodEnough(run, best, as_cheap, 1 - run.cost.value / best.cost.value, bounds)

    def _worth(self, run: Scored[K]) -> float:
        return run.quality if self.better == HIGHER else -run.quality


def is_dearer(cost: Estimate, other: Estimate) -> bool:
    """Say whether one took more than another beyond noise: the 95 % interval of the change lies above 0."""
    bounds = change_interval(cost, other)
    return bounds is not None and bounds.low > 0


def cost_of_run(amount: float, gsd: Mapping[str, float]) -> Estimate:
    """Return what a run took as comparisons take it: it has an error of its own, and the errors of the meters cancel.

    Args:
        amount: Its energy, or its CO2e.
        gsd: Geometric standard deviations, ``own`` among them.
    """
    return Estimate((Cell(float(amount), frozenset(), ""),), gsd, float(amount))


def point_of(qualities: Iterable[float]) -> float:
    """Return what one point of a figure of quality is: 0.01 where all values are from 0 to 1, as shares are; else 1.

    Example:
        >>> point_of([0.81, 0.93]), point_of([27.4, 31.0])
        (0.01, 1.0)
    """
    return _HUNDREDTH if all(0 <= each <= 1 for each in qualities) else _ONE

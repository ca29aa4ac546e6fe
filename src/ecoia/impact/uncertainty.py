"""Uncertainty of a sum: the cells that it is made of, the errors that they share, its 95 % interval and precision class.

A quantity is a sum of cells c_i: the energy of one service and phase, component, method and zone, or a part of something
derived from it. Cells share unknown multiplicative errors f: the class of their method, their calibration, the site's PUE, the
grid factor. Each service and phase also has an error of its own. With 1 + r_f^2 = exp(ln^2 GSD_f),

    Var = sum_ij c_i c_j (prod over shared f of (1 + r_f^2) - 1),   s^2 = ln(1 + Var / C^2),
    95 % interval = C exp(-s^2 / 2 +- 1.96 s).

So shared errors do not average out, as they would if cells were taken as independent.

What a meter gave is shared out among the parts of a host, so what one part got too much of, the others got too little of. These
errors move amounts between parts and leave their sum alone. They are *transfers* t_j, one for each part j, each with an
independent error, and add sum_j t_j^2 r_j^2 to Var (``shared_hosts``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ecoia.catalogue.error_widths import GSD

if TYPE_CHECKING:  # importing numpy costs 60 ms, which a caller that only asks for a factor need not pay
    import numpy as np
    from numpy.typing import NDArray

Z95 = 1.96
"""Half-width of the 95 % interval of a normal variable, in standard deviations."""

_PRECISION = ((0.10, 1), (0.25, 2), (0.50, 3))
"""The largest relative half-width of each precision class, ascending. Anything wider is class 4."""

_FEW = 12  # signatures

Signature = tuple[str, ...]
"""The names of the errors that a cell shares, sorted."""


@dataclass(frozen=True)
class Interval:
    """Bounds of the 95 % interval, in the unit of the quantity."""

    low: float
    high: float


class Cell(NamedTuple):
    """One term of a sum.

    Attributes:
        mean: Its mean, in the unit of the sum.
        shared: Names of the errors that it shares with other cells.
        own: Owner of its own error: two cells with the same owner share it.
    """

    mean: float
    shared: frozenset[str]
    own: str


class Transfer(NamedTuple):
    """How much of a sum the error of one part of a host moves into it (positive) or out of it (negative).

    Attributes:
        amount: What the sum changes by where this part was given too little by its whole, in the unit of the sum.
        error: Name of the error's geometric standard deviation.
        part: The part: a service and phase. All its transfers with one ``error`` share it, on all hosts and in all quarters.
    """

    amount: float
    error: str
    part: str

    def times(self, factor: float) -> Transfer:
        """Return the transfer of as many times the sum."""
        return Transfer(self.amount * factor, self.error, self.part)


def log_variance(cells: Sequence[Cell], gsd: Mapping[str, float], own_gsd: float, transfers: Iterable[Transfer] = ()) -> float:
    """Return s^2 of a sum of cells, by the module's formula.

    Args:
        cells: Cells with non-negative means; their sum is above 0.
        gsd: Geometric standard deviation of each shared error, by name.
        own_gsd: Geometric standard deviation of every own error.
        transfers: What errors of attribution move into the sum and out of it.

    Example:
        >>> round(log_variance([Cell(3.0, frozenset({"pue"}), "a")], {"pue": 1.1}, 1.0) ** 0.5, 4)  # ln 1.1
        0.0953
    """
    return math.log1p(variance(cells, gsd, own_gsd, transfers) / math.fsum(cell.mean for cell in cells) ** 2)


def variance(cells: Iterable[Cell], gsd: Mapping[str, float], own_gsd: float, transfers: Iterable[Transfer] = ()) -> float:
    """Return Var of a sum of cells, by the module's formula.

    Args:
        cells: Cells with means of either sign.
        gsd: Geometric standard deviation of each shared error, by name.
        own_gsd: Geometric standard deviation of every own error.
        transfers: What errors of attribution move into the sum and out of it.

    Returns:
        The variance, in the square of the unit of the cells. The order of cells and transfers changes no digit of it.

    Example:
        >>> shared = frozenset({"pue"})
        >>> variance([Cell(1.0, shared, "a"), Cell(-1.0, shared, "b")], {"pue": 1.1}, 1.0)  # the shared error cancels
        0.0
    """
    import numpy as np

    # Cells that share the same errors add up first: the double sum runs over groups, then over the groups of one owner.
    # Products are one operation each and sums are exact (fsum), so neither the order nor the machine changes a digit.
    groups: dict[Signature, list[float]] = {}
    owners: dict[str, dict[Signature, list[float]]] = {}
    for cell in cells:
        signature = tuple(sorted(cell.shared))
        groups.setdefault(signature, []).append(cell.mean)
        owners.setdefault(cell.own, {}).setdefault(signature, []).append(cell.mean)
    signatures = sorted(groups)
    index_of = {signature: index for index, signature in enumerate(signatures)}
    logs, at = np.unique(_shared_log_variances(signatures, gsd), return_inverse=True)
    at = at.reshape(len(signatures), len(signatures))
    at_of: list[list[int]] = at.tolist()

    def products(means: Mapping[Signature, list[float]], weights: list[float]) -> list[float]:
        sums = [math.fsum(each) for each in means.values()]
        indexes = [index_of[signature] for signature in means]
        if len(sums) <= _FEW:  # the same operations as below, without the cost of arrays
            pairs = list(zip(sums, indexes, strict=True))
            return [one * other * weights[at_of[i][j]] for one, i in pairs for other, j in pairs]
        terms: list[float] = (np.outer(sums, sums) * np.array(weights)[at[np.ix_(indexes, indexes)]]).ravel().tolist()
        return terms

    own = relative_variance(own_gsd)
    terms = products(groups, [math.expm1(log) for log in logs])
    weights = [math.exp(log) * own for log in logs]
    for means in owners.values():
        terms += products(means, weights)
    return math.fsum((*terms, *_of_transfers(transfers, gsd)))


def relative_variance(gsd: float) -> float:
    """Return r^2, the relative variance that a geometric standard deviation stands for.

    Example:
        >>> round(relative_variance(1.35), 4)
        0.0942
    """
    return math.expm1(math.log(gsd) ** 2)


def _of_transfers(transfers: Iterable[Transfer], gsd: Mapping[str, float]) -> Iterator[float]:
    """Give the variance that each part's error brings in."""
    amounts: dict[tuple[str, str], list[float]] = {}
    for transfer in transfers:
        amounts.setdefault((transfer.error, transfer.part), []).append(transfer.amount)
    for (error, _), each in amounts.items():
        yield math.fsum(each) ** 2 * relative_variance(gsd[error])


def contrast_variance(one: Estimate, other: Estimate, divisors: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return Var of the difference of two estimates, each first divided by a number.

    Errors that both share cancel as far as they are alike, those of attribution too: what a service's work draws is its own in
    both. The own error of a service and phase is new in each.

    Example:
        >>> same = Estimate((Cell(2.0, frozenset({"pue"}), "a"),), {"pue": 1.1, "own": 1.0}, 2.0)
        >>> contrast_variance(same, same)
        0.0
    """
    gsd = Estimate.total((one, other)).gsd
    signed = [(sign / divisor, sign, estimate) for sign, divisor, estimate in zip((1, -1), divisors, (one, other), strict=True)]
    cells = [Cell(by * cell.mean, cell.shared, f"{sign}\n{cell.own}") for by, sign, each in signed for cell in each.cells]
    transfers = [transfer.times(by) for by, _, each in signed for transfer in each.moved]
    return max(variance(cells, gsd, gsd["own"], transfers), 0.0)  # where all errors are shared: 0 up to rounding


def _shared_log_variances(signatures: Sequence[Signature], gsd: Mapping[str, float]) -> NDArray[np.float64]:
    """Sum ln^2 GSD over the errors that each pair of signatures shares."""
    import numpy as np

    shared = np.zeros((len(signatures), len(signatures)))
    for name in sorted({name for signature in signatures for name in signature}):
        holds = np.array([name in signature for signature in signatures])
        shared += np.outer(holds, holds) * math.log(gsd[name]) ** 2
    return shared


def interval(value: float, log_var: float) -> Interval:
    """Return the 95 % interval of a lognormal quantity.

    Args:
        value: Its mean.
        log_var: s^2, the variance of its logarithm.

    Example:
        >>> bounds = interval(100.0, 0.01)
        >>> round(bounds.low, 2), round(bounds.high, 2)
        (81.79, 121.05)
    """
    spread = Z95 * math.sqrt(log_var)
    return Interval(value * math.exp(-log_var / 2 - spread), value * math.exp(-log_var / 2 + spread))


def precision_class(log_var: float) -> int:
    """Return the precision class, 1 (best) to 4, of a quantity with this variance of its logarithm.

    The class follows the half-width of the interval relative to the mean: up to 10, 25, 50 %, and beyond. The published wall
    factor is a bias of known direction, not a lack of precision: it raises the upper bound and does not change the class.

    Example:
        >>> precision_class(0.0), precision_class(0.04), precision_class(1.0)
        (1, 3, 4)
    """
    bounds = interval(1.0, log_var)
    half_width = (bounds.high - bounds.low) / 2
    return next((number for limit, number in _PRECISION if half_width <= limit), 4)


@dataclass(frozen=True)
class Estimate:
    """A sum known by its cells, so that adding it to another keeps track of the errors that both share.

    Attributes:
        cells: The terms.
        gsd: Geometric standard deviation of each error that the cells share, and of ``own``.
        upper_mean: The sum with the published wall factor applied wherever no calibration is known. The upper bound of the
            interval starts from it.
        transfers: What errors of attribution move into the sum and out of it. Those of all parts of a host cancel.

    Example:
        >>> one = Estimate((Cell(2.0, frozenset({"pue"}), "a"),), {"pue": 1.1, "own": 1.05}, 2.0)
        >>> Estimate.total([one, one.scaled(3)]).value
        8.0
    """

    cells: tuple[Cell, ...]
    gsd: Mapping[str, float]
    upper_mean: float
    transfers: tuple[Transfer, ...] = ()

    @cached_property
    def value(self) -> float:
        """The sum of the means."""
        return math.fsum(cell.mean for cell in self.cells)

    @cached_property
    def moved(self) -> tuple[Transfer, ...]:
        """The transfers, those of one error and part added up; the order of ``transfers`` changes no digit of it."""
        amounts: dict[tuple[str, str], list[float]] = {}
        for transfer in self.transfers:
            amounts.setdefault((transfer.error, transfer.part), []).append(transfer.amount)
        return tuple(Transfer(math.fsum(each), error, part) for (error, part), each in amounts.items())

    @cached_property
    def log_variance(self) -> float:
        """s^2, by the module's formula; 0 where the sum is 0."""
        return log_variance(self.cells, self.gsd, self.gsd["own"], self.moved) if self.value else 0.0

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval; None where the sum is 0."""
        if not self.value:
            return None
        return Interval(interval(self.value, self.log_variance).low, interval(self.upper_mean, self.log_variance).high)

    @property
    def precision_class(self) -> int | None:
        """The precision class, 1 to 4; None where the sum is 0."""
        return precision_class(self.log_variance) if self.value else None

    def scaled(self, factor: float) -> Estimate:
        """Multiply the sum by a number without error."""
        cells = tuple(Cell(cell.mean * factor, cell.shared, cell.own) for cell in self.cells)
        transfers = tuple(each.times(factor) for each in self.transfers)
        return Estimate(cells, self.gsd, self.upper_mean * factor, transfers)

    def with_error(self, name: str, gsd: float) -> Estimate:
        """Add one more error, shared by all cells.

        Args:
            name: Name of the error.
            gsd: Its geometric standard deviation.
        """
        cells = tuple(Cell(cell.mean, cell.shared | {name}, cell.own) for cell in self.cells)
        return Estimate(cells, {**self.gsd, name: gsd}, self.upper_mean, self.transfers)

    @staticmethod
    def total(estimates: Iterable[Estimate]) -> Estimate:
        """Add estimates up, keeping the errors that they share. An error met with two widths keeps the wider."""
        parts = list(estimates)
        if len(parts) == 1:
            return parts[0]  # whose interval may be computed already
        cells = tuple(cell for part in parts for cell in part.cells)
        gsd = widest(part.gsd for part in parts if part.cells)
        transfers = tuple(transfer for part in parts for transfer in part.transfers)
        return Estimate(cells, gsd or GSD, math.fsum(part.upper_mean for part in parts), transfers)


def widest(widths: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Merge geometric standard deviations by name. A name met with two widths keeps the wider.

    Example:
        >>> widest([{"pue": 1.1}, {"pue": 1.03, "own": 1.05}])
        {'pue': 1.1, 'own': 1.05}
    """
    merged: dict[str, float] = {}
    for each in widths:
        for name, gsd in each.items():
            merged[name] = max(merged.get(name, gsd), gsd)
    return merged

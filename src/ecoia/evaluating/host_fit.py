"""Fits a host's power at the wall to its load: P = idle + busy x busy threads + gpu x power of its cards, by least squares.

A management controller answers late: often with the mean of the last minute. So the series is moved by each lag up to three
minutes, and the lag at which it follows the load best is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecoia.errors import UsageError
from ecoia.evaluating.load_log import LoadLog
from ecoia.evaluating.wall_power import Floats, WallPower
from ecoia.meters.wattmeter import Sample
from ecoia.periods import utc_datetime

LEAST_POINTS = 120
LEAST_SPAN = 0.40
"""Least difference between a high and a low load (95th and 5th percentile), of all threads."""

MOST_LAG_SECONDS = 180
LAG_STEP_SECONDS = 5
LEAST_FOLLOWED = 0.5
"""Least part of the power's variance that the load explains (R squared)."""

_FROZEN_SECONDS = 3600.0
_FROZEN_SPAN = 0.10
_LEAST_GPU_SPREAD = 0.10


class HostFit(NamedTuple):
    """The result.

    Attributes:
        idle_w: Watts at rest.
        busy_w: Watts for each busy thread.
        gpu_factor: Watts at the wall for each watt of the cards; None without cards.
        gsd: Geometric standard deviation of the measured power around the fitted one.
        points: Minutes that it rests on.
        left_out: Minutes without power in the series: before, after, in a gap, or zero.
        lag_seconds: By how much the series is late.
        followed: Part of the variance that the load explains (R squared), 0 to 1.
    """

    idle_w: float
    busy_w: float
    gpu_factor: float | None
    gsd: float
    points: int
    left_out: int
    lag_seconds: int
    followed: float


def fit(load: LoadLog, samples: Sequence[Sample]) -> HostFit:
    """Fit a host's power.

    Args:
        load: Its recorded load.
        samples: The series of its power at the wall, in order of time.

    Raises:
        UsageError: The two do not tell the host's power; the message says why, and what to do.
    """
    power = WallPower(samples)
    starts = np.array([each.start for each in load.means]) - power.begin_ns / 1e9
    ends = np.array([each.end for each in load.means]) - power.begin_ns / 1e9
    columns = _columns(load)
    _refuse_frozen(power, starts, ends, columns[:, 1], load.host.threads)
    best: tuple[float, int, Floats, Floats] | None = None
    for lag in range(0, MOST_LAG_SECONDS + 1, LAG_STEP_SECONDS):
        watts = power.means(starts + lag, ends + lag)
        known = ~np.isnan(watts)
        if known.sum() < LEAST_POINTS:
            continue
        followed = _followed(columns[known], watts[known])
        if best is None or followed > best[0]:
            best = followed, lag, columns[known], watts[known]
    if best is None:
        raise _too_few(power, starts, ends)
    followed, lag, columns, watts = best
    _refuse_flat(columns, load.host.threads)
    if followed < LEAST_FOLLOWED:
        raise UsageError(
            f"the power does not follow the load (R² = {followed:.2f} at best, {LEAST_FOLLOWED} at least): check that the "
            f"series is of '{load.host.instance}', that both clocks are right, and that it is late by "
            f"{MOST_LAG_SECONDS} s at most"
        )
    return _checked(columns, watts, followed, lag, left_out=len(load.means) - len(watts))


def _columns(load: LoadLog) -> Floats:
    """Return the columns of the fit: one, busy threads, and the power of the cards if the host has any."""
    gpu = [each.gpu_watts for each in load.means]
    if any(each is None for each in gpu) and any(each is not None for each in gpu):
        raise UsageError("some minutes of the load have the power of graphics cards and some have not: record again, in one go")
    columns = [np.ones(len(gpu)), np.array([each.busy_threads for each in load.means])]
    if gpu[0] is not None:
        columns.append(np.array(gpu, dtype=np.float64))
    return np.column_stack(columns)


def _solve(columns: Floats, watts: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(columns, watts, rcond=None)[0], dtype=np.float64)


def _followed(columns: Floats, watts: Floats) -> float:
    spread = float(np.var(watts))
    left = float(np.mean((watts - columns @ _solve(columns, watts)) ** 2))
    return 1 - left / spread if spread > 0 else 0.0


def _refuse_frozen(power: WallPower, starts: Floats, ends: Floats, busy: Floats, threads: int) -> None:
    """Refuse a series that says the same figure for an hour while the load moved: its sensor or its logger stood still."""
    changes = np.flatnonzero(np.diff(power.watts)) + 1
    for run in np.split(np.arange(len(power.watts)), changes):
        begin, end = power.times[run[0]], power.times[run[-1]]
        if end - begin < _FROZEN_SECONDS or power.watts[run[0]] == 0:
            continue
        meanwhile = busy[(starts >= begin) & (ends <= end - MOST_LAG_SECONDS)]
        if len(meanwhile) and float(np.ptp(meanwhile)) > _FROZEN_SPAN * threads:
            since = utc_datetime(power.begin_ns + int(begin * 1e9))
            raise UsageError(
                f"the series says {power.watts[run[0]]:g} W for {(end - begin) / 3600:.1f} h from {since:%Y-%m-%d %H:%M} UTC on, "
                "while the load changed: its sensor or its logger stood still; remove those lines, and repair it"
            )


def _too_few(power: WallPower, starts: Floats, ends: Floats) -> UsageError:
    common = int((~np.isnan(power.means(starts, ends))).sum())
    begin, end = (utc_datetime(power.begin_ns + int(at * 1e9)) for at in (power.times[0], power.times[-1]))
    return UsageError(
        f"{common} of {len(starts)} recorded minutes have power in the series ({begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} "
        f"UTC), and {LEAST_POINTS} are needed; zeros and gaps are missing readings: record for longer, with both at the same time"
    )


def _refuse_flat(columns: Floats, threads: int) -> None:
    low, high = np.percentile(columns[:, 1], [5, 95])
    span = float(high - low) / threads
    if span < LEAST_SPAN:
        raise UsageError(
            f"the load spans {span:.0%} of the threads only, and {LEAST_SPAN:.0%} are needed: rest and work must both be in it; "
            "run something on half of the threads or more for an hour, and record again"
        )
    if columns.shape[1] > 2 and float(np.ptp(columns[:, 2])) < _LEAST_GPU_SPREAD * float(np.mean(columns[:, 2])):
        raise UsageError(
            "the graphics cards' power did not change, so their part cannot be told from the rest: run something on them"
        )
    if np.linalg.matrix_rank(columns / columns.max(axis=0)) < columns.shape[1]:
        raise UsageError("processor and graphics cards were always busy together, so neither can be told: load one of them alone")


def _checked(columns: Floats, watts: Floats, followed: float, lag: int, left_out: int) -> HostFit:
    found = _solve(columns, watts)
    for what, value in zip(("at rest", "for each busy thread", "for each watt of the graphics cards"), found, strict=False):
        if value <= 0:
            raise UsageError(
                f"the fit gives {value:.3g} W {what}, which no machine draws: the series is not of this host, or something else "
                "that draws power ran against the load"
            )
    errors = np.log(watts / (columns @ found))
    gsd = math.exp(float(np.sqrt(np.sum(errors**2) / (len(watts) - len(found)))))
    gpu_factor = float(found[2]) if len(found) > 2 else None
    return HostFit(float(found[0]), float(found[1]), gpu_factor, gsd, len(watts), left_out, lag, followed)

"""Cost of a measured call to the thread that makes it: bare, ecoia as decorator and as block, codecarbon as task.

Usage: python benchmarks/bench_track.py
"""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
from collections.abc import Callable
from time import thread_time_ns

ROUNDS = 7


def nothing() -> None:
    """What is measured: a call that does nothing, so that only the measuring is left."""


def nanoseconds_per_call(function: Callable[[], object], calls: int) -> float:
    """Median over some rounds of the thread's CPU time for one call."""
    rounds = []
    for _ in range(ROUNDS):
        start = thread_time_ns()
        for _ in range(calls):
            function()
        rounds.append((thread_time_ns() - start) / calls)
    return statistics.median(rounds)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(ECOIA_HOME=home, ECOIA_DELIVERY="manual")
        os.chdir(home)  # no ecoia.toml of the checkout, and codecarbon's files go with the folder
        import ecoia

        decorated = ecoia.track(service="bench", phase="inference")(nothing)
        tracker = ecoia.track(service="bench", phase="inference")

        def block() -> None:
            with tracker:
                pass

        def block_made_each_time() -> None:
            with ecoia.track(service="bench", phase="inference"):
                pass

        decorated()
        ecoia.flush()  # the sampler has started and imported what it needs

        costs = {
            "bare call": nanoseconds_per_call(nothing, 200_000),
            "ecoia, decorator": nanoseconds_per_call(decorated, 20_000),
            "ecoia, with (one object)": nanoseconds_per_call(block, 20_000),
            "ecoia, with ecoia.track(...)": nanoseconds_per_call(block_made_each_time, 20_000),
            "codecarbon, start_task/stop_task": codecarbon_task(),
        }
        peer = costs["codecarbon, start_task/stop_task"]
        for name, cost in costs.items():
            print(f"{name:34} {cost / 1000:10.2f} µs   codecarbon / this = {peer / cost:10.0f}")


def codecarbon_task() -> float:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level=logging.CRITICAL)
    numbers = iter(range(1_000_000))

    def task() -> None:
        name = str(next(numbers))
        tracker.start_task(name)
        nothing()
        tracker.stop_task(name)

    cost = nanoseconds_per_call(task, 10)
    tracker.stop()
    return cost


if __name__ == "__main__":
    main()

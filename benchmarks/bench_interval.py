"""Cost of the uncertainty of a quarter: the double sum over cells that share errors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness import Effort, Line, figure, interleave, run

_INTERVAL = """
import random, time
from ecoia.catalogue.error_widths import GSD
from ecoia.impact.uncertainty import Cell, log_variance

names = {f"pue:{site}": 1.1 for site in range(10)} | {f"grid:{site}": 1.1 for site in range(10)} | dict(GSD)
numbers = random.Random(1)
cells = [
    Cell(numbers.random(), frozenset({numbers.choice(["counters", "model", "generic-model"]), f"pue:{site}", f"grid:{site}"}),
         f"{service} {phase}")
    for service in range(100) for phase in range(4) for site in range(10) for component in range(3)
]
log_variance(cells[:3], names, 1.05)
result["cpu_ms"] = []
for _ in range(rounds):
    start_ns = time.process_time_ns()
    log_variance(cells, names, 1.05)
    result["cpu_ms"].append((time.process_time_ns() - start_ns) / 1e6)
"""


def interval(effort: Effort) -> Iterator[Line]:
    """Compute one 95 % interval of everything, in one thread."""
    runs = interleave(effort, effort.few, {"ours": partial(run, _INTERVAL, rounds=effort.rounds)})
    what = "interval of 100 services, 4 phases, 10 sites: 12,000 cells, CPU"
    yield Line(what, "ms", figure(runs["ours"], "cpu_ms"), 1000)

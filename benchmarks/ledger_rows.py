"""Ledger rows of a made-up organisation, in any number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from ecoia.periods import HALF_HOUR_NS, Quarter

PARIS = ZoneInfo("Europe/Paris")
PHASES = ("inference", "training", "evaluation", "data-preparation")


def rows(count: int, quarters: Sequence[Quarter], services: int, phases: int, instances: int) -> list[dict[str, Any]]:
    """Return about ``count`` rows, spread over the half-hours of some quarters; every third service has a GPU."""
    numbers, made = random.Random(1), []
    cells = [(s, p, i) for s in range(services) for p in range(phases) for i in range(instances)]
    for quarter in quarters:
        start, end = quarter.bounds_ns(PARIS)
        half_hours, wanted = (end - start) // HALF_HOUR_NS, count // len(quarters)
        for number in range(wanted):
            service, phase, instance = cells[number % len(cells)]
            half_hour = start + number * half_hours // wanted * HALF_HOUR_NS
            gpu = None if service % 3 else numbers.randrange(10**9)
            made.append(
                {
                    "half_hour_utc_ns": half_hour,
                    "kind": "span",
                    "service": f"service-{service}",
                    "phase": PHASES[phase],
                    "instance": f"site-{instance}-{service % 7}",
                    "run_id": None,
                    "endpoint": None,
                    "model_version": None,
                    "zone": None,
                    "scope": "process",
                    "simulated": False,
                    "declared_source": None,
                    "method": {
                        "cpu": {"status": "measured", "name": "rapl"},
                        "gpu": {"status": "missing", "name": "none"} if gpu is None else {"status": "measured", "name": "nvml"},
                        "ram": {"status": "estimated", "name": "ram-model"},
                    },
                    "energy_microjoules": {"cpu": numbers.randrange(10**9), "gpu": gpu, "ram": numbers.randrange(10**8)},
                    "spans": 3,
                    "units_micro": 10**6,
                    "accepted_micro": None,
                    "cpu_ns": 10**9,
                    "tokens": [],
                    "quality": {},
                    "lost": {},
                    "devices": [],
                    "shared_devices": [],
                    "pid": None,
                    "outcome": None,
                    "start_utc_ns": half_hour,
                    "end_utc_ns": half_hour + HALF_HOUR_NS,
                    "record_ids": [f"r{len(made)}"],
                }
            )
    return made

"""Many instances that come back at once: each has a day of rows that a server which was away did not get."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ecoia.delivery.helper_loop import spread
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.errors import DeliveryError
from ecoia.periods import DAY_NS, HALF_HOUR_NS, utc_day
from ecoia.records import Row, fold
from support.records import NOON_NS, record

_MOST_ATTEMPTS = 8


class Instance(NamedTuple):
    """One that comes back.

    Attributes:
        name: Its name.
        days: What it has not delivered, by UTC day.
    """

    name: str
    days: dict[str, list[Row]]


class Drained(NamedTuple):
    """How a burst went.

    Attributes:
        seconds: From the first attempt to the last end.
        attempts: How often one of them tried.
        failed: Who gave up.
    """

    seconds: float
    attempts: int
    failed: list[str]


def instances(count: int) -> list[Instance]:
    """Make instances with a day of rows of two services, over two UTC days, from noon to noon."""
    made = []
    for number in range(count):
        name = f"burst-{number:03d}"
        records = [
            record(NOON_NS + at * HALF_HOUR_NS, cpu=number * 1000 + at, instance=name, service=service)
            for at in range(DAY_NS // HALF_HOUR_NS)
            for service in ("vadore", "smart-emploi")
        ]
        days: dict[str, list[Row]] = {}
        for row in fold(records):
            days.setdefault(utc_day(row["half_hour_utc_ns"]), []).append(row)
        made.append(Instance(name, days))
    return made


def drain(uri: str, those: Iterable[Instance], *, within_seconds: float, at_once: int) -> Drained:
    """Have all of them deliver to the ledger, each after a rest that is drawn, and again after a failure, as helpers do.

    Args:
        uri: The store.
        those: The instances.
        within_seconds: Longest rest before the first attempt.
        at_once: How many may be at work at once on this machine.
    """
    start, attempts, failed = time.monotonic(), 0, []

    def come_back(instance: Instance) -> None:
        nonlocal attempts
        time.sleep(max(start + random.random() * within_seconds - time.monotonic(), 0.0))
        for attempt in range(_MOST_ATTEMPTS):
            attempts += 1
            try:
                _deliver(uri, instance)
            except DeliveryError:
                time.sleep(spread(2.0**attempt))
            else:
                return
        failed.append(instance.name)

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        list(pool.map(come_back, those))
    return Drained(time.monotonic() - start, attempts, failed)


def _deliver(uri: str, instance: Instance) -> None:
    ledger = MlflowLedger(MlflowStore(uri))
    ledger.look_ahead((instance.name, day) for day in instance.days)
    assert ledger.upsert_days(instance.name, f"home-of-{instance.name}", instance.days, list) == {}

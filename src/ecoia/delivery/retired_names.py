"""Metrics and tags that ecoia 0.1.0 wrote, taken over by the names of today.

MLflow deletes no metric. So a retired metric gets NaN as its last value, which no sum and no search counts and pages show as
such; its history stays. The value goes on under the name of today, where the run has none yet. ``ecoia deliver`` looks through
a whole store once; a run that is written anyway is put right then.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_store import MlflowStore, Point
from ecoia.keeping.destinations import public_uri, write_atomically
from ecoia.semconv import Metric

NAMES = 2
"""Version of the names of metrics that a store was brought to."""

_FILE = "names.json"
_EXPERIMENTS_AT_ONCE = 100
_PER_THOUSAND = 1000.0  # kWh to Wh, kg to g


def retire_names(
    store: MlflowStore,
    run: Any,
    names: Mapping[str, Metric | None],
    *,
    retired_too: Collection[str] = (),
    factor: float | None = None,
) -> None:
    """Take the retired metrics off a run, and the tag of their step.

    Args:
        store: The store.
        run: The run.
        names: Retired names, and the metric of today that carries each.
        retired_too: Names that are retired on this run.
        factor: What a value is multiplied with on its way to the metric of today. None: that one is written by whoever calls.
    """
    shown = run.data.metrics
    old = [name for name in (*names, *retired_too) if math.isfinite(shown.get(name, math.nan))]
    if not {semconv.RETIRED_ENERGY, semconv.RETIRED_DURATION} & set(old):
        old = []  # a name that is of today on some runs was never retired on this one
    tags = [semconv.RETIRED_TAG_STEP] if semconv.RETIRED_TAG_STEP in run.data.tags else []
    carried: list[Point] = []
    retired: list[Point] = []
    for name in old:
        history = store.client.get_metric_history(run.info.run_id, name)
        last = max(history, key=lambda point: (point.step, point.timestamp))
        retired.append(Point(name, math.nan, last.step, last.timestamp + 1))
        now = names.get(name)
        if factor is None or now is None or now.name in run.data.metrics:
            continue
        if "hourly" in name:
            hours = {p.step: p for p in sorted(history, key=lambda p: p.timestamp)}
            carried += [Point(now.name, hours[hour].value * factor, hour) for hour in sorted(hours)]
        else:
            carried.append(Point(now.name, last.value * factor, 0))
    energy_wh = shown.get(semconv.RETIRED_ENERGY, 0) * _PER_THOUSAND
    if factor is not None and semconv.UNITS.name in set(retired_too) & set(old) and energy_wh > 0:
        carried.append(Point(semconv.UNITS_PER_WH.name, shown[semconv.UNITS.name] / energy_wh, 0))
    store.log(run.info.run_id, carried, {})
    # Those that say whether there is something to do go last.
    retired.sort(key=lambda point: point.metric in (semconv.RETIRED_ENERGY, semconv.RETIRED_DURATION))
    store.retire(run.info.run_id, retired, tags)


class NamesOfStores:
    """Which stores this home brought to the names of today, kept in the file ``delivery/names.json`` of the home.

    Args:
        home: The journal home.
        home_id: Its id: of the ledger, its own days are brought to the names of today; other homes do theirs.
    """

    def __init__(self, home: Path, home_id: str) -> None:
        self._path = home / "delivery" / _FILE
        self._home_id = home_id
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {str(store): int(version) for store, version in kept.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._known = {}

    def bring(self, store: MlflowStore, begin_until: float = math.inf) -> list[str]:
        """Bring every run of a store to the names of today, once.

        Args:
            store: The store.
            begin_until: Time of the monotonic clock in seconds, after which no run is begun; the next call goes on.

        Returns:
            Messages for people.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        name = public_uri(store.uri)
        if self._known.get(name, 0) >= NAMES:
            return []
        refused: list[str] = []
        with store.reaching():
            for run in _runs_with_old_names(store):
                if time.monotonic() > begin_until:
                    return [f"{name}: the time was up before every run got today's names of metrics: deliver again"]
                self._bring_run(store, run, refused)
        self._known[name] = NAMES
        write_atomically(self._path, json.dumps(self._known, separators=(",", ":")) + "\n")
        if not refused:
            return []
        return [
            f"{name}: {len(refused)} runs keep the metrics of ecoia 0.1.0, as this account may not write to them: {refused[0]}"
        ]

    def _bring_run(self, store: MlflowStore, run: Any, refused: list[str]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            if run.data.tags.get(semconv.TAG_KIND) not in (semconv.RUN_KIND_LEDGER, semconv.RUN_KIND_SUPERSEDED):
                too = () if semconv.TAG_DAY in run.data.tags else (semconv.UNITS.name,)
                retire_names(store, run, semconv.RETIRED_OF_VIEWS, retired_too=too, factor=_PER_THOUSAND)
            elif run.data.tags.get(semconv.TAG_HOME) == self._home_id:
                retire_names(store, run, semconv.RETIRED_OF_LEDGER, factor=1.0)
        except MlflowException as error:
            refused.append(f"run {run.info.run_id} ({error.error_code})")


def _runs_with_old_names(store: MlflowStore) -> Iterator[Any]:
    """Give the runs that had a metric of ecoia 0.1.0 once; every one of them has the duration."""
    token = None
    while True:
        page = store.client.search_experiments(max_results=_EXPERIMENTS_AT_ONCE, page_token=token)
        for experiment in page:
            yield from store.each(experiment.experiment_id, f"metrics.`{semconv.RETIRED_DURATION}` >= 0")
        token = page.token
        if not token:
            return

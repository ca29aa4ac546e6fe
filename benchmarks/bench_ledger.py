"""Cost of reading a ledger, from the runs in MLflow to checked rows, by 1,000 days of one of 4,254 days."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness import Effort, Line, figure, interleave, run
from ledger_store import build, check, days

_DAYS = 4_254

_READING = """
import resource, time
from ecoia.delivery.ledger_reader import read_days
from ecoia.delivery.ledger_run import LedgerRun
from ecoia.delivery.day_file import union
from ecoia.delivery.mlflow_store import MlflowStore

def seconds(work):
    start_ns = time.process_time_ns()
    found = work()
    return found, (time.process_time_ns() - start_ns) / 1e9

store = MlflowStore(uri)
experiment = store.find_experiment("ecoia/ledger")  # MLflow is loaded here, which costs seconds of its own
runs, listed = seconds(lambda: [LedgerRun.of(each) for each in store.each(experiment, deleted=True)])
found, read = seconds(lambda: read_days(store, runs))
rows, merged = seconds(lambda: union(found.days))
assert len(runs) == count and not found.gaps and len(rows) == sum(map(len, found.days))
parts = {"list": listed, "read": read, "merge": merged, "whole": listed + read + merged}
result.update({name: [value * 1000 / count] for name, value in parts.items()})
"""


def ledger(effort: Effort) -> Iterator[Line]:
    """Measure the parts of reading a ledger: listing runs, reading and checking day files, joining rows."""
    count = min(_DAYS, effort.spans // 5)
    with tempfile.TemporaryDirectory(prefix="ecoia-bench-") as folder:
        made = days(count)
        uri = build(Path(folder), made)
        check(uri, made)
        timed = partial(run, _READING, timeout_seconds=600.0, uri=uri, count=len(made))
        results = interleave(effort, min(effort.rounds, 3), {"ours": timed})["ours"]
    what = "1,000 ledger days on SQLite, files on this machine, CPU"
    for part, name, target in (
        ("list", "runs listed", None),
        ("read", "day files read, checked", None),
        ("merge", "rows joined", None),
        ("whole", "together", 8 * 1000 / _DAYS),
    ):
        yield Line(f"{what}: {name}", "s", figure(results, part), target)

"""Cost of a ledger of 4,254 days: of reading it, from the runs in MLflow to checked rows, by 1,000 days; of delivering a day."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness import Effort, Line, figure, interleave, run
from ledger_store import build, check, days

_DAYS = 4_254
_DELIVERED = 100
_HERE = str(Path(__file__).parent)

_READING = """
import tempfile, time
from pathlib import Path
from ecoia.delivery.day_file import union
from ecoia.delivery.ledger_cache import LedgerCache
from ecoia.delivery.ledger_list import LedgerList
from ecoia.delivery.ledger_reader import read_days
from ecoia.delivery.mlflow_store import MlflowStore

def seconds(work):
    start_ns = time.process_time_ns()
    found = work()
    return found, (time.process_time_ns() - start_ns) / 1e9

store = MlflowStore(uri)
runs, by_sql = seconds(LedgerList(store, by_sql=True).all)
found, cold = seconds(lambda: read_days(store, runs))
rows, merged = seconds(lambda: union(found.days))
assert len(runs) == count and not found.gaps and len(rows) == sum(map(len, found.days))
with tempfile.TemporaryDirectory() as folder:
    cache = LedgerCache(Path(folder) / "cache.sqlite")
    read_days(store, runs, cache)
    again, warm = seconds(lambda: read_days(store, runs, cache))
    assert again.days == found.days
parts = {"sql": by_sql, "cold": cold, "warm": warm, "merge": merged, "whole": by_sql + cold + merged}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # the kernel's other figure counts what ran before
result["memory"] = [int(status["VmHWM"].split()[0]) / 1024]
store.find_experiment("ecoia/ledger")  # MLflow is loaded here, which costs seconds of its own
listed, parts["api"] = seconds(LedgerList(store, by_sql=False).all)
assert sorted(listed) == sorted(runs)
result.update({name: [value * 1000 / count] for name, value in parts.items()})
"""

_DELIVERING = """
import sys, time
sys.path.insert(0, benchmarks)
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ledger_store import HOME_ID, days

made = days(count)
store = MlflowStore(uri)
store.find_experiment("ecoia/ledger")
for name in ("new", "nothing new"):
    ledger = MlflowLedger(store)
    ledger.look_ahead((f"new-{instance}", day) for day, instance in made)
    start_ns = time.process_time_ns()
    for day, instance in made:
        rows = [{**row, "instance": f"new-{instance}"} for row in made[day, instance]]
        assert not ledger.upsert_days(f"new-{instance}", HOME_ID, {day: rows}, list)
    result[name] = [(time.process_time_ns() - start_ns) / 1e6 / count]
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
        delivering = partial(run, _DELIVERING, timeout_seconds=600.0, uri=uri, count=min(count, _DELIVERED), benchmarks=_HERE)
        delivered = interleave(effort, 1, {"ours": delivering})["ours"]
    what = "1,000 ledger days on SQLite, files on this machine, CPU"
    for part, name, target in (
        ("api", "runs listed by MLflow's API", None),
        ("sql", "runs listed by SQL", None),
        ("cold", "day files read, checked", None),
        ("warm", "the same, checked before", None),
        ("merge", "rows joined", None),
        ("whole", "by SQL, together", 4 * 1000 / _DAYS),
    ):
        yield Line(f"{what}: {name}", "s", figure(results, part), target)
    yield Line(f"memory after reading {count:,} ledger days, MLflow not loaded", "MiB", figure(results, "memory"), 350)
    yield Line("a new ledger day delivered to SQLite, CPU", "ms", figure(delivered, "new"), 26)
    yield Line("a ledger day delivered again, nothing new, CPU", "ms", figure(delivered, "nothing new"), None)

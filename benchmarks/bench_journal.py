"""Cost of a journal: the bytes that a steady worker writes, in both forms of line, and reading them, once and again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness import Effort, Figure, Line, figure, interleave, run

from ecoia.keeping.packing import pack_closed

_RECORDS = 300_000
_A_DAY = 6 * 24 * 360  # records, a window of 10 s each

_WRITING = """
import os, random, sys, uuid
from ecoia.keeping.journal import Journal
from ecoia.methods import NOT_MEASURED, Method
from ecoia.records import Record

home, count, sequenced = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "streams"
chance, second_ns = random.Random(1), 10**9
method = {"cpu": Method("estimated", "load-model:tdp-per-core"), "gpu": NOT_MEASURED, "ram": Method("estimated", "ram-model")}
context = {"python": "3.11.9", "platform": "Linux-6.1-x86_64", "cpu_model": "Intel(R) Xeon(R) Platinum 8481C", "cpu_count": 8,
           "physical_cores": 4, "ram_gb": 32.0, "meters": "load model, generic table", "virtual": "kvm", "ecoia": "0.1.0"}
kinds = [("span", "chat", "inference", f"/{name}") for name in "abc"] + [(kind, None, None, None) for kind in
         ("unattributed", "idle", "overhead")]
journal = Journal(home, max_bytes=1 << 40)
writer, end, made, batch = journal.writer(), 1_790_208_000 * second_ns, 0, []
while made < count:
    start = end
    end = start + 10 * second_ns + chance.randrange(10**6)
    for number, (kind, service, phase, endpoint) in enumerate(kinds):
        loose = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        batch.append(Record(
            record_id=f"0123456789abcdef0123456789abcdef:{number}:{made // 6}" if sequenced else loose,
            kind=kind, service=service, phase=phase, instance="host-1.example.org/home-3fa21c", pid=4242, endpoint=endpoint,
            start_utc_ns=start, end_utc_ns=end, method=method, spans=chance.randrange(300),
            energy_microjoules={"cpu": chance.randrange(10**8), "gpu": None, "ram": chance.randrange(10**7)},
            units_micro=chance.randrange(300) * 10**6 if phase else None, cpu_ns=chance.randrange(10**10),
            devices=("cpu-package-0",), share_claimed=chance.random(), zone="FRA", target="0a1b2c3d", context=context))
        made += 1
    if len(batch) >= 600:  # fewer writes than a worker makes, the same lines
        writer.append(batch)
        batch = []
writer.append(batch)
writer.close()
for path in journal.folder.glob("*/*"):
    os.utime(path, (0, 0))  # closed long ago
"""

_READING = """
import resource, time
from ecoia.delivery.backlog import Backlog
from ecoia.keeping.journal import Journal

start_ns = time.process_time_ns()
backlog = Backlog(Journal(home))
backlog.read(backlog.sizes())
seconds = (time.process_time_ns() - start_ns) / 1e9
assert any(row["spans"] for rows in backlog.rows.values() for row in rows)
result.update(seconds=[seconds], megabytes=[resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3])
"""


def journal(effort: Effort) -> Iterator[Line]:
    """Measure the journal of a steady worker: its bytes, reading 300,000 records (a tenth in a short run), reading them again.

    ``ECOIA_BENCH_BEFORE`` names the folder ``src`` of another commit, which reads the same journal in the same minutes.
    """
    count = _RECORDS if effort.spans >= 1_000_000 else _RECORDS // 10
    before = os.environ.get("ECOIA_BENCH_BEFORE")
    scale = _RECORDS / count
    for form, target in (("a line a record", 5.0), ("streams", 2.0)):
        with tempfile.TemporaryDirectory(prefix="ecoia-bench-") as home:
            subprocess.run([sys.executable, "-c", _WRITING, home, str(count), form], check=True)
            yield _bytes(home, count, f"journal, {form}: a worker's day, open", 6.0 if form == "streams" else None)
            timed = {"ours": partial(run, _READING, timeout_seconds=900.0, home=home)}
            if before and form != "streams":
                timed["before"] = partial(timed["ours"], environment={"PYTHONPATH": before})
            found = interleave(effort, min(effort.rounds, 3), timed)
            peer = found.get("before", [])
            what = f"journal, {form}: 300,000 records read"
            yield Line(
                f"{what}, CPU", "s", figure(found["ours"], "seconds", scale), target, figure(peer, "seconds", scale), "before"
            )
            yield Line(f"{what}, memory", "MB", figure(found["ours"], "megabytes"), 150.0, figure(peer, "megabytes"), "before")
            pack_closed(Path(home) / "journal", max_bytes=1 << 40)
            yield _bytes(home, count, f"journal, {form}: a worker's day, packed", 2.0 if form == "streams" else None)
            timed["ours"]()  # keeps what it read
            again = interleave(effort, min(effort.rounds, 3), {"ours": timed["ours"]})["ours"]
            yield Line(f"journal, {form}: 300,000 records read again, CPU", "s", figure(again, "seconds", scale), 1.0)


def _bytes(home: str, count: int, what: str, target: float | None) -> Line:
    size = sum(path.stat().st_size for path in (Path(home) / "journal").glob("*/*"))
    return Line(what, "MB", Figure.of([size / count * _A_DAY / 1e6]), target)

"""A real Celery worker in its own process, with a file system as broker: each task is a span of the process that ran it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.programs import BURN, recorded, run_python, wait_until
from support.quiet_engine import MILLISECOND
from support.records import losses_of_ours

pytestmark = pytest.mark.long

APP = (
    BURN
    + """
import ecoia
from celery import Celery, Task
from pathlib import Path
from ecoia_integrations.celery import measure_tasks

folder = Path(__file__).parent / "broker"
folder.mkdir(exist_ok=True)
app = Celery("app", broker="filesystem://", backend=f"file://{folder}")
app.conf.broker_transport_options = {"data_folder_in": str(folder), "data_folder_out": str(folder), "polling_interval": 0.02}
app.conf.worker_hijack_root_logger = False
app.conf.broker_connection_retry_on_startup = True
named = {"app.match": "matching", "app.clean": None}
measure_tasks(service="scoring", units=lambda result: result, tasks=named, model_version="v4")

@app.task
def score(n):
    burn(20)
    return n

@app.task
def match(n):
    with ecoia.track(service="model"):
        burn(5)
    return n

@app.task
def clean(n):
    return n

@app.task
def wrong(n):
    return -n

@app.task
def broken(n):
    raise RuntimeError("as any task may")

@app.task(bind=True, max_retries=1)
def again(self, n):
    if self.request.retries == 0:
        raise self.retry(countdown=1)
    return n
"""
)

SEND = """
import sys
sys.path.insert(0, sys.argv[1])
from app import score, match, clean, wrong, broken, again
results = [task.delay(2) for task in [score] * 20 + [match] * 4 + [clean, wrong, again]]
failed = broken.delay(2)
assert [result.get(timeout=120) for result in results] == [2] * 25 + [-2, 2]
failed.get(timeout=120, propagate=False)
assert failed.state == "FAILURE"
"""


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_task_of_a_worker_is_a_span_of_its_name(home: Path, tmp_path: Path, pool: str) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    log = tmp_path / "worker.log"
    with log.open("w") as written:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "app", "worker", "--pool", pool, "--concurrency", "2", "--loglevel", "INFO",
             "--without-gossip", "--without-mingle", "--without-heartbeat", "--max-tasks-per-child", "10"],
            cwd=tmp_path, stdout=written, stderr=written, env={**os.environ, "C_FORCE_ROOT": "1"},
        )  # fmt: skip
    try:
        wait_until(lambda: "ready." in log.read_text() or worker.poll() is not None, 60)
        assert worker.poll() is None, log.read_text()
        sent = run_python(SEND, str(tmp_path))
        assert sent.returncode == 0, sent.stderr + log.read_text()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()
    assert "ecoia" not in log.read_text().replace("ecoia_", "")

    spans: Counter[tuple[str | None, str | None]] = Counter()
    units: Counter[tuple[str | None, str | None]] = Counter()
    cpu_ns: Counter[tuple[str | None, str | None]] = Counter()
    for record in recorded(home):
        if record.kind == "span":
            key = (record.service, record.endpoint)
            spans[key] += record.spans
            units[key] += (record.units_micro or 0) // 1_000_000
            cpu_ns[key] += record.cpu_ns
            assert record.service == "model" or record.model_version == "v4"
    again, broken, match, score, wrong = (
        ("matching" if name == "match" else "scoring", f"app.{name}") for name in ("again", "broken", "match", "score", "wrong")
    )
    assert spans == {score: 20, match: 4, wrong: 1, broken: 1, again: 2, ("model", None): 4}
    assert +units == {score: 40, match: 8, again: 2}
    assert losses_of_ours(recorded(home)) == {"invalid-units": 1}
    assert cpu_ns[score] >= 400 * MILLISECOND
    assert cpu_ns["model", None] >= 20 * MILLISECOND
    pids = {record.pid for record in recorded(home) if record.kind == "span"}
    assert (worker.pid in pids) is (pool != "prefork")
    assert pool != "prefork" or len(pids) >= 2  # a process runs ten tasks


CONSUMER = (
    BURN
    + """
import queue, threading
import ecoia

messages = queue.Queue()
for n in range(40):
    messages.put([n] * 3)

def consume():
    while True:
        try:
            batch = messages.get_nowait()
        except queue.Empty:
            return
        with ecoia.track(service="consumer", phase="inference") as span:
            burn(2)
            span.units(len(batch))

threads = [threading.Thread(target=consume) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
)


def test_a_plain_consumers_messages_are_spans(home: Path) -> None:
    done = run_python(CONSUMER)
    assert (done.returncode, done.stderr) == (0, "")
    records = [record for record in recorded(home) if record.service == "consumer"]
    assert sum(record.spans for record in records) == 40
    assert sum(record.units_micro or 0 for record in records) == 120_000_000
    assert sum(record.cpu_ns for record in records) >= 80 * MILLISECOND


REDELIVERED = (
    BURN
    + """
import threading
from celery import Celery
from ecoia_integrations.celery import measure_tasks

app = Celery("app")
measure_tasks(service="scoring", units=1)
both = threading.Barrier(2)

@app.task
def score():
    both.wait(30)
    burn(20)
    both.wait(30)

def work():
    score.apply(task_id="one")
    burn(200)  # outside tasks, so it belongs to no span

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
)


def test_a_task_that_is_delivered_again_while_it_runs_ends_twice(home: Path) -> None:
    done = run_python(REDELIVERED)
    assert (done.returncode, done.stderr) == (0, "")
    records = [record for record in recorded(home) if record.kind == "span"]
    assert sum(record.spans for record in records) == 2
    assert sum(record.units_micro or 0 for record in records) == 2_000_000
    assert 40 * MILLISECOND <= sum(record.cpu_ns for record in records) < 200 * MILLISECOND
    assert not losses_of_ours(recorded(home))

"""A job on a real cluster of Spark, without a line of ecoia in it: what its executors do is in the journal, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import psutil
import pytest

from ecoia.delivery.deliver import deliver
from ecoia.keeping.journal import Journal
from ecoia.processes import notices
from ecoia.processes.notices import notice_of
from ecoia.processes.proc import read_process
from ecoia.records import Record
from ecoia.semconv import KIND_LINK, KIND_OVERHEAD, KIND_SPAN
from ecoia.testing import PowercapLoad, PowercapTree
from support.deliveries import api, configured, ledger
from support.mlflow_stores import migrated, tracking_uri
from support.programs import BURN, recorded, wait_until
from support.spark_cluster import needs_java, spark_cluster, write_defaults

__all__ = ["migrated", "tracking_uri"]  # fixtures

MODEL = (
    "import mlflow\n"
    + BURN
    + """
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        burn(400)
        return [2.0 * number for number in model_input.iloc[:, 0]]
mlflow.models.set_model(Model())
"""
)

JOB = (
    """
import json, os, sys, time
import mlflow
from pyspark.sql import SparkSession
"""
    + BURN
    + """
def tell(**facts):
    print(json.dumps(facts), flush=True)
    sys.stdin.readline()

def ticks(pid):
    return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()

def here(_):
    java = int(ticks(os.getppid())[1])
    seconds = sum(int(each) for each in ticks(java)[11:13]) / os.sysconf("SC_CLK_TCK")
    return {"java": java, "java_seconds": seconds, "worker": os.getpid(), "seconds": time.process_time()}

def work(milliseconds):
    burn(milliseconds)
    return milliseconds

spark = SparkSession.builder.appName("scoring").getOrCreate()
context = spark.sparkContext
def everywhere():
    return context.parallelize(range(2), 2).map(here).collect()
tell(executors=everywhere())
assert context.parallelize([300] * 4, 4).map(work).sum() == 1200
before = everywhere()
spark.range(0, 30_000_000, 1, 2).selectExpr("sum(hash(id))").collect()
after = everywhere()
score = mlflow.pyfunc.spark_udf(spark, sys.argv[1], result_type="double", env_manager="local")
scored = spark.range(0, 400, 1, 4).select(score("id").alias("score")).selectExpr("sum(score)").collect()[0][0]
tell(before=before, after=after, scored=scored, end=everywhere())
context.parallelize([600_000] * 2, 2).map(work).sum()
"""
)
"""Says what it did, and waits for a line before it goes on."""

ON_COUNTERS = """
import os, sys
if sys.orig_argv[1:3] == ["-m", "ecoia"]:
    import functools, pathlib
    import ecoia.meters
    from ecoia.processes import notices
    ecoia.meters.detect = functools.partial(ecoia.meters.detect, root=pathlib.Path(os.environ["MACHINE"]))
    notices._folder_of = lambda uid, root="": root + os.environ["NOTICES"]
"""
"""Shows the counters of a folder to each ``ecoia`` command of the executors, all of one host. Puts their notices into another, as
tests may measure in this process, which is above all others."""


class Watched(NamedTuple):
    """An executor and the process that watches it."""

    java: int
    watcher: psutil.Process


class Job:
    """The driver of an application."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        with Path("driver").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "job.py", *arguments],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, Path("driver").read_text(encoding="utf-8")[-8000:]
        told: dict[str, Any] = json.loads(line)
        return told

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def watcher_of(java: int) -> psutil.Process:
    """Return the process that watches an executor, once it measures."""
    found: list[psutil.Process] = []

    def measures() -> bool:
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [])[3:6] == ["watch", "--pid", str(java)]:
                facts = read_process(process.pid)
                if facts is not None and notice_of(process.pid, facts.start) is not None:
                    found.append(process)
        return bool(found)

    wait_until(measures, 120)
    return found[0]


def microjoules(records: Iterable[Record]) -> int:
    return sum(energy for record in records for energy in record.energy_microjoules.values() if energy is not None)


@contextmanager
def machine(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[Callable[[], int], dict[str, str]]]:
    """Advance the counters of a machine. Yields how much they counted, and the variables that show them to the executors."""
    patch.setattr(notices, "_folder_of", lambda uid, root="": f"{folder}/notices")
    tree = PowercapTree(folder / "machine")
    package = tree.add("package-0")
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(ON_COUNTERS, encoding="utf-8")
    with PowercapLoad({package: 50.0}, step_seconds=0.01) as load:
        yield (
            partial(load.used_uj, package),
            {"MACHINE": str(folder / "machine"), "NOTICES": f"{folder}/notices", "PYTHONPATH": str(folder / "site")},
        )


@pytest.mark.timeout(500)
def test_a_job_that_is_killed_has_been_measured_on_its_executors_and_shown_on_its_run(
    home: Path, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_java()
    run = api(tracking_uri).create_run("0")
    Path("job.py").write_text(JOB, encoding="utf-8")
    Path("model.py").write_text(MODEL, encoding="utf-8")
    mlflow.pyfunc.save_model("model", python_model="model.py", pip_requirements=[], input_example=None)
    with machine(tmp_path, monkeypatch) as (counted_uj, counters), spark_cluster(tmp_path) as master:
        named = {"ECOIA_SERVICE": "vadore", "ECOIA_PHASE": "evaluation", "ECOIA_GROUP": run.info.run_id}
        named |= {"ECOIA_HOME": str(home), "ECOIA_DELIVERY": "manual", "MLFLOW_TRACKING_URI": tracking_uri, **counters}
        settings = {f"spark.executorEnv.{name}": value for name, value in named.items()}
        settings["spark.python.daemon.module"] = "ecoia_integrations.spark_daemon"
        job = Job(str(Path("model").absolute()), **write_defaults(tmp_path / "conf", master, settings))
        try:
            started = job.told()["executors"]
            watched = [Watched(each["java"], watcher_of(each["java"])) for each in started]
            job.go_on()
            told = job.told()
            job.go_on()
            os.kill(watched[0].java, signal.SIGKILL)
            watched[0].watcher.wait(60)
        finally:
            job.process.kill()
            job.process.communicate()
        for _, watcher in watched:
            watcher.wait(60)
        used_uj = counted_uj()
    assert told["scored"] == 400 * 399
    records = recorded(home)
    assert_measured(records, watched, started, told)
    assert microjoules(records) <= used_uj, "no joule of the host is claimed twice"
    deliver(Journal(home), configured(tracking_uri=tracking_uri))
    assert_shown(tracking_uri, run.info.run_id, records)


def assert_measured(records: list[Record], watched: list[Watched], started: list[Any], told: dict[str, Any]) -> None:
    """Check that the records have what the executors used, in Java and in Python, for the service, and nothing else."""
    spans = [record for record in records if record.kind == KIND_SPAN]
    assert {record.kind for record in records} >= {KIND_SPAN, KIND_OVERHEAD, KIND_LINK}
    assert {(record.service, record.phase) for record in spans} == {("vadore", "evaluation")}
    java = [each.java for each in watched]
    assert len(set(java)) == 2
    by_executor: Counter[int] = Counter()
    for record in spans:
        by_executor[record.pid] += record.cpu_ns
    used = {at: {each["java"]: each for each in told.get(at, started)} for at in ("started", "before", "after", "end")}
    for executor in java:
        began, before, after, end = (used[at][executor] for at in ("started", "before", "after", "end"))
        assert after["java_seconds"] - before["java_seconds"] > 0.1, "a query without Python works in Java"
        least = end["java_seconds"] - before["java_seconds"] + end["seconds"] - began["seconds"]
        assert by_executor[executor] / 1e9 >= 0.95 * least


def assert_shown(uri: str, run_id: str, records: list[Record]) -> None:
    """Check that the run shows what the executors did, and that the ledger has every joule of the journal."""
    spans = [record for record in records if record.kind == KIND_SPAN]
    shown = api(uri).get_run(run_id).data.metrics["ecoia/energy_wh"]
    assert round(shown * 3.6e9) == microjoules(spans)
    rows = ledger(uri)
    assert sum(sum(filter(None, row["energy_microjoules"].values())) for row in rows) == microjoules(records)

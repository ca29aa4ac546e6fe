"""OpenTelemetry's SDK asks each process for its own records. The application chooses where they go."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ecoia.semconv import LIVE_COUNTERS
from support.live_sums import add_up, sums_of
from support.programs import recorded, run_python

EXPORTER = """
import atexit, json, os, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality, MetricExporter, MetricExportResult, PeriodicExportingMetricReader)
import opentelemetry.sdk.metrics as sdk

class ToFile(MetricExporter):
    def export(self, data, **_):
        with open(sys.argv[1], "a") as file:
            for resource in data.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in metric.data.data_points:
                            print(json.dumps([os.getpid(), scope.scope.name, metric.name, metric.unit, metric.data.is_monotonic,
                                              dict(point.attributes), point.value]), file=file)
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=0): return True
    def shutdown(self, *_, **__): pass

def set_up(temporality=AggregationTemporality.CUMULATIVE):
    exporter = ToFile(preferred_temporality={sdk.ObservableCounter: temporality})
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
    return metrics.get_meter_provider()
"""

WORK = """
import ecoia
def work(n):
    for _ in range(n):
        with ecoia.track(service="scorer", phase="inference", endpoint="/cv/{id}", model_version="3") as span:
            sum(range(50_000))
            span.units(0.5)
"""


def exported(path: Path) -> list[list[Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def last_of(lines: list[list[Any]]) -> dict[int, dict[tuple[str, tuple[str, ...]], float]]:
    """The last export of each process, with the labels of the journal's sums."""
    counters = {counter.otel_name: counter for counter in LIVE_COUNTERS}
    named = {"service.name": "service", "ecoia.model.version": "model_version"}
    last: dict[int, dict[tuple[str, tuple[str, ...]], float]] = {}
    for pid, scope, name, unit, monotonic, attributes, value in lines:
        counter = counters[name]
        assert (scope, unit, monotonic) == ("ecoia", counter.otel_unit, True)
        labels = {named.get(attribute, attribute.removeprefix("ecoia.")): text for attribute, text in attributes.items()}
        assert set(labels) <= set(counter.labels)
        key = (counter.name, tuple(labels.get(label, "") for label in counter.labels))
        last.setdefault(pid, {})[key] = round(value * counter.parts)
    return last


def run(tmp_path: Path, program: str) -> Path:
    done = run_python(EXPORTER + WORK + program, str(tmp_path / "exported"))
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "exported"


def test_what_a_process_recorded_is_exported_to_its_last_window(home: Path, tmp_path: Path) -> None:
    out = run(tmp_path, """
set_up()
from ecoia_integrations import opentelemetry
opentelemetry.register()
work(3)
assert ecoia.flush(60)
metrics.get_meter_provider().force_flush()
work(4)  # written, and exported, at exit
""")  # fmt: skip
    (totals,) = last_of(exported(out)).values()
    assert totals == sums_of(home)
    assert totals["ecoia_spans", ("scorer", "inference", "/cv/{id}", "3")] == 7
    first = next(line for line in exported(out) if line[2] == "ecoia.spans")
    assert first[-1] == 3, "the first export had what there was"


def test_workers_tell_their_own_and_add_up_to_the_journal(home: Path, tmp_path: Path) -> None:
    """Processes that are forked after the set-up export only themselves, whatever else is in the home."""
    assert run_python(WORK + "work(5)").returncode == 0  # another process of the same home, which exports nothing
    others = {record.pid for record in recorded(home)}
    out = run(tmp_path, """
set_up()
from ecoia_integrations import opentelemetry
opentelemetry.register()
work(1)
assert ecoia.flush(60)
metrics.get_meter_provider().force_flush()  # so that the parent's file is known when it forks
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn, because the exporter is a thread
children = []
for n in (2, 3):
    child = os.fork()
    if child == 0:
        work(n)
        assert ecoia.flush(60)
        metrics.get_meter_provider().force_flush()
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
""")  # fmt: skip
    by_process = last_of(exported(out))
    assert len(by_process) == 3
    own = [record for record in recorded(home) if record.pid not in others]
    summed: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for totals in by_process.values():
        summed.update(totals)  # type: ignore[arg-type]
    spans = {key: n for key, n in summed.items() if key[0] == "ecoia_spans"}
    assert spans == {("ecoia_spans", ("scorer", "inference", "/cv/{id}", "3")): 6}
    assert summed == add_up(own)


def test_deltas_add_up_to_what_was_recorded(home: Path, tmp_path: Path) -> None:
    out = run(tmp_path, """
set_up(AggregationTemporality.DELTA)
from ecoia_integrations import opentelemetry
opentelemetry.register()
for n in (1, 2, 3):
    work(n)
    assert ecoia.flush(60)
    metrics.get_meter_provider().force_flush()
""")  # fmt: skip
    spans = [line[-1] for line in exported(out) if line[2] == "ecoia.spans"]
    assert [n for n in spans if n] == [1, 2, 3]
    joules = sum(line[-1] for line in exported(out) if line[2] == "ecoia.energy")
    expected = sum(n for (name, _), n in sums_of(home).items() if name == "ecoia_energy_joules") / 1e6
    assert joules == pytest.approx(expected, rel=1e-9)


def test_without_a_provider_nothing_is_read_exported_or_loaded(home: Path) -> None:
    done = run_python(WORK + """
import sys
from ecoia_integrations import opentelemetry
opentelemetry.register()
work(1)
assert ecoia.flush(60)
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.sdk") or "exporter" in name))
""")  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert not list(home.glob("live*"))


def test_a_journal_that_cannot_be_read_costs_the_hosts_metrics_nothing(home: Path, tmp_path: Path) -> None:
    done = run_python(EXPORTER + WORK + """
import shutil
provider = set_up()
from ecoia_integrations import opentelemetry
opentelemetry.register()
provider.get_meter("host").create_counter("host.requests").add(1)
work(1)
assert ecoia.flush(60)
os.unlink(os.environ["ECOIA_HOME"] + "/home.json")
os.mkdir(os.environ["ECOIA_HOME"] + "/home.json")
for _ in range(3):
    provider.force_flush()
""", str(tmp_path / "exported"))  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.count("ecoia: no metrics") == 1
    assert {line[2] for line in exported(tmp_path / "exported")} == {"host.requests"}


def test_a_process_that_recorded_nothing_tells_nothing(tmp_path: Path) -> None:
    out = run(tmp_path, """
provider = set_up()
from ecoia_integrations import opentelemetry
opentelemetry.register()
provider.get_meter("host").create_counter("host.requests").add(1)
provider.force_flush()
""")  # fmt: skip
    assert {line[2] for line in exported(out)} == {"host.requests"}

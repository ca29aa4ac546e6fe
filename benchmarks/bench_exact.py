"""Correctness of the cheap path: the right thread is charged, and the parts add up to the meter. No times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from harness import CODECARBON_IMPORT, ON_ROOT, Effort, Line, figure, interleave, run

_HALVES = """
import threading, time

def burn():
    while time.perf_counter() < end:
        pass

def sleep():
    # Stay beside the busy threads all the time: a span alone in flight would rightly get all that the process uses.
    time.sleep(max(end - 0.5 - time.perf_counter(), 0))

def run_in_threads(functions):
    global end
    end = time.perf_counter() + 0.5 + seconds
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""

_OURS_HALVES = (
    _HALVES
    + ON_ROOT
    + """
import pathlib, sys
sys.path.insert(0, benchmarks)
from harness import Tree
import ecoia

tree = Tree(pathlib.Path("machine").absolute())
measure_on(tree.root)
ecoia.track(service="begin")(time.time)()
ecoia.flush(60)  # the counters were read once: from here on, their energy is ours
over = threading.Event()

def use_energy():
    while not over.wait(0.02):
        tree.advance()

user = threading.Thread(target=use_energy)
user.start()
run_in_threads([ecoia.track(service="busy")(burn)] * 4 + [ecoia.track(service="sleeping")(sleep)] * 4)
over.set()
user.join()
result["used_microjoules"] = tree.microjoules
"""
)

_PEER_HALVES = (
    _HALVES
    + CODECARBON_IMPORT
    + """
trackers = {"busy": [], "sleeping": []}

def measured(name, function):
    def inner():
        tracker = OfflineEmissionsTracker(**offline)
        trackers[name].append(tracker)
        tracker.start()
        function()
        tracker.stop()
    return inner

whole = OfflineEmissionsTracker(**offline)
whole.start()
run_in_threads([measured("busy", burn)] * 4 + [measured("sleeping", sleep)] * 4)
whole.stop()
energy = {name: sum(tracker.final_emissions_data.energy_consumed for tracker in of) for name, of in trackers.items()}
together = sum(energy.values())
result["sleeping_percent"] = 100 * energy["sleeping"] / together
result["sum_over_whole"] = together / whole.final_emissions_data.energy_consumed
"""
)


def exact(effort: Effort) -> Iterator[Line]:
    """Run eight threads, four busy and four asleep, on a host that is all ours and whose counters are known."""
    seconds = max(effort.seconds / 2, 0.5)
    here = str(Path(__file__).parent)
    scope = {"ECOIA_SCOPE": "host"}
    runs = interleave(
        effort,
        effort.few,
        {
            "ours": partial(run, _OURS_HALVES, benchmarks=here, seconds=seconds, environment=scope, after=_energy_of),
            "peer": partial(run, _PEER_HALVES, seconds=seconds),
        },
    )
    peer_what = "one tracker a thread"
    yield Line(
        "billed to four threads asleep beside four busy ones", "%", figure(runs["ours"], "sleeping_percent"), 0.5,
        figure(runs["peer"], "sleeping_percent"), peer_what,
    )  # fmt: skip
    yield Line(
        "sum of all records over what the counters counted, eight threads", "", figure(runs["ours"], "sum_over_whole"), 1,
        figure(runs["peer"], "sum_over_whole"), peer_what, exact=True,
        note="to the microjoule; the peer's total is one tracker around all threads",
    )  # fmt: skip


def _energy_of(home: Path, result: Mapping[str, Any]) -> Mapping[str, float]:
    """Read the journal through the command line."""
    listed = subprocess.run(
        [sys.executable, "-m", "ecoia", "journal", "--json", "--home", str(home)], capture_output=True, text=True, check=True
    )
    energy: Counter[str | None] = Counter()
    for record in map(json.loads, listed.stdout.splitlines()):
        energy[record["service"]] += sum(part or 0 for part in record["energy_microjoules"].values())
    together = energy["busy"] + energy["sleeping"]
    return {
        "sleeping_percent": 100 * energy["sleeping"] / together,
        "sum_over_whole": energy.total() / result["used_microjoules"],
    }

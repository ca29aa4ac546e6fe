"""Cost of ecoia's own thread while a program works: CPU beside a busy interpreter, threads, started programs, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from harness import (
    CODECARBON_IMPORT,
    ON_ROOT,
    RESIDENT,
    SAMPLE_EVERY,
    Effort,
    Figure,
    Finished,
    Line,
    figure,
    interleave,
    over,
    run,
    run_on_counters,
)

_FLUSH_SECONDS = 10.0
"""Default length of a window, so time between two writes."""

_BUSY = """
import os, resource
from time import perf_counter, process_time_ns, thread_time_ns

def work(seconds):
    end = perf_counter() + seconds
    number = 0
    while perf_counter() < end:
        for _ in range(1000):
            number += 1

def beside_us():
    # Every thread but this one, which does the work, and every program that was started.
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (process_time_ns() - thread_time_ns()) / 1e3 + (children.ru_utime + children.ru_stime) * 1e6

def children():
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                found += file.read().split()
        except OSError:
            continue
    return len(found)

def watch(seconds):
    work(0.5)
    result["share_percent"] = []
    for _ in range(seconds):
        before_us, start = beside_us(), perf_counter()
        work(1)
        result["share_percent"].append((beside_us() - before_us) / (perf_counter() - start) / 1e4)
    result["threads"] = len(os.listdir("/proc/self/task")) - 1
    result["children"] = children()
"""

_OURS = (
    _BUSY
    + SAMPLE_EVERY
    + ON_ROOT
    + """
import ecoia
if every is not None:
    sample_every(every)
if root is not None:
    measure_on(root)
with ecoia.track(service="bench", phase="inference"):
    ecoia.flush(60)
    watch(seconds)
    before_us = beside_us()
    ecoia.flush()
    result["write_us"] = beside_us() - before_us
"""
)

_PEER = (
    _BUSY
    + CODECARBON_IMPORT
    + """
tracker = OfflineEmissionsTracker(**offline, **({} if every is None else {"measure_power_secs": every}))
tracker.start()
watch(seconds)
tracker.stop()
"""
)

_FLOOR = (
    _BUSY
    + """
import threading, time

def wake():
    while True:
        time.sleep(every)

threading.Thread(target=wake, daemon=True).start()
watch(seconds)
"""
)

_STARTED = """
import sys
started = []

def note_start(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork"):
        started.append(event)

sys.addaudithook(note_start)
"""

_OURS_STARTED = (
    _STARTED
    + """
import ecoia
with ecoia.track(service="bench", phase="inference"):
    ecoia.flush(60)
result["started"] = len(started)
"""
)
_PEER_STARTED = (
    _STARTED
    + CODECARBON_IMPORT
    + """
tracker = OfflineEmissionsTracker(**offline)
tracker.start()
tracker.stop()
result["started"] = len(started)
"""
)

_BARE_MEMORY = RESIDENT + "result['resident_mib'] = resident_mib()\n"
_OURS_MEMORY = (
    RESIDENT
    + ON_ROOT
    + """
import time, ecoia
if root is not None:
    measure_on(root)
with ecoia.track(service="bench", phase="inference"):
    ecoia.flush(60)
    time.sleep(seconds)
    ecoia.flush()
    result["resident_mib"] = resident_mib()
"""
)
_PEER_MEMORY = (
    RESIDENT
    + CODECARBON_IMPORT
    + """
import time
tracker = OfflineEmissionsTracker(**offline, measure_power_secs=1)
tracker.start()
time.sleep(seconds)
result["resident_mib"] = resident_mib()
tracker.stop()
"""
)

_OURS_FLAT = (
    RESIDENT
    + """
import ecoia
from itertools import repeat
decorated = ecoia.track(service="bench", phase="inference", units=1)(lambda: None)
def calls(number):
    for _ in repeat(None, number):
        decorated()
    ecoia.flush()
calls(max(spans // 10, 1))
before_mib = resident_mib()
calls(spans)
result["bytes_per_span"] = max(resident_mib() - before_mib, 0) * 2**20 / spans
"""
)
_PEER_FLAT = (
    RESIDENT
    + CODECARBON_IMPORT
    + """
tracker = OfflineEmissionsTracker(**offline)
def tasks(first, number):
    for name in range(first, first + number):
        tracker.start_task(str(name))
        tracker.stop_task(str(name))
tasks(0, max(spans // 4, 1))
before_mib = resident_mib()
tasks(spans, spans)
result["bytes_per_span"] = max(resident_mib() - before_mib, 0) * 2**20 / spans
tracker.stop()
"""
)


def busy(effort: Effort) -> Iterator[Line]:
    """Measure CPU time of all threads but the one that works, in per cent of a core, beside an interpreter that is never idle."""
    ten_hertz = {"seconds": effort.seconds, "every": 0.1}
    default = {"seconds": effort.seconds, "every": None}
    runs = interleave(
        effort,
        effort.few,
        {
            "counters": partial(run_on_counters, _OURS, **ten_hertz),
            "counters_default": partial(run_on_counters, _OURS, **default),
            "models": partial(run, _OURS, root=None, **default),
            "floor": partial(run, _FLOOR, **ten_hertz),
            "peer": partial(run, _PEER, **ten_hertz),
            "peer_default": partial(run, _PEER, **default),
        },
    )
    peer, peer_default = figure(runs["peer"], "share_percent"), figure(runs["peer_default"], "share_percent")
    peer_what = "measure_power_secs=0.1"
    peer_default_what = "default rate: 15 s, load every second"
    note = (
        "at 10 Hz the meters are read ten times a second, and the energy is split once a second; "
        "includes a write to the journal every 10 s"
    )
    ours = ("counters", "counters_default", "models")
    for name, what, beside, beside_what in (
        ("counters", "own CPU, counters of two sockets and memory at 10 Hz", peer, peer_what),
        ("counters_default", "own CPU, the same at the default rate of 1 Hz", peer_default, peer_default_what),
        ("models", "own CPU, this machine's meters at 1 Hz", peer_default, peer_default_what),
    ):
        yield Line(what, "% of a core", _share_with_writes(runs[name]), 0.25, beside, beside_what, note=note,
                   facts=_facts(runs[name]))  # fmt: skip
    yield Line("floor: a thread that wakes at 10 Hz and does nothing", "% of a core", figure(runs["floor"], "share_percent"))
    yield Line(
        "threads of its own", "", figure(runs["models"], "threads"), 1, figure(runs["peer"], "threads"), peer_what,
    )  # fmt: skip
    started = interleave(effort, 1, {"ours": partial(run, _OURS_STARTED), "peer": partial(run, _PEER_STARTED)})
    yield Line(
        "programs started for measuring", "", figure(started["ours"], "started"), 0, figure(started["peer"], "started"),
        "tracker, start, stop",
        facts={"children_alive_while_measuring": max(each.result["children"] for name in ours for each in runs[name])},
    )  # fmt: skip


def _share_with_writes(runs: list[Finished]) -> Figure | None:
    return Figure.of(
        [share + each.result["write_us"] / _FLUSH_SECONDS / 1e4 for each in runs for share in each.result["share_percent"]]
    )


def _facts(runs: list[Finished]) -> Mapping[str, float]:
    reading, write = figure(runs, "share_percent"), figure(runs, "write_us", 1e-3)
    return {"reading_percent": reading.median, "write_ms": write.median}


def memory(effort: Effort) -> Iterator[Line]:
    """Measure resident memory while measuring, over the same interpreter doing nothing."""
    seconds = min(effort.seconds, 1.2)
    runs = interleave(
        effort,
        effort.few,
        {
            "bare": partial(run, _BARE_MEMORY),
            "counters": partial(run_on_counters, _OURS_MEMORY, seconds=seconds),
            "models": partial(run, _OURS_MEMORY, root=None, seconds=seconds),
            "peer": partial(run, _PEER_MEMORY, seconds=seconds),
        },
    )
    resident = {name: [each.result["resident_mib"] for each in of] for name, of in runs.items()}
    peer = over(resident["peer"], resident["bare"])
    for name, what, target in (
        ("counters", "resident memory over bare, counters read by ecoia itself", 8),
        ("models", "resident memory over bare, this machine's meters", 8),
    ):
        yield Line(what, "MiB", over(resident[name], resident["bare"]), target, peer, "tracker started")


def flat(effort: Effort) -> Iterator[Line]:
    """Measure growth of resident memory over many spans, after a tenth as many to warm up."""
    tasks = 400 if effort.rounds > 1 else 4
    runs = interleave(
        effort, 1, {"ours": partial(run, _OURS_FLAT, spans=effort.spans), "peer": partial(run, _PEER_FLAT, spans=tasks)}
    )
    yield Line(
        "growth of memory, span after span", "bytes a span", figure(runs["ours"], "bytes_per_span"), 1,
        figure(runs["peer"], "bytes_per_span"), f"{tasks} tasks",
        note=f"over {effort.spans:,} spans; a reference kept for each would be 8 bytes, and a page of 4 kB more or less is noise",
    )  # fmt: skip

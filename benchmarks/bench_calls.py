"""Cost of a measured call to its thread and to its process: function, block, coroutine.

Every round of a process times each variant in turn, the bare call among them; processes of ours and of the peer take
turns too. Times are read from the thread's CPU clock; where the sampler counts too, from the process's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness import CODECARBON_IMPORT, Effort, Figure, Finished, Line, figure, interleave, over, run

_TIMING = """
from itertools import repeat
from time import perf_counter_ns, thread_time_ns, process_time_ns

def nothing():
    pass

def cost_ns(function, calls):
    start = thread_time_ns()
    for _ in repeat(None, calls):
        function()
    return (thread_time_ns() - start) / calls

def time_in_turns(variants, rounds):
    for function, calls in variants.values():
        cost_ns(function, calls)
    for _ in range(rounds):
        for name, (function, calls) in variants.items():
            result.setdefault(name, []).append(cost_ns(function, calls))
"""

_OURS = (
    _TIMING
    + """
import ecoia

label = dict(service="bench", phase="inference")
decorated = ecoia.track(**label)(nothing)
once = ecoia.track(**label)

def block():
    with once as span:
        span.units(1)

def block_made_each_time():
    with ecoia.track(**label) as span:
        span.units(1)

def clocks_wall():
    perf_counter_ns(); perf_counter_ns()

def clocks_cpu():
    thread_time_ns(); thread_time_ns()

def wrap(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

def wrap_in_clocks(function):
    def wrapper(*args, **kwargs):
        start, start_cpu = perf_counter_ns(), thread_time_ns()
        value = function(*args, **kwargs)
        thread_time_ns() - start_cpu, perf_counter_ns() - start
        return value
    return wrapper

decorated()
ecoia.flush(60)  # the meters are found
time_in_turns({
    "bare": (nothing, 10 * calls),
    "decorated": (decorated, calls),
    "block": (block, calls),
    "block_made_each_time": (block_made_each_time, calls),
    "clocks_wall": (clocks_wall, calls),
    "clocks_cpu": (clocks_cpu, calls),
    "wrapper": (wrap(nothing), calls),
    "wrapper_and_clocks": (wrap_in_clocks(nothing), calls),
}, rounds)
"""
)

_PEER = (
    _TIMING
    + CODECARBON_IMPORT
    + """
from itertools import count
decorated = track_emissions(offline=True, **offline)(nothing)
numbers = count()
tracker = OfflineEmissionsTracker(**offline)

def task():
    name = str(next(numbers))
    tracker.start_task(name)
    nothing()
    tracker.stop_task(name)

def block():
    with OfflineEmissionsTracker(**offline):
        nothing()

decorated()
time_in_turns({
    "bare": (nothing, 10 * calls), "decorated": (decorated, calls), "task": (task, calls), "block": (block, calls)
}, rounds)
tracker.stop()
"""
)

_PROCESS = """
def process_ns_per_call(function, calls, finish):
    start = process_time_ns()
    for _ in repeat(None, calls):
        function()
    finish()
    return (process_time_ns() - start) / calls

decorated()
finish()
for _ in range(rounds):
    result.setdefault("bare", []).append(process_ns_per_call(nothing, calls, lambda: None))
    result.setdefault("decorated", []).append(process_ns_per_call(decorated, calls, finish))
"""

_OURS_PROCESS = _TIMING + "import ecoia\ndecorated = ecoia.track(service='bench')(nothing)\nfinish = ecoia.flush\n" + _PROCESS
_PEER_PROCESS = (
    _TIMING
    + CODECARBON_IMPORT
    + "decorated = track_emissions(offline=True, **offline)(nothing)\nfinish = lambda: None\n"
    + _PROCESS
)

_ASYNC = """
import asyncio
from types import coroutine

@coroutine
def on_the_clock(inner, item):
    used = 0
    while True:
        argument = yield item
        start = thread_time_ns()
        try:
            item = inner.send(argument)
        except StopIteration as stop:
            return stop.value
        finally:
            used += thread_time_ns() - start

def in_clocks(function):
    async def wrapper(*args, **kwargs):
        inner = function(*args, **kwargs)
        start, start_cpu = perf_counter_ns(), thread_time_ns()
        try:
            item = inner.send(None)
        except StopIteration as stop:
            thread_time_ns() - start_cpu
            value = stop.value
        else:
            thread_time_ns() - start_cpu
            value = await on_the_clock(inner, item)
        perf_counter_ns() - start
        return value
    return wrapper

async def plain():
    pass

async def suspended():
    await asyncio.sleep(0)

async def await_cost_ns(function, calls):
    start = thread_time_ns()
    for _ in repeat(None, calls):
        await function()
    return (thread_time_ns() - start) / calls

async def main():
    kinds = {"bare": lambda function: function, "floor": in_clocks, "measured": decorate}
    variants = {
        name + suffix: kind(function)
        for suffix, function in (("", plain), ("_suspended", suspended))
        for name, kind in kinds.items()
    }
    for number in range(rounds + 1):  # the first one warms up
        for name, function in variants.items():
            cost = await await_cost_ns(function, calls)
            if number:
                result.setdefault(name, []).append(cost)

asyncio.run(main())
"""

_OURS_ASYNC = (
    _TIMING
    + """
import ecoia
decorate = ecoia.track(service="bench", phase="inference")
decorate(nothing)()
ecoia.flush(60)
"""
    + _ASYNC
)
_PEER_ASYNC = _TIMING + CODECARBON_IMPORT + "decorate = track_emissions(offline=True, **offline)\ndecorate(nothing)()\n" + _ASYNC


def _over_bare(runs: list[Finished], name: str, bare: str = "bare") -> Figure | None:
    pairs = [pair for each in runs for pair in zip(each.result[name], each.result[bare], strict=True)]
    return over([a for a, _ in pairs], [b for _, b in pairs], scale=1e-3)


def calls(effort: Effort) -> Iterator[Line]:
    """Measure function and block in thread CPU, and the floor below them."""
    many = 20_000 if effort.rounds > 1 else 2_000
    runs = interleave(
        effort,
        effort.few,
        {
            "ours": partial(run, _OURS, calls=many, rounds=2 * effort.rounds),
            "peer": partial(run, _PEER, calls=20 if effort.rounds > 1 else 2, rounds=2 * effort.rounds),
        },
    )
    ours, peer = runs["ours"], runs["peer"]
    yield Line(
        "decorated call, thread CPU over a bare call",
        "µs", _over_bare(ours, "decorated"), 1.5,
        _over_bare(peer, "decorated"), "@track_emissions", facts={"bare_ns": figure(ours, "bare").median},
    )  # fmt: skip
    yield Line(
        "the same, against a task",
        "µs", _over_bare(ours, "decorated"), 1.5,
        _over_bare(peer, "task"), "start_task and stop_task",
    )  # fmt: skip
    yield Line(
        "with tracker as span: span.units(1), object made once",
        "µs", _over_bare(ours, "block"), 2.5,
        _over_bare(peer, "task"), "start_task and stop_task",
    )  # fmt: skip
    yield Line(
        "with ecoia.track(...) as span: span.units(1), made each time",
        "µs", _over_bare(ours, "block_made_each_time"), 2.5,
        _over_bare(peer, "block"), "with OfflineEmissionsTracker(...)",
    )  # fmt: skip
    for name, what in (
        ("clocks_wall", "floor: perf_counter_ns, twice"),
        ("clocks_cpu", "floor: thread_time_ns, twice"),
        ("wrapper", "floor: a wrapper that does nothing"),
        ("wrapper_and_clocks", "floor: a wrapper that reads both clocks twice"),
    ):
        yield Line(what, "µs", _over_bare(ours, name))


def process_calls(effort: Effort) -> Iterator[Line]:
    """Measure the decorated call in CPU time of the whole process, including sampler, readings and writing."""
    many = 300_000 if effort.rounds > 1 else 2_000
    runs = interleave(
        effort,
        effort.few,
        {
            "ours": partial(run, _OURS_PROCESS, calls=many, rounds=effort.rounds),
            "peer": partial(run, _PEER_PROCESS, calls=many // 4_000 or 1, rounds=effort.rounds),
        },
    )
    yield Line(
        "decorated call, process CPU over a bare call",
        "µs", _over_bare(runs["ours"], "decorated"), 2.5,
        _over_bare(runs["peer"], "decorated"), "@track_emissions",
        note=f"includes the sampler and one journal write per {many} calls",
    )  # fmt: skip


def async_calls(effort: Effort) -> Iterator[Line]:
    """Measure a decorated coroutine function, whose steps are charged with their time on the CPU."""
    runs = interleave(
        effort,
        effort.few,
        {
            "ours": partial(run, _OURS_ASYNC, calls=20_000 if effort.rounds > 1 else 1_000, rounds=2 * effort.rounds),
            "peer": partial(run, _PEER_ASYNC, calls=20 if effort.rounds > 1 else 2, rounds=2 * effort.rounds),
        },
    )
    note = (
        "the peer's decorator measures only the creation of the coroutine, and nothing that the coroutine does; "
        "the target is 1.3 times the floor of the same run"
    )
    for suffix, how in (("", "without suspension"), ("_suspended", "suspended once")):
        ours, peer = (_over_bare(runs[who], f"measured{suffix}", f"bare{suffix}") for who in ("ours", "peer"))
        floor = _over_bare(runs["ours"], f"floor{suffix}", f"bare{suffix}")
        yield Line(
            f"decorated async call, {how}, thread CPU over a bare await",
            "µs", ours, 1.3 * floor.median if floor else None, peer, "@track_emissions on async def", note=note,
        )  # fmt: skip
        yield Line(f"floor: an async wrapper that reads both clocks, {how}", "µs", floor)

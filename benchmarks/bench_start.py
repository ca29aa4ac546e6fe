"""Cost of ecoia where a program begins and ends: import, first region, exit."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import copytree, ignore_patterns

from harness import (
    CODECARBON_IMPORT,
    RESIDENT,
    UNREACHABLE,
    Effort,
    Figure,
    Finished,
    Line,
    figure,
    interleave,
    over,
    run,
)

_IMPORT = (
    """
import time
start_ns, start_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
{statement}
result["cpu_ms"] = (time.process_time_ns() - start_cpu_ns) / 1e6
result["wall_ms"] = (time.perf_counter_ns() - start_ns) / 1e6
"""
    + RESIDENT.replace("{", "{{").replace("}", "}}")
    + """
result["resident_mib"] = resident_mib()
"""
)

_OURS_FIRST = """
import time, ecoia
start_ns = time.perf_counter_ns()
with ecoia.track(service="bench", phase="inference"):
    pass
result["wall_ms"] = (time.perf_counter_ns() - start_ns) / 1e6
"""

_SCRIPT = """
import time
{before}
def work():
    time.sleep(1)
{call}
"""
_SCRIPTS = {
    name: _SCRIPT.format(before=before, call=call) + RESIDENT + 'result["resident_mib"] = resident_mib()\n'
    for name, before, call in (
        ("bare", "", "work()"),
        ("ours", "import ecoia", 'ecoia.track(service="bench", phase="training")(work)()'),
        ("peer", CODECARBON_IMPORT, "track_emissions(offline=True, **offline)(work)()"),
    )
}

_PEER_FIRST = (
    CODECARBON_IMPORT
    + """
import time
start_ns = time.perf_counter_ns()
tracker = OfflineEmissionsTracker(**offline)
tracker.start()
tracker.stop()
result["wall_ms"] = (time.perf_counter_ns() - start_ns) / 1e6
"""
)

_OURS_EXIT = """
import time, ecoia
with ecoia.track(service="bench", phase="training"):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
if found:
    ecoia.flush(60)  # the meters are found, and the helper is at work
with ecoia.track(service="bench", phase="training"):
    pass
"""

_PEER_EXIT = """
import time
from codecarbon import EmissionsTracker
tracker = EmissionsTracker(save_to_file=False, save_to_api=True, api_key="bench", experiment_id="bench", log_level="critical",
                           api_endpoint=url)
tracker.start()
end = time.perf_counter() + seconds
while time.perf_counter() < end:
    pass
result["stopped_from_ns"] = time.perf_counter_ns()
tracker.stop()
result["stop_ms"] = (time.perf_counter_ns() - result["stopped_from_ns"]) / 1e6
"""

_PEER_MOST_SECONDS = 30.0


@contextmanager
def _ecoia_alone() -> Iterator[Callable[..., Finished]]:
    """Yield ``run`` on the interpreter of a virtual environment that holds nothing but ecoia."""
    import ecoia

    with tempfile.TemporaryDirectory(prefix="ecoia-bench-venv-") as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        packages = next(Path(folder, "lib").glob("python*/site-packages"))
        copytree(Path(ecoia.__file__).parent, packages / "ecoia", ignore=ignore_patterns("__pycache__"))
        yield partial(run, python=Path(folder, "bin/python"), environment={"PYTHONPATH": ""})


def imports(effort: Effort) -> Iterator[Line]:
    """Measure ``import ecoia`` in a virtual environment that holds nothing else; bare is the interpreter without the import."""
    with _ecoia_alone() as alone:
        variants = {
            "bare": partial(alone, _IMPORT.format(statement="pass")),
            "ours": partial(alone, _IMPORT.format(statement="import ecoia")),
            "peer_bare": partial(run, _IMPORT.format(statement="pass")),
            "peer": partial(run, _IMPORT.format(statement="import codecarbon")),
        }
        interleave(effort, 1, variants)  # compile, and fill the file cache
        runs = interleave(effort, effort.processes, variants)
    ours, bare, peer, peer_bare = runs["ours"], runs["bare"], runs["peer"], runs["peer_bare"]
    yield Line(
        "import ecoia, CPU of the whole process over bare",
        "ms", over(_cpu(ours), _cpu(bare), 1e3), 15, over(_cpu(peer), _cpu(peer_bare), 1e3), "import",
        note="includes start and end of the interpreter; bare venv, ecoia alone on its path, `site` enabled",
        facts={"statement_wall_ms": figure(ours, "wall_ms").median, "statement_cpu_ms": figure(ours, "cpu_ms").median,
               "bare_process_cpu_ms": Figure.of(_cpu(bare)).median * 1e3},
    )  # fmt: skip
    yield Line(
        "import ecoia, wall time of the statement",
        "ms", figure(ours, "wall_ms"), 15, figure(peer, "wall_ms"), "import",
    )  # fmt: skip
    yield Line(
        "import ecoia, resident memory over bare",
        "MiB", _resident_over(ours, bare), 3, _resident_over(peer, peer_bare), "import",
    )  # fmt: skip


def first_region(effort: Effort) -> Iterator[Line]:
    """Measure the first span of a process, from entering it to having left it, with nothing inside, after all imports."""
    runs = interleave(effort, effort.rounds, {"ours": partial(run, _OURS_FIRST), "peer": partial(run, _PEER_FIRST)})
    yield Line(
        "first region of a process, cold, wall",
        "ms", figure(runs["ours"], "wall_ms"), 10, figure(runs["peer"], "wall_ms"), "tracker, start, stop",
    )  # fmt: skip


def script(effort: Effort) -> Iterator[Line]:
    """Measure ecoia's own share of a short script: a function of 1 s, decorated, over the same script without a decorator."""
    with _ecoia_alone() as alone:
        variants = {
            "bare": partial(alone, _SCRIPTS["bare"]),
            "ours": partial(alone, _SCRIPTS["ours"]),
            "peer_bare": partial(run, _SCRIPTS["bare"]),
            "peer": partial(run, _SCRIPTS["peer"]),
        }
        interleave(effort, 1, variants)  # compile, and fill the file cache
        runs = interleave(effort, effort.rounds, variants)
    ours, bare, peer, peer_bare = runs["ours"], runs["bare"], runs["peer"], runs["peer_bare"]
    peer_what = "@track_emissions on the function"
    yield Line(
        "script of 1 s, CPU of the whole process over bare", "ms", over(_cpu(ours), _cpu(bare), 1e3), 20,
        over(_cpu(peer), _cpu(peer_bare), 1e3), peer_what,
        note="the function sleeps; import, detection, records and exit included; environments as for the import",
        facts={"bare_process_cpu_ms": Figure.of(_cpu(bare)).median * 1e3},
    )  # fmt: skip
    yield Line(
        "script of 1 s, resident memory over bare", "MiB", _resident_over(ours, bare), 8,
        _resident_over(peer, peer_bare), peer_what,
    )  # fmt: skip


def exits(effort: Effort) -> Iterator[Line]:
    """Measure from the last line of a program to the end of its process, over the same program with ecoia switched off."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # the kernel accepts; nobody ever answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sent = {"ECOIA_DELIVERY": "helper"}

        def program(uri: str, *, found: bool, off: bool = False) -> partial[Finished]:
            more = sent | {"MLFLOW_TRACKING_URI": uri} | ({"ECOIA_DISABLED": "1"} if off else {})
            return partial(run, _OURS_EXIT, environment=more, seconds=0.1 if found else 0.0, found=found)

        runs = interleave(
            effort,
            effort.rounds,
            {
                "off": program(url, found=True, off=True),
                "silent": program(url, found=True),
                "refused": program(UNREACHABLE, found=True),
                "short_off": program(url, found=False, off=True),
                "short": program(url, found=False),
            },
        )
        peer, ending = None, ""
        try:
            stuck = effort.peers and run(
                _PEER_EXIT, environment={"http_proxy": url, "https_proxy": url}, timeout_seconds=_PEER_MOST_SECONDS,
                url=url, seconds=0.1,
            )  # fmt: skip
            if stuck:
                peer = Figure.of([stuck.result["stop_ms"] + stuck.exit_seconds * 1e3])
        except subprocess.TimeoutExpired:
            peer, ending = Figure.of([_PEER_MOST_SECONDS * 1e3]), f"; the peer was killed after {_PEER_MOST_SECONDS:.0f} s"
    peer_what = "online with its API, stop() and exit"
    ends = {name: [each.exit_seconds for each in of] for name, of in runs.items()}
    note = "the tracking server accepts and never answers" + ending
    yield Line("exit, server silent, wall", "ms", over(ends["silent"], ends["off"], 1e3), 100, peer, peer_what,
               note=note)  # fmt: skip
    yield Line("exit, connection refused, wall", "ms", over(ends["refused"], ends["off"], 1e3), 100)
    yield Line(
        "exit of a script that ends before its meters are found, wall", "ms", over(ends["short"], ends["short_off"], 1e3),
        note="it waits for its meters, at most 3 s, so as not to lose its energy",
    )  # fmt: skip


def _cpu(runs: Sequence[Finished]) -> list[float]:
    return [each.cpu_seconds for each in runs]


def _resident_over(runs: Sequence[Finished], bare: Sequence[Finished]) -> Figure | None:
    return over([each.result["resident_mib"] for each in runs], [each.result["resident_mib"] for each in bare])

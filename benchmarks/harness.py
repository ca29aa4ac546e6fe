"""Shared by all benchmarks: programs in fresh processes, figures over rounds, and lines with target and peer.

A benchmark is a function that takes ``Effort`` and yields ``Line``. It measures program texts. Each text runs in a
process of its own, in an empty folder, with a journal home of its own, and puts its figures into ``result``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import Any

UNREACHABLE = "http://127.0.0.1:9"
"""The discard port of this machine, where nothing listens. A peer may call nowhere else."""

CODECARBON_IMPORT = """
from codecarbon import OfflineEmissionsTracker, track_emissions
offline = dict(country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True)
"""
"""The cheapest way to run codecarbon: no file, no log, no network."""


@dataclass(frozen=True)
class Effort:
    """Amount of work to put into the figures."""

    rounds: int = 5  # in each process
    processes: int = 15  # processes that measure something short, such as an import
    few: int = 2  # processes that take seconds, and give several values each
    seconds: int = 3  # how long a busy process is watched
    spans: int = 1_000_000
    peers: bool = True  # without peers, their columns stay empty

    @classmethod
    def quick(cls) -> Effort:
        """Return the least effort that shows that every benchmark runs; the figures mean nothing."""
        return cls(rounds=1, processes=1, few=1, seconds=1, spans=500)


@dataclass(frozen=True)
class Figure:
    """Result of repeated rounds: the median, and the quartiles as its spread."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure | None:
        """Return the figure of some values; None if there are none."""
        if not values:
            return None
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
        return cls(median, low, high, len(values))


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        what: Name of the measurement.
        unit: Unit of ours, peer and target.
        target: Upper limit of ours; None where there is no target, as for a floor.
        peer_what: The call of codecarbon that is measured as the peer; None where it has nothing comparable.
        exact: Whether ours must equal the target, instead of being at most the target.
        note: A condition that a reader must know to understand the figure.
        facts: Further figures of the same runs, written to the JSON only.
    """

    what: str
    unit: str
    ours: Figure | None
    target: float | None = None
    peer: Figure | None = None
    peer_what: str | None = None
    exact: bool = False
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """The peer's figure over ours; None without a peer, or if ours is not above zero."""
        return self.peer.median / self.ours.median if self.peer and self.ours and self.ours.median > 0 else None

    @property
    def verdict(self) -> str | None:
        """``met`` or ``not met``; None without a target."""
        if self.target is None or self.ours is None:
            return None
        met = self.ours.median == self.target if self.exact else self.ours.median <= self.target
        return "met" if met else "not met"


@dataclass(frozen=True)
class Finished:
    """Result of a program that has ended."""

    result: dict[str, Any]
    cpu_seconds: float  # whole process, including start and end of the interpreter
    exit_seconds: float  # from the last line of the program to the end of its process


_EPILOGUE = """
import json as _json, time as _time
_ended_ns = _time.perf_counter_ns()
print(_json.dumps({"result": result, "ended_ns": _ended_ns}), flush=True)
"""


def run(
    program: str,
    *,
    python: str | Path = sys.executable,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120.0,
    beside: Callable[[], object] | None = None,
    after: Callable[[Path, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    **parameters: Any,
) -> Finished:
    """Run a program text in a fresh process.

    Args:
        program: Its text. It finds ``result``, an empty dictionary, and leaves its figures in it.
        python: The interpreter.
        environment: Variables on top of this process's, from which those that steer ecoia, MLflow, codecarbon or a proxy
            are taken away. An empty value takes a variable away.
        timeout_seconds: After this it is killed, and an error.
        beside: Called again and again while it runs, about every 20 ms.
        after: Called with its journal home and ``result`` when it has ended; what it returns goes into ``result``.
        parameters: Names that the program finds, with their values.

    Raises:
        TimeoutExpired: It did not end in time; killed.
        CalledProcessError: It failed; a note holds its text and what it said.
    """
    with tempfile.TemporaryDirectory(prefix="ecoia-bench-", ignore_cleanup_errors=True) as folder_name:
        folder = Path(folder_name)
        work, home, said, complained = folder / "work", folder / "home", folder / "stdout", folder / "stderr"
        work.mkdir()
        assignments = "".join(f"{name} = {value!r}\n" for name, value in {"result": {}, **parameters}.items())
        with said.open("wb") as stdout, complained.open("wb") as stderr:
            process = subprocess.Popen(
                [str(python), "-c", assignments + program + _EPILOGUE],
                cwd=work,
                env=environment_of(home, environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            try:
                ended_ns = _await_end(process.pid, timeout_seconds, beside)
                if ended_ns is None:
                    process.kill()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            finally:
                end_helpers(home)
        if ended_ns is None:
            raise subprocess.TimeoutExpired(program, timeout_seconds)
        if process.returncode != 0:
            error = subprocess.CalledProcessError(process.returncode, "a benchmark's program")
            error.add_note(f"{program}\n{complained.read_text(errors='replace')}")
            raise error
        told = json.loads(said.read_text().splitlines()[-1])
        result = told["result"]
        if after is not None:
            result |= after(home, result)
        return Finished(result, usage.ru_utime + usage.ru_stime, (ended_ns - told["ended_ns"]) / 1e9)


def environment_of(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program, see ``run``."""
    # Without a bytecode cache every import would compile its sources first, which only a first run does.
    steering = ("ECOIA_", "MLFLOW_", "CODECARBON_", "PYTHONDONTWRITEBYTECODE")
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(steering) and name.lower() not in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    }
    env |= {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE, "DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    env |= {"ECOIA_HOME": str(home), "ECOIA_DELIVERY": "manual"}
    return {name: value for name, value in {**env, **more}.items() if value}


def _await_end(pid: int, timeout_seconds: float, beside: Callable[[], object] | None) -> int | None:
    """Return when a child ended, without reaping it; None if it did not end in time."""
    descriptor = os.pidfd_open(pid)
    try:
        deadline_ns = perf_counter_ns() + round(timeout_seconds * 1e9)
        while (left := (deadline_ns - perf_counter_ns()) / 1e9) > 0:
            if select.select([descriptor], [], [], left if beside is None else 0.02)[0]:
                return perf_counter_ns()
            if beside is not None:
                beside()
    finally:
        os.close(descriptor)
    return None


def end_helpers(home: Path) -> None:
    """End the delivery helper that a program left behind: the process with this program's journal home in its environment."""
    wanted = f"ECOIA_HOME={home}".encode()
    found = True
    while found:  # a helper that is being started may appear only after its parent is gone
        found = False
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
                    found = True
            except OSError:
                continue  # another user's, or gone


def interleave(effort: Effort, rounds: int, variants: Mapping[str, Callable[[], Finished]]) -> dict[str, list[Finished]]:
    """Run every variant once a round, each round in the reverse order of the one before: ABC, CBA, ABC.

    Without peers (``effort.peers``), a variant whose name begins with ``peer`` is not run: its list stays empty.
    """
    finished: dict[str, list[Finished]] = {name: [] for name in variants}
    order = [name for name in variants if effort.peers or not name.startswith("peer")]
    for _ in range(rounds):
        for name in order:
            finished[name].append(variants[name]())
        order.reverse()
    return finished


def figure(runs: Sequence[Finished], name: str, scale: float = 1.0) -> Figure | None:
    """Return the figure over all values that the runs left under ``name``: numbers, or lists of numbers."""
    values: list[float] = []
    for each in runs:
        value = each.result[name]
        values.extend(value if isinstance(value, list) else [value])
    return Figure.of([value * scale for value in values])


def over(runs: Sequence[float], bare: Sequence[float], scale: float = 1.0) -> Figure | None:
    """Return the figure of the differences, round by round, so that only runs close in time are compared."""
    return Figure.of([(a - b) * scale for a, b in zip(runs, bare, strict=bool(runs))])


RESIDENT = """
def resident_mib():
    with open("/proc/self/smaps_rollup") as file:
        sizes = {line.split()[0]: int(line.split()[1]) for line in file.readlines()[1:]}
    return sizes["Rss:"] / 1024
"""
"""Source of ``resident_mib()``: resident memory of this process, shared pages included."""

SAMPLE_EVERY = """
def sample_every(seconds):
    from ecoia.meters.rapl import RaplMeter
    assert hasattr(RaplMeter, "reading_seconds"), "how often a meter is read is told elsewhere now"
    RaplMeter.reading_seconds = seconds
"""
"""Source of ``sample_every(seconds)``, the one place that knows how to read counters more often than once a second."""

ON_ROOT = """
def measure_on(root):
    import functools, pathlib
    import ecoia.meters
    ecoia.meters.detect = functools.partial(ecoia.meters.detect, root=pathlib.Path(root))
"""
"""Source of ``measure_on(root)``, the one place that knows how to show meters another machine's files."""


class Tree:
    """A machine with counters in a folder: two sockets, each with its memory. Its counters move on request."""

    def __init__(self, folder: Path) -> None:
        from ecoia.testing.hardware import PowercapTree

        self.root = folder
        tree = PowercapTree(folder)
        self._zones = []
        for socket in range(2):
            package = tree.add(f"package-{socket}")
            self._zones += [package, package.add("dram")]
        self.microjoules = 0

    def advance(self) -> None:
        """Use some energy in every zone."""
        for zone in self._zones:
            zone.advance(654_321)
            self.microjoules += 654_321


def run_on_counters(program: str, **parameters: Any) -> Finished:
    """Run a program that finds ``root`` on a machine with counters that move while it runs."""
    with tempfile.TemporaryDirectory(prefix="ecoia-bench-tree-") as folder:
        tree = Tree(Path(folder))
        return run(program, root=folder, beside=tree.advance, after=_check_counters_were_read, **parameters)


def _check_counters_were_read(home: Path, result: Mapping[str, Any]) -> Mapping[str, Any]:
    if not any('"rapl"' in file.read_text(encoding="utf-8") for file in home.glob("journal/*/*.jsonl")):
        raise RuntimeError("the program did not measure on the counters that it was shown: see measure_on")
    return {}

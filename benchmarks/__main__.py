"""Run the benchmarks: each line beside its target and its peer. ``make bench`` calls this.

Usage: python benchmarks [--only NAME ...] [--full | --quick] [--output bench-results.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

import bench_calls
import bench_dashboard
import bench_engines
import bench_exact
import bench_grpc
import bench_interval
import bench_journal
import bench_ledger
import bench_report
import bench_sampler
import bench_serving
import bench_start
import bench_watch
from harness import Effort, Line
from table import table

import ecoia

BENCHMARKS = {
    "calls": bench_calls.calls,
    "process": bench_calls.process_calls,
    "async": bench_calls.async_calls,
    "import": bench_start.imports,
    "first": bench_start.first_region,
    "script": bench_start.script,
    "sampler": bench_sampler.busy,
    "memory": bench_sampler.memory,
    "exit": bench_start.exits,
    "flat": bench_sampler.flat,
    "exact": bench_exact.exact,
    "interval": bench_interval.interval,
    "journal": bench_journal.journal,
    "ledger": bench_ledger.ledger,
    "report": bench_report.report,
    "engines": bench_engines.engines,
    "watch": bench_watch.watch,
    "serving": bench_serving.serving,
    "grpc": bench_grpc.grpc_calls,
    "dashboard": bench_dashboard.dashboard,
}


def main() -> None:
    """Run the chosen benchmarks, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME",
                        help=f"some of: {', '.join(BENCHMARKS)}")  # fmt: skip
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument(
        "--full", action="store_true", help="10 million spans and a million requests for the memory lines, not a tenth"
    )
    effort.add_argument("--quick", action="store_true", help="whether they run at all; the figures mean nothing")
    parser.add_argument("--no-peers", action="store_true", help="leave codecarbon out; much faster")
    parser.add_argument("--output", type=Path, default=Path("bench-results.json"), help="where the JSON goes")
    chosen = parser.parse_args()
    if sys.platform != "linux":
        parser.error(f"the benchmarks read Linux's /proc, and this is {sys.platform}")

    work = Effort.quick() if chosen.quick else replace(Effort(), spans=10_000_000) if chosen.full else Effort()
    work = replace(work, peers=not chosen.no_peers)
    start, before, load = monotonic(), _cpu_ticks(), os.getloadavg()[0]

    def lines_of(name: str) -> list[Line]:
        print(f"{monotonic() - start:4.0f} s  {name}", file=sys.stderr, flush=True)
        return list(BENCHMARKS[name](work))

    # One at a time, so that nothing disturbs the figures. A quick run's figures mean nothing, so it runs them side by side.
    with ThreadPoolExecutor(len(chosen.only) if chosen.quick else 1) as pool:
        lines = [line for of_one in pool.map(lines_of, chosen.only) for line in of_one]
    results = {
        "schema": 1,
        "machine": {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "effort": "quick" if chosen.quick else "full" if chosen.full else "default",
            "seconds": monotonic() - start,
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
            "ecoia": ecoia.__version__,
            "codecarbon": version("codecarbon"),
            "load_before": load,
            "others_percent": _others_percent(before, _cpu_ticks()),
        },
        "lines": [_as_data(line) for line in lines],
    }
    chosen.output.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(results))


def _as_data(line: Line) -> Mapping[str, Any]:
    return {**asdict(line), "ratio": line.ratio, "verdict": line.verdict}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _cpu_ticks() -> tuple[float, float, float]:
    """Return (time of all cores, busy or stolen part, part used by us and our programs), in seconds since some moment."""
    user, nice, system, idle, waiting, *others = (
        int(number) for number in Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9]
    )
    busy = user + nice + system + sum(others)
    tick = 1 / os.sysconf("SC_CLK_TCK")
    return (busy + idle + waiting) * tick, busy * tick, sum(os.times()[:4])


def _others_percent(before: tuple[float, float, float], after: tuple[float, float, float]) -> float:
    whole, busy, ours = (b - a for a, b in zip(before, after, strict=True))
    return max(busy - ours, 0.0) / max(whole, 1e-9) * 100


if __name__ == "__main__":
    main()

"""Why ecoia and codecarbon give other figures of one script: what each of them counts.

``python benchmarks/why_figures_differ.py [--seconds 20]`` runs the same matrix products, in one thread, four times: under ecoia
with ``scope`` ``process`` and ``host``, and under codecarbon with ``tracking_mode`` ``machine`` and ``process``. It prints
joules, what each figure says, and how busy the machine was. Nothing is sent anywhere.

docs/why_figures_differ.md explains the table.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import run

_PRODUCTS = """
import os, time
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
import numpy

def products(seconds):
    one, done, end = numpy.random.default_rng(0).random((700, 700)), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        one @ one
        done += 1
    return done

def busy():
    with open("/proc/stat") as file:
        ticks = [int(number) for number in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")

def measured(seconds):
    before, own, start = busy(), time.process_time(), time.monotonic()
    result["products"] = products(seconds)
    result["own_cpu_seconds"], result["host_cpu_seconds"] = time.process_time() - own, busy() - before
    result["seconds"] = time.monotonic() - start
"""

_ECOIA = (
    _PRODUCTS
    + """
import ecoia
with ecoia.track(service="products", phase="training"):
    measured(seconds)
ecoia.flush(60)
rows = ecoia.read("rows", source="journal")
names = ("cpu", "gpu", "ram")
result["methods"] = {name: sorted(set(rows[f"{name}_method"][rows[f"{name}_microjoules"].notna()])) for name in names}
result["joules"], result["beside"] = (
    {name: float(some[f"{name}_microjoules"].fillna(0).sum()) / 1e6 for name in names}
    for some in (rows[rows["kind"] == "span"], rows[rows["kind"] != "span"])
)
"""
)

_CODECARBON = (
    _PRODUCTS
    + """
import logging
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(
    country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True, tracking_mode=mode
)
tracker.start()
measured(seconds)
tracker.stop()
told = tracker.final_emissions_data
result["joules"] = {name: getattr(told, f"{name}_energy") * 3.6e6 for name in ("cpu", "gpu", "ram")}
result["beside"] = {}
"""
)


@dataclass(frozen=True)
class Tool:
    """One way of measuring the script.

    Attributes:
        name: Tool and scope.
        program: The text of the program.
        says: What its figure says.
        scope: ``scope`` of ecoia, or ``tracking_mode`` of codecarbon.
    """

    name: str
    program: str
    says: str
    scope: str


TOOLS = (
    Tool("ecoia, `scope = process` (its default)", _ECOIA, "this program's part of the machine, by CPU time", "process"),
    Tool("ecoia, `scope = host`", _ECOIA, "the whole machine", "host"),
    Tool("codecarbon, `machine` (its default)", _CODECARBON, "the whole machine, whoever used it", "machine"),
    Tool("codecarbon, `process`", _CODECARBON, "CPU by share, memory at a fixed power", "process"),
)


def measure(tool: Tool, seconds: float) -> Mapping[str, Any]:
    """Run the script under one tool."""
    ours = tool.program is _ECOIA
    finished = run(
        tool.program,
        environment={"ECOIA_SCOPE": tool.scope} if ours else None,
        timeout_seconds=seconds + 120,
        seconds=seconds,
        mode=tool.scope,
    )
    return finished.result


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the results as a table in Markdown."""
    machine = sum(results[TOOLS[2].name]["joules"].values())
    lines = [
        "| tool and scope | CPU | GPU | RAM | sum | of codecarbon's machine | what it says |",
        "|---|---|---|---|---|---|---|",
    ]
    for tool in TOOLS:
        found = results[tool.name]
        each = [found["joules"][name] for name in ("cpu", "gpu", "ram")]
        beside = sum(found["beside"].values())
        total = f"**{sum(each):.1f}**" + (f" (+ {beside:.1f} outside its span)" if beside else "")
        share = f"{sum(each) / machine:.1%}" if machine else "–"
        lines.append(f"| {tool.name} | " + " | ".join(f"{one:.1f}" for one in each) + f" | {total} | {share} | {tool.says} |")
    return "\n".join(lines)


def conditions(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how busy the machine was while each tool measured."""
    lines = [
        "| tool and scope | products | J per product | its CPU time | the machine's | its share |",
        "|---|---|---|---|---|---|",
    ]
    for tool in TOOLS:
        found = results[tool.name]
        own, host = found["own_cpu_seconds"], found["host_cpu_seconds"]
        per_product = sum(found["joules"].values()) / found["products"]
        numbers = f"{found['products']:,} | {per_product:.4f} | {own:.2f} s | {host:.2f} s | {own / host:.1%}"
        lines.append(f"| {tool.name} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    """Measure with each tool, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    results = {tool.name: measure(tool, options.seconds) for tool in TOOLS}
    loads = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(f"Joules; codecarbon {version('codecarbon')}, {os.cpu_count()} CPUs, {loads}\n")
    methods = results[TOOLS[0].name]["methods"]
    print("ecoia's methods: " + "; ".join(f"{name} {', '.join(used)}" for name, used in methods.items() if used) + "\n")
    print(table(results), conditions(results), sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

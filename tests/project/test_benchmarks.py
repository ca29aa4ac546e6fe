"""The benchmarks run on any machine. Nothing is asserted about the times that they measure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

HEAVY = ("dashboard", "engines", "journal", "ledger", "report", "serving")
"""Benchmarks of 10 to 70 s of CPU time each, even as quick runs."""


def run_benchmarks(repository: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Run them quickly and return the JSON and the table."""
    results = Path("results.json").absolute()
    done = subprocess.run(
        [sys.executable, str(repository / "benchmarks"), "--quick", *arguments, "--output", str(results)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(results.read_text(encoding="utf-8")), done.stdout


def light(repository: Path) -> list[str]:
    """Return the names of all other benchmarks."""
    usage = subprocess.run(
        [sys.executable, str(repository / "benchmarks"), "--help"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    names = re.search(r"some of: ([\w, \n]+)", usage)
    assert names
    found = re.findall(r"\w+", names[1])
    assert set(HEAVY) < set(found)
    return [name for name in found if name not in HEAVY]


@pytest.mark.skipif(sys.platform != "linux", reason="they read /proc")
@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.matrix)])
def test_every_benchmark_runs_and_its_line_stands_in_the_documentation(repository: Path, *, heavy: bool) -> None:
    results, table = run_benchmarks(repository, "--no-peers", "--only", *(HEAVY if heavy else light(repository)))
    documented = (repository / "docs/performance.md").read_text(encoding="utf-8")
    assert results["lines"]
    for line in results["lines"]:
        assert line["ours"]["rounds"] > 0
        assert line["peer"] is None
        assert f"| {line['what']} " in table
        assert f"| {line['what']} " in documented
    drawn = subprocess.run(
        [sys.executable, str(repository / "benchmarks/table.py"), "results.json"], capture_output=True, text=True, check=True
    )
    assert drawn.stdout == table


@pytest.mark.skipif(sys.platform != "linux", reason="they read /proc")
def test_a_line_says_whether_its_target_is_met_and_how_the_peer_does(repository: Path) -> None:
    results, _ = run_benchmarks(repository, "--only", "calls", "exact")
    for line in results["lines"]:
        ours, target, peer = line["ours"]["median"], line["target"], line["peer"]
        if target is None:
            assert line["verdict"] is None
            continue
        met = ours == target if line["exact"] else ours <= target
        assert line["verdict"] == ("met" if met else "not met")
        assert line["ratio"] == (pytest.approx(peer["median"] / ours) if ours > 0 else None)
    assert {line["what"]: line["verdict"] for line in results["lines"] if line["exact"]} == {
        "sum of all records over what the counters counted, eight threads": "met"
    }

"""How old the figures on a run's page are while it runs, and how soon they are final after its end.

``python benchmarks/freshness.py [--seconds 150]`` makes a store and a home in a temporary folder, trains in a process of its own,
asks the store twice a second, and compares what it shows with the journal. Two runs: the first ends and its process lives on, the
second is killed (SIGKILL) beside a process of the same home that lives on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

_TRAIN = """
import sys, time
import ecoia, mlflow

@ecoia.track(service="vadore", phase="training")
def train(seconds):
    with mlflow.start_run() as run:
        print(run.info.run_id, flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sum(range(20_000))
            time.sleep(0.01)

for line in sys.stdin:
    train(float(line))
    print("ended", flush=True)
"""


def main() -> None:
    """Measure both runs, and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="length of a run")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="ecoia-freshness-") as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ |= {"ECOIA_HOME": f"{folder}/home", "ECOIA_DELIVERY": "helper", "MLFLOW_DISABLE_TELEMETRY": "true"}
        os.chdir(folder)
        import mlflow

        client = mlflow.MlflowClient()
        client.search_experiments()  # makes the store
        programs = [_start(), _start()]
        _order(programs[1], 1.0)  # the one that lives on
        _answer(programs[1])
        _answer(programs[1])
        for killed in (False, True):
            _order(programs[0], 3600.0 if killed else seconds)
            run_id = _answer(programs[0])
            ages = _watch(client, Path(folder) / "home", run_id, seconds)
            if killed:
                programs[0].kill()
            else:
                _answer(programs[0])
            final = _seconds_until_final(client, Path(folder) / "home", run_id)
            print(
                f"{'killed' if killed else 'ended'}: first shown {ages[0]:.0f} s after its begin, "
                f"then totals at most {max(ages[1:]):.0f} s old; final {final:.1f} s after its end",
                flush=True,
            )
        programs[1].kill()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _TRAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _order(program: subprocess.Popen[str], seconds: float) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{seconds}\n")
    program.stdin.flush()


def _answer(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


def _watch(client: Any, home: Path, run_id: str, seconds: float) -> list[float]:
    """Return the seconds until figures are shown, then how old they are at each look, until it has run for so long."""
    begin = time.time()
    ages: list[float] = []
    while time.time() < begin + seconds:
        shown, now = _shown(client, run_id), time.time()
        ends = [end for end, total in _totals(home, run_id) if abs(total - shown) < 1e-9]
        if ends:
            ages.append(now - ends[-1] if ages else now - begin)
        time.sleep(0.5)
    return ages


def _seconds_until_final(client: Any, home: Path, run_id: str) -> float:
    begin = time.time()
    quiet = 0
    final = begin
    while quiet < 40:  # no figure changes for ten seconds
        before = _shown(client, run_id)
        time.sleep(0.25)
        if _shown(client, run_id) != before:
            quiet, final = 0, time.time()
        quiet += 1
    assert abs(_shown(client, run_id) - _totals(home, run_id)[-1][1]) < 1e-9, "the store lacks energy"
    return final - begin


def _shown(client: Any, run_id: str) -> float:
    return float(client.get_run(run_id).data.metrics.get("ecoia/energy_wh", -1.0))


def _totals(home: Path, run_id: str) -> list[tuple[float, float]]:
    """Return the ends of a run's windows in the journal, and its energy in Wh up to each."""
    from ecoia.keeping.journal import Journal

    records = [each for each in Journal(home).scan().records if each.run_id == run_id and each.kind == "span"]
    energy = accumulate(sum(value or 0 for value in each.energy_microjoules.values()) for each in records)
    return [(each.end_utc_ns / 1e9, total / 3.6e9) for each, total in zip(records, energy, strict=True)]


if __name__ == "__main__":
    main()

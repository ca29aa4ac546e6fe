"""Measure the cost of ecoia to a program that uses MLflow: the import with nothing enabled, and a run.

``python benchmarks/following.py [--pairs 15] [--runs 200]``. Imports are processes that take turns: in one, Python sees this
environment's packages, in the other all but ecoia's. Runs take turns in one process, on a SQLite store: ``ecoia.autolog()``
before every other one, ``disable=True`` before the rest. All figures are CPU time, which suffers least from others on the
machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

_IN_PLUGIN = """
import sys, time
from ecoia_integrations import mlflow_plugin
spent = {"ours": [], "none": []}
def timed(name, function):
    def call(*args, **kwargs):
        begin = time.thread_time_ns()
        try:
            return function(*args, **kwargs)
        finally:
            spent[name].append(time.thread_time_ns() - begin)
    return call
class Finder:
    def find_spec(self, name, path=None, target=None):
        return None
mlflow_plugin.Plugin.__init__ = timed("ours", mlflow_plugin.Plugin.__init__)
mlflow_plugin._AfterImport.find_spec = timed("ours", mlflow_plugin._AfterImport.find_spec)
Finder.find_spec = timed("none", Finder.find_spec)
sys.meta_path.insert(0, Finder())
import mlflow
assert "ecoia" not in sys.modules
clocks = sum(spent["none"]) / len(spent["none"])
print((sum(spent["ours"]) - clocks * len(spent["ours"])) / 1e6)
"""


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of imports")
    parser.add_argument("--runs", type=int, default=200, help="runs of each kind")
    told = parser.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory(prefix="ecoia-following-") as folder:
        os.chdir(folder)
        os.environ |= {"ECOIA_HOME": f"{folder}/home", "ECOIA_DELIVERY": "manual"}
        for name in ("ECOIA_AUTOLOG", "PYTHONDONTWRITEBYTECODE"):
            os.environ.pop(name, None)
        _imports(told.pairs, Path(folder))
        _runs(told.runs, folder)


def _imports(pairs: int, folder: Path) -> None:
    packages = Path(sysconfig.get_paths()["purelib"])
    without, with_ours = folder / "without", folder / "with"
    for made, ours in ((without, False), (with_ours, True)):
        made.mkdir()
        for each in packages.iterdir():
            if ours or not each.name.startswith(("ecoia", "__editable__.ecoia", "_ecoia")):
                (made / each.name).symlink_to(each)
    repository = Path(__file__).resolve().parents[1]
    paths = {
        "without": str(without),
        "with": os.pathsep.join(map(str, (with_ours, repository / "src", repository / "integrations"))),
    }
    spent: dict[str, list[float]] = {"without": [], "with": []}
    for turn in range(pairs + 1):
        for name in sorted(paths, reverse=turn % 2 == 0):
            program = "import sys, mlflow; print('ecoia_integrations.mlflow_plugin' in sys.modules)"
            before = os.times()
            done = subprocess.run(
                [sys.executable, "-S", "-c", program],
                env=os.environ | {"PYTHONPATH": paths[name]},
                stdout=subprocess.PIPE,
                check=True,
            )
            after = os.times()
            assert done.stdout.strip() == (b"True" if name == "with" else b"False"), name
            if turn:  # the first pair compiles and warms the disk's cache
                used = after.children_user + after.children_system - before.children_user - before.children_system
                spent[name].append(1000 * used)
    differences = [ours - bare for ours, bare in zip(spent["with"], spent["without"], strict=True)]
    low, middle, high = statistics.quantiles(differences, n=4)
    bare = statistics.median(spent["without"])
    print(f"import mlflow, {pairs} pairs: {middle:+.1f} ms ({low:+.1f} to {high:+.1f}) of {bare:.0f} ms")
    inside = [float(_output(_IN_PLUGIN, paths["with"])) for _ in range(7)]
    print(f"  of it in the plug-in: {statistics.median(inside):.2f} ms, less what a finder that does nothing takes")


def _output(program: str, path: str) -> str:
    return subprocess.run(
        [sys.executable, "-S", "-c", program], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    ).stdout


def _runs(number: int, folder: str) -> None:
    import mlflow

    import ecoia

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    spent: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(2 * number + 10):
        is_on = turn % 2 == 0
        ecoia.autolog(service="bench") if is_on else ecoia.autolog(disable=True)
        begin_ns = time.thread_time_ns()
        with mlflow.start_run():
            pass
        used_ms = (time.thread_time_ns() - begin_ns) / 1e6
        if turn >= 10:
            spent[is_on].append(used_ms)
    differences = [ours - bare for ours, bare in zip(spent[True], spent[False], strict=True)]
    low, middle, high = statistics.quantiles(differences, n=4)
    print(f"a run, {number} pairs: {middle:+.2f} ms ({low:+.2f} to {high:+.2f}) of {statistics.median(spent[False]):.1f} ms")


if __name__ == "__main__":
    main()

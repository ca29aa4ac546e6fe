"""Do what a user does first with the built wheel. Run by wheel_test.sh in an environment that holds it.

Usage: wheel_probe.py base | mlflow2
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
import ecoia

@ecoia.track(service="vadore", phase="training")
def train():
    return sum(n * n for n in range(3_000_000))

train()
with ecoia.track(service="vadore", phase="inference") as span:
    sum(n * n for n in range(1_000_000))
    span.units(40, accepted=31)
"""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} -> {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def journal() -> list[dict[str, object]]:
    return [json.loads(line) for line in run("ecoia", "journal", "--json").splitlines()]


def main(mode: str) -> None:
    # Deliver explicitly below: the helper would deliver at a time of its own.
    os.environ["ECOIA_DELIVERY"] = "manual"
    folder = Path(tempfile.mkdtemp(dir=Path.cwd()))
    os.chdir(folder)
    assert "Usage" in run("ecoia", "--help")
    run("ecoia", "doctor")
    Path("script.py").write_text(SCRIPT, encoding="utf-8")
    run(sys.executable, "script.py")
    run("ecoia", "run", "--service", "vadore", "--phase", "evaluation", "--", sys.executable, "-c", "sum(range(9_000_000))")
    spans = [record for record in journal() if record["kind"] == "span"]
    phases = {record["phase"] for record in spans}
    assert phases == {"training", "inference", "evaluation"}, phases
    assert sum(record["units"] or 0 for record in spans) == 40, spans
    assert sorted(path.name for path in folder.iterdir()) == ["script.py"], "something was left in the working folder"

    if mode == "base":
        assert importlib.util.find_spec("mlflow") is None
        assert importlib.util.find_spec("codecarbon") is None, "its presence would switch on callbacks of Hugging Face's Trainer"
        refused = subprocess.run(["ecoia", "report"], capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0 and "ecoia[report]" in refused.stderr, refused.stdout + refused.stderr
        print(f"{len(spans)} span records; no MLflow; 'ecoia report' names the extra to install")
    else:
        from importlib.metadata import version

        run("ecoia", "deliver")
        assert all(record["delivered"] for record in journal())
        from mlflow.tracking import MlflowClient

        client = MlflowClient()
        experiment = client.get_experiment_by_name("ecoia/ledger")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        assert runs, "no ledger day"
        print(f"delivered to MLflow {version('mlflow')}: {len(runs)} ledger day, {len(spans)} span records")


if __name__ == "__main__":
    main(sys.argv[1])

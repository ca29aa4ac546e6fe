"""Run the demo: what is not done yet is measured, everything is delivered to MLflow, the quarter's report is written.

Usage: python examples/demo/run.py [FOLDER]   (default: demo-output, in the current folder)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from rich.console import Console

from ecoia.delivery.cursors import is_delivered, read_cursors
from ecoia.keeping.journal import Journal
from ecoia.meters.hardware import context
from ecoia.methods import Method
from ecoia.periods import Quarter, utc_ns
from ecoia.records import Record
from ecoia.semconv import ESTIMATED, MISSING
from ecoia.settings import load
from ecoia.units import NANOSECONDS_PER_SECOND, micro

HERE = Path(__file__).resolve().parent
ORGANISATION = HERE.parent / "organisation"

# The services that the demo's models stand in for, and what one of *their* functional units is.
STAND_INS = {
    "vadore": "texte de compétence rapproché",
    "smart-emploi": "indicateur publié",
    "analyse-cv": "image de chiffre lue",
}
# What a BoAmps report says of the stand-ins' tasks: family, algorithm, what it reads and what it answers.
TASKS = {
    "vadore": ("appariement de textes", "latent semantic analysis", "text", "text"),
    "smart-emploi": ("prévision de séries", "random forest", "tabular", "tabular"),
    "analyse-cv": ("classification d'images", "multi-layer perceptron", "image", "tabular"),
}
STEPS = {
    "vadore": ["vadore.py"],
    "smart-emploi-train": ["smart_emploi_train.py"],
    "smart-emploi-serve": ["smart_emploi_serve.py"],
    "analyse-cv": ["analyse_cv.py"],
    "analyse-cv-serve": ["analyse_cv_serve.py"],
}
# Measured from outside: the script does not import ecoia.
MEASURED_FROM_OUTSIDE = {"smart-emploi-train": ("smart-emploi", "training")}

ECOIA = Path(sys.executable).with_name("ecoia")
console = Console(highlight=False)


def prepare(output: Path) -> dict[str, str]:
    """The folder's settings and catalogue, and the environment of everything that runs in it."""
    output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "ecoia.toml", output / "ecoia.toml")
    shutil.copytree(ORGANISATION, output / "catalogue", dirs_exist_ok=True)
    register = output / "catalogue" / "services.yaml"
    content = yaml.safe_load(register.read_text(encoding="utf-8"))
    for service in content["services"]:
        if service["id"] in STAND_INS:
            service["stand_in"] = True
            service["functional_unit"] = STAND_INS[service["id"]]
            service["boamps"] = described(*TASKS[service["id"]])
    register.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")

    # Settings of the shell would lead elsewhere than demo-output/ecoia.toml.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ECOIA_", "MLFLOW_"))}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{output / 'mlflow.db'}"
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    environment["MLFLOW_LOGGING_LEVEL"] = "WARNING"
    return environment


def described(family: str, algorithm: str, reads: str, answers: str) -> dict[str, Any]:
    """The ``boamps`` block of a stand-in, in place of the example organisation's: on this machine."""
    machine: dict[str, Any] = context()
    cpu = {"type": "cpu", "count": machine["cpu_count"]} | ({"name": machine["cpu_model"]} if machine["cpu_model"] else {})
    memory = (
        {"type": "ram", "count": 1, "memory_gb": round(machine["memory_bytes"] / 1e9, 1)} if machine["memory_bytes"] else None
    )
    return {
        "task_family": family,
        "algorithms": [{"name": algorithm, "framework": "scikit-learn"}],
        "datasets": [{"usage": "input", "type": reads, "source": "public"}, {"usage": "output", "type": answers}],
        "infrastructure": {"type": "other", "components": [cpu, memory] if memory else [cpu]},
        "system": {"os": machine["os"]},
        "software": {"language": "python", "version": machine["python"]},
    }


def run_steps(output: Path, environment: dict[str, str]) -> None:
    """Each script once. A step that was cut short runs again: what it used until then was used, and stays recorded."""
    done = output / "done"
    done.mkdir(exist_ok=True)
    for number, (name, (script, *arguments)) in enumerate(STEPS.items(), 1):
        if (done / name).exists():
            console.print(f"[{number}/{len(STEPS)}] {script}: done before", markup=False)
            continue
        command: list[str | Path] = [sys.executable, HERE / script, *arguments]
        if name in MEASURED_FROM_OUTSIDE:
            service, phase = MEASURED_FROM_OUTSIDE[name]
            command = [ECOIA, "run", "--service", service, "--phase", phase, "--", *command]
        console.print(f"[{number}/{len(STEPS)}] {script}", markup=False)
        subprocess.run(command, cwd=output, env=environment, check=True)
        (done / name).touch()


def replay_history(output: Path, timezone: ZoneInfo) -> None:
    """Earlier quarters from the fixture, marked simulated. Ids follow from the content, so a replay changes nothing."""
    mark = output / "done" / "history"
    if mark.exists():
        return
    now = Quarter.of_date(datetime.now(timezone).date())
    records = [simulated(entry, now.shift(entry["quarter"]), timezone) for entry in read_history()]
    writer = Journal(output / "home").writer()
    writer.append(records)
    writer.close()
    mark.touch()


def read_history() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((HERE / "history.json").read_text(encoding="utf-8"))["records"]
    return entries


def simulated(entry: dict[str, Any], quarter: Quarter, timezone: ZoneInfo) -> Record:
    """One invented record: ten minutes in the middle of its quarter."""
    day = quarter.first_day()
    start = utc_ns(datetime(day.year, day.month + 1, 15, 10, tzinfo=timezone))
    name = f"ecoia-demo/{quarter}/{entry['service']}/{entry['phase']}"
    method = Method(ESTIMATED, "simulated")
    return Record(
        record_id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        kind="span",
        service=entry["service"],
        phase=entry["phase"],
        instance="demo",
        pid=0,
        start_utc_ns=start,
        end_utc_ns=start + 600 * NANOSECONDS_PER_SECOND,
        energy_microjoules={"cpu": micro(entry["cpu"]), "gpu": None, "ram": micro(entry["ram"])},
        method={"cpu": method, "gpu": Method(MISSING, "none"), "ram": method},
        spans=1,
        units_micro=None if entry["units"] is None else micro(entry["units"]),
        zone="FRA",
        simulated=True,
    )


def something_is_pending(output: Path) -> bool:
    """Whether a record is not in the ledger yet. Asked here, since delivering starts with seconds of importing MLflow."""
    journal = Journal(output / "home")
    cursors = read_cursors(journal)
    return not all(is_delivered(entry, cursors) for entry in journal.scan().entries)


def main(output: Path) -> None:
    environment = prepare(output)
    settings = load(start=output)
    timezone = ZoneInfo(settings.timezone)
    console.print("Three small models stand in for three services of the example register (examples/demo/README.md).")
    run_steps(output, environment)
    replay_history(output, timezone)
    if something_is_pending(output):
        subprocess.run([ECOIA, "deliver"], cwd=output, env=environment, check=True)
    quarter = Quarter.of_date(datetime.now(timezone).date())
    subprocess.run([ECOIA, "report", "--quarter", str(quarter)], cwd=output, env=environment, check=True)

    page, data = output / f"rapport-{quarter}.html", output / f"rapport-{quarter}.json"
    console.print("Models are stand-ins; earlier quarters are simulated. No PUE is known: IT only, building not included.")
    mlflow = Path(sys.executable).with_name("mlflow")
    for title, text in (
        ("Report", str(page)),
        ("Its data", str(data)),
        ("Local records", f"cd {output} && {ECOIA} journal"),
        ("Dashboard", f"cd {output} && {ECOIA} dashboard --from journal"),
        ("MLflow", f"{mlflow} ui --backend-store-uri {environment['MLFLOW_TRACKING_URI']}"),
        ("", "then open http://127.0.0.1:5000"),
    ):
        console.print(f"{title:>14}  {text}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output").absolute())

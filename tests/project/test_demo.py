"""The demo, twice, as ``make demo`` runs it: real models measured, delivered and reported; the second run changes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ecoia.keeping.journal import Journal
from ecoia.records import Record

STAND_INS = ("vadore", "smart-emploi", "analyse-cv")

_SIZES = {"MWh": 1e3, "kWh": 1.0, "Wh": 1e-3, "mWh": 1e-6, "tCO2e": 1e3, "kgCO2e": 1.0, "gCO2e": 1e-3, "mgCO2e": 1e-6}
"""Units of the printed table, in kWh and kgCO2e."""


class Demo:
    """One run: its output, the files that it wrote, and the seconds that it took."""

    def __init__(self, repository: Path, output: Path) -> None:
        start = time.monotonic()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ECOIA_", "MLFLOW_"))}
        done = subprocess.run(
            [sys.executable, repository / "examples" / "demo" / "run.py", output],
            cwd=output.parent, env={**environment, "COLUMNS": "200"}, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        self.seconds = time.monotonic() - start
        assert done.returncode == 0, done.stdout + done.stderr
        self.printed = done.stdout
        (page,) = output.glob("rapport-*.json")
        self.report: dict[str, Any] = json.loads(page.read_text(encoding="utf-8"))
        self.page = page.with_suffix(".html").read_text(encoding="utf-8")
        self.records: list[Record] = Journal(output / "home").scan().records


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo-output"


@pytest.fixture(scope="module")
def demo(output: Path) -> Demo:
    return Demo(Path(__file__).resolve().parents[2], output)


def test_make_demo_runs_this_program(repository: Path) -> None:
    command = [
        "make",
        "--no-print-directory",
        "--dry-run",
        "--assume-old=.venv/.stamp-report",
        "--assume-old=.venv/.stamp-demo",
        "demo",
    ]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [".venv/bin/python examples/demo/run.py"]


@pytest.mark.mlflow
def test_each_stand_in_trains_is_evaluated_and_serves(demo: Demo) -> None:
    real = [record for record in demo.records if record.kind == "span" and not record.simulated]
    phases = {(record.service, record.phase) for record in real}
    assert phases >= {(service, phase) for service in STAND_INS for phase in ("training", "evaluation", "inference")}
    assert all(record.service in STAND_INS for record in real)
    units: Counter[tuple[str | None, str | None]] = Counter()
    for record in real:
        units[record.service, record.phase] += (record.units_micro or 0) // 1_000_000
    assert units["vadore", "inference"] == 400
    assert units["smart-emploi", "inference"] == 264
    assert units["analyse-cv", "inference"] == 1200
    served = [record for record in real if record.endpoint == "/read"]
    assert sum(record.spans for record in served) == 300
    quality = {name: value for record in real for name, value in record.quality.items()}
    assert quality.keys() == {"top5_accuracy", "sign_accuracy", "accuracy"}
    assert quality["accuracy"] > 0.9


@pytest.mark.mlflow
def test_the_report_adds_up_to_the_journal_and_marks_what_is_not_real(demo: Demo) -> None:
    energy = sum(joules or 0 for record in demo.records if not record.simulated for joules in record.energy_microjoules.values())
    assert energy > 0
    assert demo.report["totals"]["energy_components_microjoules"] == energy
    assert {entry["id"] for entry in demo.report["register"] if entry["stand_in"]} == set(STAND_INS)
    assert [point["simulated"] for point in demo.report["trend"]] == [True] * 4 + [False]
    assert demo.report["totals"]["boundary"] == "it"
    assert "simul" in demo.page


@pytest.mark.mlflow
def test_the_table_shows_the_figures_of_the_report(demo: Demo) -> None:
    counted = [entry for entry in demo.report["register"] if entry["energy"]["value"] is not None]
    assert counted
    lines = demo.printed.splitlines()
    (header,) = [line for line in lines if line.split()[:2] == ["service", "energy"]]
    energy_size, co2e_size = (_SIZES[unit] for unit in re.findall(r"\S*Wh|\S*CO2e", header))
    for entry in counted:
        (line,) = [line for line in lines if re.match(rf"\s*{entry['id']}\s.*\b(meters|models|declared)\b", line)]
        shown = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", line.partition(entry["id"])[2])]
        wanted = [entry["energy"]["value"] / energy_size, entry["co2e"]["value"] / co2e_size if entry["co2e"]["value"] else None]
        for figure in wanted:
            assert figure is None or any(number == pytest.approx(figure, rel=0.02, abs=0.006) for number in shown), (figure, line)
    assert "mlflow ui --backend-store-uri sqlite:///" in demo.printed
    assert "ecoia dashboard --from journal" in demo.printed


@pytest.mark.mlflow
def test_a_second_run_skips_what_is_done_and_changes_nothing(demo: Demo, output: Path) -> None:
    again = Demo(Path(__file__).resolve().parents[2], output)
    assert again.report == demo.report
    assert len(again.records) == len(demo.records)
    assert again.printed.count("done before") == 5
    assert again.seconds < max(20, 0.6 * demo.seconds)
    # Everything that it made is below its folder, MLflow's artifacts included.
    assert [path.name for path in output.parent.iterdir()] == [output.name]

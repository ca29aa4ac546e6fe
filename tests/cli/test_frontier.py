"""``ecoia frontier``: what quality costs, of a service's trainings and of an MLflow experiment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecoia.keeping.journal import Journal
from ecoia.records import Record
from support.command_line import ecoia, fill
from support.deliveries import api
from support.mlflow_demo import make_demo
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import kwh, outcome, record

__all__ = ["migrated", "tracking_uri"]

SERVICES = "services:\n  - {id: vadore, name: VADORE, status: generalised, quality: {accuracy: higher}}\n"
RUNS = {
    "small": (1.0, 0.90, "ok"),
    "medium": (4.0, 0.93, "ok"),
    "large": (10.0, 0.935, "ok"),
    "clumsy": (9.0, 0.91, "ok"),
    "nearly": (4.2, 0.93, "ok"),
    "failed": (2.0, 0.5, "failed"),
    "unrated": (0.5, None, "ok"),
}


def records() -> Iterator[Record]:
    for day, (run_id, (energy, accuracy, result)) in enumerate(RUNS.items(), 1):
        quality = {} if accuracy is None else {"accuracy": accuracy}
        start = f"2026-11-{day:02}T10:00"
        yield record(start, 30, cpu=kwh(energy), ram=None, phase="training", run_id=run_id, quality=quality, zone="FRA")
        yield outcome(f"2026-11-{day:02}T10:31", run_id, result)
    yield record("2026-11-20T10:00", 30, cpu=kwh(1), ram=None, phase="training", run_id="open", zone="FRA")


@pytest.fixture
def service(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fill(home, *records())
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "services.yaml").write_text(SERVICES, encoding="utf-8")
    monkeypatch.setenv("ECOIA_CATALOGUE", str(tmp_path / "catalogue"))
    return tmp_path / "catalogue"


def told(*words: object) -> list[dict[str, Any]]:
    result = ecoia("frontier", *words, "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("service")
def test_a_service_s_trainings_have_a_front_prices_and_waste() -> None:
    (found,) = told("--service", "vadore", "--from", "journal")
    assert {each["run"]: each["standing"] for each in found["runs"]} == {
        "small": "front",
        "medium": "front",
        "nearly": "within-noise",
        "clumsy": "dominated",
        "large": "front",
    }
    assert found["good_enough"]["run"] == "medium"
    assert found["good_enough"]["tolerance"] == found["point"] == 0.01
    assert found["good_enough"]["as_cheap"] == ["nearly"]
    assert found["good_enough"]["spared"] == pytest.approx(0.6)
    first, last = found["steps"]
    assert (first["from"], first["to"], last["to"]) == ("small", "medium", "large")
    assert first["cost_per_point"] == pytest.approx(1.0)
    assert last["cost_per_point"] == pytest.approx(12.0)
    assert last["low"] < last["cost"] < last["high"]
    assert found["waste"]["failed"] == 1
    assert found["waste"]["share"] == pytest.approx(2 / sum(energy for energy, *_ in [*RUNS.values(), (1.0,)]), abs=0.05)
    assert found["not_compared"]["no accuracy"] == 1


@pytest.mark.usefixtures("service")
def test_people_read_the_same_answers() -> None:
    result = ecoia("frontier", "--service", "vadore", "--from", "journal", "--tolerance", "0.005")
    assert result.exit_code == 0, result.stderr
    assert "Cheapest within 0.005 of it: medium, 0.93, for 60 % less energy [" in result.stdout
    assert "From medium to large: 6.00 kWh [" in result.stdout
    assert "for each accuracy +0.01" in result.stdout
    assert "Waste: 1 failed" in result.stdout
    assert "equalled by medium within noise" in result.stdout
    none = ecoia("frontier", "--service", "vadore", "--from", "journal", "--tolerance", "0")
    assert "Best: large, accuracy 0.935; none within 0 of it took less." in none.stdout


@pytest.mark.usefixtures("service")
def test_co2e_and_csv() -> None:
    result = ecoia("frontier", "--service", "vadore", "--from", "journal", "--by", "co2e", "--csv")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [each["run"] for each in lines] == ["small", "medium", "nearly", "clumsy", "large"]
    assert {each["unit"] for each in lines} == {"kgCO2e"}
    assert float(lines[-1]["cost"]) / float(lines[0]["cost"]) == pytest.approx(10)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--service, or an MLflow --experiment"),
        (("--service", "vadore", "--experiment", "a"), "one of the two"),
        (("--service", "vadore", "--better", "higher"), "--better are of an --experiment"),
        (("--service", "vadore", "--from", "journal", "--metric", "recall"), "--metric recall: choose one of accuracy"),
        (("--service", "nobody", "--from", "journal"), "no training run of service 'nobody'"),
        (("--service", "vadore", "--tolerance", "-1"), "--tolerance -1 is no tolerance: write a number of 0 or more"),
        (("--service", "vadore", "--tolerance", "nan"), "--tolerance nan"),
        (("--experiment", "a", "--quarter", "2026Q4"), "--quarter and --from are of a --service"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(words: tuple[str, ...], message: str) -> None:
    result = ecoia("frontier", *words)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_without_a_direction_nothing_is_guessed(service: Path) -> None:
    (service / "services.yaml").write_text(SERVICES.replace("accuracy: higher", "other: higher"), encoding="utf-8")
    result = ecoia("frontier", "--service", "vadore", "--from", "journal")
    assert result.exit_code == 2
    assert "does not say which way accuracy is better" in " ".join(result.stderr.split())


@pytest.mark.mlflow
@pytest.mark.filterwarnings(*MLFLOW_WARNINGS)
def test_an_experiment_s_runs_and_models(home: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = make_demo(Journal(home), tracking_uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    name = "vadore-ranking"
    assert "--better: say which way 'accuracy' is better" in ecoia("frontier", "-e", name, "--metric", "accuracy").stderr
    (found,) = told("-e", name, "--metric", "accuracy", "--better", "higher")
    standings = {each["run"]: each["standing"] for each in found["runs"]}
    assert demo.search not in standings, "its energy is that of its trials"
    assert standings[demo.single] == "front"
    trials = [each for each in found["runs"] if each["run"] != demo.single]
    assert [each["quality"] for each in trials] == sorted(each["quality"] for each in trials)
    assert [each["standing"] for each in trials] == ["front"] * 3
    assert found["waste"]["failed"] == 1
    assert 0 < found["waste"]["share"] < 1
    for model, accuracy in ((demo.model, 0.93), (None, 0.9)):
        client = api(tracking_uri)
        if model is None:
            made = client.create_logged_model(demo.experiment, name="second", source_run_id=demo.trial)
            model = made.model_id
            client.finalize_logged_model(model, "READY")
        client.log_metric(demo.single, "accuracy", accuracy, model_id=model)
    (models,) = told("-e", name, "--models", "--better", "higher")
    assert [each["name"] for each in models["runs"]] == ["second", "resnet"]
    assert [each["standing"] for each in models["runs"]] == ["front", "front"]

"""BoAmps reports: valid against the official schemas, nothing invented, every missing field listed, no energy lost."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import runpy
import typing
from pathlib import Path
from typing import Any

import pytest

from ecoia import catalogue
from ecoia.catalogue.boamps import DataFormat, DataType
from ecoia.errors import CatalogueError, UsageError
from ecoia.factors import default_factors
from ecoia.methods import Method
from ecoia.periods import Quarter
from ecoia.records import Record, fold
from ecoia.report import QuarterlyReport, build_report
from ecoia.report.model import Seal
from ecoia.semconv import PHASES
from ecoia.units import micro
from ecoia_dashboards.boamps import LACKING, LACKING_FILE, render_boamps
from support.organisation import SERVICES, write_catalogue
from support.records import DECLARED, kwh, record
from support.reports import sample_records, sample_report
from support.settings import make_settings

SCHEMAS = os.environ.get("BOAMPS_SCHEMA_DIR", "")
official = pytest.mark.skipif(not SCHEMAS, reason="BOAMPS_SCHEMA_DIR names no folder with the official BoAmps schemas")

BLOCK = """\
    boamps:
      task_family: text classification
      algorithms: [{name: LSA, type: nlp, framework: scikit-learn, parameters_billions: 0.001, layers: 1, epochs: 3}]
      datasets:
        - {usage: input, type: text, format: csv, size_gb: 0.2, quantity: 400, source: public, owner: Commission européenne}
        - {usage: output, type: tabular}
      infrastructure:
        type: onPremise
        components: [{type: cpu, count: 2, name: 'Xeon "Gold" <6226R>', share: 0.5}, {type: ram, count: 1, memory_gb: 86}]
      system: {os: linux, distribution: debian}
      software: {language: python, version: "3.11"}
      estimated_accuracy: good
      confidentiality: public
      licence: CC BY 4.0
      phases:
        - {phase: training, algorithms: [{foundation_model: small, training_type: transferLearning}], description: Entraînement.}
"""
REGISTER = f"services:\n  - id: vadore\n    name: VADORE\n    status: poc\n    functional_unit: rapprochement\n{BLOCK}"

SEAL = Seal("2026Q4", "2027-01-20", "0" * 64, None, None)


def report_of(folder: Path, *records: Record, services: str = REGISTER, **values: Any) -> QuarterlyReport:
    held = write_catalogue(folder, services=services)
    settings = make_settings(**{"zone": "FRA", **values})
    return build_report(fold(records), Quarter(2026, 4), settings=settings, catalogue=held, factors=default_factors())


def exported(folder: Path, *records: Record, **options: Any) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in render_boamps(report_of(folder, *records, **options)).items()}


def lacking(files: dict[str, Any], index: int = 0) -> dict[str, tuple[str, bool]]:
    """Missing fields of one task: why, and whether the format requires the field."""
    return {lack["field"]: (lack["why"], lack["required"]) for lack in files[LACKING_FILE]["tasks"][index]["lacking"]}


def validate(report: dict[str, Any]) -> None:
    from jsonschema import Draft4Validator
    from referencing import Registry, Resource

    held = [json.loads(path.read_text(encoding="utf-8")) for path in Path(SCHEMAS).glob("*_schema.json")]
    registry: Registry[Any] = Registry().with_resources((schema["id"], Resource.from_contents(schema)) for schema in held)
    (whole,) = (schema for schema in held if schema["title"] == "report")
    errors = list(Draft4Validator(whole, registry=registry).iter_errors(report))
    assert errors == []


@official
def test_the_example_of_the_format_is_valid_and_a_broken_one_is_not() -> None:
    example = json.loads((Path(SCHEMAS) / "example-llm-inference.json").read_text(encoding="utf-8"))
    validate(example)
    with pytest.raises(AssertionError):
        validate(example | {"infrastructure": {"infraType": "cellar", "components": []}})


@official
@pytest.mark.parametrize("seal", [None, SEAL])
def test_what_is_written_is_valid_against_the_official_schemas(tmp_path: Path, seal: Seal | None) -> None:
    records = [record(cpu=kwh(1), gpu=kwh(2), phase=phase, units_micro=micro(40), spans=4) for phase in PHASES]
    files = render_boamps(dataclasses.replace(report_of(tmp_path, *records), seal=seal))
    assert files.keys() == {LACKING_FILE, *(f"vadore-{phase}.json" for phase in PHASES)}
    for name, text in files.items():
        if name != LACKING_FILE:
            validate(json.loads(text))


@official
def test_the_example_organisation_exports_every_service_validly(repository: Path) -> None:
    held = catalogue.load(repository / "examples" / "organisation")
    rows = fold([record(cpu=kwh(1), service=service.id, zone="FRA") for service in held.services])
    report = build_report(rows, Quarter(2026, 4), settings=make_settings(), catalogue=held, factors=default_factors())
    files = render_boamps(report)
    assert files.keys() == {LACKING_FILE, *(f"{service.id}-inference.json" for service in held.services)}
    for name, text in files.items():
        if name != LACKING_FILE:
            validate(json.loads(text))
            assert "Exemple" in json.loads(text)["task"]["taskDescription"]


@official
def test_values_that_a_block_may_hold_are_those_of_the_format() -> None:
    schema = json.loads((Path(SCHEMAS) / "dataset_schema.json").read_text(encoding="utf-8"))["properties"]
    assert set(typing.get_args(DataType)) == set(schema["dataType"]["enum"])
    assert set(typing.get_args(DataFormat)) <= set(schema["dataFormat"]["enum"])


def test_figures_and_descriptions_go_where_the_format_has_them(tmp_path: Path) -> None:
    files = exported(
        tmp_path,
        record(minutes=10, cpu=kwh(1), gpu=kwh(2), ram=kwh(0.5), units_micro=micro(40), spans=4),
        record(cpu=kwh(3), phase="training", quality={"accuracy": 0.91}),
    )
    serving, training = files["vadore-inference.json"], files["vadore-training.json"]
    assert serving["measures"] == [
        {
            "measurementMethod": "ecoia",
            "cpuTrackingMode": "rapl",
            "gpuTrackingMode": "nvml",
            "powerConsumption": 3.5,
            "measurementDuration": 600.0,
        }
    ]
    assert serving["task"]["taskStage"] == "inference"
    assert serving["task"]["nbRequest"] == 40
    assert "rapprochement" in serving["task"]["taskDescription"]
    assert serving["infrastructure"]["components"][0] == {
        "componentName": 'Xeon "Gold" <6226R>',
        "componentType": "cpu",
        "nbComponent": 2,
        "share": 0.5,
    }
    assert serving["environment"]["country"] == "FRA"
    assert serving["environment"]["powerSourceCarbonIntensity"] > 0
    # Fields declared for a phase replace those of its service; the other fields stay the service's.
    assert serving["task"]["algorithms"][0]["algorithmName"] == "LSA"
    assert training["task"]["algorithms"] == [{"foundationModelName": "small", "trainingType": "transferLearning"}]
    assert training["task"]["dataset"] == serving["task"]["dataset"]
    assert training["task"]["measuredAccuracy"] == 0.91
    assert "nbRequest" not in training["task"]
    assert training["task"]["taskDescription"].startswith("Entraînement. ")


def test_only_what_the_format_requires_keeps_a_report_from_being_written(tmp_path: Path) -> None:
    bare = "services: [{id: vadore, name: VADORE, status: poc}]\n"
    files = exported(tmp_path / "bare", record(cpu=kwh(1)), services=bare)
    assert files.keys() == {LACKING_FILE}
    (task,) = files[LACKING_FILE]["tasks"]
    assert (task["service"], task["phase"], task.get("file")) == ("vadore", "inference", None)
    found = lacking(files)
    assert {field for field, (_, required) in found.items() if required} == {
        "task.taskFamily",
        "task.algorithms",
        "task.dataset",
        "infrastructure",
    }
    assert found["task.nbRequest"] == ("no-units", False)
    assert found["header"] == ("not-published", False)
    assert found["measures.version"] == ("not-recorded", False)
    assert all(lack["text"] for lack in task["lacking"])


def test_a_simulated_quarter_is_no_measure(tmp_path: Path) -> None:
    files = exported(tmp_path, record(cpu=kwh(1), simulated=True))
    assert files.keys() == {LACKING_FILE}
    assert lacking(files)["measures"] == ("simulated", True)


def test_a_phase_without_energy_is_no_measure(tmp_path: Path) -> None:
    files = exported(tmp_path, record(cpu=None, ram=None))
    assert files.keys() == {LACKING_FILE}
    assert lacking(files)["measures.powerConsumption"] == ("not-measured", True)


def test_a_missing_component_is_said_in_the_report_and_in_the_list(tmp_path: Path) -> None:
    read = record(cpu=kwh(1))
    unread = read.copy_with(method={**read.method, "gpu": Method("missing", "no-driver")})
    files = exported(tmp_path, unread)
    assert "gpu" in files["vadore-inference.json"]["task"]["taskDescription"]
    assert lacking(files)["measures.powerConsumption"] == ("component-missing", False)
    absent = read.copy_with(method={**read.method, "gpu": Method("missing", "no-device")})
    assert "measures.powerConsumption" not in lacking(exported(tmp_path, absent))


def test_declared_energy_is_not_said_to_be_measured(tmp_path: Path) -> None:
    declared = record(cpu=kwh(1), ram=None, methods={"cpu": DECLARED}, declared_source="facture")
    (measure,) = exported(tmp_path, declared)["vadore-inference.json"]["measures"]
    assert measure["measurementMethod"] == "declared"


@pytest.mark.parametrize(
    ("name", "quality"), [("wattmeter:undivided", "medium"), ("rapl", "low"), ("load-model:generic-tdp", None)]
)
def test_quality_is_that_of_the_interval_or_is_left_out(tmp_path: Path, name: str, quality: str | None) -> None:
    status = "estimated" if name.startswith("load") else "measured"
    files = exported(tmp_path, record(cpu=kwh(1), ram=None, methods={"cpu": Method(status, name)}))
    assert files["vadore-inference.json"].get("quality") == quality
    assert ("quality" in lacking(files)) == (quality is None)


def test_the_country_is_the_one_where_all_was_used_or_the_one_declared(tmp_path: Path) -> None:
    two = [record(cpu=kwh(1), zone="FRA"), record("2026-11-23T11:00", cpu=kwh(1), zone="DEU")]
    files = exported(tmp_path / "two", *two)
    assert "environment" not in files["vadore-inference.json"]
    assert lacking(files)["environment"] == ("several-zones", False)
    declares = REGISTER.replace("      system:", "      country: DEU\n      system:")
    said = exported(tmp_path / "declared", *two, services=declares)["vadore-inference.json"]
    assert said["environment"]["country"] == "DEU"
    recorded = exported(tmp_path / "recorded", two[0], services=declares)["vadore-inference.json"]
    assert recorded["environment"]["country"] == "FRA"
    partly = exported(tmp_path / "partly", two[0], record(cpu=kwh(1)), zone=None)
    assert "environment" not in partly["vadore-inference.json"], "some of the energy has no zone"
    nowhere = exported(tmp_path / "nowhere", record(cpu=kwh(1)), zone=None)
    assert "environment" not in nowhere["vadore-inference.json"]


def test_no_energy_is_lost_between_the_report_and_its_export(tmp_path: Path) -> None:
    services = SERVICES.replace("    stand_in: true\n", f"    stand_in: true\n{BLOCK}", 1)
    report = report_of(tmp_path, *sample_records(), services=services)
    files = {name: json.loads(text) for name, text in render_boamps(report).items()}
    energy = files[LACKING_FILE]["energy_kwh"]
    in_files = sum(file["measures"][0]["powerConsumption"] for name, file in files.items() if name != LACKING_FILE)
    assert in_files == pytest.approx(energy["in_the_reports"]) != 0
    whole = energy["in_the_reports"] + energy["of_tasks_without_report"] + sum(energy["of_no_task"].values())
    assert whole == pytest.approx(report.totals.energy_components.value)
    assert {task["service"] for task in files[LACKING_FILE]["tasks"]} == {result.service for result in report.results}


def test_equal_reports_give_equal_files_and_every_why_has_its_sentence(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    french, english = render_boamps(report), render_boamps(report, "en")
    assert french == render_boamps(report)
    assert french != english
    whys = {lack["why"] for task in json.loads(french[LACKING_FILE])["tasks"] for lack in task["lacking"]}
    assert whys <= LACKING.keys()
    with pytest.raises(UsageError, match="fr or en"):
        render_boamps(report, "de")


def test_a_published_quarter_has_a_header_and_its_terms(tmp_path: Path) -> None:
    report = dataclasses.replace(report_of(tmp_path, record(cpu=kwh(1))), seal=SEAL)
    files = render_boamps(report)
    header = json.loads(files["vadore-inference.json"])["header"]
    assert header["reportDatetime"] == "2027-01-20 00:00:00"
    assert header["licensing"] == "CC BY 4.0"
    assert header["publisher"]["confidentialityLevel"] == "public"
    assert header["reportStatus"] == "final"
    restated = render_boamps(dataclasses.replace(report, seal=dataclasses.replace(SEAL, name="2026Q4-r1")))
    assert json.loads(restated["vadore-inference.json"])["header"]["reportStatus"] == "corrective"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{task_familly: x}", "boamps.task_familly: no such field: did you mean 'task_family'"),
        ("{algorithms: [{}]}", "'name', 'foundation_model' or 'type'"),
        ("{algorithms: [{name: a, parameter: 3}]}", "boamps.algorithms[0].parameter: no such field"),
        ("{algorithms: []}", "empty: write at least 1 item"),
        ("{datasets: [{usage: both, type: text}]}", "'both': choose one of 'input', 'output'"),
        ("{datasets: [{usage: input, type: text, owner: jean.dupont@example.org}]}", "never a person"),
        ("{infrastructure: {type: onPremise, components: [{type: cpu, count: 0}]}}", "components[0].count: 0"),
        ("{infrastructure: {type: cloud, components: [{type: cpu, count: 1}]}}", "choose one of 'publicCloud'"),
        ("{phases: [{phase: training}, {phase: training}]}", "write each phase once"),
        ("{phases: [{phase: serving}]}", "'serving': choose one of"),
        ("{country: France}", "ISO 3166-1 alpha-3"),
    ],
)
def test_a_wrong_block_names_line_field_and_remedy(tmp_path: Path, block: str, said: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        write_catalogue(tmp_path, services=f"services:\n  - id: vadore\n    name: V\n    status: poc\n    boamps: {block}\n")
    assert "services.yaml:5: services[0].boamps" in str(caught.value)
    assert said in str(caught.value)


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    hostile = '"}], "quality": "high\u202e</script>=1+1'
    services = REGISTER.replace("task_family: text classification", f"task_family: {json.dumps(hostile)}")
    text = render_boamps(report_of(tmp_path, record(cpu=kwh(1)), services=services))["vadore-inference.json"]
    assert json.loads(text)["task"]["taskFamily"] == hostile
    assert "\u202e" not in text, "a mark of direction is escaped: the file reads as what it holds"


@pytest.mark.checkout
def test_the_block_of_the_documentation_loads_and_is_enough_for_a_report(repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs" / "exports.md").read_text(encoding="utf-8")
    (block,) = (found for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "boamps:" in found)
    files = exported(tmp_path, record(cpu=kwh(1), phase="training"), services=block)
    assert files["vadore-training.json"]["task"]["dataset"][0]["dataQuantity"] == 120_000
    assert all(f"`{name}`" in text for name in ("manquants.json", "in_the_reports", "of_tasks_without_report", "of_no_task"))


def test_the_demo_describes_its_stand_ins_and_not_the_services_that_they_stand_in_for(tmp_path: Path, repository: Path) -> None:
    demo = runpy.run_path(str(repository / "examples" / "demo" / "run.py"))
    demo["prepare"](tmp_path / "demo-output")
    held = catalogue.load(tmp_path / "demo-output" / "catalogue")
    rows = fold([record(cpu=kwh(1), service=service, phase="training") for service in demo["STAND_INS"]])
    report = build_report(rows, Quarter(2026, 4), settings=make_settings(zone="FRA"), catalogue=held, factors=default_factors())
    files = render_boamps(report)
    assert files.keys() == {LACKING_FILE, *(f"{service}-training.json" for service in demo["STAND_INS"])}
    for name in files.keys() - {LACKING_FILE}:
        task = json.loads(files[name])["task"]
        if SCHEMAS:
            validate(json.loads(files[name]))
        assert task["algorithms"][0]["framework"] == "scikit-learn"
        assert "Exemple" not in task["taskDescription"]
        assert "tient lieu du service" in task["taskDescription"]

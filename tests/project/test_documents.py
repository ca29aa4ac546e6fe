"""The documents run: every code block of every page, in the order of the page, or a comment beside it that says why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
import yaml

from ecoia import catalogue, settings
from ecoia.cli import app
from ecoia.evaluating import gate, model_card
from ecoia.keeping.declared import read_activity
from ecoia.meters.wattmeter import WattmeterMeter
from ecoia.watching.group_rules import read_rules
from ecoia_dashboards.dashboard.readers import read_readers
from support.command_line import fill
from support.documents import Block, code_blocks, documents
from support.environment import clean_environment
from support.factor_files import generic, xls
from support.mlflow_stores import MLFLOW_WARNINGS, migrated
from support.organisation import CHARTER, SERVICES, TARGETS
from support.records import kwh, outcome, record
from support.warm_commands import warm_folder

__all__ = ["migrated"]

pytestmark = [pytest.mark.checkout, *(pytest.mark.filterwarnings(warning) for warning in MLFLOW_WARNINGS)]

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [page for page in documents(REPOSITORY) if code_blocks(page)]
BLOCKS = [block for page in PAGES for block in code_blocks(page)]

NOT_RUN = 32
"""Blocks that say why they aren't run. A block is better run: lower this number, and raise it only with a good reason."""

# The services that the pages name beside those of the builders, in a register of their own.
MORE_SERVICES = """\
  - {id: assistant, name: Assistant, status: generalised, functional_unit: réponse proposée}
"""
BOAMPS = """
    quality: {accuracy: higher}
    boamps:
      task_family: matching
      algorithms: [{name: LSA, type: nlp}]
      datasets: [{usage: input, type: text}, {usage: output, type: tabular}]
      infrastructure: {type: onPremise, components: [{type: cpu, count: 2}]}
      country: FRA
"""
ACTIVITY = """\
service,phase,start,end,energy_kwh,vcpu_hours,watts_per_vcpu,units,source
vadore,inference,2026-10-01,2026-10-31,412.5,,,,facture du prestataire 2026-10
"""
PROGRAM = """\
import ecoia

with ecoia.track(service="assistant", phase="inference") as span:
    span.units(len([number * number for number in range(300_000)]) // 1000)
"""


def _records() -> list[Any]:
    """Work of four quarters: ``vadore`` in each, ``assistant`` as five runs of an experiment."""
    found = []
    for number, day in enumerate(("2026-02-10", "2026-05-12", "2026-08-18", "2026-11-23")):
        found += [
            record(f"{day}T10:00", cpu=kwh(20 - number), ram=kwh(1), phase="training", run_id=f"run-{number}", zone="FRA",
                   quality={"accuracy": 0.93 - number / 100}),
            outcome(f"{day}T10:01", f"run-{number}", "ok"),
            record(f"{day}T11:00", cpu=kwh(5), units_micro=1_000_000_000, zone="FRA"),
            *(
                record(f"{day}T12:0{run}", cpu=kwh(0.01), service="assistant", run_id=f"try-{number}-{run}",
                       units_micro=10_000_000, zone="FRA")
                for run in range(5)
            ),
        ]  # fmt: skip
    return found


def _shell(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def _environment(folder: Path) -> dict[str, str]:
    return clean_environment() | {
        "PATH": os.pathsep.join((str(warm_folder()), str(Path(sys.executable).parent), os.environ["PATH"])),
        "ECOIA_HOME": str(folder / "home"),
        "ECOIA_DELIVERY": "manual",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "COLUMNS": "200",
    }


@pytest.fixture(scope="module")
def organisation(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an organisation that uses ecoia has it: settings, catalogue, journal, ledger, one published quarter."""
    folder = tmp_path_factory.mktemp("organisation")
    shutil.copy(migrated, folder / "mlflow.db")
    for name, text in {
        "ecoia.toml": 'zone = "FRA"\ncatalogue = "catalogue"\npublications = "publications"\n',
        "catalogue/services.yaml": SERVICES.replace(
            "    functional_unit: rapprochement proposé\n", f"    functional_unit: rapprochement proposé{BOAMPS}"
        )
        + MORE_SERVICES,
        "catalogue/charter.yaml": CHARTER,
        "catalogue/targets.yaml": TARGETS,
        "activity.csv": ACTIVITY,
        "train.py": PROGRAM,
        "energy_benchmark.py": PROGRAM,
        "budgets.toml": "[assistant.inference]\nenergy_per_unit_wh = 2.0\n",
        "ademe-2027.csv": generic("FRA,2020-01-01,2028-01-01,40"),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    rte = xls([("2025-01-01", f"{hour:02}:{minute}", "40") for hour in range(24) for minute in ("00", "15", "30", "45")])
    (folder / "eCO2mix_RTE_Annuel-Definitif_2025.xls").write_text(rte, encoding="cp1252")
    fill(folder / "home", *_records())
    said = "--source SDES --licence CC0-1.0 --scope lifecycle --basis consumption"
    _shell(
        f"""
        openssl genpkey -algorithm ed25519 -out ecoia.pem
        openssl pkey -in ecoia.pem -pubout -out ecoia-public.pem
        ecoia factors import ademe-2027.csv --as generic --id ademe-2027 {said}
        ecoia deliver
        ecoia publish --quarter 2026Q1 --format html --key ecoia.pem
        ecoia check --save main
        """,
        folder,
        _environment(folder),
    )
    return folder


ELSEWHERE = (REPOSITORY / "README.md", REPOSITORY / "docs" / "extending.md")
"""Pages that test_readme.py and test_extending.py run, in a place of their own."""


@pytest.mark.mlflow
@pytest.mark.timeout(1200)  # docs/cli.md runs some thirty programs, one after the other
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in ELSEWHERE], ids=lambda page: page.relative_to(REPOSITORY).as_posix()
)
def test_the_blocks_of_a_page_run_from_top_to_bottom(page: Path, organisation: Path, tmp_path: Path) -> None:
    work = tmp_path / "page"
    shutil.copytree(organisation, work)
    if not any(block.reason is None and block.language in ("bash", "console") for block in code_blocks(page)):
        shutil.rmtree(work / "home")  # no command reads the journal, so a program starts with an empty one
    environment = _environment(work)
    for block in code_blocks(page):
        if block.reason is None:
            assert block.language in RUNNERS, f"{block}: nothing here can run this language: write a runner, or say 'not run'"
            RUNNERS[block.language](block, work, environment)


def _run_python(block: Block, folder: Path, environment: dict[str, str]) -> None:
    script = folder / f"block{block.line}.py"
    script.write_text(f"{block.given}{block.text}", encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


def _run_shell(block: Block, folder: Path, environment: dict[str, str]) -> None:
    # Installing is tested by the wheel's tests; make's targets are compared with the Makefile below.
    script = re.sub(r"^(pip|make) .*$", "", block.shell, flags=re.MULTILINE)
    _shell(script, folder, environment)


def _run_sql(block: Block, folder: Path, environment: dict[str, str]) -> None:
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert duckdb.sql(block.text).fetchall()
    finally:
        os.chdir(here)


_CATALOGUE_FILES = {
    "services": "services.yaml",
    "calibrations": "calibration.yaml",
    "host_models": "host-models.yaml",
    "crosschecks": "crosschecks.yaml",
    "sites": "sites.yaml",
    "equipment": "equipment.yaml",
    "contracts": "contracts.yaml",
    "actions": "committees.yaml",
    "gsd": "method.yaml",
    "scope": "factors.yaml",
    "use": "equivalences.yaml",
    "hosted_factors": "hosted_factors.yaml",
}
"""The file of the catalogue that a block shows, by a key that only this file has, first match first."""


def _read_yaml(block: Block, folder: Path, environment: dict[str, str]) -> None:
    keys = yaml.safe_load(block.text)
    if "readers" in keys:
        file = folder / f"block{block.line}.yaml"
        file.write_text(block.text, encoding="utf-8")
        assert read_readers(file, {service["id"] for service in yaml.safe_load(SERVICES)["services"]})
        return
    if model_card.KEY in keys:
        assert set(keys[model_card.KEY]) == {"emissions", "source", "training_type", "geographical_location", "hardware_used"}
        return
    name = next(file for key, file in _CATALOGUE_FILES.items() if key in keys)
    alone = folder / f"block{block.line}"
    alone.mkdir()
    (alone / "charter.yaml").write_text(CHARTER, encoding="utf-8")  # names the committees
    (alone / name).write_text(f"{block.given}{block.text}", encoding="utf-8")
    catalogue.load(alone)


def _read_toml(block: Block, folder: Path, environment: dict[str, str]) -> None:
    data = tomllib.loads(block.text)
    alone = folder / f"block{block.line}"
    alone.mkdir()
    file = alone / "ecoia.toml"
    file.write_text(block.text, encoding="utf-8")
    if "rule" in data:
        assert read_rules(file)
    elif all(isinstance(value, dict) for value in data.values()):
        assert gate.read_budgets(file)
    else:
        (alone / str(data.get("catalogue", "catalogue"))).mkdir()
        found = settings.load(start=alone)
        assert not found.problems
        tables = data.pop("mlflow", {})
        assert found.experiments == tables.get("experiments", {})
        assert {name: found.values[name].origin for name in data} == dict.fromkeys(data, "ecoia.toml")


def _read_csv(block: Block, folder: Path, environment: dict[str, str]) -> None:
    header = block.text.partition("\n")[0].split(",")
    file = folder / f"block{block.line}.csv"
    file.write_text(block.text, encoding="utf-8")
    if header == ["time", "watts"]:
        assert WattmeterMeter(file).is_silent
    elif "energy_kwh" in header:
        assert read_activity(file, settings.load())
    else:
        alone = folder / f"block{block.line}"
        alone.mkdir()
        file.rename(alone / ("regions.csv" if header[0] == "region" else "outcomes.csv"))
        found = catalogue.load(alone)
        assert found.regions or found.outcomes


RUNNERS: dict[str, Callable[[Block, Path, dict[str, str]], None]] = {
    "bash": _run_shell,
    "console": _run_shell,
    "csv": _read_csv,
    "python": _run_python,
    "sql": _run_sql,
    "toml": _read_toml,
    "yaml": _read_yaml,
}


def test_blocks_that_are_not_run_say_why_and_stay_few() -> None:
    left_out = [block for block in BLOCKS if block.reason is not None]
    print(*(f"{block}: {block.reason}" for block in left_out), sep="\n")
    assert all(len(block.reason or "") > 20 for block in left_out), "a reason is a sentence"
    assert len(left_out) == NOT_RUN


def test_every_command_in_a_page_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    wrong = []
    for block in BLOCKS:
        if block.language not in ("bash", "console"):
            continue
        for words in block.commands:
            if words[0] != "ecoia" or len(words) == 1:
                continue
            wrong += [f"{block}: {problem}" for problem in _problems_of(group, words[1:])]
    assert not wrong


def _problems_of(command: Any, words: list[str]) -> list[str]:
    while hasattr(command, "commands") and words:
        default = getattr(command, "default", None)
        if words[0] in command.commands:
            command, words = command.commands[words[0]], words[1:]
        elif default is not None:
            command = command.commands[default]
        elif words[0].startswith("-"):
            break
        else:
            return [f"no command '{words[0]}'"]
    words = words[: words.index("--")] if "--" in words else words
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return [f"no option '{word}' of '{command.name}'" for word in words if word.startswith("--") and word not in options]


def test_pages_install_extras_and_call_targets_that_exist(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for block in BLOCKS:
        for words in block.commands if block.language in ("bash", "console") else ():
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"{block}: {words}"
            elif words[0] == "pip":
                named = re.fullmatch(r"(?:\.|ecoia)(?:\[([a-z,]+)\])?", words[2])
                assert named, f"{block}: {words}"
                assert set((named[1] or "report").split(",")) <= extras.keys(), f"{block}: {words}"

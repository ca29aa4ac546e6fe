"""The pipelines under ``integrations/ci``: they parse, their commands run as a runner runs them, they fail when they should."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from ecoia.cli.formats import chosen_formats
from support.environment import clean_environment
from support.warm_commands import warm_folder

pytestmark = pytest.mark.checkout

# In place of the measured benchmark: write the journal that one run of it leaves, with energy that is given, not measured.
BENCHMARK = """\
import os
from ecoia.cli.formats import chosen_formats
from ecoia.keeping.journal import Journal
from ecoia.methods import Method
from ecoia.records import Record

none = Method("missing", "no-device")
writer = Journal(os.environ["ECOIA_HOME"]).writer()
writer.append([Record(
    record_id=os.urandom(8).hex(), kind="span", service="assistant", phase="inference", instance="runner", pid=os.getpid(),
    start_utc_ns=1_795_000_000_000_000_000, end_utc_ns=1_795_000_001_000_000_000, spans=1, units_micro=100_000_000,
    energy_microjoules={"cpu": round(float(os.environ["WH_PER_UNIT"]) * 100 * 3_600_000_000), "gpu": None, "ram": None},
    method={"cpu": Method("measured", "rapl"), "gpu": none, "ram": none},
)])
writer.close()
"""
MEASURED = """\
import ecoia

with ecoia.track(service="assistant", phase="inference") as span:
    span.units(len([number * number for number in range(300_000)]) // 1000)
"""


@pytest.fixture
def snippets(repository: Path) -> dict[str, Any]:
    folder = repository / "integrations" / "ci"
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.glob("*.yml")}


class Runner:
    """A project folder in which pipelines run one after the other; files that a cache would restore stay, others are removed."""

    def __init__(self, project: Path, repository: Path, benchmark: str) -> None:
        self.project = project
        project.mkdir()
        (project / "energy_benchmark.py").write_text(benchmark, encoding="utf-8")
        (project / "budgets.toml").write_text("[assistant.inference]\nenergy_per_unit_wh = 2.0\n", encoding="utf-8")
        self.environment = clean_environment() | {
            "PATH": os.pathsep.join((str(warm_folder()), str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": os.pathsep.join([str(repository / "src"), os.environ.get("PYTHONPATH", "")]),
            "ECOIA_DELIVERY": "manual",
        }
        self.pipelines = 0

    def run(self, commands: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        self.pipelines += 1
        for name in ("energy.xml", "energy.md"):
            (self.project / name).unlink(missing_ok=True)
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(commands)],
            cwd=self.project,
            env={**self.environment, "ECOIA_HOME": str(self.project / ".ecoia" / f"journal-{self.pipelines}"), **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def verdicts(self) -> list[str]:
        return [child.tag for case in ElementTree.parse(self.project / "energy.xml").getroot() for child in case]  # noqa: S314


@pytest.fixture
def runner(tmp_path: Path, repository: Path) -> Runner:
    return Runner(tmp_path / "project", repository, BENCHMARK)


def steps_of(snippet: dict[str, Any]) -> list[dict[str, Any]]:
    (job,) = snippet["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def gitlab(snippets: dict[str, Any], job: str) -> list[str]:
    commands: list[str] = snippets["gitlab-ci"][job]["script"]
    return commands


def github(snippets: dict[str, Any]) -> list[str]:
    return [step["run"] for step in steps_of(snippets["github-actions"]) if step.get("name") in ("Measure", "Check")]


def test_in_gitlab_main_keeps_a_baseline_and_a_merge_request_is_held_to_it(snippets: dict[str, Any], runner: Runner) -> None:
    first = runner.run(gitlab(snippets, "ecoia-check"), WH_PER_UNIT="1.0")
    assert first.returncode == 0, first.stderr
    assert "No baseline yet" in first.stdout
    kept = runner.run(gitlab(snippets, "ecoia-baseline"), WH_PER_UNIT="1.0")
    assert kept.returncode == 0, kept.stderr
    same = runner.run(gitlab(snippets, "ecoia-check"), WH_PER_UNIT="1.0")
    assert same.returncode == 0, same.stderr
    assert "against main" in same.stdout
    worse = runner.run(gitlab(snippets, "ecoia-check"), WH_PER_UNIT="1.5")
    assert worse.returncode == 1
    assert runner.verdicts().count("failure") == 1
    over = runner.run(gitlab(snippets, "ecoia-baseline"), WH_PER_UNIT="3.0")
    assert over.returncode == 1
    assert runner.verdicts() == ["failure"]


def test_in_github_main_keeps_a_baseline_and_a_pull_request_is_held_to_it(snippets: dict[str, Any], runner: Runner) -> None:
    pull, push = {"GITHUB_REF": "refs/pull/7/merge"}, {"GITHUB_REF": "refs/heads/main"}
    first = runner.run(github(snippets), WH_PER_UNIT="1.0", **pull)
    assert (first.returncode, "No baseline yet" in first.stdout) == (0, True), first.stderr
    assert runner.run(github(snippets), WH_PER_UNIT="1.0", **push).returncode == 0
    assert runner.run(github(snippets), WH_PER_UNIT="1.0", **pull).returncode == 0
    assert runner.run(github(snippets), WH_PER_UNIT="1.5", **pull).returncode == 1
    (show,) = (step["run"] for step in steps_of(snippets["github-actions"]) if step.get("name") == "Show the summary")
    summary = runner.project / "summary.md"
    subprocess.run(
        ["bash", "-ec", show], cwd=runner.project, env={**runner.environment, "GITHUB_STEP_SUMMARY": str(summary)}, check=True
    )
    assert "regressed" in summary.read_text(encoding="utf-8")


def test_what_the_snippets_write_is_what_they_hand_on(snippets: dict[str, Any]) -> None:
    common = snippets["gitlab-ci"][".ecoia"]
    assert common["artifacts"]["reports"]["junit"] == "energy.xml"
    assert common["artifacts"]["paths"] == ["energy.md"]
    assert common["artifacts"]["when"] == "always", "the reasons of a failure are what is looked for"
    assert common["cache"]["paths"] == [".ecoia/baselines"]
    assert [snippets["gitlab-ci"][job]["cache"]["policy"] for job in ("ecoia-baseline", "ecoia-check")] == ["push", "pull"]
    steps = steps_of(snippets["github-actions"])
    uploads = [step for step in steps if str(step.get("uses")).startswith("actions/upload-artifact")]
    assert [step["with"]["path"] for step in uploads] == ["energy.xml"]
    caches = [step["with"]["path"] for step in steps if str(step.get("uses")).startswith("actions/cache")]
    assert caches == [".ecoia/baselines"] * 2
    assert all("always()" in step["if"] for step in steps[-3:]), "also when the gate fails"


def test_what_a_program_measures_of_itself_is_what_is_checked(tmp_path: Path, repository: Path) -> None:
    runner = Runner(tmp_path / "project", repository, MEASURED)
    done = runner.run([*["python energy_benchmark.py"] * 2, "ecoia check --save main"])
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((runner.project / ".ecoia" / "baselines" / "main.json").read_text(encoding="utf-8"))["measured"]
    assert (found["service"], found["phase"], len(found["repeats"])) == ("assistant", "inference", 2)
    assert found["units_micro"] == 2 * 300 * 1_000_000


def test_the_example_of_the_documentation_is_measured_and_its_budget_is_read(tmp_path: Path, repository: Path) -> None:
    text = (repository / "docs" / "ci.md").read_text(encoding="utf-8")
    program, budgets = (re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0] for language in ("python", "toml"))
    runner = Runner(tmp_path / "project", repository, textwrap.dedent(program))
    (runner.project / "budgets.toml").write_text(textwrap.dedent(budgets), encoding="utf-8")
    done = runner.run(["python energy_benchmark.py", "ecoia check --budget budgets.toml --markdown energy.md"])
    assert done.returncode in (0, 1), done.stderr
    assert "| assistant | inference | budget |" in (runner.project / "energy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["draft-report-gitlab-ci.yml", "draft-report-github-actions.yml"])
def test_a_pipeline_writes_the_draft_each_week_with_a_command_that_exists(name: str, repository: Path) -> None:
    text = (repository / "integrations" / "ci" / name).read_text(encoding="utf-8")
    assert yaml.safe_load(text)
    (command,) = re.findall(r"(?:- |run: )(ecoia report .*)", text)
    words = command.split()[2:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert chosen_formats(options.pop("--format")) == ("json", "html", "pdf", "xlsx")
    assert options == {"--out": "report"}

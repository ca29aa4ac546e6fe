"""The documentation runs: the README's blocks from top to bottom, its links, and the table of settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ecoia import catalogue
from ecoia.keeping.journal import Journal
from ecoia.meters.wattmeter import WattmeterMeter
from ecoia.settings import SETTINGS
from support.documents import blocks, commands


def test_the_readme_runs_from_top_to_bottom(repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = repository / "README.md"
    work = Path.cwd()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{work / 'mlflow.db'}")
    (work / "ecoia.toml").write_text('zone = "FRA"\n', encoding="utf-8")
    for number, block in enumerate(blocks(readme, "python")):
        script = work / f"block{number}.py"
        script.write_text(block, encoding="utf-8")
        subprocess.run([sys.executable, script], check=True, timeout=120)
    for words in commands(readme):
        if words[0] == "ecoia":
            done = subprocess.run(words, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"

    spans = [record for record in Journal(home).scan().records if record.kind == "span"]
    measured = {(record.service, record.phase) for record in spans}
    assert measured == {("vadore", "training"), ("vadore", "inference"), ("smart-emploi", "training")}
    assert sum(record.units_micro or 0 for record in spans) == 199_999 * 1_000_000
    assert len(list(work.glob("rapport-*.html"))) == len(list(work.glob("rapport-*.json"))) == 1


def test_the_examples_for_whoever_tests_run(repository: Path, home: Path) -> None:
    found = blocks(repository / "docs" / "testing.md", "python")
    assert found
    for number, block in enumerate(found):
        script = Path.cwd() / f"block{number}.py"
        script.write_text(block, encoding="utf-8")
        subprocess.run([sys.executable, "-W", "error", script], check=True, timeout=120)


def test_what_the_readme_installs_is_there(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    found = commands(repository / "README.md")
    assert ["make", "demo"] in found
    for words in found:
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words
        elif words[0] == "pip":
            assert words[1] == "install"
            assert words[2] == "." or words[2][2:-1] in extras, words
        else:
            assert words[0] == "ecoia", words
    assert "`make test`" in (repository / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs", "examples", "benchmarks"])
def test_links_between_files_lead_somewhere(repository: Path, name: str) -> None:
    root = repository / name
    for page in [root] if root.is_file() else root.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_setting_is_documented_with_its_variable_and_no_other(repository: Path) -> None:
    text = (repository / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \|", text, re.MULTILINE)
    assert {(name, variable) for name, variable, _ in rows} == {(setting.name, setting.variable) for setting in SETTINGS}
    defaults = {name: default for name, _, default in rows}
    for setting in SETTINGS:
        default = setting.default()
        if default is None:
            assert defaults[setting.name] == "none"
        elif setting.name not in ("home", "instance"):  # these depend on the machine
            shown = re.match(r"`(.+?)`", defaults[setting.name])
            assert shown is not None
            assert setting.check(shown[1]) == default, setting.name


def test_the_files_that_the_configuration_shows_are_legal(repository: Path, tmp_path: Path) -> None:
    page = repository / "docs" / "configuration.md"
    names = ("services", "calibration", "sites", "equipment", "method", "equivalences")
    (samples, outcomes, regions) = blocks(page, "csv")
    for name, text in zip(names, blocks(page, "yaml"), strict=True):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "outcomes.csv").write_text(outcomes, encoding="utf-8")
    (tmp_path / "regions.csv").write_text(regions, encoding="utf-8")
    found = catalogue.load(tmp_path)
    assert [len(part) for part in (found.calibrations, found.sites, found.equipment, found.outcomes, found.regions)] == [1] * 5
    (tmp_path / "w.csv").write_text(samples, encoding="utf-8")
    assert WattmeterMeter(tmp_path / "w.csv").is_silent


def test_every_command_is_documented(repository: Path) -> None:
    ecoia = Path(sys.executable).with_name("ecoia")
    wide = {**os.environ, "COLUMNS": "200"}
    help_text = subprocess.run([ecoia, "--help"], capture_output=True, text=True, check=True, env=wide).stdout
    names = set(re.findall(r"^[│|]?\s{1,3}([a-z][a-z-]+)\s{2,}\S", help_text, re.MULTILINE))
    assert {"run", "report", "deliver", "journal", "doctor", "config"} <= names, help_text
    documents = [repository / "README.md", *(repository / "docs").glob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents)
    missing = {name for name in names if f"ecoia {name}" not in text}
    assert not missing

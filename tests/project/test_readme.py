"""The README runs from top to bottom; links between files, the table of settings and the list of commands are complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecoia.keeping.journal import Journal
from ecoia.settings import SETTINGS
from support.documents import code_blocks, commands
from support.mlflow_stores import migrated
from support.warm_commands import warm_folder

__all__ = ["migrated"]  # a fixture


def test_the_readme_runs_from_top_to_bottom(
    repository: Path, home: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = repository / "README.md"
    work = Path.cwd()
    shutil.copy(migrated, work / "mlflow.db")
    monkeypatch.setenv("PATH", os.pathsep.join((str(warm_folder()), str(Path(sys.executable).parent), os.environ["PATH"])))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{work / 'mlflow.db'}")
    monkeypatch.setenv("ECOIA_DELIVERY", "manual")
    for block in code_blocks(readme):
        if block.language == "python":
            named = re.match(r"# (\w+\.py)\n", block.text)
            script = work / (named[1] if named else "ten_lines.py")
            script.write_text(block.text, encoding="utf-8")
            if not named:
                subprocess.run([sys.executable, script], check=True, timeout=600)
        else:
            typed = re.sub(r"^(make|pip) .*$", "", block.shell, flags=re.MULTILINE)
            done = subprocess.run(["bash", "-euc", typed], capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"

    spans = [record for record in Journal(home).scan().records if record.kind == "span"]
    measured = {(record.service, record.phase) for record in spans}
    assert measured == {("vadore", "training"), ("vadore", "inference"), ("smart-emploi", "training")}
    shown = subprocess.run(["ecoia", "runs", "--json"], capture_output=True, text=True, check=True, timeout=600).stdout
    runs = {run["name"]: run for run in map(json.loads, shown.splitlines())}
    assert {"baseline", "iris"} <= runs.keys(), "the run of the ten lines, and that of a script that nobody changed"
    assert all(runs[name]["energy_wh"] > 0 and runs[name]["service"] == "vadore" for name in ("baseline", "iris"))
    assert sum(record.units_micro or 0 for record in spans) == 199_999 * 1_000_000
    assert len(list(work.glob("rapport-*.html"))) == len(list(work.glob("rapport-*.json"))) == 1


def test_the_readme_shows_how_to_start_and_to_test(repository: Path) -> None:
    found = commands(repository / "README.md")
    assert ["make", "demo"] in found
    assert {words[0] for words in found} <= {"make", "pip", "export", "python", "ecoia"}
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

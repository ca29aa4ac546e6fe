"""The layers are a contract: import-linter checks it, here and in ``make lint``."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


@pytest.mark.checkout
def test_imports_go_one_way(repository: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.checkout
def test_every_folder_of_the_core_has_its_layer(repository: Path) -> None:
    """A new folder without a layer would be free to import anything."""
    contracts = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["ecoia"])
    named = {name.strip() for layer in layers for name in re.split(r"[|:]", layer)}
    modules = {path.stem for path in (repository / "src" / "ecoia").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert named == modules - {"__init__", "__pycache__", "testing"}


@pytest.mark.checkout
def test_the_root_of_the_core_holds_few_modules(repository: Path) -> None:
    """A stranger takes in twelve names at a glance; what only some folders use belongs into a folder."""
    modules = {path.stem for path in (repository / "src" / "ecoia").glob("*.py")} - {"__init__", "__main__"}
    assert len(modules) <= 12, sorted(modules)


@pytest.mark.checkout
def test_no_test_module_imports_another(repository: Path) -> None:
    """Nor does a program that a test starts. Code that two of them need goes to ``support``."""
    importing = re.compile(r"^\s*(?:from|import)\s+(?:[\w.]+\.)?(?:test_\w+|conftest)\b", re.MULTILINE)
    modules = [*(repository / "tests").rglob("*.py"), *(repository / "benchmarks").rglob("*.py")]
    found = {path.name: importing.findall(path.read_text(encoding="utf-8")) for path in modules}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_measuring_loads_nothing_heavy() -> None:
    """Count the modules that ``import ecoia`` and a first span load in a fresh interpreter."""
    heavy = ("mlflow", "pandas", "numpy", "narwhals", "plotly", "pydantic", "typer", "rich", "yaml", "codecarbon")
    program = (
        "import sys, ecoia\n"
        "with ecoia.track(service='vadore', phase='inference'): pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.checkout
def test_the_table_of_tasks_names_files_that_exist(repository: Path) -> None:
    page = (repository / "docs/architecture.md").read_text(encoding="utf-8")
    table = page[page.index("## Where do I...") :]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        paths = re.findall(r"`((?:src|integrations|dashboards|tests)/[^`]+)`", row)
        assert paths, row
        assert [path for path in paths if not (repository / path).is_file()] == [], row

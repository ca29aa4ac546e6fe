"""The page that shows how to extend ecoia: its changes apply to a copy of the sources, and its tests pass there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.documents import Block, code_blocks
from support.environment import clean_environment

pytestmark = pytest.mark.checkout

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "extending.md"
ROOTS = ("src", "integrations", "dashboards")


def sections() -> dict[str, list[Block]]:
    """The blocks of each section that has any, by its title."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found: dict[str, list[Block]] = {}
    for block in code_blocks(PAGE):
        title = next(line for line in reversed(lines[: block.line]) if line.startswith("## "))
        found.setdefault(title.removeprefix("## "), []).append(block)
    return found


def apply(diff: str, root: Path) -> None:
    """Change a file: the old lines of each hunk must stand in it exactly once."""
    header, *hunks = re.split(r"^@@.*\n", diff, flags=re.MULTILINE)
    (name,) = re.findall(r"^\+\+\+ (\S+)$", header, re.MULTILINE)
    text = (root / name).read_text(encoding="utf-8")
    for hunk in hunks:
        lines = hunk.splitlines()
        assert all(line[:1] in ("", " ", "+", "-") for line in lines), hunk
        old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        assert text.count(old) == 1, f"{name} holds these lines {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("title", sections())
def test_the_steps_of_a_section_work_on_a_copy_of_the_sources(title: str, tmp_path: Path) -> None:
    root, work = tmp_path / "checkout", tmp_path / "work"
    work.mkdir()
    for name in ROOTS:
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = clean_environment() | {
        "PYTHONPATH": os.pathsep.join([*(str(root / name) for name in ROOTS), str(REPOSITORY / "tests")]),
        "ECOIA_HOME": str(tmp_path / "home"),
        "ECOIA_DELIVERY": "manual",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    ran = 0
    for block in sections()[title]:
        if block.reason is not None:
            continue
        path = re.match(r"(?:# |<!-- )((?:src|integrations|dashboards)/\S+)(?: -->)?\n", block.text)
        if block.language == "diff":
            apply(block.text, root)
        elif path is not None:
            assert not (root / path[1]).exists(), f"{path[1]} exists: show a diff"
            (root / path[1]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1]).write_text(block.text.partition("\n")[2], encoding="utf-8")
        elif block.language == "python":
            ran += 1
            script = work / f"block{block.line}.py"
            script.write_text(f"{block.given}{block.text}", encoding="utf-8")
            done = subprocess.run(
                [sys.executable, script], cwd=work, env=environment, capture_output=True, text=True, timeout=600
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    assert ran or all(block.reason for block in sections()[title]), "a section ends with a test"

"""``ecoia factors``: sets are brought, shown, compared and put in use; what fails leaves what was there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecoia import catalogue
from support.command_line import ecoia, fill
from support.documents import blocks
from support.factor_files import generic, xls
from support.records import kwh, record

VARYING = generic("FRA,2026-11-23T10:00Z,2026-11-23T10:30Z,18", "FRA,2026-11-23T11:00Z,2026-11-23T11:30Z,22")
SAID = ("--source", "fournisseur", "--licence", "CC0-1.0", "--scope", "lifecycle", "--basis", "consumption")


@pytest.fixture
def organisation(monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty catalogue, in use."""
    folder = Path.cwd() / "organisation"
    folder.mkdir()
    monkeypatch.setenv("ECOIA_CATALOGUE", str(folder))
    return folder


def bring(text: str = VARYING, set_id: str = "ours", *more: str) -> str:
    """Import a generic file; what was said."""
    Path("grid.csv").write_text(text, encoding="utf-8")
    result = ecoia("factors", "import", "grid.csv", "--as", "generic", "--id", set_id, *SAID, *more)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout + result.stderr)


def test_the_built_in_sets_are_listed_and_the_default_is_in_use() -> None:
    result = ecoia("factors", "list")
    assert result.exit_code == 0
    assert re.search(r"^ \* +default ", result.stdout, re.MULTILINE)
    assert "in use: default, lifecycle, production; gaps: not filled" in result.stdout
    assert "CC BY 4.0" in ecoia("factors", "show", "ember").stdout


def test_a_set_is_imported_then_used_and_the_report_says_so(organisation: Path, home: Path, tmp_path: Path) -> None:
    fill(home, record("2026-11-23T10:05", cpu=kwh(1), ram=None), record("2026-11-23T10:35", cpu=kwh(1), ram=None))
    said = bring()
    assert "2 factors of FRA (lifecycle, consumption), 2026-11-23 to 2026-11-23" in said
    assert "1 half-hours have no factor, the first at 2026-11-23 10:30Z" in said
    assert "use: default" not in "".join(path.read_text() for path in organisation.glob("*.yaml")), "nothing is used unasked"

    def total() -> dict[str, object]:
        result = ecoia("report", "--quarter", "2026Q4", "--from", "journal", "--out", tmp_path)
        assert result.exit_code == 0, result.stderr
        found: dict[str, object] = json.loads((tmp_path / "rapport-2026Q4.json").read_text())
        return found

    os.environ["ECOIA_ZONE"] = "FRA"
    try:
        assert ecoia("factors", "use", "ours").exit_code == 0
        unfilled = total()
        assert ecoia("factors", "use", "ours", "--fill", "previous").exit_code == 0
        filled = total()
    finally:
        del os.environ["ECOIA_ZONE"]
    assert unfilled["totals"]["co2e"]["reason"] == "factor-gap"  # type: ignore[index]
    assert filled["totals"]["co2e"]["value"] == pytest.approx(2 * 0.018)  # type: ignore[index]
    assert filled["factor_set"]["fill"] == "previous"  # type: ignore[index]
    choice = catalogue.load(organisation).factors
    assert (choice.use, choice.scope, choice.basis, choice.fill) == ("ours", "lifecycle", "consumption", "previous")
    for command in ("doctor", "config"):
        assert "ours" in ecoia(command).stdout


def test_a_set_of_two_scopes_needs_a_choice(organisation: Path) -> None:
    both = generic(
        "FRA,2025-01-01,2026-01-01,21,direct,consumption,A",
        "FRA,2025-01-01,2026-01-01,33,lifecycle,consumption,A",
        header="zone,start,end,gco2e_per_kwh,scope,basis,source",
    )
    bring(both)
    result = ecoia("factors", "use", "ours")
    assert result.exit_code == 2
    assert "must not be mixed" in result.stderr
    assert not (organisation / "factors.yaml").exists()
    assert ecoia("factors", "use", "ours", "--scope", "direct").exit_code == 0
    assert "scope: direct" in (organisation / "factors.yaml").read_text()


def test_a_set_without_the_zone_of_the_settings_is_not_put_in_use(organisation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring()
    monkeypatch.setenv("ECOIA_ZONE", "DEU")
    result = ecoia("factors", "use", "ours")
    assert (result.exit_code, (organisation / "factors.yaml").exists()) == (2, False)
    assert "no emission factor covers zone 'DEU'" in result.stderr


def test_a_failed_import_leaves_what_was_there(organisation: Path) -> None:
    bring()
    before = (organisation / "factors" / "ours.csv").read_bytes()
    Path("grid.csv").write_text(generic("FRX,2025-01-01,2026-01-01,41", "FRA,2025-01-01,2026-01-01,-1"))
    result = ecoia("factors", "import", "grid.csv", "--as", "generic", "--id", "ours", *SAID)
    assert result.exit_code == 2
    assert "grid.csv:2, field 'zone'" in result.stderr
    assert "grid.csv:3, field 'gco2e_per_kwh'" in result.stderr
    assert [path.name for path in (organisation / "factors").iterdir()] == ["ours.csv"], "no draft is left"
    assert (organisation / "factors" / "ours.csv").read_bytes() == before
    assert "is replaced" in bring(VARYING.replace("18", "19"))


def test_eco2mix_comes_in_as_a_sensitivity(organisation: Path) -> None:
    rows = [("2026-06-01", "00:00", "17"), ("2026-06-01", "00:30", "ND"), ("2026-06-01", "01:00", "18")]
    Path("eCO2mix_RTE.xls").write_bytes(xls(rows).encode("cp1252"))
    result = ecoia("factors", "import", "eCO2mix_RTE.xls")
    assert result.exit_code == 0
    assert "2 factors of FRA (direct, production)" in result.stdout
    assert "1 line left out: no value" in result.stderr
    assert (organisation / "factors" / "eco2mix_rte.csv").exists()


def test_two_sets_are_compared_by_zone_and_year() -> None:
    result = ecoia("factors", "diff", "codecarbon", "ember", "--zone", "FRA")
    assert re.search(r"FRA +lifecycle +production +2023 +56.04 +53.26 +-5.0%", result.stdout)
    assert "no difference" in ecoia("factors", "diff", "ember", "ember").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nowhere"], "no factor set 'nowhere': known are default, codecarbon, ember"),
        (["show", "ember", "--zone", "DEU"], "factor set 'ember' has no zone 'DEU': it covers FRA"),
        (["use", "ember"], "'ecoia init' writes one"),
        (["import", "no.csv", "--as", "generic"], "'ecoia init' writes one"),
    ],
)
def test_a_wrong_use_is_one_message_with_the_remedy(words: list[str], said: str) -> None:
    result = ecoia("factors", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_be_brought_is_named(organisation: Path) -> None:
    Path("grid.csv").write_text(VARYING)
    for words, said in (
        (["no.csv", "--as", "generic"], "cannot be read (No such file or directory)"),
        (["grid.csv", "--as", "generic", "--id", "default"], "--id 'default'"),
        (["grid.csv", "--as", "generic", "--id", "../x"], "--id '../x'"),
        (["grid.csv", "--as", "generic", "--encoding", "latin-99", *SAID], "no such encoding"),
        (["grid.csv", "--as", "electricitymaps", "--zone", "FRX"], "--zone 'FRX'"),
        (["grid.csv", "--as", "generic", *SAID, "--retrieved-on", "hier"], "field 'retrieved_on'"),
    ):
        result = ecoia("factors", "import", *words)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert not list(organisation.rglob("*.csv"))


def test_a_broken_set_is_listed_as_broken(organisation: Path) -> None:
    bring()
    (organisation / "factors" / "ours.csv").write_text("no factors here\n")
    result = ecoia("factors", "list")
    assert re.search(r"ours +BROKEN", result.stdout)
    assert "ours.csv:1" in result.stderr


def test_each_subcommand_explains_itself_with_an_example() -> None:
    for name in ("list", "show", "import", "use", "diff"):
        assert re.search(rf"\$ ecoia factors {name}", ecoia("factors", name, "-h").stdout), name


@pytest.mark.checkout
def test_the_examples_of_the_documentation_run(repository: Path) -> None:
    document = repository / "docs" / "factors.md"
    (console,) = blocks(document, "console")
    script = re.sub(r"^\$ ", "", console, flags=re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in use: ours, lifecycle, consumption; gaps: previous" in done.stdout
    for number, block in enumerate(blocks(document, "python")):
        written = Path(f"block{number}.py")
        written.write_text(block, encoding="utf-8")
        subprocess.run([sys.executable, "-W", "error", written], check=True)
    choice, contract = blocks(document, "yaml")
    folder = Path("as-documented")
    folder.mkdir()
    (folder / "factors.yaml").write_text(choice, encoding="utf-8")
    (folder / "contracts.yaml").write_text(contract, encoding="utf-8")
    found = catalogue.load(folder)
    assert (found.factors.use, found.contracts[0].share) == ("ours", 0.6)

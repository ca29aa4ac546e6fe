"""``ecoia report --engine``: the same report, and the engine is named where a dataset's size chose it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecoia.cli import app
from ecoia.engines import choosing
from ecoia.keeping.journal import Journal
from support.records import record, write


def ecoia(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.no_cover
def test_all_engines_write_the_same_report(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Journal(home), [record("2026-11-23T10:00", cpu=3_600_000_000), record("2026-11-23T10:40", cpu=5, kind="idle")])
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    dataset = tmp_path / "dataset"
    assert ecoia("export", "--from", "journal", "--to", dataset).exit_code == 0
    wanted = ("report", "--quarter", "2026Q4", "--format", "json", "--out")
    written = {}
    for name in ("python", "pandas", "duckdb"):
        source = ("--from", f"parquet:{dataset}", *(() if name == "python" else ("--engine", name)))
        done = ecoia(*wanted, tmp_path / name, *source)
        assert done.exit_code == 0, done.output
        assert ("2 rows are summed up by" in done.stderr) == (name != "python")
        written[name] = (tmp_path / name / "rapport-2026Q4.json").read_text(encoding="utf-8")
    assert json.loads(written["python"])["totals"]["energy_components_microjoules"] == 3_600_000_005
    assert len(set(written.values())) == 1
    monkeypatch.setattr(choosing, "PYTHON_ROWS", 1)
    chosen = ecoia(*wanted, tmp_path / "chosen", "--from", f"parquet:{dataset}")
    assert "2 rows are summed up by pandas" in chosen.stderr
    handed = ecoia(*wanted, tmp_path / "handed", "--from", "journal", "--engine", "duckdb")
    assert handed.exit_code == 0, handed.output
    assert (tmp_path / "handed" / "rapport-2026Q4.json").read_text(encoding="utf-8") == written["python"]
    far = "fsspec+memory:///engines-read-copies-of-its-files"
    assert ecoia("export", "--from", "journal", "--to", far).exit_code == 0
    fetched = ecoia(*wanted, tmp_path / "fetched", "--from", f"parquet:{far}", "--engine", "duckdb")
    assert fetched.exit_code == 0, fetched.output
    assert (tmp_path / "fetched" / "rapport-2026Q4.json").read_text(encoding="utf-8") == written["python"]

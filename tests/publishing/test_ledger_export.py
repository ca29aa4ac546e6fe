"""The ledger as Parquet: whole, exact, the same bytes again, read by tools that know nothing of ecoia."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from typer.testing import CliRunner

from ecoia import catalogue
from ecoia.cli import app
from ecoia.delivery.deliver import deliver
from ecoia.factors import default_factors
from ecoia.keeping.journal import Journal
from ecoia.periods import Quarter
from ecoia.publishing import row_table as aggregation
from ecoia.publishing.ledger_export import NESTED, partitions
from ecoia.records import TOLD_OR_NOT, Row, Tokens, fold
from ecoia.report import build_report
from ecoia.semconv import COMPONENTS
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import outcome, record, write
from support.settings import make_settings

__all__ = ["migrated", "tracking_uri"]

PARIS = ZoneInfo("Europe/Paris")
RECORDS = (
    record("2026-09-30T21:50", 20, cpu=2**53 + 1, units_micro=5, tokens=(Tokens("p", "m", 7, 3), Tokens("p", "n", 1, 2))),
    record("2026-11-23T10:00", cpu=2**53 + 1, ram=7, lost={"a": 2, "b": 1}, quality={"accuracy": 0.75}, endpoint="/cv/{id}"),
    record("2026-11-23T10:05", cpu=1, gpu=5, service=None, phase=None, kind="unattributed", devices=("GPU-1",), scope="host"),
    outcome("2026-11-23T10:09", "run-1", "failed"),
    *(record("2026-11-23T10:30", service="ranges", record_id=f"{'0' * 32}:1:{seq}") for seq in (2**61, 2**61 + 1, 2**61 + 9)),
)


def ecoia(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def exported(folder: Path, rows: list[Row]) -> Path:
    for name, content in partitions(rows, PARIS).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read_back(folder: Path) -> list[Row]:
    """Rows, from nothing but the files."""
    found = []
    for path in sorted(folder.glob("quarter=*/rows.parquet")):
        for line in parquet.ParquetFile(path).read().to_pylist():
            row = {**line, "lost": dict(line["lost_causes"]), "quality": dict(line["quality"])}
            row["method"] = {c: {"status": line[f"{c}_status"], "name": line[f"{c}_method"]} for c in COMPONENTS}
            row["energy_microjoules"] = {c: line[f"{c}_microjoules"] for c in COMPONENTS}
            for c in COMPONENTS:
                del row[f"{c}_status"], row[f"{c}_method"], row[f"{c}_microjoules"]
            for name in ("lost_causes", "tokens_in", "tokens_out", *TOLD_OR_NOT):
                del row[name]
            row["tokens"] = [{name: value for name, value in each.items() if value is not None} for each in row["tokens"]]
            if (sources := row.pop("sources")) is not None:
                row["sources"] = [[*each.values()] for each in sources]
            found.append(row)
    return found


def test_nothing_of_a_row_is_lost(tmp_path: Path) -> None:
    rows = fold(RECORDS)
    assert read_back(exported(tmp_path, rows)) == sorted(rows, key=lambda row: row["half_hour_utc_ns"])


@settings(max_examples=20, deadline=None)
@given(energies=st.lists(st.none() | st.integers(0, 2**61), min_size=1, max_size=3), order=st.randoms(use_true_random=False))
def test_equal_rows_give_equal_bytes_and_exact_sums(energies: list[int | None], order: Any) -> None:
    found = [record(cpu=energy, ram=None, record_id=f"r{i}") for i, energy in enumerate(energies)]
    shuffled = list(found)
    order.shuffle(shuffled)
    files = partitions(fold(found), PARIS)
    assert partitions(fold(shuffled), PARIS) == files
    (content,) = files.values()
    column = parquet.read_table(pa.BufferReader(content))["cpu_microjoules"].to_pylist()
    assert sum(filter(None, column)) == sum(filter(None, energies))


def test_duckdb_and_pandas_find_the_reports_energy(tmp_path: Path) -> None:
    rows = fold(RECORDS)
    folder = exported(tmp_path, rows)
    query = """
        SELECT quarter, sum(coalesce(cpu_microjoules, 0) + coalesce(gpu_microjoules, 0) + coalesce(ram_microjoules, 0))::BIGINT
        FROM read_parquet(?, hive_partitioning = true) WHERE kind <> 'outcome' GROUP BY quarter ORDER BY quarter
    """
    by_duckdb = dict(duckdb.execute(query, [f"{folder}/*/*.parquet"]).fetchall())
    by_pandas = {
        line["quarter"]: line["energy_microjoules"]
        for line in aggregation.records(aggregation.by_quarter(pd.read_parquet(folder, dtype_backend="numpy_nullable")))
    }
    reported = {}
    for quarter in ("2026Q3", "2026Q4"):
        report = build_report(
            rows, Quarter.parse(quarter), settings=make_settings(), catalogue=catalogue.load(None), factors=default_factors()
        )
        reported[quarter] = report.totals.energy_components_microjoules
    assert by_duckdb == by_pandas == reported


def snippet(repository: Path, language: str) -> str:
    return (repository / "docs/exports.md").read_text(encoding="utf-8").split(f"```{language}\n")[1].split("```")[0]


def test_what_is_documented_runs_and_sums_what_is_known(repository: Path) -> None:
    """Where a component is missing, too: what is known of the others counts, and nothing is not zero."""
    rows = fold(
        (
            record(cpu=3_600_000_000_000, ram=None, service="cpu-alone"),
            record(cpu=3_600_000_000_000, gpu=3_600_000_000_000, ram=3_600_000_000_000, service="all"),
            record(cpu=None, ram=None, service="none"),
        )
    )
    exported(Path("ledger-parquet"), rows)
    known = {"cpu-alone": 1.0, "all": 3.0, "none": None}
    assert {service: kwh for service, _, kwh in duckdb.sql(snippet(repository, "sql")).fetchall()} == known
    *statements, expression = snippet(repository, "python").splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(statements), names)  # noqa: S102 - ours, as documented
    lines = aggregation.records(eval(expression, names))  # noqa: S307
    joules = {line["service"]: line["energy_microjoules"] for line in lines}
    assert joules == {service: None if kwh is None else round(kwh * 3.6e12) for service, kwh in known.items()}


def test_types_are_those_that_every_reader_knows(tmp_path: Path) -> None:
    (path, *_) = exported(tmp_path, fold(RECORDS)).glob("quarter=2026Q4/rows.parquet")
    schema = parquet.read_schema(path)
    assert {name: schema.field(name).type for name in NESTED} == NESTED
    assert "quarter" not in schema.names  # the folder's name says it
    assert {str(schema.field(name).type) for name in schema.names if name not in NESTED} == {"int64", "string", "bool"}


@pytest.mark.mlflow
@pytest.mark.filterwarnings(*MLFLOW_WARNINGS)
def test_the_ledger_and_the_journal_give_one_export(
    home: Path, tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    journal = Journal(home)
    write(journal, RECORDS)
    deliver(journal, make_settings(home=str(home)))
    told = ecoia("export", tmp_path / "ledger")
    assert told.exit_code == 0
    assert told.stdout.split() == [str(tmp_path / f"ledger/quarter={quarter}/rows.parquet") for quarter in ("2026Q3", "2026Q4")]
    assert ecoia("export", tmp_path / "journal", "--from", "journal").exit_code == 0
    for path in (tmp_path / "ledger").glob("*/*"):
        assert path.read_bytes() == (tmp_path / "journal" / path.relative_to(tmp_path / "ledger")).read_bytes()


def test_a_quarter_that_was_there_before_is_told(home: Path, tmp_path: Path) -> None:
    write(Journal(home), RECORDS[1:2])
    before = exported(tmp_path / "out", fold([record("2025-01-01T10:00", cpu=1)]))
    told = ecoia("export", before, "--from", "journal")
    assert told.exit_code == 0
    assert "quarter=2025Q1" in told.stderr
    assert len(list(before.glob("*/rows.parquet"))) == 2


def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(home: Path, tmp_path: Path) -> None:
    write(Journal(home), RECORDS[1:2])
    (tmp_path / "file").touch()
    told = ecoia("export", tmp_path / "file", "--from", "journal")
    assert told.exit_code == 1
    assert f"'{tmp_path / 'file'}' cannot be written" in told.stderr


def test_every_quarter_is_written_whoever_reads_the_names(home: Path, tmp_path: Path) -> None:
    write(Journal(home), RECORDS)
    command = f"'{sys.executable}' -m ecoia export '{tmp_path / 'out'}' --from journal | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert len(list((tmp_path / "out").glob("*/rows.parquet"))) == 2


def test_nothing_recorded_writes_nothing(home: Path, tmp_path: Path) -> None:
    told = ecoia("export", tmp_path / "out", "--from", "journal")
    assert (told.exit_code, told.stdout, (tmp_path / "out").exists()) == (0, "", False)

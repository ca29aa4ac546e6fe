"""Commands on a ledger of which a day cannot be read: named, valued, on the first page, in the exit code, not published."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecoia.delivery import ledger_reader
from ecoia.keeping.destinations import register_target
from support.command_line import ecoia, fill
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import kwh, record

__all__ = ["migrated", "tracking_uri"]  # fixtures

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]


@pytest.fixture
def gone(home: Path, organisation: Path, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of two quarters, 100 kWh in the later one, of which the day file with 90 is gone. Returns that file's path."""
    monkeypatch.setattr(ledger_reader, "time", SimpleNamespace(sleep=lambda _: None))  # of this module alone: others wait
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    monkeypatch.setenv("ECOIA_PUBLICATIONS", str(tmp_path / "publications"))
    target = register_target(home, tracking_uri)
    fill(
        home,
        record("2026-05-11T10:00", cpu=kwh(5), ram=None, target=target),
        record("2026-08-11T10:00", cpu=kwh(10), ram=None, target=target),
        record("2026-08-12T10:00", cpu=kwh(90), ram=None, target=target),
    )
    assert ecoia("deliver").exit_code == 0
    (lost,) = (path for path in tmp_path.rglob("records.jsonl.gz") if "2026-08-12" in day_of(path))
    content = lost.read_bytes()
    lost.unlink()
    lost.with_name("kept-by-the-test").write_bytes(content)
    return lost


def day_of(path: Path) -> str:
    from ecoia.delivery.day_file import decode_day
    from ecoia.periods import utc_day

    return utc_day(decode_day(path.read_bytes()).rows[0]["half_hour_utc_ns"])


def report(folder: Path, quarter: str, lang: str = "fr") -> tuple[int, str, str, dict[str, object]]:
    """Write a report. Returns the exit code, what was said, the page and the data."""
    result = ecoia("report", "--quarter", quarter, "--out", folder, "--lang", lang)
    page = (folder / f"rapport-{quarter}.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    return result.exit_code, result.stderr, page, json.loads((folder / f"rapport-{quarter}.json").read_text(encoding="utf-8"))


def test_a_missing_day_is_on_the_first_page_in_both_languages_and_in_the_exit_code(gone: Path, tmp_path: Path) -> None:
    code, said, page, data = report(tmp_path / "fr", "2026Q3")
    run_id = gone.parts[-3]
    assert code == 3
    assert f"ledger run {run_id}: 2026-08-12 of" in said
    assert "90.0 kWh" in said
    assert data["totals"]["energy"]["value"] == pytest.approx(10)  # type: ignore[index]
    assert data["ledger_gaps"][0]["microjoules"] == kwh(90)  # type: ignore[index]
    assert "ledger-incomplete" in data["notices"]  # type: ignore[operator]
    sentence = "Relevés incomplets : 1 jour y manque en tout ou en partie (90,0 kWh), et les totaux sont trop bas."
    assert sentence in page.partition("</section>")[0], "before any figure"
    assert run_id in page.partition("</section>")[2], "listed among the limits"
    _, _, page, _ = report(tmp_path / "en", "2026Q3", "en")
    assert "Incomplete ledger: 1 day is missing from it, wholly or in part (90.0 kWh), and the totals are too low." in page


def test_a_dataset_carries_the_missing_day_to_whoever_reads_it(gone: Path, tmp_path: Path) -> None:
    """The same warnings, exit code and bytes as from the ledger; once the ledger is whole, so is the dataset."""
    dataset = tmp_path / "dataset"
    assert ecoia("export", "--to", dataset).exit_code == 3
    assert ecoia("export", "--to", dataset).exit_code == 3, "it is read again, as the day may be back"
    code, said, *_ = report(tmp_path / "ledger", "2026Q3")
    taken = ecoia("report", "--from", f"parquet:{dataset}", "--quarter", "2026Q3", "--out", tmp_path / "parquet")
    assert (taken.exit_code, code) == (3, 3)
    assert [line for line in said.splitlines() if "ledger run" in line] == [
        line for line in taken.stderr.splitlines() if "ledger run" in line
    ]
    assert "these days were missing when" in taken.stderr
    for name in ("rapport-2026Q3.html", "rapport-2026Q3.json"):
        assert (tmp_path / "parquet" / name).read_bytes() == (tmp_path / "ledger" / name).read_bytes()
    refused = ecoia("publish", "--quarter", "2026Q3", "--from", f"parquet:{dataset}")
    assert refused.exit_code == 1
    assert "2026-08-12" in refused.stderr
    assert ecoia("deliver").exit_code == 0
    assert ecoia("export", "--to", dataset).exit_code == 0
    assert "nothing was new" in ecoia("export", "--to", dataset).stderr
    assert ecoia("report", "--from", f"parquet:{dataset}", "--quarter", "2026Q3", "--out", tmp_path).exit_code == 0


def test_only_quarters_that_the_day_can_change_are_incomplete(gone: Path, tmp_path: Path) -> None:
    code, _, page, data = report(tmp_path, "2026Q2")
    assert code == 0
    assert "ledger_gaps" not in data
    assert "Relevés incomplets" not in page
    code, _, page, data = report(tmp_path, "2026Q4")
    assert code == 3
    assert "ledger-history-incomplete" in data["notices"]  # type: ignore[operator]
    assert "1 jour antérieur au trimestre" in page


def test_an_incomplete_quarter_is_published_for_a_reason_only_and_computes_again(gone: Path, tmp_path: Path) -> None:
    refused = ecoia("publish", "--quarter", "2026Q3")
    assert refused.exit_code == 1
    assert "--incomplete-ledger" in refused.stderr
    assert "2026-08-12" in refused.stderr
    assert not (tmp_path / "publications").exists()
    assert ecoia("publish", "--quarter", "2026Q3", "--incomplete-ledger", "  ").exit_code == 1
    assert ecoia("publish", "--quarter", "2026Q3", "--incomplete-ledger", "le site B a <brûlé>").exit_code == 0
    folder = tmp_path / "publications" / "2026Q3"
    page = (folder / "documents" / "rapport-2026Q3.html").read_text(encoding="utf-8")
    assert "le site B a &lt;brûlé&gt;" in page
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["incomplete_because"] == "le site B a <brûlé>"
    checked = ecoia("verify", tmp_path / "publications", "--recompute")
    assert checked.exit_code == 0, checked.output
    assert "the same" in checked.stdout


def test_the_journal_repairs_it_and_the_quarter_is_whole(gone: Path, tmp_path: Path) -> None:
    assert ecoia("export", tmp_path / "parquet").exit_code == 3
    assert "written again" in ecoia("deliver").stderr
    code, said, page, data = report(tmp_path, "2026Q3")
    assert (code, "ledger_gaps" in data, "Relevés incomplets" in page) == (0, False, False)
    assert data["totals"]["energy"]["value"] == pytest.approx(100)  # type: ignore[index]
    assert "ledger run" not in said
    assert ecoia("publish", "--quarter", "2026Q3").exit_code == 0
    assert not (tmp_path / "publications" / "2026Q3" / "inputs" / "ledger-gaps.json").exists()

"""Filling: what it writes, what it writes again, and what readers see meanwhile."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecoia.exploring import Explorer, Selection
from ecoia.exploring.kept_text import packed, unpacked
from ecoia.exploring.state import State, note, read_state
from ecoia.exploring.tables import from_limbs, limbs
from ecoia.factors import default_factors
from ecoia.impact.assessment import Assessment
from ecoia.impact.cell_sums import CellSums, fine_sums
from ecoia.impact.energy_cells import ExactSums
from ecoia.impact.inputs import Inputs
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.periods import Quarter, utc_day
from ecoia.publishing.drafting import Draft
from ecoia.records import fold
from ecoia.report import QuarterlyReport
from support.filled import fill_sample
from support.large_organisation import large_rows
from support.organisation import sample_catalogue
from support.records import kwh, record
from support.reports import sample_records, sample_report
from support.settings import make_settings

LAST = "2026Q4"
RECORDS = sample_records()  # with ids of their own
ROWS = fold(RECORDS)


def files_in(folder: Path) -> dict[str, int]:
    """Return the quarters' files, with the time at which each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "filled" / "quarters").iterdir()}


def test_the_report_is_the_one_that_ecoia_report_builds(tmp_path: Path) -> None:
    fill_sample(tmp_path, ROWS)
    catalogue = sample_catalogue(tmp_path / "other")
    inputs = Inputs.of(ROWS, catalogue, default_factors(), make_settings(zone="FRA"))
    explorer = Explorer(tmp_path / "filled")
    assert explorer.state.quarters == ("2026Q1", "2026Q2", "2026Q3", LAST)
    for quarter in explorer.state.quarters:
        wanted = Draft(inputs, Quarter.parse(quarter), []).report
        assert explorer.report(quarter) == wanted
        assert explorer.report(quarter).to_json() == wanted.to_json()
    assert explorer.catalogue() == catalogue


def test_a_report_is_read_as_it_was_written(large: QuarterlyReport, tmp_path: Path) -> None:
    for report in (large, sample_report(tmp_path)):
        found = unpacked(QuarterlyReport, packed(QuarterlyReport, report))
        assert found == report
        assert found.footprint.co2e_api == report.footprint.co2e_api
        assert [type(each.intensities) for each in found.services] == [type(each.intensities) for each in report.services]
        assert dataclasses.asdict(found) == dataclasses.asdict(report)


def test_fine_sums_fold_into_the_cells_of_an_assessment() -> None:
    parameters = AssessmentParameters(default_factors(), zone="FRA")
    recorded = LedgerSums.of(large_rows())
    (fine,), factors = fine_sums([recorded.strands], parameters, utc_day)
    assert len({each.slot for each in fine}) > 500
    folded: dict[object, ExactSums] = {}
    for key, sums in fine.items():
        found = folded.setdefault(key.cell, ExactSums())
        for each in dataclasses.fields(ExactSums):
            setattr(found, each.name, getattr(found, each.name) + getattr(sums, each.name))
    cells = CellSums.of(recorded, parameters)
    assert folded == cells.sums
    assert factors.uses == cells.factors.uses
    assert Assessment(cells, parameters).impact() == Assessment.of(recorded, parameters).impact()


def test_large_integers_are_kept_exactly() -> None:
    for number in (0, 1, (1 << 40) - 1, 1 << 40, 3 * 10**29 + 7):
        low, high = limbs(number)
        assert low < 1 << 40
        assert from_limbs(low, high) == number
        assert from_limbs(low * 1000, high * 1000) == number * 1000


def test_filling_twice_writes_nothing_new(tmp_path: Path) -> None:
    steps: list[str] = []
    first = fill_sample(tmp_path, ROWS, steps)
    files, told = files_in(tmp_path), list(steps)
    again = fill_sample(tmp_path, list(reversed(ROWS)), steps)
    assert told == ["2026Q1", "2026Q2", "2026Q3", LAST]
    assert steps == told
    assert files_in(tmp_path) == files
    assert again.digest == first.digest


def test_a_deleted_folder_is_filled_with_the_same(tmp_path: Path) -> None:
    first = fill_sample(tmp_path, ROWS)
    explorer = Explorer(tmp_path / "filled")
    known, names = explorer.selected(_whole(LAST)), files_in(tmp_path).keys()
    shutil.rmtree(tmp_path / "filled")
    assert explorer.report(LAST).quarter == LAST  # what was read last stays
    again = fill_sample(tmp_path, ROWS)
    assert (again.digest, files_in(tmp_path).keys()) == (first.digest, names)
    assert explorer.selected(_whole(LAST)) == known


def _whole(quarter: str) -> Selection:
    return Selection.of_quarter(Quarter.parse(quarter))


@pytest.mark.parametrize(
    ("day", "computed"), [("2026-12-02T10:00", [LAST]), ("2026-08-02T10:00", ["2026Q3", LAST])], ids=["open", "late"]
)
def test_a_new_row_computes_its_quarter_and_later_ones(tmp_path: Path, day: str, computed: list[str]) -> None:
    fill_sample(tmp_path, ROWS)
    explorer, steps = Explorer(tmp_path / "filled"), list[str]()
    before = explorer.selected(_whole(computed[0])).microjoules
    fill_sample(tmp_path, fold([*RECORDS, record(day, 5, cpu=kwh(2), service="vadore")]), steps)
    assert steps == computed
    assert explorer.selected(_whole(computed[0])).microjoules == before + kwh(2)  # the same explorer reads the new state


def test_everything_that_figures_depend_on_computes_them_again(tmp_path: Path) -> None:
    first, steps = fill_sample(tmp_path, ROWS), list[str]()
    assert fill_sample(tmp_path, ROWS, steps, pue=1.4).digest != first.digest
    assert steps == ["2026Q1", "2026Q2", "2026Q3", LAST]
    assert Explorer(tmp_path / "filled").selected(_whole(LAST)).boundary != "it"
    steps.clear()
    fill_sample(tmp_path, ROWS, steps, pue=1.4, timezone="UTC")
    assert len(steps) == 4


def test_what_no_state_names_is_removed(tmp_path: Path) -> None:
    fill_sample(tmp_path, ROWS)
    (tmp_path / "filled" / "quarters" / ".2026Q1-half-written").write_bytes(b"x")
    old = files_in(tmp_path).keys()
    fill_sample(tmp_path, ROWS, pue=1.4)
    assert len(files_in(tmp_path)) == 8  # those of the state before may still be opened
    fill_sample(tmp_path, ROWS, pue=1.4)
    assert len(files_in(tmp_path)) == 4
    assert not old & files_in(tmp_path).keys()


def test_a_file_that_a_power_cut_emptied_is_written_again(tmp_path: Path) -> None:
    fill_sample(tmp_path, ROWS)
    path = next((tmp_path / "filled" / "quarters").glob("2026Q2-*"))
    path.write_bytes(b"")
    steps: list[str] = []
    fill_sample(tmp_path, ROWS, steps)
    assert steps == ["2026Q2"]


_KILLED = """
import json, os, sys
from pathlib import Path
from support.filled import fill_sample
from ecoia.exploring import writing

write, count = writing.QuarterWriter.write, [0]

def dying(self, path, report, changes):
    count[0] += 1
    if count[0] == 3:
        path.write_bytes(b"half")
        os._exit(9)
    write(self, path, report, changes)

writing.QuarterWriter.write = dying
fill_sample(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), pue=1.7)
"""


def test_a_killed_filling_leaves_the_last_state(tmp_path: Path, repository: Path) -> None:
    fill_sample(tmp_path, ROWS, pue=1.2)
    explorer = Explorer(tmp_path / "filled")
    before = explorer.selected(_whole(LAST))
    paths = {"PYTHONPATH": str(repository / "tests")}
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(tmp_path / "rows.json")], env=paths, check=False, timeout=120
    )
    assert done.returncode == 9
    assert explorer.state.progress == (2, 4, "2026Q3")
    assert explorer.selected(_whole(LAST)) == before
    steps: list[str] = []
    fill_sample(tmp_path, ROWS, steps, pue=1.7)
    assert steps == ["2026Q3", LAST]  # it goes on where it stopped
    assert explorer.state.progress is None
    assert explorer.selected(_whole(LAST)) != before


def test_a_folder_without_a_state_has_no_quarter(tmp_path: Path) -> None:
    explorer = Explorer(tmp_path / "nowhere")
    assert explorer.state == State()
    assert explorer.selected(_whole(LAST)).reason == "no-data"
    note(tmp_path / "nowhere", progress=(0, 3, "reading"), source="ledger")
    assert explorer.state.progress == (0, 3, "reading")
    for text in ("", "{", "[]", '{"schema": 1}', json.dumps({"schema": 2, "state": 3, "files": {}})):
        (tmp_path / "nowhere" / "state.json").write_text(text)
        assert read_state(tmp_path / "nowhere").state == State()


def test_readers_load_nothing_heavy(tmp_path: Path) -> None:
    fill_sample(tmp_path, ROWS)
    program = (
        "import sys; from pathlib import Path; from ecoia.exploring import Explorer, Selection\n"
        "from ecoia.periods import Quarter\n"
        "explorer = Explorer(Path(sys.argv[1])); whole = Selection.of_quarter(Quarter(2026, 4))\n"
        "explorer.report('2026Q4'); explorer.selected(whole); explorer.parts(whole, 'service'); explorer.hours(whole)\n"
        "explorer.selected(whole.only(services=('vadore',))); explorer.runs(whole)\n"
        "explorer.rows(whole); explorer.formula(whole)\n"
        "heavy = ('mlflow', 'pandas', 'narwhals', 'pyarrow', 'matplotlib', 'plotly', 'ecologits', 'openpyxl', 'jinja2')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "filled")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

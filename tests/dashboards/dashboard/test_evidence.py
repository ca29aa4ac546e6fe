"""The rows behind a figure add up to it; all of them come as a CSV of any length."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ecoia.exploring import Explorer, RowLine, RowsPage, Selection
from ecoia.publishing.ledger_export import partitions
from ecoia.records import fold
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import records
from ecoia_dashboards.dashboard.recomputation import recomputation
from ecoia_dashboards.dashboard.row_stream import rows_csv
from ecoia_dashboards.language import Language
from support.dashboard import ask
from support.filled import fill_sample
from support.large_organisation import large_rows
from support.records import record
from support.reports import sample_records

QUARTER = "2026Q3"
SELECTIONS: tuple[dict[str, str], ...] = (
    {"period": QUARTER},
    {"period": QUARTER, "service": "vadore"},
    {"period": QUARTER, "phase": "training"},
    {"period": QUARTER, "site": "lyon"},
    {"period": QUARTER, "method": "estimated", "instance": "gpu-02"},
    {"period": "2026-06-20..2026-07-10", "service": "analyse-cv"},
)


class Counted:
    """Reads as an explorer does, counts pages of rows, and may change its data after some."""

    def __init__(self, explorer: Explorer, changes_after: int = 0) -> None:
        self._explorer, self._changes_after, self.pages = explorer, changes_after, 0

    def rows(self, *asked: Any) -> RowsPage:
        """Return a page of rows."""
        self.pages += 1
        return self._explorer.rows(*asked)

    @property
    def state(self) -> Any:
        """The state; another one once the data changed."""
        changed = self._changes_after and self.pages > self._changes_after
        return replace(self._explorer.state, digest="another") if changed else self._explorer.state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._explorer, name)


def reading_of(explorer: Any, parameters: dict[str, str]) -> Reading:
    """Return the data at an address."""
    return Reading(explorer, Address.parse(parameters))


def lines_of(text: str, separator: str = ",") -> list[dict[str, str]]:
    """Read a CSV whose first line is a comment."""
    return list(csv.DictReader(io.StringIO(text.split("\n", 1)[1]), delimiter=separator))


def text_of(page: str) -> str:
    """Return the words of a page, its spaces plain."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", page)))


def every_page(explorer: Explorer, selection: Selection) -> Iterator[RowLine]:
    """Go through all pages by their key."""
    after = None
    while True:
        page = explorer.rows(selection, after, 700)
        yield from page.rows
        after = page.next
        if after is None:
            return


@pytest.mark.parametrize("parameters", SELECTIONS)
def test_rows_of_all_pages_add_up_to_the_figure(explorer: Explorer, parameters: dict[str, str]) -> None:
    reading = reading_of(explorer, parameters)
    found = records.read(reading)
    lines = list(every_page(explorer, reading.selection))
    assert found.agree
    assert len(lines) == found.count
    assert sum(line.microjoules or 0 for line in lines) == explorer.selected(reading.selection).microjoules == found.microjoules


@pytest.mark.parametrize(("lang", "separator"), [("en", ","), ("fr", ";")])
def test_the_csv_has_every_row_and_its_total(app: Any, explorer: Explorer, lang: str, separator: str) -> None:
    answer = ask(app, f"/records.csv?period={QUARTER}&lang={lang}")
    total = explorer.report(QUARTER).totals.energy_components_microjoules
    lines = lines_of(answer.text, separator)
    assert answer.headers["content-type"].startswith("text/csv")
    assert sum(int(line["selected_microjoules"] or 0) for line in lines) == total
    assert f"{total} µJ" in answer.text.splitlines()[0]
    assert len(lines) == explorer.rows(reading_of(explorer, {"period": QUARTER}).selection).count


def test_the_csv_is_read_page_by_page(explorer: Explorer) -> None:
    counted = Counted(explorer)
    pieces = rows_csv(reading_of(counted, {"period": QUARTER}), Language("en"), ("said",))
    next(pieces)
    next(pieces)
    assert counted.pages == 1
    assert max(piece.count("\n") for piece in pieces) <= 500
    assert counted.pages > 10


def test_a_csv_whose_data_change_says_that_it_is_not_whole(explorer: Explorer) -> None:
    pieces = list(rows_csv(reading_of(Counted(explorer, changes_after=3), {"period": QUARTER}), Language("en"), ()))
    assert "not complete" in pieces[-1]
    assert len(pieces) < 10


@pytest.mark.parametrize("parameters", [*SELECTIONS, {"period": QUARTER, "q": "gpu-04"}])
def test_the_sql_recomputes_the_figure_from_an_export(
    explorer: Explorer, parameters: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    duckdb = pytest.importorskip("duckdb")
    folder = tmp_path_factory.getbasetemp() / "exported"
    if not folder.exists():
        for name, content in partitions(large_rows(), ZoneInfo("Europe/Paris")).items():
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_bytes(content)
    reading = reading_of(explorer, parameters)
    sql = recomputation(reading).replace("ledger-parquet/", f"{folder}/")
    assert duckdb.sql(sql).fetchall() == [(records.read(reading).microjoules,)]


def test_a_quote_in_an_address_stays_a_text(explorer: Explorer) -> None:
    duckdb = pytest.importorskip("duckdb")
    sql = recomputation(reading_of(explorer, {"period": QUARTER, "service": "x') OR ('1'='1"}))
    condition = sql.split("WHERE ")[1].split(" AND ", 1)[1]
    counted = "SELECT count(*) FROM (SELECT 'span' AS kind, 'vadore' AS service) WHERE "
    assert duckdb.sql(counted + condition).fetchall() == [(0,)]


def test_a_run_or_a_machine_is_found_by_its_name(app: Any, explorer: Explorer) -> None:
    run = next(each for each in explorer.runs(Selection.of_quarter(reading_of(explorer, {"period": QUARTER}).period.quarter)))  # type: ignore[arg-type]
    found = records.read(reading_of(explorer, {"period": QUARTER, "q": run.run_id}))
    assert found.microjoules == run.microjoules
    assert found.agree is None
    assert {line.row["run_id"] for line in found.rows} == {run.run_id}
    assert records.read(reading_of(explorer, {"period": QUARTER, "q": "gpu-04"})).count > 0
    assert "Aucun run ni machine « nobody »" in text_of(ask(app, f"/records?period={QUARTER}&q=nobody").text)


def test_rows_are_not_said_to_add_up_to_the_part_of_a_region(app: Any, explorer: Explorer) -> None:
    parameters = {"period": QUARTER, "region": "Bretagne"}
    found = records.read(reading_of(explorer, parameters))
    assert (
        0
        < found.microjoules
        < sum(line.microjoules or 0 for line in every_page(explorer, reading_of(explorer, parameters).selection))
    )
    assert found.agree is None
    text = text_of(ask(app, f"/records?period={QUARTER}&region=Bretagne").text)
    assert "dont la région porte" in text
    assert "au microjoule" not in text
    assert str(found.microjoules) not in ask(app, f"/records.csv?period={QUARTER}&region=Bretagne").text.splitlines()[0]


def test_a_key_that_is_none_is_named(app: Any) -> None:
    answer = ask(app, f"/records?period={QUARTER}&after=x")
    assert answer.status == 400
    assert "after" in text_of(answer.text)


def test_a_page_goes_on_after_the_one_before(app: Any, explorer: Explorer) -> None:
    first = records.read(reading_of(explorer, {"period": QUARTER}))
    second = records.read(reading_of(explorer, {"period": QUARTER, "after": first.next or ""}))
    assert not {line.id for line in first.rows} & {line.id for line in second.rows}
    assert html.escape(f"after={first.next}") in ask(app, f"/records?period={QUARTER}").text


def test_rows_without_energy_are_not_zero(app: Any) -> None:
    text = ask(app, f"/records?period={QUARTER}&service=synthese-entretien").text
    assert '<span class="none">—</span>' in text
    assert '<data value="0">' not in text.split("<tbody>")[1].split("</tbody>")[0]


def test_hostile_names_are_inert(tmp_path: Path) -> None:
    hostile = '=cmd|"><script>alert(1)</script>\u202e'
    fill_sample(
        tmp_path, fold([*sample_records(), record("2026-11-05T10:00", record_id="h", service="vadore", instance=hostile)])
    )
    app = create_app(Explorer(tmp_path / "filled"))
    page, text = ask(app, "/records?period=2026Q4").text, ask(app, "/records.csv?period=2026Q4&lang=en").text
    assert "<script>alert" not in page
    assert "\u202e" not in text_of(page)
    assert any(line["instance"].startswith("'=cmd") for line in lines_of(text))

"""Activity files: exact energy, a period in civil time, and every fault named at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import settings
from ecoia.errors import UsageError
from ecoia.keeping.declared import COLUMNS, read_activity
from ecoia.keeping.journal import Journal
from ecoia.periods import Quarter, utc_ns
from ecoia.records import Record, fold

CONFIGURED = settings.load({"timezone": "Europe/Paris", "instance": "siege", "zone": "FRA"})
HEADER = "service,phase,start,end,energy_kwh,source\n"


def declared(tmp_path: Path, text: str, encoding: str = "utf-8", **arguments: Any) -> list[Record]:
    path = tmp_path / "activity.csv"
    path.write_bytes(text.encode(encoding))
    return read_activity(path, settings.load(arguments) if arguments else CONFIGURED)


def faults(tmp_path: Path, text: str, encoding: str = "utf-8") -> str:
    with pytest.raises(UsageError) as caught:
        declared(tmp_path, text, encoding)
    return str(caught.value)


def test_a_quarter_by_its_dates(tmp_path: Path) -> None:
    (record,) = declared(tmp_path, HEADER + "vadore,training,2026-10-01,2026-12-31,100,facture du cloud\n")
    # A date as end means the end of that day in civil time, so this is the quarter, change from summer time included.
    from zoneinfo import ZoneInfo

    assert (record.start_utc_ns, record.end_utc_ns) == Quarter(2026, 4).bounds_ns(ZoneInfo("Europe/Paris"))
    assert record.energy_microjoules == {"cpu": 360_000_000_000_000, "gpu": None, "ram": None}
    assert {c: (m.status, m.name) for c, m in record.method.items()} == {
        "cpu": ("declared", "kwh:undivided"),
        "gpu": ("missing", "undivided"),
        "ram": ("missing", "undivided"),
    }
    assert (record.kind, record.service, record.phase, record.instance) == ("span", "vadore", "training", "siege")
    assert (record.declared_source, record.zone, record.spans, record.run_id) == ("facture du cloud", "FRA", 0, None)
    assert sum(row["energy_microjoules"]["cpu"] for row in fold([record])) == 360_000_000_000_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-01T08:00", datetime(2026, 10, 1, 8, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-10-01T08:00+05:00", datetime(2026, 10, 1, 3, tzinfo=UTC)),
        ("2026-10-01 08:00:00Z", datetime(2026, 10, 1, 8, tzinfo=UTC)),
        ("2026-10-01", datetime(2026, 9, 30, 22, tzinfo=UTC)),
    ],
)
def test_times(tmp_path: Path, text: str, moment: datetime) -> None:
    (record,) = declared(tmp_path, HEADER + f"vadore,training,{text},2026-12-31,1,x\n")
    assert record.start_utc_ns == utc_ns(moment)


def test_a_time_as_end_is_that_instant(tmp_path: Path) -> None:
    (record,) = declared(tmp_path, HEADER + "vadore,training,2026-10-01T00:00Z,2026-10-02T00:00Z,1,x\n")
    assert record.end_utc_ns - record.start_utc_ns == 86_400 * 10**9


def test_energy_by_component_keeps_missing_apart_from_zero(tmp_path: Path) -> None:
    header = "service;phase;start;end;cpu_kwh;gpu_kwh;ram_kwh;units;source\n"
    text = header + "vadore;inference;2026-10-01;2026-10-31;1,5;0;;250000;relevé\n"
    for encoding in ("utf-8", "utf-8-sig"):
        (record,) = declared(tmp_path, text, encoding)
        assert record.energy_microjoules == {"cpu": 5_400_000_000_000, "gpu": 0, "ram": None}
        assert [record.method[c].status for c in ("cpu", "gpu", "ram")] == ["declared", "declared", "missing"]
        assert record.units_micro == 250_000_000_000


def test_hours_and_power(tmp_path: Path) -> None:
    header = "service,phase,start,end,vcpu_hours,watts_per_vcpu,gpu_hours,watts_per_gpu,source\n"
    (record,) = declared(tmp_path, header + "vadore,fine-tuning,2026-10-01,2026-10-31,1000,3.5,24,300,fiche du serveur\n")
    assert record.energy_microjoules == {"cpu": 12_600_000_000_000, "gpu": 25_920_000_000_000, "ram": None}
    assert record.method["gpu"].name == "power-model"
    (record,) = declared(tmp_path, header + "vadore,fine-tuning,2026-10-01,2026-10-31,1000,3.5,,,fiche\n")
    assert record.energy_microjoules["gpu"] is None


def test_declaring_twice_changes_nothing(tmp_path: Path, home: Path) -> None:
    text = HEADER + "vadore,training,2026-10-01,2026-10-31,1.5,x\nsmart-emploi,inference,2026-10-01,2026-10-31,2,x\n"
    journal = Journal(home)
    for form in (text, text.replace("1.5", "1.50"), "\n".join([text.splitlines()[i] for i in (0, 2, 1)]) + "\n\n"):
        writer = journal.writer()
        writer.append(declared(tmp_path, form))
        writer.close()
    records = journal.scan().records
    assert len(records) == 6
    assert len({record.record_id for record in records}) == 2
    assert sum(row["energy_microjoules"]["cpu"] for row in fold(records)) == 12_600_000_000_000
    assert not journal.scan().corrupt


def test_every_fault_is_named_with_its_place_and_remedy(tmp_path: Path) -> None:
    text = HEADER + (
        "Vadore,training,2026-10-01,2026-10-31,1,x\n"
        "vadore,dreaming,2026-10-01,2026-10-31,1,x\n"
        "vadore,training,01/10/2026,2026-10-31,1,x\n"
        "vadore,training,2026-10-31,2026-10-01,1,x\n"
        "vadore,training,2026-10-01,2026-10-31,nan,x\n"
        "vadore,training,2026-10-01,2026-10-31,-1,\n"
        "vadore,training,2026-10-01,2026-10-31,,x\n"
    )
    told = faults(tmp_path, text).splitlines()
    assert "nothing was taken" in told[0]
    expected = [
        ("activity.csv, columns 'start' and 'end'", "'01/10/2026' can be day/month or month/day", "write 2026-10-31"),
        ("activity.csv:2", "service", "'Vadore'", "lower-case"),
        ("activity.csv:3", "phase", "'dreaming'", "training"),
        ("activity.csv:5", "end", "'2026-10-01'", "after the start"),
        ("activity.csv:6", "energy_kwh", "'nan'", "write a number"),
        ("activity.csv:7", "source", "''", "where the figures come from"),
        ("activity.csv:7", "energy_kwh", "'-1'", "from 0"),
        ("activity.csv:8", "energy_kwh", "''", "vcpu_hours"),
    ]
    assert len(told) == len(expected) + 1
    for line, parts in zip(told[1:], expected, strict=True):
        for part in parts:
            assert part in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["header lacks 'service', 'phase', 'start', 'end', 'source': known are"]),
        ("service,phase,start,end,energy,source\n", ["header has 'energy', not known: known are", "energy_kwh"]),
        ("service,service,phase,start,end,source\n", ["'service' is there twice"]),
        (HEADER, ["no activity"]),
        (HEADER + "vadore,training,2016-10-01,2026-10-31,1,x\n", ["activity.csv:2", "end", "ten years at most"]),
        (HEADER + "vadore,training,2026-10-01\n", ["activity.csv:2", "3 cells", "6"]),
        (HEADER + 'vadore,training,2026-10-01,2026-10-31,1,"never closed\n', ["not readable as CSV"]),
        (HEADER + "vadore,training,2026-10-01,2026-10-31,1,x\n" * 2, ["activity.csv:3", "earlier line"]),
        (HEADER.replace("source", "cpu_kwh,source") + "vadore,training,2026-10-01,2026-10-31,1,1,x\n", ["one way only"]),
        (
            HEADER.replace("energy_kwh", "vcpu_hours") + "vadore,training,2026-10-01,2026-10-31,1,x\n",
            ["watts_per_vcpu", "vcpu_hours"],
        ),
        (HEADER + "vadore,training,1960-10-01,2026-10-31,1,x\n", ["1970"]),
        (HEADER + "vadore,training,2026-10-01,9999-12-31,1,x\n", ["'end'"]),
        (HEADER + "vadore,training,2026-10-01,2026-10-31,1e9,x\n", ["from 0 to 1 000 000"]),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    told = faults(tmp_path, text)
    for word in words:
        assert word in told


FRENCH = "service;phase;start;end;energy_kwh;source\nvadore;inference;"
RELEVE = "Relevé n° 12\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (f"{FRENCH}01/10/2026;31/12/2026;1 234,5;{RELEVE}", "cp1252"),
        (f"{FRENCH}01/10/2026;31/12/2026;1 234,5;{RELEVE}", "utf-8-sig"),
        (f"{FRENCH}01.10.2026;31.12.2026;1\u202f234,5;{RELEVE}", "utf-8"),
        (f"sep=;\n{FRENCH}2026-10-01;2026-12-31;1.234,5;{RELEVE}", "utf-8"),
        (f"Service;Phase;Start;End;Energy kWh;Source;;\nvadore;inference;2026-10-01;2026-12-31;1234,5;{RELEVE}", "utf-8"),
        (f"{FRENCH.strip()}2026-10-01;2026-12-31;1234,5;Relevé n° 12;;\n;;;;;;;\n", "utf-8"),
        (f"{FRENCH}2026-10-01;2026-12-31;1234,5;{RELEVE}".replace(";", "\t"), "utf-16"),
        (f"{HEADER}vadore,inference,2026-10-01 00:00:00,2026-12-31 00:00:00,1234.5,{RELEVE}", "utf-8"),
        (f"{HEADER}vadore,inference,10/1/2026,12/31/2026,1234.5,{RELEVE}", "utf-8"),
    ],
    ids=["cp1252", "mark", "narrow space", "sep=", "case", "trailing", "tabs in utf-16", "pandas", "american"],
)
def test_what_offices_save_is_the_same_activity(tmp_path: Path, text: str, encoding: str) -> None:
    (plain,) = declared(tmp_path, f"{HEADER}vadore,inference,2026-10-01,2026-12-31,1234.5,{RELEVE}")
    assert declared(tmp_path, text, encoding) == [plain]


def test_a_workbook_is_read_by_its_cells(tmp_path: Path) -> None:
    from openpyxl import Workbook

    (plain,) = declared(tmp_path, f"{HEADER}vadore,inference,2026-10-01,2026-12-31,1234.5,{RELEVE}")
    book = Workbook()
    book.active.append(["Service", "Phase", "Start", "End", "Energy_kWh", "Source"])
    book.active.append(["vadore", "inference", date(2026, 10, 1), date(2026, 12, 31), 1234.5, "Relevé n° 12"])
    book.active.append([None] * 6)
    book.active["G1"] = "Units"  # a column that the line leaves empty
    book.save(tmp_path / "activity.xlsx")
    assert read_activity(tmp_path / "activity.xlsx", CONFIGURED) == [plain]
    book.active["A1048576"] = 1
    book.save(tmp_path / "far.xlsx")
    with pytest.raises(UsageError, match=r"far.xlsx:1048576, column 'phase'"):
        read_activity(tmp_path / "far.xlsx", CONFIGURED)


def test_a_file_that_would_fill_the_ledger_with_half_hours_is_refused_before_it_does(tmp_path: Path) -> None:
    lines = [f"s{number},training,2016-10-01,2026-09-{15 + number},1,x\n" for number in range(12)]
    assert len(declared(tmp_path, HEADER + "".join(lines[:11]))) == 11
    told = faults(tmp_path, HEADER + "".join(lines))
    assert "its lines cover 2,0" in told
    assert "2,000,000 at most: check the years" in told


def test_a_number_of_two_readings_is_refused_and_a_workbooks_own_number_has_one(tmp_path: Path) -> None:
    from openpyxl import Workbook

    told = faults(tmp_path, f"{FRENCH}2026-10-01;2026-12-31;412.000;{RELEVE}")
    assert "value '412.000': this can be read in two ways" in told
    book = Workbook()
    book.active.append(["service", "phase", "start", "end", "energy_kwh", "source"])
    book.active.append(["vadore", "inference", date(2026, 10, 1), date(2026, 12, 31), 1.234, "x"])
    book.save(tmp_path / "activity.xlsx")
    (record,) = read_activity(tmp_path / "activity.xlsx", CONFIGURED)
    assert record.energy_microjoules["cpu"] == 1.234 * 3_600_000_000_000


def test_dates_that_read_in_two_ways_are_refused_in_one_line(tmp_path: Path) -> None:
    told = faults(tmp_path, HEADER + "vadore,training,01/10/2026,05/10/2026,1,x\n" * 3)
    assert told.splitlines()[1:] == [
        "activity.csv, columns 'start' and 'end': '01/10/2026' can be day/month or month/day, and no other date tells: "
        "write 2026-10-31"
    ]
    mixed = faults(tmp_path, HEADER + "vadore,training,13/10/2026,10/14/2026,1,x\n")
    assert "neither all day/month nor all month/day" in mixed


def test_missing_files_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check the path"):
        read_activity(tmp_path / "none.csv", CONFIGURED)


@given(text=st.text(max_size=80), column=st.sampled_from(COLUMNS))
def test_any_text_in_a_cell_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str, column: str) -> None:
    cells = {
        "service": "vadore",
        "phase": "training",
        "start": "2026-10-01",
        "end": "2026-10-31",
        "source": "x",
        "energy_kwh": "1",
    }
    cells[column] = '"' + text.replace('"', '""') + '"'
    path = tmp_path_factory.getbasetemp() / "cell.csv"
    path.write_text(",".join(cells) + "\n" + ",".join(cells.values()) + "\n", encoding="utf-8", errors="replace")
    try:
        records = read_activity(path, CONFIGURED)
    except UsageError as refusal:
        told = str(refusal)
    else:
        told = "cell.csv:"
        assert [Record.from_dict(record.to_dict()) for record in records] == records
        assert len(records) == 1
    assert "cell.csv:" in told

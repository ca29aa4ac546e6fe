"""RTE, eCO2mix, in the true layout of its files: clock changes, missing values, wrong lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ecoia.periods import HALF_HOUR_NS, utc_ns
from support.factor_files import PARIS, Read, generic, refused, xls
from support.factor_sets import value_at

CSV_HEADER = (
    "Périmètre;Nature;Date;Heure;Date et Heure;Consommation (MW);Nucléaire (MW);Ech. physiques (MW);Taux de CO2 (g/kWh);"
    "Ech. comm. Angleterre (MW)"
)


def open_data(rows: list[tuple[datetime, str]]) -> str:
    """The open data's file: semicolons, UTF-8 with a mark, the instant with its offset."""
    lines = []
    for moment, rate in rows:
        local = moment.astimezone(PARIS)
        lines.append(
            f"France;Données définitives;{local:%Y-%m-%d};{local:%H:%M};{local.isoformat()};52000;41000;-900;{rate};-1000"
        )
    return "\ufeff" + "\n".join((CSV_HEADER, *lines)) + "\n"


def local_day(day: str, minutes: int) -> list[datetime]:
    """The instants of a civil day of France."""
    start = datetime.fromisoformat(day).replace(tzinfo=PARIS)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=PARIS)
    count = (utc_ns(end) - utc_ns(start)) // (minutes * 60 * 10**9)
    return [start.astimezone(UTC) + n * timedelta(minutes=minutes) for n in range(count)]


@pytest.mark.parametrize(("day", "half_hours"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-06-01", 48)])
@pytest.mark.parametrize("minutes", [30, 15])
@pytest.mark.parametrize("form", ["xls", "csv"])
def test_no_half_hour_is_lost_or_doubled_where_the_clock_changes(
    read: Read, day: str, half_hours: int, minutes: int, form: str
) -> None:
    moments = local_day(day, minutes)
    rates = {moment: 10 + n // (30 // minutes) for n, moment in enumerate(moments)}
    if form == "xls":
        rows = [(f"{m.astimezone(PARIS):%Y-%m-%d}", f"{m.astimezone(PARIS):%H:%M}", str(rate)) for m, rate in rates.items()]
        found = read(xls(rows), "eco2mix", name="eCO2mix.xls", encoding="cp1252").factors
    else:
        found = read(open_data([(m, str(rate)) for m, rate in rates.items()]), "eco2mix").factors
    assert len(found.factors) == half_hours
    first = utc_ns(moments[0])
    assert [(f.start_utc_ns, f.value_g_per_kwh) for f in found.factors] == [
        (first + n * HALF_HOUR_NS, 10.0 + n) for n in range(half_hours)
    ]
    assert found.gaps("FRA") == []
    assert found.pairs == (("direct", "production"),), "what burning emits: a sensitivity, no inventory"


def test_rows_of_quarters_whose_rate_is_by_the_half_hour_leave_no_gap(read: Read) -> None:
    rows = [(m, "17" if m.minute in (0, 30) else "") for m in local_day("2026-06-01", 15)]
    found = read(open_data(rows), "eco2mix")
    assert len(found.factors.factors) == 48
    assert found.left_out == {"no value": 48}


def test_two_quarters_make_the_mean_of_their_half_hour(read: Read) -> None:
    found = read(xls([("2026-06-01", "00:00", "10"), ("2026-06-01", "00:15", "21")]), "eco2mix", encoding="cp1252").factors
    assert [factor.value_g_per_kwh for factor in found.factors] == [15.5]


@pytest.mark.parametrize("missing", ["ND", "-", "", "nd"])
def test_a_missing_value_is_a_gap_and_not_zero(read: Read, missing: str) -> None:
    rows = [("2026-06-01", "00:00", "10"), ("2026-06-01", "00:30", missing), ("2026-06-01", "01:00", "12")]
    found = read(xls(rows), "eco2mix", encoding="cp1252").factors
    assert value_at(found, "FRA", "2026-05-31T22:30") is None
    assert len(found.gaps("FRA")) == 1


def test_open_data_comes_in_any_order(read: Read) -> None:
    rows = [(m, str(10 + n)) for n, m in enumerate(local_day("2026-10-25", 30))]
    a, b = (read(open_data(each), "eco2mix").factors for each in (rows, rows[::-1]))
    assert [(f.start_utc_ns, f.value_g_per_kwh) for f in a.factors] == [(f.start_utc_ns, f.value_g_per_kwh) for f in b.factors]


def test_the_hour_that_spring_skips_may_be_there_empty(read: Read) -> None:
    rows = [("2026-03-29", f"{h:02}:{m:02}", "" if h == 2 else "10") for h in range(5) for m in (0, 30)]
    assert read(xls(rows), "eco2mix", encoding="cp1252").factors.gaps("FRA") == []
    rows[4], rows[5] = ("2026-03-29", "02:00", "10"), ("2026-03-29", "02:30", "10")  # RTE writes the next hour's values there
    filled = read(xls(rows), "eco2mix", encoding="cp1252")
    assert filled.left_out["hour that spring skips"] == 2
    assert (len(filled.factors.factors), filled.factors.gaps("FRA")) == (8, [])
    rows[4] = ("2026-03-29", "02:00", "12")
    assert "file.csv:6, field 'Date', value '2026-03-29 02:00': this hour is skipped" in refused(
        read, xls(rows), "eco2mix", encoding="cp1252"
    )


@pytest.mark.parametrize(
    ("rows", "remedy"),
    [
        (
            [("2026-06-01", "00:00", "1"), ("2026-06-01", "00:00", "2")],
            "value '2026-06-01 00:00': the same time as line 2",
        ),
        ([("2026-06-01", "01:00", "1"), ("2026-06-01", "00:00", "2")], "before line 2: put the lines in order"),
        ([("2026-06-01", "00:00", "-3")], "not negative"),
        ([("2026-06-01", "00:00", "3000")], "above 2,000"),
        ([("2026-06-01", "00:00", "12,5")], "decimal point, not a comma"),
        ([("1er juin", "00:00", "12")], "write a day and a time"),
    ],
)
def test_a_wrong_line_of_eco2mix_refuses_the_file(read: Read, rows: list[tuple[str, str, str]], remedy: str) -> None:
    assert remedy in refused(read, xls(rows), "eco2mix", encoding="cp1252")


def test_unicode_text_of_a_spreadsheet_is_read(read: Read) -> None:
    text = xls([("2026-06-01", "00:00", "21"), ("2026-06-01", "00:30", "22")])
    for kind, written in (("eco2mix", text), ("generic", generic("FRA,2025-01-01,2026-01-01,41"))):
        found, plain = (read(written, kind, encoding=each).factors.factors for each in ("utf-16", "utf-8"))
        assert [each.value_g_per_kwh for each in found] == [each.value_g_per_kwh for each in plain]
        assert "not utf-8" in refused(read, written, kind, encoding="utf-16", as_encoding="utf-8")


def test_a_regional_file_has_no_rate_and_says_so(read: Read) -> None:
    text = xls([("2026-06-01", "00:00", "10")]).replace("\nFrance\t", "\nBretagne\t")
    assert "only the national file" in refused(read, text, "eco2mix", encoding="cp1252")
    assert "field 'Taux de Co2'" in refused(read, text.replace("\tTaux de Co2", ""), "eco2mix", encoding="cp1252")

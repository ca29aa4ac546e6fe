"""Totals: exact, blind to order and to how work was cut, the same on any frame."""

from __future__ import annotations

from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.publishing import row_table as aggregation
from ecoia.records import Record, Row, Tokens, fold
from ecoia.semconv import TABLE_COLUMNS
from support.records import LOAD, instant, outcome, record

PARIS = ZoneInfo("Europe/Paris")
ENERGY = st.none() | st.integers(0, 10**15)

FEWER = settings(max_examples=settings.default.max_examples // 3)  # each example goes through every grouping, twice


@st.composite
def some_records(draw: st.DrawFn) -> list[Record]:
    """A few records of any kind, over half a year around a quarter's end."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["span", "span", "idle", "unattributed", "overhead"]))
        work = kind == "span"
        found.append(
            record(
                instant("2026-09-30T20:00") + draw(st.integers(0, 16)) * 1_800_000_000_000,
                draw(st.integers(0, 29)),
                cpu=draw(ENERGY),
                gpu=draw(ENERGY),
                ram=draw(ENERGY),
                methods={"cpu": draw(st.sampled_from([LOAD, record().method["cpu"]]))},
                kind=kind,
                service=draw(st.sampled_from(["vadore", "smart-emploi"])) if work else draw(st.sampled_from([None, "vadore"])),
                phase=draw(st.sampled_from(["training", "inference"])) if work else None,
                run_id=draw(st.sampled_from([None, "run-1", "run-2"])),
                spans=draw(st.integers(0, 9)),
                units_micro=draw(st.none() | st.integers(0, 10**9)),
                cpu_ns=draw(st.integers(0, 10**12)),
            )
        )
    return found


GROUPINGS = (
    aggregation.by_kind,
    aggregation.by_quarter,
    aggregation.by_service,
    aggregation.by_service_phase,
    aggregation.by_run,
    aggregation.by_method,
    aggregation.by_status,
)


def lines(grouping: Any, rows: list[Row]) -> list[dict[str, Any]]:
    """A grouping of rows, as plain data."""
    return aggregation.records(grouping(aggregation.table(rows, PARIS)))


def test_the_table_has_the_columns_of_the_conventions_and_keeps_missing_missing() -> None:
    rows = fold([record(cpu=5, ram=None, tokens=(Tokens("p", "m", 7, 3), Tokens("p", "n", 1, 1)), lost={"a": 2, "b": 1})])
    frame = aggregation.table(rows, PARIS)
    assert tuple(frame.columns) == TABLE_COLUMNS
    (line,) = aggregation.records(frame)
    assert (line["cpu_microjoules"], line["gpu_microjoules"], line["ram_microjoules"]) == (5, None, None)
    assert (line["ram_status"], line["cpu_status"], line["cpu_method"]) == ("missing", "measured", "rapl")
    assert (line["tokens_in"], line["tokens_out"], line["lost"], line["units_micro"]) == (8, 4, 3, None)
    assert (line["quarter"], line["simulated"], line["zone"], line["outcome"]) == ("2026Q4", False, None, None)


def test_the_quarter_is_that_of_civil_time() -> None:
    rows = fold([record("2026-09-30T21:30", cpu=1), record("2026-09-30T22:00", cpu=2)])
    assert [(line["quarter"], line["cpu_microjoules"]) for line in lines(aggregation.by_quarter, rows)] == [
        ("2026Q3", 1),
        ("2026Q4", 2),
    ]
    assert set(aggregation.table(rows)["quarter"]) == {"2026Q3"}  # in UTC


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_no_rows_give_no_lines(grouping: Any) -> None:
    assert lines(grouping, []) == []


@FEWER
@given(records=some_records())
def test_totals_are_the_exact_sums_of_the_rows(records: list[Record]) -> None:
    expected: dict[tuple[Any, ...], list[int]] = {}
    for one in records:
        if one.kind == "span":
            expected.setdefault((one.service, one.phase), []).extend(e for e in one.energy_microjoules.values() if e is not None)
    found = {(line["service"], line["phase"]): line for line in lines(aggregation.by_service_phase, fold(records))}
    assert {key: line["energy_microjoules"] for key, line in found.items()} == {
        key: sum(values) if values else None for key, values in expected.items()
    }
    every = [value for one in records for value in one.energy_microjoules.values() if value is not None]
    assert sum(line["energy_microjoules"] or 0 for line in lines(aggregation.by_kind, fold(records))) == sum(every)
    assert sum(line["microjoules"] for line in lines(aggregation.by_status, fold(records))) == sum(every)


@FEWER
@given(records=some_records(), order=st.randoms(use_true_random=False))
def test_order_changes_nothing(records: list[Record], order: Any) -> None:
    rows = [row for one in records for row in fold([one])]
    shuffled = list(rows)
    order.shuffle(shuffled)
    for grouping in GROUPINGS:
        assert lines(grouping, shuffled) == lines(grouping, rows)


@FEWER
@given(one=st.integers(0, 10**15), cut=st.integers(1, 119), minutes=st.integers(120, 240))
def test_cutting_a_record_in_windows_changes_no_total(one: int, cut: int, minutes: int) -> None:
    start = "2026-09-30T20:10"  # over several half-hours and the end of a quarter in Paris
    whole = [record(start, minutes, cpu=one, ram=None, cpu_ns=one, spans=1)]
    part = one * cut // minutes
    second = instant(start) + cut * 60 * 10**9
    cuts = [
        record(start, cut, cpu=part, ram=None, cpu_ns=part, spans=0),
        record(second, minutes - cut, cpu=one - part, ram=None, cpu_ns=one - part, spans=1),
    ]
    for grouping in (aggregation.by_kind, aggregation.by_service, aggregation.by_service_phase, aggregation.by_status):
        assert lines(grouping, fold(cuts)) == lines(grouping, fold(whole))


@FEWER
@given(records=some_records())
def test_services_then_quarters_is_quarters_then_services(records: list[Record]) -> None:
    rows = fold(records)
    frame = aggregation.table(rows, PARIS)
    by_both = Counter[tuple[str, str | None]]()
    for quarter in set(frame["quarter"]):
        part = [row for row in rows if str(Quarter.of_instant(row["half_hour_utc_ns"], PARIS)) == quarter]
        for line in lines(aggregation.by_service, part):
            by_both[quarter, line["service"]] += line["energy_microjoules"] or 0
    other_way = Counter[tuple[str, str | None]]()
    for service in {row["service"] for row in rows}:
        for line in lines(aggregation.by_quarter, [row for row in rows if row["service"] == service]):
            other_way[line["quarter"], service] += line["energy_microjoules"] or 0
    assert by_both == other_way


@FEWER
@given(records=some_records())
def test_another_frame_gives_the_same(records: list[Record]) -> None:
    frame = aggregation.table(fold(records), PARIS)
    arrow = nw.from_native(frame, eager_only=True).to_arrow()
    for grouping in GROUPINGS:
        assert aggregation.records(grouping(arrow)) == aggregation.records(grouping(frame))  # type: ignore[operator]


def test_outcomes_carry_no_energy_and_are_in_no_total() -> None:
    rows = fold([record(cpu=5, ram=None, run_id="r"), outcome("2026-11-23T10:05", "r", "failed")])
    assert [line["kind"] for line in lines(aggregation.by_kind, rows)] == ["span"]
    assert [(line["run_id"], line["energy_microjoules"]) for line in lines(aggregation.by_run, rows)] == [("r", 5)]


def test_sums_stay_exact_where_a_float_would_not() -> None:
    rows = fold([record(cpu=2**53, ram=1), record(cpu=2**53 + 1, ram=1)])
    (line,) = lines(aggregation.by_kind, rows)
    assert line["energy_microjoules"] == 2**54 + 3
    assert aggregation.table(rows)["cpu_microjoules"].dtype == pd.Int64Dtype()


def test_a_sum_beyond_64_bits_is_refused_not_wrapped() -> None:
    rows = fold([record(cpu=2**62, ram=2**61), record(cpu=None, ram=2**62)])
    with pytest.raises(UsageError, match=r"energy_microjoules adds up to .* fewer rows"):
        aggregation.table(rows)


def test_calls_are_summed_only_where_every_row_told_them() -> None:
    """A part is no sum; and an export of before they were counted lacks the column."""
    told = record(cpu=5, ram=None, tokens=(Tokens("p", "m", 7, 3, requests=2, cached_in=4),))
    untold = record(cpu=5, ram=None, service="other", tokens=(Tokens("p", "m", 7, 3),))
    frame = aggregation.table(fold([told, untold]), PARIS)
    by_service = {
        line["service"]: (line["requests"], line["cached_in"]) for line in aggregation.records(aggregation.by_service(frame))
    }
    assert by_service == {"vadore": (2, 4), "other": (None, None)}
    (whole,) = aggregation.records(aggregation.by_kind(frame))
    assert (whole["tokens_in"], whole["requests"]) == (14, None)
    (before,) = aggregation.records(aggregation.by_kind(frame.drop(columns=["requests", "cached_in"])))
    assert (before["tokens_in"], before["requests"]) == (14, None)

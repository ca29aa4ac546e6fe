"""Engines: the same integers as Python's own sums, from each, and nothing lost or doubled on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from ecoia.engines import engine_rows, moments, plan
from ecoia.engines.choosing import PANDAS_ROWS, PYTHON_ROWS, choose
from ecoia.engines.duckdb_engine import DuckdbEngine
from ecoia.engines.engine import Engine
from ecoia.engines.engine_rows import EngineRows, LostInSumsError
from ecoia.engines.pandas_engine import PandasEngine
from ecoia.engines.row_source import RowSource
from ecoia.errors import UsageError
from ecoia.records import RecordError, Row, fold
from ecoia.records.columns import ROW_SCHEMA, table_of
from support.engine_sums import MOST, agreed, awkward_rows
from support.records import instant, record

HALF_HOURS = [instant(text) for text in ("2026-06-30T21:30", "2026-06-30T22:00", "2026-11-23T10:00", "2026-11-23T10:30")]


def pandas(source: RowSource) -> Engine:
    return PandasEngine(source, batch_rows=7)


ENGINES: list[Callable[[RowSource], Engine]] = [pandas, DuckdbEngine]
each_engine = pytest.mark.parametrize("make", ENGINES)


def source_of(rows: list[Row]) -> RowSource:
    return RowSource(table=table_of(rows))


@each_engine
def test_awkward_rows_have_the_same_sums(make: Callable[[RowSource], Engine], tmp_path: Path) -> None:
    rows = awkward_rows()
    expected = agreed(rows)
    assert {one.kind for one in expected["refusals"]} == {"copy", "host", "device"}
    parquet.write_table(table_of(rows[::2]), tmp_path / "one.parquet")
    parquet.write_table(table_of(rows[1::2]), tmp_path / "other.parquet")
    assert agreed(EngineRows(make(RowSource((tmp_path / "one.parquet", tmp_path / "other.parquet"))))) == expected


@each_engine
def test_rows_from_an_instant_on_are_left_out(make: Callable[[RowSource], Engine]) -> None:
    rows, before = awkward_rows(), instant("2026-11-24T12:00")
    recorded = EngineRows(make(source_of(rows)))
    assert agreed(recorded, before) == agreed(rows, before)
    assert len(recorded) == len(rows)
    assert recorded.last_utc_ns() == max(row["end_utc_ns"] for row in rows)
    assert sorted(map(str, recorded)) == sorted(map(str, rows))


@each_engine
def test_no_rows_are_no_sums(make: Callable[[RowSource], Engine]) -> None:
    recorded = EngineRows(make(source_of([])))
    assert (len(recorded), agreed(recorded)) == (0, agreed([]))


@st.composite
def few_rows(draw: st.DrawFn) -> list[Row]:
    """Draw rows of few half-hours, instances and ids, so that many meet."""
    amounts, few = st.none() | st.sampled_from((0, 1, 2**31 - 1, 2**31, MOST)), st.sampled_from
    found = []
    for index in range(draw(st.integers(0, 8))):
        start = draw(few(HALF_HOURS)) + 60 * 10**9 * draw(st.integers(0, 20))
        whole = draw(st.booleans())
        found += fold(
            [
                record(
                    start,
                    draw(st.integers(0, 9)),
                    cpu=draw(amounts),
                    gpu=draw(amounts),
                    ram=draw(amounts),
                    record_id=f"r{draw(few((index, 0)))}",
                    instance=draw(few(("host-1", "host-2"))),
                    service=draw(few((None, "", "vadore"))),
                    phase=draw(few((None, "", "training", "inference"))),
                    kind=draw(few(("span", "idle", "unattributed"))),
                    zone=draw(few((None, "", "FRA", "DEU", "XXX"))),
                    run_id=draw(few((None, "run-1"))),
                    units_micro=draw(amounts),
                    cpu_ns=draw(few((0, MOST))),
                    scope="host" if whole else "process",
                    pid=draw(st.integers(1, 2)),
                )
            ]
        )
    return found


@pytest.mark.parametrize("make", ENGINES)
@settings(max_examples=8)
@given(rows=few_rows())
def test_any_rows_have_the_same_sums(make: Callable[[RowSource], Engine], rows: list[Row]) -> None:
    assert agreed(EngineRows(make(source_of(rows)))) == agreed(rows)


@each_engine
def test_energy_beyond_the_limit_is_refused_by_name(make: Callable[[RowSource], Engine]) -> None:
    """Three of them would wrap around in 64-bit integers, silently."""
    table = table_of(fold([record("2026-11-23T10:00", cpu=5, instance=f"host-{n}") for n in range(3)]))
    too_much = pa.array([2**62 + 1] * 3, pa.int64())
    wrong = table.set_column(table.column_names.index("cpu_microjoules"), ROW_SCHEMA.field("cpu_microjoules"), too_much)
    with pytest.raises(RecordError, match=r"row 0: energy_microjoules = \{'cpu': 4611686018427387905,"):
        agreed(EngineRows(make(RowSource(table=wrong))))


@each_engine
def test_a_missing_moment_is_no_smaller_figure(make: Callable[[RowSource], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    def without_last(*given: Any) -> moments.Moments:
        engine, places, half_hours, lookup = given
        return moments.moments_of(engine, places, half_hours[:-1], lookup)

    monkeypatch.setattr(engine_rows, "moments_of", without_last)
    with pytest.raises(LostInSumsError, match=r"energy by moment: \d+ rows with \d+ microjoules of \d+"):
        agreed(EngineRows(make(source_of(awkward_rows()))))


@each_engine
def test_a_half_hour_listed_twice_has_one_moment(make: Callable[[RowSource], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(*given: Any) -> moments.Moments:
        engine, places, half_hours, lookup = given
        return moments.moments_of(engine, places, [*half_hours, *half_hours], lookup)

    rows = awkward_rows()
    monkeypatch.setattr(engine_rows, "moments_of", doubled)
    assert agreed(EngineRows(make(source_of(rows)))) == agreed(rows)


@each_engine
def test_two_moments_of_a_half_hour_are_found_out(make: Callable[[RowSource], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(*given: Any) -> moments.Moments:
        found = moments.moments_of(*given)
        return moments.Moments(nw.concat([found.frame, found.frame]), found.met)

    monkeypatch.setattr(engine_rows, "moments_of", doubled)
    with pytest.raises(LostInSumsError, match="energy by moment"):
        agreed(EngineRows(make(source_of(awkward_rows()))))


def test_a_factor_beyond_the_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "LIMB", 10)
    with pytest.raises(UsageError, match=r"emission factor of zone [A-Z]{3} = "):
        agreed(EngineRows(pandas(source_of(awkward_rows()))))


def test_files_that_are_no_rows_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    parquet.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RecordError, match=r"other\.parquet': column 'half_hour_utc_ns' is missing"):
        RowSource((path,))


def test_limbs_hold_any_amount() -> None:
    amounts = [0, 1, 2**31 - 1, 2**31, 2**53 + 1, MOST]
    frame = nw.from_native(pa.table({"e": pa.array([*amounts, None], pa.int64())})).lazy()
    lines = frame.with_columns(*plan.limbs("e")).collect("pyarrow").to_arrow().to_pylist()
    assert [plan.whole(line, "e") for line in lines] == [*amounts, 0]


def test_the_engine_is_chosen_by_rows() -> None:
    assert [choose(PYTHON_ROWS), choose(PYTHON_ROWS + 1), choose(PANDAS_ROWS)] == [None, "pandas", "pandas"]
    assert choose(PANDAS_ROWS + 1) == "duckdb"

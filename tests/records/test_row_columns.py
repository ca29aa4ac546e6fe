"""Rows as columns: nothing is lost, and columns refuse what ``check_row`` refuses, with the same words."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ecoia.engines.duckdb_engine import DuckdbEngine
from ecoia.engines.pandas_engine import PandasEngine
from ecoia.engines.row_source import RowSource
from ecoia.impact.inputs import row_line
from ecoia.records import NewerSchemaError, RecordError, Row, Tokens, check_row, fold, merge_rows
from ecoia.records.columns import ROW_SCHEMA, SCHEMA_KEY, check_table, conform, refused_lines, rows_of, table_of
from ecoia.records.record_ids import sequenced_id
from support.records import outcome, record

ROWS = fold(
    [
        record("2026-11-23T10:00", cpu=2**62 - 1, ram=7, lost={"a": 2, "b": 1}, quality={"accuracy": 0.75, "n": 3}),
        record("2026-11-23T10:05", cpu=1, gpu=5, service=None, phase=None, kind="idle", devices=("GPU-1",), scope="host"),
        record(
            "2026-11-23T10:05",
            5,
            cpu=5,
            units_micro=5,
            tokens=(Tokens("p", "m", 7, 3), Tokens("p", "n", 1, 2, requests=3, cached_in=0, cache_written=1, reasoning=2)),
            zone="",
        ),
        outcome("2026-11-23T10:09", "run-1", "failed"),
        *(record("2026-11-23T12:00", cpu=3, record_id=sequenced_id("0" * 31 + "a", 3, seq)) for seq in (1, 2, 3, 9)),
    ]
)
VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2**62 - 1, 2**62, 2**63, 2**64, 1.5, 2.0, float("nan"), float("inf")),
        *("", "x", "span", "outcome", "ok", "host", "measured", "\ud800"),
        *([], ["a"], [None], [1], {}, {"a": 1}, {"a": -1}, {"a": None}, {"a": 1.5}, {"a": "b"}),
        *([{}], [{"provider": "p", "model": "m", "tokens_in": 1, "tokens_out": 2}], [{"provider": None, "model": "m"}]),
    ]
)
"""What a foreign or damaged file may hold in place of a value."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in a row where a value stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [each for name, part in inner for each in places(part, (*path, name))]


@st.composite
def mutated(draw: st.DrawFn) -> Row:
    row = deepcopy(draw(st.sampled_from(ROWS)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(row)))
        place: Any = row
        for name in path[:-1]:
            place = place[name]
        old = place[path[-1]]
        near = st.sampled_from([old + 1, old - 1, -old, old + 1800 * 10**9]) if type(old) is int else VALUES
        place[path[-1]] = deepcopy(draw(VALUES | near))
    return row


def refusal(check: Callable[[Any], Any], value: Any) -> str | None:
    try:
        check(value)
    except RecordError as error:
        return str(error)
    return None


def test_rows_come_back_byte_for_byte(tmp_path: Path) -> None:
    assert list(map(row_line, rows_of(table_of(ROWS)))) == list(map(row_line, ROWS))
    parquet.write_table(table_of(ROWS), tmp_path / "rows.parquet")
    read = check_table(conform(parquet.read_table(tmp_path / "rows.parquet")))
    assert [*map(json.dumps, rows_of(read))] == [*map(json.dumps, ROWS)]


@given(mutated(), st.integers(0, len(ROWS)))
def test_columns_refuse_what_a_row_is_refused_for(row: Row, at: int) -> None:
    rows, expected = [*ROWS[:at], row, *ROWS[at:]], refusal(check_row, row)
    if said := refusal(table_of, rows):
        assert said == f"row {at}: {expected}"
        return
    table = table_of(rows)
    held = [*rows_of(table)]
    assert expected is not None or row_line(held[at]) == row_line(row)
    refused = {number: why for number, each in enumerate(held) if (why := refusal(check_row, each)) is not None}
    assert {number: str(error) for number, error in refused_lines(table)} == {n: f"row {n}: {why}" for n, why in refused.items()}


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_a_file_of_another_tool_is_read_whatever_its_kind_of_text(text: pa.DataType) -> None:
    fields = [pa.field(each.name, text) if pa.types.is_dictionary(each.type) else each for each in ROW_SCHEMA]
    foreign = pa.Table.from_arrays(
        [table_of(ROWS).column(each.name).cast(each.type) for each in fields], schema=pa.schema(fields)
    )
    assert list(rows_of(check_table(conform(foreign.append_column("quarter", [["2026Q4"] * len(ROWS)]))))) == ROWS


def test_a_file_of_before_tokens_told_their_calls_is_read(tmp_path: Path) -> None:
    """Alone, and before and after one that tells them: an engine must not take the columns of the first for those of all."""
    told = fold([record("2026-11-23T10:05", tokens=(Tokens("p", "m", 7, 3, requests=2, cached_in=0),))])
    rows = fold([record("2026-11-23T11:05", tokens=(Tokens("p", "m", 7, 3),))])
    table = table_of(rows)
    position = table.column_names.index("tokens")
    of_before = pa.list_(pa.struct(list(ROW_SCHEMA.field("tokens").type.value_type)[:4]))
    parquet.write_table(table.set_column(position, "tokens", table.column("tokens").cast(of_before)), tmp_path / "a.parquet")
    parquet.write_table(table_of(told), tmp_path / "b.parquet")
    assert [*rows_of(check_table(conform(parquet.read_table(tmp_path / "a.parquet"))))] == rows
    for names in ("ab", "ba", "a"):
        paths = [tmp_path / f"{name}.parquet" for name in names]
        for engine in (PandasEngine(RowSource(paths=paths)), DuckdbEngine(RowSource(paths=paths))):
            found = [row for lines in engine.lines(lambda frame: frame) for row in rows_of(check_table(conform(lines)))]
            assert merge_rows(found) == merge_rows(rows if names == "a" else [*told, *rows])


def test_a_table_that_cannot_be_read_is_refused_by_column() -> None:
    table = table_of(ROWS)
    with pytest.raises(RecordError, match="column 'spans' is missing"):
        conform(table.drop_columns(["spans"]))
    with pytest.raises(RecordError, match="column 'spans' of type double cannot be read as int64"):
        conform(table.set_column(table.column_names.index("spans"), "spans", [[1.5] * len(ROWS)]))
    with pytest.raises(NewerSchemaError, match="schema 999, this ecoia reads up to"):
        conform(table.replace_schema_metadata({SCHEMA_KEY: b"999"}))


def test_the_first_lines_refused_are_named_by_their_number() -> None:
    table = table_of(ROWS)
    starts = [*table.column("start_utc_ns").to_pylist()]
    starts[2] = 5
    wrong = table.set_column(table.column_names.index("start_utc_ns"), ROW_SCHEMA.field("start_utc_ns"), [starts])
    with pytest.raises(RecordError, match=r"^row 2: start_utc_ns 5 and end_utc_ns \d+ are no interval of its half-hour$"):
        check_table(wrong)

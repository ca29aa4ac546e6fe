"""Ledger rows as columns: the one Arrow schema of a row, rows to a table and back without loss, and checks by column.

A row's ``method`` and ``energy_microjoules`` become columns by component, its ``lost`` the map ``lost_causes`` (``lost`` is the
name of their count in tables for people). Figures of ``quality`` are floating-point numbers; those that JSON gave as integers
are in ``quality_whole`` too, as text, so that the row comes back byte for byte. All other fields keep their names. A field of
``record.Record`` that has no column here is an error when this module is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple

from ecoia.errors import MissingExtraError
from ecoia.light.instants import HALF_HOUR_NS
from ecoia.records.field_rules import ROW_INTEGER_LIMIT
from ecoia.records.record import ROW_FIELDS, TOLD_OR_NOT, NewerSchemaError, RecordError, Row, Tokens, check_row
from ecoia.records.refusals import FIELD_MISSING
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KINDS, OUTCOMES, SCHEMA_VERSION, SCOPES, STATUSES

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError as error:  # pragma: no cover - a base install
    raise MissingExtraError("Rows as columns", str(error.name)) from error

_WRITER = "[0-9a-f]{32}"

SCHEMA_KEY = b"ecoia.schema"
"""Name of the schema version in a table's metadata."""

_TEXT, _COUNT, _FLAG, _TEXTS = pa.string(), pa.int64(), pa.bool_(), pa.list_(pa.string())
_FEW = pa.dictionary(pa.int32(), pa.string())
_FIGURES, _AMOUNTS, _WHOLE = pa.map_(_TEXT, pa.float64()), pa.map_(_TEXT, _COUNT), pa.map_(_TEXT, _TEXT)
_TOKENS = pa.struct([(name, _TEXT if name in ("provider", "model") else _COUNT) for name in Tokens._fields])
_RANGE = pa.struct([("writer", _TEXT), ("stream", pa.int32()), ("first", _COUNT), ("last", _COUNT)])


class Column(NamedTuple):
    """One column.

    Attributes:
        type: Its Arrow type.
        field: The field of the row that it is, or is a part of.
        path: Names that lead from the field to the column's value.
        nullable: Whether None is a value.
        choices: The texts that it may hold. Empty: any.
        take: Turn the value of the row into that of the column.
    """

    type: pa.DataType
    field: str
    path: tuple[str, ...] = ()
    nullable: bool = False
    choices: tuple[str, ...] = ()

    take: Callable[[Any], Any] | None = None

    @property
    def is_count(self) -> bool:
        """Whether it holds integers of 0 or more, below ``ROW_INTEGER_LIMIT``."""
        return bool(self.type == _COUNT)

    @property
    def is_nested(self) -> bool:
        """Whether it holds lists or maps."""
        return bool(pa.types.is_nested(self.type))

    def of(self, row: Row) -> Any:
        """Return the value of a row."""
        value: Any = row.get(self.field)
        for name in self.path:
            value = value[name]
        return value if self.take is None else self.take(value)


def _items(named: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(named.items())


def _floats(figures: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, float(figure)) for name, figure in figures.items()]


def _integers(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, str(figure)) for name, figure in figures.items() if type(figure) is int]


def _ranges(sources: Iterable[Sequence[Any]] | None) -> list[dict[str, Any]] | None:
    names = [each.name for each in _RANGE]
    return None if sources is None else [dict(zip(names, each, strict=True)) for each in sources]


def _one(type_: pa.DataType, name: str, *, nullable: bool = False, choices: tuple[str, ...] = ()) -> dict[str, Column]:
    return {name: Column(type_, name, (), nullable, choices)}


def _maybe(type_: pa.DataType, name: str, *choices: str) -> dict[str, Column]:
    return _one(type_, name, nullable=True, choices=choices)


_METHODS = {f"{each}_status": Column(_FEW, "method", (each, "status"), choices=STATUSES) for each in COMPONENTS} | {
    f"{each}_method": Column(_FEW, "method", (each, "name")) for each in COMPONENTS
}
_ENERGIES = {f"{each}_microjoules": Column(_COUNT, "energy_microjoules", (each,), nullable=True) for each in COMPONENTS}
_OF_FIELD: Mapping[str, Mapping[str, Column]] = {
    "half_hour_utc_ns": _one(_COUNT, "half_hour_utc_ns"),
    "kind": _one(_FEW, "kind", choices=KINDS),
    "service": _maybe(_FEW, "service"),
    "phase": _maybe(_FEW, "phase"),
    "instance": _one(_FEW, "instance"),
    "run_id": _maybe(_FEW, "run_id"),
    "endpoint": _maybe(_FEW, "endpoint"),
    "model_version": _maybe(_FEW, "model_version"),
    "zone": _maybe(_FEW, "zone"),
    "scope": _one(_FEW, "scope", choices=SCOPES),
    "simulated": _one(_FLAG, "simulated"),
    "declared_source": _maybe(_FEW, "declared_source"),
    "method": _METHODS,
    "energy_microjoules": _ENERGIES,
    "spans": _one(_COUNT, "spans"),
    "units_micro": _maybe(_COUNT, "units_micro"),
    "accepted_micro": _maybe(_COUNT, "accepted_micro"),
    "cpu_ns": _one(_COUNT, "cpu_ns"),
    "tokens": _one(pa.list_(_TOKENS), "tokens"),
    "quality": {
        "quality": Column(_FIGURES, "quality", take=_floats),
        "quality_whole": Column(_WHOLE, "quality", take=_integers),
    },
    "lost": {"lost_causes": Column(_AMOUNTS, "lost", take=_items)},
    "devices": _one(_TEXTS, "devices"),
    "shared_devices": _one(_TEXTS, "shared_devices"),
    "pid": _maybe(_COUNT, "pid"),
    "outcome": _maybe(_FEW, "outcome", *OUTCOMES),
    "start_utc_ns": _one(_COUNT, "start_utc_ns"),
    "end_utc_ns": _one(_COUNT, "end_utc_ns"),
    "record_ids": _one(_TEXTS, "record_ids"),
    "sources": {"sources": Column(pa.list_(_RANGE), "sources", nullable=True, take=_ranges)},
}
ROW_COLUMNS = {name: column for field in ROW_FIELDS for name, column in _OF_FIELD[field].items()}
"""The columns of a table of rows, in order."""

ROW_SCHEMA = pa.schema(
    [pa.field(name, column.type, nullable=column.nullable) for name, column in ROW_COLUMNS.items()],
    metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()},
)
"""The schema of a table of rows. Texts of few values are dictionaries; Parquet keeps that, and other tools read plain texts."""


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table of ``ROW_SCHEMA``.

    Args:
        rows: Rows that ``check_row`` takes. Names that this version does not know are left out.

    Raises:
        RecordError: a row cannot be a line of the table; the message names the row's number, the field and its value.

    Example:
        >>> table_of([]).num_rows
        0
    """
    try:
        table = pa.Table.from_arrays(
            [pa.array([column.of(row) for row in rows], column.type) for column in ROW_COLUMNS.values()], schema=ROW_SCHEMA
        )
    except (pa.ArrowException, TypeError, KeyError, AttributeError, ValueError, OverflowError):
        _check_each(rows)
        raise
    if any(table.column(name).null_count and not column.nullable for name, column in ROW_COLUMNS.items()):
        _check_each(rows)
    return table


def rows_of(table: pa.Table) -> Iterator[Row]:
    """Give the lines of a table as rows, equal to those that ``table_of`` was given.

    Example:
        >>> list(rows_of(table_of([])))
        []
    """
    for batch in table.to_batches(max_chunksize=10_000):
        yield from map(_row_of, batch.to_pylist())


def _row_of(line: Mapping[str, Any]) -> Row:
    row: Row = {}
    for field in ROW_FIELDS:
        for name, column in _OF_FIELD[field].items():
            if column.path:
                place = row
                for part in (field, *column.path[:-1]):
                    place = place.setdefault(part, {})
                place[column.path[-1]] = line[name]
            elif name == "sources":
                if line[name] is not None:  # the field is not in rows without it
                    row[field] = [each and [*each.values()] for each in line[name]]
            elif name == "tokens":
                row[field] = line[name] and [each and _told(each) for each in line[name]]
            elif name == "quality_whole":
                row[field] |= {each: int(text) for each, text in line[name] or ()}
            else:
                row[field] = _mapping(line[name]) if pa.types.is_map(column.type) else line[name]
    return row


def _told(tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokens as they are in a row, without the counts that are not told."""
    return {name: value for name, value in tokens.items() if value is not None or name not in TOLD_OR_NOT}


def _mapping(items: list[tuple[str, Any]] | None) -> Any:
    """Return the items of a map as a mapping; as they are where a name stands twice, which no row has."""
    named = dict(items or ())
    return named if items is not None and len(named) == len(items) else items


def conform(table: pa.Table) -> pa.Table:
    """Return a table that was read from a file with the columns and types of ``ROW_SCHEMA``; other columns are left out.

    Raises:
        NewerSchemaError: a newer ecoia wrote it.
        RecordError: a column is missing, or has a type that cannot hold its values; the message names it.
    """
    check_schema(table.schema)
    arrays = []
    for field in ROW_SCHEMA:
        column = table.column(field.name)
        try:
            column.validate(full=True)
            arrays.append(_as_type(column, field.type))
        except pa.ArrowException as error:
            raise RecordError(f"column '{field.name}' of type {column.type} cannot be read as {field.type} ({error})") from error
    return pa.Table.from_arrays(arrays, schema=ROW_SCHEMA)


def check_schema(schema: pa.Schema) -> None:
    """Check that a file has every column of a row, and is not of a newer ecoia; ``conform`` looks at the columns themselves.

    Raises:
        NewerSchemaError: a newer ecoia wrote it.
        RecordError: a column is missing; the message names it.
    """
    version = (schema.metadata or {}).get(SCHEMA_KEY, b"1")
    if not version.isdigit() or int(version) > SCHEMA_VERSION:
        raise NewerSchemaError(f"rows of schema {version.decode()}, this ecoia reads up to {SCHEMA_VERSION}: upgrade ecoia")
    for name in ROW_SCHEMA.names:
        if name not in schema.names:
            raise RecordError(f"column '{name}' is missing", FIELD_MISSING)


def _as_type(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    if column.type == type_:
        return column
    if pa.types.is_dictionary(type_) and not pa.types.is_dictionary(column.type):
        return column.cast(type_.value_type).dictionary_encode()
    return column.cast(type_)


def check_table(table: pa.Table) -> pa.Table:
    """Check every line of a table of ``ROW_SCHEMA`` by column, as ``check_row`` checks a row.

    Returns:
        The same table.

    Raises:
        RecordError: a line is no row; the message is that of ``check_row``, after the line's number from 0.
    """
    for _, error in refused_lines(table):
        raise error
    return table


def refused_lines(table: pa.Table) -> Iterator[tuple[int, RecordError]]:
    """Give each line of a table of ``ROW_SCHEMA`` that is no row: its number from 0, and the error that says why.

    Columns only find lines that may be wrong; ``check_row`` then decides, so the rules of a row are written once.
    """
    before = 0
    for batch in table.combine_chunks().to_batches():
        doubtful = reduce(pc.or_, _doubts(batch))
        for index in pc.indices_nonzero(pc.fill_null(doubtful, True)).to_pylist():
            try:
                _check_numbered(before + index, _row_of(batch.slice(index, 1).to_pylist()[0]))
            except RecordError as error:
                yield before + index, error
        before += batch.num_rows


def _check_each(rows: Iterable[Row]) -> None:
    for number, row in enumerate(rows):
        _check_numbered(number, row)


def _check_numbered(number: int, row: Row) -> None:
    try:
        check_row(row)
    except RecordError as error:
        raise type(error)(f"row {number}: {error}", error.reason) from error


def _doubts(batch: pa.RecordBatch) -> Iterator[pa.Array]:
    """Give, for each rule, which lines may break it."""
    for name, column in ROW_COLUMNS.items():
        values = batch.column(name)
        if not column.nullable and values.null_count:
            yield pc.is_null(values)
        if (doubts := _DOUBTS.get(column.type)) is not None:
            yield doubts(values)
        if column.choices:
            known = pc.is_in(values.dictionary, value_set=pa.array([*column.choices]))
            yield pc.fill_null(pc.invert(pc.take(known, values.indices)), False)
    half_hour, start, end = (batch.column(name) for name in ("half_hour_utc_ns", "start_utc_ns", "end_utc_ns"))
    whole = pc.multiply(pc.divide(half_hour, HALF_HOUR_NS), HALF_HOUR_NS)
    yield pc.not_equal(whole, half_hour)
    yield pc.less(start, half_hour)
    yield pc.greater(start, end)
    yield pc.greater(pc.subtract(end, half_hour), HALF_HOUR_NS)
    ids = batch.column("record_ids")
    yield pc.and_(pc.equal(pc.list_value_length(ids), 0), pc.is_null(batch.column("sources")))
    yield _holding(ids, pc.fill_null(pc.match_substring_regex(pc.list_flatten(ids), f"^{_WRITER}:"), False))
    of_run = pc.equal(batch.column("kind").cast(_TEXT), KIND_OUTCOME)
    yield pc.and_(of_run, pc.is_null(batch.column("outcome")))


def _out_of_range(values: pa.Array) -> pa.Array:
    return pc.fill_null(pc.or_(pc.less(values, 0), pc.greater_equal(values, ROW_INTEGER_LIMIT)), False)


def _with_null(lists: pa.Array) -> pa.Array:
    """Say which lists hold a null."""
    return _holding(lists, pc.is_null(pc.list_flatten(lists)))


def _wrong_tokens(lists: pa.Array) -> pa.Array:
    counts = pc.list_flatten(lists)
    parts = {each.name: pc.struct_field(counts, each.name) for each in _TOKENS}
    wrong = [pc.is_null(counts)] + [pc.is_null(part) for name, part in parts.items() if name not in TOLD_OR_NOT]
    wrong += [_out_of_range(part) for part in parts.values() if part.type == _COUNT]
    zero = pa.scalar(0, _COUNT)
    cached_in, cache_written, reasoning = (pc.coalesce(parts[name], zero) for name in ("cached_in", "cache_written", "reasoning"))
    wrong += [pc.greater(pc.add(cached_in, cache_written), parts["tokens_in"]), pc.greater(reasoning, parts["tokens_out"])]
    return _holding(lists, reduce(pc.or_, [pc.fill_null(each, False) for each in wrong]))


def _wrong_ranges(lists: pa.Array) -> pa.Array:
    """Say which lists hold no range, a wrong one, or several: Python sees whether these are in order."""
    ranges = pc.list_flatten(lists)
    writer, stream, first, last = (pc.struct_field(ranges, each.name) for each in _RANGE)
    wrong = [pc.is_null(part) for part in (ranges, writer, stream, first, last)]
    wrong += [pc.invert(pc.match_substring_regex(writer, f"^{_WRITER}$")), pc.less(stream, 0)]
    wrong += [_out_of_range(first), _out_of_range(last), pc.greater(first, last)]
    found = _holding(lists, reduce(pc.or_, [pc.fill_null(each, False) for each in wrong]))
    return pc.or_(found, pc.fill_null(pc.not_equal(pc.list_value_length(lists), 1), False))


def _holding(lists: pa.Array, wrong: pa.Array) -> pa.Array:
    """Say which lists hold an element that is wrong."""
    parents = pc.list_parent_indices(lists).filter(wrong)
    return pc.is_in(pa.array(range(len(lists)), parents.type) if len(parents) else pa.nulls(len(lists), parents.type), parents)


def _not_empty(maps: pa.Array) -> pa.Array:
    """Say which maps hold anything: they are few, so Python looks at each of them."""
    return pa.array([not is_empty for is_empty in _empty(maps)], pa.bool_())


def _empty(maps: pa.Array) -> Iterable[bool]:
    offsets = maps.offsets.to_pylist()
    return (one == other for one, other in pairwise(offsets))


_DOUBTS: Mapping[pa.DataType, Callable[[pa.Array], pa.Array]] = {
    _COUNT: _out_of_range,
    _TEXTS: _with_null,
    pa.list_(_TOKENS): _wrong_tokens,
    pa.list_(_RANGE): _wrong_ranges,
    _FIGURES: _not_empty,
    _AMOUNTS: _not_empty,
    _WHOLE: _not_empty,
}

"""Records and ledger rows: the contract that measuring, delivery and reporting share.

A *record* is what a process claims over one window for one (kind, service, phase, instance, pid, run,
endpoint, model version). It is immutable, and ``record_id`` identifies it (``ecoia.records.record_ids``). A *row* is
the sum of records over one UTC half-hour, with their ids folded in: the grain of the ledger. Reports read rows only,
folded from the journal or read from the ledger. Folding is a pure function of the set of records, so the order in
which they are read, and reading one twice, change nothing.

``Record`` is the one definition of a record's fields: each field carries the rule by which it is written, read,
checked, cut at half-hours and added up. To add a field, declare it there and test it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter, itemgetter

from ecoia.errors import EcoiaError
from ecoia.light import Any, NamedTuple, Self
from ecoia.light.instants import DAY_NS, HALF_HOUR_NS, half_hour_start, half_hours
from ecoia.light.json import encoder
from ecoia.methods import Method
from ecoia.records.field_rules import (
    CLAIMANT,
    EARLIEST,
    KEY,
    KEY_METHODS,
    LATEST,
    LOOSE_IDS,
    SAME,
    SAME_MAPPING,
    SOURCES,
    SUM,
    SUM_COUNTS,
    SUM_ENERGY,
    SUM_UNLESS_MISSING,
    UNION,
    InRow,
    cut_by_time,
    cut_energy,
    keep_in_last,
    or_none,
    read_count,
    read_counts,
    read_energy,
    read_figures,
    read_flag,
    read_mapping,
    read_methods,
    read_number,
    read_one_of,
    read_text,
    read_texts,
    read_units,
    rule,
    rule_of,
    shown,
    write_energy,
    write_methods,
    write_units,
)
from ecoia.records.fields import NO_DEFAULT, field, fields_of, values_by_name, with_fields
from ecoia.records.record_ids import sequence_of
from ecoia.records.refusals import FIELD_MISSING, NEWER_SCHEMA, NO_SCHEMA, WRONG_VALUE
from ecoia.semconv import (
    FIRST_SCHEMA_VERSION,
    KIND_LINK,
    KIND_OUTCOME,
    KINDS,
    LINK_SCHEMA_VERSION,
    OUTCOMES,
    SCHEMA_VERSION,
    SCOPES,
    SEQUENCE_SCHEMA_VERSION,
)

_encode = encoder(item_separator=",", key_separator=":")
_encode_key = encoder(allow_nan=True, default=str)
_MISREAD = (ValueError, KeyError, TypeError, AttributeError, OverflowError)  # errors of a reader that meets a wrong value

MOST_WINDOW_NS = 3660 * DAY_NS
"""Longest time from a record's start to its end: ten years. A record has a row for each half-hour, one from 1970 on a million."""

_END_OF_TIME_NS = 1 << 63  # tables hold instants as int64 nanoseconds


class RecordError(EcoiaError, ValueError):
    """A record cannot be read. The message names the record, the field and its value.

    Attributes:
        reason: Why, one of ``refusals.REFUSALS``.
    """

    def __init__(self, message: str, reason: str = WRONG_VALUE) -> None:
        super().__init__(message)
        self.reason = reason


class NewerSchemaError(RecordError):
    """The record was written by a newer ecoia."""

    def __init__(self, message: str) -> None:
        super().__init__(message, NEWER_SCHEMA)


TOLD_OR_NOT = ("requests", "cached_in", "cache_written", "reasoning")
"""The counts that an entry may lack."""

_ALWAYS = ("tokens_in", "tokens_out")


class Tokens(NamedTuple):
    """Tokens exchanged with one model of one provider. Counts only, never text.

    What is not told is None here and absent in JSON, which is not zero. Entries are added up only where the same counts are told,
    so that no sum takes a part for the whole.

    Attributes:
        provider: Provider, as the program named it.
        model: Model, as the program named it.
        tokens_in: Input tokens, those of the cache included.
        tokens_out: Output tokens, those of reasoning included.
        requests: How many calls they are of. None: the ecoia that counted the tokens did not count calls.
        cached_in: How many of the input tokens were read from a cache. None: not told.
        cache_written: How many of the input tokens were written to a cache. None: not told.
        reasoning: How many of the output tokens were of reasoning. None: not told.
    """

    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    requests: int | None = None
    cached_in: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None


def _read_tokens(value: Any) -> tuple[Tokens, ...]:
    """Read the tokens of a record or row from JSON."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("is not a list")  # noqa: TRY004 - what is wrong with the value, as every reader says it
    return tuple([_read_entry(entry) for entry in value])


def _read_entry(entry: Mapping[str, Any]) -> Tokens:
    read_text(entry["provider"])
    read_text(entry["model"])
    for name in _ALWAYS:
        read_count(entry[name])
    found = Tokens(**entry)
    if len(entry) > 4:  # provider, model and what is always told
        for name in TOLD_OR_NOT:
            if name in entry:
                read_count(entry[name])
        cached_in, cache_written, reasoning = (each or 0 for each in found[5:])
        if cached_in + cache_written > found.tokens_in or reasoning > found.tokens_out:
            raise ValueError("has more tokens of the cache than of input, or more of reasoning than of output")
    return found


def _write_tokens(tokens: Iterable[Tokens]) -> list[dict[str, Any]]:
    """Write tokens in JSON types; counts that are not told are left out."""
    return [{name: value for name, value in zip(Tokens._fields, each, strict=True) if value is not None} for each in tokens]


def _tells_more(tokens: Iterable[Tokens | Mapping[str, Any]]) -> bool:
    """Return whether any entry of a record or row tells more than an ecoia that did not count requests can read."""
    return any(len(each) > 4 if isinstance(each, Mapping) else any(part is not None for part in each[4:]) for each in tokens)


def _sum_tokens(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each provider, model and set of counts that are told, sorted."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        key = (entry["provider"], entry["model"], *[name in entry for name in TOLD_OR_NOT])
        known = sums.get(key)
        if known is None:
            sums[key] = {name: entry[name] for name in Tokens._fields if name in entry}
        else:
            for name in (*_ALWAYS, *TOLD_OR_NOT):
                if name in entry:
                    known[name] += entry[name]
    return [sums[key] for key in sorted(sums)]


_SUM_TOKENS = InRow(
    begin=lambda tokens: _sum_tokens(_write_tokens(tokens)) if tokens else [],
    add=lambda total, more: _sum_tokens([*total, *more]) if more else total,
    check=_read_tokens,
)


@with_fields
class Record:
    """The claim of one process over one window.

    Fields stand in the order in which the journal writes them. Energy is in integer microjoules; ``None`` is missing,
    0 is zero. ``units_micro`` and ``accepted_micro`` are functional units in integer millionths, ``None`` unless given.
    ``shared_devices`` are those of ``devices`` that are claimed whole although other processes used them too.
    ``context`` holds software and hardware facts (never a path, an argument, a user's name or a text).
    ``beside``, in records of kind ``link`` alone, is the MLflow run that the rows of ``run_id`` are shown with.

    Example:
        An hour's window becomes two rows, which add up to its energy.

        >>> import json
        >>> from ecoia.methods import NOT_MEASURED, RAPL
        >>> record = Record(
        ...     record_id="r", kind="idle", service=None, phase=None, instance="host-1", pid=1,
        ...     start_utc_ns=0, end_utc_ns=3600 * 10**9,
        ...     energy_microjoules={"cpu": 5_000_001, "gpu": None, "ram": None},
        ...     method={"cpu": RAPL, "gpu": NOT_MEASURED, "ram": NOT_MEASURED},
        ... )
        >>> Record.from_dict(json.loads(record.to_json())) == record
        True
        >>> [part.energy_microjoules["cpu"] for part in split_by_half_hour(record)]
        [2500001, 2500000]
        >>> [row["energy_microjoules"]["cpu"] for row in fold([record, record])]
        [2500001, 2500000]
    """

    record_id: str = field(metadata=rule(read=read_text, in_row=[LOOSE_IDS, SOURCES]))
    kind: str = field(metadata=rule(read=read_one_of(*KINDS, KIND_LINK), in_row=KEY._replace(check=read_one_of(*KINDS))))
    service: str | None = field(metadata=rule(read=or_none(read_text), in_row=KEY))
    phase: str | None = field(metadata=rule(read=or_none(read_text), in_row=KEY))
    instance: str = field(metadata=rule(read=read_text, in_row=KEY))
    pid: int = field(metadata=rule(read=read_count, in_row=CLAIMANT))
    run_id: str | None = field(default=None, kw_only=True, metadata=rule(read=or_none(read_text), in_row=KEY))
    endpoint: str | None = field(default=None, kw_only=True, metadata=rule(read=or_none(read_text), in_row=KEY))
    model_version: str | None = field(default=None, kw_only=True, metadata=rule(read=or_none(read_text), in_row=KEY))
    start_utc_ns: int = field(metadata=rule(in_row=EARLIEST))
    end_utc_ns: int = field(metadata=rule(in_row=LATEST))
    energy_microjoules: Mapping[str, int | None] = field(
        metadata=rule(read=read_energy, write=write_energy, cut=cut_energy, in_row=SUM_ENERGY)
    )
    method: Mapping[str, Method] = field(metadata=rule(read=read_methods, write=write_methods, in_row=KEY_METHODS))
    spans: int = field(default=0, metadata=rule(read=read_count, cut=keep_in_last(int), in_row=SUM))
    units_micro: int | None = field(
        default=None,
        metadata=rule(read=read_units, write=write_units, cut=cut_by_time, in_row=SUM_UNLESS_MISSING, json_name="units"),
    )
    accepted_micro: int | None = field(
        default=None,
        metadata=rule(read=read_units, write=write_units, cut=cut_by_time, in_row=SUM_UNLESS_MISSING, json_name="accepted"),
    )
    tokens: tuple[Tokens, ...] = field(
        default=(), metadata=rule(read=_read_tokens, write=_write_tokens, cut=keep_in_last(tuple), in_row=_SUM_TOKENS)
    )
    quality: Mapping[str, float] = field(
        default_factory=dict, metadata=rule(read=read_figures, write=dict, cut=keep_in_last(dict), in_row=SAME_MAPPING)
    )
    cpu_ns: int = field(default=0, metadata=rule(read=read_count, cut=cut_by_time, in_row=SUM))
    lost: Mapping[str, int] = field(
        default_factory=dict, metadata=rule(read=read_counts, write=dict, cut=keep_in_last(dict), in_row=SUM_COUNTS)
    )
    devices: tuple[str, ...] = field(default=(), metadata=rule(read=read_texts, write=list, in_row=UNION))
    shared_devices: tuple[str, ...] = field(default=(), metadata=rule(read=read_texts, write=list, in_row=UNION))
    scope: str = field(default="process", metadata=rule(read=read_one_of(*SCOPES), in_row=KEY))
    share_claimed: float | None = field(default=None, metadata=rule(read=or_none(read_number)))
    reserved_share: float = field(default=0.0, metadata=rule(read=read_number))
    idle_separated: bool = field(default=False, metadata=rule(read=read_flag))
    zone: str | None = field(default=None, metadata=rule(read=or_none(read_text), in_row=KEY))
    outcome: str | None = field(default=None, metadata=rule(read=or_none(read_one_of(*OUTCOMES)), in_row=SAME))
    replaces: str | None = field(default=None, metadata=rule(read=or_none(read_text)))
    simulated: bool = field(default=False, metadata=rule(read=read_flag, in_row=KEY))
    declared_source: str | None = field(default=None, metadata=rule(read=or_none(read_text), in_row=KEY))
    target: str | None = field(default=None, metadata=rule(read=or_none(read_text)))
    context: Mapping[str, Any] = field(default_factory=dict, metadata=rule(read=read_mapping, write=dict))
    beside: str | None = field(default=None, kw_only=True, metadata=rule(read=or_none(read_text), optional=True))

    @property
    def schema(self) -> int:
        """The version that a reader must know."""
        if self.tokens and _tells_more(self.tokens):
            return SCHEMA_VERSION
        if sequence_of(self.record_id) is not None or (self.replaces and sequence_of(self.replaces) is not None):
            return SEQUENCE_SCHEMA_VERSION
        return LINK_SCHEMA_VERSION if self.kind == KIND_LINK else FIRST_SCHEMA_VERSION

    def copy_with(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**values_by_name(self) | changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the journal writes it: JSON types only, keys in a fixed order."""
        table = _TABLE
        data = dict(zip(table.json_keys, table.values_of(self), strict=False))  # lengths are equal by construction
        for name, write in table.writers:
            data[name] = write(data[name])
        for name in table.optional.values():
            if data[name] is None:
                del data[name]
        return data

    def to_json(self) -> str:
        """Return the record as one line of compact JSON.

        Raises:
            ValueError: a number is NaN or infinite.
        """
        return _encode(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Read what ``to_dict`` wrote. Names that this version does not know are left out.

        Raises:
            NewerSchemaError: ``schema`` is above ours.
            RecordError: a field is missing or has a wrong value; the message names it.
        """
        schema = data.get("schema") if isinstance(data, (dict, Mapping)) else None
        if not isinstance(schema, int):
            raise RecordError(f"record without a schema number (schema = {shown(schema)})", NO_SCHEMA)
        if schema > SCHEMA_VERSION:
            raise NewerSchemaError(f"record of schema {schema}, this ecoia reads up to {SCHEMA_VERSION}: upgrade ecoia")
        table = _TABLE
        try:
            given = table.values_in(data)
        except KeyError:
            given = _with_defaults(data)
        values = dict(zip(table.names, given, strict=False))  # lengths are equal by construction
        for name, json_name in table.optional.items():
            values[name] = data.get(json_name)
        for name, read in table.readers:
            try:
                values[name] = read(values[name])
            except _MISREAD as error:
                wrong = error if isinstance(error, ValueError) else "has the wrong shape"
                raise RecordError(f"{_named(data)}: {table.json_names[name]} = {shown(values[name])} {wrong}") from error
        start, end = values["start_utc_ns"], values["end_utc_ns"]
        if type(start) is not int or type(end) is not int or not 0 <= start <= end < _END_OF_TIME_NS:
            raise RecordError(f"{_named(data)}: start_utc_ns {shown(start)} and end_utc_ns {shown(end)} are no interval")
        if end - start > MOST_WINDOW_NS:
            raise RecordError(f"{_named(data)}: start_utc_ns {start} and end_utc_ns {end} are more than ten years apart")
        if values["kind"] == KIND_LINK and not (values["run_id"] and values["beside"]):
            raise RecordError(f"{_named(data)}: a link needs run_id and beside", FIELD_MISSING)
        return cls(**values)


def _with_defaults(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the JSON value of each field, in the order of declaration, where some of them are absent."""
    try:
        return _TABLE.values_in({**{name: default() for name, default in _TABLE.defaults.items()}, **data})
    except KeyError as error:
        raise RecordError(f"{_named(data)}: field {error} is missing", FIELD_MISSING) from error


def _named(data: Mapping[str, Any]) -> str:
    return f"record {shown(data.get('record_id'))}"


_ROW_ORDER = (
    "half_hour_utc_ns",
    "kind",
    "service",
    "phase",
    "instance",
    "run_id",
    "endpoint",
    "model_version",
    "zone",
    "scope",
    "simulated",
    "declared_source",
    "method",
    "energy_microjoules",
    "spans",
    "units_micro",
    "accepted_micro",
    "cpu_ns",
    "tokens",
    "quality",
    "lost",
    "devices",
    "shared_devices",
    "pid",
    "outcome",
    "start_utc_ns",
    "end_utc_ns",
    "record_ids",
)
"""Order of a row's fields in day files. It never changes: digests of delivered days depend on it. Other fields come last."""


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


class _Table:
    """Tables derived from the rules of a record's fields, once, so that no record pays for it."""

    def __init__(self, record_class: type[Record]) -> None:
        declared = [(each, rule_of(each.metadata)) for each in fields_of(record_class)]
        self.json_names = json_names = {each.name: way.json_name or each.name for each, way in declared}
        self.optional = {each.name: json_names[each.name] for each, way in declared if way.optional}
        self.names = tuple(name for name in json_names if name not in self.optional)
        self.json_keys = ("schema", *json_names.values())
        self.values_of: Callable[[Record], tuple[Any, ...]] = attrgetter("schema", *json_names)
        self.values_in: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*(json_names[name] for name in self.names))
        self.defaults: dict[str, Callable[[], Any]] = {}
        for each, _ in declared:
            if each.default_factory is not NO_DEFAULT:
                self.defaults[json_names[each.name]] = each.default_factory
            elif each.default is not NO_DEFAULT:
                self.defaults[json_names[each.name]] = _always(each.default)
        self.writers = [(json_names[each.name], way.write) for each, way in declared if way.write]
        self.readers = [(each.name, way.read) for each, way in declared if way.read]
        self.cuts = [(each.name, way.cut) for each, way in declared if way.cut]
        reads = {each.name: way.read for each, way in declared}
        in_rows = {in_row.name or each.name: (each.name, in_row) for each, way in declared for in_row in way.in_row}
        more = [name for name in in_rows if name not in _ROW_ORDER]
        order = [
            *_ROW_ORDER,
            *sorted(more, key=lambda name: in_rows[name][1].optional),
        ]  # what a row may lack is added at its end
        rows = [(name, *in_rows[name]) for name in order if name in in_rows]
        self.row_names = tuple(name for name, _, _ in rows)
        self.row_values_of: Callable[[Record], tuple[Any, ...]] = attrgetter(*(attribute for _, attribute, _ in rows))
        self.row_optional = tuple(name for name, _, in_row in rows if in_row.optional)
        self.begins = [(name, in_row.begin) for name, _, in_row in rows if in_row.begin]
        keys = [(name, in_row.key) for name, _, in_row in rows if in_row.key]
        plain = [name for name, key in keys if key is KEY.key and name in _ROW_ORDER]  # at once, as no row lacks them
        self.plain_key: Callable[[Row], tuple[Any, ...]] = itemgetter("half_hour_utc_ns", *plain)
        self.keys = [each for each in keys if each[0] not in plain]
        self.checks = [(name, check) for name, attribute, in_row in rows if (check := in_row.check or reads.get(attribute))]
        self.adds = [(name, in_row.add) for name, _, in_row in rows if in_row.add]
        self.tidies = [(name, in_row.tidy) for name, _, in_row in rows if in_row.tidy]


_TABLE = _Table(Record)


ROW_FIELDS = ("half_hour_utc_ns", *_TABLE.row_names)
"""Names of the fields of a row, in the order of day files."""


def split_by_half_hour(record: Record) -> list[Record]:
    """Cut a record at half-hour boundaries, by each field's rule: energy, units and CPU time in proportion to time, exactly.

    Counts of spans, losses and tokens, which are not spread over time, stay whole in the last part, where the spans ended.
    An outcome is one event, when its run ends. It is not cut, or one run would count several times.

    Returns:
        The parts in order of time; the record itself where it straddles no boundary.
    """
    if half_hour_start(record.start_utc_ns) == half_hour_start(max(record.end_utc_ns - 1, record.start_utc_ns)):
        return [record]  # as most do
    pieces = list(half_hours(record.start_utc_ns, record.end_utc_ns))
    if record.kind == KIND_OUTCOME:
        return [record.copy_with(start_utc_ns=pieces[-1][0])]
    weights = [end - start for start, end in pieces]
    values = {name: cut(getattr(record, name), weights) for name, cut in _TABLE.cuts}
    return [
        record.copy_with(start_utc_ns=start, end_utc_ns=end, **{name: parts[index] for name, parts in values.items()})
        for index, (start, end) in enumerate(pieces)
    ]


Row = dict[str, Any]
"""A ledger row: the fields of ``Record`` that have an ``in_row`` rule, in JSON types; ``half_hour_utc_ns``, the start of its
half-hour; and in place of ``record_id``, ``record_ids`` (loose ids, sorted) and ``sources`` (ranges of sequenced ids, as
``record_ids.joined`` gives them; absent where there are none), which ``id_sets.ids_of`` reads. ``pid`` is there where a process
claims a device or the host whole, else None."""


def check_row(data: Any) -> Row:
    """Check what a day file gives as a row, by the rules of the record's fields.

    Args:
        data: Anything that JSON can hold.

    Returns:
        The same object. It can be merged, summed up and written; names that this version does not know are left in it.

    Raises:
        RecordError: it is no row; the message names the field, its value and what is wrong with it.

    Example:
        >>> check_row({"half_hour_utc_ns": -1})
        Traceback (most recent call last):
        ecoia.records.record.RecordError: half_hour_utc_ns = -1 is not the start of a half-hour
    """
    if not isinstance(data, dict):
        raise RecordError(f"{shown(data)} is no object")
    half_hour = data.get("half_hour_utc_ns")
    if type(half_hour) is not int or half_hour % HALF_HOUR_NS or not 0 <= half_hour < _END_OF_TIME_NS - HALF_HOUR_NS:
        raise RecordError(f"half_hour_utc_ns = {shown(half_hour)} is not the start of a half-hour")
    for name, check in _TABLE.checks:
        try:
            check(data[name])
        except _MISREAD as error:
            if name not in data:
                if name not in _ROW_ORDER:
                    continue  # a field of a later version is not in rows written before it
                raise RecordError(f"field '{name}' is missing", FIELD_MISSING) from None
            wrong = error if isinstance(error, ValueError) else "has the wrong shape"
            raise RecordError(f"{name} = {shown(data[name])} {wrong}") from error
    if not data["record_ids"] and "sources" not in data:
        raise RecordError("record_ids = [] is empty")
    start, end = data["start_utc_ns"], data["end_utc_ns"]
    if not half_hour <= start <= end <= half_hour + HALF_HOUR_NS:
        raise RecordError(f"start_utc_ns {shown(start)} and end_utc_ns {shown(end)} are no interval of its half-hour")
    if data["kind"] == KIND_OUTCOME and data["outcome"] is None:
        raise RecordError(f"outcome = None is not known; known: {', '.join(OUTCOMES)}")
    return data


def row_schema(row: Row) -> int:
    """Return the version of rows that a reader of this one must know."""
    if row["tokens"] and _tells_more(row["tokens"]):
        return SCHEMA_VERSION
    return SEQUENCE_SCHEMA_VERSION if "sources" in row else FIRST_SCHEMA_VERSION


def row_of(record: Record) -> Row:
    """Return the row of a record that straddles no half-hour."""
    row: Row = {"half_hour_utc_ns": half_hour_start(record.start_utc_ns)}
    row |= zip(_TABLE.row_names, _TABLE.row_values_of(record), strict=True)
    for name, begin in _TABLE.begins:
        row[name] = begin(row[name])
    for name in _TABLE.row_optional:
        if not row[name]:
            del row[name]
    # Rows keep processes apart only where another process may claim the same energy.
    if not record.shared_devices and record.scope != "host":
        row["pid"] = None
    return row


def row_key(row: Row) -> tuple[Any, ...]:
    """Return the key of a row: rows with equal keys may be added up."""
    get = row.get
    # Outcomes and quality have no sum, so each record's row stays apart.
    alone = (*row["record_ids"], *map(tuple, get("sources", ()))) if row["kind"] == KIND_OUTCOME or row["quality"] else ()
    # Claims of several processes on the whole of one thing are not added up either.
    claimant = (get("pid"), *get("shared_devices", ()))
    return (*_TABLE.plain_key(row), *[part(get(name)) for name, part in _TABLE.keys], alone, claimant)


def add_row(total: Row, row: Row) -> None:
    """Add a row to one of equal key."""
    for name, add in _TABLE.adds:
        if name in row:  # a field of a later version is not in rows written before it
            total[name] = add(total[name], row[name]) if name in total else row[name]


def merge_rows(rows: Iterable[Row], *, in_place: bool = False) -> list[Row]:
    """Add up rows of equal key.

    Args:
        rows: Rows in any order. None may hold a record that another one holds: the caller has left those out.
        in_place: Whether the rows given may become the result, so that none is copied.

    Returns:
        The rows, sorted by key.
    """
    # A shallow copy is enough: adding and tidying put new values in place of old ones and never change one.
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = row_key(row)
        if key in merged:
            add_row(merged[key], row)
        else:
            merged[key] = row if in_place else dict(row)
    for row in merged.values():
        for name, tidy in _TABLE.tidies:
            if name in row:
                row[name] = tidy(row[name])
    return [merged[key] for key in sorted(merged, key=_encode_key)]


def preferred(known: Record, other: Record) -> Record:
    """Return the content that counts of two under one id, whatever the order in which they are read.

    It is the one that ends last, as it covers more of the window that both stand for; then the one whose JSON sorts first.

    Returns:
        ``known`` where both are equal.
    """
    return known if known == other else max(sorted((known, other), key=Record.to_json), key=attrgetter("end_utc_ns"))


def each_once(records: Iterable[Record]) -> dict[str, Record]:
    """Return each record once, by its id, with the content that is ``preferred``."""
    unique: dict[str, Record] = {}
    for record in records:
        known = unique.setdefault(record.record_id, record)
        if known is not record:
            unique[record.record_id] = preferred(known, record)
    return unique


def in_force(records: Iterable[Record]) -> list[Record]:
    """Return each record once (``each_once``), without those that another one replaces."""
    unique = each_once(records)
    replaced = {record.replaces for record in unique.values() if record.replaces and record.replaces != record.record_id}
    return [record for record in unique.values() if record.record_id not in replaced]


def fold(records: Iterable[Record]) -> list[Row]:
    """Add up the records in force into ledger rows; no row straddles a half-hour. Links give none.

    Args:
        records: Records in any order; duplicates and corrected ones among them count as ``in_force`` says.

    Returns:
        Rows sorted by key, the same whatever the order of the records.
    """
    counted = (record for record in in_force(records) if record.kind != KIND_LINK)
    return merge_rows((row_of(part) for record in counted for part in split_by_half_hour(record)), in_place=True)

"""The ways in which a field of a record is read, written, cut at half-hours and added up in ledger rows.

``ecoia.records`` gives each field of a record one ``Rule`` made of these, and derives the rest from it.
A reader raises ``ValueError`` with what is wrong; the caller adds the field's name and value.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from ecoia.light import Any, NamedTuple
from ecoia.methods import Method
from ecoia.records.record_ids import add_sources, loose_part, ranged_part, read_sources, sequence_of
from ecoia.semconv import COMPONENTS, STATUSES
from ecoia.units import from_micro, micro, split_integer

ROW_INTEGER_LIMIT = 1 << 62
"""Bound of every amount in a row, not included: half of what a signed 64-bit column holds, so two rows can be added."""

_RULE = "ecoia.rule"
_values_by_component: Callable[[Any], tuple[Any, ...]] = operator.itemgetter(*COMPONENTS)


class InRow(NamedTuple):
    """How a field stands in a ledger row. By default it is not added up: the value of the first row of a key stays.

    Attributes:
        begin: Turn a record's value into the value of a row that holds this record alone. None: the value as it is.
        key: Turn a row's value into its part of the row's key. None: the value is not part of the key.
        add: Add the value of a second row to the value of a first one. None: the first stays.
        tidy: Put the value of a finished row in order. None: it is in order.
        name: Name in the row. None: the name in the record.
        check: Raise ``ValueError`` for a value that no row has. None: the value is checked as the rule reads it in the journal.
        optional: Whether rows leave the field out where it is empty.
    """

    begin: Callable[[Any], Any] | None = None
    key: Callable[[Any], Any] | None = None
    add: Callable[[Any, Any], Any] | None = None
    tidy: Callable[[Any], Any] | None = None
    name: str | None = None
    check: Callable[[Any], Any] | None = None
    optional: bool = False


class Rule:
    """How one field of a record is read, written, cut and added up.

    Attributes:
        read: Turn JSON into the field's value; raise ``ValueError`` for a wrong one. None: any value is taken as it is.
        write: Turn the value into JSON types. None: it is written as it is.
        cut: Split the value over the parts of a record, given each part's nanoseconds. None: every part has the whole value.
        in_row: How the value stands in a row: one field, or several with a name each. Empty: rows do not have it.
        json_name: Name in the journal. None: the name in the record.
        optional: Whether the journal leaves the field out where it is None, as it is in most records.
    """

    __slots__ = ("cut", "in_row", "json_name", "optional", "read", "write")

    def __init__(
        self,
        *,
        read: Callable[[Any], Any] | None = None,
        write: Callable[[Any], Any] | None = None,
        cut: Callable[[Any, Sequence[int]], Sequence[Any]] | None = None,
        in_row: InRow | list[InRow] | None = None,
        json_name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.read = read
        self.write = write
        self.cut = cut
        self.in_row = in_row if isinstance(in_row, list) else [in_row] if in_row else []
        self.json_name = json_name
        self.optional = optional


def rule(**ways: Any) -> dict[str, Rule]:
    """Return the metadata of a dataclass field that gives it a ``Rule``.

    Args:
        ways: The attributes of ``Rule`` that differ from its defaults.

    Example:
        >>> rule_of(rule(read=read_count, in_row=SUM)).in_row == [SUM]
        True
    """
    return {_RULE: Rule(**ways)}


def rule_of(metadata: Mapping[str, Any]) -> Rule:
    """Return the rule in the metadata of a dataclass field.

    Raises:
        KeyError: the field was declared without a rule.
    """
    found: Rule = metadata[_RULE]
    return found


# ------------------------------------------------------------------------------------------------- reading and writing


def read_text(value: Any) -> str:
    """Read a text that UTF-8 can hold: JSON may escape half of a character, which no file can be written with."""
    if not isinstance(value, str):
        raise ValueError("is not a text")  # noqa: TRY004 - what is wrong with the value, as every reader says it
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a character") from None
    return value


def read_flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")  # noqa: TRY004
    return value


def or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that takes None as well.

    Example:
        >>> or_none(read_count)(None) is None
        True
    """

    def read_unless_none(value: Any) -> Any:
        return None if value is None else read(value)

    return read_unless_none


def read_count(value: Any) -> int:
    """Read an integer of 0 or more and below ``ROW_INTEGER_LIMIT``."""
    if type(value) is not int or not 0 <= value < ROW_INTEGER_LIMIT:
        raise ValueError("is not a count")
    return value


def read_number(value: Any) -> float:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:  # nor NaN
        raise ValueError("is not a number")
    return value


def read_one_of(*choices: str) -> Callable[[Any], str]:
    """Return a reader of one of these texts."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"is not known; known: {', '.join(choices)}")
        return str(value)

    return read


def read_mapping(value: Any) -> dict[str, Any]:
    """Read an object of any values."""
    if not isinstance(value, dict):
        raise ValueError("is not an object")  # noqa: TRY004
    return value


def read_amount(value: Any) -> int:
    """Read an amount of a row: an integer of 0 or more and below ``ROW_INTEGER_LIMIT``."""
    if read_count(value) >= ROW_INTEGER_LIMIT:
        raise ValueError("is 2^62 or more")
    return int(value)


def read_amounts(value: Any) -> dict[str, int]:
    """Read amounts of a row by name."""
    return {read_text(name): read_amount(amount) for name, amount in read_mapping(value).items()}


def read_component_amounts(value: Any) -> dict[str, int | None]:
    """Read microjoules of a row by component: each component, and no other name. None is missing, 0 is zero."""
    if read_mapping(value).keys() != set(COMPONENTS):
        raise ValueError(f"does not have the components {', '.join(COMPONENTS)}")
    return {component: None if value[component] is None else read_amount(value[component]) for component in COMPONENTS}


def read_figures(value: Any) -> dict[str, float]:
    """Read finite numbers by name.

    Example:
        >>> read_figures({"f1": 0.87})
        {'f1': 0.87}
    """
    for name, figure in read_mapping(value).items():
        read_text(name)
        if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not abs(figure) <= sys.float_info.max:
            raise ValueError(f"gives {name!r} a value that is not a finite number")
    figures: dict[str, float] = value
    return figures


def read_counts(value: Any) -> dict[str, int]:
    """Read counts by name.

    Example:
        >>> read_counts({"clock-step": 2})
        {'clock-step': 2}
    """
    for name, count in read_mapping(value).items():
        if type(count) is not int or not 0 <= count < ROW_INTEGER_LIMIT:
            raise ValueError(f"gives {name!r} a value that is not a count")
    counts: dict[str, int] = value
    return counts


def read_texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("is not a list of texts")  # noqa: TRY004
    for each in value:
        if not isinstance(each, str):
            raise ValueError("is not a list of texts")  # noqa: TRY004
        read_text(each)
    return tuple(value)


def read_loose_ids(value: Any) -> tuple[str, ...]:
    """Read the ``record_ids`` of a row: a list of loose ids, empty where ``sources`` has them all."""
    for each in read_texts(value):
        if ":" in each and sequence_of(each) is not None:
            raise ValueError("holds a sequenced id, which belongs into sources")
    return tuple(value)


def read_units(value: Any) -> int | None:
    """Read a number of units into integer millionths. None stays None: the program gave no number.

    Example:
        >>> read_units(2.5)
        2500000
    """
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not 0 <= value * 1e6 < ROW_INTEGER_LIMIT:  # false for NaN, too
        raise ValueError("is not a number of 0 or more")
    return micro(value)


def write_units(units_micro: int | None) -> int | float | None:
    """Write integer millionths as a number of units."""
    return None if units_micro is None else from_micro(units_micro)


def read_energy(value: Any) -> dict[str, int | None]:
    """Read microjoules by component; None is missing, 0 is zero."""
    energy = {component: value[component] for component in COMPONENTS}
    for microjoules in energy.values():
        if microjoules is not None and (type(microjoules) is not int or not 0 <= microjoules < ROW_INTEGER_LIMIT):
            raise ValueError("gives a component a value that is not a count")
    return energy


def write_energy(energy_microjoules: Mapping[str, int | None]) -> dict[str, int | None]:
    """Write microjoules by component, in the order of ``COMPONENTS``."""
    return {component: energy_microjoules[component] for component in COMPONENTS}


@lru_cache(maxsize=256)
def _method(status: str, name: str) -> Method:
    if not isinstance(name, str):
        raise ValueError("has a name that is not a text")  # noqa: TRY004
    read_text(name)
    if status not in STATUSES:
        raise ValueError(f"has the status {status!r}; known: {', '.join(STATUSES)}")
    return Method(status, name)


def read_methods(value: Any) -> dict[str, Method]:
    """Read the method of each component. Equal methods share one object, as a journal repeats few of them many times."""
    return {component: _method(value[component]["status"], value[component]["name"]) for component in COMPONENTS}


def write_methods(methods: Mapping[str, Method]) -> dict[str, dict[str, str]]:
    """Write the method of each component, in the order of ``COMPONENTS``."""
    return {component: {"status": (method := methods[component]).status, "name": method.name} for component in COMPONENTS}


# ------------------------------------------------------------------------------------------------- cutting at half-hours


def cut_by_time(value: int | None, weights: Sequence[int]) -> Sequence[int | None]:
    """Split an integer in proportion to time; the parts add up exactly. None stays None in every part.

    Args:
        value: The integer, e.g. CPU time in nanoseconds.
        weights: Nanoseconds of each part.

    Example:
        >>> cut_by_time(10, [3, 1])
        [8, 2]
    """
    return [None] * len(weights) if value is None else split_integer(value, weights)


def cut_energy(value: Mapping[str, int | None], weights: Sequence[int]) -> Sequence[dict[str, int | None]]:
    """Split each component's microjoules in proportion to time."""
    split = {component: cut_by_time(value[component], weights) for component in COMPONENTS}
    return [{component: split[component][index] for component in COMPONENTS} for index in range(len(weights))]


def keep_in_last(empty: Callable[[], Any]) -> Callable[[Any, Sequence[int]], Sequence[Any]]:
    """Return a way to cut that leaves the value whole in the last part, and gives the others ``empty()``.

    For what is not spread over time: spans are counted where they end, which is the last part.

    Example:
        >>> keep_in_last(int)(5, [1, 1, 1])
        [0, 0, 5]
    """

    def cut(value: Any, weights: Sequence[int]) -> Sequence[Any]:
        return [*(empty() for _ in weights[1:]), value]

    return cut


# ------------------------------------------------------------------------------------------------- adding up in rows


def _same(value: Any) -> Any:
    return value


def _is_missing(value: Any) -> bool:
    return value is None


def _add_unless_missing(total: int | None, more: int | None) -> int | None:
    return None if total is None or more is None else total + more


def _add_energy(total: Mapping[str, int | None], more: Mapping[str, int | None]) -> dict[str, int | None]:
    return {component: _add_unless_missing(total[component], more[component]) for component in COMPONENTS}


def _missing_energy(energy: Mapping[str, int | None]) -> tuple[bool, ...]:
    return tuple([microjoules is None for microjoules in _values_by_component(energy)])


def _method_pairs(methods: Mapping[str, Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple([(method["status"], method["name"]) for method in _values_by_component(methods)])


def _add_counts(total: Mapping[str, int], more: Mapping[str, int]) -> Mapping[str, int]:
    return {**total, **{name: total.get(name, 0) + count for name, count in more.items()}} if more else total


def _sort_names(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _unite(total: Iterable[str], more: Iterable[str]) -> list[str]:
    return sorted({*total, *more})


KEY = InRow(key=_same)
"""Part of the row's key: rows with another value stay apart."""

KEY_METHODS = InRow(begin=write_methods, key=_method_pairs)
"""Part of the row's key: measured and estimated energy stay apart."""

SAME = InRow()
"""Not added up. Records that differ in it have different keys, as ``records`` keeps outcomes and whole claims apart."""

CLAIMANT = InRow(check=or_none(read_count))
"""``SAME`` for the process id, which rows hold only where processes claim the same thing."""

SAME_MAPPING = InRow(begin=dict)
"""``SAME`` for a mapping, which a row copies."""

SUM = InRow(add=operator.add, check=read_amount)
"""Added up."""

SUM_UNLESS_MISSING = InRow(key=_is_missing, add=_add_unless_missing, check=or_none(read_amount))
"""Added up. Missing and zero stay apart, or the sum would turn one into the other."""

SUM_ENERGY = InRow(begin=write_energy, key=_missing_energy, add=_add_energy, check=read_component_amounts)
"""``SUM_UNLESS_MISSING`` by component."""

SUM_COUNTS = InRow(begin=dict, add=_add_counts, tidy=_sort_names, check=read_amounts)
"""Added up by name; the row has its names sorted."""

UNION = InRow(begin=sorted, add=_unite)
"""Each value once, sorted."""

EARLIEST = InRow(add=min, check=read_count)
"""The earliest instant."""

LATEST = InRow(add=max, check=read_count)
"""The latest instant."""


LOOSE_IDS = InRow(begin=loose_part, add=_unite, name="record_ids", check=read_loose_ids)
"""The loose ids, each once, sorted."""

SOURCES = InRow(begin=ranged_part, add=add_sources, name="sources", check=read_sources, optional=True)
"""The sequenced ids, as ranges."""


def shown(value: Any, most_characters: int = 80) -> str:
    """Return the ``repr`` of a value for an error message, cut to so many characters.

    Example:
        >>> shown("x" * 100, most_characters=8)
        "'xxxxxxx..."
    """
    text = repr(value)
    return text if len(text) <= most_characters else f"{text[:most_characters]}..."

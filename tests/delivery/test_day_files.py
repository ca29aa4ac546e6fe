"""The ledger's day file without a store: its bytes, and which record counts when a day is merged or read twice."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from functools import partial
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia import limits
from ecoia.delivery.day_file import decode_day, digest, encode_day, merge_day, union
from ecoia.errors import DeliveryError
from ecoia.periods import HALF_HOUR_NS
from ecoia.records import Record, RecordError, Row, check_row, fold
from ecoia.records.id_sets import ids_of
from ecoia.records.record_ids import sequenced_id
from support.records import record

# Two half-hours of one day, and the last one of the day before.
TEN, HALF_PAST_TEN, BEFORE_MIDNIGHT = "2026-11-23T10:00", "2026-11-23T10:30", "2026-11-22T23:45"


def counted(rows: Iterable[Row]) -> dict[str, list[int]]:
    """Microjoules of each record of its own row (each record below has a service of its own), one a half-hour."""
    found: dict[str, list[int]] = {}
    for row in sorted(rows, key=lambda row: row["half_hour_utc_ns"]):
        found.setdefault(row["service"], []).append(row["energy_microjoules"]["cpu"])
    return found


def named(name: str, start: str = TEN, minutes: float = 1, *, cpu: int, **fields: object) -> Record:
    return record(start, minutes, cpu=cpu, record_id=name, service=name, **fields)


def never() -> NoReturn:
    pytest.fail("the journal's records were asked for though nothing is missing")


def merged(existing: list[Record], now: list[Record]) -> dict[str, list[int]]:
    return counted(merge_day(fold(existing), fold(now), lambda: now))


# --- bytes -----------------------------------------------------------------------------------------------------------------


def test_a_day_file_is_json_lines_in_gzip_without_time_or_name() -> None:
    rows: list[Row] = [{"service": "é", "spans": 1}, {}]
    text = '{"service":"é","spans":1}\n{}\n'.encode()
    data = encode_day(rows)
    assert gzip.decompress(data) == text
    assert data[3:8] == bytes(5), "no flag, hence no name; no time"
    assert digest(rows) == hashlib.sha256(text).hexdigest()


def test_a_day_file_reads_back_with_the_digest_of_its_text() -> None:
    rows = fold([named("é", cpu=5), named("b", HALF_PAST_TEN, cpu=6)])
    found = decode_day(encode_day(rows))
    assert (found.rows, found.refused, found.digest) == (rows, (), digest(rows))
    assert decode_day(gzip.compress(b"")).rows == []


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_day([{"quality": float("nan")}])


@pytest.mark.parametrize(
    "data",
    [b"no gzip", encode_day([{}])[:-9], gzip.compress(bytes(10**6)), gzip.compress(bytes(500)) * 3, gzip.compress(b"\n" * 11)],
    ids=["no gzip", "cut", "bomb", "bomb in pieces", "lines"],
)
def test_what_is_no_day_file_is_an_error_with_its_reason(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DAY", limits.Unpacked(1000, 10))
    with pytest.raises(DeliveryError, match=r"^not a readable day file: .+"):
        decode_day(data)


LINES = {
    "no JSON": (b"{", "is not JSON"),
    "no UTF-8": (b"\xff", "not UTF-8"),
    "no object": (b"5", "5 is no object"),
    "too deep": (b"[" * 200_000 + b"]" * 200_000, "nested more than 32 levels"),
    "too many digits": (b'{"half_hour_utc_ns":' + b"1" * 5000 + b"}", "a number has 5,000 characters"),
    "blanks": (b" ", "is not JSON"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_gives_no_row_is_named_and_the_others_count(name: str) -> None:
    line, problem = LINES[name]
    good = fold([named("a", cpu=5), named("b", HALF_PAST_TEN, cpu=6)])
    first, second = (encode_day([row]) for row in good)
    found = decode_day(first + gzip.compress(line + b"\n") + second)
    assert found.rows == good
    ((number, told),) = found.refused
    assert number == 2
    assert problem in told


HUGE = 10**400
WRONG = {
    **dict.fromkeys(("half_hour_utc_ns", "start_utc_ns", "end_utc_ns"), (None, -1, 1.5, "x", HUGE, True)),
    **dict.fromkeys(("kind", "scope"), (None, "x", [[]], {})),
    **dict.fromkeys(
        ("service", "phase", "run_id", "endpoint", "model_version", "zone", "declared_source"), (1, [[]], {}, "\ud800")
    ),
    "instance": (None, 1, [[]], "\udfff"),
    **dict.fromkeys(("spans", "cpu_ns"), (None, -1, 1.5, "x", HUGE, True, 1 << 62)),
    **dict.fromkeys(("units_micro", "accepted_micro", "pid"), (-1, 1.5, "x", [[]], True)),
    "simulated": (None, 1, "x"),
    "outcome": ("x", 1, [[]]),
    **dict.fromkeys(("devices", "shared_devices"), (None, "x", [1], {})),
    "record_ids": (None, [], [1], "x", ["\ud800"], [f"{'0' * 32}:0:1"]),
    "quality": (None, {"f1": "x"}, {"f1": float("nan")}, {"f1": float("inf")}, {"f1": HUGE}, {"f1": True}),
    "lost": (None, {"x": -1}, {"x": HUGE}, [[]]),
    "tokens": (None, [1], [{}], [{"provider": "p", "model": [], "tokens_in": 1, "tokens_out": 1}]),
    "method": (None, {}, "x", {"cpu": {"status": "guessed", "name": "x"}, "gpu": {}, "ram": {}}),
    "energy_microjoules": (
        None,
        {},
        {"cpu": -1, "gpu": None, "ram": None},
        {"cpu": 1.5, "gpu": None, "ram": None},
        {"cpu": HUGE, "gpu": None, "ram": None},
        {"cpu": 1 << 62, "gpu": None, "ram": None},
        {"cpu": True, "gpu": None, "ram": None},
        {"cpu": 1, "gpu": None, "ram": None, "disk": "x"},
    ),
}


@pytest.mark.parametrize(
    "sources", [None, [], {}, [[]], [["x", 0, 0, 1]], [["0" * 32, 0, 1, 0]], [["0" * 32, 0, 0, HUGE]], [["0" * 32, 0, 0.0, 1]]]
)
def test_sources_of_another_form_are_refused(sources: object) -> None:
    (row,) = fold([named("a", cpu=5)])
    with pytest.raises(RecordError, match="sources"):
        check_row({**row, "sources": sources})


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_its_field(name: str) -> None:
    (row,) = fold([named("a", cpu=5)])
    assert check_row(dict(row)) == row
    for value in WRONG[name]:
        with pytest.raises(RecordError, match=name):
            check_row({**row, name: value})
    with pytest.raises(RecordError, match=name):
        check_row({field: value for field, value in row.items() if field != name})


def test_every_field_of_a_row_has_a_wrong_value_above() -> None:
    (row,) = fold([named("a", cpu=5)])
    assert row.keys() == WRONG.keys()


def test_a_row_that_leaves_its_half_hour_and_an_end_without_outcome_are_refused() -> None:
    (row,) = fold([named("a", cpu=5)])
    for change in ({"start_utc_ns": row["half_hour_utc_ns"] - 1}, {"end_utc_ns": row["half_hour_utc_ns"] + HALF_HOUR_NS + 1}):
        with pytest.raises(RecordError, match="no interval"):
            check_row({**row, **change})
    with pytest.raises(RecordError, match="outcome"):
        check_row({**row, "kind": "outcome"})


# --- merging with the journal ----------------------------------------------------------------------------------------------


def test_a_new_day_is_what_the_journal_holds() -> None:
    rows = fold([named("a", cpu=5)])
    assert merge_day([], rows, never) == rows


def test_a_journal_that_is_whole_replaces_the_day() -> None:
    existing, rows = fold([named("a", cpu=5)]), fold([named("a", cpu=7), named("b", cpu=1)])
    assert merge_day(existing, rows, never) == rows


def test_a_day_of_which_the_journal_knows_nothing_stays() -> None:
    assert merged([named("a", cpu=5), named("b", HALF_PAST_TEN, cpu=6)], []) == {"a": [5], "b": [6]}


def test_records_that_the_journal_no_longer_has_stay_beside_its_new_ones() -> None:
    assert merged([named("old", cpu=5)], [named("new", cpu=7)]) == {"old": [5], "new": [7]}


def test_a_row_that_the_journal_has_in_part_is_kept_and_counted_once() -> None:
    """Both records are in one row of the ledger; the journal has the second alone."""
    row = {"service": "vadore", "pid": 1}
    one, two = (record(TEN, cpu=cpu, record_id=name, **row) for name, cpu in (("one", 5), ("two", 7)))
    assert len(fold([one, two])) == 1
    assert merged([one, two], [two]) == {"vadore": [12]}


def test_a_correction_replaces_a_record_that_is_in_no_row_of_the_journal_any_more() -> None:
    wrong, right = named("wrong", cpu=5), named("right", cpu=3, replaces="wrong")
    rows = fold([wrong, right])
    assert merge_day(fold([wrong]), rows, lambda: [wrong, right]) == rows
    assert counted(rows) == {"right": [3]}


def test_beside_what_is_kept_a_correction_counts_and_what_it_replaces_does_not() -> None:
    wrong, right = named("wrong", cpu=5), named("right", cpu=3, replaces="wrong")
    assert merged([named("archived", cpu=1), wrong], [wrong, right]) == {"archived": [1], "right": [3]}


def test_of_a_record_across_half_hours_the_half_that_is_missing_is_added() -> None:
    across = named("across", "2026-11-23T10:29", 2, cpu=20)
    (first, _) = fold([across])
    kept = [first, *fold([named("archived", cpu=1)])]
    assert counted(merge_day(kept, fold([across]), lambda: [across])) == {"across": [10, 10], "archived": [1]}


def test_a_record_that_touches_the_day_before_adds_only_what_is_of_this_day() -> None:
    night = named("night", BEFORE_MIDNIGHT, 30, cpu=30)
    assert merged([named("archived", cpu=1)], [night]) == {"archived": [1], "night": [15]}


def test_a_record_written_twice_counts_once() -> None:
    twice = named("twice", cpu=4)
    rows = merge_day(fold([named("archived", cpu=1)]), fold([twice]), lambda: [twice, twice])
    assert counted(rows) == {"archived": [1], "twice": [4]}


# --- several files of one day ----------------------------------------------------------------------------------------------


def test_files_without_a_record_in_common_are_added() -> None:
    days = [fold([named("a", cpu=5)]), fold([named("b", cpu=6)])]
    assert counted(union(days)) == {"a": [5], "b": [6]}


def test_of_two_rows_with_a_record_in_common_the_fuller_counts() -> None:
    both = [record(TEN, cpu=cpu, record_id=name) for name, cpu in (("one", 5), ("two", 7))]
    part, whole = fold(both[:1]), fold(both)
    for days in ([part, whole], [whole, part]):
        assert counted(union(days)) == {"vadore": [12]}


def test_the_same_record_in_another_half_hour_or_of_another_instance_is_another_part() -> None:
    across = named("across", "2026-11-23T10:29", 2, cpu=20)
    assert counted(union([fold([across]), fold([across])])) == {"across": [10, 10]}
    here, there = (fold([named("a", cpu=5, instance=instance)]) for instance in ("host-1", "host-2"))
    assert counted(union([here, there, here])) == {"a": [5, 5]}


def test_two_different_rows_of_one_record_give_the_same_union_in_any_order() -> None:
    days = [fold([named("a", cpu=cpu)]) for cpu in (5, 7)]
    assert union(days) == union(days[::-1])
    assert len(union(days)) == 1


# --- any order of what can happen ------------------------------------------------------------------------------------------

WRITER = "0123456789abcdef0123456789abcdef"
# Ids of both forms, of records that share a row and of others.
some_records = st.lists(
    st.builds(
        lambda form, seq, minute, service: record(
            f"2026-11-23T10:{minute:02d}",
            10,
            cpu=1 << seq,
            record_id=sequenced_id(WRITER, form, seq) if form < 2 else f"loose-{seq}",
            service=f"service-{service}",
        ),
        st.integers(0, 2),
        st.integers(0, 12),
        st.sampled_from((0, 15, 25, 45)),
        st.integers(0, 1),
    ),
    unique_by=lambda each: each.record_id,
    max_size=8,
)


@hypothesis_settings(max_examples=100, deadline=None)
@given(some_records, st.lists(st.tuples(st.sampled_from(("record", "deliver", "archive", "second run")), st.integers(0, 7))))
def test_any_order_of_recording_delivering_and_archiving_gives_the_rows_of_the_set_of_records(
    records: list[Record], steps: list[tuple[str, int]]
) -> None:
    """A delivery that is killed leaves the day file of before. Two first ones at once, of a whole journal, make two runs."""
    journal: list[Record] = []
    delivered: set[str] = set()
    runs: list[list[Row]] = [[]]
    waiting, whole = list(records), True
    for step, number in [*steps, ("record", len(records)), ("deliver", 0)]:
        if step == "record":
            journal, waiting = journal + waiting[:number], waiting[number:]
        elif step == "deliver":
            runs = [merge_day(union(runs), fold(journal), partial(list, journal))]
            delivered = {each.record_id for each in journal} | delivered
        elif step == "archive":
            journal = [each for each in journal if each.record_id not in delivered or each.record_id.endswith(str(number))]
            whole = False
        elif whole:
            runs.append(fold(journal))
    assert union(runs) == fold(records)


@given(st.lists(some_records, max_size=4))
def test_a_union_counts_each_record_once_and_leaves_out_only_what_a_fuller_row_counts(files: list[list[Record]]) -> None:
    days = [fold(each) for each in files]
    kept = union(days)
    assert kept == union(days[::-1])
    in_half_hour = [(row["half_hour_utc_ns"], each) for row in kept for each in ids_of(row)]
    assert len(set(in_half_hour)) == len(in_half_hour)
    for row in (row for day in days for row in day):
        here = [ids_of(each) for each in kept if each["half_hour_utc_ns"] == row["half_hour_utc_ns"]]
        assert any(not each.isdisjoint(ids_of(row)) for each in here)

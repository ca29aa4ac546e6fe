"""Laws of record ids: a set of them, held as ranges, is the set of their texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.records.field_rules import read_loose_ids
from ecoia.records.id_sets import Holders, RecordIds, are_disjoint, ids_of
from ecoia.records.record_ids import SEQ_LIMIT, STREAM_LIMIT, joined, read_sources, sequence_of, sequenced_id

WRITERS = ("0" * 32, "0123456789abcdef0123456789abcdef", "f" * 32)
writers = st.sampled_from(WRITERS)
# Few writers, streams and seqs, so that sets meet, touch and hold each other.
near = st.builds(sequenced_id, st.sampled_from(WRITERS[:2]), st.integers(0, 1), st.integers(0, 6))
# What looks like a sequenced id and is none.
looks_alike = st.builds("{}:{}:{}".format, st.sampled_from((*WRITERS, "F" * 32, "0" * 31)), st.text("0123-+ ²", max_size=3), near)
ids = near | st.sampled_from(("", "r", "b1c5f2f0-6f5e-4c1b-9d52-0123456789ab", f"{WRITERS[0]}:0:00", f"{WRITERS[0]}:-1:0"))
sets = st.frozensets(ids, max_size=12)
MANY = hypothesis_settings(max_examples=100, deadline=None)  # cheap examples, of which few meet at an end


@given(writers, st.integers(0, STREAM_LIMIT - 1), st.integers(0, SEQ_LIMIT - 1))
def test_a_sequenced_id_is_read_as_it_was_written(writer: str, stream: int, seq: int) -> None:
    assert sequence_of(sequenced_id(writer, stream, seq)) == (writer, stream, seq)


@given(st.text() | looks_alike | near)
def test_an_id_has_one_text(text: str) -> None:
    found = sequence_of(text)
    assert found is None or sequenced_id(*found) == text


@pytest.mark.parametrize(
    "text",
    [f"{WRITERS[0]}:{STREAM_LIMIT}:0", f"{WRITERS[0]}:0:{SEQ_LIMIT}", f"{'F' * 32}:0:0", f"{WRITERS[0]}:0", f"{WRITERS[0]}:١:0"],
)
def test_what_no_table_holds_is_a_loose_id(text: str) -> None:
    assert sequence_of(text) is None


@MANY
@given(sets, sets)
def test_sets_of_ids_are_sets_of_texts(one: frozenset[str], other: frozenset[str]) -> None:
    left, right = RecordIds.of(one), RecordIds.of(other)
    assert set(left) == one
    assert left.count == len(one) == len(list(left))
    assert bool(left) == bool(one)
    assert left.union(right) == RecordIds.of(one | other)
    assert left.includes(right) == one.issuperset(other)
    assert left.isdisjoint(right) == one.isdisjoint(other)
    assert all((each in left) == (each in one) for each in one | other)
    assert (left == right) == (one == other)
    assert left != right or hash(left) == hash(right)


@given(st.lists(ids, max_size=12))
def test_equal_sets_give_equal_bytes_and_rows_give_them_back(texts: list[str]) -> None:
    here, back = RecordIds.of(texts), RecordIds.of(reversed([*texts, *texts]))
    assert json.dumps(here.row_fields()) == json.dumps(back.row_fields())
    loose, sources = here.row_fields()
    row: dict[str, Any] = {"record_ids": read_loose_ids(loose), **({"sources": read_sources(sources)} if sources else {})}
    assert ids_of(row) == here


@given(st.lists(sets, max_size=6))
def test_the_union_of_many_is_the_union_of_two_by_two(many: list[frozenset[str]]) -> None:
    assert RecordIds.union_of(map(RecordIds.of, many)) == RecordIds.of(frozenset().union(*many))


@MANY
@given(st.lists(sets, max_size=5))
def test_sets_are_disjoint_where_no_two_of_them_meet(many: list[frozenset[str]]) -> None:
    assert are_disjoint(map(RecordIds.of, many)) == (sum(map(len, many)) == len(frozenset().union(*many)))


@given(sets, st.integers(0, 5))
def test_the_first_ids_begin_the_whole_list(some: frozenset[str], most: int) -> None:
    assert RecordIds.of(some).first(most) == tuple(RecordIds.of(some))[:most]


@given(st.sets(st.integers(0, 40)))
def test_a_gap_splits_a_range_and_nothing_else_does(seqs: set[int]) -> None:
    ranges = joined(("w", 0, seq, seq) for seq in seqs)
    assert [seq for _, _, first, last in ranges for seq in range(first, last + 1)] == sorted(seqs)
    assert len(ranges) == sum(seq - 1 not in seqs for seq in seqs)


@MANY
@given(st.lists(sets, max_size=8))
def test_the_holder_of_ids_is_who_has_the_first_of_them(claims: list[frozenset[str]]) -> None:
    holders: Holders[int] = Holders()
    held: dict[str, int] = {}
    for number, texts in enumerate(claims):
        claim = RecordIds.of(texts)
        expected = next((held[each] for each in claim if each in held), None)
        assert holders.holder_of(claim) == expected
        if expected is None:
            holders.add(claim, number)
            held |= dict.fromkeys(texts, number)


def test_a_set_of_all_ids_that_there_can_be_is_compared_at_once() -> None:
    everything = RecordIds(ranges=[(WRITERS[0], 0, 0, SEQ_LIMIT - 1)])
    assert everything.count == SEQ_LIMIT
    assert everything.includes(RecordIds.of([sequenced_id(WRITERS[0], 0, 5)]))
    assert not everything.isdisjoint(everything)
    assert everything.first(2) == (f"{WRITERS[0]}:0:0", f"{WRITERS[0]}:0:1")


W = WRITERS[1]


@pytest.mark.parametrize(
    ("sources", "wrong"),
    [
        ([], "one range or more"),
        ({}, "one range or more"),
        ([[W, 0, 1]], "no range"),
        ([[W.upper(), 0, 1, 2]], "no range"),
        ([[W, 0, 2, 1]], "no range"),
        ([[W, 0, True, 1]], "no range"),
        ([[W, -1, 0, 1]], "no range"),
        ([[W, STREAM_LIMIT, 0, 1]], "no range"),
        ([[W, 0, 0, SEQ_LIMIT]], "no range"),
        ([[W, 1, 0, 1], [W, 0, 0, 1]], "not sorted"),
        ([[W, 0, 0, 1], [W, 0, 2, 3]], "meet"),
        ([[W, 0, 0, 2], [W, 0, 2, 3]], "overlap"),
    ],
)
def test_sources_that_no_row_has_are_refused(sources: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_sources(sources)


@pytest.mark.parametrize(("value", "wrong"), [("r", "list of texts"), ([1], "list of texts"), ([f"{W}:0:1"], "sequenced id")])
def test_loose_ids_that_no_row_has_are_refused(value: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_loose_ids(value)

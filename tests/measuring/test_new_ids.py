"""The ids of measured records: the rows of one process name them as one range each, and no two processes share a writer."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring import new_ids
from ecoia.measuring.new_ids import NewIds
from ecoia.measuring.subject import RecordKey
from ecoia.records.id_sets import RecordIds
from ecoia.semconv import KIND_IDLE, KIND_LINK, KIND_OUTCOME, KIND_SPAN

KEYS = (RecordKey("vadore", "inference"), RecordKey("vadore", "inference", endpoint="/predict"), None)


def writers(ids: RecordIds) -> set[str]:
    assert not ids.loose
    return {writer for writer, *_ in ids.ranges}


@given(st.lists(st.tuples(st.sampled_from((KIND_SPAN, KIND_IDLE)), st.sampled_from(KEYS))))
def test_the_ids_of_a_kind_and_key_follow_each_other_whatever_stands_between_them(asked: list[tuple[str, Any]]) -> None:
    ids = NewIds()
    given_to: dict[tuple[str, Any], list[str]] = {}
    for kind, key in asked:
        given_to.setdefault((kind, key), []).append(ids.next(kind, key))
    assert RecordIds.of(each for texts in given_to.values() for each in texts).count == len(asked)
    assert all(len(RecordIds.of(texts).ranges) == 1 for texts in given_to.values())


def test_runs_that_end_and_links_take_no_stream_each() -> None:
    ids = NewIds()
    found = [ids.next(kind, RecordKey("vadore", "training", f"run-{n}")) for n in range(5) for kind in (KIND_OUTCOME, KIND_LINK)]
    assert len(RecordIds.of(found).ranges) == 2


def test_a_process_of_many_keys_forgets_the_old_ones_and_takes_another_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_ids, "MOST_STREAMS", 10)
    ids = NewIds()
    found = [ids.next(KIND_SPAN, RecordKey("vadore", "training", f"run-{number}")) for number in range(95)]
    assert RecordIds.of(found).count == 95
    assert len(writers(RecordIds.of(found))) == 10
    assert len(ids._streams) <= 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_takes_a_writer_of_its_own() -> None:
    ids = NewIds()
    before = ids.next(KIND_IDLE, None)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, ids.next(KIND_IDLE, None).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs, ours = os.read(reading, 100).decode(), ids.next(KIND_IDLE, None)
    os.close(reading)
    os.close(writing)
    assert len(writers(RecordIds.of([before, ours]))) == 1
    assert writers(RecordIds.of([theirs])).isdisjoint(writers(RecordIds.of([before])))

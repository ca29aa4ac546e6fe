"""The ids of folded records, kept small: what was noted is known, by line or by file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ecoia.delivery.seen_records import SeenRecords
from ecoia.records.id_sets import RecordIds
from ecoia.records.record_ids import sequenced_id

WRITER = "0123456789abcdef0123456789abcdef"
ids = st.builds(sequenced_id, st.just(WRITER), st.integers(0, 1), st.integers(0, 9)) | st.sampled_from(
    ("a", "b", f"{WRITER}:0:01")
)


@given(st.lists(st.tuples(ids, st.integers(0, 3)), max_size=30), st.lists(st.sets(ids, max_size=5), max_size=3))
def test_it_knows_what_was_noted(lines: list[tuple[str, int]], files: list[set[str]]) -> None:
    """As a dictionary does, which takes thirty times the memory."""
    seen, known = SeenRecords(), dict[str, int | str]()
    for record_id, checksum in lines:
        assert seen.note(record_id, checksum) == known.get(record_id)
        known.setdefault(record_id, checksum)
    for number, held in enumerate(files):
        shared = held & known.keys()
        others = {file for each in shared if isinstance(file := known[each], str)}
        assert seen.shares(RecordIds.of(held)) == (bool(shared), others)
        if not shared:
            seen.note_file(RecordIds.of(held), f"file-{number}")
            known.update(dict.fromkeys(held, f"file-{number}"))
    for number in range(11):
        for each in ("a", "b", "c", f"{WRITER}:0:01", *(sequenced_id(WRITER, stream, number) for stream in range(3))):
            assert seen.get(each) == known.get(each)

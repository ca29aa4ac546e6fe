"""Text becomes JSON within limits, and a compressed file of lines is unpacked within limits."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import limits
from ecoia.records.json_lines import JsonError, read_json, unpacked_lines, unpacked_text

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), parts),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_what_ecoia_writes_is_read_as_it_was(data: object, ascii_only: bool) -> None:
    assert read_json(json.dumps(data, ensure_ascii=ascii_only)) == data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "Expecting value at character 0"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "Expecting value at character 0"),
        (b"NaN", "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b"1e400", "1e400 is not finite"),
        (b"-1" + b"0" * 400, "402 characters"),
        (b"1" + b"0" * 5000, "5,001 characters"),
        (b"[" * 33 + b"]" * 33, "32 levels"),
        (b"[" * 990 + b"]" * 990, "32 levels"),
        (b"[" * 1_000_000, "32 levels"),
        (b'{"a":' * 100_000, "32 levels"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "'c' stands twice"),
        (rb'["\ud83d"]', "half of a character"),
        (rb'{"\udc00": 1}', "half of a character"),
        (b'"\0"', "Invalid control character"),
        (b"1 1", "Extra data"),
    ],
)
def test_what_no_record_holds_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(JsonError) as caught:
        read_json(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200


def test_many_brackets_are_not_a_depth() -> None:
    assert len(read_json("[" + ",".join(["[1]"] * 1000) + "]")) == 1000
    assert read_json(rb'["\ud83d\ude00"]') == ["\U0001f600"]


@given(st.lists(st.binary(max_size=5).filter(lambda line: b"\n" not in line)), st.integers(1, 3))
def test_lines_are_unpacked_as_they_were_packed(lines: list[bytes], members: int) -> None:
    text = b"".join(line + b"\n" for line in lines)
    assert list(unpacked_lines(gzip.compress(text) * members, limits.DAY)) == lines * members
    assert unpacked_text(gzip.compress(text) * members, limits.DAY) == text * members


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: b"", "cut short"),
        (lambda: b"<html>login</html>", "not a readable gzip file"),
        (lambda: gzip.compress(b"{}\n")[:-4], "cut short"),
        (lambda: gzip.compress(b"{}\n" * 100)[:-8] + b"\0" * 8, "not a readable gzip file"),
        (lambda: gzip.compress(b"{}\n") + b"more", "not a readable gzip file"),
        (lambda: gzip.compress(b" " * 300_000_000, compresslevel=1), "line 1 has more than 16,777,216 bytes"),
        (lambda: gzip.compress(b"5\n" * 150_000_000, compresslevel=1), "lines"),
        (lambda: gzip.compress((b" " * 10_000 + b"\n") * 30_000), "unpack to more than"),
    ],
    ids=["empty", "page", "cut", "damaged", "more", "one-line", "short-lines", "long-lines"],
)
def test_a_bomb_or_a_damaged_file_is_refused_with_bounded_memory(data: Callable[[], bytes], said: str) -> None:
    packed = data()  # not made where tests are only collected: it takes seconds
    tracemalloc.start()
    with pytest.raises(JsonError, match=said):
        for _ in unpacked_lines(packed, limits.DAY):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * limits.LINE_BYTES

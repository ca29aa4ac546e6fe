"""The quick reader of lines: it takes what ``read_line`` takes, refuses what it refuses, and recognises the lines of a worker."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.keeping.journal_lines import encode_line, read_line
from ecoia.keeping.line_reader import LineReader
from ecoia.records import Record
from support.records import NOON_NS, outcome, record

WORKER = {"run_id": "run-1", "endpoint": "/a", "devices": ("GPU-1",), "target": "t", "context": {"cpu": "Xeon “Gold”"}}


def both(lines: list[bytes]) -> tuple[list[Any], list[Any]]:
    """Return what the quick reader gives of lines, one after the other, and what ``read_line`` gives: records and refusals."""
    quick: list[Any] = []
    plain: list[Any] = []
    reader = LineReader()
    for line in lines:
        found = reader.read(line, lambda reason, problem: quick.append((reason, problem)))
        quick.append(found and found.stream.record(found.figures))
        plain.append(read_line(line, lambda reason, problem: plain.append((reason, problem))))
    return quick, plain


figures = st.fixed_dictionaries(
    {
        "minutes": st.floats(0, 90),
        "cpu": st.none() | st.integers(0, 1 << 61),
        "ram": st.none() | st.integers(0, 10**9),
        "spans": st.integers(0, 1 << 61),
        "units_micro": st.none() | st.integers(0, 10**15),
        "accepted_micro": st.none() | st.integers(0, 10**6),
        "cpu_ns": st.integers(0, 1 << 61),
        "share_claimed": st.none() | st.floats(0, 1) | st.just(1),
        "record_id": st.text(max_size=40),
    }
)


@given(st.lists(figures, max_size=6))
def test_lines_of_a_stream_give_their_records(made: list[dict[str, Any]]) -> None:
    quick, plain = both([encode_line(record(NOON_NS, **each, **WORKER).to_json()) for each in made])
    assert quick == plain
    assert [type(each.share_claimed) for each in quick] == [type(each.share_claimed) for each in plain]


VALUES = (
    *["-1", "01", "1.0", "1e3", "1e400", "NaN", "true", "[]", "null", "0", "7", "0.25", "1e-05", "{}"],
    '"1"',
    "9" * 19,
    "9" * 40,
)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(VALUES)), max_size=3),
    st.none() | st.tuples(st.integers(0, 900), st.binary(max_size=3)),
    st.booleans(),
)
def test_a_changed_line_is_read_or_refused_as_any_line(
    changes: list[tuple[int, str]], damage: tuple[int, bytes] | None, sealed: bool
) -> None:
    """Numbers and nulls are replaced anywhere in a line whose stream is known, bytes are put into it, its checksum is wrong."""
    good = record(NOON_NS, **WORKER, lost={"clock-step": 2}, quality={}, share_claimed=0.5, units_micro=3_000_000).to_json()
    text = good
    for number, value in changes:
        places = [found.span() for found in re.finditer(r"(?<=:)(?:null|[0-9.]+)", text)]
        start, end = places[number % len(places)]
        text = text[:start] + value + text[end:]
    data = text.encode()
    if damage is not None:
        data = data[: damage[0]] + damage[1] + data[damage[0] :]
    line = _sealed(data) if sealed else encode_line(good)[:9] + data + b"\n"
    quick, plain = both([encode_line(good), line, line])
    assert quick == plain


def _sealed(data: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(data), data)


@pytest.mark.parametrize(
    "text",
    [
        '"start_utc_ns":5,"end_utc_ns":6',
        '\\",\\"start_utc_ns\\":5,',
        "}",
        "]",
        "\\",
        '","cpu_ns":5,"lost":{},',
    ],
)
@pytest.mark.parametrize(
    "name", ["service", "endpoint", "instance", "record_id", "declared_source", "quality", "lost", "context"]
)
def test_texts_that_look_like_a_record_are_no_figures(name: str, text: str) -> None:
    value: Any = {text: 3} if name in ("quality", "lost", "context") else text
    lines = [encode_line(record(NOON_NS, cpu=cpu, **WORKER | {name: value}).to_json()) for cpu in (1, 2)]
    quick, plain = both(lines)
    assert quick == plain
    assert [each.energy_microjoules["cpu"] for each in quick] == [1, 2]


def test_the_lines_of_a_worker_are_recognised(home: Path) -> None:
    """Otherwise each costs what a line of its own costs."""
    lines = [encode_line(record(NOON_NS, cpu=cpu, share_claimed=cpu / 7, **WORKER).to_json()) for cpu in range(1, 4)]
    reader = LineReader()
    found = [reader.read(line, lambda reason, problem: None) for line in lines]
    assert all(each is not None and each.stream.recurs for each in found)
    assert len({id(each.stream) for each in found if each is not None}) == 1


def test_a_name_that_stands_twice_is_refused_each_time() -> None:
    data = json.dumps(record(NOON_NS, **WORKER).to_dict(), separators=(",", ":"), ensure_ascii=False)
    twice = encode_line(data[:-1] + ',"spans":1}')
    quick, plain = both([twice, twice])
    assert quick == plain
    assert [each[0] for each in quick if isinstance(each, tuple)] == ["not-json"] * 2


def test_an_outcome_is_read_too() -> None:
    made: Record = outcome(NOON_NS, "run-1", "ok")
    quick, _ = both([encode_line(made.to_json())] * 2)
    assert quick == [made, made]

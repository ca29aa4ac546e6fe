"""Folding as a stream: sums of figures by stream and half-hour give, to the byte, what folding records gives."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ecoia.methods import NOT_MEASURED
from ecoia.periods import HALF_HOUR_NS
from ecoia.records import Record, Tokens, fold, in_force
from ecoia.records.row_sums import RowSums
from ecoia.records.streams import Figures, Stream
from support.records import NOON_NS, RAPL, link, outcome, record

MAYBE = st.none() | st.integers(0, 10**12)
few = st.sampled_from


@st.composite
def made(draw: st.DrawFn, record_id: str) -> Record:
    """A record of one of few streams: most are plain, some straddle half-hours, correct another or hold more than figures."""
    start = NOON_NS + draw(st.integers(0, 3)) * HALF_HOUR_NS // 2 + draw(st.integers(0, 10**9))
    rare = {
        "tokens": (Tokens("openai", "small", 5, 7), Tokens("openai", "small", 5, 7, requests=2, cached_in=0)),
        "quality": {"f1": 0.5},
        "lost": {"clock-step": 2},
        "replaces": f"r{draw(st.integers(0, 9))}",
        "scope": "host",
        "shared_devices": ("GPU-1",),
    }
    found: Record = record(
        start,
        draw(few((0, 0.2, 10, 31, 75))),
        record_id=record_id,
        cpu=draw(MAYBE),
        gpu=draw(MAYBE),
        ram=draw(st.integers(0, 10**12)),
        methods={"gpu": draw(few((RAPL, NOT_MEASURED)))},
        pid=draw(st.integers(1, 2)),
        service=draw(few(("vadore", "chat"))),
        devices=draw(few(((), ("GPU-1",), ("GPU-1", "GPU-2")))),
        units_micro=draw(MAYBE),
        accepted_micro=draw(MAYBE),
        spans=draw(st.integers(0, 99)),
        cpu_ns=draw(st.integers(0, 10**12)),
        share_claimed=draw(st.none() | st.floats(0, 1)),
        target=draw(few((None, "t"))),
        **{name: rare[name] for name in draw(st.sets(few(sorted(rare)), max_size=1) | st.just(set()))},
    )
    return found


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    found = [draw(made(f"r{number}")) for number in range(draw(st.integers(0, 12)))]
    others = [outcome(NOON_NS, "run-1", "ok", record_id="ended"), link("group", "run-1", record_id="linked")]
    return draw(st.permutations([*found, *others]))


def summed(records: list[Record]) -> RowSums:
    """Return the sums of some records, each with the stream that a reader would have found it in."""
    sums, streams = RowSums(), dict[Stream, Stream]()
    for each in records:
        stream = Stream(each, recurs=not (each.tokens or each.quality))
        sums.add(streams.setdefault(stream, stream), Figures.of(each))
    return sums


@given(journals())
def test_sums_by_stream_are_the_rows_that_folding_gives(records: list[Record]) -> None:
    counted = in_force(records)
    assert json.dumps(summed(counted).rows()) == json.dumps(fold(records))


@given(made("r"))
def test_a_record_is_its_stream_and_its_figures(whole: Record) -> None:
    assert Stream(whole).record(Figures.of(whole)) == whole
    assert Stream(whole) == Stream(whole.copy_with(record_id="other", spans=100, cpu_ns=0))
    assert Stream(whole) != Stream(whole.copy_with(service="another"))

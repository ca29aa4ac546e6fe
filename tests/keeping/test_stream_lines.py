"""Lines that say once what records have in common: what is written is read, from any offset, and what is damaged is said."""

from __future__ import annotations

import itertools
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.errors import JournalError
from ecoia.keeping import stream_lines
from ecoia.keeping.journal import Journal
from ecoia.keeping.journal_lines import decode_line, encode_line
from ecoia.keeping.packing import pack_closed
from ecoia.periods import DAY_NS
from ecoia.records import Record, Tokens
from ecoia.records.record_ids import sequenced_id
from ecoia.records.refusals import REFUSALS, STREAM_UNREAD
from support.records import NOON_NS, SECOND_NS, outcome, record

WRITER = "0123456789abcdef0123456789abcdef"
WORKER = {"run_id": "run-1", "endpoint": "/é", "devices": ("GPU-1",), "target": "t", "context": {"cpu": "Xeon “Gold”"}}
RARE: dict[str, Any] = {
    "tokens": (Tokens("openai", "small", 5, 7), Tokens("openai", "small", 5, 7, requests=2, cached_in=0, reasoning=7)),
    "quality": {"f1": 0.5},
    "lost": {"clock-step": 2},
    "replaces": "other",
}
few = st.sampled_from
homes = itertools.count()


def worker(count: int, stream: int = 0, **fields: Any) -> list[Record]:
    """Return the records of a steady worker, one each ten seconds."""
    values = {"minutes": 1 / 6, "cpu": 7, "spans": 3, "cpu_ns": 10**9, "share_claimed": 0.25} | WORKER | fields
    return [
        record(NOON_NS + 10 * number * SECOND_NS, record_id=sequenced_id(WRITER, stream, number), **values)
        for number in range(count)
    ]


@st.composite
def batches(draw: st.DrawFn) -> list[list[Record]]:
    """Batches of some streams, whose constants change now and then and whose clocks are set."""
    made, day = [], draw(few((0, DAY_NS)))
    for number in range(draw(st.integers(1, 12))):
        changed = {
            "zone": draw(few(("FRA", "DEU"))),
            "run_id": draw(few((None, "run-1"))),
            "devices": draw(few(((), ("GPU-1",)))),
        }
        made.append(
            record(
                NOON_NS + draw(few((0, day))) + draw(st.integers(-(10**9), 10**12)),
                draw(st.floats(0, 90)),
                record_id=draw(few((f"loose-{number}", sequenced_id(WRITER, draw(st.integers(0, 2)), number)))),
                cpu=draw(st.none() | st.integers(0, 1 << 61)),
                ram=draw(st.none() | st.integers(0, 10**9)),
                spans=draw(st.integers(0, 10**6)),
                units_micro=draw(st.none() | st.integers(0, 10**12)),
                accepted_micro=draw(st.none() | st.integers(0, 10**6)),
                cpu_ns=draw(st.integers(0, 1 << 61)),
                share_claimed=draw(st.none() | st.floats(0, 1)),
                **changed,
                **{name: RARE[name] for name in draw(st.sets(few(sorted(RARE)), max_size=1) | st.just(set()))},
            )
        )
    made.append(outcome(NOON_NS, "run-1", "ok", record_id=sequenced_id(WRITER, 9, 0)))
    cuts = sorted(draw(st.sets(st.integers(0, len(made)), max_size=3)))
    return [made[start:end] for start, end in itertools.pairwise([0, *cuts, len(made)])]


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=batches(), after=st.integers(1, 3), pack=st.booleans())
def test_what_is_written_is_read_from_any_offset(tmp_path: Path, found: list[list[Record]], after: int, pack: bool) -> None:
    journal = Journal(tmp_path / f"home-{next(homes)}")
    with pytest.MonkeyPatch.context() as patch, closing(journal.writer()) as writer:
        patch.setattr(stream_lines, "REPEATED_AFTER", after)
        for batch in found:
            writer.append(batch)
    if pack:
        pack_closed(journal.folder, now_utc_ns=NOON_NS + 400 * DAY_NS)
    scan = journal.scan()
    assert not scan.refused
    assert sorted(map(repr, scan.records)) == sorted(repr(each) for batch in found for each in batch)
    for entry in scan.entries:
        for reader in (Journal(journal.home), journal):  # one that knows nothing yet, and one that has read on
            rest = reader.scan({entry.file: entry.end_offset})
            assert [each.record for each in rest.entries if each.file == entry.file] == [
                each.record for each in scan.entries if each.file == entry.file and each.end_offset > entry.end_offset
            ]
            assert not rest.refused


def test_a_steady_worker_costs_an_eighth_of_the_bytes(home: Path) -> None:
    found = worker(600)
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        for number in range(0, 600, 6):
            writer.append(found[number : number + 6])
    whole = sum(len(encode_line(each.to_json())) for each in found)
    assert journal.scan().records == found
    assert journal.size_bytes() < whole / 8


def test_two_files_of_one_process_each_say_their_streams(home: Path) -> None:
    """At midnight, after packing and where a day was archived, the next file is read by itself."""
    found = worker(6)
    later = [each.copy_with(start_utc_ns=each.start_utc_ns + DAY_NS, end_utc_ns=each.end_utc_ns + DAY_NS) for each in found]
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append(found[:2])
        shutil.rmtree(journal.folder / journal.files()[0].partition("/")[0])
        writer.append(found[2:])
        writer.append(later)
    assert [each.record for each in journal.scan().entries] == [*found[2:], *later]


def test_a_failed_write_leaves_no_stream_unsaid(home: Path) -> None:
    found = worker(4)
    journal = Journal(home, max_bytes=1)
    with closing(journal.writer()) as writer:
        with pytest.raises(JournalError):
            writer.append(found)
        writer.max_bytes = 1 << 20
        writer.append(found)
    assert journal.scan().records == found


def damaged(home: Path) -> tuple[Journal, list[Record]]:
    """Return a journal of one stream whose first stream line is damaged, and the records that cannot be read by that."""
    found = worker(600)
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append(found)
    path = journal.folder / journal.files()[0]
    path.write_bytes(path.read_bytes().replace(b'"stream":0', b'"stream":1', 1))
    return journal, found[: stream_lines.REPEATED_AFTER]


def test_records_without_their_stream_are_counted_with_the_reason(home: Path) -> None:
    journal, lost = damaged(home)
    scan = journal.scan()
    assert scan.refused == {"checksum-mismatch": 1, STREAM_UNREAD: len(lost)}
    assert len(scan.records) == 600 - len(lost)
    assert (scan.newer, scan.corrupt) == (0, 1 + len(lost))
    assert STREAM_UNREAD in REFUSALS


@given(st.integers(0, 200), st.binary(max_size=3), st.booleans())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_line_is_a_record_or_refused(tmp_path: Path, place: int, put: bytes, stream: bool) -> None:
    """With a checksum that is right, as no damage but another program has it."""
    journal = Journal(tmp_path / f"home-{next(homes)}")
    with closing(journal.writer()) as writer:
        writer.append(worker(2))
    path = journal.folder / journal.files()[0]
    lines = path.read_bytes().splitlines(keepends=True)
    number = 0 if stream else 1
    text = lines[number][9:-1]
    lines[number] = encode_line(text[:place].decode("latin-1") + put.decode("latin-1") + text[place + 1 :].decode("latin-1"))
    path.write_bytes(b"".join(lines))
    scan = journal.scan()
    assert len(scan.records) + scan.refused.total() >= 2
    for each in scan.records:
        assert Record.from_dict(each.to_dict()) == each


FIGURES = [0, 5, 0, 10, 1, None, 2, 3, 4, 0.5, 1, 1]


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (0, 7, "stream 7 was not read before it"),
        (1, -1, "wrong number -1 in their stream"),
        (2, -(10**19), "are no interval"),
        (3, -1, "are no interval"),
        (3, 4000 * DAY_NS, "more than ten years apart"),
        (4, -1, "energy_microjoules"),
        (4, 1 << 62, "energy_microjoules"),
        (7, 1.5, "spans"),
        (8, None, "cpu_ns"),
        (9, "x", "share_claimed"),
        (10, -1, "units"),
        (0, None, "are no figures"),
        (slice(5, 12), [], "are no figures"),
        (slice(12, 12), [1], "are no figures"),
    ],
)
def test_wrong_figures_are_refused_by_name(at: Any, value: Any, why: str, home: Path) -> None:
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append(worker(1))
    figures: list[Any] = list(FIGURES)
    figures[at] = value
    with (journal.folder / journal.files()[0]).open("ab") as file:
        for each in (FIGURES, figures):
            file.write(encode_line(json.dumps({"schema": 4, "f": each}, separators=(",", ":"))))
    scan = journal.scan()
    assert len(scan.records) == 2, "the right ones are read"
    (refusal,) = scan.refusals
    assert why in refusal.problem


def test_an_older_ecoia_says_that_the_lines_are_newer(home: Path) -> None:
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append(worker(3))
        writer.append(worker(4, tokens=(Tokens("openai", "small", 5, 7, 1),)))
    lines = (journal.folder / journal.files()[0]).read_bytes().splitlines(keepends=True)
    schemas = [json.loads(decode_line(line))["schema"] for line in lines]
    assert min(schemas) > 3, "the newest of its records"
    assert schemas[-1] == 5, "and its stream lines, of schema 4, could not say what tokens tell"


def test_whoever_goes_on_with_the_file_of_another_writes_whole_lines(home: Path) -> None:
    """Its streams have numbers that only their process knows."""
    found = worker(6)
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append(found[:3])
    with closing(journal.writer(writer.name)) as adopter:
        adopter.append(found[3:])
    assert journal.scan().records == found

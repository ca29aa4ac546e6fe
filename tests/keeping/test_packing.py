"""Check that packing closed files changes no record, offset or refusal, whatever stops it and whoever writes meanwhile."""

from __future__ import annotations

import fcntl
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia import limits
from ecoia.delivery.backlog import Backlog
from ecoia.keeping import packing
from ecoia.keeping.file_system import LockableFile
from ecoia.keeping.journal import Journal, journal_sizes
from ecoia.keeping.journal_files import Lines, day_sizes, text_size, trailer
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.live_totals import LiveTotals
from ecoia.keeping.packing import pack_closed
from ecoia.periods import DAY_NS
from ecoia.records import fold
from support.command_line import ecoia
from support.records import NOON_NS, training

LATER_NS = NOON_NS + 400 * DAY_NS
"""A moment at which every file of a test is closed: later than its day, and than the time at which the test wrote it."""


def written(home: Path, count: int = 5, extra: bytes = b"") -> tuple[Journal, Path]:
    """Return a journal with one file of so many records and further bytes."""
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append(training(10 * i, record_id=f"r{i}", target="t" if i % 2 else None) for i in range(count))
    path = journal.folder / journal.files()[0]
    with path.open("ab") as file:
        file.write(extra)
    return journal, path


def pack(journal: Journal) -> int:
    return pack_closed(journal.folder, now_utc_ns=LATER_NS)


def seen(journal: Journal) -> tuple[Any, ...]:
    """Return all that a reader gets of a journal, except the names of packed files in refusals."""
    scan = journal.scan()
    refusals = [(one.reason, one.line) for one in scan.refusals]
    return journal_sizes(journal), scan.entries, scan.refused, refusals, scan.torn


@pytest.mark.parametrize("extra", [b"", b"damaged\n\n", encode_line('{"schema": 99}'), b"torn"])
def test_a_packed_file_reads_as_it_did_and_takes_less_room(extra: bytes, home: Path) -> None:
    journal, path = written(home, 50, extra)
    before, size_bytes = seen(journal), journal.size_bytes()
    assert pack(journal) == 1
    assert not path.exists()
    assert seen(journal) == before
    assert journal.size_bytes() < size_bytes / 5
    for entry in before[1][::7]:
        later = journal.scan({entry.file: entry.end_offset})
        assert later.entries == before[1][before[1].index(entry) + 1 :]
        assert [(one.reason, one.line) for one in later.refusals] == before[3], "lines keep their numbers"
    assert all((journal.folder / one.file).exists() for one in journal.scan().refusals), (
        "a person can open the file that is named"
    )
    assert pack(journal) == 0


def test_what_is_open_recent_or_held_is_not_packed(home: Path) -> None:
    journal, path = written(home)
    assert pack_closed(journal.folder, now_utc_ns=NOON_NS) == 0, "its day is not over"
    now_ns = NOON_NS + DAY_NS
    os.utime(path, ns=(now_ns, now_ns))
    assert pack_closed(journal.folder, now_utc_ns=now_ns + 1) == 0, "it was written just now"
    with closing(journal.writer()) as writer:
        writer.append([training(record_id="held")])
        assert pack(journal) == 1, "all but the file that its process holds"
        assert journal.is_alive(next(name for name in journal.files() if name.endswith(writer.name)))
    assert pack(journal) == 1


def test_a_call_is_bounded_and_the_next_one_goes_on(home: Path) -> None:
    journal = Journal(home)
    for _ in range(3):
        written(home)
    assert [pack_closed(journal.folder, now_utc_ns=LATER_NS, max_bytes=1) for _ in range(4)] == [1, 1, 1, 0]


def test_a_process_that_comes_back_to_a_packed_day_goes_on_after_it(home: Path) -> None:
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append([training(record_id="a")])
        first = journal.scan().entries
        writer.append([training(record_id="tomorrow", at=24 * 3600)])
        assert pack(journal) == 1
        writer.append([training(record_id="b")])
        assert [entry.record.record_id for entry in journal.scan().entries] == ["a", "b", "tomorrow"]
        assert journal.scan().entries[0] == first[0]
        assert [e.record.record_id for e in journal.scan({first[0].file: first[0].end_offset}).entries] == ["b", "tomorrow"]
    before = seen(journal)
    assert pack(journal) == 2
    assert seen(journal) == before
    assert pack(journal) == 0


def test_a_writer_that_waited_for_the_packer_writes_into_a_file_that_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(home)
    lock = LockableFile.lock

    def after_packing(file: LockableFile, **how: bool) -> bool:
        """Pack between the writer's opening and its lock, as a packer would that held the lock until then."""
        if how.get("shared") and journal.files():
            monkeypatch.setattr(LockableFile, "lock", lock)
            assert pack(journal) == 1
        return lock(file, **how)

    with closing(journal.writer()) as writer:
        writer.append([training(record_id="a")])
        writer.close()
        monkeypatch.setattr(LockableFile, "lock", after_packing)
        writer.append([training(record_id="b")])
    assert [each.record_id for each in journal.scan().records] == ["a", "b"]


class Killed(BaseException):
    """The process was killed."""


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Kill the process at its so-manieth call that changes the disk: that call and all later ones do nothing."""
    done = [0]
    with pytest.MonkeyPatch.context() as patch:

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                done[0] += 1
                if done[0] >= number:
                    raise Killed
                return call(*args, **kwargs)

            return wrapper

        patch.setattr(packing.os, "open", counted(os.open))
        patch.setattr(packing, "sync", counted(packing.sync))
        patch.setattr(gzip.GzipFile, "write", counted(gzip.GzipFile.write))
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        yield done


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 14), max_size=3), more=st.booleans(), extra=st.sampled_from([b"", b"bad\n", b"torn"]))
def test_no_kill_loses_or_doubles_a_record(
    kills: list[int], more: bool, extra: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal, path = written(tmp_path_factory.mktemp("killed") / "home", 3, extra)
    rows = fold(journal.scan().records)
    before = seen(journal)
    for number in kills:
        try:
            with killed_at(number):
                pack(journal)
        except Killed:
            pass
        assert seen(journal) == before
    if more:  # whatever the kill left, a writer goes on
        with path.open("ab") as file:
            file.write((b"\n" if extra == b"torn" else b"") + encode_line(training(record_id="more").to_json()))
        rows = fold([*journal.scan().records, training(record_id="more")])
    pack(journal)
    assert fold(journal.scan().records) == rows
    assert not path.exists()
    os.utime(path.parent)
    assert [one.name for one in path.parent.iterdir() if not one.name.startswith(".")] == [f"{path.name}.gz"]


def test_drafts_of_killed_processes_are_swept(home: Path) -> None:
    journal, path = written(home)
    draft = path.with_name(f".{path.name}.gz-0123abcd")
    draft.write_bytes(b"half")
    assert journal.files() == [f"{path.parent.name}/{path.name}"]
    pack(journal)
    assert not draft.exists()


@pytest.mark.parametrize("cut", [3, 40, 400])
def test_a_damaged_packed_file_is_refused_and_what_is_around_it_read(cut: int, home: Path) -> None:
    journal, path = written(home, 200)
    assert pack(journal) == 1
    packed = Path(f"{path}.gz")
    data = packed.read_bytes()
    packed.write_bytes(data[:-cut])
    with path.open("wb") as file:  # the process came back
        file.write(encode_line(training(record_id="after").to_json()))
    scan = journal.scan()
    assert scan.refused == {"checksum-mismatch": 1}
    assert scan.refusals[0].file.endswith(".jsonl.gz")
    assert scan.records[-1].record_id == "after"
    assert pack(journal) == 0, "the damaged file stays as it is, for whoever can repair it"
    assert packed.read_bytes() == data[:-cut]
    assert path.exists()
    totals = LiveTotals(home)
    assert any(totals.look().complete for _ in range(3)), "the size that the damaged file states may be any"
    backlog = Backlog(journal)
    backlog.read(journal_sizes(journal))
    assert backlog.line_counts.corrupt == 1


def test_what_is_no_gzip_at_all_is_refused(home: Path) -> None:
    journal, path = written(home)
    path.rename(f"{path}.gz")
    scan = journal.scan()
    assert (scan.records, scan.corrupt) == ([], 1)


def test_an_endless_line_is_refused_and_packed_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, also where a small packed file holds a long line."""
    monkeypatch.setattr(limits, "LINE_BYTES", 4096)
    journal, path = written(home, 2, b"0" * 10_000 + b"\n" + encode_line(training(record_id="last").to_json()))
    for _ in range(2):
        scan = journal.scan()
        assert [each.record_id for each in scan.records] == ["r0", "r1", "last"]
        assert (scan.corrupt, scan.torn) == (1, 0)
        assert pack(journal) in (0, 1)
    assert b"0" * 10_000 in gzip.decompress(Path(f"{path}.gz").read_bytes())


def test_live_totals_and_deliveries_do_not_notice(home: Path) -> None:
    journal, path = written(home, 20)
    looked = LiveTotals(home).look().values
    backlog = Backlog(journal)
    backlog.read(journal_sizes(journal))
    assert pack(journal) == 1
    assert LiveTotals(home).look().values == looked
    assert not backlog.read(journal_sizes(journal)), "nothing grew"
    (home / "live-5.sqlite").unlink()
    assert LiveTotals(home).look().values == looked, "made again from the packed file"
    assert day_sizes(path.parent) == {path.name: text_size(path)}


def test_a_report_before_and_after_has_the_same_bytes(home: Path, tmp_path: Path) -> None:
    _, path = written(home, 20)
    old_ns = NOON_NS - 30 * DAY_NS
    contents = []
    for turn in range(2):
        if turn == 0:
            os.utime(path)  # just written: stays plain
        else:
            os.utime(path, ns=(old_ns, old_ns))
        out = tmp_path / str(turn)
        assert ecoia("report", "--from", "journal", "--quarter", "2026Q3", "--out", out, "--format", "json").exit_code == 0
        contents.append({file.name: file.read_bytes() for file in out.rglob("*") if file.is_file()})
        assert path.exists() is (turn == 0)
    assert contents[0] == contents[1]
    assert len(contents[0]) >= 1


def test_without_locks_or_fsync_nothing_is_packed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, path = written(home)

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        assert pack(journal) == 0
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        patch.setattr(fcntl, "fcntl", refuse)
        patch.setattr("ecoia.keeping.file_system._open_stand_in", lambda _: None)
        assert pack(journal) == 0
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_trailer_tells_the_text(home: Path) -> None:
    journal, path = written(home)
    text = path.read_bytes()
    pack(journal)
    assert trailer(Path(f"{path}.gz")) == (zlib.crc32(text), len(text))
    assert b"".join(Lines(path)) == text

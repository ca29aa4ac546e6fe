"""The journal survives damage by disks and killed processes, and reports every line that it cannot read."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia import limits
from ecoia.errors import JournalError
from ecoia.keeping.journal import REFUSALS_PER_REASON, Journal, Scan
from ecoia.keeping.journal_lines import decode_line, encode_line
from ecoia.keeping.journal_writer import ANNOUNCE_SHARE
from ecoia.periods import DAY_NS
from ecoia.records.refusals import REFUSALS
from support.records import instant, record

NOON = instant("2026-11-23T12:00")


def filled(home: Path, count: int) -> tuple[Journal, Path]:
    """Return a journal with one file of that many records, and the file."""
    journal = Journal(home)
    writer = journal.writer()
    writer.append(record(record_id=f"r{i}", context={"note": "é"}) for i in range(count))
    writer.close()
    return journal, journal.folder / journal.files()[0]


def ids(journal: Journal) -> list[str]:
    return [r.record_id for r in journal.scan().records]


def losses(scan: Scan) -> tuple[int, int, int]:
    return scan.corrupt, scan.newer, scan.torn


def test_what_is_appended_is_read_in_order_and_readable_by_a_person(home: Path) -> None:
    journal, path = filled(home, 3)
    assert ids(journal) == ["r0", "r1", "r2"]
    assert losses(journal.scan()) == (0, 0, 0)
    for line in path.read_text(encoding="utf-8").splitlines():
        checksum, _, text = line.partition(" ")
        assert len(checksum) == 8
        assert json.loads(text)["service"] == "vadore"
    assert path.parent.name == "2026-11-23"


def test_a_record_goes_to_the_day_on_which_it_starts(home: Path) -> None:
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append([record(record_id="a"), record(NOON + DAY_NS, record_id="b"), record(record_id="c")])
    assert {name.split("/")[0] for name in journal.files()} == {"2026-11-23", "2026-11-24"}
    assert ids(journal) == ["a", "c", "b"]


def test_reading_from_an_entrys_offset_gives_the_entries_after_it(home: Path) -> None:
    journal, path = filled(home, 4)
    entries = journal.scan().entries
    for i, entry in enumerate(entries):
        later = journal.scan({entry.file: entry.end_offset})
        assert [r.record_id for r in later.records] == [f"r{j}" for j in range(i + 1, 4)]
    assert entries[-1].end_offset == path.stat().st_size


def test_streaming_gives_what_scanning_gives_without_keeping_it(home: Path) -> None:
    journal, path = filled(home, 3)
    with path.open("ab") as file:
        file.write(b"00000000 {}\ntorn")
    counts = Scan()
    assert [e.record.record_id for e in journal.stream(counts)] == ["r0", "r1", "r2"]
    assert losses(counts) == losses(journal.scan()) == (1, 0, 1)
    assert counts.entries == []


@given(cut=st.integers(1, 10_000))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_last_line_is_counted_and_costs_no_other(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    journal, path = filled(tmp_path_factory.mktemp("torn"), 3)
    data = path.read_bytes()
    last = len(data.splitlines(keepends=True)[-1])
    path.write_bytes(data[: -(1 + cut % (last - 1))])
    scan = journal.scan()
    assert [r.record_id for r in scan.records] == ["r0", "r1"]
    assert losses(scan) == (0, 0, 1)


@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_is_counted_and_its_neighbours_kept(
    where: float, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal, path = filled(tmp_path_factory.getbasetemp() / "flipped", 3)
    data = bytearray(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    at = int(where * len(data))
    hit = bytes(data[:at]).count(b"\n")
    data[at] ^= flip
    path.write_bytes(data)
    for other in journal.files()[1:]:
        (journal.folder / other).unlink()
    scan = journal.scan()
    found = [r.record_id for r in scan.records]
    path.unlink()
    assert found == [f"r{i}" for i in range(3) if i != hit]
    # An added newline makes two bad lines of one; losing the last newline makes a torn line.
    assert scan.corrupt + scan.torn in ((1, 2) if data[at] == 10 else (1,))


def test_a_lost_newline_costs_one_record_not_two(home: Path) -> None:
    journal, path = filled(home, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0][:-1] + b"X" + lines[1] + lines[2])
    scan = journal.scan()
    assert [r.record_id for r in scan.records] == ["r1", "r2"]
    assert losses(scan) == (1, 0, 0)


def test_a_newer_schema_is_counted_apart(home: Path) -> None:
    journal, path = filled(home, 1)
    newer = json.dumps({**record(record_id="future").to_dict(), "schema": 99, "unheard_of": []})
    with path.open("ab") as file:
        file.write(encode_line(newer) + encode_line(record(record_id="last").to_json()))
    assert ids(journal) == ["r0", "last"]
    assert losses(journal.scan()) == (0, 1, 0)


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"schema": 1}', "not json", '{"schema": 1, "units": Infinity}', "\x00"])
def test_a_whole_line_that_is_no_record_is_counted(text: str, home: Path) -> None:
    journal, path = filled(home, 1)
    with path.open("ab") as file:
        file.write(encode_line(text) + encode_line(record(record_id="last").to_json()))
    assert ids(journal) == ["r0", "last"]
    assert losses(journal.scan()) == (1, 0, 0)


def test_infinite_units_in_a_whole_line_are_counted(home: Path) -> None:
    journal, path = filled(home, 1)
    with path.open("ab") as file:
        file.write(encode_line(record(record_id="x").to_json().replace('"units":null', '"units":Infinity')))
    assert losses(journal.scan()) == (1, 0, 0)


@given(st.text().filter(lambda text: "\n" not in text))
def test_a_line_gives_back_its_text(text: str) -> None:
    assert decode_line(encode_line(text)) == text


APPEND = """
import sys
from ecoia.keeping.journal import Journal
from ecoia.methods import Method
from ecoia.records import Record
home, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
writer = Journal(home).writer()
def record(i, j):
    start = 1_795_435_200_000_000_000 + i
    return Record(f"{name}-{i}-{j}", "span", "vadore", "training", "host-1", 1, start, start + 1,
                  {"cpu": 1, "gpu": 2, "ram": None}, {c: Method("measured", "rapl") for c in ("cpu", "gpu", "ram")},
                  context={"filler": "x" * 500})
print("ready", flush=True)
i = 0
while i != batches:
    writer.append(record(i, j) for j in range(5))
    print(i, flush=True)
    i += 1
"""


def appender(home: Path, name: str, batches: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", APPEND, str(home), name, str(batches)], stdout=subprocess.PIPE, text=True)


def test_processes_that_append_at_once_lose_nothing(home: Path) -> None:
    """They also create the home at once, and agree on one identity."""
    processes = [appender(home, f"p{n}", 150) for n in range(5)]
    for process in processes:
        process.communicate(timeout=600)
        assert process.returncode == 0
    journal = Journal(home)
    assert sorted(ids(journal)) == sorted(f"p{n}-{i}-{j}" for n in range(5) for i in range(150) for j in range(5))
    assert losses(journal.scan()) == (0, 0, 0)
    assert len(journal.files()) == 5
    assert not list(home.glob(".home-*"))


def test_a_killed_writer_leaves_nothing_but_a_torn_last_line(home: Path) -> None:
    """Every batch whose append returned is there. Twenty kills, at random moments."""
    chance = random.Random(20261123)
    for n in range(20):
        process = appender(home, f"p{n}", -1)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.05))  # any moment will do: the outcome does not depend on it
        process.send_signal(signal.SIGKILL)
        done = [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait()
        process.stdout.close()
        scan = Journal(home).scan()
        kept = {r.record_id for r in scan.records}
        assert {f"p{n}-{i}-{j}" for i in done for j in range(5)} <= kept
        assert scan.corrupt == scan.newer == 0
        assert scan.torn <= n + 1


def test_a_file_is_alive_while_its_process_is(home: Path) -> None:
    process = appender(home, "p", -1)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "0\n"]
    journal = Journal(home)
    (name,) = journal.files()
    assert journal.is_alive(name)
    assert journal.is_alive(name), "looking must not take the lock away"
    process.kill()
    process.stdout.read()
    process.wait()
    process.stdout.close()
    assert not journal.is_alive(name)
    assert not journal.is_alive("2026-11-23/never-was.jsonl")


def test_two_writers_of_one_process_have_files_of_their_own(home: Path) -> None:
    journal = Journal(home)
    one, two = journal.writer(), journal.writer()
    one.append([record(record_id="a")])
    two.append([record(record_id="b")])
    assert len(journal.files()) == 2
    assert all(journal.is_alive(name) for name in journal.files())
    one.close()
    two.close()
    assert not any(journal.is_alive(name) for name in journal.files())


def test_a_home_that_is_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    for home in (tmp_path / "home", tmp_path / "home" / "below"):
        with pytest.raises(JournalError, match="ECOIA_HOME") as caught:
            Journal(home)
        assert str(home) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "\xff", '"x"'])
def test_an_unreadable_identity_is_named_and_kept(text: str, home: Path) -> None:
    home.mkdir()
    (home / "home.json").write_text(text, encoding="latin-1")
    with pytest.raises(JournalError, match=r"home\.json.*restore it"):
        Journal(home)
    assert (home / "home.json").read_text(encoding="latin-1") == text


def test_a_home_keeps_its_identity_and_two_homes_differ(tmp_path: Path) -> None:
    assert Journal(tmp_path / "a").home_id == Journal(tmp_path / "a").home_id != Journal(tmp_path / "b").home_id


def test_threads_that_create_a_home_at_once_see_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for n in range(20):
            barrier = Barrier(8)

            def identity(_: int, home: Path = tmp_path / str(n), barrier: Barrier = barrier) -> str:
                barrier.wait()
                return Journal(home).home_id

            assert len(set(pool.map(identity, range(8)))) == 1


def test_a_day_that_cannot_be_written_is_an_error_that_costs_nothing_else(home: Path) -> None:
    journal, _ = filled(home, 2)
    (journal.folder / "2026-11-24").write_text("in the way")
    with closing(journal.writer()) as writer:
        with pytest.raises(JournalError, match="ECOIA_HOME"):
            writer.append([record(NOON + DAY_NS, record_id="tomorrow")])
        writer.append([record(record_id="today")])
    (journal.folder / "2026-11-24").unlink()
    assert sorted(ids(journal)) == ["r0", "r1", "today"]


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from support.records import instant, record
from ecoia.periods import DAY_NS
from ecoia import limits
from ecoia.errors import JournalError
from ecoia.keeping.journal import Journal
NOON = instant("2026-11-23T12:00")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = Journal(sys.argv[1]).writer()
writer.append([record(record_id="before")])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))  # the kernel takes part of a write, then none
for attempt in range(2):
    try:
        writer.append([record(record_id="lost", context={"filler": "x" * 900})])
    except JournalError as error:
        print(error)
writer.append([record(NOON + DAY_NS, record_id="tomorrow")])  # another file, so there is room
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.append([record(record_id="after")])
"""


def test_a_full_disk_is_an_error_and_what_follows_is_readable(home: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(home), str(Path(__file__).parents[1])], capture_output=True, text=True, check=True
    )
    first, second = run.stdout.splitlines()
    assert "the disk took" in first
    assert "File too large" in second
    assert "ECOIA_HOME" in first
    assert "ECOIA_HOME" in second
    journal = Journal(home)
    assert sorted(ids(journal)) == ["after", "before", "tomorrow"]
    assert losses(journal.scan()) == (1, 0, 0)
    before, cut, after = (journal.folder / journal.files()[0]).read_bytes().splitlines()
    assert len(before + cut) == 999, "what the disk took of it, on a line of its own"
    assert '"record_id":"after"' in decode_line(after)


def test_the_cap_is_announced_then_refuses_then_gives_way_to_archiving(home: Path) -> None:
    line = len(encode_line(record(record_id="r0").to_json()))
    journal = Journal(home, max_bytes=10 * line)
    writer = journal.writer()
    shares = []
    for i in range(10):
        writer.append([record(record_id=f"r{i}")])
        shares.append(writer.used_share)
    assert [share >= ANNOUNCE_SHARE for share in shares] == [False] * 7 + [True] * 3
    assert shares[-1] == 1.0
    with pytest.raises(JournalError, match="journal_max_mb"):
        writer.append([record(record_id="rx")])
    assert ids(journal) == [f"r{i}" for i in range(10)]
    writer.close()
    (journal.folder / journal.files()[0]).unlink()
    writer.append([record(record_id="ry")])
    writer.close()
    assert ids(journal) == ["ry"]


def test_the_cap_counts_what_other_processes_wrote(home: Path) -> None:
    journal, path = filled(home, 5)
    assert journal.size_bytes() == path.stat().st_size
    with pytest.raises(JournalError, match="cap"):
        Journal(home, max_bytes=path.stat().st_size).writer().append([record(record_id="one more")])


# ------------------------------------------------------------------------------------------------------------ durability


@dataclass
class _Disk:
    """A disk in a power cut: of each file it keeps the bytes that were there at its last fsync."""

    durable_bytes: dict[int, int] = field(default_factory=dict)

    def sync(self, descriptor: int) -> None:
        facts = os.fstat(descriptor)
        self.durable_bytes[facts.st_ino] = facts.st_size

    def keeps(self, path: Path) -> bool:
        """Return whether a file would be there to its last byte."""
        return self.durable_bytes.get(path.stat().st_ino, 0) == path.stat().st_size


def test_a_batch_whose_append_returned_survives_a_power_cut(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = _Disk()
    monkeypatch.setattr(os, "fsync", disk.sync)
    journal = Journal(home)
    assert disk.keeps(home / "home.json"), "a power cut would leave an empty home.json"
    with closing(journal.writer()) as writer:
        for batch in (
            [record(record_id="a")],
            [record(record_id="b"), record(NOON + DAY_NS, record_id="c")],
            [record(record_id="d"), record(NOON + DAY_NS, record_id="e")],
        ):
            writer.append(batch)
            assert all(disk.keeps(journal.folder / name) for name in journal.files())


def test_a_batch_that_the_disk_did_not_confirm_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller writes it again, and it counts once."""
    journal = Journal(home)
    writer = journal.writer()

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    with closing(writer):
        with monkeypatch.context() as failing:
            failing.setattr(os, "fsync", refuse)
            with pytest.raises(JournalError, match="Input/output error"):
                writer.append([record(record_id="a")])
        writer.append([record(record_id="a")])
    assert {r.record_id for r in journal.scan().records} == {"a"}


# -------------------------------------------------------------------------------------------------------- refused lines


def _whole(change: dict[str, object]) -> bytes:
    return encode_line(json.dumps({**record(record_id="bad").to_dict(), **change}))


def _without_field() -> bytes:
    return encode_line(json.dumps({k: v for k, v in record(record_id="bad").to_dict().items() if k != "method"}))


BROKEN = {
    "checksum-mismatch": (b"00000000 {}\n", "checksum '00000000', the text has 'a3a6bf43'"),
    "line-too-long": (encode_line("x" * limits.LINE_BYTES), "more than 16,777,216 bytes"),
    "not-json": (encode_line("not json"), "Expecting value at character 0"),
    "no-schema": (encode_line("[]"), "record without a schema number"),
    "newer-schema": (_whole({"schema": 99}), "record of schema 99, this ecoia reads up to 5: upgrade ecoia"),
    "field-missing": (_without_field(), "record 'bad': field 'method' is missing"),
    "wrong-value": (_whole({"units": -1}), "record 'bad': units = -1 is not a number of 0 or more"),
    "stream-unread": (encode_line('{"schema":4,"f":[9,0,0,10,1,null,2,3,4]}'), "stream 9 was not read before it"),
}


def test_every_reason_of_refusal_has_its_broken_line_here() -> None:
    assert set(BROKEN) == set(REFUSALS)


@pytest.mark.parametrize("reason", BROKEN)
def test_a_refused_line_gives_its_reason_its_fault_its_file_and_its_number(reason: str, home: Path) -> None:
    journal, path = filled(home, 2)
    line, problem = BROKEN[reason]
    with path.open("ab") as file:
        file.write(b"\n" + line + encode_line(record(record_id="last").to_json()))  # an empty line is a line too
    scan = journal.scan()
    assert [r.record_id for r in scan.records] == ["r0", "r1", "last"]
    assert scan.refused == {reason: 1}
    (refusal,) = scan.refusals
    assert (refusal.reason, refusal.file, refusal.line) == (reason, journal.files()[0], 4)
    assert problem in refusal.problem
    # Wherever reading begins, the line has the same number.
    offset = journal.scan().entries[1].end_offset
    assert journal.scan({refusal.file: offset}).refusals == [refusal]
    assert losses(scan) == ((0, 1, 0) if reason == "newer-schema" else (1, 0, 0))


@pytest.mark.parametrize(
    "line",
    [
        encode_line("[" * 100_000),
        encode_line("9" * 5000),
        b"%08x \xff\n" % zlib.crc32(b"\xff"),
        b"\xff\xfe \xff\n",
        b"\0" * 5000 + b"\n",
        b"00000000 {" * 100_000 + b"\n",  # each could begin a record
        _whole({"units": float("nan")}),
        _whole({"units": float("inf")}),
        encode_line(record().to_json().replace('"units":null', '"units":1e400')),
        _whole({"cpu_ns": 10**400}),
        _whole({"service": "\ud800"}),
        encode_line(record().to_json().replace('"pid":', '"pid":1,"pid":')),
        encode_line(record().to_json().replace('"context":{}', f'"context":{"[" * 40}{"]" * 40}')),
    ],
)
def test_a_line_that_cannot_even_be_decoded_stops_nothing(line: bytes, home: Path) -> None:
    journal, path = filled(home, 1)
    with path.open("ab") as file:
        file.write(line + encode_line(record(record_id="last").to_json()))
    assert ids(journal) == ["r0", "last"]
    assert losses(journal.scan()) == (1, 0, 0)


def test_a_line_without_end_does_not_fill_the_memory(home: Path) -> None:
    journal, path = filled(home, 1)
    with path.open("r+b") as file:
        file.truncate((1 << 27) + path.stat().st_size)  # 128 MiB of zeros, sparse
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + encode_line(record(record_id="last").to_json()))
    tracemalloc.start()
    scan = journal.scan()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ids(journal) == ["r0", "last"]
    assert [(refusal.reason, refusal.line) for refusal in scan.refusals] == [("line-too-long", 2)]
    assert peak < 5 * limits.LINE_BYTES


def test_two_lines_run_together_are_refused_with_what_is_wrong_in_each(home: Path) -> None:
    journal, path = filled(home, 1)
    with path.open("ab") as file:
        file.write(record(record_id="cut").to_json().encode()[:50] + _whole({"units": -1}))
    assert [(r.reason, r.line) for r in journal.scan().refusals] == [("checksum-mismatch", 2), ("wrong-value", 2)]


def test_all_refused_lines_are_counted_and_the_first_of_each_reason_kept(home: Path) -> None:
    journal, path = filled(home, 1)
    with path.open("ab") as file:
        file.write(b"x\n" * 1000 + encode_line("[]"))
    scan = journal.scan()
    assert scan.refused == {"checksum-mismatch": 1000, "no-schema": 1}
    assert [r.line for r in scan.refusals] == [*range(2, 2 + REFUSALS_PER_REASON), 1002]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    file = journal.folder / "2026-11-23" / "1-abcdef.jsonl"
    file.mkdir(parents=True)  # as no rights, which root does not lack
    with pytest.raises(JournalError, match=re.escape(f"'{file}' cannot be read")):
        journal.scan()


@pytest.mark.parametrize("removed", ["", "journal", "journal/2026-11-23"])
def test_records_after_the_home_or_a_part_of_it_was_removed_are_found(tmp_path: Path, removed: str) -> None:
    home = tmp_path / "home"
    with closing(Journal(home).writer()) as writer:
        writer.append([record()])
        shutil.rmtree(home / removed)
        late = record(instant("2026-11-23T10:01"))
        writer.append([late])
    assert (home / "home.json").exists()
    assert Journal(home).scan().records == [late]

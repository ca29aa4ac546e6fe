"""Windows kept for the case that their process dies: adopted once, whatever is killed, and never beside what was written."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
from collections import Counter
from pathlib import Path
from zlib import crc32

import pytest

from ecoia.delivery.abandoned import close_abandoned
from ecoia.delivery.day_file import union
from ecoia.errors import JournalError
from ecoia.keeping import open_windows
from ecoia.keeping.adoption import adopt, kept_cpu_ns, waiting
from ecoia.keeping.journal import Journal
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.journal_writer import Writer
from ecoia.keeping.open_windows import OpenWindow
from ecoia.keeping.packing import pack_closed
from ecoia.periods import DAY_NS
from ecoia.records import Record, fold
from support.records import record

NAME = "4242-9f3c21.jsonl"


def some(count: int, **fields: object) -> list[Record]:
    return [record(record_id=f"r-{number}", **fields) for number in range(count)]


def keep(journal: Journal, records: list[Record], name: str = NAME, position: tuple[str, int] = ("", 0)) -> None:
    """Keep a window as a process does that dies then: its lock is gone, and its file stays."""
    window = OpenWindow(journal.home, name)
    window.keep(records, position)
    window.close()


def write(journal: Journal, records: list[Record]) -> Writer:
    writer = journal.writer(NAME)
    writer.append(records)
    writer.close()
    return writer


def test_the_window_of_a_process_that_died_is_adopted_once_into_its_own_file(tmp_path: Path) -> None:
    journal, records = Journal(tmp_path), some(3)
    keep(journal, records)
    assert waiting(tmp_path) == 1
    assert adopt(journal) == 3
    assert journal.scan().records == records
    assert {Path(name).name for name in journal.files()} == {NAME}
    assert (adopt(journal), waiting(tmp_path)) == (0, 0)
    assert journal.scan().records == records


def test_the_window_of_a_living_process_stays_with_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    window = OpenWindow(tmp_path, NAME)
    window.keep(some(2), ("", 0))
    assert (adopt(journal), waiting(tmp_path)) == (0, 0)
    window.keep(some(4), ("", 0))
    window.close()
    assert adopt(journal) == 4


def test_what_the_process_wrote_before_it_died_is_not_appended_again_when_its_file_was_packed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    before = write(journal, [record(record_id="before")])
    keep(journal, some(3, cpu_ns=5), position=before.position)
    write(journal, some(2, cpu_ns=9))
    (name,) = journal.files()
    os.utime(journal.folder / name, (1, 1))
    assert pack_closed(journal.folder, now_utc_ns=record().start_utc_ns + 2 * DAY_NS) == 1
    assert adopt(journal) == 1
    cpu_ns = {each.record_id: each.cpu_ns for each in journal.scan().records if each.record_id != "before"}
    assert cpu_ns == {"r-0": 9, "r-1": 9, "r-2": 5}
    assert len(journal.scan().records) == 4


@pytest.mark.parametrize("written", [0, 1, 3])
def test_what_the_process_wrote_before_it_died_is_not_appended_again(tmp_path: Path, written: int) -> None:
    """Killed between the append of the closed window and the clearing of what was kept, or in the middle of the append."""
    journal = Journal(tmp_path)
    before = write(journal, [record(record_id="before")])
    keep(journal, some(3, cpu_ns=5), position=before.position)
    write(journal, some(3, cpu_ns=9)[:written])
    assert adopt(journal) == 3 - written
    cpu_ns = {each.record_id: each.cpu_ns for each in journal.scan().records if each.record_id != "before"}
    assert cpu_ns == {f"r-{number}": 9 if number < written else 5 for number in range(3)}
    assert len(journal.scan().records) == 4


def test_an_adopter_killed_before_it_removed_the_window_leaves_nothing_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    keep(journal, some(3))
    file = tmp_path / open_windows.FOLDER / NAME
    shutil.copy(file, tmp_path / "copy")
    assert adopt(journal) == 3
    shutil.copy(tmp_path / "copy", file)
    assert adopt(journal) == 0
    assert not file.exists()
    assert len(journal.scan().records) == 3


@pytest.mark.parametrize("cut", [1, 40, 700])
def test_a_line_that_the_kill_cut_is_completed_from_the_window(tmp_path: Path, cut: int) -> None:
    """The line may be longer than what a reader looks at in one piece."""
    journal = Journal(tmp_path)
    keep(journal, some(2))
    writer = write(journal, some(2, endpoint="/" + "x" * 200_000))
    file = journal.folder / writer.position[0]
    os.truncate(file, file.stat().st_size - cut)
    assert adopt(journal) == 1
    scan = journal.scan()
    assert (scan.torn, scan.corrupt, [each.record_id for each in scan.records]) == (0, 0, ["r-0", "r-1"])


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_kill_while_the_window_is_kept_leaves_the_one_before(tmp_path: Path, fails_at: int) -> None:
    journal, window = Journal(tmp_path), OpenWindow(tmp_path, NAME)
    window.keep(some(1), ("", 0))
    writes = 0
    real = open_windows._write_at

    def killed(descriptor: int, offset: int, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == fails_at:
            real(descriptor, offset, data[: len(data) // 2] if offset else b"")  # the first line is written at once or not
            raise OSError("killed")
        real(descriptor, offset, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_windows, "_write_at", killed)
        with pytest.raises(OSError, match="killed"):
            window.keep(some(5), ("", 0))
    window.close()
    assert adopt(journal) == 1


def test_windows_of_any_size_follow_one_another(tmp_path: Path) -> None:
    window, journal = OpenWindow(tmp_path, NAME), Journal(tmp_path)
    for count in (1, 50, 2, 30, 31, 32, 0, 7):
        window.keep(some(count, cpu_ns=count), ("", 0))
        assert list(kept_cpu_ns(str(journal.folder), NAME).values()) == [count] * count
    window.close()
    assert adopt(journal) == 7


def test_a_window_whose_descriptor_the_host_closed_is_kept_again(tmp_path: Path) -> None:
    window, journal = OpenWindow(tmp_path, NAME), Journal(tmp_path)
    window.keep(some(2), ("", 0))
    assert window._file is not None
    os.close(window._file.number)
    assert adopt(journal) == 2, "to others, the process seems to have ended"
    window.keep(some(3), ("", 0))  # the same window, a second later
    window.remove()
    assert len(journal.scan().records) == 2


def adopt_all(home: str) -> int:
    return adopt(Journal(home))


def test_adopters_at_the_same_moment_append_each_record_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(40):
        keep(journal, [record(record_id=f"{number}-{each}") for each in range(3)], f"{number}-abcdef.jsonl")
    with multiprocessing.get_context("fork").Pool(4) as pool:
        appended = pool.map(adopt_all, [str(tmp_path)] * 4)
    assert sum(appended) == 120
    assert set(Counter(each.record_id for each in journal.scan().records).values()) == {1}


def test_a_window_that_a_power_cut_spoilt_is_removed_and_one_of_a_newer_ecoia_stays(tmp_path: Path) -> None:
    journal, folder = Journal(tmp_path), tmp_path / open_windows.FOLDER
    keep(journal, some(1), "1-aaaaaa.jsonl")
    with (folder / "1-aaaaaa.jsonl").open("r+b") as file:
        file.seek(4200)
        file.write(b"\0" * 20)
    (folder / "2-bbbbbb.jsonl").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Record, "to_json", lambda self: '{"schema":99}')
        keep(journal, some(1), "3-cccccc.jsonl")
    assert adopt(journal) == 0
    assert [path.name for path in folder.iterdir()] == ["3-cccccc.jsonl"]


def test_a_window_that_no_ecoia_wrote_is_removed_and_the_form_of_a_newer_one_stays(tmp_path: Path) -> None:
    journal, folder = Journal(tmp_path), tmp_path / open_windows.FOLDER
    folder.mkdir()
    for number, text in enumerate(("[1]", "{}", '{"file":"","size_bytes":"x"}', "[" * 100_000)):
        line = encode_line(text)
        head = open_windows._HEAD % (4096, len(line), crc32(line))
        (folder / f"{number}-aaaaaa.jsonl").write_bytes(head.ljust(4096, b"\0") + line)
    (folder / "9-bbbbbb.jsonl").write_bytes(b"ecoia-open 2 another form\n")
    assert adopt(journal) == 0
    assert [path.name for path in folder.iterdir()] == ["9-bbbbbb.jsonl"]


def test_a_window_that_cannot_be_adopted_stays_and_the_others_are_adopted(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in ("1-aaaaaa.jsonl", "2-bbbbbb.jsonl", "3-cccccc.jsonl"):
        keep(journal, [record(record_id=name)], name)
    (tmp_path / open_windows.FOLDER / "4-dddddd.jsonl").symlink_to("/etc/passwd")
    with pytest.MonkeyPatch.context() as patch:
        real = Writer.append

        def append(self: Writer, records: list[Record]) -> None:
            if self.name.startswith("2"):
                raise JournalError("at its cap")
            real(self, records)

        patch.setattr(Writer, "append", append)
        with pytest.raises(JournalError):
            adopt(journal)
    assert {each.record_id for each in journal.scan().records} == {"1-aaaaaa.jsonl", "3-cccccc.jsonl"}
    assert waiting(tmp_path) == 1


def test_without_locks_a_window_waits_until_it_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    keep(journal, some(1))

    def refused(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(fcntl, "fcntl", refused)
    assert waiting(tmp_path) == 0
    os.utime(tmp_path / open_windows.FOLDER / NAME, (1, 1))
    assert waiting(tmp_path) == 1


def test_a_damaged_record_is_left_out_and_the_others_are_adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    monkeypatch.setattr(open_windows, "encode_line", lambda text: encode_line(text).replace(b'"r-1"', b'"r-9"'))
    keep(journal, [each.copy_with(service="a") for each in some(3)])
    assert adopt(journal) == 2


def test_a_killed_run_is_closed_with_what_it_kept_and_a_full_journal_can_still_be_delivered(tmp_path: Path) -> None:
    """The first thing that a delivery and a report do."""
    keep(Journal(tmp_path), [record(record_id="span", phase="training", run_id="run", spans=1)])
    full = Journal(tmp_path, max_bytes=10)
    assert close_abandoned(full) == 0
    assert waiting(tmp_path) == 1
    assert close_abandoned(Journal(tmp_path)) == 1
    assert {each.outcome for each in Journal(tmp_path).scan().records} == {None, "abandoned"}


def test_what_a_copy_of_a_living_home_adopts_is_counted_once_beside_the_original(tmp_path: Path) -> None:
    """Nobody holds the lock of a copied file. The copy's ledger days stand beside the original's, and rows are joined by id."""
    journal = Journal(tmp_path / "home")
    window = OpenWindow(journal.home, NAME)
    window.keep(some(2, cpu_ns=5, spans=1), ("", 0))
    shutil.copytree(journal.home, tmp_path / "copy")
    copy = Journal(tmp_path / "copy")
    assert (adopt(copy), adopt(journal)) == (2, 0)
    write(journal, some(3, cpu_ns=9, spans=4))  # the same window, closed later
    window.remove()
    original, copied = fold(journal.scan().records), fold(copy.scan().records)
    assert union([original, copied]) == union([copied, original]) == original

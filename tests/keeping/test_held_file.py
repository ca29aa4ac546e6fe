"""A held file is never taken for a file of the measured program, at whatever moment that program closes its descriptors."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from ecoia.keeping import held_file
from ecoia.keeping.held_file import HeldFile, read_again
from support.programs import run_python

FLAGS = os.O_RDWR | os.O_CREAT


class Daemon:
    """Closes the descriptor that the kernel gives next, and opens a file of its own, which gets the same number."""

    def __init__(self, file: Path) -> None:
        self.number = os.open(file, FLAGS)
        self._file = os.dup(self.number)
        os.close(self.number)  # the lowest free number now

    def take(self) -> None:
        os.dup2(self._file, self.number)

    def check(self) -> None:
        """Check that its file is open and as it was."""
        assert os.path.samestat(os.fstat(self.number), os.fstat(self._file))
        assert os.fstat(self.number).st_size == 0
        os.close(self.number)
        os.close(self._file)


def test_no_file_of_ours_has_a_number_that_the_program_comes_to(tmp_path: Path) -> None:
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    held = HeldFile(tmp_path / "ours", FLAGS)
    theirs = os.open(os.devnull, os.O_RDONLY)
    assert theirs == lowest, "no low number stays ours"
    assert held.number > 190
    assert not os.get_inheritable(held.number)
    os.close(theirs)
    held.close()


@pytest.mark.parametrize("when", ["before the second number", "after the second number"])
def test_a_number_that_the_program_takes_while_a_file_is_opened_stays_the_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    daemon, real = Daemon(tmp_path / "theirs"), fcntl.fcntl

    def fcntl_beside_it(number: int, command: int, argument: int) -> int:
        monkeypatch.setattr(fcntl, "fcntl", real)
        if when == "before the second number":
            daemon.take()
            return real(number, command, argument)
        second = real(number, command, argument)
        daemon.take()
        return second

    monkeypatch.setattr(fcntl, "fcntl", fcntl_beside_it)
    held = HeldFile(tmp_path / "ours", FLAGS)
    os.write(held.number, b"a record")
    held.close()
    assert (tmp_path / "ours").read_bytes() == b"a record"
    daemon.check()


def test_a_number_that_the_program_closes_while_a_file_is_opened_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, closed = fcntl.fcntl, []

    def closing(number: int, *arguments: int) -> int:
        if not closed:
            closed.append(number)
            os.close(number)
        return real(number, *arguments)

    monkeypatch.setattr(fcntl, "fcntl", closing)
    held = HeldFile(tmp_path / "ours", FLAGS)
    assert held.in_place()
    held.close()


def test_a_file_system_that_numbers_a_file_anew_at_each_look_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_file, "_stands_for", lambda found, path: False)
    held = HeldFile(tmp_path / "ours", FLAGS)
    assert os.write(held.number, b"a record") == 8
    held.close()


def test_where_few_descriptors_are_allowed_a_file_is_held_all_the_same() -> None:
    done = run_python(
        "import os, resource\nfrom ecoia.keeping.held_file import HeldFile\n"
        "for limit in (256, 20):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))\n"
        "    print(HeldFile(os.devnull, os.O_RDONLY).number >= {256: 192, 20: 3}[limit])\n"
    )
    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")


def test_a_file_is_read_again_where_the_program_closed_it_or_another_one_took_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_file, "_held", {})  # other tests fill it
    path = tmp_path / "counter"
    path.write_bytes(b"1")
    assert read_again(str(path), 10) == b"1"
    path.write_bytes(b"22")
    assert read_again(str(path), 10) == b"22"
    os.close(held_file._held[str(path)].number)
    assert read_again(str(path), 1) == b"2"
    (tmp_path / "new").write_bytes(b"3")
    (tmp_path / "new").replace(path)
    assert read_again(str(path), 10) == b"3"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_again(str(path), 10)
    del held_file._held[str(path)]


STEADY = """
import sys, time, threading
import ecoia
from ecoia.measuring import recorder, write_and_retry
kept, opened, threads = [], [], {threading.get_ident()}
real = write_and_retry.OpenWindow.keep
def keep(self, *arguments):
    real(self, *arguments)
    kept.append(1)
write_and_retry.OpenWindow.keep = keep
recorder._READING_NS = 20_000_000
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
def watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and threading.get_ident() not in threads:
        opened.append((event, arguments))
def wait(count):
    end = time.monotonic() + 60
    while len(kept) < count:
        assert time.monotonic() < end
        time.sleep(0.01)
wait(3)
sys.addaudithook(watch)
wait(len(kept) + 10)
print(opened)
"""


def test_a_program_without_children_has_no_file_opened_between_its_windows(home: Path) -> None:
    """Each opening is a moment in which a program that closes every descriptor can take the number."""
    done: Any = run_python(STEADY, ECOIA_FLUSH_SECONDS="3600")
    assert (done.stdout, done.stderr) == ("[]\n", "")

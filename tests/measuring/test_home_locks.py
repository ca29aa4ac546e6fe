"""Check that one process of a home at a time has each of its locks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ecoia.measuring.home_locks import IDLE, WHOLE_HOST, HomeLocks


def test_a_lock_has_one_holder_until_it_is_released(tmp_path: Path) -> None:
    first, second = HomeLocks(tmp_path), HomeLocks(tmp_path)
    assert first.has(IDLE)
    assert not second.has(IDLE)
    assert second.has(WHOLE_HOST), "another lock is free"
    first.release()
    assert second.has(IDLE)
    assert not first.has(IDLE)
    second.release()


def test_a_lock_whose_file_the_host_closed_is_taken_again(tmp_path: Path) -> None:
    locks, other = HomeLocks(tmp_path), HomeLocks(tmp_path)
    assert locks.has(IDLE)
    os.close(locks._held[IDLE].number)
    with open(os.devnull) as theirs:  # noqa: PTH123 - it gets the number of our file
        assert locks.has(IDLE)
        assert not other.has(IDLE)
        assert theirs.readable(), "a file of the host was closed"
    locks.release()


def test_a_lock_whose_home_was_removed_is_taken_again(tmp_path: Path) -> None:
    locks, other = HomeLocks(tmp_path / "home"), HomeLocks(tmp_path / "home")
    assert locks.has(IDLE)
    shutil.rmtree(tmp_path / "home")
    assert locks.has(IDLE)
    assert not other.has(IDLE), "two processes record the same idle energy"
    locks.release()


def test_a_home_that_cannot_be_made_gives_no_lock() -> None:
    assert not HomeLocks(Path("/proc/ecoia")).has(IDLE)

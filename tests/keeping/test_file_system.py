"""Check that records are kept, and processes exclude each other, where the file system refuses locks or fsync."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ecoia.delivery.sender import delivery_lock
from ecoia.errors import JournalError
from ecoia.keeping import file_system
from ecoia.keeping.destinations import read_targets, register_target
from ecoia.keeping.file_system import FLOCK, NO_LOCK, RECORD_LOCK, STAND_IN, LockableFile, examine, is_locked, sync
from ecoia.keeping.held_file import HeldFile
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.journal import Journal
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.measuring.home_locks import IDLE, HomeLocks
from support.command_line import ecoia
from support.programs import run_python
from support.records import record

REFUSALS = [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL]
flock, record_lock, fsync = fcntl.flock, fcntl.fcntl, os.fsync


def refuse(code: int) -> Callable[..., None]:
    def refusing(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return refusing


@pytest.fixture(params=[FLOCK, RECORD_LOCK, STAND_IN])
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the file system have flock, record locks only, or no locks, as the folder for temporary files still has."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def only_temporary(lock: Callable[..., object]) -> Callable[..., object]:
        def locking(number: int, *rest: object) -> object:
            if not Path(f"/proc/self/fd/{number}").readlink().is_relative_to(tempfile.gettempdir()):
                raise OSError(errno.ENOLCK, "No locks available")
            return lock(number, *rest)

        return locking

    if request.param != FLOCK:
        monkeypatch.setattr(fcntl, "flock", only_temporary(flock) if request.param == STAND_IN else refuse(errno.ENOSYS))
    if request.param == STAND_IN:
        monkeypatch.setattr(fcntl, "fcntl", only_temporary(record_lock))
    return str(request.param)


def test_whatever_the_way_a_lock_has_one_holder(way: str, tmp_path: Path) -> None:
    first, second = (LockableFile(tmp_path / "lock", os.O_WRONLY | os.O_CREAT) for _ in range(2))
    assert first.lock()
    assert first.locked_by == way
    assert not second.lock()
    assert is_locked(tmp_path / "lock")
    first.close()
    assert not is_locked(tmp_path / "lock")
    assert second.lock()
    second.close()


def test_stand_ins_that_nobody_uses_are_swept_and_those_held_or_new_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"ecoia-locks-{os.getuid()}"
    folder.mkdir(mode=0o700)
    for name in ("dead", "held", "new"):
        (folder / name).touch()
    holder = HeldFile(folder / "held", os.O_RDWR)
    flock(holder.number, fcntl.LOCK_SH)
    for name in ("dead", "held"):
        os.utime(folder / name, (1, 1))
    ours = file_system._open_stand_in(tmp_path / "file")
    assert ours is not None
    assert {path.name for path in folder.iterdir()} - {"held", "new"} == {Path(f"/proc/self/fd/{ours.number}").readlink().name}
    ours.close()
    holder.close()


def test_a_stand_in_that_is_swept_while_it_is_opened_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, open_it = [], file_system._open_stand_in
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock_file = file_system._lock
    monkeypatch.setattr(
        file_system, "_lock", lambda number, **how: NO_LOCK if number == first.number else lock_file(number, **how)
    )

    def swept(path: Path) -> HeldFile | None:
        stand_in = open_it(path)
        if stand_in is not None and not opened:
            next((tmp_path / f"ecoia-locks-{os.getuid()}").iterdir()).unlink()
        opened.append(stand_in)
        return stand_in

    monkeypatch.setattr(file_system, "_open_stand_in", swept)
    first = LockableFile(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert first.lock()
    assert (first.locked_by, len(opened)) == (STAND_IN, 2)
    first.close()


def test_whatever_the_way_a_shared_lock_has_several_holders(way: str, tmp_path: Path) -> None:
    first, second = (LockableFile(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert first.lock(shared=True)
    assert second.lock(shared=True)
    assert is_locked(tmp_path / "lock", shared=True)
    assert not is_locked(tmp_path / "lock"), "a look at what is locked shared, shared too"
    first.close()
    assert is_locked(tmp_path / "lock", shared=True)
    second.close()
    assert not is_locked(tmp_path / "lock", shared=True)


def test_whatever_the_way_records_are_kept_and_the_home_has_its_exclusions(way: str, home: Path) -> None:
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        writer.append([record(record_id="a")])
        (name,) = journal.files()
        assert journal.is_alive(name)
    assert not journal.is_alive(name)
    assert [each.record_id for each in journal.scan().records] == ["a"]
    target = register_target(home, "https://mlflow.example")
    assert read_targets(home) == {target: "https://mlflow.example"}
    with try_lock(home, HELPER_LOCK) as free, try_lock(home, HELPER_LOCK) as again:
        assert (free, again) == (True, False)
    with delivery_lock(home):
        pass
    one, other = HomeLocks(home), HomeLocks(home)
    assert one.has(IDLE)
    assert not other.has(IDLE)
    one.release()
    assert other.has(IDLE)
    other.release()


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_of_flock_leads_to_the_next_way(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(code))
    assert examine(tmp_path) == (RECORD_LOCK, None)
    assert list(tmp_path.iterdir()) == []


def test_without_any_lock_every_file_is_free_and_records_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOSYS))
    monkeypatch.setattr(fcntl, "fcntl", refuse(errno.ENOSYS))
    with closing(Journal(home).writer()) as writer:
        writer.append([record(record_id="a")])
    assert examine(home) == (NO_LOCK, None)
    assert Journal(home).scan().records


def test_the_stand_ins_of_another_user_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    theirs = tmp_path / f"ecoia-locks-{os.getuid()}"
    theirs.mkdir()
    theirs.chmod(0o777)
    assert file_system._open_stand_in(tmp_path / "lock") is None
    theirs.rmdir()
    theirs.symlink_to(tmp_path)
    assert file_system._open_stand_in(tmp_path / "lock") is None


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EIO])
def test_a_refused_fsync_costs_no_record(code: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refuse(code))
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        batch = [record(record_id="a")]
        for _ in range(3):
            try:
                writer.append(batch)
            except JournalError:
                assert code == errno.EIO, "only a failing disk is an error, once"
                continue
            break
        assert writer.unsynced is not None
        assert writer.unsynced.errno == code
        size_bytes = journal.size_bytes()
        writer.append([record(record_id="b")])
        assert journal.size_bytes() < 2 * size_bytes + 100
        monkeypatch.setattr(os, "fsync", fsync)
        writer.append([record(record_id="c")])
        assert writer.unsynced is None
    assert {each.record_id for each in journal.scan().records} == {"a", "b", "c"}
    assert register_target(home, "https://mlflow.example") in read_targets(home)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_at_fsync_is_an_error(code: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(home)
    with closing(journal.writer()) as writer:
        monkeypatch.setattr(os, "fsync", refuse(code))
        for _ in range(2):
            with pytest.raises(JournalError, match="free space"):
                writer.append([record(record_id="a")])
    with pytest.raises(OSError, match=os.strerror(code)):
        sync(0)


def test_doctor_says_once_what_the_file_system_refuses(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal(home)
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOSYS))
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    said = ecoia("doctor").output
    assert said.count("no flock") == 1
    assert said.count("refuses fsync (Invalid argument)") == 1


def test_no_file_of_ours_gets_the_number_of_a_closed_standard_stream() -> None:
    """A daemon may start without streams; what it prints anyway must not go into the journal."""
    done = run_python(
        "import os\nfrom ecoia.keeping.held_file import HeldFile\nfor number in (0, 1, 2): os.close(number)\n"
        "held = HeldFile(os.devnull, os.O_RDONLY)\nos._exit(int(held.number > 2) + 2 * os.get_inheritable(held.number))"
    )
    assert done.returncode == 1

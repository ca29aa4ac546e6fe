"""Retention: a file that is old, delivered and read whole is removed; nothing else is, ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecoia.delivery.backlog import Backlog
from ecoia.delivery.retention import outlived, remove_outlived
from ecoia.keeping.journal import Journal
from ecoia.keeping.packing import pack_closed
from ecoia.periods import DAY_NS
from support.command_line import ecoia
from support.records import DAY, NOON_NS, training, write

LATER_NS = NOON_NS + 400 * DAY_NS


def delivered(home: Path, *, pack: bool = False) -> Journal:
    """Return a journal of two days, each of one file, with everything delivered to target t."""
    journal = Journal(home)
    (home / "delivery").mkdir()
    write(journal, [training(target="t"), training(at=10, target="t")])
    write(journal, [training(at=399 * 86_400, target="t")])
    if pack:
        pack_closed(journal.folder, now_utc_ns=LATER_NS)
    settle(journal)
    return journal


def settle(journal: Journal) -> None:
    backlog = Backlog(journal)
    backlog.read(backlog.sizes())
    backlog.settle({"t"}, set())


@pytest.mark.parametrize("pack", [False, True])
def test_an_old_file_that_was_delivered_is_removed(pack: bool, home: Path) -> None:
    journal = delivered(home, pack=pack)
    old, recent = journal.files()
    assert list(outlived(journal, 300, now_utc_ns=LATER_NS)) == [old]
    assert remove_outlived(journal, 300, now_utc_ns=LATER_NS) == 1
    assert journal.files() == [recent]
    assert not (journal.folder / DAY).exists()
    assert remove_outlived(journal, 300, now_utc_ns=LATER_NS) == 0


def held(journal: Journal) -> None:
    writer = journal.writer(journal.files()[0].partition("/")[2])
    writer.append([training(at=20, target="t")])
    settle(journal)
    journal.held = writer  # type: ignore[attr-defined] # as long as the journal


def undelivered(journal: Journal) -> None:
    write(journal, [training(at=20, target="t")], journal.files()[0].partition("/")[2])


def for_another_target(journal: Journal) -> None:
    write(journal, [training(at=20, target="other"), training(at=30, target="t")], journal.files()[0].partition("/")[2])
    settle(journal)


def damaged(journal: Journal) -> None:
    path = journal.folder / journal.files()[0]
    path.write_bytes(b"damaged\n" + path.read_bytes())
    settle(journal)


def torn(journal: Journal) -> None:
    with (journal.folder / journal.files()[0]).open("ab") as file:
        file.write(b"torn")
    settle(journal)


def correcting(journal: Journal) -> None:
    write(journal, [training(at=20, target="t", replaces="other")], journal.files()[0].partition("/")[2])
    settle(journal)


def unread_cursors(journal: Journal) -> None:
    (journal.home / "delivery" / "cursors.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize("why", [held, undelivered, for_another_target, damaged, torn, correcting, unread_cursors])
def test_what_could_still_be_asked_for_stays(why: Callable[[Journal], None], home: Path) -> None:
    journal = delivered(home)
    why(journal)
    before = journal.scan().records
    assert remove_outlived(journal, 300, now_utc_ns=LATER_NS) == 0
    assert journal.scan().records == before


def test_what_is_younger_stays(home: Path) -> None:
    journal = delivered(home)
    assert remove_outlived(journal, 400, now_utc_ns=LATER_NS) == 0


def test_by_hand_it_says_what_it_would_do_and_does_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = delivered(home)
    monkeypatch.setattr("time.time_ns", lambda: LATER_NS)
    monkeypatch.setenv("ECOIA_RETENTION_DAYS", "300")
    assert "1 file to be removed" in ecoia("compact", "--dry-run").stdout
    assert len(journal.files()) == 2
    assert "1 file removed" in ecoia("compact").stdout
    assert len(journal.files()) == 1

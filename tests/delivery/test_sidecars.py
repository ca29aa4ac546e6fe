"""Sidecars: what is kept of a closed file gives what reading the file gives, or the file is read."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.delivery import sidecars
from ecoia.delivery.abandoned import close_abandoned
from ecoia.delivery.backlog import Backlog
from ecoia.keeping.journal import Entry, Journal
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.packing import pack_closed
from ecoia.periods import DAY_NS
from ecoia.records import Record, fold, merge_rows
from support.records import NOON_NS, ending, link, training, write

LATER_NS = NOON_NS + 400 * DAY_NS
numbers = itertools.count()


@pytest.fixture(autouse=True)
def every_file_has_a_sidecar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecars, "LEAST_BYTES", 0)


def known(backlog: Backlog) -> list[str]:
    """Return all that a backlog tells of a journal, as texts, whose differences are told quickly."""
    return list(map(repr, _known(backlog)))


def _known(backlog: Backlog) -> tuple[Any, ...]:
    return (
        merge_rows(row for rows in backlog.rows.values() for row in rows),
        sorted(backlog.rows),
        sorted((target, sorted(links)) for target, links in backlog.links.items()),
        sorted((target, sorted(links)) for target, links in backlog.new_links.items()),
        sorted(backlog.changed),
        backlog.pending,
        sorted(backlog.read_sizes.items()),
        sorted(backlog.line_counts.refused.items()),
        sorted(backlog.line_counts.refusals),
        backlog.line_counts.torn,
    )


def read(journal: Journal) -> Backlog:
    backlog = Backlog(journal)
    backlog.read(backlog.sizes())
    return backlog


def kept(journal: Journal) -> list[Path]:
    return sorted((journal.home / "delivery" / "folded").glob("*/*"))


def packed(home: Path, files: list[list[Record]], extra: bytes = b"") -> Journal:
    """Return a journal of closed files, one a process."""
    journal = Journal(home)
    (home / "delivery").mkdir()
    for records in files:
        write(journal, records)
    for name in journal.files():
        with (journal.folder / name).open("ab") as file:
            file.write(extra)
    assert pack_closed(journal.folder, now_utc_ns=LATER_NS) == len(journal.files())
    return journal


def by_lines(journal: Journal) -> Backlog:
    """Return the backlog that no sidecar has a part in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sidecars, "LEAST_BYTES", 1 << 62)
        return read(journal)


@pytest.fixture
def no_lines_read() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "stream", lambda *_, **__: pytest.fail("a line was read"))
        yield


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_second_reading_gives_what_the_first_gave(tmp_path: Path, data: st.DataObject) -> None:
    """Lines are doubled, in one file or in two, corrected and contradicted; some of them are delivered, and a file goes on."""
    records = [
        training(at=1790 + 10_000 * n, cpu=10**n, run_id=data.draw(st.sampled_from((None, "r"))), target=f"t{n % 2}")
        for n in range(5)
    ]
    some = st.lists(st.sampled_from(records), max_size=1)
    records += [training(at=9, cpu=3, replaces=each.record_id) for each in data.draw(some)]
    records += [each.copy_with(spans=3) for each in data.draw(some)]
    lines = data.draw(st.permutations([*records, *data.draw(some), *data.draw(some), link("g", "r")]))
    cut, extra = data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from((b"", b"bad\n", b"torn")))
    journal = packed(tmp_path / f"home-{next(numbers)}", [lines[:cut], lines[cut:]], extra)
    first = read(journal)
    assert _known(first)[0] == fold(records)
    assert known(first) == known(by_lines(journal))
    assert known(read(journal)) == known(first)
    if data.draw(st.booleans()):
        first.settle({data.draw(st.sampled_from(("t0", "t1", "")))}, set())
        assert known(read(journal)) == known(by_lines(journal))
    late = data.draw(st.sampled_from(records))
    with closing(journal.writer()) as writer:
        writer.append([late, training(at=50, replaces=late.record_id)])
    assert known(read(journal)) == known(by_lines(journal))
    assert known(read(journal)) == known(by_lines(journal))


def test_what_was_delivered_is_not_read_again(home: Path, request: pytest.FixtureRequest) -> None:
    journal = packed(home, [[training(at=10 * n, target="t") for n in range(9)]])
    first = read(journal)
    first.settle({"t"}, set())
    request.getfixturevalue("no_lines_read")
    again = read(journal)
    assert (again.pending, again.changed) == (0, set())
    assert again.rows == first.rows
    first.settle({"t"}, set())
    assert read(journal).cursors == first.cursors, "the cursors move as if it had been read"


def test_runs_that_were_killed_are_found_without_reading_lines(home: Path, request: pytest.FixtureRequest) -> None:
    runs = [training(at=10 * n, run_id=f"ecoia-session-{n}") for n in range(3)]
    journal = packed(home, [[*runs, ending(run_id="ecoia-session-1")]])
    read(journal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "stream", lambda *_, **__: pytest.fail("a line was read"))
        patch.setattr("ecoia.delivery.abandoned._process_alive", lambda *_: False)
        patch.setattr("ecoia.delivery.abandoned.adopt", lambda _: None)
        assert close_abandoned(journal) == 2
    ended = [each.run_id for each in journal.scan().records if each.outcome == "abandoned"]
    assert ended == ["ecoia-session-0", "ecoia-session-2"]
    assert close_abandoned(journal) == 0


def test_windows_that_no_power_series_noticed_are_read(home: Path) -> None:
    work = training(run_id="0af7651916cd43dd8448eb211c80319c")
    journal = packed(home, [[work, training(at=10)]])
    read(journal)
    noticed: list[Entry] = []
    for until, expected in ((0, 2), (10**6, 0)):
        noticed.clear()
        Backlog(journal).catch_up(noticed.append, {journal.files()[0]: until}.__getitem__)
        assert len(noticed) == expected


@pytest.mark.parametrize("damage", ["cut", "other file", "line changed", "version", "empty", "folder"])
def test_a_wrong_sidecar_is_not_taken(damage: str, home: Path) -> None:
    journal = packed(home, [[training(cpu=5)]])
    rows = read(journal).rows
    (path,) = kept(journal)
    data = path.read_bytes()
    lines = gzip.decompress(data)
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "line changed":
        path.write_bytes(gzip.compress(lines.replace(b'"cpu":5', b'"cpu":6')))
    elif damage == "version":
        first, second = lines.splitlines()
        changed = first[9:].decode().replace(f'"fold":{sidecars.FOLD_VERSION}', f'"fold":{sidecars.FOLD_VERSION + 1}')
        path.write_bytes(gzip.compress(encode_line(changed) + second.replace(b'"cpu":5', b'"cpu":6') + b"\n"))
    else:
        packed_file = journal.folder / f"{journal.files()[0]}.gz"
        text = gzip.decompress(packed_file.read_bytes())
        packed_file.write_bytes(gzip.compress(text + encode_line(training(at=10, cpu=7).to_json())))
    now = read(journal)
    assert now.rows == (by_lines(journal).rows if damage == "other file" else rows)
    assert known(now) == known(by_lines(journal))


def test_a_file_that_goes_on_is_read(home: Path) -> None:
    journal = packed(home, [[training(cpu=5)]])
    read(journal)
    write(journal, [training(at=10, cpu=7)], name=journal.files()[0].partition("/")[2])
    assert read(journal).rows == by_lines(journal).rows
    assert sum(row["energy_microjoules"]["cpu"] for rows in read(journal).rows.values() for row in rows) == 12


def test_sidecars_of_archived_files_are_removed(home: Path) -> None:
    journal = packed(home, [[training()], [training(at=10)]])
    read(journal)
    assert len(kept(journal)) == 2
    for name in journal.files():
        (journal.folder / f"{name}.gz").unlink()
    Backlog(journal).catch_up(lambda entry: None, lambda name: 0)
    assert kept(journal) == []


def test_a_folder_that_takes_no_sidecar_costs_nothing_else(home: Path) -> None:
    journal = packed(home, [[training(cpu=5)]])
    (journal.home / "delivery" / "folded").write_text("no folder", encoding="utf-8")
    assert read(journal).rows == by_lines(journal).rows

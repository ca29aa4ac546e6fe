"""``ecoia journal`` and ``ecoia doctor`` say of each refused line why, in which file and on which line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecoia import limits
from ecoia.keeping.journal import REFUSALS_PER_REASON, Journal
from ecoia.keeping.journal_lines import encode_line
from ecoia.records.refusals import REFUSALS
from support.command_line import ecoia
from support.records import record


def whole(**change: object) -> bytes:
    return encode_line(json.dumps({**record().to_dict(), "record_id": "bad", **change}))


def lacking_its_method() -> bytes:
    return encode_line(json.dumps({name: value for name, value in record().to_dict().items() if name != "method"}))


BROKEN = {
    "checksum-mismatch": b"00000000 {}\n",
    "line-too-long": encode_line("x" * limits.LINE_BYTES),
    "not-json": encode_line("{"),
    "no-schema": encode_line("{}"),
    "newer-schema": whole(schema=9),
    "field-missing": lacking_its_method(),
    "wrong-value": whole(spans=-3),
    "stream-unread": encode_line('{"schema":4,"f":[9,0,0,10,1,null,2,3,4]}'),
}


def break_line(journal: Journal, line: bytes, times: int = 1) -> Path:
    """Append a line to the journal's first file; its five records stand before it."""
    path = journal.folder / journal.files()[0]
    with path.open("ab") as file:
        file.write(line * times)
    return path


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_line_is_shown_with_its_reason_file_and_number(reason: str, journal: Journal) -> None:
    path = break_line(journal, BROKEN[reason])
    listed = ecoia("journal")
    assert listed.exit_code == 0
    head, place = listed.stderr.splitlines()[-2:]
    assert head == f"ecoia: {reason}: 1 line ({REFUSALS[reason]})"
    assert place.startswith(f"ecoia:   {path}:6: ")
    examined = ecoia("doctor").stdout
    assert f"{reason}: 1 line ({REFUSALS[reason]})\n" in examined
    assert f"{path}:6: " in examined
    assert len(listed.stdout.splitlines()) == 6, "the records and their header, nothing else"


@pytest.mark.parametrize("reason", REFUSALS)
def test_as_json_a_refused_line_is_an_object_of_its_own_beside_the_records(reason: str, journal: Journal) -> None:
    break_line(journal, BROKEN[reason])
    result = ecoia("journal", "--json")
    (shown,) = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    problem = shown.pop("problem")
    assert shown == {"refused": reason, "meaning": REFUSALS[reason], "file": journal.files()[0], "line": 6}
    assert problem
    assert [json.loads(line)["schema"] for line in result.stdout.splitlines()] == [1] * 5


def test_the_fault_names_the_record_the_field_and_its_value(journal: Journal) -> None:
    path = break_line(journal, BROKEN["wrong-value"])
    assert f"ecoia:   {path}:6: record 'bad': spans = -3 is not a count\n" in ecoia("journal").stderr


def test_of_many_refused_lines_the_first_are_shown_and_all_counted(journal: Journal) -> None:
    break_line(journal, b"x\n", times=1000)
    lines = ecoia("journal").stderr.splitlines()
    assert lines[0].startswith("ecoia: 1000 journal lines not read: corrupt")
    assert lines[1].startswith("ecoia: checksum-mismatch: 1000 lines (")
    assert len(lines) == 2 + REFUSALS_PER_REASON + 1
    assert lines[-1] == f"ecoia:   and {1000 - REFUSALS_PER_REASON} more"


def test_a_torn_last_line_is_counted_and_refused_for_nothing(journal: Journal) -> None:
    break_line(journal, whole()[:-9])
    (line,) = ecoia("journal").stderr.splitlines()
    assert line.startswith("ecoia: 1 journal line not read: torn")


def test_every_reason_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "journal.md").read_text(encoding="utf-8")
    assert [reason for reason in REFUSALS if f"| `{reason}` |" not in text] == []

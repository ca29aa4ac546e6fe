"""Records that a wrong clock dated are kept and listed, and are in no quarter until somebody accepts their day."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from ecoia.delivery.backlog import DayKey
from ecoia.delivery.deliver import deliver
from ecoia.delivery.doubtful_days import DoubtfulDays
from ecoia.delivery.refused_days import RefusedDays
from ecoia.keeping.journal import Journal
from ecoia.periods import DAY_NS, utc_day
from support.command_line import ecoia
from support.deliveries import configured, help_out, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import record, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

_NOW_NS = time.time_ns() // DAY_NS * DAY_NS + DAY_NS // 2
_A_YEAR_AHEAD = utc_day(_NOW_NS + 366 * DAY_NS)


def _write(journal: Journal, target: str) -> None:
    """Write a record of yesterday, and one of a machine whose clock is a year ahead."""
    write(
        journal,
        [
            record(_NOW_NS + days * DAY_NS, record_id=str(days), target=target, service=f"of-{days}", run_id=None)
            for days in (-1, 366)
        ],
    )


def test_a_day_of_a_wrong_clock_is_kept_listed_and_in_no_quarter(journal: Journal, tracking_uri: str, target: str) -> None:
    _write(journal, target)
    for _ in range(2):
        assert help_out(journal)
        assert {row["service"] for row in ledger(tracking_uri)} == {"of--1"}
    by_hand = ecoia("deliver")
    assert by_hand.exit_code == 1
    assert f"on {_A_YEAR_AHEAD} is kept, and in no figure: it is 366 days ahead of this machine's clock" in by_hand.stderr
    assert f"ecoia deliver --accept-day {_A_YEAR_AHEAD}" in by_hand.stderr
    shown = [json.loads(line) for line in ecoia("journal", "--json").stdout.splitlines()]
    assert {line["service"]: line.get("refused", False) for line in shown} == {"of--1": False, "of-366": True}
    assert f"{_A_YEAR_AHEAD} is kept" in ecoia("doctor").stdout
    report = ecoia("report", "--from", "journal", "--quarter", f"{_A_YEAR_AHEAD[:4]}Q4", "--out", str(journal.home / "report"))
    assert f"{_A_YEAR_AHEAD} is kept, and in no figure" in report.stderr


def test_an_accepted_day_is_delivered_and_counted(journal: Journal, tracking_uri: str, target: str) -> None:
    _write(journal, target)
    assert deliver(journal, configured()).pending == 1
    accepted = ecoia("deliver", "--accept-day", _A_YEAR_AHEAD)
    assert (accepted.exit_code, accepted.stderr) == (0, "")
    assert {row["service"] for row in ledger(tracking_uri)} == {"of--1", "of-366"}
    assert RefusedDays(journal.home).listed == ()
    assert deliver(journal, configured()).conflicts == ()


@pytest.mark.parametrize("content", ["[" * 100_000, "null", "[[1]]"])
def test_a_damaged_list_of_days_is_asked_for_again(content: str, tmp_path: Path) -> None:
    (tmp_path / "delivery").mkdir()
    for name in ("accepted.json", "refused.json"):
        (tmp_path / "delivery" / name).write_text(content)
    assert RefusedDays(tmp_path).listed == ()
    assert DoubtfulDays(tmp_path, 100.0, now_utc_ns=_NOW_NS).why(_A_YEAR_AHEAD) is not None


def test_a_day_that_is_no_day_is_not_accepted(journal: Journal, target: str) -> None:
    _write(journal, target)
    refused = ecoia("deliver", "--accept-day", "31/11/2026")
    assert refused.exit_code == 2
    assert "--accept-day 31/11/2026: write the UTC day as 2026-11-30" in refused.stderr


def test_days_far_from_the_clock_are_doubtful_and_stay_so_when_it_comes_to_them(tmp_path: Path) -> None:
    keys = {DayKey("", "host-1", utc_day(_NOW_NS + days * DAY_NS)) for days in (-3000, -2000, -1, 0, 2, 3)}
    days = DoubtfulDays(tmp_path, 2192, now_utc_ns=_NOW_NS)
    held = [*days.among(keys, keys)]
    assert [each.day for each in held] == [utc_day(_NOW_NS + days * DAY_NS) for days in (-3000, 3)]
    assert [*days.among(keys, ())] == []  # what the ledger has is not doubted
    (tmp_path / "delivery").mkdir()
    RefusedDays(tmp_path).replace((), held)
    later = DoubtfulDays(tmp_path, 2192, now_utc_ns=_NOW_NS + 10 * DAY_NS)
    assert [*later.among(keys, keys)] == held
    later.accept([held[0].day])
    assert [*DoubtfulDays(tmp_path, 2192, now_utc_ns=_NOW_NS).among(keys, keys)] == held[1:]

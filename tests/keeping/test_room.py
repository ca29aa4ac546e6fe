"""Check that a journal that fills up is announced a week ahead, and one that does not is left in peace."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ecoia.keeping.journal import Journal
from ecoia.keeping.room import Room, room
from ecoia.periods import DAY_NS, utc_day
from ecoia_integrations.prometheus import register
from support.command_line import ecoia

NOW_NS = time.time_ns()


def days_of(home: Path, sizes: dict[int, int]) -> Path:
    """Make a journal with so many bytes in the day so many days ago."""
    folder = Journal(home).folder
    for days_ago, size in sizes.items():
        path = folder / utc_day(NOW_NS - days_ago * DAY_NS) / "1-abcdef.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\n" * size)
    return folder


@pytest.mark.parametrize(
    ("sizes", "days"),
    [
        ({}, None),
        ({0: 500}, None),  # a day that is not over shows no pace
        ({1: 100}, 9),
        ({1: 400, 2: 10, 3: 10}, 58),  # yesterday is not packed yet
        ({2: 10, 5: 10}, 196),  # days without a record count
        ({30: 100, 2: 100}, 8),  # old ones do not
        ({1: 1000}, 0),
    ],
)
def test_the_pace_is_that_of_the_last_whole_days(sizes: dict[int, int], days: float | None, home: Path) -> None:
    assert room(days_of(home, sizes), 1000, now_utc_ns=NOW_NS) == Room(sum(sizes.values()), 1000, days)


@pytest.mark.parametrize(("cap_mb", "word"), [(1, "ok"), (0.13, "note"), (0.01, "BROKEN")])
def test_doctor_and_metrics_announce_a_full_journal_a_week_ahead(
    cap_mb: float, word: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_of(home, dict.fromkeys(range(2, 5), 20000))
    monkeypatch.setenv("ECOIA_JOURNAL_MAX_MB", str(cap_mb))
    (line,) = (line for line in ecoia("doctor").output.splitlines() if " MB of " in line)
    assert line.startswith(word)
    left_days = max(cap_mb * 1e6 - 60_000, 0) / 20_000
    assert (left_days < 7) is (word != "ok")
    registry = CollectorRegistry()
    register(registry, str(home))
    assert registry.get_sample_value("ecoia_journal_used_bytes") == 60_000
    assert registry.get_sample_value("ecoia_journal_cap_bytes") == cap_mb * 1e6
    assert registry.get_sample_value("ecoia_journal_left_seconds") == left_days * 86_400


def test_a_journal_without_a_whole_day_has_no_pace_in_metrics(home: Path) -> None:
    days_of(home, {0: 10})
    registry = CollectorRegistry()
    register(registry, str(home))
    assert registry.get_sample_value("ecoia_journal_left_seconds") is None
    assert registry.get_sample_value("ecoia_journal_used_bytes") == 10

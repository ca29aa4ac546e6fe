"""When the helper delivers, rests and ends, by a clock of the test; what it says, and what it costs."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ecoia.delivery import helper_loop
from ecoia.delivery.result import DeliveryResult
from ecoia.keeping.journal import Journal, journal_sizes
from support.deliveries import configured
from support.records import training, write


class Clock(SimpleNamespace):
    """A clock that only sleeping moves; what is planned happens meanwhile."""

    def __init__(self) -> None:
        super().__init__(now=1000.0, planned=[])

    def monotonic(self) -> float:
        return float(self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.planned and self.planned[0][0] <= self.now - 1000:
            self.planned.pop(0)[1]()

    def time_ns(self) -> int:
        return int(self.now * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(helper_loop, "time", clock)
    return clock


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Puts the processes of every file among the living while it holds anything."""
    living: set[str] = set()
    monkeypatch.setattr(Journal, "is_alive", lambda journal, name: bool(living))
    return living


def helped(journal: Journal, clock: Clock, answer: Callable[[int], dict[str, Any]], **times: float) -> list[float]:
    """Run the helper with deliveries that answer by their number. Returns when each began, in seconds."""
    begun: list[float] = []

    def send() -> DeliveryResult:
        begun.append(clock.now - 1000)
        told = answer(len(begun))
        return DeliveryResult(0, 0, **{"sizes": {} if told.get("failed") else journal_sizes(journal), **told})

    assert helper_loop.follow(journal, configured(), send=send, **times)
    return begun


def test_it_ends_when_only_refused_days_are_left_and_says_so_once(
    journal: Journal, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    write(journal, [training()])
    assert helped(journal, clock, lambda _: {"conflicts": ("another home owns the day",)}) == [0.0]
    assert clock.now - 1000 <= 2
    assert capsys.readouterr().out.count("another home owns the day") == 1


def test_a_store_that_is_down_is_tried_at_growing_intervals_and_given_up_within_five_minutes(
    journal: Journal, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    write(journal, [training()])
    begun = helped(journal, clock, lambda _: {"failed": True, "problems": ("it is down",)})
    assert begun == [0, 2, 6, 14, 30, 62, 126]
    assert clock.now - 1000 + configured().delivery_seconds <= 301
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["it is down", "it is down (7 times so far)"]


def test_after_a_long_outage_the_last_records_are_tried_when_the_program_ends(
    journal: Journal, clock: Clock, alive: set[str]
) -> None:
    """The rest had grown to minutes, longer than the helper goes on for a store that is down."""
    alive.add("it")
    write(journal, [training()])
    clock.planned = [(900, alive.clear)]
    begun = helped(journal, clock, lambda _: {"failed": clock.now - 1000 < 905, "final": not alive})
    assert 900 <= begun[-2] < 905 < begun[-1] < 930  # while it is down, and when it is back


def test_short_programs_one_after_another_do_not_hurry_a_store_that_is_down(
    journal: Journal, clock: Clock, alive: set[str]
) -> None:
    write(journal, [training()])
    clock.planned = [(at, alive.clear if at % 2 else lambda: alive.add("it")) for at in range(15, 200)]
    begun = helped(journal, clock, lambda _: {"failed": True, "final": not alive})
    assert begun[:4] == [0, 2, 6, 14]
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(begun[3:])), begun


def test_while_a_process_lives_it_rests_a_minute_and_more_if_deliveries_are_dear(
    journal: Journal, clock: Clock, alive: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive.add("it")
    cpu_seconds = iter([0.0, 0.2, 1.0, 5.0, 5.0, 5.1, 6.0, 6.1, 7.0, 7.1])  # before and after each delivery
    monkeypatch.setattr(helper_loop, "_children_cpu_seconds", lambda: next(cpu_seconds))
    write(journal, [training()])
    clock.planned = [(at, lambda at=at: write(journal, [training(at=at)])) for at in range(5, 300, 10)]
    clock.planned.append((330, alive.clear))
    begun = helped(journal, clock, lambda _: {"final": not alive})
    assert begun == [0, 60, 260, 320, 330]  # 0.2 s of CPU time: a minute; 4 s: 200 s; the end is at once


def test_it_waits_for_a_schema_at_growing_intervals(journal: Journal, clock: Clock, alive: set[str]) -> None:
    alive.add("it")
    write(journal, [training()])
    clock.planned = [(200, alive.clear)]
    begun = helped(journal, clock, lambda _: {"waiting": bool(alive), "final": not alive})
    assert begun == [0, 5, 15, 35, 75, 135, 195, 200]


def test_it_goes_on_at_once_where_the_time_was_up(journal: Journal, clock: Clock) -> None:
    write(journal, [training()])
    assert helped(journal, clock, lambda number: {"cut_short": number < 3}) == [0, 1, 2]


def test_it_does_not_spin_where_only_the_delivery_sees_a_living_process(journal: Journal, clock: Clock) -> None:
    write(journal, [training()])
    assert helped(journal, clock, lambda number: {"final": number == 3}) == [0, 60, 120]


@pytest.mark.parametrize("removed", ["", "journal", "journal/2026-09-24"])
def test_it_ends_where_the_home_or_a_part_of_it_was_removed(
    journal: Journal, clock: Clock, alive: set[str], removed: str
) -> None:
    alive.add("it")
    write(journal, [training()])
    clock.planned = [(5, lambda: shutil.rmtree(journal.home / removed)), (10, alive.clear)]
    helped(journal, clock, lambda _: {"final": not alive})
    assert clock.now - 1000 <= 120


def test_it_ends_where_the_home_lost_its_identity(journal: Journal, clock: Clock) -> None:
    write(journal, [training()])
    (journal.home / "home.json").unlink()
    assert helped(journal, clock, lambda _: {"sizes": {}}) == []


def test_records_that_come_while_it_lets_go_are_seen(journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    write(journal, [training()])
    end = helper_loop._Log.end
    late = iter([lambda: write(journal, [training(at=60)])])
    monkeypatch.setattr(helper_loop._Log, "end", lambda log: (end(log), next(late, lambda: None)()))
    assert len(helped(journal, clock, lambda _: {})) == 2


def test_the_helper_loads_nothing_heavy_and_stays_small() -> None:
    """30 MiB is what a helper may hold between deliveries."""
    code = (
        "import sys, ecoia.delivery.helper_loop; "
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "{'mlflow', 'pandas', 'numpy', 'pydantic', 'typer', 'rich', 'codecarbon', 'urllib3', 'sqlalchemy'}]); "
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    heavy, rss_kib = done.stdout.splitlines()
    assert heavy == "[]"
    assert int(rss_kib) < 30 * 1024

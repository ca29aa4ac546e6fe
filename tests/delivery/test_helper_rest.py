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
from ecoia.keeping import run_signs
from ecoia.keeping.journal import Journal, journal_sizes
from support.deliveries import Here, configured
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
    monkeypatch.setattr(helper_loop.random, "random", lambda: 1.0)
    return clock


@pytest.fixture
def here() -> list[Here]:
    """Receives what delivers, when the helper begins."""
    return []


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Puts the processes of every file among the living while it holds anything."""
    living: set[str] = set()
    monkeypatch.setattr(Journal, "is_alive", lambda journal, name: bool(living))
    return living


def helped(
    journal: Journal,
    clock: Clock,
    answer: Callable[[int], dict[str, Any]],
    *,
    here: list[Here] | None = None,
    killed: list[tuple[float, bool]] | None = None,
) -> list[float]:
    """Run the helper with deliveries that answer by their number. Returns when each began, in seconds.

    Args:
        journal: The journal.
        clock: The clock.
        answer: Gives what differs from a usual result, and ``cpu_seconds``.
        here: Receives what delivers.
        killed: Receives when each began, and whether it was told of a process that ended.
    """
    begun: list[float] = []

    def send(of_killed: bool) -> DeliveryResult:
        begun.append(clock.now - 1000)
        if killed is not None:
            killed.append((begun[-1], of_killed))
        told = dict(answer(len(begun)))
        delivering.cpu += told.pop("cpu_seconds", 0.0)
        return DeliveryResult(0, 0, **{"sizes": {} if told.get("failed") else journal_sizes(journal), **told})

    delivering = Here(send)
    if here is not None:
        here.append(delivering)
    assert helper_loop.follow(journal, configured(), deliveries=delivering)
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


def test_helpers_that_one_outage_stopped_come_back_one_after_another(
    journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, [training()])
    monkeypatch.setattr(helper_loop.random, "random", lambda: 0.0)
    begun = helped(journal, clock, lambda _: {"failed": True})
    assert begun[:7] == [0, 1, 3, 7, 15, 31, 63], "half of the longest rest"


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
    journal: Journal, clock: Clock, alive: set[str]
) -> None:
    alive.add("it")
    cpu_seconds = [0.2, 4.0, 0.1, 0.1, 0.1]
    write(journal, [training()])
    clock.planned = [(at, lambda at=at: write(journal, [training(at=at)])) for at in range(5, 300, 10)]
    clock.planned.append((330, alive.clear))
    begun = helped(journal, clock, lambda number: {"final": not alive, "cpu_seconds": cpu_seconds[number - 1]})
    assert begun == [0, 60, 260, 320, 330]  # 0.2 s of CPU time: a minute; 4 s: 200 s; the end is at once


class Service:
    """A measured process that lives, and writes a window of a user's run every ten seconds while the run is open."""

    def __init__(self, journal: Journal, clock: Clock, until: int, *, runs: tuple[tuple[int, int], ...]) -> None:
        self._writer = journal.writer()
        clock.planned = sorted(
            [(at, lambda at=at: self._window(journal, at, runs)) for at in range(10, until, 10)]
            + [(end, lambda end=end: self._end(journal, end)) for _, end in runs],
            key=lambda step: step[0],
        )

    def _window(self, journal: Journal, at: int, runs: tuple[tuple[int, int], ...]) -> None:
        self._writer.append([training(at=at)])
        if any(start < at <= end for start, end in runs):
            self._give(journal, run_signs.OPEN)

    def _end(self, journal: Journal, at: int) -> None:
        self._writer.append([training(at=at)])
        self._give(journal, run_signs.ENDED)

    def _give(self, journal: Journal, sign: str) -> None:
        before = run_signs.seen(journal.home, sign)
        while run_signs.seen(journal.home, sign) == before:  # the clock of a file system is coarse
            run_signs.give(journal.home, sign)


def test_an_open_run_is_never_a_minute_old_although_loading_is_dear_and_its_end_is_told_in_seconds(
    journal: Journal, clock: Clock, alive: set[str], here: list[Here]
) -> None:
    alive.add("it")
    write(journal, [training()])
    Service(journal, clock, 700, runs=((95, 433),))
    clock.planned.append((700, alive.clear))
    begun = helped(
        journal, clock, lambda number: {"final": not alive, "cpu_seconds": 4.0 if number in (1, 2) else 0.3}, here=here
    )
    assert begun[0] == 0
    assert 100 <= begun[1] <= 102  # its first window; what was spent at 0 makes others wait until 200
    live = [at for at in begun if 95 < at <= 433]
    assert all(later - earlier <= 46 for earlier, later in itertools.pairwise(live))
    assert any(433 <= at <= 440 for at in begun)
    assert len([at for at in begun if 440 < at < 700]) <= 4
    assert here[0].ended > 0


def test_the_process_of_deliveries_stays_between_them_while_a_run_is_open_and_ends_soon_after(
    journal: Journal, clock: Clock, alive: set[str], here: list[Here]
) -> None:
    alive.add("it")
    write(journal, [training()])
    Service(journal, clock, 400, runs=((15, 200),))
    staying = []
    for at in range(25, 300, 5):
        clock.planned.append((at + 0.5, lambda at=at: staying.append((at, here[0].ended))))
    clock.planned.append((400, alive.clear))
    clock.planned.sort(key=lambda step: step[0])
    helped(journal, clock, lambda _: {"final": not alive, "cpu_seconds": 0.2}, here=here)
    assert len({ended for at, ended in staying if at < 230}) == 1
    assert len({ended for at, ended in staying if at > 235}) > 1


def test_runs_that_end_all_the_time_cost_a_fiftieth_of_a_processor_after_some_seconds_in_advance(
    journal: Journal, clock: Clock, alive: set[str], here: list[Here]
) -> None:
    alive.add("it")
    write(journal, [training()])
    Service(journal, clock, 1500, runs=tuple((at, at + 3) for at in range(5, 1500, 4)))
    clock.planned.append((1500, alive.clear))
    begun = helped(journal, clock, lambda _: {"final": not alive, "cpu_seconds": 0.5}, here=here)
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(begun[:-1]))
    assert begun[10] < 80
    assert here[0].cpu <= 1500 / 50 + 10 + 1


def test_a_process_that_ends_beside_others_is_delivered_soon_and_its_runs_are_closed(
    journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service of the same home goes on; the training was killed."""
    writers = [journal.writer(), journal.writer()]
    for writer in writers:
        writer.append([training()])
    dead: set[str] = set()
    monkeypatch.setattr(Journal, "is_alive", lambda _, name: name.rpartition("/")[2] not in dead)
    killed: list[tuple[float, bool]] = []
    clock.planned = [
        (40, lambda: run_signs.give(journal.home, run_signs.OPEN)),
        (62, lambda: (dead.add(writers[0].name), writers[1].append([training(at=60)]))),
        (300, lambda: dead.add(writers[1].name)),
    ]
    helped(journal, clock, lambda _: {"final": len(dead) == 2}, killed=killed)
    assert [flag for _, flag in killed[:2]] == [False, True]
    assert 62 <= killed[1][0] <= 65


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

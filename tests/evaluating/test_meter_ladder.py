"""Models beside the counter of a fake host whose true power is known, and the answer where there is no counter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecoia.errors import EcoiaError
from ecoia.evaluating import meter_ladder
from ecoia.evaluating.meter_ladder import busy_threads, climb, errors
from ecoia.meters.host_model import HostModel, store
from ecoia.testing import PowercapTree, PowercapZone
from support.command_line import ecoia
from support.machines import EPYC_7763, X86, lay_out

THREADS = 64
TICKS = 100


class Host:
    """A host whose processor draws 50 W at rest and 3 W for each busy thread, on a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.root = lay_out(root, X86(EPYC_7763.name, 25, 1, guest=False), cpus=4)
        self.zone: PowercapZone = PowercapTree(root).add("package-0")
        self.zone.set(1_000_000_000)
        self.seconds, self.busy_s, self.busy = 0.0, 0.0, 0
        self.sleep(0.0)

    @contextmanager
    def keep_busy(self, count: int) -> Iterator[None]:
        self.busy = count
        yield
        self.busy = 0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.busy_s += self.busy * seconds
        self.zone.advance(round((50 + 3 * self.busy) * seconds * 1e6))
        idle = round((self.seconds * THREADS - self.busy_s) * TICKS)
        (self.root / "proc/stat").write_text(f"cpu {round(self.busy_s * TICKS)} 0 0 {idle} 0 0 0 0 0 0\n", encoding="ascii")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path / "root")
    monkeypatch.setattr(os, "cpu_count", lambda: THREADS)
    monkeypatch.setattr(meter_ladder.time, "perf_counter", lambda: found.seconds)
    return found


def test_the_counter_and_each_model_stand_side_by_side(host: Host, tmp_path: Path) -> None:
    store(tmp_path, HostModel(EPYC_7763.name, THREADS, idle_w=75.0, busy_w=4.5))
    steps = climb(tmp_path, 10.0, host.root, busy=host.keep_busy, sleep=host.sleep)
    assert [each.load for each in steps] == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=1e-3)
    assert [each.counter_w for each in steps] == pytest.approx([50, 98, 146, 194, 242])
    assert set(steps[0].models_w) == {
        "load-model:tdp",
        "load-model:generic-tdp",
        "server-share:zen3",
        "server-share:generic",
        "host-model:calibrated",
    }
    assert steps[2].models_w["load-model:tdp"] == pytest.approx(280 * (0.1 + 0.9 / 8), rel=1e-3)
    assert steps[2].models_w["server-share:zen3"] == pytest.approx(64 * (0.44 + 0.5 * 1.51), rel=1e-3)
    of = {each.method: each for each in errors(steps)}
    calibrated = of["host-model:calibrated"]
    assert (calibrated.ratio, calibrated.gsd, calibrated.at_wall) == (pytest.approx(1.5), pytest.approx(1.5), True)
    assert not of["load-model:tdp"].at_wall
    assert of["load-model:tdp"].gsd > 1.4, "the cubic is far too low at a medium load"


def test_a_counter_that_restarts_on_the_way_is_no_figure(host: Host, tmp_path: Path) -> None:
    def sleep(seconds: float) -> None:
        host.sleep(seconds)
        if host.busy == 32:
            host.zone.set(5)

    with pytest.raises(EcoiaError, match="could not be read, or restarted, during a step"):
        climb(tmp_path, 10.0, host.root, busy=host.keep_busy, sleep=sleep)


def test_a_machine_without_counters_is_told_so(home: Path) -> None:
    if Path("/sys/class/powercap/intel-rapl").exists():
        pytest.skip("this machine has counters")
    told = ecoia("doctor", "--compare", "--seconds", "0.5")
    assert told.exit_code == 1
    assert "no RAPL counter can be read on this machine, so there is nothing to compare the models with" in told.stderr


def test_busy_threads_use_their_time_and_end() -> None:
    import psutil

    with busy_threads(1):
        (program,) = [each for each in psutil.Process().children() if "getppid" in " ".join(each.cmdline())]
        for _ in range(10_000):
            if program.cpu_times().user > 0.05:
                break
            os.sched_yield()
        assert program.cpu_times().user > 0.05
    assert not program.is_running()

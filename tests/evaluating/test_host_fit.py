"""A host's power is found again from its load and a late, noisy series; what does not tell it is refused, with the remedy."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ecoia.errors import UsageError
from ecoia.evaluating.host_fit import HostFit, fit
from ecoia.evaluating.load_log import LoadRecorder, read_load
from ecoia.meters import hardware
from ecoia.meters.wattmeter import samples_in
from ecoia.testing import FixedMeter
from support.host_loads import BEGIN, SyntheticHost
from support.machines import EPYC_7763, X86, lay_out


def fitted(host: SyntheticHost, folder: Path) -> HostFit:
    bmc, load = host.write(folder)
    return fit(read_load(load), samples_in(bmc))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_synthetic_host_is_found_again_within_3_percent(tmp_path: Path, seed: int) -> None:
    found = fitted(SyntheticHost(seed), tmp_path)
    assert found.idle_w == pytest.approx(120, rel=0.03)
    assert found.busy_w == pytest.approx(2.4, rel=0.03)
    assert found.gpu_factor is None
    assert abs(found.lag_seconds - 60) <= 10
    assert found.gsd == pytest.approx(1.03 ** (1 / math.sqrt(6)), abs=0.01), "six readings a minute, each 3 % off"
    assert found.followed > 0.95


def test_cards_have_a_factor_of_their_own(tmp_path: Path) -> None:
    found = fitted(SyntheticHost(4, gpu_factor=1.2), tmp_path)
    assert (found.idle_w, found.busy_w, found.gpu_factor) == pytest.approx((120, 2.4, 1.2), rel=0.03)


def test_a_series_that_answers_late_by_more_than_the_longest_lag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not follow the load \(R² = 0\.\d\d at best.*late by 180 s at most"):
        fitted(SyntheticHost(lag=600), tmp_path)


def test_the_series_of_another_machine_is_refused(tmp_path: Path) -> None:
    host, other = SyntheticHost(1), SyntheticHost(2)
    host.samples = other.samples
    with pytest.raises(UsageError, match=r"does not follow the load.*check that the series is of 'node-01'"):
        fitted(host, tmp_path)


def test_a_narrow_load_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the load spans \d\d% of the threads only, and 40% are needed"):
        fitted(SyntheticHost(most_load=0.4), tmp_path)


def test_few_minutes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"119 of 119 recorded minutes have power .* and 120 are needed"):
        fitted(SyntheticHost(minutes=119), tmp_path)


def test_zeros_and_gaps_are_missing_readings_and_not_power(tmp_path: Path) -> None:
    host = SyntheticHost()
    host.samples = [
        (at, 0.0 if 3_000 <= at - BEGIN < 6_000 else watts) for at, watts in host.samples if not 9_000 <= at - BEGIN < 12_000
    ]
    found = fitted(host, tmp_path)
    assert (found.idle_w, found.busy_w) == pytest.approx((120, 2.4), rel=0.03)
    assert 100 <= found.left_out <= 108
    host.samples = [(at, 0.0) for at, _ in host.samples]
    with pytest.raises(UsageError, match=r"0 of 400 recorded minutes have power .*zeros and gaps are missing"):
        fitted(host, tmp_path)


def test_power_that_falls_with_the_load_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gives -1\.\d+ W for each busy thread, which no machine draws"):
        fitted(SyntheticHost(idle_w=300, busy_w=-1.5), tmp_path)


def test_the_same_figure_for_an_hour_under_changing_load_is_refused(tmp_path: Path) -> None:
    host = SyntheticHost()
    host.samples = [(at, 181.0 if 6_000 <= at - BEGIN < 12_000 else watts) for at, watts in host.samples]
    with pytest.raises(
        UsageError, match=r"says 181 W for 1\.7 h .* while the load changed: its sensor or its logger stood still"
    ):
        fitted(host, tmp_path)


def test_the_same_figure_at_rest_is_a_reading_like_any_other(tmp_path: Path) -> None:
    host = SyntheticHost(noise=0.0)
    host.busy[100:220] = [0.5] * 120
    for i in range(100, 220):
        host.lines[i] = host.lines[i].replace(host.lines[i].split(",")[3], "0.5000")
    host.samples = [(at, 121.2 if 100 <= (at - BEGIN - 60) // 60 < 220 else watts) for at, watts in host.samples]
    assert fitted(host, tmp_path).idle_w == pytest.approx(120, rel=0.03)


@pytest.mark.parametrize("step", [-300, 300])
def test_a_clock_that_was_set_is_refused_at_its_line(tmp_path: Path, step: int) -> None:
    host = SyntheticHost()
    cells = host.lines[199].split(",")
    cells[1] = f"{float(cells[1]) + step:.3f}"
    if step < 0:
        cells[0] = f"{float(cells[0]) + 2 * step:.3f}"
    host.lines[199] = ",".join(cells)
    with pytest.raises(UsageError, match=r"load\.csv:201: the clock was set meanwhile"):
        fitted(host, tmp_path)


def test_the_loads_of_two_hosts_are_refused_at_the_line(tmp_path: Path) -> None:
    host = SyntheticHost()
    host.lines[50] = host.lines[50].replace("node-01", "node-02")
    with pytest.raises(UsageError, match=r"load\.csv:52: the load of another host \('node-02'\)"):
        fitted(host, tmp_path)


# --- recording --------------------------------------------------------------------------------------------------------


def test_a_recorded_line_is_the_mean_of_its_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_count", lambda: 8)
    root = lay_out(tmp_path / "root", X86(EPYC_7763.name, guest=False), cpus=8, stat="cpu 0 0 0 0 0 0 0 0 0 0")
    now = [1_000.0]
    recorder = LoadRecorder(
        tmp_path / "load.csv", "node-01", FixedMeter("gpu", watts=50), root, clocks=lambda: (1.79e9 + now[0], now[0])
    )
    for _ in range(2):
        for second in range(60):
            now[0] += 1
            if second == 59:
                ticks = round((now[0] - 1_000.0) * 300)  # three threads were busy
                (root / "proc/stat").write_text(f"cpu {ticks} 0 0 {ticks} 0 0 0 0 0 0\nintr 0\n", encoding="ascii")
            recorder.step()
    log = read_load(tmp_path / "load.csv")
    assert (log.host.instance, log.host.threads, log.host.cpu_model) == ("node-01", 8, EPYC_7763.name)
    assert [(each.busy_threads, each.gpu_watts, each.seconds) for each in log.means] == [(3.0, 50.0, 60.0)] * 2
    with pytest.raises(UsageError, match="holds the load of 'node-01'"):
        LoadRecorder(tmp_path / "load.csv", "node-02", None, root)


def test_a_guest_records_no_load(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this machine is a guest"):
        LoadRecorder(tmp_path / "load.csv", "vm-1", None, lay_out(tmp_path / "root", EPYC_7763))

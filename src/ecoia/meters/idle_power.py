"""Power of the machine at rest, measured once on a quiet host and kept in the journal's home. Standard library only."""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ecoia import losses
from ecoia.errors import EcoiaError, JournalError
from ecoia.keeping.file_system import sync
from ecoia.light import Any, NamedTuple
from ecoia.meters import hardware
from ecoia.meters.meter import DEVICES, GROUP, HOST, Meter
from ecoia.periods import utc_datetime
from ecoia.semconv import IDLE_FILE

MOST_LOAD = 0.05
"""Highest load of a host at rest, 0 to 1."""

_READING_SECONDS = 1.0


@dataclass(frozen=True)
class IdlePower:
    """Power of one component at rest, with the method, domain and devices that it was measured with."""

    watts: float
    status: str
    method: str
    domain: str
    devices: tuple[str, ...]
    min_watts: float
    max_watts: float
    gsd: float | None
    """Geometric standard deviation of the one-second readings; None if one of them was 0 or there was only one."""


@dataclass(frozen=True)
class IdleBaseline:
    """A measurement of idle power: the components, the time and the machine."""

    components: dict[str, IdlePower]
    unread: dict[str, int]
    """Failed readings by component. A component with one is left out of ``components``."""

    seconds: float
    load: float
    utc: str
    cpu_model: str
    machine: dict[str, Any] = field(default_factory=dict)


class IdleWatts(dict[str, float]):
    """Component -> watts at rest, if they were stored on this machine with these meters; ``lost`` counts causes of a mismatch."""

    def __init__(self, watts: dict[str, float], lost: Counter[str]) -> None:
        super().__init__(watts)
        self.lost = lost


def measure(meters: Sequence[Meter], seconds: float, root: str | Path = hardware.ROOT) -> IdleBaseline:
    """Read the meters once a second for some time.

    Args:
        meters: The meters of this machine.
        seconds: Duration, at least 2.
        root: Folder that holds ``/proc`` and ``/sys``.

    Raises:
        EcoiaError: The host was not at rest, or no meter could be read all the time.

    Example:
        >>> from ecoia.testing import FixedMeter
        >>> measure([FixedMeter("cpu", watts=40)], seconds=2).components["cpu"].watts  # doctest: +SKIP
        40.0
    """
    group = hardware.control_group(root)
    readings: dict[str, list[tuple[float, int]]] = {meter.component: [] for meter in meters}
    unread: Counter[str] = Counter()
    first = before = _clocks(root, group)
    # Drop the energy that the meters counted before now.
    for meter in meters:
        meter.read(0.0, 0.0)
        meter.lost()
    while (left := first.seconds + seconds - time.perf_counter()) > 0:
        time.sleep(min(left, _READING_SECONDS))
        now = _clocks(root, group)
        elapsed, loads = now.seconds - before.seconds, _loads(before, now, group)
        for meter in meters:
            energy_uj = meter.read(elapsed, loads[meter.domain])
            doubts = meter.lost()
            if energy_uj is None or doubts:
                unread[meter.component] += 1
            else:
                readings[meter.component].append((elapsed, energy_uj))
        before = now
    duration, load = before.seconds - first.seconds, _load(first.host, before.host)
    if load > MOST_LOAD:
        raise EcoiaError(
            f"the host was busy: load {load:.1%} over {duration:.0f} s, and at rest it is at most {MOST_LOAD:.0%}. "
            "Nothing was stored: stop what runs on this machine, then try again"
        )
    return _baseline(
        {
            meter.component: _power(meter, taken)
            for meter in meters
            if (taken := readings[meter.component]) and not unread[meter.component]
        },
        unread,
        duration,
        load,
        root,
    )


class _Clocks(NamedTuple):
    """One look at the clocks of the process, the host and the control group."""

    seconds: float
    host: hardware.BusyTime
    group_ns: int | None


def _clocks(root: str | Path, group: hardware.ControlGroup) -> _Clocks:
    return _Clocks(time.perf_counter(), hardware.host_busy_time(root), group.cpu_usage_ns())


def _loads(before: _Clocks, now: _Clocks, group: hardware.ControlGroup) -> dict[str, float]:
    """Return the load of each domain between two looks, 0 to 1; of a group without a counter, the host's."""
    host = _load(before.host, now.host)
    loads = {HOST: host, GROUP: host, DEVICES: 0.0}
    if before.group_ns is not None and now.group_ns is not None:
        cpus = group.cpus or hardware.cpu_count()
        seconds = now.seconds - before.seconds
        loads[GROUP] = min(max((now.group_ns - before.group_ns) / 1e9 / seconds / cpus, 0.0), 1.0)
    return loads


def _baseline(
    components: dict[str, IdlePower], unread: Counter[str], seconds: float, load: float, root: str | Path
) -> IdleBaseline:
    if not components:
        raise EcoiaError("no meter could be read all the time, so nothing was stored: 'ecoia doctor' says what this machine has")
    return IdleBaseline(
        components=components,
        unread=dict(+unread),
        seconds=round(seconds, 3),
        load=round(load, 6),
        utc=utc_datetime(time.time_ns()).isoformat(timespec="seconds"),
        cpu_model=hardware.cpu_model(root),
        machine=_machine(root),
    )


def _machine(root: str | Path, group: hardware.ControlGroup | None = None) -> dict[str, Any]:
    facts = hardware.context(root, group)
    return {name: facts[name] for name in ("cpu_count", "memory_bytes", "host_cpu_count", "host_memory_bytes", "os")}


def _load(before: hardware.BusyTime, now: hardware.BusyTime) -> float:
    total_ns = now.total_ns - before.total_ns
    return min(max((now.busy_ns - before.busy_ns) / total_ns, 0.0), 1.0) if total_ns > 0 else 0.0


def _power(meter: Meter, readings: Sequence[tuple[float, int]]) -> IdlePower:
    import statistics

    watts = [energy_uj / 1e6 / seconds for seconds, energy_uj in readings]
    logarithms = [math.log(each) for each in watts if each > 0]
    compared = len(watts) > 1 and len(logarithms) == len(watts)
    return IdlePower(
        watts=sum(energy_uj for _, energy_uj in readings) / 1e6 / sum(seconds for seconds, _ in readings),
        status=meter.method.status,
        method=meter.method.name,
        domain=meter.domain,
        devices=tuple(meter.devices),
        min_watts=min(watts),
        max_watts=max(watts),
        gsd=math.exp(statistics.stdev(logarithms)) if compared else None,
    )


def store(home: str | Path, baseline: IdleBaseline) -> Path:
    """Write a measurement into the journal's home, in place of the previous one.

    Args:
        home: Home of the journal.
        baseline: The measurement.

    Returns:
        The file.

    Raises:
        JournalError: The home can't be written.
    """
    path = Path(home) / IDLE_FILE
    fresh = path.with_name(f".idle-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(baseline), indent=2) + "\n")
            file.flush()
            sync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise JournalError(f"'{path}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    return path


def stored(home: str | Path) -> IdleBaseline | None:
    """Read the stored measurement, of whichever machine; None if there is none.

    Args:
        home: Home of the journal.

    Raises:
        JournalError: The file can't be read.
    """
    path = Path(home) / IDLE_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        powers = {
            name: IdlePower(**{**power, "watts": float(power["watts"]), "devices": tuple(power["devices"])})
            for name, power in data["components"].items()
        }
        return IdleBaseline(**{**data, "components": powers})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "'ecoia baseline' on a quiet host writes it again"
        raise JournalError(f"'{path}' cannot be read ({type(error).__name__}: {error}): {remedy}") from error


def load(
    home: str | Path, meters: Sequence[Meter], root: str | Path = hardware.ROOT, group: hardware.ControlGroup | None = None
) -> IdleWatts:
    """Read the watts at rest of each component whose meter is the same as when they were stored. Never raises.

    Args:
        home: Home of the journal.
        meters: The present meters.
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group that is measured; None: the group of this process.

    Returns:
        Component -> watts. ``lost`` counts ``idle-baseline-stale`` for each component that has another meter now or was stored
        on another machine, and ``idle-baseline-unreadable`` if the file can't be read.
    """
    lost: Counter[str] = Counter()
    try:
        baseline = stored(home)
    except JournalError:
        return IdleWatts({}, Counter({losses.IDLE_BASELINE_UNREADABLE: 1}))
    watts = {}
    if baseline is not None:
        same = baseline.cpu_model == hardware.cpu_model(root) and baseline.machine == _machine(root, group)
        for meter in meters:
            power = baseline.components.get(meter.component)
            if power is None:
                continue
            now = (meter.method.status, meter.method.name, meter.domain, tuple(meter.devices))
            if same and now == (power.status, power.method, power.domain, power.devices):
                watts[meter.component] = power.watts
            else:
                lost[losses.IDLE_BASELINE_STALE] += 1
    return IdleWatts(watts, lost)

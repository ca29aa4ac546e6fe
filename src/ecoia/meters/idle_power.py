"""What the machine draws at rest, measured once on a quiet host and kept in the journal's home. Standard library only."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecoia import causes
from ecoia.errors import EcoiaError, JournalError
from ecoia.meters import DEVICES, GROUP, HOST, Meter, hardware

MOST_LOAD = 0.05
"""A host that is busier than this over the time is not at rest."""

_READING_SECONDS = 1.0
_FILE = "idle.json"


@dataclass(frozen=True)
class IdlePower:
    """One component at rest."""

    watts: float
    status: str
    method: str
    domain: str
    devices: tuple[str, ...]
    min_watts: float
    max_watts: float
    gsd: float | None
    """Geometric standard deviation of the one-second readings; None where one of them was 0, or there were none to compare."""


@dataclass(frozen=True)
class IdleBaseline:
    """What was measured, when, and on what machine."""

    components: dict[str, IdlePower]
    unread: dict[str, int]
    """Readings that failed, by component; a component is left out when all or any of its energy is unknown."""

    seconds: float
    load: float
    utc: str
    cpu_model: str
    machine: dict[str, Any] = field(default_factory=dict)


class IdleWatts(dict[str, float]):
    """Component -> watts at rest, as far as what was stored is of this machine and these meters; else the cause, in ``lost``."""

    def __init__(self, watts: dict[str, float], lost: Counter[str]) -> None:
        super().__init__(watts)
        self.lost = lost


def measure(meters: Sequence[Meter], seconds: float, root: Path = hardware.ROOT) -> IdleBaseline:
    """Read the meters once a second for so long.

    Args:
        meters: Of this machine.
        seconds: How long, at least 2.
        root: Where ``/proc`` and ``/sys`` are.

    Raises:
        EcoiaError: the host was not at rest, or no meter could be read.
    """
    group = hardware.control_group(root)
    readings: dict[str, list[tuple[float, int]]] = {meter.component: [] for meter in meters}
    unread: Counter[str] = Counter()
    began, busy_began = time.perf_counter(), hardware.host_busy_time(root)
    # What a meter counted before now is not of this time.
    for meter in meters:
        meter.read(0.0, 0.0)
        meter.lost()
    before, host, group_ns = began, busy_began, group.cpu_usage_ns()
    while (left := began + seconds - time.perf_counter()) > 0:
        time.sleep(min(left, _READING_SECONDS))
        now, host_now, group_now_ns = time.perf_counter(), hardware.host_busy_time(root), group.cpu_usage_ns()
        elapsed = now - before
        loads = {HOST: _load(host, host_now), DEVICES: 0.0}
        loads[GROUP] = loads[HOST]
        if group_ns is not None and group_now_ns is not None:
            cpus = group.cpus or hardware.cpu_count()
            loads[GROUP] = min(max((group_now_ns - group_ns) / 1e9 / elapsed / cpus, 0.0), 1.0)
        for meter in meters:
            energy_uj = meter.read(elapsed, loads[meter.domain])
            doubts = meter.lost()
            if energy_uj is None or doubts:
                unread[meter.component] += 1
            else:
                readings[meter.component].append((elapsed, energy_uj))
        before, host, group_ns = now, host_now, group_now_ns
    load = _load(busy_began, host)
    if load > MOST_LOAD:
        raise EcoiaError(
            f"the host was busy: load {load:.1%} over {before - began:.0f} s, and at rest it is at most {MOST_LOAD:.0%}. "
            "Nothing was stored: stop what runs on this machine, then try again"
        )
    components = {
        meter.component: _power(meter, readings[meter.component])
        for meter in meters
        if readings[meter.component] and not unread[meter.component]
    }
    if not components:
        raise EcoiaError("no meter could be read all the time, so nothing was stored: 'ecoia doctor' says what this machine has")
    return IdleBaseline(
        components=components,
        unread=dict(+unread),
        seconds=round(before - began, 3),
        load=round(load, 6),
        utc=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu_model=hardware.cpu_model(root),
        machine=_machine(root),
    )


def _machine(root: Path, group: hardware.ControlGroup | None = None) -> dict[str, Any]:
    facts = hardware.context(root, group)
    return {name: facts[name] for name in ("cpu_count", "memory_bytes", "host_cpu_count", "host_memory_bytes", "os")}


def _load(before: hardware.BusyTime, now: hardware.BusyTime) -> float:
    total_ns = now.total_ns - before.total_ns
    return min(max((now.busy_ns - before.busy_ns) / total_ns, 0.0), 1.0) if total_ns > 0 else 0.0


def _power(meter: Meter, readings: Sequence[tuple[float, int]]) -> IdlePower:
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
    """Keep it in the journal's home, in place of the one before. Returns the file.

    Raises:
        JournalError: the home cannot be written.
    """
    path = Path(home) / _FILE
    fresh = path.with_name(f".idle-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(baseline), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise JournalError(f"'{path}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    return path


def stored(home: str | Path) -> IdleBaseline | None:
    """What was stored, whatever machine it is of; None where nothing was.

    Raises:
        JournalError: it cannot be read.
    """
    path = Path(home) / _FILE
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
        remedy = "'ecoia baseline' on a quiet host writes it anew"
        raise JournalError(f"'{path}' cannot be read ({type(error).__name__}: {error}): {remedy}") from error


def load(
    home: str | Path, meters: Sequence[Meter], root: Path = hardware.ROOT, group: hardware.ControlGroup | None = None
) -> IdleWatts:
    """The watts at rest of each component that is still measured as it was when they were stored. Never raises.

    Args:
        home: The journal's home.
        meters: The present ones.
        root: Where ``/proc`` and ``/sys`` are.
        group: The control group of what is measured; else ours.

    Returns:
        Component -> watts. ``lost`` counts ``idle-baseline-stale`` for each component that is measured otherwise now or was
        stored on another machine, ``idle-baseline-unreadable`` for a file that cannot be read.
    """
    lost: Counter[str] = Counter()
    try:
        baseline = stored(home)
    except JournalError:
        return IdleWatts({}, Counter({causes.IDLE_BASELINE_UNREADABLE: 1}))
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
                lost[causes.IDLE_BASELINE_STALE] += 1
    return IdleWatts(watts, lost)

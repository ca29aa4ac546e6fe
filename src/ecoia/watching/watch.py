"""``ecoia watch``: measure from outside a running process and its descendants, a control group, or a systemd unit.

With rules, it measures all groups of a host that a file of rules maps to services (``ecoia.watching.control_groups``). The
target is not touched and need not be Python. Processes in it that measure themselves are left out: they announce themselves
in notices (``ecoia.processes.notices``).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ecoia.errors import UsageError
from ecoia.instrument.engine import engine
from ecoia.instrument.start import StartReadings
from ecoia.meters import hardware
from ecoia.processes.families import ControlGroup, Descendants, ProcessTree
from ecoia.processes.notices import OwnNotice
from ecoia.settings import Settings
from ecoia.watching.control_groups import ServiceGroups
from ecoia.watching.group_rules import POD_LOGS
from ecoia.watching.group_tree import CGROUP_MOUNT, path_in_hierarchy
from ecoia.watching.outside import OutsideMeasurement, key_of_helpers, make_recorder
from ecoia.watching.watch_registry import Registration, line_of
from ecoia.watching.watch_target import Unit, find_group, find_process, find_unit, why_measured_above

if TYPE_CHECKING:
    from ecoia.watching.server_metrics import ServerMetrics


def watch(
    *,
    service: str,
    phase: str,
    settings: Settings,
    pid: int | None = None,
    cgroup: str | None = None,
    unit: str | None = None,
    run_id: str | None = None,
    seconds: float | None = None,
    mount: Path = CGROUP_MOUNT,
    page: ServerMetrics | None = None,
) -> None:
    """Measure until the target ends, SIGTERM or SIGINT arrives, or the time is over. Exactly one target is given.

    Args:
        service: Id of the service that the target works for.
        phase: One of ``semconv.PHASES``.
        settings: Settings.
        pid: A process, measured with its descendants.
        cgroup: A control group: its folder, or its path below the mount.
        unit: Name of a systemd unit; measuring continues when it restarts.
        run_id: Id of the MLflow run that the target works for, which shows its energy; not for inference.
        seconds: How long to measure; None for no limit.
        mount: Where control groups are mounted.
        page: The metrics page of the target, a server of language models: its output tokens are units, and what it uses while
            no request is in flight is idle energy.

    Raises:
        UsageError: An argument is illegal, the target does not exist or is measured already, or it contains this process.

    Example::

        watch(service="vadore", phase="inference", settings=settings.load(), unit="inference-api", seconds=60)
    """
    key, links = key_of_helpers(service, phase, run_id)
    _check_time(seconds)
    given = [name for name, value in (("--pid", pid), ("--cgroup", cgroup), ("--unit", unit)) if value is not None]
    if len(given) != 1:
        raise UsageError(f"{' and '.join(given) or 'no target'} given: give exactly one of --pid, --cgroup and --unit")
    start = StartReadings()
    target, limits = _find_target(pid, cgroup, unit, mount)
    registration = Registration(line_of(target))
    try:
        refusal = registration.add(target)
        if refusal is not None:
            raise UsageError(refusal)
        with _stop_signals() as stop:
            notice = OwnNotice(start.process_cpu_ns + Descendants().total_ns)
            measurement = OutsideMeasurement(
                target,
                key,
                pid=pid or os.getpid(),
                start=start,
                notice=notice,
                settings=settings,
                group=limits,
                links=links,
                page=page,
            )
            if page is not None:
                page.start()
            _repeat(measurement.step, stop, seconds, alive=target.alive)
            measurement.close(ended=not target.alive())
    finally:
        if page is not None:
            page.stop()
        registration.end()


def _find_target(
    pid: int | None, cgroup: str | None, unit: str | None, mount: Path
) -> tuple[ProcessTree | ControlGroup, hardware.ControlGroup]:
    """Find the target, and the limits of its control group."""
    if pid is not None:
        return find_process(pid), hardware.control_group(pid=pid)
    folder = find_group(cgroup, mount) if cgroup is not None else find_unit(str(unit), mount)
    group = Unit(unit, mount, folder) if unit is not None else ControlGroup(str(folder))
    refusal = why_measured_above(group)
    if refusal is not None:
        raise UsageError(refusal)
    return group, hardware.control_group(path=path_in_hierarchy(folder, mount))


def watch_by_rules(
    file: Path,
    *,
    settings: Settings,
    tell: Callable[[str], None],
    pod_logs: Path = POD_LOGS,
    seconds: float | None = None,
    guests: Path | None = None,
    root: str | Path = hardware.ROOT,
) -> None:
    """Measure the control groups of this host that a file of rules maps to services, as they come and go.

    Ends at SIGTERM or SIGINT, or when the time is over. SIGHUP, or a change of the file, makes it read the rules again.

    Args:
        file: The rules; see ``ecoia.watching.group_rules``.
        settings: Settings.
        tell: Shows the user how many groups each rule matches, and reports errors in the rules.
        pod_logs: Folder in which the kubelet keeps a folder of logs for each pod, named after the pod.
        seconds: How long to measure; None for no limit.
        guests: Folder in which virtual machines get their energy, a folder each; None: it is recorded here.
        root: Folder that holds ``/proc`` and ``/sys``.

    Raises:
        RulesError: The file cannot be used.
        UsageError: An argument is illegal, no control group can be seen, or rules are watched on this host already.

    Example::

        watch_by_rules(Path("rules.toml"), settings=settings.load(), tell=print)
    """
    _check_time(seconds)
    start = StartReadings()
    registration = Registration("rules of this host")

    def refuse(group: ControlGroup) -> str | None:
        refusal = registration.add(group)
        if refusal is None:
            refusal = why_measured_above(group)
            if refusal is not None:
                registration.drop(group)
        return refusal

    try:
        groups = ServiceGroups(
            file,
            start,
            pod_logs=pod_logs,
            whole_host=settings.scope == "host",
            hand_over=guests is not None,
            root=root,
            refuse=refuse,
            let_go=registration.drop,
            tell=tell,
        )
        _measure_groups(groups, start, settings, seconds, guests)
    finally:
        registration.end()


def _check_time(seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds = {seconds:g}: give more than 0, or leave it out to watch until the target ends")
    if engine.disabled:
        raise UsageError("ECOIA_DISABLED is set, so nothing would be measured: unset it")


def _measure_groups(
    groups: ServiceGroups, start: StartReadings, settings: Settings, seconds: float | None, guests: Path | None
) -> None:
    def reread(number: int, frame: FrameType | None) -> None:
        groups.reload = True

    before = signal.signal(signal.SIGHUP, reread) if hasattr(signal, "SIGHUP") else None
    try:
        with _stop_signals() as stop:
            recorder = make_recorder(
                groups,
                groups.pids,
                pid=os.getpid(),
                start=start,
                notice=OwnNotice(start.process_cpu_ns + Descendants().total_ns),
                settings=settings,
                group=hardware.ControlGroup(None, None, None),  # meters of the host, whatever our own limits are
                guests=guests,
            )
            _repeat(recorder.step, stop, seconds)
            recorder.close()
    finally:
        if before is not None:
            signal.signal(signal.SIGHUP, before)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _repeat(
    step: Callable[[], float], stop: threading.Event, seconds: float | None, alive: Callable[[], bool] = lambda: True
) -> None:
    deadline = None if seconds is None else time.monotonic() + seconds
    while alive():
        left = step()
        if deadline is not None:
            left = min(left, deadline - time.monotonic())
        if left <= 0 or stop.wait(left):
            return

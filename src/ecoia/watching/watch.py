"""``ecoia watch``: measure what already runs, from outside: a process and all below it, a control group, a systemd unit.

Or whatever a file of rules maps to services on a host (``ecoia.watching.control_groups``). What is watched is not touched
and need not be Python. Processes in it that measure themselves are left out, by their claims (``ecoia.processes.families``).
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ecoia.errors import UsageError
from ecoia.instrument.engine import engine
from ecoia.instrument.start import StartReadings
from ecoia.measuring.recording import Key
from ecoia.meters import hardware
from ecoia.processes.families import (
    Claim,
    ControlGroup,
    Descendants,
    ProcessTree,
    ancestors_of,
    cpu_usage_ns,
    listed_pid,
    measuring_ancestor,
    notice_of,
    own_folder,
    read_process,
)
from ecoia.semconv import PHASES
from ecoia.settings import Settings, is_slug
from ecoia.watching.control_groups import Services
from ecoia.watching.group_rules import POD_LOGS, UNIT_TYPES
from ecoia.watching.run_command import Measurement, recorder_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CGROUP_MOUNT = Path("/sys/fs/cgroup")


def watch(
    *,
    service: str,
    phase: str,
    settings: Settings,
    pid: int | None = None,
    cgroup: str | None = None,
    unit: str | None = None,
    seconds: float | None = None,
    mount: Path = CGROUP_MOUNT,
) -> None:
    """Measure until the target ends, SIGTERM or SIGINT comes, or the time is over.

    Args:
        service: Id of the service it works for.
        phase: One of ``semconv.PHASES``.
        settings: What is configured.
        pid: A process, measured with all below it.
        cgroup: A control group: its folder, or its path below the mount.
        unit: Name of a systemd unit; when it restarts, measuring goes on.
        seconds: How long at most; None for no limit.
        mount: Where control groups are mounted.

    Raises:
        UsageError: an illegal argument, a target that does not exist, that is measured already, or that we are part of.
    """
    if not is_slug(service):
        raise UsageError(f"service = {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most)")
    if phase not in PHASES:
        raise UsageError(f"phase = {phase!r}: choose one of {', '.join(PHASES)}")
    _check_time(seconds)
    given = [name for name, value in (("--pid", pid), ("--cgroup", cgroup), ("--unit", unit)) if value is not None]
    if len(given) != 1:
        raise UsageError(f"{' and '.join(given) or 'no target'} given: name one of --pid, --cgroup and --unit")
    baseline = StartReadings()
    target: ProcessTree | ControlGroup
    if pid is not None:
        target = _process(pid)
        limits = hardware.control_group(pid=pid)
    else:
        folder = _group(cgroup, mount) if cgroup is not None else _the_unit(str(unit), mount)
        target = group = _Unit(unit, mount, folder) if unit is not None else ControlGroup(str(folder))
        why_not = _why_measured_above(group)
        if why_not is not None:
            raise UsageError(why_not)
        limits = hardware.control_group(path=_below_its_hierarchy(folder, mount))
    hold = _Hold(_said(target))
    try:
        why_not = hold.take(target)
        if why_not is not None:
            raise UsageError(why_not)
        _measure(target, pid or os.getpid(), Key(service, phase, None, None, None, None), baseline, settings, limits, seconds)
    finally:
        hold.end()


def watch_by_rules(
    file: Path,
    *,
    settings: Settings,
    tell: Callable[[str], None],
    pod_logs: Path = POD_LOGS,
    seconds: float | None = None,
    root: Path = hardware.ROOT,
) -> None:
    """Measure the control groups of this host that a file of rules maps to services, as they come and go.

    Until SIGTERM or SIGINT comes, or the time is over. SIGHUP reads the rules again; so does a change of the file.

    Args:
        file: The rules; see ``ecoia.watching.group_rules``.
        settings: What is configured.
        tell: Says to the person what each rule means here, and what is wrong.
        pod_logs: Where the kubelet keeps the logs of pods, whose folders tell their names.
        seconds: How long at most; None for no limit.
        root: Where ``/proc`` and ``/sys`` are.

    Raises:
        RulesError: the file cannot be used.
        UsageError: an illegal argument, no control groups to see, or rules are watched on this host already.
    """
    _check_time(seconds)
    baseline = StartReadings()
    hold = _Hold("rules of this host")

    def refuse(group: ControlGroup) -> str | None:
        why_not = hold.take(group)
        if why_not is None:
            why_not = _why_measured_above(group)
            if why_not is not None:
                hold.drop(group)
        return why_not

    try:
        services = Services(
            file,
            baseline,
            pod_logs=pod_logs,
            whole_host=settings.scope == "host",
            root=root,
            refuse=refuse,
            let_go=hold.drop,
            tell=tell,
        )
        _measure_services(services, baseline, settings, seconds)
    finally:
        hold.end()


def _check_time(seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds = {seconds:g}: give more than 0, or leave it out to watch until the target ends")
    if engine.disabled:
        raise UsageError("ECOIA_DISABLED is set, so that nothing would be measured: unset it")


def _measure(
    target: ProcessTree | ControlGroup,
    pid: int,
    key: Key,
    baseline: StartReadings,
    settings: Settings,
    limits: hardware.ControlGroup,
    seconds: float | None,
) -> None:
    with _ending() as stop:
        claim = Claim(baseline.process_cpu_ns + Descendants().total_ns)
        measurement = Measurement(target, key, pid=pid, baseline=baseline, claim=claim, settings=settings, group=limits)
        _go_on(measurement.step, stop, seconds, alive=target.alive)
        measurement.close(ended=not target.alive())


def _measure_services(services: Services, baseline: StartReadings, settings: Settings, seconds: float | None) -> None:
    def read_again(number: int, frame: FrameType | None) -> None:
        services.reload = True

    before = signal.signal(signal.SIGHUP, read_again) if hasattr(signal, "SIGHUP") else None
    try:
        with _ending() as stop:
            recorder = recorder_of(
                services,
                services.pids,
                pid=os.getpid(),
                baseline=baseline,
                claim=Claim(baseline.process_cpu_ns + Descendants().total_ns),
                settings=settings,
                group=hardware.ControlGroup(None, None, None),  # meters of the host, whatever our own limits are
            )
            _go_on(recorder.step, stop, seconds)
            recorder.close()
    finally:
        if before is not None:
            signal.signal(signal.SIGHUP, before)


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """Set by SIGTERM and SIGINT."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _go_on(
    step: Callable[[], float], stop: threading.Event, seconds: float | None, alive: Callable[[], bool] = lambda: True
) -> None:
    deadline = None if seconds is None else time.monotonic() + seconds
    while alive():
        left = step()
        if deadline is not None:
            left = min(left, deadline - time.monotonic())
        if left <= 0 or stop.wait(left):
            return


# --- processes -------------------------------------------------------------------------------------------------------------


def _process(pid: int) -> ProcessTree:
    facts = read_process(pid) if pid > 0 else None
    if facts is None or not facts.running:
        raise UsageError(f"pid = {pid}: no such process, or it is hidden from this user: see 'ps -ef', or be root")
    if Path("/proc/self").exists() and Path(f"/proc/{pid}") not in Path("/proc").iterdir():  # found there, but not listed
        raise UsageError(f"pid = {pid}: this is a thread: give the id of its process ('ps -eLf' shows both)")
    us = listed_pid()
    above_us = {above for above, _ in ancestors_of(us)}
    if pid == us or pid in above_us or us in {above for above, _ in ancestors_of(pid)}:
        raise UsageError(f"pid = {pid}: we would watch ourselves: start 'ecoia watch' elsewhere, or use 'ecoia run'")
    notice = notice_of(pid, facts.start)
    if notice is not None and notice.measures(facts):
        raise UsageError(f"pid = {pid}: it measures itself and all below it: there is nothing to add, do not watch it")
    above = measuring_ancestor(pid)
    if above is not None:
        raise UsageError(f"pid = {pid}: process {above} above it measures it already: do not watch it, or watch {above}'s parent")
    return ProcessTree(pid)


# --- control groups --------------------------------------------------------------------------------------------------------


class _Unit(ControlGroup):
    """The control group of a systemd unit; another one each time that the unit starts again."""

    def __init__(self, name: str, mount: Path, folder: Path) -> None:
        self._name = name
        self._mount = mount
        super().__init__(str(folder))

    def alive(self) -> bool:
        """A unit may always start again."""
        return True

    def advance(self) -> int:
        """See ``Family.advance``."""
        more_ns = super().advance()
        if not super().alive():
            found = _unit_folders(self._name, self._mount)
            if found:  # made since the last look, so all that it used counts
                super().__init__(str(found[0]))
                more_ns += self.total_ns
        return more_ns


def _group(path: str, mount: Path) -> Path:
    """The folder of a control group, in a hierarchy that accounts for CPU time."""
    below = path.strip("/")
    folders = [Path(path)] if Path(path).is_absolute() else []
    folders += [hierarchy / below for hierarchy in _hierarchies(mount)]
    there = [folder for folder in folders if folder.is_dir()]
    for folder in there:
        if cpu_usage_ns(str(folder)) is not None:
            return folder.resolve()
    if not [folder for folder in there if (folder / "cgroup.procs").exists()]:
        raise UsageError(f"cgroup = {path!r}: no such control group below '{mount}': /proc/PID/cgroup names that of a process")
    raise UsageError(
        f"cgroup = {path!r}: no CPU time can be read there: give its path in the cpuacct hierarchy, or be a user who may read it"
    )


def _hierarchies(mount: Path) -> list[Path]:
    """Where control groups account for CPU time: version 2 alone; or beside version 1; or version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [mount / name for name in ("unified", "cpu,cpuacct", "cpuacct") if (mount / name).is_dir()]


def _below_its_hierarchy(folder: Path, mount: Path) -> str:
    """Where a group is, as the kernel writes it: the same in each hierarchy."""
    for hierarchy in _hierarchies(mount):
        if folder.is_relative_to(hierarchy.resolve()):
            return f"/{folder.relative_to(hierarchy.resolve())}"
    return str(folder)


def _unit_folders(name: str, mount: Path) -> list[Path]:
    """The control groups of this name: of the system's unit, and of users' units, wherever their slices nest."""
    wanted = name if name.endswith(UNIT_TYPES) else f"{name}.service"
    for hierarchy in _hierarchies(mount):
        found = [
            Path(folder) / wanted
            for folder, below, _ in os.walk(hierarchy)
            if wanted in below and cpu_usage_ns(f"{folder}/{wanted}") is not None
        ]
        if found:
            return sorted(found)
    return []


def _the_unit(name: str, mount: Path) -> Path:
    found = _unit_folders(name, mount)
    if not found:
        raise UsageError(
            f"unit = {name!r}: no such unit runs here (nothing below '{mount}' is named so): 'systemctl status' lists them"
        )
    if len(found) > 1:
        raise UsageError(f"unit = {name!r}: several run: give one as --cgroup: {', '.join(map(str, found))}")
    return found[0].resolve()


def _why_measured_above(group: ControlGroup) -> str | None:
    inside = group.members()
    for pid in group.pids():
        above = measuring_ancestor(pid)
        if above is not None and above not in inside:
            return f"cgroup = '{group.folder}': its process {pid} is measured already, by process {above} above it"
    return None


# --- one watcher a target ----------------------------------------------------------------------------------------------------


class _Hold:
    """What this watcher watches, said where others look: two that watch the same processes would count them twice.

    Args:
        name: Of the watcher; of two with one name, the second is refused.

    Raises:
        UsageError: there is a watcher of this name already.
    """

    def __init__(self, name: str) -> None:
        self._said: list[str] = []
        self._file: Path | None = None
        folder = own_folder(make=True)
        if folder is None or fcntl is None:
            engine.complain(f"no folder for notices, so nobody can tell whether '{name}' is watched twice")
            return
        self._file = Path(folder, f"watched+{hashlib.sha256(name.encode()).hexdigest()[:16]}")
        self._held = self._file.open("a")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._held.close()
            raise UsageError(f"'{name}' is watched already: end that 'ecoia watch' first") from error

    def take(self, target: ProcessTree | ControlGroup) -> str | None:
        """Say that a target is watched here. Returns why it must not be: another watcher has processes of it."""
        said = _said(target)
        self._say([*self._said, said])
        # Said first, then compared: of two that begin together, one at least sees the other.
        for other in self._file.parent.glob("watched+*") if self._file is not None else ():
            if other != self._file and _is_held(other):
                for line in other.read_text(encoding="utf-8").splitlines():
                    if _shares(target, line):
                        self._say([each for each in self._said if each != said])
                        return f"'{said}' shares processes with '{line}', which is watched already: end that 'ecoia watch' first"
        return None

    def drop(self, target: ProcessTree | ControlGroup) -> None:
        """Say that a target is no longer watched here."""
        self._say([each for each in self._said if each != _said(target)])

    def _say(self, said: list[str]) -> None:
        self._said = said
        if self._file is not None:
            self._file.write_text("\n".join(said), encoding="utf-8")

    def end(self) -> None:
        """Let another one watch."""
        if self._file is not None:
            self._held.close()


def _said(target: ProcessTree | ControlGroup) -> str:
    return f"cgroup {target.folder}" if isinstance(target, ControlGroup) else f"pid {target.pid}"


def _shares(target: ProcessTree | ControlGroup, said: str) -> bool:
    """Whether a process can be in both: in trees one of which holds the other, or in groups of which one is in the other."""
    kind, _, name = said.partition(" ")
    if kind == "pid":
        other: ProcessTree | ControlGroup = ProcessTree(int(name))
    else:
        other = ControlGroup(name)
        if isinstance(target, ControlGroup) and _are_nested(Path(target.folder), Path(name)):
            return True
    return bool(target.members() & other.members())


def _are_nested(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _is_held(file: Path) -> bool:
    with file.open("a") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False

"""Processes measured from outside, for one service: everything that they do is one span."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from ecoia import losses
from ecoia import meters as metering
from ecoia.errors import UsageError
from ecoia.instrument.engine import engine
from ecoia.instrument.groups import helpers_of, is_run_id
from ecoia.measuring.host_share import busy_time_at_start
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Link, Look, RecordKey, Subject
from ecoia.measuring.this_process import drain_lost
from ecoia.semconv import PHASES, RUN_PHASES, is_slug
from ecoia.watching.guest_folders import GuestFolders

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.instrument.start import StartReadings
    from ecoia.meters.hardware import ControlGroup
    from ecoia.processes.families import Family
    from ecoia.processes.notices import OwnNotice
    from ecoia.records import Row
    from ecoia.settings import Settings
    from ecoia.watching.server_metrics import ServerMetrics


def check_service(service: str, phase: str) -> None:
    """Check the service and phase of a measurement.

    Args:
        service: Id of the service.
        phase: One of ``semconv.PHASES``.

    Raises:
        UsageError: One of them is illegal.

    Example:
        >>> check_service("vadore", "inference")
    """
    if not is_slug(service):
        raise UsageError(f"service = {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most)")
    if phase not in PHASES:
        raise UsageError(f"phase = {phase!r}: choose one of {', '.join(PHASES)}")


def key_of_helpers(service: str, phase: str, run_id: str | None) -> tuple[RecordKey, tuple[Link, ...]]:
    """Return the key of processes that work for a service, and the link to the MLflow run that they work for, if there is one.

    Args:
        service: Id of the service.
        phase: One of ``semconv.PHASES``.
        run_id: Id of the MLflow run; None for none.

    Raises:
        UsageError: One of them is illegal, or the phase belongs to no run.

    Example:
        >>> key_of_helpers("vadore", "training", "4f0c1d2e")[1]
        (Link(run_id='ecoia-group-cc03bd0b07c00fb3', beside='4f0c1d2e', tracking_uri=None),)
    """
    check_service(service, phase)
    if run_id is None:
        return RecordKey(service, phase), ()
    if not is_run_id(run_id):
        raise UsageError(f"run = {run_id[:80]!r}: give the id of an MLflow run, as run.info.run_id")
    if phase not in RUN_PHASES:
        raise UsageError(f"run = {run_id!r}: inference belongs to the day of its service; choose one of {', '.join(RUN_PHASES)}")
    link = Link(helpers_of(run_id), run_id, None)
    return RecordKey(service, phase, link.run_id), (link,)


class OutsideSubject:
    """A family of processes as a subject.

    Args:
        processes: The family.
        key: Key of their records.
        start: The clocks at which measuring began.
        links: Where the rows of the key are shown.

        page: The metrics page of the server that they are; None for none.

    Attributes:
        run_id: The session that stands for a run in their records.
        ended: Set once the processes have ended, before the last look.
        failed: Set if they ended with a failure.
        measured_itself: Whether one of them recorded its own work.
    """

    def __init__(
        self,
        processes: Family,
        key: RecordKey,
        start: StartReadings,
        links: tuple[Link, ...] = (),
        page: ServerMetrics | None = None,
    ) -> None:
        self._processes = processes
        self._page = page
        self._key = key
        self._links = links
        self._wall_ns = start.wall_ns
        self._own_cpu_ns = start.process_cpu_ns
        self.run_id = key.run_id
        self.ended = False
        self.failed = False
        self.measured_itself = False

    def look(self, wall_ns: int) -> Look:
        """See ``Subject.look``."""
        own_ns = time.process_time_ns()
        delta = Delta(
            cpu_ns=self._processes.advance(),
            in_flight_ns=wall_ns - self._wall_ns,
            spans=int(self.ended),
            ended=int(self.ended),
            last_failed=self.failed,
        )
        activity = None if self._page is None else self._page.activity()
        if activity is not None:  # else nothing is known of it, and it is measured as without a page
            delta.units_micro = activity.tokens_out * 1_000_000
            delta.in_flight_ns = round(delta.in_flight_ns * activity.in_flight)
        look = Look(
            process_cpu_ns=delta.cpu_ns,
            own_cpu_ns=own_ns - self._own_cpu_ns,
            outside_cpu_ns=0,
            coverage=1.0 if activity is None or activity.busy else 0.0,
            deltas={self._key: delta},
            devices_recorded_inside=self._processes.has_measuring_member,
            links=self._links,
            waits=None if self._page is None else self._key,
        )
        self._links = ()
        self._wall_ns, self._own_cpu_ns = wall_ns, own_ns
        self.measured_itself |= look.devices_recorded_inside
        return look

    def lost(self) -> Counter[str]:
        """See ``Subject.lost``."""
        lost = drain_lost(engine.lost)
        if self._page is not None:
            lost.update(self._page.lost())
        if self._processes.refused:
            lost[losses.CLAIM_REFUSED], self._processes.refused = self._processes.refused, 0
        return lost


class OutsideMeasurement:
    """A family of processes and its recorder.

    Args:
        processes: The family.
        key: Key of their records.
        pid: The process that the records name.
        start: The clocks at which measuring began.
        notice: The notice of this process.
        settings: Settings.
        group: Control group of the processes; None for our own.
        links: Where the rows of the key are shown.
        page: The metrics page of the server that they are; None for none.

    Example::

        measurement = OutsideMeasurement(ProcessTree(pid), RecordKey("vadore", "inference"), pid=pid, start=start, ...)
        while running:
            time.sleep(measurement.step())
        measurement.close(ended=True)
    """

    def __init__(
        self,
        processes: Family,
        key: RecordKey,
        *,
        pid: int,
        start: StartReadings,
        notice: OwnNotice,
        settings: Settings,
        group: ControlGroup | None = None,
        links: tuple[Link, ...] = (),
        page: ServerMetrics | None = None,
    ) -> None:
        self._subject = OutsideSubject(processes, key, start, links, page)
        self._recorder = make_recorder(
            self._subject, processes.pids, pid=pid, start=start, notice=notice, settings=settings, group=group
        )

    def step(self) -> float:
        """See ``Recorder.step``."""
        return self._recorder.step()

    @property
    def rows(self) -> list[Row]:
        """What was recorded of the processes' work, as far as they did not record it themselves."""
        return self._recorder.recent.of_runs({self._subject.run_id}, 0) or []

    @property
    def has_measuring_member(self) -> bool:
        """Whether one of the processes measures itself, or did."""
        return self._subject.measured_itself

    def close(self, *, ended: bool, failed: bool = False) -> None:
        """Take the last reading and write the last window.

        Args:
            ended: Whether the processes have ended.
            failed: Whether they ended with a failure.
        """
        self._subject.ended = ended
        self._subject.failed = failed
        self._recorder.close()


def make_recorder(
    subject: Subject,
    pids: Callable[[], Collection[int]],
    *,
    pid: int,
    start: StartReadings,
    notice: OwnNotice,
    settings: Settings,
    group: ControlGroup | None = None,
    guests: Path | None = None,
) -> Recorder:
    """Make the recorder of a subject that is measured from outside, with the best meters of this machine.

    Args:
        subject: The measured subject.
        pids: Returns the ids of its processes, now.
        pid: The process that the records name.
        start: The clocks and counters at which measuring began.
        notice: The notice of this process.
        settings: Settings.
        group: Control group of the subject; None for our own.
        guests: Folder in which virtual machines get their energy; None: it is recorded.
    """
    meters = metering.detect(settings, start.counters, pids=pids, group=group)
    return Recorder(
        settings,
        subject,
        meters,
        pid=pid,
        start=(start.utc_ns, start.wall_ns, busy_time_at_start(start)),
        complain=engine.complain,
        notice=notice,
        group=group,
        guests=None if guests is None else GuestFolders(guests, meters, settings.instance, engine.complain),
    )

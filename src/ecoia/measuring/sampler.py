"""The body of ecoia's background thread: find the meters, then read and write until stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ecoia import losses
from ecoia import meters as metering
from ecoia import settings as configuration
from ecoia.instrument.groups import group_problem
from ecoia.light import TYPE_CHECKING, Protocol
from ecoia.measuring.host_share import busy_time_at_start, busy_time_now
from ecoia.measuring.recent_energy import RecentEnergy
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.this_process import SpanSource, ThisProcess
from ecoia.measuring.window import Window
from ecoia.measuring.window_records import RecordBuilder, Reservation
from ecoia.measuring.write_and_retry import RecordWriter
from ecoia.meters import Meter, hardware
from ecoia.semconv import COMPONENTS, KIND_OVERHEAD

if TYPE_CHECKING:
    from threading import Event

    from ecoia.instrument.background import Bell
    from ecoia.instrument.start import StartReadings
    from ecoia.meters.hardware import ControlGroup
    from ecoia.processes.families import Descendants
    from ecoia.processes.notices import OwnNotice


class MeasuredProgram(SpanSource, Protocol):
    """The part of the process's engine (``ecoia.instrument.engine.Engine``) that the sampler needs."""

    def follow(self) -> None:
        """Follow work that libraries hand on to other threads, as far as they are imported by now."""

    def complain(self, message: str) -> None:
        """Log once, in the host's log, what is wrong."""


class ThreadHandle(Protocol):
    """The part of the handle on its thread (``ecoia.instrument.background.Background``) that the sampler needs.

    ``close_requested`` counts the windows that the program asked to close, ``close_done`` those that were closed. ``run_ended``
    and ``root_ended`` say that a run, a root run of the user ended since the last window.
    """

    pid: int
    start_readings: StartReadings
    descendants: Descendants
    notice: OwnNotice
    bell: Bell
    closed: Event
    stopping: bool
    close_requested: int
    close_done: int
    written: bool
    run_ended: bool
    root_ended: bool
    exit_seconds: float

    @property
    def parked(self) -> bool:
        """Whether a fork is under way, so that the thread must end."""


class Sampler:
    """Reads the process and its meters, and writes records. Survives the end of its thread at a fork.

    Args:
        program: The process's engine.
        handle: The handle on the thread.

    Attributes:
        recent: The energy of spans that is recorded by now.
    """

    def __init__(self, program: MeasuredProgram, handle: ThreadHandle) -> None:
        settings = configuration.load()
        handle.exit_seconds = settings.exit_seconds
        start = handle.start_readings
        self._program = program
        self._handle = handle
        self._settings = settings
        self._since = (start.utc_ns, start.wall_ns, busy_time_at_start(start))
        self._early_counters: dict[str, int] | None = start.counters
        self._subject = ThisProcess(program, start, f"ecoia-{os.urandom(8).hex()}", settings, handle.descendants)
        problem = group_problem()
        if problem is not None:
            program.complain(problem)
        self._writer = RecordWriter(settings, program.complain, handle.notice)
        self._recorder: Recorder | None = None
        self.recent = RecentEnergy()
        self._keep_first_word()

    def _keep_first_word(self) -> None:
        """Have it counted if the process dies before its first reading."""
        utc_ns, wall_ns, _ = self._since
        window = Window(utc_ns, wall_ns, 0)
        window.add_energy(KIND_OVERHEAD, None, dict.fromkeys(COMPONENTS))
        builder = RecordBuilder(self._settings, [], pid=self._handle.pid, context={})
        self._writer.keep(builder.build_open(window, window.bounds(time.time_ns()), Reservation(0.0, False)))

    def find_meters(self) -> None:
        """Find the meters. Without any, spans, units and CPU time are recorded."""
        self._subject.begin_thread()
        try:
            group = hardware.control_group()
            pids = self._handle.descendants.pids
            self._recorder = self._make_recorder(
                metering.detect(self._settings, self._early_counters, pids=pids, group=group), group
            )
        except Exception as error:  # noqa: BLE001 - a system without /proc, or with an odd one
            self._program.complain(f"no meter can be used, energy is missing: {type(error).__name__}: {error}")
            self._recorder = self._make_recorder([])
            self._recorder.window.lost[losses.METERS_FAILED] += 1
        self._handle.start_readings.close_nvml()

    def _make_recorder(self, meters: Sequence[Meter], group: ControlGroup | None = None) -> Recorder:
        return Recorder(
            self._settings,
            self._subject,
            meters,
            pid=self._handle.pid,
            start=self._since,
            complain=self._program.complain,
            group=group,
            writer=self._writer,
            recent=self.recent,
        )

    def record_in_this_thread(self, cause: str | None, *, last: bool) -> bool:
        """See ``instrument.background.Sampling``."""
        recorder = self._recorder
        if cause is not None or recorder is None:
            if recorder is not None:
                self._recorder = None
                window = recorder.window
                self._since = (window.start_utc_ns, window.start_wall_ns, busy_time_now())
                recorder.close_window(last=True)  # what was read until now
            recorder = self._make_recorder([])
            recorder.window.lost[cause or losses.NO_SAMPLER] += 1
            self._since = (time.time_ns(), time.perf_counter_ns(), busy_time_now())
            self._early_counters = None  # they would count the time that was just recorded
        if last:
            return recorder.close()
        recorder.read()
        return recorder.close_window()

    def run(self) -> None:
        """Measure until the process ends or a fork begins."""
        handle, recorder = self._handle, self._recorder
        if recorder is None:
            return
        self._subject.begin_thread()
        while not (handle.stopping or handle.parked):
            self._program.follow()
            wanted, root_ended, window = handle.close_requested, handle.root_ended, recorder.window
            closing = wanted > handle.close_done
            if root_ended:  # cleared before the reading: what ends after it is for the next window
                handle.root_ended = False
            run_ended = handle.run_ended
            if run_ended:
                handle.run_ended = False
            wait_seconds = recorder.step(close=closing or root_ended)
            if closing:
                handle.written = recorder.written
                handle.close_done = wanted
                handle.closed.set()
            if run_ended and recorder.window is window:
                handle.run_ended = True  # the window goes on
            elif run_ended:
                self._writer.tell_run_ended()
            handle.bell.wait(wait_seconds)
        if handle.stopping:
            wanted = handle.close_requested
            handle.written = recorder.close()
            handle.close_done = wanted
            recorder.await_delivery()

    @property
    def journal_file(self) -> tuple[str, str] | None:
        """See ``Recorder.journal_file``."""
        return self._writer.journal_file

    @property
    def joules_per_cpu_second(self) -> float | None:
        """See ``Recorder.joules_per_cpu_second``."""
        return None if self._recorder is None else self._recorder.joules_per_cpu_second

    def let_go(self) -> None:
        """See ``Recorder.let_go``; called in a forked child."""
        if self._recorder is not None:
            self._recorder.let_go()
        self._writer.let_go()

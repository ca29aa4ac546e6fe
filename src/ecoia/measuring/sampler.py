"""The body of ecoia's background thread: find the meters, then read and write until stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from ecoia import meters as metering
from ecoia import settings as configuration
from ecoia.measuring.host_share import busy_time_at_start
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.this_process import SpanSource, ThisProcess
from ecoia.meters import hardware

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from ecoia.instrument.background import Bell
    from ecoia.instrument.start import StartReadings
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

    ``close_requested`` counts the windows that the program asked to close, ``close_done`` those that were closed.
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
    exit_seconds: float

    @property
    def parked(self) -> bool:
        """Whether a fork is under way, so that the thread must end."""


class Sampler:
    """Reads the process and its meters, and writes records. Survives the end of its thread at a fork.

    Args:
        program: The process's engine.
        handle: The handle on the thread.
    """

    def __init__(self, program: MeasuredProgram, handle: ThreadHandle) -> None:
        settings = configuration.load()
        handle.exit_seconds = settings.exit_seconds
        start = handle.start_readings
        self._program = program
        self._handle = handle
        self._subject = ThisProcess(program, start, f"ecoia-{os.urandom(8).hex()}", settings, handle.descendants)
        group = hardware.control_group()
        self._recorder = Recorder(
            settings,
            self._subject,
            metering.detect(settings, start.counters, pids=handle.descendants.pids, group=group),
            pid=handle.pid,
            start=(start.utc_ns, start.wall_ns, busy_time_at_start(start)),
            complain=program.complain,
            notice=handle.notice,
            group=group,
        )
        start.close_nvml()

    def run(self) -> None:
        """Measure until the process ends or a fork begins."""
        handle, recorder = self._handle, self._recorder
        self._subject.begin_thread()
        while not (handle.stopping or handle.parked):
            self._program.follow()
            wanted = handle.close_requested
            closing = wanted > handle.close_done
            wait_seconds = recorder.step(close=closing)
            if closing:
                handle.written = recorder.written
                handle.close_done = wanted
                handle.closed.set()
            handle.bell.wait(wait_seconds)
        if handle.stopping:
            wanted = handle.close_requested
            handle.written = recorder.close()
            handle.close_done = wanted
            recorder.await_delivery()

    @property
    def journal_file(self) -> tuple[Path, str] | None:
        """See ``Recorder.journal_file``."""
        return self._recorder.journal_file

    @property
    def joules_per_cpu_second(self) -> float | None:
        """See ``Recorder.joules_per_cpu_second``."""
        return self._recorder.joules_per_cpu_second

    def let_go(self) -> None:
        """See ``Recorder.let_go``; called in a forked child."""
        self._recorder.let_go()

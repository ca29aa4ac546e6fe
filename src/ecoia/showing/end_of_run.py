"""One line with the figures of a root run, where it ends.

It is logged as INFO of the logger ``ecoia``. Where the program's logging shows it nowhere, it is written to stderr if that is a
terminal, and in a notebook to the cell. Standard output of a script stays as it is. Nobody to read it: nothing is computed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from ecoia.instrument.groups import outside_run
from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from ecoia.instrument.mlflow_run import EndedRun
    from ecoia.records import Row
    from ecoia.settings import Settings

_LEAST_NS = 1_000_000_000
"""A shorter run gets no line."""

_LOG = logging.getLogger("ecoia")


def show(ended: EndedRun) -> None:
    """Say what a run used, in one line, if anybody reads it.

    Silent for runs under a second, for ranks other than the first, with the setting ``quiet``, and while pytest runs a test.

    Args:
        ended: The run.
    """
    say = reader()
    if say is None or ended.end_utc_ns - ended.start_utc_ns < _LEAST_NS or _is_other_rank():
        return
    if under_pytest():
        return
    from ecoia import settings as configuration  # somebody reads the line: only now is anything loaded for it

    if configuration.load().quiet:
        return
    from ecoia.showing import summing_up

    summary = summing_up.sum_up_run(ended, with_catalogue=False, wait_seconds=summing_up.LINE_SECONDS)
    if summary is not None:
        say(str(summary))


def show_command(rows: Sequence[Row], seconds: float, settings: Settings, *, measured_itself: bool) -> None:
    """Say what a command used, in one line on stderr, if that is a terminal.

    Silent for commands under a second, and with the setting ``quiet``.

    Args:
        rows: What was recorded of it.
        seconds: How long it took.
        settings: ``quiet``, and what CO2e depends on.
        measured_itself: Whether the command recorded work of its own, which is not in the rows.
    """
    if not rows or seconds < 1 or settings.quiet or not _is_terminal():
        return
    from ecoia.readable.run_line import run_line
    from ecoia.showing.summing_up import figures_of_rows

    line = run_line(figures_of_rows(rows, settings, seconds, with_catalogue=False))
    _write_err(f"{line}, without the runs that it measured itself" if measured_itself else line)


def reader() -> Callable[[str], None] | None:
    """Return what brings a line to a person here; None where nobody would see it."""
    if _LOG.isEnabledFor(logging.INFO) and _LOG.hasHandlers():
        return _LOG.info
    if in_notebook():
        return _write_out
    return _write_err if _is_terminal() else None


def under_pytest() -> bool:
    """Return whether a test runs this program."""
    return "PYTEST_CURRENT_TEST" in os.environ


def in_notebook() -> bool:
    """Return whether a notebook runs this program."""
    ipython = sys.modules.get("IPython")
    try:
        shell = None if ipython is None else ipython.get_ipython()
    except Exception:  # noqa: BLE001 - half imported
        return False
    return getattr(shell, "kernel", None) is not None


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def _write_out(line: str) -> None:
    with suppress(OSError, ValueError):
        print(line)


def _write_err(line: str) -> None:
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr)


def _is_other_rank() -> bool:
    member = outside_run()
    rank = "" if member is None else member.rpartition("-")[2]
    return rank.isdecimal() and int(rank) > 0

"""``ecoia deliver``: send pending records to MLflow."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from ecoia.cli.common import FAILED, Home, counted_records, existing_journal, journal_settings, open_journal, say
from ecoia.errors import UsageError


def deliver(
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep running until every measured process has ended (the background helper).")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read back every day that was delivered, not only those never read back.")
    ] = False,
    accept_day: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-day",
            metavar="DAY",
            help="Send a day whose date was doubted (far ahead of the clock, or older than 'retention_days'). Repeatable.",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Send pending records to MLflow.

    Sending twice changes nothing. A delivered day that was altered or is gone is written again from the journal. Records that
    cannot be sent stay in the journal, and the exit code is 1. A server is given the time of the setting 'delivery_seconds'.

    [dim]$ MLFLOW_TRACKING_URI=https://mlflow.example.org ecoia deliver[/dim]
    """
    from ecoia.delivery.doubtful_days import DoubtfulDays
    from ecoia.delivery.helper_loop import follow as serve_as_helper
    from ecoia.delivery.timed_delivery import deliver_in_time

    settings = journal_settings(home)
    if follow:
        if not serve_as_helper(open_journal(settings), settings):
            say(f"another helper serves '{settings.home}' already")
        return
    if existing_journal(settings) is None:
        return
    if accept_day:
        DoubtfulDays(Path(settings.home), settings.retention_days).accept(_days(accept_day))
    result = deliver_in_time(settings, by_hand=True, verify=verify)
    where = f" to {', '.join(result.targets)}" if result.targets else ""
    typer.echo(f"{counted_records(result.delivered)} delivered{where}, {result.pending} pending")
    for message in (*result.conflicts, *result.problems):
        say(message)
    if result.pending or result.conflicts or result.store_failed or result.unread_files:
        raise typer.Exit(FAILED)


def _days(given: list[str]) -> list[str]:
    """Check that each is a day.

    Raises:
        UsageError: one is not.
    """
    for day in given:
        try:
            well_written = date.fromisoformat(day).isoformat() == day
        except ValueError:
            well_written = False
        if not well_written:
            raise UsageError(f"--accept-day {day}: write the UTC day as 2026-11-30")
    return given

"""``ecoia compact``: give back the room that old days take, in the journal and in the ledger."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import FAILED, Home, existing_journal, journal_settings, number, say

if TYPE_CHECKING:
    from ecoia.keeping.journal import Journal
    from ecoia.settings import Settings

_ALL_BYTES = 1 << 62


def compact(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done to the journal.")] = False,
    home: Home = None,
) -> None:
    """Pack old days of the journal, remove the oldest, and put closed months of the ledger together.

    Deliveries pack and remove by themselves. Removed is only what is older than the setting 'retention_days' and delivered whole:
    the ledger holds it. In the ledger, the days of this home become one run a month, seven days after its end. No figure of a
    report from the ledger changes.

    [dim]$ ecoia compact --dry-run[/dim]
    """
    settings = journal_settings(home)
    found = existing_journal(settings)
    if found is None:
        return
    if dry_run:
        _say_what_would_be_done(found, settings)
        return
    _compact_journal(found, settings)
    _compact_ledgers(found, settings)


def _say_what_would_be_done(journal: Journal, settings: Settings) -> None:
    from ecoia.delivery.retention import outlived
    from ecoia.keeping.packing import closed_files

    packed, removed = len(list(closed_files(journal.folder))), len(list(outlived(journal, settings.retention_days)))
    megabytes = number(journal.size_bytes() / 1e6)
    typer.echo(f"{_counted(packed, 'file')} to be packed, {_counted(removed, 'file')} to be removed; {megabytes} MB now")


def _compact_journal(journal: Journal, settings: Settings) -> None:
    from ecoia.delivery.retention import remove_outlived
    from ecoia.delivery.sender import delivery_lock
    from ecoia.keeping.packing import pack_closed

    before = journal.size_bytes()
    packed = pack_closed(journal.folder, max_bytes=_ALL_BYTES)
    with delivery_lock(journal.home):
        removed = remove_outlived(journal, settings.retention_days)
    sizes = f"{number(before / 1e6)} MB, now {number(journal.size_bytes() / 1e6)} MB"
    typer.echo(f"{_counted(packed, 'file')} packed, {_counted(removed, 'file')} removed: {sizes}")


def _compact_ledgers(journal: Journal, settings: Settings) -> None:
    from ecoia.keeping.destinations import is_readable, public_uri, read_targets

    for uri in sorted(filter(is_readable, set(read_targets(journal.home).values()))):
        from ecoia.delivery.ledger_months import compact_months
        from ecoia.delivery.mlflow_store import MlflowStore
        from ecoia.delivery.timed_reading import reading_in_time

        with reading_in_time(public_uri(uri), settings.delivery_seconds, _give_up):
            done = compact_months(MlflowStore(uri), journal.home, journal.home_id, by_sql=settings.ledger_sql)
        typer.echo(f"{uri}: {_counted(done.runs, 'ledger run')} put together into {_counted(done.months, 'month')}")
        for problem in done.problems:
            say(problem)
        if done.problems:
            raise typer.Exit(FAILED)


def _give_up(why: str) -> None:
    """End the program: a thread that waits for a server cannot be ended alone. The next call finishes the month."""
    say(why)
    os._exit(FAILED)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

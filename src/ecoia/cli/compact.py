"""``ecoia compact``: give back the room that old days of the journal take."""

from __future__ import annotations

from typing import Annotated

import typer

from ecoia.cli.common import Home, existing_journal, journal_settings, number


def compact(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    home: Home = None,
) -> None:
    """Pack old days of the journal, and remove the oldest.

    Deliveries do the same by themselves. Removed is only what is older than the setting 'retention_days' and delivered whole: the
    ledger holds it. No figure of a report from the ledger changes.

    [dim]$ ecoia compact --dry-run[/dim]
    """
    from ecoia.delivery.retention import outlived, remove_outlived
    from ecoia.delivery.sender import delivery_lock
    from ecoia.keeping.packing import closed_files, pack_closed

    settings = journal_settings(home)
    found = existing_journal(settings)
    if found is None:
        return
    before = found.size_bytes()
    if dry_run:
        packed, removed = len(list(closed_files(found.folder))), len(list(outlived(found, settings.retention_days)))
        typer.echo(f"{_files(packed)} to be packed, {_files(removed)} to be removed; {number(before / 1e6)} MB now")
        return
    packed = pack_closed(found.folder, max_bytes=_ALL_BYTES)
    with delivery_lock(found.home):
        removed = remove_outlived(found, settings.retention_days)
    after = found.size_bytes()
    typer.echo(f"{_files(packed)} packed, {_files(removed)} removed: {number(before / 1e6)} MB, now {number(after / 1e6)} MB")


_ALL_BYTES = 1 << 62


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"

"""``ecoia declare``: enter activity that cannot be instrumented."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecoia.cli.common import Home, load_settings, open_journal, tell_lines_not_read
from ecoia.keeping.journal import Scan


def declare(
    activity: Annotated[Path, typer.Argument(metavar="ACTIVITY.csv", help="One activity a line; docs/cli.md lists the columns.")],
    home: Home = None,
) -> None:
    """Enter activity that cannot be instrumented, from a CSV file.

    A line gives kWh, or vCPU- and GPU-hours with their power. Entering a file again changes nothing. A mistake refuses the whole
    file.

    [dim]$ ecoia declare provider-2026Q4.csv[/dim]
    """
    from ecoia.keeping.declared import read_activity

    settings = load_settings(home)
    records = read_activity(activity, settings)
    target = open_journal(settings)
    counts = Scan()
    known = {entry.figures.record_id for entry in target.stream(counts)}
    new = [record for record in records if record.record_id not in known]
    writer = target.writer()
    try:
        writer.append(new)
    finally:
        writer.close()
    tell_lines_not_read(counts)
    typer.echo(f"{len(new)} new, {len(records) - len(new)} already known: '{activity}' is in the journal '{target.home}'")

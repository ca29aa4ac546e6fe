"""``ecoia journal``: list the records of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import FAILED, Home, existing_journal, journal_settings, number, say, tell_lines_not_read
from ecoia.cli.refused_lines import refusals_as_json, refusals_as_text
from ecoia.errors import JournalError
from ecoia.keeping.adoption import adopt
from ecoia.keeping.journal import Entry, Journal, Scan
from ecoia.periods import utc_datetime
from ecoia.semconv import COMPONENTS, KIND_SPAN, MISSING, SERVICE_UNASSIGNED, UNASSIGNED_REMEDY
from ecoia.units import kwh

if TYPE_CHECKING:
    from ecoia.records import Record

_LINE = "{:<19}  {:>8}  {:<12}  {:<20}  {:<16}  {:>12}  {:>10}  {:<9}  {}"


def journal(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line: every field of the record.")] = False,
    home: Home = None,
) -> None:
    """List the records of this machine, each once.

    Lines that cannot be read are counted on stderr. If a file or day cannot be read, it is named and the exit code is 1.

    [dim]$ ecoia journal --json | jq .energy_microjoules[/dim]
    """
    from ecoia.delivery.refused_days import RefusedDays

    settings = journal_settings(home)
    found = existing_journal(settings)
    if found is None:
        return
    try:
        adopt(found)
    except JournalError as error:
        say(f"not shown: a window of a process that ended suddenly: {error}")
    counts = Scan()
    zone = ZoneInfo(settings.timezone)
    if not as_json:
        typer.echo(_LINE.format("START", "SECONDS", "KIND", "SERVICE", "PHASE", "ENERGY Wh", "UNITS", "DELIVERED", "METHOD"))
    refused = RefusedDays(found.home)
    unassigned = 0
    unread: dict[str, str] = {}
    for entry, delivered in _entries(found, counts, unread):
        unassigned += entry.record.service == SERVICE_UNASSIGNED and entry.record.kind == KIND_SPAN
        is_refused = not delivered and refused.of(entry.record)
        if as_json:
            whole = {**entry.record.to_dict(), "delivered": delivered, **({"refused": True} if is_refused else {})}
            line = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
            typer.echo(line.encode("utf-8", "backslashreplace"))  # JSON is UTF-8 on every terminal
        else:
            typer.echo(_line(entry.record, "refused" if is_refused else "yes" if delivered else "no", zone))
    tell_lines_not_read(counts)
    for message in refused.messages():
        say(message)
    if unassigned:
        say(f"{unassigned} record{'s' if unassigned > 1 else ''} of service '{SERVICE_UNASSIGNED}': {UNASSIGNED_REMEDY}")
    if as_json:
        for line in refusals_as_json(counts):
            typer.echo(line, err=True)
    else:
        for line in refusals_as_text(counts, found.folder):
            say(line)
    for message in unread.values():
        say(message)
    if unread:
        raise typer.Exit(FAILED)


def _entries(found: Journal, counts: Scan, unread: dict[str, str]) -> Iterator[tuple[Entry, bool]]:
    """Give each record once, with whether it was delivered."""
    from ecoia.delivery.cursors import is_delivered, read_cursors

    cursors = read_cursors(found)
    seen: set[str] = set()
    duplicates = 0
    for entry in found.stream(counts, unread=unread):
        if entry.record.record_id in seen:
            duplicates += 1
            continue
        seen.add(entry.record.record_id)
        yield entry, is_delivered(entry, cursors)
    if duplicates:
        say(f"{duplicates} duplicate{'s' if duplicates > 1 else ''} left out")


def _line(record: Record, delivered: str, zone: ZoneInfo) -> str:
    known = [energy for component in COMPONENTS if (energy := record.energy_microjoules[component]) is not None]
    methods = [f"{c} {m.status} {m.name}" for c in COMPONENTS if (m := record.method[c]).status != MISSING]
    return _LINE.format(
        utc_datetime(record.start_utc_ns).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        f"{(record.end_utc_ns - record.start_utc_ns) / 1e9:.1f}",
        record.kind if record.outcome is None else record.outcome,
        record.service or "–",
        record.phase or "–",
        number(kwh(sum(known)) * 1000) if known else "–",
        number(None if record.units_micro is None else record.units_micro / 1e6),
        delivered,
        ", ".join(methods) or ("–" if record.outcome or record.beside else "not measured"),
    ).rstrip()

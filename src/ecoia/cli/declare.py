"""``ecoia declare``: enter activity that cannot be instrumented."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import Home, load_settings, number, open_journal, say, tell_lines_not_read
from ecoia.errors import UsageError
from ecoia.keeping.journal import Scan
from ecoia.periods import utc_day

if TYPE_CHECKING:
    from ecoia.keeping.declared_life import Changes, Reason
    from ecoia.records import Record

_MOST_OVERLAPS_TOLD = 10


def declare(
    activity: Annotated[
        Path, typer.Argument(metavar="ACTIVITY.csv", help="One activity a line (CSV or XLSX); docs/cli.md lists the columns.")
    ],
    correct: Annotated[bool, typer.Option("--correct", help="Lines that say otherwise than before take their place.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="The lines of this file count no more.")] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="ROLE", help="Who corrects or withdraws: a role, never a name.")
    ] = None,
    because: Annotated[str | None, typer.Option("--because", metavar="WHY", help="Why; it is printed with the source.")] = None,
    home: Home = None,
) -> None:
    """Enter activity that cannot be instrumented, from a table.

    A line gives kWh, or vCPU- and GPU-hours with their power. Entering a file again changes nothing. A line that says otherwise
    than before is refused unless --correct is given. A mistake refuses the whole file.

    [dim]$ ecoia declare provider-2026Q4.csv[/dim]
    """
    from ecoia.keeping import declared_life
    from ecoia.keeping.declared import read_activity

    reason = _reason(correct, withdraw, by, because)
    settings = load_settings(home)
    records = read_activity(activity, settings)
    target = open_journal(settings)
    counts = Scan()
    stands = declared_life.standing(entry.record for entry in target.stream(counts))
    found = declared_life.changes(records, stands)
    written = _to_write(found, reason, activity, stands, withdraw=withdraw)
    writer = target.writer()
    try:
        writer.append(written)
    finally:
        writer.close()
    tell_lines_not_read(counts)
    corrected = f"{len(found.changed)} corrected, " if correct else ""
    done = f"{len(written)} withdrawn" if withdraw else f"{len(found.new)} new, {corrected}{len(found.known)} already known"
    typer.echo(f"{done}: '{activity}' is in the journal '{target.home}'")
    if not withdraw:
        replaced = {record.replaces for record in written}
        _tell_overlaps(declared_life.overlaps(written, (each for each in stands if each.record_id not in replaced)))


def _reason(correct: bool, withdraw: bool, by: str | None, because: str | None) -> Reason | None:
    """Return who changes lines and why; None where lines are only added.

    Raises:
        UsageError: the options do not go together.
    """
    from pydantic import TypeAdapter, ValidationError

    from ecoia.catalogue.fields import Role, Text
    from ecoia.keeping.declared_life import Reason

    if correct and withdraw:
        raise UsageError("--correct and --withdraw: give one of them")
    if not correct and not withdraw:
        if by is not None or because is not None:
            raise UsageError("--by and --because: they go with --correct or --withdraw")
        return None
    given = {"--by": (by, Role, "a role, e.g. 'responsable GreenOps'"), "--because": (because, Text, "a reason, e.g. 'avoir'")}
    said = []
    for option, (value, kind, example) in given.items():
        try:
            said.append(TypeAdapter(kind).validate_python(value))
        except ValidationError as error:
            raise UsageError(f"{option} {value!r}: give {example} ({error.errors()[0]['msg']})") from None
    return Reason(*said)


def _to_write(found: Changes, reason: Reason | None, activity: Path, stands: list[Record], *, withdraw: bool) -> list[Record]:
    """Return the records to write.

    Raises:
        UsageError: a line says otherwise than before and is not to correct it, or is to be withdrawn and does not stand.
    """
    from ecoia.keeping.declared_life import as_mapping, corrected, key_of, withdrawn

    if withdraw and reason is not None:
        if found.new or found.changed:
            lines = [_named(each) for each in (*found.new, *(record for _, record in found.changed))]
            raise UsageError(f"nothing was withdrawn: these lines of '{activity}' do not stand as they are: {'; '.join(lines)}")
        by_key = as_mapping(stands)
        return [withdrawn(by_key[key_of(record)], reason) for record in found.known]
    if reason is not None:
        return [*found.new, *(corrected(before, record, reason) for before, record in found.changed)]
    if found.changed:
        told = [f"{_named(record)}, declared before as {_energy(before)}" for before, record in found.changed]
        raise UsageError(
            f"nothing was taken from '{activity}', as it says otherwise than before: {'; '.join(told)}. To replace what stands: "
            f"'ecoia declare {activity} --correct --by ROLE --because WHY'"
        )
    return found.new


def _named(record: Record) -> str:
    days = f"{utc_day(record.start_utc_ns)} to {utc_day(record.end_utc_ns - 1)}"
    return f"{record.service} {record.phase}, {days}, {record.declared_source!r}: {_energy(record)}"


def _energy(record: Record) -> str:
    from ecoia.keeping.declared_life import kwh_of

    energy = kwh_of(record)
    return "no energy" if energy is None else f"{number(energy)} kWh"


def _tell_overlaps(found: Iterable[tuple[Record, Record]]) -> None:
    pairs = [*found]
    for other, record in pairs[:_MOST_OVERLAPS_TOLD]:
        say(f"{_named(record)} overlaps {_named(other)}: both count; if they are the same energy, withdraw one ('--withdraw')")
    if len(pairs) > _MOST_OVERLAPS_TOLD:
        say(f"and {len(pairs) - _MOST_OVERLAPS_TOLD} more overlaps")

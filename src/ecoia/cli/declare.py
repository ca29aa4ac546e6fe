"""``ecoia declare``: enter activity that cannot be instrumented."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import Home, append, changing_by_hand, load_settings, number, open_journal, say, tell_lines_not_read
from ecoia.errors import UsageError
from ecoia.keeping.journal import Scan
from ecoia.periods import utc_day
from ecoia.units import kwh

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
    with changing_by_hand(target):
        stands = declared_life.standing(entry.record for entry in target.stream(counts))
        found = declared_life.changes(records, stands)
        if withdraw and reason is not None:
            written = _withdrawals(found, reason, activity)
        elif reason is not None:
            written = [*found.new, *declared_life.corrections(found, reason)]
        else:
            written = _additions(found, activity)
        append(target, written)
    tell_lines_not_read(counts)
    corrected = f"{len(written) - len(found.new)} corrected, " if correct else ""
    done = f"{len(written)} withdrawn" if withdraw else f"{len(found.new)} new, {corrected}{len(found.known)} already known"
    typer.echo(f"{done}: '{activity}' is in the journal '{target.home}'")
    if not withdraw:
        replaced = {record.replaces for record in written}
        counting = [each for each in written if not declared_life.is_withdrawn(each)]
        _tell_overlaps(declared_life.overlaps(counting, (each for each in stands if each.record_id not in replaced)))


def _reason(correct: bool, withdraw: bool, by: str | None, because: str | None) -> Reason | None:
    """Return who changes lines and why; None where lines are only added.

    Raises:
        UsageError: the options do not go together.
    """
    if correct and withdraw:
        raise UsageError("--correct and --withdraw: give one of them")
    if not correct and not withdraw:
        if by is not None or because is not None:
            raise UsageError("--by and --because: they go with --correct or --withdraw")
        return None
    from pydantic import TypeAdapter, ValidationError

    from ecoia.catalogue.fields import Role, Text
    from ecoia.keeping.declared_life import Reason

    given = {"--by": (by, Role, "a role, e.g. 'responsable GreenOps'"), "--because": (because, Text, "a reason, e.g. 'avoir'")}
    said = []
    for option, (value, kind, example) in given.items():
        try:
            said.append(TypeAdapter(kind).validate_python(value))
        except ValidationError as error:
            raise UsageError(f"{option} {value!r}: give {example} ({error.errors()[0]['msg']})") from None
    return Reason(*said)


def _withdrawals(found: Changes, reason: Reason, activity: Path) -> list[Record]:
    """Return the records that withdraw the lines of a file.

    Raises:
        UsageError: a line does not stand.
    """
    from ecoia.keeping.declared_life import withdrawn

    if found.new or found.changed:
        lines = "; ".join(_named(each) for each in (*found.new, *found.changed))
        raise UsageError(f"nothing was withdrawn: these lines of '{activity}' do not stand as they are: {lines}")
    return [withdrawn(before, reason) for before, _ in found.known]


def _additions(found: Changes, activity: Path) -> list[Record]:
    """Return the new lines of a file.

    Raises:
        UsageError: a line says otherwise than before.
    """
    from ecoia.keeping.declared_life import key_of

    if found.changed:
        before = {key_of(each): [] for each in found.changed}  # type: dict[object, list[str]]
        for each in found.left:
            before.get(key_of(each), []).append(_energy(each))
        told = "; ".join(f"{_named(each)}, declared before as {' and '.join(before[key_of(each)])}" for each in found.changed)
        raise UsageError(
            f"nothing was taken from '{activity}', as it says otherwise than before: {told}. To replace what stands: "
            f"'ecoia declare {activity} --correct --by ROLE --because WHY'"
        )
    return found.new


def _named(record: Record) -> str:
    days = f"{utc_day(record.start_utc_ns)} to {utc_day(record.end_utc_ns - 1)}"
    return f"{record.service} {record.phase}, {days}, {record.declared_source!r}: {_energy(record)}"


def _energy(record: Record) -> str:
    known = [energy for energy in record.energy_microjoules.values() if energy is not None]
    return f"{number(kwh(sum(known)))} kWh" if known else "no energy"


def _tell_overlaps(found: Iterable[tuple[Record, Record]]) -> None:
    pairs = [*found]
    for other, record in pairs[:_MOST_OVERLAPS_TOLD]:
        say(f"{_named(record)} overlaps {_named(other)}: both count; if they are the same energy, withdraw one ('--withdraw')")
    if len(pairs) > _MOST_OVERLAPS_TOLD:
        say(f"and {len(pairs) - _MOST_OVERLAPS_TOLD} more overlaps")

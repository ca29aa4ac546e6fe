"""``ecoia import``: take in a history that another tool recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ecoia.cli.common import Home, append, changing_by_hand, load_settings, open_journal, say, tell_lines_not_read
from ecoia.errors import UsageError
from ecoia.keeping.journal import Scan
from ecoia.semconv import PHASES, is_slug

if TYPE_CHECKING:
    from ecoia.keeping.codecarbon_history import Work
    from ecoia.keeping.journal import Journal
    from ecoia.records import Record


def import_history(
    history: Annotated[Path, typer.Argument(metavar="FILE", help="The file, as the other tool wrote it.")],
    form: Annotated[Literal["codecarbon"], typer.Option("--as", help="The tool: codecarbon, for its emissions.csv.")],
    instance: Annotated[
        str, typer.Option("--instance", metavar="NAME", help="The machine that the file is of; the file does not name it.")
    ],
    service: Annotated[str | None, typer.Option("--service", "-s", help="Service of every project not named below.")] = None,
    phase: Annotated[str | None, typer.Option("--phase", "-p", metavar="PHASE", help="Phase of that service's work.")] = None,
    project: Annotated[
        list[str] | None,
        typer.Option("--project", metavar="NAME=SERVICE:PHASE", help="Service and phase of one project. Repeatable."),
    ] = None,
    home: Home = None,
) -> None:
    """Take in what another tool recorded, as estimates.

    Importing a file again changes nothing; of a run that went on since, the longer line replaces the shorter one. A mistake
    refuses the whole file.

    [dim]$ ecoia import emissions.csv --as codecarbon --instance gpu-01 --service vadore --phase training[/dim]
    """
    from ecoia.keeping.codecarbon_history import read_history

    settings = load_settings(home)
    if not is_slug(instance):
        raise UsageError(f"--instance {instance}: use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. gpu-01")
    records = read_history(history, _works(service, phase, project or []), instance=instance, timezone=settings.timezone)
    target = open_journal(settings)
    counts = Scan()
    with changing_by_hand(target):
        new, left_out = _new(target, records, counts)
        append(target, new)
    tell_lines_not_read(counts)
    if left_out:
        say(f"{left_out} went on since somebody corrected or withdrew what was imported of them: what was said by hand stands")
    replaced = sum(record.replaces is not None for record in new)
    typer.echo(
        f"{len(new) - replaced} new, {replaced} replaced, {len(records) - len(new)} already known: '{history}' ({form}) is in "
        f"the journal '{target.home}', as estimates"
    )
    zones = sorted({record.zone or "" for record in records})
    say(f"zone as in the file: {', '.join(zones)}; times as of {settings.timezone}")


def _works(service: str | None, phase: str | None, projects: list[str]) -> dict[str, Work]:
    """Return the service and phase by name of the project; ``*`` is all others.

    Raises:
        UsageError: an option is wrong.
    """
    if (service is None) != (phase is None):
        raise UsageError("--service and --phase: give both, for every project that --project does not name")
    works: dict[str, Work] = {}
    if service is not None and phase is not None:
        works["*"] = _work("--service, --phase", service, phase)
    for each in projects:
        name, _, work = each.rpartition("=")
        its_service, _, its_phase = work.partition(":")
        if not name:
            raise UsageError(f"--project {each}: write NAME=SERVICE:PHASE, e.g. cv-2025=analyse-cv:training")
        works[name] = _work(f"--project {each}", its_service, its_phase)
    if not works:
        raise UsageError("say whose work it was: --service and --phase, or --project NAME=SERVICE:PHASE for each project")
    return works


def _work(option: str, service: str, phase: str) -> Work:
    if not is_slug(service):
        raise UsageError(f"{option}: service {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most)")
    if phase not in PHASES:
        raise UsageError(f"{option}: phase {phase!r}: choose one of {', '.join(PHASES)}")
    return service, phase


def _new(target: Journal, records: list[Record], counts: Scan) -> tuple[list[Record], int]:
    """Return the records that the journal does not have, and of how many a longer line was left out.

    A record that holds more of a work than the journal has replaces that, unless somebody corrected or withdrew it by hand.
    """
    from ecoia.keeping.codecarbon_history import imported_key, is_same_work
    from ecoia.keeping.declared_life import is_changed

    known: dict[str, Record] = {}
    replaced: set[str | None] = set()
    for entry in target.stream(counts):
        replaced.add(entry.stream.replaces)
        if imported_key(entry.record) is not None:
            known[entry.record.record_id] = entry.record
    standing: dict[str | None, list[Record]] = {}
    for record_id, record in known.items():
        if record_id not in replaced:
            standing.setdefault(imported_key(record), []).append(record)
    new: list[Record] = []
    left_out = 0
    for record in records:
        before = next((each for each in standing.get(imported_key(record), ()) if is_same_work(record, each)), None)
        if record.record_id in known:
            continue
        if before is None:
            new.append(record)
        elif before.end_utc_ns < record.end_utc_ns:
            if is_changed(before):
                left_out += 1
            else:
                new.append(record.copy_with(replaces=before.record_id))
    return new, left_out

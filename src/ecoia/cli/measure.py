"""Commands around the local journal: ``run``, ``watch``, ``journal``, ``declare``, ``metrics``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import (
    Home,
    existing_journal,
    journal_settings,
    load_settings,
    number,
    open_journal,
    say,
    tell_lines_not_read,
)
from ecoia.cli.refusals import refusals_as_json, refusals_as_text
from ecoia.errors import EcoiaError, MissingExtraError, UsageError
from ecoia.keeping.journal import Entry, Journal, Scan
from ecoia.periods import utc_datetime
from ecoia.semconv import COMPONENTS, MISSING, PHASES
from ecoia.units import kwh

if TYPE_CHECKING:
    from ecoia.records import Record

_PANEL = "Measure"
_EXPORTERS = "ecoia.exporters"
_LINE = "{:<19}  {:>8}  {:<12}  {:<20}  {:<16}  {:>12}  {:>10}  {:<9}  {}"


def add_measuring(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("run", rich_help_panel=_PANEL, context_settings={"allow_interspersed_args": False})(run)
    app.command("watch", rich_help_panel=_PANEL)(watch)
    app.command("journal", rich_help_panel=_PANEL)(journal)
    app.command("declare", rich_help_panel=_PANEL)(declare)
    app.command("metrics", rich_help_panel=_PANEL)(metrics)


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="Program and arguments, passed as they are.")],
    service: Annotated[str, typer.Option("--service", "-s", metavar="ID", help="The AI service that it runs for.")],
    phase: Annotated[str, typer.Option("--phase", "-p", metavar="PHASE", help=f"One of {', '.join(PHASES)}.")],
    home: Home = None,
) -> None:
    """Measure a command and its children, without touching it.

    Its exit code becomes ours; signals and the terminal are its own. A program in any language is fine.

    [dim]$ ecoia run --service vadore --phase training -- python train.py --epochs 3[/dim]
    """
    from ecoia.watching import run_command as running

    raise typer.Exit(running.run(command, service=service, phase=phase, settings=load_settings(home, needed=("home",))))


def watch(
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", metavar="ID", help="The AI service that it works for; rules say it themselves."),
    ] = None,
    phase: Annotated[
        str | None,
        typer.Option("--phase", "-p", metavar="PHASE", help=f"One of {', '.join(PHASES)}.", show_default="inference"),
    ] = None,
    pid: Annotated[int | None, typer.Option("--pid", metavar="N", help="A process, with all below it.")] = None,
    cgroup: Annotated[str | None, typer.Option("--cgroup", metavar="PATH", help="A control group.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", metavar="NAME", help="A systemd unit, also when it restarts.")] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="Which pods, units and groups work for which service.")
    ] = None,
    pod_logs: Annotated[
        Path | None, typer.Option("--pod-logs", metavar="FOLDER", help="The kubelet's logs.", show_default="/var/log/pods")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="N", help="How long at most.")] = None,
    home: Home = None,
) -> None:
    """Measure what already runs, from outside: a process and all below it, a control group or a systemd unit.

    Until it ends, or SIGTERM or Ctrl-C comes. What it contains that measures itself is left to itself. With --rules: everything
    on this host that the file maps to a service, as it comes and goes.

    [dim]$ ecoia watch --unit inference-api --service vadore[/dim]

    [dim]$ ecoia watch --rules rules.toml[/dim]
    """
    from ecoia.watching import watch as watching

    one = {"--service": service, "--phase": phase, "--pid": pid, "--cgroup": cgroup, "--unit": unit}
    if rules is not None:
        beside = [name for name, value in one.items() if value is not None]
        if beside:
            raise UsageError(f"--rules and {' and '.join(beside)} given: the rules say what is watched, and for which service")
        settings = load_settings(home, needed=("home", "scope"))
        more = {} if pod_logs is None else {"pod_logs": pod_logs}
        watching.watch_by_rules(rules, settings=settings, tell=say, seconds=seconds, **more)
        return
    if pod_logs is not None:
        raise UsageError(f"--pod-logs {pod_logs} given: it goes with --rules, which may name pods")
    if service is None:
        raise UsageError("no service given: name it by --service, or map what runs here to services by --rules")
    settings = load_settings(home, needed=("home",))
    phase = phase or "inference"
    watching.watch(service=service, phase=phase, settings=settings, pid=pid, cgroup=cgroup, unit=unit, seconds=seconds)


def journal(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: every field of the record.")] = False,
    home: Home = None,
) -> None:
    """List what was recorded on this machine.

    Each record once. Lines that cannot be read are counted on stderr.

    [dim]$ ecoia journal --json | jq .energy_microjoules[/dim]
    """
    settings = journal_settings(home)
    found = existing_journal(settings)
    if found is None:
        return
    counts = Scan()
    zone = ZoneInfo(settings.timezone)
    if not as_json:
        typer.echo(_LINE.format("START", "SECONDS", "KIND", "SERVICE", "PHASE", "ENERGY Wh", "UNITS", "DELIVERED", "METHOD"))
    for entry, delivered in _entries(found, counts):
        if as_json:
            line = json.dumps({**entry.record.to_dict(), "delivered": delivered}, ensure_ascii=False, separators=(",", ":"))
            typer.echo(line.encode("utf-8", "backslashreplace"))  # JSON is UTF-8, whatever the terminal
        else:
            typer.echo(_line(entry.record, delivered, zone))
    tell_lines_not_read(counts)
    if as_json:
        for line in refusals_as_json(counts):
            typer.echo(line, err=True)
    else:
        for line in refusals_as_text(counts, found.folder):
            say(line)


def _entries(found: Journal, counts: Scan) -> Iterator[tuple[Entry, bool]]:
    """Each record once, with whether it was delivered."""
    from ecoia.delivery.deliver import is_delivered, read_cursors

    cursors = read_cursors(found)
    seen: set[str] = set()
    duplicates = 0
    for entry in found.stream(counts):
        if entry.record.record_id in seen:
            duplicates += 1
            continue
        seen.add(entry.record.record_id)
        yield entry, is_delivered(entry, cursors)
    if duplicates:
        say(f"{duplicates} duplicate{'s' if duplicates > 1 else ''} left out")


def _line(record: Record, delivered: bool, zone: ZoneInfo) -> str:
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
        "yes" if delivered else "no",
        ", ".join(methods) or ("–" if record.outcome else "not measured"),
    ).rstrip()


def declare(
    activity: Annotated[
        Path, typer.Argument(metavar="ACTIVITY.csv", help="One line an activity; docs/cli.md lists the columns.")
    ],
    home: Home = None,
) -> None:
    """Enter what cannot be instrumented.

    Declared kWh, or vCPU- and GPU-hours, from a CSV file. Entering a file again changes nothing.

    [dim]$ ecoia declare provider-2026Q4.csv[/dim]
    """
    from ecoia.keeping.declared import read_activity

    settings = load_settings(home)
    records = read_activity(activity, settings)
    target = open_journal(settings)
    counts = Scan()
    known = {entry.record.record_id for entry in target.stream(counts)}
    new = [record for record in records if record.record_id not in known]
    writer = target.writer()
    try:
        writer.append(new)
    finally:
        writer.close()
    tell_lines_not_read(counts)
    typer.echo(f"{len(new)} new, {len(records) - len(new)} already known: '{activity}' is in the journal '{target.home}'")


def metrics(
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="Where Prometheus asks.")],
    address: Annotated[str, typer.Option("--address", metavar="IP", help="On which of the machine's addresses.")] = "127.0.0.1",
    home: Home = None,
) -> None:
    """Answer Prometheus with what this machine's journal adds up to.

    For servers that cannot have /metrics in themselves. Until Ctrl-C or SIGTERM comes.

    [dim]$ ecoia metrics --port 9464[/dim]
    """
    settings = journal_settings(home)
    exporter = next(iter(entry_points(group=_EXPORTERS, name="prometheus")), None)
    try:
        serve = exporter.load() if exporter is not None else None
    except ModuleNotFoundError:
        serve = None
    if serve is None:
        raise MissingExtraError("'ecoia metrics'", "prometheus-client", "metrics")
    try:
        serve(port, address, settings.home, lambda: say(f"metrics of '{settings.home}' on http://{address}:{port}/metrics"))
    except OSError as error:
        raise EcoiaError(
            f"{address}:{port} cannot be listened on ({error.strerror}): choose another --port or --address"
        ) from error
    except KeyboardInterrupt:
        pass

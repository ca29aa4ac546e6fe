"""``ecoia crosscheck``: hold this host's records against its power at the wall."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import (
    FAILED,
    Home,
    QuarterText,
    existing_journal,
    load_settings,
    number,
    print_table,
    say,
    tell_lines_not_read,
)
from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.evaluating.crosscheck import Crosscheck, Hour
    from ecoia.evaluating.wall_power import WallPower

_WHY = {
    "series": "the series has a gap or zeros",
    "records": "no process measured throughout",
    "meter": "no record states its part of the meters' energy",
}


def crosscheck(
    bmc: Annotated[Path, typer.Option("--bmc", metavar="FILE", help="Power at the wall: a wattmeter's, PDU's or BMC's series.")],
    quarter: QuarterText = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the result in crosschecks.yaml of the catalogue, for the report's annexes.")
    ] = False,
    home: Home = None,
) -> None:
    """Compare each hour's records with the power at the wall.

    The wall over what the meters gave: three hours in a row below 0.9 are an error, because more is recorded than was used, and
    the exit code is 1. Above 2.5, much of the host is not metered. Proposes a wall factor for calibration.yaml; applies none.

    [dim]$ ecoia crosscheck --bmc bmc.csv --quarter 2026Q4[/dim]
    """
    from ecoia.evaluating.crosscheck import HOUR_SECONDS, crosscheck
    from ecoia.evaluating.wall_power import WallPower
    from ecoia.keeping.journal import Scan
    from ecoia.meters.wattmeter import samples_in

    needed = ("home", "ecoia.toml", "timezone", "instance", *(("catalogue",) if keep else ()))
    settings = load_settings(home, needed=needed)
    if keep and settings.catalogue is None:
        raise UsageError("no catalogue is set, and --keep writes its crosschecks.yaml: set 'catalogue' (ECOIA_CATALOGUE)")
    period = Quarter.parse(quarter) if quarter else Quarter.of_instant(time.time_ns(), ZoneInfo(settings.timezone))
    power = WallPower(samples_in(bmc))
    begin_s, end_s = _common(period, power, settings)
    journal = existing_journal(settings)
    if journal is None:
        raise typer.Exit(FAILED)
    counts = Scan()
    records = (entry.record for entry in journal.stream(counts))
    found = crosscheck(records, power, begin_s, end_s - (end_s - begin_s) % HOUR_SECONDS)
    tell_lines_not_read(counts)
    _show(found, settings)
    if keep:
        _keep(found, bmc, period, settings)
    if found.is_error:
        raise typer.Exit(FAILED)


def _common(period: Quarter, power: WallPower, settings: Settings) -> tuple[int, int]:
    """Return the full hours, in epoch seconds, that the quarter and the series have in common.

    Raises:
        UsageError: there is none.
    """
    start_ns, end_ns = period.bounds_ns(ZoneInfo(settings.timezone))
    first_s, last_s = power.begin_ns / 1e9, power.begin_ns / 1e9 + float(power.times[-1])
    begin = max(-(-int(first_s) // 3600) * 3600, start_ns // 10**9)
    end = min(int(last_s) // 3600 * 3600, end_ns // 10**9)
    if end <= begin:
        days = [datetime.fromtimestamp(each, ZoneInfo(settings.timezone)) for each in (first_s, last_s)]
        raise UsageError(
            f"the series ({days[0]:%Y-%m-%d %H:%M} to {days[1]:%Y-%m-%d %H:%M}) holds no full hour of {period}: name its quarter"
        )
    return begin, end


def _show(found: Crosscheck, settings: Settings) -> None:
    from ecoia.evaluating.crosscheck import TOO_HIGH, TOO_LOW

    zone = ZoneInfo(settings.timezone)
    rows = [_row(each, zone) for each in found.hours if each.missing is None]
    columns = ("hour", "wall kWh", "claimed kWh", "metered kWh", "wall / recorded", "")
    print_table(f"{settings.instance}, by hour", columns, rows, right=columns[1:5])
    missing = Counter(each.missing for each in found.hours if each.missing is not None)
    for why, count in missing.items():
        hours = [f"{datetime.fromtimestamp(each.start_s, zone):%Y-%m-%d %H:%M}" for each in found.hours if each.missing == why]
        listed = ", ".join(hours[:12]) + (f" and {len(hours) - 12} more" if len(hours) > 12 else "")
        say(f"{count} hour{'s' if count > 1 else ''} not compared, {_WHY[str(why)]}: {listed}")
    if found.is_error:
        say(
            f"ERROR: below {TOO_LOW} for three hours in a row: more is recorded than the wall gave, so something is counted twice"
        )
    high = sum(each > TOO_HIGH for each in found.compared)
    if high:
        say(f"warning: above {TOO_HIGH} in {high} hour{'s' if high > 1 else ''}: much of this host is not metered (cards, disks)")
    if found.mean is not None:
        say(f"{len(found.compared)} hours: {number(found.mean[0])} in the geometric mean, GSD {number(found.mean[1], 4)}")
    proposal = found.proposal
    if proposal is not None:
        today = datetime.now(UTC).date()
        typer.echo("\n# to consider for calibration.yaml; nothing is applied\ncalibrations:")
        for component in proposal.components:
            typer.echo(f"  - component: {component}\n    wall_factor: {proposal.wall_factor:.3f}")
            typer.echo(f"    gsd: {max(proposal.gsd, 1.02):.3f}\n    instances: [{settings.instance}]")
            typer.echo(f"    source: ecoia crosscheck, {proposal.hours} hours\n    date: {today}")
    elif found.at_wall:
        say("no wall factor is proposed: some of this energy is at the wall already (methods of 'ecoia doctor')")


def _row(hour: Hour, zone: ZoneInfo) -> tuple[str, ...]:
    from ecoia.evaluating.crosscheck import TOO_HIGH, TOO_LOW

    ratio = hour.ratio
    mark = "" if ratio is None else "too low" if ratio < TOO_LOW else "high" if ratio > TOO_HIGH else ""
    figures = (hour.wall_kwh, hour.claimed_kwh, hour.metered_kwh, ratio)
    return (f"{datetime.fromtimestamp(hour.start_s, zone):%Y-%m-%d %H:%M}", *(number(each) for each in figures), mark)


def _keep(found: Crosscheck, bmc: Path, period: Quarter, settings: Settings) -> None:
    from ecoia.catalogue import CROSSCHECKS_FILE, load
    from ecoia.catalogue.editing import Entry, with_list
    from ecoia.catalogue.saving import save
    from ecoia.evaluating.crosscheck import TOO_HIGH, TOO_LOW

    mean = found.mean
    if mean is None:
        raise UsageError("fewer than two hours could be compared, so there is no result to keep: give a longer series")
    data = {
        "instance": settings.instance,
        "quarter": str(period),
        "hours": len(found.compared),
        "missing_hours": len(found.hours) - len(found.compared),
        "ratio": round(mean[0], 4),
        "gsd": round(mean[1], 4),
        "low_hours": sum(each < TOO_LOW for each in found.compared),
        "high_hours": sum(each > TOO_HIGH for each in found.compared),
        "series": bmc.name,
        "sha256": hashlib.sha256(bmc.read_bytes()).hexdigest(),
        "date": datetime.now(ZoneInfo(settings.timezone)).date(),
    }
    folder = Path(settings.catalogue)
    known = load(folder).crosschecks
    path = folder / CROSSCHECKS_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    others = [
        Entry(index, None)
        for index, each in enumerate(known)
        if (each.instance, each.quarter) != (data["instance"], data["quarter"])
    ]
    save(folder, {CROSSCHECKS_FILE: with_list(text, ["crosschecks"], [*others, Entry(None, data)])})
    load(folder)
    say(f"kept in '{path}'")

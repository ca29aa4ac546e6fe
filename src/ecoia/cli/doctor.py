"""``ecoia doctor``: show what this machine can measure, and check what it needs.

Each examination gives lines of findings; one that fails is a finding, too, and the others still run.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from ecoia import settings as configuration
from ecoia.cli.common import FAILED, Home, number, open_journal, readable
from ecoia.cli.config import factors_in_use, factors_text, unknown_variables
from ecoia.cli.refused_lines import refusals_as_text
from ecoia.errors import EcoiaError, JournalError
from ecoia.keeping.journal import Journal, Scan
from ecoia.keeping.journal_size import PACKED
from ecoia.keeping.journal_writer import ANNOUNCE_SHARE
from ecoia.keeping.room import ANNOUNCE_DAYS, room
from ecoia.measuring.write_and_retry import SHORTEST_AWAIT_SECONDS
from ecoia.semconv import KIND_SPAN, MISSING, SERVICE_UNASSIGNED, UNASSIGNED_REMEDY
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.catalogue import Calibration

_CONNECT_SECONDS = 3.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_ROOM_BYTES = 1_000_000  # one window of records takes some kilobytes


class State(StrEnum):
    """State of a finding."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Check:
    """One finding: its state, its subject, what was found, and the remedy if there is one."""

    state: State
    what: str
    found: str
    remedy: str | None = None


def doctor(
    compare: Annotated[
        bool, typer.Option("--compare", help="Load the machine step by step, and hold the models against its counter.")
    ] = False,
    seconds: Annotated[float, typer.Option("--seconds", metavar="N", min=0.5, help="With --compare: length of a step.")] = 10,
    home: Home = None,
) -> None:
    """Show what this machine can measure, and how to measure better.

    Checks meters, settings, zone, catalogue, journal, delivery and versions. The exit code is 1 if something is broken.

    [dim]$ ecoia doctor[/dim]

    [dim]$ ecoia doctor --compare[/dim]
    """
    settings = configuration.load({"home": home})
    if compare:
        _compare(settings, seconds)
        return
    checks: list[Check] = []
    for subject, examine in _EXAMINATIONS.items():
        try:
            checks += examine(settings)
        except EcoiaError as error:
            checks.append(Check(State.BROKEN, subject, str(error)))
        except Exception as error:  # noqa: BLE001 - the other checks still help
            checks.append(Check(State.BROKEN, subject, f"the check itself failed ({type(error).__name__}: {error})"))
    for check in checks:
        typer.echo(f"{check.state:<6}  {check.what:<12}  " + check.found.replace("\n", "\n" + 22 * " "))
        if check.remedy:
            typer.echo(22 * " " + "-> " + check.remedy)
    broken = sum(check.state is State.BROKEN for check in checks)
    typer.echo(f"\n{broken} broken, {sum(check.state is State.NOTE for check in checks)} to know")
    if broken:
        raise typer.Exit(FAILED)


def _compare(settings: Settings, seconds: float) -> None:
    """Show each model's power beside the counter's, on a ladder of loads.

    Raises:
        EcoiaError: there is no counter.
    """
    from ecoia.cli.common import print_table, say
    from ecoia.evaluating.meter_ladder import LOADS, climb, errors

    say(f"loading this machine in {len(LOADS)} steps of {seconds:g} s; let nothing else run meanwhile")
    steps = climb(settings.home, seconds)
    methods = list(steps[0].models_w)
    rows = [
        (f"{each.load:.0%}", number(each.counter_w), *(f"{number(w)} ({w / each.counter_w:.2f})" for w in each.models_w.values()))
        for each in steps
    ]
    columns = ("load", "rapl W", *(f"{method} W (ratio)" for method in methods))
    print_table("Counter and models, by load", columns, rows, right=columns)
    found = [
        (each.method, f"{each.ratio:.2f}", f"{each.gsd:.2f}", "server, at the wall" if each.at_wall else "processor")
        for each in errors(steps)
    ]
    columns = ("model", "model / counter", "wrong by a factor of", "stands for")
    print_table("Over all steps", columns, found, right=columns[1:3])
    typer.echo("The counter reads the processor alone: a model of the server at the wall includes supplies, fans and memory.")


def _meters(settings: Settings) -> Iterator[Check]:
    from ecoia import meters

    if configuration.disabled():
        yield Check(State.NOTE, "measuring", "turned off by ECOIA_DISABLED", "unset ECOIA_DISABLED")
    for found in meters.diagnose(settings):
        state = State.NOTE if found.remedy or found.status == MISSING else State.OK
        yield Check(state, found.component, f"{found.status}: {found.name}. {found.why}", found.remedy)


def _claims(settings: Settings) -> Iterator[Check]:
    from ecoia.processes import notices

    problem = notices.folder_problem()
    if problem is not None:
        what = f"{problem}: processes cannot see what others of this user record, and may count it twice"
        yield Check(State.BROKEN, "claims", what, "have it removed, or closed to others (chmod 700)")
    damaged = notices.damaged()
    if damaged:
        what = f"{len(damaged)} that no ecoia wrote {'are' if len(damaged) > 1 else 'is'} ignored, e.g. {damaged[0]}"
        yield Check(State.NOTE, "claims", what, "remove it; if it comes back, find the program that writes it")


def _idle(settings: Settings) -> Iterator[Check]:
    from ecoia import meters
    from ecoia.meters import idle_power

    remedy = "'ecoia baseline' on a quiet host measures it"
    found = idle_power.stored(settings.home)
    if found is None:
        yield Check(State.NOTE, "idle", "the machine's power at rest was not measured", remedy)
        return
    watts = idle_power.load(settings.home, meters.detect(settings))
    for component, power in found.components.items():
        said = f"{component} {number(power.watts)} W ({power.status}: {power.method}, {found.utc[:10]})"
        if component in watts:
            yield Check(State.OK, "idle", said)
        else:
            yield Check(State.NOTE, "idle", f"{said} is of another machine or method, so it is not used", remedy)


def _settings(settings: Settings) -> Iterator[Check]:
    for problem in settings.problems:
        yield Check(State.BROKEN, "settings", str(problem))
    for name, like in unknown_variables().items():
        yield Check(State.NOTE, "settings", f"{name} is set, and no setting has that name", f"{like}?" if like else None)
    if not settings.problems:
        written = sum(value.origin != "default" for value in settings.values.values())
        yield Check(State.OK, "settings", f"{written} set, the others by default ('ecoia config' lists them)")


def _impact(settings: Settings) -> Iterator[Check]:
    factors = factors_in_use(settings)
    if settings.zone is None:
        yield Check(State.NOTE, "zone", "none: CO2e is not computed", "name it: setting 'zone', e.g. ECOIA_ZONE=FRA")
    else:
        factors.check(settings.zone)
        yield Check(State.OK, "zone", f"{settings.zone}, covered by emission factors")
    yield Check(State.OK, "factors", factors_text(factors))
    if settings.pue is None:
        yield Check(State.NOTE, "pue", "none: figures are IT only", "ask the operator of the building: setting 'pue'")
    else:
        yield Check(State.OK, "pue", f"{settings.pue}")


def _catalogue(settings: Settings) -> Iterator[Check]:
    from ecoia import catalogue

    if settings.catalogue is None:
        yield Check(State.NOTE, "catalogue", "none: every service is unregistered", "'ecoia init' writes one to fill in")
    else:
        found = catalogue.load(settings.catalogue)
        count = len(found.services)
        yield Check(State.OK, "catalogue", f"{settings.catalogue}: {count} named service{'' if count == 1 else 's'}")
        yield from _calibrations(settings, found.calibrations)


def _calibrations(settings: Settings, calibrations: Sequence[Calibration]) -> Iterator[Check]:
    """Give the wall factors that reports apply to this instance's energy today."""
    from ecoia import meters
    from ecoia.methods import AT_WALL, error_class

    if settings.wattmeter:
        return  # it measures at the plug already
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    lacking = []
    for component, method in meters.methods(meters.detect(settings)).items():
        if error_class(method.status, method.name) in AT_WALL:
            continue  # its model gives the energy at the wall already
        found = next((each for each in calibrations if each.covers(component, settings.instance, today)), None)
        if found is None:
            lacking.append(component)
        else:
            what = f"{component} x {found.wall_factor:g} in reports. {found.source}, {found.date.isoformat()}"
            yield Check(State.OK, "calibration", what)
    if lacking:
        what = f"none for {', '.join(lacking)}: reports leave out power supplies, fans, disks and network"
        yield Check(State.NOTE, "calibration", what, "measure at the plug: calibration.yaml of the catalogue, or a wattmeter")


def _check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < _ROOM_BYTES:
        raise JournalError(f"the disk of '{folder}' is full: free space, or set ECOIA_HOME")


def _journal(settings: Settings) -> Iterator[Check]:
    from ecoia.delivery.cursors import is_delivered, read_cursors
    from ecoia.delivery.refused_days import RefusedDays
    from ecoia.keeping.adoption import waiting
    from ecoia.keeping.file_system import examine
    from ecoia.keeping.helper_start import try_lock
    from ecoia.keeping.known_already import HELPER_LOCK

    home = Path(settings.home)
    if not (home / "home.json").exists():
        nearest = next(folder for folder in (home, *home.parents) if os.path.lexists(folder))
        if not readable(home) or not os.access(nearest, os.W_OK):
            raise JournalError(f"'{home}' cannot be made in '{nearest}': make that writable, or set ECOIA_HOME")
        _check_room(nearest)
        yield Check(State.OK, "journal", f"{home}: nothing recorded yet")
        return
    found = open_journal(settings)
    try:
        lock, unsynced = examine(found.folder)
    except OSError as error:
        raise JournalError(f"'{home}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    _check_room(found.folder)
    yield from _file_system(lock, unsynced)
    yield _room(found)
    counts, cursors = Scan(), read_cursors(found)
    total = pending = unassigned = 0
    unread: dict[str, str] = {}
    for entry in found.stream(counts, unread=unread):
        total += 1
        pending += not is_delivered(entry, cursors)
        unassigned += entry.stream.constants.service == SERVICE_UNASSIGNED and entry.stream.constants.kind == KIND_SPAN
    bad = ", ".join(
        f"{n} {what}" for n, what in ((counts.torn, "torn"), (counts.corrupt, "corrupt"), (counts.newer, "newer")) if n
    )
    if bad:
        shown = "\n".join([f"lines not read: {bad}", *refusals_as_text(counts, found.folder)])
        yield Check(State.NOTE, "journal", shown, "whole lines are kept; 'newer' needs a newer ecoia")
    for message in unread.values():
        yield Check(State.BROKEN, "journal", message)
    remedy = "'ecoia deliver' sends them" if pending else None
    yield Check(State.NOTE if pending else State.OK, "delivery", f"{total} records, {pending} not delivered yet", remedy)
    for message in RefusedDays(home).messages():
        yield Check(State.BROKEN, "delivery", f"refused: {message}")
    if unassigned:
        what = f"{unassigned} record{'s' if unassigned > 1 else ''} of MLflow runs that no rule gives to a service"
        yield Check(State.NOTE, SERVICE_UNASSIGNED, what, UNASSIGNED_REMEDY)
    windows = waiting(home)
    if windows:
        what = f"{windows} window{'s' if windows > 1 else ''} of processes that ended suddenly, not in the journal yet"
        yield Check(State.NOTE, "journal", what, "'ecoia journal' or 'ecoia deliver' takes them into it")
    with try_lock(home, HELPER_LOCK) as free:
        yield Check(State.OK, "helper", "not running (nothing to do, or delivery by hand)" if free else "running")


def _room(found: Journal) -> Check:
    """Tell how full the journal is; a week before it is full at the pace of the last days, say so."""
    left = room(found.folder, found.max_bytes)
    soon = left.left_days is not None and left.left_days < ANNOUNCE_DAYS
    state = State.OK
    if soon or left.used_bytes >= ANNOUNCE_SHARE * left.cap_bytes:
        state = State.NOTE if left.used_bytes < left.cap_bytes else State.BROKEN
    what = f"{found.home}: {number(left.used_bytes / 1e6)} MB of {number(left.cap_bytes / 1e6)} MB"
    if left.left_days is not None:
        what += f", full in {number(left.left_days)} days at the pace of the last days"
    packed = sum(path.name.endswith(PACKED) for path in found.folder.glob("*/*"))
    if packed:
        what += f"; {packed} file{'' if packed == 1 else 's'} packed"
    remedy = None if state is State.OK else "deliver, archive delivered days of journal/, or raise journal_max_mb"
    return Check(state, "journal", what, remedy)


def _file_system(lock: str | None, unsynced: OSError | None) -> Iterator[Check]:
    """Tell what the journal's file system refuses. Records are written all the same."""
    from ecoia.keeping.file_system import FLOCK, NO_LOCK

    if lock == NO_LOCK:
        what = "processes of this home do not exclude each other: idle energy may be counted twice, ended runs seem alive or dead"
        yield Check(State.NOTE, "journal", what, "put the home on a file system with locks (setting home)")
    elif lock != FLOCK:
        yield Check(State.NOTE, "journal", f"its file system has no flock: ecoia uses {lock}")
    if unsynced is not None:
        what = f"its file system refuses fsync ({unsynced.strerror}): a power cut may cost the last records"
        yield Check(State.NOTE, "journal", what)


def _tracking(settings: Settings) -> Iterator[Check]:
    from ecoia.keeping.destinations import is_readable, public_uri, read_targets, sqlite_file

    own = os.environ.get("MLFLOW_TRACKING_URI")
    names = {public_uri(own)} if own else set()
    names |= set(read_targets(settings.home).values())
    if not names:
        yield Check(State.OK, "mlflow", "no tracking URI: records stay in the journal until 'ecoia deliver'")
    for name in sorted(names):
        if not is_readable(name):
            remedy = "percent-encode the password in it; records wait in the journal until 'ecoia deliver'"
            yield Check(State.BROKEN, "mlflow", f"{name}: the parts of the tracking URI cannot be told apart", remedy)
            continue
        file = sqlite_file(name)
        parts = urlsplit(name)
        scheme = parts.scheme.partition("+")[0]
        if file is not None:
            found = "is there" if file.exists() else "will be made by the first delivery"
            state = State.OK if file.exists() or file.absolute().parent.is_dir() else State.BROKEN
            yield Check(state, "mlflow", f"{name} {found if state is State.OK else 'is in a folder that does not exist'}")
        elif scheme in _PORTS and parts.hostname:
            try:
                socket.create_connection((parts.hostname, parts.port or _PORTS[scheme]), _CONNECT_SECONDS).close()
            except (OSError, ValueError) as error:
                reason = "check that it runs, MLFLOW_TRACKING_URI and the proxy; records wait in the journal"
                yield Check(State.BROKEN, "mlflow", f"{name} does not answer ({error})", reason)
            else:
                yield Check(State.OK, "mlflow", f"{name} answers")
        else:
            yield Check(State.NOTE, "mlflow", f"{name} (not checked: no network address in it)")


def _exit(settings: Settings) -> Iterator[Check]:
    """Tell how long a pod waits at its end: its disk is lost with it."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return
    waits = settings.exit_seconds
    what = f"the program waits {waits:g} s at its end for the delivery of the last records"
    if waits < SHORTEST_AWAIT_SECONDS:
        remedy = "set exit_seconds to 20, and terminationGracePeriodSeconds above it"
        yield Check(
            State.NOTE, "exit", "the program does not wait at its end, and the last records are lost with the pod", remedy
        )
    else:
        yield Check(
            State.OK, "exit", f"{what}; terminationGracePeriodSeconds must be greater, and a slow store needs more of both"
        )


def _versions(settings: Settings) -> Iterator[Check]:
    from ecoia.semconv import CODECARBON_RELEASE, VERSION

    yield Check(State.OK, "codecarbon", f"{CODECARBON_RELEASE}: its models and tables, as ecoia carries them")
    yield Check(State.OK, "ecoia", f"{VERSION} on Python {platform.python_version()}, {platform.platform()}")
    for package in ("mlflow", "pandas"):
        try:
            yield Check(State.OK, package, version(package))
        except PackageNotFoundError:
            if importlib.util.find_spec(package) is None:
                yield Check(
                    State.NOTE, package, "not installed: this machine measures and records only", "pip install 'ecoia[report]'"
                )


_EXAMINATIONS: dict[str, Callable[[Settings], Iterator[Check]]] = {
    "meters": _meters,
    "claims": _claims,
    "idle": _idle,
    "settings": _settings,
    "zone": _impact,
    "catalogue": _catalogue,
    "journal": _journal,
    "mlflow": _tracking,
    "exit": _exit,
    "versions": _versions,
}

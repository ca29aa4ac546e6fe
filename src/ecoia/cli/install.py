"""Commands about this installation: ``doctor``, ``baseline``, ``config``, ``init``."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from ecoia import settings as configuration
from ecoia.cli.common import FAILED, Home, load_settings, number, open_journal, print_table, readable, say
from ecoia.cli.refusals import refusals_as_text
from ecoia.errors import EcoiaError, JournalError
from ecoia.keeping.journal import ANNOUNCE_SHARE, Scan
from ecoia.semconv import COMPONENTS, MISSING
from ecoia.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from ecoia.catalogue import Calibration
    from ecoia.factors import FactorSet

_PANEL = "Set up"
_CONNECT_SECONDS = 3.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_OTHER_VARIABLES = ("ECOIA_DISABLED",)

_CONFIGURATION = """\
# Réglages d'ecoia. Lus depuis ce dossier et ceux qui sont au-dessous ; ECOIA_<NOM> les remplace, un argument aussi.
# « ecoia config » montre chaque valeur et son origine, « ecoia doctor » ce qui sera mesuré.

# Registre, charte, cibles, étalonnage, facteurs d'émission et contrats : les fichiers YAML de ce dossier.
catalogue = "."

# Où l'électricité est consommée (ISO 3166 alpha-3). Sans zone, l'énergie est relevée et les émissions ne sont pas calculées.
# zone = "FRA"

# PUE du centre de calcul. Sans PUE, les chiffres s'entendent hors bâtiment.
# pue = 1.4

# Fuseau des trimestres de l'organisation.
# timezone = "Europe/Paris"
"""

_ROOM_BYTES = 1_000_000  # a window of records is some kilobytes


def add_installation(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("doctor", rich_help_panel=_PANEL)(doctor)
    app.command("baseline", rich_help_panel=_PANEL)(baseline)
    app.command("config", rich_help_panel=_PANEL)(config)
    app.command("init", rich_help_panel=_PANEL)(init)


# ------------------------------------------------------------------------------------------------------------- doctor


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's findings."""

    state: State
    what: str
    found: str
    remedy: str | None = None


def doctor(home: Home = None) -> None:
    """Say what this machine can measure, and how to do better.

    Meters, settings, journal, delivery, catalogue, versions. Exits 1 when something is broken.

    [dim]$ ecoia doctor[/dim]
    """
    settings = configuration.load({"home": home})
    checks: list[Check] = []
    for subject, examine in _EXAMINATIONS.items():
        try:
            checks += examine(settings)
        except EcoiaError as error:
            checks.append(Check(State.BROKEN, subject, str(error)))
        except Exception as error:  # noqa: BLE001 - a doctor that falls ill helps nobody
            checks.append(Check(State.BROKEN, subject, f"the check itself failed ({type(error).__name__}: {error})"))
    for check in checks:
        typer.echo(f"{check.state:<6}  {check.what:<12}  " + check.found.replace("\n", "\n" + 22 * " "))
        if check.remedy:
            typer.echo(22 * " " + "-> " + check.remedy)
    broken = sum(check.state is State.BROKEN for check in checks)
    typer.echo(f"\n{broken} broken, {sum(check.state is State.NOTE for check in checks)} to know")
    if broken:
        raise typer.Exit(FAILED)


def _meters(settings: Settings) -> Iterator[Check]:
    from ecoia import meters

    if configuration.disabled():
        yield Check(State.NOTE, "measuring", "turned off by ECOIA_DISABLED", "unset ECOIA_DISABLED")
    for found in meters.diagnose(settings):
        state = State.NOTE if found.remedy or found.status == MISSING else State.OK
        yield Check(state, found.component, f"{found.status}: {found.name}. {found.why}", found.remedy)


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
    for name, like in _unknown_variables().items():
        yield Check(State.NOTE, "settings", f"{name} is set, and no setting has that name", f"{like}?" if like else None)
    if not settings.problems:
        written = sum(value.origin != "default" for value in settings.values.values())
        yield Check(State.OK, "settings", f"{written} set, the others by default ('ecoia config' lists them)")


def _impact(settings: Settings) -> Iterator[Check]:
    factors = _factors(settings)
    if settings.zone is None:
        yield Check(State.NOTE, "zone", "none: CO2e is not computed", "name it: setting 'zone', e.g. ECOIA_ZONE=FRA")
    else:
        factors.check(settings.zone)
        yield Check(State.OK, "zone", f"{settings.zone}, covered by emission factors")
    yield Check(State.OK, "factors", _said(factors))
    if settings.pue is None:
        yield Check(State.NOTE, "pue", "none: figures are IT only", "ask who runs the building: setting 'pue'")
    else:
        yield Check(State.OK, "pue", f"{settings.pue}")


def _factors(settings: Settings) -> FactorSet:
    from ecoia import catalogue, factors

    choice = catalogue.factors_chosen(settings.catalogue)
    return factors.in_use(choice, settings.catalogue, ZoneInfo(settings.timezone))


def _said(factors: FactorSet) -> str:
    gaps = "gaps are not filled" if factors.fill is None else f"gaps are filled: {factors.fill}"
    pair = ", ".join(factors.pairs[0]) if factors.pairs else "empty"
    return f"{factors.id} ({factors.title}; {pair}; version {factors.version}); {gaps}"


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
    """Which wall factors reports apply to the energy that this instance uses today."""
    if settings.wattmeter:
        return  # at the plug already
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    lacking = []
    for component in COMPONENTS:
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
    from ecoia.delivery import deliver
    from ecoia.keeping.helper import HELPER_LOCK, try_lock

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
        tempfile.TemporaryFile(dir=found.folder).close()
    except OSError as error:
        raise JournalError(f"'{home}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    _check_room(found.folder)
    size, cap = found.size_bytes(), found.max_bytes
    state = State.OK if size < ANNOUNCE_SHARE * cap else State.NOTE if size < cap else State.BROKEN
    remedy = None if state is State.OK else "deliver, archive delivered days of journal/, or raise journal_max_mb"
    yield Check(state, "journal", f"{home}: {number(size / 1e6)} MB of {number(cap / 1e6)} MB", remedy)
    counts, cursors = Scan(), deliver.read_cursors(found)
    total = pending = 0
    for entry in found.stream(counts):
        total += 1
        pending += not deliver.is_delivered(entry, cursors)
    bad = ", ".join(
        f"{n} {what}" for n, what in ((counts.torn, "torn"), (counts.corrupt, "corrupt"), (counts.newer, "newer")) if n
    )
    if bad:
        told = "\n".join([f"lines not read: {bad}", *refusals_as_text(counts, found.folder)])
        yield Check(State.NOTE, "journal", told, "what is whole is kept; 'newer' needs a newer ecoia")
    remedy = "'ecoia deliver' sends them" if pending else None
    yield Check(State.NOTE if pending else State.OK, "delivery", f"{total} records, {pending} not delivered yet", remedy)
    with try_lock(home, HELPER_LOCK) as free:
        yield Check(State.OK, "helper", "not running (nothing to do, or delivery by hand)" if free else "running")


def _tracking(settings: Settings) -> Iterator[Check]:
    from ecoia.keeping.destinations import public_uri, read_targets, sqlite_file, with_credentials

    own = os.environ.get("MLFLOW_TRACKING_URI")
    uris = {own} if own else set()
    uris |= {with_credentials(uri) for uri in read_targets(settings.home).values()}
    if not uris:
        yield Check(State.OK, "mlflow", "no tracking URI: records stay in the journal until 'ecoia deliver'")
    for uri in sorted(uris):
        name = public_uri(uri)
        file = sqlite_file(uri)
        parts = urlsplit(uri)
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


def _versions(settings: Settings) -> Iterator[Check]:
    from ecoia.semconv import VERSION

    yield Check(State.OK, "ecoia", f"{VERSION} on Python {platform.python_version()}, {platform.platform()}")
    for package in ("codecarbon", "mlflow", "pandas"):
        try:
            yield Check(State.OK, package, version(package))
        except PackageNotFoundError:
            if importlib.util.find_spec(package) is None:
                yield Check(
                    State.NOTE, package, "not installed: this machine measures and records only", "pip install 'ecoia[report]'"
                )


_EXAMINATIONS: dict[str, Callable[[Settings], Iterator[Check]]] = {
    "meters": _meters,
    "idle": _idle,
    "settings": _settings,
    "zone": _impact,
    "catalogue": _catalogue,
    "journal": _journal,
    "mlflow": _tracking,
    "versions": _versions,
}


# ----------------------------------------------------------------------------------------------------------- baseline


def baseline(
    seconds: Annotated[float, typer.Option("--seconds", metavar="N", min=2, help="How long to measure.")] = 60,
    home: Home = None,
) -> None:
    """Measure what this machine draws at rest, and keep it.

    Nothing else may run meanwhile: on a host with a load above 5 % nothing is stored.

    [dim]$ ecoia baseline --seconds 60[/dim]
    """
    from ecoia import meters
    from ecoia.meters import idle_power

    settings = load_settings(home, needed=("home", "ecoia.toml"))
    say(f"reading the meters for {seconds:.0f} s; leave the machine alone")
    found = idle_power.measure(meters.detect(settings), seconds)
    path = idle_power.store(settings.home, found)
    rows = [
        (
            component,
            number(power.watts),
            number(power.min_watts),
            number(power.max_watts),
            number(power.gsd),
            f"{power.status}: {power.method}",
        )
        for component, power in found.components.items()
    ]
    columns = ("component", "W", "least", "most", "GSD", "method")
    print_table(f"At rest, load {found.load:.1%}", columns, rows, right=("W", "least", "most", "GSD"))
    for component, count in found.unread.items():
        say(f"{component}: {count} reading{'s' if count > 1 else ''} failed, so nothing is stored of it")
    say(f"stored in {path}")


# ------------------------------------------------------------------------------------------------------------- config


def config(
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    zones: Annotated[bool, typer.Option("--zones", help="List the zones that have an emission factor instead.")] = False,
    home: Home = None,
) -> None:
    """Show each setting, its value and where it came from.

    [dim]$ ecoia config --json | jq .zone[/dim]
    """
    if zones:
        known = _factors(configuration.load({"home": home})).zones()
        typer.echo(json.dumps(known) if as_json else "\n".join(known))
        return
    loaded = configuration.load({"home": home})
    if as_json:
        typer.echo(json.dumps(_as_dict(loaded), ensure_ascii=False, indent=2))
        return
    rows = []
    for setting in SETTINGS:
        value = loaded.values[setting.name]
        rows.append((setting.name, "–" if value.value is None else str(value.value), value.origin, setting.meaning))
    print_table("Settings", ("name", "value", "from", "meaning"), rows)
    try:
        typer.echo(f"Emission factors in use: {_said(_factors(loaded))}")
    except EcoiaError as error:
        say(str(error))
    for problem in loaded.problems:
        say(str(problem))
    for name, like in _unknown_variables().items():
        say(f"{name} is set, and no setting has that name" + (f": {like}?" if like else ""))


def _as_dict(loaded: Settings) -> dict[str, Any]:
    settings = {
        setting.name: {
            "value": loaded.values[setting.name].value,
            "from": loaded.values[setting.name].origin,
            "variable": setting.variable,
            "meaning": setting.meaning,
        }
        for setting in SETTINGS
    }
    problems = [{"name": p.name, "value": str(p.value), "from": p.origin, "remedy": p.remedy} for p in loaded.problems]
    return {**settings, "problems": problems}


def _unknown_variables() -> dict[str, str | None]:
    """``ECOIA_*`` variables that nothing reads, each with the known one that it looks like."""
    import difflib

    known = [*(setting.variable for setting in SETTINGS), *_OTHER_VARIABLES]
    unknown = sorted(name for name in os.environ if name.startswith("ECOIA_") and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, 1)), None) for name in unknown}


# --------------------------------------------------------------------------------------------------------------- init


def init(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.")] = Path()) -> None:
    """Write a commented catalogue and ecoia.toml to fill in.

    Never overwrites a file.

    [dim]$ ecoia init my-organisation[/dim]
    """
    from ecoia.catalogue import starter_files

    files = {folder / name: text for name, text in {"ecoia.toml": _CONFIGURATION, **starter_files()}.items()}
    for path in files:
        if os.path.lexists(path):
            raise EcoiaError(f"'{path}' exists and is not overwritten: choose another folder, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            typer.echo(path)
    except OSError as error:
        raise EcoiaError(f"'{folder}' cannot be written ({error.strerror}): choose another folder") from error

"""Commands about emission factors: ``factors list | show | import | use | diff``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import Commands, load_settings, number, print_table, replace_file, say
from ecoia.errors import EcoiaError, UsageError
from ecoia.periods import HALF_HOUR_NS, utc_datetime
from ecoia.settings import Settings, is_slug, slug

if TYPE_CHECKING:
    from ecoia.factors import FactorSet

_PANEL = "Report"
_GROUP_KEY = tuple[str, str, str, int]  # zone, scope, basis, year

_CHOICE = """\
# Facteurs d'émission de l'électricité : le jeu utilisé, un seul à la fois. Écrit par « ecoia factors use » ;
# « ecoia factors list » donne les jeux connus.
"""


class Kind(StrEnum):
    """Whose form a file has."""

    ADEME = "ademe"
    ECO2MIX = "eco2mix"
    ELECTRICITYMAPS = "electricitymaps"
    GENERIC = "generic"


class Scope(StrEnum):
    """What is counted."""

    DIRECT = "direct"
    LIFECYCLE = "lifecycle"


class Basis(StrEnum):
    """Of which electricity."""

    PRODUCTION = "production"
    CONSUMPTION = "consumption"


class Fill(StrEnum):
    """How a gap is filled."""

    PREVIOUS = "previous"
    MEAN = "mean"
    ANNUAL = "annual"


class Resolution(StrEnum):
    """How long a line of Electricity Maps holds."""

    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"


SetId = Annotated[str, typer.Argument(metavar="ID", help="A factor set ('ecoia factors list').")]
ZoneOnly = Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="This zone only, e.g. FRA.")]


def add_factors(app: typer.Typer) -> None:
    """Add this group's commands."""
    group = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="rich")
    group.callback()(factors)
    group.command("list")(list_sets)
    group.command("show")(show)
    group.command("import")(import_file)
    group.command("use")(use)
    group.command("diff")(diff)
    app.add_typer(group, name="factors", rich_help_panel=_PANEL)


def factors() -> None:
    """Choose and bring the emission factors of electricity.

    One set is in use at a time, of one scope and one basis; the report names it with source, licence and date.

    [dim]$ ecoia factors list[/dim]
    """


def list_sets() -> None:
    """List the sets that are built in or were imported, and which one is in use.

    [dim]$ ecoia factors list[/dim]
    """
    from ecoia import factors as sets
    from ecoia.catalogue import factors_chosen

    settings = load_settings()
    choice = factors_chosen(settings.catalogue)
    rows = []
    for set_id in (*sets.BUILT_IN, *sets.imported(settings.catalogue)):
        try:
            found = _load(settings, set_id)
        except EcoiaError as error:
            rows.append(("*" if set_id == choice.use else "", set_id, "BROKEN", "", "", "", ""))
            say(str(error))
            continue
        zones = found.zones()
        rows.append(
            (
                "*" if set_id == choice.use else "",
                set_id,
                found.title,
                "; ".join(", ".join(pair) for pair in found.pairs),
                zones[0] if len(zones) == 1 else f"{len(zones)} zones",
                _span(found),
                ", ".join(sorted({factor.licence for factor in found.factors})),
            )
        )
    print_table("Emission factors (* in use)", ("", "id", "title", "scope, basis", "zones", "from to", "licence"), rows)
    in_use = sets.in_use(choice, settings.catalogue, ZoneInfo(settings.timezone))
    fill = in_use.fill or "not filled"
    typer.echo(f"in use: {in_use.id}, {', '.join(in_use.pairs[0])}; gaps: {fill}")


def show(set_id: SetId, zone: ZoneOnly = None) -> None:
    """Show a set by zone and year, with its sources, and its gaps.

    [dim]$ ecoia factors show default --zone FRA[/dim]
    """
    found = _load(load_settings(), set_id)
    groups = {key: group for key, group in _groups(found).items() if zone in (None, key[0])}
    if not groups:
        raise UsageError(f"factor set '{set_id}' has no zone '{zone}': it covers {', '.join(found.zones())[:200]}")
    rows = [
        (*map(str, key), number(group.mean, 4), f"{group.least:.4g}", f"{group.greatest:.4g}", str(group.count))
        for key, group in sorted(groups.items())
    ]
    columns = ("zone", "scope", "basis", "year", "mean gCO2e/kWh", "least", "greatest", "values")
    print_table(f"{found.id}: {found.title}", columns, rows, right=columns[4:])
    shown = [factor for factor in found.factors if zone in (None, factor.zone)]
    for source, licence, retrieved in sorted({(f.source, f.licence, f.retrieved_on) for f in shown}):
        typer.echo(f"source: {source}. Licence: {licence}. {f'Retrieved on {retrieved}.' if retrieved else 'Read in place.'}")
    typer.echo(f"version: {found.version}")
    _tell_gaps(found, zone)


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The publisher's file.")],
    kind: Annotated[Kind, typer.Option("--as", help="Whose form it has.")],
    set_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Name of the set.", show_default="the file's name")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="What it is, for people.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Whose figures they are.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Under which licence.")] = None,
    scope: Annotated[Scope | None, typer.Option("--scope", help="What a generic file counts.")] = None,
    basis: Annotated[Basis | None, typer.Option("--basis", help="Of which electricity, in a generic file.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="The zone of a file whose code has no country.")] = None,
    resolution: Annotated[
        Resolution | None, typer.Option("--resolution", help="How long a line of Electricity Maps holds.")
    ] = None,
    retrieved_on: Annotated[
        str | None, typer.Option("--retrieved-on", metavar="DAY", help="When it was downloaded.", show_default="today")
    ] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a file that is not in its publisher's.")] = None,
) -> None:
    """Bring a publisher's file into the catalogue, as a set of its own.

    A mistake refuses the file, and what was there stays. Nothing is in use until 'ecoia factors use'.

    [dim]$ ecoia factors import eCO2mix_RTE_Annuel-Definitif_2025.xls --as eco2mix --id rte-2025[/dim]
    """
    from ecoia import factors as sets
    from ecoia.factors.importers import read_as
    from ecoia.factors.zones import is_known

    settings = load_settings()
    folder = _catalogue(settings) / sets.FOLDER
    name = slug(file.stem) if set_id is None else set_id
    if not is_slug(name) or name in sets.BUILT_IN:
        raise UsageError(f"--id {name!r}: use lower-case letters, digits, '.', '_' and '-', not {', '.join(sets.BUILT_IN)}")
    if zone is not None and not is_known(zone):
        raise UsageError(f"--zone {zone!r}: write an ISO 3166 alpha-3 code, e.g. FRA, or with a part, DNK-DK1")
    timezone = ZoneInfo(settings.timezone)
    given = {
        "id": name,
        "title": title,
        "source": source,
        "licence": licence,
        "scope": scope,
        "basis": basis,
        "zone": zone,
        "resolution": resolution,
        "retrieved_on": retrieved_on or datetime.now(timezone).date().isoformat(),
    }
    try:
        brought = read_as(file, kind.value, {k: str(v) for k, v in given.items() if v}, timezone, encoding=encoding)
    except LookupError as error:
        if isinstance(error, EcoiaError):
            raise
        raise UsageError(f"--encoding {encoding!r}: no such encoding; e.g. utf-8 or cp1252") from error
    path = folder / f"{name}{sets.files.SUFFIX}"
    replaced = path.exists()
    try:
        folder.mkdir(exist_ok=True)
        replace_file(path, brought.text)
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): make the catalogue's folder writable") from error
    typer.echo(path)
    found = brought.factors
    pairs = "; ".join(", ".join(pair) for pair in found.pairs)
    typer.echo(f"{len(found.factors)} factors of {', '.join(found.zones())} ({pairs}), {_span(found)}")
    if replaced:
        say(f"the set '{name}' that was there is replaced: reports that use it change with it")
    for reason, count in sorted(brought.left_out.items()):
        say(f"{count} line{'' if count == 1 else 's'} left out: {reason}")
    _tell_gaps(found, None)


def use(
    set_id: SetId,
    scope: Annotated[Scope | None, typer.Option("--scope", help="What is counted, where the set leaves a choice.")] = None,
    basis: Annotated[Basis | None, typer.Option("--basis", help="Of which electricity, likewise.")] = None,
    fill: Annotated[Fill | None, typer.Option("--fill", help="How gaps are filled.", show_default="they are not")] = None,
) -> None:
    """Put a set in use, for every zone and report. Written to factors.yaml of the catalogue.

    Recorded energy stays as it is: reports of past quarters are computed with the set in use, too.

    [dim]$ ecoia factors use rte-2025 --fill previous[/dim]
    """
    settings = load_settings()
    path = _catalogue(settings) / "factors.yaml"
    chosen = _load(settings, set_id).choose(scope and scope.value, basis and basis.value, fill=fill and fill.value)
    if settings.zone is not None:
        chosen.check(settings.zone)
    choice = {"use": set_id, "scope": chosen.pairs[0][0], "basis": chosen.pairs[0][1], "fill": chosen.fill}
    replace_file(path, _CHOICE + "".join(f"{key}: {value}\n" for key, value in choice.items() if value))
    typer.echo(path)
    typer.echo(f"in use: {set_id}, {', '.join(chosen.pairs[0])}; gaps: {chosen.fill or 'not filled'}")


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A factor set.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    zone: ZoneOnly = None,
) -> None:
    """Compare two sets by zone and year. Scopes and bases stay apart: what differs in them is not compared.

    [dim]$ ecoia factors diff codecarbon ember --zone FRA[/dim]
    """
    settings = load_settings()
    a, b = (_groups(_load(settings, set_id)) for set_id in (first, second))
    rows = []
    for key in sorted(a.keys() | b.keys()):
        means = [groups[key].mean if key in groups else None for groups in (a, b)]
        if zone not in (None, key[0]) or means[0] == means[1]:
            continue
        change = f"{means[1] / means[0] - 1:+.1%}" if means[0] and means[1] is not None else "–"
        rows.append((*map(str, key), number(means[0], 4), number(means[1], 4), change))
    columns = ("zone", "scope", "basis", "year", f"{first} gCO2e/kWh", f"{second} gCO2e/kWh", "change")
    print_table(f"{first} and {second}: yearly means that differ", columns, rows, right=columns[4:])
    if not rows:
        typer.echo("no difference")


@dataclass
class _Group:
    """Factors of one zone, scope, basis and year."""

    count: int = 0
    held: int = 0
    sum: float = 0.0
    least: float = float("inf")
    greatest: float = 0.0

    @property
    def mean(self) -> float:
        """Weighted by how long each holds."""
        return self.sum / self.held


def _groups(found: FactorSet) -> dict[_GROUP_KEY, _Group]:
    groups: dict[_GROUP_KEY, _Group] = {}
    for factor in found.factors:
        group = groups.setdefault((factor.zone, factor.scope, factor.basis, factor.year), _Group())
        held = factor.end_utc_ns - factor.start_utc_ns
        group.count += 1
        group.held += held
        group.sum += held * factor.value_g_per_kwh
        group.least = min(group.least, factor.value_g_per_kwh)
        group.greatest = max(group.greatest, factor.value_g_per_kwh)
    return groups


def _load(settings: Settings, set_id: str) -> FactorSet:
    from ecoia import factors as sets

    return sets.load(set_id, settings.catalogue, ZoneInfo(settings.timezone))


def _catalogue(settings: Settings) -> Path:
    if settings.catalogue is None:
        raise UsageError("factor sets are kept in the catalogue, and none is set: 'ecoia init' writes one (setting 'catalogue')")
    folder = Path(settings.catalogue)
    if not folder.is_dir():
        raise UsageError(f"catalogue = '{folder}' is not a folder: create it with 'ecoia init', or set another one")
    return folder


def _span(found: FactorSet) -> str:
    first = min(factor.start_utc_ns for factor in found.factors)
    last = max(factor.end_utc_ns for factor in found.factors) - 1
    days = (utc_datetime(instant).astimezone(found.timezone).date().isoformat() for instant in (first, last))
    return " to ".join(days)


def _tell_gaps(found: FactorSet, zone: str | None) -> None:
    for scope, basis in found.pairs:
        part = found.choose(scope, basis)
        for each in part.zones() if zone is None else (zone,):
            gaps = part.gaps(each)
            if gaps:
                count = sum((end - start) // HALF_HOUR_NS for start, end in gaps)
                first = utc_datetime(gaps[0][0]).astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
                say(
                    f"{each} ({scope}, {basis}): {count} half-hours have no factor, the first at {first}. CO2e of energy used "
                    "then is not computed, unless 'ecoia factors use --fill' says how"
                )

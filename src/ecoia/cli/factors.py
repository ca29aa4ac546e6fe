"""``ecoia factors list | show | import | use | diff``: manage the emission factors of electricity."""

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
from ecoia.semconv import is_slug
from ecoia.settings import Settings, slug

if TYPE_CHECKING:
    from ecoia.factors import FactorSet
    from ecoia.factors.importers import Imported

_GROUP_KEY = tuple[str, str, str, int]  # zone, scope, basis, year

_CHOICE = """\
# Facteurs d'émission de l'électricité : le jeu utilisé, un seul à la fois. Écrit par « ecoia factors use » ;
# « ecoia factors list » donne les jeux connus.
"""


class Kind(StrEnum):
    """The publisher whose form a file has."""

    ADEME = "ademe"
    ECO2MIX = "eco2mix"
    ELECTRICITYMAPS = "electricitymaps"
    GENERIC = "generic"


class Scope(StrEnum):
    """Which emissions a factor counts."""

    DIRECT = "direct"
    LIFECYCLE = "lifecycle"


class Basis(StrEnum):
    """Which electricity a factor is for."""

    PRODUCTION = "production"
    CONSUMPTION = "consumption"


class Fill(StrEnum):
    """How gaps between factors are filled."""

    PREVIOUS = "previous"
    MEAN = "mean"
    ANNUAL = "annual"


class Resolution(StrEnum):
    """How long a line of Electricity Maps is valid."""

    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"


SetId = Annotated[str, typer.Argument(metavar="ID", help="Id of a factor set; 'ecoia factors list' lists them.")]
ZoneOnly = Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="Only this zone, e.g. FRA.")]


group = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="rich")


@group.callback()
def factors() -> None:
    """Manage the emission factors of electricity.

    One set is in use at a time, of one scope and one basis. The report names it with source, licence and date.

    [dim]$ ecoia factors list[/dim]
    """


@group.command("list")
def list_sets() -> None:
    """List the built-in and imported sets, and mark the one in use.

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


@group.command("show")
def show(set_id: SetId, zone: ZoneOnly = None) -> None:
    """Show a set by zone and year, with its sources and gaps.

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
    _report_gaps(found, zone)


@group.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The publisher's file.")],
    kind: Annotated[Kind | None, typer.Option("--as", help="Form of the file.", show_default="by its first line")] = None,
    set_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Id of the new set.", show_default="the file's name")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="Title of the set, for readers.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Publisher of the figures.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Licence of the figures.")] = None,
    scope: Annotated[Scope | None, typer.Option("--scope", help="Which emissions a generic file counts.")] = None,
    basis: Annotated[Basis | None, typer.Option("--basis", help="Which electricity a generic file is for.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Zone of a file whose code has no country.")] = None,
    resolution: Annotated[
        Resolution | None, typer.Option("--resolution", help="How long a line of Electricity Maps is valid.")
    ] = None,
    retrieved_on: Annotated[
        str | None,
        typer.Option("--retrieved-on", metavar="DAY", help="Day on which the file was retrieved.", show_default="today"),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="The file's encoding, if it is not UTF-8, UTF-16 or CP1252.")
    ] = None,
) -> None:
    """Import a publisher's file into the catalogue, as a set of its own.

    A mistake refuses the whole file, and an existing set of the same name stays. The set is not in use until 'ecoia factors use'.

    [dim]$ ecoia factors import eCO2mix_RTE_Annuel-Definitif_2025.xls --id rte-2025[/dim]
    """
    from ecoia.factors.zones import is_known

    settings = load_settings()
    folder = _catalogue(settings)
    if zone is not None and not is_known(zone):
        raise UsageError(f"--zone {zone!r}: write an ISO 3166 alpha-3 code, e.g. FRA, or with a part, DNK-DK1")
    timezone = ZoneInfo(settings.timezone)
    said = {
        "id": _new_id(set_id, file),
        "title": title,
        "source": source,
        "licence": licence,
        "scope": scope,
        "basis": basis,
        "zone": zone,
        "resolution": resolution,
        "retrieved_on": retrieved_on or datetime.now(timezone).date().isoformat(),
    }
    imported = _read_file(file, kind, {name: str(value) for name, value in said.items() if value}, timezone, encoding)
    path, replaced = _write_set(folder, imported)
    typer.echo(path)
    found = imported.factors
    pairs = "; ".join(", ".join(pair) for pair in found.pairs)
    typer.echo(f"{len(found.factors)} factors of {', '.join(found.zones())} ({pairs}), {_span(found)}")
    if replaced:
        say(f"the set '{found.id}' that was there is replaced: reports that use it change with it")
    for reason, count in sorted(imported.left_out.items()):
        say(f"{count} line{'' if count == 1 else 's'} left out: {reason}")
    _report_gaps(found, None)


def _new_id(set_id: str | None, file: Path) -> str:
    """Return the id of a new set: the option ``--id``, else from the file's name.

    Raises:
        UsageError: it is not a legal id, or a built-in set has it.
    """
    from ecoia import factors as sets

    name = slug(file.stem) if set_id is None else set_id
    if not is_slug(name) or name in sets.BUILT_IN:
        raise UsageError(f"--id {name!r}: use lower-case letters, digits, '.', '_' and '-', not {', '.join(sets.BUILT_IN)}")
    return name


def _read_file(file: Path, kind: Kind | None, said: dict[str, str], timezone: ZoneInfo, encoding: str | None) -> Imported:
    """Read a publisher's file, with the values that the options give where the file has none.

    Raises:
        UsageError: there is no such encoding, or the form of the file is not recognised.
        FactorFileError: the file has mistakes; the message lists them.
    """
    from ecoia.factors.importers import kind_of, read_as

    try:
        return read_as(file, kind.value if kind else kind_of(file, encoding), said, timezone, encoding=encoding)
    except LookupError as error:
        if isinstance(error, EcoiaError):
            raise
        raise UsageError(f"--encoding {encoding!r}: no such encoding; e.g. utf-8 or cp1252") from error


def _write_set(catalogue: Path, imported: Imported) -> tuple[Path, bool]:
    """Write a set into the catalogue. Returns its file, and whether it replaced one.

    Raises:
        EcoiaError: the file cannot be written.
    """
    from ecoia import factors as sets

    path = catalogue / sets.FOLDER / f"{imported.factors.id}{sets.files.SUFFIX}"
    replaced = path.exists()
    try:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, imported.text)
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): make the catalogue's folder writable") from error
    return path, replaced


@group.command("use")
def use(
    set_id: SetId,
    scope: Annotated[Scope | None, typer.Option("--scope", help="Which emissions, if the set holds several scopes.")] = None,
    basis: Annotated[Basis | None, typer.Option("--basis", help="Which electricity, if the set holds several bases.")] = None,
    fill: Annotated[Fill | None, typer.Option("--fill", help="How to fill gaps.", show_default="they are not")] = None,
) -> None:
    """Put a set in use, for every zone and report.

    Writes factors.yaml of the catalogue. Reports of past quarters use the new set, too, since recorded energy does not change.

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


@group.command("diff")
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Id of a factor set.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Id of another one.")],
    zone: ZoneOnly = None,
) -> None:
    """Compare two sets by zone and year, scope by scope and basis by basis.

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
        """The mean, weighted by how long each factor is valid."""
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


def _report_gaps(found: FactorSet, zone: str | None) -> None:
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

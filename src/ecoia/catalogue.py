"""What the organisation says of itself: services, charter, targets, electricity, sites, equipment. Read from a folder of files.

``services.yaml`` is the register (who is in the denominator of coverage), ``charter.yaml`` the commitments and the
bodies that keep them alive, ``targets.yaml`` what was promised, ``calibration.yaml`` what was measured at the wall,
``factors.yaml`` which emission factors are in use, ``contracts.yaml`` what electricity was contracted, ``sites.yaml`` the
buildings, ``equipment.yaml`` what was made for the services, ``outcomes.csv`` what of their results was accepted. Each may be
absent. A mistake is named by file, line, field and remedy, and every mistake of the folder is reported at once.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ecoia.errors import CatalogueError, UsageError
from ecoia.periods import Quarter
from ecoia.settings import is_slug, is_zone

SERVICES_FILE, CHARTER_FILE, TARGETS_FILE = "services.yaml", "charter.yaml", "targets.yaml"
CALIBRATION_FILE = "calibration.yaml"
SITES_FILE, EQUIPMENT_FILE, OUTCOMES_FILE = "sites.yaml", "equipment.yaml", "outcomes.csv"
FACTORS_FILE, CONTRACTS_FILE = "factors.yaml", "contracts.yaml"

INDICATORS = {
    "energy_components": "kWh",
    "energy_it": "kWh",
    "energy": "kWh",
    "co2e": "kgCO2e",
    "co2e_operational": "kgCO2e",
    "co2e_operational_market": "kgCO2e",
    "co2e_embodied": "kgCO2e",
    "co2e_api": "kgCO2e",
    "co2e_constant_factor": "kgCO2e",
    "water_direct": "L",
    "water_indirect": "L",
    "sci": "gCO2e",
    "training_intensity": "gCO2e",
    "co2e_per_accepted_outcome": "gCO2e",
    "idle_rate": "1",
    "waste_rate": "1",
    "coverage_services": "1",
}
"""What a target may be set on, with its unit (``1``: a share)."""

PER_SERVICE = ("sci", "training_intensity", "co2e_per_accepted_outcome")
"""Those that only a service has: each counts in its own unit."""
_OF_ALL = ("energy_components", "energy", "coverage_services")

Status = Literal["generalised", "qualification", "poc", "retired"]


def _slug(value: str) -> str:
    if not is_slug(value):
        raise ValueError("an id holds lower-case letters, digits, '.', '_' and '-', 63 at most, a letter or digit first")
    return value


def _quarter(value: str) -> str:
    try:
        return str(Quarter.parse(value))
    except UsageError as error:
        raise ValueError(str(error)) from None


def _role(value: str) -> str:
    if "@" in value:
        raise ValueError("an owner is a role, never a person: write the role (e.g. 'chef de produit IA') without an address")
    return value


def _indicator(value: str) -> str:
    if value not in INDICATORS:
        raise ValueError(f"no such indicator; known: {', '.join(INDICATORS)}")
    return value


def _iso_day(value: Any) -> Any:
    # YAML reads an unquoted day as a date already; anything else must be quoted ISO, never a number of seconds.
    if isinstance(value, date | str) or value is None:
        return value
    raise ValueError("write a day as 2026-11-23")


_PATTERN = re.compile(r"[a-z0-9._*?-]{1,63}")


def _pattern(value: str) -> str:
    if _PATTERN.fullmatch(value) is None:
        raise ValueError("write an instance's name, with '*' for any characters and '?' for one, e.g. \"gpu-0*\"")
    return value


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _zone(value: str) -> str:
    if is_zone(value):
        return value
    raise ValueError("write an ISO 3166-1 alpha-3 country code in capitals, e.g. FRA")


Slug = Annotated[str, AfterValidator(_slug)]
QuarterText = Annotated[str, AfterValidator(_quarter)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Day = Annotated[date, BeforeValidator(_iso_day)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(min_length=1), BeforeValidator(_listed)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Service(_Model):
    """A named AI service of the register.

    ``lifetime_units`` is how many functional units the model in service is expected to deliver before it is replaced: over
    these its training is amortised.
    """

    id: Slug
    name: Text
    audience: Text | None = None
    purpose: Text | None = None
    status: Status
    counted_among_generalised: bool = False
    functional_unit: Text | None = None
    lifetime_units: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    scope: Text | None = None
    owner_role: Annotated[Text, AfterValidator(_role)] | None = None
    stand_in: bool = False
    succeeds: Slug | None = None

    @model_validator(mode="after")
    def _not_itself(self) -> Service:
        if self.succeeds == self.id:
            raise ValueError("'succeeds' names this very service: name the one that it replaces, or leave it out")
        return self


class Unnamed(_Model):
    """Services that exist without being named: they stay in the denominator of coverage."""

    count: Annotated[int, Field(ge=0)] = 0
    approximate: bool = False
    status: tuple[Status, ...] = ()


class ServicesFile(_Model):
    """``services.yaml``."""

    as_of: Day | None = None
    unnamed: Unnamed = Unnamed()
    services: tuple[Service, ...] = ()


class Organisation(_Model):
    """Who reports."""

    id: Slug
    name: Text
    former_name: Text | None = None


class CharterCommitment(_Model):
    """A commitment. ``text`` stays null until the organisation pastes its own wording: ecoia never invents it."""

    number: Annotated[int, Field(ge=1)]
    id: Slug
    name: Text
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None


class Charter(_Model):
    """The charter's title and commitments."""

    title: Text
    commitments: tuple[CharterCommitment, ...] = ()


class GovernanceBody(_Model):
    """A body that keeps the charter alive. ``contact`` is the body's, e.g. a shared mailbox."""

    id: Slug
    name: Text
    role: Text | None = None
    members: Text | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    contact: Text | None = None


class CharterFile(_Model):
    """``charter.yaml``."""

    organisation: Organisation
    charter: Charter | None = None
    governance: tuple[GovernanceBody, ...] = ()


class Decision(_Model):
    """Who adopted a target, when, and the SHA-256 of the minutes that say so."""

    body: Slug | None = None
    date: Day | None = None
    minutes_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Baseline(_Model):
    """The reference of a trajectory."""

    quarters: Annotated[tuple[QuarterText, ...], Field(min_length=1)]
    boundary: Text | None = None


class Target(_Model):
    """What was promised: a threshold at a deadline (``op``, ``value``, ``deadline``) or a trajectory (``baseline``,
    ``reduction``, ``horizon``); of all services, or of one."""

    id: Slug
    indicator: Annotated[str, AfterValidator(_indicator)]
    service: Slug | None = None
    op: Literal[">=", "<="] | None = None
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    deadline: QuarterText | None = None
    baseline: Baseline | None = None
    reduction: Share | None = None
    horizon: Annotated[int, Field(ge=2000, le=2200)] | None = None
    status: Literal["proposed", "adopted"] = "proposed"
    decision: Decision | None = None
    verdict_if_interval_straddles: Literal["inconclusive"] = "inconclusive"

    @property
    def is_trajectory(self) -> bool:
        """Whether this is a reduction against a baseline, rather than a threshold."""
        return self.baseline is not None

    @model_validator(mode="after")
    def _one_shape(self) -> Target:
        threshold = (self.op, self.value, self.deadline)
        trajectory = (self.baseline, self.reduction, self.horizon)
        shapes = tuple(sum(part is not None for part in shape) for shape in (threshold, trajectory))
        if shapes not in ((3, 0), (0, 3)):
            raise ValueError("write either op, value, deadline (a threshold) or baseline, reduction, horizon (a trajectory)")
        if self.value is not None and INDICATORS[self.indicator] == "1" and self.value > 1:
            raise ValueError(f"{self.indicator} is a share: write value between 0 and 1, e.g. 0.90 for 90 %")
        if self.indicator in PER_SERVICE and self.service is None:
            raise ValueError(f"{self.indicator} is per unit of one service: add 'service' with its id")
        if self.indicator in _OF_ALL and self.service is not None:
            raise ValueError(f"{self.indicator} is judged for all services: leave 'service' out")
        if self.status == "adopted":
            decision = self.decision or Decision()
            lacking = [name for name in ("body", "date", "minutes_sha256") if getattr(decision, name) is None]
            if lacking:
                needed = ", ".join(f"decision.{name}" for name in lacking)
                raise ValueError(f"an adopted target needs its decision: give {needed}, or write status: proposed")
        return self


class Recalculation(_Model):
    """From which change of a published total on a quarter is recalculated."""

    threshold: Share = 0.05


class TargetsFile(_Model):
    """``targets.yaml``."""

    targets: tuple[Target, ...] = ()
    recalculation: Recalculation = Recalculation()


class Calibration(_Model):
    """What was measured of one component: its energy at the wall over the energy that its meter gave.

    ``instances`` are names or patterns (``*``, ``?``); ``from`` and ``until`` civil days in the organisation's time zone,
    half-open. ``gsd`` is the geometric standard deviation of the measurement.
    """

    component: Literal["cpu", "gpu", "ram"]
    wall_factor: Annotated[float, Field(ge=0.8, le=5, allow_inf_nan=False)]
    gsd: Annotated[float, Field(ge=1, le=3, allow_inf_nan=False)] | None = None
    instances: Patterns = ("*",)
    start: Annotated[Day | None, Field(alias="from")] = None
    until: Day | None = None
    source: Text
    date: Day

    @model_validator(mode="after")
    def _some_days(self) -> Calibration:
        if self.start is not None and self.until is not None and self.until <= self.start:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self

    def covers(self, component: str, instance: str, day: Day) -> bool:
        """Whether it holds for a component of an instance on a civil day."""
        return (
            component == self.component
            and (self.start or date.min) <= day < (self.until or date.max)
            and any(fnmatchcase(instance, pattern) for pattern in self.instances)
        )

    def overlaps(self, other: Calibration) -> bool:
        """Whether both could hold for one component of one instance on one day."""
        return (
            self.component == other.component
            and (self.start or date.min) < (other.until or date.max)
            and (other.start or date.min) < (self.until or date.max)
            and any(_meet(a, b) for a in self.instances for b in other.instances)
        )


@cache
def _meet(a: str, b: str) -> bool:
    """Whether some name fits both patterns."""
    if not a or not b:
        return not (a or b).strip("*")
    if a[0] == "*":
        return _meet(a[1:], b) or _meet(a, b[1:])
    if b[0] == "*":
        return _meet(b, a)
    return (a[0] == b[0] or "?" in (a[0], b[0])) and _meet(a[1:], b[1:])


class CalibrationFile(_Model):
    """``calibration.yaml``."""

    calibrations: tuple[Calibration, ...] = ()


class FactorsFile(_Model):
    """``factors.yaml``: the set of emission factors in use, its one scope and basis, and how a gap in it is filled, if at all."""

    use: Slug = "default"
    scope: Literal["direct", "lifecycle"] | None = None
    basis: Literal["production", "consumption"] | None = None
    fill: Literal["previous", "mean", "annual"] | None = None


class Contract(_Model):
    """Electricity that a supplier sold as its own: what a kilowatt-hour of it emits, and what part of the use it covers.

    ``instances`` are names or patterns (``*``, ``?``); ``from`` and ``until`` civil days in the organisation's time zone,
    half-open. ``evidence`` is what shows it (guarantees of origin cancelled, a certificate), never the contract's price.
    """

    supplier: Text
    gco2e_per_kwh: Annotated[float, Field(ge=0, le=2000, allow_inf_nan=False)]
    scope: Literal["direct", "lifecycle"]
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    zone: Annotated[str, AfterValidator(_zone)]
    instances: Patterns = ("*",)
    start: Annotated[Day, Field(alias="from")]
    until: Day
    evidence: Text

    @model_validator(mode="after")
    def _some_days(self) -> Contract:
        if self.until <= self.start:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self

    def covers(self, zone: str, instance: str, day: Day) -> bool:
        """Whether it holds for what an instance uses in a zone on a civil day."""
        return (
            zone == self.zone
            and self.start <= day < self.until
            and any(fnmatchcase(instance, pattern) for pattern in self.instances)
        )

    def meets(self, other: Contract) -> bool:
        """Whether the other could hold for some instance in the zone on this one's first day."""
        return (
            self.zone == other.zone
            and other.start <= self.start < other.until
            and any(_meet(a, b) for a in self.instances for b in other.instances)
        )


class ContractsFile(_Model):
    """``contracts.yaml``."""

    contracts: tuple[Contract, ...] = ()


class SiteFigure(_Model):
    """A figure of a site over some civil days (half-open, in the organisation's time zone), with where it comes from."""

    value: float
    quality: Literal["measured", "declared", "default"]
    start: Annotated[Day | None, Field(alias="from")] = None
    until: Day | None = None
    source: Text
    date: Day

    @property
    def days(self) -> tuple[Day, Day]:
        """First day on which it holds, and first on which it no longer does."""
        return self.start or date.min, self.until or date.max

    @model_validator(mode="after")
    def _some_days(self) -> SiteFigure:
        if self.days[1] <= self.days[0]:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self


class Pue(SiteFigure):
    """Power usage effectiveness: energy of the building / energy of its IT equipment."""

    value: Annotated[float, Field(ge=1, le=5, allow_inf_nan=False)]


class WaterFigure(SiteFigure):
    """Litres consumed per kWh: of IT energy (WUE), or of electricity (water factor of the mix)."""

    value: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class Site(_Model):
    """A building, and which instances are in it. ``operated``: by the organisation itself (``own``), or by who hosts it."""

    id: Slug
    name: Text | None = None
    instances: Patterns
    operated: Literal["own", "hosted"] | None = None
    zone: Annotated[str, AfterValidator(_zone)] | None = None
    pue: tuple[Pue, ...] = ()
    wue: tuple[WaterFigure, ...] = ()
    water_factor: tuple[WaterFigure, ...] = ()

    def holds(self, instance: str) -> bool:
        """Whether an instance is in it."""
        return any(fnmatchcase(instance, pattern) for pattern in self.instances)

    def at(self, day: Day, index: int) -> tuple[int, int, int, int]:
        """``index`` (its own place among sites), then the places of the PUE, WUE and water factor of a day; -1: none."""

        def found(figures: Sequence[SiteFigure]) -> int:
            return next((at for at, figure in enumerate(figures) if figure.days[0] <= day < figure.days[1]), -1)

        return index, found(self.pue), found(self.wue), found(self.water_factor)


class SitesFile(_Model):
    """``sites.yaml``."""

    sites: tuple[Site, ...] = ()


class Equipment(_Model):
    """A machine, or a device in it, with the footprint of its making (the manufacturer's, where there is one).

    ``reserved_share`` is the part of it that is there for AI services. ``devices`` are ids as records carry them; with none the
    entry is the machine. It is amortised over ``life_years`` from the day ``from``, and no further than ``until``.
    """

    id: Slug
    name: Text | None = None
    co2e_kg: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
    life_years: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)]
    reserved_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    instances: Patterns
    devices: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    start: Annotated[Day, Field(alias="from")]
    until: Day | None = None
    source: Text
    date: Day

    @model_validator(mode="after")
    def _some_days(self) -> Equipment:
        if self.until is not None and self.until <= self.start:
            raise ValueError("'until' is the first day on which it is no longer used: write a day after 'from'")
        return self

    def on(self, instance: str) -> bool:
        """Whether an instance runs on it."""
        return any(fnmatchcase(instance, pattern) for pattern in self.instances)


class EquipmentFile(_Model):
    """``equipment.yaml``."""

    equipment: tuple[Equipment, ...] = ()


@dataclass(frozen=True)
class Outcomes:
    """A line of ``outcomes.csv``: how many results of a service were accepted in a quarter, and who says so."""

    service: str
    quarter: str
    accepted: float
    source: str


@dataclass(frozen=True)
class Catalogue:
    """The files together. What a missing file would have said is empty, never invented."""

    register: ServicesFile = field(default_factory=ServicesFile)
    charter: CharterFile | None = None
    targets: TargetsFile = field(default_factory=TargetsFile)
    calibrations: tuple[Calibration, ...] = ()
    factors: FactorsFile = field(default_factory=FactorsFile)
    contracts: tuple[Contract, ...] = ()
    sites: tuple[Site, ...] = ()
    equipment: tuple[Equipment, ...] = ()
    outcomes: tuple[Outcomes, ...] = ()

    @property
    def services(self) -> tuple[Service, ...]:
        """The named services, in the register's order."""
        return self.register.services

    def service(self, service_id: str | None) -> Service | None:
        """The service of this id; None when it is not registered."""
        return next((service for service in self.services if service.id == service_id), None)


@dataclass(frozen=True)
class _Problem:
    """One mistake, where it is and what to do."""

    file: str
    line: int
    path: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.remedy}" if self.path else f"{self.file}:{self.line}: {self.remedy}"


_FILES: tuple[tuple[str, type[_Model]], ...] = (
    (SERVICES_FILE, ServicesFile),
    (CHARTER_FILE, CharterFile),
    (TARGETS_FILE, TargetsFile),
    (CALIBRATION_FILE, CalibrationFile),
    (SITES_FILE, SitesFile),
    (EQUIPMENT_FILE, EquipmentFile),
    (FACTORS_FILE, FactorsFile),
    (CONTRACTS_FILE, ContractsFile),
)

# Lists whose items are known by a key: two of one key is a mistake.
_UNIQUE: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    SERVICES_FILE: ((("services",), "id"),),
    CHARTER_FILE: ((("charter", "commitments"), "id"), (("charter", "commitments"), "number"), (("governance",), "id")),
    TARGETS_FILE: ((("targets",), "id"),),
    CALIBRATION_FILE: (),
    SITES_FILE: ((("sites",), "id"),),
    EQUIPMENT_FILE: ((("equipment",), "id"),),
    FACTORS_FILE: (),
    CONTRACTS_FILE: (),
}


def load(folder: str | Path | None) -> Catalogue:
    """Read the catalogue of a folder.

    Args:
        folder: Where the files are; each may be absent. None: an empty catalogue, in which everything is unregistered.

    Raises:
        CatalogueError: the folder is missing, or a file is wrong; the message has one line a mistake.
    """
    if folder is None:
        return Catalogue()
    base = Path(folder)
    if not base.is_dir():
        raise CatalogueError(f"catalogue = '{folder}' is not a folder: create it with 'ecoia init', or set another one")
    parts = _read(base, _FILES)
    return Catalogue(
        parts.get(SERVICES_FILE) or ServicesFile(),
        parts.get(CHARTER_FILE),
        parts.get(TARGETS_FILE) or TargetsFile(),
        (parts.get(CALIBRATION_FILE) or CalibrationFile()).calibrations,
        parts.get(FACTORS_FILE) or FactorsFile(),
        (parts.get(CONTRACTS_FILE) or ContractsFile()).contracts,
        (parts.get(SITES_FILE) or SitesFile()).sites,
        (parts.get(EQUIPMENT_FILE) or EquipmentFile()).equipment,
        parts[OUTCOMES_FILE],
    )


def factors_chosen(folder: str | Path | None) -> FactorsFile:
    """``factors.yaml`` alone: which emission factors are in use, whatever the other files say.

    Raises:
        CatalogueError: the file is wrong.
    """
    if folder is None:
        return FactorsFile()
    found: FactorsFile | None = _read(Path(folder), ((FACTORS_FILE, FactorsFile),)).get(FACTORS_FILE)
    return found or FactorsFile()


def _read(base: Path, files: Iterable[tuple[str, type[_Model]]]) -> dict[str, Any]:
    """The contents of some files of a folder, each that is there by its name."""
    problems: list[_Problem] = []
    parts: dict[str, Any] = {}
    nodes: dict[str, yaml.Node] = {}
    for name, model in files:
        path = base / name
        if not path.exists():
            continue
        node, data, found = _parse(name, path)
        if not found and node is not None:
            nodes[name] = node
            found = [*_duplicates(name, node), *_validate(name, node, data, model, parts)]
        problems += found
    if files is _FILES:
        parts[OUTCOMES_FILE], found = _read_outcomes(base / OUTCOMES_FILE)
        problems += found
    if not problems:
        problems += [*_unknown_bodies(parts, nodes), *_overlaps(parts, nodes)]
        problems += [*_oversold(parts, nodes), *_site_overlaps(parts, nodes)]
    if problems:
        problems.sort(key=lambda problem: (problem.file, problem.line, problem.path))
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise CatalogueError("\n".join([f"{count} in the catalogue '{base}'", *map(str, problems)]))
    return parts


def _parse(name: str, path: Path) -> tuple[yaml.Node | None, Any, list[_Problem]]:
    """The node tree (for lines) and the data of a file; an empty file has neither."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node), []
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, None, [_Problem(name, line, "", f"not readable as YAML ({error.problem}): check indentation and quotes")]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        return None, None, [_Problem(name, line, "", f"holds a character that YAML forbids ({error.reason}): remove it")]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return None, None, [_Problem(name, line, "", "not readable as UTF-8: save the file in UTF-8")]
    except (ValueError, RecursionError, OverflowError) as error:  # e.g. the day 2026-02-31, or a file nested a thousand deep
        return None, None, [_Problem(name, 1, "", f"holds a value that YAML cannot read ({error}): correct it or quote it")]
    except OSError as error:
        return None, None, [_Problem(name, 1, "", f"not readable ({error.strerror}): check its permissions")]


def _entries(node: yaml.Node | None) -> list[tuple[str, yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), key, value) for key, value in node.value]


def _child(node: yaml.Node | None, step: int | str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """The key's node and the value's node one step below; of the last of two equal keys, as YAML reads it."""
    found: tuple[yaml.Node | None, yaml.Node | None] = (None, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    for key, key_node, value in _entries(node):
        if key == step:
            found = (key_node, value)
    return found


def _line(node: yaml.Node, location: Sequence[int | str]) -> int:
    """The line (from 1) of a location; of the nearest part above it that exists."""
    line = node.start_mark.line + 1
    current: yaml.Node | None = node
    for step in location:
        key, current = _child(current, step)
        if key is None:
            break
        line = key.start_mark.line + 1
    return line


def _path(location: Sequence[int | str]) -> str:
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _walk(node: yaml.Node, location: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], yaml.Node]]:
    yield location, node
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*location, index))
    for key, _, value in _entries(node):
        yield from _walk(value, (*location, key))


def _duplicates(name: str, node: yaml.Node) -> Iterator[_Problem]:
    """Two equal keys in one mapping (YAML would keep the last in silence), two equal ids in one list."""
    for location, part in _walk(node):
        seen: dict[str, int] = {}
        for key, key_node, _ in _entries(part):
            line = key_node.start_mark.line + 1
            if key in seen:
                yield _Problem(name, line, _path((*location, key)), f"written twice, first on line {seen[key]}: keep one")
            seen.setdefault(key, line)
    for list_path, key in _UNIQUE[name]:
        listed: yaml.Node | None = node
        for step in list_path:
            listed = _child(listed, step)[1]
        first: dict[str, int] = {}
        items = listed.value if isinstance(listed, yaml.SequenceNode) else []
        for index, entry in enumerate(items):
            id_node = _child(entry, key)[1]
            if not isinstance(id_node, yaml.ScalarNode):
                continue
            line = id_node.start_mark.line + 1
            text = id_node.value
            if text in first:
                where = _path((*list_path, index, key))
                yield _Problem(name, line, where, f"{text!r} is already used on line {first[text]}: each {key} is used once")
            first.setdefault(text, line)


def _validate(name: str, node: yaml.Node, data: Any, model: type[_Model], parts: dict[str, Any]) -> list[_Problem]:
    try:
        parts[name] = model.model_validate(data)
    except ValidationError as error:
        return [
            _Problem(name, _line(node, problem["loc"]), _path(problem["loc"]), _remedy(dict(problem), model))
            for problem in error.errors(include_url=False)
            if problem["type"] != "too_short" or not problem["input"]  # a list all of whose items are wrong, told one by one
        ]
    return []


def _remedy(problem: dict[str, Any], model: type[_Model]) -> str:
    """What is wrong and what to do, from a pydantic error."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "missing" and problem["loc"][-1] == "life_years":
        return "missing: add the expected life in years, as your accounts or the maker have it; nothing is amortised without"
    if kind == "missing":
        return "missing: add it"
    if kind == "extra_forbidden":
        known = _fields_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"no such field: {hint}known: {', '.join(known)}"
    if kind == "value_error":
        said = str(context["error"])
        return said if isinstance(value, dict) else f"{value!r}: {said}"
    if kind == "literal_error":
        return f"{value!r}: choose one of {context['expected'].replace(' or ', ', ')}"
    if kind == "string_type":
        return f"{value!r}: write text, between quotes if YAML reads it otherwise"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{_short(value)}: write 'field: value' lines here"
    if kind == "tuple_type":
        return f"{_short(value)}: write a list, each item on a line that starts with '- '"
    if kind == "string_pattern_mismatch":
        return f"{value!r}: write the 64 hexadecimal digits (lower case) of a SHA-256"
    if kind == "too_short":
        return "empty: write at least 1 item, or leave it out"
    if kind in ("greater_than_equal", "less_than_equal") and problem["loc"][-1] == "wall_factor":
        return f"{value!r}: write energy at the wall / energy of the component as measured, 0.8 to 5"
    if kind == "greater_than_equal" and "pue" in problem["loc"]:
        return f"{value!r}: a PUE is energy of the building / energy of its IT equipment: write 1 or more"
    return f"{_short(value)}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _fields_at(model: type[_Model], location: Sequence[int | str]) -> list[str]:
    """The field names that are legal at a location."""
    current = model
    for step in location:
        if isinstance(step, int):
            continue  # an item of the list whose model is already taken
        current = _model_in(current.model_fields[step].annotation) or current
    return [info.alias or name for name, info in current.model_fields.items()]


def _model_in(annotation: Any) -> type[_Model] | None:
    """The model inside ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, _Model):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)


def _unknown_bodies(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[_Problem]:
    """A decision taken by a body that the charter does not know."""
    charter, targets = parts.get(CHARTER_FILE), parts.get(TARGETS_FILE)
    if charter is None or targets is None or not charter.governance:
        return
    known = [body.id for body in charter.governance]
    for index, target in enumerate(targets.targets):
        body = target.decision.body if target.decision else None
        if body is not None and body not in known:
            location = ("targets", index, "decision", "body")
            yield _Problem(
                TARGETS_FILE,
                _line(nodes[TARGETS_FILE], location),
                _path(location),
                f"{body!r} is not in governance of {CHARTER_FILE}: known: {', '.join(known)}",
            )


def _overlaps(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[_Problem]:
    """Two calibrations that could both hold: nothing would say which."""
    listed = parts[CALIBRATION_FILE].calibrations if CALIBRATION_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(listed), 2):
        if first.overlaps(second):
            node = nodes[CALIBRATION_FILE]
            line = _line(node, ("calibrations", i, "component"))
            yield _Problem(
                CALIBRATION_FILE,
                _line(node, ("calibrations", j, "component")),
                _path(("calibrations", j)),
                f"{second.component!r} is calibrated on line {line} already, for some of the same instances and days: "
                "end one with 'until' before the other's 'from', or part their 'instances'",
            )


def _oversold(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[_Problem]:
    """Contracts that together could cover more than everything."""
    listed = parts[CONTRACTS_FILE].contracts if CONTRACTS_FILE in parts else ()
    for index, contract in enumerate(listed):
        together = sum(other.share for other in listed if contract.meets(other))
        if together > 1 + 1e-9:
            location = ("contracts", index, "share")
            yield _Problem(
                CONTRACTS_FILE,
                _line(nodes[CONTRACTS_FILE], location),
                _path(location),
                f"{contract.share:g}: contracts of {contract.zone} on {contract.start.isoformat()} cover {together:g} of the use "
                "together: shares add up to 1 at most; lower them, or part their periods or 'instances'",
            )


def _site_overlaps(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[_Problem]:
    """An instance in two sites, or two figures for one day of a site: nothing would say which."""
    sites = parts[SITES_FILE].sites if SITES_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(sites), 2):
        if any(_meet(a, b) for a in first.instances for b in second.instances):
            line = _line(nodes[SITES_FILE], ("sites", i, "instances"))
            where = ("sites", j, "instances")
            yield _Problem(
                SITES_FILE,
                _line(nodes[SITES_FILE], where),
                _path(where),
                f"{list(second.instances)!r} takes in instances of site {first.id!r} (line {line}): an instance is in one site, "
                "part the patterns",
            )
    for index, site in enumerate(sites):
        for name in ("pue", "wue", "water_factor"):
            for (i, first), (j, second) in itertools.combinations(enumerate(getattr(site, name)), 2):
                if first.days[0] < second.days[1] and second.days[0] < first.days[1]:
                    line = _line(nodes[SITES_FILE], ("sites", index, name, i))
                    figure = ("sites", index, name, j)
                    yield _Problem(
                        SITES_FILE,
                        _line(nodes[SITES_FILE], figure),
                        _path(figure),
                        f"{second.value!r} holds on days of line {line} too: end one with 'until' before the other's 'from'",
                    )


_OUTCOME_COLUMNS = ("service", "quarter", "accepted", "source")


def _read_outcomes(path: Path) -> tuple[tuple[Outcomes, ...], list[_Problem]]:
    """``outcomes.csv``: one line a service and quarter."""
    if not path.exists():
        return (), []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return (), [_Problem(path.name, line, "", "not readable as UTF-8: save the file in UTF-8")]
    except OSError as error:
        return (), [_Problem(path.name, 1, "", f"not readable ({error.strerror}): check its permissions")]
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",")
    found: dict[tuple[str, str], tuple[int, Outcomes]] = {}
    problems: list[_Problem] = []
    columns: list[str] = []
    try:
        for cells in reader:
            if not columns:
                columns = [cell.strip() for cell in cells]
                if sorted(columns) != sorted(_OUTCOME_COLUMNS):
                    remedy = f"{', '.join(columns)!r}: write the columns {', '.join(_OUTCOME_COLUMNS)}, each once"
                    return (), [_Problem(path.name, 1, "header", remedy)]
            elif any(cell.strip() for cell in cells):
                line = reader.line_num
                if len(cells) != len(columns):
                    problems.append(
                        _Problem(path.name, line, "line", f"{len(cells)} cells: write {len(columns)}, as in the header")
                    )
                    continue
                outcome, wrong = _outcome(dict(zip(columns, map(str.strip, cells), strict=True)))
                problems += [_Problem(path.name, line, column, remedy) for column, remedy in wrong]
                if outcome is not None:
                    key = (outcome.service, outcome.quarter)
                    if key in found:
                        remedy = f"{outcome.quarter!r} of {outcome.service!r} is already on line {found[key][0]}: keep one line"
                        problems.append(_Problem(path.name, line, "quarter", remedy))
                    found.setdefault(key, (line, outcome))
    except csv.Error as error:
        problems.append(_Problem(path.name, max(reader.line_num, 1), "", f"not readable as CSV ({error}): check quotes"))
    return tuple(outcome for _, outcome in found.values()), problems


def _outcome(cells: dict[str, str]) -> tuple[Outcomes | None, list[tuple[str, str]]]:
    """A line, or every column that is wrong with its remedy."""
    wrong: list[tuple[str, str]] = []
    quarter, accepted = cells["quarter"], 0.0
    if not is_slug(cells["service"]):
        wrong.append(("service", f"{cells['service']!r}: write the id of a service, e.g. vadore"))
    try:
        quarter = str(Quarter.parse(quarter))
    except UsageError as error:
        wrong.append(("quarter", str(error)))
    try:
        accepted = float(cells["accepted"].replace(",", "."))
    except ValueError:
        accepted = -1.0
    if not 0 <= accepted < 1e15:
        wrong.append(("accepted", f"{cells['accepted']!r}: write a count of 0 or more, without spaces"))
    if not cells["source"]:
        wrong.append(("source", "empty: say where the count comes from, e.g. 'enquête 2026-12'"))
    return (None if wrong else Outcomes(cells["service"], quarter, accepted, cells["source"])), wrong


def starter_files() -> dict[str, str]:
    """Commented files to start a catalogue from, by name. They load as they are, and name no service yet."""
    return {
        SERVICES_FILE: _STARTER_SERVICES,
        CHARTER_FILE: _STARTER_CHARTER,
        TARGETS_FILE: _STARTER_TARGETS,
        CALIBRATION_FILE: _STARTER_CALIBRATION,
        SITES_FILE: _STARTER_SITES,
        EQUIPMENT_FILE: _STARTER_EQUIPMENT,
        FACTORS_FILE: _STARTER_FACTORS,
        CONTRACTS_FILE: _STARTER_CONTRACTS,
    }


_STARTER_SERVICES = """\
# Registre des services d'IA de l'organisation : c'est le dénominateur de la couverture.
# Un service mesuré sans être inscrit ici apparaît dans le rapport comme « non enregistré ».

# Jour auquel le registre est exact (décommenter).
# as_of: 2026-01-01

# Services qui existent sans être nommés ici (en qualification, en test) : ils restent au dénominateur.
unnamed: {count: 0, approximate: false, status: [qualification, poc]}

services: []
# Remplacer « services: [] » par la liste des services. Exemple d'un service :
# services:
#   - id: assistant-redaction           # minuscules, chiffres, « . », « _ », « - » ; ne change plus ensuite
#     name: Assistant de rédaction
#     audience: conseillers
#     purpose: propose un premier jet de réponse
#     status: generalised               # generalised | qualification | poc | retired
#     functional_unit: réponse proposée # ce qu'est un résultat utile : les intensités sont par unité
#     lifetime_units: 2000000           # unités que le modèle rendra avant d'être remplacé : amortit l'entraînement (facultatif)
#     scope: national                   # périmètre géographique ou organisationnel (facultatif)
#     owner_role: chef de produit IA    # un rôle, jamais une personne ni une adresse
#     succeeds: ancien-assistant        # service remplacé (facultatif)
"""

_STARTER_CHARTER = """\
# L'organisation, les engagements de sa charte et les instances qui la font vivre.
organisation:
  id: mon-organisation
  name: Mon organisation

charter:
  title: Charte pour une IA éthique
  commitments:
    # « text » reste vide (null) tant que l'organisation n'y a pas collé son propre texte :
    # le rapport le signale, et rien n'est rédigé à sa place.
    - {number: 7, id: impact-environnemental, name: Impact environnemental, text: null}

governance:
  - id: comite-interne
    name: Comité interne
    role: décide des objectifs et suit leur tenue
  - id: comite-externe
    name: Comité externe
    role: recommandations et préconisations
  - id: ligne-ethique
    name: Ligne éthique
    role: répond aux questions sur l'usage des services d'IA
    # contact: adresse d'une boîte partagée, rappelée sur chaque page du rapport
"""

_STARTER_TARGETS = """\
# Objectifs de l'engagement environnemental. « proposed » : proposé. « adopted » : adopté,
# ce qui demande la décision complète (instance, jour, SHA-256 du procès-verbal).

targets: []
# Remplacer « targets: [] » par la liste des objectifs. Exemples :
# targets:
#   - id: couverture                    # un seuil à une échéance
#     indicator: coverage_services
#     op: ">="
#     value: 0.90
#     deadline: 2027Q4
#     status: proposed
#     decision: {body: comite-interne, date: null, minutes_sha256: null}
#   - id: trajectoire                   # une réduction par rapport à des trimestres de référence
#     indicator: co2e_constant_factor
#     baseline: {quarters: [2027Q1, 2027Q2, 2027Q3, 2027Q4], boundary: v1}
#     reduction: 0.35
#     horizon: 2030
#     status: proposed

# Au-delà de cet écart, un trimestre publié est recalculé (les deux chiffres restent côte à côte).
recalculation: {threshold: 0.05}
"""

_STARTER_CALIBRATION = """\
# Étalonnage du site : ce qu'un wattmètre a mesuré à la prise, rapporté à l'énergie que donne le compteur du composant.
# Appliqué au calcul du rapport seulement ; ce qui est enregistré ne change pas. N'écrire ici que des mesures faites.

calibrations: []
# Remplacer « calibrations: [] » par la liste des mesures. Exemple (valeurs à remplacer par celles de la campagne) :
# calibrations:
#   - component: cpu                    # cpu | gpu | ram
#     wall_factor: 1.42                 # énergie à la prise / énergie du composant ; entre 0.8 et 5
#     gsd: 1.05                         # dispersion de cette mesure (facultatif)
#     instances: ["gpu-0*"]             # noms, avec « * » et « ? » (facultatif : toutes)
#     from: 2026-07-01                  # premier jour où elle vaut (facultatif)
#     until: 2027-01-01                 # premier jour où elle ne vaut plus (facultatif)
#     source: "Campagne de mesure, wattmètre X, PV n° 12"
#     date: 2026-06-15                  # jour de la mesure
"""

_STARTER_FACTORS = """\
# Facteurs d'émission de l'électricité : le jeu utilisé, un seul à la fois. « ecoia factors list » donne les jeux connus,
# « ecoia factors import » en ajoute un, « ecoia factors use » écrit ce fichier.

use: default
# scope: lifecycle                    # lifecycle | direct ; à choisir si le jeu contient les deux
# basis: production                   # production | consumption ; de même
# fill: previous                      # previous | mean | annual ; sans cette ligne, un trou n'est pas comblé
"""

_STARTER_CONTRACTS = """\
# Contrats d'électricité : le CO2e « selon les contrats » est montré à côté, jamais à la place ni dans un total.

contracts: []
# Remplacer « contracts: [] » par la liste des contrats. Exemple (valeurs à remplacer par celles du contrat) :
# contracts:
#   - supplier: Fournisseur
#     gco2e_per_kwh: 6                  # de l'électricité du contrat
#     scope: lifecycle                  # celle des facteurs utilisés : lifecycle | direct
#     share: 0.6                        # part de la consommation couverte
#     zone: FRA
#     instances: ["gpu-0*"]             # noms, avec « * » et « ? » (facultatif : toutes)
#     from: 2026-01-01                  # premier jour
#     until: 2027-01-01                 # premier jour où il ne vaut plus
#     evidence: "Garanties d'origine annulées, attestation n° 12"
"""

_STARTER_SITES = """\
# Les bâtiments : quelles machines y sont, et leur PUE, WUE et facteur d'eau, chacun avec sa période, sa source et sa qualité.
# Sans PUE, l'énergie d'un site reste « hors bâtiment » ; sans WUE ni facteur d'eau, l'eau n'est pas calculée.

sites: []
# Remplacer « sites: [] » par la liste des sites. Exemple (valeurs à remplacer par celles du site) :
# sites:
#   - id: centre-1
#     name: Centre de calcul n° 1
#     instances: ["gpu-0*"]             # noms, avec « * » et « ? » ; une machine n'est que dans un site
#     zone: FRA                         # zone électrique (facultatif)
#     operated: own                     # own (par l'organisation) | hosted (par un hébergeur)
#     pue:                              # énergie du bâtiment / énergie informatique ; 1 ou plus
#       - {value: 1.35, quality: declared, from: 2026-01-01, until: 2027-01-01, source: "Contrat X", date: 2026-01-15}
#     wue:                              # litres consommés sur place par kWh informatique
#       - {value: 0.25, quality: measured, source: "Relevé de compteur", date: 2026-01-15}
#     water_factor:                     # litres consommés par kWh d'électricité, en amont
#       - {value: 3.5, quality: default, source: "Étude Y", date: 2026-01-15}
#     # quality : measured (relevé) | declared (annoncé par l'exploitant) | default (valeur générique)
"""

_STARTER_EQUIPMENT = """\
# Les équipements et l'empreinte de leur fabrication : celle du fabricant d'abord, toujours avec sa source et son jour.

equipment: []
# Remplacer « equipment: [] » par la liste des équipements. Exemple (valeurs à remplacer par celles du fabricant) :
# equipment:
#   - id: serveur-1
#     name: Serveur à 8 cartes
#     co2e_kg: 3000                     # fabrication et transport, d'un seul exemplaire, en kgCO2e
#     life_years: 5                     # durée de vie attendue
#     reserved_share: 1                 # part réservée aux services d'IA ; au plus 1
#     instances: ["gpu-01"]             # ce qui tourne dessus, avec « * » et « ? »
#     from: 2026-01-01                  # premier jour d'usage
#     until: 2031-01-01                 # premier jour où il n'est plus utilisé (facultatif)
#     source: "Fiche carbone du fabricant, modèle Z"
#     date: 2025-11-03
"""

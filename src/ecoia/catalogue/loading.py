"""The catalogue as a whole, and reading it from a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ecoia.catalogue import checks
from ecoia.catalogue.calibration import CALIBRATION_FILE, Calibration, CalibrationFile
from ecoia.catalogue.charter import CHARTER_FILE, CharterFile
from ecoia.catalogue.committees import COMMITTEES_FILE, CommitteesFile
from ecoia.catalogue.crosschecks import CROSSCHECKS_FILE, CrosschecksFile, KeptCrosscheck
from ecoia.catalogue.electricity import CONTRACTS_FILE, FACTORS_FILE, Contract, ContractsFile, FactorsFile
from ecoia.catalogue.equipment import EQUIPMENT_FILE, Equipment, EquipmentFile
from ecoia.catalogue.equivalences import EQUIVALENCES_FILE, EquivalencesFile
from ecoia.catalogue.error_widths import GSD
from ecoia.catalogue.evaluations import EVALUATIONS_FILE, Answer, EvaluationsFile
from ecoia.catalogue.fields import Model
from ecoia.catalogue.host_models import HOST_MODELS_FILE, HostModelEntry, HostModelsFile, widest_gsd
from ecoia.catalogue.hosted_factors import HOSTED_FACTORS_FILE, HostedFactor, HostedFactorsFile
from ecoia.catalogue.method import METHOD_FILE, MethodFile
from ecoia.catalogue.outcomes import OUTCOMES_FILE, Outcomes, read_outcomes
from ecoia.catalogue.problems import Problem
from ecoia.catalogue.regions import REGIONS_FILE, RegionUnits, read_regions
from ecoia.catalogue.register import SERVICES_FILE, Service, ServicesFile
from ecoia.catalogue.sites import SITES_FILE, Site, SitesFile
from ecoia.catalogue.targets import TARGETS_FILE, TargetsFile
from ecoia.catalogue.yaml_files import Unique, duplicates, parse, validate
from ecoia.errors import CatalogueError
from ecoia.keeping.csv_lines import first


@dataclass(frozen=True)
class Catalogue:
    """The content of all files. A missing file leaves its part empty: nothing is invented."""

    register: ServicesFile = field(default_factory=ServicesFile)
    charter: CharterFile | None = None
    targets: TargetsFile = field(default_factory=TargetsFile)
    calibrations: tuple[Calibration, ...] = ()
    factors: FactorsFile = field(default_factory=FactorsFile)
    contracts: tuple[Contract, ...] = ()
    sites: tuple[Site, ...] = ()
    equipment: tuple[Equipment, ...] = ()
    outcomes: tuple[Outcomes, ...] = ()
    regions: tuple[RegionUnits, ...] = ()
    committees: CommitteesFile = field(default_factory=CommitteesFile)
    answers: tuple[Answer, ...] = ()
    method: MethodFile = field(default_factory=MethodFile)
    equivalences: tuple[str, ...] = ()
    hosted_factors: tuple[HostedFactor, ...] = ()
    host_models: tuple[HostModelEntry, ...] = ()
    crosschecks: tuple[KeptCrosscheck, ...] = ()

    @property
    def gsd(self) -> dict[str, float]:
        """Geometric standard deviations in use: the defaults, unless the organisation chose others."""
        return {**self.default_gsd, **self.method.gsd}

    @property
    def default_gsd(self) -> dict[str, float]:
        """Geometric standard deviations that nobody chose: what the site measured, else those of ``error_widths.GSD``."""
        return {**GSD, **widest_gsd(self.host_models)}

    @property
    def services(self) -> tuple[Service, ...]:
        """The named services, in the register's order."""
        return self.register.services

    def service(self, service_id: str | None) -> Service | None:
        """Return the service with this id; None where it is not registered."""
        return next((service for service in self.services if service.id == service_id), None)

    def evaluation(self, service_id: str, quarter: str) -> dict[str, Answer]:
        """Return the latest answer to each question of a service's self-assessment.

        Args:
            service_id: The service.
            quarter: The last quarter whose answers count.
        """
        given = sorted((a for a in self.answers if a.service == service_id and a.quarter <= quarter), key=lambda a: a.quarter)
        return {answer.question: answer for answer in given}


_FILES: tuple[tuple[str, type[Model]], ...] = (
    (SERVICES_FILE, ServicesFile),
    (CHARTER_FILE, CharterFile),
    (TARGETS_FILE, TargetsFile),
    (CALIBRATION_FILE, CalibrationFile),
    (SITES_FILE, SitesFile),
    (EQUIPMENT_FILE, EquipmentFile),
    (FACTORS_FILE, FactorsFile),
    (CONTRACTS_FILE, ContractsFile),
    (COMMITTEES_FILE, CommitteesFile),
    (EVALUATIONS_FILE, EvaluationsFile),
    (METHOD_FILE, MethodFile),
    (EQUIVALENCES_FILE, EquivalencesFile),
    (HOSTED_FACTORS_FILE, HostedFactorsFile),
    (HOST_MODELS_FILE, HostModelsFile),
    (CROSSCHECKS_FILE, CrosschecksFile),
)

FILES = (*(name for name, _ in _FILES), OUTCOMES_FILE, REGIONS_FILE)
"""Every file that the catalogue's folder may hold, apart from imported factors."""

_UNIQUE: dict[str, Unique] = {
    SERVICES_FILE: ((("services",), ("id",)),),
    CHARTER_FILE: ((("charter", "commitments"), ("id",)), (("charter", "commitments"), ("number",)), (("governance",), ("id",))),
    TARGETS_FILE: ((("targets",), ("id",)),),
    SITES_FILE: ((("sites",), ("id",)),),
    EQUIPMENT_FILE: ((("equipment",), ("id",)),),
    COMMITTEES_FILE: (
        *(((key,), ("id",)) for key in ("recommendations", "decisions", "actions")),
        (("comments",), ("quarter", "section")),
    ),
    CROSSCHECKS_FILE: ((("crosschecks",), ("instance", "quarter")),),
    EVALUATIONS_FILE: ((("answers",), ("service", "quarter", "question")),),
    HOSTED_FACTORS_FILE: ((("hosted_factors",), ("provider", "model")),),
}


def load(folder: str | Path | None) -> Catalogue:
    """Read the catalogue of a folder.

    Args:
        folder: Folder of the files; each may be absent. None: an empty catalogue, in which every service is unregistered.

    Raises:
        CatalogueError: The folder is missing, or a file is wrong; the message has one line per mistake.

    Example:
        >>> load(None).gsd["counters"]
        1.25
    """
    if folder is None:
        return Catalogue()
    base = Path(folder)
    if not base.is_dir():
        raise CatalogueError(f"catalogue = '{folder}' is not a folder: create it with 'ecoia init', or set another one")
    parts = _read(base, _FILES, tables=True)
    return Catalogue(
        parts.get(SERVICES_FILE) or ServicesFile(),
        parts.get(CHARTER_FILE),
        parts.get(TARGETS_FILE) or TargetsFile(),
        (parts.get(CALIBRATION_FILE) or CalibrationFile()).calibrations,
        parts.get(FACTORS_FILE) or FactorsFile(),
        (parts.get(CONTRACTS_FILE) or ContractsFile()).contracts,
        (parts.get(SITES_FILE) or SitesFile()).sites,
        (parts.get(EQUIPMENT_FILE) or EquipmentFile()).equipment,
        tuple(parts[OUTCOMES_FILE].values()),
        tuple(parts[REGIONS_FILE].values()),
        parts.get(COMMITTEES_FILE) or CommitteesFile(),
        (parts.get(EVALUATIONS_FILE) or EvaluationsFile()).answers,
        parts.get(METHOD_FILE) or MethodFile(),
        (parts.get(EQUIVALENCES_FILE) or EquivalencesFile()).use,
        (parts.get(HOSTED_FACTORS_FILE) or HostedFactorsFile()).hosted_factors,
        (parts.get(HOST_MODELS_FILE) or HostModelsFile()).host_models,
        (parts.get(CROSSCHECKS_FILE) or CrosschecksFile()).crosschecks,
    )


def problems_of(folder: Path) -> list[Problem]:
    """Return every mistake of the catalogue of a folder, by file and line.

    Example:
        ``for problem in problems_of(folder): print(problem)`` prints one mistake a line, with file, line, field and remedy.
    """
    return _contents(folder, _FILES, tables=True)[1]


def factors_chosen(folder: str | Path | None) -> FactorsFile:
    """Read ``factors.yaml`` alone, whether or not the other files are right.

    Args:
        folder: Folder of the catalogue. None: there is none.

    Raises:
        CatalogueError: The file is wrong.

    Example:
        >>> factors_chosen(None).use
        'default'
    """
    if folder is None:
        return FactorsFile()
    found: FactorsFile | None = _read(Path(folder), ((FACTORS_FILE, FactorsFile),)).get(FACTORS_FILE)
    return found or FactorsFile()


def host_models_in(folder: str | Path) -> tuple[HostModelEntry, ...]:
    """Read ``host-models.yaml`` alone, as hosts have it that have no other file of the catalogue.

    Args:
        folder: Its folder.

    Raises:
        CatalogueError: The file is missing or wrong.

    Example:
        ``host_models_in("/etc/ecoia")`` gives its entries.
    """
    found: HostModelsFile | None = _read(Path(folder), ((HOST_MODELS_FILE, HostModelsFile),)).get(HOST_MODELS_FILE)
    if found is None:
        raise CatalogueError(f"'{Path(folder, HOST_MODELS_FILE)}' does not exist: 'ecoia calibrate --bmc' writes it")
    return found.host_models


def _read(base: Path, files: Iterable[tuple[str, type[Model]]], *, tables: bool = False) -> dict[str, Any]:
    """Return the content of those files of a folder that exist, by name."""
    parts, problems = _contents(base, files, tables=tables)
    if problems:
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise CatalogueError("\n".join([f"{count} in the catalogue '{base}'", *first([str(each) for each in problems])]))
    return parts


def _contents(base: Path, files: Iterable[tuple[str, type[Model]]], *, tables: bool) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    parts: dict[str, Any] = {}
    nodes: dict[str, yaml.Node] = {}
    for name, model in files:
        path = base / name
        if not path.exists():
            continue
        node, data, found = parse(name, path)
        if not found and node is not None:
            nodes[name] = node
            found = [*duplicates(name, node, _UNIQUE.get(name, ())), *validate(name, node, data, model, parts)]
        problems += found
    if tables:
        for name, read in ((OUTCOMES_FILE, read_outcomes), (REGIONS_FILE, read_regions)):
            parts[name], found = read(base / name)
            problems += found
    problems += checks.across(parts, nodes)
    return parts, sorted(problems, key=lambda problem: (problem.file, problem.line, problem.path))

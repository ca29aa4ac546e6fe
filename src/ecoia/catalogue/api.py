"""Every public name of the catalogue. ``ecoia.catalogue`` gives them too, and loads them when first asked for."""

from __future__ import annotations

from ecoia.catalogue.boamps import BoAmps, TaskDescription
from ecoia.catalogue.calibration import CALIBRATION_FILE, Calibration, CalibrationFile
from ecoia.catalogue.charter import CHARTER_FILE, Charter, CharterCommitment, CharterFile, GovernanceBody, Organisation
from ecoia.catalogue.committees import (
    CLOSED,
    COMMITTEES_FILE,
    Action,
    CommitteeDecision,
    CommitteesFile,
    Recommendation,
    SectionComment,
    Tie,
)
from ecoia.catalogue.crosschecks import CROSSCHECKS_FILE, CrosschecksFile, KeptCrosscheck
from ecoia.catalogue.described_model import PROVIDER_UNITS, DescribedModel, ProviderUnit
from ecoia.catalogue.electricity import CONTRACTS_FILE, FACTORS_FILE, Contract, ContractsFile, FactorsFile
from ecoia.catalogue.equipment import EQUIPMENT_FILE, Equipment, EquipmentFile
from ecoia.catalogue.equivalences import EQUIVALENCES, EQUIVALENCES_FILE, EquivalencesFile
from ecoia.catalogue.evaluations import EVALUATIONS_FILE, QUESTIONS, THEMES, Answer, EvaluationsFile
from ecoia.catalogue.host_models import HOST_MODELS_FILE, HostModelEntry, HostModelsFile
from ecoia.catalogue.hosted_factors import HOSTED_FACTORS_FILE, HostedFactor, HostedFactorsFile
from ecoia.catalogue.loading import FILES, Catalogue, factors_chosen, load
from ecoia.catalogue.method import METHOD_FILE, MethodFile
from ecoia.catalogue.outcomes import OUTCOMES_FILE, Outcomes
from ecoia.catalogue.regions import REGIONS_FILE, RegionUnits
from ecoia.catalogue.register import SERVICES_FILE, Service, ServicesFile, Status, UnnamedServices
from ecoia.catalogue.sites import SITES_FILE, Pue, Site, SiteFigure, SitesFile, WaterFigure
from ecoia.catalogue.starter import starter_files
from ecoia.catalogue.targets import (
    ADDS_UP,
    INDICATORS,
    PER_SERVICE,
    TARGETS_FILE,
    RecalculationPolicy,
    Target,
    TargetBaseline,
    TargetDecision,
    TargetsFile,
)

__all__ = [
    "ADDS_UP",
    "CALIBRATION_FILE",
    "CHARTER_FILE",
    "CLOSED",
    "COMMITTEES_FILE",
    "CONTRACTS_FILE",
    "CROSSCHECKS_FILE",
    "EQUIPMENT_FILE",
    "EQUIVALENCES",
    "EQUIVALENCES_FILE",
    "EVALUATIONS_FILE",
    "FACTORS_FILE",
    "FILES",
    "HOSTED_FACTORS_FILE",
    "HOST_MODELS_FILE",
    "INDICATORS",
    "METHOD_FILE",
    "OUTCOMES_FILE",
    "PER_SERVICE",
    "PROVIDER_UNITS",
    "QUESTIONS",
    "REGIONS_FILE",
    "SERVICES_FILE",
    "SITES_FILE",
    "TARGETS_FILE",
    "THEMES",
    "Action",
    "Answer",
    "BoAmps",
    "Calibration",
    "CalibrationFile",
    "Catalogue",
    "Charter",
    "CharterCommitment",
    "CharterFile",
    "CommitteeDecision",
    "CommitteesFile",
    "Contract",
    "ContractsFile",
    "CrosschecksFile",
    "DescribedModel",
    "Equipment",
    "EquipmentFile",
    "EquivalencesFile",
    "EvaluationsFile",
    "FactorsFile",
    "GovernanceBody",
    "HostModelEntry",
    "HostModelsFile",
    "HostedFactor",
    "HostedFactorsFile",
    "KeptCrosscheck",
    "MethodFile",
    "Organisation",
    "Outcomes",
    "ProviderUnit",
    "Pue",
    "RecalculationPolicy",
    "Recommendation",
    "RegionUnits",
    "SectionComment",
    "Service",
    "ServicesFile",
    "Site",
    "SiteFigure",
    "SitesFile",
    "Status",
    "Target",
    "TargetBaseline",
    "TargetDecision",
    "TargetsFile",
    "TaskDescription",
    "Tie",
    "UnnamedServices",
    "WaterFigure",
    "factors_chosen",
    "load",
    "starter_files",
]

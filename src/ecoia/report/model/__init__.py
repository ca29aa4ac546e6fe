"""Hold the report as data. Values, units, ids and codes are here; sentences are the renderers' business."""

from ecoia.report.model.changes import ChangeLine, QuarterChange, TrendPoint
from ecoia.report.model.codes import (
    ASSUMPTIONS,
    COMPARED,
    COVERED,
    ENVIRONMENTAL_COMMITMENT,
    INVENTORY_ITEMS,
    NOTICES,
    REASONS,
    SAVINGS,
    UNSUPPORTED,
    VERDICT_REASONS,
    VERDICTS,
)
from ecoia.report.model.figures import Figures, Footprint, Measure, MethodShare, PhaseResult, Quantity, ServiceFootprint, Serving
from ecoia.report.model.people import ActionState, Answered, Body, Commitment, RegionShare, Said
from ecoia.report.model.places import EquipmentUsed, FigureUsed, InventoryLine, SiteResult, TokensUsed
from ecoia.report.model.register import Coverage, ServiceEntry
from ecoia.report.model.report import REPORT_SCHEMA, QuarterlyReport, Seal
from ecoia.report.model.savings import Frontier, RunUsed, Saving, Unsupported
from ecoia.report.model.sources import (
    CalibrationUsed,
    ContractUsed,
    DeviationInUse,
    EquivalenceUsed,
    FactorSetInUse,
    FactorUsed,
    Sensitivity,
)
from ecoia.report.model.targets import BaselineAddition, BudgetState, TargetVerdict

__all__ = [
    "ASSUMPTIONS",
    "COMPARED",
    "COVERED",
    "ENVIRONMENTAL_COMMITMENT",
    "INVENTORY_ITEMS",
    "NOTICES",
    "REASONS",
    "REPORT_SCHEMA",
    "SAVINGS",
    "UNSUPPORTED",
    "VERDICTS",
    "VERDICT_REASONS",
    "ActionState",
    "Answered",
    "BaselineAddition",
    "Body",
    "BudgetState",
    "CalibrationUsed",
    "ChangeLine",
    "Commitment",
    "ContractUsed",
    "Coverage",
    "DeviationInUse",
    "EquipmentUsed",
    "EquivalenceUsed",
    "FactorSetInUse",
    "FactorUsed",
    "FigureUsed",
    "Figures",
    "Footprint",
    "Frontier",
    "InventoryLine",
    "Measure",
    "MethodShare",
    "PhaseResult",
    "Quantity",
    "QuarterChange",
    "QuarterlyReport",
    "RegionShare",
    "RunUsed",
    "Said",
    "Saving",
    "Seal",
    "Sensitivity",
    "ServiceEntry",
    "ServiceFootprint",
    "Serving",
    "SiteResult",
    "TargetVerdict",
    "TokensUsed",
    "TrendPoint",
    "Unsupported",
]

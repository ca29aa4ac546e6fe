"""Hold the sentence of every code that a report may hold.

Message ids are French sentences; a code without a sentence is shown as it is. One module a subject holds them: the wording of a
verdict is in ``wording.verdicts``. Templates and modules name them here, as ``wording.VERDICTS``.
"""

from ecoia_dashboards.wording.changes import CAUSES, CO2E_PARTS, CO2E_SHARES, COMPARED, ELAPSED, PARTS, TERMS
from ecoia_dashboards.wording.coverage import COUNTED_BY
from ecoia_dashboards.wording.declared import DECLARED_CHANGES, DECLARED_EFFECTS, DECLARED_FIELDS, DECLARED_KINDS
from ecoia_dashboards.wording.evaluation import CERTAINTY, EVALUATION_ANSWERS, EVALUATION_QUESTIONS
from ecoia_dashboards.wording.indicators import INDICATORS
from ecoia_dashboards.wording.losses import DOUBLES, LOST
from ecoia_dashboards.wording.marking import N_
from ecoia_dashboards.wording.methods import COMPONENTS, KINDS, METHODS, PHASES, STATUS_MEANINGS, STATUSES
from ecoia_dashboards.wording.mistakes import MISTAKES, NOT_READ, OTHER_MISTAKE, QUOTED, SHEET_NOT_READ
from ecoia_dashboards.wording.people import ACTION_STATES, SAID, SECTIONS, SERVICE_STATUSES, TIES
from ecoia_dashboards.wording.reasons import GAPS, NOTICES, REASONS, REMEDIES
from ecoia_dashboards.wording.savings import OUTCOMES, SAVINGS, UNSUPPORTED
from ecoia_dashboards.wording.sci import PROVIDER_UNITS, PROVIDER_VALUES
from ecoia_dashboards.wording.sheets import (
    KNOWN_ALSO,
    KNOWN_BY,
    KNOWN_FIRST,
    KNOWN_WHOLLY,
    SERVICE_CHANGES,
    UNIT_CHANGES,
    UNIT_PARTS,
)
from ecoia_dashboards.wording.sources import (
    ASSUMPTIONS,
    BASES,
    DEVIATIONS,
    EQUIVALENCES,
    FIGURES,
    FILLS,
    INVENTORY_ITEMS,
    OPERATED,
    QUALITIES,
    SCOPES,
    SENSITIVITIES,
    STANDINGS,
    WHY_UNMEASURED,
)
from ecoia_dashboards.wording.verdicts import TARGET_STATUSES, VERDICT_REASONS, VERDICTS, VERDICTS_ON_FLOORS

__all__ = [
    "ACTION_STATES",
    "ASSUMPTIONS",
    "BASES",
    "CAUSES",
    "CERTAINTY",
    "CO2E_PARTS",
    "CO2E_SHARES",
    "COMPARED",
    "COMPONENTS",
    "COUNTED_BY",
    "DECLARED_CHANGES",
    "DECLARED_EFFECTS",
    "DECLARED_FIELDS",
    "DECLARED_KINDS",
    "DEVIATIONS",
    "DOUBLES",
    "ELAPSED",
    "EQUIVALENCES",
    "EVALUATION_ANSWERS",
    "EVALUATION_QUESTIONS",
    "FIGURES",
    "FILLS",
    "GAPS",
    "INDICATORS",
    "INVENTORY_ITEMS",
    "KINDS",
    "KNOWN_ALSO",
    "KNOWN_BY",
    "KNOWN_FIRST",
    "KNOWN_WHOLLY",
    "LOST",
    "METHODS",
    "MISTAKES",
    "NOTICES",
    "NOT_READ",
    "N_",
    "OPERATED",
    "OTHER_MISTAKE",
    "OUTCOMES",
    "PARTS",
    "PHASES",
    "PROVIDER_UNITS",
    "PROVIDER_VALUES",
    "QUALITIES",
    "QUOTED",
    "REASONS",
    "REMEDIES",
    "SAID",
    "SAVINGS",
    "SCOPES",
    "SECTIONS",
    "SENSITIVITIES",
    "SERVICE_CHANGES",
    "SERVICE_STATUSES",
    "SHEET_NOT_READ",
    "STANDINGS",
    "STATUSES",
    "STATUS_MEANINGS",
    "TARGET_STATUSES",
    "TERMS",
    "TIES",
    "UNIT_CHANGES",
    "UNIT_PARTS",
    "UNSUPPORTED",
    "VERDICTS",
    "VERDICTS_ON_FLOORS",
    "VERDICT_REASONS",
    "WHY_UNMEASURED",
]

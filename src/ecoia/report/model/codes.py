"""List every code that the report may hold, so that a renderer can prove that it has a sentence for each."""

from __future__ import annotations

REASONS = (
    "no-data",  # nothing recorded
    "not-measured",  # recorded, but no component gave energy
    "no-zone",  # some or all of the energy has no known zone
    "no-factor",  # its zone or year has no emission factor
    "factor-gap",  # some of its half-hours have no emission factor, and no rule fills the gap
    "no-contract",  # no contract covers any of it
    "contract-scope",  # a contract counts another scope than the factors in use, and the two are not mixed
    "no-units",  # no functional units were given
    "baseline-missing",  # the reference quarters are not recorded
    "not-computed",  # this version does not compute the indicator
    "no-equipment",  # no machine is in equipment.yaml
    "equipment-incomplete",  # some machines are not in equipment.yaml
    "no-calls",  # no call to a hosted model was recorded
    "calls-unmeasured",  # some calls were to a model that has no estimate
    "requests-uncounted",  # some calls are of before ecoia counted them: only their tokens are in the figure
    "no-wue",  # some of the energy has no WUE
    "no-water-factor",  # some of the energy has no water factor
    "no-reference",  # no target names reference quarters
    "no-training",  # no training was recorded
    "no-lifetime",  # the service declares no lifetime_units
    "no-model-size",  # the service declares neither operations, nor tokens of its training, nor parameters
    "no-accepted",  # no accepted outcome was counted
    "no-outcomes",  # the end of training runs is not recorded
    "idle-not-separated",  # no idle energy is set apart
    "too-few-quarters",  # quarters that are needed are not recorded
    "counted-otherwise",  # meters, models or declarations gave most of it in one quarter, and another of them in the other
    "days-unequal",  # the two quarters recorded it on unequal shares of its days
    "not-split",  # known of the whole, not of this part: making is shared by service and quarter, calls by row
)
"""Why a ``Quantity`` has no value."""

NOTICES = (
    "ledger-incomplete",
    "ledger-history-incomplete",
    "no-data",
    "no-catalogue",
    "no-zone",
    "no-factor",
    "factor-gap",
    "factor-gap-filled",
    "no-pue",
    "commitment-text-missing",
    "simulated-history",
    "stand-ins",
    "partial-quarter",
    "idle-not-separated",
)
"""Codes of ``QuarterlyReport.notices``, in the order in which they are listed."""

COMPARED = (("previous-quarter", 1), ("year-before", 4))
"""The quarters that the report compares itself with, and how many quarters earlier they are."""

VERDICTS = ("tenu", "non-tenu", "non-concluant", "depassement-quasi-certain", "en-bonne-voie")
NEARLY_CERTAIN, ON_TRACK = 0.95, 0.05
"""Probabilities of missing a target: *quasi certain* from the first on, where the interval does not decide alone; before the
deadline, *en bonne voie* up to the second."""

_OF_CHANGES = ("counted-otherwise", "days-unequal")  # reasons that only a change may have
_NOT_OF_TARGETS = ("not-measured", "baseline-missing", "not-computed", *_OF_CHANGES, "not-split")
VERDICT_REASONS = (
    *(reason for reason in REASONS if reason not in _NOT_OF_TARGETS),
    "below-value",  # the deadline is reached and the value is not
    "likely-missed",  # the deadline is ahead, and this quarter's level is almost certainly on the wrong side
    "likely-met",  # the deadline is ahead, and this quarter's level is almost certainly on the right side
    "deadline-ahead",  # the deadline is ahead, and the level may be on either side
    "budget-spent",  # the year has almost certainly used more than its budget already
    "budget-likely-overrun",  # the year will almost certainly end over its budget
    "budget-likely-kept",  # the year will almost certainly end within its budget
    "horizon-ahead",  # the horizon is ahead, and the year may end on either side of its budget
    "baseline-missing",
    "interval-mostly-beyond",  # the interval holds the value, and nearly all of it is on the wrong side
    "interval-straddles",  # the interval holds the value, so the measurement cannot decide
    "simulated",  # simulated rows prove nothing
    "ledger-incomplete",  # what is known keeps the target, but days of the ledger are in no figure
    "coverage-incomplete",  # ... but some of its services or components are not measured
    "days-missing",  # ... but days on which they run are not recorded
    "days-not-declared",  # ... but a service does not say on how many days it runs, so nobody knows whether any are missing
    "partial-quarter",  # ... but the quarter is not over
    "not-computed",
)
"""Why a verdict is what it is; None where a target is met. Reasons without a comment are those of ``REASONS``."""

SAVINGS = (
    "lost-runs",  # runs failed or were abandoned
    "idle",  # capacity was reserved and stood idle
    "dominated-runs",  # another run was as good for less energy
    "other-hours",  # the same work at other hours would have emitted less
)
"""Kinds of saving, in the order in which they are listed."""

UNSUPPORTED = (
    "no-runs",  # no run made a model
    "no-outcomes",  # the end of the runs is not recorded
    "no-quality",  # no finished run has a figure of quality
    "no-direction",  # the register does not say which way a figure of quality is better
    "too-few-runs",  # fewer than two finished runs to compare
    "idle-not-separated",  # no idle energy is set apart
    "flat-factors",  # emission factors do not vary within the day, or are not known at other hours
    "nothing-found",  # nothing above the least share that is listed
)
"""Why there is no saving of a kind."""

ASSUMPTIONS = (
    "operated-not-said",  # the organisation runs the site
    "upstream-included",  # life-cycle factors: upstream of electricity (scope 3, category 3) is not separated
    "equipment-owned",  # the organisation bought the machines
)
"""Assumptions of an ``InventoryLine``."""

INVENTORY_ITEMS = ("electricity", "capital-goods", "services")

ENVIRONMENTAL_COMMITMENT = 7
"""Number of the commitment of the charter that the report is of."""

COVERED = 0.8
"""Share of its declared instance-days from which a service counts as measured."""

"""Every name that ecoia writes anywhere: phases, record kinds, metrics, tags, columns. One file owns them.

Each metric says its unit and how it adds up over time: ``sum``, ``last``, or ``recompute`` for ratios
(sums first, ratio last).
"""

from __future__ import annotations

from typing import NamedTuple

SCHEMA_VERSION = 1
"""Version of the record; a reader meets newer records with a count, never with a guess."""

COMPONENTS = ("cpu", "gpu", "ram")

PHASES = ("data-preparation", "training", "fine-tuning", "evaluation", "inference")

BOAMPS_TASK_STAGE = {
    "data-preparation": "preprocessing",
    "training": "training",
    "fine-tuning": "finetuning",
    "evaluation": "evaluation",
    "inference": "inference",
}
"""Phase -> BoAmps ``task.taskStage``. The only place where the two vocabularies meet."""

KIND_SPAN = "span"
KIND_IDLE = "idle"
KIND_UNATTRIBUTED = "unattributed"
KIND_OVERHEAD = "overhead"
KIND_OUTCOME = "outcome"
KINDS = (KIND_SPAN, KIND_IDLE, KIND_UNATTRIBUTED, KIND_OVERHEAD, KIND_OUTCOME)

MEASURED, ESTIMATED, DECLARED, MISSING = "measured", "estimated", "declared", "missing"
STATUSES = (MEASURED, ESTIMATED, DECLARED, MISSING)

NOT_LACKING = ("no-device", "undivided")
"""Names of ``missing`` methods that leave nothing out: the machine has no such component, or its energy is in another."""

CLAIMED_TWICE = "claimed-twice"
"""Name of the ``missing`` method of energy that another process claims as well, and that is counted there."""

ABANDONED = "abandoned"
OUTCOMES = ("ok", "failed", ABANDONED)
SCOPES = ("process", "host")

UNREGISTERED = "unregistered"

PHASE_UNSPECIFIED = "unspecified"
SERVICE_UNSPECIFIED = "unspecified"
"""Where an illegal value met at run time is kept: counted, shown, never dropped."""

LEDGER_EXPERIMENT = "ecoia/ledger"
VIEW_EXPERIMENT_PREFIX = "ecoia/"
LEDGER_ARTIFACT = "records.jsonl.gz"


class Metric(NamedTuple):
    """A name written to MLflow, its unit and how it adds up over time."""

    name: str
    unit: str
    adds_up: str


ENERGY = Metric("ecoia/energy_kwh", "kWh", "sum")
ENERGY_OF = {component: Metric(f"ecoia/energy/{component}_kwh", "kWh", "sum") for component in COMPONENTS}
CO2E = Metric("ecoia/co2e_kg", "kg", "sum")
DURATION = Metric("ecoia/duration_s", "s", "sum")
UNITS = Metric("ecoia/units", "1", "sum")
HOURLY_ENERGY = Metric("ecoia/hourly/energy_kwh", "kWh", "sum")
HOURLY_UNITS = Metric("ecoia/hourly/units", "1", "sum")
METRICS = (ENERGY, *ENERGY_OF.values(), CO2E, DURATION, UNITS, HOURLY_ENERGY, HOURLY_UNITS)
TAG_SERVICE = "ecoia.service"
TAG_PHASE = "ecoia.phase"
TAG_INSTANCE = "ecoia.instance"
TAG_METHOD = "ecoia.method"
TAG_SCHEMA = "ecoia.schema"
TAG_KIND = "ecoia.kind"
TAG_DAY = "ecoia.day"
TAG_SERVICES = "ecoia.services"
TAG_HOME = "ecoia.home"
TAG_FACTOR = "ecoia.factor"
TAG_SIMULATED = "ecoia.simulated"
TAG_RUN = "ecoia.run"
TAG_OUTCOME = "ecoia.outcome"
TAG_DIGEST = "ecoia.digest"
TAG_STEP = "ecoia.step"
TAG_SHARE_OF = "ecoia.share_of"

RUN_KIND_LEDGER, RUN_KIND_SUPERSEDED, RUN_KIND_VIEW = "ledger", "ledger-superseded", "view"
"""Values of ``ecoia.kind`` on an MLflow run: a ledger day, its duplicate once merged, a run made to show a view."""

# The records table: one row a ledger row, as aggregation reads it. Energy and counts are integers.
TABLE_COLUMNS = (
    "half_hour_utc_ns",
    "quarter",
    "kind",
    "service",
    "phase",
    "instance",
    "run_id",
    "endpoint",
    "model_version",
    "zone",
    "simulated",
    "cpu_status",
    "cpu_method",
    "gpu_status",
    "gpu_method",
    "ram_status",
    "ram_method",
    "cpu_microjoules",
    "gpu_microjoules",
    "ram_microjoules",
    "spans",
    "units_micro",
    "accepted_micro",
    "tokens_in",
    "tokens_out",
    "cpu_ns",
    "lost",
    "outcome",
    "start_utc_ns",
    "end_utc_ns",
)

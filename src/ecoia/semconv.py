"""Every name that ecoia writes anywhere: phases, record kinds, metrics, tags, columns. One file owns them.

Each metric says its unit and how it adds up over time: ``sum``, ``last``, or ``recompute`` for ratios
(sums first, ratio last).
"""

from __future__ import annotations

SESSION_VARIABLE = "ECOIA_SESSION"
"""Environment variable that ``ecoia run`` sets: the id of the session that stands for the run of what it measures outside."""

VERSION = "0.1.0"
"""Version of ecoia, as ``pyproject.toml`` has it."""

CODECARBON_RELEASE = "3.3.2"
"""Release of codecarbon whose tables and models are ecoia's own: written into records and factor sets, held to it by tests."""

FIRST_SCHEMA_VERSION = 1
"""Version of a record with a loose id (``records.record_ids``), and of rows that are summed from such records only."""

LINK_SCHEMA_VERSION = 2
"""Version of records of kind ``link`` with a loose id: an ecoia that does not know them skips them as newer ones."""

SEQUENCE_SCHEMA_VERSION = 3
"""Version of a record with a sequenced id, and of rows that have one."""

STREAM_SCHEMA_VERSION = 4
"""Version of the journal's lines of streams (``keeping.stream_lines``), which an ecoia that does not know them skips as newer."""

MONTH_SCHEMA_VERSION = 4
"""Version of ledger runs that hold a month: an ecoia that does not know them calls them newer."""

SCHEMA_VERSION = 5
"""Version of a record or row whose tokens tell more than input and output (``records.Tokens``): the newest that is read.

Older ones are read for ever. A reader counts newer records and skips them; it never guesses what they hold."""

ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
"""Characters of an id: of a service, an instance, a set of factors."""

_MOST_ID_CHARACTERS = 63


def is_slug(text: object) -> bool:
    """Return whether ``text`` can be an id: ``[a-z0-9._-]``, 63 characters at most, a letter or digit first.

    Example:
        >>> is_slug("vadore"), is_slug("Vadore")
        (True, False)
    """
    return isinstance(text, str) and 0 < len(text) <= _MOST_ID_CHARACTERS and ID_CHARACTERS.issuperset(text) and text[0].isalnum()


IDLE_FILE = "idle.json"
"""Name of the file in the journal's home that keeps what the machine draws at rest (``ecoia baseline``)."""
KAPPA_FILE = "token_fit.json"
"""Name of the file in the journal's home that keeps what tokens cost on this server (``ecoia llm fit``)."""

HOST_MODEL_FILE = "host-model.json"
"""Name of the file in the journal's home that keeps what its host draws by its load (``ecoia calibrate --use``)."""

COMPONENTS = ("cpu", "gpu", "ram")

PROVIDER, CONSUMER = "provider", "consumer"
"""The two sides of SCI for AI: who makes a model and puts it in service, and who uses it."""

INCEPTION, DEVELOPMENT, DEPLOYMENT, OPERATION, RETIREMENT = (
    "Inception",
    "Design and Development",
    "Deployment",
    "Operation and Monitoring",
    "Retirement",
)
"""Stages of the lifecycle, as SCI for AI names them."""


class Phase:
    """A phase of the lifecycle. A plain class, as ``Metric``.

    Attributes:
        name: Name in records.
        stage: Stage of SCI for AI that it is part of.
        side: ``provider`` or ``consumer``: the one of the two scores of SCI for AI that counts it.
        of_run: Whether its work has an end, and so may belong to an MLflow run.
        boamps: BoAmps ``task.taskStage``. The field is free text with examples. Where BoAmps gives no word, it is our own name:
            the nearest word of BoAmps would have readers add up two different kinds of work.
    """

    __slots__ = ("boamps", "name", "of_run", "side", "stage")

    def __init__(self, name: str, stage: str, side: str, *, of_run: bool, boamps: str) -> None:
        self.name = name
        self.stage = stage
        self.side = side
        self.of_run = of_run
        self.boamps = boamps


LIFECYCLE = (
    Phase("inception", INCEPTION, PROVIDER, of_run=True, boamps="inception"),
    Phase("data-preparation", DEVELOPMENT, PROVIDER, of_run=True, boamps="preprocessing"),
    Phase("training", DEVELOPMENT, PROVIDER, of_run=True, boamps="training"),
    Phase("fine-tuning", DEVELOPMENT, PROVIDER, of_run=True, boamps="finetuning"),
    Phase("evaluation", DEVELOPMENT, PROVIDER, of_run=True, boamps="evaluation"),
    Phase("deployment", DEPLOYMENT, PROVIDER, of_run=True, boamps="deployment"),
    Phase("inference", OPERATION, CONSUMER, of_run=False, boamps="inference"),
    Phase("monitoring", OPERATION, CONSUMER, of_run=True, boamps="monitoring"),
    Phase("retirement", RETIREMENT, PROVIDER, of_run=True, boamps="retirement"),
)
"""Every phase, in the order of a model's life: the one table that all sets of phases are drawn from."""

PHASES = tuple(each.name for each in LIFECYCLE)
RUN_PHASES = tuple(each.name for each in LIFECYCLE if each.of_run)
"""Phases of work that has an end, and that may belong to an MLflow run; ``inference`` has none, and belongs to the day of its
service."""
PROVIDER_PHASES = frozenset(each.name for each in LIFECYCLE if each.side == PROVIDER)
"""Phases of the provider's side. Everything else of a service, its reserved idle capacity included, is of the consumer's: it
serves."""
CONSUMER_PHASES = frozenset(each.name for each in LIFECYCLE if each.side == CONSUMER)
DEVELOPMENT_PHASES = frozenset(each.name for each in LIFECYCLE if each.stage == DEVELOPMENT)
"""Phases that make a model: the training that the report speaks of."""
BOAMPS_TASK_STAGE = {each.name: each.boamps for each in LIFECYCLE}
"""Phase -> BoAmps ``task.taskStage``."""

KIND_SPAN = "span"
KIND_IDLE = "idle"
KIND_UNATTRIBUTED = "unattributed"
KIND_OVERHEAD = "overhead"
KIND_OUTCOME = "outcome"
KINDS = (KIND_SPAN, KIND_IDLE, KIND_UNATTRIBUTED, KIND_OVERHEAD, KIND_OUTCOME)
"""Kinds of records that give rows."""
KIND_LINK = "link"
"""Kind of records that say where the rows of a group or session are shown. They have no energy and give no rows."""

LLM = "llm"
"""Kind of weights in which tokens of a language model count."""

SELF_HOSTED = ("local", "self-hosted", "ollama", "vllm", "sglang", "tgi", "llama.cpp", "transformers")
"""Names of providers that run on one's own machine, where their energy is metered."""

MEASURED, ESTIMATED, DECLARED, MISSING = "measured", "estimated", "declared", "missing"
STATUSES = (MEASURED, ESTIMATED, DECLARED, MISSING)

NOT_LACKING = ("no-device", "undivided", "withdrawn", "handed-to-guest")
"""Names of ``missing`` methods that leave nothing out: the machine has no such component, its energy is in another, what was
declared was withdrawn, or the records of the guest have it."""

CLAIMED_TWICE = "claimed-twice"
"""Name of the ``missing`` method of energy that another process claims as well, and that is counted there."""

ABANDONED = "abandoned"
OUTCOMES = ("ok", "failed", ABANDONED)
SCOPES = ("process", "host")

OWN_RUN = "ecoia-"
"""How the run ids begin that stand for work outside MLflow's runs: a process's session, or a group."""
GROUP_RUN = "ecoia-group-"
"""How the run id of a group begins. Then come sixteen digits of the group; ``-<rank>`` where its members have numbers; and
``.<restarts>`` where a launcher started them again."""

UNREGISTERED = "unregistered"

SERVICE_UNASSIGNED = "unassigned"
"""Service of measured work that no rule gives one to: recorded, and listed with the remedy."""

UNASSIGNED_REMEDY = 'name it: ecoia.autolog(service="..."), ECOIA_SERVICE, or a line of [mlflow.experiments] in ecoia.toml'

PHASE_UNSPECIFIED = "unspecified"
SERVICE_UNSPECIFIED = "unspecified"
"""Names that replace an illegal value met at run time: the work is counted and shown, never dropped."""

MODEL_LOADING = "model-loading"
WARM_UP = "warm-up"
START_UP = (MODEL_LOADING, WARM_UP)
"""Endpoints of work that answers no request: loading a model, and trying it before the first request."""
ENDPOINT_OTHERS = "other-endpoints"
"""The one name of all endpoints beyond the number that a server keeps apart."""

LEDGER_EXPERIMENT = "ecoia/ledger"
VIEW_EXPERIMENT_PREFIX = "ecoia/"
LEDGER_ARTIFACT = "records.jsonl.gz"
LEDGER_MONTH_ARTIFACT = "rows.jsonl.gz"


class Metric:
    """A name written to MLflow, its unit and how it adds up over time. A plain class, because ``import ecoia`` makes it."""

    __slots__ = ("adds_up", "name", "unit")

    def __init__(self, name: str, unit: str, adds_up: str) -> None:
        self.name = name
        self.unit = unit
        self.adds_up = adds_up


ENERGY = Metric("ecoia/energy_wh", "Wh", "sum")
CO2E = Metric("ecoia/co2e_g", "g", "sum")
UNITS_PER_WH = Metric("ecoia/units_per_wh", "1/Wh", "recompute")
OUTSIDE_ENERGY = Metric("ecoia/outside_wh", "Wh", "sum")
"""Energy of the session of ``ecoia run`` around a root run, which is not part of the run's own."""
UNITS = Metric("ecoia/units", "1", "sum")
REQUESTS = Metric("ecoia/requests", "1", "sum")
START_UP_ENERGY = Metric("ecoia/start-up/energy_wh", "Wh", "sum")
IDLE_ENERGY = Metric("ecoia/idle/energy_wh", "Wh", "sum")
IDLE_CO2E = Metric("ecoia/idle/co2e_g", "g", "sum")
HOURLY_ENERGY = Metric("ecoia/hourly/energy_wh", "Wh", "sum")
HOURLY_UNITS = Metric("ecoia/hourly/units", "1", "sum")
HOURLY_REQUESTS = Metric("ecoia/hourly/requests", "1", "sum")
HOURLY_IDLE_ENERGY = Metric("ecoia/hourly/idle_energy_wh", "Wh", "sum")
LEDGER_ENERGY = Metric("ecoia/ledger/energy_kwh", "kWh", "sum")
LEDGER_ENERGY_OF = {component: Metric(f"ecoia/ledger/{component}_kwh", "kWh", "sum") for component in COMPONENTS}
LEDGER_DURATION = Metric("ecoia/ledger/duration_s", "s", "sum")
LEDGER_UNITS = Metric("ecoia/ledger/units", "1", "sum")
METRICS = (
    *(ENERGY, CO2E, UNITS_PER_WH, OUTSIDE_ENERGY, UNITS, REQUESTS, START_UP_ENERGY, IDLE_ENERGY, IDLE_CO2E),
    *(HOURLY_ENERGY, HOURLY_UNITS, HOURLY_REQUESTS, HOURLY_IDLE_ENERGY),
    *(LEDGER_ENERGY, *LEDGER_ENERGY_OF.values(), LEDGER_DURATION, LEDGER_UNITS),
)


def host_metrics(instance: str) -> dict[str, Metric]:
    """Return the metrics of one host's part of a run that several hosts work for, by the metric of the whole.

    Example:
        >>> host_metrics("node-1")["ecoia/energy_wh"].name
        'ecoia/host/node-1/energy_wh'
    """
    return {
        whole.name: Metric(f"{HOST_PREFIX}{instance}/{name}", whole.unit, "sum")
        for whole, name in ((ENERGY, "energy_wh"), (CO2E, "co2e_g"), (UNITS, "units"))
    }


HOST_PREFIX = "ecoia/host/"
"""How the names of these metrics begin."""

RETIRED_ENERGY = "ecoia/energy_kwh"
RETIRED_DURATION = "ecoia/duration_s"
RETIRED_OF_LEDGER = {
    RETIRED_ENERGY: LEDGER_ENERGY,
    **{f"ecoia/energy/{component}_kwh": LEDGER_ENERGY_OF[component] for component in COMPONENTS},
    RETIRED_DURATION: LEDGER_DURATION,
    UNITS.name: LEDGER_UNITS,
}
"""Metrics that ecoia 0.1.0 wrote on a ledger run, and the ones that carry the same number now."""
RETIRED_OF_VIEWS: dict[str, Metric | None] = {
    RETIRED_ENERGY: ENERGY,
    **{f"ecoia/energy/{component}_kwh": None for component in COMPONENTS},
    "ecoia/co2e_kg": CO2E,
    RETIRED_DURATION: None,
    "ecoia/start-up/energy_kwh": START_UP_ENERGY,
    "ecoia/idle/energy_kwh": IDLE_ENERGY,
    "ecoia/idle/co2e_kg": IDLE_CO2E,
    "ecoia/hourly/energy_kwh": HOURLY_ENERGY,
    "ecoia/hourly/idle_energy_kwh": HOURLY_IDLE_ENERGY,
}
"""Metrics that ecoia 0.1.0 wrote on the runs that people open, and the ones that carry them now, times 1000."""
RETIRED_TAG_STEP = "ecoia.step"
"""Tag that ecoia 0.1.0 wrote: the step of its metrics."""


POWER = Metric("system/ecoia_power_w", "W", "recompute")
GPU_POWER = Metric("system/ecoia_gpu_power_w", "W", "recompute")
"""Power over time on a user's run: a series, in MLflow's tab of system metrics."""


class LiveCounter:
    """A counter for Prometheus and OpenTelemetry. A plain class, as ``Metric``.

    Attributes:
        name: Name in Prometheus, with its unit, without ``_total``.
        otel_name: Name in OpenTelemetry.
        unit: Unit in Prometheus: a base unit, or none.
        otel_unit: Unit in OpenTelemetry.
        labels: Names of its labels.
        parts: Number of stored integers that make one ``unit``.
        meaning: Description of the counter, for its readers.
    """

    __slots__ = ("labels", "meaning", "name", "otel_name", "otel_unit", "parts", "unit")

    def __init__(
        self, name: str, otel_name: str, unit: str, otel_unit: str, labels: tuple[str, ...], parts: int, meaning: str
    ) -> None:
        self.name = name
        self.otel_name = otel_name
        self.unit = unit
        self.otel_unit = otel_unit
        self.labels = labels
        self.parts = parts
        self.meaning = meaning


_WORK = ("service", "phase", "endpoint", "model_version")
LIVE_ENERGY = LiveCounter(
    "ecoia_energy_joules", "ecoia.energy", "joules", "J", (*_WORK, "kind", "component", "status"), 1_000_000,
    "Energy claimed, as recorded: components, before any factor. Energy that is missing has no series.",
)  # fmt: skip
LIVE_SPANS = LiveCounter(
    "ecoia_spans", "ecoia.spans", "", "{span}", _WORK, 1,
    "Executions of measured code that ended: requests, for a server.",
)  # fmt: skip
LIVE_UNITS = LiveCounter(
    "ecoia_units", "ecoia.units", "", "{unit}", _WORK, 1_000_000,
    "Functional units delivered, where the program said how many.",
)  # fmt: skip
LIVE_ACCEPTED = LiveCounter(
    "ecoia_accepted_units", "ecoia.units.accepted", "", "{unit}", _WORK, 1_000_000,
    "Functional units delivered and accepted, where the program said how many.",
)  # fmt: skip
LIVE_CPU = LiveCounter(
    "ecoia_cpu_seconds", "ecoia.cpu.time", "seconds", "s", (*_WORK, "kind"), 1_000_000_000,
    "Processor time that the records answer for.",
)  # fmt: skip
LIVE_RECORDS = LiveCounter(
    "ecoia_records", "ecoia.records", "", "{record}", ("component", "status", "method"), 1,
    "Records by how a component's energy was obtained; status missing: it is unknown.",
)  # fmt: skip
LIVE_LOST = LiveCounter(
    "ecoia_lost", "ecoia.lost", "", "{event}", ("cause",), 1,
    "What could not be recorded.",
)  # fmt: skip
LIVE_LEFT_OUT = LiveCounter(
    "ecoia_journal_lines_left_out", "ecoia.journal.lines_left_out", "", "{line}", ("reason",), 1,
    "Journal lines that are in no other counter.",
)  # fmt: skip
LIVE_COUNTERS = (
    LIVE_ENERGY, LIVE_SPANS, LIVE_UNITS, LIVE_ACCEPTED, LIVE_CPU, LIVE_RECORDS, LIVE_LOST, LIVE_LEFT_OUT,
)  # fmt: skip

LIVE_OTHER = "_other"
"""The value of a label that stands for all further values once the label has reached its limit."""

TAG_SERVICE = "ecoia.service"
TAG_PHASE = "ecoia.phase"
TAG_INSTANCE = "ecoia.instance"
TAG_MODEL_VERSION = "ecoia.model_version"
TAG_METHOD = "ecoia.method"
TAG_SCHEMA = "ecoia.schema"
TAG_KIND = "ecoia.kind"
TAG_DAY = "ecoia.day"
TAG_MONTH = "ecoia.month"
TAG_DAYS = "ecoia.days"
TAG_SOURCES = "ecoia.sources"
TAG_OVER = "ecoia.over"
TAG_SERVICES = "ecoia.services"
TAG_HOME = "ecoia.home"
TAG_PLACE = "ecoia.place"
TAG_FACTOR = "ecoia.factor"
TAG_SIMULATED = "ecoia.simulated"
TAG_RUN = "ecoia.run"
TAG_OUTCOME = "ecoia.outcome"
TAG_DIGEST = "ecoia.digest"
TAG_NEXT_DIGEST = "ecoia.digest_next"
TAG_SHORT = "ecoia.short_microjoules"
TAG_SHARE_OF = "ecoia.share_of"
TAG_SHARE_BASIS = "ecoia.share_basis"
TAG_OUTDATED = "ecoia.outdated"
TAG_GROUP = "ecoia.group"
TAG_ENERGY_RANGE = "ecoia.energy_wh_range"
TAG_CO2E_RANGE = "ecoia.co2e_g_range"
TAG_CARD_EMISSIONS = "ecoia.card_emissions_g"
TAG_CARD_SOURCE = "ecoia.card_source"
TAG_NOTE = "ecoia.note"
TAG_NOTE_DAY = "ecoia.note_day"
TAG_ARTIFACTS = "ecoia.artifacts"

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
    "requests",
    "cached_in",
    "cache_written",
    "reasoning",
    "cpu_ns",
    "lost",
    "outcome",
    "start_utc_ns",
    "end_utc_ns",
)

"""Every tag and metric that ecoia writes to MLflow. ``semconv`` declares the names and units; this module gives the values.

To add a tag, declare ``TAG_...`` in ``semconv``, set it here in the function of the run that shows it, and describe it in
docs/mlflow.md. To add a metric, declare a ``Metric`` in ``semconv.METRICS`` and do the same.

The functions depend on their arguments only, so delivering twice writes the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ecoia import semconv
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.periods import covered_seconds
from ecoia.records import Row
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro, kwh

_HOUR_NS = 3600 * NANOSECONDS_PER_SECOND
_WORST_FIRST = (semconv.DECLARED, semconv.ESTIMATED, semconv.MEASURED)


# --- tags of ledger runs


def ledger_day_tags(instance: str, day: str, home_id: str, place: str) -> dict[str, str]:
    """Return the tags that identify the ledger run of one instance, UTC day and place."""
    return {
        semconv.TAG_SCHEMA: str(semconv.SCHEMA_VERSION),
        semconv.TAG_KIND: semconv.RUN_KIND_LEDGER,
        semconv.TAG_INSTANCE: instance,
        semconv.TAG_DAY: day,
        semconv.TAG_HOME: home_id,
        **({semconv.TAG_PLACE: place} if place else {}),
    }


def ledger_content_tags(rows: Iterable[Row]) -> dict[str, str]:
    """Return the tags that describe the rows of a ledger run: the services in it."""
    services = sorted({row["service"] for row in rows if row["service"]})
    return {semconv.TAG_SERVICES: ",".join(services)}


def digest_tag(digest: str) -> dict[str, str]:
    """Return the tag that says which day file a ledger run holds. Written last: without it, the day is written again."""
    return {semconv.TAG_DIGEST: digest}


def short_tag(short_microjoules: int) -> dict[str, str]:
    """Return the tag that says how much of a day could not be restored after it was altered or gone.

    Example:
        >>> short_tag(3_600_000_000_000)
        {'ecoia.short_microjoules': '3600000000000'}
    """
    return {semconv.TAG_SHORT: str(short_microjoules)}


def next_digest_tag(digest: str) -> dict[str, str]:
    """Return the tag that says which day file a ledger run is about to hold. Written first: readers accept either."""
    return {semconv.TAG_NEXT_DIGEST: digest}


def superseded_tags() -> dict[str, str]:
    """Return the tags of a ledger run whose rows were merged into an earlier run of the same day."""
    return {semconv.TAG_KIND: semconv.RUN_KIND_SUPERSEDED}


# --- tags of runs that people open


def own_run_tags(run_id: str, service: str, phase: str) -> dict[str, str]:
    """Return the tags that identify ecoia's own run for a session that has no MLflow run of the user."""
    return {semconv.TAG_RUN: run_id, semconv.TAG_SERVICE: service, semconv.TAG_PHASE: phase}


def day_run_tags(service: str, instance: str, day: str) -> dict[str, str]:
    """Return the tags that identify ecoia's own run for a service's inference on one instance and UTC day."""
    return {
        semconv.TAG_SERVICE: service,
        semconv.TAG_PHASE: "inference",
        semconv.TAG_INSTANCE: instance,
        semconv.TAG_DAY: day,
    }


def made_by_ecoia_tags() -> dict[str, str]:
    """Return the tags of every run that ecoia creates to show figures on."""
    return {semconv.TAG_KIND: semconv.RUN_KIND_VIEW}


def step_tag(step: int) -> dict[str, str]:
    """Return the tag that keeps the step at which metrics were written last, so that a correction gets a higher one."""
    return {semconv.TAG_STEP: str(step)}


def share_tag(root: str) -> dict[str, str]:
    """Return the tag of a child run whose energy is in its root run's figures, so that nobody adds the two."""
    return {semconv.TAG_SHARE_OF: root}


def content_tags(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the tags that describe some rows on any run: service, instance, method, emission factor.

    Args:
        rows: Ledger rows.
        impact: Their assessment; where it has no CO2e there is no factor tag.
    """
    tags = {
        **factor_tag(rows, impact),
        semconv.TAG_SERVICE: _joined(row["service"] for row in rows),
        semconv.TAG_INSTANCE: _joined(row["instance"] for row in rows),
        semconv.TAG_METHOD: worst_method(rows),
        semconv.TAG_SCHEMA: str(semconv.SCHEMA_VERSION),
    }
    if any(row["simulated"] for row in rows):
        tags[semconv.TAG_SIMULATED] = "true"
    return tags


def run_tags(rows: Sequence[Row], outcomes: Iterable[str], impact: Impact) -> dict[str, str]:
    """Return the tags of a training run: the tags of its rows, its phases, and its outcome if known."""
    tags = content_tags(rows, impact) | {semconv.TAG_PHASE: _joined(row["phase"] for row in rows)}
    worst = worst_outcome(outcomes)
    return tags if worst is None else tags | {semconv.TAG_OUTCOME: worst}


def day_tags(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the tags of a day of inference: the tags of its rows, and the model versions that served."""
    tags = content_tags(rows, impact) | {semconv.TAG_PHASE: "inference"}
    models = model_versions(rows)
    return tags | {semconv.TAG_MODEL_VERSION: ",".join(models)} if models else tags


def factor_tag(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the tag that says how the CO2e was computed; empty where none is shown."""
    if not _shows_co2e(rows, impact):
        return {}
    used = [f"{f.use.zone} {f.use.year}: {f.value_g_per_kwh:.4g} g/kWh {f.use.scope}" for f in impact.factors_used]
    return {semconv.TAG_FACTOR: "; ".join([*used, _pue_text(impact), *_calibration_text(impact)])}


def _shows_co2e(rows: Sequence[Row], impact: Impact) -> bool:
    """Return whether CO2e is known, and energy too: without energy a zero would look like a figure."""
    return impact.co2e_kg is not None and any(_energy_microjoules(row) is not None for row in rows)


def _pue_text(impact: Impact) -> str:
    """Name the PUE, as its mean over the energy."""
    if impact.boundary == "it" or not impact.energy or not impact.energy_it or not impact.energy_it.value:
        return "no PUE (IT only)"
    part = " in part" if impact.boundary == "part" else ""
    return f"PUE{part} {impact.energy.value / impact.energy_it.value:.4g}"


def _calibration_text(impact: Impact) -> list[str]:
    return ["calibrated at the wall"] if impact.calibrations_used else []


def worst_method(rows: Iterable[Row]) -> str:
    """Return the status of the least certain energy in some rows: one declared joule makes it ``declared``.

    Example::

        worst_method(rows_of_a_rapl_cpu_and_modelled_ram)  # 'estimated'
    """
    found = {row["method"][c]["status"] for row in rows for c in semconv.COMPONENTS}
    return next((status for status in _WORST_FIRST if status in found), semconv.MISSING)


def worst_outcome(outcomes: Iterable[str]) -> str | None:
    """Return the worst of some outcomes (``abandoned``, then ``failed``, then ``ok``); ``None`` if there are none."""
    found = set(outcomes)
    return next((outcome for outcome in reversed(semconv.OUTCOMES) if outcome in found), None)


def model_versions(rows: Iterable[Row]) -> list[str]:
    """Return the model versions that served, sorted."""
    return sorted({row["model_version"] for row in rows if row["model_version"]})


def _joined(values: Iterable[str | None]) -> str:
    return ",".join(sorted({value for value in values if value}))


# --- metrics


def energy_metrics(rows: Sequence[Row]) -> dict[str, float]:
    """Return energy, covered time and units of some rows, by metric name. A component missing in every row is left out."""
    energy: dict[str, int] = {}
    for row in rows:
        for component in semconv.COMPONENTS:
            if row["energy_microjoules"][component] is not None:
                energy[component] = energy.get(component, 0) + row["energy_microjoules"][component]
    metrics = {
        semconv.ENERGY_OF[component].name: kwh(energy[component]) for component in semconv.COMPONENTS if component in energy
    }
    if energy:
        metrics[semconv.ENERGY.name] = kwh(sum(energy.values()))
    metrics[semconv.DURATION.name] = covered_seconds((row["start_utc_ns"], row["end_utc_ns"]) for row in rows)
    units = [row["units_micro"] for row in rows if row["units_micro"] is not None]
    if units:
        metrics[semconv.UNITS.name] = float(from_micro(sum(units)))
    return metrics


def run_metrics(rows: Sequence[Row], impact: Impact) -> dict[str, float]:
    """Return ``energy_metrics``, and CO2e in kg where it is known."""
    metrics = energy_metrics(rows)
    if impact.co2e_kg is not None and _shows_co2e(rows, impact):
        metrics[semconv.CO2E.name] = impact.co2e_kg
    return metrics


def day_metrics(rows: Sequence[Row], known: AssessmentParameters) -> dict[str, float]:
    """Return the metrics of a day of inference. Reserved idle energy and start-up energy have metrics of their own.

    Args:
        rows: Rows of kind ``span`` and ``idle``.
        known: Parameters that CO2e is computed with.
    """
    active, idle = active_rows(rows), idle_rows(rows)
    start_up = [row for row in active if row["endpoint"] in semconv.START_UP]
    parts = (active, idle, start_up)
    of_active, of_idle, of_start_up = (run_metrics(part, assess(part, known)) if part else {} for part in parts)
    of_active[semconv.REQUESTS.name] = float(sum(map(requests_of, active)))
    apart = {
        semconv.IDLE_ENERGY.name: of_idle.get(semconv.ENERGY.name),
        semconv.IDLE_CO2E.name: of_idle.get(semconv.CO2E.name),
        semconv.START_UP_ENERGY.name: of_start_up.get(semconv.ENERGY.name),
    }
    return of_active | {name: value for name, value in apart.items() if value is not None}


def hourly_metrics(rows: Sequence[Row], *, day_start_utc_ns: int, until_utc_ns: int | None = None) -> dict[str, dict[int, float]]:
    """Return totals by metric name and hour of the day (0 to 23).

    Args:
        rows: Rows of one service, instance and UTC day.
        day_start_utc_ns: The day's midnight.
        until_utc_ns: Leave out hours that end after this instant: they would be corrected minute by minute. ``None``: the day
            is over.
    """
    active, idle = active_rows(rows), idle_rows(rows)

    def by_hour(part: Iterable[Row], value_of: Callable[[Row], int | None], convert: Callable[[int], float]) -> dict[int, float]:
        hours: dict[int, int] = {}
        for row in part:
            hour = (row["half_hour_utc_ns"] - day_start_utc_ns) // _HOUR_NS
            value = value_of(row)
            if value is not None and (until_utc_ns is None or day_start_utc_ns + (hour + 1) * _HOUR_NS <= until_utc_ns):
                hours[hour] = hours.get(hour, 0) + value
        return {hour: float(convert(hours[hour])) for hour in sorted(hours)}

    return {
        semconv.HOURLY_ENERGY.name: by_hour(active, _energy_microjoules, kwh),
        semconv.HOURLY_IDLE_ENERGY.name: by_hour(idle, _energy_microjoules, kwh),
        semconv.HOURLY_REQUESTS.name: by_hour(active, requests_of, float),
        semconv.HOURLY_UNITS.name: by_hour(active, lambda row: row["units_micro"], from_micro),
    }


def active_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of work: kind ``span``."""
    return [row for row in rows if row["kind"] == semconv.KIND_SPAN]


def idle_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of reserved idle energy: kind ``idle``."""
    return [row for row in rows if row["kind"] == semconv.KIND_IDLE]


def requests_of(row: Row) -> int:
    """Return how many requests a row answered. Loading a model or warming it up answers none."""
    return 0 if row["endpoint"] in semconv.START_UP else int(row["spans"])


def _energy_microjoules(row: Row) -> int | None:
    present = [energy for energy in row["energy_microjoules"].values() if energy is not None]
    return sum(present) if present else None

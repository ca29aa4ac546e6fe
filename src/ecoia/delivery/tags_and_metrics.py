"""Every tag and metric that ecoia writes to MLflow. ``semconv`` declares the names and units; this module gives the values.

To add a tag, declare ``TAG_...`` in ``semconv``, set it here in the function of the run that shows it, and describe it in
docs/mlflow.md. To add a metric, declare a ``Metric`` in ``semconv.METRICS`` and do the same.

The functions depend on their arguments only, so delivering twice writes the same values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ecoia import semconv
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.uncertainty import Interval
from ecoia.periods import covered_seconds
from ecoia.readable.run_line import range_text
from ecoia.records import Row, row_schema
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro, kwh, wh

_HOUR_NS = 3600 * NANOSECONDS_PER_SECOND
_WORST_FIRST = (semconv.DECLARED, semconv.ESTIMATED, semconv.MEASURED)


# --- tags of ledger runs


def ledger_day_tags(instance: str, day: str, home_id: str, place: str) -> dict[str, str]:
    """Return the tags that identify the ledger run of one instance, UTC day and place."""
    return {
        semconv.TAG_KIND: semconv.RUN_KIND_LEDGER,
        semconv.TAG_INSTANCE: instance,
        semconv.TAG_DAY: day,
        semconv.TAG_HOME: home_id,
        **({semconv.TAG_PLACE: place} if place else {}),
    }


def ledger_month_tags(instance: str, month: str, home_id: str, place: str) -> dict[str, str]:
    """Return the tags that identify the ledger run of one instance, UTC month and place."""
    return {
        semconv.TAG_KIND: semconv.RUN_KIND_LEDGER,
        semconv.TAG_INSTANCE: instance,
        semconv.TAG_MONTH: month,
        semconv.TAG_HOME: home_id,
        **({semconv.TAG_PLACE: place} if place else {}),
    }


def ledger_content_tags(rows: Collection[Row]) -> dict[str, str]:
    """Return the tags that describe the rows of a ledger run: what a reader must know, and the services in it."""
    services = sorted({row["service"] for row in rows if row["service"]})
    return {**schema_tag(rows), semconv.TAG_SERVICES: ",".join(services)}


def schema_tag(rows: Iterable[Row], least: int = semconv.FIRST_SCHEMA_VERSION) -> dict[str, str]:
    """Return the tag that says which version of rows a reader must know, and of the run that holds them (``least``).

    Example:
        >>> schema_tag([])
        {'ecoia.schema': '1'}
    """
    return {semconv.TAG_SCHEMA: str(max(least, *map(row_schema, rows), 0))}


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


def month_content_tags(days: Mapping[str, tuple[str, int]], sources: Sequence[str]) -> dict[str, str]:
    """Return the tags that say what a month's run holds.

    Args:
        days: Of each day, the SHA-256 of its rows' text and their energy in microjoules.
        sources: Ids of the runs that it took over.
    """
    return {semconv.TAG_DAYS: json.dumps(days, separators=(",", ":")), semconv.TAG_SOURCES: ",".join(sources)}


def over_tag(month_run_id: str) -> dict[str, str]:
    """Return the tag of a day's run that stands in place of a month's rows of that day."""
    return {semconv.TAG_OVER: month_run_id}


# --- tags of experiments, and of notes


def ledger_experiment_tags() -> dict[str, str]:
    """Return the tags of the experiment that holds the ledger."""
    return {semconv.TAG_KIND: semconv.RUN_KIND_LEDGER, **_KIND_OF_EXPERIMENT}


def view_experiment_tags(service: str) -> dict[str, str]:
    """Return the tags of the experiment that ecoia makes for a service."""
    return {semconv.TAG_KIND: semconv.RUN_KIND_VIEW, semconv.TAG_SERVICE: service, **_KIND_OF_EXPERIMENT}


_KIND_OF_EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's own tag: without it, its pages ask what kind of experiment this is."""


def note_tags(text: str) -> dict[str, str]:
    """Return the tags of a description that ecoia wrote: MLflow's own, and the digest that tells whether it is still ours.

    Example:
        >>> sorted(note_tags("ecoia: 12.4 Wh"))
        ['ecoia.note', 'mlflow.note.content']
    """
    return {NOTE: text, semconv.TAG_NOTE: text_digest(text)}


def note_change(tags: Mapping[str, str], text: str) -> dict[str, str]:
    """Return the tags that give a run or experiment a description; none if it has it, or its owner wrote another one.

    It is still ours while the tag ``ecoia.note`` has its digest.

    Args:
        tags: The tags that it has.
        text: The description.

    Example:
        >>> note_change({"mlflow.note.content": "mine"}, "ecoia: 12.4 Wh")
        {}
    """
    present = tags.get(NOTE, "")
    ours = not present.strip() or text_digest(present) == tags.get(semconv.TAG_NOTE)
    return note_tags(text) if ours and present != text else {}


def note_day_tag(day: str) -> dict[str, str]:
    """Return the tag that says on which UTC day the description of an experiment was looked at last."""
    return {semconv.TAG_NOTE_DAY: day}


def artifacts_tag(*texts: str) -> dict[str, str]:
    """Return the tag that says which table and page a run holds, so that the same ones are not sent again."""
    return {semconv.TAG_ARTIFACTS: text_digest("\0".join(texts))}


NOTE = "mlflow.note.content"
"""MLflow's tag of the description of a run or experiment."""


def text_digest(text: str) -> str:
    """Return the first 16 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


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


def group_tag(groups: Sequence[str], tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tag by which other hosts find the run that shows the rows of a group; empty where there is none.

    Args:
        groups: Groups with a member that began the run.
        tags: The tags of the run, which may name groups of other journals.

    Example:
        >>> group_tag(["ecoia-group-2"], {"ecoia.group": "ecoia-group-1"})
        {'ecoia.group': 'ecoia-group-1,ecoia-group-2'}
    """
    known = {group for group in tags.get(semconv.TAG_GROUP, "").split(",") if group}
    return {semconv.TAG_GROUP: _joined([*known, *groups])} if groups else {}


def share_tag(root: str) -> dict[str, str]:
    """Return the tag of a child run whose energy is in its root run's figures, so that nobody adds the two."""
    return {semconv.TAG_SHARE_OF: root}


def outdated_tag(names: Sequence[str]) -> dict[str, str]:
    """Return the tag of a model that shows metrics which are not known any more; empty where there are none."""
    return {semconv.TAG_OUTDATED: ",".join(names)} if names else {}


def instances_tag(instances: Iterable[str]) -> dict[str, str]:
    """Return the tag that names the instances that worked for a run."""
    return {semconv.TAG_INSTANCE: _joined(instances)}


def instances_in(tags: Mapping[str, str]) -> list[str]:
    """Return the instances that this tag of a run names."""
    return [name for name in tags.get(semconv.TAG_INSTANCE, "").split(",") if name]


def estimated_share_tags(root: str) -> dict[str, str]:
    """Return the tags of a child run whose figures are an estimated share of its root's, by the time of its fits."""
    return {**share_tag(root), semconv.TAG_METHOD: semconv.ESTIMATED, semconv.TAG_SHARE_BASIS: "fit-time"}


def content_tags(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the tags that describe some rows on any run: service, instance, method, emission factor.

    Args:
        rows: Ledger rows.
        impact: Their assessment; where it has no CO2e there is no factor tag.
    """
    tags = {
        **factor_tag(rows, impact),
        **range_tags(rows, impact),
        semconv.TAG_SERVICE: _joined(row["service"] for row in rows),
        **instances_tag(row["instance"] for row in rows),
        semconv.TAG_METHOD: worst_method(rows),
        **schema_tag(rows),
    }
    if any(row["simulated"] for row in rows):
        tags[semconv.TAG_SIMULATED] = "true"
    return tags


def run_tags(rows: Sequence[Row], outcome: str | None, impact: Impact) -> dict[str, str]:
    """Return the tags of a training run: the tags of its rows, its phases, and its outcome if known."""
    tags = content_tags(rows, impact) | {semconv.TAG_PHASE: _joined(row["phase"] for row in rows)}
    return tags if outcome is None else tags | {semconv.TAG_OUTCOME: outcome}


def day_tags(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the tags of a day of inference: the tags of its rows, and the model versions that served."""
    tags = content_tags(rows, impact) | {semconv.TAG_PHASE: "inference"}
    models = model_versions(rows)
    return tags | {semconv.TAG_MODEL_VERSION: ",".join(models)} if models else tags


def factor_tag(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the tag that says how the CO2e was computed; empty where none is shown."""
    if not shows_co2e(rows, impact):
        return {}
    used = [f"{f.use.zone} {f.use.year}: {f.value_g_per_kwh:.4g} g/kWh {f.use.scope}" for f in impact.factors_used]
    return {semconv.TAG_FACTOR: "; ".join([*used, _pue_text(impact), *_calibration_text(impact)])}


def range_tags(rows: Sequence[Row], impact: Impact) -> dict[str, str]:
    """Return the 95 % intervals of energy and CO2e, in the units of the metrics; empty where nothing is known."""
    tags = {}
    if impact.energy_components_interval is not None:
        tags[semconv.TAG_ENERGY_RANGE] = range_text(_thousandfold(impact.energy_components_interval))
    if impact.co2e_interval is not None and shows_co2e(rows, impact):
        tags[semconv.TAG_CO2E_RANGE] = range_text(_thousandfold(impact.co2e_interval))
    return tags


def _thousandfold(bounds: Interval) -> tuple[float, float]:
    return bounds.low * 1000, bounds.high * 1000


def shows_co2e(rows: Iterable[Row], impact: Impact) -> bool:
    """Return whether CO2e is known, and energy too: without energy a zero would look like a figure."""
    return impact.co2e_kg is not None and any(energy_microjoules(row) is not None for row in rows)


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


def ledger_metrics(rows: Sequence[Row]) -> dict[str, float]:
    """Return energy, covered time and units of a ledger day, by metric name. A component missing in every row is left out.

    The names are the ledger's own: a sum of ``ecoia/energy_wh`` over all runs counts no joule twice.
    """
    energy = energy_by_component(rows)
    metrics = {semconv.LEDGER_ENERGY_OF[component].name: kwh(part) for component, part in energy.items() if part is not None}
    if metrics:
        metrics[semconv.LEDGER_ENERGY.name] = kwh(sum(part for part in energy.values() if part is not None))
    metrics[semconv.LEDGER_DURATION.name] = seconds_of(rows)
    units = units_of(rows)
    if units is not None:
        metrics[semconv.LEDGER_UNITS.name] = units
    return metrics


def run_metrics(rows: Sequence[Row], impact: Impact) -> dict[str, float]:
    """Return the metrics of a run: energy in Wh, CO2e in g where it is known, units per Wh where units were given."""
    metrics: dict[str, float] = {}
    known = [part for part in energy_by_component(rows).values() if part is not None]
    total = sum(known)
    if known:
        metrics[semconv.ENERGY.name] = wh(total)
    if impact.co2e_kg is not None and shows_co2e(rows, impact):
        metrics[semconv.CO2E.name] = impact.co2e_kg * 1000
    units = units_of(rows)
    if units is not None and total:
        metrics[semconv.UNITS_PER_WH.name] = units / wh(total)
    return metrics


def outside_metric(rows: Sequence[Row], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metric of the session around a root run; zero where a run shows one that is shown elsewhere by now.

    Args:
        rows: Rows of the session.
        metrics: The metrics that the run has.

    Example:
        >>> outside_metric([], {}), outside_metric([], {"ecoia/outside_wh": 3.0})
        ({}, {'ecoia/outside_wh': 0.0})
    """
    known = [energy for row in rows if (energy := energy_microjoules(row)) is not None]
    name = semconv.OUTSIDE_ENERGY.name
    return {name: wh(sum(known))} if known or name in metrics else {}


def energy_by_component(rows: Iterable[Row]) -> dict[str, int | None]:
    """Return the microjoules of some rows by component; None where a component is missing in every row."""
    energy: dict[str, int | None] = dict.fromkeys(semconv.COMPONENTS)
    for row in rows:
        for component in semconv.COMPONENTS:
            part = row["energy_microjoules"][component]
            if part is not None:
                energy[component] = (energy[component] or 0) + part
    return energy


def methods_by_component(rows: Iterable[Row]) -> dict[str, tuple[str, str]]:
    """Return the status and name of each component's least certain method; ``missing`` only where every row lacks it."""
    found: dict[str, tuple[str, str]] = {}
    ranks = {status: rank for rank, status in enumerate((*_WORST_FIRST, semconv.MISSING))}
    for row in rows:
        for component in semconv.COMPONENTS:
            method = row["method"][component]
            candidate = (method["status"], method["name"])
            if component not in found or (ranks[candidate[0]], candidate[1]) < (ranks[found[component][0]], found[component][1]):
                found[component] = candidate
    return found


def seconds_of(rows: Iterable[Row]) -> float:
    """Return the seconds that some rows cover together."""
    return covered_seconds((row["start_utc_ns"], row["end_utc_ns"]) for row in rows)


def units_of(rows: Iterable[Row]) -> float | None:
    """Return the functional units of some rows; None where none were given."""
    units = [row["units_micro"] for row in rows if row["units_micro"] is not None]
    return float(from_micro(sum(units))) if units else None


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
    units = units_of(active)
    if units is not None:
        of_active[semconv.UNITS.name] = units
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
        semconv.HOURLY_ENERGY.name: by_hour(active, energy_microjoules, wh),
        semconv.HOURLY_IDLE_ENERGY.name: by_hour(idle, energy_microjoules, wh),
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


def energy_microjoules(row: Row) -> int | None:
    """Return the energy of a row's components; None where all are missing."""
    present = [energy for energy in row["energy_microjoules"].values() if energy is not None]
    return sum(present) if present else None


def card_tags(emissions_g: float, source: str) -> dict[str, str]:
    """Return the tags of a logged model whose card has the CO2e of its training."""
    return {semconv.TAG_CARD_EMISSIONS: str(emissions_g), semconv.TAG_CARD_SOURCE: source}

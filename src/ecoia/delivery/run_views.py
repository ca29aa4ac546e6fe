"""What people see on MLflow runs: totals of some ledger rows, as metrics, tags, a table and a small page.

Pure functions of rows, so showing again gives the same. CO2e is there only where a zone and a factor are known.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ecoia import semconv
from ecoia.delivery.mlflow_store import PAGE_ARTIFACT, View, energy_totals
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.records import Row
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro, kwh

_HOUR_NS = 3600 * NANOSECONDS_PER_SECOND
_WORST_FIRST = (semconv.DECLARED, semconv.ESTIMATED, semconv.MEASURED)
_FIGURES = ("energy_kwh", "cpu_kwh", "gpu_kwh", "ram_kwh", "co2e_kg", "method", "duration_s", "units", "simulated")
_COLUMNS = ("service", "phase", *_FIGURES)
_DAY_COLUMNS = ("service", "kind", "endpoint", "model_version", "requests", *_FIGURES)


def method_of(rows: Iterable[Row]) -> str:
    """How the energy was obtained at worst: one declared joule makes it ``declared``."""
    found = {row["method"][c]["status"] for row in rows for c in semconv.COMPONENTS}
    return next((status for status in _WORST_FIRST if status in found), semconv.MISSING)


def totals(rows: Sequence[Row], known: AssessmentParameters) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics and factor tags of the sum of some rows."""
    metrics = energy_totals(rows)
    impact = assess(rows, known)
    if impact.co2e_kg is None or semconv.ENERGY.name not in metrics:
        return metrics, {}
    metrics[semconv.CO2E.name] = impact.co2e_kg
    used = [f"{f.use.zone} {f.use.year}: {f.value_g_per_kwh:.4g} g/kWh {f.use.scope}" for f in impact.factors_used]
    return metrics, {semconv.TAG_FACTOR: "; ".join([*used, *_surroundings(impact)])}


def _surroundings(impact: Impact) -> list[str]:
    """What else gave the CO2e: the PUE (its mean over the energy), and wall factors."""
    calibrated = ["calibrated at the wall"] if impact.calibrations_used else []
    if impact.boundary == "it" or not impact.energy or not impact.energy_it or not impact.energy_it.value:
        return ["no PUE (IT only)", *calibrated]
    part = " in part" if impact.boundary == "part" else ""
    return [f"PUE{part} {impact.energy.value / impact.energy_it.value:.4g}", *calibrated]


def _joined(values: Iterable[str | None]) -> str:
    return ",".join(sorted({value for value in values if value}))


def build_view(
    rows: Sequence[Row],
    outcomes: Iterable[str],
    *,
    known: AssessmentParameters,
    artifacts: bool = False,
    status: str | None = None,
) -> View:
    """The view of a run.

    Args:
        rows: Its span rows.
        outcomes: How it ended, as far as known.
        known: What it is assessed with.
        artifacts: Whether to add the table and the page.
        status: How to end a run of ecoia's own.
    """
    metrics, tags = totals(rows, known)
    tags |= _tags(rows)
    tags[semconv.TAG_PHASE] = _joined(row["phase"] for row in rows)
    ended = set(outcomes)
    if ended:
        tags[semconv.TAG_OUTCOME] = next(outcome for outcome in reversed(semconv.OUTCOMES) if outcome in ended)
    lines = _lines(rows, ("service", "phase"), known) if artifacts else []
    return View(
        metrics=metrics,
        tags=tags,
        step=_seconds_until_end(rows, min(row["start_utc_ns"] for row in rows)),
        **_artifacts(lines, _COLUMNS, tags),
        status=status,
    )


def build_day_view(rows: Sequence[Row], *, known: AssessmentParameters, day_start_ns: int, until_ns: int | None) -> View:
    """The view of a service's day on an instance: its requests, and its reserved idle energy apart from them.

    Args:
        rows: Its rows of kind span (phase ``inference``) and idle.
        known: What it is assessed with.
        day_start_ns: Its midnight, UTC.
        until_ns: The day goes on: the hours that ended by this instant are told. ``None``: it is complete.
    """
    active = [row for row in rows if row["kind"] == semconv.KIND_SPAN]
    idle = [row for row in rows if row["kind"] == semconv.KIND_IDLE]
    metrics = totals(active, known)[0] if active else {}
    metrics[semconv.REQUESTS.name] = float(sum(map(_requests, active)))
    for of, part, name in (
        (semconv.ENERGY, idle, semconv.IDLE_ENERGY),
        (semconv.CO2E, idle, semconv.IDLE_CO2E),
        (semconv.ENERGY, [row for row in active if row["endpoint"] in semconv.START_UP], semconv.START_UP_ENERGY),
    ):
        value = totals(part, known)[0].get(of.name) if part else None
        if value is not None:
            metrics[name.name] = value
    tags = totals(rows, known)[1] | _tags(rows)
    tags[semconv.TAG_PHASE] = "inference"
    models = sorted({row["model_version"] for row in rows if row["model_version"]})
    if models:
        tags[semconv.TAG_MODEL_VERSION] = ",".join(models)
    complete = until_ns is None
    lines = _lines(rows, ("service", "kind", "endpoint", "model_version"), known) if complete else []
    hourly = {
        semconv.HOURLY_ENERGY.name: _by_hour(active, _energy, day_start_ns, until_ns, kwh),
        semconv.HOURLY_IDLE_ENERGY.name: _by_hour(idle, _energy, day_start_ns, until_ns, kwh),
        semconv.HOURLY_REQUESTS.name: _by_hour(active, _requests, day_start_ns, until_ns, float),
        semconv.HOURLY_UNITS.name: _by_hour(active, lambda row: row["units_micro"], day_start_ns, until_ns, from_micro),
    }
    return View(
        metrics=metrics,
        tags=tags,
        step=_seconds_until_end(rows, day_start_ns),
        hourly=hourly,
        models=tuple(models),
        **_artifacts(lines, _DAY_COLUMNS, tags),
        status="FINISHED" if complete else "RUNNING",
    )


def _tags(rows: Sequence[Row]) -> dict[str, str]:
    """What every view says of its rows."""
    tags = {
        semconv.TAG_SERVICE: _joined(row["service"] for row in rows),
        semconv.TAG_INSTANCE: _joined(row["instance"] for row in rows),
        semconv.TAG_METHOD: method_of(rows),
        semconv.TAG_SCHEMA: str(semconv.SCHEMA_VERSION),
    }
    if any(row["simulated"] for row in rows):
        tags[semconv.TAG_SIMULATED] = "true"
    return tags


def _seconds_until_end(rows: Sequence[Row], origin_ns: int) -> int:
    return max(0, int(max(row["end_utc_ns"] for row in rows) - origin_ns) // NANOSECONDS_PER_SECOND)


def _energy(row: Row) -> int | None:
    present = [energy for energy in row["energy_microjoules"].values() if energy is not None]
    return sum(present) if present else None


def _requests(row: Row) -> int:
    """Spans that answered somebody."""
    return 0 if row["endpoint"] in semconv.START_UP else int(row["spans"])


def _by_hour(
    rows: Iterable[Row],
    value_of: Callable[[Row], int | None],
    day_start_ns: int,
    until_ns: int | None,
    convert: Callable[[int], float],
) -> dict[int, float]:
    """Totals by hour of the day, of the hours that are over: others would be corrected minute by minute."""
    hours: dict[int, int] = {}
    for row in rows:
        hour = (row["half_hour_utc_ns"] - day_start_ns) // _HOUR_NS
        value = value_of(row)
        if value is not None and (until_ns is None or day_start_ns + (hour + 1) * _HOUR_NS <= until_ns):
            hours[hour] = hours.get(hour, 0) + value
    return {hour: float(convert(hours[hour])) for hour in sorted(hours)}


def _lines(rows: Sequence[Row], keys: Sequence[str], known: AssessmentParameters) -> list[dict[str, Any]]:
    """A line for each combination of some fields: their values, and the figures."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] or "" for key in keys), []).append(row)
    lines = []
    for values, group in sorted(groups.items()):
        metrics, _ = totals(group, known)
        lines.append(
            {
                **dict(zip(keys, values, strict=True)),
                **{name.removeprefix("ecoia/").removeprefix("energy/"): value for name, value in metrics.items()},
                "requests": sum(map(_requests, group)),
                "method": method_of(group),
                "simulated": any(row["simulated"] for row in group),
            }
        )
    return lines


def _artifacts(lines: Sequence[dict[str, Any]], columns: Sequence[str], tags: dict[str, str]) -> dict[str, Any]:
    """The table and the page of some lines, as fields of a view; what is not known is ``None``. None without lines."""
    if not lines:
        return {}
    cells = [[line.get(column) for column in columns] for line in lines]
    table = json.dumps({"columns": list(columns), "data": cells}, ensure_ascii=False, allow_nan=False)
    return {"artifacts": {PAGE_ARTIFACT: _page(cells, columns, tags)}, "table": table}


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse}th,td{border:1px solid #767676;padding:.3rem .6rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def _page(cells: list[list[Any]], columns: Sequence[str], tags: dict[str, str]) -> str:
    """A page of a few kB that needs nothing: no script, no address, everything escaped."""

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return f"<td>{'oui / yes' if value else 'non / no'}</td>"
        if value is None:
            return "<td>non disponible / not available</td>"
        if isinstance(value, (int, float)):
            return f'<td class="n">{value:.6g}</td>'
        return f"<td>{html.escape(str(value))}</td>"

    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(cell(value) for value in line)}</tr>" for line in cells)
    factor = tags.get(semconv.TAG_FACTOR)
    basis = (
        f"CO2e&nbsp;: {html.escape(factor)}."
        if factor
        else "CO2e non calculé&nbsp;: aucune zone ou aucun facteur connu. / CO2e not computed: no zone or no factor known."
    )
    simulated = "<p><strong>Données simulées. / Simulated data.</strong></p>" if semconv.TAG_SIMULATED in tags else ""
    return (
        '<!doctype html><html lang="fr"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Impact – ecoia</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Impact environnemental / Environmental impact</h1>{simulated}"
        f"<table><caption>Énergie des composants (CPU, GPU, RAM), hors bâtiment / Energy of components, without the building"
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{basis}</p>"
        "<p>Vue pour les personnes ; les comptes sont dans le registre ecoia/ledger. / "
        "A view for people; the account is the ledger, ecoia/ledger.</p></main></body></html>\n"
    )

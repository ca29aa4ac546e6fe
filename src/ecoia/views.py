"""What people see on MLflow runs: totals of some ledger rows, as metrics, tags, a table and a small page.

Pure functions of rows, so showing again gives the same. CO2e is there only where a zone and a factor are known.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from ecoia import semconv
from ecoia.assessment import Knowledge, assess
from ecoia.factors import FactorSet
from ecoia.records import Row
from ecoia.settings import Settings
from ecoia.stores.mlflow_store import PAGE_ARTIFACT, View, energy_totals
from ecoia.units import NANOSECONDS_PER_SECOND, from_micro, kwh

_HOUR_NS = 3600 * NANOSECONDS_PER_SECOND
_WORST_FIRST = (semconv.DECLARED, semconv.ESTIMATED, semconv.MEASURED)
_COLUMNS = (
    "service",
    "phase",
    "energy_kwh",
    "cpu_kwh",
    "gpu_kwh",
    "ram_kwh",
    "co2e_kg",
    "method",
    "duration_s",
    "units",
    "simulated",
)


def method_of(rows: Iterable[Row]) -> str:
    """How the energy was obtained at worst: one declared joule makes it ``declared``."""
    found = {row["method"][c]["status"] for row in rows for c in semconv.COMPONENTS}
    return next((status for status in _WORST_FIRST if status in found), semconv.MISSING)


def totals(rows: Sequence[Row], settings: Settings, factors: FactorSet) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics and factor tags of the sum of some rows."""
    metrics = energy_totals(rows)
    impact = assess(rows, Knowledge(factors, settings.zone, settings.pue, ZoneInfo(settings.timezone)))
    if impact.co2e_kg is None or semconv.ENERGY.name not in metrics:
        return metrics, {}
    metrics[semconv.CO2E.name] = impact.co2e_kg
    used = [f"{f.use.zone} {f.use.year}: {f.value_g_per_kwh:.4g} g/kWh {f.use.scope}" for f in impact.factors_used]
    site = "no PUE (IT only)" if settings.pue is None else f"PUE {settings.pue:g}"
    return metrics, {semconv.TAG_FACTOR: "; ".join([*used, site])}


def _joined(values: Iterable[str | None]) -> str:
    return ",".join(sorted({value for value in values if value}))


def build_view(
    rows: Sequence[Row],
    outcomes: Iterable[str],
    *,
    settings: Settings,
    factors: FactorSet,
    origin_ns: int | None = None,
    hourly_until_ns: int | None = None,
    artifacts: bool = False,
    status: str | None = None,
) -> View:
    """The view of some rows.

    Args:
        rows: Span rows of the run, or of the service's day.
        outcomes: How its runs ended, as far as known.
        settings: Gives ``zone`` and ``pue``.
        factors: Emission factors.
        origin_ns: From where steps count in seconds; the rows' first instant unless given.
        hourly_until_ns: Also totals of each hour of the day that ended by this instant.
        artifacts: Whether to add the table and the page.
        status: How to end a run of ecoia's own.
    """
    metrics, tags = totals(rows, settings, factors)
    tags[semconv.TAG_SERVICE] = _joined(row["service"] for row in rows)
    tags[semconv.TAG_PHASE] = _joined(row["phase"] for row in rows)
    tags[semconv.TAG_INSTANCE] = _joined(row["instance"] for row in rows)
    tags[semconv.TAG_METHOD] = method_of(rows)
    tags[semconv.TAG_SCHEMA] = str(semconv.SCHEMA_VERSION)
    if any(row["simulated"] for row in rows):
        tags[semconv.TAG_SIMULATED] = "true"
    ended = set(outcomes)
    if ended:
        tags[semconv.TAG_OUTCOME] = next(outcome for outcome in reversed(semconv.OUTCOMES) if outcome in ended)
    origin = min(row["start_utc_ns"] for row in rows) if origin_ns is None else origin_ns
    cells = _cells(rows, settings, factors) if artifacts else []
    return View(
        metrics=metrics,
        tags=tags,
        step=max(0, (max(row["end_utc_ns"] for row in rows) - origin) // NANOSECONDS_PER_SECOND),
        hourly={} if hourly_until_ns is None else _hours(rows, origin, hourly_until_ns),
        artifacts={PAGE_ARTIFACT: _page(cells, tags)} if artifacts else {},
        table=_table(cells) if artifacts else None,
        status=status,
    )


def _hours(rows: Sequence[Row], day_start_ns: int, until_ns: int) -> dict[str, dict[int, float]]:
    energy: dict[int, int] = {}
    units: dict[int, int] = {}
    for row in rows:
        hour = (row["half_hour_utc_ns"] - day_start_ns) // _HOUR_NS
        if day_start_ns + (hour + 1) * _HOUR_NS > until_ns:
            continue  # not over: its total would be corrected minute by minute
        present = [e for e in row["energy_microjoules"].values() if e is not None]
        if present:
            energy[hour] = energy.get(hour, 0) + sum(present)
        if row["units_micro"] is not None:
            units[hour] = units.get(hour, 0) + row["units_micro"]
    return {
        semconv.HOURLY_ENERGY.name: {hour: kwh(energy[hour]) for hour in sorted(energy)},
        semconv.HOURLY_UNITS.name: {hour: float(from_micro(units[hour])) for hour in sorted(units)},
    }


def _cells(rows: Sequence[Row], settings: Settings, factors: FactorSet) -> list[list[Any]]:
    """One line a service and phase, in the order of ``_COLUMNS``; what is not known is ``None``."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["service"] or "", row["phase"] or ""), []).append(row)
    lines = []
    for (service, phase), group in sorted(groups.items()):
        metrics, _ = totals(group, settings, factors)
        values = {
            "service": service,
            "phase": phase,
            "method": method_of(group),
            "simulated": any(row["simulated"] for row in group),
            **{name.removeprefix("ecoia/").removeprefix("energy/"): value for name, value in metrics.items()},
        }
        lines.append([values.get(column) for column in _COLUMNS])
    return lines


def _table(cells: list[list[Any]]) -> str:
    return json.dumps({"columns": list(_COLUMNS), "data": cells}, ensure_ascii=False, allow_nan=False)


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse}th,td{border:1px solid #767676;padding:.3rem .6rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def _page(cells: list[list[Any]], tags: dict[str, str]) -> str:
    """A page of a few kB that needs nothing: no script, no address, everything escaped."""

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return f"<td>{'oui / yes' if value else 'non / no'}</td>"
        if value is None:
            return "<td>non disponible / not available</td>"
        if isinstance(value, float):
            return f'<td class="n">{value:.6g}</td>'
        return f"<td>{html.escape(str(value))}</td>"

    head = "".join(f'<th scope="col">{column}</th>' for column in _COLUMNS)
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

"""The table and the page that a finished MLflow run shows: figures by service and phase, or by endpoint and model."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ecoia import semconv
from ecoia.delivery.tags_and_metrics import requests_of, run_metrics, worst_method
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.records import Row

_FIGURES = ("energy_kwh", "cpu_kwh", "gpu_kwh", "ram_kwh", "co2e_kg", "method", "duration_s", "units", "simulated")
RUN_COLUMNS = ("service", "phase", *_FIGURES)
DAY_COLUMNS = ("service", "kind", "endpoint", "model_version", "requests", *_FIGURES)

Line = Mapping[str, Any]


def breakdown(rows: Sequence[Row], keys: Sequence[str], known: AssessmentParameters) -> list[Line]:
    """Break rows down by some fields: one line for each combination of their values, with its figures.

    Args:
        rows: Ledger rows.
        keys: Names of row fields.
        known: Parameters that CO2e is computed with.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] or "" for key in keys), []).append(row)
    return [
        {
            **dict(zip(keys, values, strict=True)),
            **_figures(run_metrics(group, assess(group, known))),
            "requests": sum(map(requests_of, group)),
            "method": worst_method(group),
            "simulated": any(row["simulated"] for row in group),
        }
        for values, group in sorted(groups.items())
    ]


def _figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics by the name of their column: ``ecoia/energy/cpu_kwh`` is ``cpu_kwh``."""
    return {name.removeprefix("ecoia/").removeprefix("energy/"): value for name, value in metrics.items()}


def _cells(lines: Sequence[Line], columns: Sequence[str]) -> list[list[Any]]:
    """Return the cells of some lines; ``None`` where a figure is not known."""
    return [[line.get(column) for column in columns] for line in lines]


def table(lines: Sequence[Line], columns: Sequence[str]) -> str:
    """Write lines as JSON, in the form of MLflow's ``log_table``."""
    data = {"columns": list(columns), "data": _cells(lines, columns)}
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse}th,td{border:1px solid #767676;padding:.3rem .6rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def page(lines: Sequence[Line], columns: Sequence[str], tags: Mapping[str, str]) -> str:
    """Write lines as a page of a few kB. It holds no script and no address, and every text is escaped.

    Args:
        lines: From ``breakdown``.
        columns: The columns to show, in order.
        tags: The run's tags; the page names the emission factor and says whether data is simulated.
    """
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in line)}</tr>" for line in _cells(lines, columns))
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


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f"<td>{'oui / yes' if value else 'non / no'}</td>"
    if value is None:
        return "<td>non disponible / not available</td>"
    if isinstance(value, (int, float)):
        return f'<td class="n">{value:.6g}</td>'
    return f"<td>{html.escape(str(value))}</td>"

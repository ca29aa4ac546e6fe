"""The page that a finished MLflow run shows: its figures, a chart of its components, and what it is made of.

MLflow shows it in a frame without origin, some 500 to 900 pixels wide. So it holds no script and no address, and is fluid.
French comes first; numbers are written as in French.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from ecoia.delivery.breakdown import CHILD, COMPONENT, ENDPOINT, HOST, IDLE, OUTSIDE, RANK, WHOLE, WORK, Line
from ecoia.readable.run_line import RunFigures, duration_text, energy_text, mass_text, number
from ecoia.units import MICROJOULES_PER_WH

MOST_CHILDREN = 50
"""Children that the page shows, from the dearest down; the table has them all."""

_COLOURS = {"GPU": "#b4500a", "CPU": "#1f5f99", "RAM": "#5b5b5b"}
_STYLE = (
    "*{box-sizing:border-box}"
    "body{font:16px/1.5 system-ui,sans-serif;margin:1rem;color:#1b1b1b;background:#fff;max-width:60rem}"
    "h1{font-size:1.25rem;margin:0 0 .75rem}h1 [lang=en]{font-size:1rem}h2{font-size:1rem;margin:1.5rem 0 .5rem}"
    "[lang=en]{color:#565656;font-weight:400}"
    ".f{display:flex;flex-wrap:wrap;gap:.5rem;margin:0;padding:0;list-style:none}"
    ".f li{flex:1 1 8.5rem;border:1px solid #8a8a8a;border-radius:4px;padding:.5rem .75rem}"
    ".f strong{display:block;font-size:1.4rem;line-height:1.3}.f small{display:block}"
    "svg{display:block;width:100%;height:auto}"
    ".s{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.875rem}"
    "th,td{border-bottom:1px solid #b0b0b0;padding:.3rem .4rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;overflow-wrap:normal}"
    "th[scope=row]{min-width:5.5rem;overflow-wrap:break-word}p{margin:.5rem 0}"
)
_HEADINGS = {
    WORK: ("Par service et phase", "By service and phase"),
    HOST: ("Par machine", "By host"),
    RANK: ("Par rang", "By rank"),
    ENDPOINT: ("Par point d’entrée et modèle", "By endpoint and model"),
    IDLE: ("Énergie au repos réservée", "Reserved idle energy"),
    OUTSIDE: ("Autour du run, hors du total", "Around the run, not part of the total"),
    CHILD: ("Runs enfants, compris dans le total", "Child runs, part of the total"),
}
_STATUSES = {"measured": "mesurée", "estimated": "estimée", "declared": "déclarée", "missing": "non mesurée"}
_OUTCOMES = {
    "ok": ("réussi", "finished"),
    "failed": ("échoué", "failed"),
    "abandoned": ("interrompu", "killed"),
}


def page(lines: Sequence[Line], figures: RunFigures, factor: str) -> str:
    """Write lines as a page of a few kB; every text is escaped.

    Args:
        lines: From ``breakdown``.
        figures: The figures of the whole.
        factor: The tag ``ecoia.factor``; empty where no CO2e is shown.
    """
    components = [line for line in lines if line["part"] == COMPONENT]
    whole = next((line for line in lines if line["part"] == WHOLE), None)
    basis = (
        f"<p>CO2e&nbsp;: {html.escape(factor)}. Entre crochets, l’intervalle à 95&nbsp;%. "
        f"{_en('In brackets, the 95 % interval.')}</p>"
        if factor
        else "<p>CO2e non calculé&nbsp;: aucune zone ou aucun facteur connu. "
        f"{_en('CO2e not computed: no zone or no factor known.')}</p>"
    )
    simulated = f"<p><strong>Données simulées. {_en('Simulated data.')}</strong></p>" if figures.simulated else ""
    datasets = (
        f"<p>Jeux de données&nbsp;: {html.escape(str(whole['datasets']))}. {_en('Datasets.')}</p>"
        if whole and whole.get("datasets")
        else ""
    )
    tables = "".join(_table(part, [line for line in lines if line["part"] == part]) for part in _HEADINGS)
    return (
        '<!doctype html><html lang="fr"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Impact – ecoia</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Impact environnemental {_en('Environmental impact')}</h1>{simulated}{_tiles(figures, whole)}"
        f"{_chart(components)}{tables}{datasets}{basis}"
        "<p>Énergie des composants (CPU, GPU, RAM), hors bâtiment. Vue pour les personnes&nbsp;; les comptes sont dans le "
        f"registre ecoia/ledger. {_en('Energy of components, without the building.')} "
        f"{_en('A view for people; the account is the ledger.')}</p>"
        "</main></body></html>\n"
    )


def _en(text: str) -> str:
    return f'<span lang="en">{html.escape(text)}</span>'


def _french(text: str) -> str:
    """Write a number and its unit as in French: a decimal comma, and no break before the unit."""
    return html.escape(text.replace(".", ",").replace(" ", "\u00a0"))


def _tiles(figures: RunFigures, whole: Line | None) -> str:
    total = figures.total_microjoules
    tiles = [("Énergie", "Energy", _known(None if total is None else energy_text(total)), _status(figures, whole))]
    if figures.co2e_g is not None:
        bounds = figures.co2e_range_g
        low_to_high = f"[{_french(mass_text(bounds[0]))} – {_french(mass_text(bounds[1]))}]" if bounds else ""
        tiles.append(("CO2e", "", _known(mass_text(figures.co2e_g)), low_to_high))
    seconds = figures.seconds if whole is None else whole["duration_s"]
    if seconds is not None:
        fr, en = _OUTCOMES.get(str((whole or {}).get("outcome")), ("", ""))
        tiles.append(("Durée", "Duration", _known(duration_text(seconds)), f"{fr} {_en(en)}" if fr else ""))
    if whole and whole.get("requests"):
        tiles.append(("Requêtes", "Requests", _known(str(whole["requests"])), ""))
    cells = "".join(
        f"<li>{fr} {_en(en) if en else ''}<strong>{value}</strong>{f'<small>{more}</small>' if more else ''}</li>"
        for fr, en, value, more in tiles
    )
    return f'<ul class="f">{cells}</ul>'


def _status(figures: RunFigures, whole: Line | None) -> str:
    status = str(whole["method"]) if whole else "missing"
    return f"{_STATUSES.get(status, status)} {_en(status)}"


def _known(text: str | None) -> str:
    return f"non disponible {_en('not available')}" if text is None else _french(text)


def _chart(components: Sequence[Line]) -> str:
    """Draw the components as bars one under another, each with its name, energy and share."""
    if not components:
        return ""
    greatest = max(line["energy_wh"] for line in components) or 1
    rows = []
    for index, line in enumerate(components):
        y = index * 46
        width = max(480 * line["energy_wh"] / greatest, 1)
        share = "" if line["share_percent"] is None else f", {number(line['share_percent'], 2).replace('.', ',')}\u00a0%"
        label = f"{line['name']}\u00a0: {_energy(line['energy_wh'])}{share}, {_method(line['method'])}"
        rows.append(
            f'<text x="0" y="{y + 16}" font-size="15" fill="#1b1b1b">{html.escape(label)}</text>'
            f'<rect x="0" y="{y + 22}" width="{width:.1f}" height="14" fill="{_COLOURS.get(line["name"], "#5b5b5b")}"/>'
        )
    said = "; ".join(f"{line['name']} {_energy(line['energy_wh'])}" for line in components)
    return (
        f"<h2>Par composant {_en('By component')}</h2>"
        f'<svg viewBox="0 0 480 {len(components) * 46}" role="img" aria-label="{html.escape(said)}" '
        f'style="max-width:30rem" font-family="system-ui,sans-serif">{"".join(rows)}</svg>'
    )


def _method(text: str) -> str:
    """Write a status, and the name of the method behind it, in French."""
    status, _, name = text.partition(" ")
    return " ".join(filter(None, (_STATUSES.get(status, status), name)))


def _energy(watt_hours: float) -> str:
    return energy_text(watt_hours * MICROJOULES_PER_WH).replace(".", ",").replace(" ", "\u00a0")


def _table(part: str, lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    fr, en = _HEADINGS[part]
    shown = lines[:MOST_CHILDREN] if part == CHILD else lines
    optional = [
        ("requests", "requêtes", "requests"),
        ("units", "unités", "units"),
        ("datasets", "jeux de données", "datasets"),
        ("outcome", "issue", "outcome"),
    ]
    used = [column for column in optional if any(line.get(column[0]) is not None for line in shown)]
    with_co2e = any(line.get("co2e_g") is not None for line in shown)
    names = any(line["name"] for line in shown)
    head = [
        *([f'<th scope="col">nom {_en("name")}</th>'] if names else []),
        f'<th scope="col" class="n">énergie {_en("energy")}</th>',
        *(['<th scope="col" class="n">CO2e</th>'] if with_co2e else []),
        f'<th scope="col">méthode {_en("method")}</th>',
        *(f'<th scope="col">{name} {_en(english)}</th>' for _, name, english in used),
    ]
    body = "".join(f"<tr>{''.join(_cells(line, names, with_co2e, [key for key, _, _ in used]))}</tr>" for line in shown)
    rest = len(lines) - len(shown)
    more = f"<p>{rest} autres dans breakdown.json. {_en(f'{rest} more in breakdown.json.')}</p>" if rest else ""
    return (
        f'<h2>{fr} {_en(en)}</h2><div class="s" role="region" tabindex="0" aria-label="{fr}">'
        f"<table><thead><tr>{''.join(head)}</tr></thead><tbody>{body}</tbody></table></div>{more}"
    )


def _cells(line: Line, names: bool, with_co2e: bool, used: Iterable[str]) -> Iterable[str]:
    if names:
        yield f'<th scope="row">{html.escape(line["name"] or line.get("run_id") or "–")}</th>'
    share = line.get("share_percent")
    percent = f"<br>{number(share, 2).replace('.', ',')}\u00a0%" if share is not None else ""
    energy = "non mesurée" if line["energy_wh"] is None else f"{_energy(line['energy_wh'])}{percent}"
    yield f'<td class="n">{energy}</td>'
    if with_co2e:
        yield f'<td class="n">{_mass(line)}</td>'
    yield f"<td>{_STATUSES.get(line['method'], html.escape(line['method']))}</td>"
    for key in used:
        yield _cell(key, line.get(key))


def _mass(line: Line) -> str:
    if line.get("co2e_g") is None:
        return "non calculé"
    text = _french(mass_text(line["co2e_g"]))
    if line.get("co2e_low_g") is not None:
        text += f"<br>[{_french(mass_text(line['co2e_low_g']))} – {_french(mass_text(line['co2e_high_g']))}]"
    return text


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "<td>–</td>"
    if key == "outcome":
        fr, _ = _OUTCOMES.get(str(value), (str(value), ""))
        return f"<td>{html.escape(fr)}</td>"
    if isinstance(value, (int, float)):
        return f'<td class="n">{_french(number(value, 6) if value != int(value) else str(int(value)))}</td>'
    return f"<td>{html.escape(str(value))}</td>"

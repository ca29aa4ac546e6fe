"""A page that holds all charts of a report and every small mark, and a server that shows it as the dashboard would."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from markupsafe import Markup

import ecoia_dashboards.dashboard
from ecoia.report import Frontier, Quantity, QuarterlyReport, RunUsed
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.drawings import draw, patterns, standalone
from ecoia_dashboards.dashboard.explore import BUNDLE_NAME, figure_json, plotly_bundle
from ecoia_dashboards.figures import Chart
from ecoia_dashboards.language import Language

STATIC = Path(ecoia_dashboards.dashboard.__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEAD = Markup(
    '<!DOCTYPE html><html lang="{lang}"{theme}><head><meta charset="utf-8"><title>Galerie</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="icon" href="static/icon.svg"><link rel="stylesheet" href="static/dashboard.css">'
    '<script src="static/dashboard.js" defer></script>'
    '<script src="static/explore.js" data-plotly="static/plotly.js" defer></script></head><body>'
    '{patterns}<main class="wide"><h1>Galerie</h1><p class="lead">Toutes les figures.</p>'
    '<form class="filters"><label>Chercher <input type="search" name="q"></label></form>'
)
_CARD = Markup(
    '<section class="card" aria-labelledby="title-{id}"><h2 id="title-{id}">{title}</h2>'
    '<figure data-figure="figures/{id}.json" data-explore="Explorer" data-back="Revenir au dessin">{drawing}</figure>'
    '<p class="files"><a href="figures/{id}.svg">SVG</a> <a href="figures/{id}.png">PNG</a></p></section>'
)


def with_runs(report: QuarterlyReport) -> QuarterlyReport:
    """Return the report with six runs that can be compared, three of them not equalled by another for less energy."""
    points = {
        "a": (110, 0.80),
        "b": (123, 0.83),
        "c": (420, 0.86),
        "d": (164, 0.81),
        "e": (245, 0.80),
        "f": (354, 0.82),
        "g": (300, 0.81),
    }
    service = report.register[0].id
    runs = tuple(
        RunUsed(service, "training", run, "finished", Quantity(kwh, "kWh", 0.9 * kwh, 1.1 * kwh), {"accuracy": quality})
        for run, (kwh, quality) in points.items()
    )
    front = Frontier(service, "training", "accuracy", "higher", runs, ("a", "b", "c"))
    return dataclasses.replace(report, frontiers=(front,))


def page(charts: Mapping[str, Chart], language: Language, theme: str = "") -> str:
    """Write the page."""
    cards = Markup("").join(
        _CARD.format(id=each.id, title=each.title, drawing=draw(each.figure, name=each.title, description=each.alt))
        for each in charts.values()
    )
    shown = Markup(' data-theme="{}"').format(theme) if theme else ""
    head = _HEAD.format(lang=language.code, theme=shown, patterns=patterns())
    return f'{head}<div class="cards">{cards}</div>{_marks()}</main></body></html>'


def _marks() -> Markup:
    strip = [marks.RECORDED] * 40 + [marks.MISSING] * 3 + [marks.RECORDED] * 20 + [marks.NOT_EXPECTED] * 8
    hours = [[None if day == 2 and hour < 5 else (hour * 7 + day * 13) % 31 / 10 for hour in range(24)] for day in range(7)]
    rows = [
        ("évolution", marks.sparkline([12.0, 13.0, None, 14.0, 18.0, 16.0])),
        ("une seule valeur", marks.sparkline([None, None, 14.0])),
        ("barre", marks.bar(0.6, 0.4, 0.9, role="measured")),
        ("origine", marks.stacked_bar({"measured": 0.5, "estimated": 0.2, "declared": 0.1})),
        ("hausse", marks.change_bar(0.4, 0.1, 0.7)),
        ("baisse", marks.change_bar(-0.3, -0.5, -0.1)),
        ("jours", marks.days_strip(strip, said="63 jours relevés sur 66")),
    ]
    lines = Markup("").join(Markup('<tr><th scope="row">{}</th><td class="mark">{}</td></tr>').format(*row) for row in rows)
    bullets = Markup("").join(
        Markup(
            '<div class="target"><h3>Énergie <span class="verdict {verdict}">{verdict}</span></h3>{mark}<p>détail</p></div>'
        ).format(verdict=verdict, mark=marks.bullet(value, 15.8, 24.0, 16.0, at_least=at_least, verdict=verdict))
        for verdict, value, at_least in (("met", 17.0, True), ("unmet", 20.0, False), ("unsure", 16.5, False))
    )
    heat = marks.heat_map(
        ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        [f"{hour} h" for hour in range(24)],
        hours,
        write=lambda value: f"{value:.1f} kWh",
        missing="sans relevé",
        said="Énergie par jour et par heure",
    )
    return Markup(
        '<section class="card"><h2>Marques</h2><table><tbody>{}</tbody></table></section>'
        '<section class="card"><h2>Cibles</h2><div class="bullets">{}</div></section>'
        '<section class="card"><h2>Heures</h2>{}</section>'
    ).format(lines, bullets, heat)


@contextmanager
def served(charts: Mapping[str, Chart], language: Language) -> Iterator[str]:
    """Serve the page, its files and its figures under the dashboard's content security policy; give its address."""
    answers: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "/": ("text/html; charset=utf-8", page(charts, language).encode(), {}),
        "/dark": ("text/html; charset=utf-8", page(charts, language, "dark").encode(), {}),
        f"/static/{BUNDLE_NAME}": ("text/javascript", plotly_bundle(), {"Content-Encoding": "gzip"}),
    }
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    answers |= {f"/static/{file.name}": (kinds[file.suffix], file.read_bytes(), {}) for file in STATIC.iterdir()}
    for each in charts.values():
        drawing = draw(each.figure, name=each.title, description=each.alt)
        answers[f"/figures/{each.id}.json"] = ("application/json", figure_json(each.figure, language), {})
        answers[f"/figures/{each.id}.svg"] = ("image/svg+xml", standalone(drawing, each.title, "Source").encode(), {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content, headers = answers.get(self.path, ("text/plain", b"", {}))
            self.send_response(200 if self.path in answers else 404)
            for name, value in {"Content-Type": kind, "Content-Security-Policy": POLICY, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Serve what a reader needs who explores a chart: Plotly from the installed package, and the figure as it reads it.

The script (``static/explore.js``) loads both when the reader asks for it, and takes the colours from the page's style sheet.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go

from ecoia_dashboards.dashboard.drawings.patterns import plotly_shape
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

BUNDLE_NAME = "plotly.js"
"""Name of the script beside ``explore.js``."""
_STYLE_OF_MAPS = re.compile(rb'if\(!document\.getElementById\("[0-9a-f]{64}"\)\)')
"""Where Plotly adds an inline style sheet for maps, which our policy refuses and no chart of ours needs."""
_WORDS = {
    "Zoom": N_("Agrandir une zone"),
    "Pan": N_("Déplacer"),
    "Zoom in": N_("Agrandir"),
    "Zoom out": N_("Réduire"),
    "Reset axes": N_("Revenir aux axes de départ"),
    "Download plot": N_("Télécharger l’image"),
    "Download plot as a PNG": N_("Télécharger l’image en PNG"),
    "Double-click to zoom back out": N_("Double-cliquer pour revenir"),
}
"""Plotly's words for the buttons that we show."""


@cache
def plotly_bundle() -> bytes:
    """Read the script that the installed package carries, compressed with gzip; nothing is ever loaded from elsewhere.

    Example:
        >>> plotly_bundle()[:2]
        b'\\x1f\\x8b'
    """
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return gzip.compress(_STYLE_OF_MAPS.sub(b"if(false)", script), 6, mtime=0)


def figure_json(figure: go.Figure, language: Language) -> bytes:
    """Write a figure as the script reads it: data with the role of each trace, layout, and the language's words and separators.

    Example:
        >>> figure_json(go.Figure(), Language("en"))[:11]
        b'{"data": []'
    """
    data = json.loads(figure.to_json())
    for trace in data["data"]:
        for name in ("name", "text"):
            if name in trace:
                trace[name] = _inert(trace[name])
        if trace["type"] == "bar":
            trace["marker"]["pattern"] = {"shape": plotly_shape(trace["meta"])}
    layout = data["layout"]
    layout.pop("template", None)  # the style sheet's colours come in its place
    for name in ("xaxis", "yaxis"):
        axis = layout.setdefault(name, {})
        if "range" not in axis:  # an identifier of digits is no number, and categories have our order
            axis |= {"type": "category", "categoryorder": "array", "categoryarray": list(axis.get("tickvals", []))}
        axis["ticktext"] = _inert(axis.get("ticktext", []))
        axis["title"] = {"text": _inert(axis.get("title", {}).get("text") or "")}
    return json.dumps({"data": data["data"], "layout": layout, "locale": _locale(language)}, ensure_ascii=False).encode()


def _inert(words: Any) -> Any:
    """Escape texts, as Plotly reads some elements of HTML in them; our line breaks stay."""
    if isinstance(words, list):
        return [_inert(each) for each in words]
    return html.escape(str(words), quote=False).replace("&lt;br&gt;", "<br>")


def _locale(language: Language) -> dict[str, object]:
    """Write a locale of Plotly, from Babel's data and our words."""
    names = language.locale
    symbols = names.number_symbols.get("latn", names.number_symbols)
    return {
        "moduleType": "locale",
        "name": language.code,
        "dictionary": {english: language.t(words) for english, words in _WORDS.items()},
        "format": {
            "days": [names.days["format"]["wide"][(day - 1) % 7] for day in range(7)],
            "shortDays": [names.days["format"]["abbreviated"][(day - 1) % 7] for day in range(7)],
            "months": [names.months["format"]["wide"][month] for month in range(1, 13)],
            "shortMonths": [names.months["format"]["abbreviated"][month] for month in range(1, 13)],
            "decimal": symbols["decimal"],
            "thousands": symbols["group"],
        },
    }

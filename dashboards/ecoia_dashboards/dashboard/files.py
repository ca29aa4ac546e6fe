"""Answers that are not pages: the data as JSON, a figure as SVG, PNG, CSV, or as the JSON that Plotly reads."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter

from ecoia_dashboards import svg
from ecoia_dashboards.dashboard.drawings import draw, standalone
from ecoia_dashboards.dashboard.explore import figure_json
from ecoia_dashboards.dashboard.page import Figure, NotFoundError
from ecoia_dashboards.dashboard.tables import Heading, Table, table_csv
from ecoia_dashboards.language import Language

ENDINGS = ("svg", "png", "csv", "json")
_WIDTH_PX = 960


def to_json(content: Any) -> bytes:
    """Write plain data as JSON; a number that is not finite is an error, never a null."""
    plain = _adapter(cast("Hashable", type(content))).dump_python(content, mode="json")
    return json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def figure_file(figure: Figure, ending: str, language: Language, said: Sequence[str]) -> tuple[bytes, str]:
    """Write a figure as a file.

    Args:
        figure: The figure.
        ending: One of ``ENDINGS``.
        language: Language of its texts.
        said: Where its figures are from.

    Returns:
        The file, and its media type.

    Raises:
        NotFoundError: there is no such kind of file.
    """
    chart, source = figure.chart, " · ".join(said)
    if ending == "svg":
        drawing = draw(chart.figure, name=chart.title, description=chart.alt)
        return standalone(drawing, chart.title, source).encode(), "image/svg+xml"
    if ending == "png":
        return svg.draw_png(chart.figure, _WIDTH_PX, chart.title, source), "image/png"
    if ending == "csv":
        headings = tuple(Heading(each) for each in chart.headings)
        table = Table(chart.id, chart.title, headings, chart.cells, figure.subtitle)
        return table_csv(table, language, said).encode(), "text/csv; charset=utf-8"
    if ending == "json":
        return figure_json(chart.figure, language), "application/json"
    raise NotFoundError("figure", f"{chart.id}.{ending}", tuple(f"{chart.id}.{each}" for each in ENDINGS))

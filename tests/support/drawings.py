"""Draw each figure once: most of the time of rendering a page is drawing its ten images, and the pages of tests share them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from support.made_once import untraced

_drawn: dict[tuple[str, int], str] = {}


def _draw(figure: Any, width: int) -> str:
    from ecoia_dashboards import svg

    key = figure.to_json(), width
    if key not in _drawn:
        with untraced():
            _drawn[key] = svg.draw(figure, width)
    return _drawn[key]


@pytest.fixture(autouse=True)
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pages take their images from those drawn before in this process; what draws them stays as it is (test_figures.py)."""
    from ecoia_dashboards.pages import view

    monkeypatch.setattr(view, "svg", SimpleNamespace(draw=_draw))

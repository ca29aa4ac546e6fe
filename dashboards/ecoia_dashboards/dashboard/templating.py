"""Draw the dashboard's templates. Jinja escapes every text; styles and scripts are files, so that the page holds neither."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment

from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Code, Link, Mark, quantity_of, writers
from ecoia_dashboards.figures.chart import Changed
from ecoia_dashboards.language import Language
from ecoia_dashboards.templating import environment_of


@cache
def environment(lang: str) -> Environment:
    """Return the environment of a language."""
    language = Language(lang)
    found = environment_of(language)
    found.globals.update(
        wording=wording, marks=marks, language=language, writers=writers, quantity_of=quantity_of, FIGURE=FIGURE, MARK=MARK
    )
    found.tests.update(link=_is(Link), mark=_is(Mark), changed=_is(Changed), code=_is(Code))
    return found


def render(template: str, language: Language, **values: Any) -> str:
    """Draw a template of ``templates/dashboard``."""
    return environment(language.code).get_template(f"dashboard/{template}").render(**values)


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)

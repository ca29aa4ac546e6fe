"""Set up Jinja in one way for all pages: every text is escaped, an unknown name is an error, sentences are translated."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from ecoia_dashboards.language import Language


def environment_of(language: Language) -> Environment:
    """Return a new environment over the templates of this package."""
    environment = Environment(
        loader=PackageLoader("ecoia_dashboards"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    return environment

"""Griffe extension (see ``mkdocs.yml``): how the docstrings of this project are written, for the pages of the reference.

A docstring has one ``Example:`` section, which Griffe knows in the plural only, and may open a literal block with ``::``.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class ProjectDocstrings(griffe.Extension):
    """Adapts each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Adapt the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r"::$", ":", value, flags=re.MULTILINE)

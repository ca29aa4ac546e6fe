"""Mistakes of the catalogue: the place and remedy of each."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia.catalogue.fields import FieldError, Model


@dataclass(frozen=True)
class Problem:
    """A mistake.

    Attributes:
        file: Name of the file.
        line: Its line, from 1.
        location: Keys and indexes down to it; empty for the file itself.
        remedy: The fault, and what to do about it.
        kind: Kind of mistake: one of ours, or pydantic's. The workbook finds its words in another language by it.
        at: Where it is of an item as a whole, the field to correct; empty where no single one is.
        values: What its words name, the refused value first.
    """

    file: str
    line: int
    location: tuple[int | str, ...]
    remedy: str
    kind: str = ""
    at: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The location as text, e.g. ``targets[2].decision.body``; empty for the file itself."""
        text = ""
        for step in self.location:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.remedy}" if self.path else f"{self.file}:{self.line}: {self.remedy}"


def described(problem: dict[str, Any]) -> dict[str, Any]:
    """Describe a pydantic error for programs: the ``kind``, ``at`` and ``values`` of a ``Problem``.

    Args:
        problem: The error, as pydantic describes it.
    """
    context = problem.get("ctx", {})
    error = context.get("error")
    if isinstance(error, FieldError):
        return {"kind": error.kind, "at": error.at, "values": {"value": problem["input"], **error.values}}
    return {"kind": problem["type"], "values": {"value": problem["input"], **context}}


def remedy_of(problem: dict[str, Any], model: type[Model]) -> str:
    """Return the text of a pydantic error: what is wrong, and what to do.

    Args:
        problem: The error, as pydantic describes it.
        model: Model of the file, for the names of its fields.
    """
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    remedy = _remedy_of_field(kind, problem["loc"], value, context)
    if remedy is not None:
        return remedy
    if kind == "extra_forbidden":
        known = _fields_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"no such field: {hint}known: {', '.join(known)}"
    if kind == "value_error":
        text = str(context["error"])
        return text if isinstance(value, dict) else f"{value!r}: {text}"
    if kind == "literal_error":
        return f"{value!r}: choose one of {context['expected'].replace(' or ', ', ')}"
    template = _REMEDIES.get(kind)
    if template is not None:
        return template.format(value=repr(value), short=_short(value))
    return f"{_short(value)}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


_FIELDS_HERE = "{short}: write 'field: value' lines here"
_REMEDIES = {
    "missing": "missing: add it",
    "string_type": "{value}: write text, between quotes if YAML reads it otherwise",
    "model_type": _FIELDS_HERE,
    "dict_type": _FIELDS_HERE,
    "model_attributes_type": _FIELDS_HERE,
    "tuple_type": "{short}: write a list, each item on a line that starts with '- '",
    "string_pattern_mismatch": "{value}: write the 64 hexadecimal digits (lower case) of a SHA-256",
    "too_short": "empty: write at least 1 item, or leave it out",
}
"""By kind of pydantic error, where neither the field nor the details of the error matter."""


def _remedy_of_field(kind: str, location: Sequence[int | str], value: Any, context: dict[str, Any]) -> str | None:
    """Return the remedy of a mistake that is particular to one field; None where it is not."""
    out_of_bounds = kind in ("greater_than_equal", "less_than_equal")
    if kind == "missing" and location[-1] == "life_years":
        return "missing: add the expected life in years, as your accounts or the maker have it; nothing is amortised without"
    if out_of_bounds and location[-1] == "wall_factor":
        return f"{value!r}: write energy at the wall / energy of the component as measured, 0.8 to 5"
    if kind == "too_long" and tuple(location) == ("use",):
        return f"{len(value)} equivalences: keep {context['max_length']} at most"
    if out_of_bounds and location[0] == "gsd":
        return f"{value!r}: write a geometric standard deviation, from 1 (no error at all) to 10"
    if kind == "greater_than_equal" and "pue" in location:
        return f"{value!r}: a PUE is energy of the building / energy of its IT equipment: write 1 or more"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _fields_at(model: type[Model], location: Sequence[int | str]) -> list[str]:
    """Return the names of the fields that a location may hold."""
    current = model
    for step in location:
        if isinstance(step, int):
            continue  # an item of a list: its model was found with the list
        current = _model_in(current.model_fields[step].annotation) or current
    return [info.alias or name for name, info in current.model_fields.items()]


def _model_in(annotation: Any) -> type[Model] | None:
    """Return the model inside ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)

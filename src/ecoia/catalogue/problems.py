"""Mistakes of the catalogue: where each is, and what to do about it."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecoia.catalogue.fields import Model


@dataclass(frozen=True)
class Problem:
    """One mistake, where it is and what to do."""

    file: str
    line: int
    location: tuple[int | str, ...]
    remedy: str

    @property
    def path(self) -> str:
        """The location as people write it: ``targets[2].decision.body``; empty for the file itself."""
        text = ""
        for step in self.location:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.remedy}" if self.path else f"{self.file}:{self.line}: {self.remedy}"


def remedy_of(problem: dict[str, Any], model: type[Model]) -> str:
    """What is wrong and what to do, from a pydantic error."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "missing" and problem["loc"][-1] == "life_years":
        return "missing: add the expected life in years, as your accounts or the maker have it; nothing is amortised without"
    if kind == "missing":
        return "missing: add it"
    if kind == "extra_forbidden":
        known = _fields_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"no such field: {hint}known: {', '.join(known)}"
    if kind == "value_error":
        said = str(context["error"])
        return said if isinstance(value, dict) else f"{value!r}: {said}"
    if kind == "literal_error":
        return f"{value!r}: choose one of {context['expected'].replace(' or ', ', ')}"
    if kind == "string_type":
        return f"{value!r}: write text, between quotes if YAML reads it otherwise"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{_short(value)}: write 'field: value' lines here"
    if kind == "tuple_type":
        return f"{_short(value)}: write a list, each item on a line that starts with '- '"
    if kind == "string_pattern_mismatch":
        return f"{value!r}: write the 64 hexadecimal digits (lower case) of a SHA-256"
    if kind == "too_short":
        return "empty: write at least 1 item, or leave it out"
    if kind in ("greater_than_equal", "less_than_equal") and problem["loc"][-1] == "wall_factor":
        return f"{value!r}: write energy at the wall / energy of the component as measured, 0.8 to 5"
    if kind == "greater_than" and problem["loc"][-1] == "instance_days":
        return f"{value!r}: write on how many days it runs in a full quarter, added up over its instances; or leave it out"
    if kind == "too_long" and problem["loc"] == ("use",):
        return f"{len(value)} equivalences: keep {context['max_length']} at most"
    if kind in ("greater_than_equal", "less_than_equal") and problem["loc"][0] == "gsd":
        return f"{value!r}: write a geometric standard deviation, from 1 (no error at all) to 10"
    if kind == "greater_than_equal" and "pue" in problem["loc"]:
        return f"{value!r}: a PUE is energy of the building / energy of its IT equipment: write 1 or more"
    return f"{_short(value)}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _fields_at(model: type[Model], location: Sequence[int | str]) -> list[str]:
    """The field names that are legal at a location."""
    current = model
    for step in location:
        if isinstance(step, int):
            continue  # an item of the list whose model is already taken
        current = _model_in(current.model_fields[step].annotation) or current
    return [info.alias or name for name, info in current.model_fields.items()]


def _model_in(annotation: Any) -> type[Model] | None:
    """The model inside ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)

"""Types of fields in the catalogue's files: ids, quarters, days, roles, patterns of instances."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.semconv import is_slug
from ecoia.settings import is_zone


class FieldError(ValueError):
    """A value that the catalogue refuses, or values that contradict each other.

    Attributes:
        kind: Kind of mistake. Whoever shows it in another language finds its words by it.
        at: Where it is of an item as a whole, the field to correct; empty where no single one is.
        values: What its words name, beside the value itself.

    Example:
        >>> FieldError("not-an-id", "an id holds lower-case letters").kind
        'not-an-id'
    """

    def __init__(self, kind: str, text: str, *, at: str = "", **values: object) -> None:
        super().__init__(text)
        self.kind = kind
        self.at = at
        self.values = values


def _slug(value: str) -> str:
    if not is_slug(value):
        raise FieldError(
            "not-an-id", "an id holds lower-case letters, digits, '.', '_' and '-', 63 at most, a letter or digit first"
        )
    return value


def _quarter(value: str) -> str:
    try:
        return str(Quarter.parse(value))
    except UsageError as error:
        raise FieldError("not-a-quarter", str(error)) from None


def _role(value: str) -> str:
    if "@" in value:
        raise FieldError(
            "a-person", "an owner is a role, never a person: write the role (e.g. 'chef de produit IA') without an address"
        )
    return value


def _iso_day(value: Any) -> Any:
    # YAML reads an unquoted day as a date. Accept quoted ISO text too, but never a number, which pydantic takes for seconds.
    if isinstance(value, date | str) or value is None:
        return value
    raise FieldError("not-a-day", "write a day as 2026-11-23")


_PATTERN = re.compile(r"[a-z0-9._*?-]{1,63}")


def _pattern(value: str) -> str:
    if _PATTERN.fullmatch(value) is None:
        raise ValueError("write an instance's name, with '*' for any characters and '?' for one, e.g. \"gpu-0*\"")
    return value


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _zone(value: str) -> str:
    if is_zone(value):
        return value
    raise ValueError("write an ISO 3166-1 alpha-3 country code in capitals, e.g. FRA")


Slug = Annotated[str, AfterValidator(_slug)]
QuarterText = Annotated[str, AfterValidator(_quarter)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Day = Annotated[date, BeforeValidator(_iso_day)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(min_length=1), BeforeValidator(_one_or_many)]
Zone = Annotated[str, AfterValidator(_zone)]
Role = Annotated[Text, AfterValidator(_role)]
OneOrMany = BeforeValidator(_one_or_many)


class Model(BaseModel):
    """A part of a file: unknown fields and infinite numbers are refused, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@cache
def patterns_meet(a: str, b: str) -> bool:
    """Return whether some name fits both patterns (``*``: any characters, ``?``: one).

    Example:
        >>> patterns_meet("gpu-0*", "*-07"), patterns_meet("gpu-*", "cpu-*")
        (True, False)
    """
    if not a or not b:
        return not (a or b).strip("*")
    if a[0] == "*":
        return patterns_meet(a[1:], b) or patterns_meet(a, b[1:])
    if b[0] == "*":
        return patterns_meet(b, a)
    return (a[0] == b[0] or "?" in (a[0], b[0])) and patterns_meet(a[1:], b[1:])

"""What fields of the catalogue's files are made of: ids, quarters, days, roles, patterns of instances."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.settings import is_slug, is_zone


def _slug(value: str) -> str:
    if not is_slug(value):
        raise ValueError("an id holds lower-case letters, digits, '.', '_' and '-', 63 at most, a letter or digit first")
    return value


def _quarter(value: str) -> str:
    try:
        return str(Quarter.parse(value))
    except UsageError as error:
        raise ValueError(str(error)) from None


def _role(value: str) -> str:
    if "@" in value:
        raise ValueError("an owner is a role, never a person: write the role (e.g. 'chef de produit IA') without an address")
    return value


def _iso_day(value: Any) -> Any:
    # YAML reads an unquoted day as a date already; anything else must be quoted ISO, never a number of seconds.
    if isinstance(value, date | str) or value is None:
        return value
    raise ValueError("write a day as 2026-11-23")


_PATTERN = re.compile(r"[a-z0-9._*?-]{1,63}")


def _pattern(value: str) -> str:
    if _PATTERN.fullmatch(value) is None:
        raise ValueError("write an instance's name, with '*' for any characters and '?' for one, e.g. \"gpu-0*\"")
    return value


def _listed(value: Any) -> Any:
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
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(min_length=1), BeforeValidator(_listed)]
Zone = Annotated[str, AfterValidator(_zone)]
Role = Annotated[Text, AfterValidator(_role)]
Listed = BeforeValidator(_listed)


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@cache
def meet(a: str, b: str) -> bool:
    """Whether some name fits both patterns."""
    if not a or not b:
        return not (a or b).strip("*")
    if a[0] == "*":
        return meet(a[1:], b) or meet(a, b[1:])
    if b[0] == "*":
        return meet(b, a)
    return (a[0] == b[0] or "?" in (a[0], b[0])) and meet(a[1:], b[1:])

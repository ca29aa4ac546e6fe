"""Addresses that cells of tables lead to."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ecoia_dashboards.dashboard.address import Address

_KEPT = ("period", "compare", "unit", "lang", "theme")


def to_page(address: Address, *parts: str, **changes: Any) -> str:
    """Return the address of a page of ours: period, comparison, unit, language and theme stay, filters are those given.

    Args:
        address: State of the page that the link stands on.
        parts: Parts of the path, as they are.
        changes: Filters, and other fields of the address.

    Example:
        >>> to_page(Address(lang="en"), "instances", "gpu/01")
        '/instances/gpu%2F01?lang=en'
    """
    kept = Address(**{name: getattr(address, name) for name in _KEPT})
    return f"/{'/'.join(quote(part, safe='') for part in parts)}?{kept.to(**changes).query()}"

"""Keep dataclasses as compressed JSON, and read back equal ones."""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def packed(kind: Any, value: Any) -> bytes:
    """Return a value as compressed JSON.

    Args:
        kind: Its type: a dataclass, or a container of some.
        value: The value.

    Example:
        >>> unpacked(tuple[int, ...], packed(tuple[int, ...], (1, 2)))
        (1, 2)
    """
    return zlib.compress(_adapter(kind).dump_json(value))


def unpacked(kind: Any, content: bytes) -> Any:
    """Return the value that ``packed`` was given."""
    return _adapter(kind).validate_json(zlib.decompress(content))

"""Clean texts from outside of characters that no page, sheet or file may hold."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, TypeVar

# Controls, surrogates and non-characters have no place in a page (nor in the SVG's XML); marks of direction can make a
# text read as another. Each is replaced by a visible, harmless character.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

Data = TypeVar("Data")


def clean(data: Data) -> Data:
    """Replace unsafe characters in every text of some data: in texts, tuples, dicts and dataclasses, however deep."""
    cleaned: Any = data
    if isinstance(data, str):
        cleaned = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", data)
    elif isinstance(data, tuple):
        cleaned = tuple(map(clean, data))
    elif isinstance(data, dict):
        cleaned = type(data)((clean(key), clean(value)) for key, value in data.items())
    elif dataclasses.is_dataclass(data) and not isinstance(data, type):
        cleaned = dataclasses.replace(data, **{f.name: clean(getattr(data, f.name)) for f in dataclasses.fields(data)})
    return cleaned  # type: ignore[no-any-return]

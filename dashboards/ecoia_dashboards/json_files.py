"""Write the JSON files of exports: safe names, and texts that read as the data they hold."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

# Marks of direction make a text read as another; a lone surrogate is in no UTF-8. In JSON each has an escape that means the same.
_ESCAPED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def json_text(data: Any) -> str:
    """Write indented JSON in the order given; equal data gives equal bytes.

    Raises:
        ValueError: the data holds NaN or infinity.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_name(name: str) -> str:
    """Make a file name that stays in its folder, whatever the text; different texts give different names.

    Example:
        >>> json_name("../a b")
        '..%2Fa%20b.json'
    """
    return f"{quote(name, safe='', errors='backslashreplace')}.json"

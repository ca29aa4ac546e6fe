"""Style sheets and scripts of the dashboard."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"


@cache
def digest(name: str) -> str:
    """Return a digest of a file, for its address.

    Example:
        >>> len(digest("dashboard.css"))
        12
    """
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]

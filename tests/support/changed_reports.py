"""An explorer whose reports say something else: for states that the large organisation is not in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ecoia.exploring import Explorer
from ecoia.report import QuarterlyReport


class ChangedReports:
    """Reads as an explorer does, but its reports are changed.

    Args:
        explorer: The explorer.
        change: Changes each report.
    """

    def __init__(self, explorer: Explorer, change: Callable[[QuarterlyReport], QuarterlyReport]) -> None:
        self._explorer, self._change = explorer, change

    def report(self, quarter: str) -> QuarterlyReport:
        """Return the changed report of a quarter."""
        return self._change(self._explorer.report(quarter))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._explorer, name)

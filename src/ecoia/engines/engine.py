"""What every engine can do, and which one to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import pyarrow as pa

from ecoia.engines.plan import Frame, Plan


class Engine(Protocol):
    """Sums rows up where they lie.

    Its frames have the columns of ``records.columns.ROW_SCHEMA``, but ``devices`` as one text (null: none), and ``special``:
    whether a row has tokens, figures of quality, losses or shared devices.
    """

    name: str

    def run(self, plan: Plan, start_ns: int = 0, end_ns: int = 1 << 62) -> list[dict[str, Any]]:
        """Return the groups of a plan.

        Args:
            plan: What to sum up.
            start_ns: First half-hour.
            end_ns: First half-hour after it.
        """

    def table(self, columns: Mapping[str, pa.Array]) -> Frame:
        """Return a small table to join rows with."""

    def lines(self, keep: Callable[[Frame], Frame], end_ns: int = 1 << 62) -> Iterator[pa.Table]:
        """Give the rows that a filter keeps, with the columns of ``ROW_SCHEMA``."""

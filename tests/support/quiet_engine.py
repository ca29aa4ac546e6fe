"""An engine without a sampler, whose counters stay where they are, and CPU time burnt in exact amounts."""

from __future__ import annotations

import time

import pytest

from ecoia.instrument.engine import Counters, Engine

MILLISECOND = 1_000_000
SLACK_NS = 4 * MILLISECOND
"""What the bookkeeping between two clock reads may cost on a slow machine."""


class QuietEngine(Engine):
    """An engine whose sampler does not start: its counters stay where they are."""

    def _start_background(self) -> None:
        pass

    def every(self, service: str) -> list[Counters]:
        return [c for state in self.threads for c in list(state.counters.values()) if c.label.service == service]

    def cpu_ns(self, service: str) -> int:
        return sum(counters.cpu_ns for counters in self.every(service))

    def spans(self, service: str) -> int:
        return sum(counters.spans for counters in self.every(service))

    def assert_settled(self) -> None:
        """Every span that began has ended, and no thread has one left on it."""
        for state in self.threads:
            assert state.live == 0
            assert state.top is None
            for counters in state.counters.values():
                assert counters.open_count == 0
                assert counters.flight_ns >= 0
                assert counters.cpu_ns >= 0


def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietEngine:
    engine = QuietEngine()
    for module in ("tracking", "wrapping", "spans", "handoff", "engine"):
        monkeypatch.setattr(f"ecoia.instrument.{module}.engine", engine)
    return engine


def burn(milliseconds: float) -> None:
    """Use so much CPU time of this thread."""
    end_ns = time.thread_time_ns() + round(milliseconds * MILLISECOND)
    while time.thread_time_ns() < end_ns:
        pass


def assert_about(cpu_ns: int, milliseconds: float) -> None:
    assert milliseconds * MILLISECOND <= cpu_ns <= milliseconds * MILLISECOND + SLACK_NS

"""An engine without a sampler, so that its counters can be compared, and CPU time burnt in exact amounts."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Iterator

import pytest

import ecoia.integrating  # noqa: F401 - loads every module of ecoia.instrument
from ecoia.instrument.engine import Engine
from ecoia.instrument.spans import Counters

MILLISECOND = 1_000_000
SLACK_NS = 4 * MILLISECOND
"""Most CPU time that the bookkeeping between two clock reads may take on a slow machine."""


class QuietEngine(Engine):
    """An engine whose sampler does not start, so that nothing reads or resets its counters."""

    def _start_background(self) -> None:
        pass

    def every(self, service: str) -> list[Counters]:
        return [c for state in self.threads for c in list(state.counters.values()) if c.label.service == service]

    def cpu_ns(self, service: str) -> int:
        return sum(counters.cpu_ns for counters in self.every(service))

    def spans(self, service: str) -> int:
        return sum(counters.spans for counters in self.every(service))

    def assert_settled(self) -> None:
        """Assert that every span that began has ended, and that no thread has one left on it."""
        for state in self.threads:
            assert state.live == 0
            assert state.top is None
            for counters in state.counters.values():
                assert counters.open_count == 0
                assert counters.flight_ns >= 0
                assert counters.cpu_ns >= 0


def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietEngine:
    """Replace the process's engine in every module that uses it."""
    engine = QuietEngine()
    for name, module in list(sys.modules.items()):
        if name.startswith("ecoia.instrument.") and isinstance(getattr(module, "engine", None), Engine):
            monkeypatch.setattr(module, "engine", engine)
    return engine


def burn(milliseconds: float) -> None:
    """Use this much CPU time of this thread."""
    end_ns = time.thread_time_ns() + round(milliseconds * MILLISECOND)
    while time.thread_time_ns() < end_ns:
        pass


def assert_about(cpu_ns: int, milliseconds: float) -> None:
    assert milliseconds * MILLISECOND <= cpu_ns <= milliseconds * MILLISECOND + SLACK_NS


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Collect the garbage of earlier tests, then switch collection off: an object that lives on is referenced, or in a cycle."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def living(*kinds: type) -> list[object]:
    """Return the objects of exactly these types that are not freed yet."""
    return [thing for thing in gc.get_objects() if type(thing) in kinds]


class Passenger:
    """Travels in a request, to see when the request is freed. Dictionaries have no weak references."""

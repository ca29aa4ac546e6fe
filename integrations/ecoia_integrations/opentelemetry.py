"""Export the live totals of this process through OpenTelemetry, as observable counters::

    from ecoia_integrations import opentelemetry
    opentelemetry.register()

Each process exports its own records only, as OpenTelemetry expects: the receiver adds up the streams of several workers. The
application configures where they go. Nothing here exports or connects by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider

from ecoia import __version__
from ecoia.errors import JournalError
from ecoia.integrating import LIVE_COUNTERS, live_totals, own_journal_file

if TYPE_CHECKING:
    from ecoia.integrating import LiveCounter, LiveTotals, Totals

_WHOLE_FILE_BYTES = 1 << 40
_WAIT_SECONDS = 5.0
_ATTRIBUTES = {"service": "service.name", "model_version": "ecoia.model.version"}
"""Label -> attribute. Any other label is the attribute ``ecoia.<label>``."""


def register(meter_provider: MeterProvider | None = None) -> None:
    """Create one observable counter for each live counter.

    Call it once in a program, before its first span. Exit handlers run in reverse order, so the last records are then written
    before they are exported.

    Args:
        meter_provider: Provider of the meter. None: the global one, even if it is set later.

    Example:
        >>> register()
    """
    meter = (meter_provider or get_meter_provider()).get_meter("ecoia", __version__)
    own = _OwnTotals()
    for counter in LIVE_COUNTERS:
        meter.create_observable_counter(counter.otel_name, [_callback(own, counter)], counter.otel_unit, counter.meaning)


def _callback(own: _OwnTotals, counter: LiveCounter) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        totals = own.look(counter)
        for (name, labels), value in sorted(totals.values.items()) if totals is not None else ():
            if name == counter.name:
                yield Observation(value if counter.parts == 1 else value / counter.parts, _attributes(counter, labels))

    return observe


def _attributes(counter: LiveCounter, labels: Iterable[str]) -> dict[str, str]:
    named = zip(counter.labels, labels, strict=True)
    return {_ATTRIBUTES.get(label, f"ecoia.{label}"): value for label, value in named if value}


class _OwnTotals:
    """The totals of this process, read once for all counters of one collection. Never raises into the exporter."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._source: tuple[Path, str] | None = None
        self._live: LiveTotals | None = None
        self._totals: Totals | None = None
        self._served: set[str] = set()
        self._complaint = ""

    def look(self, counter: LiveCounter) -> Totals | None:
        """Return the totals; None where there are none. A counter that asks again begins a new collection, so read again."""
        if not self._turn.acquire(timeout=_WAIT_SECONDS):
            return None  # the lock was held by a thread that does not exist in this forked child
        try:
            if counter.name in self._served or not self._served:
                self._served.clear()
                self._totals = self._look()
            self._served.add(counter.name)
            return self._totals
        finally:
            self._turn.release()

    def _look(self) -> Totals | None:
        source = own_journal_file()
        if source is None:
            return None  # nothing was recorded yet
        if self._live is None or source != self._source:  # a forked child has a file of its own
            self._source, self._live = source, live_totals(source[0], file=source[1])
        try:
            return self._live.look(_WHOLE_FILE_BYTES)
        except Exception as error:  # noqa: BLE001 - no error of ecoia's may reach the host's exporter
            message = str(error) if isinstance(error, JournalError) else f"{type(error).__name__}: {error}"
            if message != self._complaint:
                self._complaint = message
                logging.getLogger("ecoia").warning("ecoia: no metrics: %s", message)
            return None

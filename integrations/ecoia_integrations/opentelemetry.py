"""What OpenTelemetry exports: the live totals of this process as observable counters::

    from ecoia_integrations import opentelemetry
    opentelemetry.register()

Each process tells what it recorded itself, as OpenTelemetry has it: streams of several workers are added up by whoever
receives them. Where they go, if anywhere, is for the application to configure; nothing here exports or connects.
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
"""Label -> attribute, where it is not the label below ``ecoia.``."""


def register(meter_provider: MeterProvider | None = None) -> None:
    """Make the instruments. Once a program, before its first span: then what is recorded last is exported last.

    Args:
        meter_provider: Whose; the global one, also where that is set later.
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
    """What this process recorded, looked at once for all counters of a collection. Never raises into it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._source: tuple[Path, str] | None = None
        self._live: LiveTotals | None = None
        self._totals: Totals | None = None
        self._served: set[str] = set()
        self._complaint = ""

    def look(self, counter: LiveCounter) -> Totals | None:
        """The totals; anew where this counter had its look before. None where there are none."""
        if not self._turn.acquire(timeout=_WAIT_SECONDS):
            return None  # a thread that a fork left behind held it
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
        except Exception as error:  # noqa: BLE001 - nothing of ours raises into the host's exporter
            message = str(error) if isinstance(error, JournalError) else f"{type(error).__name__}: {error}"
            if message != self._complaint:
                self._complaint = message
                logging.getLogger("ecoia").warning("ecoia: no metrics: %s", message)
            return None

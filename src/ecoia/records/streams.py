"""A record in two parts: its *stream*, what it has in common with the records before and after it, and its *figures*.

A worker writes one record a window for each thing that it does, and thousands of them differ in their figures alone. Readers of
a journal keep a stream once, so that a record costs them its figures.
"""

from __future__ import annotations

from typing import NamedTuple

from ecoia.records.record import Record
from ecoia.semconv import COMPONENTS, KIND_LINK, KIND_OUTCOME


class Figures(NamedTuple):
    """What differs from one record of a stream to the next: fields of ``Record``, microjoules by component."""

    record_id: str
    start_utc_ns: int
    end_utc_ns: int
    cpu: int | None
    gpu: int | None
    ram: int | None
    spans: int = 0
    units_micro: int | None = None
    accepted_micro: int | None = None
    cpu_ns: int = 0
    share_claimed: float | None = None

    @classmethod
    def of(cls, record: Record) -> Figures:
        """Return the figures of a record."""
        cpu, gpu, ram = (record.energy_microjoules[component] for component in COMPONENTS)
        return cls(
            record.record_id,
            record.start_utc_ns,
            record.end_utc_ns,
            cpu,
            gpu,
            ram,
            record.spans,
            record.units_micro,
            record.accepted_micro,
            record.cpu_ns,
            record.share_claimed,
        )


_NONE = Figures("", 0, 0, None, None, None)


class Stream:
    """What the records of a stream have in common.

    Args:
        record: Any record of the stream.
        recurs: Whether further records of it are to come, so that their sum is worth keeping apart.

    Attributes:
        constants: A record of the stream, without figures.
        target: Its target's id; empty without one.
        recurs: As given.
        replaces: Id of the record that its only record corrects, if any.
        adds_up: Whether its figures are all that its records add to a row, so that they can be summed by themselves.
    """

    __slots__ = ("_hash", "adds_up", "constants", "recurs", "replaces", "target")

    def __init__(self, record: Record, *, recurs: bool = False) -> None:
        self.constants = constants = _put(record, _NONE)
        self.target = constants.target or ""
        self.recurs = recurs
        self.replaces = constants.replaces
        self.adds_up = (
            recurs
            and constants.kind not in (KIND_OUTCOME, KIND_LINK)
            and not (constants.tokens or constants.quality or constants.lost or constants.replaces)
        )
        self._hash = hash((constants.kind, constants.service, constants.phase, constants.run_id, constants.endpoint))

    def record(self, figures: Figures) -> Record:
        """Return the record of this stream that has these figures.

        Example:
            >>> from ecoia.methods import NOT_MEASURED
            >>> record = Record(
            ...     record_id="r", kind="idle", service=None, phase=None, instance="host-1", pid=1,
            ...     start_utc_ns=0, end_utc_ns=10, energy_microjoules={"cpu": 5, "gpu": None, "ram": 0},
            ...     method={"cpu": NOT_MEASURED, "gpu": NOT_MEASURED, "ram": NOT_MEASURED},
            ... )
            >>> Stream(record).record(Figures.of(record)) == record
            True
        """
        return _put(self.constants, figures)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Stream) and self.constants == other.constants)

    def __hash__(self) -> int:
        return self._hash


def _put(record: Record, figures: Figures) -> Record:
    return record.copy_with(
        record_id=figures.record_id,
        start_utc_ns=figures.start_utc_ns,
        end_utc_ns=figures.end_utc_ns,
        energy_microjoules={"cpu": figures.cpu, "gpu": figures.gpu, "ram": figures.ram},
        spans=figures.spans,
        units_micro=figures.units_micro,
        accepted_micro=figures.accepted_micro,
        cpu_ns=figures.cpu_ns,
        share_claimed=figures.share_claimed,
    )

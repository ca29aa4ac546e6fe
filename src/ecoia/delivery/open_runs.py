"""Which runs of a journal file have spans and no outcome from their own process."""

from __future__ import annotations

from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.keeping.journal import Entry
from ecoia.records import Record
from ecoia.records.streams import Figures, Stream


class RunKey(NamedTuple):
    """A run as one process measured it."""

    process: str  # name of its journal file, the same in each day's folder
    run_id: str
    service: str
    phase: str


def process_of(name: str) -> str:
    """Return the name of a journal file without its day: a process writes one file a day, always under the same name."""
    return name.rpartition("/")[2]


class OpenRuns:
    """What the entries of one journal file say about runs. Work outside of runs and answers of a service are none.

    Args:
        name: The file.

    Attributes:
        outcome_ids: The ids of the outcomes.
        closed: The runs that have one.
        last: The last span of each run.
    """

    def __init__(self, name: str) -> None:
        self._process = process_of(name)
        self.outcome_ids: set[str] = set()
        self.closed: set[RunKey] = set()
        self.last: dict[RunKey, tuple[Stream, Figures]] = {}

    def key_of(self, stream: Stream) -> RunKey | None:
        """Return the run of a stream; None where ``note`` has no use for its entries."""
        record = stream.constants
        if record.run_id is None or record.service is None or record.phase is None or record.phase == "inference":
            return None
        if record.kind not in (semconv.KIND_SPAN, semconv.KIND_OUTCOME):
            return None
        return RunKey(self._process, record.run_id, record.service, record.phase)

    def note(self, key: RunKey, entry: Entry) -> None:
        """Note an entry of a run, by the ``key_of`` its stream."""
        stream, figures = entry.stream, entry.figures
        if stream.constants.kind == semconv.KIND_OUTCOME:
            self.outcome_ids.add(figures.record_id)
            self.closed.add(key)
        else:
            known = self.last.get(key)
            if known is None or figures.end_utc_ns >= known[1].end_utc_ns:
                self.last[key] = (stream, figures)

    def to_json(self) -> dict[str, Any]:
        """Return all of it in JSON types; of runs that have an outcome, no span."""
        return {
            "outcome_ids": sorted(self.outcome_ids),
            "closed": sorted(key[1:] for key in self.closed),
            "last": [stream.record(figures).to_dict() for key, (stream, figures) in self.last.items() if key not in self.closed],
        }

    @classmethod
    def from_json(cls, name: str, data: dict[str, Any]) -> OpenRuns:
        """Read what ``to_json`` gave."""
        runs = cls(name)
        runs.outcome_ids.update(data["outcome_ids"])
        runs.closed.update(RunKey(runs._process, *key) for key in data["closed"])
        for each in data["last"]:
            stream = Stream(record := Record.from_dict(each))
            key = runs.key_of(stream)
            if key is not None:
                runs.last[key] = (stream, Figures.of(record))
        return runs

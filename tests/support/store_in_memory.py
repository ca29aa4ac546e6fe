"""A tracking store in memory, with what the ledger uses of one: a law over any order of steps needs thousands of them.

It gives runs as MLflow's client does. ``kill_after`` ends the writer at one of its calls that would change something.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ecoia.delivery.mlflow_store import Point


class KilledError(BaseException):
    """The writer was killed."""


class StoreInMemory:
    """Stands in for ``MlflowStore``, and for its ``client``."""

    def __init__(self) -> None:
        self.uri = "memory:"
        self.client = self
        self.runs: dict[str, Any] = {}
        self.artifacts: dict[tuple[str, str], bytes] = {}
        self._ids = itertools.count(1)
        self._left: int | None = None

    @contextlib.contextmanager
    def kill_after(self, calls: int | None) -> Iterator[None]:
        """Kill whoever writes at the call after so many others; None: nobody."""
        self._left = calls
        try:
            yield
        except KilledError:
            pass
        finally:
            self._left = None

    def _change(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise KilledError

    @contextlib.contextmanager
    def reaching(self) -> Iterator[None]:
        yield

    def is_there(self) -> bool:
        return True

    def find_experiment(self, name: str) -> str:
        return name

    def make_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        return name

    def describe_experiment(self, *_: object) -> None:
        pass

    def keeps_artifacts_here(self, artifact_uri: str) -> bool:
        return False

    def each(self, experiment_id: str, *conditions: str, deleted: bool = False) -> Iterator[Any]:
        """Give every run of the experiment: whoever asks has to bear more than what meets the conditions."""
        for run in list(self.runs.values()):
            if deleted or run.info.lifecycle_stage == "active":
                yield run

    def search(self, experiment_id: str, *conditions: str) -> list[Any]:
        kept = list(self.each(experiment_id))
        for condition in conditions:
            if condition.startswith("tags."):
                name, value = condition.removeprefix("tags.`").removesuffix("'").split("` = '")
                kept = [run for run in kept if run.data.tags.get(name) == value]
            else:
                name, sign, value = condition.removeprefix("attributes.").split()
                bound = int(value)
                kept = [run for run in kept if (run.info.start_time >= bound if sign == ">=" else run.info.start_time <= bound)]
        return kept

    def get_run(self, run_id: str) -> Any:
        return self.runs.get(run_id)

    def create_run(self, experiment_id: str, start_time: int, tags: Mapping[str, str], run_name: str) -> Any:
        self._change()
        run_id = f"{next(self._ids) * 7919 % 100_003:032x}"  # in no order
        info = SimpleNamespace(run_id=run_id, artifact_uri=f"memory:{run_id}", lifecycle_stage="active", start_time=start_time)
        self.runs[run_id] = SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(tags), metrics={}))
        return self.runs[run_id]

    def log(self, run_id: str, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        self._change()
        self.runs[run_id].data.metrics.update({point.metric: point.value for point in points})
        self.runs[run_id].data.tags.update(tags)

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        self._change()

    def delete_run(self, run_id: str) -> None:
        self._change()
        self.runs[run_id].info.lifecycle_stage = "deleted"

    def write_artifact(self, run_id: str, artifact_uri: str, name: str, data: bytes) -> None:
        self._change()
        self.artifacts[run_id, name] = data

    def read_artifact(self, run_id: str, artifact_uri: str, name: str, most_bytes: int) -> bytes:
        try:
            return self.artifacts[run_id, name]
        except KeyError:
            raise FileNotFoundError(name) from None

"""Threads that take turns: which one goes on is drawn at each call to MLflow, so that one seed gives one interleaving."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import mlflow
import pytest

from ecoia.delivery import ledger_list
from ecoia.delivery.mlflow_store import MlflowStore

CALLS = (
    *((mlflow.MlflowClient, name) for name in ("create_experiment", "create_run", "log_batch", "log_text", "search_runs")),
    *((mlflow.MlflowClient, name) for name in ("set_tag", "set_terminated")),
    (MlflowStore, "write_artifact"),
    (ledger_list, "list_by_sql"),
)
"""Calls before which turns are drawn: all that write to a store, and those that find ledger runs."""


class Killed(BaseException):
    """A thread that never comes back. Not an ``Exception``, so that nothing is tidied up after it as after an error."""


class Turns:
    """Draws which of some threads goes on.

    Args:
        chance: Draws.
        kills: By the thread's name, the number of the call at which it never comes back.
    """

    def __init__(self, chance: random.Random, kills: Mapping[str, int]) -> None:
        self._chance = chance
        self._left = dict(kills)
        self._changed = threading.Condition()
        self._live: set[str] = set()
        self._waiting: set[str] = set()
        self._next: str | None = None

    def take(self) -> None:
        """Wait for this thread's turn; at once if it is none of these threads."""
        me = threading.current_thread().name
        with self._changed:
            if me not in self._live:
                return
            self._left[me] = self._left.get(me, 0) - 1
            if self._left[me] == 0:
                raise Killed
            self._waiting.add(me)
            self._draw()
            self._changed.wait_for(lambda: self._next == me)
            self._next = None
            self._waiting.remove(me)

    def _draw(self) -> None:
        if self._next is None and self._live and self._waiting == self._live:
            self._next = self._chance.choice(sorted(self._live))
            self._changed.notify_all()

    def run(self, works: Mapping[str, Callable[[], object]]) -> None:
        """Run each work in a thread of its own, taking turns, to their ends."""
        failures: list[BaseException] = []

        def guarded(name: str, work: Callable[[], object]) -> None:
            try:
                self.take()
                work()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - any failure is the test's
                failures.append(error)
            finally:
                with self._changed:
                    self._live.discard(name)
                    self._draw()

        self._live = set(works)
        threads = [threading.Thread(target=guarded, args=(name, work), name=name) for name, work in works.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]


@contextmanager
def taking_turns(turns: Turns) -> Iterator[None]:
    """Have MLflow's client draw turns while the block runs."""

    def drawn(call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            turns.take()
            return call(*args, **kwargs)

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for where, name in CALLS:
            patch.setattr(where, name, drawn(getattr(where, name)))
        yield

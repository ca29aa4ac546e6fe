"""Which runs the ledger of a store has: by SQL where that can be (``ledger_sql``), else by MLflow's API."""

from __future__ import annotations

import contextlib

from ecoia import semconv
from ecoia.delivery.ledger_run import LedgerRun
from ecoia.delivery.ledger_sql import NoSqlError, list_by_sql
from ecoia.delivery.mlflow_store import MlflowStore

END_OF_TIME_MS = 1 << 53


class LedgerList:
    """Lists the runs of a store's ledger. Without a ledger there are none.

    Args:
        store: The store.
        by_sql: Have SQL list them where the store is a database whose schema was tested.

    Attributes:
        remark: Why MLflow's API listed the runs of a database; empty where nothing is to be said.
    """

    def __init__(self, store: MlflowStore, *, by_sql: bool) -> None:
        self._store = store
        self._by_sql = by_sql
        self.remark = ""

    def all(self, start_ms: int = 0, end_ms: int = END_OF_TIME_MS) -> list[LedgerRun]:
        """List the runs that start in ``[start_ms, end_ms]``, each once, deleted ones too.

        Not by kind: a day whose tag was altered is a day.
        """
        self.remark = ""
        if self._by_sql:
            try:
                return list_by_sql(self._store.uri, semconv.LEDGER_EXPERIMENT, start_ms, end_ms)
            except NoSqlError as error:
                self.remark = str(error)
        experiment = self._store.find_experiment(semconv.LEDGER_EXPERIMENT)
        if experiment is None:
            return []
        runs = map(LedgerRun.of, self._store.each(experiment, *_starts(start_ms, end_ms), deleted=True))
        return list({run.run_id: run for run in runs}.values())

    def of_instance(self, instance: str, start_ms: int, end_ms: int) -> list[LedgerRun]:
        """List an instance's runs that hold rows, in the order of their ids."""
        if self._by_sql:
            with contextlib.suppress(NoSqlError):
                return _holding(list_by_sql(self._store.uri, semconv.LEDGER_EXPERIMENT, start_ms, end_ms, instance))
        return self._search(*_starts(start_ms, end_ms), f"tags.`{semconv.TAG_INSTANCE}` = '{instance}'")

    def of_home(self, home_id: str) -> list[LedgerRun]:
        """List a home's runs that hold rows, in the order of their ids."""
        if self._by_sql:
            with contextlib.suppress(NoSqlError):
                runs = list_by_sql(self._store.uri, semconv.LEDGER_EXPERIMENT, 0, END_OF_TIME_MS)
                return [run for run in _holding(runs) if run.tags.get(semconv.TAG_HOME) == home_id]
        return self._search(f"tags.`{semconv.TAG_HOME}` = '{home_id}'")

    def _search(self, *conditions: str) -> list[LedgerRun]:
        experiment = self._store.find_experiment(semconv.LEDGER_EXPERIMENT)
        if experiment is None:
            return []
        kind = f"tags.`{semconv.TAG_KIND}` = '{semconv.RUN_KIND_LEDGER}'"
        return sorted(map(LedgerRun.of, self._store.search(experiment, kind, *conditions)))


def _holding(runs: list[LedgerRun]) -> list[LedgerRun]:
    return sorted(run for run in runs if run.kind == semconv.RUN_KIND_LEDGER and not run.deleted)


def _starts(first_ms: int, last_ms: int) -> tuple[str, str]:
    """Return search conditions for the runs of some time: a ledger run starts when its day or month does."""
    # By start time, as MLflow compares tags for equality only.
    return f"attributes.start_time >= {first_ms}", f"attributes.start_time <= {last_ms}"

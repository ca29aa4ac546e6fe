"""200 instances come back after a server was away for a day: how long until all of it is in the ledger.

A real tracking server with one worker, on a real PostgreSQL, on this machine; the instances are threads of this program. Each
draws when it comes back. Fails where a row is lost, or is there twice.

Usage: python benchmarks/burst.py [INSTANCES]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.records import merge_rows
from support.bursts import drain, instances
from support.mlflow_stores import free_port, mlflow_server, postgresql_server

_SPREAD_SECONDS = 30.0
_AT_ONCE = 8


def main() -> None:
    """Drain a burst, check the ledger, print the time."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    those = instances(count)
    expected = merge_rows(row for each in those for rows in each.days.values() for row in rows)
    with (
        tempfile.TemporaryDirectory(prefix="ecoia-burst-") as folder,
        postgresql_server() as backend,
        mlflow_server(backend, free_port(), Path(folder) / "artifacts") as uri,
    ):
        MlflowStore(uri).client.search_experiments(max_results=1)  # MLflow is loaded here
        drained = drain(uri, those, within_seconds=_SPREAD_SECONDS, at_once=_AT_ONCE)
        assert not drained.failed, f"gave up: {drained.failed}"
        ledger = MlflowLedger(MlflowStore(uri))
        assert ledger.read_rows(0, 1 << 62) == expected, "a row is lost, or is there twice"
        assert not ledger.gaps
    runs = sum(len(each.days) for each in those)
    print(
        f"{count} instances, {runs} ledger days, {len(expected):,} rows: {drained.seconds:.1f} s "
        f"({drained.attempts} attempts; each came back within {_SPREAD_SECONDS:g} s)"
    )


if __name__ == "__main__":
    main()

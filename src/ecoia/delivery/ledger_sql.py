"""The ledger's runs by SQL, where the store is a database: MLflow's API takes ten times as long, and its import seconds.

Nothing is written, and one statement gives the whole list, so no lock is held while it is used. Only schemas that were tested are
read; whatever else there is, MLflow's API reads.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ecoia import semconv
from ecoia.delivery.ledger_run import METRICS, TAGS, LedgerRun
from ecoia.keeping.destinations import sqlite_file

TESTED_SCHEMAS = {
    "0584bdc529eb": "MLflow 2.22",
    "dc11669786a5": "MLflow 3.17",
}
"""Versions of MLflow's database schema (``alembic_version``) on which SQL and MLflow's API were compared."""

_WAIT_SECONDS = 10

Query = Callable[[str, Mapping[str, Any]], list[Any]]
"""Gives the lines of a statement with its parameters."""


class NoSqlError(Exception):
    """A store is not read by SQL. The text says why, and is empty where that is as it should be."""


def list_by_sql(uri: str, experiment: str, start_ms: int, end_ms: int, instance: str | None = None) -> list[LedgerRun]:
    """List the runs of an experiment that start in ``[start_ms, end_ms]``, deleted ones too.

    Args:
        uri: Tracking URI of the store.
        experiment: Name of the experiment.
        start_ms: First start, in milliseconds.
        end_ms: Last start.
        instance: Only runs of this instance. None: of every one.

    Raises:
        NoSqlError: the store is no database, or one whose schema was not tested, or it does not answer.

    Example:
        >>> list_by_sql("https://mlflow.example", "ecoia/ledger", 0, 1)
        Traceback (most recent call last):
        ecoia.delivery.ledger_sql.NoSqlError
    """
    if os.environ.get("MLFLOW_WORKSPACE"):
        raise NoSqlError  # an experiment's name stands for one of several then
    try:
        with _connected(uri) as query:
            return _list(query, experiment, start_ms, end_ms, instance)
    except NoSqlError:
        raise
    except Exception as error:  # of SQLAlchemy or a driver
        raise NoSqlError from error  # MLflow says what is wrong with the database


def _list(query: Query, experiment: str, start_ms: int, end_ms: int, instance: str | None) -> list[LedgerRun]:
    versions = [str(version) for (version,) in query("SELECT version_num FROM alembic_version", {})]
    if len(versions) != 1 or versions[0] not in TESTED_SCHEMAS:
        raise NoSqlError(f"its schema {', '.join(versions) or 'without a version'} was not tested with this ecoia")
    found = query("SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = :name", {"name": experiment})
    if not found:
        return []
    if len(found) > 1 or found[0][1] != "active":
        raise NoSqlError  # MLflow decides which is meant, or says that it was deleted
    values = {**_NAMES, "experiment": found[0][0], "first": start_ms, "last": end_ms}
    if instance is None:
        return [_run(line) for line in query(_RUNS, values)]
    return [_run(line) for line in query(_RUNS_OF_INSTANCE, {**values, "instance": instance})]


def _run(line: Any) -> LedgerRun:
    run_id, artifact_uri, stage, *values = line
    tags = {name: value for name, value in zip(TAGS, values, strict=False) if value is not None}
    numbers = values[len(TAGS) :]
    metrics = {
        name: value
        for name, value, is_nan in zip(METRICS, numbers[::2], numbers[1::2], strict=True)
        if value is not None and not is_nan
    }
    return LedgerRun(run_id, artifact_uri or "", stage != "active", tags, metrics)


def _runs_statement() -> str:
    """Return the statement that gives a run a line: each tag and metric is found by its primary key."""
    columns = ["runs.run_uuid", "runs.artifact_uri", "runs.lifecycle_stage"]
    joins = []
    for number in range(len(TAGS)):
        columns.append(f"t{number}.value")
        joins.append(f"LEFT JOIN tags AS t{number} ON t{number}.run_uuid = runs.run_uuid AND t{number}.key = :tag{number}")
    for number in range(len(METRICS)):
        columns += [f"m{number}.value", f"m{number}.is_nan"]
        joins.append(
            f"LEFT JOIN latest_metrics AS m{number} ON m{number}.run_uuid = runs.run_uuid AND m{number}.key = :metric{number}"
        )
    return (
        f"SELECT {', '.join(columns)} FROM runs {' '.join(joins)} "  # noqa: S608 - our own names
        "WHERE runs.experiment_id = :experiment AND runs.start_time BETWEEN :first AND :last"
    )


_RUNS = _runs_statement()
_RUNS_OF_INSTANCE = f"{_RUNS} AND t{TAGS.index(semconv.TAG_INSTANCE)}.value = :instance"
_NAMES = {f"tag{number}": name for number, name in enumerate(TAGS)} | {f"metric{n}": name for n, name in enumerate(METRICS)}


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[Query]:
    """Open a database for reading only."""
    path = sqlite_file(uri)
    if path is not None:
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)) as database:
            yield lambda statement, values: database.execute(statement, values).fetchall()
    elif uri.startswith(("postgresql:", "postgresql+")):
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        engine = create_engine(uri, poolclass=NullPool)
        with engine.connect().execution_options(postgresql_readonly=True) as server:
            yield lambda statement, values: [tuple(line) for line in server.execute(text(statement), dict(values))]
    else:
        raise NoSqlError

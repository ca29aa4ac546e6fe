"""Read what figures are computed from: the ledger or the journal, the catalogue, the emission factors in use."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia.cli.common import (
    FAILED,
    Source,
    counted_records,
    existing_journal,
    late_progress,
    open_journal,
    say,
    tell_lines_not_read,
)
from ecoia.errors import JournalError
from ecoia.keeping.journal import Scan
from ecoia.periods import Quarter
from ecoia.readable.run_line import energy_text
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.dataset import Dataset
    from ecoia.delivery.mlflow_store import MlflowStore
    from ecoia.engines.row_source import RowSource
    from ecoia.impact.inputs import Inputs
    from ecoia.impact.ledger_gaps import LedgerGap
    from ecoia.publishing.publication import Published
    from ecoia.records import Row
    from ecoia.report import QuarterlyReport

_ALL_TIME_NS = 1 << 62
_MOST_GAPS_TOLD, _MOST_LINES_TOLD = 10, 3
_GAPS = {
    "missing": "has no day file (records.jsonl.gz) that this machine can read",
    "altered": "has a day file that is not the one delivered",
    "unreadable": "has a day file that cannot be read",
    "unfinished": "was not delivered whole",
    "refused-rows": "has lines that are no rows",
    "deleted": "was deleted",
    "newer": "was written by a newer ecoia (upgrade ecoia here)",
    "partly-restored": "was restored in part only",
}
"""What happened to a ledger day, after its name; by ``GAP_REASONS``."""


GiveUp = Callable[[str], None]
"""Ends the program, with the reason: a thread that waits for a server cannot be ended alone."""


def read(settings: Settings, quarter_text: str | None, source: Source, engine: str | None = None) -> tuple[Inputs, Quarter]:
    """Read the inputs of a quarter's figures.

    Args:
        settings: ``timezone``, ``catalogue`` and the journal's settings are used.
        quarter_text: The quarter, such as ``2026Q4``; ``None``: the current one.
        source: Where the rows come from.
        engine: The engine that sums rows up, one of ``engines.choosing.ENGINES``. None: rows are read, and Python sums them up.

    Returns:
        The inputs, and the quarter.

    Raises:
        UsageError: the quarter cannot be read, or several stores could be meant.
        CatalogueError: the catalogue is wrong.
        DeliveryError: the ledger cannot be read.

    Example::

        inputs, quarter = read(load_settings(), "2026Q4", Source.JOURNAL)
    """
    quarter = Quarter.parse(quarter_text) if quarter_text else Quarter.of_instant(time.time_ns(), ZoneInfo(settings.timezone))
    return read_inputs(settings, source, engine=engine), quarter


def read_inputs(
    settings: Settings,
    source: Source,
    store: MlflowStore | None = None,
    give_up: GiveUp | None = None,
    engine: str | None = None,
) -> Inputs:
    """Read the inputs of any quarter's figures; the arguments are those of ``read_rows``, and ``engine`` is as for ``read``."""
    from ecoia import catalogue, factors
    from ecoia.impact.inputs import Inputs

    register = catalogue.load(settings.catalogue)  # before the rows, because it fails sooner
    in_use = factors.in_use(register.factors, settings.catalogue, ZoneInfo(settings.timezone))
    rows: Collection[Row]
    if engine is None:
        rows, gaps = read_rows(settings, source, store, give_up)
    else:
        rows, gaps = _engine_rows(settings, source, engine)
    return Inputs.of(rows, register, in_use, settings, gaps)


def read_rows(
    settings: Settings, source: Source, store: MlflowStore | None = None, give_up: GiveUp | None = None
) -> tuple[list[Row], tuple[LedgerGap, ...]]:
    """Read every row that is recorded, in the organisation's ledger, in this machine's journal or in a dataset.

    Args:
        settings: ``home`` and the settings of delivery are used.
        source: Where the rows come from.
        store: The store of the ledger. None: ``store_here``.
        give_up: Called when the store takes too long. None: report it, and end with ``FAILED``.

    Returns:
        The rows, and what the ledger holds beside them that could not be read; this is reported. A dataset has the gaps that the
        ledger had when it was exported.

    Raises:
        DatasetError: a dataset is not there, or not what its manifest says.
    """
    with no_collection():
        if source.uri:
            return _dataset_rows(source.uri)
        if source is Source.JOURNAL:
            return _journal_rows(settings), ()
        return _ledger_rows(settings, store or store_here(settings), give_up or _give_up)


@contextmanager
def no_collection() -> Iterator[None]:
    """Look for no garbage in cycles while the block runs: among a million objects that stay, it costs as much as the work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def build(inputs: Inputs, quarter: Quarter, settings: Settings, incomplete_because: str | None = None) -> QuarterlyReport:
    """Build the report of a quarter, with what was published of the quarters before it.

    Args:
        inputs: What it is computed from.
        quarter: The quarter.
        settings: ``timezone`` and ``publications`` are used.
        incomplete_because: Why it is published although days of the ledger are missing.
    """
    from ecoia.publishing.drafting import Draft

    with no_collection():
        return Draft(inputs, quarter, chain_of(settings), incomplete_because).report


def read_and_build(
    settings: Settings,
    quarter_text: str | None,
    source: Source,
    begin: Callable[[str], None] = lambda _: None,
    engine: str | None = None,
) -> QuarterlyReport:
    """Read the inputs of a quarter and build its report.

    Args:
        settings: As for ``read``.
        quarter_text: As for ``read``.
        source: As for ``read``.
        begin: Called with the name of each step as it begins.
        engine: As for ``read``.
    """
    begin("reading")
    inputs, quarter = read(settings, quarter_text, source, engine)
    begin("computing")
    return build(inputs, quarter, settings)


def chain_of(settings: Settings) -> list[Published]:
    """Return what the organisation published, in order; nothing if the setting ``publications`` is not set."""
    if settings.publications is None:
        return []
    from ecoia.publishing.publication import publications

    return publications(Path(settings.publications))


def _journal_rows(settings: Settings) -> list[Row]:
    from ecoia.delivery.abandoned import close_abandoned
    from ecoia.delivery.backlog import Backlog
    from ecoia.delivery.doubtful_days import DoubtfulDays
    from ecoia.keeping.adoption import adopt
    from ecoia.keeping.packing import pack_closed
    from ecoia.records import merge_rows

    found = existing_journal(settings)
    if found is None:
        return []
    try:
        adopt(found)
    except JournalError as error:
        say(f"the last seconds of a process that ended suddenly are left out: {error}")
    try:
        close_abandoned(found)
    except JournalError as error:
        say(f"runs that were killed cannot be marked as abandoned: {error}")
    pack_closed(found.folder)
    backlog = Backlog(found)  # keeps rows, not records
    backlog.read(backlog.sizes())
    if backlog.unread:
        raise JournalError(next(iter(backlog.unread.values())))  # a report without these records would be silently wrong
    tell_lines_not_read(backlog.line_counts)
    doubtful = [*DoubtfulDays(found.home, settings.retention_days).among(backlog.rows.keys(), backlog.pending_days)]
    for message in dict.fromkeys(each.message for each in doubtful):
        say(message)
    held = {each.key for each in doubtful}
    return merge_rows(row for key, rows in backlog.rows.items() if key not in held for row in rows)


def _ledger_rows(settings: Settings, store: MlflowStore, give_up: GiveUp) -> tuple[list[Row], tuple[LedgerGap, ...]]:
    from ecoia.delivery.ledger_cache import LedgerCache
    from ecoia.delivery.mlflow_ledger import MlflowLedger
    from ecoia.delivery.timed_reading import reading_in_time
    from ecoia.keeping.destinations import public_uri

    cache = LedgerCache(Path(settings.home) / "cache" / "ledger.sqlite")
    with late_progress("reading the ledger", "day files") as shown:
        ledger = MlflowLedger(store, cache, by_sql=settings.ledger_sql, progress=shown)
        with reading_in_time(public_uri(store.uri), settings.delivery_seconds, give_up):
            rows = ledger.read_rows(0, _ALL_TIME_NS)
    if ledger.remark:
        _say_once(f"{public_uri(store.uri)} is read through MLflow's API, which takes longer than SQL: {ledger.remark}")
    if not rows and not ledger.gaps:
        say(f"no ledger at {public_uri(store.uri)} yet: 'ecoia deliver' sends what is recorded; '--from journal' reads it here")
    _tell_gaps(ledger.gaps)
    _tell_pending(settings)
    return rows, ledger.gaps


@functools.cache
def _say_once(message: str) -> None:
    say(message)


def _dataset_rows(uri: str) -> tuple[list[Row], tuple[LedgerGap, ...]]:
    from ecoia.dataset import Dataset

    dataset = Dataset(uri)
    rows = dataset.rows()
    _tell_dataset_gaps(dataset)
    return rows, dataset.manifest.gaps


def _tell_dataset_gaps(dataset: Dataset) -> None:
    _tell_gaps(dataset.manifest.gaps)
    if dataset.manifest.gaps:
        say(f"these days were missing when '{dataset.public}' was exported: 'ecoia export --to' brings it up to date")


def _engine_rows(settings: Settings, source: Source, engine: str) -> tuple[Collection[Row], tuple[LedgerGap, ...]]:
    """Leave rows where they lie, for an engine to sum up; rows of the ledger and the journal are read, and handed to it."""
    from ecoia.engines import choosing
    from ecoia.engines.engine_rows import EngineRows
    from ecoia.engines.row_source import RowSource
    from ecoia.records.columns import table_of

    if not source.uri:
        listed, gaps = read_rows(settings, source)
        return EngineRows(choosing.engine(engine, RowSource(table=table_of(listed)))), gaps
    from ecoia.dataset import Dataset

    dataset = Dataset(source.uri)
    held = _row_source(dataset, engine)
    _tell_dataset_gaps(dataset)
    say(f"{dataset.manifest.rows:,} rows are summed up by {engine}")
    return EngineRows(choosing.engine(engine, held)), dataset.manifest.gaps


def _row_source(dataset: Dataset, engine: str) -> RowSource:
    """Return the rows of a dataset where an engine reaches them: Spark's executors see no copies that lie on this machine."""
    import pyarrow as pa

    from ecoia.engines.row_source import RowSource
    from ecoia.records.columns import ROW_SCHEMA

    if not dataset.manifest.files or (engine == "spark" and not dataset.is_here):
        return RowSource(table=pa.concat_tables([ROW_SCHEMA.empty_table(), *dataset.tables()]))
    copies = tempfile.mkdtemp(prefix="ecoia-dataset-")
    atexit.register(shutil.rmtree, copies, ignore_errors=True)  # figures are drawn from the files until the end
    return RowSource(dataset.paths(Path(copies)))


def engine_for(source: Source, asked: str | None) -> str | None:
    """Return the engine that sums up the rows of a source: the one asked for; of a dataset else by its size (None: Python)."""
    if asked is not None or not source.uri:
        return asked
    from ecoia.dataset import Dataset
    from ecoia.engines.choosing import choose

    return choose(Dataset(source.uri).manifest.rows)


def mark_of(settings: Settings, source: Source, store: MlflowStore | None = None, give_up: GiveUp | None = None) -> str:
    """Return a text that changes whenever the rows of a source may. The rows are not read; arguments are as for ``read_rows``."""
    if source.uri:
        from ecoia.dataset import Dataset

        return Dataset(source.uri).manifest.digest
    if source is Source.JOURNAL:
        from ecoia.keeping.journal import journal_sizes

        found = existing_journal(settings)
        return "" if found is None else repr(sorted(journal_sizes(found).items()))
    from ecoia.delivery.mlflow_ledger import MlflowLedger
    from ecoia.delivery.timed_reading import reading_in_time
    from ecoia.keeping.destinations import public_uri

    store = store or store_here(settings)
    with reading_in_time(public_uri(store.uri), settings.delivery_seconds, give_up or _give_up):
        return MlflowLedger(store, by_sql=settings.ledger_sql).mark()


def _give_up(why: str) -> None:
    """End the program: a thread that waits for a server cannot be ended alone. Nothing is written yet."""
    say(f"{why}; '--from journal' reads what this machine recorded")
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(FAILED)


def _tell_gaps(gaps: Sequence[LedgerGap]) -> None:
    """Report what of the ledger is in no figure: each day with its run and what it is worth."""
    for gap in gaps[:_MOST_GAPS_TOLD]:
        worth = "an unknown energy" if gap.microjoules is None else energy_text(gap.microjoules)
        say(f"ledger run {gap.run_id}: {gap.day} of '{gap.instance}' {_GAPS[gap.reason]}; {worth} is in no figure")
        for line in gap.why[:_MOST_LINES_TOLD]:
            say(f"  {line}")
    if len(gaps) > _MOST_GAPS_TOLD:
        say(f"and {len(gaps) - _MOST_GAPS_TOLD} more ledger days that are in no figure")
    if gaps:
        say("'ecoia deliver --verify' on the machine that recorded a day writes it again from its journal")


def store_here(settings: Settings) -> MlflowStore:
    """Return the MLflow store to read: the one of MLFLOW_TRACKING_URI, or else where this machine's records go.

    Raises:
        UsageError: several stores could be meant.
        MissingExtraError: MLflow is not installed.
    """
    from ecoia.delivery.mlflow_store import MlflowStore, keep_telemetry_off
    from ecoia.exploring.places import tracking_uri
    from ecoia.keeping.destinations import public_uri

    keep_telemetry_off()
    uri, why = tracking_uri(settings)
    store = MlflowStore(uri)
    if why:
        say(f"reading MLflow at {public_uri(store.uri)} ({why})")
    return store


def _tell_pending(settings: Settings) -> None:
    from ecoia.delivery.cursors import is_delivered, read_cursors

    if not (Path(settings.home) / "home.json").exists():
        return
    with suppress(JournalError):  # reading the organisation's ledger needs no journal on this machine
        found = open_journal(settings)
        cursors = read_cursors(found)
        pending = sum(not is_delivered(entry, cursors) for entry in found.stream(Scan()))
        if pending:
            say(f"{counted_records(pending)} of this machine not delivered yet, hence not in the ledger: 'ecoia deliver'")

"""Read what figures are computed from: the ledger or the journal, the catalogue, the emission factors in use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia.cli.common import Source, counted_records, existing_journal, open_journal, say, tell_lines_not_read
from ecoia.errors import JournalError, UsageError
from ecoia.keeping.journal import Scan
from ecoia.periods import Quarter
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.impact.inputs import Inputs
    from ecoia.publishing.publication import Published
    from ecoia.records import Row
    from ecoia.report import QuarterlyReport

_ALL_TIME_NS = 1 << 62


def read(settings: Settings, quarter_text: str | None, source: Source) -> tuple[Inputs, Quarter]:
    """Read the inputs of a quarter's figures.

    Args:
        settings: ``timezone``, ``catalogue`` and the journal's settings are used.
        quarter_text: The quarter, such as ``2026Q4``; ``None``: the current one.
        source: Where the rows come from.

    Returns:
        The inputs, and the quarter.

    Raises:
        UsageError: the quarter cannot be read, or several stores could be meant.
        CatalogueError: the catalogue is wrong.
        DeliveryError: the ledger cannot be read.

    Example::

        inputs, quarter = read(load_settings(), "2026Q4", Source.JOURNAL)
    """
    from ecoia import catalogue, factors
    from ecoia.impact.inputs import Inputs

    zone = ZoneInfo(settings.timezone)
    quarter = Quarter.parse(quarter_text) if quarter_text else Quarter.of_instant(time.time_ns(), zone)
    register = catalogue.load(settings.catalogue)  # before the rows, because it fails sooner
    in_use = factors.in_use(register.factors, settings.catalogue, zone)
    return Inputs.of(read_rows(settings, source), register, in_use, settings), quarter


def read_rows(settings: Settings, source: Source) -> list[Row]:
    """Read every row that is recorded, in the organisation's ledger or in this machine's journal."""
    return _journal_rows(settings) if source is Source.JOURNAL else _ledger_rows(settings)


def build(inputs: Inputs, quarter: Quarter, settings: Settings) -> QuarterlyReport:
    """Build the report of a quarter, with what was published of the quarters before it."""
    from ecoia.report import build_report

    published, restatements = {}, []
    for each in chain_of(settings):
        if Quarter.parse(each.quarter) < quarter:
            from ecoia.impact.recalculation import published_micrograms

            published[each.quarter] = published_micrograms(each.report())
            restatements += [bridge for bridge in [each.recalculation()] if bridge]
    return build_report(
        inputs.rows,
        quarter,
        settings=settings,
        catalogue=inputs.catalogue,
        factors=inputs.factors,
        over=time.time_ns() >= quarter.bounds_ns(ZoneInfo(settings.timezone))[1],
        published_micrograms=published,
        restatements=restatements,
    )


def read_and_build(
    settings: Settings, quarter_text: str | None, source: Source, begin: Callable[[str], None] = lambda _: None
) -> QuarterlyReport:
    """Read the inputs of a quarter and build its report.

    Args:
        settings: As for ``read``.
        quarter_text: As for ``read``.
        source: As for ``read``.
        begin: Called with the name of each step as it begins.
    """
    begin("reading")
    inputs, quarter = read(settings, quarter_text, source)
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
    from ecoia.keeping.open_windows import adopt
    from ecoia.records import fold

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
    counts = Scan()
    rows = fold(entry.record for entry in found.stream(counts))
    tell_lines_not_read(counts)
    return rows


def _ledger_rows(settings: Settings) -> list[Row]:
    from ecoia.delivery.mlflow_ledger import MlflowLedger
    from ecoia.delivery.mlflow_store import MlflowStore, keep_telemetry_off
    from ecoia.keeping.destinations import public_uri

    keep_telemetry_off()
    uri, why = _tracking_uri(settings)
    store = MlflowStore(uri)
    if why:
        say(f"reading the ledger at {public_uri(store.uri)} ({why})")
    ledger = MlflowLedger(store)
    rows = ledger.read_rows(0, _ALL_TIME_NS)
    if not rows:
        say(f"no ledger at {public_uri(store.uri)} yet: 'ecoia deliver' sends what is recorded; '--from journal' reads it here")
    if ledger.newer_days:
        say(f"{ledger.newer_days} ledger days were written by a newer ecoia and are left out: upgrade ecoia")
    _tell_pending(settings)
    return rows


def _tracking_uri(settings: Settings) -> tuple[str | None, str | None]:
    """Return the store to read (``None``: MLflow's default), and the reason if MLFLOW_TRACKING_URI does not name it."""
    from ecoia.keeping.destinations import read_targets

    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None, None
    known = sorted(set(read_targets(settings.home).values()))
    if len(known) > 1:
        raise UsageError(f"records of this machine go to several stores: set MLFLOW_TRACKING_URI to one of {', '.join(known)}")
    if known:
        return known[0], "where this machine's records go; MLFLOW_TRACKING_URI says another"
    return None, "MLflow's default, as MLFLOW_TRACKING_URI is not set"


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

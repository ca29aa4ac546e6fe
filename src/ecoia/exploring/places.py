"""Where rows are read from, and which folder of the home keeps what is filled from there. MLflow is not loaded."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from ecoia.errors import UsageError
from ecoia.keeping.destinations import is_readable, public_uri, read_targets
from ecoia.settings import Settings

LEDGER, JOURNAL = "ledger", "journal"
SOURCES = (LEDGER, JOURNAL)
"""The organisation's ledger in MLflow, and this machine's journal."""


def folder_of(settings: Settings, source: str) -> Path:
    """Return the folder that is filled from a source: one for each journal and each store.

    Args:
        settings: ``home`` is used.
        source: One of ``SOURCES``, or ``parquet:`` and where a dataset lies.

    Raises:
        UsageError: several stores could be meant.
    """
    name = source_name(settings, source)
    kind = source.partition(":")[0]
    return Path(settings.home) / "cache" / "dashboard" / f"{kind}-{sha256(name.encode()).hexdigest()[:12]}"


def source_name(settings: Settings, source: str) -> str:
    """Return what names a source of rows: the folder of the journal, the public address of the store, or where the dataset lies.

    Raises:
        UsageError: several stores could be meant.
    """
    if dataset := source.partition(":")[2]:
        return dataset if "://" in dataset else str(Path(dataset).absolute())
    if source == JOURNAL:
        return str(Path(settings.home).absolute())
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking_uri(settings)[0]
    return public_uri(uri) if uri else f"MLflow's default in {Path.cwd()}"


def tracking_uri(settings: Settings) -> tuple[str | None, str | None]:
    """Return the store to read (``None``: MLflow's default), and the reason if MLFLOW_TRACKING_URI does not name it.

    Raises:
        UsageError: several stores could be meant.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None, None
    known = sorted(filter(is_readable, set(read_targets(settings.home).values())))
    if len(known) > 1:
        raise UsageError(f"records of this machine go to several stores: set MLFLOW_TRACKING_URI to one of {', '.join(known)}")
    if known:
        return known[0], "where this machine's records go; set MLFLOW_TRACKING_URI to read another"
    return None, "MLflow's default, as MLFLOW_TRACKING_URI is not set"

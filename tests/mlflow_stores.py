"""A migrated MLflow database, made once and copied: making one costs seconds."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest

MLFLOW_WARNINGS = (
    # MLflow maps its models with a loader that SQLAlchemy 2.1 deprecates.
    "ignore:The ``noload`` loader strategy is deprecated",
)


@functools.cache
def _made(folder: Path) -> Path:
    from ecoia.stores.mlflow_store import MlflowStore

    path = folder / "migrated.db"
    MlflowStore(f"sqlite:///{path}").prepare()
    return path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's schema and nothing in it; one for all the modules that import this."""
    return _made(tmp_path_factory.getbasetemp())


@pytest.fixture
def tracking_uri(migrated: Path, tmp_path: Path) -> str:
    """The URI of a fresh store of this test."""
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated, path)
    return f"sqlite:///{path}"

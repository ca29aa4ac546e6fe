"""Folders that dashboards read, filled from a made-up organisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ecoia.exploring import Explorer, fill
from ecoia.exploring.state import State
from ecoia.factors import FactorSet, default_factors
from ecoia.impact.inputs import Inputs
from ecoia.records import Record, Row, fold
from ecoia.settings import Settings
from support.large_organisation import large_catalogue, large_factors, large_rows
from support.large_organisation.grown import grown_catalogue, grown_rows
from support.organisation import CHARTER, sample_catalogue, write_catalogue
from support.settings import make_settings


def large_inputs(catalogue: Path) -> tuple[Inputs, Settings]:
    """Return all rows of the large organisation, its catalogue written into a folder."""
    settings = make_settings(timezone="Europe/Paris", zone="FRA", catalogue=str(catalogue))
    return Inputs.of(list(large_rows()), large_catalogue(catalogue), large_factors(), settings), settings


def fill_large(folder: Path) -> None:
    """Fill ``folder/filled`` from the large organisation. It takes some twenty seconds of CPU time, so a run does it once."""
    fill(folder / "filled", *large_inputs(folder / "catalogue"), source="ledger", source_uri="http://mlflow.example:5000")


def fill_grown(folder: Path) -> None:
    """Fill ``folder/filled`` from thirty services and eight quarters, as benchmarks do."""
    settings = make_settings(timezone="Europe/Paris", zone="FRA", catalogue=str(folder / "catalogue"))
    inputs = Inputs.of(list(grown_rows()), grown_catalogue(folder / "catalogue"), large_factors(), settings)
    fill(folder / "filled", inputs, settings, source="ledger", source_uri="http://mlflow.example:5000")


def fill_sample(folder: Path, rows: Sequence[Row], steps: list[str] | None = None, **values: object) -> State:
    """Fill ``folder/filled`` from some rows of the sample organisation; its catalogue is written into ``folder/catalogue``.

    Args:
        folder: A temporary folder.
        rows: The rows.
        steps: Receives the name of each quarter that is computed.
        values: Settings, such as ``pue=1.3``.
    """
    path = folder / "catalogue"
    catalogue = sample_catalogue(path)
    settings = make_settings(**{"zone": "FRA", "catalogue": str(path), **values})
    inputs = Inputs.of(rows, catalogue, default_factors(), settings)
    told = [] if steps is None else steps
    return fill(folder / "filled", inputs, settings, source="journal", begin=lambda done, of, what: told.append(what))


def filled_explorer(folder: Path, records: Iterable[Record], services: str, factors: FactorSet | None = None) -> Explorer:
    """Fill a folder from some records.

    Args:
        folder: A temporary folder.
        records: The records.
        services: Text of the register.
        factors: Emission factors. None: those that ecoia brings.
    """
    catalogue = write_catalogue(folder / "catalogue", services=services, charter=CHARTER)
    settings = make_settings(zone="FRA", timezone="Europe/Paris", catalogue=str(folder / "catalogue"))
    fill(
        folder / "filled", Inputs.of(fold(records), catalogue, factors or default_factors(), settings), settings, source="ledger"
    )
    return Explorer(folder / "filled")

"""Publications of a small organisation, and what somebody who can write to their folder can do to them."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ecoia.factors import FactorSet
from ecoia.impact.inputs import Inputs
from ecoia.periods import Quarter
from ecoia.publishing.publication import Drawing, Published, publish
from ecoia.publishing.sealed_files import canonical, files_below, section_digests
from ecoia.publishing.signing import signed
from ecoia.records import fold
from ecoia.report import QuarterlyReport, build_report
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

DOCUMENT = "rapport.html"
DRAWING = Drawing("fr", {"html": {"ecoia": "0.1.0", "painter": "1"}})


def one_document(report: QuarterlyReport, folder: Path) -> None:
    """Write a page with the quarter's energy and its seal."""
    assert report.seal is not None
    shown = [report.totals.energy.value, report.seal.figures_digest, report.seal.previous_head]
    (folder / DOCUMENT).write_text("\n".join(map(str, shown)), encoding="utf-8")


def published(root: Path, quarter: Quarter, catalogue_folder: Path, record_id: str = "r", **more: Any) -> Published:
    """Publish a quarter in which one service used 4 kWh, in one record."""
    factors = FactorSet([factor("FRA", 2026, 40.0)], id="ours", version="1")
    month = 3 * quarter.number - 1
    rows = fold(
        [record(f"{quarter.year}-{month:02}-05T10:00", cpu=kwh(4), ram=None, service="a", zone="FRA", record_id=record_id)]
    )
    inputs = Inputs.of(rows, write_catalogue(catalogue_folder), factors, make_settings(zone="FRA"))
    report = build_report(rows, quarter, over=True, settings=inputs.settings, catalogue=inputs.catalogue, factors=inputs.factors)
    more = {"on": date(2027, 1, 15), "drawing": DRAWING, **more}
    return publish(root, inputs, report, one_document, catalogue_folder=catalogue_folder, **more)


def resealed(folder: Path, key: Ed25519PrivateKey | None = None) -> str:
    """Make the manifest and the seal of a publication fit its files again, as anybody can; return the head."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    apart = {"manifest.json", "seal.json", "timestamp.tsr"}
    manifest["files"] = {path: _digest(folder / path) for path in files_below(folder) if path not in apart}
    manifest["figures"] = section_digests((folder / "report.json").read_bytes())
    (folder / "manifest.json").write_bytes(canonical(manifest))
    head = _digest(folder / "manifest.json")
    seal = {"schema": manifest["schema"], "quarter": manifest["quarter"], "head": head}
    (folder / "seal.json").write_bytes(canonical(signed(seal, key)))
    return head


def as_schema_1(folder: Path, key: Ed25519PrivateKey | None = None) -> str:
    """Turn a publication into one of schema 1 and method 1, whose seal lists the documents and whose manifest does not; return
    the head.
    """
    figures = json.loads((folder / "report.json").read_bytes()) | {"method_version": "1"}
    (folder / "report.json").write_bytes(canonical(figures))
    resealed(folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    listed = [path for path in manifest["files"] if path.startswith("documents/")]
    documents = {path.removeprefix("documents/"): manifest["files"].pop(path) for path in listed}
    del manifest["documents"], manifest["timestamp_authority"]
    (folder / "manifest.json").write_bytes(canonical(manifest | {"schema": 1, "method_version": "1"}))
    head = _digest(folder / "manifest.json")
    seal = {"schema": 1, "quarter": manifest["quarter"], "head": head, "documents": documents}
    (folder / "seal.json").write_bytes(canonical(signed(seal, key)))
    return head


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

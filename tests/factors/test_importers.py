"""Importers: a publisher is a module of its own, which the registry finds and the command line names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from ecoia.cli.factors import Kind
from ecoia.errors import FactorError, UsageError
from ecoia.factors import importers
from ecoia.factors.importers import GENERIC, kind_of, read_as
from ecoia.factors.importers.registry import publishers

NEW_PUBLISHER = """
from ecoia.factors.files import FactorValue
from ecoia.factors.importers.registry import Publisher
from ecoia.periods import HALF_HOUR_NS

def read(file):
    file.left_out["notice"] += 1
    yield FactorValue(1, "FRA", 0, HALF_HOUR_NS, float(file.text), "direct", "production", "Someone")

PUBLISHER = Publisher("someone", {"licence": "CC0-1.0"}, read)
"""


@pytest.fixture
def afresh() -> Iterator[None]:
    """Look for publishers again, before and after."""
    publishers.cache_clear()
    yield
    publishers.cache_clear()


def test_a_new_module_is_a_new_publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, afresh: None) -> None:
    (tmp_path / "someone_made_up.py").write_text(NEW_PUBLISHER, encoding="utf-8")
    monkeypatch.setattr(importers, "__path__", [*importers.__path__, str(tmp_path)])
    (tmp_path / "theirs.txt").write_text("41.5", encoding="utf-8")
    found = read_as(tmp_path / "theirs.txt", "someone", {"id": "theirs", "retrieved_on": "2026-11-25"}, UTC)
    (factor,) = found.factors.factors
    assert (factor.value_g_per_kwh, factor.factor_set, factor.licence) == (41.5, "theirs", "CC0-1.0")
    assert found.left_out == {"notice": 1}
    assert list(publishers()) == ["ademe", "eco2mix", "electricitymaps", "someone"]


FIRST_LINES = {
    "ademe": "Type Ligne;Identifiant de l'élément;Statut de l'élément;Code de la catégorie;Total poste non décomposé",
    "eco2mix": "Périmètre\tNature\tDate\tHeures\tTaux de Co2",
    "electricitymaps": "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct)",
    "generic": "zone,start,end,gco2e_per_kwh,source",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("kind", FIRST_LINES)
def test_a_form_is_recognised_by_its_first_line_whatever_its_encoding(tmp_path: Path, kind: str, encoding: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes((FIRST_LINES[kind].replace("₂", "2") + "\r\n").encode(encoding))
    assert kind_of(path) == kind


def test_a_normalised_set_is_recognised_as_generic(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("# id: ours\nzone,start,end,gco2e_per_kwh\n", encoding="utf-8")
    assert kind_of(path) == GENERIC


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Service;Source;kWh", "fits no form that is known: name the form with --as (ademe, eco2mix, electricitymaps, generic)"),
        ("", "fits no form that is known"),
        (
            "zone,start,end,gco2e_per_kwh,Datetime (UTC),Zone id",
            "fits several forms: name the form with --as (electricitymaps, generic)",
        ),
    ],
)
def test_a_first_line_that_fits_no_form_or_several_is_refused_with_the_candidates(tmp_path: Path, header: str, said: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(header + "\n1;2;3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(said)):
        kind_of(path)


def test_the_command_line_names_every_publisher() -> None:
    assert {kind.value for kind in Kind} == {*publishers(), GENERIC}


def test_a_kind_that_nobody_publishes_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(FactorError, match="'excel': choose one of ademe, eco2mix, electricitymaps, generic"):
        read_as(tmp_path / "absent.csv", "excel", {}, UTC)

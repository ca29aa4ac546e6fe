"""Files of emission factors as publishers write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ecoia.errors import FactorFileError
from ecoia.factors.importers import Imported

PARIS = ZoneInfo("Europe/Paris")

Read = Callable[..., Imported]
"""Writes a text to a file and imports it: see the fixture ``read`` of ``tests/factors``."""


def refused(read: Read, text: str, kind: str, **options: Any) -> str:
    """Return the error that importing this text raises."""
    with pytest.raises(FactorFileError) as caught:
        read(text, kind, **options)
    return str(caught.value)


def generic(*lines: str, header: str = "zone,start,end,gco2e_per_kwh") -> str:
    return "\n".join((header, *lines)) + "\n"


XLS_HEADER = (
    "Périmètre\tNature\tDate\tHeures\tConsommation\tPrévision J-1\tPrévision J\tFioul\tCharbon\tGaz\tNucléaire\tEolien\tSolaire"
    "\tHydraulique\tPompage\tBioénergies\tEch. physiques\tTaux de Co2\tEch. comm. Angleterre\t"
)


NOTICE = "RTE ne pourra être tenu responsable de l'usage qui pourrait être fait des données mises à disposition"


def xls(rows: list[tuple[str, str, str]]) -> str:
    """Return a file as RTE's site gives it: tabs, CP1252, a tab at the end of each line, a notice at the end of the file."""
    lines = [
        f"France\tDonnées consolidées\t{day}\t{time}\t52000\t51000\t52100\t120\t0\t1500\t41000\t3000\t0\t5000\t-500\t900"
        f"\t-900\t{rate}\t-1000\t"
        for day, time, rate in rows
    ]
    return "\n".join((XLS_HEADER, *lines, NOTICE)) + "\n"

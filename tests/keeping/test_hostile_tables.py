"""Tables made to hang, fill the memory or mean something else are refused with file and line: declared, outcomes, factors."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from ecoia import limits
from ecoia.catalogue.outcomes import read_outcomes
from ecoia.errors import EcoiaError, FactorFileError, UsageError
from ecoia.factors import files
from ecoia.keeping.declared import read_activity
from support.settings import make_settings

DECLARED = "service,phase,start,end,energy_kwh,source\n"
DECLARED_LINE = "vadore,inference,2026-10-01,2026-12-31,{},facture\n"
OUTCOMES = "service,quarter,accepted,source\n"
OUTCOMES_LINE = "vadore,2026Q4,{},enquête\n"
FACTORS = "# licence: CC0-1.0\n# scope: direct\n# basis: production\n# source: Us\n# retrieved_on: 2026-01-01\n"
FACTORS_HEAD = FACTORS + "zone,start,end,gco2e_per_kwh\n"
FACTORS_LINE = "FRA,2025-01-01,2026-01-01,{}\n"


def declared(path: Path) -> None:
    read_activity(path, make_settings())


def outcomes(path: Path) -> None:
    _, problems = read_outcomes(path)
    if problems:
        raise UsageError("\n".join(map(str, problems)))


def factors(path: Path) -> None:
    files.read(path, UTC)


KINDS: dict[str, tuple[Callable[[Path], None], str, str, int]] = {
    "declared": (declared, DECLARED, DECLARED_LINE, 2),
    "outcomes": (outcomes, OUTCOMES, OUTCOMES_LINE, 2),
    "factors": (factors, FACTORS_HEAD, FACTORS_LINE, 7),
}


def refused(kind: str, data: bytes, folder: Path) -> str:
    path = folder / "table.csv"
    path.write_bytes(data)
    began = time.process_time()
    with pytest.raises(EcoiaError) as caught:
        KINDS[kind][0](path)
    assert time.process_time() - began < 20
    assert len(str(caught.value)) < 50_000
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "number",
    ["inf", "-inf", "nan", "1e400", "-1", "0x10", "9" * 5000, '"1,234"', '"1,234.5"', '"12,5"', "1 23", "\u0661e99"],
)
def test_what_is_no_number_is_refused_at_its_line(kind: str, number: str, tmp_path: Path) -> None:
    _, head, line, at = KINDS[kind]
    said = refused(kind, (head + line.format("12") + line.format(number).replace("2026Q4", "2026Q3")).encode(), tmp_path)
    assert f"table.csv:{at + 1}" in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a\0b\n", "the character 0"),
        ('"vadore,1\n' * 2, "not readable as CSV"),
        ('"' + "x" * 200_000 + '"\n', "field larger than field limit"),
        ("x" * 200_000 + "\n", "field larger than field limit"),
        ("," * 1_000_000 + "\n", "1,000,001 cells"),
    ],
    ids=["nul", "quote", "quoted", "long", "wide"],
)
def test_a_line_that_no_table_has_is_refused_where_it_begins(kind: str, line: str, said: str, tmp_path: Path) -> None:
    _, head, _, at = KINDS[kind]
    found = refused(kind, (head + line).encode(), tmp_path)
    assert said in found
    assert f"table.csv:{at}" in found


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_a_million_columns_is_refused(kind: str, tmp_path: Path) -> None:
    at = KINDS[kind][3]
    header = ",".join(f"c{n}" for n in range(1_000_000))
    assert f"table.csv:{at - 1}" in refused(kind, f"{FACTORS if at > 2 else ''}{header}\n".encode(), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_another_encoding_is_refused(kind: str, tmp_path: Path) -> None:
    _, head, line, _ = KINDS[kind]
    text = (head + line.format(12)).encode()
    others = [text.decode().encode("utf-16"), text + b"\xff\n", text + "é".encode("cp1252")]
    for data in (b"\x00" * 100, *(others if kind != "declared" else ())):  # what offices save is read where it is declared
        refused(kind, data, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_too_large_or_no_file_is_not_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with path.open("wb") as file:
        file.truncate(10 << 30)  # sparse
    with pytest.raises(EcoiaError, match="10,737,418,240 bytes"):
        KINDS[kind][0](path)
    path.unlink()
    path.mkdir()
    with pytest.raises(EcoiaError, match="a folder, not a file"):
        KINDS[kind][0](path)


def test_many_mistakes_are_counted_and_the_first_ones_shown(tmp_path: Path) -> None:
    said = refused("declared", (DECLARED + "x\n" * 10_000).encode(), tmp_path).splitlines()
    assert len(said) == limits.MISTAKES_SHOWN + 2
    assert said[-1] == f"... and {10_000 - limits.MISTAKES_SHOWN:,} more"


def test_only_where_columns_are_separated_by_semicolons_is_a_comma_decimal(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text((DECLARED + DECLARED_LINE.format("1,5")).replace(",", ";").replace("1;5", "1,5"), encoding="utf-8")
    assert read_activity(path, make_settings())[0].energy_microjoules["cpu"] == 5_400_000_000_000
    path.write_text((OUTCOMES + OUTCOMES_LINE.format("1,5")).replace(",", ";").replace("1;5", "1,5"), encoding="utf-8")
    lines, problems = read_outcomes(path)
    (found,) = lines.values()
    assert (found.accepted, problems) == (1.5, [])


@pytest.mark.parametrize("text", ["# a", "#", "# a\u2028# b\n", "#\n#\n#", "\r", "\n" * 100_000])
def test_a_factor_file_of_comments_alone_is_refused(text: str, tmp_path: Path) -> None:
    path: Any = tmp_path / "grid.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FactorFileError, match=r"grid\.csv:"):
        factors(path)

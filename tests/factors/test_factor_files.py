"""Generic and normalised files: days and times, details, and every mistake at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.factors import FactorSet, files
from support.factor_files import PARIS, Read, generic, refused
from support.factor_sets import half_hourly
from support.records import instant


def test_days_are_civil_and_times_have_their_offset(read: Read) -> None:
    found = read(
        generic("FRA,2025-01-01,2026-01-01,41.44", "DEU,2026-03-29T01:00Z,2026-03-29T03:30+02:00,330"), "generic"
    ).factors
    bounds = {factor.zone: (factor.start_utc_ns, factor.end_utc_ns) for factor in found.factors}
    assert bounds["FRA"] == (instant("2024-12-31T23:00"), instant("2025-12-31T23:00"))
    assert bounds["DEU"] == (instant("2026-03-29T01:00"), instant("2026-03-29T01:30"))
    assert {(f.scope, f.basis, f.source, f.licence, f.retrieved_on, f.factor_set) for f in found.factors} == {
        ("lifecycle", "production", "fournisseur", "CC0-1.0", "2026-11-25", "set-1")
    }


def test_lines_may_say_scope_basis_and_source_themselves(read: Read) -> None:
    header = "zone,start,end,gco2e_per_kwh,scope,basis,source"
    found = read(
        generic("FRA,2025-01-01,2026-01-01,21,direct,consumption,A", "FRA,2025-01-01,2026-01-01,41,,,", header=header), "generic"
    ).factors
    assert found.pairs == (("direct", "consumption"), ("lifecycle", "production"))
    assert {factor.source for factor in found.factors} == {"A", "fournisseur"}


VALUES = st.lists(st.none() | st.floats(0.001, 2000).map(lambda value: float(f"{value:.6g}")), min_size=1, max_size=10)


@given(values=VALUES)
def test_a_normalised_file_reads_as_what_was_written(values: list[float | None]) -> None:
    factors = half_hourly("FRA", "2026-10-24T22:00", values, factor_set="set-1", release="2026")
    if not factors:
        return
    details = files.SetDetails("set-1", "2026", "Un titre", "test", "CC0-1.0", "lifecycle", "production", "2026-11-25")
    written = files.render(FactorSet(factors, id="set-1"), details)
    again, said = files.parse_generic(written.encode(), "set-1.csv", PARIS, {})
    assert [(f.start_utc_ns, f.end_utc_ns, f.value_g_per_kwh) for f in again.factors] == [
        (f.start_utc_ns, f.end_utc_ns, f.value_g_per_kwh) for f in factors
    ]
    assert said == details
    assert files.render(again, said) == written


def test_equal_files_have_equal_versions(read: Read) -> None:
    text = generic("FRA,2025-01-01,2026-01-01,41")
    assert read(text, "generic").factors.version == read(text, "generic").factors.version
    assert read(text, "generic").factors.version != read(text.replace("41", "42"), "generic").factors.version


def test_every_mistake_is_told_at_once_with_line_field_value_and_remedy(read: Read) -> None:
    said = refused(
        read,
        generic(
            "FRX,2025-01-01,2026-01-01,41",
            'FRA,2024-01-01,2025-01-01,"44,18"',
            "FRA,2025-01-01,2026-01-01,-1",
            "FRA,2026-01-01,2027-01-01,2001",
            "FRA,2027-01-01,2028-01-01,NaN",
            "FRA,2028-01-01,2028-01-01,41",
            "FRA,2029-01-01T00:10Z,2030-01-01,41",
            "FRA,2030-01-01T00:00,2031-01-01,41",
            "FRA,2031-01-01,2032-01-01,0",
            "FRA,2032-01-01,41",
        ),
        "generic",
    )
    for line, field, value, remedy in (
        (2, "zone", "'FRX'", "unknown zone"),
        (3, "gco2e_per_kwh", "'44,18'", "decimal point, not a comma"),
        (4, "gco2e_per_kwh", "'-1'", "not negative"),
        (5, "gco2e_per_kwh", "'2001'", "above 2,000"),
        (6, "gco2e_per_kwh", "'NaN'", "write a number"),
        (7, "end", "'2028-01-01'", "half-open"),
        (8, "start", "'2029-01-01T00:10Z'", "half-hour"),
        (9, "start", "'2030-01-01T00:00'", "write the offset"),
        (10, "gco2e_per_kwh", "'0'", "over its life cycle"),
        (11, "line", "'FRA,2032-01-01,41'", "3 cells where the header has 4"),
    ):
        assert any(
            text.startswith(f"file.csv:{line}, field '{field}', value {value}: ") and remedy in text for text in said.splitlines()
        ), (line, said)


@pytest.mark.parametrize(
    ("second", "remedy"),
    [
        ("FRA,2025-07-01,2026-01-01,41", "overlaps line 2, which holds until 2025-12-31T23:00Z"),
        ("FRA,2025-01-01,2025-07-01,41", "has this time on line 2 already: keep one"),
        ("FRA,2024-01-01,2025-01-01,41", "before the start of line 2: put the lines in order of time"),
    ],
)
def test_lines_that_overlap_repeat_or_go_back_are_refused(read: Read, second: str, remedy: str) -> None:
    assert remedy in refused(read, generic("FRA,2025-01-01,2026-01-01,41", second), "generic")


def test_a_set_says_its_source_and_licence(read: Read) -> None:
    said = refused(read, generic("FRA,2025-01-01,2026-01-01,41"), "generic", source="", licence="", scope="")
    for field in ("source", "licence", "scope"):
        assert f"field '{field}'" in said


def test_another_encoding_and_another_separator_are_named(read: Read) -> None:
    text = generic("FRA,2025-01-01,2026-01-01,41,été", header="zone,start,end,gco2e_per_kwh,source")
    assert read(text, "generic", encoding="cp1252").factors.factors[0].source == "été"
    assert "file.csv:2, field 'encoding'" in refused(read, text, "generic", encoding="cp1252", as_encoding="utf-8")
    assert "here by ';'" in refused(read, text.replace(",", ";"), "generic")
    assert "the file holds no factor" in refused(read, generic(), "generic")

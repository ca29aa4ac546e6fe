"""Files of factors, in the true layout of their publishers: what is read, what is refused, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoia.errors import FactorFileError
from ecoia.factors import FactorSet, files
from ecoia.factors.importers import Imported, read_as
from ecoia.periods import HALF_HOUR_NS, utc_ns
from support.factor_files import generic, xls
from support.factor_sets import half_hourly, value_at
from support.records import instant

PARIS = ZoneInfo("Europe/Paris")
GIVEN = {"id": "set-1", "retrieved_on": "2026-11-25"}
GENERIC = {**GIVEN, "source": "fournisseur", "licence": "CC0-1.0", "scope": "lifecycle", "basis": "production"}

Read = Callable[..., Imported]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file, and read it as some publisher's."""

    def write_and_read(
        text: str, kind: str, *, name: str = "file.csv", encoding: str = "utf-8", as_encoding: str | None = None, **given: str
    ) -> Imported:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        details = {**(GENERIC if kind == "generic" else GIVEN), **given}
        return read_as(path, kind, details, PARIS, encoding=as_encoding)

    return write_and_read


def refused(read: Read, text: str, kind: str, **options: Any) -> str:
    with pytest.raises(FactorFileError) as caught:
        read(text, kind, **options)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------- generic, normalised


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


@settings(max_examples=40, deadline=None)
@given(values=VALUES)
def test_a_normalised_file_reads_as_what_was_written(values: list[float | None]) -> None:
    factors = half_hourly("FRA", "2026-10-24T22:00", values, factor_set="set-1", release="2026")
    if not factors:
        return
    details = files.Details("set-1", "2026", "Un titre", "test", "CC0-1.0", "lifecycle", "production", "2026-11-25")
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
        ("FRA,2024-01-01,2025-01-01,41", "before that of line 2: put the lines in order of time"),
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
    assert "file.csv:2, field 'encoding'" in refused(read, text, "generic", encoding="cp1252")
    assert read(text, "generic", encoding="cp1252", as_encoding="cp1252").factors.factors[0].source == "été"
    assert "here by ';'" in refused(read, text.replace(",", ";"), "generic")
    assert "no factor is in it" in refused(read, generic(), "generic")


# ------------------------------------------------------------------------------------------------------------- eCO2mix


CSV_HEADER = (
    "Périmètre;Nature;Date;Heure;Date et Heure;Consommation (MW);Nucléaire (MW);Ech. physiques (MW);Taux de CO2 (g/kWh);"
    "Ech. comm. Angleterre (MW)"
)


def open_data(rows: list[tuple[datetime, str]]) -> str:
    """The open data's file: semicolons, UTF-8 with a mark, the instant with its offset."""
    lines = []
    for moment, rate in rows:
        local = moment.astimezone(PARIS)
        lines.append(
            f"France;Données définitives;{local:%Y-%m-%d};{local:%H:%M};{local.isoformat()};52000;41000;-900;{rate};-1000"
        )
    return "\ufeff" + "\n".join((CSV_HEADER, *lines)) + "\n"


def local_day(day: str, minutes: int) -> list[datetime]:
    """The instants of a civil day of France."""
    start = datetime.fromisoformat(day).replace(tzinfo=PARIS)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=PARIS)
    count = (utc_ns(end) - utc_ns(start)) // (minutes * 60 * 10**9)
    return [start.astimezone(UTC) + n * timedelta(minutes=minutes) for n in range(count)]


@pytest.mark.parametrize(("day", "half_hours"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-06-01", 48)])
@pytest.mark.parametrize("minutes", [30, 15])
@pytest.mark.parametrize("form", ["xls", "csv"])
def test_no_half_hour_is_lost_or_doubled_where_the_clock_changes(
    read: Read, day: str, half_hours: int, minutes: int, form: str
) -> None:
    moments = local_day(day, minutes)
    rates = {moment: 10 + n // (30 // minutes) for n, moment in enumerate(moments)}
    if form == "xls":
        rows = [(f"{m.astimezone(PARIS):%Y-%m-%d}", f"{m.astimezone(PARIS):%H:%M}", str(rate)) for m, rate in rates.items()]
        found = read(xls(rows), "eco2mix", name="eCO2mix.xls", encoding="cp1252").factors
    else:
        found = read(open_data([(m, str(rate)) for m, rate in rates.items()]), "eco2mix").factors
    assert len(found.factors) == half_hours
    first = utc_ns(moments[0])
    assert [(f.start_utc_ns, f.value_g_per_kwh) for f in found.factors] == [
        (first + n * HALF_HOUR_NS, 10.0 + n) for n in range(half_hours)
    ]
    assert found.gaps("FRA") == []
    assert found.pairs == (("direct", "production"),), "what burning emits: a sensitivity, no inventory"


def test_rows_of_quarters_whose_rate_is_by_the_half_hour_leave_no_gap(read: Read) -> None:
    rows = [(m, "17" if m.minute in (0, 30) else "") for m in local_day("2026-06-01", 15)]
    found = read(open_data(rows), "eco2mix")
    assert len(found.factors.factors) == 48
    assert found.left_out == {"no value": 48}


def test_two_quarters_make_the_mean_of_their_half_hour(read: Read) -> None:
    found = read(xls([("2026-06-01", "00:00", "10"), ("2026-06-01", "00:15", "21")]), "eco2mix", encoding="cp1252").factors
    assert [factor.value_g_per_kwh for factor in found.factors] == [15.5]


@pytest.mark.parametrize("missing", ["ND", "-", "", "nd"])
def test_what_is_missing_is_a_gap_and_not_zero(read: Read, missing: str) -> None:
    rows = [("2026-06-01", "00:00", "10"), ("2026-06-01", "00:30", missing), ("2026-06-01", "01:00", "12")]
    found = read(xls(rows), "eco2mix", encoding="cp1252").factors
    assert value_at(found, "FRA", "2026-05-31T22:30") is None
    assert len(found.gaps("FRA")) == 1


def test_open_data_comes_in_any_order(read: Read) -> None:
    rows = [(m, str(10 + n)) for n, m in enumerate(local_day("2026-10-25", 30))]
    a, b = (read(open_data(each), "eco2mix").factors for each in (rows, rows[::-1]))
    assert [(f.start_utc_ns, f.value_g_per_kwh) for f in a.factors] == [(f.start_utc_ns, f.value_g_per_kwh) for f in b.factors]


def test_the_hour_that_spring_skips_may_be_there_empty(read: Read) -> None:
    rows = [("2026-03-29", f"{h:02}:{m:02}", "" if h == 2 else "10") for h in range(5) for m in (0, 30)]
    assert read(xls(rows), "eco2mix", encoding="cp1252").factors.gaps("FRA") == []
    rows[4] = ("2026-03-29", "02:00", "10")
    assert "file.csv:6, field 'Date', value '2026-03-29 02:00': this hour is skipped" in refused(
        read, xls(rows), "eco2mix", encoding="cp1252"
    )


@pytest.mark.parametrize(
    ("rows", "remedy"),
    [
        (
            [("2026-06-01", "00:00", "1"), ("2026-06-01", "00:00", "2")],
            "value '2026-06-01 00:00': the same time as line 2",
        ),
        ([("2026-06-01", "01:00", "1"), ("2026-06-01", "00:00", "2")], "before line 2: put the lines in order"),
        ([("2026-06-01", "00:00", "-3")], "not negative"),
        ([("2026-06-01", "00:00", "3000")], "above 2,000"),
        ([("2026-06-01", "00:00", "12,5")], "decimal point, not a comma"),
        ([("1er juin", "00:00", "12")], "write a day and a time"),
    ],
)
def test_a_wrong_line_of_eco2mix_refuses_the_file(read: Read, rows: list[tuple[str, str, str]], remedy: str) -> None:
    assert remedy in refused(read, xls(rows), "eco2mix", encoding="cp1252")


def test_unicode_text_of_a_spreadsheet_is_named_and_read_where_it_is_said(read: Read) -> None:
    text = xls([("2026-06-01", "00:00", "21"), ("2026-06-01", "00:30", "22")])
    for kind, written in (("eco2mix", text), ("generic", generic("FRA,2025-01-01,2026-01-01,41"))):
        assert "--encoding utf-16" in refused(read, written, kind, encoding="utf-16")
        assert read(written, kind, encoding="utf-16", as_encoding="utf-16").factors.factors


def test_a_regional_file_has_no_rate_and_says_so(read: Read) -> None:
    text = xls([("2026-06-01", "00:00", "10")]).replace("\nFrance\t", "\nBretagne\t")
    assert "only the national file" in refused(read, text, "eco2mix", encoding="cp1252")
    assert "field 'Taux de Co2'" in refused(read, text.replace("\tTaux de Co2", ""), "eco2mix", encoding="cp1252")


# --------------------------------------------------------------------------------------------------------------- ADEME

ADEME_HEADER = (
    "Type Ligne;Identifiant de l'élément;Structure;Type de l'élément;Statut de l'élément;Nom base français;Nom base anglais;"
    "Nom attribut français;Nom frontière français;Code de la catégorie;Unité français;Localisation géographique;"
    "Sous-localisation géographique français;Date de modification;Période de validité;Incertitude;Type poste;"
    "Total poste non décomposé;CO2f"
)


def ademe(*lines: str) -> str:
    return "\r\n".join((ADEME_HEADER, *lines)) + "\r\n"


def mix(
    year: str = "2023",
    value: str = "0,0340",
    *,
    status: str = "Valide générique",
    kind: str = "Elément",
    basis: str = "consommation",
    place: str = "France continentale",
    part: str = "",
    category: str = "Electricité > Mix réseau électrique",
    unit: str = "kgCO2e/kWh",
    name: str = " - mix moyen",
) -> str:
    return (
        f"{kind};36500;élément décomposé par poste;Facteur d'émission;{status};Electricité;Electricity;{year}{name};{basis};"
        f"{category};{unit};{place};{part};2025-01-01;décembre 2026;10;;{value};0,03"
    )


def test_average_mixes_of_the_base_carbone_are_read(read: Read) -> None:
    found = read(
        ademe(
            mix("2023", "0,0340"),
            mix("2022", "0,0517"),
            mix("2022", "0,3630", place="Autre pays du monde", part="Allemagne", basis="production"),
            mix(status="Archivé"),
            mix(kind="Poste"),
            mix(name=" - usage : chauffage"),
            mix(category="Combustibles > Fossiles"),
            mix(unit="kgCO2e/MWh"),
            mix(year="moyenne"),
        ),
        "ademe",
        encoding="cp1252",
    )
    assert [(f.zone, f.year, f.value_g_per_kwh, f.scope, f.basis) for f in found.factors.factors] == [
        ("DEU", 2022, 363.0, "lifecycle", "production"),
        ("FRA", 2022, 51.7, "lifecycle", "consumption"),
        ("FRA", 2023, 34.0, "lifecycle", "consumption"),
    ]
    assert found.factors.factors[0].licence == "Licence Ouverte 2.0 (Etalab)"
    assert sum(found.left_out.values()) == 6, "each line that is not taken is counted, with its reason"


def test_a_wrong_value_or_encoding_of_the_base_carbone_refuses_the_file(read: Read) -> None:
    said = refused(read, ademe(mix(value="x"), mix("2022", "34,0"), mix("2021", "-0,1")), "ademe", encoding="cp1252")
    for line, remedy in ((2, "write a number"), (3, "above 2,000"), (4, "not negative")):
        assert any(
            text.startswith(f"file.csv:{line}, field 'Total poste non décomposé'") and remedy in text for text in said.split("\n")
        )
    assert "give --encoding utf-8" in refused(read, ademe(mix()), "ademe")
    assert len(read(ademe(mix()), "ademe", as_encoding="utf-8").factors.factors) == 1


# ---------------------------------------------------------------------------------------------------- Electricity Maps

OLD = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),Carbon Intensity gCO₂eq/kWh (LCA),"
    "Low Carbon Percentage,Renewable Percentage,Data Source,Data Estimated,Data Estimation Method"
)
NEW = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),Carbon intensity gCO₂eq/kWh (Life cycle),"
    "Carbon-free energy percentage (CFE%),Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method"
)
MAPS = {"licence": "ODbL"}


def maps(*lines: tuple[str, str, str, str], header: str = OLD) -> str:
    rows = (
        f"{moment},France,France,{zone},{direct},{whole},95.1,30.2,rte-france.com,false," for moment, zone, direct, whole in lines
    )
    return "\n".join((header, *rows)) + "\n"


@pytest.mark.parametrize("header", [OLD, NEW, OLD.replace("₂", "2")])
def test_hours_of_electricity_maps_have_two_scopes_of_consumption(read: Read, header: str) -> None:
    text = maps(("2026-01-01 00:00:00", "FR", "20.5", "33.1"), ("2026-01-01 01:00:00", "FR", "21", ""), header=header)
    found = read(text, "electricitymaps", name="FR_2026_hourly.csv", **MAPS).factors
    assert found.pairs == (("direct", "consumption"), ("lifecycle", "consumption"))
    direct = found.choose("direct")
    assert [value_at(direct, "FRA", f"2026-01-01T0{h}:30") for h in range(3)] == [20.5, 21.0, None]
    assert value_at(found.choose("lifecycle"), "FRA", "2026-01-01T01:00") is None, "an empty cell is missing"


@pytest.mark.parametrize(
    ("moments", "until"),
    [
        (("2026-01-01 00:00:00", "2026-01-02 00:00:00"), "2026-01-02T00:00"),
        (("2026-01-01 00:00:00", "2026-02-01 00:00:00"), "2026-02-01T00:00"),
        (("2025-01-01 00:00:00", "2026-01-01 00:00:00"), "2026-01-01T00:00"),
    ],
)
def test_how_long_a_line_holds_is_seen_from_the_lines(read: Read, moments: tuple[str, str], until: str) -> None:
    found = read(maps(*((moment, "DE", "300", "400") for moment in moments)), "electricitymaps", **MAPS).factors
    assert found.zones() == ("DEU",)
    assert found.choose("direct").factors[0].end_utc_ns == instant(until)


def test_one_line_needs_the_name_or_the_option(read: Read) -> None:
    text = maps(("2025-01-01 00:00:00", "FR", "20", "33"))
    assert "--resolution: hourly, daily, monthly, yearly" in refused(read, text, "electricitymaps", **MAPS)
    by_name = read(text, "electricitymaps", name="FR_2025_yearly.csv", **MAPS).factors
    assert by_name.factors[0].is_yearly
    assert read(text, "electricitymaps", resolution="yearly", **MAPS).factors.factors[0].is_yearly


def test_a_zone_without_a_country_needs_the_option(read: Read) -> None:
    text = maps(("2026-01-01 00:00:00", "US-CAL-CISO", "200", "250"), ("2026-01-01 01:00:00", "US-CAL-CISO", "200", "250"))
    assert "file.csv:2, field 'Zone Id', value 'US-CAL-CISO': no country" in refused(read, text, "electricitymaps", **MAPS)
    assert read(text, "electricitymaps", zone="USA-CISO", **MAPS).factors.zones() == ("USA-CISO",)
    parts = maps(("2026-01-01 00:00:00", "DK-DK1", "200", "250"), ("2026-01-01 01:00:00", "DK-DK1", "200", "250"))
    assert read(parts, "electricitymaps", **MAPS).factors.zones() == ("DNK-DK1",)


def test_the_licence_of_electricity_maps_is_the_users_to_say(read: Read) -> None:
    text = maps(("2026-01-01 00:00:00", "FR", "20", "33"), ("2026-01-01 01:00:00", "FR", "20", "33"))
    assert "field 'licence'" in refused(read, text, "electricitymaps")


def test_repeated_unordered_and_wrong_lines_of_electricity_maps_refuse_the_file(read: Read) -> None:
    text = maps(
        ("2026-01-01 01:00:00", "FR", "20", "33"),
        ("2026-01-01 01:00:00", "FR", "20", "33"),
        ("2026-01-01 00:00:00", "FR", "20", "33"),
        ("hier", "FR", "20", "33"),
        ("2026-01-01 02:00:00", "FR", "nan", "2500"),
    )
    said = refused(read, text, "electricitymaps", name="FR_2026_hourly.csv", **MAPS)
    for remedy in (":3, field 'start'", "keep one", "order of time", "write a UTC time", "write a number", "above 2,000"):
        assert remedy in said

"""Electricity Maps, in the true layout of its files."""

from __future__ import annotations

import pytest

from support.factor_files import Read, refused
from support.factor_sets import value_at
from support.records import instant

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


def test_times_that_a_spreadsheet_rewrote_are_read_by_their_order(read: Read) -> None:
    hours = [
        ("31/01/2026 23:00", "FR", "20", "33"),
        ("01/02/2026 00:00", "FR", "21", "34"),
        ("01/02/2026 01:00", "FR", "22", "35"),
    ]
    found = read(maps(*hours), "electricitymaps", **MAPS).factors.choose("direct")
    assert [value_at(found, "FRA", moment) for moment in ("2026-01-31T23:00", "2026-02-01T00:00")] == [20, 21]
    by_order_alone = [("09/01/2026 00:00", "FR", "20", "33"), ("10/01/2026 00:00", "FR", "21", "34")]
    told = refused(read, maps(*by_order_alone), "electricitymaps", **MAPS)
    assert "'09/01/2026 00:00' can be day/month or month/day, and no other date tells" in told
    months = [*by_order_alone, ("02/02/2026 00:00", "FR", "22", "35")]  # as month/day, October would come before February
    found = read(maps(*months), "electricitymaps", resolution="daily", **MAPS).factors.choose("direct")
    assert value_at(found, "FRA", "2026-01-10T12:00") == 21
    backwards = [("31/01/2026 00:00", "FR", "20", "33"), ("30/01/2026 00:00", "FR", "21", "34")]
    assert len(refused(read, maps(*backwards), "electricitymaps", **MAPS).splitlines()) == 2


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

"""Emission factors: dated, sourced, never guessed."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from ecoia.errors import FactorError
from ecoia.factors import Factor, FactorSet, default_factors


def factor(zone: str, year: int, value: float = 50.0) -> Factor:
    """A factor of a made-up set."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    return Factor(zone, value, year, first, last, "lifecycle", "production", "test", "CC0-1.0", "1", "test-1")


def test_france_comes_dated_and_sourced() -> None:
    france = default_factors().for_zone("FRA", 2023)
    assert france.value_g_per_kwh == pytest.approx(56.04, abs=0.01)
    assert (france.year, france.valid_from, france.valid_to) == (2023, date(2023, 1, 1), date(2023, 12, 31))
    assert (france.scope, france.basis, france.licence) == ("lifecycle", "production", "CC BY 4.0")
    assert "Ember" in france.source
    assert france.release.startswith("codecarbon 3.")
    assert france.factor_set.startswith("codecarbon-3.")


def test_reading_the_table_does_not_run_codecarbon() -> None:
    code = "import sys, ecoia.factors as f; f.default_factors().for_zone('FRA', 2026); print('codecarbon' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_table_is_sane() -> None:
    factors = default_factors()
    zones = factors.zones()
    assert list(zones) == sorted(set(zones))
    assert len(zones) > 150
    # A 0 in the table (CAF in codecarbon 3.3.2) is a gap, and no factor: what is not known is not zero.
    assert all(0 < factors.for_zone(zone, 2026).value_g_per_kwh < 2000 for zone in zones)


def test_the_same_year_if_there_else_the_latest_before() -> None:
    factors = FactorSet([factor("FRA", 2021, 60.0), factor("FRA", 2023, 56.0), factor("FRA", 2024, 44.0)])
    assert factors.for_zone("FRA", 2023).value_g_per_kwh == 56.0
    assert factors.for_zone("FRA", 2022).year == 2021
    assert factors.for_zone("FRA", 2030).year == 2024


def test_a_later_factor_is_never_used_for_an_earlier_year() -> None:
    with pytest.raises(FactorError, match=r"zone 'FRA' in 2020: the earliest known is of 2021"):
        FactorSet([factor("FRA", 2021)]).for_zone("FRA", 2020)


def test_an_unknown_zone_names_the_remedy() -> None:
    with pytest.raises(FactorError, match=r"'FRX'.*ISO 3166.*ecoia config --zones"):
        default_factors().for_zone("FRX", 2026)


def test_a_set_holds_one_factor_a_zone_and_year() -> None:
    with pytest.raises(ValueError, match=r"two factors for zone 'FRA' in 2023"):
        FactorSet([factor("FRA", 2023), factor("FRA", 2023)])

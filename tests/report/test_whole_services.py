"""The whole of a service: use, making and hosted models in one headline, and its units shared out among regions."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.errors import CatalogueError
from ecoia.factors import FactorSet
from ecoia.impact.period_impact import KnownPart
from ecoia.impact.uncertainty import Cell, Estimate
from ecoia.periods import Quarter
from ecoia.records import fold
from ecoia.report import Headline, QuarterlyReport, RegionShare, ServiceFootprint, build_report
from ecoia.report.quantities import headline
from ecoia.units import micro
from support.factor_sets import factor
from support.large_organisation import large_report
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

PARTS = ("co2e_operational", "co2e_embodied", "co2e_api")


def of(report: QuarterlyReport, service: str) -> Headline:
    return next(each.headline for each in report.services if each.service == service)


# ---------------------------------------------------------------------------------------------------------------- headlines


def test_page_one_leads_with_use_making_and_hosted_models(large: QuarterlyReport) -> None:
    assert large.headline.parts == PARTS
    assert not large.headline.is_lower_bound
    assert large.headline.co2e == large.footprint.co2e
    assert {name: part.value for name, part in large.headline.breakdown.items()} == {
        name: pytest.approx(large.footprint[name].value) for name in PARTS
    }


def test_parts_and_services_add_up_to_the_headline(large: QuarterlyReport) -> None:
    for found in (large.headline, *(each.headline for each in large.services)):
        assert found.co2e.value == pytest.approx(sum(part.value or 0.0 for part in found.breakdown.values()), rel=1e-12)
    borne = sum(each.headline.co2e.value or 0.0 for each in large.services)
    nobody = next(line for line in large.changes[0].services if line.explained.service is None)
    assert large.headline.co2e.value == pytest.approx(borne + nobody.explained.quarter_micrograms / 1e9, rel=1e-9)


def test_a_service_of_hosted_calls_has_a_headline_like_any_other(large: QuarterlyReport) -> None:
    dialogue = of(large, "chat-candidat")
    assert dialogue.co2e.value == pytest.approx(67.668, abs=0.001)
    assert dialogue.breakdown["co2e_api"].value == pytest.approx(63.052, abs=0.001)
    assert not dialogue.is_lower_bound
    entry = next(each for each in large.register if each.id == "chat-candidat")
    assert (entry.headline, entry.co2e) == (dialogue, dialogue.co2e)


def test_a_service_without_energy_of_ours_is_at_least_its_hosted_calls(large: QuarterlyReport) -> None:
    """Its use of our machines is not measured, so neither is its share of their making: not zero."""
    summary = of(large, "synthese-entretien")
    assert summary.parts == ("co2e_api",)
    assert summary.lacking == {"co2e_operational": "not-measured", "co2e_embodied": "not-measured"}
    assert summary.is_lower_bound
    entry = next(each for each in large.register if each.id == "synthese-entretien")
    assert entry.co2e.value == pytest.approx(10.353, abs=0.001)
    assert _service(large, "synthese-entretien").footprint.co2e_embodied.value is None


def test_declared_activity_is_in_the_headline(large: QuarterlyReport) -> None:
    assert of(large, "traduction").parts == ("co2e_operational", "co2e_embodied")
    assert next(each for each in large.register if each.id == "traduction").co2e == of(large, "traduction").co2e


def test_calls_without_an_estimate_leave_the_known_ones_and_say_at_least(tmp_path: Path) -> None:
    """In 2026Q2 one model is known to nobody; the calls to the others stay in the headline."""
    found = large_report(tmp_path, Quarter(2026, 2))
    assert found.footprint.co2e.reason == found.footprint.co2e_api.reason == "calls-unmeasured"
    assert found.headline.lacking == {"co2e_api": "calls-unmeasured"}
    assert found.headline.is_lower_bound
    known = sum(use.central_kg or 0.0 for use in found.tokens)
    assert found.headline.breakdown["co2e_api"].value == pytest.approx(known)
    assert found.headline.co2e.value == pytest.approx(
        known + (found.footprint.co2e_operational.value or 0) + (found.footprint.co2e_embodied.value or 0)
    )
    assert of(found, "chat-candidat").lacking == {}


def test_a_service_that_is_not_recorded_has_no_headline(large: QuarterlyReport) -> None:
    entry = next(each for each in large.register if each.id == "transcription")
    assert (entry.co2e.value, entry.co2e.reason, entry.headline.parts) == (None, "no-data", ())
    assert not entry.headline.is_lower_bound, "nothing is known that it could be at least"


def _service(report: QuarterlyReport, service: str) -> ServiceFootprint:
    return next(each for each in report.services if each.service == service)


_AMOUNTS = st.floats(1e-6, 1e6)
_KNOWN = st.builds(
    lambda kg, lacking: KnownPart(Estimate((Cell(kg, frozenset(), "a"),), {"own": 1.05}, kg), lacking),
    _AMOUNTS,
    st.sampled_from([None, "calls-unmeasured"]),
)
_PART = st.one_of(_KNOWN, st.just(KnownPart(None, "no-zone")), st.just(KnownPart(None)))


@given(st.fixed_dictionaries(dict.fromkeys(PARTS, _PART)), st.floats(0.001, 1.0))
def test_a_headline_is_the_sum_of_what_is_known(parts: Mapping[str, KnownPart], share: float) -> None:
    found = headline(parts, share)
    known = [part.estimate.value * share for part in parts.values() if part.estimate is not None]
    assert found.co2e.value == (pytest.approx(sum(known)) if known else None)
    assert set(found.lacking) == {name for name, part in parts.items() if part.lacking}
    assert found.is_lower_bound == bool(known and found.lacking)
    assert found.parts == tuple(found.breakdown)
    assert (found.co2e.reason is None) == bool(known)


# ------------------------------------------------------------------------------------------------------------------ regions


def shares(report: QuarterlyReport, service: str) -> dict[str, RegionShare]:
    return {each.region: each for each in report.regions if each.service == service}


def test_regions_and_the_residual_add_up_to_the_service(large: QuarterlyReport) -> None:
    """The regions of the assistant list 369,000 units of the 2.4 million that it delivered."""
    for service in ("assistant-conseiller", "analyse-cv"):
        of_service, found = _service(large, service), shares(large, service)
        assert sum(each.units for each in found.values()) == pytest.approx(of_service.serving.units)
        assert sum(each.share or 0.0 for each in found.values()) == pytest.approx(1.0)
        entry = next(each for each in large.register if each.id == service)
        assert sum(each.energy.value or 0.0 for each in found.values()) == pytest.approx(entry.energy.value)
        assert sum(each.co2e.value or 0.0 for each in found.values()) == pytest.approx(of_service.headline.co2e.value)
        assert found[""].is_residual
        assert found[""].units == of_service.serving.units - sum(each.units for name, each in found.items() if name)
    assert shares(large, "assistant-conseiller")["Bretagne"].share == pytest.approx(61_000 / 2_410_408, abs=0.0005)


def apportioned(folder: Path, *lines: str, units: int | None = 1000) -> dict[str, RegionShare]:
    """Shares of a service that delivered some units with 8 kWh; ``lines`` are of its regions."""
    (folder / "regions.csv").write_text("\n".join(("region,service,quarter,units,source", *lines)) + "\n", encoding="utf-8")
    report = build_report(
        fold([record("2026-11-05T10:00", cpu=kwh(8), ram=None, units_micro=None if units is None else micro(units))]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, services="services: [{id: vadore, name: V, status: generalised}]"),
        factors=FactorSet([factor("FRA", 2026, 40)]),
    )
    return shares(report, "vadore")


def test_units_listed_above_the_services_are_an_error_with_both_numbers(tmp_path: Path) -> None:
    lines = ("Bretagne,vadore,2026Q4,700,suivi", "Corse,vadore,2026Q4,400,suivi")
    with pytest.raises(CatalogueError, match=r"regions\.csv.*'vadore'.*'2026Q4'.*1,100.*1,000.*correct.*ecoia declare"):
        apportioned(tmp_path, *lines)


def test_units_listed_above_the_services_by_rounding_have_no_residual(tmp_path: Path) -> None:
    found = apportioned(tmp_path, "Bretagne,vadore,2026Q4,602,suivi", "Corse,vadore,2026Q4,402,suivi")
    assert (found["Bretagne"].share, found["Corse"].share, found[""].share) == (602 / 1004, 402 / 1004, 0)


def test_a_service_without_units_is_not_apportioned_by_what_is_listed(tmp_path: Path) -> None:
    found = apportioned(tmp_path, "Bretagne,vadore,2026Q4,700,suivi", units=None)
    assert set(found) == {"Bretagne"}
    one = found["Bretagne"]
    assert (one.share, one.energy.reason, one.co2e.reason) == (None, "no-units", "no-units")


@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.integers(0, 3000))
def test_shares_of_regions_and_residual_are_the_service(units: list[int], more: int) -> None:
    if not sum(units) + more:
        return
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"R{number},vadore,2026Q4,{each},s" for number, each in enumerate(units)]
        found = apportioned(Path(folder), *lines, units=sum(units) + more)
    assert [found[f"R{number}"].units for number in range(len(units))] == units
    assert found[""].units == more
    for amount, whole in (("energy", 8.0), ("co2e", 0.32)):
        assert math.fsum(getattr(each, amount).value for each in found.values()) == pytest.approx(whole, rel=1e-12)


def test_one_sensitivity_raises_the_figure(large: QuarterlyReport) -> None:
    """What meters do not see at the plug can only add to the CO2e of use: not only what lowers it is shown."""
    found = {each.kind: each.value for each in large.sensitivities}
    known = large.footprint["co2e_operational"]
    assert found["at-the-wall"].value > known.value
    assert found["at-the-wall"].high == pytest.approx(known.high)
    assert found["no-pue"].value < known.value


def test_declared_energy_has_no_better_hours(large: QuarterlyReport) -> None:
    """The days of a form are no hours at which anything ran."""
    assert "planif-agences" not in {each.service for each in large.savings if each.kind == "other-hours"}

"""Laws of the figures, from records to report: what may not matter does not, and sums do not depend on their order."""

from __future__ import annotations

import random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import catalogue as catalogues
from ecoia.catalogue import Equipment, Site
from ecoia.factors import FactorSet
from ecoia.impact.ledger_sums import LedgerSums, by_quarter
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import PeriodImpact
from ecoia.periods import HALF_HOUR_NS, Quarter
from ecoia.records import Record, fold
from ecoia.report import QuarterlyReport, build_report
from support.factor_sets import factor
from support.records import record
from support.settings import make_settings

UTC = ZoneInfo("UTC")
YEAR = [Quarter(2026, number) for number in range(1, 5)]
FIRST, LAST = YEAR[0].bounds_ns(UTC)[0], YEAR[-1].bounds_ns(UTC)[1]
HALF_HOURS = (LAST - FIRST) // HALF_HOUR_NS
SERVICES = ("a", "b", None)
SERVER = Equipment.model_validate(
    {
        "id": "server",
        "co2e_kg": 1461,
        "life_years": 4,
        "reserved_share": 0.7,
        "instances": ["host-1"],
        "from": "2026-02-03",
        "source": "s",
        "date": "2025-12-01",
    }
)
SITE = Site.model_validate(
    {
        "id": "site",
        "instances": ["*"],
        "zone": "FRA",
        "pue": [
            {"value": 1.3, "quality": "measured", "until": "2026-05-01", "source": "s", "date": "2026-01-01"},
            {"value": 1.2, "quality": "measured", "from": "2026-05-01", "source": "s", "date": "2026-01-01"},
        ],
    }
)


KNOWN = AssessmentParameters(FactorSet([factor("FRA", 2026, 40.0)]), timezone=UTC, sites=[SITE])
USES = st.lists(
    st.tuples(st.integers(0, HALF_HOURS - 1), st.sampled_from(SERVICES), st.integers(0, 10**13), st.integers(2, 29)),
    min_size=1,
    max_size=12,
)


def recorded(uses: list[tuple[int, str | None, int, int]]) -> list[Record]:
    return [
        record(
            FIRST + slot * HALF_HOUR_NS,
            minutes,
            cpu=energy,
            ram=None,
            service=service,
            kind="span" if service else "unattributed",
            phase="inference" if service else None,
        )
        for slot, service, energy, minutes in uses
    ]


def period(activity: LedgerSums, start_ns: int, end_ns: int) -> PeriodImpact:
    return PeriodImpact(activity, start_ns, end_ns, parameters=KNOWN, equipment=[SERVER])


@given(USES)
def test_services_then_quarters_is_quarters_then_services(uses: list[tuple[int, str | None, int, int]]) -> None:
    rows = fold(recorded(uses))
    quarters = {quarter: period(found, *quarter.bounds_ns(UTC)) for quarter, found in by_quarter(rows, UTC).items()}
    year = period(LedgerSums.of(rows), FIRST, LAST)
    for service in SERVICES:  # each service over all quarters at once, and quarter by quarter
        mine = [found.bearers(lambda bearer, service=service: bearer[0] == service) for found in (year, *quarters.values())]  # type: ignore[misc]
        at_once, *apart = (found.energy_microjoules(its) for found, its in zip((year, *quarters.values()), mine, strict=True))
        assert at_once == sum(apart), "energy, to the microjoule"
        splits = [
            found.operational(its, found.impacts).estimate for found, its in zip((year, *quarters.values()), mine, strict=True)
        ]
        values = [split.value for split in splits if split is not None]
        if values:
            assert values[0] == pytest.approx(sum(values[1:]), rel=1e-12)
    assert sum(found.whole.energy_components_microjoules for found in quarters.values()) == sum(
        energy for _, _, energy, _ in uses
    )
    # Making goes on in quarters of which there is no record.
    spans = [period(by_quarter(rows, UTC).get(quarter) or LedgerSums(), *quarter.bounds_ns(UTC)) for quarter in YEAR]
    made = sum(part.micrograms for found in spans for part in found.embodied)
    assert made == sum(part.micrograms for part in year.embodied), "making, to the microgram"


def built(records: list[Record], factors: FactorSet | None = None) -> QuarterlyReport:
    return build_report(
        fold(records),
        YEAR[3],
        settings=make_settings(timezone="UTC", pue=1.3, zone="FRA"),
        catalogue=catalogues.load(None),
        factors=factors or FactorSet([factor("FRA", 2026, 40.0)]),
    )


OF_Q4 = st.lists(
    st.tuples(st.integers(0, 91 * 48 - 1), st.sampled_from(("a", "b")), st.integers(0, 10**13), st.integers(2, 29)),
    min_size=1,
    max_size=8,
)


def in_q4(uses: list[tuple[int, str, int, int]]) -> list[Record]:
    ahead = (YEAR[3].bounds_ns(UTC)[0] - FIRST) // HALF_HOUR_NS
    return recorded([(slot + ahead, service, energy, minutes) for slot, service, energy, minutes in uses])


def halves(one: Record, share: float) -> list[Record]:
    """The record as two windows that meet."""
    cut_ns = one.start_utc_ns + round((one.end_utc_ns - one.start_utc_ns) * share)
    energy = one.energy_microjoules["cpu"]
    assert energy is not None
    first = round(energy * share)
    parts: list[tuple[int, dict[str, Any]]] = [
        (first, {"record_id": f"{one.record_id}-1", "end_utc_ns": cut_ns}),
        (energy - first, {"record_id": f"{one.record_id}-2", "start_utc_ns": cut_ns, "spans": 0}),
    ]
    return [
        one.copy_with(**fields, energy_microjoules={**one.energy_microjoules, "cpu": microjoules})
        for microjoules, fields in parts
    ]


@given(OF_Q4, st.floats(0.01, 0.99), st.randoms(use_true_random=False))
def test_splitting_order_and_redelivery_change_no_report(
    uses: list[tuple[int, str, int, int]], share: float, order: random.Random
) -> None:
    records = in_q4(uses)
    whole = built(records)
    again = [*records, *order.sample(records, order.randint(0, len(records)))]
    order.shuffle(again)
    assert built(again).to_json() == whole.to_json(), "what came twice, in another order"
    split = built([part for one in records for part in halves(one, share)])
    for part in ("totals", "footprint", "register", "services", "coverage", "precision"):
        assert getattr(split, part) == getattr(whole, part), part


@given(OF_Q4, st.floats(0.01, 40))
def test_an_emission_factor_scales_the_report_linearly_and_no_energy(uses: list[tuple[int, str, int, int]], times: float) -> None:
    records = in_q4(uses)
    once, scaled = (built(records, FactorSet([factor("FRA", 2026, 40.0 * each)])) for each in (1.0, times))
    assert scaled.totals.energy == once.totals.energy
    for one, other in zip(
        (once.totals, *(each.measure for each in once.results)),
        (scaled.totals, *(each.measure for each in scaled.results)),
        strict=True,
    ):
        if one.co2e.value is None or other.co2e.value is None:
            assert one.co2e == other.co2e
            continue
        for bound in ("value", "low", "high"):
            least = getattr(one.co2e, bound)
            if least is not None:
                assert getattr(other.co2e, bound) == pytest.approx(least * times, rel=1e-6)  # factors are whole micrograms a kWh

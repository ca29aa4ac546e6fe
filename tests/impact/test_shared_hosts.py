"""Laws of sharing a host: parts are less sure than the host, and what one part got too much of, the others got too little of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue import load
from ecoia.catalogue.error_widths import GSD
from ecoia.factors import FactorSet
from ecoia.impact.assessment import Assessment
from ecoia.impact.change import log_ratio_variance
from ecoia.impact.ledger_sums import LedgerSums, by_quarter
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.uncertainty import Estimate, Interval, relative_variance
from ecoia.methods import Method, shared_by
from ecoia.records import Record, fold
from support.factor_sets import half_hourly
from support.large_organisation import CATALOGUE, QUARTER, large_factors, large_rows
from support.records import DECLARED, LOAD, NVML, RAM, RAPL, kwh, record

PARIS = ZoneInfo("Europe/Paris")
HOURS = ("10:00", "10:30", "11:00")
FACTORS = FactorSet(half_hourly("FRA", "2026-11-23T10:00", [20.0, 60.0, 110.0]))
EXACT = dict.fromkeys(GSD, 1.0)
ATTRIBUTION = {name: GSD[name] for name in GSD if name.startswith("attribution-")}
QUANTITIES: dict[str, Callable[[Any], Estimate | None]] = {
    "energy of components": lambda impact: impact.energy_components,
    "energy": lambda impact: impact.energy,
    "CO2e of use": lambda impact: impact.operational,
}


def used(service: str, energy: float, host: str = "host-1", hour: str = "10:00", **fields: Any) -> Record:
    chosen = {"methods": {"cpu": RAPL}, "ram": None} | fields
    return record(f"2026-11-23T{hour}", cpu=kwh(energy), service=service, instance=host, **chosen)


def assessed(records: Iterable[Record], gsd: Mapping[str, float]) -> Assessment:
    parameters = AssessmentParameters(FACTORS, zone="FRA", pue=1.4, gsd=gsd)
    return Assessment.of(LedgerSums.of(fold(records)), parameters)


def by_service(
    records: Iterable[Record], gsd: Mapping[str, float], take: str = "energy of components"
) -> dict[str | None, Estimate]:
    found = assessed(records, gsd).by_bearer
    return {bearer[0]: estimate for bearer, impact in found.items() if (estimate := QUANTITIES[take](impact)) is not None}


def deviation(estimate: Estimate) -> float:
    """The geometric standard deviation of an estimate."""
    return math.exp(math.sqrt(estimate.log_variance))


# --- worked numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([1.0], 1.0), ([0.95, 0.05], 1.02), ([0.75, 0.25], 1.10), ([0.5, 0.5], 1.21), ([0.25, 0.75], 1.32), ([0.1] * 10, 1.28)],
)
def test_a_part_is_as_sure_as_its_share_of_the_host_is_great(shares: list[float], expected: float) -> None:
    records = [used(f"s-{place}", share) for place, share in enumerate(shares)]
    parts = by_service(records, EXACT | {"attribution-cpu": 1.3})
    assert deviation(parts["s-0"]) == pytest.approx(expected, abs=0.005)
    assert Estimate.total(parts.values()).log_variance == pytest.approx(0.0, abs=1e-15), "the meter's sum stands"


@pytest.mark.parametrize(
    ("component", "method"), [("cpu", RAPL), ("cpu", Method("measured", "wattmeter:undivided")), ("ram", RAM)]
)
def test_each_component_has_the_error_of_its_own_key(component: str, method: Method) -> None:
    energy: dict[str, Any] = {"cpu": None, "ram": None} | {component: kwh(1)}
    records = [record(service=name, methods={component: method}, **energy) for name in "ab"]
    gsd = EXACT | {f"attribution-{component}": 1.5}
    expected = 0.5 * relative_variance(1.5)
    assert by_service(records, gsd)["a"].log_variance == pytest.approx(math.log1p(expected))


# --- the formulas -----------------------------------------------------------------------------------------------------

ENERGIES = st.lists(st.floats(0.001, 100), min_size=2, max_size=8)


@given(energies=ENERGIES)
def test_variances_and_covariances_are_those_of_the_formulas_and_form_a_covariance(energies: list[float]) -> None:
    parts = list(by_service([used(f"{n}", each) for n, each in enumerate(energies)], EXACT | {"attribution-cpu": 1.3}).values())
    r2 = relative_variance(1.3)
    c = np.array([part.value for part in parts])
    p = c / c.sum()
    expected = np.outer(c, c) * r2 * ((p**2).sum() - p[:, None] - p[None, :])
    np.fill_diagonal(expected, c**2 * r2 * ((1 - p) ** 2 + (p**2).sum() - p**2))

    def variance(some: Sequence[Estimate]) -> float:
        whole = Estimate.total(some)
        return math.expm1(whole.log_variance) * whole.value**2

    own = [variance([part]) for part in parts]
    found = np.diag(own)
    for i, j in itertools.combinations(range(len(parts)), 2):
        found[i, j] = found[j, i] = (variance([parts[i], parts[j]]) - own[i] - own[j]) / 2
    rounding = 1e-12 * c.max() ** 2
    assert found == pytest.approx(expected, rel=1e-6, abs=rounding)
    assert np.linalg.eigvalsh(found).min() >= -10 * rounding


CARDS = [NVML, *(shared_by(NVML, way) for way in ("token-weighted:kappa=100", "token-weighted:w=0.1", "weights-missing"))]
WORK = st.builds(
    used,
    st.sampled_from("abcd"),
    st.floats(0.001, 50),
    st.sampled_from(["host-1", "host-2", "host-3"]),
    st.sampled_from(HOURS),
    methods=st.builds(
        lambda cpu, gpu: {"cpu": cpu, "ram": RAM, "gpu": gpu}, st.sampled_from([RAPL, LOAD]), st.sampled_from(CARDS)
    ),
    ram=st.one_of(st.none(), st.floats(0, 5).map(kwh)),
    gpu=st.one_of(st.none(), st.floats(0, 5).map(kwh)),
    devices=st.sampled_from([(), ("GPU-1",), ("GPU-2",)]),
    phase=st.sampled_from(["inference", "training"]),
    kind=st.sampled_from(["span", "span", "idle", "unattributed"]),
)


@pytest.mark.parametrize("quantity", QUANTITIES)
@given(records=st.lists(WORK, min_size=1, max_size=12))
def test_sums_keep_their_intervals_and_parts_get_no_narrower(quantity: str, records: list[Record]) -> None:
    take = QUANTITIES[quantity]
    now, before = (assessed(records, gsd) for gsd in (GSD, GSD | dict.fromkeys(ATTRIBUTION, 1.0)))
    whole, old = take(now.impact()), take(before.impact())
    if whole is None or old is None or not whole.value:
        return
    parts = [part for impact in now.by_bearer.values() if (part := take(impact)) is not None]
    assert whole.log_variance == pytest.approx(old.log_variance, rel=1e-9)
    assert Estimate.total(parts).log_variance == pytest.approx(old.log_variance, rel=1e-9)
    for bearer, impact in now.by_bearer.items():
        part, narrower = take(impact), take(before.by_bearer[bearer])
        if part is not None and narrower is not None:
            assert part.log_variance >= narrower.log_variance * (1 - 1e-9), bearer


def test_what_is_alone_on_its_host_its_card_or_goes_by_a_statement_is_as_sure_as_before() -> None:
    alone = [used("a", 3), used("b", 2, "host-2"), used("b", 1, kind="idle"), used("c", 5, methods={"cpu": DECLARED})]
    assert {deviation(part) for part in by_service(alone, EXACT | ATTRIBUTION).values()} == {1.0}
    cards = [
        record(cpu=None, ram=None, gpu=kwh(1), service=name, devices=(f"GPU-{name}",), methods={"gpu": NVML}) for name in "ab"
    ]
    assert {deviation(part) for part in by_service(cards, EXACT | ATTRIBUTION).values()} == {1.0}
    one_card = [each.copy_with(devices=("GPU-a",)) for each in cards]
    assert deviation(by_service(one_card, EXACT | ATTRIBUTION)["a"]) > 1.1


# --- how requests share a card ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("", "attribution-gpu"),
        ("+weighted", "attribution-gpu"),
        ("+token-weighted:kappa=100", "attribution-gpu"),
        ("+token-weighted:kappa=50", "attribution-gpu"),
        ("+token-weighted:kappa=87.2:fitted", "attribution-gpu-fitted"),
        ("+token-weighted:kappa=87.2:fitted:cache-unknown", "attribution-gpu-guessed"),
        ("+token-weighted:kappa=100:cache-unknown", "attribution-gpu-guessed"),
        ("+token-weighted:w=0.1", "attribution-gpu-guessed"),
        ("+weights-missing:few", "attribution-gpu"),
        ("+weights-missing", "attribution-gpu-in-flight"),
    ],
)
def test_requests_that_share_a_card_are_as_sure_as_what_they_share_it_by(way: str, error: str) -> None:
    methods = {"gpu": Method("measured", f"nvml{way}")}
    card = [record(cpu=None, ram=None, gpu=kwh(1), service=each, devices=("GPU-1",), methods=methods) for each in "ab"]
    parts = by_service(card, EXACT | {error: 1.3})
    assert deviation(parts["a"]) == pytest.approx(1.21, abs=0.005), "two halves"
    assert deviation(Estimate.total(list(parts.values()))) == pytest.approx(1.0)
    assert deviation(by_service(card, EXACT | dict.fromkeys(ATTRIBUTION, 1.3) | {error: 1.0})["a"]) == pytest.approx(1.0)
    counters = by_service(card, EXACT | {"counters": 1.25})["a"]
    assert deviation(counters) == pytest.approx(1.25), "the meter's error stays what it is"


def test_of_a_host_recorded_whole_one_service_has_no_error_of_attribution_and_two_have() -> None:
    alone = [used("a", 3, scope="host", pid=1), used("a", 1, scope="host", pid=1, hour="10:30", phase="inference")]
    assert {deviation(part) for part in by_service(alone, EXACT | ATTRIBUTION).values()} == {1.0}
    both = [used("a", 3, scope="host", pid=1), used("b", 1, scope="host", pid=1)]
    found = by_service(both, EXACT | ATTRIBUTION)
    assert 1.0 < deviation(found["a"]) < deviation(found["b"])
    assert deviation(Estimate.total(found.values())) == pytest.approx(1.0)
    with_rest = [used("a", 3, scope="host", pid=1), used("", 1, scope="host", pid=1, kind="unattributed")]
    assert deviation(by_service(with_rest, EXACT | ATTRIBUTION)["a"]) > 1.0, "what was outside of spans is shared out as well"


# --- estimates travel -------------------------------------------------------------------------------------------------


def test_a_part_multiplied_by_a_number_is_as_sure_as_before() -> None:
    part = by_service([used("a", 1), used("b", 3)], GSD)["a"]
    assert part.scaled(1000).log_variance == pytest.approx(part.log_variance)
    assert part.with_error("backcast", 1.0).log_variance == pytest.approx(part.log_variance)


def test_what_a_service_draws_is_its_own_in_both_quarters_so_a_change_on_a_like_host_is_as_sure_as_alone() -> None:
    shared = by_service([used("a", 1), used("b", 3)], GSD)
    alone = by_service([used("a", 1)], GSD)["a"]
    assert log_ratio_variance(shared["a"].scaled(1.2), shared["a"]) == pytest.approx(log_ratio_variance(alone.scaled(1.2), alone))
    moved = by_service([used("a", 1), used("b", 1)], GSD)["a"]
    assert log_ratio_variance(moved, shared["a"]) > log_ratio_variance(alone, alone), "another share of the host is another error"


# --- a portfolio ------------------------------------------------------------------------------------------------------


def test_the_total_of_a_large_organisation_stands_and_its_services_that_share_hosts_get_wider() -> None:
    catalogue = load(CATALOGUE)
    recorded = by_quarter(large_rows(), PARIS)[QUARTER]

    def impacts(gsd: Mapping[str, float]) -> Assessment:
        known = AssessmentParameters(large_factors(), "FRA", None, PARIS, catalogue.calibrations, catalogue.sites, gsd=gsd)
        return Assessment.of(recorded, known)

    now, before = impacts(GSD), impacts(GSD | dict.fromkeys(ATTRIBUTION, 1.0))
    for name, take in QUANTITIES.items():
        whole, old = take(now.impact()), take(before.impact())
        assert whole is not None, name
        assert old is not None, name
        assert _close(whole.interval, old.interval), name
        wider = {
            bearer[0]
            for bearer, impact in now.by_bearer.items()
            if (part := take(impact)) is not None
            and (was := take(before.by_bearer[bearer])) is not None
            and part.log_variance > was.log_variance * 1.01
        }
        assert {"vadore", "gestion-mails", "dsn-controle"} <= wider, name
        assert "traduction" not in wider, "its energy is declared"


def _close(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)

"""Assessment: PUE once, the factor of the zone, and intervals that hold the truth as often as they say."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import catalogue
from ecoia.catalogue.error_widths import GSD
from ecoia.errors import FactorError
from ecoia.factors import FactorSet, codecarbon_factors
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.energy_cells import WALL_FACTOR
from ecoia.impact.grid import FactorGap
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.uncertainty import Cell, interval, log_variance, precision_class
from ecoia.methods import SERVER_SHARE, SERVER_SHARE_RAM, Method
from ecoia.records import Record, Row, Tokens, fold
from support.factor_sets import factor, half_hourly
from support.records import DECLARED, GENERIC, LOAD, RAPL, kwh, record

FACTORS = FactorSet([factor("FRA", 2024, 44.0), factor("FRA", 2026, 40.0), factor("DEU", 2026, 380.0)])


def impact(*records: Record, **arguments: Any) -> Impact:
    """The impact of some records; no zone and no PUE unless told."""
    return assess(fold(records), AssessmentParameters(**{"factors": FACTORS} | arguments))


def test_energy_is_known_without_a_zone_and_co2e_is_not() -> None:
    found = impact(record(cpu=kwh(2), ram=kwh(1)))
    assert found.energy_components_microjoules == kwh(3)
    assert found.by_component_microjoules == {"cpu": kwh(2), "gpu": None, "ram": kwh(1)}
    assert (found.energy_kwh, found.boundary) == (3.0, "it")
    assert (found.co2e_kg, found.co2e_interval, found.reason, found.factors_used) == (None, None, "no-zone", ())


def test_naming_a_zone_later_computes_what_is_recorded() -> None:
    found = impact(record(cpu=kwh(2), ram=kwh(1)), zone="FRA")
    assert found.co2e_kg == pytest.approx(3 * 0.040)
    assert [(used.use.zone, used.use.year, used.use.age_years) for used in found.factors_used] == [("FRA", 2026, 0)]
    assert found.reason is None


def test_pue_is_applied_once_and_to_both() -> None:
    found = impact(record(cpu=kwh(2), ram=kwh(1)), zone="FRA", pue=1.5)
    assert (found.energy_components_kwh, found.energy_kwh, found.boundary) == (3.0, 4.5, "site")
    assert found.co2e_kg == pytest.approx(4.5 * 0.040)


def test_a_recorded_zone_wins_over_the_given_one() -> None:
    found = impact(record(cpu=kwh(1), ram=None, zone="DEU"), record(cpu=kwh(1), ram=None), zone="FRA")
    assert found.co2e_kg == pytest.approx(0.380 + 0.040)
    assert [used.use.zone for used in found.factors_used] == ["DEU", "FRA"]


def test_a_part_with_a_zone_is_never_presented_as_the_whole() -> None:
    found = impact(record(cpu=kwh(1), ram=None, zone="DEU"), record(cpu=kwh(1), ram=None))
    assert (found.energy_kwh, found.co2e_kg, found.reason) == (2.0, None, "no-zone")


def test_a_row_without_energy_needs_no_zone() -> None:
    found = impact(record(cpu=kwh(1), ram=None, zone="DEU"), record(cpu=None, ram=None))
    assert found.co2e_kg == pytest.approx(0.380)


def test_an_unknown_zone_is_refused_when_given_and_flagged_when_recorded() -> None:
    with pytest.raises(FactorError, match="FRX"):
        impact(record(cpu=1), zone="FRX")
    found = impact(record(cpu=kwh(1), zone="FRX"))
    assert (found.energy_kwh, found.co2e_kg, found.reason) == (1.0, None, "no-factor")
    assert impact(record("2023-05-01T10:00", cpu=1), zone="FRA").reason == "no-factor"


def test_not_measured_is_not_zero() -> None:
    missing, nothing, zero = impact(record(cpu=None, ram=None), zone="FRA"), impact(zone="FRA"), impact(record(), zone="FRA")
    assert (missing.energy_kwh, missing.co2e_kg, missing.reason) == (None, None, "not-measured")
    assert (nothing.energy_kwh, nothing.co2e_kg, nothing.reason) == (None, None, "no-data")
    assert (zero.energy_kwh, zero.co2e_kg, zero.energy_interval, zero.precision_class) == (0.0, 0.0, None, None)


def test_the_year_is_that_of_civil_time() -> None:
    last_hour_utc = record("2025-12-31T23:10", cpu=kwh(1), ram=None, zone="FRA")
    assert impact(last_hour_utc).factors_used[0].use.year == 2024
    paris = ZoneInfo("Europe/Paris")
    there = FactorSet([factor("FRA", year, 40.0, timezone=paris) for year in (2024, 2026)], timezone=paris)
    assert impact(last_hour_utc, factors=there, timezone=paris).factors_used[0].use.year == 2026


def test_an_older_factor_is_marked_and_widens_with_its_age() -> None:
    widths = {}
    for day in ("2024-06-01T10:00", "2025-06-01T10:00"):
        found = impact(record(day, cpu=kwh(1), ram=None), zone="FRA")
        assert found.co2e_interval is not None
        widths[day[:4]] = found.co2e_interval.high / found.co2e_interval.low
        assert [used.use.age_years for used in found.factors_used] == [int(day[:4] == "2025")]
    older = assess(
        fold([record("2026-06-01T10:00", cpu=kwh(1), ram=None)]),
        AssessmentParameters(zone="FRA", factors=FactorSet([factor("FRA", 2024, 44.0)])),
    )
    assert older.co2e_interval is not None
    assert widths["2024"] < widths["2025"] < older.co2e_interval.high / older.co2e_interval.low


def test_one_counter_has_the_interval_of_the_published_formula() -> None:
    found = impact(record(cpu=kwh(1), ram=None), pue=1.2, zone="FRA")
    s2 = sum(math.log(GSD[name]) ** 2 for name in ("counters", "own"))
    assert found.energy_components_interval is not None
    assert found.energy_components_interval.low == pytest.approx(math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))
    assert found.energy_components_interval.high == pytest.approx(math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))
    s2 += math.log(GSD["pue-declared"]) ** 2
    assert found.energy_interval is not None
    assert found.energy_interval.low == pytest.approx(1.2 * math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))
    assert found.energy_interval.high == pytest.approx(1.2 * WALL_FACTOR["cpu"] * math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))
    s2 += math.log(GSD["grid-same-year"]) ** 2
    assert found.co2e_interval is not None
    assert found.co2e_interval.low == pytest.approx(0.048 * math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))


def test_without_calibration_the_upper_bound_takes_in_the_wall_but_not_for_declared_energy() -> None:
    cpu = impact(record(cpu=kwh(1), ram=None))
    gpu = impact(record(cpu=None, gpu=kwh(1), ram=None))
    declared = impact(record(cpu=kwh(1), ram=None, methods={"cpu": DECLARED}))
    for found, factor_ in ((cpu, 1.48), (gpu, 1.32), (declared, 1.0)):
        assert found.energy_interval is not None
        assert found.energy_components_interval is not None
        assert found.energy_interval.high == pytest.approx(factor_ * found.energy_components_interval.high)
        assert found.energy_interval.low == found.energy_components_interval.low


def test_the_less_is_known_the_wider() -> None:
    found = [impact(record(cpu=kwh(1), ram=None, methods={"cpu": method})) for method in (RAPL, LOAD, GENERIC)]
    lows = [one.energy_interval.low for one in found if one.energy_interval]
    assert lows == sorted(lows, reverse=True)
    assert [one.precision_class for one in found] == [3, 4, 4]


def test_precision_classes_follow_the_relative_half_width() -> None:
    assert [precision_class(math.log(gsd) ** 2) for gsd in (1.02, 1.10, 1.25, 1.5)] == [1, 2, 3, 4]


def brute_force(cells: list[Cell], gsd: dict[str, float], own_gsd: float) -> float:
    """The published double sum, cell by cell."""
    variance = 0.0
    for a in cells:
        for b in cells:
            shared = sum(math.log(gsd[name]) ** 2 for name in a.shared & b.shared)
            shared += math.log(own_gsd) ** 2 if a.own == b.own else 0.0
            variance += a.mean * b.mean * (math.exp(shared) - 1)
    return math.log(1 + variance / sum(cell.mean for cell in cells) ** 2)


NAMES = {"counters": 1.25, "model": 1.5, "pue": 1.1, "grid": 1.3}
CELLS = st.lists(
    st.builds(
        Cell,
        st.floats(1e-6, 1e6),
        st.frozensets(st.sampled_from(sorted(NAMES))),
        st.sampled_from(["a", "b", "c"]),
    ),
    min_size=1,
    max_size=8,
)


@given(cells=CELLS, order=st.randoms(use_true_random=False))
def test_the_grouped_sum_is_the_double_sum_and_order_changes_nothing(cells: list[Cell], order: Any) -> None:
    shuffled = list(cells)
    order.shuffle(shuffled)
    assert log_variance(cells, NAMES, 1.05) == pytest.approx(brute_force(cells, NAMES, 1.05), rel=1e-9)
    assert log_variance(shuffled, NAMES, 1.05) == log_variance(cells, NAMES, 1.05)


def portfolio(random: np.random.Generator) -> list[Cell]:
    """28 services, each on one or two methods, at one site, on one of two grids."""
    cells = []
    for service in range(28):
        grid = random.choice(["grid-a", "grid-b"], p=[0.8, 0.2])
        for component in ("cpu", "gpu")[: random.integers(1, 3)]:
            method = f"{component}:{random.choice(['counters', 'model', 'generic-model'], p=[0.5, 0.35, 0.15])}"
            cells.append(Cell(float(random.lognormal(0, 1.2)), frozenset({method, "pue", grid}), str(service)))
    return cells


def test_the_95_percent_interval_holds_the_synthetic_truth_95_times_in_100() -> None:
    random = np.random.default_rng(20261123)
    gsd = {f"{component}:{name}": GSD[name] for component in ("cpu", "gpu") for name in ("counters", "model", "generic-model")}
    gsd |= {"pue": GSD["pue-declared"], "grid-a": GSD["grid-same-year"], "grid-b": GSD["grid-previous-year"]}
    draws, held, held_naively = 2000, [], []
    for _ in range(20):
        cells = portfolio(random)
        own = {f"own-{cell.own}": GSD["own"] for cell in cells}
        names = sorted(gsd | own)
        sigmas = np.log([(gsd | own)[name] for name in names])
        errors = np.exp(random.normal(-(sigmas**2) / 2, sigmas, size=(draws, len(names))))  # each of mean 1
        column = {name: index for index, name in enumerate(names)}
        truth = sum(
            cell.mean * errors[:, [column[name] for name in (*cell.shared, f"own-{cell.own}")]].prod(axis=1) for cell in cells
        )
        total = sum(cell.mean for cell in cells)
        bounds = interval(total, log_variance(cells, gsd, GSD["own"]))
        held.append(np.mean((bounds.low <= truth) & (truth <= bounds.high)))
        independent = [Cell(cell.mean, frozenset(), str(index)) for index, cell in enumerate(cells)]
        spread = math.exp(math.sqrt(np.mean([sum(math.log(gsd[name]) ** 2 for name in cell.shared) for cell in cells])))
        naive = interval(total, log_variance(independent, {}, spread))
        held_naively.append(np.mean((naive.low <= truth) & (truth <= naive.high)))
    assert 0.94 <= np.mean(held) <= 0.97
    assert 0.66 <= np.mean(held_naively) <= 0.72  # what shared errors cost when they are taken as independent


@given(
    energies=st.lists(st.tuples(st.integers(0, 10**13), st.sampled_from(["a", "b"])), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_splitting_and_shuffling_rows_changes_no_impact(energies: list[tuple[int, str]], order: Any) -> None:
    whole = [record(cpu=energy, ram=None, service=service) for energy, service in energies]
    split = []
    for one in whole:
        energy = one.energy_microjoules["cpu"]
        assert energy is not None
        parts = (energy // 3, energy - energy // 3)
        split += [record(cpu=part, ram=None, service=one.service) for part in parts]
    rows = [row for one in split for row in fold([one])]
    order.shuffle(rows)
    assert assess(rows, AssessmentParameters(zone="FRA", pue=1.3, factors=FACTORS)) == impact(*whole, zone="FRA", pue=1.3)


@given(pue=st.floats(1, 3), energy=st.integers(1, 10**15))
def test_impact_is_proportional(pue: float, energy: int) -> None:
    once, twice = (impact(record(cpu=n * energy, ram=None), zone="FRA", pue=pue) for n in (1, 2))
    assert once.co2e_kg is not None
    assert once.energy_kwh is not None
    assert once.energy_components_kwh is not None
    assert twice.co2e_kg == pytest.approx(2 * once.co2e_kg)
    assert once.energy_kwh == pytest.approx(pue * once.energy_components_kwh)


# --- calibration at the wall ------------------------------------------------------------------------------------------

WATTMETER = Method("measured", "wattmeter:undivided")


def calibration(component: str = "cpu", wall_factor: float = 1.42, **fields: Any) -> catalogue.Calibration:
    """A calibration; ``start`` stands for ``from``."""
    given = {"component": component, "wall_factor": wall_factor, "source": "PV 12", "date": date(2026, 6, 15)}
    return catalogue.Calibration.model_validate(given | {("from" if k == "start" else k): v for k, v in fields.items()})


def test_the_wall_factor_then_the_pue_and_the_raw_energy_stays() -> None:
    found = impact(record(cpu=kwh(2), ram=kwh(1)), pue=1.5, zone="FRA", calibrations=[calibration()])
    assert found.energy_components_microjoules == kwh(3)
    assert found.energy_components_kwh == 3.0
    assert found.energy_kwh == pytest.approx((2 * 1.42 + 1) * 1.5)
    assert found.co2e_kg == pytest.approx((2 * 1.42 + 1) * 1.5 * 0.040)
    assert found.energy_at_wall_microjoules == kwh(2)
    assert found.calibrations_used == (calibration(),)
    assert found.energy_components_interval == impact(record(cpu=kwh(2), ram=kwh(1))).energy_components_interval


def test_a_factor_of_one_changes_no_value_but_says_that_this_is_the_wall() -> None:
    without = impact(record(cpu=kwh(2), ram=None), pue=1.5, zone="FRA")
    found = impact(record(cpu=kwh(2), ram=None), pue=1.5, zone="FRA", calibrations=[calibration(wall_factor=1)])
    assert (found.energy_kwh, found.co2e_kg) == (without.energy_kwh, without.co2e_kg)
    assert found.energy_interval is not None
    assert without.energy_interval is not None
    assert found.energy_interval.high < without.energy_interval.high / WALL_FACTOR["cpu"], "no published factor, a smaller GSD"
    assert found.energy_interval.low > without.energy_interval.low


@pytest.mark.parametrize(("gsd", "expected"), [(None, GSD["calibration"]), (1.05, 1.05)])
def test_calibrated_counters_have_the_spread_of_the_calibration(gsd: float | None, expected: float) -> None:
    found = impact(record(cpu=kwh(1), ram=None), calibrations=[calibration(gsd=gsd)])
    s2 = math.log(expected) ** 2 + math.log(GSD["own"]) ** 2
    assert found.energy_interval is not None
    assert found.energy_interval.low == pytest.approx(1.42 * math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))
    assert found.energy_interval.high == pytest.approx(1.42 * math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))


def test_a_calibrated_model_stays_a_model() -> None:
    model = impact(record(cpu=kwh(1), ram=None, methods={"cpu": LOAD}), calibrations=[calibration(wall_factor=1)])
    bare = impact(record(cpu=kwh(1), ram=None, methods={"cpu": LOAD}))
    assert model.energy_interval is not None
    assert bare.energy_interval is not None
    assert model.energy_interval.low < bare.energy_interval.low


def test_no_calibration_applies_to_energy_declared_or_read_at_the_plug() -> None:
    for method, at_wall in ((DECLARED, 0), (WATTMETER, kwh(1))):
        found = impact(record(cpu=kwh(1), ram=None, methods={"cpu": method}), calibrations=[calibration()])
        assert (found.energy_kwh, found.calibrations_used, found.energy_at_wall_microjoules) == (1.0, (), at_wall)


def test_a_wattmeter_is_the_narrowest_and_needs_no_wall() -> None:
    found = impact(record(cpu=kwh(1), ram=None, methods={"cpu": WATTMETER}))
    s2 = math.log(1.02) ** 2 + math.log(GSD["own"]) ** 2
    assert found.energy_interval is not None
    assert found.energy_interval.high == pytest.approx(math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))
    assert found.energy_interval == found.energy_components_interval


def shared(row: str) -> dict[str, Method]:
    """Methods of a virtual machine's processor and memory."""
    return {"cpu": SERVER_SHARE[row], "ram": SERVER_SHARE_RAM[row]}


@pytest.mark.parametrize(("row", "gsd"), [("zen3", 1.5), ("amd", 1.6), ("intel", 1.6), ("arm", 1.75), ("generic", 1.75)])
def test_a_share_of_a_server_is_at_the_wall_already(row: str, gsd: float) -> None:
    """No wall factor applies, neither to the value nor to the upper bound; the PUE does."""
    one = record(cpu=kwh(3), ram=kwh(1), methods=shared(row))
    plain = impact(one)
    assert impact(one, calibrations=[calibration(), calibration("ram", 1.5)]) == plain
    assert (plain.energy_kwh, plain.calibrations_used, plain.energy_at_wall_microjoules) == (4.0, (), kwh(4))
    s2 = math.log(gsd) ** 2 + math.log(GSD["own"]) ** 2
    assert plain.energy_interval is not None
    assert plain.energy_interval.low == pytest.approx(4 * math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))
    assert plain.energy_interval.high == pytest.approx(4 * math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))
    assert impact(one, pue=1.5).energy_kwh == 6.0


def test_a_share_of_a_server_and_a_load_model_have_separate_errors() -> None:
    """A quarter in which the model of a machine changed: neither error is taken for the other."""
    both = impact(*(record(cpu=kwh(1), ram=None, methods={"cpu": each}) for each in (SERVER_SHARE["zen3"], LOAD)))
    own, model = (math.exp(math.log(gsd) ** 2) for gsd in (GSD["own"], 1.5))
    s2 = math.log(1 + (2 * (model * own - 1) + 2 * (own - 1)) / 4)
    assert both.energy_components_interval is not None
    assert both.energy_components_interval.high == pytest.approx(2 * math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))


def test_a_card_that_serves_a_language_model_of_ours_has_the_wall_factor_of_language_models() -> None:
    served = record(cpu=kwh(1), gpu=kwh(4), ram=None, tokens=(Tokens("vllm", "llama", 10, 20),))
    hosted = record(cpu=kwh(1), gpu=kwh(4), ram=None, tokens=(Tokens("openai", "gpt-4o", 10, 20),))
    idle = record(cpu=None, gpu=kwh(2), ram=None, kind="idle", phase=None)
    for one, expected in ((served, 1.48 + 4 * 1.25 + 2 * 1.32), (hosted, 1.48 + 4 * 1.32 + 2 * 1.32)):
        energy = impact(one, idle).energy
        assert energy is not None
        assert energy.upper_mean == pytest.approx(expected)


@pytest.mark.parametrize(("method", "gsd"), [(LOAD, 1.5), (GENERIC, 2.0)])
def test_what_a_load_model_recorded_keeps_its_error_and_its_wall(method: Method, gsd: float) -> None:
    """Also of virtual machines, which were charged whole sockets before they were charged their share."""
    one = record(cpu=kwh(1), ram=None, methods={"cpu": method})
    found = impact(one)
    s2 = math.log(gsd) ** 2 + math.log(GSD["own"]) ** 2
    assert found.energy_at_wall_microjoules == 0
    assert found.energy_interval is not None
    assert found.energy_interval.low == pytest.approx(math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))
    assert found.energy_interval.high == pytest.approx(WALL_FACTOR["cpu"] * math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))
    assert impact(one, calibrations=[calibration()]).energy_kwh == 1.42


def test_a_calibration_holds_for_its_instances_and_civil_days() -> None:
    paris = ZoneInfo("Europe/Paris")
    only = calibration(instances=["gpu-0*"], start=date(2026, 7, 1), until=date(2027, 1, 1), wall_factor=2)

    def factor_of(start: str, instance: str = "gpu-01", component: str = "cpu") -> float | None:
        energy = {"cpu": None, "gpu": None, "ram": None, component: kwh(1)}
        return impact(record(start, instance=instance, **energy), timezone=paris, calibrations=[only]).energy_kwh

    assert factor_of("2026-06-30T21:59") == 1
    assert factor_of("2026-06-30T22:00") == 2, "midnight in Paris"
    assert factor_of("2026-12-31T22:59") == 2
    assert factor_of("2026-12-31T23:00") == 1, "half-open"
    assert factor_of("2026-08-01T12:00", instance="gpu-1") == 1
    assert factor_of("2026-08-01T12:00", component="gpu") == 1


CALIBRATED_ROWS = st.lists(
    st.tuples(
        st.integers(0, 10**13),
        st.none() | st.integers(0, 10**13),
        st.sampled_from(["gpu-01", "gpu-02", "api"]),
        st.sampled_from(["2026-06-30T21:30", "2026-06-30T22:00", "2026-12-31T23:00"]),
        st.sampled_from([RAPL, LOAD, DECLARED, WATTMETER]),
    ),
    min_size=1,
    max_size=6,
)
CALIBRATIONS = st.fixed_dictionaries(
    {"cpu": st.floats(0.8, 5), "gpu": st.floats(0.8, 5), "until": st.none() | st.just(date(2026, 7, 1))}
).map(
    lambda given: [
        calibration("cpu", given["cpu"], instances=["gpu-0?"], until=given["until"]),
        calibration("gpu", given["gpu"], gsd=1.05),
    ]
)


@given(cells=CALIBRATED_ROWS, calibrations=CALIBRATIONS, order=st.randoms(use_true_random=False))
def test_calibration_keeps_raw_microjoules_and_splitting_rows_changes_nothing(
    cells: list[tuple[int, int | None, str, str, Method]], calibrations: list[catalogue.Calibration], order: Any
) -> None:
    whole, split = [], []
    for cpu, gpu, instance, start, method in cells:
        fields: dict[str, Any] = {"instance": instance, "ram": None, "methods": {"cpu": method}}
        whole.append(record(start, cpu=cpu, gpu=gpu, **fields))
        split.append(record(start, cpu=cpu // 3, gpu=None if gpu is None else gpu // 5, **fields))
        split.append(record(start, cpu=cpu - cpu // 3, gpu=None if gpu is None else gpu - gpu // 5, **fields))
    rows = [row for one in split for row in fold([one])]
    order.shuffle(rows)
    arguments: dict[str, Any] = {"zone": "FRA", "pue": 1.3, "factors": FACTORS, "timezone": ZoneInfo("Europe/Paris")}
    found = assess(rows, AssessmentParameters(calibrations=calibrations, **arguments))
    assert found == assess(fold(whole), AssessmentParameters(calibrations=calibrations, **arguments))
    assert found == assess(rows, AssessmentParameters(calibrations=[*calibrations, calibration("ram", 3)], **arguments)), (
        "others' calibrations"
    )

    raw = assess(rows, AssessmentParameters(**arguments))
    assert found.energy_components_microjoules == raw.energy_components_microjoules
    assert found.by_component_microjoules == raw.by_component_microjoules
    # A day of a calibration cuts a cell in two, which may change the last digit of a float.
    for bounds, same in ((found.energy_components_interval, raw.energy_components_interval),):
        assert (bounds is None) == (same is None)
        if bounds is not None and same is not None:
            assert (bounds.low, bounds.high) == pytest.approx((same.low, same.high), rel=1e-12)
    at_wall = expected = 0.0
    for cpu, gpu, instance, start, method in cells:
        cpu_factor = calibrations[0].wall_factor
        day = datetime.fromisoformat(start + "+00:00").astimezone(ZoneInfo("Europe/Paris")).date()
        covered = instance != "api" and method in (RAPL, LOAD) and (calibrations[0].until or date.max) > day
        expected += cpu * (cpu_factor if covered else 1) + (gpu or 0) * calibrations[1].wall_factor
        at_wall += cpu * (covered or method == WATTMETER) + (gpu or 0)
    assert found.energy_at_wall_microjoules == at_wall
    assert found.energy_kwh == pytest.approx(1.3 * expected / kwh(1), rel=1e-12)


@given(energy=st.integers(1, 10**15), wall_factor=st.floats(0.8, 2.5))
def test_impact_is_proportional_to_the_wall_factor(energy: int, wall_factor: float) -> None:
    once, twice = (
        impact(record(cpu=energy, ram=None), zone="FRA", pue=1.3, calibrations=[calibration(wall_factor=n * wall_factor)])
        for n in (1, 2)
    )
    for name in ("energy_kwh", "co2e_kg"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name), rel=1e-12)
    for name in ("energy_interval", "co2e_interval"):
        assert getattr(twice, name).high == pytest.approx(2 * getattr(once, name).high, rel=1e-12)
    assert twice.energy_components_microjoules == once.energy_components_microjoules == energy


# --- factors that vary, gaps, contracts -------------------------------------------------------------------------------

HALF_HOURS = FactorSet(half_hourly("FRA", "2026-11-23T10:00", [10.0, 20.0, None, 40.0]), id="series")


def test_each_half_hour_has_the_factor_of_its_time() -> None:
    found = impact(
        record("2026-11-23T10:05", cpu=kwh(1), ram=None),
        record("2026-11-23T10:35", cpu=kwh(2), ram=None),
        record("2026-11-23T11:45", cpu=kwh(1), ram=None),
        zone="FRA",
        pue=1.5,
        factors=HALF_HOURS,
    )
    assert found.co2e_kg == pytest.approx(1.5 * (10 + 2 * 20 + 40) / 1000)
    (applied,) = found.factors_used
    assert (applied.value_g_per_kwh, applied.least_g_per_kwh, applied.greatest_g_per_kwh) == (22.5, 10.0, 40.0)
    assert (applied.use.varies, applied.use.year, applied.use.age_years) == (True, 2026, 0)


def test_factors_of_one_set_and_year_are_one_error() -> None:
    # Were each half-hour's factor an error of its own, four of them would average out.
    one = impact(record(cpu=kwh(4), ram=None), zone="FRA", factors=FactorSet([factor("FRA", 2026, 20.0)]))
    series = FactorSet(half_hourly("FRA", "2026-11-23T10:00", [20.0] * 4))
    four = impact(
        *(record(f"2026-11-23T1{n // 2}:{n % 2 * 3}1", cpu=kwh(1), ram=None) for n in range(4)), zone="FRA", factors=series
    )
    assert four.co2e_interval == one.co2e_interval


def test_a_factor_used_in_its_year_and_later_is_one_error_as_wide_as_its_age_makes_it() -> None:
    factors = FactorSet([factor("FRA", 2025, 40.0)])
    later = impact(record("2026-06-01T10:00", cpu=kwh(2), ram=None), zone="FRA", factors=factors)
    days = ("2025-06-01T10:00", "2026-06-01T10:00")
    both = impact(*(record(day, cpu=kwh(1), ram=None) for day in days), zone="FRA", factors=factors)
    assert [used.use.age_years for used in both.factors_used] == [0, 1]
    assert both.co2e_interval is not None
    assert later.co2e_interval is not None
    assert (both.co2e_interval.low, both.co2e_interval.high) == pytest.approx((later.co2e_interval.low, later.co2e_interval.high))


def test_a_gap_is_reported_with_its_share_and_not_filled_by_itself() -> None:
    records = [record("2026-11-23T10:05", cpu=kwh(3), ram=None), record("2026-11-23T11:05", cpu=kwh(1), ram=None)]
    found = impact(*records, zone="FRA", factors=HALF_HOURS)
    assert (found.co2e_kg, found.reason, found.energy_kwh) == (None, "factor-gap", 4.0)
    assert found.factor_gaps == (FactorGap("FRA", "", 0.25),)
    filled = impact(*records, zone="FRA", factors=HALF_HOURS.choose(fill="previous"))
    assert filled.co2e_kg == pytest.approx((3 * 10 + 20) / 1000)
    assert filled.factor_gaps == (FactorGap("FRA", "previous", 0.25),)
    assert [(used.use.filled, used.value_g_per_kwh) for used in filled.factors_used] == [("", 10.0), ("previous", 20.0)]


def test_a_filled_gap_is_less_sure() -> None:
    known = impact(record("2026-11-23T10:35", cpu=kwh(1), ram=None), zone="FRA", factors=HALF_HOURS)
    filled = impact(record("2026-11-23T11:05", cpu=kwh(1), ram=None), zone="FRA", factors=HALF_HOURS.choose(fill="previous"))
    assert known.co2e_kg == filled.co2e_kg
    assert known.co2e_interval is not None
    assert filled.co2e_interval is not None
    assert filled.co2e_interval.high > known.co2e_interval.high
    assert filled.co2e_interval.low < known.co2e_interval.low


VARYING = st.lists(st.floats(1, 2000).map(lambda value: round(value, 6)), min_size=4, max_size=4)
ENERGIES = st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 3)), min_size=1, max_size=6)


def rows_of(energies: list[tuple[int, int]], parts: int = 1) -> list[Row]:
    """Rows of some half-hours, each record cut in so many."""
    rows = []
    for energy, half_hour in energies:
        start = f"2026-11-23T1{half_hour // 2}:{half_hour % 2 * 3}0"
        pieces = [energy // parts] * (parts - 1)
        for piece in (*pieces, energy - sum(pieces)):
            rows += fold([record(start, cpu=piece, ram=None)])
    return rows


@given(values=VARYING, energies=ENERGIES, parts=st.integers(2, 4), order=st.randoms(use_true_random=False))
def test_splitting_windows_and_order_change_nothing_where_factors_vary(
    values: list[float], energies: list[tuple[int, int]], parts: int, order: Any
) -> None:
    factors = FactorSet(half_hourly("FRA", "2026-11-23T10:00", [*values]))
    split = rows_of(energies, parts)
    order.shuffle(split)
    arguments: dict[str, Any] = {"zone": "FRA", "pue": 1.3, "factors": factors, "contracts": [contract(share=0.3)]}
    found = assess(split, AssessmentParameters(**arguments))
    assert found == assess(rows_of(energies), AssessmentParameters(**arguments))
    expected = math.fsum(energy / kwh(1) * values[half_hour] for energy, half_hour in energies) * 1.3 / 1000
    assert found.co2e_kg == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(values=VARYING, energies=ENERGIES, times=st.floats(0.5, 1))
def test_a_factor_scales_linearly(values: list[float], energies: list[tuple[int, int]], times: float) -> None:
    once, scaled = (
        assess(
            rows_of(energies),
            AssessmentParameters(zone="FRA", pue=1.3, factors=FactorSet(half_hourly("FRA", "2026-11-23T10:00", [*each]))),
        )
        for each in (values, [times * value for value in values])
    )
    assert once.co2e_kg is not None
    assert scaled.co2e_kg == pytest.approx(times * once.co2e_kg, rel=1e-5)


def test_the_same_energy_and_zone_emit_what_codecarbon_itself_computes() -> None:
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    theirs = Emissions(DataSource())
    for zone in ("FRA", "DEU", "BEL", "ESP", "POL", "IND"):
        place = GeoMetadata(country_iso_code=zone, country_name=zone)
        expected = theirs.get_private_infra_emissions(Energy.from_energy(kWh=12.5), place)
        ours = impact(record("2023-06-01T10:00", cpu=kwh(12.5), ram=None), zone=zone, pue=1.0, factors=codecarbon_factors())
        assert ours.co2e_kg == pytest.approx(expected, rel=1e-6)


def contract(share: float = 1.0, value: float = 6.0, **fields: Any) -> catalogue.Contract:
    """A contract of 2026; ``start`` stands for ``from``."""
    said = {"supplier": "S", "scope": "lifecycle", "zone": "FRA", "from": date(2026, 1, 1), "until": date(2027, 1, 1)}
    said |= {"gco2e_per_kwh": value, "share": share, "evidence": "GO n° 12"}
    return catalogue.Contract.model_validate(said | {("from" if k == "start" else k): v for k, v in fields.items()})


def test_market_based_stands_beside_and_changes_nothing_else() -> None:
    energy = record(cpu=kwh(10), ram=None)
    bare = impact(energy, zone="FRA", pue=1.2)
    found = impact(energy, zone="FRA", pue=1.2, contracts=[contract(0.5, 6.0), contract(0.2, 0.0)])
    assert found.co2e_market_kg == pytest.approx(12 * (0.5 * 6 + 0.2 * 0 + 0.3 * 40) / 1000)
    assert (found.co2e_kg, found.co2e_interval, found.energy_kwh) == (bare.co2e_kg, bare.co2e_interval, bare.energy_kwh)
    assert (bare.co2e_market_kg, bare.market_reason) == (None, "no-contract")
    assert len(found.contracts_used) == 2
    assert found.co2e_market_interval is not None
    assert found.co2e_market_interval.low < found.co2e_market_kg < found.co2e_market_interval.high


def test_a_contract_covers_its_zone_instances_and_civil_days() -> None:
    paris = ZoneInfo("Europe/Paris")
    only = contract(instances=["gpu-*"], start=date(2026, 7, 1))
    factors = FactorSet([factor("FRA", 2026, 40.0, timezone=paris), factor("DEU", 2026, 380.0, timezone=paris)])

    def market(start: str, instance: str = "gpu-1", zone: str = "FRA") -> float | None:
        found = record(start, cpu=kwh(1), ram=None, instance=instance, zone=zone)
        return impact(found, timezone=paris, contracts=[only], factors=factors).co2e_market_kg

    assert market("2026-06-30T22:00") == pytest.approx(0.006)
    assert market("2026-06-30T21:59") is None, "the day before, in Paris"
    assert market("2026-08-01T12:00", instance="cpu-1") is None
    assert market("2026-08-01T12:00", zone="DEU") is None


def test_a_contract_of_another_scope_is_not_mixed() -> None:
    found = impact(record(cpu=kwh(1), ram=None), zone="FRA", contracts=[contract(0.5, scope="direct")])
    assert (found.co2e_market_kg, found.market_reason) == (None, "contract-scope")
    assert found.co2e_kg == pytest.approx(0.040)


def test_without_a_location_there_is_no_market_either() -> None:
    found = impact(record(cpu=kwh(1), ram=None), contracts=[contract()])
    assert (found.co2e_market_kg, found.market_reason) == (None, "no-zone")

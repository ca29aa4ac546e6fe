"""Sites, equipment, hosted models: parts add up, errors are shared, and what is not known stays unknown."""

from __future__ import annotations

import math
import subprocess
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoia.catalogue import Catalogue, Equipment
from ecoia.catalogue.error_widths import GSD
from ecoia.factors import FactorSet
from ecoia.impact.assessment import assess
from ecoia.impact.embodied import MICROGRAMS_PER_KG, amortised_micrograms, embodied_shares
from ecoia.impact.hosted import token_uses
from ecoia.impact.hosted_estimates import PUBLISHED_ABOVE, Hypotheses, hypotheses
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import EstimateOrReason, intensity, sci
from ecoia.impact.uncertainty import Estimate
from ecoia.periods import Quarter
from ecoia.records import Record, Tokens, fold
from ecoia.report import QuarterlyReport, ServiceFootprint, build_report
from ecoia.units import micro
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import GENERIC, LOAD, NVML, kwh, outcome, record
from support.settings import make_settings

UTC = ZoneInfo("UTC")
Q4 = Quarter(2026, 4)
START, END = Q4.bounds_ns(UTC)
FACTORS = FactorSet([factor("FRA", 2024, 50.0), factor("FRA", 2026, 40.0), factor("DEU", 2026, 400.0)])
LAST = "2026-12-31T23:30"  # a record then: the quarter is over

SITES = """\
sites:
  - id: north
    name: Nord
    instances: ["north-*"]
    zone: FRA
    pue:
      - {value: 1.5, quality: measured, until: 2026-11-01, source: compteurs, date: 2026-01-02}
      - {value: 1.2, quality: declared, from: 2026-11-01, source: contrat, date: 2026-11-02}
    wue: [{value: 0.5, quality: measured, source: compteur d'eau, date: 2026-01-02}]
    water_factor: [{value: 3, quality: default, source: étude, date: 2026-01-02}]
  - {id: south, instances: [south-1], zone: DEU}
"""
EQUIPMENT = """\
equipment:
  - id: server
    co2e_kg: 1461
    life_years: 4
    reserved_share: 0.5
    instances: ["*"]
    from: 2026-01-01
    source: fabricant
    date: 2025-12-01
"""


def equipment(**fields: Any) -> Equipment:
    """A server of 1461 kg and 4 years, reserved for half: 1 kg a day over 730.5 days."""
    given = {
        "id": "server", "co2e_kg": 1461, "life_years": 4, "reserved_share": 0.5, "instances": ["*"],
        "from": "2026-01-01", "source": "fabricant", "date": "2025-12-01",
    }  # fmt: skip
    return Equipment.model_validate(given | {("from" if name == "start" else name): value for name, value in fields.items()})


def report(*records: Record, catalogue: Catalogue | None = None, **values: Any) -> QuarterlyReport:
    """The report of 2026Q4 in UTC; the zone is France unless told otherwise."""
    return build_report(
        fold(records),
        Q4,
        settings=make_settings(**{"zone": "FRA", "timezone": "UTC", **values}),
        catalogue=catalogue or Catalogue(),
        factors=FACTORS,
    )


def of(built: QuarterlyReport, service: str = "vadore") -> ServiceFootprint:
    """A service's part."""
    return next(each for each in built.services if each.service == service)


# --- sites ----------------------------------------------------------------------------------------------------------


def test_each_site_has_its_pue_of_the_day_and_its_zone(tmp_path: Path) -> None:
    built = report(
        record("2026-10-31T23:30", 20, cpu=kwh(2), ram=None, instance="north-1"),
        record("2026-11-01T00:00", 20, cpu=kwh(2), ram=None, instance="north-2"),
        record("2026-11-01T00:00", 20, cpu=kwh(1), ram=None, instance="south-1"),
        record("2026-11-01T00:00", 20, cpu=kwh(1), ram=None, instance="elsewhere"),
        catalogue=write_catalogue(tmp_path, sites=SITES),
        pue=2.0,
    )
    assert built.totals.energy.value == pytest.approx(2 * 1.5 + 2 * 1.2 + 1 + 1 * 2.0)
    assert built.footprint.energy_it.value == pytest.approx(6)
    assert built.totals.co2e.value == pytest.approx((2 * 1.5 + 2 * 1.2 + 2) * 0.040 + 1 * 0.400)
    assert [(site.id, site.boundary, site.energy.value) for site in built.sites] == [
        ("north", "site", pytest.approx(5.4)),
        ("south", "it", 1.0),
        (None, "site", 2.0),
    ]
    assert built.totals.boundary == "part", "a site without a PUE is IT only, whatever the setting says"
    assert "no-pue" in built.notices
    assert [(used.site, used.kind, used.value, used.quality) for used in built.site_figures] == [
        ("north", "pue", 1.5, "measured"), ("north", "pue", 1.2, "declared"),
        ("north", "wue", 0.5, "measured"), ("north", "water_factor", 3.0, "default"),
    ]  # fmt: skip
    assert built.zones == ("DEU", "FRA")
    assert built.pue == 2.0


def test_without_sites_the_setting_is_the_pue_as_declared() -> None:
    built = report(record(cpu=kwh(1), ram=None), pue=1.5)
    assert (built.totals.energy.value, built.totals.boundary, built.sites) == (1.5, "site", ())


@pytest.mark.parametrize(("quality", "gsd"), [("measured", 1.03), ("declared", 1.10), ("default", 1.15)])
def test_a_pue_widens_the_interval_by_its_quality(tmp_path: Path, quality: str, gsd: float) -> None:
    sites = f"sites: [{{id: a, instances: '*', pue: [{{value: 1.2, quality: {quality}, source: s, date: 2026-01-01}}]}}]"
    cat = write_catalogue(tmp_path, sites=sites)
    found = assess(fold([record(cpu=kwh(1), ram=None)]), AssessmentParameters(factors=FACTORS, sites=cat.sites))
    s2 = sum(math.log(each) ** 2 for each in (GSD["counters"], GSD["own"], gsd))
    assert found.energy_interval is not None
    assert found.energy_interval.low == pytest.approx(1.2 * math.exp(-s2 / 2 - 1.96 * math.sqrt(s2)))


def test_water_on_site_is_of_it_energy_and_upstream_of_all_energy(tmp_path: Path) -> None:
    cat = write_catalogue(tmp_path, sites=SITES)
    north = record("2026-11-05T10:00", cpu=kwh(2), ram=None, instance="north-1")
    built = report(north, catalogue=cat)
    assert built.footprint.water_direct.value == pytest.approx(2 * 0.5)
    assert built.footprint.water_indirect.value == pytest.approx(2 * 1.2 * 3)
    assert built.footprint.water_direct.high is not None
    assert built.footprint.water_direct.low is not None
    width = built.footprint.water_direct.high / built.footprint.water_direct.low
    assert width > 2 ** (2 * 1.96), "a GSD of 2, and the energy's own"
    both = report(north, record("2026-11-05T10:00", cpu=kwh(2), ram=None, instance="south-1"), catalogue=cat)
    assert (both.footprint.water_direct.reason, both.footprint.water_indirect.reason) == ("no-wue", "no-water-factor")


# --- equipment ------------------------------------------------------------------------------------------------------


def test_a_life_adds_up_to_its_footprint_and_no_further() -> None:
    item = equipment()
    quarters = [Quarter(2026, 1).shift(step).bounds_ns(UTC) for step in range(24)]
    parts = [amortised_micrograms(item, start, end, UTC) for start, end in quarters]
    assert sum(parts) == pytest.approx(1461 * 0.5 * MICROGRAMS_PER_KG, abs=24)
    assert parts[0] == 90 * MICROGRAMS_PER_KG // 2
    assert parts[16:] == [pytest.approx(0, abs=MICROGRAMS_PER_KG)] + [0] * 7, "four years are 16 quarters, and a leap day's rest"
    before = Quarter(2025, 4).bounds_ns(UTC)
    assert amortised_micrograms(item, *before, UTC) == 0
    assert amortised_micrograms(equipment(until="2026-10-11"), START, END, UTC) == 5 * MICROGRAMS_PER_KG


BORNE = st.lists(
    st.tuples(
        st.integers(0, 10**13),
        st.sampled_from(["vadore", "analyse-cv", None]),
        st.sampled_from(["training", "inference"]),
        st.sampled_from(["a-1", "a-2", "b-1"]),
        st.booleans(),
    ),
    max_size=8,
)


@given(cells=BORNE, order=st.randoms(use_true_random=False), kilograms=st.floats(0.1, 5000), share=st.floats(0.01, 1))
def test_the_shares_of_equipment_add_up_and_neither_order_nor_splitting_changes_them(
    cells: list[Any], order: Any, kilograms: float, share: float
) -> None:
    items = [
        equipment(id="a", co2e_kg=kilograms, reserved_share=share, instances=["a-*"]),
        equipment(id="b", co2e_kg=kilograms, instances=["b-1", "a-1"], start="2026-11-01"),
    ]
    whole, split = [], []
    for energy, service, phase, instance, idle in cells:
        kind = "unattributed" if service is None else "idle" if idle else "span"
        fields = {"service": service, "phase": phase if kind == "span" else None, "instance": instance, "kind": kind, "ram": None}
        whole.append(record("2026-11-05T10:00", cpu=energy, **fields))
        split += [record("2026-11-05T10:00", cpu=part, **fields) for part in (energy // 3, energy - energy // 3)]
    rows = [row for one in split for row in fold([one])]
    order.shuffle(rows)
    strands = LedgerSums.of(rows).strands
    parts = embodied_shares(strands, items, START, END, UTC)
    assert parts == embodied_shares(LedgerSums.of(fold(whole)).strands, items, START, END, UTC)
    for item in items:
        borne = sum(part.micrograms for part in parts if part.equipment == item.id)
        assert borne == amortised_micrograms(item, START, END, UTC)
    twice = [item.model_copy(update={"co2e_kg": 2 * item.co2e_kg}) for item in items]
    for once, double in zip(parts, embodied_shares(strands, twice, START, END, UTC), strict=True):
        assert double.micrograms == pytest.approx(2 * once.micrograms, abs=4)


def test_it_is_borne_by_use_and_reservation_and_what_nobody_used_by_nobody() -> None:
    used = [
        record("2026-11-05T10:00", cpu=kwh(2), ram=kwh(1), service="vadore"),
        record("2026-11-05T10:00", cpu=kwh(1), ram=None, service="analyse-cv", kind="idle", phase=None),
    ]
    parts = embodied_shares(LedgerSums.of(fold(used)).strands, [equipment()], START, END, UTC)
    assert {part.bearer: part.micrograms / MICROGRAMS_PER_KG for part in parts} == {
        ("analyse-cv", "idle"): pytest.approx(92 / 2 / 4),
        ("vadore", "inference"): pytest.approx(92 / 2 * 3 / 4),
    }
    unused = embodied_shares([], [equipment()], START, END, UTC)
    assert [(part.bearer, part.micrograms) for part in unused] == [((None, "unattributed"), 46 * MICROGRAMS_PER_KG)]


def test_a_device_is_borne_by_those_who_used_it() -> None:
    card = equipment(id="card", devices=["GPU-1"])
    rows = fold(
        [
            record("2026-11-05T10:00", cpu=kwh(9), gpu=kwh(1), methods={"gpu": NVML}, devices=("GPU-1",)),
            record("2026-11-05T10:00", cpu=kwh(9), gpu=kwh(5), service="other", methods={"gpu": NVML}, devices=("GPU-2",)),
            record("2026-11-05T10:00", cpu=kwh(9), service="no-card"),
        ]
    )
    assert {part.bearer[0] for part in embodied_shares(LedgerSums.of(rows).strands, [card], START, END, UTC)} == {"vadore"}


def test_without_equipment_or_with_a_machine_left_out_embodied_and_the_sum_are_unknown(tmp_path: Path) -> None:
    work = record("2026-11-05T10:00", cpu=kwh(1), ram=None)
    assert report(work).footprint.co2e_embodied.reason == "no-equipment"
    assert report(work).footprint.co2e.reason == "no-equipment"
    cat = write_catalogue(tmp_path, equipment=EQUIPMENT.replace('["*"]', "[host-1]"))
    built = report(work, record("2026-11-05T10:00", cpu=kwh(1), ram=None, service="other", instance="host-2"), catalogue=cat)
    assert built.footprint.co2e_embodied.reason == "equipment-incomplete"
    assert built.instances_without_equipment == ("host-2",)
    assert of(built).footprint.co2e.value is not None, "a service whose machines are all described has its sum"
    assert of(built, "other").footprint.co2e.value is None


def test_a_machine_past_its_life_is_described_and_weighs_nothing(tmp_path: Path) -> None:
    cat = write_catalogue(tmp_path, equipment=EQUIPMENT.replace("2026-01-01", "2015-01-01"))
    built = report(record("2026-11-05T10:00", cpu=kwh(1), ram=None), catalogue=cat)
    assert built.footprint.co2e_embodied.value == 0
    assert built.footprint.co2e.value == pytest.approx(0.040)


def test_a_quarter_that_is_not_over_bears_what_it_has_lasted(tmp_path: Path) -> None:
    cat = write_catalogue(tmp_path, equipment=EQUIPMENT)
    built = report(record("2026-10-10T23:59", cpu=kwh(1), ram=None), catalogue=cat)
    assert built.footprint.co2e_embodied.value == pytest.approx(10 / 2)
    whole = report(record("2026-10-10T23:59", cpu=kwh(1), ram=None), record("2027-01-05T10:00", cpu=1), catalogue=cat)
    assert whole.footprint.co2e_embodied.value == pytest.approx(92 / 2)


# --- hosted models --------------------------------------------------------------------------------------------------


def call(
    model: str = "gpt-4o", out: int = 1_000_000, provider: str = "openai", requests: int | None = 1, **fields: Any
) -> Record:
    """A record with tokens of one model."""
    tokens = (Tokens(provider, model, 500, out, requests),)
    return record("2026-11-05T10:00", **{"cpu": kwh(0.01), "ram": None, "tokens": tokens} | fields)


def direct(provider: str, model: str, tokens: int, criterion: str = "gwp") -> tuple[float, float]:
    """The range that EcoLogits gives when it is asked by hand."""
    from ecologits.tracers.utils import PROVIDER_CONFIG_MAP, llm_impacts

    found = llm_impacts(provider, model, tokens, math.inf, PROVIDER_CONFIG_MAP[provider].datacenter_location)
    value: Any = attrgetter(criterion)(found).value
    return (value.min, value.max) if hasattr(value, "min") else (value, value)


def any_models() -> list[tuple[str, str]]:
    """Some models of each provider, with a first delay that EcoLogits knows and without."""
    from ecologits.model_repository import models

    found: dict[tuple[str, bool], list[str]] = {}
    for model in models.list_models():
        if not model.name.endswith("latest"):
            delay = bool(model.deployment and model.deployment.ttft)
            found.setdefault((model.provider.value, delay), []).append(model.name)
    return [(provider, name) for (provider, _), names in sorted(found.items()) for name in sorted(names)[:3]]


def test_an_estimate_is_that_of_ecologits_asked_directly() -> None:
    """For one call; for three, that of each of them, however they are summed up."""
    for provider, model in any_models():
        (use,) = token_uses(fold([call(model, 12_345, provider)]))
        low, high = direct(provider, model, 12_345)
        assert (use.low_kg, use.high_kg) == pytest.approx((low, high), rel=1e-9), (provider, model)
        assert use.central_kg == pytest.approx((low + high) / 2)
        assert use.kwh == pytest.approx(direct(provider, model, 12_345, "energy"), rel=1e-9)
        assert use.litres == pytest.approx(direct(provider, model, 12_345, "wcf"), rel=1e-9)
        assert use.making_kg == pytest.approx(sum(direct(provider, model, 12_345, "embodied.gwp")) / 2, rel=1e-9)
        (three,) = token_uses(fold([call(model, 5, provider), call(model, 400, provider), call(model, 20, provider)]))
        assert three.counts.requests == 3
        assert three.central_kg == pytest.approx(sum(sum(direct(provider, model, n)) / 2 for n in (5, 400, 20)), rel=1e-9)


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "times"),
    [
        *(("openai", "gpt-5", *each) for each in ((5, 12.2), (20, 3.8), (100, 1.56), (400, 1.14))),
        *(("mistralai", "mistral-large-2512", *each) for each in ((5, 5.1), (20, 2.0), (100, 1.21), (400, 1.05))),
    ],
)
def test_a_short_answer_is_dearer_than_its_tokens(provider: str, model: str, tokens: int, times: float) -> None:
    (use,) = token_uses(fold([call(model, tokens, provider)]))
    by_tokens = sum(direct(provider, model, 1_000_000)) / 2 * tokens / 1_000_000
    assert use.central_kg is not None
    assert use.central_kg / by_tokens == pytest.approx(times, abs=0.05)
    assert use.central_kg == pytest.approx(sum(direct(provider, model, tokens)) / 2)


def test_what_gpt_5_takes_is_what_was_published_of_it() -> None:
    found = hypotheses("openai", "gpt-5")
    assert isinstance(found, Hypotheses)
    assert (found.central_kg, found.request_central_kg) == pytest.approx((0.677, 38.0e-6), rel=2e-3)
    assert set(found.warnings) == {"model-arch-not-released", "model-arch-multimodal"}
    assert (found.pue, found.wue, found.zone) == ("1.2", "0.569", "USA")


def test_a_published_architecture_gives_a_point_and_no_certainty() -> None:
    found = hypotheses("mistralai", "mistral-large-2512")
    assert isinstance(found, Hypotheses)
    assert found.is_point
    assert found.central_kg == pytest.approx(0.186, rel=5e-3)
    co2e = report(call("mistral-large-2512", 400, "mistralai")).footprint.co2e_api
    assert co2e.low is not None
    assert co2e.high is not None
    assert co2e.value is not None
    assert co2e.low < co2e.value < co2e.high / PUBLISHED_ABOVE


def test_calls_that_were_not_counted_make_a_lower_bound() -> None:
    """Rows of before; beside rows that count theirs, they are in the sum, which says that it is one."""
    old = call("gpt-5", 400, requests=None)
    (use,) = token_uses(fold([old]))
    assert use.is_lower_bound
    by_token = (sum(direct("openai", "gpt-5", 1_000_000)) - sum(direct("openai", "gpt-5", 0))) / 2e6
    assert use.central_kg == pytest.approx(400 * by_token)
    (both,) = token_uses(fold([old, call("gpt-5", 20)]))
    assert both.is_lower_bound
    assert (both.counts.requests, both.counts.uncounted_out, both.counts.rows) == (1, 400, 1)
    assert both.central_kg == pytest.approx(400 * by_token + sum(direct("openai", "gpt-5", 20)) / 2)
    assert not token_uses(fold([call("gpt-5", 400)]))[0].is_lower_bound
    assert report(old).headline.lacking["co2e_api"] == "requests-uncounted"
    assert "co2e_api" not in report(call("gpt-5", 400)).headline.lacking


def test_input_is_a_sensitivity_and_in_no_figure() -> None:
    def factor(**told: int) -> float | None:
        tokens = (Tokens("openai", "gpt-5", 4000, 200, 1, **told),)
        (use,) = token_uses(fold([record("2026-11-05T10:00", cpu=kwh(0.01), ram=None, tokens=tokens)]))
        assert use.central_kg == pytest.approx(sum(direct("openai", "gpt-5", 200)) / 2)
        return use.input_factor

    assert factor() == pytest.approx(5)
    assert factor(cached_in=0) == pytest.approx(5)
    assert factor(cached_in=3500) == pytest.approx(1 + 0.2 * 500 / 200 + 0.02 * 3500 / 200)


@pytest.mark.parametrize(
    ("alias", "provider", "model", "flagged"),
    [
        ("mistral", "mistralai", "mistral-large-2512", False),
        ("azure", "openai", "gpt-5", True),
        ("azure_openai", "openai", "gpt-5", True),
        ("gemini", "google_genai", "gemini-2.5-pro", False),
        ("vertex_ai", "google_genai", "gemini-2.5-pro", False),
    ],
)
def test_another_name_of_a_provider_is_understood(alias: str, provider: str, model: str, flagged: bool) -> None:
    found, same = hypotheses(alias, model), hypotheses(provider, model)
    assert isinstance(found, Hypotheses)
    assert isinstance(same, Hypotheses)
    assert (found.provider, found.central_kg, found.zone_of_another) == (provider, same.central_kg, flagged)


def test_hypotheses_are_pinned_and_the_host_is_left_as_it_was() -> None:
    code = (
        "import logging; before = logging.getLoggerClass()\n"
        "from ecoia.impact.hosted_estimates import hypotheses\n"
        "found = hypotheses('openai', 'gpt-4o')\n"
        "assert logging.getLoggerClass() is before\n"
        "print(found.ecologits_version, found.zone, found.architecture_published, found.model)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    import ecologits

    assert done.stdout == f"{ecologits.__version__} USA False gpt-4o\n"
    assert done.stderr == "", "EcoLogits warns of every model: it is in the hypotheses"


@pytest.mark.parametrize(
    ("provider", "model", "out", "reason"),
    [
        ("mistralai", "mistral-large-latest", 10, "drifting-name"),
        ("openai", "gpt-of-tomorrow", 10, "unknown-model"),
        ("nobody", "gpt-4o", 10, "unknown-model"),
        ("openai", "gpt-4o", 0, "input-only"),
    ],
)
def test_tokens_without_an_estimate_are_flagged_never_guessed(provider: str, model: str, out: int, reason: str) -> None:
    (use,) = token_uses(fold([call(model, out, provider)]))
    assert (use.standing, use.reason, use.central_kg) == ("unmeasured", reason, None)
    built = report(call(model, out, provider))
    assert built.footprint.co2e_api.reason == "calls-unmeasured"


def test_without_the_package_calls_are_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ecologits.log", None)
    hypotheses.cache_clear()
    try:
        assert hypotheses("openai", "gpt-4o") == "no-ecologits"
    finally:
        hypotheses.cache_clear()


def test_tokens_of_a_metered_device_are_left_out_and_listed() -> None:
    built = report(
        call("small", 900, "local"),
        call("meta-llama/Meta-Llama-3.1-8B", 900, "huggingface_hub", gpu=kwh(1), methods={"gpu": NVML}),
        call("gpt-4o", 900, "openai", gpu=kwh(1), methods={"gpu": NVML}),
        call("small", 7, "vllm", cpu=None, service="blind"),
    )
    assert {(use.provider, use.standing) for use in built.tokens} == {
        ("local", "metered"), ("huggingface_hub", "metered"), ("openai", "estimated"), ("vllm", "unmeasured"),
    }  # fmt: skip
    assert of(built).footprint.co2e_api.value == pytest.approx(sum(direct("openai", "gpt-4o", 900)) / 2)
    assert next(use for use in built.tokens if use.provider == "vllm").reason == "not-metered"


@pytest.mark.parametrize(("provider", "model"), [("vllm", "small"), ("huggingface_hub", "meta-llama/Meta-Llama-3.1-8B")])
def test_tokens_on_a_device_whose_energy_another_claim_holds_are_not_estimated_beside_it(provider: str, model: str) -> None:
    shared: dict[str, Any] = {"cpu": None, "ram": None, "devices": ("GPU-0",), "shared_devices": ("GPU-0",)}
    built = report(
        record("2026-11-05T10:00", gpu=kwh(2), pid=1, **shared),
        record("2026-11-05T10:00", gpu=kwh(1), pid=2, tokens=(Tokens(provider, model, 10, 900),), **shared),
    )
    assert [each.kind for each in built.doubles] == ["device"]
    assert [use.standing for use in built.tokens] == ["metered"]
    assert built.footprint.co2e_api.reason == "no-calls"


def test_no_call_recorded_is_not_zero_and_hides_no_sum(tmp_path: Path) -> None:
    built = report(record("2026-11-05T10:00", cpu=kwh(1), ram=None), catalogue=write_catalogue(tmp_path, equipment=EQUIPMENT))
    assert (built.footprint.co2e_api.value, built.footprint.co2e_api.reason) == (None, "no-calls")
    assert built.footprint.co2e.value is not None


def test_a_closed_model_is_wider_than_an_open_one() -> None:
    published = next(found for found in any_models() if hypotheses(*found).architecture_published)  # type: ignore[union-attr]
    for (provider, model), gsd in ((published, 2), (("openai", "gpt-4o"), 3)):
        quantity = report(call(model, 1_000_000, provider)).footprint.co2e_api
        assert quantity.low is not None
        assert quantity.high is not None
        s2 = math.log(gsd) ** 2 + math.log(GSD["own"]) ** 2
        assert quantity.high / quantity.low == pytest.approx(PUBLISHED_ABOVE * math.exp(2 * 1.96 * math.sqrt(s2)))


LARGE_2 = """hosted_factors:
  - {provider: mistralai, model: mistral-large-2407, g_per_request: 0.1, g_per_token_out: 0.0026, g_per_token_in: 0.0001,
     l_per_token_out: 0.0001125, low: 0.5, high: 2, source: analysis, date: 2025-07-22}
"""


@pytest.mark.parametrize("provider", ["mistralai", "mistral"])
def test_what_a_provider_says_goes_before_ecologits(tmp_path: Path, provider: str) -> None:
    """Also for a model that EcoLogits does not know. The upper bound is that of the provider."""
    cat = write_catalogue(tmp_path, hosted_factors=LARGE_2)
    built = report(call("mistral-large-2407", 400, provider), catalogue=cat)
    co2e, (use,), (found,) = built.footprint.co2e_api, built.tokens, built.model_hypotheses
    value = (0.1 + 400 * 0.0026 + 500 * 0.0001) / 1000
    assert co2e.value == pytest.approx(value)
    s2 = math.log(GSD["api-open"]) ** 2 + math.log(GSD["own"]) ** 2
    assert co2e.high == pytest.approx(2 * value * math.exp(-s2 / 2 + 1.96 * math.sqrt(s2)))
    assert (use.low_kg, use.high_kg) == pytest.approx((value / 2, 2 * value))
    assert (use.low_litres, use.high_litres) == pytest.approx((0.0225, 0.09))
    assert (use.low_kwh, use.making_kg, use.input_factor) == (None, None, None), "the provider does not say"
    assert (found.source, found.dated, found.ecologits_version) == ("analysis", "2025-07-22", "")
    assert report(call("mistral-large-2407", 400, "azure"), catalogue=cat).footprint.co2e_api.reason == "calls-unmeasured"


# --- sums and ratios ------------------------------------------------------------------------------------------------

WORK = st.lists(
    st.tuples(
        st.integers(1, 10**13),
        st.sampled_from(["vadore", "analyse-cv"]),
        st.sampled_from(["training", "inference"]),
        st.sampled_from(["north-1", "north-2"]),
        st.sampled_from([LOAD, GENERIC]),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=8, deadline=None)
@given(cells=WORK, order=st.randoms(use_true_random=False))
def test_services_then_total_is_the_total_and_neither_order_nor_splitting_changes_anything(
    cells: list[Any], order: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cat = write_catalogue(tmp_path_factory.mktemp("c"), sites=SITES, equipment=EQUIPMENT)
    last = record(LAST, cpu=0, ram=None, kind="unattributed", service=None, phase=None, instance="north-1")
    whole, split = [last], [last]
    for energy, service, phase, instance, method, tokens in cells:
        fields = {"ram": None, "service": service, "phase": phase, "instance": instance, "methods": {"cpu": method}}
        whole.append(call(out=tokens + 1, cpu=energy, **fields))
        split.append(call(out=tokens // 2 + 1, cpu=energy // 3, **fields))
        split.append(
            record(
                "2026-11-05T10:00",
                cpu=energy - energy // 3,
                tokens=(Tokens("openai", "gpt-4o", 0, tokens - tokens // 2, 0),),
                **fields,
            )
        )
    order.shuffle(split)
    built = report(*whole, catalogue=cat)
    again = report(*split, catalogue=cat)
    for field in built.footprint:
        assert getattr(again.footprint, field) == getattr(built.footprint, field), field
    assert again.services == built.services
    for field in ("energy_it", "co2e", "co2e_operational", "co2e_embodied", "water_direct", "water_indirect"):
        parts = [getattr(each.footprint, field).value for each in built.services]
        assert getattr(built.footprint, field).value == pytest.approx(math.fsum(parts)), field
    total = built.footprint
    split_sum = total.co2e_operational.value + total.co2e_embodied.value + (total.co2e_api.value or 0)  # type: ignore[operator]
    assert total.co2e.value == pytest.approx(split_sum)
    assert sum(built.precision.values()) == pytest.approx(1)


def test_parts_that_share_an_error_are_wider_together_than_if_they_were_apart(tmp_path: Path) -> None:
    cat = write_catalogue(tmp_path, sites=SITES, equipment=EQUIPMENT)
    services = [record("2026-11-05T10:00", cpu=kwh(1), ram=None, instance=f"north-{n}", service=f"s-{n}") for n in range(9)]
    built = report(*services, catalogue=cat)
    one, all_ = built.services[0].footprint.co2e_operational, built.footprint.co2e_operational
    assert one.low is not None
    assert all_.low is not None
    assert one.value is not None
    assert all_.value is not None
    assert all_.low / all_.value == pytest.approx(one.low / one.value, rel=0.01), "nine services with one meter, site and grid"


def test_a_sum_of_estimates_has_the_interval_of_its_cells() -> None:
    works = (record(cpu=kwh(1), ram=kwh(1)), record(cpu=kwh(2), ram=None, service="b"))
    arguments: dict[str, Any] = {"zone": "FRA", "pue": 1.2, "factors": FACTORS}
    both = assess(fold(works), AssessmentParameters(**arguments))
    parts = [assess(fold([work]), AssessmentParameters(**arguments)).operational for work in works]
    assert None not in parts
    total = Estimate.total([part for part in parts if part])
    assert both.operational is not None
    assert total.value == pytest.approx(both.operational.value)
    assert (total.interval, both.co2e_interval) != (None, None)
    assert total.interval.low == pytest.approx(both.co2e_interval.low)  # type: ignore[union-attr]
    assert total.interval.high == pytest.approx(both.co2e_interval.high)  # type: ignore[union-attr]


SERVICES = "services: [{id: vadore, name: VADORE, status: generalised, functional_unit: réponse, lifetime_units: 1000}]"


def sci_records() -> list[Record]:
    """10 kWh of training in an earlier quarter, 4 of inference and 1 idle in this one, 200 units."""
    return [
        record("2026-08-05T10:00", 20, cpu=kwh(10), ram=None, phase="training"),
        record("2026-11-05T10:00", 20, cpu=kwh(4), ram=None, units_micro=micro(200), accepted_micro=micro(150)),
        record("2026-11-05T10:30", 20, cpu=kwh(1), ram=None, kind="idle", phase=None, spans=0),
        record("2027-01-05T10:00", cpu=0, ram=None),
    ]


def test_sci_is_that_of_a_direct_calculation(tmp_path: Path) -> None:
    cat = write_catalogue(tmp_path, services=SERVICES, equipment=EQUIPMENT)
    built = report(*sci_records(), catalogue=cat)
    intensity_, units, lifetime = 40.0, 200, 1000
    o, m = 5 * intensity_, 92 / 2 * 1000  # grams; all of the machine's quarter is this service's
    trained = 10 * intensity_ + 92 / 2 * 1000  # and all of the quarter before
    assert of(built).sci.value == pytest.approx((o + m + trained * units / lifetime) / units)
    assert of(built).sci_training.value == pytest.approx(trained / lifetime)
    assert of(built).training_quarter == "2026Q3"
    assert of(built).training_intensity.reason == "no-training", "none in this quarter"
    assert of(built).co2e_per_accepted_outcome.value == pytest.approx((o + m) / 150)
    assert of(built).footprint.idle_rate.value == pytest.approx(1 / 5)


def test_sci_needs_units_and_the_lifetime_of_what_was_trained(tmp_path: Path) -> None:
    records = sci_records()
    unsaid = write_catalogue(tmp_path / "a", equipment=EQUIPMENT)
    assert of(report(*records, catalogue=unsaid)).sci.reason == "no-lifetime"
    assert of(report(*records[1:], catalogue=unsaid)).sci.value == pytest.approx((5 * 40 + 46_000) / 200), "never trained here"
    assert of(report(*records[1:], catalogue=unsaid)).sci_training.reason == "no-training"
    assert of(report(*(one.copy_with(units_micro=None) for one in records), catalogue=unsaid)).sci.reason == "no-units"
    assert sci(EstimateOrReason(None, "no-zone"), 5, None, None)[0] == EstimateOrReason(None, "no-zone")
    assert intensity(EstimateOrReason(None, "no-zone"), 0, "no-units") == EstimateOrReason(None, "no-units")


def test_training_intensity_is_of_what_training_counted(tmp_path: Path) -> None:
    cat = write_catalogue(tmp_path, equipment=EQUIPMENT)
    trained = record("2026-11-05T10:00", cpu=kwh(10), ram=None, phase="training", units_micro=micro(50))
    built = report(trained, record("2027-01-05T10:00", cpu=0, ram=None), catalogue=cat)
    assert of(built).training_intensity.value == pytest.approx((10 * 40 + 46_000) / 50)


def test_an_outcomes_file_says_how_many_were_accepted(tmp_path: Path) -> None:
    lines = ("service;quarter;accepted;source", "vadore;2026Q4;100;enquête", "vadore;2026Q3;7;enquête")
    (tmp_path / "outcomes.csv").write_text("\n".join(lines), encoding="utf-8")
    built = report(*sci_records(), catalogue=write_catalogue(tmp_path, equipment=EQUIPMENT))
    assert (of(built).accepted, of(built).accepted_source) == (100, "enquête")
    assert of(built).co2e_per_accepted_outcome.value == pytest.approx((5 * 40 + 46_000) / 100)


def test_waste_is_of_training_runs_that_failed_or_were_abandoned() -> None:
    built = report(
        record("2026-11-05T10:00", cpu=kwh(6), ram=None, phase="training", run_id="good"),
        record("2026-11-05T11:00", cpu=kwh(2), ram=None, phase="training", run_id="bad"),
        record("2026-11-05T11:00", cpu=kwh(9), ram=None, phase="inference", run_id="bad"),
        outcome("2026-11-05T12:00", "good", "ok"),
        outcome("2026-11-05T12:00", "bad", "failed"),
    )
    assert built.footprint.waste_rate.value == pytest.approx(2 / 8)
    unknown = report(record("2026-11-05T10:00", cpu=kwh(6), ram=None, phase="training", run_id="good"))
    assert unknown.footprint.waste_rate.reason == "no-outcomes"
    assert unknown.footprint.idle_rate.reason == "idle-not-separated"


def test_a_run_that_goes_on_in_the_next_quarter_is_not_abandoned() -> None:
    built = report(
        record("2026-12-20T10:00", cpu=kwh(3), ram=None, phase="training", run_id="silent"),
        record("2026-12-28T10:00", cpu=kwh(6), ram=None, phase="training", run_id="good"),
        record("2027-01-03T10:00", cpu=kwh(1), ram=None, phase="training", run_id="good"),
        outcome("2027-01-03T12:00", "good", "ok"),
        record("2027-02-01T10:00", cpu=0, ram=None),
    )
    assert built.footprint.waste_rate.value == pytest.approx(3 / 9)


def test_at_constant_factor_only_the_grid_of_the_reference_year_counts(tmp_path: Path) -> None:
    targets = """\
targets:
  - {id: t, indicator: co2e_constant_factor, baseline: {quarters: [2024Q1]}, reduction: 0.3, horizon: 2030}
"""
    cat = write_catalogue(tmp_path, targets=targets, equipment=EQUIPMENT)
    built = report(record("2026-11-05T10:00", cpu=kwh(10), ram=None), record("2027-01-05T10:00", cpu=0), catalogue=cat)
    assert built.reference_year == 2024
    assert [(used.value_g_per_kwh, used.quarter) for used in built.reference_factors] == [(50, "2026Q4")]
    assert {(each.zone, each.year) for each in built.reference_factors} == {("FRA", 2024)}
    assert built.footprint.co2e.value == pytest.approx(10 * 0.040 + 46)
    assert built.footprint.co2e_constant_factor.value == pytest.approx(10 * 0.050 + 46)
    assert [used.year for used in built.factors] == [2026], "the quarter's own factors are listed apart"
    assert report(record(cpu=kwh(1))).footprint.co2e_constant_factor.reason == "no-reference"


@pytest.mark.parametrize(
    ("indicator", "extra", "observed"),
    [
        ("co2e", "", 0.2 + 46),
        ("co2e_embodied", "", 46),
        ("idle_rate", "", 0.2),
        ("sci", ", service: vadore", (200 + 46_000 + (400 + 46_000) * 0.2) / 200),
        ("co2e_operational", ", service: vadore", 0.2),
    ],
)
def test_a_target_may_be_set_on_each(tmp_path: Path, indicator: str, extra: str, observed: float) -> None:
    value = 0.9 if indicator.endswith("rate") else 1e6
    targets = f"targets: [{{id: t, indicator: {indicator}, op: '<=', value: {value}, deadline: 2026Q4{extra}}}]"
    built = report(*sci_records(), catalogue=write_catalogue(tmp_path, services=SERVICES, targets=targets, equipment=EQUIPMENT))
    (target,) = built.targets
    assert target.observed.value == pytest.approx(observed)
    assert target.verdict in ("tenu", "non-concluant")
    assert target.reason != "not-computed"

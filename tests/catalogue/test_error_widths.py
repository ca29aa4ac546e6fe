"""Every uncertainty is a setting: each one that is chosen reaches the intervals that rest on it, and no value."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ecoia import catalogue
from ecoia.catalogue import api
from ecoia.catalogue.error_widths import GSD, LISTED_WHERE_USED
from ecoia.factors import FactorSet
from ecoia.methods import GUEST_SHARE, GUEST_SHARE_AT_WALL, HOST_MODEL, SERVER_SHARE, SIMULATED, Method
from ecoia.periods import Quarter
from ecoia.records import Record, Tokens, fold
from ecoia.report import Quantity, QuarterlyReport, build_report
from support.factor_sets import factor, half_hourly
from support.organisation import write_catalogue
from support.records import GENERIC, LOAD, kwh, record
from support.settings import make_settings

Q4 = Quarter(2026, 4)
EQUIPMENT = """\
equipment:
  - {id: server, co2e_kg: 1461, life_years: 4, reserved_share: 1, instances: "*", from: 2026-01-01, source: s, date: 2025-12-01}
"""
SITES = """\
sites:
  - id: {quality}
    instances: "*"
    zone: FRA
    pue: [{{value: 1.5, quality: {quality}, source: s, date: 2026-01-01}}]
    wue: [{{value: 0.5, quality: measured, source: s, date: 2026-01-01}}]
    water_factor: [{{value: 3, quality: default, source: s, date: 2026-01-01}}]
"""
CALIBRATION = "calibrations: [{component: cpu, wall_factor: 1.25, source: s, date: 2026-01-01}]"
THIS_YEAR = FactorSet([factor("FRA", 2026, 40.0)])
WHOLE = ("energy_it", "energy", "co2e_operational", "co2e", "water_direct", "water_indirect")
BUILDING = ("energy", "co2e_operational", "co2e", "water_indirect")
GRID = ("co2e_operational", "co2e")
FILLED = FactorSet(half_hourly("FRA", "2026-11-23T10:00", [10.0, None, 20.0]), id="rte").choose(fill="previous")


def built(
    folder: Path, one: Record | Sequence[Record], factors: FactorSet, files: dict[str, str], **gsd: float
) -> QuarterlyReport:
    chosen = {"method": f"gsd: {dict(gsd)}\nbecause: test\n"} if gsd else {}
    return build_report(
        fold([one] if isinstance(one, Record) else one),
        Q4,
        settings=make_settings(zone="FRA"),
        catalogue=write_catalogue(folder, equipment=EQUIPMENT, **files, **chosen),
        factors=factors,
    )


def width(quantity: Quantity) -> float | None:
    return None if quantity.low is None or quantity.high is None else quantity.high / quantity.low


@pytest.mark.parametrize(
    ("name", "one", "factors", "files", "reached"),
    [
        ("wattmeter", {"methods": {"cpu": Method("measured", "wattmeter:undivided")}}, THIS_YEAR, {}, WHOLE),
        ("counters", {}, THIS_YEAR, {}, WHOLE),
        ("model", {"methods": {"cpu": LOAD}}, THIS_YEAR, {}, WHOLE),
        ("generic-model", {"methods": {"cpu": GENERIC}}, THIS_YEAR, {}, WHOLE),
        ("server-share", {"methods": {"cpu": SERVER_SHARE["zen3"]}}, THIS_YEAR, {}, WHOLE),
        ("server-share-vendor", {"methods": {"cpu": SERVER_SHARE["amd"]}}, THIS_YEAR, {}, WHOLE),
        ("server-share-generic", {"methods": {"cpu": SERVER_SHARE["generic"]}}, THIS_YEAR, {}, WHOLE),
        ("guest-share", {"methods": {"cpu": GUEST_SHARE}}, THIS_YEAR, {}, WHOLE),
        ("guest-share-wall", {"methods": {"cpu": GUEST_SHARE_AT_WALL}}, THIS_YEAR, {}, WHOLE),
        ("host-model", {"methods": {"cpu": HOST_MODEL}}, THIS_YEAR, {}, WHOLE),
        ("declared", {"methods": {"cpu": Method("declared", "kwh")}}, THIS_YEAR, {}, WHOLE),
        ("calibration", {}, THIS_YEAR, {"calibration": CALIBRATION}, WHOLE),
        ("pue-measured", {}, THIS_YEAR, {"sites": SITES.format(quality="measured")}, BUILDING),
        ("pue-declared", {}, THIS_YEAR, {"sites": SITES.format(quality="declared")}, BUILDING),
        ("pue-default", {}, THIS_YEAR, {"sites": SITES.format(quality="default")}, BUILDING),
        ("grid-same-year", {}, THIS_YEAR, {}, GRID),
        ("grid-previous-year", {}, FactorSet([factor("FRA", 2025, 40.0)]), {}, GRID),
        ("grid-filled", {"start": "2026-11-23T10:35"}, FILLED, {}, GRID),
        ("embodied", {}, THIS_YEAR, {}, ("co2e_embodied", "co2e")),
        ("water", {}, THIS_YEAR, {}, ("water_direct", "water_indirect")),
        ("api-open", {"tokens": "command-r-08-2024"}, THIS_YEAR, {}, ("co2e_api", "co2e")),
        ("api-closed", {"tokens": "gpt-4o"}, THIS_YEAR, {}, ("co2e_api", "co2e")),
        ("own", {"tokens": "gpt-4o"}, THIS_YEAR, {}, (*WHOLE, "co2e_embodied", "co2e_api")),
    ],
)
def test_a_chosen_deviation_reaches_what_rests_on_it_and_nothing_else(
    tmp_path: Path, name: str, one: dict[str, object], factors: FactorSet, files: dict[str, str], reached: tuple[str, ...]
) -> None:
    fields = dict(one)
    model = fields.pop("tokens", None)
    provider = "openai" if model == "gpt-4o" else "cohere"
    tokens = (Tokens(provider, str(model), 10, 10**9),) if model else ()
    made = record(cpu=kwh(5), ram=None, tokens=tokens, **fields)  # type: ignore[arg-type]
    sites = {"sites": SITES.format(quality="measured"), **files}
    before = built(tmp_path / "a", made, factors, sites)
    after = built(tmp_path / "b", made, factors, sites, **{name: 6.0})
    for indicator in (*WHOLE, "co2e_embodied", "co2e_api"):
        old, new = (it.totals.energy if indicator == "energy" else getattr(it.footprint, indicator) for it in (before, after))
        assert new.value == old.value, indicator
        assert old.value is not None or (indicator == "co2e_api" and not model)
        assert (width(new) != width(old)) == (indicator in reached), indicator


@pytest.mark.parametrize("component", ["cpu", "ram", "gpu"])
def test_a_chosen_deviation_of_attribution_reaches_the_services_of_a_host_and_not_their_sum(
    tmp_path: Path, component: str
) -> None:
    energy: dict[str, int | None] = {"cpu": None, "ram": None, "gpu": None} | {component: kwh(1)}
    two = [record(service=name, methods={component: SIMULATED}, **energy) for name in "ab"]  # type: ignore[arg-type]
    before, after = (
        built(tmp_path / "a", two, THIS_YEAR, {}),
        built(tmp_path / "b", two, THIS_YEAR, {}, **{f"attribution-{component}": 6.0}),
    )
    assert width(after.totals.energy) == pytest.approx(width(before.totals.energy))
    assert width(after.footprint.co2e_operational) == pytest.approx(width(before.footprint.co2e_operational))
    for old, new in zip(before.services, after.services, strict=True):
        assert new.footprint.co2e_operational.value == old.footprint.co2e_operational.value
        wide, narrow = width(new.footprint.co2e_operational), width(old.footprint.co2e_operational)
        assert wide is not None
        assert narrow is not None
        assert wide > 2 * narrow


def test_every_deviation_has_its_case_and_is_in_the_data_with_its_reason(tmp_path: Path) -> None:
    (mark,) = test_a_chosen_deviation_reaches_what_rests_on_it_and_nothing_else.pytestmark  # type: ignore[attr-defined]
    # ``backcast`` is of a baseline (tests/report/test_report.py), the others of the parts of a host (below).
    elsewhere = {"backcast"} | {name for name in GSD if name.startswith("attribution-")}
    assert {case[0] for case in mark.args[1]} == set(GSD) - elsewhere
    plain = built(tmp_path / "a", record(cpu=1), THIS_YEAR, {})
    listed = {name: gsd for name, gsd in GSD.items() if name not in LISTED_WHERE_USED}
    assert [(each.name, each.gsd, each.default) for each in plain.deviations] == [(n, g, g) for n, g in listed.items()]
    assert plain.deviations_because is None
    chosen = built(tmp_path / "b", record(cpu=1), THIS_YEAR, {}, own=1.2)
    assert [each.name for each in chosen.deviations if each.gsd != each.default] == ["own"]
    assert chosen.deviations_because == "test"
    (tmp_path / "b" / "method.yaml").write_text("because: nothing was changed", encoding="utf-8")
    assert built(tmp_path / "b", record(cpu=1), THIS_YEAR, {}).deviations_because is None


def test_a_deviation_that_came_later_is_listed_where_it_is_used_or_chosen(tmp_path: Path) -> None:
    """So a quarter that was published before it came is computed again to the byte."""
    guest = built(tmp_path / "a", record(cpu=1, methods={"cpu": SERVER_SHARE["amd"]}), THIS_YEAR, {})
    assert LISTED_WHERE_USED & {each.name for each in guest.deviations} == {"server-share-vendor"}
    chosen = built(tmp_path / "b", record(cpu=1), THIS_YEAR, {}, **{"server-share": 1.4})
    assert LISTED_WHERE_USED & {each.name for each in chosen.deviations} == {"server-share"}


def test_the_measured_error_of_a_calibrated_host_is_its_default_and_listed_where_it_is_used(tmp_path: Path) -> None:
    entry = (
        "{cpu_model: x, threads: 8, idle_w: 9, busy_w: 1, gib: 8, gsd: %s, n: 200, instances: [%s], from: 2026-01-01, source: s}"
    )
    files = {"host-models": "host_models:\n" + "".join(f"  - {entry % each}\n" for each in ((1.06, "a-1"), (1.13, "b-*")))}
    used = built(tmp_path / "a", record(cpu=1, methods={"cpu": HOST_MODEL}), THIS_YEAR, files)
    (line,) = [each for each in used.deviations if each.name == "host-model"]
    assert (line.gsd, line.default) == (1.13, 1.13), "the widest, as records do not name their model"
    assert "host-model" not in {each.name for each in built(tmp_path / "b", record(cpu=1), THIS_YEAR, files).deviations}
    chosen = built(tmp_path / "c", record(cpu=1, methods={"cpu": HOST_MODEL}), THIS_YEAR, files, **{"host-model": 1.3})
    (line,) = [each for each in chosen.deviations if each.name == "host-model"]
    assert (line.gsd, line.default) == (1.3, 1.13)


def test_widths_of_errors_and_assessing_load_no_model_of_the_catalogue() -> None:
    code = (
        "import sys, ecoia.catalogue.error_widths, ecoia.impact.assessment, ecoia.delivery.deliver\n"
        "print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_catalogue_gives_every_public_name_and_no_other() -> None:
    assert all(getattr(catalogue, name) is getattr(api, name) for name in api.__all__)
    assert catalogue.error_widths.GSD is GSD
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = catalogue.nothing

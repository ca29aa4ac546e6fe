"""Which term of a quarter's change names which cause: one cause at a time, all else equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecoia.factors import FactorSet
from ecoia.methods import SERVER_SHARE, Method
from ecoia.periods import Quarter
from ecoia.records import Record, Tokens, fold
from ecoia.report import QuarterlyReport, build_report
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import LOAD, RAPL, kwh, record
from support.settings import make_settings

GRAMS_PER_KWH = 40
ZEN3 = SERVER_SHARE["zen3"]
GRID = FactorSet([factor("FRA", year, GRAMS_PER_KWH) for year in (2026, 2027)])
BEFORE, NOW, LATER = "2026-08-05T10:00", "2026-11-05T10:00", "2027-01-05T10:00"
MICROGRAMS_PER_KWH = GRAMS_PER_KWH * 1_000_000
SERVER = "co2e_kg: 1461, life_years: 4, reserved_share: 1, instances: host-1, source: s, date: 2026-01-01"
"""1 kg a day of its life."""


def built(folder: Path, *records: Record, **texts: str) -> QuarterlyReport:
    """The report of the quarter of ``NOW``; the record of ``LATER`` shows that the quarter is over."""
    texts = {"services": "services: [{id: vadore, name: V, status: generalised}]", **texts}
    return build_report(
        fold([*records, record(LATER, cpu=1)]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, **texts),
        factors=GRID,
    )


def terms(report: QuarterlyReport) -> dict[str | None, dict[str, int]]:
    """Terms by service, against the quarter of ``BEFORE``; they add up to the change of each."""
    change = next(each for each in report.changes if each.against == "previous-quarter")
    assert change.total is not None, change.reason
    for line in (change.total, *change.services):
        assert sum(line.explained.terms.values()) == line.explained.micrograms
    return {line.explained.service: dict(line.explained.terms) for line in change.services}


def work(start: str, energy: float = 2, **fields: Any) -> Record:
    return record(start, cpu=kwh(energy), ram=None, **fields)


def test_making_of_new_equipment_is_embodied(tmp_path: Path) -> None:
    equipment = f"equipment:\n  - {{id: old, from: 2026-01-01, {SERVER}}}\n  - {{id: new, from: 2026-10-01, {SERVER}}}\n"
    report = built(tmp_path, work(BEFORE), work(NOW), equipment=equipment)
    assert terms(report) == {"vadore": {"embodied": 92 * 10**9}}
    (line,) = report.changes[0].services
    assert line.explained.quarter_micrograms == 2 * 92 * 10**9 + 2 * MICROGRAMS_PER_KWH


def test_making_that_is_unknown_in_one_of_the_quarters_is_in_neither(tmp_path: Path) -> None:
    report = built(tmp_path, work(BEFORE), work(NOW, 3), equipment=f"equipment:\n  - {{id: new, from: 2026-10-01, {SERVER}}}\n")
    assert terms(report) == {"vadore": {"energy": MICROGRAMS_PER_KWH}}
    assert [line.explained.quarter_micrograms for line in report.changes[0].services] == [3 * MICROGRAMS_PER_KWH]


def test_calls_to_hosted_models_are_api(tmp_path: Path) -> None:
    def called(start: str, tokens: int) -> Record:
        return work(start, tokens=(Tokens("openai", "gpt-4o", 0, tokens),))

    report = built(tmp_path, called(BEFORE, 100_000), called(NOW, 400_000))
    (found,) = terms(report).values()
    assert found.keys() == {"api"}
    assert found["api"] == pytest.approx(report.footprint.co2e_api.value * 1e9 * 3 / 4, rel=1e-6)


def test_calls_to_a_model_that_is_unknown_in_one_of_the_quarters_are_in_neither(tmp_path: Path) -> None:
    def called(start: str, model: str) -> Record:
        return work(start, tokens=(Tokens("openai", model, 0, 100_000),))

    report = built(tmp_path, called(BEFORE, "gpt-4o"), called(NOW, "nobody-knows"))
    assert terms(report) == {"vadore": {}}
    assert [line.explained.quarter_micrograms for line in report.changes[0].services] == [2 * MICROGRAMS_PER_KWH]


def test_work_in_no_phase_is_still_its_services(tmp_path: Path) -> None:
    assert terms(built(tmp_path, work(BEFORE, phase=None), work(NOW, 3, phase=None))) == {
        "vadore": {"energy": MICROGRAMS_PER_KWH}
    }


@pytest.mark.parametrize(
    ("declared", "term"),
    [
        ("since: 2026-10-01", "entry"),
        ("since: 2026-09-30", "coverage"),
        ("scope: national", "coverage"),
        ("since: 2026-10-01, succeeds: old", "coverage"),
    ],
    ids=["began after", "existed", "nobody knows since when", "carries on an older one"],
)
def test_a_service_comes_only_where_the_register_says_that_it_began(declared: str, term: str, tmp_path: Path) -> None:
    calls = record(NOW, cpu=None, ram=None, service="bot", tokens=(Tokens("openai", "gpt-4o", 0, 100_000),))
    services = f"""\
services:
  - {{id: vadore, name: V, status: generalised}}
  - {{id: old, name: O, status: retired, since: 2026-01-01}}
  - {{id: bot, name: B, status: poc, {declared}}}
"""
    report = built(tmp_path, work(BEFORE), work(NOW), calls, services=services)
    assert terms(report)["bot"] == {term: pytest.approx(report.footprint.co2e_api.value * 1e9)}


@pytest.mark.parametrize(("status", "term"), [("retired", "exit"), ("poc", "coverage")])
def test_a_service_goes_only_where_it_is_retired(status: str, term: str, tmp_path: Path) -> None:
    services = f"services: [{{id: vadore, name: V, status: generalised}}, {{id: bot, name: B, status: {status}}}]"
    report = built(tmp_path, work(BEFORE), work(NOW), work(BEFORE, service="bot"), services=services)
    assert terms(report)["bot"] == {term: -2 * MICROGRAMS_PER_KWH}


def on_days(month: str, days: int, host: str = "host-1", energy: float = 1) -> list[Record]:
    """A record of a unit each day from the first of a month on."""
    return [
        work(f"{month}-{day:02}T10:00", energy, units_micro=1_000_000, instance=host, record_id=f"{month}/{host}/{day}")
        for day in range(1, days + 1)
    ]


DAYS = "services: [{id: vadore, name: V, status: generalised, instance_days: 20}]"


def test_days_that_were_not_recorded_are_coverage(tmp_path: Path) -> None:
    """20 days of a unit and a kilowatt-hour, then 8 of them."""
    report = built(tmp_path, *on_days("2026-08", 20), *on_days("2026-11", 8), services=DAYS)
    assert terms(report) == {"vadore": {"coverage": -12 * MICROGRAMS_PER_KWH}}


def test_a_second_instance_is_volume(tmp_path: Path) -> None:
    """The register knows today's instances alone: 40 instance-days, of which the quarter before had 20 on its one."""
    now = (*on_days("2026-11", 20), *on_days("2026-11", 20, "host-2"))
    report = built(tmp_path, *on_days("2026-08", 20), *now, services=DAYS.replace("20", "40"))
    assert terms(report) == {"vadore": {"volume": 20 * MICROGRAMS_PER_KWH}}


def test_days_of_training_do_not_stand_in_for_days_of_serving(tmp_path: Path) -> None:
    trained = [replace(each, record_id=f"t{each.record_id}", phase="training") for each in on_days("2026-11", 20)]
    report = built(tmp_path, *on_days("2026-08", 20), *on_days("2026-11", 8), *trained, services=DAYS)
    assert terms(report) == {"vadore": {"coverage": -12 * MICROGRAMS_PER_KWH, "energy": 20 * MICROGRAMS_PER_KWH}}


@pytest.mark.parametrize(
    ("before", "now"), [(LOAD, RAPL), (LOAD, SERVER_SHARE["zen3"]), (SERVER_SHARE["amd"], SERVER_SHARE["zen3"])]
)
def test_another_meter_is_a_change_of_method(tmp_path: Path, before: Method, now: Method) -> None:
    report = built(tmp_path, work(BEFORE, methods={"cpu": before}), work(NOW, 3, methods={"cpu": now}))
    assert terms(report) == {"vadore": {"method": MICROGRAMS_PER_KWH}}


def test_a_component_that_is_missing_in_both_is_no_method(tmp_path: Path) -> None:
    """The GPU is not known in either quarter; by which method it is not known changes nothing."""
    missing = {"cpu": RAPL, "gpu": LOAD, "ram": LOAD}
    energy = {"cpu": kwh(2), "gpu": None, "ram": None}
    report = built(tmp_path, record(BEFORE, energy_microjoules=energy, method=missing), work(NOW, 3))
    assert terms(report) == {"vadore": {"energy": MICROGRAMS_PER_KWH}}


def test_a_building_that_becomes_known_is_a_change_of_method(tmp_path: Path) -> None:
    figure = "{value: 1.5, quality: declared, from: 2026-10-01, source: s, date: 2026-10-01}"
    sites = f"sites:\n  - {{id: centre, name: C, zone: FRA, instances: ['*'], pue: [{figure}]}}\n"
    assert terms(built(tmp_path, work(BEFORE), work(NOW), sites=sites)) == {"vadore": {"method": MICROGRAMS_PER_KWH}}


def test_a_building_that_uses_less_is_pue(tmp_path: Path) -> None:
    figures = ", ".join(
        f"{{value: {value}, quality: declared, {days}, source: s, date: 2026-01-01}}"
        for value, days in ((2.0, "from: 2026-01-01, until: 2026-10-01"), (1.5, "from: 2026-10-01"))
    )
    sites = f"sites:\n  - {{id: centre, name: C, zone: FRA, instances: ['*'], pue: [{figures}]}}\n"
    assert terms(built(tmp_path, work(BEFORE), work(NOW), sites=sites)) == {"vadore": {"pue": -MICROGRAMS_PER_KWH}}


def test_idle_energy_set_apart_in_one_quarter_only_is_a_change_of_method(tmp_path: Path) -> None:
    """The same meter; power at rest became known, so the service bears its part of it."""
    idle = record("2026-11-05T11:00", cpu=kwh(1), ram=None, kind="idle", phase=None, spans=0)
    assert terms(built(tmp_path, work(BEFORE), work(NOW), idle)) == {"vadore": {"method": MICROGRAMS_PER_KWH}}


def test_kinds_of_energy_that_are_no_services_are_compared_apart(tmp_path: Path) -> None:
    """Unattributed energy grew; what ecoia itself used is counted by another meter."""

    def nobodys(start: str, kind: str, energy: float, **fields: Any) -> Record:
        return work(start, energy, kind=kind, service=None, phase=None, spans=0, **fields)

    report = built(
        tmp_path,
        nobodys(BEFORE, "unattributed", 1),
        nobodys(NOW, "unattributed", 3),
        nobodys(BEFORE, "overhead", 1, methods={"cpu": LOAD}),
        nobodys(NOW, "overhead", 2),
    )
    assert terms(report)[None] == {"energy": 2 * MICROGRAMS_PER_KWH, "method": MICROGRAMS_PER_KWH}


def test_training_and_serving_are_compared_apart(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        work(BEFORE, 2, units_micro=4_000_000),
        work(NOW, 4, units_micro=8_000_000),
        work(BEFORE, 1, phase="training", methods={"cpu": LOAD}),
        work(NOW, 3, phase="training"),
    )
    assert terms(report) == {"vadore": {"volume": 2 * MICROGRAMS_PER_KWH, "method": 2 * MICROGRAMS_PER_KWH}}


def test_energy_that_is_no_services_comes_first(tmp_path: Path) -> None:
    nobodys = {"kind": "unattributed", "service": None, "phase": None, "spans": 0}
    report = built(tmp_path, work(BEFORE), work(NOW), work(BEFORE, **nobodys), work(NOW, **nobodys))
    assert list(terms(report)) == [None, "vadore"]


@pytest.mark.parametrize(
    ("units", "absorbed"),
    [(7, False), (8, False), (9, False), (12, True)],
    ids=["a unit took more", "as much", "less, within noise", "less"],
)
def test_a_gain_is_absorbed_only_where_a_unit_took_clearly_less(units: int, absorbed: bool, tmp_path: Path) -> None:
    report = built(tmp_path, work(BEFORE, 2, units_micro=4_000_000), work(NOW, 4, units_micro=units * 1_000_000))
    assert [line.explained.absorbed_gain for line in report.changes[0].services] == [absorbed]

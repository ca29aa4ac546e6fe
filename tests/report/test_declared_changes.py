"""Nothing vanishes unseen: each thing that is declared otherwise than in the last publication is listed by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecoia.catalogue import DescribedModel
from ecoia.catalogue.calibration import Calibration
from ecoia.catalogue.electricity import Contract
from ecoia.catalogue.equipment import Equipment
from ecoia.catalogue.fields import Model
from ecoia.catalogue.register import Service
from ecoia.catalogue.sites import Site, SiteFigure
from ecoia.catalogue.targets import Target
from ecoia.factors import FactorSet
from ecoia.impact.inputs import Inputs, read_inputs, write_inputs
from ecoia.periods import Quarter
from ecoia.records import fold
from ecoia.report import DeclaredChange
from ecoia.report.declared_changes import EFFECTS, KINDS, declared_changes
from ecoia_dashboards import wording
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

Q4 = Quarter(2026, 4)
FACTORS = FactorSet([factor("FRA", 2026, 40.0), factor("DEU", 2026, 380.0)], id="ours", version="1")
ROWS = fold([record("2026-11-05T10:00", cpu=kwh(4), service="a", zone="FRA")])
FILES = {
    "services": """\
unnamed: {count: 20}
services:
  - {id: a, name: A, status: generalised, instance_days: 92, since: 2026-01-01}
  - {id: b, name: B, status: poc}
  - {id: c, name: C, status: retired}
""",
    "targets": """\
targets:
  - {id: cap, indicator: co2e, op: "<=", value: 1200, deadline: 2026Q4}
  - {id: floor, indicator: coverage_services, op: ">=", value: 0.9, deadline: 2026Q4}
  - {id: path, indicator: co2e, baseline: {quarters: [2025Q4]}, reduction: 0.35, horizon: 2028}
recalculation: {threshold: 0.05}
""",
    "method": "gsd: {counters: 1.3}\nbecause: measured on 2026-01-01\n",
    "sites": """\
sites:
  - id: north
    name: Nord
    instances: host-*
    zone: FRA
    pue:
      - {value: 1.5, quality: measured, from: 2026-01-01, until: 2027-01-01, source: s, date: 2026-01-01}
      - {value: 1.4, quality: measured, from: 2027-01-01, source: s, date: 2026-01-01}
    wue: [{value: 0.4, quality: declared, source: s, date: 2026-01-01}]
""",
    "equipment": """\
equipment:
  - {id: m, co2e_kg: 1461, life_years: 4, reserved_share: 0.5, instances: host-*, from: 2026-01-01, source: s, date: 2026-01-01}
""",
    "calibration": """\
calibrations:
  - {component: cpu, wall_factor: 1.2, instances: host-*, source: s, date: 2026-01-01}
""",
    "contracts": """\
contracts:
  - {supplier: Vert, gco2e_per_kwh: 12, scope: lifecycle, share: 0.5, zone: FRA, from: 2026-01-01, until: 2027-01-01, evidence: e}
""",
}


def inputs_of(folder: Path, factors: FactorSet = FACTORS, zone: str | None = "FRA", **texts: str) -> Inputs:
    return Inputs.of(ROWS, write_catalogue(folder, **texts), factors, make_settings(zone=zone))


@pytest.fixture
def before(tmp_path: Path) -> Inputs:
    """What was frozen, as it is read back."""
    write_inputs(inputs_of(tmp_path / "then", **FILES), Q4, tmp_path / "frozen", tmp_path / "then")
    return read_inputs(tmp_path / "frozen", with_rows=False)


def changed(before: Inputs, folder: Path, **swaps: tuple[str, str]) -> list[DeclaredChange]:
    """Compare with what is declared once a text of each file is swapped."""
    texts = dict(FILES)
    for name, (old, new) in swaps.items():
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new, 1)
    return list(declared_changes(before, inputs_of(folder / "now", **texts), Q4, ("2", "2")))


def told(changes: list[DeclaredChange]) -> list[tuple[str, str, str, str, str, str, str]]:
    return [(each.kind, each.id, each.what, each.field, each.before, each.after, each.effect) for each in changes]


def test_nothing_is_listed_where_nothing_changed(before: Inputs, tmp_path: Path) -> None:
    assert changed(before, tmp_path) == []


CASES = [
    # targets
    ("targets", ("value: 1200", "value: 1500"), "target cap: value <= 1200 → <= 1500, loosened"),
    ("targets", ("value: 1200", "value: 900"), "target cap: value <= 1200 → <= 900, tightened"),
    ("targets", ("value: 0.9", "value: 0.8"), "target floor: value >= 0.9 → >= 0.8, loosened"),
    ("targets", ("value: 0.9", "value: 0.95"), "target floor: value >= 0.9 → >= 0.95, tightened"),
    ("targets", ("deadline: 2026Q4", "deadline: 2027Q2"), "target cap: deadline 2026Q4 → 2027Q2, loosened"),
    ("targets", ("horizon: 2028", "horizon: 2030"), "target path: horizon 2028 → 2030, loosened"),
    ("targets", ("reduction: 0.35", "reduction: 0.3"), "target path: reduction 0.35 → 0.3, loosened"),
    ("targets", ("[2025Q4]", "[2025Q3, 2025Q4]"), "target path: baseline.quarters 2025Q4 → 2025Q3, 2025Q4, unclear"),
    ("targets", ("indicator: co2e, op", "indicator: energy, op"), "target cap: indicator co2e → energy, unclear"),
    ("targets", ("threshold: 0.05", "threshold: 0.2"), "method : threshold 0.05 → 0.2, loosened"),
    # register
    ("services", ("id: a, name: A", "id: a, name: Alpha"), "service a: name A → Alpha, "),
    ("services", ("instance_days: 92", "instance_days: 40"), "service a: instance_days 92 → 40, denominator-lowered"),
    ("services", (", instance_days: 92", ""), "service a: instance_days 92 → , denominator-lowered"),
    ("services", ("since: 2026-01-01", "since: 2026-06-01"), "service a: since 2026-01-01 → 2026-06-01, "),
    ("services", ("status: poc", "status: qualification"), "service b: status poc → qualification, "),
    # method, sites, equipment, calibrations, contracts
    ("method", ("counters: 1.3", "counters: 1.1"), "method counters: gsd 1.3 → 1.1, intervals-narrowed"),
    ("method", ("counters: 1.3", "counters: 6.0"), "method counters: gsd 1.3 → 6, intervals-widened"),
    ("sites", ("value: 1.5", "value: 1.2"), "site north: pue.value 1.5 → 1.2, figures-lowered"),
    ("sites", ("value: 1.5", "value: 1.6"), "site north: pue.value 1.5 → 1.6, "),
    ("sites", ("value: 0.4", "value: 0.1"), "site north: wue.value 0.4 → 0.1, "),
    ("sites", ("zone: FRA", "zone: DEU"), "site north: zone FRA → DEU, "),
    ("equipment", ("life_years: 4", "life_years: 8"), "equipment m: life_years 4 → 8, "),
    ("calibration", ("wall_factor: 1.2", "wall_factor: 1"), "calibration cpu: wall_factor 1.2 → 1, figures-lowered"),
    ("contracts", ("share: 0.5", "share: 0.9"), "contract Vert: share 0.5 → 0.9, "),
]


@pytest.mark.parametrize(("file", "swap", "expected"), CASES, ids=[expected for *_, expected in CASES])
def test_each_field_that_is_declared_otherwise_is_listed_by_itself(
    file: str, swap: tuple[str, str], expected: str, before: Inputs, tmp_path: Path
) -> None:
    (it,) = changed(before, tmp_path, **{file: swap})
    assert f"{it.kind} {it.id}: {it.field} {it.before} → {it.after}, {it.effect}".replace("  ", " ") == expected
    assert it.what == "changed"


def test_a_machine_that_is_gone_is_told_by_what_its_making_took(before: Inputs, tmp_path: Path) -> None:
    found = told(changed(before, tmp_path, equipment=(FILES["equipment"], "equipment: []\n")))
    assert found == [("equipment", "m", "removed", "co2e_kg", "1461", "", "")]


def lines(name: str, without: str) -> Iterator[str]:
    return (line for line in FILES[name].splitlines(keepends=True) if without not in line)


@pytest.mark.parametrize(("id_", "was"), [("cap", "<= 1200"), ("floor", ">= 0.9"), ("path", "0.35")])
def test_a_target_that_is_gone_is_a_target_loosened(id_: str, was: str, before: Inputs, tmp_path: Path) -> None:
    now = inputs_of(tmp_path / "now", **{**FILES, "targets": "".join(lines("targets", f"id: {id_}"))})
    (change,) = declared_changes(before, now, Q4, ("2", "2"))
    assert (change.what, change.before, change.after, change.effect) == ("removed", was, "", "loosened")
    assert change.unit == {"cap": "kgCO2e", "floor": "1", "path": "1"}[id_]


def test_a_target_under_another_id_is_one_gone_and_one_added(before: Inputs, tmp_path: Path) -> None:
    found = changed(before, tmp_path, targets=("id: cap", "id: ceiling"))
    assert [(each.id, each.what, each.effect) for each in found] == [("cap", "removed", "loosened"), ("ceiling", "added", "")]


@pytest.mark.parametrize(
    ("swap", "id_", "what"),
    [
        (("  - {id: b, name: B, status: poc}\n", ""), "b", "removed"),
        (("id: b, name: B, status: poc", "id: b, name: B, status: retired"), "b", "changed"),
        (("count: 20", "count: 19"), "", "changed"),
    ],
)
def test_what_lowers_the_denominator_of_coverage_says_so_and_the_denominator_is_told(
    swap: tuple[str, str], id_: str, what: str, before: Inputs, tmp_path: Path
) -> None:
    first, whole = changed(before, tmp_path, services=swap)
    assert (first.kind, first.id, first.what, first.effect) == ("service", id_, what, "denominator-lowered")
    assert (whole.field, whole.before, whole.after, whole.effect) == ("denominator", "22", "21", "denominator-lowered")


def test_what_leaves_the_denominator_alone_lowers_nothing(before: Inputs, tmp_path: Path) -> None:
    (gone,) = changed(before, tmp_path, services=("  - {id: c, name: C, status: retired}\n", ""))
    assert (gone.id, gone.what, gone.effect) == ("c", "removed", "")
    added, whole = changed(before, tmp_path, services=("  - {id: c", "  - {id: d, name: D, status: poc}\n  - {id: c"))
    assert (added.what, added.effect, whole.after, whole.effect) == ("added", "", "23", "")


def test_days_moved_from_one_phase_to_another_lower_what_one_of_them_is_expected_on(tmp_path: Path) -> None:
    texts = {"services": "services: [{id: a, name: A, status: poc, instance_days: {inference: {gpu-01: 92}, training: 11}}]\n"}
    write_inputs(inputs_of(tmp_path / "then", **texts), Q4, tmp_path / "frozen", tmp_path / "then")
    now = {"services": texts["services"].replace("92", "102").replace("11", "1")}
    (change,) = declared_changes(read_inputs(tmp_path / "frozen"), inputs_of(tmp_path / "now", **now), Q4, ("2", "2"))
    assert (change.field, change.effect) == ("instance_days_by_part", "denominator-lowered")
    assert (change.before, change.after) == ("inference.gpu-01: 92, training: 11", "inference.gpu-01: 102, training: 1")


@pytest.mark.parametrize(
    ("then", "now", "effect"),
    [
        ("92", "{training: 92}", "denominator-lowered"),
        ("{training: 92}", "92", "denominator-lowered"),
        ("{inference: {gpu-01: 92}}", "{inference: {gpu-03: 92}}", "denominator-lowered"),
        ("{inference: 92, training: 11}", "103", "denominator-lowered"),
        ("184", "{inference: {gpu-01: 92, gpu-03: 92}}", ""),
        ("{inference: {gpu-01: 92, gpu-03: 92}}", "184", "denominator-lowered"),
    ],
)
def test_days_declared_of_something_else_are_listed_though_their_sum_stays(
    then: str, now: str, effect: str, tmp_path: Path
) -> None:
    texts = [f"services: [{{id: a, name: A, status: poc, instance_days: {days}}}]\n" for days in (then, now)]
    old, new = (inputs_of(tmp_path / str(place), services=text) for place, text in enumerate(texts))
    (change,) = declared_changes(old, new, Q4, ("2", "2"))
    assert (change.field, change.effect) == ("instance_days_by_part", effect)


@pytest.mark.parametrize(("named", "effect"), [(0, "denominator-lowered"), (1, "denominator-lowered"), (2, ""), (3, "")])
def test_naming_services_that_had_no_name_hides_none(named: int, effect: str, before: Inputs, tmp_path: Path) -> None:
    texts = dict(FILES)
    texts["services"] = texts["services"].replace("count: 20", "count: 18") + "".join(
        f"  - {{id: n{number}, name: N{number}, status: poc}}\n" for number in range(named)
    )
    texts["services"] += "  - {id: gone, name: Gone, status: retired}\n"
    found = declared_changes(before, inputs_of(tmp_path / "now", **texts), Q4, ("2", "2"))
    (unnamed,) = [each for each in found if each.field == "unnamed.count"]
    assert unnamed.effect == effect


def test_another_time_zone_moves_quarters_and_is_listed(before: Inputs, tmp_path: Path) -> None:
    now = inputs_of(tmp_path / "now", **FILES)
    now = replace(now, settings=replace(before.settings, timezone="Asia/Tokyo"))
    (change,) = declared_changes(before, now, Q4, ("2", "2"))
    assert (change.kind, change.field, change.after) == ("site", "timezone", "Asia/Tokyo")


def test_the_declared_size_of_a_model_is_listed_field_by_field(tmp_path: Path) -> None:
    service = "services: [{{id: a, name: A, status: poc{}}}]"
    then, now, gone = (
        inputs_of(tmp_path / name, services=service.format(said))
        for name, said in (
            ("then", ", model: {training_tokens: 2000}"),
            ("now", ", model: {training_tokens: 3000, parameters_total_billion: 7}"),
            ("gone", ""),
        )
    )
    found = {each.field: (each.before, each.after) for each in declared_changes(then, now, Q4, ("2", "2"))}
    assert found == {"model.training_tokens": ("2000", "3000"), "model.parameters_total_billion": ("", "7")}
    (removed,) = declared_changes(then, gone, Q4, ("2", "2"))
    assert (removed.field, removed.before, removed.after) == ("model.training_tokens", "2000", "")


def test_fields_that_only_describe_are_left_out(before: Inputs, tmp_path: Path) -> None:
    assert changed(before, tmp_path, services=("id: a, name: A", "id: a, audience: tous, purpose: p, name: A")) == []


def test_a_figure_of_a_site_is_told_from_its_others_by_its_day(before: Inputs, tmp_path: Path) -> None:
    (change,) = changed(before, tmp_path, sites=("value: 1.4", "value: 1.1"))
    assert (change.field, change.from_day, change.name) == ("pue.value", "2027-01-01", "Nord")


def test_the_method_the_factors_and_the_settings_are_compared(before: Inputs, tmp_path: Path) -> None:
    others = FactorSet([factor("FRA", 2026, 60.0)], id="others", version="7")
    now = inputs_of(tmp_path / "now", others, zone="DEU", **FILES)
    found = told(list(declared_changes(before, now, Q4, ("1", "2"))))
    assert ("method", "", "changed", "version", "1", "2", "") in found
    assert ("factor", "", "changed", "id", "ours", "others", "") in found
    assert ("factor", "", "changed", "version", "1", "7", "") in found
    assert ("site", "", "changed", "zone", "FRA", "DEU", "") in found


def test_values_of_one_edition_that_were_altered_are_counted(before: Inputs, tmp_path: Path) -> None:
    altered = FactorSet([factor("FRA", 2026, 39.0), factor("DEU", 2026, 1.0)], id="ours", version="1")
    found = told(list(declared_changes(before, inputs_of(tmp_path / "now", altered, **FILES), Q4, ("2", "2"))))
    assert found == [("factor", "", "changed", "values", "", "1", "")], "Germany's factors count nowhere"


def test_frozen_inputs_give_the_same_list_as_those_that_were_frozen(before: Inputs, tmp_path: Path) -> None:
    texts = {**FILES, "services": "services: []\n", "targets": "targets: []\n", "sites": "sites: []\n"}
    later = fold([record("2027-02-05T10:00", cpu=kwh(4), service="a", zone="DEU")])
    now = replace(inputs_of(tmp_path / "now", **texts), rows=[*ROWS, *later])
    write_inputs(now, Q4, tmp_path / "again", tmp_path / "now")
    found = declared_changes(before, now, Q4, ("2", "2"))
    assert found == declared_changes(before, read_inputs(tmp_path / "again"), Q4, ("2", "2"))
    assert {each.kind for each in found} <= set(KINDS)
    assert {each.effect for each in found} <= {"", *EFFECTS}
    assert [each.kind for each in found] == sorted((each.kind for each in found), key=KINDS.index)
    assert json.dumps([each.before for each in found])


def test_every_field_that_can_be_told_has_words() -> None:
    told_by: list[tuple[type[Model], set[str]]] = [
        (Target, {"baseline", "decision"}),
        (Service, {"audience", "purpose", "scope", "owner_role", "boamps", "model"}),
        (Equipment, set()),
        (Calibration, set()),
        (Contract, set()),
        (Site, {"pue", "wue", "water_factor", "id"}),
    ]
    for model, apart in told_by:
        assert set(model.model_fields) - apart <= set(wording.DECLARED_FIELDS), model.__name__
    assert {f"model.{field}" for field in DescribedModel.model_fields} <= set(wording.DECLARED_FIELDS)
    for figure in ("pue", "wue", "water_factor"):
        assert {f"{figure}.{name}" for name in SiteFigure.model_fields} <= set(wording.DECLARED_FIELDS)
    assert {"denominator", "values", "unreadable", "version", "gsd", "threshold"} <= set(wording.DECLARED_FIELDS)


PAST = {
    "outcomes": "service,quarter,accepted,source\na,2026Q3,500,count\na,2026Q4,100,count\n",
    "regions": "region,service,quarter,units,source\nnorth,a,2026Q3,70,count\nnorth,a,2026Q4,10,count\n",
}


@pytest.mark.parametrize(
    ("file", "swap", "expected"),
    [
        ("outcomes", ("500", "900"), ("outcomes", "a", "changed", "accepted", "500", "900")),
        ("outcomes", ("a,2026Q3,500,count\n", ""), ("outcomes", "a", "removed", "accepted", "500", "")),
        ("outcomes", ("a,2026Q3", "a,2026Q2,50,late\na,2026Q3"), ("outcomes", "a", "added", "accepted", "", "50")),
        ("outcomes", ("2026Q4,100", "2026Q4,101"), None),
        ("regions", ("70", "7"), ("region", "a", "changed", "units", "70", "7")),
        ("regions", ("2026Q4,10", "2026Q4,11"), None),
    ],
)
def test_what_was_stated_of_a_past_quarter_is_listed_where_it_changed(
    file: str, swap: tuple[str, str], expected: tuple[str, ...] | None, tmp_path: Path
) -> None:
    def declared(folder: Path, texts: dict[str, str]) -> Inputs:
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        return inputs_of(folder, **FILES)

    write_inputs(declared(tmp_path / "then", PAST), Q4, tmp_path / "frozen", tmp_path / "then")
    frozen = read_inputs(tmp_path / "frozen", with_rows=False)
    now = declared(tmp_path / "now", {**PAST, file: PAST[file].replace(*swap)})
    found = declared_changes(frozen, now, Q4, ("2", "2"))
    assert [told([each])[0][:-1] for each in found] == ([] if expected is None else [expected])
    assert {each.from_day for each in found} <= {"2026-04-01", "2026-07-01"}


SPLIT = "  - {id: a, name: A, status: generalised, functional_unit: reply}\n"


@pytest.mark.parametrize(
    ("added", "effects"),
    [
        ("  - {id: a1, name: A1, status: generalised, functional_unit: reply}\n", {"a1": "without-past"}),
        ("  - {id: a1, name: A1, status: generalised, functional_unit: reply, succeeds: [a]}\n", {"a1": ""}),
        ("  - {id: a1, name: A1, status: generalised, functional_unit: letter}\n", {"a1": ""}),
        ("  - {id: a1, name: A1, status: generalised}\n", {"a1": ""}),
        (
            "  - {id: a1, name: A1, status: poc, functional_unit: reply}\n"
            "  - {id: a2, name: A2, status: poc, functional_unit: reply}\n",
            {"a1": "without-past", "a2": "without-past"},
        ),
    ],
)
def test_a_service_split_without_saying_what_it_succeeds_is_listed(added: str, effects: dict[str, str], tmp_path: Path) -> None:
    then = inputs_of(tmp_path / "then", services=f"services:\n{SPLIT}")
    now = inputs_of(tmp_path / "now", services=f"services:\n{SPLIT}{added}")
    found = declared_changes(then, now, Q4, ("2", "2"))
    assert {each.id: each.effect for each in found if each.what == "added"} == effects

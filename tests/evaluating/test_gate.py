"""The gate of a pipeline: what it measures, when it fails, and that noise never fails it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecoia.cli import app
from ecoia.cli.check import _junit, _markdown
from ecoia.errors import UsageError
from ecoia.evaluating.gate import (
    BASELINE,
    BUDGET,
    INCONCLUSIVE,
    NOT_MEASURED,
    OK,
    OVER,
    REASONS,
    REGRESSED,
    Finding,
    GateBaseline,
    _t95,
    check,
    measure,
    read_baseline,
    read_budgets,
)
from ecoia.impact.change import change_interval
from ecoia.keeping.journal import Journal
from ecoia.methods import Method
from ecoia.records import Record
from ecoia.units import micro
from support.records import DECLARED, LOAD, RAPL, kwh, outcome, record

KEY = ("vadore", "inference")


NO_DEVICE = Method("missing", "no-device")


def run(wh_per_unit: float, number: int = 1, units: int = 100, cpu: Method = RAPL, **fields: Any) -> Record:
    """One process that delivered some units, on a machine whose only meter is the processor's."""
    energy = kwh(wh_per_unit * units / 1000)
    method = {"cpu": cpu, "gpu": NO_DEVICE, "ram": NO_DEVICE}
    return record(**{"cpu": energy, "ram": None, "units_micro": micro(units), "pid": number, "method": method, **fields})


def runs(*wh_per_unit: float, **fields: Any) -> GateBaseline:
    return measure([run(each, number, **fields) for number, each in enumerate(wh_per_unit)])


def budget(measured: GateBaseline, limit: float) -> Finding:
    (finding,) = check(measured, {KEY: limit}, None)
    return finding


def change(now: GateBaseline, before: GateBaseline) -> Finding:
    (finding,) = check(now, {}, before)
    return finding


# --- what is measured -------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 1000), st.integers(1, 4)), min_size=1), st.randoms())
def test_every_microjoule_and_unit_of_the_spans_is_there_once_in_any_order(
    found: list[tuple[int, int, int]], order: random.Random
) -> None:
    records = [record(cpu=energy, ram=7, units_micro=micro(units), pid=pid) for energy, units, pid in found]
    measured = measure(records)
    (one,) = measured.measured
    assert sum(each.microjoules or 0 for each in one.energy) == sum(energy + 7 for energy, _, _ in found)
    assert sum(each.microjoules for each in one.repeats) == sum(energy + 7 for energy, _, _ in found)
    assert one.units_micro == sum(micro(units) for _, units, _ in found)
    assert len(one.repeats) == len({pid for *_, pid in found})
    shuffled = [*records, *records]
    order.shuffle(shuffled)
    assert measure(shuffled) == measured, "neither order nor a record that is there twice changes anything"


def test_only_what_was_measured_here_and_now_counts() -> None:
    measured = measure(
        [
            run(1.0),
            run(50.0, simulated=True),
            run(50.0, cpu=DECLARED, declared_source="facture"),
            record(kind="idle", phase=None, cpu=kwh(50)),
            record(kind="unattributed", service=None, phase=None, cpu=kwh(50)),
            outcome("2026-11-23T10:05", "run-1", "ok"),
        ]
    )
    (one,) = measured.measured
    assert one.per_unit.value == pytest.approx(1.0)


def test_a_device_that_two_processes_claim_whole_counts_once() -> None:
    shared = [
        record(cpu=0, gpu=kwh(n), pid=n, devices=("GPU-1",), shared_devices=("GPU-1",), units_micro=micro(1)) for n in (1, 2)
    ]
    (one,) = measure(shared).measured
    assert sum(each.microjoules or 0 for each in one.energy) == kwh(2)


def test_runs_are_told_by_their_id_else_by_their_process() -> None:
    same = [run(1.0, pid, run_id="run-1") for pid in (1, 2)]
    assert len(measure(same).measured[0].repeats) == 1
    assert len(measure([run(1.0, 1), run(1.0, 2)]).measured[0].repeats) == 2


def test_a_record_that_another_process_corrected_counts_no_more() -> None:
    wrong = run(50.0, 1)
    (one,) = measure([wrong, run(1.0, 2, replaces=wrong.record_id)]).measured
    assert (one.per_unit.value, len(one.repeats)) == (pytest.approx(1.0), 1)


@pytest.mark.parametrize(
    ("one", "reason"),
    [(run(1.0, units_micro=None), "no-units"), (run(0.0), "no-energy"), (record(cpu=None, ram=None, units_micro=1), "no-energy")],
)
def test_what_has_no_energy_per_unit_fails_its_budget_with_the_reason(one: Record, reason: str) -> None:
    finding = budget(measure([one]), 5.0)
    assert (finding.verdict, finding.reason, finding.fails) == (NOT_MEASURED, reason, True)


# --- against a budget -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "verdict"), [(0.5, OVER), (0.97, INCONCLUSIVE), (1.05, INCONCLUSIVE), (1.2, OK)])
def test_a_budget_is_exceeded_beyond_noise_only(limit: float, verdict: str) -> None:
    finding = budget(runs(1.0), limit)
    assert finding.verdict == verdict
    assert finding.fails == (verdict == OVER)
    assert finding.low is not None
    assert finding.high is not None
    assert finding.low < 1.0 < finding.high


def test_what_has_a_budget_and_was_not_measured_fails() -> None:
    finding = budget(GateBaseline((), ""), 1.0)
    assert (finding.verdict, finding.reason, finding.fails) == (NOT_MEASURED, "not-recorded", True)


def test_a_minimum_is_not_under_a_budget_but_may_be_over_it() -> None:
    measured = measure([run(1.0, method={"cpu": RAPL, "gpu": Method("missing", "no-driver"), "ram": NO_DEVICE})])
    assert (budget(measured, 5.0).verdict, budget(measured, 5.0).reason) == (INCONCLUSIVE, "component-missing")
    assert budget(measured, 0.5).verdict == OVER


def test_repeats_that_spread_make_a_verdict_less_sure() -> None:
    assert budget(runs(1.2, 1.2, 1.2), 1.0).verdict == OVER
    assert budget(runs(0.8, 1.2, 1.6), 1.0).verdict == INCONCLUSIVE


# --- against a baseline -----------------------------------------------------------------------------------------------


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_without_repeats_the_noise_is_the_change_interval(now: float, before: float) -> None:
    here, there = runs(now), runs(before)
    expected = change_interval(here.measured[0].per_unit, there.measured[0].per_unit)
    finding = change(here, there)
    assert expected is not None
    assert (finding.low, finding.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6))
def test_the_same_measured_again_never_fails(values: list[float]) -> None:
    finding = change(runs(*values), runs(*values))
    assert finding.verdict == INCONCLUSIVE
    assert finding.change == pytest.approx(0.0)
    assert not finding.fails


@given(st.floats(0.2, 5), st.floats(0.5, 2), st.lists(st.floats(0.8, 1.25), min_size=1, max_size=6))
def test_more_energy_is_never_a_better_verdict(factor: float, base: float, spread: list[float]) -> None:
    order = [OK, INCONCLUSIVE, REGRESSED]
    before = runs(*(base * each for each in spread))
    ranks = [order.index(change(runs(*(base * factor * times * each for each in spread)), before).verdict) for times in (1, 1.5)]
    assert ranks[0] <= ranks[1]


def test_a_shared_meter_cancels_where_two_meters_would_hide_the_change() -> None:
    assert change(runs(1.3), runs(1.0)).verdict == REGRESSED, "RAPL alone is wrong by 55 %, on both sides alike"
    assert change(runs(0.7), runs(1.0)).verdict == OK
    within = change(runs(1.05), runs(1.0))
    assert (within.verdict, within.reason) == (INCONCLUSIVE, "within-noise")


def test_the_spread_is_pooled_over_both_sides_and_as_sure_as_its_repeats() -> None:
    now, before = (1.0, 1.2, 1.4), (1.1, 1.1)
    logs = [[math.log(value) for value in side] for side in (now, before)]
    squares = sum((value - sum(side) / len(side)) ** 2 for side in logs for value in side)
    repeats = 3.182 * math.sqrt(squares / 3 * (1 / 3 + 1 / 2))
    meters = 1.96 * math.sqrt(2) * math.log(1.05)  # the same meter: what each side deviates on its own is left
    finding = change(runs(*now), runs(*before))
    assert finding.high is not None
    assert finding.change is not None
    assert math.log1p(finding.high) - math.log1p(finding.change) == pytest.approx(math.hypot(repeats, meters), rel=5e-3)


def test_a_regression_smaller_than_the_spread_is_inconclusive() -> None:
    steady, wild = (0.99, 1.0, 1.01, 1.0, 1.0), (0.6, 1.0, 1.5, 0.8, 1.1)
    assert change(runs(*(1.3 * each for each in steady)), runs(*steady)).verdict == REGRESSED
    assert change(runs(*(1.3 * each for each in wild)), runs(*wild)).verdict == INCONCLUSIVE


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"cpu": LOAD}, "method-changed"), ({"context": {"cpu_model": "Other", "cpu_count": 2}}, "hardware-changed")],
)
def test_what_is_not_comparable_is_inconclusive_however_large_the_change(fields: dict[str, Any], reason: str) -> None:
    finding = change(runs(9.0, **fields), runs(1.0))
    assert (finding.verdict, finding.reason, finding.fails) == (INCONCLUSIVE, reason, False)


def test_what_only_one_side_has_is_shown_and_fails_nothing() -> None:
    new = change(runs(1.0), GateBaseline((), ""))
    assert (new.verdict, new.reason, new.fails) == (INCONCLUSIVE, "not-in-baseline", False)
    gone = change(GateBaseline((), ""), runs(1.0))
    assert (gone.verdict, gone.check, gone.fails) == (NOT_MEASURED, BASELINE, False)


def test_t_is_students() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (*range(1, 40), 100, 10_000):
        assert _t95(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-3)


# --- files ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**6), st.integers(1, 3)), max_size=5))
def test_a_baseline_comes_back_as_it_was_kept(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "main.json"
    kept = measure(record(cpu=energy, ram=None, units_micro=units, pid=pid) for energy, units, pid in found)
    path.write_text(kept.to_json(), encoding="utf-8")
    assert read_baseline(path) == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its text"),
        ("{}", "measured: Field required"),
        ('{"measured": [], "until_utc": "", "schema": 2}', "schema 2: upgrade ecoia"),
        ('{"measured": [{"service": 1}], "until_utc": ""}', "measured.0.service"),
        (runs(1.0).to_json().replace('"microjoules": 36', '"microjoules": -36', 1), "greater than or equal to 0"),
    ],
)
def test_what_is_no_baseline_is_refused_with_the_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "main.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="ecoia check --save") as caught:
        read_baseline(path)
    assert said in str(caught.value)
    assert "main.json" in str(caught.value)


def test_a_baseline_that_is_not_there_yet_says_how_to_keep_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no baseline .*main\.json' yet.*--save.*leave --against out"):
        read_baseline(tmp_path / "main.json")


def test_budgets_are_read_by_service_and_phase(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(
        '\ufeff[vadore.inference]\nenergy_per_unit_wh = 1\n["a.b"."fine-tuning"]\nenergy_per_unit_wh = 0.5\n', encoding="utf-8"
    )
    assert read_budgets(path) == {("vadore", "inference"): 1.0, ("a.b", "fine-tuning"): 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no budget: write a table such as"),
        ("[vadore", "not readable as TOML"),
        ("[VADORE.inference]\nenergy_per_unit_wh = 1", "'VADORE': a service id holds"),
        ("vadore = 3", "vadore = 3: write a table [vadore.PHASE]"),
        ("[vadore]\ninference = 3", "vadore.inference = 3: write a table [vadore.inference]"),
        ("[vadore.infrence]\nenergy_per_unit_wh = 1", "vadore.infrence: did you mean 'inference'?"),
        ("[vadore.inference]", "vadore.inference: energy_per_unit_wh is missing"),
        ("[vadore.inference]\nenergy_per_unit = 1", "did you mean 'energy_per_unit_wh'?"),
        *(
            (f"[vadore.inference]\nenergy_per_unit_wh = {value}", "write a number above 0, in Wh per functional unit")
            for value in ("0", "-1", "nan", "inf", "true", '"1"', "[1]")
        ),
    ],
)
def test_a_wrong_budget_is_named_by_key_value_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"budgets\.toml") as caught:
        read_budgets(path)
    assert said in str(caught.value)


def test_every_wrong_budget_is_told_at_once_and_an_unreadable_file_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text("[a.inference]\nenergy_per_unit_wh = 0\n[b.serving]\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_budgets(path)
    assert len(str(caught.value).splitlines()) == 3
    with pytest.raises(UsageError, match="name it with --budget"):
        read_budgets(tmp_path / "nowhere.toml")
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="TOML in UTF-8"):
        read_budgets(path)


# --- the command ------------------------------------------------------------------------------------------------------


def ecoia(*words: object) -> Any:
    result = CliRunner().invoke(app, ["check", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def pipeline(home: Path, *records: Record) -> Path:
    """The journal of one pipeline."""
    writer = Journal(home).writer()
    writer.append(records)
    writer.close()
    return home


@pytest.fixture
def budgets() -> Path:
    path = Path("budgets.toml")
    path.write_text("[vadore.inference]\nenergy_per_unit_wh = 2\n", encoding="utf-8")
    return path


def test_a_merge_request_is_compared_with_main_by_name(tmp_path: Path, budgets: Path) -> None:
    kept = ecoia("--home", pipeline(tmp_path / "main", run(1.0)), "--save", "main")
    assert kept.exit_code == 0, kept.output
    assert Path(".ecoia/baselines/main.json").is_file()
    assert ".ecoia/baselines/main.json" in kept.stdout
    same = ecoia("--home", pipeline(tmp_path / "same", run(1.01)), "--budget", budgets, "--against", "main")
    assert same.exit_code == 0, same.output
    assert "2 checks: 0 failed, 1 inconclusive" in same.stdout
    worse = ecoia("--home", pipeline(tmp_path / "worse", run(1.5)), "--budget", budgets, "--against", "main")
    assert worse.exit_code == 1
    assert "regressed" in worse.stdout
    over = ecoia("--home", pipeline(tmp_path / "over", run(3.0)), "--budget", budgets)
    assert over.exit_code == 1
    assert "over" in over.stdout


def test_the_baseline_is_kept_even_where_the_budget_is_exceeded(tmp_path: Path, budgets: Path) -> None:
    result = ecoia("--home", pipeline(tmp_path / "over", run(3.0)), "--budget", budgets, "--save", tmp_path / "kept" / "b.json")
    assert result.exit_code == 1
    assert read_baseline(tmp_path / "kept" / "b.json").measured[0].per_unit.value == pytest.approx(3.0)


def test_a_pipeline_that_measured_nothing_never_passes(tmp_path: Path, budgets: Path) -> None:
    for words in (("--budget", budgets), ("--save", "main")):
        result = ecoia("--home", tmp_path / "nothing", *words)
        assert result.exit_code == 1
        assert "nothing was measured" in result.stderr
    assert not Path(".ecoia").exists(), "an empty baseline would pass everything"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name --budget FILE, --against NAME or --save NAME"),
        (("--against", "main"), "no baseline"),
        (("--against", "feature/x"), "CI_COMMIT_REF_SLUG"),
        (("--save", "../main"), "--save '../main'"),
        (("--budget", "nowhere.toml"), "cannot be read"),
    ],
)
def test_wrong_use_says_the_remedy_and_exits_2(words: tuple[str, ...], said: str) -> None:
    result = ecoia(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path, budgets: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    home = pipeline(tmp_path / "home", run(1.0))
    result = ecoia("--home", home, "--budget", budgets, "--junit", tmp_path / "file" / "energy.xml")
    assert result.exit_code == 1
    assert "energy.xml" in result.stderr
    assert "cannot be written" in result.stderr


def test_junit_and_markdown_say_what_the_table_says(tmp_path: Path, budgets: Path) -> None:
    budgets.write_text("[vadore.inference]\nenergy_per_unit_wh = 2\n[other.training]\nenergy_per_unit_wh = 1\n", encoding="utf-8")
    ecoia("--home", pipeline(tmp_path / "main", run(1.0)), "--save", "main")
    worse = pipeline(tmp_path / "worse", run(1.95), run(1.0, service="new"))
    result = ecoia("--home", worse, "--budget", budgets, "--against", "main", "--junit", "energy.xml", "--markdown", "energy.md")
    assert result.exit_code == 1
    suite = ElementTree.parse("energy.xml").getroot()  # noqa: S314 - our own file
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "2",
    }  # fmt: skip
    cases = {(case.get("classname"), case.get("name")): [child.tag for child in case] for case in suite}
    assert cases == {
        ("ecoia.other.training", "energy per unit, budget"): ["error"],
        ("ecoia.vadore.inference", "energy per unit, budget"): ["skipped"],
        ("ecoia.vadore.inference", "energy per unit, against main"): ["failure"],
        ("ecoia.new.inference", "energy per unit, against main"): ["skipped"],
    }
    text = Path("energy.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    assert len({line.count("|") for line in table}) == 1
    assert "4 checks: 2 failed, 2 inconclusive" in text


HOSTILE = "a|b`</failure>\u202e\x1b[31m\x00\ud800\n&<img src=x onerror=alert(1)>[x](http://x)"


@pytest.mark.parametrize("verdict", [OK, OVER, REGRESSED, INCONCLUSIVE, NOT_MEASURED])
def test_hostile_names_stay_names_in_xml_and_markdown(verdict: str) -> None:
    from ecoia.cli.check import _cells, _clean

    findings = (Finding(HOSTILE, HOSTILE, BUDGET, verdict, "within-noise", 1.0, 2.0, low=0.9, high=1.1),)
    rows = [tuple(_clean(cell) for cell in _cells(finding, HOSTILE)) for finding in findings]
    suite = ElementTree.fromstring(_junit(findings, rows))  # noqa: S314 - our own text
    assert len(suite) == 1
    assert len(suite[0]) == 1
    lines = _markdown(rows, "").splitlines()
    assert len(lines) == 7
    assert "<img" not in lines[4]
    assert "\x1b" not in lines[4]
    assert "\u202e" not in lines[4]
    assert lines[4].replace("\\|", "").count("|") == lines[2].count("|")


def test_json_of_a_baseline_holds_no_machine_name() -> None:
    kept = measure([run(1.0, instance="host-of-somebody")])
    assert "host-of-somebody" not in kept.to_json()
    assert json.loads(kept.to_json())["schema"] == 1


def test_every_reason_has_its_words() -> None:
    assert all(REASONS.values())
    assert math.isclose(_t95(10), 2.228)
    assert "check" in typer.main.get_command(app).commands  # type: ignore[attr-defined]

"""Runs: the list pages through all of them, comparisons judge by noise, and one run is the sum of its rows."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from ecoia.exploring import Explorer, Selection
from ecoia.periods import Quarter
from ecoia.records import Record
from ecoia_dashboards.dashboard.access import Access
from ecoia_dashboards.dashboard.app import create_app
from support.dashboard import ask
from support.filled import filled_explorer
from support.records import LOAD, kwh, outcome, record

SERVICES = """\
services:
  - {id: vadore, name: VADORE, status: generalised, quality: {accuracy: higher}}
  - {id: analyse-cv, name: "<script>alert(1)</script>", status: generalised}
"""
HOSTILE = '"><script>alert(2)'
QUARTER = Quarter(2026, 3)
RUNS = {"a" * 32: (1.0, 0.9), "b" * 32: (3.0, 0.9), "c" * 32: (1.02, 0.8)}
A, B, C = RUNS


def _run(run_id: str, energy: float, accuracy: float | None, day: str, **fields: Any) -> Iterator[Record]:
    work = {"run_id": run_id, "phase": "training", **fields}
    quality = {} if accuracy is None else {"accuracy": accuracy}
    yield record(f"{day}T10:00", 30, cpu=kwh(energy / 2), ram=None, quality=quality, **work)
    yield record(f"{day}T10:30", 30, cpu=kwh(energy / 2), ram=None, quality=quality, **work)


def records() -> Iterator[Record]:
    for number, (run_id, (energy, accuracy)) in enumerate(RUNS.items()):
        yield from _run(run_id, energy, accuracy, f"2026-08-0{number + 1}")
        yield outcome(f"2026-08-0{number + 1}T11:00", run_id, "ok")
    yield from _run("lost", 0.5, 0.7, "2026-08-05")
    yield outcome("2026-08-05T11:00", "lost", "failed")
    yield from _run(HOSTILE, 0.1, None, "2026-08-06", service="analyse-cv")
    yield from _run("modelled", 1.0, 0.9, "2026-08-07", methods={"cpu": LOAD})
    yield from _run("over-quarters", 0.2, None, "2026-06-30")
    yield from _run("over-quarters", 0.3, None, "2026-07-01")
    yield record("2026-08-08T10:00", 30, phase="training", cpu=kwh(0.7), ram=None)


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    return filled_explorer(tmp_path_factory.mktemp("runs"), records(), SERVICES)


@pytest.fixture(scope="module")
def app(explorer: Explorer) -> Any:
    return create_app(explorer)


def data(app: Any, path: str) -> dict[str, Any]:
    answer = ask(app, f"/api/v1{path}")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)  # type: ignore[no-any-return]


# --- the list ---


def test_the_runs_and_what_is_outside_are_all_training(app: Any, explorer: Explorer) -> None:
    found = data(app, "/runs")
    whole = explorer.selected(Selection.of_quarter(QUARTER)).training_microjoules
    assert found["outside_microjoules"] == kwh(0.7)
    assert found["microjoules"] + found["outside_microjoules"] == whole
    assert sum(each["line"]["microjoules"] for each in found["shown"]) == found["microjoules"]


def test_the_dearest_stands_first_and_lost_runs_are_counted(app: Any) -> None:
    found = data(app, "/runs")
    assert found["shown"][0]["line"]["run_id"] == B
    assert found["lost"] == 2  # the one that failed, and the one that went silent
    share = sum(each["line"]["microjoules"] for each in found["shown"] if each["line"]["outcome"] in ("failed", "abandoned"))
    assert found["lost_energy"]["value"] / found["energy"]["value"] == pytest.approx(share / found["microjoules"])
    assert "2 sont en échec ou abandonnés" in ask(app, "/runs").text
    assert "1 est en échec ou abandonné" in ask(app, "/runs?q=lost").text
    assert "aucun n’est en échec" in ask(app, f"/runs?q={A}").text


def test_a_run_that_another_equals_for_less_is_matched(app: Any) -> None:
    standing = {each["line"]["run_id"]: each["standing"] for each in data(app, "/runs")["shown"]}
    assert standing[A] == "unmatched"
    assert standing[B] == "matched"
    assert standing["lost"] is None  # only finished runs are compared
    assert standing[C] == "unmatched"  # worse and dearer than A, but within noise of its energy


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("outcome=failed", {"lost"}),
        ("outcome=unknown&service=vadore", {"modelled"}),
        ("outcome=failed,abandoned", {"lost", "over-quarters"}),
        ("service=analyse-cv", {HOSTILE}),
        (f"q={A[:12]}", {A}),
        ("q=script", {HOSTILE}),
    ],
)
def test_filters_choose_runs_and_drive_the_totals(app: Any, query: str, wanted: set[str]) -> None:
    found = data(app, f"/runs?{query}")
    assert {each["line"]["run_id"] for each in found["shown"]} == wanted
    assert found["count"] == len(wanted)
    assert found["microjoules"] == sum(each["line"]["microjoules"] for each in found["shown"])


def test_the_bar_offers_how_runs_end_and_figures_lead_to_rows_without_that_filter(app: Any) -> None:
    page = html.unescape(ask(app, "/runs?outcome=failed&service=vadore").text)
    assert re.search(r"<summary>Issue\s: en échec</summary>", page)
    offered = re.findall(r'name="outcome" value="(\w+)"', page)
    assert offered == ["ok", "failed", "abandoned", "unknown"]
    assert "Statut" not in page
    whence = re.search(r'<p class="whence"><a href="([^"]+)" aria-label="[^"]*Énergie des runs"', page)
    assert whence is not None
    assert whence[1] == "/formula?service=vadore"


def test_a_filter_that_lets_nothing_through_says_so(app: Any) -> None:
    text = ask(app, "/runs?q=nothing-has-this-name").text
    assert "Aucun run ne correspond" in text
    assert "<table" not in text


@pytest.mark.parametrize("query", ["outcome=nobody", "sort=nothing", "after=none"])
def test_what_cannot_be_chosen_is_refused_by_name(app: Any, query: str) -> None:
    answer = ask(app, f"/runs?{query}")
    assert answer.status == 400
    assert query.split("=")[0] in answer.text


@pytest.mark.parametrize("sort", ["energy", "-energy", "start", "-duration", "run", "outcome", "service", "co2e"])
def test_a_column_sorts_both_ways(app: Any, sort: str) -> None:
    forth = [each["line"]["run_id"] for each in data(app, f"/runs?sort={sort}")["shown"]]
    assert sorted(forth) == sorted(each["line"]["run_id"] for each in data(app, "/runs")["shown"])
    if sort.endswith("energy"):
        energies = [each["line"]["microjoules"] for each in data(app, f"/runs?sort={sort}")["shown"]]
        assert energies == sorted(energies, reverse=sort.startswith("-"))
    rows = ask(app, f"/runs?sort={sort}").text.split("<tbody>")[-1].split("</tbody>")[0]
    assert [html.unescape(each) for each in re.findall(r'name="runs" value="([^"]*)"', rows)] == forth


def test_ten_thousand_runs_are_paged_through_once_each(app: Any, explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    one = explorer.runs(Selection.of_quarter(QUARTER))[0]
    many = [replace(one, run_id=f"{number:032x}", microjoules=one.microjoules + number % 7) for number in range(10_000)]
    monkeypatch.setattr(Explorer, "runs", lambda self, selection: list(many))
    app = create_app(explorer)
    seen: list[str] = []
    after = ""
    for _ in range(3):
        found = data(app, f"/runs?after={quote(after)}")
        seen += [each["line"]["run_id"] for each in found["shown"]]
        after = found["next"]
    assert len(seen) == len(set(seen)) == 150
    assert found["count"] == 10_000
    last = data(app, f"/runs?after={quote(f'{one.service}/{one.phase}/{many[-1].run_id}')}&sort=run")
    assert (last["shown"], last["next"]) == ([], None)
    assert len(ask(app, "/runs").content) < 200_000
    assert data(app, f"/runs?q={many[4321].run_id}")["count"] == 1


# --- comparisons ---


def test_a_difference_beyond_noise_is_told_from_noise(app: Any) -> None:
    assert "de plus que le run aaaaaaaa, au-delà du bruit" in ask(app, f"/runs/compare?runs={A},{B}").text
    assert "de moins que le run bbbbbbbb, au-delà du bruit" in ask(app, f"/runs/compare?runs={B},{A}").text
    assert "ne dépasse pas le bruit" in ask(app, f"/runs/compare?runs={A},{C}").text


def test_errors_that_runs_do_not_share_widen_the_interval(app: Any) -> None:
    alike, unlike = (data(app, f"/runs/compare?runs={A},{other}")["sides"][1] for other in (C, "modelled"))
    assert alike["alike"]
    assert not unlike["alike"]
    assert unlike["change"]["high"] - unlike["change"]["low"] > alike["change"]["high"] - alike["change"]["low"]
    assert "Mesurés de façons différentes" in ask(app, f"/runs/compare?runs={A},modelled").text


def test_unlike_runs_have_a_banner(app: Any) -> None:
    other = quote(HOSTILE)
    text = ask(app, f"/runs/compare?runs={A},{other}").text
    assert "ne sont pas du même service" in text
    assert "Aucune mesure de qualité n’est commune" in text
    assert "ne sont pas du même service" not in ask(app, f"/runs/compare?runs={A},{B}").text


def test_only_what_differs_is_left_on_request(app: Any) -> None:
    def headings(query: str) -> set[str]:
        text = ask(app, f"/runs/compare?runs={A},{B}{query}").text
        return set(re.findall(r'<th scope="col"[^>]*>([^<]+)', text.split('id="table-runs"')[1].split("</table>")[0]))

    assert headings("") - headings("&view=diff") == {"accuracy", "Durée", "Issue", "Service, phase", "Machines"}


def test_components_of_the_runs_add_up_to_them(app: Any) -> None:
    for side in data(app, f"/runs/compare?runs={A},{B},modelled")["sides"]:
        run = side["run"]
        assert sum(each["microjoules"] for each in run["methods"]) == sum(each["microjoules"] for each in run["lines"])


@pytest.mark.parametrize("query", ["", f"runs={A}"])
def test_fewer_than_two_runs_ask_for_more(app: Any, query: str) -> None:
    assert "Choisissez au moins deux runs" in ask(app, f"/runs/compare?{query}").text


def test_too_many_runs_are_refused(app: Any) -> None:
    answer = ask(app, "/runs/compare?runs=" + ",".join("abcdefghi"))
    assert answer.status == 400
    assert "8" in answer.text


# --- one run ---


@pytest.mark.parametrize("path", ["/runs/nobody", f"/runs/compare?runs={A},nobody"])
def test_a_run_that_does_not_exist_is_said_with_some_that_do(app: Any, path: str) -> None:
    answer = ask(app, path)
    assert answer.status == 404
    assert B in answer.text


def test_a_run_has_the_figures_that_the_list_has(app: Any) -> None:
    listed = {each["line"]["run_id"]: each["line"] for each in data(app, "/runs")["shown"]}
    found = data(app, f"/runs/{B}")["lines"]
    assert found == [listed[B]]


def test_a_run_over_two_quarters_is_whole(app: Any) -> None:
    found = data(app, "/runs/over-quarters")
    assert sum(each["microjoules"] for each in found["lines"]) == kwh(0.5)
    assert sum(each["microjoules"] for each in found["half_hours"]) == kwh(0.5)
    listed = [data(app, f"/runs?period={quarter}&q=over-quarters")["shown"][0]["line"] for quarter in ("2026Q2", "2026Q3")]
    assert found["lines"][0]["energy"]["value"] == pytest.approx(sum(each["energy"]["value"] for each in listed))


def test_a_run_is_followed_to_its_own_work(app: Any) -> None:
    link = re.search(r'href="(/formula[^"]*)"', ask(app, f"/runs/{B}").text)
    assert link is not None
    assert html.unescape(link[1]) == f"/formula?period=2026-08-02..2026-08-02&service=vadore&phase=training&run={B}"


def test_a_gap_in_the_records_interrupts_the_power(app: Any) -> None:
    figure = json.loads(ask(app, "/runs/over-quarters/figures/power.json").text)
    assert None in figure["data"][0]["y"]


def test_hostile_names_are_inert(app: Any) -> None:
    for path in ("/runs", f"/runs/{quote(HOSTILE, safe='')}", f"/runs/compare?runs={A},{quote(HOSTILE)}"):
        text = ask(app, path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


def test_a_run_leads_into_the_mlflow_server_that_it_is_from(
    app: Any, explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Voir ce run dans MLflow" not in ask(app, f"/runs/{A}").text  # the source has no address
    state = replace(explorer.state, source_uri="https://mlflow.example/", digest="other")
    monkeypatch.setattr(Explorer, "state", state)
    other = create_app(explorer)
    assert f'href="https://mlflow.example/#/runs/{A}"' in ask(other, f"/runs/{A}").text
    assert "Voir ce run dans MLflow" not in ask(other, "/runs/modelled").text  # no run of MLflow has such an id


def test_a_reader_of_one_service_sees_its_runs_only(explorer: Explorer) -> None:
    class OneService(Access):
        def allowed(self, request: Any) -> frozenset[str] | None:
            return frozenset({"analyse-cv"})

    app = create_app(explorer, OneService())
    assert {each["line"]["run_id"] for each in data(app, "/runs")["shown"]} == {HOSTILE}
    answer = ask(app, f"/runs/{A}")
    assert answer.status == 404
    assert B not in answer.text


# --- what quality costs ---


def test_what_quality_costs_is_what_the_command_says(app: Any, explorer: Explorer) -> None:
    (found,) = data(app, "/runs")["bought"]
    (compared,) = explorer.compared_runs(Selection.of_quarter(QUARTER), "energy")
    assert found["compared"] == len(compared.front.scored) == 3
    assert found["best"]["run_id"] == compared.front.front[-1].key == A
    assert found["enough"]["run_id"] == A
    assert found["spared"] is None
    assert found["lost"] == compared.waste.count
    assert found["lost_energy"]["value"] == pytest.approx(compared.waste.cost.value if compared.waste.cost else 0)
    assert found["lost_share"] == pytest.approx(compared.waste.share)
    assert found["tolerance"] == found["point"] == 0.01
    assert [each["per_point"]["value"] for each in found["steps"]] == pytest.approx(
        [step.cost / step.gained / 100 for step in compared.front.steps]
    )
    page = ask(app, "/runs").text
    assert "Ce que coûte la qualité" in page
    assert "What quality costs" in ask(app, "/runs?lang=en").text
    assert ask(app, "/runs/tables/bought.csv").status == 200


def test_a_tolerance_that_is_no_number_is_refused(app: Any) -> None:
    assert data(app, "/runs?tolerance=0,2")["bought"][0]["tolerance"] == 0.2
    for wrong in ("-1", "nan", "much"):
        answer = ask(app, f"/api/v1/runs?tolerance={wrong}")
        assert answer.status == 400
        assert "tolerance" in answer.text

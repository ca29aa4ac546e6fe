"""Comparing periods and services: sums are the report's, and a change is called established by its own interval only."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.report import Quantity
from ecoia_dashboards.dashboard.pages.compare.periods import Moved
from support.dashboard import ask
from support.large_organisation import QUARTER

PREVIOUS = str(QUARTER.shift(-1))


def data(app: Any, query: str = "") -> dict[str, Any]:
    answer = ask(app, f"/api/v1/compare?{query}")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)  # type: ignore[no-any-return]


def table(app: Any, name: str, query: str = "") -> list[dict[str, str]]:
    text = ask(app, f"/compare/tables/{name}.csv?lang=en&{query}").text
    return list(csv.DictReader(io.StringIO(text.split("\n", 1)[1])))


# --- sums ---


@pytest.mark.parametrize(("query", "before"), [("", PREVIOUS), ("compare=year", "2025Q3"), ("compare=2025Q4", "2025Q4")])
def test_the_services_add_up_to_both_reports(app: Any, explorer: Explorer, query: str, before: str) -> None:
    found = data(app, query)
    for name, quarter in (("microjoules_before", before), ("microjoules", str(QUARTER))):
        whole = explorer.report(quarter).totals.energy_components_microjoules
        assert sum(each[name] for each in found["services"]) == whole


def test_causes_of_the_services_add_up_to_those_of_the_whole(app: Any) -> None:
    found = data(app)
    for term, micrograms in found["explained"]["terms"].items():
        assert sum(each["terms"].get(term, 0) for each in found["services"]) == micrograms
    whole = found["explained"]
    assert sum(whole["terms"].values()) == whole["quarter_micrograms"] - whole["reference_micrograms"]


@pytest.mark.parametrize("query", ["", "view=diff"])
@pytest.mark.parametrize("name", ["energy", "co2e"])
def test_the_lines_of_a_table_add_up_to_its_last(app: Any, name: str, query: str) -> None:
    *lines, whole = table(app, name, query)
    column = next(heading for heading in whole if heading.startswith("Q3"))
    assert sum(float(line[column] or 0) for line in lines) == pytest.approx(float(whole[column]), rel=1e-9)


def test_co2e_of_a_part_that_one_quarter_does_not_know_is_not_zero(app: Any) -> None:
    found = next(each for each in data(app)["services"] if each["service"] == "synthese-entretien")
    assert found["co2e"]["before"] == found["co2e"]["after"]
    assert found["co2e"]["after"]["value"] is None
    assert found["co2e"]["after"]["reason"] == "part-not-compared"


def test_sentence_causes_and_tables_write_co2e_in_one_unit(app: Any) -> None:
    assert set(re.findall(r"(\w+)CO₂e", ask(app, "/compare").text)) == {"kg"}


def test_a_longer_period_is_said(app: Any) -> None:
    assert "92 jours contre 91." in ask(app, "/compare").text.replace("\xa0", " ")
    assert "jours contre" not in ask(app, "/compare?compare=year").text


# --- what is established ---


def test_established_changes_are_those_of_the_report(app: Any, explorer: Explorer) -> None:
    change = explorer.report(str(QUARTER)).changes[0]
    wanted = {
        line.explained.service
        for line in change.services
        if line.relative.low is not None and line.relative.direction != "unclear" and line.energy.reason is None
    }
    found = {
        each["service"]
        for each in data(app)["services"]
        if each["co2e"]["change"]["low"] is not None and (each["co2e"]["change"]["low"] > 0 or each["co2e"]["change"]["high"] < 0)
    }
    assert found == wanted - {None}


def test_a_fall_by_missing_records_is_no_fall(app: Any) -> None:
    vadore = next(each for each in data(app)["services"] if each["service"] == "vadore")
    assert vadore["caution"] == "days-unequal"
    assert vadore["energy"]["change"]["value"] is None
    assert vadore["co2e"]["change"]["value"] is None
    text = ask(app, "/compare?view=diff").text
    rows = text.split('id="table-co2e"')[1].split("</table>")[0]
    assert "VADORE" not in rows
    assert "À lire avec prudence" in text


def test_a_renamed_service_is_compared_under_its_new_id(app: Any, explorer: Explorer) -> None:
    found = {each["service"]: each for each in data(app, "period=2026Q1&compare=2025Q4")["services"]}
    assert "aide-redaction" not in found
    renamed = found["assistant-conseiller"]
    assert renamed["microjoules_before"] > 0
    old = next(each for each in explorer.report("2025Q4").register if each.id == "aide-redaction")
    assert renamed["microjoules_before"] == old.energy_components_microjoules
    assert renamed["caution"] is None


def test_the_earlier_period_stands_first_whichever_is_asked_for(app: Any) -> None:
    forth, back = data(app, "period=2026Q3&compare=2026Q1"), data(app, "period=2026Q1&compare=2026Q3")
    assert forth == back
    assert (forth["before"], forth["after"]) == ("2026Q1", "2026Q3")


@pytest.mark.parametrize(
    ("change", "established"),
    [
        (Quantity(0.1, "1", 0.05, 0.2), True),
        (Quantity(-0.1, "1", -0.2, -0.05), True),
        (Quantity(0.1, "1", -0.05, 0.2), False),
        (Quantity(0.1, "1"), False),  # nothing says how sure it is
        (Quantity(None, "1", reason="days-unequal"), False),
    ],
)
def test_a_change_is_established_by_its_whole_interval(change: Quantity, established: bool) -> None:
    assert Moved(Quantity(1.0, "kWh"), Quantity(1.1, "kWh"), change).established is established


# --- filters and spans ---


def test_a_filter_of_services_drives_totals_and_causes(app: Any) -> None:
    found = data(app, "service=fraude,indus")
    assert [each["service"] for each in found["services"]] == ["fraude", "indus"]
    whole = found["explained"]
    assert sum(sum(each["terms"].values()) for each in found["services"]) == sum(whole["terms"].values())
    alone = data(app, "service=fraude")
    assert alone["energy"]["after"] == alone["services"][0]["energy"]["after"]


@pytest.mark.parametrize(("query", "why"), [("period=2026-07-01..2026-07-31", "not-quarters"), ("phase=inference", "filtered")])
def test_causes_that_are_not_known_are_said(app: Any, query: str, why: str) -> None:
    found = data(app, query)
    assert (found["explained"], found["unexplained"]) == (None, why)
    text = ask(app, f"/compare?{query}").text
    assert 'id="figure-change"' not in text
    assert "Les causes de l’écart ne sont pas calculées" in text


@pytest.mark.parametrize("sort", ["after", "-difference"])
def test_a_column_sorts_the_lines_and_leaves_the_last_ones(app: Any, sort: str) -> None:
    column = "Q3\N{NO-BREAK SPACE}2026 (kWh)" if sort == "after" else "Change (kWh)"
    *lines, none, whole = table(app, "energy", f"sort={sort}")
    values = [float(line[column]) for line in lines if line[column]]
    assert values == sorted(values, reverse=sort.startswith("-"))
    assert none["Service"].startswith("No service")
    assert float(whole["Q3\N{NO-BREAK SPACE}2026 (kWh)"]) > max(values)


def test_without_a_reference_the_page_asks_for_one(app: Any) -> None:
    assert "Choisissez la période" in ask(app, "/compare?compare=none").text


def test_a_quarter_before_all_data_is_no_zero(app: Any) -> None:
    found = data(app, "period=2025Q2")
    assert found["energy"]["before"]["value"] is None
    assert found["energy"]["change"]["value"] is None


# --- services side by side ---


def test_services_of_unlike_units_are_not_compared_by_use(app: Any) -> None:
    query = "view=services&service=vadore,fraude"
    assert data(app, query)["same_unit"] is False
    text = ask(app, f"/compare?{query}").text
    assert "ne rendent pas la même chose" in text
    assert "Énergie par usage" not in text


def test_services_of_one_unit_are_compared_by_use(app: Any, explorer: Explorer) -> None:
    units: dict[str, list[str]] = {}
    for entry in explorer.report(str(QUARTER)).register:
        if entry.functional_unit:
            units.setdefault(entry.functional_unit, []).append(entry.id)
    twice = "aide-redaction,assistant-conseiller"
    assert sorted(twice.split(",")) == sorted(units["réponse proposée"])
    text = ask(app, f"/compare?view=services&service={twice}").text
    assert "Énergie par usage" in text
    assert "ne rendent pas la même chose" not in text


def test_a_service_without_records_has_no_bar(app: Any) -> None:
    query = "period=2026Q1&view=services&service=aide-redaction,assistant-conseiller"
    assert "Seule l’énergie de" in ask(app, f"/compare?{query}").text
    drawn = ask(app, f"/compare/figures/phases.csv?{query}").text
    assert "Aide à la rédaction" not in drawn.split("\n", 1)[1]  # the first line says what was asked for


def test_phases_of_a_service_add_up_to_it(app: Any) -> None:
    found = data(app, "view=services&service=assistant-conseiller,fraude")["services"]
    for side in found:
        assert sum(each["microjoules"] for each in side["phases"].values()) == side["whole"]["microjoules"]


@pytest.mark.parametrize(
    "path",
    [
        "/compare?service=nobody",
        "/compare?site=nowhere",
        "/compare?region=nowhere",
        "/runs?service=nobody",
        "/llm?service=nobody",
    ],
)
def test_a_filter_of_what_does_not_exist_is_refused(app: Any, path: str) -> None:
    answer = ask(app, path)
    assert answer.status == 404
    assert "nobody" in answer.text or "nowhere" in answer.text


def test_a_region_is_compared_in_whole_quarters_only(app: Any, explorer: Explorer) -> None:
    region = next(each.region for each in explorer.report(str(QUARTER)).regions if each.region)
    assert ask(app, f"/compare?region={region}").status == 200
    for query in ("period=2026-07-01..2026-07-31", "compare=2026-04-01..2026-04-30"):
        answer = ask(app, f"/compare?region={region}&{query}")
        assert answer.status == 400
        assert "region" in answer.text


def test_filters_that_let_nothing_through_are_said(app: Any) -> None:
    text = ask(app, "/compare?service=fraude&instance=gpu-01").text
    assert "Rien n’est relevé avec ces filtres" in text
    assert "<table" not in text


def test_a_service_that_does_not_exist_is_said_with_those_that_do(app: Any) -> None:
    answer = ask(app, "/compare?view=services&service=nobody,fraude")
    assert answer.status == 404
    assert "fraude" in answer.text


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("query", ["", "view=diff", "view=services", "view=services&service=vadore", "compare=none"])
def test_every_view_is_drawn_in_both_languages(app: Any, query: str, lang: str) -> None:
    answer = ask(app, f"/compare?{query}&lang={lang}")
    assert answer.status == 200
    assert f'<html lang="{lang}"' in answer.text

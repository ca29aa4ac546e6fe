"""The formula of a selection: its terms add up to the figures, and the page says so only where they do."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import re
from typing import Any

import pytest

from ecoia.catalogue.error_widths import GSD
from ecoia.exploring import Explorer, FormulaTerm, Selection
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import formula
from ecoia_dashboards.dashboard.pages.formula_errors import WALL_BIAS
from ecoia_dashboards.language import Language
from support.dashboard import ask

QUARTER = "2026Q3"
SELECTIONS = (
    "period=2026Q3",
    "period=2025Q2",
    "period=2026Q3&service=vadore,voix-3949",
    "period=2026Q3&phase=training",
    "period=2026Q3&site=francfort",
    "period=2026Q3&instance=gpu-01&method=estimated",
    "period=2026-07-15..2026-08-02&service=ocr-pieces",
)


class WithoutATerm:
    """Reads as an explorer does, but its formula lacks the last term."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer

    def formula(self, selection: Selection) -> list[FormulaTerm]:
        """Return all terms but the last."""
        return self._explorer.formula(selection)[:-1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._explorer, name)


def text_of(page: str) -> str:
    """Return the words of a page, its spaces plain."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", page)))


def read(explorer: Any, query: str) -> formula.Formula:
    """Read the formula at an address."""
    return formula.read(Reading(explorer, Address.parse(dict(pair.split("=") for pair in query.split("&")))))


@pytest.mark.parametrize("query", SELECTIONS)
def test_terms_add_up_to_the_figures_of_the_selection(app: Any, explorer: Explorer, query: str) -> None:
    found = read(explorer, query)
    selected = explorer.selected(Reading(explorer, Address.parse(dict(pair.split("=") for pair in query.split("&")))).selection)
    assert found.terms
    assert sum(term.microjoules for term in found.terms) == selected.microjoules
    assert math.isclose(math.fsum(term.energy_kwh for term in found.terms), selected.energy.value or 0, rel_tol=1e-12)
    assert math.isclose(math.fsum(term.kg or 0 for term in found.terms), selected.co2e_operational.value or 0, rel_tol=1e-12)
    assert found.agree
    assert "= chiffre de la page, au microjoule" in text_of(ask(app, f"/formula?{query}").text)


def test_the_formula_of_a_quarter_gives_the_figures_of_its_report(explorer: Explorer) -> None:
    found, report = read(explorer, f"period={QUARTER}"), explorer.report(QUARTER)
    assert found.sums.microjoules == report.totals.energy_components_microjoules
    assert found.energy.value == pytest.approx(report.totals.energy.value, rel=1e-12)
    assert found.sums.kg == pytest.approx(report.footprint.co2e_operational.value, rel=1e-12)


def test_a_sum_that_is_not_the_figure_is_said(explorer: Explorer) -> None:
    answer = ask(create_app(WithoutATerm(explorer)), f"/formula?period={QUARTER}")  # type: ignore[arg-type]
    assert "= chiffre de la page, au microjoule" not in text_of(answer.text)
    assert "la somme des termes n’est pas le chiffre de la page" in text_of(answer.text)
    assert "ne pas s’y fier" in text_of(answer.text)


def test_the_first_lines_hold_the_numbers(app: Any) -> None:
    text = text_of(ask(app, f"/formula?period={QUARTER}").text)
    assert "23,9 MWh : 17,9 MWh relevés sur les composants, × 1,34 pour le bâtiment." in text
    assert "À 38,3 gCO₂e/kWh en moyenne" in text
    assert "Avec 1,01 tCO₂e de fabrication et 73,4 kgCO₂e de modèles externes, le total est de 2,00 tCO₂e." in text


def test_every_digit_can_be_copied(app: Any) -> None:
    csv = ask(app, f"/formula/tables/steps.csv?period={QUARTER}&lang=en").text
    assert "64407648994087716" in csv
    assert "23916.412910805742" in csv


def test_an_error_of_all_the_energy_has_all_of_it(explorer: Explorer) -> None:
    found = {each.name: each for each in read(explorer, f"period={QUARTER}").errors}
    assert found["own"].share == pytest.approx(1.0)
    assert found["counters"].width == GSD["counters"]
    origins = explorer.report(QUARTER).energy_by_status
    by_pue = sum(found[name].share for name in found if name.startswith("pue-"))
    assert by_pue == pytest.approx(1.0)
    assert 1.25 <= found[WALL_BIAS].width <= 1.48
    assert found[WALL_BIAS].share < 1.0  # a part is declared
    assert origins["declared"] > 0


def test_a_changed_width_of_error_is_shown_beside_the_default(explorer: Explorer) -> None:
    reading = Reading(explorer, Address.parse({"period": QUARTER}))
    report = reading.report
    widened = tuple(dataclasses.replace(each, gsd=1.4) if each.name == "counters" else each for each in report.deviations)
    reading.__dict__["report"] = dataclasses.replace(report, deviations=widened)
    found = {each.name: each for each in formula.read(reading).errors}
    assert (found["counters"].width, found["counters"].default) == (1.4, GSD["counters"])


def test_a_selection_without_energy_says_so(app: Any) -> None:
    answer = ask(app, f"/formula?period={QUARTER}&service=transcription")
    assert answer.status == 200
    assert "Aucune énergie n’est connue de cette sélection" in text_of(answer.text)
    assert "<table" not in answer.text


def test_making_is_said_machine_by_machine(app: Any, explorer: Explorer) -> None:
    found = read(explorer, f"period={QUARTER}&service=assistant-conseiller")
    assert {each.equipment for each in found.making} == {"eq-gpu-01", "eq-gpu-03", "eq-gpu-04"}
    assert sum(each.micrograms for each in found.making) / 1e9 == pytest.approx(found.co2e_embodied.value, rel=1e-12)
    declared = {each.id: each.quarter_micrograms for each in explorer.report(QUARTER).equipment}
    assert all(each.whole_micrograms <= declared[each.equipment] for each in found.making)
    assert "la part de chaque machine" in text_of(ask(app, f"/formula?period={QUARTER}&service=assistant-conseiller").text)
    whole = read(explorer, f"period={QUARTER}")
    assert sum(each.micrograms for each in whole.making) == sum(each.whole_micrograms for each in whole.making)
    assert read(explorer, f"period={QUARTER}&instance=gpu-01").making == ()


def test_a_service_of_hosted_models_alone_has_its_formula(app: Any, explorer: Explorer) -> None:
    found = read(explorer, f"period={QUARTER}&service=synthese-entretien")
    assert not found.terms
    of_tokens = sum(each.tokens_out / 1e6 * (each.kg_per_million or 0) for each in found.hosted)
    of_requests = sum(each.requests * (each.kg_per_request or 0) for each in found.hosted)
    assert of_requests > 0
    assert of_tokens + of_requests == pytest.approx(found.co2e_api.value)
    text = text_of(ask(app, f"/formula?period={QUARTER}&service=synthese-entretien").text)
    assert "13 800 000" in text
    assert "× CO₂e par million de jetons" in text
    assert "Rien ne correspond" not in text


def test_the_state_goes_along_to_the_rows(app: Any) -> None:
    page = html.unescape(ask(app, f"/formula?period={QUARTER}&service=vadore&phase=inference").text)
    assert f'href="/records?period={QUARTER}&service=vadore&phase=inference"' in page


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_both_languages_say_all_of_it(explorer: Explorer, lang: str) -> None:
    reading = Reading(explorer, Address.parse({"period": QUARTER, "lang": lang}))
    shown = formula.show(formula.read(reading), reading, Language(lang))
    assert list(shown.tables) == ["steps", "terms", "making", "hosted", "errors"]
    assert ("relevés" in shown.sentence) == (lang == "fr")


def test_the_api_gives_the_same_terms(app: Any, explorer: Explorer) -> None:
    data = json.loads(ask(app, f"/api/v1/formula?period={QUARTER}").text)
    assert data["sums"]["microjoules"] == data["microjoules"]
    assert len(data["terms"]) == len(read(explorer, f"period={QUARTER}").terms)

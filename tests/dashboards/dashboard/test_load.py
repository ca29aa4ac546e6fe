"""Load and grid: hours add up to the energy, and other hours are computed from the grid's own factors."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.report import QuarterlyReport
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.page import Reading, Shown
from ecoia_dashboards.dashboard.pages.load import PAGE
from ecoia_dashboards.dashboard.pages.load.content import HourSum, Load, Shift, Shifts
from ecoia_dashboards.language import NARROW_NBSP, NBSP, Language
from support.dashboard import ask

FRENCH = Language("fr")
IN_FRANCE, IN_GERMANY, DECLARED = "analyse-cv", "voix-3949", "traduction"


def reading(explorer: Explorer, **parameters: str) -> Reading:
    return Reading(explorer, Address.parse(parameters))


def content(explorer: Explorer, **parameters: str) -> Load:
    return PAGE.read(reading(explorer, **parameters))  # type: ignore[no-any-return]


def shown(explorer: Explorer, found: Load, **parameters: str) -> Shown:
    return PAGE.show(found, reading(explorer, **parameters), FRENCH)


def plain(text: str) -> str:
    return text.replace(NBSP, " ").replace(NARROW_NBSP, " ")


@pytest.mark.parametrize("parameters", [{}, {"service": "assistant-conseiller", "phase": "training"}, {"site": "lyon"}])
def test_hours_and_what_is_declared_add_up_to_the_energy(explorer: Explorer, parameters: dict[str, str]) -> None:
    found = content(explorer, **parameters)
    assert sum(cell.microjoules for cell in found.cells) == found.timed_microjoules
    assert found.timed_microjoules + found.declared_microjoules == found.whole.microjoules > 0


def test_the_whole_is_the_report(explorer: Explorer, large: QuarterlyReport) -> None:
    assert content(explorer).whole.microjoules == large.totals.energy_components_microjoules


def test_work_at_its_own_hours_emits_what_was_recorded(explorer: Explorer) -> None:
    found = content(explorer, service=IN_FRANCE)
    recorded = sum(cell.micrograms or 0 for cell in found.cells)
    left_out = 1 - found.shifts.microjoules / found.timed_microjoules
    assert found.shifts.now == pytest.approx(recorded, rel=left_out + 1e-9)
    assert left_out < 0.02  # the day at the end of the data has no next day


def test_other_hours_are_computed_hour_by_hour(explorer: Explorer) -> None:
    """The same sum, written plainly: all energy of a day is at its hour, times the factor some hours away."""
    found = content(explorer, service=IN_FRANCE, period="2026-07-06..2026-07-10")
    selection = reading(explorer, service=IN_FRANCE, period="2026-07-04..2026-07-12").selection
    grid = {datetime(c.day.year, c.day.month, c.day.day, c.hour): c.grid_g_per_kwh for c in explorer.hours(selection)}
    for shift in found.shifts.shifts:
        expected = 0.0
        for cell in explorer.hours(reading(explorer, service=IN_FRANCE, period="2026-07-06..2026-07-10").selection):
            if cell.microjoules:
                at = datetime(cell.day.year, cell.day.month, cell.day.day, cell.hour)
                expected += (cell.micrograms or 0) * (grid[at + timedelta(hours=shift.hours)] or 0) / (grid[at] or 1)
        assert shift.micrograms == pytest.approx(expected, rel=1e-9), shift.hours
    assert found.shifts.microjoules == found.timed_microjoules


def test_zones_are_moved_within_their_own_factors(explorer: Explorer) -> None:
    both = content(explorer, service=f"{IN_FRANCE},{IN_GERMANY}")
    france, germany = (content(explorer, service=service) for service in (IN_FRANCE, IN_GERMANY))
    assert both.shifts.flat_zones == ("DEU",)
    constant = both.shifts.now - france.shifts.now
    assert constant == pytest.approx(sum(cell.micrograms or 0 for cell in germany.cells), rel=0.02)
    for one, other in zip(both.shifts.shifts, france.shifts.shifts, strict=True):
        assert one.micrograms - other.micrograms == pytest.approx(constant, abs=2)


def test_a_factor_that_does_not_vary_says_so(explorer: Explorer, app: Any) -> None:
    found = content(explorer, service=IN_GERMANY)
    assert found.shifts.shifts == ()
    assert "ne varie pas dans la journée" in plain(ask(app, f"/load?service={IN_GERMANY}").text)
    assert shown(explorer, found, service=IN_GERMANY).figures == {}


def test_the_sentence_says_the_cleanest_hour_and_what_each_phase_that_can_wait_would_spare(explorer: Explorer) -> None:
    found = content(explorer)
    assert set(found.movable) == {"training", "fine-tuning"}  # inference cannot wait
    for phase, shifts in found.movable.items():
        assert shifts == content(explorer, phase=phase).shifts
    said = plain(shown(explorer, found).sentence)
    assert said.startswith("Électricité la plus propre au T3 2026 : de 7 h à 8 h (36,3 gCO₂e/kWh)")
    assert said.endswith("n’aurait pas évité 1 % de son CO₂e")
    moved = {
        "training": Shifts((Shift(-2, 80 * 10**9), Shift(0, 100 * 10**9)), 4, ()),
        "fine-tuning": Shifts((Shift(0, 90 * 10**9), Shift(3, 80 * 10**9)), 4, ()),
    }
    said = plain(shown(explorer, replace(found, movable=moved)).sentence)
    assert "aurait évité 30,0 kgCO₂e, 16 % de son CO₂e : entraînement (2 h plus tôt) et ajustement (3 h plus tard)" in said
    assert "rien de ce travail ne peut attendre" in plain(shown(explorer, content(explorer, service=IN_FRANCE)).sentence)


def test_declared_energy_has_no_hours(explorer: Explorer, app: Any) -> None:
    found = content(explorer, service=DECLARED)
    assert (found.timed_microjoules, found.declared_microjoules) == (0, found.whole.microjoules)
    text = plain(ask(app, f"/load?service={DECLARED}").text)
    assert "un formulaire ne dit pas à quelles heures" in text
    assert 'class="drawing mark heat"' not in text


def test_short_periods_show_days_and_long_ones_weekdays(explorer: Explorer) -> None:
    assert {cell.row for cell in content(explorer, period="2026-07-06..2026-07-07").cells} == {"2026-07-06", "2026-07-07"}
    assert {cell.row for cell in content(explorer).cells} == {str(day) for day in range(7)}


def test_a_filter_without_result_says_so(app: Any) -> None:
    assert "Rien ne correspond" in ask(app, "/load?phase=evaluation").text


def _load(found: Load, by_hour: dict[int, int], shifts: Shifts) -> Load:
    cells = tuple(HourSum("0", hour, energy, 1, 20.0) for hour, energy in by_hour.items())
    return replace(found, cells=cells, timed_microjoules=sum(by_hour.values()), shifts=shifts)


@pytest.mark.parametrize(
    ("by_hour", "said"),
    [
        ({9: 3, 10: 1}, "L’heure la plus chargée au T3 2026 : de 9 h à 10 h, 75 % de l’énergie"),
        ({9: 2, 10: 2}, "Les heures les plus chargées au T3 2026 : de 9 h à 10 h et de 10 h à 11 h, 50 % de l’énergie chacune"),
        ({9: 1, 10: 1, 11: 1, 12: 1}, "Aucune heure ne domine au T3 2026 : 4 heures prennent chacune 25 % de l’énergie"),
    ],
)
def test_the_sentence_is_true_at_ties(explorer: Explorer, by_hour: dict[int, int], said: str) -> None:
    found = _load(content(explorer), by_hour, Shifts((), 0, ()))
    assert plain(shown(explorer, found).sentence) == said


@pytest.mark.parametrize(
    ("shifts", "said"),
    [
        ([(-1, 100), (0, 100), (1, 100)], "Aucun décalage du travail n’aurait évité 1 % du CO₂e d’usage"),
        ([(-1, 995), (0, 1000), (1, 1001)], "Aucun décalage du travail n’aurait évité 1 % du CO₂e d’usage"),
        ([(-1, 80), (0, 100), (1, 90)], "Le même travail 1 heure plus tôt aurait émis 20 % de moins"),
        ([(-2, 80), (0, 100), (2, 80)], "Le même travail 2 heures plus tard aurait émis 20 % de moins"),
    ],
)
def test_the_best_hour_is_true_at_ties_and_of_nothing(explorer: Explorer, shifts: list[tuple[int, int]], said: str) -> None:
    moved = Shifts(tuple(Shift(*each) for each in shifts), 4, ())
    found = shown(explorer, _load(content(explorer), {9: 3, 10: 1}, moved))
    assert said in plain(found.lead)
    assert plain(found.figures["other-hours"].chart.title) == said


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_the_page_answers_in_both_languages(app: Any, lang: str) -> None:
    for query in ("", "&service=voix-3949", "&service=traduction", "&period=2026-07-06..2026-07-10", "&method=declared"):
        assert ask(app, f"/load?lang={lang}{query}").status == 200
        assert ask(app, f"/api/v1/load?lang={lang}{query}").status == 200


@pytest.mark.parametrize(
    "figure",
    ["/load/figures/other-hours", "/services/assistant-conseiller/figures/course", "/services/vadore/figures/change"],
)
def test_figures_are_files_of_every_kind(app: Any, figure: str) -> None:
    for ending in ("svg", "png", "csv", "json"):
        answer = ask(app, f"{figure}.{ending}")
        assert answer.status == 200, ending
        assert answer.content

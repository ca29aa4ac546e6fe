"""The overview answers by itself, its sums are the report's, and its sentences are true."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ecoia.exploring import Explorer, Selection
from ecoia.report import Quantity, QuarterlyReport
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import overview
from ecoia_dashboards.dashboard.pieces.attention import MOST, attention, grown
from ecoia_dashboards.dashboard.pieces.overview_words import greatest, sentence
from ecoia_dashboards.dashboard.pieces.target_cards import budget_card
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.language import Language
from support.changed_reports import ChangedReports
from support.dashboard import ask
from support.reports import poisoned

QUARTER = "2026Q3"
FILTERS = ("", "phase=training", "site=lyon", "method=estimated", "instance=gpu-04", "q=mail", "status=poc", "service=vadore")


def text_of(answer: str) -> str:
    """Return the words of a page, its spaces plain."""
    words = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", answer, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(words).replace("\u202f", " "))


def content_of(explorer: Explorer, **parameters: str) -> tuple[overview.Overview, Reading]:
    reading = Reading(explorer, Address.parse(parameters))
    return overview.read(reading), reading


def test_a_stranger_finds_ten_answers_on_the_page(app: Any) -> None:
    text = text_of(ask(app, "/").text)
    for said in (
        "Plus forte hausse établie depuis le T2 2026 : Assistant de rédaction pour les conseillers, + 25,3 %, surtout ajustement",
        "3 cibles adoptées sur 4 sont manquées ou quasi manquées",
        'app.add_middleware(ImpactMiddleware, service="transcription")',
        "1ca911ed (en échec, 308 kWh)",
        "Intervalle à 95 % : 15,8 à 47,7 MWh",
        "en retard Mesurer la traduction chez le prestataire",
        "121 % du budget 2026 employés",
        "1,54 MWh de veille réservée",
        "Aucune publication antérieure : rien à quoi comparer",
        "Les chiffres de ce trimestre ne sont pas publiés",
    ):
        assert said in text


@pytest.mark.parametrize("filters", FILTERS)
def test_services_and_what_belongs_to_none_add_up(app: Any, explorer: Explorer, filters: str) -> None:
    data = json.loads(ask(app, f"/api/v1/overview?period={QUARTER}&{filters}").text)
    services = data["services"]
    lines = sum(line["microjoules"] or 0 for line in services["lines"])
    rest = sum(each["microjoules"] for each in services["rest"])
    assert lines + rest == services["microjoules"] == data["microjoules"] == sum(data["by_status_microjoules"].values())
    if not filters:
        assert data["microjoules"] == explorer.report(QUARTER).totals.energy_components_microjoules
        assert rest > 0


def test_figures_of_services_are_the_reports(explorer: Explorer) -> None:
    content, _ = content_of(explorer, period=QUARTER)
    report = explorer.report(QUARTER)
    known = {entry.id: entry for entry in report.register}
    assert {line.id for line in content.services.lines} == known.keys()
    for line in content.services.lines:
        assert line.microjoules == known[line.id].energy_components_microjoules or line.microjoules in (None, 0)
        assert line.energy.value == pytest.approx(known[line.id].energy.value)


def test_changes_are_established_where_the_model_says_so(explorer: Explorer) -> None:
    content, _ = content_of(explorer, period=QUARTER)
    lines = explorer.report(QUARTER).changes[0].services
    wanted = {line.explained.service for line in lines if line.energy.direction in ("rise", "fall")} - {None}
    assert {line.id for line in content.services.lines if line.change and line.change.direction in ("rise", "fall")} == wanted
    assert content.whole is not None
    assert {point.service for point in content.whole.attention.points if point.kind == "change"} <= wanted
    fallen = next(line for line in content.services.lines if line.id == "vadore")
    assert fallen.change is not None
    assert fallen.change.reason == "days-unequal"  # a fall by missing records is not a fall


def test_what_to_look_at_has_a_point_of_each_kind_before_a_second_of_any(explorer: Explorer) -> None:
    content, _ = content_of(explorer, period=QUARTER)
    assert content.whole is not None
    kinds = [point.kind for point in content.whole.attention.points]
    assert len(kinds) == MOST
    assert set(kinds[:5]) == {"change", "lost-runs", "partly", "idle", "late"}
    lost = next(point for point in content.whole.attention.points if point.kind == "lost-runs")
    waste = sum(each.waste_microjoules for each in explorer.report(QUARTER).results)
    spared = sum(each.microjoules for each in explorer.report(QUARTER).savings if each.kind == "lost-runs")
    assert spared == waste
    assert {run.outcome for run in lost.runs} == {"failed", "abandoned"}


def test_a_rise_of_the_co2e_alone_is_a_point(app: Any, explorer: Explorer) -> None:
    content, _ = content_of(explorer, period=QUARTER)
    assert content.whole is not None
    alone = [point for point in content.whole.attention.points if point.kind == "co2e"]
    assert [point.service for point in alone] == ["chat-candidat"]
    assert alone[0].size.direction == "unclear"
    assert "Dialogue candidat (modèle externe) : CO₂e en hausse de 24,2" in text_of(ask(app, "/").text)


def test_the_counts_of_services_are_one_sum(app: Any, explorer: Explorer) -> None:
    coverage, register = explorer.report(QUARTER).coverage, explorer.report(QUARTER).register
    besides = sum(not each.in_scope for each in register)
    content, _ = content_of(explorer, period=QUARTER)
    assert coverage.named == len(register) - besides
    assert len(content.services.lines) == coverage.named + besides
    text = text_of(ask(app, f"/?period={QUARTER}").text)
    assert f"{coverage.named} services du registre et {coverage.unnamed} que l’organisation compte sans les nommer" in text
    assert f"le tableau liste aussi {besides} " in text


def test_nothing_to_compare_with_leaves_changes_out(explorer: Explorer) -> None:
    content, reading = content_of(explorer, period=QUARTER, compare="none")
    assert content.energy_change is None
    assert grown(None) == []
    assert all(point.kind != "change" for point in attention(reading, None).points)


@pytest.mark.parametrize("energies", [(), (5.0,), (5.0, 5.0), (5.0, 7.0)])
def test_a_single_service_is_named_only_where_there_is_one(explorer: Explorer, energies: tuple[float, ...]) -> None:
    content, reading = content_of(explorer, period=QUARTER)
    line = content.services.lines[0]
    lines = tuple(
        replace(line, id=str(place), energy=Quantity(value, "kWh"), microjoules=int(value * 1e6))
        for place, value in enumerate(energies)
    )
    whole = Quantity(sum(energies), "kWh") if energies else Quantity(None, "kWh", reason="no-data")
    changed = replace(content, energy=whole, services=replace(content.services, lines=lines))
    first = greatest(changed)
    alone = len(set(energies)) == len(energies) > 0
    assert (first is not None) is alone
    said = sentence(changed, Words(reading.report, Language("fr")), reading)
    assert ("pour un seul service" in said) is alone


def test_a_quarter_with_nothing_is_unknown_and_not_zero(explorer: Explorer) -> None:
    content, reading = content_of(explorer, period=QUARTER)
    nothing = replace(
        content,
        energy=Quantity(None, "kWh", reason="no-data"),
        headline=replace(content.headline, co2e=Quantity(None, "kgCO2e", reason="no-data")),
    )
    said = sentence(nothing, Words(reading.report, Language("fr")), reading)
    assert said.startswith("Rien n’est enregistré au T3\xa02026")


class Nothing(ChangedReports):
    """Reads days on which nothing was recorded, whatever is asked for."""

    def _empty(self, selection: Selection) -> Selection:
        return replace(selection, first_day=date(2020, 1, 1), until_day=date(2020, 4, 1))

    def selected(self, selection: Selection) -> Any:
        return self._explorer.selected(self._empty(selection))

    def parts(self, selection: Selection, by: str) -> Any:
        return self._explorer.parts(self._empty(selection), by)


def test_a_page_of_nothing_draws_no_empty_axis_and_no_zero(explorer: Explorer) -> None:
    nothing: Any = Nothing(
        explorer, lambda report: replace(report, targets=(), changes=(), savings=(), actions=(), said=(), trend=())
    )
    page = ask(create_app(nothing), f"/?period={QUARTER}")
    text = text_of(page.text)
    assert page.status == 200
    assert "Rien n’est enregistré au T3 2026" in text
    assert "28 services, sans énergie connue" in text
    assert 'id="figure-' not in page.text
    assert " 0 kWh" not in text


def missing(count: int, report: QuarterlyReport) -> QuarterlyReport:
    """Return a report with ``count`` adopted targets that are missed, and none else."""
    target = next(each for each in report.targets if each.status == "adopted" and each.verdict == "non-tenu")
    kept = replace(target, verdict="tenu", reason=None)
    return replace(report, targets=(*[target] * count, kept))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "aucune cible adoptée n’est manquée"),
        (1, "1 cible adoptée sur 2 est manquée"),
        (2, "2 cibles adoptées sur 3 sont manquées"),
    ],
)
def test_missed_targets_are_counted_in_the_singular_too(explorer: Explorer, count: int, said: str) -> None:
    changed: Any = ChangedReports(explorer, lambda report: missing(count, report))
    content, reading = content_of(changed, period=QUARTER)
    assert said in sentence(content, Words(reading.report, Language("fr")), reading)


@pytest.mark.parametrize("share", [0.99, 1.0, 1.01])
def test_the_budget_is_said_beside_the_verdict(explorer: Explorer, share: float) -> None:
    report = explorer.report(QUARTER)
    target = next(each for each in report.targets if each.budget)
    assert target.budget is not None
    budget = replace(target.budget, consumed=Quantity(share, "1", share - 0.05, share + 0.05))
    changed = replace(target, budget=budget, verdict="non-concluant", reason="horizon-ahead")
    card = budget_card(Words(replace(report, targets=(changed,)), Language("en")), changed)
    assert card is not None
    assert card.verdict
    assert card.used.startswith(f"{share:.1%}".replace(".0", "") if share < 1 else f"{share:.0%}")
    assert "3 quarters of four" in card.elapsed


def test_filters_hide_what_they_do_not_touch(app: Any) -> None:
    text = text_of(ask(app, "/?phase=training").text)
    assert "portent sur un trimestre entier" in text
    assert "À regarder" not in text
    assert "dans 1 service" in text or "dans 2 services" in text


def test_filters_without_a_result_say_which_and_lead_out(app: Any) -> None:
    page = ask(app, "/?q=nowhere&status=poc")
    assert page.status == 200
    assert "Rien ne correspond" in text_of(page.text)
    assert 'href="/?q=nowhere"' in page.text
    assert 'href="/?status=poc"' in page.text


@pytest.mark.parametrize(
    ("query", "status", "known"), [("service=nope", 404, "vadore"), ("site=nope", 404, "lyon"), ("status=nope", 400, "retired")]
)
def test_what_does_not_exist_is_answered_by_what_does(app: Any, query: str, status: int, known: str) -> None:
    answer = ask(app, f"/?{query}")
    assert answer.status == status
    assert known in answer.text


def test_the_table_as_csv_holds_the_exact_figures_and_the_rest(app: Any, explorer: Explorer) -> None:
    lines = list(csv.reader(io.StringIO(ask(app, f"/tables/services.csv?period={QUARTER}&lang=en").text)))[1:]
    names = [line[0] for line in lines]
    assert "ecoia itself (what measuring costs)" in names
    total = lines[names.index("Total")]
    assert float(total[1]) == explorer.report(QUARTER).totals.energy.value


def test_hostile_names_are_inert(explorer: Explorer) -> None:
    changed: Any = ChangedReports(explorer, poisoned)
    app = create_app(changed)
    for path in ("/", "/services", "/commitments", "/?lang=en"):
        page = ask(app, path)
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "</style>" not in page.text
        assert not set(page.text) & set("\u202e\u2066\x1b\x00")
    formula: Any = ChangedReports(
        explorer, lambda report: replace(report, register=tuple(replace(e, name=f"=cmd {e.id}") for e in report.register))
    )
    assert all(line[0] != "=" for line in ask(create_app(formula), "/tables/services.csv").text.splitlines())


def test_the_english_page_holds_no_french(app: Any) -> None:
    text = text_of(ask(app, "/?lang=en").text)
    for word in ("cible", "trimestre", "écart", "énergie", "relevé", "mesuré", "employés", " au ", "déclar"):
        assert word not in text.casefold().replace("mesurer la traduction chez le prestataire", "")


def test_a_service_that_replaced_another_is_compared_with_it(explorer: Explorer) -> None:
    content, reading = content_of(explorer, period=QUARTER, compare="year")
    assert content.whole is not None
    point = next(each for each in content.whole.attention.points if each.service == "assistant-conseiller" and each.causes)
    now, then = reading.selection, reading.before
    assert then is not None
    parts = explorer.parts(now.only(services=("assistant-conseiller",)), "phase")
    before = explorer.parts(then.only(services=("aide-redaction", "assistant-conseiller")), "phase")
    cause = next(each for each in point.causes if each.phase == "inference")
    assert cause.change.value == pytest.approx((parts["inference"].energy.value or 0) - (before["inference"].energy.value or 0))
    whole, earlier = (sum(each.energy.value or 0 for each in found.values()) for found in (parts, before))
    assert point.size.value == pytest.approx(whole / earlier - 1, rel=0.05)


def test_days_that_are_no_quarter_say_so(app: Any) -> None:
    text = text_of(ask(app, "/?period=2026-07-01..2026-07-31").text)
    assert "du 1er juillet 2026 au 31 juillet 2026, dans 22 services." in text
    assert "Les jours relevés sont ceux du T3 2026." in text

"""Data quality: everything that is not known has a line, its worth where that is known, and the command that mends it."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.impact.doublecounting import ListedRefusal
from ecoia.impact.ledger_gaps import GAP_REASONS, LedgerGap
from ecoia.report import NOTICES, QuarterlyReport
from ecoia.units import MICROJOULES_PER_KWH
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import quality
from ecoia_dashboards.dashboard.pages.quality_findings import WORDS
from ecoia_dashboards.language import Language
from support.changed_reports import ChangedReports
from support.dashboard import ask
from support.reports import HOSTILE

QUARTER = "2026Q3"
GAPS = (
    LedgerGap("2026-08-03", "cpu-01", "missing", "run-1", 3 * MICROJOULES_PER_KWH),
    LedgerGap("2026-08-04", "cpu-01", "deleted", "run-2"),
    LedgerGap("2026-08-05", "lyon-01", "refused-rows", "run-3", 2 * MICROJOULES_PER_KWH, 7, ("line 3: phase",)),
    LedgerGap("never", "cpu-02", "altered", "run-4"),
)
DOUBLE = ListedRefusal(
    "host", ("gpu-01",), "gpu-01", ("chat",), "gpu-02", ("chat",), "2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z",
    2, 2, ("a", "b"), MICROJOULES_PER_KWH, 4 * MICROJOULES_PER_KWH,
)  # fmt: skip


def text_of(answer: str) -> str:
    """Return the words of a page, its spaces plain."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", answer)))


def changed(explorer: Explorer, **values: Any) -> Any:
    """Return the explorer, its reports with other values."""
    return ChangedReports(explorer, lambda report: dataclasses.replace(report, **values))


def shown(explorer: Any, lang: str = "fr") -> tuple[quality.Quality, Any]:
    """Read and show the page of the quarter."""
    reading = Reading(explorer, Address.parse({"period": QUARTER, "lang": lang}))
    content = quality.read(reading)
    return content, quality.show(content, reading, Language(lang))


def test_the_service_that_was_recorded_on_too_few_days_stands_first(app: Any, explorer: Explorer) -> None:
    content, page = shown(explorer)
    assert [(each.code, each.names) for each in content.findings] == [("days", ("vadore",))]
    assert page.sentence.startswith("T3\u00a02026")
    assert "1 manque connu" in page.sentence
    first = page.tables["days"].lines[0]
    assert (first[0], first[2], first[3]) == ("lyon-01", 36, "92")
    assert "36 jours relevés, 56 manquants, sur 92" in text_of(ask(app, f"/quality?period={QUARTER}").text) + first[4].text


def test_origins_add_up_to_the_report(app: Any, explorer: Explorer) -> None:
    origins = json.loads(ask(app, f"/api/v1/quality?period={QUARTER}").text)["origins"]
    report = explorer.report(QUARTER)
    whole = sum(sum(parts.values()) for parts in origins.values())
    assert whole == report.totals.energy_components_microjoules
    for status, share in report.energy_by_status.items():
        assert sum(parts.get(status, 0) for parts in origins.values()) / whole == pytest.approx(share)


def test_days_that_the_ledger_lacks_are_worth_what_is_known_of_them(explorer: Explorer) -> None:
    content, page = shown(changed(explorer, ledger_gaps=GAPS))
    found = {each.code: each for each in content.findings}
    assert (found["gaps"].count, found["gaps"].microjoules) == (3, 3 * MICROJOULES_PER_KWH)
    assert (found["refused"].count, found["refused"].microjoules) == (7, 2 * MICROJOULES_PER_KWH)
    assert [each.code for each in content.findings][:2] == ["gaps", "refused"]
    assert "5,00\u00a0kWh" in page.lead
    assert [each.command for each in page.values["findings"]][:2] == ["ecoia deliver --verify"] * 2
    assert len(page.tables["gaps"].lines) == len(GAPS)


def test_a_gap_of_unknown_worth_is_not_worth_zero(explorer: Explorer) -> None:
    content, page = shown(changed(explorer, ledger_gaps=GAPS[1:2]))
    assert content.findings[0].microjoules is None
    assert page.values["findings"][0].worth == "ce que cela vaut n’est pas connu"
    assert page.tables["gaps"].lines[0][4] is None


def test_a_lost_day_is_missing_on_its_machine(explorer: Explorer) -> None:
    content, page = shown(changed(explorer, ledger_gaps=GAPS[:1]))
    strips = [line for line in page.tables["days"].lines if line[0] == "cpu-01"]
    assert strips
    assert all("91 jours relevés, 1 manquants" in line[4].text for line in strips)
    assert marks.MISSING in str(strips[0][4].drawing)
    assert content.gaps == GAPS[:1]


def test_losses_and_doubles_have_their_tables(explorer: Explorer) -> None:
    content, page = shown(changed(explorer, lost={"invalid-units": 3, "cause-of-tomorrow:x": 5}, doubles=(DOUBLE,)))
    assert {"lost", "doubles"} <= {each.code for each in content.findings}
    assert page.tables["lost"].lines[0] == ("cause-of-tomorrow", "x", 5)
    assert "dans aucun total" not in page.lead  # the same energy is counted elsewhere


@pytest.mark.parametrize("code", ["no-zone", "no-factor", "factor-gap", "no-pue", "idle-not-separated"])
def test_each_notice_that_somebody_can_mend_has_a_finding(explorer: Explorer, code: str) -> None:
    assert code in NOTICES
    content, _ = shown(changed(explorer, notices=(code,)))
    assert code.removesuffix("-not-separated") in [each.code for each in content.findings]


def test_nothing_known_to_be_missing_is_said_as_such(explorer: Explorer) -> None:
    def every_day(report: QuarterlyReport) -> QuarterlyReport:
        return dataclasses.replace(report, register=tuple(dataclasses.replace(each, covered=1.0) for each in report.register))

    content, page = shown(ChangedReports(explorer, every_day))
    assert content.findings == ()
    assert "aucun manque n’est connu dans les relevés" in page.sentence


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_every_finding_has_words_and_a_line_to_type(explorer: Explorer, lang: str) -> None:
    language = Language(lang)
    for title, remedy, command in WORDS.values():
        assert language.t(title, count="3")
        assert language.t(remedy)
        assert command or "simul" in title
    assert (language.t(WORDS["gaps"][1]) == WORDS["gaps"][1].replace(" :", "\u00a0:")) == (lang == "fr")


def _hostile(report: QuarterlyReport) -> QuarterlyReport:
    gap = dataclasses.replace(GAPS[0], instance=HOSTILE, why=(HOSTILE,), day=HOSTILE)
    double = dataclasses.replace(DOUBLE, instance=HOSTILE, services=(HOSTILE,))
    return dataclasses.replace(report, ledger_gaps=(gap,), doubles=(double,), lost={HOSTILE: 1})


@pytest.mark.parametrize("change", [_hostile])
def test_hostile_names_are_inert(explorer: Explorer, change: Callable[[QuarterlyReport], QuarterlyReport]) -> None:
    page = ask(create_app(ChangedReports(explorer, change)), f"/quality?period={QUARTER}")  # type: ignore[arg-type]
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert "\u202e" not in page.text


def test_every_reason_of_a_gap_is_in_words(explorer: Explorer) -> None:
    gaps = tuple(dataclasses.replace(GAPS[0], reason=reason) for reason in GAP_REASONS)
    _, page = shown(changed(explorer, ledger_gaps=gaps))
    assert not {line[2] for line in page.tables["gaps"].lines} & set(GAP_REASONS)


def test_a_span_of_days_shows_its_own_days(app: Any) -> None:
    data = json.loads(ask(app, "/api/v1/quality?period=2026-08-01..2026-08-10").text)
    assert len(data["days"]) == 10
    assert data["quarter"] == QUARTER
    assert all(place["expected"] is None for place in data["places"])


def test_services_of_which_nothing_is_recorded_are_counted_and_lead_to_the_register(app: Any, explorer: Explorer) -> None:
    reading = Reading(explorer, Address.parse({"period": "2026Q3"}))
    silent = quality.read(reading).silent
    assert "Transcription des entretiens" in silent
    assert "Synthèse d'entretien (modèle externe)" not in silent  # its tokens are recorded
    page = ask(app, "/quality?period=2026Q3").text
    assert f"{len(silent)}\xa0services dont rien n’est relevé" in page.replace("\u202f", "\xa0").replace(
        " services", "\xa0services"
    )
    assert 'href="/services' in page.split('id="title-silent"')[1].split("</section>")[0]

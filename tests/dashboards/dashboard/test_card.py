"""The card of a notebook says what the dashboard's page says, loads nothing, and teaches where figures are missing."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ecoia.exploring import Explorer, Selection
from ecoia.exploring.card import Card
from ecoia.periods import Quarter
from ecoia_dashboards.card import draw
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.language import Language
from support.changed_reports import ChangedReports
from support.dashboard import ask
from support.filled import filled_explorer
from support.records import kwh, record
from support.reports import poisoned

QUARTER = Quarter(2026, 3)
URL = "https://ecoia.example.org/team"
WRITTEN = {"div", "style", "p", "strong", "span", "dl", "dt", "dd", "code", "pre", "a"}
TABLED = {"table", "thead", "tbody", "tr", "th", "td"}
DRAWN = {"svg", "path", "line", "rect", "circle", "text", "tspan", "g", "title"}
LOADING = {"src", "srcset", "xlink:href", "style", "id"}


class Element(HTMLParser):
    """The tags, the attributes and the words of a card."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.style = ""
        self._within: list[str] = []
        self.feed(card._repr_html_() or "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._within:
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def card(explorer: Any, service: str | None = None, quarter: Quarter | None = QUARTER, **options: Any) -> Card:
    given = {"source": "ledger", "lang": "fr", "dashboard_url": None, "trouble": ""} | options
    return draw(explorer, service, quarter, **given)


def plain(text: object) -> str:
    return re.sub(r"\s+", " ", str(text))


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("service", ["vadore", "assistant-conseiller", "synthese-entretien"])
def test_a_service_has_the_figures_of_its_page_in_html_and_in_text(explorer: Explorer, service: str, lang: str) -> None:
    language = Language(lang)
    whole = explorer.selected(Selection.of_quarter(QUARTER, services=(service,)))
    found = card(explorer, service, lang=lang)
    for quantity in (whole.energy, whole.headline.co2e, whole.energy_per_unit):
        if quantity.value is None:
            continue
        for said in (language.amount(quantity), language.interval(quantity) or ""):
            assert plain(said) in plain(found), said
            assert plain(said) in Element(found).text, said
    page = ask(create_app(explorer), f"/services/{service}?period={QUARTER}&lang={lang}").text
    sentence = plain(str(found).splitlines()[1])
    assert sentence in plain(html.unescape(page))


def test_a_service_says_how_it_is_known_on_how_many_days_and_by_which_targets(explorer: Explorer) -> None:
    text = plain(card(explorer, "vadore", lang="en"))
    assert "Measured 83% (processor counter (RAPL))" in text
    assert "39%: 36 machine-days recorded of 92 expected" in text
    assert "Nothing is recorded of: graphics card. That is not zero." in text
    assert "No target is on this service alone. Commitment 7: none of the 4 adopted targets is met." in text
    own = plain(card(explorer, "assistant-conseiller", lang="en"))
    assert "1 target is on this service." in own
    assert "met. 0.310 gCO₂e; target: at most 2 gCO₂e" in own
    assert "probability of an overrun: less than 0.1%" in own


def test_the_course_of_the_quarters_is_drawn_and_said(explorer: Explorer) -> None:
    found = card(explorer, "vadore")
    (drawing,) = [attributes for tag, attributes in Element(found).tags if tag == "svg" and attributes.get("role") == "img"]
    for quarter in explorer.state.quarters:
        said = plain(Language("fr").quarter(quarter))
        assert said in plain(drawing["aria-label"])
        assert said in plain(found)
        assert said in Element(found).text, "what a notebook that drops drawings still shows"


def test_the_organisation_lists_every_service(explorer: Explorer) -> None:
    found = card(explorer, lang="en")
    report = explorer.report(str(QUARTER))
    assert Language("en").amount(report.totals.energy) in str(found)
    for entry in report.register:
        assert entry.id in str(found)
        assert entry.name in Element(found).text
    assert "ecoia.show('assistant-conseiller', '2026Q3', lang='en')" in str(found)


@pytest.mark.parametrize("service", [None, "vadore", "transcription", "nope"])
@pytest.mark.parametrize("url", [None, URL])
def test_a_card_holds_no_script_and_loads_nothing(explorer: Explorer, service: str | None, url: str | None) -> None:
    found = Element(card(explorer, service, dashboard_url=url))
    assert {tag for tag, _ in found.tags} <= WRITTEN | TABLED | DRAWN
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name in LOADING]
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert not re.search(r"url\(|@import|https?:", found.style)
    if url is None or service == "nope":
        assert links == []
    else:
        path = "/" if service is None else f"/services/{service}"
        (link,) = links
        assert link is not None
        assert link.startswith(f"{URL}{path}?period=2026Q3&compare=2026Q2&as=")


def test_the_link_leads_to_the_same_sentence_whichever_quarter_is_the_latest(explorer: Explorer) -> None:
    found = card(explorer, "vadore", Quarter(2026, 1), dashboard_url=URL, lang="en")
    link = str(found).splitlines()[-1].removeprefix(URL)
    page = ask(create_app(explorer), link)
    assert page.status == 200
    assert plain(str(found).splitlines()[1]) in plain(html.unescape(page.text))


def test_a_rule_of_a_card_reaches_nothing_else(explorer: Explorer) -> None:
    style = Element(card(explorer, "vadore")).style
    depth, selectors, start = 0, [], 0
    for place, character in enumerate(style):
        if character == "{":
            if depth == 0:
                selectors.append(style[start:place])
            depth += 1
        elif character == "}":
            depth -= 1
            start = place + 1
    assert depth == 0
    assert selectors
    assert all(part.strip().endswith(".ecoia-card") for selector in selectors for part in selector.split(","))


def test_hostile_names_are_inert(explorer: Explorer) -> None:
    changed: Any = ChangedReports(explorer, poisoned)
    usual = {tag for tag, _ in Element(card(explorer, "vadore")).tags} | {tag for tag, _ in Element(card(explorer)).tags}
    for service in (None, "vadore", "assistant-conseiller"):
        found = card(changed, service)
        assert {tag for tag, _ in Element(found).tags} <= usual
        assert "</style><" not in (found._repr_html_() or "").replace("</style>\n", "")
        assert not set(str(found)) & set("\u202e\u2066\x1b\x00")
    named = card(explorer, '"><script>alert(1)</script>\x1b[2J\u202e')
    assert "<script" not in (named._repr_html_() or "")
    assert not set(str(named)) & set("\u202e\x1b")


@pytest.mark.parametrize(
    ("service", "quarter", "said", "line"),
    [
        ("transcription", None, "nothing recorded in Q3 2026", 'app.add_middleware(ImpactMiddleware, service="transcription")'),
        ("vadorre", None, "Nothing here has the name “vadorre”.", "ecoia.show('vadore', lang='en')"),
        ("vadore", Quarter(2020, 1), "no data for this period: Q1 2020", "ecoia.show('vadore', '2026Q3', lang='en')"),
        (None, Quarter(2020, 1), "no data for this period: Q1 2020", "ecoia.show(quarter='2026Q3', lang='en')"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(
    explorer: Explorer, service: str | None, quarter: Quarter | None, said: str, line: str
) -> None:
    found = card(explorer, service, quarter, lang="en")
    assert said in plain(found)
    assert line in str(found)
    assert line in Element(found).text


def test_nothing_measured_yet_and_what_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    empty = Explorer(tmp_path)
    assert "being computed" in str(card(empty, "cv", lang="en"))
    failed = card(empty, "cv", lang="en", trouble="services.yaml:3: field 'id': write <an id>")
    assert "services.yaml:3: field 'id': write <an id>" in plain(failed)
    assert "being computed" not in str(failed)
    assert card(None, trouble="several stores: set MLFLOW_TRACKING_URI", lang="en")._repr_html_()


def test_what_is_not_up_to_date_is_said_beside_the_last_figures(explorer: Explorer) -> None:
    found = card(explorer, "vadore", trouble="the store does not answer", lang="en")
    assert "could not be brought up to date: the store does not answer" in plain(found)
    assert "178 kWh" in plain(found)


def test_without_a_register_figures_are_there_and_the_register_is_asked_for(tmp_path: Path) -> None:
    recorded = [record("2026-11-23T10:00", cpu=kwh(2), service="cv", zone="FRA")]
    alone = filled_explorer(tmp_path, recorded, "services: []\n")
    assert "2.00 kWh" in plain(card(alone, "cv", None, lang="en"))
    listed = card(alone, None, None, lang="en")
    assert "measured, but not in the register" in plain(listed)
    assert "ecoia init" in str(listed)

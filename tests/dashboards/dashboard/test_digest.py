"""The mail says what the overview says, in text as in HTML, loads nothing, and has the same bytes for the same figures."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from ecoia.errors import UsageError
from ecoia.exploring import Explorer
from ecoia.periods import Quarter
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import overview
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.digest import write
from ecoia_dashboards.language import Language
from support.changed_reports import ChangedReports
from support.dashboard import ask
from support.reports import poisoned

QUARTER = Quarter(2026, 3)
URL = "https://ecoia.example.org/team"


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def words(page: str) -> str:
    return plain(html.unescape(re.sub(r"<(style|head).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)))


def written(explorer: Any, form: str = "text", lang: str = "fr", **options: Any) -> str:
    return write(explorer, QUARTER, lang=lang, form=form, **options).decode()


def mail(explorer: Any, **options: Any) -> EmailMessage:
    found = message_from_bytes(write(explorer, QUARTER, **{"lang": "fr", "form": "eml"} | options), policy=default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_text_and_html_have_the_figures_of_the_overview(explorer: Explorer, lang: str) -> None:
    language = Language(lang)
    reading = Reading(explorer, Address.parse({"period": str(QUARTER), "lang": lang}))
    content = overview.PAGE.read(reading)
    shown = overview.PAGE.show(content, reading, language)
    said = [shown.sentence, shown.lead, language.amount(content.energy), language.interval(content.energy)]
    said += [language.amount(content.headline.co2e), language.interval(content.headline.co2e)]
    said += [language.change(content.energy_change), shown.values["budget"].used]
    for target in shown.values["targets"]:
        said += [target.name, target.verdict, target.found, target.interval, target.chance]
    for point in shown.values["points"][:3]:
        said += [point.title, point.text]
    text, page = plain(written(explorer, lang=lang)), words(written(explorer, "html", lang))
    for each in filter(None, said):
        assert plain(each) in text, each
        assert plain(each) in page, each
    assert plain(shown.values["points"][3].title) not in text


def test_the_energy_is_the_reports_and_so_are_the_verdicts(explorer: Explorer) -> None:
    report = explorer.report(str(QUARTER))
    text = plain(written(explorer))
    assert plain(Language("fr").amount(report.totals.energy)) in text
    judged = Words(report, Language("fr"))
    assert all(plain(f"{judged.target_name(target)}") in text for target in report.targets)
    assert "probabilité de dépassement : 99,3 %" in text


def test_what_is_not_known_is_named(explorer: Explorer) -> None:
    text = plain(written(explorer, lang="en"))
    assert "of which nothing is recorded: 4" in text
    assert "Transcription des entretiens" in text
    assert "Services recorded on fewer days than expected: 1 VADORE" in text


def test_the_mail_is_text_and_html_side_by_side_with_its_picture_inside(explorer: Explorer) -> None:
    found = mail(explorer)
    assert found.get_content_type() == "multipart/alternative"
    text, page = found.iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "multipart/related")
    body, picture = page.iter_parts()
    assert plain(text.get_content()) == plain(written(explorer))
    assert picture.get_content()[:8] == b"\x89PNG\r\n\x1a\n"
    (used,) = re.findall(r'<img src="cid:([^"]+)"', body.get_content())
    assert picture["Content-ID"] == f"<{used}>"
    (alt,) = re.findall(r'<img [^>]*alt="([^"]+)"', body.get_content())
    assert "18,6" in html.unescape(alt)
    assert found["Subject"] == "Mon organisation · Énergie et CO₂e des services d’IA, T3 2026"
    assert found["From"] is found["To"] is found["Date"] is found["Message-ID"] is None


def test_the_mail_keeps_to_what_every_server_carries(explorer: Explorer) -> None:
    whole = write(explorer, QUARTER, lang="fr", form="eml", dashboard_url=URL)
    assert whole.isascii()
    assert all(len(line) <= 998 for line in whole.split(b"\r\n"))
    assert b"\n" not in whole.replace(b"\r\n", b"")


def test_equal_figures_give_equal_bytes(explorer: Explorer) -> None:
    once, again = (write(explorer, QUARTER, lang="fr", form="eml", dashboard_url=URL) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("form", ["html", "eml"])
def test_nothing_is_loaded_and_nothing_runs(explorer: Explorer, form: str) -> None:
    page = written(explorer, form, dashboard_url=URL) if form == "html" else str(mail(explorer, dashboard_url=URL))
    assert not re.search(r"<(script|link|iframe|object|form|style)\b| on\w+=|@import|url\(", page, re.IGNORECASE)
    assert not re.search(r'(src|background)="(?!data:image/png|cid:)', page)


def test_links_begin_with_the_address_of_the_dashboard_and_are_pinned(explorer: Explorer) -> None:
    page = written(explorer, "html", "en", dashboard_url=URL)
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', page)]
    assert len(links) >= 6
    app = create_app(explorer)
    for link in links:
        assert link.startswith(f"{URL}/"), link
        assert "period=2026Q3&compare=2026Q2" in link
        assert f"as={explorer.state.digest[:12]}" in link
        assert ask(app, link.removeprefix(URL)).status == 200, link
    opened = ask(app, links[0].removeprefix(URL))
    first = plain(written(explorer, lang="en").split("\n\n")[1])
    assert first in words(opened.text), "the link shows what the mail says"
    text = written(explorer, lang="en", dashboard_url=URL)
    assert all(link in text for link in links)


def test_without_an_address_there_is_no_link(explorer: Explorer) -> None:
    assert "href" not in written(explorer, "html")
    assert "http" not in written(explorer)


@pytest.mark.parametrize("form", ["eml", "html", "text"])
def test_hostile_names_are_inert(explorer: Explorer, form: str) -> None:
    changed: Any = ChangedReports(explorer, poisoned)
    found = written(changed, form, dashboard_url=URL)
    assert not set(found) & set("\u202e\u2066\x1b\x00")
    if form == "html":
        usual = set(re.findall(r"<\w+", written(explorer, "html", dashboard_url=URL)))
        assert set(re.findall(r"<\w+", found)) <= usual
    if form == "eml":
        assert mail(changed, dashboard_url=URL).keys() == mail(explorer, dashboard_url=URL).keys()


class Named(ChangedReports):
    """Reads as an explorer does, of an organisation of another name."""

    def __init__(self, explorer: Explorer, name: str) -> None:
        super().__init__(explorer, lambda report: report)
        self.state = replace(explorer.state, organisation=name)


def test_the_name_of_the_organisation_writes_no_header(explorer: Explorer) -> None:
    found = mail(Named(explorer, "Mon\r\nBcc: eve@example.org\n\n<b>org"))
    assert found["Bcc"] is None
    assert "Bcc: eve@example.org" in found["Subject"]
    assert found.keys() == mail(explorer).keys()


def test_sender_and_recipients_are_those_that_are_given(explorer: Explorer) -> None:
    found = mail(explorer, sender="Équipe IA <ia@example.org>", recipients=["a@example.org", "b@example.org"])
    assert [each.addr_spec for each in found["From"].addresses] == ["ia@example.org"]
    assert [each.addr_spec for each in found["To"].addresses] == ["a@example.org", "b@example.org"]
    with pytest.raises(ValueError, match="linefeed"):
        mail(explorer, sender="a@example.org\r\nBcc: eve@example.org")


def test_a_quarter_without_data_is_an_error_that_names_those_with_some(explorer: Explorer) -> None:
    with pytest.raises(UsageError, match=r"no data of quarter '2020Q1'; quarters with data: 2025Q2, .*2026Q3"):
        write(explorer, Quarter(2020, 1), lang="fr", form="text")
    with pytest.raises(UsageError, match="choose one of eml, html, text"):
        write(explorer, None, lang="fr", form="pdf")


def test_a_quarter_whose_figures_are_not_known_says_so(explorer: Explorer) -> None:
    nothing: Any = ChangedReports(
        explorer, lambda report: replace(report, targets=(), changes=(), savings=(), actions=(), said=(), trend=())
    )
    text = plain(written(nothing, lang="en"))
    assert "no target is adopted" in text
    assert "probability" not in text

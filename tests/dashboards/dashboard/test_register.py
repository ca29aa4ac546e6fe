"""The register holds every service, and each that is not measured has the line that would measure it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from ecoia.exploring import Explorer
from ecoia.report import PhaseDays, ServiceEntry
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import register
from ecoia_dashboards.dashboard.pieces.narrowing import folded
from ecoia_dashboards.dashboard.pieces.remedies import remedy_of
from support.dashboard import ask

QUARTER = "2026Q3"


@pytest.fixture(scope="module")
def entry(explorer: Explorer) -> ServiceEntry:
    """Return a service that nothing is recorded of."""
    return next(each for each in explorer.report(QUARTER).register if each.id == "transcription")


def test_every_service_is_listed_measured_or_not(app: Any, explorer: Explorer) -> None:
    data = json.loads(ask(app, f"/api/v1/services?period={QUARTER}").text)
    entries = {each.id: each for each in explorer.report(QUARTER).register}
    assert {line["id"] for line in data["services"]["lines"]} == entries.keys()
    for line in data["services"]["lines"]:
        entry = entries[line["id"]]
        assert (line["remedy"] is None) is (entry.measured or entry.status == "retired")
    coverage = explorer.report(QUARTER).coverage
    assert (data["scope"]["measured"], data["scope"]["named"], data["scope"]["unnamed"]) == (
        coverage.measured,
        coverage.named,
        coverage.unnamed,
    )


def test_the_line_fits_what_is_missing(entry: ServiceEntry) -> None:
    training = (PhaseDays("training", "", 0, 11.0),)
    fits = {
        "middleware": entry,
        "decorator": replace(entry, status="poc"),
        "machine": replace(entry, covered=0.4),
        "register": replace(entry, registered=False),
    }
    for kind, each in fits.items():
        remedy = remedy_of(each)
        assert remedy is not None
        assert remedy.kind == kind
    for each in (replace(entry, counted_by="declared"), replace(entry, days_by_phase=training)):
        remedy = remedy_of(each)
        assert remedy is not None
        assert remedy.kind == "command"
    assert "--phase training" in remedy.line
    assert remedy_of(replace(entry, measured=True)) is None
    assert remedy_of(replace(entry, status="retired")) is None


def test_an_id_cannot_leave_the_line(entry: ServiceEntry) -> None:
    hostile = replace(entry, id='x"); import os; ("', counted_by="declared")
    remedy = remedy_of(hostile)
    assert remedy is not None
    assert "'x\"); import os; (\"'" in remedy.line
    remedy = remedy_of(replace(hostile, counted_by=""))
    assert remedy is not None
    assert '"x\\"); import os; (\\""' in remedy.line


@pytest.mark.parametrize(("view", "said"), [("", "Même axe pour tous"), ("own-axis", "Chaque dessin a son propre axe")])
def test_the_axis_of_the_small_lines_is_said(app: Any, view: str, said: str) -> None:
    assert said in ask(app, f"/services?view={view}").text


def test_one_axis_draws_small_services_lower_than_their_own(app: Any) -> None:
    def heights(view: str) -> list[list[float]]:
        page = ask(app, f"/services?period={QUARTER}&view={view}").text
        panels = re.findall(r'<div class="panel">.*?</div>', page, re.DOTALL)
        return [[float(y) for y in re.findall(r' cy="([\d.]+)"', panel)] for panel in panels]

    shared, own = heights(""), heights("own-axis")
    assert shared[0] == own[0]  # the greatest sets the axis
    assert all(one[-1] > other[-1] for one, other in zip(shared[1:4], own[1:4], strict=True))


@pytest.mark.parametrize("typed", ["Détection", "detection", "DETECTION fraude", "fraude"])
def test_a_search_finds_names_however_they_are_typed(app: Any, typed: str) -> None:
    data = json.loads(ask(app, f"/api/v1/services?q={quote(typed)}").text)
    assert "fraude" in {line["id"] for line in data["services"]["lines"]}


def test_folding_is_idempotent() -> None:
    assert folded(folded("Île-DE-France Œuvre")) == folded("Île-DE-France Œuvre") == "ile-de-france œuvre"


def test_readers_of_some_services_see_those_alone(explorer: Explorer) -> None:
    content = register.read(Reading(explorer, Address(), frozenset({"vadore", "fraude"})))
    assert {line.id for line in content.services.lines} == {"vadore", "fraude"}
    assert content.scope.unnamed == 0
    assert content.services.rest == ()


@pytest.mark.parametrize("filters", ["", "phase=training", "status=poc", "q=fraude", "site=lyon"])
def test_the_sentence_counts_what_is_listed(app: Any, filters: str) -> None:
    data = json.loads(ask(app, f"/api/v1/services?period={QUARTER}&{filters}").text)
    states = [line["state"] for line in data["services"]["lines"]]
    assert data["scope"]["measured"] == states.count("measured")
    assert data["scope"]["named"] == len(states) - states.count("retired") - states.count("unregistered")
    exact = [each["microjoules"] or 0 for each in (*data["services"]["lines"], *data["services"]["rest"])]
    assert sum(exact) == data["services"]["microjoules"]


@pytest.mark.parametrize("page", ["/", "/services", "/commitments"])
def test_every_file_of_a_page_can_be_had(app: Any, page: str) -> None:
    text = ask(app, page).text
    files = set(re.findall(r'href="([^"]+[.](?:png|svg|csv))"', text))
    assert files
    assert {file: ask(app, file).status for file in files} == dict.fromkeys(files, 200)


def test_states_tell_few_days_from_declared_and_from_nothing(app: Any) -> None:
    data = json.loads(ask(app, f"/api/v1/services?period={QUARTER}").text)
    states = {line["id"]: line["state"] for line in data["services"]["lines"]}
    wanted = {"vadore": "partly", "traduction": "declared", "transcription": "silent", "aide-redaction": "retired"}
    assert {id_: states[id_] for id_ in wanted} == wanted
    assert states["assistant-conseiller"] == "measured"


def test_services_to_measure_stand_first(app: Any) -> None:
    body = ask(app, "/services?period=2026Q3").text.split('id="table-register"')[1].split("<tbody>")[1].split("</tbody>")[0]
    to_measure = ["<code" in row for row in body.split("</tr>")[:-1]]
    assert to_measure == sorted(to_measure, reverse=True)
    assert any(to_measure)

"""Hosted models: what is estimated, what is not and why, and that nothing is counted as zero."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.impact.hosted import WHY_UNMEASURED
from ecoia.records import Record, Tokens
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.pages.hosted import REMEDIES
from support.dashboard import ask
from support.filled import filled_explorer
from support.records import kwh, record

SERVICES = "services:\n  - {id: vadore, name: VADORE, status: generalised}\n"
HOSTILE = '"><script>alert(1)</script>'


def records() -> Iterator[Record]:
    used = (
        Tokens("openai", "gpt-4o-2024-11-20", 1000, 2_000_000),
        Tokens("openai", HOSTILE, 10, 20),
        Tokens("mistralai", "mistral-large-latest", 5, 7),
        Tokens("ollama", "llama3", 3, 4),
    )
    for day in ("2026-08-01", "2026-08-02"):
        yield record(f"{day}T10:00", 30, cpu=kwh(0.01), ram=None, tokens=used)
    yield record("2026-05-01T10:00", 30, cpu=kwh(0.01), ram=None, tokens=used[3:])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(filled_explorer(tmp_path_factory.mktemp("hosted"), records(), SERVICES))


def data(app: Any, query: str = "") -> dict[str, Any]:
    answer = ask(app, f"/api/v1/llm?{query}")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)  # type: ignore[no-any-return]


@pytest.mark.parametrize("quarter", ["2025Q4", "2026Q2", "2026Q3"])
def test_the_uses_are_those_of_the_report(app: Any, explorer: Explorer, quarter: str) -> None:
    found, report = data(app, f"period={quarter}"), explorer.report(quarter)
    of = ("service", "phase", "provider", "model", "tokens_in", "tokens_out", "rows", "standing")
    wanted = [{name: getattr(each, name) or "" for name in of} for each in report.tokens]
    assert [{name: each[name] for name in of} for each in found["uses"]] == wanted
    assert {each["model"] for each in found["hypotheses"]} == {each.model for each in report.model_hypotheses}


def test_the_estimates_add_up_to_the_report(app: Any, explorer: Explorer) -> None:
    found = data(app)
    whole = sum(each["co2e"]["value"] for each in found["uses"] if each["standing"] == "estimated")
    assert found["co2e"]["value"] == pytest.approx(whole)
    assert found["co2e"]["value"] == pytest.approx(explorer.report("2026Q3").footprint.co2e_api.value)


def test_what_has_no_estimate_makes_the_whole_a_lower_bound(app: Any) -> None:
    assert data(app, "period=2026Q2")["reason"] == "calls-unmeasured"
    text = ask(app, "/llm?period=2026Q2").text
    assert "au moins" in text
    assert 'id="table-unmeasured"' in text
    assert "au moins" not in ask(app, "/llm?period=2026Q3").text.split("</h1>")[0]


def test_every_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(WHY_UNMEASURED)


def test_each_model_without_an_estimate_stands_apart_with_its_remedy(small: Any) -> None:
    rows = ask(small, "/llm").text.split('id="table-unmeasured"')[1].split("</table>")[0]
    assert "2 modèles sans estimation" in ask(small, "/llm").text
    assert "mistral-large-latest" in rows
    assert "nommer la version exacte" in rows
    assert "llama3" not in rows  # metered already


def test_a_hostile_model_is_inert(small: Any) -> None:
    text = ask(small, "/llm").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_metered_models_alone_are_said_to_be_measured_already(small: Any) -> None:
    text = ask(small, "/llm?period=2026Q2").text
    assert "déjà mesurées" in text
    assert 'id="figure-models"' not in text


def test_a_filter_drives_the_total(app: Any) -> None:
    found = data(app, "service=synthese-entretien")
    assert {each["service"] for each in found["uses"]} == {"synthese-entretien"}
    assert found["co2e"]["value"] == pytest.approx(sum(each["co2e"]["value"] for each in found["uses"]))
    assert found["co2e"]["value"] < data(app)["co2e"]["value"]


def test_no_call_is_said(app: Any) -> None:
    filtered, before = (ask(app, f"/llm?{query}").text for query in ("service=fraude", "period=2025Q2"))
    assert all("Aucun appel à un modèle externe" in text for text in (filtered, before))
    assert "span.tokens(" in before
    assert "span.tokens(" not in filtered  # there are calls, which the filter leaves out


def test_an_estimate_is_said_by_unit_of_its_service(app: Any) -> None:
    csv = ask(app, "/llm/tables/uses.csv?period=2026Q3").text
    assert "CO₂e par unité rendue" in csv
    text = ask(app, "/llm?period=2026Q3").text
    assert "trouve 24 fois plus" in text

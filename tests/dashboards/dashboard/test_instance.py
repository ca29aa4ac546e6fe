"""An instance's page: what ran on it adds up, and its days are those of the services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ecoia.exploring import Explorer, Selected, Selection
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Quantity, QuarterlyReport
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.page import NotFoundError, Reading, Shown
from ecoia_dashboards.dashboard.pages.instance import PAGE, Instance
from ecoia_dashboards.language import Language
from support.dashboard import ask

INSTANCE, OF_ONE = "gpu-01", "gpu-03"
FRENCH = Language("fr")
HOMES = (f"{INSTANCE}_home-3fa21c", f"{INSTANCE}_home-3fa21d")


def reading(explorer: Explorer, allowed: frozenset[str] | None = None, **parameters: str) -> Reading:
    return Reading(explorer, Address.parse(parameters), allowed)


def content(explorer: Explorer, instance: str = INSTANCE, **parameters: str) -> Instance:
    return PAGE.read(reading(explorer, **parameters), instance)  # type: ignore[no-any-return]


def shown(explorer: Explorer, found: Instance, **parameters: str) -> Shown:
    return PAGE.show(found, reading(explorer, **parameters), FRENCH)


def test_instances_add_up_to_the_organisation(explorer: Explorer, large: QuarterlyReport) -> None:
    names = explorer.parts(reading(explorer).selection, "instance")
    found = [content(explorer, name) for name in names]
    assert sum(each.whole.microjoules for each in found) == large.totals.energy_components_microjoules
    for each in found:
        for parts in (each.services, each.phases, each.methods):
            assert sum(part.microjoules for part in parts.values()) == each.whole.microjoules, each.name


def test_what_no_service_bears_has_a_line_of_its_own(explorer: Explorer) -> None:
    table = shown(explorer, content(explorer)).tables["services"]
    assert str(table.lines[-1][0]).startswith("aucun service")
    assert table.foot[0][0] == "Ensemble"


def test_the_sentence_counts_services_and_not_what_none_bears(explorer: Explorer) -> None:
    assert "pour 3 services" in shown(explorer, content(explorer)).sentence
    assert "pour 1 service" in shown(explorer, content(explorer, OF_ONE)).sentence


def test_days_are_those_of_the_service(explorer: Explorer) -> None:
    found = content(explorer)
    assert [(strip.service, strip.recorded, strip.missing) for strip in found.strips] == [("assistant-conseiller", 92, 0)]


def test_the_making_of_its_machine_adds_up(explorer: Explorer, large: QuarterlyReport) -> None:
    (machine,) = [each for each in large.equipment if INSTANCE in each.instances]
    table = shown(explorer, content(explorer)).tables["equipment"]
    kilograms = [line[2].value for line in table.lines]  # type: ignore[union-attr]
    assert sum(kilograms) == pytest.approx(machine.quarter_micrograms / MICROGRAMS_PER_KG)  # type: ignore[arg-type]
    assert table.foot[-1][2] == Quantity(machine.quarter_micrograms / MICROGRAMS_PER_KG, "kgCO2e")


def test_making_is_not_known_of_some_days(explorer: Explorer, app: Any) -> None:
    assert content(explorer, period="2026-07-01..2026-07-31").equipment == ()
    assert "Fabrication non attribuée" in ask(app, f"/instances/{INSTANCE}?period=2026-07-01..2026-07-31").text


def test_a_reader_of_some_services_sees_their_part_only(explorer: Explorer) -> None:
    own = frozenset({"traduction"})
    at = reading(explorer, own)
    found = PAGE.read(at, INSTANCE)
    assert set(found.services) == own
    table = PAGE.show(found, at, FRENCH).tables["equipment"]
    assert table.foot[0][0] == "Hors de ces lignes"
    with pytest.raises(NotFoundError) as failed:
        PAGE.read(at, "lyon-01")
    assert "lyon-01" not in failed.value.known


def test_an_unknown_instance_is_not_found_and_those_that_exist_are_listed(app: Any) -> None:
    answer = ask(app, "/instances/nothing")
    assert answer.status == 404
    assert INSTANCE in answer.text


def test_an_instance_of_another_quarter_says_that_nothing_is_recorded_now(explorer: Explorer) -> None:
    at = reading(explorer, period="2025Q2")
    found = PAGE.read(at, "gpu-01")
    empty = replace(found, whole=replace(found.whole, microjoules=0), services={}, phases={}, methods={})
    assert "rien de relevé" in PAGE.show(empty, at, FRENCH).sentence


class OfHomes:
    """An explorer in which two homes on one host recorded."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._explorer, name)

    def parts(self, selection: Selection, by: str) -> dict[str, Selected]:
        found = self._explorer.parts(selection, by)
        if by != "instance":
            return found
        return {home: part for name, part in found.items() for home in ([name] if name != INSTANCE else HOMES)}


def test_homes_on_one_host_are_one_instance_and_each_can_be_asked_for(explorer: Explorer) -> None:
    at = Reading(OfHomes(explorer), Address())  # type: ignore[arg-type]
    assert PAGE.read(at, INSTANCE).homes == HOMES
    assert PAGE.read(at, HOMES[1]).homes == HOMES[1:]


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_the_page_answers_in_both_languages(app: Any, lang: str) -> None:
    for instance in (INSTANCE, "de-01", "web-01"):
        assert ask(app, f"/instances/{instance}?lang={lang}").status == 200
        assert ask(app, f"/api/v1/instances/{instance}?lang={lang}").status == 200

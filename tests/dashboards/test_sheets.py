"""The sheets of services and regions: what one use costs, in words to say aloud, on the large organisation."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path

import pytest

from ecoia.report import Quantity, QuarterlyReport
from ecoia_dashboards.fiche.unit_impact import unit_impact
from ecoia_dashboards.fiches import render_fiches
from ecoia_dashboards.language import LANGUAGES
from support.large_organisation import large_report
from support.reports import full_report, poisoned


@pytest.fixture(scope="module")
def report(large: QuarterlyReport) -> QuarterlyReport:
    return large


@pytest.fixture(scope="module")
def sheets(report: QuarterlyReport) -> dict[str, str]:
    return texts_of(report)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return full_report(tmp_path_factory.mktemp("full"))


def text_of(page: str) -> str:
    """The words of a page, with plain spaces."""
    body = re.sub(r"<[^>]+>", " ", page.split("<body", 1)[1])
    return re.sub(r"\s+", " ", html.unescape(body)).strip()


def texts_of(report: QuarterlyReport, lang: str = "fr") -> dict[str, str]:
    return {name.removesuffix(".html"): text_of(page) for name, page in render_fiches(report, lang).items()}


class TestOneUse:
    def test_the_headline_is_the_whole_impact_with_making_training_and_provider(self, report: QuarterlyReport) -> None:
        whole = 0
        for found in report.services:
            unit = unit_impact(found)
            if unit is None or found.sci.value is None:
                continue
            assert unit.co2e == found.sci
            assert not unit.is_lower_bound
            assert sum(part.value or 0 for part in unit.parts.values()) == pytest.approx(found.sci.value)
            whole += 1
        assert whole > 15
        provider = next(found for found in report.services if found.service == "chat-candidat")
        parts = unit_impact(provider).parts  # type: ignore[union-attr]
        assert parts["co2e_api"].value > 0.9 * provider.sci.value  # type: ignore[operator]

    def test_what_lacks_a_part_is_at_least(self, report: QuarterlyReport, sheets: dict[str, str]) -> None:
        found = next(found for found in report.services if found.service == "synthese-entretien")
        unit = unit_impact(found)
        assert unit is not None
        assert unit.lacking == {"co2e_operational": "not-measured", "co2e_embodied": "not-measured"}
        assert unit.co2e.value == pytest.approx(1000 * (found.serving.co2e_api.value or 0) / (found.serving.units or 1))
        text = sheets["service-synthese-entretien"]
        assert "« Chaque synthèse remise émet au moins 1,1 g de CO₂e. »" in text
        assert "il manque l’électricité des machines et la fabrication des machines" in text
        assert "environ" not in text

    def test_bounds_of_added_parts_are_no_narrower_than_any_of_them(self, report: QuarterlyReport) -> None:
        found = next(found for found in report.services if found.service == "assistant-conseiller")
        unknown = Quantity(None, "gCO2e", reason="no-lifetime")
        figures = type(found.intensities)({**found.intensities, "sci": unknown, "sci_training": unknown})
        unit = unit_impact(dataclasses.replace(found, intensities=figures))
        assert unit is not None
        assert unit.lacking == {"sci_training": "no-lifetime"}
        assert unit.co2e.low == pytest.approx(sum(part.low or 0 for part in unit.parts.values()))
        assert unit.co2e.high == pytest.approx(sum(part.high or 0 for part in unit.parts.values()))

    def test_it_is_said_aloud(self, sheets: dict[str, str]) -> None:
        text = sheets["service-assistant-conseiller"]
        assert "0,31 g de CO₂e par réponse proposée" in text
        assert "« Chaque réponse proposée émet environ 0,31 g de CO₂e et consomme environ 3,8 Wh d’électricité. »" in text
        assert re.search(r"Le vrai chiffre est très probablement entre 0,\d+ et 0,\d+ g de CO₂e\.", text)
        assert "la préparation du modèle, répartie sur tous ses usages 0,1" in text
        assert "le rapport du trimestre" in text

    def test_how_it_is_known_is_one_sentence(self, sheets: dict[str, str]) -> None:
        assert (
            "L’électricité est mesurée par des compteurs pour 98 % et estimée par calcul pour 2 % ; la fabrication est "
            "estimée d’après les machines déclarées ; aucune de ces parts ne manque." in sheets["service-assistant-conseiller"]
        )
        assert "Toute l’électricité est déclarée, et non mesurée" in sheets["service-traduction"]
        assert "il manque la mesure d’une partie des machines (carte graphique)." in sheets["service-gestion-mails"]

    def test_the_electricity_of_a_provider_is_not_said_to_be_known(self, sheets: dict[str, str]) -> None:
        text = sheets["service-chat-candidat"]
        assert "émet environ 0,25 g de CO₂e et consomme environ 8,9 mWh d’électricité, hors fournisseur." in text
        assert "les calculs du fournisseur sont estimés d’après le texte produit" in text


class TestComparisons:
    def test_a_change_is_said_by_its_interval(self, report: QuarterlyReport, sheets: dict[str, str]) -> None:
        words = {
            "rise": "l’électricité de chaque réponse proposée a augmenté d’environ",
            "fall": "l’électricité de chaque réponse proposée a baissé d’environ",
            "unclear": "l’évolution de l’électricité de chaque réponse proposée n’est pas établie",
        }
        text, seen = sheets["service-assistant-conseiller"], set()
        for change, quarter in zip(report.changes, ("T2 2026", "T3 2025"), strict=True):
            line = next(each for each in change.services if each.explained.service == "assistant-conseiller")
            seen.add(line.energy_per_unit.direction)
            assert f"Depuis le {quarter}, {words[line.energy_per_unit.direction or '']}" in text
        assert seen == {"unclear", "fall"}

    def test_simulated_quarters_are_compared_with_nothing(self, report: QuarterlyReport) -> None:
        changes = tuple(dataclasses.replace(change, simulated=True) for change in report.changes)
        text = texts_of(dataclasses.replace(report, changes=changes))["service-assistant-conseiller"]
        assert "Depuis le" not in text

    def test_a_sheet_names_no_other_service(self, report: QuarterlyReport, sheets: dict[str, str]) -> None:
        names = {entry.id: entry.name for entry in report.register}
        for service, name in names.items():
            others = [other for other in names.values() if other != name and other not in name]
            text = sheets.get(f"service-{service}", "")
            assert not [other for other in others if other in text], service

    def test_an_everyday_thing_is_set_beside_it_only_if_the_organisation_asks(
        self, sheets: dict[str, str], tmp_path: Path
    ) -> None:
        assert not any("autant que" in text for text in sheets.values())
        asked = texts_of(large_report(tmp_path, equivalences="use: [km-voiture-thermique]\n"))
        assert (
            "Pour mille : 310 g de CO₂e, autant que 2,2 km en voiture à moteur thermique, carburant et fabrication."
            in asked["service-assistant-conseiller"]
        )
        assert "Comparaison : ADEME, Impact CO2 (impactco2.fr), 1er juillet 2026." in asked["service-assistant-conseiller"]
        assert not any("autant que" in text for name, text in asked.items() if name.startswith("region"))


class TestWhatIsNotKnown:
    def test_a_service_without_data_says_why_and_what_would_measure_it(self, sheets: dict[str, str]) -> None:
        text = sheets["service-parite"]
        assert "Nous ne le savons pas encore : ce service n’est pas mesuré. Cela ne veut pas dire zéro." in text
        assert "Aucune machine n’a envoyé de relevé de ce service ce trimestre." in text
        assert "Pour le mesurer, ecoia doit suivre son programme : une ligne y suffit (à faire par : chef de produit IA)." in text
        assert "CO₂e par" not in text

    def test_uses_that_nobody_counts_cost_no_figure(self, sheets: dict[str, str]) -> None:
        text = sheets["service-planif-agences"]
        assert "ses usages ne sont pas comptés" in text
        assert "Pour pouvoir le dire, le service doit compter chacun de ses usages" in text
        assert "Chaque" not in text
        assert re.search(r"Tout le service, ce trimestre : \d+ g de CO₂e et 11 kWh d’électricité\.", text)

    def test_a_demonstration_and_a_draft_say_so(self, full: QuarterlyReport) -> None:
        text = texts_of(full)["service-vadore"]
        assert "Un modèle de démonstration tient lieu du vrai service" in text
        assert "Projet : ce document n’est pas la publication" in text
        assert "la ligne éthique, ethique@organisation.example" in text


class TestPromises:
    def test_the_services_own_target_comes_with_its_verdict(self, sheets: dict[str, str]) -> None:
        assert (
            "CO₂e de chaque réponse proposée : au plus 2 g de CO₂e au T3 2026 (cible proposée). "
            "Verdict à ce jour : tenu ; probabilité de dépassement : moins de 0,1 %." in (sheets["service-assistant-conseiller"])
        )

    def test_else_those_that_were_adopted_for_all_services_trajectories_first(self, sheets: dict[str, str]) -> None:
        text = sheets["service-analyse-cv"].split("s’engage-t-elle")[1]
        first, second = text.index("Énergie : 30 % de moins en 2026 (cible adoptée)"), text.index("Couverture des services")
        assert first < second
        assert "(proposée)" not in text


class TestRegions:
    def test_a_region_has_its_share_of_the_services_own_units(self, report: QuarterlyReport, sheets: dict[str, str]) -> None:
        text = sheets["region-bretagne"]
        mine = [each for each in report.regions if each.region == "Bretagne"]
        assert len(mine) == 2
        for each in mine:
            assert each.share is not None
            assert f"{100 * each.share:.1f} %".replace(".", ",") in text
        assert "Ces chiffres ne sont pas mesurés dans la région" in text
        assert "Île-de-France" not in text

    def test_what_falls_to_no_region_is_explained(self, report: QuarterlyReport, sheets: dict[str, str]) -> None:
        text = sheets["region-bretagne"]
        assert (
            "Assistant de rédaction pour les conseillers : 2 054 540 unités (85 % des siennes) ne sont rattachées à "
            "aucune région." in text
        )
        assert "l’addition des fiches est donc inférieure au total du service" in text
        whole = tuple(each for each in report.regions if not each.is_residual)
        assert (
            "Rien : toutes les unités de ces services sont rattachées à une région."
            in (texts_of(dataclasses.replace(report, regions=whole))["region-bretagne"])
        )

    def test_regions_of_one_plain_name_keep_a_file_each(self, full: QuarterlyReport) -> None:
        line = next(each for each in full.regions if not each.is_residual)
        named = [dataclasses.replace(line, region=name) for name in ("É", "E", "../..", "日本")]
        names = [name for name in render_fiches(dataclasses.replace(full, regions=tuple(named))) if name.startswith("region")]
        assert names == ["region-e.html", "region-e-2.html", "region-sans-nom.html", "region-sans-nom-2.html"]


def test_each_service_in_use_and_each_region_has_one(report: QuarterlyReport, sheets: dict[str, str]) -> None:
    services = {f"service-{entry.id}" for entry in report.register if entry.registered and entry.status != "retired"}
    assert set(sheets) == services | {"region-bretagne", "region-ile-de-france", "region-occitanie"}
    assert "service-aide-redaction" not in sheets


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_runs_on_them_and_nothing_is_fetched(full: QuarterlyReport, lang: str) -> None:
    for page in render_fiches(poisoned(full), lang).values():
        assert "<script" not in page
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
        assert all(address.startswith(("data:", "#")) for address in re.findall(r'(?:src|srcset|href)="([^"]*)"', page))

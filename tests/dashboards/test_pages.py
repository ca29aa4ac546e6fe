"""The page: every figure of the data, every code in words, nothing from outside, nothing unescaped."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from ecoia import catalogue, losses, semconv
from ecoia import report as data
from ecoia.catalogue.error_widths import GSD
from ecoia.errors import UsageError
from ecoia.factors import default_factors
from ecoia.impact import change, doublecounting, hosted
from ecoia.indicators import INDICATORS
from ecoia.periods import Quarter
from ecoia.records import Tokens, fold
from ecoia.report import QuarterlyReport, build_report, declared_changes
from ecoia.sections import SECTIONS
from ecoia_dashboards import svg, wording
from ecoia_dashboards.language import LANGUAGES, catalogue_path
from ecoia_dashboards.pages import render_report, view
from support.organisation import COMMITMENTS, write_catalogue
from support.records import DECLARED, kwh, record
from support.reports import SEAL, full_report, large_report, poisoned, sample_report, varying_report
from support.settings import make_settings

PAGE_LIMIT_BYTES = 60_000
LARGE_PAGE_LIMIT_BYTES = 80_000
"""Of thirty services over eight quarters: each figure carries its data, each number its exact value."""


def calibrated(folder: Path, *components: str) -> QuarterlyReport:
    """3 kWh of a processor and 1 of memory, some of them calibrated at the wall."""
    entries = "".join(
        f"  - {{component: {component}, wall_factor: 1.42, gsd: 1.05, instances: [host-*], from: 2026-07-01, until: 2027-01-01,"
        ' source: "Campagne <b>, PV n° 12", date: 2026-06-15}\n'
        for component in components
    )
    return build_report(
        fold([record(cpu=kwh(3), ram=kwh(1))]),
        Quarter(2026, 4),
        settings=make_settings(),
        catalogue=write_catalogue(folder, calibration=f"calibrations:\n{entries}" if entries else ""),
        factors=default_factors(),
    )


SITES = """\
sites:
  - id: centre-1
    name: Centre <b>1
    instances: ["host-*"]
    pue: [{value: 1.35, quality: declared, from: 2026-01-01, source: Contrat X, date: 2026-01-15}]
    wue: [{value: 0.25, quality: measured, source: Relevé, date: 2026-01-15}]
"""
EQUIPMENT = """\
equipment:
  - id: serveur-1
    co2e_kg: 1461
    life_years: 4
    reserved_share: 0.5
    instances: [host-1]
    from: 2026-01-01
    source: Fiche carbone
    date: 2025-11-03
"""


def declared(folder: Path, *tokens: Tokens) -> QuarterlyReport:
    """A site without a water factor, a server, and tokens of a model."""
    return build_report(
        fold([record(cpu=kwh(4), ram=None, tokens=tokens), record("2027-01-05T10:00", cpu=0)]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, sites=SITES, equipment=EQUIPMENT),
        factors=default_factors(),
    )


class Page(HTMLParser):
    """A parsed page: its tags, its words (every kind of space made plain), its values."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.style = ""
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.parts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, text: str) -> None:
        if self.lasttag == "style" and not self.style:
            self.style = text
        else:
            self.parts.append(text)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return sample_report(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return full_report(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def parts(full: QuarterlyReport) -> dict[str, str]:
    """The words of each part of a full report."""
    return by_part(render_report(full))


def by_part(html: str) -> dict[str, str]:
    found = re.findall(r'<section aria-labelledby="([\w-]+)">(.*?)\n</section>', html, re.S)
    return {id_: Page(content).text.replace("\xa0", " ") for id_, content in found}


@pytest.fixture(scope="module")
def page(sample: QuarterlyReport) -> Page:
    return Page(render_report(sample))


def bare(**values: object) -> QuarterlyReport:
    """A report without any record or catalogue."""
    return build_report(
        [],
        Quarter(2026, 4),
        settings=make_settings(**values),
        catalogue=catalogue.load(None),
        factors=default_factors(),
    )


class TestSelfContained:
    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_page_is_light(self, sample: QuarterlyReport, lang: str) -> None:
        assert len(gzip.compress(render_report(sample, lang).encode())) <= PAGE_LIMIT_BYTES

    def test_equal_data_gives_equal_pages(self, sample: QuarterlyReport, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(view, "svg", svg)  # drawn twice
        assert render_report(sample) == render_report(dataclasses.replace(sample))

    def test_policy_names_the_only_style_sheet_and_nothing_can_run(self, page: Page) -> None:
        policy = next(a["content"] for a in page.attributes("meta") if a.get("http-equiv") == "Content-Security-Policy")
        digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
        assert policy == (f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'")
        assert not page.attributes("script")
        assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]

    def test_nothing_is_fetched(self, page: Page) -> None:
        addresses = [a[name] or "" for _, a in page.tags for name in ("src", "srcset", "href") if name in a]
        assert addresses
        assert all(address.startswith(("data:", "#")) for address in addresses)
        assert "url(" not in page.style
        assert "@import" not in page.style

    def test_images_have_a_text_and_a_table(self, page: Page) -> None:
        images = page.attributes("img")
        assert len(images) == 6  # the trend opens the first page too
        assert all(len(image["alt"] or "") > 40 for image in images)
        assert page.text.count("Données de la figure") == 5


class TestDoubles:
    def test_deviations_are_listed_and_those_that_were_changed_have_their_reason(self, tmp_path: Path, page: Page) -> None:
        assert page.text.count("changée") == 0
        assert "Toutes sont celles de la méthode" in page.text
        chosen = write_catalogue(tmp_path, method='gsd: {own: 1.07}\nbecause: "PV <b> n° 12"')
        changed = Page(
            render_report(
                build_report(
                    fold([record(cpu=1)]),
                    Quarter(2026, 4),
                    settings=make_settings(),
                    catalogue=chosen,
                    factors=default_factors(),
                )
            )
        )
        assert changed.text.count("changée") == 1
        assert "1,07" in changed.text
        assert "PV <b> n° 12" in changed.text

    def test_equivalences_are_there_on_request_only_with_value_source_and_date(self, tmp_path: Path, page: Page) -> None:
        assert "TGV" not in page.text
        (tmp_path / "equivalences.yaml").write_text("use: [km-voiture-thermique, km-tgv]", encoding="utf-8")
        built = declared(tmp_path)
        summary, annexes = Page(render_report(built)).text.split("11. Annexes", 1)
        assert "TGV" not in summary
        car, train = built.equivalences
        assert built.footprint.co2e.value is not None
        assert built.footprint.co2e.low is not None
        assert (car.of, train.of) == ("co2e", "co2e")
        for each, kg_per_km in ((car, 0.1422534), (train, 0.00293)):
            assert each.quantity.value == pytest.approx(built.footprint.co2e.value / kg_per_km, rel=1e-6)
            assert each.quantity.low == pytest.approx(built.footprint.co2e.low / kg_per_km, rel=1e-6)
        text = annexes.split("Équivalences, demandées")[1].split("Incertitudes types")[0]
        assert text.count("ADEME, Impact CO2 (impactco2.fr), 1er juillet 2026") == 2
        assert "0,142 kgCO₂e par km" in text
        assert "0,00293 kgCO₂e par km" in text
        assert "d’un voyageur en TGV, traction et fabrication" in text

    def test_what_was_claimed_twice_is_listed_with_what_was_kept(self, tmp_path: Path) -> None:
        claim = {"cpu": 0, "ram": 0, "devices": ("GPU-<b>a",), "shared_devices": ("GPU-<b>a",)}
        left_out = record(gpu=kwh(2), pid=1, service="analyse-cv", **claim)
        kept = record(gpu=kwh(3), pid=2, **claim)
        report = build_report(
            fold([left_out, kept]),
            Quarter(2026, 4),
            settings=make_settings(timezone="UTC"),
            catalogue=write_catalogue(tmp_path),
            factors=default_factors(),
        )
        text = Page(render_report(report)).text
        assert "Ce qui était compté deux fois" in text
        assert "carte graphique entière, revendiquée deux fois : GPU-<b>a" in text
        assert f"1 : {left_out.record_id}" in text
        assert "host-1 : vadore" in text

    def test_where_nothing_is_claimed_twice_the_page_says_nothing_of_it(self, page: Page) -> None:
        assert "compté deux fois" not in page.text


class TestInventory:
    def test_each_part_of_the_total_has_its_scope_and_item(self, page: Page) -> None:
        for text in (
            "Place dans un bilan d’émissions",
            "scope 2",
            "émissions indirectes liées à la consommation d’électricité",
            "scope 3, catégorie 2",
            "exploitant non déclaré, supposé être l’organisation",
        ):
            assert text in page.text


class TestWords:
    @pytest.mark.parametrize(
        ("codes", "sentences"),
        [
            (data.NOTICES, wording.NOTICES),
            (data.SAVINGS, wording.SAVINGS),
            (data.UNSUPPORTED, wording.UNSUPPORTED),
            (get_args(catalogue.committees.Section), wording.SECTIONS),
            (get_args(catalogue.committees.State), wording.ACTION_STATES),
            (get_args(catalogue.evaluations.Answered), wording.EVALUATION_ANSWERS),
            (catalogue.THEMES, wording.EVALUATION_QUESTIONS),
            (("factor-set", "at-the-wall", "no-pue", "idle-left-out"), wording.SENSITIVITIES),
            (("recommendation", "decision", "tie", "comment"), wording.SAID),
            (semconv.OUTCOMES, wording.OUTCOMES),
            ([id_ for id_, _ in COMMITMENTS if id_ != "impact-environnemental"], wording.TIES),
            (data.REASONS, wording.REASONS),
            (data.VERDICTS, wording.VERDICTS),
            (data.VERDICT_REASONS, wording.VERDICT_REASONS),
            (semconv.STATUSES, wording.STATUSES),
            (semconv.STATUSES, wording.STATUS_MEANINGS),
            (semconv.PHASES, wording.PHASES),
            (semconv.COMPONENTS, wording.COMPONENTS),
            (set(semconv.KINDS) - {semconv.KIND_OUTCOME}, wording.KINDS),
            (INDICATORS, wording.INDICATORS),
            (hosted.STANDINGS, wording.STANDINGS),
            (GSD, wording.DEVIATIONS),
            (catalogue.EQUIVALENCES, wording.EQUIVALENCES),
            (hosted.WHY_UNMEASURED, wording.WHY_UNMEASURED),
            (doublecounting.DOUBLES, wording.DOUBLES),
            (data.INVENTORY_ITEMS, wording.INVENTORY_ITEMS),
            (data.ASSUMPTIONS, wording.ASSUMPTIONS),
            (("own", "hosted"), wording.OPERATED),
            (("measured", "declared", "default"), wording.QUALITIES),
            (("pue", "wue", "water_factor"), wording.FIGURES),
            (change.TERMS, wording.TERMS),
            (declared_changes.KINDS, wording.DECLARED_KINDS),
            (declared_changes.EFFECTS, wording.DECLARED_EFFECTS),
            (("added", "removed", "changed"), wording.DECLARED_CHANGES),
            ([against for against, _ in data.COMPARED], wording.COMPARED),
        ],
    )
    def test_every_code_has_a_sentence(self, codes: tuple[str, ...], sentences: dict[str, str]) -> None:
        assert set(codes) <= set(sentences)

    def test_an_unknown_code_is_shown_as_it_is(self, sample: QuarterlyReport) -> None:
        changed = dataclasses.replace(
            sample,
            notices=(*sample.notices, "code-of-tomorrow"),
            lost={"loss-of-tomorrow": 7, "invalid-setting:zone": 2},
            targets=(dataclasses.replace(sample.targets[0], verdict="verdict-of-tomorrow", reason="reason-of-tomorrow"),),
            totals=dataclasses.replace(sample.totals, co2e=data.Quantity(None, "kgCO2e", reason="lack-of-tomorrow")),
        )
        text = Page(render_report(changed)).text
        for code in ("code", "loss", "verdict", "reason", "lack"):
            assert f"{code}-of-tomorrow" in text
        assert "réglages illégaux, remplacés par leur valeur par défaut : zone" in text

    @pytest.mark.checkout
    @pytest.mark.parametrize("lang", [lang for lang in LANGUAGES if lang != "fr"])
    def test_every_message_is_translated_and_none_is_stale(self, repository: Path, lang: str) -> None:
        found: set[str | tuple[str, ...]] = {
            message
            for _, _, message, _, _ in extract_from_dir(
                repository / "dashboards" / "ecoia_dashboards",
                method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
                options_map={"templates/**.html": {"newstyle_gettext": "true", "silent": "false"}},
                keywords={"_": None, "N_": None, "t": None, "n": (1, 2), "ngettext": (1, 2)},
            )
        }
        found |= {message for section in SECTIONS for message in (section.title, section.name_in_choices)}
        found |= {piece.title for section in SECTIONS for piece in section.pieces if piece.title}
        with catalogue_path(lang).open("rb") as file:
            messages = [message for message in read_po(file, locale=lang, abort_invalid=True) if message.id]
        known = {tuple(m.id) if isinstance(m.id, list | tuple) else m.id for m in messages}
        assert known - found == set()
        assert found - known == set()
        for message in messages:
            ids = message.id if isinstance(message.id, list | tuple) else (message.id,)
            texts = message.string if isinstance(message.string, list | tuple) else (message.string,)
            assert all(texts), f"{message.id!r} has no translation"
            assert not message.fuzzy, message.id
            for text in texts:
                assert names(text) == names(ids[-1]) or names(text) == names(ids[0]), f"{message.id!r} and {text!r}"

    def test_english_page_holds_no_french_of_ours(self, sample: QuarterlyReport) -> None:
        text = Page(render_report(sample, "en")).text
        for service in sample.register:
            text = text.replace(service.name, "")  # names are the organisation's, in its own language
        with catalogue_path("en").open("rb") as file:
            french = [m.id for m in read_po(file) if isinstance(m.id, str) and len(m.id) > 12 and m.id != m.string]
        assert [message for message in french if "%" not in message and message in text] == []

    def test_an_unknown_language_is_refused_with_the_remedy(self, sample: QuarterlyReport) -> None:
        with pytest.raises(UsageError, match=r"lang = 'de'.*fr or en"):
            render_report(sample, "de")

    def test_quarter_and_language_of_the_page(self, sample: QuarterlyReport, page: Page) -> None:
        english = Page(render_report(sample, "en"))
        assert page.attributes("html")[0]["lang"] == "fr"
        assert english.attributes("html")[0]["lang"] == "en"
        assert "T4 2026" in page.text
        assert "Q4 2026" not in page.text
        assert "Q4 2026" in english.text
        assert "T4 2026" not in english.text


def names(message: str) -> set[str]:
    """The fields that a message fills in."""
    return set(re.findall(r"%\((\w+)\)s", message))


class TestChange:
    def test_every_term_and_change_is_on_the_page_to_the_microgram(self, sample: QuarterlyReport, page: Page) -> None:
        values = {attributes["value"] for attributes in page.attributes("data")}
        (known,) = (each for each in sample.changes if each.total is not None)
        assert known.total is not None
        for line in (*known.services, known.total):
            assert str(line.explained.micrograms) in values
            assert {str(part) for part in line.explained.terms.values()} <= values
        assert str(known.total.relative.value) in values
        assert "Pourquoi le CO₂e n’est pas celui du trimestre précédent, T3 2026 simulé" in page.text
        assert "un an avant, T4 2025 période de référence absente" in page.text

    def test_a_gain_that_volume_absorbed_is_named_without_a_cause(self, sample: QuarterlyReport, page: Page) -> None:
        assert "gain unitaire absorbé par le volume" not in page.text
        (known,) = (each for each in sample.changes if each.total is not None)
        line = dataclasses.replace(
            known.services[0], explained=dataclasses.replace(known.services[0].explained, absorbed_gain=True)
        )
        report = dataclasses.replace(sample, changes=(dataclasses.replace(known, services=(line,)),))
        text = Page(render_report(report)).text
        assert "gain unitaire absorbé par le volume" in text
        assert "ne dit rien de la cause" in text

    def test_a_trajectory_shows_its_budget_and_how_likely_it_is_to_be_overrun(self, sample: QuarterlyReport) -> None:
        state = data.BudgetState(
            year=2027,
            budget=data.Quantity(34.0, "kWh"),
            spent=data.Quantity(17.0, "kWh", 15.0, 19.0),
            consumed=data.Quantity(0.5, "1"),
            distance=data.Quantity(-3.0, "kWh"),
            overrun_probability=data.Quantity(None, "1", reason="too-few-quarters"),
        )
        target = dataclasses.replace(sample.targets[0], budget=state)
        page = Page(render_report(dataclasses.replace(sample, targets=(target,))))
        text = page.text.replace("\xa0", " ")
        row = text.split("Budget de l’année, sur la trajectoire de chaque cible")[-1].split("Les engagements")[0]
        for said in (
            ", 2027",
            "34,0 kWh",
            "17,0 kWh 15,0 à 19,0 kWh",
            "50 %",
            "\N{MINUS SIGN} 3,00 kWh",
            "trop peu de trimestres",
        ):
            assert said in row
        assert "Probabilité de dépassement" not in Page(render_report(sample)).text


class TestNeverLies:
    def test_exact_microjoules_add_up_on_the_page(self, sample: QuarterlyReport, page: Page) -> None:
        values = {attributes["value"] for attributes in page.attributes("data")}
        assert str(sample.totals.energy_components_microjoules) in values
        assert {str(part) for part in sample.energy_by_kind_microjoules.values()} <= values
        assert "Écart inexpliqué" not in page.text

    def test_a_gap_in_the_sums_is_shown(self, sample: QuarterlyReport) -> None:
        totals = dataclasses.replace(sample.totals, energy_components_microjoules=sample.totals.energy_components_microjoules + 1)
        assert "Écart inexpliqué" in Page(render_report(dataclasses.replace(sample, totals=totals))).text

    def test_every_computed_number_of_the_data_is_there(self, sample: QuarterlyReport, page: Page) -> None:
        values = {attributes["value"] for attributes in page.attributes("data")}
        wanted = [sample.totals.energy, sample.totals.co2e]
        for result in sample.results:
            wanted += [result.measure.energy, result.measure.co2e, result.energy_per_unit]
        for entry in sample.register:
            wanted += [entry.energy, entry.co2e]
        wanted += [target.observed for target in sample.targets]
        assert {str(quantity.value) for quantity in wanted if quantity.value is not None} <= values

    def test_services_not_measured_are_listed_as_such(self, sample: QuarterlyReport, page: Page) -> None:
        part = page.text.split("Services non couverts")[1].split("Registre des services")[0]
        for entry in sample.register:
            if entry.registered:
                assert (entry.name in part) is not entry.measured
        assert "et 20 services sans nom" in part
        assert "non enregistré" in page.text

    def test_the_four_statuses_are_words_with_a_shape_each(self, page: Page) -> None:
        classes = {attributes.get("class") for attributes in page.attributes("span")}
        for status in semconv.STATUSES:
            assert f"status {status}" in classes
            assert f".{status}::before" in page.style
        for word in ("mesuré", "estimé", "déclaré", "manquant"):
            assert word in page.text

    def test_the_wording_of_commitment_7_is_never_invented(self, sample: QuarterlyReport, page: Page) -> None:
        assert "Le texte de l’engagement n° 7 n’est pas fourni" in page.text
        own = tuple(dataclasses.replace(c, text="Nos propres mots.") if c.number == 7 else c for c in sample.commitments)
        text = Page(render_report(dataclasses.replace(sample, commitments=own, notices=()))).text
        assert "Nos propres mots." in text
        assert "n’est pas fourni" not in text

    def test_simulated_data_and_stand_ins_are_said_on_every_page(self, sample: QuarterlyReport, page: Page) -> None:
        assert {"simulated-history", "stand-ins"} <= set(sample.notices)
        assert "⚠ Des trimestres de ce rapport sont simulés" in page.text
        assert "⚠ Des modèles de démonstration" in page.text
        foot = re.sub(r"\\([0-9a-f]+) ", lambda match: chr(int(match[1], 16)), page.style)
        assert "contient des données simulées · modèles de démonstration" in foot
        assert "ethique@organisation.example" in foot

    def test_a_simulated_quarter_says_so_without_any_notice(self, sample: QuarterlyReport) -> None:
        page = Page(render_report(dataclasses.replace(sample, simulated=True, notices=())))
        assert "⚠ Ce trimestre contient des données simulées" in page.text

    def test_a_device_that_is_not_there_is_not_missing(self, sample: QuarterlyReport) -> None:
        def without(share: data.MethodShare) -> data.MethodShare:
            return dataclasses.replace(share, name="no-device") if share.status == semconv.MISSING else share

        results = tuple(
            dataclasses.replace(r, measure=dataclasses.replace(r.measure, methods=tuple(map(without, r.measure.methods))))
            for r in sample.results
        )
        text = Page(render_report(dataclasses.replace(sample, results=results))).text
        assert "pour certains services ; inconnu" in Page(render_report(sample)).text
        assert "pour certains services ; inconnu" not in text
        assert "aucun appareil de ce type" in text

    def test_without_a_zone_co2e_is_not_computed_and_the_remedy_is_named(self, tmp_path: Path) -> None:
        text = Page(render_report(sample_report(tmp_path, zone=None))).text
        assert "non calculé" in text
        assert "ECOIA_ZONE=FRA" in text
        assert "hors bâtiment" in text

    def test_with_a_pue_the_building_is_included(self, tmp_path: Path) -> None:
        text = Page(render_report(sample_report(tmp_path, pue=1.3))).text
        assert "Énergie ( bâtiment compris )" in text.replace("(bâtiment compris)", "( bâtiment compris )")
        assert "PUE appliqué (énergie du bâtiment / énergie informatique) : 1,30." in text

    @pytest.mark.parametrize(
        ("components", "label", "limit"),
        [
            ("", "Processeurs, cartes graphiques et mémoire ; hors alimentation", "ni mesure à la prise, ni étalonnage"),
            (
                "cpu",
                "(étalonnage du site, wattmètre ou modèle de serveur) pour 75 % de l’énergie des composants ; le reste hors",
                "pas étalonnés",
            ),
            ("cpu ram", "modèle de serveur) : alimentation, ventilation, disques et réseau des serveurs compris", None),
        ],
    )
    def test_power_supplies_are_out_until_all_energy_is_calibrated(
        self, tmp_path: Path, components: str, label: str, limit: str | None
    ) -> None:
        built = calibrated(tmp_path, *components.split())
        for lang in LANGUAGES:
            text = Page(render_report(built, lang)).text
            assert ("PV n° 12" in text) == bool(components)
        text = Page(render_report(built)).text
        assert label in text
        limits = text.split("Ce qui n’est pas compté")[1]
        assert (limit in limits) if limit else "ventilation" not in limits.split("Annexes")[0]

    def test_factors_gaps_and_contracts_are_shown_with_source_share_and_evidence(self, tmp_path: Path) -> None:
        built = varying_report(tmp_path)
        page = Page(render_report(built))
        summary, annexes = page.text.split("2. Engagement")[0], page.text.split("Facteurs d’émission utilisés")[-1]
        assert "selon les contrats d’électricité, à côté et dans aucun total" in summary
        assert "moyenne sur l’énergie" in summary
        for part in (
            "moyenne sur l’énergie, de 10,00 à 20,00",
            "trou comblé par la dernière valeur qui le précède",
            "relevé le 25 novembre 2026",
            "Jeu de facteurs choisi : rte, version v1 (combustion seule, mix de production)",
            "c’est une étude de sensibilité, et non un inventaire",
            "France : 25 % de l’énergie a été utilisée à des heures sans facteur. Le trou est comblé",
            "Fournisseur <b>",
            "GO n° 12",
            "50 %",
            "du 1er janvier 2026 au 1er janvier 2027 exclu",
        ):
            assert part in annexes, part
        english = Page(render_report(built, "en")).text
        assert "by the electricity contracts, beside it and in no total" in english
        assert "25% of the energy was used at hours that have no factor" in english

    def test_a_gap_that_nothing_fills_says_why_there_is_no_co2e(self, tmp_path: Path) -> None:
        text = Page(render_report(varying_report(tmp_path, fill=None))).text
        assert "le jeu de facteurs a un trou, qu’aucune règle ne comble" in text
        assert "Le trou n’est pas comblé : aucun CO₂e n’est calculé pour le tout." in text

    def test_a_calibration_is_shown_with_its_source_date_machines_and_days(self, tmp_path: Path) -> None:
        page = Page(render_report(calibrated(tmp_path, "cpu")))
        table = page.text.split("Facteurs de prise, avec leur source")[1].split("Période et méthode")[0]
        for part in (
            "processeur",
            "1,42",
            "dispersion 1,05",
            "host-*",
            "du 1er juillet 2026 au 1er janvier 2027 exclu",
            "15 juin 2026",
        ):
            assert part in table, part
        assert "Campagne <b>, PV n° 12" in table
        assert "Aucun étalonnage n’est appliqué" in Page(render_report(calibrated(tmp_path))).text

    def test_use_making_hosted_models_and_water_stand_apart_with_their_sources(self, tmp_path: Path) -> None:
        built = declared(tmp_path, Tokens("openai", "gpt-4o", 5, 400_000))
        page = Page(render_report(built))
        values = {attributes["value"] for attributes in page.attributes("data")}
        parts = built.footprint
        shown = [parts.co2e, parts.co2e_operational, parts.co2e_embodied, parts.co2e_api, parts.water_direct]
        assert {str(quantity.value) for quantity in shown} <= values
        assert "non calculé : facteur d’eau inconnu" in page.text
        annexes = page.text.split("11. Annexes")[1]
        for text in (
            "Centre <b>1",
            "Contrat X",
            "Fiche carbone",
            "1 461 kgCO₂e",
            "4 ans",
            "46,0 kgCO₂e",
            "non publiée",
            "EcoLogits 0.",
        ):
            assert text in annexes, text
        assert "PUE : celui de chaque site" in page.text

    def test_an_estimate_by_tokens_claims_two_figures_at_most(self, tmp_path: Path) -> None:
        built = declared(tmp_path, Tokens("openai", "gpt-4o", 5, 400_000_000))
        assert built.footprint.co2e_api.value is not None
        exact = built.footprint.co2e_api.value
        rounded = float(f"{exact:.1e}")
        assert 100 < exact != rounded
        text = Page(render_report(built)).text
        assert f"{rounded:.0f} kgCO₂e" in text
        assert f"{exact:.0f} kgCO₂e" not in text

    def test_what_has_no_estimate_or_is_metered_is_listed(self, tmp_path: Path) -> None:
        calls = (Tokens("local", "m", 5, 4), Tokens("mistralai", "mistral-large-latest", 5, 4))
        built = declared(tmp_path, *calls)
        text = Page(render_report(built)).text
        assert [len(use.record_ids) for use in built.tokens] == [1, 1]
        assert "laissé de côté : l’appareil est déjà mesuré" in text
        assert "nom de modèle qui change de sens (« latest »)" in text
        listed = text.split("Modèles externes, par jetons")[1]
        assert all(f"{use.records} : {record_id}" in listed for use in built.tokens for record_id in use.record_ids)
        limits = text.split("Ce qui n’est pas compté")[1].split("Annexes")[0]
        assert "Des appels à des modèles externes, listés en annexe" in limits
        assert "La fabrication des équipements" not in limits

    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_nothing_recorded_is_unknown_not_zero(self, lang: str) -> None:
        page = Page(render_report(bare(), lang))
        assert not page.attributes("img")
        assert not re.search(r"\b0([.,]0+)? (kWh|Wh|kgCO₂e)", page.text.split("Microjoules")[0])
        assert {"fr": "inconnu, et non pas nul", "en": "unknown, not zero"}[lang] in page.text

    def test_no_name_of_a_person_slips_in_through_the_generator(self, page: Page) -> None:
        assert not [a for a in page.attributes("meta") if a.get("name") in ("author", "generator")]


class TestElevenParts:
    def test_they_stand_in_the_order_in_which_comments_name_them(self, full: QuarterlyReport, parts: dict[str, str]) -> None:
        assert list(parts) == list(get_args(catalogue.committees.Section)) == list(wording.SECTIONS)
        for number, (id_, text) in enumerate(parts.items(), 1):
            assert text.strip().startswith(f"{number}. {wording.SECTIONS[id_]}")
            assert f"Texte de l’organisation, non vérifié par ces calculs Commentaire de la partie {id_}." in text
        links = [a["href"] for a in Page(render_report(full)).attributes("a")][1:]
        assert [link for link in links if not link.startswith("data:text/csv;")] == [f"#{id_}" for id_ in parts]

    def test_a_draft_says_so_on_every_page_and_a_sealed_one_does_not(self, full: QuarterlyReport) -> None:
        draft, sealed = (render_report(report) for report in (full, dataclasses.replace(full, seal=SEAL)))
        assert "Projet : ce document n’est pas la publication" in Page(draft).text.replace("\xa0", " ")
        assert 'body::before { content: "PROJET"' in draft
        assert "rojet" not in by_part(sealed)["synthese"]
        assert "body::before" not in sealed
        assert SEAL.figures_digest in by_part(sealed)["annexes"]
        assert "scellé sous le nom 2026Q4" in by_part(sealed)["autres-engagements"]

    def test_sobriety_says_what_could_be_spared_who_can_act_and_what_it_may_harm(
        self, full: QuarterlyReport, parts: dict[str, str]
    ) -> None:
        text, values = parts["sobriete"], {a["value"] for a in Page(render_report(full)).attributes("data")}
        dominated, lost = full.savings
        assert (dominated.kind, lost.kind) == ("dominated-runs", "lost-runs")
        assert {str(each.energy.value) for each in full.savings} | {str(each.co2e.value) for each in full.savings} <= values
        assert "qualité comparée : accuracy 2 entraînements" in text
        assert "essai-2, essai-3" in text.split("Ce que désignent les pistes")[1]
        assert "chef de produit IA Equité et non discrimination" in text
        assert "aucun entraînement fini n’a de mesure de qualité (Smart emploi / Data emploi)" in text
        assert "VADORE, entraînement : entraînements égalés par un autre pour moins d’énergie, 2 sur 6" in text
        assert full.costliest_runs[0].run_id in text
        nobody = dataclasses.replace(full, savings=(dataclasses.replace(dominated, role=None),))
        assert "responsable du service" in by_part(render_report(nobody))["sobriete"]

    def test_other_hours_spare_co2e_and_no_energy(self, full: QuarterlyReport) -> None:
        later = data.Saving(
            kind="other-hours",
            service="vadore",
            phase=None,
            microjoules=0,
            energy=data.Quantity(0.0, "kWh"),
            co2e=data.Quantity(0.2, "kgCO2e", 0.1, 0.4),
            role=None,
            may_harm=(6, 12),
            hours_later=3,
        )
        text = by_part(render_report(dataclasses.replace(full, savings=(later,))))["sobriete"]
        for said in ("3 heures plus tard", "la même énergie", "200 gCO₂e 100 à 400 gCO₂e", "Sécurité et engagement n° 12"):
            assert said in text, said

    def test_what_the_data_does_not_support_is_said_not_guessed(self, sample: QuarterlyReport) -> None:
        text = by_part(render_report(sample))["sobriete"]
        assert "il faut au moins deux entraînements finis pour comparer (VADORE)" in text
        assert "ne varient pas dans la journée" in text
        assert "responsable du service" in text

    def test_the_path_has_its_budget_its_end_and_the_constant_factor(self, full: QuarterlyReport, parts: dict[str, str]) -> None:
        (target,) = (each for each in full.targets if each.budget is not None)
        assert target.budget is not None
        values = {a["value"] for a in Page(render_report(full)).attributes("data")}
        assert {str(target.budget.expected.value), str(target.budget.overrun_probability.value)} <= values
        assert "aucun équipement n’est déclaré" in parts["trajectoire"]
        assert "à facteur constant" in parts["trajectoire"]

    def test_ties_name_each_commitment_with_its_own_evidence(self, full: QuarterlyReport, parts: dict[str, str]) -> None:
        text = parts["autres-engagements"]
        places = [
            text.index(f"{commitment.number}. {commitment.name}") for commitment in full.commitments if commitment.number != 7
        ]
        assert places == sorted(places)
        assert len(places) == 6
        for said in (
            "3 900",
            "rapprochement proposé",
            "Méthode version 4",
            "pas encore scellé",
            "1 piste de sobriété peut y nuire",
        ):
            assert said in text.replace("\u202f", " "), said
        assert "VADORE : Le modèle réduit a été vérifié sans perte d'équité." in text

    def test_what_is_uncertain_is_in_one_part(self, full: QuarterlyReport, parts: dict[str, str]) -> None:
        text = parts["incertitudes"]
        for said in (
            "sans le bâtiment (aucun PUE)",
            "sans la veille réservée",
            "CO₂e publié, CO₂e recalculé",
            "Ce qui a été perdu",
            "pas compté",
        ):
            assert said in text, said
        assert {"no-pue", "idle-left-out"} <= {each.kind for each in full.sensitivities}

    def test_late_actions_come_first_and_regions_are_said_to_be_apportioned(self, parts: dict[str, str]) -> None:
        text = parts["recommandations"]
        actions = text.split("Actions et leur suivi")[1]
        assert actions.index("a-1") < actions.index("en retard") < actions.index("a-2 Mesurer")
        assert actions.count("en retard") == 1
        assert "non une mesure faite dans la région" in text
        assert "Bretagne" in text
        assert "Action en retard depuis" in parts["recommandations"]

    def test_self_assessments_say_who_answered_what(self, parts: dict[str, str]) -> None:
        answers = parts["annexes"].split("Auto-évaluations des services")[1]
        assert "oui : VADORE (Règle essayée.)" in answers
        assert "non : Smart emploi / Data emploi" in answers
        assert "à instruire : VADORE" in answers

    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_a_full_page_is_light(self, full: QuarterlyReport, lang: str) -> None:
        assert len(gzip.compress(render_report(full, lang).encode())) <= PAGE_LIMIT_BYTES

    def test_a_page_of_thirty_services_over_eight_quarters_is_light(self, tmp_path: Path) -> None:
        assert len(gzip.compress(render_report(large_report(tmp_path)).encode())) <= LARGE_PAGE_LIMIT_BYTES


class TestHostileText:
    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_every_text_of_the_data_may_be_hostile(self, full: QuarterlyReport, lang: str) -> None:
        hostile = poisoned(dataclasses.replace(full, seal=SEAL))
        page = Page(render_report(hostile, lang))
        assert not page.attributes("script")
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.html)
        page.html.encode("utf-8")
        assert "{{7*7}}" in page.text
        assert "49" not in page.text.replace("{{7*7}}", "").split("alert(1)")[1][:20]
        assert page.style.count("</") == 0

    def test_a_name_cannot_read_as_another_by_marks_of_direction(self, sample: QuarterlyReport) -> None:
        entry = dataclasses.replace(sample.register[0], name="tnemurtsni\u202e")
        html = render_report(dataclasses.replace(sample, register=(entry, *sample.register[1:])))
        assert "tnemurtsni\N{REPLACEMENT CHARACTER}" in html


def test_every_cause_of_loss_has_words() -> None:
    assert set(wording.LOST) == set(losses.LOSSES)


@pytest.mark.checkout
def test_no_cause_of_loss_is_written_out_beside_its_definition(repository: Path) -> None:
    for file in (path for root in ("src", "integrations") for path in (repository / root).rglob("*.py")):
        found = re.findall(r"""(?:lose\(|lost\[|lost \+= \(|lost\.append\()f?"[a-z-]+""", file.read_text(encoding="utf-8"))
        assert found == [], f"{file}: name it in ecoia/losses.py"


def test_the_summary_tells_co2e_at_constant_factor_and_the_quarters_own_factors_only(tmp_path: Path) -> None:
    report = full_report(tmp_path)
    older = dataclasses.replace(report.factors[0], quarter="2025Q4", value_g_per_kwh=987.0)
    page = render_report(dataclasses.replace(report, factors=(older, *report.factors)), "fr")
    summary = page[page.index('id="synthese"') : page.index('id="engagement"')]
    assert f"usage au facteur d’émission de {report.reference_year}" in summary
    assert "987,0" not in summary
    assert "987,0" in page, "the annexes have them all"


@pytest.mark.parametrize(
    ("lang", "said"), [("fr", "Services concernés\N{NARROW NO-BREAK SPACE}:"), ("en", "Services concerned:")]
)
def test_services_that_share_a_host_are_named_as_less_sure_beside_programs_that_nobody_measures(
    tmp_path: Path, lang: str, said: str
) -> None:
    """Declared energy is a statement, and no share of a host."""
    found = build_report(
        fold([record(cpu=kwh(3)), record(cpu=kwh(2), service="analyse-cv", methods={"cpu": DECLARED}, ram=None)]),
        Quarter(2026, 4),
        settings=make_settings(),
        catalogue=write_catalogue(tmp_path),
        factors=default_factors(),
    )
    page = re.sub(r"\s", " ", render_report(found, lang))
    (sentence,) = re.findall(re.sub(r"\s", " ", said) + r" ([^<]*)", page)
    assert "vadore" in sentence
    assert "cv" not in sentence.lower()

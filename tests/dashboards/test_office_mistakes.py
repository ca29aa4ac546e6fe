"""What people in an office do to a workbook: each is read as meant, or told with its cell, all in one reading."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ecoia import catalogue
from ecoia_dashboards.workbook.cells import CellError, understood
from ecoia_dashboards.workbook.sheets import Column
from support.workbooks import cell_of, fill, mistakes, places, reread, write_whole_catalogue

NUMBER = Column("units", "Unités", "", "number")
SHARE = Column("reduction", "Réduction", "", "number", percent=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_whole_catalogue(tmp_path / "catalogue")


def kind_of(column: Column, content: Any, lang: str = "fr") -> str:
    with pytest.raises(CellError) as caught:
        understood(column, content, lang)
    return caught.value.kind


class TestNumbersTypedAsText:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("412 000", 412000),
            ("412\u202f000", 412000),
            ("412\xa0000", 412000),
            ("412'000", 412000),
            ("412’000", 412000),
            ("1.234.567", 1234567),
            ("1 234,5", 1234.5),
            ("1.234,5", 1234.5),
            ("1,234.5", 1234.5),
            ("412,000", 412),
            ("0.125", 0.125),
            ("0.9", 0.9),
            ("4120.000", 4120),
            ("1 234.567", 1234.567),
            ("−5", -5),
            (" 12 ", 12),
            ("1E+05", 100000),
            (",5", 0.5),
        ],
    )
    def test_what_reads_in_one_way_is_read(self, text: str, number: float) -> None:
        assert understood(NUMBER, text, "fr") == number

    @pytest.mark.parametrize("lang", ["fr", "en"])
    @pytest.mark.parametrize("digits", ["412", "1", "16"])
    def test_three_digits_after_the_other_languages_mark_are_refused(self, lang: str, digits: str) -> None:
        """412.000 in French, 412,000 in English: thousands to some, decimals to others; never read as 412."""
        own, other = (",", ".") if lang == "fr" else (".", ",")
        with pytest.raises(CellError) as caught:
            understood(NUMBER, f"{digits}{other}000", lang)
        assert caught.value.kind == "two-numbers"
        assert (caught.value.values["whole"], caught.value.values["decimal"]) == (f"{digits}000", f"{digits}{own}000")
        assert understood(NUMBER, caught.value.values["whole"], lang) == int(digits) * 1000
        assert understood(NUMBER, caught.value.values["decimal"], lang) == int(digits)

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("412 000 réponses", "not-a-number-alone"),
            ("16 000 kWh", "not-a-number-alone"),
            ("1,5 M", "not-a-number-alone"),
            ("~400", "not-a-number-alone"),
            ("12 à 15", "not-a-number-alone"),
            ("1 23", "not-a-number"),
            ("41 2000", "not-a-number"),
            ("1.23.456", "not-a-number"),
            ("12 345'678", "not-a-number"),
            ("beaucoup", "not-a-number"),
            ("n.c.", "not-a-number"),
            ("-", "not-a-number"),
            ("\N{FULLWIDTH DIGIT FOUR}12.000", "not-a-number-alone"),
            ("90 %", "no-percentage"),
            (True, "not-a-number"),
            (datetime(2026, 3, 4), "not-a-number"),
        ],
    )
    def test_what_is_no_number_or_more_than_a_number_is_refused(self, text: Any, kind: str) -> None:
        assert kind_of(NUMBER, text) == kind

    def test_a_percentage_is_a_share_where_a_share_is_asked_for(self) -> None:
        for text in ("35 %", "35%", "35\u202f%", "35,0 %", "0,35", "0.35"):
            assert understood(SHARE, text, "fr") == 0.35


@pytest.mark.parametrize(
    "text", ["T3 2026", "2026-T3", "Q3 2026", "2026Q3", "3T2026", "T3-2026", "t3 2026", "3e trimestre 2026", "T3\xa02026"]
)
def test_a_quarter_is_read_however_it_is_written(text: str) -> None:
    assert understood(Column("quarter", "", "", "quarter"), text, "fr") == "2026Q3"


@pytest.mark.parametrize("text", ["T5 2026", "T3 26", "septembre 2026", "2026", datetime(2026, 9, 30)])
def test_what_is_no_quarter_is_refused(text: Any) -> None:
    assert kind_of(Column("quarter", "", "", "quarter"), text) == "not-a-quarter"


@pytest.mark.parametrize(("text", "value"), [("oui", True), ("OUI ", True), ("x", True), ("X", True), (1, True), ("o", True)])
def test_yes_is_read_however_it_is_written(text: Any, value: bool) -> None:
    column = Column("stand_in", "", "", "boolean")
    assert understood(column, text, "fr") is value
    assert [understood(column, no, "fr") for no in ("non", "N", 0, "faux", False)] == [False] * 5
    assert kind_of(column, "peut-être") == "yes-or-no"


@pytest.mark.parametrize("text", ["11/23/2026", "23/11/26", "novembre 2026", 46000, "31/02/2026", "2026-W01-1"])
def test_what_is_no_day_is_refused(text: Any) -> None:
    assert kind_of(Column("since", "", "", "day"), text) == "not-a-day"


@pytest.mark.parametrize(
    "text",
    [
        "inférence : 92, entraînement : 11", "inférence : 92 / entraînement : 11", "inférence : 92 et entraînement : 11",
        "inférence 92 entraînement 11", "inférence gpu-01 : 92, gpu-03 : 92", "inférence gpu-01:92 gpu-03:92",
    ],
)  # fmt: skip
def test_days_of_two_phases_are_never_read_as_those_of_one(text: str) -> None:
    column = Column("instance_days", "", "", "days")
    assert kind_of(column, text) == "not-days"
    assert understood(column, "inférence gpu-01 : 92 ; inférence gpu-03 : 90 ; entraînement : 11", "fr") == {
        "inference": {"gpu-01": 92, "gpu-03": 90},
        "training": 11,
    }


def test_every_mistake_comes_in_one_reading(folder: Path) -> None:
    """Some would hide others: a file that is wrong keeps what refers to it, and lines as a whole, from being checked."""

    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Registre"], 3, Existe_depuis="hier")
        fill(book["Registre"], 9, Remplace="ancien-vadore, smart-emploi", Unités_attendues="-3")
        fill(book["Registre"], 11, Identifiant="VADORE", Nom="x", État="retiré")
        fill(book["Registre"], 12, Identifiant="neuf ", Nom="Neuf", État="x")
        fill(book["Cibles"], 3, Échéance="fin 2027", État="adoptée")
        fill(book["Cibles"], 5, Service="smart_emploi", Valeur="90 %")
        fill(book["Cibles"], 6, Réduction="35", Horizon="2030,5")
        fill(book["Recommandations"], 3, Instance="comite-interne ", Service="VADORE 2")
        fill(book["Décisions"], 3, Instance="comité interne", Répond_à="r9")
        cell_of(book["Décisions"], 3, "Empreinte du procès-verbal").value = "abc"
        fill(book["Actions"], 3, Répond_à="d7", État="faite", Échéance="T1 2020")
        fill(book["Autres engagements"], 3, Engagement=5)
        fill(book["Résultats acceptés"], 3, Résultats_acceptés="412.000")
        fill(book["Résultats acceptés"], 4, Service="vadores", Trimestre="T3 2026", Résultats_acceptés=1, Source="s")
        fill(book["Unités par région"], 4, Région="bretagne ", Service="vadore", Trimestre="T3 2026", Unités=12, Source="s")
        fill(book["Unités par région"], 5, Région="Corse", Service="inconnu", Trimestre="T3 2026", Unités=12)
        fill(book["Évaluation"], 3, Service="analyse")

    found = mistakes(folder, edit)
    assert places(found) == [
        "Registre!H3 (Existe depuis)",
        "Registre!G9 (Unités attendues)",
        "Registre!N9 (Remplace)",
        "Registre!A11 (Identifiant)",
        "Registre!C12 (État)",
        "Cibles!F3 (Échéance)",
        "Cibles!M3 (Instance)",
        "Cibles!C5 (Service)",
        "Cibles!E5 (Valeur)",
        "Cibles!I6 (Réduction)",
        "Cibles!J6 (Horizon)",
        "Recommandations!D3 (Service)",
        "Décisions!C3 (Instance)",
        "Décisions!F3 (Répond à)",
        "Décisions!H3 (Empreinte du procès-verbal)",
        "Actions!E3 (Échéance)",
        "Actions!G3 (Répond à)",
        "Actions!I3 (Close au)",
        "Autres engagements!B3 (Engagement)",
        "Résultats acceptés!C3 (Résultats acceptés)",
        "Résultats acceptés!A4 (Service)",
        "Unités par région!A4 (Région)",
        "Unités par région!B5 (Service)",
        "Unités par région!E5 (Source)",
        "Évaluation!A3 (Service)",
    ]
    told = "\n".join(found)
    for words in (
        "« 412.000 » se lit de deux façons : écrire 412000, ou 412,000 si les trois derniers chiffres sont des décimales",
        "« ancien-vadore » n’est pas dans la feuille « Registre »",
        "« smart_emploi » n’est pas dans la feuille « Registre » : écrire « smart-emploi », ou l’y ajouter",
        "« 35 » : écrire un nombre plus petit que 1",
        "« bretagne » est écrit « Bretagne » à la ligne 3 : l’écrire de la même façon",
        "une empreinte SHA-256 a 64 chiffres hexadécimaux",
        "une cible adoptée porte sa décision",
    ):
        assert words in told, told
    assert "yaml" not in told
    assert ": write" not in told


def test_the_same_in_an_english_workbook_is_told_in_english(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Register"], 9, Replaces="legacy")
        fill(book["Accepted results"], 3, Accepted_results="412,000")
        fill(book["Accepted results"], 4, Service="vadores", Quarter="Q3 2026", Accepted_results=-1, Source="s")

    assert mistakes(folder, edit, "en") == [
        "Register!N9 (Replaces): 'legacy' is not in sheet 'Register': add it there, or choose one of gestion-contacts-mails, "
        "recommandations-personnalisees, analyse-cv, acces-information, prediction-pourvoi-30j, controle-legalite-offres, "
        "vadore, smart-emploi",
        "Accepted results!C3 (Accepted results): '412,000' reads in two ways: write 412000, or 412.000 if the last three digits "
        "are decimals",
        "Accepted results!A4 (Service): 'vadores' is not in sheet 'Register': write 'vadore', or add it there",
        "Accepted results!C4 (Accepted results): '-1': write a count of 0 or more",
    ]


def test_what_is_put_around_a_list(folder: Path) -> None:
    """Totals, pasted columns, inserted columns, lines out of order, spaces: nothing is taken for an item that is none."""

    def edit(book: openpyxl.Workbook) -> None:
        place = book["Unités par région"]
        place.insert_cols(2)
        place["B2"] = "Remarque"
        place["B3"] = "à vérifier"
        place["H3"] = "collé ici"
        fill(place, 5, Région=" Corse ", Service=" vadore", Trimestre="T4 2026 ", Unités="12", Source="suivi")
        fill(book["Résultats acceptés"], 6, Service="   ")

    said = reread(folder, edit)
    assert [note.replace("\xa0", " ") for note in said.ignored] == [
        "Unités par région : la colonne « Remarque » n’est pas du classeur : elle n’a pas été lue",
        "Unités par région : H3 est dans une colonne sans titre : elle n’a pas été lue",
    ]
    assert [(line.region, line.units) for line in catalogue.load(folder).regions] == [("Bretagne", 120), ("Corse", 12)]


def test_what_would_be_taken_for_something_else_is_refused(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Unités par région"], 5, Région="Total", Service="vadore", Trimestre="T4 2026", Unités=120, Source="s")
        fill(book["Résultats acceptés"], 5, Service="TOTAL :", Résultats_acceptés=3900)
        book["Registre"].title = "Registre 2026"
        book["Périmètre"].title = "Périmètre (2)"
        cell = cell_of(book["Cibles"], 3, "Valeur")
        cell.value, cell.data_type = "#REF!", "e"
        fill(
            book["Actions"], 4, Identifiant="a1", Ouverte_au="T4 2026", Action="x", Rôle_qui_la_porte="x@y.fr", Échéance="T1 2027"
        )
        book["Recommandations"].merge_cells("C3:D3")

    found = mistakes(folder, edit)
    assert found == [
        "Registre 2026!A1 : cette feuille a les colonnes de « Registre », qui manque : lui rendre ce nom, ou la supprimer",
        "Périmètre (2)!A1 : cette feuille a les colonnes de « Périmètre », qui manque : lui rendre ce nom, ou la supprimer",
        "Cibles!E3 (Valeur) : #REF! : corriger la formule, ou écrire la valeur",
        "Recommandations!C3 : les cellules C3:D3 sont fusionnées sur plusieurs colonnes : les séparer",
        "Actions!A4 (Identifiant) : « a1 » est déjà à la ligne 3 : ne garder qu’une ligne",
        "Résultats acceptés!A5 : « TOTAL : » : une ligne de total n’est pas un élément de la liste ; la retirer",
        "Unités par région!A5 : « Total » : une ligne de total n’est pas un élément de la liste ; la retirer",
    ]


def test_a_number_with_decimals_comes_back_from_a_file_with_decimal_commas(folder: Path) -> None:
    assert reread(folder, lambda book: fill(book["Résultats acceptés"], 3, Résultats_acceptés=1234.567)).changes
    assert "vadore;2026Q4;1234,567;enquête" in (folder / "outcomes.csv").read_text(encoding="utf-8")
    assert catalogue.load(folder).outcomes[0].accepted == 1234.567


DAYS = "{inference: {gpu-01: 92, gpu-03: 45.5}, training: 11}"


def test_days_by_phase_and_instance_survive_the_workbook(folder: Path) -> None:
    path = folder / "services.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("name: VADORE", f"name: VADORE\n    instance_days: {DAYS}"), encoding="utf-8"
    )
    loaded = catalogue.load(folder)
    assert reread(folder, lambda book: None).changes == ()
    assert catalogue.load(folder) == loaded

    def edit(book: openpyxl.Workbook) -> None:
        cell = cell_of(book["Registre"], 9, "Jours-machine")
        assert cell.value == "inférence gpu-01 : 92 ; inférence gpu-03 : 45,5 ; entraînement : 11"
        cell.value = "Inférence gpu-01 : 90; entraînement 12"

    assert [(change.file, change.changed) for change in reread(folder, edit).changes] == [("services.yaml", 1)]
    service = catalogue.load(folder).service("vadore")
    assert service is not None
    assert service.instance_days == {"inference": {"gpu-01": 90}, "training": 12}
    refused = ("repos : 3", "inférence : 3 ; inférence : 4", "inférence gpu-01 : 0", "92 jours")
    for number, text in enumerate(refused):
        (told,) = mistakes(folder, lambda book, text=text: fill(book["Registre"], 9, **{"Jours-machine": text}))
        assert told.startswith("Registre!I9 (Jours-machine) : «"), (number, told)

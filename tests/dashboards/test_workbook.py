"""The workbook: filled cells come back into the catalogue, mistakes are named by their cell, nothing else changes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ecoia import catalogue
from ecoia.catalogue import COMMITTEES_FILE, EVALUATIONS_FILE, starter_files
from ecoia.errors import CatalogueError, UsageError
from ecoia_dashboards.language import Language
from ecoia_dashboards.workbook import FileChange, Reading, read_workbook, write_workbook
from ecoia_dashboards.workbook.cells import known, normal, shown, understood
from ecoia_dashboards.workbook.sheets import SHEETS, Column
from support.workbooks import Q4, cell_of, fill, mistakes, places, reread, texts, write_whole_catalogue


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue with something in every file, and fields that no column shows."""
    return write_whole_catalogue(tmp_path / "catalogue")


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_an_untouched_workbook_changes_nothing(folder: Path, lang: str) -> None:
    before = texts(folder)
    assert reread(folder, lambda book: None, lang) == Reading((), ())
    assert texts(folder) == before


def test_a_number_of_more_digits_than_a_spreadsheet_keeps_is_not_changed(folder: Path) -> None:
    path = folder / "targets.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("value: 20", "value: 0.30000000000000004"), encoding="utf-8")
    assert reread(folder, lambda book: None) == Reading((), ())


def test_days_by_phase_and_instance_stay_and_a_number_replaces_them(folder: Path) -> None:
    path, days = folder / "services.yaml", "instance_days: {inference: {gpu-01: 92}, training: 11}"
    path.write_text(path.read_text(encoding="utf-8").replace("id: vadore\n", f"id: vadore\n    {days}\n"), encoding="utf-8")
    assert days in path.read_text(encoding="utf-8")
    before = texts(folder)
    assert reread(folder, lambda book: None) == Reading((), ())
    assert texts(folder) == before

    def rename(book: openpyxl.Workbook) -> None:
        fill(book["Registre"], 9, Nom="VADORE 2")

    reread(folder, rename)
    service = catalogue.load(folder).service("vadore")
    assert service is not None
    assert (service.name, service.instance_days) == ("VADORE 2", {"inference": {"gpu-01": 92}, "training": 11})

    def count(book: openpyxl.Workbook) -> None:
        cell_of(book["Registre"], 9, "Jours-machine").value = 92

    reread(folder, count)
    assert catalogue.load(folder).service("vadore").instance_days == 92  # type: ignore[union-attr]


def test_every_file_is_filled_in_from_the_starter_without_yaml(tmp_path: Path) -> None:
    for name, text in starter_files().items():
        (tmp_path / "c").mkdir(exist_ok=True)
        (tmp_path / "c" / name).write_text(text, encoding="utf-8")

    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Registre"], 3, Identifiant="vadore", Nom="VADORE", État="Généralisé", Démonstration="OUI")
        book["Périmètre"]["B2"], book["Périmètre"]["B3"] = "10/05/2026", "20"
        book["Périmètre"]["B5"] = "expérimentation ; en qualification"
        fill(book["Cibles"], 3, Identifiant="c", Indicateur="couverture des services", Sens="au moins", Valeur="90 %")
        fill(book["Cibles"], 3, Échéance="2027 T4")
        fill(book["Cibles"], 4, Identifiant="t", Indicateur="co2e_constant_factor", Réduction="0,35", Horizon=2030.0)
        cell_of(book["Cibles"], 4, "Trimestres de référence").value = "T1 2027, 2027Q2\nQ3-2027"
        fill(
            book["Recommandations"],
            3,
            Identifiant="r1",
            Trimestre="T4 2026",
            Instance="comite-externe",
            Recommandation="Comparer",
        )
        fill(
            book["Décisions"], 3, Identifiant="d1", Trimestre="T4 2026", Instance="comite-interne", Décision="Oui", Répond_à="r1"
        )
        fill(book["Actions"], 3, Identifiant="a1", Ouverte_au="T4 2026", Action="Mesurer", Rôle_qui_la_porte="chef de projet")
        fill(book["Actions"], 3, Échéance="T1 2027", État="faite", Close_au="T1 2027")
        fill(book["Commentaires"], 3, Trimestre="T4 2026", Partie_du_rapport="Sobriété", Commentaire="Hausse\nprévue")
        fill(book["Autres engagements"], 3, Trimestre="T4 2026", Engagement=7, Lien="utilité")
        fill(
            book["Résultats acceptés"], 3, Service="vadore", Trimestre="T4 2026", Résultats_acceptés="1\u202f234,5", Source="s\nt"
        )
        fill(book["Unités par région"], 3, Région=" Bretagne ", Service="vadore", Trimestre="T4 2026", Unités=12, Source="s")
        fill(book["Évaluation"], 3, Service="vadore", Trimestre="T4 2026", Question="sans-ia", Réponse="en partie")
        fill(book["Engagements"], 3, Texte="Notre texte")
        fill(book["Instances"], 5, Contact="ethique@organisation.example")

    said = reread(tmp_path / "c", edit)
    assert {change.file: (change.added, change.changed) for change in said.changes} == {
        "services.yaml": (1, 1),
        "targets.yaml": (2, 0),
        "committees.yaml": (5, 0),
        "outcomes.csv": (1, 0),
        "regions.csv": (1, 0),
        "evaluations.yaml": (1, 0),
        "charter.yaml": (0, 2),
    }
    assert all(change.comments_lost == 0 for change in said.changes)
    loaded = catalogue.load(tmp_path / "c")
    assert loaded.service("vadore") == catalogue.Service(id="vadore", name="VADORE", status="generalised", stand_in=True)
    assert loaded.register.as_of == date(2026, 5, 10)
    assert loaded.register.unnamed == catalogue.UnnamedServices(count=20, status=("poc", "qualification"))
    first, second = loaded.targets.targets
    assert (first.op, first.value, first.deadline) == (">=", 0.9, "2027Q4")
    assert second.baseline is not None
    assert (second.reduction, second.horizon, second.baseline.quarters) == (0.35, 2030, ("2027Q1", "2027Q2", "2027Q3"))
    assert loaded.committees.actions[0].closed == "2027Q1"
    assert loaded.committees.comments[0] == catalogue.SectionComment(quarter="2026Q4", section="sobriete", text="Hausse\nprévue")
    assert loaded.outcomes == (catalogue.Outcomes("vadore", "2026Q4", 1234.5, "s t"),)
    assert loaded.regions == (catalogue.RegionUnits("Bretagne", "vadore", "2026Q4", 12.0, "s"),)
    assert loaded.answers[0].answer == "partly"
    assert loaded.charter is not None
    assert loaded.charter.governance[2].contact == "ethique@organisation.example"


def test_what_the_workbook_does_not_show_stays(folder: Path) -> None:
    """Comments, fields without a column, and the style of unchanged lines stay."""
    path = folder / "targets.yaml"
    path.write_text(path.read_text() + "recalculation: {threshold: 0.1}   # agreed\n")
    before = texts(folder)

    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Cibles"], 4, Identifiant="premier-palier", Valeur=0.2)
        fill(book["Registre"], 9, Nom="VADORE 2", Existe_depuis="1/3/2025")
        fill(book["Recommandations"], 4, Identifiant="r2", Trimestre="T1 2027", Instance="ligne-ethique", Recommandation="x")

    assert reread(folder, edit).changes == (
        FileChange("services.yaml", 0, 1, (), 1),
        FileChange("targets.yaml", 0, 1, (), 0),
        FileChange("committees.yaml", 1, 0, (), 0),
    )
    service = catalogue.load(folder).service("vadore")
    assert service is not None
    assert (service.name, service.since, service.quality) == ("VADORE 2", date(2025, 3, 1), {"accuracy": "higher"})
    after = texts(folder)
    targets = yaml.safe_load(before["targets.yaml"])
    targets["targets"][1]["value"] = 0.2
    assert yaml.safe_load(after["targets.yaml"]) == targets
    assert b"{threshold: 0.1}   # agreed" in after["targets.yaml"]
    kept = [line for line in before["committees.yaml"].splitlines() if line not in after["committees.yaml"].splitlines()]
    assert kept == []
    assert {name for name in before if before[name] != after[name]} == {"services.yaml", "targets.yaml", "committees.yaml"}


def test_every_mistake_is_told_at_once_by_sheet_and_cell(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Registre"], 3, Nom=None)
        fill(book["Registre"], 11, Identifiant="Un Service", Nom="x", État="live", Rôle_responsable="prenom.nom@x.example")
        book["Périmètre"]["B2"], book["Périmètre"]["B2"].number_format = 46000, "General"
        fill(book["Cibles"], 3, Valeur="beaucoup", Échéance=datetime(2027, 12, 31))
        fill(book["Cibles"], 6, Réduction=2)
        fill(book["Actions"], 4, Identifiant="a1", Ouverte_au="T4 2026")
        fill(book["Actions"], 5, Action="sans identifiant")
        fill(book["Résultats acceptés"], 3, Résultats_acceptés=-1)
        fill(book["Unités par région"], 4, Région="Corse", Service="vadore", Trimestre="2026Q4", Unités="x", Source="s")
        cell_of(book["Évaluation"], 3, "Réponse").value = "peut-être"

    found = mistakes(folder, edit)
    assert places(found) == [
        "Registre!B3 (Nom)",
        "Registre!A11 (Identifiant)",
        "Registre!C11 (État)",
        "Registre!K11 (Rôle responsable)",
        "Périmètre!B2 (Registre exact au)",
        "Cibles!E3 (Valeur)",
        "Cibles!F3 (Échéance)",
        "Cibles!I6 (Réduction)",
        "Actions!A4 (Identifiant)",
        *(f"Actions!{cell}" for cell in ("C4 (Action)", "D4 (Rôle qui la porte)", "E4 (Échéance)")),
        *(f"Actions!{cell}" for cell in ("A5 (Identifiant)", "B5 (Ouverte au)", "D5 (Rôle qui la porte)", "E5 (Échéance)")),
        "Résultats acceptés!C3 (Résultats acceptés)",
        "Unités par région!D4 (Unités)",
        "Évaluation!G3 (Réponse)",
    ]
    told = "\n".join(found)
    assert "Registre!B3 (Nom) : cellule vide : la remplir" in told
    assert "« live » : choisir dans la liste : généralisé, en qualification, expérimentation, retiré" in told
    assert "« 46 000 » : écrire un jour, par exemple 23/11/2026, dans une cellule au format date" in told
    assert "« beaucoup » : écrire un nombre, par exemple 0,9" in told
    assert "« 2027-12-31 » : écrire un trimestre, comme T4 2026 ou 2026Q4" in told
    assert "« a1 » est déjà à la ligne 3 : ne garder qu’une ligne" in told
    assert "Actions!A5 (Identifiant) : cellule vide : la remplir, ou effacer toute la ligne" in told


def test_an_english_workbook_names_its_cells_in_english(folder: Path) -> None:
    found = mistakes(folder, lambda book: fill(book["Targets"], 3, Value="1,234", Deadline="12/31/2027"), "en")
    assert found == [
        "Targets!E3 (Value): '1,234' reads in two ways: write 1234, or 1.234 if the last three digits are decimals",
        "Targets!F3 (Deadline): '12/31/2027': write a quarter, as in Q4 2026 or 2026Q4",
    ]


def test_what_contradicts_another_sheet_is_told_at_its_cell(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Cibles"], 3, État="adoptée")
        fill(book["Recommandations"], 3, Service="vadorre")
        fill(book["Décisions"], 3, Répond_à="r9")
        fill(book["Autres engagements"], 3, Engagement=5)

    found = mistakes(folder, edit)
    assert found == [
        "Cibles!M3 (Instance) : une cible adoptée porte sa décision : remplir « Instance », « Jour de la décision » et "
        "« Empreinte du procès-verbal », ou remettre l’état à « proposée »",
        "Recommandations!D3 (Service) : « vadorre » n’est pas dans la feuille « Registre » : écrire « vadore », ou l’y ajouter",
        "Décisions!F3 (Répond à) : « r9 » n’est pas dans la feuille « Recommandations » : l’y ajouter, ou choisir parmi : r1",
        "Autres engagements!B3 (Engagement) : « 5 » n’est pas dans la feuille « Engagements » : l’y ajouter, ou choisir parmi : "
        "1, 7",
    ]


def test_lines_that_are_cleared_are_taken_out_and_their_order_does_not_matter(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        place = book["Registre"]
        lines = [[cell.value for cell in row] for row in place.iter_rows(min_row=3, max_row=10)]
        place.delete_rows(3, 8)
        for row, line in enumerate(reversed([line for line in lines if line[0] != "acces-information"]), 5):
            for column, value in enumerate(line, 1):
                place.cell(row, column).value = value
        book["Décisions"].delete_rows(3)
        fill(book["Actions"], 3, Répond_à=None)

    before = catalogue.load(folder)
    said = reread(folder, edit)
    assert [(c.file, c.changed, c.removed) for c in said.changes] == [
        ("services.yaml", 0, ("acces-information",)),
        ("committees.yaml", 1, ("d1",)),
    ]
    after = catalogue.load(folder)
    assert after.services == tuple(service for service in before.services if service.id != "acces-information")
    assert after.committees.decisions == ()


def test_what_changed_in_the_files_meanwhile_is_never_lost(folder: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(folder, Q4)))
    fill(book["Actions"], 3, Action="mesurer", État="prévue")
    fill(book["Registre"], 4, Nom="Recommandations")
    book["Cibles"].delete_rows(5)
    path = folder.parent / "filled.xlsx"
    book.save(path)
    committees = folder / "committees.yaml"
    committees.write_text(
        committees.read_text().replace("due: 2027Q1", "due: 2027Q2").replace("text: comparer", "text: comparer tout")
    )
    targets = folder / "targets.yaml"
    targets.write_text(targets.read_text().replace("value: 20", "value: 21"))
    before = texts(folder)
    with pytest.raises(CatalogueError) as caught:
        read_workbook(path, folder)
    assert str(caught.value).replace("\xa0", " ").replace("\u202f", " ").splitlines()[1:] == [
        "Cibles!A1 : la ligne « plafond » est retirée ici, mais elle a changé dans le catalogue depuis : écrire un "
        "nouveau classeur",
        "Actions!C3 (Action) : « mesurer » : le catalogue a « comparer tout » depuis l’écriture de ce classeur ; écrire un "
        "nouveau classeur, ou changer le catalogue",
    ]
    assert texts(folder) == before
    committees.write_text(committees.read_text().replace("text: comparer tout", "text: comparer"))
    targets.write_text(targets.read_text().replace("value: 21", "value: 20"))
    read_workbook(path, folder)
    action = catalogue.load(folder).committees.actions[0]
    assert (action.text, action.state, action.due) == ("mesurer", "planned", "2027Q2")
    before = texts(folder)
    assert read_workbook(path, folder).changes == (), "a second reading finds its changes there"
    assert texts(folder) == before


def test_a_workbook_without_memory_adds_and_changes_but_takes_nothing_out(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        del book["_base"], book["Cibles"]
        book["Registre"].delete_rows(3, 7)
        fill(book["Registre"], 3, Nom="Smart")

    before = catalogue.load(folder)
    assert [(c.file, c.added, c.changed, c.removed) for c in reread(folder, edit).changes] == [("services.yaml", 0, 1, ())]
    after = catalogue.load(folder)
    assert len(after.services) == len(before.services)
    assert after.service("smart-emploi").name == "Smart"  # type: ignore[union-attr]
    assert after.targets == before.targets


def test_habits_of_spreadsheets_are_understood(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        place = book["Unités par région"]
        place.insert_rows(1)
        place["A1"] = "Chiffres du service régional"
        for row, (region, units) in enumerate((("Bretagne ", "120"), ("Corse", 3.5), ("Grand Est", "1 200")), 6):
            place.cell(row, 1).value, place.cell(row, 4).value = region, units
            place.cell(row, 5).value = "suivi_x000D_"
        place["B6"], place["C6"] = "vadore", "4T2026"
        place.delete_rows(4)
        place.merge_cells("B5:B7")
        place.merge_cells("C5:C7")
        place["H3"] = "Notes"

    said = reread(folder, edit)
    assert [note.replace("\xa0", " ") for note in said.ignored] == [
        "Unités par région : la colonne « Notes » n’est pas du classeur : elle n’a pas été lue"
    ]
    assert [(line.region, line.units, line.service, line.quarter) for line in catalogue.load(folder).regions] == [
        ("Bretagne", 120.0, "vadore", "2026Q4"),
        ("Corse", 3.5, "vadore", "2026Q4"),
        ("Grand Est", 1200.0, "vadore", "2026Q4"),
    ]


def test_formulas_errors_and_broken_titles_are_told(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        fill(book["Résultats acceptés"], 3, Résultats_acceptés="=1+1")
        cell = cell_of(book["Cibles"], 3, "Valeur")
        cell.value, cell.data_type = "#REF!", "e"
        book["Actions"]["C2"] = "Quoi"
        book["Recommandations"].merge_cells("C3:D3")
        book["Décisions"]["H2"] = "Décision"
        book["Périmètre"]["A4"] = None
        book["Commentaires"].title = "Mes commentaires"

    found = mistakes(folder, edit)
    assert "Résultats acceptés!C3 (Résultats acceptés) : une formule sans résultat : ouvrir et enregistrer" in "\n".join(found)
    assert places(found) == [
        "Périmètre!A1",
        "Cibles!E3 (Valeur)",
        "Recommandations!C3",
        "Décisions!A2",
        "Décisions!H2",
        "Actions!A2",
        "Mes commentaires!A1",
        "Résultats acceptés!C3 (Résultats acceptés)",
    ]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_workbook_is_refused_with_the_remedy(folder: Path, content: bytes) -> None:
    path = folder.parent / "x.xlsx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="save it as XLSX"):
        read_workbook(path, folder)
    book = openpyxl.Workbook()
    book.save(path)
    with pytest.raises(UsageError, match=r"none of the workbook's sheets \(Registre"):
        read_workbook(path, folder)
    with pytest.raises(UsageError, match="is not there"):
        read_workbook(folder.parent / "y.xlsx", folder)


HOSTILE = (
    "=1+1",
    "-2+3",
    "+cmd|' /C calc'!A0",
    "\tx",
    "<b>&amp;",
    "_x0041_",
    "\u202egpj.exe",
    "a\x07b",
    "é" * 300,
    "'x",
)


def test_no_text_of_the_catalogue_becomes_a_formula(folder: Path) -> None:
    comments = [{"quarter": f"20{30 + n}Q1", "section": "synthese", "text": text} for n, text in enumerate(HOSTILE)]
    (folder / COMMITTEES_FILE).write_text(yaml.safe_dump({"comments": comments}, allow_unicode=True), encoding="utf-8")
    services = folder / "services.yaml"
    services.write_text(services.read_text(encoding="utf-8").replace("name: VADORE", "name: '@SUM(A1)'"), encoding="utf-8")
    loaded = catalogue.load(folder)
    content = write_workbook(folder, Q4)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(pages) == len(SHEETS) + 3
    assert not any("<f>" in page or "<f " in page for page in pages)
    assert reread(folder, lambda book: None) == Reading((), ())
    assert catalogue.load(folder) == loaded


def test_hostile_texts_that_were_typed_are_kept_as_texts(folder: Path) -> None:
    def edit(book: openpyxl.Workbook) -> None:
        for row, text in enumerate((text for text in HOSTILE if "\x07" not in text), 3):
            fill(book["Commentaires"], row, Trimestre=f"T1 20{30 + row}", Partie_du_rapport="Synthèse")
            cell = cell_of(book["Commentaires"], row, "Commentaire")
            cell.value, cell.data_type = text, "s"

    reread(folder, edit)
    said = [each.text for each in catalogue.load(folder).committees.comments]
    assert said == [normal(text.replace("_x0041_", "A")) for text in HOSTILE if "\x07" not in text]
    assert reread(folder, lambda book: None) == Reading((), ())


def test_the_workbook_helps_and_checks(folder: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(folder, Q4)))
    assert book.sheetnames[0] == "Lire-moi"
    assert (book["_listes"].sheet_state, book["_base"].sheet_state) == ("hidden", "veryHidden")
    for sheet in SHEETS:
        place = book[sheet.title]
        rules = {str(rule.sqref): rule for rule in place.data_validations.dataValidation}
        assert place.freeze_panes == ("A2" if sheet.form else "B3")
        if sheet.form:
            continue
        assert place.auto_filter.ref.startswith("A2:")
        for index, column in enumerate(sheet.columns, 1):
            letter = place.cell(2, index).column_letter
            rule = rules.get(f"{letter}3:{letter}1002")
            assert place.cell(1, index).value, "each column is explained"
            assert (rule is None) == (column.kind in ("text", "information", "quarters", "choices", "ids", "days")), column
            if column.kind in ("choice", "boolean", "quarter") or (column.kind == "id" and len(column.of) == 1):
                assert rule is not None
                assert rule.type == "list"
                assert rule.showInputMessage
                assert rule.allowBlank
                listed, _, cells = str(rule.formula1).replace("'", "").replace("$", "").partition("!")
                values = [row[0].value for row in book[listed][cells]]
                if column.kind == "choice":
                    assert values == [shown(column, code, Language("fr")) for code in column.words or {}]
    assert book["Décisions"]["D3"].is_date
    assert book["Actions"]["B3"].value == "T4 2026", "with a space that people type"
    assert book["Résultats acceptés"]["C3"].value == 3900.5
    assert book["Registre"]["A3"].number_format == "@"


def lines_of(folder: Path) -> Iterator[tuple[str, list[list[Any]]]]:
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(folder, Q4)))
    for place in book.worksheets:
        yield place.title, [list(row) for row in place.iter_rows(values_only=True)]


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: normal(text) != "" and "@" not in text
)
_quarters = st.sampled_from(["2026Q4", "2027Q1", "2027Q2"])


@st.composite
def committees(draw: st.DrawFn) -> dict[str, Any]:
    """Contents of ``committees.yaml``, with texts of every kind."""
    ids = draw(st.lists(st.from_regex(r"[a-z][a-z0-9._-]{0,5}", fullmatch=True), unique=True, max_size=4))
    recommendations = [{"id": i, "quarter": draw(_quarters), "body": "comite-interne", "text": draw(_text)} for i in ids]
    actions = [
        {
            "id": i,
            "quarter": "2026Q4",
            "due": draw(_quarters),
            "role": draw(_text),
            "text": draw(_text),
            "note": draw(st.none() | _text),
        }
        for i in ids
    ]
    comments = [{"quarter": q, "section": "annexes", "text": draw(_text)} for q in draw(st.lists(_quarters, unique=True))]
    return {"recommendations": recommendations, "actions": actions, "comments": comments}


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(old=committees(), new=committees(), lang=st.sampled_from(["fr", "en"]))
def test_write_read_write_gives_the_same(folder: Path, old: dict[str, Any], new: dict[str, Any], lang: str) -> None:
    """Any catalogue reads back the same; filled with other lines, the next workbook has those lines."""
    path = folder / COMMITTEES_FILE
    path.write_text(yaml.safe_dump(old), encoding="utf-8")
    before = texts(folder)
    assert reread(folder, lambda book: None, lang) == Reading((), ())
    assert texts(folder) == before

    language = Language(lang)
    by_id = {sheet.id: sheet for sheet in SHEETS}

    def edit(book: openpyxl.Workbook) -> None:
        for name in ("recommendations", "actions", "comments"):
            sheet = by_id[name]
            place = book[language.t(sheet.title)]
            place.delete_rows(3, place.max_row)
            for row, item in enumerate(new[name], 3):
                for index, column in enumerate(sheet.columns, 1):
                    value = shown(column, known(column, item.get(column.path)), language)
                    cell = place.cell(row, index)
                    cell.value = value
                    if isinstance(value, str):
                        cell.data_type = "s"

    reread(folder, edit, lang)
    loaded = catalogue.load(folder).committees
    expected = {key: {normal(item["text"]) for item in items} for key, items in new.items()}
    assert {key: {normal(item.text) for item in getattr(loaded, key)} for key in expected} == expected
    once = dict(lines_of(folder))
    assert reread(folder, lambda book: None, lang) == Reading((), ())
    assert dict(lines_of(folder)) == once


@given(st.data(), st.sampled_from(["fr", "en"]))
def test_what_is_shown_is_understood(data: st.DataObject, lang: str) -> None:
    """In every column, the value shown in a cell is the value read back."""
    column: Column = data.draw(st.sampled_from([column for sheet in SHEETS for column in sheet.fields]))
    some_quarters = st.builds(lambda y, n: f"{y}Q{n}", st.integers(1970, 2261), st.integers(1, 4))
    values: dict[str, st.SearchStrategy[Any]] = {
        "text": st.text(),
        "id": st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True),
        "ids": st.lists(st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True), min_size=1).map(tuple),
        "number": st.floats(0, 1e14),
        "days": st.integers(1, 92)
        | st.dictionaries(
            st.sampled_from(["inference", "training"]),
            st.floats(0.5, 92)
            | st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), st.integers(1, 92), min_size=1),
            min_size=1,
        ),
        "whole": st.integers(0, 10**9),
        "day": st.dates(date(1970, 1, 1), date(2261, 1, 1)),
        "quarter": some_quarters,
        "quarters": st.lists(some_quarters, min_size=1).map(tuple),
        "boolean": st.booleans(),
        "choice": st.sampled_from(list(column.words or {"": ""})),
        "choices": st.lists(st.sampled_from(list(column.words or {"": ""})), min_size=1, unique=True).map(tuple),
    }
    value = known(column, data.draw(values[column.kind]))
    in_cell = shown(column, value, Language(lang))
    assert understood(column, in_cell.replace("_x", "_x005F_x") if isinstance(in_cell, str) else in_cell, lang) == value


def test_a_self_assessment_without_an_answer_is_not_kept(folder: Path) -> None:
    (folder / EVALUATIONS_FILE).unlink()
    assert reread(folder, lambda book: None) == Reading((), ())
    assert not (folder / EVALUATIONS_FILE).exists()

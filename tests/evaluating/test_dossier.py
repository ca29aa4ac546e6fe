"""The self-assessment of a service: usable before the first measurement, filled in as a sheet, told as a dossier."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from ecoia import catalogue
from ecoia.catalogue import THEMES
from ecoia.cli import app
from ecoia.errors import UsageError
from ecoia.evaluating.dossier import FIGURES, NOT_MEASURED, SHEDS_LIGHT_ON, Evaluation, evaluate
from ecoia.factors import default_factors
from ecoia.keeping.journal import Journal
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.report import REASONS
from ecoia.units import micro
from ecoia_dashboards import wording
from ecoia_dashboards.evaluation import FIGURE_NAMES, THEME_NAMES, render_evaluation
from ecoia_dashboards.workbook import read_workbook, write_evaluation
from support.organisation import SERVICES, sample_catalogue, write_catalogue
from support.records import kwh, record
from support.reports import sample_rows
from support.settings import make_settings

Q4 = Quarter(2026, 4)


def evaluation_of(
    folder: Path, service: str = "vadore", rows: list[Row] | None = None, units_per_year: float | None = None
) -> Evaluation:
    return evaluate(
        sample_rows() if rows is None else rows,
        service,
        Q4,
        settings=make_settings(zone="FRA"),
        catalogue=catalogue.load(folder),
        factors=default_factors(),
        units_per_year=units_per_year,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sample_catalogue(tmp_path / "catalogue")
    return tmp_path / "catalogue"


def test_every_question_and_figure_has_its_words() -> None:
    assert list(wording.EVALUATION_QUESTIONS) == list(THEMES)
    assert list(THEME_NAMES) == list(catalogue.QUESTIONS)
    assert set(FIGURE_NAMES) == set(FIGURES)
    assert set(SHEDS_LIGHT_ON) <= set(THEMES)
    assert {name for names in SHEDS_LIGHT_ON.values() for name in names} <= set(FIGURES)
    assert NOT_MEASURED in REASONS


def test_before_the_first_measurement_nothing_is_zero(folder: Path) -> None:
    found = evaluation_of(folder, rows=[], units_per_year=1000)
    assert not found.measured
    assert {(quantity.value, quantity.reason) for quantity in found.figures.values()} <= {
        (None, NOT_MEASURED),
        *((None, reason) for reason in REASONS),
    }
    assert found.figures["energy"].reason == found.figures["co2e"].reason == NOT_MEASURED
    assert found.figures["energy_per_unit"].reason == NOT_MEASURED
    assert found.projection is None
    assert found.projection_lacks == NOT_MEASURED
    assert found.open_questions == tuple(THEMES)
    page = render_evaluation(found)
    assert "pas encore mesuré" in page
    assert "ils ne sont pas nuls" in page
    assert "0 Wh" not in page


def test_measured_figures_are_those_of_the_report(folder: Path) -> None:
    found = evaluation_of(folder, units_per_year=2_000_000)
    assert found.measured
    assert found.figures["energy"].value == pytest.approx(19.6 + 2.9 + 0.5)  # idle included
    assert found.figures["energy_per_unit"].value == pytest.approx(2.9 * 1000 / 4800)
    assert found.figures["energy_training"].value == pytest.approx(19.6)
    assert found.figures["waste_rate"].value is not None
    assert found.projection is not None
    assert found.projection.energy.value == pytest.approx(2.9 / 4800 * 2_000_000)
    page = render_evaluation(found)
    assert "19,6" in page
    assert "pas encore mesuré" not in page.partition("generalisation")[0].partition("Énergie par unité")[0]
    assert json.loads(found.to_json())["figures"]["energy"]["unit"] == "kWh"


def test_a_service_recorded_on_few_of_its_days_is_not_said_to_have_no_figures(folder: Path) -> None:
    path = folder / "services.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    name: VADORE\n", "    name: VADORE\n    instance_days: 90\n"), encoding="utf-8")
    found = evaluation_of(folder)
    assert found.figures["energy"].value is not None
    assert found.measured
    assert "les chiffres manquent" not in render_evaluation(found)


def test_what_a_projection_lacks_is_named(folder: Path) -> None:
    assert evaluation_of(folder).projection_lacks is None, "nobody asked for one"
    no_units = evaluation_of(folder, "acces-information", units_per_year=10)
    assert no_units.projection_lacks == "no-units"
    assert "Pas de projection à ce jour\N{NO-BREAK SPACE}: aucune unité comptée." in render_evaluation(no_units)
    no_zone = evaluate(
        [row | {"zone": None} for row in sample_rows()],
        "vadore",
        Q4,
        settings=make_settings(),
        catalogue=catalogue.load(folder),
        factors=default_factors(),
        units_per_year=10,
    )
    assert (no_zone.projection, no_zone.projection_lacks) == (None, "no-zone")


def test_an_unregistered_service_is_refused_with_the_remedy(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"'chatbot' is not in the register: add it to services\.yaml"):
        evaluation_of(folder, "chatbot")


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_answers_go_through_the_sheet_into_the_dossier(folder: Path, lang: str) -> None:
    path = folder.parent / "e.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(write_evaluation(folder, evaluation_of(folder), lang)))
    place = book["Évaluation" if lang == "fr" else "Evaluation"]
    questions = [place.cell(row, 4).value for row in range(3, place.max_row + 1)]
    assert questions == list(THEMES)
    beside = place.cell(3 + questions.index("essais-bornes"), 6).value
    assert "19" in beside
    assert "kWh" in beside
    for row, answer in ((3, {"fr": "oui", "en": "yes"}[lang]), (4, {"fr": "à instruire", "en": "still open"}[lang])):
        place.cell(row, 7).value, place.cell(row, 8).value, place.cell(row, 9).value = answer, "<b>mesuré</b>", "chef de projet"
    book.save(path)
    changes = read_workbook(path, folder).changes
    assert [(change.file, change.added) for change in changes] == [("evaluations.yaml", 2)]
    assert read_workbook(path, folder).changes == (), "the rest of the register is left alone"
    found = evaluation_of(folder)
    assert {question: given.answer for question, given in found.answers.items()} == {"besoin-ecrit": "met", "sans-ia": "open"}
    assert "besoin-ecrit" not in found.open_questions
    assert "sans-ia" in found.open_questions
    page = render_evaluation(found, lang)
    assert "&lt;b&gt;mesuré&lt;/b&gt;" in page
    assert "<b>mesuré" not in page
    assert "(chef de projet)" in page
    again = openpyxl.load_workbook(io.BytesIO(write_evaluation(folder, found, lang))).worksheets[1]
    assert [again.cell(3, column).value for column in (7, 8, 9)] == [place.cell(3, column).value for column in (7, 8, 9)]


def test_an_answer_of_an_earlier_quarter_is_told_with_its_quarter_and_not_copied(folder: Path) -> None:
    (folder / "evaluations.yaml").write_text(
        "answers:\n  - {service: vadore, quarter: 2026Q2, question: sans-ia, answer: partly}\n", encoding="utf-8"
    )
    found = evaluation_of(folder)
    assert "(T2\N{NO-BREAK SPACE}2026)" in render_evaluation(found)
    path = folder.parent / "e.xlsx"
    path.write_bytes(write_evaluation(folder, found))
    assert read_workbook(path, folder).changes == ()


def test_the_dossier_is_one_page_that_asks_nobody_for_anything(folder: Path) -> None:
    found = evaluation_of(folder, "acces-information", units_per_year=10)
    page = render_evaluation(found)
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "ethique@organisation.example" in page
    assert page == render_evaluation(found)
    english = render_evaluation(found, "en")
    assert 'lang="en"' in english
    assert "Was a smaller model, or one already in use, compared" in english
    assert not any(text in english for text in (*wording.EVALUATION_QUESTIONS.values(), *FIGURE_NAMES.values()))
    assert wording.EVALUATION_ANSWERS["open"] not in english


def ecoia(*words: Any) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def organisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_catalogue(tmp_path / "organisation", services=SERVICES)
    monkeypatch.setenv("ECOIA_CATALOGUE", str(tmp_path / "organisation"))
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    return tmp_path / "organisation"


def test_a_workbook_is_written_filled_in_and_read_from_the_command_line(organisation: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "register.xlsx"
    assert ecoia("workbook", "--out", path).output.strip() == str(path)
    done = ecoia("workbook", "--out", path)
    assert done.exit_code == 1
    assert "exists and is not overwritten" in done.output
    assert ecoia("workbook", "--read", path).output.strip() == "nothing changed"
    book = openpyxl.load_workbook(path)
    book["Registre"].cell(3, 2).value = "Mails"
    book["Registre"].delete_rows(10)
    book.create_sheet("Mes notes")
    book.save(path)
    done = ecoia("workbook", "--read", path)
    assert f"{organisation / 'services.yaml'}: 1 changed, 1 removed (smart-emploi)" in done.output
    assert "la feuille « Mes notes » n’est pas du classeur : elle n’a pas été lue" in done.output.replace("\xa0", " ")
    book["Registre"].cell(3, 3).value = "nouveau"
    book.save(path)
    done = ecoia("workbook", "--read", path)
    assert done.exit_code == 2
    assert "Registre!C3 (État): 'nouveau': choose one of" in done.output
    assert ecoia("workbook", "--read", path, "--out", path).exit_code == 2
    assert ecoia("workbook", "--out", tmp_path / "register").exit_code == 2


def test_a_service_is_evaluated_from_the_command_line(organisation: Path, tmp_path: Path, home: Path) -> None:
    done = ecoia("evaluate", "--service", "vadore", "--quarter", "2026Q4", "--from", "journal", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    page, sheet = tmp_path / "out" / "evaluation-vadore-2026Q4.html", tmp_path / "out" / "evaluation-vadore-2026Q4.xlsx"
    assert "pas encore mesuré" in page.read_text(encoding="utf-8")
    book = openpyxl.load_workbook(sheet)
    book["Évaluation"].cell(3, 7).value = "non"
    book.save(sheet)
    assert "evaluations.yaml: 1 added" in ecoia("workbook", "--read", sheet).output
    writer = Journal(home).writer()
    writer.append([record(cpu=kwh(2), ram=None, units_micro=micro(400))])
    writer.close()
    words = ("evaluate", "--service", "vadore", "--quarter", "2026Q4", "--from", "journal", "--units-per-year", 1000)
    done = ecoia(*words, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "exists and is not overwritten" in done.output
    assert "5,00\N{NO-BREAK SPACE}kWh" in page.read_text(encoding="utf-8")
    assert ecoia(*words[:-1], 0).exit_code == 2
    assert ecoia("evaluate", "--service", "chatbot", "--from", "journal").exit_code == 2


def test_without_a_catalogue_the_remedy_is_named() -> None:
    for words in (("workbook",), ("evaluate", "--service", "vadore", "--from", "journal")):
        done = ecoia(*words)
        assert done.exit_code == 2
        assert "'ecoia init' writes one to fill in" in done.output


def test_energy_of_training_is_of_every_phase_that_makes_a_model() -> None:
    from ecoia.evaluating.dossier import _together
    from ecoia.report import Quantity

    whole = _together([Quantity(1.0, "kWh", 0.5, 2.0), Quantity(3.0, "kWh", 2.0, 6.0)])
    assert (whole.value, whole.low, whole.high) == (4.0, 2.5, 8.0)
    assert _together([Quantity(1.0, "kWh"), Quantity(None, "kWh", reason="not-measured")]).reason == "not-measured"

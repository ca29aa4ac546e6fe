"""Write the workbook: one sheet a list, with drop-downs, checks and help, and its first values in a hidden sheet."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

from ecoia import catalogue
from ecoia.catalogue import THEMES, Catalogue
from ecoia.evaluating.dossier import Evaluation
from ecoia.periods import Quarter
from ecoia_dashboards import wording
from ecoia_dashboards.evaluation import THEME_NAMES, figures_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_
from ecoia_dashboards.workbook import sheets
from ecoia_dashboards.workbook.book import (
    FIRST_ROW,
    GUIDE_TITLE,
    HEADER_ROW,
    HEADING_COLOUR,
    LAST_ROW,
    LISTS,
    PIECE,
    Book,
    as_heading,
    cell_at,
    fill_cell,
    label,
    number_format,
    put_text,
    set_printing,
)
from ecoia_dashboards.workbook.cells import (
    NO,
    YES,
    choices,
    escaped,
    quarter_text,
    shown,
)
from ecoia_dashboards.workbook.sheets import Sheet
from ecoia_dashboards.workbook.tables import Values, plain_line, table
from ecoia_dashboards.workbook.validations import add_check, list_name, mark_lacking

_QUARTERS_BEFORE, _QUARTERS_AFTER = 8, 20
_VALUE, _HELP = N_("Valeur"), N_("Aide")
_GUIDE = (
    N_("Ce classeur remplit les fichiers du catalogue : le compléter, l’enregistrer, le relire par « ecoia workbook --read »."),
    N_("Une ligne par élément ; les titres marqués * sont nécessaires. La première ligne d’une feuille explique ses colonnes."),
    N_(
        "Toutes les erreurs sont signalées ensemble, avec leur feuille et leur cellule ; rien n’est écrit tant "
        "qu’il en reste une."
    ),
    N_("Effacer une ligne retire l’élément. L’ordre des lignes ne compte pas ; trier et filtrer ne changent rien."),
    N_("Ce que le classeur ne montre pas (commentaires des fichiers, champs sans colonne) reste où il est."),
    N_("Une valeur changée dans les fichiers depuis l’écriture du classeur n’est pas écrasée : une erreur le signale."),
    N_("Jamais de nom de personne : des rôles et des instances."),
)


def write_workbook(folder: str | Path, quarter: Quarter, lang: str = "fr") -> bytes:
    """Write the catalogue of a folder as a workbook.

    Args:
        folder: The catalogue's folder.
        quarter: The quarter for which the self-assessment asks the questions that are not answered yet.
        lang: Language of the workbook, one of ``language.LANGUAGES``.

    Returns:
        The workbook, in XLSX.

    Raises:
        CatalogueError: the folder is missing, or a file is wrong.
        UsageError: the language is not one of ours.

    Example:
        >>> Path("classeur.xlsx").write_bytes(write_workbook("catalogue", Quarter(2026, 4)))  # doctest: +SKIP
    """
    loaded = catalogue.load(folder)
    lines = {}
    for sheet in sheets.SHEETS:
        lines[sheet.id] = [item.values for item in table(sheet, Path(folder), loaded).items]
    asked = [_information(values, Language(lang)) for values in _questions(loaded, quarter, lines[sheets.EVALUATION.id])]
    return _written(Book(Language(lang), quarter, present=sheets.SHEETS), lines | {sheets.EVALUATION.id: asked})


def write_evaluation(folder: str | Path, evaluation: Evaluation, lang: str = "fr") -> bytes:
    """Write the self-assessment of one service as a workbook of its own; its sheet is read back like the whole workbook's.

    Args:
        folder: The catalogue's folder.
        evaluation: The dossier of the service.
        lang: Language of the workbook, one of ``language.LANGUAGES``.

    Returns:
        The workbook, in XLSX.

    Raises:
        CatalogueError: the folder is missing, or a file is wrong.
        UsageError: the language is not one of ours.
    """
    language, sheet = Language(lang), sheets.EVALUATION
    loaded = catalogue.load(folder)
    own = [
        item.values
        for item in table(sheet, Path(folder), loaded).items
        if (item.values["service"], item.values["quarter"]) == (evaluation.service, evaluation.quarter)
    ]
    given = {values["question"]: values for values in own}
    lines = []
    for question in THEMES:
        values = given.get(question, {"service": evaluation.service, "quarter": evaluation.quarter, "question": question})
        lines.append(_information(values, language) | {"figure": figures_text(evaluation, question, language)})
    return _written(Book(language, Quarter.parse(evaluation.quarter), present=(sheet,)), {sheet.id: lines}, {sheet.id: own})


def _written(book: Book, lines: Mapping[str, Sequence[Values]], base: Mapping[str, Sequence[Values]] | None = None) -> bytes:
    _write_guide(book)
    _write_lists(book)
    for sheet in book.present:
        place = book.book.create_sheet(book.language.t(sheet.title))
        (_write_form if sheet.form else _write_table)(book, place, sheet, lines[sheet.id])
    _write_base(book, lines if base is None else base)
    # The two hidden sheets stand last.
    for _ in range(2):
        book.book.move_sheet(book.book.worksheets[1], offset=len(book.book.worksheets))
    book.book.active = 0
    out = io.BytesIO()
    book.book.save(out)
    return out.getvalue()


def _questions(loaded: Catalogue, quarter: Quarter, answered: Sequence[Values]) -> Iterator[Values]:
    """List the answers given, then the questions that each service in use has not answered yet."""
    yield from answered
    for service in loaded.services:
        if service.status != "retired":
            given = loaded.evaluation(service.id, str(quarter))
            for question in THEMES:
                if question not in given:
                    yield {"service": service.id, "quarter": str(quarter), "question": question}


def _information(values: Values, language: Language) -> Values:
    question = values["question"]
    return values | {
        "theme": language.t(THEME_NAMES[THEMES[question]]),
        "wording": language.t(wording.EVALUATION_QUESTIONS[question]),
    }


def _write_table(book: Book, place: Worksheet, sheet: Sheet, lines: Sequence[Values]) -> None:
    language = book.language
    for index, column in enumerate(sheet.columns, 1):
        letter = get_column_letter(index)
        place.column_dimensions[letter].width = column.width
        place.column_dimensions[letter].number_format = number_format(column)
        help_cell = put_text(cell_at(place, 1, index), language.t(column.help))
        help_cell.font, help_cell.alignment = (
            Font(italic=True, size=9, color="FF4B5560"),
            Alignment(wrap_text=True, vertical="top"),
        )
        as_heading(put_text(cell_at(place, HEADER_ROW, index), label(column, language)))
        add_check(book, place, sheet, column, f"{letter}{FIRST_ROW}:{letter}{LAST_ROW}")
    lines_of_help = (math.ceil(len(language.t(column.help)) / column.width) for column in sheet.columns)
    place.row_dimensions[1].height = 13 * min(max(lines_of_help), 8)
    for row, values in enumerate(lines, FIRST_ROW):
        for index, column in enumerate(sheet.columns, 1):
            fill_cell(cell_at(place, row, index), column, shown(column, values.get(column.path), language))
    place.freeze_panes = f"B{FIRST_ROW}"
    place.auto_filter.ref = f"A{HEADER_ROW}:{get_column_letter(len(sheet.columns))}{max(HEADER_ROW + len(lines), FIRST_ROW)}"
    mark_lacking(place, sheet)
    set_printing(place, HEADER_ROW)


def _write_form(book: Book, place: Worksheet, sheet: Sheet, lines: Sequence[Values]) -> None:
    language = book.language
    for index, (title, width) in enumerate(((sheet.title, 30), (_VALUE, 30), (_HELP, 90)), 1):
        place.column_dimensions[get_column_letter(index)].width = width
        as_heading(put_text(cell_at(place, 1, index), language.t(title)))
    for row, column in enumerate(sheet.columns, 2):
        put_text(cell_at(place, row, 1), label(column, language)).font = Font(bold=True)
        value = lines[0].get(column.path) if lines else None
        fill_cell(cell_at(place, row, 2), column, shown(column, value, language))
        put_text(cell_at(place, row, 3), language.t(column.help)).alignment = Alignment(wrap_text=True, vertical="top")
        add_check(book, place, sheet, column, f"B{row}")
    place.freeze_panes = "A2"
    set_printing(place, 1)


def _write_guide(book: Book) -> None:
    language, place = book.language, book.book.worksheets[0]
    place.title = language.t(N_("Lire-moi"))
    place.column_dimensions["A"].width, place.column_dimensions["B"].width = 30, 110
    put_text(cell_at(place, 1, 1), language.t(GUIDE_TITLE)).font = Font(bold=True, size=14, color=HEADING_COLOUR)
    row = 3
    for sentence in _GUIDE:
        put_text(cell_at(place, row, 2), language.t(sentence)).alignment = Alignment(wrap_text=True, vertical="top")
        row += 1
    for sheet in book.present:
        row += 1
        title = language.t(sheet.title)
        cell = put_text(cell_at(place, row, 1), title)
        cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"'{title}'!A1")
        cell.font = Font(bold=True, underline="single", color="FF1A4F8A")
        put_text(cell_at(place, row, 2), language.t(sheet.help)).alignment = Alignment(wrap_text=True, vertical="top")
    set_printing(place)


def _write_lists(book: Book) -> None:
    """Write each list of choices into a column of a hidden sheet: no cell's own list holds more than 255 characters."""
    first = book.quarter.year * 4 + book.quarter.number - 1 - _QUARTERS_BEFORE
    quarters = [Quarter(n // 4, n % 4 + 1) for n in range(first, first + _QUARTERS_BEFORE + _QUARTERS_AFTER + 1)]
    named: dict[str, list[str]] = {
        "boolean": [book.language.t(YES), book.language.t(NO)],
        "quarter": [quarter_text(str(quarter), book.language) for quarter in quarters],
    }
    for sheet in book.present:
        for column in sheet.columns:
            if column.kind == "choice":
                named[list_name(column)] = list(choices(column, book.language).values())
    for index, (name, words) in enumerate(named.items(), 1):
        letter = get_column_letter(index)
        for row, word in enumerate(words, 1):
            put_text(cell_at(book.list_sheet, row, index), word)
        book.lists[name] = f"'{LISTS}'!${letter}$1:${letter}${len(words)}"


def _write_base(book: Book, lines: Mapping[str, Iterable[Values]]) -> None:
    """Write the lines as they are now into a hidden sheet: a value that differs when it is read back was changed by somebody."""
    row = 1
    for sheet in book.present:
        for values in lines[sheet.id]:
            if sheet.substance and not any(values.get(path) for path in sheet.substance):
                continue
            text = json.dumps(plain_line(sheet, values), sort_keys=True)
            put_text(cell_at(book.base_sheet, row, 1), sheet.id)
            for piece, start in enumerate(range(0, len(text), PIECE), 2):
                cell = book.base_sheet.cell(row, piece, escaped(text[start : start + PIECE]))
                cell.data_type = "s"
            row += 1
        put_text(cell_at(book.base_sheet, row, 1), sheet.id)  # the sheet itself was there, even with no line in it
        row += 1

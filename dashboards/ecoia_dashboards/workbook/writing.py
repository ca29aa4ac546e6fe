"""Writes the workbook: one sheet a list, with drop-downs, checks and help, and what was there when it was written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.properties import PageSetupProperties
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
from ecoia_dashboards.workbook.cells import (
    DAY_FORMAT,
    NO,
    NUMBER_FORMAT,
    TEXT_FORMAT,
    YES,
    choices,
    escaped,
    normal,
    quarter_text,
    shown,
)
from ecoia_dashboards.workbook.sheets import Column, Sheet
from ecoia_dashboards.workbook.tables import Values, plain_line, table

LISTS, BASE = "_listes", "_base"
HEADER_ROW, FIRST_ROW, LAST_ROW = 2, 3, 1002
PIECE = 15_000
"""Longest text of a hidden cell: a spreadsheet cuts at 32 767, and a sign may need two."""

_QUARTERS_BEFORE, _QUARTERS_AFTER = 8, 20
_HEAD, _NEEDED, _WRONG = "FF1F4E79", "FFFFF5E6", "FFF4C7C3"
_LONG = 40
"""Columns as wide as this hold sentences, which are wrapped."""


@dataclass
class _Book:
    """The workbook while it is written."""

    language: Language
    quarter: Quarter
    book: Workbook = field(default_factory=Workbook)
    lists: dict[str, str] = field(default_factory=dict)  # the range of each list of choices, by its name
    present: tuple[Sheet, ...] = ()

    def __post_init__(self) -> None:
        self.book.properties.creator = "ecoia"
        self.book.properties.title = self.language.t(_GUIDE_TITLE)
        self.list_sheet = self.book.create_sheet(LISTS)
        self.base_sheet = self.book.create_sheet(BASE)
        self.list_sheet.sheet_state, self.base_sheet.sheet_state = "hidden", "veryHidden"


def write_workbook(folder: str | Path, quarter: Quarter, lang: str = "fr") -> bytes:
    """The catalogue of a folder as a workbook.

    Args:
        folder: The catalogue's folder.
        quarter: That for which the self-assessment asks what was not answered yet.
        lang: Language of the workbook, one of ``language.LANGUAGES``.

    Raises:
        CatalogueError: the folder is missing, or a file is wrong.
        UsageError: the language is not one of ours.
    """
    loaded = catalogue.load(folder)
    lines = {}
    for sheet in sheets.SHEETS:
        lines[sheet.id] = [item.values for item in table(sheet, Path(folder), loaded).items]
    asked = [_information(values, Language(lang)) for values in _questions(loaded, quarter, lines[sheets.EVALUATION.id])]
    return _written(_Book(Language(lang), quarter, present=sheets.SHEETS), lines | {sheets.EVALUATION.id: asked})


def write_evaluation(folder: str | Path, evaluation: Evaluation, lang: str = "fr") -> bytes:
    """The self-assessment of one service as a workbook of its own: a sheet that is read back as that of the whole workbook is.

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
    return _written(_Book(language, Quarter.parse(evaluation.quarter), present=(sheet,)), {sheet.id: lines}, {sheet.id: own})


def _written(book: _Book, lines: Mapping[str, Sequence[Values]], base: Mapping[str, Sequence[Values]] | None = None) -> bytes:
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
    """What was answered, then the questions that each service in use has not answered yet."""
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


# --------------------------------------------------------------------------------------------------------------- sheets


def _write_table(book: _Book, place: Worksheet, sheet: Sheet, lines: Sequence[Values]) -> None:
    language = book.language
    for index, column in enumerate(sheet.columns, 1):
        letter = get_column_letter(index)
        place.column_dimensions[letter].width = column.width
        place.column_dimensions[letter].number_format = _format(column)
        help_cell = _put(_cell(place, 1, index), language.t(column.help))
        help_cell.font, help_cell.alignment = (
            Font(italic=True, size=9, color="FF4B5560"),
            Alignment(wrap_text=True, vertical="top"),
        )
        _head(_put(_cell(place, HEADER_ROW, index), _label(column, language)))
        _check(book, place, sheet, column, f"{letter}{FIRST_ROW}:{letter}{LAST_ROW}")
    lines_of_help = (math.ceil(len(language.t(column.help)) / column.width) for column in sheet.columns)
    place.row_dimensions[1].height = 13 * min(max(lines_of_help), 8)
    for row, values in enumerate(lines, FIRST_ROW):
        for index, column in enumerate(sheet.columns, 1):
            _fill(_cell(place, row, index), column, shown(column, values.get(column.path), language))
    place.freeze_panes = f"B{FIRST_ROW}"
    place.auto_filter.ref = f"A{HEADER_ROW}:{get_column_letter(len(sheet.columns))}{max(HEADER_ROW + len(lines), FIRST_ROW)}"
    _mark(place, sheet)
    _print(place, HEADER_ROW)


def _write_form(book: _Book, place: Worksheet, sheet: Sheet, lines: Sequence[Values]) -> None:
    language = book.language
    for index, (title, width) in enumerate(((sheet.title, 30), (_VALUE, 30), (_HELP, 90)), 1):
        place.column_dimensions[get_column_letter(index)].width = width
        _head(_put(_cell(place, 1, index), language.t(title)))
    for row, column in enumerate(sheet.columns, 2):
        _put(_cell(place, row, 1), _label(column, language)).font = Font(bold=True)
        value = lines[0].get(column.path) if lines else None
        _fill(_cell(place, row, 2), column, shown(column, value, language))
        _put(_cell(place, row, 3), language.t(column.help)).alignment = Alignment(wrap_text=True, vertical="top")
        _check(book, place, sheet, column, f"B{row}")
    place.freeze_panes = "A2"
    _print(place, 1)


_VALUE, _HELP = N_("Valeur"), N_("Aide")
_GUIDE_TITLE = N_("Classeur du registre et du suivi")
_GUIDE = (
    N_("Ce classeur remplit les fichiers du catalogue : le compléter, l’enregistrer, le relire par « ecoia workbook --read »."),
    N_("Une ligne par élément ; les titres marqués * sont nécessaires. La première ligne d’une feuille explique ses colonnes."),
    N_("Une faute est nommée par sa feuille et sa cellule, toutes à la fois ; rien n’est écrit tant qu’il en reste une."),
    N_("Effacer une ligne retire l’élément. L’ordre des lignes ne compte pas ; trier et filtrer ne changent rien."),
    N_("Ce que le classeur ne montre pas (commentaires des fichiers, champs sans colonne) reste où il est."),
    N_("Une valeur changée dans les fichiers depuis l’écriture du classeur n’est pas écrasée : la faute le dit."),
    N_("Jamais de nom de personne : des rôles et des instances."),
)


def _write_guide(book: _Book) -> None:
    language, place = book.language, book.book.worksheets[0]
    place.title = language.t(N_("Lire-moi"))
    place.column_dimensions["A"].width, place.column_dimensions["B"].width = 30, 110
    _put(_cell(place, 1, 1), language.t(_GUIDE_TITLE)).font = Font(bold=True, size=14, color=_HEAD)
    row = 3
    for sentence in _GUIDE:
        _put(_cell(place, row, 2), language.t(sentence)).alignment = Alignment(wrap_text=True, vertical="top")
        row += 1
    for sheet in book.present:
        row += 1
        title = language.t(sheet.title)
        cell = _put(_cell(place, row, 1), title)
        cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"'{title}'!A1")
        cell.font = Font(bold=True, underline="single", color="FF1A4F8A")
        _put(_cell(place, row, 2), language.t(sheet.help)).alignment = Alignment(wrap_text=True, vertical="top")
    _print(place)


def _label(column: Column, language: Language) -> str:
    return f"{language.t(column.label)}{' *' if column.needed else ''}"


def _format(column: Column) -> str:
    return {"day": DAY_FORMAT, "number": NUMBER_FORMAT, "whole": "0"}.get(column.kind, TEXT_FORMAT)


def _fill(cell: Cell, column: Column, content: Any) -> None:
    if isinstance(content, str):
        _put(cell, content)
    else:
        cell.value = content
    cell.number_format = _format(column)
    cell.alignment = Alignment(wrap_text=column.width >= _LONG, vertical="top")


def _cell(place: Worksheet, row: int, column: int) -> Cell:
    return cast(Cell, place.cell(row, column))  # none of ours is merged


def _put(cell: Cell, text: str) -> Cell:
    """Put a text into a cell as a text, whatever it begins with: no spreadsheet may take it for a formula."""
    cell.value = escaped(normal(text))
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(("=", "+", "-", "@"))
    return cell


def _head(cell: Cell) -> None:
    cell.font, cell.fill = Font(bold=True, color="FFFFFFFF"), PatternFill("solid", fgColor=_HEAD)
    cell.alignment = Alignment(wrap_text=True, vertical="center")


def _print(place: Worksheet, titles: int = 0) -> None:
    place.page_setup.orientation, place.page_setup.paperSize = "landscape", 9  # A4
    place.page_setup.fitToWidth, place.page_setup.fitToHeight = 1, 0
    place.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    if titles:
        place.print_title_rows = f"1:{titles}"


# --------------------------------------------------------------------------------------------------------------- checks


def _check(book: _Book, place: Worksheet, sheet: Sheet, column: Column, cells: str) -> None:
    """The drop-down of a column, or what may be typed into it."""
    language = book.language
    rule = _rule(book, sheet, column)
    if rule is None:
        return
    rule.errorTitle = language.t(column.label)[:32]
    rule.error = language.t(column.help)[:255]
    rule.promptTitle, rule.prompt = rule.errorTitle, rule.error
    rule.allowBlank = rule.showErrorMessage = rule.showInputMessage = True
    place.add_data_validation(rule)
    rule.add(cells)


def _rule(book: _Book, sheet: Sheet, column: Column) -> DataValidation | None:
    kind = column.kind
    if kind in ("choice", "boolean"):
        return DataValidation(type="list", formula1=book.lists[_list_name(column)])
    if kind == "quarter":
        return DataValidation(type="list", formula1=book.lists["quarter"], errorStyle="warning")
    if kind in ("number", "whole"):
        return DataValidation(type="whole" if kind == "whole" else "decimal", operator="greaterThanOrEqual", formula1="0")
    if kind == "day":
        return DataValidation(type="date", operator="greaterThanOrEqual", formula1="1")
    if column.of is not None:
        target = next((each for each in book.present if each.id == column.of), None)
        if target is not None:
            cells = f"'{book.language.t(target.title)}'!$A${FIRST_ROW}:$A${LAST_ROW}"
            return DataValidation(type="list", formula1=cells, errorStyle="warning")
    if kind == "id":
        return DataValidation(type="textLength", operator="lessThanOrEqual", formula1="63")
    return None


def _mark(place: Worksheet, sheet: Sheet) -> None:
    """Colour what is needed and empty on a line that says something, and what is there twice."""
    last = get_column_letter(len(sheet.columns))
    for index, column in enumerate(sheet.columns, 1):
        letter = get_column_letter(index)
        cells = f"{letter}{FIRST_ROW}:{letter}{LAST_ROW}"
        if column.needed:
            empty = f"AND(COUNTA($A{FIRST_ROW}:${last}{FIRST_ROW})>0,LEN(TRIM({letter}{FIRST_ROW}))=0)"
            place.conditional_formatting.add(cells, _colour(empty, _NEEDED))
        if sheet.key == (column.path,):
            whole = f"${letter}${FIRST_ROW}:${letter}${LAST_ROW}"
            twice = f"COUNTIF({whole},{letter}{FIRST_ROW})>1"
            place.conditional_formatting.add(cells, _colour(twice, _WRONG))


def _colour(formula: str, colour: str) -> Rule:
    fill = DifferentialStyle(fill=PatternFill("solid", bgColor=colour))
    return Rule(type="expression", formula=[formula], dxf=fill)


def _list_name(column: Column) -> str:
    return "boolean" if column.kind == "boolean" else f"{column.label}:{','.join(column.words or {})}"


def _write_lists(book: _Book) -> None:
    """The choices, each a column of a hidden sheet: what is longer than 255 signs fits into no cell's own list."""
    first = book.quarter.year * 4 + book.quarter.number - 1 - _QUARTERS_BEFORE
    quarters = [Quarter(n // 4, n % 4 + 1) for n in range(first, first + _QUARTERS_BEFORE + _QUARTERS_AFTER + 1)]
    named: dict[str, list[str]] = {
        "boolean": [book.language.t(YES), book.language.t(NO)],
        "quarter": [quarter_text(str(quarter), book.language) for quarter in quarters],
    }
    for sheet in book.present:
        for column in sheet.columns:
            if column.kind == "choice":
                named[_list_name(column)] = list(choices(column, book.language).values())
    for index, (name, words) in enumerate(named.items(), 1):
        letter = get_column_letter(index)
        for row, word in enumerate(words, 1):
            _put(_cell(book.list_sheet, row, index), word)
        book.lists[name] = f"'{LISTS}'!${letter}$1:${letter}${len(words)}"


def _write_base(book: _Book, lines: Mapping[str, Iterable[Values]]) -> None:
    """What was there when the workbook was written: a value that differs from it is one that somebody changed."""
    row = 1
    for sheet in book.present:
        for values in lines[sheet.id]:
            if sheet.substance and not any(values.get(path) for path in sheet.substance):
                continue
            text = json.dumps(plain_line(sheet, values), sort_keys=True)
            _put(_cell(book.base_sheet, row, 1), sheet.id)
            for piece, start in enumerate(range(0, len(text), PIECE), 2):
                cell = book.base_sheet.cell(row, piece, escaped(text[start : start + PIECE]))
                cell.data_type = "s"
            row += 1
        _put(_cell(book.base_sheet, row, 1), sheet.id)  # the sheet itself was there, even with no line in it
        row += 1

"""Show a value in a cell, and understand a filled cell, with the habits of people and of spreadsheets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.language import LANGUAGES, NARROW_NBSP, NBSP, Language
from ecoia_dashboards.wording import N_
from ecoia_dashboards.workbook.sheets import Column

Value = Any
"""Value of a cell: text, number, bool, ``date``, or a tuple of texts; None: the cell is empty."""

YES, NO = N_("oui"), N_("non")
DAY_FORMAT, NUMBER_FORMAT, TEXT_FORMAT = "yyyy-mm-dd", "General", "@"

_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SPACES = re.compile(rf"[\s{NBSP}{NARROW_NBSP}]+")
_SEPARATED = re.compile(r"[,;\n]")
_QUARTER = re.compile(r"(?P<a>\d{4})[-/ ]?[TQ](?P<b>[1-4])|[TQ](?P<c>[1-4])[-/ ]?(?P<d>\d{4})|(?P<e>[1-4])[TQ][-/ ]?(?P<f>\d{4})")
_FRENCH_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_FALSE, _TRUE = ("non", "no", "faux", "false"), ("oui", "yes", "vrai", "true")


@cache
def language_of(lang: str) -> Language:
    """Return a language, made once: a workbook asks for thousands of words."""
    return Language(lang)


def normal(text: str) -> str:
    """Clean a text for a cell: without characters that no cell can hold, without spaces around it."""
    return clean(_LINE_ENDS.sub("\n", text)).strip()


def escaped(text: str) -> str:
    """Escape a text for the file, where ``_x0041_`` would be read as the character of that number."""
    return _ESCAPED.sub(r"_x005F_x\1_", text)


def unescaped(text: str) -> str:
    """Undo the escapes of a text from the file."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def plain(value: Value) -> Any:
    """Write a value as JSON data, to compare it by. Spreadsheets keep 15 digits of a number."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return float(f"{value:.15g}")
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def known(column: Column, value: Any) -> Value:
    """Write a value of the catalogue as a cell holds it."""
    if value is None or value == "" or value == () or isinstance(value, Mapping):
        return None  # numbers by phase (``instance_days``) have no cell: they stay as the file has them
    if column.kind in ("text", "id"):
        return normal(str(value)) or None
    if column.kind == "number":
        return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
    return tuple(value) if column.kind in ("quarters", "choices", "ids") else value


def choices(column: Column, language: Language) -> dict[str, str]:
    """Map the codes of a choice to their names in a language."""
    units = column.units or {}
    return {
        code: _spaced(language.t(name) + (f" ({language.t(units[code])})" if code in units else ""))
        for code, name in (column.words or {}).items()
    }


def quarter_text(text: str, language: Language) -> str:
    """Write a quarter in a language, with a space that people type."""
    return _spaced(language.quarter(text))


def shown(column: Column, value: Value, language: Language) -> Any:
    """Return the content of a cell for a value."""
    if value is None or column.kind in ("text", "id", "number", "whole", "day", "information"):
        return value
    if column.kind == "boolean":
        return language.t(YES if value else NO)
    if column.kind == "choice":
        return choices(column, language)[value]
    if column.kind == "ids":
        return ", ".join(value)
    if column.kind == "choices":
        return ", ".join(choices(column, language)[code] for code in value)
    return ", ".join(quarter_text(each, language) for each in ([value] if column.kind == "quarter" else value))


def understood(column: Column, content: Any, lang: str) -> Value:
    """Understand the content of a cell.

    Args:
        column: Its column.
        content: Its content in the spreadsheet.
        lang: Language of the workbook, which decides how to read a comma in a number and a day with slashes.

    Returns:
        The value; None of an empty cell.

    Raises:
        ValueError: it cannot be understood; the message has the value and the remedy.

    Example:
        >>> understood(Column("horizon", "Horizon", "", "whole"), "2 030", "fr")
        2030
    """
    if isinstance(content, str):
        content = normal(unescaped(content))
    if content is None or content == "":
        return None
    return _UNDERSTOOD[column.kind](column, content, lang)


def _text(column: Column, content: Any, lang: str) -> str:
    if isinstance(content, datetime | date):
        said = _day_text(content)
        raise ValueError(f"{said}: the spreadsheet took a text for a date: format the cell as text, write it again")  # noqa: TRY004
    if isinstance(content, bool):
        return YES if content else NO
    if isinstance(content, float) and content.is_integer():
        return str(int(content))
    return str(content)


def _ids(column: Column, content: Any, lang: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SEPARATED.split(_text(column, content, lang)) if part.strip())


def _number(column: Column, content: Any, lang: str) -> float | int:
    example = "0,9" if lang == "fr" else "0.9"
    number = math.nan
    if isinstance(content, int | float) and not isinstance(content, bool):
        number = float(content)
    elif isinstance(content, str):
        number = _written(content, lang)
    if not math.isfinite(number):
        said = _day_text(content) if isinstance(content, datetime | date) else repr(content)
        raise ValueError(f"{said}: write a number, e.g. {example}")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _written(text: str, lang: str) -> float:
    """Read a number typed as text: ``1 234,5``, ``90 %``; nan where it is no number, or could be read as two."""
    digits = _SPACES.sub("", text)
    scale = 1.0
    if digits.endswith("%"):
        digits, scale = digits[:-1], 0.01
    if lang != "fr" and _THOUSANDS.fullmatch(digits):
        return math.nan  # 1,234: thousands, or a decimal comma?
    if "," in digits and "." in digits:
        thousands = "." if digits.rfind(",") > digits.rfind(".") else ","
        digits = digits.replace(thousands, "")
    digits = digits.replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", digits):
        return math.nan
    number = float(digits)
    return round(number * scale, 15) if scale != 1.0 else number


def _whole(column: Column, content: Any, lang: str) -> int:
    number = _number(column, content, lang)
    if number != int(number):
        raise ValueError(f"{content!r}: write a whole number")
    return int(number)


def _day(column: Column, content: Any, lang: str) -> date:
    if isinstance(content, datetime):
        return content.date()
    if isinstance(content, date):
        return content
    example = "23/11/2026" if lang == "fr" else "2026-11-23"
    if isinstance(content, str):
        try:
            if lang == "fr" and (found := _FRENCH_DAY.fullmatch(content)):
                return date(int(found[3]), int(found[2]), int(found[1]))
            return date.fromisoformat(content)
        except ValueError:
            pass
    raise ValueError(f"{content!r}: write a day, e.g. {example}, in a cell formatted as a date")


def _one_quarter(content: Any) -> str:
    found = _QUARTER.fullmatch(_SPACES.sub(" ", content).upper()) if isinstance(content, str) else None
    said = _day_text(content) if isinstance(content, datetime | date) else repr(content)
    if found is None:
        raise ValueError(f"{said}: write a quarter, as in T4 2026 or 2026Q4")
    year, number = next((y, n) for y, n in ((found["a"], found["b"]), (found["d"], found["c"]), (found["f"], found["e"])) if y)
    try:
        return str(Quarter.parse(f"{year}Q{number}"))
    except UsageError as error:
        raise ValueError(str(error)) from None


def _quarter(column: Column, content: Any, lang: str) -> str:
    return _one_quarter(content)


def _quarters(column: Column, content: Any, lang: str) -> tuple[str, ...]:
    return tuple(_one_quarter(part.strip()) for part in _parts(content)) if isinstance(content, str) else (_one_quarter(content),)


def _boolean(column: Column, content: Any, lang: str) -> bool:
    if isinstance(content, bool):
        return content
    said = str(content).casefold()
    if said in _TRUE or said in _FALSE:
        return said in _TRUE
    raise ValueError(f"{content!r}: write {' or '.join(language_of(lang).t(word) for word in (YES, NO))}")


def _choice(column: Column, content: Any, lang: str) -> str:
    said = _folded(str(content))
    for code in column.words or {}:
        if said in (_folded(code), *map(_folded, _names(column, code))):
            return code
    raise ValueError(f"{content!r}: choose one of {', '.join(choices(column, language_of(lang)).values())}")


def _several(column: Column, content: Any, lang: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_choice(column, part.strip(), lang) for part in _parts(str(content))))


def _names(column: Column, code: str) -> Iterator[str]:
    """List the names of a code of a choice, in every language, with its unit and without."""
    for lang in LANGUAGES:
        language = language_of(lang)
        yield choices(column, language)[code]
        yield language.t((column.words or {})[code])


def _parts(text: str) -> list[str]:
    return [part for part in _SEPARATED.split(text) if part.strip()]


def _folded(text: str) -> str:
    return _SPACES.sub(" ", text).strip().casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def same(text: str, other: str) -> bool:
    """Say whether two titles are the same to a reader: case, spaces, kinds of apostrophe and a star at the end do not count."""
    return _folded(text).rstrip(" *") == _folded(other).rstrip(" *")


def _spaced(text: str) -> str:
    return text.replace(NBSP, " ").replace(NARROW_NBSP, " ")


def _day_text(value: datetime | date) -> str:
    return value.strftime("%Y-%m-%d")


_UNDERSTOOD = {
    "text": _text,
    "id": _text,
    "ids": _ids,
    "number": _number,
    "whole": _whole,
    "day": _day,
    "quarter": _quarter,
    "quarters": _quarters,
    "boolean": _boolean,
    "choice": _choice,
    "choices": _several,
}

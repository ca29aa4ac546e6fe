"""Show a value in a cell, and understand a filled cell, with the habits of people and of spreadsheets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

from ecoia.catalogue.register import DAY_PHASES
from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.language import LANGUAGES, NARROW_NBSP, NBSP, Language
from ecoia_dashboards.wording import N_, PHASES
from ecoia_dashboards.workbook.sheets import Column

Value = Any
"""Value of a cell: text, number, bool, ``date``, a tuple of texts, or numbers by phase; None: the cell is empty."""

YES, NO = N_("oui"), N_("non")
COLON = N_(" : ")
DAY_FORMAT, NUMBER_FORMAT, TEXT_FORMAT = "yyyy-mm-dd", "General", "@"

_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SPACES = re.compile(rf"[\s{NBSP}{NARROW_NBSP}]+")
_SEPARATED = re.compile(r"[,;\n]")
_QUARTER = re.compile(
    r"(\d{4})[-/ ]?[TQ]([1-4])|[TQ]([1-4])[-/ ]?(\d{4})|([1-4])[TQ][-/ ]?(\d{4})|([1-4])(?:ER|E|ÈME) TRIMESTRE (\d{4})"
)
_FRENCH_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"(?P<sign>[+-]?) ?(?P<digits>\d(?:[\d ,.']*\d)?|\d+[,.]|[,.]\d+)(?P<power>[eE][+-]?\d+)?", re.ASCII)
_BEGINS_AS_NUMBER = re.compile(r"[~≈<>]? ?[+-]?\d")
_THOUSANDS = re.compile(r"\d{1,3}(?:( |'|,|\.)\d{3})(?:\1\d{3})*")
_NO_INSTANCE = re.compile(r"[\s:,/]")
_EITHER = re.compile(r"[1-9]\d{0,2}[,.]\d{3}")
_DECIMAL = {"fr": ",", "en": "."}
_FALSE, _TRUE = ("non", "no", "n", "faux", "false", "0"), ("oui", "yes", "o", "y", "x", "vrai", "true", "1")
_SHOWN = 60
"""How many characters of a refused value a message shows."""


class CellError(ValueError):
    """The content of a cell cannot be understood.

    Attributes:
        kind: Kind of mistake, a key of ``wording.MISTAKES``.
        values: What its words name, ``value`` first.
    """

    def __init__(self, kind: str, value: Any, **values: Any) -> None:
        super().__init__(f"{kind}: {value!r}")
        self.kind = kind
        self.values = {"value": value, **values}


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
    if value is None or value == "" or value == ():
        return None
    if isinstance(value, Mapping):
        return {key: known(column, each) for key, each in value.items()}
    if column.kind in ("text", "id"):
        return normal(str(value)) or None
    if column.kind in ("number", "days"):
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
    if column.kind == "days":
        return _days_text(value, language)
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
        CellError: it cannot be understood.

    Example:
        >>> understood(Column("horizon", "Horizon", "", "whole"), "2 030", "fr")
        2030
    """
    if isinstance(content, str):
        content = normal(unescaped(content))
    if content is None or content == "":
        return None
    return _UNDERSTOOD[column.kind](column, content, lang)


def said(value: Any, language: Language) -> str:
    """Write a value as a message names it: on one line, cut where it is long.

    Example:
        >>> said("a\\nb", Language("fr")), said(0.5, Language("fr"))
        ('a b', '0,5')
    """
    if isinstance(value, bool):
        return language.t(YES if value else NO)
    if isinstance(value, int | float):
        return language.plain(value) if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date):
        return value.strftime("%Y-%m-%d")
    if isinstance(value, tuple | list):
        return ", ".join(said(each, language) for each in value)
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(column: Column, content: Any, lang: str) -> str:
    if isinstance(content, datetime | date):
        raise CellError("taken-for-a-day", content)
    if isinstance(content, bool):
        return YES if content else NO
    if isinstance(content, float) and content.is_integer():
        return str(int(content))
    return str(content)


def _ids(column: Column, content: Any, lang: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SEPARATED.split(_text(column, content, lang)) if part.strip())


def _number(column: Column, content: Any, lang: str) -> float | int:
    if isinstance(content, str):
        number = _written(column, content, lang)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        number = float(content)
    else:
        number = math.nan
    if not math.isfinite(number):
        raise CellError("not-a-number", content, example=_DECIMAL[lang].join("09"))
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _written(column: Column, text: str, lang: str) -> float:
    """Read a number typed as text: ``1 234,5``, ``90 %``; nan where it is no number.

    Spaces and apostrophes separate thousands. The decimal mark is the language's; a single mark of the other kind is one too,
    unless three digits follow it: 412.000 in French may be 412 or 412 000.
    """
    digits = _SPACES.sub(" ", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("\N{MINUS SIGN}", "-")
    number, percent = (digits[:-1].rstrip(), True) if digits.endswith("%") else (digits, False)
    if percent and not column.percent:
        raise CellError("no-percentage", text)
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise (
            CellError("not-a-number-alone", text)
            if _BEGINS_AS_NUMBER.match(number)
            else CellError("not-a-number", text, example=_DECIMAL[lang].join("09"))
        )
    whole, fraction = _parted(found["digits"], text, lang)
    value = float(f"{found['sign']}{whole or 0}.{fraction or 0}{found['power'] or ''}")
    return round(value / 100, 15) if percent else value


def _parted(digits: str, text: str, lang: str) -> tuple[str, str]:
    """Part the digits of a number at its decimal mark, the marks of its thousands removed."""
    marks = [mark for mark in ",." if mark in digits]
    decimal = max(marks, key=digits.rfind, default="")
    if decimal and digits.count(decimal) > 1:  # 1.234.567
        decimal = ""
    whole, _, fraction = digits.partition(decimal) if decimal else (digits, "", "")
    if decimal and decimal != _DECIMAL[lang] and len(marks) == 1 and _EITHER.fullmatch(digits):
        raise CellError("two-numbers", text, whole=whole + fraction, decimal=_DECIMAL[lang].join((whole, fraction)))
    if (whole and not whole.isdecimal() and not _THOUSANDS.fullmatch(whole)) or not (fraction or "0").isdecimal():
        raise CellError("not-a-number", text, example=_DECIMAL[lang].join("09"))
    return re.sub(r"\D", "", whole), fraction


def _days_text(value: Value, language: Language) -> Any:
    """Write days by phase, or by phase and instance: ``inférence gpu-01 : 92 ; entraînement : 11``."""
    if not isinstance(value, Mapping):
        return value
    parts = []
    for phase, days in value.items():
        for instance, number in days.items() if isinstance(days, Mapping) else [("", days)]:
            name = " ".join(filter(None, (language.t(PHASES[phase]), instance)))
            parts.append(f"{name}{language.t(COLON)}{str(number).replace('.', _DECIMAL[language.code])}")
    return _spaced(" ; ".join(parts))


def _days(column: Column, content: Any, lang: str) -> Value:
    """Read a number of days, or days by phase, or by phase and instance."""
    if not isinstance(content, str) or content[:1].isdecimal():
        return _number(column, content, lang)
    found: dict[str, Any] = {}
    for part in filter(None, map(str.strip, re.split(r"[;\n]", content))):
        name, _, number = part.rpartition(":") if ":" in part else part.rpartition(" ")
        word, _, instance = _SPACES.sub(" ", name).strip().partition(" ")
        phase = next((code for code in DAY_PHASES if _folded(word) in (code, *_phase_words(code))), None)
        several = _NO_INSTANCE.search(instance) is not None  # 'inférence : 92, entraînement : 11': one part that says two things
        if phase is None or several:
            raise CellError("not-days", content)
        days = _number(column, number.strip(), lang)
        if phase in found and not (instance and isinstance(found[phase], dict) and instance not in found[phase]):
            raise CellError("not-days", content)
        found[phase] = {**found.get(phase, {}), instance: days} if instance else days
    return found


def _phase_words(phase: str) -> list[str]:
    return [_folded(language_of(lang).t(PHASES[phase])) for lang in LANGUAGES]


def _whole(column: Column, content: Any, lang: str) -> int:
    number = _number(column, content, lang)
    if number != int(number):
        raise CellError("not-whole", content)
    return int(number)


def _day(column: Column, content: Any, lang: str) -> date:
    if isinstance(content, datetime):
        return content.date()
    if isinstance(content, date):
        return content
    if isinstance(content, str):
        try:
            if lang == "fr" and (found := _FRENCH_DAY.fullmatch(content)):
                return date(int(found[3]), int(found[2]), int(found[1]))
            if _ISO_DAY.fullmatch(content):  # Python takes 2026-W01-1 for the day 2025-12-29
                return date.fromisoformat(content)
        except ValueError:
            pass
    raise CellError("not-a-day", content, example="23/11/2026" if lang == "fr" else "2026-11-23")


def _one_quarter(content: Any) -> str:
    found = _QUARTER.fullmatch(_SPACES.sub(" ", content).upper()) if isinstance(content, str) else None
    if found is None:
        raise CellError("not-a-quarter", content)
    number, year = sorted((part for part in found.groups() if part), key=len)
    try:
        return str(Quarter.parse(f"{year}Q{number}"))
    except UsageError:
        raise CellError("not-a-quarter", content) from None


def _quarter(column: Column, content: Any, lang: str) -> str:
    return _one_quarter(content)


def _quarters(column: Column, content: Any, lang: str) -> tuple[str, ...]:
    return tuple(_one_quarter(part.strip()) for part in _parts(content)) if isinstance(content, str) else (_one_quarter(content),)


def _boolean(column: Column, content: Any, lang: str) -> bool:
    word = _folded(_text(column, content, lang))
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise CellError("yes-or-no", content)


def _choice(column: Column, content: Any, lang: str) -> str:
    word = _folded(_text(column, content, lang))
    for code in column.words or {}:
        if word in (_folded(code), *map(_folded, _names(column, code))):
            return code
    raise CellError("not-a-choice", content, known=", ".join(choices(column, language_of(lang)).values()))


def _several(column: Column, content: Any, lang: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_choice(column, part.strip(), lang) for part in _parts(_text(column, content, lang))))


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


_UNDERSTOOD = {
    "text": _text,
    "id": _text,
    "ids": _ids,
    "number": _number,
    "days": _days,
    "whole": _whole,
    "day": _day,
    "quarter": _quarter,
    "quarters": _quarters,
    "boolean": _boolean,
    "choice": _choice,
    "choices": _several,
}

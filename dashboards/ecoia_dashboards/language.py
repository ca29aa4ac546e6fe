"""Write sentences, numbers and dates in a language: French source strings, other languages by gettext, formats by Babel.

Message ids are the French sentences themselves, so French needs no catalogue; ``locale/<code>/LC_MESSAGES/ecoia.po``
is read at run time, without a build step. A message id is a ``%`` format: a literal per cent sign is written ``%%``.
"""

from __future__ import annotations

import gettext
import io
import math
import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.report import Quantity
from ecoia.units import kwh

LANGUAGES = ("fr", "en")
LOCALE_FOLDER = Path(__file__).parent / "locale"

NBSP = "\N{NO-BREAK SPACE}"
NARROW_NBSP = "\N{NARROW NO-BREAK SPACE}"

# A quantity is written in the largest unit that leaves a figure before the decimal mark.
_LADDERS = {
    "kWh": (("kWh", 1.0), ("Wh", 1e-3), ("mWh", 1e-6), ("µWh", 1e-9)),
    "Wh": (("kWh", 1e3), ("Wh", 1.0), ("mWh", 1e-3), ("µWh", 1e-6)),
    "kgCO2e": (("kgCO₂e", 1.0), ("gCO₂e", 1e-3), ("mgCO₂e", 1e-6), ("µgCO₂e", 1e-9)),
    "L": (("m³", 1e3), ("L", 1.0), ("mL", 1e-3)),
    "gCO2e": (("kgCO₂e", 1e3), ("gCO₂e", 1.0), ("mgCO₂e", 1e-3), ("µgCO₂e", 1e-6)),
}
SHARE_UNIT = "1"

_FRENCH_SPACES = (
    (re.compile(r" (?=[:»])"), NBSP),
    (re.compile(r" (?=[;!?])"), NARROW_NBSP),
    (re.compile(r" (?=%%)"), NBSP),
    (re.compile(r"(?<=«) "), NBSP),
    (re.compile(r"(?<=n°) "), NBSP),
)


class _French(gettext.NullTranslations):
    """French as written in the source, with the spaces of French typography; zero is singular."""

    def gettext(self, message: str) -> str:
        for pattern, space in _FRENCH_SPACES:
            message = pattern.sub(space, message)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if abs(n) < 2 else msgid2)


def catalogue_path(code: str) -> Path:
    """Return the path of the ``.po`` file of a language."""
    return LOCALE_FOLDER / code / "LC_MESSAGES" / "ecoia.po"


@cache
def _translations(code: str) -> gettext.NullTranslations:
    if code == "fr":
        return _French()
    with catalogue_path(code).open("rb") as file:
        messages = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Language:
    """Writes sentences, numbers, dates and quarters in one language.

    Args:
        code: One of ``LANGUAGES``.

    Raises:
        UsageError: the language is not one of ours.

    Example:
        >>> Language("en").quarter("2026Q4")
        'Q4\xa02026'
    """

    def __init__(self, code: str) -> None:
        if code not in LANGUAGES:
            raise UsageError(f"lang = {code!r}: the report is written in {' or '.join(LANGUAGES)}")
        self.code = code
        self.locale = Locale.parse(code)
        self.translations = _translations(code)

    # sentences

    def t(self, message: str, **values: object) -> str:
        """Translate a sentence, its ``%(name)s`` filled in."""
        return self.translations.gettext(message) % values

    def n(self, singular: str, plural: str, count: int, **values: object) -> str:
        """Translate a sentence with a count, shown by ``%(count)s``."""
        return self.translations.ngettext(singular, plural, count) % {"count": self.whole(count), **values}

    def of(self, sentences: dict[str, str], code: str) -> str:
        """Say a code in words; an unknown code is shown as it is, never hidden."""
        return self.t(sentences[code]) if code in sentences else code

    def listed(self, items: Iterable[str]) -> str:
        """List items as ``a, b et c``."""
        return str(format_list(list(items), locale=self.locale))

    # numbers

    def whole(self, number: int) -> str:
        """Write a whole number with its thousands set apart, every digit shown."""
        return str(format_decimal(number, locale=self.locale))

    def number(self, number: float, figures: int = 3) -> str:
        """Write a number with some significant figures; digits before the decimal mark are never dropped."""
        return self.fixed(number, decimals_for(number, figures))

    def fixed(self, number: float, decimals: int) -> str:
        """Write a number with a fixed number of decimals."""
        return str(format_decimal(number, "#,##0" + ("." + "0" * decimals if decimals else ""), locale=self.locale))

    def plain(self, number: float) -> str:
        """Write a number as it was given, not rounded (six decimals at most)."""
        return str(format_decimal(number, "#,##0.######", locale=self.locale))

    def share(self, share: float) -> str:
        """Write a share of 1 as a percentage; no share but 0 is written 0 %."""
        sign = "<" + NBSP if 0 < share < 0.001 else ""
        figures = "#,##0.#" if abs(share) < 0.1 or 0.99 < share < 1 else "#,##0"
        space = NBSP if self.code == "fr" else ""
        return sign + str(format_percent(0.001 if sign else share, f"{figures}{space}%", locale=self.locale))

    def unit_of(self, values: Iterable[float], unit: str) -> tuple[str, float]:
        """Choose the unit to write some values in, and return it with its size in ``unit``, the unit that they are given in."""
        largest = max((abs(value) for value in values), default=0.0)
        ladder = _LADDERS.get(unit, ((unit, 1.0),))
        if largest == 0:
            return next(step for step in ladder if step[1] == 1.0)
        return next((step for step in ladder if largest >= step[1] * 0.9995), ladder[-1])

    def amount(self, quantity: Quantity, figures: int = 3) -> str:
        """Write the value of a quantity, e.g. ``412 Wh``, in the unit that suits its size.

        Raises:
            ValueError: the quantity has no value.
        """
        if quantity.value is None:
            raise ValueError("a quantity without a value has a reason, not an amount")
        if quantity.unit == SHARE_UNIT:
            return self.share(quantity.value)
        unit, size = self.unit_of([quantity.value], quantity.unit)
        return self.with_unit(self.number(quantity.value / size, figures), unit)

    def interval(self, quantity: Quantity, figures: int = 3) -> str | None:
        """Write an interval, e.g. ``310 à 523 Wh``, in the unit of the value; None where there is none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return None
        if quantity.unit == SHARE_UNIT:
            return self.t("%(low)s à %(high)s", low=self.share(quantity.low), high=self.share(quantity.high))
        unit, size = self.unit_of([quantity.value], quantity.unit)
        low, high = (self.number(bound / size, figures) for bound in (quantity.low, quantity.high))
        return self.t("%(low)s à %(high)s", low=low, high=self.with_unit(high, unit))

    def change(self, quantity: Quantity) -> str:
        """Write a value with its sign, e.g. ``+ 12 g``."""
        sign = "" if not quantity.value else "+" + NBSP if quantity.value > 0 else "\N{MINUS SIGN}" + NBSP
        return sign + self.amount(Quantity(abs(quantity.value or 0.0), quantity.unit))

    def energy(self, microjoules: int) -> str:
        """Write an energy in microjoules, in the unit that suits its size."""
        return self.amount(Quantity(kwh(microjoules), "kWh"))

    def seconds(self, seconds: float) -> str:
        """Write a duration: in seconds below two minutes, then in minutes, then in hours."""
        for size, unit in ((3600.0, "h"), (60.0, "min")):
            if seconds >= 2 * size:
                return self.with_unit(self.number(seconds / size), unit)
        return self.with_unit(self.number(seconds), "s")

    @staticmethod
    def with_unit(number: str, unit: str) -> str:
        """Join a number and its unit by a space that no line breaks."""
        return f"{number}{NBSP}{unit}"

    # time

    def quarter(self, text: str) -> str:
        """Write ``2026Q4`` as ``T4 2026`` or ``Q4 2026``; any other text stays as it is."""
        try:
            quarter = Quarter.parse(text)
        except UsageError:
            return text  # a day, or a text of the organisation
        letter = "T" if self.code == "fr" else "Q"
        return f"{letter}{quarter.number}{NBSP}{quarter.year}"

    def day(self, iso: str) -> str:
        """Write a civil day, e.g. ``2026-11-23``, in words; any other text stays as it is."""
        try:
            return self._first(str(format_date(date.fromisoformat(iso), "d MMMM yyyy", locale=self.locale)))
        except ValueError:
            return iso

    def moment(self, iso: str, timezone: str) -> str:
        """Write an instant in a time zone, to the minute; any other text stays as it is."""
        try:
            moment = datetime.fromisoformat(iso)
        except ValueError:
            return iso
        zone = ZoneInfo(timezone)
        return self._first(str(format_datetime(moment.astimezone(zone), "d MMMM yyyy HH:mm", tzinfo=zone, locale=self.locale)))

    def _first(self, text: str) -> str:
        """Write the first day of a month as French does: 1er."""
        return f"1er{text[1:]}" if self.code == "fr" and text.startswith("1 ") else text


def decimals_for(number: float, figures: int) -> int:
    """Count the decimals that a number needs for some significant figures.

    Example:
        >>> decimals_for(0.0123, 2)
        3
    """
    if number == 0 or not math.isfinite(number):
        return 0
    rounded = float(f"{number:.{figures - 1}e}")  # 9.996 has two decimals at three figures, not three
    return max(0, figures - 1 - math.floor(math.log10(abs(rounded))))

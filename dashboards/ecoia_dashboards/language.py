"""Write sentences, numbers and dates in a language: French source strings, other languages by gettext, formats by Babel.

Message ids are the French sentences themselves, so French needs no catalogue; ``locale/<code>/LC_MESSAGES/ecoia.po``
is read at run time, without a build step. A message id is a ``%`` format: a literal per cent sign is written ``%%``.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import cache
from pathlib import Path
from statistics import median_high
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_decimal, format_percent

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.readable.scales import FIGURES, ColumnScale, column_scale, decimals_for, scale_of
from ecoia.report import Quantity
from ecoia.units import kwh

LANGUAGES = ("fr", "en")
LOCALE_FOLDER = Path(__file__).parent / "locale"

NBSP = "\N{NO-BREAK SPACE}"
NARROW_NBSP = "\N{NARROW NO-BREAK SPACE}"

SHARE_UNIT = "1"
Scaling = Callable[[Iterable[float], str], ColumnScale]
"""Chooses the unit of a column from its values and their unit."""
MINUS = "\N{MINUS SIGN}"

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
        """Say a code in words; an unknown code is shown as it is, never hidden.

        A code such as ``nvml+token-weighted:kappa=100`` has parts: a method, how its energy was shared, and with what.
        """
        if code in sentences:
            return self.t(sentences[code])
        whole, plus, way = code.partition("+")
        if not plus:
            return code
        name, _, told = way.partition(":")
        words = [
            self.of(sentences, whole),
            self.of(sentences, name),
            *[self.of(sentences, each) for each in told.split(":") if each],
        ]
        return ", ".join(words)

    def listed(self, items: Iterable[str]) -> str:
        """List items as ``a, b et c``."""
        return str(format_list(list(items), locale=self.locale))

    # numbers

    def whole(self, number: int) -> str:
        """Write a whole number with its thousands set apart, every digit shown."""
        return _typographic(format_decimal(number, locale=self.locale))

    def compact(self, number: int) -> tuple[str, str]:
        """Write a large whole number shortly: ``566`` and ``millions``; the word is empty where the number is small."""
        words = _typographic(format_compact_decimal(number, format_type="long", locale=self.locale)).split()
        return words[0], NBSP.join(words[1:])

    def number(self, number: float, figures: int = FIGURES) -> str:
        """Write a number with some significant figures; digits before the decimal mark are never dropped."""
        return self.fixed(number, decimals_for(number, figures))

    def fixed(self, number: float, decimals: int) -> str:
        """Write a number with a fixed number of decimals."""
        return _typographic(format_decimal(number, "#,##0" + ("." + "0" * decimals if decimals else ""), locale=self.locale))

    def plain(self, number: float) -> str:
        """Write a number as it was given, not rounded (six decimals at most)."""
        return _typographic(format_decimal(number, "#,##0.######", locale=self.locale))

    def share(self, share: float) -> str:
        """Write a share of 1 as a percentage; no share but 0 is written 0 %."""
        sign = "<" + NBSP if 0 < share < 0.001 else ""
        figures = "#,##0.#" if abs(share) < 0.1 or 0.99 < share < 1 else "#,##0"
        return sign + self._percentage(0.001 if sign else share, figures)

    def _percentage(self, share: float, figures: str) -> str:
        return _typographic(format_percent(share, f"{figures}{NBSP if self.code == 'fr' else ''}%", locale=self.locale))

    def amount(self, quantity: Quantity, figures: int = FIGURES) -> str:
        """Write the value of a quantity, e.g. ``412 Wh``, in the unit that suits its size.

        Raises:
            ValueError: the quantity has no value.
        """
        if quantity.value is None:
            raise ValueError("a quantity without a value has a reason, not an amount")
        if quantity.unit == SHARE_UNIT:
            return self.share(quantity.value)
        unit, size = scale_of([quantity.value], quantity.unit, figures)
        return self.with_unit(self.number(quantity.value / size, figures), unit)

    def interval(self, quantity: Quantity, figures: int = FIGURES) -> str | None:
        """Write an interval, e.g. ``310 à 523 Wh``, in the unit of the value; None where there is none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return None
        if quantity.unit == SHARE_UNIT:
            return self.t("%(low)s à %(high)s", low=self.share(quantity.low), high=self.share(quantity.high))
        unit, size = scale_of([quantity.value], quantity.unit, figures)
        low, high = (self.number(bound / size, figures) for bound in (quantity.low, quantity.high))
        return self.t("%(low)s à %(high)s", low=low, high=self.with_unit(high, unit))

    def column(
        self, quantities: Iterable[Quantity | None], *, apart: bool = False, scaled: Scaling = column_scale
    ) -> QuantityColumn:
        """Choose how a column of quantities is written: its unit once, from the greatest value.

        Args:
            quantities: The column; a None or a quantity without a value has no part in the choice.
            apart: Whether each line is read by itself, e.g. per a unit of its own: then the unit suits the middle one, and
                each number keeps its significant figures.
            scaled: Chooses the unit of the values of one unit.

        Example:
            >>> column = Language("fr").column([Quantity(23916.4, "kWh", 15750.7, 49240.8), Quantity(412.0, "kWh")])
            >>> column.amount(Quantity(412.0, "kWh")), column.interval(Quantity(23916.4, "kWh", 15750.7, 49240.8))
            ('0,41\xa0MWh', '15,8 à 49,2\xa0MWh')
        """
        return QuantityColumn(self, quantities, apart=apart, scaled=scaled)

    # changes

    def change(self, quantity: Quantity) -> str:
        """Write a value with its sign, e.g. ``+ 12 g`` or ``+ 10,5 %``; 0 where it has none."""
        return self.signed(quantity.value or 0.0, self._size_of_change(quantity))

    def change_interval(self, quantity: Quantity) -> str | None:
        """Write the interval of a change, both bounds with their sign, e.g. ``+ 4,6 % à + 16,7 %``; None where there is none."""
        if quantity.low is None or quantity.high is None:
            return None
        if quantity.unit == SHARE_UNIT:
            low, high = (self.change(Quantity(bound, SHARE_UNIT)) for bound in (quantity.low, quantity.high))
            return self.t("%(low)s à %(high)s", low=low, high=high)
        unit, size = scale_of([quantity.value or 0.0], quantity.unit)
        low, high = (self.signed(bound, self.number(abs(bound) / size)) for bound in (quantity.low, quantity.high))
        return self.t("%(low)s à %(high)s", low=low, high=self.with_unit(high, unit))

    def direction(self, quantity: Quantity) -> str:
        """Say where a change goes, by its interval: ``hausse de 10,5 %``, or ``évolution de + 2,0 % non établie``.

        A change whose interval holds 0 has none; its value is shown all the same.

        Raises:
            ValueError: the quantity has no value.
        """
        if quantity.direction is None:
            raise ValueError("a change without a value has a reason, not a direction")
        if quantity.direction == "unclear":
            return self.t("évolution de %(size)s non établie", size=self.change(quantity))
        size = self._size_of_change(quantity)
        return (
            self.t("hausse de %(size)s", size=size) if quantity.direction == "rise" else self.t("baisse de %(size)s", size=size)
        )

    def signed(self, number: float, size: str) -> str:
        """Put the sign of a number before its size in words: a plus or a typographic minus, none before 0."""
        space = NARROW_NBSP if self.code == "fr" else ""
        return f"{'+' if number > 0 else MINUS}{space}{size}" if number else size

    def _size_of_change(self, quantity: Quantity) -> str:
        """Write a change without its sign; a relative one with a decimal below 100 %, so that small ones are told apart."""
        size = abs(quantity.value or 0.0)
        if quantity.unit != SHARE_UNIT:
            return self.amount(Quantity(size, quantity.unit))
        if 0 < size < 0.0005:
            return "<" + NBSP + self._percentage(0.001, "#,##0.0")
        return self._percentage(size, "#,##0.0" if 0 < size < 0.9995 else "#,##0")

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
    def unit(unit: str) -> str:
        """Write a unit as readers know it, e.g. ``kgCO₂e``."""
        return unit.replace("CO2e", "CO₂e")

    def with_unit(self, number: str, unit: str) -> str:
        """Join a number and its unit by a space that no line breaks."""
        return f"{number}{NBSP}{self.unit(unit)}"

    def zone(self, code: str) -> str:
        """Name the country of an electricity zone, e.g. ``France`` for ``FRA``; a zone that is none keeps its code."""
        territory = next(iter(get_global("territory_aliases").get(code, ())), code)
        return str(self.locale.territories.get(territory, code))

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


class QuantityColumn:
    """Writes the quantities of a column of a table or a figure, in the unit that suits the greatest of them.

    Quantities of several units share a column where each line has its own; each unit then has its own scale.

    Args:
        language: Language to write in.
        quantities: The column; a None or a quantity without a value has no part in the choice.
        apart: As for ``Language.column``.
        scaled: As for ``Language.column``.
    """

    def __init__(
        self, language: Language, quantities: Iterable[Quantity | None], *, apart: bool = False, scaled: Scaling = column_scale
    ) -> None:
        self.language = language
        self._apart = apart
        by_unit: dict[str, list[float]] = {}
        for each in quantities:
            if each is not None and each.value is not None:
                by_unit.setdefault(each.unit, []).append(each.value)
        if apart:
            by_unit = {unit: [median_high(map(abs, values))] for unit, values in by_unit.items()}
        self._scales = {unit: scaled(values, unit) for unit, values in by_unit.items()}

    @property
    def unit(self) -> str:
        """The unit of the column, as readers know it; empty where it has none, or several, or holds shares."""
        units = [scale.unit for unit, scale in self._scales.items() if unit != SHARE_UNIT]
        return self.language.unit(units[0]) if len(units) == 1 == len(self._scales) else ""

    def scale(self, unit: str) -> ColumnScale:
        """Return the scale of the quantities in a unit."""
        return self._scales.get(unit) or column_scale((), unit)

    def number(self, quantity: Quantity, figures: int = FIGURES) -> str:
        """Write the value of a quantity without its unit; it is in ``unit``.

        Raises:
            ValueError: the quantity has no value.
        """
        if quantity.value is None:
            raise ValueError("a quantity without a value has a reason, not an amount")
        return self._written(quantity.value, quantity.unit, figures)

    def amount(self, quantity: Quantity, figures: int = FIGURES) -> str:
        """Write the value of a quantity with its unit.

        Raises:
            ValueError: the quantity has no value.
        """
        return self._with_unit(self.number(quantity, figures), quantity.unit)

    def interval(self, quantity: Quantity, figures: int = FIGURES) -> str | None:
        """Write an interval in the unit of the value; None where there is none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return None
        low, high = (self._written(bound, quantity.unit, figures) for bound in (quantity.low, quantity.high))
        return self.language.t("%(low)s à %(high)s", low=low, high=self._with_unit(high, quantity.unit))

    def bounds(self, quantity: Quantity) -> str | None:
        """Write an interval without a unit, for a column whose heading has it; None where there is none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return None
        low, high = (self._written(bound, quantity.unit) for bound in (quantity.low, quantity.high))
        return self.language.t("%(low)s à %(high)s", low=low, high=high)

    def change(self, quantity: Quantity) -> str:
        """Write the value of a change with its sign and unit."""
        return self.language.signed(quantity.value or 0.0, self.amount(_sized(quantity)))

    def _written(self, value: float, unit: str, figures: int = FIGURES) -> str:
        if unit == SHARE_UNIT:
            return self.language.share(value)
        scale = self.scale(unit)
        scaled = value / scale.size
        if self._apart:
            return self.language.number(scaled, figures)
        if scale.is_below_least(scaled):
            return "<" + NBSP + self.language.fixed(scale.least, scale.most_decimals)
        return self.language.fixed(scaled, scale.decimals(scaled, figures))

    def change_interval(self, quantity: Quantity) -> str | None:
        """Write the interval of a change, both bounds with their sign; None where there is none."""
        if quantity.low is None or quantity.high is None:
            return None
        bounds = (Quantity(bound, quantity.unit) for bound in (quantity.low, quantity.high))
        low, high = (self.language.signed(each.value or 0.0, self.number(_sized(each))) for each in bounds)
        return self.language.t("%(low)s à %(high)s", low=low, high=self._with_unit(high, quantity.unit))

    def _with_unit(self, number: str, unit: str) -> str:
        return number if unit == SHARE_UNIT else self.language.with_unit(number, self.scale(unit).unit)


def _sized(quantity: Quantity) -> Quantity:
    """Return a change without its sign."""
    return Quantity(None if quantity.value is None else abs(quantity.value), quantity.unit)


def _typographic(number: object) -> str:
    """Write a number's sign as a minus, not as a hyphen."""
    return str(number).replace("-", MINUS)

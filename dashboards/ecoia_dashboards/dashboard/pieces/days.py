"""Set the days on which a service was recorded against those that the register expects, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ecoia.exploring import Selection
from ecoia.instances import host_of
from ecoia.periods import Quarter
from ecoia.report import PhaseDays
from ecoia.report.context import day_phase
from ecoia.semconv import DECLARED
from ecoia_dashboards.dashboard.marks import MISSING, NOT_EXPECTED, RECORDED
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.language import Language


@dataclass(frozen=True)
class Strip:
    """The days of a service on an instance.

    Attributes:
        service: The service.
        instance: The instance; empty where the register expects days and no instance recorded any.
        kinds: Of each day of the period, whether it was ``RECORDED``, is ``MISSING`` or was ``NOT_EXPECTED``. A day counts as
            missing where the register expects more days than were recorded, as it does not say which.
        phases: Number of days recorded, by phase of the register (``inference``, ``training``).
    """

    service: str
    instance: str
    kinds: tuple[str, ...]
    phases: dict[str, int]

    @property
    def recorded(self) -> int:
        """How many days are recorded."""
        return self.kinds.count(RECORDED)

    @property
    def missing(self) -> int:
        """How many days are, or may be, missing."""
        return self.kinds.count(MISSING)


def strips(reading: Reading, selection: Selection, services: Iterable[str]) -> tuple[Strip, ...]:
    """Return the days of services, instance by instance, in a selection; no origin of energy leaves a day out.

    A service whose energy is declared has none: a form says nothing of single days.
    """
    chosen = replace(selection, statuses=())
    days = _days(selection)
    found: list[Strip] = []
    for service in services:
        recorded = _recorded(reading, replace(chosen, services=(service,)))
        expected = {quarter: _expected(reading, service, quarter) for quarter in _quarters(reading, days)}
        if expected and all(each is None for each in expected.values()):
            continue
        named = {days.instance for each in expected.values() for days in each or () if days.expected and days.instance}
        instances = sorted({instance for instance, _ in recorded} | {each for each in named if _let_through(selection, each)})
        if not instances and not selection.instances and any(days.expected for each in expected.values() for days in each or ()):
            instances = [""]
        begun = _begun_until(reading)
        found += [_strip(service, instance, days, recorded, expected, begun) for instance in instances]
    return tuple(found)


def _strip(
    service: str,
    instance: str,
    days: tuple[date, ...],
    recorded: dict[tuple[str, str], set[date]],
    expected: dict[Quarter, tuple[PhaseDays, ...] | None],
    begun_until: date,
) -> Strip:
    held = set().union(*(on for (name, _), on in recorded.items() if name == instance))
    short = {quarter: _is_short(instance, each or ()) for quarter, each in expected.items()}
    kinds = tuple(
        RECORDED if day in held else MISSING if day < begun_until and short.get(Quarter.of_date(day), False) else NOT_EXPECTED
        for day in days
    )
    phases = {phase: len(on) for (name, phase), on in sorted(recorded.items()) if name == instance}
    return Strip(service, instance, kinds, phases)


def _is_short(instance: str, expected: tuple[PhaseDays, ...]) -> bool:
    """Return whether the register expects more days of an instance than were recorded."""
    own = [each for each in expected if each.instance in (instance, "") and each.expected is not None]
    return any(each.recorded < (each.expected or 0.0) for each in own)


def _recorded(reading: Reading, selection: Selection) -> dict[tuple[str, str], set[date]]:
    """Return the recorded days by instance and phase of the register."""
    hosted = reading.explorer.selected(selection).co2e_api.value is not None
    found: dict[tuple[str, str], set[date]] = {}
    for each in reading.explorer.recorded_days(selection):
        if each.microjoules is not None or hosted:
            found.setdefault((host_of(each.instance), day_phase(each.phase)), set()).add(each.day)
    return found


def _expected(reading: Reading, service: str, quarter: Quarter) -> tuple[PhaseDays, ...] | None:
    """Return the days that a quarter expects of a service; None where its energy is declared."""
    entry = next((each for each in reading.report_of(str(quarter)).register if each.id == service), None)
    if entry is None:
        return ()
    return None if entry.counted_by == DECLARED else entry.days_by_phase


def _quarters(reading: Reading, days: tuple[date, ...]) -> list[Quarter]:
    """Return the quarters with data that the days are of."""
    found = dict.fromkeys(Quarter.of_date(day) for day in days)
    return [quarter for quarter in found if str(quarter) in reading.state.quarters]


def _begun_until(reading: Reading) -> date:
    """Return the first day of which nothing can be recorded yet."""
    until = reading.state.data_until_utc
    if until is None:
        return date.min
    last = datetime.fromisoformat(until) - timedelta(microseconds=1)
    return last.astimezone(ZoneInfo(reading.state.timezone)).date() + timedelta(days=1)


def _days(selection: Selection) -> tuple[date, ...]:
    count = (selection.until_day - selection.first_day).days
    return tuple(selection.first_day + timedelta(days=step) for step in range(count))


def _let_through(selection: Selection, instance: str) -> bool:
    return not selection.instances or instance in selection.instances


def days_words(strips: Sequence[Strip], language: Language) -> str:
    """Say how many days are recorded, of those that are expected or recorded."""
    recorded, missing = sum(strip.recorded for strip in strips), sum(strip.missing for strip in strips)
    if not strips:
        return "—"
    return language.with_unit(f"{language.whole(recorded)}/{language.whole(recorded + missing)}", language.t("j"))

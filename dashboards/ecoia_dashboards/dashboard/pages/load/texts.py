"""Say load and grid in words, as heat maps, and as a table of hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from babel.dates import format_date, get_day_names
from markupsafe import Markup

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Quantity
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.figures.other_hours import other_hours
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.load.content import FILTERS, HourSum, Load
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Table
from ecoia_dashboards.dashboard.view import period_in, period_text
from ecoia_dashboards.language import Language

_GRID = "gCO2e/kWh"
_LEAST_SHARE = 0.01
"""Least part of the CO2e that is worth moving work for, as in the report's savings."""
_HOURS = range(24)
_MOST_NAMED = 2


def show(content: Load, reading: Reading, language: Language) -> Shown:
    """Say load and grid in words."""
    scope = _scope(reading, language)
    tables = _tables(content, language, scope) if content.timed_microjoules else {}
    return Shown(
        _sentence(content, reading, language),
        _lead(content, language),
        figures=_figures(content, language, scope),
        tables=tables,
        values={
            "content": content,
            "scope": scope,
            "maps": _maps(content, language, scope) if content.timed_microjoules else [],
            "used": _grid(content.used_g_per_kwh),
            "mean": _grid(content.mean_g_per_kwh),
            "why_not": _why_not(content, language),
            "assumed": _assumed(content, language),
            "nothing": _nothing(content, language),
        },
    )


def _scope(reading: Reading, language: Language) -> str:
    words = {"service": reading.names, "phase": wording.PHASES, "method": wording.STATUSES}
    filters = [
        language.listed(
            reading.names.get(value, value) if name == "service" else language.of(dict(words.get(name, {})), value)
            for value in getattr(reading.address, name)
        )
        for name in FILTERS
    ]
    return " · ".join([period_text(reading.period, language), *(each for each in filters if each)])


def _grid(value: float | None) -> Quantity:
    return Quantity(value, _GRID, reason=None if value is not None else "no-factor")


# --- the sentence ---


def _sentence(content: Load, reading: Reading, language: Language) -> str:
    period = period_in(reading.period, language)
    if not content.timed_microjoules:
        return language.t("Aucune énergie dont l’heure soit connue %(period)s", period=period)
    return _cleanest(content, period, language) or _busiest(content, period, language)


def _cleanest(content: Load, period: str, language: Language) -> str:
    """Say at what hour electricity is cleanest, and what moving the work that can wait would have spared; empty: not known."""
    groups: dict[int, list[float]] = {}
    for cell in content.cells:
        if cell.grid_g_per_kwh is not None:
            groups.setdefault(cell.hour, []).append(cell.grid_g_per_kwh)
    means = {hour: sum(values) / len(values) for hour, values in groups.items()}
    least, most = (pick(means, key=lambda hour: means[hour], default=0) for pick in (min, max))
    if not means or means[least] == means[most]:
        return ""
    said = language.t(
        "Électricité la plus propre %(period)s : %(clean)s (%(low)s), la moins propre %(dirty)s (%(high)s)",
        period=period,
        clean=_hour(least, language),
        low=language.amount(_grid(means[least])),
        dirty=_hour(most, language),
        high=language.amount(_grid(means[most])),
    )
    return f"{said}{language.t(' ; ')}{_movable(content, language)}"


def _movable(content: Load, language: Language) -> str:
    """Say what each phase that can wait would have spared at its own best hours."""
    if not content.movable:
        return language.t("rien de ce travail ne peut attendre")
    best = {phase: shifts.best for phase, shifts in content.movable.items()}
    moved = {phase: shift for phase, shift in best.items() if shift is not None}
    now = sum(each.now for each in content.movable.values())
    spared = sum(content.movable[phase].now - shift.micrograms for phase, shift in moved.items())
    if not moved or spared < _LEAST_SHARE * now:
        return language.t("décaler ce qui peut attendre n’aurait pas évité 1 %% de son CO₂e")
    phases = language.listed(
        language.t("%(phase)s (%(hours)s)", phase=language.of(wording.PHASES, phase), hours=_later(shift.hours, language))
        for phase, shift in moved.items()
    )
    return language.t(
        "décaler ce qui peut attendre aurait évité %(kg)s, %(share)s de son CO₂e : %(phases)s",
        kg=language.amount(_kg(spared)),
        share=language.share(spared / now),
        phases=phases,
    )


def _later(hours: int, language: Language) -> str:
    if hours > 0:
        return language.n("%(count)s h plus tard", "%(count)s h plus tard", hours)
    return language.n("%(count)s h plus tôt", "%(count)s h plus tôt", -hours)


def _busiest(content: Load, period: str, language: Language) -> str:
    by_hour = _by_hour(content)
    greatest = max(by_hour.values())
    busiest = [hour for hour, energy in by_hour.items() if energy == greatest]
    share = language.share(greatest / content.timed_microjoules)
    values = {"period": period, "share": share, "hours": language.listed(_hour(hour, language) for hour in busiest)}
    if len(busiest) > _MOST_NAMED:
        count = language.whole(len(busiest))
        return language.t(
            "Aucune heure ne domine %(period)s : %(count)s heures prennent chacune %(share)s de l’énergie", count=count, **values
        )
    if len(busiest) > 1:
        return language.t("Les heures les plus chargées %(period)s : %(hours)s, %(share)s de l’énergie chacune", **values)
    return language.t("L’heure la plus chargée %(period)s : %(hours)s, %(share)s de l’énergie", **values)


def _by_hour(content: Load) -> dict[int, int]:
    found = dict.fromkeys(_HOURS, 0)
    for cell in content.cells:
        found[cell.hour] += cell.microjoules
    return found


def _hour(hour: int, language: Language) -> str:
    return language.t("de %(start)s h à %(end)s h", start=hour, end=hour + 1)


def _lead(content: Load, language: Language) -> str:
    said = []
    used, mean = content.used_g_per_kwh, content.mean_g_per_kwh
    if used is not None and mean is not None:
        values = {"used": language.amount(_grid(used)), "mean": language.amount(_grid(mean))}
        if values["used"] == values["mean"]:
            said.append(language.t("L’électricité utilisée émet %(used)s, autant que la moyenne des heures.", **values))
        else:
            said.append(
                language.t("L’électricité utilisée émet %(used)s ; la moyenne des heures de la période est %(mean)s.", **values)
            )
    if content.shifts.shifts:
        said.append(f"{_best(content, language)}.")
    if content.movable:
        said.append(
            language.t(
                "Peut attendre ce qui fait un modèle : préparation des données, entraînement, ajustement, évaluation ; "
                "l’inférence répond quand on la demande."
            )
        )
    return " ".join(said)


def _best(content: Load, language: Language) -> str:
    """Say by how many hours the work would have to move to emit least, and what that would spare."""
    best, now = content.shifts.best, content.shifts.now
    share = (now - best.micrograms) / now if best is not None and now else 0.0
    if best is None or share < _LEAST_SHARE:
        return language.t("Aucun décalage du travail n’aurait évité 1 %% du CO₂e d’usage")
    values = {"share": language.share(share)}
    if best.hours > 0:
        return language.n(
            "Le même travail %(count)s heure plus tard aurait émis %(share)s de moins",
            "Le même travail %(count)s heures plus tard aurait émis %(share)s de moins",
            best.hours,
            **values,
        )
    return language.n(
        "Le même travail %(count)s heure plus tôt aurait émis %(share)s de moins",
        "Le même travail %(count)s heures plus tôt aurait émis %(share)s de moins",
        -best.hours,
        **values,
    )


# --- heat maps ---


def _maps(content: Load, language: Language, scope: str) -> list[tuple[str, str, str, Markup]]:
    """Return the two heat maps: id, title, subtitle and drawing of each."""
    by_hour = _by_hour(content)
    rows = list(dict.fromkeys(cell.row for cell in content.cells))
    busiest = max(content.cells, key=lambda cell: cell.microjoules)
    known = [cell for cell in content.cells if cell.grid_g_per_kwh is not None]
    axis = language.t("jour par heure") if content.by == "day" else language.t("jour de la semaine par heure")
    energy = language.t(
        "Énergie : le plus %(day)s, %(hour)s", day=_row(busiest.row, content.by, language), hour=_hour(busiest.hour, language)
    )
    subtitle = language.t("Énergie des composants, hors bâtiment, somme, %(axis)s · %(scope)s", axis=axis, scope=scope)

    def joules(cell: HourSum) -> float | None:
        return float(cell.microjoules) if cell.microjoules else None

    found = [
        (
            "map-energy",
            energy,
            subtitle,
            _map(content, rows, joules, lambda value: language.energy(round(value)), energy, language),
        )
    ]
    if known and by_hour:
        most, least = (pick(known, key=lambda cell: cell.grid_g_per_kwh or 0.0) for pick in (max, min))
        low, high = (language.amount(_grid(each.grid_g_per_kwh)) for each in (least, most))
        title = language.t("Réseau : de %(low)s à %(high)s", low=low, high=high)
        if low == high:
            title = language.t("Réseau : %(high)s à toute heure", high=high)
        drawing = _map(
            content,
            rows,
            lambda cell: cell.grid_g_per_kwh,
            lambda value: language.amount(_grid(value)),
            title,
            language,
            from_least=True,
        )
        subtitle = language.t("Facteur d’émission de l’électricité, moyenne, %(axis)s · %(scope)s", axis=axis, scope=scope)
        found.append(("map-grid", title, subtitle, drawing))
    return found


def _map(
    content: Load,
    rows: list[str],
    of: Callable[[HourSum], float | None],
    write: Callable[[float], str],
    said: str,
    language: Language,
    *,
    from_least: bool = False,
) -> Markup:
    known = {(cell.row, cell.hour): of(cell) for cell in content.cells}
    return marks.heat_map(
        [_row(row, content.by, language, short=True) for row in rows],
        [str(hour) for hour in _HOURS],
        [[known.get((row, hour)) for hour in _HOURS] for row in rows],
        write=write,
        missing=language.t("rien de relevé"),
        said=said,
        from_least=from_least,
    )


def _row(row: str, by: str, language: Language, *, short: bool = False) -> str:
    if by == "weekday":
        return str(get_day_names("abbreviated" if short else "wide", locale=language.locale)[int(row)])
    if short:
        return str(format_date(date.fromisoformat(row), "EEE d MMM", locale=language.locale))
    return language.t("le %(day)s", day=language.day(row))


# --- tables ---


def _tables(content: Load, language: Language, scope: str) -> dict[str, Table]:
    lines = tuple(_line(cell, content, language) for cell in content.cells if cell.microjoules)
    of_hours = Table(
        "hours",
        language.n("%(count)s heure avec de l’énergie", "%(count)s heures avec de l’énergie", len(lines)),
        (
            Heading(language.t("Jour")),
            Heading(language.t("Heure")),
            Heading(language.t("Énergie des composants"), FIGURE),
            Heading(language.t("Réseau"), FIGURE),
            Heading(language.t("CO₂e d’usage"), FIGURE),
        ),
        lines,
        language.t("Heure par heure · %(scope)s", scope=scope),
        foot=_foot(content, language),
    )
    return {"hours": of_hours}


def _line(cell: HourSum, content: Load, language: Language) -> tuple[Cell, ...]:
    return (
        _row(cell.row, content.by, language),
        _hour(cell.hour, language),
        Quantity(kwh(cell.microjoules), "kWh"),
        _grid(cell.grid_g_per_kwh),
        _kg(cell.micrograms),
    )


def _kg(micrograms: int | None) -> Quantity:
    if micrograms is None:
        return Quantity(None, "kgCO2e", reason="no-factor")
    return Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e")


def _foot(content: Load, language: Language) -> tuple[tuple[Cell, ...], ...]:
    """Return the sums: what is declared has no hours, and the whole is that of the selection."""
    lines: list[tuple[Cell, ...]] = []
    if content.declared_microjoules:
        lines.append((language.t("Déclaré, sans heure connue"), "", Quantity(kwh(content.declared_microjoules), "kWh"), "", ""))
    rest = content.whole.microjoules - content.timed_microjoules - content.declared_microjoules
    if rest:
        lines.append((language.t("Hors de ces lignes"), "", Quantity(kwh(rest), "kWh"), "", ""))
    lines.append(
        (language.t("Ensemble"), "", Quantity(kwh(content.whole.microjoules), "kWh"), "", content.whole.co2e_operational)
    )
    return tuple(lines)


# --- other hours ---


def _figures(content: Load, language: Language, scope: str) -> dict[str, Figure]:
    if not content.shifts.shifts:
        return {}
    shifts = [(each.hours, _kg(each.micrograms)) for each in content.shifts.shifts]
    share = language.share(content.shifts.microjoules / content.timed_microjoules)
    subtitle = language.t(
        "CO₂e d’usage si tout le travail était décalé, pour %(share)s de l’énergie relevée · %(scope)s", share=share, scope=scope
    )
    return {"other-hours": Figure(other_hours(_best(content, language), shifts, language), subtitle, _assumed(content, language))}


def _assumed(content: Load, language: Language) -> str:
    """Say what moving work assumes, and of which zones it says nothing."""
    said = [
        language.t(
            "On suppose que le travail peut attendre, que le réseau n’y réagit pas, et que ses facteurs moyens valent pour lui."
        )
    ]
    if content.shifts.flat_zones:
        zones = language.listed(language.zone(zone) for zone in content.shifts.flat_zones)
        said.append(language.t("Sans effet là où le facteur ne varie pas dans la journée : %(zones)s.", zones=zones))
    return " ".join(said)


def _why_not(content: Load, language: Language) -> str:
    """Say why other hours are not compared; empty where they are."""
    if content.shifts.shifts or not content.timed_microjoules:
        return ""
    if content.shifts.flat_zones:
        zones = language.listed(language.zone(zone) for zone in content.shifts.flat_zones)
        return language.t(
            "Le facteur d’émission ne varie pas dans la journée (%(zones)s) : décaler le travail n’y changerait aucun chiffre.",
            zones=zones,
        )
    return language.t("Les facteurs d’émission ne sont pas connus aux autres heures : rien ne peut être comparé.")


def _nothing(content: Load, language: Language) -> str:
    if content.timed_microjoules:
        return ""
    if content.declared_microjoules or content.whole.microjoules:
        return language.t(
            "L’énergie de cette sélection est déclarée : un formulaire ne dit pas à quelles heures elle a été utilisée."
        )
    return language.t("Rien n’est relevé dans cette période. Ce n’est pas zéro : on ne sait pas.")

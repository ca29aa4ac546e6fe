"""Say a service in words: the sentence, the lead, the figures and what has no figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date

from ecoia.report import ProviderWork, Quantity, ServiceFootprint
from ecoia.semconv import DECLARED, STATUSES
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.figures.over_time import MOST_MARKS, Step, over_time
from ecoia_dashboards.dashboard.links import to_page
from ecoia_dashboards.dashboard.page import Figure, Reading, Shown
from ecoia_dashboards.dashboard.pages.service.causes import causes_figure, changed, parts_words
from ecoia_dashboards.dashboard.pages.service.content import FILTERS, Moment, Service, is_filtered, whole_quarter
from ecoia_dashboards.dashboard.pages.service.tables import tables
from ecoia_dashboards.dashboard.pieces.parts import capital
from ecoia_dashboards.dashboard.pieces.remedies import remedy_of
from ecoia_dashboards.dashboard.pieces.service_table import place_of
from ecoia_dashboards.dashboard.tables import Table
from ecoia_dashboards.dashboard.view import period_in, period_text
from ecoia_dashboards.figures.fronts import front
from ecoia_dashboards.language import Language
from ecoia_dashboards.tables.base import BOUNDARIES


@dataclass(frozen=True)
class Key:
    """A key figure: its name, its amount, the change against the reference, and what stands below it."""

    name: str
    quantity: Quantity
    change: Quantity | None = None
    note: str = ""


def show(content: Service, reading: Reading, language: Language) -> Shown:
    """Say a service in words."""
    scope = scope_words(reading, language)
    name = reading.names.get(content.entry.id, content.entry.name)
    known = bool(content.whole.microjoules) or content.whole.headline.co2e.value is not None
    remedy = None if known else remedy_of(content.entry)
    values = {
        "content": content,
        "name": name,
        "known": known,
        "keys": _keys(content, language) if known else (),
        "origin": _origin(content, language) if known else {},
        "notices": _notices(content, language),
        "why": "" if known else why_nothing(content, reading, language),
        "remedy": remedy,
        "place": language.t("%(place)s :", place=capital(place_of(remedy, language))) if remedy else "",
        "also": _also(content, reading, language),
        "filtered": is_filtered(reading),
        "no_causes": _nocauses_figure(content, reading, language),
        "no_fronts": _no_fronts(content, language),
    }
    return Shown(
        _sentence(content, reading, name, language),
        _lead(content, reading, language),
        figures=_figures(content, reading, language, scope),
        tables=_tables(content, reading, language, scope, known=known),
        values=values,
        evidence={"service": (content.entry.id,)},
    )


def _tables(content: Service, reading: Reading, language: Language, scope: str, *, known: bool) -> dict[str, Table]:
    """Return the tables that the page shows: of a service without figures, the days that the register expects."""
    found = tables(content, reading, language, scope)
    if known:
        return found
    return {name: table for name, table in found.items() if name == "instances" and not is_filtered(reading)}


def scope_words(reading: Reading, language: Language) -> str:
    """Write the period and the filters in use, as subtitles have them."""
    filters = [
        language.listed(filter_word(name, value, language) for value in getattr(reading.address, name)) for name in FILTERS
    ]
    return " · ".join([period_text(reading.period, language), *(each for each in filters if each)])


def filter_word(name: str, value: str, language: Language) -> str:
    """Write a value of a filter for readers."""
    words = {"phase": wording.KINDS | wording.PHASES, "method": wording.STATUSES}.get(name, {})
    if not value:
        return language.t("hors de tout site")
    return language.of(words, value)


# --- the sentence ---


def _sentence(content: Service, reading: Reading, name: str, language: Language) -> str:
    whole, filtered = content.whole, is_filtered(reading)
    values = {"service": name, "period": period_in(reading.period, language)}
    if whole.energy.value and whole.microjoules:
        values["amount"] = language.amount(whole.energy)
        if content.entry.counted_by == DECLARED:
            return language.t("%(service)s : %(amount)s déclarés %(period)s", **values)
        if filtered:
            return language.t("%(service)s : %(amount)s %(period)s, pour cette sélection", **values)
        return language.t("%(service)s : %(amount)s %(period)s", **values)
    if whole.headline.co2e.value is not None:
        values["amount"] = language.amount(whole.headline.co2e)
        return language.t("%(service)s : énergie non mesurée, %(amount)s de modèles externes %(period)s", **values)
    if filtered:
        return language.t("%(service)s : rien de relevé %(period)s, pour cette sélection", **values)
    return language.t("%(service)s : rien de relevé %(period)s", **values)


def _lead(content: Service, reading: Reading, language: Language) -> str:
    entry = content.entry
    said = [_rank(content, language, filtered=is_filtered(reading)), _change(content, reading, language)]
    if entry.purpose:
        said.append(_sentence_of(entry.purpose))
    facts = [language.t("Statut : %(status)s", status=language.of(wording.SERVICE_STATUSES, entry.status))]
    if entry.owner_role:
        facts.append(language.t("responsable : %(role)s", role=entry.owner_role))
    said.append(", ".join(facts) + ".")
    return " ".join(filter(None, said))


def _sentence_of(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _rank(content: Service, language: Language, *, filtered: bool) -> str:
    rank = content.rank
    if rank is None or filtered:
        return ""
    share = language.share(rank.share)
    if rank.of == 1:
        return language.t("Seul service dont l’énergie est connue.")
    if rank.ties:
        return language.t(
            "Au rang %(place)s de %(of)s services par l’énergie, à égalité : %(share)s du total.",
            place=language.whole(rank.place),
            of=language.whole(rank.of),
            share=share,
        )
    if rank.place == 1:
        return language.t(
            "Premier de %(of)s services par l’énergie : %(share)s du total.", of=language.whole(rank.of), share=share
        )
    return language.t(
        "Au rang %(place)s de %(of)s services par l’énergie : %(share)s du total.",
        place=language.whole(rank.place),
        of=language.whole(rank.of),
        share=share,
    )


def _change(content: Service, reading: Reading, language: Language) -> str:
    if content.change is None or reading.reference is None or not content.whole.microjoules:
        return ""
    reference = period_text(reading.reference, language)
    energy = changed(content.change.energy, content)
    if energy.value is None:
        reason = capital(language.of(wording.REASONS, energy.reason or "no-data"))
        return language.t("%(reason)s (référence : %(reference)s).", reference=reference, reason=reason)
    direction, interval = capital(language.direction(energy)), language.change_interval(energy)
    if interval:
        return language.t(
            "%(direction)s, de %(interval)s (référence : %(reference)s).",
            direction=direction,
            interval=interval,
            reference=reference,
        )
    return language.t("%(direction)s (référence : %(reference)s).", direction=direction, reference=reference)


# --- key figures ---


def _keys(content: Service, language: Language) -> tuple[Key, ...]:
    whole, change = content.whole, content.change
    moved = changed(change.energy, content) if change is not None and whole.energy.value is not None else None
    keys = [
        Key(language.t("Énergie"), whole.energy, moved),
        Key(*_co2e(content, language)),
    ]
    unit = content.entry.functional_unit or language.t("unité rendue")
    footprint = content.intensities
    if footprint is not None and footprint.sci.value is not None:
        note = language.t("%(count)s unités", count=language.number(footprint.serving.units or 0.0))
        keys.append(Key(language.t("CO₂e par %(unit)s, entraînement amorti", unit=unit), footprint.sci, note=note))
    keys.append(Key(language.t("Énergie par %(unit)s", unit=unit), whole.energy_per_unit))
    return (*keys, *(() if footprint is None else _scores(footprint, unit, language)))


def _scores(footprint: ServiceFootprint, unit: str, language: Language) -> Iterator[Key]:
    """Return the two scores of SCI for AI; the provider's where the register says what it is divided by."""
    if footprint.sci_consumer.value is not None:
        note = language.t("« SCI for AI », partiel : usage seul")
        yield Key(language.t("Score SCI du consommateur, par %(unit)s", unit=unit), footprint.sci_consumer, note=note)
    work = footprint.provider
    if work is not None and work.unit is not None:
        per = language.of(wording.PROVIDER_UNITS, work.unit)
        values = language.of(wording.PROVIDER_VALUES, work.values or "")
        note = language.t("« SCI for AI », partiel : %(values)s, %(quarters)s", values=values, quarters=_listed(work, language))
        yield Key(language.t("Score SCI du fournisseur, par %(unit)s", unit=per), footprint.sci_provider, note=note)


def _listed(work: ProviderWork, language: Language) -> str:
    return language.listed(language.quarter(each) for each in work.quarters)


def _co2e(content: Service, language: Language) -> tuple[str, Quantity, Quantity | None, str]:
    """Return the key figure of the CO2e: its perimeter in its name, its change where that is of the same parts."""
    found = content.whole.headline
    name = language.t("CO₂e : %(parts)s", parts=parts_words(found.parts, language)) if found.parts else "CO₂e"
    note = ""
    if found.is_lower_bound:
        lacking = [
            f"{language.of(wording.CO2E_PARTS, part)} ({language.of(wording.REASONS, why)})"
            for part, why in found.lacking.items()
        ]
        note = language.t("Au moins : il manque %(parts)s", parts=language.listed(lacking))
    change = content.change
    same = change is not None and set(found.parts) <= {f"co2e_{part}" for part in change.parts}
    return name, found.co2e, changed(change.co2e, content) if change is not None and same else None, note


def _origin(content: Service, language: Language) -> dict[str, float]:
    """Return the share of the energy by origin, in the order of certainty."""
    whole = content.whole
    found = whole.by_status_microjoules
    return {status: found[status] / whole.microjoules for status in STATUSES if found.get(status) and whole.microjoules}


def _notices(content: Service, language: Language) -> list[str]:
    codes = [*(["simulated"] if content.whole.simulated else []), *(["stand-in"] if content.entry.stand_in else [])]
    return [language.of(wording.NOTICES, code) for code in codes]


# --- figures ---


def _figures(content: Service, reading: Reading, language: Language, scope: str) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    span = scope
    if reading.period.quarter is not None:
        first, last = (language.quarter(content.course[place].period) for place in (0, -1))
        span = language.t("de %(first)s à %(last)s", first=first, last=last) + scope.removeprefix(last)
    for id_, of, title, subtitle in _courses(content, reading, language):
        steps = [_step(moment, getattr(moment, of), reading, language) for moment in content.course]
        chart = over_time(id_, _course_title(title, steps, language), title, steps, language)
        if chart is not None:
            note = _under_note(content, reading, language) if id_ == "course" else ""
            found[id_] = Figure(chart, language.t("%(subtitle)s · %(scope)s", subtitle=subtitle, scope=span), note)
    found |= causes_figure(content, reading, language)
    for place, each in enumerate(content.frontiers):
        chart = front(f"front-{place}", each, reading.names, language)
        if chart is not None:
            found[chart.id] = Figure(chart, language.t("Un point par run fini · %(scope)s", scope=scope))
    return found


def _courses(content: Service, reading: Reading, language: Language) -> tuple[tuple[str, str, str, str], ...]:
    """Return the courses that are drawn: id, field of a moment, title, and what it is of."""
    quarters = reading.period.quarter is not None
    unit = content.entry.functional_unit or language.t("unité rendue")
    boundary = language.t(BOUNDARIES[content.whole.boundary])
    return (
        (
            "course",
            "energy",
            language.t("Énergie par trimestre") if quarters else language.t("Énergie par jour"),
            language.t("Énergie, %(boundary)s", boundary=boundary),
        ),
        (
            "unit-energy",
            "per_unit",
            language.t("Énergie par %(unit)s", unit=unit),
            language.t("Hors entraînement, veille réservée comprise, %(boundary)s", boundary=boundary),
        ),
        (
            "unit-co2e",
            "co2e_per_unit",
            language.t("CO₂e par %(unit)s", unit=unit),
            language.t("Usage, fabrication et modèles externes, hors entraînement"),
        ),
    )


def _step(moment: Moment, quantity: Quantity, reading: Reading, language: Language) -> Step:
    quarter = reading.period.quarter is not None
    name = language.quarter(moment.period) if quarter else language.day(moment.period)
    why = ""
    if moment.under:
        why = language.t("relevé sous « %(service)s »", service=reading.names.get(moment.under, moment.under))
    label = "" if quarter else str(format_date(date.fromisoformat(moment.period), "d MMM", locale=language.locale))
    return Step(name, quantity, why, label)


def _course_title(what: str, steps: Sequence[Step], language: Language) -> str:
    """State the last value, or since when nothing is known."""
    known = [step for step in steps if step.quantity.value is not None]
    if not known:
        return what
    last = known[-1]
    if len(steps) > MOST_MARKS:
        least, most = (pick(known, key=lambda step: step.quantity.value or 0.0) for pick in (min, max))
        return language.t(
            "%(what)s : de %(low)s (%(least)s) à %(high)s (%(most)s)",
            what=what,
            low=language.amount(least.quantity),
            least=least.name,
            high=language.amount(most.quantity),
            most=most.name,
        )
    if last is not steps[-1]:
        return language.t("%(what)s : rien de connu après %(period)s", what=what, period=last.name)
    return language.t("%(what)s : %(amount)s (%(period)s)", what=what, amount=language.amount(last.quantity), period=last.name)


def _under_note(content: Service, reading: Reading, language: Language) -> str:
    under = dict.fromkeys(moment.under for moment in content.course if moment.under)
    if not under:
        return ""
    names = language.listed(reading.names.get(each, each) for each in under)
    return language.t("Avant, ce service était relevé sous un autre nom : %(names)s.", names=names)


# --- what has no figure, and why ---


def why_nothing(content: Service, reading: Reading, language: Language) -> str:
    """Say why nothing is known of a service."""
    status = content.entry.status
    if is_filtered(reading):
        return language.t("Les filtres ne laissent rien passer : retirez-en un.")
    if status == "retired":
        return language.t("Ce service est retiré : rien n’est attendu de lui.")
    if not content.entry.registered:
        return language.t("Ce service n’est pas au registre, et rien de lui n’est relevé dans cette période.")
    return language.t("Rien de ce service n’est relevé dans cette période. Ce n’est pas zéro : on ne sait pas.")


def _nocauses_figure(content: Service, reading: Reading, language: Language) -> str:
    """Say why the change is not explained by cause; empty where it is, or where nothing is compared."""
    if content.explained is not None or reading.reference is None or not content.whole.microjoules:
        return ""
    if not whole_quarter(reading) or reading.reference.quarter is None:
        return language.t("Les causes d’une variation se calculent entre deux trimestres entiers, sans filtre.")
    return language.t(
        "Les causes de la variation ne sont pas connues : rien n’est relevé de ce service, %(reference)s.",
        reference=period_text(reading.reference, language),
    )


def _also(content: Service, reading: Reading, language: Language) -> list[tuple[str, str]]:
    """Return the other pages that show this service: what each answers, and its address."""
    own = {"service": (content.entry.id,)}
    return [
        (language.t("À quelles heures, avec quelle électricité ?"), to_page(reading.address, "load", **own)),
        (language.t("Quels runs ont coûté le plus ?"), to_page(reading.address, "runs", **own)),
        (language.t("Quelles lignes y a-t-il derrière ?"), to_page(reading.address, "records", **own)),
    ]


def _no_fronts(content: Service, language: Language) -> str:
    if content.frontiers or not content.runs or content.not_compared is None:
        return ""
    why = language.of(wording.UNSUPPORTED, content.not_compared.reason)
    return language.t("Qualité et énergie des runs ne sont pas comparées : %(why)s.", why=why)

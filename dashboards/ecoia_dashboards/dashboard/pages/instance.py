"""An instance: what ran on it, on which days, how its energy is known, and whose machine it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ecoia.exploring import Selected, Selection
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.instances import fits, host_of
from ecoia.periods import Quarter
from ecoia.report import EquipmentUsed, Quantity
from ecoia.semconv import KIND_IDLE
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.figures.over_time import Step, over_time
from ecoia_dashboards.dashboard.links import to_page
from ecoia_dashboards.dashboard.page import Figure, NotFoundError, Page, Reading, Shown
from ecoia_dashboards.dashboard.pieces.days import Strip, days_words, strips
from ecoia_dashboards.dashboard.pieces.parts import methods_table, part_headings, part_line, phases_table, rest_line
from ecoia_dashboards.dashboard.tables import FIGURE, MARK, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.dashboard.view import period_in, period_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

_FILTERS = ("service", "phase", "method")
_QUARTERS = 6


@dataclass(frozen=True)
class Instance:
    """The data of the page.

    Attributes:
        name: The instance.
        homes: Names that its rows have, where several homes on one host record.
        site: Id of its site; empty where it is in none.
        whole: Its figures in the period.
        organisation_microjoules: Energy of all instances, with the same filters.
        services: Figures of each service on it; "" of what no service bears.
        phases: Figures of each phase, and of the reserved idle.
        methods: Figures by status and name of the method.
        quarters: Energy of the last quarters.
        strips: Days of each service.
        equipment: Machines whose making falls on it, of a quarter.
    """

    name: str
    homes: tuple[str, ...]
    site: str
    whole: Selected
    organisation_microjoules: int
    services: dict[str, Selected]
    phases: dict[str, Selected]
    methods: dict[str, Selected]
    quarters: dict[str, Quantity]
    strips: tuple[Strip, ...]
    equipment: tuple[EquipmentUsed, ...]


def read(reading: Reading, instance: str) -> Instance:
    """Read the data of an instance; homes on one host are one instance.

    Raises:
        NotFoundError: no quarter has an instance of the name.
    """
    homes = _homes(reading, instance)
    selection, explorer = replace(reading.selection, instances=homes, region=None), reading.explorer
    services = explorer.parts(selection, "service")
    sites = [site.id for site in reading.catalogue.sites if fits(instance, site.instances)]
    quarterly = reading.period.quarter is not None
    found = strips(reading, selection, [each for each in services if each])
    return Instance(
        name=instance,
        homes=homes,
        site=sites[0] if sites else "",
        whole=explorer.selected(selection),
        organisation_microjoules=explorer.selected(replace(selection, instances=())).microjoules,
        services=services,
        phases=explorer.parts(selection, "phase"),
        methods=explorer.parts(selection, "method"),
        quarters=_quarters(reading, selection),
        strips=tuple(strip for strip in found if strip.instance == instance),
        equipment=tuple(_equipment_of(reading, instance)) if quarterly else (),
    )


def _homes(reading: Reading, instance: str) -> tuple[str, ...]:
    """Return the names under which rows of an instance are recorded, in the period or else in any quarter."""
    spans = [reading.selection, *(reading.selection.of_quarter(Quarter.parse(each)) for each in reversed(reading.state.quarters))]
    known: dict[str, None] = {}
    for span in spans:
        bare = Selection(span.first_day, span.until_day, services=tuple(sorted(reading.allowed or ())))
        names = reading.explorer.parts(bare, "instance")
        found = tuple(name for name in names if instance in (name, host_of(name)))
        if found:
            return found
        known |= dict.fromkeys(map(host_of, names))
    raise NotFoundError("instance", instance, tuple(sorted(known)))


def _equipment_of(reading: Reading, instance: str) -> Iterator[EquipmentUsed]:
    """Return the machines of an instance, with the shares of the services that the reader may see."""
    for each in reading.report.equipment:
        if fits(instance, each.instances):
            seen = {name: part for name, part in each.by_service_micrograms.items() if not name or reading.may_see(name)}
            yield replace(each, by_service_micrograms=seen)


def _quarters(reading: Reading, selection: Selection) -> dict[str, Quantity]:
    last = Quarter.parse(reading.quarter)
    found = {}
    for step in range(1 - _QUARTERS, 1):
        quarter = last.shift(step)
        days = replace(selection, first_day=quarter.first_day(), until_day=quarter.shift(1).first_day())
        part = reading.explorer.selected(days) if str(quarter) in reading.state.quarters else None
        found[str(quarter)] = part.energy if part and part.microjoules else Quantity(None, "kWh", reason="no-data")
    return found


def show(content: Instance, reading: Reading, language: Language) -> Shown:
    """Say an instance in words."""
    scope = period_text(reading.period, language)
    known = (
        _services(content, reading, language, scope),
        phases_table(content.phases, content.whole, language, scope),
        methods_table(content.methods, content.whole, language, scope),
        _equipment(content, reading, language, scope),
    )
    steps = [Step(language.quarter(quarter), energy) for quarter, energy in content.quarters.items()]
    what = language.t("Énergie par trimestre")
    chart = over_time("course", what, what, steps, language)
    return Shown(
        _sentence(content, reading, language),
        _lead(content, reading, language),
        figures={} if chart is None else {"course": Figure(chart, language.t("Énergie de l’instance"))},
        tables={table.id: table for table in known if table is not None},
        values={"content": content, "idle": _idle(content)},
        evidence={"instance": content.homes},
    )


def _sentence(content: Instance, reading: Reading, language: Language) -> str:
    values = {"instance": content.name, "period": period_in(reading.period, language)}
    if not content.whole.microjoules:
        return language.t("%(instance)s : rien de relevé %(period)s", **values)
    services = [name for name, part in content.services.items() if name and part.microjoules]
    return language.n(
        "%(instance)s : %(amount)s pour %(count)s service %(period)s",
        "%(instance)s : %(amount)s pour %(count)s services %(period)s",
        len(services),
        amount=language.amount(content.whole.energy),
        **values,
    )


def _lead(content: Instance, reading: Reading, language: Language) -> str:
    said = []
    if content.organisation_microjoules and content.whole.microjoules:
        share = language.share(content.whole.microjoules / content.organisation_microjoules)
        said.append(language.t("%(share)s de l’énergie relevée.", share=share))
    site = next((site for site in reading.catalogue.sites if site.id == content.site), None)
    if site is None:
        said.append(language.t("Elle n’est d’aucun site déclaré."))
    else:
        said.append(language.t("Site : %(site)s.", site=site.name or site.id))
    if content.homes != (content.name,):
        count = language.n("%(count)s relevé séparé", "%(count)s relevés séparés", len(content.homes))
        said.append(language.t("Elle réunit %(count)s : %(homes)s.", count=count, homes=language.listed(content.homes)))
    return " ".join(said)


def _idle(content: Instance) -> Quantity | None:
    """Return the share of its energy that reserved capacity took while it stood idle; None where there is no energy."""
    if not content.whole.microjoules:
        return None
    if KIND_IDLE not in content.phases:
        return Quantity(None, "1", reason="idle-not-separated")
    return Quantity(content.whole.idle_microjoules / content.whole.microjoules, "1")


def _services(content: Instance, reading: Reading, language: Language, scope: str) -> Table | None:
    if not content.services:
        return None
    by_strip = {strip.service: strip for strip in content.strips}
    order = sorted(content.services, key=lambda name: (not name, -content.services[name].microjoules, name))
    lines = tuple(_service(name, content, by_strip, reading, language) for name in order)
    headings = (
        Heading(language.t("Service")),
        *part_headings(language),
        Heading(language.t("Jours"), MARK),
        Heading(language.t("Relevés"), FIGURE),
    )
    return Table(
        "services",
        _services_title(content, order, reading, language),
        headings,
        lines,
        language.t("Énergie et jours relevés par service · %(scope)s", scope=scope),
        foot=((*rest_line(content.services, content.whole, language), "", ""),),
    )


def _service(
    name: str, content: Instance, by_strip: Mapping[str, Strip], reading: Reading, language: Language
) -> tuple[Cell, ...]:
    label: Cell = language.t("aucun service (ecoia lui-même, ou non attribué)")
    if name:
        label = Link(reading.names.get(name, name), to_page(reading.address, "services", name))
    strip = by_strip.get(name)
    words = days_words((strip,), language) if strip else "—"
    days: Cell = Mark(marks.days_strip(strip.kinds), words) if strip else ""
    return *part_line(label, content.services[name], content.whole, "series", language), days, words


def _services_title(content: Instance, order: list[str], reading: Reading, language: Language) -> str:
    first = order[0]
    name = reading.names.get(first, first)
    if not first or not content.whole.microjoules:
        return language.t("Aucun service n’y a d’énergie relevée")
    share = language.share(content.services[first].microjoules / content.whole.microjoules)
    return language.t("%(service)s : %(share)s de son énergie", service=name, share=share)


def _equipment(content: Instance, reading: Reading, language: Language, scope: str) -> Table | None:
    if not content.equipment:
        return None
    lines: list[tuple[Cell, ...]] = []
    for each in content.equipment:
        for name, micrograms in sorted(each.by_service_micrograms.items(), key=lambda part: -part[1]):
            bearer = reading.names.get(name, name) if name else language.t("aucun service")
            lines.append((each.name or each.id, bearer, Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"), each.source))
    whole = sum(each.quarter_micrograms for each in content.equipment)
    others = whole - sum(part for each in content.equipment for part in each.by_service_micrograms.values())
    amount = Quantity(whole / MICROGRAMS_PER_KG, "kgCO2e")
    foot: list[tuple[Cell, ...]] = []
    if others:
        foot.append((language.t("Hors de ces lignes"), "", Quantity(others / MICROGRAMS_PER_KG, "kgCO2e"), ""))
    foot.append((language.t("Ensemble"), "", amount, ""))
    reserved = language.listed(language.share(each.reserved_share) for each in content.equipment)
    return Table(
        "equipment",
        language.t("Fabrication : %(amount)s pour ce trimestre", amount=language.amount(amount)),
        (
            Heading(language.t("Machine")),
            Heading(language.t("Service")),
            Heading(language.t("CO₂e de fabrication"), FIGURE),
            Heading(language.t("Source")),
        ),
        tuple(lines),
        language.t("Part réservée : %(reserved)s · sans filtre · %(scope)s", reserved=reserved, scope=scope),
        foot=tuple(foot),
    )


PAGE = Page("instance", "/instances/{instance}", N_("Instance"), read, show, filters=_FILTERS, in_navigation=False)

"""Tabulate publications, what they said beside what is computed today, restatements, and what is declared otherwise since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from ecoia.exploring import KeptPublication, KeptPublications
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.impact.recalculation import Recalculation
from ecoia.report import Quantity, QuarterlyReport
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Mark, Table
from ecoia_dashboards.figures.chart import Changed
from ecoia_dashboards.language import Language
from ecoia_dashboards.pages.declarations import Declarations

if TYPE_CHECKING:
    from ecoia_dashboards.dashboard.pages.publications import PublishedAndNow


def publications_table(kept: KeptPublications, language: Language) -> Table:
    """Tabulate the publications, the last first."""
    headings = (
        Heading(language.t("Publication")),
        Heading(language.t("Publiée le")),
        Heading(language.t("Vérification")),
        Heading(language.t("Tête (SHA-256), pour le procès-verbal")),
        Heading(language.t("Suit")),
        Heading(language.t("Documents")),
    )
    lines = tuple(
        (
            name_of(each, language),
            language.day(each.published_on),
            _verified(each, language),
            _hash(each.head),
            language.quarter(each.previous) if each.previous else language.t("aucune, c’est la première"),
            ", ".join(each.documents) or language.t("aucun"),
        )
        for each in reversed(kept.publications)
    )
    title = language.n("%(count)s publication", "%(count)s publications", len(lines))
    return Table("publications", title, headings, lines, language.t("De la plus récente à la plus ancienne"))


def _hash(digest: str) -> Mark:
    """Write a digest so that it breaks into lines and is copied whole."""
    parts = Markup("<wbr>").join(digest[start : start + 16] for start in range(0, len(digest), 16))
    return Mark(Markup("<code>{}</code>").format(parts), digest)


def name_of(published: KeptPublication, language: Language) -> str:
    """Name a publication; a restatement says so."""
    if published.restates:
        return language.t("%(quarter)s, retraité (%(name)s)", quarter=language.quarter(published.quarter), name=published.name)
    return language.quarter(published.quarter)


def _verified(published: KeptPublication, language: Language) -> str:
    said = [
        language.t("conforme") if published.difference is None else language.t("différent : %(what)s", what=published.difference)
    ]
    said.append(language.t("signée") if published.signed else language.t("non signée"))
    if published.timestamped:
        said.append(language.t("horodatée"))
    if not published.covers_documents:
        said.append(language.t("la tête ne couvre pas les documents"))
    if published.incomplete_because:
        said.append(language.t("relevés incomplets : %(why)s", why=published.incomplete_because))
    return " · ".join(said)


def compared_table(found: Sequence[PublishedAndNow], language: Language) -> Table:
    """Tabulate what was published beside what is computed today."""
    headings = (
        Heading(language.t("Publication")),
        Heading(language.t("Énergie publiée"), FIGURE),
        Heading(language.t("Énergie aujourd’hui"), FIGURE),
        Heading(language.t("Écart"), FIGURE),
        Heading(language.t("CO₂e publié"), FIGURE),
        Heading(language.t("CO₂e aujourd’hui"), FIGURE),
        Heading(language.t("Écart"), FIGURE),
        Heading(language.t("Parties comparées")),
    )
    lines = tuple(
        (
            language.quarter(each.name),
            Quantity(kwh(each.microjoules_published), "kWh"),
            Quantity(kwh(each.microjoules_now), "kWh"),
            _difference(Quantity(kwh(each.microjoules_now - each.microjoules_published), "kWh"), language),
            each.co2e_published,
            each.co2e_now,
            _difference(_less(each.co2e_now, each.co2e_published), language),
            language.listed(language.of(wording.CO2E_PARTS, part) for part in each.parts) or "—",
        )
        for each in reversed(found)
    )
    moved = sum(_moved(each) for each in found)
    title = (
        language.n(
            "%(count)s publication donnerait d’autres chiffres aujourd’hui",
            "%(count)s publications donneraient d’autres chiffres aujourd’hui",
            moved,
        )
        if moved
        else language.t("Publié et recalculé aujourd’hui : les mêmes chiffres")
    )
    subtitle = language.t("Énergie des composants, avant tout facteur ; CO₂e des parties connues alors et maintenant")
    note = language.t(
        "Ce qui est publié ne change pas. Un écart vient de relevés arrivés depuis, de déclarations ou de facteurs changés ; "
        "« ecoia recalculate » en donne les causes, et le publie à côté s’il le faut."
    )
    return Table("compared", title, headings, lines, subtitle, note=note if moved else "")


def _moved(each: PublishedAndNow) -> bool:
    energy = each.microjoules_now != each.microjoules_published
    change = _less(each.co2e_now, each.co2e_published).value
    return energy or bool(change)


def _less(now: Quantity, then: Quantity) -> Quantity:
    """Return a difference in kg; less than a microgram, which figures do not hold, is none."""
    if now.value is None or then.value is None:
        return Quantity(None, now.unit, reason=now.reason or then.reason)
    micrograms = round(now.value * MICROGRAMS_PER_KG) - round(then.value * MICROGRAMS_PER_KG)
    return Quantity(micrograms / MICROGRAMS_PER_KG if abs(micrograms) > 1 else 0.0, now.unit)


def _difference(quantity: Quantity, language: Language) -> Cell:
    """Write the difference of two computations: it has no interval, since both have the same errors."""
    return Changed(quantity) if quantity.value else language.t("aucun")


def restatements_table(found: Sequence[Recalculation], language: Language) -> Table:
    """Tabulate published quarters that were computed again and published beside, with the causes of their change."""
    headings = (
        Heading(language.t("Trimestre")),
        Heading(language.t("Publié"), FIGURE),
        Heading(language.t("Recalculé"), FIGURE),
        Heading(language.t("Écart"), FIGURE),
        *(Heading(language.t("dont %(cause)s", cause=language.t(words)), FIGURE) for words in wording.CAUSES.values()),
    )
    lines = tuple(
        (
            language.quarter(each.quarter),
            _kg(each.total.published_micrograms),
            _kg(each.total.recalculated_micrograms),
            _difference(_kg(each.total.micrograms), language),
            *(_difference(_kg(each.total.causes.get(cause, 0)), language) for cause in wording.CAUSES),
        )
        for each in found
    )
    title = language.n("%(count)s trimestre retraité", "%(count)s trimestres retraités", len(lines))
    return Table("restatements", title, headings, lines, language.t("CO₂e ; les causes s’ajoutent exactement à l’écart"))


def _kg(micrograms: int) -> Quantity:
    return Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e")


def declared_table(report: QuarterlyReport, language: Language) -> Table:
    """Tabulate what is declared otherwise since the publication that the quarter is compared with; effects first."""
    words = Declarations(report, language)
    headings = (
        Heading(language.t("Déclaration")),
        Heading(language.t("Ce qui a changé")),
        Heading(language.t("Avant")),
        Heading(language.t("Maintenant")),
        Heading(language.t("Effet")),
    )
    lines = tuple(
        (
            language.of(wording.DECLARED_KINDS, each.kind)
            + (f"{language.t(' : ')}{words.declared_name(each)}" if each.name or each.id else ""),
            language.of(wording.DECLARED_CHANGES, each.what)
            + (f"{language.t(' : ')}{language.of(wording.DECLARED_FIELDS, each.field)}" if each.field else ""),
            words.declared_value(each, each.before),
            words.declared_value(each, each.after),
            language.of(wording.DECLARED_EFFECTS, each.effect) if each.effect else None,
        )
        for each in sorted(report.declared_changes, key=lambda each: not each.effect)
    )
    title = language.n(
        "%(count)s déclaration changée depuis la publication de %(name)s",
        "%(count)s déclarations changées depuis la publication de %(name)s",
        len(lines),
        name=language.quarter(report.declared_since or ""),
    )
    return Table("declared", title, headings, lines)

"""Publications: what was frozen, whether it verifies, and what has changed since."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ecoia.exploring import KeptPublication, KeptPublications
from ecoia.impact.recalculation import Recalculation
from ecoia.periods import Quarter, utc_ns
from ecoia.report import DeclaredChange, Quantity
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.publication_tables import (
    compared_table,
    declared_table,
    publications_table,
    restatements_table,
)
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

_TYPED_AS_IT_IS = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]*")
"""Names of folders that a shell takes as they are."""


@dataclass(frozen=True)
class PublishedAndNow:
    """A published quarter beside what is computed of it today: of the parts of the CO2e that are known both times."""

    name: str
    quarter: str
    microjoules_published: int
    microjoules_now: int
    parts: tuple[str, ...]
    co2e_published: Quantity
    co2e_now: Quantity


@dataclass(frozen=True)
class Publications:
    """The data of the page. ``to_publish`` is the first quarter that is over and not published."""

    kept: KeptPublications
    compared: tuple[PublishedAndNow, ...]
    restatements: tuple[Recalculation, ...]
    declared_since: str | None
    declared_changes: tuple[DeclaredChange, ...]
    to_publish: str | None


def read(reading: Reading) -> Publications:
    """Read what was kept of the publications, and the figures of their quarters today."""
    kept = clean(reading.explorer.publications())
    report, quarters, zone = reading.report, reading.state.quarters, ZoneInfo(reading.state.timezone)
    filled_ns = utc_ns(datetime.fromisoformat(reading.state.filled_utc)) if reading.state.filled_utc else 0
    published = {each.quarter for each in kept.publications}
    over = [each for each in quarters if Quarter.parse(each).bounds_ns(zone)[1] <= filled_ns]
    return Publications(
        kept,
        tuple(
            _compared(each, reading) for each in kept.publications if each.quarter in quarters and each.microjoules is not None
        ),
        report.restatements,
        report.declared_since,
        report.declared_changes,
        next((each for each in reversed(over) if each not in published), None),
    )


def _compared(published: KeptPublication, reading: Reading) -> PublishedAndNow:
    report = reading.explorer.report(published.quarter)  # numbers only, so nothing to clean
    now = {part: report.footprint[part].value for part in published.co2e_kg}
    known = {part: value for part, value in now.items() if value is not None}
    reason = None if known else "no-data"
    return PublishedAndNow(
        published.name,
        published.quarter,
        published.microjoules or 0,
        report.totals.energy_components_microjoules,
        tuple(known),
        Quantity(math.fsum(published.co2e_kg[part] for part in known) if known else None, "kgCO2e", reason=reason),
        Quantity(math.fsum(known.values()) if known else None, "kgCO2e", reason=reason),
    )


def show(content: Publications, reading: Reading, language: Language) -> Shown:
    """Say what was published, and whether it still is what was published."""
    kept = content.kept
    tables = (
        publications_table(kept, language),
        compared_table(content.compared, language),
        restatements_table(content.restatements, language),
        declared_table(reading.report, language),
    )
    return Shown(
        _sentence(kept, language),
        _lead(kept, reading, language),
        tables={each.id: each for each in tables if each.lines},
        values={"content": content, "quarter": language.quarter(reading.quarter), "verify": "\n".join(commands(kept))},
    )


def _sentence(kept: KeptPublications, language: Language) -> str:
    whole, differing = len(kept.publications), [each.name for each in kept.publications if each.difference]
    if not whole:
        return language.t("Aucun trimestre n’est publié : ces chiffres sont des projets.")
    if differing:
        return language.n(
            "%(count)s publication n’est plus ce qui a été publié : %(names)s.",
            "%(count)s publications ne sont plus ce qui a été publié : %(names)s.",
            len(differing),
            names=language.listed(map(language.quarter, differing)),
        )
    if kept.broken:
        return language.t("La chaîne des publications est rompue.")
    return language.n(
        "%(count)s publication, telle qu’elle a été publiée.",
        "%(count)s publications, telles qu’elles ont été publiées.",
        whole,
    )


def _lead(kept: KeptPublications, reading: Reading, language: Language) -> str:
    if not kept.publications or kept.checked_utc is None:
        return language.t("Publier gèle un trimestre : chiffres, données et documents, sous un sceau que chacun peut vérifier.")
    moment = language.moment(kept.checked_utc, reading.state.timezone)
    if kept.broken:
        return language.t("Vérifié le %(moment)s : %(why)s", moment=moment, why=kept.broken)
    return language.t(
        "Vérifié le %(moment)s : chaque fichier a l’empreinte scellée, et chaque publication suit la précédente. Seule la tête "
        "inscrite au procès-verbal, ou la clé, prouve que rien n’a été refait.",
        moment=moment,
    )


def commands(kept: KeptPublications) -> Iterator[str]:
    """Give the commands that verify, as whoever holds the minutes types them."""
    if kept.publications:
        folder = kept.folder if _TYPED_AS_IT_IS.fullmatch(kept.folder) else "publications"
        yield f"ecoia verify {folder} --head {kept.publications[-1].head}"
        yield f"ecoia verify {folder} --public-key ecoia-public.pem --recompute"


PAGE = Page("publications", "/publications", N_("Publications"), read, show, of_whole=True)

"""Draw up the first figures of the report: the whole CO2e and its parts, the energy, and how they changed."""

from __future__ import annotations

from ecoia.periods import Quarter
from ecoia.report import Headline, Quantity, QuarterChange
from ecoia_dashboards import wording
from ecoia_dashboards.language import QuantityColumn
from ecoia_dashboards.pages.drawing import rounded
from ecoia_dashboards.pages.services import Services
from ecoia_dashboards.pages.targets import MISSED

_NOT_THERE = ("no-equipment", "no-calls")
_BUILDING_SHOWS = 0.01  # of the energy's change: from here on, what the building made of it is said


class Headlines(Services):
    """Texts of the key figures."""

    @property
    def finding(self) -> str:
        """State in one sentence what the quarter comes to."""
        whole, energy = self.report.headline, self.report.totals.energy
        if energy.value is None and whole.co2e.value is None:
            return self.language.t(
                "Rien n’est enregistré pour %(quarter)s : tout y est inconnu, et non pas nul.", quarter=self.quarter
            )
        parts = [self.whole(whole)] if whole.co2e.value is not None else []
        parts += [self.amount(energy)] if energy.value is not None else []
        text = self.language.t("%(amounts)s au %(quarter)s", amounts=self.language.listed(parts), quarter=self.quarter)
        text += self.left_out
        previous = next((each for each in self.report.changes if each.against == "previous-quarter"), None)
        if previous is not None and previous.energy.value is not None:
            text += self.language.t(" ; énergie : %(change)s sur un trimestre", change=self.language.direction(previous.energy))
        missed = sum(target.status == "adopted" and target.verdict in MISSED for target in self.report.targets)
        if missed:
            text += self.language.n(
                " ; %(count)s cible adoptée manquée ou quasi manquée",
                " ; %(count)s cibles adoptées manquées ou quasi manquées",
                missed,
            )
        return text + "."

    @property
    def left_out(self) -> str:
        """Say how many services in scope are not, or not wholly, in the totals; empty where all are."""
        coverage = self.report.coverage
        whole = coverage.named + coverage.unnamed
        missing = whole - coverage.measured - coverage.declared
        if coverage.share is None or missing <= 0:
            return ""
        return self.language.n(
            ", sans tout ou partie de %(count)s service sur %(all)s",
            ", sans tout ou partie de %(count)s services sur %(all)s",
            missing,
            all=self.language.whole(whole),
        )

    def co2e_column(self, headline: Headline) -> QuantityColumn:
        """Choose the unit of a whole CO2e and its parts, once."""
        return self.language.column((headline.co2e, *headline.breakdown.values()))

    def whole(self, headline: Headline) -> str:
        """Write the whole CO2e; a part that is not known makes it a lower bound."""
        amount = self.amount(headline.co2e) if headline.co2e.value is None else self.co2e_column(headline).amount(headline.co2e)
        return (
            self.language.t("au moins %(value)s", value=amount)
            if headline.lacking and headline.co2e.value is not None
            else amount
        )

    def parts_of(self, headline: Headline) -> list[tuple[str, str]]:
        """List the parts of the whole CO2e by name, each with what is known of it or the reason why nothing is."""
        parts = dict.fromkeys((*headline.parts, *headline.lacking))
        return [(self.language.of(wording.CO2E_PARTS, part), self._part(headline, part)) for part in parts]

    def _part(self, headline: Headline, part: str) -> str:
        lacking = headline.lacking.get(part)
        known = headline.breakdown.get(part, Quantity(None, "kgCO2e", reason=lacking))
        if known.value is None:
            return self.amount(known)
        figures = 2 if part == "co2e_api" else 3
        column = self.co2e_column(headline)
        bounds = column.bounds(rounded(known, figures))
        amount = column.amount(rounded(known, figures), figures) + (f" ({bounds})" if bounds else "")
        if lacking is None:
            return amount
        reason = self.language.of(wording.REASONS, lacking)
        return self.language.t("au moins %(value)s (%(reason)s)", value=amount, reason=reason)

    def against(self, change: QuarterChange) -> str:
        """Say over which time a change is."""
        return self.language.t(
            wording.ELAPSED.get(change.against, change.against), quarter=self.language.quarter(change.reference)
        )

    def evolution(self, quantity: Quantity) -> str:
        """Write a relative change in words with its interval, ``hausse de 10,5 % (+ 4,6 % à + 16,7 %)``, or why there is none."""
        if quantity.value is None:
            return self.amount(quantity)
        interval = self.language.change_interval(quantity)
        return self.language.direction(quantity) + (f" ({interval})" if interval else "")

    def established(self, quantity: Quantity) -> str:
        """Write a relative change in words, its interval beside its number: a change without a direction has neither."""
        known = quantity.value is None or quantity.direction in ("rise", "fall")
        return self.evolution(quantity) if known else self.language.direction(quantity)

    def of_machines(self, change: QuarterChange) -> str:
        """Write the change of the energy before the building, where the building made another of it; else nothing.

        A PUE is often declared: it must not make the whole fall unseen, nor hide a rise.
        """
        machines, whole = change.energy_it.value, change.energy.value
        if machines is None or whole is None or abs(machines - whole) < _BUILDING_SHOWS:
            return ""
        return self.language.t("sans le bâtiment, dont le PUE a changé : %(change)s", change=self.evolution(change.energy_it))

    def lengths(self, change: QuarterChange) -> str:
        """Say that the quarters have not as many days, since a longer one takes more by itself; nothing where they have."""
        now, before = Quarter.parse(self.report.quarter).days, Quarter.parse(change.reference).days
        if now == before or "partial-quarter" in self.report.notices:
            return ""
        return self.language.t("%(now)s jours contre %(before)s", now=now, before=before)

    def not_compared(self, change: QuarterChange) -> str:
        """Name the parts of the CO2e that a change leaves out, as one of its quarters does not know them; or nothing."""
        if change.total is None:
            return ""
        whole = self.report.headline
        held = [*whole.parts, *(part for part, reason in whole.lacking.items() if reason not in _NOT_THERE)]
        left = dict.fromkeys(part for part in held if part.removeprefix("co2e_") not in change.parts)
        if not left:
            return ""
        return self.language.t(
            "hors %(parts)s, que l’un des deux trimestres ne connaît pas en entier",
            parts=self.language.listed(self.language.of(wording.CO2E_PARTS, part) for part in left),
        )

    def distorted(self, change: QuarterChange) -> str:
        """Name the services whose recording, and not only their use, changed the whole; nothing where there are none."""
        days, ways = change.unequal_days, change.counted_otherwise
        said = []
        if days:
            said.append(self.language.t("faussé par des jours non enregistrés : %(names)s", names=self.listed_services(days)))
        if ways:
            said.append(self.language.t("faussé par une autre façon de compter : %(names)s", names=self.listed_services(ways)))
        return self.language.t(" ; ").join(said)

    @property
    def notes_on_the_change(self) -> str:
        """Write what the first change of the energy must not be read without; nothing where it stands by itself."""
        for change in self.report.changes[:1]:
            notes = [note for note in (self.of_machines(change), self.distorted(change)) if note]
            if notes:
                return self.language.t(
                    "%(against)s : %(notes)s.", against=self.against(change), notes=self.language.t(" ; ").join(notes)
                )
        return ""

    def changes_said(self, change: QuarterChange) -> str:
        """Write the changes of the energy and of the CO2e against a quarter."""
        said = [self.language.t("énergie : %(change)s", change=self.evolution(change.energy)), self.of_machines(change)]
        if change.total is not None:
            parts = self.language.listed(self.language.of(wording.PARTS, part) for part in change.parts)
            said.append(
                self.language.t("CO₂e (%(parts)s) : %(change)s", parts=parts, change=self.evolution(change.total.relative))
            )
            said.append(self.not_compared(change))
        return self.language.t(" ; ").join(filter(None, (*said, self.lengths(change), self.distorted(change))))

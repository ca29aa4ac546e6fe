"""Word the sheet of a service: what one use costs, in words to say aloud, how that is known, and whom to ask."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ecoia.report import PhaseResult, Quantity, QuarterChange, QuarterlyReport, ServiceEntry, TargetVerdict
from ecoia.semconv import DECLARED, DEVELOPMENT_PHASES, ESTIMATED, MEASURED, MISSING, NOT_LACKING
from ecoia_dashboards import wording
from ecoia_dashboards.fiche.sheet import MOST_CHARACTERS, Sheet
from ecoia_dashboards.fiche.unit_impact import UnitImpact, unit_impact
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.pages.drawing import whole_at_wall
from ecoia_dashboards.wording.evaluation import certainty
from ecoia_dashboards.wording.verdicts import probability_words, verdict_words

_MOST_PROMISES, _MOST_ACTIONS = 3, 2
_THOUSAND = 1000.0
_UNCLEAR = "unclear"
_LEAST_SHARE = 0.005


class ServiceSheet(Sheet):
    """Texts of a service's sheet.

    Args:
        report: The quarter's data.
        language: Language of the sheet.
        entry: The service.
    """

    def __init__(self, report: QuarterlyReport, language: Language, entry: ServiceEntry) -> None:
        self.entry = entry
        self.results: list[PhaseResult] = [result for result in report.results if result.service == entry.id]
        found = next((each for each in report.services if each.service == entry.id), None)
        self.unit: UnitImpact | None = unit_impact(found) if found else None
        super().__init__(report, language, service_names(report)[entry.id])

    def _codes(self) -> list[str]:
        simulated = any(result.simulated for result in self.results)
        return [*(["simulated"] if simulated else []), *(["stand-in"] if self.entry.stand_in else [])]

    # what it is

    @property
    def purpose(self) -> str | None:
        """Purpose of the service, shortened."""
        if not self.entry.purpose:
            return None
        text = textwrap.shorten(self.entry.purpose, MOST_CHARACTERS, placeholder="…")
        return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")

    @property
    def use(self) -> str:
        """The functional unit, which says what one use is."""
        return self.entry.functional_unit or self.language.t("usage")

    @property
    def is_known(self) -> bool:
        """Whether anything of its impact is known this quarter."""
        return self.entry.energy.value is not None or self.entry.headline.co2e.value is not None

    # what one use costs

    @property
    def headline(self) -> Quantity | None:
        """The whole CO2e of one use; its electricity where no CO2e is known; None where neither is."""
        if self.unit is None:
            return None
        return self.unit.co2e if self.unit.co2e.value is not None else self.unit.energy

    @property
    def big(self) -> str:
        """The headline as it is printed."""
        amount = self.about(self.headline) if self.headline else ""
        return self.language.t("au moins %(amount)s", amount=amount) if self._at_least else amount

    @property
    def _at_least(self) -> bool:
        return self.unit is not None and self.unit.co2e.value is not None and self.unit.is_lower_bound

    @property
    def aloud(self) -> str:
        """The sentence to say to a person."""
        if self.unit is None or self.headline is None:
            return ""
        say, use = self.language, self.use
        energy = self.about(self.unit.energy) if self.unit.energy.value is not None else None
        if self.unit.co2e.value is None:
            return say.t("Chaque %(use)s consomme environ %(energy)s d’électricité.", use=use, energy=energy)
        co2e = self.about(self.unit.co2e)
        if self._at_least:
            return say.t("Chaque %(use)s émet au moins %(co2e)s.", use=use, co2e=co2e)
        if energy is None:
            return say.t("Chaque %(use)s émet environ %(co2e)s.", use=use, co2e=co2e)
        if "co2e_api" in self.unit.parts:  # whose electricity nobody but the provider knows
            return say.t(
                "Chaque %(use)s émet environ %(co2e)s et consomme environ %(energy)s d’électricité, hors fournisseur.",
                use=use,
                co2e=co2e,
                energy=energy,
            )
        return say.t(
            "Chaque %(use)s émet environ %(co2e)s et consomme environ %(energy)s d’électricité.",
            use=use,
            co2e=co2e,
            energy=energy,
        )

    @property
    def thousand(self) -> str:
        """A thousand uses, with what the organisation compares CO2e with, if it asks for a comparison."""
        if self.headline is None or self.headline.value is None:
            return ""
        whole = Quantity(self.headline.value * _THOUSAND, self.headline.unit)
        amount = self.about(whole)
        if self.headline.unit != "gCO2e" or not self.report.equivalences:
            return self.language.t("Pour mille : %(amount)s.", amount=amount)
        like = [
            self.language.t(
                "%(amount)s %(what)s",
                amount=self.about(Quantity((whole.value or 0.0) / 1000 / each.kg_per_unit, each.quantity.unit)),
                what=self.say(wording.EQUIVALENCES, each.id),
            )
            for each in self.report.equivalences
        ]
        return self.language.t(
            "Pour mille : %(amount)s, autant que %(like)s.", amount=amount, like=self.language.t(" ou ").join(like)
        )

    @property
    def likened_by(self) -> str:
        """The sources of the comparisons; empty where there is none."""
        if self.headline is None or self.headline.unit != "gCO2e" or not self.report.equivalences:
            return ""
        sources = dict.fromkeys(f"{each.source}, {self.language.day(each.dated)}" for each in self.report.equivalences)
        return self.language.t("Comparaison : %(sources)s.", sources="; ".join(sources))

    @property
    def certainty(self) -> str | None:
        """How sure the headline is, with its interval; None where it has none."""
        quantity = self.headline
        code = None if quantity is None else certainty(quantity)
        if quantity is None or code is None:
            return None
        between = self.language.t("Le vrai chiffre est très probablement %(between)s.", between=self.between(quantity))
        return f"{self.say(wording.CERTAINTY, code)} {between}"

    @property
    def made_of(self) -> list[tuple[str, str]]:
        """The parts of the headline: what each is, and its amount or why it is not known."""
        if self.unit is None:
            return []
        whole = self.unit.co2e
        lines = [(self.say(wording.UNIT_PARTS, name), self.beside(part, whole)) for name, part in self.unit.parts.items()]
        return lines + [
            (self.say(wording.UNIT_PARTS, name), self.say(wording.REASONS, reason)) for name, reason in self.unit.lacking.items()
        ]

    @property
    def whole(self) -> list[str]:
        """The whole service in the quarter: CO2e, then electricity."""
        found, say = self.entry.headline, self.language
        amounts = []
        if found.co2e.value is not None:
            amount = self.about(found.co2e)
            amounts.append(say.t("au moins %(amount)s", amount=amount) if found.is_lower_bound else amount)
        if self.entry.energy.value is not None:
            amounts.append(say.t("%(energy)s d’électricité", energy=self.about(self.entry.energy)))
        return amounts

    # compared with itself

    @property
    def changes(self) -> list[str]:
        """How the service changed since each quarter that the report compares with, by the interval of the change."""
        return [sentence for change in self.report.changes if (sentence := self._change(change)) is not None]

    def _change(self, change: QuarterChange) -> str | None:
        line = next((each for each in change.services if each.explained.service == self.entry.id), None)
        if line is None or change.simulated:
            return None
        if line.energy_per_unit.value is not None:
            return self._changed(wording.UNIT_CHANGES, line.energy_per_unit, change.reference)
        if line.relative.value is not None:
            return self._changed(wording.SERVICE_CHANGES, line.relative, change.reference)
        return None

    def _changed(self, sentences: dict[str, str], relative: Quantity, reference: str) -> str:
        sentence = sentences[relative.direction or _UNCLEAR]
        return self.language.t(
            sentence,
            quarter=self.language.quarter(reference),
            use=self.use,
            size=self.language.share(abs(relative.value or 0.0)),
            interval=self.language.change_interval(relative) or "",
        )

    # how it is known

    @property
    def known_by(self) -> str:
        """One sentence on which energy is measured, estimated, declared and missing."""
        say = self.language
        ways = [say.t(sentence, share=share) for sentence, share in self._electricity(self._shares())]
        parts = [say.listed(ways)] if ways else []
        footprint = self.unit.parts if self.unit else {}
        parts += [say.t(wording.KNOWN_BY[name]) for name in ("co2e_embodied", "co2e_api") if name in footprint]
        lacking = [self.say(wording.UNIT_PARTS, name) for name in (self.unit.lacking if self.unit else {})]
        if components := self._unmeasured_components():
            lacking.append(say.t("la mesure d’une partie des machines (%(what)s)", what=say.listed(components)))
        if lacking:
            parts.append(say.t("il manque %(what)s", what=say.listed(lacking)))
        elif self.unit:
            parts.append(say.t("aucune de ces parts ne manque"))
        text = say.t(" ; ").join(parts)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    def _unmeasured_components(self) -> list[str]:
        """List the components without a meter and a model, where it is not all of them."""
        if self.entry.energy.value is None:
            return []
        methods = [method for result in self.results for method in result.measure.methods]
        lacking = {method.component for method in methods if method.status == MISSING and method.name not in NOT_LACKING}
        return [self.say(wording.COMPONENTS, component) for component in sorted(lacking)]

    def _shares(self) -> dict[str, float]:
        """Return the share of the service's energy by how it is known."""
        sums: dict[str, int] = {}
        for result in self.results:
            for method in result.measure.methods:
                sums[method.status] = sums.get(method.status, 0) + method.microjoules
        whole = sum(sums.values())
        return {status: sums[status] / whole for status in (MEASURED, ESTIMATED, DECLARED) if sums.get(status)} if whole else {}

    def _electricity(self, shares: dict[str, float]) -> Iterator[tuple[str, str]]:
        """Yield how the electricity is known, and for what share of it."""
        for index, (status, share) in enumerate(shares.items()):
            about = self.language.share(round(share, 2)) if share >= _LEAST_SHARE else self.language.t("moins de 1 %%")
            if len(shares) == 1:
                yield wording.KNOWN_WHOLLY[status], about
            else:
                yield (wording.KNOWN_FIRST if index == 0 else wording.KNOWN_ALSO)[status], about

    @property
    def days(self) -> str | None:
        """How many of the declared days were recorded, where days are missing."""
        if self.entry.covered is None or self.entry.covered >= 1:
            return None
        return self.language.t(
            "Les relevés couvrent %(share)s des jours de marche que le registre prévoit.",
            share=self.language.share(self.entry.covered),
        )

    @property
    def not_counted(self) -> list[str]:
        """The parts that the figures leave out, in plain words."""
        say = self.language
        found = [say.t("votre ordinateur"), say.t("votre téléphone"), say.t("le réseau")]
        if any(result.measure.boundary != "site" for result in self.results):
            found.append(say.t("le refroidissement et l’éclairage des salles de machines"))
        if self.results and not all(whole_at_wall(result.measure) for result in self.results):
            found.append(say.t("tout ou partie de ce qui entoure les processeurs (alimentation, ventilateurs, disques)"))
        trained = any(result.phase in DEVELOPMENT_PHASES for result in self.results)
        if trained and (self.unit is None or "sci_training" not in self.unit.parts):
            found.append(say.t("la préparation du modèle"))
        return found

    # what is promised, and whom to ask

    @property
    def promises(self) -> list[str]:
        """The targets of the service; where it has none, those that the organisation adopted for all services."""
        own = [target for target in self.report.targets if target.service == self.entry.id]
        of_all = [target for target in self.report.targets if target.service is None and target.status == "adopted"]
        first = sorted(own or of_all, key=lambda target: target.reduction is None)  # trajectories, which bind for years
        return [self._promise(target) for target in first[:_MOST_PROMISES]]

    def _promise(self, target: TargetVerdict) -> str:
        say = self.language
        name = self.say(wording.INDICATORS, target.indicator)
        if target.indicator == "sci":
            name = say.t("CO₂e de chaque %(use)s", use=self.use)
        if target.reduction is not None:
            asked = say.t("%(share)s de moins en %(year)s", share=say.share(target.reduction), year=target.horizon)
        else:
            value = self.given(Quantity(target.value or 0.0, target.unit))
            sense = say.t("au moins %(amount)s", amount=value) if target.op == ">=" else say.t("au plus %(amount)s", amount=value)
            asked = say.t("%(asked)s au %(quarter)s", asked=sense, quarter=say.quarter(target.deadline or ""))
        text = say.t(
            "%(indicator)s : %(asked)s (cible %(status)s). Verdict à ce jour : %(verdict)s.",
            indicator=f"{name[:1].upper()}{name[1:]}",
            asked=asked,
            status=self.say(wording.TARGET_STATUSES, target.status),
            verdict=say.t(" ; ").join(filter(None, (verdict_words(say, target), probability_words(say, target)))),
        )
        return text if target.service else say.t("Pour tous les services. %(promise)s", promise=text)

    @property
    def actions(self) -> list[str]:
        """Actions under way on the service: what, by which role, due when."""
        open_ = [action for action in self.report.actions if action.state in ("planned", "under-way")]
        mine = [action for action in open_ if action.service == self.entry.id] or [
            action for action in open_ if action.service is None
        ]
        return [
            self.language.t(
                "Action : %(text)s (%(role)s, pour le %(quarter)s).",
                text=textwrap.shorten(action.text, MOST_CHARACTERS // 2, placeholder="…"),
                role=action.role,
                quarter=self.language.quarter(action.due),
            )
            for action in mine[:_MOST_ACTIONS]
        ]

    @property
    def owner(self) -> str:
        """The role that answers for the service."""
        return self.entry.owner_role or self.language.t("la personne responsable du service")

    # what is not known

    @property
    def why_unknown(self) -> list[str]:
        """Why there is no figure of one use, and what would give one."""
        say = self.language
        if self.is_known:
            return [
                say.t("Nous ne pouvons pas encore le dire : l’impact du service est connu, mais ses usages ne sont pas comptés."),
                say.t(
                    "Pour pouvoir le dire, le service doit compter chacun de ses usages (à faire par : %(owner)s).",
                    owner=self.owner,
                ),
            ]
        told = [say.t("Nous ne le savons pas encore : ce service n’est pas mesuré. Cela ne veut pas dire zéro.")]
        if self.entry.energy.reason == "not-measured":
            told.append(say.t("Il a travaillé ce trimestre, mais aucune de ses machines n’a donné de mesure d’énergie."))
        else:
            told.append(say.t("Aucune machine n’a envoyé de relevé de ce service ce trimestre."))
        if self.entry.instance_days_declared:
            told.append(
                say.t(
                    "Le registre prévoit %(days)s jours de marche à relever.",
                    days=say.whole(round(self.entry.instance_days_declared)),
                )
            )
        told.append(
            say.t(
                "Pour le mesurer, ecoia doit suivre son programme : une ligne y suffit (à faire par : %(owner)s). Si un "
                "fournisseur le fait tourner, l’organisation peut déclarer ce que celui-ci en dit.",
                owner=self.owner,
            )
        )
        return told

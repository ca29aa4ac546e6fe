"""Draw up the decisions asked of the internal committee: the choices that the data leaves, and what each of them costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecoia.report import Quantity, Saving, TargetVerdict
from ecoia.semconv import SERVICE_UNASSIGNED
from ecoia_dashboards import wording
from ecoia_dashboards.pages.targets import MISSED, Targets

_MOST_PROPOSED = 2  # that are asked one by one
_MOST_SAVINGS = 3
_COVERAGE = "coverage_services"  # its remedy is to measure, which is asked by itself


@dataclass(frozen=True)
class Option:
    """A choice of the committee, and what it costs or brings, as far as the data says."""

    name: str
    cost: str = ""


@dataclass(frozen=True)
class Decision:
    """A question to the committee, with its choices. ``question`` is short enough for the first page."""

    question: str
    options: tuple[Option, ...]


class Decisions(Targets):
    """Texts of the decisions asked for."""

    @property
    def decisions(self) -> list[Decision]:
        """Every decision asked for, the most pressing first; all of them follow from the data."""
        savings = [self._on_saving(saving) for saving in self._greatest_savings]
        return [
            *self._on_missed(),
            *self._on_proposed(),
            *savings[:1],
            *self._on_measuring(),
            *self._on_recommendations(),
            *self._on_late_actions(),
            *savings[1:],
            *self._on_register(),
            *self._on_declarations(),
        ]

    def _on_missed(self) -> Iterator[Decision]:
        for target in self.targets:
            if target.status == "adopted" and target.verdict in MISSED and target.indicator != _COVERAGE:
                yield Decision(
                    self.language.t(
                        "%(target)s, %(aim)s (%(verdict)s)",
                        target=self.short(self.target_name(target)),
                        aim=self.aim(target),
                        verdict=self.judged(target),
                    ),
                    (
                        Option(self.language.t("agir"), self._to_reach(target)),
                        Option(
                            self.language.t("amender la cible"),
                            self.language.t("le rapport suivant dira qu’elle a été assouplie"),
                        ),
                    ),
                )

    def _to_reach(self, target: TargetVerdict) -> str:
        """Say what reaching a target would take."""
        state = target.budget
        if state is not None and target.reason == "budget-spent":
            return self.language.t(
                "réduire un dépassement que rien n’efface plus : %(spent)s employés pour %(budget)s",
                spent=self.amount(state.spent),
                budget=self.amount(state.budget),
            )
        if state is not None and state.expected.value is not None and state.budget.value is not None:
            column = self.language.column([state.expected])
            return self.language.t(
                "%(excess)s de moins que les %(expected)s attendus en %(year)s",
                excess=column.amount(Quantity(max(0.0, state.expected.value - state.budget.value), state.budget.unit)),
                expected=column.amount(state.expected),
                year=state.year,
            )
        if target.value is not None and target.observed.value is not None:
            gap = self.level(target, abs(target.observed.value - target.value))
            away = (
                self.language.t("%(amount)s de trop", amount=gap)
                if target.op == "<="
                else self.language.t("%(amount)s de trop peu", amount=gap)
            )
            if target.deadline is None or self.report.quarter < target.deadline:
                return away
            return self.language.t("%(away)s, et l’échéance est passée : agir ne vaut que pour la suite", away=away)
        return ""

    def _on_proposed(self) -> Iterator[Decision]:
        proposed = [target for target in self.targets if target.status == "proposed"]
        if len(proposed) > _MOST_PROPOSED:
            yield Decision(
                self.language.n("%(count)s cible est proposée", "%(count)s cibles sont proposées", len(proposed)),
                (Option(self.language.t("adopter, amender ou écarter chacune"), self.language.t("partie 2")),),
            )
            return
        for target in proposed:
            yield Decision(
                self.language.t(
                    "Cible proposée : %(target)s, %(aim)s",
                    target=self.short(self.target_name(target)),
                    aim=self.aim(target),
                ),
                (
                    Option(self.language.t("adopter"), self._standing(target)),
                    Option(self.language.t("amender")),
                    Option(self.language.t("écarter"), self.language.t("rien n’engage alors sur ce point")),
                ),
            )

    def _standing(self, target: TargetVerdict) -> str:
        """Say where a target stands today."""
        if target.observed.value is None:
            return self.why(target)
        found = self.language.t("aujourd’hui %(observed)s", observed=self.observed(target))
        if target.verdict == "tenu":
            return self.language.t("%(found)s ; elle est déjà tenue", found=found)
        chance = self.probability(target)
        return (
            found
            if chance is None
            else self.language.t("%(found)s ; probabilité de manquer la cible : %(chance)s", found=found, chance=chance)
        )

    @property
    def _greatest_savings(self) -> list[Saving]:
        known = [saving for saving in self.report.savings if saving.energy.value]
        return sorted(known, key=lambda saving: -(saving.energy.value or 0.0))[:_MOST_SAVINGS]

    def _on_saving(self, saving: Saving) -> Decision:
        spared = self.amount(saving.energy)
        if saving.co2e.value is not None:
            spared += self.language.t(" et %(co2e)s", co2e=self.amount(saving.co2e))
        spared = self.language.t("jusqu’à %(spared)s évitables ce trimestre", spared=spared)
        harm = self.language.listed(map(self.commitment_name, saving.may_harm))
        if harm:
            spared = self.language.t("%(spared)s, mais peut nuire à : %(harm)s", spared=spared, harm=harm)
        return Decision(
            self.language.t(
                "%(service)s : %(saving)s",
                service=self.short(self.service(saving.service)),
                saving=self.say(wording.SAVINGS, saving.kind),
            ),
            (
                Option(self.language.t("agir (%(role)s)", role=saving.role or self.language.t("responsable du service")), spared),
                Option(self.language.t("laisser"), self.language.t("la même dépense, tant que rien ne change")),
            ),
        )

    def _on_measuring(self) -> Iterator[Decision]:
        missing = self.not_measured
        coverage = self.report.coverage
        if not missing:
            return
        whole = coverage.named + coverage.unnamed
        reached = ""
        if coverage.share is not None and whole:
            reached = self.language.t(
                "la couverture passe de %(now)s à %(then)s",
                now=self.language.share(coverage.share),
                then=self.language.share(min(1.0, (coverage.measured + len(missing)) / whole)),
            )
        yield Decision(
            self.language.n(
                "%(count)s service nommé (hors services retirés) n’est pas assez mesuré",
                "%(count)s services nommés (hors services retirés) ne sont pas assez mesurés",
                len(missing),
            ),
            (
                Option(self.language.t("les faire mesurer"), reached),
                Option(self.language.t("attendre"), self.language.t("leur énergie reste hors des totaux, en tout ou en partie")),
            ),
        )

    def _on_recommendations(self) -> Iterator[Decision]:
        answered = {each.about for each in self.report.said if each.kind == "decision"}
        for said in (each for each in self.report.said if each.kind == "recommendation" and each.id not in answered):
            planned = [action for action in self.report.actions if action.about and action.about == said.id]
            yield Decision(
                self.language.t("Recommandation sans décision : « %(text)s »", text=self.short(said.text)),
                (
                    *(
                        Option(
                            self.language.t("suivre l’action inscrite"),
                            self.language.t(
                                "%(text)s, échéance %(due)s", text=self.short(action.text), due=self.language.quarter(action.due)
                            ),
                        )
                        for action in planned
                    ),
                    *([] if planned else [Option(self.language.t("la suivre"))]),
                    Option(self.language.t("l’écarter"), self.language.t("en donner la raison")),
                ),
            )

    def _on_late_actions(self) -> Iterator[Decision]:
        for action in (each for each in self.report.actions if each.late):
            yield Decision(
                self.language.t(
                    "Action en retard depuis %(due)s : %(text)s",
                    due=self.language.quarter(action.due),
                    text=self.short(action.text),
                ),
                (
                    Option(self.language.t("la relancer (%(role)s)", role=action.role), self.short(action.note or "")),
                    Option(self.language.t("y renoncer"), self.language.t("en donner la raison")),
                ),
            )

    def _on_register(self) -> Iterator[Decision]:
        coverage, say = self.report.coverage, self.language
        if coverage.unnamed:
            yield _asked(
                say.n(
                    "%(count)s service n’a pas encore de nom au registre",
                    "%(count)s services n’ont pas encore de nom au registre",
                    coverage.unnamed,
                ),
                say.t("les nommer"),
            )
        if coverage.unregistered:
            yield _asked(
                say.n(
                    "%(count)s service est mesuré sans être au registre",
                    "%(count)s services sont mesurés sans être au registre",
                    len(coverage.unregistered),
                ),
                say.t("les enregistrer, ou les arrêter"),
            )
        if SERVICE_UNASSIGNED in coverage.unregistered:
            yield _asked(say.t("Des exécutions ne sont rattachées à aucun service"), say.t("les rattacher"))

    def _on_declarations(self) -> Iterator[Decision]:
        say, report = self.language, self.report
        commitment = report.environmental_commitment
        if commitment is not None and commitment.text is None:
            yield _asked(say.t("Le texte de l’engagement n° 7 manque"), say.t("le fournir"))
        if "no-zone" in report.notices:
            yield _asked(say.t("La zone électrique n’est pas indiquée : pas de CO₂e"), say.t("l’indiquer"))
        if "no-pue" in report.notices:
            yield _asked(say.t("Le PUE de tout ou partie des sites est inconnu"), say.t("l’indiquer"))
        if report.instances_without_equipment:
            yield _asked(
                say.n(
                    "%(count)s machine n’est pas décrite : sa fabrication n’est pas comptée",
                    "%(count)s machines ne sont pas décrites : leur fabrication n’est pas comptée",
                    len(report.instances_without_equipment),
                ),
                say.t("les décrire"),
            )


def _asked(question: str, name: str) -> Decision:
    return Decision(question, (Option(name),))

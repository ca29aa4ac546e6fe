"""Draw up targets: what each asks for, what was found, its verdict, and the probability that it is missed."""

from __future__ import annotations

from functools import cached_property

from ecoia.report import Quantity, TargetVerdict
from ecoia_dashboards import wording
from ecoia_dashboards.language import SHARE_UNIT, QuantityColumn
from ecoia_dashboards.pages.phrases import Phrases
from ecoia_dashboards.wording.verdicts import MARKS, budget_words, judged_by_budget, probability, verdict_words

_ORDER = ("non-tenu", "depassement-quasi-certain", "non-concluant", "en-bonne-voie", "tenu")
_KEPT = ("tenu", "en-bonne-voie")
MISSED = ("non-tenu", "depassement-quasi-certain")
"""Verdicts that ask the committee to act."""


class Targets(Phrases):
    """Texts of the targets, wherever they are listed."""

    @property
    def targets(self) -> list[TargetVerdict]:
        """The targets as committees read them: adopted ones first, and those that ask for a decision before the others."""
        places = {code: place for place, code in enumerate(_ORDER)}
        return sorted(
            self.report.targets,
            key=lambda target: (target.status != "adopted", places.get(target.verdict, 0)),
        )

    def target_name(self, target: TargetVerdict) -> str:
        """Name a target by its indicator, and by its service where it is of one alone."""
        name = self.say(wording.INDICATORS, target.indicator)
        name = f"{name}, {self.service(target.service)}" if target.service else name
        return name[:1].upper() + name[1:]

    def aim(self, target: TargetVerdict) -> str:
        """Say what a target asks for."""
        if target.reduction is not None:
            return self.language.t(
                "%(share)s de moins en %(year)s qu’en %(quarters)s",
                share=self.language.share(target.reduction),
                year=target.horizon,
                quarters=self.language.listed(map(self.language.quarter, target.baseline_quarters)),
            )
        if target.value is None:
            return "—"
        asked = self.language.share(target.value) if target.unit == SHARE_UNIT else self._exact(target)
        if target.op == ">=":
            return self.language.t("au moins %(value)s", value=asked)
        if target.op == "<=":
            return self.language.t("au plus %(value)s", value=asked)
        return f"{target.op or ''} {asked}".strip()

    def _exact(self, target: TargetVerdict) -> str:
        """Write a threshold as it was decided, not rounded, in the unit of what was found."""
        scale = self._column(target).scale(target.unit)
        return self.language.with_unit(self.language.plain((target.value or 0.0) / scale.size), scale.unit)

    def _column(self, target: TargetVerdict) -> QuantityColumn:
        """Choose the unit of a target, once: that of the thresholds and levels of every target on the same service."""
        return self._columns[target.service]

    @cached_property
    def _columns(self) -> dict[str | None, QuantityColumn]:
        held: dict[str | None, list[Quantity]] = {}
        for each in self.report.targets:
            held.setdefault(each.service, []).extend((Quantity(each.value, each.unit), each.observed))
        return {service: self.language.column(quantities) for service, quantities in held.items()}

    def level(self, target: TargetVerdict, value: float) -> str:
        """Write an amount in the unit that a target is written in."""
        return self._column(target).amount(Quantity(value, target.observed.unit))

    def observed(self, target: TargetVerdict) -> str:
        """Write what was found: a level, or a change in words, or why there is none."""
        if target.observed.value is None:
            return self.amount(target.observed)
        if target.reduction is None:
            return self._column(target).amount(target.observed)
        return self.language.direction(target.observed)

    def observed_interval(self, target: TargetVerdict) -> str | None:
        """Write the interval of what was found, with signs where it is a change."""
        if target.observed.value is None or target.reduction is None:
            return self._column(target).interval(target.observed)
        return self.language.change_interval(target.observed)

    @property
    def additions_said(self) -> list[str]:
        """Say of each target what its baseline holds by estimate."""
        return [self._added(target) for target in self.targets if target.additions]

    def _added(self, target: TargetVerdict) -> str:
        added = Quantity(sum(each.quantity.value or 0.0 for each in target.additions), target.additions[0].quantity.unit)
        return self.language.t(
            "La référence de « %(target)s » compte %(added)s estimés, pour des services qui existaient sans être mesurés : "
            "%(services)s.",
            target=self.target_name(target),
            added=self.amount(added),
            services=self.listed_services(sorted({each.service for each in target.additions})),
        )

    def why(self, target: TargetVerdict) -> str:
        """Say why the verdict is what it is."""
        if lowered := self._lowered_denominator(target):
            return self.language.t(
                "la valeur visée n’est atteinte que depuis que moins de services sont comptés : avec les %(count)s d’avant, elle "
                "ne le serait pas",
                count=lowered[0],
            )
        if target.reason is None:
            return self.language.t("la valeur visée est atteinte")
        reason = self.say(wording.VERDICT_REASONS, target.reason)
        used = budget_words(self.language, target.budget) if target.budget and judged_by_budget(target) else None
        return f"{reason}{self.language.t(' : ')}{used}" if used else reason

    def due(self, target: TargetVerdict) -> str:
        """Write the deadline of a target."""
        if target.deadline:
            return self.language.quarter(target.deadline)
        return str(target.horizon) if target.horizon else self.language.t("sans échéance")

    def judged(self, target: TargetVerdict) -> str:
        """Say the verdict on a target in a few words; marked where it is owed to a denominator that fell."""
        said = verdict_words(self.language, target)
        if lowered := self._lowered_denominator(target):
            was, became = lowered
            return self.language.t(
                "%(verdict)s, dénominateur ramené de %(was)s à %(became)s", verdict=said, was=was, became=became
            )
        return said

    def _lowered_denominator(self, target: TargetVerdict) -> tuple[int, int] | None:
        """Return the denominators of then and now, where a coverage is reached by the latter alone; else None."""
        share, aim = target.observed.value, target.value
        change = next((each for each in self.report.declared_changes if each.field == "denominator" and each.effect), None)
        if (
            change is None
            or target.indicator != "coverage_services"
            or target.verdict not in _KEPT
            or share is None
            or aim is None
        ):
            return None
        was, became = int(change.before), int(change.after)
        return (was, became) if round(share * became) < aim * was else None

    def mark(self, target: TargetVerdict) -> str:
        """Return the mark beside a verdict, so that colour alone says nothing."""
        return MARKS.get(target.verdict, "?")

    def probability(self, target: TargetVerdict) -> str | None:
        """Write the probability that a target is missed; None where it has none."""
        if target.miss_probability is None:
            return None
        exact = target.reduction is None and target.observed.low is None
        return probability(self.language, target.miss_probability, certain=exact)

    def chance(self, value: float) -> str:
        """Write a probability that an interval gave, which is never certain."""
        return probability(self.language, value)

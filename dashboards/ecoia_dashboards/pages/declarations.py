"""Draw up what the organisation declares otherwise than in its last publication."""

from __future__ import annotations

from ecoia.report import DeclaredChange
from ecoia_dashboards import wording
from ecoia_dashboards.language import SHARE_UNIT
from ecoia_dashboards.pages.phrases import Phrases

_SIGNS = {">=": "≥", "<=": "≤"}
_MOST_LINES = 25
_MOST_NAMES = 2  # of each sentence of the first page


class Declarations(Phrases):
    """Texts of the changes of targets, register, method, factors, sites and equipment."""

    @property
    def declared_changes(self) -> list[DeclaredChange]:
        """The changes that a committee reads: those with an effect of their own first."""
        return sorted(self.report.declared_changes, key=lambda each: not each.effect)[:_MOST_LINES]

    def declared_value(self, change: DeclaredChange, text: str) -> str:
        """Write a value as it was declared: a number with its unit, a state in words, a quarter as a quarter."""
        if not text:
            return "—"
        op, _, last = text.rpartition(" ")
        try:
            number = float(last)
        except ValueError:
            words = {**wording.TARGET_STATUSES, **wording.SERVICE_STATUSES, **wording.INDICATORS}
            return self.language.of(words, text) if text in words else self.language.quarter(text)
        said = (
            self.language.share(number)
            if change.unit == SHARE_UNIT
            else self.language.with_unit(self.language.plain(number), change.unit).strip()
        )
        return f"{_SIGNS.get(op, op)} {said}".strip()

    @property
    def declared_left_out(self) -> int:
        """How many changes have no line."""
        return len(self.report.declared_changes) - len(self.declared_changes)

    @property
    def declarations_in_short(self) -> str | None:
        """Say in one sentence what changed, effects first; None where no publication is there to compare with."""
        if self.report.declared_since is None:
            return None
        since = self.language.quarter(self.report.declared_since)
        if not self.report.declared_changes:
            return self.language.t("Rien n’a changé dans les déclarations depuis la publication de %(name)s.", name=since)
        said = [
            self.language.t(
                "%(effect)s (%(names)s)", effect=self.language.of(wording.DECLARED_EFFECTS, effect), names=self._names(effect)
            )
            for effect in dict.fromkeys(each.effect for each in self.report.declared_changes if each.effect)
        ]
        others = sum(not each.effect for each in self.report.declared_changes)
        if others:
            said.append(
                self.language.n("%(count)s autre changement", "%(count)s autres changements", others)
                if said
                else self.language.n("%(count)s changement", "%(count)s changements", others)
            )
        return self.language.t(
            "Depuis la publication de %(name)s : %(changes)s (partie 9).", name=since, changes=self.language.t(" ; ").join(said)
        )

    def declared_name(self, change: DeclaredChange) -> str:
        """Name what changed: a target by its indicator; what has no name of its own by its field."""
        if change.kind == "target":
            return self.language.of(wording.INDICATORS, change.name)
        return change.name or change.id or self.language.of(wording.DECLARED_FIELDS, change.field)

    def _names(self, effect: str) -> str:
        names = [self.declared_name(each) for each in self.report.declared_changes if each.effect == effect]
        more = len(names) - _MOST_NAMES
        shown = ", ".join(self.short(name) for name in names[:_MOST_NAMES])
        return (
            shown
            if more <= 0
            else self.language.n("%(names)s et %(count)s autre", "%(names)s et %(count)s autres", more, names=shown)
        )

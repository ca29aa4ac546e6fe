"""Draw up what the organisation declares otherwise than in its last publication."""

from __future__ import annotations

from ecoia.report import DeclaredChange
from ecoia_dashboards import wording
from ecoia_dashboards.pages.phrases import Phrases

_MOST_LINES = 25
_MOST_NAMES = 2  # of each sentence of the first page


class Declarations(Phrases):
    """Texts of the changes of targets, register, method, factors, sites and equipment."""

    @property
    def declared_changes(self) -> list[DeclaredChange]:
        """The changes that a committee reads: those with an effect of their own first."""
        return sorted(self.report.declared_changes, key=lambda each: not each.effect)[:_MOST_LINES]

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

    def _names(self, effect: str) -> str:
        names = [each.name or each.id for each in self.report.declared_changes if each.effect == effect]
        more = len(names) - _MOST_NAMES
        shown = ", ".join(self.short(name) for name in names[:_MOST_NAMES])
        return (
            shown
            if more <= 0
            else self.language.n("%(names)s et %(count)s autre", "%(names)s et %(count)s autres", more, names=shown)
        )

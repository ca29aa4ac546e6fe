"""Fit the first page: what it shows of the targets, the decisions and the organisation's comment, so that it stays one page."""

from __future__ import annotations

import math
import textwrap

from ecoia.report import TargetVerdict
from ecoia_dashboards import wording
from ecoia_dashboards.pages.decisions import Decision, Decisions
from ecoia_dashboards.pages.drawing import DRAFT, warned_of
from ecoia_dashboards.pages.summary import Summary

_MOST_TARGETS, _FEWEST_TARGETS = 7, 3
_MOST_DECISIONS, _FEWEST_DECISIONS = 5, 2
_LONGEST_COMMENT = 220
# Millimetres of the printed page that warnings, targets, decisions and comment share, and what a line of each takes.
_ROOM, _WARNING_LINE, _TARGET, _DECISION, _COMMENT_LINE, _COMMENT_HEAD = 98.0, 3.8, 6.6, 11.0, 4.2, 6.0
_WIDTH = 100  # characters of a line


class FirstPage(Decisions, Summary):
    """Texts of the first page. What it has no room for is counted, and stands in the part that it names."""

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """List what must be known before any figure, each with its mark."""
        found = [("✎", self.language.t(DRAFT))] if self.report.seal is None else []
        found += [("⚠", self._restated())] if self.report.is_restated else []
        found += [("⚠", self.say(wording.NOTICES, code)) for code in warned_of(self.report)]
        if self.report.ledger_gaps:
            found.append(("⚠", self.ledger_shortfall() + self._published_all_the_same()))
        return found

    def _restated(self) -> str:
        seal = self.report.seal
        assert seal is not None  # noqa: S101 - for the type checker: only a published report is restated
        return self.language.t(
            "Trimestre retraité : publié sous le nom %(name)s le %(day)s, à côté de la première publication. Ce qui a changé est "
            "en partie 9.",
            name=seal.name,
            day=self.language.day(seal.published_on),
        )

    def _published_all_the_same(self) -> str:
        because = self.report.incomplete_because
        if not because:
            return ""
        return " " + self.language.t("Publié malgré cela. Raison donnée : « %(reason)s »", reason=self.short(because))

    @property
    def first_targets(self) -> list[TargetVerdict]:
        """The targets that the first page has room for."""
        room = self._room - _FEWEST_DECISIONS * _DECISION
        return self.targets[: min(_MOST_TARGETS, max(_FEWEST_TARGETS, int(room / _TARGET)))]

    @property
    def targets_left_out(self) -> int:
        """How many targets the first page has no room for."""
        return len(self.report.targets) - len(self.first_targets)

    @property
    def first_decisions(self) -> list[Decision]:
        """The decisions that the first page has room for: fewer where there is much to be warned of."""
        room = self._room - len(self.first_targets) * _TARGET
        return self.decisions[: min(_MOST_DECISIONS, max(_FEWEST_DECISIONS, int(room / _DECISION)))]

    @property
    def _room(self) -> float:
        """Millimetres that warnings and comment leave to targets and decisions."""
        warned = sum(_lines(text) for _, text in self.warnings) * _WARNING_LINE
        said = _COMMENT_HEAD + _lines(self.first_comment) * _COMMENT_LINE if self.first_comment else 0.0
        return _ROOM - warned - said

    @property
    def decisions_left_out(self) -> int:
        """How many decisions the first page has no room for."""
        return len(self.decisions) - len(self.first_decisions)

    @property
    def first_comment(self) -> str:
        """The organisation's comment on the summary, shortened: the evidence has all of it."""
        comment = " ".join(each.text for each in self.report.said if (each.kind, each.about) == ("comment", "synthese"))
        return textwrap.shorten(comment, _LONGEST_COMMENT, placeholder="…") or comment[:_LONGEST_COMMENT]


def _lines(text: str) -> int:
    return math.ceil(len(text) / _WIDTH)

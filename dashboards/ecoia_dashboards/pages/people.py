"""Draw up people's part of the page: committees, commitments, self-assessments, savings, regions."""

from __future__ import annotations

from ecoia.report import ENVIRONMENTAL_COMMITMENT, Answered, Commitment, RegionShare, Said, Saving
from ecoia_dashboards import wording
from ecoia_dashboards.pages.phrases import Phrases

_MOST_LINES = 40  # lines of a table that grows with services and regions; the other formats hold the rest


class People(Phrases):
    """Texts of committees, commitments, self-assessments, savings and regions."""

    def said(self, kind: str, about: str | None = None) -> list[Said]:
        """List the words of a kind, about a section or a commitment where one is named."""
        return [each for each in self.report.said if each.kind == kind and about in (None, each.about)]

    def body(self, id_: str | None) -> str:
        """Name a body of the charter; its id where the charter does not hold it."""
        names = {body.id: body.name for body in self.report.governance}
        return names.get(id_ or "", id_ or "—")

    @property
    def others(self) -> list[Commitment]:
        """The commitments of the charter other than the environmental one."""
        return [commitment for commitment in self.report.commitments if commitment.number != ENVIRONMENTAL_COMMITMENT]

    def harmful(self, number: int) -> list[str]:
        """List the services whose savings may harm a commitment."""
        return [saving.service for saving in self.report.savings if number in saving.may_harm]

    @property
    def unplaced_ties(self) -> list[Said]:
        """Ties to a commitment that the charter does not hold, or to the environmental one itself."""
        numbers = {str(commitment.number) for commitment in self.others}
        return [tie for tie in self.said("tie") if tie.about not in numbers]

    def purpose(self, service_id: str) -> str | None:
        """Return the purpose of a service, by the register."""
        return next((entry.purpose for entry in self.report.register if entry.id == service_id), None)

    def harm(self, saving: Saving) -> str:
        """List the commitments that acting on a saving may harm."""
        return self.language.listed(map(self.commitment_name, saving.may_harm))

    def apportioned(self) -> tuple[list[RegionShare], int]:
        """List the largest figures of regions, by region; and count the lines left out."""
        kept = sorted(self.report.regions, key=lambda each: -(each.energy.value or 0.0))[:_MOST_LINES]
        return sorted(kept, key=lambda each: (each.region, each.service)), len(self.report.regions) - len(kept)

    def answers(self, question: str) -> list[tuple[str, list[Answered]]]:
        """List by answer the services that gave it to a question of the self-assessment."""
        given = [each for each in self.report.evaluations if each.question == question]
        codes = dict.fromkeys((*wording.EVALUATION_ANSWERS, *(each.answer for each in given)))
        return [(code, found) for code in codes if (found := [each for each in given if each.answer == code])]

    @property
    def questions(self) -> list[str]:
        """The questions that some service answered."""
        given = {each.question for each in self.report.evaluations}
        return [
            *(id_ for id_ in wording.EVALUATION_QUESTIONS if id_ in given),
            *sorted(given - wording.EVALUATION_QUESTIONS.keys()),
        ]

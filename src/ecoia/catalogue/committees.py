"""``committees.yaml``: recommendations and decisions of committees, actions, and comments on a quarter's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from ecoia.catalogue.fields import Day, FieldError, Model, QuarterText, Role, Slug, Text
from ecoia.sections import SECTIONS

COMMITTEES_FILE = "committees.yaml"

if TYPE_CHECKING:  # the ids are known only at run time, when pydantic checks them
    Section = str
else:
    Section = Literal[tuple(section.id for section in SECTIONS)]
"""The sections of the report that can carry a comment, in its order."""

State = Literal["planned", "under-way", "done", "dropped"]
CLOSED: tuple[State, ...] = ("done", "dropped")


def _unnamed(value: str) -> str:
    if "@" in value:
        raise FieldError("a-person", "no person is named here: write roles and bodies, without an address")
    return value


Said = Annotated[Text, AfterValidator(_unnamed)]
"""A text that committees and readers see. It holds no address."""


class Recommendation(Model):
    """A committee's recommendation on one service or project, or on all (``service`` None)."""

    id: Slug
    quarter: QuarterText
    body: Slug
    service: Slug | None = None
    text: Said


class CommitteeDecision(Model):
    """A committee's decision. ``answers`` is the id of the recommendation that it answers, if any."""

    id: Slug
    quarter: QuarterText
    body: Slug
    date: Day | None = None
    service: Slug | None = None
    answers: Slug | None = None
    text: Said
    minutes_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Action(Model):
    """An action: the role in charge, its due quarter, and its state.

    ``quarter`` is when it was opened, ``closed`` when it was done or dropped. ``answers`` is the id of a recommendation or
    decision.
    """

    id: Slug
    quarter: QuarterText
    text: Said
    role: Role
    due: QuarterText
    service: Slug | None = None
    answers: Slug | None = None
    state: State = "planned"
    closed: QuarterText | None = None
    note: Said | None = None

    @field_validator("due", "closed")
    @classmethod
    def _check_order(cls, value: str | None, info: ValidationInfo) -> str | None:
        opened = info.data.get("quarter")
        if value is not None and opened is not None and value < opened:
            raise FieldError(
                "before-opened", f"before 'quarter' {opened}, in which it was opened: correct one of the two", quarter=opened
            )
        return value

    @model_validator(mode="after")
    def _check_state(self) -> Action:
        if (self.state in CLOSED) != (self.closed is not None):
            raise FieldError(
                "closed-or-not",
                "'closed' is the quarter in which it was done or dropped: give it with these states, and with no other",
                at="closed",
            )
        return self

    def state_at(self, quarter: str) -> State | None:
        """Return its state at the end of a quarter; None before it was opened."""
        if quarter < self.quarter:
            return None
        return "under-way" if self.closed is not None and quarter < self.closed else self.state

    def late_at(self, quarter: str) -> bool:
        """Return whether it was still open at the end of a quarter after its due quarter."""
        return self.state_at(quarter) not in (None, *CLOSED) and self.due < quarter


class SectionComment(Model):
    """The organisation's comment on the figures of a section of the report."""

    quarter: QuarterText
    section: Section
    text: Said


class Tie(Model):
    """How the environmental commitment relates to another commitment of the charter, in a quarter."""

    quarter: QuarterText
    commitment: Annotated[int, Field(ge=1)]
    service: Slug | None = None
    text: Said


class CommitteesFile(Model):
    """``committees.yaml``."""

    recommendations: tuple[Recommendation, ...] = ()
    decisions: tuple[CommitteeDecision, ...] = ()
    actions: tuple[Action, ...] = ()
    comments: tuple[SectionComment, ...] = ()
    ties: tuple[Tie, ...] = ()

    def of(self, quarter: str) -> CommitteesFile:
        """Return the entries of one quarter. An action belongs to each quarter in which it was open or closed."""
        return CommitteesFile(
            recommendations=tuple(each for each in self.recommendations if each.quarter == quarter),
            decisions=tuple(each for each in self.decisions if each.quarter == quarter),
            actions=tuple(each for each in self.actions if each.quarter <= quarter <= (each.closed or quarter)),
            comments=tuple(each for each in self.comments if each.quarter == quarter),
            ties=tuple(each for each in self.ties if each.quarter == quarter),
        )

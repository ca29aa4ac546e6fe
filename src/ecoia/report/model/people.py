"""People's part: the charter, committees, actions, self-assessments, regions. Roles and bodies, never persons."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report.model.figures import NO_HEADLINE, Headline, Quantity


@dataclass(frozen=True)
class Commitment:
    """A commitment of the charter; ``text`` None until the organisation pastes its own wording."""

    number: int
    id: str
    name: str
    text: str | None


@dataclass(frozen=True)
class Body:
    """A body of the charter's governance (a committee, the ethics line), by its role, never by a person."""

    id: str
    name: str
    role: str | None
    members: str | None
    count: int | None
    contact: str | None


@dataclass(frozen=True)
class Said:
    """Words of a committee or of the organisation. ``kind``: recommendation | decision | tie | comment.

    ``about`` is the id that a decision answers, the number of the commitment of a tie, or the section of a comment.
    """

    kind: str
    text: str
    id: str | None = None
    body: str | None = None
    service: str | None = None
    about: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class ActionState:
    """An action at the end of the quarter. ``state``: planned | under-way | done | dropped."""

    id: str
    text: str
    role: str
    due: str
    state: str
    late: bool
    service: str | None = None
    about: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class RegionShare:
    """Figures of a service, apportioned to a region by its units; they are not measured there.

    ``share`` is of all units that the service delivered in the quarter. The region "" is the residual: units that are listed for
    no region. Where the service counts no units, ``share`` is None and the figures have the reason ``no-units``.
    """

    region: str
    service: str
    units: float
    share: float | None
    energy: Quantity
    co2e: Quantity  # the whole, as far as known: that of the headline
    source: str
    headline: Headline = NO_HEADLINE

    @property
    def is_residual(self) -> bool:
        """Whether these are the units of the service that are listed for no region."""
        return not self.region


@dataclass(frozen=True)
class Answered:
    """The last answer to a question of a service's self-assessment. ``answer``: met | partly | unmet | not-applicable | open."""

    service: str
    question: str
    answer: str
    quarter: str
    comment: str | None
    role: str | None

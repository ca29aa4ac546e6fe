"""Tell the editions of the report apart: the page, the committee edition, and the evidence."""

from __future__ import annotations

from enum import StrEnum


class Edition(StrEnum):
    """One of the documents that are drawn from the same sections (``ecoia.sections``).

    ``PAGE`` shows what a committee decides on and folds the evidence. ``COMMITTEE`` holds the first alone, in ten printed pages
    at most; ``EVIDENCE`` holds the second.
    """

    PAGE = "page"
    COMMITTEE = "committee"
    EVIDENCE = "evidence"

    @property
    def decides(self) -> bool:
        """Whether it shows what a committee decides on."""
        return self is not Edition.EVIDENCE

    @property
    def proves(self) -> bool:
        """Whether it holds the evidence."""
        return self is not Edition.COMMITTEE

    @property
    def folds(self) -> bool:
        """Whether the evidence is folded until a reader opens it."""
        return self is Edition.PAGE

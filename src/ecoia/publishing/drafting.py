"""Draft the report of a quarter from its inputs, with what a report takes from the publications before it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from ecoia.impact.inputs import Inputs
from ecoia.periods import Quarter
from ecoia.publishing.publication import Published
from ecoia.publishing.published_before import PublishedBefore, published_before
from ecoia.report import QuarterlyReport
from ecoia.report.building import report_of
from ecoia.report.context import Context


class Draft:
    """The report of a quarter, and what it was drawn from.

    Args:
        inputs: What it is computed from.
        quarter: The quarter.
        chain: The publications, in the order of publication.
        incomplete_because: Why it is published although days of the ledger are missing.

    Raises:
        FactorError: the zone of the settings or of a site has no emission factor.
        PublicationError: a publication cannot be read.

    Attributes:
        context: The quarters up to it, assessed.
        before: What it takes from the publications before it.
        report: The report.

    Example::

        Draft(inputs, Quarter(2026, 4), publications(root)).report
    """

    def __init__(
        self, inputs: Inputs, quarter: Quarter, chain: Sequence[Published], incomplete_because: str | None = None
    ) -> None:
        self.before: PublishedBefore = published_before(chain, inputs, quarter)
        self.context = Context(
            inputs.rows,
            quarter,
            inputs.settings,
            inputs.catalogue,
            inputs.factors,
            inputs.known_until_utc_ns,
            is_over(quarter, inputs.settings.timezone),
        )
        self.report: QuarterlyReport = report_of(
            self.context,
            published_micrograms=self.before.micrograms,
            restatements=self.before.restatements,
            gaps=inputs.gaps,
            incomplete_because=incomplete_because,
            declared_since=self.before.declared_since,
            declared_changes=self.before.declared_changes,
        )


def is_over(quarter: Quarter, timezone: str) -> bool:
    """Say whether a quarter has ended by now, in a time zone.

    Example:
        >>> is_over(Quarter(2020, 1), "Europe/Paris")
        True
    """
    return time.time_ns() >= quarter.bounds_ns(ZoneInfo(timezone))[1]

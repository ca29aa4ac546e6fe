"""What the ledger's MLflow runs say of themselves: one run an instance and UTC day, or one an instance and month."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.periods import utc_ns
from ecoia.units import microjoules_from_kwh

TAGS = (
    semconv.TAG_KIND,
    semconv.TAG_SCHEMA,
    semconv.TAG_INSTANCE,
    semconv.TAG_DAY,
    semconv.TAG_MONTH,
    semconv.TAG_DAYS,
    semconv.TAG_SOURCES,
    semconv.TAG_OVER,
    semconv.TAG_HOME,
    semconv.TAG_PLACE,
    semconv.TAG_DIGEST,
    semconv.TAG_NEXT_DIGEST,
    semconv.TAG_SHORT,
)
"""Tags that are read of a ledger run."""

METRICS = (
    semconv.LEDGER_ENERGY.name,
    *(metric.name for metric in semconv.LEDGER_ENERGY_OF.values()),
    semconv.LEDGER_DURATION.name,
    semconv.LEDGER_UNITS.name,
    semconv.RETIRED_ENERGY,
)
"""Metrics that are read of a ledger run. A day of ecoia 0.1.0 has its energy in the last one."""


def start_ms(day: str) -> int:
    """Return the start of a UTC day in milliseconds, the unit of MLflow's times.

    Example:
        >>> start_ms("1970-01-02")
        86400000
    """
    return utc_ns(datetime.fromisoformat(day).replace(tzinfo=UTC)) // 1_000_000


class LedgerRun(NamedTuple):
    """A run of the ledger's experiment, without MLflow's objects, which take some kilobytes each.

    Attributes:
        run_id: Its id.
        artifact_uri: Where its artifacts are.
        deleted: Whether somebody deleted it.
        tags: Those of its tags that are in ``TAGS``.
        metrics: The last value of those of its metrics that are in ``METRICS``; one that is no number is left out.
    """

    run_id: str
    artifact_uri: str
    deleted: bool
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @classmethod
    def of(cls, run: Any) -> LedgerRun:
        """Read an MLflow run."""
        tags, metrics = run.data.tags, run.data.metrics
        return cls(
            run.info.run_id,
            run.info.artifact_uri or "",
            run.info.lifecycle_stage != "active",
            {name: tags[name] for name in TAGS if name in tags},
            {name: metrics[name] for name in METRICS if not math.isnan(metrics.get(name, math.nan))},
        )

    @property
    def kind(self) -> str:
        """Tag ``ecoia.kind``; empty without one. So are the others."""
        return self.tags.get(semconv.TAG_KIND, "")

    @property
    def instance(self) -> str:
        """Tag ``ecoia.instance``."""
        return self.tags.get(semconv.TAG_INSTANCE, "")

    @property
    def day(self) -> str:
        """Tag ``ecoia.day``."""
        return self.tags.get(semconv.TAG_DAY, "")

    @property
    def month(self) -> str:
        """Tag ``ecoia.month``: the month that it holds, if it holds one."""
        return self.tags.get(semconv.TAG_MONTH, "")

    @property
    def days(self) -> dict[str, str]:
        """The days that it holds, and the digest of each; without one where the run holds a single day."""
        return {day: sha for day, (sha, _) in self._days().items()} if self.month else {self.day: ""}

    @property
    def sources(self) -> frozenset[str]:
        """The runs whose rows a month took over."""
        return frozenset(filter(None, self.tags.get(semconv.TAG_SOURCES, "").split(",")))

    @property
    def over(self) -> str:
        """The run of a month in whose place a day stands: a record came after the month was put together."""
        return self.tags.get(semconv.TAG_OVER, "")

    @property
    def artifact(self) -> str:
        """The artifact that holds its rows."""
        return semconv.LEDGER_MONTH_ARTIFACT if self.month else semconv.LEDGER_ARTIFACT

    @property
    def is_begun(self) -> bool:
        """Whether it is a month that was not written to its end; its days still have runs of their own."""
        return bool(self.month) and not self.digest

    def worth(self, day: str) -> int | None:
        """Return the energy of a day that it holds; None where it does not tell."""
        return self._days().get(day, ("", None))[1] if self.month else self.microjoules

    def _days(self) -> dict[str, tuple[str, int | None]]:
        try:
            told = json.loads(self.tags.get(semconv.TAG_DAYS, ""))
            return {str(day): (str(sha), int(energy)) for day, (sha, energy) in told.items()}
        except (ValueError, TypeError, AttributeError):  # the tag was altered: what the run holds is known by its digest
            return {f"{self.month}-01": ("", self.microjoules)}

    @property
    def digest(self) -> str:
        """Tag ``ecoia.digest``: SHA-256 of its day file as delivered."""
        return self.tags.get(semconv.TAG_DIGEST, "")

    @property
    def digests(self) -> frozenset[str]:
        """SHA-256 that its day file may have: as delivered, and as the delivery that goes on just now will leave it."""
        return frozenset(filter(None, (self.digest, self.tags.get(semconv.TAG_NEXT_DIGEST))))

    @property
    def microjoules(self) -> int | None:
        """Energy of its rows by its metric; None where it has none, or a value that is no energy."""
        for name in (semconv.LEDGER_ENERGY.name, semconv.RETIRED_ENERGY):
            kwh = self.metrics.get(name, math.nan)
            if math.isfinite(kwh) and 0 <= kwh < 1e12:
                return microjoules_from_kwh(kwh)
        return None

    @property
    def short_microjoules(self) -> int:
        """Energy that an earlier repair could not restore."""
        short = self.tags.get(semconv.TAG_SHORT, "")
        return int(short) if short.isdecimal() and len(short) < 20 else 0

    @property
    def is_day(self) -> bool:
        """Whether it holds a day, also if its tags were altered since. Anybody may put other runs into the experiment."""
        return self.kind == semconv.RUN_KIND_LEDGER or bool(self.digests)

    @property
    def is_newer(self) -> bool:
        """Whether a newer ecoia wrote it. A tag that is no number was altered: the digest tells whether the content was."""
        schema = self.tags.get(semconv.TAG_SCHEMA, "")
        return schema.isdecimal() and int(schema[:9]) > semconv.SCHEMA_VERSION

    def gap(self, day: str, reason: str, why: str = "") -> LedgerGap:
        """Return the gap that one of its days leaves."""
        return LedgerGap(day, self.instance, reason, self.run_id, self.worth(day), why=(why,) if why else ())

"""What the ledger's MLflow runs say of themselves: one run an instance and UTC day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ecoia import semconv
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.units import microjoules_from_kwh

TAGS = (
    semconv.TAG_KIND,
    semconv.TAG_SCHEMA,
    semconv.TAG_INSTANCE,
    semconv.TAG_DAY,
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

    def gap(self, reason: str, why: str = "") -> LedgerGap:
        """Return the gap that the whole day leaves."""
        return LedgerGap(self.day, self.instance, reason, self.run_id, self.microjoules, why=(why,) if why else ())

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
    semconv.TAG_DIGEST,
    semconv.TAG_NEXT_DIGEST,
    semconv.TAG_SHORT,
)
"""Tags that are read of a ledger run."""

METRICS = (semconv.LEDGER_ENERGY.name, semconv.RETIRED_ENERGY)
"""Metrics that may say its energy; a day of ecoia 0.1.0 has the second."""


class LedgerRun(NamedTuple):
    """A run of the ledger's experiment, without MLflow's objects, which take some kilobytes each.

    Attributes:
        run_id: Its id.
        artifact_uri: Where its artifacts are.
        deleted: Whether somebody deleted it.
        kind: Tag ``ecoia.kind``; empty without one. So are the others.
        schema: Tag ``ecoia.schema``.
        instance: Tag ``ecoia.instance``.
        day: Tag ``ecoia.day``.
        digests: SHA-256 that its day file may have: as delivered, and as the delivery that goes on just now will leave it.
        microjoules: Energy of its rows by its metric; None where it has none, or a value that is no energy.
        short_microjoules: Energy that an earlier repair could not restore.
    """

    run_id: str
    artifact_uri: str
    deleted: bool
    kind: str
    schema: str
    instance: str
    day: str
    digests: frozenset[str]
    microjoules: int | None
    short_microjoules: int

    @classmethod
    def of(cls, run: Any) -> LedgerRun:
        """Read an MLflow run."""
        return cls.made_of(run.info.run_id, run.info.artifact_uri, run.info.lifecycle_stage, run.data.tags, run.data.metrics)

    @classmethod
    def made_of(
        cls, run_id: str, artifact_uri: str | None, stage: str, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> LedgerRun:
        """Put together what is known of a run; of tags and metrics, those of ``TAGS`` and ``METRICS`` are looked at."""
        return cls(
            run_id=run_id,
            artifact_uri=artifact_uri or "",
            deleted=stage != "active",
            kind=tags.get(semconv.TAG_KIND, ""),
            schema=tags.get(semconv.TAG_SCHEMA, ""),
            instance=tags.get(semconv.TAG_INSTANCE, ""),
            day=tags.get(semconv.TAG_DAY, ""),
            digests=frozenset(filter(None, (tags.get(semconv.TAG_DIGEST), tags.get(semconv.TAG_NEXT_DIGEST)))),
            microjoules=_energy(metrics),
            short_microjoules=int(short) if (short := tags.get(semconv.TAG_SHORT, "")).isdecimal() and len(short) < 20 else 0,
        )

    @property
    def is_day(self) -> bool:
        """Whether it holds a day, also if its tags were altered since. Anybody may put other runs into the experiment."""
        return self.kind == semconv.RUN_KIND_LEDGER or bool(self.digests)

    @property
    def is_newer(self) -> bool:
        """Whether a newer ecoia wrote it. A tag that is no number was altered: the digest tells whether the content was."""
        return self.schema.isdecimal() and int(self.schema[:9]) > semconv.SCHEMA_VERSION

    def gap(self, reason: str, why: str = "") -> LedgerGap:
        """Return the gap that the whole day leaves."""
        return LedgerGap(self.day, self.instance, reason, self.run_id, self.microjoules, why=(why,) if why else ())


def _energy(metrics: Mapping[str, float]) -> int | None:
    for name in METRICS:
        kwh = metrics.get(name, math.nan)
        if math.isfinite(kwh) and 0 <= kwh < 1e12:
            return microjoules_from_kwh(kwh)
    return None

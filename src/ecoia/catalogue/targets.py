"""``targets.yaml``: promises of the organisation, and when a published quarter is recalculated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ecoia.catalogue.fields import Day, FieldError, Model, QuarterText, Share, Slug, Text
from ecoia.indicators import of_targets

TARGETS_FILE = "targets.yaml"

INDICATORS = {each.id: each.unit for each in of_targets()}
"""Indicators that a target may be set on, with their units (``1``: a share)."""

PER_SERVICE = tuple(each.id for each in of_targets("service"))
"""Indicators that only a service has: each counts in its own unit."""
ADDS_UP = tuple(each.id for each in of_targets() if each.adds_up)
"""Indicators that add up over services and quarters, as a trajectory needs."""
_OF_TRAJECTORIES = tuple(each.id for each in of_targets("trajectory"))
_OF_ALL = tuple(each.id for each in of_targets("all"))


def _indicator(value: str) -> str:
    if value not in INDICATORS:
        raise FieldError("no-such-indicator", f"no such indicator; known: {', '.join(INDICATORS)}", known=tuple(INDICATORS))
    return value


class TargetDecision(Model):
    """The body that adopted a target, the day, and the SHA-256 of the minutes."""

    body: Slug | None = None
    date: Day | None = None
    minutes_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class TargetBaseline(Model):
    """The reference of a trajectory."""

    quarters: Annotated[tuple[QuarterText, ...], Field(min_length=1)]
    boundary: Text | None = None


class Target(Model):
    """A promise for all services or for one: a threshold at a deadline (``op``, ``value``, ``deadline``) or a trajectory
    (``baseline``, ``reduction``, ``horizon``).

    A threshold on ``budget`` names the ``trajectory`` whose budget it is of, by the id of its target.
    """

    id: Slug
    indicator: Annotated[str, AfterValidator(_indicator)]
    service: Slug | None = None
    trajectory: Slug | None = None
    op: Literal[">=", "<="] | None = None
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    deadline: QuarterText | None = None
    baseline: TargetBaseline | None = None
    reduction: Share | None = None
    horizon: Annotated[int, Field(ge=2000, le=2200)] | None = None
    status: Literal["proposed", "adopted"] = "proposed"
    decision: TargetDecision | None = None
    # Read and not used: earlier catalogues hold it, and what an interval that holds the value decides is the method's.
    verdict_if_interval_straddles: Literal["inconclusive"] = "inconclusive"

    @property
    def is_trajectory(self) -> bool:
        """Whether this is a reduction against a baseline, rather than a threshold."""
        return self.baseline is not None

    @model_validator(mode="after")
    def _check_shape(self) -> Target:
        threshold = (self.op, self.value, self.deadline)
        trajectory = (self.baseline, self.reduction, self.horizon)
        shapes = tuple(sum(part is not None for part in shape) for shape in (threshold, trajectory))
        if shapes not in ((3, 0), (0, 3)):
            raise FieldError(
                "threshold-or-trajectory",
                "write either op, value, deadline (a threshold) or baseline, reduction, horizon (a trajectory)",
            )
        if self.value is not None and INDICATORS[self.indicator] == "1" and self.value > 1:
            raise FieldError(
                "share-above-one",
                f"{self.indicator} is a share: write value between 0 and 1, e.g. 0.90 for 90 %",
                at="value",
                value=self.value,
            )
        if self.is_trajectory and self.indicator not in ADDS_UP:
            raise FieldError(
                "ratio-without-budget",
                f"{self.indicator} is a ratio and does not add up over quarters, so it has no budget: write op, value, deadline "
                f"(a threshold), or set the trajectory on one of {', '.join(ADDS_UP)}",
                at="indicator",
            )
        if self.indicator in PER_SERVICE and self.service is None:
            raise FieldError(
                "service-needed", f"{self.indicator} is per unit of one service: add 'service' with its id", at="service"
            )
        if (self.indicator in _OF_TRAJECTORIES) != (self.trajectory is not None):
            raise FieldError(
                "trajectory-or-not",
                f"{', '.join(_OF_TRAJECTORIES)} is of a trajectory, and nothing else is: write 'trajectory' with the id of "
                "its target there, and there only",
                at="trajectory",
            )
        if self.indicator in (*_OF_ALL, *_OF_TRAJECTORIES) and self.service is not None:
            of = "a trajectory" if self.indicator in _OF_TRAJECTORIES else "all services"
            raise FieldError("service-unwanted", f"{self.indicator} is judged for {of}: leave 'service' out", at="service")
        if self.status == "adopted":
            decision = self.decision or TargetDecision()
            lacking = [name for name in ("body", "date", "minutes_sha256") if getattr(decision, name) is None]
            if lacking:
                needed = ", ".join(f"decision.{name}" for name in lacking)
                raise FieldError(
                    "decision-lacking",
                    f"an adopted target needs its decision: give {needed}, or write status: proposed",
                    at=f"decision.{lacking[0]}",
                    fields=tuple(f"decision.{name}" for name in lacking),
                )
        return self


class RecalculationPolicy(Model):
    """The relative change of a published total from which a quarter is restated."""

    threshold: Share = 0.05


class TargetsFile(Model):
    """``targets.yaml``."""

    targets: tuple[Target, ...] = ()
    recalculation: RecalculationPolicy = RecalculationPolicy()

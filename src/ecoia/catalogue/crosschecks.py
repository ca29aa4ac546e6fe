"""``crosschecks.yaml``: results of holding the records of hosts against their power at the wall."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ecoia.catalogue.fields import Day, Model, QuarterText, Slug, Text

CROSSCHECKS_FILE = "crosschecks.yaml"


class KeptCrosscheck(Model):
    """One host and quarter, as ``ecoia crosscheck --keep`` writes it. With the series and the journal, anybody finds it again.

    Attributes:
        instance: The host's instance.
        quarter: The quarter.
        hours: Hours that were compared.
        missing_hours: Hours of the time compared that could not be: a gap of the series, or nobody measured.
        ratio: Geometric mean of the wall's energy over what is recorded of the hour (claimed and unclaimed).
        gsd: Geometric standard deviation of these ratios.
        low_hours: Hours in which the ratio was below 0.9.
        high_hours: Hours in which it was above 2.5.
        series: Name of the series' file.
        sha256: Its digest.
        date: Day of the comparison.
    """

    instance: Slug
    quarter: QuarterText
    hours: Annotated[int, Field(ge=2)]
    missing_hours: Annotated[int, Field(ge=0)]
    ratio: Annotated[float, Field(gt=0, le=1000)]
    gsd: Annotated[float, Field(ge=1, le=1000)]
    low_hours: Annotated[int, Field(ge=0)]
    high_hours: Annotated[int, Field(ge=0)]
    series: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    date: Day


class CrosschecksFile(Model):
    """``crosschecks.yaml``."""

    crosschecks: tuple[KeptCrosscheck, ...] = ()

"""Parameters of an assessment: everything that an impact depends on, apart from the recorded energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from ecoia.catalogue.error_widths import GSD
from ecoia.factors import FactorSet

if TYPE_CHECKING:  # importing the catalogue's models costs pydantic
    from ecoia.catalogue import Calibration, Contract, HostedFactor, Site


@dataclass(frozen=True)
class AssessmentParameters:
    """Parameters that turn recorded energy into an impact.

    Attributes:
        factors: Emission factors of one scope and basis, in gCO2e per kWh.
        zone: Where the electricity was used, for rows that did not record it. None: not known.
        pue: Declared power usage effectiveness of instances that are in none of ``sites``. None: not known, so their figures
            cover IT equipment only.
        timezone: Civil time in which a row's day is taken.
        calibrations: Wall factors of the site. At most one covers a component of an instance on a day. They apply to
            counters and models of components, not to energy that was declared or is at the wall already (``methods.AT_WALL``).
        sites: Where instances are, with zone, PUE, WUE and water factor. An instance is in one site at most. On a day for
            which its site has no PUE, its figures cover IT equipment only, whatever ``pue`` is.
        contracts: Contracted electricity. Together they cover a use once at most; the rest has the factor of its zone.
        gsd: Geometric standard deviations, one for each name of ``catalogue.error_widths.GSD``.
        hosted_factors: What calls to hosted models take, as their providers say. The others are asked of EcoLogits.

    Raises:
        FactorError: ``zone`` is not a zone of ``factors``, or ``factors`` hold several scopes or bases.

    Example:
        >>> from ecoia.factors import default_factors
        >>> AssessmentParameters(default_factors(), zone="FRA", pue=1.3).zone
        'FRA'
    """

    factors: FactorSet
    zone: str | None = None
    pue: float | None = None
    timezone: tzinfo = UTC
    calibrations: Sequence[Calibration] = ()
    sites: Sequence[Site] = ()
    contracts: Sequence[Contract] = ()
    gsd: Mapping[str, float] = field(default_factory=lambda: GSD)
    hosted_factors: Sequence[HostedFactor] = ()

    def __post_init__(self) -> None:
        """Refuse a zone without a factor."""
        if self.zone is not None:
            self.factors.check(self.zone)

    def site_of(self, instance: str) -> Site | None:
        """Return the site that an instance is in; None where it is in none."""
        index = self.site_index(instance)
        return self.sites[index] if index >= 0 else None

    def site_index(self, instance: str) -> int:
        """Return the index in ``sites`` of the site that an instance is in; -1 where it is in none."""
        return next((index for index, site in enumerate(self.sites) if site.holds(instance)), -1)

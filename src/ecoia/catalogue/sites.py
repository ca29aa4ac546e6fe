"""``sites.yaml``: the buildings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, Model, Patterns, Slug, Text, Zone
from ecoia.instances import fits, instance_of_site

SITES_FILE = "sites.yaml"


class SiteFigure(Model):
    """A figure of a site over some civil days (half-open, in the organisation's time zone), with its source."""

    value: float
    quality: Literal["measured", "declared", "default"]
    start: Annotated[Day | None, Field(alias="from")] = None
    until: Day | None = None
    source: Text
    date: Day

    @property
    def days(self) -> tuple[Day, Day]:
        """The first day on which it holds, and the first on which it no longer does."""
        return self.start or date.min, self.until or date.max

    @model_validator(mode="after")
    def _check_days(self) -> SiteFigure:
        if self.days[1] <= self.days[0]:
            raise ValueError("'until' is the first day on which it no longer holds: write a day after 'from'")
        return self


class Pue(SiteFigure):
    """Power usage effectiveness: energy of the building over energy of its IT equipment."""

    value: Annotated[float, Field(ge=1, le=5, allow_inf_nan=False)]


class WaterFigure(SiteFigure):
    """Litres consumed per kWh of IT energy (WUE), or per kWh of electricity (water factor of the mix)."""

    value: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class Site(Model):
    """A building and the instances in it. ``operated``: by the organisation itself (``own``) or by a host (``hosted``)."""

    id: Slug
    name: Text | None = None
    instances: Patterns
    operated: Literal["own", "hosted"] | None = None
    zone: Zone | None = None
    pue: tuple[Pue, ...] = ()
    wue: tuple[WaterFigure, ...] = ()
    water_factor: tuple[WaterFigure, ...] = ()

    def holds(self, instance: str) -> bool:
        """Return whether an instance is in it. Activity that was declared for the site as a whole is."""
        return instance == instance_of_site(self.id) or fits(instance, self.instances)

    def figure_indexes(self, day: Day, index: int) -> tuple[int, int, int, int]:
        """Return the indexes of the figures that hold on a day.

        Args:
            day: Civil day in the organisation's time zone.
            index: Index of this site among all.

        Returns:
            ``index``, then the index of the day's PUE, WUE and water factor; -1: none.
        """

        def found(figures: Sequence[SiteFigure]) -> int:
            return next((at for at, figure in enumerate(figures) if figure.days[0] <= day < figure.days[1]), -1)

        return index, found(self.pue), found(self.wue), found(self.water_factor)


class SitesFile(Model):
    """``sites.yaml``."""

    sites: tuple[Site, ...] = ()

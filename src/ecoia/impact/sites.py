"""Sites: the PUE, WUE and water factor that apply to a cell, and the figures of the catalogue that they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing the catalogue's models costs pydantic
    from ecoia.catalogue import Site, SiteFigure

FigureIndexes = tuple[int, int, int, int]
"""Indexes of a site, and of its PUE, WUE and water factor of a day; -1: none (see ``Site.figure_indexes``)."""

NO_SITE: FigureIndexes = (-1, -1, -1, -1)


@dataclass(frozen=True)
class SiteRatios:
    """The figures of a site on some day.

    Attributes:
        site: Id of the site; empty for instances in none.
        pue: Power usage effectiveness. None: not known.
        pue_quality: How the PUE was obtained: ``measured``, ``declared`` or ``default``.
        wue: Litres consumed on site per kWh of IT energy. None: not known.
        water_factor: Litres consumed upstream per kWh of electricity. None: not known.
    """

    site: str
    pue: float | None
    pue_quality: str
    wue: float | None
    water_factor: float | None

    @property
    def pue_error(self) -> str:
        """Name of the error that everything behind this PUE shares."""
        return f"pue:{self.site}:{self.pue_quality}"


def site_ratios(indexes: FigureIndexes, sites: Sequence[Site], pue: float | None) -> SiteRatios:
    """Return the figures that some indexes stand for.

    Args:
        indexes: A site and its figures.
        sites: The sites that the indexes count in.
        pue: The declared PUE of instances in no site. None: not known.

    Example:
        >>> site_ratios(NO_SITE, (), 1.3).pue
        1.3
    """
    index, *chosen = indexes
    if index < 0:
        return SiteRatios("", pue, "declared", None, None)
    site = sites[index]
    figures = [None if at < 0 else listed[at] for at, listed in zip(chosen, (site.pue, site.wue, site.water_factor), strict=True)]
    values = [None if figure is None else figure.value for figure in figures]
    return SiteRatios(site.id, values[0], figures[0].quality if figures[0] else "declared", values[1], values[2])


def figures_used(applied: Iterable[FigureIndexes], sites: Sequence[Site]) -> tuple[tuple[str, SiteFigure], ...]:
    """Return each figure that applied, once, with the id of its site, in the catalogue's order."""
    chosen = {(index, kind, at) for index, *figures in applied for kind, at in enumerate(figures) if at >= 0}
    return tuple(
        (sites[index].id, (sites[index].pue, sites[index].wue, sites[index].water_factor)[kind][at])
        for index, kind, at in sorted(chosen)
    )

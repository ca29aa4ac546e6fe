"""The sheets: what one page says of a service to whoever uses it or is asked about it, and of a region.

``unit_impact`` computes what one use costs, ``service`` and ``region`` word the two kinds of sheet, on ``sheet``. The format that
writes them is ``ecoia_dashboards.fiches``.
"""

from __future__ import annotations

from ecoia_dashboards.fiche.region import RegionSheet
from ecoia_dashboards.fiche.service import ServiceSheet
from ecoia_dashboards.fiche.sheet import Sheet

__all__ = ["RegionSheet", "ServiceSheet", "Sheet"]

"""The parameters of the CO2e that runs show."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from ecoia.factors import default_factors, in_use
from ecoia.impact.parameters import AssessmentParameters
from ecoia.settings import Settings


def read_knowledge(settings: Settings, folder: str | None) -> AssessmentParameters:
    """Return the parameters of CO2e: those of the report, so that a run's page and the report agree.

    Args:
        settings: ``zone``, ``pue`` and ``timezone`` are used.
        folder: The catalogue; ``None``: the settings and the default emission factors alone.

    Raises:
        CatalogueError: the catalogue is wrong.
        FactorError: the zone has no emission factor.
    """
    timezone = ZoneInfo(settings.timezone)
    if folder is None:
        return AssessmentParameters(default_factors(timezone), settings.zone, settings.pue, timezone)
    from ecoia import catalogue  # loads pydantic, which the helper does without otherwise

    found = catalogue.load(folder)
    factors = in_use(found.factors, folder, timezone)
    return AssessmentParameters(
        factors, settings.zone, settings.pue, timezone, found.calibrations, found.sites, found.contracts, found.gsd
    )

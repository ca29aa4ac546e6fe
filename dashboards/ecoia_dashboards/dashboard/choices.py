"""What the filters of a page offer: values that exist, each in words."""

from __future__ import annotations

from collections.abc import Mapping

from ecoia.exploring import Selection
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import STATUSES
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import PHASES, SERVICE_STATUSES
from ecoia_dashboards.wording import STATUSES as ORIGINS

FILTERS = ("service", "phase", "site", "region", "instance", "method", "status", "q")
"""The filters of pages that list services."""


def choices(reading: Reading, language: Language) -> dict[str, list[tuple[str, str]]]:
    """List the values of each filter that the page offers.

    Args:
        reading: The data at an address.
        language: Language of the words.

    Returns:
        By filter, each value with its words; a filter that nothing could be chosen in is left out.

    Example:
        >>> choices(reading, Language("fr"))["method"][0]  # doctest: +SKIP
        ('measured', 'mesuré')
    """
    report = reading.report
    days = Selection(reading.period.first_day, reading.period.until_day)
    phases = reading.explorer.energies(days, "phase")
    found: Mapping[str, list[tuple[str, str]]] = {
        "service": sorted(((id_, name) for id_, name in reading.names.items() if reading.may_see(id_)), key=lambda each: each[1]),
        "phase": [(phase, language.t(words)) for phase, words in PHASES.items() if phase in phases],
        "site": [(site.id, site.name or site.id) for site in report.sites if site.id],
        "region": [(region, region) for region in sorted({each.region for each in report.regions if each.region})],
        "instance": [(name, clean(name)) for name in reading.explorer.energies(days, "instance") if name],
        "method": [(status, language.of(ORIGINS, status)) for status in STATUSES],
        "status": [(status, language.t(words)) for status, words in SERVICE_STATUSES.items()],
    }
    return {name: values for name, values in found.items() if values}

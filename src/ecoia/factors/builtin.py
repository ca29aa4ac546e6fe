"""Sets that need no import: codecarbon's table; a few figures of Ember; and both together as the default."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path

from ecoia.factors.files import parse
from ecoia.factors.model import LIFECYCLE, PRODUCTION, Factor, FactorSet
from ecoia.factors.zones import codecarbon_table
from ecoia.periods import utc_ns
from ecoia.semconv import CODECARBON_RELEASE

DEFAULT, CODECARBON, EMBER = "default", "codecarbon", "ember"

_EMBER_TABLE = "ember.csv"


@cache
def default_factors(timezone: tzinfo = UTC) -> FactorSet:
    """Return Ember's figures for the zones of our own table, and codecarbon's for all others.

    All years of a zone come from one edition. Ember revises past years (France 2023: 56.04 g/kWh in the edition that codecarbon
    3.3.2 carries, 53.26 two editions later), and a difference between editions would look like a change of the grid.

    Args:
        timezone: Civil time in which years begin and end.

    Example:
        >>> default_factors().zones()[:2]
        ('ABW', 'AFG')
    """
    ours, others = ember_factors(timezone), codecarbon_factors(timezone)
    return FactorSet(
        (*ours.factors, *(factor for factor in others.factors if factor.zone not in ours.zones())),
        id=DEFAULT,
        version=f"ember {ours.version}, codecarbon {others.version}",
        title=f"Ember {ours.version} for {', '.join(ours.zones())}; codecarbon {others.version} for the other zones",
        timezone=timezone,
    )


@cache
def ember_factors(timezone: tzinfo = UTC) -> FactorSet:
    """Return our own small table. Its file names source, edition and licence.

    Args:
        timezone: Civil time in which years begin and end.

    Example:
        >>> ember_factors().zones()
        ('FRA',)
    """
    return parse(Path(__file__).with_name(_EMBER_TABLE).read_bytes(), _EMBER_TABLE, timezone)


@cache
def codecarbon_factors(timezone: tzinfo = UTC) -> FactorSet:
    """Return the table that codecarbon carries: the latest year of each country (France: 2023, 56.04 g/kWh).

    codecarbon's file names no source. Its maintainers generate it from Our World in Data's energy data set, whose
    ``carbon_intensity_elec`` (life cycle, of what is generated in the country) comes from Ember, under CC BY 4.0.

    Args:
        timezone: Civil time in which years begin and end.

    Example:
        >>> codecarbon_factors().pairs
        (('lifecycle', 'production'),)
    """
    release = CODECARBON_RELEASE
    return FactorSet(
        (
            Factor(
                zone=zone,
                start_utc_ns=_new_year(year, timezone),
                end_utc_ns=_new_year(year + 1, timezone),
                value_g_per_kwh=value,
                scope=LIFECYCLE,
                basis=PRODUCTION,
                source="Our World in Data, from Ember (yearly electricity data), as carried by codecarbon",
                licence="CC BY 4.0",
                release=f"codecarbon {release}",
                factor_set=f"codecarbon-{release}",
            )
            for zone, (year, value) in codecarbon_table().items()
        ),
        id=CODECARBON,
        version=release,
        title="The latest year of each country, as carried by codecarbon",
        timezone=timezone,
    )


def _new_year(year: int, timezone: tzinfo) -> int:
    return utc_ns(datetime(year, 1, 1, tzinfo=timezone))


BUILT_IN = {DEFAULT: default_factors, CODECARBON: codecarbon_factors, EMBER: ember_factors}
"""By id, the function that returns the set for a time zone."""

"""Tables of a quarter's file, and how integers beyond 64 bits are kept in them."""

from __future__ import annotations

SCHEMA = 6
"""Changes whenever the tables do: older files are then filled anew."""

_LOW_BITS = 40
_LOW = (1 << _LOW_BITS) - 1

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE answers (by TEXT PRIMARY KEY, parts BLOB) WITHOUT ROWID;
CREATE TABLE factor_uses (id INTEGER PRIMARY KEY, uses TEXT, least INTEGER, greatest INTEGER);
CREATE TABLE keys (
  id INTEGER PRIMARY KEY, service TEXT, phase TEXT, component TEXT, status TEXT, name TEXT, zone TEXT, factor_use INTEGER,
  calibration INTEGER, site INTEGER, pue INTEGER, wue INTEGER, water INTEGER, contracts TEXT
);
CREATE TABLE hours (
  key INTEGER, instance TEXT, kind TEXT, simulated INTEGER, day INTEGER, hour INTEGER,
  low INTEGER, high INTEGER, emitted_low INTEGER, emitted_high INTEGER,
  PRIMARY KEY (key, instance, kind, simulated, day, hour)
) WITHOUT ROWID;
CREATE TABLE days (
  key INTEGER, instance TEXT, kind TEXT, simulated INTEGER, day INTEGER,
  low INTEGER, high INTEGER, emitted_low INTEGER, emitted_high INTEGER,
  PRIMARY KEY (key, instance, kind, simulated, day)
) WITHOUT ROWID;
CREATE TABLE wholes (
  key INTEGER, instance TEXT, kind TEXT, simulated INTEGER,
  low INTEGER, high INTEGER, emitted_low INTEGER, emitted_high INTEGER,
  PRIMARY KEY (key, instance, kind, simulated)
) WITHOUT ROWID;
CREATE TABLE hosts (
  component TEXT, status TEXT, name TEXT, zone TEXT, site INTEGER, service TEXT, phase TEXT, instance TEXT, devices TEXT,
  low INTEGER, high INTEGER
);
CREATE TABLE work_days (
  run TEXT, version TEXT, key INTEGER, instance TEXT, simulated INTEGER, day INTEGER,
  low INTEGER, high INTEGER, emitted_low INTEGER, emitted_high INTEGER,
  PRIMARY KEY (run, version, key, instance, simulated, day)
) WITHOUT ROWID;
CREATE TABLE counts (
  service TEXT, phase TEXT, site INTEGER, instance TEXT, day INTEGER, kind TEXT, simulated INTEGER, statuses INTEGER,
  spans INTEGER, cpu_low INTEGER, cpu_high INTEGER, units INTEGER, accepted INTEGER
);
CREATE TABLE tokens (
  service TEXT, phase TEXT, site INTEGER, instance TEXT, day INTEGER, statuses INTEGER, simulated INTEGER,
  provider TEXT, model TEXT, metered INTEGER, tokens_in INTEGER, tokens_out INTEGER, rows INTEGER,
  requests INTEGER, uncounted_out INTEGER, cached_in INTEGER, cached_untold_in INTEGER,
  reasoning INTEGER, reasoning_untold_out INTEGER
);
CREATE TABLE hypotheses (provider TEXT, model TEXT, found TEXT, PRIMARY KEY (provider, model)) WITHOUT ROWID;
CREATE TABLE shares (equipment TEXT, service TEXT, phase TEXT, micrograms INTEGER);
CREATE TABLE undescribed (service TEXT, phase TEXT, instance TEXT);
CREATE TABLE grid (zone TEXT, day INTEGER, hour INTEGER, micrograms INTEGER, half_hours INTEGER, PRIMARY KEY (zone, day, hour))
  WITHOUT ROWID;
CREATE TABLE changes (reference TEXT PRIMARY KEY, change BLOB) WITHOUT ROWID;
CREATE TABLE run_ends (service TEXT, phase TEXT, run TEXT, outcome TEXT, quality TEXT, PRIMARY KEY (service, phase, run))
  WITHOUT ROWID;
CREATE TABLE rows (
  id INTEGER PRIMARY KEY, half_hour INTEGER, day INTEGER, service TEXT, phase TEXT, site INTEGER, instance TEXT, kind TEXT,
  simulated INTEGER, run TEXT, version TEXT, units INTEGER, start INTEGER, end INTEGER, statuses INTEGER,
  cpu INTEGER, cpu_status INTEGER, gpu INTEGER, gpu_status INTEGER, ram INTEGER, ram_status INTEGER, content BLOB
);
CREATE INDEX rows_of_service ON rows (service, day);
CREATE INDEX rows_of_run ON rows (run) WHERE run IS NOT NULL;
"""

STATUS_BITS = {"measured": 1, "estimated": 2, "declared": 4, "missing": 8}
"""Statuses of methods, as the bits of a number."""


def limbs(number: int) -> tuple[int, int]:
    """Split an integer into a low and a high part, so that sums of millions of parts hold in 64 bits.

    Example:
        >>> from_limbs(*limbs(10**25)) == 10**25
        True
    """
    return number & _LOW, number >> _LOW_BITS


def from_limbs(low: int, high: int) -> int:
    """Join what ``limbs`` split, or the sums of several."""
    return (high << _LOW_BITS) + low


def sum_of(column: str) -> str:
    """Return the SQL of the low and the high part of the sum of a column of 64-bit integers, 0 or more."""
    return f"coalesce(sum({column} & {_LOW}), 0), coalesce(sum({column} >> {_LOW_BITS}), 0)"

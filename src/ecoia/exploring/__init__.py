"""Stub until the store is here."""
from __future__ import annotations
import pickle
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from ecoia.periods import Quarter
from ecoia.report import Headline, Quantity, QuarterlyReport

@dataclass(frozen=True)
class Selection:
    first_day: date
    until_day: date
    services: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    region: str | None = None
    instances: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    @property
    def quarter(self):
        q = Quarter.of_date(self.first_day)
        return q if (q.first_day(), q.shift(1).first_day()) == (self.first_day, self.until_day) else None

@dataclass(frozen=True)
class Selected:
    microjoules: int
    energy: Quantity
    headline: Headline
    idle_microjoules: int = 0

@dataclass(frozen=True)
class State:
    quarters: tuple[str, ...]
    organisation: str
    timezone: str = "Europe/Paris"
    source: str = "journal"
    filled_utc: str = "2026-10-01T00:00:00Z"
    data_until_utc: str = "2026-09-30T22:00:00Z"
    digest: str = "0123456789abcdef"
    away: str | None = None
    away_since_utc: str | None = None
    progress: tuple[int, int, str] | None = None
    gaps: int = 0
    hints: tuple[str, ...] = ()

class Explorer:
    def __init__(self, folder: Path) -> None:
        self._reports: dict[str, QuarterlyReport] = pickle.loads(folder.read_bytes())
        self.state = State(tuple(self._reports), next(iter(self._reports.values())).organisation)
    def report(self, quarter): return self._reports[quarter]
    def catalogue(self):
        from ecoia.catalogue import Catalogue
        return Catalogue()
    def selected(self, selection):
        r = self._reports[str(selection.quarter)]
        return Selected(r.totals.energy_components_microjoules, r.totals.energy, r.headline)
    def parts(self, selection, by):
        r = self._reports[str(selection.quarter)]
        return {e.id: Selected(e.energy_components_microjoules or 0, e.energy, e.headline, e.idle_microjoules) for e in r.register}
    def change(self, now, before):
        class C: pass
        c = C(); c.energy = self._reports[str(now.quarter)].changes[0].energy; return c

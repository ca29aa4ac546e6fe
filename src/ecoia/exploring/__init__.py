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

    def only(self, **filters):
        from dataclasses import replace
        return replace(self, **filters)
    @property
    def filtered(self):
        return self.region is not None or any((self.services, self.phases, self.sites, self.instances, self.statuses))

N = Quantity(None, "kgCO2e", reason="no-data")

@dataclass(frozen=True)
class Selected:
    microjoules: int
    energy: Quantity
    headline: Headline
    idle_microjoules: int = 0
    by_status_microjoules: dict[str, int] = field(default_factory=dict)
    units: float | None = None
    energy_per_unit: Quantity = Quantity(None, "Wh", reason="no-units")
    simulated: bool = False
    by_component_microjoules: dict[str, int] = field(default_factory=dict)
    co2e_api: Quantity = N

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

@dataclass(frozen=True)
class Change:
    energy: Quantity
    energy_it: Quantity
    co2e: Quantity

class Explorer:
    def __init__(self, folder: Path) -> None:
        self._reports: dict[str, QuarterlyReport] = pickle.loads(folder.read_bytes())
        self.state = State(tuple(self._reports), next(iter(self._reports.values())).organisation)
    def report(self, quarter): return self._reports[quarter]
    def catalogue(self):
        import tempfile
        from ecoia.catalogue import load
        import ecoia
        return load(Path(ecoia.__file__).parents[2] / "tests/support/large_organisation/catalogue")
    def selected(self, selection):
        r = self._reports.get(str(selection.quarter))
        if r is None:
            return Selected(0, Quantity(None, "kWh", reason="no-data"), Headline())
        if selection.services:
            parts = self.parts(selection, "service")
            if len(selection.services) == 1 and selection.services[0] in parts:
                return parts[selection.services[0]]
            e = sum(p.energy.value or 0 for p in parts.values())
            c = sum(p.headline.co2e.value or 0 for p in parts.values())
            return Selected(sum(p.microjoules for p in parts.values()), Quantity(e, "kWh", e*.8, e*1.4), Headline(Quantity(c, "kgCO2e", c*.8, c*1.4)))
        return Selected(r.totals.energy_components_microjoules, r.totals.energy, r.headline)
    def parts(self, selection, by):
        r = self._reports.get(str(selection.quarter))
        if r is None:
            return {}
        keep = lambda s: not selection.services or s in selection.services
        if by == "service":
            found = {}
            for e in r.register:
                if not keep(e.id) or e.energy_components_microjoules is None:
                    continue
                res = [x for x in r.results if x.service == e.id]
                status = {}
                for x in res:
                    for m in x.measure.methods:
                        status[m.status] = status.get(m.status, 0) + m.microjoules
                serving = [x for x in res if x.units]
                found[e.id] = Selected(e.energy_components_microjoules or 0, e.energy, e.headline, e.idle_microjoules, status, serving[0].units if serving else None, serving[0].energy_per_unit if serving else Quantity(None, "Wh", reason="no-units"))
            if not selection.services:
                rest = r.totals.energy_components_microjoules - sum(x.microjoules for x in found.values())
                whole = r.totals.energy.value - sum(x.energy.value or 0 for x in found.values())
                found[""] = Selected(rest, Quantity(whole, "kWh"), Headline())
            return found
        if by == "phase":
            return {x.phase: Selected(x.measure.energy_components_microjoules, x.measure.energy, Headline(x.measure.co2e)) for x in r.results if keep(x.service)}
        return {f"{x.service}/{x.phase}": Selected(x.measure.energy_components_microjoules, x.measure.energy, Headline(x.measure.co2e)) for x in r.results if keep(x.service)}
    def explained(self, now, before):
        from ecoia.report import QuarterChange
        for c in self._reports[str(now)].changes:
            if c.reference == str(before): return c
        return QuarterChange("", str(before), reason="not-computed")
    def change(self, now, before):
        if now.quarter and before.quarter:
            c = self.explained(now.quarter, before.quarter)
            if len(now.services) == 0: return Change(c.energy, c.energy_it, c.total.relative if c.total else Quantity(None,"1",reason=c.reason))
            for l in c.services:
                if l.explained.service in now.services: return Change(l.energy, l.energy, l.relative)
        n = Quantity(None, "1", reason="not-computed")
        return Change(n, n, n)

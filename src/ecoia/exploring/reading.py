"""Read a quarter's file: what of it a selection lets through."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from ecoia.exploring.gathering import Counts, Gathered
from ecoia.exploring.kept_text import unpacked
from ecoia.exploring.selection import Selected, Selection
from ecoia.exploring.tables import STATUS_BITS, from_limbs
from ecoia.factors import FactorUse
from ecoia.impact.embodied import EmbodiedShare
from ecoia.impact.energy_cells import CellKey
from ecoia.impact.hosted import TokenCounts, TokenKey
from ecoia.impact.hosted_estimates import Hypotheses
from ecoia.impact.ledger_sums import Bearer
from ecoia.impact.shared_hosts import Reading, SharedHosts
from ecoia.periods import Quarter
from ecoia.report import QuarterChange, QuarterlyReport

_NO_SITE, _UNKNOWN_SITE = -1, -2
_BY_CELL: dict[str, Callable[[CellKey], Any]] = {
    "service": lambda key: key.service,
    "phase": lambda key: key.phase,
    "bearer": lambda key: f"{key.service}/{key.phase}",
    "site": lambda key: key.site_figures[0],
    "status": lambda key: key.status,
    "component": lambda key: key.component,
    "method": lambda key: f"{key.status} {key.name}",
    "zone": lambda key: key.zone,
}
_BY_ROW = {"service": "service", "phase": "phase", "bearer": "service || '/' || phase", "site": "site"} | {
    name: name for name in ("instance", "day")
}
"""The SQL of what rows, and so counts and tokens, are split by; the other dimensions split energy alone."""


class Where:
    """The condition of a selection on rows of one quarter, as SQL with its parameters.

    Args:
        selection: What is looked at.
        quarter: The quarter.
        sites: Index of each site of the catalogue, by id.
    """

    def __init__(self, selection: Selection, quarter: Quarter, sites: Mapping[str, int]) -> None:
        self._selection = selection
        first, until = quarter.first_day(), quarter.shift(1).first_day()
        self.whole = selection.first_day <= first and until <= selection.until_day
        self.days = max(selection.first_day, first).toordinal(), min(selection.until_day, until).toordinal()
        self.sites = tuple(sites.get(site, _UNKNOWN_SITE) if site else _NO_SITE for site in selection.sites)
        self.statuses = sum(STATUS_BITS[status] for status in selection.statuses)

    def lets_through(self, key: CellKey) -> bool:
        """Return whether a cell passes all filters but those of day and instance."""
        chosen = self._selection
        return (
            (not chosen.services or key.service in chosen.services)
            and (not chosen.phases or key.phase in chosen.phases)
            and (not self.sites or key.site_figures[0] in self.sites)
            and (not chosen.statuses or key.status in chosen.statuses)
        )

    def when_and_where(self, *, with_days: bool) -> tuple[list[str], list[Any]]:
        """Return the conditions of day, instance and run."""
        conditions, parameters = ["TRUE"], list[Any]()
        if with_days and not self.whole:
            conditions.append("day >= ? AND day < ?")
            parameters += self.days
        _is_in("instance", self._selection.instances, conditions, parameters)
        _is_in("run", self._selection.runs, conditions, parameters)
        return conditions, parameters

    @property
    def of_runs(self) -> bool:
        """Whether runs are chosen, whose energy is apart by day alone."""
        return bool(self._selection.runs)

    def of_rows(self) -> tuple[str, list[Any]]:
        """Return the condition on rows, counts and tokens."""
        conditions, parameters = self.when_and_where(with_days=True)
        _is_in("service", self._selection.services, conditions, parameters)
        _is_in("phase", self._selection.phases, conditions, parameters)
        _is_in("site", self.sites, conditions, parameters)
        if self.statuses:
            conditions.append(f"statuses & {self.statuses}")
        return " AND ".join(conditions), parameters


def _is_in(column: str, values: Sequence[Any], conditions: list[str], parameters: list[Any]) -> None:
    if values:
        conditions.append(f"{column} IN ({','.join('?' * len(values))})")
        parameters += values


class QuarterFile:
    """A quarter's file, open for reading. Several threads may use it.

    Args:
        path: The file.
        quarter: Its quarter.
        sites: Ids of the catalogue's sites, in its order.

    Raises:
        OSError: the file is not there.
    """

    def __init__(self, path: Path, quarter: Quarter, sites: Sequence[str]) -> None:
        path.stat()
        self.quarter = quarter
        self._sites = sites
        self._site_index = {site: index for index, site in enumerate(sites)}
        self._lock = threading.Lock()
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"  # nobody writes it once it has its name
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all lines of a query."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def where(self, selection: Selection) -> Where:
        """Return the condition of a selection on this quarter."""
        return Where(selection, self.quarter, self._site_index)

    @cached_property
    def _meta(self) -> dict[str, Any]:
        return dict(self.query("SELECT name, value FROM meta WHERE name != 'report'"))

    def report(self) -> QuarterlyReport:
        """Read the quarter's report."""
        ((content,),) = self.query("SELECT value FROM meta WHERE name = 'report'")
        report: QuarterlyReport = unpacked(QuarterlyReport, content)
        return report

    def answer(self, by: str) -> dict[str, Selected]:
        """Read the figures of the whole quarter, split by a dimension ("": not at all), that were computed beforehand."""
        found = self.query("SELECT parts FROM answers WHERE by = ?", [by])
        return unpacked(dict[str, Selected], found[0][0]) if found else {}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def change(self, reference: Quarter) -> QuarterChange | None:
        """Read the change against an earlier quarter; None where it was not explained."""
        found = self.query("SELECT change FROM changes WHERE reference = ?", [str(reference)])
        return unpacked(QuarterChange, found[0][0]) if found else None

    @cached_property
    def keys(self) -> dict[int, CellKey]:
        """Every cell key by its number in this file."""
        lines = self.query("SELECT * FROM keys")
        return {line[0]: CellKey(*line[1:9], tuple(line[9:13]), tuple(json.loads(line[13]))) for line in lines}  # type: ignore[call-arg]

    @cached_property
    def factor_uses(self) -> list[tuple[FactorUse, tuple[int, int]]]:
        """The uses of factors that the cell keys count in, with their lowest and highest factor."""
        lines = self.query("SELECT uses, least, greatest FROM factor_uses ORDER BY id")
        return [(FactorUse(*json.loads(use)), (least, greatest)) for use, least, greatest in lines]

    @cached_property
    def asked(self) -> dict[tuple[str, str], Hypotheses | str]:
        """What was found of each hosted model, by provider and model."""
        lines = self.query("SELECT * FROM hypotheses")
        found = {(provider, model): json.loads(text) for provider, model, text in lines}
        return {
            key: each if isinstance(each, str) else Hypotheses(**{**each, "warnings": tuple(each["warnings"])})
            for key, each in found.items()
        }

    @cached_property
    def hosts(self) -> SharedHosts:
        """Which hosts bearers were on."""
        found = SharedHosts()
        for *reading, service, phase, instance, devices, low, high in self.query("SELECT * FROM hosts"):
            host = instance, tuple(json.loads(devices))
            found.add(Reading(*reading), (service or None, phase), host, from_limbs(low, high))
        return found

    @cached_property
    def language_models(self) -> frozenset[Bearer]:
        """Bearers that served a language model on our own cards."""
        lines = self.query("SELECT DISTINCT service, phase FROM tokens WHERE metered")
        return frozenset((service or None, phase) for service, phase in lines)

    def energy(self, table: str, where: Where, columns: Sequence[str], *, also: str = "", summed: bool = True) -> list[Any]:
        """Return the energy of cells that a selection lets through.

        Args:
            table: ``wholes``, ``days``, ``hours`` or ``work_days``. Where runs are chosen, it is ``work_days``.
            where: The condition of the selection.
            columns: Columns of the table that the sums are apart by.
            also: Further sums to return, as SQL.
            summed: Whether lines of equal cell and columns are added up.

        Returns:
            Lines of the number of a cell key, the columns, ``also``, and the limbs of the energy and of the emissions.
        """
        chosen = [number for number, key in self.keys.items() if where.lets_through(key)]
        table = "work_days" if where.of_runs else table
        conditions, parameters = where.when_and_where(with_days=table != "wholes")
        if len(chosen) < len(self.keys):
            conditions.append(f"key IN ({','.join(map(str, chosen))})")
        apart = "".join(f", {column}" for column in columns)
        names = ("low", "high", "emitted_low", "emitted_high")
        sums = ", ".join(f"sum({name})" if summed else name for name in names)
        group = f"GROUP BY key{apart}" if summed else ""
        condition = " AND ".join(conditions)
        return self.query(f"SELECT key{apart}{also}, {sums} FROM {table} WHERE {condition} {group}", parameters)  # noqa: S608

    def gather(self, selection: Selection, by: str | None, into: dict[str, Gathered], shares: Mapping[str, float] | None) -> None:
        """Add what a selection lets through, split by a dimension.

        Args:
            selection: What is looked at.
            by: One of ``DIMENSIONS``; None: one part, of the name "".
            into: Parts by the value of the dimension.
            shares: By service, the share of it that is taken, as of a region. None: all of everything.
        """
        where = self.where(selection)
        rest = selection.sites or selection.instances or selection.statuses or selection.runs
        work = not selection.runs and (by is None or by in _BY_ROW)
        making = where.whole and not rest and by in (None, "service", "phase", "bearer")
        self._gather_energy(where, by, into, shares)
        if work:
            self._gather_work(where, by, into, shares)
        if making:
            self._gather_making(selection, by, into, shares)
        for each in into.values():
            each.splits_making &= making
            each.splits_work &= work
            each.equipment |= bool(self._meta["equipment"])
            each.asked.update(self.asked)
            each.language_models |= self.language_models

    def _part(self, into: dict[str, Gathered], by: str | None, value: Any) -> Gathered:
        """Return the part that a value of the dimension stands for."""
        name = "" if by is None else str(value)
        if by == "site":
            name = self._sites[value] if value >= 0 else ""
        elif by == "day":
            name = date.fromordinal(value).isoformat()
        found = into.get(name)
        if found is None:
            found = into[name] = Gathered()
        return found

    def _gather_energy(self, where: Where, by: str | None, into: dict[str, Gathered], shares: Mapping[str, float] | None) -> None:
        """Add the energy of each cell. A share is taken of each day's, so that the parts of a share add up, too."""
        table = "wholes" if where.whole and by != "day" and shares is None else "days"
        columns = [by if by in ("instance", "day") else "NULL"]
        lines = (
            self.energy(table, where, columns, also=", max(simulated)")
            if shares is None
            else self.energy(table, where, columns, also=", simulated", summed=False)
        )
        take = _BY_CELL.get(by or "")
        for number, value, simulated, *limbs in lines:
            key = self.keys[number]
            part = self._part(into, by, take(key) if take else value)
            numbers = _shared((from_limbs(*limbs[:2]), from_limbs(*limbs[2:])), key.service, shares)
            part.add_energy(key, self.factor_uses, *numbers)
            part.simulated |= bool(simulated)

    def _gather_work(self, where: Where, by: str | None, into: dict[str, Gathered], shares: Mapping[str, float] | None) -> None:
        """Add counts and tokens; also of bearers whose rows have no energy."""
        condition, parameters = where.of_rows()
        split = _BY_ROW[by] if by else "NULL"
        lines = self.query(
            f"SELECT {split}, service, phase, site, kind, max(simulated), sum(spans), sum(cpu_low), sum(cpu_high), "  # noqa: S608
            f"sum(units), sum(accepted) FROM counts WHERE {condition} GROUP BY 1, 2, 3, 4, 5",
            parameters,
        )
        for value, service, phase, site, kind, simulated, spans, low, high, units, accepted in lines:
            part = self._part(into, by, value)
            counts = _shared((spans, from_limbs(low, high), units, accepted), service, shares)
            part.add_work((service or None, phase), site, kind, Counts(*counts))
            part.simulated |= bool(simulated)
        sums = ", ".join(f"sum({name})" for name in TokenCounts._fields)
        lines = self.query(
            f"SELECT {split}, service, phase, provider, model, metered, {sums} "  # noqa: S608
            f"FROM tokens WHERE {condition} GROUP BY 1, 2, 3, 4, 5, 6",
            parameters,
        )
        for value, service, phase, provider, model, metered, *numbers in lines:
            counts = TokenCounts(*numbers)
            shared = TokenCounts(*_shared(counts, service, shares))._replace(rows=counts.rows)
            self._part(into, by, value).add_tokens(TokenKey(service, phase, provider, model, bool(metered)), shared)

    def _gather_making(
        self, selection: Selection, by: str | None, into: dict[str, Gathered], shares: Mapping[str, float] | None
    ) -> None:
        """Add the making of equipment, which is shared by service and phase, quarter by quarter."""
        conditions, parameters = ["TRUE"], list[Any]()
        _is_in("service", selection.services, conditions, parameters)
        _is_in("phase", selection.phases, conditions, parameters)
        split, condition = _BY_ROW[by] if by else "NULL", " AND ".join(conditions)
        for value, equipment, service, phase, micrograms in self.query(
            f"SELECT {split}, * FROM shares WHERE {condition}",  # noqa: S608
            parameters,
        ):
            (part_of_it,) = _shared((micrograms,), service, shares)
            self._part(into, by, value).shares.append(EmbodiedShare(equipment, (service or None, phase), part_of_it))
        for value, service, phase, instance in self.query(
            f"SELECT {split}, * FROM undescribed WHERE {condition}",  # noqa: S608
            parameters,
        ):
            self._part(into, by, value).undescribed.setdefault((service or None, phase), set()).add(instance)


def _shared(numbers: Sequence[Any], service: str, shares: Mapping[str, float] | None) -> tuple[Any, ...]:
    """Take the share of a service of some whole numbers, rounded."""
    if shares is None:
        return tuple(numbers)
    share = shares[service]
    return tuple(None if number is None else round(number * share) for number in numbers)

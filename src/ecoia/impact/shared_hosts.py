"""What services owe to sharing a host: what one got too much of, the others got too little of, and the meter's sum stands.

A meter reads a whole host. Its energy is shared out among the work that ran there by CPU time, inside a process also by time on
the graphics card. A second of one work draws more than a second of another, so each part i of a host has an unknown relative
error e_i. With the parts' shares p of the host's amount (their sum is 1), the amount c_i of a part is wrong by

    d_i = c_i (e_i - sum_j p_j e_j),    sum over all parts of d_i = 0.

So a part alone on its host is not wrong at all, a small one is the most, and the host's total does not change. With independent
errors e of variance r^2,

    Var d_i = c_i^2 r^2 ((1 - p_i)^2 + sum_{j != i} p_j^2),    Cov(d_i, d_j) = c_i c_j r^2 (sum_k p_k^2 - p_i - p_j).

In a sum of some parts, W, the error e_j has the weight c_j - p_j W, or -p_j W where j is not among them: a ``Transfer``.

Parts are services and phases, what a process did outside its spans, and ecoia itself. Idle capacity goes by reserved share and
declared energy by a statement, so neither is a part. What no program of ecoia recorded is none either: a ledger row does not say
which share of its host it claimed, so a neighbour that nobody measures is not counted as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ecoia.impact.energy_cells import CellKey, EnergyCell, bearer_of_key
from ecoia.impact.ledger_sums import Bearer, Strand
from ecoia.impact.uncertainty import Transfer
from ecoia.methods import sharing_error
from ecoia.semconv import COMPONENTS, DECLARED, KIND_IDLE

if TYPE_CHECKING:
    from ecoia.impact.conditions import ConditionsLookup


class Reading(NamedTuple):
    """What the energy of one meter on one host has in common, whenever it was read."""

    component: str
    status: str
    name: str
    zone: str
    site: int

    @classmethod
    def of(cls, key: CellKey) -> Reading:
        """Return the reading that a cell is of."""
        return cls(key.component, key.status, key.name, key.zone, key.site_figures[0])


Host = tuple[str, tuple[str, ...]]
"""An instance; of graphics cards, also their ids: services on cards of their own share nothing."""


@dataclass
class SharedHosts:
    """Energy by reading, bearer and host, as far as it was shared out.

    Attributes:
        microjoules: Exact energy.
    """

    microjoules: dict[tuple[Reading, Bearer], dict[Host, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, strands: Iterable[Strand], lookup: ConditionsLookup) -> SharedHosts:
        """Find which hosts bearers were on."""
        found = cls()
        for strand in strands:
            if strand.kind == KIND_IDLE:
                continue
            zone, site = lookup.zone_of(strand.zone, strand.instance), lookup.group_of(strand.instance).site
            for component, (status, name), energy in zip(COMPONENTS, strand.methods, strand.known_microjoules, strict=True):
                if energy and status != DECLARED:
                    host = strand.instance, strand.devices if component == "gpu" else ()
                    found.add(Reading(component, status, name, zone, site), strand.bearer, host, energy)
        return found

    def add(self, reading: Reading, bearer: Bearer, host: Host, microjoules: int) -> None:
        """Add energy of a bearer on a host."""
        hosts = self.microjoules.setdefault((reading, bearer), {})
        hosts[host] = hosts.get(host, 0) + microjoules

    def add_all(self, other: SharedHosts) -> None:
        """Add everything of others."""
        for (reading, bearer), hosts in other.microjoules.items():
            for host, energy in hosts.items():
                self.add(reading, bearer, host, energy)

    def on(self, instances: Collection[str]) -> SharedHosts:
        """Return what was on some instances; without any, everything."""
        if not instances:
            return self
        found = SharedHosts()
        for (reading, bearer), hosts in self.microjoules.items():
            for host, energy in hosts.items():
                if host[0] in instances:
                    found.add(reading, bearer, host, energy)
        return found

    def with_others(self, bearers: Collection[Bearer]) -> set[tuple[Reading, Bearer]]:
        """Return what of some bearers shared a host with any other bearer."""
        shared = {
            (reading, host) for (reading, bearer), hosts in self.microjoules.items() if bearer not in bearers for host in hosts
        }
        return {
            (reading, bearer)
            for (reading, bearer), hosts in self.microjoules.items()
            if bearer in bearers and any((reading, host) in shared for host in hosts)
        }


_Amounts = dict[tuple[Reading, Host], dict[Bearer, float]]


class Sharing:
    """Finds the transfers of sums of cells.

    Args:
        hosts: Which hosts bearers were on.
        cells: All cells of these hosts.

    Attributes:
        hosts: Which hosts bearers were on.

    Example:
        >>> Sharing(SharedHosts(), ()).transfers("energy", (), lambda cell: cell.energy_kwh)
        ()
    """

    def __init__(self, hosts: SharedHosts, cells: Sequence[EnergyCell]) -> None:
        self.hosts, self._cells = hosts, cells
        self._whole: dict[str, _Amounts] = {}

    def transfers(self, quantity: str, cells: Sequence[EnergyCell], mean: Callable[[EnergyCell], float]) -> tuple[Transfer, ...]:
        """Return the transfers of a sum of some cells.

        Args:
            quantity: Name of what is summed up.
            cells: Some of all cells.
            mean: Its mean for a cell. Shares are of this quantity, so that the whole of a host has no transfer of any of them.
        """
        if quantity not in self._whole:
            whole = self._amounts(self._cells, mean)
            self._whole[quantity] = {where: amounts for where, amounts in whole.items() if len(amounts) > 1}
        moved: dict[tuple[str, Bearer], list[float]] = {}
        for where, mine in self._amounts(cells, mean).items():
            among = self._whole[quantity].get(where, {})
            every, taken = math.fsum(among.values()), math.fsum(mine.values())
            for bearer, amount in among.items() if every else ():
                transfer = mine.get(bearer, 0.0) - amount / every * taken
                moved.setdefault((sharing_error(where[0].component, where[0].name), bearer), []).append(transfer)
        return tuple(
            Transfer(math.fsum(each), error, f"{bearer[0] or ''}\n{bearer[1]}") for (error, bearer), each in moved.items()
        )

    def _amounts(self, cells: Iterable[EnergyCell], mean: Callable[[EnergyCell], float]) -> _Amounts:
        """Return the amount of each bearer on each host: what its energy there stands for."""
        sums: dict[tuple[Reading, Bearer], list[float]] = {}
        for cell in cells:
            part = Reading.of(cell.key), bearer_of_key(cell.key)
            if part in self.hosts.microjoules:
                sums.setdefault(part, []).append(mean(cell))
        found: _Amounts = {}
        for (reading, bearer), means in sums.items():
            hosts: Mapping[Host, int] = self.hosts.microjoules[reading, bearer]
            amount, energy = math.fsum(means), sum(hosts.values())
            for host, part_of_it in hosts.items():
                found.setdefault((reading, host), {})[bearer] = amount * (part_of_it / energy)
        return found

"""Find claims among ledger rows that must not be added up, refuse them before any sum, and list them.

Three things would be counted twice:

- **copy**: one record in rows of several places (a home that was copied under another instance name, one declaration entered
  on two hosts). It counts once, in the row that holds the most records.
- **host**: two processes, from two homes, that each claim the whole of one host (``scope = "host"``); or one process that
  claims the whole and another that claims a part. The claim of the whole contains the part, so it is kept.
- **device**: two processes that each claim one whole device, because nothing separates their parts (``shared_devices`` of the
  record).

For hosts and devices, claims of a half-hour are taken from the greatest to the smallest. A claim is refused if it meets one
already taken, on the same device and at the same time. So the claims that remain never overlap: at any time a device is counted
once at most. The greatest stays because all claim the same whole, and a smaller claim has seen less of it. Energy of a device
that is not marked as shared is the disjoint part of each user: it adds up, and is never refused here.

Refused energy becomes missing, not zero. A row that also read other devices loses all of its GPU energy, since no row records
it by device: the total is then a lower bound.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ecoia.instances import host_of
from ecoia.periods import HALF_HOUR_NS, utc_datetime
from ecoia.records import Row
from ecoia.records.id_sets import Holders, RecordIds, are_disjoint, ids_of
from ecoia.semconv import CLAIMED_TWICE, COMPONENTS, DECLARED, MISSING

COPY, HOST, DEVICE = "copy", "host", "device"
DOUBLES = (COPY, HOST, DEVICE)
_IDS = 10

Claimant = tuple[str, Any]
"""Instance and process id; None where the record is older than that field."""


@dataclass(frozen=True)
class Refusal:
    """Energy that one claimant is refused in one half-hour, and the claim that was kept instead.

    Attributes:
        kind: One of ``DOUBLES``.
        what: Ids of the devices, or the host's name; empty for a copy.
        half_hour_utc_ns: The half-hour.
        instance: Instance of the claimant.
        services: Services (or kinds) that the refused energy was for.
        ids: Records of the refused energy.
        microjoules: The refused energy.
        kept_instance: Instance of the claim that was kept; the next fields describe the same claim.
    """

    kind: str
    what: tuple[str, ...]
    half_hour_utc_ns: int
    instance: str
    services: tuple[str, ...]
    ids: RecordIds
    microjoules: int
    kept_instance: str
    kept_services: tuple[str, ...]
    kept_ids: RecordIds
    kept_microjoules: int


@dataclass(frozen=True)
class ListedRefusal:
    """Refusals that differ only in their half-hour. ``record_ids`` are the first of ``records``."""

    kind: str
    what: tuple[str, ...]
    instance: str
    services: tuple[str, ...]
    kept_instance: str
    kept_services: tuple[str, ...]
    from_utc: str
    until_utc: str
    half_hours: int
    records: int
    record_ids: tuple[str, ...]
    microjoules: int
    kept_microjoules: int


@dataclass
class _Claim:
    claimant: Claimant
    rows: list[int]
    things: set[str]
    microjoules: int
    start_utc_ns: int
    end_utc_ns: int

    def meets(self, other: _Claim) -> bool:
        in_time = self.start_utc_ns < other.end_utc_ns and other.start_utc_ns < self.end_utc_ns
        return in_time and not self.things.isdisjoint(other.things)


def refuse_doubles(rows: Sequence[Row]) -> tuple[list[Row], list[Refusal]]:
    """Refuse what would be counted twice, so that all remaining energy may be added up.

    Args:
        rows: Ledger rows in any order, of any instances. They are not modified.

    Returns:
        The rows in the order given, without copies, refused energy missing (method ``claimed-twice``); and the refusals, sorted.

    Example:
        >>> refuse_doubles([])
        ([], [])
    """
    kept, copies = _each_record_once(rows)
    whole = [index for index, row in enumerate(kept) if _is_whole(row)]
    kept, hosts = _greatest_claims(kept, whole, HOST, COMPONENTS, lambda row: (host_of(row["instance"]),))
    kept, parts = _parts_of_hosts(kept)
    marked = [index for index, row in enumerate(kept) if row.get("shared_devices")]
    kept, devices = _greatest_claims(kept, marked, DEVICE, ("gpu",), lambda row: row["shared_devices"])
    return kept, sorted([*copies, *hosts, *parts, *devices], key=_order)


def listed(refusals: Iterable[Refusal]) -> list[ListedRefusal]:
    """List refusals as a report does: one line for refusals between the same claims, however long they lasted.

    Example:
        >>> listed([])
        []
    """
    groups: dict[tuple[Any, ...], list[Refusal]] = {}
    for one in refusals:
        key = (one.kind, one.what, one.instance, one.services, one.kept_instance, one.kept_services)
        groups.setdefault(key, []).append(one)
    lines = []
    for key in sorted(groups):
        group = groups[key]
        ids = RecordIds.union_of(one.ids for one in group)
        half_hours = {one.half_hour_utc_ns for one in group}
        # A kept claim counts once, even if it displaced several.
        kept = {(one.half_hour_utc_ns, one.kept_ids): one.kept_microjoules for one in group}
        lines.append(
            ListedRefusal(
                *key,
                from_utc=_utc(min(half_hours)),
                until_utc=_utc(max(half_hours) + HALF_HOUR_NS),
                half_hours=len(half_hours),
                records=ids.count,
                record_ids=ids.first(_IDS),
                microjoules=sum(one.microjoules for one in group),
                kept_microjoules=sum(kept.values()),
            )
        )
    return lines


def _each_record_once(rows: Sequence[Row]) -> tuple[list[Row], list[Refusal]]:
    by_half_hour: defaultdict[int, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_half_hour[row["half_hour_utc_ns"]].append(index)
    left_out = set()
    refusals = []
    for inside in by_half_hour.values():
        if are_disjoint(ids_of(rows[index]) for index in inside):
            continue
        counted: Holders[Row] = Holders()
        for index in sorted(inside, key=lambda index: (-ids_of(rows[index]).count, _instance_first(rows[index]))):
            row, ids = rows[index], ids_of(rows[index])
            kept = counted.holder_of(ids)
            if kept is None:
                counted.add(ids, row)
                continue
            left_out.add(index)
            refusals.append(_copy(row, kept))
    return [row for index, row in enumerate(rows) if index not in left_out], refusals


def _copy(row: Row, kept: Row) -> Refusal:
    """Return the refusal of a row of which another one counts a record."""
    return Refusal(
        COPY,
        (),
        row["half_hour_utc_ns"],
        row["instance"],
        _services([row]),
        ids_of(row),
        _energy(row, COMPONENTS),
        kept["instance"],
        _services([kept]),
        ids_of(kept),
        _energy(kept, COMPONENTS),
    )


def _greatest_claims(
    rows: list[Row], claiming: Iterable[int], kind: str, components: Sequence[str], things_of: Callable[[Row], Iterable[str]]
) -> tuple[list[Row], list[Refusal]]:
    """Keep the greatest of the claims that meet, half-hour by half-hour.

    Args:
        rows: All rows.
        claiming: Indexes of the rows that claim a whole thing.
        kind: ``HOST`` or ``DEVICE``.
        components: Components that are claimed.
        things_of: The things that a row claims.
    """
    result = list(rows)
    refusals = []
    for half_hour, claims in _claims(rows, claiming, components, things_of).items():
        taken: list[_Claim] = []
        for claim in sorted(claims, key=lambda claim: (-claim.microjoules, _ids(rows, claim).order)):
            stronger = next((each for each in taken if each.meets(claim)), None)
            if stronger is None:
                taken.append(claim)
                continue
            for index in claim.rows:
                result[index] = _without(rows[index], components)
            refusals.append(
                Refusal(
                    kind,
                    tuple(sorted(claim.things & stronger.things)),
                    half_hour,
                    claim.claimant[0],
                    _services(rows[index] for index in claim.rows),
                    _ids(rows, claim),
                    claim.microjoules,
                    stronger.claimant[0],
                    _services(rows[index] for index in stronger.rows),
                    _ids(rows, stronger),
                    stronger.microjoules,
                )
            )
    return result, refusals


def _claims(
    rows: Sequence[Row], claiming: Iterable[int], components: Sequence[str], things_of: Callable[[Row], Iterable[str]]
) -> dict[int, list[_Claim]]:
    """Return the claims of each half-hour, one for each claimant. A claim without energy is none."""
    claims: dict[int, dict[Claimant, _Claim]] = {}
    for index in claiming:
        row = rows[index]
        energy = _energy(row, components)
        if not energy:
            continue
        claimant = (row["instance"], row.get("pid"))
        known = claims.setdefault(row["half_hour_utc_ns"], {})
        claim = known.setdefault(claimant, _Claim(claimant, [], set(), 0, row["start_utc_ns"], row["end_utc_ns"]))
        claim.rows.append(index)
        claim.things.update(things_of(row))
        claim.microjoules += energy
        claim.start_utc_ns = min(claim.start_utc_ns, row["start_utc_ns"])
        claim.end_utc_ns = max(claim.end_utc_ns, row["end_utc_ns"])
    return {half_hour: list(known.values()) for half_hour, known in claims.items()}


def _parts_of_hosts(rows: list[Row]) -> tuple[list[Row], list[Refusal]]:
    """Refuse energy that processes on a host claim while a claim of the whole host holds the same component."""
    wholes: dict[tuple[str, int], list[int]] = {}
    for index, row in enumerate(rows):
        if _is_whole(row) and _energy(row, COMPONENTS):
            wholes.setdefault((host_of(row["instance"]), row["half_hour_utc_ns"]), []).append(index)
    if not wholes:
        return rows, []
    result, refusals = list(rows), []
    for index, row in enumerate(rows):
        place = host_of(row["instance"]), row["half_hour_utc_ns"]
        if place not in wholes or _is_whole(row):
            continue
        above = [rows[at] for at in wholes[place] if _overlap(rows[at], row) and rows[at]["simulated"] == row["simulated"]]
        held = [
            component
            for component in COMPONENTS
            if row["method"][component]["status"] != DECLARED
            and any(each["energy_microjoules"][component] is not None for each in above)
        ]
        if not _energy(row, held):
            continue
        result[index] = _without(row, held)
        ids = RecordIds.union_of(map(ids_of, above))
        kept = sum(_energy(each, held) for each in above)
        whose = (row["instance"], _services([row]), ids_of(row), _energy(row, held))
        refusals.append(
            Refusal(HOST, place[:1], place[1], *whose, min(each["instance"] for each in above), _services(above), ids, kept)
        )
    return result, refusals


def _is_whole(row: Row) -> bool:
    return row["scope"] == "host" and row.get("pid") is not None


def _overlap(one: Row, other: Row) -> bool:
    return bool(one["start_utc_ns"] < other["end_utc_ns"] and other["start_utc_ns"] < one["end_utc_ns"])


def _without(row: Row, components: Sequence[str]) -> Row:
    """Return the row with the energy of some components missing. A component that had none keeps its method."""
    claimed = [component for component in components if row["energy_microjoules"][component] is not None]
    return {
        **row,
        "energy_microjoules": {**row["energy_microjoules"], **dict.fromkeys(claimed)},
        "method": {**row["method"], **{component: {"status": MISSING, "name": CLAIMED_TWICE} for component in claimed}},
    }


def _energy(row: Row, components: Sequence[str]) -> int:
    return sum(row["energy_microjoules"][component] or 0 for component in components)


def _services(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the services that the energy was for, or the kinds of record where there is no service."""
    return tuple(sorted({row["service"] or row["kind"] for row in rows}))


def _ids(rows: Sequence[Row], claim: _Claim) -> RecordIds:
    return RecordIds.union_of(ids_of(rows[index]) for index in claim.rows)


def _instance_first(row: Row) -> tuple[str, str]:
    return row["instance"], json.dumps(row, sort_keys=True)


def _order(refusal: Refusal) -> tuple[Any, ...]:
    return refusal.half_hour_utc_ns, refusal.kind, refusal.what, refusal.instance, refusal.ids.order


def _utc(instant_ns: int) -> str:
    return utc_datetime(instant_ns).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Records and ledger rows: the contract that measuring, delivery and reporting share.

A *record* is what a process claims over one window for one (kind, service, phase, instance, pid, run,
endpoint, model version). It is immutable, and known by its ``record_id``. A *row* is the sum of records over
one UTC half-hour, with their ids folded in: the grain of the ledger. Reports read rows only, folded from the
journal or read from the ledger; folding is a pure function of the set of records, so order, redelivery and
the way taken change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecoia.errors import EcoiaError
from ecoia.methods import Method
from ecoia.periods import half_hour_start, half_hours
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KINDS, SCHEMA_VERSION, STATUSES
from ecoia.units import from_micro, micro, split_integer

_END_OF_TIME_NS = 1 << 63  # int64 nanoseconds, as tables hold them


class RecordError(EcoiaError, ValueError):
    """A record cannot be read: the message names the field."""


class NewerSchemaError(RecordError):
    """The record was written by a newer ecoia."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens exchanged with one model of one provider. Counts only, never text."""

    provider: str
    model: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Record:
    """What one process claims over one window. Energy in integer microjoules; ``None`` is missing, 0 is zero.

    ``units_micro`` and ``accepted_micro`` are functional units in integer millionths, ``None`` unless given.
    ``context`` holds software and hardware facts (never a path, an argument, a user's name or a text).
    """

    record_id: str
    kind: str
    service: str | None
    phase: str | None
    instance: str
    pid: int
    start_utc_ns: int
    end_utc_ns: int
    energy_microjoules: Mapping[str, int | None]
    method: Mapping[str, Method]
    run_id: str | None = None
    endpoint: str | None = None
    model_version: str | None = None
    spans: int = 0
    units_micro: int | None = None
    accepted_micro: int | None = None
    tokens: tuple[Tokens, ...] = ()
    quality: Mapping[str, float] = field(default_factory=dict)
    cpu_ns: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    shared_devices: tuple[str, ...] = ()  # of these, claimed whole although others used them too
    scope: str = "process"
    share_claimed: float | None = None
    reserved_share: float = 0.0
    idle_separated: bool = False
    zone: str | None = None
    outcome: str | None = None
    replaces: str | None = None
    simulated: bool = False
    declared_source: str | None = None
    target: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The record as the journal writes it: JSON types only, keys in a fixed order."""
        return {
            "schema": SCHEMA_VERSION,
            "record_id": self.record_id,
            "kind": self.kind,
            "service": self.service,
            "phase": self.phase,
            "instance": self.instance,
            "pid": self.pid,
            "run_id": self.run_id,
            "endpoint": self.endpoint,
            "model_version": self.model_version,
            "start_utc_ns": self.start_utc_ns,
            "end_utc_ns": self.end_utc_ns,
            "energy_microjoules": {c: self.energy_microjoules[c] for c in COMPONENTS},
            "method": {c: {"status": self.method[c].status, "name": self.method[c].name} for c in COMPONENTS},
            "spans": self.spans,
            "units": None if self.units_micro is None else from_micro(self.units_micro),
            "accepted": None if self.accepted_micro is None else from_micro(self.accepted_micro),
            "tokens": [
                {"provider": t.provider, "model": t.model, "tokens_in": t.tokens_in, "tokens_out": t.tokens_out}
                for t in self.tokens
            ],
            "quality": dict(self.quality),
            "cpu_ns": self.cpu_ns,
            "lost": dict(self.lost),
            "devices": list(self.devices),
            "shared_devices": list(self.shared_devices),
            "scope": self.scope,
            "share_claimed": self.share_claimed,
            "reserved_share": self.reserved_share,
            "idle_separated": self.idle_separated,
            "zone": self.zone,
            "outcome": self.outcome,
            "replaces": self.replaces,
            "simulated": self.simulated,
            "declared_source": self.declared_source,
            "target": self.target,
            "context": dict(self.context),
        }

    def to_json(self) -> str:
        """One line of JSON, compact. NaN and infinity are refused."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Read what ``to_dict`` wrote.

        Raises:
            NewerSchemaError: ``schema`` is above ours.
            RecordError: a field is missing or has the wrong shape; the message names it.
        """
        schema = data.get("schema")
        if not isinstance(schema, int):
            raise RecordError(f"record without a schema number (schema = {schema!r})")
        if schema > SCHEMA_VERSION:
            raise NewerSchemaError(f"record of schema {schema}, this ecoia reads up to {SCHEMA_VERSION}: upgrade ecoia")
        try:
            energy = data["energy_microjoules"]
            method = data["method"]
            record = cls(
                record_id=data["record_id"],
                kind=data["kind"],
                service=data["service"],
                phase=data["phase"],
                instance=data["instance"],
                pid=data["pid"],
                start_utc_ns=data["start_utc_ns"],
                end_utc_ns=data["end_utc_ns"],
                energy_microjoules={c: energy[c] for c in COMPONENTS},
                method={c: Method(method[c]["status"], method[c]["name"]) for c in COMPONENTS},
                run_id=data.get("run_id"),
                endpoint=data.get("endpoint"),
                model_version=data.get("model_version"),
                spans=data.get("spans", 0),
                units_micro=_micro_or_none(data.get("units")),
                accepted_micro=_micro_or_none(data.get("accepted")),
                tokens=tuple(Tokens(**t) for t in data.get("tokens", ())),
                quality=data.get("quality", {}),
                cpu_ns=data.get("cpu_ns", 0),
                lost=data.get("lost", {}),
                devices=tuple(data.get("devices", ())),
                shared_devices=tuple(data.get("shared_devices", ())),
                scope=data.get("scope", "process"),
                share_claimed=data.get("share_claimed"),
                reserved_share=data.get("reserved_share", 0.0),
                idle_separated=data.get("idle_separated", False),
                zone=data.get("zone"),
                outcome=data.get("outcome"),
                replaces=data.get("replaces"),
                simulated=data.get("simulated", False),
                declared_source=data.get("declared_source"),
                target=data.get("target"),
                context=data.get("context", {}),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RecordError(f"record {data.get('record_id')!r}: field {error} is missing or has the wrong shape") from error
        record._check()
        return record

    def _check(self) -> None:
        for name in ("record_id", "instance"):
            if not isinstance(getattr(self, name), str):
                raise RecordError(f"record {self.record_id!r}: {name} = {getattr(self, name)!r} is not a text")
        for name in ("spans", "cpu_ns", "units_micro", "accepted_micro"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 0):
                raise RecordError(f"record {self.record_id}: {name} = {number!r} is not a count")
        for cause, count in self.lost.items():
            if type(count) is not int or count < 0:
                raise RecordError(f"record {self.record_id}: lost.{cause} = {count!r} is not a count")
        if self.kind not in KINDS:
            raise RecordError(f"record {self.record_id}: kind = {self.kind!r}, known: {', '.join(KINDS)}")
        for component in COMPONENTS:
            energy = self.energy_microjoules[component]
            if energy is not None and (type(energy) is not int or energy < 0):
                raise RecordError(f"record {self.record_id}: energy_microjoules.{component} = {energy!r} is not a count")
            if self.method[component].status not in STATUSES:
                raise RecordError(f"record {self.record_id}: method.{component}.status = {self.method[component].status!r}")
        start, end = self.start_utc_ns, self.end_utc_ns
        if type(start) is not int or type(end) is not int or not 0 <= start <= end < _END_OF_TIME_NS:
            raise RecordError(f"record {self.record_id}: start_utc_ns {start!r} and end_utc_ns {end!r} are no interval")


def _micro_or_none(number: float | None) -> int | None:
    return None if number is None else micro(number)


def split_by_half_hour(record: Record) -> list[Record]:
    """Cut a record at half-hour boundaries, in proportion to time, by largest remainder: the parts add up exactly.

    Counts of spans, losses and tokens, which are not spread over time, stay whole in the last part, where the spans ended.
    An outcome is one event, when its run ends: it is not cut, or one run would count several times.
    """
    pieces = list(half_hours(record.start_utc_ns, record.end_utc_ns))
    if len(pieces) == 1:
        return [record]
    if record.kind == KIND_OUTCOME:
        return [replace(record, start_utc_ns=pieces[-1][0])]
    weights = [end - start for start, end in pieces]
    count = len(pieces)

    def shares(total: int | None) -> list[int | None]:
        return [None] * count if total is None else list(split_integer(total, weights))

    energy = {c: shares(record.energy_microjoules[c]) for c in COMPONENTS}
    units, accepted = shares(record.units_micro), shares(record.accepted_micro)
    cpu = split_integer(record.cpu_ns, weights)
    parts = []
    for i, (start, end) in enumerate(pieces):
        last = i == count - 1
        parts.append(
            replace(
                record,
                start_utc_ns=start,
                end_utc_ns=end,
                energy_microjoules={c: energy[c][i] for c in COMPONENTS},
                units_micro=units[i],
                accepted_micro=accepted[i],
                cpu_ns=cpu[i],
                spans=record.spans if last else 0,
                lost=record.lost if last else {},
                tokens=record.tokens if last else (),
                quality=record.quality if last else {},
            )
        )
    return parts


# A row's key: what is not summed.
ROW_KEY = (
    "half_hour_utc_ns",
    "kind",
    "service",
    "phase",
    "instance",
    "run_id",
    "endpoint",
    "model_version",
    "zone",
    "scope",
    "simulated",
    "declared_source",
)

Row = dict[str, Any]
"""A ledger row: ROW_KEY, ``method`` {component: {status, name}}, ``energy_microjoules`` {component: int | None},
``spans, units_micro, accepted_micro, cpu_ns, tokens, quality, lost, devices, shared_devices, outcome, start_utc_ns, end_utc_ns,
record_ids`` (sorted). ``pid`` is there where a process claims a device or the host whole, else None."""


def _claims_whole(record: Record) -> bool:
    """Whether another process may claim the same energy: only then do rows tell processes apart."""
    return bool(record.shared_devices) or record.scope == "host"


def _row_of(record: Record) -> Row:
    return {
        "half_hour_utc_ns": half_hour_start(record.start_utc_ns),
        "kind": record.kind,
        "service": record.service,
        "phase": record.phase,
        "instance": record.instance,
        "run_id": record.run_id,
        "endpoint": record.endpoint,
        "model_version": record.model_version,
        "zone": record.zone,
        "scope": record.scope,
        "simulated": record.simulated,
        "declared_source": record.declared_source,
        "method": {c: {"status": record.method[c].status, "name": record.method[c].name} for c in COMPONENTS},
        "energy_microjoules": {c: record.energy_microjoules[c] for c in COMPONENTS},
        "spans": record.spans,
        "units_micro": record.units_micro,
        "accepted_micro": record.accepted_micro,
        "cpu_ns": record.cpu_ns,
        "tokens": _sum_tokens(
            {"provider": t.provider, "model": t.model, "tokens_in": t.tokens_in, "tokens_out": t.tokens_out}
            for t in record.tokens
        ),
        "quality": dict(record.quality),
        "lost": dict(record.lost),
        "devices": sorted(record.devices),
        "shared_devices": sorted(record.shared_devices),
        "pid": record.pid if _claims_whole(record) else None,
        "outcome": record.outcome,
        "start_utc_ns": record.start_utc_ns,
        "end_utc_ns": record.end_utc_ns,
        "record_ids": [record.record_id],
    }


def row_key(row: Row) -> tuple[Any, ...]:
    """What makes two rows the same: ROW_KEY and the three methods. Outcomes and quality are never summed, so stay apart by id.

    Neither are claims of several processes on the whole of something.
    """
    apart = tuple(row["record_ids"]) if row["kind"] == KIND_OUTCOME or row["quality"] else ()
    methods = tuple((row["method"][c]["status"], row["method"][c]["name"]) for c in COMPONENTS)
    # Missing energy and zero energy never meet in one row: that would turn one into the other.
    present = tuple(row["energy_microjoules"][c] is None for c in COMPONENTS)
    return (
        *(row[k] for k in ROW_KEY),
        methods,
        present,
        row["units_micro"] is None,
        row["accepted_micro"] is None,
        apart,
        (row.get("pid"), *row.get("shared_devices", ())),
    )


def _sortable(key: tuple[Any, ...]) -> str:
    return json.dumps(key, ensure_ascii=False, default=str)


def _sum_tokens(counts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a provider and model, sorted."""
    summed: dict[tuple[str, str], dict[str, Any]] = {}
    for count in counts:
        known = summed.setdefault((count["provider"], count["model"]), {**count, "tokens_in": 0, "tokens_out": 0})
        known["tokens_in"] += count["tokens_in"]
        known["tokens_out"] += count["tokens_out"]
    return [summed[key] for key in sorted(summed)]


def _add(total: Row, row: Row) -> None:
    for component in COMPONENTS:
        if total["energy_microjoules"][component] is not None:
            total["energy_microjoules"][component] += row["energy_microjoules"][component]
    for name in ("spans", "cpu_ns"):
        total[name] += row[name]
    for name in ("units_micro", "accepted_micro"):
        if total[name] is not None:
            total[name] += row[name]
    for cause, count in row["lost"].items():
        total["lost"][cause] = total["lost"].get(cause, 0) + count
    total["tokens"] = _sum_tokens([*total["tokens"], *row["tokens"]])
    for name in ("devices", "shared_devices"):
        total[name] = sorted({*total[name], *row.get(name, ())})
    total["start_utc_ns"] = min(total["start_utc_ns"], row["start_utc_ns"])
    total["end_utc_ns"] = max(total["end_utc_ns"], row["end_utc_ns"])
    total["record_ids"] = sorted({*total["record_ids"], *row["record_ids"]})


def merge_rows(rows: Iterable[Row]) -> list[Row]:
    """Sum rows of equal key, sorted; the caller has already left out what was counted elsewhere."""
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = row_key(row)
        if key in merged:
            _add(merged[key], row)
        else:
            merged[key] = json.loads(json.dumps(row))
    for row in merged.values():
        row["lost"] = dict(sorted(row["lost"].items()))
    return [merged[key] for key in sorted(merged, key=_sortable)]


def in_force(records: Iterable[Record]) -> list[Record]:
    """Each record once: duplicates dropped by id, and those left out that another one replaces."""
    unique: dict[str, Record] = {}
    for record in records:
        known = unique.setdefault(record.record_id, record)
        if known is not record and known != record:  # one id, two contents: the same one stands in whatever order
            unique[record.record_id] = min(known, record, key=Record.to_json)
    replaced = {record.replaces for record in unique.values() if record.replaces and record.replaces != record.record_id}
    return [record for record in unique.values() if record.record_id not in replaced]


def fold(records: Iterable[Record]) -> list[Row]:
    """Ledger rows of the records in force; half-hours are never straddled."""
    return merge_rows(_row_of(part) for record in in_force(records) for part in split_by_half_hour(record))

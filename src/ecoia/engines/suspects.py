"""Find the rows that may be counted twice, so that only these are brought to ``impact.doublecounting``, which decides.

- a *copy* is suspected where two rows of a half-hour have a record id in common, or a stream of ids;
- a *host* is, where a claim of the whole of it meets another claimant;
- rows with shared devices are brought in any case (``special``).

A suspect is an instance in a half-hour, with all of its rows: more rows than are counted twice, never fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import narwhals as nw
import pyarrow as pa

from ecoia.engines.engine import Engine
from ecoia.engines.plan import ENERGIES, Frame, Plan
from ecoia.instances import host_of

_ROW = "half_hour_utc_ns"
Suspect = tuple[str, int]
"""An instance and a half-hour."""


def suspects(engine: Engine, before_ns: int, instances: Iterable[str], *, with_hosts: bool) -> set[Suspect]:
    """Return the suspects.

    Args:
        engine: Has the rows.
        before_ns: Rows of half-hours from this instant on are left out.
        instances: Names of all instances.
        with_hosts: Whether a row claims a whole host.
    """
    found = _copies(engine, before_ns)
    return found | _hosts(engine, before_ns, instances) if with_hosts else found


def _copies(engine: Engine, before_ns: int) -> set[Suspect]:
    """Find loose ids that are in two rows of a half-hour, and streams of ids that are: their ranges may overlap."""
    loose = _shared(engine, before_ns, "record_ids", {"id": nw.col("record_ids")}, {"id": pa.string()})
    stream = {name: nw.col("sources").struct.field(name) for name in ("writer", "stream")}
    return loose | _shared(engine, before_ns, "sources", stream, {"writer": pa.string(), "stream": pa.int64()})


def _shared(
    engine: Engine, before_ns: int, column: str, parts: Mapping[str, nw.Expr], types: Mapping[str, pa.DataType]
) -> set[Suspect]:
    """Find the instances and half-hours of rows that share a part of an element of a column of lists."""
    key, columns = (_ROW, *parts), ("instance", column)

    def prepare(frame: Frame) -> Frame:
        filled = frame.select(_ROW, "instance", column).filter(~nw.col(column).is_null())
        named = {name: part.cast(nw.Int64) if types[name] == pa.int64() else part for name, part in parts.items()}
        return filled.explode(column).with_columns(nw.lit(1, nw.Int64).alias("rows"), **named).filter(~nw.col(key[1]).is_null())

    shared = engine.run(
        Plan(prepare, key, ("rows",), finish=lambda ids: ids.filter(nw.col("rows") > 1), columns=columns), end_ns=before_ns
    )
    if not shared:
        return set()
    all_types = {_ROW: pa.int64(), **types}
    listed = engine.table({name: pa.array([each[name] for each in shared], type_) for name, type_ in all_types.items()})
    whose = Plan(
        lambda frame: prepare(frame).join(listed, on=[*key], how="inner"), (_ROW, "instance"), ("rows",), columns=columns
    )
    return {(each["instance"], each[_ROW]) for each in engine.run(whose, end_ns=before_ns)}


def _hosts(engine: Engine, before_ns: int, instances: Iterable[str]) -> set[Suspect]:
    on_host: dict[str, list[str]] = {}
    for instance in sorted(instances):
        on_host.setdefault(host_of(instance), []).append(instance)
    names = [(instance, host) for host, each in on_host.items() for instance in each]
    hosts = engine.table(
        {"instance": pa.array([n for n, _ in names], pa.string()), "host": pa.array([h for _, h in names], pa.string())}
    )

    def prepare(frame: Frame) -> Frame:
        energy = nw.any_horizontal(*(nw.coalesce(nw.col(name), nw.lit(0)) > 0 for name in ENERGIES), ignore_nulls=False)
        whole = (nw.col("scope") == "host") & ~nw.col("pid").is_null() & energy
        pid = nw.coalesce(nw.col("pid"), nw.lit(-1))
        claimant = nw.concat_str(nw.col("instance"), pid.cast(nw.String), separator="\n")
        return frame.join(hosts, on="instance", how="inner").with_columns(
            whole.cast(nw.Int64).alias("whole"),
            (~whole).cast(nw.Int64).alias("part"),
            nw.when(whole).then(claimant).alias("first"),
            nw.when(whole).then(claimant).alias("last"),
        )

    met = (nw.col("whole") > 0) & ((nw.col("part") > 0) | (nw.coalesce("first", nw.lit("")) != nw.coalesce("last", nw.lit(""))))
    columns = ("instance", "scope", "pid", *ENERGIES)
    plan = Plan(prepare, ("host", _ROW), ("whole", "part"), ("first",), ("last",), lambda hosts: hosts.filter(met), columns)
    return {(instance, each[_ROW]) for each in engine.run(plan, end_ns=before_ns) for instance in on_host[each["host"]]}

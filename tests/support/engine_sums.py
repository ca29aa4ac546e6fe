"""Rows that are awkward to sum up, and what engines and Python must agree on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from zoneinfo import ZoneInfo

from ecoia.catalogue import Equipment
from ecoia.factors import default_factors
from ecoia.impact.cell_sums import CellSums, sums_of_runs
from ecoia.impact.embodied import embodied_shares, life_ends, without_equipment
from ecoia.impact.hosted import token_uses
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.recorded import sums_of
from ecoia.methods import Method
from ecoia.records import Row, Tokens, fold
from ecoia.records.record_ids import sequenced_id
from support.records import outcome, record

PARIS = ZoneInfo("Europe/Paris")
MOST = 2**62 - 1
_EQUIPMENT = {"co2e_kg": 100, "reserved_share": 1, "life_years": 0.4, "source": "maker", "date": "2026-01-01"}
EQUIPMENT = (
    Equipment.model_validate({**_EQUIPMENT, "id": "host", "from": "2026-07-10", "instances": "host-*"}),
    Equipment.model_validate({**_EQUIPMENT, "id": "card", "from": "2026-01-01", "instances": "*", "devices": ["GPU-1"]}),
)
PARAMETERS = AssessmentParameters(default_factors(), zone="FRA", timezone=PARIS)


def awkward_rows() -> list[Row]:
    """Return rows with everything that an engine may drop, double or round."""
    writer = "0" * 31 + "a"
    declared = {"cpu": Method("declared", "invoice")}
    return fold(
        [
            *(record("2026-11-23T10:00", cpu=MOST, gpu=MOST, instance=f"host-{n}") for n in range(3)),
            *(record(f"2026-09-30T{hour}:10", 15, cpu=10**9 + hour, zone="DEU") for hour in (20, 21, 22, 23)),
            record("2026-11-23T10:05", 5, cpu=1, service=None, phase=None, zone=""),
            record("2026-11-23T10:05", 5, cpu=2, service="", phase="", zone=None, run_id="run-1"),
            record("2026-11-23T10:15", 5, cpu=None, ram=None, units_micro=5, run_id="run-1"),
            record("2026-11-23T10:31", 5, cpu=7, kind="idle", accepted_micro=3),
            record("2026-11-23T10:31", 5, cpu=7, kind="idle", service=None, phase=None),
            record("2026-11-23T11:00", 30, gpu=5, devices=("GPU-1",), phase="training", run_id="run-2"),
            record("2026-11-24T11:00", 30, gpu=6, devices=("GPU-1", "GPU-2"), phase="training", quality={"f1": 0.5}),
            record(
                "2026-11-24T12:00", gpu=9, devices=("GPU-9",), shared_devices=("GPU-9",), pid=1, tokens=(Tokens("p", "m", 7, 3),)
            ),
            record("2026-11-24T12:00", gpu=4, devices=("GPU-9",), shared_devices=("GPU-9",), pid=2, lost={"late": 2}),
            record("2026-11-24T13:00", cpu=40, scope="host", instance="host-9", pid=7),
            record("2026-11-24T13:00", cpu=4, instance="host-9"),
            record("2026-11-24T13:00", cpu=5, simulated=True, instance="host-8", methods=declared),
            *(record("2026-11-24T14:00", cpu=3, record_id="twice", instance=f"copy-{n}") for n in (1, 2)),
            *(record("2026-11-24T15:00", cpu=3, record_id=sequenced_id(writer, 1, 4 + n), instance=f"copy-{n}") for n in (1, 2)),
            outcome("2026-11-24T16:09", "run-2", "failed"),
        ]
    ) + fold([record("2026-11-24T14:00", cpu=3, record_id="twice", instance="copy-3")])


def agreed(rows: Collection[Row], before_ns: int = 1 << 62) -> dict[str, Any]:
    """Return everything that figures are drawn from, by quarter; equal whoever summed it up."""
    recorded = sums_of(rows, before_ns, PARIS, life_ends(EQUIPMENT, PARIS))
    found: dict[str, Any] = {str(quarter): _of(sums, *quarter.bounds_ns(PARIS)) for quarter, sums in recorded.by_quarter.items()}
    return {**found, "refusals": recorded.refusals}


def _of(sums: LedgerSums, start_ns: int, end_ns: int) -> dict[str, Any]:
    plain = ("works", "outcomes", "run_microjoules", "run_last_utc_ns", "run_quality", "quality", "lost", "rows", "last_utc_ns")
    return {
        **{name: getattr(sums, name) for name in plain},
        "strands": _strands(sums),
        "seconds": {work: sums.seconds_of(work) for work in sorted(sums.works)},
        "tokens": token_uses(sums.token_rows),
        "making": embodied_shares(sums.strands, EQUIPMENT, start_ns, end_ns, PARIS),
        "undescribed": without_equipment(sums.strands, EQUIPMENT, start_ns, end_ns, PARIS),
        "half_hours": _half_hours(sums),
        "cells": _cells(sums, PARAMETERS),
        "cells_of_runs": _cells_of_runs(sums, PARAMETERS),
    }


def _cells_of_runs(sums: LedgerSums, parameters: AssessmentParameters) -> dict[Any, Any]:
    runs, factors = sums_of_runs(sums, parameters)
    uses = factors.uses
    for run, cells in runs.items():
        assert sum(each.microjoules for each in cells.values()) == sums.run_microjoules[run]
    return {
        (run, key.component, key.status, key.name, key.zone, str(uses[key.factor_use] if key.factor_use >= 0 else key)): each
        for run, cells in runs.items()
        for key, each in cells.items()
    }


def _strands(sums: LedgerSums) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for strand in sums.strands:
        known = tuple(energy is not None for energy in strand.microjoules)
        key = (strand.kind, strand.bearer, strand.instance, strand.zone, strand.simulated, strand.devices, strand.methods, known)
        added = [*strand.known_microjoules, strand.spans, strand.cpu_ns, strand.units_micro, strand.accepted_micro]
        assert all(type(value) is int for value in added if value is not None)
        found[key] = [_plus(*pair) for pair in zip(found.get(key, [None] * len(added)), added, strict=True)]
    return found


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _half_hours(sums: LedgerSums) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for service in sorted({service for service, _ in sums.works}):
        for *key, microjoules in sums.work_by_half_hour(service, ("training", "inference")):
            found[service, *key] = found.get((service, *key), 0) + microjoules
    return found


def _cells(sums: LedgerSums, parameters: AssessmentParameters) -> dict[Any, Any]:
    """Return cells with the use of factors and its bounds in place of its index, which depends on who looks up first."""
    cells = CellSums.of(sums, parameters)
    uses = cells.factors.uses
    named = {key: uses[key.factor_use] if key.factor_use >= 0 else key.factor_use for key in cells.sums}
    for found in cells.sums.values():
        assert {type(found.microjoules), type(found.emitted)} == {int}
    return {"seen": cells.seen} | {
        (key.service, key.phase, key.component, key.status, key.name, key.zone, str(named[key]), key.calibration): found
        for key, found in cells.sums.items()
    }

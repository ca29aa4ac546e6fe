"""Parquet files of ledger rows of a made-up organisation, in any number, written without a row in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ecoia.periods import HALF_HOUR_NS, Quarter
from ecoia.records.columns import ROW_SCHEMA

PARIS = ZoneInfo("Europe/Paris")
INSTANCES, SERVICES, HALF_HOURS = 200, 30, 35_040
ZONES = ("FRA", "DEU", "POL", "ESP")
_BATCH = 1_000_000


def write(folder: Path, count: int) -> list[Path]:
    """Write so many rows over two years, in order of time: 200 instances, 30 services, 4 zones, one range of ids a row."""
    start, paths = Quarter(2024, 1).bounds_ns(PARIS)[0], []
    for first in range(0, count, _BATCH):
        number = np.arange(first, min(first + _BATCH, count))
        paths.append(folder / f"{first // _BATCH:04d}.parquet")
        parquet.write_table(_table(number, start + number * HALF_HOURS // count * HALF_HOUR_NS), paths[-1], compression="zstd")
    return paths


def _table(number: Any, half_hour: Any) -> pa.Table:
    size, draw = len(number), np.random.default_rng(int(number[0]))
    nothing = pa.array(np.zeros(size + 1, np.int32))
    ids = pa.StructArray.from_arrays(
        [
            _few(number % INSTANCES, [f"{n:032x}" for n in range(INSTANCES)]).cast(pa.string()),
            pa.array(np.zeros(size, np.int32)),
            pa.array(number * 360),
            pa.array(number * 360 + 359),
        ],
        names=["writer", "stream", "first", "last"],
    )
    columns: dict[str, Any] = {
        "half_hour_utc_ns": half_hour,
        "kind": _few(np.where(number % 10 == 0, 1, 0), ["span", "idle"]),
        "service": _few(number * 7 % SERVICES, [f"service-{n:02d}" for n in range(SERVICES)]),
        "phase": _few(np.where(number % 11 == 0, 1, 0), ["inference", "training"]),
        "instance": _few(number % INSTANCES, [f"host-{n:03d}" for n in range(INSTANCES)]),
        "zone": _few(number % INSTANCES % len(ZONES), list(ZONES)),
        "scope": _few(number * 0, ["process"]),
        "simulated": np.zeros(size, bool),
        "spans": np.full(size, 1000),
        "units_micro": np.full(size, 10**9),
        "cpu_ns": draw.integers(0, 10**12, size),
        "start_utc_ns": half_hour,
        "end_utc_ns": half_hour + HALF_HOUR_NS,
        "cpu_microjoules": draw.integers(0, 10**11, size),
        "gpu_microjoules": pa.array(draw.integers(0, 10**12, size), mask=number % 3 > 0),
        "ram_microjoules": draw.integers(0, 10**10, size),
        "sources": pa.ListArray.from_arrays(pa.array(np.arange(size + 1, dtype=np.int32)), ids),
    }
    for component, methods in {"cpu": ["rapl"], "gpu": ["nvml", "not-measured"], "ram": ["ram-model"]}.items():
        missing = number % 3 > 0 if component == "gpu" else number < 0
        columns[f"{component}_status"] = _few(
            np.where(missing, 2, 1 if component == "ram" else 0), ["measured", "estimated", "missing"]
        )
        columns[f"{component}_method"] = _few(np.where(missing, len(methods) - 1, 0), methods)
    arrays = []
    for field in ROW_SCHEMA:
        if field.name in columns:
            arrays.append(
                pa.array(columns[field.name], field.type) if isinstance(columns[field.name], np.ndarray) else columns[field.name]
            )
        elif pa.types.is_map(field.type):
            empty = (pa.array([], field.type.key_type), pa.array([], field.type.item_type))
            arrays.append(pa.MapArray.from_arrays(nothing, *empty))
        elif pa.types.is_list(field.type):
            arrays.append(pa.ListArray.from_arrays(nothing, pa.array([], field.type.value_type)))
        else:
            arrays.append(pa.nulls(size, field.type))
    return pa.Table.from_arrays(
        [each.cast(field.type) for each, field in zip(arrays, ROW_SCHEMA, strict=True)], schema=ROW_SCHEMA
    )


def _few(codes: Any, texts: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts))

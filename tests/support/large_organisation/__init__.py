"""A large made-up organisation: 28 services, six quarters, three sites, half-hourly factors, hosted models, missed targets.

Everything is drawn from one seed, so its figures are the same everywhere. It holds what a small example cannot: a service that
was renamed, one recorded on 39 % of its days, one known by invoices, two that call models of others, runs that failed.
"""

from __future__ import annotations

import functools
import math
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ecoia import catalogue
from ecoia.factors import FactorSet
from ecoia.factors.files import parse_generic
from ecoia.keeping.declared import read_activity
from ecoia.methods import Method
from ecoia.periods import Quarter
from ecoia.records import Record, Row, Tokens, fold
from ecoia.report import QuarterlyReport, build_report
from ecoia.units import micro
from support.records import NOTHING, NVML, RAM, RAPL, kwh, outcome, record
from support.settings import make_settings

CATALOGUE = Path(__file__).parent / "catalogue"
QUARTER = Quarter(2026, 3)
"""The quarter that the organisation reports on."""

DECLARED_ACTIVITY = """\
service;phase;start;end;energy_kwh;vcpu_hours;watts_per_vcpu;units;source
traduction;inference;2026-01-01;2026-03-31;310,5;;;410000;facture du prestataire T1
traduction;inference;2026-04-01;2026-06-30;322,0;;;420000;facture du prestataire T2
traduction;inference;2026-07-01;2026-09-30;298,4;;;395000;facture du prestataire T3
planif-agences;training;2026-08-03T08:00;2026-08-05T20:00;;1920;4,5;;console du nuage
"""

_PARIS = ZoneInfo("Europe/Paris")
_LOAD = Method("estimated", "load-model:known")
_FIRST_QUARTER, _QUARTERS = Quarter(2025, 2), 6

# Service: its host; kWh a day of its processor, of its graphics card; growth a quarter; units a day; method of its processor.
_SERVING: dict[str, tuple[str, float, float | None, float, int, Method]] = {
    "analyse-cv": ("gpu-02", 1.2, 9, 1.05, 52_000, RAPL),
    "gestion-mails": ("cpu-01", 14, None, 1.01, 120_000, RAPL),
    "recommandations": ("cpu-01", 6, None, 0.97, 90_000, RAPL),
    "acces-information": ("cpu-02", 8, None, 1.0, 300_000, _LOAD),
    "prediction-pourvoi": ("cpu-02", 2.5, None, 1.0, 40_000, _LOAD),
    "controle-legalite": ("cpu-02", 3.1, None, 1.02, 35_000, _LOAD),
    "vadore": ("lyon-01", 1.9, None, 1.1, 4_000, RAPL),
    "smart-emploi": ("lyon-01", 5.2, None, 1.0, 900, RAPL),
    "fraude": ("lyon-01", 2.2, None, 1.0, 12_000, RAPL),
    "indus": ("lyon-01", 1.1, None, 1.0, 8_000, RAPL),
    "ocr-pieces": ("gpu-02", 2.0, 14, 1.04, 70_000, RAPL),
    "rome-codage": ("cpu-01", 0.7, None, 1.0, 20_000, RAPL),
    "formation-reco": ("cpu-01", 1.4, None, 1.0, 15_000, RAPL),
    "score-risque": ("lyon-01", 0.6, None, 1.0, 9_000, RAPL),
    "voix-3949": ("de-01", 1.5, 11, 1.03, 45_000, _LOAD),
    "sens-du-client": ("lyon-01", 0.4, None, 1.0, 3_000, RAPL),
    "dsn-controle": ("cpu-02", 0.9, None, 1.0, 60_000, _LOAD),
    "geo-offres": ("cpu-02", 0.2, None, 1.0, 30_000, _LOAD),
}
_RUN_KWH = (180, 120, 260, 90, 140, 150, 310, 80, 220, 170, 130)


@functools.cache
def large_records() -> tuple[Record, ...]:
    """Draw the records of six quarters, 2025Q2 to 2026Q3, the declared activity among them."""
    draw = random.Random(7)
    found: list[Record] = []
    for index in range(_QUARTERS):
        quarter = _FIRST_QUARTER.shift(index)
        days = [quarter.first_day() + timedelta(days=n) for n in range((quarter.shift(1).first_day() - quarter.first_day()).days)]
        found += _serving(draw, index, quarter, days)
        found += _assistant(draw, index, days)
        found += _training(index, quarter)
        found += _hosted(index, quarter, days)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "declared.csv"
        path.write_text(DECLARED_ACTIVITY, encoding="utf-8")
        found += read_activity(path, make_settings(timezone=_PARIS.key, zone="FRA", instance="gpu-01"))
    return tuple(found)


@functools.cache
def large_rows() -> tuple[Row, ...]:
    """Return the records as ledger rows."""
    return tuple(fold(large_records()))


@functools.cache
def large_factors() -> FactorSet:
    """Return half-hourly factors of France, which vary with the hour and the season, and yearly ones of Germany."""
    lines = ["zone,start,end,gco2e_per_kwh"]
    start, end = datetime(2025, 3, 31, 22, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC)
    while start < end:
        local = start.astimezone(_PARIS)
        by_hour = 14 * math.cos((local.hour + local.minute / 60 - 19) / 24 * 2 * math.pi)
        by_day = 10 * math.cos((local.timetuple().tm_yday - 15) / 365 * 2 * math.pi)
        after = start + timedelta(minutes=30)
        lines.append(f"FRA,{start.isoformat()},{after.isoformat()},{38 + by_hour + by_day:.2f}")
        start = after
    lines += ["DEU,2025-01-01,2026-01-01,340", "DEU,2026-01-01,2027-01-01,325"]
    given = {
        "id": "ours",
        "retrieved_on": "2026-10-05",
        "scope": "lifecycle",
        "basis": "consumption",
        "licence": "made up",
        "source": "made up",
    }
    return parse_generic(("\n".join(lines) + "\n").encode(), "grid.csv", _PARIS, given)[0]


def large_catalogue(folder: Path, **replaced: str) -> catalogue.Catalogue:
    """Copy the organisation's catalogue into a folder and load it; ``replaced`` are other texts of its YAML files.

    Example:
        >>> large_catalogue(tmp_path, targets="targets: []")  # doctest: +SKIP
    """
    shutil.copytree(CATALOGUE, folder, dirs_exist_ok=True)
    for name, text in replaced.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return catalogue.load(folder)


def large_report(folder: Path, quarter: Quarter = QUARTER, **replaced: str) -> QuarterlyReport:
    """Build a quarter's report of the organisation, its catalogue written into a folder.

    Args:
        folder: A temporary folder.
        quarter: The quarter.
        replaced: Other texts of files of the catalogue, by their name without ``.yaml``.
    """
    return build_report(
        large_rows(),
        quarter,
        settings=make_settings(timezone=_PARIS.key, zone="FRA"),
        catalogue=large_catalogue(folder, **replaced),
        factors=large_factors(),
        over=True,
    )


def _serving(draw: random.Random, index: int, quarter: Quarter, days: list[date]) -> Iterator[Record]:
    for service, (host, cpu, gpu, growth, units, method) in _SERVING.items():
        recorded = days[:36] if service == "vadore" and quarter == QUARTER else days
        for day in recorded:
            weekday = _weekday(day, 0.45)
            level = growth**index * weekday * (0.9 + 0.2 * draw.random())
            yield _of(
                f"{service}/{day}",
                day,
                10,
                30,
                cpu=cpu * level,
                gpu=None if gpu is None else gpu * level,
                ram=cpu * level * 0.2,
                method=method,
                service=service,
                instance=host,
                spans=int(units * weekday),
                units_micro=micro(int(units * growth**index * weekday)),
                devices=() if gpu is None else ("GPU-2",) if host == "gpu-02" else ("GPU-de",),
            )


def _assistant(draw: random.Random, index: int, days: list[date]) -> Iterator[Record]:
    """Draw the assistant on two hosts with its reserved idle; it had another name until the end of 2025."""
    service = _assistant_name(index)
    for host, device in (("gpu-01", "GPU-1"), ("gpu-03", "GPU-3")):
        for day in days:
            weekday = _weekday(day, 0.4)
            units, energy = int(9000 * 1.12**index * weekday), 22 * 1.09**index * weekday * (0.95 + 0.1 * draw.random())
            work = {"service": service, "instance": host, "devices": (device,)}
            yield _of(
                f"{service}/{host}/{day}",
                day,
                9,
                60,
                cpu=energy * 0.08,
                gpu=energy,
                ram=energy * 0.03,
                spans=units,
                units_micro=micro(units),
                **work,
            )
            idle = {"kind": "idle", "phase": None, "reserved_share": 1.0, "idle_separated": True, "spans": 0}
            yield _of(f"idle/{host}/{day}", day, 3, 60, cpu=0.6, gpu=5.5, ram=0.2, service=service, instance=host, **idle)
            own = {"kind": "overhead", "service": None, "phase": None, "spans": 0}
            yield _of(f"overhead/{host}/{day}", day, 9, 60, cpu=0.01, instance=host, **own)


def _training(index: int, quarter: Quarter) -> Iterator[Record]:
    """Draw the runs that tune the assistant, and how they ended."""
    service, last = _assistant_name(index), quarter == QUARTER
    for number in range(11 if last else 5):
        day = quarter.first_day() + timedelta(days=8 + 7 * number)
        hour = 12 if number % 2 else 1
        run = uuid.uuid5(uuid.NAMESPACE_URL, f"{quarter}/run/{number}").hex
        energy = _RUN_KWH[number] * (1.25 if last else 1)
        phase = "fine-tuning" if number % 3 else "training"
        work = {"service": service, "phase": phase, "instance": "gpu-04"}
        yield _of(
            f"run/{quarter}/{number}",
            day,
            hour,
            480,
            cpu=energy * 0.07,
            gpu=energy,
            ram=energy * 0.02,
            run_id=run,
            quality={"accuracy": 0.80 + 0.01 * (number % 7)},
            devices=("GPU-4",),
            **work,
        )
        end = "failed" if number in (3, 9) else "abandoned" if number == 4 else "ok"
        yield outcome(_ns(day, hour) + 480 * 60 * 10**9, run, end, **work)


def _hosted(index: int, quarter: Quarter, days: list[date]) -> Iterator[Record]:
    """Draw two services that call models of others; one model of 2026Q2 is not known to anybody."""
    if quarter >= Quarter(2025, 4):
        tokens = (Tokens("mistralai", "mistral-medium-2604", 4_000_000, 1_200_000 * index, 3000),)
        for day in days:
            work = {"service": "chat-candidat", "instance": "web-01", "spans": 3000, "units_micro": micro(3000)}
            yield _of(f"chat/{day}", day, 14, 30, cpu=0.02, method=_LOAD, tokens=tokens, **work)
    if quarter >= Quarter(2026, 2):
        tokens = (Tokens("openai", "gpt-4o-2024-11-20", 900_000, 300_000, 200, 400_000, None, 90_000),)
        if quarter == Quarter(2026, 2):
            tokens += (Tokens("openai", "modele-maison-9", 1000, 20_000, 12),)
        for day in days[::2]:
            work = {"service": "synthese-entretien", "instance": "web-01", "spans": 200, "units_micro": micro(200)}
            yield _of(f"synthesis/{day}", day, 15, 30, tokens=tokens, **work)


def _assistant_name(index: int) -> str:
    return "aide-redaction" if index < 3 else "assistant-conseiller"


def _weekday(day: date, weekend: float) -> float:
    return weekend if day.weekday() >= 5 else 1.0


def _ns(day: date, hour: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=_PARIS).timestamp()) * 10**9


def _of(
    name: str,
    day: date,
    hour: int,
    minutes: int,
    *,
    cpu: float | None = None,
    gpu: float | None = None,
    ram: float | None = None,
    method: Method = RAPL,
    **fields: Any,
) -> Record:
    """Build the record of some work that began at an hour of a day, its energy in kWh."""
    energy = {name: None if given is None else kwh(given) for name, given in (("cpu", cpu), ("gpu", gpu), ("ram", ram))}
    methods = {"cpu": method, "gpu": NVML, "ram": RAM}
    record_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    return record(_ns(day, hour), minutes, **(NOTHING | energy), methods=methods, record_id=record_id, pid=100, **fields)

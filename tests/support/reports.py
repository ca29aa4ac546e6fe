"""Reports to draw pages from: a small one, one with something in every part, a large one, and a hostile one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ecoia.factors import Factor, FactorSet, default_factors
from ecoia.impact.grid import FactorGap
from ecoia.impact.recalculation import Recalculation, Restatement
from ecoia.periods import HALF_HOUR_NS, Quarter
from ecoia.records import Record, Row, Tokens, fold
from ecoia.report import CalibrationUsed, ContractUsed, FactorSetInUse, QuarterlyReport, Seal, build_report
from ecoia.units import micro
from support.organisation import (
    CHARTER,
    COMMITMENTS,
    COMMITTEES,
    EVALUATIONS,
    REGIONS,
    SERVICES,
    TARGETS,
    sample_catalogue,
    write_catalogue,
)
from support.records import DECLARED, GENERIC, LOAD, instant, kwh, outcome, record
from support.settings import make_settings


def sample_records() -> list[Record]:
    """Build three simulated quarters, then 2026Q4: training, inference, a GPU, declared activity, a missing component, idle."""
    found = []
    for index, day in enumerate(("2026-01-15", "2026-04-15", "2026-07-15")):
        found.append(record(f"{day}T08:00", 20, cpu=kwh(9 - index), ram=kwh(1), phase="training", simulated=True, zone="FRA"))
        found.append(record(f"{day}T09:00", 20, cpu=kwh(4), ram=kwh(1), service="smart-emploi", simulated=True, zone="FRA"))
    found += [
        record(
            "2026-10-05T08:00",
            25,
            cpu=kwh(6.2),
            gpu=kwh(9.4),
            ram=kwh(0.8),
            phase="training",
            run_id="run-1",
            quality={"accuracy": 0.91},
        ),
        record("2026-10-06T08:00", 25, cpu=kwh(1.1), gpu=kwh(2.0), ram=kwh(0.1), phase="training", run_id="run-2"),
        outcome("2026-10-05T08:26", "run-1", "ok"),
        outcome("2026-10-06T08:26", "run-2", "failed"),
        record(
            "2026-11-23T10:00",
            29,
            cpu=kwh(2.5),
            ram=kwh(0.4),
            spans=480,
            units_micro=micro(4800),
            accepted_micro=micro(3900),
            cpu_ns=900 * 10**9,
            lost={"queue-full": 3},
            tokens=(Tokens("local", "small", 12_000, 900),),
        ),
        record(
            "2026-11-24T10:00",
            10,
            cpu=kwh(0.9),
            ram=kwh(0.1),
            methods={"cpu": LOAD},
            service="smart-emploi",
            phase="data-preparation",
        ),
        record(
            "2026-11-24T10:30",
            20,
            cpu=kwh(1.9),
            ram=kwh(0.2),
            methods={"cpu": LOAD},
            service="smart-emploi",
            phase="training",
            run_id="run-3",
        ),
        outcome("2026-11-24T10:50", "run-3", "ok", service="smart-emploi"),
        record(
            "2026-11-25T10:00",
            20,
            cpu=kwh(0.7),
            ram=kwh(0.1),
            methods={"cpu": LOAD},
            service="smart-emploi",
            spans=60,
            units_micro=micro(60),
        ),
        record("2026-11-26T14:00", 20, cpu=kwh(0.5), ram=None, methods={"cpu": GENERIC}, service="acces-information", spans=120),
        record(
            "2026-12-01T00:00",
            29,
            cpu=kwh(3.0),
            gpu=None,
            ram=None,
            methods={"cpu": DECLARED},
            service="analyse-cv",
            spans=0,
            declared_source="facture de l'hébergeur, décembre 2026",
        ),
        record(
            "2026-11-26T15:00", 5, cpu=kwh(0.05), ram=kwh(0.01), methods={"cpu": GENERIC}, service="prototype-interne", spans=4
        ),
        record("2026-11-26T16:00", 25, cpu=kwh(0.3), ram=kwh(0.2), kind="idle", phase=None, spans=0),
        record("2026-11-26T16:30", 25, cpu=kwh(0.02), ram=kwh(0.01), kind="unattributed", service=None, phase=None, spans=0),
        record(
            "2026-11-26T16:30",
            25,
            cpu=kwh(0.004),
            ram=None,
            kind="overhead",
            service=None,
            phase=None,
            spans=0,
            lost={"invalid-units": 1},
        ),
    ]
    return found


def sample_rows() -> list[Row]:
    """Return the sample records as ledger rows."""
    return fold(sample_records())


def sample_report(folder: Path, **values: Any) -> QuarterlyReport:
    """Build a report with something of everything in a temporary folder: the catalogue is written there.

    ``values`` are settings, e.g. ``pue=1.3``; the zone is France unless they name another.
    """
    return build_report(
        sample_rows(),
        Quarter(2026, 4),
        settings=make_settings(**{"zone": "FRA", **values}),
        catalogue=sample_catalogue(folder),
        factors=default_factors(),
    )


def varying_report(folder: Path, fill: str | None = "previous") -> QuarterlyReport:
    """Build a report of 4 kWh with factors for three half-hours, 1 kWh of it in a gap; half of the electricity is contracted."""
    first = instant("2026-11-23T10:00")
    said = ("direct", "production", "RTE, eCO2mix", "Licence Ouverte 2.0 (Etalab)", "v1", "rte", "2026-11-25")
    factors = [
        Factor("FRA", first + n * HALF_HOUR_NS, first + (n + 1) * HALF_HOUR_NS, value, *said)
        for n, value in ((0, 10.0), (1, 20.0), (3, 40.0))
    ]
    contract = (
        'supplier: "Fournisseur <b>", gco2e_per_kwh: 6, scope: direct, share: 0.5, zone: FRA, evidence: "GO n° 12", '
        "from: 2026-01-01, until: 2027-01-01"
    )
    return build_report(
        fold(
            [record(f"2026-11-23T{time}", cpu=kwh(used), ram=None) for time, used in (("10:05", 2), ("10:35", 1), ("11:05", 1))]
        ),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA"),
        catalogue=write_catalogue(folder, services=SERVICES, contracts=f"contracts:\n  - {{{contract}}}\n"),
        factors=FactorSet(factors, id="rte", version="v1", title="RTE").choose(fill=fill),
    )


def full_report(folder: Path) -> QuarterlyReport:
    """Build a report with something in every part: two years of quarters, a trajectory, runs to compare, words of committees."""
    services = SERVICES.replace(
        "    functional_unit: rapprochement proposé\n",
        "    functional_unit: rapprochement proposé\n    owner_role: chef de produit IA\n    quality: {accuracy: higher}\n"
        "    purpose: propose à un recruteur des profils qui correspondent à son offre\n",
    )
    charter = CHARTER.split("  commitments:")[0] + "  commitments:\n"
    charter += "".join(f"    - {{number: {n}, id: {id_}, name: {name}}}\n" for n, (id_, name) in enumerate(COMMITMENTS, 1))
    charter += "governance:" + CHARTER.split("governance:")[1]
    targets = (
        TARGETS
        + """\
  - id: usage
    indicator: co2e_operational
    baseline: {quarters: [2025Q1, 2025Q2, 2025Q3, 2025Q4], boundary: v1}
    reduction: 0.35
    horizon: 2030
"""
    )
    targets = targets.replace("2027Q1, 2027Q2, 2027Q3, 2027Q4", "2025Q1, 2025Q2, 2025Q3, 2025Q4")
    past = [
        record(
            f"{year}-{month:02}-12T08:00", 25, cpu=kwh(24 - place), ram=kwh(1), phase="training", zone="FRA", run_id=f"r-{place}"
        )
        for place, (year, month) in enumerate((year, month) for year in (2025, 2026) for month in (2, 5, 8, 11))
    ][:-1]
    compared = [
        each
        for place, (used, accuracy) in enumerate(((3.0, 0.86), (4.5, 0.89), (7.1, 0.88), (9.0, 0.885), (5.2, 0.9)))
        for each in (
            record(
                f"2026-10-{10 + place}T08:00",
                25,
                cpu=kwh(used),
                ram=kwh(0.2),
                phase="training",
                run_id=f"essai-{place}",
                quality={"accuracy": accuracy},
            ),
            outcome(f"2026-10-{10 + place}T08:26", f"essai-{place}", "ok"),
        )
    ]
    recorded = [each for each in sample_records() if not each.simulated]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "regions.csv").write_text(REGIONS, encoding="utf-8")
    bridge = Recalculation(
        quarter="2026Q3",
        parts=("operational",),
        parts_added=(),
        parts_lost=(),
        total=Restatement(None, 1_000_000_000, 1_100_000_000, {"factor": 100_000_000}),
        services=(),
        energy_published_microjoules=kwh(4),
        energy_recalculated_microjoules=kwh(4),
        relative=0.1,
        threshold=0.05,
        needed=True,
        factor_set_published="default",
        factor_set="default",
    )
    return build_report(
        fold([*past, *recorded, *compared]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", pue=1.4),
        catalogue=write_catalogue(
            folder, services=services, charter=charter, targets=targets, committees=COMMITTEES, evaluations=EVALUATIONS
        ),
        factors=default_factors(),
        restatements=(bridge,),
    )


def large_report(folder: Path, services: int = 30) -> QuarterlyReport:
    """Build a report of many services over eight quarters, each with training to compare, serving, idle, a site and regions."""
    ids = [f"service-{number:02}" for number in range(services)]
    register = "services:\n" + "".join(
        f"  - {{id: {id_}, name: Service numéro {number}, audience: conseillers, purpose: propose une réponse n° {number}, "
        "status: generalised, functional_unit: réponse, owner_role: chef de produit, quality: {accuracy: higher}}\n"
        for number, id_ in enumerate(ids)
    )
    site = "zone: FRA, instances: [host-*]"
    for figure, value in (("pue", 1.35), ("wue", 0.25), ("water_factor", 1.7)):
        site += f", {figure}: [{{value: {value}, quality: declared, from: 2025-01-01, source: Contrat, date: 2025-01-15}}]"
    equipment = "id: serveur, co2e_kg: 1461, life_years: 4, reserved_share: 0.5, instances: [host-1], from: 2025-01-01"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "regions.csv").write_text(
        "region,service,quarter,units,source\n"
        + "".join(f"Région {r},{id_},2026Q4,{50 + 7 * r + n},suivi\n" for r in range(18) for n, id_ in enumerate(ids)),
        encoding="utf-8",
    )
    records = []
    for year, month in ((year, month) for year in (2025, 2026) for month in (2, 5, 8, 11)):
        for number, id_ in enumerate(ids):
            day, minute = f"{year}-{month:02}", f"{number % 30:02}"
            records.append(record(f"{day}-20T16:{minute}", 20, cpu=kwh(0.5), kind="idle", phase=None, spans=0, service=id_))
            for n in range(5):
                used, units = kwh(0.1 + 0.013 * number + 0.003 * n), micro(500 + number)
                records.append(record(f"{day}-{n + 5:02}T08:{minute}", 25, cpu=used, service=id_, units_micro=units))
                run = {"service": id_, "run_id": f"{id_}-{day}-{n}", "phase": "training"}
                quality = {"accuracy": 0.8 + 0.013 * ((n * 3 + number) % 7)}
                records.append(
                    record(f"{day}-{n + 5:02}T12:{minute}", 20, cpu=kwh(1 + 0.13 * number + n), quality=quality, **run)
                )
                records.append(outcome(f"{day}-{n + 5:02}T12:55", result="ok" if n else "failed", **run))
    return build_report(
        fold(records),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA"),
        catalogue=write_catalogue(
            folder,
            services=register,
            charter=CHARTER,
            targets="targets:\n  - {id: t, indicator: co2e, reduction: 0.35, horizon: 2030, "
            "baseline: {quarters: [2025Q1, 2025Q2, 2025Q3, 2025Q4]}}\n",
            sites=f"sites:\n  - {{id: centre, name: Centre, {site}}}\n",
            equipment=f"equipment:\n  - {{{equipment}, source: Fiche, date: 2025-01-03}}\n",
        ),
        factors=default_factors(),
    )


SEAL = Seal("2026Q4", "2027-01-20", "a" * 64, "2026Q3", "b" * 64)

HOSTILE = "</style></script><script>alert(1)</script>\"'`${7*7}{{7*7}}\x00\x1b[31m\u202eabc\u2066\ud800\r\n]]>&lt;"


def poisoned(report: QuarterlyReport, hostile: str = HOSTILE) -> QuarterlyReport:
    """Return the report with a hostile text wherever an organisation or a program could have put one."""
    replace = dataclasses.replace
    return replace(
        report,
        organisation=hostile,
        charter_title=hostile,
        ethics_contact=hostile,
        commitments=tuple(replace(c, name=hostile, text=hostile) for c in report.commitments),
        results=tuple(replace(r, functional_unit=hostile, quality={hostile: 1.0}) for r in report.results),
        register=tuple(replace(e, name=f"{hostile} {e.id}", audience=hostile, scope=hostile) for e in report.register),
        targets=tuple(replace(t, id=hostile, verdict=hostile, reason=hostile, deadline=hostile) for t in report.targets),
        factors=tuple(
            replace(f, zone=hostile, source=hostile, licence=hostile, scope=hostile, filled=hostile) for f in report.factors
        ),
        calibrations=(CalibrationUsed(hostile, 1.42, 1.05, (hostile,), "2026-07-01", None, hostile, "2026-06-15"),),
        factor_set=FactorSetInUse(hostile, hostile, hostile, hostile, hostile, hostile),
        factor_gaps=(FactorGap(hostile, hostile, 0.5),),
        contracts=(ContractUsed(hostile, 6, hostile, 0.5, hostile, (hostile,), "2026-01-01", "2027-01-01", hostile),),
        lost={hostile: 1},
        notices=(hostile,),
        governance=tuple(replace(b, name=hostile, role=hostile) for b in report.governance),
        costliest_runs=tuple(replace(r, run_id=hostile, outcome=hostile, quality={hostile: 1.0}) for r in report.costliest_runs),
        savings=tuple(replace(s, kind=hostile, role=hostile, metric=hostile, runs=(hostile,) * 9) for s in report.savings),
        unsupported=tuple(replace(u, kind=hostile, reason=hostile, services=(hostile,)) for u in report.unsupported),
        frontiers=tuple(
            replace(
                f,
                metric=hostile,
                runs=tuple(replace(r, run_id=f"{hostile}{n}", quality={hostile: 1.0 + n}) for n, r in enumerate(f.runs)),
                front=(f"{hostile}0",),
            )
            for f in report.frontiers
        ),
        said=tuple(replace(s, text=hostile, id=hostile, body=hostile) for s in report.said),
        actions=tuple(replace(a, id=hostile, text=hostile, role=hostile, note=hostile, about=hostile) for a in report.actions),
        regions=tuple(replace(r, region=hostile, source=hostile) for r in report.regions),
        evaluations=tuple(replace(e, question=hostile, answer=hostile, comment=hostile) for e in report.evaluations),
        sensitivities=tuple(replace(s, kind=hostile, name=hostile) for s in report.sensitivities),
        seal=Seal(hostile, "2027-01-20", hostile, hostile, hostile) if report.seal else None,
    )

"""The gate of a pipeline: compare measured energy with a budget, and with a baseline beyond noise.

The gate compares the energy of components per functional unit, as the meters gave it. Neither a PUE nor a calibration is in it,
so that a figure changes when the code does. Noise has three parts:

- the deviation of a service and phase itself, ``GSD["own"]``, on each side;
- errors of the meters that the two sides do not share. Shared errors cancel (``change.log_ratio_variance``). Against a budget
  they are left out, since a budget is set on figures of the same meters;
- the spread between repeats, if there are several. With s^2 pooled over both sides, C now and C0 in the baseline,

    half-width of ln(C / C0) = sqrt((1.96 sigma)^2 + t^2 s^2 (1/n + 1/n0)).

A verdict within the noise is ``inconclusive``: it is shown and does not fail. A service with a budget and no measurement fails:
not measured is not zero.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ecoia import limits
from ecoia.catalogue.error_widths import GSD
from ecoia.errors import UsageError
from ecoia.impact.change import log_ratio_variance
from ecoia.impact.doublecounting import refuse_doubles
from ecoia.impact.uncertainty import Cell, Estimate
from ecoia.methods import error_class
from ecoia.periods import utc_datetime
from ecoia.records import Record, Row, fold, in_force
from ecoia.semconv import COMPONENTS, KIND_SPAN, NOT_LACKING, PHASES, is_slug
from ecoia.units import kwh

BUDGET, BASELINE = "budget", "baseline"
OK, OVER, REGRESSED, INCONCLUSIVE, NOT_MEASURED = "ok", "over", "regressed", "inconclusive", "not-measured"

REASONS = {
    "within-noise": "the noise covers it",
    "component-missing": "a component was not measured, so this is a minimum",
    "method-changed": "measured by another method than the baseline",
    "hardware-changed": "measured on other hardware than the baseline",
    "not-in-baseline": "the baseline does not have it",
    "not-recorded": "no span of it is in the journal",
    "no-energy": "no energy was measured of it",
    "no-units": "no functional unit was counted: use span.units(n)",
}
"""Why there is no clear verdict: the text of each reason code."""

_LIMIT = "energy_per_unit_wh"
_Z95 = 1.96
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # Student's t, 1 to 10 degrees of freedom

ServicePhase = tuple[str, str]
Natural = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class MethodEnergy:
    """Energy of one component by one method. ``microjoules`` is ``None`` where energy is missing."""

    component: str
    status: str
    method: str
    microjoules: Natural | None


@dataclass(frozen=True)
class Repeat:
    """One run: the energy that it used, and the functional units that it delivered, in millionths."""

    microjoules: Natural
    units_micro: Natural


@dataclass(frozen=True)
class Measured:
    """Measurements of one service and phase in a pipeline.

    Attributes:
        service: Id of the service.
        phase: One of ``semconv.PHASES``.
        energy: By component, status and method.
        units_micro: Functional units, in millionths.
        repeats: The runs.
        hardware: Processor models with the number of CPUs, such as ``AMD EPYC 9654 x 8``.
    """

    service: str
    phase: str
    energy: tuple[MethodEnergy, ...]
    units_micro: Natural
    repeats: tuple[Repeat, ...]
    hardware: tuple[str, ...]

    @property
    def missing(self) -> bool:
        """Whether a component that the machine has was not measured."""
        return any(each.microjoules is None and each.method not in NOT_LACKING for each in self.energy)

    @property
    def reason(self) -> str | None:
        """The reason why there is no energy per unit; ``None`` if there is one."""
        if not any(each.microjoules for each in self.energy):
            return "no-energy"
        return None if self.units_micro else "no-units"

    @property
    def per_unit(self) -> Estimate:
        """Wh per functional unit, with the errors of its methods. Defined only where ``reason`` is ``None``."""
        factor = 1000 * 1_000_000 / self.units_micro
        cells = tuple(
            Cell(
                kwh(each.microjoules) * factor,
                frozenset({error_class(each.status, each.method)}),
                f"{self.service}\n{self.phase}",
            )
            for each in self.energy
            if each.microjoules
        )
        return Estimate(cells, GSD, math.fsum(cell.mean for cell in cells))

    @property
    def methods(self) -> frozenset[tuple[str, str, str]]:
        """Component, status and method of all energy, missing energy included."""
        return frozenset((each.component, each.status, each.method) for each in self.energy)

    @property
    def logarithms(self) -> tuple[float, ...]:
        """Natural logarithm of the energy per unit of each repeat that has one."""
        return tuple(
            math.log(each.microjoules / each.units_micro) for each in self.repeats if each.microjoules and each.units_micro
        )


@dataclass(frozen=True)
class GateBaseline:
    """Measurements of a pipeline, kept as a small JSON file to compare later ones with.

    ``until_utc`` is when its last record ended, ISO 8601.
    """

    measured: tuple[Measured, ...]
    until_utc: str
    schema: Literal[1] = 1

    def to_json(self) -> str:
        """Return it as indented JSON. Equal data gives equal bytes."""
        return TypeAdapter(GateBaseline).dump_json(self, indent=2).decode() + "\n"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        service: Id of the service.
        phase: One of ``semconv.PHASES``.
        check: ``BUDGET`` or ``BASELINE``.
        verdict: ``ok``, ``over``, ``regressed``, ``inconclusive`` or ``not-measured``.
        reason: Why there is no clear verdict, one of ``REASONS``; ``None`` if it is clear.
        value: Energy now, in Wh per unit.
        limit: The budget, or the baseline's energy, in Wh per unit.
        change: C / C0 - 1 against a baseline.
        low: Lower end of the noise: around ``value`` for a budget, around ``change`` for a baseline.
        high: Its upper end.
        repeats: Number of runs measured now.
    """

    service: str
    phase: str
    check: str
    verdict: str
    reason: str | None = None
    value: float | None = None
    limit: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    repeats: int = 0

    @property
    def fails(self) -> bool:
        """Whether it fails the gate. A service that only the baseline has is shown and does not fail: it has no budget."""
        return self.verdict in (OVER, REGRESSED) or (self.verdict == NOT_MEASURED and self.check == BUDGET)


def measure(records: Iterable[Record]) -> GateBaseline:
    """Sum the records of a pipeline by service and phase.

    Only spans count: idle energy belongs to the host. Simulated and declared activity is left out: it was not measured here. A
    run is a ``run_id``, or a process if there is none.

    Args:
        records: Records in any order. A record that stands twice counts once, and corrections are applied.

    Example::

        measure(entry.record for entry in journal.stream(Scan())).measured[0].per_unit.value  # 0.8
    """
    by_run: dict[str, list[Record]] = {}
    for record in in_force(records):
        if record.kind == KIND_SPAN and record.service and record.phase and not (record.simulated or record.declared_source):
            by_run.setdefault(record.run_id or f"{record.instance} {record.pid}", []).append(record)
    rows = [row | {"repeat": run} for run, mine in sorted(by_run.items()) for row in fold(mine)]
    groups: dict[ServicePhase, list[Row]] = {}
    for row in refuse_doubles(rows)[0]:
        groups.setdefault((row["service"], row["phase"]), []).append(row)
    hardware: dict[ServicePhase, set[str]] = {}
    for record in (record for mine in by_run.values() for record in mine):
        facts = (str(record.context.get(name, "?")) for name in ("cpu_model", "cpu_count"))
        hardware.setdefault((record.service or "", record.phase or ""), set()).add(" x ".join(facts))
    last_ns = max((row["end_utc_ns"] for row in rows), default=0)
    return GateBaseline(
        tuple(_measured(key, groups[key], hardware[key]) for key in sorted(groups)),
        utc_datetime(last_ns).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _measured(key: ServicePhase, rows: Sequence[Row], hardware: Iterable[str]) -> Measured:
    energy: dict[tuple[str, str, str], int | None] = {}
    repeats: dict[str, tuple[int, int]] = {}
    for row in rows:
        used, units = repeats.get(row["repeat"], (0, 0))
        for component in COMPONENTS:
            method, microjoules = row["method"][component], row["energy_microjoules"][component]
            how = (component, method["status"], method["name"])
            energy[how] = energy.get(how) if microjoules is None else (energy.get(how) or 0) + microjoules
            used += microjoules or 0
        repeats[row["repeat"]] = used, units + (row["units_micro"] or 0)
    return Measured(
        *key,
        energy=tuple(MethodEnergy(*how, energy[how]) for how in sorted(energy)),
        units_micro=sum(units for _, units in repeats.values()),
        repeats=tuple(Repeat(*repeats[run]) for run in sorted(repeats)),
        hardware=tuple(sorted(hardware)),
    )


def check(measured: GateBaseline, budgets: Mapping[ServicePhase, float], baseline: GateBaseline | None) -> tuple[Finding, ...]:
    """Run every check.

    Args:
        measured: The measurements of this pipeline.
        budgets: The most Wh per functional unit that a service and phase may use.
        baseline: The measurements to compare with; ``None``: none.

    Returns:
        The findings by service and phase, each budget before its baseline.

    Example::

        [finding.verdict for finding in check(measured, {("assistant", "inference"): 0.8}, None)]  # ['ok']
    """
    now = {(each.service, each.phase): each for each in measured.measured}
    findings = [_against_budget(key, now.get(key), limit) for key, limit in budgets.items()]
    if baseline is not None:
        before = {(each.service, each.phase): each for each in baseline.measured}
        findings += [_against_baseline(key, now.get(key), before.get(key)) for key in {*now, *before}]
    return tuple(sorted(findings, key=lambda finding: (finding.service, finding.phase, finding.check != BUDGET)))


def _against_budget(key: ServicePhase, now: Measured | None, limit: float) -> Finding:
    if now is None or now.reason:
        return Finding(*key, BUDGET, NOT_MEASURED, now.reason if now else "not-recorded", limit=limit)
    value = now.per_unit.value
    width = math.hypot(_Z95 * math.log(GSD["own"]), _repeat_width(now.logarithms))
    low, high = value * math.exp(-width), value * math.exp(width)
    verdict, reason = OK, None
    if low > limit:
        verdict = OVER
    elif high > limit:
        verdict, reason = INCONCLUSIVE, "within-noise"
    elif now.missing:
        verdict, reason = INCONCLUSIVE, "component-missing"
    return Finding(*key, BUDGET, verdict, reason, value, limit, low=low, high=high, repeats=len(now.repeats))


def _against_baseline(key: ServicePhase, now: Measured | None, before: Measured | None) -> Finding:
    if now is None or now.reason:
        return Finding(*key, BASELINE, NOT_MEASURED, now.reason if now else "not-recorded")
    value = now.per_unit.value
    if before is None or before.reason:
        return Finding(*key, BASELINE, INCONCLUSIVE, "not-in-baseline", value, repeats=len(now.repeats))
    limit = before.per_unit.value
    sigma = math.sqrt(log_ratio_variance(now.per_unit, before.per_unit))
    width = math.hypot(_Z95 * sigma, _repeat_width(now.logarithms, before.logarithms))
    low, high = (value / limit * math.exp(sign * width) - 1 for sign in (-1, 1))
    verdict, reason = OK, None
    if now.methods != before.methods:
        verdict, reason = INCONCLUSIVE, "method-changed"
    elif now.hardware != before.hardware:
        verdict, reason = INCONCLUSIVE, "hardware-changed"
    elif low > 0:
        verdict = REGRESSED
    elif high > 0:
        verdict, reason = INCONCLUSIVE, "within-noise"
    return Finding(*key, BASELINE, verdict, reason, value, limit, value / limit - 1, low, high, len(now.repeats))


def _repeat_width(*sides: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a mean, or of a difference of two, from the pooled spread; 0 if unknown."""
    freedom = sum(max(len(side) - 1, 0) for side in sides)
    if not freedom:
        return 0.0
    squares = math.fsum((value - math.fsum(side) / len(side)) ** 2 for side in sides for value in side)
    return _t95(freedom) * math.sqrt(squares / freedom * sum(1 / max(len(side), 1) for side in sides))


def _t95(freedom: int) -> float:
    """Return Student's t at 97.5 %. Beyond the table, the first terms of its expansion are within 0.001."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    return 1.959964 + 2.3723 / freedom + 2.8224 / freedom**2 + 2.556 / freedom**3


def read_budgets(path: Path) -> dict[ServicePhase, float]:
    """Read budgets from a TOML file that has a table ``[service.phase]`` with ``energy_per_unit_wh`` for each.

    Returns:
        Wh per functional unit at most, by service and phase.

    Raises:
        UsageError: the file cannot be read or has mistakes; the message has one line a mistake, with key, value and remedy.
    """
    try:
        data = tomllib.loads(limits.read_bytes(path, limits.SETTINGS_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(
            f"budgets '{path}' cannot be read ({error.strerror}): write the file, or name it with --budget"
        ) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or not TOML: the message has the line
        raise UsageError(f"budgets '{path}' is not readable as TOML in UTF-8: {error}") from error
    found: dict[ServicePhase, float] = {}
    problems = list(_read_services(data, found))
    if not problems and not found:
        problems = [f"no budget: write a table such as [assistant.inference] with {_LIMIT} = 0.8"]
    if problems:
        raise UsageError("\n".join([f"budgets '{path}':", *problems]))
    return found


def _read_services(data: Mapping[str, Any], found: dict[ServicePhase, float]) -> Iterable[str]:
    for service, phases in data.items():
        if not is_slug(service):
            yield f"{service!r}: a service id holds lower-case letters, digits, '.', '_' and '-' (quote one that holds a '.')"
        elif not isinstance(phases, dict):
            yield f"{service} = {phases!r}: write a table [{service}.PHASE] with {_LIMIT}"
        else:
            for phase, budget in phases.items():
                where = f"{service}.{phase}"
                if phase not in PHASES:
                    yield f"{where}: {_near(phase, PHASES)}no such phase; known: {', '.join(PHASES)}"
                elif not isinstance(budget, dict):
                    yield f"{where} = {budget!r}: write a table [{where}] with {_LIMIT}"
                else:
                    yield from _read_budget(where, budget)
                    if isinstance(budget.get(_LIMIT), int | float):
                        found[service, phase] = float(budget[_LIMIT])


def _read_budget(where: str, budget: Mapping[str, Any]) -> Iterable[str]:
    for name in budget.keys() - {_LIMIT}:
        yield f"{where}.{name}: {_near(name, (_LIMIT,))}no such key; known: {_LIMIT}"
    limit = budget.get(_LIMIT)
    if limit is None:
        yield f"{where}: {_LIMIT} is missing: add it, in Wh per functional unit"
    elif isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < math.inf:
        yield f"{where}.{_LIMIT} = {limit!r}: write a number above 0, in Wh per functional unit"


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def read_baseline(path: Path) -> GateBaseline:
    """Read a baseline that ``GateBaseline.to_json`` wrote.

    Raises:
        UsageError: the file is missing, or is not a baseline; with the remedy.
    """
    remedy = "keep one with 'ecoia check --save' where it is measured"
    try:
        return TypeAdapter(GateBaseline).validate_json(limits.read_bytes(path, limits.PUBLISHED_FILE_BYTES))
    except FileNotFoundError as error:
        raise UsageError(f"no baseline '{path}' yet: {remedy}, or leave --against out") from error
    except OSError as error:
        raise UsageError(f"baseline '{path}' cannot be read ({error.strerror}): make it readable, or {remedy}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "its text"
        if where == "schema":
            raise UsageError(f"baseline '{path}' is of schema {first['input']!r}: upgrade ecoia, or {remedy}") from error
        raise UsageError(f"baseline '{path}': {where}: {first['msg']}: {remedy}") from error

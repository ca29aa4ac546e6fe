"""Find savings in the quarter's data: their energy and CO2e, the role that can act, and the commitments that acting may harm.

Each saving is a fact of the data: runs that another run equals in quality for less energy (beyond noise), lost runs, reserved
capacity that stood idle, hours at which the same work would have emitted less. Runs are named by their id, never by a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from fractions import Fraction

from ecoia.impact.assessment import Impact
from ecoia.impact.ledger_sums import Strand
from ecoia.impact.period_impact import EstimateOrReason
from ecoia.impact.quality_front import DOMINATED, QualityFront, Scored, cost_of_run
from ecoia.impact.uncertainty import Estimate
from ecoia.periods import HALF_HOUR_NS
from ecoia.report.context import Context
from ecoia.report.model import SAVINGS, Frontier, Quantity, RunUsed, Saving, Unsupported
from ecoia.report.quantities import shown
from ecoia.semconv import DECLARED, DEVELOPMENT_PHASES, KIND_IDLE

MOST_RUNS = 5
"""How many of the costliest runs are listed."""
MOST_COMPARED = 40
"""How many runs of a service and phase are compared by quality and energy."""
_LEAST_SHARE = 0.01
"""Least share that is worth a committee's time: of the quarter's energy, for all savings of a kind together; of the work's CO2e,
for other hours."""
_HOURS = 24
_Run = tuple[str, str, str]


def costliest_runs(context: Context) -> tuple[RunUsed, ...]:
    """List the training runs that took the most energy, largest first."""
    used = _training_runs(context)
    ordered = sorted(used, key=lambda run: (-used[run], run))[:MOST_RUNS]
    return tuple(_run_used(context, run) for run in ordered)


def _run_used(context: Context, run: _Run) -> RunUsed:
    impact = context.run_impacts.impact([run])
    return RunUsed(
        service=run[0],
        phase=run[1],
        run_id=run[2],
        outcome=context.outcomes.get(run),
        energy=shown(EstimateOrReason(impact.energy, None if impact.energy else "not-measured"), "kWh"),
        quality=dict(sorted(context.activity.run_quality.get(run, {}).items())),
    )


def savings(context: Context) -> tuple[Saving, ...]:
    """List the savings that the data shows, largest energy first; then savings at other hours, which spare CO2e alone.

    Example:
        >>> [(saving.kind, saving.service) for saving in savings(context)]  # doctest: +SKIP
        [('lost-runs', 'vadore')]
    """
    whole = sum(energy or 0 for strand in context.activity.strands for energy in strand.known_microjoules)
    kept = [saving for kind in (_lost_runs, _idle, _dominated) for saving in _worth_listing(kind(context), whole)]
    return (*sorted(kept, key=lambda each: (-each.microjoules, each.service, each.kind)), *_other_hours(context))


def _worth_listing(found: Iterable[Saving], whole: int) -> Iterator[Saving]:
    """Keep the largest savings of a kind, until the rest adds up to less than the least share."""
    ordered = sorted(found, key=lambda each: (-each.microjoules, each.service, each.phase or "", each.metric or ""))
    left = sum(each.microjoules for each in ordered)
    for saving in ordered:
        if left < _LEAST_SHARE * whole:
            return
        yield saving
        left -= saving.microjoules


def _training_runs(context: Context) -> dict[_Run, int]:
    return {run: used for run, used in context.activity.run_microjoules.items() if run[1] in DEVELOPMENT_PHASES and used}


def _lost_runs(context: Context) -> Iterator[Saving]:
    """Find runs that failed or were abandoned, by service and phase."""
    lost: dict[tuple[str, str], list[_Run]] = {}
    for run, used in _training_runs(context).items():
        if used and context.outcomes.get(run, "ok") != "ok":
            lost.setdefault(run[:2], []).append(run)
    for work, runs in lost.items():
        used = sum(context.activity.run_microjoules[run] for run in runs)
        yield _saving(context, "lost-runs", work, used, context.run_impacts.impact(runs), runs=sorted(run[2] for run in runs))


def _idle(context: Context) -> Iterator[Saving]:
    """Find capacity that a service reserved and that stood idle."""
    for bearer in context.period.bearers(lambda bearer: bearer[0] is not None and bearer[1] == KIND_IDLE):
        used = context.period.energy_microjoules([bearer])
        if used and bearer[0] is not None:
            yield _saving(context, "idle", (bearer[0], KIND_IDLE), used, context.period.impacts[bearer])


def _dominated(context: Context) -> Iterator[Saving]:
    """Find runs that another run of the same service and phase equals for less energy, beyond noise: they are not on the front.

    Only finished runs are compared, and only by figures of quality whose better direction the register states.
    """
    used = _training_runs(context)
    for work, metric, found in _comparable(context, used):
        dominated = [run for run, standing in found.standings.items() if standing == DOMINATED]
        if dominated:
            spared = sum(used[run] - used[found.equalled_by[run].key] for run in dominated)
            ids, front = sorted(run[2] for run in dominated), sorted(run[2] for run in found.standings.keys() - set(dominated))
            impact = context.run_impacts.impact(dominated)  # they would have used less, in their own hours
            yield _saving(context, "dominated-runs", work, spared, impact, runs=ids, metric=metric, front=front)


def frontiers(context: Context) -> tuple[Frontier, ...]:
    """List runs that can be compared by quality and energy: the front, then the costliest of the others."""
    used, listed = _training_runs(context), []
    for work, metric, found in _comparable(context, used):
        dominated = {run for run, standing in found.standings.items() if standing == DOMINATED}
        ordered = sorted(found.standings, key=lambda run: (run in dominated, -used[run], run))
        kept = sorted(ordered[:MOST_COMPARED], key=lambda run: (used[run], run))
        front = tuple(run[2] for run in kept if run not in dominated)
        runs = tuple(_run_used(context, run) for run in kept)
        listed.append(Frontier(*work, metric, found.better, runs, front, len(ordered) - len(kept)))
    return tuple(listed)


def unsupported(context: Context, found: Sequence[Saving]) -> tuple[Unsupported, ...]:
    """List the kinds of saving that were not found, and why: the data is lacking, or there is nothing to spare."""
    lacking = tuple(_lacking(context, {each.service for each in found if each.hours_later is not None}))
    named = {each.kind for each in found} | {each.kind for each in lacking}
    nothing = [Unsupported(kind, "nothing-found") for kind in SAVINGS if kind not in named]
    return tuple(sorted((*lacking, *nothing), key=lambda each: SAVINGS.index(each.kind)))


def _lacking(context: Context, movable: Set[str]) -> Iterator[Unsupported]:
    """List the savings that the data cannot show, with the reason. ``movable``: services with a saving at other hours."""
    used = _training_runs(context)
    services = sorted({run[0] for run in used})
    if not any(bearer[1] == KIND_IDLE for bearer in context.period.strands):
        yield Unsupported("idle", "idle-not-separated")
    if not used:
        yield from (Unsupported(kind, "no-runs") for kind in ("lost-runs", "dominated-runs"))
    ended = {run[0] for run in used if run in context.outcomes}
    if silent := [service for service in services if service not in ended]:
        yield Unsupported("lost-runs", "no-outcomes", tuple(silent))
    why: dict[str, list[str]] = {}
    for service in services:
        if reason := _why_not_compared(context, service, used):
            why.setdefault(reason, []).append(service)
    yield from (Unsupported("dominated-runs", reason, tuple(names)) for reason, names in sorted(why.items()))
    makers = sorted({strand.bearer[0] for strand in _making(context) if strand.bearer[0] is not None})
    flat = [each for each in makers if each not in movable and _at_other_hours(context, each) is None]
    if flat or not makers:
        yield Unsupported("other-hours", "flat-factors" if flat else "no-runs", tuple(flat))


def _why_not_compared(context: Context, service: str, used: Mapping[_Run, int]) -> str | None:
    scored = [
        run for run in used if run[0] == service and context.outcomes.get(run) == "ok" and context.activity.run_quality.get(run)
    ]
    entry = context.catalogue.service(service)
    if not scored:
        return "no-quality"
    if len(scored) < 2:
        return "too-few-runs"
    known = entry.quality if entry else {}
    return None if any(known.keys() & context.activity.run_quality[run].keys() for run in scored) else "no-direction"


def _comparable(context: Context, used: Mapping[_Run, int]) -> Iterator[tuple[tuple[str, str], str, QualityFront[_Run]]]:
    """Compare finished runs by service, phase and figure of quality."""
    groups: dict[tuple[str, str], list[_Run]] = {}
    for run in used:
        if context.outcomes.get(run) == "ok":
            groups.setdefault(run[:2], []).append(run)
    qualities = context.activity.run_quality
    for work, runs in sorted(groups.items()):
        service = context.catalogue.service(work[0])
        for metric, better in sorted((service.quality if service else {}).items()):
            scored = [
                Scored(run, qualities[run][metric], cost_of_run(used[run], context.known.gsd))
                for run in runs
                if metric in qualities.get(run, {})
            ]
            if scored:
                yield work, metric, QualityFront(scored, better)


def _making(context: Context) -> list[Strand]:
    return [strand for strand in context.activity.strands if strand.bearer[1] in DEVELOPMENT_PHASES]


def _other_hours(context: Context) -> Iterator[Saving]:
    """Find the hours later at which a service's training would have emitted least, all else equal.

    Only where emission factors vary within the day. Every half-hour of work moves by the same hours, within the known series.
    """
    for service in context.services:
        found = _at_other_hours(context, service)
        if found is None or found[1] < _LEAST_SHARE:
            continue
        best, share = found
        bearers = context.period.bearers(lambda bearer, name=service: bearer[0] == name and bearer[1] in DEVELOPMENT_PHASES)  # type: ignore[misc]
        co2e = context.period.operational(bearers, context.period.impacts).estimate
        if co2e is None:
            continue
        yield Saving(
            kind="other-hours",
            service=service,
            phase=None,
            microjoules=0,
            energy=Quantity(0.0, "kWh"),
            co2e=shown(EstimateOrReason(co2e.scaled(share)), "kgCO2e"),
            role=_role(context, service),
            may_harm=(),
            hours_later=best,
        )


def _at_other_hours(context: Context, service: str) -> tuple[int, float] | None:
    """Find how many hours later training would have emitted least, and the share spared; None where it is not known."""
    strands = [strand for strand in _making(context) if strand.bearer[0] == service]
    if any(status == DECLARED for strand in strands for status, _ in strand.methods):
        return None  # declared energy lies evenly over the days of a form: nobody knows its hours
    zones = {(strand.zone, strand.instance): _zone(context, strand.zone, strand.instance) for strand in strands}
    if not {*zones.values()} <= {*context.known.factors.zones()}:
        return None
    used = [
        (zones[each.zone, each.instance] or "", each.half_hour_utc_ns, each.microjoules)
        for each in context.activity.work_by_half_hour(service, DEVELOPMENT_PHASES)
    ]
    known = {hours: value for hours in range(_HOURS) if (value := _emitted(context, used, hours)) is not None}
    if not known.get(0) or len(known) < 2:
        return None
    best = min(known, key=lambda hours: (known[hours], hours))
    return best, 1 - known[best] / known[0]


def _zone(context: Context, recorded: str | None, instance: str) -> str | None:
    site = context.known.site_of(instance)
    return recorded or (site.zone if site else None) or context.known.zone


def _emitted(context: Context, used: Sequence[tuple[str, int, int]], hours: int) -> int | None:
    """Sum energy times factor (microjoule-micrograms) of work moved some hours later; None where a factor is not known."""
    factors, shift = context.known.factors, hours * 2 * HALF_HOUR_NS
    total = 0
    for zone, half_hour, microjoules in used:
        found = factors.at(zone, half_hour + shift)
        if found is None or not found[0].varies or found[0].filled:
            return None
        total += microjoules * found[1]
    return total


def _saving(
    context: Context,
    kind: str,
    work: tuple[str, str],
    microjoules: int,
    impact: Impact,
    *,
    runs: Sequence[str] = (),
    metric: str | None = None,
    front: Sequence[str] = (),
) -> Saving:
    """Return a saving of some of the energy of what it is about, whose impact is given: of the same hours and places."""
    part = Fraction(microjoules, impact.energy_components_microjoules)
    return Saving(
        kind=kind,
        service=work[0],
        phase=work[1],
        microjoules=microjoules,
        energy=_part(impact.energy, part, "kWh", impact.reason),
        co2e=_part(impact.operational, part, "kgCO2e", impact.reason),
        role=_role(context, work[0]),
        may_harm=_may_harm(context, kind),
        runs=tuple(runs),
        metric=metric,
        front=tuple(front),
    )


def _part(whole: Estimate | None, part: Fraction, unit: str, reason: str | None) -> Quantity:
    """Take a part of an estimate, as certain as the whole."""
    return shown(EstimateOrReason(whole.scaled(float(part)) if whole else None, None if whole else reason), unit)


_MAY_HARM: dict[str, tuple[str, ...]] = {"idle": ("securite",), "dominated-runs": ("equite",)}
"""By kind, prefixes of the ids of commitments that acting may harm: fewer reserves lower availability, and a lighter model may be
worse for some people."""


def _may_harm(context: Context, kind: str) -> tuple[int, ...]:
    charter = context.catalogue.charter
    commitments = charter.charter.commitments if charter and charter.charter else ()
    return tuple(sorted(each.number for each in commitments if each.id.startswith(_MAY_HARM.get(kind, ()))))


def _role(context: Context, service: str) -> str | None:
    entry = context.catalogue.service(service)
    return entry.owner_role if entry else None

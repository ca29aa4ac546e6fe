"""List what the organisation declares otherwise than in its last publication, so that nothing vanishes unseen.

Targets, the register, chosen uncertainties, sites, equipment, calibrations, contracts, factors of hosted models, the emission
factors in use, and accepted outcomes and units by region of quarters that are past are each reduced to things with fields, and
compared thing by thing. Fields that only describe, on which no figure and no verdict depends, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ecoia.impact.inputs import Inputs, zones_that_count
from ecoia.periods import Quarter
from ecoia.report import annexes
from ecoia.report.model import DeclaredChange

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Service, ServicesFile, Site

KINDS = ("target", "service", "method", "factor", "site", "equipment", "calibration", "contract", "hosted", "outcomes", "region")
"""Kinds of things that are compared, in the order in which their changes are listed."""

LOOSENED, TIGHTENED, UNCLEAR, DENOMINATOR_LOWERED = "loosened", "tightened", "unclear", "denominator-lowered"
FIGURES_LOWERED, INTERVALS_WIDENED, INTERVALS_NARROWED = "figures-lowered", "intervals-widened", "intervals-narrowed"
WITHOUT_PAST = "without-past"
EFFECTS = (
    LOOSENED,
    TIGHTENED,
    UNCLEAR,
    DENOMINATOR_LOWERED,
    WITHOUT_PAST,
    FIGURES_LOWERED,
    INTERVALS_WIDENED,
    INTERVALS_NARROWED,
)
"""``loosened``: a target is easier to meet, or gone; or quarters are restated less readily. ``tightened``: the reverse.
``unclear``: a target is of something else, so which of the two cannot be said. ``denominator-lowered``: coverage rises by it.
``figures-lowered``: energy or CO2e falls by it, and nobody used less. ``intervals-widened``: less can be established;
``intervals-narrowed``: more can. ``without-past``: a new service gives the units of one that was there, and does not say that it
succeeds it: what was split in two is compared as one that fell and one that appeared."""

_DESCRIBES = {"audience", "purpose", "scope", "owner_role", "boamps"}  # of a service
_RETIRED = "retired"
_WITHOUT_PHASE = "inference"  # what a number of days is of, where no phase is declared
_REPLACED = {"indicator", "service", "trajectory", "op", "baseline.quarters", "baseline.boundary"}  # of a target
_EASIER: dict[str, Callable[[Any, Any, str | None], bool]] = {
    "value": lambda was, became, op: became > was if op == "<=" else became < was,
    "deadline": lambda was, became, _: became > was,
    "horizon": lambda was, became, _: became > was,
    "reduction": lambda was, became, _: became < was,
    "status": lambda _, became, __: became == "proposed",
}
"""Whether a target is easier to meet with another value of a field, by field."""
_RAISES_FIGURES = {
    "pue.value",
    "wall_factor",
    "co2e_kg",
    "gco2e_per_kwh",
    "g_per_request",
    "g_per_token_out",
    "g_per_token_in",
    "l_per_request",
    "l_per_token_out",
    "l_per_token_in",
}
"""Fields that energy or CO2e is multiplied by."""
_UNITS = {
    "co2e_kg": "kgCO2e",
    "reserved_share": "1",
    "gco2e_per_kwh": "gCO2e/kWh",
    "share": "1",
    "reduction": "1",
    **dict.fromkeys(("g_per_request", "g_per_token_out", "g_per_token_in"), "gCO2e"),
    **dict.fromkeys(("l_per_request", "l_per_token_out", "l_per_token_in"), "L"),
}
_HEADLINES = (
    "accepted",
    "units",
    "value",
    "reduction",
    "status",
    "gsd",
    "threshold",
    "co2e_kg",
    "gco2e_per_kwh",
    "wall_factor",
    "pue.value",
    "g_per_token_out",
)
"""Fields of which one tells a thing that was added or removed, first come first served."""


@dataclass(frozen=True)
class _Thing:
    """Something that the organisation declares, with its fields as they are written in its files."""

    kind: str
    id: str
    name: str
    fields: Mapping[str, Any]
    unit: str = ""  # of a target's value
    from_day: str = ""  # from which it holds, where several things share an id
    also: str = ""  # what else tells it from others of its kind, id and day

    @property
    def key(self) -> tuple[int, str, str, str]:
        return KINDS.index(self.kind), self.id, self.from_day, self.also


def declared_changes(before: Inputs, now: Inputs, quarter: Quarter, methods: tuple[str, str]) -> tuple[DeclaredChange, ...]:
    """Compare what is declared now with what a publication was computed from.

    Args:
        before: The frozen inputs of the publication; its rows are not used.
        now: Inputs of today.
        quarter: The quarter that is reported, the last whose factors are compared. Outcomes and regions are those before.
        methods: The version of the method then and now.

    Returns:
        Each thing that was added or removed, and each field that was changed: by kind, id and day.

    Example::

        [each.effect for each in declared_changes(published.inputs(), inputs, Quarter(2026, 4), ("2", "2"))]  # ['loosened']
    """
    then, today = _things(before, quarter, methods[0]), _things(now, quarter, methods[1])
    found = [change for key in sorted({*then, *today}) for change in _compared(then.get(key), today.get(key))]
    found = _with_splits(_with_named_services(found), before.catalogue.services, now.catalogue.services)
    found += _whole_register(before.catalogue.register, now.catalogue.register)
    found += _altered_values(before, now, quarter)
    return tuple(sorted(found, key=lambda each: KINDS.index(each.kind)))


def _things(inputs: Inputs, quarter: Quarter, method: str) -> dict[tuple[int, str, str, str], _Thing]:
    return {each.key: each for each in (*_promised(inputs, method), *_measured_with(inputs), *_counted(inputs, quarter))}


def _counted(inputs: Inputs, quarter: Quarter) -> Iterator[_Thing]:
    """Yield what the organisation stated of earlier quarters: accepted outcomes, and units by region."""
    names = {service.id: service.name for service in inputs.catalogue.services}
    for outcomes in inputs.catalogue.outcomes:
        of = Quarter.parse(outcomes.quarter)
        if of < quarter:
            name, said = names.get(outcomes.service, outcomes.service), {"accepted": outcomes.accepted, "source": outcomes.source}
            yield _Thing("outcomes", outcomes.service, name, said, from_day=_text(of.first_day()))
    for region in inputs.catalogue.regions:
        of = Quarter.parse(region.quarter)
        if of < quarter:
            name = f"{names.get(region.service, region.service)}, {region.region}"
            said = {"units": region.units, "source": region.source}
            yield _Thing("region", region.service, name, said, from_day=_text(of.first_day()), also=region.region)


def _promised(inputs: Inputs, method: str) -> Iterator[_Thing]:
    """Yield targets, services and choices of method."""
    from ecoia.catalogue.targets import INDICATORS

    catalogue = inputs.catalogue
    for target in catalogue.targets.targets:
        yield _Thing("target", target.id, target.indicator, _flat(target), unit=INDICATORS[target.indicator])
    for service in catalogue.services:
        yield _Thing("service", service.id, service.name, _of_service(service))
    unnamed = catalogue.register.unnamed
    yield _Thing("service", "", "", {f"unnamed.{name}": value for name, value in _flat(unnamed).items()})
    for source, gsd in catalogue.gsd.items():
        yield _Thing("method", source, source, {"gsd": gsd})
    rules = {"version": method, "because": catalogue.method.because, "threshold": catalogue.targets.recalculation.threshold}
    yield _Thing("method", "", "", rules)


def _of_service(service: Service) -> dict[str, Any]:
    """Return the fields of a service; its days as their sum, and beside it by phase and instance where they are declared so."""
    fields = service.model_dump(exclude=_DESCRIBES | {"model"}) | dict(_walk("model", _declared_size(service)))
    by_part = {f"{phase}.{instance}".rstrip("."): days for phase, instance, days in service.expected_days}
    fields["instance_days"] = sum(by_part.values()) if by_part else None
    fields["instance_days_by_part"] = by_part if set(by_part) - {_WITHOUT_PHASE} else None
    return fields


def _declared_size(service: Service) -> dict[str, Any]:
    """Return what is declared of the size of a service's model; empty where nothing is."""
    return service.model.model_dump(exclude_none=True) if service.model else {}


def _measured_with(inputs: Inputs) -> Iterator[_Thing]:
    """Yield the factors in use, sites, equipment, calibrations, contracts and factors of hosted models."""
    catalogue, factors = inputs.catalogue, inputs.factors
    chosen = annexes.factor_set_in_use(factors)
    yield _Thing("factor", "", factors.title, asdict(chosen) if chosen else {"id": factors.id})
    settings = inputs.settings
    yield _Thing("site", "", "", {"zone": settings.zone, "pue": settings.pue, "timezone": settings.timezone})
    for site in catalogue.sites:
        yield from _of_site(site)
    for machine in catalogue.equipment:
        yield _Thing("equipment", machine.id, machine.name or machine.id, _flat(machine))
    for each in catalogue.calibrations:
        where, start = ", ".join(each.instances), _text(each.start)
        yield _Thing("calibration", each.component, each.component, _flat(each), from_day=start, also=where)
    for contract in catalogue.contracts:
        where = f"{contract.zone} {', '.join(contract.instances)}"
        start = _text(contract.start)
        yield _Thing("contract", contract.supplier, contract.supplier, _flat(contract), from_day=start, also=where)
    for hosted in catalogue.hosted_factors:
        name = f"{hosted.provider}, {hosted.model}"
        yield _Thing("hosted", hosted.model, name, _flat(hosted), also=hosted.provider)


def _of_site(site: Site) -> Iterator[_Thing]:
    """Yield a site, and each of its figures by the day from which it holds."""
    figures = {"pue": site.pue, "wue": site.wue, "water_factor": site.water_factor}
    fields = {name: value for name, value in _flat(site).items() if name not in figures}
    yield _Thing("site", site.id, site.name or site.id, fields)
    for name, over_time in figures.items():
        for figure in over_time:
            of = {f"{name}.{field}": value for field, value in _flat(figure).items()}
            yield _Thing("site", site.id, site.name or site.id, of, from_day=_text(figure.start), also=name)


def _flat(model: Any) -> dict[str, Any]:
    """Return the fields of a part of the catalogue, those of its parts joined by dots."""
    return dict(_walk("", model.model_dump()))


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _walk(f"{path}.{name}".lstrip("."), part)
    else:
        yield path, value or None if isinstance(value, Mapping | tuple | list) else value


def _compared(before: _Thing | None, now: _Thing | None) -> Iterator[DeclaredChange]:
    """Yield the changes of one thing."""
    if before is None or now is None:
        thing = before or now
        assert thing is not None  # noqa: S101 - for the type checker: its key is that of one of the two
        field = next((name for name in _HEADLINES if thing.fields.get(name) is not None), "")
        effect = _effect_of_end(thing) if now is None else ""
        yield _change(thing, "removed" if now is None else "added", field, before, now, effect)
        return
    for field in dict.fromkeys((*before.fields, *now.fields)):
        was, became = before.fields.get(field), now.fields.get(field)
        if was != became:
            yield _change(now, "changed", field, before, now, _effect(now.kind, field, before.fields, now.fields))


def _change(thing: _Thing, what: str, field: str, before: _Thing | None, now: _Thing | None, effect: str) -> DeclaredChange:
    was, became = (_value(each, field) for each in (before, now))
    unit = thing.unit if field == "value" else _UNITS.get(field, "")
    return DeclaredChange(thing.kind, thing.id, thing.name, what, field, was, became, effect, unit, thing.from_day)


def _value(thing: _Thing | None, field: str) -> str:
    """Write a field of a thing; the value of a target with its ``op``."""
    text = "" if thing is None else _text(thing.fields.get(field))
    return f"{thing.fields['op']} {text}" if thing and thing.kind == "target" and field == "value" and text else text


def _effect_of_end(thing: _Thing) -> str:
    """Return what it does that a thing is declared no longer."""
    if thing.kind == "target":
        return LOOSENED
    return DENOMINATOR_LOWERED if thing.kind == "service" and thing.fields["status"] != _RETIRED else ""


def _effect(kind: str, field: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what the change of a field does."""
    was, became = before.get(field), now.get(field)
    if kind == "target":
        return _effect_on_target(field, before, now)
    if field == "gsd" and was and became:
        return INTERVALS_WIDENED if became > was else INTERVALS_NARROWED
    if field in _RAISES_FIGURES:
        return FIGURES_LOWERED if was is not None and became is not None and became < was else ""
    if kind == "method" and field == "threshold":
        return LOOSENED if (became or 0) > (was or 0) else TIGHTENED
    if kind == "service" and field == "status":
        return DENOMINATOR_LOWERED if became == _RETIRED else ""
    if kind == "service" and field in {"instance_days", "unnamed.count"}:
        return DENOMINATOR_LOWERED if was is not None and (became is None or became < was) else ""
    if kind == "service" and field == "instance_days_by_part":
        then, today = (by_part or {_WITHOUT_PHASE: of["instance_days"] or 0} for by_part, of in ((was, before), (became, now)))
        return DENOMINATOR_LOWERED if any(_days_of(part, today) < days for part, days in then.items()) else ""
    return ""


def _days_of(part: str, by_part: Mapping[str, float]) -> float:
    """Return the days of a phase, or of a phase on an instance; those of a phase may be declared by instance."""
    return sum(days for each, days in by_part.items() if each == part or each.startswith(f"{part}."))


def _effect_on_target(field: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    was, became = before.get(field), now.get(field)
    if field in _REPLACED:
        return UNCLEAR
    if field not in _EASIER:
        return ""
    if was is None or became is None or before["op"] != now["op"]:
        return UNCLEAR
    return LOOSENED if _EASIER[field](was, became, now["op"]) else TIGHTENED


def _with_named_services(changes: Sequence[DeclaredChange]) -> list[DeclaredChange]:
    """Take fewer unnamed services for no fewer services, where as many were added by name."""
    named = sum((each.kind, each.what) == ("service", "added") and each.after != _RETIRED for each in changes)
    return [
        replace(each, effect="") if each.field == "unnamed.count" and int(each.before) - int(each.after) <= named else each
        for each in changes
    ]


def _with_splits(changes: Sequence[DeclaredChange], before: Sequence[Service], now: Sequence[Service]) -> list[DeclaredChange]:
    """Mark the new services that give the units of one that was there, and do not say that they succeed one."""
    units = {service.functional_unit for service in before} - {None}
    new = {service.id for service in now if service.functional_unit in units and not service.succeeds}
    split = [each.kind == "service" and each.what == "added" and each.id in new and each.after != _RETIRED for each in changes]
    return [replace(each, effect=WITHOUT_PAST) if marked else each for each, marked in zip(changes, split, strict=True)]


def _whole_register(before: ServicesFile, now: ServicesFile) -> list[DeclaredChange]:
    """Tell the denominator of coverage, where it changed."""
    was, became = (sum(each.status != _RETIRED for each in file.services) + file.unnamed.count for file in (before, now))
    if was == became:
        return []
    effect = DENOMINATOR_LOWERED if became < was else ""
    return [DeclaredChange("service", "", "", "changed", "denominator", str(was), str(became), effect)]


def _altered_values(before: Inputs, now: Inputs, quarter: Quarter) -> list[DeclaredChange]:
    """Tell how many factors of an edition that is said to be the same are not."""
    then, today = before.factors, now.factors
    if (then.id, then.version) != (today.id, today.version):
        return []
    known = {(each.zone, each.start_utc_ns, each.end_utc_ns, each.pair): each.value_g_per_kwh for each in today.factors}
    counted = zones_that_count(now, quarter)
    altered = sum(
        known.get((each.zone, each.start_utc_ns, each.end_utc_ns, each.pair)) != each.value_g_per_kwh
        for each in then.factors
        if each.zone in counted
    )
    return [DeclaredChange("factor", "", today.title, "changed", "values", "", str(altered))] if altered else []


def _text(value: Any) -> str:
    """Write a value as the catalogue's files hold it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value))
    return str(value)

"""List the charter's commitments and bodies, and the words and figures that committees, project managers and regions added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecoia.impact.period_impact import EstimateOrReason
from ecoia.report.context import Context
from ecoia.report.model import ActionState, Answered, Body, Commitment, RegionShare, Said
from ecoia.report.quantities import shown

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import RegionUnits


_ETHICS_LINE = "ligne-ethique"


def commitments(context: Context) -> tuple[Commitment, ...]:
    """List the commitments of the charter, by number."""
    charter = context.catalogue.charter
    found = charter.charter.commitments if charter and charter.charter else ()
    return tuple(Commitment(c.number, c.id, c.name, c.text) for c in sorted(found, key=lambda c: c.number))


def governance(context: Context) -> tuple[Body, ...]:
    """List the bodies of the charter's governance, in its order."""
    charter = context.catalogue.charter
    return tuple(Body(b.id, b.name, b.role, b.members, b.count, b.contact) for b in (charter.governance if charter else ()))


def ethics_contact(context: Context) -> str | None:
    """Find the contact of the ethics line; None where the charter has none."""
    return next((body.contact for body in governance(context) if body.id == _ETHICS_LINE), None)


def said(context: Context) -> tuple[Said, ...]:
    """List the quarter's recommendations, decisions, ties to other commitments and comments."""
    of = context.catalogue.committees.of(str(context.quarter))
    found = [Said("recommendation", each.text, each.id, each.body, each.service) for each in of.recommendations]
    found += [
        Said("decision", d.text, d.id, d.body, d.service, d.answers, d.date.isoformat() if d.date else None) for d in of.decisions
    ]
    found += [Said("tie", each.text, service=each.service, about=str(each.commitment)) for each in of.ties]
    found += [Said("comment", each.text, about=each.section) for each in of.comments]
    return tuple(found)


def actions(context: Context) -> tuple[ActionState, ...]:
    """List the actions that were open in the quarter or closed in it: late ones first, then by due date."""
    quarter = str(context.quarter)
    found = []
    for each in context.catalogue.committees.of(quarter).actions:
        state = each.state_at(quarter)
        if state is not None:
            late = each.late_at(quarter)
            found.append(ActionState(each.id, each.text, each.role, each.due, state, late, each.service, each.answers, each.note))
    return tuple(sorted(found, key=lambda action: (not action.late, action.due, action.id)))


def evaluations(context: Context) -> tuple[Answered, ...]:
    """List the last answer, given by the end of the quarter, to each question of the services' self-assessments."""
    quarter = str(context.quarter)
    services = dict.fromkeys(answer.service for answer in context.catalogue.answers)
    return tuple(
        Answered(service, question, answer.answer, answer.quarter, answer.comment, answer.role)
        for service in services
        for question, answer in context.catalogue.evaluation(service, quarter).items()
    )


def regions(context: Context) -> tuple[RegionShare, ...]:
    """Apportion the figures of each service to regions by their units; sorted by region and service."""
    units: dict[str, list[RegionUnits]] = {}
    for each in context.catalogue.regions:
        if each.quarter == str(context.quarter):
            units.setdefault(each.service, []).append(each)
    found = []
    for service, lines in units.items():
        whole = sum(line.units for line in lines)
        bearers = context.period.bearers(lambda bearer, name=service: bearer[0] == name)  # type: ignore[misc]
        energy, co2e = context.period.energy(bearers), context.period.split(bearers).total
        for line in lines:
            share = line.units / whole if whole else 0.0
            shares = (known.scaled(share) if whole else EstimateOrReason(None, "no-units") for known in (energy, co2e))
            of_energy, of_co2e = shares
            quantities = shown(of_energy, "kWh"), shown(of_co2e, "kgCO2e")
            found.append(RegionShare(line.region, service, line.units, share, *quantities, line.source))
    return tuple(sorted(found, key=lambda each: (each.region, each.service)))

"""List the charter's commitments and bodies, and the words and figures that committees, project managers and regions added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ecoia.errors import CatalogueError
from ecoia.report.context import Context
from ecoia.report.model import ActionState, Answered, Body, Commitment, Headline, Quantity, RegionShare, Said
from ecoia.report.parts import Parts
from ecoia.report.quantities import headline, shown

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import RegionUnits


_ETHICS_LINE = "ligne-ethique"
_ROUNDING = 0.005
"""How far the units listed for regions may exceed the service's: numbers rounded to thousands do, by less than this share."""


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
    """Apportion the figures of each service to regions, by their part of the units that the service delivered.

    Returns:
        A line for each region and service, sorted; a line of the region "" holds what is listed for no region.

    Raises:
        CatalogueError: more units are listed for a service than it delivered, beyond rounding.
    """
    units: dict[str, list[RegionUnits]] = {}
    for each in context.catalogue.regions:
        if each.quarter == str(context.quarter):
            units.setdefault(each.service, []).append(each)
    found = [share for service, lines in units.items() for share in _shares(context, service, lines)]
    return tuple(sorted(found, key=lambda each: (each.region, each.service)))


def _shares(context: Context, service: str, lines: Sequence[RegionUnits]) -> Iterator[RegionShare]:
    """Apportion the figures of one service to its regions, and to the residual."""
    parts = Parts(context, context.quarter, service)
    listed = sum(line.units for line in lines)
    if not parts.units:
        unknown = Quantity(None, "kWh", reason="no-units"), Quantity(None, "kgCO2e", reason="no-units")
        for line in lines:
            yield RegionShare(line.region, service, line.units, None, *unknown, line.source, Headline(unknown[1]))
        return
    if listed > parts.units * (1 + _ROUNDING):
        raise CatalogueError(_too_many(service, str(context.quarter), listed, parts.units))
    whole = max(parts.units, listed)
    for region, part, source in (*((line.region, line.units, line.source) for line in lines), ("", whole - listed, "")):
        share = part / whole
        of_region = headline(parts.known, share)
        energy = shown(parts.energy.scaled(share), "kWh")
        yield RegionShare(region, service, part, share, energy, of_region.co2e, source, of_region)


def _too_many(service: str, quarter: str, listed: float, recorded: float) -> str:
    return (
        f"regions.csv: service = '{service}', quarter = '{quarter}': the units of its regions add up to {listed:,.0f}, and the "
        f"service delivered {recorded:,.0f} by its records; correct the lines of the regions (each in units of the service, each "
        f"delivered once), or record the units that are missing ('ecoia declare')"
    )

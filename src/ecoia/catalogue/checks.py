"""What no file can be wrong in alone: entries that contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import yaml

from ecoia.catalogue.calibration import CALIBRATION_FILE
from ecoia.catalogue.charter import CHARTER_FILE
from ecoia.catalogue.electricity import CONTRACTS_FILE
from ecoia.catalogue.fields import meet
from ecoia.catalogue.problems import Problem, path_of
from ecoia.catalogue.sites import SITES_FILE
from ecoia.catalogue.targets import TARGETS_FILE
from ecoia.catalogue.yaml_files import line_of


def across(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Every such contradiction, once each file is right in itself."""
    for check in (_unknown_bodies, _overlapping_calibrations, _oversold_contracts, _overlapping_sites):
        yield from check(parts, nodes)


def _unknown_bodies(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """A decision taken by a body that the charter does not know."""
    charter, targets = parts.get(CHARTER_FILE), parts.get(TARGETS_FILE)
    if charter is None or targets is None or not charter.governance:
        return
    known = [body.id for body in charter.governance]
    for index, target in enumerate(targets.targets):
        body = target.decision.body if target.decision else None
        if body is not None and body not in known:
            location = ("targets", index, "decision", "body")
            yield Problem(
                TARGETS_FILE,
                line_of(nodes[TARGETS_FILE], location),
                path_of(location),
                f"{body!r} is not in governance of {CHARTER_FILE}: known: {', '.join(known)}",
            )


def _overlapping_calibrations(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Two calibrations that could both hold: nothing would say which."""
    listed = parts[CALIBRATION_FILE].calibrations if CALIBRATION_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(listed), 2):
        if first.overlaps(second):
            node = nodes[CALIBRATION_FILE]
            line = line_of(node, ("calibrations", i, "component"))
            yield Problem(
                CALIBRATION_FILE,
                line_of(node, ("calibrations", j, "component")),
                path_of(("calibrations", j)),
                f"{second.component!r} is calibrated on line {line} already, for some of the same instances and days: "
                "end one with 'until' before the other's 'from', or part their 'instances'",
            )


def _oversold_contracts(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Contracts that together could cover more than everything."""
    listed = parts[CONTRACTS_FILE].contracts if CONTRACTS_FILE in parts else ()
    for index, contract in enumerate(listed):
        together = sum(other.share for other in listed if contract.meets(other))
        if together > 1 + 1e-9:
            location = ("contracts", index, "share")
            yield Problem(
                CONTRACTS_FILE,
                line_of(nodes[CONTRACTS_FILE], location),
                path_of(location),
                f"{contract.share:g}: contracts of {contract.zone} on {contract.start.isoformat()} cover {together:g} of the use "
                "together: shares add up to 1 at most; lower them, or part their periods or 'instances'",
            )


def _overlapping_sites(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """An instance in two sites, or two figures for one day of a site: nothing would say which."""
    sites = parts[SITES_FILE].sites if SITES_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(sites), 2):
        if any(meet(a, b) for a in first.instances for b in second.instances):
            line = line_of(nodes[SITES_FILE], ("sites", i, "instances"))
            where = ("sites", j, "instances")
            yield Problem(
                SITES_FILE,
                line_of(nodes[SITES_FILE], where),
                path_of(where),
                f"{list(second.instances)!r} takes in instances of site {first.id!r} (line {line}): an instance is in one site, "
                "part the patterns",
            )
    for index, site in enumerate(sites):
        for name in ("pue", "wue", "water_factor"):
            for (i, first), (j, second) in itertools.combinations(enumerate(getattr(site, name)), 2):
                if first.days[0] < second.days[1] and second.days[0] < first.days[1]:
                    line = line_of(nodes[SITES_FILE], ("sites", index, name, i))
                    figure = ("sites", index, name, j)
                    yield Problem(
                        SITES_FILE,
                        line_of(nodes[SITES_FILE], figure),
                        path_of(figure),
                        f"{second.value!r} holds on days of line {line} too: end one with 'until' before the other's 'from'",
                    )

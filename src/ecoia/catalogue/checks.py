"""Checks across the catalogue: entries that are right by themselves but contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import yaml

from ecoia.catalogue.calibration import CALIBRATION_FILE
from ecoia.catalogue.charter import CHARTER_FILE
from ecoia.catalogue.committees import COMMITTEES_FILE
from ecoia.catalogue.electricity import CONTRACTS_FILE
from ecoia.catalogue.evaluations import EVALUATIONS_FILE
from ecoia.catalogue.fields import patterns_meet
from ecoia.catalogue.host_models import HOST_MODELS_FILE
from ecoia.catalogue.outcomes import OUTCOMES_FILE
from ecoia.catalogue.problems import Problem
from ecoia.catalogue.regions import REGIONS_FILE
from ecoia.catalogue.register import SERVICES_FILE
from ecoia.catalogue.sites import SITES_FILE
from ecoia.catalogue.targets import TARGETS_FILE
from ecoia.catalogue.yaml_files import line_of


def across(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find every contradiction between entries.

    Args:
        parts: Content of each file that is right by itself, by name.
        nodes: YAML tree of each file, by name, for line numbers.

    Yields:
        Each contradiction.
    """
    for check in (
        _unknown_bodies,
        _unknown_services,
        _unknown_trajectories,
        _broken_successions,
        _unknown_answers,
        _overlapping_calibrations,
        _overlapping_host_models,
        _oversold_contracts,
        _overlapping_sites,
    ):
        yield from check(parts, nodes)


def _unknown_bodies(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find committees that the charter does not list."""
    charter = parts.get(CHARTER_FILE)
    if charter is None or not charter.governance:
        return
    known = [body.id for body in charter.governance]
    named = [
        (TARGETS_FILE, ("targets", index, "decision", "body"), target.decision.body)
        for index, target in _listed(parts, TARGETS_FILE, "targets")
        if target.decision
    ] + [
        (COMMITTEES_FILE, (key, index, "body"), each.body)
        for key in ("recommendations", "decisions")
        for index, each in _listed(parts, COMMITTEES_FILE, key)
    ]
    for file, location, body in named:
        if body is not None and body not in known:
            remedy = f"{body!r} is not in governance of {CHARTER_FILE}: known: {', '.join(known)}"
            values = {"value": body, "known": tuple(known)}
            yield Problem(file, line_of(nodes[file], location), location, remedy, "unknown-body", values=values)


def _unknown_services(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find entries about a service that is not in the register. No page would show them."""
    if SERVICES_FILE not in parts:
        return
    known = [service.id for service in parts[SERVICES_FILE].services]
    yield from _unknown_services_of_tables(parts, known)
    for file, keys in (
        (TARGETS_FILE, ("targets",)),
        (COMMITTEES_FILE, ("recommendations", "decisions", "actions", "ties")),
        (EVALUATIONS_FILE, ("answers",)),
    ):
        for key in keys:
            for index, each in _listed(parts, file, key):
                if each.service is not None and each.service not in known:
                    location = (key, index, "service")
                    remedy = (
                        f"{each.service!r} is not in {SERVICES_FILE}: register it there (a project has status poc), or correct it"
                    )
                    values = {"value": each.service, "known": tuple(known)}
                    yield Problem(file, line_of(nodes[file], location), location, remedy, "unknown-service", values=values)


def _unknown_services_of_tables(parts: dict[str, Any], known: Sequence[str]) -> Iterator[Problem]:
    """Find counts of a service that is not in the register."""
    for file in (OUTCOMES_FILE, REGIONS_FILE):
        for line, each in parts.get(file, {}).items():
            if each.service not in known:
                remedy = f"{each.service!r} is not in {SERVICES_FILE}: register it there, or correct it"
                values = {"value": each.service, "known": tuple(known)}
                yield Problem(file, line, ("service",), remedy, "unknown-service", values=values)


def _unknown_trajectories(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find targets on the budget of a trajectory that is none."""
    listed = _listed(parts, TARGETS_FILE, "targets")
    known = [target.id for _, target in listed if target.is_trajectory]
    for index, target in listed:
        if target.trajectory is not None and target.trajectory not in known:
            location = ("targets", index, "trajectory")
            remedy = f"{target.trajectory!r} is not the id of a trajectory: known: {', '.join(known) or 'none'}"
            values = {"value": target.trajectory}
            line = line_of(nodes[TARGETS_FILE], location)
            yield Problem(TARGETS_FILE, line, location, remedy, "unknown-trajectory", values=values)


def _broken_successions(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find services that succeed an unregistered one, one that already has a successor, or (through others) themselves."""
    listed = _listed(parts, SERVICES_FILE, "services")
    known = [service.id for _, service in listed]
    follows: dict[str, str] = {}
    for index, service in listed:
        for old in service.succeeds:
            if old not in known:
                kind, remedy = "unknown-service", f"{old!r} is not registered: keep it there with status retired, or correct it"
            elif old in follows:
                kind = "succeeded-already"
                remedy = f"{old!r} is succeeded by {follows[old]!r} already: a service has one successor, which several may share"
            elif old in _line_after(service.id, follows):
                kind = "succeeds-each-other"
                remedy = f"{old!r} succeeds {service.id!r} itself: remove one of the two, as one service came first"
            else:
                follows[old] = service.id
                continue
            location = ("services", index, "succeeds")
            values = {"value": old, "known": tuple(known), "other": follows.get(old, service.id)}
            yield Problem(SERVICES_FILE, line_of(nodes[SERVICES_FILE], location), location, remedy, kind, values=values)


def _line_after(service: str, follows: dict[str, str]) -> list[str]:
    """Return the successors of a service, one after the other."""
    line = []
    while service in follows:
        service = follows[service]
        line.append(service)
    return line


def _unknown_answers(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find decisions and actions whose ``answers`` is no known id, and commitments that the charter does not have."""
    recommended = [each.id for _, each in _listed(parts, COMMITTEES_FILE, "recommendations")]
    decided = [each.id for _, each in _listed(parts, COMMITTEES_FILE, "decisions")]
    for key, known, what in (
        ("decisions", recommended, "recommendation"),
        ("actions", [*recommended, *decided], "recommendation or decision"),
    ):
        for index, each in _listed(parts, COMMITTEES_FILE, key):
            if each.answers is not None and each.answers not in known:
                location: tuple[int | str, ...] = (key, index, "answers")
                remedy = f"{each.answers!r} is not the id of a {what}: known: {', '.join(known) or 'none'}"
                values = {"value": each.answers, "known": tuple(known)}
                line = line_of(nodes[COMMITTEES_FILE], location)
                yield Problem(COMMITTEES_FILE, line, location, remedy, "unknown-answer", values=values)
    charter = parts.get(CHARTER_FILE)
    numbers = [each.number for each in charter.charter.commitments] if charter and charter.charter else []
    for index, tie in _listed(parts, COMMITTEES_FILE, "ties"):
        if numbers and tie.commitment not in numbers:
            location = ("ties", index, "commitment")
            remedy = f"{tie.commitment} is not a commitment of {CHARTER_FILE}: known: {', '.join(map(str, numbers))}"
            values = {"value": tie.commitment, "known": tuple(numbers)}
            line = line_of(nodes[COMMITTEES_FILE], location)
            yield Problem(COMMITTEES_FILE, line, location, remedy, "unknown-commitment", values=values)


def _listed(parts: dict[str, Any], file: str, key: str) -> list[tuple[int, Any]]:
    """Return the items of a list of a file with their indexes; none where the file is absent or wrong."""
    return list(enumerate(getattr(parts[file], key))) if file in parts else []


def _overlapping_calibrations(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find calibrations that could both hold at once: neither would take precedence."""
    listed = parts[CALIBRATION_FILE].calibrations if CALIBRATION_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(listed), 2):
        if first.overlaps(second):
            node = nodes[CALIBRATION_FILE]
            line = line_of(node, ("calibrations", i, "component"))
            yield Problem(
                CALIBRATION_FILE,
                line_of(node, ("calibrations", j, "component")),
                ("calibrations", j),
                f"{second.component!r} is calibrated on line {line} already, for some of the same instances and days: "
                "end one with 'until' before the other's 'from', or separate their 'instances'",
            )


def _overlapping_host_models(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find models that could both hold for a host at once: neither would take precedence."""
    listed = parts[HOST_MODELS_FILE].host_models if HOST_MODELS_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(listed), 2):
        same_kind = (first.cpu_model, first.threads) == (second.cpu_model, second.threads)
        same_days = first.start < (second.until or date.max) and second.start < (first.until or date.max)
        if same_kind and same_days and any(patterns_meet(a, b) for a in first.instances for b in second.instances):
            node = nodes[HOST_MODELS_FILE]
            yield Problem(
                HOST_MODELS_FILE,
                line_of(node, ("host_models", j, "instances")),
                ("host_models", j),
                f"{list(second.instances)!r} has a model on line {line_of(node, ('host_models', i, 'instances'))} already: "
                "end one with 'until' before the other's 'from', or separate their 'instances'",
            )


def _oversold_contracts(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find contracts that could cover more than the whole use together."""
    listed = parts[CONTRACTS_FILE].contracts if CONTRACTS_FILE in parts else ()
    for index, contract in enumerate(listed):
        together = sum(other.share for other in listed if contract.meets(other))
        if together > 1 + 1e-9:
            location = ("contracts", index, "share")
            yield Problem(
                CONTRACTS_FILE,
                line_of(nodes[CONTRACTS_FILE], location),
                location,
                f"{contract.share:g}: contracts of {contract.zone} on {contract.start.isoformat()} cover {together:g} of the use "
                "together: shares add up to 1 at most; lower them, or separate their periods or 'instances'",
            )


def _overlapping_sites(parts: dict[str, Any], nodes: dict[str, yaml.Node]) -> Iterator[Problem]:
    """Find instances in two sites, and days of a site with two figures: neither would take precedence."""
    sites = parts[SITES_FILE].sites if SITES_FILE in parts else ()
    for (i, first), (j, second) in itertools.combinations(enumerate(sites), 2):
        if any(patterns_meet(a, b) for a in first.instances for b in second.instances):
            line = line_of(nodes[SITES_FILE], ("sites", i, "instances"))
            where = ("sites", j, "instances")
            yield Problem(
                SITES_FILE,
                line_of(nodes[SITES_FILE], where),
                where,
                f"{list(second.instances)!r} matches instances of site {first.id!r} (line {line}): an instance is in one site, "
                "separate the patterns",
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
                        figure,
                        f"{second.value!r} holds on days of line {line} too: end one with 'until' before the other's 'from'",
                    )

"""Map control groups to services: the rules of ``ecoia watch --rules``, and what the path of a group identifies.

Only the file and folders of this host are read, no API: kubelet and systemd write the owner of a group into its path, and
the kubelet names its folders of logs after the pods.
"""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecoia import limits
from ecoia.errors import RulesError
from ecoia.semconv import PHASES, is_slug

POD_LOGS = Path("/var/log/pods")
"""Where the kubelet keeps a folder ``<namespace>_<name>_<uid>`` for each pod of its host."""

UNIT_TYPES = (".service", ".scope", ".slice")

# Both drivers of the kubelet, any container runtime: /kubepods/burstable/pod<uid>/<id>, and
# /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope, in which underscores
# replace the uid's hyphens, because systemd uses hyphens itself. The uid of a static pod is a hash.
_POD = re.compile(
    r"(?:^|[/-])pod(?P<pod_uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=$|/|\.slice(?:[/:]|$))"
)
_CONTAINER = re.compile(r"(?:^|[/:-])(?P<container_id>[0-9a-f]{64})(?:\.scope)?(?=$|/)")


@dataclass(frozen=True, slots=True)
class Rule:
    """A service, and the patterns that a control group must match to work for it.

    Attributes:
        number: Its place in the file, from 1.
        service: Id of the service.
        phase: One of ``semconv.PHASES``.
        patterns: (field that is compared, pattern as written, compiled pattern). A group must match all of them.
    """

    number: int
    service: str
    phase: str
    patterns: tuple[tuple[str, str, re.Pattern[str]], ...]

    def matches(self, names: Mapping[str, str]) -> bool:
        """Return whether the rule matches a group of these names. A pattern for a field that the group lacks never matches."""
        return all(field in names and pattern.match(names[field]) for field, _, pattern in self.patterns)


class Rules(tuple[Rule, ...]):
    """Rules in the order of the file: the first one that matches decides."""

    def match(self, names: Mapping[str, str]) -> Rule | None:
        """Return the first rule that matches a group of these names (see ``names_of``), or None."""
        return next((rule for rule in self if rule.matches(names)), None)

    @property
    def ask_for_pods(self) -> Rule | None:
        """The first rule that needs the names of pods; None if no rule does."""
        return next((rule for rule in self if {"namespace", "pod"} & {field for field, _, _ in rule.patterns}), None)


def names_of(cgroup: str, pods: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return the names that identify a control group, by field.

    Args:
        cgroup: Its path in its hierarchy, as ``/proc/<pid>/cgroup`` writes it.
        pods: (namespace, name) by uid; see ``pods_by_uid``.

    Returns:
        ``cgroup`` always; ``unit`` for a systemd unit; ``pod_uid`` (with hyphens) for a pod and all groups in it, with
        ``namespace`` and ``pod`` if they are known; ``container_id`` for a container.

    Example:
        >>> names_of("/system.slice/search.service", {})
        {'cgroup': '/system.slice/search.service', 'unit': 'search.service'}
    """
    names = {"cgroup": cgroup}
    last = cgroup.rpartition("/")[2]
    if last.endswith(UNIT_TYPES):
        names["unit"] = last
    for pattern in (_POD, _CONTAINER):
        found = pattern.search(cgroup)
        if found is not None:
            names.update(found.groupdict())
    if "pod_uid" in names:
        names["pod_uid"] = uid = names["pod_uid"].replace("_", "-")
        if uid in pods:
            names["namespace"], names["pod"] = pods[uid]
    return names


def pods_by_uid(folder: Path) -> dict[str, tuple[str, str]]:
    """Return (namespace, name) of the pods of this host by uid, from the names of their folders of logs. No log is read.

    Args:
        folder: Where the kubelet keeps a folder ``<namespace>_<name>_<uid>`` for each pod.

    Raises:
        OSError: The folder cannot be listed.
    """
    parts = (name.split("_") for name in os.listdir(folder))  # noqa: PTH208 - once a second beside pods that are starting
    return {part[2]: (part[0], part[1]) for part in parts if len(part) == 3}


def read_rules(file: Path) -> Rules:
    """Read a file of rules.

    Args:
        file: A TOML file of ``[[rule]]`` tables, each with a service and at least one pattern.

    Raises:
        RulesError: The file cannot be read, or is wrong: one line for each mistake, with rule, field, value and remedy.

    Example:
        >>> from tempfile import mkdtemp
        >>> file = Path(mkdtemp(), "rules.toml")
        >>> _ = file.write_text('rule = [{service = "vadore", unit = "inference-api"}]')
        >>> [(rule.service, rule.phase) for rule in read_rules(file)]
        [('vadore', 'inference')]
    """
    try:
        data = tomllib.loads(limits.read_bytes(file, limits.SETTINGS_BYTES).decode())
    except OSError as error:
        raise RulesError(f"'{file}' cannot be read ({error.strerror}): name a file of rules by --rules") from error
    except (ValueError, RecursionError) as error:
        raise RulesError(f"'{file}' is not valid TOML: {error}") from error
    tables, mistakes = _tables_of(data, file)
    rules = []
    for number, table in enumerate(tables, 1):
        found = _mistakes(table)
        mistakes += [f"'{file}', rule {number}: {mistake}" for mistake in found]
        if not found:
            patterns = tuple((field, table[field], _compiled(field, table[field])) for field in _CHECKS if field in table)
            rules.append(Rule(number, table["service"], table.get("phase", "inference"), patterns))
    if mistakes:
        raise RulesError("\n".join(mistakes))
    return Rules(rules)


def _tables_of(data: Mapping[str, Any], file: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the [[rule]] tables of a file, and the mistakes around them."""
    mistakes = [
        f"'{file}': {key} = {data[key]!r}: no such key: a file of rules has only [[rule]]" for key in data if key != "rule"
    ]
    tables = data.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        return [], [*mistakes, f"'{file}': rule = {tables!r}: begin each rule with the line [[rule]]"]
    if not tables and not mistakes:
        mistakes.append(f"'{file}': it holds no rule: write at least one [[rule]], with a service and a pattern for its groups")
    return tables, mistakes


def _compiled(field: str, pattern: str) -> re.Pattern[str]:
    if field == "unit" and not pattern.endswith(UNIT_TYPES):
        pattern += ".service"
    return re.compile(fnmatch.translate(pattern))


def _mistakes(table: Mapping[str, Any]) -> list[str]:
    known = ("service", "phase", *_CHECKS)
    mistakes = [f"{key} = {table[key]!r}: no such key: choose one of {', '.join(known)}" for key in table if key not in known]
    if "service" not in table:
        mistakes.append("service is missing: give the id of the service that these groups work for")
    elif not is_slug(table["service"]):
        mistakes.append(f"service = {table['service']!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most)")
    if table.get("phase", "inference") not in PHASES:
        mistakes.append(f"phase = {table['phase']!r}: choose one of {', '.join(PHASES)}")
    given = [field for field in _CHECKS if field in table]
    if not given:
        mistakes.append(f"it has no pattern, so it matches no control group: give one or more of {', '.join(_CHECKS)}")
    for field in given:
        remedy = _wrong_pattern(table[field]) or _CHECKS[field](table[field])
        if remedy:
            mistakes.append(f"{field} = {table[field]!r}: {remedy}")
    return mistakes


def _wrong_pattern(pattern: Any) -> str | None:
    if not isinstance(pattern, str) or not pattern or "\0" in pattern:
        return "write a string, in which '*' matches any characters, '?' one character and '[ab]' one of those listed"
    if "[" in re.sub(r"\[!?\]?[^\]]*\]", "", pattern):
        return "close the bracket, or write '[[]' to match a bracket"
    return None


def _wrong_path(pattern: str) -> str | None:
    if pattern == "/":
        return "the whole host is not a group: name groups below it, or see the setting 'scope'"
    if not pattern.startswith(("/", "*")):
        return "begin with '/': give the path below the mount, as /proc/PID/cgroup writes it"
    return "remove the '/' at the end" if pattern.endswith("/") else None


def _wrong_name(pattern: str) -> str | None:
    return "a name contains no '/': use cgroup for a path" if "/" in pattern else None


def _wrong_uid(pattern: str) -> str | None:
    return "write the uid with hyphens, as kubectl shows it" if "_" in pattern else _wrong_name(pattern)


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "cgroup": _wrong_path,
    "unit": _wrong_name,
    "namespace": _wrong_name,
    "pod": _wrong_name,
    "pod_uid": _wrong_uid,
    "container_id": _wrong_name,
}
"""The fields that a rule can compare. Each check returns the remedy for a wrong pattern, or None."""

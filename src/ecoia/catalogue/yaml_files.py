"""YAML files with the line of every entry, so that a mistake is reported where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ecoia.catalogue.fields import Model
from ecoia.catalogue.problems import Problem, remedy_of

Unique = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
"""Paths of lists, each with the keys that identify its items. Two items that agree in all of these keys are a mistake."""


def parse(name: str, path: Path) -> tuple[yaml.Node | None, Any, list[Problem]]:
    """Parse a file.

    Args:
        name: Name of the file, for messages.
        path: The file.

    Returns:
        Its node tree (for line numbers) and data, both None where it is empty or unreadable; and its mistakes.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node), []
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, None, [Problem(name, line, (), f"not readable as YAML ({error.problem}): check indentation and quotes")]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        return None, None, [Problem(name, line, (), f"holds a character that YAML forbids ({error.reason}): remove it")]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return None, None, [Problem(name, line, (), "not readable as UTF-8: save the file in UTF-8")]
    except (ValueError, RecursionError, OverflowError) as error:  # e.g. the day 2026-02-31, or a file nested a thousand deep
        return None, None, [Problem(name, 1, (), f"holds a value that YAML cannot read ({error}): correct it or quote it")]
    except OSError as error:
        return None, None, [Problem(name, 1, (), f"not readable ({error.strerror}): check its permissions")]


def _entries(node: yaml.Node | None) -> list[tuple[str, yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), key, value) for key, value in node.value]


def child(node: yaml.Node | None, step: int | str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Return the nodes of key and value one step below. Of two equal keys the last counts, as YAML reads it."""
    found: tuple[yaml.Node | None, yaml.Node | None] = (None, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    for key, key_node, value in _entries(node):
        if key == step:
            found = (key_node, value)
    return found


def line_of(node: yaml.Node, location: Sequence[int | str]) -> int:
    """Return the line (from 1) of a location, or of the nearest part above it that exists.

    Example:
        >>> node = yaml.compose("services:\\n  - id: chat\\n", yaml.SafeLoader)
        >>> line_of(node, ("services", 0, "id"))
        2
    """
    line = node.start_mark.line + 1
    current: yaml.Node | None = node
    for step in location:
        key, current = child(current, step)
        if key is None:
            break
        line = key.start_mark.line + 1
    return line


def _walk(node: yaml.Node, location: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], yaml.Node]]:
    yield location, node
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*location, index))
    for key, _, value in _entries(node):
        yield from _walk(value, (*location, key))


def duplicates(name: str, node: yaml.Node, unique: Unique) -> Iterator[Problem]:
    """Find equal keys in one mapping, of which YAML would silently keep the last, and equal items in one list.

    Args:
        name: Name of the file.
        node: Its node tree.
        unique: Lists whose items must differ.
    """
    for location, part in _walk(node):
        yield from _equal_keys(name, location, part)
    for list_path, keys in unique:
        yield from _equal_items(name, node, list_path, keys)


def _equal_keys(name: str, location: tuple[int | str, ...], node: yaml.Node) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for key, key_node, _ in _entries(node):
        line = key_node.start_mark.line + 1
        if key in seen:
            yield Problem(name, line, (*location, key), f"written twice, first on line {seen[key]}: keep one")
        seen.setdefault(key, line)


def _equal_items(name: str, node: yaml.Node, list_path: tuple[str, ...], keys: tuple[str, ...]) -> Iterator[Problem]:
    listed: yaml.Node | None = node
    for step in list_path:
        listed = child(listed, step)[1]
    first: dict[tuple[str, ...], int] = {}
    for index, item in enumerate(listed.value if isinstance(listed, yaml.SequenceNode) else []):
        found = [child(item, key)[1] for key in keys]
        scalars = [each for each in found if isinstance(each, yaml.ScalarNode)]
        if len(scalars) < len(keys):
            continue
        texts = tuple(each.value.strip().upper() for each in scalars)  # a quarter may be written 2026q4
        line = scalars[-1].start_mark.line + 1
        if texts in first:
            written = " of ".join(repr(each.value) for each in reversed(scalars))
            where: tuple[int | str, ...] = (*list_path, index, keys[-1])
            once = f"each {' and '.join(keys)} is used once"
            yield Problem(name, line, where, f"{written} is already used on line {first[texts]}: {once}")
        first.setdefault(texts, line)


def validate(name: str, node: yaml.Node, data: Any, model: type[Model], parts: dict[str, Any]) -> list[Problem]:
    """Validate the data of a file, and add it to ``parts`` if it is right.

    Args:
        name: Name of the file.
        node: Its node tree, for line numbers.
        data: Its data.
        model: Its model.
        parts: Content of the files validated so far, by name.

    Returns:
        Its mistakes.
    """
    try:
        parts[name] = model.model_validate(data)
    except ValidationError as error:
        found = []
        for problem in error.errors(include_url=False):
            if problem["type"] == "too_short" and problem["input"]:
                continue  # every item of the list is wrong, and reported by itself
            location = tuple(step for step in problem["loc"] if step != "[key]")  # marks a key that is itself wrong
            found.append(Problem(name, line_of(node, location), location, remedy_of(dict(problem), model)))
        return found
    return []

"""YAML files with the line of everything in them, so that a mistake is named by where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ecoia.catalogue.fields import Model
from ecoia.catalogue.problems import Problem, remedy_of

Unique = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
"""Lists whose items are known by some keys, each with those keys: two that agree in all is a mistake."""


def parse(name: str, path: Path) -> tuple[yaml.Node | None, Any, list[Problem]]:
    """The node tree (for lines) and the data of a file; an empty file has neither."""
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
    """The key's node and the value's node one step below; of the last of two equal keys, as YAML reads it."""
    found: tuple[yaml.Node | None, yaml.Node | None] = (None, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    for key, key_node, value in _entries(node):
        if key == step:
            found = (key_node, value)
    return found


def line_of(node: yaml.Node, location: Sequence[int | str]) -> int:
    """The line (from 1) of a location; of the nearest part above it that exists."""
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
    """Two equal keys in one mapping (YAML would keep the last in silence), two equal ids in one list."""
    for location, part in _walk(node):
        seen: dict[str, int] = {}
        for key, key_node, _ in _entries(part):
            line = key_node.start_mark.line + 1
            if key in seen:
                yield Problem(name, line, (*location, key), f"written twice, first on line {seen[key]}: keep one")
            seen.setdefault(key, line)
    for list_path, keys in unique:
        listed: yaml.Node | None = node
        for step in list_path:
            listed = child(listed, step)[1]
        first: dict[tuple[str, ...], int] = {}
        items = listed.value if isinstance(listed, yaml.SequenceNode) else []
        for index, entry in enumerate(items):
            found = [child(entry, key)[1] for key in keys]
            scalars = [each for each in found if isinstance(each, yaml.ScalarNode)]
            if len(scalars) < len(keys):
                continue
            texts = tuple(each.value.strip().upper() for each in scalars)  # a quarter may be written 2026q4
            line = scalars[-1].start_mark.line + 1
            if texts in first:
                said = " of ".join(repr(each.value) for each in reversed(scalars))
                where: tuple[int | str, ...] = (*list_path, index, keys[-1])
                once = f"each {' and '.join(keys)} is used once"
                yield Problem(name, line, where, f"{said} is already used on line {first[texts]}: {once}")
            first.setdefault(texts, line)


def validate(name: str, node: yaml.Node, data: Any, model: type[Model], parts: dict[str, Any]) -> list[Problem]:
    try:
        parts[name] = model.model_validate(data)
    except ValidationError as error:
        found = []
        for problem in error.errors(include_url=False):
            if problem["type"] == "too_short" and problem["input"]:
                continue  # a list all of whose items are wrong, told one by one
            location = tuple(step for step in problem["loc"] if step != "[key]")  # pydantic's mark of a key that is wrong itself
            found.append(Problem(name, line_of(node, location), location, remedy_of(dict(problem), model)))
        return found
    return []

"""YAML files with the line of every entry, so that a mistake is reported where it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from ecoia import limits
from ecoia.catalogue.fields import Model
from ecoia.catalogue.problems import Problem, described, remedy_of
from ecoia.errors import EcoiaError

Unique = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
"""Paths of lists, each with the keys that identify its items. Two items that agree in all of these keys are a mistake."""

_SHOWN = 40
"""How many characters of a refused value a message shows."""


class _Refused(yaml.MarkedYAMLError):
    """What the file says is YAML, and none that the catalogue reads."""

    def __init__(self, fault: str, mark: yaml.Mark) -> None:
        super().__init__(problem=fault, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """Reads one document of plain values, and refuses at its line whatever is beyond the limits or is not plain.

    Composing stops at the first fault, so a file that would grow without end when its aliases are written out is never built.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[str, int] = {}  # anchor -> values below it, with its own aliases written out

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        event = self.peek_event()  # type: ignore[no-untyped-call] # nor are other methods of PyYAML
        mark, anchor = event.start_mark, event.anchor
        if isinstance(event, yaml.AliasEvent):
            if anchor in self.anchors and anchor not in self._sizes:
                raise _Refused(f"'*{anchor}' is a part of itself", mark)
            self._count(self._sizes.get(anchor, 0), mark)
            return cast("yaml.Node", super().compose_node(parent, index))
        if event.tag is not None:
            raise _Refused(f"the tag '{_without_prefix(event.tag)}' is not read: write the value alone", mark)
        before = self._nodes
        self._count(1, mark)
        self._depth += 1
        if self._depth > limits.YAML_DEPTH:
            raise _Refused(f"nested more than {limits.YAML_DEPTH} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if anchor is not None:
            self._sizes[anchor] = self._nodes - before
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        return cast("yaml.Node", node)

    def _count(self, nodes: int, mark: yaml.Mark) -> None:
        self._nodes += nodes
        if self._nodes > limits.YAML_NODES:
            raise _Refused(f"more than {limits.YAML_NODES:,} values, those of its aliases counted each time", mark)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError) as error:  # e.g. the day 2026-02-31
            raise _Refused(f"{_short(node)}: {error}", node.start_mark) from error
        if isinstance(value, str) and (unsuitable := _UNSUITABLE.search(value)):
            raise _Refused(f"holds the character {unsuitable[0]!r}, which no text has", node.start_mark)
        return value

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if number and len(node.value) > limits.YAML_DIGITS:  # before it is converted, which takes long
            raise _Refused(f"{_short(node)} has {len(node.value):,} characters, which is too many", node.start_mark)
        return super().construct_scalar(node)


_UNSUITABLE = re.compile(r"[\x00\ud800-\udfff]")


def _without_prefix(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _short(node: yaml.Node) -> str:
    text = str(node.value)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _check_keys(node: yaml.MappingNode) -> None:
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            said = _short(key) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise _Refused(f"{said} as the name of a field: names are texts, in quotes if need be", key.start_mark)


class YamlError(EcoiaError, ValueError):
    """A text is no YAML that a file of the catalogue can hold.

    Attributes:
        line: Line of the fault, from 1.
    """

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(fault)
        self.line = line


def read_text(text: str) -> tuple[yaml.Node | None, Any]:
    """Read YAML: the only place where ecoia does.

    Args:
        text: Content of a file.

    Returns:
        Its node tree (for line numbers) and its data, both None where it is empty.

    Raises:
        YamlError: it is no YAML, goes beyond ``ecoia.limits``, or holds something else than plain values: the
            character 0, half of a character, a tag, a name of a field that is no text.

    Example:
        >>> read_text("use: ember")[1]
        {'use': 'ember'}
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        remedy = "" if isinstance(error, _Refused) else ": check indentation and quotes"
        raise YamlError(mark.line + 1 if mark else 1, f"not readable as YAML ({error.problem}){remedy}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        raise YamlError(line, f"holds a character that YAML forbids ({error.reason}): remove it") from error


def parse(name: str, path: Path) -> tuple[yaml.Node | None, Any, list[Problem]]:
    """Parse a file.

    Args:
        name: Name of the file, for messages.
        path: The file.

    Returns:
        Its node tree (for line numbers) and data, both None where it is empty or unreadable; and its mistakes.
    """
    try:
        return *read_text(limits.read_bytes(path, limits.YAML_BYTES).decode("utf-8-sig")), []
    except YamlError as error:
        return None, None, [Problem(name, error.line, (), str(error))]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return None, None, [Problem(name, line, (), "not readable as UTF-8: save the file in UTF-8")]
    except OSError as error:
        return None, None, [Problem(name, 1, (), f"not readable ({error.strerror}): check the file and its permissions")]


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
            remedy = f"{written} is already used on line {first[texts]}: {once}"
            yield Problem(name, line, where, remedy, "used-twice", values={"value": scalars[-1].value})
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
            remedy = remedy_of(dict(problem), model)
            found.append(Problem(name, line_of(node, location), location, remedy, **described(dict(problem))))
        return found
    return []

"""Editing a YAML file of the catalogue only where its data changes: comments and everything else stay."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

from ecoia.catalogue.yaml_files import YamlError, child, read_text

_WIDTH = 120


class Entry(NamedTuple):
    """An item of the new list.

    Attributes:
        place: Index of the item in the old list. None: the item is new.
        data: New data of the item. None: the item stays as it is.
    """

    place: int | None
    data: dict[str, Any] | None


def with_list(text: str, path: Sequence[str], entries: Sequence[Entry]) -> str:
    """Return the text of a file with one list changed.

    Unchanged items keep their lines, comments included; changed items keep the comments above them. A file that cannot be
    changed in part (anchors, everything on one line) is written anew, without comments.

    Args:
        text: Text of the file; may be empty.
        path: Keys down to the list, e.g. ``("charter", "commitments")``. The list need not exist yet.
        entries: Items of the new list, in order.

    Example:
        >>> print(with_list("", ["services"], [Entry(None, {"id": "chat"})]), end="")
        services:
          - id: chat
    """
    old = _at(read_text(text)[1], path) or []
    items = [old[entry.place] if entry.data is None and entry.place is not None else entry.data for entry in entries]
    return _replaced(text, path, items, lambda node, start: _list_text(text, node, start, entries, 2 * len(path)))


def with_value(text: str, path: Sequence[str], value: Any) -> str:
    """Return the text of a file with one value changed. The value is written on one line.

    Args:
        text: Text of the file; may be empty.
        path: Keys down to the value. The value need not exist yet.
        value: The new value.

    Example:
        >>> with_value("use: default  # ours\\n", ["use"], "ember")
        'use: ember  # ours\\n'
    """
    return _replaced(text, path, value, lambda *_: _inline(value))


def comments(text: str) -> int:
    """Count the lines of a file that have a comment, or text that looks like one.

    Example:
        >>> comments("# ours\\nuse: ember\\n")
        1
    """
    return sum(line.startswith("#") or " #" in line for line in text.splitlines())


def _replaced(text: str, path: Sequence[str], value: Any, write: Callable[[yaml.Node | None, int], str | None]) -> str:
    node, data = read_text(text)
    wanted = _with(data, path, value)
    key: yaml.Node | None = None
    for step in path:
        key, node = child(node, step)
    start, end = _span(text, key, node) if key is not None and node is not None else (0, 0)
    written, new = write(node, start), ""
    if written is not None and node is not None:
        new = f"{text[:start].rstrip(' ')}{written}{text[end:]}"
    elif written is not None and len(path) == 1:
        new = f"{text.rstrip()}\n\n{path[0]}:{written}\n".lstrip("\n")
    return next(text for text in (new, _dump(wanted), yaml.safe_dump(wanted)) if _reads_as(text, wanted))


def _reads_as(text: str, data: Any) -> bool:
    try:
        return bool(read_text(text)[1] == data)
    except YamlError:
        return False


def _span(text: str, key: yaml.Node, node: yaml.Node) -> tuple[int, int]:
    """Return where a value begins and ends. A list in block form takes whole lines, from the end of the line of its key."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _line_end(text, key), _line_end(text, node)
    return node.start_mark.index, _end(node)


def _line_end(text: str, node: yaml.Node) -> int:
    """Return the end of the line on which the content of a node ends."""
    found = text.find("\n", len(text[: _end(node)].rstrip()))  # the end mark of a block scalar is where the next node begins
    return len(text) if found < 0 else found


def _end(node: yaml.Node) -> int:
    """Return where the content of a node ends. A block's end mark is where the next block begins, so take its children's ends."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        children = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        return max(map(_end, children))
    return int(node.end_mark.index)


def _list_text(text: str, node: yaml.Node | None, start: int, entries: Sequence[Entry], indent: int) -> str | None:
    """Return the list as a block, to follow ``key:``. Unchanged items and comments above items are the file's own text."""
    if not entries:
        return " []"
    chunks: list[tuple[str, str]] = []  # (text above an item, text of the item)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        indent = node.start_mark.column
        at = start + 1
        for item in node.value:
            dash = text.rfind("-", 0, item.start_mark.index + 1)
            begin, end = text.rfind("\n", 0, dash) + 1, _line_end(text, item)
            chunks.append((text[at:begin], text[begin:end]))
            at = end + 1
    written = []
    for entry in entries:
        above, own = chunks[entry.place] if entry.place is not None and entry.place < len(chunks) else ("", "")
        if entry.data is None and not own:
            return None  # the list is on one line: write all of it anew
        written.append(above + (own if entry.data is None else _item(entry.data, indent)))
    return "\n" + "\n".join(written)


def _item(data: dict[str, Any], indent: int) -> str:
    dumped = _dump([data]).rstrip("\n")
    return "\n".join(" " * indent + line if line else line for line in dumped.split("\n"))


def _inline(value: Any) -> str:
    dumped = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, sort_keys=False, width=10**6)
    return " " + dumped.removesuffix("\n").removesuffix("\n...")


def _dump(data: Any) -> str:
    return str(yaml.safe_dump(data, allow_unicode=True, default_flow_style=False, sort_keys=False, width=_WIDTH))


def _at(data: Any, path: Sequence[str]) -> Any:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return data


def _with(data: Any, path: Sequence[str], value: Any) -> Any:
    whole = copy.deepcopy(data) if isinstance(data, dict) else {}
    part = whole
    for step in path[:-1]:
        part[step] = part.get(step) or {}
        part = part[step]
    part[path[-1]] = value
    return whole

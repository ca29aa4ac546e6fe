"""A file of the catalogue changes where its data changes: what nobody touched keeps its text, comments included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue import starter_files
from ecoia.catalogue.editing import Entry, with_list, with_value
from ecoia.catalogue.saving import save
from ecoia.errors import EcoiaError

REGISTER = """\
# The register.
as_of: 2026-01-01   # a day
unnamed: {count: 3}

services:
  # The first.
  - id: a  # short
    name: "A: one"
    boamps: {task: x}   # kept
  # The second.
  - {id: b, name: B}   # flow
  # The third.
  - id: c
    text: |
      two
      lines

# The end.
other: 1
"""


def test_items_that_stay_keep_their_lines_and_comments() -> None:
    assert with_list(REGISTER, ("services",), [Entry(0, None), Entry(1, None), Entry(2, None)]) == REGISTER
    changed = with_list(REGISTER, ("services",), [Entry(2, None), Entry(0, {"id": "a", "name": "é"}), Entry(None, {"id": "d"})])
    assert changed == (
        REGISTER.partition("  # The first.")[0]
        + "  # The third.\n  - id: c\n    text: |\n      two\n      lines\n"
        + "  # The first.\n  - id: a\n    name: é\n  - id: d\n\n# The end.\nother: 1\n"
    )


def test_an_emptied_list_is_empty_and_can_be_filled_again() -> None:
    emptied = with_list(REGISTER, ("services",), [])
    assert yaml.safe_load(emptied)["services"] == []
    assert "# The end." in emptied
    assert yaml.safe_load(with_list(emptied, ("services",), [Entry(None, {"id": "z"})]))["services"] == [{"id": "z"}]


@pytest.mark.parametrize("name", ["services.yaml", "targets.yaml", "committees.yaml"])
def test_a_commented_starter_keeps_its_comments_when_it_is_filled(name: str) -> None:
    text = starter_files()[name]
    key = {"committees.yaml": "actions"}.get(name, name.removesuffix(".yaml"))
    filled = with_list(text, (key,), [Entry(None, {"id": "x"})])
    assert yaml.safe_load(filled) == yaml.safe_load(text) | {key: [{"id": "x"}]}
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in filled.splitlines() if line.startswith("#")
    ]


def test_a_value_is_changed_in_its_place() -> None:
    assert with_value(REGISTER, ("unnamed",), {"count": 4}) == REGISTER.replace("{count: 3}", "{count: 4}")
    assert with_value(REGISTER, ("as_of",), None) == REGISTER.replace("2026-01-01", "null")
    assert with_value("a:\n  b: 1\nc: 2\n", ("a",), {"b": 2}) == "a:\n {b: 2}\nc: 2\n"
    assert yaml.safe_load(with_value("", ("a",), 1)) == {"a": 1}


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
items = st.lists(
    st.dictionaries(st.sampled_from(["id", "name", "of"]), texts | st.integers(-(10**18), 10**18) | st.none(), min_size=1),
    max_size=5,
)


@given(items, st.lists(st.tuples(st.integers(0, 6), st.booleans())), st.booleans(), st.booleans())
def test_the_file_reads_as_what_was_asked_for(
    old: list[dict[str, Any]], wanted: list[tuple[int, bool]], flow: bool, nested: bool
) -> None:
    """In any style, with any texts and edits, the list is as asked for and the rest as it was."""
    whole: Any = {"above": [1], "part": {"list": old, "x": "y"}} if nested else {"above": [1], "list": old, "below": {"x": "y"}}
    text = "# top\n" + yaml.safe_dump(whole, sort_keys=False, default_flow_style=flow or None, allow_unicode=True)
    whole = yaml.safe_load(text)  # what PyYAML does not read as it wrote it is not ours
    path, holder = (("part", "list"), whole["part"]) if nested else (("list",), whole)
    old = holder["list"]
    entries = []
    for place, replaced in wanted:
        kept = place if place < len(old) else None
        entries.append(Entry(kept, {"id": f"new {place}"} if replaced or kept is None else None))
    result = yaml.safe_load(with_list(text, path, entries))
    expected = [old[e.place] if e.data is None and e.place is not None else e.data for e in entries]
    holder["list"] = expected
    assert result == whole


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "c").mkdir()  # nothing can replace it
    with pytest.raises(EcoiaError, match="nothing was changed"):
        save(tmp_path, {"a": "new", "b": "new", "c": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]
    (tmp_path / "d").symlink_to(tmp_path / "nowhere" / "d")  # its draft can be written, but nothing can take its place
    with pytest.raises(EcoiaError, match="nothing was changed"):
        save(tmp_path, {"a": "new", "b": "new", "d": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert not (tmp_path / "b").exists()
    save(tmp_path, {"a": "new", "b": "é"})
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text(encoding="utf-8")) == ("new", "é")

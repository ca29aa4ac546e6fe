"""Files made to hang or break a reader of YAML are refused at once, at their line; the same limits hold for every reader."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from ecoia import catalogue, limits
from ecoia.catalogue.editing import Entry, with_list
from ecoia.catalogue.yaml_files import YamlError, read_text
from ecoia.errors import CatalogueError

LAUGHS = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGES = "m0: &m0 {a: 1, b: 2}\n" + "".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 8)}]}}\n" for n in range(1, 10))


def service(field: str) -> str:
    return f"services:\n  - id: chat\n    name: Chat\n    status: poc\n    {field}\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LAUGHS, 6, "200,000 values"),
        (MERGES, 6, "200,000 values"),
        ("services: &a\n  - *a\n", 2, "part of itself"),
        ("&a\nservices: []\nas_of: *a\n", 3, "part of itself"),
        (service(f"name: {'9' * 5000}"), 5, "5,000 characters"),
        (service(f"name: 0x{'f' * 200_000}"), 5, "200,002 characters"),
        (service(f"name: {':'.join(['59'] * 20_000)}"), 5, "characters, which is too many"),
        (service(f"name: 1.0{'0' * 5000}"), 5, "characters, which is too many"),
        (f"services: {'[' * 20_000}{']' * 20_000}\n", 1, "32 levels"),
        (f"services:\n  {'{a: ' * 5000}1{'}' * 5000}\n", 2, "32 levels"),
        ("".join(f"{' ' * n}a:\n" for n in range(500)), 32, "32 levels"),
        (service('name: "va\\0dore"'), 5, "'\\x00'"),
        (service('name: "\\ud800"'), 5, "'\\ud800'"),
        (service("name: a\x00b"), 5, "a character that YAML forbids"),
        (service("instance_days: .inf"), 5, "finite"),
        (service("instance_days: -.INF"), 5, "finite"),
        (service("instance_days: .nan"), 5, "finite"),
        (service("instance_days: 1.0e+400"), 5, "finite"),
        ("services: []\n---\nservices: []\n", 2, "another document"),
        ("services: !!python/object/apply:os.system ['true']\n", 1, "the tag '!!python"),
        ("services: !!binary aGVsbG8=\n", 1, "the tag '!!binary'"),
        ("services: !ours []\n", 1, "the tag '!ours'"),
        ("services: []\n2026-01-01: x\n", 2, "'2026-01-01' as the name of a field"),
        ("services: []\nyes: x\n", 2, "'yes' as the name of a field"),
        ("? [a, b]\n: x\n", 1, "as the name of a field"),
        ("services: *nowhere\n", 1, "undefined alias"),
    ],
)  # fmt: skip
def test_hostile_yaml_is_refused_at_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    (tmp_path / "services.yaml").write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(CatalogueError) as caught:
        catalogue.load(tmp_path)
    assert time.process_time() - began < 20
    (found,) = str(caught.value).splitlines()[1:]
    assert found.startswith(f"services.yaml:{line}: "), found
    assert said in found
    assert len(found) < 300, "a message shows the beginning of a value only"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "services.yaml").write_bytes("services: []  # été\n".encode(encoding))
    with pytest.raises(CatalogueError, match=r"services\.yaml:1: .*(UTF-8|character that YAML forbids)"):
        catalogue.load(tmp_path)


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "services.yaml").open("wb") as file:
        file.truncate(10 << 30)  # sparse
    with pytest.raises(CatalogueError, match=r"services\.yaml:1: .*10,737,418,240 bytes"):
        catalogue.load(tmp_path)


def test_an_alias_that_saves_typing_is_read() -> None:
    assert read_text("a: &day {on: 1}\nb: *day\nc: {<<: *day, of: 2}\n".replace("on", "x"))[1]["c"] == {"x": 1, "of": 2}


def test_a_text_to_edit_has_the_same_limits() -> None:
    with pytest.raises(YamlError, match="values"):
        with_list(LAUGHS, ["services"], [Entry(None, {"id": "chat"})])


def test_no_other_module_reads_yaml(repository: Path) -> None:
    reading = re.compile(r"\byaml\.(safe_load|load|compose|parse|scan|SafeLoader|\w*[Ll]oad_all)\b")
    found = [
        path.name
        for root in ("src", "dashboards")
        for path in (repository / root).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if reading.search(line) and ">>>" not in line
    ]
    assert set(found) == {"yaml_files.py"}
    assert limits.YAML_DEPTH < 100, "readers recurse once a level"

"""Whatever lies in the folder of publications, reading ends in seconds with one error that names the file."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecoia import limits
from ecoia.errors import EcoiaError, PublicationError
from ecoia.factors import FactorSet
from ecoia.impact.inputs import Inputs
from ecoia.periods import Quarter
from ecoia.publishing.publication import publications, publish, read_publication
from ecoia.publishing.sealed_files import canonical
from ecoia.publishing.verification import verify, verify_chain
from ecoia.records import fold
from ecoia.report import QuarterlyReport, build_report
from support.command_line import ecoia
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

FILES = ["seal.json", "manifest.json", "report.json", "inputs/settings.json", "inputs/rows/2026Q4.jsonl.gz", "documents/r.html"]


def one_document(report: QuarterlyReport, folder: Path) -> None:
    (folder / "r.html").write_text(report.quarter, encoding="utf-8")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    factors = FactorSet([factor("FRA", 2026, 40.0)], id="ours", version="1")
    rows = fold([record("2026-11-05T10:00", cpu=kwh(4), service="a", zone="FRA")])
    inputs = Inputs.of(rows, write_catalogue(folder / "cat"), factors, make_settings(zone="FRA"))
    report = build_report(
        rows, Quarter(2026, 4), over=True, settings=inputs.settings, catalogue=inputs.catalogue, factors=inputs.factors
    )
    publish(folder / "pub", inputs, report, one_document, on=date(2027, 1, 15), catalogue_folder=folder / "cat")
    verify_chain(folder / "pub")
    return folder / "pub"


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "pub")
    return tmp_path / "pub"


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_outside(path: Path) -> None:
    outside = next(parent for parent in path.parents if parent.name == "pub").parent / "outside"
    path.rename(outside)
    path.symlink_to(outside)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10 << 30)  # sparse


REPLACED: dict[str, Callable[[Path], None]] = {
    "pipe": _pipe, "folder": _folder, "link": _link_outside, "loop": _loop, "device": _device, "huge": _huge,
}  # fmt: skip


def used(root: Path) -> list[Any]:
    return [(each.signed_with, each.report(), each.inputs()) for each in publications(root)]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", REPLACED)
def test_what_stands_in_place_of_a_file_is_named_and_never_waited_for(root: Path, file: str, kind: str) -> None:
    path = root / "2026Q4" / file
    REPLACED[kind](path)
    tracemalloc.start()
    for check in (lambda: verify(root / "2026Q4"), lambda: verify_chain(root)):
        with pytest.raises(PublicationError) as caught:
            check()
        assert file in str(caught.value) or "2026Q4 is not the folder" in str(caught.value)
    if not file.startswith("documents"):  # recalculating reads the figures and their inputs without verifying
        with pytest.raises(PublicationError):
            used(root)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_a_device_node_is_not_opened(root: Path) -> None:
    path = root / "2026Q4" / "report.json"
    path.unlink()
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root makes device nodes")
    with pytest.raises(PublicationError, match=r"report\.json cannot be read \(it is a device, not a file\)"):
        verify(root / "2026Q4")


@pytest.mark.parametrize("name", ["added", "inputs/added", "inputs/rows/added/deeper"])
def test_an_empty_folder_that_was_added_is_named(root: Path, name: str) -> None:
    (root / "2026Q4" / name).mkdir(parents=True)
    with pytest.raises(PublicationError, match=r"added.* was not published: the empty folder was added since"):
        verify(root / "2026Q4")


def test_a_deep_and_a_wide_tree_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = os.open(root / "2026Q4", os.O_RDONLY)
    for _ in range(1500):  # deeper than Python recurses
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    with pytest.raises(PublicationError, match="was not published"):
        verify(root / "2026Q4")
    monkeypatch.setattr(limits, "PUBLISHED_FILES", 1000)
    with pytest.raises(PublicationError, match="more than 1,000 files"):
        verify(root / "2026Q4")
    subprocess.run(["rm", "-rf", root / "2026Q4" / "d"], check=True)  # rmtree recurses once a level


def test_an_unreadable_file_is_named(root: Path) -> None:
    path = root / "2026Q4" / "report.json"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(PublicationError, match=r"report\.json cannot be read \(Permission denied\)"):
        verify(root / "2026Q4")


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("manifest.json", {"quarter": ["2026Q4"]}),
    ("manifest.json", {"quarter": "2026Q9"}),
    ("manifest.json", {"published_on": 7}),
    ("manifest.json", {"previous": {}}),
    ("manifest.json", {"previous": ["name"]}),
    ("manifest.json", {"files": {"../../etc/passwd": "0"}}),
    ("manifest.json", {"figures": []}),
    ("seal.json", {"documents": {"\0": "0"}}),
    ("seal.json", {"public_key": 7, "signature": {}}),
    ("seal.json", {"schema": 10**29}),
    ("report.json", {"footprint": None}),
    ("report.json", {"services": [{}]}),
    ("report.json", {"totals": {"energy_components_microjoules": []}}),
]


@pytest.mark.parametrize(("file", "change"), FORGED)
def test_a_forged_form_is_refused_not_a_traceback(root: Path, file: str, change: dict[str, Any]) -> None:
    path = root / "2026Q4" / file
    path.write_bytes(canonical(json.loads(path.read_bytes()) | change))
    with pytest.raises(PublicationError):
        verify_chain(root)
    if file == "report.json":
        with pytest.raises(PublicationError):
            read_publication(root / "2026Q4").report()


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", gzip.compress(b"[" * 5000), gzip.compress(b'{"a": 1e400}\n'), gzip.compress(b" " * 2_000_000) * 100],
    ids=["empty", "other", "deep", "infinite", "bomb"],
)
@pytest.mark.parametrize("file", ["rows/2026Q4.jsonl.gz", "factors.jsonl.gz"])
def test_damaged_inputs_are_refused(root: Path, file: str, data: bytes) -> None:
    (root / "2026Q4" / "inputs" / file).write_bytes(data)
    with pytest.raises(PublicationError, match="inputs"):
        read_publication(root / "2026Q4").inputs()


def test_commands_say_it_in_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pipe(root / "2026Q4" / "report.json")
    monkeypatch.setenv("ECOIA_PUBLICATIONS", str(root))
    for command in (["verify", str(root)], ["verify", str(root / "2026Q4")], ["recalculate", "--from", "journal"]):
        result = ecoia(*command)
        assert result.exit_code == 1
        assert "report.json cannot be read (it is a pipe, not a file)" in result.stderr
        assert not result.exception or isinstance(result.exception, SystemExit | EcoiaError)

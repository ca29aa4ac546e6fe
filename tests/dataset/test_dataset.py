"""Datasets: nothing of a row is lost, only what is new is written, and no reader sees half an export."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ecoia.dataset import MANIFEST_FILE, Dataset, Place, Source, is_up_to_date
from ecoia.dataset.layout import parts
from ecoia.errors import DatasetError, UsageError
from ecoia.records import Row, fold
from ecoia.report import build_report
from support.datasets import GAPS, NOW, ROWS, SOURCE, change_manifest, exported, lines, manifest_of
from support.large_organisation import QUARTER, large_catalogue, large_factors, large_rows
from support.records import record
from support.settings import make_settings

PARIS = ZoneInfo("Europe/Paris")
ROW = st.builds(
    lambda day, hour, instance, cpu: fold(
        [record(f"2026-{9 + day // 28:02}-{day % 28 + 1:02}T{hour:02}:30", cpu=cpu, instance=f"host-{instance}", record_id="r")]
    )[0],
    day=st.integers(0, 100),
    hour=st.integers(0, 23),
    instance=st.integers(0, 9),
    cpu=st.none() | st.integers(0, 2**62 - 1),
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_of_a_row_is_lost_and_gaps_travel(tmp_path: Path) -> None:
    done = exported(tmp_path, ROWS, GAPS)
    found = Dataset(str(tmp_path))
    assert lines(found.rows()) == lines(ROWS)
    assert found.manifest.gaps == tuple(sorted(GAPS))
    assert found.manifest == done.manifest
    assert done.written[-1] == MANIFEST_FILE, "last"
    assert {Path(each.path).parent.as_posix(): each.rows for each in done.manifest.files} == {
        "quarter=2026Q3/month=2026-09": 1,
        "quarter=2026Q4/month=2026-10": 2,
        "quarter=2026Q4/month=2026-11": 3,
    }
    assert lines(found.rows(["2026Q3"])) == lines([row for row in ROWS if row["half_hour_utc_ns"] == ROWS[0]["half_hour_utc_ns"]])


@given(st.lists(ROW), st.randoms(use_true_random=False), st.integers(1, 5))
def test_files_are_a_function_of_the_set_of_rows(rows: list[Row], order: Any, most_rows: int) -> None:
    rows = [{**row, "record_ids": [f"r{number}"]} for number, row in enumerate(rows)]
    found = list(parts(rows, PARIS, most_rows))
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert list(parts(shuffled, PARIS, most_rows)) == found
    assert lines([row for part in found for row in part.rows]) == lines(rows), "each row in one file"
    for folder, count in Counter(part.path.rpartition("/")[0] for part in found).items():
        whose = [{row["instance"] for row in part.rows} for part in found if part.path.startswith(folder + "/")]
        assert sum(map(len, whose)) == len(set().union(*whose)), "an instance's month is in one file"
        assert count == 1 or sum(len(part.rows) for part in found if part.path.startswith(folder + "/")) > most_rows


def test_a_second_export_writes_nothing_whatever_the_order(tmp_path: Path) -> None:
    exported(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert exported(tmp_path, ROWS[::-1], hours=100).written == ()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_late_record_changes_one_file_of_one_month(tmp_path: Path) -> None:
    exported(tmp_path, most_rows=1)
    late = fold([record("2026-11-24T10:00", cpu=3, instance="host-2")])
    done = exported(tmp_path, [*ROWS, *late], most_rows=1)
    assert [name.rpartition("-")[0] for name in done.written[:-1]] == ["quarter=2026Q4/month=2026-11/3of4"]
    assert sum("2026-11" in each.path for each in done.manifest.files) == 2, "the other one stays"
    assert lines(Dataset(str(tmp_path)).rows()) == lines([*ROWS, *late])


def test_a_day_that_is_gone_is_gone_at_once_and_its_file_a_day_later(tmp_path: Path) -> None:
    september = next(each.path for each in exported(tmp_path).manifest.files if "2026-09" in each.path)
    kept = [row for row in ROWS if row["half_hour_utc_ns"] > ROWS[0]["half_hour_utc_ns"]]
    exported(tmp_path, kept)
    assert lines(Dataset(str(tmp_path)).rows()) == lines(kept)
    assert (tmp_path / september).exists(), "somebody may be reading it"
    exported(tmp_path, kept, hours=23)
    assert (tmp_path / september).exists()
    assert exported(tmp_path, kept, hours=25).written == (MANIFEST_FILE,)
    assert not (tmp_path / september).exists()
    assert manifest_of(tmp_path)["replaced"] == {}
    assert exported(tmp_path, kept, hours=50).written == ()


def test_a_file_that_comes_back_before_it_is_removed_counts_again(tmp_path: Path) -> None:
    exported(tmp_path)
    exported(tmp_path, ROWS[:1])
    exported(tmp_path, hours=23)
    exported(tmp_path, hours=50)
    assert lines(Dataset(str(tmp_path)).rows()) == lines(ROWS)


@pytest.mark.parametrize("fails_at", range(4))
def test_an_export_that_ends_at_any_write_leaves_what_was(tmp_path: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(tmp_path, ROWS[:1])
    whole, calls = Place.write, []

    def write(self: Place, name: str, content: bytes) -> None:
        calls.append(name)
        if len(calls) > fails_at:
            (tmp_path / ".half-written").write_bytes(content[: len(content) // 2])  # what a kill leaves
            raise KeyboardInterrupt
        whole(self, name, content)

    more = [*ROWS, *fold([record("2026-12-01T10:00")])]
    monkeypatch.setattr(Place, "write", write)
    with pytest.raises(KeyboardInterrupt):
        exported(tmp_path, more)
    monkeypatch.setattr(Place, "write", whole)
    assert lines(Dataset(str(tmp_path)).rows()) == lines(ROWS[:1])
    exported(tmp_path, more)
    assert lines(Dataset(str(tmp_path)).rows()) == lines(more)
    exported(tmp_path, more, hours=25)
    assert {each.path for each in Dataset(str(tmp_path)).manifest.files} == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")
    }


EXPORTER = """\
import json, sys
from support.datasets import exported
from pathlib import Path
rows = json.loads(Path(sys.argv[2]).read_text())
for turn in range(20):
    exported(Path(sys.argv[1]), rows)
"""


def test_of_two_exporters_at_once_one_wins_and_readers_see_whole_exports(tmp_path: Path) -> None:
    """They write different rows again and again, and a reader reads meanwhile."""
    exported(tmp_path / "data", ROWS[:1])
    allowed = [lines(ROWS[:count]) for count in (1, 3, len(ROWS))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    programs = []
    for count in (3, len(ROWS)):
        rows = tmp_path / f"{count}.json"
        rows.write_text(json.dumps(ROWS[:count]), encoding="utf-8")  # the ids of rows differ from one process to another
        programs.append(subprocess.Popen([sys.executable, "-c", EXPORTER, tmp_path / "data", rows], env=environment))
    read, over = [], threading.Event()

    def keep_reading() -> None:
        while not over.is_set():
            read.append(lines(Dataset(str(tmp_path / "data")).rows()))

    reader = threading.Thread(target=keep_reading)
    reader.start()
    assert [program.wait(300) for program in programs] == [0, 0]
    over.set()
    reader.join()
    assert len(read) > 1
    assert all(each in allowed for each in read)
    assert lines(Dataset(str(tmp_path / "data")).rows()) in allowed[1:]


def test_a_source_that_did_not_change_need_not_be_read(tmp_path: Path) -> None:
    place = Place(str(tmp_path))
    assert is_up_to_date(place, SOURCE, "Europe/Paris") is None, "there is nothing yet"
    done = exported(place)
    assert is_up_to_date(place, SOURCE, "Europe/Paris") == done.manifest
    assert is_up_to_date(place, Source(SOURCE.id, "1" * 64), "Europe/Paris") is None
    assert is_up_to_date(place, Source(SOURCE.id), "Europe/Paris") is None, "it is not known what the source holds now"
    assert is_up_to_date(place, SOURCE, "UTC") is None
    (tmp_path / done.manifest.files[0].path).unlink()
    assert is_up_to_date(place, SOURCE, "Europe/Paris") is None
    assert exported(place).written == (done.manifest.files[0].path,), "written again"
    exported(place, ROWS, GAPS)
    assert is_up_to_date(place, SOURCE, "Europe/Paris") is None, "a day that could not be read may be readable now"


def test_files_of_another_schema_are_written_anew(tmp_path: Path) -> None:
    exported(tmp_path)
    old = Dataset(str(tmp_path)).manifest
    (tmp_path / MANIFEST_FILE).write_bytes(replace(old, columns={**old.columns, "older": "int32"}).to_json())
    assert len(exported(tmp_path).written) == 4
    assert lines(Dataset(str(tmp_path)).rows()) == lines(ROWS)


def test_engines_get_files_of_this_machine_by_their_digest(tmp_path: Path) -> None:
    exported(tmp_path / "data")
    exported(Place("fsspec+memory:///for-engines"))
    near = Dataset(str(tmp_path / "data")).paths(tmp_path)
    far = Dataset("fsspec+memory:///for-engines").paths(tmp_path)
    assert [path.read_bytes() for path in near] == [path.read_bytes() for path in far]
    assert {path.parent for path in far} == {tmp_path}
    near[0].write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="SHA-256"):
        Dataset(str(tmp_path / "data")).paths(tmp_path)


def test_a_store_that_fsspec_reaches_holds_a_dataset() -> None:
    address = "fsspec+memory:///of-this-test"
    exported(Place(address), ROWS, GAPS)
    assert exported(Place(address), ROWS, GAPS).written == ()
    assert exported(Place(address), ROWS[:1], GAPS, hours=25).written == (MANIFEST_FILE,)
    assert lines(Dataset(address).rows()) == lines(ROWS[:1])
    assert sum(name.endswith(".parquet") for name in Place(address).sizes()) == 3, "those that count no more stay for a day"


# ------------------------------------------------------------------------------------------------------------- bad input


def _refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        Dataset(str(folder)).rows()
    return str(caught.value)


def _file(folder: Path) -> Path:
    return min(folder.rglob("*.parquet"))


def _list_anew(folder: Path, path: Path) -> None:
    """Have the manifest list a file as it is now, as a foreign exporter would."""
    content, name = path.read_bytes(), path.relative_to(folder).as_posix()
    found = Dataset(str(folder)).manifest
    now = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = tuple(replace(each, **now) if each.path == name else each for each in found.files)
    (folder / MANIFEST_FILE).write_bytes(replace(found, files=files).to_json())


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: data.replace(b"vadore", b"vadora"), lambda data: b""])
def test_a_file_that_is_not_the_one_exported_is_refused_by_name(tmp_path: Path, damage: Any) -> None:
    exported(tmp_path)
    path = _file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    said = _refusal(tmp_path)
    assert path.name in said
    assert "SHA-256" in said


def test_a_file_that_is_gone_is_refused_by_name(tmp_path: Path) -> None:
    exported(tmp_path)
    path = _file(tmp_path)
    path.unlink()
    assert f"{path.name}' is gone" in _refusal(tmp_path)


def test_a_row_that_is_none_is_refused_with_file_row_and_field(tmp_path: Path) -> None:
    exported(tmp_path)
    path = max(tmp_path.rglob("*.parquet"))
    table = parquet.read_table(path, partitioning=None)
    energies = table["cpu_microjoules"].to_pylist()
    at = table.column_names.index("cpu_microjoules")
    parquet.write_table(table.set_column(at, table.schema.field(at), pa.array([*energies[:-1], -5], pa.int64())), path)
    _list_anew(tmp_path, path)
    said = _refusal(tmp_path)
    assert path.name in said
    assert "row 2" in said
    assert "energy_microjoules" in said
    assert "-5" in said


def test_mixed_schemas_are_refused_by_file_and_column(tmp_path: Path) -> None:
    exported(tmp_path)
    path = _file(tmp_path)
    table = parquet.read_table(path, partitioning=None)
    parquet.write_table(table.drop_columns(["pid"]), path)
    _list_anew(tmp_path, path)
    said = _refusal(tmp_path)
    assert path.name in said
    assert "'pid' as nothing, and the manifest says int64" in said


def test_bytes_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    exported(tmp_path)
    path = _file(tmp_path)
    path.write_bytes(b"PAR1 and more")
    _list_anew(tmp_path, path)
    assert "no readable Parquet" in _refusal(tmp_path)


def test_without_a_manifest_there_is_no_dataset(tmp_path: Path) -> None:
    exported(tmp_path)
    (tmp_path / MANIFEST_FILE).unlink()
    assert f"no dataset at '{tmp_path}' (no {MANIFEST_FILE})" in _refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{}", "is not of a dataset"),
        (b"[1]", "is not of a dataset"),
        (b'{"ecoia_dataset": 1', "is not readable"),
        (b"\xff\xfe", "is not readable"),
        (b'{"ecoia_dataset": 99, "ecoia_version": "9.0"}', "written by ecoia 9.0, which is newer"),
        (b'{"ecoia_dataset": 1, "schema": 99, "ecoia_version": "9.0"}', "written by ecoia 9.0, which is newer"),
        (b'{"ecoia_dataset": 1}', "is damaged"),
    ],
)
def test_a_foreign_manifest_is_refused_and_never_overwritten(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    assert why in _refusal(tmp_path)
    with pytest.raises(DatasetError, match=why):
        exported(tmp_path)
    assert (tmp_path / MANIFEST_FILE).read_bytes() == content


def test_a_manifest_that_was_edited_is_refused(tmp_path: Path) -> None:
    exported(tmp_path)
    files = manifest_of(tmp_path)["files"]
    for changes in (
        {"files": files[1:]},
        {"files": [*files, files[0]]},
        {"files": [{**files[0], "path": "../elsewhere.parquet"}, *files[1:]]},
        {"files": [{**files[0], "sha256": "x"}, *files[1:]]},
        {"files": [{**files[0], "rows": -1}, *files[1:]]},
        {"rows": 7},
        {"gaps": [{"day": "2026-11-24", "instance": "a", "reason": "invented", "run_id": "r", "why": []}]},
        {"gaps": [{"day": "2026-11-24", "instance": "a", "reason": "missing", "run_id": "r", "why": []}]},
    ):
        before = (tmp_path / MANIFEST_FILE).read_bytes()
        change_manifest(tmp_path, **changes)
        assert MANIFEST_FILE in _refusal(tmp_path), changes
        (tmp_path / MANIFEST_FILE).write_bytes(before)
    assert Dataset(str(tmp_path)).rows()


def test_a_place_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    exported(tmp_path / "one")
    with pytest.raises(DatasetError, match="holds the rows of another source"):
        exported(tmp_path / "one", source=Source("journal-111111111111"))
    (tmp_path / "two" / "quarter=2026Q4").mkdir(parents=True)
    (tmp_path / "two" / "quarter=2026Q4" / "rows.parquet").write_bytes(b"of another export")
    with pytest.raises(DatasetError, match="holds other Parquet files"):
        exported(tmp_path / "two")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="cannot be"):
        exported(tmp_path / "file")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://pl4nted:s3cret@bucket/x",
        "s3://pl4nted:s3/cret@bucket/x",
        "s3://s3cret@bucket/x",
        "s3://bucket/x?secret_key=s3cret",
        "s3://bucket/x?region=eu&access_key=s3cret",
        "abfs://container:s3cret@account/x",
        "abfs://c@account/x?sas_token=s3cret",
        "ftp://bucket/s3cret?x",
        "nonsense://",
        "fsspec+nothing://x",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_secret(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        Place(uri)
    assert "s3cret" not in str(caught.value).replace("ftp://bucket/s3cret", "")


def test_a_manifest_holds_no_address(tmp_path: Path) -> None:
    exported(tmp_path)
    assert str(tmp_path) not in json.dumps(manifest_of(tmp_path))


@pytest.mark.no_cover
def test_the_large_organisation_reports_the_same_from_its_dataset(tmp_path: Path) -> None:
    rows = large_rows()
    exported(tmp_path / "data", rows)
    assert lines(Dataset(str(tmp_path / "data")).rows()) == lines(rows)
    texts = [
        build_report(
            each,
            QUARTER,
            settings=make_settings(timezone="Europe/Paris", zone="FRA"),
            catalogue=large_catalogue(tmp_path / "catalogue"),
            factors=large_factors(),
            over=True,
        ).to_json()
        for each in (rows, Dataset(str(tmp_path / "data")).rows())
    ]
    assert texts[0] == texts[1]
    assert NOW.isoformat() not in texts[0]

"""The tool that makes the table of servers: averages by hand, and what it refuses."""

from __future__ import annotations

import csv
import importlib.util
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ecoia.meters.server_share import TABLE

pytestmark = pytest.mark.checkout

COLUMNS = (
    "System",
    "CPU Description",
    "avg. watts @ active idle",
    "avg. watts @ 100%",
    "# Cores",
    "Chips",
    "# Cores Per Chip",
    "# Threads Per Core",
    "Total Threads",
    "Total Memory (GB)",
    "Published",
)
PLAIN = {"Chips": 1, "# Threads Per Core": 2, "Published": "Mar-2021"}


@pytest.fixture(scope="module")
def tool(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("server_share_table", repository / "tools/server_share_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def result(processor: str, idle: float | str, most: float | str, cores: int = 16, **fields: object) -> dict[str, object]:
    """A result of a server with one processor."""
    counts = {"# Cores": cores, "# Cores Per Chip": cores, "Total Threads": 2 * cores, "Total Memory (GB)": 2 * cores}
    watts = {"avg. watts @ active idle": idle, "avg. watts @ 100%": most}
    return {"System": f"server {processor}", "CPU Description": processor, **PLAIN, **counts, **watts, **fields}


@pytest.fixture
def data(tmp_path: Path, tool: ModuleType) -> Path:
    """Lists with one processor each, and two servers of each."""
    results = []
    for number, (row, name) in enumerate(tool.LISTS.items()):
        (tmp_path / f"{name}.csv").write_text(f"Model {row}\n", encoding="utf-8")
        results += [result(f"Maker Model {row}", 16 + number, 64), result(f"Maker Model {row}", 16 + number, 144)]
    write(tmp_path, results)
    return tmp_path


def write(folder: Path, results: list[dict[str, object]]) -> None:
    with (folder / "results.csv").open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if file.tell() == 0:
            writer.writeheader()
        writer.writerows(results)


def rows(text: str) -> dict[str, list[str]]:
    lines = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    return {line[0]: line[1:] for line in lines[1:]}


def test_a_row_is_the_geometric_mean_per_thread(tool: ModuleType, data: Path) -> None:
    refused: list[str] = []
    text = tool.table(data, "results.csv", refused.append)
    assert refused == []
    found = rows(text)
    # 16 W / 32 threads at rest; the geometric mean of 64 W and 144 W at full load is 96 W.
    spread = math.exp(math.log(((16 + 144) / 2) / ((16 + 64) / 2)) / math.sqrt(2))
    assert found["haswell"] == ["0.50", "3.00", "1.0", "2", "1", "2021-2021", f"{spread:.2f}"]
    assert list(found) == [*tool.LISTS, *tool.GROUPS]
    assert found["intel"][3:5] == ["12", "6"]
    assert found["generic"][3:5] == ["22", "11"]
    assert found["arm"][:6] == found["neoverse-n1"][:6]
    assert float(found["arm"][6]) > float(found["neoverse-n1"][6])


def test_a_blank_name_is_refused_and_matches_nothing(tool: ModuleType, data: Path) -> None:
    """As a pattern, it would match every server: the mean of all since 2007 would stand for one generation."""
    before = tool.table(data, "results.csv", print)
    write(data, [result("Another 1234", 500, 900)])
    list_of_zen5 = data / f"{tool.LISTS['zen5']}.csv"
    list_of_zen5.write_text(list_of_zen5.read_text(encoding="utf-8") + "\n  \n\n", encoding="utf-8")
    refused: list[str] = []
    assert tool.table(data, "results.csv", refused.append) == before
    assert refused == ["amd-epyc-gen5.csv: 3 blank names"]
    list_of_zen5.write_text("\n\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"amd-epyc-gen5\.csv: no name"):
        tool.table(data, "results.csv", refused.append)


@pytest.mark.parametrize("fields", [{"Total Threads": 1024}, {"# Cores": 32}, {"Chips": 2}, {"# Threads Per Core": 1}])
def test_a_result_that_contradicts_itself_is_refused_and_named(tool: ModuleType, data: Path, fields: dict[str, object]) -> None:
    before = tool.table(data, "results.csv", print)
    write(data, [result("Maker Model zen4", 500, 900, **fields)])
    refused: list[str] = []
    assert tool.table(data, "results.csv", refused.append) == before
    assert refused == ["server Maker Model zen4 (Maker Model zen4): chips, cores and threads contradict each other"]


@pytest.mark.parametrize(
    "left_out",
    [
        result("Maker Model zen4", 5, 9, cores=8),  # 16 threads: no server of a cloud
        result("Maker Model zen4", "NC", 900),
        result("Maker Model zen4 Plus", 500, 900),  # another processor, whose name begins alike
        result("EPYC 4585 Model zen4", 500, 900),  # a desktop part
    ],
)
def test_what_is_no_such_server_is_left_out(tool: ModuleType, data: Path, left_out: dict[str, object]) -> None:
    before = tool.table(data, "results.csv", print)
    write(data, [left_out])
    assert tool.table(data, "results.csv", print) == before


def test_the_shipped_table_was_made_by_it(tool: ModuleType, data: Path, repository: Path) -> None:
    shipped = Path(TABLE).read_text(encoding="utf-8")
    assert shipped.startswith(tool.HEADER)
    assert list(rows(shipped)) == [*tool.LISTS, *tool.GROUPS]
    command = [sys.executable, str(repository / "tools/server_share_table.py"), str(data), "results.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == tool.table(data, "results.csv", print)
    assert done.stderr == ""

"""The tutorial notebook runs from the first cell to the last in a real kernel, and shows what its text says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from support.warm_commands import warm_folder

pytestmark = [pytest.mark.checkout, pytest.mark.long, pytest.mark.mlflow]


@pytest.fixture
def tour(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """The notebook, executed in an empty folder."""
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "TMPDIR"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("PATH", os.pathsep.join((str(warm_folder()), str(Path(sys.executable).parent), os.environ["PATH"])))
    notebook = nbformat.read(repository / "examples/notebooks/tour.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), (
        "it is kept without outputs: they would be those of one machine"
    )
    work = tmp_path / "work"
    work.mkdir()
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(work)}}).execute()
    assert list(work.iterdir()) == [], "it writes to its temporary folder only"
    return notebook


def shown(notebook: nbformat.NotebookNode, start: str) -> str:
    """Return the text that the cell with this line shows."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and start in cell.source]
    return "".join(str(output.get("text") or output.get("data", {}).get("text/plain", "")) for output in cell.outputs)


def test_the_tour_measures_runs_trials_and_a_span_and_writes_the_report(tour: nbformat.NotebookNode) -> None:
    runs = shown(tour, "search_runs")
    for name in ("baseline", "sweep", "5 trees", "50 trees", "400 trees"):
        (line,) = [line for line in runs.splitlines() if re.search(rf"\d\s+{name}\s", line)]
        energy_wh, co2e_g = map(float, line.split(name)[1].split()[:2])
        assert energy_wh > 0, runs
        assert co2e_g > 0, runs
    (line,) = [line for line in runs.splitlines() if " 50 trees " in line]
    assert float(line.split()[-2]) > 0, "images per Wh"
    trials = shown(tour, "times_the_energy").splitlines()
    times = {line.split(" trees")[0]: float(line.split()[3]) for line in trials if " trees" in line}
    assert times["5"] == 1 < times["50"] < times["400"]
    assert "beyond noise" in shown(tour, "ecoia compare")
    assert re.search(r"\d [mµ]?Wh .*CO2e \[", shown(tour, "last_run()"))
    assert shown(tour, "span.service") == "('vadore', 'data-preparation')"
    assert re.search(r"rapport-\d{4}Q\d\.html", shown(tour, "ecoia report"))

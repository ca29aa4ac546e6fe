"""The line at the end of a run, and the card of a notebook, in a real program on a terminal."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ecoia
from ecoia.cli import app
from ecoia.instrument.mlflow_run import EndedRun, Run
from ecoia.readable.run_line import RunFigures
from ecoia.showing import end_of_run, summing_up
from ecoia.showing.earlier_runs import EarlierRuns
from ecoia.showing.run_summary import RunSummary
from support.environment import clean_environment
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri  # noqa: F401
from support.programs import BURN, recorded
from support.warm_commands import warm_deliveries  # noqa: F401

pytestmark = [
    pytest.mark.usefixtures("warm_deliveries"),
    *(pytest.mark.filterwarnings(warning) for warning in MLFLOW_WARNINGS),
]

FIGURES = RunFigures(
    {"cpu": 6_840_000_000, "gpu": 35_280_000_000, "ram": 2_520_000_000},
    {"cpu": ("measured", "rapl"), "gpu": ("measured", "nvml"), "ram": ("estimated", "ram-model")},
    seconds=842,
    co2e_g=0.64,
    co2e_range_g=(0.45, 0.83),
    factors=["FRA 2025"],
    services=["vadore"],
    phases=["training"],
)

PROGRAM = f"""
{BURN}
import json, sys
import ecoia, mlflow
from ecoia.showing import summing_up
summing_up.LINE_SECONDS = 60  # this machine may be busy
with mlflow.start_run():  # not measured: no span, no autolog
    burn(1100)
@ecoia.track(service="vadore", phase="training")
def train(ms):
    with mlflow.start_run() as run:
        burn(ms)
        with mlflow.start_run(nested=True):
            burn(ms)
    return run.info.run_id
train(1)  # under a second
first = train(600)
with ecoia.track(service="vadore", phase="evaluation") as span:
    burn(100)
    inside = span.energy_wh
last = ecoia.last_run()
print(json.dumps({{
    "first": first, "last": last.run_id, "line": str(last), "energy_wh": last.energy_wh, "card": last._repr_html_(),
    "inside": inside, "span_wh": span.energy_wh, "span_g": span.co2e_g, "span_card": span._repr_html_(),
}}))
"""


def run_on_terminal(program: str, **environment: str) -> tuple[str, str]:
    """Run a program whose stderr is a terminal. Returns what it wrote to stdout, and to the terminal."""
    outside_pytest = {name: value for name, value in clean_environment().items() if not name.startswith("PYTEST")}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**outside_pytest, **environment},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # its end is closed
                break
            if not part:
                break
            shown += part
        out = child.stdout.read() if child.stdout else ""
    os.close(ours)
    assert child.returncode == 0, shown.decode()
    return out, shown.decode()


def test_a_program_on_a_terminal_says_what_its_root_run_used(tracking_uri: str, home: Path) -> None:  # noqa: F811
    environment = {"MLFLOW_TRACKING_URI": tracking_uri, "ECOIA_ZONE": "FRA", "ECOIA_DELIVERY": "manual", "ECOIA_HOME": str(home)}
    out, shown = run_on_terminal(PROGRAM, **environment)
    told = json.loads(out.strip().splitlines()[-1])
    assert len(out.splitlines()) == 1, "nothing of ours on stdout"
    lines = [line for line in shown.splitlines() if line.startswith("ecoia:")]
    assert len(lines) == 1, "the one root run of more than a second that was measured, not its child, not the short one"
    assert lines[0].endswith("vadore, training")
    assert told["line"] == lines[0].strip()
    assert told["last"] == told["first"]
    assert told["energy_wh"] > 0
    assert told["inside"] is None
    assert told["span_wh"] > 0
    assert told["span_g"] > 0
    assert "<script" not in told["card"]
    assert (home / "runs.jsonl").exists()

    runner = CliRunner(env=environment)
    delivered = runner.invoke(app, ["deliver"])
    assert (delivered.exit_code, delivered.stderr) == (0, "")
    found = runner.invoke(app, ["runs", "--sort", "energy", "--json"])
    assert found.exit_code == 0, found.stderr
    assert found.stderr == ""
    listed = [json.loads(line) for line in found.stdout.splitlines()]
    assert listed[0]["run_id"] == told["first"]
    assert listed[0]["energy_wh"] == pytest.approx(told["energy_wh"]), "the line and the page agree"
    assert all(each["share_of"] is None for each in listed)
    with_children = [json.loads(line) for line in runner.invoke(app, ["runs", "--children", "--json"]).stdout.splitlines()]
    child = next(each for each in with_children if each["share_of"] == told["first"])
    assert 0 < child["energy_wh"] < listed[0]["energy_wh"]
    found = runner.invoke(app, ["compare", told["first"], child["run_id"]])
    assert found.exit_code == 0
    assert f"({told['first'][:8]}) against" in found.stdout
    assert runner.invoke(app, ["compare", told["first"], "nothing"]).exit_code == 2
    assert "no experiment 'nothing'" in runner.invoke(app, ["runs", "-e", "nothing"]).stderr


INTERRUPTED = f"""
{BURN}
import time
import ecoia
from ecoia.instrument import following
from ecoia.instrument.engine import engine
from ecoia.instrument.mlflow_run import Run
following.switch_autolog(on=True, service="vadore")
following.begin(following.Begun(Run("run-1", None), {{}}, None, is_client_run=False))
burn(100)
engine.background.flush(60)
raise KeyboardInterrupt
"""


def test_an_interrupt_is_the_programs_end_also_where_a_run_is_open(home: Path) -> None:
    environment = {**clean_environment(), "ECOIA_HOME": str(home), "ECOIA_DELIVERY": "manual"}
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGINT, ended.stderr
    assert sum(record.spans for record in recorded(home)) == 1


@pytest.fixture
def ended() -> EndedRun:
    return EndedRun(Run("run", None), None, 0, 2_000_000_000)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, settings_home: Path) -> list[str]:
    """What is said at the end of a run, to a reader who is there."""
    said: list[str] = []
    monkeypatch.setattr(end_of_run, "under_pytest", lambda: False)
    monkeypatch.setattr(end_of_run, "reader", lambda: said.append)
    monkeypatch.setattr(summing_up, "sum_up_run", lambda *_, **__: RunSummary(FIGURES, "run", None, ""))
    return said


@pytest.fixture
def settings_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ECOIA_HOME", str(tmp_path))
    return tmp_path


def test_it_is_said_to_a_reader(says: list[str], ended: EndedRun) -> None:
    end_of_run.show(ended)
    assert says == [str(RunSummary(FIGURES, "run", None, ""))]


@pytest.mark.parametrize(
    "variables",
    [{"ECOIA_QUIET": "1"}, {"WORLD_SIZE": "2", "RANK": "1", "TORCHELASTIC_RUN_ID": "job"}],
    ids=["quiet", "second rank"],
)
def test_it_is_not_said(variables: dict[str, str], says: list[str], ended: EndedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    end_of_run.show(ended)
    assert says == []


def test_the_first_rank_says_it(says: list[str], ended: EndedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "TORCHELASTIC_RUN_ID": "job"}.items():
        monkeypatch.setenv(name, value)
    end_of_run.show(ended)
    assert len(says) == 1


def test_a_test_says_nothing(says: list[str], ended: EndedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    end_of_run.show(ended)
    assert says == []


def test_a_short_run_says_nothing(says: list[str], ended: EndedRun) -> None:
    end_of_run.show(EndedRun(ended.run, None, 0, 999_999_999))
    assert says == []


def test_nobody_reads_it_where_stderr_is_no_terminal_and_logging_shows_no_information(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("ecoia"), "level", logging.WARNING)
    assert end_of_run.reader() is None


def test_the_programs_own_logging_is_the_only_place_that_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ecoia"):
        say = end_of_run.reader()
        assert say is not None
        say("ecoia: 1 Wh")
    assert caplog.messages == ["ecoia: 1 Wh"]


def test_a_card_escapes_every_text_and_bears_no_script() -> None:
    bad = "<script>alert(1)</script>"
    card = RunSummary(FIGURES._replace(services=[bad], factors=[bad]), "run", f'https://mlflow.example/"{bad}', bad)._repr_html_()
    assert "<script" not in card
    assert "12.4 Wh" in card
    assert "[0.45-0.83]" in card
    assert card.count("<a ") == 1


def test_earlier_runs_of_the_same_work_are_what_a_run_is_compared_with(tmp_path: Path) -> None:
    wh = 3_600_000_000

    def of(energy: float, **fields: Any) -> RunFigures:
        return FIGURES._replace(energy_microjoules={"cpu": round(energy * wh)}, **fields)

    runs = EarlierRuns(tmp_path)
    assert runs.compare("a", of(1)) == ""
    for number, energy in enumerate((1, 2, 30)):
        EarlierRuns(tmp_path).keep(f"run {number}", of(energy), number)
    EarlierRuns(tmp_path).keep("other", of(500, services=["other"]), 9)
    runs = EarlierRuns(tmp_path)
    assert runs.compare("new", of(2.5)) == "25 % more than the median of the last 3 runs here of vadore, training (2.00 Wh)"
    assert runs.compare("new", of(8)).startswith("4.0 times the median")
    assert runs.compare("new", of(2.02)).startswith("about as much as")
    assert runs.compare("run 1", of(2)) == runs.compare("run 1", of(2)), "a run is not compared with itself"
    (tmp_path / "runs.jsonl").write_text('{"run_id": 1}\nno json\n[]\n' + "[" * 9999)
    assert EarlierRuns(tmp_path).compare("new", of(1)) == ""


def test_no_run_of_this_process_has_no_figures() -> None:
    assert ecoia.last_run() is None

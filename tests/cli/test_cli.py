"""The command line, on real files: what each command prints, writes, refuses, and how it exits."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from pyarrow import parquet

from ecoia import catalogue, settings
from ecoia.cli import app
from ecoia.keeping.declared import COLUMNS
from ecoia.keeping.destinations import register_target
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.journal import Journal
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.known_already import HELPER_LOCK
from ecoia.meters import processor, rapl
from ecoia.periods import Quarter
from ecoia.records import Tokens
from ecoia.settings import SETTINGS
from ecoia.units import micro
from ecoia.watching import watch as watching
from support.command_line import ecoia, fill, program
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import DECLARED, kwh, record, training

__all__ = ["migrated", "tracking_uri"]

GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
QUARTER = "2026Q4"


def torn(journal: Journal) -> None:
    with (journal.folder / journal.files()[0]).open("ab") as file:
        file.write(b"00000000 {torn")


def report_of(folder: Path, quarter: str = QUARTER) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / f"rapport-{quarter}.json").read_text(encoding="utf-8"))
    return data


# ---------------------------------------------------------------------------------------------- help and documentation


def test_help_is_short_and_grouped() -> None:
    result = ecoia("--help")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) < 60
    for panel in ("Measure", "Report", "Set up"):
        assert any(f"─ {panel} ─" in line for line in lines)
    assert "[tool.ecoia]" in result.stdout
    for name in COMMANDS:  # one line each
        assert sum(line.startswith(f"│ {name} ") for line in lines) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_with_an_example(name: str) -> None:
    result = ecoia(name, "-h")
    assert result.exit_code == 0
    assert re.search(rf"\$.*ecoia {name}\b", result.stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_option_is_documented(name: str, repository: Path) -> None:
    text = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    before, _, section = text.partition(f"\n### ecoia {name}\n")
    assert section, f"docs/cli.md has no section on 'ecoia {name}'"
    section = section.partition("\n#")[0]
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert option in section or option in before, f"'ecoia {name} {option}' is not in docs/cli.md"


def test_the_documentation_names_no_command_that_is_not_there(repository: Path) -> None:
    text = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### ecoia (\w+)$", text, re.MULTILINE)) == set(COMMANDS)


def test_each_command_stands_in_the_module_of_its_name() -> None:
    for name, command in COMMANDS.items():
        module = "import_history" if name == "import" else name  # a word of Python names no module
        assert command.callback.__module__ == f"ecoia.cli.{module}"


def test_starting_loads_nothing_heavy() -> None:
    heavy = ("mlflow", "pandas", "pydantic", "codecarbon", "plotly", "jinja2", "rich", "numpy")
    code = f"import sys, ecoia.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_version() -> None:
    assert re.fullmatch(r"ecoia \d+\.\d+\.\d+\n", program("--version").stdout)


# ----------------------------------------------------------------------------------------------------------------- run


def test_run_passes_everything_on_and_ends_as_the_command_does(home: Path) -> None:
    code = "import sys; print(sys.argv[1:]); print(input()); sys.exit(7)"
    words = ["--help", "--", "--home", "x", "", "*.py", "a b", "é"]
    run = program("run", "--service", "vadore", "--phase", "training", "--", sys.executable, "-c", code, *words, input="hello\n")
    assert run.stdout.splitlines() == [repr(words), "hello"]
    assert run.returncode == 7
    assert {(r.service, r.phase) for r in Journal(home).scan().records if r.kind == "span"} == {("vadore", "training")}


def test_run_ends_by_the_signal_that_ended_the_command() -> None:
    run = program("run", "-s", "vadore", "-p", "training", "sh", "-c", "kill -TERM $$")
    assert run.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-s", "vadore", "-p", "trainng"), "phase = 'trainng': choose one of inception, data-preparation"),
        (("-s", "Va Dore", "-p", "training"), "service = 'Va Dore'"),
    ],
)
def test_run_refuses_an_illegal_literal_before_it_starts_anything(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = ecoia("run", *words, "--", "touch", tmp_path / "started")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "started").exists()


def test_run_names_a_program_that_cannot_be_started() -> None:
    result = ecoia("run", "-s", "vadore", "-p", "training", "--", "no-such-program")
    assert result.exit_code == 2
    assert "'no-such-program' cannot be started" in result.stderr


# --------------------------------------------------------------------------------------------------------------- watch


def test_watch_passes_on_what_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(watching, "watch", lambda **options: asked.append(options))
    assert ecoia("watch", "--pid", 42, "--service", "vadore", "--seconds", "0.5").exit_code == 0
    assert ecoia("watch", "--unit", "api", "-s", "vadore", "-p", "evaluation").exit_code == 0
    given = [{name: value for name, value in options.items() if name != "settings" and value is not None} for options in asked]
    assert given == [
        {"service": "vadore", "phase": "inference", "pid": 42, "seconds": 0.5},
        {"service": "vadore", "phase": "evaluation", "unit": "api"},
    ]


def test_watch_refuses_what_it_cannot_watch() -> None:
    result = ecoia("watch", "--service", "vadore")
    assert (result.exit_code, result.stderr) == (2, "ecoia: no target given: give exactly one of --pid, --cgroup and --unit\n")


def test_a_wrong_setting_is_told_and_the_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_PUE", "0.2")
    run = program("run", "-s", "vadore", "-p", "training", "--", "echo", "ran")
    assert (run.returncode, run.stdout) == (0, "ran\n")
    assert "setting 'pue' = '0.2' (from ECOIA_PUE)" in run.stderr


# ------------------------------------------------------------------------------------------------------------- journal


def test_the_journal_as_json_gives_every_field_and_whether_it_was_delivered(journal: Journal) -> None:
    lines = [json.loads(line) for line in ecoia("journal", "--json").stdout.splitlines()]
    assert lines == [{**r.to_dict(), "delivered": False} for r in journal.scan().records]


def test_the_journal_as_a_table(journal: Journal) -> None:
    header, training, ended, inference, *_ = ecoia("journal").stdout.splitlines()
    assert header.split()[:3] == ["START", "SECONDS", "KIND"]
    assert training.split()[:6] == ["2026-11-23", "11:00:00", "60.0", "span", "vadore", "training"]  # civil time of Paris
    assert "1,000" in training
    assert "cpu measured rapl, ram estimated ram-model" in training
    assert ended.split()[3] == "ok"
    assert "2.50" in inference


def test_lines_not_read_are_counted_and_the_exit_is_fine(journal: Journal) -> None:
    newer = json.dumps({**record().to_dict(), "schema": 9})
    with (journal.folder / journal.files()[0]).open("ab") as file:
        file.write(encode_line(newer) + b"x\ny\n")
    torn(journal)
    for words in (["journal"], ["journal", "--json"]):
        result = ecoia(*words)
        assert result.exit_code == 0
        assert "1 journal line not read: torn" in result.stderr
        assert "2 journal lines not read: corrupt" in result.stderr
        assert "1 journal line not read: of a newer schema" in result.stderr
    assert len(result.stdout.splitlines()) == 5


def test_a_record_that_stands_twice_is_listed_once(home: Path) -> None:
    twice = record()
    fill(home, twice)
    fill(home, twice)
    result = ecoia("journal", "--json")
    assert len(result.stdout.splitlines()) == 1
    assert "1 duplicate left out" in result.stderr


@pytest.mark.parametrize("words", [["journal"], ["services"], ["deliver"], ["report", "--from", "journal"], ["doctor"]])
def test_looking_where_nothing_was_recorded_makes_no_folder(words: list[str], home: Path) -> None:
    assert ecoia(*words).exit_code == 0
    assert not home.exists()


@pytest.mark.parametrize("words", [["journal"], ["services"], ["deliver"], ["report", "--from", "journal"], ["doctor"]])
@pytest.mark.parametrize("below", ["", "below"])
def test_a_home_that_is_a_file_is_an_error_with_a_remedy(words: list[str], below: str, home: Path) -> None:
    home.write_text("")
    result = ecoia(*words, "--home", home / below)
    assert result.exit_code == 1
    assert "ECOIA_HOME" in result.stderr + result.stdout


def test_a_day_that_cannot_be_read_is_named_by_each_command_with_an_exit_code(home: Path, tmp_path: Path) -> None:
    """A report would be silently wrong without it; the other commands go on with the other days."""
    journal = fill(home, training(run_id=None), training(run_id=None, at=86_400))
    day = journal.folder / journal.files()[0].partition("/")[0]
    shutil.move(day, tmp_path / "kept")
    day.write_text("")
    listed = ecoia("journal", "--json")
    assert (listed.exit_code, len(listed.stdout.splitlines())) == (1, 1)
    assert f"day '{day}' of the journal cannot be read (Not a directory)" in listed.stderr.replace("\n", " ")
    doctor = ecoia("doctor")
    assert doctor.exit_code == 1
    assert re.search(rf"BROKEN +journal +day '{day}'", doctor.stdout)
    report = ecoia("report", "--from", "journal", "--quarter", "2026Q3")
    assert report.exit_code == 1
    assert str(day) in report.stderr.replace("\n", "")


def test_a_reader_that_leaves_early_is_no_error(home: Path) -> None:
    fill(home, *(record() for _ in range(500)))
    command = f"'{sys.executable}' -m ecoia journal --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[1:] == ["0"]
    assert run.stderr == ""


def test_a_terminal_without_accents_still_gets_json(home: Path) -> None:
    fill(home, record(declared_source="relevé"))
    for words in (["journal"], ["journal", "--json"]):
        run = program(*words, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
        assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["declared_source"] == "relevé"


# ------------------------------------------------------------------------------------------------------------- declare


def documented_activity(repository: Path) -> str:
    text = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    return re.findall(r"^```csv\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]


def test_activity_is_entered_once_however_often_it_is_declared(home: Path, repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "activity.csv"
    path.write_text(documented_activity(repository), encoding="utf-8")
    assert ecoia("declare", path).stdout.startswith("2 new, 0 already known")
    path.write_text(path.read_text() + "chatbot,inference,2026-11-01,2026-11-30,1,,,,relevé\n", encoding="utf-8")
    assert ecoia("declare", path).stdout.startswith("1 new, 2 already known")
    lines = [json.loads(line) for line in ecoia("journal", "--json").stdout.splitlines()]
    assert {line["energy_microjoules"]["cpu"] for line in lines} == {kwh(412.5), kwh(0.096 * 4.5), kwh(1)}
    assert len(lines) == 3
    assert {line["method"]["cpu"]["status"] for line in lines} == {"declared"}


def test_every_column_of_an_activity_file_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    section = text.partition("### ecoia declare")[2].partition("\n## ")[0]
    assert [column for column in COLUMNS if f"`{column}`" not in section] == []


def test_a_wrong_activity_file_enters_nothing(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "activity.csv"
    path.write_text("service,phase,start,end,energy_kwh,source\nvadore,inference,2026-11-01,2026-11-30,-3,x\n")
    result = ecoia("declare", path)
    assert result.exit_code == 2
    assert "activity.csv:2, column 'energy_kwh', value '-3'" in result.stderr
    assert not home.exists()


# -------------------------------------------------------------------------------------------------------------- report


def test_the_report_is_a_page_and_its_data_and_sums_are_exact(
    journal: Journal, organisation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    torn(journal)
    result = ecoia("report", "--quarter", QUARTER, "--from", "journal", "--out", tmp_path / "new" / "folder")
    assert result.exit_code == 0
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == [f"rapport-{QUARTER}.html", f"rapport-{QUARTER}.json"]
    assert all(str(path) in result.stdout for path in folder.iterdir())
    held = [e for r in journal.scan().records for e in r.energy_microjoules.values() if e is not None]
    assert report_of(folder)["totals"]["energy_components_microjoules"] == sum(held)
    assert (folder / f"rapport-{QUARTER}.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "vadore" in result.stdout
    assert "(IT only)" in result.stdout
    assert "1 journal line not read: torn" in result.stderr


def test_the_report_s_table_has_a_line_a_service_and_fits_a_terminal(home: Path, tmp_path: Path, organisation: Path) -> None:
    fill(
        home,
        record("2026-11-23T10:00", cpu=kwh(30_000)),
        record("2026-11-23T11:00", cpu=kwh(0.0000764), service="smart-emploi"),
        record("2026-11-23T12:00", cpu=kwh(2), service="un-service-dont-le-nom-est-si-long-qu-il-ne-tient-pas-dans-sa-colonne"),
    )
    shown = ecoia("report", "--quarter", QUARTER, "--from", "journal", "--format", "json", "--out", tmp_path).stdout
    table = shown.split("everything")[0].splitlines()
    assert max(map(len, shown.split("The energy is")[0].splitlines())) <= 100
    assert [len([line for line in table if line.lstrip().startswith(name)]) for name in ("vadore", "smart-emploi")] == [1, 1]
    (heading,) = (line for line in table if "energy MWh" in line)
    assert "counted by" in heading
    assert "<0.01" in next(line for line in table if "smart-emploi" in line)
    assert "e-" not in next(line for line in table if "smart-emploi" in line).replace("smart-emploi", "")


def test_what_was_counted_twice_is_told_with_where_it_is_listed(home: Path, tmp_path: Path) -> None:
    claim = {"scope": "host", "ram": None}
    fill(
        home,
        record("2026-11-23T10:00", cpu=kwh(2), pid=1, **claim),
        record("2026-11-23T10:00", cpu=kwh(1), pid=2, **claim),
        record("2026-11-23T11:00", cpu=kwh(1), tokens=(Tokens("local", "small", 10, 10),)),
    )
    result = ecoia("report", "--quarter", QUARTER, "--from", "journal", "--out", tmp_path)
    assert "2 claims were refused as counted already" in result.stderr
    assert "'doubles' and 'tokens' of the JSON" in result.stderr
    data = report_of(tmp_path)
    assert len(data["doubles"]) == 1
    assert [use["standing"] for use in data["tokens"]] == ["metered"]


def test_where_nothing_was_counted_twice_nothing_is_said_of_it(journal: Journal, tmp_path: Path) -> None:
    assert "refused" not in ecoia("report", "--quarter", QUARTER, "--from", "journal", "--out", tmp_path).stderr


def test_a_service_that_is_recorded_on_too_few_days_is_told_so(
    journal: Journal, organisation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (organisation / "services.yaml").write_text(
        "services: [{id: vadore, name: V, status: poc, instance_days: 50}]\n", encoding="utf-8"
    )
    result = ecoia("services", "--quarter", QUARTER)
    assert "part: 3%" in result.stdout, "one day of 50 a quarter, of which 54 days of 92 have begun"
    assert "0 measured of 1 named" in result.stdout


def test_the_quarter_is_the_current_one_and_the_page_speaks_english_on_request(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_TIMEZONE", "Pacific/Kiritimati")
    zone = ZoneInfo("Pacific/Kiritimati")
    before = Quarter.of_instant(time.time_ns(), zone)
    result = ecoia("report", "--from", "journal", "--out", tmp_path, "--lang", "en")
    assert result.exit_code == 0
    (page,) = tmp_path.glob("*.html")
    assert page.stem in {f"rapport-{quarter}" for quarter in (before, Quarter.of_instant(time.time_ns(), zone))}
    assert '<html lang="en"' in page.read_text(encoding="utf-8")


def test_without_a_zone_the_remedy_is_told_and_nothing_is_computed(journal: Journal, tmp_path: Path) -> None:
    result = ecoia("report", "--quarter", QUARTER, "--from", "journal", "--out", tmp_path)
    assert result.exit_code == 0
    assert "CO2e not computed: no-zone" in result.stderr
    assert "ECOIA_ZONE=FRA" in result.stderr


def test_a_page_that_fails_costs_neither_the_data_nor_the_other_page(journal: Journal, tmp_path: Path) -> None:
    """With a third renderer, installed as a package would be."""
    package = tmp_path / "package"
    (package / "broken-1.dist-info").mkdir(parents=True)
    (package / "broken-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (package / "broken-1.dist-info" / "entry_points.txt").write_text("[ecoia.renderers]\nbrk = broken:render\n")
    (package / "broken.py").write_text("def render(report, lang): return 1 / 0\n")
    words = ("report", "--quarter", QUARTER, "--from", "journal", "--format", "brk,html,json", "--out", tmp_path / "out")
    paths = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    run = program(*words, env={**os.environ, "PYTHONPATH": paths})
    assert run.returncode == 1
    assert "the brk report was not written (ZeroDivisionError" in run.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"rapport-{QUARTER}.html", f"rapport-{QUARTER}.json"]


def test_a_folder_that_cannot_be_written_is_named(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ecoia("report", "--quarter", QUARTER, "--from", "journal", "--out", tmp_path / "file")
    assert result.exit_code == 1
    assert "--out" in result.stderr


@pytest.mark.parametrize(
    ("environment", "words", "message"),
    [
        ({}, ["--quarter", "2026-Q4"], "quarter '2026-Q4' is not readable: write the year, Q and 1 to 4, as in 2026Q4"),
        ({"ECOIA_ZONE": "FRX"}, [], "no emission factor covers zone 'FRX'"),
        ({"ECOIA_ZONE": "France"}, [], "setting 'zone' = 'France' (from ECOIA_ZONE): write an ISO 3166-1 alpha-3"),
        ({"ECOIA_TIMEZONE": "Mars/Base"}, [], "write an IANA time zone"),
        ({"ECOIA_CATALOGUE": "nowhere"}, [], "create it with 'ecoia init'"),
        ({}, ["--lang", "de"], "'de' is not one of 'fr', 'en'"),
    ],
)
def test_bad_input_is_one_clear_message_and_nothing_is_written(
    environment: dict[str, str], words: list[str], message: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = ecoia("report", "--from", "journal", *words)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert list(Path.cwd().iterdir()) == []


def test_a_malformed_file_is_an_error_that_names_it(journal: Journal, organisation: Path) -> None:
    Path("ecoia.toml").write_text("zone = ")
    result = ecoia("report", "--from", "journal")
    assert result.exit_code == 2
    assert "ecoia.toml" in result.stderr
    Path("ecoia.toml").unlink()
    (organisation / "services.yaml").write_text("services:\n  - {id: a, name: A}\n  - {id: a, name: B}\n")
    result = ecoia("services")
    assert result.exit_code == 2
    assert "services.yaml:3" in result.stderr


def test_a_base_install_says_what_to_install(journal: Journal) -> None:
    code = "import sys; sys.modules['mlflow'] = None; sys.argv = ['ecoia', 'report']\nfrom ecoia.cli import main; main()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert "pip install 'ecoia[report]'" in run.stderr
    assert "Traceback" not in run.stderr


# ------------------------------------------------------------------------------------------------- deliver and ledger


def _with_mlflow(test: Callable[..., None]) -> Callable[..., None]:
    for warning in MLFLOW_WARNINGS:
        test = pytest.mark.filterwarnings(warning)(test)
    return pytest.mark.mlflow(test)


@_with_mlflow
def test_delivering_twice_changes_nothing(
    journal: Journal, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    first = ecoia("deliver")
    assert (first.exit_code, first.stdout) == (0, f"5 records delivered to {tracking_uri}, 0 pending\n"), first.output
    assert {json.loads(line)["delivered"] for line in ecoia("journal", "--json").stdout.splitlines()} == {True}
    texts = []
    for source in ("ledger", "journal", "ledger"):
        assert ecoia("report", "--quarter", QUARTER, "--from", source, "--out", tmp_path / source).exit_code == 0
        texts.append((tmp_path / source / f"rapport-{QUARTER}.json").read_bytes())
        again = ecoia("deliver")
        assert (again.exit_code, again.stdout.split()[0]) == (0, "0")
    assert texts[0] == texts[1] == texts[2]
    shown = [ecoia("services", "--quarter", QUARTER, "--from", source).stdout for source in ("ledger", "journal")]
    assert shown[0] == shown[1]


@_with_mlflow
def test_the_ledger_says_what_is_not_in_it_yet(
    journal: Journal, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    result = ecoia("report", "--quarter", QUARTER, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "no ledger at" in result.stderr
    assert "5 records of this machine not delivered yet" in result.stderr
    assert report_of(tmp_path / "out")["totals"]["energy_components_microjoules"] == 0


@_with_mlflow
def test_who_ran_it_is_in_mlflow_and_in_no_report(
    journal: Journal, organisation: Path, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    person = "prenom.nom.de.quelqu-un"
    monkeypatch.setenv("LOGNAME", person)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    assert ecoia("deliver").exit_code == 0
    client = MlflowClient(tracking_uri)
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    for run in runs:
        client.set_tag(run.info.run_id, "mlflow.user", person)
    assert runs
    out = tmp_path / "out"
    formats = "html,xlsx,csv,parquet,json,boamps,sci,fiches"
    assert ecoia("report", "--quarter", QUARTER, "--format", formats, "--out", out).exit_code == 0
    found = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for path in [path for path in found if path.suffix == ".xlsx"]:
        with zipfile.ZipFile(path) as archive:
            found[path] = b"".join(map(archive.read, archive.namelist()))
    for path in [path for path in found if path.suffix == ".parquet"]:
        found[path] = str(parquet.read_table(path).to_pylist()).encode()
    assert len({path.suffix for path in found}) == 5
    assert [path for path, content in found.items() if person.encode() in content or b"mlflow.user" in content] == []


@_with_mlflow
def test_without_a_tracking_uri_the_store_of_this_machines_records_is_read_and_named(
    home: Path, tracking_uri: str, tmp_path: Path
) -> None:
    target = register_target(home, tracking_uri)
    fill(home, record("2026-11-23T10:00", cpu=13, target=target))
    assert ecoia("deliver").exit_code == 0
    result = ecoia("report", "--quarter", QUARTER, "--out", tmp_path / "out")
    assert f"reading MLflow at {tracking_uri}" in result.stderr
    assert report_of(tmp_path / "out")["totals"]["energy_components_microjoules"] == 13
    register_target(home, "http://mlflow.example.org")
    result = ecoia("report")
    assert result.exit_code == 2
    assert f"set MLFLOW_TRACKING_URI to one of http://mlflow.example.org, {tracking_uri}" in result.stderr


@_with_mlflow
def test_a_store_that_does_not_answer_is_told_and_costs_no_record(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and nobody listens
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        result = ecoia("deliver")
        assert result.exit_code == 1
        assert "0 records delivered, 5 pending" in result.stdout
        assert f"MLflow at '{uri}' cannot be used" in result.stderr
        assert ecoia("report").exit_code == 1
        doctor = ecoia("doctor")
        assert doctor.exit_code == 1
        assert re.search(rf"BROKEN +mlflow +{uri} does not answer", doctor.stdout)
    assert len(journal.scan().records) == 5


def test_following_ends_when_nothing_is_left_and_there_is_one_helper(home: Path) -> None:
    with try_lock(home, HELPER_LOCK) as free:
        assert free
        result = ecoia("deliver", "--follow")
        assert result.exit_code == 0
        assert "another helper serves" in result.stderr
    assert program("deliver", "--follow", "--home", home).returncode == 0


# ------------------------------------------------------------------------------------------------------------ services


def test_project_tells_a_year_or_what_lacks(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(journal.home, record("2026-11-23T12:00", cpu=kwh(2), ram=None, service="poc", units_micro=micro(400)))
    asked = ("project", "--service", "poc", "--quarter", QUARTER, "--from", "journal", "--units-per-year")
    refused = ecoia(*asked, "100000")
    assert refused.exit_code == 2
    assert "ECOIA_ZONE=FRA" in refused.stderr
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    shown = ecoia(*asked, "100000")
    assert shown.exit_code == 0
    assert "poc: 100,000 a year, from 400 measured" in shown.stdout
    assert "energy a year (IT only)" in shown.stdout
    assert "idle-not-separated" in shown.stdout
    assert json.loads(ecoia(*asked, "100000", "--json").stdout)["energy"]["value"] == pytest.approx(500)
    wrong = ecoia(*asked, "0")
    assert (wrong.exit_code, "--units-per-year 0 is not a volume" in wrong.stderr) == (2, True)


def test_services_keep_measured_unmeasured_and_unregistered_apart(
    journal: Journal, organisation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = {"cpu": DECLARED}
    fill(journal.home, record("2026-11-23T12:00", cpu=kwh(1), ram=None, service="analyse-cv", methods=methods))
    lines = ecoia("services", "--quarter", QUARTER).stdout.splitlines()

    def line(service: str) -> str:
        return next(" ".join(line.split()) for line in lines if line.split()[:1] == [service])

    assert "VADORE measured 1.00 – stand-in, CO2e: no-zone" in line("vadore")
    assert "Analyse automatique de CV declared 1.00 –" in line("analyse-cv")
    assert "Smart emploi / Data emploi not measured – –" in line("smart-emploi")
    assert "unregistered" in line("chatbot")
    assert lines[-1].startswith("1 measured of 8 named and about 20 unnamed services")


# -------------------------------------------------------------------------------------------------------------- doctor


def test_the_doctor_says_what_each_component_uses_and_why(organisation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    monkeypatch.setenv("ECOIA_PUE", "1.3")
    result = ecoia("doctor")
    assert result.exit_code == 0
    for component in ("cpu", "gpu", "ram"):
        assert re.search(rf"^(ok|note) +{component} +(measured|estimated|missing): ", result.stdout, re.MULTILINE)
    for what in ("zone +FRA", r"pue +1\.3", "catalogue .* 8 named services", "journal .* nothing recorded yet", "codecarbon +3"):
        assert re.search(rf"^ok +{what}", result.stdout, re.MULTILINE), what


def test_the_doctor_says_which_calibration_reports_apply_to_this_machine(
    organisation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "is_guest", lambda root: False)
    found = ecoia("doctor").stdout
    assert re.search(r"note +calibration +none for cpu, gpu, ram: .*\n +-> .*calibration\.yaml", found)
    (organisation / "calibration.yaml").write_text(
        "calibrations:\n"
        "  - {component: cpu, wall_factor: 1.42, instances: [gpu-0*], source: PV n° 12, date: 2026-06-15}\n"
        "  - {component: gpu, wall_factor: 1.2, instances: [gpu-0*], until: 2020-01-01, source: PV n° 1, date: 2019-06-15}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("ECOIA_INSTANCE", "gpu-07")
    found = ecoia("doctor").stdout
    assert re.search(r"ok +calibration +cpu x 1\.42 in reports\. PV n° 12, 2026-06-15", found)
    assert "none for gpu, ram:" in found
    monkeypatch.setenv("ECOIA_WATTMETER", str(tmp_path / "pdu.csv"))
    found = ecoia("doctor").stdout
    assert re.search(r"note +cpu +missing: wattmeter-unreadable\. .*pdu\.csv.*\n +-> repair the file", found)
    assert "calibration" not in found


def test_the_doctor_asks_for_no_calibration_of_what_is_at_the_wall(organisation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "is_guest", lambda root: True)
    monkeypatch.setattr(rapl, "meter", lambda *_: None)
    found = ecoia("doctor").stdout
    assert re.search(r"cpu +estimated: server-share:", found)
    assert re.search(r"note +calibration +none for gpu: ", found)


def test_the_doctor_counts_what_is_pending_and_lost(journal: Journal) -> None:
    torn(journal)
    with try_lock(journal.home, HELPER_LOCK):
        found = ecoia("doctor").stdout
    assert "5 records, 5 not delivered yet" in found
    assert "lines not read: 1 torn" in found
    assert re.search(r"helper +running", found)
    assert re.search(r"helper +not running", ecoia("doctor").stdout)


def test_runs_of_no_service_are_shown_with_the_remedy(journal: Journal) -> None:
    fill(journal.home, record(service="unassigned"), record())
    for command in ("doctor", "journal"):
        result = ecoia(command)
        shown = result.stdout + result.stderr
        assert "1 record of " in shown
        assert "unassigned" in shown
        assert 'ecoia.autolog(service="...")' in shown


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"ECOIA_ZONE": "FRX"}, "zone +no emission factor covers zone 'FRX'"),
        ({"ECOIA_PUE": "0.2"}, "settings +setting 'pue' = '0.2'"),
        ({"ECOIA_CATALOGUE": "nowhere"}, "catalogue .*ecoia init"),
        (
            {"MLFLOW_TRACKING_URI": "sqlite:////nowhere/at/all.db"},
            "mlflow .*/nowhere/at/all.db is in a folder that does not",
        ),
        ({"ECOIA_JOURNAL_MAX_MB": "0.001"}, "journal .* MB of 0.00100 MB"),
    ],
)
def test_what_is_broken_makes_the_doctor_exit_1_and_the_other_findings_are_there(
    environment: dict[str, str], found: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = ecoia("doctor")
    assert result.exit_code == 1
    assert len(re.findall("^BROKEN", result.stdout, re.MULTILINE)) == 1
    assert re.search(f"^BROKEN +{found}", result.stdout, re.MULTILINE)
    assert "codecarbon" in result.stdout


# ---------------------------------------------------------------------------------------------------- config and init


def test_each_setting_is_shown_with_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ecoia.toml").write_text('zone = "FRA"\n')
    monkeypatch.setenv("ECOIA_PUE", "1.2")
    shown = json.loads(ecoia("config", "--json", "--home", "elsewhere").stdout)
    assert set(shown) == {setting.name for setting in SETTINGS} | {"mlflow.experiments", "problems"}
    origins = {name: shown[name]["from"] for name in ("zone", "pue", "home", "scope")}
    assert origins == {"zone": "ecoia.toml", "pue": "ECOIA_PUE", "home": "argument", "scope": "default"}
    assert (shown["zone"]["value"], shown["pue"]["value"], shown["catalogue"]["value"]) == ("FRA", 1.2, None)
    lines = ecoia("config").stdout.splitlines()
    for setting in SETTINGS:
        assert any(line.split()[:1] == [setting.name] and setting.meaning in line for line in lines)


def test_problems_and_misspelt_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_PUE", "0.2")
    monkeypatch.setenv("ECOIA_ZON", "FRA")
    result = ecoia("config")
    assert result.exit_code == 0
    assert "setting 'pue' = '0.2' (from ECOIA_PUE)" in result.stderr
    assert "ECOIA_ZON is set, and no setting has that name: ECOIA_ZONE?" in result.stderr
    assert json.loads(ecoia("config", "--json").stdout)["problems"][0]["name"] == "pue"


def test_the_zones_are_listed() -> None:
    zones = ecoia("config", "--zones").stdout.split()
    assert {"FRA", "DEU"} <= set(zones)
    assert json.loads(ecoia("config", "--zones", "--json").stdout) == zones


def test_init_writes_what_loads_and_never_overwrites(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "org"
    assert ecoia("init", folder).exit_code == 0
    files = sorted([*(name.removesuffix(".yaml") for name in catalogue.starter_files()), "ecoia.toml"])
    assert sorted(p.name.removesuffix(".yaml") for p in folder.iterdir()) == files
    loaded = settings.load(start=folder).raise_problems()
    assert catalogue.load(loaded.catalogue).services == ()
    written = {path: path.read_text() for path in folder.iterdir()}
    result = ecoia("init", folder)
    assert result.exit_code == 1
    assert f"'{folder / 'ecoia.toml'}' exists and is not overwritten" in result.stderr
    (folder / "ecoia.toml").unlink()
    result = ecoia("init", folder)
    assert "services.yaml' exists" in result.stderr
    assert {path: path.read_text() for path in folder.iterdir()} == {k: v for k, v in written.items() if k.name != "ecoia.toml"}


def test_the_settings_that_init_offers_are_legal_when_uncommented(tmp_path: Path) -> None:
    ecoia("init", tmp_path)
    text = (tmp_path / "ecoia.toml").read_text()
    (tmp_path / "ecoia.toml").write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    loaded = settings.load(start=tmp_path).raise_problems()
    assert (loaded.zone, loaded.pue, loaded.timezone) == ("FRA", 1.4, "Europe/Paris")


def test_a_malformed_settings_file_does_not_stop_the_command_that_is_run(home: Path) -> None:
    Path("ecoia.toml").write_text("zone = FRA\n", encoding="utf-8")
    done = program("run", "--service", "a", "--phase", "training", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "not readable as TOML" in done.stderr


@pytest.mark.parametrize(("seconds", "said"), [("20", "waits 20 s at its end"), ("0.5", "set exit_seconds to 20")])
def test_doctor_says_in_a_pod_whether_the_last_records_are_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, seconds: str, said: str
) -> None:
    assert "its end" not in ecoia("doctor").output
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("ECOIA_EXIT_SECONDS", seconds)
    assert said in " ".join(ecoia("doctor").output.split())

"""codecarbon's ``emissions.csv``: each work once, in every release's columns, never as measured; what is not clear is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecoia.delivery.backlog import Backlog
from ecoia.errors import UsageError
from ecoia.keeping.codecarbon_history import read_history
from ecoia.keeping.journal import Journal
from ecoia.records import Record, fold
from support.command_line import ecoia

_KWH = 3_600_000_000_000
_TO_2 = "timestamp,project_name,run_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_iso_code"
_LATER = f"{_TO_2},codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,tracking_mode,on_cloud,pue"


def line(**values: Any) -> str:
    """Return a line of one hour of a run, in the columns of ``_LATER``."""
    given = {
        "timestamp": "2026-10-05T10:00:00", "project_name": "cv", "run_id": "run-1", "duration": 3600.0, "emissions": 0.0028,
        "cpu_energy": 0.04, "gpu_energy": 0, "ram_energy": 0.01, "energy_consumed": None, "country_iso_code": "FRA",
        "codecarbon_version": "3.3.2", "cpu_count": 8, "cpu_model": "Some CPU", "gpu_count": "", "gpu_model": "",
        "tracking_mode": "machine", "on_cloud": "N", "pue": 1.0,
    } | values  # fmt: skip
    if given["energy_consumed"] is None:
        given["energy_consumed"] = sum(given[f"{component}_energy"] for component in ("cpu", "gpu", "ram"))
    return ",".join(str(given[column]) for column in _LATER.split(","))


def history(folder: Path, *lines: str, header: str = _LATER) -> list[Record]:
    """Read these lines."""
    file = folder / "emissions.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return read_history(file, {"*": ("analyse-cv", "training")}, instance="lab-1", timezone="Europe/Paris")


def refused(folder: Path, *lines: str, header: str = _LATER) -> str:
    """Return why these lines are refused."""
    with pytest.raises(UsageError) as error:
        history(folder, *lines, header=header)
    return str(error.value)


def test_a_run_is_an_estimate_in_the_zone_of_the_file(tmp_path: Path) -> None:
    (record,) = history(tmp_path, line(country_iso_code="USA", gpu_energy=0.02, gpu_count=1))
    assert record.energy_microjoules == {"cpu": 0.04 * _KWH, "gpu": 0.02 * _KWH, "ram": 0.01 * _KWH}
    assert {(each.status, each.name) for each in record.method.values()} == {("estimated", "codecarbon:machine")}
    assert (record.zone, record.instance, record.service, record.phase) == ("USA", "lab-1", "analyse-cv", "training")
    # 10:00 in Paris is 8:00 UTC in October.
    assert (record.start_utc_ns, record.end_utc_ns) == (1_791_183_600_000_000_000, 1_791_187_200_000_000_000)
    assert sum(row["energy_microjoules"]["cpu"] for row in fold([record])) == 0.04 * _KWH


def test_lines_of_one_tracker_are_sums_since_its_start_and_the_last_counts(tmp_path: Path) -> None:
    sums = [(n, 2e-5 * n, 1e-5 * n) for n in (1, 2, 3)]
    lines = [line(timestamp=f"2026-10-05T10:00:0{2 * n}", duration=1.8 * n, cpu_energy=c, ram_energy=r) for n, c, r in sums]
    (record,) = history(tmp_path, *lines)
    assert record.energy_microjoules["cpu"] == round(6e-5 * _KWH)
    assert record.end_utc_ns - record.start_utc_ns == 5_400_000_000


def test_tasks_of_one_run_are_apart(tmp_path: Path) -> None:
    tasks = [
        f"{line(duration=600, cpu_energy=energy, ram_energy=0, timestamp=f'2026-10-05T10:{minute}:00')},{name}"
        for name, energy, minute in (("load", 0.0011, "10"), ("train", 0.0021, "20"))
    ]
    found = history(tmp_path, *tasks, header=f"{_LATER},task_name")
    assert [record.energy_microjoules["cpu"] for record in found] == [round(0.0011 * _KWH), round(0.0021 * _KWH)]


def test_what_codecarbon_itself_writes_is_read(tmp_path: Path) -> None:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        project_name="cv", output_dir=str(tmp_path), country_iso_code="FRA", force_cpu_power=300, pue=1.5, log_level="critical",
        allow_multiple_runs=True,
    )  # fmt: skip
    tracker.start()
    tracker.flush()
    tracker.stop()
    (record,) = read_history(
        tmp_path / "emissions.csv", {"cv": ("analyse-cv", "training")}, instance="lab", timezone="Europe/Paris"
    )
    written = tracker.final_emissions_data
    assert written.cpu_energy > 0
    assert record.energy_microjoules["cpu"] == pytest.approx(written.cpu_energy / 1.5 * _KWH, abs=1)
    assert record.energy_microjoules["ram"] == pytest.approx(written.ram_energy / 1.5 * _KWH, abs=1)


def test_two_runs_of_one_project_are_two_even_at_the_same_time(tmp_path: Path) -> None:
    assert len(history(tmp_path, line(), line(run_id="run-2"))) == 2


def test_the_columns_of_an_old_release_suffice_and_undivided_energy_stays_so(tmp_path: Path) -> None:
    header = "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_name,country_iso_code"
    (record,) = history(tmp_path, "2022-03-01T12:00:00,cv,run-1,60,1e-5,0.002,France,FRA", header=header)
    assert record.energy_microjoules == {"cpu": round(0.002 * _KWH), "gpu": None, "ram": None}
    assert record.method["cpu"].name == "codecarbon:undivided"


def test_a_machine_without_a_gpu_has_none_of_0(tmp_path: Path) -> None:
    (record,) = history(tmp_path, line())
    assert (record.energy_microjoules["gpu"], record.method["gpu"].name) == (None, "no-device")


def test_the_pue_of_the_file_is_taken_out_because_the_sites_comes_later(tmp_path: Path) -> None:
    (record,) = history(tmp_path, line(cpu_energy=0.06, ram_energy=0.015, pue=1.5))
    assert record.energy_microjoules["cpu"] == 0.04 * _KWH


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([line() + line(run_id="2")], "emissions.csv:2: 35 cells where the header has 18: two lines were joined"),
        ([line() + ",x"], "19 cells where the header has 18: codecarbon's columns changed within the file"),
        ([line(duration="an hour")], "emissions.csv:2, column 'duration', value 'an hour': this is no number"),
        ([line(timestamp="05/10/2026")], "column 'timestamp', value '05/10/2026': write the time as codecarbon does"),
        ([line(country_iso_code="")], "column 'country_iso_code', value '': write the country's code of three letters"),
        ([line(country_iso_code="\u017f\u017f\u017f")], "write the country's code of three letters"),  # in capitals it is SSS
        (
            [line(run_id=n, duration=300_000_000) for n in range(12)],
            "its lines cover 2,000,004 half-hours together, 2,000,000",
        ),
        ([line(cpu_energy=-1, energy_consumed=0.05)], "column 'cpu_energy', value '-1': outside 0 to 1000000"),
        ([line(energy_consumed=3)], "column 'energy_consumed', value '3': the components add up to 0.05"),
        ([line(), line(run_id="2", cpu_model="Another")], "several machines (emissions.csv:2 has 8 × Some CPU; emissions.csv:3"),
        ([line(), line(duration=1800)], "emissions.csv:3: it overlaps emissions.csv:2 of the same run and holds less"),
        ([], "it has no line below its header"),
    ],
)
def test_what_is_not_clear_is_refused_with_its_place_and_the_remedy(tmp_path: Path, lines: list[str], told: str) -> None:
    message = refused(tmp_path, *lines)
    assert told in message
    assert len(message.splitlines()) == 2  # one cause, one line


def test_an_empty_file_and_another_table_say_so(tmp_path: Path) -> None:
    assert "no column 'timestamp'" in refused(tmp_path, "1,2", header="a,b")
    (tmp_path / "emissions.csv").write_text("")
    with pytest.raises(UsageError, match="the file is empty"):
        read_history(tmp_path / "emissions.csv", {"*": ("cv", "training")}, instance="lab", timezone="UTC")


def test_a_project_without_a_service_is_refused_with_the_option(tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text("\n".join([_LATER, line(), line(project_name="chat", run_id="2")]))
    with pytest.raises(UsageError, match="project 'chat' has no service: --project 'chat=SERVICE:PHASE'"):
        read_history(file, {"cv": ("analyse-cv", "training")}, instance="lab", timezone="UTC")


def _imported(home: Path, file: Path, *options: str) -> str:
    result = ecoia("import", str(file), "--as", "codecarbon", "--instance", "lab-1", *options, "--home", str(home))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def _cpu_kwh(home: Path) -> float:
    backlog = Backlog(Journal(home))
    backlog.read(backlog.sizes())
    return sum(row["energy_microjoules"]["cpu"] or 0 for rows in backlog.rows.values() for row in rows) / _KWH


def test_a_file_is_imported_once_and_a_run_that_went_on_replaces_its_shorter_line(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "emissions.csv"
    first, later = line(), line(timestamp="2026-10-05T11:00:00", duration=7200, cpu_energy=0.08, ram_energy=0.02)
    file.write_text(f"{_LATER}\n{first}\n")
    options = ("--service", "analyse-cv", "--phase", "training")
    assert _imported(home, file, *options).startswith("1 new, 0 replaced, 0 already known")
    assert _imported(home, file, *options).startswith("0 new, 0 replaced, 1 already known")
    file.write_text(f"{_LATER}\n{first}\n{later}\n")
    assert _imported(home, file, *options).startswith("0 new, 1 replaced, 0 already known")
    file.write_text(f"{_LATER}\n{first}\n")  # an older copy changes nothing
    assert _imported(home, file, *options).startswith("0 new, 0 replaced, 1 already known")
    assert _cpu_kwh(home) == 0.08


def test_a_file_with_one_line_a_run_is_followed_though_its_start_is_given_anew(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "emissions.csv"
    for hours, told in ((1, "1 new, 0 replaced"), (2, "0 new, 1 replaced"), (3, "0 new, 1 replaced"), (2, "0 new, 0 replaced")):
        duration = hours * 3600 + hours * 0.3  # codecarbon writes the end in whole seconds, so the start moves
        written = line(timestamp=f"2026-10-05T1{hours}:00:00", duration=duration, cpu_energy=0.04 * hours, ram_energy=0)
        file.write_text(f"{_LATER}\n{written}\n")
        assert _imported(home, file, "--service", "analyse-cv", "--phase", "training").startswith(told)
    assert _cpu_kwh(home) == pytest.approx(0.12)


@pytest.mark.parametrize(("option", "stands"), [("--correct", 0.03), ("--withdraw", 0)])
def test_what_was_said_by_hand_of_a_run_stands_when_the_run_went_on(option: str, stands: float, tmp_path: Path) -> None:
    home, file, by_hand = tmp_path / "home", tmp_path / "emissions.csv", tmp_path / "by_hand.csv"
    options = ("--service", "analyse-cv", "--phase", "training")
    file.write_text(f"{_LATER}\n{line()}\n")
    _imported(home, file, *options)
    cells = "analyse-cv,training,2026-10-05T09:00,2026-10-05T10:00,{},0.01,codecarbon,lab-1,FRA"
    head = "service,phase,start,end,cpu_kwh,ram_kwh,source,instance,zone"

    def say(cpu_kwh: float, *options: str) -> None:
        by_hand.write_text(f"{head}\n{cells.format(cpu_kwh)}\n")
        done = ecoia("declare", by_hand, *options, "--by", "role", "--because", "compteur", "--home", home)
        assert done.exit_code == 0, done.stderr

    say(0.03, "--correct")
    if option == "--withdraw":
        say(0.03, option)
    file.write_text(f"{_LATER}\n{line(timestamp='2026-10-05T11:00:00', duration=7200, cpu_energy=0.08, ram_energy=0.02)}\n")
    done = ecoia("import", file, "--as", "codecarbon", "--instance", "lab-1", *options, "--home", home)
    assert done.stdout.startswith("0 new, 0 replaced, 1 already known")
    assert "1 went on since somebody corrected or withdrew" in done.stderr
    assert _cpu_kwh(home) == pytest.approx(stands)


def test_projects_go_to_their_services(tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text("\n".join([_LATER, line(), line(project_name="chat=2", run_id="2")]) + "\n")
    _imported(tmp_path, file, "--project", "cv=analyse-cv:training", "--project", "chat=2=chat:inference")
    shown = ecoia("journal", "--home", str(tmp_path)).stdout
    assert "analyse-cv" in shown
    assert "chat " in shown


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "say whose work it was"),
        (("--service", "cv"), "give both"),
        (("--service", "cv", "--phase", "prod"), "phase 'prod': choose one of"),
        (("--project", "cv"), "write NAME=SERVICE:PHASE"),
    ],
)
def test_an_option_that_says_too_little_is_refused(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    result = ecoia("import", str(tmp_path / "x.csv"), "--as", "codecarbon", "--instance", "a", *options, "--home", str(tmp_path))
    assert result.exit_code == 2
    assert told in result.stderr

"""A declared line is corrected and withdrawn, each with a role and a reason, and counts once at every moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from ecoia.catalogue.sites import Site
from ecoia.delivery.backlog import Backlog
from ecoia.instances import instance_of_site
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.journal import Journal
from ecoia.records import Row
from support.command_line import ecoia

_HEAD = "service,phase,start,end,energy_kwh,source"
_WHO = ("--by", "responsable GreenOps", "--because", "erreur de saisie")
_KWH = 3_600_000_000_000


def line(energy_kwh: str, source: str = "F-101", period: str = "2026-10-01,2026-10-31") -> str:
    return f"vadore,inference,{period},{energy_kwh},{source}"


class Office:
    """Declares lines in a home, and says what counts."""

    def __init__(self, folder: Path) -> None:
        self.home, self._file = folder / "home", folder / "activity.csv"

    def declare(self, *lines: str, head: str = _HEAD, options: tuple[str, ...] = ()) -> Result:
        self._file.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
        return ecoia("declare", str(self._file), *options, "--home", str(self.home))

    def rows(self) -> list[Row]:
        backlog = Backlog(Journal(self.home))
        backlog.read(backlog.sizes())
        return [row for rows in backlog.rows.values() for row in rows]

    @property
    def kwh(self) -> float:
        return sum(row["energy_microjoules"]["cpu"] or 0 for row in self.rows()) / _KWH


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_line_that_says_otherwise_is_refused_until_it_corrects(office: Office) -> None:
    assert office.declare(line("1234.5")).exit_code == 0
    refused = office.declare(line("1243.5"))
    assert refused.exit_code == 2
    assert "1,243.5" in refused.stderr or "1243.5" in refused.stderr or "1,244" in refused.stderr
    assert "--correct --by ROLE --because WHY" in refused.stderr
    assert office.kwh == 1234.5
    corrected = office.declare(line("1243.5"), options=("--correct", *_WHO))
    assert corrected.stdout.startswith("0 new, 1 corrected, 0 already known")
    assert office.kwh == 1243.5
    assert {row["declared_source"] for row in office.rows()} == {"F-101 (corrected: erreur de saisie; responsable GreenOps)"}
    assert office.declare(line("1243.5")).stdout.startswith("0 new, 1 already known")
    again = office.declare(line("1250"), options=("--correct", *_WHO))
    assert again.stdout.startswith("0 new, 1 corrected")
    assert office.kwh == 1250


def test_a_withdrawn_line_counts_no_more_and_can_come_back(office: Office) -> None:
    office.declare(line("100"), line("7", "F-102"))
    withdrawn = office.declare(line("100"), options=("--withdraw", *_WHO))
    assert withdrawn.stdout.startswith("1 withdrawn")
    assert office.kwh == 7
    assert "do not stand as they are" in office.declare(line("100"), options=("--withdraw", *_WHO)).stderr
    assert office.declare(line("100"), options=("--correct", *_WHO)).exit_code == 0
    assert office.kwh == 107


def test_a_correction_that_an_older_ecoia_left_beside_its_mistake_is_put_right(office: Office) -> None:
    office.declare(line("1234.5"), line("1243.5"))  # as both stood before lines could be corrected
    assert office.kwh == 2478
    assert office.declare(line("1243.5")).stdout.startswith("0 new, 1 already known")
    corrected = office.declare(line("1243.5"), options=("--correct", *_WHO))
    assert corrected.stdout.startswith("0 new, 1 corrected, 1 already known")
    assert office.kwh == 1243.5


def test_two_invoices_of_one_source_and_period_are_told_apart_by_what_they_say(office: Office) -> None:
    office.declare(line("100"), line("7"))
    assert office.declare(line("100"), line("7")).stdout.startswith("0 new, 2 already known")
    assert office.declare(line("7"), options=("--withdraw", *_WHO)).stdout.startswith("1 withdrawn")
    assert office.kwh == 100


def test_two_who_correct_one_line_at_once_leave_one_correction(office: Office, tmp_path: Path) -> None:
    office.declare(line("100"))
    script = "import sys\nfrom ecoia.cli import app\nprint('ready', flush=True)\nsys.stdin.readline()\napp(sys.argv[1:])"
    started = []
    for energy_kwh in ("110", "120", "130"):
        file = tmp_path / f"{energy_kwh}.csv"
        file.write_text(f"{_HEAD}\n{line(energy_kwh)}\n", encoding="utf-8")
        words = [sys.executable, "-c", script, "declare", str(file), "--correct", *_WHO, "--home", str(office.home)]
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    with try_lock(office.home, "by-hand.lock") as free:
        assert free
        for each in started:
            assert each.stdout is not None
            assert each.stdin is not None
            assert each.stdout.readline() == "ready\n"
            each.stdin.write("\n")
            each.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            started[0].wait(0.5)
    assert [each.communicate()[0].count("1 corrected") for each in started] == [1, 1, 1]
    assert office.kwh in {110, 120, 130}


def test_periods_that_overlap_are_named_and_neighbours_are_not(office: Office) -> None:
    quarter = office.declare(line("300", "Q", "2026-10-01,2026-12-31"), line("5", "Q", "2026-07-01,2026-09-30"))
    assert "overlaps" not in quarter.stderr
    month = office.declare(line("100", "M"))
    assert "'M': 100 kWh overlaps vadore inference" in month.stderr
    assert "'Q': 300 kWh: both count" in month.stderr
    assert month.exit_code == 0
    office.declare(line("100", "M"), options=("--withdraw", *_WHO))
    assert "overlaps" in office.declare(line("50", "N")).stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--correct",), "--by None: give a role"),
        (("--withdraw", "--by", "chef@example.org", "--because", "x"), "--by 'chef@example.org': give a role"),
        (("--correct", "--by", "role", "--because", ""), "--because '': give a reason"),
        (("--by", "role"), "they go with --correct or --withdraw"),
        (("--correct", "--withdraw"), "give one of them"),
    ],
)
def test_a_change_needs_a_role_and_a_reason(office: Office, options: tuple[str, ...], told: str) -> None:
    refused = office.declare(line("1"), options=options)
    assert refused.exit_code == 2
    assert told in refused.stderr


def test_an_invoice_is_charged_where_it_ran(office: Office) -> None:
    head = f"{_HEAD},instance,site,zone"
    office.declare(f"{line('1')},gpu-9,,DEU", f"{line('2', 'F-2')},,lyon,", head=head)
    found = {row["instance"]: row["zone"] for row in office.rows()}
    assert found == {"gpu-9": "DEU", instance_of_site("lyon"): None}
    assert Site(id="lyon", instances=("gpu-*",)).holds(instance_of_site("lyon"))
    assert not Site(id="brest", instances=("gpu-*",)).holds(instance_of_site("lyon"))
    wrong = office.declare(f"{line('1')},gpu-9,lyon,", head=head)
    assert "column 'site', value 'lyon': give the site or the instance, not both" in wrong.stderr
    assert "column 'zone', value 'France'" in office.declare(f"{line('1')},,,France", head=head).stderr

"""Starting the helper: as nobody's child, with the settings made explicit, and only where it is wanted."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from ecoia.keeping import helper_start
from ecoia.keeping.known_already import HELPER_LOCK
from support.deliveries import configured, eventually


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for the interpreter: notes what it was started with, then stays until told. Its folder is returned."""
    script = tmp_path / "interpreter"
    script.write_text(
        f'#!/bin/sh\necho "$PPID" > {tmp_path}/parent\nenv > {tmp_path}/env\npwd > {tmp_path}/cwd\necho "$@" > {tmp_path}/argv\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return tmp_path


def test_the_helper_is_nobodys_child_and_knows_the_settings(home: Path, starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().children()
    monkeypatch.setenv("ECOIA_DISABLED", "1")
    Path("ecoia.toml").write_text('zone = "FRA"\npue = 1.3\n')
    assert helper_start.spawn_helper(configured(delivery="helper"))
    eventually((starts / "argv").exists)
    eventually(lambda: (starts / "argv").read_text())
    assert (starts / "argv").read_text().split() == ["-P", "-m", "ecoia.delivery.helper_loop", "--home", str(home)]
    assert (starts / "cwd").read_text().strip() == str(home)
    env = dict(line.split("=", 1) for line in (starts / "env").read_text().splitlines() if "=" in line)
    assert env["ECOIA_ZONE"] == "FRA"
    assert env["ECOIA_PUE"] == "1.3"
    assert env["ECOIA_HOME"] == str(home)
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert env["DO_NOT_TRACK"] == "true"
    assert "ECOIA_DISABLED" not in env
    eventually(lambda: psutil.Process().children() == before)


def test_no_helper_where_it_is_not_wanted_or_runs(home: Path, starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not helper_start.spawn_helper(configured(delivery="manual"))
    with helper_start.try_lock(home, HELPER_LOCK) as free:
        assert free
        assert not helper_start.spawn_helper(configured(delivery="helper"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not helper_start.spawn_helper(configured(delivery="helper"))
    assert not (starts / "argv").exists()


def test_a_home_that_cannot_be_used_starts_nothing(home: Path, starts: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.touch()
    assert not helper_start.spawn_helper(configured(delivery="helper"))


def test_the_helpers_log_is_bounded(home: Path, starts: Path) -> None:
    (home / "delivery").mkdir(parents=True)
    (home / "delivery" / "helper.log").write_bytes(b"x" * (300 * 1024))
    assert helper_start.spawn_helper(configured(delivery="helper"))
    assert (home / "delivery" / "helper.log").stat().st_size == 0

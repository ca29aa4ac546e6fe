"""``ecoia dashboard``, started as a program."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command_line import ecoia, fill
from support.records import kwh, record

SECONDS = 60


@pytest.fixture
def filled_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal with an hour of one service."""
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    fill(home, record("2026-11-23T10:00", cpu=kwh(1), ram=1))
    return home


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*arguments: str, **variables: str) -> Iterator[tuple[str, list[str]]]:
    """Start the command, and yield its address once it says it, with the lines that it wrote; end it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "ecoia", "dashboard", "--from", "journal", "--no-browser", "--port", str(port), *arguments]
    process = subprocess.Popen(
        command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    )
    said: list[str] = []
    assert process.stdout is not None
    with process.stdout as output:
        try:
            for line in output:
                said.append(line)
                if "the dashboard is at" in line:
                    break
            yield f"http://127.0.0.1:{port}", said
        finally:
            process.send_signal(signal.SIGTERM)
            said += output.readlines()
            process.wait(SECONDS)


def get(address: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address, headers={name.replace("_", "-"): value for name, value in headers.items()})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.long
def test_the_command_serves_the_journal_and_ends(filled_home: Path) -> None:
    with running() as (address, said):
        until = time.monotonic() + SECONDS
        while (found := get(f"{address}/"))[0] == 503 and time.monotonic() < until:
            time.sleep(0.2)
        assert found[0] == 200, found[1]
        assert get(f"{address}/api/v1/overview?q=looked-for")[0] == 200
        assert get(f"{address}/", Host="evil.example")[0] == 421
    assert "looked-for" not in "".join(said)
    assert "Traceback" not in "".join(said)


@pytest.mark.long
def test_a_header_is_believed_from_the_named_proxy_alone(filled_home: Path) -> None:
    with running("--user-header", "X-Remote-User", "--trusted-proxy", "10.0.0.7") as (address, _):
        assert get(f"{address}/", X_Remote_User="ada", X_Forwarded_For="10.0.0.7")[0] == 401
    with running("--user-header", "X-Remote-User", "--trusted-proxy", "127.0.0.1") as (address, _):
        assert get(f"{address}/")[0] == 401
        assert get(f"{address}/", X_Remote_User="ada")[0] in (200, 503)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--open-to-all"),
        (["--readers", "none.yaml"], "--readers"),
        (["--embed-in", "intranet"], "embed-in"),
        (["--user-header", "X"], "--trusted-proxy"),
    ],
)
def test_what_cannot_stand_is_refused_before_anything_is_served(filled_home: Path, arguments: list[str], said: str) -> None:
    found = ecoia("dashboard", "--from", "journal", "--no-browser", "--port", free_port(), *arguments)
    assert found.exit_code != 0
    assert said in re.sub(r"\s+", " ", found.stderr)

"""A delivery ends in time whatever a server does, and takes nothing of ecoia with it that would stay."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import chain, repeat
from types import SimpleNamespace

import psutil
import pytest

from ecoia.delivery import timed_reading
from ecoia.delivery.deliver import deliver
from ecoia.delivery.sender import delivery_lock
from ecoia.delivery.timed_delivery import deliver_in_time
from ecoia.delivery.timed_reading import reading_in_time
from ecoia.errors import DeliveryError
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records import fold
from support.bad_servers import bad_servers
from support.deliveries import configured, deliveries_of, eventually, ledger
from support.mlflow_stores import MLFLOW_WARNINGS
from support.records import training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

LIMIT_SECONDS = 30
"""Enough for the good store on a busy machine."""

AT_ONCE = {
    "wait_a_day": "cannot be used",
    "redirect": "30 redirects",
    "endless": "longer than 100 MB",
    "headers": "more than 100 headers",
    "rude": "no ?[31mred?",
    "silent": "timed out",
    "mute": "timed out",
}
"""What is told of servers that a delivery can judge by itself."""


def test_no_server_holds_a_delivery_longer_than_its_time(
    journal: Journal, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One delivery to all of them, and to a good store that must not suffer."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")  # the servers are on this machine; dripping outlasts it
    with bad_servers(*AT_ONCE, "drip") as uris:
        write(
            journal, [training(target=register_target(journal.home, uri), run_id=None) for uri in [*uris.values(), tracking_uri]]
        )
        begun = time.monotonic()
        result = deliver_in_time(configured(delivery_seconds=LIMIT_SECONDS), by_hand=True)
        took_seconds = time.monotonic() - begun
        assert (result.delivered, result.pending, result.failed, result.targets) == (1, len(uris), True, (tracking_uri,))
        for kind, told in AT_ONCE.items():
            assert [problem for problem in result.problems if uris[kind] in problem and told in problem], (kind, result.problems)
        (drip,) = [problem for problem in result.problems if uris["drip"] in problem]
        assert f"was given up after {LIMIT_SECONDS} s (setting 'delivery_seconds'), at the names of metrics" in drip
        assert "its last answer began with 200 OK" in drip
        assert not any("\x1b" in problem for problem in result.problems)
    assert ledger(tracking_uri) == fold(
        r for r in journal.scan().records if r.target == register_target(journal.home, tracking_uri)
    )
    with delivery_lock(journal.home):
        assert not deliveries_of(journal)
    print(f"\n{len(uris)} bad servers: {took_seconds:.1f} s")


def test_a_killed_parent_takes_its_delivery_along(journal: Journal) -> None:
    with bad_servers("drip") as uris:
        write(journal, [training(target=register_target(journal.home, uris["drip"]), run_id=None)])
        parent = subprocess.Popen([sys.executable, "-m", "ecoia", "deliver"], env={**os.environ, "ECOIA_HOME": str(journal.home)})
        eventually(lambda: deliveries_of(journal), by=parent)
        (delivery,) = deliveries_of(journal)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        eventually(lambda: not delivery.is_running() or delivery.status() == psutil.STATUS_ZOMBIE)


def test_a_delivery_that_dies_is_an_error_and_loses_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write(journal, [training(run_id=None)])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DeliveryError, match="status 1"):
        deliver_in_time(configured(), by_hand=True)
    assert len(journal.scan().records) == 1


def test_a_home_that_was_removed_is_not_made_again(journal: Journal) -> None:
    (journal.home / "home.json").unlink()
    assert deliver_in_time(configured(), by_hand=False).pending == 0
    assert not (journal.home / "home.json").exists()


def test_what_time_is_too_short_for_is_sent_by_the_next_delivery(
    journal: Journal, tracking_uri: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, [training(target=target, at=day * 86_400, phase="inference", run_id=None) for day in range(4)])
    monkeypatch.setattr("ecoia.delivery.sender._DAYS_AT_ONCE", 1)
    numbers = []
    for days in (2, 1, 9):  # how many there is time for
        # Looked at at the start, twice for what is left of the time, before each day.
        seconds = chain(repeat(time.monotonic(), 3 + days), repeat(1e12))
        with monkeypatch.context() as patch:
            patch.setattr("ecoia.delivery.sender.time", SimpleNamespace(monotonic=lambda seconds=seconds: next(seconds)))
            result = deliver(journal, configured(), by_hand=False)
        numbers.append((result.delivered, result.pending, result.cut_short))
    assert numbers == [(2, 2, True), (1, 1, True), (1, 0, False)]
    assert ledger(tracking_uri) == fold(journal.scan().records)


def test_a_home_that_cannot_be_written_is_an_error_with_the_file(
    journal: Journal, target: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write(journal, [training(target=target)])
    cursors = journal.home / "delivery" / "cursors.json"
    cursors.mkdir(parents=True)  # as a full disk
    with pytest.raises(DeliveryError, match=r"the delivery stopped .*cursors"):
        deliver_in_time(configured(), by_hand=True)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["drip", "silent"])
def test_no_server_holds_a_report_longer_than_its_time(journal: Journal, kind: str) -> None:
    with bad_servers(kind) as uris:
        done = subprocess.run(
            [sys.executable, "-m", "ecoia", "report", "--from", "ledger"],
            env={**os.environ, "ECOIA_HOME": str(journal.home), "MLFLOW_TRACKING_URI": uris[kind], "ECOIA_DELIVERY_SECONDS": "6"},
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip  # a busy machine takes seconds to load MLflow
    assert done.returncode == 1
    told = {"drip": "its last answer began with 200 OK", "silent": "it has not answered"}[kind]
    assert f"MLflow at '{uris[kind]}' was given up after 6 s (setting 'delivery_seconds'): {told}" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_answer_has_the_whole_time_and_what_was_watched_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    before = http.client.HTTPConnection.putrequest, http.client.HTTPResponse.begin
    clock, watching = [0.0], threading.Event()
    monkeypatch.setattr(timed_reading, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(timed_reading, "watch_http", lambda tell: lambda: watching.set())
    with reading_in_time("https://mlflow.example", 5.0, told.append):
        clock[0] = 4.0
    assert (told, watching.is_set()) == ([], True)
    with reading_in_time("https://mlflow.example", 5.0, told.append):
        clock[0] = 9.5
        eventually(lambda: told)
    assert told == [
        "MLflow at 'https://mlflow.example' was given up after 5 s (setting 'delivery_seconds'): "
        "it took no request: check its address, the proxy and TLS"
    ]
    assert before == (http.client.HTTPConnection.putrequest, http.client.HTTPResponse.begin)

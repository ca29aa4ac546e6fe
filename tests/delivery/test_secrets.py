"""No secret of a tracking URI is in any file or output, whatever the form of the URI, and none stops measuring."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ecoia import settings
from ecoia.cli.doctor import _tracking
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_store import MlflowStore, keep_telemetry_off
from ecoia.delivery.routes import find_routes
from ecoia.errors import DeliveryError
from ecoia.keeping.destinations import read_targets, register_target
from ecoia.keeping.journal import Journal
from support.mlflow_stores import MLFLOW_WARNINGS
from support.planted_secrets import SECRET, URIS
from support.programs import recorded, run_python

MEASURE = """
import json, sys, types, ecoia
with open(sys.argv[1], encoding="utf-8") as file:
    uris = json.load(file)
# MLflow's part in it: a URI that a program sets holds more than an environment variable can.
mlflow = sys.modules["mlflow"] = types.SimpleNamespace(is_tracking_uri_set=lambda: True, active_run=lambda: None)
for uri in uris:
    mlflow.get_tracking_uri = lambda: uri
    with ecoia.track(service="vadore", phase="training") as span:
        span.units(1)
    assert ecoia.flush(60)
"""


def assert_clean(where: str, content: str | bytes) -> None:
    for half in SECRET:
        assert (half.encode() if isinstance(content, bytes) else half) not in content, (where, content)


def walk(home: Path) -> None:
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert_clean(str(path), path.name)
        assert_clean(str(path), path.read_bytes())


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process of ecoia's own does first, undone after the test. No host has an address, and nothing is tried again."""

    def no_address(host: Any, *_: Any, **__: Any) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, f"nobody knows {host}")

    import mlflow.store.db.utils

    monkeypatch.setattr(mlflow.store.db.utils, "MAX_RETRY_COUNT", 1)
    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    factory = logging.getLogRecordFactory()
    keep_telemetry_off()
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.mlflow
@pytest.mark.parametrize("_", [pytest.param(None, marks=[pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS])])
def test_every_form_is_measured_and_delivered_without_showing_its_secret(
    _: None, tmp_path: Path, own_process: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home, uris = tmp_path / "home", tmp_path / "uris.json"
    uris.write_text(json.dumps([uri for uri, _ in URIS]), encoding="utf-8")
    done = run_python(MEASURE, str(uris), ECOIA_HOME=str(home), ECOIA_DELIVERY="manual")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    records = [record for record in recorded(home) if record.service == "vadore"]
    assert sum(record.spans for record in records) == len(URIS)
    assert set(read_targets(home).values()) == {public for _, public in URIS}

    loaded = settings.load({"home": str(home), "delivery": "manual"})
    for uri, public in URIS:
        try:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        except ValueError:  # a character that no variable can hold
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = MlflowStore(uri)
        if not public.startswith(("sqlite", "file")):
            with pytest.raises(DeliveryError) as refused, store.reaching():
                store.find_experiment("any")
            assert_clean(uri, str(refused.value))
            assert f"'{public}'" in str(refused.value)
        sys.excepthook(ValueError, ValueError(f"unforeseen: {uri}"), None)
    assert_clean("doctor", repr(list(_tracking(loaded))))
    result = deliver(Journal(home), loaded)
    assert result.delivered == 0
    for message in result.problems:
        assert_clean("deliver", message)
        print(message)
    output, errors = capfd.readouterr()
    assert "unforeseen" in errors
    assert_clean("stdout", output)
    assert_clean("stderr", errors)
    walk(home)


def test_the_helper_sends_where_the_whole_address_is_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "postgresql://mlflow:pl4nted/s3cret@db/ml?sslmode=require"
    target = register_target(tmp_path, uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert find_routes(Journal(tmp_path), [target], None, by_hand=False).stores == {uri: {target}}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace("@db/", "@other/"))
    assert find_routes(Journal(tmp_path), [target], None, by_hand=False).stores == {"postgresql://db/ml": {target}}


def test_an_address_that_cannot_be_read_is_left_to_a_delivery_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "https://mlflow:pl4nted/s3cret@mlflow.example"
    target = register_target(tmp_path, uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # of this program; records of others may have the same public form
    routes = find_routes(Journal(tmp_path), [target], None, by_hand=False)
    assert routes.stores == {}
    assert "percent-encode the password" in routes.nowhere[target]
    assert find_routes(Journal(tmp_path), [target], uri, by_hand=True).stores == {uri: {target}}


def test_a_program_waits_for_no_helper_that_could_not_send(tmp_path: Path) -> None:
    program = "import ecoia\nwith ecoia.track(service='vadore'): pass\nassert ecoia.flush(60)"
    variables = {"MLFLOW_TRACKING_URI": "https://mlflow:pl4nted/s3cret@mlflow.example", "ECOIA_DELIVERY": "helper"}
    done = run_python(program, ECOIA_HOME=str(tmp_path / "home"), ECOIA_EXIT_SECONDS="3600", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "home" / "delivery").exists()

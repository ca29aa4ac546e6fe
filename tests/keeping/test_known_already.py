"""What the next process of a home finds done: the ids of tracking URIs, and a helper that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ecoia
from ecoia.keeping.destinations import TARGETS_FILE, public_uri, register_target
from ecoia.keeping.helper_start import try_lock
from ecoia.keeping.known_already import HELPER_LOCK, helper_runs, known_target

PLAIN = ["https://mlflow.example", "http://10.0.0.7:5000/sub-path/x_1", "sqlite:////var/lib/ml.db", "file:///srv/mlruns"]


@pytest.mark.parametrize("uri", PLAIN)
def test_a_plain_uri_has_the_id_that_it_was_registered_with(tmp_path: Path, uri: str) -> None:
    assert known_target(tmp_path, uri) is None
    target = register_target(tmp_path, uri)
    assert known_target(tmp_path, uri) == target
    assert public_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:secret@mlflow.example",
        "https://mlflow.example?token=abc",
        "https://mlflow.example/%2e",
        "http://mlflow.example:99999",
        "sqlite:///relative.db",
        "./mlruns",
        "databricks",
    ],
)
def test_a_uri_that_may_hide_something_is_never_looked_up_as_it_stands(tmp_path: Path, uri: str) -> None:
    register_target(tmp_path, uri)
    assert known_target(tmp_path, uri) is None
    stored = json.loads((tmp_path / TARGETS_FILE).read_text())
    (tmp_path / TARGETS_FILE).write_text(json.dumps(stored | {"0" * 12: uri}))  # as an earlier version may have stored it
    plain = "://" in uri and not set(uri) & set("@?%")
    assert (known_target(tmp_path, uri) is not None) == plain


@pytest.mark.parametrize("text", ["", "[]", "{", '"https://mlflow.example"', "\xff"])
def test_a_file_that_gives_no_targets_knows_none(tmp_path: Path, text: str) -> None:
    (tmp_path / TARGETS_FILE).write_bytes(text.encode("latin-1"))
    assert known_target(tmp_path, "https://mlflow.example") is None


def test_the_helper_runs_while_it_holds_its_lock(tmp_path: Path) -> None:
    assert not helper_runs(tmp_path)
    with try_lock(tmp_path, HELPER_LOCK):
        assert helper_runs(tmp_path)
    assert not helper_runs(tmp_path)


_PROGRAM = """
import io, os, sys  # as ``site`` does
before = set(sys.modules)
import ecoia
with ecoia.track(service="a", phase="training"): pass
assert ecoia.flush(60)
written = (each for each in set(sys.modules) - before if (getattr(sys.modules[each], "__file__", None) or "").endswith(".py"))
print(*sorted(written))
"""


def test_a_known_uri_and_a_running_helper_load_one_module_more(home: Path) -> None:
    environment = dict(os.environ, PYTHONPATH=str(Path(ecoia.__file__).parents[1]), ECOIA_DELIVERY="helper")

    def loaded(**more: str) -> set[str]:
        command = [sys.executable, "-S", "-c", _PROGRAM]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment | more)
        return set(done.stdout.split())

    with try_lock(home, HELPER_LOCK):
        loaded()
        without = loaded()
        loaded(MLFLOW_TRACKING_URI="https://mlflow.example")
        assert loaded(MLFLOW_TRACKING_URI="https://mlflow.example") - without == {"ecoia.keeping.known_already"}
    assert set(json.loads((home / TARGETS_FILE).read_text()).values()) == {"https://mlflow.example"}

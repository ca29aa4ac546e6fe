"""Whole measured programs: what they leave in the journal, and that the host is not disturbed."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from ecoia.keeping.destinations import read_targets
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KIND_SPAN, KIND_UNATTRIBUTED, MISSING
from support.programs import BURN, recorded, run_python, spans_of
from support.records import losses_of_ours, total

# --- whole processes ---------------------------------------------------------------------------------------------------


@pytest.mark.timing
def test_a_short_script_leaves_its_records(home: Path) -> None:
    done = run_python(
        f"{BURN}\nimport ecoia\nwith ecoia.track(service='vadore', phase='training') as s:\n    burn(50)\n    s.units(3)\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    (span,) = [record for record in records if record.kind == KIND_SPAN]
    assert (span.service, span.phase, span.spans, span.units_micro) == ("vadore", "training", 1, 3_000_000)
    assert 50_000_000 <= span.cpu_ns < 100_000_000
    (outcome,) = [record for record in records if record.kind == KIND_OUTCOME]
    assert (outcome.outcome, outcome.run_id) == ("ok", span.run_id)
    for component in COMPONENTS:
        assert (span.energy_microjoules[component] is None) == (span.method[component].status == MISSING)
    text = json.dumps([record.to_dict() for record in records])
    assert str(home) not in text
    assert sys.executable not in text


@pytest.mark.timing
def test_all_cpu_time_is_in_the_records_once(home: Path) -> None:
    """Records hold the CPU time of the process from its first span on: in spans, outside them, and in plain threads."""
    program = f"""
import sys, threading
{BURN}
import ecoia
with ecoia.track(service="first"): pass
start = time.process_time_ns()
ecoia.flush()
with ecoia.track(service="a"):
    burn(200)
    worker = threading.Thread(target=burn, args=(200,)); worker.start(); worker.join()
    with ecoia.track(service="b"):
        burn(100)
burn(200)
ecoia.flush()
print(time.process_time_ns() - start)
"""
    done = run_python(program)
    assert (done.stderr, done.returncode) == ("", 0)
    spent_ns = int(done.stdout)
    records = recorded(home)
    assert 0.95 * spent_ns <= sum(record.cpu_ns for record in records) <= 1.1 * spent_ns + 50_000_000
    cpu_ms = {service: sum(r.cpu_ns for r in records if r.service == service) / 1e6 for service in ("a", "b")}
    assert cpu_ms["a"] >= 200
    assert cpu_ms["b"] >= 100
    assert cpu_ms["a"] + cpu_ms["b"] > 380, "the worker ran for the spans in flight too"
    unattributed = sum(record.cpu_ns for record in records if record.kind == KIND_UNATTRIBUTED) / 1e6
    assert 195 <= unattributed < 380  # the 200 ms after the spans, and not the worker's 200 ms


def test_a_home_that_is_removed_while_a_program_runs_is_made_again(home: Path) -> None:
    """Records into a file without a name would be lost, and ``flush`` would say that they are written."""
    done = run_python(
        "import ecoia, os, shutil\n"
        "def work(name):\n"
        "    with ecoia.track(service=name): pass\n"
        "    print(ecoia.flush(60))\n"
        "work('a')\n"
        "home = os.environ['ECOIA_HOME']\n"
        "while os.path.exists(home): shutil.rmtree(home, ignore_errors=True)  # the sampler may be writing beside it\n"
        "work('b'); work('c')\n",
        MLFLOW_TRACKING_URI="https://mlflow.example",
        ECOIA_DELIVERY="manual",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n" * 3, "", 0)
    assert spans_of(home) == Counter(b=1, c=1)
    assert {record.target for record in recorded(home)} == set(read_targets(home))


ENDINGS = {
    "falls off the end": ("", 0),
    "exits": ("import sys; sys.exit(7)", 7),
    "exits with a text": ("import sys; sys.exit('sorry')", 1),
    "raises": ("raise RuntimeError('mine')", 1),
    "raises in a thread": ("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", 0),
    "interrupts itself": (
        # A shell ignores interrupts in background jobs, and children inherit that.
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "os.kill(os.getpid(), signal.SIGINT); time.sleep(30)",
        -signal.SIGINT,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_host_ends_as_it_does_without_ecoia(home: Path, ending: str) -> None:
    code, status = ENDINGS[ending]
    # Flushed before the end: a busy machine may not find the meters in the time that an exit waits for them. Besides, Python
    # forgets that an interrupt ended it if anything is compiled afterwards, as by an import.
    program = f"{BURN}\nimport ecoia\nwith ecoia.track(service='a'):\n    burn(5)\nprint('answer')\necoia.flush(60)\n{code}\n"
    measured = run_python(program)
    bare = run_python(program, ECOIA_DISABLED="1")
    assert measured.returncode == bare.returncode == status
    assert measured.stdout == bare.stdout == "answer\n"
    assert measured.stderr == bare.stderr
    assert spans_of(home)["a"] == 1


def test_the_state_of_the_host_is_unchanged(home: Path) -> None:
    """Logging, warnings, signals, hooks, environment and network are as they are without ecoia."""
    program = """
import logging, os, signal, socket, sys, threading, warnings
network = []
sys.addaudithook(lambda event, _: event in ("socket.connect", "socket.getaddrinfo", "socket.bind") and network.append(event))
def facts():
    loggers = ("", "codecarbon", "ecoia", "urllib3", "py.warnings")
    return {
        "logging": [(log.name, log.handlers[:], log.level, log.propagate) for log in map(logging.getLogger, loggers)],
        "disabled": logging.root.manager.disable,
        "warnings": (warnings.filters[:], warnings.showwarning),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.gettrace(), sys.getprofile()),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "timeout": socket.getdefaulttimeout(),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "interval": sys.getswitchinterval(),
    }
handler = logging.StreamHandler(sys.stdout)
logging.getLogger("codecarbon").addHandler(handler)
logging.getLogger("codecarbon").setLevel(logging.DEBUG)
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
before = facts()
import ecoia
for _ in range(3):
    with ecoia.track(service="a", phase="training"): pass
    assert ecoia.flush(60)
after = facts()
changed = [name for name in before if before[name] != after[name]]
assert not changed, [(before[name], after[name]) for name in changed]
assert not network, network
assert "ecoia.meters.gpu" in sys.modules, "no meter was detected, so nothing was tested"
forbidden = {"codecarbon", "mlflow", "pandas", "pydantic", "typer", "rich", "requests"} & set(sys.modules)
assert not forbidden, forbidden
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 3
    assert sorted(entry.name for entry in Path.cwd().iterdir()) == []


@pytest.mark.parametrize("below", ["a-file/home", "/proc/ecoia"])
def test_a_home_that_cannot_be_used_changes_nothing_for_the_host(tmp_path: Path, below: str) -> None:
    (tmp_path / "a-file").write_text("in the way", encoding="utf-8")
    home = str(tmp_path / below)
    program = (
        "import ecoia, sys\nfor i in range(3):\n    with ecoia.track(service='a'): print(i)\n    ecoia.flush()\nsys.exit(3)\n"
    )
    done = run_python(program, ECOIA_HOME=home)
    assert (done.stdout, done.returncode) == ("0\n1\n2\n", 3)
    (line,) = done.stderr.splitlines()  # logged once
    assert line.startswith(f"ecoia: journal home '{home}' cannot be used")
    assert "ECOIA_HOME" in line


def test_illegal_settings_are_counted_and_the_host_goes_on(home: Path) -> None:
    done = run_python(
        "import ecoia\nwith ecoia.track(service='a'): print('answer')\necoia.flush(60)\n",
        ECOIA_PUE="0.5",
        ECOIA_ZONE="France",
        ECOIA_FLUSH_SECONDS="often",
        ECOIA_SCOPE="universe",
        ECOIA_SERVICE="Not An Id",
    )
    assert (done.stdout, done.returncode) == ("answer\n", 0)
    logged = done.stderr.splitlines()
    assert len(logged) == 5, "each fault once"
    assert all(any(f"ECOIA_{name}" in line for line in logged) for name in ("PUE", "ZONE", "FLUSH_SECONDS", "SCOPE", "SERVICE"))
    assert losses_of_ours(recorded(home)) == {
        f"invalid-setting:{name}": 1 for name in ("pue", "zone", "flush_seconds", "scope", "service")
    }
    assert {record.zone for record in recorded(home)} == {None}


def test_illegal_values_of_run_time_are_counted_and_shown(home: Path) -> None:
    program = """
import ecoia, os
service = os.environ["SERVICE"]
with ecoia.track(service=service) as span:
    span.units(float("nan"))
    span.units(-3)
@ecoia.track(service=service)
def decorated(): return "answer"
print(decorated())
ecoia.flush(60)
"""
    done = run_python(program, SERVICE="Mon Service")
    assert (done.stdout, done.stderr, done.returncode) == ("answer\n", "", 0)
    assert losses_of_ours(recorded(home)) == {"invalid-service": 2, "invalid-units": 2}
    assert spans_of(home)["mon-service"] == 2


def test_a_python_without_ctypes_is_measured_too(home: Path) -> None:
    """Some are built so. Only the early reading of GPU counters uses ctypes, and nothing may depend on it."""
    program = """
import sys
sys.modules["ctypes"] = None
import ecoia.meters
from ecoia.testing import FixedMeter
ecoia.meters.detect = lambda *_, **__: ecoia.meters.Detected({"cpu": FixedMeter("cpu", 10)})
import ecoia
with ecoia.track(service="a"):
    sum(range(100_000))
assert ecoia.flush(60)
"""
    done = run_python(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert spans_of(home)["a"] == 1
    assert total(recorded(home), "cpu")

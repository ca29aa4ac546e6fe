"""Give every test a journal home of its own, and hide the settings of the machine that runs the tests."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from ecoia.instrument import mlflow_run
from ecoia.instrument.switching import in_context
from support import quiet_engine
from support.made_once import made_once, untraced
from support.quiet_engine import QuietEngine, quiet
from support.servers import Server

if TYPE_CHECKING:
    from ecoia.exploring import Explorer
    from ecoia.report import QuarterlyReport

# One thread of linear algebra in each process, as many workers share the cores: two would wait for each other, at full CPU time.
# Set before NumPy is loaded, and inherited by the programs that tests start.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Under nohup or a background shell these signals are ignored, and programs that tests start would inherit that: restore them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Few examples of each law in `make test`, many in `make laws`. No deadline of an example: on a busy machine the time that one
# takes says nothing.
hypothesis.settings.register_profile("deep", max_examples=1000, deadline=None)
hypothesis.settings.register_profile("ecoia", max_examples=25, deadline=None)
hypothesis.settings.load_profile("ecoia")
# `make mutate` only asks whether a test fails: do not shrink the failing example, and do not keep it.
hypothesis.settings.register_profile(
    "mutation", max_examples=100, deadline=None, database=None, phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate)
)

REPOSITORY = Path(__file__).resolve().parent.parent
SLOW = ("long", "mlflow", "browser")
"""Marks of tests that wait for programs."""


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Allow twice the CPU time for bookkeeping where coverage traces it."""
    if sys.gettrace() is not None:
        quiet_engine.SLACK_NS *= 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the slow files first with several workers, and the tests without Hypothesis first for a mutation: both end sooner.

    No test with a browser is traced: it is about pages, whose data other tests reach.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.no_cover)
    if config.getoption("hypothesis_profile") == "mutation":
        items.sort(key=lambda item: hypothesis.is_hypothesis_test(getattr(item, "obj", None)))
    elif hasattr(config, "workerinput"):
        slow = {item.path for item in items if any(item.get_closest_marker(name) for name in SLOW)}
        items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Trace no fixtures of tests marked ``no_cover``, which mostly draw what the tests read: pytest-cov traces them."""
    with untraced() if item.get_closest_marker("no_cover") else nullcontext():
        return (yield)


@pytest.fixture(autouse=True)
def isolated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a fresh ``ECOIA_HOME``, remove other ``ECOIA_*`` and ``MLFLOW_*``, and work below no ``ecoia.toml``.

    Delivery is ``manual``: no test leaves a helper process behind unless it asks for one. Coverage traces programs of tests
    marked ``traced`` only.
    """
    for name in list(os.environ):
        if name.startswith(("ECOIA_", "MLFLOW_")):
            monkeypatch.delenv(name)
    if request.node.get_closest_marker("traced") is None:
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    folder = tmp_path_factory.mktemp("ecoia")
    home = folder / "home"
    monkeypatch.setenv("ECOIA_HOME", str(home))
    monkeypatch.setenv("ECOIA_DELIVERY", "manual")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    work = folder / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return home


@pytest.fixture
def home(isolated: Path) -> Path:
    """Return the journal home of this test."""
    return isolated


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the checkout that holds these tests."""
    return REPOSITORY


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    """Return the report of the large organisation. It takes some seconds of CPU time, so one worker builds it for all."""
    from support.large_organisation import large_report

    def build(path: Path) -> None:
        path.write_bytes(pickle.dumps(large_report(tmp_path_factory.mktemp("large"))))

    written = made_once(tmp_path_factory, "large.pickle", build).read_bytes()
    report: QuarterlyReport = pickle.loads(written)  # noqa: S301 - our own
    return report


@pytest.fixture(scope="session")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    """Return what is read of a folder filled from the large organisation; one worker fills it for all."""
    from ecoia.exploring import Explorer
    from support.filled import fill_large

    return Explorer(made_once(tmp_path_factory, "explored", fill_large) / "filled")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[QuietEngine]:
    """In place of the process's engine, one that only counts.

    The objects of all tests before are kept from the garbage collector: a collection of them all would cost the span that runs
    more CPU time than tests allow.
    """
    gc.freeze()
    try:
        yield quiet(monkeypatch)
    finally:
        gc.unfreeze()
    assert in_context.get() is None, "a test left a span open in this context"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server; kill the servers that the test did not stop."""
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        started.append(Server(tmp_path, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(autouse=True)
def no_runs_of_other_tests() -> None:
    """Forget the runs that an earlier test made by a client and never ended, as no process would that this one stands for."""
    mlflow_run.client_runs.clear()
    following = sys.modules.get("ecoia.instrument.following")
    if following is not None:
        following._begun.clear()

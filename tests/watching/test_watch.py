"""Run ``ecoia watch`` beside real processes and control groups: which CPU time it records, what it leaves out, when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ecoia.errors import UsageError
from ecoia.processes import notices
from ecoia.processes.notices import notice_of
from ecoia.processes.proc import control_group_cpu_ns, read_process
from ecoia.records import Record
from ecoia.semconv import KIND_LINK, KIND_OVERHEAD, KIND_SPAN, KIND_UNATTRIBUTED
from ecoia.settings import load as load_settings
from ecoia.testing.hardware import FakeGpu, FakeProcess, build_fake_nvml
from ecoia.watching.group_tree import CGROUP_MOUNT, hierarchies, rules_hierarchy
from ecoia.watching.watch import watch as watch_target
from ecoia.watching.watch import watch_by_rules
from ecoia.watching.watch_target import find_group, find_unit
from support.namespaces import needs_namespaces
from support.programs import BURN, recorded, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups, and exact accounts, are Linux's")

APART = "import os; from ecoia.processes import notices; notices._folder_of = lambda uid, root='': root + os.environ['NOTICES']\n"
"""Puts notices into a folder of the test: other tests may measure in this process, which is above all others."""

WATCHER = (
    f"{APART}import json, sys; from ecoia import settings; from ecoia.watching.watch import watch\n"
    "print('watching', flush=True)\n"
    "watch(**{'service': 'vadore', 'phase': 'inference', 'settings': settings.load(), **json.loads(sys.argv[1])})"
)
SERVICE = f"""
import subprocess, sys
{BURN}
print("up", flush=True)
for line in sys.stdin:                       # a number of milliseconds of work, here and in a child
    burn(int(line))
    subprocess.run([sys.executable, "-S", "-c", {BURN!r} + f"burn({{int(line)}})"])
    print("done", flush=True)
"""


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTICES", str(tmp_path / "notices"))
    monkeypatch.setattr(notices, "_folder_of", lambda uid, root="": str(tmp_path / "notices"))


class Process:
    """A program that answers each line."""

    def __init__(self, *command: str, before: Callable[[], None] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ECOIA_FLUSH_SECONDS": "1"},
            preexec_fn=before,
        )
        self.pid = self.process.pid

    def ask(self, line: str | None = None) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if line is not None:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        wait_until(
            lambda: Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").split()[2] == "S"
        )  # its CPU time is accounted for
        return answer

    def end(self) -> int:
        self.process.communicate(timeout=600)
        return self.process.returncode


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*command: str, **options: Any) -> Process:
        started.append(Process(*command, **options))
        return started[-1]

    yield start
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
        process.process.communicate()


def spans(home: Path) -> list[Record]:
    return [record for record in recorded(home) if record.kind == KIND_SPAN]


def span_ms(home: Path) -> float:
    return sum(record.cpu_ns for record in spans(home)) / 1e6


def measures(pid: int) -> bool:
    facts = read_process(pid)
    return facts is not None and notice_of(pid, facts.start) is not None


@pytest.fixture
def watch(start: Callable[..., Process]) -> Callable[..., Process]:
    def watch(**options: object) -> Process:
        watcher = start(sys.executable, "-W", "error", "-c", WATCHER, json.dumps(options))
        wait_until(lambda: measures(watcher.pid) or watcher.process.poll() is not None)
        assert watcher.process.poll() is None
        return watcher

    return watch


@pytest.fixture
def service(start: Callable[..., Process]) -> Process:
    service = start(sys.executable, "-c", SERVICE)
    assert service.ask() == "up"
    return service


def attempt(**options: Any) -> None:
    watch_target(**{"service": "vadore", "phase": "inference", "settings": load_settings(), "seconds": 0.01, **options})


# --- a process and its descendants -------------------------------------------------------------------------------------


@pytest.mark.timing
def test_a_running_process_and_its_children_are_measured(home: Path, service: Process, watch: Callable[..., Process]) -> None:
    before_ms = used_ms(service.pid)
    watcher = watch(pid=service.pid)
    assert service.ask("150") == "done"
    after_ms = used_ms(service.pid)
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.end() == 0
    (span,) = {(record.service, record.phase, record.run_id, record.pid, record.spans) for record in spans(home)}
    assert span == ("vadore", "inference", None, service.pid, 0)
    assert abs(span_ms(home) - (after_ms - before_ms)) <= 20.1  # the kernel counts waited-for children in ticks
    assert {record.kind for record in recorded(home)} == {KIND_SPAN, KIND_OVERHEAD}


LIMITED = (
    "import sys, json; from ecoia.meters import hardware\n"
    "target = json.loads(sys.argv[1])\n"
    "def control_group(root=None, *, pid=None, path=None):\n"
    "    ours = pid is None and path is None\n"
    "    return hardware.ControlGroup(0.1 if ours else 1.5, None, None)\n"
    "hardware.control_group = control_group\n"
)


def test_the_limits_are_those_of_the_target_and_not_of_the_watcher(home: Path, service: Process) -> None:
    """An agent of a host has a quota of its own, which says nothing about a service of many CPUs."""
    watcher = LIMITED + WATCHER
    done = subprocess.run(
        [sys.executable, "-c", watcher, json.dumps({"pid": service.pid, "seconds": 1.2})],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    cpus = os.cpu_count() or 1
    assert {record.reserved_share for record in recorded(home)} == {round(1.5 / cpus, 6)}
    assert {record.context["cpu_count"] for record in recorded(home)} == {1.5}


def used_ms(pid: int) -> float:
    facts = read_process(pid)
    assert facts is not None
    return (facts.own_ns + facts.reaped_ns) / 1e6


def test_watching_ends_with_the_target(home: Path, service: Process, watch: Callable[..., Process]) -> None:
    watcher = watch(pid=service.pid)
    assert service.ask("100") == "done"
    service.end()
    assert watcher.end() == 0
    assert sum(record.spans for record in spans(home)) == 1
    assert {record.kind for record in recorded(home)} == {
        KIND_SPAN,
        KIND_OVERHEAD,
    }  # no outcome: only its parent knows how it ended


def test_what_a_target_does_for_a_run_is_linked_to_it(home: Path, service: Process, watch: Callable[..., Process]) -> None:
    watcher = watch(pid=service.pid, phase="training", run_id="4f0c1d2e")
    assert service.ask("50") == "done"
    service.end()
    assert watcher.end() == 0
    (link,) = [record for record in recorded(home) if record.kind == KIND_LINK]
    assert link.beside == "4f0c1d2e"
    assert {(record.phase, record.run_id) for record in spans(home)} == {("training", link.run_id)}
    assert link.run_id not in ("4f0c1d2e", None), "nobody outside can say how the run ended"


def test_watching_ends_after_the_time_given(home: Path, service: Process, watch: Callable[..., Process]) -> None:
    assert watch(pid=service.pid, seconds=0.2).end() == 0
    assert service.process.poll() is None
    assert sum(record.spans for record in recorded(home)) == 0


# --- control groups of the kernel --------------------------------------------------------------------------------------


@pytest.fixture
def groups() -> Iterator[Callable[[str], Path]]:
    """Make real control groups, and remove them afterwards."""
    made: list[Path] = []

    def make(name: str) -> Path:
        for hierarchy in hierarchies(CGROUP_MOUNT):
            folder = hierarchy / name
            try:
                folder.mkdir(parents=True)
            except OSError:
                continue
            made.append(folder)
            return folder
        pytest.skip("no control group can be made here")

    yield make
    for folder in reversed(made):
        if folder.exists():
            wait_until(lambda folder=folder: not (folder / "cgroup.procs").read_text(encoding="ascii"))
            folder.rmdir()


def member_of(folder: Path) -> Callable[[], None]:
    """Return a function that a child calls before its program, to start in the group."""
    file = str(folder / "cgroup.procs")
    return lambda: Path(file).write_text("0", encoding="ascii") and None


SELF_MEASURING = f"""
{APART}import sys
{BURN}
import ecoia
print("up", flush=True)
for line in sys.stdin:
    burn(int(line))                          # before its first span: recorded by the watcher
    with ecoia.track(service="inner"): burn(int(line))
    print("done", flush=True)
"""


@pytest.mark.timing
def test_a_control_group_is_measured_without_processes_that_measure_themselves(
    home: Path, groups: Callable[[str], Path], start: Callable[..., Process], watch: Callable[..., Process]
) -> None:
    folder = groups(f"ecoia-test-{os.getpid()}")
    inner = folder / "inner"
    inner.mkdir()
    plain = start(sys.executable, "-c", SERVICE, before=member_of(folder))
    itself = start(sys.executable, "-c", SELF_MEASURING, before=member_of(inner))
    try:
        assert (plain.ask(), itself.ask()) == ("up", "up")
        before_ns = control_group_cpu_ns(str(folder))
        watcher = watch(cgroup=str(folder))
        assert plain.ask("100") == "done"
        assert itself.ask("150") == "done"
        plain.end()
        itself.end()  # the watcher records what it used after its last record
        after_ns = control_group_cpu_ns(str(folder))
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.end() == 0
    finally:
        itself.process.kill()
        itself.process.wait()
        wait_until(lambda: not (inner / "cgroup.procs").read_text(encoding="ascii"))
        inner.rmdir()
    assert before_ns is not None
    assert after_ns is not None
    own_ms = sum(record.cpu_ns for record in recorded(home) if record.pid == watcher.pid and record.kind == KIND_OVERHEAD) / 1e6
    all_ms = sum(record.cpu_ns for record in recorded(home)) / 1e6 - own_ms
    inner_ms = sum(record.cpu_ns for record in spans(home) if record.service == "inner") / 1e6
    assert 150 <= inner_ms < 290  # without the 150 ms before its first span
    assert 0.99 * (after_ns - before_ns) / 1e6 <= all_ms <= 1.005 * (after_ns - before_ns) / 1e6


@pytest.mark.timing
def test_a_unit_is_found_by_name_and_followed_through_its_restart(
    home: Path, groups: Callable[[str], Path], start: Callable[..., Process], watch: Callable[..., Process]
) -> None:
    above = groups(f"ecoia-{os.getpid()}.slice")
    unit = above / f"ecoia-test-{os.getpid()}.service"
    unit.mkdir()
    used_ns = 0
    try:
        first = start(sys.executable, "-c", SERVICE, before=member_of(unit))
        assert first.ask() == "up"
        used_ns -= control_group_cpu_ns(str(unit)) or 0
        watcher = watch(unit=f"ecoia-test-{os.getpid()}")
        assert first.ask("100") == "done"
        first.end()
        written = len(recorded(home))
        wait_until(lambda: len(recorded(home)) > written)  # a window was written since then
        used_ns += control_group_cpu_ns(str(unit)) or 0
        unit.rmdir()
        unit.mkdir()
        second = start(sys.executable, "-c", SERVICE, before=member_of(unit))
        assert (second.ask(), second.ask("100")) == ("up", "done")
        second.end()
        used_ns += control_group_cpu_ns(str(unit)) or 0
        watcher.process.send_signal(signal.SIGTERM)
        assert watcher.end() == 0
    finally:
        unit.rmdir()
    assert 0.99 * used_ns / 1e6 <= span_ms(home) <= 1.005 * used_ns / 1e6
    assert sum(record.spans for record in recorded(home)) == 0


def test_a_unit_is_found_below_any_slice_and_in_any_hierarchy(tmp_path: Path) -> None:
    """Files are laid out as by systemd: version 2, and version 1 with one hierarchy for each controller."""
    for mount, hierarchy, file, text in (
        ("two", "", "cpu.stat", "usage_usec 1500\nuser_usec 1000\n"),
        ("one", "cpu,cpuacct", "cpuacct.usage", "1500000\n"),
    ):
        below = tmp_path / mount / hierarchy
        unit = below / "system.slice" / "system-vadore.slice" / "vadore@1.service"
        user = below / "user.slice" / "user-1000.slice" / "user@1000.service" / "app.slice" / "notebook.service"
        for folder in (unit, user):
            folder.mkdir(parents=True)
            (folder / file).write_text(text, encoding="ascii")
        if not hierarchy:
            (below / "cgroup.controllers").touch()
        assert find_unit("vadore@1", tmp_path / mount) == unit
        assert find_unit("notebook.service", tmp_path / mount) == user
        assert control_group_cpu_ns(str(unit)) == 1_500_000
        assert find_group("/system.slice/system-vadore.slice/vadore@1.service", tmp_path / mount) == unit
        other = below / "system.slice" / "notebook.service"
        other.mkdir()
        (other / file).write_text(text, encoding="ascii")
        with pytest.raises(UsageError, match="several units of this name run: give one as --cgroup"):
            find_unit("notebook", tmp_path / mount)


# --- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no target given: give exactly one of --pid, --cgroup and --unit"),
        ({"pid": 1, "unit": "a"}, "--pid and --unit given: give exactly one"),
        ({"pid": 0}, "pid = 0: no such process"),
        ({"pid": 2**22 + 1}, "pid = 4194305: no such process"),
        pytest.param({"pid": os.getpid()}, f"pid = {os.getpid()}: 'ecoia watch' would watch itself", id="ourselves"),
        ({"pid": os.getppid()}, "'ecoia watch' would watch itself: start it from another shell, or use 'ecoia run'"),
        ({"cgroup": "no/such"}, "cgroup = 'no/such': no such control group below"),
        ({"cgroup": "/"}, None),
        ({"unit": "no-such"}, "unit = 'no-such': no such unit runs here"),
        ({"pid": 1, "seconds": 0}, "seconds = 0: give more than 0"),
        ({"pid": 1, "service": "No Id"}, "service = 'No Id': use lower-case"),
        ({"pid": 1, "phase": "use"}, "phase = 'use': choose one of"),
        ({"pid": 1, "run_id": "4f0c1d2e"}, "run = '4f0c1d2e': inference belongs to the day of its service; choose one of"),
        ({"pid": 1, "phase": "training", "run_id": "my run"}, "run = 'my run': give the id of an MLflow run"),
    ],
)
def test_targets_that_cannot_be_watched_are_refused_in_one_line(
    options: dict[str, Any], message: str | None, tmp_path: Path, home: Path
) -> None:
    if message is None:
        (tmp_path / "cgroup.procs").touch()
        (tmp_path / "cgroup.controllers").touch()
        options, message = {"cgroup": "/", "mount": tmp_path}, "cgroup = '/': its CPU time cannot be read: give its path in"
    with pytest.raises(UsageError) as refused:
        attempt(**options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not home.exists()


def test_a_thread_is_not_a_process() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match=r"this is a thread: give the id of its process"):
        attempt(pid=pool.submit(threading.get_native_id).result())


def refusal(**options: object) -> str:
    """Return the error of a watcher in a process beside this one, because this one is above the target."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHER, json.dumps({"seconds": 0.01, **options})],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stderr.rstrip().rpartition("\n")[2]


def test_a_target_is_watched_once(service: Process, watch: Callable[..., Process]) -> None:
    watcher = watch(pid=service.pid)
    assert "is watched already" in refusal(pid=service.pid)
    watcher.process.send_signal(signal.SIGTERM)
    watcher.end()
    assert refusal(pid=service.pid) == ""


PARENT = f"""{APART}
import subprocess, sys
below = subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
below.stdout.readline()
print(below.pid, flush=True)
for line in sys.stdin:
    if line == "measure\\n":
        import ecoia
        ecoia.track(service="parent").__enter__()
    else:
        below.stdin.write(line); below.stdin.flush()
        below.stdout.readline()
    print("done", flush=True)
"""


@pytest.fixture
def parent(start: Callable[..., Process]) -> tuple[Process, int]:
    """Start a process with a child that works on demand; returns it and the id of its child."""
    parent = start(sys.executable, "-c", PARENT, SERVICE)
    return parent, int(parent.ask())


def test_trees_and_groups_that_share_processes_are_watched_once(
    groups: Callable[[str], Path], parent: tuple[Process, int], watch: Callable[..., Process]
) -> None:
    above, below = parent
    watcher = watch(pid=above.pid)
    assert f"'pid {below}' shares processes with 'pid {above.pid}'" in refusal(pid=below)
    folder = groups(f"ecoia-test-{os.getpid()}")
    (folder / "cgroup.procs").write_text(str(below), encoding="ascii")
    assert f"shares processes with 'pid {above.pid}', which is watched already" in refusal(cgroup=str(folder))
    watcher.process.send_signal(signal.SIGTERM)
    watcher.end()
    watch(cgroup=str(folder))
    assert f"'pid {above.pid}' shares processes with 'cgroup {folder}'" in refusal(pid=above.pid)


@pytest.mark.timing
def test_a_process_above_that_begins_to_measure_takes_over(
    home: Path, parent: tuple[Process, int], watch: Callable[..., Process]
) -> None:
    above, below = parent
    watcher = watch(pid=below)
    assert above.ask("measure") == "done"
    assert above.ask("400") == "done"  # twice: in its child, and in a grandchild
    above.end()
    watcher.end()
    watched_ms = sum(record.cpu_ns for record in spans(home) if record.service == "vadore") / 1e6
    measured_ms = sum(record.cpu_ns for record in spans(home) if record.service == "parent") / 1e6
    assert watched_ms < 400
    assert measured_ms > 700


def test_groups_that_share_processes_are_watched_once(groups: Callable[[str], Path], watch: Callable[..., Process]) -> None:
    folder = groups(f"ecoia-test-{os.getpid()}")
    inner = groups(f"ecoia-test-{os.getpid()}/inner")
    watch(cgroup=str(inner))
    assert "shares processes with" in refusal(cgroup=str(folder))


RUNNER = (
    f"{APART}import sys; from ecoia import settings; from ecoia.watching.run_command import run\n"
    "run(sys.argv[1:], service='a', phase='training', settings=settings.load())"
)


def test_targets_that_are_measured_already_are_refused(
    start: Callable[..., Process], groups: Callable[[str], Path], home: Path
) -> None:
    itself = start(sys.executable, "-c", SELF_MEASURING)
    assert (itself.ask(), itself.ask("1")) == ("up", "done")
    assert f"pid = {itself.pid}: it measures itself" in refusal(pid=itself.pid)
    folder = groups(f"ecoia-test-{os.getpid()}")
    above = start(sys.executable, "-c", RUNNER, sys.executable, "-c", "import os; print(os.getpid(), flush=True); input()")
    pid = int(above.ask())
    (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")
    assert f"pid = {pid}: process {above.pid} above it measures it already" in refusal(pid=pid)
    assert f"its process {pid} is measured already, by process {above.pid} above it" in refusal(cgroup=str(folder))
    above.end()


# --- real groups that rules map to services ----------------------------------------------------------------------------

BY_RULES = (
    f"{APART}import json, sys; from pathlib import Path; from ecoia import errors, settings\n"
    "from ecoia.watching.watch import watch_by_rules\n"
    "try: watch_by_rules(Path(sys.argv[1]), settings=settings.load(), tell=lambda text: print(text, flush=True),"
    " **json.loads(sys.argv[2]))\n"
    "except errors.UsageError as error: sys.exit(str(error))"
)


@pytest.fixture
def hierarchy(groups: Callable[[str], Path]) -> Iterator[Callable[[str], Path]]:
    """Make real control groups where rules look for them, and remove them afterwards."""
    made: list[Path] = []

    def make(name: str) -> Path:
        folder = rules_hierarchy(CGROUP_MOUNT) / f"ecoia-test-{os.getpid()}" / name
        for each in (folder.parent, folder):
            try:
                each.mkdir(exist_ok=True)
            except OSError:
                pytest.skip("no control group can be made here")
            if each not in made:
                made.append(each)
        return folder

    yield make
    for folder in reversed(made):
        if folder.exists():
            wait_until(lambda folder=folder: not (folder / "cgroup.procs").read_text(encoding="ascii"))
            folder.rmdir()


def rule_of(service: str, name: str) -> str:
    return f"[[rule]]\nservice = '{service}'\ncgroup = '/ecoia-test-{os.getpid()}/{name}'\n"


@pytest.fixture
def by_rules(start: Callable[..., Process], tmp_path: Path) -> Callable[..., Process]:
    file = tmp_path / "rules.toml"

    def by_rules(*rules: str, said: int | None = None, **options: object) -> Process:
        file.write_text("".join(rules), encoding="utf-8")
        watcher = start(sys.executable, "-W", "error", "-c", BY_RULES, str(file), json.dumps(options))
        wait_until(lambda: measures(watcher.pid) or watcher.process.poll() is not None)
        return watcher

    return by_rules


def cpu_ms(home: Path, service: str | None) -> float:
    return sum(record.cpu_ns for record in recorded(home) if record.service == service) / 1e6


@pytest.mark.timing
def test_services_of_a_host_are_measured_by_rules_as_they_come_and_go(
    home: Path, hierarchy: Callable[[str], Path], start: Callable[..., Process], by_rules: Callable[..., Process]
) -> None:
    first, other = hierarchy("api-1"), hierarchy("search")
    api, search = (start(sys.executable, "-c", SERVICE, before=member_of(folder)) for folder in (first, other))
    assert (api.ask(), search.ask()) == ("up", "up")
    before_ns = {folder: control_group_cpu_ns(str(folder)) or 0 for folder in (first, other)}
    watcher = by_rules(rule_of("vadore", "api-*"), rule_of("search", "search"))
    assert (api.ask("100"), search.ask("50")) == ("done", "done")
    second = hierarchy("api-2")
    replica = start(sys.executable, "-c", SERVICE, before=member_of(second))
    assert (replica.ask(), replica.ask("80")) == ("up", "done")
    api.end()
    written = len(recorded(home))
    wait_until(lambda: len(recorded(home)) > written + 2)  # a reading was written since then
    used_ns = {folder: control_group_cpu_ns(str(folder)) or 0 for folder in (first, other, second)}
    first.rmdir()
    wait_until(lambda: sum(record.spans for record in recorded(home)))
    watcher.process.send_signal(signal.SIGTERM)
    watcher.end()
    assert watcher.process.returncode == 0
    vadore_ms = (used_ns[first] - before_ns[first] + used_ns[second]) / 1e6
    assert 0.99 * vadore_ms <= cpu_ms(home, "vadore") <= 1.005 * vadore_ms
    search_ms = (used_ns[other] - before_ns[other]) / 1e6
    assert 0.99 * search_ms <= cpu_ms(home, "search") <= 1.005 * search_ms
    assert {record.service: record.pid for record in spans(home)} == {"vadore": watcher.pid, "search": watcher.pid}
    assert {record.kind for record in recorded(home)} == {KIND_SPAN, KIND_OVERHEAD}
    assert sum(record.spans for record in recorded(home)) == 1


@pytest.mark.timing
def test_a_process_that_measures_itself_in_a_service_group_counts_once(
    home: Path, hierarchy: Callable[[str], Path], start: Callable[..., Process], by_rules: Callable[..., Process]
) -> None:
    folder = hierarchy("api")
    plain = start(sys.executable, "-c", SERVICE, before=member_of(folder))
    itself = start(sys.executable, "-c", SELF_MEASURING, before=member_of(folder))
    assert (plain.ask(), itself.ask()) == ("up", "up")
    before_ns = control_group_cpu_ns(str(folder)) or 0
    watcher = by_rules(rule_of("vadore", "api"))
    for _ in range(3):
        assert (plain.ask("50"), itself.ask("100")) == ("done", "done")
    plain.end()
    itself.end()
    used_ms = ((control_group_cpu_ns(str(folder)) or 0) - before_ns) / 1e6
    written = len(recorded(home))
    wait_until(lambda: len([record for record in recorded(home)[written:] if record.pid == watcher.pid]) > 12)
    watcher.process.send_signal(signal.SIGTERM)
    watcher.end()
    of_itself_ms = sum(record.cpu_ns for record in recorded(home) if record.pid == itself.pid) / 1e6
    assert of_itself_ms >= 300
    assert 0.99 * used_ms <= cpu_ms(home, "vadore") + of_itself_ms <= 1.01 * used_ms


@pytest.mark.long
@pytest.mark.timing
@needs_namespaces
def test_a_process_that_measures_itself_in_another_container_counts_once(
    home: Path,
    tmp_path: Path,
    hierarchy: Callable[[str], Path],
    start: Callable[..., Process],
    by_rules: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its notice is in its own file system, so the watcher finds it later, and then subtracts what was counted twice."""
    monkeypatch.setenv("OTHER", str(tmp_path / "other"))
    (tmp_path / "notices").mkdir(mode=0o700)
    folder = hierarchy("api")
    plain = start(sys.executable, "-c", SERVICE, before=member_of(folder))
    contained = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o mode=700 none "$NOTICES"; exec env ECOIA_HOME="$OTHER" "$@"',
        "-",
    ]
    itself = start(*contained, sys.executable, "-c", SELF_MEASURING, before=member_of(folder))
    assert (plain.ask(), itself.ask()) == ("up", "up")
    before_ns = control_group_cpu_ns(str(folder)) or 0
    watcher = by_rules(rule_of("vadore", "api"))
    assert (itself.ask("100"), plain.ask("20")) == ("done", "done")
    for _ in range(12):
        written = len(recorded(home))
        assert (itself.ask("10"), plain.ask("20")) == ("done", "done")
        wait_until(lambda written=written: len(recorded(home)) > written)
    plain.end()
    itself.end()
    used_ms = ((control_group_cpu_ns(str(folder)) or 0) - before_ns) / 1e6
    written = len(recorded(home))
    wait_until(lambda: len(recorded(home)) > written + 4)
    watcher.process.send_signal(signal.SIGTERM)
    watcher.end()
    of_itself_ms = sum(record.cpu_ns for record in recorded(tmp_path / "other")) / 1e6
    assert of_itself_ms >= 200
    assert 0.99 * used_ms <= cpu_ms(home, "vadore") + of_itself_ms <= 1.01 * used_ms


def test_gpu_energy_goes_to_the_services_of_the_processes_that_the_driver_names(
    home: Path,
    tmp_path: Path,
    hierarchy: Callable[[str], Path],
    start: Callable[..., Process],
    by_rules: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "nvml").mkdir()
    fake = build_fake_nvml(tmp_path / "nvml")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(fake.folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    on_gpu, second, on_cpu = (
        start(sys.executable, "-c", SERVICE, before=member_of(hierarchy(name))) for name in ("gpu-1", "gpu-2", "cpu")
    )
    assert [each.ask() for each in (on_gpu, second, on_cpu)] == ["up"] * 3

    def show(*pids: int) -> None:
        gpu = FakeGpu("GPU-1", drift_milliwatts=100_000, processes=tuple(FakeProcess(pid) for pid in pids))
        fake.show(gpu)

    def gpu_joules(service: str | None) -> float:
        return sum(record.energy_microjoules["gpu"] or 0 for record in recorded(home) if record.service == service) / 1e6

    show(on_gpu.pid, second.pid)
    watcher = by_rules(rule_of("vadore", "gpu-1"), rule_of("chat", "gpu-2"), rule_of("search", "cpu"))
    assert on_cpu.ask("300") == "done"
    wait_until(lambda: gpu_joules("vadore") > 50)
    assert gpu_joules("vadore") == pytest.approx(gpu_joules("chat"), abs=1e-4)
    show()
    wait_until(lambda: gpu_joules(None) > 50)
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.end() == 0
    assert gpu_joules("search") == 0
    kinds = {record.kind for record in recorded(home) if record.service is None and record.energy_microjoules["gpu"]}
    assert kinds == {KIND_UNATTRIBUTED}


def put_in_place(path: Path, text: str) -> None:
    """Replace a file as editors do: a watcher that reads beside it must not see an empty one."""
    new = path.with_name("new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def test_rules_are_read_again_when_they_change_and_on_sighup(
    hierarchy: Callable[[str], Path], by_rules: Callable[..., Process], tmp_path: Path
) -> None:
    hierarchy("api")
    watcher = by_rules(rule_of("vadore", "api"))
    assert watcher.process.stdout is not None
    said = iter(watcher.process.stdout.readline, "")
    assert next(said) == "rule 1 (vadore, inference): 1 control group\n"
    put_in_place(tmp_path / "rules.toml", rule_of("chat", "api"))
    assert next(said) == "rule 1 (chat, inference): 1 control group\n"
    put_in_place(tmp_path / "rules.toml", "[[rule]]\nservice = 'A'\nunit = 'x'\n")
    assert next(said).startswith(f"'{tmp_path / 'rules.toml'}', rule 1: service = 'A': use lower-case letters")
    assert next(said) == "The rules before it stay in force\n"
    watcher.process.send_signal(signal.SIGHUP)
    assert next(said).startswith(f"'{tmp_path / 'rules.toml'}', rule 1: service = 'A'")
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.end() == 0


def test_on_a_whole_host_unmatched_cpu_time_is_unattributed(
    home: Path,
    hierarchy: Callable[[str], Path],
    start: Callable[..., Process],
    by_rules: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOIA_SCOPE", "host")
    service, stranger = (start(sys.executable, "-c", SERVICE, before=before) for before in (member_of(hierarchy("api")), None))
    assert (service.ask(), stranger.ask()) == ("up", "up")
    watcher = by_rules(rule_of("vadore", "api"))
    assert (service.ask("100"), stranger.ask("300")) == ("done", "done")
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.end() == 0
    unattributed = [record for record in recorded(home) if record.kind == KIND_UNATTRIBUTED]
    assert sum(record.cpu_ns for record in unattributed) / 1e6 >= 550  # the host counts in ticks of 10 ms
    assert sum(record.energy_microjoules["cpu"] or 0 for record in unattributed) > 0
    assert {record.share_claimed for record in recorded(home)} == {1.0}


def test_rules_and_other_watchers_refuse_each_others_groups(
    hierarchy: Callable[[str], Path],
    start: Callable[..., Process],
    watch: Callable[..., Process],
    by_rules: Callable[..., Process],
) -> None:
    mine, theirs = hierarchy("api-1"), hierarchy("api-2")
    service = start(sys.executable, "-c", SERVICE, before=member_of(mine))
    assert service.ask() == "up"
    watch(cgroup=str(theirs))
    watcher = by_rules(rule_of("vadore", "api-*"))
    assert "shares processes with" in watcher.ask()
    assert watcher.ask() == "rule 1 (vadore, inference): 1 control group"
    assert f"shares processes with 'cgroup {mine}', which is watched already" in refusal(cgroup=str(mine))
    assert f"shares processes with 'cgroup {mine}', which is watched already" in refusal(pid=service.pid)
    second = by_rules(rule_of("vadore", "api-*"))
    assert second.process.communicate(timeout=600)[0] == ""
    assert second.process.returncode == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seconds": 0}, "seconds = 0: give more than 0"), ({}, "it holds no rule")],
)
def test_rules_that_cannot_be_watched_are_refused(tmp_path: Path, home: Path, options: dict[str, Any], message: str) -> None:
    (tmp_path / "rules.toml").touch()
    with pytest.raises(UsageError, match=message):
        watch_by_rules(tmp_path / "rules.toml", settings=load_settings(), tell=print, **options)
    assert not home.exists()

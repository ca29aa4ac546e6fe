"""The group of a process is told from its launcher's variables: equal for all ranks of a job, and for none of another job."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ecoia
from ecoia.instrument import following, groups
from ecoia.instrument.groups import group_problem, linked_ids, outside_run
from ecoia.instrument.mlflow_run import Run
from ecoia.instrument.start import StartReadings
from ecoia.measuring.subject import Link
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from support.quiet_engine import QuietEngine

ELASTIC = "8f6b8b5e-3d0a-4b53-9d7b-6a2f60d7f0a1"
JOBS = {
    "torchrun": {"WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": ELASTIC, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
    "torchrun without an id": {"WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "node-1", "MASTER_PORT": "1"},
    "torch by hand": {"WORLD_SIZE": "2", "MASTER_ADDR": "node-1", "MASTER_PORT": "1"},
    "MPI": {"OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "prterun-1@1", "OMPI_MCA_ess_base_jobid": ""},
    "SLURM": {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"},
}
RANK = {"torchrun": "RANK", "torchrun without an id": "RANK", "torch by hand": "LOCAL_RANK", "MPI": "OMPI_COMM_WORLD_RANK"}


@pytest.fixture(autouse=True)
def neither_launcher_nor_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mlflow", *groups._STARTERS):  # other tests may have started processes
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(following, "root_runs", {})
    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMI_", "PMIX_", "MASTER_", "TORCHELASTIC_")) or name in (
            "WORLD_SIZE",
            "RANK",
            "LOCAL_RANK",
        ):
            monkeypatch.delenv(name)


def run_in(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str | None:
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return outside_run()


def test_a_process_of_its_own_belongs_to_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outside_run() is None
    assert linked_ids() == []
    alone = {"WORLD_SIZE": "1", "RANK": "0", "OMPI_COMM_WORLD_SIZE": "1", "SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}
    assert run_in(monkeypatch, **alone) is None, "a batch script of SLURM runs once, whatever was reserved"
    assert run_in(monkeypatch, WORLD_SIZE="two", RANK="0") is None


@pytest.mark.parametrize("job", JOBS)
def test_the_ranks_of_a_job_have_one_group_and_another_job_has_another(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    variables, rank = JOBS[job], RANK.get(job, "SLURM_PROCID")
    first, second = (run_in(monkeypatch, **variables, **{rank: number}) for number in "01")
    assert first is not None
    assert second is not None
    assert first.startswith("ecoia-group-")
    assert (first.removesuffix("-0"), first[-2:], second[-2:]) == (second.removesuffix("-1"), "-0", "-1")
    other = {name: "3" + value for name, value in variables.items() if name not in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS")}
    assert run_in(monkeypatch, **variables | other | {rank: "0"}) not in (first, None)
    again = run_in(monkeypatch, **variables, **{rank: "0"}, TORCHELASTIC_RESTART_COUNT="1")
    assert again == first + (".1" if "torch" in job else ""), "restarted ranks keep their group"


def test_a_unique_id_of_torchrun_alone_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other launchers of PyTorch choose a new port when they restart the ranks."""
    job = JOBS["torchrun"]
    assert run_in(monkeypatch, **job, RANK="0") == run_in(monkeypatch, **job | {"MASTER_PORT": "2"}, RANK="0")


def test_a_remote_worker_gets_the_run_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_in(monkeypatch, ECOIA_GROUP="4f0c1d2e", WORLD_SIZE="2", RANK="1") == "4f0c1d2e"
    for illegal in ("", "a run", "x" * 300, "run\n"):
        assert run_in(monkeypatch, ECOIA_GROUP=illegal) is None
        monkeypatch.setenv("ECOIA_GROUP", illegal)
        assert "give the run's id" in str(group_problem())
    monkeypatch.setenv("ECOIA_GROUP", "4f0c1d2e")
    assert group_problem() is None


def test_the_session_of_ecoia_run_is_linked_beside_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (JOBS["torchrun"] | {"RANK": "1", "ECOIA_SESSION": "ecoia-1f2e"}).items():
        monkeypatch.setenv(name, value)
    group, session = linked_ids()
    assert group == outside_run()
    assert session == "ecoia-1f2e"
    monkeypatch.setenv("ECOIA_SESSION", "4f0c1d2e")  # the command works for a run of its own
    assert linked_ids() == [group]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_and_their_parent_have_one_group(method: str) -> None:
    program = f"""
import multiprocessing
from ecoia.instrument.groups import linked_ids, outside_run
def tell(queue): queue.put((outside_run(), linked_ids()))
if __name__ == "__main__":
    print(outside_run(), linked_ids())
    context = multiprocessing.get_context({method!r})
    queue = context.Queue()
    child = context.Process(target=tell, args=(queue,))
    child.start()
    print(queue.get(), outside_run(), linked_ids())
    child.join()
"""
    path = Path("program.py").absolute()
    path.write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, timeout=600)
    before, after = done.stdout.splitlines()
    assert before == "None []"
    group = after.partition("'")[2].partition("'")[0]
    assert group.startswith("ecoia-group-")
    assert after == f"({group!r}, [{group!r}]) None [{group!r}]", "the parent's own work stays its session's"


def looks_at(engine: QuietEngine) -> ThisProcess:
    return ThisProcess(engine, StartReadings(), "ecoia-session", load_settings())


def test_spans_outside_runs_are_recorded_for_the_group(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher may set its variables in the middle of the program: what was read before stays in the session."""
    process = looks_at(engine)
    with ecoia.track(service="ddp", phase="training"):
        (before,) = process.look(time.perf_counter_ns()).deltas
        for name, value in (JOBS["torchrun"] | {"RANK": "1"}).items():
            monkeypatch.setenv(name, value)
        (after,) = process.look(time.perf_counter_ns()).deltas
    assert (before.run_id, after.run_id) == ("ecoia-session", outside_run())
    monkeypatch.setenv("ECOIA_GROUP", "4f0c1d2e")
    with ecoia.track(service="ddp", phase="training"), ecoia.track(service="ddp"):
        keys = process.look(time.perf_counter_ns()).deltas
    assert {(key.phase, key.run_id) for key in keys} == {("training", "4f0c1d2e"), ("inference", None)}


def test_each_link_is_told_once(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (JOBS["torchrun"] | {"RANK": "0", "ECOIA_SESSION": "ecoia-1f2e"}).items():
        monkeypatch.setenv(name, value)
    process = looks_at(engine)
    with ecoia.track(service="ddp", phase="training"):
        assert process.look(time.perf_counter_ns()).links == [], "no run has begun"
    with ecoia.track(service="ddp", phase="training", run_id="run-1"):
        links = process.look(time.perf_counter_ns()).links
        assert set(links) == {Link(str(outside_run()), "run-1", None), Link("ecoia-1f2e", "run-1", None)}
        assert process.look(time.perf_counter_ns()).links == []


def test_a_run_that_was_heard_to_begin_at_the_root_is_linked_alone(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of a thousand trials says nothing more than its root."""
    monkeypatch.setenv("ECOIA_SESSION", "ecoia-1f2e")
    monkeypatch.setattr(following, "root_runs", {"root": Run("root", "sqlite:///a.db")})
    process = looks_at(engine)
    with ecoia.track(service="ddp", phase="training", run_id="trial"):
        assert process.look(time.perf_counter_ns()).links == [Link("ecoia-1f2e", "root", "sqlite:///a.db")]


def test_the_ranks_below_one_proxy_of_mpich_have_one_group_with_their_children(tmp_path: Path) -> None:
    """MPICH and Intel MPI name no job: the process that starts the ranks tells it."""
    proxy = tmp_path / "hydra_pmi_proxy"
    proxy.symlink_to(sys.executable)
    ask = "from ecoia.instrument.groups import outside_run; print(outside_run(), flush=True)"
    rank = f"{ask}\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', {ask!r}])"
    start = "import os, subprocess, sys\n" + "".join(
        f"subprocess.run([{sys.executable!r}, '-c', {rank!r}], env=os.environ | {{'PMI_SIZE': '2', 'PMI_RANK': '{number}'}})\n"
        for number in range(2)
    )
    jobs = [subprocess.run([proxy, "-c", start], capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    (first, below_first, second, below_second), other = jobs
    assert first.startswith("ecoia-group-")
    assert (first[-2:], second[-2:]) == ("-0", "-1")
    assert (first, second) == (below_first, below_second), "what a rank starts is of its job"
    assert first[:-2] == second[:-2]
    assert other[0][:-2] != first[:-2]


def test_without_a_proxy_above_it_a_rank_of_mpich_is_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_in(monkeypatch, PMI_SIZE="2", PMI_RANK="0") is None

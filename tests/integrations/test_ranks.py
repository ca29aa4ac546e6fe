"""Real ranks and children: what they do belongs to the run that one of them began, and every joule is in the journal once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from ecoia.delivery.deliver import deliver
from ecoia.keeping.journal import Journal
from ecoia.records import Record
from ecoia.semconv import KIND_LINK, KIND_SPAN
from support.deliveries import api, configured, ledger, view_runs
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.programs import BURN, recorded

__all__ = ["migrated", "tracking_uri"]  # fixtures

pytestmark = [pytest.mark.mlflow, pytest.mark.long, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

JOB_SECONDS = 240
"""Most time for the two jobs, which take 20 s on a quiet machine."""

DDP = (
    """
import os, pathlib, sys
import ecoia
ecoia.autolog(service="ddp")
rank, restarted = int(os.environ["RANK"]), len(sys.argv) > 1
"""
    + BURN
    + """
if restarted and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    met = pathlib.Path("met")
    if rank == 0:
        met.touch()
        time.sleep(600)
    while not met.exists():
        time.sleep(0.02)
    burn(200)
    ecoia.flush(60)
    os._exit(3)
if not restarted:
    import torch.distributed
    torch.distributed.init_process_group("gloo")
if rank == 0:
    import mlflow
    run = mlflow.start_run()
    burn(300)
    mlflow.end_run()
    print("run", run.info.run_id)
else:
    burn(600)
if not restarted:
    value = torch.ones(1)
    torch.distributed.all_reduce(value)
    assert value.item() == 2
    torch.distributed.destroy_process_group()
"""
)
"""Only rank 0 imports MLflow, as in most scripts. With an argument, rank 1 fails the first time.

The ranks of that job meet by a file. PyTorch's launcher keeps the addresses of a process group over a restart, and the ranks that
it starts again may take them for each other's: then they fail, or wait for half an hour for a connection, without ecoia as well.
"""

TRAIN = (
    """
import multiprocessing, sys
import ecoia
"""
    + BURN
    + """
@ecoia.track(service="vadore", phase="training")
def part():
    burn(400)
if __name__ == "__main__":
    import mlflow
    with mlflow.start_run() as run:
        child = multiprocessing.get_context("spawn").Process(target=part)
        child.start()
        burn(200)
        child.join()
    print("run", run.info.run_id)
"""
)


@pytest.fixture
def torchrun(repository: Path) -> Path:
    found = repository / ".venv-hosts" / "bin" / "torchrun"
    if not found.exists():
        pytest.skip("PyTorch is not there: 'make .venv-hosts/.stamp' installs it")
    return found


def finish(job: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a job and return what it printed. One that hangs is ended with its ranks, which say where they are."""
    try:
        return job.communicate(timeout=JOB_SECONDS)
    except subprocess.TimeoutExpired:
        job.send_signal(signal.SIGSTOP)  # it would start them again
        ranks = psutil.Process(job.pid).children(recursive=True)
        for rank in ranks:
            rank.send_signal(signal.SIGABRT)  # faulthandler prints the stack of each thread
        psutil.wait_procs(ranks, timeout=10)
        job.kill()
        output, errors = job.communicate()
        pytest.fail(f"a job of two ranks hangs:\n{output}\n{errors[-8000:]}")


def microjoules(records: Iterable[Record]) -> int:
    return sum(energy for record in records for energy in record.energy_microjoules.values() if energy is not None)


def cpu_by_run(records: Iterable[Record]) -> Counter[str]:
    found: Counter[str] = Counter()
    for record in records:
        if record.kind == KIND_SPAN:
            found[str(record.run_id)] += record.cpu_ns
    return found


def shown_microjoules(uri: str, run_id: str) -> int:
    return round(api(uri).get_run(run_id).data.metrics["ecoia/energy_wh"] * 3.6e9)


@pytest.mark.timeout(600)
def test_two_jobs_of_two_ranks_at_once_each_add_up_in_their_own_run(home: Path, tracking_uri: str, torchrun: Path) -> None:
    """In one of them a rank fails, and the launcher starts both ranks again."""
    Path("ddp.py").write_text(DDP, encoding="utf-8")
    command = [str(torchrun), "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "ddp.py"]
    jobs = [
        subprocess.Popen(
            [*command, *more],
            env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for more in ([], ["fails"])
    ]
    said = [finish(job) for job in jobs]
    for job, (_, errors) in zip(jobs, said, strict=True):
        assert job.returncode == 0, errors
    runs = [output.split()[1] for output, _ in said]
    deliver(Journal(home), configured())  # it also takes in what the killed rank 0 left
    records = recorded(home)
    links = {record.beside: str(record.run_id) for record in records if record.kind == KIND_LINK}
    assert links.keys() == set(runs)
    groups = [links[run].rpartition("-")[0] for run in runs]
    assert len(set(groups)) == 2
    members = {str(record.run_id) for record in records if str(record.run_id).startswith("ecoia-")}
    assert members >= {f"{groups[0]}-{rank}" for rank in (0, 1)}
    assert members >= {f"{groups[1]}-1", *(f"{groups[1]}-{rank}.1" for rank in (0, 1))}
    assert all(member.startswith(tuple(groups)) for member in members), "nothing was left in a session of its own"
    cpu = cpu_by_run(records)
    assert all(cpu[run] >= 0.3e9 for run in runs)
    assert cpu[f"{groups[0]}-1"] >= 0.6e9
    assert cpu[f"{groups[1]}-1"] >= 0.2e9
    for run, group in zip(runs, groups, strict=True):
        of_job = [record for record in records if record.run_id == run or str(record.run_id).startswith(group)]
        assert shown_microjoules(tracking_uri, run) == microjoules(of_job)
        assert "It ran in 2 ranks." in api(tracking_uri).get_run(run).data.tags["mlflow.note.content"]
    assert view_runs(tracking_uri, "ddp") == [], "no rank has a run of ecoia's beside"
    beside = [record for record in records if record.kind != KIND_SPAN]
    total = sum(shown_microjoules(tracking_uri, run) for run in runs) + microjoules(beside)
    assert total == microjoules(records)
    rows = ledger(tracking_uri)
    assert total == sum(sum(filter(None, row["energy_microjoules"].values())) for row in rows)
    outcomes = {str(record.run_id): record.outcome for record in records if record.outcome}
    killed = {f"{groups[1]}-0", f"{groups[1]}-1"}
    assert {outcomes[run_id] for run_id in outcomes.keys() - killed} == {"ok"}, "no rank was taken for a killed one"


@pytest.mark.timeout(600)
def test_a_command_and_a_child_of_multiprocessing_are_shown_with_the_one_run(home: Path, tracking_uri: str) -> None:
    """What the command does outside its run stays the session's, and stands on the run beside its figures."""
    Path("train.py").write_text(TRAIN, encoding="utf-8")
    ecoia = [sys.executable, "-m", "ecoia", "run", "--service", "vadore", "--phase", "training", "--"]
    done = subprocess.run(
        [*ecoia, sys.executable, "train.py"],
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = done.stdout.split()[1]
    records = recorded(home)
    by_run = {run_id: [r for r in records if r.run_id == run_id and r.kind == KIND_SPAN] for run_id in cpu_by_run(records)}
    (group,) = [run_id for run_id in by_run if run_id.startswith("ecoia-group-")]
    (session,) = by_run.keys() - {run, group}
    assert {(r.run_id, r.beside) for r in records if r.kind == KIND_LINK} == {(group, run), (session, run)}
    cpu = cpu_by_run(records)
    assert cpu[run] >= 0.2e9
    assert cpu[group] >= 0.4e9
    deliver(Journal(home), configured())
    metrics = api(tracking_uri).get_run(run).data.metrics
    assert shown_microjoules(tracking_uri, run) == microjoules([*by_run[run], *by_run[group]])
    assert round(metrics["ecoia/outside_wh"] * 3.6e9) == microjoules(by_run[session])
    assert view_runs(tracking_uri, "vadore") == []
    total = shown_microjoules(tracking_uri, run) + round(metrics["ecoia/outside_wh"] * 3.6e9)
    assert total + microjoules(r for r in records if r.kind != KIND_SPAN) == microjoules(records)

"""The group of this process: the ranks of one distributed job, or a program and its ``multiprocessing`` children.

Work of a member outside any MLflow run is recorded under a run id that names the group (``semconv.GROUP_RUN``). Delivery shows it
with the run that one of the members began. Only the launcher's environment variables are read.
"""

from __future__ import annotations

import os
import sys

from ecoia.semconv import GROUP_RUN, OWN_RUN, SESSION_VARIABLE

GROUP_VARIABLE = "ECOIA_GROUP"
"""Environment variable that gives a remote worker (Ray, Spark) the id of the MLflow run that its work belongs to."""

_STARTERS = (
    *(f"multiprocessing.popen_{name}" for name in ("fork", "spawn_posix", "forkserver", "spawn_win32")),
    *(f"{loky}.backend.popen_loky_{system}" for loky in ("loky", "joblib.externals.loky") for system in ("posix", "win32")),
)
"""Modules that ``multiprocessing`` and loky load when they start their first process."""

_RUN_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_MOST_RUN_ID_CHARACTERS = 256

_HYDRA_PROXY = b"hydra_pmi_proxy"
"""Name of the process below which MPICH and Intel MPI start their ranks of one host."""

_known: dict[tuple[str, ...], str] = {}  # what identifies a group -> its run id
_proxies: dict[int, tuple[str, ...] | None] = {}  # by process id, as a fork copies the dict


def outside_run() -> str | None:
    """Return the run id of what this process does outside any MLflow run; None: its own session stands for a run.

    Ask again later: some launchers set the variables in the middle of the program.

    Example:
        >>> outside_run() is None  # this process is no rank
        True
    """
    variables = os.environ
    given = variables.get(GROUP_VARIABLE)
    if given is not None and is_run_id(given):
        return given
    size, rank = variables.get("WORLD_SIZE"), variables.get("RANK") or variables.get("LOCAL_RANK")
    if size is not None and _is_several(size):
        return _run_of(_torch_job(variables), rank or "0", variables.get("TORCHELASTIC_RESTART_COUNT", "0"))
    if _is_several(variables.get("OMPI_COMM_WORLD_SIZE")):
        job = ("mpi", *(variables.get(name, "") for name in ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid")))
        return _run_of(job, variables.get("OMPI_COMM_WORLD_RANK", "0"))
    if variables.get("SLURM_STEP_ID") and _is_several(variables.get("SLURM_STEP_NUM_TASKS") or variables.get("SLURM_NTASKS")):
        job = ("slurm", *(variables.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID")))
        return _run_of(job, variables.get("SLURM_PROCID", "0"))
    if _is_several(variables.get("PMI_SIZE")) and (proxy := _hydra_proxy()) is not None:
        return _run_of(("hydra", *proxy), variables.get("PMI_RANK", "0"))
    processes = sys.modules.get("multiprocessing.process")
    parent = None if processes is None else processes.parent_process()
    return None if parent is None else _run_of(("multiprocessing", *_process(parent.pid)), "")


def group_problem() -> str | None:
    """Return what is wrong with ``ECOIA_GROUP``, and the remedy; None where it is legal or not set.

    Example:
        >>> group_problem() is None
        True
    """
    given = os.environ.get(GROUP_VARIABLE)
    if given is None or is_run_id(given):
        return None
    return f"{GROUP_VARIABLE} = {given[:80]!r} names no MLflow run, and is left out: give the run's id, as run.info.run_id"


def linked_ids() -> list[str]:
    """Return the ids whose rows belong beside the root runs that this process begins: its group, and ``ecoia run``'s session.

    The example is not run, because the result depends on whether this process has started others.

    Example:
        >>> linked_ids()  # doctest: +SKIP
        ['ecoia-group-5d0c3f8a9b7e6d21-0']
    """
    ids = []
    outside = outside_run()
    if outside is None and any(name in sys.modules for name in _STARTERS):
        outside = _run_of(("multiprocessing", *_process(os.getpid())), "")
    if outside is not None and outside.startswith(GROUP_RUN):
        ids.append(outside)
    session = os.environ.get(SESSION_VARIABLE)
    if session is not None and is_run_id(session) and session.startswith(OWN_RUN):
        ids.append(session)
    return ids


def helpers_of(run_id: str) -> str:
    """Return the run id of the processes that work for an MLflow run of another process, and are measured from outside.

    It is the same on every host. It is not the run's own id, because nobody outside can say how the run ended.

    Example:
        >>> helpers_of("4f0c1d2e")
        'ecoia-group-cc03bd0b07c00fb3'
    """
    return _run_of(("helpers", run_id), "")


def is_run_id(text: str) -> bool:
    """Return whether a text can be the id of a run, MLflow's or ours.

    Example:
        >>> is_run_id("4f0c1d2e"), is_run_id("a run")
        (True, False)
    """
    return 0 < len(text) <= _MOST_RUN_ID_CHARACTERS and _RUN_ID_CHARACTERS.issuperset(text)


def _is_several(number: str | None) -> bool:
    return number is not None and number.isdecimal() and int(number[:9]) > 1


def _torch_job(variables: os._Environ[str]) -> tuple[str, ...]:
    """Return what the ranks of one ``torchrun`` have in common, also after some of them were restarted.

    Its id is a UUID, unless a user chose it or it is "none". Then the address tells two jobs apart; where such a job gets another
    port at a restart (``TORCH_DISABLE_SHARE_RDZV_TCP_STORE``), its ranks are another group from then on.
    """
    job, address, port = (variables.get(name, "") for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT"))
    is_unique = len(job) == 36 and job.count("-") == 4
    return ("torch", job) if is_unique else ("torch", job, address, port)


def _hydra_proxy() -> tuple[str, ...] | None:
    """Return what tells the process that started the ranks of one MPICH or Intel MPI job on this host; None where there is none.

    These launchers set no variable that names the job.
    """
    pid = os.getpid()
    if pid not in _proxies:
        from ecoia.processes.proc import ancestors_of, listed_pid, read_file

        above = (each for each, _ in ancestors_of(listed_pid()))
        found = next((each for each in above if (read_file(f"/proc/{each}/comm") or b"").strip() == _HYDRA_PROXY), None)
        _proxies[pid] = None if found is None else _process(found)
    return _proxies[pid]


def _process(pid: int | None) -> tuple[str, ...]:
    """Return what tells a process from a later one that gets its number."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            began = file.read().rpartition(b")")[2].split()[19].decode()
        return _boot(), str(pid), began
    except (OSError, IndexError, ValueError):
        return "", str(pid), ""


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _run_of(job: tuple[str, ...], rank: str, restarts: str = "0") -> str:
    """Return the run id of a member of a job. The rank keeps the figures of the members apart.

    So does the number of restarts: after each, the ranks begin a run again, and what they do from then on belongs to that one.
    """
    group = _known.get(job)
    if group is None:
        import hashlib  # in ranks only

        group = _known[job] = GROUP_RUN + hashlib.blake2b("\0".join(job).encode(), digest_size=8).hexdigest()
    if not rank.isdecimal():
        return group
    return f"{group}-{rank}.{restarts}" if restarts.strip("0").isdecimal() else f"{group}-{rank}"

"""Real hosts, each in its own process: servers, notebooks, test runners, pools. None of them behaves differently."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.programs import BURN, recorded, run_python, spans_of
from support.records import losses_of_ours
from support.servers import GUNICORN, UVICORN, Server

pytestmark = pytest.mark.long

SPANS = int(os.environ.get("SOAK_SPANS", "300000"))
"""Number of spans while memory is watched; ``make soak`` sets ten million."""


# --- servers -----------------------------------------------------------------------------------------------------------

WSGI = """
import ecoia

@ecoia.track(service="scorer", units=1)
def score():
    return str(sum(range(1000))).encode()

score()  # a warm-up, which runs before the fork with preload_app

def application(environ, start_response):
    body = score()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

ASGI = """
import ecoia
from ecoia_integrations.asgi import ImpactMiddleware
from fastapi import FastAPI

application = FastAPI()
application.add_middleware(ImpactMiddleware, service="scorer")

@application.get("/")
def score():  # Starlette runs it in a thread
    ecoia.current().units(1)
    return sum(range(1000))
"""


def requests_recorded(home: Path) -> tuple[int, int]:
    """(spans, processes that wrote some) of the service; each span delivered its unit, and nothing was lost."""
    records = [record for record in recorded(home) if record.service == "scorer"]
    spans = sum(record.spans for record in records)
    assert sum(record.units_micro or 0 for record in records) == spans * 1_000_000
    assert not losses_of_ours(recorded(home))
    return spans, len({record.pid for record in records})


@pytest.mark.parametrize("preload", [True, False], ids=["preload_app", "no preload_app"])
def test_every_request_that_gunicorn_answers_is_a_span(home: Path, serve: Callable[..., Server], preload: bool) -> None:
    """Workers are replaced after some requests, and the server is reloaded in the middle and then stopped."""
    server = serve(WSGI, *GUNICORN, "--max-requests", "40", *(["--preload"] if preload else []))
    answered = server.answered(200)
    server.process.send_signal(signal.SIGHUP)
    answered += server.answered(100)
    server.stop()
    spans, processes = requests_recorded(home)
    assert processes >= 5
    assert answered >= 200
    # The warm-up ran once in the master, or once in each process that imported the application.
    warm_ups = 1 if preload else processes
    assert answered <= spans - warm_ups <= 300


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(UVICORN, id="uvicorn"),
        pytest.param(
            (*GUNICORN, "--worker-class", "uvicorn.workers.UvicornWorker"),
            id="gunicorn with uvicorn's workers",
            marks=pytest.mark.skipif(find_spec("uvicorn.workers") is None, reason="this uvicorn has no workers for gunicorn"),
        ),
    ],
)
def test_every_request_that_uvicorn_answers_is_a_span(home: Path, serve: Callable[..., Server], command: tuple[str, ...]) -> None:
    server = serve(ASGI, *command)
    assert server.answered(200) == 200
    server.stop()
    spans, processes = requests_recorded(home)
    assert spans == 200
    assert 1 <= processes <= 2


# --- notebooks ---------------------------------------------------------------------------------------------------------

CELLS = (
    """import asyncio, os, time
import ecoia

@ecoia.track(service="notebook", phase="training", units=1)
def train(n):
    print("training", n)
    return n * n""",
    "train(3)",
    """with ecoia.track(service="notebook", phase="evaluation") as span:
    span.units(1)
    display({"evaluated": True})""",
    """@ecoia.track(service="notebook", units=1)
async def predict():
    await asyncio.sleep(0.01)
    return "predicted"

await predict()""",
    "await asyncio.gather(*(predict() for _ in range(10)))",
    """print("waiting")
with ecoia.track(service="notebook", phase="training") as span:
    span.units(1)
    time.sleep(600)  # interrupted""",
    "train(4) + 1",
    "ecoia.flush()",
)


def outputs_of(folder: Path) -> list[object]:
    """Run the cells in a real kernel, restarted once and then shut down, and return the output that a reader sees."""
    import nbclient
    import nbformat
    from jupyter_core.utils import run_sync

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    restarted = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS[:2]])
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        allow_errors=True,
        interrupt_on_timeout=True,
        timeout_func=lambda cell: 3 if "interrupted" in cell.source else 60,
    )
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
        run_sync(client.km.restart_kernel)()
        run_sync(client.kc.wait_for_ready)(60)
        client.nb = restarted
        for number, cell in enumerate(restarted.cells):
            client.execute_cell(cell, number)
    seen: list[object] = []
    for cell in (*notebook.cells, *restarted.cells):
        for output in cell.outputs:
            seen.append(output.get("text") or output.get("data") or (output["ename"], output["evalue"]))
    return seen


def test_a_notebook_shows_what_it_would_without_us_and_keeps_its_records(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells with a decorator, blocks, coroutines and an interrupt; a restart in the middle."""
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    measured = outputs_of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("ECOIA_DISABLED", "1")
        bare = outputs_of(tmp_path)
    assert measured == bare
    assert ("KeyboardInterrupt", "") in measured
    assert {"text/plain": "17"} in measured
    units: Counter[str | None] = Counter()
    for record in recorded(home):
        units[record.phase] += (record.units_micro or 0) // 1_000_000
    assert units == {"training": 1 + 1 + 1 + 1, "evaluation": 1, "inference": 1 + 10, None: 0}
    assert len({record.pid for record in recorded(home)}) == 2


# --- test runners and strict interpreters -------------------------------------------------------------------------------

SUITE = """
import asyncio, os, subprocess, sys, threading
import ecoia
import pytest

@ecoia.track(service="tested", units=1)
def work(n):
    return n * n

@pytest.mark.parametrize("n", range(20))
def test_a_call(n):
    assert work(n) == n * n

def test_an_exception():
    with pytest.raises(ZeroDivisionError), ecoia.track(service="tested"):
        1 / 0

def test_a_thread():
    before = threading.active_count()
    thread = threading.Thread(target=work, args=(2,))
    thread.start()
    thread.join()
    assert threading.active_count() == before

def test_coroutines():
    @ecoia.track(service="tested", units=1)
    async def coroutine():
        await asyncio.sleep(0)
    async def main():
        await asyncio.gather(*(coroutine() for _ in range(5)))
    asyncio.run(main(), debug=True)

def test_output(capfd, caplog, recwarn):
    work(1)
    assert ecoia.flush(60)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn

def test_in_a_process_of_its_own():
    # Like pytest-forked: the rest of the test runs in a fork, which ends with os._exit.
    pid = os.fork()
    if pid == 0:
        work(3)
        os._exit(0 if ecoia.flush() else 1)
    assert os.waitpid(pid, 0)[1] == 0

def test_in_another_interpreter():
    source = "import ecoia\\nwith ecoia.track(service='tested') as span: span.units(1)"
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", source], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
"""


def test_a_test_suite_has_nothing_to_complain_of(home: Path, tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "pytest", "-q", "-W", "error", "-pno:cacheprovider", "-pno:randomly", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    assert "26 passed" in done.stdout
    assert "warning" not in done.stdout
    records = recorded(home)
    assert sum(record.units_micro or 0 for record in records) == (20 + 1 + 5 + 1 + 1 + 1) * 1_000_000
    assert len({record.pid for record in records}) == 3
    assert spans_of(home)["tested"] == 20 + 1 + 1 + 5 + 1 + 1 + 1


STRICT = f"""
import asyncio, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor
import ecoia
{BURN}
work = ecoia.track(service="strict")(burn)

@ecoia.track(service="strict")
async def coroutine():
    await asyncio.to_thread(work, 1)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    assert await process.wait() == 0

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # how long a step waits for a busy machine is no complaint
    async with ecoia.track(service="strict"):
        await asyncio.gather(*(coroutine() for _ in range(3)))

with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, [1] * 20))
asyncio.run(main())
with ecoia.track(service="strict"):
    subprocess.run([sys.executable, "-c", "pass"], check=True)
threading.Thread(target=work, args=(1,)).start()
"""


def test_the_strictest_interpreter_has_nothing_to_say(home: Path) -> None:
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", STRICT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["strict"] == 20 + 3 + 3 + 1 + 1 + 1


# --- pools of processes ------------------------------------------------------------------------------------------------

WORK = """
import ecoia
@ecoia.track(service="worker", phase="evaluation", units=1)
def work(n):
    return n * n
"""

POOLS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import ecoia
sys.path.insert(0, sys.argv[3])
from work import work
if __name__ == "__main__":
    method, kind = sys.argv[1:3]
    context = multiprocessing.get_context(method)
    with ecoia.track(service="main", phase="evaluation"):
        if kind == "Pool":
            pool = context.Pool(2)
            squares = pool.map(work, range(20), chunksize=1)
            pool.close()
            pool.join()
        else:
            with ProcessPoolExecutor(2, mp_context=context) as executor:
                squares = list(executor.map(work, range(20)))
    assert squares == [n * n for n in range(20)]
"""


@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_spans_of_pooled_processes_are_recorded(home: Path, tmp_path: Path, method: str, kind: str) -> None:
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    done = run_python(POOLS, method, kind, str(tmp_path))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home) == {"worker": 20, "main": 1, None: 0}
    assert 2 <= len({record.pid for record in recorded(home)}) <= 3  # one worker may have done all the work


# --- what a program set up for itself ------------------------------------------------------------------------------------

SNAPSHOT = """
import asyncio, atexit, decimal, faulthandler, gc, json, locale, logging, os, random, resource, signal, socket, sys, threading
import time, tracemalloc, warnings

seen = []
reader, writer = socket.socketpair()
reader.setblocking(False); writer.setblocking(False)
def handler(number, frame): seen.append(signal.Signals(number).name)
for name in ("SIGTERM", "SIGINT", "SIGCHLD", "SIGALRM", "SIGUSR1"):
    signal.signal(getattr(signal, name), handler)
signal.set_wakeup_fd(writer.fileno())
faulthandler.enable(file=sys.stdout)
forks = []
for when in ("before", "after_in_parent", "after_in_child"):
    os.register_at_fork(**{when: lambda when=when: forks.append(when)})
def hook(*arguments): print("hook:", arguments[-1] if isinstance(arguments[-1], str) else "thread or main", flush=True)
sys.excepthook = threading.excepthook = hook
atexit.register(print, "the host's own exit handler")
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
logging.getLogger("codecarbon").setLevel(logging.DEBUG)
logging.getLogger("codecarbon").addFilter(lambda record: True)
warnings.simplefilter("always", UserWarning)
random.seed(20261125)
decimal.getcontext().prec = 7
os.umask(0o027)
gc.set_threshold(500, 5, 5)
threading.stack_size(1 << 20)

def snapshot():
    loggers = [logging.getLogger(name) for name in ("", "codecarbon", "ecoia", "urllib3", "py.warnings")]
    facts = {
        "signals": {n.name: getattr(signal.getsignal(n), "__name__", str(signal.getsignal(n))) for n in signal.Signals},
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "timer": signal.getitimer(signal.ITIMER_REAL)[1],
        "wakeup": signal.set_wakeup_fd(writer.fileno()) == writer.fileno(),
        "faulthandler": faulthandler.is_enabled(),
        "hooks": [h.__name__ for h in (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook)],
        "tracing": [str(f) for f in (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile())],
        "asyncgen": str(sys.get_asyncgen_hooks()),
        "logging": [(l.name, l.level, l.propagate, l.disabled, len(l.handlers), len(l.filters)) for l in loggers],
        "logging of all": (logging.root.manager.disable, logging.getLoggerClass().__name__, logging.raiseExceptions),
        "warnings": [str(f) for f in warnings.filters] + [warnings.showwarning.__module__],
        "gc": (gc.isenabled(), gc.get_threshold(), len(gc.callbacks), gc.get_freeze_count()),
        "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_AS)],
        "process": (os.getcwd(), os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)), os.getpgrp()),
        "umask": os.umask(0o027),
        "environment": sorted(name for name in os.environ if name != "ECOIA_DISABLED"),
        "paths": (sys.path, len(sys.meta_path), len(sys.path_hooks)),
        "interpreter": (sys.getrecursionlimit(), sys.getswitchinterval(), sys.get_coroutine_origin_tracking_depth()),
        "random": random.random(),
        "decimal": str(decimal.getcontext()),
        "locale": locale.setlocale(locale.LC_ALL),
        "sockets": socket.getdefaulttimeout(),
        "threads": (threading.stack_size(), tracemalloc.is_tracing()),
        "loop": type(asyncio.get_event_loop_policy()).__name__,
    }
    print(json.dumps(facts, indent=0), flush=True)

import ecoia
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
snapshot()

@ecoia.track(service="host", phase="training")
def region():
    logging.getLogger("host").info("in a region")
    warnings.warn("of the host")
    pid = os.fork()
    if pid == 0:
        os._exit(7 if forks[-2:] == ["before", "after_in_child"] else 1)
    print("forks:", forks, "child:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
        os.kill(os.getpid(), getattr(signal, name))
    until = time.monotonic() + 30
    while "SIGALRM" not in seen and time.monotonic() < until:
        time.sleep(0.01)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start(); thread.join()

for _ in range(2):
    region()
    ecoia.flush()

async def main():
    loop = asyncio.get_running_loop()
    print(loop.get_debug(), loop.get_task_factory(), loop.get_exception_handler(), loop.slow_callback_duration)
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "in the loop")
    async def step():
        async with ecoia.track(service="host"):
            await asyncio.sleep(0)
    task = asyncio.create_task(step(), name="a step")
    print(repr(task).partition("running at")[0])
    os.kill(os.getpid(), signal.SIGUSR1)
    while "in the loop" not in seen:
        await asyncio.sleep(0.01)
    await task
    loop.call_soon(lambda: 1 / 0)
    with ecoia.track(service="host"):
        time.sleep(0.15)  # long enough for debug mode to report it
        await asyncio.sleep(0)
    loop.remove_signal_handler(signal.SIGUSR1)
asyncio.run(main(), debug=True)
signal.set_wakeup_fd(writer.fileno())
signal.signal(signal.SIGUSR1, handler)

signal.setitimer(signal.ITIMER_REAL, 0)
woken = {signal.Signals(number).name for number in reader.recv(100_000)}
print("handled:", sorted(set(seen)), seen.count("SIGCHLD"), "children; woken for:", sorted(woken))
snapshot()
ecoia.flush()
snapshot()
raise RuntimeError("the host's own")
"""


def test_what_a_program_set_up_for_itself_is_as_without_us(home: Path) -> None:
    """Signals, hooks, forks, logging, warnings, random numbers, asyncio's debug mode: compared with an unmeasured run."""

    def said(**environment: str) -> tuple[list[str], str, int]:
        done = run_python(SNAPSHOT, **environment)
        lines = done.stdout.splitlines()
        assert any("Executing" in line for line in lines), "debug mode reports a slow callback"
        # The number of reports depends on the machine's speed, and one frame of the callback's origin that they show is ecoia's.
        return [line for line in lines if not line.startswith(("  ", "asyncio WARNING Executing"))], done.stderr, done.returncode

    measured, bare = said(), said(ECOIA_DISABLED="1")
    assert measured == bare
    assert measured[2] == 1
    assert spans_of(home)["host"] == 4


# --- many at once, and for long ----------------------------------------------------------------------------------------

CROWD = """
import random, threading, time
import ecoia
together = threading.Barrier(40)
def work(seed):
    chance = random.Random(seed)
    blocks = [ecoia.track(service=f"crowd-{chance.randrange(3)}", phase="evaluation") for _ in range(5)]
    for block in blocks:
        time.sleep(chance.random() / 50)
        block.__enter__().units(1)
    together.wait()  # 200 are in flight
    chance.shuffle(blocks)
    for block in blocks:
        time.sleep(chance.random() / 50)
        block.__exit__(None, None, None)
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(40)]
for thread in threads: thread.start()
while any(thread.is_alive() for thread in threads):
    assert ecoia.flush(60)  # windows open and close meanwhile
"""


def test_200_spans_at_once_begun_and_ended_at_random_are_all_recorded(home: Path) -> None:
    done = run_python(CROWD)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    assert sum(record.spans for record in records) == 200
    assert sum(record.units_micro or 0 for record in records) == 200_000_000
    assert not losses_of_ours(records)


MEMORY = """
import sys, threading
import ecoia

@ecoia.track(service="endless", units=1)
def call(): pass

def resident_kib():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

spans, parts = int(sys.argv[1]), 20
for part in range(parts + 1):
    for _ in range(spans // parts):
        call()
    thread = threading.Thread(target=call)  # threads come and go
    thread.start(); thread.join()
    assert ecoia.flush(60)
    print(part * (spans // parts), resident_kib(), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(3600)
def test_memory_does_not_grow_with_the_spans(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, str(SPANS)], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    sizes = [int(line.split()[1]) for line in done.stdout.splitlines()]
    print("\nspans  resident KiB", done.stdout, sep="\n")
    warm = sizes[4:]  # caches and pools of the interpreter have filled
    assert max(warm) - warm[0] < 1024, done.stdout
    assert spans_of(home)["endless"] == 21 * (SPANS // 20) + 21

"""Cost of following all services of a host: ``ecoia watch --rules`` beside a hundred pods."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness import Effort, Line, figure, interleave, run

_WATCH = """
import os, subprocess, threading, time
from pathlib import Path
from ecoia import settings
from ecoia.watching import watch as watching

root = Path("host").absolute()
top = root / "sys/fs/cgroup"

def group(folder, pids=()):
    folder.mkdir(parents=True)
    (folder / "cpu.stat").write_text("usage_usec 1000\\n")
    (folder / "cpu.max").write_text("max 100000\\n")
    (folder / "cgroup.procs").write_text("".join(f"{pid}\\n" for pid in pids))

sleepers = []
for number in range(pods):
    uid = f"{number:08x}-4b5a-6978-8a9b-0c1d2e3f4a5b"
    (root / "pods" / f"prod_api-{number}_{uid}").mkdir(parents=True)
    pod = top / "kubepods.slice" / f"kubepods-pod{uid.replace('-', '_')}.slice"
    group(pod)
    begun = [subprocess.Popen(["sleep", "600"]) for _ in range(3)]
    group(pod / f"cri-containerd-{number:064x}.scope", [each.pid for each in begun])
    sleepers += begun
for number in range(pods):
    group(top / "system.slice" / f"system{number}.service")
(top / "cgroup.controllers").write_text("cpu\\n")
rules = root / "rules.toml"
rules.write_text("".join(
    f"[[rule]]\\nservice = 's{digit}'\\nnamespace = 'prod'\\npod = 'api-{digit}*'\\n" for digit in range(10)
))

def tell(text):
    told.append(text)

def sample():
    while len(told) < 10:
        time.sleep(0.1)
    time.sleep(2)  # the first readings, and modules that are loaded once
    result["share_percent"] = []
    for _ in range(rounds):
        before_ns, start = time.process_time_ns(), time.perf_counter()
        time.sleep(seconds)
        result["share_percent"].append((time.process_time_ns() - before_ns) / (time.perf_counter() - start) / 1e7)
    os.kill(os.getpid(), 15)

told = []
threading.Thread(target=sample).start()
try:
    watching.watch_by_rules(rules, settings=settings.load(), tell=tell, pod_logs=root / "pods", root=root)
finally:
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()
"""


def watch(effort: Effort) -> Iterator[Line]:
    """Measure its CPU time beside a hundred pods of three processes and a hundred groups that no rule matches."""
    runs = interleave(effort, 1, {"ours": partial(run, _WATCH, pods=100, rounds=effort.few, seconds=10 * effort.seconds // 3)})
    yield Line(
        "own CPU of ecoia watch --rules, 100 pods of three processes",
        "% of a core",
        figure(runs["ours"], "share_percent"),
        1.0,
        note="beside them, 100 more groups that no rule matches; the groups are files in a folder, the processes are real; "
        "a write every 10 s",
    )

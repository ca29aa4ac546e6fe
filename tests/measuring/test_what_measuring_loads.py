"""What measuring loads and keeps in memory: a short script pays for imports more than for all else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ecoia
from support.programs import run_python


def test_importing_ecoia_is_lean() -> None:
    program = """
import sys
import __future__, atexit, collections.abc, contextvars, functools, threading, types
before = set(sys.modules)
import ecoia
print(sorted(set(sys.modules) - before))
"""
    done = run_python(program)
    words = ("errors", "light", "losses", "semconv")
    instrument = ("engine", "handoff", "labels", "mlflow_run", "spans", "steps", "switching", "tracking", "wrapping")
    modules = [*words, "instrument", *(f"instrument.{name}" for name in instrument)]
    assert done.stdout.strip() == str(["ecoia", *sorted(f"ecoia.{name}" for name in modules)])


MEASURING_LOADS = """
errors instances light light.instants light.json limits losses methods semconv settings units
instrument instrument.background instrument.engine instrument.groups instrument.handoff instrument.labels
instrument.mlflow_run instrument.spans instrument.start instrument.steps instrument.switching instrument.tracking
instrument.wrapping
keeping keeping.file_system keeping.held_file keeping.home_identity keeping.journal_lines keeping.journal_size
keeping.journal_writer keeping.open_windows keeping.place keeping.run_signs keeping.stream_lines
measuring measuring.allocation measuring.attribution measuring.home_locks measuring.host_share measuring.idle_split
measuring.meter_readings measuring.recent_energy measuring.recorder measuring.sampler measuring.span_sharing
measuring.new_ids measuring.subject measuring.this_process measuring.window measuring.window_records measuring.write_and_retry
meters meters.gpu meters.hardware meters.load_model meters.meter meters.nvidia_driver meters.processor meters.ram_model
meters.rapl meters.server_share meters.tdp
processes processes.families processes.notices processes.proc
records records.field_rules records.fields records.record records.record_ids records.refusals
"""
STANDARD_LOADS = """
__future__ _weakrefset collections collections.abc contextvars functools keyword operator reprlib threading types
"""


def test_measuring_loads_little_and_keeps_little_in_memory() -> None:
    """A short script pays for imports more than for all else.

    The list holds the modules that it may load, from the second process of a home on, with an interpreter that has loaded nothing
    by itself. Modules written in C cost little, and most of them are in the interpreter.
    """
    program = """
import io, os, sys  # as ``site`` does
def resident_kib():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:"))
before, resident = set(sys.modules), resident_kib()
import ecoia
with ecoia.track(service="a", phase="training"): pass
assert ecoia.flush(60)
grown = resident_kib() - resident
written = {name for name in set(sys.modules) - before if (getattr(sys.modules[name], "__file__", None) or "").endswith(".py")}
print(*sorted(written))
print(grown, file=sys.stderr)
"""
    environment = dict(os.environ, PYTHONPATH=str(Path(ecoia.__file__).parents[1]))
    for _ in range(2):  # the first one makes the home
        done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.split())
    ours = {name.removeprefix("ecoia.") for name in loaded if name.startswith("ecoia.")}
    assert ours <= set(MEASURING_LOADS.split()), "each further module costs every measured process 0.1 to 0.5 ms"
    assert loaded - {f"ecoia.{name}" for name in ours} <= {"ecoia", *STANDARD_LOADS.split()}, "see docs/performance.md"
    assert int(done.stderr) < 8 * 1024

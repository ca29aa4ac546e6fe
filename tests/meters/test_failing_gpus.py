"""GPUs that do not answer, restart, are reloaded or lost: what is missing is counted, never zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.traced  # the fake GPU library is loaded by a program

OnGpus = Callable[..., dict[str, Any]]

# --- devices that fail ---------------------------------------------------------------------------------------------


def test_a_gpu_that_does_not_answer_is_unread_not_zero_and_its_counter_fills_the_gap_later(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 100), counted(B, 0))
meter = gpu()
fake.show(counted(A, 100, error=15), counted(B, 5))
told["lost"] = [read(meter), read(meter)]
fake.show(counted(A, 107), counted(B, 6))
told["back"] = [read(meter), read(meter)]
told["resets"] = meter.lost()
""")
    assert told["lost"] == [None, None]
    assert told["back"] == [7_000 + 6_000, 0], "what the other GPU used meanwhile was kept"
    assert told["resets"] == {}


def test_a_gpu_without_a_counter_loses_the_time_without_an_answer(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(powered(A, 1_000_000), counted(B, 0))
meter = gpu()
fake.show(powered(A, None), counted(B, 3))
told["silent"] = read(meter)
time.sleep(0.2)
fake.show(powered(A, 0), counted(B, 4))
told["back"] = [read(meter), read(meter)]
""")
    assert told["silent"] is None
    assert told["back"] == [None, 4_000], "nothing to integrate from, then 0 W; the other GPU's counter catches up"


def test_a_counter_that_restarts_is_bridged_by_power_and_flagged(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 5_000_000), counted(B, 0))
before = time.perf_counter(); meter = gpu(); begun = time.perf_counter()
time.sleep(0.2)
fake.show(counted(A, 10, power_milliwatts=50_000), counted(B, 1_000))
last = time.perf_counter(); told["used"] = read(meter); end = time.perf_counter()
told["bounds"] = [50e6 * (last - begun) + 1e6, 50e6 * (end - before) + 1e6]
told["flags"] = [meter.lost(), meter.lost()]
fake.show(counted(A, 12), counted(B, 1_000))
told["next"] = read(meter)
fake.show(counted(A, 0, power_milliwatts=None), counted(B, 1_000))
told["without power"] = [read(meter), meter.lost(), read(meter)]
""")
    least, most = told["bounds"]
    assert least - 1 <= told["used"] <= most + 1
    assert told["flags"] == [{"gpu-counter-reset": 1}, {}]
    assert told["next"] == 2_000
    assert told["without power"] == [None, {"gpu-counter-reset": 1}, 0]


def test_reading_continues_after_a_driver_reload(on_gpus: OnGpus) -> None:
    """A reload makes handles and the initialisation void; a second user of NVML in the process keeps its own."""
    told = on_gpus("""
import pynvml
fake.show(counted(A, 5))
meter = gpu()
told["users"] = [pynvml._nvmlLib_refcount]
fake.show(error=9)
told["unloaded"] = [read(meter), read(meter)]
fake.show(counted(A, 8), generation=1)
told["loaded"] = [read(meter), read(meter)]
told["users"].append(pynvml._nvmlLib_refcount)
fake.show(counted(A, 9), generation=1)
told["on"] = read(meter)
""")
    assert told["unloaded"] == [None, None]
    assert told["loaded"] == [None, 3_000]
    assert told["on"] == 1_000
    assert told["users"] == [1, 1]


def test_a_driver_that_stays_away_is_asked_rarely(on_gpus: OnGpus) -> None:
    told = on_gpus("""
import pynvml
nvml.RENEWAL_SECONDS = 1.0
fake.show(counted(A, 5))
meter = gpu()
tries = []
real = pynvml.nvmlInit
def counted_init():
    tries.append(time.monotonic())
    real()
pynvml.nvmlInit = counted_init
fake.show(error=9)
while len(tries) < 3:
    assert read(meter) is None
told["pauses"] = [round(later - earlier, 2) for earlier, later in zip(tries, tries[1:])]
""")
    first, second = told["pauses"]
    assert first >= 0.9
    assert second >= 1.9


def test_the_hosts_own_use_of_nvml_and_ours_do_not_end_each_other(on_gpus: OnGpus) -> None:
    told = on_gpus("""
import pynvml
fake.show(counted(A, 5))
pynvml.nvmlInit()
meter = gpu()
pynvml.nvmlShutdown()
fake.show(counted(A, 6))
told["ours"] = read(meter)
pynvml.nvmlInit()
meter._renew()
told["theirs"] = pynvml.nvmlDeviceGetCount()
pynvml.nvmlShutdown()
told["after"] = read(meter)
# A host program that shuts NVML down too often ends our use too, once; then we initialise again.
pynvml.nvmlShutdown()
fake.show(counted(A, 8))
told["again"] = [read(meter), read(meter)]
""")
    assert told == {"ours": 1_000, "theirs": 1, "after": 0, "again": [None, 2_000]}


def test_a_gpu_lost_from_the_start_is_missing_only_for_its_users(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 0), counted(B, 0, error=15))
found = meters.detect(load(), root=root)
told["both"] = [sorted(meter.component for meter in found), found.absent["gpu"].name, found.absent["gpu"].why]
os.environ["CUDA_VISIBLE_DEVICES"] = "0"
meter = gpu()
fake.show(counted(A, 3), counted(B, 0, error=15))
told["first"] = [meter.devices, read(meter)]
os.environ["CUDA_VISIBLE_DEVICES"] = "1"
fake.show(counted(A, 3), powered(B, None))
told["mute"] = meters.detect(load(), root=root).absent["gpu"].name
""")
    components, name, why = told["both"]
    assert components == ["cpu", "ram"]
    assert name == "failed:NVMLError_GpuIsLost"
    assert "GPU is lost" in why
    assert told["first"] == [["GPU-11111111-aaaa"], 3_000]
    assert told["mute"] == "failed:NVMLError_NotSupported"


def test_a_forked_child_reads_for_itself(on_gpus: OnGpus) -> None:
    told = on_gpus("""
fake.show(counted(A, 0))
meter = gpu()
fake.show(counted(A, 5))
receiver, sender = os.pipe()
if os.fork() == 0:
    child = gpu([os.getpid()])
    fake.show(counted(A, 7))
    os.write(sender, json.dumps([read(child), child.devices]).encode())
    os._exit(0)
os.wait()
told["child"] = json.loads(os.read(receiver, 1000))
told["parent"] = read(meter)
""")
    assert told == {"child": [2_000, ["GPU-11111111-aaaa"]], "parent": 7_000}

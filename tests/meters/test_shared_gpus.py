"""GPUs that several processes use, and divided GPUs (MIG): the claims of all add up to the counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.traced  # the fake GPU library is loaded by a program

OnGpus = Callable[..., dict[str, Any]]

# --- shared with others --------------------------------------------------------------------------------------------


def test_the_claims_of_two_processes_add_up_to_the_counter(on_gpus: OnGpus) -> None:
    """Shares follow utilisation while either is busy, and numbers at rest: 300 readings lose nothing and count nothing twice."""
    told = on_gpus("""
import random
chance = random.Random(3)
nvml.SAMPLES_SECONDS = 0
holders = (FakeProcess(ME), FakeProcess(OTHER, graphics=True))
fake.show(counted(A, 0, processes=holders))
mine, theirs = gpu([ME]), gpu([OTHER])
claims, counter, now_us = [0, 0], 0, 1
told["worst"], told["marked"] = 0, False
for _ in range(300):
    counter += chance.randrange(1000)
    now_us += 1
    samples = tuple(FakeSample(pid, now_us, chance.randrange(101)) for pid in (ME, OTHER) if chance.random() < 0.7)
    fake.show(counted(A, counter, processes=holders, samples=samples))
    claims[0] += read(mine)
    claims[1] += read(theirs)
    told["worst"] = max(told["worst"], abs(sum(claims) - 1000 * counter))
    told["marked"] |= bool(mine.shared_devices or theirs.shared_devices)
told["each"] = [claim / (1000 * counter) for claim in claims]
""")
    assert told["worst"] <= 2, "each holds back less than a microjoule"
    assert told["marked"] is False
    assert all(0.3 < part < 0.7 for part in told["each"])


def test_our_share_follows_the_utilisation_and_lasts_until_the_next_sample(on_gpus: OnGpus) -> None:
    told = on_gpus("""
both = (FakeProcess(ME), FakeProcess(OTHER, graphics=True))
seen = (FakeSample(ME, 5, 100),)
fake.show(counted(A, 0, processes=both, samples=seen))
meter = gpu()
def use(millijoules, *samples):
    fake.show(counted(A, millijoules, processes=both, samples=seen + samples))
    return read(meter)
told["before any sample"] = use(100)
told["one to four"] = use(200, FakeSample(ME, 6, 20), FakeSample(OTHER, 6, 80))
told["no new sample"] = use(300, FakeSample(ME, 6, 20), FakeSample(OTHER, 6, 80))
told["noise"] = use(400, FakeSample(ME, 7, 10), FakeSample(OTHER, 7, 10), FakeSample(77, 7, 4_000_000), FakeSample(0, 7, 5))
told["alone"] = use(500, FakeSample(ME, 8, 10))
told["others only"] = use(600, FakeSample(OTHER, 9, 10))
nvml.SAMPLES_SECONDS = 0
told["at rest"] = use(700, FakeSample(OTHER, 9, 10))
""")
    assert told == {
        "before any sample": 50_000,
        "one to four": 20_000,
        "no new sample": 20_000,
        "noise": 50_000,
        "alone": 100_000,
        "others only": 0,
        "at rest": 50_000,
    }


def test_processes_that_ended_before_the_reading_keep_their_share(on_gpus: OnGpus) -> None:
    told = on_gpus("""
CHILD = 4_000_002
ours = [ME, CHILD]
fake.show(counted(A, 0, processes=(FakeProcess(ME), FakeProcess(CHILD))))
meter = gpu(ours)
read(meter)
ours.remove(CHILD)  # it and another user's process end; the driver's samples still hold them
fake.show(counted(A, 100, processes=(FakeProcess(ME),), samples=(FakeSample(CHILD, 5, 30), FakeSample(OTHER, 5, 10))))
told["used"], told["shared"] = read(meter), meter.shared_devices
""")
    assert told == {"used": 75_000, "shared": []}


def test_a_gpu_that_the_driver_cannot_split_is_claimed_whole_and_marked(on_gpus: OnGpus) -> None:
    told = on_gpus("""
both = (FakeProcess(ME), FakeProcess(OTHER))
fake.show(counted(A, 0), counted(B, 0))
meter = gpu()
def use(millijoules, **more):
    fake.show(counted(A, millijoules, **more), counted(B, 0, processes=(FakeProcess(ME),), samples=None))
    return [read(meter), meter.shared_devices]
told["no samples"] = use(1, processes=both, samples=None)
told["alone again"] = use(2, processes=(FakeProcess(ME),), samples=None)
told["no list"] = use(3, processes=None)
told["nobody"] = use(4)
told["kept"] = []
fake.show(counted(A, 5, processes=both, samples=None), counted(B, 0, error=15))
told["kept"].append([read(meter), meter.shared_devices])
told["kept"].append(use(6))
told["lost"] = meter.lost()
""")
    assert told["no samples"] == [1_000, ["GPU-11111111-aaaa"]]
    assert told["alone again"] == [1_000, []]
    assert told["no list"] == [1_000, ["GPU-11111111-aaaa"]]
    assert told["nobody"] == [1_000, ["GPU-11111111-aaaa"]], "eight such processes would claim it eight times"
    assert told["kept"] == [[None, []], [2_000, ["GPU-11111111-aaaa"]]], "the mark goes with the energy"
    assert told["lost"] == {}


def test_in_a_container_that_hides_process_ids_a_used_gpu_is_claimed_whole_and_marked(on_gpus: OnGpus) -> None:
    """On the host itself, a list without our ids means that others use the GPU."""
    told = on_gpus("""
others = dict(processes=(FakeProcess(OTHER),), samples=(FakeSample(OTHER, 5, 50),))
fake.show(counted(A, 0, **others))
host, container = gpu(), nvml.detect_gpu(root / "elsewhere", lambda: [ME])
fake.show(counted(A, 4, **others))
told["host"] = [read(host), host.shared_devices]
told["container"] = [read(container), container.shared_devices]
both = (FakeProcess(ME), FakeProcess(OTHER))
fake.show(counted(A, 8, processes=both, samples=(FakeSample(ME, 6, 10), FakeSample(OTHER, 6, 30))))
told["found"] = [read(container), container.shared_devices]
""")
    assert told["host"] == [0, []]
    assert told["container"] == [4_000, ["GPU-11111111-aaaa"]]
    assert told["found"] == [1_000, []]


def test_the_users_of_a_gpu_are_not_listed_at_every_reading(on_gpus: OnGpus) -> None:
    told = on_gpus("""
nvml.USERS_SECONDS = 3600
asked = []
fake.show(counted(A, 0, processes=(FakeProcess(ME), FakeProcess(OTHER))))
meter = gpus.meter(root, lambda: asked.append(1) or [ME])
read(meter)
for millijoules in range(2, 22, 2):
    fake.show(counted(A, millijoules, processes=(FakeProcess(ME),)))
    told.setdefault("read", []).append(read(meter))
told["asked"] = len(asked)
""")
    assert told == {"read": [1_000] * 10, "asked": 1}


# --- divided GPUs --------------------------------------------------------------------------------------------------

_DIVIDED = """
def divided(millijoules, *instances, **more):
    return counted(A, millijoules, most_instances=7, instances=instances, **more)
THREE = FakeInstance("MIG-33-aa", gpu_instance=2, compute_instance=0, compute_slices=3)
FOUR = FakeInstance("MIG-44-bb", gpu_instance=5, compute_instance=1, compute_slices=4)
def absence():
    found = gpu()
    return [found.name, found.why, found.remedy]
"""


def test_the_instances_of_a_divided_gpu_have_their_slices_of_its_energy(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(0, THREE, FOUR), counted(B, 0))
found = []
for visible in ("MIG-33-aa", "MIG-GPU-11111111-aaaa/5/1"):
    os.environ["CUDA_VISIBLE_DEVICES"] = visible
    found.append(gpu())
told["methods"] = [[meter.method.status, meter.method.name, meter.reading_seconds] for meter in found]
told["devices"] = [meter.devices for meter in found]
claims, millijoules = [0, 0], 0
for _ in range(100):
    millijoules += 10
    fake.show(divided(millijoules, THREE, FOUR), counted(B, 10))
    claims = [claim + read(meter) for claim, meter in zip(claims, found)]
told["claims"] = claims
told["why"] = gpus.explain(found[0].method)
"""
    )
    assert told["methods"] == [["estimated", "nvml-mig-share", 1.0]] * 2
    assert told["devices"] == [["MIG-33-aa"], ["MIG-44-bb"]]
    assert told["claims"] == [1_000_000 * 3 // 7, 1_000_000 * 4 // 7]
    assert "compute slices" in told["why"][0]


def test_an_instance_shared_by_processes_is_marked_by_its_own_id(on_gpus: OnGpus) -> None:
    """The driver gives no utilisation of instances; the users of the other instances play no part."""
    told = on_gpus(
        _DIVIDED
        + """
from dataclasses import replace
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-33-aa"
neighbour = replace(FOUR, processes=(FakeProcess(OTHER),))
fake.show(divided(0, replace(THREE, processes=(FakeProcess(ME),)), neighbour))
meter = gpu()
fake.show(divided(7, replace(THREE, processes=(FakeProcess(ME),)), neighbour))
told["alone"] = [read(meter), meter.shared_devices]
fake.show(divided(14, replace(THREE, processes=(FakeProcess(ME), FakeProcess(OTHER))), neighbour))
told["shared"] = [read(meter), meter.shared_devices]
"""
    )
    assert told == {"alone": [3_000, []], "shared": [3_000, ["MIG-33-aa"]]}


def test_an_instance_is_found_again_after_a_reload(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(0, THREE))
meter = gpu()
told["only one"] = meter.devices
fake.show(divided(7, THREE), generation=1)
told["reloaded"] = [read(meter), read(meter)]
"""
    )
    assert told == {"only one": ["MIG-33-aa"], "reloaded": [None, 3_000]}


def test_an_instance_of_a_gpu_without_a_counter_has_its_share_of_the_power(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(None, FOUR, power_milliwatts=700_000))
before = time.perf_counter(); meter = gpu(); begun = time.perf_counter()
time.sleep(0.1)
last = time.perf_counter(); told["used"] = read(meter); end = time.perf_counter()
told["bounds"] = [400e6 * (last - begun), 400e6 * (end - before)]
told["method"], told["seconds"] = meter.method.name, meter.reading_seconds
"""
    )
    assert (told["method"], told["seconds"]) == ("nvml-mig-share", 0.1)
    least, most = told["bounds"]
    assert least - 1 <= told["used"] <= most + 1


def test_a_divided_gpu_with_an_unknown_instance_is_missing_with_a_remedy(on_gpus: OnGpus) -> None:
    told = on_gpus(
        _DIVIDED
        + """
fake.show(divided(0, THREE, FOUR))
told["several"] = absence()
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-55-zz"
told["unknown"] = absence()
os.environ["CUDA_VISIBLE_DEVICES"] = "MIG-33-aa"
fake.show(divided(0, FakeInstance("MIG-33-aa", compute_slices=0)))
told["no slices"] = absence()
fake.show(divided(None, THREE, power_milliwatts=None))
told["no energy"] = absence()
del os.environ["CUDA_VISIBLE_DEVICES"]
fake.show(divided(0))
told["none"] = absence()
import pynvml
assert pynvml._nvmlLib_refcount == 0, "NVML is let go where there is nothing to read"
"""
    )
    assert {name for name, _, _ in told.values()} == {"mig"}
    assert all(remedy for _, _, remedy in told.values())
    assert "2 instances" in told["several"][1]
    assert "MIG-<uuid>" in told["several"][2]
    assert "MIG-55-zz" in told["unknown"][1]
    assert "no energy for MIG-33-aa" in told["no slices"][1]
    assert "no energy for MIG-33-aa" in told["no energy"][1]

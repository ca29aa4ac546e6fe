"""The public fakes: a replayed journal gives its energy, to the microjoule, and everything is in one module."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import testing
from ecoia.errors import UsageError
from ecoia.keeping.journal import Journal
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Look
from ecoia.meters.hardware import BusyTime
from ecoia.methods import NOT_MEASURED, Method
from ecoia.records import Record, in_force
from ecoia.semconv import COMPONENTS
from ecoia.testing import MemorySubject, ReplayMeter
from ecoia.testing import hardware as testing_hardware
from support.programs import recorded
from support.records import NOON_NS, SECOND_NS, ending, training, write
from support.settings import make_settings

NVML = Method("measured", "nvml")


def total(records: list[Record], component: str) -> int:
    return sum(record.energy_microjoules[component] or 0 for record in in_force(records))


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 3).map(lambda window: 10 * window),
            "kind": st.sampled_from(["span", "idle", "unattributed", "overhead"]),
            "energy": st.fixed_dictionaries(
                {"cpu": st.integers(0, 10**13), "gpu": st.none() | st.integers(0, 10**13), "ram": st.integers(0, 10**13)}
            ),
        }
    ),
    min_size=1,
    max_size=8,
)


def built(at: int, kind: str, energy: dict[str, int | None]) -> Record:
    methods = {"cpu": Method("measured", "rapl"), "gpu": NVML, "ram": Method("estimated", "ram-model")}
    return training(
        at=at,
        kind=kind,
        energy_microjoules=energy,
        method={c: NOT_MEASURED if energy[c] is None else methods[c] for c in COMPONENTS},
        devices=("GPU-1",) if energy["gpu"] is not None else (),
    )


@given(RECORDS, st.integers(0, 4 * SECOND_NS))
def test_a_replayed_journal_is_recorded_again_to_the_microjoule(given_records: list[dict[str, Any]], cpu_ns: int) -> None:
    """The share of the host that the replaying process uses plays no part: a record is already a claim."""
    records = [built(**one) for one in given_records]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # the journal's tests check durability; here it only takes time
        write(Journal(Path(folder) / "old"), [*records, records[0], ending()])  # one record is written twice
        meters = [ReplayMeter(Path(folder) / "old", component) for component in COMPONENTS]
        assert {meter.intervals for meter in meters} == {meters[0].intervals}
        recorder = Recorder(
            make_settings(home=str(Path(folder) / "new")),
            MemorySubject([Look(cpu_ns, 0, 0, 1.0, {})] * len(meters[0].intervals)),
            meters,
            pid=1,
            start=(NOON_NS, time.perf_counter_ns(), BusyTime(0, 0)),
            complain=lambda _: None,
        )
        for _ in meters[0].intervals:
            recorder.read()
            recorder.close_window()
        recorder.close()
        again = recorded(Path(folder) / "new")
    for component in COMPONENTS:
        assert total(again, component) == total(records, component)


def test_readings_are_those_of_the_records_intervals_in_order() -> None:
    records = [training(at=10, cpu=5), training(at=0, cpu=2), training(at=10, cpu=1), training(at=20, cpu=None)]
    meter = ReplayMeter(records, "cpu")
    assert [start for start, _ in meter.intervals] == [NOON_NS, NOON_NS + 10 * SECOND_NS, NOON_NS + 20 * SECOND_NS]
    assert [meter.read(10, 0) for _ in range(4)] == [2, 6, None, None]
    assert meter.method == Method("estimated", "load-model:generic-tdp")


def test_a_record_that_was_corrected_is_not_replayed() -> None:
    wrong = training(cpu=5)
    meter = ReplayMeter(
        [
            wrong,
            wrong.copy_with(record_id="right", replaces=wrong.record_id, energy_microjoules={"cpu": 3, "gpu": None, "ram": 7}),
        ],
        "cpu",
    )
    assert meter.read(10, 0) == 3


def test_records_of_several_methods_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"component 'disk'.*cpu, gpu, ram"):
        ReplayMeter([], "disk")
    mixed = [training(), training(method={"cpu": Method("measured", "rapl"), "gpu": NOT_MEASURED, "ram": NOT_MEASURED})]
    with pytest.raises(UsageError, match=r"several methods .*load-model.*measured rapl.*one of them"):
        ReplayMeter(mixed, "cpu")
    empty = ReplayMeter(tmp_path, "gpu")
    assert (empty.intervals, empty.method.status, empty.read(1, 0)) == ((), "missing", None)


def test_the_fake_hardware_is_all_in_the_public_module() -> None:
    public = {
        name
        for name, thing in vars(testing_hardware).items()
        if not name.startswith("_") and (getattr(thing, "__module__", None) == testing_hardware.__name__ or name.isupper())
    }
    assert public <= set(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)

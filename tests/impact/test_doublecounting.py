"""Energy claimed twice counts once: it is refused before sums, and listed; all other energy stays untouched."""

from __future__ import annotations

import copy
import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.delivery.day_file import union
from ecoia.impact.doublecounting import COPY, DEVICE, HOST, Refusal, listed, refuse_doubles
from ecoia.records import Record, Row, fold
from ecoia.records.id_sets import RecordIds
from ecoia.records.record_ids import sequenced_id
from ecoia.semconv import COMPONENTS
from support.records import DECLARED, MINUTE_NS, instant, kwh, record

TEN = instant("2026-11-23T10:00")


def whole(minute: float = 0, minutes: float = 10, gpu: int = 100, device: str = "GPU-a", **fields: Any) -> Record:
    """A claim on a whole device, which others may claim as well."""
    values = {"devices": (device,), "shared_devices": (device,)}
    return record(TEN + round(minute * MINUTE_NS), minutes, gpu=gpu, **{**values, **fields})


def gpu_total(rows: list[Row]) -> int:
    """GPU energy that is added up."""
    return sum(row["energy_microjoules"]["gpu"] or 0 for row in rows)


def energy_of(rows: list[Row], *components: str) -> int:
    """Energy of some components, all unless told."""
    return sum(row["energy_microjoules"][component] or 0 for row in rows for component in components or COMPONENTS)


def refused(*records: Record) -> tuple[list[Row], list[Refusal]]:
    """The remaining rows of some records, and the refusals."""
    return refuse_doubles(fold(records))


def test_two_processes_that_claim_one_device_whole_count_once_and_the_greatest_stays() -> None:
    small, great = whole(gpu=60, pid=1, service="analyse-cv", cpu=5), whole(2, gpu=100, pid=2, cpu=7)
    rows, (refusal,) = refused(small, great)
    assert gpu_total(rows) == 100
    assert energy_of(rows, "cpu") == 12  # only what is claimed twice is left out
    assert refusal == Refusal(
        DEVICE,
        ("GPU-a",),
        TEN,
        "host-1",
        ("analyse-cv",),
        RecordIds([small.record_id]),
        60,
        "host-1",
        ("vadore",),
        RecordIds([great.record_id]),
        100,
    )
    (left,) = [row for row in rows if row["service"] == "analyse-cv"]
    assert left["energy_microjoules"]["gpu"] is None  # missing, not zero
    assert left["method"]["gpu"] == {"status": "missing", "name": "claimed-twice"}


def test_processes_of_one_service_and_run_are_told_apart() -> None:
    rows, refusals = refused(whole(gpu=60, pid=1), whole(gpu=100, pid=2))
    assert gpu_total(rows) == 100
    assert len(refusals) == 1


def test_a_claim_of_one_process_is_split_among_its_services_and_stays_whole() -> None:
    rows, refusals = refused(whole(gpu=60, pid=1), whole(gpu=30, pid=1, service="analyse-cv"), whole(5, gpu=80, pid=2))
    assert gpu_total(rows) == 90  # 60 + 30 are one claim, greater than 80
    assert [one.microjoules for one in refusals] == [80]


def test_claims_that_do_not_meet_in_time_add_up() -> None:
    rows, refusals = refused(whole(0, 10, pid=1), whole(10, 10, pid=2))
    assert (gpu_total(rows), refusals) == (200, [])


def test_hosts_of_one_device_under_two_instance_names_are_one_device() -> None:
    rows, refusals = refused(whole(gpu=60, pid=1, instance="pod-1"), whole(gpu=100, pid=1, instance="pod-2"))
    assert gpu_total(rows) == 100
    assert [(one.instance, one.kept_instance) for one in refusals] == [("pod-1", "pod-2")]


def test_the_example_of_the_method_comes_out_as_its_page_says(repository: Path) -> None:
    joules = 1_000_000
    rows, (refusal,) = refused(
        whole(0, 10, gpu=60_000 * joules, pid=1),
        whole(0, 10, gpu=30_000 * joules, pid=1, service="analyse-cv"),
        whole(5, 10, gpu=80_000 * joules, pid=2),
        whole(20, 10, gpu=50_000 * joules, pid=3),
    )
    assert (gpu_total(rows), refusal.microjoules) == (140_000 * joules, 80_000 * joules)
    page = (repository / "docs" / "method.md").read_text(encoding="utf-8")
    assert "Kept: 60 + 30 + 50 = 140 kJ. Refused: 80 kJ" in page


def test_a_record_that_crosses_a_half_hour_is_refused_on_both_sides() -> None:
    rows, refusals = refused(whole(20, 20, gpu=60, pid=1), whole(20, 20, gpu=100, pid=2))
    assert gpu_total(rows) == 100
    (line,) = listed(refusals)
    assert (line.half_hours, line.records, line.microjoules, line.kept_microjoules) == (2, 1, 60, 100)
    assert (line.from_utc, line.until_utc) == ("2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z")


def test_a_whole_host_counts_once_an_instance() -> None:
    host = {"scope": "host", "minutes": 10, "cpu": 50, "gpu": 30, "ram": 20}
    ours, theirs = record(TEN, pid=1, **host), record(TEN + MINUTE_NS, pid=2, **{**host, "cpu": 49})
    elsewhere = record(TEN, pid=3, instance="host-2", **host)
    rows, (refusal,) = refused(ours, theirs, elsewhere)
    assert energy_of(rows) == 200
    assert (refusal.kind, refusal.what, list(refusal.ids)) == (HOST, ("host-1",), [theirs.record_id])


def test_the_homes_of_one_host_claim_one_host() -> None:
    """Two accounts have an instance each, and one machine."""
    names = "gpu-1_home-0000aa", "gpu-1_home-0000bb"
    host = {"scope": "host", "minutes": 10, "cpu": 50, "gpu": 30, "ram": 20}
    ours, theirs = (record(TEN, pid=pid, instance=name, **host, service=str(pid)) for pid, name in enumerate(names))
    part = record(TEN, pid=3, instance="gpu-1", minutes=10, cpu=5, service="part")
    rows, refusals = refused(ours, theirs, part)
    assert energy_of(rows, "cpu") == 50
    assert {(one.kind, one.what) for one in refusals} == {(HOST, ("gpu-1",))}
    assert {one.instance for one in refusals} >= {"gpu-1"}


def test_a_part_of_an_instance_that_is_claimed_whole_is_in_the_whole() -> None:
    whole = record(minutes=10, cpu=kwh(3), pid=1, scope="host", service="watched")
    part = record(minutes=5, cpu=kwh(2), gpu=kwh(1), pid=2)
    apart = record("2026-11-23T10:10", minutes=5, cpu=kwh(2), pid=3, service="later")
    told = record(minutes=10, cpu=kwh(9), pid=4, methods={"cpu": DECLARED}, service="told")
    rows, refusals = refuse_doubles(fold([whole, part, apart, told]))
    by_service = {row["service"]: row["energy_microjoules"]["cpu"] for row in rows}
    assert by_service == {"watched": kwh(3), "vadore": None, "later": kwh(2), "told": kwh(9)}
    assert sum(row["energy_microjoules"]["gpu"] or 0 for row in rows) == kwh(1), "the whole has no meter of the GPU"
    (line,) = listed(refusals)
    assert (line.kind, line.services, line.microjoules) == ("host", ("vadore",), kwh(2))
    assert (line.kept_services, line.kept_microjoules) == (("watched",), kwh(3))


def test_a_claim_that_outdoes_two_is_told_once_as_kept() -> None:
    shared: dict[str, Any] = {"cpu": None, "ram": None, "devices": ("GPU-0",), "shared_devices": ("GPU-0",)}
    claims = [
        record(f"2026-11-23T10:{minute:02d}", 10, gpu=kwh(energy), pid=pid, **shared)
        for pid, (minute, energy) in enumerate(((0, 3), (8, 5), (16, 1)))
    ]
    (line,) = listed(refuse_doubles(fold(claims))[1])
    assert (line.microjoules, line.kept_microjoules) == (kwh(4), kwh(5))


def test_a_copied_home_counts_once() -> None:
    records = [record(TEN, cpu=5), record(TEN, cpu=7, service="analyse-cv")]
    rows = fold(records)
    copied = [{**copy.deepcopy(row), "instance": "copy-of-host-1"} for row in rows]
    kept, refusals = refuse_doubles([*copied, *rows])
    assert energy_of(kept) == 12
    assert {one.kind for one in refusals} == {COPY}
    assert sum(one.microjoules for one in refusals) == 12
    assert sorted(record_id for one in refusals for record_id in one.ids) == sorted(r.record_id for r in records)


def test_a_writer_under_two_names_counts_once_however_far_each_row_goes() -> None:
    """A copied home went on for a while: both have the records until then, and the copy has one more."""
    ours = [record(TEN, cpu=5, record_id=sequenced_id("a" * 32, 0, seq)) for seq in (3, 4)]
    theirs = [one.copy_with(instance="copy") for one in ours]
    later = record(TEN, cpu=7, instance="copy", record_id=sequenced_id("a" * 32, 0, 5))
    apart = record(TEN, cpu=9, instance="copy", service="other", record_id=sequenced_id("a" * 32, 1, 3))
    assert refuse_doubles([*fold(ours), *fold([later, apart])])[1] == [], "parts of a writer's records add up"
    kept, (refusal,) = refuse_doubles([*fold(ours), *fold([*theirs, later, apart])])
    assert energy_of(kept) == 5 + 5 + 7 + 9
    assert (refusal.kind, refusal.instance, refusal.kept_instance) == (COPY, "host-1", "copy")
    (line,) = listed([refusal])
    assert (line.records, line.microjoules, line.kept_microjoules) == (2, 10, 17)
    assert line.record_ids == tuple(one.record_id for one in ours)


def test_one_declared_activity_entered_on_two_hosts_comes_out_of_the_ledger_twice_and_counts_once() -> None:
    one = record(TEN, cpu=5, record_id="declared-1")
    rows = union([fold([one]), fold([one]), fold([one.copy_with(instance="host-2")])])
    kept, refusals = refuse_doubles(rows)
    assert energy_of(kept) == 5
    assert [(line.instance, line.kept_instance) for line in refusals] == [("host-2", "host-1")]


def test_the_list_of_records_is_bounded_and_their_number_is_told() -> None:
    small = [whole(0.1 * n, 0.1, gpu=1, pid=1) for n in range(25)]
    (line,) = listed(refused(*small, whole(gpu=100, pid=2))[1])
    assert (line.records, line.microjoules) == (25, 25)
    assert line.record_ids == tuple(sorted(one.record_id for one in small)[:10])


@st.composite
def claims(draw: st.DrawFn, marking: bool = True) -> list[Record]:
    """Claims of a few processes on a few devices within two half-hours, some of them marked."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        devices = tuple(sorted(draw(st.sets(st.sampled_from(["GPU-a", "GPU-b"]), min_size=1))))
        shared = devices if marking and draw(st.booleans()) else ()
        found.append(
            whole(
                draw(st.integers(0, 40)),
                draw(st.integers(1, 19)),
                gpu=draw(st.integers(0, 1000)),
                pid=draw(st.integers(1, 4)),
                instance=draw(st.sampled_from(["host-1", "host-2"])),
                service=draw(st.sampled_from(["vadore", "analyse-cv"])),
                devices=devices,
                shared_devices=shared,
            )
        )
    return found


@given(records=claims())
def test_refused_and_remaining_energy_add_up_to_the_claims(records: list[Record]) -> None:
    rows = fold(records)
    before = copy.deepcopy(rows)
    kept, refusals = refuse_doubles(rows)
    assert rows == before
    assert gpu_total(kept) + sum(one.microjoules for one in refusals) == gpu_total(rows)
    assert energy_of(kept, "cpu", "ram") == energy_of(rows, "cpu", "ram")
    assert sum(line.microjoules for line in listed(refusals)) == sum(one.microjoules for one in refusals)


@given(records=claims(), order=st.randoms(use_true_random=False))
def test_order_and_redelivery_change_nothing(records: list[Record], order: Any) -> None:
    rows = fold(records)
    kept, refusals = refuse_doubles(rows)
    shuffled = list(rows)
    order.shuffle(shuffled)
    again, refused_again = refuse_doubles(shuffled)
    assert refused_again == refusals
    assert sorted(map(repr, again)) == sorted(map(repr, kept))
    assert refuse_doubles(kept) == (kept, [])  # what is left holds no double
    delivered_twice, _ = refuse_doubles([*rows, *copy.deepcopy(shuffled)])
    assert sorted(map(repr, delivered_twice)) == sorted(map(repr, kept))


@given(records=claims(marking=False))
def test_nothing_unshared_is_ever_refused(records: list[Record]) -> None:
    rows = fold(records)
    assert refuse_doubles(rows) == (rows, [])


@given(claimed=st.lists(st.tuples(st.integers(0, 19), st.integers(1, 9), st.integers(1, 1000)), min_size=1, max_size=6))
def test_claims_that_stay_on_a_device_never_overlap_and_the_greatest_is_among_them(claimed: list[tuple[int, int, int]]) -> None:
    rows, _ = refused(*(whole(at, minutes, gpu=gpu, pid=pid) for pid, (at, minutes, gpu) in enumerate(claimed)))
    stay = sorted((row["start_utc_ns"], row["end_utc_ns"]) for row in rows if row["energy_microjoules"]["gpu"] is not None)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(stay))
    assert gpu_total(rows) >= max(gpu for _, _, gpu in claimed)


@given(claimed=st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_of_claims_at_the_same_time_no_more_counts_than_the_greatest(claimed: list[int]) -> None:
    rows, _ = refused(*(whole(gpu=gpu, pid=pid) for pid, gpu in enumerate(claimed)))
    assert gpu_total(rows) == max(claimed)


@pytest.mark.timing
@pytest.mark.parametrize("number", [200_000])
def test_rows_without_doubles_cost_little(number: int) -> None:
    (row,) = fold([record(TEN, devices=("GPU-a",))])
    rows = [{**row, "half_hour_utc_ns": TEN + n % 4000, "record_ids": [str(n)]} for n in range(number)]
    began = time.process_time()
    kept, refusals = refuse_doubles(rows)
    spent = time.process_time() - began
    assert (len(kept), refusals) == (number, [])
    assert spent < 10e-6 * number, f"{spent:.2f} s for {number} rows"

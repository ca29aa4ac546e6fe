"""Laws of records and rows: nothing is lost by writing, cutting or folding, and order does not matter."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.methods import Method
from ecoia.periods import HALF_HOUR_NS
from ecoia.records import NewerSchemaError, Record, RecordError, Row, Tokens, fold, merge_rows, split_by_half_hour
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KINDS, OUTCOMES, PHASES, STATUSES
from support.records import record

UNHURRIED = hypothesis_settings(deadline=None)  # a busy machine is no failure
FEWER = hypothesis_settings(max_examples=50, deadline=None)  # whole journals: each is many records
NOON = 1_795_435_200_000_000_000  # 2026-11-23 12:00 UTC
COUNT = st.integers(0, 10**15)
MAYBE_COUNT = st.none() | COUNT
# Few values, so that records do meet in one row.
few = st.sampled_from
methods = st.builds(Method, few(STATUSES), few(("rapl", "load-model:generic-tdp", "none")))
tokens = st.builds(Tokens, few(("mistral", "openai")), few(("large", "small")), st.integers(0, 10**6), st.integers(0, 10**6))


@st.composite
def records(draw: st.DrawFn, record_id: str = "r") -> Record:
    start = NOON + draw(st.integers(0, 3 * HALF_HOUR_NS))
    kind = draw(few(KINDS))
    return Record(
        record_id=record_id,
        kind=kind,
        service=draw(few((None, "vadore", "analyse-cv"))),
        phase=draw(few((None, *PHASES[:2]))),
        instance="host-1",
        pid=draw(st.integers(1, 2)),
        start_utc_ns=start,
        end_utc_ns=start + draw(st.integers(0, 3 * HALF_HOUR_NS)),
        energy_microjoules={c: draw(MAYBE_COUNT) for c in COMPONENTS},
        method={c: draw(methods) for c in COMPONENTS},
        run_id=draw(few((None, "run-1"))),
        endpoint=draw(few((None, "/predict"))),
        model_version=draw(few((None, "models:/m/1"))),
        spans=draw(st.integers(0, 10**6)),
        units_micro=draw(MAYBE_COUNT),
        accepted_micro=draw(MAYBE_COUNT),
        tokens=tuple(draw(st.lists(tokens, max_size=3))),
        quality=draw(st.dictionaries(few(("accuracy", "f1")), st.floats(0, 1), max_size=2)),
        cpu_ns=draw(COUNT),
        lost=draw(st.dictionaries(few(("late", "units")), st.integers(1, 9), max_size=2)),
        devices=tuple(draw(st.lists(few(("GPU-1", "GPU-2", "package-0")), max_size=3, unique=True))),
        scope=draw(few(("process", "host"))),
        share_claimed=draw(st.none() | st.floats(0, 1)),
        reserved_share=draw(st.floats(0, 1)),
        idle_separated=draw(st.booleans()),
        zone=draw(few((None, "FRA"))),
        outcome=draw(few(OUTCOMES)) if kind == KIND_OUTCOME else None,
        simulated=draw(st.booleans()),
        declared_source=draw(few((None, "relevé du prestataire"))),
        target=draw(few((None, "t1"))),
        context=draw(st.dictionaries(few(("python", "cpu_model")), st.text(max_size=9), max_size=2)),
    )


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    """Records with ids of their own, most of which meet others in a row; some replace another."""
    kinds = [draw(records()) for _ in range(draw(st.integers(1, 2)))]
    found = [_like(draw(few(kinds)), draw(records(f"r{i}"))) for i in range(draw(st.integers(0, 6)))]
    for i in range(1, len(found)):
        if draw(st.integers(0, 5)) == 0:
            found[i] = replace(found[i], replaces=found[i - 1].record_id)
    return found


def _like(kind: Record, record: Record) -> Record:
    """The record with another's labels, so that the two can meet in a row."""
    labels = ("kind", "service", "phase", "run_id", "endpoint", "model_version", "zone", "scope", "simulated", "declared_source")
    same = {name: getattr(kind, name) for name in (*labels, "outcome", "method")}
    return replace(record, **same, quality={} if len(kind.quality) == 0 else record.quality)


def energy(rows: list[Row], component: str) -> int:
    return sum(row["energy_microjoules"][component] or 0 for row in rows)


@given(records())
@UNHURRIED
def test_a_record_survives_the_journal(record: Record) -> None:
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_dict(json.loads(line)) == record


@given(records())
@UNHURRIED
def test_cutting_at_half_hours_conserves_everything(record: Record) -> None:
    parts = split_by_half_hour(record)
    for part in parts:
        assert part.start_utc_ns // HALF_HOUR_NS == max(part.start_utc_ns, part.end_utc_ns - 1) // HALF_HOUR_NS
    for component in COMPONENTS:
        values = [part.energy_microjoules[component] for part in parts]
        whole = record.energy_microjoules[component]
        if whole is None:
            assert set(values) == {None}
        elif record.kind != KIND_OUTCOME:
            assert sum(v for v in values if v is not None) == whole
            assert None not in values
    if record.units_micro is not None:
        assert sum(part.units_micro or 0 for part in parts) == record.units_micro
    assert sum(part.spans for part in parts) == record.spans
    assert sum(part.cpu_ns for part in parts) == record.cpu_ns
    assert [t for part in parts for t in part.tokens] == list(record.tokens)
    assert parts[-1].lost == record.lost
    assert parts[-1].end_utc_ns == record.end_utc_ns


@given(journals(), st.randoms(use_true_random=False))
@FEWER
def test_folding_ignores_order_and_redelivery(found: list[Record], chance: random.Random) -> None:
    again = found + chance.choices(found, k=len(found)) if found else []
    chance.shuffle(again)
    assert json.dumps(fold(again)) == json.dumps(fold(found))


@given(journals())
@FEWER
def test_folding_conserves_energy_to_the_microjoule(found: list[Record]) -> None:
    rows = fold(found)
    replaced = {record.replaces for record in found}
    for component in COMPONENTS:
        kept = [r.energy_microjoules[component] or 0 for r in found if r.record_id not in replaced]
        assert energy(rows, component) == sum(kept)
    for name in ("spans", "cpu_ns"):
        assert sum(row[name] for row in rows) == sum(getattr(r, name) for r in found if r.record_id not in replaced)
    assert sum(row["units_micro"] or 0 for row in rows) == sum(r.units_micro or 0 for r in found if r.record_id not in replaced)


@given(journals())
@FEWER
def test_missing_energy_never_becomes_zero_nor_zero_missing(found: list[Record]) -> None:
    by_id = {record.record_id: record for record in found}
    for row in fold(found):
        for record_id in row["record_ids"]:
            for component in COMPONENTS:
                assert (row["energy_microjoules"][component] is None) == (by_id[record_id].energy_microjoules[component] is None)


@given(journals(), st.integers(0, 6))
@FEWER
def test_two_halves_merged_are_the_whole(found: list[Record], cut: int) -> None:
    found = [replace(record, replaces=None) for record in found]  # a correction needs its original at hand
    merged = merge_rows(fold(found[:cut]) + fold(found[cut:]))
    assert json.dumps(merged) == json.dumps(fold(found))


@given(journals())
@FEWER
def test_rows_are_json_and_merging_them_again_changes_nothing(found: list[Record]) -> None:
    rows = fold(found)
    read: list[Row] = json.loads(json.dumps(rows))
    assert read == rows
    assert json.dumps(merge_rows(read)) == json.dumps(rows)


@given(records())
@UNHURRIED
def test_tokens_of_one_model_are_counted_once_each(record: Record) -> None:
    rows = fold([record])
    for row in rows:
        models = [(t["provider"], t["model"]) for t in row["tokens"]]
        assert models == sorted(set(models))
    for name in ("tokens_in", "tokens_out"):
        assert sum(t[name] for row in rows for t in row["tokens"]) == sum(getattr(t, name) for t in record.tokens)


@given(records().filter(lambda r: r.kind == KIND_OUTCOME))
@UNHURRIED
def test_one_run_has_one_outcome_however_long_it_was(record: Record) -> None:
    assert [row["outcome"] for row in fold([record])] == [record.outcome]


def test_a_correction_replaces_the_record_that_it_names() -> None:
    original = _record(record_id="a", energy_microjoules={"cpu": 10, "gpu": None, "ram": 0})
    correction = _record(record_id="b", replaces="a", energy_microjoules={"cpu": 7, "gpu": None, "ram": 0})
    for order in ([original, correction], [correction, original]):
        (row,) = fold(order)
        assert row["energy_microjoules"] == {"cpu": 7, "gpu": None, "ram": 0}
        assert row["record_ids"] == ["b"]


def test_measured_and_estimated_energy_stay_apart() -> None:
    measured = _record(record_id="a")
    estimated = _record(record_id="b", method={**measured.method, "cpu": Method("estimated", "load-model:generic-tdp")})
    assert sorted(row["method"]["cpu"]["status"] for row in fold([measured, estimated])) == ["estimated", "measured"]


def test_units_are_kept_in_millionths() -> None:
    assert _record(units_micro=2_500_000).to_dict()["units"] == 2.5
    assert _record(units_micro=3_000_000).to_json().count('"units":3,') == 1
    assert (
        sum(row["units_micro"] for row in fold([_record(record_id=str(i), units_micro=100_000) for i in range(10)])) == 1_000_000
    )


def test_a_record_of_a_newer_schema_is_told_apart() -> None:
    with pytest.raises(NewerSchemaError, match="upgrade ecoia"):
        Record.from_dict({**_record().to_dict(), "schema": 2, "energy_microjoules": "unknown"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", None),
        ("record_id", None),
        ("record_id", ["a"]),
        ("instance", 3),
        ("kind", "dream"),
        ("energy_microjoules", {"cpu": 1, "gpu": 2}),
        ("energy_microjoules", {"cpu": -1, "gpu": 2, "ram": 3}),
        ("energy_microjoules", {"cpu": 1.5, "gpu": 2, "ram": 3}),
        ("energy_microjoules", 12),
        ("method", {"cpu": {}, "gpu": {}, "ram": {}}),
        ("method", {c: {"status": "guessed", "name": "x"} for c in COMPONENTS}),
        ("end_utc_ns", 1),
        ("start_utc_ns", "yesterday"),
        ("start_utc_ns", -1),
        ("end_utc_ns", 10**30),
        ("units", "many"),
        ("units", float("nan")),
        ("units", float("inf")),
        ("units", -1),
        ("cpu_ns", -1),
        ("spans", 1.5),
        ("tokens", [{"provider": "x"}]),
    ],
)
def test_a_record_that_is_not_one_is_refused(field: str, value: object) -> None:
    with pytest.raises(RecordError):
        Record.from_dict({**_record().to_dict(), field: value})


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        _record(quality={"accuracy": float("nan")}).to_json()


def _record(**changes: Any) -> Record:
    methods = {"ram": Method("estimated", "dimm")}
    made = record(NOON, 1 / 60, cpu=5, record_id="r", phase="training", methods=methods)
    return replace(made, **changes)

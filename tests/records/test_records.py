"""Laws of records and rows: nothing is lost by writing, cutting or folding, and order does not matter."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.keeping.journal import Journal
from ecoia.methods import Method
from ecoia.periods import HALF_HOUR_NS
from ecoia.records import (
    TOLD_OR_NOT,
    NewerSchemaError,
    Record,
    RecordError,
    Row,
    Tokens,
    check_row,
    fold,
    in_force,
    merge_rows,
    split_by_half_hour,
)
from ecoia.records import record as records_module
from ecoia.records.field_rules import KEY, SUM, cut_by_time, read_count, read_text, rule
from ecoia.records.fields import field, values_by_name, with_fields
from ecoia.records.id_sets import RecordIds, ids_of
from ecoia.records.record_ids import sequenced_id
from ecoia.records.refusals import FIELD_MISSING, NEWER_SCHEMA, NO_SCHEMA, REFUSALS, WRONG_VALUE
from ecoia.semconv import COMPONENTS, KIND_OUTCOME, KINDS, OUTCOMES, PHASES, STATUSES
from support.records import link, record

WRITER = "0123456789abcdef0123456789abcdef"
NOON = 1_795_435_200_000_000_000  # 2026-11-23 12:00 UTC
COUNT = st.integers(0, 10**15)
MAYBE_COUNT = st.none() | COUNT
# Few values, so that records often share a row.
few = st.sampled_from
methods = st.builds(Method, few(STATUSES), few(("rapl", "load-model:generic-tdp", "none")))
TOLD = {"provider": "mistral", "model": "large", "tokens_in": 9, "tokens_out": 8}
MAYBE_PART = st.none() | st.integers(0, 10**3)
tokens = st.builds(
    Tokens, few(("mistral", "openai")), few(("large", "small")), st.integers(2000, 10**6), st.integers(1000, 10**6),
    MAYBE_PART, MAYBE_PART, MAYBE_PART, MAYBE_PART,
)  # fmt: skip


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
    """Records with distinct ids of both forms, most of which share a row with others; some replace another."""
    kinds = [draw(records()) for _ in range(draw(st.integers(1, 2)))]
    ids = [draw(few((f"r{i}", sequenced_id(WRITER, 0, i), sequenced_id(WRITER, 1, i)))) for i in range(draw(st.integers(0, 6)))]
    found = [_like(draw(few(kinds)), draw(records(record_id))) for record_id in ids]
    for i in range(1, len(found)):
        if draw(st.integers(0, 5)) == 0:
            found[i] = found[i].copy_with(replaces=found[i - 1].record_id)
    return found


def _like(kind: Record, record: Record) -> Record:
    """Return the record with another's labels, so that the two can share a row."""
    labels = ("kind", "service", "phase", "run_id", "endpoint", "model_version", "zone", "scope", "simulated", "declared_source")
    same = {name: getattr(kind, name) for name in (*labels, "outcome", "method")}
    return record.copy_with(**same, quality={} if len(kind.quality) == 0 else record.quality)


def energy(rows: list[Row], component: str) -> int:
    return sum(row["energy_microjoules"][component] or 0 for row in rows)


@given(records())
def test_a_record_survives_the_journal(record: Record) -> None:
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_dict(json.loads(line)) == record


@given(records())
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
def test_folding_ignores_order_and_redelivery(found: list[Record], chance: random.Random) -> None:
    again = found + chance.choices(found, k=len(found)) if found else []
    chance.shuffle(again)
    assert json.dumps(fold(again)) == json.dumps(fold(found))


@given(journals())
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
def test_a_row_names_the_records_in_it_and_no_other(found: list[Record]) -> None:
    counted = {record.record_id for record in in_force(found)}
    rows = fold(found)
    assert {record_id for row in rows for record_id in ids_of(row)} == counted
    for row in rows:
        assert ("sources" in row) == bool(ids_of(row).ranges)
        assert ids_of(row).row_fields() == (row["record_ids"], row.get("sources", []))
        assert check_row(json.loads(json.dumps(row))) == row


@given(journals())
def test_missing_energy_never_becomes_zero_nor_zero_missing(found: list[Record]) -> None:
    by_id = {record.record_id: record for record in found}
    for row in fold(found):
        for record_id in ids_of(row):
            for component in COMPONENTS:
                assert (row["energy_microjoules"][component] is None) == (by_id[record_id].energy_microjoules[component] is None)


@given(journals(), st.integers(0, 6))
def test_two_halves_merged_are_the_whole(found: list[Record], cut: int) -> None:
    found = [record.copy_with(replaces=None) for record in found]  # a correction only works beside its original
    merged = merge_rows(fold(found[:cut]) + fold(found[cut:]))
    assert json.dumps(merged) == json.dumps(fold(found))


@given(journals())
def test_rows_are_json_and_merging_them_again_changes_nothing(found: list[Record]) -> None:
    rows = fold(found)
    read: list[Row] = json.loads(json.dumps(rows))
    assert read == rows
    assert json.dumps(merge_rows(read)) == json.dumps(rows)


@given(records())
def test_tokens_are_added_up_by_model_and_what_is_told_of_them(record: Record) -> None:
    rows = fold([record])
    for row in rows:
        kinds = [(t["provider"], t["model"], *[name in t for name in TOLD_OR_NOT]) for t in row["tokens"]]
        assert kinds == sorted(set(kinds))
    for name in ("tokens_in", "tokens_out", *TOLD_OR_NOT):
        told = [t for t in record.tokens if getattr(t, name) is not None]
        of_them = [t for row in rows for t in row["tokens"] if name in t]
        for counted in ("tokens_in", name):
            assert sum(t[counted] for t in of_them) == sum(getattr(t, counted) for t in told)


@given(records().filter(lambda r: r.kind == KIND_OUTCOME))
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


def test_a_record_of_a_newer_schema_has_an_error_of_its_own() -> None:
    with pytest.raises(NewerSchemaError, match="upgrade ecoia"):
        Record.from_dict({**_record().to_dict(), "schema": 6, "energy_microjoules": "unknown"})


def test_a_link_survives_the_journal_and_gives_no_row() -> None:
    """It is of a newer schema than all other records, so that an ecoia that does not know it skips it and says so."""
    found = link("ecoia-group-1f-0", "run-1")
    written = json.loads(found.to_json())
    assert (written["schema"], written["kind"], written["beside"]) == (2, "link", "run-1")
    assert Record.from_dict(written) == found
    assert fold([found]) == []
    for name in ("beside", "run_id"):
        with pytest.raises(RecordError, match="a link needs run_id and beside"):
            Record.from_dict({**written, name: None})
    assert {"schema": 1}.items() <= _record().to_dict().items()
    assert "beside" not in _record().to_dict(), "other lines stay as they were"


@given(journals(), st.data())
def test_links_change_no_row(found: list[Record], data: st.DataObject) -> None:
    links = [link("ecoia-group-1f-0", "run-1", record_id=f"link-{i}") for i in range(data.draw(st.integers(1, 3)))]
    assert fold(data.draw(st.permutations([*found, *links]))) == fold(found)


def test_a_ledger_row_is_no_link() -> None:
    (row,) = fold([_record()])
    with pytest.raises(RecordError, match="kind = 'link' is not known"):
        records_module.check_row({**row, "kind": "link"})


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda data: {key: value for key, value in data.items() if key != name}


def with_value(name: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda data: {**data, name: value}


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        (without("schema"), NO_SCHEMA, "schema number (schema = None)"),
        (with_value("schema", "1"), NO_SCHEMA, "schema number (schema = '1')"),
        (with_value("schema", 6), NEWER_SCHEMA, "record of schema 6, this ecoia reads up to 5: upgrade ecoia"),
        (without("record_id"), FIELD_MISSING, "record None: field 'record_id' is missing"),
        (without("energy_microjoules"), FIELD_MISSING, "record 'r': field 'energy_microjoules' is missing"),
        (with_value("record_id", None), WRONG_VALUE, "record None: record_id = None is not a text"),
        (with_value("record_id", ["a"]), WRONG_VALUE, "record_id = ['a'] is not a text"),
        (with_value("instance", 3), WRONG_VALUE, "record 'r': instance = 3 is not a text"),
        (with_value("kind", "dream"), WRONG_VALUE, "kind = 'dream' is not known; known: span, idle"),
        (with_value("kind", ["span"]), WRONG_VALUE, "kind = ['span'] is not known"),
        (with_value("energy_microjoules", {"cpu": 1, "gpu": 2}), WRONG_VALUE, "energy_microjoules = {'cpu': 1, 'gpu': 2} has"),
        (with_value("energy_microjoules", {"cpu": -1, "gpu": 2, "ram": 3}), WRONG_VALUE, "energy_microjoules = {'cpu': -1"),
        (with_value("energy_microjoules", {"cpu": 1.5, "gpu": 2, "ram": 3}), WRONG_VALUE, "energy_microjoules = {'cpu': 1.5"),
        (with_value("energy_microjoules", 12), WRONG_VALUE, "energy_microjoules = 12 has the wrong shape"),
        (with_value("method", {"cpu": {}, "gpu": {}, "ram": {}}), WRONG_VALUE, "method = {'cpu': {}"),
        (with_value("method", {c: {"status": "guessed", "name": "x"} for c in COMPONENTS}), WRONG_VALUE, "status 'guessed'"),
        (with_value("method", {c: {"status": [], "name": "x"} for c in COMPONENTS}), WRONG_VALUE, "has the wrong shape"),
        (with_value("method", {c: {"status": "measured", "name": 1} for c in COMPONENTS}), WRONG_VALUE, "not a text"),
        (with_value("end_utc_ns", 1), WRONG_VALUE, "end_utc_ns 1 are no interval"),
        (with_value("start_utc_ns", "yesterday"), WRONG_VALUE, "start_utc_ns 'yesterday' and"),
        (with_value("start_utc_ns", -1), WRONG_VALUE, "start_utc_ns -1 and"),
        (with_value("end_utc_ns", 10**30), WRONG_VALUE, "are no interval"),
        (with_value("units", "many"), WRONG_VALUE, "units = 'many' is not a number of 0 or more"),
        (with_value("units", float("nan")), WRONG_VALUE, "units = nan is not a number"),
        (with_value("units", float("inf")), WRONG_VALUE, "units = inf is not a number"),
        (with_value("units", -1), WRONG_VALUE, "units = -1 is not a number"),
        (with_value("units", 1e308), WRONG_VALUE, "units = 1e+308 is not a number of 0 or more"),
        (with_value("accepted", -0.5), WRONG_VALUE, "accepted = -0.5 is not a number"),
        (with_value("cpu_ns", -1), WRONG_VALUE, "cpu_ns = -1 is not a count"),
        (with_value("spans", 1.5), WRONG_VALUE, "spans = 1.5 is not a count"),
        (with_value("spans", None), WRONG_VALUE, "spans = None is not a count"),
        (with_value("tokens", [{"provider": "x"}]), WRONG_VALUE, "tokens = [{'provider': 'x'}] has the wrong shape"),
        (with_value("tokens", [7]), WRONG_VALUE, "tokens = [7] has the wrong shape"),
        (with_value("tokens", [TOLD | {"requests": -1}]), WRONG_VALUE, "is not a count"),
        (
            with_value("tokens", [TOLD | {"cached_in": 4, "cache_written": 6}]),
            WRONG_VALUE,
            "more tokens of the cache than of input",
        ),
        (with_value("tokens", [TOLD | {"reasoning": 9}]), WRONG_VALUE, "more of reasoning than of output"),
        (with_value("quality", ["f1"]), WRONG_VALUE, "quality = ['f1'] is not an object"),
        (with_value("context", 7), WRONG_VALUE, "context = 7 is not an object"),
        (with_value("lost", {"late": -1}), WRONG_VALUE, "lost = {'late': -1} gives 'late' a value that is not a count"),
        (with_value("devices", "GPU-1"), WRONG_VALUE, "devices = 'GPU-1' is not a list of texts"),
        (with_value("shared_devices", [["GPU-1"]]), WRONG_VALUE, "shared_devices = [['GPU-1']] is not a list of texts"),
    ],
)
def test_a_malformed_record_is_refused_with_a_reason_its_field_and_the_value(
    change: Callable[[dict[str, Any]], dict[str, Any]], reason: str, said: str
) -> None:
    with pytest.raises(RecordError) as refused:
        Record.from_dict(change(_record().to_dict()))
    assert refused.value.reason == reason
    assert said in str(refused.value)
    assert reason in REFUSALS


@pytest.mark.parametrize("data", [[], 3, None, "{}"])
def test_json_that_is_no_object_is_no_record(data: Any) -> None:
    with pytest.raises(RecordError, match="without a schema number") as refused:
        Record.from_dict(data)
    assert refused.value.reason == NO_SCHEMA


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(RecordError) as refused:
        Record.from_dict({**_record().to_dict(), "units": "x" * 10_000})
    assert len(str(refused.value)) < 200


FULL_LINE = (
    '{"schema":1,"record_id":"r","kind":"span","service":"vadore","phase":"training","instance":"host-1","pid":1,'
    '"run_id":"run-1","endpoint":"/prédire","model_version":"models:/m/1","start_utc_ns":1795435200000000000,'
    '"end_utc_ns":1795435201000000000,"energy_microjoules":{"cpu":5,"gpu":null,"ram":0},'
    '"method":{"cpu":{"status":"measured","name":"rapl"},"gpu":{"status":"missing","name":"none"},'
    '"ram":{"status":"estimated","name":"dimm"}},"spans":3,"units":2.5,"accepted":1,'
    '"tokens":[{"provider":"mistral","model":"large","tokens_in":7,"tokens_out":8}],"quality":{"f1":0.5},"cpu_ns":9,'
    '"lost":{"late":1},"devices":["GPU-2","GPU-1"],"shared_devices":["GPU-1"],"scope":"host","share_claimed":0.25,'
    '"reserved_share":0.125,"idle_separated":true,"zone":"FRA","outcome":null,"replaces":"q","simulated":true,'
    '"declared_source":"relevé","target":"t1","context":{"python":"3.11"}}'
)


def full_record() -> Record:
    return _record(
        run_id="run-1",
        endpoint="/prédire",
        model_version="models:/m/1",
        spans=3,
        units_micro=2_500_000,
        accepted_micro=1_000_000,
        tokens=(Tokens("mistral", "large", 7, 8),),
        quality={"f1": 0.5},
        cpu_ns=9,
        lost={"late": 1},
        devices=("GPU-2", "GPU-1"),
        shared_devices=("GPU-1",),
        scope="host",
        share_claimed=0.25,
        reserved_share=0.125,
        idle_separated=True,
        zone="FRA",
        replaces="q",
        simulated=True,
        declared_source="relevé",
        target="t1",
        context={"python": "3.11"},
    )


def test_a_line_of_the_journal_stays_as_it_is_to_the_byte() -> None:
    assert full_record().to_json() == FULL_LINE
    assert Record.from_dict(json.loads(FULL_LINE)) == full_record()


def test_a_row_of_the_ledger_stays_as_it_is_to_the_byte() -> None:
    (row,) = fold([full_record()])
    assert json.dumps(row, ensure_ascii=False, separators=(",", ":")) == (
        '{"half_hour_utc_ns":1795435200000000000,"kind":"span","service":"vadore","phase":"training","instance":"host-1",'
        '"run_id":"run-1","endpoint":"/prédire","model_version":"models:/m/1","zone":"FRA","scope":"host","simulated":true,'
        '"declared_source":"relevé","method":{"cpu":{"status":"measured","name":"rapl"},'
        '"gpu":{"status":"missing","name":"none"},"ram":{"status":"estimated","name":"dimm"}},'
        '"energy_microjoules":{"cpu":5,"gpu":null,"ram":0},"spans":3,"units_micro":2500000,"accepted_micro":1000000,'
        '"cpu_ns":9,"tokens":[{"provider":"mistral","model":"large","tokens_in":7,"tokens_out":8}],"quality":{"f1":0.5},'
        '"lost":{"late":1},"devices":["GPU-1","GPU-2"],"shared_devices":["GPU-1"],"pid":1,"outcome":null,'
        '"start_utc_ns":1795435200000000000,"end_utc_ns":1795435201000000000,"record_ids":["r"]}'
    )


def test_sequenced_ids_come_last_in_a_row_as_ranges() -> None:
    a, b, d = (_record(record_id=sequenced_id(WRITER, 2, seq)) for seq in (7, 8, 10))
    (row,) = fold([d, b, a])
    assert list(row)[-2:] == ["record_ids", "sources"]
    assert (row["record_ids"], row["sources"]) == ([], [[WRITER, 2, 7, 8], [WRITER, 2, 10, 10]])
    (mixed,) = merge_rows([*fold([_record(record_id="z")]), row])
    assert list(mixed) == list(row)
    assert ids_of(mixed) == RecordIds.of(["z", a.record_id, b.record_id, d.record_id])


def test_an_ecoia_that_knows_no_sequenced_ids_skips_them_as_newer() -> None:
    """The newest schema that it knows is 2, of links."""
    sequenced = sequenced_id(WRITER, 0, 1)
    assert _record(record_id=sequenced).schema == 3
    assert _record(replaces=sequenced).schema == 3
    assert link("group", "run-1", record_id=sequenced).schema == 3


def test_a_row_without_any_id_is_refused() -> None:
    (row,) = fold([_record()])
    with pytest.raises(RecordError, match=r"record_ids = \[\] is empty"):
        check_row({**row, "record_ids": []})


def test_every_field_of_a_line_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "journal.md").read_text(encoding="utf-8")
    assert [name for name in full_record().to_dict() if f"`{name}`" not in text] == []


def test_a_record_written_before_a_field_existed_is_read() -> None:
    needed = (
        *("schema", "record_id", "kind", "service", "phase", "instance", "pid", "start_utc_ns", "end_utc_ns"),
        *("energy_microjoules", "method"),
    )
    data = _record().to_dict()
    assert Record.from_dict({name: data[name] for name in needed}) == _record()


@with_fields
class WiderRecord(Record):
    """A record as a later version might have it: two more fields, declared in one place."""

    water_microlitres: int = field(default=0, metadata=rule(read=read_count, cut=cut_by_time, in_row=SUM, json_name="water_ul"))
    building: str = field(default="A", metadata=rule(read=read_text, in_row=KEY))


def test_a_field_declared_once_travels_from_the_journal_to_the_sums_of_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old_rows = fold([_record(record_id="old")])
    monkeypatch.setattr(records_module, "_TABLE", records_module._Table(WiderRecord))
    monkeypatch.setattr("ecoia.keeping.journal_lines.Record", WiderRecord)
    plain = values_by_name(_record())
    made = [
        WiderRecord(**{**plain, "record_id": name, **more})
        for name, more in {
            "a": {"water_microlitres": 10, "end_utc_ns": NOON + 2 * HALF_HOUR_NS},
            "b": {"water_microlitres": 7},
            "c": {"water_microlitres": 100, "building": "B"},
        }.items()
    ]
    journal = Journal(tmp_path)
    writer = journal.writer()
    writer.append(made)
    writer.close()
    read = journal.scan().records
    assert read == made
    assert json.loads(made[1].to_json())["water_ul"] == 7
    with pytest.raises(RecordError, match="water_ul = -1 is not a count"):
        WiderRecord.from_dict({**made[1].to_dict(), "water_ul": -1})
    rows = fold(read)
    sums = sorted((row["half_hour_utc_ns"] - NOON, row["building"], row["water_microlitres"]) for row in rows)
    assert sums == [(0, "A", 5 + 7), (0, "B", 100), (HALF_HOUR_NS, "A", 5)]
    assert list(rows[0])[-2:] == ["water_microlitres", "building"], "new fields come last in day files"
    # Rows written before the fields existed are still added up.
    (merged,) = merge_rows([*old_rows, *({**row, "record_ids": ["x"]} for row in old_rows)])
    assert merged["spans"] == 2 * old_rows[0]["spans"]


ODD: list[Any] = [[], ["x"], {}, {"x": [1]}, "x", "", -1, 0, 1.5, True, None, 10**300, -(10**300), 1e308, [{"x": 1}], [[1]]]


@pytest.mark.parametrize("name", sorted(record().to_dict()))
def test_a_field_of_any_value_is_refused_or_breaks_nothing_that_follows(name: str) -> None:
    """What is read can be summed, written, read back and put into figures of floating point."""
    for odd in ODD:
        try:
            read = Record.from_dict({**_record(units_micro=5, tokens=(Tokens("x", "y", 1, 2),)).to_dict(), name: odd})
        except RecordError as error:
            said = str(error)
        else:
            said = ""
        if said:
            assert name in said, odd
            continue
        assert Record.from_dict(json.loads(read.to_json())) == read
        rows = fold([read, read.copy_with(record_id="other")])
        for row in merge_rows(rows):
            assert json.loads(json.dumps(row, allow_nan=False)) == row
            numbers = [row["cpu_ns"], row["spans"], row["units_micro"], *row["energy_microjoules"].values()]
            assert all(math.isfinite(number * 1.0) for number in numbers if number is not None)


@given(records("same"), records("same"), records("same"))
def test_of_several_contents_under_one_id_one_counts_whatever_the_order(one: Record, two: Record, three: Record) -> None:
    """As journal.md promises: rows depend only on the set of records."""
    assert len({json.dumps(fold(order)) for order in permutations((one, two, three))}) == 1
    latest = max(record.end_utc_ns for record in (one, two, three))
    first = min(record.to_json() for record in (one, two, three) if record.end_utc_ns == latest)
    for order in permutations((one, two, three)):
        assert [record.to_json() for record in in_force(order)] == [first]


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        _record(quality={"accuracy": float("nan")}).to_json()


def _record(**changes: Any) -> Record:
    methods = {"ram": Method("estimated", "dimm")}
    made = record(NOON, 1 / 60, cpu=5, record_id="r", phase="training", methods=methods, spans=0)
    return made.copy_with(**changes)

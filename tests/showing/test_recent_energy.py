"""The energy of spans and runs that a program asks for while it runs: it adds up to what is recorded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ecoia.instrument.spans import Label
from ecoia.measuring import recent_energy
from ecoia.measuring.recent_energy import RecentEnergy
from ecoia.measuring.subject import Delta, RecordKey
from ecoia.records import Record, Row
from ecoia.semconv import COMPONENTS
from support.records import NOON_NS, SECOND_NS, record

LABEL = Label("vadore", "training", None, None)
WINDOW_NS = 10 * SECOND_NS


def window(
    number: int, cpu: int, *, run_id: str = "run", spans: int = 0, in_flight_ns: int = WINDOW_NS, **fields: object
) -> tuple[list[Record], dict[RecordKey, Delta]]:
    """Return a window of ten seconds with one record of spans, and its activity."""
    fields = {"phase": "training", **fields}
    made = record(NOON_NS + number * WINDOW_NS, 1 / 6, cpu=cpu, ram=None, run_id=run_id, **fields)
    key = RecordKey("vadore", str(fields["phase"]), run_id)
    return [made], {key: Delta(spans=spans, in_flight_ns=in_flight_ns)}


def total(rows: list[Row] | None) -> int:
    assert rows is not None
    return sum(row["energy_microjoules"][component] or 0 for row in rows for component in COMPONENTS)


def span_energy(recent: RecentEnergy, start_s: float, end_s: float, label: Label = LABEL) -> int:
    bounds = (NOON_NS + round(start_s * SECOND_NS), NOON_NS + round(end_s * SECOND_NS))
    return total(recent.of_label(label, {"vadore"}, *bounds))


def test_a_span_that_is_alone_has_the_energy_of_its_windows_to_the_microjoule() -> None:
    recent = RecentEnergy()
    recent.add(*window(0, 1_001))
    recent.add(*window(1, 2_002, spans=1, in_flight_ns=4 * SECOND_NS))
    assert span_energy(recent, 2, 14) == 3_003


def test_a_span_whose_work_ran_in_a_pool_keeps_its_energy() -> None:
    recent = RecentEnergy()
    recent.add(*window(0, 5_000, spans=1, in_flight_ns=4 * WINDOW_NS))  # its pieces are in flight beside it
    assert span_energy(recent, 0, 10) == 5_000


def test_spans_of_one_label_share_a_window_by_their_time() -> None:
    recent = RecentEnergy()
    recent.add(*window(0, 8_000, spans=2, in_flight_ns=8 * SECOND_NS))
    assert (span_energy(recent, 0, 2), span_energy(recent, 3, 9)) == (2_000, 6_000)


def test_work_before_and_after_a_span_is_not_its_own() -> None:
    recent = RecentEnergy()
    for number in range(4):
        recent.add(*window(number, 1_000, spans=1))
    assert span_energy(recent, 10, 20) == 1_000


def test_another_label_is_not_its_own() -> None:
    recent = RecentEnergy()
    recent.add(*window(0, 1_000, spans=1))
    assert recent.of_label(Label("vadore", "evaluation", None, None), {"vadore"}, NOON_NS, NOON_NS + WINDOW_NS) == []


@given(st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from("abc")), max_size=60))
def test_runs_have_all_that_was_recorded_however_much_is_added_up(windows: list[tuple[int, str]]) -> None:
    most, recent_energy._MOST_RECENT = recent_energy._MOST_RECENT, 8
    try:
        recent = RecentEnergy()
        for number, (energy, run_id) in enumerate(windows):
            recent.add(*window(number, energy, run_id=run_id))
        for run_id in "abc":
            assert total(recent.of_runs({run_id}, NOON_NS)) == sum(energy for energy, of in windows if of == run_id)
        assert total(recent.of_runs({"a", "b", "c"}, NOON_NS)) == sum(energy for energy, _ in windows)
    finally:
        recent_energy._MOST_RECENT = most


def test_requests_that_are_forgotten_have_no_figure_and_not_a_wrong_one(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(recent_energy, "_MOST_RECENT", 4)
    recent = RecentEnergy()
    for number in range(6):
        recent.add(*window(number, 1_000, spans=1, phase="inference"))
    label = Label("vadore", "inference", None, None)
    assert recent.of_label(label, {"vadore"}, NOON_NS, NOON_NS + 2 * WINDOW_NS) is None
    assert span_energy(recent, 50, 60, label) == 1_000


def test_a_run_of_which_a_part_is_forgotten_has_no_figure(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(recent_energy, "_MOST_RECENT", 2)
    monkeypatch.setattr(recent_energy, "_MOST_OLDER", 1)
    recent = RecentEnergy()
    for number in range(12):
        recent.add(*window(number * 180, 1_000))  # a half-hour each
    assert recent.of_runs({"run"}, NOON_NS) is None

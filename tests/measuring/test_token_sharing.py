"""Check how a window's device energy goes to what a server answered: by weight, in groups, and carried until weights come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.light.instants import HALF_HOUR_NS
from ecoia.measuring import recorder as recorders
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.measuring.token_sharing import DeviceShares, TokenSharing
from ecoia.measuring.window import Window
from ecoia.meters.hardware import BusyTime
from ecoia.records import Record
from ecoia.semconv import KIND_SPAN
from ecoia.testing import MemorySubject, StepMeter
from support.programs import recorded
from support.records import total
from support.settings import make_settings

SECOND_NS = 1_000_000_000
CHAT, RAG, SEARCH = (RecordKey(name, "inference") for name in ("chat", "rag", "search"))


def told(out: int, read: int = 0, cached: int | None = 0, *, seconds: float = 0.0, provider: str = "vllm", **more: Any) -> Delta:
    delta = Delta(in_flight_ns=round(seconds * SECOND_NS), spans=1, **more)
    delta.add_call(provider, "llama", read, out, cached, None, None)
    return delta


def in_flight(seconds: float) -> Delta:
    return Delta(in_flight_ns=round(seconds * SECOND_NS))


def window_of(gpu: dict[RecordKey, int | None], deltas: dict[RecordKey, Delta], *, covered: float = 10.0) -> Window:
    window = Window(0, 0, 10 * SECOND_NS)
    window.covered_ns = round(covered * SECOND_NS)
    for key, microjoules in gpu.items():
        window.add_energy(KIND_SPAN, key, {"cpu": 7, "gpu": microjoules, "ram": None})
        window.add_delta(key, deltas[key])
    return window


def settled(window: Window, sharing: TokenSharing | None = None, *, at: float = 10.0, may_carry: bool = True) -> DeviceShares:
    shares = (sharing or TokenSharing(100.0)).settle(window, now_ns=round(at * SECOND_NS), may_carry=may_carry)
    assert shares is not None
    return shares


# --- by weight -------------------------------------------------------------------------------------------------------------


def test_requests_share_by_what_their_tokens_weigh_at_the_mean_number_in_flight() -> None:
    """50 in flight while any is: w = 1 / (2 + 100 / 50) = 0.25."""
    deltas = {CHAT: told(400, 300, seconds=300), RAG: told(200, 4000, 3500, seconds=200)}
    shares = settled(window_of({CHAT: 0, RAG: 1_000_000}, deltas))
    weights = {CHAT: 400 + 0.25 * 300, RAG: 200 + 0.25 * 500 + 0.025 * 3500}
    assert shares.microjoules == {key: round(1e6 * weight / sum(weights.values())) for key, weight in weights.items()}
    assert set(shares.ways.values()) == {"token-weighted:kappa=100"}


def test_a_server_that_was_idle_half_of_the_window_had_its_batch_in_the_other_half() -> None:
    deltas = {CHAT: told(100, 100, seconds=50), RAG: told(0, 100, seconds=50)}
    shares = settled(window_of({CHAT: 0, RAG: 2250}, deltas, covered=2.0))
    assert shares.microjoules == {CHAT: 1875, RAG: 375}, "b = 50, not 10: w = 0.25"


@pytest.mark.parametrize(
    ("deltas", "way"),
    [
        ({CHAT: told(1, 1), RAG: told(1, 9)}, "token-weighted:w=0.1"),
        ({CHAT: told(1, 1, seconds=9), RAG: told(1, 9, None)}, "token-weighted:kappa=100:cache-unknown"),
        ({CHAT: told(1, 0, None, seconds=9), RAG: told(1, 0, seconds=9)}, "token-weighted:kappa=100"),
        ({CHAT: Delta(weights={"llm": 1}, in_flight_ns=1), RAG: Delta(weights={"llm": 3}, in_flight_ns=1)}, "weighted"),
    ],
    ids=["nobody was seen in flight", "cache not told", "no input to cache", "weights of the program"],
)
def test_the_method_says_what_the_split_rests_on(deltas: dict[RecordKey, Delta], way: str) -> None:
    shares = settled(window_of({CHAT: 50, RAG: 50}, deltas))
    assert set(shares.ways.values()) == {way}
    assert sum(shares.microjoules.values()) == 100


def test_a_weight_stands_in_place_of_tokens_and_beside_those_of_others() -> None:
    deltas = {CHAT: told(1000, seconds=1, weights={"llm": 30_000_000}), RAG: told(10, seconds=1)}
    assert settled(window_of({CHAT: 50, RAG: 50}, deltas)).microjoules == {CHAT: 75, RAG: 25}


def test_tokens_of_a_provider_say_nothing_about_a_card_of_ones_own() -> None:
    window = window_of({CHAT: 30, RAG: 70}, {CHAT: told(9, provider="openai", seconds=9), RAG: in_flight(1)})
    assert TokenSharing(100.0).settle(window, now_ns=1, may_carry=True) is None


def test_without_a_card_or_without_weights_nothing_changes() -> None:
    window = window_of({CHAT: None}, {CHAT: told(9)})
    assert TokenSharing(100.0).settle(window, now_ns=1, may_carry=True) is None
    window = window_of({CHAT: 5}, {CHAT: in_flight(9)})
    assert TokenSharing(100.0).settle(window, now_ns=1, may_carry=True) is None


def test_spans_without_weights_take_their_part_by_time_in_flight_first() -> None:
    """Then they share it as they did; kinds of weight do not mix either."""
    images = RecordKey("images", "inference")
    deltas = {
        CHAT: told(3, seconds=2),
        RAG: told(1, seconds=4),
        SEARCH: in_flight(2),
        images: Delta(in_flight_ns=2 * SECOND_NS, weights={"megapixels": 8}),
    }
    shares = settled(window_of({CHAT: 0, RAG: 0, SEARCH: 60, images: 40}, deltas))
    assert shares.microjoules == {SEARCH: 20, images: 20, CHAT: 45, RAG: 15}
    assert shares.ways[images] == "weighted"
    assert shares.ways[SEARCH] == shares.ways[CHAT] == "token-weighted:kappa=100"


def test_calls_that_are_over_were_in_flight_while_their_threads_were_covered() -> None:
    window = window_of({CHAT: 0, RAG: 3000}, {CHAT: told(1000, 0), RAG: told(1000, 4000)})
    window.threads_ns = 500 * SECOND_NS
    assert settled(window).microjoules == {CHAT: 1000, RAG: 2000}, "b = 50"


# --- carried ---------------------------------------------------------------------------------------------------------------


def test_energy_of_requests_in_flight_waits_for_their_weights() -> None:
    sharing = TokenSharing(100.0)
    settled(window_of({CHAT: 1, RAG: 1}, {CHAT: told(1, seconds=1), RAG: told(1, seconds=1)}), sharing)
    first = window_of({CHAT: 300, RAG: 100, SEARCH: 40}, {CHAT: in_flight(5), RAG: in_flight(5), SEARCH: in_flight(1)})
    shares = settled(first, sharing)
    assert shares.microjoules == {CHAT: 0, RAG: 0, SEARCH: 40}
    assert shares.ways == {}
    assert shares.carried["llm"].microjoules == 400
    second = Window(0, 10 * SECOND_NS, 10 * SECOND_NS)
    second.carry(shares.carried, first)
    second.add_energy(KIND_SPAN, CHAT, {"cpu": 7, "gpu": 100, "ram": None})
    second.add_delta(CHAT, told(5, seconds=5))
    assert settled(second, sharing).microjoules == {CHAT: 500, RAG: 0}


def test_the_next_run_of_the_same_work_is_known_to_tell_weights() -> None:
    sharing, one, next_run = TokenSharing(100.0), *(RecordKey("chat", "evaluation", run) for run in ("run-1", "run-2"))
    settled(window_of({one: 1}, {one: told(1, seconds=1)}), sharing)
    assert settled(window_of({next_run: 5}, {next_run: in_flight(1)}), sharing).carried["llm"].microjoules == 5


def after_waiting(seconds: float, *, flight: float = 5.0, may_carry: bool = True) -> DeviceShares:
    """Settle a window with 400 microjoules that waited since 0 s: 3 of 4 parts of the time in flight were chat's."""
    sharing = TokenSharing(100.0)
    settled(window_of({CHAT: 1, RAG: 1}, {CHAT: told(1, seconds=1), RAG: told(1, seconds=1)}), sharing)
    first = window_of({CHAT: 100, RAG: 300}, {CHAT: in_flight(90), RAG: in_flight(30)})
    second = Window(0, round((seconds - 10) * SECOND_NS), 10 * SECOND_NS)
    second.carry(settled(first, sharing).carried, first)
    second.add_delta(CHAT, in_flight(flight))
    return settled(second, sharing, at=seconds, may_carry=may_carry)


def test_without_weights_for_ten_minutes_time_in_flight_has_to_do_and_the_method_says_so() -> None:
    assert after_waiting(599).carried
    shares = after_waiting(601, flight=0.0)
    assert shares.microjoules == {CHAT: 300, RAG: 100}
    assert set(shares.ways.values()) == {"weights-missing"}, "twelve at a time"


@pytest.mark.parametrize(
    "how", [{"may_carry": False}, {"flight": 0.0}], ids=["the half-hour or the process ends", "none is left"]
)
def test_energy_waits_only_while_there_is_something_to_wait_for(how: dict[str, Any]) -> None:
    shares = after_waiting(20, **how)
    assert sum(shares.microjoules.values()) == 400
    assert not shares.carried
    assert set(shares.ways.values()) == {"weights-missing"}


MICROJOULES = st.integers(0, 10**7)
DELTAS = st.one_of(
    st.builds(in_flight, st.floats(0, 50)),
    st.builds(told, st.integers(0, 99), st.integers(0, 99), seconds=st.floats(0, 50)),
    st.builds(lambda weight, kind: Delta(weights={kind: weight}), st.integers(0, 99), st.sampled_from(["llm", "images"])),
)
WINDOWS = st.lists(
    st.dictionaries(st.sampled_from([CHAT, RAG, SEARCH]), st.tuples(MICROJOULES, DELTAS), max_size=3), min_size=1, max_size=6
)


@given(WINDOWS)
def test_nothing_is_lost_or_made_however_windows_follow_each_other(windows: list[dict[RecordKey, tuple[int, Delta]]]) -> None:
    sharing, before, carried, given_out = TokenSharing(100.0), None, {}, 0
    for number, each in enumerate(windows):
        window = window_of({key: energy for key, (energy, _) in each.items()}, {key: delta for key, (_, delta) in each.items()})
        if before is not None and carried:
            window.carry(carried, before)
        last = number == len(windows) - 1
        kept = sharing.settle(window, now_ns=number, may_carry=False)
        assert kept == sharing.settle(window, now_ns=number, may_carry=False), "settling changes nothing"
        shares = sharing.settle(window, now_ns=number, may_carry=not last)
        if shares is None:
            assert not carried
            given_out += sum(energy for energy, _ in each.values())
            continue
        assert min(shares.microjoules.values(), default=0) >= 0
        given_out += sum(shares.microjoules.values())
        before, carried = window, shares.carried
    assert not carried
    assert given_out == sum(energy for each in windows for energy, _ in each.values())


# --- in the journal --------------------------------------------------------------------------------------------------------


class Clock:
    """The clocks of the recorder, moved by hand: UTC begins with a half-hour."""

    def __init__(self, utc_ns: int) -> None:
        self.utc_ns, self.wall_ns = utc_ns, SECOND_NS

    def sleep(self, seconds: float) -> None:
        self.utc_ns += round(seconds * SECOND_NS)
        self.wall_ns += round(seconds * SECOND_NS)

    def time_ns(self) -> int:
        return self.utc_ns

    def perf_counter_ns(self) -> int:
        return self.wall_ns

    def thread_time_ns(self) -> int:
        return 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(990_000 * HALF_HOUR_NS)
    monkeypatch.setattr(recorders, "time", clock)
    monkeypatch.setattr("ecoia.measuring.window.time", clock)
    return clock


class Server:
    """A recorder of a server with a card, whose windows take ten seconds."""

    def __init__(self, clock: Clock, home: Path) -> None:
        self.clock, self.home = clock, home
        self.subject = MemorySubject()
        self.meter = StepMeter("gpu", [], devices=["GPU-1"])
        start = clock.utc_ns, clock.wall_ns, BusyTime(0, 0)
        settings = make_settings(home=str(home), delivery="manual")
        self.recorder = Recorder(settings, self.subject, [self.meter], pid=4242, start=start, complain=print)

    def window(self, microjoules: int, deltas: dict[RecordKey, Delta], *, seconds: float = 10.0) -> None:
        self.read(microjoules, deltas, seconds=seconds)
        assert self.recorder.close_window()

    def read(self, microjoules: int, deltas: dict[RecordKey, Delta], *, seconds: float = 10.0) -> None:
        self.clock.sleep(seconds)
        self.meter._readings.append(microjoules)
        self.subject.looks.append(Look(0, 0, 0, 1.0, deltas))
        self.recorder.read()

    def gpu(self) -> list[dict[str | None, int]]:
        """Return what each window's records say, by service."""
        windows: dict[int, dict[str | None, int]] = {}
        for record in self.spans():
            windows.setdefault(record.end_utc_ns, {})[record.service] = record.energy_microjoules["gpu"] or 0
        return list(windows.values())

    def spans(self) -> list[Record]:
        return [record for record in recorded(self.home) if record.kind == KIND_SPAN]


@pytest.fixture
def server(clock: Clock, tmp_path: Path) -> Iterator[Server]:
    server = Server(clock, tmp_path)
    yield server
    server.recorder.let_go()


def test_records_have_the_shares_their_method_and_every_microjoule(server: Server) -> None:
    server.window(1001, {CHAT: told(30, seconds=10), RAG: told(10, seconds=10)})
    server.window(500, {CHAT: in_flight(10), SEARCH: in_flight(10)})
    server.window(100, {CHAT: told(1, seconds=10)})
    assert server.gpu() == [{"chat": 751, "rag": 250}, {"chat": 0, "search": 250}, {"chat": 350}]
    names = Counter(record.method["gpu"].name for record in server.spans())
    assert names == {"steps+token-weighted:kappa=100": 3, "steps": 2}
    assert total(server.spans(), "gpu") == 1601


def test_what_waits_goes_no_further_than_the_half_hour(server: Server) -> None:
    server.window(1, {CHAT: told(1, seconds=10)}, seconds=1770)
    server.window(300, {CHAT: in_flight(10)})
    server.window(7, {CHAT: in_flight(10)}, seconds=20)
    assert server.gpu()[1:] == [{"chat": 0}, {"chat": 307}]
    assert server.spans()[-1].method["gpu"].name == "steps+weights-missing:few"


def test_what_waits_is_recorded_at_the_end_of_the_process(server: Server) -> None:
    server.window(1, {CHAT: told(1, seconds=10)})
    server.window(300, {CHAT: in_flight(10)})
    server.meter._readings.append(0)
    server.recorder.close()
    assert total(server.spans(), "gpu") == 301


def test_a_death_takes_nothing_of_what_waits(clock: Clock, server: Server, tmp_path: Path) -> None:
    server.window(1, {CHAT: told(1, seconds=10)})
    server.window(300, {CHAT: in_flight(10)})
    server.recorder.let_go()  # as the kernel does at a death
    other = Server(clock, tmp_path)
    other.recorder._writer.adopt()
    other.read(0, {})
    other.recorder.close()
    assert total(other.spans(), "gpu") == 301

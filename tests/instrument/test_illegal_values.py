"""Illegal values: a slip in a literal raises where it is written, a value of run time never does, and is counted."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from typing import Any

import pytest

import ecoia
from ecoia.errors import UsageError
from ecoia.instrument.labels import MOST_LABELS
from ecoia.instrument.start import StartReadings
from ecoia.measuring.this_process import ThisProcess
from ecoia.semconv import ENDPOINT_OTHERS, PHASE_UNSPECIFIED, SERVICE_UNSPECIFIED
from ecoia.settings import load as load_settings
from support.quiet_engine import QuietEngine

# --- illegal values ---------------------------------------------------------------------------------------------------


def test_a_slip_in_a_literal_raises_where_it_is_written() -> None:
    with pytest.raises(UsageError, match=r"'Vadore'.*lower-case"):

        @ecoia.track(service="Vadore")
        def one() -> None: ...

    with pytest.raises(UsageError, match=r"'trainning'.*data-preparation, training"):

        @ecoia.track(service="vadore", phase="trainning")
        def two() -> None: ...

    with pytest.raises(UsageError, match="units = 'three'"), ecoia.track(service="vadore", units="three"):  # type: ignore[arg-type]
        pass
    with pytest.raises(UsageError, match="endpoint = ''"), ecoia.track(service="vadore", endpoint=""):
        pass


@pytest.mark.parametrize(
    ("arguments", "cause", "service", "phase"),
    [
        ({"service": "Été Vert"}, "invalid-service", "t-vert", "inference"),
        ({"service": ""}, "invalid-service", "unnamed", "inference"),
        ({"service": 12}, "invalid-service", "12", "inference"),
        ({"service": "x" * 64}, "invalid-service", "x" * 63, "inference"),
        ({"service": "a", "phase": "Training"}, "invalid-phase", "a", PHASE_UNSPECIFIED),
        ({"service": "a", "phase": ["training"]}, "invalid-phase", "a", PHASE_UNSPECIFIED),
        ({"service": "a", "units": -1}, "invalid-units", "a", "inference"),
        ({"service": "a", "units": True}, "invalid-units", "a", "inference"),
        ({"service": "a", "endpoint": "/a\n"}, "invalid-endpoint", "a", "inference"),
        ({"service": "a", "model_version": "\ud800"}, "invalid-model_version", "a", "inference"),
        ({"service": "a", "model_version": 3}, "invalid-model_version", "a", "inference"),
    ],
)
def test_a_value_of_run_time_never_raises(
    engine: QuietEngine, arguments: dict[str, Any], cause: str, service: str, phase: str
) -> None:
    """A value from the environment or a file: the problem is counted and the work recorded, in a block and a decorator."""
    with ecoia.track(**arguments) as span:
        span.units(1)
    assert ecoia.track(**arguments)(lambda: 5)() == 5
    assert Counter(engine.lost) == {cause: 2}
    (counters,) = engine.every(service)
    assert counters.label.phase == phase
    assert counters.spans == 2
    for text in (counters.label.endpoint, counters.label.model_version):
        json.dumps(text, ensure_ascii=False).encode("utf-8")  # the journal can hold it
    assert SERVICE_UNSPECIFIED not in {c.label.service for state in engine.threads for c in state.counters.values()}


def test_a_program_that_gives_paths_fills_neither_memory_nor_disk(engine: QuietEngine) -> None:
    for n in range(10_000):
        with ecoia.track(service="flooded", endpoint=f"/cv/{n}", model_version=f"v{n % 7}"):
            pass
    for arguments in ({}, {"endpoint": "/cv/3", "model_version": "v3"}, {"endpoint": "/cv/" + chr(10)}):
        with ecoia.track(service="flooded", **arguments):  # none, one that is known, one that is illegal
            pass
    spans = Counter[tuple[str | None, str | None]]()
    for counters in engine.every("flooded"):
        spans[counters.label.endpoint, counters.label.model_version] += counters.spans
    assert len(spans) == MOST_LABELS + 2
    assert (spans.total(), spans["/cv/3", "v3"], spans[None, None]) == (10_003, 2, 1)
    assert spans[ENDPOINT_OTHERS, None] == 10_003 - MOST_LABELS - 2
    assert Counter(engine.lost) == {"too-many-endpoints": 10_001 - MOST_LABELS, "invalid-endpoint": 1}


def test_a_number_of_run_time_that_equals_a_literal_is_no_literal(engine: QuietEngine) -> None:
    values = {"units": bool(os.getpid())}  # True == 1, and a 1 stands in this code
    with ecoia.track(service="a", **values):
        assert 1 == 1.0
    assert Counter(engine.lost) == {"invalid-units": 1}


def test_a_constant_elsewhere_in_the_code_does_not_make_a_value_of_run_time_a_literal(engine: QuietEngine) -> None:
    def serve(count: int) -> None:
        if count == -1:  # the same constant, in the same code
            pass
        with ecoia.track(service="a", units=count):
            pass

    serve(int("-1"))
    assert Counter(engine.lost) == {"invalid-units": 1}


class Hostile:
    """Raises at every operation."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __int__(self) -> int:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    "wrong", [float("nan"), float("inf"), -1, -0.5, None, "3", b"3", True, [1], Hostile(), 1 + 1j, 10**400, 1e16]
)
def test_units_that_are_no_count_are_lost_and_counted(engine: QuietEngine, wrong: Any) -> None:
    with ecoia.track(service="a") as span:
        span.units(wrong)
        span.units(1, accepted=wrong)
    ecoia.track(service="a", units=lambda _: wrong)(lambda: None)()
    (counters,) = engine.every("a")
    assert counters.units_micro == 10**6
    assert counters.accepted_micro == 0
    assert counters.accepted_given == 0
    expected = 2 if wrong is None else 3  # accepted=None means that the number is not known
    assert Counter(engine.lost) == {"invalid-units": expected}


def test_units_of_every_kind_of_number_add_up(engine: QuietEngine) -> None:
    import decimal
    import fractions

    import numpy as np

    with ecoia.track(service="a") as span:
        for number in (1, 0, 2.5, np.int64(3), np.float32(0.5), decimal.Decimal("1.25"), fractions.Fraction(3, 4)):
            span.units(number)
    span.units(1, accepted=0.5)  # after its end: it still belongs to the same work
    (counters,) = engine.every("a")
    assert counters.units_micro == 10 * 10**6
    assert counters.accepted_micro == 500_000
    assert not engine.lost


def test_units_of_a_call(engine: QuietEngine) -> None:
    def broken(_: Any) -> float:
        raise KeyError("no such column")

    assert ecoia.track(service="fixed", units=2)(lambda: "x")() == "x"
    assert ecoia.track(service="counted", units=len)(lambda: [1, 2, 3])() == [1, 2, 3]
    assert ecoia.track(service="broken", units=broken)(lambda: "x")() == "x"
    with pytest.raises(ZeroDivisionError):
        ecoia.track(service="failed", units=2)(lambda: 1 / 0)()
    units = {name: sum(c.units_micro for c in engine.every(name)) for name in ("fixed", "counted", "broken", "failed")}
    assert units == {"fixed": 2 * 10**6, "counted": 3 * 10**6, "broken": 0, "failed": 0}
    assert Counter(engine.lost) == {"invalid-units": 1}


def test_a_weight_never_raises(engine: QuietEngine) -> None:
    with ecoia.track(service="a") as span:
        span.weight(2.5)
        span.weight(1)
        span.weight(3, kind="images")
        for amount in (float("nan"), -1, 10**400, "3", Hostile()):
            span.weight(amount)  # type: ignore[arg-type]
        span.weight(1, kind=Hostile())  # type: ignore[arg-type]
        span.weight(1, kind="")
    assert Counter(engine.lost) == {"invalid-weight": 7}
    (delta,) = ThisProcess(engine, StartReadings(), "s", load_settings()).look(time.perf_counter_ns()).deltas.values()
    assert delta.weights == {"llm": 3_500_000, "images": 3_000_000}
    assert delta.units_micro is None


def test_tokens_and_quality_never_raise(engine: QuietEngine) -> None:
    with ecoia.track(service="a") as span:
        span.tokens("local", "small", 10, 20)
        span.tokens("local", "small", -1, 20)
        span.tokens("local", "small", 10**400, 0)
        span.tokens("local", Hostile(), 1, 1)  # type: ignore[arg-type]
        span.tokens("\ud800", "x" * 500, 1, 1)
        span.tokens("local", "small", 10, 20, cached_in=4, reasoning=0)
        span.tokens("local", "small", 10, 20, cached_in=4, cache_written=6, reasoning=20)
        span.tokens("local", "small", 10, 20, cached_in=4, cache_written=7)
        span.tokens("local", "small", 10, 20, reasoning=21)
        span.tokens("local", "small", 10, 20, cached_in=-1)
        span.tokens("local", "small", 10, 20, cache_written="many")  # type: ignore[arg-type]
        span.quality("accuracy", 0.5)
        span.quality("accuracy", float("nan"))
        span.quality(Hostile(), 0.5)  # type: ignore[arg-type]
    assert Counter(engine.lost) == {"invalid-tokens": 7, "invalid-quality": 2}
    look = ThisProcess(engine, StartReadings(), "s", load_settings()).look(time.perf_counter_ns())
    (delta,) = look.deltas.values()
    parts = ("cached_in", "cache_written", "reasoning")
    assert delta.tokens == {
        ("local", "small", (), "requests"): 1,
        ("local", "small", (), "tokens_in"): 10,
        ("local", "small", (), "tokens_out"): 20,
        ("?", "x" * 120, (), "requests"): 1,
        ("?", "x" * 120, (), "tokens_in"): 1,
        ("?", "x" * 120, (), "tokens_out"): 1,
        **{
            ("local", "small", ("cached_in", "reasoning"), name): count
            for name, count in (("requests", 1), ("tokens_in", 10), ("tokens_out", 20), ("cached_in", 4), ("reasoning", 0))
        },
        **{
            ("local", "small", parts, name): count
            for name, count in zip(("requests", "tokens_in", "tokens_out", *parts), (1, 10, 20, 4, 6, 20), strict=True)
        },
    }
    assert delta.quality == {"accuracy": 0.5}

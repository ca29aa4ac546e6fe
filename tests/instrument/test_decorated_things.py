"""What a decorated thing looks like to the program: signature, kind, name, results and exceptions stay as they are."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import pickle
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecoia
from ecoia.errors import UsageError
from support.quiet_engine import QuietEngine, burn, quiet

# --- exceptions ---------------------------------------------------------------------------------------------------


class Custom(BaseException):
    pass


@pytest.mark.parametrize(
    "error", [ValueError("v"), KeyboardInterrupt(), SystemExit(3), StopIteration(7), Custom(), GeneratorExit()]
)
@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator", "with", "async with"])
def test_exceptions_come_out_as_they_are(engine: QuietEngine, kind: str, error: BaseException) -> None:
    def raise_it() -> None:
        raise error

    def function() -> None:
        raise_it()

    async def coroutine() -> None:
        raise_it()

    def generator() -> Iterator[int]:
        yield 1
        raise_it()

    async def async_generator() -> AsyncIterator[int]:
        yield 1
        raise_it()

    def run(track: Callable[[Any], Any]) -> None:
        if kind == "function":
            track(function)()
        elif kind == "generator":
            list(track(generator)())
        elif kind == "with":
            with ecoia.track(service="a", phase="training"):
                raise_it()
        else:

            async def main() -> None:
                if kind == "coroutine":
                    await track(coroutine)()
                elif kind == "async generator":
                    async for _ in track(async_generator)():
                        pass
                else:
                    async with ecoia.track(service="a", phase="training"):
                        raise_it()

            main_coroutine = main()
            try:
                main_coroutine.send(None)
            finally:
                main_coroutine.close()

    def outcome(track: Callable[[Any], Any]) -> BaseException:
        error.__traceback__ = error.__context__ = None
        try:
            run(track)
        except BaseException as caught:  # noqa: BLE001 - compared below
            return caught
        raise AssertionError("nothing was raised")

    bare = outcome(lambda function: function)
    bare_cause = bare.__cause__
    measured = outcome(ecoia.track(service="a", phase="training"))
    assert type(measured) is type(bare)
    if bare is error:
        assert measured is error  # the same object
    else:  # Python turns a StopIteration in a generator into a RuntimeError
        assert measured.__cause__ is bare_cause is error
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    assert innermost.name == "raise_it"
    engine.assert_settled()
    for counters in engine.every("a"):
        assert counters.last_failed or isinstance(error, GeneratorExit)


def test_a_handed_on_exception_is_not_kept_alive(engine: QuietEngine) -> None:
    """No cycle goes through ecoia's frames, so an exception that the host drops is freed at once."""

    class Big(Exception):  # noqa: N818 - no error
        pass

    @ecoia.track(service="a")
    def generator() -> Iterator[int]:
        yield 1

    gc.disable()
    try:
        steps = generator()
        next(steps)
        error = Big()
        gone = weakref.ref(error)
        with contextlib.suppress(Big):
            steps.throw(error)
        del error, steps
        assert gone() is None
    finally:
        gc.enable()


# --- what a decorated thing looks like --------------------------------------------------------------------------------


async def _coroutine(a: int, *, b: str = "x") -> str:
    """Doc."""
    return f"{a}{b}"


def _generator(a: int) -> Iterator[int]:
    yield a


async def _async_generator(a: int) -> AsyncIterator[int]:
    yield a


@ecoia.track(service="module-level")
def module_level(a: int, b: int = 2, *rest: int, c: float = 3.0) -> float:
    """A documented function."""
    return a + b + sum(rest) + c


@pytest.mark.parametrize("function", [_coroutine, _generator, _async_generator, burn])
def test_signature_kind_and_name_are_kept(engine: QuietEngine, function: Callable[..., Any]) -> None:
    measured = ecoia.track(service="a")(function)
    assert inspect.signature(measured) == inspect.signature(function)
    for question in (
        inspect.iscoroutinefunction,
        asyncio.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ):
        assert question(measured) == question(function)
    assert (measured.__name__, measured.__doc__, measured.__module__) == (
        function.__name__,
        function.__doc__,
        function.__module__,
    )


def test_defaults_are_kept(engine: QuietEngine) -> None:
    def function(a: int, b: int = 2, /, *, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    measured = ecoia.track(service="a")(function)
    assert measured.__defaults__ == function.__defaults__ == (2,)
    assert measured.__kwdefaults__ == function.__kwdefaults__ == {"c": 3}
    assert inspect.getfullargspec(measured).varargs == "args", "its own code, which takes anything"
    assert (measured(1), measured(1, 4, c=5)) == ((1, 2, 3), (1, 4, 5))
    assert ecoia.track(service="a")(len).__defaults__ is None


def test_a_decorated_function_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(module_level)) is module_level  # noqa: S301 - our own bytes


def test_methods_of_every_kind(engine: QuietEngine) -> None:
    class Model:
        name = "model"

        @ecoia.track(service="a")
        def method(self, number: int) -> tuple[str, int]:
            return self.name, number

        @ecoia.track(service="a")
        @classmethod
        def outer_class(cls, number: int) -> tuple[type, int]:
            return cls, number

        @classmethod
        @ecoia.track(service="a")
        def inner_class(cls, number: int) -> tuple[type, int]:
            return cls, number

        @ecoia.track(service="a")
        @staticmethod
        def outer_static(number: int) -> int:
            return number

        @staticmethod
        @ecoia.track(service="a")
        def inner_static(number: int) -> int:
            return number

        @property
        @ecoia.track(service="a")
        def value(self) -> int:
            return 5

    class Child(Model):
        pass

    child = Child()
    assert child.method(1) == ("model", 1)
    assert child.outer_class(2) == Child.outer_class(2) == (Child, 2)
    assert child.inner_class(3) == (Child, 3)
    assert child.outer_static(4) == Child.outer_static(4) == child.inner_static(4) == 4
    assert child.value == 5
    assert ecoia.track(service="a")(child.method)(6) == ("model", 6)
    assert engine.spans("a") == 9 + 1  # the bound method is measured twice: as the method and as itself


def test_callables_that_are_not_functions(engine: QuietEngine) -> None:
    class Base:
        async def __call__(self, number: int) -> int:
            return number

    class Callable_(Base):  # noqa: N801 - inherits its __call__
        pass

    track = ecoia.track(service="a")
    assert track(functools.partial(module_level, 1))(1) == 5
    assert track(functools.partial(functools.partial(module_level, 1), 1))() == 5
    assert asyncio.run(track(Callable_())(3)) == 3
    assert asyncio.run(track(functools.partial(_coroutine, 1))(b="y")) == "1y"
    assert track(len)([1, 2]) == 2
    assert track(functools.lru_cache(burn))(0.1) is None
    from unittest.mock import Mock

    assert track(Mock(return_value=8))() == 8  # has every attribute
    assert engine.spans("a") == 7


def test_a_callable_object_keeps_its_methods(engine: QuietEngine) -> None:
    @ecoia.track(service="a")
    @functools.lru_cache
    def square(number: int) -> int:
        return number * number

    assert [square(3), square(3)] == [9, 9]
    assert square.cache_info().hits == 1
    square.cache_clear()
    assert square.cache_info().currsize == 0


@pytest.mark.parametrize("thing", [dict, object(), 3, "text", None, property(lambda self: 1)])
def test_what_cannot_be_called_is_refused(thing: Any) -> None:
    with pytest.raises(UsageError, match=r"decorates functions and methods.*decorate its methods"):
        ecoia.track(service="a")(thing)


@pytest.mark.parametrize("thing", [burn, dict, len, functools.partial(burn), property(burn), staticmethod(burn)])
def test_a_decorator_without_parentheses_is_refused_where_it_is_written(thing: Any) -> None:
    with pytest.raises(UsageError, match=r"write @ecoia.track\(\) above"):
        ecoia.track(thing)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_results_are_the_same_object(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quiet(patch)
        assert ecoia.track(service="a")(lambda: value)() is value

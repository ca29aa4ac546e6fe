"""What measured processes load in place of the standard library gives what the standard library gives."""

from __future__ import annotations

import copy
import json
import math
import pickle
import re
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia import light as typing_light
from ecoia import settings
from ecoia.light import instants
from ecoia.light import json as json_text
from ecoia.periods import utc_datetime
from ecoia.records.fields import NO_DEFAULT, field, fields_of, values_by_name, with_fields
from ecoia.semconv import is_slug

UNHURRIED = hypothesis_settings(deadline=None)

texts = st.text(st.characters(exclude_categories=()))  # halves of characters and controls, too
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
data = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@UNHURRIED
@given(data)
def test_json_is_written_byte_for_byte_as_json_writes_it(value: object) -> None:
    assert json_text.encoder()(value) == json.dumps(value, ensure_ascii=False)
    compact = json_text.encoder(item_separator=",", key_separator=":")
    assert compact(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@UNHURRIED
@given(data | st.sampled_from([math.nan, math.inf, -math.inf]), st.text(" \t\n\r", max_size=3))
def test_json_is_read_as_json_reads_it(value: object, space: str) -> None:
    text = f"{space}{json.dumps(value)}{space}"
    assert repr(json_text.decoder()(text)) == repr(json.loads(text))


@UNHURRIED
@given(st.text('[]{}",:0123456789.eE+-truefalsn \\u\n\x01\ufeff', max_size=12))
def test_what_is_no_json_is_refused_as_json_refuses_it(text: str) -> None:
    try:
        expected: object = json.JSONDecoder().decode(text)
    except json.JSONDecodeError as error:
        said = (error.msg, error.pos)
        with pytest.raises(json_text.NotJsonError) as caught:
            json_text.decoder()(text)
        assert (caught.value.message, caught.value.position) == said
    else:
        assert repr(json_text.decoder()(text)) == repr(expected)


def test_json_without_the_accelerator_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"a": [1, 2.5, None, "é\n"], "b": {}}
    with_it = json_text.encoder()(value)
    monkeypatch.setattr(json_text, "accelerator", None)
    assert json_text.encoder()(value) == with_it
    assert json_text.decoder(parse_int=str)(with_it) == {"a": ["1", 2.5, None, "é\n"], "b": {}}
    with pytest.raises(json_text.NotJsonError, match="Extra data at character 2"):
        json_text.decoder()("1 2")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, [-math.inf]])
def test_no_number_that_is_not_finite_is_written(wrong: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text.encoder()(wrong)
    with pytest.raises(TypeError, match="a set is no JSON"):
        json_text.encoder()({1})


class Standard(typing.NamedTuple):
    name: str
    size: int = 3
    mark: str | None = None


class Light(typing_light.NamedTuple):
    name: str
    size: int = 3
    mark: str | None = None

    @property
    def double(self) -> int:
        return 2 * self.size


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("a",), {}),
        (("a", 1, "b"), {}),
        ((), {"name": "a", "mark": "b"}),
        (("a",), {"size": 4}),
        ((), {}),
        (("a", 1, "b", 2), {}),
        (("a",), {"name": "b"}),
        (("a",), {"other": 1}),
        ((), {"size": 1}),
    ],
)
def test_a_light_named_tuple_is_made_as_a_named_tuple(values: tuple[object, ...], named: dict[str, object]) -> None:
    try:
        expected = Standard(*values, **named)  # type: ignore[arg-type]
    except TypeError:
        with pytest.raises(TypeError, match="Light takes name, size, mark"):
            Light(*values, **named)  # type: ignore[arg-type]
    else:
        made = Light(*values, **named)  # type: ignore[arg-type]
        assert made == expected
        assert (made.name, made.size, made.mark, made.double) == (*expected, 2 * expected.size)
        assert made._asdict() == expected._asdict()
        assert made._replace(size=9) == expected._replace(size=9)


def test_a_light_named_tuple_behaves_like_a_named_tuple() -> None:
    made = Light("a", 1)
    assert repr(made) == "Light(name='a', size=1, mark=None)"
    assert hash(made) == hash(("a", 1, None))
    name, *_ = made
    assert name == "a"
    assert Light._fields == Standard._fields
    assert not hasattr(made, "__dict__")
    with pytest.raises(AttributeError):
        made.size = 2  # type: ignore[misc]
    for copied in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):  # noqa: S301 - our own
        assert copied == made
        assert type(copied) is Light
    match made:
        case Light(name, size):
            assert (name, size) == ("a", 1)


@with_fields
class Point:
    """A point."""

    x: int = field(metadata={"unit": "m"})
    y: int = field(default=0, metadata={})
    marks: list[str] = field(default_factory=list, metadata={}, kw_only=True)


@with_fields
class Place(Point):
    z: int = field(default=7, metadata={})


def test_objects_with_fields_are_values_that_never_change() -> None:
    point = Point(1, marks=["a"])
    assert (point.x, point.y, point.marks) == (1, 0, ["a"])
    assert point == Point(x=1, y=0, marks=["a"]) != Point(1)
    assert Point(1).marks is not Point(1).marks
    assert repr(point) == "Point(x=1, y=0, marks=['a'])"
    assert not hasattr(point, "__dict__")
    assert values_by_name(Place(1)) == {"x": 1, "y": 0, "marks": [], "z": 7}
    assert Place(1) != Point(1)
    assert [each.name for each in fields_of(Place)] == ["x", "y", "marks", "z"]
    assert (fields_of(Point)[0].default, fields_of(Point)[0].metadata) == (NO_DEFAULT, {"unit": "m"})
    for copied in (pickle.loads(pickle.dumps(point)), copy.deepcopy(point)):  # noqa: S301 - our own
        assert copied == point
    with pytest.raises(AttributeError, match="Point never changes: 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Point never changes: 'x'"):
        del point.x


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((), {}, "without the field 'x'"),
        ((1, 2, []), {}, "too many values"),
        ((1,), {"x": 1}, "given twice"),
        ((1,), {"w": 1}, "no field 'w'"),
    ],
)
def test_objects_with_fields_refuse_what_they_do_not_have(values: tuple[int, ...], named: dict[str, int], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Point(*values, **named)  # type: ignore[arg-type]


@given(st.integers(0, 253_402_300_799 * 10**9))
def test_a_day_is_that_of_the_calendar(instant_ns: int) -> None:
    assert instants.utc_day(instant_ns) == utc_datetime(instant_ns).date().isoformat()


@given(st.text(max_size=80) | st.text("aZ0._- é\n", max_size=80))
def test_ids_are_those_of_the_pattern(text: str) -> None:
    assert is_slug(text) is (re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", text) is not None)
    made = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:63].rstrip("-._") or "unnamed"
    assert settings.slug(text) == made


@given(st.text(max_size=14) | st.from_regex(r"[A-Za-z0-9-]{3,14}", fullmatch=True))
def test_zones_are_those_of_the_pattern(text: str) -> None:
    assert settings.is_zone(text) is (re.fullmatch(r"[A-Z]{3}(-[A-Z0-9]{1,8})?", text) is not None)


@given(st.text("ab./~ é", min_size=1, max_size=12).filter(lambda text: "/~" not in text))
def test_paths_are_made_absolute_as_pathlib_makes_them(text: str) -> None:
    try:
        expected = str(Path(text).expanduser().absolute())
    except RuntimeError:
        with pytest.raises(RuntimeError):
            settings._absolute(text)
    else:
        assert settings._absolute(text) == expected

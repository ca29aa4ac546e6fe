"""Make a class of immutable objects from the declaration of their fields, as ``dataclasses`` does.

Every measured process makes such a class when it starts. ``dataclasses`` would cost it 12 ms of CPU time, as it loads
``inspect`` and compiles code for each class. Here the methods are written once, and find the fields in a table of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

from ecoia.light import Any, TypeVar, dataclass_transform

NO_DEFAULT = object()
"""In place of the default of a field that must be given."""

_Made = TypeVar("_Made")


class Field:
    """One field.

    Attributes:
        name: Its name.
        default: Its default; ``NO_DEFAULT`` without one.
        default_factory: Makes the default of each object; ``NO_DEFAULT`` where ``default`` says it.
        kw_only: Whether it must be given by name.
        metadata: For the class itself.
    """

    __slots__ = ("default", "default_factory", "kw_only", "metadata", "name")

    def __init__(self, default: Any, default_factory: Any, kw_only: bool, metadata: Mapping[str, Any]) -> None:
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.kw_only = kw_only
        self.metadata = metadata


def field(
    *,
    default: Any = NO_DEFAULT,
    default_factory: Any = NO_DEFAULT,
    kw_only: bool = False,
    metadata: Mapping[str, Any],
) -> Any:
    """Declare a field in the body of a class, see ``Field``."""
    return Field(default, default_factory, kw_only, metadata)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def with_fields(declared: type[_Made]) -> type[_Made]:
    """Return a class of immutable objects with the fields that the body of a class declares, after those of its base.

    Example:
        >>> @with_fields
        ... class Point:
        ...     x: int = field(metadata={})
        ...     y: int = field(default=0, metadata={})
        >>> Point(1) == Point(x=1, y=0)
        True
    """
    body = dict(vars(declared))
    own = [name for name, value in body.items() if isinstance(value, Field)]
    fields = {each.name: each for each in fields_of(declared)}
    for name in own:
        fields[name] = body.pop(name)
        fields[name].name = name
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    table = {
        "__slots__": tuple(own),
        "__fields__": tuple(fields.values()),
        "_positional": tuple(name for name, each in fields.items() if not each.kw_only),
        "_values": attrgetter(*fields),
    }
    bases = declared.__bases__ if issubclass(declared, _WithFields) else (_WithFields,)
    made: type[_Made] = type(declared.__name__, bases, body | table)
    return made


def fields_of(made: type) -> tuple[Field, ...]:
    """Return the fields of a class that ``with_fields`` made, in the order of their declaration; none of any other class."""
    found: tuple[Field, ...] = getattr(made, "__fields__", ())
    return found


def values_by_name(each: Any) -> dict[str, Any]:
    """Return the value of each field of an object."""
    return dict(zip((field.name for field in each.__fields__), each._values(each), strict=True))


class _WithFields:
    """What all classes with fields have in common."""

    __slots__ = ()
    __fields__: tuple[Field, ...] = ()
    _positional: tuple[str, ...] = ()
    _values: Callable[[Any], tuple[Any, ...]]

    def __init__(self, *values: Any, **named: Any) -> None:
        if values:
            named = self._by_name(values, named)
        put = object.__setattr__
        for each in self.__fields__:
            name = each.name
            if name in named:
                put(self, name, named.pop(name))
            elif each.default is not NO_DEFAULT:
                put(self, name, each.default)
            elif each.default_factory is not NO_DEFAULT:
                put(self, name, each.default_factory())
            else:
                raise TypeError(f"{type(self).__name__} without the field '{name}'")
        if named:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(map(repr, named))}")

    def _by_name(self, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(self._positional, values, strict=False))
        if len(given) < len(values) or not named.keys().isdisjoint(given):
            raise TypeError(f"{type(self).__name__} with too many values, or one given twice")
        return given | named

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} never changes: '{name}' cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} never changes: '{name}' cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self._values(self) == self._values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values_by_name(self).items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), values_by_name(self))


def _restored(made: type, values: Mapping[str, Any]) -> Any:
    return made(**values)

"""Light stand-ins for costly modules of the standard library, for measured processes. This one stands in for ``typing``.

``typing`` costs each process 5 ms of CPU time. A type checker sees the originals. At run time ``NamedTuple`` makes the same
classes without compiling code for each of them, ``Protocol`` is a base class without methods, and the other names stand in
annotations only, which nothing evaluates.
"""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, BinaryIO, ClassVar, NamedTuple, Protocol, Self, TypeVar, dataclass_transform, overload
else:
    Any = BinaryIO = ClassVar = Self = object

    class _NamedTupleType(type):
        """Makes a class of tuples from the annotations of its body."""

        def __new__(cls, name, bases, body):
            names = tuple(body.get("__annotations__", ()))
            defaults = {each: body[each] for each in names if each in body}
            fields = {each: property(itemgetter(index)) for index, each in enumerate(names)}
            own = {"__slots__": (), "_fields": names, "_field_defaults": defaults, "__match_args__": names}
            return super().__new__(cls, name, bases, body | own | fields)

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """A tuple with named fields, see ``typing.NamedTuple``."""

        def __new__(cls, *values, **named):
            return tuple.__new__(cls, values if len(values) == len(cls._fields) and not named else cls._completed(values, named))

        @classmethod
        def _completed(cls, values, named):
            """Return the values of all fields: those given in order, then by name, then the defaults."""
            names = cls._fields
            later = names[len(values) :]
            if len(values) > len(names) or not named.keys() <= set(later):
                raise TypeError(f"{cls.__name__} takes {', '.join(names)}: given too much, or twice")
            try:
                return (*values, *[named[name] if name in named else cls._field_defaults[name] for name in later])
            except KeyError as error:
                raise TypeError(f"{cls.__name__} takes {', '.join(names)}: {error} is missing") from None

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes):
            return type(self)(**self._asdict() | changes)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

        def __getnewargs__(self):
            return tuple(self)

    class Protocol:
        """A base class that states what others must offer, see ``typing.Protocol``."""

    def TypeVar(name, **_):  # noqa: N802 - the name in ``typing``
        return object

    def dataclass_transform(**_):
        return lambda made: made

    def overload(function):
        return function


__all__ = [
    "TYPE_CHECKING",
    "Any",
    "BinaryIO",
    "ClassVar",
    "NamedTuple",
    "Protocol",
    "Self",
    "TypeVar",
    "dataclass_transform",
    "overload",
]

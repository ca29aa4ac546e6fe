"""JSON text by the accelerator of the package ``json``, without that package, which costs a measured process 4 ms of CPU time.

``json`` loads ``re`` and compiles patterns that only its Python code uses. What ``encoder`` and ``decoder`` make gives the same
text and the same data as ``json``, byte for byte; where an interpreter has no accelerator, ``json`` does the work.
"""

from __future__ import annotations

from ecoia.light import TYPE_CHECKING, Any

accelerator: Any
try:
    import _json as accelerator
except ImportError:  # not CPython
    accelerator = None

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = " \t\n\r"


class NotJsonError(ValueError):
    """A text is not JSON.

    Attributes:
        message: What is wrong, as ``json`` says it.
        position: Index of the character.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at character {position}")
        self.message = message
        self.position = position


def _refuse(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} is no JSON")


def encoder(
    *,
    item_separator: str = ", ",
    key_separator: str = ": ",
    allow_nan: bool = False,
    default: Callable[[Any], Any] = _refuse,
) -> Callable[[Any], str]:
    """Return a function that turns data into the text that ``json.JSONEncoder(ensure_ascii=False, ...)`` makes of it.

    The function raises ``ValueError`` for NaN and infinite numbers unless ``allow_nan``, and ``TypeError`` for other objects.

    Example:
        >>> encoder(item_separator=",", key_separator=":")({"a": [1, None, "é"]})
        '{"a":[1,null,"é"]}'
    """
    if accelerator is None:
        import json

        separators = (item_separator, key_separator)
        return json.JSONEncoder(ensure_ascii=False, allow_nan=allow_nan, separators=separators, default=default).encode
    make, quote = accelerator.make_encoder, accelerator.encode_basestring

    def encode(data: Any) -> str:
        # Made anew each time: it marks what it is in, to find circles, and must not keep that after an error.
        return "".join(make({}, default, quote, None, key_separator, item_separator, False, False, allow_nan)(data, 0))

    return encode


class _Reading:
    """How the accelerator reads: it takes the attributes of a ``json.JSONDecoder``."""

    strict = True
    object_hook = None

    def __init__(self, pairs: Any, real: Any, whole: Any, constant: Any) -> None:
        self.object_pairs_hook = pairs
        self.parse_float = real
        self.parse_int = whole
        self.parse_constant = constant


def decoder(
    *,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
    parse_float: Callable[[str], Any] = float,
    parse_int: Callable[[str], Any] = int,
    parse_constant: Callable[[str], Any] = float,
) -> Callable[[str], Any]:
    """Return a function that turns text into the data that ``json.JSONDecoder`` makes of it with the same arguments.

    The function raises ``NotJsonError``.

    Example:
        >>> decoder(parse_int=str)('{"a": [1, 2.5]}')
        {'a': ['1', 2.5]}
    """
    scan: Any
    if accelerator is None:
        import json

        scan = json.JSONDecoder(
            object_pairs_hook=object_pairs_hook, parse_float=parse_float, parse_int=parse_int, parse_constant=parse_constant
        ).scan_once  # type: ignore[attr-defined]
    else:
        scan = accelerator.make_scanner(_Reading(object_pairs_hook, parse_float, parse_int, parse_constant))

    def decode(text: str) -> Any:
        start = len(text) - len(text.lstrip(_SPACE))
        try:
            data, end = scan(text, start)
        except StopIteration as error:
            raise NotJsonError("Expecting value", error.value) from None
        except ValueError as error:
            if not hasattr(error, "pos"):
                raise  # of one of the functions given
            raise NotJsonError(error.msg, error.pos) from None  # type: ignore[attr-defined]
        rest = text[end:].lstrip(_SPACE)
        if rest:
            raise NotJsonError("Extra data", len(text) - len(rest))
        return data

    return decode


_plain = decoder()


def read_json_file(path: str) -> Any:
    """Read a small JSON file of ecoia's own.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON in UTF-8.

    Example:
        >>> read_json_file("no-such-file")
        Traceback (most recent call last):
        FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file'
    """
    with open(path, encoding="utf-8") as file:
        return _plain(file.read())

"""Text to JSON, within limits: the one way in which lines of the journal, rows of the ledger and published figures are read.

``json`` alone takes ``1e400`` for infinity, ``NaN`` for a number, the last of two equal names, half of a character, and a whole
number of any length. Each of these would fail later, far from the line that holds it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

from ecoia import limits
from ecoia.light import Any
from ecoia.light.json import NotJsonError, decoder
from ecoia.records.field_rules import shown

_CHUNK_BYTES, _PIECE_BYTES = 1 << 20, 1 << 16


class JsonError(ValueError):
    """A text is not JSON that ecoia could have written. The message says why, and where in the text if it can be said."""


def read_json(text: bytes | str) -> Any:
    """Read one JSON text.

    Args:
        text: The text, in UTF-8.

    Raises:
        JsonError: it is not JSON, is nested too deep, or holds what no record has: a number that is not finite or too long, a
            name twice in one object, half of a character.

    Example:
        >>> read_json(b'{"cpu_ns": 12}')
        {'cpu_ns': 12}
        >>> read_json(b'{"cpu_ns": 1e400}')
        Traceback (most recent call last):
        ecoia.records.json_lines.JsonError: the number 1e400 is not finite
    """
    try:
        if not isinstance(text, str):
            text = text.decode("utf-8")
        data = _decode(text)
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from None
    except NotJsonError as error:
        raise JsonError(str(error)) from None
    except (RecursionError, MemoryError):
        raise JsonError(f"nested more than {limits.JSON_DEPTH} levels deep") from None
    if text.count("[") + text.count("{") > limits.JSON_DEPTH:  # most texts have fewer, and need no walk
        _check_depth(data)
    if "\\u" in text:  # only an escape gives half of a character
        _check_characters(data)
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise JsonError(f"the name {shown(next(name for name in made if names.count(name) > 1))} stands twice")
    return made


def _whole(text: str) -> int:
    if len(text) > limits.JSON_DIGITS:
        raise JsonError(f"a number has {len(text):,} characters")
    return int(text)


def _real(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise JsonError(f"the number {text[: limits.JSON_DIGITS]} is not finite")
    return number


def _no_number(text: str) -> None:
    raise JsonError(f"{text} is no number")


_decode = decoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_no_number)


def _check_depth(data: Any) -> None:
    level = [data]
    for _ in range(limits.JSON_DEPTH):
        level = [part for each in level for part in _parts(each)]
    if any(isinstance(each, dict | list) for each in level):
        raise JsonError(f"nested more than {limits.JSON_DEPTH} levels deep")


def _check_characters(data: Any) -> None:
    waiting = [data]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if not each.isascii() and any("\ud800" <= character <= "\udfff" for character in each):
                raise JsonError("a text holds half of a character")
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each


def _parts(data: Any) -> Any:
    return data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()


def unpacked_lines(data: bytes, most: limits.Unpacked) -> Iterator[bytes]:
    """Unpack a gzip file of JSON lines, one line at a time, without their newlines. Never holds more than one line unpacked.

    Args:
        data: Content of the file.
        most: How much it may hold.

    Raises:
        JsonError: it is no gzip file, is cut short or damaged, or gives more text or longer lines than ``ecoia.limits`` allows.

    Example:
        >>> import gzip
        >>> list(unpacked_lines(gzip.compress(b"1\\n2\\n"), limits.DAY))
        [b'1', b'2']
    """
    rest, lines = b"", 0
    for chunk in _bounded_chunks(data, most):
        *whole, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else [rest + chunk]
        lines += len(whole)
        if lines > most.lines:
            raise JsonError(f"it has more than {most.lines:,} lines")
        yield from whole
        if len(rest) > limits.LINE_BYTES:
            raise JsonError(f"line {lines + 1} has more than {limits.LINE_BYTES:,} bytes")
    if rest:
        yield rest


def unpacked_text(data: bytes, most: limits.Unpacked) -> bytes:
    """Unpack a gzip file whole.

    Args:
        data: Content of the file.
        most: How much it may hold.

    Raises:
        JsonError: it is no gzip file, is cut short or damaged, or gives more text than ``ecoia.limits`` allows.

    Example:
        >>> import gzip
        >>> unpacked_text(gzip.compress(b"1\\n2\\n"), limits.DAY)
        b'1\\n2\\n'
    """
    return b"".join(_bounded_chunks(data, most))


def _bounded_chunks(data: bytes, most: limits.Unpacked) -> Iterator[bytes]:
    most_bytes = min(most.text_bytes, limits.UNPACKED_FREE_BYTES + limits.UNPACKED_RATIO * len(data))
    unpacked = 0
    for chunk in _chunks(data):
        unpacked += len(chunk)
        if unpacked > most_bytes:
            raise JsonError(f"{len(data):,} bytes unpack to more than {most_bytes:,}")
        yield chunk


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield the text of a gzip file, which may have several members. It is fed in pieces: what zlib leaves over, it copies."""
    view, at = memoryview(data), 0
    while True:
        packed, piece = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), b""
        try:
            while not packed.eof:
                if not piece:
                    piece = bytes(view[at : at + _PIECE_BYTES])
                    at += len(piece)
                chunk = packed.decompress(piece, _CHUNK_BYTES)
                piece = packed.unconsumed_tail
                if chunk:
                    yield chunk
                elif not piece and at == len(data) and not packed.eof:
                    raise JsonError("the gzip file is cut short")
        except zlib.error as error:
            raise JsonError(f"not a readable gzip file ({error})") from None
        at -= len(packed.unused_data)
        while at < len(data) and not view[at]:  # some writers fill up with zeros
            at += 1
        if at == len(data):
            return

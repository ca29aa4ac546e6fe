"""Tokens exchanged with models, in records and in rows: counts only, never text.

What a program did not tell is None in a record and absent in JSON, which is not zero: records of an ecoia that did not count
requests have none. Entries are added up only where the same counts are told, so a sum never turns what is not known into what
is: a row has at most one entry for each provider, model and set of counts that are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ecoia.records.field_rules import InRow, read_count, read_text
from ecoia.typing_light import Any, NamedTuple

TOLD_OR_NOT = ("requests", "cached_in", "cache_written", "reasoning")
"""The counts that an entry may lack."""

_ALWAYS = ("tokens_in", "tokens_out")


class Tokens(NamedTuple):
    """Tokens exchanged with one model of one provider.

    Attributes:
        provider: Provider, as the program named it.
        model: Model, as the program named it.
        tokens_in: Input tokens, those of the cache included.
        tokens_out: Output tokens, those of reasoning included.
        requests: How many calls they are of. None: the ecoia that counted the tokens did not count calls.
        cached_in: How many of the input tokens were read from a cache. None: not told.
        cache_written: How many of the input tokens were written to a cache. None: not told.
        reasoning: How many of the output tokens were of reasoning. None: not told.
    """

    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    requests: int | None = None
    cached_in: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None


def read_tokens(value: Any) -> tuple[Tokens, ...]:
    """Read the tokens of a record or row from JSON.

    Raises:
        ValueError: it is no list, a count is wrong, or the counts do not add up.

    Example:
        >>> read_tokens([{"provider": "openai", "model": "gpt-5", "tokens_in": 9, "tokens_out": 5, "requests": 1}])[0].requests
        1
    """
    if not isinstance(value, (list, tuple)):
        raise ValueError("is not a list")  # noqa: TRY004 - what is wrong with the value, as every reader says it
    return tuple([_read_entry(entry) for entry in value])


def _read_entry(entry: Mapping[str, Any]) -> Tokens:
    read_text(entry["provider"])
    read_text(entry["model"])
    for name in _ALWAYS:
        read_count(entry[name])
    found = Tokens(**entry)
    if len(entry) > 4:  # provider, model and what is always told
        for name in TOLD_OR_NOT:
            if name in entry:
                read_count(entry[name])
        cached_in, cache_written, reasoning = (each or 0 for each in found[5:])
        if cached_in + cache_written > found.tokens_in or reasoning > found.tokens_out:
            raise ValueError("has more tokens of the cache than of input, or more of reasoning than of output")
    return found


def write_tokens(tokens: Iterable[Tokens]) -> list[dict[str, Any]]:
    """Write tokens in JSON types; counts that are not told are left out.

    Example:
        >>> write_tokens([Tokens("openai", "gpt-5", 9, 5, requests=1)])
        [{'provider': 'openai', 'model': 'gpt-5', 'tokens_in': 9, 'tokens_out': 5, 'requests': 1}]
    """
    return [{name: value for name, value in zip(Tokens._fields, each, strict=True) if value is not None} for each in tokens]


def counts_requests(tokens: Iterable[Tokens | Mapping[str, Any]]) -> bool:
    """Return whether any entry of a record or row tells more than an ecoia that did not count requests can read.

    Example:
        >>> counts_requests([Tokens("openai", "gpt-5", 9, 5)])
        False
    """
    return any(len(each) > 4 if isinstance(each, Mapping) else any(part is not None for part in each[4:]) for each in tokens)


def summed(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each provider, model and set of counts that are told, sorted.

    Example:
        >>> of = {"provider": "openai", "model": "gpt-5", "tokens_in": 9, "tokens_out": 5}
        >>> [each.get("requests") for each in summed([of, of, of | {"requests": 1}, of | {"requests": 2}])]
        [None, 3]
    """
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        key = (entry["provider"], entry["model"], *[name in entry for name in TOLD_OR_NOT])
        known = sums.get(key)
        if known is None:
            sums[key] = {name: entry[name] for name in Tokens._fields if name in entry}
        else:
            for name in (*_ALWAYS, *TOLD_OR_NOT):
                if name in entry:
                    known[name] += entry[name]
    return [sums[key] for key in sorted(sums)]


SUM_TOKENS = InRow(
    begin=lambda tokens: summed(write_tokens(tokens)) if tokens else [],
    add=lambda total, more: summed([*total, *more]) if more else total,
    check=read_tokens,
)
"""Added up by provider, model and what is told of them."""

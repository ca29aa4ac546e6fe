"""Split the energy of a device that serves a language model: pure arithmetic, exact in integers.

A server that batches its requests reads all weights of the model once for each step, whatever the number of requests in it, and
computes each token besides. So a token that is read (prefill, many to a step) costs less than one that is written (decode, one to
a step and request), and the more requests share a step, the nearer the two come to each other:

    weight of a request = out + w(b) (in - cached) + 0.1 w(b) cached,    w(b) = 1 / (2 + kappa / b)

with b the mean number of requests in flight, and kappa the energy of reading the weights once over the energy of computing one
token: about 100 for a dense model at 16 bits, half of it at 8 bits, more for a mixture of experts. The 2 is the computation
itself and as much again for reading the keys and values of some 1,500 tokens of context. Weights are linear in tokens, so those
of equal requests are equal, and requests may be summed up first.
"""

from __future__ import annotations

from collections.abc import Mapping

from ecoia.light import NamedTuple
from ecoia.measuring.subject import RecordKey
from ecoia.units import split_integer

KAPPA = 100.0
"""Energy of reading a model's weights once over the energy of computing one token: dense, 16 bits."""

UNKNOWN_BATCH_WEIGHT = 0.1
"""w where nobody knows how many requests were in flight."""

_CONTEXT = 2.0

_CACHED_PART = 0.1
"""An input token that the server's cache spared costs this part of one that it read."""

_SCALE = 1_000_000
"""Weights are rounded to millionths of an output token, so that the split is exact in integers."""


class TokenCount(NamedTuple):
    """Tokens of any number of requests.

    Attributes:
        out: Tokens written, those of reasoning included.
        read: Tokens of input that the model read.
        cached: Tokens of input that the server's cache spared.
    """

    out: int
    read: int
    cached: int = 0


def input_weight(in_flight: float | None, kappa: float = KAPPA) -> float:
    """Return w(b), what an input token weighs beside an output token.

    Args:
        in_flight: b, the mean number of requests in flight; None if it is not known.
        kappa: See the module.

    Example:
        >>> round(input_weight(50), 2), round(input_weight(1), 4), input_weight(None)
        (0.25, 0.0098, 0.1)
    """
    return 1 / (_CONTEXT + kappa / in_flight) if in_flight else UNKNOWN_BATCH_WEIGHT


def weight_of(count: TokenCount, of_input: float) -> int:
    """Return the weight of requests in millionths of an output token.

    Args:
        count: Their tokens.
        of_input: w(b), from ``input_weight``.

    Example:
        >>> weight_of(TokenCount(out=200, read=500, cached=3500), of_input=0.2)
        370000000
    """
    return count.out * _SCALE + round(of_input * _SCALE) * count.read + round(of_input * _SCALE * _CACHED_PART) * count.cached


def split_by_weight(microjoules: int, weights: Mapping[RecordKey, int]) -> dict[RecordKey, int]:
    """Split energy by weights, by largest remainder: the parts add up exactly, and the order of the keys changes nothing.

    Args:
        microjoules: The energy, 0 or more.
        weights: A weight of 0 or more for each key; at least one above 0, or there is nothing to split by.

    Raises:
        ValueError: energy, but no weight.

    Example:
        >>> split_by_weight(100, {RecordKey("chat", "inference"): 3, RecordKey("search", "inference"): 1}).values()
        dict_values([75, 25])
    """
    if microjoules and not any(weights.values()):
        raise ValueError(f"{microjoules} microjoules, but no weight to split them by")
    order = sorted(weights, key=repr)  # a key may hold None, which no other value compares with
    parts = dict(zip(order, split_integer(microjoules, [weights[key] for key in order]), strict=True))
    return {key: parts[key] for key in weights}

"""Calls to models that others host: which tokens and requests are estimated (``hosted_estimates``), and what they come to.

An estimate includes the provider's building and the making of its servers, so no PUE and no equipment of ours is applied to it,
and its energy is in no total of ours. Rows of before requests were counted have tokens alone: their estimate is a lower bound,
and is said to be one.

A drifting name (``-latest``) and an unknown model are flagged, never guessed. Tokens of a model on our own metered devices get
no estimate: their energy is measured already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ecoia.impact.hosted_estimates import (
    DRIFTING_NAME,
    MILLION,
    NO_PACKAGE,
    PUBLISHED_ABOVE,
    UNKNOWN_MODEL,
    Ask,
    Hypotheses,
    hypotheses,
)
from ecoia.impact.ledger_sums import Bearer, bearer_of
from ecoia.records import Row
from ecoia.records.id_sets import RecordIds, ids_of
from ecoia.semconv import CLAIMED_TWICE, SELF_HOSTED

_OPEN_WEIGHTS = "huggingface_hub"
_IDS = 10
_INPUT_SHARE, _CACHED_SHARE = 0.2, 0.02

ESTIMATED, METERED, UNMEASURED = "estimated", "metered", "unmeasured"
STANDINGS = (ESTIMATED, METERED, UNMEASURED)

INPUT_ONLY, NOT_METERED = "input-only", "not-metered"
WHY_UNMEASURED = (NO_PACKAGE, DRIFTING_NAME, UNKNOWN_MODEL, INPUT_ONLY, NOT_METERED)
"""Why tokens have no estimate. ``input-only``: EcoLogits models generation only. ``not-metered``: a self-hosted model on a row
without energy."""


class TokenKey(NamedTuple):
    """What tokens that are summed up have in common. ``service`` is empty where none bears them."""

    service: str
    phase: str
    provider: str
    model: str
    metered: bool


class TokenCounts(NamedTuple):
    """Counts of tokens that are summed up. What only some of the calls told is counted with the tokens of those that did not.

    Attributes:
        tokens_in: Input tokens.
        tokens_out: Output tokens.
        rows: How many rows they are on.
        requests: Calls, of tokens whose calls were counted.
        uncounted_out: Output tokens whose calls were not counted.
        cached_in: Input tokens read from a cache, as far as they were told.
        cached_untold_in: Input tokens of which that was not told.
        reasoning: Output tokens of reasoning, as far as they were told.
        reasoning_untold_out: Output tokens of which that was not told.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    rows: int = 0
    requests: int = 0
    uncounted_out: int = 0
    cached_in: int = 0
    cached_untold_in: int = 0
    reasoning: int = 0
    reasoning_untold_out: int = 0

    def plus(self, more: Sequence[int]) -> TokenCounts:
        """Add other counts.

        Example:
            >>> TokenCounts(1, 2, 1).plus(TokenCounts(10, 20, 1)).tokens_out
            22
        """
        return TokenCounts(*(one + other for one, other in zip(self, more, strict=True)))


@dataclass(frozen=True)
class TokenUse:
    """Tokens of one bearer with one model, and whether they have an estimate.

    Attributes:
        bearer: The bearer that they are charged to.
        provider: Provider as recorded, in lower case.
        model: Model as recorded.
        counts: Their counts.
        standing: One of ``STANDINGS``.
        reason: One of ``WHY_UNMEASURED`` where they are unmeasured.
        hypotheses: Hypotheses of their estimate, where they are estimated.
        record_ids: The first ids of the records that they are on (``RecordIds.first``).
        records: How many records they are on.
    """

    bearer: Bearer
    provider: str
    model: str
    counts: TokenCounts
    standing: str
    reason: str | None
    hypotheses: Hypotheses | None
    record_ids: tuple[str, ...] = ()
    records: int = 0

    @property
    def is_lower_bound(self) -> bool:
        """Whether their estimate lacks what the requests themselves take, as these were not counted for some of the tokens."""
        return self.hypotheses is not None and bool(self.counts.uncounted_out) and self.hypotheses.request_central_kg > 0

    @property
    def low_kg(self) -> float | None:
        """The low end of the range of the hypotheses, in kgCO2e; None unless they are estimated."""
        return self._of("low_kg")

    @property
    def central_kg(self) -> float | None:
        """The central estimate of their CO2e; None unless they are estimated."""
        return self._of("central_kg")

    @property
    def high_kg(self) -> float | None:
        """The high end of the range of the hypotheses, in kgCO2e."""
        return self._of("high_kg")

    @property
    def greatest_kg(self) -> float | None:
        """Where the upper bound of the interval starts.

        It is the upper end of what a provider says, else the central estimate raised to what a published analysis finds.
        """
        if self.hypotheses is None or self.central_kg is None:
            return None
        return self.high_kg if self.hypotheses.source else self.central_kg * PUBLISHED_ABOVE

    @property
    def making_kg(self) -> float | None:
        """The part of the central estimate that is the making of the provider's servers, where it is known apart."""
        return None if self.hypotheses is None or self.hypotheses.source else self._of("making_kg")

    @property
    def kwh(self) -> tuple[float, float] | None:
        """Low and high energy at the provider, in no total of ours; None where it is not estimated."""
        return None if self.hypotheses is None or self.hypotheses.source else self._bounds("kwh")

    @property
    def litres(self) -> tuple[float, float] | None:
        """Low and high water at the provider and for its electricity; None where it is not estimated, or not said."""
        found = self._bounds("litres")
        return None if found is not None and not any(found) else found

    @property
    def input_factor(self) -> float | None:
        """How much more the estimate would be if input took a fifth of what output takes, and cached input a fiftieth.

        EcoLogits counts no input. The shares are those of prices, not of measurements, so this is an upper bound: input that was
        not said to be cached counts as not cached. None without an estimate, and where a provider says what calls take.
        """
        counts = self.counts
        if self.hypotheses is None or self.hypotheses.source or not counts.tokens_out:
            return None
        fresh = counts.tokens_in - counts.cached_in
        return 1 + (_INPUT_SHARE * fresh + _CACHED_SHARE * counts.cached_in) / counts.tokens_out

    def _bounds(self, unit: str) -> tuple[float, float] | None:
        low, high = (self._of(f"{end}_{unit}") for end in ("low", "high"))
        return None if low is None or high is None else (low, high)

    def _of(self, name: str) -> float | None:
        """Add up what the tokens produced, the requests and the tokens read in take of something."""
        found, counts = self.hypotheses, self.counts
        if found is None:
            return None
        produced: float = getattr(found, name) * counts.tokens_out / MILLION
        requests: float = getattr(found, f"request_{name}") * counts.requests
        read: float = getattr(found, f"input_{name}", 0.0) * counts.tokens_in / MILLION
        return produced + requests + read


def token_uses(rows: Iterable[Row], *, ask: Ask = hypotheses) -> list[TokenUse]:
    """Sum tokens up by bearer, provider, model and whether they ran on a metered device of ours.

    Args:
        rows: Ledger rows; those without tokens add nothing.
        ask: Gives the hypotheses of a provider's model.

    Returns:
        Uses of tokens, sorted.

    Example:
        >>> token_uses([])
        []
    """
    sums: dict[TokenKey, TokenCounts] = {}
    ids: dict[TokenKey, list[RecordIds]] = {}
    for row in rows:
        for key, counts in token_counts(row):
            sums[key] = counts.plus(sums[key]) if key in sums else counts
            ids.setdefault(key, []).append(ids_of(row))
    found = {key: RecordIds.union_of(sets) for key, sets in ids.items()}
    return [
        replace(token_use(key, sums[key], ask=ask), record_ids=found[key].first(_IDS), records=found[key].count)
        for key in sorted(sums)
    ]


def token_counts(row: Row) -> Iterator[tuple[TokenKey, TokenCounts]]:
    """Give the counts of each model of a row, with the key of the use that they add to."""
    service, phase = bearer_of(row)
    found: dict[TokenKey, TokenCounts] = {}
    for tokens in row["tokens"]:
        provider = tokens["provider"].lower()
        key = TokenKey(service or "", phase, provider, tokens["model"], _metered(provider, row))
        counts = TokenCounts(
            tokens["tokens_in"],
            tokens["tokens_out"],
            0 if key in found else 1,
            tokens.get("requests", 0),
            0 if "requests" in tokens else tokens["tokens_out"],
            tokens.get("cached_in", 0),
            0 if "cached_in" in tokens else tokens["tokens_in"],
            tokens.get("reasoning", 0),
            0 if "reasoning" in tokens else tokens["tokens_out"],
        )
        found[key] = counts.plus(found[key]) if key in found else counts
    yield from found.items()


def serving_models(rows: Iterable[Row]) -> frozenset[Bearer]:
    """Return the bearers with tokens of a language model that ran on our own metered devices.

    Example:
        >>> serving_models([])
        frozenset()
    """
    return frozenset((key.service or None, key.phase) for row in rows for key, _ in token_counts(row) if key.metered)


def _metered(provider: str, row: Row) -> bool:
    """Return whether the tokens' energy is part of the energy of our own devices."""
    energy = row["energy_microjoules"]
    # Energy that was refused as claimed twice is in the claim that was kept.
    elsewhere = {component for component, method in row["method"].items() if method["name"] == CLAIMED_TWICE}
    if provider in SELF_HOSTED:
        return bool(elsewhere) or any(value is not None for value in energy.values())
    # Open weights can run on our own cards or on the hub. If the row used a metered card, assume that they ran there.
    return provider == _OPEN_WEIGHTS and ("gpu" in elsewhere or bool(energy["gpu"]))


def token_use(key: TokenKey, counts: TokenCounts, *, ask: Ask = hypotheses) -> TokenUse:
    """Return the use of some tokens, with its estimate where there can be one.

    Args:
        key: What the tokens have in common.
        counts: Their counts.
        ask: Gives the hypotheses of a provider's model.
    """
    provider, model = key.provider, key.model
    bearer = (key.service or None, key.phase)

    def use(standing: str, reason: str | None = None, found: Hypotheses | None = None) -> TokenUse:
        return TokenUse(bearer, provider, model, counts, standing, reason, found)

    if key.metered:
        return use(METERED)
    if provider in SELF_HOSTED:
        return use(UNMEASURED, NOT_METERED)
    found = ask(provider, model)
    if found == DRIFTING_NAME:
        return use(UNMEASURED, DRIFTING_NAME)
    if counts.tokens_out == 0 and (isinstance(found, str) or not found.source):
        return use(UNMEASURED, INPUT_ONLY)
    return use(UNMEASURED, found) if isinstance(found, str) else use(ESTIMATED, None, found)

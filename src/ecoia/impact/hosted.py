"""Calls to models that others host: EcoLogits estimates their CO2e from token counts, and its hypotheses are kept.

EcoLogits (``ecoia[api]``) models the provider's servers. Its figure includes their building and making, so no PUE and no
equipment of ours is applied to it, and its energy is in no total of ours. It works without a network. It is asked once for
each model, for a million output tokens without a deadline: a short latency would cap the estimate, and a row does not record
one. Everything else is in proportion. Its primary energy is not published here: it is not primary energy.

A drifting name (``-latest``) and an unknown model are flagged, never guessed. Tokens of a model on our own metered devices get
no estimate: their energy is measured already.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from ecoia.impact.ledger_sums import Bearer, bearer_of
from ecoia.records import Row
from ecoia.records.id_sets import RecordIds, ids_of
from ecoia.semconv import CLAIMED_TWICE, SELF_HOSTED

_OPEN_WEIGHTS = "huggingface_hub"
_TOKENS = 1_000_000
_IDS = 10

ESTIMATED, METERED, UNMEASURED = "estimated", "metered", "unmeasured"
STANDINGS = (ESTIMATED, METERED, UNMEASURED)

NO_PACKAGE, DRIFTING_NAME, UNKNOWN_MODEL, INPUT_ONLY, NOT_METERED = (
    "no-ecologits",
    "drifting-name",
    "unknown-model",
    "input-only",
    "not-metered",
)
WHY_UNMEASURED = (NO_PACKAGE, DRIFTING_NAME, UNKNOWN_MODEL, INPUT_ONLY, NOT_METERED)
"""Why tokens have no estimate. ``input-only``: EcoLogits models generation only. ``not-metered``: a self-hosted model on a row
without energy."""


@dataclass(frozen=True)
class Hypotheses:
    """The hypotheses that an estimate rests on.

    Attributes:
        provider: Provider, as EcoLogits names it.
        model: Model, as EcoLogits names it.
        ecologits_version: Version of EcoLogits.
        zone: Where the provider's servers are assumed to be.
        total_parameters: In thousand millions, a number or a range, as EcoLogits has them.
        active_parameters: The same, of the parameters active for a token.
        architecture_published: Whether the model's architecture is published.
        low_kg: Lower kgCO2e for a million output tokens, building and servers of the provider included.
        central_kg: Central value of the same.
        high_kg: Upper value of the same.
    """

    provider: str
    model: str
    ecologits_version: str
    zone: str
    total_parameters: str
    active_parameters: str
    architecture_published: bool
    low_kg: float
    central_kg: float
    high_kg: float


Ask = Callable[[str, str], Hypotheses | str]
"""Gives the hypotheses of a provider's model; else why there are none."""


class TokenKey(NamedTuple):
    """What tokens that are summed up have in common. ``service`` is empty where none bears them."""

    service: str
    phase: str
    provider: str
    model: str
    metered: bool


@dataclass(frozen=True)
class TokenUse:
    """Tokens of one bearer with one model, and whether they have an estimate.

    Attributes:
        bearer: The bearer that they are charged to.
        provider: Provider as recorded, in lower case.
        model: Model as recorded.
        tokens_in: Input tokens.
        tokens_out: Output tokens.
        rows: How many rows they are on.
        standing: One of ``STANDINGS``.
        reason: One of ``WHY_UNMEASURED`` where they are unmeasured.
        hypotheses: Hypotheses of their estimate, where they are estimated.
        record_ids: The first ids of the records that they are on (``RecordIds.first``).
        records: How many records they are on.
    """

    bearer: Bearer
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    rows: int
    standing: str
    reason: str | None
    hypotheses: Hypotheses | None
    record_ids: tuple[str, ...] = ()
    records: int = 0

    @property
    def central_kg(self) -> float | None:
        """The central estimate of their CO2e; None unless they are estimated."""
        return None if self.hypotheses is None else self.hypotheses.central_kg * self.tokens_out / _TOKENS


def token_uses(rows: Iterable[Row]) -> list[TokenUse]:
    """Sum tokens up by bearer, provider, model and whether they ran on a metered device of ours.

    Args:
        rows: Ledger rows; those without tokens add nothing.

    Returns:
        Uses of tokens, sorted.

    Example:
        >>> token_uses([])
        []
    """
    sums: dict[TokenKey, list[int]] = {}
    ids: dict[TokenKey, list[RecordIds]] = {}
    for row in rows:
        for key, counts in token_counts(row):
            known = sums.setdefault(key, [0, 0, 0])
            ids.setdefault(key, []).append(ids_of(row))
            for index, number in enumerate((*counts, 1)):
                known[index] += number
    found = {key: RecordIds.union_of(sets) for key, sets in ids.items()}
    return [
        replace(token_use(key, *sums[key]), record_ids=found[key].first(_IDS), records=found[key].count) for key in sorted(sums)
    ]


def token_counts(row: Row) -> Iterator[tuple[TokenKey, tuple[int, int]]]:
    """Give the input and output tokens of a row, with the key of the use that they add to."""
    service, phase = bearer_of(row)
    for tokens in row["tokens"]:
        provider = tokens["provider"].lower()
        key = TokenKey(service or "", phase, provider, tokens["model"], _metered(provider, row))
        yield key, (tokens["tokens_in"], tokens["tokens_out"])


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


def token_use(key: TokenKey, tokens_in: int, tokens_out: int, rows: int, *, ask: Ask | None = None) -> TokenUse:
    """Return the use of some tokens, with its estimate where there can be one.

    Args:
        key: What the tokens have in common.
        tokens_in: Input tokens.
        tokens_out: Output tokens.
        rows: How many rows they are on.
        ask: Gives the hypotheses of a provider's model. None: ``hypotheses``.
    """
    provider, model = key.provider, key.model
    bearer = (key.service or None, key.phase)

    def use(standing: str, reason: str | None = None, found: Hypotheses | None = None) -> TokenUse:
        return TokenUse(bearer, provider, model, tokens_in, tokens_out, rows, standing, reason, found)

    if key.metered:
        return use(METERED)
    if provider in SELF_HOSTED:
        return use(UNMEASURED, NOT_METERED)
    if model.lower().endswith("latest"):
        return use(UNMEASURED, DRIFTING_NAME)
    if tokens_out == 0:
        return use(UNMEASURED, INPUT_ONLY)
    found = (ask or hypotheses)(provider, model)
    return use(UNMEASURED, found) if isinstance(found, str) else use(ESTIMATED, None, found)


@cache
def hypotheses(provider: str, model: str) -> Hypotheses | str:
    """Ask EcoLogits for the hypotheses of a model.

    Args:
        provider: As EcoLogits names it: ``openai``, ``mistralai``, ``anthropic``, ``google_genai``, ``cohere`` or
            ``huggingface_hub``.
        model: The exact name.

    Returns:
        The hypotheses; else ``NO_PACKAGE`` or ``UNKNOWN_MODEL``.

    Example:
        ``hypotheses("openai", "gpt-4o").central_kg`` is the CO2e of a million output tokens.
    """
    logger_class = logging.getLoggerClass()
    try:
        from ecologits.log import logger
        from ecologits.model_repository import models
        from ecologits.tracers.utils import PROVIDER_CONFIG_MAP, llm_impacts
    except ImportError:
        return NO_PACKAGE
    finally:
        logging.setLoggerClass(logger_class)  # EcoLogits replaces the logger class of the whole process
    known, server = models.find_model(provider=provider, model_name=model), PROVIDER_CONFIG_MAP.get(provider)
    if known is None or server is None or not server.datacenter_location:
        return UNKNOWN_MODEL
    silent, logger.disabled = logger.disabled, True  # its warnings are in the hypotheses
    try:
        gwp = llm_impacts(provider, model, _TOKENS, math.inf, server.datacenter_location).gwp
    finally:
        logger.disabled = silent
    return UNKNOWN_MODEL if gwp is None else _hypotheses(provider, known, server.datacenter_location, gwp.value)


def _hypotheses(provider: str, model: Any, location: str, co2e_kg: Any) -> Hypotheses:
    """Return what EcoLogits knows of a model, with its CO2e of ``_TOKENS`` output tokens (a number or a range)."""
    low, high = _bounds(co2e_kg)
    parameters = model.architecture.parameters
    return Hypotheses(
        provider=provider,
        model=model.name,
        ecologits_version=importlib.metadata.version("ecologits"),
        zone=location,
        total_parameters=_range(getattr(parameters, "total", parameters)),
        active_parameters=_range(getattr(parameters, "active", parameters)),
        architecture_published=all(warning.code != "model-arch-not-released" for warning in model.warnings),
        low_kg=low,
        central_kg=(low + high) / 2,
        high_kg=high,
    )


def _bounds(value: Any) -> tuple[float, float]:
    """Return the bounds of a number or a range of EcoLogits."""
    return (float(value.min), float(value.max)) if hasattr(value, "min") else (float(value), float(value))


def _range(value: Any) -> str:
    low, high = _bounds(value)
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"

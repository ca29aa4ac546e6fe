"""Calls to models that others host: their impact estimated from counts of tokens, by EcoLogits, whose hypotheses are kept.

EcoLogits (``ecoia[api]``) models the provider's servers: building and making of the servers are inside its figure, so neither
PUE nor equipment of ours is applied to it, and its energy is in no total of ours. It works without a network. Here it is
asked once a model, for a million tokens put out without a deadline (a short latency would cap the estimate, and a row does
not know one); everything else is in proportion. What it says of primary energy is not published: it is not one.

A name that drifts (``-latest``) and a model that it does not know are flagged, never guessed. Tokens of a model that runs on
a device of ours are left out: that energy is metered already.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ecoia.impact.activity import Bearer, bearer_of
from ecoia.records import Row
from ecoia.semconv import CLAIMED_TWICE

SELF_HOSTED = ("local", "self-hosted", "ollama", "vllm", "tgi", "llama.cpp", "transformers")
"""Providers that are one's own machine: what they draw is metered there."""

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
"""Why tokens have no estimate. ``input-only``: EcoLogits models generation only; ``not-metered``: a model of one's own, on a
row that has no energy."""


@dataclass(frozen=True)
class Hypotheses:
    """What an estimate rests on. ``*_kg`` are kgCO2e for a million output tokens, provider's building and servers included."""

    provider: str
    model: str
    ecologits_version: str
    zone: str  # where the provider's servers are taken to be
    total_parameters: str  # in thousand millions, a number or a range, as EcoLogits has them
    active_parameters: str
    architecture_published: bool
    low_kg: float
    central_kg: float
    high_kg: float


@dataclass(frozen=True)
class TokenUse:
    """Tokens of one bearer with one model, and what becomes of them: ``standing``, and ``reason`` where unmeasured.

    ``record_ids`` are the first of the ``records`` that they are on, sorted.
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
        """The central estimate; None unless estimated."""
        return None if self.hypotheses is None else self.hypotheses.central_kg * self.tokens_out / _TOKENS


def token_uses(rows: Iterable[Row]) -> list[TokenUse]:
    """Tokens by bearer, provider, model and whether they run on a metered device of ours, sorted."""
    sums: dict[tuple[str, str, str, str, bool], list[int]] = {}
    ids: dict[tuple[str, str, str, str, bool], set[str]] = {}
    for row in rows:
        service, phase = bearer_of(row)
        for tokens in row["tokens"]:
            provider = tokens["provider"].lower()
            key = (service or "", phase, provider, tokens["model"], _metered(provider, row))
            known = sums.setdefault(key, [0, 0, 0])
            ids.setdefault(key, set()).update(row["record_ids"])
            for index, number in enumerate((tokens["tokens_in"], tokens["tokens_out"], 1)):
                known[index] += number
    return [
        replace(
            _use((key[0] or None, key[1]), *key[2:], *sums[key]),
            record_ids=tuple(sorted(ids[key])[:_IDS]),
            records=len(ids[key]),
        )
        for key in sorted(sums)
    ]


def _metered(provider: str, row: Row) -> bool:
    """Whether the tokens' energy is in the energy of our own devices."""
    energy = row["energy_microjoules"]
    # Energy refused as claimed twice is in the claim that was kept.
    elsewhere = {component for component, method in row["method"].items() if method["name"] == CLAIMED_TWICE}
    if provider in SELF_HOSTED:
        return bool(elsewhere) or any(value is not None for value in energy.values())
    # Open weights run at home as well as at the hub: work on a metered card is taken to be theirs.
    return provider == _OPEN_WEIGHTS and ("gpu" in elsewhere or bool(energy["gpu"]))


def _use(bearer: Bearer, provider: str, model: str, metered: bool, tokens_in: int, tokens_out: int, rows: int) -> TokenUse:
    def use(standing: str, reason: str | None = None, found: Hypotheses | None = None) -> TokenUse:
        return TokenUse(bearer, provider, model, tokens_in, tokens_out, rows, standing, reason, found)

    if metered:
        return use(METERED)
    if provider in SELF_HOSTED:
        return use(UNMEASURED, NOT_METERED)
    if model.lower().endswith("latest"):
        return use(UNMEASURED, DRIFTING_NAME)
    if tokens_out == 0:
        return use(UNMEASURED, INPUT_ONLY)
    found = hypotheses(provider, model)
    return use(UNMEASURED, found) if isinstance(found, str) else use(ESTIMATED, None, found)


@cache
def hypotheses(provider: str, model: str) -> Hypotheses | str:
    """What EcoLogits says of a model; else one of ``WHY_UNMEASURED``.

    Args:
        provider: As EcoLogits names it: ``openai``, ``mistralai``, ``anthropic``, ``google_genai``, ``cohere`` or
            ``huggingface_hub``.
        model: The exact name.
    """
    logger_class = logging.getLoggerClass()
    try:
        from ecologits.log import logger
        from ecologits.model_repository import models
        from ecologits.tracers.utils import PROVIDER_CONFIG_MAP, llm_impacts
    except ImportError:
        return NO_PACKAGE
    finally:
        logging.setLoggerClass(logger_class)  # EcoLogits replaces that of the whole process
    known, place = models.find_model(provider=provider, model_name=model), PROVIDER_CONFIG_MAP.get(provider)
    if known is None or place is None or not place.datacenter_location:
        return UNKNOWN_MODEL
    silent, logger.disabled = logger.disabled, True  # what it warns of is in the hypotheses
    try:
        gwp = llm_impacts(provider, model, _TOKENS, math.inf, place.datacenter_location).gwp
    finally:
        logger.disabled = silent
    if gwp is None:
        return UNKNOWN_MODEL
    low, high = _bounds(gwp.value)
    parameters = known.architecture.parameters
    return Hypotheses(
        provider=provider,
        model=known.name,
        ecologits_version=importlib.metadata.version("ecologits"),
        zone=place.datacenter_location,
        total_parameters=_range(getattr(parameters, "total", parameters)),
        active_parameters=_range(getattr(parameters, "active", parameters)),
        architecture_published=all(warning.code != "model-arch-not-released" for warning in known.warnings),
        low_kg=low,
        central_kg=(low + high) / 2,
        high_kg=high,
    )


def _bounds(value: Any) -> tuple[float, float]:
    """EcoLogits gives a number or a range."""
    return (float(value.min), float(value.max)) if hasattr(value, "min") else (float(value), float(value))


def _range(value: Any) -> str:
    low, high = _bounds(value)
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"

"""What a call to a hosted model takes, as EcoLogits estimates it: so much for each request, and so much for each token produced.

EcoLogits (``ecoia[api]``) models the provider's servers: CO2e of use and of making, energy, water. For a model it gives exactly
``b + a x tokens``, so it is asked twice for each model, for no token and for a million, without a deadline: a short latency would
cap the estimate, and a row does not record one. It works without a network.

Left out are its primary energy, which is below 3.6 MJ a kWh for many of its electricity mixes and so cannot be primary energy,
and its use of minerals and metals, from which a published analysis differs by a factor of 89.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import HostedFactor

MILLION = 1_000_000

NO_PACKAGE, DRIFTING_NAME, UNKNOWN_MODEL = "no-ecologits", "drifting-name", "unknown-model"
"""Why EcoLogits gives no estimate."""

PROVIDER_ALIASES: Mapping[str, str] = {
    "mistral": "mistralai",
    "azure": "openai",
    "azure_openai": "openai",
    "gemini": "google_genai",
    "vertex_ai": "google_genai",
}
"""Other names of providers, and the name that EcoLogits has for each."""

_ZONE_OF_ANOTHER = frozenset({"azure", "azure_openai"})

PUBLISHED_ABOVE = 24
"""How much more a published analysis finds than EcoLogits gives for the same answer.

Mistral's life-cycle analysis of Large 2 (July 2025, with Carbone 4 and ADEME): 1.14 gCO2e for an answer of 400 tokens, making
included. EcoLogits gives 0.047 g for such a model on the French mix. The boundaries differ (cluster, network, prompt), so it is a
bias more than noise: the upper bound of estimates takes it in, as that of uncalibrated meters takes in the wall factor."""


@dataclass(frozen=True)
class Hypotheses:
    """What an estimate rests on. ``low`` and ``high`` are the ends of EcoLogits' range; where they are equal it gives a point.

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
        request_low_kg: Lower kgCO2e that a request takes before its first token.
        request_central_kg: Central value of the same.
        request_high_kg: Upper value of the same.
        making_kg: Part of ``central_kg`` that is the making of the provider's servers.
        request_making_kg: Part of ``request_central_kg`` that is.
        low_kwh: Lower kWh for a million output tokens, at the provider's plug, its building included. In no total of ours.
        high_kwh: Upper value of the same.
        request_low_kwh: Lower kWh that a request takes before its first token.
        request_high_kwh: Upper value of the same.
        low_litres: Lower litres of water for a million output tokens, in cooling and in making the electricity.
        high_litres: Upper value of the same.
        request_low_litres: Lower litres that a request takes before its first token.
        request_high_litres: Upper value of the same.
        pue: PUE that EcoLogits takes for the provider.
        wue: WUE that it takes, in litres a kWh.
        warnings: Codes of EcoLogits' warnings of the model and the zone.
        zone_of_another: Whether the zone is that of another provider of the same model.
        input_low_kg: Lower kgCO2e for a million input tokens; EcoLogits counts none.
        input_central_kg: Central value of the same.
        input_high_kg: Upper value of the same.
        input_low_litres: Lower litres for a million input tokens.
        input_high_litres: Upper value of the same.
        source: Who says so in ``hosted_factors.yaml``; empty where EcoLogits does. Energy and making are then not known.
        dated: Day of the source.
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
    request_low_kg: float = 0.0
    request_central_kg: float = 0.0
    request_high_kg: float = 0.0
    making_kg: float = 0.0
    request_making_kg: float = 0.0
    low_kwh: float = 0.0
    high_kwh: float = 0.0
    request_low_kwh: float = 0.0
    request_high_kwh: float = 0.0
    low_litres: float = 0.0
    high_litres: float = 0.0
    request_low_litres: float = 0.0
    request_high_litres: float = 0.0
    pue: str = ""
    wue: str = ""
    warnings: tuple[str, ...] = ()
    zone_of_another: bool = False
    input_low_kg: float = 0.0
    input_central_kg: float = 0.0
    input_high_kg: float = 0.0
    input_low_litres: float = 0.0
    input_high_litres: float = 0.0
    source: str = ""
    dated: str = ""

    @property
    def is_point(self) -> bool:
        """Whether there is one value and no range, which is no certainty."""
        return self.low_kg == self.high_kg


Ask = Callable[[str, str], Hypotheses | str]
"""Gives the hypotheses of a provider's model; else why there are none."""


def asking(factors: Iterable[HostedFactor]) -> Ask:
    """Return what gives the hypotheses of a model: the factor of its provider's where there is one, else EcoLogits.

    Example:
        >>> asking(())("openai", "gpt-latest")
        'drifting-name'
    """
    declared = {(factor.provider.lower(), factor.model): factor for factor in factors}

    def ask(provider: str, model: str) -> Hypotheses | str:
        found = declared.get((provider, model))
        if found is None and provider not in _ZONE_OF_ANOTHER:
            found = declared.get((PROVIDER_ALIASES.get(provider, provider), model))
        return hypotheses(provider, model) if found is None else _declared(found)

    return ask


def _declared(factor: HostedFactor) -> Hypotheses:
    def bounds(grams: float) -> tuple[float, float, float]:
        """Return the low, central and high amount in kg."""
        return factor.low * grams / 1000, grams / 1000, factor.high * grams / 1000

    read = bounds(factor.g_per_token_in * MILLION)
    return Hypotheses(
        factor.provider,
        factor.model,
        "",
        "",
        "",
        "",
        True,
        *bounds(factor.g_per_token_out * MILLION),
        *bounds(factor.g_per_request),
        low_litres=factor.low * factor.l_per_token_out * MILLION,
        high_litres=factor.high * factor.l_per_token_out * MILLION,
        request_low_litres=factor.low * factor.l_per_request,
        request_high_litres=factor.high * factor.l_per_request,
        input_low_kg=read[0],
        input_central_kg=read[1],
        input_high_kg=read[2],
        input_low_litres=factor.low * factor.l_per_token_in * MILLION,
        input_high_litres=factor.high * factor.l_per_token_in * MILLION,
        source=factor.source,
        dated=factor.date.isoformat(),
    )


@cache
def hypotheses(provider: str, model: str) -> Hypotheses | str:
    """Ask EcoLogits for the hypotheses of a model.

    Args:
        provider: As EcoLogits names it (``openai``, ``mistralai``, ``anthropic``, ``google_genai``, ``cohere`` or
            ``huggingface_hub``), or one of ``PROVIDER_ALIASES``.
        model: The exact name.

    Returns:
        The hypotheses; else ``NO_PACKAGE``, ``DRIFTING_NAME`` or ``UNKNOWN_MODEL``.

    Example:
        ``hypotheses("openai", "gpt-4o").central_kg`` is the CO2e of a million output tokens.
    """
    if model.lower().endswith("latest"):
        return DRIFTING_NAME
    logger_class = logging.getLoggerClass()
    try:
        from ecologits.log import logger
        from ecologits.model_repository import models
        from ecologits.tracers.utils import PROVIDER_CONFIG_MAP, llm_impacts
    except ImportError:
        return NO_PACKAGE
    finally:
        logging.setLoggerClass(logger_class)  # EcoLogits replaces the logger class of the whole process
    name = PROVIDER_ALIASES.get(provider, provider)
    known, server = models.find_model(provider=name, model_name=model), PROVIDER_CONFIG_MAP.get(name)
    if known is None or server is None or not server.datacenter_location:
        return UNKNOWN_MODEL
    silent, logger.disabled = logger.disabled, True  # its warnings are in the hypotheses
    try:
        none, million = (llm_impacts(name, model, tokens, math.inf, server.datacenter_location) for tokens in (0, MILLION))
    finally:
        logger.disabled = silent
    if none.gwp is None or million.gwp is None:
        return UNKNOWN_MODEL
    return _hypotheses(name, known, server, none, million, zone_of_another=provider in _ZONE_OF_ANOTHER)


def _hypotheses(provider: str, model: Any, server: Any, none: Any, million: Any, *, zone_of_another: bool) -> Hypotheses:
    """Return what EcoLogits knows of a model, with its impacts of no token and of a million."""

    def line(read: Callable[[Any], Any]) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the bounds of what a million tokens take beyond the request, and of what the request takes."""
        request, whole = _bounds(read(none).value), _bounds(read(million).value)
        return (whole[0] - request[0], whole[1] - request[1]), request

    co2e, of_request = line(lambda impacts: impacts.gwp)
    making, making_of_request = line(lambda impacts: impacts.embodied.gwp)
    energy, energy_of_request = line(lambda impacts: impacts.energy)
    water, water_of_request = line(lambda impacts: impacts.wcf)
    parameters = model.architecture.parameters
    codes = {warning.code for warning in (*model.warnings, *(million.warnings or ()))}
    return Hypotheses(
        provider=provider,
        model=model.name,
        ecologits_version=importlib.metadata.version("ecologits"),
        zone=server.datacenter_location,
        total_parameters=_range(getattr(parameters, "total", parameters)),
        active_parameters=_range(getattr(parameters, "active", parameters)),
        architecture_published="model-arch-not-released" not in codes,
        low_kg=co2e[0],
        central_kg=sum(co2e) / 2,
        high_kg=co2e[1],
        request_low_kg=of_request[0],
        request_central_kg=sum(of_request) / 2,
        request_high_kg=of_request[1],
        making_kg=sum(making) / 2,
        request_making_kg=sum(making_of_request) / 2,
        low_kwh=energy[0],
        high_kwh=energy[1],
        request_low_kwh=energy_of_request[0],
        request_high_kwh=energy_of_request[1],
        low_litres=water[0],
        high_litres=water[1],
        request_low_litres=water_of_request[0],
        request_high_litres=water_of_request[1],
        pue=_range(server.datacenter_pue),
        wue=_range(server.datacenter_wue),
        warnings=tuple(sorted(codes)),
        zone_of_another=zone_of_another,
    )


def _bounds(value: Any) -> tuple[float, float]:
    """Return the bounds of a number or a range of EcoLogits."""
    return (float(value.min), float(value.max)) if hasattr(value, "min") else (float(value), float(value))


def _range(value: Any) -> str:
    low, high = _bounds(value)
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"

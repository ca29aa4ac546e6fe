"""``hosted_factors.yaml``: what a call to a hosted model takes, as its provider or an analysis says. It goes before EcoLogits.

A provider that publishes an analysis of its model knows its servers, its building and its network; EcoLogits supposes them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ecoia.catalogue.fields import Day, FieldError, Model, Text

HOSTED_FACTORS_FILE = "hosted_factors.yaml"

Amount = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class HostedFactor(Model):
    """What a call to one model of one provider takes: so much a request, so much a token.

    Attributes:
        provider: Provider, as programs name it in ``span.tokens``.
        model: Model, likewise; the exact name.
        g_per_request: gCO2e of a request, building and making of the provider's servers included.
        g_per_token_out: gCO2e of a token produced.
        g_per_token_in: gCO2e of a token read in.
        l_per_request: Litres of water of a request.
        l_per_token_out: Litres of water of a token produced.
        l_per_token_in: Litres of water of a token read in.
        low: The least that it may be, as a share of these values; up to 1.
        high: The most, likewise; 1 or more.
        source: Who says so, and where.
        date: Day of the source.
    """

    provider: Text
    model: Text
    g_per_request: Amount = 0.0
    g_per_token_out: Amount = 0.0
    g_per_token_in: Amount = 0.0
    l_per_request: Amount = 0.0
    l_per_token_out: Amount = 0.0
    l_per_token_in: Amount = 0.0
    low: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    high: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] = 1.0
    source: Text
    date: Day

    @model_validator(mode="after")
    def _check_amounts(self) -> HostedFactor:
        if not (self.g_per_request or self.g_per_token_out or self.g_per_token_in):
            raise FieldError(
                "no-amount",
                "all of it is 0: write at least one of g_per_request, g_per_token_out, g_per_token_in, in gCO2e",
                at="g_per_token_out",
            )
        return self


class HostedFactorsFile(Model):
    """``hosted_factors.yaml``."""

    hosted_factors: tuple[HostedFactor, ...] = ()

"""The ``model`` block of a service: the size of its model and of its training, as those who made the model declare it.

The provider's score of SCI for AI is per floating point operation, per training token or per billion parameters. None of them is
computed from energy: a figure computed from another says nothing more than it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ecoia.catalogue.fields import Model, QuarterText, Text

FLOP, TRAINING_TOKEN, PARAMETER = "flop", "training-token", "parameter"
PROVIDER_UNITS = {FLOP: 1e15, TRAINING_TOKEN: 1e3, PARAMETER: 1e9}
"""Functional units of a provider's score, and how many of them a score is per, so that it can be read; the first that is declared
is used.

Operations measure the work of the training itself; tokens, the data that it read; parameters, only the size of what it made.
"""
GROSS, EFFECTIVE = "gross", "effective"

_MOST_BILLIONS = 1e6


@dataclass(frozen=True)
class ProviderUnit:
    """What a provider's score is divided by.

    Attributes:
        unit: One of ``PROVIDER_UNITS``.
        count: How many times what a score is per: thousands of tokens, billions of parameters.
        values: ``gross`` or ``effective``.
    """

    unit: str
    count: float
    values: str


def _billions(value: float) -> float:
    if value > _MOST_BILLIONS:
        raise ValueError(f"{value:g} billion parameters: write billions, e.g. 7 for 7,000,000,000 parameters")
    return value


def _whole(billions: float | None) -> float | None:
    return None if billions is None else billions * PROVIDER_UNITS[PARAMETER]


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Billions = Annotated[Positive, AfterValidator(_billions)]


class DescribedModel(Model):
    """The model in service, as declared.

    Attributes:
        parameters_total_billion: All its parameters, in billions.
        parameters_active_billion: Those that one answer uses: fewer in a mixture of experts.
        training_tokens: Tokens that the training read, each time it read them.
        training_tokens_effective: The same without duplicates and what curation left out.
        training_flop: Floating point operations of the training, all of its attempts included.
        flop_method: How they were counted or computed.
        made_from: First quarter of the work on this model: its phases count from there on. Left out: those of the latest quarter
            in which a model was made.
    """

    parameters_total_billion: Billions | None = None
    parameters_active_billion: Billions | None = None
    training_tokens: Positive | None = None
    training_tokens_effective: Positive | None = None
    training_flop: Positive | None = None
    flop_method: Text | None = None
    made_from: QuarterText | None = None

    @property
    def provider_unit(self) -> ProviderUnit | None:
        """What the provider's score is divided by: the first of ``PROVIDER_UNITS`` that is declared, gross rather than effective.

        Example:
            >>> DescribedModel(parameters_total_billion=0.4, training_tokens=2e6).provider_unit
            ProviderUnit(unit='training-token', count=2000.0, values='gross')
        """
        declared = (
            (FLOP, self.training_flop, GROSS),
            (TRAINING_TOKEN, self.training_tokens, GROSS),
            (TRAINING_TOKEN, self.training_tokens_effective, EFFECTIVE),
            (PARAMETER, _whole(self.parameters_total_billion), GROSS),
            (PARAMETER, _whole(self.parameters_active_billion), EFFECTIVE),
        )
        found = (
            ProviderUnit(unit, count / PROVIDER_UNITS[unit], values) for unit, count, values in declared if count is not None
        )
        return next(found, None)

    @model_validator(mode="after")
    def _check_parts_of_wholes(self) -> DescribedModel:
        for part, whole in (
            ("parameters_active_billion", "parameters_total_billion"),
            ("training_tokens_effective", "training_tokens"),
        ):
            few, many = getattr(self, part), getattr(self, whole)
            if few is not None and many is not None and few > many:
                raise ValueError(f"{part} = {few:g} is above {whole} = {many:g}: correct one of them")
        return self

    @model_validator(mode="after")
    def _check_flop_method(self) -> DescribedModel:
        if (self.training_flop is None) != (self.flop_method is None):
            given, lacking = ("training_flop", "flop_method") if self.flop_method is None else ("flop_method", "training_flop")
            raise ValueError(
                f"'{given}' stands without '{lacking}': write how many operations, and how they were counted "
                "(e.g. flop_method: 6 x parameters x tokens)"
            )
        return self

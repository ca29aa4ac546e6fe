"""``method.yaml``: uncertainties that the organisation chose itself."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ecoia.catalogue.error_widths import GSD
from ecoia.catalogue.fields import Model, Text

METHOD_FILE = "method.yaml"


def _source_of_error(value: str) -> str:
    if value in GSD:
        return value
    near = difflib.get_close_matches(value, GSD, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise ValueError(f"no such source of error: {hint}known: {', '.join(GSD)}")


class MethodFile(Model):
    """``method.yaml``.

    Attributes:
        gsd: Geometric standard deviations that replace those of ``error_widths.GSD``, by source of error.
        because: Source and date of the choice.
    """

    gsd: dict[Annotated[str, AfterValidator(_source_of_error)], Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)]] = (
        Field(default_factory=dict)
    )
    because: Text | None = None

    @model_validator(mode="after")
    def _check_reason(self) -> MethodFile:
        if self.gsd and self.because is None:
            raise ValueError("deviations are changed: add 'because' with the source and the date of the choice")
        return self

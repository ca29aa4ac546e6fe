"""Matrices of cases, of which ``make test`` runs representatives, and ``make matrix`` the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def represented(cases: Iterable[Any], by: Sequence[Any]) -> list[Any]:
    """Return the cases for ``parametrize``, those that are not representatives marked ``matrix``.

    Args:
        cases: Every case; a tuple has a value of each parameter.
        by: The representatives. Together they have every value of every parameter, or a test beside them has it.
    """
    found = list(cases)
    assert all(each in found for each in by), "a representative that is no case"
    values = [case if isinstance(case, tuple) else (case,) for case in found]
    return [
        pytest.param(*each, marks=[] if case in by else [pytest.mark.matrix]) for case, each in zip(found, values, strict=True)
    ]

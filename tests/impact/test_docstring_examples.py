"""Examples in docstrings: each runs and gives what it shows."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

MODULES = ["ecoia.methods"] + [
    found.name
    for room in ("catalogue", "factors", "impact")
    for found in pkgutil.walk_packages(import_module(f"ecoia.{room}").__path__, f"ecoia.{room}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    failures, _ = doctest.testmod(import_module(name))
    assert not failures, "see the output for the example and what it gave"

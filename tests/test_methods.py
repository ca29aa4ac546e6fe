"""Methods: each one has a class of error with a width, and words in the report."""

from __future__ import annotations

from ecoia import methods
from ecoia.catalogue.error_widths import GSD
from ecoia.methods import METHODS, UNKNOWN_ERROR_CLASS, Method, error_class
from ecoia.semconv import DECLARED, ESTIMATED, MEASURED, MISSING, STATUSES
from ecoia_dashboards import wording

DECLARED_HERE = [
    method
    for value in vars(methods).values()
    for method in (value.values() if isinstance(value, dict) else (value,))
    if isinstance(method, Method)
]


def test_every_method_that_gives_energy_has_a_class_of_error_with_a_width() -> None:
    for method in DECLARED_HERE:
        assert method.status in STATUSES, method
        assert error_class(method.status, method.name) in GSD, method
    assert UNKNOWN_ERROR_CLASS in GSD
    assert error_class(DECLARED, "whatever") in GSD


def test_each_method_is_declared_once() -> None:
    names = [method.name for method in DECLARED_HERE if method.status != MISSING]
    assert sorted(names) == sorted(METHODS)
    assert len(set(names)) == len(names)


def test_every_method_that_gives_energy_has_words_in_the_report() -> None:
    assert set(METHODS) <= set(wording.METHODS)


def test_the_class_is_looked_up_and_not_guessed_from_the_name() -> None:
    assert error_class(MEASURED, "rapl") == "counters"
    assert error_class(MEASURED, "rapl-of-a-later-version") == UNKNOWN_ERROR_CLASS
    assert error_class(ESTIMATED, "wattmeter:undivided") == "wattmeter", "by name, whatever the status"
    assert error_class(DECLARED, "rapl") == "declared"


def test_an_unknown_method_is_no_surer_than_any_of_ours() -> None:
    assert all(GSD[UNKNOWN_ERROR_CLASS] >= GSD[error_class(MEASURED, name)] for name in METHODS)

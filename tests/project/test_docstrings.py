"""Docstrings: every public function, class and method has one; the names that others import have an example too."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecoia

pytestmark = pytest.mark.checkout

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("src/ecoia", "integrations/ecoia_integrations", "dashboards/ecoia_dashboards")
FACES = ("ecoia", "ecoia.testing", "ecoia.integrating")
"""The modules that others may import."""


def modules() -> list[Path]:
    """Every module that is not private by its name."""
    found = (path for source in SOURCES for path in sorted((REPOSITORY / source).rglob("*.py")))
    return [path for path in found if not path.stem.startswith("_") or path.stem == "__init__"]


def without_docstring(path: Path) -> Iterator[str]:
    """Names of the public functions, classes and methods of a module that have no docstring."""
    yield from _without("", ast.parse(path.read_text(encoding="utf-8")))


def _without(prefix: str, parent: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in parent.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        if any(each == "overload" or each.endswith(".setter") for each in decorators):
            continue
        if ast.get_docstring(node) is None:
            yield f"{prefix}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from _without(f"{prefix}{node.name}.", node)


def test_public_names_have_a_docstring() -> None:
    assert [f"{path.relative_to(REPOSITORY)}: {name}" for path in modules() for name in without_docstring(path)] == []


@pytest.mark.parametrize("name", FACES)
def test_public_faces_have_examples(name: str) -> None:
    face = importlib.import_module(name)
    exported = [(each, getattr(face, each)) for each in face.__all__]
    missing = set()
    for each, value in exported:
        is_error = isinstance(value, type) and issubclass(value, Exception)
        if not callable(value) or is_error or getattr(value, "__module__", "").startswith("typing"):
            continue
        text = value.__doc__ or ""
        if ">>>" not in text and "::\n" not in text:
            missing.add(f"{name}.{each}")
    assert missing == set()


def _importable() -> Iterator[str]:
    for path in modules():
        if ">>> " in path.read_text(encoding="utf-8"):
            source = next(REPOSITORY / each for each in SOURCES if path.is_relative_to(REPOSITORY / each))
            yield ".".join(path.relative_to(source.parent).with_suffix("").parts).removesuffix(".__init__")


@pytest.fixture(scope="module")
def imported() -> None:
    """Import what stands below ``ecoia``: a thread that an example starts must add no name while doctest looks for examples."""
    for child in pkgutil.iter_modules(ecoia.__path__):
        if child.name != "__main__":
            importlib.import_module(f"ecoia.{child.name}")


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("name", list(_importable()))
def test_examples_in_docstrings_run(name: str) -> None:
    if name.startswith("ecoia_integrations."):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
        if name not in sys.modules:
            pytest.skip("its framework is in .venv-hosts only, where tests/hosts runs these examples")
    assert doctest.testmod(importlib.import_module(name)).failed == 0

"""The two public faces: each name has types and an example that runs, and integrations use nothing else."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import textwrap
import tomllib
import typing
from pathlib import Path
from types import FunctionType
from typing import Any

import grimp
import pytest

import ecoia
from ecoia.integrating import RequestSpan
from support.programs import run_python
from support.quiet_engine import QuietEngine

FACES = ["ecoia", "ecoia.integrating"]


def public_objects(face: str) -> dict[str, Any]:
    """Public functions and classes of a face, and the methods and properties that its classes add, by name."""
    module = importlib.import_module(face)
    found: dict[str, Any] = {}
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            found[name] = thing
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            inherited = {member for kind in thing.__mro__[1:] for member in vars(kind)}
            for member, value in vars(thing).items():
                if member not in inherited and not member.startswith("_") and isinstance(value, FunctionType | property):
                    found[f"{name}.{member}"] = value
    return found


PUBLIC = {f"{face}.{name}": thing for face in FACES for name, thing in public_objects(face).items()}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring_with_an_example_and_types(name: str) -> None:
    thing = PUBLIC[name]
    text = inspect.getdoc(thing)
    assert text, "a docstring"
    assert re.search(r"^Example:\n +>>> ", text, re.MULTILINE), "an example"
    function = thing.fget if isinstance(thing, property) else thing.__init__ if inspect.isclass(thing) else thing
    if not isinstance(function, FunctionType):
        return
    described = inspect.signature(function)
    parameters = [parameter for parameter in described.parameters.values() if parameter.name != "self"]
    assert all(parameter.annotation is not parameter.empty for parameter in parameters), "the types of its parameters"
    assert described.return_annotation is not described.empty, "the type of its result"
    undescribed = [one.name for one in parameters if not re.search(rf"^ +{one.name}: ", text, re.MULTILINE)]
    assert undescribed == [], "the meaning of its parameters"


@pytest.mark.parametrize("face", FACES)
def test_a_face_has_every_name_that_it_lists(face: str) -> None:
    module = importlib.import_module(face)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_table_of_the_face_names_all_of_it() -> None:
    face = importlib.import_module("ecoia.integrating")
    table = set(re.findall(r"``(\w+)``", face.__doc__ or ""))
    assert set(face.__all__) <= table


def test_the_integration_in_the_docstring_works(engine: QuietEngine) -> None:
    face = importlib.import_module("ecoia.integrating")
    _, rest = (face.__doc__ or "").split("::\n", 1)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(rest[: rest.index("\nThe modules")]), names)  # noqa: S102 - our own text

    def app(request: dict[str, str]) -> str:
        request["route"] = "/cv/{id}"
        return "done" if request["path"] == "/cv/3" else request["missing"]

    measured = names["Measured"](app, "analyse-cv")
    assert measured({"path": "/cv/3"}) == "done"
    with pytest.raises(KeyError):
        measured({"path": "/cv/4"})
    by_endpoint = {counters.label.endpoint: (counters.spans, counters.units_micro) for counters in engine.every("analyse-cv")}
    assert by_endpoint == {"/cv/{id}": (2, 1_000_000), None: (0, 0)}
    engine.assert_settled()


def test_the_types_of_public_functions_can_be_resolved() -> None:
    """Annotations are text until something reads them: one that names nothing would pass unseen."""
    for name, thing in public_objects("ecoia").items():
        if isinstance(thing, FunctionType) and "." not in name:
            assert typing.get_type_hints(thing), name


def test_the_examples_of_the_faces_run() -> None:
    """In a process of their own, because they start the sampler."""
    program = f"""
import doctest, ecoia, ecoia.integrating
tried = failed = 0
for face in (ecoia, ecoia.integrating):
    for name in face.__all__:
        thing = getattr(face, name)
        if callable(thing):
            for example in doctest.DocTestFinder().find(thing, name, globs={{}}, module=False):
                result = doctest.DocTestRunner(optionflags={doctest.IGNORE_EXCEPTION_DETAIL}).run(example)
                tried, failed = tried + result.attempted, failed + result.failed
assert tried > 50, tried
raise SystemExit(failed > 0)
"""
    done = run_python(program)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("package", ["ecoia.instrument", "ecoia_integrations"])
def test_the_examples_of_every_module_run(package: str) -> None:
    program = f"""
import doctest, importlib, pkgutil
failed = 0
for module in pkgutil.iter_modules(importlib.import_module({package!r}).__path__, {package!r} + "."):
    try:
        loaded = importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        assert error.name in ("keras", "pytorch_lightning", "transformers", "xgboost"), error  # tests/hosts runs these
        continue
    failed += doctest.testmod(loaded).failed
raise SystemExit(failed > 0)
"""
    done = run_python(program)
    assert (done.stdout, done.returncode) == ("", 0)


def test_importing_ecoia_does_not_load_the_face_of_integrations() -> None:
    assert loaded_by("ecoia", ("ecoia.integrating", "ecoia.instrument.request_spans")) == []


def test_the_face_loads_neither_settings_nor_the_journal() -> None:
    """A server that only measures requests has no use for them in its own thread."""
    assert loaded_by("ecoia.integrating", ("ecoia.keeping", "ecoia.settings", "ecoia.records")) == []


def loaded_by(module: str, names: tuple[str, ...]) -> list[str]:
    program = f"import sys, {module}\nprint(*[name for name in {names} if name in sys.modules])"
    return run_python(program).stdout.split()


@pytest.mark.checkout
def test_the_contract_of_integrations_forbids_all_of_the_core_but_the_face(repository: Path) -> None:
    contracts = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["name"] == "Integrations use the public face only"]
    assert "ignore_imports" not in contract
    core = (repository / "src" / "ecoia").iterdir()
    modules = {path.stem for path in core if path.suffix == ".py" or (path / "__init__.py").exists()}
    private = {f"ecoia.{name}" for name in modules - {"__init__", "integrating", "errors"}}
    assert set(contract["forbidden_modules"]) == private | {"ecoia_dashboards"}


def test_integrations_touch_no_private_attribute_of_a_span() -> None:
    folder = Path(importlib.import_module("ecoia_integrations").__file__ or "").parent
    private = {name for kind in (ecoia.Span, RequestSpan) for name in vars(kind) if re.match(r"_[a-z]", name)}
    assert {"_counters", "_state", "_settle"} <= private
    files = sorted(folder.glob("*.py"))
    assert len(files) > 8
    used = {
        (file.name, name) for file in files for name in private if re.search(rf"\.{name}\b", file.read_text(encoding="utf-8"))
    }
    assert used == set()


def test_the_measured_thread_has_no_circle_of_imports_even_for_the_type_checker() -> None:
    graph = grimp.build_graph("ecoia", exclude_type_checking_imports=False, cache_dir=None)
    imports = {
        name: graph.find_modules_directly_imported_by(name) for name in graph.modules if name.startswith("ecoia.instrument.")
    }
    assert len(imports) > 10
    assert [name for name in imports if any(graph.chain_exists(other, name) for other in imports[name])] == []

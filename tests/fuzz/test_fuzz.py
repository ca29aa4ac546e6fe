"""Inputs that nobody thought of: refused with an error of ecoia's own, or good for a report. ``make fuzz`` tries them longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import fuzzing

pytestmark = pytest.mark.no_cover  # what changed inputs reach by chance is not tested for that

_GIVEN = os.environ.get("FUZZ_SECONDS")
SECONDS = float(_GIVEN) / len(fuzzing.KINDS) if _GIVEN else None
"""For each kind; None: a few inputs, the same ones each time."""


@pytest.fixture(scope="module", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    os.environ["FUZZ_SCRATCH"] = str(folder)
    return folder


@pytest.mark.parametrize("kind", fuzzing.KINDS)
def test_the_examples_are_accepted_and_what_was_once_a_fault_is_none(kind: str, tmp_path: Path) -> None:
    examples = fuzzing.KINDS[kind].examples()
    accepted = [fuzzing.attempt(kind, data, tmp_path / str(n)) for n, data in enumerate(fuzzing.seeds(kind))]
    assert any(accepted[: len(examples)])


@pytest.mark.parametrize("kind", fuzzing.KINDS)
def test_a_changed_input_is_refused_or_good_for_a_report(kind: str, tmp_path: Path) -> None:
    tried = fuzzing.run(kind, SECONDS, tmp_path)
    print(f"\n{kind}: {tried} inputs")
    assert tried


def test_the_corpus_is_small() -> None:
    files = [path for path in fuzzing.CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(fuzzing.KINDS)
    assert sum(path.stat().st_size for path in files) < 1 << 20

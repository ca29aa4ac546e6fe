"""``model`` of a service: what its makers declare of its size, refused where it cannot be, with field, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecoia.catalogue import DescribedModel, load
from ecoia.errors import CatalogueError
from support.organisation import write_catalogue


def loaded(folder: Path, model: str) -> DescribedModel:
    services = f"services:\n  - id: a\n    name: A\n    status: poc\n    model: {model}\n"
    write_catalogue(folder, services=services)
    (service,) = load(folder).services
    assert service.model is not None
    return service.model


def test_all_of_it_may_be_left_out(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{}").provider_unit is None


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("{parameters_total_billion: 7000000000}", ("parameters_total_billion", "7e+09 billion", "e.g. 7 for 7,000,000,000")),
        ("{parameters_total_billion: 0}", ("parameters_total_billion", "greater than 0")),
        ("{training_tokens: -1}", ("training_tokens", "greater than 0")),
        ("{training_tokens: .nan}", ("training_tokens",)),
        ("{training_tokens: beaucoup}", ("training_tokens", "number")),
        ("{training_flop: 1.0e+21}", ("'training_flop' stands without 'flop_method'", "how they were counted")),
        ("{flop_method: compté}", ("'flop_method' stands without 'training_flop'",)),
        (
            "{parameters_total_billion: 7, parameters_active_billion: 13}",
            ("parameters_active_billion = 13 is above parameters_total_billion = 7", "correct one of them"),
        ),
        (
            "{training_tokens: 100, training_tokens_effective: 200}",
            ("training_tokens_effective = 200 is above training_tokens = 100",),
        ),
        ("{made_from: hier}", ("made_from", "hier")),
        ("{energy_kwh: 3}", ("energy_kwh",)),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(tmp_path: Path, model: str, words: tuple[str, ...]) -> None:
    with pytest.raises(CatalogueError) as refused:
        loaded(tmp_path, model)
    assert [word for word in words if word not in str(refused.value)] == []

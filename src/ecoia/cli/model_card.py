"""``ecoia export model-card``: the CO2e of a training in its model's card, in grams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecoia.cli.common import FAILED, From, Home, Source, load_settings, number, replace_file, say
from ecoia.cli.trainings import RunIds, Training, read_training
from ecoia.errors import EcoiaError, UsageError

if TYPE_CHECKING:
    from ecoia.delivery.mlflow_store import MlflowStore

CARD_FILES = ("model_card_data.yaml", "README.md")
"""Files of a model's folder with a card's metadata: as MLflow's flavour transformers writes it, and as Hugging Face reads it."""

_LARGEST = 10_000_000


def model_card(
    run: RunIds,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="PATH", help="A card, or a model's folder, to merge it into.", show_default="stdout"),
    ] = None,
    logged_models: Annotated[
        bool, typer.Option("--logged-models", help="Merge it into the cards of the models that the run logged, and tag them.")
    ] = False,
    hardware: Annotated[
        str | None,
        typer.Option("--hardware", metavar="TEXT", help="Hardware used.", show_default="as declared for BoAmps, or recorded"),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace another figure that a card has.")] = False,
    source: From = Source.LEDGER,
    home: Home = None,
) -> None:
    """Write the CO2e of a training as Hugging Face's model cards state it: 'co2_eq_emissions', in grams.

    One quantity: use of electricity and making of equipment; where making is not known, the source says so. Other fields of a
    card stay as they are. A card that has another figure is shown and kept; the exit code is then 1.

    [dim]$ ecoia export model-card --run 4f0c1d2e9b7a4c55a1b2c3d4e5f60718 --into model/[/dim]
    """
    import yaml

    from ecoia.evaluating.model_card import KEY, block_of

    if into is not None and not into.exists():
        raise UsageError(f"--into '{into}' does not exist: name a card (YAML or Markdown), or the folder of a model")
    if logged_models and source is not Source.LEDGER:
        raise UsageError("--logged-models writes to MLflow, so rows are read there, too: leave --from out")
    training = read_training(load_settings(home), source, run)
    block = block_of(training.footprint, hardware or _declared_hardware(training))
    if into is None and not logged_models:
        typer.echo(yaml.safe_dump({KEY: block}, allow_unicode=True, sort_keys=False, width=10**6), nl=False)
        return
    kept = False
    for card in _cards_in(into) if into is not None else ():
        kept |= _merge_file(card, block, replace=replace)
    if logged_models and training.store is not None:
        for each in run:
            kept |= _merge_logged(training.store, each, block, replace=replace)
    if kept:
        raise typer.Exit(FAILED)


def _declared_hardware(training: Training) -> str | None:
    """Return the hardware that the register declares for BoAmps, such as ``2 x A100``."""
    boamps = training.service.boamps if training.service else None
    infrastructure = boamps.infrastructure if boamps else None
    if infrastructure is None:
        return None
    return ", ".join(f"{part.count} x {part.name or part.type}" for part in infrastructure.components)


def _cards_in(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [path / name for name in CARD_FILES if (path / name).is_file()]
    if not found:
        raise UsageError(f"'{path}' holds neither {' nor '.join(CARD_FILES)}: name the file of the card")
    return found


def _merge_file(path: Path, block: Mapping[str, Any], *, replace: bool) -> bool:
    """Merge the block into a card. Returns whether it has another figure, which was kept."""
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"'{path}' has more than {_LARGEST:,} bytes: it is no model card")
        data = path.read_bytes()
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be read ({error.strerror}): choose another card with --into") from error
    new = _merged(str(path), data, block, replace=replace)
    if new is not None and new != data:
        try:
            replace_file(path, new)
        except OSError as error:
            raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): choose another card with --into") from error
    return new is None


def _merged(name: str, data: bytes, block: Mapping[str, Any], *, replace: bool) -> bytes | None:
    """Return a card with the block, and print its name; None where another figure is kept, which is said."""
    from ecoia.evaluating.model_card import merged

    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"'{name}' is no text in UTF-8: name a model card") from error
    try:
        found = merged(text, block, is_yaml=name.lower().endswith((".yaml", ".yml")), replace=replace)
    except UsageError as error:
        raise UsageError(f"'{name}': {error}") from error
    if found.kept:
        _tell_kept(name, found.before, block["emissions"])
        return None
    typer.echo(name)
    return found.text.encode()


def _tell_kept(where: str, before: Any, ours: float) -> None:
    known = isinstance(before, int | float) and not isinstance(before, bool)
    told = f"'{where}' has emissions: {before}, and is left as it is; the run gives {number(ours, 4)} g (--replace writes it)"
    if known and before and 0.5 < ours / before / 1000 < 2:
        told += ". The figure that is there looks like kilograms: the field is in grams"
    say(told)


def _merge_logged(store: MlflowStore, run_id: str, block: Mapping[str, Any], *, replace: bool) -> bool:
    """Merge the block into the cards of the models that a run logged, and tag the models. Returns whether a figure was kept."""
    from ecoia.delivery.tags_and_metrics import card_tags

    client, kept = store.client, False
    with store.reaching():
        found = store.get_run(run_id)
        outputs = getattr(found, "outputs", None)
        models = [each.model_id for each in outputs.model_outputs] if outputs is not None else []
        if not models:
            say(f"run {run_id} logged no model that this MLflow knows: nothing to tag (MLflow 2 has no logged models)")
        for model_id in models:
            if _merge_artifacts(store, model_id, block, replace=replace):
                kept = True
                continue
            client.set_logged_model_tags(model_id, card_tags(block["emissions"], block["source"]))
            typer.echo(f"models:/{model_id}")
    return kept


def _merge_artifacts(store: MlflowStore, model_id: str, block: Mapping[str, Any], *, replace: bool) -> bool:
    """Merge the block into the cards among a model's files. Returns whether a figure was kept."""
    place, kept = store.client.get_logged_model(model_id).artifact_location, False
    for name in CARD_FILES:
        try:
            data = store.read_artifact("", place, name, _LARGEST)
        except FileNotFoundError:
            continue
        new = _merged(f"models:/{model_id}/{name}", data, block, replace=replace)
        kept |= new is None
        if new is not None and new != data:
            store.write_artifact("", place, name, new)
    return kept

"""``ecoia export model-card`` and ``model-documentation``: of MLflow's runs, into cards as Hugging Face and MLflow write them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecoia.delivery.mlflow_store import local_path
from ecoia.keeping.journal import Journal
from support.command_line import ecoia, fill
from support.deliveries import api
from support.mlflow_demo import Demo, make_demo
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import kwh, outcome, record

__all__ = ["migrated", "tracking_uri"]

pytestmark = [pytest.mark.filterwarnings(warning) for warning in MLFLOW_WARNINGS]

WRITE = """
import sys
from pathlib import Path
from huggingface_hub import ModelCard
from mlflow.transformers import _write_card_data

folder = Path(sys.argv[1])
card = ModelCard("---\\nlanguage: fr\\nlicense: mit\\ntags:\\n- job-offers\\n---\\n# A model\\n")
card.save(folder / "README.md")
_write_card_data(card, folder)
"""
READ = """
import json, sys
from pathlib import Path
import yaml
from huggingface_hub import ModelCard, ModelCardData

folder = Path(sys.argv[1])
card = ModelCard.load(folder / "README.md")
data = ModelCardData(**yaml.safe_load((folder / "model_card_data.yaml").read_text()))
assert data.to_dict() == card.data.to_dict()
assert card.text.strip() == "# A model"
assert (card.data.language, card.data.license, card.data.tags) == ("fr", "mit", ["job-offers"])
print(json.dumps(card.data.co2_eq_emissions))
"""


@pytest.fixture
def demo(home: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> Demo:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    return make_demo(Journal(home), tracking_uri)


def block_of(output: str) -> dict[str, Any]:
    return dict(yaml.safe_load(output)["co2_eq_emissions"])


@pytest.mark.mlflow
def test_an_mlflow_run_its_children_and_its_logged_model(demo: Demo, tracking_uri: str, tmp_path: Path) -> None:
    client = api(tracking_uri)
    for run in (demo.single, demo.search):  # the search's energy is in the rows of its trials, too
        result = ecoia("export", "model-documentation", "--run", run, "--json")
        assert result.exit_code == 0, result.stderr
        energy = json.loads(result.stdout)["training_energy_mwh"]["components"]["value"]
        assert energy == pytest.approx(client.get_run(run).data.metrics["ecoia/energy_wh"] / 1e6)

    result = ecoia("export", "model-card", "--run", demo.single)
    block = block_of(result.stdout)
    assert block["emissions"] == pytest.approx(client.get_run(demo.single).data.metrics["ecoia/co2e_g"], rel=1e-3)
    assert "making of equipment not included (no-equipment)" in block["source"]
    assert (block["training_type"], block["geographical_location"]) == ("pre-training", "France")

    card = tmp_path / "model_card_data.yaml"
    card.write_text("license: mit\n", encoding="utf-8")
    client.log_model_artifact(demo.model, str(card))
    result = ecoia("export", "model-card", "--run", demo.single, "--logged-models")
    assert (result.exit_code, result.stdout.split()) == (
        0,
        [f"models:/{demo.model}/model_card_data.yaml", f"models:/{demo.model}"],
    ), result.stderr
    place = local_path(client.get_logged_model(demo.model).artifact_location)
    assert place is not None
    written = place / "model_card_data.yaml"
    assert yaml.safe_load(written.read_text()) == {"license": "mit", "co2_eq_emissions": block}
    tags = client.get_logged_model(demo.model).tags
    assert (float(tags["ecoia.card_emissions_g"]), tags["ecoia.card_source"]) == (block["emissions"], block["source"])

    refused = ecoia("export", "model-card", "--run", "nothing")
    assert refused.exit_code == 2
    assert "no training is recorded of run nothing" in " ".join(refused.stderr.split())


@pytest.fixture
def recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    fill(
        home,
        record("2026-11-23T10:00", 30, cpu=kwh(1), phase="fine-tuning", run_id="run-1"),
        outcome("2026-11-23T10:31", "run-1", "ok"),
    )


EXPORT = ("export", "model-card", "--run", "run-1", "--from", "journal")


@pytest.mark.usefixtures("recorded")
def test_the_real_library_reads_what_was_merged(repository: Path, tmp_path: Path) -> None:
    python = repository / ".venv-hosts/bin/python"
    if not python.exists():
        pytest.skip("make .venv-hosts/.stamp installs huggingface_hub")

    def run(program: str) -> str:
        done = subprocess.run([python, "-c", program, tmp_path], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(WRITE)
    result = ecoia(*EXPORT, "--into", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(tmp_path / "model_card_data.yaml"), str(tmp_path / "README.md")]
    assert json.loads(run(READ)) == block_of(ecoia(*EXPORT).stdout)


@pytest.mark.usefixtures("recorded")
def test_a_card_with_another_figure_is_shown_and_kept(tmp_path: Path) -> None:
    grams = block_of(ecoia(*EXPORT).stdout)["emissions"]
    card = tmp_path / "card.yml"
    text = f"co2_eq_emissions:\n  emissions: {grams / 1000}\n  source: another\n"
    card.write_text(text, encoding="utf-8")
    result = ecoia(*EXPORT, "--into", card)
    assert result.exit_code == 1
    assert f"has emissions: {grams / 1000}, and is left as it is" in result.stderr
    assert "looks like kilograms: the field is in grams" in result.stderr
    assert card.read_text(encoding="utf-8") == text
    assert ecoia(*EXPORT, "--into", card, "--replace").exit_code == 0
    assert block_of(card.read_text(encoding="utf-8"))["emissions"] == grams
    before = card.stat().st_mtime_ns
    assert ecoia(*EXPORT, "--into", card).exit_code == 0
    assert card.stat().st_mtime_ns == before


@pytest.mark.usefixtures("recorded")
def test_mistakes_are_named(tmp_path: Path) -> None:
    for words, message in (
        (("--into", tmp_path), "holds neither model_card_data.yaml nor README.md"),
        (("--into", tmp_path / "nowhere"), "does not exist"),
        (("--logged-models",), "leave --from out"),
    ):
        result = ecoia(*EXPORT, *words)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())
    bad = tmp_path / "bad.yaml"
    bad.write_text("- a\n", encoding="utf-8")
    assert f"'{bad}': its metadata is no mapping" in " ".join(ecoia(*EXPORT, "--into", bad).stderr.split())


@pytest.mark.usefixtures("recorded")
def test_the_documentation_is_written_as_markdown_and_the_rows_as_before(tmp_path: Path) -> None:
    out = tmp_path / "model.md"
    assert ecoia("export", "model-documentation", "--run", "run-1", "--from", "journal", "--out", out).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert "# Model documentation: vadore" in text
    assert "No conformity is claimed." in text
    for words in ((), ("rows",)):
        result = ecoia("export", *words, tmp_path / "parquet", "--from", "journal")
        assert result.stdout.strip() == str(tmp_path / "parquet/quarter=2026Q4/rows.parquet"), result.stderr
    assert ecoia("export").exit_code == 2

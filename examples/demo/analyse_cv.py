"""Stand-in for the analysis of CVs: read handwritten digits (scikit-learn's, 8 x 8 pixels)."""

from __future__ import annotations

from pathlib import Path

import joblib
import mlflow
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import ecoia

SERVICE = "analyse-cv"
MODEL = Path("models/analyse_cv.joblib")


@ecoia.track(service=SERVICE, phase="data-preparation", units=lambda pair: len(pair[0]))
def augment(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each image, and the same moved by one pixel in four directions."""
    square = images.reshape(-1, 8, 8)
    moved = [square] + [np.roll(square, step, axis) for axis in (1, 2) for step in (-1, 1)]
    return np.concatenate(moved).reshape(-1, 64), np.tile(labels, len(moved))


@ecoia.track(service=SERVICE, phase="training")
def train(images: np.ndarray, labels: np.ndarray) -> MLPClassifier:
    return MLPClassifier((96,), early_stopping=True, random_state=7).fit(images, labels)


@ecoia.track(service=SERVICE, phase="evaluation")
def evaluate(model: MLPClassifier, images: np.ndarray, labels: np.ndarray) -> float:
    accuracy = float(model.score(images, labels))
    ecoia.current().quality("accuracy", accuracy)
    return accuracy


def main() -> None:
    mlflow.set_experiment("demo/analyse-cv")
    images, labels = load_digits(return_X_y=True)
    known, unseen, known_labels, unseen_labels = train_test_split(images / 16, labels, test_size=0.25, random_state=7)
    with mlflow.start_run(run_name="mlp-96"):
        more, more_labels = augment(known, known_labels)
        model = train(more, more_labels)
        accuracy = evaluate(model, unseen, unseen_labels)
        mlflow.log_metric("accuracy", accuracy)
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump((model, unseen), MODEL)
    print(f"analyse-cv: {len(more)} images learnt, accuracy {accuracy:.3f} on {len(unseen)} others")


if __name__ == "__main__":
    main()

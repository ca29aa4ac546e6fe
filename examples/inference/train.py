"""Makes the model that the service loads: handwritten digits (scikit-learn's, 8 x 8 pixels), read by a small network."""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import ecoia


def main(path: Path) -> None:
    images, labels = load_digits(return_X_y=True)
    known, unseen, known_labels, unseen_labels = train_test_split(images / 16, labels, test_size=0.25, random_state=7)
    with ecoia.track(service="analyse-cv", phase="training"):
        model = MLPClassifier((96,), early_stopping=True, random_state=7).fit(known, known_labels)
    joblib.dump(model, path)
    print(f"{path}: {len(known)} images learnt, accuracy {model.score(unseen, unseen_labels):.3f} on {len(unseen)} others")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "model.joblib"))

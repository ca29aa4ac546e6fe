"""Boost trees on scikit-learn's breast cancer data, which it carries (UCI Machine Learning Repository, CC BY 4.0)."""

from __future__ import annotations

import lightgbm
from sklearn.datasets import load_breast_cancer

import ecoia
from ecoia_integrations.lightgbm import count_units


def main() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    with ecoia.track(service="vadore", phase="training"):
        model = lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1)
        model.fit(x, y, callbacks=[count_units()])  # 11,380 units: 569 rows, 20 rounds


if __name__ == "__main__":
    main()

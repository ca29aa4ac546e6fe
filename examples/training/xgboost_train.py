"""Boost trees on scikit-learn's breast cancer data, which it carries (UCI Machine Learning Repository, CC BY 4.0)."""

from __future__ import annotations

import xgboost
from sklearn.datasets import load_breast_cancer

from ecoia_integrations.xgboost import EcoiaCallback


def main() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model = xgboost.XGBClassifier(n_estimators=20, callbacks=[EcoiaCallback(service="vadore")])
    model.fit(x, y)  # 11,380 units: 569 rows, 20 rounds


if __name__ == "__main__":
    main()

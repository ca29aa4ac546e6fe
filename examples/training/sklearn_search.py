"""Search the depth of a tree on scikit-learn's breast cancer data, which it carries (UCI Machine Learning Repository, CC BY 4.0).

scikit-learn has no callbacks: a block, or a decorator on the function that trains, is all it takes.
"""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

import ecoia


def main() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    with ecoia.track(service="vadore", phase="training") as span:
        search = GridSearchCV(DecisionTreeClassifier(random_state=7), {"max_depth": [2, 4, 8]}).fit(x, y)
        span.units(len(x))  # 569: the units of a search are yours to choose
        span.quality("accuracy", search.best_score_)


if __name__ == "__main__":
    main()

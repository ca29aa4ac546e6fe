"""Stand-in for Smart emploi: forecast employment by sector (U.S. Bureau of Labor Statistics, public domain).

This script knows nothing of ecoia: `ecoia run` measures it from outside.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

MODEL = Path("models/smart_emploi.joblib")
LAGS, HELD_OUT_MONTHS = 12, 24


def growth() -> pd.DataFrame:
    """Monthly growth (log) of each sector; one column a sector, one row a month."""
    package = find_spec("vega_datasets")
    assert package is not None and package.origin is not None, "make demo installs vega-datasets"
    table = pd.read_csv(Path(package.origin).parent / "_data" / "us-employment.csv", index_col="month", parse_dates=True)
    return np.log(table.drop(columns="nonfarm_change")).diff().dropna()


def examples(series: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Windows of twelve months of growth and calendar month, and the growth of the month that follows."""
    inputs, answers = [], []
    for sector in series.columns:
        values = series[sector].to_numpy()
        for end in range(LAGS, len(values)):
            inputs.append([*values[end - LAGS : end], series.index[end].month])
            answers.append(values[end])
    return np.array(inputs), np.array(answers)


def main() -> None:
    inputs, answers = examples(growth().iloc[:-HELD_OUT_MONTHS])
    model = RandomForestRegressor(150, min_samples_leaf=2, n_jobs=2, random_state=7).fit(inputs, answers)
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print(f"smart-emploi: {len(answers)} months of sectors learnt")


if __name__ == "__main__":
    main()

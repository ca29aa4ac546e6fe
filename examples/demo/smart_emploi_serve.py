"""Evaluate the forecast on the months held out, then publish one indicator a sector and month ahead."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from smart_emploi_train import HELD_OUT_MONTHS, LAGS, MODEL, examples, growth

import ecoia

SERVICE = "smart-emploi"
MONTHS_AHEAD = 12


@ecoia.track(service=SERVICE, phase="evaluation")
def evaluate(model: RandomForestRegressor, series: pd.DataFrame) -> float:
    """Share of the held-out months whose growth has the sign that was forecast."""
    inputs, answers = examples(series.iloc[-HELD_OUT_MONTHS - LAGS :])
    right = float((np.sign(model.predict(inputs)) == np.sign(answers)).mean())
    ecoia.current().quality("sign_accuracy", right)
    return right


@ecoia.track(service=SERVICE, phase="inference", units=len)
def publish(model: RandomForestRegressor, series: pd.DataFrame, sector: str) -> list[float]:
    """Growth forecast for each of the next months; the functional unit is an indicator."""
    values, month = list(series[sector].iloc[-LAGS:]), series.index[-1].month
    for ahead in range(1, MONTHS_AHEAD + 1):
        inputs = np.array([[*values[-LAGS:], (month + ahead - 1) % 12 + 1]])
        values.append(float(model.predict(inputs)[0]))
    return values[LAGS:]


def main() -> None:
    model, series = joblib.load(MODEL), growth()
    model.set_params(n_jobs=1)  # one row at a time: threads would only wait for one another
    right = evaluate(model, series)
    indicators = [indicator for sector in series.columns for indicator in publish(model, series, sector)]
    print(f"smart-emploi: sign of growth right in {right:.3f} of the months held out, {len(indicators)} indicators published")


if __name__ == "__main__":
    main()

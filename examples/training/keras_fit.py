"""Learn a straight line with Keras, on any backend: ``KERAS_BACKEND=torch python keras_fit.py``."""

from __future__ import annotations

import keras
import numpy as np

from ecoia_integrations.keras import EcoiaCallback


def main() -> None:
    x = np.linspace(0, 1, 100).reshape(-1, 1)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, 2 * x + 1, epochs=3, verbose=0, callbacks=[EcoiaCallback(service="vadore")])  # 300 units: 100 samples, 3 times


if __name__ == "__main__":
    main()

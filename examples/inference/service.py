"""A service that reads handwritten digits, measured request by request. ``README.md`` says how to run it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
from fastapi import Body, FastAPI
from pydantic import Field
from sklearn.datasets import load_digits

import ecoia
from ecoia import semconv
from ecoia_integrations.asgi import ImpactMiddleware
from ecoia_integrations.prometheus import asgi_app

SERVICE = "analyse-cv"
MODEL = Path(os.environ.get("MODEL", "model.joblib"))
VERSION = hashlib.sha256(MODEL.read_bytes()).hexdigest()[:12]

with ecoia.track(service=SERVICE, endpoint=semconv.MODEL_LOADING, model_version=VERSION):
    model = joblib.load(MODEL)
with ecoia.track(service=SERVICE, endpoint=semconv.WARM_UP, model_version=VERSION):
    model.predict(load_digits().data[:8] / 16)  # the first prediction is slow: no client shall wait for it

app = FastAPI(title="Digits")
app.add_route("/metrics", asgi_app())  # the same totals from every worker
app.add_middleware(ImpactMiddleware, service=SERVICE, model_version=VERSION)


Image = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=64, max_length=64)]


@app.post("/read")
async def read(images: Annotated[list[Image], Body(min_length=1, max_length=1000)]) -> list[int]:
    """Digits of some images, 8 x 8 pixels from 0 to 1. The functional unit is an image read."""
    # On the event loop, since it takes a fraction of a millisecond. What takes longer belongs into a plain ``def``.
    digits = model.predict(np.array(images))
    ecoia.current().units(len(digits))
    return [int(digit) for digit in digits]


@app.get("/health")
async def health() -> str:
    """Asked by machines, so not measured."""
    return VERSION

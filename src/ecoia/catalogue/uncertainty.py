"""How far each source of error may be off: geometric standard deviations, every one a setting (``method.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping

GSD: Mapping[str, float] = {
    "wattmeter": 1.02,  # a wattmeter or PDU at the plug
    "counters": 1.25,  # RAPL, NVML and other hardware counters, not calibrated at the wall
    "calibration": 1.10,  # a wall factor of the site whose own spread is not given
    "model": 1.5,  # a load or memory model of known hardware
    "generic-model": 2.0,  # a load model that does not even know the processor: wider than TDP's 1.5, by our judgement
    "declared": 1.5,  # activity data entered by hand: no better than a model, by our judgement
    "pue-measured": 1.03,
    "pue-declared": 1.10,
    "pue-default": 1.15,  # a figure that is not the site's own
    "grid-same-year": 1.10,
    "grid-previous-year": 1.30,
    "grid-filled": 1.30,  # a gap filled by a rule, beside the factor's own: no better than another year's, by our judgement
    "embodied": 1.4,
    "water": 2.0,  # a WUE, or the water factor of a mix
    "api-open": 2.0,  # an estimate by tokens, of a model whose architecture is published
    "api-closed": 3.0,  # of one whose architecture is not
    "backcast": 1.5,  # a level of later, taken for that of a quarter in which the service was not counted: by our judgement
    "own": 1.05,  # what one service and phase deviates on its own, by our judgement
}
"""Geometric standard deviations of each source of error, where the organisation chose no other."""

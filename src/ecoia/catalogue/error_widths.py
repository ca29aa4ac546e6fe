"""Uncertainty of each source of error, as a geometric standard deviation. Each one is a setting (``method.yaml``).

``impact.uncertainty`` turns them into intervals.
"""

from __future__ import annotations

from collections.abc import Mapping

GSD: Mapping[str, float] = {
    "wattmeter": 1.02,  # a wattmeter or PDU at the plug
    "counters": 1.25,  # RAPL, NVML and other hardware counters, not calibrated at the wall
    "calibration": 1.10,  # a wall factor of the site whose own spread is not given
    "model": 1.5,  # a load or memory model of known hardware
    "generic-model": 2.0,  # a load model of an unknown processor: wider than TDP's 1.5, by our judgement
    "server-share": 1.5,  # a virtual machine's share of a server of a known generation, at the wall
    "server-share-vendor": 1.6,  # the same where only the processor's maker is known
    "server-share-generic": 1.75,  # the same where not even that is known
    "host-model": 1.2,  # a host's power by its load, calibrated on one of its kind; host-models.yaml states each one's own
    "guest-share": 1.45,  # what a host hands to its guest: counters (1.25) shared out by CPU time (1.35)
    "guest-share-wall": 1.4,  # the same of a wattmeter (1.02) or a calibrated host (up to 1.2)
    "attribution-cpu": 1.35,  # a host's processors, or its wattmeter, shared out by CPU time
    "attribution-ram": 2.0,  # its memory, shared out by CPU time too
    "attribution-gpu": 1.25,  # a graphics card, shared out among what ran in one process
    "attribution-gpu-fitted": 1.15,  # the same by tokens, with weights that were fitted on the server
    "attribution-gpu-guessed": 1.5,  # the same by tokens, where the requests in flight or the cached tokens are not known
    "attribution-gpu-in-flight": 1.8,  # the same by time in flight, with more than four requests in flight
    "declared": 1.5,  # energy entered by hand: no better than a model, by our judgement
    "pue-measured": 1.03,
    "pue-declared": 1.10,
    "pue-default": 1.15,  # a figure that is not the site's own
    "grid-same-year": 1.10,
    "grid-previous-year": 1.30,
    "grid-filled": 1.30,  # filling a gap by a rule, on top of the factor's own: no better than another year's, by our judgement
    "embodied": 1.4,
    "water": 2.0,  # a WUE, or the water factor of a mix
    "api-open": 2.0,  # an estimate by tokens, of a model whose architecture is published
    "api-closed": 3.0,  # an estimate by tokens, of a model whose architecture is not published
    "backcast": 1.5,  # a later quarter's level, used where the service was not counted: by our judgement
    "own": 1.05,  # the deviation of one service and phase by itself, by our judgement
}
"""Geometric standard deviation of each source of error, unless the organisation chose another."""

LISTED_WHERE_USED = frozenset(
    {
        *("server-share", "server-share-vendor", "server-share-generic", "host-model", "guest-share", "guest-share-wall"),
        *("attribution-gpu-fitted", "attribution-gpu-guessed", "attribution-gpu-in-flight"),
    }
)
"""Sources that a report lists only if its figures have them: they came later, and earlier reports must not change a byte."""

"""The text of a program that reads GPUs by codecarbon's own classes."""

from __future__ import annotations

CODECARBON_DEVICES = """
import logging
logging.getLogger("codecarbon").addHandler(logging.NullHandler())
logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
from codecarbon.core.units import Energy, Time
def microjoules(theirs):
    readings = theirs.get_delta(Time(seconds=1))
    return round(sum(each["delta_energy_consumption"].kWh for each in readings) / Energy.JOULES_TO_KWH * 1e6)
"""

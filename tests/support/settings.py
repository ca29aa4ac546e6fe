"""Settings for tests: the defaults, some replaced."""

from __future__ import annotations

from typing import Any

from ecoia import settings
from ecoia.settings import Settings, Value


def make_settings(**values: Any) -> Settings:
    """Return the default settings, some replaced."""
    base = settings.load()
    changed = {name: Value(value, "argument") for name, value in values.items()}
    return Settings({**base.values, **changed}, ())

"""Who provides a model that is told of by its name alone."""

from __future__ import annotations

import logging
from functools import cache


@cache
def providers_of(model: str) -> tuple[str, ...]:
    """Return the providers that have a model of exactly this name, as EcoLogits knows them; none without that package.

    Example:
        ``providers_of("gpt-4o")`` is ``("openai",)``.
    """
    logger_class = logging.getLoggerClass()
    try:
        from ecologits.model_repository import models
        from ecologits.tracers.utils import PROVIDER_CONFIG_MAP
    except ImportError:
        return ()
    finally:
        logging.setLoggerClass(logger_class)  # EcoLogits replaces the logger class of the whole process
    return tuple(sorted(name for name in PROVIDER_CONFIG_MAP if models.find_model(provider=name, model_name=model) is not None))

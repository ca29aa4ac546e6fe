"""What ``import mlflow`` loads (entry point ``mlflow.run_context_provider``): it waits for MLflow's models to be imported.

An error here would break the program's ``import mlflow``, and most of those who load this never asked for a measurement.
So it is the standard library alone, it takes microseconds, nothing of it raises, and whether anything is measured is
decided when ``mlflow.pyfunc`` has been imported (``ecoia_integrations.mlflow_models.follow``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_FOLLOWED = frozenset({"mlflow.pyfunc", "mlflow.pyfunc.scoring_server"})


class Plugin:
    """A provider of run tags that has none: what it is for happens when MLflow makes one."""

    def __init__(self) -> None:
        if not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
            sys.meta_path.insert(0, _AfterImport())
        for name in _FOLLOWED & sys.modules.keys():
            _follow(sys.modules[name])

    def in_context(self) -> bool:
        """Never: there are no tags to give."""
        return False

    def tags(self) -> dict[str, str]:
        """None."""
        return {}


class _AfterImport:
    """Finds MLflow's model modules as Python would, and tells once they are executed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _FOLLOWED:
            return None
        try:
            spec = PathFinder.find_spec(name, path, target)
            execute = spec.loader.exec_module  # type: ignore[union-attr]

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _follow(module)

            spec.loader.exec_module = exec_module  # type: ignore[union-attr,method-assign]
        except Exception:  # noqa: BLE001 - a loader of another kind: the module is imported without us
            return None
        return spec


def _follow(module: ModuleType) -> None:
    try:
        from ecoia_integrations import mlflow_models

        mlflow_models.follow(module)
    except Exception:  # noqa: BLE001, S110 - the program gets its module, measured or not
        pass

"""The plug-in that ``import mlflow`` loads (entry point ``mlflow.run_context_provider``). It waits for MLflow's model modules.

An error here would break the ``import mlflow`` of programs that never asked for a measurement. So this module uses the standard
library alone, takes microseconds and never raises. Once the program has imported ``mlflow.pyfunc``,
``ecoia_integrations.mlflow_models.follow`` decides whether to measure.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_FOLLOWED = frozenset({"mlflow.pyfunc", "mlflow.pyfunc.scoring_server"})


class Plugin:
    """A provider of run tags that provides none. Its work is done when MLflow makes one."""

    def __init__(self) -> None:
        if not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
            sys.meta_path.insert(0, _AfterImport())
        for name in _FOLLOWED & sys.modules.keys():
            _follow(sys.modules[name])

    def in_context(self) -> bool:
        """Return False: there are no tags."""
        return False

    def tags(self) -> dict[str, str]:
        """Return no tags."""
        return {}


class _AfterImport:
    """Finds MLflow's model modules as Python would, and passes each one on once it has been executed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See ``importlib.abc.MetaPathFinder``. None, for the next finder, for all modules but MLflow's model modules."""
        if name not in _FOLLOWED:
            return None
        try:
            spec = PathFinder.find_spec(name, path, target)
            execute = spec.loader.exec_module  # type: ignore[union-attr]

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _follow(module)

            spec.loader.exec_module = exec_module  # type: ignore[union-attr,method-assign]
        except Exception:  # noqa: BLE001 - another kind of loader: the module is imported, and not measured
            return None
        return spec


def _follow(module: ModuleType) -> None:
    try:
        from ecoia_integrations import mlflow_models

        mlflow_models.follow(module)
    except Exception:  # noqa: BLE001, S110 - the program must get its module even if it is not measured
        pass

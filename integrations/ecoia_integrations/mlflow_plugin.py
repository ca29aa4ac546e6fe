"""The plug-in that ``import mlflow`` loads (entry point ``mlflow.run_context_provider``). It waits for parts of MLflow.

An error here would break the ``import mlflow`` of programs that never asked for a measurement. So this module uses the standard
library alone, takes microseconds and never raises. Once MLflow's runs can be followed, ``ecoia.integrating.follow_runs`` does,
if the program uses ecoia or ``autolog`` is on. Once the program has imported ``mlflow.pyfunc``,
``ecoia_integrations.mlflow_models.follow`` decides whether to measure.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_FOLLOWED = frozenset({"mlflow.pyfunc", "mlflow.pyfunc.scoring_server"})
_YES = ("1", "true", "yes", "on")
_MOST_BYTES = 1_000_000


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
    """Finds MLflow's model modules as Python would, and passes each one on once it has been executed.

    At each import it looks whether the modules that make runs are whole. They are not while MLflow makes the plug-in.
    """

    _awaits_runs = True

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See ``importlib.abc.MetaPathFinder``. None, for the next finder, for all modules but MLflow's model modules."""
        if self._awaits_runs and _makes_runs():
            self._awaits_runs = False
            _follow_runs()
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


def _makes_runs() -> bool:
    """Return whether both modules that make runs are executed as far as ecoia needs them."""
    client = sys.modules.get("mlflow.tracking.client")
    return hasattr(client, "MlflowClient") and hasattr(sys.modules.get("mlflow.tracking.fluent"), "end_run")


def _follow_runs() -> None:
    try:
        if _is_wanted():
            from ecoia.integrating import follow_runs

            follow_runs()
    except Exception:  # noqa: BLE001, S110 - the program must get MLflow even if its runs are not followed
        pass


def _is_wanted() -> bool:
    """Return whether the program uses ecoia, or ``autolog`` may be on. ``ecoia.settings`` reads what its value is."""
    if os.environ.get("ECOIA_DISABLED", "").lower() in _YES:
        return False
    said = os.environ.get("ECOIA_AUTOLOG", "").lower()
    if said or "ecoia" in sys.modules:
        return said in _YES or "ecoia" in sys.modules
    folder = os.getcwd()  # noqa: PTH109 - pathlib may not be loaded
    while True:
        for name in ("ecoia.toml", "pyproject.toml"):
            try:
                with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 - idem
                    if b"autolog" in file.read(_MOST_BYTES):
                        return True
            except OSError:
                continue
        above = os.path.dirname(folder)  # noqa: PTH120 - idem
        if above == folder:
            return False
        folder = above


def _follow(module: ModuleType) -> None:
    try:
        from ecoia_integrations import mlflow_models

        mlflow_models.follow(module)
    except Exception:  # noqa: BLE001, S110 - the program must get its module even if it is not measured
        pass

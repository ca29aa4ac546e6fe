"""To which service an MLflow run belongs where the program does not say: tags, names of experiments, settings, in this order."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ecoia import losses
from ecoia.instrument.engine import engine, lose
from ecoia.semconv import SERVICE_UNASSIGNED, TAG_SERVICE, VIEW_EXPERIMENT_PREFIX, is_slug

if TYPE_CHECKING:
    from ecoia.settings import Settings

_experiments: dict[tuple[str | None, str], tuple[str, str | None]] = {}
"""Name and tag ``ecoia.service`` of the experiments that were asked for, by tracking URI and id."""

_settings: list[Settings] = []


def settings_of_runs() -> Settings:
    """Return the settings, read once: at the first run."""
    if not _settings:
        from ecoia.settings import load

        settings = load()
        for problem in settings.problems:
            if problem.name in ("autolog", "phase") or problem.name.startswith("mlflow"):
                engine.complain(str(problem))
        _settings.append(settings)
    return _settings[0]


def service_of_run(tracking_uri: str | None, tags: Mapping[str, str], experiment_id: str | None) -> str:
    """Return the service of a run, always a legal id. Asks MLflow once for each experiment, if nothing before decides.

    The first of these: ``ECOIA_SERVICE``; the run's tag ``ecoia.service``; the experiment's tag ``ecoia.service``; the first
    pattern of ``[mlflow.experiments]`` that the experiment's name matches; a name ``ecoia/<service>``; the setting ``service``.

    Args:
        tracking_uri: Where the run is.
        tags: Its tags when it began.
        experiment_id: Its experiment; None where it is unknown.

    Returns:
        The service; ``semconv.SERVICE_UNASSIGNED`` where nothing gives one.
    """
    settings = settings_of_runs()
    configured, origin = settings.values["service"]
    if origin == "ECOIA_SERVICE":
        return str(configured)
    if tags.get(TAG_SERVICE):
        return _legal(tags[TAG_SERVICE], "a run")
    if experiment_id is not None:
        name, tag = _experiment(tracking_uri, experiment_id)
        if tag:
            return _legal(tag, f"the experiment {name!r}")
        from fnmatch import fnmatchcase

        for pattern, service in settings.experiments.items():
            if fnmatchcase(name, pattern):
                return str(service)
        if name.startswith(VIEW_EXPERIMENT_PREFIX):
            return _legal(name.removeprefix(VIEW_EXPERIMENT_PREFIX), f"the experiment {name!r}")
    return str(configured or SERVICE_UNASSIGNED)


def _experiment(tracking_uri: str | None, experiment_id: str) -> tuple[str, str | None]:
    key = (tracking_uri, experiment_id)
    if key not in _experiments:
        name, tag = "", None
        try:
            client: Any = sys.modules["mlflow"].MlflowClient
            found = client(tracking_uri=tracking_uri).get_experiment(experiment_id)
            name, tag = str(found.name), found.tags.get(TAG_SERVICE)
        except Exception:  # noqa: BLE001 - no permission, or the store went away: the next rules decide
            lose(losses.EXPERIMENT_UNREAD)
        _experiments[key] = name, tag
    return _experiments[key]


def _legal(service: str, where: str) -> str:
    from ecoia.settings import slug

    if is_slug(service):
        return service
    lose(losses.INVALID_SERVICE)
    legal = slug(service)
    engine.complain(
        f"{TAG_SERVICE} = {service!r} of {where}: use lower-case letters, digits, '.', '_' and '-' (63 at most); "
        f"it is recorded as {legal!r}"
    )
    return legal

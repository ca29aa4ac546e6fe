"""Labels of spans: which arguments are legal, one object for equal labels, and a bound on how many there are."""

from __future__ import annotations

from ecoia import losses
from ecoia.errors import UsageError
from ecoia.instrument.engine import lose
from ecoia.instrument.spans import Label, checked_count
from ecoia.light import Any
from ecoia.semconv import ENDPOINT_OTHERS, PHASES, RUN_PHASES, is_slug

MOST_LABELS = 1_000
"""Pairs of endpoint and model version that one process keeps apart for each service and phase."""

_MOST_NAME_CHARACTERS = 120

_Key = tuple[str | None, ...]

known_labels: dict[_Key, Label] = {}
"""Labels whose arguments were found legal."""

_corrected_labels: dict[_Key, Label] = {}
_named: dict[tuple[str | None, str], set[tuple[str | None, str | None]]] = {}


class Problem:
    """An illegal argument: the message for the user, the value, and the cause under which its loss is counted."""

    __slots__ = ("cause", "message", "value")

    def __init__(self, message: str, value: Any, cause: str) -> None:
        self.message = message
        self.value = value
        self.cause = cause


def label_of(
    service: str | None,
    phase: str,
    endpoint: str | None,
    model_version: str | None,
    run_id: str | None = None,
    *,
    corrected: bool = False,
) -> Label:
    """Return the one label of these arguments.

    Args:
        service: As in ``Label``.
        phase: As in ``Label``.
        endpoint: As in ``Label``.
        model_version: As in ``Label``.
        run_id: As in ``Label``.
        corrected: Whether they replace illegal arguments. Such a label does not make them legal for the next caller.
    """
    key: _Key = (service, phase, endpoint, model_version)
    if run_id is not None:
        key = (*key, run_id)
    label = Label(service, phase, endpoint, model_version, run_id)
    return (_corrected_labels if corrected else known_labels).setdefault(key, label)


def bounded_label(
    service: str | None,
    phase: str,
    endpoint: str | None,
    model_version: str | None,
    run_id: str | None = None,
    *,
    corrected: bool = False,
) -> Label:
    """Return the label of these arguments, or a common one (``semconv.ENDPOINT_OTHERS``) beyond ``MOST_LABELS``.

    A program that passes paths as endpoints must not fill memory and disk.
    """
    if endpoint is not None or model_version is not None:
        named = _named.setdefault((service, phase), set())
        if (endpoint, model_version) not in named:
            if len(named) >= MOST_LABELS:
                lose(losses.TOO_MANY_ENDPOINTS)
                endpoint = None if endpoint is None else ENDPOINT_OTHERS
                return label_of(service, phase, endpoint, None, run_id, corrected=corrected)
            named.add((endpoint, model_version))
    return label_of(service, phase, endpoint, model_version, run_id, corrected=corrected)


def checked_label(service: str | None, phase: str, endpoint: str | None, model_version: str | None) -> Label:
    """Return the label of these arguments.

    Nothing bounds how many there are: an integration calls it for a bounded set of endpoints, such as the routes of an
    application, and never for paths.

    Args:
        service: Id of the service (``[a-z0-9._-]``, 63 characters at most); None for the one of the setting ``service``.
        phase: One of ``semconv.PHASES``.
        endpoint: Route or operation, 120 printable characters at most; None where it is unknown.
        model_version: Version of the model, 120 printable characters at most; None where it is unknown.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> from ecoia.integrating import checked_label
        >>> label = checked_label("analyse-cv", "inference", "/cv/{id}", None)
        >>> label is checked_label("analyse-cv", "inference", "/cv/{id}", None)
        True
    """
    problem = problem_with(service, phase, None, endpoint, model_version)
    if problem is not None:
        raise UsageError(problem.message)
    return label_of(service, phase, endpoint, model_version)


def is_units(units: object) -> bool:
    """Return whether a user may give this as ``units``: None, a number of 0 or more, or a callable.

    Args:
        units: What the user gave.

    Example:
        >>> from ecoia.integrating import is_units
        >>> is_units(len), is_units(-1)
        (True, False)
    """
    return units is None or callable(units) or checked_count(units) is not None


def is_name(text: object) -> bool:
    """Return whether this can name an endpoint or a model version: printable text of 1 to 120 characters.

    Args:
        text: What the user or the framework gave.

    Example:
        >>> from ecoia.integrating import is_name
        >>> is_name("/cv/{id}"), is_name("")
        (True, False)
    """
    return isinstance(text, str) and 0 < len(text) <= _MOST_NAME_CHARACTERS and text.isprintable()


def problem_with(service: Any, phase: Any, units: Any, endpoint: Any, model_version: Any, run_id: Any = None) -> Problem | None:
    """Return the first illegal argument; None where all are legal."""
    if service is not None and not is_slug(service):
        return Problem(
            f"service = {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. 'analyse-cv'",
            service,
            losses.INVALID_SERVICE,
        )
    if not isinstance(phase, str) or phase not in PHASES:
        return Problem(f"phase = {phase!r}: choose one of {', '.join(PHASES)}", phase, losses.INVALID_PHASE)
    if not is_units(units):
        message = f"units = {units!r}: give a number of 0 or more, or a callable on the result"
        return Problem(message, units, losses.INVALID_UNITS)
    for name, value, cause in (
        ("endpoint", endpoint, losses.INVALID_ENDPOINT),
        ("model_version", model_version, losses.INVALID_MODEL_VERSION),
    ):
        if value is not None and not is_name(value):
            return Problem(f"{name} = {value!r}: use a printable text of 120 characters at most", value, cause)
    if run_id is not None and not is_name(run_id):
        return Problem(f"run_id = {run_id!r}: give the id of an MLflow run, as run.info.run_id", run_id, losses.INVALID_RUN_ID)
    if run_id is not None and phase not in RUN_PHASES:
        return Problem(
            f"phase = {phase!r} with run_id: inference belongs to the day of its service, not to a run; "
            f"choose one of {', '.join(RUN_PHASES)}",
            phase,
            losses.INVALID_RUN_ID,
        )
    return None

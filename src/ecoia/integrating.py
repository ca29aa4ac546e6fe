"""The public face of ecoia for integrations: modules that measure a host framework, such as a web server or a worker.

An integration imports ``ecoia``, this module and ``ecoia.errors``. Everything else in ecoia is private and may change without
notice. ``import ecoia`` does not load this module. Most names here are the functions of the hot path themselves, so a request
pays for no further call. Nothing raises into the host, except for illegal arguments (``Raises``), which an integration passes
when the host starts.

A whole integration of a server that answers one request after another::

    from ecoia.integrating import begin_request, checked_label, finish_request, is_disabled, step

    class Measured:
        def __init__(self, app, service):
            self._app = app
            self._unrouted = checked_label(service, "inference", None, None)  # raises where the server starts
            self._is_disabled = is_disabled()

        def __call__(self, request):
            if self._is_disabled:
                return self._app(request)
            span = begin_request(self._unrouted, self._find_label, request)
            try:
                response = step(span, self._app, request)
            except BaseException:
                finish_request(span, failed=True)
                raise
            finish_request(span, failed=False)
            span.units(1)
            return response

        def _find_label(self, request, last):
            route = request.get("route")  # a template of the application, never a path
            return None if route is None else checked_label(self._unrouted.service, "inference", route, None)

The modules ``asgi`` and ``wsgi`` of ``ecoia_integrations`` also handle streams, exclusions and estimates.

| for | names |
|---|---|
| labels, from arguments of the user | ``Label``, ``checked_label``, ``is_name``, ``is_units`` |
| names of endpoints that no route has | ``ENDPOINT_OTHERS``, ``MODEL_LOADING`` |
| requests, routed after they began | ``RequestSpan``, ``begin_request``, ``step``, ``drive_request``, ``finish_request`` |
| everything else that is measured | ``ecoia.track``, ``innermost`` |
| asyncio | ``follow_tasks``, before the first request in a loop |
| MLflow | ``follow_runs``, once MLflow is imported |
| an estimate in a response | ``CpuAccount``, ``joules_per_cpu_second`` |
| problems | ``complain``, ``lose`` with one of ``losses`` |
| settings | ``is_disabled``, ``load_settings`` |
| exporters of metrics | ``live_totals``, ``journal_room``, ``own_journal_file``, ``LIVE_COUNTERS`` |

For annotations only, below ``if TYPE_CHECKING``: ``LiveCounter``, ``LiveTotals``, ``Room``, ``Settings``, ``Totals``.
"""

from __future__ import annotations

from ecoia import losses
from ecoia.instrument.engine import complain, is_disabled, joules_per_cpu_second, lose, own_journal_file
from ecoia.instrument.handoff import follow_tasks
from ecoia.instrument.labels import checked_label, is_name, is_units
from ecoia.instrument.request_spans import RequestSpan, begin_request, drive_request, finish_request
from ecoia.instrument.spans import CpuAccount, Label
from ecoia.instrument.steps import step
from ecoia.instrument.switching import innermost
from ecoia.instrument.tracking import follow_runs
from ecoia.light import TYPE_CHECKING, Any
from ecoia.semconv import ENDPOINT_OTHERS, LIVE_COUNTERS, MODEL_LOADING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecoia.keeping.live_totals import LiveTotals as LiveTotals
    from ecoia.keeping.live_totals import Totals as Totals
    from ecoia.keeping.room import Room as Room
    from ecoia.semconv import LiveCounter as LiveCounter
    from ecoia.settings import Settings as Settings

__all__ = [
    "ENDPOINT_OTHERS",
    "LIVE_COUNTERS",
    "MODEL_LOADING",
    "CpuAccount",
    "Label",
    "RequestSpan",
    "begin_request",
    "checked_label",
    "complain",
    "drive_request",
    "finish_request",
    "follow_runs",
    "follow_tasks",
    "innermost",
    "is_disabled",
    "is_name",
    "is_units",
    "joules_per_cpu_second",
    "journal_room",
    "live_totals",
    "load_settings",
    "lose",
    "losses",
    "own_journal_file",
    "step",
]


def load_settings(arguments: Mapping[str, Any] | None = None) -> Settings:
    """Read every setting. Never raises: an illegal value is replaced by the next best one and listed in ``problems``.

    Loads the module of settings, which takes some milliseconds: call it where the host starts.

    Args:
        arguments: Values by name of the setting, which take precedence over the environment and the files.

    Example:
        >>> from ecoia.integrating import load_settings
        >>> load_settings({"service": "analyse-cv"}).service
        'analyse-cv'
    """
    from ecoia.settings import load

    return load(arguments)


def journal_room(settings: Settings) -> Room:
    """Return how much room the journal has, and for how long at the pace of the last days.

    Args:
        settings: ``home`` and ``journal_max_mb``.

    Example:
        >>> from ecoia.integrating import journal_room, load_settings
        >>> journal_room(load_settings()).cap_bytes
        1024000000
    """
    from pathlib import Path

    from ecoia.keeping.room import room

    return room(Path(settings.home) / "journal", round(settings.journal_max_mb * 1e6))


def live_totals(home: str | Path, *, file: str | None = None) -> LiveTotals:
    """Return the running totals of a journal, the values of ``LIVE_COUNTERS``. Nothing is read before ``LiveTotals.look``.

    Args:
        home: Folder of the journal.
        file: Name of the one file to count; None counts all files, whose totals are kept in the folder for all processes.

    Example:
        >>> from ecoia.integrating import live_totals, load_settings
        >>> totals = live_totals(load_settings().home)
    """
    from ecoia.keeping.live_totals import LiveTotals

    return LiveTotals(home, file=file)

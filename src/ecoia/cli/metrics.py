"""``ecoia metrics``: serve the journal's totals to Prometheus."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated

import typer

from ecoia.cli.common import Home, journal_settings, say
from ecoia.errors import EcoiaError, MissingExtraError

_EXPORTERS = "ecoia.exporters"


def metrics(
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="Port to listen on.")],
    address: Annotated[str, typer.Option("--address", metavar="IP", help="Address to listen on.")] = "127.0.0.1",
    home: Home = None,
) -> None:
    """Serve the totals of this machine's journal to Prometheus.

    For servers that cannot have a /metrics page of their own. Runs until Ctrl-C or SIGTERM.

    [dim]$ ecoia metrics --port 9464[/dim]
    """
    settings = journal_settings(home)
    exporter = next(iter(entry_points(group=_EXPORTERS, name="prometheus")), None)
    try:
        serve = exporter.load() if exporter is not None else None
    except ModuleNotFoundError:
        serve = None
    if serve is None:
        raise MissingExtraError("'ecoia metrics'", "prometheus-client", "metrics")
    try:
        serve(port, address, settings.home, lambda: say(f"metrics of '{settings.home}' on http://{address}:{port}/metrics"))
    except OSError as error:
        raise EcoiaError(
            f"{address}:{port} cannot be listened on ({error.strerror}): choose another --port or --address"
        ) from error
    except KeyboardInterrupt:
        pass

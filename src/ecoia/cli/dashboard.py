"""``ecoia dashboard``: explore what the report prints, in a browser."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ecoia.cli.common import From, Home, Source, load_settings, progress, say
from ecoia.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from ecoia.exploring import Explorer
    from ecoia.settings import Settings

GROUP, NAME = "ecoia.dashboards", "web"
PORT = 8642


class Serve(Protocol):
    """Serves the dashboard until it is stopped; found by the entry point ``web`` of the group ``ecoia.dashboards``."""

    def __call__(self, explorer: Explorer, *, host: str, port: int, settings: Settings, ready: Callable[[str], None]) -> None:
        """Serve at an address, and call ``ready`` with it once it answers."""


def dashboard(
    source: From = Source.LEDGER,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = PORT,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    fill_only: Annotated[bool, typer.Option("--fill-only", help="Compute what the pages read, then end.")] = False,
    home: Home = None,
) -> None:
    """Explore the report's figures in a browser.

    A process beside it reads the ledger or the journal and keeps the figures up to date, a tenth of one processor at most; pages
    only read what it left. Stop it with Ctrl-C.

    [dim]$ ecoia dashboard --from journal[/dim]
    """
    from ecoia.cli.filling import filling_beside, folder_of

    settings = load_settings(home)
    if fill_only:
        _fill(settings, source)
        return
    serve = _server()
    folder = folder_of(settings, source)
    _check_free(host, port)
    from ecoia.exploring import Explorer

    def ready(address: str) -> None:
        say(f"the dashboard is at {address} (Ctrl-C ends it)")
        if not no_browser:
            webbrowser.open(address)

    with filling_beside(settings, source):
        serve(Explorer(folder), host=host, port=port, settings=settings, ready=ready)


def _fill(settings: Settings, source: Source) -> None:
    from ecoia.cli.filling import fill_once, folder_of, sole_filler

    folder = folder_of(settings, source)
    with sole_filler(folder, wait=False), progress(1) as begin:
        state = fill_once(settings, source, lambda done, of, what: begin(f"{what} ({done + 1} of {of})"))
    quarters = ", ".join(state.quarters) or "no quarter has data yet"
    typer.echo(f"{folder}: {quarters}")


def _server() -> Serve:
    found = next((each for each in entry_points(group=GROUP) if each.name == NAME), None)
    if found is None:
        raise MissingExtraError("The dashboard", "ecoia_dashboards")
    try:
        serve: Serve = found.load()
    except ImportError as error:
        raise MissingExtraError("The dashboard", error.name or "ecoia_dashboards") from error
    return serve


def _check_free(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything is computed.

    Raises:
        UsageError: the host is not of this machine, or the port is taken or reserved.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"--host {host} --port {port}: cannot listen there ({why}): choose another with --port") from error

"""``ecoia dashboard``: explore what the report prints, in a browser."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from ecoia.cli.common import From, Home, Source, load_settings, progress, say
from ecoia.errors import UsageError

if TYPE_CHECKING:
    from ecoia.exploring import Explorer
    from ecoia.settings import Settings

NAME = "web"
PORT = 8642
_WHO = "Who may read"


_Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
_Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]
_NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
_FillOnly = Annotated[bool, typer.Option("--fill-only", help="Compute what the pages read, then end.")]
_UserHeader = Annotated[
    str, typer.Option("--user-header", metavar="NAME", help="Header in which a proxy names the user.", rich_help_panel=_WHO)
]
_TrustedProxies = Annotated[
    list[str] | None,
    typer.Option("--trusted-proxy", metavar="IP", help="Address or network of that proxy; repeat it.", rich_help_panel=_WHO),
]
_Issuer = Annotated[
    str, typer.Option("--oidc-issuer", metavar="URL", help="OpenID Connect provider to sign in with.", rich_help_panel=_WHO)
]
_Client = Annotated[
    str,
    typer.Option(
        "--oidc-client-id", help="Our id there; its secret: ECOIA_OIDC_CLIENT_SECRET in the environment.", rich_help_panel=_WHO
    ),
]
_Claim = Annotated[str, typer.Option("--oidc-claim", help="Claim of the provider that names the user.", rich_help_panel=_WHO)]
_PublicUrl = Annotated[str, typer.Option("--public-url", metavar="URL", help="Address that readers type.", rich_help_panel=_WHO)]
_Readers = Annotated[
    Path | None,
    typer.Option("--readers", metavar="FILE", help="YAML file of the services that each user may see.", rich_help_panel=_WHO),
]
_OpenToAll = Annotated[
    bool, typer.Option("--open-to-all", help="Let anybody who reaches a public --host see all.", rich_help_panel=_WHO)
]
_Embedders = Annotated[
    list[str] | None,
    typer.Option("--embed-in", metavar="ORIGIN", help="Site that may show figures in a frame; repeat it.", rich_help_panel=_WHO),
]


class Serve(Protocol):
    """Serves the dashboard until it is stopped; found by the entry point ``web`` (``exploring.drawers``)."""

    def __call__(
        self, explorer: Explorer, *, host: str, port: int, settings: Settings, ready: Callable[[str], None], **options: Any
    ) -> None:
        """Serve at an address, and call ``ready`` with it once it is listened on; ``options`` say who may read."""


def dashboard(
    source: From = Source.LEDGER,
    host: _Host = "127.0.0.1",
    port: _Port = PORT,
    no_browser: _NoBrowser = False,
    fill_only: _FillOnly = False,
    user_header: _UserHeader = "",
    trusted_proxies: _TrustedProxies = None,
    oidc_issuer: _Issuer = "",
    oidc_client_id: _Client = "",
    oidc_claim: _Claim = "email",
    public_url: _PublicUrl = "",
    readers: _Readers = None,
    open_to_all: _OpenToAll = False,
    embed_in: _Embedders = None,
    home: Home = None,
) -> None:
    """Explore the report's figures in a browser.

    A process beside it reads the ledger or the journal and keeps the figures up to date, a tenth of one processor at most; pages
    only read what it left. Stop it with Ctrl-C.

    Other machines reach it by --host; then say who may read: --user-header with --trusted-proxy behind a proxy that signs in,
    --oidc-issuer, or --open-to-all.

    [dim]$ ecoia dashboard --from journal[/dim]
    """
    settings = load_settings(home)
    if fill_only:
        _fill(settings, source)
        return
    from ecoia.exploring.drawers import load_drawer

    serve: Serve = load_drawer(NAME, "The dashboard")
    _check_free(host, port)
    who = {
        "user_header": user_header,
        "trusted_proxies": trusted_proxies or [],
        "oidc_issuer": oidc_issuer,
        "oidc_client_id": oidc_client_id,
        "oidc_claim": oidc_claim,
        "public_url": public_url,
        "readers": readers,
        "open_to_all": open_to_all,
        "embed_in": embed_in or [],
    }
    from ecoia.cli.filling import filling_beside
    from ecoia.exploring import Explorer
    from ecoia.exploring.places import folder_of

    def ready(address: str) -> None:
        say(f"the dashboard is at {address} (Ctrl-C ends it)")
        if not no_browser:
            webbrowser.open(address)

    explorer = Explorer(folder_of(settings, source))
    with filling_beside(settings, source):
        serve(explorer, host=host, port=port, settings=settings, ready=ready, **who)


def _fill(settings: Settings, source: Source) -> None:
    from ecoia.cli.filling import fill_once, sole_filler
    from ecoia.exploring.places import folder_of

    folder = folder_of(settings, source)
    with sole_filler(folder, wait=False), progress(1) as begin:
        state = fill_once(settings, source, lambda done, of, what: begin(f"{what} ({done + 1} of {of})"))
    quarters = ", ".join(state.quarters) or "no quarter has data yet"
    typer.echo(f"{folder}: {quarters}")


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

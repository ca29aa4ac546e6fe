"""Serve the dashboard: ``ecoia dashboard`` finds this by its entry point."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from ecoia.catalogue import load
from ecoia.errors import UsageError
from ecoia.exploring import Explorer
from ecoia.settings import Settings
from ecoia_dashboards.dashboard.access import Access, HeaderOfProxy, Identity, host_name
from ecoia_dashboards.dashboard.answers import Answers
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.readers import read_readers

SECRET_VARIABLE = "ECOIA_OIDC_CLIENT_SECRET"  # noqa: S105 - the name of it
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_LOOK_SECONDS = 2.0
_SHUTDOWN_SECONDS = 3
_BACKLOG = 512


@dataclass(frozen=True)
class Options:
    """Who may reach the dashboard, as given on the command line.

    Attributes:
        user_header: Header in which a proxy names the user.
        trusted_proxies: Addresses or networks that it is believed from.
        oidc_issuer: Address of an OpenID Connect provider that users sign in with.
        oidc_client_id: Our id at the provider; its secret stands in ``ECOIA_OIDC_CLIENT_SECRET``.
        oidc_claim: Claim of the provider that names the user.
        public_url: Address that readers type.
        readers: File of what each user may see. None: whoever signs in sees everything.
        open_to_all: Whether anybody who reaches a public address sees everything.
        embed_in: Origins that may show figures in a frame.
    """

    user_header: str = ""
    trusted_proxies: Sequence[str] = ()
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_claim: str = "email"
    public_url: str = ""
    readers: Path | None = None
    open_to_all: bool = False
    embed_in: Sequence[str] = ()


def serve(explorer: Explorer, *, host: str, port: int, settings: Settings, ready: Callable[[str], None], **options: Any) -> None:
    """Serve the dashboard until Ctrl-C or SIGTERM.

    Args:
        explorer: The figures to show.
        host: Address to listen on.
        port: Port; 0: any that is free.
        settings: ``catalogue`` is used: its register names the services that a reader may see.
        ready: Called with the address of the dashboard, once it is listened on.
        options: Who may reach it, by the names of ``Options``; none: whoever is on this machine.

    Raises:
        UsageError: the options contradict each other, or would open a public address to everybody without saying so.
        CatalogueError: the file of readers, or the catalogue, is wrong.
        OSError: the address cannot be listened on.
    """
    chosen = Options(**options)
    known = {service.id for service in load(settings.catalogue).services} if chosen.readers else set()
    access = access_of(chosen, host, known)
    app = create_app(explorer, access)
    with _listening(host, port) as listening:
        config = uvicorn.Config(
            app,
            access_log=False,  # addresses hold what readers look at
            log_level="warning",
            proxy_headers=False,  # a client may write those headers; whom to believe is the matter of ``access``
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        threading.Thread(target=_keep_warm, args=(explorer, app.state.answers), name="ecoia-warm", daemon=True).start()
        ready(chosen.public_url or f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """Listen on an address.

    The protocol is named, since asyncio sends small packets at once only then: without it an answer takes 40 ms more.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _keep_warm(explorer: Explorer, answers: Answers) -> None:
    """Make the answers that are asked for first, again whenever the data change."""
    seen = None
    while True:
        state = explorer.state
        if state.digest != seen and state.quarters:
            seen = state.digest
            answers.warm()
        time.sleep(_LOOK_SECONDS)


def is_loopback(host: str) -> bool:
    """Return whether an address is only reached from this machine.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def access_of(options: Options, host: str, services: Collection[str] = ()) -> Access:
    """Make the access that options describe.

    Args:
        options: The options.
        host: Address that is listened on.
        services: Ids of the services that exist; none: those that readers may see are not checked.

    Raises:
        UsageError: the options contradict each other, or would open a public address to everybody without saying so.
        CatalogueError: the file of readers is wrong.
    """
    identity = _identity(options)
    if identity is None and not is_loopback(host) and not options.open_to_all:
        raise UsageError(
            f"host = '{host}': other machines reach it, so say who may read: --user-header with --trusted-proxy behind a proxy "
            "that signs in, --oidc-issuer, or --open-to-all"
        )
    if identity is not None and options.open_to_all:
        raise UsageError("--open-to-all: it cannot stand beside --user-header or --oidc-issuer, which ask who reads")
    if options.readers is not None and identity is None:
        raise UsageError("--readers: nobody is asked who they are; add --user-header or --oidc-issuer")
    readers = None if options.readers is None else read_readers(options.readers, services)
    hosts = [*LOOPBACK_NAMES, *_public_host(options)] if is_loopback(host) else []
    return Access(identity, readers, hosts=hosts, embedders=[_origin(each) for each in options.embed_in])


def _identity(options: Options) -> Identity | None:
    if options.user_header and options.oidc_issuer:
        raise UsageError("--user-header and --oidc-issuer: choose one way to sign in")
    if bool(options.user_header) != bool(options.trusted_proxies):
        raise UsageError(
            "--user-header and --trusted-proxy: give both, since a header is only believed from a proxy that is named"
        )
    if options.user_header:
        return HeaderOfProxy(options.user_header, options.trusted_proxies)
    if not options.oidc_issuer:
        return None
    from ecoia_dashboards.dashboard.signing_in import OpenIdConnect

    if not options.oidc_client_id or not options.public_url:
        raise UsageError(
            "--oidc-issuer: give --oidc-client-id and --public-url, the address that the provider sends users back to"
        )
    secret = os.environ.get(SECRET_VARIABLE, "")
    return OpenIdConnect(options.oidc_issuer, options.oidc_client_id, secret, options.public_url, options.oidc_claim)


def _public_host(options: Options) -> list[str]:
    if not options.public_url:
        return []
    found = urlsplit(options.public_url)
    if found.scheme not in ("http", "https") or not found.netloc or found.path not in ("", "/") or found.query:
        raise UsageError(f"public-url = {options.public_url!r}: write scheme and host, e.g. https://ecoia.example.org/")
    return [host_name(found.netloc)]


def _origin(text: str) -> str:
    """Check an origin that may show figures.

    Example:
        >>> _origin("https://intranet.example.org/")
        'https://intranet.example.org'
    """
    found = urlsplit(text)
    if found.scheme not in ("http", "https") or not found.hostname or found.path not in ("", "/") or set(text) & set(" ;,*'\""):
        raise UsageError(f"embed-in = {text!r}: write the origin of the site, e.g. https://intranet.example.org")
    return f"{found.scheme}://{found.netloc}"

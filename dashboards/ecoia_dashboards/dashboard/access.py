"""Who may see the dashboard, and which services."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Protocol

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ecoia.errors import UsageError
from ecoia_dashboards.dashboard.readers import Readers

_LONGEST_USER = 256


class NotSignedInError(PermissionError):
    """A request carries no user where one is needed.

    Args:
        message: What is missing.
        login: Path of the page that signs in; empty: there is none.
    """

    def __init__(self, message: str = "sign in first", login: str = "") -> None:
        super().__init__(message)
        self.login = login


class Identity(Protocol):
    """Knows who asks."""

    def user(self, request: Request) -> str:
        """Return the user of a request.

        Raises:
            NotSignedInError: it has none.
        """
        ...

    def add_to(self, app: FastAPI, prefix: str) -> None:
        """Add to the application what signing in needs."""
        ...


class Access:
    """Decides who sees what.

    Args:
        identity: Knows who asks. None: it is not asked, and whoever reaches the server sees everything.
        readers: What each user may see. None: whoever is known sees everything.
        hosts: Names that a request may address the server by; none: any.
        embedders: Origins that may show figures in a frame.

    Example:
        >>> Access().allowed(request) is None  # doctest: +SKIP
        True
    """

    def __init__(
        self,
        identity: Identity | None = None,
        readers: Readers | None = None,
        *,
        hosts: Iterable[str] = (),
        embedders: Iterable[str] = (),
    ) -> None:
        self.identity, self.readers = identity, readers
        self.hosts, self.embedders = frozenset(hosts), tuple(embedders)

    def allowed(self, request: Request) -> frozenset[str] | None:
        """Return the ids of the services that whoever asks may see; None: everything.

        Raises:
            NotSignedInError: the request carries no user.
        """
        if self.identity is None:
            return None
        user = self.identity.user(request)
        return None if self.readers is None else self.readers.services_of(user)

    def add_to(self, app: FastAPI, prefix: str) -> None:
        """Add to an application what deciding needs."""
        if self.identity is not None:
            self.identity.add_to(app, prefix)
        if self.hosts:
            app.add_middleware(HostsMiddleware, hosts=self.hosts)


class HeaderOfProxy:
    """Takes the user from a header that a proxy sets; from nobody else, since whoever asks can write a header.

    Args:
        header: Name of the header.
        proxies: Addresses or networks of the proxies.

    Raises:
        UsageError: a proxy is no address.

    Example:
        >>> HeaderOfProxy("X-Remote-User", ["10.0.0.1"]).header
        'X-Remote-User'
    """

    def __init__(self, header: str, proxies: Iterable[str]) -> None:
        self.header = header
        self._networks = [_network(proxy) for proxy in proxies]

    def user(self, request: Request) -> str:
        """Return the user that the proxy names."""
        if not self._is_proxy(request.client.host if request.client else ""):
            raise NotSignedInError(f"ask through the proxy: '{self.header}' is only believed from it")
        named = [value.strip() for value in request.headers.getlist(self.header)]
        if len(named) != 1 or not named[0] or len(named[0]) > _LONGEST_USER:
            raise NotSignedInError(f"the proxy names no user in '{self.header}'")
        return named[0]

    def add_to(self, app: FastAPI, prefix: str) -> None:
        """Add nothing: the proxy signs in."""

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(f"trusted-proxy = {text!r}: write an IP address or a network, e.g. 10.0.0.1 or 10.0.0.0/24") from error


class HostsMiddleware:
    """Answers only requests that name one of our hosts, so that no foreign page reaches a local server by a name of its own.

    Args:
        app: The application.
        hosts: The names, in lower case, without port.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and host_name(Headers(scope=scope).get("host", "")) not in self._hosts:
            said = f"this server is known as {', '.join(sorted(self._hosts))}: use that name, or start it with --public-url\n"
            await PlainTextResponse(said, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_name(netloc: str) -> str:
    """Return the name in a host with or without port.

    Example:
        >>> host_name("Localhost:8050"), host_name("[::1]:8050"), host_name("::1")
        ('localhost', '::1', '::1')
    """
    name = netloc.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name

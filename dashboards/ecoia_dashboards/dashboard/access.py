"""Who may see the dashboard, and which services."""

from __future__ import annotations

from fastapi import Request


class NotSignedInError(PermissionError):
    """A request carries no user where one is needed."""


class Access:
    """Lets everybody who reaches the server see everything."""

    embedders: tuple[str, ...] = ()

    def allowed(self, request: Request) -> frozenset[str] | None:
        """Return the ids of the services that whoever asks may see; None: everything.

        Raises:
            NotSignedInError: the request carries no user.
        """
        return None

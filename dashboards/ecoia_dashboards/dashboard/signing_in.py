"""Sign users in with an OpenID Connect provider: the code flow with PKCE, then a signed session cookie."""

from __future__ import annotations

import logging
import secrets
import time
from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

from ecoia.errors import MissingExtraError, UsageError
from ecoia_dashboards.dashboard.access import NotSignedInError

try:
    import requests
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.requests_client import OAuth2Session
    from joserfc import jwk, jwt
    from joserfc.errors import JoseError
except ImportError as error:
    raise MissingExtraError("--oidc-issuer", "authlib", "oidc") from error

LOGGER = logging.getLogger("ecoia.dashboard")
LOGIN, CALLBACK, LOGOUT = "/login", "/login/callback", "/logout"
_SESSION_SECONDS = 8 * 3600
_TIMEOUT_SECONDS = 10
_LEEWAY_SECONDS = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_FAULTS = (requests.RequestException, AuthlibBaseError, JoseError, KeyError, TypeError, ValueError)


class OpenIdConnect:
    """Knows users by their session, which the provider's word begins. Sessions end with the server, and after eight hours.

    Args:
        issuer: Address of the provider.
        client_id: Our id there.
        secret: Our secret there; empty where it knows us as a public client.
        public_url: Our address, as readers type it.
        claim: Claim that names the user.

    Raises:
        UsageError: an address is not encrypted, and not of this machine.
    """

    def __init__(self, issuer: str, client_id: str, secret: str, public_url: str, claim: str = "email") -> None:
        for name, address in (("oidc-issuer", issuer), ("public-url", public_url)):
            if not address.startswith(("https://", "http://localhost", "http://127.0.0.1")):
                raise UsageError(f"{name} = {address!r}: write an address with https://, so that nobody reads along")
        self._issuer, self._client_id, self._secret, self._claim = issuer.rstrip("/"), client_id, secret, claim
        self._public_url, self._prefix = public_url.rstrip("/"), ""

    def user(self, request: Request) -> str:
        """Return the user of a session."""
        session = request.session
        if not session.get("user") or session.get("until", 0) < time.time():
            raise NotSignedInError("sign in first", LOGIN)
        return str(session["user"])

    def add_to(self, app: FastAPI, prefix: str) -> None:
        """Add the session, and the pages that begin and end it."""
        self._prefix = prefix
        app.add_middleware(
            SessionMiddleware,
            secret_key=secrets.token_hex(32),
            session_cookie="ecoia_session",
            max_age=_SESSION_SECONDS,
            path=prefix or "/",
            same_site="lax",
            https_only=self._public_url.startswith("https://"),
        )
        for path, handle in ((LOGIN, self._login), (CALLBACK, self._callback), (LOGOUT, self._logout)):
            app.add_api_route(path, handle, methods=["GET"], include_in_schema=False)

    def _login(self, request: Request) -> Response:
        """Send the reader to the provider, and remember what its answer must match."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        try:
            address, state = self._client().create_authorization_url(
                self._provider["authorization_endpoint"], code_verifier=verifier, nonce=nonce
            )
        except _FAULTS as error:
            raise self._failed(error) from error
        wanted = {"state": state, "verifier": verifier, "nonce": nonce, "next": _ours(request.query_params.get("next", ""))}
        request.session.clear()
        request.session["asked"] = wanted
        return RedirectResponse(address, 303)

    def _callback(self, request: Request) -> Response:
        """Take the provider's answer, once."""
        asked = request.session.pop("asked", None)
        given = request.query_params
        if not asked or not secrets.compare_digest(asked["state"].encode(), given.get("state", "").encode()):
            raise NotSignedInError("this answer belongs to no signing in that is under way: begin again")
        if "code" not in given:
            raise NotSignedInError("the provider signed nobody in: begin again")
        try:
            user = self._user_of(given["code"], asked["verifier"], asked["nonce"])
        except _FAULTS as error:
            raise self._failed(error) from error
        request.session.update(user=user, until=time.time() + _SESSION_SECONDS)
        return RedirectResponse(f"{self._public_url}{asked['next'] or self._prefix + '/'}", 303)

    def _logout(self, request: Request) -> Response:
        """End the session here; the one at the provider stays."""
        request.session.clear()
        return RedirectResponse(f"{self._public_url}{self._prefix}/", 303)

    def _user_of(self, code: str, verifier: str, nonce: str) -> str:
        """Exchange a code for the provider's word on who the user is, and check it."""
        endpoint = self._provider["token_endpoint"]
        token = self._client().fetch_token(endpoint, code=code, code_verifier=verifier, timeout=_TIMEOUT_SECONDS)
        keys = jwk.KeySet.import_key_set(self._get(self._provider["jwks_uri"]))
        claims = jwt.decode(token["id_token"], keys, algorithms=_ALGORITHMS).claims
        wanted = {"iss": self._provider["issuer"], "aud": self._client_id, "nonce": nonce}
        rules: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in wanted.items()}
        jwt.JWTClaimsRegistry(leeway=_LEEWAY_SECONDS, exp={"essential": True}, **rules).validate(claims)
        user = claims.get(self._claim)
        if not isinstance(user, str) or not user:
            raise ValueError(f"the provider's word holds no claim '{self._claim}', only {', '.join(sorted(claims))}")
        if self._claim == "email" and claims.get("email_verified") is False:
            raise ValueError("the provider has not verified the user's e-mail address")
        return user

    def _client(self) -> OAuth2Session:
        return OAuth2Session(
            self._client_id,
            self._secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            scope="openid email profile",
            redirect_uri=f"{self._public_url}{self._prefix}{CALLBACK}",
            code_challenge_method="S256",
        )

    @cached_property
    def _provider(self) -> dict[str, Any]:
        found: dict[str, Any] = self._get(f"{self._issuer}/.well-known/openid-configuration")
        if str(found["issuer"]).rstrip("/") != self._issuer:
            raise ValueError(f"'{self._issuer}' calls itself '{found['issuer']}'")
        return found

    @staticmethod
    def _get(address: str) -> Any:
        answer = requests.get(address, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    @staticmethod
    def _failed(error: Exception) -> NotSignedInError:
        LOGGER.warning("signing in failed: %s: %s", type(error).__name__, error)
        return NotSignedInError("signing in failed: the server's log says why")


def _ours(path: str) -> str:
    """Return a path if it is one of ours; else nothing, so that signing in leads nowhere else.

    Example:
        >>> _ours("/services?lang=en"), _ours("//evil.example"), _ours("https://evil.example")
        ('/services?lang=en', '', '')
    """
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain else ""

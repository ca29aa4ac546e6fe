"""A provider of OpenID Connect on this machine, which signs in whoever it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwk, jwt

CLIENT_ID, SECRET = "ecoia", "the-secret-of-ecoia"


class Provider:
    """The provider. Change ``claims`` to have it say something else.

    Attributes:
        issuer: Its address.
        claims: What it says of the user, beside issuer, audience, nonce and expiry, which may be replaced here too.
        exchanged: Forms that its token endpoint got.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {"email": "ada@example.org", "email_verified": True}
        self.exchanged: list[dict[str, str]] = []
        self.key = jwk.RSAKey.generate_key(2048, parameters={"kid": "1"})
        self.signs_with = self.key
        self._asked: dict[str, dict[str, str]] = {}

    def authorize(self, address: str) -> str:
        """Sign the user in, as a browser at ``address`` would; return the code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT_ID, "S256")
        code = f"code-{len(self._asked)}"
        self._asked[code] = asked
        return code

    def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """Give a token for a code, once, to whom has its verifier."""
        self.exchanged.append(form)
        asked = self._asked.pop(form["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        assert challenge == asked["code_challenge"]
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "nonce": asked["nonce"], "exp": time.time() + 60, **self.claims}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signs_with)
        return {"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token}

    def document(self, path: str) -> dict[str, Any]:
        """Return what it publishes at a path."""
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {"issuer": self.issuer, **{name: self.issuer + end for name, end in ends.items()}}


@contextmanager
def provider() -> Iterator[Provider]:
    """Serve a provider while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(found.document(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(found.exchange({name: values[0] for name, values in parse_qs(body).items()}))

        def _send(self, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

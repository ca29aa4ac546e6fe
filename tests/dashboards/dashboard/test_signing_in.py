"""Signing in with an OpenID Connect provider."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwk

from ecoia.errors import UsageError
from ecoia.exploring import Explorer
from ecoia_dashboards.dashboard.access import Access
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.readers import Readers
from ecoia_dashboards.dashboard.signing_in import OpenIdConnect
from support.dashboard import Answer, ask
from support.openid import CLIENT_ID, SECRET, Provider, provider

URL = "http://127.0.0.1:8642"


class Browser:
    """Keeps the cookie of one reader."""

    def __init__(self, app: Any) -> None:
        self.app, self.cookie, self.set_cookie = app, "", ""

    def get(self, address: str) -> Answer:
        answer = ask(self.app, address.removeprefix(URL), {"cookie": self.cookie} if self.cookie else {})
        self.set_cookie = answer.headers.get("set-cookie", "")
        for name, morsel in SimpleCookie(self.set_cookie).items():
            self.cookie = f"{name}={morsel.value}" if morsel.value not in ("", "null") else ""
        return answer

    def sign_in(self, at: Provider, path: str = "/compare") -> Answer:
        """Go to a page, to the provider, and back."""
        address = self.get(path).headers["location"]
        to_provider = self.get(address).headers["location"]
        state = parse_qs(urlsplit(to_provider).query)["state"][0]
        return self.get(f"/login/callback?code={at.authorize(to_provider)}&state={state}")


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def browser(at: Provider, explorer: Explorer) -> Browser:
    readers = Readers({"ada@example.org": None, "bob@example.org": frozenset({"vadore"})})
    return Browser(create_app(explorer, Access(OpenIdConnect(at.issuer, CLIENT_ID, SECRET, URL), readers)))


def test_a_reader_signs_in_and_lands_where_they_wanted(browser: Browser, at: Provider) -> None:
    back = browser.sign_in(at, "/compare?lang=en")
    assert (back.status, back.headers["location"]) == (303, f"{URL}/compare?lang=en")
    assert browser.get("/compare").status == 200
    assert at.exchanged[0]["grant_type"] == "authorization_code"


def test_the_cookie_is_out_of_the_reach_of_scripts_and_other_sites(browser: Browser, at: Provider) -> None:
    browser.sign_in(at)
    flags = {part.strip().lower() for part in browser.set_cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= flags


def test_the_cookie_of_a_public_address_is_only_sent_encrypted(at: Provider, explorer: Explorer) -> None:
    app = create_app(explorer, Access(OpenIdConnect(at.issuer, CLIENT_ID, SECRET, "https://ecoia.example")))
    assert "secure" in ask(app, "/login").headers["set-cookie"].lower()


def test_a_cookie_that_was_changed_is_none(browser: Browser, at: Provider) -> None:
    browser.sign_in(at)
    name, _, value = browser.cookie.partition("=")
    browser.cookie = f"{name}=A{value[1:]}"
    assert browser.get("/compare").status == 303


def test_a_reader_of_some_services_stays_one(browser: Browser, at: Provider) -> None:
    at.claims["email"] = "bob@example.org"
    browser.sign_in(at)
    assert browser.get("/compare").status == 200
    assert browser.get("/").status == 403


def test_signing_out_ends_the_session(browser: Browser, at: Provider) -> None:
    browser.sign_in(at)
    browser.get("/logout")
    assert browser.get("/compare").status == 303


def test_programs_are_not_sent_to_the_provider(browser: Browser) -> None:
    assert browser.get("/api/v1/compare").status == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"nonce": "another"},
        {"exp": 1},
        {"email": ""},
        {"email_verified": False},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_word_that_is_not_for_us_signs_nobody_in(browser: Browser, at: Provider, claims: dict[str, Any]) -> None:
    at.claims |= claims
    assert browser.sign_in(at).status == 401
    assert browser.get("/compare").status == 303


def test_a_word_of_somebody_else_signs_nobody_in(browser: Browser, at: Provider) -> None:
    at.signs_with = jwk.RSAKey.generate_key(2048, parameters={"kid": "1"})
    assert browser.sign_in(at).status == 401


def test_an_answer_is_taken_once_and_only_by_who_asked(browser: Browser, at: Provider) -> None:
    to_provider = browser.get("/login").headers["location"]
    code, state = at.authorize(to_provider), parse_qs(urlsplit(to_provider).query)["state"][0]
    assert Browser(browser.app).get(f"/login/callback?code={code}&state={state}").status == 401
    assert browser.get(f"/login/callback?code={code}&state=another").status == 401
    assert browser.get(f"/login/callback?code={code}&state={state}").status == 401, "a wrong answer ends the signing in"


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "%2F%2Fevil.example"])
def test_signing_in_leads_nowhere_else(browser: Browser, at: Provider, wanted: str) -> None:
    to_provider = browser.get(f"/login?next={wanted}").headers["location"]
    state = parse_qs(urlsplit(to_provider).query)["state"][0]
    back = browser.get(f"/login/callback?code={at.authorize(to_provider)}&state={state}")
    assert back.headers["location"] == f"{URL}/"


def test_a_provider_that_does_not_answer_is_said(explorer: Explorer, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(explorer, Access(OpenIdConnect("http://127.0.0.1:9", CLIENT_ID, SECRET, URL)))
    assert ask(app, "/login").status == 401
    assert "signing in failed: ConnectionError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("issuer", "url"), [("http://id.example", URL), ("https://id.example", "http://ecoia.example")])
def test_addresses_without_encryption_are_refused(issuer: str, url: str) -> None:
    with pytest.raises(UsageError, match="https://"):
        OpenIdConnect(issuer, CLIENT_ID, SECRET, url)

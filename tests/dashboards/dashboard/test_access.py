"""Who gets which answer, on every route that the application has."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route

from ecoia.errors import CatalogueError, UsageError
from ecoia.exploring import Explorer
from ecoia_dashboards.dashboard.access import Access, HeaderOfProxy, host_name
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.pages import PAGES
from ecoia_dashboards.dashboard.readers import Readers, read_readers
from ecoia_dashboards.dashboard.serving import Options, access_of
from support.dashboard import Answer, ask

PROXY = "10.0.0.7"
OWN = "vadore"
EVERYBODYS = {"/static", "/static/plotly.js"}
"""Paths that anybody gets: style sheets and scripts."""
RUN_SERVICE = "assistant-conseiller"
EXAMPLES = {"service": OWN, "instance": "lyon-01", "run": uuid.uuid5(uuid.NAMESPACE_URL, "2026Q3/run/0").hex}
"""What stands for the names in paths, a run of ``RUN_SERVICE`` among them; a page with another name adds it here."""


@pytest.fixture(scope="module")
def guarded(explorer: Explorer) -> Any:
    readers = Readers({"ada": None, "bob": frozenset({OWN}), "eva": frozenset({RUN_SERVICE}), "nobody": frozenset()})
    return create_app(explorer, Access(HeaderOfProxy("X-Remote-User", [PROXY]), readers))


def read(app: Any, path: str, user: str | None, client: str = PROXY, **more: Any) -> Answer:
    return ask(app, path, {} if user is None else {"X-Remote-User": user}, client=client, **more)


def routes(app: Any) -> Iterator[Route | Mount]:
    """Return every route of an application, those of mounted ones as their mount."""
    for route in app.routes:
        assert isinstance(route, Route | Mount), f"{route}: list what it answers here"
        yield route


def path_of(route: Route | Mount, file: str = "none") -> str:
    names = {**EXAMPLES, "file": file}
    path = re.sub("{([a-z_]+)(:[a-z]+)?}", lambda match: names[match[1]], route.path)
    return f"{path}/dashboard.css" if isinstance(route, Mount) else path


def page_of(path: str) -> Any:
    """Return the page that a route belongs to; None: it belongs to none."""
    bare = path.replace(":path}", "}").removeprefix("/embed").removeprefix("/api/v1")
    bare = re.sub("(/(figures|tables)/{file}|[.]csv)$", "", bare) or "/"
    return next((page for page in PAGES if bare in (page.path, f"/{page.id}")), None)


def test_every_route_belongs_to_a_page_or_is_listed(guarded: Any) -> None:
    known = {*EVERYBODYS, "/api/v1/docs", "/api/v1/openapi.json"}
    unknown = [route.path for route in routes(guarded) if route.path not in known and page_of(route.path) is None]
    assert unknown == []


@pytest.mark.parametrize("user", [None, ""])
def test_nobody_reads_without_a_user(guarded: Any, user: str | None) -> None:
    for route in routes(guarded):
        answer = read(guarded, path_of(route), user)
        if route.path in EVERYBODYS:
            assert answer.status == 200, route.path
        else:
            assert answer.status == 401, route.path
            assert OWN not in answer.text.replace(path_of(route), ""), route.path


def test_a_user_that_nobody_named_reads_nothing(guarded: Any) -> None:
    for user in ("eve", "nobody"):
        for route in routes(guarded):
            if page_of(route.path) is not None:
                assert read(guarded, path_of(route), user).status == 403, route.path


def files_of(app: Any, path: str) -> list[str]:
    """Return the paths of the files that a page of the whole organisation links to."""
    return re.findall(r'(?:href|data-figure)="([^"]*/(?:figures|tables)/[^"?]+)', read(app, path, "ada").text)


def answers(app: Any, user: str) -> Iterator[tuple[Any, str, Answer]]:
    """Ask for every page, its data and its files."""
    for page in PAGES:
        path = re.sub("{([a-z_]+)}", lambda match: EXAMPLES[match[1]], page.path)
        api = re.sub("{([a-z_]+)}", lambda match: EXAMPLES[match[1]], page.api_path)
        files = files_of(app, path)
        embeds = [f"/embed{each.rpartition('.')[0]}" for each in files if "/figures/" in each]
        stream = [f"{path}.csv"] if page.stream else []
        for each in (path, api, *files, *embeds, *stream):
            yield page, each, read(app, each, user)


def test_a_reader_of_everything_gets_every_page(guarded: Any) -> None:
    for page, path, answer in answers(guarded, "ada"):
        assert answer.status == 200, (page.id, path)


@pytest.mark.parametrize(("user", "own"), [("bob", OWN), ("eva", RUN_SERVICE)])
def test_a_reader_of_one_service_learns_of_no_other(guarded: Any, explorer: Explorer, user: str, own: str) -> None:
    report = explorer.report("2026Q3")
    others = {text for entry in report.register if entry.id != own for text in (entry.id, entry.name)}
    others -= {text for text in others if len(text) < 5}  # too short to be told from other words
    for page, path, answer in answers(guarded, user):
        if page.of_whole:
            assert answer.status == 403, path
        known = {text for text in others if answer.status != 200 and text in path}  # what they asked for themselves
        leaked = [text for text in others - known if re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", answer.text_or_nothing)]
        assert leaked == [], (page.id, path, answer.status)


def test_a_reader_of_one_service_does_not_get_another_by_its_address(guarded: Any) -> None:
    for page in PAGES:
        for path in (page.path, page.api_path):
            if "{service}" in path:
                other = re.sub("{([a-z_]+)}", lambda match: {**EXAMPLES, "service": "voix-3949"}[match[1]], path)
                assert read(guarded, other, "bob").status == 403, other
            elif "{" not in path and "service" in page.filters:
                assert read(guarded, f"{path}?service=voix-3949", "bob").status == 403, path
            elif "{" not in path:  # it obeys no such filter
                found, plain = read(guarded, f"{path}?service=voix-3949", "bob"), read(guarded, path, "bob")
                assert found.status == plain.status, path
                assert found.status == 403 or found.content == plain.content, path


def test_a_header_is_believed_from_the_proxy_alone(guarded: Any) -> None:
    assert read(guarded, "/", "ada").status == 200
    assert read(guarded, "/", "ada", client="10.0.0.8").status == 401
    assert read(guarded, "/", "ada", client="::ffff:10.0.0.7").status == 200
    assert read(guarded, "/", "ada", client="testclient").status == 401


def test_two_users_in_one_request_are_none() -> None:
    from starlette.requests import Request

    from ecoia_dashboards.dashboard.access import NotSignedInError

    headers = [(b"x-remote-user", b"ada"), (b"x-remote-user", b"bob")]
    request = Request({"type": "http", "headers": headers, "client": (PROXY, 1)})
    with pytest.raises(NotSignedInError):
        HeaderOfProxy("X-Remote-User", [PROXY]).user(request)


def test_nothing_can_be_written(guarded: Any) -> None:
    for route in routes(guarded):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = read(guarded, path_of(route), "ada", method=method)
            assert answer.status == 405, (route.path, method)
            assert "X-Frame-Options".lower() in answer.headers


def test_an_answer_kept_for_one_reader_is_not_given_to_another(guarded: Any) -> None:
    whole = read(guarded, "/compare", "ada").content
    assert read(guarded, "/compare", "bob").content != whole
    assert read(guarded, "/compare", "ada").content == whole


def test_a_local_server_answers_to_its_own_names(explorer: Explorer) -> None:
    app = create_app(explorer, access_of(Options(), "127.0.0.1"))
    for host in ("127.0.0.1:8642", "localhost", "[::1]:8642"):
        assert ask(app, "/compare", {"host": host}).status == 200
    for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
        assert ask(app, "/compare", {"host": host}).status == 421
        assert ask(app, "/static/dashboard.css", {"host": host}).status == 421


@pytest.mark.parametrize(
    ("host", "options", "said"),
    [
        ("0.0.0.0", Options(), "--open-to-all"),
        ("192.168.1.4", Options(), "--user-header"),
        ("127.0.0.1", Options(user_header="X-Remote-User"), "--trusted-proxy"),
        ("127.0.0.1", Options(trusted_proxies=["10.0.0.1"]), "--user-header"),
        ("127.0.0.1", Options(user_header="X", trusted_proxies=["proxy.example"]), "proxy.example"),
        ("0.0.0.0", Options(user_header="X", trusted_proxies=[PROXY], open_to_all=True), "--open-to-all"),
        ("127.0.0.1", Options(user_header="X", trusted_proxies=[PROXY], oidc_issuer="https://id.example"), "choose one"),
        ("127.0.0.1", Options(oidc_issuer="https://id.example"), "--oidc-client-id"),
        ("127.0.0.1", Options(readers=Path("readers.yaml")), "--readers"),
        ("127.0.0.1", Options(embed_in=["intranet"]), "intranet"),
        ("127.0.0.1", Options(embed_in=["https://a.example; script-src *"]), "embed-in"),
        ("127.0.0.1", Options(public_url="ecoia.example"), "public-url"),
    ],
)
def test_options_that_cannot_stand_are_refused(host: str, options: Options, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        access_of(options, host)


def test_a_public_address_is_served_with_an_identity_or_openly() -> None:
    behind = access_of(Options(user_header="X", trusted_proxies=[PROXY]), "0.0.0.0")
    assert behind.identity is not None
    assert access_of(Options(open_to_all=True), "0.0.0.0").identity is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("readers: [{user: ada, services: everything}]", "services"),
        ("readers: [{user: ada}]", "services"),
        ("readers: [{user: ada, services: []}]", "services"),
        ("readers: [{services: all}]", "user"),
        ("readers: [{user: ada, services: all}, {user: ada, services: [vadore]}]", "already used on line"),
        ("readers: [{user: ada, services: [vador]}]", "did you mean 'vadore'?"),
        ("readers: [{user: ada, role: admin, services: all}]", "role"),
        ("readers: [", "YAML"),
    ],
)
def test_a_file_of_readers_that_is_wrong_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "readers.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=re.escape(said)):
        read_readers(path, {"vadore", "chat"})


def test_a_missing_file_of_readers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="not readable"):
        read_readers(tmp_path / "readers.yaml")


def test_names_of_hosts() -> None:
    assert [host_name(each) for each in ("A.example:80", "[::1]:80", "[::1]", "::1", " b ")] == [
        "a.example",
        "::1",
        "::1",
        "::1",
        "b",
    ]

"""The dashboard in MLflow's own server: under uvicorn and gunicorn, with a prefix, and with accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ecoia.catalogue import load
from ecoia.cli.common import Source
from ecoia.exploring import Explorer, fill
from ecoia.exploring.places import folder_of
from ecoia.factors import default_factors
from ecoia.impact.inputs import Inputs
from ecoia.records import fold
from ecoia_dashboards.dashboard.app import create_app
from support.mlflow_accounts import hash_in_one_round
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.records import training
from support.settings import make_settings

pytest.importorskip("flask_wtf", reason="the packages of requirements-dev.lock: make .venv/.stamp-dev")
pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

ADMIN, ADA, BOB = ("admin", "Secret-of-admin"), ("ada", "Secret-of-ada-1"), ("bob", "Secret-of-bob-1")
UVICORN, GUNICORN = (), ("--gunicorn-opts", "--log-level=error", "--workers=2")
SECONDS = 600


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose dashboard holds two services, as its filling leaves it."""
    home = tmp_path_factory.mktemp("home")
    rows = fold([training(service="cv"), training(service="chat", at=20)])
    settings = make_settings(zone="FRA")
    inputs = Inputs.of(rows, load(None), default_factors(), settings)
    fill(folder_of(make_settings(home=str(home)), Source.LEDGER), inputs, settings, source="ledger")
    return home


def every_path() -> list[str]:
    """Every path that the dashboard answers, with names of ours where it has any."""
    names = {"{service:path}": "cv", "{instance:path}": "host-1", "{run:path}": "run-1"}
    names |= {"{file}": "trend.svg", "{path:path}": "x"}
    found = []
    for route in create_app(Explorer(Path("nowhere"))).routes:
        path = getattr(route, "path", "")
        for name, value in names.items():
            path = path.replace(name, value)
        found.append(path if path != "/static" else "/static/dashboard.css")
    return sorted(set(found))


def made(server: str, name: str, **options: tuple[str, str]) -> str:
    """Make an experiment, as delivery does, and return its id."""
    answer = requests.post(f"{server}/api/2.0/mlflow/experiments/create", json={"name": name}, timeout=SECONDS, **options)  # type: ignore[arg-type]
    assert answer.ok, answer.text
    return str(answer.json()["experiment_id"])


# Gunicorn is represented by the server with accounts, which has every page, too.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param((UVICORN, "/mlflow"), id="uvicorn-prefix"),
        pytest.param((GUNICORN, ""), id="gunicorn", marks=pytest.mark.matrix),
    ],
)
def open_server(
    request: pytest.FixtureRequest, home: Path, migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    options, prefix = request.param
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(migrated.read_bytes())
    more = (f"--static-prefix={prefix}",) if prefix else ()
    with mlflow_server(
        f"sqlite:///{folder}/mlflow.db",
        free_port(),
        folder / "artifacts",
        "--app-name=ecoia",
        *options,
        *more,
        ECOIA_HOME=str(home),
    ) as uri:
        made(uri + prefix, "ecoia/ledger")
        yield uri + prefix


def test_every_page_is_there_with_addresses_that_lead_on(open_server: str) -> None:
    answer = requests.get(f"{open_server}/ecoia/", timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    prefix = open_server.split("/", 3)[3] if open_server.count("/") > 2 else ""
    links = [part.split('"')[0] for part in answer.text.split('href="')[1:]]
    ours = [link for link in links if not link.startswith("#")]
    assert ours
    assert all(link.startswith(f"/{prefix}/ecoia/".replace("//", "/")) for link in ours), ours
    root = open_server.removesuffix(f"/{prefix}") if prefix else open_server
    for link in sorted({link.replace("&amp;", "&") for link in ours}):
        found = requests.get(root + link, timeout=SECONDS)
        assert found.status_code == 200, (link, found.status_code)


def test_mlflows_own_pages_are_as_before(open_server: str) -> None:
    assert requests.get(f"{open_server}/", timeout=SECONDS).status_code == 200
    assert requests.post(f"{open_server}/ecoia/", timeout=SECONDS).status_code == 405


def test_ledgers_of_several_stores_answer_what_to_do(open_server: str, home: Path) -> None:
    (own,) = (home / "cache" / "dashboard").glob("ledger-*")
    other = own.with_name("ledger-0123456789ab")
    other.mkdir()
    try:
        for path in ("/", "/services/cv?lang=en", "/figures/trajectory.svg"):
            answer = requests.get(f"{open_server}/ecoia{path}", timeout=SECONDS)
            assert answer.status_code == 409, (path, answer.text)
            assert "rm -r" in answer.text
            assert all(str(folder) in answer.text for folder in (own, other))
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        told = requests.get(f"{open_server}/ecoia/api/v1/overview", timeout=SECONDS)
        assert (told.status_code, "several stores" in told.json()["error"]) == (409, True)
    finally:
        other.rmdir()
    assert requests.get(f"{open_server}/ecoia/", timeout=SECONDS).status_code == 200


@pytest.fixture(scope="module", params=[UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def server_with_accounts(
    request: pytest.FixtureRequest, home: Path, migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "mlflow.db").write_bytes(migrated.read_bytes())
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = {ADMIN[0]}\nadmin_password = {ADMIN[1]}\n"
    )
    with mlflow_server(
        f"sqlite:///{folder}/mlflow.db",
        free_port(),
        folder / "artifacts",
        "--app-name=ecoia-basic-auth",
        *request.param,
        ECOIA_HOME=str(home),
        MLFLOW_AUTH_CONFIG_PATH=str(folder / "auth.ini"),
        MLFLOW_FLASK_SERVER_SECRET_KEY=str(folder),
    ) as uri:
        for experiment in ("ecoia/ledger", "ecoia/chat"):
            made(uri, experiment, auth=ADMIN)
        cv = made(uri, "ecoia/cv", auth=ADMIN)
        for name, password in (ADA, BOB):
            ask(uri, "2.0/mlflow/users/create", username=name, password=password)
        ask(
            uri,
            "3.0/mlflow/users/permissions/grant",
            username=ADA[0],
            permission="READ",
            resource_type="experiment",
            resource_id=cv,
        )
        hash_in_one_round(folder / "auth.db", ADMIN, ADA, BOB)
        yield uri


def ask(server: str, what: str, **fields: str) -> None:
    """Have the administrator change accounts and permissions."""
    answer = requests.post(f"{server}/api/{what}", json=fields, auth=ADMIN, timeout=SECONDS)
    assert answer.ok, answer.text


def test_no_path_answers_an_anonymous_caller(server_with_accounts: str) -> None:
    for path in (*every_path(), "/mlflow/server-info", "/health", "/nothing"):
        answer = requests.get(f"{server_with_accounts}/ecoia{path}", timeout=SECONDS)
        assert answer.status_code == 401, (path, answer.status_code)
    for path in ("/", "/services/cv", "/api/v1/overview"):  # a server takes its time over each password
        answer = requests.get(f"{server_with_accounts}/ecoia{path}", auth=(ADA[0], "wrong-password-1"), timeout=SECONDS)
        assert answer.status_code == 401, (path, answer.status_code)


def test_accounts_see_the_services_whose_experiment_they_may_read(server_with_accounts: str) -> None:
    def status(path: str, account: tuple[str, str]) -> int:
        return requests.get(f"{server_with_accounts}/ecoia{path}", auth=account, timeout=SECONDS).status_code

    assert status("/", ADMIN) == 200
    assert status("/services/chat", ADMIN) == 200
    assert status("/", ADA) == 403
    assert status("/services/cv", ADA) == 200
    assert status("/services/chat", ADA) in (403, 404)
    assert status("/api/v1/overview", ADA) == 403
    assert status("/services/cv", BOB) in (403, 404)
    assert status("/", BOB) == 403


def test_an_account_that_loses_its_permission_loses_the_pages(server_with_accounts: str) -> None:
    of = {"username": BOB[0], "permission": "READ", "resource_type": "experiment"}
    answer = requests.get(
        f"{server_with_accounts}/api/2.0/mlflow/experiments/get-by-name",
        params={"experiment_name": "ecoia/ledger"},
        auth=ADMIN,
        timeout=SECONDS,
    )
    ledger = answer.json()["experiment"]["experiment_id"]
    address = f"{server_with_accounts}/ecoia/"
    ask(server_with_accounts, "3.0/mlflow/users/permissions/grant", resource_id=ledger, **of)
    answer = requests.get(address, auth=BOB, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    del of["permission"]
    ask(server_with_accounts, "3.0/mlflow/users/permissions/revoke", resource_id=ledger, **of)
    assert requests.get(address, auth=BOB, timeout=SECONDS).status_code == 403

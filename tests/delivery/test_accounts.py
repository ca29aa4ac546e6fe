"""A tracking server with accounts (``--app-name basic-auth``): what an account may not write is said, and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from ecoia.delivery.deliver import deliver
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records.id_sets import ids_of
from support.deliveries import api, configured, ledger
from support.mlflow_accounts import hash_in_one_round
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.records import training, write

pytest.importorskip("flask_wtf", reason="the packages of requirements-dev.lock: make .venv/.stamp-dev")
pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]

ADMIN, ADA, BOB, WRONG = (
    ("admin", "Secret-of-admin"),
    ("ada", "Secret-of-ada"),
    ("bob", "Secret-of-bob"),
    ("ada", "Secret-of-eve"),
)


@pytest.fixture(scope="module")
def server(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(migrated.read_bytes())
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = {ADMIN[0]}\nadmin_password = {ADMIN[1]}\n"
    )
    with mlflow_server(
        f"sqlite:///{folder}/mlflow.db",
        free_port(),
        folder / "artifacts",
        "--app-name=basic-auth",
        MLFLOW_AUTH_CONFIG_PATH=str(folder / "auth.ini"),
        MLFLOW_FLASK_SERVER_SECRET_KEY=str(folder),
    ) as uri:
        for name, password in (ADA, BOB):
            ask(uri, "2.0/mlflow/users/create", username=name, password=password)
        hash_in_one_round(folder / "auth.db", ADMIN, ADA, BOB)
        yield uri


def permit(server: str, experiment: str, permission: str) -> None:
    of = {"resource_type": "experiment", "resource_id": experiment}
    ask(server, "3.0/mlflow/users/permissions/grant", username=ADA[0], permission=permission, **of)


def ask(server: str, what: str, **fields: str) -> None:
    """Have the administrator change accounts and permissions."""
    answer = requests.post(f"{server}/api/{what}", json=fields, auth=ADMIN, timeout=60)
    assert answer.ok, answer.text


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sets the account that MLflow's clients of this test use."""

    def use(name: str, password: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    return use


def planted(journal: Journal, *texts: str) -> list[str]:
    """Return the secrets that some texts or the files of a journal's home hold."""
    files = [path.read_bytes() for path in journal.home.rglob("*") if path.is_file()]
    found = [*files, *(text.encode() for text in texts)]
    return [secret for _, secret in (ADMIN, ADA, BOB, WRONG) if any(secret.encode() in each for each in found)]


def test_what_an_account_may_not_write_is_named_once_and_the_rest_is_delivered(
    server: str, journal: Journal, account: Callable[[str, str], None], tmp_path: Path
) -> None:
    account(*ADMIN)
    client = api(server)
    mine, theirs, hidden = (client.create_experiment(name) for name in ("mine", "theirs", "hidden"))
    permit(server, mine, "EDIT")
    permit(server, hidden, "DENY")
    runs = [client.create_run(experiment).info.run_id for experiment in (mine, theirs, hidden)]
    target = register_target(journal.home, server)
    records = [training(target=target, run_id=run_id, at=20 * n) for n, run_id in enumerate(runs)]
    write(journal, records)

    account(*WRONG)
    unknown = deliver(journal, configured())
    assert (unknown.delivered, unknown.store_failed, len(unknown.problems)) == (0, True, 1)
    account(*ADA)
    for delivered in (len(records) * 2, 0):  # with the outcomes of runs that nobody ended
        result = deliver(journal, configured())
        assert (result.delivered, result.pending, result.failed) == (delivered, 0, False)
        named = [[run_id for run_id in runs if run_id in problem] for problem in result.problems]
        assert sorted(named) == sorted([[run_id] for run_id in runs[1:]])
        assert all("permission to edit its experiment" in problem for problem in result.problems)

    # The ledger is Ada's, and Bob may only read it.
    other = Journal(tmp_path / "other")
    write(other, [training(target=register_target(other.home, server), run_id=None, instance="host-2")])
    account(*BOB)
    refused = deliver(other, configured(home=str(other.home)))
    assert (refused.delivered, refused.pending, refused.store_failed, len(refused.problems)) == (0, 1, True, 1)

    account(*ADMIN)
    assert [bool(client.get_run(run_id).data.metrics) for run_id in runs] == [True, False, False]
    assert {record_id for row in ledger(server) for record_id in ids_of(row)} >= {each.record_id for each in records}
    said = [*unknown.problems, *result.problems, *refused.problems]
    assert planted(journal, *said) == planted(other) == []

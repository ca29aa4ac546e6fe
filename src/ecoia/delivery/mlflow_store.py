"""One MLflow tracking store, through MLflow's public client API only.

Every call has time-outs of its own: with MLflow's defaults an unreachable server blocks for four minutes. MLflow is imported
when it is asked something, so importing this module, or naming a store, costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ecoia import semconv
from ecoia.delivery.tags_and_metrics import note_change
from ecoia.errors import DeliveryError, EcoiaError, MissingExtraError
from ecoia.keeping.destinations import public_text, public_uri, sqlite_file

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # a server may ask to wait for a day
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it fetches the run for the address that it prints
}
"""MLflow's variables while we talk to it. A value that the user has set stays."""

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes for a run or model that a store does not have."""

_PAGE_RUNS = 250  # a larger page of a loaded server takes longer than a request may
_POINTS_AT_ONCE = 500  # a batch of MLflow holds 1000
_TAG_MAX_CHARACTERS = 5000  # MLflow cuts silently at 8000
_ABSENT = re.compile(r"\b404\b|No such (?:artifact|file)|NoSuchKey|Not ?Found", re.IGNORECASE)
_METRIC_NAME = re.compile(r"[/\w.\- :]{1,250}")


class Point(NamedTuple):
    """One value of a metric at a step.

    Attributes:
        metric: Its name.
        value: Its value.
        step: Its step.
        not_before_ms: The least timestamp that it may have: of two values at one step, MLflow shows the one with the later.
        model_id: The logged model that shows it beside the run; None: no model.
    """

    metric: str
    value: float
    step: int
    not_before_ms: int = 0
    model_id: str | None = None


def keep_telemetry_off() -> None:
    """Turn MLflow's telemetry off in this process, and keep secrets out of what its libraries log.

    For ecoia's own processes only: a measured program decides for itself.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    logging.setLogRecordFactory(_public_record)
    sys.excepthook = _print_public_traceback


def _public_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """Make a log record whose text shows no secret of a tracking URI: MLflow logs errors that quote parts of it."""
    record = logging.LogRecord(*args, **kwargs)
    with contextlib.suppress(Exception):  # a message that does not fit its arguments: logging itself reports it
        text = record.getMessage()
        if record.exc_info:
            text = "\n".join([text, "".join(traceback.format_exception(*record.exc_info)).rstrip()])
        record.msg, record.args, record.exc_info = public_text(text), (), None
    return record


def _print_public_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(public_text("".join(traceback.format_exception(kind, error, trace))))


class MlflowStore:
    """One MLflow tracking store.

    ``MlflowLedger(store)`` reads and writes the ledger in it, ``MlflowRuns(store)`` the runs that people open.

    Args:
        tracking_uri: Where it is; ``None``: where MLflow itself looks (``MLFLOW_TRACKING_URI``, else its local default).

    Raises:
        MissingExtraError: MLflow is not installed.

    Example::

        store = MlflowStore("sqlite:////srv/mlflow/mlflow.db")
        store.prepare()
        MlflowLedger(store).read_rows(quarter_start_ns, quarter_end_ns)
    """

    def __init__(self, tracking_uri: str | None) -> None:
        if not _is_installed():
            raise MissingExtraError("the ledger", "mlflow")
        self.uri: str = tracking_uri or _usual_uri()
        self._opened: Any = None
        self._experiments: dict[str, str] = {}

    @property
    def client(self) -> Any:
        """MLflow's client for this store."""
        if self._opened is None:
            import mlflow

            self._opened = mlflow.MlflowClient(tracking_uri=self.uri)
        return self._opened

    @contextlib.contextmanager
    def reaching(self) -> Iterator[None]:
        """Set our time-outs while the block talks to MLflow, and turn every error of MLflow into one kind.

        Raises:
            DeliveryError: MLflow cannot be reached or refuses.
        """
        saved = {name: os.environ.get(name) for name in ENVIRONMENT}
        os.environ.update({name: value for name, value in ENVIRONMENT.items() if saved[name] is None})
        try:
            yield
        except EcoiaError:
            raise
        except Exception as error:  # errors of MLflow, requests, SQLAlchemy or a storage client
            self._opened = None
            raise DeliveryError(f"{_what_is_wrong(self.uri, error)}; what is recorded stays in the journal") from error
        finally:
            for name, value in saved.items():
                if value is None:
                    os.environ.pop(name, None)

    def is_there(self) -> bool:
        """Return whether there may be something to read. False for a SQLite file not made yet; a server is not asked here."""
        path = sqlite_file(self.uri)
        return path is None or path.exists()

    def is_ready(self) -> bool:
        """Return whether writing needs no work on the schema: always, except for a SQLite file that is missing or outdated.

        Two processes that make one schema at once break it, so the helper asks this while a measured process lives.
        """
        path = sqlite_file(self.uri)
        return path is None or (path.exists() and _schema_version(path) == _head_version())

    def prepare(self) -> None:
        """Make a missing SQLite database in one step. A kill leaves none or a whole one; an existing one is not touched.

        Raises:
            DeliveryError: it cannot be made.
        """
        path = sqlite_file(self.uri)
        if path is None or path.exists():
            return
        draft = path.with_name(f".{path.name}-{os.getpid()}-draft")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_database(draft)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        except (OSError, subprocess.SubprocessError) as error:
            raise DeliveryError(f"SQLite database '{path}' cannot be made ({error}): check the folder") from error
        finally:
            with contextlib.suppress(OSError):  # it was not made, or its folder is a file
                draft.unlink()

    def find_experiment(self, name: str) -> str | None:
        """Return the id of an experiment; ``None`` if there is none.

        Raises:
            DeliveryError: the experiment was deleted; the message names the command that restores it.
        """
        if name not in self._experiments:
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return None
            if not experiment.experiment_id:
                raise DeliveryError(
                    f"the server at '{public_uri(self.uri)}' answers as no MLflow server does: check MLFLOW_TRACKING_URI"
                )
            if experiment.lifecycle_stage != "active":
                raise DeliveryError(
                    f"experiment '{name}' was deleted: 'mlflow experiments restore --experiment-id {experiment.experiment_id}' "
                    "brings it back"
                )
            self._experiments[name] = experiment.experiment_id
        return self._experiments[name]

    def make_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of an experiment, and create it with these tags if it is missing.

        Raises:
            DeliveryError: the experiment was deleted.
        """
        found = self.find_experiment(name)
        if found is None:
            try:
                self.client.create_experiment(name, artifact_location=self._artifact_location(name), tags=dict(tags))
            except Exception:
                if self.client.get_experiment_by_name(name) is None:
                    raise  # otherwise another instance was first, and its experiment will do
            found = self.find_experiment(name)
        if found is None:
            raise DeliveryError(f"experiment '{name}' was created and cannot be found: check the store")
        return found

    def describe_experiment(self, experiment_id: str, tags: Mapping[str, str], note: str | None) -> None:
        """Give an experiment tags and a description, where they differ and the description is not its owner's.

        Nothing depends on them, so a store that refuses them is not asked again.
        """
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException):
            present = self.client.get_experiment(experiment_id).tags
            wanted = {**tags, **(note_change(present, note) if note is not None else {})}
            for name, value in wanted.items():
                if present.get(name) != storable(value):
                    self.client.set_experiment_tag(experiment_id, name, storable(value))

    def _artifact_location(self, experiment: str) -> str | None:
        """Place artifacts beside a local database. MLflow's default is the current folder, and the helper's is arbitrary."""
        path = sqlite_file(self.uri)
        return None if path is None else (path.absolute().parent / "mlruns" / experiment.replace("/", "-")).as_uri()

    def search(self, experiment_id: str, *conditions: str) -> list[Any]:
        """Return the runs of an experiment that meet every condition, by start time.

        Args:
            experiment_id: From ``find_experiment``.
            conditions: In MLflow's filter language.
        """
        # Page tokens are offsets, so a run can come twice when others are inserted meanwhile.
        found = {run.info.run_id: run for run in self.each(experiment_id, *conditions)}
        return sorted(found.values(), key=lambda run: (run.info.start_time, run.info.run_id))

    def each(self, experiment_id: str, *conditions: str, deleted: bool = False) -> Iterator[Any]:
        """Give the runs of an experiment that meet every condition, page by page; a run may come twice.

        Args:
            experiment_id: From ``find_experiment``.
            conditions: In MLflow's filter language.
            deleted: Whether deleted runs come, too.
        """
        from mlflow.entities import ViewType

        token = None
        while True:
            page = self.client.search_runs(
                [experiment_id],
                filter_string=" and ".join(conditions),
                run_view_type=ViewType.ALL if deleted else ViewType.ACTIVE_ONLY,
                max_results=_PAGE_RUNS,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def search_everywhere(self, condition: str) -> list[Any]:
        """Return the runs of all experiments that meet a condition in MLflow's filter language, except those that ecoia made."""
        found: dict[str, Any] = {}
        token = None
        while True:
            page = self.client.search_experiments(max_results=_PAGE_RUNS, page_token=token)
            if len(page):
                for run in self.client.search_runs([each.experiment_id for each in page], filter_string=condition):
                    if semconv.TAG_KIND not in run.data.tags:
                        found[run.info.run_id] = run
            token = page.token
            if not token:
                return [found[run_id] for run_id in sorted(found)]

    def keeps_artifacts_here(self, artifact_uri: str) -> bool:
        """Return whether a server has its clients write artifacts to their own disks, so that others may not reach them."""
        return self.uri.startswith("http") and local_path(artifact_uri) is not None

    def read_artifact(self, run_id: str, artifact_uri: str, name: str, most_bytes: int) -> bytes:
        """Read an artifact of a run. Neither the run nor a list of its artifacts is fetched for it.

        Args:
            run_id: The run.
            artifact_uri: Where its artifacts are.
            name: The artifact.
            most_bytes: Its greatest size.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it is no file, is larger, or this machine may not read it.
            Exception: an error of MLflow or of a storage client.
        """
        folder = local_path(artifact_uri)
        if folder is not None:
            return _read_file(folder / name, most_bytes)
        with tempfile.TemporaryDirectory(prefix="ecoia-") as target:
            try:
                return _read_file(Path(self._download(run_id, artifact_uri, name, target)), most_bytes)
            except Exception as error:
                if _is_absent(error):
                    raise FileNotFoundError(name) from error
                raise

    def _download(self, run_id: str, artifact_uri: str, name: str, target: str) -> str:
        import mlflow
        import mlflow.artifacts

        if mlflow.__version__.startswith("2."):
            # There, downloading by URI would ask the server of this process's own tracking URI.
            return str(self.client.download_artifacts(run_id, name, target))
        uri = f"{artifact_uri.rstrip('/')}/{name}"
        return str(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=target, tracking_uri=self.uri))

    def write_artifact(self, run_id: str, artifact_uri: str, name: str, data: bytes) -> None:
        """Write an artifact of a run, in place of what is there. The run is not fetched for it.

        Args:
            run_id: The run.
            artifact_uri: Where its artifacts are.
            name: The artifact; may be in folders.
            data: Its content.

        Raises:
            OSError: this machine may not write there.
            Exception: an error of MLflow or of a storage client.
        """
        folder = local_path(artifact_uri)
        if folder is not None:
            _replace_file(folder / name, data)
            return
        with tempfile.TemporaryDirectory(prefix="ecoia-") as source:
            path = Path(source) / Path(name).name
            path.write_bytes(data)
            below = str(Path(name).parent) if "/" in name else None
            repository = self._repository(artifact_uri)
            if repository is None:
                self.client.log_artifact(run_id, str(path), below)
            else:
                repository.log_artifact(str(path), below)

    def _repository(self, artifact_uri: str) -> Any:
        """Return MLflow's access to the artifacts at a place; None where it has to find it by the run."""
        import mlflow

        if mlflow.__version__.startswith("2.") or artifact_uri.startswith("dbfs:"):
            return None
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(artifact_uri, tracking_uri=self.uri)

    def get_run(self, run_id: str) -> Any:
        """Return a run; ``None`` if this store does not have it. A deleted run is returned, with its lifecycle stage."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            raise

    def log(self, run_id: str, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Write metrics and tags to a run in one call; nothing if both are empty.

        Raises:
            DeliveryError: MLflow would keep a metric wrongly: its value is not finite, or its name is too long or illegal.
        """
        for point in points:
            if not math.isfinite(point.value) or _METRIC_NAME.fullmatch(point.metric) is None:
                raise DeliveryError(f"metric '{point.metric}' = {point.value!r} would be kept wrongly by MLflow: refused")
        self._log(run_id, points, tags)

    def retire(self, run_id: str, points: Sequence[Point], tags: Sequence[str]) -> None:
        """Take metrics and tags off a run as far as MLflow can: a metric gets no number as its last value, its history stays.

        Args:
            run_id: The run.
            points: A point of each metric, at its highest step.
            tags: Names of tags.
        """
        self._log(run_id, [point._replace(value=math.nan) for point in points], {})
        for name in tags:
            self.client.delete_tag(run_id, name)

    def _log(self, run_id: str, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, RunTag

        now_ms = time.time_ns() // 1_000_000
        kept = [RunTag(name, storable(value)) for name, value in tags.items()]
        for first in range(0, max(len(points), 1), _POINTS_AT_ONCE):
            some = points[first : first + _POINTS_AT_ONCE]
            metrics = [
                Metric(
                    p.metric,
                    float(p.value),
                    max(now_ms, p.not_before_ms),
                    p.step,
                    **({"model_id": p.model_id} if p.model_id else {}),
                )
                for p in some
            ]
            if metrics or kept:
                self.client.log_batch(run_id, metrics=metrics, tags=kept, synchronous=True)
            kept = []


def _is_installed() -> bool:
    """Return whether MLflow can be imported. It is not, as that takes seconds, and a ledger in a database is read without it."""
    if "mlflow" in sys.modules:
        return sys.modules["mlflow"] is not None
    try:
        return importlib.util.find_spec("mlflow") is not None
    except ImportError:
        return False


def _usual_uri() -> str:
    """Return where MLflow itself looks; without loading it, if the environment says so."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named and "mlflow" not in sys.modules:
        return named
    import mlflow

    return str(mlflow.get_tracking_uri())


def storable(text: str) -> str:
    """Return a text as MLflow can keep it in a tag: cut, without what a database refuses.

    Example:
        >>> storable("a\\0b\\ud800")
        'ab?'
    """
    return text.replace("\0", "")[:_TAG_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _what_is_wrong(uri: str, error: Exception) -> str:
    """Say that a store cannot be used, why, and the remedy."""
    text, shown = str(error), public_uri(uri)
    if "MLFLOW_ALLOW_FILE_STORE" in text:  # MLflow 3.13 and later; its text is long, and has the remedy at its end
        return (
            f"MLflow refuses its file store '{shown}': 'mlflow migrate-filestore' moves it into a database, and "
            "MLFLOW_ALLOW_FILE_STORE=true has MLflow use it as it is"
        )
    if "unsupported URI" in text and sqlite_file(uri) is not None:
        return (
            f"MLflow here cannot use the database '{shown}', as mlflow-skinny cannot: install mlflow, or name a tracking server "
            "in MLFLOW_TRACKING_URI"
        )
    # MLflow's messages carry credentials, and what a server sends may hold control characters.
    cause = text.rpartition("(Caused by ")[2]  # of requests; before it stands what was asked, which is long
    reason = "".join(letter if letter.isprintable() else "?" for letter in public_text(" ".join(cause.split()), uri))[:300]
    return f"MLflow at '{shown}' cannot be used ({type(error).__name__}: {reason}): check that it runs and MLFLOW_TRACKING_URI"


def local_path(artifact_uri: str) -> Path | None:
    """Return the folder of artifacts that are files of this machine; None for any other place.

    Example:
        >>> local_path("file:///srv/mlruns/1").as_posix(), local_path("mlflow-artifacts:/1")
        ('/srv/mlruns/1', None)
    """
    parts = urlsplit(artifact_uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    is_path = not parts.scheme or (os.name == "nt" and len(parts.scheme) == 1)  # a drive
    return Path(artifact_uri) if is_path and artifact_uri else None


def _read_file(path: Path, most_bytes: int) -> bytes:
    if not path.is_file():  # a pipe would never end
        if not path.exists():
            raise FileNotFoundError(str(path))
        raise OSError(f"'{path}' is no file")
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(f"'{path.name}' is larger than {most_bytes >> 20} MiB")
    return data


def _replace_file(path: Path, data: bytes) -> None:
    """Write a file as a whole: a reader, or a kill, finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.urandom(4).hex()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _is_absent(error: BaseException | None) -> bool:
    """Return whether an error of MLflow or of a storage client says that an artifact is not there."""
    while error is not None:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
        if isinstance(response, dict):  # botocore
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if isinstance(error, FileNotFoundError) or status == 404 or getattr(error, "error_code", None) in NOT_THERE:
            return True
        if _ABSENT.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def at_step(metrics: Mapping[str, float], step: int) -> list[Point]:
    """Return metrics as points at one step."""
    return [Point(name, value, step) for name, value in metrics.items()]


def _make_database(path: Path) -> None:
    """Have MLflow make its schema in a new SQLite file.

    Run in a process of its own: MLflow places the default experiment's artifacts below the current folder, and they belong
    beside the database, not where the helper works.
    """
    code = "import sys, mlflow; mlflow.MlflowClient(tracking_uri=sys.argv[1]).search_experiments(max_results=1)"
    subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, f"sqlite:///{path}"],
        cwd=path.parent,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        check=True,
        capture_output=True,
        timeout=300,
    )


def _schema_version(path: Path) -> str | None:
    """Return the schema version that a SQLite database holds; ``None``: there is none yet, or it is being made just now."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return None
    return str(found[0][0]) if len(found) == 1 else None


@functools.cache
def _head_version() -> str | None:
    """Return the schema version that the installed MLflow wants; ``None`` if it does not say, so that nothing is ready."""
    import mlflow

    try:
        from alembic.script import ScriptDirectory

        return ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations")).get_current_head()
    except Exception:  # noqa: BLE001 - alembic's errors share no base, and MLflow may move its scripts
        return None

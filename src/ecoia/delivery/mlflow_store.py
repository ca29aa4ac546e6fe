"""The ledger and the views in MLflow, through its public client API only.

Every call has time-outs of its own: with MLflow's defaults an unreachable server blocks for four minutes. MLflow is
imported when a store is made, so importing this module costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecoia import semconv
from ecoia.delivery.ledger import decode_day, digest, encode_day, merge_day, union
from ecoia.errors import DeliveryError, EcoiaError, InstanceConflictError, MissingExtraError
from ecoia.keeping.destinations import public_text, public_uri, sqlite_file
from ecoia.periods import DAY_NS, covered_seconds, utc_day, utc_ns
from ecoia.records import Record, Row
from ecoia.settings import is_slug
from ecoia.units import from_micro, kwh

_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_PAGE = 1000
_PARENT = "mlflow.parentRunId"
_LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"
_ARTIFACT_FOLDER = "ecoia"
BREAKDOWN_ARTIFACT = f"{_ARTIFACT_FOLDER}/breakdown.json"
PAGE_ARTIFACT = f"{_ARTIFACT_FOLDER}/impact.html"
_METRIC_KEY = re.compile(r"[/\w.\- :]{1,250}")
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_TAG_MAX = 5000  # MLflow cuts silently at 8000


@dataclass(frozen=True)
class View:
    """What people see on one run: totals, never the account itself.

    ``step`` grows with the activity that the totals cover. ``hourly`` gives, by metric, the total of each hour of the
    day. ``models`` are MLflow's URIs of what served (``models:/...``). ``artifacts`` are texts by path. ``status`` is that
    of a run of ecoia's own: how it ended, or ``RUNNING``.
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    step: int
    hourly: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    models: Sequence[str] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    table: str | None = None
    status: str | None = None


def keep_telemetry_off() -> None:
    """For processes of our own: MLflow would call home. A measured program's choice is its own, and is not touched."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"


class MlflowStore:
    """One MLflow tracking store.

    Args:
        tracking_uri: Where; ``None``: what MLflow itself resolves (``MLFLOW_TRACKING_URI``, else its local default).

    Raises:
        MissingExtraError: MLflow is not installed.
    """

    def __init__(self, tracking_uri: str | None) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtraError("the ledger", "mlflow") from error
        self.uri: str = tracking_uri or mlflow.get_tracking_uri()
        self.newer_days = 0
        """Ledger days met in the last reading that a newer ecoia wrote, and that are therefore not in it."""
        self._opened: Any = None
        self._experiments: dict[str, str] = {}
        self._roots: dict[str, str | None] = {}
        self._models: dict[str, str | None] = {}

    # ---------------------------------------------------------------- the connection

    @property
    def _client(self) -> Any:
        if self._opened is None:
            import mlflow

            self._opened = mlflow.MlflowClient(tracking_uri=self.uri)
        return self._opened

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Our time-outs around a conversation, and one kind of error out of it."""
        saved = {name: os.environ.get(name) for name in _ENVIRONMENT}
        os.environ.update({name: value for name, value in _ENVIRONMENT.items() if saved[name] is None})
        try:
            yield
        except EcoiaError:
            raise
        except Exception as error:  # MLflow lets its own, requests', SQLAlchemy's and the storage clients' errors out
            self._opened = None
            reason = public_text(" ".join(str(error).split()))[:300]  # MLflow's messages carry credentials
            raise DeliveryError(
                f"MLflow at '{public_uri(self.uri)}' cannot be used ({type(error).__name__}: {reason}): check that it runs "
                "and MLFLOW_TRACKING_URI; what is recorded stays in the journal"
            ) from error
        finally:
            for name, value in saved.items():
                if value is None:
                    os.environ.pop(name, None)

    def is_ready(self) -> bool:
        """Whether writing needs no schema work: always, but for a SQLite file that is missing, half made or outdated.

        Two processes that make one schema at once break it, so this is asked while a measured process lives.
        """
        path = sqlite_file(self.uri)
        return path is None or (path.exists() and _schema_version(path) == _head_version())

    def prepare(self) -> None:
        """Make a missing SQLite database, in one step: a kill leaves none or a whole one, and nobody's is overwritten.

        Raises:
            DeliveryError: it cannot be made.
        """
        path = sqlite_file(self.uri)
        if path is None or path.exists():
            return
        draft = path.with_name(f".{path.name}-{os.getpid()}-draft")
        code = "import sys, mlflow; mlflow.MlflowClient(tracking_uri=sys.argv[1]).search_experiments(max_results=1)"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A process of its own: MLflow places the default experiment's artifacts below the current folder, and they
            # belong beside the database, not where the helper works.
            subprocess.run(  # noqa: S603 - our own interpreter
                [sys.executable, "-c", code, f"sqlite:///{draft}"],
                cwd=path.parent,
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
                check=True,
                capture_output=True,
                timeout=300,
            )
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        except (OSError, subprocess.SubprocessError) as error:
            raise DeliveryError(f"SQLite database '{path}' cannot be made ({error}): check the folder") from error
        finally:
            draft.unlink(missing_ok=True)

    def _experiment(self, name: str, *, create: bool) -> str | None:
        if name in self._experiments:
            return self._experiments[name]
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            if not create:
                return None
            try:
                self._client.create_experiment(name, artifact_location=self._artifact_location(name))
            except Exception:
                if self._client.get_experiment_by_name(name) is None:
                    raise  # not the race of two instances that both come first
            experiment = self._client.get_experiment_by_name(name)
        if experiment.lifecycle_stage != "active":
            raise DeliveryError(
                f"experiment '{name}' was deleted: 'mlflow experiments restore --experiment-id {experiment.experiment_id}' "
                "brings it back"
            )
        self._experiments[name] = experiment.experiment_id
        return self._experiments[name]

    def _artifact_location(self, experiment: str) -> str | None:
        """Beside a local database: MLflow's default is the current folder, and the helper's is nobody's."""
        path = sqlite_file(self.uri)
        return None if path is None else (path.absolute().parent / "mlruns" / experiment.replace("/", "-")).as_uri()

    def _search(self, experiment_id: str, *conditions: str) -> list[Any]:
        found: dict[str, Any] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [experiment_id],
                filter_string=" and ".join(conditions),
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            # Page tokens are offsets: under inserts a run can come twice.
            found.update((run.info.run_id, run) for run in page)
            token = page.token
            if not token:
                return sorted(found.values(), key=lambda run: (run.info.start_time, run.info.run_id))

    # ---------------------------------------------------------------- the ledger

    def upsert_days(
        self,
        instance: str,
        home_id: str,
        days: Mapping[str, Sequence[Row]],
        records: Callable[[], Iterable[Record]],
    ) -> dict[str, InstanceConflictError]:
        """Bring ledger days to what a journal holds. Doing it again, or after a kill at any point, changes nothing.

        Args:
            instance: Whose days.
            home_id: The journal home that delivers; one home owns an instance's day.
            days: All the journal's rows of each day.
            records: Gives the journal's records of this target; asked only when a day's ledger holds more than the journal.

        Returns:
            The refused days: another home owns them. Nothing of them was changed.

        Raises:
            DeliveryError: the store cannot be reached or refuses.
        """
        if not is_slug(instance):
            raise DeliveryError(f"instance '{instance}' cannot name a ledger run: use [a-z0-9._-] (setting 'instance')")
        with self._reaching():
            experiment = self._experiment(semconv.LEDGER_EXPERIMENT, create=True)
            assert experiment is not None  # noqa: S101 - for the type checker
            known: dict[str, list[Any]] = {}
            for run in self._search(
                experiment, *_day_range(min(days), max(days)), f"tags.`{semconv.TAG_INSTANCE}` = '{instance}'"
            ):
                known.setdefault(run.data.tags.get(semconv.TAG_DAY, ""), []).append(run)
            conflicts: dict[str, InstanceConflictError] = {}
            for day, rows in sorted(days.items()):
                runs = known.get(day, [])
                # Where two homes came first at once there are two runs: both stay, and the first of them says who goes on.
                owner = runs[0].data.tags.get(semconv.TAG_HOME) if runs else home_id
                if owner != home_id:
                    conflicts[day] = InstanceConflictError(
                        f"instance '{instance}' on {day} belongs to journal home {owner}, and home {home_id} claims it too: "
                        "nothing was overwritten. Give one of the two another name for what it records from now on (setting "
                        "'instance', ECOIA_INSTANCE); what is recorded stays in its journal, and '--from journal' reads it"
                    )
                else:
                    own = [run for run in runs if run.data.tags.get(semconv.TAG_HOME) == home_id]
                    self._upsert_day(experiment, instance, day, home_id, rows, own, records)
        return conflicts

    def _upsert_day(
        self,
        experiment: str,
        instance: str,
        day: str,
        home_id: str,
        rows: Sequence[Row],
        runs: Sequence[Any],
        records: Callable[[], Iterable[Record]],
    ) -> None:
        tags = {
            semconv.TAG_SCHEMA: str(semconv.SCHEMA_VERSION),
            semconv.TAG_KIND: semconv.RUN_KIND_LEDGER,
            semconv.TAG_INSTANCE: instance,
            semconv.TAG_DAY: day,
            semconv.TAG_HOME: home_id,
        }
        if any(_is_newer(run) for run in runs):
            raise DeliveryError(f"ledger day {day} of '{instance}' was written by a newer ecoia: upgrade ecoia here")
        if not runs:
            start_ms = _day_start_ms(day)
            run = self._client.create_run(experiment, start_time=start_ms, tags=tags, run_name=f"{instance} {day}")
            existing: list[Row] = []
        else:
            run = runs[0]  # the first: every later delivery finds the same one
            if len(runs) == 1 and run.data.tags.get(semconv.TAG_DIGEST) == digest(rows):
                return
            existing = union(self._day_rows(one.info.run_id) for one in runs)
        merged = merge_day(existing, rows, records)
        if len(runs) != 1 or run.data.tags.get(semconv.TAG_DIGEST) != digest(merged):
            run_id = run.info.run_id
            with tempfile.TemporaryDirectory(prefix="ecoia-") as folder:
                path = Path(folder) / semconv.LEDGER_ARTIFACT
                path.write_bytes(encode_day(merged))
                self._client.log_artifact(run_id, str(path))
            services = sorted({row["service"] for row in merged if row["service"]})
            # The digest comes last: as long as it is not this one, the day is written again.
            self._log(run_id, energy_totals(merged), {**tags, semconv.TAG_SERVICES: ",".join(services)[:_TAG_MAX]}, step=0)
            self._client.set_terminated(run_id, status="FINISHED", end_time=_day_start_ms(day) + DAY_NS // 1_000_000)
            self._log(run_id, {}, {semconv.TAG_DIGEST: digest(merged)}, step=0)
        for duplicate in runs[1:]:
            self._log(duplicate.info.run_id, {}, {semconv.TAG_KIND: semconv.RUN_KIND_SUPERSEDED}, step=0)

    def _day_rows(self, run_id: str) -> list[Row]:
        """The rows of a ledger run; none where a kill came before the first upload."""
        if not any(item.path == semconv.LEDGER_ARTIFACT for item in self._client.list_artifacts(run_id)):
            return []
        for attempt in range(4):
            with tempfile.TemporaryDirectory(prefix="ecoia-") as folder:
                path = Path(self._client.download_artifacts(run_id, semconv.LEDGER_ARTIFACT, folder))
                try:
                    return decode_day(path.read_bytes())
                except DeliveryError as error:
                    if attempt == 3:
                        raise DeliveryError(f"ledger run {run_id}: {error}") from error
            time.sleep(0.2 * 2**attempt)  # someone is writing it just now: local stores copy in place
        raise AssertionError

    def read_rows(self, start_ns: int, end_ns: int) -> list[Row]:
        """The ledger's rows whose half-hour starts in ``[start_ns, end_ns)``, of every instance, each record of an instance once.

        Reading makes nothing: where there is no database or no ledger there are no rows.

        Raises:
            DeliveryError: the store cannot be reached, or a day file cannot be read.
        """
        self.newer_days = 0
        path = sqlite_file(self.uri)
        if end_ns <= start_ns or (path is not None and not path.exists()):
            return []
        with self._reaching():
            experiment = self._experiment(semconv.LEDGER_EXPERIMENT, create=False)
            if experiment is None:
                return []
            runs = self._search(experiment, *_day_range(utc_day(start_ns), utc_day(end_ns - 1)))
            self.newer_days = sum(_is_newer(run) for run in runs)
            ids = [run.info.run_id for run in runs if not _is_newer(run)]
            with ThreadPoolExecutor(max_workers=8) as pool:
                days = list(pool.map(self._day_rows, ids))
        return [row for row in union(days) if start_ns <= row["half_hour_utc_ns"] < end_ns]

    # ---------------------------------------------------------------- views

    def root_run(self, run_id: str) -> str | None:
        """The top run above a user's run, itself included; ``None`` where this store has no such run.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._reaching():
            if run_id not in self._roots:
                self._roots[run_id] = self._find_root(run_id)
            return self._roots[run_id]

    def _find_root(self, run_id: str) -> str | None:
        found, current, seen = None, run_id, set()
        while current and current not in seen:
            seen.add(current)
            run = self._get_run(current)
            if run is None:
                break
            found, current = current, run.data.tags.get(_PARENT, "")
        return found

    def _get_run(self, run_id: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in _NOT_THERE:
                return None
            raise

    def own_run(self, service: str, name: str, start_ns: int, identity: Mapping[str, str]) -> str:
        """The view run of ecoia's own with these tags in the service's experiment, made when missing.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._reaching():
            experiment = self._experiment(semconv.VIEW_EXPERIMENT_PREFIX + service, create=True)
            assert experiment is not None  # noqa: S101 - for the type checker
            tags = {semconv.TAG_KIND: semconv.RUN_KIND_VIEW, **identity}
            conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items() if _is_safe(value)]
            for run in self._search(experiment, *conditions):
                if all(run.data.tags.get(key) == value for key, value in tags.items()):
                    return str(run.info.run_id)
            run = self._client.create_run(experiment, start_time=start_ns // 1_000_000, tags=tags, run_name=name)
            return str(run.info.run_id)

    def write_view(self, run_id: str, view: View) -> bool:
        """Bring a run's metrics, tags and artifacts to a view. Only what differs is written.

        Returns:
            False: the run was deleted, so there is nothing to show it on. The ledger holds it all the same.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._reaching():
            run = self._get_run(run_id)
            if run is None or run.info.lifecycle_stage != "active":
                return False
            tags = {key: value for key, value in view.tags.items() if run.data.tags.get(key) != value}
            metrics = {key: value for key, value in view.metrics.items() if run.data.metrics.get(key) != value}
            if metrics:
                # The latest metric is the one of the highest step: a correction downwards needs a later one.
                step = max(view.step, int(run.data.tags.get(semconv.TAG_STEP, "-1")) + 1)
                self._log(run_id, metrics, {**tags, semconv.TAG_STEP: str(step)}, step)
            elif tags:
                self._log(run_id, {}, tags, 0)
            self._write_hours(run_id, view.hourly)
            for path, text in view.artifacts.items():
                self._client.log_text(run_id, text, path)
            if view.table is not None:
                self._write_table(run_id, run, view.table)
            self._link_models(run, view.models)
            if view.status is not None and run.info.status != view.status:
                if view.status == "RUNNING":  # a service that was stopped and runs again
                    self._client.update_run(run_id, status=view.status)
                else:
                    self._client.set_terminated(run_id, status=view.status)
            return True

    def _link_models(self, run: Any, models: Sequence[str]) -> None:
        """Show on a run which models served, and on these models the run: MLflow's own link, as far as this store has them.

        An ornament: a store that refuses it costs no figure. MLflow 2 knows no logged models.
        """
        from mlflow.exceptions import MlflowException

        if not hasattr(self._client, "get_logged_model"):
            return
        from mlflow.entities import LoggedModelInput

        with contextlib.suppress(MlflowException):
            known = {model.model_id for model in run.inputs.model_inputs}
            new = {model_id for uri in models if (model_id := self._model_id(uri)) is not None} - known
            if new:
                self._client.log_inputs(run.info.run_id, models=[LoggedModelInput(model_id) for model_id in sorted(new)])

    def _model_id(self, uri: str) -> str | None:
        """Id of the logged model of ``models:/<id>`` or ``models:/<name>/<version>``; ``None`` where this store has none."""
        from mlflow.exceptions import MlflowException

        if uri not in self._models:
            name, _, version = uri.removeprefix("models:/").rpartition("/")
            found = None
            try:
                if uri.startswith("models:/"):
                    # A registered version says where it comes from: a logged model is models:/<id> there too.
                    model_id = _id_in(self._client.get_model_version(name, version).source) if name else version
                    found = self._client.get_logged_model(model_id).model_id if model_id else None
            except MlflowException as error:
                if error.error_code not in _NOT_THERE:
                    raise
            self._models[uri] = found
        return self._models[uri]

    def mark_share(self, run_id: str, root: str) -> None:
        """Say on a child run that what it used is a share of its root run's figures, so that nobody adds the two.

        Raises:
            DeliveryError: the store cannot be reached.
        """
        with self._reaching():
            run = self._get_run(run_id)
            if run is not None and run.info.lifecycle_stage == "active" and run.data.tags.get(semconv.TAG_SHARE_OF) != root:
                self._log(run_id, {}, {semconv.TAG_SHARE_OF: root}, 0)

    def _write_hours(self, run_id: str, hourly: Mapping[str, Mapping[int, float]]) -> None:
        points = []
        for key, hours in hourly.items():
            latest: dict[int, tuple[int, float]] = {}
            for point in self._client.get_metric_history(run_id, key):
                latest[point.step] = max(latest.get(point.step, (-1, 0.0)), (point.timestamp, point.value))
            points += [(key, value, hour) for hour, value in hours.items() if hour not in latest or latest[hour][1] != value]
        self._batch(run_id, points, {})

    def _write_table(self, run_id: str, run: Any, table: str) -> None:
        """A table as MLflow's own ``log_table`` keeps it; that one appends, so twice the call is twice the rows."""
        self._client.log_text(run_id, table, BREAKDOWN_ARTIFACT)
        known = json.loads(run.data.tags.get(_LOGGED_ARTIFACTS, "[]"))
        entry = {"path": BREAKDOWN_ARTIFACT, "type": "table"}
        if entry not in known:
            self._client.set_tag(run_id, _LOGGED_ARTIFACTS, json.dumps([*known, entry]))

    def _log(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str], step: int) -> None:
        self._batch(run_id, [(key, value, step) for key, value in metrics.items()], tags)

    def _batch(self, run_id: str, points: Sequence[tuple[str, float, int]], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, RunTag

        for key, value, _ in points:
            if not math.isfinite(value) or _METRIC_KEY.fullmatch(key) is None:
                raise DeliveryError(f"metric '{key}' = {value!r} would be kept wrongly by MLflow: refused")
        if points or tags:
            now_ms = time.time_ns() // 1_000_000
            self._client.log_batch(
                run_id,
                metrics=[Metric(key, float(value), now_ms, step) for key, value, step in points],
                tags=[RunTag(key, value.replace("\0", "")[:_TAG_MAX]) for key, value in tags.items()],
                synchronous=True,
            )


def _schema_version(path: Path) -> str | None:
    """The schema that a SQLite database holds; ``None``: none yet, or it is being made just now."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return None
    return str(found[0][0]) if len(found) == 1 else None


@functools.cache
def _head_version() -> str | None:
    """The schema that the installed MLflow wants; ``None`` where it does not say, which reads as "not ready"."""
    import mlflow

    try:
        from alembic.script import ScriptDirectory

        return ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations")).get_current_head()
    except Exception:  # noqa: BLE001 - alembic's errors share no base, and MLflow may move its scripts
        return None


def _id_in(source: str | None) -> str | None:
    scheme, _, model_id = (source or "").rpartition("/")
    return model_id if scheme == "models:" else None


def _is_safe(value: str) -> bool:
    return re.fullmatch(r"[\w.\- ]*", value) is not None


def _is_newer(run: Any) -> bool:
    schema = run.data.tags.get(semconv.TAG_SCHEMA, "")
    return not schema.isdecimal() or int(schema) > semconv.SCHEMA_VERSION


def _day_start_ms(day: str) -> int:
    from datetime import UTC, datetime

    return utc_ns(datetime.fromisoformat(day).replace(tzinfo=UTC)) // 1_000_000


def _day_range(first_day: str, last_day: str) -> list[str]:
    # A ledger run starts when its day does; MLflow compares tags for equality only.
    return [
        f"tags.`{semconv.TAG_KIND}` = '{semconv.RUN_KIND_LEDGER}'",
        f"attributes.start_time >= {_day_start_ms(first_day)}",
        f"attributes.start_time <= {_day_start_ms(last_day)}",
    ]


def energy_totals(rows: Sequence[Row]) -> dict[str, float]:
    """Energy, time and units of some rows, by the names of ``semconv``. A component that is missing everywhere is left out."""
    energy: dict[str, int] = {}
    for row in rows:
        for component in semconv.COMPONENTS:
            if row["energy_microjoules"][component] is not None:
                energy[component] = energy.get(component, 0) + row["energy_microjoules"][component]
    totals = {
        semconv.ENERGY_OF[component].name: kwh(energy[component]) for component in semconv.COMPONENTS if component in energy
    }
    if energy:
        totals[semconv.ENERGY.name] = kwh(sum(energy.values()))
    totals[semconv.DURATION.name] = covered_seconds((row["start_utc_ns"], row["end_utc_ns"]) for row in rows)
    units = [row["units_micro"] for row in rows if row["units_micro"] is not None]
    if units:
        totals[semconv.UNITS.name] = float(from_micro(sum(units)))
    return totals

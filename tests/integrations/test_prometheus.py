"""Prometheus itself scrapes real servers: its sums are the journal's, and every panel of the dashboard shows something."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as HostCounter
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import ecoia
from ecoia.errors import SettingError
from ecoia.keeping.journal import Journal
from ecoia.keeping.live_totals import LOOK_BYTES, LiveTotals
from ecoia.semconv import LIVE_COUNTERS
from ecoia_integrations.prometheus import JournalCollector, MetricsApp, register
from support.live_sums import sums_of
from support.programs import recorded, wait_until
from support.records import training, write

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed: make system")

# --- real servers ------------------------------------------------------------------------------------------------------

WSGI = """
import ecoia
from ecoia_integrations.prometheus import wsgi_app

metrics = wsgi_app()

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/metrics":
        return metrics(environ, start_response)
    with ecoia.track(service=path[1:], phase="inference", endpoint="/{service}", model_version="3") as span:
        span.units(2, accepted=1)
        if environ["QUERY_STRING"]:
            span.units(-1)  # is lost, and counted
        body = str(sum(range(30_000))).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

ASGI = """
import ecoia
from ecoia_integrations.asgi import ImpactMiddleware
from ecoia_integrations.prometheus import asgi_app
from fastapi import FastAPI

application = FastAPI()
application.add_middleware(ImpactMiddleware, service="scorer")
application.add_route("/metrics", asgi_app())

@application.get("/{service}")
def score(service: str):
    ecoia.current().units(1)
    return sum(range(1000))
"""

SERVE = "import sys; from ecoia_integrations.prometheus import serve; serve(int(sys.argv[1]), '127.0.0.1')"


def get(port: int, path: str, **headers: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - idem
        return str(answer.read().decode())


@contextmanager
def server(folder: Path, source: str, *command: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Start a server on an open socket, and stop it as a service manager does. Yields (port, process)."""
    (folder / "app.py").write_text(source, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener, (folder / "server.log").open("wb") as log:
        file = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=file) for part in command)],
            cwd=folder, pass_fds=[file], stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield listener.getsockname()[1], process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM)
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in (folder / "server.log").read_text()


GUNICORN = ("gunicorn", "app:application", "--bind", "fd://{fd}", "--workers", "3", "--no-control-socket")
UVICORN = ("uvicorn", "app:application", "--fd", "{fd}", "--workers", "2", "--log-level", "warning")


class Prometheus:
    """A Prometheus server that scrapes one port several times a second."""

    def __init__(self, folder: Path, port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        (folder / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "300ms", "scrape_timeout": "300ms"},
                    "scrape_configs": [{"job_name": "ecoia", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
                }
            )
        )
        self._log = (folder / "prometheus.log").open("wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        wait_until(self._ready, 60)

    def _ready(self) -> bool:
        try:
            return "Ready" in get(self.port, "/-/ready")
        except OSError:
            return False

    def query(self, expression: str, at_seconds: float | None = None) -> dict[tuple[tuple[str, str], ...], float]:
        """Run an instant query, for now or for a time since 1970: (sorted labels) -> value."""
        asked = {"query": expression} if at_seconds is None else {"query": expression, "time": f"{at_seconds:.3f}"}
        answer = json.loads(get(self.port, "/api/v1/query?" + urllib.parse.urlencode(asked)))
        assert answer["status"] == "success"
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in answer["data"]["result"]}

    def number(self, expression: str) -> float:
        """Return the one value of a query; NaN where there is none."""
        found = self.query(expression)
        return next(iter(found.values())) if len(found) == 1 else math.nan

    def close(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0
        self._log.close()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[int], Prometheus]]:
    """Start Prometheus, and stop it after the test."""
    started: list[Prometheus] = []

    def start(port: int) -> Prometheus:
        started.append(Prometheus(tmp_path, port))
        return started[-1]

    yield start
    for one in started:
        one.close()


@contextmanager
def standing_alone(port: int) -> Iterator[None]:
    """Serve the same metrics from a program beside, on the port that a server had before."""
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", SERVE, str(port)])
    try:
        wait_until(lambda: _answers(port), 60)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return "ecoia_journal_up 1" in get(port, "/metrics")
    except OSError:
        return False


def ask(port: int, paths: list[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda path: get(port, path), paths)) <= {"449985000", "499500"}


def scraped(prometheus: Prometheus, counter: Any) -> Counter[tuple[str, ...]]:
    """Return Prometheus's values of a counter by its labels, in the integers in which they are stored."""
    found = prometheus.query(f"{counter.name}_total")
    return Counter(
        {tuple(dict(labels).get(label, "") for label in counter.labels): round(n * counter.parts) for labels, n in found.items()}
    )


# --- the dashboard -----------------------------------------------------------------------------------------------------

GRAFANA = Path(__file__).resolve().parents[2] / "dashboards" / "grafana"
TEXTS = ("title", "description", "legendFormat", "label", "uid", "renameByName")


def dashboard(language: str) -> Any:
    return json.loads((GRAFANA / "dashboards" / f"ecoia-{language}.json").read_text(encoding="utf-8"))


def as_sent(expression: str) -> str:
    """Return a query as Grafana would send it, for all instances and services."""
    for name, text in (("$__rate_interval", "20s"), ("$__range", "60s"), ("$instance", ".*"), ("$service", ".*")):
        expression = expression.replace(name, text)
    assert "$" not in expression
    return expression


def expressions() -> list[str]:
    """Return all queries of the dashboard."""
    return [as_sent(target["expr"]) for panel in dashboard("fr")["panels"] for target in panel["targets"]]


@pytest.mark.long
@pytest.mark.checkout
@needs_prometheus
def test_prometheus_has_the_journals_sums_over_workers_restarts_and_a_change_of_exporter(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prometheus: Callable[[int], Prometheus]
) -> None:
    """Three gunicorn workers that answer scrapes in turn, replaced while they work, then a program beside: one set of counters.

    On the way, every query of the dashboard gives data.
    """
    monkeypatch.setenv("ECOIA_FLUSH_SECONDS", "0.3")
    monkeypatch.setenv("ECOIA_SCOPE", "host")  # one worker claims the host, and with it the idle energy
    requests: Counter[str] = Counter()

    def work(port: int, *paths: str) -> None:
        requests.update(path.partition("?")[0][1:] for path in paths)
        ask(port, list(paths))

    with server(tmp_path, WSGI, *GUNICORN) as (port, gunicorn):
        assert "ecoia_journal_up 0" in get(port, "/metrics")  # nothing is recorded yet
        work(port, "/scorer?bad")
        wait_until(lambda: any(record.units_micro for record in recorded(home)))
        (home / "journal" / "2026-01-01").mkdir()
        (home / "journal" / "2026-01-01" / "7-aaaaaa.jsonl").write_bytes(b"rubbish\n")
        db = prometheus(port)
        silent = expressions()

        def every_panel_shows_something() -> bool:
            work(port, *["/scorer"] * 5, *["/matcher"] * 5)
            silent[:] = [expression for expression in silent if not db.query(expression)]
            return not silent

        wait_until(every_panel_shows_something, 60)
        gunicorn.send_signal(signal.SIGHUP)  # all workers are replaced
        for _ in range(5):
            work(port, *["/scorer"] * 20)
        _check_panels(db)
    # The server has ended, and its workers have written all their records. The next process answers on its port.
    with standing_alone(port):
        expected = sums_of(home)
        assert {labels[0]: n for (name, labels), n in expected.items() if name == "ecoia_spans"} == requests
        wait_until(lambda: db.number("sum(ecoia_spans_total)") == requests.total(), 30)
        for counter in LIVE_COUNTERS:
            if counter.name != "ecoia_journal_lines_left_out":
                want = Counter({labels: n for (name, labels), n in expected.items() if name == counter.name})
                wait_until(lambda counter=counter, want=want: scraped(db, counter) == want, 30)
        assert db.number('ecoia_journal_lines_left_out_total{reason="corrupt"}') == 1
        for name in ("energy_joules", "spans", "units", "cpu_seconds", "records", "lost"):
            assert set(db.query(f"resets(ecoia_{name}_total[10m])").values()) == {0.0}, f"{name} went back"
        joules = sum(n for (name, _), n in expected.items() if name == "ecoia_energy_joules") / 1e6
        assert db.number("sum(ecoia_energy_joules_total)") == pytest.approx(joules, rel=1e-12)


def _check_panels(db: Prometheus) -> None:
    """Check the relations between the panels' values that hold on any machine."""
    first = {panel["title"]: panel["targets"][0]["expr"] for panel in dashboard("en")["panels"]}
    now_seconds = time.time()  # one for all panels, as on a page: the rates would differ between two moments

    def shown(title: str) -> dict[tuple[tuple[str, str], ...], float]:
        return db.query(as_sent(first[title]), now_seconds)

    def all_shown(title: str) -> list[float]:
        return list(shown(title).values())

    assert sum(all_shown("Measured, estimated, declared")) == pytest.approx(1)
    assert all(0 <= share <= 1 for title in ("Share measured", "Idle share") for share in all_shown(title))
    assert sum(all_shown("Idle share")) > 0
    assert sum(all_shown("Power by kind")) == pytest.approx(sum(all_shown("Power")))
    assert set(shown("Requests a second")) == {(("service", "matcher"),), (("service", "scorer"),)}
    for key, joules in shown("Energy a request").items():
        assert joules > 0
        assert shown("Energy a unit")[key] == pytest.approx(joules / 2, rel=0.3)  # two units a request
    assert all_shown("Journals read") == [1]
    assert all_shown("Journals counted twice") == [0]
    assert sum(all_shown("Losses")) >= 1
    assert any(dict(key)["status"] == "missing" for key in shown("Methods, and what is missing"))


@pytest.mark.long
def test_workers_of_uvicorn_give_one_set_of_counters(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOIA_FLUSH_SECONDS", "0.2")
    seen: list[float] = []
    with server(tmp_path, ASGI, *UVICORN) as (port, _):

        def spans() -> float:
            page = get(port, "/metrics", Accept="application/openmetrics-text; version=1.0.0", Connection="close")
            families = {family.name: family for family in text_string_to_metric_families(page)}
            return sum(sample.value for sample in families["ecoia_spans"].samples) if "ecoia_spans" in families else 0

        for _ in range(10):
            ask(port, ["/scorer"] * 10)
            seen.append(spans())

        def all_there() -> bool:
            seen.append(spans())
            return seen[-1] == 100

        wait_until(all_there)
    assert seen == sorted(seen), "one worker knew less than another before it"
    assert {record.service for record in recorded(home) if record.kind == "span"} == {"scorer"}
    assert len({record.pid for record in recorded(home) if record.spans}) == 2
    endpoints = {labels[2] for (name, labels), _ in LiveTotals(home).look().values.items() if name == "ecoia_spans"}
    assert endpoints == {"/{service}"}, "a scrape is no request of the service"


# --- the collector -----------------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed: make system")
def test_promtool_has_nothing_to_say_of_the_exposition(home: Path, registry: CollectorRegistry) -> None:
    write(Journal(home), [
        training(endpoint='/cv/"{id}"\\n', units_micro=5, accepted_micro=4, lost={"x": 1}, model_version="é"),
        training(simulated=True),
    ])  # fmt: skip
    register(registry)
    page = generate_latest(registry)
    assert all(f"\n{counter.name}_total{{".encode() in page for counter in LIVE_COUNTERS)
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_values_and_labels_are_those_of_the_journal(home: Path, registry: CollectorRegistry) -> None:
    record = training(endpoint='/cv/"{id}"\\n', model_version="é", cpu=1_500_000, units_micro=2_500_000)
    write(Journal(home), [record])
    register(registry)
    labels = {"service": "vadore", "phase": "training", "endpoint": '/cv/"{id}"\\n', "model_version": "é"}

    def value(name: str, **more: str) -> float | None:
        return registry.get_sample_value(name, labels | more)

    assert value("ecoia_energy_joules_total", kind="span", component="cpu", status="estimated") == 1.5
    assert value("ecoia_energy_joules_total", kind="span", component="ram", status="estimated") == 7e-6
    assert value("ecoia_energy_joules_total", kind="span", component="gpu", status="missing") is None
    assert value("ecoia_cpu_seconds_total", kind="span") == 10
    assert value("ecoia_units_total") == 2.5
    assert value("ecoia_accepted_units_total") is None
    assert registry.get_sample_value("ecoia_home_info", {"home_id": Journal(home).home_id, "version": ecoia.__version__}) == 1


@pytest.mark.parametrize("fault", ["no journal", "a file", "a folder in place of a file", "no right to read"])
def test_a_home_that_cannot_be_read_costs_neither_the_answer_nor_the_hosts_own_metrics(
    fault: str, home: Path, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "a file":
        home.write_text("")
    elif fault != "no journal":
        write(Journal(home), [training()])
    if fault == "a folder in place of a file":
        (home / "home.json").unlink()
        (home / "home.json").mkdir()
    if fault == "no right to read":  # root may read anything

        def refuse(path: Any) -> Any:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("ecoia.keeping.live_totals.os.scandir", refuse)
    host = HostCounter("host_requests", "The host's own.", registry=registry)
    host.inc()
    register(registry)
    for _ in range(3):
        page = generate_latest(registry).decode()
        assert "host_requests_total 1.0" in page
        assert "ecoia_journal_up 0.0" in page
        assert "ecoia_energy" not in page, "unknown is not zero"
    assert len(caplog.records) == 1, "said once, not at each scrape"
    assert str(home) in caplog.text
    if fault == "no journal":  # and it is there as soon as something is recorded
        write(Journal(home), [training()])
        assert registry.get_sample_value("ecoia_journal_up") == 1


def test_a_home_that_is_no_path_is_an_error_where_it_is_written(registry: CollectorRegistry) -> None:
    with pytest.raises(SettingError, match=r"setting 'home' = '' \(from argument\): write a path"):
        register(registry, home="")


def test_registering_reads_nothing(home: Path, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveTotals, "look", lambda *_: pytest.fail("read"))
    collector = register(registry)
    assert isinstance(collector, JournalCollector)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        register(registry)
    registry.unregister(collector)
    register(registry)


def test_a_scrape_makes_no_span_and_takes_no_time_of_the_loop(home: Path) -> None:
    """A thread reads the journal, so that everything else on the loop continues."""

    class Slow:
        def collect(self) -> Iterator[Any]:
            assert threading.current_thread() is not threading.main_thread()
            released.wait(20)
            yield from ()

    registry = CollectorRegistry()
    released = threading.Event()
    registry.register(Slow())  # type: ignore[arg-type]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def scenario() -> None:
        scrape = asyncio.create_task(MetricsApp(registry)({"type": "http", "headers": []}, None, send))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        released.set()  # only a free loop runs this
        await scrape

    asyncio.run(scenario())
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


# --- ecoia metrics -----------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter, found by the entry point of the package."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    exporters = "\n".join(f"{name} = {place}" for name, place in project["entry-points"]["ecoia.exporters"].items())
    package = tmp_path / "package" / "exporter-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: exporter\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[ecoia.exporters]\n{exporters}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), *sys.path]))


def metrics_command(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "ecoia", "metrics", *words], stderr=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_answers_for_a_whole_journal_until_it_is_told_to_stop(home: Path, end: signal.Signals) -> None:
    for day in range(3):
        write(Journal(home), [training(at=86_400 * day + i, context={"filler": "x" * 1500}) for i in range(1000)])
    assert LOOK_BYTES < Journal(home).size_bytes() < 2 * LOOK_BYTES, "more than one look reads"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with metrics_command("--port", str(port), "--home", str(home)) as process:
        wait_until(lambda: _answers(port), 60)
        assert 'ecoia_spans_total{endpoint="",model_version="",phase="training",service="vadore"} 3000.0' in get(port, "/metrics")
        process.send_signal(end)
        _, errors = process.communicate(timeout=600)
    assert process.returncode == (0 if end == signal.SIGINT else -signal.SIGTERM)
    assert errors == f"ecoia: metrics of '{home}' on http://127.0.0.1:{port}/metrics\n"


@pytest.mark.usefixtures("installed")
def test_a_port_that_is_taken_is_named_with_the_remedy(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with metrics_command("--port", port) as process:
            _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert (
        errors == f"ecoia: 127.0.0.1:{port} cannot be listened on (Address already in use): choose another --port or --address\n"
    )


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_a_wrong_use(port: str) -> None:
    with metrics_command("--port", port) as process:
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "--port" in errors


# --- what Grafana is given ---------------------------------------------------------------------------------------------


@pytest.mark.checkout
@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_dashboard_is_sound(language: str) -> None:
    board = dashboard(language)
    assert board["uid"] == f"ecoia-{language}"
    assert board["schemaVersion"] >= 36
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert set(variables) == {"datasource", "instance", "service"}
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/ecoia.yaml").read_text(encoding="utf-8"))["datasources"]
    assert variables["datasource"]["current"]["value"] == source["uid"]
    assert source["type"] == variables["datasource"]["query"] == "prometheus"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for part in [*panels, *(target for panel in panels for target in panel["targets"]), *list(variables.values())[1:]]:
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    cells: Counter[tuple[int, int]] = Counter()
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells.update(
            (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
        )
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert set(cells.values()) == {1}, "panels lie on one another"


@pytest.mark.checkout
def test_every_name_and_label_of_the_dashboard_is_one_of_ours() -> None:
    labels = {counter.name: {*counter.labels, "instance"} for counter in LIVE_COUNTERS}
    for expression in expressions():
        for name, selector in re.findall(r"(ecoia_\w+)(?:\{(.*?)\})?", expression):
            if name in ("ecoia_journal_up", "ecoia_home_info", "ecoia_journal_unread_bytes"):
                continue
            assert name.endswith("_total")
            used = set(re.findall(r"(\w+)(?:=~|!=|=)", selector))
            assert used <= labels[name.removesuffix("_total")], expression


@pytest.mark.checkout
def test_the_english_dashboard_is_the_french_one_in_english() -> None:
    def without_texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_texts(part) for key, part in value.items() if key not in TEXTS}
        return [without_texts(part) for part in value] if isinstance(value, list) else value

    french, english = dashboard("fr"), dashboard("en")
    assert without_texts(french) == without_texts(english)
    assert all(one["title"] != other["title"] for one, other in zip(french["panels"], english["panels"], strict=True))


@pytest.mark.checkout
def test_dashboards_are_provisioned_from_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/ecoia.yaml").read_text(encoding="utf-8"))["providers"]
    monkeypatch.setenv("ECOIA_DASHBOARDS", str(GRAFANA / "dashboards"))
    folder = Path(os.path.expandvars(provider["options"]["path"]))
    assert {json.loads(path.read_text(encoding="utf-8"))["uid"] for path in folder.glob("*.json")} == {"ecoia-fr", "ecoia-en"}

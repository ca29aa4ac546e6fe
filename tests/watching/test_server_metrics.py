"""Read the metrics pages of servers of language models: what each publishes, counters that go down, and pages that are bad.

The pages hold the names that the servers' public sources and documents give; none was recorded on a live server.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from ecoia.instrument.start import StartReadings
from ecoia.losses import METRICS_PAGE_UNREAD
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Look, RecordKey
from ecoia.meters.hardware import BusyTime
from ecoia.semconv import KIND_IDLE, KIND_SPAN
from ecoia.testing import MemorySubject, StepMeter
from ecoia.watching.outside import OutsideSubject
from ecoia.watching.server_metrics import Activity, PageError, Reading, ServerMetrics, fetch, read_page
from support.bad_servers import bad_servers
from support.command_line import ecoia
from support.programs import recorded, wait_until
from support.records import total
from support.settings import make_settings

CHAT = RecordKey("chat", "inference")

PAGES = {
    "vllm": """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="llama"} 3.0
vllm:num_requests_running{engine="1",model_name="llama"} 2.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="llama"} 9.0
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="llama"} 81234.0
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="llama"} 1000.0
vllm:generation_tokens_total{engine="1",model_name="llama"} 500.0
# TYPE vllm:generation_tokens_created gauge
vllm:generation_tokens_created{engine="0",model_name="llama"} 1.79e+09
# TYPE vllm:request_generation_tokens histogram
vllm:request_generation_tokens_sum{engine="0",model_name="llama"} 77.0
""",
    "sglang": """\
# HELP sglang:num_running_reqs The number of running requests.
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="llama"} 5.0
# TYPE sglang:num_running_reqs_offline_batch gauge
sglang:num_running_reqs_offline_batch{model_name="llama"} 7.0
# HELP sglang:generation_tokens_total Number of generation tokens processed.
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{model_name="llama"} 1500.0
""",
    "tgi": """\
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 5
# TYPE tgi_request_generated_tokens histogram
tgi_request_generated_tokens_bucket{le="1"} 0
tgi_request_generated_tokens_bucket{le="+Inf"} 12
tgi_request_generated_tokens_sum 1500
tgi_request_generated_tokens_count 12
""",
    "llamacpp": """\
# HELP llamacpp:tokens_predicted_total Number of generation tokens processed.
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 1500
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 5
""",
}


class Page:
    """A server whose page can be changed."""

    def __init__(self) -> None:
        self.text, self.status = "", 200
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.text.encode()
                self.send_response(page.status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/metrics"

    def says(self, running: float, out: float) -> None:
        self.text = f"llamacpp:requests_processing {running}\nllamacpp:tokens_predicted_total {out}\n"


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    thread = threading.Thread(target=page.server.serve_forever, args=(0.02,))
    thread.start()
    yield page
    page.server.shutdown()
    thread.join()
    page.server.server_close()


@pytest.mark.parametrize("engine", PAGES)
@pytest.mark.parametrize("told", [True, False], ids=["named", "found out"])
def test_each_server_s_page_gives_its_tokens_and_its_requests_in_flight(page: Page, engine: str, told: bool) -> None:
    page.text = PAGES[engine]
    assert read_page(fetch(page.url), engine if told else None) == Reading(running=5, out=1500)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!doctype html><html><body>vllm:num_requests_running 1</body></html>", "HTML"),
        ("", "of no server"),
        ("python_gc_objects_collected_total 3\n", "of no server"),
        (PAGES["vllm"].replace("vllm:generation_tokens_total", "vllm:tokens_written_total"), "no vllm:generation_tokens_total"),
        ("tgi_queue_size 0\n", "no tgi_batch_current_size and no tgi_request_generated_tokens_sum"),
        ("llamacpp:requests_processing NaN\nllamacpp:tokens_predicted_total 3\n", "no llamacpp:requests_processing"),
        ("llamacpp:requests_processing -1\nllamacpp:tokens_predicted_total +Inf\n", "no llamacpp:requests_processing and no"),
        ('vllm:num_requests_running{a="\nvllm:generation_tokens_total many\n', "Prometheus"),
    ],
)
def test_a_page_that_cannot_be_used_says_why(text: str, reason: str) -> None:
    with pytest.raises(PageError, match=reason):
        read_page(text)


@pytest.mark.parametrize("kind", ["drip", "silent", "endless", "headers", "redirect", "rude", "wait_a_day"])
def test_no_server_holds_or_fills_the_reader(kind: str) -> None:
    with bad_servers(kind) as urls:
        began = time.monotonic()
        with pytest.raises(PageError):
            fetch(f"{urls[kind]}/metrics", seconds=0.3, most_bytes=1 << 20)
        assert time.monotonic() - began < 10, "0.3 s, and what a busy machine adds"


def test_a_page_at_the_limit_is_read_and_one_beyond_it_is_not(page: Page) -> None:
    page.text = "#" * 5000
    assert len(fetch(page.url, most_bytes=6000)) == 5000
    with pytest.raises(PageError, match="larger than 4000 bytes"):
        fetch(page.url, most_bytes=4000)


def test_nobody_there_is_a_reason_too() -> None:
    with pytest.raises(PageError, match="cannot be reached"):
        fetch("http://127.0.0.1:9/metrics")


# --- what it did since -----------------------------------------------------------------------------------------------------


def test_tokens_are_counted_from_the_first_page_on_and_a_counter_that_goes_down_began_again(page: Page) -> None:
    metrics = ServerMetrics(page.url, None, print)
    assert metrics.activity() is None
    for running, out in ((2, 1000), (4, 1300), (0, 40), (3, 60.5)):
        page.says(running, out)
        metrics.read()
    assert metrics.activity() == Activity(tokens_out=360, in_flight=2.25)
    page.says(0, 61)
    metrics.read()
    assert metrics.activity() == Activity(tokens_out=1, in_flight=0), "halves add up"
    assert metrics.activity() is None


def test_what_cannot_be_read_is_said_once_and_counted_and_loses_no_token(page: Page) -> None:
    said: list[str] = []
    metrics = ServerMetrics(page.url, None, said.append)
    page.says(1, 100)
    metrics.read()
    page.text = "<html>"
    for _ in range(3):
        metrics.read()
    page.says(1, 150)
    metrics.read()
    assert len(said) == 1
    assert "HTML" in said[0]
    assert metrics.lost() == {METRICS_PAGE_UNREAD: 3}
    assert not metrics.lost()
    assert metrics.activity() == Activity(50, 1)


def test_the_page_is_read_beside_the_measuring(page: Page) -> None:
    page.says(1, 100)
    metrics = ServerMetrics(page.url, "llamacpp", print)
    metrics.start()
    wait_until(lambda: metrics.activity() is not None)
    metrics.stop()
    assert not metrics._thread.is_alive()


# --- what is recorded ------------------------------------------------------------------------------------------------------


class Processes:
    """The processes of a server, which used no CPU time."""

    has_measuring_member, refused = False, 0

    def advance(self) -> int:
        return 0


def test_output_tokens_are_units_and_waiting_is_idle_energy_of_the_service(page: Page, tmp_path: object) -> None:
    metrics = ServerMetrics(page.url, None, print)
    subject = OutsideSubject(Processes(), CHAT, StartReadings(), page=metrics)  # type: ignore[arg-type]
    settings = make_settings(home=str(tmp_path), delivery="manual")
    meter = StepMeter("gpu", [7, 100, 1000, 50], devices=["GPU-1"])
    recorder = Recorder(
        settings, subject, [meter], pid=1, start=(time.time_ns(), time.perf_counter_ns(), BusyTime(0, 0)), complain=print
    )
    recorder.read()  # before any page was read: as without one
    for running, out in ((0, 500), (8, 900), (0, 900)):
        page.says(running, out)
        metrics.read()
        recorder.read()
    recorder.close_window()
    recorder.let_go()
    records = recorded(tmp_path)  # type: ignore[arg-type]
    spans, idle = ([record for record in records if record.kind == kind] for kind in (KIND_SPAN, KIND_IDLE))
    assert total(spans, "gpu") == 1007
    assert sum(record.units_micro or 0 for record in spans) == 400_000_000
    assert [(record.service, record.energy_microjoules["gpu"]) for record in idle] == [("chat", 150)]


def test_without_a_page_what_waits_is_nobody_s_as_before() -> None:
    assert Look(0, 0, 0, 0.0, {}).waits is None
    assert MemorySubject().look(0).waits is None


# --- the command -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--metrics-url", "http://10.1.2.3:8000/metrics"), "'10.1.2.3' is not this machine"),
        (("--metrics-url", "http://localhost.example.org/metrics"), "is not this machine"),
        (("--metrics-url", "127.0.0.1:8000/metrics"), "write the page's address"),
        (("--metrics-url", "https://127.0.0.1:8000/metrics"), "write the page's address"),
        (("--metrics-url", "http://127.0.0.1:99999/metrics"), "write the page's address"),
        (("--metrics-url", "http://u:p@127.0.0.1/metrics"), "write the page's address"),
        (("--metrics-url", "http://127.0.0.1/a b"), "write the page's address"),
        (("--metrics-url", "http://127.0.0.1/metrics", "--engine", "ollama"), "--engine 'ollama': choose one of vllm"),
        (("--engine", "vllm"), "--engine vllm given: it says how to read the page of --metrics-url"),
    ],
)
def test_options_that_cannot_be_followed_are_refused_with_the_remedy(options: tuple[str, ...], reason: str) -> None:
    result = ecoia("watch", "--pid", 1, "--service", "chat", *options)
    assert result.exit_code == 2
    assert reason in result.stderr

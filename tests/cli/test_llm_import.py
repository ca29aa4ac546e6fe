"""``ecoia llm import``: calls that MLflow's traces and OpenTelemetry's spans tell of are counted once, and no text is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import SpanType

import ecoia as instrument
from ecoia.keeping import told_calls
from ecoia.keeping.journal import Journal
from ecoia.records import Record, in_force
from support.command_line import ecoia, fill
from support.mlflow_stores import MLFLOW_WARNINGS, migrated, tracking_uri
from support.records import record

__all__ = ["migrated", "tracking_uri"]

# MLflow's tracing loads its models of messages, which warn of themselves.
WARNINGS = (*MLFLOW_WARNINGS, "ignore:.*Any type hint is inferred as AnyType:UserWarning")
pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(warning) for warning in WARNINGS)]

SECRET = "Madame Planted, 12 rue du Secret"  # noqa: S105 - nobody's
MODEL = "gpt-4o-2024-08-06"
USAGE = {"input_tokens": 812, "output_tokens": 96, "total_tokens": 908, "cache_read_input_tokens": 512}
ANSWER = {"choices": [{"message": {"content": SECRET}}], "usage": {"completion_tokens_details": {"reasoning_tokens": 64}}}


@pytest.fixture
def client(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment("assistant")
    return mlflow.MlflowClient(tracking_uri=tracking_uri)


def call(client: mlflow.MlflowClient, usage: dict[str, Any] | None = None, *, model: str = MODEL, name: str = "chat") -> str:
    """Write a trace of one call, as an autologged client does, and return its id."""
    with mlflow.start_span(name="answer", span_type=SpanType.CHAIN) as above:
        above.set_inputs({"question": SECRET})
        with mlflow.start_span(name=name, span_type=SpanType.CHAT_MODEL) as span:
            span.set_inputs({"messages": [{"role": "user", "content": SECRET}]})
            span.set_outputs(ANSWER)
            span.set_attribute("mlflow.chat.tokenUsage", USAGE if usage is None else usage)
            span.set_attribute("mlflow.llm.model", model)
    return str(above.trace_id)


def taken(*words: object) -> str:
    result = ecoia("llm", "import", "--experiment", "assistant", "--service", "assistant", *words)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout + result.stderr)


def told(home: Path) -> list[Record]:
    return [each for each in in_force(Journal(home).scan().records) if each.tokens]


def calls_of(records: Iterable[Record]) -> int:
    return sum(tokens.requests or 0 for each in records for tokens in each.tokens)


def test_each_call_is_counted_once_with_its_model_and_parts(client: mlflow.MlflowClient, home: Path) -> None:
    call(client)
    call(client)
    assert "2 calls taken" in taken()
    tokens = [each for record in told(home) for each in record.tokens]
    assert {(each.provider, each.model) for each in tokens} == {("openai", MODEL)}
    sums = [
        sum(getattr(each, name) or 0 for each in tokens)
        for name in ("requests", "tokens_in", "cached_in", "tokens_out", "reasoning")
    ]
    assert sums == [2, 1624, 1024, 192, 128]
    assert {record.energy_microjoules["cpu"] for record in told(home)} == {None}
    assert "0 calls taken" in taken()
    call(client)
    assert "1 calls taken" in taken()
    assert calls_of(told(home)) == 3


def test_no_text_is_kept_or_shown(client: mlflow.MlflowClient, home: Path) -> None:
    call(client, name=f"chat\x07{'x' * 200}")
    said = taken()
    assert SECRET not in said
    for file in home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert SECRET.encode() not in content, file
            assert json.dumps(SECRET)[1:-1].encode() not in content, file
    (record,) = told(home)
    assert record.endpoint is not None
    assert record.endpoint.startswith("chat?x")
    assert len(record.endpoint) == 120


def test_of_a_span_around_a_call_the_call_alone_counts(client: mlflow.MlflowClient, home: Path) -> None:
    with mlflow.start_span(name="chain") as above:
        above.set_attribute("mlflow.chat.tokenUsage", USAGE)
        above.set_attribute("mlflow.llm.model", MODEL)
        with mlflow.start_span(name="step"), mlflow.start_span(name="chat") as span:
            span.set_attribute("mlflow.chat.tokenUsage", USAGE)
            span.set_attribute("mlflow.llm.model", MODEL)
    taken()
    assert [(each.endpoint, each.spans) for each in told(home)] == [("chat", 1)]


def test_a_trace_that_ends_late_is_taken_when_it_has_ended(client: mlflow.MlflowClient, home: Path) -> None:
    slow = client.start_trace("slow", experiment_id=client.get_experiment_by_name("assistant").experiment_id)
    call(client)
    assert "1 calls taken" in taken()
    inner = client.start_span(
        "chat", trace_id=slow.trace_id, parent_id=slow.span_id,
        attributes={"mlflow.chat.tokenUsage": USAGE, "mlflow.llm.model": MODEL},
    )  # fmt: skip
    client.end_span(slow.trace_id, inner.span_id)
    client.end_trace(slow.trace_id)
    assert "1 calls taken" in taken()
    assert calls_of(told(home)) == 2
    assert "0 calls taken" in taken()


def test_an_import_that_is_killed_before_it_wrote_is_finished_by_the_next(
    client: mlflow.MlflowClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(client)
    with monkeypatch.context() as patched:
        patched.setattr(told_calls.Intake, "_append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert ecoia("llm", "import", "--experiment", "assistant", "--service", "assistant").exit_code != 0
    assert told(home) == []
    assert "1 records that an earlier import had not written are written now" in taken()
    assert calls_of(told(home)) == 1
    # Killed after writing, before it knew: nothing is written again.
    call(client)
    with monkeypatch.context() as patched:
        write, before = told_calls.Intake._write, []

        def die_after_the_first(self: told_calls.Intake) -> None:
            before.append(self)
            if len(before) > 1:
                raise KeyboardInterrupt
            write(self)

        patched.setattr(told_calls.Intake, "_write", die_after_the_first)
        assert ecoia("llm", "import", "--experiment", "assistant", "--service", "assistant").exit_code != 0
    taken()
    assert calls_of(told(home)) == 2


def test_what_the_program_told_itself_is_left_out(client: mlflow.MlflowClient, home: Path) -> None:
    with instrument.track(service="assistant", phase="inference") as span:
        span.tokens("openai", MODEL, tokens_in=812, tokens_out=96)
    instrument.flush()
    call(client)
    call(client, model="gpt-4o-mini-2024-07-18")
    assert "1 left out: span.tokens tells of this model in the same half-hour" in taken()
    assert sorted(each.model for record in told(home) for each in record.tokens) == [
        "gpt-4o-2024-08-06",
        "gpt-4o-mini-2024-07-18",
    ]


@pytest.mark.parametrize(
    ("usage", "model", "said"),
    [
        ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 11}, MODEL, "the parts of its tokens are more than"),
        ({"input_tokens": -1, "output_tokens": 5}, MODEL, "a count of tokens is negative"),
        ({"input_tokens": 10.5, "output_tokens": 5}, MODEL, "its counts cannot be read"),
        ({"output_tokens": 5}, MODEL, "its counts cannot be read"),
        (USAGE, "gpt\x1b[2J", "the name of its model is empty or holds control characters"),
    ],
)
def test_what_cannot_be_true_is_left_out_and_said(
    client: mlflow.MlflowClient, home: Path, usage: dict[str, Any], model: str, said: str
) -> None:
    call(client, usage, model=model)
    found = taken()
    assert f"1 left out: {said}" in found
    assert "\x1b" not in found
    assert told(home) == []


def test_a_model_of_nobody_is_listed_and_kept_and_the_option_says_who_answers(client: mlflow.MlflowClient, home: Path) -> None:
    call(client, model="our-own-model")
    found = taken()
    assert "1  unknown our-own-model" in found
    assert "--provider" in found
    assert [each.provider for record in told(home) for each in record.tokens] == ["unknown"]
    call(client, model="our-own-model")
    assert "1  vllm our-own-model" in taken("--provider", "vllm")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--service", "assistant"), "say where the calls are told"),
        (("--experiment", "none", "--service", "assistant"), "--experiment none: MLflow has none of this name"),
        (("--experiment", "assistant", "--service", "No Id"), "--service 'No Id'"),
        (("--experiment", "assistant", "--service", "a", "--phase", "use"), "--phase 'use': choose one of"),
        (("--otlp", "missing.json", "--service", "a"), "'missing.json' cannot be read"),
    ],
)
@pytest.mark.usefixtures("client")
def test_wrong_use_is_one_line_with_the_remedy(words: tuple[str, ...], said: str) -> None:
    result = ecoia("llm", "import", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def otlp(*spans: dict[str, Any]) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


def span(number: int, **attributes: Any) -> dict[str, Any]:
    kinds = {str: "stringValue", int: "intValue"}
    return {
        "traceId": "t", "spanId": str(number), "name": "chat", "startTimeUnixNano": "1796000000000000000",
        "endTimeUnixNano": "1796000001000000000",
        "attributes": [
            {"key": f"gen_ai.{name}", "value": {kinds[type(value)]: str(value)}} for name, value in attributes.items()
        ],
    }  # fmt: skip


def test_spans_of_opentelemetry_are_read_from_a_file_that_grows(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    usage = {"usage.input_tokens": 10, "usage.output_tokens": 5, "response.model": MODEL, "provider.name": "openai"}
    file.write_text(otlp(span(1, **usage), span(2, **{"operation.name": "execute_tool"})) + "\n", encoding="utf-8")
    words = ("llm", "import", "--otlp", file, "--service", "assistant")
    assert "1 calls taken" in ecoia(*words).stdout
    with file.open("a", encoding="utf-8") as more:
        more.write(otlp(span(3, **usage)) + "\n")
    assert "1 calls taken" in ecoia(*words).stdout
    assert "0 calls taken" in ecoia(*words).stdout
    assert calls_of(told(home)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<html><body>404</body></html>", "this looks like a web page"),
        ('{"spans": []}', "it has no list 'resourceSpans'"),
        ("[" * 200 + "]" * 200, "no OTLP JSON"),
        ('{"resourceSpans": [1e400]}', "no OTLP JSON"),
    ],
)
def test_a_file_of_something_else_is_refused_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "spans.json"
    file.write_text(f"\n{content}\n", encoding="utf-8")
    result = ecoia("llm", "import", "--otlp", file, "--service", "assistant")
    assert result.exit_code == 2
    assert "spans.json:2" in result.stderr
    assert said in result.stderr


def test_two_imports_at_once_are_one(home: Path) -> None:
    fill(home, record("2026-11-20T10:00", service="assistant"))
    with told_calls.intake(home, "a"), pytest.raises(told_calls.UsageError, match="another import"), told_calls.intake(home, "b"):
        raise AssertionError

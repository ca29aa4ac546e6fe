"""Calls to language models in a file of OpenTelemetry spans (OTLP JSON, as the collector's file exporter writes it).

Spans with GenAI attributes are read: ``gen_ai.usage.input_tokens`` and the like. Texts of prompts and answers are not kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ecoia import limits
from ecoia.errors import UsageError
from ecoia.keeping.told_calls import ToldCall, readable_name
from ecoia.records.json_lines import JsonError, read_json

_IN, _OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
_CACHED, _WRITTEN = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"
_REASONING = "gen_ai.usage.reasoning.output_tokens"
_MODELS = ("gen_ai.response.model", "gen_ai.request.model")
_PROVIDERS = ("gen_ai.provider.name", "gen_ai.system")


def read_otlp(path: Path, provider_of: Callable[[str, str], str], left: Counter[str]) -> Iterator[ToldCall]:
    """Give the calls of a file, one line of it at a time.

    Args:
        path: The file: one JSON object, or one a line.
        provider_of: Gives the provider of a call: what the span says (empty where it says nothing), and the model.
        left: Counts spans with tokens that give no call, by reason.

    Raises:
        UsageError: it cannot be read, or is something else; the message names the line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(limits.LINE_BYTES + 1), b""), 1):
                if len(line) > limits.LINE_BYTES:
                    raise UsageError(
                        f"{path.name}:{number}: longer than {limits.LINE_BYTES // limits.MIB} MiB: write one batch a line"
                    )
                if line.strip():
                    yield from _calls(_batch(line, f"{path.name}:{number}"), provider_of, left)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from error


def _batch(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        data = read_json(line)
    except JsonError as error:
        hint = "this looks like a web page" if line.lstrip().startswith(b"<") else "write it with the collector's file exporter"
        raise UsageError(f"{where}: no OTLP JSON ({error}): {hint}") from error
    if not isinstance(data, Mapping) or not isinstance(data.get("resourceSpans"), list):
        raise UsageError(f"{where}: no OTLP JSON: it has no list 'resourceSpans'")
    return data


def _calls(batch: Mapping[str, Any], provider_of: Callable[[str, str], str], left: Counter[str]) -> Iterator[ToldCall]:
    for resource in _list(batch, "resourceSpans"):
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                try:
                    call = _call(span, provider_of)
                except (AttributeError, KeyError, TypeError, ValueError):
                    left["its counts cannot be read"] += 1
                    continue
                if call is None:
                    continue
                if call.problem:
                    left[call.problem] += 1
                else:
                    yield call


def _list(holder: Any, name: str) -> list[Any]:
    found = holder.get(name) if isinstance(holder, Mapping) else None
    return found if isinstance(found, list) else []


def _call(span: Any, provider_of: Callable[[str, str], str]) -> ToldCall | None:
    """Return the call of a span; None where it tells of no tokens."""
    told = {each["key"]: next(iter(each["value"].values())) for each in span.get("attributes", ()) if each.get("value")}
    if _IN not in told and _OUT not in told:
        return None
    model = str(next((told[name] for name in _MODELS if told.get(name)), ""))
    begin, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    parts = [None if told.get(name) is None else int(told[name]) for name in (_CACHED, _WRITTEN, _REASONING)]
    return ToldCall(
        f"{span['traceId']}/{span['spanId']}",
        begin,
        max(begin, end),
        readable_name(span.get("name", "")),
        provider_of(str(next((told[name] for name in _PROVIDERS if told.get(name)), "")), model),
        model,
        int(told.get(_IN, 0)),
        int(told.get(_OUT, 0)),
        *parts,
    )

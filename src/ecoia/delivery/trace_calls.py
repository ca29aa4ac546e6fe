"""Calls to language models as MLflow's traces tell of them, read page by page through MLflow's public API.

A trace holds prompts and answers. They come into memory with it, and only counts and names leave this module.

Traces are asked for by their end, since a trace reaches the store when it ends. MLflow below 3 knows their begin alone, so there
a day more is read again.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.errors import UsageError
from ecoia.keeping.told_calls import ToldCall, readable_name

PAGE = 500
USAGE, MODEL, PROVIDER, OUTPUTS = "mlflow.chat.tokenUsage", "mlflow.llm.model", "mlflow.llm.provider", "mlflow.spanOutputs"
_UNFINISHED = "IN_PROGRESS"
_DAY_MS = 24 * 3_600_000
MOST_UNFINISHED = 100
"""How many traces that have not ended are counted at most."""

Provider = Callable[[str, str], str]
"""Gives the provider of a call: what the span says (empty where it says nothing), and the model."""

_Asked = Callable[[str | None], Any]
"""Gives the page of traces that a token names; None: the first one."""


@dataclass
class TracePage:
    """What a page of traces tells.

    Attributes:
        calls: The calls, each with the id of its trace before a slash.
        ends_ms: When each trace ended, by its id.
        left: Spans with tokens that give no call, by reason.
    """

    calls: list[ToldCall] = field(default_factory=list)
    ends_ms: dict[str, int] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)


def experiment_id(store: MlflowStore, name: str) -> str:
    """Return the id of an experiment.

    Raises:
        UsageError: there is none of this name.
        DeliveryError: MLflow cannot be reached or refuses.
    """
    with store.reaching():
        found = store.client.get_experiment_by_name(name)
    if found is None:
        raise UsageError(f"--experiment {name}: MLflow has none of this name (its page shows the names)")
    return str(found.experiment_id)


def unfinished(store: MlflowStore, experiment: str) -> int:
    """Count the traces that have not ended, ``MOST_UNFINISHED`` at most."""
    with store.reaching():
        asked = _search(store, experiment, f"status = '{_UNFINISHED}'", include_spans=False, max_results=MOST_UNFINISHED)
        return len(asked(None))


def pages(store: MlflowStore, experiment: str, after_ms: int, provider_of: Provider) -> Iterator[TracePage]:
    """Give the traces that ended after an instant, a page at a time, in the order in which they began.

    Args:
        store: The MLflow store.
        experiment: Id of the experiment.
        after_ms: The instant, in UTC milliseconds.
        provider_of: Gives the provider of a call.

    Raises:
        DeliveryError: MLflow cannot be reached or refuses.
    """
    with store.reaching():
        asked, found = _first(store, experiment, after_ms)
    while True:
        yield _page(found, provider_of)
        token = found.token
        del found  # the prompts and answers
        if not token:
            return
        with store.reaching():
            found = asked(token)


def _first(store: MlflowStore, experiment: str, after_ms: int) -> tuple[_Asked, Any]:
    """Return what asks for a page, and the first one."""
    from mlflow.exceptions import MlflowException

    by_end = _search(store, experiment, f"end_time_ms > {after_ms}")
    try:
        return by_end, by_end(None)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
    by_begin = _search(store, experiment, f"timestamp_ms > {after_ms - _DAY_MS}")
    return by_begin, by_begin(None)


def _search(store: MlflowStore, experiment: str, where: str, *, include_spans: bool = True, max_results: int = PAGE) -> _Asked:
    search = store.client.search_traces
    place = "locations" if "locations" in inspect.signature(search).parameters else "experiment_ids"

    def asked(token: str | None) -> Any:
        return search(
            **{place: [experiment]},
            filter_string=where,
            order_by=["timestamp_ms ASC"],
            max_results=max_results,
            page_token=token,
            include_spans=include_spans,
        )

    return asked


def _page(traces: Sequence[Any], provider_of: Provider) -> TracePage:
    page = TracePage()
    for trace in traces:
        info = trace.info
        state = getattr(info, "state", None) or getattr(info, "status", None)
        if str(getattr(state, "value", state)) == _UNFINISHED:
            continue
        trace_id = str(getattr(info, "trace_id", None) or info.request_id)
        page.ends_ms[trace_id] = int(info.timestamp_ms) + int(info.execution_time_ms or 0)
        _add_calls(page, trace_id, trace.data.spans, provider_of)
    return page


def _add_calls(page: TracePage, trace_id: str, spans: list[Any], provider_of: Provider) -> None:
    """Add the calls of a trace. Of a span and one below it that both tell of tokens, the lower one is the call."""
    told = {span.span_id: span for span in spans if span.get_attribute(USAGE) is not None}
    above = {span.span_id: span.parent_id for span in spans}
    wrapping = set()
    for span_id in told:
        parent = above.get(span_id)
        while parent is not None and parent not in wrapping:
            wrapping.add(parent)
            parent = above.get(parent)
    for span_id, span in told.items():
        if span_id in wrapping:
            continue
        try:
            call = _call(f"{trace_id}/{span_id}", span, provider_of)
        except (KeyError, TypeError, ValueError):
            page.left["its counts cannot be read"] += 1
            continue
        if call.problem:
            page.left[call.problem] += 1
        else:
            page.calls.append(call)


def _call(call_id: str, span: Any, provider_of: Provider) -> ToldCall:
    usage = span.get_attribute(USAGE)
    model = str(span.get_attribute(MODEL) or "")
    begin_ns = int(span.start_time_ns)
    return ToldCall(
        call_id=call_id,
        begin_ns=begin_ns,
        end_ns=max(begin_ns, int(span.end_time_ns or begin_ns)),
        name=readable_name(span.name),
        provider=provider_of(str(span.get_attribute(PROVIDER) or ""), model),
        model=model,
        tokens_in=_count(usage["input_tokens"]),
        tokens_out=_count(usage["output_tokens"]),
        cached_in=_part(usage, "cache_read_input_tokens"),
        cache_written=_part(usage, "cache_creation_input_tokens"),
        reasoning=_reasoning(span.get_attribute(OUTPUTS)),
    )


def _count(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError("no whole number")
    return int(value)


def _part(usage: Mapping[str, Any], name: str) -> int | None:
    return None if usage.get(name) is None else _count(usage[name])


def _reasoning(outputs: Any) -> int | None:
    """Return the tokens of reasoning that an answer of OpenAI's form tells; MLflow keeps them nowhere else."""
    usage = outputs.get("usage") if isinstance(outputs, Mapping) else None
    for name in ("completion_tokens_details", "output_tokens_details"):
        details = usage.get(name) if isinstance(usage, Mapping) else None
        if isinstance(details, Mapping) and isinstance(details.get("reasoning_tokens"), int):
            return int(details["reasoning_tokens"])
    return None

"""``ecoia llm``: calls to language models that MLflow's traces or OpenTelemetry's spans tell of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import Commands, Home, load_settings, open_journal, say, tell_lines_not_read
from ecoia.cli.llm_fit import fit
from ecoia.errors import UsageError
from ecoia.keeping.journal import Scan
from ecoia.periods import half_hour_start
from ecoia.semconv import PHASES, is_slug

if TYPE_CHECKING:
    from ecoia.keeping.journal import Journal
    from ecoia.keeping.told_calls import Intake, Told, ToldCall
    from ecoia.settings import Settings

group = typer.Typer(cls=Commands, rich_markup_mode="rich", no_args_is_help=True)

_OVERLAP_MS = 3_600_000  # a trace can reach the store an hour after its end
_DAY_MS = 24 * 3_600_000
_TRACES_KNOWN_MS = _DAY_MS + 2 * _OVERLAP_MS  # MLflow 2 gives the traces of a day more
_SPANS_KNOWN_MS = 7 * _DAY_MS  # a file that grows is imported again within a week
_BATCH = 5000
_TOLD_ALREADY = "span.tokens tells of this model in the same half-hour"
_NOT_ENDED = "the trace has not ended, and is taken when it has"
_MOST_MODELS_TOLD = 20


@group.callback()
def llm() -> None:
    """Count traced calls to language models; fit what tokens cost.

    [dim]$ ecoia llm import --experiment assistant --service assistant[/dim]
    """


group.command("fit")(fit)


@group.command("import")
def import_calls(
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="The MLflow experiment with the traces.")
    ] = None,
    otlp: Annotated[
        Path | None, typer.Option("--otlp", metavar="FILE", help="Or a file of OpenTelemetry spans, as JSON.")
    ] = None,
    service: Annotated[str, typer.Option("--service", "-s", help="The service that made the calls.")] = "",
    phase: Annotated[str, typer.Option("--phase", "-p", metavar="PHASE", help="Its phase.")] = "inference",
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider", metavar="NAME", help="Who answers all these calls, whatever the traces say; 'vllm' is yourself."
        ),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], metavar="DAY", help="The first day of a first import.")
    ] = None,
    home: Home = None,
) -> None:
    """Count calls to language models from traces: tokens and names, no text.

    What was taken is not taken again. Calls that the program told with span.tokens are left out.

    [dim]$ ecoia llm import --experiment assistant --service assistant[/dim]

    [dim]$ ecoia llm import --otlp spans.jsonl --service assistant[/dim]
    """
    from ecoia.keeping.told_calls import Told, intake

    if (experiment is None) == (otlp is None):
        raise UsageError("say where the calls are told: --experiment NAME or --otlp FILE")
    if not is_slug(service):
        raise UsageError(f"--service {service!r}: use lower-case letters, digits, '.', '_' and '-' (63 at most), e.g. assistant")
    if phase not in PHASES:
        raise UsageError(f"--phase {phase!r}: choose one of {', '.join(PHASES)}")
    settings = load_settings(home)
    journal = open_journal(settings)
    told, counts = Told(), Scan()
    work = _Work(settings, journal, service, phase, told, counts)
    named = _provider(provider)
    if otlp is not None:
        with intake(journal.home, f"otlp {service} {phase}") as taken:
            work.finish(taken)
            _import_file(otlp, taken, work, named)
    elif experiment is not None:
        since_ms = None if since is None else int(since.replace(tzinfo=ZoneInfo(settings.timezone)).timestamp() * 1000)
        _import_traces(experiment, work, named, since_ms)
    tell_lines_not_read(counts)
    _tell(told, otlp or experiment)


class _Work:
    """What an import writes, and where."""

    def __init__(self, settings: Settings, journal: Journal, service: str, phase: str, told: Told, counts: Scan) -> None:
        from ecoia.keeping.told_calls import told_in_program

        self.settings, self.journal, self.service, self.phase, self.told, self.counts = (
            settings, journal, service, phase, told, counts,
        )  # fmt: skip
        self._known = told_in_program(journal, service, counts)

    def finish(self, taken: Intake) -> None:
        """Write what an import that was killed had taken."""
        found = taken.finish(self.journal, Scan())
        if found:
            say(f"{found} records that an earlier import had not written are written now")

    def take(
        self,
        taken: Intake,
        calls: list[ToldCall],
        source: str,
        instance: str,
        *,
        ids: dict[str, int],
        until_ms: int,
        known_ms: int,
    ) -> None:
        """Write the records of some calls; their ids are known for ``known_ms`` after they ended."""
        from ecoia.keeping.told_calls import records_of

        new = []
        for call in calls:
            if (half_hour_start(call.end_ns), call.model) in self._known:
                self.told.left[_TOLD_ALREADY] += 1
            else:
                new.append(call)
                self.told.taken[call.provider, call.model] += 1
        records = records_of(
            new, service=self.service, phase=self.phase, instance=instance, zone=self.settings.zone, told_by=source
        )
        taken.take(self.journal, records, ids=ids, until_ms=until_ms, forget_before_ms=until_ms - known_ms)


def _import_traces(name: str, work: _Work, provider_of: Callable[[str, str], str], since_ms: int | None) -> None:
    from ecoia.cli.reading import store_here
    from ecoia.delivery.trace_calls import experiment_id, pages, unfinished
    from ecoia.keeping.told_calls import intake

    store = store_here(work.settings)
    number = experiment_id(store, name)
    with intake(work.journal.home, f"mlflow {store.uri} {number} {work.service} {work.phase}") as taken:
        work.finish(taken)
        first_ms = -1 if since_ms is None else since_ms - 1
        if taken.until_ms is not None:
            first_ms = taken.until_ms - _OVERLAP_MS - 1
        until_ms = taken.until_ms or 0
        for page in pages(store, number, first_ms, provider_of):
            new = {trace: end_ms for trace, end_ms in page.ends_ms.items() if not taken.has(trace)}
            until_ms = max([until_ms, *page.ends_ms.values()])
            work.told.left.update(page.left)
            calls = [call for call in page.calls if call.call_id.partition("/")[0] in new]
            work.take(taken, calls, "mlflow-traces", f"mlflow-{number}", ids=new, until_ms=until_ms, known_ms=_TRACES_KNOWN_MS)
        work.told.left += Counter({_NOT_ENDED: unfinished(store, number)})


def _import_file(path: Path, taken: Intake, work: _Work, provider_of: Callable[[str, str], str]) -> None:
    from ecoia.keeping.otlp_calls import read_otlp

    for batch in _batches(read_otlp(path, provider_of, work.told.left)):
        new = {call.call_id: call for call in batch if not taken.has(call.call_id)}
        ids = {each: call.end_ns // 1_000_000 for each, call in new.items()}
        until_ms = max([taken.until_ms or 0, *ids.values()])
        work.take(taken, list(new.values()), "otlp-spans", "otlp", ids=ids, until_ms=until_ms, known_ms=_SPANS_KNOWN_MS)


def _batches(calls: Iterator[ToldCall]) -> Iterator[list[ToldCall]]:
    batch: list[ToldCall] = []
    for call in calls:
        batch.append(call)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _provider(given: str | None) -> Callable[[str, str], str]:
    """Return what gives the provider of a call: the one given; else what the span says; else the only one with such a model."""
    from ecoia.impact.model_providers import providers_of
    from ecoia.keeping.told_calls import UNKNOWN_PROVIDER, readable_name

    if given is not None:
        return lambda _told, _model: readable_name(given)

    def provider(told: str, model: str) -> str:
        found = providers_of(model)
        return readable_name(told) or (found[0] if len(found) == 1 else UNKNOWN_PROVIDER)

    return provider


def _tell(told: Told, source: object) -> None:
    from ecoia.keeping.told_calls import UNKNOWN_PROVIDER

    typer.echo(f"{told.taken.total()} calls taken from '{source}'; their texts are not kept")
    for (provider, model), count in told.taken.most_common(_MOST_MODELS_TOLD):
        typer.echo(f"  {count}  {provider} {model}")
    if len(told.taken) > _MOST_MODELS_TOLD:
        typer.echo(f"  and {len(told.taken) - _MOST_MODELS_TOLD} more models")
    if any(provider == UNKNOWN_PROVIDER for provider, _ in told.taken):
        say("a model of an unknown provider gets no estimate: say who answers with --provider, e.g. openai, or vllm for your own")
    for reason, count in sorted(told.left.items()):
        say(f"{count} left out: {reason}")

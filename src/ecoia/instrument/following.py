"""Follow MLflow's runs: move spans to the run that begins and away from the one that ends, and cover runs that have no span.

A run's energy is that of the span time during which it is the active run of the thread. So at the begin and the end of a run on
a thread, every span of the thread is *moved* to the counters of the run that is active from then on. Nothing is added to the
steps of the hot path. Spans of phase ``inference`` belong to the day of their service and are never moved, nor are spans for
which the program named a run.

With ``autolog``, a thread where a run is active and that has no span is covered by a ``RunSpan``, so that every run is measured
without a change of its program.

``mlflow_hooks`` hears from MLflow when a run begins or ends. Which run is active then says ``mlflow_run``.
"""

from __future__ import annotations

import sys
import threading
import time
from _thread import get_native_id
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from ecoia import losses
from ecoia.instrument import mlflow_run, switching
from ecoia.instrument.engine import Engine, engine, lose, note_run_end
from ecoia.instrument.groups import outside_run
from ecoia.instrument.labels import checked_label
from ecoia.instrument.mlflow_run import PARENT_TAG, ClientRun, EndedRun, Run, active_run, client_runs
from ecoia.instrument.run_services import service_of_run, settings_of_runs
from ecoia.instrument.spans import Counters, Label, Piece, RunSpan, Span, ThreadState
from ecoia.instrument.switching import charge_from_elsewhere, counters_of, in_context, recount, start_call

run_began: list[Callable[[Run, bool, int], None]] = []
"""Called after a run began, in the thread that began it: the run, whether no run is above it, its start in ns since 1970."""

run_ended: list[Callable[[Run, bool, int, int], None]] = [note_run_end]
"""Called after a run ended, in the thread that ended it: as ``run_began``, and its end in ns since 1970."""

root_runs: dict[str, Run] = {}
"""Runs that this process began and that have no run above them, by id."""

run_above: dict[str, str] = {}
"""By id of a run that this process began, the id of the run above it."""

ended_roots: deque[EndedRun] = deque(maxlen=1)
"""The root run that ended last in this process."""


class Begun:
    """A run that began in this process and has not ended.

    Attributes:
        run: The run.
        tags: Its tags when it began.
        experiment_id: MLflow's id of its experiment.
        thread: The thread that began it.
        is_client_run: Whether a client made it, so that MLflow does not call it active.
        start_utc_ns: When it began.
        first_counters: Number of counters that the thread had before.
        service: The service that the rules give it; None until somebody asked.
    """

    __slots__ = ("experiment_id", "first_counters", "is_client_run", "run", "service", "start_utc_ns", "tags", "thread")

    def __init__(self, run: Run, tags: Mapping[str, str], experiment_id: str | None, *, is_client_run: bool) -> None:
        self.run = run
        self.tags = tags
        self.experiment_id = experiment_id
        self.thread = get_native_id()
        self.is_client_run = is_client_run
        self.start_utc_ns = time.time_ns()
        self.service: str | None = None
        state = _state_here()
        self.first_counters = 0 if state is None else len(state.counters)

    @property
    def is_root(self) -> bool:
        """Whether no run is above it."""
        return PARENT_TAG not in self.tags


class Autolog:
    """Whether runs are covered, and what the program said of their service and phase; None: as the settings say."""

    __slots__ = ("is_on", "phase", "service")

    def __init__(self) -> None:
        self.is_on: bool | None = None
        self.service: str | None = None
        self.phase: str | None = None


autolog = Autolog()

_begun: list[Begun] = []

_named: dict[tuple[Label, str], Label] = {}
"""Labels with the service of a run, by the label that the program gave."""

_open_covers: list[RunSpan] = []
"""Open spans that cover a run: suspended, they are on no thread."""
_generation = engine.generation


# --- when a run begins and ends ----------------------------------------------------------------------------------------------


def begin(begun: Begun) -> None:
    """Note that a run began on this thread, and move the thread's spans to it."""
    _forget_parent_process()
    known = next((each for each in _begun if each.run.run_id == begun.run.run_id and each.thread == begun.thread), None)
    if known is not None and known.is_client_run:  # ``start_run`` makes its run by a client, and then calls it active
        known.is_client_run = begun.is_client_run
        known.run = begun.run
    else:
        _begun.append(begun)
    if begun.is_client_run:
        client_runs[str(begun.run.run_id)] = ClientRun(begun.run, begun.tags)
        run = active_run(lose)
    else:
        client_runs.pop(str(begun.run.run_id), None)
        run = begun.run
    _settle(run)
    if known is None:
        if begun.is_root:
            root_runs[str(begun.run.run_id)] = begun.run
        else:
            run_above[str(begun.run.run_id)] = begun.tags[PARENT_TAG]
        for told in run_began:
            told(begun.run, begun.is_root, begun.start_utc_ns)


def end(run_id: str, *, failed: bool) -> None:
    """Note that a run ended, and move all spans away from it, on this thread and on others."""
    _forget_parent_process()
    client_runs.pop(run_id, None)
    run = active_run(lose)
    if run.run_id == run_id:
        return  # only its status changed: MLflow still logs to it here
    here = get_native_id()
    ended = [each for each in _begun if each.run.run_id == run_id]
    own = [each for each in ended if each.thread == here and not each.is_client_run]
    over = own[-1:] or ended
    _begun[:] = [each for each in _begun if each not in over]
    _tell_outcome(run_id, over[-1].first_counters if own else 0, failed=failed)
    _settle(run)
    if any(each.run.run_id == run_id for each in _begun):
        return  # another thread resumed it for itself
    _leave_elsewhere(run_id, failed=failed)
    _end_open_covers(run_id)
    if over:
        _tell_end(over[0])


def _tell_end(begun: Begun, *, is_said: bool = True) -> None:
    end_utc_ns = time.time_ns()
    if begun.is_root:
        ended_roots.append(EndedRun(begun.run, begun.experiment_id, begun.start_utc_ns, end_utc_ns))
    for told in run_ended:
        told(begun.run, begun.is_root, begun.start_utc_ns, end_utc_ns)
    if begun.is_root and is_said and Engine.when_root_ended is not None:
        Engine.when_root_ended(ended_roots[-1])


def _tell_outcome(run_id: str, first_counters: int, *, failed: bool) -> None:
    """Count the end of a run with each label that it had on this thread."""
    state = _state_here()
    if state is None:
        return
    touched = [counters for counters in islice(state.counters.values(), first_counters, None) if _is_of(counters, run_id)]
    for span in _spans_of(state):
        counters = span._counters
        if _is_of(counters, run_id):
            if type(span) is RunSpan:
                counters.spans += 1  # one for each run that it covers
            if counters not in touched:
                touched.append(counters)
    for counters in touched:
        counters.last_failed = failed
        counters.ended += 1


def _is_of(counters: Counters, run_id: str) -> bool:
    return counters.run is not None and counters.run.run_id == run_id


def _forget_parent_process() -> None:
    """In a forked child, forget the runs of the parent process: they are its own."""
    global _generation
    if _generation != engine.generation:
        _generation = engine.generation
        _begun.clear()
        client_runs.clear()
        root_runs.clear()
        run_above.clear()
        ended_roots.clear()
        _open_covers.clear()


# --- which spans are moved ---------------------------------------------------------------------------------------------------


def _state_here() -> ThreadState | None:
    state: ThreadState | None = getattr(engine.local, "state", None)
    return state


def _spans_of(state: ThreadState) -> list[Span]:
    """Return the spans of a thread that are open: those on it, and for this thread, those around them in the context."""
    found: list[Span] = []
    span = state.top
    while span is not None:
        if not span.ended:
            found.append(span)
        span = span._under
    if state is _state_here():
        span = in_context.get()
        while span is not None:
            if not span.ended and span._state is state and span not in found:
                found.append(span)
            span = span.parent
    return found


def _follows_runs(span: Span) -> bool:
    label = span._counters.label
    return not span.is_late and label.phase != "inference" and label.run_id is None


def _settle(run: Run) -> None:
    """Move the spans of this thread to a run, and with ``autolog`` see to it that it is covered."""
    state = _state_here()
    if _is_autolog():
        if state is None:
            state = engine.enter_thread()
        _cover(state, run)
    if state is not None:
        _move(state, _moves_to(state, run), put_on_top=True)


def _moves_to(state: ThreadState, run: Run) -> Iterator[tuple[Span, Counters]]:
    """Yield the spans of a thread that change, and their counters for a run."""
    for span in _spans_of(state):
        if not _follows_runs(span):
            continue
        label, its_run = span._counters.label, run
        if type(span) is Piece and run.run_id is None and span.parent is not None:
            its_run = span.parent._counters.run or run
        if type(span) is RunSpan:
            label = _label_of(run, span)
        elif label.service is None or label.given is not None:
            label = _with_service(label.given or label, its_run)
        counters = counters_of(state, label, its_run)
        if counters is not span._counters:
            yield span, counters


def _move(state: ThreadState, moves: Iterator[tuple[Span, Counters]], *, put_on_top: bool) -> None:
    """Charge the CPU time up to now, then count spans in other counters. Makes the counters before it reads the clock."""
    ready = list(moves)
    if not ready:
        return
    if not put_on_top:
        charge_from_elsewhere(state)
    elif state.top is not None:
        switching.put_on_top(state.top, state)
    for span, counters in ready:
        recount(span, counters)


def _leave_elsewhere(run_id: str, *, failed: bool) -> None:
    """Move the calls of other threads away from a run that is over. Only its own thread may move an open span."""
    own = _state_here()
    for state in list(engine.threads):
        calls = [] if state is own else [span for span in _spans_of(state) if span.is_call and _may_leave(span, run_id)]
        if not calls:
            continue
        for counters in {id(span._counters): span._counters for span in calls if _is_of(span._counters, run_id)}.values():
            counters.last_failed = failed
            counters.ended += 1
        for span in calls:
            if type(span) is RunSpan and not _has_begun_a_run(state.tid) and outside_run() is None:
                span._counters.spans += 1
                _end_cover(span)
        run = _run_elsewhere(state)
        _move(state, (move for move in _moves_to(state, run) if move[0] in calls), put_on_top=False)


def _may_leave(span: Span, run_id: str) -> bool:
    """Return whether a span is in this run, or covers a thread of which nobody could say for which run it works."""
    run = span._counters.run
    return run is not None and (run.run_id == run_id or (run.run_id is None and type(span) is RunSpan))


def _has_begun_a_run(thread: int) -> bool:
    return any(begun.thread == thread for begun in _begun)


def _run_elsewhere(state: ThreadState) -> Run:
    """Return the run of another thread: the last one that began there, or a client's."""
    of_thread = [each for each in _begun if each.thread == state.tid and not each.is_client_run]
    if of_thread:
        return of_thread[-1].run
    made = mlflow_run.client_runs_of(state.tid)
    return made[0] if len(made) == 1 else Run(None, mlflow_run.tracking_uri(lose))


# --- spans that cover runs ---------------------------------------------------------------------------------------------------


def _is_autolog() -> bool:
    """Return whether runs are covered. Without a word of the program, the settings decide at the first run."""
    if autolog.is_on is None:
        switch_autolog(on=bool(settings_of_runs().autolog))
    return bool(autolog.is_on)


def switch_autolog(*, on: bool, service: str | None = None, phase: str | None = None) -> None:
    """Cover runs from now on, or no longer.

    Args:
        on: Whether to cover them.
        service: Service of all of them; None: as the rules say (``run_services``).
        phase: Phase of all of them; None: as the setting ``phase`` says.
    """
    autolog.is_on, autolog.service, autolog.phase = on, service, phase
    switching.when_uncovered[:] = [_cover_again] if on else []
    if _leave_process not in Engine.leavers:
        Engine.leavers.append(_leave_process)


def look() -> None:
    """Follow what MLflow calls active on this thread, which may have begun unheard."""
    _forget_parent_process()
    _settle(active_run(lose))


def uncover() -> None:
    """End the span that covers this thread, if there is one."""
    state = _state_here()
    cover = None if state is None else _run_span_on(state)
    if state is not None and cover is not None:
        cover._counters.spans += 1
        _end_cover(cover)


def _leave_process() -> None:
    """End what covers this thread, and tell of the runs that MLflow's own exit handler ends after ours.

    After a ``KeyboardInterrupt`` no line is written: it imports modules whose ``NamedTuple`` calls ``eval``, which makes CPython
    forget the interrupt, and the exit code would be 1 instead of 130.
    """
    try:
        _forget_parent_process()
        run = active_run(lose)
        for begun in reversed(_begun[:]):
            _begun.remove(begun)
            if begun.run.run_id == run.run_id and not begun.is_client_run:
                _tell_outcome(str(run.run_id), begun.first_counters, failed=False)  # as FINISHED, however the program ends
            _tell_end(begun, is_said=getattr(sys, "last_type", None) is not KeyboardInterrupt)
        uncover()
        _end_open_covers()
        _tell_outcome_of_group()
    except Exception:  # noqa: BLE001 - the process must end
        lose(losses.RUN_NOT_FOLLOWED)


def cover_rank() -> None:
    """With ``autolog``, cover the main thread of a group's member from now on, also outside any MLflow run."""
    if outside_run() is not None and threading.current_thread() is threading.main_thread() and _is_autolog():
        look()


def _tell_outcome_of_group() -> None:
    """Count the end of what the span of a group's member covered outside any run. Spans of the program told theirs."""
    state = _state_here()
    if state is not None and outside_run() is not None:
        for counters in list(state.counters.values()):
            if counters.run is not None and counters.run.run_id is None and not counters.ended:
                counters.ended += 1


def _run_span_on(state: ThreadState) -> RunSpan | None:
    return next((span for span in _spans_of(state) if type(span) is RunSpan), None)


def _cover(state: ThreadState, run: Run) -> None:
    """Begin a span for the active run of this thread where it has none, and end the one that is there for no run."""
    is_active = (
        (run.run_id is not None and run.run_id not in client_runs) or _has_begun_a_run(state.tid) or outside_run() is not None
    )
    cover = _run_span_on(state)
    if cover is None:
        spans = _spans_of(state)
        is_covered = any(span._counters.label.phase != "inference" for span in spans) or any(
            each._state is state and _is_of(each._counters, str(run.run_id)) for each in _open_covers
        )
        if is_active and not is_covered:
            _start_cover(state, counters_of(state, _label_of(run, spans[0] if spans else None), run))
    elif not is_active:
        _end_cover(cover)


def _start_cover(state: ThreadState, counters: Counters) -> None:
    """Begin a span that covers a run: a call, or where a request that can be suspended is on the thread, an open span in it."""
    cover = RunSpan()
    around = state.top
    while around is not None and around.is_call:
        around = around._under
    cover.is_call = around is None
    if cover.is_call:
        start_call(cover, state, counters)
        return
    cover._state, cover._counters = state, counters
    cover.ended = False
    cover.parent, cover._under = switching.enclosing(state), state.top
    cover._start_ns = now_ns = time.perf_counter_ns()
    switching.open_flight(cover, now_ns)
    switching.put_on_top(cover, state)
    switching.in_context.set(cover)
    _open_covers.append(cover)


def _end_cover(cover: RunSpan) -> None:
    """End a span that covers a run, on any thread and also while it is suspended."""
    state = cover._state
    if state is _state_here():
        switching.leave(cover, state)
    else:
        charge_from_elsewhere(state)
        if state.top is cover:
            state.top = cover._under
        else:
            switching.unlink(cover, state)
    cover.ended = True
    if not cover.is_call:
        _open_covers.remove(cover)
        switching.close_flight(cover, time.perf_counter_ns())
        if in_context.get() is cover:
            in_context.set(switching.open_around(cover))


def _end_open_covers(run_id: str | None = None) -> None:
    """End the open spans that cover a run that is over; None: that cover any. They are suspended, or on another thread."""
    for cover in _open_covers[:]:
        if run_id is None or _is_of(cover._counters, run_id):
            cover._counters.spans += 1
            _end_cover(cover)


def _cover_again(state: ThreadState) -> None:
    """Cover a run that is still active where the last span of the program has ended."""
    try:
        if engine.local.state is state:
            run = active_run(lose)
            if run.run_id is not None:
                _cover(state, run)
    except Exception:  # noqa: BLE001 - the call that has just ended must return
        lose(losses.RUN_NOT_FOLLOWED)


def _label_of(run: Run, around: Span | None) -> Label:
    """Return the label of the span that covers a run: the service of a request around it, or the one that the rules give."""
    while around is not None:
        label = around._counters.label
        if label.phase == "inference" and label.service is not None:
            return checked_label(label.service, _phase(), None, None)
        around = around.parent
    return checked_label(_service_of(run), _phase(), None, None)


def _service_of(run: Run) -> str:
    """Return the service of a run that the program did not give one with a span."""
    begun = next((each for each in reversed(_begun) if each.run.run_id == run.run_id), None)
    if autolog.service is not None:
        return autolog.service
    if begun is None:
        return service_of_run(run.tracking_uri, {}, None)
    if begun.service is None:
        begun.service = service_of_run(run.tracking_uri, begun.tags, begun.experiment_id)
    return begun.service


def _with_service(given: Label, run: Run) -> Label:
    """Return a label that has no service with that of a run; outside any run, the label as it is."""
    if run.run_id is None:
        return given
    try:
        key = given, _service_of(run)
        label = _named.get(key)
        if label is None:
            label = Label(key[1], given.phase, given.endpoint, given.model_version, given.run_id, given)
            label = _named.setdefault(key, label)
    except Exception:  # noqa: BLE001 - the call that begins here must run
        lose(losses.RUN_NOT_FOLLOWED)
        return given
    return label


switching.name_service = _with_service


def _phase() -> str:
    return autolog.phase or str(settings_of_runs().phase)

"""A home's closed months are put together: one ledger run an instance and month in place of one a day.

The new run is written to its end and read back before any run that it takes over is marked. It names these runs, so whoever reads
between two steps, or after a kill, counts each row once. A record that comes later is delivered as a day that stands in place of
the month's rows of that day (``MlflowLedger``), and goes into the month when months are put together again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ecoia import limits, semconv
from ecoia.delivery.day_file import digest, encode_day, union
from ecoia.delivery.ledger_list import LedgerList
from ecoia.delivery.ledger_month_files import by_day
from ecoia.delivery.ledger_reader import energy_of, read_day, read_days
from ecoia.delivery.ledger_run import LedgerRun, start_ms
from ecoia.delivery.mlflow_store import MlflowStore, at_step
from ecoia.delivery.notes import ledger_month_note
from ecoia.delivery.sender import delivery_lock
from ecoia.delivery.tags_and_metrics import (
    digest_tag,
    ledger_content_tags,
    ledger_metrics,
    ledger_month_tags,
    month_content_tags,
    next_digest_tag,
    note_tags,
    schema_tag,
    superseded_tags,
)
from ecoia.errors import DeliveryError
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import Row

QUIET_DAYS = 7
"""Days after its end for which a month is left as it is: late records are likely until then."""

_MOST_TAG_CHARACTERS = 5000  # MLflow's limit


class Compacted(NamedTuple):
    """What ``compact_months`` did.

    Attributes:
        months: Months that were put together.
        runs: Ledger runs that they took over.
        problems: What was left as it is, and why.
    """

    months: int = 0
    runs: int = 0
    problems: tuple[str, ...] = ()


def compact_months(store: MlflowStore, home: Path, home_id: str, *, by_sql: bool = True, now_ns: int | None = None) -> Compacted:
    """Put the days of each closed month of a home together into one ledger run an instance and place.

    A month is closed seven days after its end. The rows stay the same, and with them every figure. It is safe to repeat, and a
    kill at any point loses and doubles nothing. A month of which anything cannot be read is left as it is. The runs that were
    taken over get the kind ``ledger-superseded`` and are deleted: ``mlflow gc`` removes them for good.

    Args:
        store: The store.
        home: Folder of the journal's home, whose delivery waits meanwhile.
        home_id: Its id: only its own runs are touched.
        by_sql: The setting ``ledger_sql``.
        now_ns: The time; None: now.

    Raises:
        DeliveryError: the store cannot be reached, or another delivery of this home does not end.

    Example::

        compact_months(MlflowStore(uri), journal.home, journal.home_id).months  # 2
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    open_month = utc_day(now_ns - QUIET_DAYS * DAY_NS)[:7]
    months = runs = 0
    problems: list[str] = []
    with delivery_lock(home), store.reaching():
        groups: dict[tuple[str, str, str], list[LedgerRun]] = {}
        for run in LedgerList(store, by_sql=by_sql).of_home(home_id):
            month = run.month or run.day[:7]
            if re.fullmatch(r"\d{4}-\d{2}", month) and month < open_month:
                groups.setdefault((month, run.instance, run.tags.get(semconv.TAG_PLACE, "")), []).append(run)
        for (month, instance, _), group in sorted(groups.items()):
            try:
                taken = _compact(store, group)
            except DeliveryError as error:
                problems.append(f"ledger month {month} of '{instance}' is left as it is: {error}")
                continue
            months, runs = months + bool(taken), runs + taken
    return Compacted(months, runs, tuple(problems))


def _compact(store: MlflowStore, group: Sequence[LedgerRun]) -> int:
    """Put one month of one instance and place together. Returns how many runs it took over.

    Raises:
        DeliveryError: a part of it cannot be read, or it is too large for one run.
    """
    whole = [run for run in group if run.month and not run.is_begun]
    taken = {source for run in whole for source in run.sources}
    newest = [run for run in whole if run.run_id not in taken]
    days = [run for run in group if not run.month and run.run_id not in taken]
    if days or len(newest) > 1:
        month = _write(store, [*newest, *days])
    elif newest:
        (month,) = newest
    else:
        return 0  # a month that was begun, and whose days are gone
    over = [run for run in group if run.run_id in month.sources or run.is_begun]
    if over and read_day(store, month).digest != month.digest:
        raise DeliveryError("what was written is not what is there")
    for run in over:
        store.log(run.run_id, [], superseded_tags())
        store.client.delete_run(run.run_id)
    return len(over)


def _write(store: MlflowStore, parts: Sequence[LedgerRun]) -> LedgerRun:
    """Write a run that holds what some runs hold together, and names them. Its digest comes last."""
    if any(run.is_newer for run in parts):
        raise DeliveryError("a newer ecoia wrote a part of it: upgrade ecoia here")
    found = read_days(store, parts)
    if found.gaps:
        gap = found.gaps[0]
        raise DeliveryError(f"{gap.day} cannot be read whole ({gap.reason}): deliver it again with 'ecoia deliver --verify'")
    rows = union(found.days)
    tags = _tags(parts, rows)
    content = digest(rows)
    first_day = f"{tags[semconv.TAG_MONTH]}-01"
    experiment = store.find_experiment(semconv.LEDGER_EXPERIMENT)
    made = LedgerRun.of(
        store.client.create_run(
            experiment,
            start_time=start_ms(first_day),
            tags={**tags, **next_digest_tag(content)},
            run_name=f"ledger of {tags[semconv.TAG_INSTANCE]}, {tags[semconv.TAG_MONTH]}",
        )
    )
    store.write_artifact(made.run_id, made.artifact_uri, semconv.LEDGER_MONTH_ARTIFACT, encode_day(rows))
    end_ms = start_ms(max(by_day(rows), default=first_day)) + DAY_NS // 1_000_000
    store.client.set_terminated(made.run_id, status="FINISHED", end_time=end_ms)
    store.log(made.run_id, at_step(ledger_metrics(rows), 0), digest_tag(content))
    return made._replace(tags={**made.tags, **digest_tag(content)})


def _tags(parts: Sequence[LedgerRun], rows: Sequence[Row]) -> dict[str, str]:
    """Return the tags of the run that takes some runs over."""
    first = parts[0].tags
    month = parts[0].month or parts[0].day[:7]
    days = {day: (digest(some), energy_of(some)) for day, some in by_day(list(rows)).items()}
    sources = sorted({run.run_id for run in parts}.union(*(run.sources for run in parts)))
    tags = {
        **ledger_month_tags(first[semconv.TAG_INSTANCE], month, first[semconv.TAG_HOME], first.get(semconv.TAG_PLACE, "")),
        **ledger_content_tags(rows),
        **schema_tag(rows, least=semconv.MONTH_SCHEMA_VERSION),
        **note_tags(ledger_month_note(first[semconv.TAG_INSTANCE], month)),
        **month_content_tags(days, sources),
    }
    if max(map(len, tags.values())) > _MOST_TAG_CHARACTERS or len(rows) > limits.DAY.lines:
        raise DeliveryError("it is too large for one run")
    return tags

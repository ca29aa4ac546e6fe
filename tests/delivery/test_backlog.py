"""The backlog: reading a journal on as it grows gives what reading it whole gives."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.delivery.backlog import Backlog
from ecoia.keeping.journal import Journal, journal_sizes
from ecoia.periods import utc_day
from ecoia.records import fold, merge_rows
from support.records import training

numbers = itertools.count()


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_reading_on_as_the_journal_grows_is_reading_it_whole(tmp_path: Path, data: st.DataObject) -> None:
    """The helper folds line by line what comes; sums cannot be undone, so doubled lines, other contents and corrections count."""
    records = [training(at=1790 + 10 * n, cpu=10**n, run_id=None) for n in range(data.draw(st.integers(1, 6)))]
    corrected = data.draw(st.sets(st.sampled_from(records).map(lambda record: record.record_id), max_size=2))
    records += [training(at=90_000, cpu=5, run_id=None, replaces=record_id) for record_id in sorted(corrected)]
    contents = st.sampled_from(records).flatmap(
        lambda record: st.builds(record.copy_with, spans=st.integers(2, 3), end_utc_ns=st.just(record.end_utc_ns + 1))
    )
    records += data.draw(st.lists(contents, max_size=2))
    lines = data.draw(st.permutations([*records, *data.draw(st.lists(st.sampled_from(records), max_size=4))]))
    home = Journal(tmp_path / f"growing-{next(numbers)}")
    backlog = Backlog(home)
    with closing(home.writer()) as writer:
        for record in lines:
            writer.append([record])
            if data.draw(st.booleans()):
                backlog.read(journal_sizes(home))
    backlog.read(journal_sizes(home))
    assert merge_rows(row for rows in backlog.rows.values() for row in rows) == fold(records)
    days = {day for record in records for day in [utc_day(record.start_utc_ns), utc_day(record.end_utc_ns)]}
    assert {key.day for key in backlog.changed} == days  # a correction empties the day of what it corrects

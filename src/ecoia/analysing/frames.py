"""``ecoia.read``: results, or the rows below them, as a pandas frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from ecoia.cli.common import Source, load_settings, say
from ecoia.cli.reading import no_collection, read_inputs
from ecoia.errors import MissingExtraError, UsageError
from ecoia.impact.inputs import Inputs
from ecoia.periods import Quarter
from ecoia.records import Row
from ecoia.semconv import COMPONENTS, VERSION

try:
    import pandas
except ImportError:  # a base install: the call says what is missing
    pandas = None  # type: ignore[assignment]

RESULTS, ROWS = "results", "rows"
ROW_UNITS = {
    **{f"{name}_microjoules": "µJ" for name in (*COMPONENTS, "energy")},
    "units_micro": "1e-6",
    "accepted_micro": "1e-6",
    "cpu_ns": "ns",
    **{f"{name}_utc_ns": "ns since 1970, UTC" for name in ("half_hour", "start", "end")},
}
"""Unit of each column of rows that has one."""

_TYPES = {"text": "string", "number": "float64", "count": "int64", "flag": "bool"}


def read(
    what: str = RESULTS,
    *,
    quarter: str | Sequence[str] | None = None,
    service: str | Sequence[str] | None = None,
    source: str = "ledger",
) -> pandas.DataFrame:
    """Read what is recorded as a pandas frame: results with their intervals, or the rows of half-hours below them.

    Results have a line for each quarter, service and phase, as the report computes it; a service's reserved capacity has the
    phase ``idle``, and what no service bears has no service. Each quantity has ``_low`` and ``_high`` (95 %) and, where it has no
    value, ``_reason``. Rows have whole microjoules, millionths and nanoseconds, so that sums are exact, and ``half_hour`` and
    ``month`` in the organisation's time zone. An empty value is not known, never zero.

    ``frame.attrs`` has ``units`` by column, ``gaps`` (days of the ledger that are in no line, which are also named on stderr),
    ``source``, ``timezone`` and ``ecoia_version``.

    Args:
        what: ``results`` or ``rows``.
        quarter: A quarter, such as ``2026Q4``, or several. None: all that have rows.
        service: Id of a service, or several. None: all, and what no service bears.
        source: ``ledger``, the organisation's in MLflow; ``journal``, this machine's; or ``parquet:`` and the folder or address
            of a dataset (``ecoia export --to``).

    Returns:
        The frame; without lines where nothing is recorded.

    Raises:
        UsageError: an argument is illegal; the message names it.
        MissingExtraError: pandas is not installed.
        EcoiaError: the source or the catalogue cannot be read.

    Example:
        >>> import ecoia
        >>> ecoia.read(quarter="2020Q1", source="journal")[["service", "phase", "energy"]].empty  # nothing is recorded then
        True
    """
    if what not in (RESULTS, ROWS):
        raise UsageError(f"what = {what!r}: choose 'results' or 'rows'")
    quarters = _quarters(quarter)
    services = _texts("service", service)
    if not isinstance(source, str):
        raise UsageError(f"source = {source!r}: write 'ledger', 'journal' or 'parquet:' and where a dataset lies")
    chosen = Source.parse(source)
    if pandas is None:
        raise MissingExtraError("ecoia.read", "pandas")
    settings = load_settings()
    inputs = read_inputs(settings, chosen, give_up=say)  # a program goes on waiting: it must not end here
    with no_collection():
        frame, units = (_results if what == RESULTS else _rows)(inputs, quarters)
    if services is not None:
        frame = frame[frame["service"].isin(services)].reset_index(drop=True)
    frame.attrs = {
        "units": units,
        "gaps": [asdict(gap) for gap in inputs.gaps],
        "source": chosen.kind,
        "timezone": settings.timezone,
        "ecoia_version": VERSION,
    }
    return frame


def _results(inputs: Inputs, quarters: frozenset[Quarter] | None) -> tuple[pandas.DataFrame, dict[str, str]]:
    from ecoia.report.context import Context
    from ecoia.report.result_lines import RESULT_COLUMNS, RESULT_UNITS, result_lines

    last = max(quarters) if quarters else Quarter.parse("2261Q4")
    context = Context(inputs.rows, last, inputs.settings, inputs.catalogue, inputs.factors, inputs.known_until_utc_ns, over=False)
    wanted = [each for each in context.quarters if quarters is None or each in quarters]
    frame = pandas.DataFrame.from_records(list(result_lines(context, wanted)), columns=[*RESULT_COLUMNS])
    return frame.astype({name: _TYPES[kind] for name, kind in RESULT_COLUMNS.items()}), dict(RESULT_UNITS)


def _rows(inputs: Inputs, quarters: frozenset[Quarter] | None) -> tuple[pandas.DataFrame, dict[str, str]]:
    from ecoia.publishing.row_table import table

    timezone = ZoneInfo(inputs.settings.timezone)
    frame = table(_of_quarters([*inputs.rows], quarters, timezone), timezone)
    energies = frame[[f"{component}_microjoules" for component in COMPONENTS]]
    frame["energy_microjoules"] = energies.sum(axis=1, min_count=1).astype("Int64")
    frame["half_hour"] = pandas.to_datetime(frame["half_hour_utc_ns"].astype("int64"), utc=True).dt.tz_convert(timezone.key)
    frame["month"] = frame["half_hour"].dt.strftime("%Y-%m").astype("string")
    return frame, dict(ROW_UNITS)


def _of_quarters(rows: Sequence[Row], quarters: frozenset[Quarter] | None, timezone: ZoneInfo) -> Sequence[Row]:
    if quarters is None:
        return rows
    bounds = [each.bounds_ns(timezone) for each in quarters]
    return [row for row in rows if any(start <= row["half_hour_utc_ns"] < end for start, end in bounds)]


def _quarters(given: Any) -> frozenset[Quarter] | None:
    texts = _texts("quarter", given)
    return None if texts is None else frozenset(map(Quarter.parse, texts))


def _texts(name: str, given: Any) -> list[str] | None:
    """Return one text, or several, as a list; None stays None.

    Raises:
        UsageError: it is neither.
    """
    if given is None:
        return None
    texts = [given] if isinstance(given, str) else list(given) if isinstance(given, Sequence) else []
    if not texts or not all(isinstance(each, str) for each in texts):
        raise UsageError(f"{name} = {given!r}: write one text, or a list of texts")
    return texts

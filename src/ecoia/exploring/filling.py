"""Fill the folder that dashboards read: one file a quarter, named by the digest of all that it comes from, then the state.

A file that is there already is not written again, so a closed quarter is computed once, and a filling that was killed goes on
where it stopped. Files are written under another name first, and the state last: readers never see a part.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from ecoia.exploring.data import Data
from ecoia.exploring.publications import keep_publications
from ecoia.exploring.selection import DIMENSIONS, Selection
from ecoia.exploring.state import QUARTERS_FOLDER, STATE_FILE, Filled, State, note, read_state, write_state
from ecoia.exploring.tables import SCHEMA
from ecoia.exploring.writing import QuarterWriter, is_whole, write_answers
from ecoia.impact.inputs import Inputs, factor_lines, keep_catalogue, row_line, zones_that_count
from ecoia.periods import Quarter, utc_datetime
from ecoia.publishing.drafting import Draft, is_over
from ecoia.publishing.publication import Published, publications
from ecoia.records import Row
from ecoia.report import QuarterChange, QuarterlyReport
from ecoia.report.changes import change
from ecoia.semconv import VERSION
from ecoia.settings import Settings

_DIGITS = 24  # of a digest, in names of files
_CATALOGUE = "catalogue-"

Begin = Callable[[int, int, str], None]
"""Called as each step begins: with steps done, steps in all, and the step's name."""


def fill(
    folder: Path,
    inputs: Inputs,
    settings: Settings,
    *,
    source: str,
    source_uri: str = "",
    hints: Sequence[str] = (),
    begin: Begin = lambda done, of, what: None,
) -> State:
    """Fill a folder from some inputs. Equal inputs write no quarter's file a second time.

    Args:
        folder: The folder; created if it is missing.
        inputs: Rows, catalogue and factors.
        settings: ``catalogue`` and ``publications`` are used.
        source: ``ledger`` or ``journal``.
        source_uri: Public address of the store, or the folder of the journal.
        hints: Codes of what may be amiss with the source.
        begin: Called as each step begins.

    Returns:
        The state that readers see from now on.

    Raises:
        CatalogueError: the catalogue is wrong.
        FactorError: a zone has no emission factor.
        PublicationError: a publication cannot be read.
        OSError: the folder cannot be written.

    Example::

        fill(Path(settings.home) / "cache" / "dashboard" / "journal", inputs, settings, source="journal")
    """
    return _Filling(folder, inputs, settings, source, begin).fill(source_uri, tuple(hints))


class _Filling:
    def __init__(self, folder: Path, inputs: Inputs, settings: Settings, source: str, begin: Begin) -> None:
        self._folder, self._begin, self._source = folder, begin, source
        (folder / QUARTERS_FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._catalogue, self._inputs = _kept_catalogue(folder, inputs, settings.catalogue)
        self._publications = settings.publications
        self._chain = publications(Path(self._publications)) if self._publications else []
        self._timezone = ZoneInfo(inputs.settings.timezone)
        self._rows = _by_quarter(inputs.rows, self._timezone)
        self._before = read_state(folder)

    def fill(self, source_uri: str, hints: tuple[str, ...]) -> State:
        """Write the files that are missing, then the state."""
        names = self._names()
        missing = [quarter for quarter, name in names.items() if not is_whole(self._folder / QUARTERS_FOLDER / name)]
        for done, quarter in enumerate(missing):
            self._step(done, len(missing), str(quarter))
            self._write(quarter, self._folder / QUARTERS_FOLDER / names[quarter])
        kept = keep_publications(self._folder, self._publications, self._chain)
        charter = self._inputs.catalogue.charter
        last_ns = max((row["end_utc_ns"] for row in self._inputs.rows), default=None)
        state = State(
            source=self._source,
            source_uri=source_uri,
            organisation=charter.organisation.name if charter else "",
            timezone=self._timezone.key,
            quarters=tuple(map(str, names)),
            filled_utc=_utc(time.time_ns()),
            data_until_utc=None if last_ns is None else _utc(last_ns),
            digest=_digest([self._catalogue, *names.values(), kept.said]),
            gaps=len(self._inputs.gaps),
            hints=hints,
        )
        files = {str(quarter): name for quarter, name in names.items()}
        filled = self._filled(state, files)
        write_state(self._folder, filled)
        _sweep(self._folder, (filled, self._before))
        return state

    def _step(self, done: int, of: int, what: str) -> None:
        """Say what begins, to the caller and to whoever reads the last state meanwhile."""
        self._begin(done, of, what)
        note(self._folder, progress=(done, of, what))

    def _names(self) -> dict[Quarter, str]:
        """Return the name of the file of each quarter with rows, in order."""
        inputs, names, digests = self._inputs, dict[Quarter, str](), list[str]()
        settings = inputs.settings
        common = [SCHEMA, VERSION, QuarterlyReport.method_version, _ecologits(), settings.timezone, settings.zone, settings.pue]
        factors = cache(lambda zones: _digest(factor_lines(inputs.factors, zones)))
        for quarter, rows in self._rows.items():
            end_ns = quarter.bounds_ns(self._timezone)[1]
            digests.append(_digest(sorted(map(row_line, rows))))
            said = {
                "common": common,
                "catalogue": self._catalogue,
                "factors": factors(frozenset(zones_that_count(inputs, quarter))),
                "rows": digests,
                "gaps": [asdict(gap) for gap in inputs.gaps if gap.touches(0, end_ns)],
                "known_until_ns": min(inputs.known_until_utc_ns, end_ns),
                "over": is_over(quarter, settings.timezone),
                "published": [each.head for each in _taken_from(self._chain, quarter)],
            }
            names[quarter] = f"{quarter}-{_digest([json.dumps(said, sort_keys=True)])[:_DIGITS]}.sqlite"
        return names

    def _write(self, quarter: Quarter, path: Path) -> None:
        draft = Draft(self._inputs, quarter, self._chain)
        half_written = path.with_name(f".{path.name}-{os.urandom(4).hex()}")
        try:
            changes = _changes(draft, [each for each in self._rows if each < quarter])
            QuarterWriter(draft.context, self._rows[quarter]).write(half_written, draft.report, changes)
            self._answer(quarter, half_written)
            half_written.replace(path)
        finally:
            half_written.unlink(missing_ok=True)

    def _filled(self, state: State, names: Mapping[str, str]) -> Filled:
        factors = self._inputs.factors.factors
        return Filled(state, names, self._catalogue, self._inputs.settings.pue, astuple(factors[0]) if factors else ())

    def _answer(self, quarter: Quarter, path: Path) -> None:
        """Compute what pages ask for first, from the file itself, and keep it there."""
        data = Data(self._folder, self._filled(State(timezone=self._timezone.key), {str(quarter): path.name}))
        whole = Selection.of_quarter(quarter)
        answers = {"": {"": data.selected(whole)}, **{by: data.parts(whole, by) for by in DIMENSIONS}}
        data.close()
        write_answers(path, answers)


def _changes(draft: Draft, earlier: Iterable[Quarter]) -> list[QuarterChange]:
    """Explain the change against each earlier quarter; the report's own changes are taken as they are."""
    known = {each.reference: each for each in draft.report.changes}
    published = draft.before.micrograms
    return [
        known.get(str(reference)) or change(draft.context, "", reference, published.get(str(reference), {}))
        for reference in earlier
    ]


def _by_quarter(rows: Iterable[Row], timezone: ZoneInfo) -> dict[Quarter, list[Row]]:
    found: dict[Quarter, list[Row]] = {}
    quarter_at: dict[int, Quarter] = {}
    for row in rows:
        half_hour = row["half_hour_utc_ns"]
        quarter = quarter_at.get(half_hour)
        if quarter is None:
            quarter = quarter_at[half_hour] = Quarter.of_instant(half_hour, timezone)
        found.setdefault(quarter, []).append(row)
    return {quarter: found[quarter] for quarter in sorted(found)}


def _kept_catalogue(folder: Path, inputs: Inputs, catalogue_folder: str | None) -> tuple[str, Inputs]:
    """Keep the catalogue's files beside the quarters, and take the catalogue from them: it may be edited meanwhile.

    Returns:
        Name of the folder that keeps them, empty where there is no catalogue; and the inputs.
    """
    if catalogue_folder is None:
        return "", inputs
    from ecoia import catalogue

    draft = folder / f".{_CATALOGUE}{os.urandom(4).hex()}"
    try:
        draft.mkdir()
        keep_catalogue(Path(catalogue_folder), draft, inputs.factors.id)
        paths = sorted(path for path in draft.rglob("*") if path.is_file())
        digests = [f"{path.relative_to(draft)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]
        name = f"{_CATALOGUE}{_digest(digests)[:_DIGITS]}"
        if not (folder / name).is_dir():
            draft.replace(folder / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return name, replace(inputs, catalogue=catalogue.load(folder / name))


def _taken_from(chain: Sequence[Published], quarter: Quarter) -> list[Published]:
    """Return the publications that the report of a quarter may take from: earlier quarters, and the first of all."""
    return [each for index, each in enumerate(chain) if index == 0 or Quarter.parse(each.quarter) < quarter]


def _sweep(folder: Path, kept: Iterable[Filled]) -> None:
    """Remove what neither this state nor the one before names: a reader may still be about to open what the latter names."""
    kept = list(kept)
    files = {name for each in kept for name in each.files.values()}
    for path in (folder / QUARTERS_FOLDER).iterdir():
        if path.name not in files:
            path.unlink(missing_ok=True)
    catalogues = {each.catalogue for each in kept}
    for path in folder.iterdir():
        if path.name != STATE_FILE and path.name.lstrip(".").startswith(_CATALOGUE) and path.name not in catalogues:
            shutil.rmtree(path, ignore_errors=True)


def _digest(texts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()


def _ecologits() -> str | None:
    """Return the version of EcoLogits, whose hypotheses are kept; None where it is not installed."""
    try:
        return importlib.metadata.version("ecologits")
    except importlib.metadata.PackageNotFoundError:
        return None


def _utc(instant_ns: int) -> str:
    return utc_datetime(instant_ns).strftime("%Y-%m-%dT%H:%M:%SZ")

"""``ecoia.show``: a service, or the organisation, as a card of a notebook. Drawn by what is found as entry point ``card``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from ecoia import settings as configuration
from ecoia.errors import EcoiaError, MissingExtraError, UsageError
from ecoia.exploring.drawers import load_drawer
from ecoia.exploring.explorer import Explorer
from ecoia.exploring.places import JOURNAL, LEDGER, SOURCES, folder_of
from ecoia.exploring.state import read_state
from ecoia.instrument.tracking import flush
from ecoia.keeping.helper_start import explicit_environment
from ecoia.periods import Quarter
from ecoia.settings import Settings

LANGUAGES = ("fr", "en")
_FEW = 4
_explorer_of = lru_cache(_FEW)(Explorer)  # it notices by itself what is filled anew
_LOOK_SECONDS = 0.3
_LONGEST_LINE, _MOST_LINES = 100, 5


class Card:
    """Figures as a card: HTML in a notebook, text in a terminal.

    Args:
        text: What a terminal shows.
        html: What a notebook shows: an element without script and without an address that is loaded. Empty: it shows the text.
    """

    def __init__(self, text: str, html: str) -> None:
        self._text, self._html = text, html

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    def _repr_html_(self) -> str | None:
        return self._html or None


class Draw(Protocol):
    """Draws a card; found by the entry point ``card`` (``exploring.drawers``)."""

    def __call__(
        self,
        explorer: Explorer | None,
        service: str | None,
        quarter: Quarter | None,
        *,
        source: str,
        lang: str,
        dashboard_url: str | None,
        trouble: str,
    ) -> Card:
        """Draw the card of a service, or of the organisation where there is none; ``trouble`` is why figures are not up to date.

        Where there is no explorer, the card says the trouble alone.
        """


def show(
    service: str | None = None,
    quarter: str | None = None,
    *,
    source: str = LEDGER,
    lang: str = "fr",
    dashboard_url: str | None = None,
    refresh: bool = False,
) -> Card:
    """Show what a service costs, as a card: the last expression of a notebook's cell displays it.

    The figures are those of the dashboard. They are computed at the first call, by a process of its own, and kept; later calls
    read what is kept. What is missing (records, a service, a setting) is said on the card, with what to do.

    Args:
        service: Id of the service. None: the organisation, with its services.
        quarter: The quarter, such as ``2026Q3``. None: the latest with data.
        source: ``ledger``, the organisation's in MLflow, or ``journal``, this machine's.
        lang: Language of the card, ``fr`` or ``en``.
        dashboard_url: Address of the dashboard, which the card then links to. None: the setting ``dashboard_url``.
        refresh: Compute what changed since the figures were computed.

    Returns:
        The card; ``str`` of it is text.

    Raises:
        UsageError: an argument is illegal. The message names it and its remedy.
        SettingError: the same of ``dashboard_url``.

    Example:
        >>> import ecoia
        >>> ecoia.show("vadore", "2026Q3", source="journal")  # doctest: +SKIP
    """
    chosen = _checked(service, quarter, source, lang)
    settings = configuration.load({"dashboard_url": dashboard_url})
    for problem in settings.problems:
        if problem.origin == "argument":
            raise problem
    try:
        draw: Draw = load_drawer("card", "ecoia.show()")
    except MissingExtraError as error:
        return Card(str(error), "")
    explorer, trouble = _read(settings, source, refresh=refresh)
    return draw(explorer, service, chosen, source=source, lang=lang, dashboard_url=settings.dashboard_url, trouble=trouble)


def _checked(service: object, quarter: object, source: object, lang: object) -> Quarter | None:
    """Check the arguments, before anything is computed, and return the quarter."""
    if service is not None and (not isinstance(service, str) or not service.strip()):
        raise UsageError(f"service = {service!r}: write the id of a service, e.g. 'vadore', or leave it out for all of them")
    if quarter is not None and not isinstance(quarter, str):
        raise UsageError(f"quarter = {quarter!r}: write the year, Q and 1 to 4, as in '2026Q4'")
    for name, value, allowed in (("source", source, SOURCES), ("lang", lang, LANGUAGES)):
        if value not in allowed:
            raise UsageError(f"{name} = {value!r}: choose one of {', '.join(allowed)}")
    return None if quarter is None else Quarter.parse(quarter)


def _read(settings: Settings, source: str, *, refresh: bool) -> tuple[Explorer | None, str]:
    """Return what is filled from a source, and why it is not up to date; empty: it is, as far as we know."""
    try:
        settings.raise_problems()
        folder = folder_of(settings, source)
        explorer = _explorer_of(folder)
        wanted = refresh or not explorer.state.quarters
        trouble = _fill(settings, source, folder) if wanted else ""
    except (EcoiaError, OSError) as error:
        return None, str(error)
    return explorer, trouble


def _fill(settings: Settings, source: str, folder: Path) -> str:
    """Have a process of its own fill the folder: it may need much memory, and may be ended where a store does not answer.

    Returns:
        Why it could not; empty: it did.
    """
    if source == JOURNAL:
        flush()
    command = [sys.executable, "-P", "-m", "ecoia.cli.filling", "--from", source, "--once"]
    environment = explicit_environment(settings)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            _tell_steps(process, folder)
        except BaseException:
            process.kill()
            raise
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if process.returncode == 0:
        return ""
    said_last = " ".join(line.removeprefix("ecoia: ") for line in lines[-_MOST_LINES:])
    return said_last or read_state(folder).state.away or f"exit code {process.returncode}"


def _tell_steps(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for a process, and write on one line of stderr how far it is."""
    told = ""
    while True:
        try:
            process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            done, of, what = read_state(folder).state.progress or (0, 1, "starting")
            line = f"ecoia: computing figures: {what} ({done + 1} of {of})"[:_LONGEST_LINE]
            if line != told:
                print(f"\r{line.ljust(len(told))}", end="", file=sys.stderr, flush=True)
                told = line
        else:
            break
    if told:
        print(f"\r{'':{len(told)}}\r", end="", file=sys.stderr, flush=True)

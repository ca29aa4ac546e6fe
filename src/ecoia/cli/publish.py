"""``ecoia publish``: freeze a finished quarter."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ecoia.cli.common import From, Home, Language, QuarterText, Source, load_settings
from ecoia.cli.formats import chosen_formats, drawn_with, write_formats
from ecoia.cli.reading import build, read
from ecoia.errors import PublicationError, UsageError
from ecoia.periods import utc_datetime
from ecoia.settings import Settings

if TYPE_CHECKING:
    from ecoia.impact.inputs import Inputs
    from ecoia.impact.recalculation import Recalculation
    from ecoia.report import QuarterlyReport

_PASSPHRASE = "ECOIA_KEY_PASSPHRASE"  # noqa: S105 - the name of the variable
DOCUMENTS = "html"

Key = Annotated[
    Path | None, typer.Option("--key", metavar="PEM", help=f"Ed25519 private key to sign with; passphrase in {_PASSPHRASE}.")
]
Formats = Annotated[str, typer.Option("--format", metavar="NAMES", help="Documents to freeze, e.g. html,pdf,xlsx.")]
Incomplete = Annotated[
    str | None,
    typer.Option("--incomplete-ledger", metavar="REASON", help="Publish though ledger days are missing; the reason is printed."),
]
Lang = Annotated[Language, typer.Option("--lang", help="Language of the documents.")]
Timestamp = Annotated[
    str | None,
    typer.Option(
        "--timestamp",
        metavar="URL",
        help="Ask this authority (RFC 3161) for a timestamp.",
        show_default="the setting 'timestamp_authority'",
    ),
]


def publish(
    quarter: QuarterText = None,
    source: From = Source.LEDGER,
    formats: Formats = DOCUMENTS,
    lang: Lang = Language.FR,
    key: Key = None,
    timestamp: Timestamp = None,
    incomplete: Incomplete = None,
    home: Home = None,
) -> None:
    """Freeze a finished quarter: figures, inputs, documents and seal.

    Writes to the folder of the setting 'publications', chained to the previous publication. Put the head that is printed into the
    committee's minutes: the chain, documents included, can be checked against it later.

    [dim]$ ecoia publish --quarter 2026Q3 --format html,pdf --key ecoia.pem[/dim]
    """
    settings = load_settings(home)
    publisher = Publisher(settings, formats, lang, key, timestamp)
    inputs, found = read(settings, quarter, source)
    timezone = ZoneInfo(settings.timezone)
    end_ns = found.bounds_ns(timezone)[1]
    if time.time_ns() < end_ns:
        last_day = utc_datetime(end_ns - 1).astimezone(timezone).date()
        raise PublicationError(f"{found} lasts until {last_day}: publish it when it is over; 'ecoia report' writes the draft")
    publisher.publish(inputs, build(inputs, found, settings, incomplete))


class Publisher:
    """Freezes quarters by the options of a command.

    Args:
        settings: ``publications``, ``catalogue``, ``timezone`` and ``timestamp_authority`` are used.
        formats: The option ``--format``.
        lang: Language of the documents.
        key: The option ``--key``.
        timestamp: The option ``--timestamp``.

    Raises:
        UsageError: no folder is set, a format is not known, or the authority's address is none.
        PublicationError: the key cannot be read, or a publication is not what was published.
    """

    def __init__(self, settings: Settings, formats: str, lang: Language, key: Path | None, timestamp: str | None = None) -> None:
        from ecoia.publishing.signing import read_key
        from ecoia.publishing.timestamping import Authority
        from ecoia.publishing.verification import unaltered

        self._settings = settings
        self._root = publications_folder(settings)
        unaltered(self._root)  # a quarter that is compared with altered publications would be sealed with what they say
        self._formats = chosen_formats(formats)
        self._lang = lang
        self._key = read_key(key, os.environ.get(_PASSPHRASE)) if key else None
        url = timestamp or settings.timestamp_authority
        self._authority = Authority(url) if url else None

    def publish(self, inputs: Inputs, report: QuarterlyReport, recalculation: Recalculation | None = None) -> None:
        """Freeze a quarter, and print its folder and its head.

        Args:
            inputs: The inputs that ``report`` was built from.
            report: The figures.
            recalculation: The difference to what was published, for a quarter that is restated.

        Raises:
            PublicationError: the quarter cannot be published, ledger days are missing and no reason is given, or a document
                cannot be written.
        """
        if report.ledger_gaps and not (report.incomplete_because or "").strip():
            raise PublicationError(
                f"{report.quarter} was not published: {len(report.ledger_gaps)} ledger days up to its end are in no figure, or "
                "in part (named above). Repair them ('ecoia deliver --verify' where they were recorded), or give a reason, which "
                "the publication prints: --incomplete-ledger REASON"
            )
        from ecoia.publishing import publication

        frozen = publication.publish(
            self._root,
            inputs,
            report,
            self._write_documents,
            on=utc_datetime(time.time_ns()).astimezone(ZoneInfo(self._settings.timezone)).date(),
            catalogue_folder=Path(self._settings.catalogue) if self._settings.catalogue else None,
            drawing=publication.Drawing(self._lang.value, {name: drawn_with(name) for name in self._formats}),
            recalculation=recalculation,
            key=self._key,
            authority=self._authority,
        )
        typer.echo(frozen.folder)
        typer.echo(f"{frozen.name}, head for the minutes: {frozen.head}")

    def _write_documents(self, report: QuarterlyReport, folder: Path) -> None:
        _, failed = write_formats(report, self._formats, self._lang.value, folder)
        if failed:
            raise PublicationError(
                f"{report.quarter} was not published, as not every document could be written: {', '.join(failed)}"
            )


def publications_folder(settings: Settings) -> Path:
    """Return the folder of the setting ``publications``.

    Raises:
        UsageError: it is not set; the message shows how to set it.
    """
    if settings.publications is None:
        raise UsageError(
            "setting 'publications' says where frozen quarters stand: write publications = \"publications\" in ecoia.toml"
        )
    return Path(settings.publications)

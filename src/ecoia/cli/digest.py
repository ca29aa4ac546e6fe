"""``ecoia digest``: write the e-mail that sums up a quarter. It is never sent."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from ecoia.cli.common import From, Home, Language, Source, load_settings, replace_file
from ecoia.errors import EcoiaError, UsageError
from ecoia.periods import Quarter

if TYPE_CHECKING:
    from ecoia.exploring import Explorer

_MAIL = "The mail"


class Format(StrEnum):
    """What is written: the mail, or one of its two parts."""

    EML = "eml"
    HTML = "html"
    TEXT = "text"


class Write(Protocol):
    """Writes the mail; found by the entry point ``digest`` (``exploring.drawers``)."""

    def __call__(
        self,
        explorer: Explorer,
        quarter: Quarter | None,
        *,
        lang: str,
        form: str,
        dashboard_url: str | None,
        sender: str,
        recipients: Sequence[str],
    ) -> bytes:
        """Write the mail of a quarter (None: the latest with data); equal figures give equal bytes."""


def digest(
    quarter: Annotated[
        str | None,
        typer.Option("--quarter", metavar="YYYYQn", help="The quarter, e.g. 2026Q4.", show_default="the latest with data"),
    ] = None,
    source: From = Source.LEDGER,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the mail.")] = Language.FR,
    dashboard_url: Annotated[
        str | None,
        typer.Option(
            "--dashboard-url", metavar="URL", help="Address of the dashboard.", show_default="the setting 'dashboard_url'"
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="File to write.", show_default="stdout")] = None,
    form: Annotated[Format, typer.Option("--format", help="The mail, or one of its parts.")] = Format.EML,
    mail_from: Annotated[
        str, typer.Option("--mail-from", metavar="ADDRESS", help="Sender of the mail.", rich_help_panel=_MAIL)
    ] = "",
    mail_to: Annotated[
        list[str] | None,
        typer.Option("--mail-to", metavar="ADDRESS", help="Recipient of the mail; repeat it.", rich_help_panel=_MAIL),
    ] = None,
    home: Home = None,
) -> None:
    """Write the e-mail that sums up a quarter.

    A file that Outlook and Thunderbird open as a mail: text and HTML with the same figures, and links to the dashboard. Nothing
    is sent, and it names nobody who is not given by --mail-from and --mail-to.

    [dim]$ ecoia digest --quarter 2026Q4 --dashboard-url https://ecoia.example.org --to digest.eml[/dim]
    """
    sender = _address("--mail-from", mail_from) if mail_from else ""
    recipients = [_address("--mail-to", each) for each in mail_to or ()]
    settings = load_settings(home, dashboard_url=dashboard_url)
    chosen = None if quarter is None else Quarter.parse(quarter)
    from ecoia.cli.filling import up_to_date
    from ecoia.exploring.drawers import load_drawer

    write: Write = load_drawer("digest", "'ecoia digest'")
    written = write(
        up_to_date(settings, source),
        chosen,
        lang=lang.value,
        form=form.value,
        dashboard_url=settings.dashboard_url,
        sender=sender,
        recipients=recipients,
    )
    if to is None:
        typer.echo(written, nl=False)
        return
    try:
        typer.echo(replace_file(to, written))
    except OSError as error:
        raise EcoiaError(f"'{to}' cannot be written ({error.strerror}): choose another place with --to") from error


def _address(option: str, text: str) -> str:
    """Check an address, so that nobody writes headers through it.

    Raises:
        UsageError: it is no address, or several.
    """
    from email.policy import SMTP

    found: Any = SMTP.header_factory("to", text if text.isprintable() else "")
    whole = [each for each in found.addresses if each.username and each.domain and each.addr_spec.isascii()]
    if found.defects or len(whole) != 1 or len(found.addresses) != 1:
        raise UsageError(f"{option} = {text!r}: write one address, e.g. team@example.org or 'AI team <team@example.org>'")
    return text

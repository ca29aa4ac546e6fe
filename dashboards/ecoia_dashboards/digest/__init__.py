"""Write the e-mail that sums up a quarter: ``ecoia digest`` finds this by its entry point. Nothing is ever sent.

It says what the overview says: it is made of that page's reading and words.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from ecoia.errors import UsageError
from ecoia.exploring import Explorer
from ecoia.periods import Quarter
from ecoia_dashboards.dashboard.address import Address, Period
from ecoia_dashboards.dashboard.drawings import light_colours
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.templating import environment
from ecoia_dashboards.digest.content import Digest, digest_of
from ecoia_dashboards.digest.lines import text_of
from ecoia_dashboards.digest.mail import PICTURE, mail_of
from ecoia_dashboards.language import Language

FORMATS = ("eml", "html", "text")


def write(
    explorer: Explorer,
    quarter: Quarter | None,
    *,
    lang: str,
    form: str,
    dashboard_url: str | None = None,
    sender: str = "",
    recipients: Sequence[str] = (),
) -> bytes:
    """Write the mail; see ``ecoia.cli.digest.Write``.

    Raises:
        UsageError: there is no data of the quarter, or no such format.
        ValueError: an address of the mail holds a line break.

    Example:
        >>> write(explorer, None, lang="fr", form="text").decode()[:8]  # doctest: +SKIP
        '23,9 MWh'
    """
    if form not in FORMATS:
        raise UsageError(f"format = {form!r}: choose one of {', '.join(FORMATS)}")
    language = Language(lang)
    state = explorer.state
    if not state.quarters:
        raise UsageError("nothing was measured yet: 'ecoia doctor' shows what can be measured, 'ecoia deliver' sends what is")
    chosen = Quarter.parse(state.quarters[-1]) if quarter is None else quarter
    explorer.report(str(chosen))  # where there is no data, this names the quarters that have some
    reading = Reading(explorer, Address(period=Period.of_quarter(chosen), lang=lang))
    digest = digest_of(reading, dashboard_url or "", language)
    text = text_of(digest, language)
    if form == "text":
        return text.encode()
    if form == "html":
        picture = f"data:image/png;base64,{b64encode(digest.picture).decode()}" if digest.picture else ""
        return _html(digest, language, picture).encode()
    return mail_of(digest, text, _html(digest, language, f"cid:{PICTURE}"), sender, recipients)


def _html(digest: Digest, language: Language, picture: str) -> str:
    """Draw the HTML part.

    Args:
        digest: What it says.
        language: Its language.
        picture: Address of the picture.
    """
    template = environment(language.code).get_template("digest/mail.html")
    colours = {name.removeprefix("--"): value for name, value in light_colours().items()}
    return template.render(digest=digest, picture=picture, colours=colours)

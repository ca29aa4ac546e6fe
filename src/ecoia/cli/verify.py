"""``ecoia verify``: check that publications are what was published."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import FAILED, print_table, say
from ecoia.cli.formats import drawn_with, write_formats
from ecoia.errors import EcoiaError, PublicationError, UsageError

if TYPE_CHECKING:
    from ecoia.publishing.publication import Published
    from ecoia.report import QuarterlyReport

_HEAD = re.compile("[0-9a-f]{64}")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One publication, or the folder of all of them.")],
    public_key: Annotated[
        list[Path] | None,
        typer.Option("--public-key", metavar="PEM", help="The organisation's public key, obtained separately; may be repeated."),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HEAD", help="The head that stands in the minutes; may be repeated."),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option("--timestamp-authority", metavar="PEM", help="Certificates of the timestamping authority, root included."),
    ] = None,
    compute: Annotated[
        bool, typer.Option("--recompute", help="Also compute the figures and draw the documents again from the frozen inputs.")
    ] = False,
) -> None:
    """Check that publications are what was published.

    Needs nothing but the folder. Names the first difference; the exit code is then 1. An unsigned chain proves nothing without
    the head of the minutes: give it with --head.

    [dim]$ ecoia verify publications --head 5f0c… --public-key ecoia-public.pem[/dim]
    """
    from ecoia.publishing import verification
    from ecoia.publishing.sealed_files import MANIFEST_FILE, reading
    from ecoia.publishing.signing import read_public_key

    heads = [_checked_head(text) for text in head or ()]
    keys = [read_public_key(path) for path in public_key or ()]
    try:
        with reading(folder):
            one = (folder / MANIFEST_FILE).exists()
        checked = [verification.verify(folder, keys)] if one else verification.verify_chain(folder, keys)
        decided = verification.check_heads(checked, heads)
        moments = _timestamps(checked, authority)
    except PublicationError as error:
        say(str(error))
        raise typer.Exit(FAILED) from None
    again = [_Again(each) for each in checked] if compute else []
    _print(checked, again, moments)
    _print_documents(again)
    if not one and (beside := verification.not_covered(folder)):
        say(f"beside the publications stand, covered by no head: {', '.join(ascii(path.name)[1:-1] for path in beside)}")
    _tell_what_is_open(checked, decided, by_key=bool(keys))
    if any(each.figures_differ for each in again):
        say("this version of ecoia computes other figures from the same inputs: 'ecoia recalculate' shows the difference")
    if any(each.failed for each in again):
        raise typer.Exit(FAILED)


def _checked_head(text: str) -> str:
    """Return a head as publications hold it.

    Raises:
        UsageError: it is no SHA-256.
    """
    head = text.strip().lower()
    if _HEAD.fullmatch(head) is None:
        raise UsageError(f"--head {text}: a head has 64 hexadecimal digits: copy all of them from the minutes")
    return head


class _Again:
    """A publication computed and drawn again."""

    def __init__(self, published: Published) -> None:
        from ecoia.publishing import verification
        from ecoia.publishing.redrawing import DIFFERS, redraw

        self.published = published
        if verification.chain_before(published) is None:
            what = "declared changes and what was published earlier"
            say(f"not every publication before {published.name} is here unaltered: {what} are as its figures say, not compared")
        report = verification.recomputed_report(published)
        as_published = verification.is_published(report, published) and verification.bridge_is_published(published)
        self.figures_differ = not as_published
        self.documents = [] if self.figures_differ else redraw(published, report, _draw)
        self.failed = self.figures_differ or any(each.standing == DIFFERS for each in self.documents)


def _draw(report: QuarterlyReport, format_: str, lang: str, folder: Path) -> dict[str, str] | None:
    """Draw one format, as ``redrawing.Draw``."""
    try:
        versions = drawn_with(format_)
    except (EcoiaError, KeyError) as error:
        say(f"the {format_} documents of {report.quarter} cannot be drawn here: {error}")
        return None
    return None if write_formats(report, [format_], lang, folder)[1] else versions


def _timestamps(checked: list[Published], authority: Path | None) -> dict[str, str]:
    """Check the timestamps, and return when each publication existed at the latest, by name.

    Raises:
        PublicationError: a timestamp is missing, of another head, or not the authority's; or certificates are given and nothing
            is timestamped.
        MissingExtraError: a package that reads timestamps is not installed.
    """
    stamped = [each for each in checked if each.timestamp_authority]
    if authority is not None and not stamped:
        raise PublicationError("--timestamp-authority is given, and no publication here has a timestamp")
    if not stamped:
        return {}
    from ecoia.publishing.timestamping import check_timestamp, read_certificates

    certificates = read_certificates(authority) if authority else []
    if not certificates:
        say("without --timestamp-authority, that a timestamp is of its head is checked, not who made it")
    return {each.name: f"{check_timestamp(each.folder, certificates):%Y-%m-%d %H:%M:%S} UTC" for each in stamped}


def _print(checked: list[Published], again: list[_Again], moments: dict[str, str]) -> None:
    rows = []
    for place, each in enumerate(checked):
        recomputed = _again_cells(again[place]) if again else ()
        covered = "all files" if each.head_covers_documents else "figures and inputs"
        stamped = (moments.get(each.name, "no"),) if moments else ()
        rows.append((each.name, each.published_on, each.head, covered, _key_text(each), *stamped, *recomputed))
    more = [*(["timestamped"] if moments else []), *(["figures again", "documents again"] if again else [])]
    columns = ("publication", "published on", "head", "head covers", "signed with", *more)
    print_table("Verified", columns, rows)


def _again_cells(again: _Again) -> tuple[str, str]:
    """Return what came of computing the figures, and of drawing the documents, again."""
    if again.figures_differ:
        return "differs", "not drawn, as the figures differ"
    standings = Counter(each.standing for each in again.documents)
    return "the same", ", ".join(f"{count} {standing}" for standing, count in standings.items()) or "there are none"


def _print_documents(again: list[_Again]) -> None:
    """Print each document that is not the same when it is drawn again."""
    from ecoia.publishing.redrawing import SAME

    rows = [
        (of.published.name, each.path, each.standing, each.why) for of in again for each in of.documents if each.standing != SAME
    ]
    if rows:
        print_table("Documents drawn again that are not the same", ("publication", "document", "bytes", ""), rows)


def _tell_what_is_open(checked: list[Published], decided: Published | None, *, by_key: bool) -> None:
    """Say what the check leaves open."""
    for each in checked:
        if not each.head_covers_documents:
            how = "only its signature vouches for them" if each.signed_with else "nothing here vouches for them"
            say(f"{each.name} is of schema {each.schema}: its head does not cover its documents, and {how}")
    if decided is None and not by_key:
        say("without --head or --public-key, whoever can write to this folder can have made it: give the head of the minutes")
    elif decided is not None and decided is not checked[-1] and not by_key:
        say(f"the head given decides up to {decided.name}; what was published after it needs its own head, or --public-key")


def _key_text(published: Published) -> str:
    from ecoia.publishing.verification import shortened

    return shortened(key) if (key := published.signed_with) else "no key"

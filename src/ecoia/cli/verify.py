"""``ecoia verify``: check that publications are what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecoia.cli.common import FAILED, print_table, say
from ecoia.errors import PublicationError

if TYPE_CHECKING:
    from ecoia.publishing.publication import Published


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One publication, or the folder of all of them.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="PEM", help="The organisation's public key, obtained separately.")
    ] = None,
    compute: Annotated[bool, typer.Option("--recompute", help="Also compute the figures again from the frozen inputs.")] = False,
) -> None:
    """Check that publications are what was published.

    Needs nothing but the folder. Names the first difference; the exit code is then 1.

    [dim]$ ecoia verify publications --public-key ecoia-public.pem[/dim]
    """
    from ecoia.publishing import verification
    from ecoia.publishing.sealed_files import MANIFEST_FILE, reading
    from ecoia.publishing.signing import read_public_key

    given_key = read_public_key(public_key) if public_key else None
    try:
        with reading(folder):
            one = (folder / MANIFEST_FILE).exists()
        checked = [verification.verify(folder, given_key)] if one else verification.verify_chain(folder, given_key)
    except PublicationError as error:
        say(str(error))
        raise typer.Exit(FAILED) from None
    differing = [each for each in checked if compute and not verification.recompute(each)]
    _print(checked, differing, compute=compute)
    if given_key is None:
        say("without --public-key, signatures are checked by the keys that came with them; compare the head with the minutes")
    if differing:
        say("this version of ecoia computes other figures from the same inputs: 'ecoia recalculate' shows the difference")
        raise typer.Exit(FAILED)


def _print(checked: list[Published], differing: list[Published], *, compute: bool) -> None:
    rows = []
    for each in checked:
        recomputed = ("differs" if each in differing else "the same",) if compute else ()
        rows.append((each.name, each.published_on, each.head, _key_text(each), *recomputed))
    columns = ("publication", "published on", "head", "signed with", *(("computed again",) if compute else ()))
    print_table("Verified", columns, rows)


def _key_text(published: Published) -> str:
    """Return the beginning of the public key, enough to tell two keys apart."""
    return f"{key[:12]}…" if (key := published.signed_with) else "no key"

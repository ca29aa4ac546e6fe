"""Make the mail: text and HTML side by side, the picture inside. Equal content gives equal bytes, so it has no date and no id."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from typing import cast

from ecoia_dashboards.digest.content import Digest

PICTURE = "trajectory@ecoia"
"""Id of the picture in the mail."""


def mail_of(digest: Digest, text: str, html: str, sender: str, recipients: Sequence[str]) -> bytes:
    """Make the mail.

    Args:
        digest: What it says.
        text: The same as text.
        html: The same as HTML, which shows the picture by ``PICTURE``.
        sender: Address of the sender; empty: none, whoever sends it fills it in.
        recipients: Addresses; none: whoever sends it fills them in.

    Raises:
        ValueError: an address holds a line break, and so would write a header.
    """
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = digest.subject
    if sender:
        mail["From"] = sender
    if recipients:
        mail["To"] = ", ".join(recipients)
    mail["X-Unsent"] = "1"  # Outlook opens it as a draft
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    if digest.picture:
        page = cast("EmailMessage", mail.get_payload(1))
        page.add_related(digest.picture, "image", "png", cid=f"<{PICTURE}>", disposition="inline", filename="trajectory.png")
    _name_boundaries(mail, sha256(html.encode() + digest.picture).hexdigest()[:32])
    return mail.as_bytes()


def _name_boundaries(mail: EmailMessage, digest: str) -> None:
    """Name the boundaries of the parts by their content: the standard library would draw them at random."""
    for place, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{place}_{digest}")

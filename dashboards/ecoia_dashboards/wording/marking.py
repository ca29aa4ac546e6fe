"""Mark French messages for extraction into the catalogues of translations."""

from __future__ import annotations


def N_(message: str) -> str:  # noqa: N802 - gettext's tools look for this name
    """Mark a message for extraction, unchanged; it is translated where it is shown.

    Example:
        >>> N_("mesuré")
        'mesuré'
    """
    return message

"""Reasons of refusal: why a line of the journal was not read. Each is declared here and nowhere else.

``ecoia journal`` and ``ecoia doctor`` show the reason with file and line.
"""

from __future__ import annotations

REFUSALS: dict[str, str] = {}
"""Every reason for which a line of the journal is refused -> what it means, in the order of declaration."""


def _refusal(reason: str, meaning: str) -> str:
    """Declare a reason of refusal with its meaning, a phrase that completes "refused because"."""
    REFUSALS[reason] = meaning
    return reason


CHECKSUM_MISMATCH = _refusal("checksum-mismatch", "the line is damaged: its checksum is not that of its text")
LINE_TOO_LONG = _refusal("line-too-long", "the line is longer than any record")
NOT_JSON = _refusal("not-json", "the text of the line is not JSON in UTF-8, or holds what no record has")
NO_SCHEMA = _refusal("no-schema", "the line holds no record: no JSON object with a schema number")
NEWER_SCHEMA = _refusal("newer-schema", "a newer ecoia wrote the record: upgrade ecoia to read it")
FIELD_MISSING = _refusal("field-missing", "the record lacks a field that every record has")
WRONG_VALUE = _refusal("wrong-value", "a field of the record has a value that it cannot have")
STREAM_UNREAD = _refusal("stream-unread", "the line that says what the record has in common with others was not read")

"""``charter.yaml``: the organisation, its commitments, and the bodies that keep them alive."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ecoia.catalogue.fields import Model, Slug, Text

CHARTER_FILE = "charter.yaml"


class Organisation(Model):
    """The organisation that reports."""

    id: Slug
    name: Text
    former_name: Text | None = None


class CharterCommitment(Model):
    """A commitment. ``text`` stays null until the organisation adds its own wording: ecoia never invents it."""

    number: Annotated[int, Field(ge=1)]
    id: Slug
    name: Text
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None


class Charter(Model):
    """The charter's title and commitments."""

    title: Text
    commitments: tuple[CharterCommitment, ...] = ()


class GovernanceBody(Model):
    """A body that keeps the charter alive. ``contact`` is the body's, e.g. a shared mailbox."""

    id: Slug
    name: Text
    role: Text | None = None
    members: Text | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    contact: Text | None = None


class CharterFile(Model):
    """``charter.yaml``."""

    organisation: Organisation
    charter: Charter | None = None
    governance: tuple[GovernanceBody, ...] = ()

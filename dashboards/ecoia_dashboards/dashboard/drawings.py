"""Stub until the writer is here."""

from markupsafe import Markup


def draw(figure, *, name, description):
    return Markup('<svg role="img" aria-label="{}"></svg>').format(name)


def standalone(svg, title, source):
    return str(svg)


def patterns():
    return Markup("")

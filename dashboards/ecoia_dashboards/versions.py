"""Tell the versions of what decides the bytes of a document beside the report and ecoia itself.

The module of each format has ``drawn_with()``, which a publication records (``ecoia.cli.formats``).
"""

from __future__ import annotations

import zlib
from importlib.metadata import PackageNotFoundError, version

from ecoia.errors import MissingExtraError

PAGE = ("babel", "jinja2", "markupsafe", "matplotlib", "plotly")
"""Packages that write a page: its words, its template and its figures."""


def versions(*packages: str, compressed: bool = False) -> dict[str, str]:
    """Return the version of each package.

    Args:
        *packages: Names of installed packages.
        compressed: Whether the document is compressed by zlib, whose versions pack the same data in other bytes.

    Raises:
        MissingExtraError: a package is not installed.

    Example:
        >>> versions("jinja2")  # doctest: +SKIP
        {'jinja2': '3.1.6'}
    """
    try:
        found = {package: version(package) for package in packages}
    except PackageNotFoundError as error:
        raise MissingExtraError("this format", str(error.name)) from error
    return found | ({"zlib": zlib.ZLIB_RUNTIME_VERSION} if compressed else {})

"""Arguments that start Chromium."""

from __future__ import annotations

# Without network, profile or graphics card; in a container, the user may have no sandbox.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

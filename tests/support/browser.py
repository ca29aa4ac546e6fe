"""How Chromium is started."""

from __future__ import annotations

# No network, no profile, no graphics card, and a container's user may have no sandbox.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

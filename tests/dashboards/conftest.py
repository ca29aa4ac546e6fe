"""Pages whose images are drawn once."""

from __future__ import annotations

from support.drawings import drawn_once

__all__ = ["drawn_once"]

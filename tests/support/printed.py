"""The words of a PDF where they are printed, read with another library than the one that wrote it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2

MARGINS_MM = (14, 14)
"""Left and right margin of every page of the report (``@page`` in its style sheet)."""
POINTS_PER_MM = 72 / 25.4


@dataclass(frozen=True)
class Word:
    """A word on a page and the box of its letters, in points from the lower left corner."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    def covers(self, other: Word) -> bool:
        """Whether a reader sees the two on top of each other: a point of slack is left for the letters' own side space."""
        across = min(self.right, other.right) - max(self.left, other.left)
        along = min(self.top, other.top) - max(self.bottom, other.bottom)
        return across > 1 and along > 0.3 * min(self.top - self.bottom, other.top - other.bottom)


@dataclass(frozen=True)
class PrintedPage:
    """A page of a PDF: its size in points, its text, and its words."""

    width: float
    height: float
    text: str
    words: tuple[Word, ...]

    def outside(self) -> list[str]:
        """Words that leave the page's margins at the left or right, or the page itself at the top or bottom."""
        left, right = (margin * POINTS_PER_MM for margin in MARGINS_MM)
        return [
            word.text
            for word in self.words
            if word.left < left - 1 or word.right > self.width - right + 1 or word.bottom < 0 or word.top > self.height
        ]

    def overlapping(self) -> list[tuple[str, str]]:
        """Pairs of words that are printed on top of each other."""
        ordered = sorted(self.words, key=lambda word: word.left)
        found = []
        for place, word in enumerate(ordered):
            for other in itertools.takewhile(lambda other, word=word: other.left < word.right, ordered[place + 1 :]):  # type: ignore[misc]
                if word.covers(other):
                    found.append((word.text, other.text))
        return found


def printed(pdf: bytes) -> list[PrintedPage]:
    """Read the pages of a PDF."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [_page(page) for page in document]
    finally:
        document.close()


def _page(page: pypdfium2.PdfPage) -> PrintedPage:
    text = page.get_textpage()
    width, height = page.get_size()
    return PrintedPage(width, height, text.get_text_bounded(), tuple(_words(text)))


def _words(page: pypdfium2.PdfTextPage) -> Iterator[Word]:
    letters: list[tuple[str, tuple[float, float, float, float]]] = []
    for index in range(page.count_chars()):
        letter = page.get_text_range(index, 1)
        if letter.strip():
            letters.append((letter, page.get_charbox(index)))
            continue
        yield from _joined(letters)
        letters = []
    yield from _joined(letters)


def _joined(letters: list[tuple[str, tuple[float, float, float, float]]]) -> Iterator[Word]:
    if letters:
        boxes = [box for _, box in letters]
        yield Word(
            "".join(letter for letter, _ in letters),
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )

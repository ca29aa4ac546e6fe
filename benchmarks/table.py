"""Print the table of a run, in Markdown, from its JSON.

Usage: python benchmarks/table.py [bench-results.json]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def table(results: Mapping[str, Any]) -> str:
    """Return the table, one row per line, medians with their quartiles, then the notes and the machine."""
    peer = f"codecarbon {results['machine']['codecarbon']}"
    rows = [("what", "unit", "ecoia", "target", "", peer, "ratio", "what of codecarbon"), *map(_row, results["lines"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    drawn = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*drawn, "", *_notes(results["lines"]), "", machine(results["machine"])])


def machine(facts: Mapping[str, Any]) -> str:
    """Return one sentence: where and when the run was, and what may have disturbed it."""
    return (
        f"{facts['date']}, {facts['effort']} run of {facts['seconds']:.0f} s: {facts['processor']}, {facts['cores']} cores, "
        f"{facts['system']}, Python {facts['python']}, ecoia {facts['ecoia']}, codecarbon {facts['codecarbon']}. "
        f"Load of the machine before the run {facts['load_before']:.2f}, CPU time stolen or used by others during it "
        f"{facts['others_percent']:.0f} % of all cores."
    )


def _row(line: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        line["what"],
        line["unit"],
        _figure(line["ours"]),
        "" if line["target"] is None else ("= " if line["exact"] else "≤ ") + _number(line["target"]),
        line["verdict"] or "",
        _figure(line["peer"]),
        "" if line["ratio"] is None else f"{_number(line['ratio'])} ×",
        line["peer_what"] or "",
    )


def _figure(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    middle = _number(figure["median"])
    return middle if figure["low"] == figure["high"] else f"{middle} ({_number(figure['low'])} to {_number(figure['high'])})"


def _number(value: float) -> str:
    """Write three significant digits, or a whole number from 100."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _notes(lines: list[Mapping[str, Any]]) -> Iterator[str]:
    for note in dict.fromkeys(line["note"] for line in lines if line["note"]):
        yield f"- {'; '.join(line['what'] for line in lines if line['note'] == note)}: {note}."


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else "bench-results.json").read_text(encoding="utf-8"))))

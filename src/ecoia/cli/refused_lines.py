"""The journal lines that were refused, as ``ecoia journal`` and ``ecoia doctor`` show them: reason, file, line and fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ecoia.keeping.journal import Scan
from ecoia.records.refusals import REFUSALS


def refusals_as_text(scan: Scan, folder: Path) -> Iterator[str]:
    """Yield a line for each reason, with its meaning, then one for each refused line that the scan kept.

    Args:
        scan: Result of reading the journal.
        folder: Folder of the journal's files, for paths that can be opened as they are shown.
    """
    for reason, meaning in REFUSALS.items():
        count = scan.refused[reason]
        if not count:
            continue
        yield f"{reason}: {count} line{'' if count == 1 else 's'} ({meaning})"
        kept = [refusal for refusal in scan.refusals if refusal.reason == reason]
        for refusal in kept:
            yield f"  {folder / refusal.file}:{refusal.line}: {refusal.problem}"
        if len(kept) < count:
            yield f"  and {count - len(kept)} more"


def refusals_as_json(scan: Scan) -> Iterator[str]:
    """Yield one JSON object for each refused line that the scan kept.

    Its keys: ``refused`` (the reason), ``meaning``, ``file`` (path below ``journal/``), ``line`` and ``problem``.
    """
    for refusal in scan.refusals:
        shown = {
            "refused": refusal.reason,
            "meaning": REFUSALS[refusal.reason],
            "file": refusal.file,
            "line": refusal.line,
            "problem": refusal.problem,
        }
        yield json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

"""The whole report as data, against the version that a person last reviewed: no figure, code or name changes unseen.

After an intended change: ``GOLDEN=write python -m pytest tests/report/test_golden.py``, then read the difference.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from support.reports import full_report

GOLDEN = Path(__file__).parent / "golden" / "report.json"


def data_of(folder: Path) -> Any:
    """The data of a report with a line in every part, its record ids counted from 0."""
    text = full_report(folder).to_json()
    names: dict[str, str] = {}
    for found in sorted(set(re.findall(r"record-\d{6}", text))):
        names[found] = f"record-{len(names):06d}"
    return json.loads(re.sub(r"record-\d{6}", lambda found: names[found[0]], text))


def differences(now: Any, then: Any, where: str = "") -> list[str]:
    """List the differences of two reports; numbers are compared to nine digits, as machines round the last ones differently."""
    if isinstance(now, dict) and isinstance(then, dict):
        keys = sorted({*now, *then})
        return [line for key in keys for line in differences(now.get(key, "(none)"), then.get(key, "(none)"), f"{where}.{key}")]
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [line for i, (a, b) in enumerate(zip(now, then, strict=True)) for line in differences(a, b, f"{where}[{i}]")]
    if isinstance(now, float) and isinstance(then, float) and now == pytest.approx(then, rel=1e-9):
        return []
    return [] if now == then else [f"{where}: {then!r} is now {now!r}"]


def test_the_report_is_what_it_was(tmp_path: Path) -> None:
    now = data_of(tmp_path)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(now, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert differences(now, json.loads(GOLDEN.read_text(encoding="utf-8"))) == []

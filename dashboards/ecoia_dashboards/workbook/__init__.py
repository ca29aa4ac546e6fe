"""Write the catalogue as one XLSX workbook, for people who fill it in without YAML, and read it back.

``sheets`` declares the sheets and columns, ``cells`` shows and understands a value, and ``tables`` maps the catalogue to lines.
``writing`` writes the workbook, on ``book`` and ``validations``. ``reading`` reads it back: ``filled`` reads its cells,
``merging`` finds the changes, and ``mistakes`` places each mistake at its cell. The entry point ``ecoia.forms`` finds it.
"""

from __future__ import annotations

from ecoia_dashboards.workbook.reading import FileChange, Reading, read_workbook
from ecoia_dashboards.workbook.writing import write_evaluation, write_workbook

__all__ = ["FileChange", "Reading", "read_workbook", "write_evaluation", "write_workbook"]

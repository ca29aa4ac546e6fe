"""The catalogue as one XLSX workbook, for who fills it in without YAML: written from the folder, read back into it.

``sheets`` says which sheets and columns there are, ``cells`` how a value is shown and understood, ``tables`` what the catalogue
holds of each sheet, ``writing`` and ``reading`` what their names say. Found by the entry point ``ecoia.forms``.
"""

from __future__ import annotations

from ecoia_dashboards.workbook.reading import FileChange, Reading, read_workbook
from ecoia_dashboards.workbook.writing import write_evaluation, write_workbook

__all__ = ["FileChange", "Reading", "read_workbook", "write_evaluation", "write_workbook"]

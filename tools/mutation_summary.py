"""Show what `make mutate` found: by module how many mutations the tests noticed, and each one that they did not, with its line.

Usage: mutation_summary.py [MODULE...]   (a part of the module's path; in the folder that holds ``mutants``)
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

NOTICED = ("killed", "timeout", "segfault", "caught by type check")
"""A mutation that ends the program, or keeps it from ending, was noticed too."""


def changed_line(source: Path, name: str) -> tuple[int, str]:
    """Return the number of the line that a mutation changed (0 where it cannot be found), and what became of it."""
    diff = get_diff_for_mutant(name, path=source).splitlines()[2:]
    removed = next((line[1:] for line in diff if line.startswith("-")), "")
    shown = "\n".join(f"      {line}" for line in diff if line[:1] in ("-", "+"))
    function = name.rsplit("ǁ", 1)[-1] if "ǁ" in name else name.rsplit(".x_", 1)[-1]
    function = function.rsplit("__mutmut_", 1)[0]
    lines = source.read_text(encoding="utf-8").splitlines()
    begin = next((number for number, line in enumerate(lines) if line.strip().startswith(f"def {function}(")), 0)
    number = next((n for n, line in enumerate(lines[begin:], begin + 1) if line.strip() == removed.strip()), 0)
    return number, shown


def found(parts: list[str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give each module's source, and the status of its mutations by name."""
    for meta in sorted(Path("mutants").rglob("*.py.meta")):
        source = meta.relative_to("mutants").with_suffix("")
        results = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if results and (not parts or any(part in str(source) for part in parts)):
            yield source, {name: status_by_exit_code[code] for name, code in results.items()}


def main(parts: list[str]) -> None:
    table = []
    for source, statuses in found(parts):
        counts = Counter("noticed" if status in NOTICED else status for status in statuses.values())
        others = ", ".join(f"{count} {status}" for status, count in counts.items() if status != "noticed")
        table.append(f"{source!s:44} {counts['noticed']:5} noticed  {others}")
        for name, status in statuses.items():
            if status in ("survived", "no tests", "suspicious"):
                number, shown = changed_line(source, name)
                print(f"{source}:{number}: {status}: {name}\n{shown}")
    print(*table, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Make ``src/ecoia/meters/server_share.csv`` from results of SPECpower_ssj2008 and lists of processors.

    python tools/server_share_table.py DATA SPECpower-2026-03-09.csv > src/ecoia/meters/server_share.csv

DATA is the folder ``data`` of the repository cloud-carbon-footprint/ccf-coefficients on GitHub. It holds the results, and one
list of processors' names for each generation. A blank name is refused: as a pattern it would match nearly every server. A
result whose numbers of chips, cores and threads contradict each other is refused too. Both are named on standard error.
"""

from __future__ import annotations

import csv
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LISTS = {
    "haswell": "intel-haswell",
    "broadwell": "intel-broadwell",
    "skylake": "intel-skylake-server",
    "cascadelake": "intel-cascadelake",
    "icelake": "intel-icelake",
    "sapphirerapids": "intel-sapphirerapids",
    "emeraldrapids": "intel-emeraldrapids",
    "graniterapids": "intel-graniterapids",
    "zen1": "amd-epyc-gen1",
    "zen2": "amd-epyc-gen2",
    "zen3": "amd-epyc-gen3",
    "zen4": "amd-epyc-gen4",
    "zen5": "amd-epyc-gen5",
    "neoverse-n1": "amd-neoverse-n1",
}
"""The list of names of each generation."""

_INTEL = ("skylake", "cascadelake", "icelake", "sapphirerapids", "emeraldrapids", "graniterapids")
_AMD = ("zen1", "zen2", "zen3", "zen4", "zen5")
GROUPS = {"intel": _INTEL, "amd": _AMD, "arm": ("neoverse-n1",), "generic": (*_INTEL, *_AMD)}
"""Generations that stand for a maker, and for all; each has the same weight."""

LEAST_THREADS = 32
OTHER_ARM = 1.2
"""Factor on the spread of ``neoverse-n1`` where it stands for every ARM processor: an assumption."""

_DESKTOP = re.compile(r"\bEPYC 4\d{3}|\bi[3579]-|\bE3-|Xeon E-|Intel Core ", re.IGNORECASE)

HEADER = """\
# Power of a server at the wall, per hardware thread, at rest and at full load, by generation of its processor.
# SPECpower_ssj is a trademark of the Standard Performance Evaluation Corporation (SPEC). These are averages of ours, derived on
# 2026-11-30 from SPECpower_ssj2008 results published at www.spec.org as of 9 March 2026; they are no SPEC metric, and compare no
# products. Results as collected in cloud-carbon-footprint/ccf-coefficients, commit b0032d9. Made by tools/server_share_table.py:
# geometric means over servers of 32 threads or more; gib: median memory per thread; n: servers; models: processors;
# gsd_half: geometric standard deviation at half load. intel, amd, generic: mean over the generations from Skylake and Zen on.
# arm is neoverse-n1, with a spread 20 % wider.
"""


class Server(NamedTuple):
    """One result: watts and gibibytes per hardware thread, the processor, the year of publication."""

    idle_watts: float
    max_watts: float
    gibibytes: float
    processor: str
    year: str


class Row(NamedTuple):
    """One row of the table."""

    idle_watts: float
    max_watts: float
    gibibytes: float
    servers: int
    models: int
    first_year: str
    last_year: str
    gsd_half: float

    def text(self, name: str) -> str:
        """Return the line of the table."""
        numbers = f"{self.idle_watts:.2f},{self.max_watts:.2f},{self.gibibytes:.1f},{self.servers},{self.models}"
        return f"{name},{numbers},{self.first_year}-{self.last_year},{self.gsd_half:.2f}"


def pattern(file: Path, refused: Callable[[str], None]) -> re.Pattern[str]:
    """Return a pattern that finds the processors of a list at the end of a description.

    Args:
        file: One name a line.
        refused: Told of blank names.

    Raises:
        ValueError: The list has no name.
    """
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    names = [line for line in lines if line]
    if len(names) < len(lines):
        refused(f"{file.name}: {len(lines) - len(names)} blank names")
    if not names:
        raise ValueError(f"{file.name}: no name")
    return re.compile("|".join(rf"\b{re.escape(name)}$" for name in names), re.IGNORECASE)


def servers(results: Iterable[Mapping[str, str]], named: re.Pattern[str], refused: Callable[[str], None]) -> list[Server]:
    """Return the servers with one of these processors, per hardware thread.

    Args:
        results: Rows of the results' file.
        named: Pattern of the processors.
        refused: Told of each result whose counts contradict each other.
    """
    found = []
    for result in results:
        processor = result["CPU Description"].rstrip(", ")
        idle_watts, max_watts = _number(result["avg. watts @ active idle"]), _number(result["avg. watts @ 100%"])
        if not named.search(processor) or _DESKTOP.search(processor) or not idle_watts or not max_watts:
            continue
        names = ("# Cores", "Chips", "# Cores Per Chip", "# Threads Per Core", "Total Threads")
        cores, chips, cores_per_chip, threads_per_core, threads = (float(result[name]) for name in names)
        if threads != cores * threads_per_core or cores != chips * cores_per_chip:
            refused(f"{result['System']} ({processor}): chips, cores and threads contradict each other")
        elif threads >= LEAST_THREADS:
            gibibytes = float(result["Total Memory (GB)"]) / threads
            found.append(Server(idle_watts / threads, max_watts / threads, gibibytes, processor, result["Published"][-4:]))
    return found


def average(found: Sequence[Server]) -> Row:
    """Return the row of some servers."""
    years = [each.year for each in found]
    return Row(
        statistics.geometric_mean(each.idle_watts for each in found),
        statistics.geometric_mean(each.max_watts for each in found),
        statistics.median(each.gibibytes for each in found if each.gibibytes > 0.05),  # some results leave it out
        len(found),
        len({each.processor for each in found}),
        min(years),
        max(years),
        _spread([(each.idle_watts + each.max_watts) / 2 for each in found]),
    )


def combine(rows: Sequence[Row]) -> Row:
    """Return the row that stands for several, each with the same weight; for one, with a wider spread."""
    halves = [(row.idle_watts + row.max_watts) / 2 for row in rows]
    return Row(
        statistics.geometric_mean(row.idle_watts for row in rows),
        statistics.geometric_mean(row.max_watts for row in rows),
        statistics.mean(row.gibibytes for row in rows),
        sum(row.servers for row in rows),
        sum(row.models for row in rows),
        min(row.first_year for row in rows),
        max(row.last_year for row in rows),
        _spread(halves) if len(rows) > 1 else rows[0].gsd_half * OTHER_ARM,
    )


def table(data: Path, results_name: str, refused: Callable[[str], None]) -> str:
    """Return the whole file.

    Args:
        data: Folder of the lists and the results.
        results_name: Name of the results' file.
        refused: Told of what is refused, in words.
    """
    with (data / results_name).open(encoding="utf-8", newline="") as file:
        results = list(csv.DictReader(file))
    rows = {name: average(servers(results, pattern(data / f"{each}.csv", refused), refused)) for name, each in LISTS.items()}
    rows |= {name: combine([rows[each] for each in members]) for name, members in GROUPS.items()}
    lines = [row.text(name) for name, row in rows.items()]
    return HEADER + "\n".join(["row,idle_w,max_w,gib,n,models,published,gsd_half", *lines]) + "\n"


def _number(text: str) -> float | None:
    return float(text) if text not in ("", "NC") else None


def _spread(values: Sequence[float]) -> float:
    return math.exp(statistics.stdev(map(math.log, values)))


def main() -> None:
    """Write the table to standard output, and what was refused to standard error."""
    sys.stdout.write(table(Path(sys.argv[1]), sys.argv[2], lambda what: print(f"refused: {what}", file=sys.stderr)))


if __name__ == "__main__":
    main()

"""Write the tables that ecoia takes from codecarbon: thermal design powers and yearly emission factors.

Run it with the pinned release installed (``.venv/bin/python tools/codecarbon_tables.py``). ``tests/meters/test_models.py`` and
``tests/factors/test_factors.py`` compare the written files with the installed release, so a forgotten run fails there.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ecoia.meters.tdp import words
from ecoia.semconv import CODECARBON_RELEASE

_SOURCES = Path(__file__).resolve().parent.parent / "src" / "ecoia"


def main() -> None:
    """Write both tables in place."""
    installed = version("codecarbon")
    if installed != CODECARBON_RELEASE:
        raise SystemExit(f"codecarbon {installed} is installed: set semconv.CODECARBON_RELEASE, {CODECARBON_RELEASE} now, first")
    spec = find_spec("codecarbon")
    assert spec is not None and spec.origin is not None
    data = Path(spec.origin).parent / "data"
    (_SOURCES / "meters" / "tdp.csv").write_text(tdp_table(data / "hardware" / "cpu_power.csv"), encoding="utf-8")
    factors = data / "private_infra" / "global_energy_mix.json"
    (_SOURCES / "factors" / "codecarbon.csv").write_text(factor_table(factors), encoding="utf-8")


def tdp_table(source: Path) -> str:
    """Return the text of ``tdp.csv``: per processor its words, the rarest word with a digit first, and its watts.

    Left out are rows that can name no single model (one word, or no digit) and rows without a usable number.
    """
    with source.open(encoding="utf-8", newline="") as file:
        rows = [(words(row["Name"]), row["TDP"]) for row in csv.DictReader(file)]
    count = Counter(word for found, _ in rows for word in found)
    lines = set()
    for found, text in rows:
        keys = sorted((word for word in found if any(char.isdigit() for char in word)), key=lambda word: (count[word], word))
        watts = _number(text)
        if len(found) >= 2 and keys and watts is not None:
            lines.add(f"{keys[0]} {' '.join(sorted(found - {keys[0]}))},{watts:g}")
    head = [
        "Thermal design powers of processors, in watts: the words of each name in lower case, and its power.",
        f"source: codecarbon {CODECARBON_RELEASE}, data/hardware/cpu_power.csv (https://github.com/mlco2/codecarbon)",
        "licence: MIT (see NOTICE); codecarbon collected the figures from the data sheets of Intel, AMD and others",
        "written by tools/codecarbon_tables.py: do not edit",
    ]
    return "".join(f"# {line}\n" for line in head) + "words,watts\n" + "".join(f"{line}\n" for line in sorted(lines))


def _number(text: str) -> float | None:
    # Some old models have "27.29.5" or "0.0": their power is unknown, not zero.
    try:
        watts = float(text)
    except ValueError:
        return None
    return watts if watts > 0 else None


def factor_table(source: Path) -> str:
    """Return the text of ``codecarbon.csv``: the latest year of each country. A 0 is a gap in the source, and left out."""
    table = json.loads(source.read_text(encoding="utf-8"))
    lines = [
        f"{zone},{int(entry['year'])},{float(entry['carbon_intensity'])!r}"
        for zone, entry in sorted(table.items())
        if float(entry["carbon_intensity"]) > 0
    ]
    head = [
        "Emission factors of electricity by country, latest year: life cycle, of what is generated in the country.",
        f"source: codecarbon {CODECARBON_RELEASE}, data/private_infra/global_energy_mix.json (https://github.com/mlco2/codecarbon),"
        " made from Our World in Data's energy data set, whose carbon_intensity_elec comes from Ember (yearly electricity data)",
        "licence: CC BY 4.0 (the data), MIT (the file; see NOTICE)",
        "written by tools/codecarbon_tables.py: do not edit",
    ]
    return "".join(f"# {line}\n" for line in head) + "zone,year,gco2e_per_kwh\n" + "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()

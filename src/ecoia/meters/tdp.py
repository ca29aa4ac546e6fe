"""Thermal design powers (TDP) of processors, found by name in ``tdp.csv``, which ``tools/codecarbon_tables.py`` makes."""

from __future__ import annotations

import os

_TABLE = os.path.join(os.path.dirname(__file__), "tdp.csv")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_NOISE = ("cpu", "processor")


def words(name: str) -> frozenset[str]:
    """Return the words that identify a processor: in lower case, without marks, frequency, number of cores and graphics.

    Example:
        >>> sorted(words("AMD EPYC 7763 64-Core Processor"))
        ['7763', 'amd', 'epyc']
    """
    text = name.lower().partition("@")[0].partition("with radeon")[0].replace("(r)", " ").replace("(tm)", " ")
    found = "".join(char if char in _LETTERS else " " for char in text).split()
    return frozenset(word for word in found if word not in _NOISE and not _is_core_count(word))


def _is_core_count(word: str) -> bool:
    number, hyphen, what = word.partition("-")
    return hyphen != "" and what == "core" and number.isdigit()


def tdp_watts(name: str) -> float | None:
    """Return the thermal design power of a processor's package; None if no single entry of the table names it.

    An entry names the processor if the name holds all words of the entry. Of several entries, the one with the most words counts.

    Args:
        name: Name of the processor, as ``/proc/cpuinfo`` writes it.

    Example:
        >>> tdp_watts("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz")
        65.0
    """
    known = words(name)
    with open(_TABLE, encoding="utf-8") as file:
        table = file.read()
    best, watts = 0, set[float]()
    for word in known:
        at = 0
        # Each line begins with a word of its entry, so only the lines of the words at hand are looked at.
        while (at := table.find(f"\n{word} ", at)) >= 0:
            at += 1
            entry, _, power = table[at : table.index("\n", at)].partition(",")
            needed = entry.split(" ")
            if len(needed) >= best and known.issuperset(needed):
                if len(needed) > best:
                    best, watts = len(needed), set()
                watts.add(float(power))
    return watts.pop() if len(watts) == 1 else None

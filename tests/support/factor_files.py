"""Files of emission factors as publishers write them."""

from __future__ import annotations


def generic(*lines: str, header: str = "zone,start,end,gco2e_per_kwh") -> str:
    return "\n".join((header, *lines)) + "\n"


XLS_HEADER = (
    "Périmètre\tNature\tDate\tHeures\tConsommation\tPrévision J-1\tPrévision J\tFioul\tCharbon\tGaz\tNucléaire\tEolien\tSolaire"
    "\tHydraulique\tPompage\tBioénergies\tEch. physiques\tTaux de Co2\tEch. comm. Angleterre\t"
)


NOTICE = "RTE ne pourra être tenu responsable de l'usage qui pourrait être fait des données mises à disposition"


def xls(rows: list[tuple[str, str, str]]) -> str:
    """Return a file as RTE's site gives it: tabs, CP1252, a tab at the end of each line, a notice at the end of the file."""
    lines = [
        f"France\tDonnées consolidées\t{day}\t{time}\t52000\t51000\t52100\t120\t0\t1500\t41000\t3000\t0\t5000\t-500\t900"
        f"\t-900\t{rate}\t-1000\t"
        for day, time, rate in rows
    ]
    return "\n".join((XLS_HEADER, *lines, NOTICE)) + "\n"

"""Name services as readers know them, and the files of a report."""

from __future__ import annotations

from ecoia.report import QuarterlyReport


def service_names(report: QuarterlyReport) -> dict[str, str]:
    """Map the id of each service to its name; services that share a name keep their ids beside it.

    Example:
        >>> service_names(report)["vadore"]  # doctest: +SKIP
        'VADORE'
    """
    names = {entry.id: entry.name for entry in report.register}
    return {key: name if list(names.values()).count(name) == 1 else f"{name} ({key})" for key, name in names.items()}


def report_name(report: QuarterlyReport) -> str:
    """Name the files of a report: by its quarter, or by its publication where the quarter is restated.

    Example:
        >>> report_name(report)  # doctest: +SKIP
        'rapport-2026Q3'
    """
    return f"rapport-{report.seal.name if report.seal else report.quarter}"

"""The descriptions that ecoia writes on runs and experiments, in Markdown. ``note_change`` says where it may write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ecoia import semconv
from ecoia.delivery.breakdown import COMPONENT, OUTSIDE, RANK, Facts, Line
from ecoia.readable.run_line import RunFigures, energy_text, mass_text, number, run_line
from ecoia.units import MICROJOULES_PER_WH

LEDGER_NOTE = (
    "ecoia: the account that `ecoia report` reads, a run an instance and UTC day, later one a month.\n\n"
    "The figures of a run of yours are on that run. The metrics here (`ecoia/ledger/...`) hold the same energy: "
    "never add the two. "
    "A run deleted here is missing in reports until `ecoia deliver` restores it."
)


def ledger_day_note(instance: str, day: str) -> str:
    """Return the description of a ledger run.

    Example:
        >>> ledger_day_note("host-1", "2026-09-24").partition(".")[0]
        'ecoia: the account of host-1 on 2026-09-24 (UTC), all services together'
    """
    return (
        f"ecoia: the account of {instance} on {day} (UTC), all services together. The same energy is on the runs of your "
        "experiments, so never add the two. Reports read the artifact `records.jsonl.gz`."
    )


def ledger_month_note(instance: str, month: str) -> str:
    """Return the description of a ledger run that holds a month.

    Example:
        >>> ledger_month_note("host-1", "2026-09").partition(".")[0]
        'ecoia: the account of host-1 in 2026-09 (UTC), all services together'
    """
    return (
        f"ecoia: the account of {instance} in {month} (UTC), all services together. The same energy is on the runs of your "
        "experiments, so never add the two. Reports read the artifact `rows.jsonl.gz`."
    )


def service_note(service: str) -> str:
    """Return the description of the experiment that ecoia makes for a service.

    Example:
        >>> service_note("vadore").partition(".")[0]
        'ecoia: energy of the service vadore outside of your own runs'
    """
    return (
        f"ecoia: energy of the service {service} outside of your own runs.\n\n"
        "A run here is a day of inference on one host, or work that ran without an MLflow run. The energy of training with a run "
        "is on that run. Deleting a run here changes no report."
    )


def run_note(figures: RunFigures, lines: Sequence[Line], facts: Facts, outcome: str | None, factor: str | None) -> str:
    """Write the description of a run. Its first line says all; MLflow folds the rest.

    Args:
        figures: The figures of its first line.
        lines: The lines of its table.
        facts: What MLflow knows of it.
        outcome: How it ended.
        factor: Its tag ``ecoia.factor``.
    """
    total = figures.total_microjoules
    parts = [run_line(figures)]
    components = [line for line in lines if line["part"] == COMPONENT]
    if components:
        parts.append(_table(components))
    if outcome == "failed" and total:
        parts.append(f"The run failed: its {energy_text(total)} gave no result.")
    elif facts.failed_microjoules and total:
        share = number(100 * facts.failed_microjoules / total, 2)
        parts.append(f"Of it, {energy_text(facts.failed_microjoules)} ({share} %) went into runs below it that failed.")
    if facts.children:
        parts.append(
            f"The figures cover {len(facts.children)} runs below it, whose own are part of these (tag `{semconv.TAG_SHARE_OF}`)."
        )
    parts += _imbalance([line for line in lines if line["part"] == RANK])
    for line in lines:
        if line["part"] == OUTSIDE and line["energy_wh"] is not None:
            around = energy_text(line["energy_wh"] * MICROJOULES_PER_WH)
            parts.append(f"Around it, its program used {around} more (imports, say), which are not part of these figures.")
    if factor:
        parts.append(f"CO2e: {factor.replace('|', '/')}. Brackets: 95 % interval.")
    parts.append("More: artifact `ecoia/impact.html`.")
    return "\n\n".join(parts)


def _imbalance(ranks: Sequence[Line]) -> list[str]:
    """Say how unevenly the ranks of a job worked; nothing for a run of one rank."""
    known = [line for line in ranks if line["energy_wh"] is not None]
    total = sum(line["energy_wh"] for line in known)
    if len(known) < 2 or not total:
        return []
    dearest = max(known, key=lambda line: line["energy_wh"])
    above = 100 * (dearest["energy_wh"] * len(known) / total - 1)
    return [f"It ran in {len(known)} ranks. Rank {dearest['name']} used most, {number(above, 2)} % more than their mean."]


def _table(components: Iterable[Line]) -> str:
    head = "| component | energy | share | method |\n|---|---:|---:|---|"
    body = [
        f"| {line['name']} | {energy_text(line['energy_wh'] * MICROJOULES_PER_WH)} | "
        f"{'' if line['share_percent'] is None else number(line['share_percent'], 2)} % | {line['method']} |"
        for line in components
    ]
    return "\n".join([head, *body])


class ExperimentFigures(NamedTuple):
    """The figures of an experiment, of its root runs together.

    Attributes:
        runs: How many there are.
        energy_wh: Their energy.
        failed_wh: The part of it that went into runs that failed.
        co2e_g: The CO2e of those where it is known; None: of none.
        runs_with_co2e: How many these are.
        since: The UTC day on which the first began.
    """

    runs: int
    energy_wh: float
    failed_wh: float
    co2e_g: float | None
    runs_with_co2e: int
    since: str


def experiment_note(figures: ExperimentFigures) -> str:
    """Write the description of an experiment, one line.

    Example:
        >>> experiment_note(ExperimentFigures(2, 2000, 500, 90, 1, "2026-10-01"))
        'ecoia: 2.00 kWh, 90 g CO2e (known for 1 of 2), in 2 runs since 2026-10-01, 25 % of it in failed runs'
    """
    text = f"ecoia: {energy_text(figures.energy_wh * MICROJOULES_PER_WH)}"
    if figures.co2e_g is not None:
        part = f" (known for {figures.runs_with_co2e} of {figures.runs})," if figures.runs_with_co2e < figures.runs else ""
        text += f", {mass_text(figures.co2e_g)} CO2e{part}"
    text += f" in {figures.runs} run{'s' if figures.runs > 1 else ''} since {figures.since}"
    failed = figures.failed_wh and figures.energy_wh
    return text + (f", {number(100 * figures.failed_wh / figures.energy_wh, 2)} % of it in failed runs" if failed else "")

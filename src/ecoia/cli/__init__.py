"""The command line, ``ecoia ...``: one module a command, of the same name (``ecoia.cli.doctor`` is ``ecoia doctor``;
``import`` is a word of Python, so it is ``import_history``).

A command imports slow packages in its own body, so that starting ``ecoia`` loads none of them. Beside the commands: ``common``
(errors, settings, journal, tables), ``reading`` (inputs of figures), ``trainings`` (what a training took), ``quantities``
(cells), ``formats`` (files of a report), ``frontier_texts``, ``filling`` (what dashboards read) and ``forms`` (workbooks of other
distributions).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ecoia.cli import (
    baseline,
    calibrate,
    check,
    compact,
    compare,
    config,
    crosscheck,
    dashboard,
    declare,
    deliver,
    digest,
    doctor,
    evaluate,
    export,
    factors,
    frontier,
    import_history,
    init,
    journal,
    llm,
    metrics,
    project,
    publish,
    recalculate,
    report,
    run,
    runs,
    services,
    verify,
    watch,
    workbook,
)
from ecoia.cli.common import Commands

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Commands,
    name="ecoia",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings: ecoia.toml, \\[tool.ecoia] of pyproject.toml, or ECOIA_* (list them with 'ecoia config').",
)


def _version(wanted: bool) -> None:
    if wanted:
        from ecoia.semconv import VERSION

        typer.echo(f"ecoia {VERSION}")
        raise typer.Exit


@app.callback()
def _ecoia(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Measure what AI services cost the environment, quarter after quarter.

    [dim]$ ecoia run --service vadore --phase training -- python train.py[/dim]

    [dim]$ ecoia report --quarter 2026Q4[/dim]
    """


MEASURE, REPORT, SET_UP = "Measure", "Report", "Set up"  # panels of 'ecoia --help'

app.command("run", rich_help_panel=MEASURE, context_settings={"allow_interspersed_args": False})(run.run)
app.command("watch", rich_help_panel=MEASURE)(watch.watch)
app.command("journal", rich_help_panel=MEASURE)(journal.journal)
app.command("runs", rich_help_panel=MEASURE)(runs.runs)
app.command("compare", rich_help_panel=MEASURE)(compare.compare)
app.command("frontier", rich_help_panel=MEASURE)(frontier.frontier)
app.command("declare", rich_help_panel=MEASURE)(declare.declare)
app.command("import", rich_help_panel=MEASURE)(import_history.import_history)
app.add_typer(llm.group, name="llm", rich_help_panel=MEASURE)
app.command("metrics", rich_help_panel=MEASURE)(metrics.metrics)
app.command("report", rich_help_panel=REPORT)(report.report)
app.command("dashboard", rich_help_panel=REPORT)(dashboard.dashboard)
app.command("digest", rich_help_panel=REPORT)(digest.digest)
app.command("services", rich_help_panel=REPORT)(services.services)
app.command("project", rich_help_panel=REPORT)(project.project)
app.command("deliver", rich_help_panel=REPORT)(deliver.deliver)
app.command("compact", rich_help_panel=REPORT)(compact.compact)
app.add_typer(export.group, name="export", rich_help_panel=REPORT)
app.command("crosscheck", rich_help_panel=REPORT)(crosscheck.crosscheck)
app.command("publish", rich_help_panel=REPORT)(publish.publish)
app.command("verify", rich_help_panel=REPORT)(verify.verify)
app.command("recalculate", rich_help_panel=REPORT)(recalculate.recalculate)
app.command("check", rich_help_panel=REPORT)(check.check)
app.add_typer(factors.group, name="factors", rich_help_panel=REPORT)
app.command("workbook", rich_help_panel=REPORT)(workbook.workbook)
app.command("evaluate", rich_help_panel=REPORT)(evaluate.evaluate)
app.command("doctor", rich_help_panel=SET_UP)(doctor.doctor)
app.command("baseline", rich_help_panel=SET_UP)(baseline.baseline)
app.command("calibrate", rich_help_panel=SET_UP)(calibrate.calibrate)
app.command("config", rich_help_panel=SET_UP)(config.config)
app.command("init", rich_help_panel=SET_UP)(init.init)


def main() -> None:
    """Entry point of ``ecoia``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # do not fail on a terminal that lacks a character
    app(prog_name="ecoia", windows_expand_args=False)  # '*' after '--' belongs to the command that is run

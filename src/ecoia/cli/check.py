"""``ecoia check``: the gate of a pipeline, shown as a table, JUnit XML and Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from xml.etree import ElementTree

import typer

from ecoia.cli.common import (
    FAILED,
    Home,
    existing_journal,
    journal_settings,
    number,
    print_table,
    replace_file,
    say,
    tell_lines_not_read,
)
from ecoia.errors import EcoiaError, UsageError
from ecoia.keeping.journal import Scan

if TYPE_CHECKING:
    from ecoia.evaluating.gate import Finding, GateBaseline

_BASELINES = Path(".ecoia", "baselines")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_COLUMNS = ("service", "phase", "check", "Wh per unit", "limit", "noise", "runs", "verdict", "why")

# Characters that XML forbids, that reorder a text or that steer a terminal. Each is shown as a replacement character.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#@])")


def check(
    budget: Annotated[Path | None, typer.Option("--budget", metavar="FILE", help="TOML file with budgets.")] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="Baseline to compare with: a name, or a .json file.")
    ] = None,
    save: Annotated[
        str | None, typer.Option("--save", metavar="NAME", help="Keep the measurements as a baseline: a name, or a .json file.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown.")] = None,
    home: Home = None,
) -> None:
    """Fail a pipeline that exceeds its energy budget or its baseline.

    Compares energy per functional unit, from this machine's journal, with a budget, and with a baseline beyond noise. A baseline
    NAME is kept in .ecoia/baselines/NAME.json. The exit code is 1 if a check fails.

    [dim]$ ecoia check --budget budgets.toml --against main --junit energy.xml[/dim]
    """
    if budget is None and against is None and save is None:
        raise UsageError("nothing to check: name --budget FILE, --against NAME or --save NAME")
    from ecoia.evaluating import gate

    budgets = {} if budget is None else gate.read_budgets(budget)
    baseline = None if against is None else gate.read_baseline(_baseline_path("--against", against))
    kept = None if save is None else _baseline_path("--save", save)
    measured = _measure(home)
    findings = gate.check(measured, budgets, baseline)
    rows = [tuple(_clean(cell) for cell in _cells(finding, against)) for finding in findings]
    if rows:
        print_table("Energy per functional unit, of the components", _COLUMNS, rows, right=_COLUMNS[3:7])
    if junit is not None:
        _write(junit, _junit(findings, rows))
    if markdown is not None:
        _write(markdown, _markdown(rows, _summary(findings)))
    if not measured.measured:
        say("nothing was measured: is this the journal of the pipeline (--home, ECOIA_HOME), and is its code instrumented?")
        raise typer.Exit(FAILED)
    if kept is not None:
        typer.echo(_write(kept, measured.to_json()))
    if findings:
        typer.echo(_summary(findings))
    if any(finding.fails for finding in findings):
        raise typer.Exit(FAILED)


def _baseline_path(option: str, text: str) -> Path:
    """Return the file of a baseline: a ``.json`` file as it is, a name in the folder of baselines."""
    if text.endswith(".json"):
        return Path(text)
    if _NAME.fullmatch(text) is None:
        raise UsageError(
            f"{option} {text!r}: write a .json file, or a name of letters, digits, '.', '_' and '-' "
            "(of a branch with '/': CI_COMMIT_REF_SLUG in GitLab)"
        )
    return _BASELINES / f"{text}.json"


def _measure(home: str | None) -> GateBaseline:
    from ecoia.evaluating.gate import measure

    found = existing_journal(journal_settings(home))
    counts = Scan()
    measured = measure(entry.record for entry in (found.stream(counts) if found else ()))
    tell_lines_not_read(counts)
    return measured


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return replace_file(path, text)
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): choose another place") from error


def _cells(finding: Finding, against: str | None) -> tuple[str, ...]:
    from ecoia.evaluating.gate import BUDGET, REASONS

    noise = ""
    if finding.low is not None and finding.high is not None:
        noise = f"{number(finding.low)} to {number(finding.high)}"
        if finding.change is not None:
            noise = f"{finding.change:+.1%} ({finding.low:+.1%} to {finding.high:+.1%})"
    return (
        finding.service,
        finding.phase,
        BUDGET if finding.check == BUDGET else f"against {against}",
        number(finding.value),
        number(finding.limit),
        noise,
        str(finding.repeats or ""),
        finding.verdict if finding.fails or finding.verdict != "not-measured" else "not-measured (ignored)",
        REASONS.get(finding.reason or "", finding.reason or ""),
    )


def _summary(findings: Sequence[Finding]) -> str:
    failing = sum(finding.fails for finding in findings)
    open_ = sum(finding.verdict == "inconclusive" for finding in findings)
    said = f"{len(findings)} check{'s' if len(findings) != 1 else ''}: {failing} failed, {open_} inconclusive"
    return f"{said} (they do not fail the gate)" if open_ else said


def _clean(text: str) -> str:
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def _junit(findings: Sequence[Finding], rows: Sequence[Sequence[str]]) -> str:
    """Write one test case a check: over budget and regressed are failures, not measured is an error, inconclusive is skipped."""
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    suite = ElementTree.Element("testsuite", name="ecoia")
    for finding, cells in zip(findings, rows, strict=True):
        service, phase, check_, value, limit, noise, _, verdict, why = cells
        case = ElementTree.SubElement(suite, "testcase", classname=f"ecoia.{service}.{phase}", name=f"energy per unit, {check_}")
        said = ", ".join(part for part in (f"{value} Wh per unit", f"limit {limit}", noise, verdict, why) if part)
        if finding.verdict in ("ok",):
            ElementTree.SubElement(case, "system-out").text = said
            continue
        kind = "skipped"
        if finding.fails:
            kind = "error" if finding.verdict == "not-measured" else "failure"
        counts[kind] += 1
        ElementTree.SubElement(case, kind, message=said)
    suite.set("tests", str(len(findings)))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(counts[kind]))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _markdown(rows: Sequence[Sequence[str]], summary: str) -> str:
    """Write a heading, the table and the summary."""
    lines = [
        "### Energy per functional unit, of the components",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'|'.join('---:' if column in _COLUMNS[3:7] else '---' for column in _COLUMNS)}|",
        *(f"| {' | '.join(map(_escaped, row))} |" for row in rows),
        "",
        summary,
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False))

"""Cost of a quarter's figures: a million ledger rows under other factors, a large organisation's intervals, a report."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness import Effort, Figure, Line, figure, interleave, run

_PRELUDE = """
import gc, json, sys, time
sys.path.insert(0, here)
from ledger_rows import PARIS, rows
from ecoia.catalogue import Catalogue
from ecoia.factors import Factor, FactorSet, default_factors
from ecoia.impact.inputs import Inputs, KeptSettings
from ecoia.periods import HALF_HOUR_NS, Quarter
from ecoia.impact.recalculation import recalculate, RowsByQuarter, under
from ecoia.report import build_report

PLACE = KeptSettings("Europe/Paris", "FRA", 1.3)

def seconds(work):
    gc.collect()
    start_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - start_ns) / 1e9
"""

_RECALCULATION = (
    _PRELUDE
    + """
quarters = [Quarter(2025, number) for number in (1, 2, 3, 4)]
made = rows(count, quarters, 30, 2, 2)
gc.freeze()
factors = default_factors()
frozen = Inputs.of(made, Catalogue(), factors, PLACE)
told = [json.loads(build_report(made, quarter, settings=PLACE, catalogue=Catalogue(), factors=factors).to_json())
        for quarter in quarters]
said = ("lifecycle", "production", "s", "l", "v", "half-hourly", "2026-01-01")
first, last = quarters[0].bounds_ns(PARIS)[0], quarters[-1].bounds_ns(PARIS)[1]
varying = FactorSet([Factor("FRA", at, at + HALF_HOUR_NS, 20.0 + at // HALF_HOUR_NS % 60, *said)
                     for at in range(first, last, HALF_HOUR_NS)], id="half-hourly", timezone=PARIS)

def again():
    # A factor for each half-hour is the hardest case; the rows are read once.
    recorded = RowsByQuarter(frozen, "Europe/Paris")
    now = under(frozen, varying)
    found = [recalculate(report, frozen, now, recorded=(recorded, recorded)) for report in told]
    assert all(set(each.total.causes) == {"factor"} for each in found)

result["rows"] = len(made)
result["seconds"] = [seconds(again) for _ in range(rounds)]
"""
)

_INTERVALS = (
    _PRELUDE
    + """
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.assessment import Assessment
from ecoia.impact.parameters import AssessmentParameters
from ecoia.catalogue import Site

figure = dict(value=1.3, quality="measured", source="s", date="2026-01-01")
sites = [Site.model_validate({"id": f"site-{n}", "instances": [f"site-{n}-*"], "zone": "FRA", "pue": [figure]})
         for n in range(10)]
known = AssessmentParameters(default_factors(), "FRA", None, PARIS, sites=sites)
recorded = LedgerSums.of(rows(4_000, [Quarter(2025, 4)], 100, 4, 10))
assessment = Assessment.of(recorded, known)

def all_of_them():
    impacts = [assessment.impact(), *assessment.by_bearer.values()]
    impacts += [assessment.impact(lambda bearer, _, name=f"service-{n}": bearer[0] == name) for n in range(100)]
    impacts += [assessment.impact(lambda _, site, at=site: site == at) for site in sites]
    for impact in impacts:
        assert impact.co2e_interval and impact.energy_interval

result["cells"] = len(recorded.strands)
result["seconds"] = [seconds(all_of_them) for _ in range(rounds)]
"""
)

_REPORT = (
    _PRELUDE
    + """
quarters = [Quarter(2024, 1).shift(number) for number in range(8)]
made = rows(count, quarters, 30, 2, 2)
gc.freeze()
factors = default_factors()
built = []
result["data"] = [
    seconds(lambda: built.append(build_report(made, quarters[-1], settings=PLACE, catalogue=Catalogue(), factors=factors)))
    for _ in range(rounds)
]
from ecoia_dashboards.pages import render_report
result["page"] = [seconds(lambda: render_report(built[0], "fr")) for _ in range(rounds)]
result["whole"] = [data + page for data, page in zip(result["data"], result["page"])]
"""
)


def report(effort: Effort) -> Iterator[Line]:
    """Measure a recalculation, intervals, and a report with its page."""
    count, rounds = min(effort.spans, 1_000_000), min(effort.rounds, 3)

    def seconds(program: str, name: str) -> Figure | None:
        timed = partial(run, program, timeout_seconds=600.0, here=str(Path(__file__).parent), rounds=rounds, count=count)
        return figure(interleave(effort, 1, {"ours": timed})["ours"], name)

    what = "recalculation of four quarters, a million ledger rows, half-hourly factors, CPU"
    note = "the rows are in memory; the time to read them is not included"
    yield Line(what, "s", seconds(_RECALCULATION, "seconds"), 5, note=note)
    what = "impacts and intervals of 100 services, 4 phases, 10 sites: each phase, service, site and all, CPU"
    yield Line(what, "s", seconds(_INTERVALS, "seconds"), 1)
    what = "report of 30 services over 8 quarters, a million ledger rows, with its page, CPU"
    yield Line(what, "s", seconds(_REPORT, "whole"), 10, note=note)

"""What an MLflow run shows of some rows: tags, metrics, hours, the table and the page. No store is needed."""

from __future__ import annotations

import ast
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from ecoia import semconv
from ecoia.delivery.breakdown import ChildRun, Facts, run_lines
from ecoia.delivery.run_views import View, build_day_view, build_view
from ecoia.delivery.tags_and_metrics import worst_method
from ecoia.delivery.view_page import page
from ecoia.factors import default_factors
from ecoia.impact.parameters import AssessmentParameters
from ecoia.methods import NOT_MEASURED, Method
from ecoia.periods import HALF_HOUR_NS
from ecoia.readable.run_line import RunFigures
from ecoia.records import Row, fold
from support.records import NOON_NS, training

KNOWN = AssessmentParameters(default_factors(), zone="FRA")
MIDNIGHT_NS = NOON_NS - 24 * HALF_HOUR_NS
HOUR_NS = 2 * HALF_HOUR_NS
METHODS = {
    "measured": Method("measured", "rapl"),
    "estimated": Method("estimated", "ram-model"),
    "declared": Method("declared", "declared-energy"),
    "missing": NOT_MEASURED,
}
BEST_FIRST = list(METHODS)


def row_by(cpu: str, **changes: Any) -> Row:
    """A row whose CPU energy has this status, beside nothing else."""
    energy = None if cpu == "missing" else 1
    methods = {"cpu": METHODS[cpu], "gpu": NOT_MEASURED, "ram": NOT_MEASURED}
    (row,) = fold([training(energy_microjoules={"cpu": energy, "gpu": None, "ram": None}, method=methods, **changes)])
    return row


def day_view(*at_seconds: int, until_utc_ns: int | None) -> View:
    """The view of a day with a request of one unit at each of these seconds after noon."""
    rows = fold([training(phase="inference", run_id=None, at=at, units_micro=1_000_000) for at in at_seconds])
    return build_day_view(rows, known=KNOWN, day_start_utc_ns=MIDNIGHT_NS, until_utc_ns=until_utc_ns)


def test_one_declared_joule_makes_a_view_declared_and_one_estimated_joule_estimated() -> None:
    by_certainty = ["declared", "estimated", "measured"]
    for worse, better in itertools.combinations(by_certainty, 2):
        assert worst_method([row_by(better), row_by(worse)]) == worse
    assert worst_method([row_by(status) for status in BEST_FIRST]) == "declared"
    assert worst_method([row_by("missing")]) == "missing"
    assert worst_method([row_by("missing"), row_by("measured")]) == "measured", "what is missing has no joule"


@pytest.mark.parametrize("status", ["measured", "estimated", "declared"])
def test_the_worst_method_is_a_tag_and_stands_in_the_table(status: str) -> None:
    view = build_view([row_by("measured"), row_by(status, at=20)], None, known=KNOWN, facts=Facts())
    assert view.tags["ecoia.method"] == status
    whole, *_ = lines_of(view)
    assert whole["method"] == status


def test_an_hour_is_shown_when_it_is_over_and_not_before() -> None:
    at_one_hour = NOON_NS + HOUR_NS
    hours = {"until just before": at_one_hour - 1, "until": at_one_hour, "complete": None}
    shown = {name: day_view(0, 3600, until_utc_ns=until).hourly for name, until in hours.items()}
    for metric in ("ecoia/hourly/requests", "ecoia/hourly/units"):
        assert shown["until just before"][metric] == {}
        assert shown["until"][metric] == {12: 1.0}
        assert shown["complete"][metric] == {12: 1.0, 13: 1.0}
    assert set(shown["until"]["ecoia/hourly/energy_wh"]) == {12}


def test_a_day_that_goes_on_counts_the_open_hour_in_its_totals_and_has_no_page_yet() -> None:
    open_ = day_view(0, 3600, until_utc_ns=NOON_NS + HOUR_NS)
    complete = day_view(0, 3600, until_utc_ns=None)
    assert open_.metrics == complete.metrics
    assert open_.metrics["ecoia/requests"] == 2
    assert (open_.status, open_.page, open_.table) == ("RUNNING", None, None)
    assert complete.status == "FINISHED"
    assert complete.page is not None


def lines_of(view: View) -> list[dict[str, Any]]:
    table = json.loads(view.table or "")
    return [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]


def test_the_page_escapes_what_it_shows() -> None:
    rows = fold([training(service="<b>", phase="&"), training(instance="<script>alert(1)</script>")])
    facts = Facts(datasets=["<i>"], children=[ChildRun("c1", "<u>", "ok", ["a&b"], rows[:1])])
    view = build_view(rows, None, known=KNOWN, facts=facts)
    for markup in ("<b>", "<script", "<i>", "<u>", "a&b"):
        assert markup not in (view.page or "")
    assert "&lt;b&gt;, &amp;" in (view.page or "")
    assert {line["name"] for line in lines_of(view) if line["part"] == "work"} == {"<b>, &", "vadore, training"}


def test_the_page_escapes_the_emission_factor() -> None:
    lines = run_lines(fold([training()]), KNOWN, None, Facts())
    shown = page(lines, RunFigures({}, {}), "<script>alert(1)</script> & co")
    assert "<script" not in shown
    assert "CO2e&nbsp;: &lt;script&gt;alert(1)&lt;/script&gt; &amp; co." in shown


def test_the_page_says_that_data_is_simulated_and_which_factor_gave_the_co2e() -> None:
    real = build_view([row_by("measured")], None, known=KNOWN, facts=Facts())
    unknown = AssessmentParameters(default_factors())
    simulated = build_view([row_by("measured", simulated=True)], None, known=unknown, facts=Facts())
    assert "Simulated data" not in (real.page or "")
    assert real.tags["ecoia.factor"] in (real.page or "")
    assert "Simulated data" in (simulated.page or "")
    assert "CO2e not computed" in (simulated.page or "")


def test_the_table_has_the_whole_its_components_hosts_and_children_and_shares_of_the_whole() -> None:
    rows = fold([training(cpu=3_600_000_000), training(cpu=10_800_000_000, instance="host-2", at=60)])
    facts = Facts("search", 90.0, ["iris"], [ChildRun("c1", "trial", "failed", [], rows[1:])], 10_800_000_007)
    view = build_view(rows, "ok", known=KNOWN, facts=facts)
    whole, *parts = lines_of(view)
    assert (whole["name"], whole["outcome"], whole["duration_s"], whole["datasets"]) == ("search", "ok", 90.0, "iris")
    assert whole["energy_wh"] == pytest.approx(4, rel=1e-5)
    assert whole["co2e_g"] == pytest.approx(view.metrics["ecoia/co2e_g"], rel=1e-5)
    assert whole["co2e_low_g"] < whole["co2e_g"] < whole["co2e_high_g"]
    for part in ("component", "host"):
        lines = [line for line in parts if line["part"] == part]
        assert sum(line["energy_wh"] for line in lines) == pytest.approx(whole["energy_wh"])
        assert sum(line["share_percent"] for line in lines) == pytest.approx(100, abs=0.01)
    (child,) = [line for line in parts if line["part"] == "child"]
    assert (child["run_id"], child["name"], child["outcome"]) == ("c1", "trial", "failed")
    assert child["share_percent"] == pytest.approx(75)
    note = view.note or ""
    assert note.splitlines()[0] == "ecoia: 4.00 Wh (CPU 4.00, RAM 0.00), " + note.splitlines()[0].partition("), ")[2]
    assert "3.00 Wh (75 %) went into runs below it that failed" in note
    assert "| CPU | 4.00 Wh | 100 % | estimated (load-model:generic-tdp) |" in note


def test_a_run_with_units_shows_how_many_a_watt_hour_gives() -> None:
    rows = fold([training(cpu=7_200_000_000, units_micro=10_000_000)])
    assert build_view(rows, None, known=KNOWN).metrics["ecoia/units_per_wh"] == pytest.approx(5)
    assert "ecoia/units_per_wh" not in build_view(fold([training()]), None, known=KNOWN).metrics


def test_every_tag_is_set_in_one_module(repository: Path) -> None:
    """Wherever a tag is the key of a dictionary or of an assignment, it is written; searching and comparing may be anywhere."""
    declared = {name for name in vars(semconv) if name.startswith("TAG_")}
    written: dict[str, set[str]] = {}
    for path in (repository / "src" / "ecoia").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            keys = node.keys if isinstance(node, ast.Dict) else []
            if isinstance(node, ast.Assign):
                keys = [target.slice for target in node.targets if isinstance(target, ast.Subscript)]
            for key in keys:
                if isinstance(key, ast.Attribute) and key.attr in declared:
                    written.setdefault(path.name, set()).add(key.attr)
    assert written == {"tags_and_metrics.py": declared}

"""The figures of selections, against the report and against each other."""

from __future__ import annotations

import math
import random
from dataclasses import fields
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecoia.errors import UsageError
from ecoia.exploring import DIMENSIONS, Explorer, Selection
from ecoia.impact.assessment import assess
from ecoia.impact.parameters import AssessmentParameters
from ecoia.periods import Quarter
from ecoia.report import Quantity, QuarterlyReport, ServiceEntry
from ecoia.report.quantities import per_unit
from support.large_organisation import QUARTER, large_factors

QUARTERS = tuple(str(QUARTER.shift(step)) for step in range(-5, 1))
FIRST = date(2025, 4, 1)
SERVICES = (
    "",
    "assistant-conseiller",
    "aide-redaction",
    "vadore",
    "traduction",
    "chat-candidat",
    "synthese-entretien",
    "voix-3949",
)
SOME = {
    "services": SERVICES,
    "phases": ("inference", "training", "fine-tuning", "idle", "overhead"),
    "sites": ("", "paris", "lyon"),
    "instances": ("gpu-01", "gpu-04", "cpu-01", "lyon-01", "web-01"),
    "statuses": ("measured", "estimated", "declared"),
}


def same(found: Quantity, wanted: Quantity, within: float = 1e-12) -> None:
    """Assert that two quantities are equal, but for the last digit."""
    assert (found.unit, found.reason) == (wanted.unit, wanted.reason)
    pairs = zip((found.value, found.low, found.high), (wanted.value, wanted.low, wanted.high), strict=True)
    for one, other in pairs:
        assert (one is None) == (other is None)
        assert one is None or other is None or math.isclose(one, other, rel_tol=within)


def whole(quarter: str, **filters: object) -> Selection:
    return Selection.of_quarter(Quarter.parse(quarter), **filters)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_a_quarter_has_the_figures_of_its_report(explorer: Explorer, quarter: str) -> None:
    report, found = explorer.report(quarter), explorer.selected(whole(quarter))
    assert found.microjoules == report.totals.energy_components_microjoules
    assert found.by_component_microjoules == report.totals.by_component_microjoules
    assert sum(found.by_status_microjoules.values()) == found.microjoules
    same(found.energy, report.totals.energy)
    same(found.energy_components, report.totals.energy_components)
    for name in ("co2e_operational", "co2e_embodied", "co2e_api"):
        same(getattr(found, name), report.footprint[name])
    same(found.headline.co2e, report.headline.co2e)
    assert (found.headline.parts, found.headline.lacking) == (report.headline.parts, report.headline.lacking)
    assert (found.boundary, found.precision_class) == (report.totals.boundary, report.totals.precision_class)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_each_service_and_phase_has_the_figures_of_the_report(explorer: Explorer, quarter: str) -> None:
    report, parts = explorer.report(quarter), explorer.parts(whole(quarter), "service")
    for entry in report.register:
        _check_service(report, entry, explorer, quarter)
    assert {each.service for each in report.services} == parts.keys() - {""}
    works = explorer.parts(whole(quarter), "bearer")
    for result in report.results:
        found = works[f"{result.service}/{result.phase}"]
        assert (found.spans, found.cpu_seconds, found.units) == (result.spans, result.cpu_seconds, result.units)
        assert found.microjoules == result.measure.energy_components_microjoules
        same(found.energy, result.measure.energy)
        assert found.simulated == result.simulated


def _check_service(report: QuarterlyReport, entry: ServiceEntry, explorer: Explorer, quarter: str) -> None:
    found = explorer.selected(whole(quarter, services=(entry.id,)))
    split = explorer.parts(whole(quarter), "service").get(entry.id)
    assert split is None or all(getattr(found, each.name) == getattr(split, each.name) for each in fields(found))
    same(found.energy, entry.energy)
    same(found.headline.co2e, entry.co2e)
    assert found.idle_microjoules == entry.idle_microjoules
    listed = next((each for each in report.services if each.service == entry.id), None)
    if listed is None:
        assert found.microjoules == 0
        assert found.reason == "no-data"
        return
    for name in ("co2e_operational", "co2e_embodied", "co2e_api"):
        same(getattr(found, name), listed.footprint[name])
    assert found.units == listed.serving.units
    assert found.accepted == listed.accepted
    if listed.serving.energy.reason != "no-data":  # where nothing serves, units are those of training
        same(found.energy_per_unit, per_unit(listed.serving.energy, listed.serving.units))


@pytest.mark.parametrize("by", DIMENSIONS)
@pytest.mark.parametrize("filters", [{}, {"services": ("vadore", "")}, {"region": "Bretagne"}, {"statuses": ("estimated",)}])
def test_parts_add_up_to_the_whole(explorer: Explorer, by: str, filters: dict[str, object]) -> None:
    selection = whole("2026Q3", **filters)
    parts, found = explorer.parts(selection, by), explorer.selected(selection)
    assert sum(each.microjoules for each in parts.values()) == found.microjoules
    energies = [each.energy.value for each in parts.values() if each.energy.value is not None]
    assert math.isclose(math.fsum(energies), found.energy.value or 0.0, rel_tol=1e-9)
    if by in ("service", "phase", "bearer", "instance", "site", "day"):
        assert sum(each.spans or 0 for each in parts.values()) == pytest.approx(
            found.spans, abs=100 if "region" in filters else 0
        )
    else:
        assert {each.spans for each in parts.values()} <= {None}
        assert {each.co2e_api.reason for each in parts.values()} == {"not-split"}


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    first = FIRST + timedelta(days=draw(st.integers(-30, 540)))
    until = first + timedelta(days=draw(st.integers(1, 300)))
    chosen = {
        name: tuple(draw(st.lists(st.sampled_from(values), unique=True, max_size=3))) if draw(st.booleans()) else ()
        for name, values in SOME.items()
    }
    return Selection(first, until, **chosen)


@given(selection=selections())
@settings(max_examples=25)
def test_rows_hours_and_days_are_the_same_energy(explorer: Explorer, selection: Selection) -> None:
    found = explorer.selected(selection).microjoules
    page = explorer.rows(selection, limit=1)
    assert page.microjoules == found
    assert sum(each.microjoules for each in explorer.hours(selection)) == found
    assert sum(each.microjoules or 0 for each in explorer.recorded_days(selection)) == found
    assert sum(each.microjoules for each in explorer.formula(selection)) == found


@given(selection=selections(), cut=st.floats(0, 1))
@settings(max_examples=25)
def test_days_split_anywhere_add_up(explorer: Explorer, selection: Selection, cut: float) -> None:
    length = (selection.until_day - selection.first_day).days
    assume(length > 1)
    at = selection.first_day + timedelta(days=min(max(round(cut * length), 1), length - 1))
    parts = [
        explorer.selected(Selection(*days, *_filters(selection)))
        for days in ((selection.first_day, at), (at, selection.until_day))
    ]
    found = explorer.selected(selection)
    assert sum(each.microjoules for each in parts) == found.microjoules
    assert sum(each.spans or 0 for each in parts) == found.spans


def _filters(selection: Selection) -> tuple[object, ...]:
    return selection.services, selection.phases, selection.sites, selection.region, selection.instances, selection.statuses


@given(selection=selections())
@settings(max_examples=15)
def test_a_filter_takes_the_part_of_that_name(explorer: Explorer, selection: Selection) -> None:
    """So filters commute: each leaves what the others do."""
    for name, by in (
        ("services", "service"),
        ("phases", "phase"),
        ("sites", "site"),
        ("instances", "instance"),
        ("statuses", "status"),
    ):
        chosen = getattr(selection, name)
        parts = explorer.parts(selection.only(**{name: ()}), by)
        wanted = sum(part.microjoules for value, part in parts.items() if not chosen or value in chosen)
        assert wanted == explorer.selected(selection).microjoules


def test_days_that_are_no_whole_quarter_have_no_making(explorer: Explorer) -> None:
    some = explorer.selected(Selection(date(2026, 7, 1), date(2026, 9, 30)))
    assert some.co2e_embodied == Quantity(None, "kgCO2e", reason="not-split")
    assert some.headline.lacking["co2e_embodied"] == "not-split"
    assert some.headline.is_lower_bound
    two = explorer.selected(Selection(date(2026, 4, 1), date(2026, 10, 1)))
    both = [explorer.selected(whole(each)).co2e_embodied.value or 0.0 for each in ("2026Q2", "2026Q3")]
    assert two.co2e_embodied.value == pytest.approx(sum(both))
    by_site = explorer.parts(whole("2026Q3"), "site").values()
    assert {each.co2e_embodied.reason for each in by_site} == {"not-split"}


def test_a_region_has_its_part(explorer: Explorer) -> None:
    report = explorer.report("2026Q3")
    assert len(report.regions) > 5
    for line in report.regions:
        found = explorer.selected(whole("2026Q3", services=(line.service,), region=line.region))
        same(found.energy, line.energy, 1e-9)
        same(found.headline.co2e, line.co2e, 1e-6)
    with pytest.raises(UsageError, match="whole quarters"):
        explorer.selected(Selection(date(2026, 7, 1), date(2026, 7, 2), region="Bretagne"))


@pytest.mark.parametrize("quarter", QUARTERS[1:])
def test_changes_are_those_of_the_report(explorer: Explorer, quarter: str) -> None:
    for change in explorer.report(quarter).changes:
        reference = Quarter.parse(change.reference)
        found = explorer.explained(Quarter.parse(quarter), reference)
        if change.reason == "baseline-missing":
            assert found.reason == "baseline-missing"
            continue
        assert found == change
        compared = explorer.change(whole(quarter), whole(change.reference))
        same(compared.energy, change.energy)
        same(compared.energy_it, change.energy_it)
        assert change.total is not None
        assert compared.parts == change.parts
        same(compared.co2e, change.total.relative)
        assert (compared.days_unequal, compared.counted_otherwise) == (change.unequal_days, change.counted_otherwise)


def test_any_two_quarters_are_explained(explorer: Explorer) -> None:
    found = explorer.explained(QUARTER, Quarter(2025, 2))
    assert found.total is not None
    changed = explorer.selected(whole("2026Q3")).co2e_operational, explorer.selected(whole("2025Q2")).co2e_operational
    assert "operational" in found.parts
    assert found.total.explained.micrograms == sum(found.total.explained.terms.values())
    assert changed[0].value != changed[1].value
    with pytest.raises(UsageError, match="not before"):
        explorer.explained(QUARTER, QUARTER)


def test_a_service_is_not_compared_over_unequal_days(explorer: Explorer) -> None:
    now, before = (whole(each, services=("vadore",)) for each in ("2026Q3", "2026Q2"))
    found = explorer.change(now, before)
    assert found.energy.reason == "days-unequal"
    months = [
        Selection(date(2026, 6, 1), date(2026, 7, 1), services=("vadore",)),
        Selection(date(2026, 8, 1), date(2026, 9, 1), services=("vadore",)),
    ]
    assert explorer.change(months[1], months[0]).days_unequal == ("vadore",)  # recorded until 5 August
    alike = explorer.change(
        Selection(date(2026, 5, 1), date(2026, 6, 1), services=("gestion-mails",)),
        Selection(date(2026, 6, 1), date(2026, 7, 1), services=("gestion-mails",)),
    )
    assert alike.energy.value is not None
    assert alike.energy_absolute.low is not None
    assert alike.energy_absolute.low < (alike.energy_absolute.value or 0.0) < (alike.energy_absolute.high or 0.0)


def test_pages_of_rows_hold_each_row_once(explorer: Explorer) -> None:
    selection = Selection(date(2026, 6, 20), date(2026, 7, 10), services=("assistant-conseiller",))
    seen, after, microjoules = [], None, 0
    while True:
        page = explorer.rows(selection, after, limit=70)
        seen += [each.id for each in page.rows]
        microjoules += sum(each.microjoules or 0 for each in page.rows)
        starts = [each.row["half_hour_utc_ns"] for each in page.rows]
        assert starts == sorted(starts)
        after = page.next
        if after is None:
            break
    assert len(seen) == len(set(seen)) == page.count
    assert microjoules == page.microjoules == explorer.selected(selection).microjoules
    assert {each.split(".")[0] for each in seen} == {"2026Q2", "2026Q3"}
    for after, limit in (("2026Q3", 1), ("2026Q3.x", 1), (None, 0), (None, 10**6)):
        with pytest.raises(UsageError):
            explorer.rows(selection, after, limit)


def test_runs_are_those_of_the_report(explorer: Explorer) -> None:
    report = explorer.report("2026Q3")
    found = {each.run_id: each for each in explorer.runs(whole("2026Q3"))}
    for run in report.costliest_runs:
        line = found[run.run_id]
        same(line.energy, run.energy)
        assert (line.service, line.phase, line.outcome, dict(line.quality)) == (run.service, run.phase, run.outcome, run.quality)
    assert {each.outcome for each in found.values()} == {"ok", "failed", "abandoned"}
    for line in found.values():
        rows = explorer.rows_of_run(line.run_id)
        assert {row["run_id"] for row in rows} == {line.run_id}
        energies = [energy or 0 for row in rows for energy in row["energy_microjoules"].values()]
        assert sum(energies) == line.microjoules
        assert sum(row["outcome"] is not None for row in rows) == 1
    assert explorer.rows_of_run("nobody's") == []
    assert (
        sum(each.microjoules for each in found.values())
        == explorer.selected(whole("2026Q3", phases=("training", "fine-tuning"), services=("assistant-conseiller",))).microjoules
    )


@pytest.mark.parametrize("quarter", QUARTERS)
def test_a_run_emits_what_its_own_half_hours_did(explorer: Explorer, quarter: str) -> None:
    """What is shown, the formula of the run, and its rows assessed anew say the same."""
    catalogue = explorer.catalogue()
    known = AssessmentParameters(
        large_factors(), "FRA", None, ZoneInfo("Europe/Paris"), catalogue.calibrations, catalogue.sites, catalogue.contracts
    )
    lines = explorer.runs(whole(quarter))
    assert lines
    for line in lines:
        of_run = whole(quarter, services=(line.service,), phases=(line.phase,), runs=(line.run_id,))
        selected, terms = explorer.selected(of_run), explorer.formula(of_run)
        anew = assess((row for row in explorer.rows_of_run(line.run_id) if row["kind"] == "span"), known)
        same(line.co2e, selected.co2e_operational)
        same(line.energy, selected.energy)
        assert selected.microjoules == line.microjoules == sum(each.microjoules for each in terms)
        assert line.co2e.value == pytest.approx(math.fsum(each.kg or 0.0 for each in terms), rel=1e-12)
        assert line.co2e.value == pytest.approx(anew.co2e_kg, rel=1e-12)
        assert explorer.rows(of_run).microjoules == line.microjoules
        assert (selected.spans, selected.co2e_api.reason, selected.co2e_embodied.reason) == (None, "not-split", "not-split")
    with pytest.raises(UsageError, match="hours of runs"):
        explorer.hours(of_run)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_the_report_says_of_runs_what_their_own_pages_say(explorer: Explorer, quarter: str) -> None:
    report, lines = explorer.report(quarter), {(it.service, it.phase, it.run_id): it for it in explorer.runs(whole(quarter))}
    for used in report.costliest_runs:
        same(used.energy, lines[used.service, used.phase, used.run_id].energy)
    for saving in (each for each in report.savings if each.kind == "lost-runs"):
        lost = [lines[saving.service, saving.phase or "", run] for run in saving.runs]
        assert saving.microjoules == sum(each.microjoules for each in lost)
        assert saving.energy.value == pytest.approx(math.fsum(each.energy.value or 0.0 for each in lost), rel=1e-12)
        assert saving.co2e.value == pytest.approx(math.fsum(each.co2e.value or 0.0 for each in lost), rel=1e-12)


def test_calls_are_those_of_the_report(explorer: Explorer) -> None:
    for quarter in ("2026Q2", "2026Q3"):
        report, found = explorer.report(quarter), explorer.hosted(whole(quarter))
        assert [(each.provider, each.model, each.tokens_out, each.standing, each.why) for each in found] == [
            (each.provider, each.model, each.tokens_out, each.standing, each.reason) for each in report.tokens
        ]
        for use, told in zip(found, report.tokens, strict=True):
            assert use.co2e.value == (None if told.central_kg is None else pytest.approx(told.central_kg))


def test_the_formula_adds_up(explorer: Explorer) -> None:
    found, terms = explorer.selected(whole("2026Q3")), explorer.formula(whole("2026Q3"))
    assert math.isclose(math.fsum(each.energy_kwh for each in terms), found.energy.value or 0.0, rel_tol=1e-12)
    assert math.isclose(math.fsum(each.kg or 0.0 for each in terms), found.co2e_operational.value or 0.0, rel_tol=1e-12)
    for each in terms:
        assert each.factor_g_per_kwh is not None
        assert each.kg is not None
        assert math.isclose(each.energy_kwh * each.factor_g_per_kwh / 1000, each.kg, rel_tol=1e-9, abs_tol=1e-12)


def test_hours_have_the_factor_of_the_grid(explorer: Explorer) -> None:
    cells = explorer.hours(whole("2026Q3", services=("assistant-conseiller",)))
    assert len(cells) == 92 * 24
    by_hour = {hour: [each.grid_g_per_kwh for each in cells if each.hour == hour] for hour in (7, 19)}
    assert min(by_hour[19]) > max(by_hour[7])
    emitted = sum(each.micrograms or 0 for each in cells) / 1e9
    assert emitted == pytest.approx(explorer.selected(whole("2026Q3", services=("assistant-conseiller",))).co2e_operational.value)


def test_what_is_not_there_is_said(explorer: Explorer) -> None:
    with pytest.raises(UsageError, match=r"2025Q2, .*2026Q3"):
        explorer.report("2031Q1")
    with pytest.raises(UsageError, match="service, phase"):
        explorer.parts(whole("2026Q3"), "colour")
    nothing = explorer.selected(whole("2031Q1"))
    assert (nothing.microjoules, nothing.reason, nothing.energy.value) == (0, "no-data", None)
    assert explorer.selected(whole("2026Q3", services=("nobody",))).energy.reason == "no-data"


def test_selections_name_quarters() -> None:
    selection = whole("2026Q3")
    assert selection.quarter == QUARTER
    assert not selection.filtered
    assert selection.only(services=("a",)).filtered
    assert Selection(date(2026, 7, 1), date(2026, 9, 30)).quarter is None
    assert Selection(date(2025, 12, 31), date(2026, 1, 2)).quarters == (Quarter(2025, 4), Quarter(2026, 1))
    assert Selection(date(2026, 1, 1), date(2027, 1, 1)).whole_quarters == tuple(Quarter(2026, n) for n in (1, 2, 3, 4))
    draw = random.Random(3)
    for _ in range(50):
        first = FIRST + timedelta(days=draw.randrange(900))
        quarters = Selection(first, first + timedelta(days=1 + draw.randrange(400))).quarters
        assert list(quarters) == sorted(set(quarters))


@pytest.mark.parametrize(
    ("days", "before", "filters"),
    [
        ((date(2026, 7, 1), date(2026, 10, 1)), (date(2026, 4, 1), date(2026, 7, 1)), {}),
        ((date(2026, 8, 1), date(2026, 9, 1)), (date(2026, 7, 1), date(2026, 8, 1)), {}),
        ((date(2026, 8, 1), date(2026, 9, 1)), (date(2026, 7, 1), date(2026, 8, 1)), {"statuses": ("measured",)}),
    ],
)
def test_services_compared_in_one_pass_are_as_each_alone(
    explorer: Explorer, days: tuple[date, date], before: tuple[date, date], filters: dict[str, tuple[str, ...]]
) -> None:
    later, earlier = Selection(*days, **filters), Selection(*before, **filters)
    found = explorer.changes_by_service(later, earlier)
    assert set(found) >= {"vadore", "voix-3949", "assistant-conseiller"} - (set() if days[1].month == 10 else {"vadore"})
    for service in ("voix-3949", "traduction", "vadore", "assistant-conseiller"):
        if service in found:
            alone = explorer.change(later.only(services=(service,)), earlier.only(services=(service,)))
            assert found[service].energy.reason == alone.energy.reason
            for name in ("energy", "co2e", "energy_absolute"):
                same(getattr(found[service], name), getattr(alone, name), 1e-9)


@pytest.mark.parametrize("by", DIMENSIONS)
def test_energies_are_those_of_the_parts(explorer: Explorer, by: str) -> None:
    days = Selection(date(2026, 6, 20), date(2026, 7, 9))
    for selection in (
        days,
        days.only(statuses=("measured",), sites=("lyon",)),
        whole("2026Q3"),
        whole("2026Q3", services=("vadore",)),
    ):
        wanted = {name: part.microjoules for name, part in explorer.parts(selection, by).items()}
        assert explorer.energies(selection, by) == wanted


def test_energies_of_an_unknown_dimension_are_refused(explorer: Explorer) -> None:
    for selection in (whole("2026Q3"), whole("2026Q3", services=("vadore",))):
        with pytest.raises(UsageError, match="planet"):
            explorer.energies(selection, "planet")

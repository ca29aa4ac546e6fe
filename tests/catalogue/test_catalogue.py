"""The catalogue: what is right loads, what is wrong is named by file, line, field and remedy."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import catalogue
from ecoia.catalogue.error_widths import GSD
from ecoia.errors import CatalogueError
from support.organisation import sample_catalogue, write_catalogue


def mistakes(folder: Path, **texts: str) -> list[str]:
    """The lines of the error that loading these files raises, without its first."""
    with pytest.raises(CatalogueError) as caught:
        write_catalogue(folder, **texts)
    return str(caught.value).splitlines()[1:]


def test_no_folder_configured_is_an_empty_catalogue() -> None:
    empty = catalogue.load(None)
    assert empty.services == ()
    assert empty.charter is None
    assert empty.targets.targets == ()
    assert empty.service("vadore") is None


def test_a_missing_folder_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"nowhere.*ecoia init"):
        catalogue.load(tmp_path / "nowhere")


def test_missing_and_empty_files_are_empty_parts(tmp_path: Path) -> None:
    assert write_catalogue(tmp_path, services="# nothing yet\n", targets="").services == ()


def test_the_published_register_ships_as_the_example(repository: Path) -> None:
    shipped = catalogue.load(repository / "examples" / "organisation")
    assert [service.id for service in shipped.services] == [
        "gestion-contacts-mails",
        "recommandations-personnalisees",
        "analyse-cv",
        "acces-information",
        "prediction-pourvoi-30j",
        "controle-legalite-offres",
        "vadore",
        "smart-emploi",
    ]
    assert not any(service.stand_in for service in shipped.services)
    assert shipped.register.unnamed == catalogue.UnnamedServices(count=20, approximate=True, status=("qualification", "poc"))
    assert shipped.service("vadore") == shipped.services[6]
    assert shipped.services[6].counted_among_generalised
    assert shipped.charter is not None
    assert shipped.charter.charter is not None
    assert [commitment.number for commitment in shipped.charter.charter.commitments] == [1, 2, 3, 4, 5, 6, 7]
    assert all(commitment.text is None for commitment in shipped.charter.charter.commitments)
    assert [target.status for target in shipped.targets.targets] == ["proposed", "proposed"]
    assert [target.is_trajectory for target in shipped.targets.targets] == [False, True]
    assert shipped.calibrations == (), "nobody's measurement is invented"


def test_starter_files_load_and_name_nothing(tmp_path: Path) -> None:
    files = catalogue.starter_files()
    assert sorted(files) == [
        "calibration.yaml",
        "charter.yaml",
        "committees.yaml",
        "contracts.yaml",
        "equipment.yaml",
        "factors.yaml",
        "hosted_factors.yaml",
        "method.yaml",
        "services.yaml",
        "sites.yaml",
        "targets.yaml",
    ]
    started = write_catalogue(tmp_path, **{name.removesuffix(".yaml"): text for name, text in files.items()})
    assert started.services == ()
    assert started.targets.targets == ()
    assert (started.calibrations, started.sites, started.equipment) == ((), (), ())
    assert started.committees == catalogue.CommitteesFile()
    assert started.method == catalogue.MethodFile()
    assert started.charter is not None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("services", "services"), ("targets", "targets"), ("calibration", "calibrations"), ("sites", "sites"),
        ("equipment", "equipment"), ("hosted_factors", "hosted_factors"),
    ],
)  # fmt: skip
def test_the_commented_examples_of_the_starter_are_valid(tmp_path: Path, name: str, key: str) -> None:
    text = catalogue.starter_files()[f"{name}.yaml"]
    head, tail = text.split(f"{key}: []\n")
    lines = [line.removeprefix("# ") if line.startswith(("# " + key, "#   ")) else line for line in tail.splitlines()]
    loaded = write_catalogue(tmp_path, **{name: "\n".join([*head.splitlines(), *lines])})
    lists = (
        loaded.services, loaded.targets.targets, loaded.calibrations, loaded.sites, loaded.equipment, loaded.hosted_factors,
    )  # fmt: skip
    assert sum(map(len, lists)) == {"services": 2, "targets": 2}.get(key, 1)


def test_every_mistake_of_the_folder_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        services=(
            "as_of: 12\n"
            "unnamed: {count: -1}\n"
            "services:\n"
            "  - id: Un service\n"
            "    name: x\n"
            "    status: live\n"
            "    owner: chef de produit\n"
            "  - id: ok\n"
            "    name: 12\n"
            "    owner_role: prenom.nom@organisation.example\n"
        ),
        charter="organisation: {id: o, name: [Nom]}\n",
        targets="targets:\n  - {id: a, indicator: watts}\n",
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["charter.yaml:1", "organisation.name"],
        ["services.yaml:1", "as_of"],
        ["services.yaml:2", "unnamed.count"],
        ["services.yaml:4", "services[0].id"],
        ["services.yaml:6", "services[0].status"],
        ["services.yaml:7", "services[0].owner"],
        ["services.yaml:8", "services[1].status"],
        ["services.yaml:9", "services[1].name"],
        ["services.yaml:10", "services[1].owner_role"],
        ["targets.yaml:2", "targets[0].indicator"],
    ]
    by_field = {line.split(": ")[1]: line for line in found}
    assert "'Un service'" in by_field["services[0].id"]
    assert "lower-case" in by_field["services[0].id"]
    assert "'qualification'" in by_field["services[0].status"]
    assert "did you mean 'owner_role'?" in by_field["services[0].owner"]
    assert "missing: add it" in by_field["services[1].status"]
    assert "a role, never a person" in by_field["services[1].owner_role"]
    assert "coverage_services" in by_field["targets[0].indicator"]


def test_duplicate_ids_are_named_with_both_lines(tmp_path: Path) -> None:
    text = "services:\n  - {id: a, name: A, status: poc}\n  - {id: b, name: B, status: poc}\n  - {id: a, name: C, status: poc}\n"
    assert mistakes(tmp_path, services=text) == [
        "services.yaml:4: services[2].id: 'a' is already used on line 2: each id is used once"
    ]


def test_a_key_written_twice_is_not_taken_in_silence(tmp_path: Path) -> None:
    text = "services:\n  - id: a\n    name: A\n    status: poc\n    status: retired\n"
    assert mistakes(tmp_path, services=text) == ["services.yaml:5: services[0].status: written twice, first on line 4: keep one"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("services:\n  - {id: a\n    name: b\n", 3, "not readable as YAML"),
        ("services:\n\t- id: a\n", 2, "not readable as YAML"),
        ("services: *nowhere\n", 1, "not readable as YAML"),
        ("services: []\nunnamed: \x07\n", 2, "forbids"),
        ("as_of: 2026-02-31\n", 1, "day is out of range"),
        ("- a\n- b\n", 1, "write 'field: value' lines"),
        ("services: 3\n", 1, "write a list"),
        ("services: [" + "[" * 2000 + "\n", 1, "32 levels deep"),
    ],
)
def test_unreadable_files_name_the_line_and_do_not_crash(tmp_path: Path, text: str, line: int, said: str) -> None:
    (found,) = mistakes(tmp_path, services=text)
    assert found.startswith(f"services.yaml:{line}: ")
    assert said in found


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_bytes("as_of: 2026-01-01\n# \xe9t\xe9\n".encode("latin-1"))
    with pytest.raises(CatalogueError, match=r"services\.yaml:2: not readable as UTF-8"):
        catalogue.load(tmp_path)


THRESHOLD = 'id: a, indicator: coverage_services, op: ">=", value: 0.9, deadline: 2027Q4'


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("id: a, indicator: energy", "either op, value, deadline"),
        (THRESHOLD + ", reduction: 0.3", "either op, value, deadline"),
        ("id: a, indicator: energy, baseline: {quarters: [2027Q1]}, reduction: 1.2, horizon: 2030", "less than 1"),
        ("id: a, indicator: energy, baseline: {quarters: []}, reduction: 0.2, horizon: 2030", "at least 1"),
        (THRESHOLD.replace("0.9", "90"), "between 0 and 1"),
        (THRESHOLD.replace("0.9", ".nan"), "finite"),
        (THRESHOLD.replace("2027Q4", "2027Q5"), "2026Q4"),
        (THRESHOLD + ", status: adopted", "decision.body, decision.date, decision.minutes_sha256"),
        (THRESHOLD + ", status: adopted, decision: {body: c, date: 2026-01-01}", "give decision.minutes_sha256"),
        (THRESHOLD + ", decision: {minutes_sha256: abc}", "64 hexadecimal digits"),
    ],
)
def test_a_target_that_says_nothing_verifiable_is_refused(tmp_path: Path, target: str, said: str) -> None:
    (found,) = mistakes(tmp_path, targets=f"targets:\n  - {{{target}}}\n")
    assert found.startswith("targets.yaml:2: targets[0]")
    assert said in found


def test_a_decision_is_taken_by_a_body_of_the_charter(tmp_path: Path) -> None:
    charter = "organisation: {id: o, name: O}\ngovernance:\n  - {id: comite-interne, name: Comité interne}\n"
    target = f"targets:\n  - {{{THRESHOLD}, decision: {{body: comite-intrne}}}}\n"
    (found,) = mistakes(tmp_path, charter=charter, targets=target)
    assert found.startswith("targets.yaml:2: targets[0].decision.body: 'comite-intrne' is not in governance")


def test_a_service_does_not_succeed_itself(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, services="services:\n  - {id: a, name: A, status: poc, succeeds: a}\n")
    assert "names this very service" in found


@pytest.mark.parametrize(
    ("a", "b", "c", "said"),
    [
        ("", "[z]", "", "services.yaml:3: services[1].succeeds: 'z' is not registered: keep it there with status retired"),
        ("", "[a]", "[a]", "services.yaml:4: services[2].succeeds: 'a' is succeeded by 'b' already"),
        ("[c]", "[a]", "[b]", "services.yaml:4: services[2].succeeds: 'b' succeeds 'c' itself"),
    ],
)
def test_a_service_goes_on_from_registered_ones_each_in_one_line(tmp_path: Path, a: str, b: str, c: str, said: str) -> None:
    lines = (
        f"  - {{id: {name}, name: N, status: poc{f', succeeds: {old}' if old else ''}}}\n"
        for name, old in zip("abc", (a, b, c), strict=True)
    )
    (found,) = mistakes(tmp_path, services="services:\n" + "".join(lines))
    assert found.startswith(said)


def test_a_target_is_of_a_registered_service(tmp_path: Path) -> None:
    services = "services:\n  - {id: a, name: A, status: poc}\n"
    (found,) = mistakes(
        tmp_path, services=services, targets=f"targets:\n  - {{{THRESHOLD}, service: b}}\n".replace("coverage_services", "sci")
    )
    assert found.startswith("targets.yaml:2: targets[0].service: 'b' is not in services.yaml")


def test_an_adopted_target_keeps_its_decision(tmp_path: Path) -> None:
    adopted = sample_catalogue(tmp_path).targets.targets[1]
    assert adopted.decision is not None
    assert (adopted.status, adopted.decision.body) == ("adopted", "comite-interne")


@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_content_of_a_file_raises_our_error_or_none(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("services", "charter", "targets"):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    with contextlib.suppress(CatalogueError):
        catalogue.load(folder)


# --- calibration ------------------------------------------------------------------------------------------------------

CALIBRATION = "component: cpu, wall_factor: 1.42, source: PV 12, date: 2026-06-15"


def calibrations(*entries: str) -> str:
    return "calibrations:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (CALIBRATION.replace("cpu", "disk"), "component: 'disk': choose one of 'cpu', 'gpu', 'ram'"),
        (CALIBRATION.replace("1.42", "142"), "wall_factor: 142: write energy at the wall / energy of the component as measured"),
        (CALIBRATION.replace("1.42", "0.5"), "wall_factor: 0.5: write energy at the wall"),
        (CALIBRATION.replace("1.42", ".nan"), "wall_factor"),
        (CALIBRATION + ", gsd: 0.9", "gsd: 0.9"),
        (CALIBRATION + ", instances: []", "instances: empty"),
        (CALIBRATION + ', instances: ["GPU 1"]', "instances[0]: 'GPU 1': write an instance's name"),
        (CALIBRATION + ", from: 2027-01-01, until: 2027-01-01", "a day after 'from'"),
        (CALIBRATION + ", from: 12", "from: 12: write a day as 2026-11-23"),
        (CALIBRATION + ", form: 2027-01-01", "form: no such field: did you mean 'from'?"),
        (CALIBRATION.replace(", source: PV 12", ""), "source: missing"),
        (CALIBRATION.replace(", date: 2026-06-15", ""), "date: missing"),
    ],
)
def test_a_calibration_that_is_no_measurement_is_refused(tmp_path: Path, entry: str, said: str) -> None:
    (found,) = mistakes(tmp_path, calibration=calibrations(entry))
    assert found.startswith("calibration.yaml:2: calibrations[0]")
    assert said in found


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ("", "", True),
        ("", ", instances: api-1", True),
        (', instances: ["gpu-0*"]', ', instances: ["gpu-1*", "*-07"]', True),
        (', instances: ["gpu-0*"]', ', instances: ["gpu-1*", "api-?"]', False),
        (', instances: ["a?c"]', ", instances: abc", True),
        (', instances: ["a?c"]', ", instances: ac", False),
        (", until: 2026-07-01", ", from: 2026-07-01", False),
        (", until: 2026-07-02", ", from: 2026-07-01", True),
    ],
)
def test_two_calibrations_that_could_both_hold_are_refused(tmp_path: Path, first: str, second: str, overlap: bool) -> None:
    text = calibrations(CALIBRATION + first, CALIBRATION.replace("cpu", "gpu"), CALIBRATION + second)
    if overlap:
        (found,) = mistakes(tmp_path, calibration=text)
        assert found.startswith("calibration.yaml:4: calibrations[2]: 'cpu' is calibrated on line 2 already")
    else:
        assert len(write_catalogue(tmp_path, calibration=text).calibrations) == 3


NAMES = st.text("ab-", min_size=1, max_size=5)
PATTERNS = st.text("ab*?", min_size=1, max_size=5)


@given(one=PATTERNS, other=PATTERNS, name=NAMES)
def test_a_name_that_fits_two_patterns_makes_them_overlap(one: str, other: str, name: str) -> None:
    a, b = (
        catalogue.Calibration(component="cpu", wall_factor=1, instances=(each,), source="x", date=date(2026, 1, 1))
        for each in (one, other)
    )
    day = date(2026, 5, 1)
    if a.covers("cpu", name, day) and b.covers("cpu", name, day):
        assert a.overlaps(b)
    if not a.overlaps(b):
        assert not b.overlaps(a)
    assert a.overlaps(a)


def test_every_mistake_of_sites_equipment_and_outcomes_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "outcomes.csv").write_text(
        "service,quarter,accepted,source\n"
        "Un service,2026Q5,-3,\n"
        "vadore,2026Q4,12\n"
        "vadore,2026Q4,12.5,enquête\n"
        "vadore,2026Q4,13,enquête\n",
        encoding="utf-8",
    )
    found = mistakes(
        tmp_path,
        sites=(
            "sites:\n"
            "  - id: a\n"
            "    instances: []\n"
            "    zone: fr\n"
            "    pue:\n"
            "      - {value: 0.9, quality: measured, source: s, date: 2026-01-01}\n"
            "      - {value: 1.2, quality: exact, source: s, date: 2026-01-01}\n"
            "    wue:\n"
            "      - {value: -1, quality: measured, source: s, date: 2026-01-01, until: 2026-01-01, from: 2026-01-02}\n"
        ),
        equipment=(
            "equipment:\n"
            "  - id: server\n"
            "    co2e_kg: -5\n"
            "    reserved_share: 1.5\n"
            "    instances: [host-1]\n"
            "    from: 2026-01-01\n"
            "    source: s\n"
            "    date: 2026-01-01\n"
        ),
    )
    for where, said in (
        ("equipment.yaml:2: equipment[0].life_years", "add the expected life in years"),
        ("equipment.yaml:3: equipment[0].co2e_kg", "-5"),
        ("equipment.yaml:4: equipment[0].reserved_share", "1.5"),
        ("outcomes.csv:2: accepted", "'-3': write a count of 0 or more"),
        ("outcomes.csv:2: quarter", "2026Q5"),
        ("outcomes.csv:2: service", "'Un service'"),
        ("outcomes.csv:2: source", "name where the count comes from"),
        ("outcomes.csv:3: line", "3 cells: write 4"),
        ("outcomes.csv:5: quarter", "already on line 4"),
        ("sites.yaml:3: sites[0].instances", "write at least 1 item"),
        ("sites.yaml:4: sites[0].zone", "'fr': write an ISO 3166-1 alpha-3"),
        (
            "sites.yaml:6: sites[0].pue[0].value",
            "0.9: a PUE is energy of the building / energy of its IT",
        ),
        ("sites.yaml:7: sites[0].pue[1].quality", "'exact': choose one of"),
        ("sites.yaml:9: sites[0].wue[0].value", "-1"),
    ):
        assert any(line.startswith(where) and said in line for line in found), (where, found)


def test_an_instance_is_in_one_site_and_a_site_has_one_figure_a_day(tmp_path: Path) -> None:
    figure = "quality: declared, source: s, date: 2026-01-01"
    found = mistakes(
        tmp_path,
        sites=(
            "sites:\n"
            "  - id: a\n"
            "    instances: ['gpu-*']\n"
            f"    pue: [{{value: 1.2, until: 2026-07-01, {figure}}}, {{value: 1.3, from: 2026-06-30, {figure}}}]\n"
            "  - id: b\n"
            "    instances: ['*-01']\n"
        ),
    )
    assert any("sites[0].pue[1]" in line and "end one with 'until'" in line for line in found), found
    assert any(line.startswith("sites.yaml:6: sites[1].instances") and "an instance is in one site" in line for line in found), (
        found
    )
    first, second = (f"{{value: 1.2, {name}: 2026-07-01, {figure}}}" for name in ("until", "from"))
    apart = f"sites: [{{id: a, instances: a, pue: [{first}, {second}]}}]"
    assert len(write_catalogue(tmp_path / "apart", sites=apart).sites[0].pue) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("service,quarter,count,source\nvadore,2026Q4,1,s\n", "outcomes.csv:1: header"),
        ('service,quarter,accepted,source\n"vadore,2026Q4,1,s\n', "outcomes.csv:2: not readable as CSV"),
        ("service,quarter,accepted,source\nvadore,2026Q4,beaucoup,s\n", "outcomes.csv:2: accepted"),
    ],
)
def test_an_outcomes_file_that_cannot_be_read_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "outcomes.csv").write_text(text, encoding="utf-8")
    assert any(line.startswith(said) for line in mistakes(tmp_path))


def test_outcomes_may_be_written_by_a_french_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "outcomes.csv").write_text(
        "﻿service;quarter;accepted;source\r\nvadore;2026q4;12,5;enquête\r\n\r\n", encoding="utf-8"
    )
    assert write_catalogue(tmp_path).outcomes == (catalogue.Outcomes("vadore", "2026Q4", 12.5, "enquête"),)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("indicator: sci", "sci is per unit of one service: add 'service' with its id"),
        ("indicator: precision, service: vadore", "precision is judged for all services: leave 'service' out"),
        ("indicator: budget", "budget is of a trajectory, and nothing else is: write 'trajectory' with the id of its target"),
        ("indicator: energy, trajectory: t", "budget is of a trajectory, and nothing else is"),
        ("indicator: budget, trajectory: t, service: vadore", "budget is judged for a trajectory: leave 'service' out"),
    ],
)
def test_a_target_is_of_one_service_where_it_counts_units(tmp_path: Path, entry: str, said: str) -> None:
    found = mistakes(tmp_path, targets=f"targets: [{{id: t, {entry}, op: '<=', value: 1, deadline: 2026Q4}}]")
    assert any(said in line for line in found), found


def test_days_are_declared_by_a_number_or_by_phase_and_instance(tmp_path: Path) -> None:
    def expected(days: str) -> list[tuple[str, str, float]]:
        services = f"services: [{{id: a, name: A, status: poc, instance_days: {days}}}]"
        (service,) = write_catalogue(tmp_path, services=services).services
        return [tuple(each) for each in service.expected_days]

    assert expected("184") == [("inference", "", 184)]
    assert expected("{inference: {gpu-01: 92, gpu-03: 46.5}, training: 11}") == [
        ("inference", "gpu-01", 92),
        ("inference", "gpu-03", 46.5),
        ("training", "", 11),
    ]
    assert write_catalogue(tmp_path, services="services: [{id: a, name: A, status: poc}]").services[0].expected_days == ()


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("{serving: 92}", "'serving': write the days of inference and training, e.g. {inference: {gpu-01: 92, gpu-03: 92}"),
        ("{}", "empty: write the days of inference and training"),
        ("{inference: {gpu-01: 0}}", "inference.gpu-01: 0: write on how many days it runs in a full quarter"),
        ("{training: many}", "training: 'many': write a number of days"),
        ("{inference: {}}", "inference: {}: write a number of days"),
        ("{inference: {gpu-01: .inf}}", "inference.gpu-01: inf: write a finite number of days"),
        ("often", "'often': write a number of days, or days by phase and instance"),
        ("true", "True: write a number of days"),
        ("2000000", "2000000: write on how many days"),
    ],
)
def test_wrong_days_are_named_with_their_phase_and_instance(tmp_path: Path, days: str, said: str) -> None:
    (mistake,) = mistakes(tmp_path, services=f"services:\n  - {{id: a, name: A, status: poc, instance_days: {days}}}\n")
    assert mistake.startswith("services.yaml:2: "), mistake
    assert said in mistake, mistake


def test_a_budget_is_of_a_trajectory_that_is_declared(tmp_path: Path) -> None:
    path = "{id: path, indicator: energy, baseline: {quarters: [2026Q1]}, reduction: 0.3, horizon: 2030}"
    budget = "{id: b, indicator: budget, trajectory: %s, op: '<=', value: 1, deadline: 2027Q4}"
    found = write_catalogue(tmp_path, targets=f"targets: [{path}, {budget % 'path'}]")
    assert found.targets.targets[1].trajectory == "path"
    said = mistakes(tmp_path, targets=f"targets: [{path}, {budget % 'b'}]")
    assert any("targets[1].trajectory: 'b' is not the id of a trajectory: known: path" in line for line in said), said


# --- factors and contracts --------------------------------------------------------------------------------------------

CONTRACT = (
    "supplier: S, gco2e_per_kwh: 6, scope: lifecycle, share: 0.6, zone: FRA, from: 2026-01-01, until: 2027-01-01, evidence: GO 12"
)


def contracts(*entries: str) -> str:
    return "contracts:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def test_which_factors_are_in_use_is_said_once(tmp_path: Path) -> None:
    assert catalogue.load(None).factors.use == "default"
    found = write_catalogue(tmp_path, factors="use: rte-2025\nscope: direct\nbasis: production\nfill: previous\n")
    assert found.factors == catalogue.factors_chosen(tmp_path)
    assert (found.factors.use, found.factors.scope, found.factors.fill) == ("rte-2025", "direct", "previous")
    said = mistakes(tmp_path, factors="use: RTE 2025\nscope: both\nfill: zero\n")
    assert [line.split(": ")[:2] for line in said] == [
        ["factors.yaml:1", "use"],
        ["factors.yaml:2", "scope"],
        ["factors.yaml:3", "fill"],
    ]


def test_the_factors_in_use_are_known_whatever_other_files_say(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("services: 12\n")
    assert catalogue.factors_chosen(tmp_path).use == "default"
    assert catalogue.factors_chosen(None).use == "default"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (CONTRACT.replace("kwh: 6", "kwh: 6000"), "gco2e_per_kwh: 6000"),
        (CONTRACT.replace("kwh: 6", "kwh: -1"), "gco2e_per_kwh: -1"),
        (CONTRACT.replace("0.6", "60"), "share: 60"),
        (CONTRACT.replace("0.6", "0"), "share: 0"),
        (CONTRACT.replace("FRA", "France"), "zone: 'France': write an ISO 3166-1 alpha-3"),
        (CONTRACT.replace("scope: lifecycle, ", ""), "scope: missing"),
        (CONTRACT.replace(", evidence: GO 12", ""), "evidence: missing"),
        (CONTRACT.replace("2027-01-01", "2026-01-01"), "a day after 'from'"),
    ],
)
def test_a_contract_that_shows_nothing_is_refused(tmp_path: Path, entry: str, said: str) -> None:
    (found,) = mistakes(tmp_path, contracts=contracts(entry))
    assert found.startswith("contracts.yaml:2: contracts[0]")
    assert said in found


@pytest.mark.parametrize(
    ("second", "oversold"),
    [
        (CONTRACT, True),
        (CONTRACT.replace("0.6", "0.4"), False),
        (CONTRACT.replace("FRA", "DEU"), False),
        (CONTRACT.replace("2026-01-01", "2026-06-01"), True),
        (CONTRACT.replace("until: 2027-01-01", "until: 2028-01-01").replace("from: 2026-01-01", "from: 2027-01-01"), False),
        (CONTRACT + ", instances: [api-1]", True),
    ],
)
def test_contracts_that_cover_more_than_everything_are_refused(tmp_path: Path, second: str, oversold: bool) -> None:
    if oversold:
        assert "cover 1.2 of the use together" in mistakes(tmp_path, contracts=contracts(CONTRACT, second))[-1]
    else:
        assert len(write_catalogue(tmp_path, contracts=contracts(CONTRACT, second)).contracts) == 2


REGISTER = "services:\n  - {id: vadore, name: VADORE, status: poc}\n"
BODIES = "organisation: {id: o, name: O}\ngovernance:\n  - {id: comite-externe, name: Comité externe}\n"


def test_the_commented_examples_of_the_committees_are_valid(tmp_path: Path) -> None:
    text = catalogue.starter_files()["committees.yaml"]
    for key in ("recommendations", "decisions", "actions", "comments", "ties"):
        text = text.replace(f"{key}: []\n", "").replace(f"# Remplacer « {key}: [] »", "# ")
        text = text.replace(f"# {key}:\n", f"{key}:\n")
    text = "\n".join(line.removeprefix("# ") if line.startswith("#   ") else line for line in text.splitlines())
    committees = write_catalogue(tmp_path, committees=text).committees
    assert committees.actions[0].answers == committees.decisions[0].id
    assert committees.decisions[0].answers == committees.recommendations[0].id
    assert (len(committees.comments), len(committees.ties)) == (1, 1)


def test_committees_refer_to_known_ids_and_name_no_person(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        services=REGISTER,
        charter=BODIES + "charter: {title: C, commitments: [{number: 7, id: e, name: E}]}\n",
        committees=(
            "recommendations:\n"
            "  - {id: r1, quarter: 2026Q4, body: extrene, text: t}\n"
            "  - {id: r2, quarter: 2026Q4, body: comite-externe, service: vadoré, text: t}\n"
            "  - {id: r3, quarter: 2026Q4, body: comite-externe, text: voir prenom.nom@organisation.example}\n"
            "actions:\n"
            "  - {id: a1, quarter: 2026Q4, text: t, role: r, due: 2026Q3}\n"
            "  - {id: a2, quarter: 2026Q4, text: t, role: r, due: 2027Q1, state: done}\n"
        ),
        evaluations="answers:\n  - {service: vadore, quarter: 2026Q4, question: besoin, answer: met}\n",
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["committees.yaml:3", "recommendations[1].service"],
        ["committees.yaml:4", "recommendations[2].text"],
        ["committees.yaml:6", "actions[0].due"],
        ["committees.yaml:7", "actions[1]"],
        ["evaluations.yaml:2", "answers[0].question"],
    ]
    assert "no person is named here" in found[1]
    assert "known: besoin-ecrit" in found[4]
    found = mistakes(
        tmp_path,
        committees=(
            "recommendations:\n"
            "  - {id: r1, quarter: 2026Q4, body: extrene, text: t}\n"
            "  - {id: r2, quarter: 2026Q4, body: comite-externe, service: smart, text: t}\n"
            "decisions:\n  - {id: d1, quarter: 2026Q4, body: comite-externe, answers: r9, text: t}\n"
            "comments:\n  - {quarter: 2026Q4, section: annexes, text: t}\n  - {quarter: 2026q4, section: annexes, text: u}\n"
            "ties:\n  - {quarter: 2026Q4, commitment: 4, text: t}\n"
        ),
        evaluations="answers: []\n",
    )
    assert found == [
        "committees.yaml:2: recommendations[0].body: 'extrene' is not in governance of charter.yaml: known: comite-externe",
        "committees.yaml:3: recommendations[1].service: 'smart' is not in services.yaml: register it there (a project has status "
        "poc), or correct it",
        "committees.yaml:5: decisions[0].answers: 'r9' is not the id of a recommendation: known: r1, r2",
        "committees.yaml:8: comments[1].section: 'annexes' of '2026q4' is already used on line 7: each quarter and section is "
        "used once",
        "committees.yaml:10: ties[0].commitment: 4 is not a commitment of charter.yaml: known: 7",
    ]


def test_an_action_is_followed_from_quarter_to_quarter(tmp_path: Path) -> None:
    committees = write_catalogue(
        tmp_path,
        committees=(
            "actions:\n"
            "  - {id: a1, quarter: 2026Q4, text: t, role: r, due: 2027Q1, state: done, closed: 2027Q3}\n"
            "  - {id: a2, quarter: 2027Q2, text: t, role: r, due: 2027Q4}\n"
        ),
    ).committees
    first, second = committees.actions
    quarters = ("2026Q3", "2026Q4", "2027Q1", "2027Q2", "2027Q3", "2027Q4")
    assert [first.state_at(q) for q in quarters] == [None, "under-way", "under-way", "under-way", "done", "done"]
    assert [first.late_at(q) for q in quarters] == [False, False, False, True, False, False]
    assert [len(committees.of(q).actions) for q in quarters] == [0, 1, 1, 2, 2, 1]
    assert second.state_at("2028Q1") == "planned"
    assert second.late_at("2028Q1")


def test_the_last_answer_of_a_self_assessment_holds(tmp_path: Path) -> None:
    loaded = write_catalogue(
        tmp_path,
        services=REGISTER,
        evaluations=(
            "answers:\n"
            "  - {service: vadore, quarter: 2027Q1, question: sans-ia, answer: met}\n"
            "  - {service: vadore, quarter: 2026Q4, question: sans-ia, answer: open, comment: à comparer}\n"
        ),
    )
    assert loaded.evaluation("vadore", "2026Q3") == {}
    assert loaded.evaluation("vadore", "2026Q4")["sans-ia"].answer == "open"
    assert loaded.evaluation("vadore", "2027Q2")["sans-ia"].answer == "met"
    assert loaded.evaluation("smart", "2027Q2") == {}


def test_units_by_region_are_read_and_every_wrong_cell_is_named(tmp_path: Path) -> None:
    path = tmp_path / "regions.csv"
    path.write_text("region;service;quarter;units;source\nBretagne;vadore;2026q4;120,5;suivi\n", encoding="utf-8")
    assert catalogue.load(tmp_path).regions == (catalogue.RegionUnits("Bretagne", "vadore", "2026Q4", 120.5, "suivi"),)
    path.write_text(
        "region,service,quarter,units,source\nBretagne,vadore,2026Q4,1,s\nBretagne,vadore,2026Q4,2,s\n,Va,Q4,-1,\n",
        encoding="utf-8",
    )
    assert [line.split(": ")[:2] for line in mistakes(tmp_path)] == [
        ["regions.csv:3", "quarter"],
        ["regions.csv:4", "quarter"],
        ["regions.csv:4", "region"],
        ["regions.csv:4", "service"],
        ["regions.csv:4", "source"],
        ["regions.csv:4", "units"],
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "gsd: {countrs: 1.2}\nbecause: s",
            "method.yaml:1: gsd.countrs: 'countrs': no such source of error: did you mean 'counters'?",
        ),
        ("gsd:\n  own: 0.9\nbecause: s", "method.yaml:2: gsd.own: 0.9: write a geometric standard deviation, from 1"),
        ("gsd:\n  own: 11\nbecause: s", "method.yaml:2: gsd.own: 11: write a geometric standard deviation, from 1"),
        ("gsd: {own: 1.2}", "method.yaml:1: deviations are changed: add 'because' with the source and the date"),
    ],
)
def test_a_deviation_that_is_none_is_named_with_line_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CatalogueError, match=re.escape(expected)):
        write_catalogue(tmp_path, method=text)


def test_deviations_are_those_of_the_method_but_where_others_are_chosen(tmp_path: Path) -> None:
    assert catalogue.load(None).gsd == GSD
    assert write_catalogue(tmp_path, method="gsd: {own: 1.2}\nbecause: s").gsd == {**GSD, "own": 1.2}


@pytest.mark.parametrize("indicator", sorted(set(catalogue.INDICATORS) - set(catalogue.ADDS_UP)))
def test_a_trajectory_on_what_does_not_add_up_is_refused_with_the_remedy(tmp_path: Path, indicator: str) -> None:
    service = ", service: a" if indicator in catalogue.PER_SERVICE else ""
    target = f"id: t, indicator: {indicator}{service}, baseline: {{quarters: [2026Q4]}}, reduction: 0.3, horizon: 2030"
    (mistake,) = mistakes(tmp_path, targets=f"targets:\n  - {{{target}}}\n")
    assert f"targets[0]: {indicator} is a ratio and does not add up over quarters" in mistake
    assert "write op, value, deadline (a threshold), or set the trajectory on one of energy_components, energy_it" in mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use: [km-tgv, km-tgv]", "equivalences.yaml:1: use: ['km-tgv', 'km-tgv']: named twice: name each once"),
        ("use: [km-tgv, km-voiture-thermique, km-tgv]", "equivalences.yaml:1: use: 3 equivalences: keep 2 at most"),
        (
            "use:\n- km-tgv\n- km-avion",
            "equivalences.yaml:3: use[1]: 'km-avion': no such equivalence; known: km-",
        ),
    ],
)
def test_an_equivalence_that_is_not_known_or_one_too_many_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (mistake,) = mistakes(tmp_path, equivalences=text)
    assert mistake.startswith(expected)


def test_no_day_at_all_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, services="services:\n  - {id: a, name: A, status: poc, instance_days: 0}\n")
    assert mistake.startswith("services.yaml:2: services[0].instance_days: 0: write on how many days it runs in a full quarter")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{provider: p, model: m, source: s, date: 2025-07-22}", "[0]: all of it is 0: write at least one of g_per_request"),
        ("{provider: p, model: m, g_per_token_out: -1, source: s, date: 2025-07-22}", "[0].g_per_token_out: -1"),
        ("{provider: p, model: m, g_per_token_out: 1, low: 2, source: s, date: 2025-07-22}", "[0].low: 2"),
        ("{provider: p, model: m, g_per_token_out: 1, date: 2025-07-22}", "[0].source"),
        ("{provider: p, model: m, kg_per_token: 1, source: s, date: 2025-07-22}", "[0].kg_per_token"),
    ],
)
def test_a_wrong_factor_of_a_hosted_model_is_told(tmp_path: Path, text: str, said: str) -> None:
    (found, *_) = mistakes(tmp_path, hosted_factors=f"hosted_factors:\n  - {text}\n")
    assert f"hosted_factors{said}" in found, found


def test_a_hosted_model_has_one_factor(tmp_path: Path) -> None:
    one = "  - {provider: p, model: m, g_per_token_out: 1, source: s, date: 2025-07-22}\n"
    (found,) = mistakes(tmp_path, hosted_factors=f"hosted_factors:\n{one}{one}")
    assert found.startswith("hosted_factors.yaml:3"), found

"""``ecoia publish``, ``verify`` and ``recalculate``: what people see of a frozen quarter."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ecoia.cli.formats import drawn_with, known_formats
from ecoia.errors import MissingExtraError
from ecoia.keeping.journal import Journal
from support.command_line import ecoia, fill
from support.publications import as_schema_1, resealed
from support.records import kwh, record
from support.timestamp_authority import timestamp_authority


@pytest.fixture
def folder(home: Path, organisation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two quarters that are over, and where publications go."""
    fill(
        home,
        record("2026-05-11T10:00", cpu=kwh(2), ram=None),
        record("2026-08-11T10:00", cpu=kwh(3), ram=None),
        record("2026-10-05T10:00", cpu=kwh(1), ram=None),
    )
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    monkeypatch.setenv("ECOIA_PUBLICATIONS", str(tmp_path / "publications"))
    return tmp_path / "publications"


def published(quarter: str, *words: object) -> str:
    result = ecoia("publish", "--quarter", quarter, "--from", "journal", *words)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_a_quarter_is_published_verified_and_computed_again(folder: Path) -> None:
    told = published("2026Q2")
    (head,) = [line.rpartition(" ")[2] for line in told.splitlines() if "head for the minutes" in line]
    published("2026Q3", "--format", "html,csv")
    page = (folder / "2026Q3" / "documents" / "rapport-2026Q3.html").read_text(encoding="utf-8")
    assert head in page, "the page prints the head of the publication before"
    figures = hashlib.sha256((folder / "2026Q3" / "report.json").read_bytes()).hexdigest()
    assert figures in page, "and the digest of the figures that it shows"
    result = ecoia("verify", folder, "--recompute")
    assert result.exit_code == 0, result.output
    assert head in result.stdout
    for name in ("2026Q2", "2026Q3"):
        (line,) = [line for line in result.stdout.splitlines() if line.split()[:1] == [name]]
        documents = [path for path in (folder / name / "documents").rglob("*") if path.is_file()]
        assert line.split()[-5:] == ["the", "same", str(len(documents)), "the", "same"]
    assert ecoia("verify", folder / "2026Q3").exit_code == 0
    bridge = ecoia("recalculate", "--from", "journal")
    assert bridge.exit_code == 0, bridge.output
    assert bridge.stdout.count("stays") == 2


def test_a_report_of_a_published_quarter_says_that_it_is_not_the_one_that_counts(folder: Path) -> None:
    words = ("report", "--quarter", "2026Q2", "--from", "journal", "--out", folder.parent / "out", "--format", "json")
    assert "was published" not in ecoia(*words).stderr
    published("2026Q2")
    told = ecoia(*words).stderr
    assert "2026Q2 was published on" in told
    assert f"('{folder / '2026Q2'}'): that is the report" in told


def test_with_which_key_each_publication_is_signed_is_shown(folder: Path, tmp_path: Path) -> None:
    secret = Ed25519PrivateKey.generate()
    pem = secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    published("2026Q2")
    published("2026Q3", "--key", tmp_path / "key.pem")
    lines = ecoia("verify", folder).stdout.splitlines()
    start = base64.b64encode(secret.public_key().public_bytes_raw()).decode()[:12]
    assert any("2026Q2" in line and line.rstrip().endswith("no key") for line in lines)
    assert any("2026Q3" in line and line.rstrip().endswith(f"{start}…") for line in lines)


def test_the_head_of_the_minutes_decides_an_unsigned_chain(folder: Path) -> None:
    heads = [published(quarter).rpartition(" ")[2].strip() for quarter in ("2026Q2", "2026Q3")]
    alone = ecoia("verify", folder)
    assert alone.exit_code == 0
    assert "whoever can write to this folder can have made it: give the head of the minutes" in alone.stderr
    by_head = ecoia("verify", folder, "--head", heads[1].upper())
    assert (by_head.exit_code, by_head.stderr) == (0, "")
    earlier = ecoia("verify", folder, "--head", heads[0])
    assert "the head given decides up to 2026Q2" in earlier.stderr
    page = folder / "2026Q3" / "documents" / "rapport-2026Q3.html"
    page.write_text(page.read_text(encoding="utf-8").replace("T3", "T4"), encoding="utf-8")
    resealed(folder / "2026Q3")
    assert ecoia("verify", folder).exit_code == 0, "a forger can make an unsigned chain fit"
    refused = ecoia("verify", folder, "--head", heads[1])
    assert refused.exit_code == 1
    assert f"no publication here has the head {heads[1]}" in refused.stderr
    assert ecoia("verify", folder, "--head", heads[1][:12]).exit_code == 2


def test_an_edited_page_is_found_by_drawing_it_again_whoever_sealed_it(folder: Path) -> None:
    published("2026Q2", "--format", "html,csv")
    page = folder / "2026Q2" / "documents" / "rapport-2026Q2.html"
    page.write_text(page.read_text(encoding="utf-8").replace("T2", "T1", 1), encoding="utf-8")
    resealed(folder / "2026Q2")
    assert ecoia("verify", folder).exit_code == 0
    told = ecoia("verify", folder, "--recompute")
    assert told.exit_code == 1
    (line,) = [line for line in told.stdout.splitlines() if "rapport-2026Q2" in line]
    assert line.split() == ["2026Q2", "rapport-2026Q2.html", "differs"]


def test_documents_of_a_program_of_another_version_are_not_comparable_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published("2026Q2", "--format", "html,csv")
    monkeypatch.setattr("ecoia_dashboards.csvs.drawn_with", lambda: {"babel": "3000"})
    assert ecoia("verify", folder, "--recompute").exit_code == 0, "the bytes are the same all the same"
    path = folder / "2026Q2" / "documents" / "rapport-2026Q2-csv" / "fr" / "about.csv"
    path.write_text(path.read_text(encoding="utf-8") + "x", encoding="utf-8")
    resealed(folder / "2026Q2")
    told = ecoia("verify", folder, "--recompute")
    assert told.exit_code == 0, "neither a success nor a failure"
    (line,) = [line for line in told.stdout.splitlines() if "fr/about.csv" in line]
    assert "not comparable here" in line
    assert "3000 here" in " ".join(told.stdout.split())


def test_documents_that_cannot_be_drawn_here_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published("2026Q2", "--format", "html,csv")

    def none(*_: object, **__: object) -> None:
        raise MissingExtraError("CSV", "nothing")

    monkeypatch.setattr("ecoia_dashboards.csvs.drawn_with", none)
    told = ecoia("verify", folder, "--recompute")
    assert told.exit_code == 0
    assert "csv cannot be drawn here" in " ".join(told.stdout.split())
    assert "pip install" in told.stderr


def test_every_format_that_other_programs_draw_tells_their_versions() -> None:
    drawn_by_us_alone = {"json", "boamps", "sci"}
    for format_ in known_formats().keys() - drawn_by_us_alone:
        assert drawn_with(format_).keys() > {"ecoia"}, f"{format_}: give its module 'drawn_with'"


def test_documents_of_a_restated_quarter_have_its_name(folder: Path, home: Path) -> None:
    published("2026Q2")
    fill(home, record("2026-06-01T10:00", cpu=kwh(1), ram=None))
    assert ecoia("recalculate", "--from", "journal", "--keep", "--format", "html,csv").exit_code == 0
    assert sorted(path.name for path in (folder / "2026Q2-r1" / "documents").iterdir()) == [
        "rapport-2026Q2-r1-csv",
        "rapport-2026Q2-r1.html",
    ]
    assert ecoia("verify", folder, "--recompute").exit_code == 0


def figures(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name / "report.json").read_text(encoding="utf-8"))
    return found


def test_what_is_declared_otherwise_since_the_last_publication_is_in_the_next(folder: Path, organisation: Path) -> None:
    (organisation / "targets.yaml").write_text(
        'targets: [{id: cap, indicator: energy, op: "<=", value: 10, deadline: 2026Q4}]\n', encoding="utf-8"
    )
    published("2026Q2")
    assert (figures(folder, "2026Q2")["declared_since"], figures(folder, "2026Q2")["declared_changes"]) == (None, [])
    (organisation / "targets.yaml").write_text("targets: []\n", encoding="utf-8")
    draft = ecoia("report", "--quarter", "2026Q3", "--from", "journal", "--out", folder.parent / "out", "--format", "json")
    assert draft.exit_code == 0
    drafted = json.loads((folder.parent / "out" / "rapport-2026Q3.json").read_text(encoding="utf-8"))
    published("2026Q3")
    told = figures(folder, "2026Q3")
    assert told["declared_since"] == drafted["declared_since"] == "2026Q2"
    assert told["declared_changes"] == drafted["declared_changes"]
    (change,) = told["declared_changes"]
    assert (change["id"], change["what"], change["before"], change["effect"]) == ("cap", "removed", "<= 10", "loosened")
    page = (folder / "2026Q3" / "documents" / "rapport-2026Q3.html").read_text(encoding="utf-8")
    assert "assoupli, ou supprimé (énergie)" in page, "in words, on the first page"
    first = (folder / "2026Q2" / "documents" / "rapport-2026Q2.html").read_text(encoding="utf-8")
    assert "Aucune publication antérieure" in first


def test_declared_changes_are_compared_again_and_cannot_be_forged_away(folder: Path, organisation: Path) -> None:
    (organisation / "targets.yaml").write_text(
        'targets: [{id: cap, indicator: energy, op: "<=", value: 10, deadline: 2026Q4}]\n', encoding="utf-8"
    )
    published("2026Q2")
    (organisation / "targets.yaml").write_text("targets: []\n", encoding="utf-8")
    published("2026Q3")
    assert ecoia("verify", folder, "--recompute").exit_code == 0
    path = folder / "2026Q3" / "report.json"
    forged = json.loads(path.read_text(encoding="utf-8")) | {"declared_changes": []}
    path.write_text(json.dumps(forged, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    resealed(folder / "2026Q3")
    told = ecoia("verify", folder, "--recompute")
    assert told.exit_code == 1, "its inputs and those of the publication before say otherwise"
    assert "computes other figures from the same inputs" in told.stderr
    alone = folder.parent / "alone" / "2026Q3"
    shutil.copytree(folder / "2026Q3", alone)
    told = ecoia("verify", alone, "--recompute")
    assert "not every publication before 2026Q3 is here unaltered: declared changes" in told.stderr


def test_what_was_published_earlier_is_compared_again_and_cannot_be_forged(folder: Path) -> None:
    published("2026Q2")
    published("2026Q3")
    path = folder / "2026Q3" / "report.json"
    forged = figures(folder, "2026Q3")
    forged["published_micrograms"]["2026Q2"] = {"co2e_operational": 10**12}
    path.write_text(json.dumps(forged, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    resealed(folder / "2026Q3")
    told = ecoia("verify", folder, "--recompute")
    assert told.exit_code == 1, "2026Q2 lies beside, and published another CO2e"
    assert "computes other figures" in told.stderr


def test_a_target_loosened_for_a_restatement_is_told_in_the_next_quarter(folder: Path, organisation: Path, home: Path) -> None:
    targets = organisation / "targets.yaml"
    cap = 'targets: [{{id: cap, indicator: energy, op: "<=", value: {}, deadline: 2026Q4}}]\n'
    targets.write_text(cap.format(10), encoding="utf-8")
    published("2026Q2")
    targets.write_text(cap.format(99), encoding="utf-8")
    fill(home, record("2026-06-01T10:00", cpu=kwh(1), ram=None))
    assert ecoia("recalculate", "--from", "journal", "--keep").exit_code == 0
    published("2026Q3")
    for name in ("2026Q2-r1", "2026Q3"):
        (change,) = figures(folder, name)["declared_changes"]
        assert (change["after"], change["effect"]) == ("<= 99", "loosened"), name
        assert figures(folder, name)["declared_since"] == "2026Q2"
    assert ecoia("verify", folder, "--recompute").exit_code == 0


def test_the_causes_of_a_restatement_are_computed_again(folder: Path, home: Path) -> None:
    published("2026Q2")
    fill(home, record("2026-06-01T10:00", cpu=kwh(1), ram=None), record("2026-08-01T10:00", cpu=kwh(1), ram=None))
    assert ecoia("recalculate", "--from", "journal", "--keep").exit_code == 0
    assert ecoia("verify", folder, "--recompute").exit_code == 0
    path = folder / "2026Q2-r1" / "recalculation.json"
    path.write_bytes(path.read_bytes().replace(b'"correction"', b'"boundary"'))
    resealed(folder / "2026Q2-r1")
    told = ecoia("verify", folder, "--recompute")
    assert told.exit_code == 1
    assert "computes other figures" in told.stderr


def test_nothing_is_published_after_an_altered_publication(folder: Path, organisation: Path, home: Path) -> None:
    published("2026Q2")
    kept = folder / "2026Q2" / "inputs" / "catalogue" / "targets.yaml"
    kept.write_text("targets: []\n# as if nothing had ever been promised\n", encoding="utf-8")
    fill(home, record("2026-06-01T10:00", cpu=kwh(1), ram=None))
    for command in (["publish", "--quarter", "2026Q3"], ["recalculate", "--keep"]):
        told = ecoia(*command, "--from", "journal")
        assert told.exit_code == 1
        assert "2026Q2/inputs/catalogue/targets.yaml is not what was published" in told.stderr
    assert [path.name for path in folder.iterdir()] == ["2026Q2"]


def test_a_timestamp_is_asked_where_the_organisation_names_an_authority(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with timestamp_authority(tmp_path / "authority") as authority:
        published("2026Q2", "--timestamp", authority.url)
        monkeypatch.setenv("ECOIA_TIMESTAMP_AUTHORITY", authority.url)
        published("2026Q3")
        assert len(authority.queries) == 2
    told = ecoia("verify", folder, "--timestamp-authority", authority.root)
    assert told.exit_code == 0, told.output
    assert told.stdout.count(" UTC") == 2
    assert "not who made it" in ecoia("verify", folder).stderr
    (folder / "2026Q3" / "timestamp.tsr").write_bytes((folder / "2026Q2" / "timestamp.tsr").read_bytes())
    refused = ecoia("verify", folder)
    assert refused.exit_code == 1
    assert "2026Q3/timestamp.tsr is the timestamp of another head" in refused.stderr


def test_certificates_without_any_timestamp_to_check_are_an_error(folder: Path, tmp_path: Path) -> None:
    published("2026Q2")
    told = ecoia("verify", folder, "--timestamp-authority", tmp_path / "none.pem")
    assert told.exit_code == 1
    assert "no publication here has a timestamp" in told.stderr


def test_what_was_published_before_heads_covered_documents_is_said_so(folder: Path) -> None:
    published("2026Q2")
    as_schema_1(folder / "2026Q2")
    told = ecoia("verify", folder)
    assert told.exit_code == 0, told.output
    assert "2026Q2 is of schema 1: its head does not cover its documents, and nothing here vouches for them" in told.stderr
    assert "figures and inputs" in told.stdout


def test_what_stands_beside_the_publications_is_named_as_covered_by_nothing(folder: Path) -> None:
    published("2026Q2")
    (folder / "rapport-2026Q2.html").write_text("another energy", encoding="utf-8")
    told = ecoia("verify", folder)
    assert told.exit_code == 0
    assert "beside the publications stand, covered by no head: rapport-2026Q2.html" in told.stderr


def test_a_changed_byte_is_named(folder: Path) -> None:
    published("2026Q2")
    path = folder / "2026Q2" / "report.json"
    path.write_bytes(path.read_bytes().replace(b'"pue": null', b'"pue": 1.00'))
    result = ecoia("verify", folder)
    assert result.exit_code == 1
    assert "section 'pue' differs" in result.stderr
    assert "Traceback" not in result.output


def test_a_corrected_quarter_stands_beside_what_was_published(folder: Path, home: Path) -> None:
    published("2026Q2")
    fill(home, record("2026-06-01T10:00", cpu=kwh(1), ram=None))
    told = ecoia("recalculate", "--from", "journal", "--json")
    (bridge,) = json.loads(told.stdout)
    assert set(bridge["total"]["causes"]) == {"correction"}
    assert bridge["relative"] == pytest.approx(0.5)
    assert ecoia("recalculate", "--from", "journal", "--keep").exit_code == 0
    assert (folder / "2026Q2-r1" / "recalculation.json").exists()
    assert ecoia("verify", folder, "--recompute").exit_code == 0
    again = ecoia("recalculate", "--from", "journal", "--quarter", "2026Q2")
    assert "stays" in again.stdout, "compared with what was published last"
    report = ecoia("report", "--quarter", "2026Q3", "--from", "journal", "--out", folder.parent / "out", "--format", "json")
    assert report.exit_code == 0
    built = json.loads((folder.parent / "out" / "rapport-2026Q3.json").read_text(encoding="utf-8"))
    assert [each["quarter"] for each in built["restatements"]] == ["2026Q2"]
    assert built["changes"][0]["total"]["explained"]["reference_micrograms"] == bridge["total"]["recalculated_micrograms"]


def test_only_what_changed_is_restated(folder: Path, home: Path) -> None:
    published("2026Q2")
    published("2026Q3")
    fill(home, record("2026-06-01T10:00", cpu=kwh(1), ram=None))
    kept = ecoia("recalculate", "--from", "journal", "--keep")
    assert "2026Q3 amounts to what was published: nothing to restate" in kept.stderr, kept.output
    assert sorted(path.name for path in folder.iterdir()) == ["2026Q2", "2026Q2-r1", "2026Q3"]


def test_what_was_not_known_when_it_was_published_is_no_zero(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECOIA_ZONE")
    published("2026Q2")
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    told = ecoia("recalculate", "--from", "journal")
    assert "co2e_operational known only now" in told.stderr, told.output
    (row,) = [text for text in told.stdout.splitlines() if "2026Q2" in text]
    assert row.split() == ["2026Q2", *["–"] * 6, "stays"]


def test_another_factor_set_is_only_tried(folder: Path) -> None:
    published("2026Q2")
    told = ecoia("recalculate", "--factors", "codecarbon", "--json")
    assert told.exit_code == 0, told.output
    (bridge,) = json.loads(told.stdout)
    assert set(bridge["total"]["causes"]) <= {"factor"}
    assert bridge["factor_set"] == "codecarbon"
    assert sorted(path.name for path in folder.iterdir()) == ["2026Q2"]


def test_what_another_set_does_not_cover_is_unknown_and_neither_zero_nor_settled(folder: Path, organisation: Path) -> None:
    published("2026Q2")
    (organisation / "factors").mkdir()
    header = "# licence: l\n# source: s\n# scope: lifecycle\n# basis: production\n# retrieved_on: 2026-11-01\n"
    line = "zone,start,end,gco2e_per_kwh\nFRA,2026-10-01,2026-11-01,40\n"
    (organisation / "factors" / "october.csv").write_text(header + line, encoding="utf-8")
    told = ecoia("recalculate", "--factors", "october")
    assert "co2e_operational no longer known" in told.stderr, told.output
    (row,) = [text for text in told.stdout.splitlines() if "2026Q2" in text]
    assert row.split() == ["2026Q2", *["–"] * 6, "unknown"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("publish", "--quarter", "2026Q2", "--from", "journal"), "2026Q2 was published on"),
        (("publish", "--quarter", "2199Q4", "--from", "journal"), "2199Q4 lasts until 2199-12-31"),
        (("publish", "--quarter", "2026Q1", "--key", "none.pem"), "openssl genpkey"),
        (("publish", "--quarter", "2026Q1", "--format", "docx"), "no such format"),
        (("recalculate", "--quarter", "2026Q1"), "2026Q1 is not published"),
        (("recalculate", "--factors", "ours", "--keep"), "only tries a set"),
        (("recalculate", "--factors", "ours"), "no factor set 'ours'"),
    ],
)
def test_bad_input_is_one_clear_message(words: tuple[str, ...], message: str, folder: Path) -> None:
    published("2026Q2")
    result = ecoia(*words)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert sorted(path.name for path in folder.iterdir()) == ["2026Q2"]


def test_without_a_folder_it_says_which_setting(journal: Journal, organisation: Path) -> None:
    result = ecoia("publish", "--quarter", "2026Q2")
    assert result.exit_code == 2
    assert 'publications = "publications"' in result.stderr
